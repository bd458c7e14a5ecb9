//! What a server has to get right before its speed is worth a look: the same answers however TCP
//! cuts the bytes, and no answers to what is no HTTP or no WebSocket. What fails is printed beside
//! the server's figures; it is a sample of the conformance suites and does not replace them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Serialize;

use crate::load::frame;
use crate::load::handshake::{HOST, Offer, Opening, head_bytes, receive};
use crate::load::verify::{Content, Errors, Verifier};
use crate::scenarios::content::Random;
use crate::scenarios::http::Scenario;

/// Long enough for any server that will answer at all.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Of the answer to a handshake.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Between two pieces, so that the server reads them one by one, as a rule.
const PAUSE: Duration = Duration::from_micros(200);

/// Something that a server got wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was tried.
    pub tried: String,
    /// What came of it.
    pub result: String,
}

/// What came of all trials.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many there were.
    pub tried: usize,
    /// Those that failed.
    pub findings: Vec<Finding>,
}

impl Verdict {
    fn note(&mut self, tried: &str, result: Result<(), String>) {
        self.tried += 1;
        if let Err(result) = result {
            self.findings.push(Finding {
                tried: tried.to_owned(),
                result,
            });
        }
    }
}

/// What must not be answered as if it were a request: RFC 9110 and 9112.
const NO_REQUESTS: [(&str, &str); 7] = [
    (
        "two different lengths",
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    ),
    (
        "a length with a sign",
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    ),
    (
        "a space before the colon",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Field : b\r\n\r\n",
    ),
    ("no Host", "GET / HTTP/1.1\r\nX-Field: b\r\n\r\n"),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (
        "a NUL in a value",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Field: b\0c\r\n\r\n",
    ),
    (
        "a chunk size that is no number",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
    ),
];

/// Tries a server in mode `http`.
#[must_use]
pub fn try_http(address: SocketAddr, parses_json: bool) -> Verdict {
    let mut verdict = Verdict::default();
    let cut = [Scenario::Hello, Scenario::Headers20];
    for scenario in cut.into_iter().chain(parses_json.then_some(Scenario::Post)) {
        let request = scenario.request();
        let name = format!("{} cut at every byte", scenario.name());
        let pieces = (1..request.len()).map(|at| {
            let (one, other) = request.split_at(at);
            vec![one, other]
        });
        verdict.note(&name, answers(address, scenario, pieces));
    }
    let request = Scenario::Hello.request();
    let bytes = request.chunks(1).collect();
    verdict.note(
        "hello byte by byte",
        answers(address, Scenario::Hello, [bytes]),
    );
    let request = Scenario::Upload64k.request();
    let pieces = request.chunks(1000).collect();
    verdict.note(
        "an upload in pieces",
        answers(address, Scenario::Upload64k, [pieces]),
    );
    verdict.note("16 requests at once", pipeline(address));
    for (name, bytes) in NO_REQUESTS {
        verdict.note(name, is_refused(address, bytes.as_bytes()));
    }
    verdict
}

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let connect = || {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(stream)
    };
    connect().map_err(|error: std::io::Error| error.to_string())
}

/// Sends requests in pieces on one connection, each after the answer to the one before.
fn answers<'a>(
    address: SocketAddr,
    scenario: Scenario,
    requests: impl IntoIterator<Item = Vec<&'a [u8]>>,
) -> Result<(), String> {
    let mut stream = connect(address)?;
    let body = scenario.response_body();
    let mut verifier = Verifier::new(&body, Content::All);
    for (number, pieces) in requests.into_iter().enumerate() {
        verifier.sent(1);
        let asked = send(&mut stream, &pieces);
        asked
            .and_then(|()| read_answers(&stream, &mut verifier))
            .map_err(|error| format!("request {}: {error}", number + 1))?;
    }
    Ok(())
}

fn pipeline(address: SocketAddr) -> Result<(), String> {
    let mut stream = connect(address)?;
    let body = Scenario::Hello.response_body();
    let mut verifier = Verifier::new(&body, Content::All);
    verifier.sent(16);
    send(&mut stream, &[&Scenario::Hello.request().repeat(16)])?;
    read_answers(&stream, &mut verifier)
}

fn send(stream: &mut TcpStream, pieces: &[&[u8]]) -> Result<(), String> {
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(PAUSE);
        }
        stream.write_all(piece).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn read_answers(stream: &TcpStream, verifier: &mut Verifier<'_>) -> Result<(), String> {
    let mut buffer = [0; 4096];
    let mut errors = Errors::default();
    while verifier.pending() > 0 {
        match receive(stream, &mut buffer) {
            Ok(0) => return Err("closed".to_owned()),
            Ok(received) => {
                let _ = verifier.feed(&buffer[..received], &mut errors);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err("no answer".into()),
            Err(error) => return Err(error.to_string()),
        }
        if errors.total() > 0 {
            return Err(errors.to_string());
        }
    }
    Ok(())
}

/// A status of 400 or more, or the end, and nothing else.
fn is_refused(address: SocketAddr, bytes: &[u8]) -> Result<(), String> {
    let mut stream = connect(address)?;
    send(&mut stream, &[bytes])?;
    let mut start = [0; 12];
    match stream.read_exact(&mut start) {
        Ok(()) if matches!(start[9], b'4' | b'5') => Ok(()),
        Ok(()) => Err(format!("answered {}", String::from_utf8_lossy(&start[9..]))),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err("no answer".to_owned()),
        Err(_) => Ok(()),
    }
}

/// What must end a connection: RFC 6455, sections 5 and 8.1. First byte, whether masked, payload.
const NO_FRAMES: [(&str, u8, bool, &[u8]); 8] = [
    ("a frame without a mask", 0x81, false, b"hello"),
    ("a reserved bit", 0xa1, true, b"hello"),
    ("a reserved opcode", 0x83, true, b"hello"),
    ("a reserved control opcode", 0x8b, true, b"hello"),
    ("text that is not UTF-8", 0x81, true, b"\xce\xba\xff"),
    ("a Ping of 126 bytes", 0x89, true, &[b'a'; 126]),
    ("a Ping in fragments", 0x09, true, b"hello"),
    (
        "the end of a message that has not begun",
        0x80,
        true,
        b"hello",
    ),
];

/// Tries a server in mode `off`.
#[must_use]
pub fn try_websocket(address: SocketAddr) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.note("a handshake cut at every byte", handshakes(address));
    verdict.note("a message cut at every byte", cut_messages(address));
    verdict.note("a Ping between fragments", fragments(address));
    verdict.note("a Close of 1000", close(address));
    for (name, first, masked, payload) in NO_FRAMES {
        verdict.note(name, ends(address, first, masked, payload));
    }
    verdict
}

fn open(address: SocketAddr, cut_at: Option<usize>) -> Result<TcpStream, String> {
    let mut stream = connect(address)?;
    let opening = Opening::new(HOST, "/", Offer::Plain, &mut Random::new(9));
    let (one, other) = opening
        .request
        .split_at(cut_at.unwrap_or(0).min(opening.request.len()));
    send(&mut stream, &[one, other])?;
    let mut head = Vec::new();
    while head_bytes(&head).is_none() {
        if head.len() > HEAD_BYTES_MAX {
            return Err("the answer has no end".to_owned());
        }
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .map_err(|error| error.to_string())?;
        head.extend_from_slice(&byte);
    }
    opening.check(&head).map_err(str::to_owned)?;
    Ok(stream)
}

fn handshakes(address: SocketAddr) -> Result<(), String> {
    let length = Opening::new(HOST, "/", Offer::Plain, &mut Random::new(9))
        .request
        .len();
    for at in 1..length {
        open(address, Some(at)).map_err(|error| format!("cut at {at}: {error}"))?;
    }
    Ok(())
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::push_masked(&mut bytes, first, payload, [1, 2, 3, 4]);
    bytes
}

/// Reads as many bytes as `expected` has, and compares.
fn expect(stream: &mut TcpStream, expected: &[u8]) -> Result<(), String> {
    let mut received = vec![0; expected.len()];
    stream
        .read_exact(&mut received)
        .map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => "no answer".to_owned(),
            _ => error.to_string(),
        })?;
    if received == expected {
        Ok(())
    } else {
        Err(format!("answered {received:02x?}"))
    }
}

fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::push_header(&mut bytes, first, payload.len());
    bytes.extend_from_slice(payload);
    bytes
}

fn cut_messages(address: SocketAddr) -> Result<(), String> {
    let mut stream = open(address, None)?;
    let text = "naïve 競輪 🚲".as_bytes();
    let message = masked(0x81, text);
    for at in 1..message.len() {
        let (one, other) = message.split_at(at);
        send(&mut stream, &[one, other])?;
        expect(&mut stream, &unmasked(0x81, text)).map_err(|e| format!("cut at {at}: {e}"))?;
    }
    Ok(())
}

fn fragments(address: SocketAddr) -> Result<(), String> {
    let mut stream = open(address, None)?;
    let frames = [
        masked(0x01, b"one, "),
        masked(0x89, b"ping"),
        masked(0x00, b"two, "),
        masked(0x80, b"three"),
    ];
    send(&mut stream, &[&frames.concat()])?;
    let pong = unmasked(0x8a, b"ping");
    expect(
        &mut stream,
        &[pong, unmasked(0x81, b"one, two, three")].concat(),
    )
}

fn close(address: SocketAddr) -> Result<(), String> {
    let mut stream = open(address, None)?;
    let code = 1000_u16.to_be_bytes();
    send(&mut stream, &[&masked(0x88, &code)])?;
    expect(&mut stream, &unmasked(0x88, &code))
}

fn ends(address: SocketAddr, first: u8, is_masked: bool, payload: &[u8]) -> Result<(), String> {
    let mut stream = open(address, None)?;
    let bytes = if is_masked {
        masked(first, payload)
    } else {
        unmasked(first, payload)
    };
    send(&mut stream, &[&bytes])?;
    let mut start = [0];
    match receive(&stream, &mut start) {
        Ok(1) if start[0] == 0x88 => Ok(()),
        Ok(1) => Err(format!("answered with a frame of {:#04x}", start[0])),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err("went on".to_owned()),
        _ => Ok(()),
    }
}
