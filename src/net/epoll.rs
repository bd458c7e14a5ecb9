//! The driver on mio, which on Linux is edge-triggered epoll.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::{Events, Interest, Poll, Token};

use super::driver::{Accepted, Driver, Ready, Waker};
use super::listeners::Listeners;
use super::transport::Transport;
use crate::util::slab::{Id, WORKER_RESERVED};
use crate::util::wheel::Tick;

const EVENTS_PER_POLL: usize = 1024;
/// Listeners have numbers from 1 on.
const WAKER: Token = Token(Id::new(0, WORKER_RESERVED, 0).to_bits() as usize);

// A token has to hold every bit of an id.
const _: () = assert!(usize::BITS == 64);

pub(crate) struct EpollDriver {
    poll: Poll,
    events: Events,
    waker: Arc<mio::Waker>,
    /// There is news of listeners among the events.
    listeners_have_news: bool,
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
            listeners_have_news: false,
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

    /// Listeners of which this driver has news.
    pub(crate) fn listeners(&self) -> io::Result<Listeners> {
        Ok(Listeners::new(self.poll.registry().try_clone()?))
    }
}

impl Driver for EpollDriver {
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            result => result?,
        }
        self.listeners_have_news = self
            .events
            .iter()
            .any(|event| is_of_listener(event.token()));
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

    fn accept(&mut self, listeners: &mut Listeners) -> Option<io::Result<Accepted>> {
        if mem::take(&mut self.listeners_have_news) {
            for event in self
                .events
                .iter()
                .filter(|event| is_of_listener(event.token()))
            {
                listeners.have_news(event.token());
            }
        }
        listeners.accept()
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
}

fn is_of_listener(token: Token) -> bool {
    token != WAKER && Id::from_bits(token.0 as u64).worker() == WORKER_RESERVED
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the engine reads the clock"
)]
fn now() -> Instant {
    Instant::now()
}
