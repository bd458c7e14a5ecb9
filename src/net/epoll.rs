//! The driver on mio, which on Linux is edge-triggered epoll.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::{Events, Interest, Poll, Token};

use super::driver::{Accepted, Driver, Ready, Waker};
use super::listener::Listener;
use super::transport::Transport;
use crate::util::slab::{Id, WORKER_RESERVED};
use crate::util::wheel::Tick;

const EVENTS_PER_POLL: usize = 1024;
const WAKER: Token = Token(Id::new(0, WORKER_RESERVED, 0).to_bits() as usize);

// A token has to hold every bit of an id.
const _: () = assert!(usize::BITS == 64);

pub(crate) struct EpollDriver {
    poll: Poll,
    events: Events,
    waker: Arc<mio::Waker>,
    listeners: Vec<(Listener, bool)>,
    start: Instant,
}

impl EpollDriver {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_POLL),
            waker,
            listeners: Vec::new(),
            start: now(),
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker(Some(Arc::clone(&self.waker)))
    }

    /// The descriptor that becomes readable when there is news, for a foreign loop to watch.
    pub(crate) fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    pub(crate) fn listen(&mut self, mut listener: Listener) -> io::Result<()> {
        let token = Id::new(self.listeners.len() as u32, WORKER_RESERVED, 1);
        let token = Token(token.to_bits() as usize);
        self.poll
            .registry()
            .register(listener.source(), token, Interest::READABLE)?;
        // Connections that came before the registration are not announced.
        self.listeners.push((listener, true));
        Ok(())
    }
}

impl Driver for EpollDriver {
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            result => result?,
        }
        for event in &self.events {
            let id = Id::from_bits(event.token().0 as u64);
            if id.worker() == WORKER_RESERVED
                && event.token() != WAKER
                && let Some((_, ready)) = self.listeners.get_mut(id.index())
            {
                *ready = true;
            }
        }
        Ok(())
    }

    fn now(&self) -> Tick {
        let elapsed = now() - self.start;
        elapsed.as_secs() * 1000 + u64::from(elapsed.subsec_millis())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the time of day"
    )]
    fn unix_s(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |time| time.as_secs())
    }

    fn ready(&self) -> impl Iterator<Item = Ready> {
        self.events.iter().filter_map(|event| {
            let id = Id::from_bits(event.token().0 as u64);
            (id.worker() != WORKER_RESERVED).then(|| Ready {
                id,
                readable: event.is_readable(),
                writable: event.is_writable(),
                read_closed: event.is_read_closed() || event.is_error(),
                reset: event.is_error(),
            })
        })
    }

    fn accept(&mut self) -> Option<io::Result<Accepted>> {
        for (listener, ready) in self.listeners.iter_mut().filter(|(_, ready)| *ready) {
            match listener.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => *ready = false,
                result => return Some(result),
            }
        }
        None
    }

    fn look_at_listeners(&mut self) {
        for (_, ready) in &mut self.listeners {
            *ready = true;
        }
    }

    fn register(&self, transport: &mut Transport, id: Id) -> io::Result<()> {
        let token = Token(id.to_bits() as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        match transport {
            Transport::Tcp(stream) => self.poll.registry().register(stream, token, interest),
            Transport::Unix(stream) => self.poll.registry().register(stream, token, interest),
            #[cfg(feature = "testing")]
            Transport::Memory(_) => Ok(()),
        }
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the engine reads the clock"
)]
fn now() -> Instant {
    Instant::now()
}
