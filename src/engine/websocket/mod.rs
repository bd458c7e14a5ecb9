//! WebSockets: what a connection becomes after its upgrade.
//!
//! Input goes through [`receive`], output through [`send`]; a socket leaves the open state in one
//! place, in [`closing`].

mod closing;
pub(crate) mod codec;
mod pubsub;
mod receive;
mod send;
mod upgrade;

use std::any::Any;
use std::sync::Arc;

use crate::config::WebSocketConfig;
use crate::engine::conn::{Conn, ConnectionId};
use crate::engine::state::Grave;
use crate::error::Misuse;
use crate::proto::ws::{Kind, Receiver, WsError, utf8};
use crate::pubsub::{Change, Class, Message as SharedMessage};
use crate::util::slab::Id;
use crate::util::wheel::Tick;

pub(crate) use codec::Codec;
use codec::Histories;
pub(crate) use upgrade::Upgrade;

/// Names one WebSocket. It can be copied and sent to other threads; once the socket is gone it
/// names nothing, and never another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId(pub(crate) Id);

impl SocketId {
    /// The connection that became this socket.
    pub fn connection(self) -> ConnectionId {
        ConnectionId(self.0)
    }
}

#[cfg(feature = "binding")]
impl SocketId {
    /// The bits, for a foreign interface.
    pub fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The id of these bits. Any will do: those that name no socket are stale.
    pub fn from_bits(bits: u64) -> Self {
        Self(Id::from_bits(bits))
    }

    /// The number of the worker that has this socket.
    pub fn worker(self) -> usize {
        usize::from(self.0.worker())
    }
}

/// A message, in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Text has been checked where it arrived; this gives it its type.
    #[inline]
    fn new(kind: Kind, payload: &'a [u8]) -> Result<Self, WsError> {
        match kind {
            Kind::Binary => Ok(Self::Binary(payload)),
            Kind::Text => utf8::text(payload).map(Self::Text).ok_or(WsError::Utf8),
        }
    }

    /// The payload.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }
}

/// Why a WebSocket is not open any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCause {
    /// The peer has sent a Close frame.
    Peer,
    /// The connection has ended without one.
    PeerLeft,
    /// The peer has broken the protocol or gone over a limit, and was told so.
    Protocol(WsError),
    /// The program has ended it with a Close frame.
    Local,
    /// The program has dropped the connection.
    Dropped,
    /// Nothing was heard of the peer for `idle_timeout_ms`.
    IdleTimeout,
    /// The socket was open for `lifetime_ms`.
    Lifetime,
    /// More was waiting for a slow reader than `backpressure_bytes_max`, where the policy is to
    /// close.
    Backpressure,
    /// The peer has read nothing for `write_stall_timeout_ms`.
    WriteStall,
    /// The server is stopping.
    Stop,
    /// A handler of this socket has panicked.
    Panic,
}

/// How a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed<'a> {
    /// Why.
    pub cause: CloseCause,
    /// The status code of the Close frame that ended it, received or sent (RFC 6455 section 7.4):
    /// 1005 when the peer's had none, 1006 when there was no such frame.
    pub code: u16,
    /// The reason in that frame.
    pub reason: &'a str,
}

/// A subscription that was made or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription<'a> {
    /// The topic, or the pattern.
    pub topic: &'a str,
    /// Whether it is a pattern.
    pub is_pattern: bool,
    /// How many sockets of this worker have this subscription now,
    pub count: usize,
    /// and how many had it before.
    pub count_before: usize,
}

impl<'a> Subscription<'a> {
    fn new(change: &'a Change) -> Self {
        Self {
            topic: &change.name,
            is_pattern: change.is_pattern,
            count: change.count,
            count_before: change.count_before,
        }
    }
}

/// The code that stands for a Close frame without one, and for no Close frame.
pub(super) const NO_CODE: u16 = 1005;
pub(super) const NO_FRAME: u16 = 1006;

/// What a socket's handlers are told, besides messages.
pub(crate) enum SocketEvent<'a> {
    /// It is open. Comes first.
    Open,
    /// A Ping has arrived, and was answered.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The peer has taken everything that was queued.
    Drain,
    /// A message was not sent, since too much was waiting.
    Dropped(Message<'a>),
    /// A subscription was made or ended.
    Subscription(Subscription<'a>),
    /// It is not open any more. Comes last.
    Closed(Closed<'a>),
}

/// News of a socket that waits for `settle`.
pub(super) enum SocketNews {
    /// It was upgraded outside a turn's input.
    Open,
    /// The peer has taken everything that was queued.
    Drain,
    /// It is not open any more.
    Closed(Box<Ending>),
    /// A message was not sent, since too much was waiting.
    Dropped(Dropped),
    /// A subscription was made or ended.
    Subscription(Change),
}

/// A message that was not sent.
pub(super) enum Dropped {
    Direct(Kind, Box<[u8]>),
    Published(Arc<SharedMessage>),
}

/// How a socket ended.
pub(super) struct Ending {
    pub(super) cause: CloseCause,
    pub(super) code: u16,
    pub(super) reason: Box<str>,
}

/// What the engine keeps of one WebSocket beside its connection.
pub(super) struct Socket {
    pub(super) receiver: Receiver,
    /// The user's value: out while a handler of this socket runs.
    pub(super) data: Option<Box<dyn Any>>,
    /// When the peer was last heard of, and last sent a Ping: the lower bits of the tick. Timeouts
    /// have as many, so what has passed can be told.
    pub(super) heard: u32,
    pub(super) pinged: u32,
    /// When the socket's time is up, if it has an end.
    expires: u32,
    has_end: bool,
    /// 0 is off, for both.
    pub(super) idle_timeout_ms: u32,
    pub(super) ping_interval_ms: u32,
    /// Which of the worker's settings and handlers are its own.
    pub(super) behaviour: u16,
    /// What few sockets have.
    pub(super) rare: Option<Box<Rare>>,
    /// How messages are encoded for it.
    pub(super) class: Class,
    /// It is not open any more, and that is under way to its handler.
    pub(super) left: bool,
    /// The open handler was called, or is about to be.
    pub(super) opened: bool,
    /// The close handler was.
    pub(super) told: bool,
    pub(super) paused: bool,
    /// Something was queued of which the handler knows: it is told when that has drained.
    pub(super) wants_drain: bool,
    /// What is published is written to it message by message.
    pub(super) is_slow: bool,
    /// The peer has got published messages since its compressor was last used.
    pub(super) history_is_stale: bool,
}

/// What few sockets have.
#[derive(Default)]
pub(super) struct Rare {
    /// A message that is being sent in fragments, and what has to wait for its end.
    pub(super) fragments: Option<send::Fragments>,
    pub(super) histories: Histories,
    /// A Ping that is answered when the peer reads again.
    pong: Option<Box<[u8]>>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.fragments.is_none() && self.histories.is_empty() && self.pong.is_none()
    }
}

impl Socket {
    fn fragments(&mut self) -> Option<&mut send::Fragments> {
        self.rare.as_mut()?.fragments.as_mut()
    }

    /// Whether a message is being sent in fragments.
    fn is_fragmented(&self) -> bool {
        self.rare
            .as_ref()
            .is_some_and(|rare| rare.fragments.is_some())
    }

    /// Bytes that wait for the last of them.
    fn held_bytes(&self) -> usize {
        let fragments = self.rare.as_ref().and_then(|rare| rare.fragments.as_ref());
        fragments.map_or(0, |fragments| fragments.held.len())
    }

    /// A message in fragments has begun.
    fn begin_fragments(&mut self, fragments: send::Fragments) {
        self.rare.get_or_insert_default().fragments = Some(fragments);
    }

    /// The last fragment is being sent.
    fn end_fragments(&mut self) -> Option<send::Fragments> {
        let fragments = self.rare.as_mut()?.fragments.take();
        self.rare.take_if(|rare| rare.is_empty());
        fragments
    }

    fn keep_pong(&mut self, payload: &[u8]) {
        self.rare.get_or_insert_default().pong = Some(payload.into());
    }

    fn take_pong(&mut self) -> Option<Box<[u8]>> {
        let pong = self.rare.as_mut()?.pong.take();
        self.rare.take_if(|rare| rare.is_empty());
        pong
    }

    /// Whether something is to be done once the output is empty.
    pub(super) fn waits_for_drain(&self) -> bool {
        self.wants_drain || self.rare.as_ref().is_some_and(|rare| rare.pong.is_some())
    }

    /// Bytes of memory that it owns beyond its slot.
    #[cfg(feature = "testing")]
    pub(super) fn buffered_bytes(&self) -> usize {
        let rare = self.rare.as_ref();
        let held = rare.and_then(|rare| Some(rare.fragments.as_ref()?.held.capacity()));
        let histories = rare.map_or(0, |rare| rare.histories.buffered_bytes());
        self.receiver.buffered_bytes() + held.unwrap_or(0) + histories
    }

    /// Milliseconds since the peer was heard of.
    fn silent_ms(&self, now: Tick) -> u32 {
        (now as u32).wrapping_sub(self.heard)
    }

    /// Milliseconds in which neither side has said anything that keeps the connection alive.
    fn quiet_ms(&self, now: Tick) -> u32 {
        self.silent_ms(now)
            .min((now as u32).wrapping_sub(self.pinged))
    }

    fn is_idle(&self, now: Tick) -> bool {
        let timeout_ms = self.idle_timeout_ms;
        timeout_ms > 0 && !self.paused && self.silent_ms(now) >= timeout_ms
    }

    fn is_to_be_pinged(&self, now: Tick) -> bool {
        let interval_ms = self.ping_interval_ms;
        interval_ms > 0 && self.quiet_ms(now) >= interval_ms
    }

    /// When something has to be done about the socket although nothing happens to it.
    fn deadline(&self, now: Tick) -> Tick {
        let left = |limit_ms: u32, passed_ms: u32| match limit_ms {
            0 => Tick::MAX,
            _ => now + u64::from(limit_ms.saturating_sub(passed_ms)),
        };
        let idle = if self.paused {
            Tick::MAX
        } else {
            left(self.idle_timeout_ms, self.silent_ms(now))
        };
        let ping = left(self.ping_interval_ms, self.quiet_ms(now));
        idle.min(ping).min(self.expires(now))
    }

    /// When the socket's time is up.
    fn expires(&self, now: Tick) -> Tick {
        let left = self.expires.wrapping_sub(now as u32);
        match (self.has_end, left <= u32::MAX / 2) {
            (false, _) => Tick::MAX,
            (true, true) => now + u64::from(left),
            (true, false) => now,
        }
    }

    /// The same, unless its time is up sooner.
    pub(super) fn end_by(&mut self, end: Tick, now: Tick) {
        self.set_end(end.min(self.expires(now)), now);
    }

    /// Sets when the socket's time is up, at most some 24 days ahead; `Tick::MAX` is never.
    fn set_end(&mut self, end: Tick, now: Tick) {
        self.has_end = end != Tick::MAX;
        self.expires = end.min(now + u64::from(u32::MAX / 2)) as u32;
    }
}

/// What the engine has to know of a kind of WebSocket.
pub(crate) struct SocketSettings {
    /// Tells it from every other kind in the process.
    pub(crate) key: u64,
    pub(crate) config: WebSocketConfig,
    pub(crate) codec: Codec,
    /// Whether there is a handler for dropped messages,
    pub(crate) hears_dropped: bool,
    /// and one for subscriptions.
    pub(crate) hears_subscriptions: bool,
}

impl<U> crate::engine::State<U> {
    /// Takes the user's value out of a socket, for as long as one of its handlers runs.
    fn take_data(&mut self, id: SocketId) -> Option<(u16, Box<dyn Any>)> {
        let socket = self.conns.get_mut(id.0)?.socket.as_mut()?;
        Some((socket.behaviour, socket.data.take()?))
    }

    /// Puts it back.
    fn put_data(&mut self, id: SocketId, data: Box<dyn Any>) {
        match self.conns.get_mut(id.0) {
            Some(Conn {
                socket: Some(socket),
                ..
            }) => socket.data = Some(data),
            _ => self.graveyard.push(Grave::Data(data)),
        }
    }

    /// The user's value of a socket, unless one of its handlers runs.
    pub(crate) fn data_mut(&mut self, id: SocketId) -> Option<&mut dyn Any> {
        let socket = self.conns.get_mut(id.0)?.socket.as_mut()?;
        socket.data.as_deref_mut()
    }

    /// What tells the settings of a kind from those of another worker's.
    #[cfg(feature = "binding")]
    pub(crate) fn socket_key(&self, behaviour: u16) -> Option<u64> {
        let settings = self.socket_settings.get(usize::from(behaviour))?;
        Some(settings.key)
    }

    /// The kind of a socket.
    fn behaviour_of(&self, id: SocketId) -> Option<usize> {
        let socket = self.conns.get(id.0)?.socket.as_ref()?;
        Some(socket.behaviour as usize)
    }

    /// Stops or goes on reading a socket.
    pub(crate) fn set_paused(&mut self, id: SocketId, paused: bool) -> Result<(), Misuse> {
        if let Some(socket) = &mut self.open_mut(id)?.socket {
            socket.paused = paused;
        }
        self.disturbed = true;
        if !paused {
            self.push_backlog(id.0);
        }
        self.watch_socket(id.0);
        Ok(())
    }

    /// Sets a socket's own timeouts, in milliseconds; 0 is off.
    pub(crate) fn set_timeouts(
        &mut self,
        id: SocketId,
        idle_timeout_ms: Option<u32>,
        ping_interval_ms: Option<u32>,
        lifetime_ms: Option<u32>,
    ) -> Result<(), Misuse> {
        let (now, stopping) = (self.now, self.stopping.is_some());
        let end = lifetime_ms.map(|ms| match ms {
            0 => Tick::MAX,
            ms => self.tick_in(u64::from(ms)),
        });
        if let Some(socket) = &mut self.open_mut(id)?.socket {
            socket.idle_timeout_ms = idle_timeout_ms.unwrap_or(socket.idle_timeout_ms);
            socket.ping_interval_ms = ping_interval_ms.unwrap_or(socket.ping_interval_ms);
            match end {
                // A stop has said when; it can only be sooner.
                Some(end) if stopping => socket.end_by(end, now),
                Some(end) => socket.set_end(end, now),
                None => {}
            }
        }
        self.watch_socket(id.0);
        Ok(())
    }
}
