//! keirin is an HTTP/1.1 and WebSocket engine: one event loop per core, requests and messages
//! parsed in place, a response that cannot be misused, topics to publish to, and compression that
//! sockets share.
//!
//! ```no_run
//! fn main() -> keirin::Result<()> {
//!     keirin::Server::new(|app: &mut keirin::App| {
//!         app.get("/", |res, _req| res.end(b"Hello world!"));
//!     })
//!     .listen("127.0.0.1:3000")?
//!     .run()
//! }
//! ```
//!
//! A handler gets a [`Response`], the right to answer, and a borrowed [`Request`]. It has to return
//! a [`Reply`], and only answering, or saying how the answer will come, yields one:
//!
//! ```compile_fail
//! # keirin::Server::new(|app: &mut keirin::App| {
//! app.get("/", |res, _req| {}); // no answer: mismatched types
//! # });
//! ```
//! ```compile_fail
//! # keirin::Server::new(|app: &mut keirin::App| {
//! app.get("/", |res, _req| {
//!     res.end(b"one");
//!     res.end(b"two") // a second answer: use of moved value
//! });
//! # });
//! ```
//!
//! What can be said of the answer later, from a timer or another thread, is said through its
//! [`ResponseId`]: a stale one is an error, and never another client's answer.
//!
//! Every limit and timeout is in [`Config`]. The pure parsers are in [`proto`], which is all that
//! is left with the feature `net` off.
#![forbid(unsafe_code)]

#[cfg(feature = "net")]
mod app;
#[cfg(feature = "net")]
mod config;
#[cfg(feature = "net")]
mod engine;
#[cfg(feature = "net")]
mod error;
#[cfg(feature = "net")]
mod net;
#[cfg(feature = "net")]
mod observe;
pub mod proto;
#[cfg(feature = "net")]
mod pubsub;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg_attr(not(feature = "net"), expect(dead_code, reason = "used by the engine"))]
mod util;

#[cfg(feature = "net")]
pub use {
    app::{
        AdoptError, App, Behaviour, Cx, EventLoop, Handshake, OwnedRequest, PreparedMessage,
        Remote, RemoteError, Reply, Request, Response, Server, ServerHandle, Socket, Sockets,
        TryEnd, WebSocket,
    },
    config::{
        Backpressure, Config, ConfigBuilder, ProxyProtocol, WebSocketConfig, WebSocketConfigBuilder,
    },
    engine::{
        CloseCause, Closed, ConnectionId, Message, ResponseId, Sent, SocketId, Subscription,
        TimerId,
    },
    error::{Error, Misuse},
    net::address::ListenAddress,
    observe::{Counts, Level, Record},
    proto::ws::brotli::BrotliConfig,
    proto::ws::extensions::{Compressor, Decompressor, DeflateConfig},
    proto::ws::{HandshakeError, OriginPolicy, WsError},
    pubsub::{
        Broker, BrokerCounts, BrokerError, Filter, InProcessBroker, Inlet, InletError,
        Message as SharedMessage, Origin, Publication, Published, TopicError,
    },
};

#[cfg(feature = "binding")]
pub use app::{ById, Ended, SocketTimeouts};

#[cfg(all(fuzzing, feature = "net"))]
pub use {app::fuzz_router, pubsub::fuzz_topics};

/// What fallible calls of this crate return.
#[cfg(feature = "net")]
pub type Result<T> = std::result::Result<T, Error>;

/// The code in the README is compiled along with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
