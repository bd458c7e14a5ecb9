//! The example executables and small servers in this process, met by real clients: curl, wrk,
//! Python, Chromium, nginx, and clients that misbehave. A tool that is not installed fails the
//! tests that need it, by name.

mod browser;
mod chat;
mod chromium;
mod curl;
mod data;
mod faults;
mod listen;
mod messages;
mod nginx;
mod python;
mod shutdown;
mod support;
mod wire;
mod wrk;
