//! Raw bytes from a client, through a whole worker.

use std::fmt;

use keirin::proto::http1::body::BodyLimits;
use keirin::proto::http1::head::{Head, HeadLimits, HeaderSlots, parse};
use keirin::proto::http1::{BodyDecoder, BodyLength, BodyStep, Framing, split_target};
use keirin::testing::Sim;
use keirin::{App, Config};

use crate::answer::{Context, read};
use crate::pieces::{CUTS, pieces};

/// Limits that an input can run into.
const HEAD: HeadLimits = HeadLimits {
    head_bytes_max: 400,
    header_count_max: 10,
    target_bytes_max: 60,
};
const BODY: BodyLimits = BodyLimits {
    body_bytes_max: 300,
    chunk_extension_bytes_max: 32,
    trailer_bytes_max: 48,
};
const COLLECT_BYTES_MAX: u64 = 200;
const DISCARD_BYTES_MAX: u64 = 64;

/// Sends the input whole and in pieces, and checks the answers against what the parsers make of it
/// one after another.
///
/// The first four bytes choose the pieces, the fifth whether the client shuts its side at the end,
/// and when, and whether it reads slowly.
pub fn connection(data: &[u8]) {
    let Some((&[ref cuts @ .., flags], bytes)) = data.split_first_chunk::<{ CUTS + 1 }>() else {
        return;
    };
    if bytes.is_empty() {
        return;
    }
    let finish = match flags & 3 {
        0 | 1 => Finish::Never,
        2 => Finish::Later,
        _ => Finish::AtOnce,
    };
    let window = if flags & 4 == 0 { usize::MAX } else { 100 };

    let whole = exchange([bytes].into_iter(), usize::MAX, finish);
    let cut = exchange(pieces(bytes, cuts), window, finish);
    assert_eq!(whole, cut, "it depends on the cuts");

    let (answers, next) = Model::run(bytes);
    check_answers(&whole.received.0, &answers);
    assert_eq!(whole.closed, finish != Finish::Never || next == Next::Close);
}

/// When the client shuts its side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    Never,
    /// With the last piece, so that the server learns of both at once.
    AtOnce,
    /// When it has read the answers.
    Later,
}

/// What a client has seen.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    received: Text,
    closed: bool,
}

fn exchange<'a>(pieces: impl Iterator<Item = &'a [u8]>, window: usize, finish: Finish) -> Seen {
    let mut sim = Sim::new(config(), routes);
    let client = sim.connect();
    sim.set_window(client, window);
    let mut received = Vec::new();
    let mut settle = |sim: &mut Sim| loop {
        sim.run_until_idle();
        sim.check();
        let more = sim.received(client);
        if more.is_empty() {
            return;
        }
        received.extend(more);
    };
    settle(&mut sim);
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        sim.send(client, piece);
        if pieces.peek().is_none() && finish == Finish::AtOnce {
            sim.finish(client);
        }
        settle(&mut sim);
    }
    if finish == Finish::Later {
        sim.finish(client);
        settle(&mut sim);
    }
    let counts = sim.counts();
    assert_eq!(
        counts.panics + counts.misuse_other + counts.misuse_unanswered,
        0
    );
    Seen {
        received: Text(received),
        closed: sim.is_closed(client),
    }
}

/// Bytes that are shown as text.
#[derive(PartialEq, Eq)]
struct Text(Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

fn config() -> Config {
    let config = Config::builder()
        .head_bytes_max(HEAD.head_bytes_max)
        .header_count_max(HEAD.header_count_max)
        .target_bytes_max(HEAD.target_bytes_max)
        .body_bytes_max(BODY.body_bytes_max)
        .chunk_extension_bytes_max(BODY.chunk_extension_bytes_max)
        .trailer_bytes_max(BODY.trailer_bytes_max)
        .pipelined_bytes_max(1 << 10)
        .discard_bytes_max(DISCARD_BYTES_MAX)
        .half_close(true);
    config.build().expect("valid settings")
}

fn routes(app: &mut App) {
    app.any("/ignore", |res, _req| res.end(b"ignored"));
    app.any("/stream", |res, _req| {
        let mut received = 0;
        res.stream_body(move |mut res, piece, last| {
            received += piece.len();
            if !last {
                return res.more();
            }
            // Cuts must not show in the answer, so nothing is written before the last piece.
            let _ = res.write(received.to_string().as_bytes());
            res.end(b" bytes")
        })
    });
    app.any("/*", |mut res, req| {
        res.header("X-Method", req.method().as_bytes());
        res.header("X-Target", req.target().as_bytes());
        res.collect_body(COLLECT_BYTES_MAX as usize, |res, body| res.end(&body))
    });
}

/// An answer that has to come.
#[derive(Clone)]
struct Expected {
    status: u16,
    to_head: bool,
    /// 100 Continue comes before it.
    interim: bool,
    /// `None` is the engine's own text.
    body: Option<Vec<u8>>,
}

impl Expected {
    /// The engine's own.
    fn plain(status: u16) -> Self {
        Self {
            status,
            to_head: false,
            interim: false,
            body: None,
        }
    }
}

/// What a server has to make of the bytes: the pure parsers and the routes above one after another,
/// without buffers, events or states.
struct Model<'a> {
    rest: &'a [u8],
    answers: Vec<Expected>,
}

/// What becomes of the connection.
#[derive(PartialEq, Eq)]
enum Next {
    Request,
    Wait,
    Close,
}

impl<'a> Model<'a> {
    /// The answers to `bytes`, and what comes then.
    fn run(bytes: &'a [u8]) -> (Vec<Expected>, Next) {
        let mut model = Self {
            rest: bytes,
            answers: Vec::new(),
        };
        loop {
            match model.request() {
                Next::Request => {}
                next => return (model.answers, next),
            }
        }
    }

    fn request(&mut self) -> Next {
        while let Some(rest) = self.rest.strip_prefix(b"\r\n") {
            self.rest = rest;
        }
        let mut slots = HeaderSlots::default();
        let head = match parse(self.rest, &mut slots, &HEAD) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Next::Wait,
            Err(error) => {
                return self.answer(&Expected {
                    to_head: self.rest.starts_with(b"HEAD "),
                    ..Expected::plain(error.status())
                });
            }
        };
        self.rest = &self.rest[head.len()..];
        let refused = Expected {
            to_head: head.method() == b"HEAD",
            ..Expected::plain(413)
        };
        if is_over(head.framing().body, BODY.body_bytes_max) {
            return self.answer(&refused);
        }
        let next = match path(&head) {
            b"*" => self.unread(&head, 204, b""),
            b"/ignore" => self.unread(&head, 200, b"ignored"),
            b"/stream" => self.read(&head, u64::MAX, |body| {
                format!("{} bytes", body.len()).into_bytes()
            }),
            _ if is_over(head.framing().body, COLLECT_BYTES_MAX) => self.answer(&refused),
            _ => self.read(&head, COLLECT_BYTES_MAX, |body| body),
        };
        // Content of unknown length ends with the connection in HTTP/1.0.
        let unframed = path(&head) == b"/stream" && head.version_minor() == 0;
        match next {
            Next::Request if unframed || !head.framing().keep_alive => Next::Close,
            next => next,
        }
    }

    /// The last answer of a connection.
    fn answer(&mut self, expected: &Expected) -> Next {
        self.answers.push(expected.clone());
        Next::Close
    }

    /// An answer that comes before the body, which is dropped.
    fn unread(&mut self, head: &Head<'_>, status: u16, body: &[u8]) -> Next {
        self.answers.push(Expected {
            to_head: head.method() == b"HEAD",
            body: Some(body.to_vec()),
            ..Expected::plain(status)
        });
        let Framing {
            body,
            keep_alive,
            expect_continue,
        } = *head.framing();
        if !keep_alive || expect_continue || is_over(body, DISCARD_BYTES_MAX) {
            return Next::Close;
        }
        match self.body(body, DISCARD_BYTES_MAX) {
            Ok(Some(_)) => Next::Request,
            Ok(None) => Next::Wait,
            Err(_) => Next::Close,
        }
    }

    /// An answer that is made from the body.
    fn read(
        &mut self,
        head: &Head<'_>,
        bytes_max: u64,
        answer: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Next {
        let expected = Expected {
            to_head: head.method() == b"HEAD",
            interim: head.framing().expect_continue,
            ..Expected::plain(200)
        };
        match self.body(head.framing().body, bytes_max) {
            Ok(Some(body)) => {
                let body = Some(answer(body));
                self.answers.push(Expected { body, ..expected });
                Next::Request
            }
            Ok(None) => {
                if expected.interim {
                    self.answers.push(Expected {
                        status: 100,
                        ..expected
                    });
                }
                Next::Wait
            }
            Err(status) => self.answer(&Expected { status, ..expected }),
        }
    }

    /// The whole body, if it is there, or the status of what is wrong with it.
    fn body(&mut self, length: BodyLength, bytes_max: u64) -> Result<Option<Vec<u8>>, u16> {
        let mut decoder = BodyDecoder::new(length);
        let mut body = Vec::new();
        loop {
            let step = decoder.decode(self.rest, &BODY);
            match step.map_err(|error| error.status())? {
                BodyStep::Data { skip, len } => {
                    body.extend_from_slice(&self.rest[skip..skip + len]);
                    self.rest = &self.rest[skip + len..];
                    if body.len() as u64 > bytes_max {
                        return Err(413);
                    }
                }
                BodyStep::Need { used } => {
                    self.rest = &self.rest[used..];
                    return Ok(None);
                }
                BodyStep::End { used } => {
                    self.rest = &self.rest[used..];
                    return Ok(Some(body));
                }
            }
        }
    }
}

fn path<'a>(head: &Head<'a>) -> &'a [u8] {
    split_target(head.target()).0
}

fn is_over(length: BodyLength, bytes_max: u64) -> bool {
    matches!(length, BodyLength::Fixed(length) if length > bytes_max)
}

fn check_answers(mut bytes: &[u8], expected: &[Expected]) {
    for expected in expected {
        let context = Context {
            to_head: expected.to_head,
            ended: true,
        };
        let mut next = || {
            let answer = read(bytes, context).expect("an answer is missing");
            bytes = &bytes[answer.len.expect("an answer is cut off")..];
            answer
        };
        if expected.interim {
            assert_eq!(next().status, 100);
        }
        if expected.status == 100 {
            break;
        }
        let answer = next();
        assert_eq!(answer.status, expected.status);
        assert!(expected.body.is_some() || answer.announces_close());
        match &expected.body {
            _ if expected.to_head => {}
            Some(body) => assert_eq!(answer.body, *body),
            None => assert!(answer.is_plain()),
        }
    }
    assert!(bytes.is_empty(), "more answers than requests");
}
