//! Who in the process is subscribed to what, and the way from any thread to the workers that are
//! concerned.
//!
//! The hub knows, by topic and pattern, how many subscribers each worker has. A worker changes its
//! own number with one store; only its first and its last subscriber of a topic take a lock. So
//! what the hub counts is a snapshot: a message that is on its way to a worker finds those who are
//! subscribed when it arrives.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use super::Published;
use super::broker::{Broker, BrokerError, Inlet, Origin};
use super::filter::{Filter, PatternMap, TopicError, check_topic};
use super::message::{Draft, Message, Publication};

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
        let answer = catch_unwind(AssertUnwindSafe(|| ask(&**broker)));
        let error = match answer {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error,
            Err(_) => "the broker panicked".into(),
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
