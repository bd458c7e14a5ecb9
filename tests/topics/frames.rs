//! Frames as a client sees them, read and written here by the text of RFC 6455 section 5.2.

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) rsv1: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;

impl Frame {
    /// The first frame and its length; `None` when it is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        assert_eq!(first & 0x30, 0, "RSV2 and RSV3");
        assert!(second < 0x80, "a server does not mask");
        let (at, len) = match second {
            126 => (
                4,
                u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            ),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
            len => (2, u64::from(len)),
        };
        let minimal = match at {
            2 => 0,
            4 => 126,
            _ => 1 << 16,
        };
        assert!(len >= minimal, "{len} in too many bytes");
        let end = at + usize::try_from(len).expect("it fits into memory");
        let frame = Self {
            fin: first & 0x80 != 0,
            rsv1: first & 0x40 != 0,
            opcode: first & 0x0f,
            payload: bytes.get(at..end)?.to_vec(),
        };
        Some((frame, end))
    }

    /// The code of a Close frame; 1005 when it has none.
    pub(crate) fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        let code = self.payload.first_chunk();
        code.map_or(1005, |code| u16::from_be_bytes(*code))
    }
}

/// A client's frame: its first byte as it is, masked.
pub(crate) fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0x00, 0xff, 0x13];
    let mut bytes = vec![first];
    match payload.len() {
        len @ ..126 => bytes.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    let masked = payload.iter().zip(MASK.iter().cycle());
    bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A request to upgrade, with these header lines too.
pub(crate) fn handshake(lines: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
}

/// The length of an answer's head, with the empty line.
pub(crate) fn head_len(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    end.map(|at| at + 4)
}

/// The content of messages, which come in one frame or in several, and `close` with its code.
pub(crate) fn content(pieces: &mut Vec<Frame>, frames: Vec<Frame>) -> Vec<String> {
    let mut content = Vec::new();
    for frame in frames {
        match frame.opcode {
            CLOSE => content.push(format!("close {}", frame.close_code())),
            9 => content.push("ping".to_owned()),
            10 => content.push("pong".to_owned()),
            opcode => {
                assert_eq!(
                    opcode == 0,
                    !pieces.is_empty(),
                    "{frame:?} after {pieces:?}"
                );
                assert!(!frame.rsv1, "nothing was agreed to");
                pieces.push(frame);
            }
        }
        if pieces.last().is_some_and(|piece| piece.fin) {
            let bytes = pieces.drain(..).flat_map(|piece| piece.payload).collect();
            content.push(String::from_utf8(bytes).expect("the tests send text"));
        }
    }
    content
}
