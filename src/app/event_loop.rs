//! A worker and its driver, for a thread of their own or inside a foreign loop.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use super::app::App;
use super::cx::{AdoptError, Cx, Remote};
use super::routes::Routes;
use crate::config::Config;
use crate::engine::worker::Worker;
use crate::engine::{self, State};
use crate::error::Error;
use crate::net::address::ListenAddress;
use crate::net::batch::Batch;
use crate::net::driver::Driver;
use crate::net::epoll::EpollDriver;
use crate::net::listener::Listener;
use crate::observe::{Counters, Counts, Record, Sink, to_stderr};
use crate::pubsub::Hub;

/// What a worker is made of besides its number and its user's value.
pub(super) struct Parts<U> {
    pub(super) driver: EpollDriver,
    pub(super) remote: engine::Remote<U>,
    pub(super) config: Arc<Config>,
    pub(super) counters: Arc<Counters>,
    pub(super) sink: Arc<Sink>,
    pub(super) hub: Arc<Hub>,
    pub(super) worker: u8,
}

impl<U: 'static> Parts<U> {
    pub(super) fn new(
        worker: u8,
        config: Arc<Config>,
        hub: Arc<Hub>,
        sink: Arc<Sink>,
    ) -> Result<Self, Error> {
        let driver = EpollDriver::new()?;
        let remote = engine::Remote::new(config.inbox_capacity, driver.waker());
        hub.register(worker, Box::new(remote.clone()));
        Ok(Self {
            driver,
            remote,
            config,
            counters: Arc::default(),
            sink,
            hub,
            worker,
        })
    }
}

/// One event loop on the thread that made it.
///
/// A [`Server`](super::Server) runs one per core. By itself it is for programs that have a loop of
/// their own: watch [`as_raw_fd`](AsRawFd::as_raw_fd) for reading, wait no longer than
/// [`next_timeout`](Self::next_timeout), and call [`turn`](Self::turn) whenever either comes up.
/// Unlike a server it leaves the process's limit on open files as it is.
pub struct EventLoop<U: 'static = ()> {
    worker: Worker<Routes<U>>,
    driver: EpollDriver,
    sink: Arc<Sink>,
}

impl<U: 'static> EventLoop<U> {
    /// A loop with the routes that `setup` registers and a value of the user's, which handlers
    /// reach through [`Cx::state_mut`](super::Cx::state_mut).
    ///
    /// # Errors
    /// [`Error::Route`] for a malformed route, [`Error::Io`] when the kernel gives no epoll.
    pub fn new(config: Config, user: U, setup: impl Fn(&mut App<U>)) -> Result<Self, Error> {
        let parts = Parts::new(0, Arc::new(config), Hub::new(1, None), Arc::new(to_stderr))?;
        Self::from_parts(parts, user, &setup)
    }

    pub(super) fn from_parts(
        parts: Parts<U>,
        user: U,
        setup: &dyn Fn(&mut App<U>),
    ) -> Result<Self, Error> {
        let Parts {
            driver,
            remote,
            config,
            counters,
            sink,
            hub,
            worker,
        } = parts;
        let mut service = Routes::new();
        let sockets = service.change(setup)?;
        let batch = if config.io_uring {
            Batch::new()
        } else {
            Batch::none()
        };
        let mut state = State::new(worker, user, config, sockets.into(), hub, counters, remote);
        state.send_in_batches(batch);
        state.listen_with(driver.listeners()?);
        Ok(Self {
            worker: Worker::new(service, state),
            driver,
            sink,
        })
    }

    /// Has log records go to `sink`, in place of standard error.
    pub fn on_log(&mut self, sink: impl Fn(&Record) + Send + Sync + 'static) {
        self.sink = Arc::new(sink);
    }

    /// Listens on an address, and returns it with the port that the kernel chose.
    ///
    /// # Errors
    /// [`Error::Address`] when it does not parse, [`Error::Listen`] when it cannot be had: also
    /// when another program holds the port and would share it.
    pub fn listen(&mut self, address: &str) -> Result<ListenAddress, Error> {
        self.cx().listen(address)
    }

    /// The same for a TCP port that others may listen on too, in this process and in other ones of
    /// the same user, if all of them share it (`SO_REUSEPORT`): the kernel spreads connections over
    /// them. A Unix socket is never shared.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn listen_shared(&mut self, address: &str) -> Result<ListenAddress, Error> {
        self.cx().listen_shared(address)
    }

    /// Stops listening on an address that [`listen`](Self::listen) has returned, and frees it.
    /// Other listeners and all connections go on; connections that the kernel has made by then are
    /// served. False when nothing listens there; of several listeners on one address, each call
    /// closes one.
    pub fn unlisten(&mut self, address: &ListenAddress) -> bool {
        self.cx().unlisten(address)
    }

    /// How many listeners are open.
    pub fn listeners(&self) -> usize {
        self.worker.state.listeners().len()
    }

    /// How many connections are open, those included that the next turn will open. While there is
    /// neither a connection nor a listener, nothing but timers and other threads can wake this
    /// loop.
    pub fn connections(&self) -> usize {
        self.worker.state.connections()
    }

    /// Gives connections that are accepted from now on to another loop, of any thread; with several
    /// children they take turns. The child opens them as if it had accepted them, with its own
    /// routes, limits and counters, and keeps them. A child whose inbox is full is passed over, and
    /// one that has stopped is forgotten; what no child takes is opened here. False when it is a
    /// child already.
    pub fn add_child<V: 'static>(&mut self, child: &Remote<V>) -> bool {
        self.cx().add_child(child)
    }

    /// Ends what [`add_child`](Self::add_child) has begun. The child keeps what it has. False when
    /// it is no child, or was forgotten.
    pub fn remove_child<V: 'static>(&mut self, child: &Remote<V>) -> bool {
        self.cx().remove_child(child)
    }

    /// How many loops get what is accepted here.
    pub fn children(&self) -> usize {
        self.worker.state.children()
    }

    /// Takes over a connected stream socket, of TCP or Unix, as if this loop had accepted it. The
    /// next turn opens it; it is not given to children. [`Remote::adopt`] does so from other
    /// threads.
    ///
    /// # Errors
    /// [`AdoptError::Socket`]: it is something else, or not connected any more.
    pub fn adopt(&mut self, socket: OwnedFd) -> Result<(), AdoptError> {
        self.cx().adopt(socket)
    }

    fn cx(&mut self) -> Cx<'_, U> {
        let state = &mut self.worker.state;
        Cx { state }
    }

    pub(super) fn add_listener(
        &mut self,
        listener: Listener,
        address: ListenAddress,
    ) -> Result<(), Error> {
        Ok(self.worker.state.listeners_mut().add(listener, address)?)
    }

    /// How long the loop may wait for its descriptor; `None` is for ever.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.worker
            .next_timeout_ms(self.driver.now())
            .map(Duration::from_millis)
    }

    /// Waits at most `timeout`, and not beyond [`next_timeout`](Self::next_timeout); then does
    /// what there is to do. A foreign loop passes zero.
    ///
    /// # Errors
    /// [`Error::Io`] when the kernel refuses to poll.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        let timeout = [timeout, self.next_timeout()].into_iter().flatten().min();
        self.driver.poll(timeout)?;
        self.worker.turn(&mut self.driver, &*self.sink);
        Ok(())
    }

    /// Runs `f` as if it were a callback, between turns: for what happens outside the loop, in a
    /// program whose own loop drives this one. What it sends has left when this returns, and other
    /// callbacks may have run by then. `None` if it has panicked, which is counted and logged.
    ///
    /// [`next_timeout`](Self::next_timeout) may be sooner afterwards.
    pub fn enter<R>(&mut self, f: impl FnOnce(&mut Cx<'_, U>) -> R) -> Option<R> {
        let f = |state: &mut State<U>| f(&mut Cx { state });
        self.worker.enter(&self.driver, f)
    }

    /// The same, but what it sends may stay until [`settle`](Self::settle) or the next
    /// [`turn`](Self::turn), one of which the caller owes before it waits: so many calls from
    /// outside share the system calls. No callback runs within it.
    pub fn enter_unsettled<R>(&mut self, f: impl FnOnce(&mut Cx<'_, U>) -> R) -> Option<R> {
        let f = |state: &mut State<U>| f(&mut Cx { state });
        self.worker.enter_unsettled(&self.driver, f)
    }

    /// Sees to what calls from outside have caused: sends, and runs callbacks.
    pub fn settle(&mut self) {
        self.worker.settle_all(&*self.sink);
    }

    /// Adds, replaces or removes routes, and adds kinds of WebSocket, between turns.
    ///
    /// # Errors
    /// [`Error::Route`] for a malformed route: what was changed before it stays.
    pub fn change_routes(&mut self, change: impl FnOnce(&mut App<U>)) -> Result<(), Error> {
        let sockets = self.worker.service.change(change)?;
        self.worker.state.add_sockets(sockets);
        self.worker.look_at_service();
        Ok(())
    }

    /// Runs until [`stop`](Self::stop) is asked for, from a callback or another thread, and
    /// everything has ended.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub fn run(&mut self) -> Result<(), Error> {
        while !self.is_stopped() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Begins a graceful stop: nothing new is accepted, answers that have begun are completed, and
    /// what is not done after `grace` is cut.
    pub fn stop(&self, grace: Duration) {
        self.remote().stop(grace);
    }

    /// Whether a stop has been asked for and every connection is closed.
    pub fn is_stopped(&self) -> bool {
        self.worker.is_stopped()
    }

    /// A way into this loop from other threads.
    pub fn remote(&self) -> Remote<U> {
        Remote::of(&self.worker.state)
    }

    /// What the loop has counted.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        counts.add(self.worker.state.counters());
        counts
    }
}

impl<U: 'static> AsRawFd for EventLoop<U> {
    /// Readable whenever there is something to do.
    fn as_raw_fd(&self) -> RawFd {
        self.driver.as_raw_fd()
    }
}

impl<U: 'static> Drop for EventLoop<U> {
    fn drop(&mut self) {
        self.worker.state.close_inbox();
    }
}
