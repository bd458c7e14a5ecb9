//! Request heads, RFC 9112 sections 2 to 5: httparse for the fast path, and the checks that it
//! leaves to its caller.

use std::mem::MaybeUninit;

pub use httparse::Header;

use super::framing::{self, Framing};
use super::target;
use super::token::is_token_byte;
use crate::proto::ProtocolError;

/// Limits on one request head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of request line and headers, the empty line included.
    pub head_bytes_max: usize,
    /// Header lines; at most [`HEADERS_CAP`].
    pub header_count_max: usize,
    /// Bytes of the request target.
    pub target_bytes_max: usize,
}

/// The most header lines that any limit can allow.
pub const HEADERS_CAP: usize = 256;

/// Room for the headers of one head, left uninitialised.
pub type HeaderSlots<'a> = [MaybeUninit<Header<'a>>; HEADERS_CAP];

/// Slots for one call of [`parse`].
pub const fn header_slots<'a>() -> HeaderSlots<'a> {
    [const { MaybeUninit::uninit() }; HEADERS_CAP]
}

/// A request head that passed every check, still in the buffer it arrived in.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method as sent; case matters (RFC 9110 section 9.1).
    pub method: &'a str,
    /// The target as sent.
    pub target: &'a str,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub version_minor: u8,
    /// The headers in the order of their arrival, names as sent, values without the white space
    /// around them.
    pub headers: &'a [Header<'a>],
    /// What the headers say of the message's framing.
    pub framing: Framing,
}

/// Parses one request head at the front of `bytes`.
///
/// Returns the head and its length in bytes, or `None` when `bytes` ends before the head does.
/// The outcome is a function of the bytes alone: fed with a growing prefix, it changes from `None`
/// to one result and stays there.
///
/// # Errors
/// The first thing in the order of the bytes that breaks RFC 9112 or a limit.
pub fn parse<'a>(
    bytes: &'a [u8],
    slots: &'a mut HeaderSlots<'a>,
    limits: &HeadLimits,
) -> Result<Option<(Head<'a>, usize)>, ProtocolError> {
    let clipped = bytes.len() >= limits.head_bytes_max;
    let bytes = if clipped {
        &bytes[..limits.head_bytes_max]
    } else {
        bytes
    };
    let mut request = httparse::Request::new(&mut []);
    let slots = &mut slots[..limits.header_count_max];
    match request.parse_with_uninit_headers(bytes, slots) {
        Ok(httparse::Status::Complete(len)) => finish(request, &bytes[..len], limits).map(Some),
        Ok(httparse::Status::Partial) => match unfinished_target_len(bytes) {
            Some(len) if len > limits.target_bytes_max => Err(ProtocolError::TargetTooLong),
            _ if clipped => Err(ProtocolError::HeadTooLarge),
            _ => Ok(None),
        },
        Err(error) => Err(explain(error, bytes, limits)),
    }
}

fn finish<'a>(
    request: httparse::Request<'a, 'a>,
    bytes: &'a [u8],
    limits: &HeadLimits,
) -> Result<(Head<'a>, usize), ProtocolError> {
    let (Some(method), Some(target), Some(version_minor)) =
        (request.method, request.path, request.version)
    else {
        return Err(ProtocolError::RequestLine);
    };
    if target.len() > limits.target_bytes_max {
        return Err(ProtocolError::TargetTooLong);
    }
    let headers: &'a [Header<'a>] = request.headers;
    if has_bare_line_feed(method, target, headers, bytes) {
        return Err(ProtocolError::Header);
    }
    target::check(method, target)?;
    let framing = framing::check(method, version_minor, headers)?;
    Ok((
        Head {
            method,
            target,
            version_minor,
            headers,
            framing,
        },
        bytes.len(),
    ))
}

/// httparse takes a lone LF for a line end, as RFC 9112 section 2.2 lets a recipient do. Others on
/// the path may not, so it is refused here: every line is looked at where it ends.
fn has_bare_line_feed(method: &str, target: &str, headers: &[Header<'_>], bytes: &[u8]) -> bool {
    /// ` HTTP/1.1`
    const VERSION_LEN: usize = 9;
    let end = |part: &[u8]| part.as_ptr().addr() - bytes.as_ptr().addr() + part.len();
    let is_cr = |at: usize| bytes.get(at) == Some(&b'\r');
    let start = end(method.as_bytes()) - method.len();
    let empty_lines = bytes[..start].chunks(2).all(|line| line == b"\r\n");
    let request_line = is_cr(end(target.as_bytes()) + VERSION_LEN);
    let header_lines = headers.iter().all(|header| {
        let end = end(header.value);
        // White space behind a value is not part of it.
        is_cr(end)
            || is_cr(
                end + bytes[end..]
                    .iter()
                    .take_while(|&&b| b == b' ' || b == b'\t')
                    .count(),
            )
    });
    !(empty_lines && request_line && header_lines && is_cr(bytes.len() - 2))
}

/// The length so far of a target whose end has not arrived.
fn unfinished_target_len(bytes: &[u8]) -> Option<usize> {
    let line = skip_empty_lines(bytes);
    let start = memchr::memchr(b' ', line)? + 1;
    let target = &line[start..];
    memchr::memchr3(b' ', b'\r', b'\n', target)
        .is_none()
        .then_some(target.len())
}

fn skip_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Turns httparse's refusal into the precise error.
#[cold]
fn explain(error: httparse::Error, bytes: &[u8], limits: &HeadLimits) -> ProtocolError {
    let line = skip_empty_lines(bytes);
    let method = line.iter().take_while(|&&byte| is_token_byte(byte)).count();
    // A target over its limit was so before anything behind it was wrong.
    if method > 0 && line.get(method) == Some(&b' ') {
        let target = line[method + 1..]
            .iter()
            .take_while(|&&byte| byte > b' ' && byte != 0x7f);
        if target.count() > limits.target_bytes_max {
            return ProtocolError::TargetTooLong;
        }
    }
    match error {
        httparse::Error::TooManyHeaders => ProtocolError::HeadTooLarge,
        httparse::Error::Version if is_other_version(line) => ProtocolError::Version,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => ProtocolError::Header,
        _ => ProtocolError::RequestLine,
    }
}

/// Whether the request line ends in a well-formed version (RFC 9112 section 2.3).
fn is_other_version(line: &[u8]) -> bool {
    let end = memchr::memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    let mut words = line[..end].split(|&byte| byte == b' ');
    let version = words.nth(2);
    // The bytes may end in the middle of the version: what stands there already is not 1.0 or 1.1.
    let shape = b"HTTP/d.d";
    version.is_some_and(|version| {
        let fits = |(&byte, &shape): (&u8, &u8)| match shape {
            b'd' => byte.is_ascii_digit(),
            _ => byte == shape,
        };
        version.len() <= shape.len() && version.iter().zip(shape).all(fits)
    }) && words.next().is_none()
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
        let mut slots = header_slots();
        parse(bytes, &mut slots, &LIMITS).map(|parsed| parsed.map(|(_, len)| len))
    }

    /// Whole and as a growing prefix: the first answer is the last.
    fn check(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let whole = outcome(bytes);
        let grown = (0..=bytes.len()).map(|len| outcome(&bytes[..len]));
        let first = grown
            .into_iter()
            .find(|outcome| *outcome != Ok(None))
            .unwrap_or(Ok(None));
        assert_eq!(whole, first, "cut: {:?}", bytes.escape_ascii().to_string());
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
            ("GET / http/1.1\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET /\r\n\r\n", Err(E::RequestLine)),
            ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("G\"T / HTTP/1.1\r\nHost: x\r\n\r\n", Err(E::RequestLine)),
            ("GET / HTTP/1.1\r\n\r\n", Err(E::Host)),
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
