//! The response guard.

use super::cx::Cx;
use crate::engine::{ResponseId, Sent, State, Taken};
use crate::error::Misuse;

/// Proof that a handler has answered, or has said how it will: by a later answer, by reading the
/// body first, by leaving the request to the next route. There is no other way to get one.
#[derive(Debug)]
pub struct Reply(());

impl Reply {
    pub(super) fn done() -> Self {
        Self(())
    }
}

/// The right to answer one request.
///
/// Whatever completes the answer consumes the guard, so that answering twice does not compile, and
/// a handler has to return a [`Reply`], so that forgetting to answer does not either. Everything
/// written in one callback leaves in one system call.
pub struct Response<'a, U = ()> {
    pub(super) state: &'a mut State<U>,
    pub(super) id: ResponseId,
}

/// What [`Response::try_end`] achieved.
pub enum TryEnd<'a, U> {
    /// The answer is complete.
    Done(Reply),
    /// Everything that was given is on its way, and it was not the whole answer: go on.
    More(Response<'a, U>),
    /// The peer reads slowly, and the kernel took only a part: [`Response::written`] says how much
    /// the answer has by now, [`Response::on_writable`] waits.
    Blocked(Response<'a, U>),
}

impl<'a, U: 'static> Response<'a, U> {
    /// Names this answer beyond the callback's end.
    pub fn id(&self) -> ResponseId {
        self.id
    }

    /// What else the loop offers: timers, deferred calls, other answers, the worker's own value.
    pub fn cx(&mut self) -> Cx<'_, U> {
        Cx { state: self.state }
    }

    /// Sets the status code, 200 to 599. The last call before the head leaves counts; without one
    /// it is 200. A call that comes too late or is out of range changes nothing and is counted.
    pub fn status(&mut self, status: u16) -> &mut Self {
        let _ = self.state.set_status(self.id, status);
        self
    }

    /// Adds a header.
    ///
    /// A name that is no token and a value with CR, LF, NUL or another control byte are refused:
    /// the refusal is logged and counted, and the whole answer becomes a 500, since the handler
    /// meant it to have this header. [`try_header`](Self::try_header) lets the handler decide.
    ///
    /// The engine frames messages itself: `Content-Length` announces a length for
    /// [`write`](Self::write) and for HEAD, `Connection: close` ends the connection after this
    /// answer, `Transfer-Encoding` is refused. `Date` replaces the engine's own.
    pub fn header(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let _ = self.state.push_answer_header(self.id, name, value, true);
        self
    }

    /// Adds a header, or refuses it and leaves the answer as it was.
    ///
    /// # Errors
    /// [`Misuse::Header`] for a name or value that must not be sent, [`Misuse::AlreadyBegun`] once
    /// the head has left.
    pub fn try_header(&mut self, name: &str, value: &[u8]) -> Result<&mut Self, Misuse> {
        self.state.push_answer_header(self.id, name, value, false)?;
        Ok(self)
    }

    /// Sends content and keeps the answer open: in chunks, or as much as a `Content-Length` header
    /// has announced. Never blocks; what the peer does not take waits in memory, and
    /// [`Sent::Queued`] says so. Over `write_buffer_bytes_max` the connection is dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Sent {
        self.state.write(self.id, bytes).unwrap_or(Sent::Closed)
    }

    /// Completes the answer with `body`. What the kernel does not take at once is copied; if that
    /// is more than `write_buffer_bytes_max` the connection is dropped, so larger answers are for
    /// [`try_end`](Self::try_end).
    pub fn end(self, body: &[u8]) -> Reply {
        let _ = self.state.end(self.id, body);
        Reply(())
    }

    /// Completes the answer without content. Without a `Content-Length` header its length is 0; an
    /// answer to HEAD may announce another.
    pub fn end_without_body(self) -> Reply {
        let _ = self.state.end_without_body(self.id);
        Reply(())
    }

    /// Sends as much of an answer of `total` bytes as the peer takes, without buffering the rest.
    /// `rest` is the content from [`written`](Self::written) on, or the beginning of that. More of
    /// it than `total` leaves, or an answer that [`write`](Self::write) has begun in chunks, cannot
    /// be completed: the connection is closed, and it is counted.
    pub fn try_end(self, rest: &[u8], total: u64) -> TryEnd<'a, U> {
        match self.state.try_end(self.id, rest, total) {
            Ok(Taken::All) => TryEnd::More(self),
            Ok(Taken::Part) => TryEnd::Blocked(self),
            Ok(Taken::Complete) | Err(_) => TryEnd::Done(Reply(())),
        }
    }

    /// Bytes of content that the answer has so far.
    pub fn written(&mut self) -> u64 {
        self.state.written(self.id).unwrap_or(0)
    }

    /// Bytes of output that wait in memory for the peer.
    pub fn queued(&mut self) -> usize {
        self.state.queued(self.id).unwrap_or(0)
    }

    /// Goes on when the peer has taken what was written; the callback gets the guard back, and the
    /// bytes of content written so far.
    pub fn on_writable(self, then: impl FnOnce(Response<'_, U>, u64) -> Reply + 'static) -> Reply {
        let then = Box::new(move |state: &mut State<U>, id: ResponseId, written: u64| {
            then(Response { state, id }, written);
        });
        let _ = self.state.on_writable(self.id, then);
        Reply(())
    }

    /// Tells a peer that waits for it to send the body (RFC 9110 section 15.2.1). Reading the body
    /// does so by itself.
    pub fn write_continue(&mut self) -> &mut Self {
        let _ = self.state.write_continue(self.id);
        self
    }

    /// Drops the connection without an answer.
    pub fn close(self) -> Reply {
        let _ = self.state.close_answer(self.id);
        Reply(())
    }

    /// Calls `aborted` if the answer cannot be completed: the peer left, was too slow, or sent a
    /// malformed body. Any number may be added; they run in order, after the present callback.
    pub fn on_aborted(&mut self, aborted: impl FnOnce(&mut Cx<'_, U>) + 'static) -> &mut Self {
        let aborted = Box::new(move |state: &mut State<U>| aborted(&mut Cx { state }));
        let _ = self.state.on_aborted(self.id, aborted);
        self
    }

    /// Keeps the right to answer for later: [`Cx::response`] gives the guard back for the id, from
    /// a timer, a deferred call or another thread. Until then the body stays unread in the kernel.
    pub fn detach(mut self, aborted: impl FnOnce(&mut Cx<'_, U>) + 'static) -> (ResponseId, Reply) {
        self.on_aborted(aborted);
        let _ = self.state.detach(self.id);
        (self.id, Reply(()))
    }

    /// Leaves the request to the next route that matches. Headers added so far stay; if no further
    /// route matches, the answer is 404. Only the handler of a route can do so: an answer that was
    /// kept for later is a 500 then, and one that has begun is cut.
    pub fn next(self) -> Reply {
        let _ = self.state.yield_request(self.id);
        Reply(())
    }

    /// Reads the whole body, at most `bytes_max` bytes, and then calls `then`. A longer body is
    /// answered 413: unread, where its length was announced.
    pub fn collect_body(
        self,
        bytes_max: usize,
        then: impl FnOnce(Response<'_, U>, Vec<u8>) -> Reply + 'static,
    ) -> Reply {
        let then = Box::new(move |state: &mut State<U>, id: ResponseId, body: Vec<u8>| {
            then(Response { state, id }, body);
        });
        let _ = self.state.collect_body(self.id, bytes_max, then);
        Reply(())
    }

    /// Reads the body piece by piece: `each` is called for every piece as it arrives, and says
    /// with [`more`](Self::more) that it wants the next. The third argument is true for the last
    /// one, which may be empty.
    pub fn stream_body(
        self,
        mut each: impl FnMut(Response<'_, U>, &[u8], bool) -> Reply + 'static,
    ) -> Reply {
        let each = Box::new(
            move |state: &mut State<U>, id: ResponseId, piece: &[u8], last: bool| {
                each(Response { state, id }, piece, last);
            },
        );
        let _ = self.state.stream_body(self.id, each);
        Reply(())
    }

    /// In [`stream_body`](Self::stream_body): waits for the next piece.
    pub fn more(self) -> Reply {
        let _ = self.state.expect_more(self.id);
        Reply(())
    }

    /// Leaves the rest of the body in the kernel, so that the peer has to wait.
    pub fn pause(&mut self) -> &mut Self {
        let _ = self.state.pause(self.id);
        self
    }

    /// Goes on reading the body.
    pub fn resume(&mut self) -> &mut Self {
        let _ = self.state.resume(self.id);
        self
    }
}
