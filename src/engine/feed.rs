//! Input: from the transport through the parser to the service.

use std::io::ErrorKind;

use super::conn::{NEVER, Phase, ResponseId};
use super::service::{Incoming, Service};
use super::state::{Input, State};
use super::worker::Worker;
use crate::observe::Level;
use crate::proto::ProtocolError;
use crate::proto::http1::BodyLength;
use crate::proto::http1::head::{self, HeaderSlots};
use crate::proto::ws::Workspace;
use crate::util::slab::Id;

/// How often one connection is read before others get their turn.
const READS_PER_TURN: usize = 4;

/// How a connection's input goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There may be more that can be handled now.
    Read,
    /// The same, but others want their turn.
    Backlog,
    /// Nothing is to be done before there is news.
    Wait,
}

/// What there is to handle: bytes that were left the last time, and bytes that came behind them.
struct Received {
    stashed: usize,
    read: usize,
}

impl<S: Service> Worker<S> {
    /// Reads and handles a connection's input, within its share of the turn, and sends what came
    /// of it while it is hot.
    pub(super) fn drive(&mut self, id: Id) {
        // The bytes being parsed belong to this frame, so that they and the state can be borrowed
        // at once.
        let Some(mut input) = self.state.input.take() else {
            return debug_assert!(false, "one connection at a time");
        };
        self.state.driven = Some(id);
        let mut requests_left = self.state.config.requests_per_turn_max;
        let mut next = Next::Read;
        for _ in 0..READS_PER_TURN {
            next = self.read_and_feed(id, &mut input, &mut requests_left);
            if next != Next::Read {
                break;
            }
        }
        self.state.driven = None;
        input.trim();
        self.state.input = Some(input);
        self.state.flush_with_others(id);
        if next != Next::Wait {
            self.state.push_backlog(id);
        }
    }

    /// Handles what was left the last time, and what the kernel has.
    fn read_and_feed(&mut self, id: Id, input: &mut Input, requests_left: &mut u32) -> Next {
        let Some(Received { stashed, read }) = self.state.receive_bytes(id, &mut input.buffer)
        else {
            return Next::Wait;
        };
        let Input {
            buffer,
            slots,
            workspace,
            inflated,
        } = input;
        let bytes = &mut buffer[..stashed + read];
        let used = self.feed(id, bytes, (slots, workspace, inflated), requests_left);
        let has_moved = read > 0 || used > 0;
        self.state
            .fed(id, &buffer[used..stashed + read], has_moved, *requests_left)
    }

    /// Handles a prefix of `bytes` and returns its length.
    fn feed(
        &mut self,
        id: Id,
        bytes: &mut [u8],
        (slots, workspace, inflated): (&mut HeaderSlots, &mut Workspace, &mut Vec<u8>),
        requests_left: &mut u32,
    ) -> usize {
        let mut at = 0;
        loop {
            let Some(conn) = self.state.conns.get_mut(id) else {
                return bytes.len();
            };
            match conn.phase {
                // Empty lines before a request are ignored (RFC 9112 section 2.2).
                Phase::Idle if bytes[at..].starts_with(b"\r\n") => at += 2,
                Phase::Idle | Phase::Head if at == bytes.len() || *requests_left == 0 => return at,
                Phase::Idle | Phase::Head => match self.feed_head(id, &bytes[at..], slots) {
                    Some(used) => {
                        at += used;
                        *requests_left -= 1;
                    }
                    None => return at,
                },
                Phase::Exchange => match self.feed_body(id, &bytes[at..]) {
                    Some(used) => at += used,
                    None => return at,
                },
                Phase::Proxy => match self.state.feed_proxy(id, &bytes[at..]) {
                    Some(used) => at += used,
                    None => return at,
                },
                Phase::Open | Phase::Closing => {
                    let rest = &mut bytes[at..];
                    return at + self.feed_socket(id, rest, (workspace, inflated), requests_left);
                }
                Phase::Ending | Phase::Linger | Phase::Closed => return bytes.len(),
            }
        }
    }

    /// Handles a request's head. Returns its length, or `None` when there is not a whole one, or
    /// not yet room for its answer.
    #[inline]
    fn feed_head(&mut self, id: Id, bytes: &[u8], slots: &mut HeaderSlots) -> Option<usize> {
        let State { conns, config, .. } = &mut self.state;
        let conn = conns.get_mut(id)?;
        if !conn.wants_input(config) || !conn.is_worth_parsing(bytes, config.head.head_bytes_max) {
            return None;
        }
        match head::parse(bytes, slots, &config.head) {
            Ok(Some(head)) => {
                conn.begin_request(&head);
                conn.read_deadline = NEVER;
                let peer = conn.peer;
                let id = ResponseId {
                    conn: id,
                    request: conn.request,
                };
                let incoming = Incoming {
                    head: &head,
                    peer,
                    proxied: self.state.proxied_of(id.connection()),
                };
                self.request(id, incoming);
                Some(head.len())
            }
            Ok(None) => {
                self.state.head_has_begun(id, bytes.len());
                None
            }
            Err(error) => {
                let head_only = bytes.starts_with(b"HEAD ");
                self.state.refuse_head(id, error, head_only);
                None
            }
        }
    }

    fn request(&mut self, id: ResponseId, incoming: Incoming<'_>) {
        let state = &mut self.state;
        let head = incoming.head;
        match head.framing().body {
            BodyLength::Fixed(length) if length > state.config.body.body_bytes_max => {
                return state.refuse_body(id);
            }
            BodyLength::None
                if state.config.length_required && usually_has_content(head.method()) =>
            {
                return state.refuse_without_length(id);
            }
            _ => {}
        }
        state.counters.requests.bump();
        if state.config.access_log {
            state.begin_access(id.conn, head);
        }
        if state.config.answer_timeout_ms > 0 {
            state.set_read_deadline(id.conn, state.tick_in(state.config.answer_timeout_ms));
        }
        let well = self.call(Some(id), |service, state| {
            service.request(state, id, incoming)
        });
        if !well {
            let (method, target) = (head.method().escape_ascii(), head.target().escape_ascii());
            let message = format!("answered 500 for {method} {target}");
            self.state.record(Level::Warn, Some(id.conn), message);
        }
    }
}

fn usually_has_content(method: &[u8]) -> bool {
    matches!(method, b"POST" | b"PUT" | b"PATCH")
}

impl<U> State<U> {
    /// Fills `buffer` with what was left the last time, and with what the kernel has, if it may
    /// have something and the exchange wants it. `None` when no input is wanted.
    fn receive_bytes(&mut self, id: Id, buffer: &mut [u8]) -> Option<Received> {
        let conn = self.conns.get_mut(id)?;
        if !conn.wants_input(&self.config) {
            conn.held_back = matches!(conn.phase, Phase::Idle | Phase::Head);
            self.peer_may_have_left(id);
            return None;
        }
        let stashed = conn.unstash(buffer);
        let room = conn.read_bytes_max(&self.config, buffer.len()).max(stashed);
        let mut received = Received { stashed, read: 0 };
        let into = &mut buffer[stashed..room];
        let complete = conn.phase == Phase::Exchange && conn.body.is_done();
        if !conn.readable || complete || into.is_empty() {
            return Some(received);
        }
        match conn.transport.recv(into) {
            Ok(0) => {
                conn.finished = true;
                conn.readable = false;
            }
            Ok(read) => {
                // epoll(7): a short read has drained the socket. Not so when its end was announced,
                // which is still to be read.
                conn.readable = read == into.len() || conn.read_closed;
                received.read = read;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => conn.readable = false,
            // The peer has reset the connection.
            Err(_) => {
                conn.readable = false;
                self.close(id);
            }
        }
        Some(received)
    }

    /// Keeps what was not handled, and says how the input goes on.
    fn fed(&mut self, id: Id, rest: &[u8], has_moved: bool, requests_left: u32) -> Next {
        let Some(conn) = self.conns.get_mut(id) else {
            return Next::Wait;
        };
        if !rest.is_empty() && !matches!(conn.phase, Phase::Ending | Phase::Closed) {
            conn.stash.keep(rest);
        }
        if requests_left == 0 {
            return Next::Backlog;
        }
        let wants_input = conn.wants_input(&self.config);
        // What came before the end of the input is still handled.
        let held_back =
            matches!(conn.phase, Phase::Idle | Phase::Head | Phase::Open) && !wants_input;
        conn.held_back |= held_back;
        if conn.finished && !held_back {
            self.peer_finished(id);
            return Next::Wait;
        }
        // Nothing was read behind a body that was complete: now the next request may be.
        let unread = conn.readable && wants_input;
        let may_go_on = conn.readable || !conn.stash.is_empty() || conn.wants_body();
        if may_go_on && (has_moved || unread) {
            Next::Read
        } else {
            Next::Wait
        }
    }

    /// The end of the input has been read.
    fn peer_finished(&mut self, id: Id) {
        let half_close = self.config.half_close;
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        match conn.phase {
            Phase::Exchange if conn.owes_answer() && conn.body.is_done() && half_close => {}
            Phase::Exchange if conn.owes_answer() && half_close => self.abandon(id),
            Phase::Exchange if conn.owes_answer() => self.close(id),
            Phase::Proxy | Phase::Idle | Phase::Head | Phase::Exchange | Phase::Closing => {
                self.end_connection(id);
            }
            Phase::Open => self.close(id),
            Phase::Linger => self.close(id),
            Phase::Ending | Phase::Closed => {}
        }
    }

    /// The request has not come whole, so that its answer cannot be given. Those to earlier ones
    /// may still wait for their peer, who reads.
    fn abandon(&mut self, id: Id) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.out.rollback();
        }
        self.counters.aborted.bump();
        self.record_abort(id);
        self.drop_later(id, true);
        self.end_connection(id);
    }

    /// Input is not wanted now, so the end of it cannot be read; but it was announced.
    fn peer_may_have_left(&mut self, id: Id) {
        let half_close = self.config.half_close;
        if let Some(conn) = self.conns.get_mut(id)
            && conn.read_closed
            && conn.owes_answer()
            && !half_close
        {
            self.close(id);
        }
    }

    /// Part of a head has arrived: the rest has until the deadline, however it trickles in.
    fn head_has_begun(&mut self, id: Id, arrived: usize) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        conn.head_parsed = arrived as u32;
        if conn.phase == Phase::Idle {
            conn.phase = Phase::Head;
            self.set_read_deadline(id, self.tick_in(self.config.head_timeout_ms));
        }
    }

    /// No handler has seen the request.
    #[cold]
    fn refuse_body(&mut self, id: ResponseId) {
        if let Some(conn) = self.conns.get_mut(id.conn) {
            conn.phase = Phase::Head;
            let head_only = conn.exchange.head_only;
            self.refuse_head(id.conn, ProtocolError::BodyTooLarge, head_only);
        }
    }

    #[cold]
    fn refuse_without_length(&mut self, id: ResponseId) {
        self.counters.protocol_errors.bump();
        self.answer_status(id, 411);
    }
}
