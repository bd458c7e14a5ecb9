//! Measures what an HTTP or WebSocket server costs per request or message, in CPU time, beside a
//! server that does nothing but the system calls; how many it can answer a second, with proof that
//! it was the server that could not do more; and how long they wait at fixed rates.
//!
//! - [`cli`]: the command line;
//! - [`scenarios`]: what is asked and answered, known to every part;
//! - [`load`]: the generator, in a closed loop and in an open one, which checks every answer;
//! - [`null`]: the server that parses nothing, "what the kernel allows";
//! - [`relay`]: the same for publishing;
//! - [`peers`]: the servers that are compared: how they are built, started and tried out;
//! - [`run`]: fresh server processes in turn, pinned, with their CPU time and memory;
//! - [`statistics`]: medians, spreads, ties and slopes;
//! - [`report`]: tables, JSON and the page.

// The bans are for the engine: an instrument reads clocks, and waits for processes to start.
#![allow(clippy::disallowed_methods)]

#[cfg(not(target_os = "linux"))]
compile_error!("the instrument reads /proc and drives epoll: Linux only");

pub mod cli;
pub mod load;
pub mod null;
pub mod peers;
pub mod relay;
pub mod report;
pub mod run;
pub mod scenarios;
#[cfg(feature = "server")]
pub mod server;
pub mod statistics;

/// Any failure of the instrument itself. Faults of a server under test are counted in
/// [`load::verify::Errors`] instead.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of anything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;
