//! The seam to whatever tells a worker what to do next.
//!
//! It is narrow on purpose. A completion-based driver (`io_uring`) fits behind it by keeping
//! received bytes until [`Transport::recv`] asks for them and queueing what [`Transport::send`] is
//! given; the in-memory driver of the tests is behind it already.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::listeners::Listeners;
use super::transport::Transport;
use crate::util::slab::Id;
use crate::util::wheel::Tick;

/// A connection about which the kernel has news. Edge-triggered: what is not acted on is not
/// repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) id: Id,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has closed its sending side, or the connection is broken.
    pub(crate) read_closed: bool,
    /// Neither direction works any more: the peer has reset the connection.
    pub(crate) reset: bool,
}

/// A connection that was just accepted.
pub(crate) type Accepted = (Transport, Option<SocketAddr>);

pub(crate) trait Driver {
    /// Waits for news, at most `timeout`; `None` waits until there is some.
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Milliseconds since the driver was made.
    fn now(&self) -> Tick;

    /// Seconds since 1970, for the Date header.
    fn unix_s(&self) -> u64;

    /// The news that the last `poll` brought.
    fn ready(&self) -> impl Iterator<Item = Ready>;

    /// Accepts one connection from any listener that has one. `None` when none has.
    fn accept(&mut self, listeners: &mut Listeners) -> Option<io::Result<Accepted>>;

    /// Makes news about `transport` come under `id`, for both directions and for good.
    fn register(&self, transport: &mut Transport, id: Id) -> io::Result<()>;

    /// Closes every listener, and what waits on it.
    fn stop_listening(&mut self, listeners: &mut Listeners) {
        listeners.close_all();
    }
}

/// Ends a worker's wait from any thread.
#[derive(Clone)]
pub(crate) struct Waker(pub(super) Option<Arc<mio::Waker>>);

impl Waker {
    /// For a driver that never waits.
    #[cfg(feature = "testing")]
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &self.0 {
            // The eventfd cannot fill up: the kernel is asked at most once per drained inbox.
            let woken = waker.wake();
            debug_assert!(woken.is_ok(), "{woken:?}");
        }
    }
}
