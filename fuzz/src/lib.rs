//! What the fuzz targets check, as plain functions: each takes any bytes and panics when something
//! does not hold. `fuzz_targets/` hands them to libFuzzer, `tests/seeds.rs` replays the seeds.

mod answer;
mod api;
mod chunked;
mod connection;
mod extensions;
mod head;
mod inflate;
mod pieces;
mod uri;
mod websocket;

pub use api::api_sequence;
pub use chunked::chunked;
pub use connection::connection;
pub use extensions::extensions;
pub use head::head;
pub use inflate::inflate;
pub use uri::uri;
pub use websocket::{frames, handshake, messages};

/// Patterns, a line each, and a path: the routing tree against a plain search. The tree is private
/// to the crate, so this needs `--cfg fuzzing`, and does nothing without.
pub fn router(data: &[u8]) {
    #[cfg(fuzzing)]
    if let Ok(text) = str::from_utf8(data) {
        keirin::fuzz_router(text);
    }
    let _ = data;
}

/// Subscriptions, publications and drains of two workers: against a naive model. Private to the
/// crate as well.
pub fn topics(data: &[u8]) {
    #[cfg(fuzzing)]
    keirin::fuzz_topics(data);
    let _ = data;
}
