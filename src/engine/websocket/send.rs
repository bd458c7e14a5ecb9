//! Output of WebSockets. Nothing here calls user code (AI-1).

use super::codec::{Outgoing, encode_published};
use super::pubsub::DROPPED_COST_BYTES;
use super::{Dropped, Message, Socket, SocketId, SocketNews, SocketSettings};
use crate::config::Backpressure;
use crate::engine::answer::Sent;
use crate::engine::conn::{Conn, Phase};
use crate::engine::io::joins;
use crate::engine::state::{Notice, State};
use crate::error::Misuse;
use crate::proto::ws::brotli::TAG_RAW;
use crate::proto::ws::frame::{CONTROL_BYTES_MAX, encode_frame, encode_header};
use crate::proto::ws::{Kind, Opcode};
use crate::pubsub::{Class, Message as SharedMessage};
use crate::util::slab::Id;

/// The longest header that a server's frame has.
pub(super) const HEADER_BYTES_MAX: usize = 10;

/// Memory for compressed messages that is kept for the next.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// A message that is being sent in fragments.
pub(in crate::engine) struct Fragments {
    pub(super) kind: Kind,
    /// Frames of other messages: they must not stand between the fragments (RFC 6455 section 5.4).
    pub(super) held: Vec<u8>,
}

pub(super) fn opcode(kind: Kind) -> Opcode {
    match kind {
        Kind::Text => Opcode::Text,
        Kind::Binary => Opcode::Binary,
    }
}

impl<U> State<U> {
    /// The connection of a socket that is open.
    #[inline]
    pub(in crate::engine) fn open_mut(&mut self, id: SocketId) -> Result<&mut Conn<U>, Misuse> {
        match self.conns.get_mut(id.0) {
            Some(conn) if conn.phase == Phase::Open => Ok(conn),
            _ => {
                self.counters.misuse_stale.bump();
                Err(Misuse::Stale)
            }
        }
    }

    /// Whether a socket is open, for a caller who claims it.
    pub(crate) fn check_open(&mut self, id: SocketId) -> Result<(), Misuse> {
        self.open_mut(id).map(|_| ())
    }

    /// Whether a socket is open.
    pub(crate) fn is_open(&self, id: SocketId) -> bool {
        self.conns
            .get(id.0)
            .is_some_and(|conn| conn.phase == Phase::Open)
    }

    /// Sends a message, compressed where that was agreed and `compress` is set.
    #[inline]
    pub(crate) fn send(
        &mut self,
        id: SocketId,
        message: Message<'_>,
        compress: bool,
    ) -> Result<Sent, Misuse> {
        if self.send_plain(id, message) {
            return Ok(Sent::Sent);
        }
        let (socket, blocked) = self.begin_message(id)?;
        let encoded = socket.class == Class::BROTLI || (compress && socket.class != Class::PLAIN);
        let bytes = message.bytes();
        if blocked && !self.has_room(id.0, bytes.len()) {
            return Ok(self.drop_message(id, message));
        }
        self.counters.messages_sent.bump();
        if encoded {
            return Ok(self.push_encoded(id.0, message, compress));
        }
        Ok(self.push_frame(id.0, opcode(message.kind()), false, bytes, true))
    }

    /// Before a whole message: what was published goes first, and no other may be unfinished.
    /// Returns the socket, and whether its peer is slow.
    fn begin_message(&mut self, id: SocketId) -> Result<(&mut Socket, bool), Misuse> {
        self.write_pending(id.0);
        let conn = self.open_mut(id)?;
        if conn
            .socket
            .as_ref()
            .is_some_and(|socket| socket.is_fragmented())
        {
            return Err(self.misuse(Misuse::Fragment));
        }
        let conn = self.open_mut(id)?;
        let blocked = conn.blocked;
        let socket = conn.socket.as_deref_mut().ok_or(Misuse::Stale)?;
        Ok((socket, blocked))
    }

    /// Sends a message of the common kind: small, not compressed, to a peer that keeps up. Returns
    /// whether it was.
    #[inline]
    fn send_plain(&mut self, id: SocketId, message: Message<'_>) -> bool {
        let Some(conn) = self.conns.get_mut(id.0) else {
            return false;
        };
        let Some(socket) = &conn.socket else {
            return false;
        };
        let plain = socket.class == Class::PLAIN && socket.rare.is_none();
        let keeps_up = conn.phase == Phase::Open && !conn.blocked && !self.topics.has_pending();
        let bytes = message.bytes();
        let frame_bytes = HEADER_BYTES_MAX + bytes.len();
        let small = joins(conn.out.len(), frame_bytes, self.cork_bytes);
        if !(plain && keeps_up && small) {
            return false;
        }
        Self::lend_buffer(conn, &mut self.spare);
        let tail = conn.out.tail();
        tail.reserve(frame_bytes);
        encode_frame(tail, true, false, opcode(message.kind()), bytes);
        self.counters.messages_sent.bump();
        if self.driven != Some(id.0) {
            self.push_dirty(id.0);
        }
        true
    }

    /// Appends a message in the form that the socket's peer has agreed to.
    fn push_encoded(&mut self, id: Id, message: Message<'_>, compress: bool) -> Sent {
        let mut scratch = std::mem::take(&mut self.scratch);
        let Some(socket) = self.conns.get_mut(id).and_then(|conn| conn.socket.as_mut()) else {
            return Sent::Closed;
        };
        let codec = &mut self.socket_settings[socket.behaviour as usize].codec;
        let wire = codec.encode(
            socket.class,
            socket.rare.as_mut().map(|rare| &mut rare.histories),
            &mut socket.history_is_stale,
            Outgoing {
                kind: message.kind(),
                payload: message.bytes(),
                compress,
            },
            &mut scratch,
        );
        let sent = self.push_frame(id, wire.opcode, wire.compressed, wire.payload, true);
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            self.scratch = scratch;
        }
        sent
    }

    /// Sends a message that was prepared for any number of sockets.
    pub(crate) fn send_prepared(
        &mut self,
        id: SocketId,
        message: &SharedMessage,
    ) -> Result<Sent, Misuse> {
        let (socket, blocked) = self.begin_message(id)?;
        let (class, behaviour) = (socket.class, socket.behaviour as usize);
        socket.history_is_stale = true;
        let codec = &mut self.socket_settings[behaviour].codec;
        let frame = message.form(class, |message, class| {
            encode_published(codec, message, class)
        });
        if blocked && !self.has_room(id.0, frame.len()) {
            let payload = message.payload();
            let message = match (message.is_text(), str::from_utf8(payload)) {
                (true, Ok(text)) => Message::Text(text),
                _ => Message::Binary(payload),
            };
            return Ok(self.drop_message(id, message));
        }
        self.counters.messages_sent.bump();
        self.append(id.0, frame);
        self.push_dirty(id.0);
        Ok(self.socket_sent(id.0))
    }

    /// Sends a piece of a message; the pieces up to the one that is `last` make it up.
    pub(crate) fn send_fragment(
        &mut self,
        id: SocketId,
        piece: Message<'_>,
        last: bool,
    ) -> Result<Sent, Misuse> {
        self.write_pending(id.0);
        let conn = self.open_mut(id)?;
        let blocked = conn.blocked;
        let Some(socket) = &mut conn.socket else {
            return Err(Misuse::Stale);
        };
        let opcode = match socket.fragments() {
            None => opcode(piece.kind()),
            Some(fragments) if fragments.kind == piece.kind() => Opcode::Continuation,
            Some(_) => return Err(self.misuse(Misuse::Fragment)),
        };
        let room = !blocked || self.has_room(id.0, piece.bytes().len());
        match opcode {
            Opcode::Continuation if !room && self.closes_when_slow(id) => {
                self.end_slow(id.0);
                return Ok(Sent::Closed);
            }
            // A message that was begun cannot be dropped any more.
            Opcode::Continuation => {}
            _ if !room => return Ok(self.drop_message(id, piece)),
            _ => self.counters.messages_sent.bump(),
        }
        let begun = (opcode != Opcode::Continuation).then(|| Fragments {
            kind: piece.kind(),
            held: Vec::new(),
        });
        let held = match &mut self.open_mut(id)?.socket {
            Some(socket) if last => socket.end_fragments(),
            Some(socket) => {
                if let Some(begun) = begun {
                    socket.begin_fragments(begun);
                }
                None
            }
            None => None,
        };
        self.update_slow(id.0);
        let tagged = opcode == Opcode::Binary && self.class_of(id) == Some(Class::BROTLI);
        let sent = if tagged {
            let piece = [&[TAG_RAW], piece.bytes()].concat();
            self.push_frame(id.0, opcode, false, &piece, last)
        } else {
            self.push_frame(id.0, opcode, false, piece.bytes(), last)
        };
        match held {
            Some(fragments) if !fragments.held.is_empty() => {
                self.append(id.0, &fragments.held);
                Ok(self.socket_sent(id.0))
            }
            _ => Ok(sent),
        }
    }

    fn closes_when_slow(&self, id: SocketId) -> bool {
        let settings = self.behaviour_of(id).map(|it| &self.socket_settings[it]);
        settings.is_some_and(|it| it.config.backpressure == Backpressure::Close)
    }

    fn class_of(&self, id: SocketId) -> Option<Class> {
        Some(self.conns.get(id.0)?.socket.as_ref()?.class)
    }

    /// Sends a Ping of at most 125 bytes.
    pub(crate) fn ping(&mut self, id: SocketId, payload: &[u8]) -> Result<Sent, Misuse> {
        let conn = self.open_mut(id)?;
        let blocked = conn.blocked;
        if payload.len() > CONTROL_BYTES_MAX {
            return Err(self.misuse(Misuse::Length));
        }
        if blocked && !self.has_room(id.0, payload.len()) {
            self.counters.messages_dropped.bump();
            return Ok(Sent::Dropped);
        }
        Ok(self.push_frame(id.0, Opcode::Ping, false, payload, true))
    }

    /// Bytes of output that wait for the peer.
    pub(crate) fn socket_queued(&mut self, id: SocketId) -> Result<usize, Misuse> {
        Ok(self.open_mut(id)?.out.len())
    }

    /// Whether a message may be queued for a peer that reads slowly.
    #[cold]
    fn has_room(&self, id: Id, bytes: usize) -> bool {
        let Some(conn) = self.conns.get(id) else {
            return false;
        };
        let Some(socket) = &conn.socket else {
            return false;
        };
        let config = &self.socket_settings[socket.behaviour as usize].config;
        let held = socket.held_bytes();
        config.backpressure == Backpressure::Queue
            || conn.out.len() + held + bytes + HEADER_BYTES_MAX <= config.backpressure_bytes_max
    }

    /// A message found no room.
    #[cold]
    fn drop_message(&mut self, id: SocketId, message: Message<'_>) -> Sent {
        self.counters.messages_dropped.bump();
        let conn = self.conns.get_mut(id.0);
        let Some(socket) = conn.and_then(|conn| conn.socket.as_mut()) else {
            return Sent::Closed;
        };
        // Its sender waits for that now.
        socket.wants_drain = true;
        let SocketSettings {
            config,
            hears_dropped,
            ..
        } = &self.socket_settings[socket.behaviour as usize];
        if config.backpressure == Backpressure::Close {
            self.end_slow(id.0);
            return Sent::Closed;
        }
        let bytes = message.bytes();
        // Copies that wait for their handler have a bound as well.
        if *hears_dropped && self.dropped_bytes <= config.backpressure_bytes_max {
            self.dropped_bytes += DROPPED_COST_BYTES + bytes.len();
            let news = SocketNews::Dropped(Dropped::Direct(message.kind(), bytes.into()));
            self.notices.push_back(Notice::Socket(id, news));
        }
        Sent::Dropped
    }

    /// Appends a control frame. These may stand between the fragments of a message.
    pub(super) fn push_control(&mut self, id: Id, opcode: Opcode, payload: &[u8]) {
        let _ = self.push_frame(id, opcode, false, payload, true);
    }

    /// Appends a frame.
    #[inline]
    fn push_frame(
        &mut self,
        id: Id,
        opcode: Opcode,
        rsv1: bool,
        payload: &[u8],
        fin: bool,
    ) -> Sent {
        let Some(conn) = self.conns.get_mut(id) else {
            return Sent::Closed;
        };
        Self::lend_buffer(conn, &mut self.spare);
        let frame_bytes = HEADER_BYTES_MAX + payload.len();
        let small = joins(conn.out.len(), frame_bytes, self.cork_bytes);
        let tail = conn.out.tail();
        if small {
            tail.reserve(HEADER_BYTES_MAX + payload.len());
        }
        encode_header(tail, fin, rsv1, opcode, payload.len());
        if small {
            tail.extend_from_slice(payload);
        } else {
            self.append(id, payload);
        }
        self.push_dirty(id);
        self.socket_sent(id)
    }

    /// What became of what was just appended.
    #[inline]
    fn socket_sent(&mut self, id: Id) -> Sent {
        match self.conns.get_mut(id) {
            Some(conn) if conn.phase == Phase::Closed => Sent::Closed,
            Some(conn) if conn.blocked => {
                if let Some(socket) = &mut conn.socket {
                    socket.wants_drain = true;
                }
                Sent::Queued(conn.out.len())
            }
            Some(_) => Sent::Sent,
            None => Sent::Closed,
        }
    }
}
