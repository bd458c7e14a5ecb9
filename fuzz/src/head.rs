//! Request heads.

use keirin::proto::ProtocolError;
use keirin::proto::http1::framing;
use keirin::proto::http1::head::{Head, HeadLimits, HeaderSlots, parse};
use keirin::proto::http1::{BodyLength, is_field_value, is_token};

/// Limits that an input can run into, and the defaults.
const LIMITS: [HeadLimits; 2] = [
    HeadLimits {
        head_bytes_max: 256,
        header_count_max: 6,
        target_bytes_max: 48,
    },
    HeadLimits {
        head_bytes_max: 16 << 10,
        header_count_max: 100,
        target_bytes_max: 8 << 10,
    },
];

/// Longer inputs say nothing new, and parsing every prefix takes quadratic time.
const INPUT_BYTES_MAX: usize = 2048;

/// Parses a head whole, as a growing prefix and behind an empty line, and checks what was accepted
/// against a reader that splits lines at CRLF and knows nothing else.
pub fn head(data: &[u8]) {
    let data = &data[..data.len().min(INPUT_BYTES_MAX)];
    for limits in &LIMITS {
        let whole = outcome(data, limits);
        check_prefixes(data, limits, whole);
        check_behind_empty_line(data, limits);
        let mut slots = HeaderSlots::default();
        if let Ok(Some(head)) = parse(data, &mut slots, limits) {
            assert_eq!(whole, Ok(Some(head.len())));
            check_limits(&head, limits);
            check_lines(&head, &data[..head.len()]);
            check_framing(&head);
            check_again(&head);
        }
    }
}

fn outcome(bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, ProtocolError> {
    let mut slots = HeaderSlots::default();
    parse(bytes, &mut slots, limits).map(|head| head.map(|head| head.len()))
}

/// However the bytes arrive, the first verdict is the last.
fn check_prefixes(data: &[u8], limits: &HeadLimits, whole: Result<Option<usize>, ProtocolError>) {
    let mut verdict = Ok(None);
    for len in 0..=data.len() {
        let outcome = outcome(&data[..len], limits);
        if verdict == Ok(None) {
            verdict = outcome;
        }
        assert_eq!(outcome, verdict, "with {len} bytes");
    }
    assert_eq!(whole, verdict);
}

/// An empty line before a request is ignored. It also keeps the parser from its short cut, so this
/// compares the two ways.
fn check_behind_empty_line(data: &[u8], limits: &HeadLimits) {
    let behind = [b"\r\n", data].concat();
    let limits_behind = HeadLimits {
        head_bytes_max: limits.head_bytes_max + 2,
        ..*limits
    };
    let (mut slots, mut slots_behind) = (HeaderSlots::default(), HeaderSlots::default());
    let head = parse(data, &mut slots, limits);
    match (head, parse(&behind, &mut slots_behind, &limits_behind)) {
        (Ok(Some(head)), Ok(Some(behind))) => {
            assert_eq!(head.len() + 2, behind.len());
            assert_same(&head, &behind);
        }
        (head, behind) => {
            let verdict = |head: &Result<Option<Head<'_>>, _>| head.as_ref().err().copied();
            assert!(!matches!(head, Ok(Some(_))) && !matches!(behind, Ok(Some(_))));
            assert_eq!(verdict(&head), verdict(&behind));
        }
    }
}

fn assert_same(one: &Head<'_>, other: &Head<'_>) {
    assert_eq!(one.method(), other.method());
    assert_eq!(one.target(), other.target());
    assert_eq!(one.version_minor(), other.version_minor());
    assert_eq!(one.framing(), other.framing());
    assert!(one.headers().eq(other.headers()));
}

fn check_limits(head: &Head<'_>, limits: &HeadLimits) {
    assert!(head.len() <= limits.head_bytes_max);
    assert!(head.headers().len() <= limits.header_count_max);
    assert!(head.target().len() <= limits.target_bytes_max);
}

/// What anybody else on the path would read: lines that end in CRLF, split at the first colon.
fn check_lines(head: &Head<'_>, bytes: &[u8]) {
    let mut text = bytes;
    while let Some(rest) = text.strip_prefix(b"\r\n") {
        text = rest;
    }
    let text = text
        .strip_suffix(b"\r\n\r\n")
        .expect("ends in an empty line");
    let mut lines = split_lines(text).into_iter();

    let mut first = Vec::new();
    write_line(head, &mut first);
    assert_eq!(lines.next(), Some(&*first));
    assert!(is_token(head.method()));
    let is_printed = |byte: &u8| *byte > b' ' && *byte < 0x7f;
    assert!(head.target().iter().all(is_printed));

    let mut headers = head.headers();
    for line in lines {
        let (found_name, found_value) = headers.next().expect("a header for each line");
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(colon.expect("a colon in each line"));
        assert_eq!(found_name, name);
        assert_eq!(found_value, trim(&value[1..]));
        assert!(is_token(name) && is_field_value(found_value));
    }
    assert!(headers.next().is_none(), "a line for each header");
}

/// The request line, without its end.
fn write_line(head: &Head<'_>, bytes: &mut Vec<u8>) {
    for part in [head.method(), b" ", head.target(), b" HTTP/1."] {
        bytes.extend_from_slice(part);
    }
    bytes.push(b'0' + head.version_minor());
}

/// The lines between CRLFs. A CR or LF by itself is left where it is, and no check lets it pass.
fn split_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut start = 0;
    for at in 0..text.len() {
        if text[at..].starts_with(b"\r\n") {
            lines.push(&text[start..at]);
            start = at + 2;
        }
    }
    lines.push(&text[start..]);
    for line in &lines {
        assert!(!line.is_empty(), "an empty line ends the head");
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
    lines
}

/// Without the spaces and tabs around it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Nothing is accepted that two readers could frame differently.
fn check_framing(head: &Head<'_>) {
    let values = |name: &str| {
        let named = head
            .headers()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| value).collect::<Vec<_>>()
    };
    let lengths = values("content-length");
    let codings = values("transfer-encoding");
    match head.framing().body {
        BodyLength::None => assert!(lengths.is_empty() && codings.is_empty()),
        BodyLength::Fixed(length) => {
            assert!(lengths.len() == 1 && codings.is_empty());
            assert!(lengths[0].iter().all(u8::is_ascii_digit));
            let digits = lengths[0].iter().skip_while(|&&byte| byte == b'0');
            let digits = String::from_utf8(digits.copied().collect()).expect("digits");
            let expected = if length == 0 {
                String::new()
            } else {
                length.to_string()
            };
            assert_eq!(digits, expected);
        }
        BodyLength::Chunked => {
            assert!(lengths.is_empty() && codings.len() == 1 && head.version_minor() == 1);
            assert!(codings[0].eq_ignore_ascii_case(b"chunked"));
        }
    }
    let hosts = values("host").len();
    assert!(hosts == 1 || (hosts == 0 && head.version_minor() == 0));
}

/// Written down and parsed again, it is the same.
fn check_again(head: &Head<'_>) {
    let mut bytes = Vec::new();
    write_line(head, &mut bytes);
    bytes.extend_from_slice(b"\r\n");
    for (name, value) in head.headers() {
        for part in [name, b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");

    // The space behind each colon may have made it longer.
    let limits = HeadLimits {
        head_bytes_max: 2 * INPUT_BYTES_MAX,
        ..LIMITS[1]
    };
    let mut slots = HeaderSlots::default();
    let parsed = parse(&bytes, &mut slots, &limits);
    let again = parsed.expect("still good").expect("still whole");
    assert_eq!(again.len(), bytes.len());
    assert_same(&again, head);
    let checked = framing::check(again.method(), again.version_minor(), again.headers());
    assert_eq!(checked, Ok(*head.framing()));
}
