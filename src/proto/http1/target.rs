//! Request targets, RFC 9112 section 3.2, and the authority in `Host`.

use super::run;
use super::token::{find_byte, is_reg_name_byte};
use crate::proto::ProtocolError;

/// Checks that `target`, whose bytes are those of a target, has one of the four forms, and that
/// `method` allows it.
#[inline]
pub(super) fn check(method: &[u8], target: &[u8]) -> Result<(), ProtocolError> {
    if target.first() == Some(&b'/') && method != b"CONNECT" {
        return Ok(());
    }
    check_other(method, target)
}

/// The forms other than origin-form.
fn check_other(method: &[u8], target: &[u8]) -> Result<(), ProtocolError> {
    if method == b"CONNECT" {
        // Authority-form, a tunnel: a form of its own, and not implemented here.
        let has_port = target.contains(&b':') && target.last() != Some(&b':');
        return Err(if has_port && is_authority(target) {
            ProtocolError::MethodNotImplemented
        } else {
            ProtocolError::Target
        });
    }
    if target == b"*" && method == b"OPTIONS" {
        return Ok(());
    }
    match after_scheme(target) {
        Some(rest) if is_authority(&rest[..authority_len(rest)]) => Ok(()),
        _ => Err(ProtocolError::Target),
    }
}

/// Splits a checked target into its path and what follows the first `?`.
///
/// `*` stands for itself; an absolute form's scheme and authority are left out, and its empty path
/// is `/` (RFC 9112 section 3.2.2).
#[inline]
pub fn split_target(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let origin = if target.first() == Some(&b'/') {
        target
    } else {
        after_scheme(target).map_or(target, |rest| &rest[authority_len(rest)..])
    };
    match find_byte(b'?', origin) {
        None if origin.is_empty() => (b"/", None),
        None => (origin, None),
        Some(0) => (b"/", Some(&origin[1..])),
        Some(at) => (&origin[..at], Some(&origin[at + 1..])),
    }
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = target.split_at_checked(target.iter().position(|&b| b == b':')?)?;
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    rest.strip_prefix(b"://").filter(|_| known)
}

fn authority_len(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len())
}

/// `uri-host [ ":" port ]`, without user information, which HTTP forbids senders to use
/// (RFC 9110 section 4.2.4), and not empty.
#[inline]
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    let host = without_port(bytes);
    run::is_usual_name(host) || is_host(host)
}

#[inline(never)]
fn is_host(bytes: &[u8]) -> bool {
    match bytes {
        [b'[', address @ .., b']'] => is_ip_literal(address),
        _ => is_reg_name(bytes),
    }
}

/// Without the colon at the end and up to five digits behind it.
#[inline]
fn without_port(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [host @ .., last] = rest {
        if *last == b':' {
            return host;
        }
        if !last.is_ascii_digit() || bytes.len() - host.len() > 5 {
            break;
        }
        rest = host;
    }
    bytes
}

fn is_reg_name(bytes: &[u8]) -> bool {
    let mut parts = bytes.split(|&byte| byte == b'%');
    let unescaped = |part: &[u8]| part.iter().all(|&byte| is_reg_name_byte(byte));
    let is_escape = |part: &[u8]| {
        let digits = part.first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    !bytes.is_empty()
        && parts.next().is_some_and(unescaped)
        && parts.all(|part| is_escape(part) && unescaped(part))
}

/// What may stand between the brackets: an IPv6 address (RFC 3986 section 3.2.2).
fn is_ip_literal(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else {
        return false;
    };
    // Parses text only; it opens nothing.
    text.parse::<core::net::Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_by_method() {
        for (method, target, expected) in [
            ("GET", "/", Ok(())),
            ("GET", "/a?b=c|d", Ok(())),
            ("GET", "http://example.com", Ok(())),
            ("GET", "HTTP://[::1]:80/x?y", Ok(())),
            ("OPTIONS", "*", Ok(())),
            ("GET", "*", Err(ProtocolError::Target)),
            ("GET", "a/b", Err(ProtocolError::Target)),
            ("GET", "ftp://example.com/", Err(ProtocolError::Target)),
            ("GET", "http:///x", Err(ProtocolError::Target)),
            (
                "GET",
                "http://user@example.com/",
                Err(ProtocolError::Target),
            ),
            (
                "CONNECT",
                "example.com:443",
                Err(ProtocolError::MethodNotImplemented),
            ),
            ("CONNECT", "/", Err(ProtocolError::Target)),
            ("CONNECT", "example.com", Err(ProtocolError::Target)),
        ] {
            assert_eq!(
                check(method.as_bytes(), target.as_bytes()),
                expected,
                "{method} {target}"
            );
        }
    }

    #[test]
    fn targets_split() {
        for (target, expected) in [
            ("/", ("/", None)),
            ("/a?", ("/a", Some(""))),
            ("/a?b?c", ("/a", Some("b?c"))),
            ("*", ("*", None)),
            ("http://x", ("/", None)),
            ("http://x?q", ("/", Some("q"))),
            ("http://x/a/b?q", ("/a/b", Some("q"))),
            ("/http://x/", ("/http://x/", None)),
        ] {
            let expected = (expected.0.as_bytes(), expected.1.map(str::as_bytes));
            assert_eq!(split_target(target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn authorities() {
        for good in [
            "a",
            "a.b:80",
            "[::1]",
            "[::1]:65535",
            "1.2.3.4",
            "a:",
            "%41b%4a:1",
            "a%41",
            "localhost:3000",
            "www.example.com",
            "a-name.of.sixteen-or-more:65535",
            "a.name_with~others",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "a:b",
            "[::1",
            "[]",
            "[g::]",
            "[::1]x",
            "a%",
            "a%4",
            "a%zz",
            "a:123456",
            "::1",
            ":",
            "a::1",
            "[::1]80",
            "[::1]]",
            "localhost/",
            "localhost:x",
            "a.name.of/sixteen-or-more",
            "a.name.of.sixteen.or.more/",
            "%",
            "localhost%4",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
