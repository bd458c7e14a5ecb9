//! Reading blocks (RFC 1951 section 3.2), of one whole message at a time.

use super::block::{LENGTHS_ORDER, fixed_lengths};
use super::huffman::SYMBOLS_MAX;
use super::input::{Input, PADDED_BYTES_MAX, PADDING_BYTES};
use super::output::{OUTPUT_SLACK, Output, Room};
use super::{InflateError, Inflater};

/// The tables are indexed with at most so many bits; longer codes take a second step.
const LITERAL_ROOT_BITS: u32 = 10;
const DISTANCE_ROOT_BITS: u32 = 8;

/// One entry of a table: what the code stands for, and how many bits to go on.
///
/// | bits | |
/// |---|---|
/// | 0 to 7 | bits of the code, its extra bits included |
/// | 8 to 12 | bits of the code alone, in this table |
/// | 13 to 15 | what it is |
/// | 16 to 31 | the byte; or the least length or distance; or where the second table is |
#[derive(Clone, Copy, Default)]
struct Entry(u32);

const LITERAL: u32 = 1 << 15;
const END: u32 = 1 << 14;
const SECOND: u32 = 1 << 13;
const KINDS: u32 = LITERAL | END | SECOND;
/// No code leads here.
const INVALID: u32 = END | SECOND;

impl Entry {
    const fn new(kind: u32, value: u32, extra_bits: u32) -> Self {
        Self(value << 16 | kind | extra_bits)
    }

    /// With the bits of its code, known once the code is built.
    const fn with_code(self, bits: u32) -> Self {
        Self(self.0 + (bits << 8 | bits))
    }

    const fn is(self, kind: u32) -> bool {
        self.0 & kind != 0
    }

    const fn kind(self) -> u32 {
        self.0 & KINDS
    }

    const fn value(self) -> u32 {
        self.0 >> 16
    }

    const fn code_bits(self) -> u32 {
        self.0 >> 8 & 31
    }

    const fn bits(self) -> u32 {
        self.0 & 0xff
    }
}

/// What the symbols of literals and lengths stand for.
const LITERALS: [Entry; 288] = {
    let mut entries = [Entry(INVALID); 288];
    let mut symbol = 0;
    while symbol < 256 {
        entries[symbol] = Entry::new(LITERAL, symbol as u32, 0);
        symbol += 1;
    }
    entries[256] = Entry::new(END, 0, 0);
    let mut length = 3;
    let mut index = 0;
    while index < 28 {
        let extra_bits = if index < 8 { 0 } else { index / 4 - 1 };
        entries[257 + index as usize] = Entry::new(0, length, extra_bits);
        length += 1 << extra_bits;
        index += 1;
    }
    entries[285] = Entry::new(0, 258, 0);
    entries
};

/// What the symbols of distances stand for, less one, so that the value fits.
const DISTANCES: [Entry; 32] = {
    let mut entries = [Entry(INVALID); 32];
    let mut distance = 0;
    let mut symbol = 0;
    while symbol < 30 {
        let extra_bits = if symbol < 4 { 0 } else { symbol / 2 - 1 };
        entries[symbol as usize] = Entry::new(0, distance, extra_bits);
        distance += 1 << extra_bits;
        symbol += 1;
    }
    entries
};

/// What the symbols of the code for code lengths stand for: how often to write which length, the
/// least number lowest and the length `RUN_COUNT_BITS` higher.
const CODE_LENGTHS: [Entry; 19] = {
    let mut entries = [Entry(0); 19];
    let mut symbol = 0;
    while symbol < 16 {
        entries[symbol] = Entry::new(0, (symbol as u32) << RUN_COUNT_BITS | 1, 0);
        symbol += 1;
    }
    entries[16] = Entry::new(0, (SAME as u32) << RUN_COUNT_BITS | 3, 2);
    entries[17] = Entry::new(0, 3, 3);
    entries[18] = Entry::new(0, 11, 7);
    entries
};
const RUN_COUNT_BITS: u32 = 8;
/// A code for code lengths and the bits that follow.
const RUN_BITS_MAX: u32 = 7 + 7;
/// The length before.
const SAME: u8 = 16;
/// There is none before.
const NONE: u8 = 17;
/// The most that a description can stand for, and what the last run may be too long.
const LENGTHS_MAX: usize = 286 + 30 + 138;
/// Lengths are written in steps of so many, of which those that follow overwrite what is too much.
const LENGTHS_STEP: usize = 16;

/// A table that decodes one code.
struct Table<const LEN: usize> {
    entries: Box<[Entry; LEN]>,
    root_bits: u32,
}

impl<const LEN: usize> Table<LEN> {
    fn new() -> Self {
        Self {
            entries: Box::new([Entry(INVALID); LEN]),
            root_bits: 0,
        }
    }

    /// Builds the table for a code of these lengths (section 3.2.2). A code has to be complete, but
    /// that one word of one bit, or none, is allowed where `sparse` says so: that is what a block
    /// without repetitions, or with one distance, has. False when it is not.
    fn build(&mut self, lengths: &[u8], meanings: &[Entry], root_max: u32, sparse: bool) -> bool {
        let mut used = [0; SYMBOLS_MAX + 8];
        let used = collect_used(lengths, &mut used);
        let mut of_length = [0_u16; 16];
        for &symbol in used {
            of_length[usize::from(lengths[usize::from(symbol)] & 15)] += 1;
        }
        let longest = of_length.iter().rposition(|&count| count > 0).unwrap_or(0) as u32;
        if longest == 0 || (used.len() == 1 && longest == 1) {
            return sparse && self.build_sparse(lengths, meanings);
        }
        // Where the words of each length start, in the order of the code, and whether all words
        // together leave no gap and no overlap.
        let mut start = [0_u16; 17];
        let mut left = 1_i32;
        for length in 1..16 {
            left = (left << 1) - i32::from(of_length[length]);
            if left < 0 {
                return false;
            }
            start[length + 1] = start[length] + of_length[length];
        }
        if left != 0 {
            return false;
        }
        let mut sorted = [0_u16; SYMBOLS_MAX];
        for &symbol in used {
            let place = &mut start[usize::from(lengths[usize::from(symbol)] & 15)];
            sorted[usize::from(*place)] = symbol;
            *place += 1;
        }
        self.root_bits = longest.min(root_max);
        self.fill(&sorted[..used.len()], &of_length, meanings, longest);
        true
    }

    fn build_sparse(&mut self, lengths: &[u8], meanings: &[Entry]) -> bool {
        self.root_bits = 1;
        self.entries[..2].fill(Entry(INVALID));
        if let Some(symbol) = lengths.iter().position(|&length| length > 0) {
            self.entries[0] = meanings[symbol].with_code(1);
        }
        true
    }

    /// Walks through the words in their order, which is that of a number counted up from its
    /// highest bit, as the table is indexed with the first bit of a word lowest.
    fn fill(&mut self, sorted: &[u16], of_length: &[u16; 16], meanings: &[Entry], longest: u32) {
        let root_bits = self.root_bits;
        let mut symbols = sorted.iter();
        let mut word = 0_usize;
        // Words that the first table holds: written once, and the table doubled as they get longer.
        let shortest = of_length.iter().position(|&count| count > 0).unwrap_or(1) as u32;
        for length in shortest..=root_bits {
            if length > shortest {
                let filled = 1 << (length - 1);
                self.entries.copy_within(..filled, filled);
            }
            for &symbol in symbols.by_ref().take(of_length[length as usize].into()) {
                self.entries[word] = meanings[usize::from(symbol)].with_code(length);
                word = next_word(word, length);
            }
        }
        let mut end = 1 << root_bits;
        let mut second = (usize::MAX, 0, 0);
        for length in root_bits + 1..=longest {
            let mut left = of_length[length as usize];
            for &symbol in symbols.by_ref().take(left.into()) {
                let root = word & ((1 << root_bits) - 1);
                if root != second.0 {
                    let bits = second_bits(of_length, length, left, root_bits);
                    self.entries[root] = Entry::new(SECOND, end as u32, bits).with_code(root_bits);
                    second = (root, end, bits);
                    end += 1 << bits;
                }
                let (_, start, bits) = second;
                let entry = meanings[usize::from(symbol)].with_code(length - root_bits);
                let mut at = word >> root_bits;
                while at < 1 << bits {
                    self.entries[start + at] = entry;
                    at += 1 << (length - root_bits);
                }
                word = next_word(word, length);
                left -= 1;
            }
        }
    }

    /// The next symbol, with all checks; its bits are what was there before they were skipped.
    fn take(&self, input: &mut Input<'_>) -> Result<(Entry, u64), InflateError> {
        input.fill();
        let mut entry = self.first(input.bits);
        if entry.kind() == SECOND {
            let second = self.second(entry, input.bits);
            input.try_skip(entry.code_bits())?;
            entry = second;
        }
        let bits = input.bits;
        if entry.kind() == INVALID {
            return Err(InflateError::Corrupt);
        }
        input.try_skip(entry.bits())?;
        Ok((entry, bits))
    }

    #[inline(always)]
    fn first(&self, bits: u64) -> Entry {
        self.entries[(bits & ((1 << self.root_bits) - 1)) as usize & (LEN - 1)]
    }

    #[inline(always)]
    fn second(&self, first: Entry, bits: u64) -> Entry {
        let index_bits = first.bits() - first.code_bits();
        let index = bits >> self.root_bits & ((1 << index_bits) - 1);
        self.entries[(first.value() as usize + index as usize) & (LEN - 1)]
    }
}

/// The symbols that have a code, in their order. Without a branch for each of them: which it would
/// be is what a processor cannot foresee.
#[inline(always)]
fn collect_used<'a>(lengths: &[u8], used: &'a mut [u16; SYMBOLS_MAX + 8]) -> &'a [u16] {
    let mut count = 0;
    for (index, eight) in lengths.chunks(8).enumerate() {
        if eight.first_chunk() == Some(&[0; 8]) {
            continue;
        }
        for (offset, &length) in eight.iter().enumerate() {
            used[count] = (8 * index + offset) as u16;
            count += usize::from(length > 0);
        }
    }
    &used[..count]
}

/// The word after `word`, both with their first bit lowest.
#[inline(always)]
fn next_word(word: usize, length: u32) -> usize {
    let all = (1 << length) - 1;
    if word == all {
        return 0;
    }
    // Counting up from the highest bit turns its ones to zeros and the first zero to a one.
    let highest_zero = 1 << (word ^ all).ilog2();
    word & (highest_zero - 1) | highest_zero
}

/// How many bits index the second table whose first word has `length` bits: as many as it takes
/// until its words fill it.
fn second_bits(of_length: &[u16; 16], length: u32, left: u16, root_bits: u32) -> u32 {
    let mut bits = length - root_bits;
    let mut words = u32::from(left);
    while words < 1 << bits {
        bits += 1;
        words = (words << 1) + u32::from(of_length[(root_bits + bits) as usize]);
    }
    bits
}

/// The working memory of decompression; nothing in it outlives a message.
pub(super) struct Decoder {
    tables: Tables,
    padded: [u8; PADDED_BYTES_MAX + PADDING_BYTES],
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            tables: Tables::new(),
            padded: [0; _],
        }
    }

    /// Appends the message in `compressed`, with the history before it.
    pub(super) fn inflate(
        &mut self,
        history: &Inflater,
        compressed: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), InflateError> {
        let start = out.len();
        let mut input = if compressed.len() <= PADDED_BYTES_MAX {
            Input::padded(compressed, &mut self.padded)
        } else {
            Input::new(compressed)
        };
        let mut output = Output {
            at: start,
            start,
            end_max: start.saturating_add(bytes_max),
            bytes: out,
            history,
        };
        let result = self.tables.blocks(&mut input, &mut output);
        let end = output.at;
        out.truncate(end);
        result
    }
}

struct Tables {
    literals: Table<2048>,
    distances: Table<1024>,
    code_lengths: Table<128>,
    /// Whether the tables hold the fixed code.
    fixed: bool,
}

impl Tables {
    fn new() -> Self {
        Self {
            literals: Table::new(),
            distances: Table::new(),
            code_lengths: Table::new(),
            fixed: false,
        }
    }

    fn blocks(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), InflateError> {
        while !input.is_finished() {
            let last = input.take(1)?;
            match input.take(2)? {
                0 => copy_stored(input, output)?,
                1 => {
                    self.build_fixed();
                    self.block(input, output)?;
                }
                2 => {
                    self.build_dynamic(input)?;
                    self.block(input, output)?;
                }
                _ => return Err(InflateError::Corrupt),
            }
            if output.at > output.end_max {
                return Err(InflateError::TooBig);
            }
            if last == 1 {
                // The sender has ended its stream, and starts the next with a whole byte (RFC 7692
                // section 7.2.3.5).
                input.align();
            }
        }
        Ok(())
    }

    fn build_fixed(&mut self) {
        if !self.fixed {
            let built = self
                .literals
                .build(&fixed_lengths(), &LITERALS, LITERAL_ROOT_BITS, false)
                && self
                    .distances
                    .build(&[5; 32], &DISTANCES, DISTANCE_ROOT_BITS, false);
            debug_assert!(built);
            self.fixed = true;
        }
    }

    /// Reads the description of a code (RFC 1951 section 3.2.7).
    fn build_dynamic(&mut self, input: &mut Input<'_>) -> Result<(), InflateError> {
        let literal_symbols = input.take(5)? as usize + 257;
        let distance_symbols = input.take(5)? as usize + 1;
        let code_lengths = input.take(4)? as usize + 4;
        if literal_symbols > 286 || distance_symbols > 30 {
            return Err(InflateError::Corrupt);
        }
        let mut lengths = [0_u8; 19];
        for symbols in LENGTHS_ORDER[..code_lengths].chunks(10) {
            let mut bits = input.take(3 * symbols.len() as u32)?;
            for &symbol in symbols {
                lengths[usize::from(symbol)] = (bits & 7) as u8;
                bits >>= 3;
            }
        }
        if !self.code_lengths.build(&lengths, &CODE_LENGTHS, 7, false) {
            return Err(InflateError::Corrupt);
        }
        let mut lengths = [0; LENGTHS_MAX];
        self.read_lengths(input, literal_symbols + distance_symbols, &mut lengths)?;
        let all = &lengths[..literal_symbols + distance_symbols];
        let (literals, distances) = all.split_at(literal_symbols);
        self.fixed = false;
        let good = literals[256] > 0
            && self
                .literals
                .build(literals, &LITERALS, LITERAL_ROOT_BITS, true)
            && self
                .distances
                .build(distances, &DISTANCES, DISTANCE_ROOT_BITS, true);
        good.then_some(()).ok_or(InflateError::Corrupt)
    }

    /// Reads `count` lengths; what stands in `lengths` behind them has no meaning.
    fn read_lengths(
        &self,
        input: &mut Input<'_>,
        count: usize,
        lengths: &mut [u8; LENGTHS_MAX],
    ) -> Result<(), InflateError> {
        // Values of their own stay in registers.
        let mut own_input = *input;
        let (mut at, mut before) = (0, NONE);
        while at < count {
            if own_input.count < RUN_BITS_MAX {
                own_input.fill();
            }
            let entry = self.code_lengths.first(own_input.bits);
            let run = with_extra(entry, own_input.bits);
            own_input.try_skip(entry.bits())?;
            let length = match (run >> RUN_COUNT_BITS) as u8 {
                SAME => before,
                length => length,
            };
            if length == NONE {
                return Err(InflateError::Corrupt);
            }
            let run = run & ((1 << RUN_COUNT_BITS) - 1);
            before = length;
            lengths[at..at + LENGTHS_STEP].fill(length);
            if run > LENGTHS_STEP {
                lengths[at..at + run].fill(length);
            }
            at += run;
        }
        *input = own_input;
        if at > count {
            Err(InflateError::Corrupt)
        } else {
            Ok(())
        }
    }

    /// Decodes the symbols of one block.
    fn block(&self, input: &mut Input<'_>, output: &mut Output<'_>) -> Result<(), InflateError> {
        loop {
            output.make_room()?;
            // Values of their own stay in registers.
            let (mut own_input, mut room) = (*input, output.room());
            let mut ended = self.fast(&mut own_input, &mut room);
            own_input.give_back_padding();
            ended = ended || (room.has_slack() && self.symbol(&mut own_input, &mut room)?);
            *input = own_input;
            output.at = room.at;
            if ended {
                return Ok(());
            }
        }
    }

    /// Decodes one symbol, with all checks. True when it has ended the block.
    fn symbol(&self, input: &mut Input<'_>, room: &mut Room<'_>) -> Result<bool, InflateError> {
        let (entry, bits) = self.literals.take(input)?;
        if entry.is(LITERAL) {
            room.push(entry.value() as u8);
            return Ok(false);
        }
        if entry.is(END) {
            return Ok(true);
        }
        let length = with_extra(entry, bits);
        let (entry, bits) = self.distances.take(input)?;
        let repeated = room.repeat(with_extra(entry, bits) + 1, length);
        repeated.then_some(false).ok_or(InflateError::Corrupt)
    }

    /// Decodes symbols while there is enough in front of it that nothing can run out, and nothing
    /// is wrong. True when the block has ended.
    #[inline(always)]
    fn fast(&self, input: &mut Input<'_>, room: &mut Room<'_>) -> bool {
        while input.has_slack() && room.has_slack() {
            // 56 bits: enough for three literals of the first table and a length with its extra
            // bits.
            input.fill_fast();
            let mut entry = self.literals.first(input.bits);
            if entry.is(LITERAL) {
                let place = room.bytes[room.at..].first_chunk_mut::<3>();
                let place = place.expect("there is slack");
                place[0] = entry.value() as u8;
                input.skip(entry.bits());
                entry = self.literals.first(input.bits);
                room.at += 1;
                if entry.is(LITERAL) {
                    place[1] = entry.value() as u8;
                    input.skip(entry.bits());
                    entry = self.literals.first(input.bits);
                    room.at += 1;
                    if entry.is(LITERAL) {
                        place[2] = entry.value() as u8;
                        input.skip(entry.bits());
                        room.at += 1;
                        continue;
                    }
                }
            }
            let before = input.cursor();
            if entry.is(KINDS) {
                if entry.kind() == SECOND {
                    let second = self.literals.second(entry, input.bits);
                    input.skip(entry.code_bits());
                    entry = second;
                }
                match entry.kind() {
                    LITERAL => {
                        input.skip(entry.bits());
                        room.push(entry.value() as u8);
                        continue;
                    }
                    END => {
                        input.skip(entry.bits());
                        return true;
                    }
                    INVALID => {
                        input.go_back(before);
                        return false;
                    }
                    _ => {}
                }
            }
            let length = with_extra(entry, input.bits);
            input.skip(entry.bits());
            input.fill_fast();
            let mut entry = self.distances.first(input.bits);
            if entry.kind() == SECOND {
                let second = self.distances.second(entry, input.bits);
                input.skip(entry.code_bits());
                entry = second;
            }
            let distance = with_extra(entry, input.bits) + 1;
            input.skip(entry.bits());
            if entry.kind() == INVALID || !room.repeat(distance, length) {
                // What is wrong will be found again.
                input.go_back(before);
                return false;
            }
        }
        false
    }
}

/// The value of an entry and of the extra bits behind its code, at the start of `bits`.
#[inline(always)]
fn with_extra(entry: Entry, bits: u64) -> usize {
    let extra = bits & ((1 << entry.bits()) - 1);
    entry.value() as usize + (extra >> entry.code_bits()) as usize
}

fn copy_stored(input: &mut Input<'_>, output: &mut Output<'_>) -> Result<(), InflateError> {
    input.align();
    let length = input.take(16)?;
    let complement = input.take(16)?;
    if length != !complement & 0xffff {
        return Err(InflateError::Corrupt);
    }
    let mut left = length as usize;
    while left > 0 {
        output.make_room()?;
        let some = input.take_bytes(left.min(OUTPUT_SLACK));
        if some.is_empty() {
            // The tail counts as well.
            output.push_all(&[input.take(8)? as u8]);
            left -= 1;
        } else {
            output.push_all(some);
            left -= some.len();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ws::deflate::Compression;
    use crate::testing::sample::{Random, json};

    #[test]
    fn a_bomb_is_not_read_beyond_the_limit() {
        let mut bomb = Vec::new();
        assert!(Compression::new(9).deflate_shared(15, &vec![0; 10 << 20], &mut bomb));
        assert!(bomb.len() < 16_000);
        for bytes_max in [0, 1, 1000, 100_000] {
            let mut out = Vec::new();
            let mut input = Input::new(&bomb);
            let blank = Inflater::new(15);
            let mut output = Output {
                at: 0,
                start: 0,
                end_max: bytes_max,
                bytes: &mut out,
                history: &blank,
            };
            let result = Tables::new().blocks(&mut input, &mut output);
            assert_eq!(result, Err(InflateError::TooBig));
            assert!(output.at <= bytes_max + OUTPUT_SLACK);
            assert!(out.len() <= bytes_max + OUTPUT_SLACK);
            assert!(input.at < 200 + bytes_max / 500, "read {} bytes", input.at);
        }
    }

    fn outcome(mut input: Input<'_>) -> Result<Vec<u8>, InflateError> {
        let (mut out, history) = (Vec::new(), Inflater::new(15));
        let mut output = Output {
            at: 0,
            start: 0,
            end_max: 4000,
            bytes: &mut out,
            history: &history,
        };
        Tables::new().blocks(&mut input, &mut output)?;
        let end = output.at;
        out.truncate(end);
        Ok(out)
    }

    #[test]
    fn padding_changes_nothing() {
        let mut random = Random::new(4);
        let mut small = Vec::new();
        assert!(Compression::new(6).deflate_shared(15, &json(3, 1500), &mut small));
        for round in 0..3000 {
            let mut bytes = small[..random.below(small.len() + 1)].to_vec();
            if round % 2 == 0 && !bytes.is_empty() {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            // What stands in the padding is of an earlier message.
            let mut padded = random.bytes(PADDED_BYTES_MAX + PADDING_BYTES);
            let with = outcome(Input::padded(&bytes, &mut padded));
            assert_eq!(with, outcome(Input::new(&bytes)), "{round}");
        }
    }
}
