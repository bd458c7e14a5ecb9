//! Messages through raw DEFLATE (RFC 1951), as permessage-deflate wants them (RFC 7692 section
//! 7.2). Bytes in, bytes out; what is compressed when is not decided here.
//!
//! The codec is our own. A message is small and whole, which general ones cannot count on: they
//! clear and build for a stream what a message of a kilobyte does not need, and keep it for each
//! socket. What that is worth is in docs/compression.md.

mod block;
mod huffman;
mod inflate;
mod input;
mod matches;
mod output;
mod symbols;
#[cfg(test)]
mod tests;

use std::fmt;

use self::block::{BitWriter, BlockEncoder};
use self::inflate::Decoder;
use self::matches::{Effort, Finder, SHORT_BYTES_MAX, ShortFinder, VIEW_BYTES_MAX};
use self::symbols::Block;

/// The furthest that DEFLATE can refer back, as a power of two.
const WINDOW_BITS_MAX: u8 = 15;
const WINDOW_BITS_MIN: u8 = 8;

/// A block ends when it stands for so many bytes: what comes later is likely to want another code.
const BLOCK_BYTES: usize = 48 << 10;

/// What one socket's compressor remembers of the messages before.
///
/// It has no memory before its first message, and then six bytes for each byte of its window.
pub struct Deflater {
    window_bits: u8,
    finder: Finder,
    /// What was sent last, at most twice the window.
    sent: Vec<u8>,
}

impl Deflater {
    /// Remembers `1 << window_bits` bytes; less than 8 and more than 15 are taken for these.
    pub fn new(window_bits: u8) -> Self {
        Self {
            window_bits: window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX),
            finder: Finder::default(),
            sent: Vec::new(),
        }
    }

    /// Forgets the messages before. To be called when the peer got a compressed message in between
    /// that this compressor has not seen, such as a frame that was published to many.
    pub fn reset(&mut self) {
        self.sent.clear();
    }

    /// Bytes of memory that it owns.
    #[cfg(feature = "testing")]
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.finder.buffered_bytes() + self.sent.capacity()
    }

    /// Takes the next bytes of `payload` in and cuts them into symbols; returns how many bytes.
    fn parse(&mut self, payload: &[u8], effort: Effort, block: &mut Block) -> usize {
        let window = 1 << self.window_bits;
        if self.sent.is_empty() {
            self.sent.reserve_exact(2 * window);
            self.finder.clear(self.window_bits, self.window_bits);
        }
        let count = payload.len().min(window);
        if self.sent.len() + count > 2 * window {
            let old = self.sent.len() - window;
            self.sent.drain(..old);
            self.finder.slide(old);
        }
        let from = self.sent.len();
        self.sent.extend_from_slice(&payload[..count]);
        let bits = self.window_bits;
        self.finder.parse(&self.sent, from, bits, effort, block);
        count
    }
}

/// What one socket's decompressor remembers of the messages before.
///
/// It has no memory before its first message, and never more than its window.
pub struct Inflater {
    window: usize,
    /// A ring once it is full.
    bytes: Vec<u8>,
    /// Behind the youngest byte.
    end: usize,
}

impl Inflater {
    /// Remembers `1 << window_bits` bytes; less than 9 and more than 15 are taken for these. Many
    /// peers compress with 9 bits where 8 were agreed on, as zlib does.
    pub fn new(window_bits: u8) -> Self {
        Self {
            window: 1 << window_bits.clamp(9, WINDOW_BITS_MAX),
            bytes: Vec::new(),
            end: 0,
        }
    }

    /// Forgets the messages before.
    pub fn reset(&mut self) {
        self.bytes.clear();
        self.end = 0;
    }

    /// Bytes of memory that it owns.
    #[cfg(feature = "testing")]
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds a message.
    fn remember(&mut self, message: &[u8]) {
        let mut rest = &message[message.len().saturating_sub(self.window)..];
        let room = self.window - self.bytes.len();
        if room > 0 {
            let (some, more) = rest.split_at(rest.len().min(room));
            let len = self.bytes.len() + some.len();
            if self.bytes.capacity() < len {
                // A power of two, as the window is, which it is never beyond.
                let more = len.next_power_of_two() - self.bytes.len();
                self.bytes.reserve_exact(more);
            }
            self.bytes.extend_from_slice(some);
            self.end = self.bytes.len();
            rest = more;
        }
        while !rest.is_empty() {
            let at = self.end % self.window;
            let (some, more) = rest.split_at(rest.len().min(self.window - at));
            self.bytes[at..at + some.len()].copy_from_slice(some);
            self.end = at + some.len();
            rest = more;
        }
    }

    /// Copies the bytes from `back` before the end on; false when they are not remembered.
    fn recall(&self, back: usize, into: &mut [u8]) -> bool {
        let len = self.bytes.len();
        if back > len {
            return false;
        }
        let from = if back <= self.end {
            self.end - back
        } else {
            self.end + len - back
        };
        let first = into.len().min(len - from);
        let (one, other) = into.split_at_mut(first);
        one.copy_from_slice(&self.bytes[from..from + first]);
        other.copy_from_slice(&self.bytes[..other.len()]);
        true
    }
}

/// Why a message was not decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// It is longer than the limit; the close code is 1009.
    TooBig,
    /// It is no DEFLATE data, or refers back to what is not remembered; the close code is 1007.
    Corrupt,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooBig => "decompressed message over the limit",
            Self::Corrupt => "malformed compressed message",
        })
    }
}

impl std::error::Error for InflateError {}

/// The working memory that all sockets of one worker share, made when first used.
pub struct Compression {
    level: u8,
    encoder: Option<Box<Encoder>>,
    decoder: Option<Box<Decoder>>,
    /// Never remembers anything.
    blank: Inflater,
}

struct Encoder {
    finder: Finder,
    short: ShortFinder,
    block: Block,
    blocks: BlockEncoder,
}

impl Encoder {
    fn new() -> Self {
        Self {
            finder: Finder::default(),
            short: ShortFinder::new(),
            block: Block::new(),
            blocks: BlockEncoder::new(),
        }
    }
}

impl Compression {
    /// `level` is the effort of all compression, from 0, none, to 9; more is taken for 9.
    pub fn new(level: u8) -> Self {
        Self {
            level,
            encoder: None,
            decoder: None,
            blank: Inflater::new(0),
        }
    }

    /// What a socket's compressor remembers, to be given to [`deflate`](Self::deflate).
    pub fn deflater(&self, window_bits: u8) -> Deflater {
        Deflater::new(window_bits)
    }

    /// Appends `payload`, compressed on its own, for every peer whose window has `window_bits` or
    /// more, from 8 to 15. The result is what stands in the frames of a message: without the last
    /// four bytes of the flush (RFC 7692 section 7.2.1).
    ///
    /// False, with `out` as it was, when that would not be smaller: send the message as it is.
    pub fn deflate_shared(&mut self, window_bits: u8, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if self.level == 0 {
            return false;
        }
        let Encoder {
            finder,
            short,
            block,
            blocks,
        } = &mut **self.encoder.get_or_insert_with(|| Box::new(Encoder::new()));
        let effort = Effort::of_level(self.level);
        let window_bits = window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        if payload.len() <= SHORT_BYTES_MAX.min(1 << window_bits) {
            let parse = |rest: &[u8], block: &mut Block| {
                short.parse(rest, effort, block);
                rest.len()
            };
            return encode(payload, block, blocks, out, parse);
        }
        finder.clear(WINDOW_BITS_MAX, hash_bits(payload.len()));
        let (mut origin, mut from) = (0, 0);
        let parse = |rest: &[u8], block: &mut Block| {
            let at = payload.len() - rest.len();
            if at - origin >= VIEW_BYTES_MAX {
                finder.slide(VIEW_BYTES_MAX / 2);
                origin += VIEW_BYTES_MAX / 2;
                from = at - origin;
            }
            let view = &payload[origin..payload.len().min(origin + VIEW_BYTES_MAX)];
            finder.parse(view, from, window_bits, effort, block);
            let count = view.len() - from;
            from = view.len();
            count
        };
        encode(payload, block, blocks, out, parse)
    }

    /// Appends `payload`, compressed with what one socket has sent before, to which it is added.
    ///
    /// False, with `out` as it was, when that would not be smaller: send the message as it is. The
    /// history then begins anew, as the peer's does not get this message.
    pub fn deflate(&mut self, history: &mut Deflater, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if self.level == 0 {
            return false;
        }
        let Encoder { block, blocks, .. } =
            &mut **self.encoder.get_or_insert_with(|| Box::new(Encoder::new()));
        let effort = Effort::of_level(self.level);
        let parse = |rest: &[u8], block: &mut Block| history.parse(rest, effort, block);
        let smaller = encode(payload, block, blocks, out, parse);
        if !smaller {
            history.reset();
        }
        smaller
    }

    /// Appends the message whose frames held `compressed`, which was compressed on its own.
    ///
    /// # Errors
    /// When it is malformed or longer than `bytes_max`. What `out` has got by then is no message.
    pub fn inflate_shared(
        &mut self,
        compressed: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), InflateError> {
        let decoder = self.decoder.get_or_insert_with(|| Box::new(Decoder::new()));
        decoder.inflate(&self.blank, compressed, out, bytes_max)
    }

    /// Appends the message whose frames held `compressed`, which may refer to what the socket has
    /// received before; it is added to that.
    ///
    /// # Errors
    /// As [`inflate_shared`](Self::inflate_shared). The history is of no use after an error.
    pub fn inflate(
        &mut self,
        history: &mut Inflater,
        compressed: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), InflateError> {
        let decoder = self.decoder.get_or_insert_with(|| Box::new(Decoder::new()));
        let start = out.len();
        decoder.inflate(history, compressed, out, bytes_max)?;
        history.remember(&out[start..]);
        Ok(())
    }
}

/// For a short message, a table that is quick to clear.
fn hash_bits(payload_len: usize) -> u8 {
    (payload_len.max(1).ilog2() as u8 + 2).clamp(9, WINDOW_BITS_MAX)
}

/// Appends `payload` block by block. `parse` takes what is left of it, and returns how many bytes
/// it has cut into symbols.
fn encode(
    payload: &[u8],
    block: &mut Block,
    blocks: &mut BlockEncoder,
    out: &mut Vec<u8>,
    mut parse: impl FnMut(&[u8], &mut Block) -> usize,
) -> bool {
    let start = out.len();
    let end_max = (start + payload.len()).saturating_sub(1);
    let mut writer = BitWriter::new(out);
    let mut rest = payload;
    let mut smaller = true;
    while smaller && !rest.is_empty() {
        block.clear();
        while !rest.is_empty() && block.bytes() < BLOCK_BYTES {
            let count = parse(rest, block);
            rest = &rest[count..];
        }
        block.finish();
        smaller = blocks.write(block, end_max, &mut writer);
    }
    smaller = smaller && writer.finish(end_max);
    if !smaller {
        out.truncate(start);
    }
    smaller
}
