//! One topic and its subscribers, for benches: the topics of a worker are private to the crate.

use super::{Class, Filter, Hub, Message, Path, Publication, Topics};
use crate::util::slab::Id;

/// A worker's topics with some subscribers of one topic, which do nothing but count what they get.
pub struct Fanout {
    topics: Topics,
    delivered_bytes: usize,
}

impl Fanout {
    /// So many subscribers of the topic `news`, each of them of `others` topics of its own too.
    pub fn new(subscribers: u32, others: u32) -> Self {
        let mut topics = Topics::new(Hub::new(1, None), 0);
        for index in 0..subscribers {
            let socket = Id::new(index, 0, 1);
            let news = Filter::topic("news").expect("a topic");
            topics.subscribe(socket, news);
            for other in 0..others {
                let own = format!("{index}/{other}");
                topics.subscribe(socket, Filter::topic(&own).expect("a topic"));
            }
        }
        Self {
            topics,
            delivered_bytes: 0,
        }
    }

    /// Adds a pattern that matches `news`, and a subscriber of it.
    pub fn subscribe_pattern(&mut self) {
        let pattern = Filter::pattern("+/#").expect("a pattern");
        self.topics.subscribe(Id::new(0, 0, 1), pattern);
    }

    /// Publishes to a topic, and says how many subscribers it has.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) -> usize {
        let publication = Publication {
            topic,
            payload,
            text: false,
            compress: false,
        };
        let published = self.topics.publish(&publication, None);
        let matched = published.expect("a topic").matched;
        if self.topics.is_due() {
            self.drain();
        }
        matched
    }

    /// Takes what is pending for all, as a worker does at the end of its turn; returns how many
    /// bytes all have got so far.
    pub fn drain(&mut self) -> usize {
        while let Some((_, path)) = self.topics.next_pending() {
            self.deliver(path);
        }
        self.delivered_bytes
    }

    fn deliver(&mut self, path: Path) {
        let encode = |message: &Message, _| Box::from(message.payload());
        self.delivered_bytes += self.topics.bytes(path, Class::PLAIN, encode).len();
    }

    /// Subscribes a socket to a topic and has it leave again.
    pub fn come_and_go(&mut self, topic: &str) {
        let filter = Filter::topic(topic).expect("a topic");
        let socket = Id::new(1 << 20, 0, 1);
        self.topics.subscribe(socket, filter);
        self.topics.unsubscribe(socket, filter);
    }
}
