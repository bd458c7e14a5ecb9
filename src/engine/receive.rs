//! Request bodies: who reads them, and handing them over.

use std::mem;

use super::conn::{ResponseId, Sink, Stage};
use super::service::Service;
use super::state::{Grave, State};
use super::worker::Worker;
use crate::error::Misuse;
use crate::proto::ProtocolError;
use crate::proto::http1::BodyStep;
use crate::util::slab::Id;

impl<U> State<U> {
    /// Has the body given to `sink`. The answer is kept for later.
    pub(super) fn receive(&mut self, id: ResponseId, sink: Sink<U>) -> Result<(), Misuse> {
        let conn = match self.answering(id) {
            Ok(conn) => conn,
            Err(misuse) => {
                self.graveyard.push(Grave::Sink(sink));
                return Err(misuse);
            }
        };
        conn.exchange.detached = true;
        let before = conn.later().sink.replace(sink);
        self.graveyard.extend(before.map(Grave::Sink));
        let Some(conn) = self.conns.get_mut(id.conn) else {
            return Ok(());
        };
        if mem::take(&mut conn.exchange.expects_continue) && conn.body.received() == 0 {
            self.send_continue(id.conn);
        }
        self.watch_body(id.conn);
        self.push_backlog(id.conn);
        Ok(())
    }

    pub(crate) fn stream_body(
        &mut self,
        id: ResponseId,
        then: super::conn::Streamed<U>,
    ) -> Result<(), Misuse> {
        self.receive(id, Sink::Stream(then))
    }

    /// Collects at most `bytes_max` bytes. A body that announces more is answered 413 unread.
    pub(crate) fn collect_body(
        &mut self,
        id: ResponseId,
        bytes_max: usize,
        then: super::conn::Collected<U>,
    ) -> Result<(), Misuse> {
        let bytes_max = bytes_max as u64;
        let sink = Sink::Collect {
            buffer: Vec::new(),
            bytes_max,
            then,
        };
        let announced = match self.answering(id) {
            Ok(conn) => conn.body.remaining().unwrap_or(0),
            Err(misuse) => {
                self.bury_sink(sink);
                return Err(misuse);
            }
        };
        if announced > bytes_max {
            self.bury_sink(sink);
            self.refuse(id.conn, ProtocolError::BodyTooLarge);
            return Ok(());
        }
        self.receive(id, sink)
    }

    /// Sends `100 Continue`, if the peer waits for it.
    pub(crate) fn write_continue(&mut self, id: ResponseId) -> Result<(), Misuse> {
        let conn = self.answering(id)?;
        if !conn.answer_is_open() {
            return Err(self.misuse(Misuse::AlreadyBegun));
        }
        if mem::take(&mut conn.exchange.expects_continue) {
            self.send_continue(id.conn);
        }
        Ok(())
    }

    fn send_continue(&mut self, id: Id) {
        if let Some(conn) = self.conns.get_mut(id)
            && conn.answer_is_open()
        {
            Self::lend_buffer(conn, &mut self.spare);
            conn.out.insert_sealed(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.push_dirty(id);
        }
    }

    /// Leaves the rest of the body in the kernel until [`resume`](Self::resume).
    pub(crate) fn pause(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.answering(id)?.exchange.body_paused = true;
        self.watch_body(id.conn);
        Ok(())
    }

    pub(crate) fn resume(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.answering(id)?.exchange.body_paused = false;
        self.watch_body(id.conn);
        self.push_backlog(id.conn);
        Ok(())
    }

    /// Whether the body goes on and the handler that was just given a piece of it wants more.
    pub(crate) fn expect_more(&mut self, id: ResponseId) -> Result<(), Misuse> {
        let conn = self.answering(id)?;
        if conn.exchange.detached && !conn.exchange.in_piece {
            return self.left_alone(id);
        }
        // Without a next piece the answer stays neither given nor kept, which is seen to.
        conn.exchange.detached |= conn.exchange.in_piece && !conn.body.is_done();
        Ok(())
    }

    fn sink_of(&mut self, id: ResponseId) -> Option<&mut Option<Sink<U>>> {
        let conn = self.conns.get_mut(id.conn)?;
        let same = conn.request == id.request && conn.owes_answer();
        if same {
            Some(&mut conn.later().sink)
        } else {
            None
        }
    }
}

impl<S: Service> Worker<S> {
    /// Handles body bytes of the present exchange. Returns how many were used; `None` when the rest
    /// has to wait.
    pub(super) fn feed_body(&mut self, id: Id, bytes: &[u8]) -> Option<usize> {
        let limits = self.state.config.body;
        let conn = self.state.conns.get_mut(id)?;
        if !conn.wants_body() {
            return None;
        }
        let discarding = conn.stage == Stage::Done;
        let (content, used) = match conn.body.decode(bytes, &limits) {
            Ok(BodyStep::Data { skip, len }) => (&bytes[skip..skip + len], skip + len),
            Ok(BodyStep::Need { used }) => return (used > 0).then_some(used),
            Ok(BodyStep::End { used }) => (&bytes[..0], used),
            Err(error) => {
                self.state.refuse(id, error);
                return None;
            }
        };
        let last = conn.body.is_done();
        if last && !discarding {
            self.state.watch_body(id);
        }
        let conn = self.state.conns.get_mut(id)?;
        if discarding {
            let dropped = conn.body.discarded();
            if last {
                self.state.exchanged(id);
            } else if dropped > self.state.config.discard_bytes_max {
                self.state.end_connection(id);
            }
        } else {
            let id = ResponseId {
                conn: id,
                request: conn.request,
            };
            self.deliver(id, content, last);
        }
        Some(used)
    }

    /// Gives a piece of the body to whoever reads it.
    fn deliver(&mut self, id: ResponseId, content: &[u8], last: bool) {
        let Some(slot) = self.state.sink_of(id) else {
            return;
        };
        match slot.take() {
            Some(Sink::Collect {
                mut buffer,
                bytes_max,
                then,
            }) => {
                if (buffer.len() + content.len()) as u64 > bytes_max {
                    self.state.bury_sink(Sink::Collect {
                        buffer,
                        bytes_max,
                        then,
                    });
                    return self.state.refuse(id.conn, ProtocolError::BodyTooLarge);
                }
                buffer.extend_from_slice(content);
                if last {
                    self.begin_delivery(id);
                    self.call(Some(id), |_, state| then(state, id, buffer));
                } else {
                    *slot = Some(Sink::Collect {
                        buffer,
                        bytes_max,
                        then,
                    });
                }
            }
            Some(Sink::Stream(mut then)) => {
                self.begin_delivery(id);
                self.state.set_in_piece(id, true);
                let alive = self.call(Some(id), |_, state| then(state, id, content, last));
                self.state.set_in_piece(id, false);
                let sink = Sink::Stream(then);
                match self.state.sink_of(id) {
                    // The callback may have named another reader for the rest.
                    Some(slot) if alive && slot.is_none() && !last => *slot = Some(sink),
                    _ => self.state.bury_sink(sink),
                }
            }
            None => {}
        }
    }

    /// The callback about to run has to keep the answer again, or give it.
    fn begin_delivery(&mut self, id: ResponseId) {
        if let Some(conn) = self.state.conns.get_mut(id.conn) {
            conn.exchange.detached = false;
        }
    }
}

impl<U> State<U> {
    fn set_in_piece(&mut self, id: ResponseId, in_piece: bool) {
        if let Some(conn) = self.conns.get_mut(id.conn) {
            conn.exchange.in_piece = in_piece;
        }
    }

    fn bury_sink(&mut self, sink: Sink<U>) {
        self.graveyard.push(Grave::Sink(sink));
    }
}
