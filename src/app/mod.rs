//! What users see: a server, an app with its routes, requests and the response guard.

#[expect(
    clippy::module_inception,
    reason = "the app module is named after its main type"
)]
mod app;
#[cfg(feature = "binding")]
mod by_id;
mod cx;
mod event_loop;
mod handshake;
mod request;
mod response;
mod router;
mod routes;
mod server;
mod websocket;

pub use app::App;
#[cfg(feature = "binding")]
pub use by_id::{ById, Ended, SocketTimeouts};
pub use cx::{AdoptError, Cx, Remote, RemoteError};
pub use event_loop::EventLoop;
pub use handshake::Handshake;
pub use request::{OwnedRequest, Request};
pub use response::{Reply, Response, TryEnd};
#[cfg(fuzzing)]
pub use router::fuzz_router;
#[cfg(feature = "testing")]
pub(crate) use routes::Routes;
pub use server::{Server, ServerHandle};
pub use websocket::{Behaviour, PreparedMessage, Socket, Sockets, WebSocket};
