//! WebSocket (RFC 6455): the client's side, in the shape a generator needs, and the scenarios.
//!
//! - [`scenario`]: what is measured; [`content`], the messages;
//! - [`frame`]: frames; [`handshake`]: the opening handshake of both sides;
//! - [`echo`], [`publish`], [`storm`], [`idle`]: one load each.

pub mod content;
pub mod echo;
pub mod frame;
pub mod handshake;
pub mod idle;
pub mod publish;
pub mod scenario;
pub mod storm;
