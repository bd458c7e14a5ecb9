//! Finding repetitions: LZ77 with chains of equal hashes, and a choice that looks one byte ahead.

use super::symbols::Block;

/// The shortest repetition that is looked for. DEFLATE has those of three bytes too, but in text
/// they cost about as much as the three bytes.
const LENGTH_MIN: usize = 4;

/// The longest one that DEFLATE can express.
const LENGTH_MAX: usize = 258;

/// How much of the input can be looked at in one go: positions have 16 bits.
pub(super) const VIEW_BYTES_MAX: usize = 1 << 16;

/// How hard to look.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// How many earlier places to compare.
    depth: u16,
    /// A repetition as long as this is taken without looking whether the next byte starts a longer
    /// one.
    lazy_below: u16,
    /// One as long as this ends the search.
    nice: u16,
}

impl Effort {
    /// The effort of a level from 1 to 9; like zlib's at 6.
    pub(super) fn of_level(level: u8) -> Self {
        let (depth, lazy_below, nice) = match level {
            0..=1 => (1, 0, 16),
            2 => (3, 0, 32),
            3 => (4, 6, 32),
            4 => (8, 8, 64),
            5 => (12, 16, 64),
            6 => (24, 16, 128),
            7 => (48, 32, 128),
            8 => (128, 128, 258),
            _ => (1024, 258, 258),
        };
        Self {
            depth,
            lazy_below,
            nice,
        }
    }
}

/// Where each four bytes were seen last, and before that. Positions count from the start of the
/// view; 0 stands for nowhere.
#[derive(Default)]
pub(super) struct Finder {
    /// By hash: the last position.
    head: Vec<u16>,
    /// By position modulo its length, a power of two: the one before with the same hash.
    prev: Vec<u16>,
    hash_shift: u32,
    /// What to add to a position to find it in `prev`.
    phase: usize,
    /// The first position that is not in the tables yet.
    next: usize,
}

impl Finder {
    /// Starts anew, with tables for repetitions up to `1 << window_bits` away and a hash of
    /// `hash_bits`.
    pub(super) fn clear(&mut self, window_bits: u8, hash_bits: u8) {
        let head_len = 1 << hash_bits;
        if self.head.len() < head_len {
            self.head = vec![0; head_len];
        } else {
            self.head[..head_len].fill(0);
        }
        self.prev.resize(1 << window_bits, 0);
        self.hash_shift = 32 - u32::from(hash_bits);
        self.phase = 0;
        self.next = 0;
    }

    /// Bytes of memory that it owns.
    #[cfg(feature = "testing")]
    pub(super) fn buffered_bytes(&self) -> usize {
        size_of::<u16>() * (self.head.capacity() + self.prev.capacity())
    }

    /// The view's first `count` bytes go away.
    pub(super) fn slide(&mut self, count: usize) {
        let by = u16::try_from(count).unwrap_or(u16::MAX);
        for place in self.head.iter_mut().chain(&mut self.prev) {
            *place = place.saturating_sub(by);
        }
        self.phase = self.phase.wrapping_add(count);
        self.next = self.next.saturating_sub(count);
    }

    /// Cuts `view[from..]` into symbols, with repetitions from all of the view that are no further
    /// away than `1 << window_bits`.
    pub(super) fn parse(
        &mut self,
        view: &[u8],
        from: usize,
        window_bits: u8,
        effort: Effort,
        block: &mut Block,
    ) {
        debug_assert!(view.len() <= VIEW_BYTES_MAX);
        let chains = Ring {
            head: &mut self.head,
            prev: &mut self.prev,
            hash_shift: self.hash_shift,
            phase: self.phase,
        };
        let mut search = Search {
            view,
            chains,
            distance_max: 1 << window_bits,
            effort,
        };
        search.insert(self.next, from);
        let at = search.parse(from, block);
        self.next = at.min(view.len().saturating_sub(LENGTH_MIN - 1));
    }
}

/// The same for messages of no more than [`SHORT_BYTES_MAX`], each on its own.
pub(super) struct ShortFinder {
    head: [u16; 1 << SHORT_HASH_BITS],
    prev: [u16; SHORT_BYTES_MAX],
    /// What the positions in `head` start from: lower ones are of earlier messages, so that nothing
    /// has to be cleared.
    base: u16,
}

/// The longest message for the finder of short ones.
pub(super) const SHORT_BYTES_MAX: usize = 1 << 11;
const SHORT_HASH_BITS: u32 = 12;

impl ShortFinder {
    pub(super) fn new() -> Self {
        Self {
            head: [0; _],
            prev: [0; _],
            base: 0,
        }
    }

    /// Cuts `message` into symbols.
    pub(super) fn parse(&mut self, message: &[u8], effort: Effort, block: &mut Block) {
        debug_assert!(message.len() <= SHORT_BYTES_MAX);
        self.base = self.base.checked_add(SHORT_BYTES_MAX as u16).unwrap_or(0);
        if self.base == 0 {
            self.head.fill(0);
        }
        let chains = Short {
            head: &mut self.head,
            prev: &mut self.prev,
            base: self.base,
        };
        let mut search = Search {
            view: message,
            chains,
            distance_max: SHORT_BYTES_MAX,
            effort,
        };
        search.parse(0, block);
    }
}

/// Positions with the same hash, from the last one on.
trait Chains {
    /// How many places of a repetition, behind its first, are taken in.
    const STARTS_MAX: usize;

    /// Takes a position in; returns the one before with the same hash, or 0.
    fn insert(&mut self, at: usize, word: u32) -> usize;

    /// The one before a position, or 0.
    fn before(&self, at: usize) -> usize;
}

/// The chains of a view that slides.
struct Ring<'a> {
    head: &'a mut [u16],
    prev: &'a mut [u16],
    hash_shift: u32,
    phase: usize,
}

impl Chains for Ring<'_> {
    const STARTS_MAX: usize = usize::MAX;

    #[inline(always)]
    fn insert(&mut self, at: usize, word: u32) -> usize {
        let mask = self.head.len() - 1;
        let place = &mut self.head[hash(word, self.hash_shift) & mask];
        let last = std::mem::replace(place, at as u16);
        let mask = self.prev.len() - 1;
        self.prev[at.wrapping_add(self.phase) & mask] = last;
        last.into()
    }

    #[inline(always)]
    fn before(&self, at: usize) -> usize {
        let mask = self.prev.len() - 1;
        let before = usize::from(self.prev[at.wrapping_add(self.phase) & mask]);
        // What is not has been overwritten.
        if before < at { before } else { 0 }
    }
}

/// Those of a short message. Of a repetition two more places are taken in, always: hardly anything
/// repeats from the middle of one, all of them would cost as much as the search, and how often a
/// loop runs nobody could foresee.
struct Short<'a> {
    head: &'a mut [u16; 1 << SHORT_HASH_BITS],
    prev: &'a mut [u16; SHORT_BYTES_MAX],
    base: u16,
}

impl Chains for Short<'_> {
    const STARTS_MAX: usize = 2;

    #[inline(always)]
    fn insert(&mut self, at: usize, word: u32) -> usize {
        let place = &mut self.head[hash(word, 32 - SHORT_HASH_BITS)];
        let last = std::mem::replace(place, self.base + at as u16);
        let before = last.saturating_sub(self.base);
        self.prev[at % SHORT_BYTES_MAX] = before;
        before.into()
    }

    #[inline(always)]
    fn before(&self, at: usize) -> usize {
        self.prev[at % SHORT_BYTES_MAX].into()
    }
}

/// Where the last position with a hash is found: its upper bits.
#[inline(always)]
fn hash(word: u32, shift: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

/// A repetition; none when the distance is 0.
struct Found {
    length: usize,
    distance: usize,
}

impl Found {
    const NONE: Self = Self {
        length: 0,
        distance: 0,
    };
}

/// A finder at work.
struct Search<'a, C> {
    view: &'a [u8],
    chains: C,
    distance_max: usize,
    effort: Effort,
}

impl<C: Chains> Search<'_, C> {
    /// Cuts the view from `from` on into symbols; returns up to where positions were taken in.
    #[inline(always)]
    fn parse(&mut self, from: usize, block: &mut Block) -> usize {
        let (view, effort) = (self.view, self.effort);
        block.reserve(view.len() - from);
        // Where the literals begin: to count them would make every step wait for the count.
        let (mut at, mut begin) = (from, from);
        while let Some(word) = load_u32(view, at) {
            let candidate = self.chains.insert(at, word);
            // Mostly there is none, and that is all to be known.
            let found = if candidate == 0 {
                Found::NONE
            } else {
                self.longest(at, candidate, LENGTH_MIN - 1)
            };
            if found.distance == 0 {
                // Where nothing repeats for long, looking at every byte is a waste.
                at += 1 + ((at - begin) >> 8);
                continue;
            }
            let mut found = found;
            let mut next = at + 1;
            while found.length < usize::from(effort.lazy_below)
                && let Some(word) = load_u32(view, at + 1)
            {
                let candidate = self.chains.insert(at + 1, word);
                let later = self.longest(at + 1, candidate, found.length);
                next = at + 2;
                if later.distance == 0 {
                    break;
                }
                at += 1;
                found = later;
            }
            let (length, distance) = (found.length as u16, (found.distance - 1) as u16);
            block.push(view, begin, at, length, distance);
            let end = at + found.length;
            self.insert(next, end.min(next.saturating_add(C::STARTS_MAX)));
            at = end;
            begin = end;
        }
        block.add_literals(&view[begin..]);
        at
    }

    /// Takes positions in as far as four bytes are there.
    #[inline(always)]
    fn insert(&mut self, from: usize, to: usize) {
        let end = self.view.len().min(to + LENGTH_MIN - 1);
        let words = self.view.get(from..end).unwrap_or_default().windows(4);
        for (index, word) in words.enumerate() {
            let word = word.first_chunk().expect("windows have four bytes");
            self.chains.insert(from + index, u32::from_le_bytes(*word));
        }
    }

    /// The longest repetition at `at` that has more than `longer_than` bytes, of what stands at
    /// `candidate` and at the places before it with the same hash.
    #[inline(always)]
    fn longest(&self, at: usize, mut candidate: usize, longer_than: usize) -> Found {
        let too_far = at.saturating_sub(self.distance_max + 1);
        let mut found = Found {
            length: longer_than,
            distance: 0,
        };
        let view = self.view;
        let length_max = (view.len() - at).min(LENGTH_MAX);
        // The last four bytes of what would be one byte longer.
        let Some(mut wanted) = load_u32(view, at + longer_than - 3) else {
            return found;
        };
        let mut left = self.effort.depth;
        while candidate > too_far && left > 0 {
            left -= 1;
            if load_u32(view, candidate + found.length - 3) == Some(wanted) {
                let length = common(&view[candidate..], &view[at..at + length_max]);
                if length > found.length {
                    found.length = length;
                    found.distance = at - candidate;
                    if length >= usize::from(self.effort.nice) || length == length_max {
                        break;
                    }
                    wanted = load_u32(view, at + length - 3).expect("not yet the end");
                }
            }
            candidate = self.chains.before(candidate);
        }
        found
    }
}

/// How many bytes two texts have in common at their starts.
#[inline(always)]
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut length = 0;
    for (one, other) in one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0) {
        let difference = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if difference != 0 {
            return length + (difference.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    while length < other.len() && one[length] == other[length] {
        length += 1;
    }
    length
}

#[inline(always)]
fn load_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}
