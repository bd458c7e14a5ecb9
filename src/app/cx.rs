//! The loop as callbacks see it, and as other threads do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::response::Response;
use super::websocket::publication;
use crate::engine::{self, Command, ConnectionId, Message, ResponseId, State, TimerId};
use crate::error::{Error, Misuse};
use crate::net::address::ListenAddress;
use crate::net::handed::Handed;
use crate::net::listener::{Bound, Sharing};
use crate::observe::Counts;
use crate::pubsub::{Filter, Hub, Publication, Published, TopicError};
use crate::util::inbox::Refused;

/// Access to the worker from within a callback.
pub struct Cx<'a, U = ()> {
    pub(super) state: &'a mut State<U>,
}

impl<'a, U: 'static> Cx<'a, U> {
    #[cfg(feature = "testing")]
    pub(crate) fn new(state: &'a mut State<U>) -> Self {
        Self { state }
    }

    /// The value that this worker keeps for the app.
    pub fn state(&self) -> &U {
        &self.state.user
    }

    /// The value that this worker keeps for the app, to change.
    pub fn state_mut(&mut self) -> &mut U {
        &mut self.state.user
    }

    /// The guard of an answer that was kept for later.
    ///
    /// # Errors
    /// [`Misuse::Stale`] when the peer has left or the connection is at another request,
    /// [`Misuse::AlreadyEnded`] when the answer is complete.
    pub fn response(&mut self, id: ResponseId) -> Result<Response<'_, U>, Misuse> {
        self.state.check_owed(id)?;
        Ok(Response {
            state: self.state,
            id,
        })
    }

    /// Calls `f` after the present callback, before the loop waits.
    pub fn defer(&mut self, f: impl FnOnce(&mut Cx<'_, U>) + 'static) {
        self.state
            .defer(Box::new(move |state| f(&mut Cx { state })));
    }

    /// Calls `f` once `delay` has passed, at millisecond precision, counted from when the loop's
    /// present turn began. `None` if 2^24 timers are armed already.
    pub fn after(
        &mut self,
        delay: Duration,
        f: impl FnOnce(&mut Cx<'_, U>) + 'static,
    ) -> Option<TimerId> {
        let delay_ms = u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        self.state
            .after(delay_ms, Box::new(move |state| f(&mut Cx { state })))
    }

    /// Disarms a timer; false when it has come up already.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.state.cancel(timer)
    }

    /// The number of this worker in its server, from 0.
    pub fn worker(&self) -> usize {
        self.state.worker()
    }

    /// What this worker has counted.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        counts.add(self.state.counters());
        counts
    }

    /// A way into this worker from other threads.
    pub fn remote(&self) -> Remote<U> {
        Remote::of(self.state)
    }

    /// The address of a connection's peer. `None` on a Unix socket, and for a connection that has
    /// ended.
    pub fn peer_address(&self, id: ConnectionId) -> Option<SocketAddr> {
        self.state.peer_of(id)
    }

    /// The address of the client whose connection a proxy relays: see
    /// [`Request::proxied_address`](super::Request::proxied_address). It is known from the first
    /// request on, and as long as [`peer_address`](Self::peer_address).
    pub fn proxied_address(&self, id: ConnectionId) -> Option<SocketAddr> {
        self.state.proxied_of(id)
    }

    /// Drops a connection: an answer that is owed is aborted, a WebSocket ends without a Close
    /// frame.
    ///
    /// # Errors
    /// [`Misuse::Stale`] when it has ended.
    pub fn close_connection(&mut self, id: ConnectionId) -> Result<(), Misuse> {
        self.state.drop_connection(id)
    }

    /// Drops every connection and closes every listener of this worker, at once: answers that are
    /// owed are aborted, WebSockets end without a Close frame. It may listen again.
    pub fn close_all(&mut self) {
        self.state.drop_all();
    }

    /// Has this worker listen on an address: see [`EventLoop::listen`](super::EventLoop::listen).
    ///
    /// # Errors
    /// As there.
    pub fn listen(&mut self, address: &str) -> Result<ListenAddress, Error> {
        self.listen_on(address, Sharing::Alone)
    }

    /// The same for a TCP port that others may listen on too: see
    /// [`EventLoop::listen_shared`](super::EventLoop::listen_shared).
    ///
    /// # Errors
    /// As there.
    pub fn listen_shared(&mut self, address: &str) -> Result<ListenAddress, Error> {
        self.listen_on(address, Sharing::All)
    }

    fn listen_on(&mut self, address: &str, sharing: Sharing) -> Result<ListenAddress, Error> {
        let bound = Bound::new(&address.parse()?, sharing)?;
        let address = bound.address().clone();
        self.state.listeners_mut().listen(bound)?;
        Ok(address)
    }

    /// Closes this worker's listener on an address, at once: see
    /// [`EventLoop::unlisten`](super::EventLoop::unlisten). Other workers of a server go on.
    pub fn unlisten(&mut self, address: &ListenAddress) -> bool {
        self.state.unlisten(address)
    }

    /// Gives connections that are accepted from now on to another loop: see
    /// [`EventLoop::add_child`](super::EventLoop::add_child).
    pub fn add_child<V: 'static>(&mut self, child: &Remote<V>) -> bool {
        self.state.add_child(Box::new(child.worker.clone()))
    }

    /// Ends that: see [`EventLoop::remove_child`](super::EventLoop::remove_child).
    pub fn remove_child<V: 'static>(&mut self, child: &Remote<V>) -> bool {
        self.state.remove_child(child.worker.identity())
    }

    /// Takes over a connected socket: see [`EventLoop::adopt`](super::EventLoop::adopt).
    ///
    /// # Errors
    /// As there.
    pub fn adopt(&mut self, socket: OwnedFd) -> Result<(), AdoptError> {
        self.state.adopt(handed(socket)?);
        Ok(())
    }

    /// How many listeners this worker has open.
    pub fn listeners(&self) -> usize {
        self.state.listeners().len()
    }

    /// How many connections this worker has: see
    /// [`EventLoop::connections`](super::EventLoop::connections).
    pub fn connections(&self) -> usize {
        self.state.connections()
    }
}

/// A way into one worker from any thread.
pub struct Remote<U = ()> {
    pub(super) worker: engine::Remote<U>,
    pub(super) hub: Arc<Hub>,
}

impl<U> Clone for Remote<U> {
    fn clone(&self) -> Self {
        Self {
            worker: self.worker.clone(),
            hub: Arc::clone(&self.hub),
        }
    }
}

/// Why a [`Remote`] did not take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteError {
    /// `inbox_capacity` calls are waiting: try again later.
    Full,
    /// The worker has stopped.
    Stopped,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the worker's inbox is full",
            Self::Stopped => "the worker has stopped",
        })
    }
}

impl std::error::Error for RemoteError {}

/// Why a socket was not adopted. It comes back.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdoptError {
    /// The loop did not take it.
    Remote(RemoteError, OwnedFd),
    /// It is not a connected stream socket of TCP or Unix.
    Socket(io::Error, OwnedFd),
}

impl AdoptError {
    /// The socket.
    pub fn into_socket(self) -> OwnedFd {
        match self {
            Self::Remote(_, socket) | Self::Socket(_, socket) => socket,
        }
    }
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(error, _) => write!(f, "{error}"),
            Self::Socket(error, _) => write!(f, "cannot adopt a socket: {error}"),
        }
    }
}

impl std::error::Error for AdoptError {}

fn handed(socket: OwnedFd) -> Result<Handed, AdoptError> {
    Handed::adopt(socket).map_err(|(error, socket)| AdoptError::Socket(error, socket))
}

impl<U: 'static> Remote<U> {
    pub(crate) fn of(state: &State<U>) -> Self {
        Self {
            worker: state.remote().clone(),
            hub: Arc::clone(state.hub()),
        }
    }

    /// Has the worker call `f` in its next turn. Calls from one thread run in their order.
    ///
    /// # Errors
    /// The call was not queued: [`RemoteError`] says why.
    pub fn defer(
        &self,
        f: impl FnOnce(&mut Cx<'_, U>) + Send + 'static,
    ) -> Result<(), RemoteError> {
        self.send(Command::Call(Box::new(move |state| f(&mut Cx { state }))))
    }

    /// Publishes to all subscribers of a topic on all workers of the server, and through its
    /// broker.
    ///
    /// # Errors
    /// The topic is empty or has more than 65,535 bytes.
    pub fn publish(&self, topic: &str, message: Message<'_>) -> Result<Published, TopicError> {
        self.publish_as(&publication(topic, message))
    }

    /// The same, with a choice about compression.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_as(&self, publication: &Publication<'_>) -> Result<Published, TopicError> {
        self.hub.publish(publication)
    }

    /// How many sockets of all workers are subscribed to exactly this topic, patterns aside.
    pub fn subscribers(&self, topic: &str) -> usize {
        Filter::topic(topic).map_or(0, |filter| self.hub.count(filter))
    }

    /// Has the loop take over a connected stream socket, of TCP or Unix, as if it had accepted it.
    ///
    /// # Errors
    /// The loop's inbox is full, or the loop is stopping or has stopped; or it is no such socket.
    /// What the inbox has when the loop ends is closed.
    pub fn adopt(&self, socket: OwnedFd) -> Result<(), AdoptError> {
        let refused = match self.worker.adopt(handed(socket)?) {
            Ok(()) => return Ok(()),
            Err(Refused::Full(handed)) => (RemoteError::Full, handed),
            Err(Refused::Closed(handed)) => (RemoteError::Stopped, handed),
        };
        let (error, handed) = refused;
        Err(AdoptError::Remote(error, handed.into()))
    }

    /// Begins a graceful stop of this worker, as [`EventLoop::stop`](super::EventLoop::stop) does.
    pub fn stop(&self, grace: Duration) {
        self.worker
            .stop(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
    }

    fn send(&self, command: Command<U>) -> Result<(), RemoteError> {
        self.worker.send(command).map_err(|refused| match refused {
            Refused::Full(_) => RemoteError::Full,
            Refused::Closed(_) => RemoteError::Stopped,
        })
    }
}
