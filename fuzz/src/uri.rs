//! Percent-encoding, query strings, and splitting targets.

use std::borrow::Cow;

use keirin::proto::http1::split_target;
use keirin::proto::uri::{percent_decode, query_parameter, query_parameters};

/// Decodes any text, against a decoder that works byte by byte; what was decoded can be encoded and
/// decoded again.
pub fn uri(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    check_decoding(text);
    check_query(text);
    check_target(text);
}

fn check_decoding(text: &str) {
    let decoded = percent_decode(text);
    assert_eq!(
        decoded.as_deref(),
        decode(text.as_bytes(), false).as_deref()
    );
    match &decoded {
        Some(Cow::Borrowed(same)) => assert_eq!(*same, text),
        Some(Cow::Owned(_)) => assert!(text.contains('%'), "copied for nothing"),
        None => {}
    }
    if let Some(decoded) = decoded {
        assert_eq!(
            percent_decode(&encode(&decoded)).as_deref(),
            Some(&*decoded)
        );
    }
}

fn check_query(text: &str) {
    let all: Vec<_> = query_parameters(text).collect();
    let pairs: Vec<&str> = text.split('&').filter(|pair| !pair.is_empty()).collect();
    assert_eq!(all.len(), pairs.len());
    for ((name, value), pair) in all.iter().zip(pairs) {
        let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
        let expected = decode(raw_name.as_bytes(), true);
        assert_eq!(&**name, expected.as_deref().unwrap_or(raw_name));
        assert_eq!(
            value.as_deref(),
            decode(raw_value.as_bytes(), true).as_deref()
        );

        let first = all.iter().find(|(other, _)| other == name);
        let first = first.and_then(|(_, value)| value.as_deref());
        assert_eq!(query_parameter(text, name).as_deref(), first);
    }
    let encode = |(name, value): &(Cow<'_, str>, Option<Cow<'_, str>>)| {
        format!(
            "{}={}",
            encode(name),
            encode(value.as_deref().unwrap_or(""))
        )
    };
    let query: Vec<String> = all.iter().map(encode).collect();
    let query = query.join("&");
    let again: Vec<_> = query_parameters(&query).collect();
    assert_eq!(again.len(), all.len());
    for ((name, value), (name_again, value_again)) in all.iter().zip(again) {
        assert_eq!(*name, name_again);
        assert_eq!(value_again.as_deref(), Some(value.as_deref().unwrap_or("")));
    }
}

fn check_target(text: &str) {
    let (path, query) = split_target(text.as_bytes());
    assert!(!path.is_empty() && !path.contains(&b'?'));
    if text.starts_with('/') {
        let joined = match query {
            Some(query) => [path, b"?", query].concat(),
            None => path.to_vec(),
        };
        assert_eq!(joined, text.as_bytes(), "the two parts are the whole");
    }
}

/// The slow and obvious way.
fn decode(bytes: &[u8], plus_is_space: bool) -> Option<String> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                let digits = bytes.get(at + 1..at + 3)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                let digits = str::from_utf8(digits).ok()?;
                decoded.push(u8::from_str_radix(digits, 16).ok()?);
                at += 2;
            }
            b'+' if plus_is_space => decoded.push(b' '),
            byte => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

/// Every byte escaped.
fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
