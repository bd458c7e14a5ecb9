//! Ways to cut the same bytes into segments.

/// Splitmix64: enough chance for cuts, the same on every machine.
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

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let bound = u64::try_from(end.max(1)).expect("a usize fits");
        usize::try_from(self.next() % bound).expect("below a usize")
    }
}

/// A way to cut, and how a failure names it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Whole,
    Bytes,
    Random { seed: u64 },
}

/// The cuts every case runs with.
pub(crate) const ALL: [Cut; 5] = [
    Cut::Whole,
    Cut::Bytes,
    Cut::Random { seed: 1 },
    Cut::Random { seed: 2 },
    Cut::Random { seed: 3 },
];

/// The cuts for real sockets, where a segment per byte costs more than it tells.
pub(crate) const ON_SOCKETS: [Cut; 2] = [Cut::Whole, Cut::Random { seed: 4 }];

/// Above this, "byte by byte" means in small uneven pieces: no case is about every byte of so much.
const BYTES_MAX: usize = 20_000;

impl Cut {
    pub(crate) fn apply(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            // A segment of nothing would not arrive at all.
            _ if bytes.is_empty() => Vec::new(),
            Self::Whole => vec![bytes],
            Self::Bytes if bytes.len() <= BYTES_MAX => bytes.chunks(1).collect(),
            Self::Bytes => bytes.chunks(97).collect(),
            Self::Random { seed } => {
                let mut random = Random::new(seed ^ (bytes.len() as u64).rotate_left(32));
                let mut ends: Vec<_> = (0..1 + random.below(6))
                    .map(|_| random.below(bytes.len()))
                    .collect();
                ends.push(bytes.len());
                ends.sort_unstable();
                let mut start = 0;
                let segments = ends.into_iter().map(|end| {
                    let segment = &bytes[start..end];
                    start = end;
                    segment
                });
                segments.filter(|segment| !segment.is_empty()).collect()
            }
        }
    }
}
