//! The open loop: requests are due at fixed times, whether or not the server has answered, and each
//! is timed from when it was due.
//!
//! A request that is due goes out on any connection that is free, and waits for one if none is. So
//! a server that stalls is seen by every request of that time, and not by as few as there are
//! connections: what a closed loop leaves out (its "coordinated omission").

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::closed_loop::{Client, Connection, Dropped, GRACE, LISTEN, Poll, Ready};
use super::verify::Errors;
use super::{Edge, Load};
use crate::Result;

const RECEIVE_BYTES: usize = 256 * 1024;
/// Closer to the next request than this, the loop spins: a thread that sleeps is woken late.
const SPIN: Duration = Duration::from_micros(150);
/// The longest wait that a histogram tells from longer ones.
const NS_MAX: u64 = 60_000_000_000;

/// How fast to ask.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests a second.
    pub per_s: f64,
}

/// What was seen at a fixed rate.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Requests that were due in the window.
    pub due: u64,
    /// Those of them that were not answered when the run ended: they are in the histogram with the
    /// time that they had waited until then.
    pub unfinished: u64,
    /// Nanoseconds from when a request was due to the end of its answer.
    pub waits: Histogram<u64>,
    /// Nanoseconds by which requests left late although a connection was free: the generator's own
    /// part.
    pub lags: Histogram<u64>,
    /// What went wrong.
    pub errors: Errors,
    /// The window's true length.
    pub wall: Duration,
}

struct OpenLoop<C> {
    poll: Poll,
    connections: Vec<Option<Connection<C>>>,
    /// When the request on each connection was due, and whether it counts.
    asked: Vec<Option<Due>>,
    /// Connections that wait for something to do.
    free: VecDeque<usize>,
    /// Requests that wait for a connection.
    queue: VecDeque<Due>,
    buffer: Vec<u8>,
    result: Latency,
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    counts: bool,
}

/// Asks at `pace` until the window is over, and waits a while for what is missing.
///
/// # Errors
/// What the system or `on_edge` report.
pub fn run<C: Client>(
    load: &Load<'_>,
    pace: Pace,
    clients: Vec<(TcpStream, C)>,
    mut on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Latency> {
    let mut open = OpenLoop::new(clients)?;
    let begin = Instant::now();
    let measured = begin + load.warm_up;
    let end = measured + load.window;
    let mut edge = Some(Edge::Begin);
    for number in 0_u64.. {
        let at = begin + Duration::from_secs_f64(number as f64 / pace.per_s);
        if edge.is_some() && at >= measured {
            edge = None;
            on_edge(Edge::Begin)?;
        }
        if at >= end || open.is_lost() {
            break;
        }
        open.serve_until(at)?;
        let counts = at >= measured;
        open.result.due += u64::from(counts);
        open.queue.push_back(Due { at, counts });
        open.dispatch();
    }
    on_edge(Edge::End)?;
    open.result.wall = measured.elapsed();
    open.drain()?;
    Ok(open.result)
}

impl<C: Client> OpenLoop<C> {
    fn new(clients: Vec<(TcpStream, C)>) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(clients.len());
        for (stream, client) in clients {
            let connection = Connection::new(stream, client)?;
            poll.add(&connection.stream, connections.len())?;
            connections.push(Some(connection));
        }
        let histogram = || Histogram::new_with_bounds(1, NS_MAX, 3);
        Ok(Self {
            poll,
            asked: vec![None; connections.len()],
            free: (0..connections.len()).collect(),
            queue: VecDeque::new(),
            connections,
            buffer: vec![0; RECEIVE_BYTES],
            result: Latency {
                due: 0,
                unfinished: 0,
                waits: histogram()?,
                lags: histogram()?,
                errors: Errors::default(),
                wall: Duration::ZERO,
            },
        })
    }

    fn is_lost(&self) -> bool {
        self.connections.iter().all(Option::is_none)
    }

    /// Handles answers until it is time for the next request, at least once.
    fn serve_until(&mut self, at: Instant) -> Result<()> {
        loop {
            let time_left = at.saturating_duration_since(Instant::now());
            self.turn(time_left.saturating_sub(SPIN))?;
            if Instant::now() >= at {
                return Ok(());
            }
        }
    }

    fn turn(&mut self, timeout: Duration) -> Result<()> {
        for position in 0..self.poll.wait(timeout)? {
            self.handle_ready(self.poll.ready(position));
        }
        self.dispatch();
        Ok(())
    }

    /// Sends what waits, as far as there are connections.
    fn dispatch(&mut self) {
        while !self.queue.is_empty()
            && let Some(index) = self.free.pop_front()
        {
            let Some(connection) = &mut self.connections[index] else {
                continue;
            };
            let Some(due) = self.queue.pop_front() else {
                return;
            };
            if due.counts {
                let since_free = connection.free_since.max(due.at);
                record(&mut self.result.lags, since_free.elapsed());
            }
            self.asked[index] = Some(due);
            connection.client.begin_batch();
            if let Err(Dropped) = connection.send(&mut self.result.errors) {
                self.drop_connection(index);
            }
        }
    }

    fn handle_ready(&mut self, ready: Ready) {
        let index = ready.number;
        let Some(connection) = &mut self.connections[index] else {
            return;
        };
        let errors = &mut self.result.errors;
        let done = connection
            .send(errors)
            .and_then(|()| connection.receive(&mut self.buffer, ready.ended, errors));
        match done {
            Ok(0) => {}
            Ok(_) => {
                connection.free_since = Instant::now();
                if let Some(due) = self.asked[index].take() {
                    if due.counts {
                        record(&mut self.result.waits, due.at.elapsed());
                    }
                    self.free.push_back(index);
                }
            }
            Err(Dropped) => self.drop_connection(index),
        }
    }

    fn drop_connection(&mut self, index: usize) {
        self.connections[index] = None;
        let due = self.asked[index].take();
        self.give_up(due);
    }

    /// Waits for what is under way, and counts what does not come, and what is surplus. What still
    /// waits for a connection is given up: a server that cannot keep up would be at it for long.
    fn drain(&mut self) -> Result<()> {
        for due in std::mem::take(&mut self.queue) {
            self.give_up(Some(due));
        }
        let deadline = Instant::now() + GRACE;
        while self.asked.iter().any(Option::is_some) && !self.is_lost() {
            let time_left = deadline.saturating_duration_since(Instant::now());
            if time_left.is_zero() {
                break;
            }
            self.turn(time_left)?;
        }
        self.turn(LISTEN)?;
        let missing: Vec<Due> = self.asked.drain(..).flatten().collect();
        self.result.errors.unanswered += missing.len() as u64;
        for due in missing {
            self.give_up(Some(due));
        }
        Ok(())
    }

    /// What is not answered has waited at least until now.
    fn give_up(&mut self, due: Option<Due>) {
        if let Some(due) = due.filter(|due| due.counts) {
            self.result.unfinished += 1;
            record(&mut self.result.waits, due.at.elapsed());
        }
    }
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    histogram.saturating_record(ns.max(1));
}
