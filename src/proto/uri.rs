//! Percent-encoding and query strings: RFC 3986 section 2.1, and the form encoding of the URL
//! standard. Nothing is decoded in place, so reading twice gives the same result twice.

use std::borrow::Cow;

/// Decodes `%XX`. Escapes that are malformed or whose bytes are not UTF-8 give `None`.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    decode(text, false)
}

/// The decoded value of the first parameter called `name` in a query string, where `+` is a
/// space; empty for a parameter without `=`. `None` when it is absent or cannot be decoded.
pub fn query_parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query_parameters(query).find(|(key, _)| key == name)?.1
}

/// Every parameter of a query string in order: the decoded name (as sent where it cannot be
/// decoded) and the decoded value.
pub fn query_parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                decode(name, true).unwrap_or(Cow::Borrowed(name)),
                decode(value, true),
            )
        })
}

fn decode(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    let special = |byte: u8| byte == b'%' || (plus_is_space && byte == b'+');
    if !text.bytes().any(special) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' if plus_is_space => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decoding() {
        for (text, expected) in [
            ("plain", Some("plain")),
            ("a%20b+c", Some("a b+c")),
            ("%C3%a9", Some("é")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decode(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn query_parameters_are_found_by_decoded_name() {
        let query = "a=1&aa&b%20c=d+e&x=%zz&a=2&=&";
        for (name, expected) in [
            ("a", Some("1")),
            ("aa", Some("")),
            ("b c", Some("d e")),
            ("x", None),
            ("y", None),
            ("", Some("")),
        ] {
            assert_eq!(query_parameter(query, name).as_deref(), expected, "{name}");
        }
        assert_eq!(query_parameters(query).count(), 6);
    }
}
