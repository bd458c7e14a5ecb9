//! Requests: borrowed while the handler runs, owned for later.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::router::Parameters;
use crate::net::peer::Peer;
use crate::proto::http1::Head;
use crate::proto::uri;

/// A request, as it stands in the receive buffer. Nothing in it is copied or changed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(super) head: &'a Head<'a>,
    pub(super) path: &'a [u8],
    pub(super) query: Option<&'a [u8]>,
    pub(super) parameters: &'a Parameters,
    pub(super) names: &'a [Box<str>],
    pub(super) peer: Peer,
    pub(super) proxied: Option<SocketAddr>,
}

impl<'a> Request<'a> {
    /// The method as sent. Case matters (RFC 9110 section 9.1).
    pub fn method(&self) -> &'a str {
        ascii(self.head.method())
    }

    /// The target as sent: path and query, an absolute URI, or `*` (RFC 9112 section 3.2).
    pub fn target(&self) -> &'a str {
        ascii(self.head.target())
    }

    /// The path, neither decoded nor normalised.
    pub fn path(&self) -> &'a str {
        ascii(self.path)
    }

    /// What follows the first `?`, not decoded; `None` without one.
    pub fn query(&self) -> Option<&'a str> {
        self.query.map(ascii)
    }

    /// The decoded value of the first query parameter of this name. `None` when it is absent or
    /// malformed. A parameter without `=` is empty.
    pub fn query_parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        uri::query_parameter(self.query()?, name)
    }

    /// Every query parameter in order: the decoded name, and the value where it can be decoded.
    pub fn query_parameters(&self) -> impl Iterator<Item = (Cow<'a, str>, Option<Cow<'a, str>>)> {
        uri::query_parameters(self.query().unwrap_or(""))
    }

    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub fn version_minor(&self) -> u8 {
        self.head.version_minor()
    }

    /// The value of the first header of this name, in any case, without the white space around
    /// it. Values need not be UTF-8 (RFC 9110 section 5.5).
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let is_named = |&(found, _): &(&[u8], _)| found.eq_ignore_ascii_case(name.as_bytes());
        self.head.headers().find(is_named).map(|(_, value)| value)
    }

    /// Like [`header`](Self::header), as text; `None` also for a value that is not UTF-8.
    pub fn header_text(&self, name: &str) -> Option<&'a str> {
        str::from_utf8(self.header(name)?).ok()
    }

    /// Every header in the order of arrival, names as sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.head
            .headers()
            .map(|(name, value)| (ascii(name), value))
    }

    /// The segment that the pattern's `:name` matched, not decoded.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        let index = self.names.iter().position(|known| **known == *name)?;
        self.parameters.get(index, self.path).map(ascii)
    }

    /// Like [`parameter`](Self::parameter), percent-decoded; `None` also when it cannot be.
    pub fn parameter_decoded(&self, name: &str) -> Option<Cow<'a, str>> {
        uri::percent_decode(self.parameter(name)?)
    }

    /// Names and values of all parameters, in the order of the pattern, not decoded.
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> {
        let value = |index| self.parameters.get(index, self.path).map_or("", ascii);
        let names = self.names.iter().enumerate();
        names.map(move |(index, name)| (&**name, value(index)))
    }

    /// The peer's address; `None` on a Unix socket.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peer.address()
    }

    /// The address of the client whose connection a proxy relays, by the proxy's word: see
    /// [`ConfigBuilder::proxy_protocol`](crate::ConfigBuilder::proxy_protocol). `None` where there
    /// was none.
    pub fn proxied_address(&self) -> Option<SocketAddr> {
        self.proxied
    }

    /// A copy that outlives the handler.
    pub fn to_owned(&self) -> OwnedRequest {
        let parameter = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        OwnedRequest {
            method: self.method().to_owned(),
            target: self.target().to_owned(),
            path: self.path().to_owned(),
            query: self.query().map(str::to_owned),
            headers: self
                .headers()
                .map(|(name, value)| (name.to_owned(), value.to_vec()))
                .collect(),
            parameters: self.parameters().map(parameter).collect(),
            peer_address: self.peer.address(),
            proxied_address: self.proxied,
        }
    }
}

/// The parser lets nothing but ASCII into methods, targets and header names.
fn ascii(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

/// A request's head, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedRequest {
    /// See [`Request::method`].
    pub method: String,
    /// See [`Request::target`].
    pub target: String,
    /// See [`Request::path`].
    pub path: String,
    /// See [`Request::query`].
    pub query: Option<String>,
    /// See [`Request::headers`].
    pub headers: Vec<(String, Vec<u8>)>,
    /// Names and values as in [`Request::parameter`].
    pub parameters: Vec<(String, String)>,
    /// See [`Request::peer_address`].
    pub peer_address: Option<SocketAddr>,
    /// See [`Request::proxied_address`].
    pub proxied_address: Option<SocketAddr>,
}
