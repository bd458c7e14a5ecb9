//! Input of WebSockets: from bytes through messages to handlers.

use super::codec::untag;
use super::{CloseCause, Dropped, Message, SocketId, SocketNews, SocketSettings, Subscription};
use crate::engine::conn::Phase;
use crate::engine::service::Service;
use crate::engine::state::State;
use crate::engine::worker::Worker;
use crate::proto::ws::{Event, Kind, Opcode, Workspace, WsError, utf8};
use crate::pubsub::Class;
use crate::util::slab::Id;

/// Memory for a decompressed message that is kept for the next.
const INFLATED_BYTES_MAX: usize = 1 << 20;

impl<S: Service> Worker<S> {
    /// Handles a prefix of a WebSocket's input and returns its length.
    pub(in crate::engine) fn feed_socket(
        &mut self,
        id: Id,
        bytes: &mut [u8],
        workspace: &mut Workspace,
        inflated: &mut Vec<u8>,
    ) -> usize {
        let mut at = 0;
        self.open_socket(SocketId(id));
        self.state.heard(id);
        loop {
            let Some(conn) = self.state.conns.get_mut(id) else {
                return bytes.len();
            };
            let closing = conn.phase == Phase::Closing;
            let Some(socket) = &mut conn.socket else {
                return bytes.len();
            };
            if conn.phase != Phase::Open && !closing {
                return bytes.len();
            }
            if socket.paused {
                return at;
            }
            let limits = self.state.socket_settings[socket.behaviour as usize]
                .config
                .limits;
            let step = match socket.receiver.next(&mut bytes[at..], workspace, &limits) {
                Ok(step) => step,
                Err(error) => {
                    self.state.fail_socket(id, error);
                    return bytes.len();
                }
            };
            at += step.used;
            match step.event {
                None => return at,
                Some(Event::Close(close)) => self.state.peer_closes(id, close),
                // After our Close frame only the peer's counts (RFC 6455 section 5.5.1).
                Some(_) if closing => {}
                Some(Event::Message {
                    kind,
                    compressed,
                    payload,
                }) => self.message(id, kind, compressed, payload, inflated),
                Some(Event::Ping(payload)) => {
                    self.state.pong(id, payload);
                    self.call_socket(SocketId(id), |service, state| {
                        service.socket_ping(state, SocketId(id), payload);
                    });
                }
                Some(Event::Pong(payload)) => {
                    self.call_socket(SocketId(id), |service, state| {
                        service.socket_pong(state, SocketId(id), payload);
                    });
                }
            }
        }
    }

    #[inline]
    fn message(
        &mut self,
        id: Id,
        kind: Kind,
        compressed: bool,
        payload: &[u8],
        inflated: &mut Vec<u8>,
    ) {
        let decoded = if compressed || self.state.is_tagged(id, kind) {
            self.state.decode(id, kind, compressed, payload, inflated)
        } else {
            Ok((kind, payload))
        };
        let message = decoded.and_then(|(kind, payload)| match kind {
            Kind::Binary => Ok(Message::Binary(payload)),
            Kind::Text => utf8::text(payload).map(Message::Text).ok_or(WsError::Utf8),
        });
        let message = match message {
            Ok(message) => message,
            Err(error) => return self.state.fail_socket(id, error),
        };
        self.state.counters.messages_received.bump();
        self.call_socket(SocketId(id), |service, state| {
            service.socket_message(state, SocketId(id), message);
        });
    }

    /// Calls the open handler, if that has not been done.
    fn open_socket(&mut self, id: SocketId) {
        let Some(conn) = self.state.conns.get_mut(id.0) else {
            return;
        };
        let phase = conn.phase;
        let Some(socket) = &mut conn.socket else {
            return;
        };
        if !std::mem::replace(&mut socket.opened, true) && phase == Phase::Open {
            self.call_socket(id, |service, state| service.socket_open(state, id));
        }
    }

    /// Runs a handler of a socket. A panic ends the socket, not the worker.
    #[inline]
    fn call_socket(&mut self, id: SocketId, callback: impl FnOnce(&S, &mut State<S::User>)) {
        if !self.call(None, callback) {
            self.state.end_for(id.0, CloseCause::Panic, 1011, "");
        }
    }

    /// Hands over what had to wait for `settle`.
    pub(in crate::engine) fn deliver_socket_news(&mut self, id: SocketId, news: SocketNews) {
        match news {
            SocketNews::Open => self.open_socket(id),
            SocketNews::Closed => self.socket_closed(id),
            SocketNews::Drain => {
                let Some(conn) = self.state.conns.get_mut(id.0) else {
                    return;
                };
                let drained = !conn.blocked && conn.out.ready().is_empty();
                let open = conn.phase == Phase::Open;
                conn.in_notices = false;
                let Some(socket) = &mut conn.socket else {
                    return;
                };
                // Overtaken: the next flush will say so again.
                if open && drained && std::mem::take(&mut socket.wants_drain) {
                    self.call_socket(id, |service, state| service.socket_drain(state, id));
                }
            }
            SocketNews::Dropped(dropped) => {
                let (kind, payload) = match &dropped {
                    Dropped::Direct(kind, payload) => {
                        self.state.dropped_bytes -= payload.len();
                        (*kind, &**payload)
                    }
                    Dropped::Published(message) if message.is_text() => {
                        (Kind::Text, message.payload())
                    }
                    Dropped::Published(message) => (Kind::Binary, message.payload()),
                };
                let message = match kind {
                    Kind::Binary => Message::Binary(payload),
                    Kind::Text => Message::Text(utf8::text(payload).unwrap_or_default()),
                };
                if self.state.is_open(id) {
                    self.call_socket(id, |service, state| {
                        service.socket_dropped(state, id, message);
                    });
                }
            }
            SocketNews::Subscription(change) => {
                // At the end of a socket its subscriptions are told of before it is.
                self.call_socket(id, |service, state| {
                    service.socket_subscription(state, id, Subscription::new(&change));
                });
            }
        }
    }

    /// Calls the close handler. It is the last one of the socket.
    fn socket_closed(&mut self, id: SocketId) {
        let Some(conn) = self.state.conns.get_mut(id.0) else {
            return;
        };
        let Some(socket) = &mut conn.socket else {
            return;
        };
        let Some(ending) = socket.ending.take() else {
            return;
        };
        if socket.opened {
            let closed = super::Closed {
                cause: ending.cause,
                code: ending.code,
                reason: &ending.reason,
            };
            self.call(None, |service, state| {
                service.socket_closed(state, id, closed);
            });
        }
        self.state.socket_told(id);
    }
}

impl<U> State<U> {
    /// The peer has sent something.
    #[inline]
    fn heard(&mut self, id: Id) {
        let now = self.now;
        if let Some(conn) = self.conns.get_mut(id)
            && let Some(socket) = &mut conn.socket
        {
            socket.heard = now;
        }
    }

    /// Whether a message carries a tag.
    #[inline]
    fn is_tagged(&self, id: Id, kind: Kind) -> bool {
        let socket = self.conns.get(id).and_then(|conn| conn.socket.as_ref());
        kind == Kind::Binary && socket.is_some_and(|socket| socket.class == Class::BROTLI)
    }

    /// Decompresses a message.
    fn decode<'a>(
        &mut self,
        id: Id,
        kind: Kind,
        compressed: bool,
        payload: &[u8],
        inflated: &'a mut Vec<u8>,
    ) -> Result<(Kind, &'a [u8]), WsError> {
        inflated.clear();
        inflated.shrink_to(INFLATED_BYTES_MAX);
        let conn = self.conns.get_mut(id);
        let Some(socket) = conn.and_then(|conn| conn.socket.as_mut()) else {
            return Ok((kind, inflated));
        };
        let SocketSettings { config, codec, .. } =
            &mut self.socket_settings[socket.behaviour as usize];
        let bytes_max = config.limits.message_bytes_max;
        if compressed {
            let histories = socket.histories.as_deref_mut();
            codec.inflate(histories, payload, inflated, bytes_max)?;
            return Ok((kind, inflated));
        }
        let kind = untag(payload, inflated, bytes_max)?;
        Ok((kind, inflated))
    }

    /// Answers a Ping, unless the peer sends them without reading the answers.
    fn pong(&mut self, id: Id, payload: &[u8]) {
        if let Ok(conn) = self.open_mut(SocketId(id))
            && !conn.blocked
        {
            self.push_control(id, Opcode::Pong, payload);
        }
    }
}
