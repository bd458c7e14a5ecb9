//! A peer's address, kept for as long as its connection.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// A socket address in 24 bytes, where the standard library takes 32. Of an IPv6 address the flow
/// label is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// An IPv4 address is kept in its mapped form.
    ip: [u8; 16],
    scope_id: u32,
    port: u16,
    family: Family,
}

#[derive(Clone, Copy, Debug)]
enum Family {
    V4,
    V6,
    /// A Unix socket.
    None,
}

impl Peer {
    pub(crate) fn new(address: Option<SocketAddr>) -> Self {
        let (ip, family) = match address.map(|address| address.ip()) {
            Some(IpAddr::V4(ip)) => (ip.to_ipv6_mapped(), Family::V4),
            Some(IpAddr::V6(ip)) => (ip, Family::V6),
            None => (Ipv6Addr::UNSPECIFIED, Family::None),
        };
        let scope_id = match address {
            Some(SocketAddr::V6(address)) => address.scope_id(),
            _ => 0,
        };
        Self {
            ip: ip.octets(),
            scope_id,
            port: address.map_or(0, |address| address.port()),
            family,
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let ip = Ipv6Addr::from(self.ip);
        match self.family {
            Family::V4 => Some((ip.to_ipv4_mapped()?, self.port).into()),
            Family::V6 => Some(SocketAddrV6::new(ip, self.port, 0, self.scope_id).into()),
            Family::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back() {
        for text in [
            "127.0.0.1:80",
            "[::1]:65535",
            "[::ffff:1.2.3.4]:1",
            "[fe80::1%3]:9",
        ] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Peer::new(Some(address)).address(), Some(address));
        }
        assert_eq!(Peer::new(None).address(), None);
        assert_eq!(size_of::<Peer>(), 24);
    }
}
