//! Random sequences of everything that clients, handlers and the clock can do, on several sockets
//! at once. Whatever happens: each socket is told of its opening first and of its end last and
//! once; between them exactly what its client has sent, in order; and its client gets exactly what
//! was sent to it, in order, up to the Close frame if there is one.

use keirin::testing::{Client, Sim};
use keirin::{Config, Message};

use crate::model_app::{World, behaviour, kinds, piece, say, send};
use crate::support::split_head;
use crate::wire::{self, BINARY, CONTINUATION, Random, TEXT, frame};

/// The client's side.
struct Peer {
    client: Client,
    /// Which of the worker's sockets this is, once it is open.
    socket: usize,
    /// Bytes that are not on the wire yet.
    pending: Vec<u8>,
    /// What the socket has to be told of them, and of those on the wire.
    events: Vec<String>,
    /// Frames that have arrived, and the beginning of the next.
    received: Vec<String>,
    bytes: Vec<u8>,
    pongs: Vec<String>,
    /// It has sent its last frame, or left.
    is_done: bool,
}

struct Run {
    sim: Sim<World>,
    peers: Vec<Peer>,
    random: Random,
}

const PEERS: usize = 4;

#[test]
fn every_message_arrives_once_and_in_order() {
    for seed in 0..150 {
        let mut run = Run::new(seed);
        for _ in 0..300 {
            run.step();
            run.sim.check();
            run.check_prefixes(seed);
        }
        run.finish(seed);
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let config = Config::builder().write_stall_timeout_ms(1 << 40);
        let sim = Sim::with_state(config.build().expect("in range"), World::default(), |app| {
            app.websocket("/ws", behaviour());
        });
        let mut run = Self {
            sim,
            peers: Vec::new(),
            random: Random(seed),
        };
        for _ in 0..PEERS {
            let peer = run.open();
            run.peers.push(peer);
        }
        run
    }

    fn open(&mut self) -> Peer {
        let client = self.sim.connect();
        self.sim.send(client, wire::request("/ws").as_bytes());
        self.sim.run_until_idle();
        let (head, bytes) = split_head(&self.sim.received(client));
        assert!(head.starts_with("HTTP/1.1 101 ") && bytes.is_empty());
        Peer {
            client,
            socket: self.sim.with_cx(|cx| cx.state().sockets.len() - 1),
            pending: Vec::new(),
            events: Vec::new(),
            received: Vec::new(),
            bytes,
            pongs: Vec::new(),
            is_done: false,
        }
    }

    fn step(&mut self) {
        let index = self.random.below(PEERS);
        let client = self.peers[index].client;
        match self.random.below(100) {
            0..30 => self.write(index),
            30..60 => self.flush(index),
            60..68 => self.sim.turn(),
            68..74 => self.sim.run_until_idle(),
            74..80 => self.receive(index),
            80..83 => {
                let window = [0, 1, 100, 10_000, usize::MAX][self.random.below(5)];
                self.sim.set_window(client, window);
            }
            83..91 => self.act(index),
            91..93 => {
                let ms = self.random.below(500) as u64;
                self.sim.advance_ms(ms);
            }
            93..95 => self.leave(index),
            _ if self.sim.is_freed(client) => {
                self.check_end(index);
                self.peers[index] = self.open();
            }
            _ if self.sim.is_closed(client) => self.sim.finish(client),
            _ => {}
        }
    }

    /// The client makes up a message, in fragments perhaps, with control frames around.
    fn write(&mut self, index: usize) {
        let random = &mut self.random;
        let peer = &mut self.peers[index];
        if peer.is_done {
            return;
        }
        let count = 1 + random.below(3) * random.below(3);
        let length = [0, 1, 20, 125, 126, 600][random.below(6)];
        let is_text = random.chance(50);
        let payload = if is_text {
            random.text(length).into_bytes()
        } else {
            random.bytes(length)
        };
        let mut cuts: Vec<_> = (1..count)
            .map(|_| random.below(payload.len() + 1))
            .collect();
        cuts.sort_unstable();
        cuts.push(payload.len());
        let mut start = 0;
        for (piece, &end) in cuts.iter().enumerate() {
            if random.chance(20) {
                let (length, is_ping) = (random.below(126), random.chance(60));
                let payload = random.bytes(length);
                let (frame, kind) = match is_ping {
                    true => (wire::ping(&payload), "ping"),
                    false => (wire::pong(&payload), "pong"),
                };
                peer.pending.extend(frame);
                peer.events.push(wire::line(kind, &payload));
            }
            let opcode = match piece {
                0 if is_text => TEXT,
                0 => BINARY,
                _ => CONTINUATION,
            };
            let is_last = piece + 1 == cuts.len();
            peer.pending
                .extend(frame(opcode, is_last, &payload[start..end]));
            start = end;
        }
        let kind = if is_text { "text" } else { "binary" };
        peer.events.push(wire::line(kind, &payload));
    }

    /// A part of what the client has to say gets onto the wire.
    fn flush(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        let most = [1, 3, 50, 2000, usize::MAX - 1][self.random.below(5)];
        let count = (1 + self.random.below(most)).min(peer.pending.len());
        if count > 0 && !self.sim.is_freed(peer.client) {
            let piece: Vec<_> = peer.pending.drain(..count).collect();
            self.sim.send(peer.client, &piece);
        }
    }

    fn receive(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        peer.bytes.extend(self.sim.received(peer.client));
        for frame in wire::take_frames(&mut peer.bytes) {
            let line = frame.line();
            let closed = peer
                .received
                .last()
                .is_some_and(|line| line.starts_with("close"));
            assert!(!closed, "{line} behind a Close frame");
            match line.strip_prefix("pong") {
                Some(payload) => peer.pongs.push(format!("ping{payload}")),
                None => {
                    if line.starts_with("close") && !peer.is_done && self.random.chance(70) {
                        peer.pending.extend(wire::close_without_code());
                        peer.is_done = true;
                    }
                    peer.received.push(line);
                }
            }
        }
    }

    /// Something is done to a socket by its id.
    fn act(&mut self, index: usize) {
        let socket = self.peers[index].socket;
        let what = self.random.below(100);
        let bytes = self.random.bytes(what * what);
        self.sim.with_cx(|cx| {
            let id = cx.state().sockets[socket].id;
            let Ok(mut ws) = cx.socket(id) else {
                return;
            };
            match what {
                0..60 => send(&mut ws, socket, Message::Binary(&bytes)),
                60..80 => {
                    let last = what < 70;
                    if let Ok(sent) = ws.send_fragment(Message::Text("piece"), last) {
                        say(&mut ws.cx().state_mut().sockets[socket], sent, piece(last));
                    }
                }
                80..85 => drop(ws.pause()),
                85..96 => drop(ws.resume()),
                96..98 => drop(ws.end(4000, "by id")),
                _ => drop(ws.close()),
            }
        });
    }

    /// The client comes to an end in one way or the other.
    fn leave(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        peer.is_done = true;
        match self.random.below(6) {
            0 => self.sim.finish(peer.client),
            1 => self.sim.reset(peer.client),
            2..5 => peer.pending.extend(wire::close(1000, b"bye")),
            _ => peer.pending.extend([0xff, 0xff]),
        }
    }

    /// What holds at any time.
    fn check_prefixes(&mut self, seed: u64) {
        for peer in &self.peers {
            self.sim.with_cx(|cx| {
                let told = &cx.state().sockets[peer.socket];
                assert!(
                    peer.events.starts_with(&told.heard),
                    "seed {seed}: what is told"
                );
                let (frames, close) = match peer.received.split_last() {
                    Some((last, frames)) if last.starts_with("close") => (frames, true),
                    _ => (peer.received.as_slice(), false),
                };
                let said: Vec<_> = frames.to_vec();
                let expected = kinds(&told.said);
                assert!(expected.starts_with(&said), "seed {seed}: what arrives");
                assert!(
                    !close || expected.len() == said.len(),
                    "seed {seed}: behind all of it"
                );
                let mut pings = told.heard.iter().filter(|line| line.starts_with("ping"));
                let answered = peer.pongs.iter().all(|pong| pings.any(|ping| ping == pong));
                assert!(answered, "seed {seed}: Pongs are those of Pings, in order");
            });
        }
    }

    /// What holds when a connection is freed.
    fn check_end(&mut self, index: usize) {
        self.sim.run_until_idle();
        self.receive(index);
        let socket = self.peers[index].socket;
        let closed = self
            .sim
            .with_cx(|cx| cx.state().sockets[socket].closed.clone());
        assert!(closed.is_some(), "it was told");
    }

    /// Everything that waits is let through; then everybody leaves.
    fn finish(mut self, seed: u64) {
        for _ in 0..3 {
            for index in 0..PEERS {
                let (client, socket) = (self.peers[index].client, self.peers[index].socket);
                self.sim.set_window(client, usize::MAX);
                let pending = std::mem::take(&mut self.peers[index].pending);
                if !self.sim.is_freed(client) {
                    self.sim.send(client, &pending);
                }
                self.sim.with_cx(|cx| {
                    let id = cx.state().sockets[socket].id;
                    if let Ok(mut ws) = cx.socket(id) {
                        let _ = ws.resume();
                    }
                });
            }
            self.sim.advance_ms(20_000);
            (0..PEERS).for_each(|index| self.receive(index));
        }
        // Every pause that a handler makes ends by itself, but may begin again behind it.
        self.sim.advance_ms(100_000);
        (0..PEERS).for_each(|index| self.receive(index));
        self.check_prefixes(seed);
        for peer in &self.peers {
            self.sim.with_cx(|cx| {
                let told = &cx.state().sockets[peer.socket];
                if told.closed.is_none() {
                    assert_eq!(told.heard, peer.events, "seed {seed}");
                    assert_eq!(kinds(&told.said), peer.received, "seed {seed}");
                    assert!(peer.bytes.is_empty());
                }
            });
            self.sim.finish(peer.client);
        }
        self.sim.advance_ms(20_000);
        self.sim.check();
        assert!(self.peers.iter().all(|peer| self.sim.is_freed(peer.client)));
        let counts = self.sim.counts();
        assert_eq!((counts.sockets_open, counts.panics), (0, 0), "seed {seed}");
        assert_eq!(self.sim.buffered_bytes(), 0, "seed {seed}");
        self.sim.with_cx(|cx| {
            let sockets = &cx.state().sockets;
            assert_eq!(sockets.len() as u64, counts.sockets_opened);
            assert!(
                sockets.iter().all(|told| told.closed.is_some()),
                "seed {seed}"
            );
        });
    }
}
