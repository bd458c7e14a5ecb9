//! Where a request ends: RFC 9112 section 6, with every doubt refused. Run before any handler.

use super::target::is_authority;
use crate::proto::ProtocolError;

/// How long a request's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// Neither `Content-Length` nor `Transfer-Encoding`: there is none.
    None,
    /// `Content-Length`, in bytes.
    Fixed(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl BodyLength {
    /// Whether it is known that no content comes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::None | Self::Fixed(0))
    }
}

/// What the headers say about the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// The content's length.
    pub body: BodyLength,
    /// Whether the peer will send another request on this connection (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether the peer waits for `100 Continue` before it sends the content.
    pub expect_continue: bool,
}

#[derive(Default)]
struct Seen {
    host: bool,
    content_length: Option<u64>,
    transfer_encoding: bool,
    close: bool,
    keep_alive: bool,
    expect_continue: bool,
}

/// Whether [`check`] has an eye on names of this length.
#[inline]
pub(super) fn is_length_of_interest(name_len: usize) -> bool {
    const LENGTHS: u32 = 1 << 4 | 1 << 6 | 1 << 10 | 1 << 14 | 1 << 17;
    // Some longer names pass as well.
    LENGTHS.wrapping_shr(name_len as u32) & 1 == 1
}

/// Whether [`check`] has an eye on names that begin with this one's first letter.
#[inline]
pub(super) fn is_initial_of_interest(name: &[u8]) -> bool {
    name.first()
        .is_some_and(|first| matches!(first | b' ', b'h' | b'e' | b'c' | b't'))
}

/// Reads the headers that frame a message, refusing whatever two readers could read differently.
///
/// # Errors
/// What is wrong with `Host`, `Content-Length`, `Transfer-Encoding` or `Expect`.
#[inline]
pub fn check<'a>(
    method: &[u8],
    version_minor: u8,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Framing, ProtocolError> {
    let mut seen = Seen::default();
    for (name, value) in headers {
        if is_named(name, b"host") {
            if seen.host || !is_authority(value) {
                return Err(ProtocolError::Host);
            }
            seen.host = true;
        } else {
            seen.note(name, value)?;
        }
    }
    seen.conclude(method, version_minor)
}

impl Seen {
    /// Takes note of a header other than `Host`. By itself, so that a request without such headers
    /// does not pay for the registers that it needs.
    #[inline(never)]
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), ProtocolError> {
        match name.len() {
            6 if is_named(name, b"expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(ProtocolError::Expectation);
                }
                self.expect_continue = true;
            }
            // As browsers write it.
            10 if is_named(name, b"connection") && value == b"keep-alive" => self.keep_alive = true,
            10 if is_named(name, b"connection") => {
                for option in value.split(|&byte| byte == b',') {
                    let option = option.trim_ascii();
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if is_named(name, b"content-length") => {
                let length = decimal(value).ok_or(ProtocolError::ContentLength)?;
                if self.content_length.replace(length).is_some() {
                    return Err(ProtocolError::ContentLength);
                }
            }
            17 if is_named(name, b"transfer-encoding") => {
                if self.transfer_encoding {
                    return Err(ProtocolError::TransferEncoding);
                }
                check_codings(value)?;
                self.transfer_encoding = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn conclude(self, method: &[u8], version_minor: u8) -> Result<Framing, ProtocolError> {
        let modern = version_minor >= 1;
        if modern && !self.host {
            return Err(ProtocolError::Host);
        }
        let body = match (self.transfer_encoding, self.content_length) {
            (true, Some(_)) => return Err(ProtocolError::LengthConflict),
            // HTTP/1.0 has no transfer codings: whoever sends one is confused (section 6.1).
            (true, None) if !modern => return Err(ProtocolError::TransferEncoding),
            (true, None) => BodyLength::Chunked,
            (false, Some(length)) => BodyLength::Fixed(length),
            (false, None) => BodyLength::None,
        };
        let empty = body.is_empty();
        if method == b"TRACE" && !empty {
            return Err(ProtocolError::UnexpectedBody);
        }
        Ok(Framing {
            body,
            keep_alive: if modern {
                !self.close
            } else {
                self.keep_alive && !self.close
            },
            // An HTTP/1.0 client's expectation is ignored (RFC 9110 section 10.1.1).
            expect_continue: self.expect_continue && modern && !empty,
        })
    }
}

/// Compares a name in any case, at one go. That is right for names of letters and `-`: all that it
/// could be taken for is a CR, which no name has.
#[inline]
fn is_named<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    let Some((name, [])) = name.split_first_chunk() else {
        return false;
    };
    name.map(|byte| byte | b' ') == *lower
}

/// The value of a string of decimal digits. Not `FromStr`, which takes a sign.
fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Accepts exactly one `chunked`.
fn check_codings(value: &[u8]) -> Result<(), ProtocolError> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut unknown = false;
    let mut chunked = 0;
    for coding in value.split(|&byte| byte == b',') {
        let coding = coding.trim_ascii();
        if coding.eq_ignore_ascii_case(b"chunked") {
            chunked += 1;
        } else if super::is_token(coding) && chunked == 0 {
            unknown = true;
        } else {
            // An empty element, a parameter, or something behind `chunked`.
            return Err(ProtocolError::TransferEncoding);
        }
    }
    if unknown && chunked <= 1 {
        return Err(ProtocolError::TransferCodingUnknown);
    }
    Err(ProtocolError::TransferEncoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(minor: u8, headers: &[(&str, &str)]) -> Result<Framing, ProtocolError> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        check(b"POST", minor, headers)
    }

    #[test]
    fn content_lengths() {
        let bad = Err(ProtocolError::ContentLength);
        for (value, expected) in [
            ("0", Ok(BodyLength::Fixed(0))),
            ("007", Ok(BodyLength::Fixed(7))),
            ("18446744073709551615", Ok(BodyLength::Fixed(u64::MAX))),
            ("18446744073709551616", bad),
            ("", bad),
            ("+3", bad),
            ("-0", bad),
            ("0x3", bad),
            ("3,3", bad),
            ("3, 4", bad),
            ("3 3", bad),
            ("3.0", bad),
        ] {
            let found = framing(1, &[("Host", "x"), ("content-Length", value)]);
            assert_eq!(found.map(|framing| framing.body), expected, "{value:?}");
        }
        let twice = framing(
            1,
            &[
                ("Host", "x"),
                ("Content-Length", "3"),
                ("Content-Length", "3"),
            ],
        );
        assert_eq!(twice, Err(ProtocolError::ContentLength));
    }

    #[test]
    fn transfer_encodings() {
        use ProtocolError::{TransferCodingUnknown, TransferEncoding};
        for (value, expected) in [
            ("chunked", Ok(BodyLength::Chunked)),
            ("ChUnKeD", Ok(BodyLength::Chunked)),
            ("gzip, chunked", Err(TransferCodingUnknown)),
            ("xchunked", Err(TransferCodingUnknown)),
            ("identity", Err(TransferCodingUnknown)),
            ("chunked, chunked", Err(TransferEncoding)),
            ("chunked, gzip", Err(TransferEncoding)),
            ("chunked,", Err(TransferEncoding)),
            (", chunked", Err(TransferEncoding)),
            ("chunked;q=1", Err(TransferEncoding)),
            ("\"chunked\"", Err(TransferEncoding)),
            ("", Err(TransferEncoding)),
        ] {
            let found = framing(1, &[("Host", "x"), ("Transfer-Encoding", value)]);
            assert_eq!(found.map(|framing| framing.body), expected, "{value:?}");
        }
        let chunked = ("Transfer-Encoding", "chunked");
        assert_eq!(
            framing(1, &[("Host", "x"), chunked, chunked]),
            Err(TransferEncoding)
        );
        assert_eq!(framing(0, &[chunked]), Err(TransferEncoding));
        let both = framing(1, &[("Host", "x"), chunked, ("Content-Length", "3")]);
        assert_eq!(both, Err(ProtocolError::LengthConflict));
    }

    #[test]
    fn connections_persist_by_version_and_option() {
        for (minor, value, keep_alive) in [
            (1, "", true),
            (1, "close", false),
            (1, "x, Close", false),
            (1, "abcde", true),
            (1, "keep-alive, close", false),
            (0, "", false),
            (0, "Keep-Alive", true),
            (0, "keep-alive, close", false),
        ] {
            let found = framing(minor, &[("Host", "x"), ("Connection", value)]);
            assert_eq!(
                found.map(|framing| framing.keep_alive),
                Ok(keep_alive),
                "{minor} {value}"
            );
        }
    }

    #[test]
    fn expectations() {
        let expect = |minor, value| {
            framing(
                minor,
                &[("Host", "x"), ("Expect", value), ("Content-Length", "3")],
            )
            .map(|framing| framing.expect_continue)
        };
        assert_eq!(expect(1, "100-Continue"), Ok(true));
        assert_eq!(expect(0, "100-continue"), Ok(false));
        assert_eq!(expect(1, "tea"), Err(ProtocolError::Expectation));
        let none = framing(1, &[("Host", "x"), ("Expect", "100-continue")]);
        assert_eq!(none.map(|framing| framing.expect_continue), Ok(false));
    }
}
