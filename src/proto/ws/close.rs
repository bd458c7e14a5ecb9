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
