//! WebSocket (RFC 6455) and the compression of its messages (RFC 7692).

pub mod brotli;
pub mod deflate;
pub mod extensions;
