//! Deadlines of connections, and timers of the user's.

use super::conn::{NEVER, Phase, ResponseId};
use super::service::Service;
use super::state::{Callback, Grave, State};
use super::websocket::CloseCause;
use super::worker::Worker;
use crate::proto::ProtocolError;
use crate::proto::proxy::ProxyError;
use crate::util::slab::{Id, WORKER_RESERVED};
use crate::util::wheel::Tick;

/// Names a timer that was armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId(Id);

#[cfg(feature = "binding")]
impl TimerId {
    /// The bits, for a foreign interface.
    pub fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The id of these bits. Any will do: those that name no timer are found not to.
    pub fn from_bits(bits: u64) -> Self {
        Self(Id::from_bits(bits))
    }
}

/// A timer's callback.
pub(super) struct Task<U>(Callback<U>);

impl<U> Task<U> {
    pub(super) fn new(callback: Callback<U>) -> Self {
        Self(callback)
    }
}

/// What is in the wheel is named by its id alone, to be small: tasks are in a slab of a number that
/// no worker has.
pub(super) const TASKS: u8 = WORKER_RESERVED;

fn is_task(id: Id) -> bool {
    id.worker() == TASKS
}

impl<S: Service> Worker<S> {
    /// What has come up. Keys are collected first: a callback may arm and cancel as it likes.
    pub(super) fn expire(&mut self) {
        let now = self.state.now;
        if self
            .state
            .wheel
            .next_deadline()
            .is_none_or(|tick| tick > now)
        {
            return;
        }
        let mut expired = Vec::new();
        self.state.wheel.advance(now, &mut expired);
        for timer in expired {
            if !is_task(timer) {
                self.state.expire_conn(timer);
            } else if let Some(Task(callback)) = self.state.tasks.remove(timer) {
                self.call(None, |_, state| callback(state));
            }
        }
    }
}

impl<U> State<U> {
    /// Calls `callback` after at least `delay_ms`.
    pub(crate) fn after(&mut self, delay_ms: u64, callback: Callback<U>) -> Option<TimerId> {
        if self.tasks.is_full() {
            self.graveyard.push(Grave::Task(callback));
            return None;
        }
        let id = self.tasks.insert_with(|_| Task(callback))?;
        // The present tick has begun already, so it does not count.
        self.wheel
            .insert(self.now.saturating_add(delay_ms).saturating_add(1), id);
        Some(TimerId(id))
    }

    /// Forgets a timer; false when it has come up already.
    pub(crate) fn cancel(&mut self, TimerId(id): TimerId) -> bool {
        let task = self.tasks.remove(id);
        let found = task.is_some();
        self.graveyard
            .extend(task.map(|Task(callback)| Grave::Task(callback)));
        found
    }

    #[inline]
    pub(super) fn set_read_deadline(&mut self, id: Id, deadline: Tick) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.read_deadline = deadline;
            if deadline < conn.armed {
                self.arm(id);
            }
        }
    }

    pub(super) fn set_write_deadline(&mut self, id: Id) {
        let deadline = self.tick_in(self.config.write_stall_timeout_ms);
        if let Some(conn) = self.conns.get_mut(id) {
            conn.write_deadline = deadline;
            self.arm(id);
        }
    }

    /// Sets the deadline that fits how the present body is being read.
    pub(super) fn watch_body(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.wants_body() && !conn.body.is_done() {
            conn.body.begin_window();
            self.set_read_deadline(id, self.tick_in(self.config.body_window_ms));
        } else if conn.answer_is_open() && self.config.answer_timeout_ms > 0 {
            self.set_read_deadline(id, self.tick_in(self.config.answer_timeout_ms));
        } else {
            conn.read_deadline = NEVER;
        }
    }

    fn expire_conn(&mut self, id: Id) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.armed > now {
            return; // An older entry: a nearer one was armed in its place.
        }
        conn.armed = NEVER;
        if conn.write_deadline <= now {
            self.counters.write_stalls.bump();
            self.lose(id, CloseCause::WriteStall);
            return self.close(id);
        }
        if conn.read_deadline <= now {
            conn.read_deadline = NEVER;
            self.expire_read(id);
        }
        self.arm(id);
    }

    fn expire_read(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        match conn.phase {
            Phase::Proxy if conn.head_parsed > 0 => self.refuse_proxy(id, ProxyError::Timeout),
            // It waits for its answer, not for the next request.
            Phase::Idle if !conn.out.is_empty() => {
                self.set_read_deadline(id, self.tick_in(self.config.keep_alive_timeout_ms));
            }
            Phase::Proxy | Phase::Idle => {
                self.counters.idle_timeouts.bump();
                self.end_connection(id);
            }
            Phase::Head => {
                let head_only = conn.stash.bytes().starts_with(b"HEAD ");
                self.refuse_head(id, ProtocolError::Timeout, head_only);
            }
            Phase::Exchange if conn.wants_body() && !conn.body.is_done() => {
                self.check_throughput(id);
            }
            Phase::Exchange if conn.answer_is_open() && self.config.answer_timeout_ms > 0 => {
                let id = ResponseId {
                    conn: id,
                    request: conn.request,
                };
                self.counters.aborted.bump();
                self.drop_later(id.conn, true);
                self.answer_status(id, 503);
            }
            Phase::Ending if conn.socket.is_some() => self.close(id),
            Phase::Exchange | Phase::Ending => {}
            Phase::Open => self.expire_socket(id),
            Phase::Closing => self.end_connection(id),
            Phase::Linger | Phase::Closed => self.close(id),
        }
    }

    /// At the end of a window: whether the body came fast enough in it.
    fn check_throughput(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let received = conn.body.begin_window();
        let needed = self
            .config
            .body_throughput_min
            .saturating_mul(self.config.body_window_ms);
        if received.saturating_mul(1000) < needed {
            return self.refuse(id, ProtocolError::Timeout);
        }
        self.set_read_deadline(id, self.tick_in(self.config.body_window_ms));
    }
}
