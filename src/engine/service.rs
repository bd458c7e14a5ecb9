//! The seam between the engine and whoever answers.

use std::net::SocketAddr;

use super::conn::ResponseId;
use super::state::State;
use super::websocket::{Closed, Message, SocketId, Subscription};
use crate::proto::http1::Head;

/// A request as the engine hands it up: everything borrows the receive buffer.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) head: &'a Head<'a>,
    pub(crate) peer: Option<SocketAddr>,
}

/// Answers requests. Its methods take `&self`, beside an exclusive [`State`]: the two are disjoint
/// fields of the worker, so a handler can change everything but the set of handlers.
pub(crate) trait Service: 'static {
    /// What the user keeps per worker.
    type User: 'static;

    /// A request has arrived and its framing is sound. On return it is answered, or marked as kept
    /// for later; if it is neither, the engine answers 500.
    fn request(&self, state: &mut State<Self::User>, id: ResponseId, request: Incoming<'_>);

    /// A WebSocket is open. Comes before anything else that is said of it.
    fn socket_open(&self, state: &mut State<Self::User>, id: SocketId);

    /// A message has arrived.
    fn socket_message(&self, state: &mut State<Self::User>, id: SocketId, message: Message<'_>);

    /// A Ping has arrived, and was answered.
    fn socket_ping(&self, state: &mut State<Self::User>, id: SocketId, payload: &[u8]);

    /// A Pong has arrived.
    fn socket_pong(&self, state: &mut State<Self::User>, id: SocketId, payload: &[u8]);

    /// The peer has taken everything that was queued.
    fn socket_drain(&self, state: &mut State<Self::User>, id: SocketId);

    /// A message was not sent, since too much was waiting.
    fn socket_dropped(&self, state: &mut State<Self::User>, id: SocketId, message: Message<'_>);

    /// A subscription was made or ended.
    fn socket_subscription(
        &self,
        state: &mut State<Self::User>,
        id: SocketId,
        subscription: Subscription<'_>,
    );

    /// A WebSocket is not open any more. Nothing else is said of it afterwards.
    fn socket_closed(&self, state: &mut State<Self::User>, id: SocketId, closed: Closed<'_>);
}
