//! Shorthand for request bytes. Only what a case is about should be visible in the case.

/// Joins pieces of bytes.
pub(crate) fn join(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// A request with this request line, a Host and nothing else.
pub(crate) fn line(line: impl AsRef<[u8]>) -> Vec<u8> {
    join(&[line.as_ref(), b"\r\nHost: a\r\n\r\n"])
}

/// `GET /fields` with a Host and these field lines, each with its CRLF. Answered with the fields
/// as the application saw them.
pub(crate) fn fields(fields: impl AsRef<[u8]>) -> Vec<u8> {
    join(&[
        b"GET /fields HTTP/1.1\r\nHost: a\r\n",
        fields.as_ref(),
        b"\r\n",
    ])
}

/// `GET /` with exactly these field lines (no Host of its own).
pub(crate) fn bare(fields: impl AsRef<[u8]>) -> Vec<u8> {
    join(&[b"GET / HTTP/1.1\r\n", fields.as_ref(), b"\r\n"])
}

/// `POST /` with a Host, these field lines and these bytes after the head.
pub(crate) fn post(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    join(&[
        b"POST / HTTP/1.1\r\nHost: a\r\n",
        fields.as_ref(),
        b"\r\n",
        body.as_ref(),
    ])
}

/// `POST /` with `Content-Length: value` and these bytes after the head.
pub(crate) fn length(value: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    post(join(&[b"Content-Length: ", value.as_ref(), b"\r\n"]), body)
}

/// `POST /` with `Transfer-Encoding: value` and these bytes after the head.
pub(crate) fn coding(value: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    post(
        join(&[b"Transfer-Encoding: ", value.as_ref(), b"\r\n"]),
        body,
    )
}

/// `POST /` with a chunked body made of these bytes.
pub(crate) fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    coding("chunked", body)
}

/// A chunked `POST /` of one chunk `hello` whose size line is this (without its CRLF).
pub(crate) fn size_line(line: impl AsRef<[u8]>) -> Vec<u8> {
    chunked(join(&[line.as_ref(), b"\r\nhello\r\n0\r\n\r\n"]))
}

/// A chunked `POST /` of `hello` with this trailer section (without the empty line).
pub(crate) fn trailers(section: impl AsRef<[u8]>) -> Vec<u8> {
    chunked(join(&[b"5\r\nhello\r\n0\r\n", section.as_ref(), b"\r\n"]))
}

/// A POST's fields with both ways to frame a body, the length first.
pub(crate) fn length_and_coding(length: impl std::fmt::Display) -> String {
    format!("Content-Length: {length}\r\n{CODING}")
}

/// The same, the coding first.
pub(crate) fn coding_and_length(length: impl std::fmt::Display) -> String {
    format!("{CODING}Content-Length: {length}\r\n")
}

/// The field line that says that a body is chunked.
pub(crate) const CODING: &str = "Transfer-Encoding: chunked\r\n";

/// A whole chunked body that says `hello`.
pub(crate) const CHUNKED_HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

/// A plain request.
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request that must never be served when it stands where a body or garbage was sent.
pub(crate) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Percent, backslash and x escapes for bytes in names of generated cases.
pub(crate) fn label(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("'{}'", char::from(byte))
    } else {
        format!("0x{byte:02x}")
    }
}
