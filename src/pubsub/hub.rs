//! Who in the process is subscribed to what, and the way from any thread to the workers that are
//! concerned.
//!
//! The hub knows, by topic and pattern, how many subscribers each worker has. A worker changes its
//! own number with one store; only its first and its last subscriber of a topic take a lock. So
//! what the hub counts is a snapshot: a message that is on its way to a worker finds those who are
//! subscribed when it arrives.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use super::Published;
use super::broker::{Broker, BrokerError, Inlet, Origin};
use super::filter::{Filter, PatternMap, TopicError, check_topic};
use super::message::{Draft, Message, Publication};
use crate::util::unwind::guarded;

/// The most workers of one hub: what an id has room for.
const WORKERS_MAX: usize = 255;

const SHARDS: usize = 16;

/// The way into one worker.
pub(crate) trait Post: Send + Sync + 'static {
    /// Queues `message` for the worker, which is to hand it to
    /// [`Topics::deliver`](super::Topics::deliver), in order.
    fn post(&self, message: Arc<Message>) -> Result<(), Full>;
}

/// The worker takes no more, for now or for ever.
#[derive(Debug)]
pub(crate) struct Full;

thread_local! {
    /// A broker is being called by this thread.
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

/// What links the topics of a server's workers with each other, and with its broker.
pub(crate) struct Hub {
    origin: Origin,
    posts: Box<[OnceLock<Box<dyn Post>>]>,
    hasher: RandomState,
    topics: [Shard<HashMap<Box<str>, Arc<Interest>>>; SHARDS],
    patterns: Shard<PatternMap<Arc<Interest>>>,
    /// Patterns in use, so that nobody looks for them where there are none.
    pattern_count: AtomicUsize,
    broker: Option<Arc<dyn Broker>>,
    broker_error: Mutex<Option<BrokerError>>,
    counters: Counters,
}

/// How many subscribers each worker has of one topic or pattern.
pub(super) struct Interest {
    counts: Box<[AtomicU32]>,
}

#[derive(Default)]
struct Shard<M> {
    /// Held while the broker is told, so that it is told in order. Nobody who publishes takes it.
    order: Mutex<()>,
    /// What somebody is subscribed to, and nothing else.
    interests: RwLock<M>,
}

#[derive(Default)]
struct Counters {
    published: AtomicU64,
    failed: AtomicU64,
    delivered: AtomicU64,
    echoed: AtomicU64,
}

/// What went between a server and its broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerCounts {
    /// Messages that the broker has taken.
    pub published: u64,
    /// Calls, of whatever kind, that the broker has answered with an error or a panic.
    pub failed: u64,
    /// Messages that came from it.
    pub delivered: u64,
    /// Messages that came back from it to where they were published.
    pub echoed: u64,
}

impl Hub {
    /// A hub of so many workers, numbered from 0, and of the broker that links it with others.
    pub(crate) fn new(workers: usize, broker: Option<Arc<dyn Broker>>) -> Arc<Self> {
        assert!((1..=WORKERS_MAX).contains(&workers), "1 to 255 workers");
        let hub = Arc::new(Self {
            origin: Origin::random(),
            posts: (0..workers).map(|_| OnceLock::new()).collect(),
            hasher: RandomState::new(),
            topics: Default::default(),
            patterns: Shard::default(),
            pattern_count: AtomicUsize::new(0),
            broker,
            broker_error: Mutex::new(None),
            counters: Counters::default(),
        });
        hub.ask_broker(|broker| broker.attach(Inlet::new(&hub)));
        hub
    }

    /// Sets the way into a worker, once, before it has subscribers.
    pub(crate) fn register(&self, worker: u8, post: Box<dyn Post>) {
        let is_first = self.posts[usize::from(worker)].set(post).is_ok();
        debug_assert!(is_first, "worker {worker} is registered");
    }

    /// Publishes from a thread that is no worker's, to everybody.
    pub(crate) fn publish(&self, publication: &Publication<'_>) -> Result<Published, TopicError> {
        check_topic(publication.topic)?;
        let mut draft = Draft::new(publication, self.origin);
        let published = self.forward(&mut draft, None, None);
        self.publish_to_broker(&mut draft);
        Ok(published)
    }

    /// Publishes to everybody but the subscribers of `worker`, which has seen to them itself and
    /// passes what it knows of the topic.
    pub(super) fn publish_from(
        &self,
        worker: u8,
        interest: Option<&Interest>,
        draft: &mut Draft<'_>,
    ) -> Published {
        let published = self.forward(draft, Some(worker), interest);
        self.publish_to_broker(draft);
        published
    }

    /// What came from the broker, to all workers.
    pub(super) fn deliver(&self, origin: Origin, publication: &Publication<'_>) -> Published {
        if origin == self.origin {
            self.counters.echoed.fetch_add(1, Ordering::Relaxed);
            return Published::default();
        }
        self.counters.delivered.fetch_add(1, Ordering::Relaxed);
        self.forward(&mut Draft::new(publication, origin), None, None)
    }

    /// How many subscribers a topic or pattern has in all workers. One socket counts for each of
    /// its subscriptions; those of a pattern do not count for the topics that it matches.
    pub(crate) fn count(&self, filter: Filter<'_>) -> usize {
        let text = filter.as_str();
        let interest = if filter.is_pattern() {
            self.patterns.find(text)
        } else {
            self.shard(text).find(text)
        };
        interest.map_or(0, |interest| interest.total())
    }

    pub(crate) fn broker_counts(&self) -> BrokerCounts {
        let counters = &self.counters;
        BrokerCounts {
            published: counters.published.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            delivered: counters.delivered.load(Ordering::Relaxed),
            echoed: counters.echoed.load(Ordering::Relaxed),
        }
    }

    /// The broker's latest error since the last call, for the log.
    pub(crate) fn take_broker_error(&self) -> Option<BrokerError> {
        self.broker.as_ref()?;
        self.broker_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// The first subscriber of a worker.
    pub(super) fn join(&self, worker: u8, filter: Filter<'_>) -> Arc<Interest> {
        let workers = self.posts.len();
        let first = || {
            if filter.is_pattern() {
                self.pattern_count.fetch_add(1, Ordering::Relaxed);
            }
            self.ask_broker(|broker| broker.interest(filter, true));
        };
        if filter.is_pattern() {
            self.patterns.join(worker, workers, filter, first)
        } else {
            let shard = self.shard(filter.as_str());
            shard.join(worker, workers, filter, first)
        }
    }

    /// The last subscriber of a worker has gone.
    pub(super) fn leave(&self, worker: u8, filter: Filter<'_>) {
        let last = || {
            if filter.is_pattern() {
                self.pattern_count.fetch_sub(1, Ordering::Relaxed);
            }
            self.ask_broker(|broker| broker.interest(filter, false));
        };
        if filter.is_pattern() {
            self.patterns.leave(worker, filter, last);
        } else {
            self.shard(filter.as_str()).leave(worker, filter, last);
        }
    }

    fn shard(&self, topic: &str) -> &Shard<HashMap<Box<str>, Arc<Interest>>> {
        &self.topics[self.hasher.hash_one(topic) as usize % SHARDS]
    }

    fn forward(
        &self,
        draft: &mut Draft<'_>,
        from: Option<u8>,
        known: Option<&Interest>,
    ) -> Published {
        let mut published = Published::default();
        let workers = self.posts.len();
        if workers == 1 && from.is_some() {
            return published;
        }
        let mut counts = [0; WORKERS_MAX];
        let counts = &mut counts[..workers];
        self.tally(draft.topic(), known, counts);
        if let Some(worker) = from {
            counts[usize::from(worker)] = 0;
        }
        for (count, post) in counts.iter().zip(&self.posts) {
            if *count == 0 {
                continue;
            }
            published.matched += count;
            let message = Arc::clone(draft.message());
            let posted = post.get().is_some_and(|post| post.post(message).is_ok());
            if !posted {
                published.dropped += count;
            }
        }
        published
    }

    /// Adds to the count of each worker its subscribers that `topic` concerns.
    fn tally(&self, topic: &str, known: Option<&Interest>, counts: &mut [usize]) {
        match known {
            Some(interest) => interest.add_to(counts),
            None => {
                if let Some(interest) = self.shard(topic).find(topic) {
                    interest.add_to(counts);
                }
            }
        }
        if self.pattern_count.load(Ordering::Relaxed) > 0 {
            let patterns = self.patterns.interests.read();
            let patterns = patterns.unwrap_or_else(PoisonError::into_inner);
            patterns.find(topic, &mut |interest| interest.add_to(counts));
        }
    }

    fn publish_to_broker(&self, draft: &mut Draft<'_>) {
        let taken = self.ask_broker(|broker| broker.publish(draft.message()));
        if taken {
            self.counters.published.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// True when there is a broker and it has done what it was asked. Its code is not ours: what
    /// goes wrong in it must not take a worker along.
    fn ask_broker(&self, ask: impl FnOnce(&dyn Broker) -> Result<(), BrokerError>) -> bool {
        let Some(broker) = &self.broker else {
            return false;
        };
        // What a broker does from within a call of ours does not come back to it: it could go on so
        // until the stack is full.
        let nested = ASKING.replace(true);
        let answer = if nested {
            Some(Err("the broker was called from within itself".into()))
        } else {
            guarded(|| ask(&**broker))
        };
        ASKING.set(nested);
        let error = match answer {
            Some(Ok(())) => return true,
            Some(Err(error)) => error,
            None => "the broker panicked".into(),
        };
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        let latest = self.broker_error.lock();
        *latest.unwrap_or_else(PoisonError::into_inner) = Some(error);
        false
    }
}

impl Interest {
    fn new(workers: usize) -> Self {
        Self {
            counts: (0..workers).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Only the worker itself says so.
    pub(super) fn set(&self, worker: u8, count: usize) {
        self.counts[usize::from(worker)].store(count as u32, Ordering::Relaxed);
    }

    fn add_to(&self, counts: &mut [usize]) {
        for (sum, count) in counts.iter_mut().zip(&self.counts) {
            *sum += count.load(Ordering::Relaxed) as usize;
        }
    }

    fn total(&self) -> usize {
        let counts = self.counts.iter();
        counts
            .map(|count| count.load(Ordering::Relaxed) as usize)
            .sum()
    }
}

/// What a shard keeps its interests in.
trait Interests {
    fn find(&self, text: &str) -> Option<&Arc<Interest>>;
    fn put(&mut self, text: &str, interest: Arc<Interest>);
    fn take(&mut self, text: &str);
}

impl Interests for HashMap<Box<str>, Arc<Interest>> {
    fn find(&self, text: &str) -> Option<&Arc<Interest>> {
        self.get(text)
    }

    fn put(&mut self, text: &str, interest: Arc<Interest>) {
        self.insert(text.into(), interest);
    }

    fn take(&mut self, text: &str) {
        self.remove(text);
    }
}

impl Interests for PatternMap<Arc<Interest>> {
    fn find(&self, text: &str) -> Option<&Arc<Interest>> {
        self.get(text)
    }

    fn put(&mut self, text: &str, interest: Arc<Interest>) {
        self.insert(text, interest);
    }

    fn take(&mut self, text: &str) {
        self.remove(text);
    }
}

impl<M: Interests> Shard<M> {
    fn find(&self, text: &str) -> Option<Arc<Interest>> {
        let interests = self.interests.read();
        let interests = interests.unwrap_or_else(PoisonError::into_inner);
        interests.find(text).cloned()
    }

    fn join(
        &self,
        worker: u8,
        workers: usize,
        filter: Filter<'_>,
        first: impl FnOnce(),
    ) -> Arc<Interest> {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let interests = self.interests.write();
        let mut interests = interests.unwrap_or_else(PoisonError::into_inner);
        let known = interests.find(filter.as_str()).cloned();
        let is_first = known.is_none();
        let interest = known.unwrap_or_else(|| Arc::new(Interest::new(workers)));
        interest.set(worker, 1);
        if is_first {
            interests.put(filter.as_str(), Arc::clone(&interest));
            drop(interests);
            first();
        }
        interest
    }

    fn leave(&self, worker: u8, filter: Filter<'_>, last: impl FnOnce()) {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let interests = self.interests.write();
        let mut interests = interests.unwrap_or_else(PoisonError::into_inner);
        let Some(interest) = interests.find(filter.as_str()) else {
            return;
        };
        interest.set(worker, 0);
        if interest.total() == 0 {
            interests.take(filter.as_str());
            drop(interests);
            last();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};
    use std::sync::Barrier;
    use std::thread;

    use std::panic::catch_unwind;

    use super::*;
    use crate::pubsub::model::{Random, publication};
    use crate::pubsub::{Class, Topics};
    use crate::util::slab::Id;

    #[derive(Clone, Default)]
    struct Inbox(Arc<Mutex<VecDeque<Arc<Message>>>>);

    impl Post for Inbox {
        fn post(&self, message: Arc<Message>) -> Result<(), Full> {
            self.0.lock().unwrap().push_back(message);
            Ok(())
        }
    }

    impl Inbox {
        fn take(&self) -> VecDeque<Arc<Message>> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    fn topic(text: &str) -> Filter<'_> {
        Filter::topic(text).unwrap()
    }

    fn pattern(text: &str) -> Filter<'_> {
        Filter::pattern(text).unwrap()
    }

    fn hub_of(workers: u8) -> (Arc<Hub>, Vec<Inbox>, Vec<Topics>) {
        let hub = Hub::new(usize::from(workers), None);
        let inboxes = vec![(); usize::from(workers)];
        let inboxes: Vec<Inbox> = inboxes.iter().map(|()| Inbox::default()).collect();
        for (worker, inbox) in inboxes.iter().enumerate() {
            hub.register(worker as u8, Box::new(inbox.clone()));
        }
        let topics = (0..workers).map(|worker| Topics::new(Arc::clone(&hub), worker));
        let topics = topics.collect();
        (hub, inboxes, topics)
    }

    #[test]
    fn only_workers_with_interest_are_told() {
        let (hub, inboxes, mut topics) = hub_of(4);
        topics[1].subscribe(Id::new(1, 1, 1), topic("a"));
        topics[2].subscribe(Id::new(1, 2, 1), pattern("+"));
        topics[2].subscribe(Id::new(2, 2, 1), pattern("#"));
        topics[3].subscribe(Id::new(1, 3, 1), topic("b"));
        let published = hub.publish(&publication("a", b"1")).unwrap();
        assert_eq!((published.matched, published.dropped), (3, 0));
        let told = inboxes.iter().map(|inbox| inbox.take().len());
        assert!(told.eq([0, 1, 1, 0]));

        topics[2].close(Id::new(1, 2, 1), |_| ());
        topics[2].unsubscribe(Id::new(2, 2, 1), pattern("#"));
        let published = topics[1].publish(&publication("a", b"2"), None).unwrap();
        assert_eq!(published.matched, 1, "the worker's own");
        assert!(inboxes.iter().all(|inbox| inbox.take().is_empty()));
        assert!(hub.publish(&publication("", b"")).is_err());
    }

    #[test]
    fn a_worker_that_cannot_be_told_counts_as_dropped() {
        struct Closed;
        impl Post for Closed {
            fn post(&self, _: Arc<Message>) -> Result<(), Full> {
                Err(Full)
            }
        }
        let hub = Hub::new(3, None);
        hub.register(0, Box::new(Closed));
        let mut topics = [0, 1].map(|worker| Topics::new(Arc::clone(&hub), worker));
        for (worker, topics) in topics.iter_mut().enumerate() {
            for slot in 0..=worker {
                topics.subscribe(Id::new(slot as u32, worker as u8, 1), topic("a"));
            }
        }
        // Worker 1 was never registered.
        let published = hub.publish(&publication("a", b"")).unwrap();
        assert_eq!((published.matched, published.dropped), (3, 3));
        let published = topics[1].publish(&publication("a", b""), None).unwrap();
        assert_eq!((published.matched, published.dropped), (3, 1));
        drop(topics);
        let published = hub.publish(&publication("a", b"")).unwrap();
        assert_eq!((published.matched, published.dropped), (0, 0));
    }

    #[test]
    fn a_hub_has_1_to_255_workers() {
        assert!(catch_unwind(|| Hub::new(0, None)).is_err());
        assert!(catch_unwind(|| Hub::new(256, None)).is_err());
        let hub = Hub::new(255, None);
        let mut last = Topics::new(Arc::clone(&hub), 254);
        last.subscribe(Id::new(1, 254, 1), topic("a"));
        assert_eq!(hub.count(topic("a")), 1);
    }

    const WORKERS: u8 = 4;
    const OUTSIDE: u8 = 2;
    const SOCKETS: u32 = 6;
    const ROUNDS: u32 = 1_500;
    const TOPICS: [&str; 3] = ["a/x", "a/y", "b"];

    /// What a socket has got: by publisher and topic, the numbers of the messages.
    type Got = BTreeMap<(u32, u8, String), Vec<u32>>;

    struct Worker {
        number: u8,
        topics: Topics,
        inbox: Inbox,
        got: Got,
        churn: u32,
    }

    impl Worker {
        /// Socket 0 stays subscribed to all, by name and by pattern; 1 to some; others come and go.
        fn subscribe(&mut self) {
            for text in TOPICS {
                self.topics.subscribe(self.socket(0), topic(text));
            }
            self.topics.subscribe(self.socket(0), pattern("a/+"));
            self.topics.subscribe(self.socket(0), pattern("#"));
            self.topics.subscribe(self.socket(1), pattern("a/#"));
        }

        fn socket(&self, slot: u32) -> Id {
            Id::new(slot, self.number, 1)
        }

        fn churn(&mut self, random: &mut Random) {
            self.churn += 1;
            let slot = 2 + random.below(SOCKETS as usize - 2) as u32;
            let generation = self.churn / 64 + 1;
            let socket = Id::new(slot, self.number, generation);
            let texts = ["a/x", "b", "a/+", "#"];
            let choice = random.below(4);
            let filter = if choice < 2 {
                topic(texts[choice])
            } else {
                pattern(texts[choice])
            };
            if self.churn.is_multiple_of(64) {
                for slot in 2..SOCKETS {
                    let socket = Id::new(slot, self.number, generation - 1);
                    self.topics.close(socket, |_| ());
                }
            } else if self.topics.subscribe(socket, filter).is_none() {
                self.topics.unsubscribe(socket, filter);
            }
        }

        fn turn(&mut self) {
            for message in self.inbox.take() {
                self.topics.deliver(&message);
                if self.topics.is_due() {
                    self.drain();
                }
            }
            self.drain();
        }

        fn drain(&mut self) {
            while let Some((socket, path)) = self.topics.next_pending() {
                let encode = |message: &Message, _| Box::from(message.payload());
                let bytes = self.topics.bytes(path, Class::PLAIN, encode).to_vec();
                for (message, frame) in self.topics.messages(path).zip(bytes.chunks(5)) {
                    assert_eq!(message.payload(), frame);
                    let sequence = u32::from_le_bytes(frame[1..].try_into().unwrap());
                    let key = (socket.index() as u32, frame[0], message.topic().to_owned());
                    self.got.entry(key).or_default().push(sequence);
                }
            }
        }
    }

    fn payload(publisher: u8, sequence: u32) -> Vec<u8> {
        let mut payload = vec![publisher];
        payload.extend_from_slice(&sequence.to_le_bytes());
        payload
    }

    fn run_worker(mut worker: Worker, start: &Barrier, end: &Barrier) -> Got {
        let mut random = Random::new(u64::from(worker.number) + 1);
        worker.subscribe();
        start.wait();
        for sequence in 0..ROUNDS {
            let text = TOPICS[random.below(TOPICS.len())];
            let payload = payload(worker.number, sequence);
            let published = worker.topics.publish(&publication(text, &payload), None);
            let published = published.unwrap();
            assert!(published.matched >= usize::from(WORKERS) && published.dropped == 0);
            worker.churn(&mut random);
            if random.below(4) == 0 {
                worker.turn();
            }
        }
        end.wait();
        worker.turn();
        worker.got
    }

    /// Every subscriber gets each message once and in the order of its publisher.
    #[test]
    fn workers_and_other_threads_publish_at_once() {
        let (hub, inboxes, topics) = hub_of(WORKERS);
        let threads = usize::from(WORKERS + OUTSIDE);
        let (start, end) = (Barrier::new(threads), Barrier::new(threads));
        let outside = |publisher: u8| {
            let mut random = Random::new(u64::from(publisher) + 1);
            start.wait();
            for sequence in 0..ROUNDS {
                let text = TOPICS[random.below(TOPICS.len())];
                let payload = payload(publisher, sequence);
                let published = hub.publish(&publication(text, &payload)).unwrap();
                assert!(published.matched >= usize::from(WORKERS) && published.dropped == 0);
            }
            end.wait();
        };
        let (start, end, outside) = (&start, &end, &outside);
        let gots: Vec<Got> = thread::scope(|scope| {
            for publisher in WORKERS..WORKERS + OUTSIDE {
                scope.spawn(move || outside(publisher));
            }
            let workers = topics.into_iter().zip(inboxes).zip(0..);
            let workers = workers.map(|((topics, inbox), number)| Worker {
                number,
                topics,
                inbox,
                got: Got::new(),
                churn: 0,
            });
            let threads: Vec<_> = workers
                .map(|worker| scope.spawn(move || run_worker(worker, start, end)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for got in gots {
            let mut all: BTreeMap<(u32, u8), Vec<u32>> = BTreeMap::new();
            for ((slot, publisher, text), sequences) in got {
                let is_rising = sequences.is_sorted_by(|first, second| first < second);
                assert!(is_rising, "{slot} of {publisher}: {text}: {sequences:?}");
                all.entry((slot, publisher)).or_default().extend(&sequences);
            }
            for publisher in 0..WORKERS + OUTSIDE {
                let mut sequences = all[&(0, publisher)].clone();
                sequences.sort_unstable();
                assert!(sequences.into_iter().eq(0..ROUNDS), "from {publisher}");
            }
        }
        for filter in [topic("a/x"), topic("b"), pattern("#"), pattern("a/#")] {
            assert_eq!(hub.count(filter), 0, "all workers are gone");
        }
        assert!(hub.patterns.interests.read().unwrap().is_empty());
        assert_eq!(hub.pattern_count.load(Ordering::Relaxed), 0);
        assert!(
            hub.topics
                .iter()
                .all(|shard| shard.interests.read().unwrap().is_empty())
        );
    }
}
