//! Topics: who gets what is published, and writing it to them.

use std::sync::Arc;

use super::codec::encode_published;
use super::{Dropped, SocketId, SocketNews};
use crate::config::Backpressure;
use crate::engine::conn::Phase;
use crate::engine::state::{Notice, State};
use crate::error::Misuse;
use crate::observe::Level;
use crate::pubsub::{Filter, Path, Publication, Published};
use crate::pubsub::{Message as SharedMessage, TopicError};
use crate::util::slab::Id;

impl<U> State<U> {
    /// Subscribes an open socket; false if it was subscribed already.
    pub(crate) fn subscribe(
        &mut self,
        id: SocketId,
        filter: Result<Filter<'_>, TopicError>,
    ) -> Result<bool, Misuse> {
        self.open_mut(id)?;
        let filter = filter.map_err(|_| self.misuse(Misuse::Topic))?;
        let change = self.topics.subscribe(id.0, filter);
        let changed = change.is_some();
        self.tell_subscription(id, change);
        if changed {
            // A socket that subscribes for the first time is taken to have room.
            let full = self.update_full(id.0);
            self.topics.set_full(id.0, full);
        }
        Ok(changed)
    }

    /// Ends a subscription; false if there was none.
    pub(crate) fn unsubscribe(
        &mut self,
        id: SocketId,
        filter: Result<Filter<'_>, TopicError>,
    ) -> Result<bool, Misuse> {
        self.open_mut(id)?;
        let filter = filter.map_err(|_| self.misuse(Misuse::Topic))?;
        let change = self.topics.unsubscribe(id.0, filter);
        let changed = change.is_some();
        self.tell_subscription(id, change);
        Ok(changed)
    }

    /// Whether a socket has a subscription.
    pub(crate) fn is_subscribed(&self, id: SocketId, filter: Filter<'_>) -> bool {
        self.topics.is_subscribed(id.0, filter)
    }

    /// The subscriptions of a socket.
    pub(crate) fn topics_of(&self, id: SocketId) -> impl Iterator<Item = Filter<'_>> {
        self.topics.topics_of(id.0)
    }

    /// How many subscribers a topic or pattern has, on all workers.
    pub(crate) fn subscriber_count(&self, filter: Filter<'_>) -> usize {
        self.hub.count(filter)
    }

    /// Publishes to everybody but `except`.
    pub(crate) fn publish(
        &mut self,
        publication: &Publication<'_>,
        except: Option<SocketId>,
    ) -> Result<Published, Misuse> {
        let published = self.topics.publish(publication, except.map(|id| id.0));
        let published = published.map_err(|_| self.misuse(Misuse::Topic))?;
        self.counters.published.bump();
        if let Some(error) = self.hub.take_broker_error() {
            self.record(Level::Warn, None, format!("the broker failed: {error}"));
        }
        self.write_published_if_due();
        Ok(published)
    }

    /// Takes what another worker has published.
    pub(in crate::engine) fn deliver_published(&mut self, message: &Arc<SharedMessage>) {
        self.topics.deliver(message);
        self.write_published_if_due();
    }

    /// Ends all subscriptions of a socket that is not open any more.
    pub(super) fn end_subscriptions(&mut self, id: SocketId) {
        let hears = self.hears_subscriptions(id);
        let notices = &mut self.notices;
        self.topics.close(id.0, |change| {
            if hears {
                notices.push_back(Notice::Socket(id, SocketNews::Subscription(change)));
            }
        });
    }

    fn tell_subscription(&mut self, id: SocketId, change: Option<crate::pubsub::Change>) {
        if let Some(change) = change
            && self.hears_subscriptions(id)
        {
            self.notices
                .push_back(Notice::Socket(id, SocketNews::Subscription(change)));
        }
    }

    fn hears_subscriptions(&self, id: SocketId) -> bool {
        self.behaviour_of(id)
            .is_some_and(|behaviour| self.socket_settings[behaviour].hears_subscriptions)
    }

    fn write_published_if_due(&mut self) {
        if self.topics.is_due() {
            self.write_published();
        }
    }

    /// Writes what was published to those who are subscribed: at the end of the turn, or earlier if
    /// it is much.
    pub(in crate::engine) fn write_published(&mut self) {
        while let Some((id, path)) = self.topics.next_pending() {
            self.write_path(id, path);
        }
        self.tell_dropped();
    }

    /// Writes what was published to one socket, before something is sent to it directly.
    #[inline]
    pub(super) fn write_pending(&mut self, id: Id) {
        if self.topics.has_pending()
            && let Some(path) = self.topics.take_pending(id)
        {
            self.write_path(id, path);
        }
    }

    /// Hands a batch to the kernel, which takes it from where all subscribers share it; what it
    /// does not take is copied.
    fn write_path(&mut self, id: Id, path: Path) {
        let Self {
            conns,
            topics,
            socket_settings,
            spare,
            driven,
            ..
        } = self;
        let Some(conn) = conns.get_mut(id) else {
            return;
        };
        let Some(socket) = &mut conn.socket else {
            return;
        };
        if conn.phase != Phase::Open {
            return;
        }
        let settings = &mut socket_settings[socket.behaviour as usize];
        let class = socket.class;
        let bytes = topics.bytes(path, class, |message, class| {
            encode_published(&mut settings.codec, message, class)
        });
        socket.history_is_stale = true;
        if let Some(fragments) = socket.fragments() {
            fragments.held.extend_from_slice(bytes);
            return;
        }
        if conn.blocked {
            let room = settings.config.backpressure_bytes_max;
            let queue = settings.config.backpressure == Backpressure::Queue;
            if !queue && conn.out.len() + bytes.len() > room {
                return self.write_what_fits(id, path);
            }
        }
        let idle = !conn.blocked && conn.out.is_empty() && *driven != Some(id);
        let sent = if idle {
            match conn.transport.send(bytes, b"") {
                Ok(sent) => sent,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
                // The peer has reset the connection.
                Err(_) => return self.close(id),
            }
        } else {
            0
        };
        if sent == bytes.len() {
            return;
        }
        Self::lend_buffer_to(&mut conn.out, spare);
        conn.out.tail().extend_from_slice(&bytes[sent..]);
        if idle {
            conn.blocked = true;
            socket.wants_drain = true;
            self.set_write_deadline(id);
        } else if conn.blocked {
            socket.wants_drain = true;
        } else {
            self.push_dirty(id);
        }
        self.update_full(id);
    }

    /// Message by message, as long as there is room; the others are dropped.
    #[cold]
    fn write_what_fits(&mut self, id: Id, path: Path) {
        let messages: Vec<Arc<SharedMessage>> = self.topics.messages(path).cloned().collect();
        for message in messages {
            let Some(conn) = self.conns.get_mut(id) else {
                return;
            };
            let Some(socket) = &mut conn.socket else {
                return;
            };
            let settings = &mut self.socket_settings[socket.behaviour as usize];
            let bytes = message.form(socket.class, |message, class| {
                encode_published(&mut settings.codec, message, class)
            });
            if conn.out.len() + bytes.len() <= settings.config.backpressure_bytes_max {
                conn.out.tail().extend_from_slice(bytes);
                continue;
            }
            if settings.config.backpressure == Backpressure::Close {
                return self.end_slow(id);
            }
            self.counters.messages_dropped.bump();
            if settings.hears_dropped {
                let news = SocketNews::Dropped(Dropped::Published(message));
                self.notices.push_back(Notice::Socket(SocketId(id), news));
            }
        }
        self.update_full(id);
    }

    /// Whether publishing is to leave a socket out until it has drained.
    pub(in crate::engine) fn update_full(&mut self, id: Id) -> bool {
        let Some(conn) = self.conns.get_mut(id) else {
            return false;
        };
        let Some(socket) = &mut conn.socket else {
            return false;
        };
        let config = &self.socket_settings[socket.behaviour as usize].config;
        let full = config.backpressure == Backpressure::Drop
            && conn.blocked
            && conn.out.len() >= config.backpressure_bytes_max;
        if full != socket.is_full {
            socket.is_full = full;
            self.topics.set_full(id, full);
        }
        full
    }

    /// What did not go to sockets that are full.
    fn tell_dropped(&mut self) {
        let mut dropped = Vec::new();
        let unlisted = self.topics.take_dropped(&mut dropped);
        let count = unlisted + dropped.len();
        self.counters.messages_dropped.add(count as u64);
        for crate::pubsub::Dropped { socket, message } in dropped {
            let id = SocketId(socket);
            let behaviour = self.behaviour_of(id);
            if behaviour.is_some_and(|index| self.socket_settings[index].hears_dropped) {
                let news = SocketNews::Dropped(Dropped::Published(message));
                self.notices.push_back(Notice::Socket(id, news));
            }
        }
    }
}
