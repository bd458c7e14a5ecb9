//! What a peer can do wrong.

use std::fmt;

/// The peer broke the protocol or ran into a limit.
///
/// Each variant maps to the status that the peer is answered with ([`status`](Self::status)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The request line does not follow RFC 9112 section 3.
    RequestLine,
    /// The request target has a form or a byte that its method does not allow (RFC 9112 section
    /// 3.2).
    Target,
    /// The request target is longer than the limit (RFC 9110 section 15.5.15).
    TargetTooLong,
    /// The version is well formed and not one that is spoken here (RFC 9110 section 15.6.6).
    Version,
    /// A header line does not follow RFC 9112 section 5: a bad name, white space before the colon,
    /// a folded line, a control byte, a line end that is not CRLF.
    Header,
    /// The head has more bytes or more headers than the limits (RFC 6585 section 5).
    HeadTooLarge,
    /// `Host` is missing, repeated, empty or malformed (RFC 9112 section 3.2).
    Host,
    /// `Content-Length` is repeated or not a plain decimal number (RFC 9112 section 6.3).
    ContentLength,
    /// `Transfer-Encoding` is not exactly one final `chunked`, or is used where it must not be
    /// (RFC 9112 section 6.1).
    TransferEncoding,
    /// A transfer coding that is not spoken here (RFC 9112 section 6.1).
    TransferCodingUnknown,
    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112 section 6.1).
    LengthConflict,
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1).
    Expectation,
    /// The server does not implement the method (RFC 9110 section 15.6.2).
    MethodNotImplemented,
    /// Content in a request whose method must not have any (RFC 9110 section 9.3.8).
    UnexpectedBody,
    /// A chunk's framing does not follow RFC 9112 section 7.1.
    Chunk,
    /// A chunked body's extensions or trailers are longer than the limits.
    ChunkTooLarge,
    /// A trailer line does not follow RFC 9112 section 7.1.2.
    Trailer,
    /// The body is longer than the limit (RFC 9110 section 15.5.14).
    BodyTooLarge,
    /// The peer took too long to send what it had begun (RFC 9110 section 15.5.9).
    Timeout,
}

impl ProtocolError {
    /// The status code to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::RequestLine
            | Self::Target
            | Self::Header
            | Self::Host
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::LengthConflict
            | Self::UnexpectedBody
            | Self::Chunk
            | Self::ChunkTooLarge
            | Self::Trailer => 400,
            Self::Timeout => 408,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge => 431,
            Self::TransferCodingUnknown | Self::MethodNotImplemented => 501,
            Self::Version => 505,
        }
    }

    /// A sentence for a log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestLine => "malformed request line",
            Self::Target => "malformed request target",
            Self::TargetTooLong => "request target over the limit",
            Self::Version => "HTTP version not supported",
            Self::Header => "malformed header",
            Self::HeadTooLarge => "request head over the limit",
            Self::Host => "missing, repeated or malformed Host",
            Self::ContentLength => "repeated or malformed Content-Length",
            Self::TransferEncoding => "Transfer-Encoding is not one final chunked",
            Self::TransferCodingUnknown => "unknown transfer coding",
            Self::LengthConflict => "Content-Length beside Transfer-Encoding",
            Self::Expectation => "unknown expectation",
            Self::MethodNotImplemented => "method not implemented",
            Self::UnexpectedBody => "content where the method allows none",
            Self::Chunk => "malformed chunk",
            Self::ChunkTooLarge => "chunk extensions or trailers over the limit",
            Self::Trailer => "malformed trailer",
            Self::BodyTooLarge => "body over the limit",
            Self::Timeout => "the peer was too slow",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for ProtocolError {}
