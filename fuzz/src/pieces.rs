//! Cutting the input as a network might.

/// How many bytes at the front of an input say how the rest is cut.
pub(crate) const CUTS: usize = 4;

/// `bytes` in pieces whose lengths are the low six bits of `cuts`, over and over; some may be
/// empty.
pub(crate) fn pieces<'a>(bytes: &'a [u8], cuts: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut & 63)).collect();
    if lengths.iter().all(|&length| length == 0) {
        lengths = vec![usize::MAX];
    }
    let mut lengths = lengths.into_iter().cycle();
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, behind) = rest.split_at(lengths.next()?.min(rest.len()));
        rest = behind;
        Some(piece)
    })
}
