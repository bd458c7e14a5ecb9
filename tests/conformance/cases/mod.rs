//! The tables, one file per theme.
//!
//! A status set with more than one element, or a second outcome, marks a place where the RFC
//! leaves the choice to the server. Everything else has one right answer.

pub(crate) mod capabilities;
pub(crate) mod chunked;
pub(crate) mod connection;
pub(crate) mod content_length;
pub(crate) mod cookies;
pub(crate) mod expect;
pub(crate) mod field_bugs;
pub(crate) mod headers;
pub(crate) mod host;
pub(crate) mod limits;
pub(crate) mod methods;
pub(crate) mod normalisation;
pub(crate) mod pipelining;
pub(crate) mod request_line;
pub(crate) mod smuggling;
pub(crate) mod targets;
pub(crate) mod trailers;
pub(crate) mod transfer_encoding;
pub(crate) mod versions;
