//! Storms of connections: connect, ask, and wait until the server has answered and closed; then
//! again. Over WebSocket: upgrade, and close with code 1000.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::frame;
use super::handshake::{self, HOST, Offer, Opening};
use crate::Result;
use crate::load::closed_loop::{GRACE, Poll};
use crate::load::verify::{Content, Errors, Lost, Verifier};
use crate::load::{self, Edge, Load, Outcome};
use crate::scenarios::Task;
use crate::scenarios::content::Random;

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
pub fn run(load: &Load<'_>, on_edge: impl FnMut(Edge) -> Result<()>) -> Result<Outcome> {
    let request = match load.row.task {
        Task::Http(scenario) => Some((scenario.request(), scenario.response_body())),
        Task::WebSocket(_) => None,
    };
    let mut storm = Storm {
        poll: Poll::new()?,
        address: load.address,
        request: request.as_ref(),
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
        threads: 1,
        connections: load.connections,
        answer_bytes: storm.answer_bytes,
        compressed_bytes: None,
    })
}

/// One connection.
struct Visit<'a> {
    stream: TcpStream,
    talk: Talk<'a>,
}

enum Talk<'a> {
    Http(Verifier<'a>),
    WebSocket {
        opening: Opening,
        received: Vec<u8>,
        upgraded: bool,
    },
}

struct Storm<'a> {
    poll: Poll,
    address: SocketAddr,
    /// Over HTTP: the request, and the body of its answer.
    request: Option<&'a (Vec<u8>, Vec<u8>)>,
    visits: Vec<Option<Visit<'a>>>,
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

impl Storm<'_> {
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
        let mut stream = handshake::connect(self.address, 0)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let (request, talk) = match self.request {
            Some((request, body)) => {
                let mut verifier = Verifier::new(body, Content::Sampled);
                verifier.sent(1);
                (request.clone(), Talk::Http(verifier))
            }
            None => {
                let opening = Opening::new(HOST, "/", Offer::Plain, &mut self.random);
                let talk = Talk::WebSocket {
                    opening: opening.clone(),
                    received: Vec::new(),
                    upgraded: false,
                };
                (opening.request, talk)
            }
        };
        // Fits a fresh socket's buffer. What fails here shows when the answer is read.
        let _ = stream.write(&request);
        self.poll.add(&stream, index)?;
        self.visits[index] = Some(Visit { stream, talk });
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
        let Some(mut visit) = self.visits[index].take() else {
            return Step::Waits;
        };
        let step = loop {
            let received = match visit.stream.read(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Step::Waits,
                Err(_) => {
                    self.errors.unexpected_close += 1;
                    break Step::Failed;
                }
            };
            let buffer = std::mem::take(&mut self.buffer);
            let step = match &mut visit.talk {
                Talk::Http(verifier) => self.hear_http(verifier, &buffer[..received]),
                Talk::WebSocket { .. } => self.hear_websocket(&mut visit, &buffer[..received]),
            };
            self.buffer = buffer;
            if !matches!(step, Step::Waits) {
                break step;
            }
        };
        self.visits[index] = Some(visit);
        step
    }

    /// Nothing means the end.
    fn hear_http(&mut self, verifier: &mut Verifier<'_>, received: &[u8]) -> Step {
        if !received.is_empty() {
            return match verifier.feed(received, &mut self.errors) {
                Ok(_) => Step::Waits,
                Err(Lost) => Step::Failed,
            };
        }
        if verifier.pending() > 0 {
            self.errors.unexpected_close += 1;
            return Step::Failed;
        }
        self.answer_bytes = verifier.response_bytes().unwrap_or(self.answer_bytes);
        Step::Done
    }

    fn hear_websocket(&mut self, visit: &mut Visit<'_>, arrived: &[u8]) -> Step {
        let Talk::WebSocket {
            opening,
            received,
            upgraded,
        } = &mut visit.talk
        else {
            return Step::Failed;
        };
        if arrived.is_empty() {
            if *upgraded && *received == self.farewell_answer {
                return Step::Done;
            }
            self.errors.unexpected_close += 1;
            return Step::Failed;
        }
        received.extend_from_slice(arrived);
        if !*upgraded && let Some(head_bytes) = handshake::head_bytes(received) {
            if opening.check(&received[..head_bytes]).is_err() {
                self.errors.bad_status += 1;
                return Step::Failed;
            }
            *upgraded = true;
            received.drain(..head_bytes);
            self.answer_bytes = head_bytes;
            let _ = visit.stream.write(&farewell(self.random.bytes()));
        }
        if *upgraded && !self.farewell_answer.starts_with(received) {
            self.errors.bad_body += 1;
            return Step::Failed;
        }
        Step::Waits
    }
}
