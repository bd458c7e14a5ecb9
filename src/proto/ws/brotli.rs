//! Brotli (RFC 7932) inside of WebSocket messages, for clients that cannot offer an extension.
//!
//! A browser cannot, but it can offer subprotocols. A client that offers `chat+br` and gets it, or
//! offers bare `br` and gets that, has agreed that the payload of **every binary frame starts with
//! one tag byte**: 0 = raw binary, 1 = Brotli of a text message, 2 = Brotli of a binary message.
//! Text frames stay plain text. It holds in both directions.

use std::fmt;

use super::message::Kind;
use super::utf8;
use brotli::enc::cluster::HistogramPair;
use brotli::enc::command::Command;
use brotli::enc::encode::{
    BrotliEncoderDestroyInstance, BrotliEncoderOperation, BrotliEncoderStateStruct,
};
use brotli::enc::entropy_encode::HuffmanTree;
use brotli::enc::histogram::{ContextType, HistogramCommand, HistogramDistance, HistogramLiteral};
use brotli::enc::{
    Allocator, BrotliAlloc, PDF, SliceWrapper, SliceWrapperMut, StandardAlloc, StaticCommand,
    ZopfliNode, floatX, s16, v8,
};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

/// How much room decompressed bytes are given at a time.
const OUTPUT_STEP_BYTES: usize = 16 << 10;

/// From here on a message is long enough that telling literals apart by what stands in front of
/// them pays, and that a repetition should be a little longer to be worth its distance.
const LARGE_BYTES: usize = 4 << 10;
/// What the encoder has to be told as the length before it does so.
const CONTEXT_BYTES_MIN: usize = 1 << 20;
/// What a byte that is repeated counts for, against the bits of the distance; 540 unless told.
const LITERAL_SCORE: i32 = 340;

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

/// How a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// As a text frame with the payload as it is; nothing was appended.
    PlainText,
    /// As a binary frame with what was appended, the tag and the rest.
    TaggedBinary,
}

/// Compresses messages, one at a time; one serves all sockets of a worker. It keeps the memory that
/// it works in, up to a few megabytes, from its first message on.
pub struct BrotliEncoder {
    config: BrotliConfig,
    memory: Memory,
}

impl BrotliEncoder {
    /// Values of the configuration beyond the limits are taken for the nearest.
    pub fn new(config: BrotliConfig) -> Self {
        Self {
            config,
            memory: Memory::default(),
        }
    }

    /// Prepares a message for a peer that has agreed to the tags.
    pub fn encode(&mut self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) -> Encoded {
        let start = out.len();
        if payload.len() >= self.config.threshold_bytes {
            out.push(match kind {
                Kind::Text => TAG_TEXT,
                Kind::Binary => TAG_BINARY,
            });
            if self.compress(payload, out) {
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

    /// Appends `payload` compressed; false when that takes its length or more, with the tag.
    fn compress(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let mut at = out.len();
        let mut room = payload.len().saturating_sub(2);
        out.resize(at + room, 0);
        let mut encoder = BrotliEncoderStateStruct::new(std::mem::take(&mut self.memory));
        encoder.params.quality = self.config.quality.min(11).into();
        encoder.params.lgwin = self.config.window_bits.clamp(10, 24).into();
        encoder.params.size_hint = payload.len();
        if payload.len() >= LARGE_BYTES {
            encoder.params.size_hint = payload.len().max(CONTEXT_BYTES_MIN);
            encoder.params.hasher.literal_byte_score = LITERAL_SCORE;
        }
        let encoded = encoder.compress_stream(
            BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
            &mut payload.len(),
            payload,
            &mut 0,
            &mut room,
            out,
            &mut at,
            &mut None,
            &mut |_, _, _, _| (),
        );
        let smaller = encoded && encoder.is_finished();
        BrotliEncoderDestroyInstance(&mut encoder);
        self.memory = encoder.m8;
        out.truncate(at);
        smaller
    }
}

/// Gives the encoder for each message the memory that it gave back after the last one: it asks for
/// a megabyte, which to get from the system costs more than to compress a short message.
#[derive(Default)]
struct Memory {
    system: StandardAlloc,
    /// The tables of what was seen where.
    tables: Vec<Cell<u32>>,
}

/// Blocks of memory that are kept.
const TABLES_MAX: usize = 4;

type Cell<T> = <StandardAlloc as Allocator<T>>::AllocatedMemory;

impl Allocator<u32> for Memory {
    type AllocatedMemory = Cell<u32>;

    fn alloc_cell(&mut self, len: usize) -> Cell<u32> {
        let fits = |table: &Cell<u32>| table.slice().len() == len;
        let Some(index) = self.tables.iter().position(fits) else {
            return self.system.alloc_cell(len);
        };
        let mut table = self.tables.swap_remove(index);
        // The encoder counts on it.
        table.slice_mut().fill(0);
        table
    }

    fn free_cell(&mut self, cell: Cell<u32>) {
        if !cell.slice().is_empty() && self.tables.len() < TABLES_MAX {
            self.tables.push(cell);
        }
    }
}

macro_rules! from_system {
    ($($cell:ty),* $(,)?) => {
        $(impl Allocator<$cell> for Memory {
            type AllocatedMemory = Cell<$cell>;

            fn alloc_cell(&mut self, len: usize) -> Cell<$cell> {
                self.system.alloc_cell(len)
            }

            fn free_cell(&mut self, _: Cell<$cell>) {}
        })*
    };
}

from_system!(
    u8,
    u16,
    i32,
    u64,
    Command,
    floatX,
    v8,
    s16,
    PDF,
    StaticCommand,
    HistogramLiteral,
    HistogramCommand,
    HistogramDistance,
    HistogramPair,
    ContextType,
    HuffmanTree,
    ZopfliNode,
);

impl BrotliAlloc for Memory {}

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
    if kind == Kind::Text && utf8::text(&out[start..]).is_none() {
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
    use crate::testing::sample::{LENGTHS, Random, json};

    fn decoded(payload: &[u8], bytes_max: usize) -> Result<(Kind, Vec<u8>), BrotliError> {
        let mut out = b"before".to_vec();
        let result = decode(payload, &mut out, bytes_max);
        assert!(out.starts_with(b"before"));
        assert!(out.len() <= 6 + bytes_max.saturating_add(1));
        result.map(|kind| (kind, out.split_off(6)))
    }

    /// Of 45 KB of JSON 6 KiB are left.
    #[test]
    fn messages_come_out_small() {
        let mut encoder = BrotliEncoder::new(BrotliConfig::default());
        let mut small = Vec::new();
        for seed in 1..=4 {
            let encoded = encoder.encode(Kind::Text, &json(seed, 45_000), &mut small);
            assert_eq!(encoded, Encoded::TaggedBinary);
        }
        assert!(small.len() <= 4 * (6 << 10), "{}", small.len());
    }

    #[test]
    fn messages_come_back_with_their_kind_and_the_limit_is_exact() {
        for quality in 0..=11 {
            let config = BrotliConfig {
                quality,
                ..BrotliConfig::default()
            };
            let mut encoder = BrotliEncoder::new(config);
            let lengths = if quality < 10 {
                &LENGTHS[1..4]
            } else {
                &LENGTHS[1..3]
            };
            for (&len, kind) in lengths
                .iter()
                .zip([Kind::Text, Kind::Binary].into_iter().cycle())
            {
                let message = json(1, len);
                let mut small = b"before".to_vec();
                let encoded = encoder.encode(kind, &message, &mut small);
                assert_eq!(encoded, Encoded::TaggedBinary);
                let small = small.strip_prefix(b"before").expect("what was there stays");
                assert!(small.len() < len / 2);
                assert!(decoded(small, len) == Ok((kind, message)));
                assert_eq!(decoded(small, len - 1), Err(BrotliError::TooBig));
            }
        }
    }

    #[test]
    fn memory_that_was_used_before_changes_nothing() {
        let mut random = Random::new(1);
        for quality in [2, 3, 4, 5, 6, 9] {
            let config = BrotliConfig {
                quality,
                ..BrotliConfig::default()
            };
            let mut used = BrotliEncoder::new(config);
            for _ in 0..20 {
                let len = 1400 + random.below(20_000);
                let message = json(random.next(), len);
                let (mut one, mut other) = (Vec::new(), Vec::new());
                used.encode(Kind::Text, &message, &mut one);
                BrotliEncoder::new(config).encode(Kind::Text, &message, &mut other);
                assert!(one == other);
            }
        }
    }

    #[test]
    fn what_is_short_or_does_not_shrink_stays() {
        let mut encoder = BrotliEncoder::new(BrotliConfig::default());
        let mut out = Vec::new();
        let message = json(1, 1400);
        assert_eq!(
            encoder.encode(Kind::Text, &message[1..], &mut out),
            Encoded::PlainText
        );
        assert!(out.is_empty());
        assert_eq!(
            encoder.encode(Kind::Text, &message, &mut out),
            Encoded::TaggedBinary
        );
        assert_eq!(out[0], TAG_TEXT);

        for noise in [
            Random::new(1).bytes(5000),
            message[1..].to_vec(),
            Vec::new(),
        ] {
            out.clear();
            assert_eq!(
                encoder.encode(Kind::Binary, &noise, &mut out),
                Encoded::TaggedBinary
            );
            assert_eq!(out[0], TAG_RAW);
            assert_eq!(out[1..], noise);
            assert_eq!(
                decoded(&out, noise.len()),
                Ok((Kind::Binary, noise.clone()))
            );
            let below = noise.len().checked_sub(1);
            assert!(below.is_none_or(|max| decoded(&out, max) == Err(BrotliError::TooBig)));
            out.clear();
            assert_eq!(
                encoder.encode(Kind::Text, &noise, &mut out),
                Encoded::PlainText
            );
            assert!(out.is_empty());
        }
    }

    #[test]
    fn what_is_malformed() {
        let mut encoder = BrotliEncoder::new(BrotliConfig::default());
        let mut small = Vec::new();
        let _ = encoder.encode(Kind::Text, &json(1, 2000), &mut small);
        let corrupt =
            |payload: &[u8]| assert_eq!(decoded(payload, 5000), Err(BrotliError::Corrupt));
        corrupt(b"");
        corrupt(&[3, 1, 2]);
        corrupt(&[TAG_TEXT]);
        corrupt(&[&small[..], b"more"].concat());
        for end in 1..small.len() {
            corrupt(&small[..end]);
        }
        // A window of 30 bits, which only the large form of the format has.
        corrupt(&[TAG_BINARY, 0x11, 0x1e, 0x00]);

        let latin = vec![0xe9; 2000];
        small.clear();
        let _ = encoder.encode(Kind::Text, &latin, &mut small);
        assert_eq!(decoded(&small, 5000), Err(BrotliError::NotUtf8));
        small[0] = TAG_BINARY;
        assert_eq!(decoded(&small, 5000), Ok((Kind::Binary, latin)));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut bomb = Vec::new();
        let mut encoder = BrotliEncoder::new(BrotliConfig::default());
        let _ = encoder.encode(Kind::Binary, &vec![0; 10 << 20], &mut bomb);
        assert!(bomb.len() < 1000);
        for bytes_max in [0, 1, 100_000] {
            assert_eq!(decoded(&bomb, bytes_max), Err(BrotliError::TooBig));
        }
    }

    #[test]
    fn protocols() {
        let cases = [
            ("chat+br,chat", Some("chat"), Some(("chat+br", true))),
            ("chat,chat+br", Some("chat"), Some(("chat+br", true))),
            ("chat+br", Some("chat"), Some(("chat+br", true))),
            ("chat,other+br", Some("chat"), Some(("chat", false))),
            ("chat,br", Some("chat"), Some(("chat", false))),
            ("chat,br", None, Some(("br", true))),
            ("br", None, Some(("br", true))),
            ("chat+br", None, None),
            ("other", Some("chat"), None),
            ("+br,xbr", None, None),
            ("+br,xbr", Some("x"), None),
            ("", None, None),
        ];
        for (offers, chosen, expected) in cases {
            let offered = offers.split(',').map(str::as_bytes);
            let selected = select_protocol(offered, chosen.map(str::as_bytes));
            let selected = selected.map(|selected| (selected.name, selected.brotli));
            let expected = expected.map(|(name, brotli)| (name.as_bytes(), brotli));
            assert_eq!(selected, expected, "{offers} {chosen:?}");
        }
    }
}
