//! What the peers in Rust answer, so that all do the same work for the same bytes: the README of
//! the harness says what each scenario asks for.

#[cfg(feature = "json")]
use serde::{Deserialize, Serialize};

/// Bytes of the largest message that servers take.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// The answer to `GET /`.
pub const HELLO: &str = "Hello world!";
/// The type of the answers that are JSON.
pub const JSON_TYPE: &str = "application/json";

/// The port and the mode that the program was started with.
///
/// # Panics
/// When they are not there.
pub fn arguments() -> (u16, String) {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok());
    port.zip(arguments.next()).expect("usage: PORT MODE")
}

/// The body of `GET /16k`.
pub fn body_16k() -> Vec<u8> {
    (b'a'..=b'z').cycle().take(16 * 1024).collect()
}

/// What `GET /json` is answered with, made into text for each request.
#[cfg(feature = "json")]
#[derive(Serialize)]
pub struct Race {
    race: u32,
    riders: [Rider; 5],
}

#[cfg(feature = "json")]
#[derive(Serialize)]
struct Rider {
    number: u32,
    name: &'static str,
    seconds: f64,
}

/// The race.
#[cfg(feature = "json")]
pub fn race() -> Race {
    let rider = |number, name, seconds| Rider {
        number,
        name,
        seconds,
    };
    Race {
        race: 4711,
        riders: [
            rider(1, "Aiko Tanaka", 10.912),
            rider(2, "Marit de Vries", 11.034),
            rider(3, "Jules \"le Vite\" Martin", 11.108),
            rider(4, "Ines Ferreira", 11.275),
            rider(5, "Tom Okafor", 11.301),
        ],
    }
}

/// The body of `POST /post`, read whole as the peers in JavaScript do.
#[cfg(feature = "json")]
#[derive(Deserialize)]
#[allow(dead_code, reason = "reading what is not used is part of the work")]
pub struct Page {
    page: u32,
    items: Vec<Item>,
    remark: String,
}

#[cfg(feature = "json")]
#[derive(Deserialize)]
#[allow(dead_code, reason = "reading what is not used is part of the work")]
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

/// The answer to `POST /post`.
#[cfg(feature = "json")]
#[derive(Serialize)]
pub struct Summary {
    page: u32,
    count: usize,
    positions: u32,
}

#[cfg(feature = "json")]
impl Page {
    /// What is answered to it.
    pub fn summary(&self) -> Summary {
        Summary {
            page: self.page,
            count: self.items.len(),
            positions: self.items.iter().map(|item| item.position).sum(),
        }
    }
}

/// A listener on a port of 127.0.0.1 with a long queue.
pub fn listener(port: u16) -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    listener
}
