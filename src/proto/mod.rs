//! Pure protocol code: bytes in, events out. No sockets, no clock, no threads, no callbacks, no
//! logging; it builds with the feature `net` off.
//!
//! The contract of every parser here:
//!
//! 1. It is given a buffer, consumes a prefix of it and returns at most one event, with the number
//!    of bytes it used.
//! 2. It does not allocate on the path that well-formed input takes, and never calls back.
//! 3. An event borrows the buffer, never the parser, so that its holder may change the parser's
//!    surroundings while the event is alive.
//! 4. Its result does not depend on how the bytes were cut on their way.
//! 5. Every limit is passed in and checked on totals.
//! 6. After an error it stays in the error state.

mod error;
pub mod http1;
pub mod proxy;
pub mod uri;
pub mod ws;

pub use error::ProtocolError;
