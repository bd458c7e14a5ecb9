//! Echoes every WebSocket message: `cargo run --release --example echo_ws -- PORT MODE`, where MODE
//! says how messages are compressed: `off`, `shared`, `dedicated` or `brotli`.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use keirin::{
    Behaviour, BrotliConfig, Compressor, Decompressor, DeflateConfig, Server, WebSocketConfig,
};

mod support;

const MESSAGE_BYTES_MAX: usize = 16 << 20;
const BACKPRESSURE_BYTES_MAX: usize = 64 << 20;

fn main() -> keirin::Result<()> {
    let mode = std::env::args().nth(2).unwrap_or_else(|| "off".to_owned());
    let config = WebSocketConfig::builder()
        .message_bytes_max(MESSAGE_BYTES_MAX)
        .backpressure_bytes_max(BACKPRESSURE_BYTES_MAX);
    let config = match &*mode {
        "shared" => config.deflate(DeflateConfig::default()),
        "dedicated" => config.deflate(DeflateConfig {
            compressor: Compressor::Dedicated { window_bits: 15 },
            decompressor: Decompressor::Dedicated { window_bits: 15 },
            ..DeflateConfig::default()
        }),
        "brotli" => config.brotli(BrotliConfig::default()),
        "off" => config,
        _ => {
            eprintln!("MODE is off, shared, dedicated or brotli");
            std::process::exit(2);
        }
    };
    let config = config.build()?;
    support::serve(Server::new(move |app| {
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
    }))
}
