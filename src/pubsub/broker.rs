//! What links the processes of an application: the trait, its way back, and the broker that links
//! the servers of one process.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use super::Published;
use super::filter::{Filter, PatternMap, TopicError, check_topic};
use super::hub::Hub;
use super::message::{Message, Publication};

/// Carries messages between processes: a client of Redis, of NATS, or of something of your own.
///
/// What it publishes to its own server from within one of these calls reaches the subscribers
/// there and is not handed to it again, nor to the broker of another server on the same thread.
///
/// One value serves one server. Its methods are called on the threads of the workers and of whoever
/// publishes, and must not wait for the network: queue, and say when the queue is full. An error,
/// or a panic, is counted and stops nothing.
///
/// Messages of one publisher arrive at [`publish`](Self::publish) in order, and a subscriber sees
/// what comes through one [`Inlet`] from one thread in the order of delivery. What is delivered
/// twice arrives twice, and what nobody here is subscribed to goes nowhere.
///
/// ```
/// use std::sync::OnceLock;
/// use std::sync::mpsc::SyncSender;
///
/// use keirin::{Broker, BrokerError, Filter, Inlet, SharedMessage};
///
/// enum ToNetwork {
///     Message { origin: u64, topic: String, payload: Vec<u8> },
///     Subscribe { text: String, is_pattern: bool, wanted: bool },
/// }
///
/// struct MyBroker {
///     /// To the thread that talks to the network.
///     queue: SyncSender<ToNetwork>,
///     /// From it: see [`Inlet::deliver`].
///     inlet: OnceLock<Inlet>,
/// }
///
/// impl Broker for MyBroker {
///     fn attach(&self, inlet: Inlet) -> Result<(), BrokerError> {
///         self.inlet.set(inlet).map_err(|_| "it serves one server".into())
///     }
///
///     fn publish(&self, message: &SharedMessage) -> Result<(), BrokerError> {
///         self.queue.try_send(ToNetwork::Message {
///             origin: message.origin().to_bits(),
///             topic: message.topic().to_owned(),
///             payload: message.payload().to_vec(),
///         })?;
///         Ok(())
///     }
///
///     fn interest(&self, filter: Filter<'_>, wanted: bool) -> Result<(), BrokerError> {
///         self.queue.try_send(ToNetwork::Subscribe {
///             text: filter.as_str().to_owned(),
///             is_pattern: filter.is_pattern(),
///             wanted,
///         })?;
///         Ok(())
///     }
/// }
/// ```
pub trait Broker: Send + Sync + 'static {
    /// Called once, before everything else, with the way in for messages from elsewhere.
    fn attach(&self, inlet: Inlet) -> Result<(), BrokerError>;

    /// A message was published in this process. Those that came in through the [`Inlet`] are not
    /// reported: what a broker has delivered is not sent to it again.
    fn publish(&self, message: &Message) -> Result<(), BrokerError>;

    /// The process has got its first (`wanted`) or lost its last subscriber of a topic or pattern.
    /// Calls for the same filter come one at a time, in order, and alternate. When it is called
    /// with `wanted`, the subscriber is there already: a message may be delivered from within.
    fn interest(&self, filter: Filter<'_>, wanted: bool) -> Result<(), BrokerError>;
}

/// What a broker says when it could not do what it was asked.
pub type BrokerError = Box<dyn std::error::Error + Send + Sync>;

/// Names the server, in whichever process, that a message was published at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(u64);

/// By which a broker delivers what was published elsewhere. Copies are as good, on any thread.
#[derive(Clone)]
pub struct Inlet {
    hub: Weak<Hub>,
    origin: Origin,
}

/// Why a message from a broker was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InletError {
    /// The server is gone.
    Closed,
    /// Its topic cannot be one.
    Topic(TopicError),
    /// A text message that is not UTF-8.
    NotUtf8,
}

impl Origin {
    /// One that no other process has: 64 random bits.
    pub(super) fn random() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }

    /// The bits, to be carried along with a message.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// From bits that came along with a message.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl Inlet {
    pub(super) fn new(hub: &Arc<Hub>) -> Self {
        Self {
            hub: Arc::downgrade(hub),
            origin: hub.origin(),
        }
    }

    /// The origin of what this server publishes.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Hands a message to the subscribers of this server, and to nobody else. One that this server
    /// has published itself comes back to nobody: its subscribers have it already.
    ///
    /// # Errors
    ///
    /// The message cannot be one, or the server is gone.
    pub fn deliver(
        &self,
        origin: Origin,
        publication: &Publication<'_>,
    ) -> Result<Published, InletError> {
        check_topic(publication.topic).map_err(InletError::Topic)?;
        if publication.text && str::from_utf8(publication.payload).is_err() {
            return Err(InletError::NotUtf8);
        }
        let hub = self.hub.upgrade().ok_or(InletError::Closed)?;
        Ok(hub.deliver(origin, publication))
    }
}

impl fmt::Debug for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for InletError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server is gone"),
            Self::Topic(error) => error.fmt(f),
            Self::NotUtf8 => f.write_str("a text message must be UTF-8"),
        }
    }
}

impl std::error::Error for InletError {}

/// Links servers of one process. Each gets its own, all of them made from one another by
/// [`peer`](Self::peer).
#[derive(Default)]
pub struct InProcessBroker {
    bus: Arc<RwLock<Vec<Weak<Endpoint>>>>,
    endpoint: Arc<Endpoint>,
}

#[derive(Default)]
struct Endpoint {
    inlet: OnceLock<Inlet>,
    wanted: Mutex<Wanted>,
}

#[derive(Default)]
struct Wanted {
    topics: HashSet<Box<str>>,
    patterns: PatternMap<()>,
}

impl InProcessBroker {
    /// A broker that nothing is linked to yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another one, for another server, linked with this.
    pub fn peer(&self) -> Self {
        Self {
            bus: Arc::clone(&self.bus),
            endpoint: Arc::default(),
        }
    }
}

impl Broker for InProcessBroker {
    fn attach(&self, inlet: Inlet) -> Result<(), BrokerError> {
        if self.endpoint.inlet.set(inlet).is_err() {
            return Err("an in-process broker serves one server: use `peer`".into());
        }
        let mut bus = self.bus.write().unwrap_or_else(PoisonError::into_inner);
        bus.retain(|endpoint| endpoint.strong_count() > 0);
        bus.push(Arc::downgrade(&self.endpoint));
        Ok(())
    }

    fn publish(&self, message: &Message) -> Result<(), BrokerError> {
        let bus = self.bus.read().unwrap_or_else(PoisonError::into_inner);
        let endpoints: Vec<_> = bus.iter().filter_map(Weak::upgrade).collect();
        drop(bus);
        for endpoint in endpoints {
            if Arc::ptr_eq(&endpoint, &self.endpoint) || !endpoint.wants(message.topic()) {
                continue;
            }
            match endpoint
                .inlet
                .get()
                .map(|inlet| inlet.deliver(message.origin(), &message.publication()))
            {
                Some(Err(error)) if error != InletError::Closed => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn interest(&self, filter: Filter<'_>, wanted: bool) -> Result<(), BrokerError> {
        let mut wants = self.endpoint.lock();
        let text = filter.as_str();
        match (filter.is_pattern(), wanted) {
            (false, true) => drop(wants.topics.insert(text.into())),
            (false, false) => drop(wants.topics.remove(text)),
            (true, true) => wants.patterns.insert(text, ()),
            (true, false) => drop(wants.patterns.remove(text)),
        }
        Ok(())
    }
}

impl Endpoint {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wants(&self, topic: &str) -> bool {
        let wanted = self.lock();
        let mut found = wanted.topics.contains(topic);
        wanted.patterns.find(topic, &mut |()| found = true);
        found
    }
}

impl fmt::Debug for InProcessBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessBroker").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
