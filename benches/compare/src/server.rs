//! The server under test: the scenarios on the keirin crate, as a user would write them.

use std::net::{Ipv4Addr, SocketAddr};

use keirin::{
    App, Behaviour, BrotliConfig, Compressor, Decompressor, DeflateConfig, Server, WebSocketConfig,
    WebSocketConfigBuilder,
};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::scenarios::http::{BODY_BYTES, Scenario, compose_json, pattern};

/// Bytes of the largest message accepted; peers are given the same limits.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Bytes of the longest body of JSON that is read.
const POST_BYTES_MAX: usize = 1 << 20;
/// Bytes that may wait for a client.
const BACKPRESSURE_BYTES_MAX: usize = 64 << 20;

/// Serves on `port` of 127.0.0.1 until the process ends. `mode` is what `{mode}` stands for in a
/// peer's command: `http`, `off`, `shared`, `dedicated`, `brotli` or `pubsub`.
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
        "brotli" => echoing(config().brotli(BrotliConfig::default()))?,
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
    app.post("/post", |res, _req| {
        res.collect_body(POST_BYTES_MAX, |mut res, body| {
            let Ok(page) = serde_json::from_slice::<Page>(&body) else {
                res.status(400);
                return res.end(b"");
            };
            if let Some((name, value)) = Scenario::Post.response_header() {
                res.header(name, value.as_bytes());
            }
            res.end(&serde_json::to_vec(&page.summary()).unwrap_or_default())
        })
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

/// The body of a `post` request, read whole as the peers do.
#[derive(Deserialize)]
#[expect(dead_code, reason = "reading what is not used is part of the work")]
struct Page {
    page: u32,
    items: Vec<Item>,
    remark: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading what is not used is part of the work")]
struct Item {
    id: u32,
    r#type: String,
    name: String,
    team: String,
    status: String,
    lap: u32,
    position: u32,
    speed_kmh: f64,
    tags: Vec<String>,
}

/// What is answered to it.
#[derive(Serialize)]
struct Summary {
    page: u32,
    count: usize,
    positions: u32,
}

impl Page {
    fn summary(&self) -> Summary {
        Summary {
            page: self.page,
            count: self.items.len(),
            positions: self.items.iter().map(|item| item.position).sum(),
        }
    }
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
