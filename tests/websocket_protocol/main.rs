//! The WebSocket protocol as bytes in and events out, through the public parsers alone.
//!
//! Streams are fed whole, byte by byte and at random cuts, and the events have to be the same. What
//! they should be is said by tables, by tungstenite, and by a slow decoder that follows RFC 6455
//! sentence by sentence.

mod drive;
mod limits;
mod messages;
mod mutations;
mod random;
mod reference;
mod tungstenite;
