//! Prefix codes: their lengths from how often each symbol occurs, and their bits from the lengths
//! (RFC 1951 section 3.2.2).

/// The most symbols that an alphabet of DEFLATE has.
pub(super) const SYMBOLS_MAX: usize = 288;

/// A code: its bits, the first one lowest, and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) bits: u16,
    pub(super) length: u8,
}

/// How many symbols have a code of each length.
pub(super) type OfLength = [usize; 16];

/// The symbols of an alphabet that occur, in their order, and how often they do.
pub(super) struct Used {
    symbols: [u16; SYMBOLS_MAX],
    counts: [u32; SYMBOLS_MAX],
    len: usize,
}

impl Default for Used {
    fn default() -> Self {
        Self {
            symbols: [0; SYMBOLS_MAX],
            counts: [0; SYMBOLS_MAX],
            len: 0,
        }
    }
}

impl Used {
    /// Collects the symbols that `counts` has more than none of. Without a branch for each of them:
    /// which it would be is what a processor cannot foresee.
    pub(super) fn collect<const N: usize>(&mut self, counts: &[u32; N]) {
        const { assert!(N.is_multiple_of(8) && N <= SYMBOLS_MAX) };
        let mut len = 0;
        for (index, eight) in counts.as_chunks::<8>().0.iter().enumerate() {
            if eight.iter().fold(0, |all, count| all | count) == 0 {
                continue;
            }
            for (offset, &count) in eight.iter().enumerate() {
                let place = len.min(SYMBOLS_MAX - 1);
                self.symbols[place] = (8 * index + offset) as u16;
                self.counts[place] = count;
                len += usize::from(count > 0);
            }
        }
        self.len = len;
    }

    pub(super) fn symbols(&self) -> &[u16] {
        &self.symbols[..self.len]
    }

    pub(super) fn counts(&self) -> &[u32] {
        &self.counts[..self.len]
    }
}

/// What finding a code needs; reused, to spare the clearing.
pub(super) struct Builder {
    /// How often, and who, as one number; the seldom ones first. Two more stand for the end.
    sorted: [u32; PLACES],
    /// The weights of inner nodes, then their depths; in front of the end as well.
    inner: [u32; PLACES],
    parents: [u16; PLACES],
    /// By how much the length falls in front of each sorted symbol.
    steps: [u8; SYMBOLS_MAX + 1],
}

/// Places for all symbols and two more, a power of two.
const PLACES: usize = 512;
const PLACES_MASK: usize = PLACES - 1;

/// More than a block can weigh.
const NO_WEIGHT: u32 = 1 << 22;
const INDEX_BITS: u32 = 9;

fn index_of(entry: u32) -> usize {
    (entry & ((1 << INDEX_BITS) - 1)) as usize
}

/// The last one is for all symbols that occur more often; they are sorted by comparing them.
const BUCKETS: usize = 64;

fn bucket(count: u32) -> usize {
    (count as usize).min(BUCKETS - 1)
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            sorted: [0; PLACES],
            inner: [0; PLACES],
            parents: [0; PLACES],
            steps: [0; SYMBOLS_MAX + 1],
        }
    }

    /// Writes the lengths of a code for the symbols that occur so often, none longer than
    /// `length_max`, in the same order. The code is complete, and optimal or nearly so. Returns how
    /// many symbols have each length, and what all take together, in bits.
    pub(super) fn lengths(
        &mut self,
        counts: &[u32],
        length_max: usize,
        lengths: &mut [u8],
    ) -> (OfLength, usize) {
        if counts.len() < 2 {
            lengths.fill(1);
            let mut of_length = [0; 16];
            of_length[1] = counts.len();
            return (of_length, counts.iter().sum::<u32>() as usize);
        }
        match self.estimate(counts, length_max, lengths) {
            Some(estimated) => estimated,
            None => self.optimal(counts, length_max, lengths),
        }
    }

    /// The lengths of an optimal code for two symbols or more, or of a nearly optimal one where
    /// `length_max` is in the way.
    fn optimal(
        &mut self,
        counts: &[u32],
        length_max: usize,
        lengths: &mut [u8],
    ) -> (OfLength, usize) {
        self.sort(counts);
        let mut leaves = self.leaves_by_depth(counts.len(), length_max);
        limit_lengths(&mut leaves, length_max);
        let bits = self.assign(&leaves, counts.len(), lengths);
        (leaves, bits)
    }

    /// The lengths of a nearly optimal code for two symbols or more: each is what its symbol is
    /// worth, the logarithm of how seldom it is, as a whole number. None where there are too many
    /// occurrences, or `length_max` leaves no room.
    ///
    /// All are rounded up whose fraction is at least as large as it takes that they have room, and
    /// what room is left goes to those that were rounded up for little, then to any. Nothing is
    /// sorted, and hardly anything waits for what was done before: it takes half as long as to find
    /// the optimal ones, and what comes out is longer by one part in a thousand.
    fn estimate(
        &mut self,
        counts: &[u32],
        length_max: usize,
        lengths: &mut [u8],
    ) -> Option<(OfLength, usize)> {
        let total: u32 = counts.iter().sum();
        if total > ESTIMATE_MAX {
            return None;
        }
        let worth = &mut self.parents[..counts.len()];
        let lengths = &mut lengths[..counts.len()];
        // A little more than it is, so that rounding up suffices.
        let of_total = logarithm(total) + 1;
        let worth_max = (length_max << FRACTION_BITS) as u16;
        let mut taken = 0;
        // What is gained when those of a fraction are rounded up.
        let mut gains = [0_u32; FRACTIONS];
        for (place, &count) in worth.iter_mut().zip(counts) {
            *place = (of_total - logarithm(count)).clamp(FRACTIONS as u16, worth_max);
            let room = ROOM >> (*place >> FRACTION_BITS);
            taken += room;
            gains[usize::from(*place) % FRACTIONS] += room / 2;
        }
        let mut least = FRACTIONS;
        while taken > ROOM && least > 1 {
            least -= 1;
            taken -= gains[least];
        }
        if taken > ROOM {
            return None;
        }
        let mut left = ROOM - taken;
        for (length, place) in lengths.iter_mut().zip(worth) {
            let fraction = usize::from(*place) % FRACTIONS;
            *length = (*place >> FRACTION_BITS) as u8 + u8::from(fraction >= least);
            let room = ROOM >> (*length & 15);
            let shorter = fraction == least && room <= left;
            left -= if shorter { room } else { 0 };
            *length -= u8::from(shorter);
        }
        // All room is a multiple of the least, so that who has that can always take more.
        while left > 0 {
            for length in lengths.iter_mut().rev() {
                let room = ROOM >> (*length & 15);
                if room <= left && *length > 1 {
                    left -= room;
                    *length -= 1;
                    if left == 0 {
                        break;
                    }
                }
            }
        }
        let mut of_length = [0; 16];
        let mut bits = 0;
        for (&length, &count) in lengths.iter().zip(counts) {
            of_length[usize::from(length & 15)] += 1;
            bits += count * u32::from(length);
        }
        Some((of_length, bits as usize))
    }

    /// Gives the first of the `count` sorted symbols the greatest of the lengths that so many
    /// `leaves` have, and so on; returns what all take. In one loop over all: how many of each
    /// length there are nobody can foresee.
    fn assign(&mut self, leaves: &OfLength, count: usize, lengths: &mut [u8]) -> usize {
        let steps = &mut self.steps;
        steps[..=count].fill(0);
        let mut end = 0;
        for &some in leaves[1..].iter().rev() {
            end += some;
            steps[end] += 1;
        }
        let (mut length, mut bits) = (15, 0);
        for (&entry, &step) in self.sorted[..count].iter().zip(&steps[..count]) {
            length -= step;
            lengths[index_of(entry)] = length;
            bits += (entry >> INDEX_BITS) * u32::from(length);
        }
        bits as usize
    }

    /// Sorts the symbols, which are in their order, by how often they occur.
    fn sort(&mut self, counts: &[u32]) {
        let mut places = [0_u16; BUCKETS];
        let mut highest = 0;
        for &count in counts {
            let bucket = bucket(count);
            places[bucket] += 1;
            highest = highest.max(bucket);
        }
        let mut end = 0;
        for place in &mut places[..=highest] {
            end += std::mem::replace(place, end);
        }
        let often = match highest + 1 {
            BUCKETS => places[highest].into(),
            _ => counts.len(),
        };
        for (index, &count) in counts.iter().enumerate() {
            let place = &mut places[bucket(count)];
            self.sorted[usize::from(*place) & PLACES_MASK] = count << INDEX_BITS | index as u32;
            *place += 1;
        }
        self.sorted[often..counts.len()].sort_unstable();
    }

    /// How many of the `count` sorted symbols have a code of each length; what is deeper than
    /// `length_max` counts there.
    ///
    /// The leaves come sorted, and the inner nodes come to be in the order of their weights, so
    /// that the next two to join are at the fronts of two queues (van Leeuwen).
    fn leaves_by_depth(&mut self, count: usize, length_max: usize) -> OfLength {
        let (sorted, inner, parents) = (&mut self.sorted, &mut self.inner, &mut self.parents);
        sorted[count..count + 2].fill(NO_WEIGHT << INDEX_BITS);
        inner[..2].fill(NO_WEIGHT);
        let (mut leaf, mut root) = (0, 0);
        for node in 0..count - 1 {
            // Masks cost less than checks, and change nothing.
            let [next, after] = [leaf, leaf + 1].map(|leaf| sorted[leaf & PLACES_MASK]);
            let leaves = (next >> INDEX_BITS, after >> INDEX_BITS);
            let roots = (inner[root & PLACES_MASK], inner[(root + 1) & PLACES_MASK]);
            // Which two it is cannot be foreseen, so that there is no branch. A root that is not
            // taken gets its parent later.
            let two_leaves = usize::from(leaves.1 <= roots.0);
            let two_roots = usize::from(roots.1 < leaves.0);
            let weight = (leaves.0 + roots.0)
                .min(leaves.0 + leaves.1)
                .min(roots.0 + roots.1);
            parents[root & PLACES_MASK] = node as u16;
            parents[(root + 1) & PLACES_MASK] = node as u16;
            leaf += 1 + two_leaves - two_roots;
            root += 1 + two_roots - two_leaves;
            inner[node & PLACES_MASK] = weight;
            inner[(node + 2) & PLACES_MASK] = NO_WEIGHT;
        }
        // Now depths, from the root of all, which was made last.
        // Those of one depth stand together, and where they start says how many they are.
        let mut starts = [0; 17];
        inner[count - 2] = 0;
        starts[0] = count - 2;
        for node in (0..count - 2).rev() {
            let depth = inner[usize::from(parents[node & PLACES_MASK]) & PLACES_MASK] + 1;
            inner[node & PLACES_MASK] = depth;
            starts[(depth as usize).min(16)] = node;
        }
        let mut leaves = [0; 16];
        let (mut left, mut above) = (count, 1);
        for depth in 1..length_max {
            let here = starts[depth - 1] - starts[depth];
            leaves[depth] = 2 * above - here;
            left -= leaves[depth];
            above = here;
        }
        leaves[length_max] = left;
        leaves
    }
}

/// Lengthens short codes until those at the limit have room.
fn limit_lengths(leaves: &mut OfLength, length_max: usize) {
    let taken = |leaves: &OfLength| -> usize {
        (1..=length_max)
            .map(|length| leaves[length] << (length_max - length))
            .sum()
    };
    let mut excess = taken(leaves).saturating_sub(1 << length_max);
    while excess > 0 {
        leaves[length_max] -= 1;
        let shorter = (1..length_max).rev().find(|&length| leaves[length] > 0);
        let shorter = shorter.expect("a code with too many long words has a shorter one");
        leaves[shorter] -= 1;
        leaves[shorter + 1] += 2;
        excess -= 1;
    }
}

/// The codes that go with the lengths of the symbols that are used, of which so many have each.
pub(super) fn codes(symbols: &[u16], lengths: &[u8], of_length: &OfLength, codes: &mut [Code]) {
    let mut next = [0_u16; 16];
    let mut first = 0;
    for length in 1..16 {
        first = (first + of_length[length - 1]) << 1;
        // The first bit is the highest.
        next[length] = (first << (16 - length)) as u16;
    }
    for (&symbol, &length) in symbols.iter().zip(lengths) {
        let next = &mut next[usize::from(length & 15)];
        codes[usize::from(symbol)] = Code {
            bits: reverse(*next),
            length,
        };
        *next = next.wrapping_add(1 << ((16 - length) & 15));
    }
}

/// A code for no more than so many occurrences has its lengths estimated.
const ESTIMATE_MAX: u32 = 1 << 11;

/// What all words of a code take together.
const ROOM: u32 = 1 << 15;

const FRACTION_BITS: u32 = 4;
const FRACTIONS: usize = 1 << FRACTION_BITS;

/// The logarithm of each number to the base 2, rounded down to sixteenths.
const LOGARITHMS: [u8; ESTIMATE_MAX as usize + 1] = {
    let mut logarithms = [0; ESTIMATE_MAX as usize + 1];
    let mut number = 1;
    while number < logarithms.len() {
        let whole = number.ilog2();
        let mut logarithm = whole;
        // Squaring what is from 1 to below 2 shows the next bit.
        let mut rest = (number as u64) << (31 - whole);
        let mut bit = 0;
        while bit < FRACTION_BITS {
            rest = (rest * rest) >> 31;
            let two_or_more = (rest >> 32) as u32;
            logarithm = logarithm << 1 | two_or_more;
            rest >>= two_or_more;
            bit += 1;
        }
        logarithms[number] = logarithm as u8;
        number += 1;
    }
    logarithms
};

fn logarithm(number: u32) -> u16 {
    LOGARITHMS[number as usize].into()
}

/// The bits of each byte in the reverse order.
const REVERSED: [u8; 256] = {
    let mut reversed = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        reversed[byte] = (byte as u8).reverse_bits();
        byte += 1;
    }
    reversed
};

/// As `u16::reverse_bits`, which takes three times as many instructions.
#[inline(always)]
fn reverse(bits: u16) -> u16 {
    let [low, high] = bits.to_le_bytes();
    u16::from_be_bytes([REVERSED[usize::from(low)], REVERSED[usize::from(high)]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample::Random;

    /// What fraction of all words the code uses, in units of its longest word.
    fn taken(lengths: &[u8]) -> u32 {
        let used = lengths.iter().filter(|&&length| length > 0);
        used.map(|&length| 1 << (15 - length)).sum()
    }

    /// The lengths that `choose` finds for these counts, if it does.
    fn chosen<const N: usize>(
        counts: [u32; N],
        choose: impl FnOnce(&mut Builder, &[u32], &mut [u8]) -> Option<(OfLength, usize)>,
    ) -> Option<[u8; N]> {
        let mut used = Used::default();
        used.collect(&counts);
        let mut dense = vec![0; used.counts().len()];
        let (of_length, bits) = choose(&mut Builder::new(), used.counts(), &mut dense)?;
        let mut found = [0; N];
        for (&symbol, &length) in used.symbols().iter().zip(&dense) {
            assert!(length > 0);
            found[usize::from(symbol)] = length;
        }
        assert_eq!(bits, weight(&counts, &found));
        for (length, &some) in of_length.iter().enumerate().skip(1) {
            let having = found.iter().filter(|&&found| usize::from(found) == length);
            assert_eq!(some, having.count());
        }
        Some(found)
    }

    fn weight(counts: &[u32], lengths: &[u8]) -> usize {
        let products = counts.iter().zip(lengths);
        let products = products.map(|(&count, &length)| count as usize * usize::from(length));
        products.sum()
    }

    fn lengths<const N: usize>(counts: [u32; N], length_max: usize) -> [u8; N] {
        let optimal = |builder: &mut Builder, counts: &[u32], lengths: &mut [u8]| {
            Some(if counts.len() < 2 {
                builder.lengths(counts, length_max, lengths)
            } else {
                builder.optimal(counts, length_max, lengths)
            })
        };
        chosen(counts, optimal).expect("there is always an optimal code")
    }

    fn estimated<const N: usize>(counts: [u32; N], length_max: usize) -> Option<[u8; N]> {
        let estimate = |builder: &mut Builder, counts: &[u32], lengths: &mut [u8]| {
            builder.estimate(counts, length_max, lengths)
        };
        chosen(counts, estimate)
    }

    #[test]
    fn an_estimated_code_is_complete_and_hardly_longer() {
        let mut random = Random::new(6);
        let (mut longer, mut optimal, mut refused) = (0, 0, 0);
        for round in 0..4000 {
            let spread = [2, 3, 10, 40][round % 4];
            let mut counts = [(); 64].map(|()| random.below(spread).saturating_sub(1) as u32);
            // Two at least, and one of them as often as it comes.
            counts[random.below(32)] =
                1 + random.below(if round % 3 == 0 { 900 } else { 5 }) as u32;
            counts[32 + random.below(32)] = 1;
            let length_max = if round % 2 == 0 { 7 } else { 14 };
            let Some(found) = estimated(counts, length_max) else {
                refused += 1;
                continue;
            };
            assert_eq!(taken(&found), 1 << 15, "a complete code");
            assert!(
                found
                    .iter()
                    .all(|&length| usize::from(length) <= length_max)
            );
            let least = weight(&counts, &lengths(counts, length_max));
            let most = least + least / 8 + 4;
            assert!(weight(&counts, &found) <= most, "{counts:?}");
            longer += weight(&counts, &found);
            optimal += least;
        }
        assert!(longer * 100 < optimal * 101, "{longer} for {optimal}");
        assert!((1..2000).contains(&refused), "{refused} of no use");
    }

    #[test]
    fn two_symbols_and_all_of_them_are_estimated() {
        for often in [1, 2, 255, 256, 257, 511, 2047] {
            assert_eq!(estimated([often, 0, 0, 0, 0, 0, 0, 1], 7), {
                Some([1, 0, 0, 0, 0, 0, 0, 1])
            });
        }
        assert_eq!(estimated([2048, 0, 0, 0, 0, 0, 0, 1], 7), None);
        for count in 1..=ESTIMATE_MAX / 288 {
            let found = estimated([count; 288], 14).expect("few enough");
            assert_eq!(taken(&found), 1 << 15);
            assert!(found.iter().all(|&length| length == 8 || length == 9));
        }
        // With a limit of 7 there is room for 128 symbols and no more.
        assert_eq!(estimated([1; 128], 7), Some([7; 128]));
        assert_eq!(estimated([1; 136], 7), None);
    }

    #[test]
    fn logarithms_are_exact_to_a_sixteenth() {
        for number in 1..=ESTIMATE_MAX {
            let exact = f64::from(number).log2() * 16.0;
            let found = f64::from(logarithm(number));
            assert!((0.0..1.0).contains(&(exact - found)), "{number}: {found}");
        }
    }

    #[test]
    fn lengths_are_optimal_within_the_limit() {
        assert_eq!(
            lengths([5, 0, 1, 1, 2, 0, 0, 0], 15),
            [1, 0, 3, 3, 2, 0, 0, 0]
        );
        assert_eq!(
            lengths([0, 0, 9, 0, 0, 0, 0, 0], 15),
            [0, 0, 1, 0, 0, 0, 0, 0]
        );
        assert_eq!(lengths([0; 8], 15), [0; 8]);
        assert_eq!(
            lengths([1; 288], 15).iter().filter(|&&l| l == 8).count(),
            224
        );
    }

    /// What the tree weighs, found the slow way: the two lightest join until one is left.
    #[test]
    fn no_code_is_shorter() {
        let mut random = Random::new(5);
        for round in 0..300 {
            let spread = 1 + random.below(if round % 2 == 0 { 5 } else { 200 });
            let counts: [u32; 64] =
                [(); 64].map(|()| random.below(spread).saturating_sub(1) as u32);
            let mut weights: Vec<u32> = counts.into_iter().filter(|&count| count > 0).collect();
            let mut least = 0;
            while weights.len() > 1 {
                weights.sort_unstable();
                let two: u32 = weights.drain(..2).sum();
                least += two;
                weights.push(two);
            }
            let found = lengths(counts, 15);
            let bits = weight(&counts, &found) as u32;
            if counts.iter().filter(|&&count| count > 0).count() > 1 {
                assert_eq!(bits, least);
                assert_eq!(taken(&found), 1 << 15, "a complete code");
            }
        }
    }

    #[test]
    fn lopsided_counts_meet_the_limit() {
        // Fibonacci numbers make the deepest tree.
        let mut counts = [1_u32; 24];
        for index in 2..24 {
            counts[index] = counts[index - 1] + counts[index - 2];
        }
        for limit in [5, 7, 14, 15] {
            let found = lengths(counts, limit);
            assert_eq!(usize::from(*found.iter().max().unwrap()), limit);
            assert_eq!(taken(&found), 1 << 15, "a complete code");
            assert!(found.is_sorted_by(|one, other| one >= other));
        }
    }

    #[test]
    fn bits_are_reversed() {
        assert!((0..=u16::MAX).all(|bits| reverse(bits) == bits.reverse_bits()));
    }

    /// RFC 1951 section 3.2.2.
    #[test]
    fn the_example_of_the_rfc() {
        let mut used = Used::default();
        used.collect(&[1; 8]);
        let mut found = [Code::default(); 8];
        let mut of_length = [0; 16];
        of_length[2..5].copy_from_slice(&[1, 5, 2]);
        let lengths = [3, 3, 3, 3, 3, 2, 4, 4];
        codes(used.symbols(), &lengths, &of_length, &mut found);
        let bits: Vec<String> = found
            .iter()
            .map(|code| {
                let forward = code.bits.reverse_bits() >> (16 - code.length);
                format!("{forward:0width$b}", width = usize::from(code.length))
            })
            .collect();
        let expected = ["010", "011", "100", "101", "110", "00", "1110", "1111"];
        assert_eq!(bits, expected);
    }
}
