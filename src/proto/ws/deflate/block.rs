//! Writing blocks (RFC 1951 section 3.2): the choice of the code, its description, the bits.

use super::huffman::{self, Code};
use super::matches::Sequence;

const LITERAL_SYMBOLS: usize = 286;
const DISTANCE_SYMBOLS: usize = 30;
const END_OF_BLOCK: usize = 256;

/// Shorter than DEFLATE's 15, so that four of them fit into what a write can hold.
const LITERAL_LENGTH_MAX: usize = 14;
const DISTANCE_LENGTH_MAX: usize = 15;

/// The order in which the lengths of the code for code lengths are written (section 3.2.7).
pub(super) const LENGTHS_ORDER: [u8; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// A symbol and the bits that follow it.
#[derive(Clone, Copy)]
struct Split {
    symbol: usize,
    extra: u32,
    extra_bits: u32,
}

/// The symbol of a length from 3 to 258 (section 3.2.5).
#[inline(always)]
fn split_length(length: u16) -> Split {
    let value = u32::from(length) - 3;
    let (symbol, extra_bits) = match value {
        0..8 => (value, 0),
        255 => (28, 0),
        _ => {
            let log = value.ilog2();
            ((log - 1) << 2 | (value >> (log - 2)) & 3, log - 2)
        }
    };
    Split {
        symbol: 257 + symbol as usize,
        extra: value & ((1 << extra_bits) - 1),
        extra_bits,
    }
}

/// The symbol of a distance, given less one (section 3.2.5).
#[inline(always)]
fn split_distance(value: u16) -> Split {
    let value = u32::from(value);
    if value < 2 {
        return Split {
            symbol: value as usize,
            extra: 0,
            extra_bits: 0,
        };
    }
    let extra_bits = value.ilog2() - 1;
    Split {
        symbol: (2 * extra_bits + (value >> extra_bits)) as usize,
        extra: value & ((1 << extra_bits) - 1),
        extra_bits,
    }
}

/// A code for literals and lengths, and one for distances.
struct Codes {
    literals: [Code; huffman::SYMBOLS_MAX],
    distances: [Code; DISTANCE_SYMBOLS],
}

impl Codes {
    const EMPTY: Self = Self {
        literals: [Code { bits: 0, length: 0 }; huffman::SYMBOLS_MAX],
        distances: [Code { bits: 0, length: 0 }; DISTANCE_SYMBOLS],
    };
}

/// The lengths of the fixed code (section 3.2.6).
pub(super) fn fixed_lengths() -> [u8; huffman::SYMBOLS_MAX] {
    let mut lengths = [8; huffman::SYMBOLS_MAX];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    lengths
}

/// What writing a block needs; reused, to spare the making.
pub(super) struct BlockEncoder {
    fixed: Codes,
    dynamic: Codes,
    header: Header,
}

impl BlockEncoder {
    pub(super) fn new() -> Self {
        let mut fixed = Codes::EMPTY;
        huffman::codes(&fixed_lengths(), &mut fixed.literals);
        huffman::codes(&[5; DISTANCE_SYMBOLS], &mut fixed.distances);
        Self {
            fixed,
            dynamic: Codes::EMPTY,
            header: Header::default(),
        }
    }

    /// Appends one block, not the last of its stream, that stands for `bytes` cut into `sequences`.
    /// False, with nothing written, when the block would end beyond `end_max` bytes.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        sequences: &[Sequence],
        end_max: usize,
        out: &mut BitWriter<'_>,
    ) -> bool {
        let counts = Counts::of(bytes, sequences);
        let fixed_bits = counts.fixed_bits();
        self.header.choose(&counts);
        let dynamic_bits = counts.bits(&self.header.lengths) + self.header.bits();
        let cost_bits = 3 + counts.extra_bits as usize + fixed_bits.min(dynamic_bits);
        let (header, codes) = (&self.header, &mut self.dynamic);
        out.with_room(cost_bits, end_max, |out| {
            if dynamic_bits >= fixed_bits {
                out.put(0b010, 3);
                write_sequences(bytes, sequences, &self.fixed, out);
                return;
            }
            out.put(0b100, 3);
            header.write(out);
            let (literals, distances) = header.lengths.split_at(LITERAL_SYMBOLS);
            huffman::codes(literals, &mut codes.literals);
            huffman::codes(distances, &mut codes.distances);
            write_sequences(bytes, sequences, codes, out);
        })
    }
}

fn write_sequences(bytes: &[u8], sequences: &[Sequence], codes: &Codes, to: &mut Bits<'_>) {
    // A value of its own stays in registers.
    let mut out = Bits {
        out: &mut *to.out,
        ..*to
    };
    let mut rest = bytes;
    for sequence in sequences {
        let (literals, after) = rest.split_at(sequence.literals as usize);
        let (fours, last) = literals.as_chunks::<4>();
        for four in fours {
            for &byte in four {
                out.add(codes.literals[usize::from(byte)]);
            }
            out.flush();
        }
        for &byte in last {
            out.add(codes.literals[usize::from(byte)]);
        }
        out.flush();
        if sequence.length > 0 {
            let length = split_length(sequence.length);
            out.add(codes.literals[length.symbol]);
            out.add_bits(length.extra, length.extra_bits);
            let distance = split_distance(sequence.distance);
            out.add(codes.distances[distance.symbol]);
            out.add_bits(distance.extra, distance.extra_bits);
            out.flush();
        }
        rest = &after[usize::from(sequence.length)..];
    }
    out.add(codes.literals[END_OF_BLOCK]);
    out.flush();
    (to.at, to.bits, to.count) = (out.at, out.bits, out.count);
}

/// How often each symbol occurs in a block: literals and lengths, then distances.
struct Counts {
    symbols: [u32; LITERAL_SYMBOLS + DISTANCE_SYMBOLS],
    extra_bits: u32,
}

impl Counts {
    fn of(bytes: &[u8], sequences: &[Sequence]) -> Self {
        let mut counts = Self {
            symbols: [0; LITERAL_SYMBOLS + DISTANCE_SYMBOLS],
            extra_bits: 0,
        };
        counts.symbols[END_OF_BLOCK] = 1;
        let mut rest = bytes;
        for sequence in sequences {
            let (literals, after) = rest.split_at(sequence.literals as usize);
            for &byte in literals {
                counts.symbols[usize::from(byte)] += 1;
            }
            if sequence.length > 0 {
                let length = split_length(sequence.length);
                let distance = split_distance(sequence.distance);
                counts.symbols[length.symbol] += 1;
                counts.symbols[LITERAL_SYMBOLS + distance.symbol] += 1;
                counts.extra_bits += length.extra_bits + distance.extra_bits;
            }
            rest = &after[usize::from(sequence.length)..];
        }
        counts
    }

    /// What the symbols take with codes of these lengths.
    fn bits(&self, lengths: &[u8; LITERAL_SYMBOLS + DISTANCE_SYMBOLS]) -> usize {
        let products = self.symbols.iter().zip(lengths);
        products
            .map(|(&count, &length)| count * u32::from(length))
            .sum::<u32>() as usize
    }

    /// What they take with the fixed code.
    fn fixed_bits(&self) -> usize {
        let sum = |range: std::ops::Range<usize>| self.symbols[range].iter().sum::<u32>() as usize;
        let all = sum(0..LITERAL_SYMBOLS);
        let longer = sum(144..256);
        let shorter = sum(256..280);
        8 * all + longer - shorter + 5 * sum(LITERAL_SYMBOLS..LITERAL_SYMBOLS + DISTANCE_SYMBOLS)
    }
}

/// The description of a dynamic code (section 3.2.7).
struct Header {
    lengths: [u8; LITERAL_SYMBOLS + DISTANCE_SYMBOLS],
    literal_symbols: usize,
    distance_symbols: usize,
    /// The lengths with their runs folded: symbol, and what follows it.
    runs: Vec<(u8, u8)>,
    run_codes: [Code; 19],
    run_codes_written: usize,
    runs_bits: usize,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            lengths: [0; LITERAL_SYMBOLS + DISTANCE_SYMBOLS],
            literal_symbols: 0,
            distance_symbols: 0,
            runs: Vec::new(),
            run_codes: [Code::default(); 19],
            run_codes_written: 0,
            runs_bits: 0,
        }
    }
}

/// How many bits follow the symbols 16, 17 and 18.
const RUN_EXTRA_BITS: [u32; 3] = [2, 3, 7];

impl Header {
    fn choose(&mut self, counts: &Counts) {
        let (literal_counts, distance_counts) = counts.symbols.split_at(LITERAL_SYMBOLS);
        let (literals, distances) = self.lengths.split_at_mut(LITERAL_SYMBOLS);
        huffman::lengths(literal_counts, LITERAL_LENGTH_MAX, literals);
        huffman::lengths(distance_counts, DISTANCE_LENGTH_MAX, distances);
        // One code alone leaves bits without a meaning, which some decoders refuse.
        if distances[1..].iter().all(|&length| length == 0) {
            distances[..2].fill(1);
        } else if distances.iter().filter(|&&length| length > 0).count() == 1 {
            distances[0] = 1;
        }
        let used = |lengths: &[u8]| lengths.iter().rposition(|&length| length > 0);
        self.literal_symbols = used(literals).map_or(257, |last| last + 1);
        self.distance_symbols = used(distances).map_or(1, |last| last + 1);
        let distance_symbols = self.distance_symbols;
        self.fold_runs(distance_symbols);
    }

    fn fold_runs(&mut self, distance_symbols: usize) {
        self.runs.clear();
        let mut counts = [0_u32; 19];
        let literals = &self.lengths[..self.literal_symbols];
        let distances = &self.lengths[LITERAL_SYMBOLS..LITERAL_SYMBOLS + distance_symbols];
        for part in [literals, distances] {
            for same in part.chunk_by(|one, other| one == other) {
                fold_run(same[0], same.len(), &mut self.runs);
            }
        }
        let mut extra_bits = 0;
        for &(symbol, _) in &self.runs {
            counts[usize::from(symbol)] += 1;
            if symbol >= 16 {
                extra_bits += RUN_EXTRA_BITS[usize::from(symbol) - 16];
            }
        }
        let mut lengths = [0; 19];
        huffman::lengths(&counts, 7, &mut lengths);
        huffman::codes(&lengths, &mut self.run_codes);
        let written = |&symbol: &u8| lengths[usize::from(symbol)] > 0;
        let last = LENGTHS_ORDER.iter().rposition(written);
        self.run_codes_written = last.map_or(4, |last| last + 1).max(4);
        let products = counts.iter().zip(lengths);
        let symbols = products.map(|(&count, length)| count * u32::from(length));
        self.runs_bits = (symbols.sum::<u32>() + extra_bits) as usize;
    }

    /// How long it is.
    fn bits(&self) -> usize {
        14 + 3 * self.run_codes_written + self.runs_bits
    }

    fn write(&self, out: &mut Bits<'_>) {
        out.put((self.literal_symbols - 257) as u32, 5);
        out.put((self.distance_symbols - 1) as u32, 5);
        out.put((self.run_codes_written - 4) as u32, 4);
        for &symbol in &LENGTHS_ORDER[..self.run_codes_written] {
            out.put(self.run_codes[usize::from(symbol)].length.into(), 3);
        }
        for &(symbol, extra) in &self.runs {
            out.add(self.run_codes[usize::from(symbol)]);
            if symbol >= 16 {
                out.add_bits(extra.into(), RUN_EXTRA_BITS[usize::from(symbol) - 16]);
            }
            out.flush();
        }
    }
}

/// Writes `count` times `length` in as few symbols as it takes.
fn fold_run(length: u8, mut count: usize, runs: &mut Vec<(u8, u8)>) {
    if length == 0 {
        while count >= 11 {
            let some = count.min(138);
            runs.push((18, (some - 11) as u8));
            count -= some;
        }
        if count >= 3 {
            runs.push((17, (count - 3) as u8));
            count = 0;
        }
    } else if count >= 4 {
        runs.push((length, 0));
        count -= 1;
        while count >= 3 {
            let some = count.min(6);
            runs.push((16, (some - 3) as u8));
            count -= some;
        }
    }
    runs.extend(std::iter::repeat_n((length, 0), count));
}

/// Bits, the first one lowest, behind the bytes of a buffer.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    at: usize,
    bits: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let at = out.len();
        Self {
            out,
            at,
            bits: 0,
            count: 0,
        }
    }

    /// Lets `write` write so many bits; false when they end beyond `end_max` bytes.
    fn with_room(
        &mut self,
        bits: usize,
        end_max: usize,
        write: impl FnOnce(&mut Bits<'_>),
    ) -> bool {
        let end = self.at + (self.count as usize + bits).div_ceil(8);
        if end > end_max {
            return false;
        }
        self.out.resize(end + size_of::<u64>(), 0);
        let mut room = Bits {
            out: &mut self.out[self.at..],
            at: 0,
            bits: self.bits,
            count: self.count,
        };
        write(&mut room);
        (self.bits, self.count) = (room.bits, room.count);
        self.at += room.at;
        true
    }

    /// Ends with the head of an empty stored block and what fills its last byte: the rest of that
    /// block stays off the wire (RFC 7692 section 7.2.1). False, with nothing done, when that
    /// ends beyond `end_max`.
    pub(super) fn finish(mut self, end_max: usize) -> bool {
        let written = self.with_room(3, end_max, |out| out.put(0, 3));
        if written {
            self.out.truncate(self.at + usize::from(self.count > 0));
        }
        written
    }
}

/// Bits with room for them.
struct Bits<'a> {
    out: &'a mut [u8],
    at: usize,
    bits: u64,
    count: u32,
}

impl Bits<'_> {
    /// Up to 57 bits between two calls of `flush`.
    #[inline(always)]
    fn add_bits(&mut self, bits: u32, count: u32) {
        self.bits |= u64::from(bits) << self.count;
        self.count += count;
    }

    #[inline(always)]
    fn add(&mut self, code: Code) {
        self.add_bits(code.bits.into(), code.length.into());
    }

    #[inline(always)]
    fn flush(&mut self) {
        let place = self.out[self.at..].first_chunk_mut::<8>();
        *place.expect("the size was worked out before") = self.bits.to_le_bytes();
        self.at += (self.count / 8) as usize;
        self.bits >>= self.count & !7;
        self.count &= 7;
    }

    fn put(&mut self, bits: u32, count: u32) {
        self.add_bits(bits, count);
        self.flush();
    }
}
