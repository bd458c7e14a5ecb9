//! Long random sequences, in step with a naive implementation.

use keirin::{Backpressure, WebSocketConfig};

use crate::frames;
use crate::script::{Op, Topic, pattern, topic};
use crate::support::Room;

/// Small numbers out of a seed (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        high as usize % end
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const TOPICS: [&str; 7] = ["a", "b", "a/b", "a/c", "a/b/c", "a/+", "/"];
const PATTERNS: [&str; 7] = ["a/+", "#", "+", "a/#", "+/b", "a/+/c", "a"];
const EVENTS: [&str; 6] = [
    "open",
    "subscription",
    "dropped",
    "drain",
    "close",
    "message",
];
const CODES: [u16; 4] = [1000, 1001, 3000, 4999];

/// One run: a room, what every peer has got, and the next message's number.
struct Run {
    random: Random,
    room: Room,
    got: Vec<Vec<String>>,
    serial: usize,
    /// Messages are this long at most.
    len_max: usize,
    narrow: Vec<bool>,
}

impl Run {
    fn new(seed: u64, policy: Backpressure) -> Self {
        let mut random = Random::new(seed);
        let config = WebSocketConfig::builder().backpressure(policy);
        let config = config.backpressure_bytes_max(16 << 10).build().unwrap();
        let mut room = Room::new(config);
        let closes = policy == Backpressure::Close;
        room.with_cx(|cx| cx.state_mut().model.closes = closes);
        let len_max = random.pick(&[1, 200, 5_000, 40_000]);
        Self {
            random,
            room,
            got: Vec::new(),
            serial: 0,
            len_max,
            narrow: Vec::new(),
        }
    }

    fn text(&mut self) -> String {
        self.serial += 1;
        let len = self.random.below(self.len_max);
        format!("{}:{}", self.serial, "x".repeat(len))
    }

    fn socket(&mut self) -> usize {
        // More often a late one: most of the early ones are gone.
        let count = self.got.len();
        let back = self.random.below(count.min(8));
        if self.random.one_in(10) {
            self.random.below(count)
        } else {
            count - 1 - back
        }
    }

    fn topic(&mut self) -> Topic {
        match self.random.one_in(3) {
            true => pattern(self.random.pick(&PATTERNS)),
            false => topic(self.random.pick(&TOPICS)),
        }
    }

    fn op(&mut self, depth: usize) -> Op {
        let socket = self.socket();
        match self.random.below(100) {
            0..25 => Op::Subscribe(socket, self.topic()),
            25..37 => Op::Unsubscribe(socket, self.topic()),
            37..72 => {
                let from = (!self.random.one_in(3)).then_some(socket);
                let name = self.random.pick(&TOPICS).to_owned();
                Op::Publish(from, name, self.text())
            }
            72..87 => Op::Send(socket, self.text()),
            87..91 => Op::Fragment(socket, self.text(), self.random.one_in(2)),
            91..93 => Op::End(socket, self.random.pick(&CODES)),
            93 => Op::Close(socket),
            94..96 => Op::Ping(socket),
            _ if depth == 0 => Op::Ping(socket),
            96..98 => Op::Later(self.ops(depth - 1)),
            _ => Op::After(self.random.below(20) as u64, self.ops(depth - 1)),
        }
    }

    fn ops(&mut self, depth: usize) -> Vec<Op> {
        let count = 1 + self.random.below(8);
        (0..count).map(|_| self.op(depth)).collect()
    }

    fn step(&mut self) {
        if self.got.len() < 3 || self.random.one_in(12) {
            let number = self.room.join();
            assert_eq!(number, self.got.len());
            self.got.push(Vec::new());
            self.narrow.push(false);
        }
        let socket = self.socket();
        let client = self.room.client(socket);
        let is_open = self.room.with_cx(|cx| cx.state().model.is_open(socket));
        match self.random.below(20) {
            0..7 if is_open => {
                let ops = self.ops(2);
                self.room.by(socket, ops);
            }
            0..9 => {
                let ops = self.ops(2);
                self.room.act(ops);
            }
            9..12 => {
                let event = self.random.pick(&EVENTS);
                // Of a socket that is to come, too.
                let socket = socket + self.random.below(2);
                let ops = self.ops(1);
                self.room.when(event, socket, ops);
            }
            12 => {
                let scripts = [socket, self.socket()].map(|socket| (socket, self.ops(1)));
                self.room.by_each(scripts);
            }
            13 => {
                self.narrow[socket] = !self.random.one_in(3);
                let window = if self.narrow[socket] {
                    self.random.below(4_000)
                } else {
                    usize::MAX
                };
                self.room.sim.set_window(client, window);
            }
            14 => self.room.sim.advance_ms(10),
            15 if self.random.one_in(4) => {
                self.room.with_cx(|cx| cx.state_mut().model.doom(socket));
                match self.random.below(3) {
                    0 => self.room.sim.reset(client),
                    1 => self.room.sim.finish(client),
                    _ => self
                        .room
                        .sim
                        .send(client, &frames::client(0x88, &[3, 0xe8])),
                }
            }
            16 => self.room.raw(socket, &frames::client(0x81, b"hello")),
            _ => self.read(socket),
        }
        self.room.settle();
    }

    /// What has arrived has to be the begin of what is expected.
    fn read(&mut self, socket: usize) {
        let got = self.room.got_so_far(socket);
        self.note(socket, got, false);
    }

    fn note(&mut self, socket: usize, got: Vec<String>, complete: bool) {
        let all = &mut self.got[socket];
        all.extend(
            got.into_iter()
                .filter(|text| text != "ping" && text != "pong"),
        );
        self.room
            .with_cx(|cx| cx.state_mut().model.compare(socket, all, complete));
        self.room.settle();
    }

    /// Opens all windows and compares everything.
    fn finish(mut self, policy: Backpressure) {
        // Handlers that are still armed would go on for ever.
        self.room.with_cx(|cx| cx.state_mut().at.clear());
        self.room.sim.advance_ms(50);
        for socket in 0..self.got.len() {
            self.room
                .sim
                .set_window(self.room.client(socket), usize::MAX);
            let got = self.room.got(socket);
            self.note(socket, got, true);
        }
        if policy == Backpressure::Drop {
            // Those that ended have no handler left to tell.
            let owed = self.room.with_cx(|cx| cx.state().model.dropped_owed());
            assert!(owed >= 0, "{owed} more were told than were dropped");
        }
        for number in 0..self.got.len() {
            self.room.with_cx(|cx| {
                let model = &cx.state().model;
                let (id, expected) = (model.id(number), model.topics(number).len());
                if let Ok(socket) = cx.socket(id) {
                    assert_eq!(socket.topics().count(), expected, "topics of {number}");
                }
            });
        }
        for name in TOPICS {
            self.room.with_cx(|cx| {
                let counted = cx.subscribers(name);
                let model = &cx.state().model;
                let has = |number: &usize| model.topics(*number).contains(&topic(name));
                let expected = (0..self.got.len()).filter(has).count();
                assert_eq!(counted, expected, "subscribers of {name}");
            });
        }
        for socket in 0..self.got.len() {
            self.room.with_cx(|cx| cx.state_mut().model.doom(socket));
            let client = self.room.client(socket);
            self.room.sim.reset(client);
        }
        self.room.settle();
        assert_eq!(self.room.sim.counts().connections_open, 0);
        assert_eq!(self.room.sim.counts().panics, 0);
        assert_eq!(self.room.sim.buffered_bytes(), 0, "the memory is back");
    }
}

fn run(seeds: std::ops::Range<u64>, policy: Backpressure) {
    for seed in seeds {
        let guard = Named(seed);
        let mut run = Run::new(seed, policy);
        for _ in 0..300 {
            run.step();
        }
        run.finish(policy);
        std::mem::forget(guard);
    }
}

/// Names the seed of a run that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        eprintln!("seed {}", self.0);
    }
}

#[test]
fn random_sequences_that_drop_do_what_the_naive_implementation_does() {
    run(0..40, Backpressure::Drop);
}

#[test]
fn random_sequences_that_queue_do_what_the_naive_implementation_does() {
    run(100..140, Backpressure::Queue);
}

#[test]
fn random_sequences_that_close_do_what_the_naive_implementation_does() {
    run(200..240, Backpressure::Close);
}
