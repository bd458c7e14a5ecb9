//! Pure containers: no input, no output, no clock, no knowledge of any protocol. Everything may use
//! this module; it uses nothing but the standard library.

pub(crate) mod inbox;
pub(crate) mod out_buf;
pub(crate) mod slab;
pub(crate) mod unwind;
pub(crate) mod wheel;
