//! Who may open a socket: RFC 6455 section 10.2. Browsers apply no same-origin policy to WebSocket,
//! so that a server has to (cross-site WebSocket hijacking, CWE-1385).

/// Which pages may open a socket.
///
/// A request without `Origin` passes: browsers always send one, and what is not a browser could
/// send any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OriginPolicy {
    /// Pages from the host and port that the request is sent to.
    #[default]
    SameHost,
    /// Pages from these origins, each written as in `https://example.com:8443`, without a port
    /// where it is the scheme's own.
    List(Vec<Box<str>>),
    /// Every page, and `null`, which stands for pages that hide where they come from.
    Any,
}

impl OriginPolicy {
    /// Whether a page from `origin` may open a socket to `host`, the value of `Host`.
    pub fn allows(&self, origin: Option<&[u8]>, host: &[u8]) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        match self {
            Self::Any => true,
            _ if origin == b"null" => false,
            Self::SameHost => is_same_host(origin, host),
            Self::List(origins) => origins
                .iter()
                .any(|listed| origin.eq_ignore_ascii_case(listed.as_bytes())),
        }
    }
}

/// Compares host and port. The scheme is not known here, since TLS may end in front of us, and is
/// not compared.
fn is_same_host(origin: &[u8], host: &[u8]) -> bool {
    let Some(scheme_len) = origin.iter().position(|&byte| byte == b':') else {
        return false;
    };
    let (scheme, rest) = origin.split_at(scheme_len);
    let default_port: &[u8] = if scheme.eq_ignore_ascii_case(b"http") {
        b"80"
    } else if scheme.eq_ignore_ascii_case(b"https") {
        b"443"
    } else {
        return false;
    };
    let Some(authority) = rest.strip_prefix(b"://") else {
        return false;
    };
    let (name, port) = split_port(authority);
    let (host_name, host_port) = split_port(host);
    let or_default = |port| if port == b"" { default_port } else { port };
    !name.is_empty()
        && name.eq_ignore_ascii_case(host_name)
        && or_default(port) == or_default(host_port)
}

/// The host and the port, empty where there is none.
fn split_port(authority: &[u8]) -> (&[u8], &[u8]) {
    match authority.iter().rposition(|&byte| byte == b':') {
        // A colon inside the brackets of an IPv6 address is none.
        Some(at) if !authority[at..].contains(&b']') => (&authority[..at], &authority[at + 1..]),
        _ => (authority, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_host() {
        for (origin, host, expected) in [
            ("http://example.com", "example.com", true),
            ("https://example.com", "example.com", true),
            ("HTTPS://Example.COM", "example.com", true),
            ("http://example.com", "example.com:80", true),
            ("https://example.com", "example.com:443", true),
            ("https://example.com:443", "example.com", true),
            ("http://example.com:8080", "example.com:8080", true),
            ("http://[::1]:3000", "[::1]:3000", true),
            ("http://[::1]", "[::1]", true),
            ("http://[::1]", "[::1]:80", true),
            ("http://example.com", "example.com:", true),
            ("https://example.com", "example.com:80", false),
            ("http://example.com:8080", "example.com", false),
            ("http://example.com", "example.com:8080", false),
            ("http://evil.com", "example.com", false),
            ("http://example.com.evil.com", "example.com", false),
            ("http://evilexample.com", "example.com", false),
            ("http://example.com@evil.com", "example.com", false),
            ("http://evil.com/example.com", "example.com", false),
            ("http://example.com/", "example.com", false),
            ("http://[::1]", "[::2]", false),
            ("http://[::1]", "[:", false),
            ("ws://example.com", "example.com", false),
            ("file://example.com", "example.com", false),
            ("chrome-extension://example.com", "example.com", false),
            ("example.com", "example.com", false),
            ("http:example.com", "example.com", false),
            ("http://", "", false),
            ("http://:80", ":80", false),
            ("", "", false),
            ("null", "null", false),
        ] {
            let allowed = OriginPolicy::SameHost.allows(Some(origin.as_bytes()), host.as_bytes());
            assert_eq!(allowed, expected, "{origin} to {host}");
        }
    }

    #[test]
    fn a_list() {
        let listed = ["https://example.com", "http://localhost:3000", "null"];
        let policy = OriginPolicy::List(listed.map(Box::from).to_vec());
        for (origin, expected) in [
            ("https://example.com", true),
            ("https://EXAMPLE.com", true),
            ("http://localhost:3000", true),
            ("http://example.com", false),
            ("https://example.com:443", false),
            ("https://example.com.evil.com", false),
            ("http://localhost", false),
            ("null", false),
            ("", false),
        ] {
            let allowed = policy.allows(Some(origin.as_bytes()), b"example.com");
            assert_eq!(allowed, expected, "{origin}");
        }
    }

    #[test]
    fn any_page_and_no_page() {
        for origin in [&b"null"[..], b"http://evil.com", b"\xff"] {
            assert!(OriginPolicy::Any.allows(Some(origin), b"example.com"));
        }
        for policy in [
            OriginPolicy::SameHost,
            OriginPolicy::List(Vec::new()),
            OriginPolicy::Any,
        ] {
            assert!(policy.allows(None, b"example.com"), "{policy:?}");
        }
    }
}
