//! The payload of a Close frame, RFC 6455 sections 5.5.1 and 7.4.

use std::ops::Deref;

use super::WsError;
use super::frame::CONTROL_BYTES_MAX;

/// The most bytes that a reason has: a control frame's, less the status code.
pub const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// Whether a status code may be in a frame: those that section 7.4.1 or IANA's registry define for
/// it, and those left to libraries and applications.
pub const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Reads the status code and the reason; `None` when the payload is empty, as it may be.
///
/// # Errors
/// A single byte, a code that must not be sent, a reason that is not UTF-8.
pub fn parse_close(payload: &[u8]) -> Result<Option<(u16, &str)>, WsError> {
    match payload {
        [] => Ok(None),
        [_] => Err(WsError::CloseLength),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(WsError::CloseCode);
            }
            let reason = str::from_utf8(reason).map_err(|_| WsError::CloseReason)?;
            Ok(Some((code, reason)))
        }
    }
}

/// The payload of a Close frame to send.
#[derive(Clone, Copy, Debug)]
pub struct ClosePayload {
    bytes: [u8; CONTROL_BYTES_MAX],
    len: u8,
}

impl ClosePayload {
    /// A status code, and as much of the reason as fits: whole characters up to
    /// [`REASON_BYTES_MAX`].
    pub fn new(code: u16, reason: &str) -> Self {
        debug_assert!(may_be_sent(code));
        let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
        let mut bytes = [0; CONTROL_BYTES_MAX];
        let len = 2 + reason.len();
        bytes[..2].copy_from_slice(&code.to_be_bytes());
        bytes[2..len].copy_from_slice(reason.as_bytes());
        Self {
            bytes,
            len: len as u8,
        }
    }
}

impl Deref for ClosePayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads() {
        for (payload, expected) in [
            (&b""[..], Ok(None)),
            (b"\x03", Err(WsError::CloseLength)),
            (b"\x03\xe8", Ok(Some((1000, "")))),
            (b"\x03\xe8bye", Ok(Some((1000, "bye")))),
            (b"\x0b\xb8\xe2\x82\xac", Ok(Some((3000, "\u{20ac}")))),
            (b"\x03\xe8\xe2\x82", Err(WsError::CloseReason)),
            (b"\x03\xe8\xff", Err(WsError::CloseReason)),
            (b"\x03\xed", Err(WsError::CloseCode)),
            (b"\x03\xed\xff", Err(WsError::CloseCode)),
            (b"\x00\x00", Err(WsError::CloseCode)),
        ] {
            assert_eq!(parse_close(payload), expected, "{payload:x?}");
        }
    }

    /// Section 7.4 and the registry that it founded.
    #[test]
    fn every_code() {
        let registered = [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
        ];
        for code in 0..=u16::MAX {
            let expected = registered.contains(&code) || (3000..5000).contains(&code);
            let parsed = parse_close(&code.to_be_bytes()).is_ok();
            assert_eq!(parsed, expected, "{code}");
            assert_eq!(may_be_sent(code), expected, "{code}");
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        for (reason, kept) in [
            ("", 0),
            ("gone", 4),
            (&*"a".repeat(123), 123),
            (&*"a".repeat(124), 123),
            (&*"\u{e9}".repeat(62), 122),
            (&*("a".to_owned() + &"\u{e9}".repeat(61)), 123),
            (&*"\u{1f6b2}".repeat(40), 120),
        ] {
            let payload = ClosePayload::new(1001, reason);
            assert_eq!(parse_close(&payload), Ok(Some((1001, &reason[..kept]))));
        }
    }
}
