//! Checks the answers on one connection, however TCP cut them, at a cost that leaves the generator
//! cheaper than any server.
//!
//! The first answer is read with care: status 200, a `Content-Length` that fits the scenario, every
//! byte of the body. Where its fields lie then serves as a stencil: for each later answer three
//! short comparisons prove the same status and the same total length. One body in
//! [`SAMPLE_INTERVAL`] is compared in full.

use std::fmt::{self, Display, Formatter};
use std::ops::{AddAssign, Range};

use serde::Serialize;

/// One body in so many is compared byte for byte: 1.6 %. A prime, so that no pipeline depth keeps
/// the sample at one place of a batch.
pub const SAMPLE_INTERVAL: u32 = 61;

const STATUS_OK: &[u8] = b"HTTP/1.1 200 ";
const HEAD_END: &[u8] = b"\r\n\r\n";
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Which contents are compared with what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// None: the null server knows only their length.
    Ignored,
    /// The first on each connection and one in [`SAMPLE_INTERVAL`].
    Sampled,
    /// All of them.
    All,
}

/// What was wrong with the answers. Any count above zero makes a measurement invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// Answers with another status than 200, and upgrades that were refused or wrong.
    pub bad_status: u64,
    /// Answers whose length differs from what the scenario or the first answer says, that are no
    /// HTTP/1.1, or that nobody asked for.
    pub bad_length: u64,
    /// Answers with a sampled body that differs.
    pub bad_body: u64,
    /// Messages of another kind than was sent.
    pub bad_opcode: u64,
    /// Deliveries before their turn, or again.
    pub bad_order: u64,
    /// Connections that the server closed or refused.
    pub unexpected_close: u64,
    /// Connections with an answer or a delivery still missing after the grace time at the end.
    pub unanswered: u64,
}

impl Errors {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        let content = self.bad_status + self.bad_length + self.bad_body;
        let messages = self.bad_opcode + self.bad_order;
        content + messages + self.unexpected_close + self.unanswered
    }
}

impl Display for Errors {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            bad_status,
            bad_length,
            bad_body,
            bad_opcode,
            bad_order,
            unexpected_close,
            unanswered,
        } = self;
        write!(
            f,
            "{} errors (status {bad_status}, length {bad_length}, body {bad_body}, \
             opcode {bad_opcode}, order {bad_order}, closed {unexpected_close}, \
             unanswered {unanswered})",
            self.total(),
        )
    }
}

impl AddAssign for Errors {
    fn add_assign(&mut self, other: Self) {
        self.bad_status += other.bad_status;
        self.bad_length += other.bad_length;
        self.bad_body += other.bad_body;
        self.bad_opcode += other.bad_opcode;
        self.bad_order += other.bad_order;
        self.unexpected_close += other.unexpected_close;
        self.unanswered += other.unanswered;
    }
}

/// The stream can no longer be cut into answers: the connection is of no further use. Already
/// counted.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost;

/// Where the fields lie in a correct answer.
#[derive(Debug)]
struct Stencil {
    head_bytes: usize,
    /// The whole field line with the CRLF before and after it, and where it begins.
    length_line: Vec<u8>,
    length_line_at: usize,
}

impl Stencil {
    /// Whether `head`, which is as long as the stencil's, says 200 and the same length.
    fn fits(&self, head: &[u8]) -> bool {
        head.starts_with(STATUS_OK)
            && head[self.length_line_at..].starts_with(&self.length_line)
            && head.ends_with(HEAD_END)
    }
}

/// The body that is being received.
#[derive(Debug)]
struct Body {
    bytes_left: usize,
    sampled: bool,
    /// No difference seen so far.
    intact: bool,
}

/// Follows the answers on one connection.
#[derive(Debug)]
pub struct Verifier<'a> {
    expected: &'a [u8],
    stencil: Option<Stencil>,
    /// The beginning of a head, kept until the rest arrives.
    partial_head: Vec<u8>,
    body: Option<Body>,
    pending: usize,
    sample_interval: u32,
    until_sample: u32,
}

impl<'a> Verifier<'a> {
    /// A verifier for a new connection on which every answer should carry the body `expected`.
    #[must_use]
    pub fn new(expected: &'a [u8], content: Content) -> Self {
        Self {
            expected,
            stencil: None,
            partial_head: Vec::new(),
            body: None,
            pending: 0,
            sample_interval: match content {
                Content::Ignored => u32::MAX,
                Content::Sampled => SAMPLE_INTERVAL,
                Content::All => 1,
            },
            until_sample: 0,
        }
    }

    /// Notes that `count` requests went out.
    pub fn sent(&mut self, count: usize) {
        self.pending += count;
    }

    /// Requests not yet answered in full.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Bytes of one correct answer, head and body, once there was one.
    #[must_use]
    pub fn response_bytes(&self) -> Option<usize> {
        let stencil = self.stencil.as_ref()?;
        Some(stencil.head_bytes + self.expected.len())
    }

    /// Checks what arrived, adds to `errors`, and returns how many answers it completed, the faulty
    /// ones included.
    ///
    /// # Errors
    /// [`Lost`] when the bytes are no answer or belong to no request.
    pub fn feed(&mut self, mut bytes: &[u8], errors: &mut Errors) -> Result<usize, Lost> {
        let pending_before = self.pending;
        while !bytes.is_empty() {
            if let Some(body) = &mut self.body {
                let take = body.bytes_left.min(bytes.len());
                if body.sampled && body.intact {
                    let from = self.expected.len() - body.bytes_left;
                    body.intact = self.expected[from..from + take] == bytes[..take];
                }
                body.bytes_left -= take;
                bytes = &bytes[take..];
            } else {
                let read = self
                    .read_head(bytes, errors)
                    .inspect_err(|_| errors.bad_length += 1)?;
                bytes = &bytes[read..];
            }
            if self.body.as_ref().is_some_and(|body| body.bytes_left == 0) {
                let intact = self.body.take().is_some_and(|body| body.intact);
                errors.bad_body += u64::from(!intact);
                self.pending -= 1;
            }
        }
        Ok(pending_before - self.pending)
    }

    /// Reads a head, or the part of it that arrived, and returns its length in `bytes`.
    fn read_head(&mut self, bytes: &[u8], errors: &mut Errors) -> Result<usize, Lost> {
        if self.pending == 0 {
            return Err(Lost);
        }
        if self.partial_head.is_empty()
            && let Some(stencil) = &self.stencil
            && let Some(head) = bytes.get(..stencil.head_bytes)
            && stencil.fits(head)
        {
            let head_bytes = stencil.head_bytes;
            self.begin_body(self.expected.len());
            return Ok(head_bytes);
        }
        self.read_head_slowly(bytes, errors)
    }

    /// The way of the first head, of one cut in two, and of any that the stencil does not fit.
    fn read_head_slowly(&mut self, bytes: &[u8], errors: &mut Errors) -> Result<usize, Lost> {
        let had = self.partial_head.len();
        let take = bytes.len().min(HEAD_BYTES_MAX - had);
        self.partial_head.extend_from_slice(&bytes[..take]);
        let search_from = had.saturating_sub(HEAD_END.len() - 1);
        let Some(end) = find(&self.partial_head[search_from..], HEAD_END) else {
            let full = self.partial_head.len() == HEAD_BYTES_MAX;
            return if full { Err(Lost) } else { Ok(take) };
        };
        let head_bytes = search_from + end + HEAD_END.len();
        self.partial_head.truncate(head_bytes);
        let head = parse_head(&self.partial_head).ok_or(Lost)?;
        errors.bad_status += u64::from(head.status != 200);
        let right_length = head.content_length == self.expected.len()
            && self
                .stencil
                .as_ref()
                .is_none_or(|s| s.head_bytes == head_bytes);
        errors.bad_length += u64::from(!right_length);
        if self.stencil.is_none() && head.status == 200 && right_length {
            self.stencil = Some(Stencil {
                head_bytes,
                length_line: self.partial_head[head.length_line.clone()].to_vec(),
                length_line_at: head.length_line.start,
            });
        }
        self.partial_head.clear();
        self.begin_body(head.content_length);
        // A body of another length or status is counted already, and there is nothing to compare it
        // with.
        if let Some(body) = &mut self.body
            && (head.status != 200 || head.content_length != self.expected.len())
        {
            body.sampled = false;
        }
        Ok(head_bytes - had)
    }

    fn begin_body(&mut self, bytes_left: usize) {
        let sampled = self.until_sample == 0;
        self.until_sample = if sampled {
            self.sample_interval
        } else {
            self.until_sample
        } - 1;
        self.body = Some(Body {
            bytes_left,
            sampled,
            intact: true,
        });
    }
}

struct Head {
    status: u16,
    content_length: usize,
    length_line: Range<usize>,
}

/// The status and length of a whole head. `None` for anything but HTTP/1.1 with exactly one
/// `Content-Length`: a chunked answer is not what the scenarios ask for.
fn parse_head(head: &[u8]) -> Option<Head> {
    let rest = head.strip_prefix(b"HTTP/1.1 ")?;
    let (status, rest) = rest.split_at_checked(3)?;
    if !matches!(rest.first(), Some(b' ' | b'\r')) {
        return None;
    }
    let mut length = None;
    let mut line_at = find(head, b"\r\n")?;
    // `line_at` stands at the CRLF before the field line.
    while let Some(line_bytes) = find(&head[line_at + 2..], b"\r\n").filter(|&n| n > 0) {
        let line = &head[line_at + 2..][..line_bytes];
        let colon = line.iter().position(|&b| b == b':')?;
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            let value = parse_digits(line[colon + 1..].trim_ascii())?;
            let range = line_at..line_at + 2 + line_bytes + 2;
            if length.replace((value, range)).is_some() {
                return None;
            }
        }
        line_at += 2 + line_bytes;
    }
    let (content_length, length_line) = length?;
    let status = u16::try_from(parse_digits(status)?).ok()?;
    Some(Head {
        status,
        content_length,
        length_line,
    })
}

/// The length of the body behind a whole head of status 200.
#[must_use]
pub fn content_length(head: &[u8]) -> Option<usize> {
    let head = parse_head(head)?;
    (head.status == 200).then_some(head.content_length)
}

fn parse_digits(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, digit| {
        let value = usize::from(digit.checked_sub(b'0').filter(|&v| v <= 9)?);
        number.checked_mul(10)?.checked_add(value)
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] =
        b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n\r\nhello";

    fn with(from: &str, to: &str) -> Vec<u8> {
        let good = std::str::from_utf8(GOOD).unwrap();
        assert!(good.contains(from));
        good.replace(from, to).into_bytes()
    }

    /// Feeds the answers in pieces of `cut` bytes, as the answers to `count` requests.
    fn check(answers: &[u8], count: usize, cut: usize) -> (Result<usize, Lost>, Errors) {
        let mut errors = Errors::default();
        let mut verifier = Verifier::new(b"hello", Content::Sampled);
        verifier.sent(count);
        let completed = answers
            .chunks(cut)
            .try_fold(0, |sum, piece| Ok(sum + verifier.feed(piece, &mut errors)?));
        (completed, errors)
    }

    /// Good answers around a `faulty` one, cut every possible way.
    fn check_after_good(faulty: &[u8]) -> (Result<usize, Lost>, Errors) {
        let stream = [GOOD, faulty, GOOD].concat();
        let whole = check(&stream, 3, stream.len());
        for cut in 1..stream.len() {
            assert_eq!(check(&stream, 3, cut), whole, "in pieces of {cut} bytes");
        }
        whole
    }

    #[test]
    fn good_answers_count_without_errors() {
        assert_eq!(check_after_good(GOOD), (Ok(3), Errors::default()));
    }

    #[test]
    fn another_date_is_no_error() {
        let faulty = with("08:49:37", "08:49:38");
        assert_eq!(check_after_good(&faulty), (Ok(3), Errors::default()));
    }

    #[test]
    fn wrong_status_is_an_error_first_or_later() {
        let expected = Errors {
            bad_status: 1,
            ..Errors::default()
        };
        // Of the same length as `200 OK`, shorter, and in another place than the stencil compares
        // last.
        for reason in ["404 No", "500 ", "204 OK", "201 OK"] {
            let faulty = with("200 OK", reason);
            assert_eq!(
                check(&faulty, 1, faulty.len()),
                (Ok(1), expected),
                "{reason}"
            );
            let (completed, errors) = check_after_good(&faulty);
            assert_eq!((completed, errors.bad_status), (Ok(3), 1), "{reason}");
        }
    }

    #[test]
    fn wrong_length_is_an_error_first_or_later() {
        let expected = Errors {
            bad_length: 1,
            ..Errors::default()
        };
        for faulty in [
            with("Length: 5\r\n\r\nhello", "Length: 4\r\n\r\nhell"),
            with("Length: 5\r\n\r\nhello", "Length: 0\r\n\r\n"),
            with("Length: 5\r\n\r\nhello", "Length: 12\r\n\r\nhello hello!"),
        ] {
            assert_eq!(check(&faulty, 1, faulty.len()), (Ok(1), expected));
            assert_eq!(check_after_good(&faulty), (Ok(3), expected));
        }
    }

    #[test]
    fn a_head_of_another_length_is_an_error_after_the_first() {
        let faulty = with("Date: ", "Server: x\r\nDate: ");
        let expected = Errors {
            bad_length: 1,
            ..Errors::default()
        };
        assert_eq!(check_after_good(&faulty), (Ok(3), expected));
    }

    #[test]
    fn fields_in_another_order_are_no_error() {
        let (date, length) = ("Date: Sun, 06 Nov 1994 08:49:37 GMT", "Content-Length: 5");
        let other = with(
            &format!("{date}\r\n{length}"),
            &format!("{length}\r\n{date}"),
        );
        assert_eq!(check_after_good(&other), (Ok(3), Errors::default()));
    }

    #[test]
    fn what_cannot_be_framed_is_lost() {
        for faulty in [
            with("Content-Length: 5", "Content-Length: +5"),
            with("Content-Length: 5", "Content-Length: "),
            with("Content-Length: 5", "Content-Length: 99999999999999999999"),
            with(
                "Content-Length: 5",
                "Content-Length: 5\r\nContent-Length: 5",
            ),
            with("Content-Length: 5", "Transfer-Encoding: chunked"),
            with("HTTP/1.1", "HTTP/1.0"),
            with("200", "20"),
            vec![b'x'; HEAD_BYTES_MAX],
        ] {
            let (completed, errors) = check(&faulty, 1, faulty.len());
            assert_eq!((completed, errors.bad_length), (Err(Lost), 1));
        }
    }

    #[test]
    fn an_answer_nobody_asked_for_is_lost() {
        let (completed, errors) = check(&[GOOD, GOOD].concat(), 1, usize::MAX);
        assert_eq!((completed, errors.bad_length), (Err(Lost), 1));
        let (completed, errors) = check(&[GOOD, b"\r\n"].concat(), 1, usize::MAX);
        assert_eq!((completed, errors.bad_length), (Err(Lost), 1));
    }

    #[test]
    fn a_truncated_answer_stays_pending() {
        let mut errors = Errors::default();
        let mut verifier = Verifier::new(b"hello", Content::Sampled);
        verifier.sent(1);
        assert_eq!(verifier.feed(&GOOD[..GOOD.len() - 1], &mut errors), Ok(0));
        assert_eq!((verifier.pending(), errors), (1, Errors::default()));
    }

    #[test]
    fn the_first_body_and_one_in_61_are_compared() {
        let bad = with("hello", "hellO");
        let (completed, errors) = check(&bad, 1, 7);
        assert_eq!((completed, errors.bad_body), (Ok(1), 1));
        let (completed, errors) = check(&bad.repeat(610), 610, 1000);
        assert_eq!((completed, errors.bad_body), (Ok(610), 10));
        let mut errors = Errors::default();
        let mut verifier = Verifier::new(b"hello", Content::All);
        verifier.sent(610);
        assert_eq!(verifier.feed(&bad.repeat(610), &mut errors), Ok(610));
        assert_eq!(errors.bad_body, 610);
        const { assert!(SAMPLE_INTERVAL <= 100, "at least one per cent") };
    }

    #[test]
    fn response_bytes_are_known_after_the_first_answer() {
        let mut errors = Errors::default();
        let mut verifier = Verifier::new(b"hello", Content::Sampled);
        assert_eq!(verifier.response_bytes(), None);
        verifier.sent(1);
        assert_eq!(verifier.feed(GOOD, &mut errors), Ok(1));
        assert_eq!(verifier.response_bytes(), Some(GOOD.len()));
    }
}
