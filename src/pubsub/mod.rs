//! Publish and subscribe: the topics of one worker, the hub between the workers of a process, and
//! the trait that a broker between processes implements.
//!
//! It is used by the engine and does not know it: sockets are ids, messages are bytes, and what
//! frames or compresses them is passed in. Nothing here calls user code but a [`Broker`], which has
//! no way back into the worker that calls it.
//!
//! What is promised:
//!
//! - A message goes to those who are subscribed when it is published, to each of them once, however
//!   many of its subscriptions match, and also if it unsubscribes later in the same turn.
//! - A subscriber sees the messages of one publisher in the order of their publication, and in
//!   order with what is sent to it directly.
//! - Between workers the same holds; whether a subscription and a publication on two threads at the
//!   same time meet is open, and the counts that [`Published`] reports are a snapshot.

mod broker;
#[cfg(feature = "testing")]
mod fanout;
mod filter;
mod hub;
mod message;
#[cfg(any(test, fuzzing))]
mod model;
mod pending;
mod subscriptions;
mod topics;

pub use broker::{Broker, BrokerError, InProcessBroker, Inlet, InletError, Origin};
#[cfg(feature = "testing")]
pub use fanout::Fanout;
pub use filter::{Filter, TopicError};
pub use hub::BrokerCounts;
pub(crate) use hub::{Full, Hub, Post};
pub(crate) use message::Class;
pub use message::{Message, Publication};
pub(crate) use pending::{Direct, Path};
pub(crate) use subscriptions::Change;
pub use topics::Published;
pub(crate) use topics::Topics;

/// For the fuzzer: what the bytes say is done to a server of two workers and to a naive one.
#[cfg(fuzzing)]
pub fn fuzz_topics(data: &[u8]) {
    model::run(data);
}
