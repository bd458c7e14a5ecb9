//! Composing an answer's head into the connection's output.

use super::conn::{Conn, Phase, ResponseId, Stage};
use super::state::{Spare, State};
use crate::error::Misuse;
use crate::proto::http1::date::DATE_LINE_LEN;
use crate::proto::http1::{encode, is_field_value, is_token};
use crate::util::slab::Id;

/// Output up to which an answer is composed without a look at what the kernel takes.
const PLAIN_BYTES_MAX: usize = 8 << 10;

/// How the content behind a head is delimited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// By this many bytes.
    Length(u64),
    Chunked,
    UntilClose,
    /// There is none, and no length is announced.
    None,
}

impl<U> State<U> {
    /// Begins the open part of the output with the status line, if it has not begun.
    pub(super) fn open_head(conn: &mut Conn<U>, spare: &mut Spare) {
        conn.exchange.plain = false;
        if conn.stage == Stage::Pending {
            Self::lend_buffer(conn, spare);
            conn.out.open();
            encode::status_line(conn.out.tail(), conn.exchange.status);
            conn.stage = Stage::Head;
        }
    }

    /// Appends a header to the open head, if that stays below `room`, or says why it must not be
    /// sent.
    pub(super) fn push_header(
        conn: &mut Conn<U>,
        spare: &mut Spare,
        name: &str,
        value: &[u8],
        room: usize,
    ) -> Result<(), Misuse> {
        conn.exchange.plain = false;
        let room = room.checked_sub(conn.out.open_len() + name.len() + value.len());
        if !is_token(name.as_bytes()) || !is_field_value(value) || room.is_none() {
            return Err(Misuse::Header);
        }
        match name.len() {
            // These frame the message. The engine writes them, once, from what it knows.
            10 if name.eq_ignore_ascii_case("connection") => {
                if value.eq_ignore_ascii_case(b"close") {
                    conn.exchange.keep_alive = false;
                } else if !value.eq_ignore_ascii_case(b"keep-alive") {
                    return Err(Misuse::Header);
                }
                return Ok(());
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                let text = str::from_utf8(value).ok().filter(|_| digits);
                let length = text
                    .and_then(|text| text.parse().ok())
                    .ok_or(Misuse::Header)?;
                conn.exchange.left = length;
                conn.exchange.declares_length = true;
                return Ok(());
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => return Err(Misuse::Header),
            4 if name.eq_ignore_ascii_case("date") => conn.exchange.has_date = true,
            6 if name.eq_ignore_ascii_case("server") => conn.exchange.has_server = true,
            _ => {}
        }
        Self::open_head(conn, spare);
        encode::header(conn.out.tail(), name.as_bytes(), value);
        Ok(())
    }

    /// Gives a whole answer in one go, if it is of the common kind: status 200, no headers of its
    /// own, small, on a connection that goes on. Returns whether it was.
    #[inline]
    pub(super) fn end_plain(&mut self, id: ResponseId, body: &[u8]) -> Result<bool, Misuse> {
        let conn = Self::owing(&mut self.conns, &self.counters, id)?;
        let fits = conn.out.len() + body.len() <= PLAIN_BYTES_MAX;
        let (Some(front), None) = (&self.common_plain, self.stopping) else {
            return Ok(false);
        };
        if !conn.exchange.plain || !fits {
            return Ok(false);
        }
        Self::lend_buffer(conn, &mut self.spare);
        let tail = conn.out.tail();
        tail.reserve(front.bytes.len() + 24 + body.len());
        encode::append_short(tail, &front.bytes, front.len);
        encode::decimal_then(tail, body.len() as u64, *b"\r\n\r\n");
        tail.extend_from_slice(body);
        if self.driven != Some(id.conn) {
            self.answered(id.conn);
            return Ok(true);
        }
        // What `answered` comes to when the input is being handled anyway.
        self.counters.answers.bump();
        conn.stage = Stage::Done;
        conn.phase = Phase::Idle;
        conn.read_deadline = self.now.saturating_add(self.config.keep_alive_timeout_ms);
        if conn.read_deadline < conn.armed {
            self.arm(id.conn);
        }
        Ok(true)
    }

    /// Completes the head and releases it for sending.
    #[inline]
    pub(super) fn seal_head(&mut self, conn_id: Id, content: Content) {
        let stopping = self.stopping.is_some();
        let Self {
            conns,
            config,
            common,
            spare,
            ..
        } = self;
        let Some(conn) = conns.get_mut(conn_id) else {
            return;
        };
        if conn.exchange.keep_alive
            && (stopping || content == Content::UntilClose || !persists(conn, config))
        {
            conn.exchange.keep_alive = false;
        }
        Self::open_head(conn, spare);
        let (date, server) = common.split_at(DATE_LINE_LEN);
        for (line, own) in [
            (date, conn.exchange.has_date),
            (server, conn.exchange.has_server),
        ] {
            if !own {
                conn.out.tail().extend_from_slice(line);
            }
        }
        let (keep_alive, http10, status) = (
            conn.exchange.keep_alive,
            conn.exchange.http10,
            conn.exchange.status,
        );
        let tail = conn.out.tail();
        if status == 426 {
            // It names what to upgrade to, which concerns this connection (RFC 9110 section 7.8).
            let close: &[u8] = if keep_alive { b"" } else { b"close, " };
            for part in [b"Connection: ", close, b"upgrade\r\n"] {
                tail.extend_from_slice(part);
            }
        } else if !keep_alive {
            tail.extend_from_slice(b"Connection: close\r\n");
        } else if http10 {
            tail.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        match content {
            Content::Length(length) => encode::content_length(tail, length),
            Content::Chunked => tail.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            // Other than 204 and 304 it would otherwise have content until the connection closes.
            Content::None if status == 205 => encode::content_length(tail, 0),
            Content::UntilClose | Content::None => {}
        }
        tail.extend_from_slice(b"\r\n");
        conn.out.seal();
        (conn.stage, conn.exchange.left) = match content {
            Content::Length(length) => (Stage::Fixed, length),
            Content::Chunked => (Stage::Chunked, 0),
            Content::UntilClose => (Stage::UntilClose, 0),
            Content::None => (Stage::Fixed, 0),
        };
    }
}

/// Whether the connection can carry another request although part of this one's body has not been
/// read: only if little enough is left to be read and dropped.
fn persists<U>(conn: &Conn<U>, config: &crate::config::Config) -> bool {
    if conn.body.is_done() || conn.sink().is_some() {
        return true;
    }
    // A peer that still waits for `100 Continue` may send the body, or may not.
    !conn.exchange.expects_continue
        && conn
            .body
            .remaining()
            .is_none_or(|remaining| remaining <= config.discard_bytes_max)
}
