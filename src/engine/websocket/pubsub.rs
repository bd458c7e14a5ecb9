//! Topics: who gets what is published, and writing it to them.

use std::sync::Arc;

use super::codec::encode_published;
use super::{Dropped, SocketId, SocketNews};
use crate::config::Backpressure;
use crate::engine::conn::{Conn, Phase};
use crate::engine::io::joins;
use crate::engine::state::{Notice, State};
use crate::error::Misuse;
use crate::net::batch::SENDS_MAX;
use crate::observe::Level;
use crate::pubsub::{Direct, Filter, Path, Publication, Published};
use crate::pubsub::{Message as SharedMessage, TopicError, Topics};
use crate::util::slab::Id;

/// What a published message that waits for the handler of dropped ones costs beside its bytes.
pub(super) const DROPPED_COST_BYTES: usize = 64;

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
            // Its first subscription is how the topics come to know it.
            self.update_slow(id.0);
            let socket = self.conns.get(id.0).and_then(|conn| conn.socket.as_ref());
            let slow = socket.is_some_and(|socket| socket.is_slow);
            self.topics.set_slow(id.0, slow);
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
        let mut published = published.map_err(|_| self.misuse(Misuse::Topic))?;
        self.counters.published.bump();
        if let Some(error) = self.hub.take_broker_error() {
            self.record(Level::Warn, None, format!("the broker failed: {error}"));
        }
        if self.topics.has_direct() {
            published.dropped += self.write_direct();
        }
        self.write_published_if_due();
        Ok(published)
    }

    /// Takes what another worker has published.
    pub(in crate::engine) fn deliver_published(&mut self, message: &Arc<SharedMessage>) {
        self.topics.deliver(message);
        if self.topics.has_direct() {
            self.write_direct();
        }
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
            if self.dirty.len() >= SENDS_MAX && self.batch.is_available() {
                self.flush_dirty();
            }
        }
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

    /// Hands what is pending to the kernel, which takes it from where all subscribers share it;
    /// what it does not take is copied. Where one call serves many sockets, the copy is cheaper
    /// than a call for each.
    fn write_path(&mut self, id: Id, path: Path) {
        let Self {
            conns,
            topics,
            socket_settings,
            spare,
            driven,
            batch,
            cork_bytes,
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
        if socket.is_slow {
            let messages: Vec<Arc<SharedMessage>> = topics.messages(path).cloned().collect();
            for message in messages {
                self.write_or_drop(id, &message);
            }
            return;
        }
        socket.history_is_stale = true;
        let queued = conn.out.ready().len();
        let alone = queued == 0 && *driven != Some(id) && !batch.suits(bytes.len());
        let now = alone || !joins(queued, bytes.len(), *cork_bytes);
        let mut sent = 0;
        if now {
            match conn.transport.send(conn.out.ready(), bytes) {
                Ok(count) => {
                    conn.out.consume(count.min(queued));
                    sent = count.saturating_sub(queued);
                    conn.blocked = count < queued + bytes.len();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => conn.blocked = true,
                // The peer has reset the connection.
                Err(_) => return self.close(id),
            }
        }
        if !conn.blocked {
            if !now {
                Self::lend_buffer_to(&mut conn.out, spare);
                conn.out.tail().extend_from_slice(bytes);
                self.push_dirty(id);
            }
            return;
        }
        conn.expect_drain();
        self.set_write_deadline(id);
        self.update_slow(id);
        self.queue_rest(id, path, sent);
    }

    /// A peer has turned out to be slow in the middle of a batch: what it has not got waits, within
    /// its limit.
    #[cold]
    fn queue_rest(&mut self, id: Id, path: Path, sent: usize) {
        let messages: Vec<Arc<SharedMessage>> = self.topics.messages(path).cloned().collect();
        let mut skip = sent;
        for message in messages {
            let Some(conn) = self.conns.get_mut(id) else {
                return;
            };
            let Some(socket) = &conn.socket else {
                return;
            };
            let codec = &mut self.socket_settings[socket.behaviour as usize].codec;
            let bytes = message.form(socket.class, |message, class| {
                encode_published(codec, message, class)
            });
            match skip {
                0 => {
                    self.write_or_drop(id, &message);
                }
                // Part of it has left, so the rest must follow.
                _ if skip < bytes.len() => {
                    Self::lend_buffer_to(&mut conn.out, &mut self.spare);
                    conn.out.tail().extend_from_slice(&bytes[skip..]);
                    skip = 0;
                }
                _ => skip -= bytes.len(),
            }
        }
    }

    /// Writes to slow sockets what was just published; returns how many do not get it.
    #[cold]
    fn write_direct(&mut self) -> usize {
        let mut direct = std::mem::take(&mut self.direct);
        self.topics.take_direct(&mut direct);
        let mut dropped = 0;
        for Direct { socket, message } in direct.drain(..) {
            self.write_pending(socket);
            dropped += usize::from(!self.write_or_drop(socket, &message));
        }
        self.direct = direct;
        dropped
    }

    /// Writes a message to a slow socket if there is room for it; otherwise its policy applies.
    #[cold]
    fn write_or_drop(&mut self, id: Id, message: &Arc<SharedMessage>) -> bool {
        let Some(conn) = self.conns.get_mut(id) else {
            return false;
        };
        let Some(socket) = &mut conn.socket else {
            return false;
        };
        if conn.phase != Phase::Open {
            return false;
        }
        let settings = &mut self.socket_settings[socket.behaviour as usize];
        let bytes = message.form(socket.class, |message, class| {
            encode_published(&mut settings.codec, message, class)
        });
        let config = &settings.config;
        let held = socket.held_bytes();
        let waiting = conn.out.len() + held;
        let fits = waiting == 0 || waiting + bytes.len() <= config.backpressure_bytes_max;
        socket.wants_drain |= conn.blocked;
        if fits || config.backpressure == Backpressure::Queue {
            socket.history_is_stale = true;
            if let Some(fragments) = socket.fragments() {
                fragments.held.extend_from_slice(bytes);
            } else {
                Self::lend_buffer_to(&mut conn.out, &mut self.spare);
                conn.out.tail().extend_from_slice(bytes);
                self.push_dirty(id);
            }
            return true;
        }
        if config.backpressure == Backpressure::Close {
            self.end_slow(id);
            return false;
        }
        self.counters.messages_dropped.bump();
        if settings.hears_dropped && self.dropped_bytes <= config.backpressure_bytes_max {
            self.dropped_bytes += DROPPED_COST_BYTES + message.payload().len();
            let news = SocketNews::Dropped(Dropped::Published(Arc::clone(message)));
            self.notices.push_back(Notice::Socket(SocketId(id), news));
        }
        false
    }

    /// Sees whether what is published has to be written to a socket message by message: while its
    /// peer does not read, and while other messages have to wait for the last fragment of one.
    pub(in crate::engine) fn update_slow(&mut self, id: Id) {
        if let Some(conn) = self.conns.get_mut(id) {
            Self::update_slow_in(&mut self.topics, id, conn);
        }
    }

    /// The same, with the rest of the state left to borrow.
    pub(in crate::engine) fn update_slow_in(topics: &mut Topics, id: Id, conn: &mut Conn<U>) {
        if let Some(socket) = &mut conn.socket {
            let slow = conn.blocked || socket.is_fragmented();
            if socket.is_slow != slow {
                socket.is_slow = slow;
                topics.set_slow(id, slow);
            }
        }
    }
}
