//! The head that a proxy puts in front of a connection, to say whose it is: HAProxy's PROXY
//! protocol, versions 1 (a line of text) and 2 (binary).

use core::net::{IpAddr, SocketAddr};
use std::fmt;

/// Bytes of a version 1 line with its CRLF, at most (section 2.1 of the protocol).
pub const LINE_BYTES_MAX: usize = 107;

/// What version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a version 2 head in front of the addresses.
const FIXED_BYTES: usize = 16;

/// What the lines of version 1 begin with. None of them begins a request: what stands behind the
/// space is no target.
const LINES: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];

/// A PROXY head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The client's address. `None` where the proxy speaks for itself (LOCAL), does not know, or
    /// relays something other than TCP.
    pub source: Option<SocketAddr>,
    /// The address that the client has connected to, in the same cases.
    pub destination: Option<SocketAddr>,
    /// Bytes of the head. What follows them is the client's.
    pub len: usize,
}

/// What is wrong with a PROXY head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyError {
    /// What came is no PROXY head.
    Absent,
    /// A binary head of a version other than 2.
    Version,
    /// A command other than LOCAL and PROXY.
    Command,
    /// An address family that version 2 does not define.
    Family,
    /// A transport protocol that version 2 does not define.
    Transport,
    /// The announced length has no room for the addresses.
    Addresses,
    /// A line of version 1 with a malformed address or port, or with more or less than it should
    /// have.
    Line,
    /// More bytes than the limit, or than 107 for version 1.
    TooLong,
    /// It did not come to its end in time.
    Timeout,
}

impl ProxyError {
    /// The error as a predicate.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "is absent",
            Self::Version => "is of an unknown version",
            Self::Command => "has an unknown command",
            Self::Family => "has an unknown address family",
            Self::Transport => "has an unknown transport protocol",
            Self::Addresses => "is too short for its addresses",
            Self::Line => "is a malformed line",
            Self::TooLong => "is too long",
            Self::Timeout => "took too long",
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the PROXY head {}", self.as_str())
    }
}

impl std::error::Error for ProxyError {}

/// Parses the head that `bytes` begin with, the first of a connection. `None` when it has not come
/// to its end. A binary head may have `bytes_max` bytes, further information about the connection
/// (TLVs), which is passed over, included.
///
/// # Errors
/// As soon as a byte is wrong, or the announced length; a line as a whole.
pub fn parse(bytes: &[u8], bytes_max: usize) -> Result<Option<Head>, ProxyError> {
    if begins(bytes, SIGNATURE) {
        return parse_binary(bytes, bytes_max);
    }
    if LINES.into_iter().any(|line| begins(bytes, line)) {
        return parse_line(bytes);
    }
    Err(ProxyError::Absent)
}

/// Whether what there is of `bytes` agrees with `start`.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes
        .iter()
        .zip(start)
        .all(|(byte, expected)| byte == expected)
}

/// Version 2, section 2.2.
fn parse_binary(bytes: &[u8], bytes_max: usize) -> Result<Option<Head>, ProxyError> {
    let fixed = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    let &[version_and_command, ref fixed @ ..] = fixed else {
        return Ok(None);
    };
    let is_local = match (version_and_command >> 4, version_and_command & 0xf) {
        (2, 0) => true,
        (2, 1) => false,
        (2, _) => return Err(ProxyError::Command),
        _ => return Err(ProxyError::Version),
    };
    let &[family_and_transport, ref fixed @ ..] = fixed else {
        return Ok(None);
    };
    // The family of a LOCAL head is to be ignored.
    match (family_and_transport >> 4, family_and_transport & 0xf) {
        _ if is_local => {}
        (4.., _) => return Err(ProxyError::Family),
        (_, 3..) => return Err(ProxyError::Transport),
        _ => {}
    }
    let Some((&length, addresses)) = fixed.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(length));
    if FIXED_BYTES + length > bytes_max {
        return Err(ProxyError::TooLong);
    }
    let address_bytes = match family_and_transport {
        _ if is_local => 0,
        TCP4 => 2 * 4 + 4,
        TCP6 => 2 * 16 + 4,
        _ => 0,
    };
    if length < address_bytes {
        return Err(ProxyError::Addresses);
    }
    if addresses.len() < length {
        return Ok(None);
    }
    let both = match address_bytes {
        12 => endpoints::<4>(addresses),
        36 => endpoints::<16>(addresses),
        _ => None,
    };
    Ok(Some(Head {
        source: both.map(|(source, _)| source),
        destination: both.map(|(_, destination)| destination),
        len: FIXED_BYTES + length,
    }))
}

/// Family and transport of what is relayed as a rule.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Two addresses of `N` bytes, and their ports.
fn endpoints<const N: usize>(bytes: &[u8]) -> Option<(SocketAddr, SocketAddr)>
where
    IpAddr: From<[u8; N]>,
{
    let (&source, rest) = bytes.split_first_chunk::<N>()?;
    let (&destination, rest) = rest.split_first_chunk::<N>()?;
    let (&source_port, rest) = rest.split_first_chunk::<2>()?;
    let (&destination_port, _) = rest.split_first_chunk::<2>()?;
    let endpoint = |ip, port| SocketAddr::new(IpAddr::from(ip), u16::from_be_bytes(port));
    Some((
        endpoint(source, source_port),
        endpoint(destination, destination_port),
    ))
}

/// Version 1, section 2.1.
fn parse_line(bytes: &[u8]) -> Result<Option<Head>, ProxyError> {
    let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LINE_BYTES_MAX {
            Ok(None)
        } else {
            Err(ProxyError::TooLong)
        };
    };
    let line = &window[..end];
    let len = end + 2;
    // What stands behind it is to be ignored.
    if let Some(rest) = line.strip_prefix(b"PROXY UNKNOWN") {
        return match rest {
            [] | [b' ', ..] => Ok(Some(Head {
                source: None,
                destination: None,
                len,
            })),
            _ => Err(ProxyError::Line),
        };
    }
    let both = str::from_utf8(line).ok().and_then(parse_fields);
    let (source, destination) = both.ok_or(ProxyError::Line)?;
    Ok(Some(Head {
        source: Some(source),
        destination: Some(destination),
        len,
    }))
}

/// The addresses of a line for TCP, each of whose fields is behind one space.
fn parse_fields(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut fields = line.split(' ').skip(1);
    let is_v4 = fields.next()? == "TCP4";
    let (source, destination) = (fields.next()?, fields.next()?);
    let (source_port, destination_port) = (fields.next()?, fields.next()?);
    let endpoint = |ip: &str, port: &str| {
        let ip = ip.parse::<IpAddr>().ok()?;
        let port = parse_port(port)?;
        (ip.is_ipv4() == is_v4).then(|| SocketAddr::new(ip, port))
    };
    let both = endpoint(source, source_port).zip(endpoint(destination, destination_port));
    both.filter(|_| fields.next().is_none())
}

/// A decimal number up to 65,535 without leading zeros.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.as_bytes();
    if digits.is_empty() || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    digits.iter().try_fold(0u16, |port, digit| {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        port.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 300;

    /// A binary head; its length is that of `rest` where none is given.
    fn binary(version_and_command: u8, family: u8, length: Option<u16>, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([version_and_command, family]);
        bytes.extend(length.unwrap_or(rest.len() as u16).to_be_bytes());
        bytes.extend_from_slice(rest);
        bytes
    }

    fn addresses_of_four() -> Vec<u8> {
        vec![192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0, 80]
    }

    fn addresses_of_six() -> Vec<u8> {
        let mut bytes = vec![0; 36];
        (bytes[0], bytes[1], bytes[15]) = (0x20, 0x01, 1);
        bytes[31] = 1;
        bytes[32..].copy_from_slice(&[0xff, 0xff, 0x01, 0xbb]);
        bytes
    }

    fn head(source: &str, destination: &str, len: usize) -> Head {
        Head {
            source: Some(source.parse::<SocketAddr>().unwrap()),
            destination: Some(destination.parse::<SocketAddr>().unwrap()),
            len,
        }
    }

    fn nobody(len: usize) -> Head {
        Head {
            source: None,
            destination: None,
            len,
        }
    }

    /// Parses every prefix: once there is a result, more bytes do not change it.
    fn parse_cut(bytes: &[u8]) -> Result<Option<Head>, ProxyError> {
        let whole = parse(bytes, MAX);
        let mut decided = None;
        for len in 0..=bytes.len() {
            let result = parse(&bytes[..len], MAX);
            match decided {
                None if result != Ok(None) => decided = Some(result),
                None => {}
                Some(before) => assert_eq!(result, before, "{}", bytes.escape_ascii()),
            }
            if let Ok(Some(head)) = result {
                assert!(head.len <= len && head.len <= MAX);
            }
        }
        assert_eq!(
            decided.unwrap_or(Ok(None)),
            whole,
            "{}",
            bytes.escape_ascii()
        );
        whole
    }

    #[test]
    fn binary_heads_say_who_is_relayed() {
        let four = binary(0x21, 0x11, None, &addresses_of_four());
        let expected = head("192.0.2.1:12345", "198.51.100.2:80", 28);
        assert_eq!(parse_cut(&four), Ok(Some(expected)));
        let behind = [&four[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse_cut(&behind), Ok(Some(expected)));
        let six = binary(0x21, 0x21, None, &addresses_of_six());
        let expected = head("[2001::1]:65535", "[::1]:443", 52);
        assert_eq!(parse_cut(&six), Ok(Some(expected)));
        // Information behind the addresses is passed over.
        let with_tlv = [&addresses_of_four()[..], b"\x04\0\x02ab"].concat();
        let tlv = binary(0x21, 0x11, None, &with_tlv);
        assert_eq!(
            parse_cut(&tlv),
            Ok(Some(head("192.0.2.1:12345", "198.51.100.2:80", 33)))
        );
    }

    #[test]
    fn who_is_not_known_is_nobody() {
        let four = addresses_of_four();
        for (version_and_command, family, rest) in [
            (0x20, 0x00, &b""[..]),
            (0x20, 0x11, &four),
            // Too short for the addresses, and of no family, were it not LOCAL.
            (0x20, 0x21, b"x"),
            (0x20, 0xff, b"x"),
            (0x21, 0x00, b""),
            (0x21, 0x00, b"\x04\0\x01a"),
            (0x21, 0x10, &four),
            (0x21, 0x01, &four),
            // Datagrams and Unix sockets.
            (0x21, 0x12, &four),
            (0x21, 0x22, b""),
            (0x21, 0x31, &[0; 216]),
            (0x21, 0x32, &[0; 216]),
        ] {
            let bytes = binary(version_and_command, family, None, rest);
            assert_eq!(
                parse_cut(&bytes),
                Ok(Some(nobody(bytes.len()))),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn malformed_binary_heads_are_told_apart() {
        use ProxyError as E;
        let (four, six) = (addresses_of_four(), addresses_of_six());
        for (version_and_command, family, length, error) in [
            (0x11, 0x11, 12, E::Version),
            (0x31, 0x11, 12, E::Version),
            (0x01, 0x11, 12, E::Version),
            (0x22, 0x11, 12, E::Command),
            (0x2f, 0x11, 12, E::Command),
            (0x21, 0x41, 12, E::Family),
            (0x21, 0xf0, 12, E::Family),
            (0x21, 0x13, 12, E::Transport),
            (0x21, 0x0f, 12, E::Transport),
            (0x21, 0x11, 11, E::Addresses),
            (0x21, 0x21, 35, E::Addresses),
            (0x21, 0x11, 0, E::Addresses),
        ] {
            let rest = if family == 0x21 { &six } else { &four };
            let bytes = binary(version_and_command, family, Some(length), rest);
            assert_eq!(parse_cut(&bytes), Err(error), "{bytes:?}");
        }
        let mut broken = binary(0x21, 0x11, None, &four);
        broken[11] = b'x';
        assert_eq!(parse_cut(&broken), Err(E::Absent));
    }

    #[test]
    fn a_binary_head_has_a_longest_length() {
        for (length, expected) in [
            (MAX - FIXED_BYTES, Ok(Some(nobody(MAX)))),
            (MAX - FIXED_BYTES + 1, Err(ProxyError::TooLong)),
            (0xffff, Err(ProxyError::TooLong)),
        ] {
            let bytes = binary(0x21, 0, None, &vec![0; length]);
            assert_eq!(parse_cut(&bytes[..bytes.len().min(MAX + 1)]), expected);
        }
        // Once it is known to be too long, none of it is waited for.
        let announced = binary(0x21, 0, Some(0xffff), b"");
        assert_eq!(parse(&announced, MAX), Err(ProxyError::TooLong));
        assert_eq!(parse(&announced, 0xffff + FIXED_BYTES), Ok(None));
    }

    #[test]
    fn lines_say_who_is_relayed() {
        for (line, expected) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.2 12345 80\r\n",
                head("192.0.2.1:12345", "198.51.100.2:80", 44),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n",
                head("[2001:db8::1]:65535", "[::1]:0", 36),
            ),
            ("PROXY UNKNOWN\r\n", nobody(15)),
            ("PROXY UNKNOWN ffff::1 x 99999999\r\n", nobody(34)),
        ] {
            assert_eq!(parse_cut(line.as_bytes()), Ok(Some(expected)), "{line}");
            let behind = format!("{line}GET / HTTP/1.1\r\n\r\n");
            assert_eq!(parse_cut(behind.as_bytes()), Ok(Some(expected)), "{line}");
        }
    }

    #[test]
    fn malformed_lines_are_refused() {
        for line in [
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 80 \r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.2 12345 80\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 65536\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 080\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +1 80\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2  80\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.2 1 80\r\n",
            "PROXY TCP4 192.0.2.256 198.51.100.2 1 80\r\n",
            "PROXY TCP4 ::1 ::1 1 80\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 1 80\r\n",
            "PROXY TCP6 ::g ::1 1 80\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 80\n\r\n",
            "PROXY UNKNOWNX\r\n",
        ] {
            assert_eq!(parse_cut(line.as_bytes()), Err(ProxyError::Line), "{line}");
        }
        for bytes in [
            "PROXY TCP5 ",
            "PROXY /",
            "GET /",
            "proxy TCP4 ",
            "\r\nGET",
            "\n",
        ] {
            assert_eq!(
                parse_cut(bytes.as_bytes()),
                Err(ProxyError::Absent),
                "{bytes}"
            );
        }
        let unknown = parse_cut(b"PROXY UNKNOWN \xff\r\n");
        assert_eq!(unknown, Ok(Some(nobody(17))));
        assert_eq!(parse_cut(b"PROXY TCP4 \xff\r\n"), Err(ProxyError::Line));
        for waiting in ["", "\r\n\r\n", "PROXY ", "PROXY TCP4 1", "PROXY UNKNOWN\r"] {
            assert_eq!(parse_cut(waiting.as_bytes()), Ok(None), "{waiting}");
        }
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let line = |len: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(len - 16));
        let longest = line(LINE_BYTES_MAX);
        assert_eq!(
            parse_cut(longest.as_bytes()),
            Ok(Some(nobody(LINE_BYTES_MAX)))
        );
        let longer = line(LINE_BYTES_MAX + 1);
        assert_eq!(parse_cut(longer.as_bytes()), Err(ProxyError::TooLong));
    }

    #[test]
    fn mutated_heads_have_one_result_however_they_are_cut() {
        let seeds = [
            binary(0x21, 0x11, None, &addresses_of_four()),
            binary(0x21, 0x21, None, &addresses_of_six()),
            binary(0x20, 0x00, None, b""),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 12345 80\r\n".to_vec(),
            b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n".to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
        ];
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |end: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 16) as usize % end
        };
        let (mut accepted, mut refused) = (0, 0);
        for round in 0..20_000 {
            let mut bytes = seeds[round % seeds.len()].clone();
            for _ in 0..below(3) {
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes[at] ^= 1 << below(8),
                    1 => bytes[at] = b"\0\r\n 019:.\x11\x20\x21\xff"[below(13)],
                    2 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, below(256) as u8),
                }
            }
            bytes.extend((0..below(40)).map(|_| below(256) as u8));
            match parse_cut(&bytes) {
                Ok(Some(head)) => {
                    assert_eq!(head.source.is_some(), head.destination.is_some());
                    assert_eq!(parse(&bytes[..head.len], MAX), Ok(Some(head)));
                    accepted += 1;
                }
                Ok(None) => {}
                Err(_) => refused += 1,
            }
        }
        assert!(accepted > 1000 && refused > 1000, "{accepted} {refused}");
    }
}
