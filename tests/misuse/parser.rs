//! A small strict parser of answers. What it does not expect is a failure of the test.

/// One answer, its body without the framing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|header| header.0 == name);
        found.map(|header| header.1.as_str())
    }
}

/// Parses the answers to requests that were not HEAD.
///
/// # Panics
/// When the bytes are anything but whole answers, one behind the other.
pub(crate) fn answers(bytes: &[u8]) -> Vec<Answer> {
    let text = str::from_utf8(bytes).expect("the tests send ASCII");
    let mut rest = text;
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let (answer, behind) = answer(rest).unwrap_or_else(|| panic!("not an answer: {text:?}"));
        answers.push(answer);
        rest = behind;
    }
    answers
}

fn answer(text: &str) -> Option<(Answer, &str)> {
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next()?.strip_prefix("HTTP/1.1 ")?;
    let (status, reason) = status_line.split_once(' ')?;
    let status: u16 = status.parse().ok().filter(|_| status.len() == 3)?;
    let printable = reason.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        let name_ok = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let value_ok = value.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        if name.is_empty() || !name_ok || !value_ok {
            return None;
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: String::new(),
    };
    let once = |name: &str| answer.headers.iter().filter(|h| h.0 == name).count() <= 1;
    if !printable
        || !["Content-Length", "Transfer-Encoding", "Date"]
            .into_iter()
            .all(once)
    {
        return None;
    }
    let length = answer.header("Content-Length").map(str::to_owned);
    let rest = match (length, answer.header("Transfer-Encoding")) {
        (Some(length), None) => {
            let length: usize = length.parse().ok()?;
            answer.body = rest.get(..length)?.to_owned();
            &rest[length..]
        }
        (None, Some("chunked")) => chunks(rest, &mut answer.body)?,
        (None, None) if status < 200 || status == 204 || status == 304 => rest,
        _ => return None,
    };
    Some((answer, rest))
}

fn chunks<'a>(mut text: &'a str, body: &mut String) -> Option<&'a str> {
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let plain = size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| plain)?;
        body.push_str(rest.get(..size)?);
        text = rest[size..].strip_prefix("\r\n")?;
        if size == 0 {
            return Some(text);
        }
    }
}

#[test]
fn the_parser_takes_nothing_but_whole_answers() {
    let good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    let bodies: Vec<_> = answers(good)
        .into_iter()
        .map(|answer| answer.body)
        .collect();
    assert_eq!(bodies, ["ok", "", "abc"]);
    for bad in [
        &b"HTTP/1.1 200 OK\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    ] {
        let outcome = std::panic::catch_unwind(|| answers(bad));
        assert!(outcome.is_err(), "{}", bad.escape_ascii());
    }
}
