//! The other end of a connection, which takes nothing but well-formed answers and frames.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// One thing that a server has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Answer {
        status: u16,
        body: Vec<u8>,
    },
    /// A frame of a WebSocket.
    Frame {
        opcode: u8,
        payload: Vec<u8>,
    },
}

/// A client on a socket that never blocks.
pub(crate) struct Client {
    stream: TcpStream,
    /// What was received and is not a whole item yet.
    pending: Vec<u8>,
    pub(crate) items: Vec<Item>,
    pub(crate) is_upgraded: bool,
    /// Whether the server has ended the connection.
    pub(crate) is_ended: bool,
    pub(crate) request_count: usize,
    /// Whether it takes what the server sends.
    pub(crate) reads: bool,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the loop listens");
        stream.set_nonblocking(true).expect("a socket can");
        stream.set_nodelay(true).expect("a socket can");
        Self {
            stream,
            pending: Vec::new(),
            items: Vec::new(),
            is_upgraded: false,
            is_ended: false,
            request_count: 0,
            reads: true,
        }
    }

    /// Sends a request. A connection that the server has ended does not take it.
    pub(crate) fn request(&mut self, text: &str) {
        self.request_count += 1;
        self.send(text.as_bytes());
    }

    /// Sends a masked frame.
    pub(crate) fn frame(&mut self, opcode: u8, payload: &[u8]) {
        assert!(payload.len() < 126);
        let mut bytes = vec![0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        bytes.extend_from_slice(payload);
        self.send(&bytes);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self.stream.write(bytes) {
            Ok(length) => assert_eq!(length, bytes.len(), "little is sent"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the server reads"),
            Err(_) => self.is_ended = true,
        }
    }

    /// Takes what has arrived.
    ///
    /// # Panics
    /// When it is not well-formed, or more answers than requests.
    pub(crate) fn poll(&mut self) {
        if !self.reads {
            return;
        }
        let mut buffer = [0; 65536];
        while !self.is_ended {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.is_ended = true,
                Ok(length) => self.pending.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.is_ended = true,
            }
        }
        let mut at = 0;
        while let Some((item, length)) = self.item(at) {
            at += length;
            if let Item::Answer { status, .. } = &item {
                self.is_upgraded = *status == 101;
            }
            // An interim answer announces another.
            if !matches!(item, Item::Answer { status: 100, .. }) {
                self.items.push(item);
            }
        }
        self.pending.drain(..at);
        let is_answer = |item: &&Item| matches!(item, Item::Answer { .. });
        let answers = self.items.iter().filter(is_answer).count();
        assert!(answers <= self.request_count, "{:?}", self.items);
    }

    fn item(&self, at: usize) -> Option<(Item, usize)> {
        let bytes = &self.pending[at..];
        if self.is_upgraded {
            frame(bytes)
        } else {
            answer(bytes)
        }
    }

    /// Whether a part of an item is all that there is of it.
    pub(crate) fn has_part(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn has_answer(&self, text: &[u8]) -> bool {
        let is_it = |item: &Item| matches!(item, Item::Answer { body, .. } if body == text);
        self.items.iter().any(is_it)
    }

    pub(crate) fn has_frame(&self, text: &[u8]) -> bool {
        let is_it = |item: &Item| matches!(item, Item::Frame { payload, .. } if payload == text);
        self.items.iter().any(is_it)
    }

    /// Leaves with a reset, so that nothing of the connection stays in the kernel.
    pub(crate) fn reset(self) {
        drop(self);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        // SAFETY: the descriptor is open, and the value is of the option's type and length.
        let set = unsafe {
            libc::setsockopt(
                self.stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of_val(&linger) as libc::socklen_t,
            )
        };
        assert_eq!(set, 0);
    }
}

/// The answer at the front of `bytes`, when all of it is there.
fn answer(bytes: &[u8]) -> Option<(Item, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    // Values may have bytes above ASCII (RFC 9110 section 5.5).
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    let status: u16 = status.and_then(|digits| digits.parse().ok()).expect(&head);
    let mut length = None;
    let mut is_chunked = false;
    for line in lines {
        let (name, value) = line.split_once(": ").expect(&head);
        assert_ne!(name, "Injected", "{head}");
        match name {
            "Content-Length" => {
                assert_eq!(length, None, "{head}");
                length = Some(value.parse().expect(&head));
            }
            "Transfer-Encoding" => is_chunked = value == "chunked",
            _ => {}
        }
    }
    assert!(!(is_chunked && length.is_some()), "{head}");
    let body = &bytes[end + 4..];
    let (body, length) = match length {
        _ if is_chunked => chunks(body)?,
        Some(length) => (body.get(..length)?.to_vec(), length),
        None => {
            assert!(matches!(status, 100 | 101 | 204 | 304), "{head}");
            (Vec::new(), 0)
        }
    };
    Some((Item::Answer { status, body }, end + 4 + length))
}

fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let digits = str::from_utf8(&rest[..line]).expect("a length of a chunk");
        let length = usize::from_str_radix(digits, 16).expect("a length of a chunk");
        let end = line + 2 + length;
        assert_eq!(rest.get(end..end + 2)?, b"\r\n", "the end of a chunk");
        body.extend_from_slice(&rest[line + 2..end]);
        at += end + 2;
        if length == 0 {
            return Some((body, at));
        }
    }
}

/// The frame at the front of `bytes`, when all of it is there.
fn frame(bytes: &[u8]) -> Option<(Item, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let opcode = first & 0x0f;
    assert_eq!(first & 0x70, 0, "nothing was negotiated");
    assert_eq!(second & 0x80, 0, "servers do not mask");
    assert!(matches!(opcode, 0..=2 | 8..=10), "opcode {opcode}");
    let (length, head) = match second {
        126 => (
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            4,
        ),
        127 => (
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
            10,
        ),
        length => (usize::from(length), 2),
    };
    assert!(
        opcode < 8 || (first & 0x80 != 0 && length < 126),
        "a control frame"
    );
    let payload = bytes.get(head..head + length)?;
    if opcode == 1 && first & 0x80 != 0 {
        assert!(str::from_utf8(payload).is_ok(), "text");
    }
    // Of a long one its beginning is enough to know it.
    let payload = payload[..payload.len().min(64)].to_vec();
    Some((Item::Frame { opcode, payload }, head + length))
}
