//! Input of WebSockets: from bytes through messages to handlers.

use std::any::Any;

use super::codec::{slack_bytes, untag};
use super::pubsub::DROPPED_COST_BYTES;
use super::{
    CloseCause, Dropped, Ending, Message, SocketEvent, SocketId, SocketNews, SocketSettings,
    Subscription,
};
use crate::engine::conn::Phase;
use crate::engine::service::Service;
use crate::engine::state::State;
use crate::engine::worker::Worker;
use crate::proto::ws::{Event, Kind, MessageLimits, Opcode, Receiver, Role, Workspace, WsError};
use crate::pubsub::Class;
use crate::util::slab::Id;

/// So many messages take as long as a request: what a connection may do in a turn is counted in
/// requests.
const MESSAGES_PER_REQUEST: u32 = 16;

impl<S: Service> Worker<S> {
    /// Handles a prefix of a WebSocket's input and returns its length.
    pub(in crate::engine) fn feed_socket(
        &mut self,
        id: Id,
        bytes: &mut [u8],
        (workspace, inflated): (&mut Workspace, &mut Vec<u8>),
        requests_left: &mut u32,
    ) -> usize {
        let id = SocketId(id);
        self.open_socket(id);
        let Some(lent) = self.state.lend(id) else {
            return bytes.len();
        };
        let mut feeding = Feeding {
            id,
            lent,
            at: 0,
            end: bytes.len(),
            messages: 0,
            messages_max: requests_left.saturating_mul(MESSAGES_PER_REQUEST),
        };
        // One call for all messages that are there: between two of them nothing of the engine's is
        // done that a single callback could not do as well.
        loop {
            let before = feeding.at;
            let well = self.call(None, |service, state| {
                feeding.run(service, state, bytes, workspace, inflated);
            });
            if well {
                break;
            }
            // What follows the message whose handler panicked is still looked through for the
            // peer's Close frame.
            self.state.end_for(id.0, CloseCause::Panic, 1011, "");
            if feeding.at == before {
                feeding.at = feeding.end;
                break;
            }
        }
        let Feeding {
            lent, at, messages, ..
        } = feeding;
        self.state.put_back(id, lent);
        *requests_left = requests_left.saturating_sub(messages / MESSAGES_PER_REQUEST);
        at
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
        if phase == Phase::Open && !std::mem::replace(&mut socket.opened, true) {
            self.tell(id, SocketEvent::Open);
        }
    }

    /// Runs a handler of a socket. A panic ends the socket, not the worker.
    fn tell(&mut self, id: SocketId, event: SocketEvent<'_>) {
        let Some((behaviour, mut data)) = self.state.take_data(id) else {
            return;
        };
        let well = self.call(None, |service, state| {
            service.socket(state, id, behaviour, &mut *data, event);
        });
        // Also behind a panic: the close handler is still to come, and wants it.
        self.state.put_data(id, data);
        if !well {
            self.state.end_for(id.0, CloseCause::Panic, 1011, "");
        }
    }

    /// Hands over what had to wait for `settle`.
    pub(in crate::engine) fn deliver_socket_news(&mut self, id: SocketId, news: SocketNews) {
        match news {
            SocketNews::Open => self.open_socket(id),
            SocketNews::Closed(ending) => self.socket_closed(id, &ending),
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
                if !open || !drained {
                    return; // It was overtaken; the next flush will say so again.
                }
                if std::mem::take(&mut socket.wants_drain) {
                    self.tell(id, SocketEvent::Drain);
                }
            }
            SocketNews::Dropped(dropped) => {
                let (kind, payload) = match &dropped {
                    Dropped::Direct(kind, payload) => (*kind, &**payload),
                    Dropped::Published(message) if message.is_text() => {
                        (Kind::Text, message.payload())
                    }
                    Dropped::Published(message) => (Kind::Binary, message.payload()),
                };
                self.state.dropped_bytes -= DROPPED_COST_BYTES + payload.len();
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
    fn socket_closed(&mut self, id: SocketId, ending: &Ending) {
        let Some(conn) = self.state.conns.get_mut(id.0) else {
            return;
        };
        let Some(socket) = &mut conn.socket else {
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

/// What of a socket is out of the state while its input is handled.
struct Lent {
    receiver: Receiver,
    /// `None` when the socket has ended.
    data: Option<Box<dyn Any>>,
    behaviour: u16,
    /// What a message may be on the wire,
    limits: MessageLimits,
    /// and what it may be for the program.
    message_bytes_max: usize,
    /// Binary messages carry a tag.
    tagged: bool,
    /// Our Close frame is on its way.
    closing: bool,
}

/// Input of one socket that is being handled.
struct Feeding {
    id: SocketId,
    lent: Lent,
    /// How much of it has been handled,
    at: usize,
    /// and how much there is.
    end: usize,
    /// Messages and control frames so far.
    messages: u32,
    /// How many there may be; what is left over is kept for the next turn.
    messages_max: u32,
}

impl Feeding {
    fn run<S: Service>(
        &mut self,
        service: &S,
        state: &mut State<S::User>,
        bytes: &mut [u8],
        workspace: &mut Workspace,
        inflated: &mut Vec<u8>,
    ) {
        state.disturbed = true;
        loop {
            // Whether the socket goes on is looked at only when something may have changed that.
            if std::mem::take(&mut state.disturbed) && !self.goes_on(state) {
                return;
            }
            if self.messages >= self.messages_max {
                return;
            }
            let lent = &mut self.lent;
            let step = match lent
                .receiver
                .next(&mut bytes[self.at..], workspace, &lent.limits)
            {
                Ok(step) => step,
                Err(error) => {
                    self.at = self.end;
                    return state.fail_socket(self.id.0, error);
                }
            };
            self.at += step.used;
            self.messages += 1;
            let handled = match step.event {
                None => return,
                Some(Event::Text(text)) => self.plain(service, state, Message::Text(text)),
                Some(Event::Binary(bytes)) if !self.lent.tagged => {
                    self.plain(service, state, Message::Binary(bytes))
                }
                Some(Event::Binary(bytes)) => {
                    self.encoded(service, state, (Kind::Binary, false, bytes), inflated)
                }
                Some(Event::Compressed(kind, bytes)) => {
                    self.encoded(service, state, (kind, true, bytes), inflated)
                }
                Some(event) => self.control(service, state, &event),
            };
            if let Err(error) = handled {
                self.at = self.end;
                return state.fail_socket(self.id.0, error);
            }
        }
    }

    /// Whether there is something to be done with what comes next.
    #[cold]
    fn goes_on<U>(&mut self, state: &State<U>) -> bool {
        let conn = state.conns.get(self.id.0);
        let paused = conn
            .and_then(|conn| conn.socket.as_ref())
            .is_some_and(|socket| socket.paused);
        match conn.map(|conn| conn.phase) {
            Some(Phase::Open) => !paused,
            // After our Close frame only the peer's counts (RFC 6455 section 5.5.1).
            Some(Phase::Closing) => {
                self.lent.closing = true;
                true
            }
            _ => {
                self.at = self.end;
                false
            }
        }
    }

    #[inline]
    fn message<S: Service>(
        &mut self,
        service: &S,
        state: &mut State<S::User>,
        message: Message<'_>,
    ) {
        if let Some(data) = self.lent.data.as_mut().filter(|_| !self.lent.closing) {
            state.counters.messages_received.bump();
            service.socket_message(state, self.id, self.lent.behaviour, &mut **data, message);
        }
    }

    /// A message that stands on the wire as it is.
    #[inline]
    fn plain<S: Service>(
        &mut self,
        service: &S,
        state: &mut State<S::User>,
        message: Message<'_>,
    ) -> Result<(), WsError> {
        if message.bytes().len() > self.lent.message_bytes_max {
            return Err(WsError::MessageTooBig);
        }
        self.message(service, state, message);
        Ok(())
    }

    /// A message that is compressed, or carries a tag.
    fn encoded<S: Service>(
        &mut self,
        service: &S,
        state: &mut State<S::User>,
        (kind, compressed, payload): (Kind, bool, &[u8]),
        inflated: &mut Vec<u8>,
    ) -> Result<(), WsError> {
        if !self.lent.closing {
            let (kind, payload) = state.decode(self.id.0, kind, compressed, payload, inflated)?;
            self.message(service, state, Message::new(kind, payload)?);
        }
        Ok(())
    }

    fn control<S: Service>(
        &mut self,
        service: &S,
        state: &mut State<S::User>,
        event: &Event<'_>,
    ) -> Result<(), WsError> {
        let id = self.id;
        let event = match event {
            Event::Close(close) => {
                state.peer_closes(id.0, *close);
                return Ok(());
            }
            _ if self.lent.closing => return Ok(()),
            Event::Ping(payload) => {
                state.pong(id.0, payload);
                SocketEvent::Ping(payload)
            }
            Event::Pong(payload) => SocketEvent::Pong(payload),
            Event::Text(_) | Event::Binary(_) | Event::Compressed(..) => return Ok(()),
        };
        if let Some(data) = &mut self.lent.data {
            service.socket(state, id, self.lent.behaviour, &mut **data, event);
        }
        Ok(())
    }
}

impl<U> State<U> {
    /// The peer has sent something: takes out what handling it needs.
    fn lend(&mut self, id: SocketId) -> Option<Lent> {
        let now = self.now as u32;
        let socket = self.conns.get_mut(id.0)?.socket.as_mut()?;
        socket.heard = now;
        let limits = self.socket_settings[socket.behaviour as usize]
            .config
            .limits;
        Some(Lent {
            receiver: std::mem::replace(&mut socket.receiver, Receiver::new(Role::Server, false)),
            data: socket.data.take(),
            behaviour: socket.behaviour,
            limits: limits.with_slack(slack_bytes(socket.class, limits.message_bytes_max)),
            message_bytes_max: limits.message_bytes_max,
            tagged: socket.class == Class::BROTLI,
            closing: false,
        })
    }

    fn put_back(&mut self, id: SocketId, lent: Lent) {
        if let Some(conn) = self.conns.get_mut(id.0)
            && let Some(socket) = &mut conn.socket
        {
            socket.receiver = lent.receiver;
        }
        if let Some(data) = lent.data {
            self.put_data(id, data);
        }
    }

    /// A peer that was slow has read something: so it is alive, and its latest Ping is answered.
    pub(in crate::engine) fn socket_reads(&mut self, id: Id) {
        let now = self.now as u32;
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let open = conn.phase == Phase::Open;
        let Some(socket) = &mut conn.socket else {
            return;
        };
        socket.heard = now;
        let pong = socket.take_pong().filter(|_| open);
        if let Some(payload) = pong {
            self.push_control(id, Opcode::Pong, &payload);
        }
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
        let conn = self.conns.get_mut(id);
        let Some(socket) = conn.and_then(|conn| conn.socket.as_mut()) else {
            return Ok((kind, inflated));
        };
        let SocketSettings { config, codec, .. } =
            &mut self.socket_settings[socket.behaviour as usize];
        let bytes_max = config.limits.message_bytes_max;
        if compressed {
            let histories = socket.rare.as_mut().map(|rare| &mut rare.histories);
            codec.inflate(histories, payload, inflated, bytes_max)?;
            return Ok((kind, inflated));
        }
        let kind = untag(payload, inflated, bytes_max)?;
        Ok((kind, inflated))
    }

    /// Answers a Ping. To a peer that does not read, only the latest is answered, when it does (RFC
    /// 6455 section 5.5.3).
    fn pong(&mut self, id: Id, payload: &[u8]) {
        let Ok(conn) = self.open_mut(SocketId(id)) else {
            return;
        };
        let blocked = conn.blocked;
        if let Some(socket) = &mut conn.socket {
            // What was kept for an earlier one is overtaken.
            socket.take_pong();
            if blocked {
                return socket.keep_pong(payload);
            }
        }
        self.push_control(id, Opcode::Pong, payload);
    }
}
