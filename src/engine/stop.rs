//! Stopping: what runs is finished, what idles is closed, what hangs is cut at the deadline.

use super::conn::Phase;
use super::service::Service;
use super::state::State;
use super::websocket::CloseCause;
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
        self.state.remote.begin_stop();
        let cut = self.state.tasks.insert_with(|_| {
            super::timers::Task::new(Box::new(|state| {
                for id in state.conns.ids().collect::<Vec<_>>() {
                    let code = state.config.stop_close_code;
                    state.end_for(id, CloseCause::Stop, code, "server is stopping");
                    state.close(id);
                }
            }))
        });
        if let Some(id) = cut {
            self.state.wheel.insert(deadline, id);
        }
        if first {
            self.state.expire_sockets(grace_ms);
            self.release_idle();
        }
    }

    /// Connections between requests are closed, unless a request is already in the kernel: that one
    /// was sent before the peer could know.
    pub(super) fn release_idle(&mut self) {
        for id in self.state.conns.ids().collect::<Vec<Id>>() {
            if let Some(conn) = self.state.conns.get_mut(id) {
                conn.exchange.keep_alive = false;
                conn.readable |= matches!(conn.phase, Phase::Proxy | Phase::Idle);
                if conn.readable {
                    self.drive(id);
                }
            }
            if self
                .state
                .conns
                .get(id)
                .is_some_and(|conn| matches!(conn.phase, Phase::Proxy | Phase::Idle))
            {
                self.state.end_connection(id);
            }
        }
    }
}

impl<U> State<U> {
    /// Has every WebSocket come to its end, one after the other over the configured time.
    fn expire_sockets(&mut self, grace_ms: u64) {
        let open = |id: &Id| self.conns.get(*id).is_some_and(|c| c.phase == Phase::Open);
        let ids: Vec<Id> = self.conns.ids().filter(open).collect();
        // The last of them, too, has time to answer.
        let spread_max = grace_ms.saturating_sub(self.config.linger_timeout_ms);
        let (spread, now) = (self.config.stop_spread_ms.min(spread_max), self.now);
        for (index, &id) in ids.iter().enumerate() {
            let share = spread.saturating_mul(index as u64) / ids.len() as u64;
            let end = self.tick_in(share);
            if let Some(conn) = self.conns.get_mut(id)
                && let Some(socket) = &mut conn.socket
            {
                socket.end_by(end, now);
                self.watch_socket(id);
            }
        }
    }
}
