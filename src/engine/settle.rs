//! What happens between callbacks: output is flushed, news is delivered, the dead are buried.

use std::mem;

use super::conn::ConnectionId;
use super::service::Service;
use super::state::{Notice, State};
use super::worker::Worker;
use crate::util::slab::Id;

/// A callback may cause news for another one. After this many rounds the rest waits for the next
/// turn, so that two callbacks cannot keep the loop to themselves.
const ROUNDS_MAX: usize = 8;

impl<S: Service> Worker<S> {
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if self.state.is_quiet() {
                return;
            }
            self.state.write_published();
            self.state.flush_dirty();
            for notice in mem::take(&mut self.state.notices) {
                self.deliver_notice(notice);
            }
            self.state.free_closed();
            self.bury();
        }
    }

    fn deliver_notice(&mut self, notice: Notice<S::User>) {
        match notice {
            Notice::Call(callback) => {
                self.call(None, |_, state| callback(state));
            }
            Notice::Connection(id, opened) => {
                let id = ConnectionId(id);
                self.call(None, |service, state| service.connection(state, id, opened));
                if !opened {
                    self.state.free(id.0);
                }
            }
            Notice::Socket(id, news) => self.deliver_socket_news(id, news),
            Notice::Writable(id) => {
                let Some(conn) = self.state.conns.get_mut(id.conn) else {
                    return;
                };
                conn.in_notices = false;
                let drained = !conn.blocked && conn.out.ready().is_empty();
                if conn.request != id.request || !conn.owes_answer() || !drained {
                    return; // It was overtaken; the next flush will say so again.
                }
                let written = conn.exchange.written;
                let Some(writable) = conn.later().writable.take() else {
                    return;
                };
                conn.exchange.detached = false;
                self.call(Some(id), |_, state| writable(state, id, written));
            }
        }
    }

    /// Drops user values, which may run user code: as guarded as a callback.
    fn bury(&mut self) {
        for grave in mem::take(&mut self.state.graveyard) {
            self.call(None, |_, _| drop(grave));
        }
    }
}

impl<U> State<U> {
    pub(super) fn flush_dirty(&mut self) {
        let mut dirty = mem::take(&mut self.dirty);
        self.send_batch(&dirty);
        for id in dirty.drain(..) {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.in_dirty = false;
                self.flush(id);
            }
        }
        debug_assert!(
            self.dirty.is_empty(),
            "flushing closes and notifies, but does not write"
        );
        self.dirty = dirty;
    }

    /// The same from within a callback, which may be about to end the process.
    #[cfg(feature = "binding")]
    pub(crate) fn flush_ready(&mut self) {
        self.write_published();
        self.flush_dirty();
        if let Some(id) = self.driven {
            self.flush(id);
        }
    }

    /// Frees what was closed, once whoever listens was told. From then on its ids are stale.
    fn free_closed(&mut self) {
        for id in mem::take(&mut self.closing) {
            if self.tells_of_connections {
                self.notices.push_back(Notice::Connection(id, false));
            } else {
                self.free(id);
            }
        }
    }

    fn free(&mut self, id: Id) {
        if let Some(mut conn) = self.conns.remove(id) {
            self.counters.connections_open.drop_one();
            if !self.proxied.is_empty() {
                self.proxied.remove(&id);
            }
            debug_assert!(conn.later.is_none(), "close takes the callbacks");
            conn.out.rollback();
            conn.out.consume(conn.out.len());
            Self::reclaim_buffer(&mut conn, &mut self.spare);
        }
    }
}
