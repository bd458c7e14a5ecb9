//! Everything of a worker that a callback may touch.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::access::Access;
use super::children::Children;
use super::conn::{Conn, Later, Phase, ResponseId, Stage};
use super::io::cork_bytes;
use super::remote::Remote;
use super::timers::{TASKS, Task};
use super::websocket::{SocketId, SocketNews, SocketSettings};
use crate::config::Config;
use crate::error::Misuse;
use crate::net::address::ListenAddress;
use crate::net::batch::Batch;
use crate::net::driver::Accepted;
use crate::net::listeners::Listeners;
use crate::observe::{Counters, Level, LogQueue, Record};
use crate::proto::http1::head::HeaderSlots;
use crate::proto::http1::{date, encode};
use crate::proto::ws::Workspace;
use crate::pubsub::{Direct, Hub, Topics};
use crate::util::out_buf::{OutBuf, Queue};
use crate::util::slab::{Id, Slab};
use crate::util::wheel::{Tick, Wheel};

/// User code that the worker runs once, when nothing else of the user's runs.
pub(crate) type Callback<U> = Box<dyn FnOnce(&mut State<U>)>;

/// Something to tell the user about in `settle`.
pub(super) enum Notice<U> {
    Call(Callback<U>),
    /// The peer has taken what was written: the handler that waits for this goes on.
    Writable(ResponseId),
    Socket(SocketId, SocketNews),
    /// A connection was opened, or is about to be freed.
    Connection(Id, bool),
}

/// User values on their way out: dropping one may run user code, so it happens in `settle`.
pub(super) enum Grave<U> {
    Later(#[expect(dead_code, reason = "kept only to be dropped")] Box<Later<U>>),
    Task(#[expect(dead_code, reason = "kept only to be dropped")] Callback<U>),
    Writable(#[expect(dead_code, reason = "kept only to be dropped")] super::conn::Writable<U>),
    Sink(#[expect(dead_code, reason = "kept only to be dropped")] super::conn::Sink<U>),
    Data(#[expect(dead_code, reason = "kept only to be dropped")] Box<dyn Any>),
}

/// What receiving takes. It is taken out of the state while it is in use, so that what it holds and
/// the state can be borrowed at once.
pub(super) struct Input {
    /// One receive buffer for all connections: bytes stay in it only while they are being parsed.
    pub(super) buffer: Vec<u8>,
    /// Where the parts of the head being parsed stand.
    pub(super) slots: HeaderSlots,
    /// Where messages in pieces are put together.
    pub(super) workspace: Workspace,
    /// Where they are decompressed.
    pub(super) inflated: Vec<u8>,
}

impl Input {
    fn new() -> Self {
        Self {
            buffer: vec![0; RECV_BYTES],
            slots: HeaderSlots::default(),
            workspace: Workspace::default(),
            inflated: Vec::new(),
        }
    }

    /// Gives back what large messages took.
    pub(super) fn trim(&mut self) {
        self.workspace.trim();
        if self.inflated.capacity() > INFLATED_BYTES_MAX {
            self.inflated = Vec::new();
        }
    }
}

/// Memory for a decompressed message that is kept for the next.
const INFLATED_BYTES_MAX: usize = 1 << 20;
const RECV_BYTES: usize = 512 << 10;
/// Output buffers that are kept for the next connection with something to say, and the largest
/// that is worth keeping.
pub(super) type Spare = Vec<Box<Queue>>;
const SPARE_COUNT_MAX: usize = 64;
const SPARE_BYTES: usize = 4 << 10;
const SPARE_BYTES_MAX: usize = 64 << 10;
/// What the engine itself adds to an answer, at most.
#[cfg(feature = "testing")]
const FRAMING_BYTES_MAX: usize = 1 << 10;
/// How often the Date header is looked at.
const DATE_PERIOD_MS: u64 = 100;

/// The front of a common answer's head.
pub(super) struct Plain {
    pub(super) bytes: [u8; PLAIN_HEAD_BYTES_MAX],
    pub(super) len: usize,
}

/// Room for a short `Server` header.
const PLAIN_HEAD_BYTES_MAX: usize = 128;

impl Plain {
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; PLAIN_HEAD_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            bytes,
            len: text.len(),
        })
    }
}

pub(crate) struct State<U> {
    pub(super) listeners: Listeners,
    /// Connections that were accepted elsewhere, or from a listener that was closed since.
    pub(super) arrivals: VecDeque<Accepted>,
    /// Who gets what the listeners accept, if anybody.
    pub(super) children: Children,
    pub(super) conns: Slab<Conn<U>>,
    pub(super) tasks: Slab<Task<U>>,
    pub(super) wheel: Wheel<Id>,
    pub(super) now: Tick,

    /// Connections with output to flush.
    pub(super) dirty: Vec<Id>,
    /// Connections to free.
    pub(super) closing: Vec<Id>,
    pub(super) notices: VecDeque<Notice<U>>,
    /// Connections with input to handle that the kernel will not announce again.
    pub(super) backlog: VecDeque<Id>,
    pub(super) graveyard: Vec<Grave<U>>,

    pub(super) input: Option<Box<Input>>,
    pub(super) batch: Batch,
    /// Scratch: whose output is in the batch.
    pub(super) batched: Vec<Id>,
    pub(super) spare: Spare,
    /// The connection whose input is being handled: it is looked at when that is done.
    pub(super) driven: Option<Id>,
    /// A handler has left a request to the next one.
    pub(super) has_yielded: bool,
    /// Somebody hears of each connection that opens and ends.
    pub(super) tells_of_connections: bool,
    /// 1 while a callback runs, else 0 (AI-1).
    pub(super) depth: u8,

    /// `Date` and `Server`, for every answer,
    pub(super) common: Vec<u8>,
    /// and the same between a status line of 200 and `Content-Length: `, where it is short enough.
    pub(super) common_plain: Option<Plain>,
    date_until: Tick,
    date_unix_s: u64,

    pub(super) config: Arc<Config>,
    /// How much output of one connection is gathered.
    pub(super) cork_bytes: usize,
    /// The settings of each kind of WebSocket.
    pub(super) socket_settings: Box<[SocketSettings]>,
    /// What makes the lifetimes of sockets differ.
    pub(super) jitter: RandomState,
    /// A socket may have been closed or paused since this was last looked at.
    pub(super) disturbed: bool,
    /// Where messages are compressed.
    pub(super) scratch: Vec<u8>,
    pub(super) topics: Topics,
    pub(super) hub: Arc<Hub>,
    /// Bytes of dropped messages whose handlers have not heard of them yet.
    pub(super) dropped_bytes: usize,
    /// Scratch: what was just published, for slow sockets.
    pub(super) direct: Vec<Direct>,
    pub(super) counters: Arc<Counters>,
    pub(super) log: LogQueue,
    /// Requests that are to be recorded, where that was asked for.
    pub(super) accesses: HashMap<Id, Access>,
    /// Whose connections proxies relay, where that was asked for.
    pub(super) proxied: HashMap<Id, SocketAddr>,
    pub(super) remote: Remote<U>,
    /// When what is still open will be cut, once the worker is stopping.
    pub(super) stopping: Option<Tick>,
    /// When accepting goes on, after the descriptors ran out.
    pub(super) accept_after: Tick,
    /// What the program keeps for this worker. Last, to be dropped last: what callbacks have
    /// captured may reach for it when it is dropped.
    pub(crate) user: U,
}

/// Ids of several loops and servers in one process begin far from each other, since programs mix
/// them up. Half of the numbers are left for what is to come.
fn first_generation() -> NonZeroU32 {
    let random = RandomState::new().hash_one(0) as u32 >> 1;
    NonZeroU32::MIN.saturating_add(random)
}

impl<U> State<U> {
    pub(crate) fn new(
        worker: u8,
        user: U,
        config: Arc<Config>,
        socket_settings: Box<[SocketSettings]>,
        hub: Arc<Hub>,
        counters: Arc<Counters>,
        remote: Remote<U>,
    ) -> Self {
        Self {
            listeners: Listeners::default(),
            arrivals: VecDeque::new(),
            children: Children::default(),
            conns: Slab::new(worker, first_generation()),
            tasks: Slab::new(TASKS, first_generation()),
            wheel: Wheel::new(),
            now: 0,
            dirty: Vec::new(),
            closing: Vec::new(),
            notices: VecDeque::new(),
            backlog: VecDeque::new(),
            graveyard: Vec::new(),
            input: Some(Box::new(Input::new())),
            batch: Batch::none(),
            batched: Vec::new(),
            spare: Vec::new(),
            driven: None,
            has_yielded: false,
            tells_of_connections: false,
            depth: 0,
            common: Vec::new(),
            common_plain: None,
            date_until: 0,
            date_unix_s: u64::MAX,
            cork_bytes: cork_bytes(&config, &socket_settings),
            config,
            socket_settings,
            jitter: RandomState::new(),
            disturbed: false,
            scratch: Vec::new(),
            topics: Topics::new(Arc::clone(&hub), worker),
            hub,
            dropped_bytes: 0,
            direct: Vec::new(),
            counters,
            log: LogQueue::default(),
            accesses: HashMap::new(),
            proxied: HashMap::new(),
            remote,
            stopping: None,
            accept_after: 0,
            user,
        }
    }

    /// Gives the worker a place for its listeners.
    pub(crate) fn listen_with(&mut self, listeners: Listeners) {
        self.listeners = listeners;
    }

    /// What the worker listens on.
    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// The same, to add to.
    pub(crate) fn listeners_mut(&mut self) -> &mut Listeners {
        &mut self.listeners
    }

    /// Closes one listener on `address`. Connections that have come by then are served.
    pub(crate) fn unlisten(&mut self, address: &ListenAddress) -> bool {
        let Self {
            listeners,
            arrivals,
            children,
            counters,
            ..
        } = self;
        listeners.close(address, |accepted| {
            arrivals.extend(children.offer(accepted, counters));
        })
    }

    /// How many connections there are, those included that wait to be opened.
    pub(crate) fn connections(&self) -> usize {
        self.conns.len() + self.arrivals.len()
    }

    /// Refuses what other threads still send, and lets go of what waits: nobody is there any more.
    pub(crate) fn close_inbox(&mut self) {
        let sockets = self.remote.close();
        self.counters.connections_refused.add(sockets as u64);
        self.refuse_arrivals();
    }

    /// Closes what has not been opened.
    pub(super) fn refuse_arrivals(&mut self) {
        self.counters
            .connections_refused
            .add(self.arrivals.len() as u64);
        self.arrivals.clear();
    }

    /// Has the output of several connections handed to the kernel in one call.
    pub(crate) fn send_in_batches(&mut self, batch: Batch) {
        self.batch = batch;
    }

    /// Takes the turn's one reading of the clock.
    pub(super) fn set_clock(&mut self, now: Tick, unix_s: impl FnOnce() -> u64) {
        self.now = self.now.max(now);
        if self.now >= self.date_until {
            self.date_until = self.now + DATE_PERIOD_MS;
            let unix_s = unix_s();
            if unix_s != self.date_unix_s {
                self.date_unix_s = unix_s;
                self.set_common(unix_s);
            }
        }
    }

    /// The tick that comes this long after the present one.
    pub(super) fn tick_in(&self, ms: u64) -> Tick {
        self.now.saturating_add(ms)
    }

    fn set_common(&mut self, unix_s: u64) {
        self.common.clear();
        self.common.extend_from_slice(&date::line(unix_s));
        if let Some(server) = &self.config.server_header {
            encode::header(&mut self.common, b"Server", server.as_bytes());
        }
        let mut text = Vec::new();
        encode::status_line(&mut text, 200);
        text.extend_from_slice(&self.common);
        text.extend_from_slice(b"Content-Length: ");
        self.common_plain = Plain::new(&text);
    }

    /// The connection that still owes the answer `id`.
    #[inline]
    pub(super) fn answering(&mut self, id: ResponseId) -> Result<&mut Conn<U>, Misuse> {
        Self::owing(&mut self.conns, &self.counters, id)
    }

    /// The same, with the rest of the state left to borrow.
    #[inline]
    pub(super) fn owing<'a>(
        conns: &'a mut Slab<Conn<U>>,
        counters: &Counters,
        id: ResponseId,
    ) -> Result<&'a mut Conn<U>, Misuse> {
        let Some(conn) = conns.get_mut(id.conn) else {
            counters.misuse_stale.bump();
            return Err(Misuse::Stale);
        };
        if conn.request == id.request && conn.owes_answer() {
            return Ok(conn);
        }
        let ended = conn.request == id.request && conn.stage == Stage::Done;
        if ended && conn.phase != Phase::Closed {
            counters.misuse_other.bump();
            return Err(Misuse::AlreadyEnded);
        }
        counters.misuse_stale.bump();
        Err(Misuse::Stale)
    }

    /// Whether the answer `id` is still owed.
    pub(crate) fn check_owed(&mut self, id: ResponseId) -> Result<(), Misuse> {
        self.answering(id).map(|_| ())
    }

    /// The same for whoever asks without having called for it, so that it is not counted.
    #[cfg(feature = "binding")]
    pub(crate) fn is_owed(&self, id: ResponseId) -> bool {
        let conn = self.conns.get(id.conn);
        conn.is_some_and(|conn| conn.request == id.request && conn.owes_answer())
    }

    pub(super) fn misuse(&self, misuse: Misuse) -> Misuse {
        self.counters.misuse_other.bump();
        misuse
    }

    /// Has the connection's input handled without waiting for news of it, unless that is going on
    /// already.
    pub(super) fn push_backlog(&mut self, id: Id) {
        if self.driven == Some(id) {
            return;
        }
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.in_backlog
        {
            conn.in_backlog = true;
            self.backlog.push_back(id);
        }
    }

    /// Has the connection's output flushed before the loop waits.
    pub(super) fn push_dirty(&mut self, id: Id) {
        if self.driven == Some(id) {
            return;
        }
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.in_dirty
        {
            conn.in_dirty = true;
            self.dirty.push(id);
        }
    }

    /// Gives the connection's output memory to write into.
    #[inline]
    pub(super) fn lend_buffer(conn: &mut Conn<U>, spare: &mut Spare) {
        Self::lend_buffer_to(&mut conn.out, spare);
    }

    #[inline]
    pub(super) fn lend_buffer_to(out: &mut OutBuf, spare: &mut Spare) {
        if out.is_unallocated() {
            out.adopt(
                spare
                    .pop()
                    .unwrap_or_else(|| Queue::with_capacity(SPARE_BYTES)),
            );
        }
    }

    /// Takes a drained output's memory back.
    #[inline]
    pub(super) fn reclaim_buffer(conn: &mut Conn<U>, spare: &mut Spare) {
        if let Some(buffer) = conn.out.release()
            && buffer.capacity() <= SPARE_BYTES_MAX
            && spare.len() < SPARE_COUNT_MAX
        {
            spare.push(buffer);
        }
    }

    /// Queues a record for the end of the turn.
    #[cold]
    pub(super) fn record(&mut self, level: Level, conn: Option<Id>, message: String) {
        self.record_of(level, conn, message, false);
    }

    #[cold]
    pub(super) fn record_of(
        &mut self,
        level: Level,
        conn: Option<Id>,
        message: String,
        is_access: bool,
    ) {
        let peer = conn.and_then(|id| self.conns.get(id)?.peer.address());
        if !self.log.push(Record {
            level,
            message,
            peer,
            is_access,
        }) {
            self.counters.log_records_lost.bump();
        }
    }

    pub(crate) fn defer(&mut self, callback: Callback<U>) {
        self.notices.push_back(Notice::Call(callback));
    }

    /// The number of this worker.
    pub(crate) fn worker(&self) -> usize {
        usize::from(self.conns.worker())
    }

    pub(crate) fn remote(&self) -> &Remote<U> {
        &self.remote
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes that connections and queues own beyond their slots.
    #[cfg(feature = "testing")]
    pub(crate) fn buffered_bytes(&self) -> usize {
        let conns = self.conns.ids().filter_map(|id| self.conns.get(id));
        conns
            .map(|conn| {
                let socket = conn.socket.as_ref();
                let socket = socket.map_or(0, |socket| socket.buffered_bytes());
                conn.out.capacity() + conn.stash.capacity() + socket
            })
            .sum::<usize>()
            + self.dropped_bytes
    }

    /// What has to hold between turns.
    #[cfg(feature = "testing")]
    pub(crate) fn check(&self) {
        assert_eq!(self.depth, 0, "AI-1");
        assert!(
            self.driven.is_none() && self.input.is_some(),
            "the buffer is back"
        );
        let mut proxied = self.proxied.keys();
        assert!(proxied.all(|&id| self.conns.get(id).is_some()));
        for id in self.conns.ids() {
            let Some(conn) = self.conns.get(id) else {
                continue;
            };
            let queued = |queue: &mut dyn Iterator<Item = &Id>| queue.filter(|&&q| q == id).count();
            assert_eq!(
                queued(&mut self.dirty.iter()),
                usize::from(conn.in_dirty),
                "{id:?}"
            );
            assert_eq!(
                queued(&mut self.backlog.iter()),
                usize::from(conn.in_backlog),
                "{id:?}"
            );
            let told = conn.socket.as_ref().is_none_or(|socket| socket.told);
            let closed = usize::from(conn.phase == Phase::Closed && told);
            let untold = self.notices.iter().filter_map(|notice| match notice {
                Notice::Connection(id, false) => Some(id),
                _ => None,
            });
            let mut closing = self.closing.iter().chain(untold);
            assert_eq!(queued(&mut closing), closed, "{id:?}");
            // A head or a chunk's frame may stand over the bound until content is added; a head has
            // the same bound for itself.
            let bound = self.config.write_buffer_bytes_max * 2 + FRAMING_BYTES_MAX;
            let is_bounded = conn.socket.is_none() && !conn.exchange.whole;
            assert!(
                conn.phase == Phase::Closed || !is_bounded || conn.out.len() <= bound,
                "{id:?}"
            );
            assert!(
                conn.armed <= conn.read_deadline.min(conn.write_deadline),
                "{id:?} is watched"
            );
            assert!(
                conn.owes_answer() || conn.later.is_none(),
                "{id:?} keeps no dead callbacks"
            );
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn accept_is_paused(&self) -> bool {
        self.accept_after > self.now
    }

    /// Adds kinds of WebSocket behind those that are there.
    pub(crate) fn add_sockets(&mut self, more: Vec<SocketSettings>) {
        if more.is_empty() {
            return;
        }
        let mut settings = std::mem::take(&mut self.socket_settings).into_vec();
        settings.extend(more);
        self.cork_bytes = cork_bytes(&self.config, &settings);
        self.socket_settings = settings.into();
    }

    /// Nothing left to do before the loop waits.
    pub(super) fn is_quiet(&self) -> bool {
        self.dirty.is_empty()
            && self.closing.is_empty()
            && self.notices.is_empty()
            && !self.topics.has_pending()
            && self.graveyard.is_empty()
    }
}
