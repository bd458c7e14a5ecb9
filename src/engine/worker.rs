//! The worker: read this first.
//!
//! A worker is a set of handlers and a state, side by side. [`Worker::turn`] is the whole life of
//! it: each step below does one kind of work, in a fixed order and within bounds, and
//! [`Worker::call`] is the only place where user code runs.

use super::conn::{Conn, NEVER, Phase, ResponseId};
use super::service::Service;
use super::state::{Notice, State};
use crate::config::ProxyProtocol;
use crate::net::batch::SENDS_MAX;
use crate::net::driver::{Driver, Ready};
use crate::net::listeners::is_transient;
use crate::observe::{Level, Sink};
use crate::util::unwind::guarded;
use crate::util::wheel::Tick;

/// After this many ready connections, output and news do not wait for the rest of the batch.
const READY_PER_SETTLE: usize = SENDS_MAX;
/// Connections taken from the kernel in one turn.
const ACCEPTS_PER_TURN: usize = 256;
/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_PAUSE_MS: u64 = 100;
/// How far ahead a connection's timer is set at most. A deadline that is then set nearer than the
/// last takes a second entry, so this is below those that come one after the other.
const ARM_AHEAD_MS: u64 = 20_000;

/// Handlers and state are disjoint fields: a callback gets `&service` and `&mut state`.
pub(crate) struct Worker<S: Service> {
    pub(crate) service: S,
    pub(crate) state: State<S::User>,
}

impl<S: Service> Worker<S> {
    pub(crate) fn new(service: S, state: State<S::User>) -> Self {
        let mut worker = Self { service, state };
        worker.look_at_service();
        worker
    }

    /// The service may have changed what it wants to hear of.
    pub(crate) fn look_at_service(&mut self) {
        self.state.tells_of_connections = self.service.hears_of_connections();
    }

    /// One turn of the loop, after the driver has polled.
    pub(crate) fn turn<D: Driver>(&mut self, driver: &mut D, sink: &Sink) {
        self.state.set_clock(driver.now(), || driver.unix_s());
        self.drain_inbox();
        self.accept(driver);
        for (count, ready) in driver.ready().enumerate() {
            self.ready(ready);
            if count % READY_PER_SETTLE == READY_PER_SETTLE - 1 {
                self.settle();
            }
        }
        // What has been answered does not wait for what follows.
        self.settle();
        self.run_backlog();
        self.expire();
        self.settle();
        self.observe(sink);
    }

    /// Runs `callback` between turns and sees to what it has caused; `None` if it has panicked.
    pub(crate) fn enter<R>(
        &mut self,
        driver: &impl Driver,
        callback: impl FnOnce(&mut State<S::User>) -> R,
    ) -> Option<R> {
        let result = self.enter_unsettled(driver, callback);
        self.settle();
        result
    }

    /// Runs `callback` between turns and leaves what it has caused to whoever settles next.
    pub(crate) fn enter_unsettled<R>(
        &mut self,
        driver: &impl Driver,
        callback: impl FnOnce(&mut State<S::User>) -> R,
    ) -> Option<R> {
        self.state.set_clock(driver.now(), || driver.unix_s());
        let mut result = None;
        self.call(None, |_, state| result = Some(callback(state)));
        result
    }

    /// Sees to what was left by `enter_unsettled`.
    pub(crate) fn settle_all(&mut self, sink: &Sink) {
        self.settle();
        self.observe(sink);
    }

    /// How long the driver may wait from `now` on, in milliseconds: `None` is until there is news.
    pub(crate) fn next_timeout_ms(&self, now: Tick) -> Option<u64> {
        let state = &self.state;
        if !state.is_quiet() || !state.backlog.is_empty() || !state.arrivals.is_empty() {
            return Some(0);
        }
        let accept = Some(state.accept_after).filter(|&tick| tick > state.now);
        let next = [state.wheel.next_deadline(), accept]
            .into_iter()
            .flatten()
            .min();
        next.map(|tick| tick.saturating_sub(now))
    }

    /// Whether the worker was told to stop and nothing is open any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state.stopping.is_some() && self.state.connections() == 0
    }

    /// Runs user code: the only function that does (AI-1). A panic ends the callback, not the
    /// worker. When the callback was to see to an answer and neither gave nor kept it, the peer
    /// gets 500. Returns whether neither happened.
    #[inline]
    pub(super) fn call(
        &mut self,
        answer: Option<ResponseId>,
        callback: impl FnOnce(&S, &mut State<S::User>),
    ) -> bool {
        let Self { service, state } = self;
        debug_assert_eq!(state.depth, 0, "AI-1: a callback while a callback runs");
        state.depth = 1;
        let well = guarded(|| callback(service, state)).is_some();
        state.depth = 0;
        if !well {
            state.counters.panics.bump();
            let conn = answer.map(|id| id.conn);
            state.record(Level::Error, conn, "a handler panicked".to_owned());
        }
        let answered = answer.is_none_or(|id| state.check_answer(id, !well));
        well && answered
    }

    fn accept<D: Driver>(&mut self, driver: &mut D) {
        let state = &mut self.state;
        if state.stopping.is_some_and(|deadline| deadline <= state.now) {
            state.refuse_arrivals();
            return driver.stop_listening(&mut state.listeners);
        }
        for _ in 0..state.arrivals.len().min(ACCEPTS_PER_TURN) {
            if let Some((transport, peer)) = state.arrivals.pop_front() {
                state.open(transport, peer, driver);
            }
        }
        if state.now < state.accept_after {
            return;
        }
        if state.stopping.is_some() {
            // What has come since the last poll is accepted too, before the listeners close.
            state.listeners.look_at_all();
        }
        for _ in 0..ACCEPTS_PER_TURN {
            match driver.accept(&mut state.listeners) {
                None => {
                    if state.stopping.is_some() {
                        // Only now: a listener that closes resets what is queued on it.
                        driver.stop_listening(&mut state.listeners);
                    }
                    return;
                }
                Some(Ok(accepted)) => {
                    if let Some((transport, peer)) = state.children.offer(accepted, &state.counters)
                    {
                        state.open(transport, peer, driver);
                    }
                }
                Some(Err(error)) if is_transient(&error) => {}
                Some(Err(error)) => {
                    state.counters.accept_paused.bump();
                    let message = format!("accepting is paused: {error}");
                    state.record(Level::Warn, None, message);
                    state.accept_after = state.now + ACCEPT_PAUSE_MS;
                    return;
                }
            }
        }
        // There may be more, and an edge-triggered driver will not say so again.
        state.accept_after = state.now + 1;
    }

    fn ready(&mut self, ready: Ready) {
        let Some(conn) = self.state.conns.get_mut(ready.id) else {
            self.state.counters.events_stale.bump();
            return;
        };
        if ready.reset {
            return self.state.close(ready.id);
        }
        conn.readable |= ready.readable || ready.read_closed;
        conn.read_closed |= ready.read_closed;
        let (readable, unblocked) = (conn.readable, ready.writable && conn.blocked);
        if unblocked {
            self.state.unblocked(ready.id);
        }
        if readable {
            self.drive(ready.id);
        }
    }

    /// Input that could not be handled when it came. What is added meanwhile is for the next turn.
    fn run_backlog(&mut self) {
        for _ in 0..self.state.backlog.len() {
            let Some(id) = self.state.backlog.pop_front() else {
                break;
            };
            if let Some(conn) = self.state.conns.get_mut(id) {
                conn.in_backlog = false;
                self.drive(id);
            }
        }
    }

    /// Hands the queued records out: the turn's callbacks are done.
    fn observe(&mut self, sink: &Sink) {
        if !self.state.log.is_empty() {
            for record in self.state.log.take() {
                // A logger is user code as well; its panic must not end the worker.
                if guarded(|| sink(&record)).is_none() {
                    self.state.counters.panics.bump();
                }
            }
        }
    }
}

impl<U> State<U> {
    fn open<D: Driver>(
        &mut self,
        mut transport: crate::net::transport::Transport,
        peer: Option<std::net::SocketAddr>,
        driver: &D,
    ) {
        if self.conns.len() >= self.config.connections_max {
            self.counters.connections_refused.bump();
            return;
        }
        let mut registered = Ok(());
        let phase = match self.config.proxy_protocol {
            ProxyProtocol::Off => Phase::Idle,
            ProxyProtocol::Accepted | ProxyProtocol::Required => Phase::Proxy,
        };
        let inserted = self.conns.insert_with(|id| {
            registered = driver.register(&mut transport, id);
            Conn::new(transport, peer, phase)
        });
        let Some(id) = inserted else {
            self.counters.connections_refused.bump();
            return;
        };
        if let Err(error) = registered {
            self.record(
                Level::Error,
                Some(id),
                format!("cannot watch a connection: {error}"),
            );
            self.conns.remove(id);
            return;
        }
        self.counters.connections_accepted.bump();
        self.counters.connections_open.bump();
        let idle_ms = if self.stopping.is_some() {
            self.config.linger_timeout_ms
        } else {
            self.config.keep_alive_timeout_ms
        };
        self.set_read_deadline(id, self.tick_in(idle_ms));
        if self.tells_of_connections {
            self.notices.push_back(Notice::Connection(id, true));
        }
    }

    /// After a callback that was to see to the answer `id`: whether it did.
    #[inline]
    fn check_answer(&mut self, id: ResponseId, panicked: bool) -> bool {
        let Some(conn) = self.conns.get(id.conn) else {
            return true;
        };
        let owed = conn.request == id.request && conn.owes_answer();
        if !owed || (conn.exchange.detached && !panicked) {
            return true;
        }
        self.unanswered(id, panicked);
        false
    }

    #[cold]
    fn unanswered(&mut self, id: ResponseId, panicked: bool) {
        if !panicked {
            self.counters.misuse_unanswered.bump();
            let message = "a handler neither answered nor kept the answer for later";
            self.record(Level::Warn, Some(id.conn), message.to_owned());
        }
        self.answer_failed(id);
    }

    pub(super) fn arm(&mut self, id: crate::util::slab::Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let deadline = conn.read_deadline.min(conn.write_deadline);
        // One entry is enough for what is further ahead: it comes up early and is put in again.
        let next = if deadline == NEVER {
            NEVER
        } else {
            deadline.min(self.now + ARM_AHEAD_MS)
        };
        // A deadline that moved away is found when the old entry comes up: re-arming costs nothing.
        if next < conn.armed {
            conn.armed = next;
            self.wheel.insert(next, id);
        }
    }
}
