//! Answering: what a response guard does. Nothing here calls user code (AI-1).

use super::body::Body;
use super::compose::Content;
use super::conn::{Phase, ResponseId, Stage, Writable};
use super::state::{Callback, Grave, Notice, State};
use crate::error::Misuse;
use crate::observe::Level;
use crate::proto::ProtocolError;
use crate::proto::http1::encode;
#[cfg(feature = "binding")]
use crate::proto::http1::is_field_value;
use crate::util::slab::Id;

/// What became of written bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a writer that ignores back-pressure fills the memory"]
pub enum Sent {
    /// The kernel has them, or is offered them when the callback returns.
    Sent,
    /// The peer reads slowly: this many bytes wait in memory.
    Queued(usize),
    /// The peer reads slowly, and there was no room for this message: it was dropped.
    Dropped,
    /// The connection is gone, or was dropped because too much was waiting.
    Closed,
}

/// What became of bytes that were offered without buffering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// They were the rest of the answer, and it is complete.
    Complete,
    All,
    Part,
}

impl<U> State<U> {
    /// Sets the status. The last call before the head leaves counts.
    pub(crate) fn set_status(&mut self, id: ResponseId, status: u16) -> Result<(), Misuse> {
        let conn = self.answering(id)?;
        if !conn.answer_is_open() {
            return Err(self.misuse(Misuse::AlreadyBegun));
        }
        if !(200..=599).contains(&status) {
            return Err(self.misuse(Misuse::Status));
        }
        if conn.stage == Stage::Head {
            let mut line = Vec::new();
            encode::status_line(&mut line, status);
            conn.out.replace_open_line(&line);
        }
        conn.exchange.status = status;
        conn.exchange.plain = false;
        Ok(())
    }

    /// The same with a reason phrase of the handler's, which has to be a field value
    /// (RFC 9112 section 4).
    #[cfg(feature = "binding")]
    pub(crate) fn set_status_and_reason(
        &mut self,
        id: ResponseId,
        status: u16,
        reason: &[u8],
    ) -> Result<(), Misuse> {
        if !is_field_value(reason) {
            return Err(self.misuse(Misuse::Status));
        }
        self.set_status(id, status)?;
        let Self { conns, spare, .. } = self;
        if let Some(conn) = conns.get_mut(id.conn) {
            Self::open_head(conn, spare);
            let line = [
                b"HTTP/1.1 ",
                status.to_string().as_bytes(),
                b" ",
                reason,
                b"\r\n",
            ]
            .concat();
            conn.out.replace_open_line(&line);
        }
        Ok(())
    }

    /// Adds a header. A refused one spoils the answer when `spoil` is set: it becomes a 500, since
    /// an answer without it may be unsafe.
    pub(crate) fn push_answer_header(
        &mut self,
        id: ResponseId,
        name: &str,
        value: &[u8],
        spoil: bool,
    ) -> Result<(), Misuse> {
        let Self {
            conns,
            counters,
            spare,
            config,
            ..
        } = self;
        let conn = Self::owing(conns, counters, id)?;
        if !conn.answer_is_open() {
            return Err(self.misuse(Misuse::AlreadyBegun));
        }
        let room = config.write_buffer_bytes_max;
        let Err(misuse) = Self::push_header(conn, spare, name, value, room) else {
            return Ok(());
        };
        conn.exchange.poisoned |= spoil;
        let message = format!("refused to send the header {}", name.escape_debug());
        self.record(Level::Warn, Some(id.conn), message);
        Err(self.misuse(misuse))
    }

    /// Completes the answer with `body`.
    #[inline]
    pub(crate) fn end(&mut self, id: ResponseId, body: &[u8]) -> Result<(), Misuse> {
        if self.end_plain(id, body)? {
            return Ok(());
        }
        self.end_composed(id, body)
    }

    /// The same, however much of it has to wait for the peer.
    #[cfg(feature = "binding")]
    #[inline]
    pub(crate) fn end_whole(&mut self, id: ResponseId, body: &[u8]) -> Result<(), Misuse> {
        if self.end_plain(id, body)? {
            return Ok(());
        }
        self.answering(id)?.exchange.whole = true;
        self.end_composed(id, body)
    }

    fn end_composed(&mut self, id: ResponseId, body: &[u8]) -> Result<(), Misuse> {
        let conn = self.answering(id)?;
        if conn.exchange.poisoned && conn.answer_is_open() {
            self.answer_status(id, 500);
            return Ok(());
        }
        let bodiless = conn.exchange.head_only || encode::is_bodiless(conn.exchange.status);
        let left = conn.exchange.left;
        if !bodiless {
            conn.exchange.written += body.len() as u64;
        }
        match conn.stage {
            Stage::Pending | Stage::Head => {
                let content = if encode::is_bodiless(conn.exchange.status) {
                    Content::None
                } else {
                    Content::Length(body.len() as u64)
                };
                self.seal_head(id.conn, content);
                if !bodiless {
                    self.append(id.conn, body);
                }
            }
            Stage::Chunked if !bodiless => {
                self.append_chunk(id.conn, body);
                self.append(id.conn, encode::LAST_CHUNK);
            }
            Stage::Fixed if !bodiless && left != body.len() as u64 => {
                // The peer was promised another length: all it can be told is that this failed.
                self.close(id.conn);
                return Err(self.misuse(Misuse::Length));
            }
            Stage::Fixed | Stage::UntilClose if !bodiless => self.append(id.conn, body),
            _ => {}
        }
        self.answered(id.conn);
        Ok(())
    }

    /// Completes the answer without content. `Content-Length` is what a header has announced, as
    /// an answer to HEAD may, else 0.
    pub(crate) fn end_without_body(&mut self, id: ResponseId) -> Result<(), Misuse> {
        let conn = self.answering(id)?;
        if conn.answer_is_open() && !conn.exchange.poisoned {
            let content = match conn.declared() {
                _ if encode::is_bodiless(conn.exchange.status) => Content::None,
                Some(length) if conn.exchange.head_only => Content::Length(length),
                _ => Content::Length(0),
            };
            self.seal_head(id.conn, content);
            self.answered(id.conn);
            return Ok(());
        }
        self.end(id, b"")
    }

    /// Appends content: in chunks, or up to the length that a header has announced.
    pub(crate) fn write(&mut self, id: ResponseId, bytes: &[u8]) -> Result<Sent, Misuse> {
        let conn = self.answering(id)?;
        if conn.exchange.poisoned && conn.answer_is_open() {
            self.answer_status(id, 500);
            return Ok(Sent::Closed);
        }
        if conn.answer_is_open() {
            let content = match conn.declared() {
                _ if encode::is_bodiless(conn.exchange.status) => Content::None,
                Some(length) => Content::Length(length),
                None if conn.exchange.http10 => Content::UntilClose,
                None => Content::Chunked,
            };
            self.seal_head(id.conn, content);
        }
        let Some(conn) = self.conns.get_mut(id.conn) else {
            return Ok(Sent::Closed);
        };
        if conn.stage == Stage::Fixed {
            match conn.exchange.left.checked_sub(bytes.len() as u64) {
                Some(left) => conn.exchange.left = left,
                None if conn.exchange.head_only || encode::is_bodiless(conn.exchange.status) => {}
                None => {
                    self.misuse(Misuse::Length);
                    return Ok(self.sent(id.conn));
                }
            }
        }
        conn.exchange.written += bytes.len() as u64;
        if !conn.exchange.head_only && !encode::is_bodiless(conn.exchange.status) {
            match conn.stage {
                Stage::Chunked => self.append_chunk(id.conn, bytes),
                _ => self.append(id.conn, bytes),
            }
        }
        self.push_dirty(id.conn);
        Ok(self.sent(id.conn))
    }

    fn append_chunk(&mut self, id: Id, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(conn) = self.conns.get_mut(id) {
            Self::lend_buffer(conn, &mut self.spare);
            encode::chunk_size(conn.out.tail(), bytes.len());
        }
        self.append(id, bytes);
        self.append(id, b"\r\n");
    }

    fn sent(&self, id: Id) -> Sent {
        match self.conns.get(id) {
            Some(conn) if conn.phase == Phase::Closed => Sent::Closed,
            Some(conn) if conn.blocked && !conn.out.is_empty() => Sent::Queued(conn.out.len()),
            Some(_) => Sent::Sent,
            None => Sent::Closed,
        }
    }

    /// Writes as much of `rest`, content from the present offset on, as the kernel takes now. The
    /// whole answer has `total` bytes.
    pub(crate) fn try_end(
        &mut self,
        id: ResponseId,
        rest: &[u8],
        total: u64,
    ) -> Result<Taken, Misuse> {
        let conn = self.answering(id)?;
        if conn.exchange.poisoned && conn.answer_is_open() {
            self.answer_status(id, 500);
            return Ok(Taken::Complete);
        }
        if conn.answer_is_open() {
            let content = if encode::is_bodiless(conn.exchange.status) {
                Content::None
            } else {
                Content::Length(total)
            };
            self.seal_head(id.conn, content);
        }
        let Some(conn) = self.conns.get_mut(id.conn) else {
            return Err(Misuse::Stale);
        };
        if conn.exchange.head_only || encode::is_bodiless(conn.exchange.status) {
            self.answered(id.conn);
            return Ok(Taken::Complete);
        }
        let left = conn.exchange.left;
        if conn.stage != Stage::Fixed {
            self.answer_failed(id);
            return Err(self.misuse(Misuse::AlreadyBegun));
        }
        if rest.len() as u64 > left {
            // The peer was promised another length.
            self.answer_failed(id);
            return Err(self.misuse(Misuse::Length));
        }
        let taken = self.offer(id.conn, rest) as u64;
        let Some(conn) = self.conns.get_mut(id.conn) else {
            return Err(Misuse::Stale);
        };
        // Nobody will be told that the peer reads on.
        if conn.phase == Phase::Closed {
            return Err(Misuse::Stale);
        }
        conn.exchange.written += taken;
        conn.exchange.left = left - taken;
        if left == taken {
            self.answered(id.conn);
            return Ok(Taken::Complete);
        }
        self.push_dirty(id.conn);
        Ok(if taken == rest.len() as u64 {
            Taken::All
        } else {
            Taken::Part
        })
    }

    /// Bytes of content written to the answer.
    pub(crate) fn written(&mut self, id: ResponseId) -> Result<u64, Misuse> {
        Ok(self.answering(id)?.exchange.written)
    }

    /// Bytes of output that wait for the peer.
    pub(crate) fn queued(&mut self, id: ResponseId) -> Result<usize, Misuse> {
        Ok(self.answering(id)?.out.len())
    }

    /// Keeps the answer for later.
    pub(crate) fn detach(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.answering(id)?.exchange.detached = true;
        Ok(())
    }

    /// No request after this one.
    #[cfg(feature = "binding")]
    pub(crate) fn close_after(&mut self, id: ResponseId) -> Result<(), Misuse> {
        let exchange = &mut self.answering(id)?.exchange;
        exchange.keep_alive = false;
        exchange.plain = false;
        Ok(())
    }

    /// Adds a callback for the case that the answer cannot be completed.
    pub(crate) fn on_aborted(
        &mut self,
        id: ResponseId,
        aborted: Callback<U>,
    ) -> Result<(), Misuse> {
        match self.answering(id) {
            Ok(conn) => conn.later().aborted.push(aborted),
            Err(misuse) => {
                self.graveyard.push(Grave::Task(aborted));
                return Err(misuse);
            }
        }
        Ok(())
    }

    /// Calls `writable` once the peer has taken what was written so far.
    pub(crate) fn on_writable(
        &mut self,
        id: ResponseId,
        writable: Writable<U>,
    ) -> Result<(), Misuse> {
        let conn = match self.answering(id) {
            Ok(conn) => conn,
            Err(misuse) => {
                self.graveyard.push(Grave::Writable(writable));
                return Err(misuse);
            }
        };
        conn.exchange.detached = true;
        let before = conn.later().writable.replace(writable);
        self.graveyard.extend(before.map(Grave::Writable));
        // Flushing finds out whether it can be called at once.
        self.push_dirty(id.conn);
        Ok(())
    }

    /// Leaves the request to the next matching route.
    pub(crate) fn yield_request(&mut self, id: ResponseId) -> Result<(), Misuse> {
        let conn = self.answering(id)?;
        conn.exchange.yielded = true;
        let detached = conn.exchange.detached;
        self.has_yielded = true;
        // Once the answer is kept for later, no route is asked any more.
        if detached {
            self.left_alone(id)
        } else {
            Ok(())
        }
    }

    /// The guard was given up to somebody who is not there, and nobody else will answer.
    #[cold]
    pub(super) fn left_alone(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.answer_failed(id);
        Err(self.misuse(Misuse::LeftAlone))
    }

    /// Whether the handler that just returned left the request to the next one.
    #[inline]
    pub(crate) fn take_yield(&mut self, id: ResponseId) -> bool {
        std::mem::take(&mut self.has_yielded) && self.is_yielded(id)
    }

    #[cold]
    fn is_yielded(&mut self, id: ResponseId) -> bool {
        self.conns.get_mut(id.conn).is_some_and(|conn| {
            let owed = conn.request == id.request && conn.owes_answer();
            std::mem::take(&mut conn.exchange.yielded) && owed
        })
    }

    /// Drops the connection without an answer.
    pub(crate) fn close_answer(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.answering(id)?;
        self.close(id.conn);
        Ok(())
    }

    /// A short answer that says its status, instead of whatever head stands open.
    pub(super) fn answer_status(&mut self, id: ResponseId, status: u16) {
        let Self {
            conns,
            counters,
            spare,
            ..
        } = self;
        let Ok(conn) = Self::owing(conns, counters, id) else {
            return;
        };
        if !conn.answer_is_open() {
            return self.close(id.conn);
        }
        conn.out.rollback();
        conn.stage = Stage::Pending;
        conn.exchange.plain = false;
        conn.exchange.status = status;
        conn.exchange.poisoned = false;
        conn.exchange.has_date = false;
        conn.exchange.has_server = false;
        conn.exchange.declares_length = false;
        // The bound on the output is for what users write: this has to be said.
        let text = Self::push_header(conn, spare, "Content-Type", b"text/plain", usize::MAX);
        let body = format!("{status} {}\n", encode::reason(status));
        let ended = text.and_then(|()| self.end(id, body.as_bytes()));
        debug_assert!(ended.is_ok(), "the answer was open: {ended:?}");
    }

    /// Answers 500 in the handler's place, or cuts an answer that is under way.
    #[cold]
    pub(super) fn answer_failed(&mut self, id: ResponseId) {
        if let Some(conn) = self.conns.get_mut(id.conn) {
            conn.exchange.keep_alive &= conn.answer_is_open();
        }
        self.drop_later(id.conn, true);
        self.answer_status(id, 500);
    }

    /// The same on the word of a handler that knows of its own failure.
    #[cfg(feature = "binding")]
    pub(crate) fn fail_answer(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.answering(id)?;
        self.counters.misuse_unanswered.bump();
        self.answer_failed(id);
        Ok(())
    }

    /// Refuses what the peer sent: answers with the error's status where that is still possible,
    /// and ends the connection.
    #[cold]
    pub(super) fn refuse(&mut self, conn_id: Id, error: ProtocolError) {
        self.refuse_head(conn_id, error, false);
    }

    /// The same for a head: even a bad one may say that it wants no content.
    #[cold]
    pub(super) fn refuse_head(&mut self, conn_id: Id, error: ProtocolError, head_only: bool) {
        self.counters.protocol_errors.bump();
        let message = format!("answered {}: {error}", error.status());
        self.record(Level::Info, Some(conn_id), message);
        let Some(conn) = self.conns.get_mut(conn_id) else {
            return;
        };
        match conn.phase {
            Phase::Idle | Phase::Head => {
                // No request stands behind this answer; it only borrows the place of one.
                conn.begin(Body::default());
                conn.exchange.head_only = head_only;
            }
            Phase::Exchange if conn.answer_is_open() => {
                self.counters.aborted.bump();
                self.drop_later(conn_id, true);
            }
            // The answer is complete, and only the rest of the body is wrong.
            Phase::Exchange if conn.stage == Stage::Done => return self.end_connection(conn_id),
            _ => return self.close(conn_id),
        }
        let Some(conn) = self.conns.get_mut(conn_id) else {
            return;
        };
        conn.exchange.keep_alive = false;
        let id = ResponseId {
            conn: conn_id,
            request: conn.request,
        };
        self.answer_status(id, error.status());
    }

    /// The answer is complete: the connection goes on, or ends.
    #[inline]
    pub(super) fn answered(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.phase != Phase::Exchange {
            return;
        }
        self.counters.answers.bump();
        if self.config.access_log {
            self.record_answer(id);
        }
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        conn.stage = Stage::Done;
        conn.body.begin_discarding();
        if conn.later.is_some() {
            self.drop_later(id, false);
        }
        self.exchanged(id);
        self.push_dirty(id);
    }

    /// Called when the answer is complete, and again when the rest of the body has been dropped.
    #[inline]
    pub(super) fn exchanged(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        // What came before the end of the input is still handled: now, or as backlog.
        let over = conn.finished && conn.stash.is_empty() && self.driven != Some(id);
        if !conn.exchange.keep_alive || over {
            return self.end_connection(id);
        }
        if conn.body.is_done() {
            conn.phase = Phase::Idle;
            let waiting = conn.readable || !conn.stash.is_empty();
            self.set_read_deadline(id, self.tick_in(self.config.keep_alive_timeout_ms));
            if waiting {
                self.push_backlog(id);
            }
        } else {
            // What is left of the body is read and dropped.
            self.set_read_deadline(id, self.tick_in(self.config.body_window_ms));
            self.push_backlog(id);
        }
    }

    /// Takes the present exchange's callbacks: those for an abort are called in `settle` when it is
    /// one, the others are dropped there.
    pub(super) fn drop_later(&mut self, id: Id, aborted: bool) {
        let Some(mut later) = self.conns.get_mut(id).and_then(|conn| conn.later.take()) else {
            return;
        };
        if aborted {
            self.notices
                .extend(later.aborted.drain(..).map(Notice::Call));
        }
        self.graveyard.push(Grave::Later(later));
    }
}
