//! Stopping: what runs is finished, what idles is closed, what hangs is cut at the deadline.

use super::conn::Phase;
use super::service::Service;
use super::state::Timer;
use super::worker::Worker;
use crate::util::slab::Id;

impl<S: Service> Worker<S> {
    /// Begins to stop, or moves the deadline nearer.
    pub(super) fn stop(&mut self, grace_ms: u64) {
        let deadline = self.state.now.saturating_add(grace_ms);
        let earlier = self.state.stopping.is_none_or(|before| deadline < before);
        if !earlier {
            return;
        }
        let first = self.state.stopping.is_none();
        self.state.stopping = Some(deadline);
        let cut = self.state.tasks.insert_with(|_| {
            super::timers::Task::new(Box::new(|state| {
                for id in state.conns.ids().collect::<Vec<_>>() {
                    state.close(id);
                }
            }))
        });
        if let Some(id) = cut {
            self.state.wheel.insert(deadline, Timer::Task(id));
        }
        if first {
            self.release_idle();
        }
    }

    /// Connections between requests are closed, unless a request is already in the kernel: that one
    /// was sent before the peer could know.
    pub(super) fn release_idle(&mut self) {
        for id in self.state.conns.ids().collect::<Vec<Id>>() {
            if let Some(conn) = self.state.conns.get_mut(id) {
                conn.keep_alive = false;
                conn.readable |= conn.phase == Phase::Idle;
                if conn.readable {
                    self.drive(id);
                }
            }
            if self
                .state
                .conns
                .get(id)
                .is_some_and(|conn| conn.phase == Phase::Idle)
            {
                self.state.end_connection(id);
            }
        }
    }
}
