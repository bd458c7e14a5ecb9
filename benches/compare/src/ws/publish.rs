//! Publish: one socket speaks, all others listen, and every delivery is checked.
//!
//! A round is a burst of messages from the publisher; the next begins when every subscriber has all
//! of it. Each message carries its number, so that what comes twice, out of turn or not at all is
//! seen. All subscribers have to receive the same bytes, and so checking them is one comparison for
//! whatever a subscriber has received.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::content::Random;
use super::frame;
use super::handshake;
use crate::Result;
use crate::closed_loop::{GRACE, Poll, Ready};
use crate::load::{self, Edge, Load, Outcome};
use crate::verify::Errors;

/// Bytes of a message: its number, and what follows from it.
pub const MESSAGE_BYTES: usize = 20;
const NUMBER_BYTES: usize = 8;
/// A header of two bytes, and the message.
const DELIVERY_BYTES: usize = 2 + MESSAGE_BYTES;
const RECEIVE_BYTES: usize = 64 * 1024;

/// Runs the load: `load.row.in_flight` messages a round, `subscribers` sockets beside the
/// publisher.
///
/// # Errors
/// When the server cannot be reached, or the system or `on_edge` fails.
pub fn run(
    load: &Load,
    subscribers: usize,
    on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Outcome> {
    let mut fanout = Fanout::open(load, subscribers)?;
    let window = load::measure(load, on_edge, |deadline| fanout.run_until(deadline))?;
    if !fanout.failed {
        // What is surplus in the rounds before comes before what belongs to this one.
        fanout.round()?;
    }
    Ok(Outcome {
        operations: window.operations,
        errors: fanout.errors,
        wall: window.wall,
        cpu: window.cpu,
        connections: subscribers + 1,
        answer_bytes: DELIVERY_BYTES,
        level_6_bytes: None,
    })
}

/// The message of a number.
#[must_use]
pub fn message(number: u64) -> [u8; MESSAGE_BYTES] {
    let mut message = [0; MESSAGE_BYTES];
    message[..NUMBER_BYTES].copy_from_slice(&number.to_be_bytes());
    let rest = Random::new(number).bytes::<{ MESSAGE_BYTES - NUMBER_BYTES }>();
    message[NUMBER_BYTES..].copy_from_slice(&rest);
    message
}

struct Subscriber {
    stream: TcpStream,
    /// Bytes of the current round that have arrived.
    received: usize,
}

struct Fanout {
    poll: Poll,
    /// `None` once something went wrong: then the others go on, and the run is invalid.
    subscribers: Vec<Option<Subscriber>>,
    /// Subscribers that have not received the whole round.
    waiting: usize,
    publisher: TcpStream,
    burst: usize,
    random: Random,
    /// The number of the next message.
    number: u64,
    /// The frames of the round as the publisher sends them.
    frames: Vec<u8>,
    /// What every subscriber receives in the round.
    expected: Vec<u8>,
    buffer: Vec<u8>,
    delivered: u64,
    failed: bool,
    errors: Errors,
}

impl Fanout {
    fn open(load: &Load, count: usize) -> Result<Self> {
        let (mut random, mut errors) = (Random::new(2), Errors::default());
        let mut open =
            |index| handshake::open(load.address, index, false, &mut random, &mut errors);
        let poll = Poll::new()?;
        let mut subscribers = Vec::with_capacity(count);
        for index in 0..count {
            let opened = open(index)?;
            if let Some((stream, _)) = &opened {
                stream.set_nonblocking(true)?;
                poll.add(stream, index)?;
            }
            let received = 0;
            subscribers.push(opened.map(|(stream, _)| Subscriber { stream, received }));
        }
        let (publisher, _) = open(count)?.ok_or("the publisher was refused")?;
        publisher.set_nonblocking(true)?;
        poll.add(&publisher, count)?;
        Ok(Self {
            poll,
            subscribers,
            waiting: 0,
            publisher,
            burst: load.row.in_flight,
            random,
            number: 0,
            frames: Vec::new(),
            expected: Vec::new(),
            buffer: vec![0; RECEIVE_BYTES],
            delivered: 0,
            failed: false,
            errors,
        })
    }

    fn run_until(&mut self, deadline: Instant) -> Result<u64> {
        while !self.failed && Instant::now() < deadline {
            self.round()?;
        }
        Ok(self.delivered)
    }

    /// One burst to everyone, and the wait for it to arrive.
    fn round(&mut self) -> Result<()> {
        self.begin_round();
        // Far less than a socket's buffer, which is empty now.
        if !matches!(self.publisher.write(&self.frames), Ok(sent) if sent == self.frames.len()) {
            self.errors.unexpected_close += 1;
            self.failed = true;
            return Ok(());
        }
        while self.waiting > 0 && !self.failed {
            let count = self.poll.wait(GRACE)?;
            for position in 0..count {
                match self.poll.ready(position) {
                    ready if ready.number == self.subscribers.len() => self.check_publisher(),
                    ready => self.receive(ready),
                }
            }
            if count == 0 {
                self.errors.unanswered += u64::try_from(self.waiting)?;
                self.failed = true;
            }
        }
        Ok(())
    }

    fn begin_round(&mut self) {
        self.frames.clear();
        self.expected.clear();
        let first = frame::FIN | frame::BINARY;
        for _ in 0..self.burst {
            let message = message(self.number);
            self.number += 1;
            frame::push_masked(&mut self.frames, first, &message, self.random.bytes());
            frame::push_header(&mut self.expected, first, MESSAGE_BYTES);
            self.expected.extend_from_slice(&message);
        }
        let open = self.subscribers.iter_mut().flatten();
        self.waiting = open.map(|subscriber| subscriber.received = 0).count();
        self.failed |= self.waiting == 0;
    }

    fn receive(&mut self, ready: Ready) {
        let slot = &mut self.subscribers[ready.number];
        let Some(subscriber) = slot else { return };
        let before = subscriber.received;
        let alright = loop {
            let received = match subscriber.stream.read(&mut self.buffer) {
                Ok(received) if received > 0 => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                _ => {
                    self.errors.unexpected_close += 1;
                    break false;
                }
            };
            let (arrived, expected) = (&self.buffer[..received], &self.expected);
            if !expected[subscriber.received..].starts_with(arrived) {
                count_difference(arrived, expected, subscriber.received, &mut self.errors);
                break false;
            }
            subscriber.received += received;
            // A short read means drained, so edges suffice: see epoll(7).
            if received < self.buffer.len() && !ready.ended {
                break true;
            }
        };
        let (whole, now) = (self.expected.len(), subscriber.received);
        self.delivered += (now / DELIVERY_BYTES - before / DELIVERY_BYTES) as u64;
        if before < whole && (now == whole || !alright) {
            self.waiting -= 1;
        }
        if !alright {
            *slot = None;
        }
    }

    /// The publisher itself is left out.
    fn check_publisher(&mut self) {
        match self.publisher.read(&mut self.buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Ok(received) if received > 0 => self.errors.bad_length += 1,
            _ => self.errors.unexpected_close += 1,
        }
        self.failed = true;
    }
}

/// Names what is wrong with `arrived`, which should go on with `expected` after `at`.
fn count_difference(arrived: &[u8], expected: &[u8], at: usize, errors: &mut Errors) {
    let rest = &expected[at..];
    let same = arrived.iter().zip(rest).take_while(|(a, b)| a == b).count();
    if same == rest.len() {
        // More than was sent.
        errors.bad_length += 1;
        return;
    }
    match (at + same) % DELIVERY_BYTES {
        0 => errors.bad_opcode += 1,
        1 => errors.bad_length += 1,
        n if n < 2 + NUMBER_BYTES => errors.bad_order += 1,
        _ => errors.bad_body += 1,
    }
}
