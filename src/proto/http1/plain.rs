//! A scan for request heads in their plain form: one space between the parts of the request line,
//! every line ended by CRLF, nothing before it. It gives up on anything else, and is nothing but
//! faster: [`head`](super::head) has what decides.

use super::head::{HeadLimits, HeaderSpan, Line, Span};
use super::run;
use super::token::is_blank;

/// Finds the parts of a whole head in plain form; `None` leaves it to the other reader.
#[inline]
pub(super) fn scan(
    bytes: &[u8],
    headers: &mut Vec<HeaderSpan>,
    limits: &HeadLimits,
) -> Option<(Line, usize)> {
    headers.clear();
    let method_end = run::token(bytes);
    let target_start = method_end + 1;
    let target_end = target_start + run::target(bytes.get(target_start..)?);
    if method_end == 0 || bytes[method_end] != b' ' || target_end == target_start {
        return None;
    }
    let version_minor = match bytes[target_end..].first_chunk()? {
        b" HTTP/1.1\r\n" => 1,
        b" HTTP/1.0\r\n" => 0,
        _ => return None,
    };
    if target_end - target_start > limits.target_bytes_max {
        return None;
    }
    let line = Line {
        method: Span::new(0, method_end),
        target: Span::new(target_start, target_end),
        version_minor,
    };
    let mut at = target_end + b" HTTP/1.1\r\n".len();
    while *bytes.get(at)? != b'\r' {
        if headers.len() == limits.header_count_max {
            return None;
        }
        let (header, end) = scan_header(bytes, at)?;
        headers.push(header);
        at = end;
    }
    (*bytes.get(at + 1)? == b'\n').then_some((line, at + 2))
}

/// One header line that begins at `start`, and where the next begins.
#[inline]
fn scan_header(bytes: &[u8], start: usize) -> Option<(HeaderSpan, usize)> {
    let name_end = start + run::token(&bytes[start..]);
    if name_end == start || *bytes.get(name_end)? != b':' {
        return None;
    }
    let mut value_start = name_end + 1;
    while bytes.get(value_start).is_some_and(|&byte| is_blank(byte)) {
        value_start += 1;
    }
    let line_end = value_start + run::field(&bytes[value_start..]);
    if bytes[line_end..].first_chunk() != Some(b"\r\n") {
        return None;
    }
    let mut value_end = line_end;
    while value_end > value_start && is_blank(bytes[value_end - 1]) {
        value_end -= 1;
    }
    let (name, value) = (
        Span::new(start, name_end),
        Span::new(value_start, value_end),
    );
    Some((HeaderSpan { name, value }, line_end + 2))
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
            let found = scan(bytes.as_bytes(), &mut Vec::new(), &LIMITS);
            assert_eq!(found.is_some(), taken, "{bytes:?}");
        }
    }
}
