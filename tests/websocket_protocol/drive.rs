//! Feeding a receiver as an engine does.

use keirin::proto::ws::{Event, Kind, MessageLimits, Receiver, Role, Workspace, WsError};

use crate::random::Random;

/// Limits that nothing here runs into.
pub(crate) const LARGE: MessageLimits = MessageLimits {
    message_bytes_max: 16 << 20,
    message_cost_max: 16 << 20,
};

/// An event that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Message {
        kind: Kind,
        compressed: bool,
        payload: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl Seen {
    pub(crate) fn text(payload: &str) -> Self {
        Self::message(Kind::Text, payload.as_bytes())
    }

    pub(crate) fn binary(payload: &[u8]) -> Self {
        Self::message(Kind::Binary, payload)
    }

    fn message(kind: Kind, payload: &[u8]) -> Self {
        Self::Message {
            kind,
            compressed: false,
            payload: payload.to_vec(),
        }
    }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        if let Some((kind, compressed, payload)) = event.message() {
            let payload = payload.to_vec();
            return Self::Message {
                kind,
                compressed,
                payload,
            };
        }
        match event {
            Event::Text(_) | Event::Binary(_) | Event::Compressed(..) => unreachable!("seen to"),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(close) => Self::Close(close.map(|(code, why)| (code, why.to_owned()))),
        }
    }
}

/// All that came of a stream: events, and the error at its end if there is one.
pub(crate) type Outcome = (Vec<Seen>, Option<WsError>);

/// The longest that a receiver leaves unused: a control frame that lacks its last byte.
const UNUSED_BYTES_MAX: usize = 6 + 125 - 1;

/// How a stream is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) role: Role,
    pub(crate) compression_agreed: bool,
    pub(crate) limits: MessageLimits,
}

impl Setting {
    pub(crate) const fn plain(role: Role) -> Self {
        Self {
            role,
            compression_agreed: false,
            limits: LARGE,
        }
    }

    /// Reads a stream that arrives in pieces of these lengths.
    #[track_caller]
    pub(crate) fn read(&self, stream: &[u8], cuts: &[usize]) -> Outcome {
        let mut receiver = Receiver::new(self.role, self.compression_agreed);
        let mut workspace = Workspace::default();
        let (mut seen, mut pending, mut at) = (Vec::new(), Vec::new(), 0);
        for cut in cuts {
            pending.extend_from_slice(&stream[at..at + cut]);
            at += cut;
            loop {
                let len = pending.len();
                let step = match receiver.next(&mut pending, &mut workspace, &self.limits) {
                    Ok(step) => step,
                    Err(error) => {
                        assert_eq!(receiver.buffered_bytes(), 0, "kept after an error");
                        let again = receiver.next(&mut [], &mut workspace, &self.limits);
                        assert_eq!(again, Err(error), "the error stays");
                        return (seen, Some(error));
                    }
                };
                let used = step.used;
                assert!(used <= len);
                let Some(event) = step.event else {
                    assert!(len - used <= UNUSED_BYTES_MAX, "{} unused", len - used);
                    pending.drain(..used);
                    break;
                };
                assert!(used > 0 || event.message().is_some());
                seen.push(event.into());
                if let Some(Seen::Close(_)) = seen.last() {
                    return (seen, None);
                }
                pending.drain(..used);
            }
        }
        (seen, None)
    }

    /// The same whole, byte by byte and at three random cuts; the outcome is the same each time.
    #[track_caller]
    pub(crate) fn read_all_ways(&self, stream: &[u8]) -> Outcome {
        let whole = self.read(stream, &[stream.len()]);
        let bytes = self.read(stream, &vec![1; stream.len()]);
        assert_eq!(
            bytes,
            whole,
            "byte by byte: {:x?}",
            &stream[..stream.len().min(200)]
        );
        let mut random = Random::new(stream.len() as u64);
        for _ in 0..3 {
            let cuts = random.cuts(stream.len());
            assert_eq!(self.read(stream, &cuts), whole, "at {cuts:?}");
        }
        whole
    }
}
