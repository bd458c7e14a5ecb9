//! Answers, RFC 9112 sections 4 to 7: appended to a buffer piece by piece.

/// The reason phrase of a status code; empty for one that has no registered phrase.
pub const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Whether an answer of this status never has content (RFC 9110 sections 6.4.1 and 15.3.6).
pub const fn is_bodiless(status: u16) -> bool {
    status < 200 || status == 204 || status == 205 || status == 304
}

/// `HTTP/1.1 200 OK` and CRLF. `status` has three digits.
#[inline]
pub fn status_line(out: &mut Vec<u8>, status: u16) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// One header line. The caller has checked both parts.
#[inline]
pub fn header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// `Content-Length: N`, CRLF.
#[inline]
pub fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    decimal_then(out, length, *b"\r\n");
}

/// The line before a chunk's data. `size` is not 0: that would end the body.
pub fn chunk_size(out: &mut Vec<u8>, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut shift = (usize::BITS - 1 - (size | 1).leading_zeros()) / 4 * 4;
    loop {
        out.push(DIGITS[size >> shift & 15]);
        if shift == 0 {
            break;
        }
        shift -= 4;
    }
    out.extend_from_slice(b"\r\n");
}

/// What ends a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A number in decimal digits.
#[inline]
pub fn decimal(out: &mut Vec<u8>, value: u64) {
    decimal_then(out, value, []);
}

/// A number in decimal digits, and what follows it, of at most four bytes.
#[inline]
pub fn decimal_then<const N: usize>(out: &mut Vec<u8>, mut value: u64, then: [u8; N]) {
    const DIGITS: usize = 20;
    const BYTES: usize = 24;
    const { assert!(N <= BYTES - DIGITS, "a number has up to 20 digits") };
    // The digits come from behind, and what follows them has its place: nothing has to know how
    // many there are. What is copied in the end always has one length, whatever is in it.
    let mut text = [0; DIGITS + BYTES];
    text[DIGITS..][..N].copy_from_slice(&then);
    let mut start = DIGITS;
    for digit in text[..DIGITS].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        start -= 1;
        if value == 0 {
            break;
        }
    }
    if let Some(number) = text[start..].first_chunk::<BYTES>() {
        append_short(out, number, DIGITS + N - start);
    }
}

/// Appends the first `len` bytes of an array. It is copied whole and cut, since a copy of a fixed
/// length is a few moves where one of any length is a call.
#[inline]
pub fn append_short<const N: usize>(out: &mut Vec<u8>, bytes: &[u8; N], len: usize) {
    let end = out.len() + len.min(N);
    out.extend_from_slice(bytes);
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines() {
        assert_eq!(text(|out| status_line(out, 200)), "HTTP/1.1 200 OK\r\n");
        assert_eq!(
            text(|out| status_line(out, 404)),
            "HTTP/1.1 404 Not Found\r\n"
        );
        assert_eq!(text(|out| status_line(out, 299)), "HTTP/1.1 299 \r\n");
        assert_eq!(text(|out| header(out, b"A", b"b")), "A: b\r\n");
        assert_eq!(text(|out| content_length(out, 0)), "Content-Length: 0\r\n");
        for size in [1, 9, 15, 16, 255, 256, 65_535, 65_536, usize::MAX] {
            assert_eq!(text(|out| chunk_size(out, size)), format!("{size:x}\r\n"));
            assert_eq!(text(|out| decimal(out, size as u64)), size.to_string());
        }
    }
}
