//! What bindings to other languages stand on: every operation of a callback by id, checked when it
//! is called.
//!
//! In Rust the response guard makes misuse a type error. A language without moves gets the same
//! guard at run time: each call names its answer or socket by id, and says what became of it.
//! Whatever is refused changes nothing and is counted.

use std::net::SocketAddr;

use super::app::App;
use super::cx::Cx;
use super::handshake::Handshake;
use super::request::Request;
use super::response::{Reply, Response};
use super::websocket::{PreparedMessage, Sockets};
use crate::engine::{Message, ResponseId, Sent, SocketId, State, Taken};
use crate::error::{Error, Misuse};
use crate::pubsub::{Publication, Published};

/// The operations of a callback, by id. From [`Cx::by_id`].
pub struct ById<'a, U = ()> {
    state: &'a mut State<U>,
}

/// How much of an answer [`ById::try_end`] has given to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All of it: the answer is complete.
    Complete,
    /// All that was given, which was not the whole.
    More,
    /// A part of what was given: see [`ById::written`].
    Blocked,
}

/// Timeouts of one socket, in milliseconds; 0 is off, and `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketTimeouts {
    /// After how long without a byte from the peer it is closed.
    pub idle_ms: Option<u32>,
    /// After how long without a byte from the peer it is sent a Ping.
    pub ping_interval_ms: Option<u32>,
    /// For how long from now on it lives.
    pub lifetime_ms: Option<u32>,
}

impl<U: 'static> Cx<'_, U> {
    /// The same operations, named by ids and checked at run time.
    #[inline]
    pub fn by_id(&mut self) -> ById<'_, U> {
        ById { state: self.state }
    }
}

impl<U: 'static> App<U> {
    /// Whether a route can be added.
    ///
    /// # Errors
    /// [`Error::Route`] for a malformed method or pattern.
    pub fn check_route(method: Option<&str>, pattern: &str) -> Result<(), Error> {
        let mut app = Self::new();
        app.route_by_id(method, pattern, |_, _, _| {});
        app.error.map_or(Ok(()), Err)
    }

    /// Adds a route whose handler is given the answer's id in place of the guard; `None` stands for
    /// every method. A handler that returns with the answer neither given nor kept is answered
    /// with 500, counted and logged.
    pub fn route_by_id<F>(&mut self, method: Option<&str>, pattern: &str, handler: F) -> &mut Self
    where
        F: Fn(&mut Cx<'_, U>, ResponseId, &Request<'_>) + 'static,
    {
        let handler = by_id(handler);
        match method {
            Some(method) => self.method(method, pattern, handler),
            None => self.any(pattern, handler),
        }
    }

    /// The same for GET requests with an `Upgrade` header, which go to these routes before all
    /// others. One that yields leaves them to the others.
    ///
    /// # Errors
    /// [`Error::Route`] for a malformed pattern.
    pub fn route_upgrades_by_id<F>(&mut self, pattern: &str, handler: F) -> Result<(), Error>
    where
        F: Fn(&mut Cx<'_, U>, ResponseId, &Request<'_>) + 'static,
    {
        self.upgrades
            .add(Some("GET"), pattern, Box::new(by_id(handler)))
            .map_err(|_| Error::Route(pattern.to_owned()))
    }
}

/// The handler as the router calls it.
fn by_id<U: 'static>(
    handler: impl Fn(&mut Cx<'_, U>, ResponseId, &Request<'_>) + 'static,
) -> impl Fn(Response<'_, U>, &Request<'_>) -> Reply + 'static {
    move |response, request| {
        let Response { state, id } = response;
        handler(&mut Cx { state }, id, request);
        Reply::done()
    }
}

/// Answers. Each is [`Misuse::Stale`] for a peer that has left or is at another request, and
/// [`Misuse::AlreadyEnded`] for an answer that is complete.
impl<U: 'static> ById<'_, U> {
    /// Sets the status code, 200 to 599.
    ///
    /// # Errors
    /// [`Misuse::Status`], [`Misuse::AlreadyBegun`].
    #[inline]
    pub fn status(&mut self, id: ResponseId, status: u16) -> Result<(), Misuse> {
        self.state.set_status(id, status)
    }

    /// Sets the status code with a reason phrase of the caller's (RFC 9112 section 4).
    ///
    /// # Errors
    /// As [`status`](Self::status), also for a phrase that cannot be sent.
    pub fn status_and_reason(
        &mut self,
        id: ResponseId,
        status: u16,
        reason: &[u8],
    ) -> Result<(), Misuse> {
        self.state.set_status_and_reason(id, status, reason)
    }

    /// Adds a header; refused, it leaves the answer as it was.
    ///
    /// # Errors
    /// [`Misuse::Header`], [`Misuse::AlreadyBegun`].
    #[inline]
    pub fn header(&mut self, id: ResponseId, name: &str, value: &[u8]) -> Result<(), Misuse> {
        self.state.push_answer_header(id, name, value, false)
    }

    /// Sends content and keeps the answer open.
    ///
    /// # Errors
    /// [`Misuse::Length`] for more than was announced.
    #[inline]
    pub fn write(&mut self, id: ResponseId, bytes: &[u8]) -> Result<Sent, Misuse> {
        self.state.write(id, bytes)
    }

    /// Completes the answer with `body`.
    ///
    /// # Errors
    /// [`Misuse::Length`] where it is not what was announced: the connection is cut.
    #[inline]
    pub fn end(&mut self, id: ResponseId, body: &[u8]) -> Result<(), Misuse> {
        self.state.end(id, body)
    }

    /// The same, however much of `body` has to wait in memory for a slow peer: what counts against
    /// `write_buffer_bytes_max` is what was written before.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    #[inline]
    pub fn end_whole(&mut self, id: ResponseId, body: &[u8]) -> Result<(), Misuse> {
        self.state.end_whole(id, body)
    }

    /// Completes the answer without content.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    pub fn end_without_body(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.end_without_body(id)
    }

    /// Sends as much of an answer of `total` bytes as the peer takes: `rest` is the content from
    /// [`written`](Self::written) on.
    ///
    /// # Errors
    /// [`Misuse::Length`] for more than `total`: the connection is cut.
    pub fn try_end(&mut self, id: ResponseId, rest: &[u8], total: u64) -> Result<Ended, Misuse> {
        Ok(match self.state.try_end(id, rest, total)? {
            Taken::Complete => Ended::Complete,
            Taken::All => Ended::More,
            Taken::Part => Ended::Blocked,
        })
    }

    /// Bytes of content that the answer has so far.
    pub fn written(&mut self, id: ResponseId) -> Result<u64, Misuse> {
        self.state.written(id)
    }

    /// Bytes of output that wait in memory for the peer.
    pub fn queued(&mut self, id: ResponseId) -> Result<usize, Misuse> {
        self.state.queued(id)
    }

    /// Whether this answer is still to be given.
    pub fn is_owed(&self, id: ResponseId) -> bool {
        self.state.is_owed(id)
    }

    /// Keeps the answer for later.
    pub fn detach(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.detach(id)
    }

    /// Calls `aborted` if the answer cannot be completed; any number may be added.
    /// Refused, `aborted` is dropped.
    pub fn on_aborted(
        &mut self,
        id: ResponseId,
        aborted: impl FnOnce(&mut Cx<'_, U>) + 'static,
    ) -> Result<(), Misuse> {
        let aborted = Box::new(move |state: &mut State<U>| aborted(&mut Cx { state }));
        self.state.on_aborted(id, aborted)
    }

    /// Keeps the answer, and calls `then` with the bytes of content so far once the peer has taken
    /// them. It has to answer or keep the answer again.
    /// Refused, `then` is dropped.
    pub fn on_writable(
        &mut self,
        id: ResponseId,
        then: impl FnOnce(&mut Cx<'_, U>, ResponseId, u64) + 'static,
    ) -> Result<(), Misuse> {
        let then = Box::new(move |state: &mut State<U>, id: ResponseId, written: u64| {
            then(&mut Cx { state }, id, written);
        });
        self.state.on_writable(id, then)
    }

    /// Tells a peer that waits for it to send the body.
    ///
    /// # Errors
    /// [`Misuse::AlreadyBegun`].
    pub fn write_continue(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.write_continue(id)
    }

    /// Closes the connection once the answer is complete, also where its head has left already.
    pub fn close_after(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.close_after(id)
    }

    /// Drops the connection without an answer.
    pub fn close_response(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.close_answer(id)
    }

    /// Answers 500 in place of what the handler has prepared, or cuts an answer that has begun, as
    /// after a panic.
    pub fn fail(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.fail_answer(id)
    }

    /// Leaves the request to the next route that matches.
    ///
    /// # Errors
    /// [`Misuse::LeftAlone`] where the answer was kept for later already.
    pub fn next(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.yield_request(id)
    }

    /// Keeps the answer, reads the whole body, and calls `then`, which has to answer or keep the
    /// answer again. More than `bytes_max` is answered 413.
    /// Refused, `then` is dropped.
    pub fn collect_body(
        &mut self,
        id: ResponseId,
        bytes_max: usize,
        then: impl FnOnce(&mut Cx<'_, U>, ResponseId, Vec<u8>) + 'static,
    ) -> Result<(), Misuse> {
        let then = Box::new(move |state: &mut State<U>, id: ResponseId, body: Vec<u8>| {
            then(&mut Cx { state }, id, body);
        });
        self.state.collect_body(id, bytes_max, then)
    }

    /// Keeps the answer, and calls `each` for every piece of the body as it arrives: with the
    /// bytes, and whether they are the last. The next piece comes by itself; after the last, the
    /// answer has to be given or kept. Refused, `each` is dropped.
    pub fn stream_body(
        &mut self,
        id: ResponseId,
        mut each: impl FnMut(&mut Cx<'_, U>, ResponseId, &[u8], bool) + 'static,
    ) -> Result<(), Misuse> {
        let each = Box::new(
            move |state: &mut State<U>, id: ResponseId, piece: &[u8], last: bool| {
                each(&mut Cx { state }, id, piece, last);
                if !last && state.is_owed(id) {
                    let _ = state.expect_more(id);
                }
            },
        );
        self.state.stream_body(id, each)
    }

    /// Leaves the rest of the body in the kernel.
    pub fn pause_body(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.pause(id)
    }

    /// Goes on reading the body.
    pub fn resume_body(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.state.resume(id)
    }

    /// Hands all output that is ready to the kernel, on every connection: for a process that ends
    /// before the callback returns.
    pub fn flush(&mut self) {
        self.state.flush_ready();
    }

    /// The kind of WebSocket that the app added as the `index`th, whose data is `D`; sockets with
    /// data of another type get no events.
    pub fn sockets<D>(&self, index: u16) -> Option<Sockets<D>> {
        let key = self.state.socket_key(index)?;
        Some(Sockets::new(index, key))
    }

    /// Answers 101 and makes the connection a WebSocket with `data`; see
    /// [`Response::upgrade`](super::Response::upgrade).
    ///
    /// # Errors
    /// The answer was another, or none was owed; `data` is dropped then.
    pub fn upgrade<D: 'static>(
        &mut self,
        id: ResponseId,
        sockets: Sockets<D>,
        handshake: Handshake,
        data: D,
    ) -> Result<SocketId, Misuse> {
        self.state
            .upgrade(id, handshake.into_upgrade(sockets, data))
    }
}

/// WebSockets. Each is [`Misuse::Stale`] for a socket that is not open any more.
impl<U: 'static> ById<'_, U> {
    /// Sends a message; `compress` is whether it may be compressed where that was agreed to.
    ///
    /// # Errors
    /// [`Misuse::Fragment`] within a message that is sent in fragments.
    #[inline]
    pub fn send(
        &mut self,
        id: SocketId,
        message: Message<'_>,
        compress: bool,
    ) -> Result<Sent, Misuse> {
        self.state.send(id, message, compress)
    }

    /// Sends a Close frame without a code (RFC 6455 section 7.1.5: the peer sees 1005), else as
    /// [`Socket::end`](super::Socket::end).
    pub fn end_without_code(&mut self, id: SocketId) -> Result<(), Misuse> {
        self.state.end_without_code(id)
    }

    /// Sends a prepared message.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(
        &mut self,
        id: SocketId,
        message: &PreparedMessage,
    ) -> Result<Sent, Misuse> {
        self.state.send_prepared(id, &message.0)
    }

    /// Bytes of output that wait in memory for the peer.
    pub fn socket_queued(&mut self, id: SocketId) -> Result<usize, Misuse> {
        self.state.socket_queued(id)
    }

    /// The address of a socket's peer, also within its close handler. `None` for a peer on a Unix
    /// socket, and for a socket that is no more.
    pub fn peer_address(&self, id: SocketId) -> Option<SocketAddr> {
        self.state.peer_of(id.connection())
    }

    /// Sets some of a socket's timeouts.
    pub fn set_timeouts(&mut self, id: SocketId, to: SocketTimeouts) -> Result<(), Misuse> {
        self.state
            .set_timeouts(id, to.idle_ms, to.ping_interval_ms, to.lifetime_ms)
    }

    /// Publishes to all subscribers of a topic, but for the socket `except`.
    ///
    /// # Errors
    /// [`Misuse::Topic`].
    pub fn publish(
        &mut self,
        publication: &Publication<'_>,
        except: Option<SocketId>,
    ) -> Result<Published, Misuse> {
        self.state.publish(publication, except)
    }
}
