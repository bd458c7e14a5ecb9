//! For the tests and the fuzzer: a server of two workers against a naive one, in which each socket
//! keeps a list of the messages that it is to get.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use super::{
    Change, Class, Direct, Filter, Full, Hub, Message, Path, Post, Publication, Published,
    TopicError, Topics,
};
use crate::util::slab::Id;

const WORKERS: usize = 2;
const SOCKETS: usize = 8;
const INBOX_MAX: usize = 6;

/// How many steps lie between two looks at every subscription.
const CHECK_EVERY: u32 = 16;

/// Runs what `data` says, a few bytes a step, until it ends.
pub(super) fn run(data: &[u8]) {
    let mut run = Run::new(data);
    let mut count = 0_u32;
    while let Some(step) = run.byte() {
        run.step(step);
        count += 1;
        if count.is_multiple_of(CHECK_EVERY) {
            run.check(usize::from(step & 1));
        }
    }
    for worker in 0..WORKERS {
        while run.receive(worker) {}
        run.drain(worker);
        run.check(worker);
    }
    run.end();
}

#[derive(Clone, Default)]
struct Inbox(Arc<Mutex<VecDeque<Arc<Message>>>>);

impl Post for Inbox {
    fn post(&self, message: Arc<Message>) -> Result<(), Full> {
        let mut queue = self.0.lock().unwrap();
        if queue.len() == INBOX_MAX {
            return Err(Full);
        }
        queue.push_back(message);
        Ok(())
    }
}

type Subscription = (bool, String);

/// A message as the model knows it: topic, payload, whether it is text, whether to compress it.
#[derive(Clone)]
struct Sent {
    topic: String,
    payload: Vec<u8>,
    text: bool,
    compress: bool,
}

#[derive(Default)]
struct Socket {
    generation: u32,
    slow: bool,
    class: u8,
    subscriptions: BTreeSet<Subscription>,
    /// By number of message.
    pending: Vec<usize>,
}

#[derive(Default)]
struct Side {
    sockets: [Socket; SOCKETS],
    inbox: VecDeque<usize>,
    dropped: Vec<(Id, usize)>,
}

struct Run<'a> {
    data: &'a [u8],
    hub: Arc<Hub>,
    inboxes: [Inbox; WORKERS],
    topics: Vec<Topics>,
    sides: [Side; WORKERS],
    sent: Vec<Sent>,
    /// How often each message was encoded for each class.
    encoded: BTreeMap<(usize, u8), u32>,
}

impl<'a> Run<'a> {
    fn new(data: &'a [u8]) -> Self {
        let hub = Hub::new(WORKERS, None);
        let inboxes: [Inbox; WORKERS] = Default::default();
        for (worker, inbox) in inboxes.iter().enumerate() {
            hub.register(worker as u8, Box::new(inbox.clone()));
        }
        let topics = (0..WORKERS).map(|worker| Topics::new(Arc::clone(&hub), worker as u8));
        let topics = topics.collect();
        let mut sides: [Side; WORKERS] = Default::default();
        for socket in sides.iter_mut().flat_map(|side| &mut side.sockets) {
            socket.generation = 1;
        }
        Self {
            data,
            hub,
            inboxes,
            topics,
            sides,
            sent: Vec::new(),
            encoded: BTreeMap::new(),
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.data.split_first()?;
        self.data = rest;
        Some(first)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte().unwrap_or(0)) % bound
    }

    fn id(&self, worker: usize, slot: usize) -> Id {
        let generation = self.sides[worker].sockets[slot].generation;
        Id::new(slot as u32, worker as u8, generation)
    }

    /// A text of up to four levels, in which wildcards are frequent.
    fn text(&mut self) -> String {
        let code = self.below(256);
        let levels = ["a", "b", "", "+", "#", "c+", "a", "b"];
        let mut text = levels[code % 8].to_owned();
        if code & 8 != 0 {
            text += "/";
            text += levels[code / 16 % 8];
        }
        if code & 128 != 0 {
            let more = self.below(256);
            text += "/";
            text += levels[more % 8];
            if more & 8 != 0 {
                text += "/";
                text += levels[more / 16 % 8];
            }
        }
        text
    }

    fn step(&mut self, step: u8) {
        let worker = usize::from(step >> 7);
        match step % 16 {
            0..=2 => self.subscribe(worker),
            3 => self.unsubscribe(worker),
            4..=8 => self.publish(worker),
            9 => self.publish_from_outside(),
            10 => self.close(worker),
            11 => self.take_one(worker),
            12 => self.toggle_slow(worker),
            13 => drop(self.receive(worker)),
            14 => self.drain(worker),
            _ => self.take_direct(worker),
        }
    }

    fn subscribe(&mut self, worker: usize) {
        let slot = self.below(SOCKETS);
        let is_pattern = self.below(2) == 1;
        let text = self.text();
        let id = self.id(worker, slot);
        let Ok(filter) = parse(&text, is_pattern) else {
            return;
        };
        let before = self.count(worker, is_pattern, &text);
        let change = self.topics[worker].subscribe(id, filter);
        let subscriptions = &mut self.sides[worker].sockets[slot].subscriptions;
        let is_new = subscriptions.insert((is_pattern, text.clone()));
        let expected = is_new.then(|| changed(&text, is_pattern, before, before + 1));
        assert_eq!(change, expected);
    }

    fn unsubscribe(&mut self, worker: usize) {
        let slot = self.below(SOCKETS);
        let choice = self.below(256);
        let text = self.text();
        let id = self.id(worker, slot);
        let mut subscriptions = self.sides[worker].sockets[slot].subscriptions.iter();
        // Mostly one that there is.
        let (is_pattern, text) = match subscriptions.nth(choice % 8).cloned() {
            Some(subscription) => subscription,
            None => (choice & 64 != 0, text),
        };
        let Ok(filter) = parse(&text, is_pattern) else {
            return;
        };
        let before = self.count(worker, is_pattern, &text);
        let change = self.topics[worker].unsubscribe(id, filter);
        let subscriptions = &mut self.sides[worker].sockets[slot].subscriptions;
        let was_there = subscriptions.remove(&(is_pattern, text.clone()));
        let expected = was_there.then(|| changed(&text, is_pattern, before, before - 1));
        assert_eq!(change, expected);
    }

    fn close(&mut self, worker: usize) {
        let slot = self.below(SOCKETS);
        let id = self.id(worker, slot);
        let mut changes = Vec::new();
        self.topics[worker].close(id, |change| changes.push(change));
        let socket = std::mem::take(&mut self.sides[worker].sockets[slot]);
        let expected = socket.subscriptions.iter().map(|(is_pattern, text)| {
            let after = self.count(worker, *is_pattern, text);
            changed(text, *is_pattern, after + 1, after)
        });
        let key = |change: &Change| (change.is_pattern, change.name.clone());
        changes.sort_by_key(key);
        assert_eq!(changes, Vec::from_iter(expected));
        let next = &mut self.sides[worker].sockets[slot];
        next.generation = socket.generation + 1;
        next.class = socket.class.wrapping_add(1) % 3;
    }

    fn publication(&mut self) -> Result<Sent, TopicError> {
        let topic = self.text();
        let flags = self.below(256);
        let mut payload = (self.sent.len() as u32).to_le_bytes().to_vec();
        if flags > 250 {
            payload.resize(40_000, b'x');
        }
        Filter::topic(&topic)?;
        Ok(Sent {
            topic,
            payload,
            text: flags & 1 != 0,
            compress: flags & 2 != 0,
        })
    }

    fn publish(&mut self, worker: usize) {
        let except = self.below(2 * SOCKETS);
        let except = (except < SOCKETS).then_some(except);
        let id = except.map(|slot| self.id(worker, slot));
        let sent = match self.publication() {
            Ok(sent) => sent,
            Err(error) => {
                let refused = self.topics[worker].publish(&publication("", b""), id);
                assert_eq!(refused, Err(error));
                return;
            }
        };
        let published = self.topics[worker].publish(&sent.publication(), id);
        let mut expected = self.deliver(worker, self.sent.len(), &sent, except);
        let elsewhere = self.post(self.sent.len(), &sent, Some(worker));
        expected += elsewhere;
        assert_eq!(published, Ok(expected));
        self.sent.push(sent);
        self.drain_if_due(worker);
    }

    fn publish_from_outside(&mut self) {
        let Ok(sent) = self.publication() else {
            assert!(self.hub.publish(&publication("", b"")).is_err());
            return;
        };
        let published = self.hub.publish(&sent.publication());
        let expected = self.post(self.sent.len(), &sent, None);
        assert_eq!(published, Ok(expected));
        self.sent.push(sent);
    }

    /// The model's side of delivering a message on one worker.
    fn deliver(
        &mut self,
        worker: usize,
        number: usize,
        sent: &Sent,
        except: Option<usize>,
    ) -> Published {
        let mut published = Published::default();
        let side = &mut self.sides[worker];
        for (slot, socket) in side.sockets.iter_mut().enumerate() {
            if Some(slot) == except || socket.matches(&sent.topic) == 0 {
                continue;
            }
            published.matched += 1;
            if socket.slow {
                let id = Id::new(slot as u32, worker as u8, socket.generation);
                side.dropped.push((id, number));
            } else {
                socket.pending.push(number);
            }
        }
        published
    }

    /// The model's side of posting a message to the workers.
    fn post(&mut self, number: usize, sent: &Sent, from: Option<usize>) -> Published {
        let mut published = Published::default();
        for (worker, side) in self.sides.iter_mut().enumerate() {
            let sockets = side.sockets.iter();
            let matched: usize = sockets.map(|socket| socket.matches(&sent.topic)).sum();
            if from == Some(worker) || matched == 0 {
                continue;
            }
            published.matched += matched;
            if side.inbox.len() == INBOX_MAX {
                published.dropped += matched;
            } else {
                side.inbox.push_back(number);
            }
        }
        published
    }

    /// The worker takes a message out of its inbox.
    fn receive(&mut self, worker: usize) -> bool {
        let message = self.inboxes[worker].0.lock().unwrap().pop_front();
        let number = self.sides[worker].inbox.pop_front();
        assert_eq!(message.is_some(), number.is_some());
        let (Some(message), Some(number)) = (message, number) else {
            return false;
        };
        let sent = self.sent[number].clone();
        assert_eq!(message.publication(), sent.publication());
        let published = self.topics[worker].deliver(&message);
        assert_eq!(published, self.deliver(worker, number, &sent, None));
        self.drain_if_due(worker);
        true
    }

    fn toggle_slow(&mut self, worker: usize) {
        let slot = self.below(SOCKETS);
        let id = self.id(worker, slot);
        let socket = &mut self.sides[worker].sockets[slot];
        // A socket that was never subscribed is not known, and never slow.
        let is_known = !socket.subscriptions.is_empty();
        socket.slow ^= is_known;
        let slow = socket.slow;
        self.topics[worker].set_slow(id, slow);
    }

    fn take_one(&mut self, worker: usize) {
        let slot = self.below(SOCKETS);
        let id = self.id(worker, slot);
        let pending = std::mem::take(&mut self.sides[worker].sockets[slot].pending);
        let path = self.topics[worker].take_pending(id);
        assert_eq!(path.is_some(), !pending.is_empty());
        if let Some(path) = path {
            self.check_bytes(worker, slot, path, &pending);
        }
        assert_eq!(self.topics[worker].take_pending(id), None);
    }

    fn drain_if_due(&mut self, worker: usize) {
        let sent = |&number: &usize| self.sent[number].payload.len() + 64;
        let sockets = self.sides[worker].sockets.iter();
        let longest = sockets.map(|socket| socket.pending.iter().map(sent).sum::<usize>());
        let longest = longest.max().unwrap_or(0);
        let is_due = self.topics[worker].is_due();
        assert!(is_due || longest < 64 << 10, "{longest} bytes and not due");
        if is_due {
            self.drain(worker);
        }
    }

    fn drain(&mut self, worker: usize) {
        let mut drained: Vec<(Path, Vec<usize>)> = Vec::new();
        while let Some((id, path)) = self.topics[worker].next_pending() {
            let slot = id.index();
            assert_eq!(id, self.id(worker, slot));
            let pending = std::mem::take(&mut self.sides[worker].sockets[slot].pending);
            assert!(
                !pending.is_empty(),
                "{id:?} has nothing pending, or came twice"
            );
            self.check_bytes(worker, slot, path, &pending);
            for (other, list) in &drained {
                assert_eq!(*other == path, *list == pending, "same list, same path");
            }
            drained.push((path, pending));
        }
        let left = self.sides[worker].sockets.iter();
        assert!(left.into_iter().all(|socket| socket.pending.is_empty()));
        assert!(!self.topics[worker].has_pending());
        assert!(!self.topics[worker].is_due());
    }

    fn check_bytes(&mut self, worker: usize, slot: usize, path: Path, pending: &[usize]) {
        let messages = self.topics[worker].messages(path);
        let payloads: Vec<_> = messages.map(|message| message.payload().to_vec()).collect();
        let sent = pending.iter().map(|&number| &self.sent[number]);
        let expected: Vec<_> = sent.clone().map(|sent| sent.payload.clone()).collect();
        assert_eq!(payloads, expected);

        let choice = self.sides[worker].sockets[slot].class;
        let (class, tag) = [
            (Class::PLAIN, 0),
            (Class::BROTLI, 1),
            (Class::deflate(12), 12),
        ][usize::from(choice)];
        let encoded = &mut self.encoded;
        let bytes = self.topics[worker].bytes(path, class, |message, class| {
            let tag = if class == Class::BROTLI {
                1
            } else {
                class.window_bits().unwrap_or(0)
            };
            let key = (number_of(message), tag);
            *encoded.entry(key).or_insert(0) += 1;
            encode(tag, message.is_text(), message.payload()).into()
        });
        let expected: Vec<u8> = sent
            .flat_map(|sent| {
                let tag = if tag >= 9 && !sent.compress { 0 } else { tag };
                encode(tag, sent.text, &sent.payload)
            })
            .collect();
        assert!(bytes == expected, "{bytes:?} is not {expected:?}");
    }

    fn take_direct(&mut self, worker: usize) {
        let mut dropped = Vec::new();
        self.topics[worker].take_direct(&mut dropped);
        let number = |direct: &Direct| (direct.socket, number_of(&direct.message));
        let mut dropped: Vec<_> = dropped.iter().map(number).collect();
        let mut expected = std::mem::take(&mut self.sides[worker].dropped);
        // In order of publication; among the sockets of one publication in any.
        let numbers = dropped.iter().map(|it| it.1);
        assert!(numbers.eq(expected.iter().map(|it| it.1)));
        let key = |it: &(Id, usize)| (it.1, it.0.to_bits());
        dropped.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(dropped, expected);
    }

    fn count(&self, worker: usize, is_pattern: bool, text: &str) -> usize {
        let key = (is_pattern, text.to_owned());
        let sockets = self.sides[worker].sockets.iter();
        sockets
            .filter(|socket| socket.subscriptions.contains(&key))
            .count()
    }

    /// That both sides agree on who is subscribed to what.
    fn check(&self, worker: usize) {
        let mut all = BTreeSet::new();
        for slot in 0..SOCKETS {
            let id = self.id(worker, slot);
            let topics = self.topics[worker].topics_of(id);
            let topics: BTreeSet<Subscription> = topics
                .map(|filter| (filter.is_pattern(), filter.as_str().to_owned()))
                .collect();
            assert_eq!(topics, self.sides[worker].sockets[slot].subscriptions);
            all.extend(topics);
        }
        for (is_pattern, text) in &all {
            let filter = Filter::trusted(text, *is_pattern);
            let counts = [0, 1].map(|worker| self.count(worker, *is_pattern, text));
            assert_eq!(self.topics[worker].count(filter), counts[worker]);
            assert_eq!(self.hub.count(filter), counts.iter().sum());
            for slot in 0..SOCKETS {
                let is_subscribed =
                    self.topics[worker].is_subscribed(self.id(worker, slot), filter);
                let key = (*is_pattern, text.clone());
                let subscriptions = &self.sides[worker].sockets[slot].subscriptions;
                assert_eq!(is_subscribed, subscriptions.contains(&key));
            }
        }
    }

    fn end(&mut self) {
        for ((number, tag), times) in &self.encoded {
            assert_eq!(*times, 1, "message {number} for class {tag}");
        }
        // A worker that is gone has no subscribers.
        let all: BTreeSet<Subscription> = self
            .sides
            .iter()
            .flat_map(|side| &side.sockets)
            .flat_map(|socket| socket.subscriptions.iter().cloned())
            .collect();
        self.topics.clear();
        for (is_pattern, text) in &all {
            assert_eq!(self.hub.count(Filter::trusted(text, *is_pattern)), 0);
        }
    }
}

impl Sent {
    fn publication(&self) -> Publication<'_> {
        Publication {
            topic: &self.topic,
            payload: &self.payload,
            text: self.text,
            compress: self.compress,
        }
    }
}

impl Socket {
    /// How many of its subscriptions match.
    fn matches(&self, topic: &str) -> usize {
        let matches = |(is_pattern, text): &&Subscription| {
            if *is_pattern {
                let pattern: Vec<&str> = text.split('/').collect();
                let topic: Vec<&str> = topic.split('/').collect();
                fits(&pattern, &topic)
            } else {
                text == topic
            }
        };
        self.subscriptions.iter().filter(matches).count()
    }
}

fn fits(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        (["#"], _) | ([], []) => true,
        ([first, pattern @ ..], [level, topic @ ..]) => {
            (*first == "+" || first == level) && fits(pattern, topic)
        }
        _ => false,
    }
}

/// What is malformed is refused as such.
fn parse(text: &str, is_pattern: bool) -> Result<Filter<'_>, TopicError> {
    let levels: Vec<&str> = text.split('/').collect();
    let is_wild = |level: &&&str| level.contains(['+', '#']);
    let mixed = levels
        .iter()
        .any(|level| level.len() > 1 && is_wild(&level));
    let early = levels.iter().rev().skip(1).any(|level| *level == "#");
    let expected = if text.is_empty() {
        Some(TopicError::Empty)
    } else if is_pattern && (mixed || early) {
        Some(TopicError::Wildcard)
    } else {
        None
    };
    let filter = if is_pattern {
        Filter::pattern(text)
    } else {
        Filter::topic(text)
    };
    assert_eq!(filter.err(), expected, "{text}");
    filter
}

fn changed(name: &str, is_pattern: bool, count_before: usize, count: usize) -> Change {
    Change {
        name: name.into(),
        is_pattern,
        count_before,
        count,
    }
}

fn number_of(message: &Message) -> usize {
    let number = message.payload()[..4].try_into();
    u32::from_le_bytes(number.expect("the model numbers them")) as usize
}

fn encode(tag: u8, text: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, u8::from(text), payload.len() as u8];
    bytes.extend_from_slice(payload);
    bytes
}

pub(super) fn publication<'a>(topic: &'a str, payload: &'a [u8]) -> Publication<'a> {
    Publication {
        topic,
        payload,
        text: true,
        compress: false,
    }
}

/// Seeded and reproducible.
#[cfg(test)]
pub(super) struct Random(u64);

#[cfg(test)]
impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_steps_agree_with_the_model() {
        for seed in 1..=20 {
            let mut random = Random::new(seed);
            let data: Vec<u8> = (0..8_000).map(|_| random.below(256) as u8).collect();
            run(&data);
        }
    }
}
