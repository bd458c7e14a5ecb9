//! Building the examples in C, running them, and clients that do to them what real ones do.

pub(crate) mod build;
pub(crate) mod data;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod websocket;

use std::time::Duration;

/// How long anything may take before its test gives up: a safety net, never a measurement. An
/// example under valgrind takes a while.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How often [`eventually`] looks.
const INTERVAL: Duration = Duration::from_millis(10);

/// Polls until `done` holds.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes send no event to wait for"
)]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / INTERVAL.as_millis() {
        if done() {
            return;
        }
        std::thread::sleep(INTERVAL);
    }
    panic!("gave up waiting until {what}");
}
