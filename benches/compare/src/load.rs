//! The load generator: one thread, one epoll, a closed loop on each connection.
//!
//! Each turn receives from every connection that is ready and only then sends the next batches. The
//! server so finds work for several connections each time it wakes up, as it would under many
//! independent clients, and is not measured falling asleep between two.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::Result;
use crate::scenario::Scenario;
use crate::verify::{Errors, Lost, Verifier};

const RECEIVE_BYTES: usize = 256 * 1024;
const EVENTS_MAX: usize = 1024;

/// How long the answers that are under way at the end may still take.
const GRACE: Duration = Duration::from_secs(2);

/// What to send, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The request and the expected answer.
    pub scenario: Scenario,
    /// Requests sent at once on a connection; the next batch goes out when all are answered.
    pub pipeline: usize,
    /// Connections, all open from the beginning.
    pub connections: usize,
    /// Runs before the measured window and is verified, but not counted.
    pub warm_up: Duration,
    /// The measured window.
    pub window: Duration,
    /// The server.
    pub address: SocketAddr,
}

/// An edge of the measured window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The window begins now.
    Begin,
    /// The window ends now.
    End,
}

/// What a run showed.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Answers completed in the window.
    pub requests: u64,
    /// Errors of the whole run: in warm-up, window and grace time.
    pub errors: Errors,
    /// The window's true length.
    pub wall: Duration,
    /// CPU time of the generator in the window.
    pub cpu: Duration,
    /// Bytes of one correct answer; 0 if there was none.
    pub response_bytes: usize,
}

impl Outcome {
    /// Answers per second of the window.
    #[must_use]
    pub fn requests_per_s(&self) -> f64 {
        self.requests as f64 / self.wall.as_secs_f64()
    }
}

/// Runs the load, and calls `on_edge` at either edge of the window.
///
/// # Errors
/// When the server cannot be reached, or the system or `on_edge` fails. What the server does wrong
/// is counted in [`Outcome::errors`].
pub fn run(load: &Load, mut on_edge: impl FnMut(Edge) -> Result<()>) -> Result<Outcome> {
    let body = load.scenario.response_body();
    let batch = load.scenario.request().repeat(load.pipeline);
    let mut generator = Generator::connect(load, &batch, &body)?;

    generator.run_until(Instant::now() + load.warm_up)?;

    on_edge(Edge::Begin)?;
    let (window_begin, cpu_begin) = (Instant::now(), thread_cpu());
    generator.completed = 0;
    generator.run_until(window_begin + load.window)?;
    let (wall, cpu) = (window_begin.elapsed(), thread_cpu() - cpu_begin);
    let requests = generator.completed;
    on_edge(Edge::End)?;

    generator.drain()?;
    Ok(Outcome {
        requests,
        errors: generator.errors,
        wall,
        cpu,
        response_bytes: generator.response_bytes(),
    })
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

struct Connection<'a> {
    stream: TcpStream,
    verifier: Verifier<'a>,
    /// Bytes of the current batch still to be sent.
    unsent: usize,
}

/// The connection is of no further use. Already counted.
struct Dropped;

impl Connection<'_> {
    fn send(&mut self, batch: &[u8], errors: &mut Errors) -> std::result::Result<(), Dropped> {
        while self.unsent > 0 {
            match self.stream.write(&batch[batch.len() - self.unsent..]) {
                Ok(sent) => self.unsent -= sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    errors.unexpected_close += 1;
                    return Err(Dropped);
                }
            }
        }
        Ok(())
    }

    /// Reads and checks what has arrived, and returns how many answers that completed.
    fn receive(
        &mut self,
        buffer: &mut [u8],
        errors: &mut Errors,
    ) -> std::result::Result<usize, Dropped> {
        let mut completed = 0;
        loop {
            let received = match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(completed),
                Ok(0) | Err(_) => {
                    errors.unexpected_close += 1;
                    return Err(Dropped);
                }
                Ok(received) => received,
            };
            let feed = self.verifier.feed(&buffer[..received], errors);
            completed += feed.map_err(|Lost| Dropped)?;
            // A short read means drained, so edges suffice: see epoll(7).
            if received < buffer.len() {
                return Ok(completed);
            }
        }
    }
}

struct Generator<'a> {
    poll: OwnedFd,
    events: Vec<Event>,
    /// `None` once dropped: nothing is opened anew, so a server that closes is not measured on ever
    /// new connections.
    connections: Vec<Option<Connection<'a>>>,
    /// Connections whose batch is answered in full.
    idle: Vec<usize>,
    /// How many connections wait for answers.
    busy: usize,
    pipeline: usize,
    batch: &'a [u8],
    buffer: Vec<u8>,
    completed: u64,
    errors: Errors,
}

impl<'a> Generator<'a> {
    fn connect(load: &Load, batch: &'a [u8], body: &'a [u8]) -> Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(load.connections);
        for index in 0..load.connections {
            let stream = TcpStream::connect(load.address)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(
                &poll,
                &stream,
                EventData::new_u64(u64::try_from(index)?),
                flags,
            )?;
            let verifier = Verifier::new(body);
            connections.push(Some(Connection {
                stream,
                verifier,
                unsent: 0,
            }));
        }
        Ok(Self {
            poll,
            events: Vec::with_capacity(EVENTS_MAX),
            idle: (0..connections.len()).collect(),
            connections,
            busy: 0,
            pipeline: load.pipeline,
            batch,
            buffer: vec![0; RECEIVE_BYTES],
            completed: 0,
            errors: Errors::default(),
        })
    }

    /// Keeps every connection busy until `deadline`, or until there is none left.
    fn run_until(&mut self, deadline: Instant) -> Result<()> {
        loop {
            for position in 0..self.idle.len() {
                self.begin_batch(self.idle[position]);
            }
            self.idle.clear();
            let time_left = deadline.saturating_duration_since(Instant::now());
            if time_left.is_zero() || self.busy == 0 {
                return Ok(());
            }
            self.turn(time_left)?;
        }
    }

    /// Waits for what is under way, and counts what does not come.
    fn drain(&mut self) -> Result<()> {
        let deadline = Instant::now() + GRACE;
        loop {
            let time_left = deadline.saturating_duration_since(Instant::now());
            if time_left.is_zero() || self.busy == 0 {
                break;
            }
            self.turn(time_left)?;
        }
        let open = self.connections.iter().flatten();
        let unanswered = open.filter(|c| c.verifier.pending() > 0).count();
        self.errors.unanswered += u64::try_from(unanswered)?;
        Ok(())
    }

    fn begin_batch(&mut self, index: usize) {
        let slot = &mut self.connections[index];
        let Some(connection) = slot else { return };
        connection.verifier.sent(self.pipeline);
        connection.unsent = self.batch.len();
        match connection.send(self.batch, &mut self.errors) {
            Ok(()) => self.busy += 1,
            Err(Dropped) => *slot = None,
        }
    }

    fn turn(&mut self, time_left: Duration) -> Result<()> {
        let timeout = Timespec::try_from(time_left)?;
        self.events.clear();
        rustix::io::retry_on_intr(|| {
            epoll::wait(&self.poll, spare_capacity(&mut self.events), Some(&timeout))
        })?;
        for position in 0..self.events.len() {
            let token = self.events[position].data.u64();
            self.handle_ready(usize::try_from(token)?);
        }
        Ok(())
    }

    fn handle_ready(&mut self, index: usize) {
        let slot = &mut self.connections[index];
        let Some(connection) = slot else { return };
        let was_busy = connection.verifier.pending() > 0;
        let done = connection
            .send(self.batch, &mut self.errors)
            .and_then(|()| connection.receive(&mut self.buffer, &mut self.errors));
        let is_busy = match done {
            Ok(completed) => {
                self.completed += completed as u64;
                connection.verifier.pending() > 0
            }
            Err(Dropped) => {
                *slot = None;
                false
            }
        };
        if was_busy && !is_busy {
            self.busy -= 1;
            if slot.is_some() {
                self.idle.push(index);
            }
        }
    }

    fn response_bytes(&self) -> usize {
        let mut open = self.connections.iter().flatten();
        open.find_map(|connection| connection.verifier.response_bytes())
            .unwrap_or(0)
    }
}
