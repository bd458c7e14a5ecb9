//! A block while it is cut into symbols (RFC 1951 section 3.2.5): which they are, and how often
//! each occurs.

use super::huffman;

/// Two more than DEFLATE uses, and the same for distances.
pub(super) const LITERAL_SYMBOLS: usize = huffman::SYMBOLS_MAX;
pub(super) const DISTANCE_SYMBOLS: usize = 32;
pub(super) const END_OF_BLOCK: u16 = 256;

/// A symbol and the bits that follow it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) symbol: u16,
    pub(super) extra: u16,
    pub(super) extra_bits: u8,
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

/// Some literals, then a repetition.
pub(super) struct Sequence {
    pub(super) literals: u32,
    pub(super) length: Split,
    pub(super) distance: Split,
}

/// How often each symbol occurs in a block.
pub(super) struct Counts {
    pub(super) literals: [u32; LITERAL_SYMBOLS],
    pub(super) distances: [u32; DISTANCE_SYMBOLS],
    /// What follows the symbols, in all.
    pub(super) extra_bits: u32,
}

impl Counts {
    const NONE: Self = Self {
        literals: [0; LITERAL_SYMBOLS],
        distances: [0; DISTANCE_SYMBOLS],
        extra_bits: 0,
    };

    /// What the symbols take with the fixed code.
    pub(super) fn fixed_bits(&self) -> usize {
        let sum = |counts: &[u32]| counts.iter().sum::<u32>() as usize;
        let longer = sum(&self.literals[144..256]);
        let shorter = sum(&self.literals[256..280]);
        8 * sum(&self.literals) + longer - shorter + 5 * sum(&self.distances)
    }
}

/// Literals are copied so many at a time.
pub(super) const LITERALS_STEP: usize = 16;

/// A block; reused, to spare the making.
pub(super) struct Block {
    sequences: Vec<Sequence>,
    /// The literals one after the other, and some bytes that are none.
    literals: Vec<u8>,
    literals_len: usize,
    /// How many of them stand behind the last repetition.
    literals_left: u32,
    /// How many bytes the block stands for.
    bytes: usize,
    counts: Counts,
}

impl Block {
    pub(super) fn new() -> Self {
        Self {
            sequences: Vec::new(),
            literals: Vec::new(),
            literals_len: 0,
            literals_left: 0,
            bytes: 0,
            counts: Counts::NONE,
        }
    }

    pub(super) fn clear(&mut self) {
        self.sequences.clear();
        (self.literals_len, self.literals_left, self.bytes) = (0, 0, 0);
        self.counts = Counts::NONE;
    }

    /// Has room for what so many bytes more are cut into.
    pub(super) fn reserve(&mut self, bytes: usize) {
        let len = self.literals_len + bytes + LITERALS_STEP;
        if self.literals.len() < len {
            self.literals.resize(len, 0);
        }
    }

    /// Adds what stands in `view` from `begin` up to `at`, and a repetition behind it: its length,
    /// and its distance less one.
    ///
    /// The symbols are counted here because it costs next to nothing: one search has to wait for
    /// another, and the processor has time in between.
    #[inline(always)]
    pub(super) fn push(
        &mut self,
        view: &[u8],
        begin: usize,
        at: usize,
        length: u16,
        distance: u16,
    ) {
        let count = at - begin;
        let room = &mut self.literals[self.literals_len..];
        // How many they are nobody can foresee, but hardly ever are they more than this.
        match (
            room.first_chunk_mut::<LITERALS_STEP>(),
            view[begin..].first_chunk(),
        ) {
            (Some(room), Some(step)) if count <= LITERALS_STEP => *room = *step,
            _ => room[..count].copy_from_slice(&view[begin..at]),
        }
        self.literals_len += count;
        self.bytes += count + usize::from(length);
        let (length, distance) = (split_length(length), split_distance(distance));
        self.counts.literals[usize::from(length.symbol)] += 1;
        self.counts.distances[usize::from(distance.symbol)] += 1;
        self.counts.extra_bits += u32::from(length.extra_bits + distance.extra_bits);
        self.sequences.push(Sequence {
            literals: std::mem::take(&mut self.literals_left) + count as u32,
            length,
            distance,
        });
    }

    /// Adds literals that no repetition follows yet.
    pub(super) fn add_literals(&mut self, literals: &[u8]) {
        self.reserve(literals.len());
        self.literals[self.literals_len..][..literals.len()].copy_from_slice(literals);
        self.literals_len += literals.len();
        self.literals_left += literals.len() as u32;
        self.bytes += literals.len();
    }

    /// Nothing follows: counts the literals, all in one loop.
    pub(super) fn finish(&mut self) {
        self.counts.literals[usize::from(END_OF_BLOCK)] = 1;
        for &byte in &self.literals[..self.literals_len] {
            self.counts.literals[usize::from(byte)] += 1;
        }
    }

    pub(super) fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }

    /// The literals, and at least [`LITERALS_STEP`] bytes behind them that are none.
    pub(super) fn literals_and_more(&self) -> &[u8] {
        &self.literals
    }

    /// How many literals stand behind the last repetition.
    pub(super) fn literals_left(&self) -> u32 {
        self.literals_left
    }

    /// How many bytes the block stands for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How often each symbol occurs, once the block is finished.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
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
}
