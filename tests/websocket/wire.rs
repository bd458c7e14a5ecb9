//! The client's side of RFC 6455, written from the RFC alone: frames to send, and a strict reader
//! of what the server sends.

use std::fmt::Write as _;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// What section 1.3 of the RFC computes for the key that [`request`] sends.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The opening handshake of section 1.3.
pub(crate) fn request(target: &str) -> String {
    request_with(target, "")
}

/// The same with further header lines, each with its CRLF.
pub(crate) fn request_with(target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// A frame as a client sends it: masked, its length in as few bytes as it needs.
pub(crate) fn frame(opcode: u8, is_last: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![opcode | if is_last { 0x80 } else { 0 }];
    let length = payload.len();
    match length {
        0..126 => frame.push(0x80 | length as u8),
        126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

pub(crate) fn text(payload: &str) -> Vec<u8> {
    frame(TEXT, true, payload.as_bytes())
}

pub(crate) fn binary(payload: &[u8]) -> Vec<u8> {
    frame(BINARY, true, payload)
}

pub(crate) fn ping(payload: &[u8]) -> Vec<u8> {
    frame(PING, true, payload)
}

pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    frame(PONG, true, payload)
}

pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, true, &[&code.to_be_bytes(), reason].concat())
}

pub(crate) fn close_without_code() -> Vec<u8> {
    frame(CLOSE, true, b"")
}

/// A frame of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) opcode: u8,
    pub(crate) is_last: bool,
    pub(crate) payload: Vec<u8>,
}

/// Reads whole frames off the front, and checks what section 5 says of a server's frames.
pub(crate) fn take_frames(bytes: &mut Vec<u8>) -> Vec<Received> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some((frame, length)) = parse(&bytes[at..]) {
        frames.push(frame);
        at += length;
    }
    bytes.drain(..at);
    frames
}

fn parse(bytes: &[u8]) -> Option<(Received, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(first & 0x70, 0, "no extension was agreed on");
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (opcode, is_last) = (first & 15, first & 0x80 != 0);
    let (length, start) = match second {
        126 => {
            let length = u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap());
            assert!(length >= 126, "a length in as few bytes as it needs");
            (usize::from(length), 4)
        }
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap());
            assert!(length >= 0x1_0000 && length >> 63 == 0);
            (usize::try_from(length).unwrap(), 10)
        }
        short => (usize::from(short), 2),
    };
    assert!(matches!(opcode, 0..=2 | 8..=10), "an opcode with a meaning");
    assert!(opcode < 8 || (is_last && length <= 125), "section 5.5");
    let payload = bytes.get(start..start + length)?.to_vec();
    let frame = Received {
        opcode,
        is_last,
        payload,
    };
    Some((frame, start + length))
}

impl Received {
    /// One line: the kind, and the payload if it is short.
    pub(crate) fn line(&self) -> String {
        let kind = match self.opcode {
            CONTINUATION => "continuation",
            TEXT => "text",
            BINARY => "binary",
            CLOSE => return self.close_line(),
            PING => "ping",
            _ => "pong",
        };
        let more = if self.is_last { "" } else { "+" };
        line(&format!("{kind}{more}"), &self.payload)
    }

    fn close_line(&self) -> String {
        match self.payload.split_first_chunk() {
            None if self.payload.is_empty() => "close".to_owned(),
            None => panic!("a Close frame with one byte"),
            Some((&code, reason)) => {
                let reason = str::from_utf8(reason).expect("section 5.5.1: UTF-8");
                let code = u16::from_be_bytes(code);
                format!("close {code} {reason}").trim_end().to_owned()
            }
        }
    }
}

/// What the tests compare: short payloads in full, long ones by length and a sum over their bytes.
pub(crate) fn line(kind: &str, payload: &[u8]) -> String {
    let mut line = kind.to_owned();
    if payload.len() > 64 {
        let sum = payload
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
                (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
        let _ = write!(line, " of {} ({sum:x})", payload.len());
    } else if !payload.is_empty() {
        let _ = write!(line, " {}", payload.escape_ascii());
    }
    line
}

/// A seeded generator, so that a failure can be repeated.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % end as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    /// Letters of one to four bytes in UTF-8.
    pub(crate) fn text(&mut self, letters: usize) -> String {
        const LETTERS: [char; 6] = ['a', 'z', 'é', '語', '\u{ffff}', '😀'];
        (0..letters).map(|_| LETTERS[self.below(6)]).collect()
    }
}
