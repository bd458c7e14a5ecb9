//! The topics of one worker: who is subscribed, and what is pending for whom.
//!
//! The engine subscribes and publishes at any time. At the end of its turn, and as soon as
//! [`Topics::is_due`] says so, it writes what is pending with [`Topics::next_pending`] and
//! [`Topics::bytes`]. Before it sends something else to a socket, it writes what that one has
//! pending ([`Topics::take_pending`]): so everything arrives in the order in which it was said.

use std::ops::AddAssign;
use std::sync::Arc;

use super::filter::{Filter, TopicError, check_topic};
use super::hub::Hub;
use super::message::{Class, Draft, Message, Publication};
use super::pending::{Dropped, Path, Pending, Spread};
use super::subscriptions::{Change, Subscriptions};
use crate::util::slab::Id;

/// How many messages that were not delivered are remembered for the handlers, and how many bytes of
/// them. Those beyond are only counted.
const DROPPED_MAX: usize = 16 << 10;
const DROPPED_BYTES_MAX: usize = 4 << 20;

/// Whom a publication reached, as it looked when it was made.
///
/// What reaches other processes through a [`Broker`](super::Broker) is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Subscribers that it was meant for, on all workers. On the publisher's own worker each counts
    /// once; on others, once for each of its subscriptions that match.
    pub matched: usize,
    /// Those of them that do not get it: they are over their limit of unsent bytes, as far as the
    /// publisher's own worker is concerned, or their worker's inbox is full.
    pub dropped: usize,
}

impl AddAssign for Published {
    fn add_assign(&mut self, other: Self) {
        self.matched += other.matched;
        self.dropped += other.dropped;
    }
}

/// The topics of one worker.
pub(crate) struct Topics {
    hub: Arc<Hub>,
    worker: u8,
    subscriptions: Subscriptions,
    pending: Pending,
    /// Scratch: the topics that a publication concerns.
    matching: Vec<u32>,
    dropped: Vec<Dropped>,
    dropped_bytes: usize,
    dropped_unlisted: usize,
}

impl Topics {
    pub(crate) fn new(hub: Arc<Hub>, worker: u8) -> Self {
        Self {
            hub,
            worker,
            subscriptions: Subscriptions::default(),
            pending: Pending::new(),
            matching: Vec::new(),
            dropped: Vec::new(),
            dropped_bytes: 0,
            dropped_unlisted: 0,
        }
    }

    /// Subscribes a socket; `None` if it is subscribed already. A socket that subscribes for the
    /// first time counts as able to take more: see [`set_full`](Self::set_full).
    pub(crate) fn subscribe(&mut self, socket: Id, filter: Filter<'_>) -> Option<Change> {
        let subscriptions = &mut self.subscriptions;
        let subscriber = subscriptions.admit(socket);
        self.pending.admit(subscriber);
        let topic = match subscriptions.find_topic(filter) {
            Some(topic) if subscriptions.is_member(subscriber, topic) => return None,
            Some(topic) => topic,
            None => subscriptions.add_topic(filter, self.hub.join(self.worker, filter)),
        };
        let change = subscriptions.link(subscriber, topic);
        let interest = subscriptions.topic(topic).interest();
        interest.set(self.worker, change.count);
        Some(change)
    }

    /// Ends a subscription; `None` if there is none. What is pending still goes out.
    pub(crate) fn unsubscribe(&mut self, socket: Id, filter: Filter<'_>) -> Option<Change> {
        let subscriber = self.subscriptions.subscriber(socket)?;
        let topic = self.subscriptions.find_topic(filter)?;
        let change = self.subscriptions.unlink(subscriber, topic)?;
        self.note_left(topic, &change);
        Some(change)
    }

    /// Ends all subscriptions of a socket that is no more, and forgets what it has pending.
    pub(crate) fn close(&mut self, socket: Id, mut ended: impl FnMut(Change)) {
        let Some(subscriber) = self.subscriptions.subscriber(socket) else {
            return;
        };
        while let Some((topic, change)) = self.subscriptions.unlink_any(subscriber) {
            self.note_left(topic, &change);
            ended(change);
        }
        self.subscriptions.dismiss(subscriber);
        self.pending.dismiss(subscriber);
    }

    fn note_left(&mut self, topic: u32, change: &Change) {
        if change.count > 0 {
            let interest = self.subscriptions.topic(topic).interest();
            interest.set(self.worker, change.count);
        } else {
            self.subscriptions.remove_topic(topic);
            let filter = Filter::trusted(&change.name, change.is_pattern);
            self.hub.leave(self.worker, filter);
        }
    }

    pub(crate) fn is_subscribed(&self, socket: Id, filter: Filter<'_>) -> bool {
        let subscriptions = &self.subscriptions;
        subscriptions
            .subscriber(socket)
            .zip(subscriptions.find_topic(filter))
            .is_some_and(|(subscriber, topic)| subscriptions.is_member(subscriber, topic))
    }

    /// The topics and patterns of a socket, in no particular order.
    pub(crate) fn topics_of(&self, socket: Id) -> impl Iterator<Item = Filter<'_>> {
        let subscriber = self.subscriptions.subscriber(socket);
        subscriber
            .into_iter()
            .flat_map(|subscriber| self.subscriptions.topics_of(subscriber))
    }

    /// How many sockets of this worker are subscribed to exactly this topic or pattern;
    /// [`Hub::count`] knows of all workers.
    pub(crate) fn count(&self, filter: Filter<'_>) -> usize {
        let topic = self.subscriptions.find_topic(filter);
        topic.map_or(0, |topic| self.subscriptions.topic(topic).members().len())
    }

    /// Publishes to all who are subscribed here, on other workers and in other processes, but not
    /// to `except`, which is a socket of this worker.
    ///
    /// # Errors
    ///
    /// The topic is empty or longer than 65,535 bytes.
    pub(crate) fn publish(
        &mut self,
        publication: &Publication<'_>,
        except: Option<Id>,
    ) -> Result<Published, TopicError> {
        check_topic(publication.topic)?;
        let mut draft = Draft::new(publication, self.hub.origin());
        self.subscriptions
            .matching(publication.topic, &mut self.matching);
        let mut published = Published::default();
        if !self.matching.is_empty() {
            published = self.spread(draft.message(), except);
        }
        let own = self.matching.first();
        let own = own.map(|&topic| self.subscriptions.topic(topic));
        let own = own.filter(|topic| !topic.filter().is_pattern());
        let interest = own.map(|topic| &**topic.interest());
        published += self.hub.publish_from(self.worker, interest, &mut draft);
        Ok(published)
    }

    /// Hands a message that came through this worker's [`Post`](super::Post) to its subscribers.
    pub(crate) fn deliver(&mut self, message: &Arc<Message>) -> Published {
        self.subscriptions
            .matching(message.topic(), &mut self.matching);
        self.spread(message, None)
    }

    fn spread(&mut self, message: &Arc<Message>, except: Option<Id>) -> Published {
        let except = except.and_then(|socket| self.subscriptions.subscriber(socket));
        let mut spread = Spread::default();
        self.pending.begin(message, except);
        for &topic in &self.matching {
            let members = self.subscriptions.topic(topic).members();
            self.pending.spread(members, &mut spread);
        }
        let room = DROPPED_MAX - self.dropped.len();
        let room = if self.dropped_bytes < DROPPED_BYTES_MAX {
            room
        } else {
            0
        };
        let listed = self.dropped.len();
        self.pending.finish(except, |subscriber| {
            if self.dropped.len() - listed < room {
                self.dropped.push(Dropped {
                    socket: self.subscriptions.socket(subscriber),
                    message: Arc::clone(message),
                });
            }
        });
        let listed = self.dropped.len() - listed;
        self.dropped_unlisted += spread.dropped - listed;
        if listed > 0 {
            self.dropped_bytes += message.payload().len();
        }
        Published {
            matched: spread.matched,
            dropped: spread.dropped,
        }
    }

    /// Says whether a socket is over its limit of unsent bytes. While it is, nothing is kept for
    /// it: what is published counts as dropped.
    pub(crate) fn set_full(&mut self, socket: Id, full: bool) {
        if let Some(subscriber) = self.subscriptions.subscriber(socket) {
            self.pending.set_full(subscriber, full);
        }
    }

    /// True when so much is pending that it is to be written before more is published.
    pub(crate) fn is_due(&self) -> bool {
        self.pending.is_due()
    }

    /// True when there may be something for [`next_pending`](Self::next_pending).
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes what one socket has pending.
    #[inline]
    pub(crate) fn take_pending(&mut self, socket: Id) -> Option<Path> {
        if self.pending.is_empty() {
            return None;
        }
        self.pending.take(self.subscriptions.subscriber(socket)?)
    }

    /// Takes what the next socket has pending, each once. After the last all that was pending is
    /// forgotten, so this is to be called until it gives nothing, without publishing in between.
    pub(crate) fn next_pending(&mut self) -> Option<(Id, Path)> {
        let (subscriber, path) = self.pending.next()?;
        Some((self.subscriptions.socket(subscriber), path))
    }

    /// The bytes that `path` stands for, as `encode` makes them of each message for `class`. They
    /// are put together once for all sockets that have the same pending, and each message is
    /// encoded once for all workers.
    pub(crate) fn bytes(
        &mut self,
        path: Path,
        class: Class,
        encode: impl FnMut(&Message, Class) -> Box<[u8]>,
    ) -> &[u8] {
        self.pending.bytes(path, class, encode)
    }

    /// The messages that `path` stands for, in order: for a socket that cannot take them.
    pub(crate) fn messages(&self, path: Path) -> impl Iterator<Item = &Arc<Message>> {
        self.pending.messages(path)
    }

    /// Swaps the messages that did not go to full sockets with `into`, which must be empty. Of many,
    /// the latest are not listed; returns their number.
    pub(crate) fn take_dropped(&mut self, into: &mut Vec<Dropped>) -> usize {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut self.dropped, into);
        self.dropped_bytes = 0;
        std::mem::take(&mut self.dropped_unlisted)
    }
}

impl Drop for Topics {
    /// A worker that is no more has no subscribers.
    fn drop(&mut self) {
        for topic in self.subscriptions.topics() {
            self.hub.leave(self.worker, topic.filter());
        }
    }
}
