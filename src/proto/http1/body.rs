//! Request content, RFC 9112 section 6 and 7.1: by length or in chunks.

use super::framing::BodyLength;
use super::token::{is_field_byte, is_token_byte};
use crate::proto::ProtocolError;

/// Limits on what a chunked body carries besides its data. Totals over the whole body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of content.
    pub body_bytes_max: u64,
    /// Bytes of chunk extensions.
    pub chunk_extension_bytes_max: u32,
    /// Bytes of trailers.
    pub trailer_bytes_max: u32,
}

/// What [`BodyDecoder::decode`] found at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyStep {
    /// `skip` bytes of framing, then `len` bytes of content (at least one).
    Data {
        /// Bytes before the content.
        skip: usize,
        /// Bytes of content.
        len: usize,
    },
    /// `used` bytes of framing; the body goes on behind the buffer's end.
    Need {
        /// Bytes consumed: all there were.
        used: usize,
    },
    /// `used` bytes of framing, and the body is complete.
    End {
        /// Bytes consumed.
        used: usize,
    },
}

/// Finds the content in the bytes behind a head.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// Bytes of content still to come: of the body, or of the present chunk.
    remaining: u64,
    /// Bytes of content found so far.
    total: u64,
    extension_bytes: u32,
    trailer_bytes: u32,
    /// Digits of the present chunk's size.
    size_digits: u8,
}

/// Names say what is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fixed,
    SizeFirst,
    Size,
    /// Behind the size or an extension's value: white space was seen, only `;` may follow.
    Semicolon,
    ExtensionName,
    ExtensionNameRest,
    /// White space behind an extension's name.
    ExtensionEquals,
    ExtensionValue,
    ExtensionToken,
    ExtensionQuoted,
    ExtensionEscape,
    ExtensionQuotedEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerFirst,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
    Failed(ProtocolError),
}

/// The most hexadecimal digits in a chunk's size: as many as 64 bits take.
const SIZE_DIGITS_MAX: u8 = 16;

impl BodyDecoder {
    /// A decoder for a body of this length.
    pub const fn new(length: BodyLength) -> Self {
        let (state, remaining) = match length {
            BodyLength::None | BodyLength::Fixed(0) => (State::Done, 0),
            BodyLength::Fixed(length) => (State::Fixed, length),
            BodyLength::Chunked => (State::SizeFirst, 0),
        };
        Self {
            state,
            remaining,
            total: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
            size_digits: 0,
        }
    }

    /// Whether the end of the body has been found.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of content still to come, when the peer has announced them.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Done => Some(0),
            State::Fixed => Some(self.remaining),
            _ => None,
        }
    }

    /// Bytes of content found so far.
    pub fn received(&self) -> u64 {
        self.total
    }

    /// Consumes a prefix of `bytes`, up to and including the first run of content.
    ///
    /// # Errors
    /// What breaks RFC 9112 section 7.1 or a limit; the same again on every later call.
    pub fn decode(&mut self, bytes: &[u8], limits: &BodyLimits) -> Result<BodyStep, ProtocolError> {
        let mut at = 0;
        loop {
            match self.state {
                State::Done => return Ok(BodyStep::End { used: at }),
                State::Failed(error) => return Err(error),
                _ if at == bytes.len() => return Ok(BodyStep::Need { used: at }),
                State::Fixed | State::Data => {
                    return self
                        .data(at, bytes.len() - at, limits)
                        .map_err(|e| self.fail(e));
                }
                _ => match self.framing(bytes[at], limits) {
                    Ok(next) => self.state = next,
                    Err(error) => return Err(self.fail(error)),
                },
            }
            at += 1;
        }
    }

    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.state = State::Failed(error);
        error
    }

    fn data(
        &mut self,
        skip: usize,
        available: usize,
        limits: &BodyLimits,
    ) -> Result<BodyStep, ProtocolError> {
        let len = usize::try_from(self.remaining).map_or(available, |n| n.min(available));
        self.remaining -= len as u64;
        self.total += len as u64;
        if self.total > limits.body_bytes_max {
            return Err(ProtocolError::BodyTooLarge);
        }
        if self.remaining == 0 {
            self.state = if self.state == State::Fixed {
                State::Done
            } else {
                State::DataCr
            };
        }
        Ok(BodyStep::Data { skip, len })
    }

    /// One byte of framing.
    fn framing(&mut self, byte: u8, limits: &BodyLimits) -> Result<State, ProtocolError> {
        use State as S;
        match self.state {
            S::SizeFirst | S::Size | S::SizeLf | S::DataCr | S::DataLf => self.size(byte, limits),
            S::TrailerFirst | S::TrailerName | S::TrailerValue | S::TrailerLf | S::EndLf => {
                self.trailer(byte, limits)
            }
            _ => self.extension(byte, limits),
        }
    }

    /// `chunk-size` and the line ends around a chunk's data.
    fn size(&mut self, byte: u8, limits: &BodyLimits) -> Result<State, ProtocolError> {
        use State as S;
        let digit = match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            b'A'..=b'F' => Some(byte - b'A' + 10),
            _ => None,
        };
        match (self.state, byte, digit) {
            (S::SizeFirst, _, Some(digit)) => {
                self.remaining = u64::from(digit);
                self.size_digits = 1;
                Ok(S::Size)
            }
            (S::Size, _, Some(digit)) if self.size_digits < SIZE_DIGITS_MAX => {
                self.size_digits += 1;
                self.remaining = self.remaining << 4 | u64::from(digit);
                Ok(S::Size)
            }
            (S::Size, b'\r', _) => Ok(S::SizeLf),
            (S::Size, b';' | b' ' | b'\t', _) => {
                self.state = S::Semicolon;
                self.extension(byte, limits)
            }
            (S::SizeLf, b'\n', _) => {
                if self.remaining > limits.body_bytes_max.saturating_sub(self.total) {
                    return Err(ProtocolError::BodyTooLarge);
                }
                Ok(if self.remaining == 0 {
                    S::TrailerFirst
                } else {
                    S::Data
                })
            }
            (S::DataCr, b'\r', _) => Ok(S::DataLf),
            (S::DataLf, b'\n', _) => Ok(S::SizeFirst),
            _ => Err(ProtocolError::Chunk),
        }
    }

    /// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`
    fn extension(&mut self, byte: u8, limits: &BodyLimits) -> Result<State, ProtocolError> {
        use State as S;
        self.extension_bytes += u32::from(byte != b'\r');
        if self.extension_bytes > limits.chunk_extension_bytes_max {
            return Err(ProtocolError::ChunkTooLarge);
        }
        let space = matches!(byte, b' ' | b'\t');
        let token = is_token_byte(byte);
        Ok(match (self.state, byte) {
            (S::Semicolon | S::ExtensionEquals, b';') => S::ExtensionName,
            (S::ExtensionNameRest | S::ExtensionToken | S::ExtensionQuotedEnd, b';') => {
                S::ExtensionName
            }
            (S::ExtensionNameRest | S::ExtensionToken | S::ExtensionQuotedEnd, b'\r') => S::SizeLf,
            (S::ExtensionNameRest | S::ExtensionEquals, b'=') => S::ExtensionValue,
            (S::ExtensionName | S::ExtensionValue | S::Semicolon | S::ExtensionEquals, _)
                if space =>
            {
                self.state
            }
            (S::ExtensionNameRest, _) if space => S::ExtensionEquals,
            (S::ExtensionToken | S::ExtensionQuotedEnd, _) if space => S::Semicolon,
            (S::ExtensionName | S::ExtensionNameRest, _) if token => S::ExtensionNameRest,
            (S::ExtensionValue | S::ExtensionToken, _) if token => S::ExtensionToken,
            (S::ExtensionValue, b'"') => S::ExtensionQuoted,
            (S::ExtensionQuoted, b'"') => S::ExtensionQuotedEnd,
            (S::ExtensionQuoted, b'\\') => S::ExtensionEscape,
            (S::ExtensionQuoted | S::ExtensionEscape, _) if is_field_byte(byte) => {
                S::ExtensionQuoted
            }
            _ => return Err(ProtocolError::Chunk),
        })
    }

    /// `trailer-section CRLF`. Its fields are checked and dropped.
    fn trailer(&mut self, byte: u8, limits: &BodyLimits) -> Result<State, ProtocolError> {
        use State as S;
        if self.state == S::TrailerFirst && byte == b'\r' {
            return Ok(S::EndLf);
        }
        if self.state == S::EndLf {
            return if byte == b'\n' {
                Ok(S::Done)
            } else {
                Err(ProtocolError::Trailer)
            };
        }
        self.trailer_bytes += 1;
        if self.trailer_bytes > limits.trailer_bytes_max {
            return Err(ProtocolError::ChunkTooLarge);
        }
        Ok(match (self.state, byte) {
            (S::TrailerName, b':') => S::TrailerValue,
            (S::TrailerFirst | S::TrailerName, _) if is_token_byte(byte) => S::TrailerName,
            (S::TrailerValue, b'\r') => S::TrailerLf,
            (S::TrailerValue, _) if is_field_byte(byte) => S::TrailerValue,
            (S::TrailerLf, b'\n') => S::TrailerFirst,
            _ => return Err(ProtocolError::Trailer),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BodyLimits = BodyLimits {
        body_bytes_max: 1000,
        chunk_extension_bytes_max: 20,
        trailer_bytes_max: 30,
    };

    /// The content, and how many bytes the body took; `None` when it is not complete.
    type Outcome = Result<Option<(Vec<u8>, usize)>, ProtocolError>;

    fn run<'a>(length: BodyLength, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut decoder = BodyDecoder::new(length);
        let (mut content, mut used_total) = (Vec::new(), 0);
        for piece in pieces {
            let mut at = 0;
            loop {
                match decoder.decode(&piece[at..], &LIMITS) {
                    Ok(BodyStep::Data { skip, len }) => {
                        assert!(len > 0);
                        content.extend_from_slice(&piece[at + skip..][..len]);
                        at += skip + len;
                    }
                    Ok(BodyStep::Need { used }) => {
                        assert_eq!(at + used, piece.len());
                        used_total += piece.len();
                        break;
                    }
                    Ok(BodyStep::End { used }) => {
                        return Ok(Some((content, used_total + at + used)));
                    }
                    Err(error) => {
                        assert_eq!(
                            decoder.decode(b"0", &LIMITS),
                            Err(error),
                            "it must stay failed"
                        );
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whole, byte by byte, and at every single cut.
    fn check(length: BodyLength, bytes: &[u8]) -> Outcome {
        let whole = run(length, [bytes]);
        assert_eq!(run(length, bytes.chunks(1)), whole, "byte by byte");
        for cut in 0..=bytes.len() {
            assert_eq!(
                run(length, [&bytes[..cut], &bytes[cut..]]),
                whole,
                "cut at {cut}"
            );
        }
        whole
    }

    #[test]
    fn by_length() {
        assert_eq!(check(BodyLength::None, b"GET"), Ok(Some((vec![], 0))));
        assert_eq!(check(BodyLength::Fixed(0), b"GET"), Ok(Some((vec![], 0))));
        assert_eq!(
            check(BodyLength::Fixed(3), b"abcGET"),
            Ok(Some((b"abc".to_vec(), 3)))
        );
        assert_eq!(check(BodyLength::Fixed(3), b"ab"), Ok(None));
        assert_eq!(
            check(BodyLength::Fixed(1001), &[0; 1001]),
            Err(ProtocolError::BodyTooLarge)
        );
        assert!(check(BodyLength::Fixed(1000), &[0; 1000]).is_ok());
    }

    #[test]
    fn chunked_bodies_that_are_whole() {
        for (bytes, content) in [
            ("0\r\n\r\n", ""),
            ("000\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
            ("0000000000000001\r\na\r\n0\r\n\r\n", "a"),
            ("1;a\r\nx\r\n0\r\n\r\n", "x"),
            ("1;a=b;c\r\nx\r\n0\r\n\r\n", "x"),
            ("1 ; a = b ;c\r\nx\r\n0\r\n\r\n", "x"),
            ("1;a=\"b;\\\" \"\r\nx\r\n0;z\r\n\r\n", "x"),
            ("0\r\nA: b\r\nC:\r\n\r\n", ""),
        ] {
            let expected = Ok(Some((content.as_bytes().to_vec(), bytes.len())));
            assert_eq!(
                check(BodyLength::Chunked, bytes.as_bytes()),
                expected,
                "{bytes:?}"
            );
            let followed = [bytes.as_bytes(), b"GET /"].concat();
            assert_eq!(
                check(BodyLength::Chunked, &followed),
                expected,
                "{bytes:?} and more"
            );
        }
    }

    #[test]
    fn chunked_bodies_that_are_not() {
        use ProtocolError::{BodyTooLarge, Chunk, ChunkTooLarge, Trailer};
        for (bytes, expected) in [
            ("\r\n", Chunk),
            ("g\r\n", Chunk),
            ("5:", Chunk),
            ("5 x", Chunk),
            ("5 \r\n", Chunk),
            (" 5\r\n", Chunk),
            ("+5\r\n", Chunk),
            ("-1\r\n", Chunk),
            ("0x5\r\n", Chunk),
            ("5\n", Chunk),
            ("5\rx", Chunk),
            ("1\r\naXX", Chunk),
            ("1\r\na\n", Chunk),
            ("1\r\n\r\n\r\n0", Chunk),
            ("1;\r\n", Chunk),
            ("1;a=\r\n", Chunk),
            ("1;a \r\n", Chunk),
            ("1;a\n", Chunk),
            ("1;a=\"\n\"\r\n", Chunk),
            ("1;a b\r\n", Chunk),
            ("00000000000000001\r\n", Chunk),
            ("3e9\r\n", BodyTooLarge),
            ("80000000\r\n", BodyTooLarge),
            ("100000005\r\n", BodyTooLarge),
            ("ffffffffffffffff\r\n", BodyTooLarge),
            ("1;aaaaaaaaaaaaaaaaaaaa\r\n", ChunkTooLarge),
            (
                "0\r\nabcdefghij: abcdefghijklmnopqrstuvwxyz\r\n\r\n",
                ChunkTooLarge,
            ),
            ("0\r\n\n", Trailer),
            ("0\r\n\rX", Trailer),
            ("0\r\n: b\r\n", Trailer),
            ("0\r\na b: c\r\n", Trailer),
            ("0\r\na\r\n", Trailer),
            ("0\r\na: \0\r\n", Trailer),
            ("0\r\na: b\n", Trailer),
            ("0\r\n a: b\r\n", Trailer),
        ] {
            assert_eq!(
                check(BodyLength::Chunked, bytes.as_bytes()),
                Err(expected),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn the_limits_count_totals_and_hold_on_both_sides() {
        let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
        let chunks = |n: usize| chunk.repeat(n) + "0\r\n\r\n";
        assert!(matches!(
            check(BodyLength::Chunked, chunks(10).as_bytes()),
            Ok(Some(_))
        ));
        let over = check(BodyLength::Chunked, chunks(11).as_bytes());
        assert_eq!(over, Err(ProtocolError::BodyTooLarge));
        let extensions = |n: usize| "1;abc\r\nx\r\n".repeat(n) + "0\r\n\r\n";
        assert!(matches!(
            check(BodyLength::Chunked, extensions(5).as_bytes()),
            Ok(Some(_))
        ));
        let over = check(BodyLength::Chunked, extensions(6).as_bytes());
        assert_eq!(over, Err(ProtocolError::ChunkTooLarge));
        let trailers = |n: usize| format!("0\r\n{}\r\n", "ab: cdefgh\r\n".repeat(n));
        assert!(matches!(
            check(BodyLength::Chunked, trailers(2).as_bytes()),
            Ok(Some(_))
        ));
        let over = check(BodyLength::Chunked, trailers(3).as_bytes());
        assert_eq!(over, Err(ProtocolError::ChunkTooLarge));
    }
}
