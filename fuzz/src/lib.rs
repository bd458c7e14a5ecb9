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

pub use api::api_sequence;
pub use chunked::chunked;
pub use connection::connection;
pub use extensions::extensions;
pub use head::head;
pub use inflate::inflate;
pub use uri::uri;

/// Patterns, a line each, and a path: the routing tree against a plain search. The tree is private
/// to the crate, so this needs `--cfg fuzzing`, and does nothing without.
pub fn router(data: &[u8]) {
    #[cfg(fuzzing)]
    if let Ok(text) = str::from_utf8(data) {
        keirin::fuzz_router(text);
    }
    let _ = data;
}
