//! Writing blocks (RFC 1951 section 3.2): the choice of the code, its description, the bits.

use super::huffman::{self, Builder, Code, OfLength, Used};
use super::matches::Sequence;

/// Two more than DEFLATE uses, and the same for distances.
const LITERAL_SYMBOLS: usize = huffman::SYMBOLS_MAX;
const DISTANCE_SYMBOLS: usize = 32;
/// The symbols of the code for code lengths, and some that never occur.
const RUN_SYMBOLS: usize = 24;
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
    symbol: u16,
    extra: u16,
    extra_bits: u8,
}

/// The symbols of lengths (section 3.2.5), each of which is given less 3.
const LENGTHS: [Split; 256] = {
    let mut lengths = [Split {
        symbol: 285,
        extra: 0,
        extra_bits: 0,
    }; 256];
    let mut value = 0_u16;
    while value < 255 {
        let (index, extra_bits) = if value < 8 {
            (value, 0)
        } else {
            let log = value.ilog2() as u16;
            ((log - 1) << 2 | (value >> (log - 2)) & 3, log - 2)
        };
        lengths[value as usize] = Split {
            symbol: 257 + index,
            extra: value & ((1 << extra_bits) - 1),
            extra_bits: extra_bits as u8,
        };
        value += 1;
    }
    lengths
};

/// The symbol of a length from 3 to 258.
#[inline(always)]
fn split_length(length: u16) -> Split {
    LENGTHS[usize::from((length - 3) as u8)]
}

/// The symbol of a distance, given less one (section 3.2.5).
#[inline(always)]
fn split_distance(value: u16) -> Split {
    if value < 2 {
        return Split {
            symbol: value,
            extra: 0,
            extra_bits: 0,
        };
    }
    let extra_bits = value.ilog2() - 1;
    Split {
        symbol: 2 * extra_bits as u16 + (value >> extra_bits),
        extra: value & ((1 << extra_bits) - 1),
        extra_bits: extra_bits as u8,
    }
}

/// A code for literals and lengths, and one for distances.
struct Codes {
    literals: [Code; LITERAL_SYMBOLS],
    distances: [Code; DISTANCE_SYMBOLS],
}

impl Codes {
    const EMPTY: Self = Self {
        literals: [Code { bits: 0, length: 0 }; LITERAL_SYMBOLS],
        distances: [Code { bits: 0, length: 0 }; DISTANCE_SYMBOLS],
    };
}

/// The lengths of the fixed code (section 3.2.6).
pub(super) fn fixed_lengths() -> [u8; LITERAL_SYMBOLS] {
    let mut lengths = [8; LITERAL_SYMBOLS];
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
        let mut alphabet = Alphabet::new();
        alphabet.replace(fixed_lengths());
        alphabet.codes(&mut fixed.literals);
        let mut alphabet = Alphabet::new();
        alphabet.replace([5; DISTANCE_SYMBOLS]);
        alphabet.codes(&mut fixed.distances);
        Self {
            fixed,
            dynamic: Codes::EMPTY,
            header: Header::new(),
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
        let dynamic_bits = self.header.bits();
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
            header.literals.codes(&mut codes.literals);
            header.distances.codes(&mut codes.distances);
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
            out.add(codes.literals[usize::from(length.symbol)]);
            out.add_bits(length.extra.into(), length.extra_bits.into());
            let distance = split_distance(sequence.distance);
            out.add(codes.distances[usize::from(distance.symbol)]);
            out.add_bits(distance.extra.into(), distance.extra_bits.into());
            out.flush();
        }
        rest = &after[usize::from(sequence.length)..];
    }
    out.add(codes.literals[END_OF_BLOCK]);
    out.flush();
    (to.at, to.bits, to.count) = (out.at, out.bits, out.count);
}

/// How often each symbol occurs in a block.
struct Counts {
    literals: [u32; LITERAL_SYMBOLS],
    distances: [u32; DISTANCE_SYMBOLS],
    extra_bits: u32,
}

impl Counts {
    fn of(bytes: &[u8], sequences: &[Sequence]) -> Self {
        let mut counts = Self {
            literals: [0; LITERAL_SYMBOLS],
            distances: [0; DISTANCE_SYMBOLS],
            extra_bits: 0,
        };
        counts.literals[END_OF_BLOCK] = 1;
        let mut rest = bytes;
        for sequence in sequences {
            let (literals, after) = rest.split_at(sequence.literals as usize);
            for &byte in literals {
                counts.literals[usize::from(byte)] += 1;
            }
            if sequence.length > 0 {
                let length = split_length(sequence.length);
                let distance = split_distance(sequence.distance);
                counts.literals[usize::from(length.symbol)] += 1;
                counts.distances[usize::from(distance.symbol)] += 1;
                counts.extra_bits += u32::from(length.extra_bits + distance.extra_bits);
            }
            rest = &after[usize::from(sequence.length)..];
        }
        counts
    }

    /// What the symbols take with the fixed code.
    fn fixed_bits(&self) -> usize {
        let sum = |counts: &[u32]| counts.iter().sum::<u32>() as usize;
        let longer = sum(&self.literals[144..256]);
        let shorter = sum(&self.literals[256..280]);
        8 * sum(&self.literals) + longer - shorter + 5 * sum(&self.distances)
    }
}

/// The code of an alphabet of `N` symbols: the lengths of those that are used.
struct Alphabet<const N: usize> {
    used: Used,
    lengths: [u8; N],
    of_length: OfLength,
    /// What the symbols take that it was chosen for.
    bits: usize,
}

impl<const N: usize> Alphabet<N> {
    fn new() -> Self {
        Self {
            used: Used::default(),
            lengths: [0; N],
            of_length: [0; 16],
            bits: 0,
        }
    }

    fn choose(&mut self, counts: &[u32; N], length_max: usize, builder: &mut Builder) {
        self.used.collect(counts);
        (self.of_length, self.bits) =
            builder.lengths(counts, &self.used, length_max, &mut self.lengths);
    }

    /// Takes the lengths of a code that is known; those that are not 0 belong to used symbols.
    fn replace(&mut self, lengths: [u8; N]) {
        self.lengths = lengths;
        self.used.collect(&lengths.map(u32::from));
        self.of_length = [0; 16];
        for &symbol in self.used.symbols() {
            self.of_length[usize::from(lengths[usize::from(symbol)])] += 1;
        }
    }

    fn codes(&self, codes: &mut [Code; N]) {
        huffman::codes(&self.used, &self.lengths, &self.of_length, codes);
    }

    /// One symbol more than the last that is used.
    fn end(&self) -> usize {
        self.used
            .symbols()
            .last()
            .map_or(0, |&last| last + 1)
            .into()
    }
}

/// The description of a dynamic code (section 3.2.7).
struct Header {
    literals: Alphabet<LITERAL_SYMBOLS>,
    distances: Alphabet<DISTANCE_SYMBOLS>,
    /// The lengths of both with their runs folded.
    runs: Runs,
    run_lengths: Alphabet<RUN_SYMBOLS>,
    run_codes: [Code; RUN_SYMBOLS],
    /// How many of the run codes' lengths are written.
    run_codes_written: usize,
    runs_bits: usize,
    builder: Builder,
}

/// How many bits follow the symbols of the code for code lengths.
const RUN_EXTRA_BITS: [u8; RUN_SYMBOLS] = {
    let mut bits = [0; RUN_SYMBOLS];
    (bits[16], bits[17], bits[18]) = (2, 3, 7);
    bits
};

impl Header {
    fn new() -> Self {
        Self {
            literals: Alphabet::new(),
            distances: Alphabet::new(),
            runs: Runs::new(),
            run_lengths: Alphabet::new(),
            run_codes: [Code::default(); RUN_SYMBOLS],
            run_codes_written: 0,
            runs_bits: 0,
            builder: Builder::new(),
        }
    }

    fn choose(&mut self, counts: &Counts) {
        let builder = &mut self.builder;
        let (literals, distances) = (&mut self.literals, &mut self.distances);
        literals.choose(&counts.literals, LITERAL_LENGTH_MAX, builder);
        distances.choose(&counts.distances, DISTANCE_LENGTH_MAX, builder);
        // One code alone leaves bits without a meaning, which some decoders refuse.
        if distances.used.symbols().len() < 2 {
            let only = distances.used.symbols().first();
            let other = only.map_or(1, |&only| only.max(1));
            let mut lengths = [0; DISTANCE_SYMBOLS];
            (lengths[0], lengths[usize::from(other)]) = (1, 1);
            distances.replace(lengths);
        }
        self.runs.len = 0;
        self.runs.fold(literals.used.symbols(), &literals.lengths);
        self.runs.fold(distances.used.symbols(), &distances.lengths);
        self.choose_run_codes();
    }

    fn choose_run_codes(&mut self) {
        let mut counts = [0_u32; RUN_SYMBOLS];
        for &(symbol, _) in self.runs.entries() {
            counts[usize::from(symbol)] += 1;
        }
        let alphabet = &mut self.run_lengths;
        alphabet.lengths = [0; RUN_SYMBOLS];
        alphabet.choose(&counts, 7, &mut self.builder);
        alphabet.codes(&mut self.run_codes);
        let lengths = &alphabet.lengths;
        let written = |&symbol: &u8| lengths[usize::from(symbol)] > 0;
        let last = LENGTHS_ORDER.iter().rposition(written);
        self.run_codes_written = last.map_or(4, |last| last + 1).max(4);
        let extra_bits = 2 * counts[16] + 3 * counts[17] + 7 * counts[18];
        self.runs_bits = alphabet.bits + extra_bits as usize;
    }

    /// How long it is, with the symbols that it was chosen for.
    fn bits(&self) -> usize {
        let itself = 14 + 3 * self.run_codes_written + self.runs_bits;
        itself + self.literals.bits + self.distances.bits
    }

    fn write(&self, out: &mut Bits<'_>) {
        out.add_bits((self.literals.end() - 257) as u32, 5);
        out.add_bits((self.distances.end() - 1) as u32, 5);
        out.add_bits((self.run_codes_written - 4) as u32, 4);
        out.flush();
        for symbols in LENGTHS_ORDER[..self.run_codes_written].chunks(16) {
            for &symbol in symbols {
                out.add_bits(self.run_lengths.lengths[usize::from(symbol)].into(), 3);
            }
            out.flush();
        }
        for some in self.runs.entries().chunks(4) {
            for &(symbol, extra) in some {
                let symbol = usize::from(symbol);
                out.add(self.run_codes[symbol]);
                out.add_bits(extra.into(), RUN_EXTRA_BITS[symbol].into());
            }
            out.flush();
        }
    }
}

/// The most lengths of 0 that one symbol stands for.
const GAP_MAX: usize = 138;

/// What stands for so many lengths of 0, and how many of the two that is.
const GAPS: [([(u8, u8); 2], u8); GAP_MAX + 1] = {
    let mut gaps = [([(0, 0); 2], 0); GAP_MAX + 1];
    (gaps[1].1, gaps[2].1) = (1, 2);
    let mut gap = 3;
    while gap <= GAP_MAX {
        let (symbol, least) = if gap < 11 { (17, 3) } else { (18, 11) };
        gaps[gap] = ([(symbol, (gap - least) as u8), (0, 0)], 1);
        gap += 1;
    }
    gaps
};

/// Lengths in the symbols of section 3.2.7: each with what follows it.
struct Runs {
    entries: [(u8, u8); LITERAL_SYMBOLS + DISTANCE_SYMBOLS + 2],
    len: usize,
}

impl Runs {
    fn new() -> Self {
        Self {
            entries: [(0, 0); _],
            len: 0,
        }
    }

    fn entries(&self) -> &[(u8, u8)] {
        &self.entries[..self.len]
    }

    fn push(&mut self, symbol: u8, extra: usize) {
        self.entries[self.len] = (symbol, extra as u8);
        self.len += 1;
    }

    /// Adds the lengths of an alphabet up to the last that is used, in as few symbols as it takes.
    fn fold(&mut self, used: &[u16], lengths: &[u8]) {
        let (mut next, mut before, mut repeats) = (0, 0, 0);
        for &symbol in used {
            let symbol = usize::from(symbol);
            let length = lengths[symbol];
            let mut gap = symbol - next;
            next = symbol + 1;
            repeats = if gap == 0 && length == before {
                repeats + 1
            } else {
                0
            };
            before = length;
            while gap > GAP_MAX {
                self.push(18, GAP_MAX - 11);
                gap -= GAP_MAX;
            }
            // No branches, as nobody can foresee them: what is too much is overwritten.
            let (zeros, count) = GAPS[gap];
            [self.entries[self.len], self.entries[self.len + 1]] = zeros;
            self.len += usize::from(count);
            self.push(length, 0);
            if repeats >= 3 {
                repeats = self.fold_repeat(repeats);
            }
        }
    }

    /// The last length was the same `repeats` times before; returns what counts of that.
    fn fold_repeat(&mut self, repeats: usize) -> usize {
        if repeats == 3 {
            self.len -= 3;
            self.push(16, 0);
        } else {
            self.len -= 1;
            self.entries[self.len - 1].1 += 1;
        }
        // A symbol stands for six at most.
        if repeats == 6 { 0 } else { repeats }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1951 section 3.2.5: the first length of each symbol, and the bits that follow it.
    #[test]
    fn lengths_are_split_as_the_table_of_the_rfc_says() {
        let mut first = 3;
        for index in 0..28_u16 {
            let extra_bits = if index < 8 { 0 } else { index / 4 - 1 };
            for extra in 0..1 << extra_bits {
                // The last of the 28 symbols leaves its last length to another one.
                if first + extra == 258 {
                    continue;
                }
                let split = split_length(first + extra);
                assert_eq!(split.symbol, 257 + index);
                assert_eq!(split.extra, extra);
                assert_eq!(u16::from(split.extra_bits), extra_bits);
            }
            first += 1 << extra_bits;
        }
        let split = split_length(258);
        assert_eq!((split.symbol, split.extra, split.extra_bits), (285, 0, 0));
    }

    /// The lengths that runs stand for, read as section 3.2.7 has it.
    fn unfolded(runs: &Runs) -> Vec<u8> {
        let mut lengths: Vec<u8> = Vec::new();
        for &(symbol, extra) in runs.entries() {
            let extra = usize::from(extra);
            let (length, count, extra_bits) = match symbol {
                16 => (*lengths.last().expect("something repeats"), 3 + extra, 2),
                17 => (0, 3 + extra, 3),
                18 => (0, 11 + extra, 7),
                length => (length, 1, 0),
            };
            assert!(extra < 1 << extra_bits);
            lengths.extend(std::iter::repeat_n(length, count));
        }
        lengths
    }

    #[test]
    fn gaps_and_repeats_of_every_size_are_folded() {
        for gap in 0..280_usize {
            for repeats in [1, 2, 3, 4, 6, 7, 8, 12, 13, 14] {
                let mut lengths = vec![0; gap];
                lengths.extend(vec![5; repeats]);
                lengths.resize(300, 0);
                let counts: [u32; LITERAL_SYMBOLS] =
                    std::array::from_fn(|symbol| lengths[symbol].into());
                let mut used = Used::default();
                used.collect(&counts);
                let mut runs = Runs::new();
                runs.fold(used.symbols(), &lengths);
                let end = LITERAL_SYMBOLS.min(gap + repeats);
                assert_eq!(unfolded(&runs), lengths[..end], "{gap} {repeats}");
                let least = match gap {
                    0..3 => gap,
                    _ => gap.div_ceil(GAP_MAX),
                };
                // The remainder of a long gap may be too short for a symbol of its own.
                assert!(runs.entries().len() <= least + 2 + repeats.min(6));
            }
        }
    }
}
