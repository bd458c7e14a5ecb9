//! The closed loop: one thread, one epoll, on each connection a batch that is followed by the next
//! when all of it is answered.
//!
//! Each turn receives from every connection that is ready and only then sends the next batches. The
//! server so finds work for several connections each time it wakes up, as it would under many
//! independent clients, and is not measured falling asleep between two. What is sent to many
//! connections is handed to the kernel in one call, where it has `io_uring`: a generator has to be
//! cheaper than the servers it loads.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use keirin_ring::SendRing;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::time::Timespec;

use super::verify::{Errors, Lost};
use crate::Result;

const RECEIVE_BYTES: usize = 256 * 1024;
const EVENTS_MAX: usize = 1024;
/// Sends in one call at most.
const RING_SENDS: u32 = 256;
/// Longer batches are sent at once, while they are in the cache.
const RING_BYTES_MAX: usize = 16 * 1024;

/// How long the answers that are under way at the end may still take.
pub const GRACE: Duration = Duration::from_secs(2);
/// How long to listen for answers that nobody has asked for, when all that are due have come.
pub const LISTEN: Duration = Duration::from_millis(10);

/// What is said on one connection.
pub trait Client {
    /// Takes up the next batch: it is unsent now.
    fn begin_batch(&mut self);
    /// What of the batch is to be sent next; empty when all is sent.
    fn unsent(&self) -> &[u8];
    /// The first `bytes` of [`Client::unsent`] have been sent.
    fn mark_sent(&mut self, bytes: usize);
    /// Checks what arrived, adds to `errors`, and returns how many answers it completed, the faulty
    /// ones included.
    ///
    /// # Errors
    /// [`Lost`] when the bytes are no answer or belong to no request.
    fn feed(&mut self, bytes: &[u8], errors: &mut Errors) -> std::result::Result<usize, Lost>;
    /// Requests not yet answered in full.
    fn pending(&self) -> usize;
    /// Bytes of one answer, on average; `None` before the first.
    fn answer_bytes(&self) -> Option<usize>;
}

/// An epoll with room for its events, each known by a number.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    /// An epoll without sockets.
    ///
    /// # Errors
    /// What the system reports.
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_MAX),
        })
    }

    /// Announces edges of `socket` as `number`, until the socket is closed.
    ///
    /// # Errors
    /// What the system reports.
    pub fn add(&self, socket: impl AsFd, number: usize) -> Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(u64::try_from(number)?);
        Ok(epoll::add(&self.epoll, socket, data, flags)?)
    }

    /// Waits, and returns how many sockets are ready: which, says [`Poll::ready`].
    ///
    /// # Errors
    /// What the system reports.
    pub fn wait(&mut self, timeout: Duration) -> Result<usize> {
        let timeout = Timespec::try_from(timeout)?;
        self.events.clear();
        rustix::io::retry_on_intr(|| {
            epoll::wait(
                &self.epoll,
                spare_capacity(&mut self.events),
                Some(&timeout),
            )
        })?;
        Ok(self.events.len())
    }

    /// Which socket event `position` of the last wait is about.
    #[must_use]
    pub fn ready(&self, position: usize) -> Ready {
        let Event { flags, data } = self.events[position];
        Ready {
            number: data.u64() as usize,
            ended: flags.contains(EventFlags::RDHUP),
        }
    }
}

/// A socket that is ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The number it was added with.
    pub number: usize,
    /// The peer has sent all that it will: a short read is not the last, for the end itself has to
    /// be read, and nothing else will announce it.
    pub ended: bool,
}

/// The connection is of no further use. Already counted.
pub(super) struct Dropped;

/// A socket and what is said on it.
pub(super) struct Connection<C> {
    pub(super) stream: TcpStream,
    pub(super) client: C,
    /// When the last answer was complete; kept by the open loop.
    pub(super) free_since: Instant,
}

impl<C: Client> Connection<C> {
    /// Takes a connected socket.
    pub(super) fn new(stream: TcpStream, client: C) -> Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            client,
            free_since: Instant::now(),
        })
    }

    /// Sends what is unsent, as far as the socket takes it.
    pub(super) fn send(&mut self, errors: &mut Errors) -> std::result::Result<(), Dropped> {
        loop {
            let unsent = self.client.unsent();
            if unsent.is_empty() {
                return Ok(());
            }
            match self.stream.write(unsent) {
                Ok(sent) => self.client.mark_sent(sent),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => {
                    errors.unexpected_close += 1;
                    return Err(Dropped);
                }
            }
        }
    }

    /// Reads and checks what has arrived, and returns how many answers that completed.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        ended: bool,
        errors: &mut Errors,
    ) -> std::result::Result<usize, Dropped> {
        let (client, mut completed) = (&mut self.client, 0);
        receive_all(&self.stream, buffer, ended, errors, |bytes, errors| {
            completed += client.feed(bytes, errors).map_err(|Lost| Dropped)?;
            Ok(())
        })?;
        Ok(completed)
    }
}

/// Reads all that has arrived, and hands it to `take`, which counts what is wrong with it. `ended`
/// is of [`Ready`].
#[inline]
pub(super) fn receive_all(
    mut stream: &TcpStream,
    buffer: &mut [u8],
    ended: bool,
    errors: &mut Errors,
    mut take: impl FnMut(&[u8], &mut Errors) -> std::result::Result<(), Dropped>,
) -> std::result::Result<(), Dropped> {
    loop {
        let received = match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Ok(0) | Err(_) => {
                errors.unexpected_close += 1;
                return Err(Dropped);
            }
            Ok(received) => received,
        };
        take(&buffer[..received], errors)?;
        // A short read means drained, so edges suffice: see epoll(7).
        if received < buffer.len() && !ended {
            return Ok(());
        }
    }
}

/// Connections with what is said on them, kept busy.
pub struct ClosedLoop<C> {
    poll: Poll,
    /// `None` once dropped: nothing is opened anew, so a server that closes is not measured on ever
    /// new connections.
    connections: Vec<Option<Connection<C>>>,
    /// Connections whose batch is answered in full.
    idle: Vec<usize>,
    /// How many connections wait for answers.
    busy: usize,
    buffer: Vec<u8>,
    /// `None` where the kernel has none.
    ring: Option<SendRing>,
    /// For each connection of `idle`, how much of its batch the ring has sent. Kept for its memory.
    taken: Vec<io::Result<usize>>,
    completed: u64,
    /// What has gone wrong so far.
    pub errors: Errors,
}

impl<C: Client> ClosedLoop<C> {
    /// Takes connected sockets.
    ///
    /// # Errors
    /// What the system reports.
    pub fn new(clients: impl IntoIterator<Item = (TcpStream, C)>) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        for (stream, client) in clients {
            let connection = Connection::new(stream, client)?;
            poll.add(&connection.stream, connections.len())?;
            connections.push(Some(connection));
        }
        Ok(Self {
            poll,
            idle: (0..connections.len()).collect(),
            connections,
            busy: 0,
            buffer: vec![0; RECEIVE_BYTES],
            ring: SendRing::new(RING_SENDS).ok(),
            taken: Vec::new(),
            completed: 0,
            errors: Errors::default(),
        })
    }

    /// Keeps every connection busy until `deadline`, or until there is none left. Returns how many
    /// answers have been completed since the beginning.
    ///
    /// # Errors
    /// What the system reports.
    pub fn run_until(&mut self, deadline: Instant) -> Result<u64> {
        loop {
            self.begin_batches();
            let time_left = deadline.saturating_duration_since(Instant::now());
            if time_left.is_zero() || self.busy == 0 {
                return Ok(self.completed);
            }
            self.turn(time_left)?;
        }
    }

    /// Waits for what is under way, and counts what does not come, and what comes in surplus: a
    /// server that answers before it is asked is one answer ahead all the time.
    ///
    /// # Errors
    /// What the system reports.
    pub fn drain(&mut self) -> Result<()> {
        let deadline = Instant::now() + GRACE;
        loop {
            let time_left = deadline.saturating_duration_since(Instant::now());
            if time_left.is_zero() || self.busy == 0 {
                break;
            }
            self.turn(time_left)?;
        }
        self.turn(LISTEN)?;
        let open = self.connections.iter().flatten();
        let unanswered = open.filter(|c| c.client.pending() > 0).count();
        self.errors.unanswered += u64::try_from(unanswered)?;
        Ok(())
    }

    /// Bytes of one correct answer, or 0 if there was none.
    #[must_use]
    pub fn answer_bytes(&self) -> usize {
        let mut open = self.connections.iter().flatten();
        open.find_map(|connection| connection.client.answer_bytes())
            .unwrap_or(0)
    }

    /// Sends the next batch on every idle connection.
    fn begin_batches(&mut self) {
        self.idle.retain(|&index| self.connections[index].is_some());
        for &index in &self.idle {
            if let Some(connection) = &mut self.connections[index] {
                connection.client.begin_batch();
            }
        }
        self.send_in_one_call();
        for (&index, taken) in self.idle.iter().zip(self.taken.drain(..)) {
            let slot = &mut self.connections[index];
            let Some(connection) = slot else { continue };
            let sent = match taken {
                Ok(bytes) => {
                    connection.client.mark_sent(bytes);
                    connection.send(&mut self.errors)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
                Err(_) => {
                    self.errors.unexpected_close += 1;
                    Err(Dropped)
                }
            };
            match sent {
                Ok(()) => self.busy += 1,
                Err(Dropped) => *slot = None,
            }
        }
        self.idle.clear();
    }

    /// Fills `taken`, with nothing where a batch is long or there is no ring.
    fn send_in_one_call(&mut self) {
        let (connections, taken) = (&self.connections, &mut self.taken);
        taken.resize_with(self.idle.len(), || Ok(0));
        let Some(ring) = &mut self.ring else { return };
        let mut sent = Vec::with_capacity(self.idle.len());
        for (position, &index) in self.idle.iter().enumerate() {
            if let Some(connection) = &connections[index] {
                let unsent = connection.client.unsent();
                if unsent.len() <= RING_BYTES_MAX {
                    taken[position] = Ok(unsent.len());
                    sent.push((position, connection.stream.as_fd(), unsent));
                }
            }
        }
        let sends = sent.iter().map(|&(_, socket, unsent)| (socket, unsent));
        let result = ring.send_each(sends, |number, bytes| taken[sent[number].0] = bytes);
        if let Err(broken) = result {
            for &(position, ..) in &sent[broken.from..] {
                taken[position] = Ok(0);
            }
            self.ring = None;
        }
    }

    fn turn(&mut self, time_left: Duration) -> Result<()> {
        for position in 0..self.poll.wait(time_left)? {
            self.handle_ready(self.poll.ready(position));
        }
        Ok(())
    }

    fn handle_ready(&mut self, ready: Ready) {
        let slot = &mut self.connections[ready.number];
        let Some(connection) = slot else { return };
        let was_busy = connection.client.pending() > 0;
        let done = connection
            .send(&mut self.errors)
            .and_then(|()| connection.receive(&mut self.buffer, ready.ended, &mut self.errors));
        let is_busy = match done {
            Ok(completed) => {
                self.completed += completed as u64;
                connection.client.pending() > 0
            }
            Err(Dropped) => {
                *slot = None;
                false
            }
        };
        if was_busy && !is_busy {
            self.busy -= 1;
            if slot.is_some() {
                self.idle.push(ready.number);
            }
        }
    }
}
