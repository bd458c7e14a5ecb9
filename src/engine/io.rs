//! Output, and the end of a connection.

use std::io;
use std::net::SocketAddr;

use super::conn::{ConnectionId, NEVER, Phase};
use super::state::{Notice, State};
use super::websocket::{CloseCause, SocketId, SocketNews, SocketSettings};
use crate::config::Config;
use crate::error::Misuse;
use crate::observe::Level;
use crate::util::slab::Id;

/// Output is gathered up to this much before it goes to the kernel within a callback, or up to the
/// least of the limits on what may wait for a peer.
const CORK_BYTES: usize = 64 << 10;
/// Fewer connections than this are sent to one by one.
const BATCH_MIN: usize = 2;
/// A piece of this much goes there uncopied, along with what was gathered.
const PIECE_BYTES: usize = 32 << 10;

/// Whether a piece joins what was gathered.
#[inline]
pub(super) fn joins(gathered: usize, piece: usize, cork_bytes: usize) -> bool {
    piece < PIECE_BYTES && gathered + piece <= cork_bytes
}

/// How much output a worker gathers.
pub(super) fn cork_bytes(config: &Config, sockets: &[SocketSettings]) -> usize {
    let limits = sockets.iter().map(|it| it.config.backpressure_bytes_max);
    limits
        .chain([CORK_BYTES, config.write_buffer_bytes_max])
        .min()
        .unwrap_or(CORK_BYTES)
}

impl<U> State<U> {
    /// Appends to the output. What does not fit the cork size goes to the kernel at once.
    #[inline]
    pub(super) fn append(&mut self, id: Id, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let gathered = joins(conn.out.len(), bytes.len(), self.cork_bytes);
        let rest = if !gathered && !conn.blocked {
            let taken = self.push_out(id, bytes);
            &bytes[taken..]
        } else {
            bytes
        };
        if rest.is_empty() {
            return;
        }
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.phase == Phase::Closed {
            return;
        }
        // What a WebSocket may have waiting is decided message by message.
        let bounded = conn.socket.is_none() && !conn.exchange.whole;
        if bounded && conn.out.len() + rest.len() > self.config.write_buffer_bytes_max {
            return self.overflow(id);
        }
        Self::lend_buffer(conn, &mut self.spare);
        conn.out.tail().extend_from_slice(rest);
    }

    /// Appends what the kernel, or the cork, takes now, and returns how much that is.
    pub(super) fn offer(&mut self, id: Id, bytes: &[u8]) -> usize {
        let Some(conn) = self.conns.get_mut(id) else {
            return 0;
        };
        if conn.blocked {
            return 0;
        }
        if joins(conn.out.len(), bytes.len(), self.cork_bytes) {
            Self::lend_buffer(conn, &mut self.spare);
            conn.out.tail().extend_from_slice(bytes);
            return bytes.len();
        }
        self.push_out(id, bytes)
    }

    /// Sends what is ready and then `extra`, in one call, and returns how much of `extra` the
    /// kernel took.
    fn push_out(&mut self, id: Id, extra: &[u8]) -> usize {
        let Some(conn) = self.conns.get_mut(id) else {
            return 0;
        };
        let queued = conn.out.ready().len();
        let result = conn.transport.send(conn.out.ready(), extra);
        self.account(id, result, queued + extra.len())
            .saturating_sub(queued)
    }

    /// Notes what became of `offered` bytes, the queued ones first. Returns how many the kernel
    /// took.
    fn account(&mut self, id: Id, result: io::Result<usize>, offered: usize) -> usize {
        let Some(conn) = self.conns.get_mut(id) else {
            return 0;
        };
        match result {
            Ok(sent) => {
                conn.out.consume(sent.min(conn.out.ready().len()));
                conn.blocked = sent < offered;
                if conn.blocked {
                    conn.expect_drain();
                    self.set_write_deadline(id);
                }
                self.update_slow(id);
                sent
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let stalled = conn.write_deadline != NEVER;
                conn.blocked = true;
                conn.expect_drain();
                if !stalled {
                    self.set_write_deadline(id);
                }
                self.update_slow(id);
                0
            }
            // The peer has reset the connection.
            Err(_) => {
                self.close(id);
                0
            }
        }
    }

    #[cold]
    fn overflow(&mut self, id: Id) {
        self.counters.write_overflows.bump();
        let message = "dropped a connection: its output went over write_buffer_bytes_max; \
                       on_writable keeps an answer below it";
        self.record(Level::Warn, Some(id), message.to_owned());
        self.close(id);
    }

    /// Sends what is ready, and does what was waiting for the output to be empty.
    #[inline]
    pub(super) fn flush(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.phase == Phase::Closed || conn.blocked {
            return;
        }
        let all = conn.out.ready().len();
        if all > 0 {
            match conn.transport.send(conn.out.ready(), b"") {
                Ok(sent) if sent == all => conn.out.consume(all),
                result => {
                    self.account(id, result, all);
                    return;
                }
            }
        }
        Self::reclaim_buffer(conn, &mut self.spare);
        Self::update_slow_in(&mut self.topics, id, conn);
        if conn.write_deadline != NEVER {
            conn.write_deadline = NEVER;
            if conn.phase == Phase::Idle {
                // The connection is idle from now on, not since the answer was given.
                conn.read_deadline = self.now.saturating_add(self.config.keep_alive_timeout_ms);
            }
        }
        match conn.phase {
            Phase::Ending => self.finish_output(id),
            Phase::Exchange if conn.waits_to_write() && !conn.in_notices => {
                conn.in_notices = true;
                let id = super::conn::ResponseId {
                    conn: id,
                    request: conn.request,
                };
                self.notices.push_back(Notice::Writable(id));
            }
            Phase::Open if !conn.in_notices && conn.waits_for_drain() => {
                conn.in_notices = true;
                self.notices
                    .push_back(Notice::Socket(SocketId(id), SocketNews::Drain));
            }
            // Input may have been left waiting for the output to drain.
            _ if std::mem::take(&mut conn.held_back) => self.push_backlog(id),
            _ => {}
        }
    }

    /// The same, along with the output of other connections where that saves calls.
    #[inline]
    pub(super) fn flush_with_others(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if self.batch.suits(conn.out.ready().len()) {
            self.push_dirty(id);
        } else {
            self.flush(id);
        }
    }

    /// Hands what is ready on these connections to the kernel in one call. What is left to do then
    /// is [`flush`](Self::flush)'s, which finds nothing to send, or the connection blocked.
    pub(super) fn send_batch(&mut self, ids: &[Id]) {
        if ids.len() < BATCH_MIN || !self.batch.is_available() {
            return;
        }
        let mut batched = std::mem::take(&mut self.batched);
        let conns = &self.conns;
        batched.extend(ids.iter().filter(|&&id| {
            conns.get(id).is_some_and(|conn| {
                conn.phase != Phase::Closed && !conn.blocked && !conn.out.ready().is_empty()
            })
        }));
        let sends = batched.iter().filter_map(|&id| {
            let conn = conns.get(id)?;
            Some((conn.transport.socket()?, conn.out.ready()))
        });
        let mut short = Vec::new();
        let tried = self.batch.send(sends, &mut short);
        self.counters.sends_batched.add(tried as u64);
        let mut short = short.into_iter().peekable();
        for (index, id) in batched.drain(..).take(tried).enumerate() {
            let Some(conn) = self.conns.get_mut(id) else {
                continue;
            };
            let offered = conn.out.ready().len();
            match short.next_if(|&(at, _)| at == index) {
                Some((_, result)) => {
                    self.account(id, result, offered);
                }
                None => conn.out.consume(offered),
            }
        }
        self.batched = batched;
    }

    /// The kernel takes output again.
    pub(super) fn unblocked(&mut self, id: Id) {
        if let Some(conn) = self.conns.get_mut(id)
            && conn.blocked
        {
            conn.blocked = false;
            if conn.socket.is_some() {
                self.socket_reads(id);
            }
            self.flush(id);
        }
    }

    /// The connection carries no further request: it closes once its output is sent.
    pub(super) fn end_connection(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.phase == Phase::Closed {
            return;
        }
        conn.phase = Phase::Ending;
        self.disturbed = true;
        // An answer may take its time as long as it moves. What waits behind the end of a socket
        // has no such claim.
        conn.read_deadline = match conn.socket {
            Some(_) => self.now.saturating_add(self.config.write_stall_timeout_ms),
            None => NEVER,
        };
        self.arm(id);
        self.push_dirty(id);
        self.drop_later(id, false);
    }

    /// Everything is sent. A socket that is closed while input is unread, or still to come, resets
    /// the connection, and the reset can overtake the answer: so our side is shut first, and the
    /// socket closed when the peer has shut its own.
    fn finish_output(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.finished || conn.transport.shutdown_write().is_err() {
            return self.close(id);
        }
        conn.phase = Phase::Linger;
        conn.stash.clear();
        self.set_read_deadline(id, self.tick_in(self.config.linger_timeout_ms));
        self.push_backlog(id);
    }

    /// The address of a connection's peer.
    pub(crate) fn peer_of(&self, id: ConnectionId) -> Option<SocketAddr> {
        self.conns.get(id.0)?.peer.address()
    }

    /// Drops a connection, whatever it is at.
    pub(crate) fn drop_connection(&mut self, ConnectionId(id): ConnectionId) -> Result<(), Misuse> {
        let open = self
            .conns
            .get(id)
            .is_some_and(|conn| conn.phase != Phase::Closed);
        if !open {
            self.counters.misuse_stale.bump();
            return Err(Misuse::Stale);
        }
        self.lose(id, CloseCause::Dropped);
        self.close(id);
        Ok(())
    }

    /// Closes every listener and every connection.
    pub(crate) fn drop_all(&mut self) {
        self.listeners.close_all();
        self.refuse_arrivals();
        let open: Vec<Id> = self.conns.ids().collect();
        for id in open {
            self.lose(id, CloseCause::Dropped);
            self.close(id);
        }
    }

    /// Closes the connection in `settle`. Whoever waits for its answer is told there.
    pub(super) fn close(&mut self, id: Id) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.phase == Phase::Closed {
            return;
        }
        let aborted = conn.owes_answer();
        conn.phase = Phase::Closed;
        self.disturbed = true;
        // Earlier answers of the batch may be waiting to be sent.
        if !conn.blocked && !conn.out.ready().is_empty() {
            let _ = conn.transport.send(conn.out.ready(), b"");
        }
        if conn.socket.as_ref().is_some_and(|socket| !socket.told) {
            // Its close handler has to find it.
            self.lose(id, CloseCause::PeerLeft);
        } else {
            self.closing.push(id);
        }
        if aborted {
            self.counters.aborted.bump();
            self.record_abort(id);
        }
        self.drop_later(id, aborted);
    }
}
