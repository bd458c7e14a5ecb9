//! Clients: the requests they send, and the answers they read.

use keirin::testing::{Client as Wire, Sim};

use super::app::World;
use super::input::Kind;
use super::pattern;
use crate::answer::{Answer, Context, read};

/// Content beyond this is over the limit.
pub(super) const BODY_BYTES_MAX: u64 = 0x3fff;

/// Longer than any head may be.
pub(super) const HEAD_BYTES_MAX: usize = 400;

/// A request, and what the app has seen of it.
pub(super) struct Sent {
    pub(super) kind: Kind,
    pub(super) script: u8,
    /// Handlers that were called for it.
    pub(super) visits: u8,
    /// Bytes of its content that the app was given.
    pub(super) received: u64,
    /// Somebody collects its content.
    pub(super) collecting: bool,
    /// Another reader has taken that one's place, and what was collected is gone.
    pub(super) gap: bool,
    /// The app was told that its answer cannot be completed.
    pub(super) aborted: bool,
}

impl Sent {
    pub(super) fn new(kind: Kind, script: u8) -> Self {
        Self {
            kind,
            script,
            visits: 0,
            received: 0,
            collecting: false,
            gap: false,
            aborted: false,
        }
    }

    /// Whether it may reach a handler.
    pub(super) fn is_valid(&self) -> bool {
        use Kind as K;
        !matches!(
            self.kind,
            K::TooLong
                | K::WholeServer
                | K::NoRoute
                | K::BadHeader
                | K::BadVersion
                | K::NoHost
                | K::LongHead
        )
    }
}

impl Kind {
    fn is_old(self) -> bool {
        matches!(self, Self::Old | Self::OldKeepAlive)
    }

    /// Bytes of content; `None` when it never comes to its end.
    pub(super) fn body_bytes(self) -> Option<u64> {
        match self {
            Self::Post { bytes } | Self::Expect { bytes } | Self::Chunks { bytes, .. } => {
                Some(u64::from(bytes) & BODY_BYTES_MAX)
            }
            Self::BadChunk { .. } => None,
            _ => Some(0),
        }
    }

    fn to_bytes(self, serial: usize) -> Vec<u8> {
        let length = self.body_bytes().unwrap_or(0);
        let (method, version) = match self {
            Self::Head => ("HEAD", "HTTP/1.1"),
            Self::Old | Self::OldKeepAlive => ("GET", "HTTP/1.0"),
            Self::Unknown => ("BREW", "HTTP/1.1"),
            Self::BadVersion => ("GET", "HTTP/3.0"),
            Self::WholeServer => ("OPTIONS", "HTTP/1.1"),
            Self::Get | Self::Close | Self::NoRoute | Self::BadHeader | Self::NoHost => {
                ("GET", "HTTP/1.1")
            }
            _ => ("POST", "HTTP/1.1"),
        };
        let target = match self {
            Self::WholeServer => "*".to_owned(),
            Self::NoRoute => "/no/route".to_owned(),
            _ => format!("/{serial}"),
        };
        let headers = match self {
            Self::NoHost | Self::Old => String::new(),
            Self::OldKeepAlive => "Connection: keep-alive\r\n".to_owned(),
            Self::Close => "Host: x\r\nConnection: close\r\n".to_owned(),
            Self::Post { .. } => format!("Host: x\r\nContent-Length: {length}\r\n"),
            Self::Expect { .. } => {
                format!("Host: x\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n")
            }
            Self::Chunks { .. } | Self::BadChunk { .. } => {
                "Host: x\r\nTransfer-Encoding: chunked\r\n".to_owned()
            }
            Self::TooLong => format!("Host: x\r\nContent-Length: {}\r\n", BODY_BYTES_MAX + 1),
            Self::BadHeader => "Host: x\r\nbad header\r\n".to_owned(),
            Self::LongHead => format!("Host: x\r\nlong: {}\r\n", "v".repeat(HEAD_BYTES_MAX)),
            _ => "Host: x\r\n".to_owned(),
        };
        let mut bytes = format!("{method} {target} {version}\r\n{headers}\r\n").into_bytes();
        self.append_body(serial, &mut bytes);
        bytes
    }

    fn append_body(self, serial: usize, bytes: &mut Vec<u8>) {
        let (length, chunk) = match self {
            Self::Chunks { chunk, .. } => (self.body_bytes().unwrap_or(0), usize::from(chunk) + 1),
            Self::BadChunk { bytes } => (u64::from(bytes) & 0xff, 0xff),
            _ => {
                let length = self.body_bytes().unwrap_or(0) as usize;
                return bytes.extend(pattern(serial, 0, length));
            }
        };
        for data in pattern(serial, 0, length as usize).chunks(chunk) {
            bytes.extend(format!("{:x};a=\"b\"\r\n", data.len()).bytes());
            bytes.extend(data);
            bytes.extend(b"\r\n");
        }
        bytes.extend(
            match self {
                Self::BadChunk { .. } => "not a size\r\n",
                _ => "0\r\ntrailer: t\r\n\r\n",
            }
            .bytes(),
        );
    }
}

/// One client.
pub(super) struct Client {
    pub(super) wire: Wire,
    /// What it means to send, and how much of that it has sent.
    stream: Vec<u8>,
    sent: usize,
    /// Where each request begins, and its number.
    requests: Vec<(usize, usize)>,
    received: Vec<u8>,
    /// It has shut its side or reset the connection.
    pub(super) left: bool,
}

impl Client {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire,
            stream: Vec::new(),
            sent: 0,
            requests: Vec::new(),
            received: Vec::new(),
            left: false,
        }
    }

    pub(super) fn queue(&mut self, kind: Kind, serial: usize) {
        self.requests.push((self.stream.len(), serial));
        self.stream.extend(kind.to_bytes(serial));
    }

    /// Sends the next `count` bytes, or what there is of them.
    pub(super) fn send(&mut self, sim: &mut Sim<World>, count: usize) {
        let end = self.stream.len().min(self.sent.saturating_add(count));
        if !self.left {
            sim.send(self.wire, &self.stream[self.sent..end]);
            self.sent = end;
        }
    }

    pub(super) fn read(&mut self, sim: &mut Sim<World>) -> bool {
        let bytes = sim.received(self.wire);
        self.received.extend(&bytes);
        !bytes.is_empty()
    }

    /// Checks everything that it has read, when nothing comes any more. Returns how many answers
    /// are complete.
    pub(super) fn check(&self, requests: &[Sent]) -> u64 {
        let (mut rest, mut index, mut complete) = (&*self.received, 0, 0);
        let (mut closed, mut continued) = (false, false);
        while !rest.is_empty() {
            assert!(!closed, "an answer behind the last");
            let &(start, serial) = self.requests.get(index).expect("an answer to nothing");
            assert!(start < self.sent, "an answer before its request");
            let request = &requests[serial];
            let context = Context {
                // One that did not come in time has no method yet.
                to_head: request.kind == Kind::Head && !rest.starts_with(b"HTTP/1.1 408"),
                ended: true,
            };
            let Some(answer) = read(rest, context) else {
                break; // Cut off within the head.
            };
            if answer.is_interim() {
                assert!(answer.status == 100 && !continued);
                assert!(matches!(request.kind, Kind::Expect { .. }));
                continued = true;
            } else {
                check_answer(&answer, serial, request);
                (closed, continued) = (answer.announces_close(), false);
                index += 1;
            }
            let Some(len) = answer.len else {
                break; // Cut off within the content.
            };
            complete += u64::from(!answer.is_interim());
            rest = &rest[len..];
        }
        complete
    }
}

fn check_answer(answer: &Answer, serial: usize, request: &Sent) {
    let coding = answer.value("Transfer-Encoding").is_some();
    assert!(!(coding && request.kind.is_old()), "chunks for HTTP/1.0");
    assert!(answer.value("X-Injected").is_none());
    match answer.value("X-Serial") {
        Some(text) => {
            assert_eq!(text, serial.to_string(), "another request's answer");
            let expected = pattern(serial, 0, answer.body.len());
            // The router's own 404 keeps the headers of a handler that passed the request on.
            assert!(answer.body == expected || answer.is_plain(), "{answer}");
        }
        None => assert!(answer.is_plain() || answer.body.is_empty(), "{answer}"),
    }
    // Only the end of an answer writes the last chunk.
    if coding && answer.len.is_some() && request.kind != Kind::Head {
        assert!(!request.aborted, "complete, and yet aborted");
    }
}
