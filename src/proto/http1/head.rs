//! Request heads, RFC 9112 sections 2 to 5.
//!
//! Two readers: a scan for the plain form that nearly every request has (in `plain.rs`), and
//! httparse for everything else, among it whatever is incomplete or wrong. The scan accepts
//! only what httparse accepts, with the same result, so it decides nothing but the time it takes.

use std::mem::MaybeUninit;

use super::framing::{self, Framing};
use super::target;
use super::token::is_token_byte;
use super::{plain, token};
use crate::proto::ProtocolError;

/// Limits on one request head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of request line and headers, the empty line included; at most [`HEAD_BYTES_CAP`].
    pub head_bytes_max: usize,
    /// Header lines; at most [`HEADERS_CAP`].
    pub header_count_max: usize,
    /// Bytes of the request target.
    pub target_bytes_max: usize,
}

/// The most bytes that any limit can allow: positions in a head are kept in 16 bits.
pub const HEAD_BYTES_CAP: usize = 1 << 16;

/// The most header lines that any limit can allow.
pub const HEADERS_CAP: usize = 256;

/// Where a part of a head stands in its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end < HEAD_BYTES_CAP);
        Self {
            start: start as u16,
            end: end as u16,
        }
    }

    fn len(self) -> usize {
        usize::from(self.end).wrapping_sub(usize::from(self.start))
    }

    #[inline]
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        match bytes.get(usize::from(self.start)..usize::from(self.end)) {
            Some(part) => part,
            None => none(),
        }
    }
}

/// The part that a span has in other bytes than its own. A function, and cold, so that [`Span::of`]
/// is made of jumps that are never taken.
#[cold]
fn none<'a>() -> &'a [u8] {
    &[]
}

/// A header's name and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderSpan {
    pub(super) name: Span,
    pub(super) value: Span,
}

/// Where the parts of a head stand: room that is used again for every head.
#[derive(Clone, Debug, Default)]
pub struct HeaderSlots(Vec<HeaderSpan>);

impl HeaderSlots {
    /// As many slots as there may be headers. What is in them is of heads before.
    #[inline]
    fn room(&mut self, limits: &HeadLimits) -> &mut [HeaderSpan] {
        if self.0.len() != limits.header_count_max {
            self.0
                .resize(limits.header_count_max, HeaderSpan::default());
        }
        &mut self.0
    }
}

/// The parts of a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version_minor: u8,
}

/// The parts of a whole head; those of its headers are in the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) line: Line<'a>,
    pub(super) header_count: usize,
    pub(super) len: usize,
}

/// A request head that passed every check, still in the buffer it arrived in.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    bytes: &'a [u8],
    method: &'a [u8],
    target: &'a [u8],
    version_minor: u8,
    headers: &'a [HeaderSpan],
    framing: Framing,
}

impl<'a> Head<'a> {
    /// The method as sent; case matters (RFC 9110 section 9.1).
    #[inline]
    pub fn method(&self) -> &'a [u8] {
        self.method
    }

    /// The target as sent: ASCII.
    #[inline]
    pub fn target(&self) -> &'a [u8] {
        self.target
    }

    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub fn version_minor(&self) -> u8 {
        self.version_minor
    }

    /// The headers in the order of their arrival: names as sent, which are ASCII, and values
    /// without the white space around them.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (bytes, headers) = (self.bytes, self.headers);
        headers
            .iter()
            .map(move |header| (header.name.of(bytes), header.value.of(bytes)))
    }

    /// What the headers say of the message's framing.
    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Bytes of the head, its empty line included.
    #[expect(clippy::len_without_is_empty, reason = "no head is empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Parses one request head at the front of `bytes`.
///
/// Returns the head, or `None` when `bytes` ends before it does. The outcome is a function of the
/// bytes alone: fed with a growing prefix, it changes from `None` to one result and stays there.
///
/// # Errors
/// The first thing in the order of the bytes that breaks RFC 9112 or a limit.
#[inline]
pub fn parse<'a>(
    bytes: &'a [u8],
    slots: &'a mut HeaderSlots,
    limits: &HeadLimits,
) -> Result<Option<Head<'a>>, ProtocolError> {
    let clipped = bytes.len() >= limits.head_bytes_max;
    let bytes = if clipped {
        &bytes[..limits.head_bytes_max]
    } else {
        bytes
    };
    let slots = slots.room(limits);
    let found = match plain::scan(bytes, slots, limits) {
        Some(found) => found,
        None => match thorough(bytes, slots, limits, clipped)? {
            Some(found) => found,
            None => return Ok(None),
        },
    };
    let Found {
        line: Line {
            method,
            target,
            version_minor,
        },
        header_count,
        len,
    } = found;
    target::check(method, target)?;
    let (bytes, headers) = (&bytes[..len], &slots[..header_count]);
    let pairs = headers
        .iter()
        .filter(|header| framing::is_length_of_interest(header.name.len()))
        .map(|header| (header.name.of(bytes), header.value))
        .filter(|(name, _)| framing::is_initial_of_interest(name))
        .map(|(name, value)| (name, value.of(bytes)));
    let framing = framing::check(method, version_minor, pairs)?;
    Ok(Some(Head {
        bytes,
        method,
        target,
        version_minor,
        headers,
        framing,
    }))
}

/// Reads a head of any form.
#[cold]
fn thorough<'a>(
    bytes: &'a [u8],
    slots: &mut [HeaderSpan],
    limits: &HeadLimits,
    clipped: bool,
) -> Result<Option<Found<'a>>, ProtocolError> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_CAP];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers[..limits.header_count_max]) {
        Ok(httparse::Status::Complete(len)) => {
            let found = spans(&request, &bytes[..len], slots)?;
            let Line { target, .. } = found.line;
            if target.len() > limits.target_bytes_max {
                return Err(ProtocolError::TargetTooLong);
            }
            if has_bare_line_feed(found.line, &slots[..found.header_count], &bytes[..len]) {
                return Err(ProtocolError::Header);
            }
            if !target.iter().all(|&byte| token::is_target_byte(byte)) {
                return Err(ProtocolError::Target);
            }
            Ok(Some(found))
        }
        Ok(httparse::Status::Partial) => match target_len(bytes) {
            Some(len) if len > limits.target_bytes_max => Err(ProtocolError::TargetTooLong),
            _ if clipped => Err(ProtocolError::HeadTooLarge),
            _ => Ok(None),
        },
        Err(error) => match explain(error, bytes, limits) {
            Some(error) => Err(error),
            None if clipped => Err(ProtocolError::HeadTooLarge),
            None => Ok(None),
        },
    }
}

/// What httparse has found, and where its headers stand in the bytes.
fn spans<'a>(
    request: &httparse::Request<'_, 'a>,
    bytes: &'a [u8],
    slots: &mut [HeaderSpan],
) -> Result<Found<'a>, ProtocolError> {
    let (Some(method), Some(target), Some(version_minor)) =
        (request.method, request.path, request.version)
    else {
        return Err(ProtocolError::RequestLine);
    };
    let span = |part: &[u8]| {
        let start = position(part, bytes);
        Span::new(start, start + part.len())
    };
    for (slot, header) in slots.iter_mut().zip(request.headers.iter()) {
        *slot = HeaderSpan {
            name: span(header.name.as_bytes()),
            value: span(header.value),
        };
    }
    let line = Line {
        method: method.as_bytes(),
        target: target.as_bytes(),
        version_minor,
    };
    Ok(Found {
        line,
        header_count: request.headers.len(),
        len: bytes.len(),
    })
}

/// Where a part of `bytes` begins.
fn position(part: &[u8], bytes: &[u8]) -> usize {
    part.as_ptr().addr() - bytes.as_ptr().addr()
}

/// httparse takes a lone LF for a line end, as RFC 9112 section 2.2 lets a recipient do. Others on
/// the path may not, so it is refused here: every line is looked at where it ends.
fn has_bare_line_feed(line: Line<'_>, headers: &[HeaderSpan], bytes: &[u8]) -> bool {
    /// ` HTTP/1.1`
    const VERSION_LEN: usize = 9;
    let is_cr = |at: usize| bytes.get(at) == Some(&b'\r');
    let empty_lines = &bytes[..position(line.method, bytes)];
    let target_end = position(line.target, bytes) + line.target.len();
    let header_lines = headers.iter().all(|header| {
        // White space behind a value is not part of it.
        let end = usize::from(header.value.end);
        is_cr(
            end + bytes[end..]
                .iter()
                .take_while(|&&byte| token::is_blank(byte))
                .count(),
        )
    });
    !(empty_lines.chunks(2).all(|line| line == b"\r\n")
        && is_cr(target_end + VERSION_LEN)
        && header_lines
        && is_cr(bytes.len() - 2))
}

/// The length of the target, or of what has arrived of it.
fn target_len(bytes: &[u8]) -> Option<usize> {
    let line = skip_empty_lines(bytes);
    let start = memchr::memchr(b' ', line)? + 1;
    let target = &line[start..];
    Some(memchr::memchr3(b' ', b'\r', b'\n', target).unwrap_or(target.len()))
}

fn skip_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Turns httparse's refusal into the precise error; `None` where that depends on bytes to come.
#[cold]
fn explain(error: httparse::Error, bytes: &[u8], limits: &HeadLimits) -> Option<ProtocolError> {
    let line = skip_empty_lines(bytes);
    let method = line.iter().take_while(|&&byte| is_token_byte(byte)).count();
    // A target over its limit was so before anything behind it was wrong.
    if method > 0 && line.get(method) == Some(&b' ') {
        let is_target = |byte: u8| byte > b' ' && byte != 0x7f;
        let target = line[method + 1..]
            .iter()
            .take_while(|&&byte| is_target(byte))
            .count();
        if target > limits.target_bytes_max {
            return Some(ProtocolError::TargetTooLong);
        }
        if error == httparse::Error::Version {
            return explain_version(line.get(method + target + 2..).unwrap_or_default());
        }
    }
    Some(match error {
        httparse::Error::TooManyHeaders => ProtocolError::HeadTooLarge,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => ProtocolError::Header,
        _ => ProtocolError::RequestLine,
    })
}

/// A version that is neither 1.0 nor 1.1: another one (RFC 9112 section 2.3), none at all, or too
/// short yet to say.
fn explain_version(bytes: &[u8]) -> Option<ProtocolError> {
    const SHAPE: &[u8; 8] = b"HTTP/d.d";
    let fits = |(&byte, &shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    if !bytes.iter().zip(SHAPE).all(fits) {
        return Some(ProtocolError::RequestLine);
    }
    match bytes.get(SHAPE.len())? {
        b'\r' | b'\n' => Some(ProtocolError::Version),
        _ => Some(ProtocolError::RequestLine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        head_bytes_max: 400,
        header_count_max: 4,
        target_bytes_max: 40,
    };

    fn outcome(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let mut slots = HeaderSlots::default();
        let len = parse(bytes, &mut slots, &LIMITS).map(|head| head.map(|head| head.len()));
        assert_scan_agrees(bytes);
        len
    }

    /// What the scan accepts, httparse accepts, and both find the same.
    fn assert_scan_agrees(bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(LIMITS.head_bytes_max)];
        let (mut scanned, mut read) = (HeaderSlots::default(), HeaderSlots::default());
        let (scanned, read) = (scanned.room(&LIMITS), read.room(&LIMITS));
        if let Some(found) = plain::scan(bytes, scanned, &LIMITS) {
            assert_eq!(thorough(bytes, read, &LIMITS, false), Ok(Some(found)));
            assert_eq!(scanned, read);
        }
    }

    /// Whole and as a growing prefix: the first answer stays.
    fn check(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let whole = outcome(bytes);
        let mut verdict = Ok(None);
        for len in 0..=bytes.len() {
            let grown = outcome(&bytes[..len]);
            verdict = if verdict == Ok(None) { grown } else { verdict };
            assert_eq!(
                grown,
                verdict,
                "{len} of {:?}",
                bytes.escape_ascii().to_string()
            );
        }
        whole
    }

    #[test]
    fn heads_and_their_errors() {
        use ProtocolError as E;
        for (bytes, expected) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Ok(Some(27))),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /", Ok(Some(27))),
            ("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Ok(Some(29))),
            ("GET / HTTP/1.0\r\n\r\n", Ok(Some(18))),
            ("GET / HTTP/1.1\r\nHost: x\r\n", Ok(None)),
            ("GET / HTTP/1.1\nHost: x\r\n\r\n", Err(E::Header)),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", Err(E::Header)),
            ("GET / HTTP/1.1\r\nHost: x\r\n\n", Err(E::Header)),
            ("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Err(E::Header)),
            ("GET / HTTP/1.1\r\nHost: x\r\n a: b\r\n\r\n", Err(E::Header)),
            ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", Err(E::Header)),
            ("GET / HTTP/1.1\r\n: x\r\n\r\n", Err(E::Header)),
            ("GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n", Err(E::Header)),
            ("GET / HTTP/1.1\r\nHost: x\r\na: \0\r\n\r\n", Err(E::Header)),
            ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", Err(E::Version)),
            ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", Err(E::Version)),
            ("GET / HTTP/11\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET / HTTP/1\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET / HTTP/01.1\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET / HTTP/2.0x\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET / \r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET / http/1.1\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET /\r\n\r\n", Err(E::RequestLine)),
            ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("G\"T / HTTP/1.1\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET / HTTP/1.1\r\n\r\n", Err(E::Host)),
            ("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", Err(E::Target)),
            ("GET /\" HTTP/1.1\r\nHost: x\r\n\r\n", Err(E::Target)),
        ] {
            assert_eq!(check(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn each_limit_on_both_sides() {
        let target =
            |len: usize| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(len - 1));
        assert!(matches!(check(target(40).as_bytes()), Ok(Some(_))));
        assert_eq!(
            check(target(41).as_bytes()),
            Err(ProtocolError::TargetTooLong)
        );
        assert_eq!(
            check(target(900).as_bytes()),
            Err(ProtocolError::TargetTooLong)
        );

        let count = |n: usize| {
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
                "a: b\r\n".repeat(n - 1)
            )
        };
        assert!(matches!(check(count(4).as_bytes()), Ok(Some(_))));
        assert_eq!(check(count(5).as_bytes()), Err(ProtocolError::HeadTooLarge));

        let bytes = |len: usize| {
            let rest = "GET / HTTP/1.1\r\nHost: x\r\na: \r\n\r\n".len();
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\na: {}\r\n\r\n",
                "b".repeat(len - rest)
            )
        };
        assert_eq!(check(bytes(400).as_bytes()), Ok(Some(400)));
        assert_eq!(
            check(bytes(401).as_bytes()),
            Err(ProtocolError::HeadTooLarge)
        );
        let long_then_wrong = format!("GET /{} HTTP/1.1\r\nbad header\r\n\r\n", "a".repeat(60));
        assert_eq!(
            check(long_then_wrong.as_bytes()),
            Err(ProtocolError::TargetTooLong)
        );
    }
}
