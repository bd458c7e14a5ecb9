//! Writing blocks (RFC 1951 section 3.2): the choice of the code, its description, the bits.

use std::ops::RangeInclusive;

use super::huffman::{self, Builder, Code, OfLength, Used};
use super::symbols::{
    Block, Counts, DISTANCE_SYMBOLS, END_OF_BLOCK, LITERAL_SYMBOLS, LITERALS_STEP,
};

/// The symbols of the code for code lengths, and some that never occur.
const RUN_SYMBOLS: usize = 24;

/// Shorter than DEFLATE's 15; what would be longer is too seldom to matter.
const LITERAL_LENGTH_MAX: usize = 14;
const DISTANCE_LENGTH_MAX: usize = 15;

/// The order in which the lengths of the code for code lengths are written (section 3.2.7).
pub(super) const LENGTHS_ORDER: [u8; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

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

    /// Appends one block, not the last of its stream. False, with nothing written, when it would
    /// end beyond `end_max` bytes.
    pub(super) fn write(&mut self, block: &Block, end_max: usize, out: &mut BitWriter<'_>) -> bool {
        let counts = block.counts();
        let fixed_bits = counts.fixed_bits();
        self.header.choose(counts);
        let dynamic_bits = self.header.bits();
        let cost_bits = 3 + counts.extra_bits as usize + fixed_bits.min(dynamic_bits);
        let (header, codes) = (&self.header, &mut self.dynamic);
        out.with_room(cost_bits, end_max, |out| {
            if dynamic_bits >= fixed_bits {
                out.put(0b010, 3);
                write_symbols(block, &self.fixed, out);
                return;
            }
            out.put(0b100, 3);
            header.write(out);
            header.literals.codes(&mut codes.literals);
            header.distances.codes(&mut codes.distances);
            write_symbols(block, codes, out);
        })
    }
}

/// Literals are written so many at a time.
const LITERALS_AT_ONCE: usize = 3;
const _: () = assert!(
    LITERALS_AT_ONCE <= LITERALS_STEP,
    "that many stand behind them"
);

/// Masks for some codes of which so many are wanted.
const KEEP: [[u16; LITERALS_AT_ONCE]; LITERALS_AT_ONCE + 1] =
    [[0, 0, 0], [!0, 0, 0], [!0, !0, 0], [!0, !0, !0]];

fn write_symbols(block: &Block, codes: &Codes, to: &mut Bits<'_>) {
    // A value of its own stays in registers.
    let mut out = Bits {
        out: &mut *to.out,
        ..*to
    };
    let mut rest = block.literals_and_more();
    for sequence in block.sequences() {
        rest = write_literals(rest, sequence.literals, codes, &mut out);
        out.add(codes.literals[usize::from(sequence.length.symbol)]);
        out.add_bits(
            sequence.length.extra.into(),
            sequence.length.extra_bits.into(),
        );
        out.add(codes.distances[usize::from(sequence.distance.symbol)]);
        out.add_bits(
            sequence.distance.extra.into(),
            sequence.distance.extra_bits.into(),
        );
        out.flush();
    }
    write_literals(rest, block.literals_left(), codes, &mut out);
    out.add(codes.literals[usize::from(END_OF_BLOCK)]);
    out.flush();
    (to.at, to.bits, to.count) = (out.at, out.bits, out.count);
}

/// Writes the first `count` of `literals` and returns the others. At least three have to stand
/// behind them, whatever they are.
#[inline(always)]
fn write_literals<'a>(
    mut literals: &'a [u8],
    count: u32,
    codes: &Codes,
    out: &mut Bits<'_>,
) -> &'a [u8] {
    let mut left = count as usize;
    while left > LITERALS_AT_ONCE {
        let (some, after) = literals.split_at(LITERALS_AT_ONCE);
        for &byte in some {
            out.add(codes.literals[usize::from(byte)]);
        }
        out.flush();
        (literals, left) = (after, left - LITERALS_AT_ONCE);
    }
    // The last ones without a branch for how many they are.
    for (&byte, &keep) in literals.iter().zip(&KEEP[left & 3]) {
        out.add_kept(codes.literals[usize::from(byte)], keep);
    }
    out.flush();
    &literals[left..]
}

/// The code of an alphabet of `N` symbols.
struct Alphabet<const N: usize> {
    used: Used,
    /// Of those that are used, in their order.
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
        let counts = self.used.counts();
        let lengths = &mut self.lengths[..counts.len()];
        (self.of_length, self.bits) = builder.lengths(counts, length_max, lengths);
    }

    /// Takes the lengths of a code that is known, by symbol; those that are not 0 are used.
    fn replace(&mut self, lengths: [u8; N]) {
        self.used.collect(&lengths.map(u32::from));
        self.of_length = [0; 16];
        for (place, &length) in self.lengths.iter_mut().zip(self.used.counts()) {
            *place = length as u8;
            self.of_length[length as usize] += 1;
        }
    }

    fn lengths(&self) -> &[u8] {
        &self.lengths[..self.used.symbols().len()]
    }

    /// The lengths by symbol.
    fn by_symbol(&self) -> [u8; N] {
        let mut lengths = [0; N];
        for (&symbol, &length) in self.used.symbols().iter().zip(&self.lengths) {
            lengths[usize::from(symbol)] = length;
        }
        lengths
    }

    fn codes(&self, codes: &mut [Code; N]) {
        huffman::codes(self.used.symbols(), self.lengths(), &self.of_length, codes);
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

/// A code for code lengths.
struct RunCode {
    lengths: [u8; RUN_SYMBOLS],
    codes: [Code; RUN_SYMBOLS],
    /// How many of the lengths are written.
    written: usize,
}

impl RunCode {
    fn new(lengths: [u8; RUN_SYMBOLS]) -> Self {
        let mut codes = [Code::default(); RUN_SYMBOLS];
        let mut alphabet = Alphabet::new();
        alphabet.replace(lengths);
        alphabet.codes(&mut codes);
        let is_written = |&symbol: &u8| lengths[usize::from(symbol)] > 0;
        let last = LENGTHS_ORDER.iter().rposition(is_written);
        Self {
            lengths,
            codes,
            written: last.map_or(4, |last| last + 1).max(4),
        }
    }

    /// What it takes to describe it.
    fn bits(&self) -> usize {
        3 * self.written
    }
}

/// The lengths of four codes for code lengths, one of which is hardly worse than the best for most
/// short messages. To find the best takes longer than it saves there.
const USUAL_RUN_LENGTHS: [[u8; RUN_SYMBOLS]; 4] = [
    [
        2, 7, 5, 4, 4, 4, 3, 3, 4, 7, 7, 7, 7, 7, 7, 7, 5, 4, 4, 0, 0, 0, 0, 0,
    ],
    [
        3, 7, 6, 5, 3, 3, 3, 2, 7, 7, 7, 7, 7, 7, 7, 7, 7, 4, 4, 0, 0, 0, 0, 0,
    ],
    [
        3, 7, 7, 6, 4, 3, 3, 3, 2, 7, 7, 7, 7, 7, 7, 7, 7, 4, 5, 0, 0, 0, 0, 0,
    ],
    [
        3, 7, 7, 5, 4, 3, 3, 3, 3, 3, 7, 7, 7, 7, 7, 7, 6, 4, 6, 0, 0, 0, 0, 0,
    ],
];
/// They are for blocks whose symbols take so many bits. In shorter ones they weigh more, and in
/// longer ones there is more to gain by the best.
const USUAL_BITS: RangeInclusive<usize> = 1_500..=4_000;

/// What a symbol takes in each of them, the bits behind it included.
const USUAL_RUN_BITS: [u64; RUN_SYMBOLS] = {
    let mut all = [0; RUN_SYMBOLS];
    let mut symbol = 0;
    while symbol < RUN_SYMBOLS {
        let mut code = 0;
        while code < USUAL_RUN_LENGTHS.len() {
            let bits = USUAL_RUN_LENGTHS[code][symbol] + RUN_EXTRA_BITS[symbol];
            all[symbol] |= (bits as u64) << (SUM_BITS * code as u32);
            code += 1;
        }
        symbol += 1;
    }
    all
};
/// Room for the sum of one of them.
const SUM_BITS: u32 = 16;

/// The description of a dynamic code (section 3.2.7).
struct Header {
    literals: Alphabet<LITERAL_SYMBOLS>,
    distances: Alphabet<DISTANCE_SYMBOLS>,
    /// The lengths of both with their runs folded, and what these take.
    runs: Runs,
    runs_bits: usize,
    /// The usual ones, and the last that was made for a block, which is none of them.
    run_codes: [RunCode; USUAL_RUN_LENGTHS.len() + 1],
    /// Which of them is written.
    chosen: usize,
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
        let [a, b, c, d] = USUAL_RUN_LENGTHS.map(RunCode::new);
        Self {
            literals: Alphabet::new(),
            distances: Alphabet::new(),
            runs: Runs::new(),
            runs_bits: 0,
            run_codes: [a, b, c, d, RunCode::new([0; RUN_SYMBOLS])],
            chosen: 0,
            builder: Builder::new(),
        }
    }

    /// Chooses the codes for a block with these symbols.
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
        self.runs.fold(literals.used.symbols(), literals.lengths());
        let symbols = distances.used.symbols();
        self.runs.fold(symbols, distances.lengths());
        if USUAL_BITS.contains(&(literals.bits + distances.bits)) {
            self.choose_usual_run_code();
        } else {
            self.make_run_code();
        }
    }

    fn choose_usual_run_code(&mut self) {
        let entries = self.runs.entries().iter();
        let sums: u64 = entries
            .map(|&(symbol, _)| USUAL_RUN_BITS[usize::from(symbol)])
            .sum();
        self.runs_bits = usize::MAX;
        for code in 0..USUAL_RUN_LENGTHS.len() {
            let bits = (sums >> (SUM_BITS * code as u32)) as usize % (1 << SUM_BITS);
            if bits < self.runs_bits {
                (self.runs_bits, self.chosen) = (bits, code);
            }
        }
    }

    fn make_run_code(&mut self) {
        let mut counts = [0; RUN_SYMBOLS];
        for &(symbol, _) in self.runs.entries() {
            counts[usize::from(symbol)] += 1;
        }
        let mut alphabet = Alphabet::new();
        alphabet.choose(&counts, 7, &mut self.builder);
        self.chosen = USUAL_RUN_LENGTHS.len();
        self.run_codes[self.chosen] = RunCode::new(alphabet.by_symbol());
        let extra_bits = 2 * counts[16] + 3 * counts[17] + 7 * counts[18];
        self.runs_bits = alphabet.bits + extra_bits as usize;
    }

    /// How long it is, with the symbols that it was chosen for.
    fn bits(&self) -> usize {
        let itself = 14 + self.run_codes[self.chosen].bits() + self.runs_bits;
        itself + self.literals.bits + self.distances.bits
    }

    fn write(&self, out: &mut Bits<'_>) {
        let run_code = &self.run_codes[self.chosen];
        out.add_bits((self.literals.end() - 257) as u32, 5);
        out.add_bits((self.distances.end() - 1) as u32, 5);
        out.add_bits((run_code.written - 4) as u32, 4);
        out.flush();
        for symbols in LENGTHS_ORDER[..run_code.written].chunks(16) {
            for &symbol in symbols {
                out.add_bits(run_code.lengths[usize::from(symbol)].into(), 3);
            }
            out.flush();
        }
        for some in self.runs.entries().chunks(4) {
            for &(symbol, extra) in some {
                let symbol = usize::from(symbol);
                out.add(run_code.codes[symbol]);
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
        for (&symbol, &length) in used.iter().zip(lengths) {
            let symbol = usize::from(symbol);
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
    fn add_kept(&mut self, code: Code, keep: u16) {
        self.add_bits((code.bits & keep).into(), (code.length & keep as u8).into());
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
    use crate::testing::sample::json;

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

    /// Every length can be written with them, and no word is left over.
    #[test]
    fn the_usual_codes_are_complete() {
        for lengths in USUAL_RUN_LENGTHS {
            let (used, unused) = lengths.split_at(19);
            assert!(used.iter().all(|length| (1..=7).contains(length)));
            assert_eq!(
                used.iter().map(|&length| 1 << (7 - length)).sum::<u32>(),
                128
            );
            assert_eq!(unused, [0; 5]);
        }
    }

    /// The description of a block that has no repetitions.
    fn described(header: &mut Header, literals: &[u8]) {
        let mut block = Block::new();
        block.add_literals(literals);
        block.finish();
        header.choose(block.counts());
    }

    #[test]
    fn a_usual_code_is_hardly_worse_than_the_best() {
        let mut header = Header::new();
        let (mut usual, mut best) = (0, 0);
        for seed in 0..100 {
            described(&mut header, &json(seed, 340 + 4 * seed as usize));
            assert!(header.chosen < USUAL_RUN_LENGTHS.len());
            usual += header.bits();
            header.make_run_code();
            assert_eq!(header.chosen, USUAL_RUN_LENGTHS.len());
            best += header.bits();
        }
        assert!(usual * 100 < best * 101, "{usual} for {best}");
    }

    /// 15 letters, all as often, and the end take four bits each.
    #[test]
    fn what_takes_little_or_much_gets_the_best_code() {
        let mut header = Header::new();
        for (bits, is_usual) in [(1_496, false), (1_500, true), (4_000, true), (4_004, false)] {
            let literals: Vec<u8> = (1..bits / 4).map(|at| b'a' + (at % 15) as u8).collect();
            described(&mut header, &literals);
            assert_eq!(header.literals.bits + header.distances.bits, bits);
            assert_eq!(header.chosen < USUAL_RUN_LENGTHS.len(), is_usual, "{bits}");
        }
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
                let folded: Vec<u8> = used.counts().iter().map(|&it| it as u8).collect();
                runs.fold(used.symbols(), &folded);
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
