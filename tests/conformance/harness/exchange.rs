//! How bytes get to the server and back.

/// What one connection brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) bytes: Vec<u8>,
    /// The server closed the connection.
    pub(crate) closed: bool,
    /// Handler calls, counted when the handler is called.
    pub(crate) entered: usize,
    /// Handler calls that got a whole body.
    pub(crate) completed: usize,
}

/// What follows the last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The client keeps still.
    Still,
    /// Time passes until every timeout has struck.
    Timeouts,
}

/// A way to reach a server under test.
pub(crate) trait Exchange {
    /// Sends the segments over a new connection and returns what came back, once the server has
    /// nothing more to say.
    fn run(&mut self, segments: &[&[u8]], after: After) -> Outcome;

    /// Whether [`Exchange::run`] can tell that a server keeps silent on an open connection.
    /// Without a clock of its own only the end of the stream is certain.
    fn sees_silence(&self) -> bool;
}
