//! A worker without an operating system: connections in memory, a clock that stands still until it
//! is moved, and every step in the hands of the test. Not part of the stable surface.

pub mod sample;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::app::{App, Cx, Remote, Routes};
use crate::config::Config;
use crate::engine::worker::Worker;
use crate::engine::{self, State};
use crate::net::driver::{Driver, Ready, Waker};
use crate::net::memory::{MemoryDriver, Wire};
use crate::observe::{Counts, Record};
pub use crate::pubsub::Fanout;
use crate::pubsub::Hub;

/// Names a client of a [`Sim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(usize);

/// A worker in memory, and its clients.
pub struct Sim<U: 'static = ()> {
    worker: Worker<Routes<U>>,
    driver: MemoryDriver,
    wires: Vec<Rc<RefCell<Wire>>>,
    records: Arc<Mutex<Vec<Record>>>,
}

/// Turns after which a worker that still has something to do is taken to be spinning.
const TURNS_MAX: usize = 100_000;

impl Sim<()> {
    /// A worker with the routes that `setup` registers.
    pub fn new(config: Config, setup: impl Fn(&mut App)) -> Self {
        Self::with_state(config, (), setup)
    }
}

impl<U: 'static> Sim<U> {
    /// The same with a value of the user's.
    ///
    /// # Panics
    /// When a route is malformed.
    pub fn with_state(config: Config, user: U, setup: impl Fn(&mut App<U>)) -> Self {
        let mut service = Routes::new();
        let sockets = service
            .change(&setup)
            .expect("the test's routes are well formed");
        let remote = engine::Remote::new(config.inbox_capacity, Waker::none());
        let hub = Hub::new(1, None);
        hub.register(0, Box::new(remote.clone()));
        let state = State::new(
            0,
            user,
            Arc::new(config),
            sockets.into(),
            hub,
            Arc::default(),
            remote,
        );
        Self {
            worker: Worker::new(service, state),
            driver: MemoryDriver::default(),
            wires: Vec::new(),
            records: Arc::default(),
        }
    }

    /// Connects a client, whose receive window is without bounds.
    pub fn connect(&mut self) -> Client {
        let wire = Rc::new(RefCell::new(Wire {
            window: usize::MAX,
            ..Wire::default()
        }));
        self.driver.incoming.push_back(Rc::clone(&wire));
        self.wires.push(wire);
        Client(self.wires.len() - 1)
    }

    /// Puts bytes on the wire towards the server.
    pub fn send(&mut self, client: Client, bytes: &[u8]) {
        self.wires[client.0].borrow_mut().to_server.extend(bytes);
        self.announce(client, |ready| ready.readable = true);
    }

    /// The client shuts its sending side.
    pub fn finish(&mut self, client: Client) {
        self.wires[client.0].borrow_mut().client_finished = true;
        self.announce(client, |ready| {
            (ready.readable, ready.read_closed) = (true, true)
        });
    }

    /// The client resets the connection.
    pub fn reset(&mut self, client: Client) {
        self.wires[client.0].borrow_mut().client_reset = true;
        self.announce(client, |ready| {
            (ready.readable, ready.writable, ready.read_closed) = (true, true, true);
            ready.reset = true;
        });
    }

    /// Sets how many bytes the client holds before the server has to wait.
    pub fn set_window(&mut self, client: Client, bytes: usize) {
        self.wires[client.0].borrow_mut().window = bytes;
        self.announce(client, |ready| ready.writable = true);
    }

    /// Takes what has arrived at the client. That opens its window again.
    pub fn received(&mut self, client: Client) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.wires[client.0].borrow_mut().to_client);
        self.announce(client, |ready| ready.writable = true);
        bytes
    }

    /// Whether the server has closed the connection, or its sending side.
    pub fn is_closed(&self, client: Client) -> bool {
        let wire = self.wires[client.0].borrow();
        wire.server_closed || wire.server_finished
    }

    /// Whether the server has freed the connection.
    pub fn is_freed(&self, client: Client) -> bool {
        self.wires[client.0].borrow().server_closed
    }

    /// How many times the server has handed bytes to the kernel for this client.
    pub fn sends(&self, client: Client) -> usize {
        self.wires[client.0].borrow().sends
    }

    /// One turn of the loop.
    pub fn turn(&mut self) {
        let polled = self.driver.poll(None);
        debug_assert!(polled.is_ok(), "memory cannot fail");
        let records = Arc::clone(&self.records);
        let sink = move |record: &Record| {
            records
                .lock()
                .expect("no test panics in here")
                .push(record.clone());
        };
        self.worker.turn(&mut self.driver, &sink);
        self.announce_unheard();
    }

    /// Turns until there is nothing to do without the clock moving.
    ///
    /// # Panics
    /// When that does not come to an end.
    pub fn run_until_idle(&mut self) {
        for _ in 0..TURNS_MAX {
            self.turn();
            let paused = self.worker.state.accept_is_paused();
            let idle = self.driver.coming.is_empty() && (self.driver.incoming.is_empty() || paused);
            if idle && self.worker.next_timeout_ms(self.driver.now) != Some(0) {
                return;
            }
        }
        panic!("the worker does not come to rest");
    }

    /// Moves the clock, stopping wherever a timer is due.
    pub fn advance_ms(&mut self, ms: u64) {
        self.run_until_idle();
        let end = self.driver.now + ms;
        while self.driver.now < end {
            let step = self
                .worker
                .next_timeout_ms(self.driver.now)
                .unwrap_or(u64::MAX)
                .max(1);
            self.driver.now = self.driver.now.saturating_add(step).min(end);
            self.run_until_idle();
        }
    }

    /// Makes the next `count` attempts to accept fail for want of a file descriptor.
    pub fn fail_accepts(&mut self, count: usize) {
        self.driver.accept_errors = count;
    }

    /// Begins a graceful stop.
    pub fn stop(&mut self, grace_ms: u64) {
        self.worker.state.remote().stop(grace_ms);
    }

    /// Whether the stop has come to its end.
    pub fn is_stopped(&self) -> bool {
        self.worker.is_stopped()
    }

    /// A way into the worker, as other threads have it.
    pub fn remote(&self) -> Remote<U> {
        Remote::of(&self.worker.state)
    }

    /// Acts on the worker from outside any callback.
    pub fn with_cx<R>(&mut self, act: impl FnOnce(&mut Cx<'_, U>) -> R) -> R {
        act(&mut Cx::new(&mut self.worker.state))
    }

    /// What the worker has counted.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        counts.add(self.worker.state.counters());
        counts
    }

    /// Takes the log records so far.
    pub fn records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records.lock().expect("no test panics in here"))
    }

    /// Bytes of memory that connections and queues own beyond their slots.
    pub fn buffered_bytes(&self) -> usize {
        self.worker.state.buffered_bytes()
    }

    /// Checks what has to hold between turns.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        self.worker.state.check();
        let open = self.wires.iter().filter(|wire| {
            let wire = wire.borrow();
            wire.id.is_some() && !wire.server_closed
        });
        assert_eq!(
            open.count() as u64,
            self.counts().connections_open,
            "a slot for each socket"
        );
    }

    fn announce(&mut self, client: Client, what: impl Fn(&mut Ready)) {
        let Some(id) = self.wires[client.0].borrow().id else {
            return;
        };
        let mut ready = Ready {
            id,
            readable: false,
            writable: false,
            read_closed: false,
            reset: false,
        };
        what(&mut ready);
        self.driver.coming.push(ready);
    }

    /// News from before the connection was accepted, as epoll reports it at registration.
    fn announce_unheard(&mut self) {
        for index in 0..self.wires.len() {
            let wire = self.wires[index].borrow();
            let unheard = wire.id.is_some() && !wire.heard;
            let (read_closed, reset) =
                (wire.client_finished || wire.client_reset, wire.client_reset);
            let readable = !wire.to_server.is_empty() || read_closed;
            drop(wire);
            if unheard {
                self.wires[index].borrow_mut().heard = true;
                self.announce(Client(index), |ready| {
                    *ready = Ready {
                        readable,
                        writable: true,
                        read_closed,
                        reset,
                        ..*ready
                    };
                });
            }
        }
    }
}
