//! Sockets that echo, on the worker in memory, for tests of what was negotiated.

use keirin::testing::{Client, Sim};
use keirin::{
    Behaviour, CloseCause, Config, DeflateConfig, Message, SocketId, WebSocket, WebSocketConfig,
};

use crate::flate::{Deflater, Inflater};
use crate::frames::{self, Frame};

#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) ids: Vec<SocketId>,
    /// Whether it was text, and its bytes.
    pub(crate) messages: Vec<(bool, Vec<u8>)>,
    pub(crate) closes: Vec<(CloseCause, u16)>,
}

pub(crate) struct Talk {
    pub(crate) sim: Sim<Heard>,
}

/// One client.
pub(crate) struct Line {
    pub(crate) client: Client,
    pub(crate) head: String,
    rest: Vec<u8>,
    pub(crate) inflater: Inflater,
    pub(crate) deflater: Deflater,
}

pub(crate) fn deflate(deflate: DeflateConfig) -> WebSocketConfig {
    WebSocketConfig::builder().deflate(deflate).build().unwrap()
}

impl Talk {
    /// Every socket is subscribed to `t`; of the subprotocols on offer `chat` is chosen.
    pub(crate) fn new(config: WebSocketConfig) -> Self {
        let engine = Config::builder().build().unwrap();
        let sim = Sim::with_state(engine, Heard::default(), |app| {
            let echo = Behaviour::new()
                .config(config.clone())
                .on_open(|ws: &mut WebSocket<'_, (), Heard>| {
                    let id = ws.id();
                    ws.subscribe("t").unwrap();
                    ws.cx().state_mut().ids.push(id);
                })
                .on_message(|ws, message: Message<'_>| {
                    let text = matches!(message, Message::Text(_));
                    let heard = (text, message.bytes().to_vec());
                    ws.cx().state_mut().messages.push(heard);
                    let _ = ws.send(message);
                })
                .on_close(|ws, closed| {
                    let heard = (closed.cause, closed.code);
                    ws.cx().state_mut().closes.push(heard);
                });
            let echo = app.behaviour(echo);
            app.get("/", move |res, req| match req.handshake() {
                Ok(mut handshake) => {
                    handshake.choose("chat");
                    res.upgrade(echo, handshake, ())
                }
                Err(error) => res.refuse_upgrade(error),
            });
        });
        Self { sim }
    }

    /// A client that sends these header lines, and holds to what is agreed on.
    pub(crate) fn connect(&mut self, lines: &str) -> Line {
        let client = self.sim.connect();
        self.sim.send(client, frames::handshake(lines).as_bytes());
        self.settle();
        let bytes = self.sim.received(client);
        let end = frames::head_len(&bytes).expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let answer = header(&head, "Sec-WebSocket-Extensions").unwrap_or_default();
        let takeover = |name: &str| !answer.contains(name);
        let bits = |name: &str| param(&answer, name).map_or(15, |bits| bits.parse().unwrap());
        Line {
            client,
            rest: bytes[end..].to_vec(),
            inflater: Inflater::new(
                bits("server_max_window_bits"),
                takeover("server_no_context_takeover"),
            ),
            deflater: Deflater::new(
                bits("client_max_window_bits"),
                takeover("client_no_context_takeover"),
            ),
            head,
        }
    }

    /// Offers an extension.
    pub(crate) fn offer(&mut self, offer: &str) -> Line {
        self.connect(&format!("Sec-WebSocket-Extensions: {offer}\r\n"))
    }

    pub(crate) fn settle(&mut self) {
        self.sim.run_until_idle();
        self.sim.check();
    }

    pub(crate) fn raw(&mut self, line: &Line, bytes: &[u8]) {
        self.sim.send(line.client, bytes);
        self.settle();
    }

    pub(crate) fn frames(&mut self, line: &mut Line) -> Vec<Frame> {
        self.settle();
        line.rest.extend(self.sim.received(line.client));
        self.settle();
        let mut frames = Vec::new();
        while let Some((frame, len)) = Frame::parse(&line.rest) {
            line.rest.drain(..len);
            frames.push(frame);
        }
        frames
    }

    /// The one frame that has come.
    #[track_caller]
    pub(crate) fn frame(&mut self, line: &mut Line) -> Frame {
        let mut frames = self.frames(line);
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// Sends a message, compressed, and returns the frame that comes back.
    #[track_caller]
    pub(crate) fn echo(&mut self, line: &mut Line, opcode: u8, message: &[u8]) -> Frame {
        let payload = line.deflater.message(message);
        self.raw(line, &frames::client(0xc0 | opcode, &payload));
        self.frame(line)
    }

    /// What the handlers have heard since.
    pub(crate) fn heard(&mut self) -> Vec<(bool, Vec<u8>)> {
        let state = |heard: &mut Heard| std::mem::take(&mut heard.messages);
        self.sim.with_cx(|cx| state(cx.state_mut()))
    }

    /// Sends bytes that the server must refuse with this code.
    #[track_caller]
    pub(crate) fn refused(&mut self, line: &mut Line, bytes: &[u8], code: u16) {
        self.raw(line, bytes);
        let frames = self.frames(line);
        let last = frames.last().expect("a Close frame");
        assert_eq!(last.close_code(), code, "{last:?}");
        let closes = self
            .sim
            .with_cx(|cx| std::mem::take(&mut cx.state_mut().closes));
        assert_eq!(closes.len(), 1, "told once");
        assert!(matches!(closes[0], (CloseCause::Protocol(_), heard) if heard == code));
        assert_eq!(self.heard(), [], "and not the message");
    }
}

impl Line {
    /// The message in a frame, compressed or not.
    pub(crate) fn open(&mut self, frame: &Frame) -> Vec<u8> {
        assert!(frame.fin, "one frame");
        match frame.rsv1 {
            true => self.inflater.message(&frame.payload),
            false => frame.payload.clone(),
        }
    }
}

/// A header of an answer.
pub(crate) fn header(head: &str, name: &str) -> Option<String> {
    let mut values = head.split("\r\n").filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    });
    let value = values.next();
    assert_eq!(values.next(), None, "{name} twice");
    value
}

/// A parameter of the answer; empty when it has no value.
pub(crate) fn param(answer: &str, name: &str) -> Option<String> {
    answer.split(';').skip(1).find_map(|param| {
        let (key, value) = param.split_once('=').unwrap_or((param, ""));
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Text like that of many programs: of such a length, and compressible.
pub(crate) fn prose(len: usize, seed: u64) -> String {
    let mut random = crate::random::Random::new(seed);
    let mut text = String::new();
    while text.len() < len {
        let number = random.below(1000);
        text += &format!("{{\"id\":{number},\"name\":\"user {number}\",\"active\":true}},");
    }
    text.truncate(len);
    text
}

/// Bytes that cannot be compressed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = crate::random::Random::new(seed);
    (0..len).map(|_| random.below(256) as u8).collect()
}
