//! HTTP/1.1 (RFC 9112): heads and bodies in, answers out.

pub mod body;
pub mod date;
pub mod encode;
pub mod framing;
pub mod head;
mod plain;
mod run;
mod target;
mod token;

pub use body::{BodyDecoder, BodyStep};
pub use framing::{BodyLength, Framing};
pub use head::{Head, HeadLimits};
pub use target::split_target;
#[cfg(feature = "net")]
pub(crate) use token::find_byte;
pub use token::{is_field_value, is_token};
