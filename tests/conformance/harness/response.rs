//! A strict reader of answers: what a client may rely on, nothing guessed.

/// One answer as it stood on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The values of a field, in order.
    pub(crate) fn values<'a>(&'a self, name: &str) -> Vec<&'a str> {
        let matching = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name));
        matching.map(|(_, value)| value.as_str()).collect()
    }

    /// The elements of a field whose value is a comma-separated list.
    pub(crate) fn elements<'a>(&'a self, name: &str) -> Vec<&'a str> {
        self.values(name)
            .into_iter()
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect()
    }

    pub(crate) fn announces_close(&self) -> bool {
        self.elements("connection")
            .iter()
            .any(|option| option.eq_ignore_ascii_case("close"))
    }

    pub(crate) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status)
    }
}

/// Reads all answers. `to_head` says of the n-th final answer whether a HEAD asked for it;
/// `closed` whether the stream has ended, which is what delimits a body without a length.
pub(crate) fn parse_all(
    bytes: &[u8],
    closed: bool,
    to_head: impl Fn(usize) -> bool,
) -> Result<Vec<Response>, String> {
    let mut reader = Reader { bytes, at: 0 };
    let mut responses = Vec::new();
    let mut finals = 0;
    while reader.at < bytes.len() {
        let start = reader.at;
        let response = reader.response(closed, to_head(finals)).map_err(|what| {
            format!(
                "answer {} (from byte {start}), byte {}: {what}",
                responses.len() + 1,
                reader.at
            )
        })?;
        finals += usize::from(!response.is_interim());
        responses.push(response);
    }
    Ok(responses)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn response(&mut self, closed: bool, to_head: bool) -> Result<Response, String> {
        let status = status_of(self.line()?)?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            fields.push(field_of(line)?);
        }
        let mut response = Response {
            status,
            fields,
            body: Vec::new(),
        };
        response.body = self.body(&response, closed, to_head)?;
        Ok(response)
    }

    /// RFC 9112 §6.3, the rules for an answer, in their order.
    fn body(
        &mut self,
        response: &Response,
        closed: bool,
        to_head: bool,
    ) -> Result<Vec<u8>, String> {
        let lengths = response.values("content-length");
        let codings = response.values("transfer-encoding");
        if lengths.len() > 1 || codings.len() > 1 {
            return Err("a framing field twice".into());
        }
        if !lengths.is_empty() && !codings.is_empty() {
            return Err("Content-Length beside Transfer-Encoding".into());
        }
        let unframed = response.is_interim() || response.status == 204;
        if unframed && !(lengths.is_empty() && codings.is_empty()) {
            return Err(format!(
                "a {} with a framing field (RFC 9110 §8.6)",
                response.status
            ));
        }
        let length = lengths.first().map(|value| decimal(value)).transpose()?;
        if unframed || to_head || response.status == 304 {
            return Ok(Vec::new());
        }
        match (codings.first(), length) {
            (Some(&"chunked"), _) => self.chunks(),
            (Some(coding), _) => Err(format!("Transfer-Encoding: {coding}")),
            (None, Some(length)) => Ok(self.take(length)?.to_vec()),
            (None, None) if closed => Ok(self.take(self.bytes.len() - self.at)?.to_vec()),
            (None, None) => Err("a body without a length on an open connection".into()),
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = std::str::from_utf8(line).map_err(|_| "chunk size is not text")?;
            if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(format!("chunk size {digits:?}"));
            }
            let size = usize::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(self.take(size)?);
            if !self.line()?.is_empty() {
                return Err("no CRLF after chunk data".into());
            }
        }
        match self.line()? {
            [] => Ok(body),
            line => Err(format!("trailer {:?}", line.escape_ascii().to_string())),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let left = &self.bytes[self.at..];
        let Some(taken) = left.get(..count) else {
            return Err(format!(
                "{count} bytes of body promised, {} came",
                left.len()
            ));
        };
        self.at += count;
        Ok(taken)
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let left = &self.bytes[self.at..];
        let Some(end) = left.iter().position(|&byte| byte == b'\n') else {
            return Err(format!(
                "an unfinished line {:?}",
                left.escape_ascii().to_string()
            ));
        };
        let line = left[..end]
            .strip_suffix(b"\r")
            .ok_or("a line that ends in a bare LF")?;
        if line.contains(&b'\r') {
            return Err("a bare CR".into());
        }
        self.at += end + 1;
        Ok(line)
    }
}

fn status_of(line: &[u8]) -> Result<u16, String> {
    let shown = || format!("status line {:?}", line.escape_ascii().to_string());
    let rest = line.strip_prefix(b"HTTP/1.1 ").ok_or_else(shown)?;
    let (code, reason) = rest.split_at_checked(3).ok_or_else(shown)?;
    // The space before the reason is not optional, even if the reason is empty.
    let reason = reason.strip_prefix(b" ").ok_or_else(shown)?;
    if !code.iter().all(u8::is_ascii_digit) || !reason.iter().all(|&byte| is_value_byte(byte)) {
        return Err(shown());
    }
    let code = code
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if (100..600).contains(&code) {
        Ok(code)
    } else {
        Err(shown())
    }
}

fn field_of(line: &[u8]) -> Result<(String, String), String> {
    let shown = || format!("field line {:?}", line.escape_ascii().to_string());
    let colon = line
        .iter()
        .position(|&byte| byte == b':')
        .ok_or_else(shown)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().all(|&byte| is_tchar(byte)) {
        return Err(shown());
    }
    if !value.iter().all(|&byte| is_value_byte(byte)) {
        return Err(shown());
    }
    let text = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect();
    Ok((text(name), text(value)))
}

fn decimal(value: &str) -> Result<usize, String> {
    if value.is_empty() || !value.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(format!("Content-Length: {value}"));
    }
    value
        .parse()
        .map_err(|_| format!("Content-Length: {value}"))
}

/// `tchar` of RFC 9110 §5.6.2.
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What a field value is made of, RFC 9110 §5.5.
pub(crate) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Response>, String> {
        parse_all(text.as_bytes(), false, |_| false)
    }

    #[test]
    fn reads_each_framing() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab\
                    HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
                    HTTP/1.1 204 \r\nA: b\r\n\r\n";
        let responses = parse(text).unwrap();
        let bodies: Vec<_> = responses
            .iter()
            .map(|response| response.body.as_slice())
            .collect();
        assert_eq!(bodies, [&b""[..], b"ab", b"abc", b""]);
        assert_eq!(responses[3].values("a"), ["b"]);
        let closed = parse_all(b"HTTP/1.1 200 OK\r\n\r\nrest", true, |_| false).unwrap();
        assert_eq!(closed[0].body, b"rest");
        let head = parse_all(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            false,
            |_| true,
        );
        assert_eq!(head.unwrap()[0].body, b"");
    }

    #[test]
    fn refuses_what_a_client_would_trip_over() {
        for (text, reason) in [
            ("HTTP/1.1 200\r\n\r\n", "status line"),
            ("HTTP/1.0 200 OK\r\n\r\n", "status line"),
            ("HTTP/1.1 20 OK\r\n\r\n", "status line"),
            ("HTTP/1.1 200 OK\n\r\n", "bare LF"),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "field line"),
            ("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "bare CR"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "promised"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
                "Content-Length",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
                "twice",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
                "beside",
            ),
            (
                "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
                "framing field",
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", "without a length"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
                "after chunk data",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n",
                "chunk size",
            ),
            ("hello", "unfinished line"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
