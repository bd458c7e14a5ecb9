//! The opening handshake of a WebSocket, RFC 6455 section 4.2.

use super::request::Request;
use super::response::{Reply, Response};
use super::websocket::{Sockets, boxed};
use crate::engine::Upgrade;
use crate::proto::ws::{HandshakeError, OriginPolicy, handshake};

/// A valid request for a WebSocket. It is a value of its own, so that the answer can wait: for a
/// look at a session store, say.
#[derive(Clone, Debug)]
pub struct Handshake {
    accept: [u8; 28],
    protocols: Vec<Box<str>>,
    extensions: Vec<Box<[u8]>>,
    origin: Option<Box<[u8]>>,
    host: Box<[u8]>,
    chosen: Option<usize>,
}

impl Handshake {
    /// The subprotocols that the client offers, its favourite first.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().map(|protocol| &**protocol)
    }

    /// Chooses one of the subprotocols on offer; false when it is not. Without a choice the socket
    /// has none.
    pub fn choose(&mut self, protocol: &str) -> bool {
        let offered = self.protocols().position(|offered| offered == protocol);
        self.chosen = offered.or(self.chosen);
        offered.is_some()
    }

    /// Has the client's offer of extensions ignored, as if it had made none.
    pub fn ignore_extensions(&mut self) {
        self.extensions.clear();
    }

    /// Where the page comes from that opens the socket. Browsers always say it, and do not let the
    /// page choose; other clients need not.
    pub fn origin(&self) -> Option<&[u8]> {
        self.origin.as_deref()
    }

    /// Whether the policy lets this origin in.
    pub fn is_allowed(&self, policy: &OriginPolicy) -> bool {
        policy.allows(self.origin(), &self.host)
    }

    pub(super) fn into_upgrade<D: 'static>(self, sockets: Sockets<D>, data: D) -> Upgrade {
        Upgrade {
            accept: self.accept,
            protocols: self.protocols,
            chosen: self.chosen,
            extensions: self.extensions,
            behaviour: sockets.behaviour,
            key: sockets.key,
            data: boxed(data),
        }
    }
}

impl Request<'_> {
    /// Checks whether this is a request for a WebSocket that can be agreed to.
    ///
    /// # Errors
    /// Why it is not, as [`Response::refuse_upgrade`] answers it.
    pub fn handshake(&self) -> Result<Handshake, HandshakeError> {
        let found = handshake::check(self.head)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into();
        Ok(Handshake {
            accept: found.accept(),
            protocols: found.protocols().map(text).collect(),
            extensions: found.extensions().map(Into::into).collect(),
            origin: found.origin().map(Into::into),
            host: self.header("host").unwrap_or_default().into(),
            chosen: None,
        })
    }
}

impl<U: 'static> Response<'_, U> {
    /// Answers 101, with the headers that were added so far, and makes the connection a WebSocket
    /// with `data`. Its open handler is called next.
    ///
    /// A client that offers permessage-deflate, or the chosen subprotocol with `+br` behind it,
    /// gets it if the sockets are configured so.
    ///
    /// Instead the answer is 400 for a malformed offer of extensions, 503 when the server is
    /// stopping, and 500 when a header was refused or the sockets are those of another worker.
    pub fn upgrade<D: 'static>(self, sockets: Sockets<D>, handshake: Handshake, data: D) -> Reply {
        let upgrade = handshake.into_upgrade(sockets, data);
        let _ = self.state.upgrade(self.id, upgrade);
        Reply::done()
    }

    /// Answers a request that is no valid handshake with the status that fits: 400, 405 or 426.
    pub fn refuse_upgrade(mut self, error: HandshakeError) -> Reply {
        self.status(error.status());
        match error.status() {
            405 => {
                self.header("Allow", b"GET");
            }
            426 => {
                self.header("Upgrade", b"websocket");
                self.header("Connection", b"close");
                self.header("Sec-WebSocket-Version", b"13");
            }
            _ => {}
        }
        self.header("Content-Type", b"text/plain");
        self.end(format!("{error}\n").as_bytes())
    }
}
