//! WebSockets as users see them.

use std::any::Any;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cx::Cx;
use crate::config::WebSocketConfig;
use crate::engine::{
    Closed, Codec, Message, Sent, SocketEvent, SocketId, SocketSettings, State, Subscription,
};
use crate::error::Misuse;
use crate::pubsub::{Filter, Message as SharedMessage, Publication, Published};

/// An open WebSocket, from within a callback.
///
/// Everything sent in one callback leaves in one system call, in the order of the calls.
pub struct Socket<'a, U = ()> {
    pub(super) state: &'a mut State<U>,
    pub(super) id: SocketId,
}

impl<U: 'static> Socket<'_, U> {
    /// Names this socket beyond the callback's end.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// What else the loop offers: timers, deferred calls, other sockets, the worker's own value.
    pub fn cx(&mut self) -> Cx<'_, U> {
        Cx { state: self.state }
    }

    /// Sends a message. Never blocks: what the peer does not take waits in memory, up to
    /// `backpressure_bytes_max`, and [`Sent`] says so. In the middle of a message that is sent in
    /// fragments it sends nothing, and that is counted as misuse.
    #[inline]
    pub fn send(&mut self, message: Message<'_>) -> Sent {
        self.state
            .send(self.id, message, true)
            .unwrap_or(Sent::Closed)
    }

    /// Sends a message as it is, whatever compression was agreed to: for what is compressed
    /// already, and for secrets beside what others can influence.
    pub fn send_uncompressed(&mut self, message: Message<'_>) -> Sent {
        self.state
            .send(self.id, message, false)
            .unwrap_or(Sent::Closed)
    }

    /// Sends a message that was framed, and compressed, once for any number of sockets.
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Sent {
        let sent = self.state.send_prepared(self.id, &message.0);
        sent.unwrap_or(Sent::Closed)
    }

    /// Subscribes to a topic: text of 1 to 65,535 bytes in which no character is special. False if
    /// it was subscribed already. It sees what is published from now on.
    ///
    /// # Errors
    /// [`Misuse::Topic`] for what cannot be a topic, [`Misuse::Stale`] for a socket that is not
    /// open any more.
    pub fn subscribe(&mut self, topic: &str) -> Result<bool, Misuse> {
        self.state.subscribe(self.id, Filter::topic(topic))
    }

    /// Subscribes to all topics that a pattern matches, as [`Filter`] describes it.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<bool, Misuse> {
        self.state.subscribe(self.id, Filter::pattern(pattern))
    }

    /// Ends a subscription; false if there was none. What was published before still arrives.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn unsubscribe(&mut self, topic: &str) -> Result<bool, Misuse> {
        self.state.unsubscribe(self.id, Filter::topic(topic))
    }

    /// Ends the subscription to a pattern; false if there was none.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn unsubscribe_pattern(&mut self, pattern: &str) -> Result<bool, Misuse> {
        self.state.unsubscribe(self.id, Filter::pattern(pattern))
    }

    /// Whether it is subscribed to exactly this topic, patterns aside.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        let filter = Filter::topic(topic);
        filter.is_ok_and(|filter| self.state.is_subscribed(self.id, filter))
    }

    /// The topics and patterns that it is subscribed to, in no particular order. None in the close
    /// handler.
    pub fn topics(&self) -> impl Iterator<Item = Filter<'_>> {
        self.state.topics_of(self.id)
    }

    /// Publishes to all subscribers of a topic but this socket.
    ///
    /// # Errors
    /// [`Misuse::Topic`] for what cannot be a topic.
    pub fn publish(&mut self, topic: &str, message: Message<'_>) -> Result<Published, Misuse> {
        self.publish_as(&publication(topic, message))
    }

    /// The same, with a choice about compression.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_as(&mut self, publication: &Publication<'_>) -> Result<Published, Misuse> {
        self.state.publish(publication, Some(self.id))
    }

    /// Sends a text message.
    #[inline]
    pub fn send_text(&mut self, text: &str) -> Sent {
        self.send(Message::Text(text))
    }

    /// Sends a binary message.
    #[inline]
    pub fn send_binary(&mut self, bytes: &[u8]) -> Sent {
        self.send(Message::Binary(bytes))
    }

    /// Sends a piece of a message. The first one begins it, and its kind is that of all; the one
    /// that is `last` completes it. Other messages wait for that. Only the first piece can be
    /// dropped for want of room. A later one is queued all the same, or closes the socket with 1013
    /// where that is the policy.
    ///
    /// # Errors
    /// [`Misuse::Fragment`] for a piece of another kind, [`Misuse::Stale`] for a socket that is not
    /// open any more.
    pub fn send_fragment(&mut self, piece: Message<'_>, last: bool) -> Result<Sent, Misuse> {
        self.state.send_fragment(self.id, piece, last)
    }

    /// Sends a Ping with at most 125 bytes of payload (RFC 6455 section 5.5.2).
    ///
    /// # Errors
    /// [`Misuse::Length`] for a longer one, [`Misuse::Stale`] for a socket that is not open any
    /// more.
    pub fn ping(&mut self, payload: &[u8]) -> Result<Sent, Misuse> {
        self.state.ping(self.id, payload)
    }

    /// Sends a Close frame and ends the connection once the peer has answered it, or has not for
    /// `linger_timeout_ms`. What was sent before then has `write_stall_timeout_ms` to leave. The
    /// reason is cut to 123 bytes. From here on nothing can be sent.
    ///
    /// # Errors
    /// [`Misuse::CloseCode`] for a code that must not be sent (RFC 6455 section 7.4: what may be is
    /// 1000 to 1003, 1007 to 1014, 3000 to 4999), [`Misuse::Stale`] for a socket that is not open
    /// any more.
    pub fn end(&mut self, code: u16, reason: &str) -> Result<(), Misuse> {
        self.state.end_socket(self.id, code, reason)
    }

    /// Drops the connection without a Close frame.
    ///
    /// # Errors
    /// [`Misuse::Stale`] for a socket that is not open any more.
    pub fn close(&mut self) -> Result<(), Misuse> {
        self.state.close_socket(self.id)
    }

    /// Leaves what the peer sends in the kernel, but for what was read already, so that the peer
    /// has to wait. Meanwhile the socket is not closed for being idle, and a peer that leaves in
    /// good order may go unnoticed.
    ///
    /// # Errors
    /// [`Misuse::Stale`] for a socket that is not open any more.
    pub fn pause(&mut self) -> Result<(), Misuse> {
        self.state.set_paused(self.id, true)
    }

    /// Goes on reading.
    ///
    /// # Errors
    /// [`Misuse::Stale`] for a socket that is not open any more.
    pub fn resume(&mut self) -> Result<(), Misuse> {
        self.state.set_paused(self.id, false)
    }

    /// Sets this socket's own idle timeout, at millisecond precision; zero is off.
    ///
    /// # Errors
    /// [`Misuse::Stale`] for a socket that is not open any more.
    pub fn set_idle_timeout(&mut self, timeout: Duration) -> Result<(), Misuse> {
        self.state
            .set_timeouts(self.id, Some(ms(timeout)), None, None)
    }

    /// Sets after how long without a byte from the peer it is sent a Ping; zero is never.
    ///
    /// # Errors
    /// [`Misuse::Stale`] for a socket that is not open any more.
    pub fn set_ping_interval(&mut self, interval: Duration) -> Result<(), Misuse> {
        self.state
            .set_timeouts(self.id, None, Some(ms(interval)), None)
    }

    /// Sets for how long from now on the socket lives; zero is without end.
    ///
    /// # Errors
    /// [`Misuse::Stale`] for a socket that is not open any more.
    pub fn set_lifetime(&mut self, lifetime: Duration) -> Result<(), Misuse> {
        self.state
            .set_timeouts(self.id, None, None, Some(ms(lifetime)))
    }

    /// Bytes of output that wait in memory for the peer.
    pub fn queued(&mut self) -> usize {
        self.state.socket_queued(self.id).unwrap_or(0)
    }

    /// The peer's address; `None` on a Unix socket.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.state.peer_of(self.id.connection())
    }

    /// The address of the client whose connection a proxy relays: see
    /// [`Request::proxied_address`](super::Request::proxied_address).
    pub fn proxied_address(&self) -> Option<SocketAddr> {
        self.state.proxied_of(self.id.connection())
    }
}

/// A publication of a message, compressed for those who have agreed to that.
pub(super) fn publication<'a>(topic: &'a str, message: Message<'a>) -> Publication<'a> {
    Publication {
        topic,
        payload: message.bytes(),
        text: matches!(message, Message::Text(_)),
        compress: true,
    }
}

/// A message for any number of sockets, on any worker: framed and compressed once, when the first
/// of them is sent it.
#[derive(Clone, Debug)]
pub struct PreparedMessage(pub(super) Arc<SharedMessage>);

impl PreparedMessage {
    /// Copies the message.
    pub fn new(message: Message<'_>) -> Self {
        Self(SharedMessage::prepared(&publication("", message)))
    }
}

/// Milliseconds, rounded up: a timeout that is not zero does not become off.
fn ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

/// A WebSocket from within one of its own handlers: a [`Socket`], and its data.
pub struct WebSocket<'a, D, U = ()> {
    /// What the upgrade has put there.
    pub data: &'a mut D,
    /// The socket itself, for a call that is given something of the data:
    /// `ws.socket.publish(&ws.data.room, message)`.
    pub socket: Socket<'a, U>,
}

impl<'a, D, U> Deref for WebSocket<'a, D, U> {
    type Target = Socket<'a, U>;

    fn deref(&self) -> &Self::Target {
        &self.socket
    }
}

impl<D, U> DerefMut for WebSocket<'_, D, U> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.socket
    }
}

type OnSocket<D, U> = Box<dyn Fn(&mut WebSocket<'_, D, U>)>;
type OnMessage<D, U> = Box<dyn Fn(&mut WebSocket<'_, D, U>, Message<'_>)>;
type OnBytes<D, U> = Box<dyn Fn(&mut WebSocket<'_, D, U>, &[u8])>;
type OnSubscription<D, U> = Box<dyn Fn(&mut WebSocket<'_, D, U>, Subscription<'_>)>;
type OnClosed<D, U> = Box<dyn Fn(&mut WebSocket<'_, D, U>, Closed<'_>)>;

/// What a kind of WebSocket does, with `D` as the data of each. Whatever has no handler is taken
/// care of silently: Pings are answered, Close frames too.
///
/// Handlers run one at a time. What one of them does to a socket (closing it, say) is told to that
/// socket's handlers after it has returned. A panic in one closes its socket with 1011.
pub struct Behaviour<D, U = ()> {
    config: WebSocketConfig,
    open: Option<OnSocket<D, U>>,
    message: Option<OnMessage<D, U>>,
    ping: Option<OnBytes<D, U>>,
    pong: Option<OnBytes<D, U>>,
    drain: Option<OnSocket<D, U>>,
    dropped: Option<OnMessage<D, U>>,
    subscription: Option<OnSubscription<D, U>>,
    closed: Option<OnClosed<D, U>>,
}

impl<D, U> Default for Behaviour<D, U> {
    fn default() -> Self {
        Self {
            config: WebSocketConfig::default(),
            open: None,
            message: None,
            ping: None,
            pong: None,
            drain: None,
            dropped: None,
            subscription: None,
            closed: None,
        }
    }
}

impl<D, U> Behaviour<D, U> {
    /// One that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits and timeouts.
    pub fn config(mut self, config: WebSocketConfig) -> Self {
        self.config = config;
        self
    }

    /// Called first, when the upgrade has been answered.
    pub fn on_open(mut self, handler: impl Fn(&mut WebSocket<'_, D, U>) + 'static) -> Self {
        self.open = Some(Box::new(handler));
        self
    }

    /// Called for every message, whole.
    pub fn on_message(
        mut self,
        handler: impl Fn(&mut WebSocket<'_, D, U>, Message<'_>) + 'static,
    ) -> Self {
        self.message = Some(Box::new(handler));
        self
    }

    /// Called for every Ping. It has been answered.
    pub fn on_ping(mut self, handler: impl Fn(&mut WebSocket<'_, D, U>, &[u8]) + 'static) -> Self {
        self.ping = Some(Box::new(handler));
        self
    }

    /// Called for every Pong, asked for or not.
    pub fn on_pong(mut self, handler: impl Fn(&mut WebSocket<'_, D, U>, &[u8]) + 'static) -> Self {
        self.pong = Some(Box::new(handler));
        self
    }

    /// Called when something was queued and the peer has taken all of it: once for each time that
    /// this happens.
    pub fn on_drain(mut self, handler: impl Fn(&mut WebSocket<'_, D, U>) + 'static) -> Self {
        self.drain = Some(Box::new(handler));
        self
    }

    /// Called with a message that was not sent because too much was waiting. Where very much is
    /// dropped in one turn (more than `backpressure_bytes_max`) only the counters know of the rest.
    pub fn on_dropped(
        mut self,
        handler: impl Fn(&mut WebSocket<'_, D, U>, Message<'_>) + 'static,
    ) -> Self {
        self.dropped = Some(Box::new(handler));
        self
    }

    /// Called for every subscription of the socket that was made or ended, at its end too.
    pub fn on_subscription(
        mut self,
        handler: impl Fn(&mut WebSocket<'_, D, U>, Subscription<'_>) + 'static,
    ) -> Self {
        self.subscription = Some(Box::new(handler));
        self
    }

    /// Called last, exactly once for every socket that was opened, whatever ended it. Nothing can
    /// be sent to the socket any more.
    pub fn on_close(
        mut self,
        handler: impl Fn(&mut WebSocket<'_, D, U>, Closed<'_>) + 'static,
    ) -> Self {
        self.closed = Some(Box::new(handler));
        self
    }

    pub(super) fn settings(&self) -> SocketSettings {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        SocketSettings {
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            config: self.config.clone(),
            codec: Codec::new(&self.config),
            hears_dropped: self.dropped.is_some(),
            hears_subscriptions: self.subscription.is_some(),
        }
    }
}

/// Names a kind of WebSocket of one worker, whose sockets have data of type `D`.
#[derive(Debug)]
pub struct Sockets<D> {
    pub(super) behaviour: u16,
    pub(super) key: u64,
    data: PhantomData<fn(D)>,
}

impl<D> Sockets<D> {
    pub(super) fn new(behaviour: u16, key: u64) -> Self {
        Self {
            behaviour,
            key,
            data: PhantomData,
        }
    }
}

impl<D> Clone for Sockets<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Sockets<D> {}

/// A behaviour whatever its data.
pub(super) trait Handle<U> {
    fn message(&self, state: &mut State<U>, id: SocketId, data: &mut dyn Any, message: Message<'_>);
    fn handle(
        &self,
        state: &mut State<U>,
        id: SocketId,
        data: &mut dyn Any,
        event: SocketEvent<'_>,
    );
}

impl<D: 'static, U: 'static> Handle<U> for Behaviour<D, U> {
    #[inline]
    fn message(
        &self,
        state: &mut State<U>,
        id: SocketId,
        data: &mut dyn Any,
        message: Message<'_>,
    ) {
        if let (Some(handler), Some(data)) = (&self.message, data.downcast_mut::<D>()) {
            let socket = Socket { state, id };
            handler(&mut WebSocket { data, socket }, message);
        }
    }

    fn handle(
        &self,
        state: &mut State<U>,
        id: SocketId,
        data: &mut dyn Any,
        event: SocketEvent<'_>,
    ) {
        if let Some(data) = data.downcast_mut::<D>() {
            let socket = Socket { state, id };
            self.run(&mut WebSocket { data, socket }, event);
        }
    }
}

impl<D: 'static, U: 'static> Behaviour<D, U> {
    fn run(&self, ws: &mut WebSocket<'_, D, U>, event: SocketEvent<'_>) {
        match event {
            SocketEvent::Open => call(&self.open, ws),
            SocketEvent::Drain => call(&self.drain, ws),
            SocketEvent::Ping(payload) => {
                if let Some(handler) = &self.ping {
                    handler(ws, payload);
                }
            }
            SocketEvent::Pong(payload) => {
                if let Some(handler) = &self.pong {
                    handler(ws, payload);
                }
            }
            SocketEvent::Dropped(message) => {
                if let Some(handler) = &self.dropped {
                    handler(ws, message);
                }
            }
            SocketEvent::Subscription(subscription) => {
                if let Some(handler) = &self.subscription {
                    handler(ws, subscription);
                }
            }
            SocketEvent::Closed(closed) => {
                if let Some(handler) = &self.closed {
                    handler(ws, closed);
                }
            }
        }
    }
}

fn call<D, U>(handler: &Option<OnSocket<D, U>>, ws: &mut WebSocket<'_, D, U>) {
    if let Some(handler) = handler {
        handler(ws);
    }
}

impl<'a, U: 'static> Cx<'a, U> {
    /// An open WebSocket by its id.
    ///
    /// # Errors
    /// [`Misuse::Stale`] when it is not open any more.
    pub fn socket(&mut self, id: SocketId) -> Result<Socket<'_, U>, Misuse> {
        self.state.check_open(id)?;
        Ok(Socket {
            state: self.state,
            id,
        })
    }

    /// Publishes to all subscribers of a topic, on all workers of the server, and through its
    /// broker. Each gets it once, in the order of publication on this worker.
    ///
    /// # Errors
    /// [`Misuse::Topic`] for what cannot be a topic.
    pub fn publish(&mut self, topic: &str, message: Message<'_>) -> Result<Published, Misuse> {
        self.state.publish(&publication(topic, message), None)
    }

    /// The same, with a choice about compression.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_as(&mut self, publication: &Publication<'_>) -> Result<Published, Misuse> {
        self.state.publish(publication, None)
    }

    /// How many sockets of all workers are subscribed to exactly this topic, patterns aside.
    pub fn subscribers(&self, topic: &str) -> usize {
        let filter = Filter::topic(topic);
        filter.map_or(0, |filter| self.state.subscriber_count(filter))
    }

    /// The data of a WebSocket. `None` when there is no such socket, when its data is of another
    /// type, and while one of its own handlers runs, which has the data.
    pub fn socket_data<D: 'static>(&mut self, id: SocketId) -> Option<&mut D> {
        self.state.data_mut(id)?.downcast_mut()
    }
}

/// The data of a new socket.
pub(super) fn boxed<D: 'static>(data: D) -> Box<dyn Any> {
    Box::new(data)
}
