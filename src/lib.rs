//! keirin
#![forbid(unsafe_code)]
pub mod proto;
mod util;
