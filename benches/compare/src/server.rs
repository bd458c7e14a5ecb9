//! The server under test: the scenarios on the keirin crate, as a user would write them.

use std::net::{Ipv4Addr, SocketAddr};

use keirin::{
    App, Behaviour, Compressor, Decompressor, DeflateConfig, Server, WebSocketConfig,
    WebSocketConfigBuilder,
};

use crate::Result;
use crate::scenario::{BODY_BYTES, Scenario, compose_json, pattern};

/// Bytes of the largest message accepted; peers are given the same limits.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Bytes that may wait for a client.
const BACKPRESSURE_BYTES_MAX: usize = 64 << 20;

/// Serves on `port` of 127.0.0.1 until the process ends. `mode` is what `{mode}` stands for in a
/// peer's command: `http`, `off`, `shared`, `dedicated` or `pubsub`.
///
/// # Errors
/// When the port cannot be had, or there is no such mode.
pub fn serve(port: u16, workers: usize, mode: &str) -> Result<()> {
    let config = || {
        WebSocketConfig::builder()
            .message_bytes_max(MESSAGE_BYTES_MAX)
            .backpressure_bytes_max(BACKPRESSURE_BYTES_MAX)
    };
    let server = match mode {
        "http" => Server::new(serve_http),
        "pubsub" => publishing(config())?,
        "off" => echoing(config())?,
        "shared" => echoing(config().deflate(DeflateConfig::default()))?,
        "dedicated" => echoing(config().deflate(DeflateConfig {
            compressor: Compressor::Dedicated { window_bits: 15 },
            decompressor: Decompressor::Dedicated { window_bits: 15 },
            ..DeflateConfig::default()
        }))?,
        _ => return Err(format!("no mode `{mode}`").into()),
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    server
        .workers(workers)
        .listen(&address.to_string())?
        .run()?;
    Ok(())
}

fn serve_http(app: &mut App) {
    let body = pattern(BODY_BYTES);
    app.get("/", |res, _req| res.end(b"Hello world!"));
    app.get("/16k", move |res, _req| res.end(&body));
    app.get("/json", |mut res, _req| {
        if let Some((name, value)) = Scenario::Json.response_header() {
            res.header(name, value.as_bytes());
        }
        res.end(compose_json().as_bytes())
    });
    app.post("/upload", |res, _req| {
        let mut received = 0;
        res.stream_body(move |res, chunk, last| {
            received += chunk.len();
            if last {
                res.end(received.to_string().as_bytes())
            } else {
                res.more()
            }
        })
    });
}

/// Every message comes back as it is.
fn echoing(config: WebSocketConfigBuilder) -> Result<Server> {
    let config = config.build()?;
    Ok(Server::new(move |app: &mut App| {
        let echo = Behaviour::<()>::new()
            .config(config.clone())
            .on_message(|ws, message| {
                let _ = ws.send(message);
            });
        app.websocket("/", echo);
    }))
}

/// Every message goes to all others.
fn publishing(config: WebSocketConfigBuilder) -> Result<Server> {
    let config = config.build()?;
    Ok(Server::new(move |app: &mut App| {
        let all = Behaviour::<()>::new()
            .config(config.clone())
            .on_open(|ws| {
                let _ = ws.subscribe("t");
            })
            .on_message(|ws, message| {
                let _ = ws.publish("t", message);
            });
        app.websocket("/", all);
    }))
}
