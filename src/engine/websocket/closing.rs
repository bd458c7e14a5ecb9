//! The end of a WebSocket, RFC 6455 section 7, and its deadlines.

use super::{CloseCause, Ending, NO_CODE, NO_FRAME, SocketId, SocketNews};
use crate::engine::conn::Phase;
use crate::engine::state::{Grave, Notice, State};
use crate::error::Misuse;
use crate::observe::Level;
use crate::proto::ws::close::{ClosePayload, REASON_BYTES_MAX, may_be_sent};
use crate::proto::ws::{Opcode, WsError};
use crate::util::slab::Id;

impl<U> State<U> {
    /// Sends a Close frame and waits, for a time, for the peer's.
    pub(crate) fn end_socket(
        &mut self,
        id: SocketId,
        code: u16,
        reason: &str,
    ) -> Result<(), Misuse> {
        self.open_mut(id)?;
        if !may_be_sent(code) {
            return Err(self.misuse(Misuse::CloseCode));
        }
        self.end_for(id.0, CloseCause::Local, code, reason);
        Ok(())
    }

    /// The same with a Close frame that says nothing.
    #[cfg(feature = "binding")]
    pub(crate) fn end_without_code(&mut self, id: SocketId) -> Result<(), Misuse> {
        self.open_mut(id)?;
        self.end_with(id.0, CloseCause::Local, None);
        Ok(())
    }

    /// Drops the connection without a Close frame.
    pub(crate) fn close_socket(&mut self, id: SocketId) -> Result<(), Misuse> {
        self.open_mut(id)?;
        self.leave(id.0, CloseCause::Dropped, NO_FRAME, "");
        self.close(id.0);
        Ok(())
    }

    /// Too much is waiting, and the policy is to close.
    pub(super) fn end_slow(&mut self, id: Id) {
        self.end_for(id, CloseCause::Backpressure, 1013, "too slow");
    }

    /// The same as [`end_socket`](Self::end_socket), for any cause.
    pub(in crate::engine) fn end_for(
        &mut self,
        id: Id,
        cause: CloseCause,
        code: u16,
        reason: &str,
    ) {
        self.end_with(id, cause, Some((code, reason)));
    }

    /// Without a code and reason the frame is empty.
    fn end_with(&mut self, id: Id, cause: CloseCause, close: Option<(u16, &str)>) {
        self.write_pending(id);
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.phase != Phase::Open {
            return;
        }
        conn.phase = Phase::Closing;
        let (code, reason) = close.unwrap_or((NO_CODE, ""));
        let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
        match close {
            Some(_) => self.push_control(id, Opcode::Close, &ClosePayload::new(code, reason)),
            None => self.push_control(id, Opcode::Close, &[]),
        };
        self.leave(id, cause, code, reason);
        self.set_read_deadline(id, self.tick_in(self.config.linger_timeout_ms));
        // A paused socket has to be read again, up to the peer's Close frame.
        if let Some(conn) = self.conns.get_mut(id)
            && let Some(socket) = &mut conn.socket
        {
            socket.paused = false;
        }
        self.push_backlog(id);
    }

    /// The peer has sent a Close frame: it is answered with the same code, and that is the end.
    pub(super) fn peer_closes(&mut self, id: Id, close: Option<(u16, &str)>) {
        self.write_pending(id);
        if self.is_open(SocketId(id)) {
            match close {
                Some((code, reason)) => {
                    self.push_control(id, Opcode::Close, &ClosePayload::new(code, ""));
                    self.leave(id, CloseCause::Peer, code, reason);
                }
                None => {
                    self.push_control(id, Opcode::Close, b"");
                    self.leave(id, CloseCause::Peer, NO_CODE, "");
                }
            }
        }
        self.end_connection(id);
    }

    /// The peer broke the protocol: it is told how, and nothing more is read.
    #[cold]
    pub(super) fn fail_socket(&mut self, id: Id, error: WsError) {
        self.counters.protocol_errors.bump();
        let code = error.close_code();
        self.record(
            Level::Info,
            Some(id),
            format!("closed with {code}: {error}"),
        );
        self.end_for(id, CloseCause::Protocol(error), code, error.as_str());
        self.end_connection(id);
    }

    /// The socket leaves the open state: the one place where it does. Its handler is told in
    /// `settle`, once.
    pub(in crate::engine) fn leave(&mut self, id: Id, cause: CloseCause, code: u16, reason: &str) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let Some(socket) = &mut conn.socket else {
            return;
        };
        if std::mem::replace(&mut socket.left, true) {
            return;
        }
        // A message that was begun is not completed, and what waits for its end is not sent.
        socket.end_fragments();
        self.disturbed = true;
        self.counters.sockets_open.drop_one();
        if self.config.access_log {
            self.record_closed(id, cause, code);
        }
        self.end_subscriptions(SocketId(id));
        let ending = Box::new(Ending {
            cause,
            code,
            reason: reason.into(),
        });
        self.notices
            .push_back(Notice::Socket(SocketId(id), SocketNews::Closed(ending)));
    }

    /// The connection is lost: the same, if nothing else was the cause.
    pub(in crate::engine) fn lose(&mut self, id: Id, cause: CloseCause) {
        self.leave(id, cause, NO_FRAME, "");
    }

    /// The close handler has run: nothing of the user's is left.
    pub(super) fn socket_told(&mut self, id: SocketId) {
        let Some(conn) = self.conns.get_mut(id.0) else {
            return;
        };
        let Some(socket) = &mut conn.socket else {
            return;
        };
        socket.told = true;
        let data = socket.data.take();
        if conn.phase == Phase::Closed {
            self.closing.push(id.0);
        }
        self.graveyard.extend(data.map(Grave::Data));
    }

    /// One of an open socket's deadlines has come.
    pub(in crate::engine) fn expire_socket(&mut self, id: Id) {
        let now = self.now;
        let stopping = self.stopping.is_some();
        let stop_code = self.config.stop_close_code;
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let Some(socket) = &mut conn.socket else {
            return;
        };
        if socket.expires(now) <= now {
            let (cause, code, reason) = if stopping {
                (CloseCause::Stop, stop_code, "server is stopping")
            } else {
                (CloseCause::Lifetime, 1001, "please reconnect")
            };
            return self.end_for(id, cause, code, reason);
        }
        if socket.is_idle(now) {
            self.counters.idle_timeouts.bump();
            return self.end_for(id, CloseCause::IdleTimeout, 1001, "idle for too long");
        }
        if socket.is_to_be_pinged(now) {
            socket.pinged = now as u32;
            if !conn.blocked {
                self.push_control(id, Opcode::Ping, b"");
            }
        }
        self.watch_socket(id);
    }

    /// Arms the nearest deadline of an open socket.
    pub(in crate::engine) fn watch_socket(&mut self, id: Id) {
        if let Some(conn) = self.conns.get(id)
            && let Some(socket) = &conn.socket
        {
            let deadline = socket.deadline(self.now);
            self.set_read_deadline(id, deadline);
        }
    }
}
