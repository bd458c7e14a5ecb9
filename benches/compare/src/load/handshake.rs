//! The opening handshake (RFC 6455, section 4), checked as a strict client does, and the answer of
//! a server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use sha1::{Digest, Sha1};

use super::frame;
use crate::Result;
use crate::load::verify::Errors;
use crate::scenarios::content::Random;

const HEAD_BYTES_MAX: usize = 8 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";
/// How long a server may take to accept a connection, or to answer one request for an upgrade.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Connections from one address. The kernel has some 28,000 ports for them, and takes long to find
/// the last ones.
const PER_SOURCE: usize = 4000;

/// What servers of the scenarios are called.
pub const HOST: &str = "localhost";
/// Where Socket.IO is to be found.
pub const SOCKET_IO_PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// What a client offers, and how it speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// WebSocket and nothing else.
    #[default]
    Plain,
    /// permessage-deflate. A server that declines fails, for it is what will be measured.
    Deflate,
    /// Brotli in the application, as the subprotocol `br`. Declining fails too.
    Brotli,
    /// Engine.IO and Socket.IO on top: their handshakes follow.
    SocketIo,
}

/// What is asked for, and the answer that it demands.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The request.
    pub request: Vec<u8>,
    accept: String,
    offer: Offer,
}

/// What the server agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Whether a message that the server compresses refers to those before it, so that none can be
    /// read without the others.
    pub context_takeover: bool,
}

impl Opening {
    /// A request for `path` on `host`, with a new key.
    pub fn new(host: &str, path: &str, offer: Offer, random: &mut Random) -> Self {
        let key = BASE64.encode(&random.bytes::<16>());
        let offered = match offer {
            Offer::Plain | Offer::SocketIo => "",
            // The client's messages are compressed beforehand, each by itself.
            Offer::Deflate => {
                "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"
            }
            Offer::Brotli => "Sec-WebSocket-Protocol: br\r\n",
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
             {offered}\r\n"
        );
        Self {
            request: request.into_bytes(),
            accept: accept_value(key.as_bytes()),
            offer,
        }
    }

    /// Checks the answer, given up to the empty line at its end. A server that was offered
    /// compression has to accept it, for it is what will be measured.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, head: &[u8]) -> std::result::Result<Agreed, &'static str> {
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err("not 101");
        }
        let is = |name, value: &str| {
            field(head, name).is_some_and(|v| v.eq_ignore_ascii_case(value.as_bytes()))
        };
        if !is("upgrade", "websocket") || !is("connection", "upgrade") {
            return Err("not upgraded to websocket");
        }
        if field(head, "sec-websocket-accept") != Some(self.accept.as_bytes()) {
            return Err("the key was not accepted");
        }
        let protocol = field(head, "sec-websocket-protocol");
        if protocol != (self.offer == Offer::Brotli).then_some(b"br".as_slice()) {
            return Err("another subprotocol than was offered");
        }
        match field(head, "sec-websocket-extensions") {
            None if self.offer == Offer::Deflate => Err("no compression"),
            None => Ok(Agreed {
                context_takeover: false,
            }),
            Some(_) if self.offer != Offer::Deflate => Err("an extension that was not offered"),
            Some(value) => agreed(value),
        }
    }
}

/// Reads the answer to the offer (RFC 7692, section 7.1).
fn agreed(value: &[u8]) -> std::result::Result<Agreed, &'static str> {
    let mut parts = value.split(|&b| b == b';').map(<[u8]>::trim_ascii);
    if parts.next() != Some(b"permessage-deflate") {
        return Err("another extension than was offered");
    }
    let mut context_takeover = true;
    for parameter in parts {
        match parameter {
            b"server_no_context_takeover" => context_takeover = false,
            b"client_no_context_takeover" => {}
            // Any window can be inflated.
            window if window.starts_with(b"server_max_window_bits=") => {}
            _ => return Err("a parameter that was not offered"),
        }
    }
    Ok(Agreed { context_takeover })
}

/// The value of a header field, or `None` if it is not there exactly once.
fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut values = head.split(|&b| b == b'\n').filter_map(|line| {
        let colon = line.iter().position(|&b| b == b':')?;
        let (found, value) = line.split_at(colon);
        found
            .eq_ignore_ascii_case(name.as_bytes())
            .then(|| value[1..].trim_ascii())
    });
    values.next().filter(|_| values.next().is_none())
}

/// `Sec-WebSocket-Accept` for a key: section 4.2.2.
fn accept_value(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&hash.finalize())
}

/// The bytes of the head at the beginning of `bytes`, if it is whole.
#[must_use]
pub fn head_bytes(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|window| window == HEAD_END)?;
    Some(at + HEAD_END.len())
}

/// A server's answer to a request that asks for nothing unusual; `None` if there is no key.
#[must_use]
pub fn answer(head: &[u8]) -> Option<Vec<u8>> {
    let accept = accept_value(field(head, "sec-websocket-key")?);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some(answer.into_bytes())
}

/// Where and how connections are opened.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    /// The server.
    pub address: SocketAddr,
    /// What the header field `Host` says.
    pub host: &'a str,
    /// The path that is asked for.
    pub path: &'a str,
    /// What the client offers.
    pub offer: Offer,
}

impl Door<'_> {
    /// Opens the connection of number `index`, and waits for the upgrade. It comes back blocking.
    /// `None` when the server refused: that is counted in `errors`.
    ///
    /// # Errors
    /// When there is no connection to be had, or no answer.
    pub fn open(
        &self,
        index: usize,
        random: &mut Random,
        errors: &mut Errors,
    ) -> Result<Option<(TcpStream, Agreed)>> {
        let stream = connect(self.address, index)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(match self.upgrade(&stream, random) {
            Ok(agreed) => Some((stream, agreed)),
            Err(Refused::Closed) => {
                errors.unexpected_close += 1;
                None
            }
            // Nor would it answer the others, and each would wait as long.
            Err(Refused::Silent) => {
                let limit_s = TIMEOUT.as_secs();
                return Err(format!("no answer to a handshake within {limit_s} s").into());
            }
            Err(Refused::Wrong) => {
                errors.bad_status += 1;
                None
            }
        })
    }

    fn upgrade(
        &self,
        stream: &TcpStream,
        random: &mut Random,
    ) -> std::result::Result<Agreed, Refused> {
        let mut stream = stream;
        let opening = Opening::new(self.host, self.path, self.offer, random);
        stream.write_all(&opening.request)?;
        let mut received = Vec::new();
        let whole = read_until(stream, &mut received, head_bytes)?;
        let agreed = opening.check(&received[..whole]);
        let agreed = agreed.map_err(|_| Refused::Wrong)?;
        received.drain(..whole);
        if self.offer == Offer::SocketIo {
            enter_socket_io(stream, &mut received, random)?;
        }
        // No other server speaks before it is spoken to.
        if received.is_empty() {
            Ok(agreed)
        } else {
            Err(Refused::Wrong)
        }
    }
}

/// Why a connection is of no use.
#[derive(Debug)]
enum Refused {
    Closed,
    Silent,
    Wrong,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock => Self::Silent,
            _ => Self::Closed,
        }
    }
}

/// Reads from a stream that blocks, with a time limit.
///
/// The kernel cuts such a wait short, and does not take it up again, where the thread has work to
/// do for an `io_uring`: closing one is enough, a while later.
///
/// # Errors
/// As [`Read::read`], but none that a second attempt mends.
pub fn receive(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Receives until `length` finds something whole at the beginning.
fn read_until(
    stream: &TcpStream,
    received: &mut Vec<u8>,
    length: impl Fn(&[u8]) -> Option<usize>,
) -> std::result::Result<usize, Refused> {
    let mut buffer = [0; HEAD_BYTES_MAX];
    let begin = Instant::now();
    loop {
        match length(received) {
            Some(bytes) => return Ok(bytes),
            None if received.len() > HEAD_BYTES_MAX => return Err(Refused::Wrong),
            None if begin.elapsed() > TIMEOUT => return Err(Refused::Silent),
            None => {}
        }
        match receive(stream, &mut buffer)? {
            0 => return Err(Refused::Closed),
            bytes => received.extend_from_slice(&buffer[..bytes]),
        }
    }
}

/// Engine.IO's packet of opening, then Socket.IO's, which the client asks for.
fn enter_socket_io(
    mut stream: &TcpStream,
    received: &mut Vec<u8>,
    random: &mut Random,
) -> std::result::Result<(), Refused> {
    let mut expect = |starts: &[u8]| {
        let whole = read_until(stream, received, |bytes| {
            let header = frame::parse_header(bytes).ok().flatten()?;
            let end = header.header_bytes + header.payload_bytes;
            (bytes.len() >= end).then_some(end)
        })?;
        let message: Vec<u8> = received.drain(..whole).collect();
        let header = frame::parse_header(&message).ok().flatten();
        let header_bytes = header.ok_or(Refused::Wrong)?.header_bytes;
        if message[header_bytes..].starts_with(starts) {
            Ok(())
        } else {
            Err(Refused::Wrong)
        }
    };
    expect(b"0{")?;
    let mut connect = Vec::new();
    frame::push_masked(
        &mut connect,
        frame::FIN | frame::TEXT,
        b"40",
        random.bytes(),
    );
    stream.write_all(&connect)?;
    expect(b"40{")
}

/// Connects, on the loopback device from a further address for every 4,000 connections.
///
/// # Errors
/// When nobody accepts in time, and what the system reports.
pub fn connect(address: SocketAddr, index: usize) -> Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Counts for connecting too: socket(7).
    set_socket_timeout(&socket, Timeout::Send, Some(TIMEOUT))?;
    if index >= PER_SOURCE && matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        let last = u8::try_from(index / PER_SOURCE + 1)?;
        let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
        // A port that was asked for is taken for a minute after its connection has ended, unless
        // that is reset; and so many of them would leave none for the next server's clients.
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        rustix::net::bind(&socket, &source)?;
    }
    match rustix::io::retry_on_intr(|| rustix::net::connect(&socket, &address)) {
        Ok(()) => Ok(TcpStream::from(socket)),
        Err(Errno::INPROGRESS | Errno::ALREADY) => {
            Err(format!("{address} does not accept within {} s", TIMEOUT.as_secs()).into())
        }
        Err(error) => Err(format!("{address}: {}", io::Error::from(error)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(offer: Offer) -> Opening {
        Opening::new(HOST, "/", offer, &mut Random::new(3))
    }

    fn good(opening: &Opening) -> String {
        String::from_utf8(answer(&opening.request).unwrap()).unwrap()
    }

    #[test]
    fn the_accept_value_is_the_example_of_the_rfc() {
        // Section 1.3.
        let accept = accept_value(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_good_answer_is_agreed_to() {
        let opening = opening(Offer::Plain);
        let text = good(&opening);
        assert_eq!(head_bytes(text.as_bytes()), Some(text.len()));
        let agreed = Agreed {
            context_takeover: false,
        };
        assert_eq!(opening.check(text.as_bytes()), Ok(agreed));
        assert_eq!(
            opening.check(text.to_lowercase().replace("http", "HTTP").as_bytes()),
            Err("the key was not accepted"),
            "the value matters, the names' case does not"
        );
        assert_eq!(answer(b"GET / HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn a_wrong_answer_is_refused() {
        let opening = opening(Offer::Plain);
        let text = good(&opening);
        for (from, to) in [
            ("HTTP/1.1 101", "HTTP/1.1 200"),
            ("Upgrade: websocket", "Upgrade: h2c"),
            ("Connection: Upgrade\r\n", ""),
            ("Accept: ", "Accept: A"),
            ("\r\n\r\n", "\r\nUpgrade: websocket\r\n\r\n"),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            ),
        ] {
            assert!(text.contains(from));
            let wrong = text.replacen(from, to, 1);
            assert!(opening.check(wrong.as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn the_subprotocol_has_to_be_agreed() {
        let with = |offer, field: &str| {
            let opening = opening(offer);
            let text = good(&opening).replace("\r\n\r\n", &format!("\r\n{field}\r\n"));
            opening.check(text.as_bytes()).is_ok()
        };
        assert!(with(Offer::Brotli, "Sec-WebSocket-Protocol: br\r\n"));
        assert!(!with(Offer::Brotli, "Sec-WebSocket-Protocol: chat\r\n"));
        assert!(!with(Offer::Brotli, ""));
        assert!(!with(Offer::Plain, "Sec-WebSocket-Protocol: br\r\n"));
    }

    #[test]
    fn compression_has_to_be_agreed_as_offered() {
        let opening = opening(Offer::Deflate);
        let with = |value: &str| {
            let field = format!("\r\nSec-WebSocket-Extensions: {value}\r\n\r\n");
            let text = good(&opening).replace("\r\n\r\n", &field);
            opening.check(text.as_bytes()).map(|a| a.context_takeover)
        };
        assert_eq!(with("permessage-deflate"), Ok(true));
        assert_eq!(
            with("permessage-deflate; client_no_context_takeover; server_max_window_bits=12"),
            Ok(true)
        );
        assert_eq!(
            with("permessage-deflate;server_no_context_takeover ; client_no_context_takeover"),
            Ok(false)
        );
        assert!(with("permessage-deflate; client_max_window_bits=9").is_err());
        assert!(with("permessage-deflate, permessage-deflate").is_err());
        assert!(with("x-webkit-deflate-frame").is_err());
        assert!(opening.check(good(&opening).as_bytes()).is_err());
    }
}
