//! The seam between the engine and whoever answers.

use std::any::Any;
use std::net::SocketAddr;

use super::conn::{ConnectionId, ResponseId};
use super::state::State;
use super::websocket::{Message, SocketEvent, SocketId};
use crate::net::peer::Peer;
use crate::proto::http1::Head;

/// A request as the engine hands it up: everything borrows the receive buffer.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) head: &'a Head<'a>,
    pub(crate) peer: Peer,
    pub(crate) proxied: Option<SocketAddr>,
}

/// Answers requests. Its methods take `&self`, beside an exclusive [`State`]: the two are disjoint
/// fields of the worker, so a handler can change everything but the set of handlers.
pub(crate) trait Service: 'static {
    /// What the user keeps per worker.
    type User: 'static;

    /// A request has arrived and its framing is sound. On return it is answered, or marked as kept
    /// for later; if it is neither, the engine answers 500.
    fn request(&self, state: &mut State<Self::User>, id: ResponseId, request: Incoming<'_>);

    /// Whether [`connection`](Self::connection) is to be called.
    fn hears_of_connections(&self) -> bool;

    /// A connection was opened, or has ended: the first and the last that is heard of it.
    fn connection(&self, state: &mut State<Self::User>, id: ConnectionId, opened: bool);

    /// A message has arrived. As for [`socket`](Self::socket).
    fn socket_message(
        &self,
        state: &mut State<Self::User>,
        id: SocketId,
        behaviour: u16,
        data: &mut dyn Any,
        message: Message<'_>,
    );

    /// Something has happened to a WebSocket of the kind `behaviour`, whose data is out of the
    /// state for as long as this takes.
    fn socket(
        &self,
        state: &mut State<Self::User>,
        id: SocketId,
        behaviour: u16,
        data: &mut dyn Any,
        event: SocketEvent<'_>,
    );
}
