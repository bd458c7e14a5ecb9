//! Reading blocks (RFC 1951 section 3.2), of one whole message at a time.

use super::block::{LENGTHS_ORDER, fixed_lengths};
use super::huffman::SYMBOLS_MAX;
use super::input::{Input, PADDED_BYTES_MAX, PADDING_BYTES};
use super::output::{OUTPUT_SLACK, Output, Room};
use super::symbols::END_OF_BLOCK;
use super::{InflateError, Inflater};

/// The tables are indexed with so many bits; longer codes take a second step.
const LITERAL_ROOT_BITS: u32 = 9;
const DISTANCE_ROOT_BITS: u32 = 7;

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

/// What the symbols of the code for code lengths stand for: a length, or how many times 0, or how
/// many times the length before and [`SAME`].
const CODE_LENGTHS: [Entry; 19] = {
    let mut entries = [Entry(0); 19];
    let mut symbol = 0;
    while symbol < 16 {
        entries[symbol] = Entry::new(LITERAL, symbol as u32, 0);
        symbol += 1;
    }
    entries[16] = Entry::new(0, SAME as u32 + 3, 2);
    entries[17] = Entry::new(0, 3, 3);
    entries[18] = Entry::new(0, 11, 7);
    entries
};
const SAME: usize = 1 << 8;
const CODE_LENGTH_BITS_MAX: u32 = 7;
/// A code for code lengths and the bits that follow.
const RUN_BITS_MAX: u32 = CODE_LENGTH_BITS_MAX + 7;

/// A table that decodes one code: the first `1 << ROOT_BITS` of its entries are indexed with the
/// bits that come next, and lead to the others.
struct Table<const LEN: usize, const ROOT_BITS: u32> {
    entries: Box<[Entry; LEN]>,
    /// Scratch: symbols in the order of their words.
    sorted: [u16; SYMBOLS_MAX],
}

impl<const LEN: usize, const ROOT_BITS: u32> Table<LEN, ROOT_BITS> {
    fn new() -> Self {
        Self {
            entries: Box::new([Entry(INVALID); LEN]),
            sorted: [0; _],
        }
    }

    /// Builds the table for a code of these lengths (section 3.2.2). A code has to be complete, but
    /// that one word of one bit, or none, is allowed where `sparse` says so: that is what a block
    /// without repetitions, or with one distance, has. False when it is not.
    fn build(&mut self, code: &Lengths, meanings: &[Entry], sparse: bool) -> bool {
        let mut of_length = [0_u16; 16];
        for length in code.lengths() {
            of_length[usize::from(length & 15)] += 1;
        }
        let longest = of_length.iter().rposition(|&count| count > 0).unwrap_or(0) as u32;
        if longest == 0 || (code.len == 1 && longest == 1) {
            return sparse && self.build_sparse(code.symbols(), meanings);
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
        for (&symbol, &length) in code.symbols().iter().zip(code.lengths()) {
            let place = &mut start[usize::from(length & 15)];
            self.sorted[usize::from(*place)] = symbol;
            *place += 1;
        }
        self.fill(&of_length, meanings, longest);
        true
    }

    fn build_sparse(&mut self, symbols: &[u16], meanings: &[Entry]) -> bool {
        let root = &mut self.entries[..1 << ROOT_BITS];
        root.fill(Entry(INVALID));
        if let Some(&symbol) = symbols.first() {
            let entry = meanings[usize::from(symbol)].with_code(1);
            root.iter_mut().step_by(2).for_each(|place| *place = entry);
        }
        true
    }

    /// Walks through the words in their order, which is that of a number counted up from its
    /// highest bit, as the table is indexed with the first bit of a word lowest.
    fn fill(&mut self, of_length: &[u16; 16], meanings: &[Entry], longest: u32) {
        let mut symbols = self.sorted.iter();
        let mut word = 0_usize;
        // Words that the first table holds: written once, and the table doubled as they get longer.
        let shortest = of_length.iter().position(|&count| count > 0).unwrap_or(1) as u32;
        for length in shortest..=ROOT_BITS {
            if length > shortest {
                let filled = 1 << (length - 1);
                self.entries.copy_within(..filled, filled);
            }
            for &symbol in symbols
                .by_ref()
                .take(of_length[(length & 15) as usize].into())
            {
                self.entries[word] = meanings[usize::from(symbol)].with_code(length);
                word = next_word(word, length);
            }
        }
        let mut end = 1 << ROOT_BITS;
        let mut second = (usize::MAX, 0, 0);
        for length in ROOT_BITS + 1..=longest {
            let mut left = of_length[length as usize];
            for &symbol in symbols.by_ref().take(left.into()) {
                let root = word & ((1 << ROOT_BITS) - 1);
                if root != second.0 {
                    let bits = second_bits(of_length, length, left, ROOT_BITS);
                    self.entries[root] = Entry::new(SECOND, end as u32, bits).with_code(ROOT_BITS);
                    second = (root, end, bits);
                    end += 1 << bits;
                }
                let (_, start, bits) = second;
                let entry = meanings[usize::from(symbol)].with_code(length - ROOT_BITS);
                let mut at = word >> ROOT_BITS;
                while at < 1 << bits {
                    self.entries[start + at] = entry;
                    at += 1 << (length - ROOT_BITS);
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
        self.entries[bits as usize % (1 << ROOT_BITS) % LEN]
    }

    #[inline(always)]
    fn second(&self, first: Entry, bits: u64) -> Entry {
        let index_bits = first.bits() - first.code_bits();
        let index = bits >> ROOT_BITS & ((1 << index_bits) - 1);
        self.entries[(first.value() as usize + index as usize) & (LEN - 1)]
    }
}

/// The symbols that have a code, in their order, and the lengths of their codes.
struct Lengths {
    symbols: [u16; USED_MAX],
    lengths: [u8; USED_MAX],
    len: usize,
}

/// More than there can be, a power of two: a mask costs less than a check.
const USED_MAX: usize = 512;

impl Lengths {
    fn new() -> Self {
        Self {
            symbols: [0; USED_MAX],
            lengths: [0; USED_MAX],
            len: 0,
        }
    }

    /// Takes the lengths of all symbols.
    fn take(&mut self, lengths: &[u8]) {
        self.len = 0;
        for (symbol, &length) in lengths.iter().enumerate() {
            self.push(symbol, length);
        }
    }

    /// Adds a symbol, if its length is not 0. Without a branch: which it would be is what a
    /// processor cannot foresee.
    #[inline(always)]
    fn push(&mut self, symbol: usize, length: u8) {
        let place = self.len % USED_MAX;
        self.symbols[place] = symbol as u16;
        self.lengths[place] = length;
        self.len += usize::from(length > 0);
    }

    /// Moves the symbols from `first` on to `other`, where they count from 0.
    fn split_off(&mut self, first: usize, other: &mut Self) {
        let is_before = |&symbol: &u16| usize::from(symbol) < first;
        let count = self.symbols().iter().rposition(is_before);
        let count = count.map_or(0, |last| last + 1);
        other.len = 0;
        for place in count..self.len {
            other.push(
                usize::from(self.symbols[place]) - first,
                self.lengths[place],
            );
        }
        self.len = count;
    }

    fn symbols(&self) -> &[u16] {
        &self.symbols[..self.len]
    }

    fn lengths(&self) -> &[u8] {
        &self.lengths[..self.len]
    }
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
    // Codes of 286 and 30 symbols take 852 and 400 entries at most (zlib's `enough.c`).
    literals: Table<1024, LITERAL_ROOT_BITS>,
    distances: Table<512, DISTANCE_ROOT_BITS>,
    code_lengths: Table<128, CODE_LENGTH_BITS_MAX>,
    /// The code that is being read, and its part for distances.
    code: Lengths,
    distance_code: Lengths,
    /// Whether the tables hold the fixed code.
    fixed: bool,
}

impl Tables {
    fn new() -> Self {
        Self {
            literals: Table::new(),
            distances: Table::new(),
            code_lengths: Table::new(),
            code: Lengths::new(),
            distance_code: Lengths::new(),
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
            self.code.take(&fixed_lengths());
            self.distance_code.take(&[5; 32]);
            let built = self.literals.build(&self.code, &LITERALS, false)
                && self.distances.build(&self.distance_code, &DISTANCES, false);
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
        let mut lengths = [0; 19];
        for symbols in LENGTHS_ORDER[..code_lengths].chunks(10) {
            let mut bits = input.take(3 * symbols.len() as u32)?;
            for &symbol in symbols {
                lengths[usize::from(symbol)] = (bits & 7) as u8;
                bits >>= 3;
            }
        }
        let code = &mut self.code;
        code.take(&lengths);
        if !self.code_lengths.build(code, &CODE_LENGTHS, false) {
            return Err(InflateError::Corrupt);
        }
        let symbols = literal_symbols + distance_symbols;
        *input = read_lengths(&self.code_lengths, *input, symbols, code)?;
        code.split_off(literal_symbols, &mut self.distance_code);
        self.fixed = false;
        let good = code.symbols().binary_search(&END_OF_BLOCK).is_ok()
            && self.literals.build(code, &LITERALS, true)
            && self.distances.build(&self.distance_code, &DISTANCES, true);
        good.then_some(()).ok_or(InflateError::Corrupt)
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

/// Reads `count` lengths with the code for them; returns the input behind them, as a value of its
/// own stays in registers.
#[inline(always)]
fn read_lengths<'a>(
    table: &Table<128, CODE_LENGTH_BITS_MAX>,
    mut input: Input<'a>,
    count: usize,
    code: &mut Lengths,
) -> Result<Input<'a>, InflateError> {
    code.len = 0;
    let (mut at, mut before) = (0, None);
    while at < count {
        if input.count < RUN_BITS_MAX {
            input.fill();
        }
        let (entry, bits) = (table.first(input.bits), input.bits);
        input.try_skip(entry.bits())?;
        if entry.is(LITERAL) {
            let length = entry.value() as u8;
            code.push(at, length);
            before = Some(length);
            at += 1;
            continue;
        }
        let run = with_extra(entry, bits);
        let end = at + run % SAME;
        if run < SAME {
            before = Some(0);
        } else {
            let length = before.ok_or(InflateError::Corrupt)?;
            (at..end).for_each(|symbol| code.push(symbol, length));
        }
        at = end;
    }
    if at > count {
        return Err(InflateError::Corrupt);
    }
    Ok(input)
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
