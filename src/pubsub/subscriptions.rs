//! Which socket of a worker is subscribed to what. Each subscription is noted on both sides, with
//! the place of the other note, so that none is ever searched for among others'.

use std::collections::HashMap;
use std::sync::Arc;

use super::filter::{Filter, PatternMap};
use super::hub::Interest;
use crate::util::slab::Id;

/// A socket with more topics than this gets an index of them.
const UNINDEXED_MAX: usize = 32;

const NONE: u32 = u32::MAX;

/// A subscription that began or ended, with the number of subscribers on this worker before and
/// after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: Arc<str>,
    pub(crate) is_pattern: bool,
    pub(crate) count_before: usize,
    pub(crate) count: usize,
}

#[derive(Default)]
pub(super) struct Subscriptions {
    exact: HashMap<Arc<str>, u32>,
    patterns: PatternMap<u32>,
    topics: Vec<Option<Topic>>,
    topics_free: Vec<u32>,
    subscribers: Vec<Subscriber>,
    subscribers_free: Vec<u32>,
    /// Subscribers by the slot of their socket.
    by_slot: Vec<u32>,
}

/// A topic or pattern with subscribers.
pub(super) struct Topic {
    name: Arc<str>,
    is_pattern: bool,
    members: Vec<Member>,
    interest: Arc<Interest>,
}

/// A subscription, as its topic sees it.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) subscriber: u32,
    /// Where the subscriber has noted it.
    at: u32,
}

/// A subscription, as its subscriber sees it.
#[derive(Clone, Copy)]
struct Membership {
    topic: u32,
    /// Where the topic has noted it.
    at: u32,
}

struct Subscriber {
    socket: Id,
    memberships: Vec<Membership>,
    /// Where the membership of each topic is, once there are many.
    #[expect(
        clippy::box_collection,
        reason = "8 bytes, and not 48, where there are few"
    )]
    index: Option<Box<HashMap<u32, u32>>>,
}

impl Topic {
    pub(super) fn filter(&self) -> Filter<'_> {
        Filter::trusted(&self.name, self.is_pattern)
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn interest(&self) -> &Arc<Interest> {
        &self.interest
    }
}

impl Subscriptions {
    pub(super) fn subscriber(&self, socket: Id) -> Option<u32> {
        let number = *self.by_slot.get(socket.index())?;
        let subscriber = self.subscribers.get(number as usize)?;
        (subscriber.socket == socket).then_some(number)
    }

    pub(super) fn socket(&self, subscriber: u32) -> Id {
        self.subscribers[subscriber as usize].socket
    }

    /// The number of a socket that subscribes, perhaps for the first time.
    pub(super) fn admit(&mut self, socket: Id) -> u32 {
        if let Some(number) = self.subscriber(socket) {
            return number;
        }
        let subscriber = Subscriber {
            socket,
            memberships: Vec::new(),
            index: None,
        };
        let number = place(
            &mut self.subscribers,
            &mut self.subscribers_free,
            subscriber,
        );
        let slot = socket.index();
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, NONE);
        }
        debug_assert_eq!(self.by_slot[slot], NONE, "the socket before was not closed");
        self.by_slot[slot] = number;
        number
    }

    /// Frees the number of a socket without subscriptions.
    pub(super) fn dismiss(&mut self, subscriber: u32) {
        let socket = self.subscribers[subscriber as usize].socket;
        debug_assert!(self.subscribers[subscriber as usize].memberships.is_empty());
        self.by_slot[socket.index()] = NONE;
        self.subscribers_free.push(subscriber);
    }

    pub(super) fn find_topic(&self, filter: Filter<'_>) -> Option<u32> {
        if filter.is_pattern() {
            self.patterns.get(filter.as_str()).copied()
        } else {
            self.exact.get(filter.as_str()).copied()
        }
    }

    pub(super) fn add_topic(&mut self, filter: Filter<'_>, interest: Arc<Interest>) -> u32 {
        let name: Arc<str> = filter.as_str().into();
        let is_pattern = filter.is_pattern();
        let topic = Topic {
            name: Arc::clone(&name),
            is_pattern,
            members: Vec::new(),
            interest,
        };
        let number = place(&mut self.topics, &mut self.topics_free, Some(topic));
        if is_pattern {
            self.patterns.insert(&name, number);
        } else {
            self.exact.insert(name, number);
        }
        number
    }

    /// Removes a topic without subscribers.
    pub(super) fn remove_topic(&mut self, number: u32) {
        let Some(topic) = self.topics[number as usize].take() else {
            return;
        };
        debug_assert!(topic.members.is_empty());
        if topic.is_pattern {
            self.patterns.remove(&topic.name);
        } else {
            self.exact.remove(&topic.name);
        }
        self.topics_free.push(number);
    }

    pub(super) fn topic(&self, number: u32) -> &Topic {
        let topic = self.topics[number as usize].as_ref();
        topic.expect("a number is that of a topic while it has members")
    }

    /// The numbers of the topic of that name and of the patterns that match it.
    pub(super) fn matching(&self, topic: &str, numbers: &mut Vec<u32>) {
        numbers.clear();
        numbers.extend(self.exact.get(topic));
        if !self.patterns.is_empty() {
            self.patterns
                .find(topic, &mut |number| numbers.push(*number));
        }
    }

    /// All topics and patterns.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter().flatten()
    }

    /// Those of one subscriber.
    pub(super) fn topics_of(&self, subscriber: u32) -> impl Iterator<Item = Filter<'_>> {
        let memberships = self.subscribers[subscriber as usize].memberships.iter();
        memberships.map(|membership| self.topic(membership.topic).filter())
    }

    pub(super) fn is_member(&self, subscriber: u32, topic: u32) -> bool {
        self.subscribers[subscriber as usize].find(topic).is_some()
    }

    /// Adds a subscription, which must not be there.
    pub(super) fn link(&mut self, subscriber: u32, topic: u32) -> Change {
        debug_assert!(!self.is_member(subscriber, topic));
        let members = &mut topic_mut(&mut self.topics, topic).members;
        let member = Member {
            subscriber,
            at: self.subscribers[subscriber as usize].memberships.len() as u32,
        };
        let membership = Membership {
            topic,
            at: members.len() as u32,
        };
        members.push(member);
        self.subscribers[subscriber as usize].push(membership);
        let count = self.topic(topic).members.len();
        self.change(topic, count - 1)
    }

    /// Removes a subscription if it is there. The topic stays, perhaps without members.
    pub(super) fn unlink(&mut self, subscriber: u32, topic: u32) -> Option<Change> {
        let at = self.subscribers[subscriber as usize].find(topic)?;
        let (membership, moved) = self.subscribers[subscriber as usize].remove(at);
        if let Some(moved) = moved {
            topic_mut(&mut self.topics, moved.topic).members[moved.at as usize].at = at as u32;
        }
        Some(self.remove_member(membership))
    }

    /// Removes some subscription of the subscriber, if there is one: the topic and the change.
    pub(super) fn unlink_any(&mut self, subscriber: u32) -> Option<(u32, Change)> {
        let subscriber = &mut self.subscribers[subscriber as usize];
        subscriber.index = None;
        let membership = subscriber.memberships.pop()?;
        Some((membership.topic, self.remove_member(membership)))
    }

    fn remove_member(&mut self, membership: Membership) -> Change {
        let members = &mut topic_mut(&mut self.topics, membership.topic).members;
        members.swap_remove(membership.at as usize);
        if let Some(moved) = members.get(membership.at as usize) {
            let subscriber = &mut self.subscribers[moved.subscriber as usize];
            subscriber.memberships[moved.at as usize].at = membership.at;
        }
        shrink(members);
        let count = members.len();
        self.change(membership.topic, count + 1)
    }

    fn change(&self, topic: u32, count_before: usize) -> Change {
        let topic = self.topic(topic);
        Change {
            name: Arc::clone(&topic.name),
            is_pattern: topic.is_pattern,
            count_before,
            count: topic.members.len(),
        }
    }
}

impl Subscriber {
    fn find(&self, topic: u32) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(&topic).map(|&at| at as usize),
            None => {
                let mut memberships = self.memberships.iter();
                memberships.position(|membership| membership.topic == topic)
            }
        }
    }

    fn push(&mut self, membership: Membership) {
        let at = self.memberships.len();
        self.memberships.push(membership);
        if let Some(index) = &mut self.index {
            index.insert(membership.topic, at as u32);
        } else if at >= UNINDEXED_MAX {
            let all = self.memberships.iter().enumerate();
            let index = all.map(|(at, membership)| (membership.topic, at as u32));
            self.index = Some(Box::new(index.collect()));
        }
    }

    /// Removes the membership there; another may have moved to its place.
    fn remove(&mut self, at: usize) -> (Membership, Option<Membership>) {
        let removed = self.memberships.swap_remove(at);
        let moved = self.memberships.get(at).copied();
        if let Some(index) = &mut self.index {
            index.remove(&removed.topic);
            if let Some(moved) = moved {
                index.insert(moved.topic, at as u32);
            }
        }
        if self.memberships.len() <= UNINDEXED_MAX / 2 {
            self.index = None;
        }
        shrink(&mut self.memberships);
        (removed, moved)
    }
}

fn topic_mut(topics: &mut [Option<Topic>], number: u32) -> &mut Topic {
    let topic = topics[number as usize].as_mut();
    topic.expect("a number is that of a topic while it has members")
}

/// Stores `item` at a free place, or at a new one.
fn place<T>(items: &mut Vec<T>, free: &mut Vec<u32>, item: T) -> u32 {
    match free.pop() {
        Some(number) => {
            items[number as usize] = item;
            number
        }
        None => {
            items.push(item);
            items.len() as u32 - 1
        }
    }
}

/// Gives memory back that a list has outgrown by far.
fn shrink<T>(list: &mut Vec<T>) {
    if list.capacity() > 64 && list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
}
