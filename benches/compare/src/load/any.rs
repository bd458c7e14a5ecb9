//! A load for a server that is none of ours: what it answers is learnt from its first answer.

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};

use super::echo::Messages;
use super::handshake::{Door, Offer, TIMEOUT, connect, head_bytes, receive};
use super::http::Requests;
use super::open_loop::{self, Latency, Pace};
use super::verify::{Content, Errors, content_length};
use super::{Load, Outcome, run_clients};
use crate::Result;
use crate::run::process;
use crate::scenarios::content::Random;
use crate::scenarios::websocket::Kind;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `ws` and not `http`.
    pub websocket: bool,
    /// The value of the header field `Host`.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Where that may be: a name can have several addresses.
    pub addresses: Vec<SocketAddr>,
}

/// What is seen: how fast it can be, or how long one waits at a rate.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Of a closed loop.
    Capacity(Outcome),
    /// Of an open loop.
    Latency(Box<Latency>),
}

impl Target {
    /// Reads `http://HOST[:PORT][/PATH][?QUERY]`, or the same with `ws`. A fragment is for
    /// browsers.
    ///
    /// # Errors
    /// When it is none, has a user name in it, or the host is unknown.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or("a URL begins with http:// or ws://")?;
        let websocket = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "ws" => true,
            _ => return Err(format!("`{scheme}` is not supported: http or ws").into()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        let after_address = host.rfind(']').map_or(host, |at| &host[at..]);
        let with_port = if after_address.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if host.is_empty() || host.contains('@') || !plain(host) || !plain(&path) {
            return Err(format!("`{url}` is no URL").into());
        }
        let addresses = with_port
            .to_socket_addrs()
            .map_err(|e| format!("{host}: {e}"))?;
        Ok(Self {
            websocket,
            host: host.to_owned(),
            path,
            addresses: addresses.collect(),
        })
    }

    /// Runs a load of `GET`, or of an echo of `message_bytes`: in a closed loop, or at a `pace`.
    ///
    /// # Errors
    /// When the server cannot be reached, or its first answer is not of status 200 with a
    /// `Content-Length`.
    pub fn load(&self, load: &Load<'_>, message_bytes: usize, pace: Option<Pace>) -> Result<Seen> {
        process::raise_file_limit()?;
        let address = self.address()?;
        if self.websocket {
            let in_flight = load.row.in_flight;
            let offer = Offer::Plain;
            let messages = Messages::new(Kind::Binary, message_bytes, in_flight, offer);
            let door = Door {
                address,
                host: &self.host,
                path: &self.path,
                offer,
            };
            let (mut random, mut errors) = (Random::new(1), Errors::default());
            let mut clients = Vec::new();
            for index in 0..load.connections {
                if let Some((stream, agreed)) = door.open(index, &mut random, &mut errors)? {
                    let client = messages.client(index, in_flight, load.content, agreed);
                    clients.push((stream, client));
                }
            }
            let mut seen = run(load, pace, clients)?;
            seen.add(errors);
            return Ok(seen);
        }
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: keirin-bench\r\n\r\n",
            self.path, self.host
        );
        let body = first_body(address, &request)?;
        let batch = request.repeat(load.row.in_flight).into_bytes();
        let clients = (0..load.connections).map(|index| {
            let requests = Requests::new(&batch, load.row.in_flight, &body, load.content);
            Ok((connect(address, index)?, requests))
        });
        run(load, pace, clients.collect::<Result<Vec<_>>>()?)
    }

    /// The first address at which somebody accepts.
    fn address(&self) -> Result<SocketAddr> {
        let mut result = Err("the host has no address".into());
        for &address in &self.addresses {
            result = connect(address, 0).map(|_| address);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// What is answered to `request`, which all later answers have to be like.
fn first_body(address: SocketAddr, request: &str) -> Result<Vec<u8>> {
    let mut stream = connect(address, 0)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let (mut received, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let mut whole = None;
    loop {
        let bytes = receive(&stream, &mut buffer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => format!("no answer within {} s", TIMEOUT.as_secs()),
            _ => error.to_string(),
        })?;
        received.extend_from_slice(&buffer[..bytes]);
        if whole.is_none()
            && let Some(head) = head_bytes(&received)
        {
            let head = &received[..head];
            let length = content_length(head).ok_or_else(|| refusal(head))?;
            whole = Some(head.len()..head.len().saturating_add(length));
        }
        if let Some(body) = whole.as_ref().and_then(|range| received.get(range.clone())) {
            return Ok(body.to_vec());
        }
        if bytes == 0 {
            return Err("the server closed before its answer was whole".into());
        }
        let max = whole.as_ref().map_or(HEAD_BYTES_MAX, |_| ANSWER_BYTES_MAX);
        if received.len() > max {
            return Err(format!("the answer is longer than {max} bytes, or is none").into());
        }
    }
}

/// Why answers with such a head are nothing to measure with.
fn refusal(head: &[u8]) -> String {
    let line = head.split(|&b| b == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    match line.strip_prefix("HTTP/1.1 ") {
        None => format!("the answer is not HTTP/1.1 but begins with `{line}`"),
        Some(status) if status.starts_with("200") => {
            "the answer has no Content-Length (chunked ones are not supported)".to_owned()
        }
        Some(status) => format!("the answer has status {status}, not 200"),
    }
}

impl Seen {
    /// What went wrong.
    #[must_use]
    pub fn errors(&self) -> Errors {
        match self {
            Self::Capacity(outcome) => outcome.errors,
            Self::Latency(latency) => latency.errors,
        }
    }

    fn add(&mut self, errors: Errors) {
        match self {
            Self::Capacity(outcome) => outcome.errors += errors,
            Self::Latency(latency) => latency.errors += errors,
        }
    }
}

fn run<C: super::closed_loop::Client + Send>(
    load: &Load<'_>,
    pace: Option<Pace>,
    clients: Vec<(TcpStream, C)>,
) -> Result<Seen> {
    Ok(match pace {
        None => Seen::Capacity(run_clients(load, clients, |_| Ok(()))?),
        Some(pace) => Seen::Latency(Box::new(open_loop::run(load, pace, clients, |_| Ok(()))?)),
    })
}

/// What a generator compares by default: bodies may change with time.
pub const CONTENT: Content = Content::Ignored;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn parse(url: &str) -> (bool, String, String, u16) {
        let target = Target::parse(url).unwrap();
        let port = target.addresses[0].port();
        (target.websocket, target.host, target.path, port)
    }

    #[test]
    fn urls_are_read() {
        let of = |websocket, host: &str, path: &str, port| {
            (websocket, host.to_owned(), path.to_owned(), port)
        };
        for (url, expected) in [
            (
                "http://127.0.0.1:8080/a?b=c",
                of(false, "127.0.0.1:8080", "/a?b=c", 8080),
            ),
            ("ws://[::1]", of(true, "[::1]", "/", 80)),
            (
                "HTTP://127.0.0.1?b=/c",
                of(false, "127.0.0.1", "/?b=/c", 80),
            ),
            ("ws://127.0.0.1:1#a/b", of(true, "127.0.0.1:1", "/", 1)),
            ("http://127.0.0.1/a#b", of(false, "127.0.0.1", "/a", 80)),
        ] {
            assert_eq!(parse(url), expected, "{url}");
        }
        for wrong in [
            "127.0.0.1:80",
            "https://127.0.0.1/",
            "http://",
            "http:///a",
            "http://a b/",
            "http://me:word@127.0.0.1/",
            "http://127.0.0.1:65536/",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    /// What is made of a server's first answer, which is all it says.
    fn first(answer: &'static [u8]) -> Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(answer).unwrap();
        });
        first_body(address, "?")
    }

    #[test]
    fn the_first_answer_is_learnt_or_the_reason_given() {
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(first(good).unwrap(), b"hello");
        let wrong: [(&[u8], &str); 6] = [
            (
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                "404 Not Found",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "chunked",
            ),
            (
                b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
                "not HTTP/1.1",
            ),
            (b"SSH-2.0-x\r\n\r\n", "`SSH-2.0-x`"),
            (&good[..good.len() - 1], "before its answer was whole"),
            (&[b'a'; HEAD_BYTES_MAX + 1], "longer than 65536 bytes"),
        ];
        for (answer, reason) in wrong {
            let error = first(answer).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
