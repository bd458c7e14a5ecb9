//! What the engine tells about itself: plain numbers, and records that wait for the turn's end. The
//! engine only writes; who reads stands outside it.

mod counters;
mod log;

pub(crate) use counters::Counters;
pub use counters::Counts;
pub use log::{Level, Record};
pub(crate) use log::{LogQueue, Sink, to_stderr};
