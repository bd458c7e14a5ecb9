//! Access records: one for each answer, and one for the end of each WebSocket.

use super::state::State;
use super::websocket::CloseCause;
use crate::observe::Level;
use crate::proto::http1::Head;
use crate::util::slab::Id;
use crate::util::wheel::Tick;

/// A request of which there will be a record.
pub(super) struct Access {
    /// Method and target.
    what: Box<str>,
    since: Tick,
}

impl<U> State<U> {
    /// A request has arrived. Whatever became of an earlier one has been recorded.
    #[cold]
    pub(super) fn begin_access(&mut self, id: Id, head: &Head<'_>) {
        let (method, target) = (head.method().escape_ascii(), head.target().escape_ascii());
        let access = Access {
            what: format!("{method} {target}").into(),
            since: self.now,
        };
        self.accesses.insert(id, access);
        if let Some(conn) = self.conns.get_mut(id) {
            conn.exchange.plain = false;
        }
    }

    /// Its answer is complete.
    pub(super) fn record_answer(&mut self, id: Id) {
        let Some(conn) = self.conns.get(id) else {
            return;
        };
        let (status, bytes) = (conn.exchange.status, conn.exchange.written);
        if let Some(Access { what, since }) = self.accesses.remove(&id) {
            let ms = self.now - since;
            self.record_access(id, format!("{what}: {status}, {bytes} bytes, {ms} ms"));
        }
    }

    /// Its answer was 101. What is kept of it is for the socket's end.
    pub(super) fn record_upgrade(&mut self, id: Id) {
        if let Some(Access { what, since }) = self.accesses.get(&id) {
            let message = format!("{what}: 101, {} ms", self.now - since);
            self.record_access(id, message);
        }
    }

    /// The peer has left, or was dropped, before its answer was complete.
    pub(super) fn record_abort(&mut self, id: Id) {
        if let Some(Access { what, since }) = self.accesses.remove(&id) {
            let ms = self.now - since;
            self.record_access(id, format!("{what}: no answer, {ms} ms"));
        }
    }

    /// A WebSocket has ended.
    pub(super) fn record_closed(&mut self, id: Id, cause: CloseCause, code: u16) {
        if let Some(Access { what, since }) = self.accesses.remove(&id) {
            let ms = self.now - since;
            self.record_access(id, format!("{what}: closed {code}, {cause:?}, {ms} ms"));
        }
    }

    fn record_access(&mut self, id: Id, message: String) {
        self.record_of(Level::Info, Some(id), message, true);
    }
}
