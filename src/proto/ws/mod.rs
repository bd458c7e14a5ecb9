//! WebSocket (RFC 6455), either side of it: frames and messages in, frames out, and the server's
//! side of the opening handshake.

pub mod close;
mod error;
pub mod frame;
pub mod handshake;
pub mod mask;
pub mod message;
mod origin;
pub mod utf8;

pub use error::WsError;
pub use frame::{FrameHeader, Opcode, Role};
pub use handshake::{Handshake, HandshakeError};
pub use message::{Event, Kind, MessageLimits, Receiver, Step, Workspace};
pub use origin::OriginPolicy;
