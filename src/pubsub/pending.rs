//! What is published but not yet written to the subscribers, as a trie.
//!
//! A node stands for a list of messages: that of its parent, and one more. A subscriber holds the
//! number of its node, so subscribers with the same pending messages hold the same number, and the
//! bytes for all of them are put together once. Publications come one at a time: the children of a
//! node are made in their order, and the one of the present message can only be the last.

use std::sync::Arc;

use super::message::{Class, Message};
use super::subscriptions::Member;
use crate::util::slab::Id;

/// A list that costs this much is to be written before more is published.
const PATH_BYTES_MAX: u32 = 64 << 10;
/// The same for all lists of a turn, each message counted once.
const TURN_BYTES_MAX: usize = 4 << 20;
/// The same for the number of different lists.
const NODES_MAX: usize = 64 << 10;
/// What a message costs beside its bytes.
const MESSAGE_COST_BYTES: usize = 64;

/// Put together, at most this much is kept for the next subscriber with the same list.
const ASSEMBLED_BYTES_MAX: usize = 1 << 20;

/// What of the memory is kept from turn to turn.
const NODES_KEPT: usize = 16 << 10;
const MESSAGES_KEPT: usize = 4 << 10;

/// Nothing is pending, and the subscriber is not in the list of the dirty.
const EMPTY: u32 = 0;
/// Nothing is pending any more, and the subscriber is in the list of the dirty.
const DRAINED: u32 = 1;
/// How many nodes stand for no message.
const ROOTS: usize = 2;

/// A subscriber's word is its node and these.
const SLOW: u32 = 1 << 31;
/// Left out for the rest of this publication.
const HELD: u32 = 1 << 30;
const NODE: u32 = HELD - 1;

/// No node, message or batch.
const NONE: u32 = u32::MAX;

/// What a subscriber has pending; good until the drain is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Path(u32);

/// A message for a slow socket, which is to be written to it, or dropped, at once.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    pub(crate) socket: Id,
    pub(crate) message: Arc<Message>,
}

pub(super) struct Pending {
    /// By subscriber. A word is not [`EMPTY`] exactly when the subscriber is in `dirty`, once.
    words: Vec<u32>,
    dirty: Vec<u32>,
    /// How much of `dirty` this drain has been through.
    drained: usize,
    /// Subscribers that are held during this publication.
    held: Vec<u32>,
    trie: Trie,
    assembly: Assembly,
}

struct Trie {
    nodes: Vec<Node>,
    messages: Vec<Arc<Message>>,
    cost_bytes: usize,
    is_due: bool,
}

#[derive(Clone, Copy)]
struct Node {
    parent: u32,
    message: u32,
    last_child: u32,
    /// Of the whole list.
    cost_bytes: u32,
    /// The latest of its batches in the assembly.
    batch: u32,
}

/// The bytes of lists of more than one message.
#[derive(Default)]
struct Assembly {
    bytes: Vec<u8>,
    batches: Vec<Batch>,
    /// Scratch for a list, last message first.
    messages: Vec<u32>,
}

/// The bytes of one list for one class.
struct Batch {
    class: Class,
    /// Of the same list, for another class.
    next: u32,
    start: usize,
    end: usize,
}

/// How a publication went.
#[derive(Clone, Copy, Default)]
pub(super) struct Spread {
    pub(super) matched: usize,
}

impl Pending {
    pub(super) fn new() -> Self {
        Self {
            words: Vec::new(),
            dirty: Vec::new(),
            drained: 0,
            held: Vec::new(),
            trie: Trie::new(),
            assembly: Assembly::default(),
        }
    }

    /// Makes room for a subscriber. Its word may be left from another with that number.
    pub(super) fn admit(&mut self, subscriber: u32) {
        if self.words.len() <= subscriber as usize {
            self.words.resize(subscriber as usize + 1, EMPTY);
        }
    }

    /// Forgets what a subscriber has pending, as it is no more.
    pub(super) fn dismiss(&mut self, subscriber: u32) {
        let word = &mut self.words[subscriber as usize];
        *word = if *word & NODE == EMPTY {
            EMPTY
        } else {
            DRAINED
        };
    }

    pub(super) fn set_slow(&mut self, subscriber: u32, slow: bool) {
        let word = &mut self.words[subscriber as usize];
        *word = if slow { *word | SLOW } else { *word & !SLOW };
    }

    /// Begins a publication, which `except` is left out of.
    pub(super) fn begin(&mut self, message: &Arc<Message>, except: Option<u32>) {
        self.trie.add_message(message);
        if let Some(subscriber) = except {
            self.words[subscriber as usize] |= HELD;
        }
    }

    /// Appends the message that was begun to what `members` have pending, of those that do not have
    /// it yet.
    pub(super) fn spread(&mut self, members: &[Member], spread: &mut Spread) {
        let Self {
            words,
            dirty,
            held,
            trie,
            ..
        } = self;
        // Most subscribers take the same step in the trie as the one before.
        let mut rest = members;
        while let Some(first) = rest.first() {
            let from = words[first.subscriber as usize];
            let is_slow = from & (SLOW | HELD) == SLOW;
            let to = if is_slow {
                Some(from | HELD)
            } else if from & HELD != 0 {
                None
            } else {
                trie.step(from)
            };
            let alike = take_steps(words, rest, from, to.unwrap_or(from));
            let (taken, others) = rest.split_at(alike);
            rest = others;
            if to.is_none() {
                continue;
            }
            spread.matched += alike;
            let taken = taken.iter().map(|member| member.subscriber);
            if is_slow {
                held.extend(taken);
            } else if from == EMPTY {
                dirty.extend(taken);
            }
        }
    }

    /// Ends a publication; `direct` gets the subscribers that are slow.
    pub(super) fn finish(&mut self, except: Option<u32>, mut direct: impl FnMut(u32)) {
        if let Some(subscriber) = except {
            self.words[subscriber as usize] &= !HELD;
        }
        for subscriber in self.held.drain(..) {
            self.words[subscriber as usize] &= !HELD;
            direct(subscriber);
        }
        self.trie.forget_unused_message();
    }

    /// True when so much is pending that it is to be written now.
    pub(super) fn is_due(&self) -> bool {
        self.trie.is_due
    }

    pub(super) fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Takes what one subscriber has pending.
    pub(super) fn take(&mut self, subscriber: u32) -> Option<Path> {
        let word = &mut self.words[subscriber as usize];
        let node = *word & NODE;
        if node < ROOTS as u32 {
            return None;
        }
        *word = *word & !NODE | DRAINED;
        Some(Path(node))
    }

    /// Takes what the next subscriber has pending. After the last all lists are forgotten.
    pub(super) fn next(&mut self) -> Option<(u32, Path)> {
        while let Some(&subscriber) = self.dirty.get(self.drained) {
            self.drained += 1;
            let word = &mut self.words[subscriber as usize];
            let node = *word & NODE;
            *word = *word & !NODE | EMPTY;
            if node != DRAINED {
                return Some((subscriber, Path(node)));
            }
        }
        self.dirty.clear();
        self.drained = 0;
        self.trie.clear();
        self.assembly.clear();
        None
    }

    /// The messages of a list, in order, as `encode` makes them for `class`.
    pub(super) fn bytes(
        &mut self,
        path: Path,
        class: Class,
        mut encode: impl FnMut(&Message, Class) -> Box<[u8]>,
    ) -> &[u8] {
        let node = self.trie.nodes[path.0 as usize];
        if node.parent == EMPTY {
            return self.trie.messages[node.message as usize].form(class, encode);
        }
        let batch = self.assembly.find(node.batch, class);
        let batch = batch.unwrap_or_else(|| {
            if self.assembly.bytes.len() >= ASSEMBLED_BYTES_MAX {
                self.assembly.clear();
                self.trie.forget_batches();
            }
            self.assembly.add(&mut self.trie, path, class, &mut encode)
        });
        let Batch { start, end, .. } = self.assembly.batches[batch as usize];
        &self.assembly.bytes[start..end]
    }

    /// What the lists have memory for.
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        self.trie.nodes.capacity() * size_of::<Node>()
            + self.trie.messages.capacity() * size_of::<Arc<Message>>()
            + self.assembly.bytes.capacity()
            + self.assembly.batches.capacity() * size_of::<Batch>()
            + self.assembly.messages.capacity() * size_of::<u32>()
    }

    /// The messages of a list, in order.
    pub(super) fn messages(&self, path: Path) -> impl Iterator<Item = &Arc<Message>> {
        let mut list: Vec<u32> = self.trie.list(path).collect();
        list.reverse();
        list.into_iter()
            .map(|message| &self.trie.messages[message as usize])
    }
}

/// Moves the first members that are at `from` to `to`; returns how many.
#[inline]
fn take_steps(words: &mut [u32], members: &[Member], from: u32, to: u32) -> usize {
    let differs = |member: &Member| {
        let word = &mut words[member.subscriber as usize];
        let differs = *word != from;
        if !differs {
            *word = to;
        }
        differs
    };
    members.iter().position(differs).unwrap_or(members.len())
}

impl Trie {
    fn new() -> Self {
        let root = Node {
            parent: NONE,
            message: NONE,
            last_child: EMPTY,
            cost_bytes: 0,
            batch: NONE,
        };
        Self {
            nodes: vec![root; ROOTS],
            messages: Vec::new(),
            cost_bytes: 0,
            is_due: false,
        }
    }

    fn add_message(&mut self, message: &Arc<Message>) {
        self.messages.push(Arc::clone(message));
    }

    /// A message that nobody got takes no place: the latest node would be of it.
    fn forget_unused_message(&mut self) {
        let latest = self.messages.len().wrapping_sub(1) as u32;
        let is_used = self.nodes.last().is_some_and(|node| node.message == latest);
        if is_used {
            self.cost_bytes += self.message_cost();
            self.is_due |= self.cost_bytes >= TURN_BYTES_MAX;
        } else {
            self.messages.pop();
        }
    }

    fn message_cost(&self) -> usize {
        let latest = self.messages.last();
        latest.map_or(0, |message| message.payload().len()) + MESSAGE_COST_BYTES
    }

    /// The node of `node`'s list with the present message, or `None` if it is in it already.
    #[inline]
    fn step(&mut self, node: u32) -> Option<u32> {
        let message = self.messages.len() as u32 - 1;
        if self.nodes[node as usize].message == message {
            return None;
        }
        let parent = if node == DRAINED { EMPTY } else { node };
        let child = self.nodes[parent as usize].last_child;
        if child != EMPTY && self.nodes[child as usize].message == message {
            return Some(child);
        }
        Some(self.add_child(parent, message))
    }

    fn add_child(&mut self, parent: u32, message: u32) -> u32 {
        let child = self.nodes.len() as u32;
        debug_assert!(child < NODE);
        let cost_bytes = u32::try_from(self.message_cost()).unwrap_or(u32::MAX);
        let cost_bytes = cost_bytes.saturating_add(self.nodes[parent as usize].cost_bytes);
        self.nodes[parent as usize].last_child = child;
        self.nodes.push(Node {
            parent,
            message,
            last_child: EMPTY,
            cost_bytes,
            batch: NONE,
        });
        self.is_due |= cost_bytes >= PATH_BYTES_MAX || self.nodes.len() >= NODES_MAX;
        child
    }

    /// The messages of a list, the last first.
    fn list(&self, path: Path) -> impl Iterator<Item = u32> {
        let mut node = path.0;
        std::iter::from_fn(move || {
            let Node {
                parent, message, ..
            } = self.nodes[node as usize];
            node = parent;
            (message != NONE).then_some(message)
        })
    }

    fn forget_batches(&mut self) {
        for node in &mut self.nodes {
            node.batch = NONE;
        }
    }

    fn clear(&mut self) {
        self.nodes.truncate(ROOTS);
        self.nodes[EMPTY as usize].last_child = EMPTY;
        self.nodes.shrink_to(NODES_KEPT);
        self.messages.clear();
        self.messages.shrink_to(MESSAGES_KEPT);
        self.cost_bytes = 0;
        self.is_due = false;
    }
}

impl Assembly {
    fn find(&self, mut batch: u32, class: Class) -> Option<u32> {
        while let Some(found) = self.batches.get(batch as usize) {
            if found.class == class {
                return Some(batch);
            }
            batch = found.next;
        }
        None
    }

    fn add(
        &mut self,
        trie: &mut Trie,
        path: Path,
        class: Class,
        encode: &mut impl FnMut(&Message, Class) -> Box<[u8]>,
    ) -> u32 {
        let start = self.bytes.len();
        self.messages.clear();
        self.messages.extend(trie.list(path));
        for &message in self.messages.iter().rev() {
            let message = &trie.messages[message as usize];
            self.bytes
                .extend_from_slice(message.form(class, &mut *encode));
        }
        let batch = self.batches.len() as u32;
        self.batches.push(Batch {
            class,
            next: trie.nodes[path.0 as usize].batch,
            start,
            end: self.bytes.len(),
        });
        trie.nodes[path.0 as usize].batch = batch;
        batch
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(ASSEMBLED_BYTES_MAX);
        self.batches.clear();
        self.batches.shrink_to(NODES_KEPT);
    }
}
