//! What one WebSocket sends, all others get: `cargo run --release --example pubsub -- PORT`.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use keirin::{Behaviour, Server, WebSocketConfig};

mod support;

const BACKPRESSURE_BYTES_MAX: usize = 64 << 20;

fn main() -> keirin::Result<()> {
    let config = WebSocketConfig::builder()
        .backpressure_bytes_max(BACKPRESSURE_BYTES_MAX)
        .build()?;
    support::serve(Server::new(move |app| {
        let all = Behaviour::new()
            .config(config.clone())
            .on_open(|ws| {
                let _ = ws.subscribe("t");
            })
            .on_message(|ws, message| {
                let _ = ws.publish("t", message);
            });
        let all = app.behaviour(all);
        app.get("/*", move |res, req| match req.handshake() {
            Ok(handshake) => res.upgrade(all, handshake, ()),
            Err(error) => res.refuse_upgrade(error),
        });
    }))
}
