//! The server's side of the opening handshake, RFC 6455 sections 4.2 and 4.4.

use std::fmt;

use data_encoding::BASE64;
use sha1_smol::Sha1;

use crate::proto::http1::{Head, is_token};

/// Subprotocols that a client may offer. Far more than any does, and few enough to compare each
/// with each.
pub const PROTOCOLS_MAX: usize = 64;

/// What is appended to the key before it is hashed (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request is not answered with `101 Switching Protocols`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// There is no `Upgrade`: a request like any other.
    NotAnUpgrade,
    /// The upgrade is to something else than `websocket`.
    Upgrade,
    /// HTTP/1.0.
    HttpVersion,
    /// Not GET.
    Method,
    /// `Connection` does not name `upgrade`.
    Connection,
    /// `Sec-WebSocket-Version` is not exactly one `13`.
    Version,
    /// `Sec-WebSocket-Key` is not exactly one Base64 of 16 bytes.
    Key,
    /// `Sec-WebSocket-Protocol` is not a list of tokens, names one twice, or names more than
    /// [`PROTOCOLS_MAX`].
    Protocol,
    /// More than one `Origin`.
    Origin,
    /// The request has content, which would be read as frames.
    Body,
}

impl HandshakeError {
    /// The status code to answer with. 405 goes with `Allow: GET`; 426 with `Upgrade: websocket`
    /// (RFC 9110 section 15.5.22) and `Sec-WebSocket-Version: 13` (RFC 6455 section 4.4).
    pub const fn status(self) -> u16 {
        match self {
            Self::NotAnUpgrade | Self::Upgrade | Self::Version => 426,
            Self::Method => 405,
            Self::HttpVersion
            | Self::Connection
            | Self::Key
            | Self::Protocol
            | Self::Origin
            | Self::Body => 400,
        }
    }

    /// A sentence for a log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnUpgrade => "not a request to upgrade",
            Self::Upgrade => "upgrade to something else than websocket",
            Self::HttpVersion => "upgrade over HTTP/1.0",
            Self::Method => "upgrade with a method other than GET",
            Self::Connection => "Connection does not name upgrade",
            Self::Version => "Sec-WebSocket-Version is not 13",
            Self::Key => "missing, repeated or malformed Sec-WebSocket-Key",
            Self::Protocol => "malformed Sec-WebSocket-Protocol",
            Self::Origin => "repeated Origin",
            Self::Body => "upgrade with content",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for HandshakeError {}

/// A client's half of the handshake, which passed every check.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    head: Head<'a>,
    key: &'a [u8],
    origin: Option<&'a [u8]>,
}

impl<'a> Handshake<'a> {
    /// The value of `Sec-WebSocket-Accept`.
    pub fn accept(&self) -> [u8; 28] {
        accept_key(self.key)
    }

    /// The value of `Sec-WebSocket-Key`: 24 bytes.
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// Where the page comes from that opens the socket; browsers always say it.
    pub fn origin(&self) -> Option<&'a [u8]> {
        self.origin
    }

    /// The subprotocols on offer, the client's favourite first: tokens, each once.
    pub fn protocols(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        protocols(&self.head)
    }

    /// The values of `Sec-WebSocket-Extensions`, one for each such header.
    pub fn extensions(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        values(&self.head, "sec-websocket-extensions")
    }
}

/// Checks whether a request is a handshake that can be agreed to.
///
/// # Errors
/// The first that holds, in the order in which [`HandshakeError`] lists them.
pub fn check<'a>(head: &Head<'a>) -> Result<Handshake<'a>, HandshakeError> {
    use HandshakeError as E;
    let ensure = |good: bool, error: HandshakeError| if good { Ok(()) } else { Err(error) };
    ensure(values(head, "upgrade").next().is_some(), E::NotAnUpgrade)?;
    ensure(lists(head, "upgrade", b"websocket"), E::Upgrade)?;
    ensure(head.version_minor() >= 1, E::HttpVersion)?;
    ensure(head.method() == b"GET", E::Method)?;
    ensure(lists(head, "connection", b"upgrade"), E::Connection)?;
    let version = only(head, "sec-websocket-version").flatten();
    ensure(version == Some(b"13"), E::Version)?;
    let key = only(head, "sec-websocket-key").flatten().ok_or(E::Key)?;
    ensure(is_key(key), E::Key)?;
    ensure(are_protocols(head), E::Protocol)?;
    let origin = only(head, "origin").ok_or(E::Origin)?;
    let empty = head.framing().body.is_empty();
    ensure(empty, E::Body)?;
    Ok(Handshake {
        head: *head,
        key,
        origin,
    })
}

/// What `Sec-WebSocket-Accept` has to be for a key (section 4.2.2).
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    let mut accept = [0; 28];
    BASE64.encode_mut(&hash.digest().bytes(), &mut accept);
    accept
}

/// The values of all headers with this name.
fn values<'a>(head: &Head<'a>, lower: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    head.headers()
        .filter(move |(name, _)| name.eq_ignore_ascii_case(lower.as_bytes()))
        .map(|(_, value)| value)
}

/// The value of a header that may be there once; `None` when it is there more often.
fn only<'a>(head: &Head<'a>, lower: &'static str) -> Option<Option<&'a [u8]>> {
    let mut values = values(head, lower);
    let first = values.next();
    values.next().is_none().then_some(first)
}

/// The elements of a list that may be spread over several headers (RFC 9110 section 5.6.1).
fn elements<'a>(head: &Head<'a>, lower: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    values(head, lower)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
}

fn lists(head: &Head<'_>, lower: &'static str, token: &[u8]) -> bool {
    elements(head, lower).any(|element| element.eq_ignore_ascii_case(token))
}

/// Sixteen bytes in the one form that encoders of Base64 give them.
fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; 18];
    key.len() == 24 && BASE64.decode_mut(key, &mut nonce) == Ok(16)
}

fn protocols<'a>(head: &Head<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    elements(head, "sec-websocket-protocol")
}

fn are_protocols(head: &Head<'_>) -> bool {
    protocols(head).take(PROTOCOLS_MAX + 1).count() <= PROTOCOLS_MAX
        && protocols(head).enumerate().all(|(index, protocol)| {
            is_token(protocol) && !protocols(head).take(index).any(|other| other == protocol)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http1::head::{HeadLimits, HeaderSlots, parse};

    const LIMITS: HeadLimits = HeadLimits {
        head_bytes_max: 4096,
        header_count_max: 20,
        target_bytes_max: 100,
    };

    /// The headers of the example in section 1.3.
    const EXAMPLE: &str = "Host: server.example.com\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\
        Origin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\n";

    #[track_caller]
    fn with<R>(line: &str, headers: &str, look: impl FnOnce(&Head<'_>) -> R) -> R {
        let bytes = format!("{line}\r\n{headers}\r\n");
        let mut slots = HeaderSlots::default();
        let head = parse(bytes.as_bytes(), &mut slots, &LIMITS);
        look(&head.expect("well formed").expect("whole"))
    }

    #[track_caller]
    fn expect(line: &str, headers: &str, expected: Result<(), HandshakeError>) {
        let outcome = with(line, headers, |head| check(head).map(|_| ()));
        assert_eq!(outcome, expected, "{line}: {headers}");
    }

    const LINE: &str = "GET /chat HTTP/1.1";

    /// The example with one piece of it exchanged for another.
    #[track_caller]
    fn expect_with(from: &str, to: &str, expected: Result<(), HandshakeError>) {
        assert!(EXAMPLE.contains(from), "{from}");
        expect(LINE, &EXAMPLE.replace(from, to), expected);
    }

    #[test]
    fn the_example_of_the_rfc() {
        with(LINE, EXAMPLE, |head| {
            let handshake = check(head).expect("it is the example");
            assert_eq!(&handshake.accept(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
            assert_eq!(handshake.key(), b"dGhlIHNhbXBsZSBub25jZQ==");
            assert_eq!(handshake.origin(), Some(&b"http://example.com"[..]));
            let protocols = handshake.protocols().collect::<Vec<_>>();
            assert_eq!(protocols, [&b"chat"[..], b"superchat"]);
            assert_eq!(handshake.extensions().count(), 0);
        });
    }

    #[test]
    fn lists_are_read_over_several_headers() {
        let more = "sec-websocket-PROTOCOL: third\r\n\
            Sec-WebSocket-Extensions: a; b=1, c\r\n\
            SEC-WEBSOCKET-EXTENSIONS: d\r\n";
        with(LINE, &(EXAMPLE.to_owned() + more), |head| {
            let handshake = check(head).expect("well formed");
            let protocols = handshake.protocols().collect::<Vec<_>>();
            assert_eq!(protocols, [&b"chat"[..], b"superchat", b"third"]);
            let extensions = handshake.extensions().collect::<Vec<_>>();
            assert_eq!(extensions, [&b"a; b=1, c"[..], b"d"]);
        });
    }

    #[test]
    fn upgrade_and_connection_are_lists_in_any_case() {
        for (from, to) in [
            ("Upgrade: websocket", "UPGRADE: WebSocket"),
            ("Upgrade: websocket", "Upgrade: h2c , websocket"),
            ("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"),
            ("Connection: Upgrade", "Connection: keep-alive,upgrade"),
            (
                "Connection: Upgrade",
                "Connection: keep-alive\r\nConnection: UPGRADE",
            ),
        ] {
            expect_with(from, to, Ok(()));
        }
    }

    #[test]
    fn what_is_refused() {
        use HandshakeError as E;
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let twice = key.repeat(2);
        for (from, to, error) in [
            ("Upgrade: websocket\r\n", "", E::NotAnUpgrade),
            ("websocket", "websockets", E::Upgrade),
            ("websocket", "h2c", E::Upgrade),
            ("Connection: Upgrade\r\n", "", E::Connection),
            (
                "Connection: Upgrade",
                "Connection: keep-alive",
                E::Connection,
            ),
            (
                "Connection: Upgrade",
                "Connection: x-upgrade",
                E::Connection,
            ),
            ("Sec-WebSocket-Version: 13\r\n", "", E::Version),
            (": 13", ": 8", E::Version),
            (": 13", ": 013", E::Version),
            (": 13", ": 13, 8", E::Version),
            (": 13", ": 13\r\nSec-WebSocket-Version: 13", E::Version),
            (key, "", E::Key),
            (key, &twice, E::Key),
            ("ZQ==", "ZQ=", E::Key),
            ("ZQ==", "ZR==", E::Key),
            ("ZQ==", "ZQZQ", E::Key),
            ("ZQ==", "Z===", E::Key),
            ("dGhl", "dG-l", E::Key),
            ("dGhl", "", E::Key),
            ("dGhl", "dGhldGhl", E::Key),
            ("chat, super", "chat, chat, super", E::Protocol),
            ("superchat", "chat", E::Protocol),
            ("chat, super", "chat,, super", E::Protocol),
            ("chat, superchat", "", E::Protocol),
            ("chat, superchat", "chat superchat", E::Protocol),
            ("chat, superchat", "\"chat\"", E::Protocol),
            (
                "Origin: http://example.com",
                "Origin: http://example.com\r\nOrigin: null",
                E::Origin,
            ),
            ("Upgrade: w", "Content-Length: 1\r\nUpgrade: w", E::Body),
            (
                "Upgrade: w",
                "Transfer-Encoding: chunked\r\nUpgrade: w",
                E::Body,
            ),
        ] {
            expect_with(from, to, Err(error));
        }
        expect_with("Upgrade: w", "Content-Length: 0\r\nUpgrade: w", Ok(()));
        expect("POST / HTTP/1.1", EXAMPLE, Err(E::Method));
        expect("HEAD / HTTP/1.1", EXAMPLE, Err(E::Method));
        expect("GET / HTTP/1.0", EXAMPLE, Err(E::HttpVersion));
        expect("POST / HTTP/1.1", "Host: a\r\n", Err(E::NotAnUpgrade));
    }

    #[test]
    fn the_number_of_protocols_on_both_sides_of_its_limit() {
        let offer = |count: usize| {
            let names: Vec<String> = (0..count).map(|index| format!("p{index}")).collect();
            EXAMPLE.replace("chat, superchat", &names.join(","))
        };
        expect(LINE, &offer(PROTOCOLS_MAX), Ok(()));
        let error = Err(HandshakeError::Protocol);
        expect(LINE, &offer(PROTOCOLS_MAX + 1), error);
    }
}
