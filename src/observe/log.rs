//! Log records. The engine never calls a logger: it queues records, and the turn hands them out
//! when no callback runs.

use std::fmt;

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A peer did something wrong; the server is well.
    Info,
    /// Something that its operator should look at: a limit was hit, a handler is at fault.
    Warn,
    /// Something does not work.
    Error,
}

/// One thing worth knowing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// How much it matters.
    pub level: Level,
    /// What happened, as a sentence.
    pub message: String,
    /// The peer, where one is concerned and has an address.
    pub peer: Option<std::net::SocketAddr>,
    /// Whether it is about an ordinary request: see
    /// [`access_log`](crate::ConfigBuilder::access_log).
    pub is_access: bool,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        write!(f, "keirin {level}: {}", self.message)?;
        match self.peer {
            Some(peer) => write!(f, " ({peer})"),
            None => Ok(()),
        }
    }
}

/// Where records go.
pub(crate) type Sink = dyn Fn(&Record) + Send + Sync;

/// The sink that a server starts with: warnings and errors, a line each.
pub(crate) fn to_stderr(record: &Record) {
    if record.level >= Level::Warn {
        eprintln!("{record}");
    }
}

/// Records of the present turn, bounded: a flood of bad peers must not become a flood of memory.
#[derive(Default)]
pub(crate) struct LogQueue {
    records: Vec<Record>,
    accesses: usize,
}

const RECORDS_PER_TURN_MAX: usize = 256;
/// Whoever asks for a record of each request wants them all; a turn handles not nearly as many.
const ACCESSES_PER_TURN_MAX: usize = 256 << 10;

impl LogQueue {
    /// Adds a record; false when it had to be dropped.
    pub(crate) fn push(&mut self, record: Record) -> bool {
        let room = if record.is_access {
            self.accesses < ACCESSES_PER_TURN_MAX
        } else {
            self.records.len() - self.accesses < RECORDS_PER_TURN_MAX
        };
        if room {
            self.accesses += usize::from(record.is_access);
            self.records.push(record);
        }
        room
    }

    pub(crate) fn take(&mut self) -> Vec<Record> {
        self.accesses = 0;
        std::mem::take(&mut self.records)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}
