//! A load for a server that is none of ours: what it answers is learnt from its first answer.

use std::io::Write as _;
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
    /// Where that is.
    pub address: SocketAddr,
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
    /// Reads `http://HOST[:PORT][/PATH]`, or the same with `ws`.
    ///
    /// # Errors
    /// When it is none, or the host is unknown.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or("a URL begins with http:// or ws://")?;
        let websocket = match scheme {
            "http" => false,
            "ws" => true,
            _ => return Err(format!("`{scheme}` is not supported: http or ws").into()),
        };
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let after_address = host.rfind(']').map_or(host, |at| &host[at..]);
        let with_port = if after_address.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if host.is_empty() || !plain(host) || !plain(path) {
            return Err(format!("`{url}` is no URL").into());
        }
        let mut addresses = with_port
            .to_socket_addrs()
            .map_err(|e| format!("{host}: {e}"))?;
        Ok(Self {
            websocket,
            host: host.to_owned(),
            path: path.to_owned(),
            address: addresses.next().ok_or("the host has no address")?,
        })
    }

    /// Runs a load of `GET`, or of an echo of `message_bytes`: in a closed loop, or at a `pace`.
    ///
    /// # Errors
    /// When the server cannot be reached, or its first answer is not of status 200 with a
    /// `Content-Length`.
    pub fn load(&self, load: &Load<'_>, message_bytes: usize, pace: Option<Pace>) -> Result<Seen> {
        process::raise_file_limit()?;
        if self.websocket {
            let in_flight = load.row.in_flight;
            let offer = Offer::Plain;
            let messages = Messages::new(Kind::Binary, message_bytes, in_flight, offer);
            let door = Door {
                address: self.address,
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
        let body = self.first_body(&request)?;
        let batch = request.repeat(load.row.in_flight).into_bytes();
        let clients = (0..load.connections).map(|index| {
            let requests = Requests::new(&batch, load.row.in_flight, &body, load.content);
            Ok((connect(self.address, index)?, requests))
        });
        run(load, pace, clients.collect::<Result<Vec<_>>>()?)
    }

    fn first_body(&self, request: &str) -> Result<Vec<u8>> {
        let mut stream = connect(self.address, 0)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(request.as_bytes())?;
        let mut received = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let bytes = receive(&stream, &mut buffer)?;
            received.extend_from_slice(&buffer[..bytes]);
            if let Some(head) = head_bytes(&received) {
                let length = content_length(&received[..head])
                    .ok_or("the answer is not of status 200 with a Content-Length")?;
                if received.len() >= head + length {
                    return Ok(received[head..head + length].to_vec());
                }
            }
            if bytes == 0 || received.len() > ANSWER_BYTES_MAX {
                return Err("the first answer is not whole, or is too long".into());
            }
        }
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
    use super::*;

    #[test]
    fn urls_are_read() {
        let target = Target::parse("http://127.0.0.1:8080/a?b=c").unwrap();
        assert_eq!((target.websocket, target.path.as_str()), (false, "/a?b=c"));
        assert_eq!(
            (target.host.as_str(), target.address.port()),
            ("127.0.0.1:8080", 8080)
        );
        let target = Target::parse("ws://[::1]").unwrap();
        assert_eq!((target.websocket, target.address.port()), (true, 80));
        assert_eq!(target.path, "/");
        for wrong in [
            "127.0.0.1:80",
            "https://127.0.0.1/",
            "http://",
            "http:///a",
            "http://a b/",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
