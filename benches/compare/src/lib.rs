//! Measures what an HTTP or WebSocket server costs per request or message, in CPU time, beside a
//! server that does nothing but the system calls.
//!
//! - [`scenario`]: HTTP requests and their exact answers, known to every part; [`ws`], the same of
//!   WebSocket, with the loads that are its own; [`task`], a scenario of either;
//! - [`null`]: the server that parses nothing, "what the kernel allows";
//! - [`load`]: one run of the generator; [`closed_loop`], its loop over the connections, on which
//!   [`http`] or [`ws::echo`] is spoken; [`verify`], which checks every answer;
//! - [`process`]: fresh server processes, pinning, CPU time;
//! - [`mod@compare`]: the interleaved runs, and [`report`], their tables.

// The bans are for the engine: an instrument reads clocks, and waits for processes to start.
#![allow(clippy::disallowed_methods)]

#[cfg(not(target_os = "linux"))]
compile_error!("the instrument reads /proc and drives epoll: Linux only");

pub mod cli;
pub mod closed_loop;
pub mod compare;
pub mod http;
pub mod load;
pub mod null;
pub mod process;
pub mod report;
pub mod scenario;
#[cfg(feature = "server")]
pub mod server;
pub mod task;
pub mod verify;
pub mod ws;

/// Any failure of the instrument itself. Faults of a server under test are counted in
/// [`verify::Errors`] instead.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of anything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;
