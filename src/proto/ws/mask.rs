//! Masking and unmasking, RFC 6455 section 5.3: the same operation.

/// Unmasks `bytes` in place, or masks them. `phase` is how many bytes of the payload came before.
#[inline]
pub fn apply(bytes: &mut [u8], mask: [u8; 4], phase: usize) {
    apply_looking(bytes, mask, phase);
}

/// The same, and says whether what came out is ASCII.
#[inline]
pub fn apply_looking(bytes: &mut [u8], mask: [u8; 4], phase: usize) -> bool {
    let turn = 8 * (phase % 4) as u32;
    let mask = u32::from_le_bytes(mask).rotate_right(turn);
    let wide = u64::from(mask) << 32 | u64::from(mask);
    let mut seen = 0;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        let plain = u64::from_le_bytes(*word) ^ wide;
        seen |= plain;
        *word = plain.to_le_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(wide.to_le_bytes()) {
        *byte ^= mask;
        seen |= u64::from(*byte);
    }
    seen & 0x8080_8080_8080_8080 == 0
}
