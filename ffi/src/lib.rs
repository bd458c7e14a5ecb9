//! The C interface of keirin: `include/keirin.h` is generated from this crate.
//!
//! Everything unsafe of the project is here. `handle` is where references become pointers and
//! back, `arguments` where what comes from C is checked, `status` where panics end. What
//! pointers have to be is said once, in the header's introduction.

#![expect(
    non_camel_case_types,
    reason = "types have the names that they have in the header"
)]
mod app;
mod arguments;
mod behaviour;
mod body;
mod config;
mod counters;
mod event_loop;
mod handle;
mod handshake;
#[cfg(test)]
mod panics;
mod publish;
mod remote;
mod request;
mod response;
mod server;
mod status;
mod task;
mod user;
mod version;
mod websocket;
