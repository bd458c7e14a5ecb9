//! A scan for request heads in their plain form: one space between the parts of the request line,
//! every line ended by CRLF, nothing before it. It gives up on anything else, and is nothing but
//! faster: [`head`](super::head) has what decides.

use super::head::{Found, HeadLimits, HeaderSpan, Line, Span};
use super::run::{self, LineEnds};
use super::token::is_blank;

/// What a request line ends with.
const VERSION_LEN: usize = b" HTTP/1.1\r\n".len();

/// Finds the parts of a whole head in plain form. `None` leaves it to the other reader; so do more
/// headers than there are slots.
#[inline]
pub(super) fn scan<'a>(
    bytes: &'a [u8],
    slots: &mut [HeaderSpan],
    limits: &HeadLimits,
) -> Option<Found<'a>> {
    let line = scan_line(bytes, limits)?;
    let start = line.method.len() + 1 + line.target.len() + VERSION_LEN;
    let (slots_left, len) = scan_headers(bytes, start, slots)?;
    Some(Found {
        line,
        header_count: slots.len() - slots_left as usize,
        len: len as usize,
    })
}

#[inline]
fn scan_line<'a>(bytes: &'a [u8], limits: &HeadLimits) -> Option<Line<'a>> {
    let (method, rest) = match bytes.strip_prefix(b"GET ") {
        // Nearly every request.
        Some(rest) => (&bytes[..3], rest),
        None => {
            let (method, rest) = bytes.split_at_checked(run::token(bytes))?;
            (method, rest.strip_prefix(b" ")?)
        }
    };
    let (target, rest) = rest.split_at_checked(run::target(rest))?;
    if method.is_empty() || target.is_empty() || target.len() > limits.target_bytes_max {
        return None;
    }
    // By `==` these are two comparisons, by `match` one a byte.
    let version = rest.first_chunk::<VERSION_LEN>()?;
    let version_minor = if version == b" HTTP/1.1\r\n" {
        1
    } else if version == b" HTTP/1.0\r\n" {
        0
    } else {
        return None;
    };
    Some(Line {
        method,
        target,
        version_minor,
    })
}

/// Finds the headers from `start` on: how many slots they leave, and the length of the head. By
/// itself, and with a small result, so that it has enough registers.
#[inline(never)]
fn scan_headers(bytes: &[u8], mut start: usize, slots: &mut [HeaderSpan]) -> Option<(u32, u32)> {
    let mut ends = LineEnds::new(bytes, start)?;
    let mut slots = slots.iter_mut();
    loop {
        let end = ends.next(bytes, start)?;
        if end == start {
            return Some((slots.len() as u32, end as u32 + 2));
        }
        let slot = slots.next()?;
        if usual_header(bytes, start, end, slot).is_none() {
            *slot = header(bytes, start, end)?;
        }
        start = end + 2;
    }
}

/// The header between `start` and its CRLF at `end`, whose bytes may all stand in a value: if its
/// name is short, one space is before its value and none behind.
#[inline]
fn usual_header(bytes: &[u8], start: usize, end: usize, slot: &mut HeaderSpan) -> Option<()> {
    let line = bytes.get(start..end)?;
    let name_len = run::usual_token(&bytes[start..], b':')?;
    let (first, last) = (line.get(name_len + 2)?, line.last()?);
    // In a line there is nothing below the space but the tab.
    if name_len == 0 || line[name_len + 1] != b' ' || *first <= b' ' || *last <= b' ' {
        return None;
    }
    // Part by part: a whole one would be put together by shifts, at twice the cost.
    slot.name = Span::new(start, start + name_len);
    slot.value = Span::new(start + name_len + 2, end);
    Some(())
}

/// The header of any form between `start` and its CRLF at `end`.
#[inline(never)]
fn header(bytes: &[u8], start: usize, end: usize) -> Option<HeaderSpan> {
    let name_end = start + run::token(&bytes[start..]);
    if name_end == start || bytes[name_end] != b':' {
        return None;
    }
    Some(HeaderSpan {
        name: Span::new(start, name_end),
        value: trimmed(bytes, name_end + 1, end),
    })
}

/// What is left of a value without the white space around it.
fn trimmed(bytes: &[u8], mut start: usize, mut end: usize) -> Span {
    while start < end && is_blank(bytes[start]) {
        start += 1;
    }
    while start < end && is_blank(bytes[end - 1]) {
        end -= 1;
    }
    Span::new(start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_form_is_taken() {
        const LIMITS: HeadLimits = HeadLimits {
            head_bytes_max: 400,
            header_count_max: 2,
            target_bytes_max: 10,
        };
        for (bytes, taken) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
            ("GET / HTTP/1.0\r\n\r\nGET", true),
            ("GET / HTTP/1.1\r\nA:\t\u{e9} \t\r\nB:\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nA: b\r\nB: c\r\nD: e\r\n\r\n", false),
            ("GET /123456789 HTTP/1.1\r\n\r\n", true),
            ("GET /1234567890 HTTP/1.1\r\n\r\n", false),
            ("\r\nGET / HTTP/1.1\r\n\r\n", false),
            ("GET  / HTTP/1.1\r\n\r\n", false),
            (" / HTTP/1.1\r\n\r\n", false),
            ("GET /# HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\n\r\n", false),
            ("GET / HTTP/1.1\r\nA: b\n\r\n", false),
            ("GET / HTTP/1.1\r\nA : b\r\n\r\n", false),
            ("GET / HTTP/1.1\r\n: b\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nA: \0\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nA: b\r\n\rX", false),
            ("GET / HTTP/1.1\r\nA: b\r\n", false),
            ("", false),
        ] {
            let mut slots = [HeaderSpan::default(); LIMITS.header_count_max];
            let found = scan(bytes.as_bytes(), &mut slots, &LIMITS);
            assert_eq!(found.is_some(), taken, "{bytes:?}");
        }
    }
}
