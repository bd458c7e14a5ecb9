//! A scan for request heads in their plain form: one space between the parts of the request line,
//! every line ended by CRLF, nothing before it. It gives up on anything else, and is nothing but
//! faster: [`head`](super::head) has what decides.

use super::head::{HeadLimits, HeaderSpan, Line, Span};
use super::token::{is_blank, is_field_byte, is_target_byte, is_token_byte};

/// Finds the parts of a whole head in plain form; `None` leaves it to the other reader.
#[inline]
pub(super) fn scan(
    bytes: &[u8],
    headers: &mut Vec<HeaderSpan>,
    limits: &HeadLimits,
) -> Option<(Line, usize)> {
    headers.clear();
    let method_end = count(bytes, is_token_byte);
    let target_start = method_end + 1;
    let target_end = target_start + count(bytes.get(target_start..)?, is_target_byte);
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
    let name_end = start + count(&bytes[start..], is_token_byte);
    if name_end == start || *bytes.get(name_end)? != b':' {
        return None;
    }
    let blanks = count(&bytes[name_end + 1..], is_blank);
    let value_start = name_end + 1 + blanks;
    let line_end = value_start + field_len(&bytes[value_start..]);
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

/// How many bytes at the front are of a class.
#[inline]
fn count(bytes: &[u8], class: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|&byte| !class(byte))
        .unwrap_or(bytes.len())
}

/// How many bytes at the front may stand in a field value. Eight at a time: in a word, bytes below
/// a bound and bytes equal to one are found by subtractions whose borrow ends up in the top bit of
/// the first such byte.
#[inline]
fn field_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(ONES * b' ' as u64) & !word;
        let delete = word ^ (ONES * 0x7f);
        let delete = delete.wrapping_sub(ONES) & !delete;
        let stop = (control | delete) & TOPS;
        if stop == 0 {
            at += size_of::<u64>();
            continue;
        }
        at += stop.trailing_zeros() as usize / 8;
        if bytes[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    at + count(&bytes[at..], is_field_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_value_ends_at_the_same_byte_however_it_is_counted() {
        for byte in 0..=u8::MAX {
            for len in 0..20 {
                for at in 0..len {
                    let mut value = vec![b'x'; len];
                    value[at] = byte;
                    value[len / 2] ^= 0x80;
                    assert_eq!(field_len(&value), count(&value, is_field_byte), "{value:?}");
                }
            }
        }
    }

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
