//! What the engine keeps of one connection.

use std::net::SocketAddr;

use super::body::Body;
use super::state::{Callback, State};
use super::websocket::Socket;
use crate::config::Config;
use crate::net::peer::Peer;
use crate::net::transport::Transport;
use crate::proto::http1::{Framing, Head};
use crate::util::out_buf::OutBuf;
use crate::util::slab::Id;
use crate::util::wheel::Tick;

/// Names one connection, for as long as it lives: the requests on it, and the WebSocket that it may
/// become. It can be copied and sent to other threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub(crate) Id);

#[cfg(feature = "binding")]
impl ConnectionId {
    /// The bits, for a foreign interface. They are those of every [`SocketId`](super::SocketId) and
    /// [`ResponseId`] of this connection too, the number of the request aside.
    pub fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The id of these bits. Any will do: those that name no connection are stale.
    pub fn from_bits(bits: u64) -> Self {
        Self(Id::from_bits(bits))
    }
}

/// Names one answer: a connection, and the number of the request on it. With keep-alive the
/// connection alone would let a late call answer the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseId {
    pub(crate) conn: Id,
    pub(crate) request: u32,
}

impl ResponseId {
    /// The connection that the request came on.
    pub fn connection(self) -> ConnectionId {
        ConnectionId(self.conn)
    }
}

#[cfg(feature = "binding")]
impl ResponseId {
    /// The connection's bits and the request's number, for a foreign interface.
    pub fn to_bits(self) -> (u64, u32) {
        (self.conn.to_bits(), self.request)
    }

    /// The id of these bits. Any will do: those that name no answer are stale.
    pub fn from_bits((conn, request): (u64, u32)) -> Self {
        let conn = Id::from_bits(conn);
        Self { conn, request }
    }

    /// The number of the worker that owes this answer.
    pub fn worker(self) -> usize {
        usize::from(self.conn.worker())
    }
}

/// Where a connection is in the life of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A PROXY head may come, or has to, before the first request.
    Proxy,
    /// Between requests: not a byte of the next one has arrived.
    Idle,
    /// Part of a head has arrived.
    Head,
    /// A request is being read, answered, or both.
    Exchange,
    /// A WebSocket.
    Open,
    /// A WebSocket whose Close frame is on its way; the peer's is awaited.
    Closing,
    /// The last answer is on its way out; input is ignored.
    Ending,
    /// Everything is sent and our side is shut; what still arrives is read and dropped, so that
    /// the kernel does not reset the connection under the answer.
    Linger,
    /// Queued to be freed.
    Closed,
}

/// How much of an answer exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Pending,
    /// Headers stand in the output's open part.
    Head,
    /// The head is sealed, and content follows in chunks,
    Chunked,
    /// by an announced length, of which [`Exchange::left`] is left,
    Fixed,
    /// or until the connection closes.
    UntilClose,
    Done,
}

/// Takes a body piece by piece: the bytes, and whether they are the last.
pub(crate) type Streamed<U> = Box<dyn FnMut(&mut State<U>, ResponseId, &[u8], bool)>;
/// Takes a whole body.
pub(crate) type Collected<U> = Box<dyn FnOnce(&mut State<U>, ResponseId, Vec<u8>)>;
/// Goes on with an answer, given the bytes of content written so far.
pub(crate) type Writable<U> = Box<dyn FnOnce(&mut State<U>, ResponseId, u64)>;

/// Where a request's body goes.
pub(super) enum Sink<U> {
    Stream(Streamed<U>),
    Collect {
        buffer: Vec<u8>,
        bytes_max: u64,
        then: Collected<U>,
    },
}

/// What an answer needs only when it is not given at once. Boxed, so that a connection whose
/// requests are answered at once never allocates it.
pub(super) struct Later<U> {
    pub(super) aborted: Vec<Callback<U>>,
    pub(super) writable: Option<Writable<U>>,
    pub(super) sink: Option<Sink<U>>,
}

/// Input that was read and could not be handled, in one pointer: connections that wait for their
/// peer have none.
#[derive(Default)]
pub(super) struct Stash(
    #[expect(clippy::box_collection, reason = "for the slot's size")] Option<Box<Vec<u8>>>,
);

impl Stash {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |bytes| bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().extend_from_slice(bytes);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    #[cfg(feature = "testing")]
    pub(super) fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.capacity())
    }
}

/// How much of a WebSocket's input is read at once: what is not handled in its turn, or while it is
/// paused, has to be kept.
const SOCKET_READ_BYTES: usize = 256 << 10;

/// Deadline that never comes.
pub(super) const NEVER: Tick = Tick::MAX;

/// What is known of the present exchange, or was of the last: it is new with each request.
#[derive(Default)]
pub(super) struct Exchange {
    pub(super) status: u16,
    /// Bytes of content written to the answer.
    pub(super) written: u64,
    /// The length that the handler has announced in a header, and later what is left of it.
    pub(super) left: u64,
    pub(super) head_only: bool,
    pub(super) http10: bool,
    pub(super) keep_alive: bool,
    /// The peer waits for `100 Continue`.
    pub(super) expects_continue: bool,
    /// Somebody keeps the right to answer.
    pub(super) detached: bool,
    /// The handler left the request to the next match.
    pub(super) yielded: bool,
    /// A refused header has spoilt the answer.
    pub(super) poisoned: bool,
    /// Nothing is special about the answer: neither the request nor the handler has asked for more
    /// than a body behind a common head.
    pub(super) plain: bool,
    /// The handler has announced the length.
    pub(super) declares_length: bool,
    /// The handler has sent its own `Date`, its own `Server`.
    pub(super) has_date: bool,
    pub(super) has_server: bool,
    /// The answer ends with what waits whole, whatever the limit.
    pub(super) whole: bool,
    pub(super) body_paused: bool,
    /// A piece of the body is being handed over.
    pub(super) in_piece: bool,
}

pub(super) struct Conn<U> {
    pub(super) transport: Transport,
    pub(super) out: OutBuf,
    /// Input that was read and cannot be handled yet.
    pub(super) stash: Stash,
    pub(super) later: Option<Box<Later<U>>>,
    /// What there is of a WebSocket, from its upgrade on.
    pub(super) socket: Option<Box<Socket>>,
    pub(super) body: Body,
    pub(super) phase: Phase,
    pub(super) stage: Stage,
    pub(super) exchange: Exchange,
    /// Number of the present request, or of the last one.
    pub(super) request: u32,

    /// How much of a head had arrived when it was last looked at.
    pub(super) head_parsed: u32,

    /// When the phase has lasted too long.
    pub(super) read_deadline: Tick,
    /// When the peer has not read for too long.
    pub(super) write_deadline: Tick,
    /// The tick of this connection's entry in the wheel. 0 < armed <= both deadlines, or `NEVER`
    /// when there is no entry.
    pub(super) armed: Tick,

    // Facts about the transport.
    /// The kernel may have input that was not read.
    pub(super) readable: bool,
    /// The peer has shut its side, perhaps behind unread input.
    pub(super) read_closed: bool,
    /// The end of the input has been read.
    pub(super) finished: bool,
    /// The kernel took less than it was offered; it will announce when it takes more.
    pub(super) blocked: bool,
    /// Requests were left unread because the peer has not read the answers to earlier ones.
    pub(super) held_back: bool,

    // Membership in the worker's queues: each holds a connection at most once.
    pub(super) in_dirty: bool,
    pub(super) in_backlog: bool,
    pub(super) in_notices: bool,

    pub(super) peer: Peer,
}

impl<U> Conn<U> {
    pub(super) fn new(transport: Transport, peer: Option<SocketAddr>, phase: Phase) -> Self {
        Self {
            transport,
            out: OutBuf::default(),
            stash: Stash::default(),
            later: None,
            socket: None,
            body: Body::default(),
            phase,
            stage: Stage::Done,
            exchange: Exchange::default(),
            request: 0,
            head_parsed: 0,
            read_deadline: NEVER,
            write_deadline: NEVER,
            armed: NEVER,
            readable: false,
            read_closed: false,
            finished: false,
            blocked: false,
            held_back: false,
            in_dirty: false,
            in_backlog: false,
            in_notices: false,
            peer: Peer::new(peer),
        }
    }

    /// Begins the next exchange.
    #[inline]
    pub(super) fn begin(&mut self, body: Body) {
        self.phase = Phase::Exchange;
        self.stage = Stage::Pending;
        self.request = self.request.wrapping_add(1);
        self.exchange = Exchange::default();
        self.body = body;
    }

    /// The same for a request.
    #[inline]
    pub(super) fn begin_request(&mut self, head: &Head<'_>) {
        let Framing {
            body,
            keep_alive,
            expect_continue,
        } = *head.framing();
        self.begin(Body::new(body));
        let exchange = &mut self.exchange;
        exchange.status = 200;
        exchange.head_only = head.method() == b"HEAD";
        exchange.http10 = head.version_minor() == 0;
        exchange.keep_alive = keep_alive;
        exchange.expects_continue = expect_continue;
        exchange.plain = keep_alive && body.is_empty() && !exchange.head_only && !exchange.http10;
    }

    pub(super) fn later(&mut self) -> &mut Later<U> {
        self.exchange.plain = false;
        self.later.get_or_insert_with(|| {
            Box::new(Later {
                aborted: Vec::new(),
                writable: None,
                sink: None,
            })
        })
    }

    pub(super) fn sink(&self) -> Option<&Sink<U>> {
        self.later.as_ref()?.sink.as_ref()
    }

    /// Whether a handler goes on once the output is empty.
    pub(super) fn waits_to_write(&self) -> bool {
        self.later
            .as_ref()
            .is_some_and(|later| later.writable.is_some())
    }

    /// Not everything was taken: the handler of a WebSocket hears when it is.
    pub(super) fn expect_drain(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.wants_drain = true;
        }
    }

    /// Whether the handler of a WebSocket is to hear when the output is empty.
    pub(super) fn waits_for_drain(&self) -> bool {
        self.socket
            .as_ref()
            .is_some_and(|socket| socket.waits_for_drain())
    }

    /// Whether an answer has been begun or is still owed.
    pub(super) fn owes_answer(&self) -> bool {
        self.phase == Phase::Exchange && self.stage != Stage::Done
    }

    /// The length that the handler has announced, while the answer is open.
    pub(super) fn declared(&self) -> Option<u64> {
        self.exchange.declares_length.then_some(self.exchange.left)
    }

    /// Whether nothing of the present answer can have left yet.
    pub(super) fn answer_is_open(&self) -> bool {
        matches!(self.stage, Stage::Pending | Stage::Head)
    }

    /// Whether input can be handled now. While it cannot, it stays in the kernel.
    pub(super) fn wants_input(&self, config: &Config) -> bool {
        match self.phase {
            // A peer that sends requests without reading the answers has to wait, so long that
            // there is room for one more.
            Phase::Idle | Phase::Head => {
                let room = config.write_buffer_bytes_max / 2;
                self.out.len() <= config.pipelined_bytes_max.min(room)
            }
            Phase::Exchange => self.wants_body(),
            Phase::Open | Phase::Closing => self.socket.as_ref().is_some_and(|s| !s.paused),
            Phase::Proxy | Phase::Linger => true,
            Phase::Ending | Phase::Closed => false,
        }
    }

    /// Whether the body's bytes, or its end, have somewhere to go.
    pub(super) fn wants_body(&self) -> bool {
        if self.stage == Stage::Done {
            return !self.body.is_done();
        }
        !self.exchange.body_paused && self.sink().is_some()
    }

    /// Whether a head that has grown to `bytes` is to be parsed, or parsed again. Parsing begins at
    /// its first byte, so a long one that drips in is parsed only for a line, or for enough to be
    /// worth it. A CR may be the first half of an empty line.
    pub(super) fn is_worth_parsing(&self, bytes: &[u8], bytes_max: usize) -> bool {
        const SHORT_BYTES: usize = 4 << 10;
        if bytes.len() <= SHORT_BYTES {
            return !matches!(bytes, [] | [b'\r']);
        }
        if self.phase == Phase::Idle || bytes.len() >= bytes_max {
            return true;
        }
        let new = bytes.get(self.head_parsed as usize..).unwrap_or(bytes);
        new.len() >= bytes.len() / 16 || new.contains(&b'\n')
    }

    /// How much to read at once: while a head is expected only as much as may be kept behind a
    /// pending answer.
    pub(super) fn read_bytes_max(&self, config: &Config, buffer: usize) -> usize {
        match self.phase {
            Phase::Proxy | Phase::Idle | Phase::Head => {
                buffer.min(config.pipelined_bytes_max.max(config.head.head_bytes_max))
            }
            Phase::Exchange => {
                let body = self.body.remaining().unwrap_or(0);
                let body = usize::try_from(body).unwrap_or(usize::MAX);
                buffer.min(body.saturating_add(config.pipelined_bytes_max))
            }
            // Many small messages are in this, and others want their turn.
            Phase::Open | Phase::Closing => buffer.min(SOCKET_READ_BYTES),
            _ => buffer,
        }
    }

    /// Moves the stash to the front of `buffer` and returns its length.
    pub(super) fn unstash(&mut self, buffer: &mut [u8]) -> usize {
        let len = self.stash.bytes().len();
        if len > 0 {
            buffer[..len].copy_from_slice(self.stash.bytes());
            self.stash.clear();
        }
        len
    }
}
