//! Handshakes: connect, upgrade, close with code 1000, and wait until the server has answered that
//! and closed; then again.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::content::Random;
use super::frame;
use super::handshake::{self, Opening};
use crate::Result;
use crate::closed_loop::{GRACE, Poll};
use crate::load::{self, Edge, Load, Outcome};
use crate::verify::Errors;

const RECEIVE_BYTES: usize = 8 * 1024;
/// The payload of both close frames: code 1000, no reason.
const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();

/// A masked close frame, the only message of a connection here.
#[must_use]
pub fn farewell(mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame::push_masked(&mut frame, frame::FIN | frame::CLOSE, &NORMAL, mask);
    frame
}

/// What the server has to answer to it.
#[must_use]
pub fn farewell_answer() -> Vec<u8> {
    let mut frame = Vec::new();
    frame::push_header(&mut frame, frame::FIN | frame::CLOSE, NORMAL.len());
    frame.extend_from_slice(&NORMAL);
    frame
}

/// Runs the load on `load.connections` connections at a time.
///
/// # Errors
/// When the server cannot be reached, or the system or `on_edge` fails.
pub fn run(load: &Load, on_edge: impl FnMut(Edge) -> Result<()>) -> Result<Outcome> {
    let mut storm = Storm {
        poll: Poll::new()?,
        address: load.address,
        visits: (0..load.connections).map(|_| None).collect(),
        free: (0..load.connections).collect(),
        random: Random::new(4),
        farewell_answer: farewell_answer(),
        buffer: vec![0; RECEIVE_BYTES],
        completed: 0,
        answer_bytes: 0,
        errors: Errors::default(),
    };
    let window = load::measure(load, on_edge, |deadline| storm.run_until(deadline))?;
    storm.drain()?;
    Ok(Outcome {
        operations: window.operations,
        errors: storm.errors,
        wall: window.wall,
        cpu: window.cpu,
        connections: load.connections,
        answer_bytes: storm.answer_bytes,
        level_6_bytes: None,
    })
}

/// One connection.
struct Visit {
    stream: TcpStream,
    opening: Opening,
    received: Vec<u8>,
    upgraded: bool,
}

struct Storm {
    poll: Poll,
    address: SocketAddr,
    visits: Vec<Option<Visit>>,
    /// Places of `visits` for new connections.
    free: Vec<usize>,
    random: Random,
    farewell_answer: Vec<u8>,
    buffer: Vec<u8>,
    completed: u64,
    answer_bytes: usize,
    errors: Errors,
}

/// How a visit went on.
enum Step {
    Waits,
    Done,
    /// Not as it should; counted.
    Failed,
}

impl Storm {
    fn run_until(&mut self, deadline: Instant) -> Result<u64> {
        // After so many failures, more of them tell nothing new.
        while self.errors.total() < 1000 {
            let time_left = deadline.saturating_duration_since(Instant::now());
            if time_left.is_zero() {
                break;
            }
            while let Some(index) = self.free.pop() {
                self.begin(index)?;
            }
            self.turn(time_left)?;
        }
        Ok(self.completed)
    }

    fn drain(&mut self) -> Result<()> {
        let deadline = Instant::now() + GRACE;
        while self.free.len() < self.visits.len() {
            let time_left = deadline.saturating_duration_since(Instant::now());
            if time_left.is_zero() {
                break;
            }
            self.turn(time_left)?;
        }
        self.errors.unanswered += u64::try_from(self.visits.len() - self.free.len())?;
        Ok(())
    }

    fn begin(&mut self, index: usize) -> Result<()> {
        // The kernel's part alone: it takes no time over loopback, and the server none of ours.
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let opening = Opening::new(false, &mut self.random);
        // Fits a fresh socket's buffer. What fails here shows when the answer is read.
        let _ = stream.write(&opening.request);
        self.poll.add(&stream, index)?;
        self.visits[index] = Some(Visit {
            stream,
            opening,
            received: Vec::new(),
            upgraded: false,
        });
        Ok(())
    }

    fn turn(&mut self, time_left: std::time::Duration) -> Result<()> {
        for position in 0..self.poll.wait(time_left)? {
            let index = self.poll.ready(position).number;
            match self.step(index) {
                Step::Waits => continue,
                Step::Done => self.completed += 1,
                Step::Failed => {}
            }
            self.visits[index] = None;
            self.free.push(index);
        }
        Ok(())
    }

    fn step(&mut self, index: usize) -> Step {
        let Some(visit) = &mut self.visits[index] else {
            return Step::Waits;
        };
        loop {
            match visit.stream.read(&mut self.buffer) {
                Ok(0) if visit.upgraded && visit.received == self.farewell_answer => {
                    return Step::Done;
                }
                Ok(received) if received > 0 => {
                    visit.received.extend_from_slice(&self.buffer[..received]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Waits,
                _ => {
                    self.errors.unexpected_close += 1;
                    return Step::Failed;
                }
            }
            if !visit.upgraded
                && let Some(head_bytes) = handshake::head_bytes(&visit.received)
            {
                if visit.opening.check(&visit.received[..head_bytes]).is_err() {
                    self.errors.bad_status += 1;
                    return Step::Failed;
                }
                visit.upgraded = true;
                visit.received.drain(..head_bytes);
                self.answer_bytes = head_bytes;
                let _ = visit.stream.write(&farewell(self.random.bytes()));
            }
            if visit.upgraded && !self.farewell_answer.starts_with(&visit.received) {
                self.errors.bad_body += 1;
                return Step::Failed;
            }
        }
    }
}
