//! What the bytes of an input describe.

use arbitrary::Arbitrary;

#[derive(Arbitrary, Debug)]
pub(super) struct Input {
    pub(super) settings: Settings,
    pub(super) scripts: Vec<Script>,
    pub(super) operations: Vec<(Operation, Then)>,
}

/// Settings that change what the worker does, and not only how much of it.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) half_close: bool,
    pub(super) length_required: bool,
    pub(super) answer_timeout: bool,
    pub(super) throughput: bool,
    pub(super) one_request_per_turn: bool,
    pub(super) few_connections: bool,
    pub(super) discard: bool,
}

/// What happens next around the app. A client is named by any number, modulo how many there are.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Operation {
    Connect,
    /// The client means to send a request.
    Queue {
        client: u8,
        kind: Kind,
        script: u8,
    },
    /// It sends some of what it means to.
    SendPart {
        client: u8,
        bytes: u16,
    },
    /// It sends one more request and everything before it.
    Request {
        client: u8,
        kind: Kind,
        script: u8,
    },
    Finish {
        client: u8,
    },
    Reset {
        client: u8,
    },
    Window {
        client: u8,
        bytes: u16,
    },
    Read {
        client: u8,
    },
    Advance {
        ms: u16,
    },
    /// Another thread has a script run.
    Remote {
        script: u8,
    },
    /// A foreign loop does, between turns.
    Outside {
        script: u8,
    },
    FailAccepts {
        count: u8,
    },
    Stop {
        grace_ms: u16,
    },
}

/// What the worker does behind an operation.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Then {
    Nothing,
    Turn,
    Settle,
}

/// What a client sends.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Get,
    Head,
    Old,
    OldKeepAlive,
    Close,
    Unknown,
    Post { bytes: u16 },
    Expect { bytes: u16 },
    Chunks { bytes: u16, chunk: u8 },
    BadChunk { bytes: u16 },
    TooLong,
    NoLength,
    WholeServer,
    NoRoute,
    BadHeader,
    BadVersion,
    NoHost,
    LongHead,
}

/// What the app does when it is called with the right to answer.
#[derive(Arbitrary, Clone, Debug)]
pub(super) struct Script {
    /// The answer that it is about, where it has not been called for one.
    pub(super) target: u8,
    pub(super) steps: Vec<Step>,
    pub(super) last: Last,
    /// Its callbacks hold a value that panics when it is dropped.
    pub(super) bomb: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Step {
    Status(u16),
    Header(Header),
    TryHeader(Header),
    Write {
        bytes: u16,
    },
    Continue,
    Aborted {
        script: u8,
    },
    Pause,
    Resume,
    Defer {
        script: u8,
    },
    After {
        ms: u8,
        script: u8,
    },
    Cancel {
        timer: u8,
    },
    /// Has another script run for another answer, which may be gone.
    Other {
        script: u8,
    },
    Panic,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Header {
    Plain,
    Long { bytes: u16 },
    Injection,
    BadName,
    Length { bytes: u16 },
    Close,
    KeepAlive,
    Coding,
    Date,
}

/// What yields the proof that there will be an answer.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Last {
    End {
        bytes: u16,
    },
    EndWithoutBody,
    TryEnd {
        total: u16,
        piece: u16,
    },
    Writable {
        script: u8,
    },
    Close,
    Detach {
        script: u8,
    },
    Next,
    Collect {
        bytes_max: u16,
        script: u8,
    },
    Stream {
        script: u8,
    },
    More,
    /// The guard is dropped, and the proof comes from another answer's.
    Forget,
}
