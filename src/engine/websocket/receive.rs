//! Input of WebSockets: from bytes through messages to handlers.

use std::any::Any;

use super::codec::untag;
use super::{
    CloseCause, Dropped, Message, SocketEvent, SocketId, SocketNews, SocketSettings, Subscription,
};
use crate::engine::conn::Phase;
use crate::engine::service::Service;
use crate::engine::state::State;
use crate::engine::worker::Worker;
use crate::proto::ws::{Event, Kind, MessageLimits, Opcode, Workspace, WsError};
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
        let id = SocketId(id);
        self.open_socket(id);
        let Some(limits) = self.state.heard(id) else {
            return bytes.len();
        };
        // Its handlers have the data in turn, until everything here is handled.
        let mut data = self.state.take_data(id);
        let used = self.feed_messages(id, &mut data, bytes, (workspace, inflated, &limits));
        if let Some((_, data)) = data {
            self.state.put_data(id, data);
        }
        used
    }

    fn feed_messages(
        &mut self,
        id: SocketId,
        data: &mut Option<(u32, Box<dyn Any>)>,
        bytes: &mut [u8],
        (workspace, inflated, limits): (&mut Workspace, &mut Vec<u8>, &MessageLimits),
    ) -> usize {
        let mut at = 0;
        loop {
            let Some(conn) = self.state.conns.get_mut(id.0) else {
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
            let tagged = socket.class == Class::BROTLI;
            let step = match socket.receiver.next(&mut bytes[at..], workspace, limits) {
                Ok(step) => step,
                Err(error) => {
                    self.state.fail_socket(id.0, error);
                    return bytes.len();
                }
            };
            at += step.used;
            let Some(event) = step.event else {
                return at;
            };
            if let Event::Close(close) = event {
                self.state.peer_closes(id.0, close);
                continue;
            }
            // After our Close frame only the peer's counts (RFC 6455 section 5.5.1).
            let Some((behaviour, data)) = data.as_mut().filter(|_| !closing) else {
                continue;
            };
            let event = match event {
                Event::Message {
                    kind,
                    compressed,
                    payload,
                } => {
                    let encoded = compressed || (tagged && kind == Kind::Binary);
                    let decoded = if encoded {
                        self.state.decode(id.0, kind, compressed, payload, inflated)
                    } else {
                        Ok((kind, &*payload))
                    };
                    match decoded.and_then(|(kind, payload)| Message::new(kind, payload)) {
                        Ok(message) => {
                            self.state.counters.messages_received.bump();
                            SocketEvent::Message(message)
                        }
                        Err(error) => {
                            self.state.fail_socket(id.0, error);
                            return bytes.len();
                        }
                    }
                }
                Event::Ping(payload) => {
                    self.state.pong(id.0, payload);
                    SocketEvent::Ping(payload)
                }
                Event::Pong(payload) => SocketEvent::Pong(payload),
                Event::Close(_) => continue,
            };
            self.tell_with(id, *behaviour, &mut **data, event);
        }
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
            self.tell(id, SocketEvent::Open);
        }
    }

    /// Runs a handler of a socket.
    fn tell(&mut self, id: SocketId, event: SocketEvent<'_>) {
        if let Some((behaviour, mut data)) = self.state.take_data(id) {
            self.tell_with(id, behaviour, &mut *data, event);
            // Also behind a panic: the close handler is still to come, and wants it.
            self.state.put_data(id, data);
        }
    }

    /// Runs a handler of a socket whose data the caller has. A panic ends the socket, not the
    /// worker.
    #[inline]
    fn tell_with(
        &mut self,
        id: SocketId,
        behaviour: u32,
        data: &mut dyn Any,
        event: SocketEvent<'_>,
    ) {
        let well = self.call(None, |service, state| {
            service.socket(state, id, behaviour, data, event);
        });
        if !well {
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
                    self.tell(id, SocketEvent::Drain);
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
                if let Ok(message) = Message::new(kind, payload)
                    && self.state.is_open(id)
                {
                    self.tell(id, SocketEvent::Dropped(message));
                }
            }
            SocketNews::Subscription(change) => {
                // At the end of a socket its subscriptions are told of before it is.
                self.tell(id, SocketEvent::Subscription(Subscription::new(&change)));
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
            self.tell(id, SocketEvent::Closed(closed));
        }
        self.state.socket_told(id);
    }
}

impl<U> State<U> {
    /// The peer has sent something. Returns how much it may send.
    fn heard(&mut self, id: SocketId) -> Option<MessageLimits> {
        let now = self.now;
        let socket = self.conns.get_mut(id.0)?.socket.as_mut()?;
        socket.heard = now;
        Some(
            self.socket_settings[socket.behaviour as usize]
                .config
                .limits,
        )
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
