//! Input: from the transport through the parser to the service.

use super::body::Body;
use super::conn::{Exchange, NEVER, Phase, ResponseId};
use super::service::{Incoming, Service};
use super::state::{Input, State};
use super::worker::Worker;
use crate::observe::Level;
use crate::proto::ProtocolError;
use crate::proto::http1::BodyLength;
use crate::proto::http1::head::{self, Head, HeaderSlots};
use crate::proto::ws::Workspace;
use crate::util::slab::Id;

/// How often one connection is read before others get their turn.
const READS_PER_TURN: usize = 4;

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
        let more = self.read_and_feed(id, &mut input);
        self.state.driven = None;
        input.trim();
        self.state.input = Some(input);
        self.state.flush_with_others(id);
        if more {
            self.state.push_backlog(id);
        }
    }

    /// Returns whether there may be input left that could be handled now.
    fn read_and_feed(&mut self, id: Id, input: &mut Input) -> bool {
        let Input {
            buffer,
            slots,
            workspace,
            inflated,
        } = input;
        let mut requests_left = self.state.config.requests_per_turn_max;
        for _ in 0..READS_PER_TURN {
            let config = &*self.state.config;
            let Some(conn) = self.state.conns.get_mut(id) else {
                return false;
            };
            if !conn.wants_input(config) {
                conn.held_back = matches!(conn.phase, Phase::Idle | Phase::Head);
                self.state.peer_may_have_left(id);
                return false;
            }
            let stashed = conn.unstash(buffer);
            let room = conn.read_bytes_max(config, buffer.len()).max(stashed);
            let received = self.state.receive_bytes(id, &mut buffer[stashed..room]);
            let bytes = &mut buffer[..stashed + received];
            let used = self.feed(id, bytes, (slots, workspace, inflated), &mut requests_left);
            let Some(conn) = self.state.conns.get_mut(id) else {
                return false;
            };
            if used < bytes.len() && !matches!(conn.phase, Phase::Ending | Phase::Closed) {
                conn.stash.keep(&bytes[used..]);
            }
            if requests_left == 0 {
                return true;
            }
            // What came before the end of the input is still handled.
            let held_back = matches!(conn.phase, Phase::Idle | Phase::Head | Phase::Open)
                && !conn.wants_input(&self.state.config);
            conn.held_back |= held_back;
            if conn.finished && !held_back {
                self.state.peer_finished(id);
                return false;
            }
            // Nothing was read behind a body that was complete: now the next request may be.
            let unread = conn.readable && conn.wants_input(&self.state.config);
            if received == 0 && used == 0 && !unread {
                return false;
            }
            if !conn.readable && conn.stash.is_empty() && !conn.wants_body() {
                return false;
            }
        }
        true
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
                Phase::Idle | Phase::Head => {
                    // Empty lines before a request are ignored (RFC 9112 section 2.2).
                    while conn.phase == Phase::Idle && bytes[at..].starts_with(b"\r\n") {
                        at += 2;
                    }
                    let over = *requests_left == 0 || !conn.wants_input(&self.state.config);
                    let head_bytes_max = self.state.config.head.head_bytes_max;
                    let worth = conn.is_worth_parsing(&bytes[at..], head_bytes_max);
                    if matches!(bytes[at..], [] | [b'\r']) || over || !worth {
                        return at;
                    }
                    match self.feed_head(id, &bytes[at..], slots) {
                        Some(used) => at += used,
                        None => return at,
                    }
                    *requests_left -= 1;
                }
                Phase::Exchange => match self.feed_body(id, &bytes[at..]) {
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

    /// Handles a request's head. Returns its length, or `None` when there is not a whole one.
    #[inline]
    fn feed_head(&mut self, id: Id, bytes: &[u8], slots: &mut HeaderSlots) -> Option<usize> {
        match head::parse(bytes, slots, &self.state.config.head) {
            Ok(Some(head)) => {
                self.request(id, &head);
                Some(head.len())
            }
            Ok(None) => {
                self.state.head_has_begun(id, bytes.len());
                None
            }
            Err(error) => {
                self.state
                    .refuse_head(id, error, bytes.starts_with(b"HEAD "));
                None
            }
        }
    }

    fn request(&mut self, id: Id, head: &Head<'_>) {
        let state = &mut self.state;
        let Some(conn) = state.conns.get_mut(id) else {
            return;
        };
        conn.begin(Exchange::new(head), Body::new(head.framing().body));
        conn.read_deadline = NEVER;
        let peer = conn.peer;
        let id = ResponseId {
            conn: id,
            request: conn.request,
        };
        match head.framing().body {
            BodyLength::Fixed(length) if length > state.config.body.body_bytes_max => {
                // No handler has seen this request.
                conn.phase = Phase::Head;
                let head_only = conn.exchange.head_only;
                return state.refuse_head(id.conn, ProtocolError::BodyTooLarge, head_only);
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
        let incoming = Incoming { head, peer };
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
    /// Reads what the kernel has, if it may have something and the exchange wants it.
    fn receive_bytes(&mut self, id: Id, into: &mut [u8]) -> usize {
        let Some(conn) = self.conns.get_mut(id) else {
            return 0;
        };
        let complete = conn.phase == Phase::Exchange && conn.body.is_done();
        if !conn.readable || complete || into.is_empty() {
            return 0;
        }
        match conn.transport.recv(into) {
            Ok(0) => {
                conn.finished = true;
                conn.readable = false;
                0
            }
            Ok(received) => {
                // epoll(7): a short read has drained the socket. Not so when its end was announced,
                // which is still to be read.
                conn.readable = received == into.len() || conn.read_closed;
                received
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                conn.readable = false;
                0
            }
            // The peer has reset the connection.
            Err(_) => {
                conn.readable = false;
                self.close(id);
                0
            }
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
            Phase::Exchange if conn.owes_answer() => self.close(id),
            Phase::Idle | Phase::Head | Phase::Exchange | Phase::Closing => {
                self.end_connection(id);
            }
            Phase::Open => self.close(id),
            Phase::Linger => self.close(id),
            Phase::Ending | Phase::Closed => {}
        }
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

    #[cold]
    fn refuse_without_length(&mut self, id: ResponseId) {
        self.counters.protocol_errors.bump();
        self.answer_status(id, 411);
    }
}
