//! Brotli (RFC 7932) inside of WebSocket messages, for clients that cannot offer an extension.
//!
//! A browser cannot, but it can offer subprotocols. A client that offers `chat+br` and gets it, or
//! offers bare `br` and gets that, has agreed that the payload of **every binary frame starts with
//! one tag byte**: 0 = raw binary, 1 = Brotli of a text message, 2 = Brotli of a binary message.
//! Text frames stay plain text. It holds in both directions.

use std::fmt;

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

/// How much room decompressed bytes are given at a time.
const OUTPUT_STEP_BYTES: usize = 16 << 10;

/// The tag of a binary message that is not compressed.
pub const TAG_RAW: u8 = 0;
const TAG_TEXT: u8 = 1;
const TAG_BINARY: u8 = 2;

/// When and how hard messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrotliConfig {
    /// Effort from 0 to 11.
    pub quality: u8,
    /// The base-two logarithm of how far back a message may refer, from 10 to 24.
    pub window_bits: u8,
    /// Shorter messages are sent as they are. The default is 1400 bytes: what fits into one packet
    /// gains nothing from being smaller.
    pub threshold_bytes: usize,
}

impl Default for BrotliConfig {
    fn default() -> Self {
        Self {
            quality: 5,
            window_bits: 18,
            threshold_bytes: 1400,
        }
    }
}

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// How a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// As a text frame with the payload as it is; nothing was appended.
    PlainText,
    /// As a binary frame with what was appended, the tag and the rest.
    TaggedBinary,
}

/// Compresses messages, one at a time; one serves all sockets of a worker.
pub struct BrotliEncoder {
    config: BrotliConfig,
}

impl BrotliEncoder {
    /// Values of the configuration beyond the limits are taken for the nearest.
    pub fn new(config: BrotliConfig) -> Self {
        Self { config }
    }

    /// Prepares a message for a peer that has agreed to the tags.
    pub fn encode(&mut self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) -> Encoded {
        let start = out.len();
        if payload.len() >= self.config.threshold_bytes {
            out.push(match kind {
                Kind::Text => TAG_TEXT,
                Kind::Binary => TAG_BINARY,
            });
            let params = brotli::enc::BrotliEncoderParams {
                quality: self.config.quality.into(),
                lgwin: self.config.window_bits.into(),
                size_hint: payload.len(),
                ..Default::default()
            };
            let done = brotli::BrotliCompress(&mut &payload[..], out, &params).is_ok();
            if done && out.len() - start < payload.len() {
                return Encoded::TaggedBinary;
            }
            out.truncate(start);
        }
        match kind {
            Kind::Text => Encoded::PlainText,
            Kind::Binary => {
                out.push(TAG_RAW);
                out.extend_from_slice(payload);
                Encoded::TaggedBinary
            }
        }
    }
}

/// Why the payload of a binary frame was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrotliError {
    /// The message is longer than the limit; the close code is 1009.
    TooBig,
    /// No tag, an unknown tag, or no Brotli data after it; the close code is 1007.
    Corrupt,
    /// A text that is not UTF-8; the close code is 1007.
    NotUtf8,
}

impl fmt::Display for BrotliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooBig => "decompressed message over the limit",
            Self::Corrupt => "malformed tagged message",
            Self::NotUtf8 => "compressed text is not UTF-8",
        })
    }
}

impl std::error::Error for BrotliError {}

/// Appends the message in the payload of a binary frame and tells its kind.
///
/// # Errors
/// What `out` has got by then is no message.
pub fn decode(payload: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> Result<Kind, BrotliError> {
    let (&tag, rest) = payload.split_first().ok_or(BrotliError::Corrupt)?;
    let kind = match tag {
        TAG_RAW if rest.len() > bytes_max => return Err(BrotliError::TooBig),
        TAG_RAW => {
            out.extend_from_slice(rest);
            return Ok(Kind::Binary);
        }
        TAG_TEXT => Kind::Text,
        TAG_BINARY => Kind::Binary,
        _ => return Err(BrotliError::Corrupt),
    };
    let start = out.len();
    decompress(rest, out, start.saturating_add(bytes_max))?;
    if kind == Kind::Text && str::from_utf8(&out[start..]).is_err() {
        return Err(BrotliError::NotUtf8);
    }
    Ok(kind)
}

/// Appends what `compressed` holds, until `out` is longer than `end_max` or everything was read.
fn decompress(compressed: &[u8], out: &mut Vec<u8>, end_max: usize) -> Result<(), BrotliError> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut in_left, mut in_at, mut total) = (compressed.len(), 0, 0);
    loop {
        let mut at = out.len();
        let mut room = (end_max.saturating_add(1) - at).min(OUTPUT_STEP_BYTES);
        out.resize(at + room, 0);
        let result = BrotliDecompressStream(
            &mut in_left,
            &mut in_at,
            compressed,
            &mut room,
            &mut at,
            out,
            &mut total,
            &mut state,
        );
        out.truncate(at);
        if at > end_max {
            return Err(BrotliError::TooBig);
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if in_left == 0 => return Ok(()),
            _ => return Err(BrotliError::Corrupt),
        }
    }
}

/// The subprotocol to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedProtocol<'a> {
    /// As the client has written it.
    pub name: &'a [u8],
    /// Whether binary frames are tagged from now on.
    pub brotli: bool,
}

/// Looks whether a client that offers the subprotocols `offers`, single names in their order, takes
/// Brotli with the one that the application has `chosen`: `chosen+br` if that is offered, bare `br`
/// if nothing was chosen. `None` when there is nothing to answer.
pub fn select_protocol<'a>(
    offers: impl Iterator<Item = &'a [u8]>,
    chosen: Option<&[u8]>,
) -> Option<SelectedProtocol<'a>> {
    let mut plain = None;
    for name in offers {
        let stem = match name.strip_suffix(b"br") {
            Some(b"") => Some(None),
            Some(stem) => stem.strip_suffix(b"+").map(Some),
            None => None,
        };
        if stem == Some(chosen) {
            return Some(SelectedProtocol { name, brotli: true });
        }
        if Some(name) == chosen {
            plain = Some(SelectedProtocol {
                name,
                brotli: false,
            });
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_with_its_kind() {
        let mut encoder = BrotliEncoder::new(BrotliConfig::default());
        let text = b"{\"name\":\"keirin\"}".repeat(200);
        for kind in [Kind::Text, Kind::Binary] {
            let (mut small, mut back) = (Vec::new(), Vec::new());
            assert_eq!(
                encoder.encode(kind, &text, &mut small),
                Encoded::TaggedBinary
            );
            assert!(small.len() < 100);
            assert_eq!(decode(&small, &mut back, text.len()), Ok(kind));
            assert_eq!(back, text);
            back.clear();
            assert_eq!(
                decode(&small, &mut back, text.len() - 1),
                Err(BrotliError::TooBig)
            );
        }
    }
}
