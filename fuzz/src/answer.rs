//! A strict reader of answers: it takes what the engine is meant to write, and nothing else.

use std::fmt;

/// One answer as it stands on the wire.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    /// What there is of the content.
    pub(crate) body: Vec<u8>,
    /// Bytes of the whole answer; `None` when it goes on behind the end of what there is.
    pub(crate) len: Option<usize>,
}

/// What the reader has to know besides the bytes.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    /// A HEAD asked for it.
    pub(crate) to_head: bool,
    /// Nothing follows: the end of an answer without a length.
    pub(crate) ended: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {:?} bytes", self.status, self.len)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "{}", self.body.escape_ascii())
    }
}

impl Answer {
    pub(crate) fn is_interim(&self) -> bool {
        self.status < 200
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let named = self.fields.iter().find(|(field, _)| field == name);
        named.map(|(_, value)| value.as_str())
    }

    pub(crate) fn announces_close(&self) -> bool {
        self.value("Connection") == Some("close")
    }

    /// What the engine writes when it answers by itself.
    pub(crate) fn is_plain(&self) -> bool {
        let reason = keirin::proto::http1::encode::reason(self.status);
        let text = format!("{} {reason}\n", self.status);
        let complete = self.len.is_some();
        self.body == text.as_bytes() || (!complete && text.as_bytes().starts_with(&self.body))
    }
}

/// Reads the answer at the front of `bytes`; `None` when its head is not whole.
///
/// # Panics
/// When it is not well formed.
pub(crate) fn read(bytes: &[u8], context: Context) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = str::from_utf8(&bytes[..end]).expect("nobody here sends other headers");
    assert!(!head.bytes().any(|byte| byte == 0));
    let mut lines = head.split("\r\n");
    let status = read_status(lines.next().unwrap_or_default());
    let mut answer = Answer {
        status,
        fields: lines.map(read_field).collect(),
        body: Vec::new(),
        len: None,
    };
    check_fields(&answer);
    let behind = &bytes[end + 4..];
    let (body, used) = match body_of(&answer, context) {
        Body::None => (Vec::new(), Some(0)),
        Body::Length(length) if length <= behind.len() => (behind[..length].to_vec(), Some(length)),
        Body::Length(_) => (behind.to_vec(), None),
        Body::Chunks => read_chunks(behind),
        Body::UntilEnd => (behind.to_vec(), context.ended.then_some(behind.len())),
    };
    answer.body = body;
    answer.len = used.map(|used| end + 4 + used);
    Some(answer)
}

fn read_status(line: &str) -> u16 {
    let rest = line.strip_prefix("HTTP/1.1 ").expect("a status line");
    let (status, reason) = rest.split_once(' ').expect("a status line");
    assert!(status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()));
    let status = status.parse().expect("three digits");
    assert_eq!(reason, keirin::proto::http1::encode::reason(status));
    status
}

fn read_field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(": ").expect("a field");
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    assert!(!name.is_empty() && name.bytes().all(is_token), "{line}");
    assert!(
        !value.bytes().any(|byte| byte < b' ' && byte != b'\t'),
        "{line}"
    );
    (name.to_owned(), value.to_owned())
}

/// The fields that the engine writes come once, and only where they may stand (RFC 9112 section 6).
fn check_fields(answer: &Answer) {
    let count = |name: &str| {
        let named = answer
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.count()
    };
    let (lengths, codings) = (count("Content-Length"), count("Transfer-Encoding"));
    assert!(lengths + codings <= 1, "framed twice: {answer}");
    assert!(count("Connection") <= 1);
    if answer.is_interim() {
        assert!(answer.fields.is_empty(), "{answer}");
    } else {
        // An app may say it more than once.
        assert!(count("Date") >= 1, "{answer}");
    }
    if answer.status == 204 {
        assert_eq!(lengths + codings, 0, "RFC 9110 section 8.6");
    }
}

enum Body {
    None,
    Length(usize),
    Chunks,
    UntilEnd,
}

fn body_of(answer: &Answer, context: Context) -> Body {
    if answer.is_interim() || matches!(answer.status, 204 | 304) || context.to_head {
        return Body::None;
    }
    if let Some(coding) = answer.value("Transfer-Encoding") {
        assert_eq!(coding, "chunked");
        return Body::Chunks;
    }
    match answer.value("Content-Length") {
        Some(digits) => {
            let length: usize = digits.parse().expect("a length");
            assert_eq!(length.to_string(), digits);
            Body::Length(length)
        }
        None => {
            assert!(answer.announces_close(), "no length, and no end: {answer}");
            Body::UntilEnd
        }
    }
}

/// The content, and the bytes that it took when it is whole.
fn read_chunks(bytes: &[u8]) -> (Vec<u8>, Option<usize>) {
    let mut content = Vec::new();
    let mut at = 0;
    while let Some(end) = bytes[at..].windows(2).position(|pair| pair == b"\r\n") {
        let digits = str::from_utf8(&bytes[at..at + end]).expect("a chunk's size");
        let size = usize::from_str_radix(digits, 16).expect("a chunk's size");
        assert_eq!(format!("{size:x}"), digits);
        at += end + 2;
        let data = &bytes[at..bytes.len().min(at + size)];
        let line_end = &bytes[at + data.len()..bytes.len().min(at + size + 2)];
        assert!(
            b"\r\n".starts_with(line_end),
            "a chunk longer than its size"
        );
        content.extend_from_slice(data);
        at += data.len() + line_end.len();
        if line_end.len() < 2 {
            return (content, None);
        }
        if size == 0 {
            return (content, Some(at));
        }
    }
    (content, None)
}
