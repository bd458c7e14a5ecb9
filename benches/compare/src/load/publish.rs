//! Publish: one socket speaks, all others listen, and every delivery is checked.
//!
//! A round is a burst of messages from the publisher; the next begins when every subscriber has all
//! of it. Each message carries its number, so that what comes twice, out of turn or not at all is
//! seen. All subscribers have to receive the same bytes, and so checking them is one comparison for
//! whatever a subscriber has received.
//!
//! Slow readers, where there are any, come on top: they read so little of each round that what the
//! server keeps for them grows. Nobody waits for them, and what they get is not looked at.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::closed_loop::{Dropped, GRACE, Poll, Ready, receive_all};
use super::frame;
use super::handshake::{Door, HOST, Offer};
use super::verify::Errors;
use super::{Edge, Load, Outcome};
use crate::Result;
use crate::scenarios::content::Random;

/// Bytes of a message: its number, and what follows from it.
pub const MESSAGE_BYTES: usize = 20;
/// The same where there are slow readers: enough to fill what the kernel keeps for them.
const SLOW_MESSAGE_BYTES: usize = 4096;
const NUMBER_BYTES: usize = 8;
const RECEIVE_BYTES: usize = 64 * 1024;
/// One slow reader for so many subscribers.
const SLOW_INTERVAL: usize = 100;
/// What a slow reader reads of each round.
const SLOW_READ_BYTES: usize = 64;
const SLOW_BUFFER_BYTES: usize = 4096;

/// Runs the load: `load.row.in_flight` messages a round, `subscribers` sockets beside the
/// publisher.
///
/// # Errors
/// When the server cannot be reached, or the system or `on_edge` fails.
pub fn run(
    load: &Load<'_>,
    subscribers: usize,
    slow: bool,
    on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Outcome> {
    let mut fanout = Fanout::open(load, subscribers, slow)?;
    let window = super::measure(load, on_edge, |deadline| fanout.run_until(deadline))?;
    if !fanout.failed {
        // What is surplus in the rounds before comes before what belongs to this one.
        fanout.round()?;
    }
    Ok(Outcome {
        operations: window.operations,
        errors: fanout.errors,
        wall: window.wall,
        cpu: window.cpu,
        threads: 1,
        connections: subscribers + fanout.slow.len() + 1,
        answer_bytes: fanout.delivery_bytes,
        compressed_bytes: None,
    })
}

/// The message of a number.
#[must_use]
pub fn message(number: u64, bytes: usize) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    let mut random = Random::new(number);
    while message.len() < bytes {
        message.extend_from_slice(&random.bytes::<8>());
    }
    message.truncate(bytes);
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
    slow: Vec<TcpStream>,
    message_bytes: usize,
    /// A header, and the message.
    delivery_bytes: usize,
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
    fn open(load: &Load<'_>, count: usize, slow: bool) -> Result<Self> {
        let (mut random, mut errors) = (Random::new(2), Errors::default());
        let door = Door {
            address: load.address,
            host: HOST,
            path: "/",
            offer: Offer::Plain,
        };
        let mut open = |index| door.open(index, &mut random, &mut errors);
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
        let mut readers = Vec::new();
        for index in 0..if slow {
            count.div_ceil(SLOW_INTERVAL)
        } else {
            0
        } {
            let (stream, _) = open(count + 1 + index)?.ok_or("a slow reader was refused")?;
            stream.set_nonblocking(true)?;
            rustix::net::sockopt::set_socket_recv_buffer_size(&stream, SLOW_BUFFER_BYTES)?;
            readers.push(stream);
        }
        let message_bytes = if slow {
            SLOW_MESSAGE_BYTES
        } else {
            MESSAGE_BYTES
        };
        let mut header = Vec::new();
        frame::push_header(&mut header, frame::FIN | frame::BINARY, message_bytes);
        Ok(Self {
            poll,
            subscribers,
            waiting: 0,
            publisher,
            slow: readers,
            message_bytes,
            delivery_bytes: header.len() + message_bytes,
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
        for stream in &mut self.slow {
            // Whether there is anything, and whether the server has cut the reader off, is its
            // affair.
            let _ = stream.read(&mut self.buffer[..SLOW_READ_BYTES]);
        }
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
            let message = message(self.number, self.message_bytes);
            self.number += 1;
            frame::push_masked(&mut self.frames, first, &message, self.random.bytes());
            frame::push_header(&mut self.expected, first, self.message_bytes);
            self.expected.extend_from_slice(&message);
        }
        let open = self.subscribers.iter_mut().flatten();
        self.waiting = open.map(|subscriber| subscriber.received = 0).count();
        self.failed |= self.waiting == 0;
    }

    fn receive(&mut self, ready: Ready) {
        let slot = &mut self.subscribers[ready.number];
        let Some(subscriber) = slot else { return };
        let (before, buffer) = (subscriber.received, &mut self.buffer);
        let (expected, bytes) = (&self.expected, self.message_bytes);
        let (stream, received) = (&subscriber.stream, &mut subscriber.received);
        let compare = |arrived: &[u8], errors: &mut Errors| {
            if !expected[*received..].starts_with(arrived) {
                count_difference(arrived, expected, *received, bytes, errors);
                return Err(Dropped);
            }
            *received += arrived.len();
            Ok(())
        };
        let errors = &mut self.errors;
        let alright = receive_all(stream, buffer, ready.ended, errors, compare).is_ok();
        let (whole, now) = (self.expected.len(), subscriber.received);
        self.delivered += (now / self.delivery_bytes - before / self.delivery_bytes) as u64;
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

/// Names what is wrong with `arrived`, which should go on with `expected` after `at`, where
/// deliveries of `message_bytes` are one behind the other.
fn count_difference(
    arrived: &[u8],
    expected: &[u8],
    at: usize,
    message_bytes: usize,
    errors: &mut Errors,
) {
    let rest = &expected[at..];
    let same = arrived.iter().zip(rest).take_while(|(a, b)| a == b).count();
    if same == rest.len() {
        // More than was sent.
        errors.bad_length += 1;
        return;
    }
    let header_bytes = match frame::parse_header(expected) {
        Ok(Some(header)) => header.header_bytes,
        _ => 0,
    };
    match (at + same) % (header_bytes + message_bytes) {
        0 => errors.bad_opcode += 1,
        n if n < header_bytes => errors.bad_length += 1,
        n if n < header_bytes + NUMBER_BYTES => errors.bad_order += 1,
        _ => errors.bad_body += 1,
    }
}
