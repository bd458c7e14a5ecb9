//! What a peer can do wrong after the handshake.

use std::fmt;

/// The peer broke RFC 6455 or ran into a limit.
///
/// Each variant maps to the status code of the Close frame that answers it
/// ([`close_code`](Self::close_code)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WsError {
    /// RSV2 or RSV3 is set, or RSV1 where no extension gives it a meaning (section 5.2).
    ReservedBit,
    /// An opcode without a meaning: 3 to 7 and 11 to 15 (section 5.2).
    ReservedOpcode,
    /// A client's frame is not masked (section 5.1).
    Unmasked,
    /// A server's frame is masked (section 5.1).
    Masked,
    /// A payload length in more bytes than it needs, or of more than 63 bits (section 5.2).
    Length,
    /// A control frame without FIN (section 5.5).
    ControlFragmented,
    /// A control frame with more than 125 bytes (section 5.5).
    ControlTooLong,
    /// A continuation frame without a message to continue (section 5.4).
    ContinuationUnexpected,
    /// A new message inside a fragmented one (section 5.4).
    ContinuationMissing,
    /// A text message is not UTF-8 (section 8.1).
    Utf8,
    /// A Close frame's payload of one byte, which is no status code (section 5.5.1).
    CloseLength,
    /// A status code that must not be sent (section 7.4).
    CloseCode,
    /// A Close frame's reason is not UTF-8 (section 5.5.1).
    CloseReason,
    /// The message has more bytes than the limit (section 7.4.1).
    MessageTooBig,
    /// The message is in more pieces than its limit of cost allows.
    MessageTooCostly,
    /// A compressed message cannot be decompressed (RFC 7692 section 7.2.2).
    Compression,
}

impl WsError {
    /// The status code to close with (RFC 6455 section 7.4.1).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::Unmasked
            | Self::Masked
            | Self::Length
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::ContinuationUnexpected
            | Self::ContinuationMissing
            | Self::CloseLength
            | Self::CloseCode => 1002,
            Self::Utf8 | Self::CloseReason | Self::Compression => 1007,
            Self::MessageTooCostly => 1008,
            Self::MessageTooBig => 1009,
        }
    }

    /// A sentence for a log; short enough for a Close frame's reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReservedBit => "reserved bit set",
            Self::ReservedOpcode => "reserved opcode",
            Self::Unmasked => "client frame without a mask",
            Self::Masked => "server frame with a mask",
            Self::Length => "malformed payload length",
            Self::ControlFragmented => "fragmented control frame",
            Self::ControlTooLong => "control frame over 125 bytes",
            Self::ContinuationUnexpected => "continuation of no message",
            Self::ContinuationMissing => "new message inside a fragmented one",
            Self::Utf8 => "text is not UTF-8",
            Self::CloseLength => "close payload of one byte",
            Self::CloseCode => "invalid close code",
            Self::CloseReason => "close reason is not UTF-8",
            Self::MessageTooBig => "message over the limit",
            Self::Compression => "malformed compressed message",
            Self::MessageTooCostly => "message in too many fragments",
        }
    }
}

impl fmt::Display for WsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for WsError {}
