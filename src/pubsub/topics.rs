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
use super::pending::{Direct, Path, Pending, Spread};
use super::subscriptions::{Change, Subscriptions};
use crate::util::slab::Id;

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
    /// What the latest publication has for slow sockets.
    direct: Vec<Direct>,
}

impl Topics {
    pub(crate) fn new(hub: Arc<Hub>, worker: u8) -> Self {
        Self {
            hub,
            worker,
            subscriptions: Subscriptions::default(),
            pending: Pending::new(),
            matching: Vec::new(),
            direct: Vec::new(),
        }
    }

    /// Subscribes a socket; `None` if it is subscribed already. A socket that subscribes for the
    /// first time counts as able to take more: see [`set_slow`](Self::set_slow).
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
    #[cfg(any(test, fuzzing))]
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
        self.pending.finish(except, |subscriber| {
            self.direct.push(Direct {
                socket: self.subscriptions.socket(subscriber),
                message: Arc::clone(message),
            });
        });
        Published {
            matched: spread.matched,
            dropped: 0,
        }
    }

    /// Says whether a socket is slow. While it is, nothing is kept for it: what is published is
    /// handed out by [`take_direct`](Self::take_direct), since whether there is room for it can be
    /// told at once.
    pub(crate) fn set_slow(&mut self, socket: Id, slow: bool) {
        if let Some(subscriber) = self.subscriptions.subscriber(socket) {
            self.pending.set_slow(subscriber, slow);
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

    /// True when there is something for [`take_direct`](Self::take_direct).
    pub(crate) fn has_direct(&self) -> bool {
        !self.direct.is_empty()
    }

    /// Swaps what is to be written to slow sockets at once with `into`, which must be empty. To be
    /// called after each publication and delivery. What they have pending goes before it.
    pub(crate) fn take_direct(&mut self, into: &mut Vec<Direct>) {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut self.direct, into);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::model::{Random, publication};

    struct Worker {
        topics: Topics,
        encoded: usize,
    }

    impl Worker {
        fn new() -> Self {
            Self {
                topics: Topics::new(Hub::new(1, None), 0),
                encoded: 0,
            }
        }

        fn subscribe(&mut self, socket: Id, topic: &str) {
            let change = self.topics.subscribe(socket, Filter::topic(topic).unwrap());
            assert!(change.is_some());
        }

        fn publish(&mut self, topic: &str, payload: &[u8]) -> (usize, usize) {
            let published = self.topics.publish(&publication(topic, payload), None);
            let Published { matched, dropped } = published.unwrap();
            (matched, dropped)
        }

        fn bytes(&mut self, path: Path) -> Vec<u8> {
            let encode = |message: &Message, _| {
                self.encoded += 1;
                message.payload().into()
            };
            self.topics.bytes(path, Class::PLAIN, encode).to_vec()
        }

        fn drain(&mut self) -> Vec<(Id, Vec<u8>)> {
            let mut drained = Vec::new();
            while let Some((socket, path)) = self.topics.next_pending() {
                drained.push((socket, self.bytes(path)));
            }
            drained
        }
    }

    fn socket(slot: u32) -> Id {
        Id::new(slot, 0, 1)
    }

    #[test]
    fn what_is_pending_goes_before_what_is_sent_directly() {
        let mut worker = Worker::new();
        worker.subscribe(socket(1), "a");
        worker.subscribe(socket(2), "a");
        assert_eq!(worker.topics.take_pending(socket(1)), None);
        worker.publish("a", b"1");
        let path = worker.topics.take_pending(socket(1)).unwrap();
        assert_eq!(worker.bytes(path), b"1");
        assert_eq!(worker.topics.take_pending(socket(1)), None);
        worker.publish("a", b"2");
        let expected = [(socket(1), b"2".to_vec()), (socket(2), b"12".to_vec())];
        assert_eq!(worker.drain(), expected);
        assert_eq!(worker.encoded, 2);
        assert!(!worker.topics.has_pending());
    }

    #[test]
    fn a_closed_socket_gets_nothing_and_neither_does_its_successor() {
        let mut worker = Worker::new();
        worker.subscribe(socket(1), "a");
        worker.publish("a", b"1");
        worker.topics.close(socket(1), |_| ());
        assert_eq!(worker.publish("a", b"2"), (0, 0));
        let successor = Id::new(1, 0, 2);
        worker.subscribe(successor, "a");
        worker.topics.set_slow(socket(1), true);
        assert_eq!(worker.publish("a", b"3"), (1, 0));
        worker.topics.close(socket(1), |_| panic!("it is closed"));
        assert_eq!(worker.drain(), [(successor, b"3".to_vec())]);
    }

    #[test]
    fn what_is_published_to_a_slow_socket_is_handed_out_at_once() {
        let mut worker = Worker::new();
        worker.subscribe(socket(1), "a");
        let pattern = Filter::pattern("+").unwrap();
        worker.topics.subscribe(socket(1), pattern);
        worker.publish("a", b"1");
        worker.topics.set_slow(socket(1), true);
        assert!(!worker.topics.has_direct());
        assert_eq!(worker.publish("a", b"2"), (1, 0));
        assert!(worker.topics.has_direct());
        worker.topics.set_slow(socket(1), false);
        assert_eq!(worker.publish("a", b"3"), (1, 0));
        assert_eq!(worker.drain(), [(socket(1), b"13".to_vec())]);
        let mut direct = Vec::new();
        worker.topics.take_direct(&mut direct);
        assert_eq!(direct.len(), 1, "once, though it matches twice");
        assert_eq!(direct[0].socket, socket(1));
        assert_eq!(direct[0].message.payload(), b"2");
        assert!(!worker.topics.has_direct());
    }

    #[test]
    fn a_long_list_is_due() {
        for (payload, is_due) in [(65_535 - 64, false), (65_536 - 64, true)] {
            let mut worker = Worker::new();
            worker.subscribe(socket(1), "a");
            worker.publish("a", &vec![0; payload]);
            assert_eq!(worker.topics.is_due(), is_due, "{payload}");
            worker.drain();
            assert!(!worker.topics.is_due());
            let halves = [payload / 2, payload - payload / 2 - 64];
            for half in halves {
                assert!(!worker.topics.is_due());
                worker.publish("a", &vec![0; half]);
            }
            assert_eq!(
                worker.topics.is_due(),
                is_due,
                "twice about half of {payload}"
            );
        }
    }

    #[test]
    fn many_short_lists_are_due() {
        let mut worker = Worker::new();
        for slot in 0..256 {
            worker.subscribe(socket(slot), &slot.to_string());
        }
        // 4 MiB in 256 messages.
        let payload = vec![0; (16 << 10) - 64];
        for slot in 0..256 {
            assert!(!worker.topics.is_due(), "{slot}");
            worker.publish(&slot.to_string(), &payload);
        }
        assert!(worker.topics.is_due());
        worker.drain();
        for slot in 0..255 {
            worker.publish(&slot.to_string(), &payload);
        }
        worker.publish("255", &payload[1..]);
        assert!(!worker.topics.is_due(), "a byte less");
    }

    #[test]
    fn many_different_lists_are_due() {
        let mut worker = Worker::new();
        for slot in 0..256 {
            worker.subscribe(socket(slot), &slot.to_string());
            worker.subscribe(socket(slot), "all");
        }
        for slot in 0..256 {
            worker.publish(&slot.to_string(), b"");
        }
        // A node for each, and 256 with each message to all of them.
        for round in 1..256 {
            assert!(!worker.topics.is_due(), "{round}");
            worker.publish("all", b"");
        }
        assert!(worker.topics.is_due());
        assert_eq!(worker.drain().len(), 256);
        assert_eq!(worker.encoded, 256 + 255);
    }

    #[test]
    fn more_than_is_kept_is_put_together_again() {
        let mut worker = Worker::new();
        for slot in 0..80 {
            worker.subscribe(socket(slot), &(slot % 40).to_string());
            worker.subscribe(socket(slot), "all");
        }
        // 40 different lists of 60 KiB each are more than 1 MiB: when the second socket of a list
        // comes, the bytes for the first are gone, and others in their place.
        for slot in 0..40 {
            worker.publish(&slot.to_string(), &[slot as u8]);
        }
        worker.publish("all", &[b'x'; 60 << 10]);
        for slot in 0..80 {
            let path = worker.topics.take_pending(socket(slot)).unwrap();
            let bytes = worker.bytes(path);
            assert_eq!(bytes.len(), (60 << 10) + 1);
            assert_eq!(bytes[0], slot as u8 % 40);
        }
        assert_eq!(worker.encoded, 41);
    }

    #[test]
    fn a_payload_of_nothing_and_a_topic_of_nobody() {
        let mut worker = Worker::new();
        assert_eq!(worker.publish("a", b"x"), (0, 0));
        assert_eq!(worker.topics.next_pending(), None);
        worker.subscribe(socket(1), "a");
        assert_eq!(worker.publish("a", b""), (1, 0));
        assert_eq!(worker.drain(), [(socket(1), Vec::new())]);
        let refused = worker.topics.publish(&publication("", b"x"), None);
        assert_eq!(refused, Err(TopicError::Empty));
        let long = "x".repeat(65_536);
        let refused = worker.topics.publish(&publication(&long, b"x"), None);
        assert_eq!(refused, Err(TopicError::TooLong));
        assert_eq!(worker.publish(&long[1..], b"x"), (0, 0));
    }

    /// Both sides of the bound from which on a socket has an index of its topics, and far beyond.
    #[test]
    fn one_socket_may_have_many_topics() {
        for count in [31, 32, 33, 34, 5_000_u32] {
            let mut worker = Worker::new();
            let names: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            for name in &names {
                worker.subscribe(socket(1), name);
                let twice = worker
                    .topics
                    .subscribe(socket(1), Filter::topic(name).unwrap());
                assert_eq!(twice, None);
                worker.subscribe(socket(2), name);
            }
            let mut random = Random::new(u64::from(count));
            let mut left: Vec<&String> = names.iter().collect();
            while left.len() > 10 {
                let name = left.swap_remove(random.below(left.len()));
                let filter = Filter::topic(name).unwrap();
                let change = worker.topics.unsubscribe(socket(1), filter).unwrap();
                assert_eq!((change.count_before, change.count), (2, 1));
                assert_eq!(worker.topics.unsubscribe(socket(1), filter), None);
                assert!(worker.topics.is_subscribed(socket(2), filter));
            }
            let mut topics: Vec<&str> = Vec::new();
            topics.extend(worker.topics.topics_of(socket(1)).map(|it| it.as_str()));
            topics.sort_unstable();
            left.sort_unstable();
            assert_eq!(topics, left);
            let mut ended = 0;
            worker.topics.close(socket(2), |change| {
                ended += 1;
                assert_eq!(change.count_before, change.count + 1);
            });
            assert_eq!(ended, count);
            for name in &names {
                let expected = (usize::from(left.contains(&name)), 0);
                assert_eq!(worker.publish(name, b""), expected);
            }
        }
    }

    #[test]
    fn memory_of_a_busy_turn_is_given_back() {
        let mut worker = Worker::new();
        for slot in 0..100 {
            worker.subscribe(socket(slot), &slot.to_string());
            worker.subscribe(socket(slot), "all");
        }
        for _ in 0..1_000 {
            for slot in 0..100 {
                worker.publish(&slot.to_string(), b"");
            }
            worker.publish("all", b"");
        }
        assert!(worker.topics.pending.kept_bytes() > 4 << 20);
        assert_eq!(worker.drain().len(), 100);
        assert!(worker.topics.pending.kept_bytes() < 2 << 20);
    }
}
