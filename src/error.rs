//! What goes wrong outside the protocol: the environment ([`Error`]) and the caller ([`Misuse`]).

use std::fmt;
use std::io;

/// The environment refused: an address, a file descriptor, a thread, an option.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The address does not parse or does not resolve.
    Address(String),
    /// The address cannot be listened on; another program may hold it.
    Listen(String, io::Error),
    /// A configuration value is out of its range.
    Config {
        /// The setting.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A route's pattern is malformed.
    Route(String),
    /// The operating system refused something that the loop cannot do without.
    Io(io::Error),
    /// A worker's thread died of a panic outside user code.
    WorkerPanicked,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "cannot parse the address {address}"),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Config { name, expected } => write!(f, "{name} must be {expected}"),
            Self::Route(pattern) => write!(f, "malformed route {pattern}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::WorkerPanicked => f.write_str("a worker thread panicked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The caller asked for something that cannot be done. Every case is a defined no-op and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misuse {
    /// The id names nothing (any more): the peer left, or the connection is at another request.
    Stale,
    /// The answer is complete already.
    AlreadyEnded,
    /// Part of the answer is on its way, so this can no longer be changed.
    AlreadyBegun,
    /// A header name or value that must not be sent: CR, LF, NUL, a name that is no token, a
    /// header that the engine writes itself, or one more than `write_buffer_bytes_max` has room
    /// for.
    Header,
    /// A status code outside 200 to 599.
    Status,
    /// The bytes given do not agree with the length announced.
    Length,
    /// The answer was left to somebody who is not there: to the next route, or to the next piece of
    /// a body that nobody streams.
    LeftAlone,
    /// Another message, or a piece of another kind, within a message that is sent in fragments.
    Fragment,
    /// A topic that is empty or too long, or a malformed pattern.
    Topic,
    /// A close code that must not be sent (RFC 6455 section 7.4).
    CloseCode,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "the id names nothing any more",
            Self::AlreadyEnded => "the answer is complete already",
            Self::AlreadyBegun => "the answer has begun already",
            Self::Header => "the header must not be sent",
            Self::Status => "the status code is out of range",
            Self::Length => "the length does not agree with the one announced",
            Self::Fragment => "a message in fragments has not come to its end",
            Self::Topic => "the topic or pattern is malformed",
            Self::CloseCode => "the close code must not be sent",
            Self::LeftAlone => "the answer was left to somebody who is not there",
        })
    }
}

impl std::error::Error for Misuse {}
