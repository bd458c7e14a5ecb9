//! The PROXY head in front of a connection's first request.

use std::net::SocketAddr;

use super::conn::{ConnectionId, Phase};
use super::state::State;
use crate::config::ProxyProtocol;
use crate::observe::Level;
use crate::proto::proxy::{self, ProxyError};
use crate::util::slab::Id;

impl<U> State<U> {
    /// Handles what a connection begins with. Returns how much of it is no request; `None` when
    /// that is not known yet, or the connection dropped.
    #[cold]
    pub(super) fn feed_proxy(&mut self, id: Id, bytes: &[u8]) -> Option<usize> {
        let is_optional = self.config.proxy_protocol == ProxyProtocol::Accepted;
        let used = match proxy::parse(bytes, self.config.head.head_bytes_max) {
            Ok(Some(head)) => {
                self.proxied.extend(head.source.map(|source| (id, source)));
                head.len
            }
            Ok(None) => {
                self.proxy_has_begun(id, bytes.len());
                return None;
            }
            Err(ProxyError::Absent) if is_optional => 0,
            Err(error) => {
                self.refuse_proxy(id, error);
                return None;
            }
        };
        let conn = self.conns.get_mut(id)?;
        conn.phase = Phase::Idle;
        conn.head_parsed = 0;
        self.set_read_deadline(id, self.tick_in(self.config.keep_alive_timeout_ms));
        Some(used)
    }

    /// The rest has until the deadline, however it trickles in.
    fn proxy_has_begun(&mut self, id: Id, arrived: usize) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut conn.head_parsed, arrived as u32);
        if before == 0 && arrived > 0 {
            self.set_read_deadline(id, self.tick_in(self.config.head_timeout_ms));
        }
    }

    /// There is nobody who would understand an answer.
    pub(super) fn refuse_proxy(&mut self, id: Id, error: ProxyError) {
        self.counters.proxy_errors.bump();
        self.record(
            Level::Info,
            Some(id),
            format!("dropped a connection: {error}"),
        );
        self.close(id);
    }

    /// Whose connection it is, by the word of a proxy.
    #[inline]
    pub(crate) fn proxied_of(&self, id: ConnectionId) -> Option<SocketAddr> {
        if self.proxied.is_empty() {
            None
        } else {
            self.proxied.get(&id.0).copied()
        }
    }
}
