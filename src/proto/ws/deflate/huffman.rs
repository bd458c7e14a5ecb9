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

/// Writes the lengths of an optimal code for `counts`, none longer than `length_max`, or nearly
/// optimal where that limit is in the way. Symbols that do not occur get 0.
pub(super) fn lengths(counts: &[u32], length_max: usize, lengths: &mut [u8]) {
    // How often, and who: sorted as one number.
    let mut sorted = [0_u32; SYMBOLS_MAX];
    let mut used = 0;
    for (symbol, &count) in counts.iter().enumerate() {
        if count > 0 {
            sorted[used] = count << SYMBOL_BITS | symbol as u32;
            used += 1;
        }
    }
    lengths.fill(0);
    let sorted = &mut sorted[..used];
    sorted.sort_unstable();
    match sorted {
        [] => return,
        [only] => {
            lengths[symbol_of(*only)] = 1;
            return;
        }
        _ => {}
    }
    let mut leaves = leaves_by_depth(sorted, length_max);
    limit_lengths(&mut leaves, length_max);
    let mut symbols = sorted.iter().map(|&entry| symbol_of(entry));
    for length in (1..=length_max).rev() {
        for symbol in symbols.by_ref().take(leaves[length]) {
            lengths[symbol] = length as u8;
        }
    }
}

const SYMBOL_BITS: u32 = 9;

fn symbol_of(entry: u32) -> usize {
    (entry & ((1 << SYMBOL_BITS) - 1)) as usize
}

/// How many symbols have a code of each length; what is deeper than `length_max` counts there.
///
/// Builds the tree in place, as Moffat and Katajainen describe it: the leaves come sorted, the
/// inner nodes come to be in the order of their weights, so that two queues in one array do.
fn leaves_by_depth(sorted: &[u32], length_max: usize) -> [usize; 16] {
    let count = sorted.len();
    let mut nodes = [0_u32; SYMBOLS_MAX];
    let nodes = &mut nodes[..count];
    for (node, entry) in nodes.iter_mut().zip(sorted) {
        *node = entry >> SYMBOL_BITS;
    }
    // First weights, of leaves from `leaf` on and of inner nodes up to `inner`; then an inner
    // node that has got a parent holds its place.
    let (mut leaf, mut root) = (0, 0);
    for inner in 0..count - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            if leaf >= count || (root < inner && nodes[root] < nodes[leaf]) {
                weight += nodes[root];
                nodes[root] = inner as u32;
                root += 1;
            } else {
                weight += nodes[leaf];
                leaf += 1;
            }
        }
        nodes[inner] = weight;
    }
    // Now depths, from the root, which was made last.
    let mut inner_at = [0_usize; 17];
    nodes[count - 2] = 0;
    inner_at[0] = 1;
    for node in (0..count - 2).rev() {
        let depth = nodes[nodes[node] as usize] + 1;
        nodes[node] = depth;
        inner_at[(depth as usize).min(16)] += 1;
    }
    let mut leaves = [0; 16];
    let mut left = count;
    for depth in 1..length_max {
        leaves[depth] = 2 * inner_at[depth - 1] - inner_at[depth];
        left -= leaves[depth];
    }
    leaves[length_max] = left;
    leaves
}

/// Lengthens short codes until those at the limit have room.
fn limit_lengths(leaves: &mut [usize; 16], length_max: usize) {
    let taken = |leaves: &[usize; 16]| -> usize {
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

/// The codes that go with the lengths.
pub(super) fn codes(lengths: &[u8], codes: &mut [Code]) {
    let mut of_length = [0_u16; 16];
    for &length in lengths {
        of_length[usize::from(length)] += 1;
    }
    let mut next = [0_u16; 16];
    let mut first = 0_u16;
    of_length[0] = 0;
    for length in 1..16 {
        first = (first + of_length[length - 1]) << 1;
        next[length] = first;
    }
    codes.fill(Code::default());
    for (code, &length) in codes.iter_mut().zip(lengths) {
        if length > 0 {
            let next = &mut next[usize::from(length) & 15];
            code.bits = next.reverse_bits() >> ((16 - length) & 15);
            code.length = length;
            *next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fraction of all words the code uses, in units of its longest word.
    fn taken(lengths: &[u8]) -> u32 {
        let used = lengths.iter().filter(|&&length| length > 0);
        used.map(|&length| 1 << (15 - length)).sum()
    }

    #[test]
    fn lengths_are_optimal_within_the_limit() {
        let mut found = [0; 5];
        lengths(&[5, 0, 1, 1, 2], 15, &mut found);
        assert_eq!(found, [1, 0, 3, 3, 2]);
        lengths(&[0, 0, 9, 0, 0], 15, &mut found);
        assert_eq!(found, [0, 0, 1, 0, 0]);
        lengths(&[0; 5], 15, &mut found);
        assert_eq!(found, [0; 5]);
    }

    #[test]
    fn lopsided_counts_meet_the_limit() {
        // Fibonacci numbers make the deepest tree.
        let mut counts = [1_u32; 30];
        for index in 2..30 {
            counts[index] = counts[index - 1] + counts[index - 2];
        }
        for limit in [5, 7, 14, 15] {
            let mut found = [0; 30];
            lengths(&counts, limit, &mut found);
            assert_eq!(usize::from(*found.iter().max().unwrap()), limit);
            assert_eq!(taken(&found), 1 << 15, "a complete code");
            assert!(found.is_sorted_by(|one, other| one >= other));
        }
    }

    /// RFC 1951 section 3.2.2.
    #[test]
    fn the_example_of_the_rfc() {
        let mut found = [Code::default(); 8];
        codes(&[3, 3, 3, 3, 3, 2, 4, 4], &mut found);
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
