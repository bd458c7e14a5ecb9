//! Echoes every WebSocket message: `cargo run --release --example echo_ws -- 3000`.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use keirin::{Behaviour, WebSocketConfig};

mod support;

const MESSAGE_BYTES_MAX: usize = 16 << 20;
const BACKPRESSURE_BYTES_MAX: usize = 64 << 20;

fn main() -> keirin::Result<()> {
    let config = WebSocketConfig::builder()
        .message_bytes_max(MESSAGE_BYTES_MAX)
        .backpressure_bytes_max(BACKPRESSURE_BYTES_MAX)
        .build()?;
    support::serve(move |app| {
        let echo = Behaviour::new()
            .config(config.clone())
            .on_message(|ws, message| {
                let _ = ws.send(message);
            });
        let echo = app.behaviour(echo);
        app.get("/*", move |res, req| match req.handshake() {
            Ok(handshake) => res.upgrade(echo, handshake, ()),
            Err(error) => res.refuse_upgrade(error),
        });
    })
}
