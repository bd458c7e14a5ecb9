//! A generator with a seed, so that what failed once fails again.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn mask(&mut self) -> [u8; 4] {
        (self.next() as u32).to_le_bytes()
    }

    /// A length: mostly small, at times beside one where the encoding changes.
    pub(crate) fn len(&mut self) -> usize {
        match self.below(40) {
            0 => [125, 126, 127, 65_535, 65_536, 65_537][self.below(6)],
            1..4 => self.below(1500),
            4..8 => 0,
            _ => self.below(40),
        }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Text of `len` bytes, from characters of every size.
    pub(crate) fn text(&mut self, len: usize) -> String {
        const CHARACTERS: [char; 6] = ['a', '\0', '\u{7ff}', '\u{20ac}', '\u{ffff}', '\u{1f6b2}'];
        let plain = self.one_in(2);
        let mut text = String::new();
        while text.len() < len {
            let next = CHARACTERS[if plain { 0 } else { self.below(6) }];
            let fits = text.len() + next.len_utf8() <= len;
            text.push(if fits { next } else { 'z' });
        }
        text
    }

    /// Lengths of pieces that `len` bytes arrive in.
    pub(crate) fn cuts(&mut self, len: usize) -> Vec<usize> {
        let longest = [1, 3, 20, 200, 5000][self.below(5)];
        let mut cuts = Vec::new();
        let mut left = len;
        while left > 0 {
            let cut = (1 + self.below(longest)).min(left);
            cuts.push(cut);
            left -= cut;
        }
        cuts
    }
}
