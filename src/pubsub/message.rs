//! What is published: made once, shared by all who get it, and encoded once a class.

use std::sync::{Arc, OnceLock};

use super::broker::Origin;

/// What is to be published: a topic and a payload, borrowed. A message that nobody is subscribed to
/// is never copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication<'a> {
    /// The topic: 1 to 65,535 bytes, in which every character stands for itself.
    pub topic: &'a str,
    /// The payload; UTF-8 where `text` is set.
    pub payload: &'a [u8],
    /// Whether it goes out as a text message, and not as a binary one.
    pub text: bool,
    /// Whether it may be compressed for subscribers that have agreed on that.
    pub compress: bool,
}

/// A published message, on its way to subscribers, other workers and other processes.
#[derive(Debug)]
pub struct Message {
    /// Topic and payload in one allocation.
    bytes: Box<[u8]>,
    topic_len: usize,
    text: bool,
    compress: bool,
    origin: Origin,
    plain: Form,
    /// By the other classes, for messages that somebody wants in one of them.
    others: OnceLock<Box<[Form; Class::COUNT - 1]>>,
}

type Form = OnceLock<Box<[u8]>>;

/// How a message is encoded for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Message {
    pub(super) fn new(publication: &Publication<'_>, origin: Origin) -> Arc<Self> {
        let topic = publication.topic.as_bytes();
        let mut bytes = Vec::with_capacity(topic.len() + publication.payload.len());
        bytes.extend_from_slice(topic);
        bytes.extend_from_slice(publication.payload);
        Arc::new(Self {
            bytes: bytes.into_boxed_slice(),
            topic_len: topic.len(),
            text: publication.text,
            compress: publication.compress,
            origin,
            plain: Form::new(),
            others: OnceLock::new(),
        })
    }

    /// One that is for no topic, but for whoever is sent it.
    pub(crate) fn prepared(publication: &Publication<'_>) -> Arc<Self> {
        Self::new(publication, Origin::from_bits(0))
    }

    /// The topic it was published to.
    pub fn topic(&self) -> &str {
        str::from_utf8(&self.bytes[..self.topic_len]).expect("it was copied from a str")
    }

    /// The payload as it was published.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.topic_len..]
    }

    /// Whether it goes out as a text message, and not as a binary one.
    pub fn is_text(&self) -> bool {
        self.text
    }

    /// Whether it may be compressed.
    pub fn is_compressible(&self) -> bool {
        self.compress
    }

    /// The process it was published in. A broker that tells every process of every message has to
    /// carry it along; see [`Inlet::deliver`](super::Inlet::deliver).
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What is to be handed on of it.
    pub fn publication(&self) -> Publication<'_> {
        Publication {
            topic: self.topic(),
            payload: self.payload(),
            text: self.text,
            compress: self.compress,
        }
    }

    /// The encoded form for `class`. Whoever asks first has it made by `encode`; other threads that
    /// ask meanwhile wait for it.
    pub(crate) fn form(
        &self,
        class: Class,
        encode: impl FnOnce(&Self, Class) -> Box<[u8]>,
    ) -> &[u8] {
        if class == Class::PLAIN || (class.is_deflate() && !self.compress) {
            return self.plain.get_or_init(|| encode(self, Class::PLAIN));
        }
        let others = self.others.get_or_init(Box::default);
        others[usize::from(class.0) - 1].get_or_init(|| encode(self, class))
    }
}

impl Class {
    /// One frame, nothing compressed.
    pub(crate) const PLAIN: Self = Self(0);
    /// The Brotli framing of the application layer.
    pub(crate) const BROTLI: Self = Self(1);

    const COUNT: usize = 10;
    const DEFLATE_FIRST: u8 = 2;
    const WINDOW_BITS_MIN: u8 = 8;

    /// permessage-deflate without context takeover, in a window of 8 to 15 bits.
    pub(crate) const fn deflate(window_bits: u8) -> Self {
        assert!(window_bits >= Self::WINDOW_BITS_MIN && window_bits <= 15);
        Self(window_bits - Self::WINDOW_BITS_MIN + Self::DEFLATE_FIRST)
    }

    fn is_deflate(self) -> bool {
        self.0 >= Self::DEFLATE_FIRST
    }

    /// The window of a deflate class.
    pub(crate) fn window_bits(self) -> Option<u8> {
        self.is_deflate()
            .then(|| self.0 - Self::DEFLATE_FIRST + Self::WINDOW_BITS_MIN)
    }
}

/// A publication that becomes a message when the first who wants it asks.
pub(super) struct Draft<'a> {
    publication: &'a Publication<'a>,
    origin: Origin,
    message: Option<Arc<Message>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(publication: &'a Publication<'a>, origin: Origin) -> Self {
        Self {
            publication,
            origin,
            message: None,
        }
    }

    pub(super) fn topic(&self) -> &'a str {
        self.publication.topic
    }

    pub(super) fn message(&mut self) -> &Arc<Message> {
        self.message
            .get_or_insert_with(|| Message::new(self.publication, self.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(compress: bool) -> Arc<Message> {
        let publication = Publication {
            topic: "news/é",
            payload: b"payload",
            text: true,
            compress,
        };
        Message::new(&publication, Origin::from_bits(7))
    }

    #[test]
    fn a_message_is_what_was_published() {
        let message = message(true);
        assert_eq!(message.topic(), "news/é");
        assert_eq!(message.payload(), b"payload");
        assert!(message.is_text() && message.is_compressible());
        assert_eq!(message.origin().to_bits(), 7);
        assert_eq!(message.publication().topic, "news/é");
    }

    #[test]
    fn each_class_is_encoded_once() {
        let message = message(true);
        let mut classes = vec![Class::PLAIN, Class::BROTLI];
        classes.extend((9..=15).map(Class::deflate));
        for round in 0..2 {
            for class in &classes {
                let form = message.form(*class, |_, class| {
                    assert_eq!(round, 0, "{class:?} is there already");
                    Box::from([class.0])
                });
                assert_eq!(form, [class.0]);
            }
        }
    }

    #[test]
    fn what_must_not_be_compressed_goes_out_plain() {
        let message = message(false);
        let form = |class: Class| message.form(class, |_, class| Box::from([class.0]));
        for window_bits in 9..=15 {
            assert_eq!(form(Class::deflate(window_bits)), [Class::PLAIN.0]);
        }
        assert_eq!(form(Class::BROTLI), [Class::BROTLI.0], "its frames differ");
    }

    #[test]
    fn a_class_knows_its_window() {
        assert_eq!(Class::PLAIN.window_bits(), None);
        assert_eq!(Class::BROTLI.window_bits(), None);
        assert_eq!(Class::deflate(9).window_bits(), Some(9));
        assert_eq!(Class::deflate(15).window_bits(), Some(15));
        assert!(std::panic::catch_unwind(|| Class::deflate(7)).is_err());
        assert!(std::panic::catch_unwind(|| Class::deflate(16)).is_err());
    }
}
