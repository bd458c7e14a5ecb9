//! Measures what an HTTP server costs per request, in CPU time, beside a server that does nothing
//! but the system calls.
//!
//! - [`scenario`]: the requests and the exact answers, known to every part;
//! - [`null`]: the server that parses nothing, "what the kernel allows";
//! - [`load`]: the closed-loop generator, and [`verify`], which checks every answer;
//! - [`process`]: fresh server processes, pinning, CPU time;
//! - [`mod@compare`]: the interleaved runs, and [`report`], their table.

// The bans are for the engine: an instrument reads clocks, and waits for processes to start.
#![allow(clippy::disallowed_methods)]

#[cfg(not(target_os = "linux"))]
compile_error!("the instrument reads /proc and drives epoll: Linux only");

pub mod cli;
pub mod compare;
pub mod load;
pub mod null;
pub mod process;
pub mod report;
pub mod scenario;
#[cfg(feature = "server")]
pub mod server;
pub mod verify;

/// Any failure of the instrument itself. Faults of a server under test are counted in
/// [`verify::Errors`] instead.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of anything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;
