//! Addresses to listen on, as text.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;

/// Where a server listens.
///
/// As text: `127.0.0.1:3000`, `[::1]:3000`, `localhost:3000`; `[::]:3000` for every address of both
/// families; `unix:/path/to/socket`; `unix:@name` for a socket in Linux's abstract namespace. The
/// kernel chooses a port for 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddress {
    /// TCP over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix socket in the file system.
    UnixPath(PathBuf),
    /// A Unix socket in Linux's abstract namespace.
    UnixAbstract(String),
}

impl ListenAddress {
    /// The TCP port, if it is a TCP address.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            _ => None,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("unix:") {
            Some(name) if name.is_empty() || name == "@" => Err(Error::Address(text.to_owned())),
            Some(name) => Ok(match name.strip_prefix('@') {
                Some(name) => Self::UnixAbstract(name.to_owned()),
                None => Self::UnixPath(name.into()),
            }),
            None => {
                // The standard library takes `+80` for a port.
                let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
                let plain = text.rsplit_once(':').is_some_and(|(_, port)| digits(port));
                let mut found = text.to_socket_addrs().ok().filter(|_| plain);
                let address = found.as_mut().and_then(Iterator::next);
                address
                    .map(Self::Tcp)
                    .ok_or_else(|| Error::Address(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::UnixPath(path) => write!(f, "unix:{}", path.display()),
            Self::UnixAbstract(name) => write!(f, "unix:@{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_text() {
        for text in ["127.0.0.1:80", "[::]:0", "unix:/tmp/x", "unix:@x"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "80",
            "unix:",
            "unix:@",
            "127.0.0.1",
            "127.0.0.1:+80",
            "127.0.0.1:65536",
        ] {
            assert!(
                matches!(text.parse::<ListenAddress>(), Err(Error::Address(_))),
                "{text}"
            );
        }
    }
}
