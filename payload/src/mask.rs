//! Masking and unmasking, RFC 6455 section 5.3: the same operation.

use wide::u8x16;

/// Unmasks `bytes` in place, or masks them. `phase` is how many bytes of the payload came before.
#[inline]
pub fn apply(bytes: &mut [u8], mask: [u8; 4], phase: usize) {
    apply_looking(bytes, turned(mask, phase));
}

/// The mask as the byte of this phase meets it.
#[inline]
pub(crate) fn turned(mask: [u8; 4], phase: usize) -> u32 {
    u32::from_le_bytes(mask).rotate_right(turn(phase))
}

/// Unmasks `bytes` with a mask that was turned to them, and says whether what came out is ASCII.
#[inline]
pub(crate) fn apply_looking(bytes: &mut [u8], mask: u32) -> bool {
    let len = bytes.len();
    if len > 32 {
        vectors(bytes, mask)
    } else if len >= 16 {
        two_vectors(bytes, mask)
    } else if len >= 8 {
        ends::<8>(bytes, mask)
    } else if len >= 4 {
        ends::<4>(bytes, mask)
    } else {
        single_bytes(bytes, mask)
    }
}

/// How many bits of the mask lie behind us.
#[inline]
fn turn(phase: usize) -> u32 {
    8 * (phase % 4) as u32
}

#[inline]
fn single_bytes(bytes: &mut [u8], mask: u32) -> bool {
    let mut seen = 0;
    for (byte, mask) in bytes.iter_mut().zip(mask.to_le_bytes()) {
        *byte ^= mask;
        seen |= *byte;
    }
    seen.is_ascii()
}

/// `N` to `2 * N` bytes: the first `N` and the last, which may overlap, so that both are read
/// before either is written.
#[inline]
fn ends<const N: usize>(bytes: &mut [u8], mask: u32) -> bool {
    let last_at = bytes.len() - N;
    let (mut first, mut last) = ([0; N], [0; N]);
    first.copy_from_slice(&bytes[..N]);
    last.copy_from_slice(&bytes[last_at..]);
    let seen = xor(&mut first, mask) | xor(&mut last, mask.rotate_right(turn(last_at)));
    bytes[..N].copy_from_slice(&first);
    bytes[last_at..].copy_from_slice(&last);
    seen & 0x8080_8080 == 0
}

/// Returns what came out, in one word.
#[inline]
fn xor<const N: usize>(bytes: &mut [u8; N], mask: u32) -> u32 {
    let mut seen = 0;
    for word in bytes.as_chunks_mut::<4>().0 {
        let plain = u32::from_le_bytes(*word) ^ mask;
        seen |= plain;
        *word = plain.to_le_bytes();
    }
    seen
}

/// The same for vectors, which the compiler does not make of it by itself.
#[inline]
fn two_vectors(bytes: &mut [u8], mask: u32) -> bool {
    let last_at = bytes.len() - 16;
    let first = vector(bytes.first_chunk()) ^ spread(mask);
    let last = vector(bytes.last_chunk()) ^ spread(mask.rotate_right(turn(last_at)));
    bytes[..16].copy_from_slice(&first.to_array());
    bytes[last_at..].copy_from_slice(&last.to_array());
    (first | last).to_bitmask() == 0
}

/// Any number of vectors, of which the last may overlap the one before.
#[inline(never)]
fn vectors(bytes: &mut [u8], mask: u32) -> bool {
    let last_at = bytes.len() - 16;
    let last = vector(bytes.last_chunk()) ^ spread(mask.rotate_right(turn(last_at)));
    let mask = spread(mask);
    let mut seen = last;
    let mut step = |lanes: &mut [u8; 16]| {
        let plain = u8x16::new(*lanes) ^ mask;
        seen |= plain;
        *lanes = plain.to_array();
    };
    let (fours, rest) = bytes.as_chunks_mut::<64>();
    for four in fours {
        four.as_chunks_mut().0.iter_mut().for_each(&mut step);
    }
    rest.as_chunks_mut().0.iter_mut().for_each(&mut step);
    bytes[last_at..].copy_from_slice(&last.to_array());
    seen.to_bitmask() == 0
}

/// Bytes that are there by the length that was asked before.
#[inline]
fn vector(bytes: Option<&[u8; 16]>) -> u8x16 {
    bytes.map_or(u8x16::ZERO, |bytes| u8x16::new(*bytes))
}

/// The mask in every lane that it falls on.
#[inline]
fn spread(mask: u32) -> u8x16 {
    let mut lanes = [0; 16];
    for word in lanes.as_chunks_mut::<4>().0 {
        *word = mask.to_le_bytes();
    }
    u8x16::new(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// Section 5.3, to the letter.
    fn slow(bytes: &[u8], mask: [u8; 4], phase: usize) -> Vec<u8> {
        let masked = |(index, byte): (usize, &u8)| byte ^ mask[(index + phase) % 4];
        bytes.iter().enumerate().map(masked).collect()
    }

    #[test]
    fn every_length_and_phase() {
        let plain: Vec<u8> = (0..=255).cycle().take(300).collect();
        for len in 0..plain.len() {
            for phase in 0..8 {
                let mut bytes = plain[..len].to_vec();
                apply(&mut bytes, MASK, phase);
                assert_eq!(bytes, slow(&plain[..len], MASK, phase), "{len}, {phase}");
                apply(&mut bytes, MASK, phase);
                assert_eq!(bytes, plain[..len], "back again: {len}, {phase}");
            }
        }
    }

    #[test]
    fn pieces_join() {
        let plain: Vec<u8> = (0..100).collect();
        for cut in 0..plain.len() {
            let mut bytes = plain.clone();
            let (front, back) = bytes.split_at_mut(cut);
            apply(front, MASK, 0);
            apply(back, MASK, cut);
            assert_eq!(bytes, slow(&plain, MASK, 0), "{cut}");
        }
    }

    #[test]
    fn ascii_is_seen_behind_the_mask() {
        for len in 0..150 {
            let mut bytes = slow(&vec![0x7f; len], MASK, 0);
            assert!(apply_looking(&mut bytes, turned(MASK, 0)), "{len}");
            for at in 0..len {
                let mut plain = vec![0x7f; len];
                plain[at] = 0x80;
                let mut bytes = slow(&plain, MASK, 0);
                assert!(!apply_looking(&mut bytes, turned(MASK, 0)), "{at} of {len}");
            }
        }
    }
}
