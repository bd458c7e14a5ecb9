//! A worker in memory whose sockets do what the test says, in the callback that the test says, and
//! the other ends of them.

use keirin::testing::{Client, Sim};
use keirin::{Behaviour, Config, Cx, Socket, WebSocket, WebSocketConfig};

use crate::frames::{self, Frame};
use crate::script::{self, Here, Op};
use crate::world::World;

/// The other end of a socket.
struct Peer {
    client: Client,
    /// Bytes of a frame that is not complete.
    rest: Vec<u8>,
    /// Frames of a message that is not complete.
    pieces: Vec<Frame>,
}

/// The worker, its sockets and their peers, numbered in the order in which they came.
pub(crate) struct Room {
    pub(crate) sim: Sim<World>,
    peers: Vec<Peer>,
}

/// Limits under which nothing of a test is dropped by accident.
pub(crate) fn roomy() -> WebSocketConfig {
    let config = WebSocketConfig::builder().backpressure_bytes_max(64 << 20);
    config.build().expect("it is in range")
}

impl Room {
    pub(crate) fn new(config: WebSocketConfig) -> Self {
        let engine = Config::builder().build().expect("the defaults are valid");
        let sim = Sim::with_state(engine, World::default(), |app| {
            app.websocket("/", behaviour(config.clone()));
        });
        Self {
            sim,
            peers: Vec::new(),
        }
    }

    /// A room with so many sockets in it.
    pub(crate) fn with(config: WebSocketConfig, sockets: usize) -> Self {
        let mut room = Self::new(config);
        for _ in 0..sockets {
            room.join();
        }
        room.log();
        room
    }

    /// A further socket; returns its number.
    pub(crate) fn join(&mut self) -> usize {
        let (number, head) = self.join_with("");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        number
    }

    /// A further socket whose request has these header lines too; returns its number and the
    /// answer's head.
    pub(crate) fn join_with(&mut self, lines: &str) -> (usize, String) {
        let number = self.peers.len();
        let client = self.sim.connect();
        self.peers.push(Peer {
            client,
            rest: Vec::new(),
            pieces: Vec::new(),
        });
        self.raw(number, frames::handshake(lines).as_bytes());
        let bytes = self.sim.received(client);
        let head_len = frames::head_len(&bytes).expect("an answer's head");
        self.peers[number].rest.extend(&bytes[head_len..]);
        self.settle();
        let head = String::from_utf8(bytes[..head_len].to_vec()).expect("ASCII");
        (number, head)
    }

    pub(crate) fn client(&self, number: usize) -> Client {
        self.peers[number].client
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&mut self, number: usize, bytes: &[u8]) {
        self.sim.send(self.peers[number].client, bytes);
        self.settle();
    }

    /// Has the worker come to rest.
    pub(crate) fn settle(&mut self) {
        self.sim.run_until_idle();
        self.sim.check();
        let faults = self.sim.with_cx(|cx| cx.state().model.faults());
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// Does this in one callback of the socket: when it gets a message.
    pub(crate) fn by(&mut self, number: usize, ops: impl Into<Vec<Op>>) {
        let ops = ops.into();
        self.sim
            .with_cx(|cx| cx.state_mut().scripts.push_back((number, ops)));
        self.raw(number, &frames::client(0x81, b"run"));
    }

    /// Does this in one callback of each of these sockets, all in one turn.
    pub(crate) fn by_each(&mut self, scripts: impl IntoIterator<Item = (usize, Vec<Op>)>) {
        for (number, ops) in scripts {
            self.sim
                .with_cx(|cx| cx.state_mut().scripts.push_back((number, ops)));
            let bytes = frames::client(0x81, b"run");
            self.sim.send(self.peers[number].client, &bytes);
        }
        self.settle();
    }

    /// Does this from outside of any callback of a socket.
    pub(crate) fn act(&mut self, ops: impl Into<Vec<Op>>) {
        let ops = ops.into();
        self.sim.with_cx(|cx| script::run(&mut Here::Cx(cx), ops));
        self.settle();
    }

    /// Does this as soon as the socket hears of `event`, as the log calls it.
    pub(crate) fn when(&mut self, event: &'static str, number: usize, ops: impl Into<Vec<Op>>) {
        let ops = ops.into();
        self.sim
            .with_cx(|cx| cx.state_mut().at.insert((event, number), ops));
    }

    pub(crate) fn with_cx<R>(&mut self, act: impl FnOnce(&mut Cx<'_, World>) -> R) -> R {
        self.sim.with_cx(act)
    }

    /// Takes what the callbacks have noted.
    pub(crate) fn log(&mut self) -> Vec<String> {
        self.sim
            .with_cx(|cx| std::mem::take(&mut cx.state_mut().log))
    }

    /// Takes everything that the peer can get, however small its window.
    pub(crate) fn frames(&mut self, number: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            self.settle();
            let got = self.take_frames(number);
            if got == (0, Vec::new()) {
                return frames;
            }
            frames.extend(got.1);
        }
    }

    /// Takes what has arrived; the worker does not turn. Also says how many bytes it was.
    pub(crate) fn take_frames(&mut self, number: usize) -> (usize, Vec<Frame>) {
        let peer = &mut self.peers[number];
        let bytes = self.sim.received(peer.client);
        peer.rest.extend(&bytes);
        let mut frames = Vec::new();
        while let Some((frame, len)) = Frame::parse(&peer.rest) {
            frames.push(frame);
            peer.rest.drain(..len);
        }
        (bytes.len(), frames)
    }

    /// What the peer has got: the content of messages, and `close` with its code.
    pub(crate) fn got(&mut self, number: usize) -> Vec<String> {
        let frames = self.frames(number);
        frames::content(&mut self.peers[number].pieces, frames)
    }

    /// The same, of what has arrived so far.
    pub(crate) fn got_so_far(&mut self, number: usize) -> Vec<String> {
        let (_, frames) = self.take_frames(number);
        frames::content(&mut self.peers[number].pieces, frames)
    }
}

fn behaviour(config: WebSocketConfig) -> Behaviour<usize, World> {
    Behaviour::new()
        .config(config)
        .on_open(|ws: &mut WebSocket<'_, usize, World>| {
            let id = ws.id();
            *ws.data = ws.cx().state_mut().model.open(id);
            heard(ws, "open", "");
        })
        .on_message(|ws, message| {
            if message.bytes() != b"run" {
                let text = String::from_utf8_lossy(message.bytes()).into_owned();
                return heard(ws, "message", &text);
            }
            let number = *ws.data;
            let mut cx = ws.cx();
            let scripts = &mut cx.state_mut().scripts;
            let own = scripts.iter().position(|(whose, _)| *whose == number);
            let ops = own.and_then(|own| scripts.remove(own));
            script::run(
                &mut Here::Socket(ws),
                ops.map_or(Vec::new(), |(_, ops)| ops),
            );
        })
        .on_ping(|ws, _| heard(ws, "ping", ""))
        .on_drain(|ws| heard(ws, "drain", ""))
        .on_dropped(|ws, message| {
            let text = String::from_utf8_lossy(message.bytes()).into_owned();
            let number = *ws.data;
            ws.cx().state_mut().model.dropped(number, &text);
            heard(ws, "dropped", &text);
        })
        .on_subscription(|ws, subscription| {
            let (before, after) = (subscription.count_before, subscription.count);
            let number = *ws.data;
            let name = (subscription.topic, subscription.is_pattern);
            ws.cx()
                .state_mut()
                .model
                .counted(number, name, before, after);
            let sign = if subscription.is_pattern { "~" } else { "" };
            heard(
                ws,
                "subscription",
                &format!("{sign}{} {before}>{after}", name.0),
            );
        })
        .on_close(|ws, closed| {
            let number = *ws.data;
            ws.cx().state_mut().model.closed(number);
            heard(ws, "close", &format!("{:?} {}", closed.cause, closed.code));
        })
}

/// Notes an event, and does what is to be done at it.
fn heard(ws: &mut WebSocket<'_, usize, World>, event: &'static str, what: &str) {
    let number = *ws.data;
    let socket: &mut Socket<'_, World> = ws;
    let mut cx = socket.cx();
    let world = cx.state_mut();
    world
        .log
        .push(format!("{event} {number} {what}").trim_end().to_owned());
    if let Some(ops) = world.at.remove(&(event, number)) {
        script::run(&mut Here::Socket(socket), ops);
    }
}

/// Checks what peers have got, by their numbers.
#[track_caller]
pub(crate) fn assert_got<const N: usize>(room: &mut Room, number: usize, expected: [&str; N]) {
    assert_eq!(room.got(number), expected, "socket {number}");
}
