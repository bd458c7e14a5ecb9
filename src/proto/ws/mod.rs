//! WebSocket (RFC 6455), either side of it: frames and messages in, frames out, the server's side
//! of the opening handshake, and the compression of messages (RFC 7692, and Brotli).

pub mod brotli;
pub mod close;
pub mod deflate;
mod error;
pub mod extensions;
pub mod frame;
pub mod handshake;
pub mod message;
mod origin;

pub use error::WsError;
pub use frame::{FrameHeader, Opcode, Role};
pub use handshake::{Handshake, HandshakeError};
pub use keirin_payload::{mask, utf8};
pub use message::{Event, Kind, MessageLimits, Receiver, Step, Workspace};
pub use origin::OriginPolicy;
