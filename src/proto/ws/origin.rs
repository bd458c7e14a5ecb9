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
