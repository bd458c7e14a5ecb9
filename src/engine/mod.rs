//! One worker: one thread, one loop, and everything it owns.
//!
//! AI-1: no operation of this module that user code can reach calls user code. Only
//! [`Worker`](worker::Worker) does, in [`call`](worker::Worker::call), and never while a callback
//! runs.

mod access;
mod answer;
mod body;
mod children;
mod compose;
mod conn;
mod feed;
mod io;
mod proxy;
mod receive;
mod remote;
mod service;
mod settle;
mod state;
mod stop;
mod timers;
mod websocket;
pub(crate) mod worker;

pub use answer::Sent;
pub(crate) use answer::Taken;
pub use conn::{ConnectionId, ResponseId};
pub(crate) use remote::{Command, Remote};
pub(crate) use service::{Incoming, Service};
pub(crate) use state::State;
pub use timers::TimerId;
pub use websocket::{CloseCause, Closed, Message, SocketId, Subscription};
pub(crate) use websocket::{Codec, SocketEvent, SocketSettings, Upgrade};
