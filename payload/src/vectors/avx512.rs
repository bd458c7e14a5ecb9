//! 64 bytes at a time.

use std::arch::x86_64::*;

use super::{Vector, run};
use crate::Verdict;

/// Fewer bytes are not taken.
pub(crate) const BYTES_MIN: usize = 2 * <__m512i as Vector>::BYTES;

/// Unmasks `bytes`, and judges what comes out.
///
/// # Safety
/// There are at least `BYTES_MIN`.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2")]
pub(crate) unsafe fn unmask(bytes: &mut [u8], mask: u32) -> Verdict {
    // SAFETY: the processor has AVX-512 so far, and the bytes are enough and ours.
    unsafe { run::<__m512i, true>(bytes.as_mut_ptr(), bytes.len(), mask) }
}

/// Judges `bytes`.
///
/// # Safety
/// There are at least `BYTES_MIN`.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2")]
pub(crate) unsafe fn judge(bytes: &[u8]) -> Verdict {
    // SAFETY: the processor has AVX-512 so far, the bytes are enough, and they are not written.
    unsafe { run::<__m512i, false>(bytes.as_ptr().cast_mut(), bytes.len(), 0) }
}

// What a byte that begins a character asks of those behind it.

/// The next one has to be a continuation,
const SECOND: u8 = 1 << 7;
/// the one after it as well,
const THIRD: u8 = 1 << 6;
/// and the one after that.
const FOURTH: u8 = 1 << 5;
/// Any of these.
const MORE: u8 = 1 << 4;
/// The next one has to be none below 0x90,
const LOW: u8 = 1 << 0;
/// from there up to 0x9f,
const MIDDLE: u8 = 1 << 1;
/// or from 0xa0.
const HIGH: u8 = 1 << 2;

/// What the bytes from 0xc0 ask, by their six lower bits.
const ASKED: [u8; 64] = {
    let mut table = [0; 64];
    let mut byte = 0xc0;
    while byte <= 0xff {
        let continuations = match byte {
            0xc0..=0xdf => SECOND,
            0xe0..=0xef => SECOND | THIRD,
            _ => SECOND | THIRD | FOURTH,
        };
        let but = match byte {
            // Two bytes where one would do; above U+10FFFF.
            0xc0 | 0xc1 | 0xf5..=0xff => LOW | MIDDLE | HIGH,
            // Three where two would do.
            0xe0 => LOW | MIDDLE,
            // Half a pair of UTF-16.
            0xed => HIGH,
            // Four where three would do.
            0xf0 => LOW,
            // Above U+10FFFF.
            0xf4 => MIDDLE | HIGH,
            _ => 0,
        };
        table[byte - 0xc0] = continuations | MORE | but;
        byte += 1;
    }
    table
};

/// What continuations are, by their six lower bits, as it is asked of a second byte.
const GIVEN: [u8; 64] = {
    let mut table = [SECOND; 64];
    let mut bits = 0;
    while bits < 64 {
        table[bits] |= match bits {
            0..0x10 => LOW,
            0x10..0x20 => MIDDLE,
            _ => HIGH,
        };
        bits += 1;
    }
    table
};

/// The bits of three operands, for the instruction that combines them in any way.
const A: i32 = 0xf0;
const B: i32 = 0xcc;
const C: i32 = 0xaa;

#[derive(Clone, Copy)]
pub(super) struct Findings {
    /// What each byte of the vector before asks.
    asked: __m512i,
    /// Not zero, `SECOND` aside, where a continuation was one that it must not be.
    bad: __m512i,
    /// `SECOND` where one was missing, or was there and should not be. Other bits mean nothing.
    misplaced: __m512i,
}

impl Vector for __m512i {
    const BYTES: usize = 64;

    type Findings = Findings;

    #[inline(always)]
    unsafe fn load(at: *const u8) -> Self {
        // SAFETY: as the trait asks, here and below.
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, at: *mut u8) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(at.cast(), self) }
    }

    #[inline(always)]
    unsafe fn spread(word: u32) -> Self {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi32(word.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { _mm512_xor_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { _mm512_or_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: see above.
        unsafe { _mm512_movepi8_mask(self) == 0 }
    }

    #[inline(always)]
    unsafe fn nothing() -> Findings {
        // SAFETY: see above.
        let zero = unsafe { _mm512_setzero_si512() };
        Findings {
            asked: zero,
            bad: zero,
            misplaced: zero,
        }
    }

    #[inline(always)]
    unsafe fn check(self, findings: &mut Findings) {
        // SAFETY: see above.
        unsafe {
            let border = _mm512_set1_epi8(0xc0_u8.cast_signed());
            let begins = _mm512_cmpge_epu8_mask(self, border);
            let continues = _mm512_cmplt_epi8_mask(self, border);
            let asked = _mm512_maskz_permutexvar_epi8(begins, self, Self::load(ASKED.as_ptr()));
            let given = _mm512_maskz_permutexvar_epi8(continues, self, Self::load(GIVEN.as_ptr()));
            // Onto the next byte, and those after it, with the bit in question where `SECOND` is.
            // Lanes have eight bytes: what moves in is of the lane before.
            let lane_before = _mm512_alignr_epi64::<7>(asked, findings.asked);
            let second = _mm512_shldi_epi64::<8>(asked, lane_before);
            let third = _mm512_shldi_epi64::<{ 16 + 1 }>(asked, lane_before);
            let fourth = _mm512_shldi_epi64::<{ 24 + 2 }>(asked, lane_before);
            let wanted = _mm512_ternarylogic_epi64::<{ A | B | C }>(second, third, fourth);
            let Findings { bad, misplaced, .. } = *findings;
            *findings = Findings {
                asked,
                bad: _mm512_ternarylogic_epi64::<{ A | B & C }>(bad, second, given),
                misplaced: _mm512_ternarylogic_epi64::<{ A | B ^ C }>(misplaced, wanted, given),
            };
        }
    }

    #[inline(always)]
    unsafe fn pass_ascii(findings: &mut Findings) {
        // SAFETY: see above.
        unsafe {
            *findings = Findings {
                asked: _mm512_setzero_si512(),
                bad: _mm512_or_si512(findings.bad, unfinished(findings.asked)),
                misplaced: findings.misplaced,
            };
        }
    }

    #[inline(always)]
    unsafe fn forgive(findings: &mut Findings) {
        // SAFETY: see above.
        let zero = unsafe { _mm512_setzero_si512() };
        (findings.bad, findings.misplaced) = (zero, zero);
    }

    #[inline(always)]
    unsafe fn is_wrong(findings: &Findings) -> bool {
        // SAFETY: see above.
        unsafe {
            let others = _mm512_set1_epi8((!SECOND).cast_signed());
            let bad = _mm512_test_epi8_mask(findings.bad, others);
            bad | _mm512_movepi8_mask(findings.misplaced) != 0
        }
    }

    #[inline(always)]
    unsafe fn is_unfinished(findings: &Findings) -> bool {
        // SAFETY: see above.
        unsafe {
            let unfinished = unfinished(findings.asked);
            _mm512_test_epi8_mask(unfinished, unfinished) != 0
        }
    }
}

/// Not zero, `SECOND` aside, if what is asked concerns bytes that are still to come.
#[inline(always)]
unsafe fn unfinished(asked: __m512i) -> __m512i {
    const BEHIND: [u8; 64] = {
        let mut behind = [0; 64];
        behind[61] = FOURTH;
        behind[62] = THIRD;
        behind[63] = MORE;
        behind
    };
    // SAFETY: AVX-512, as the caller promises.
    unsafe { _mm512_and_si512(asked, __m512i::load(BEHIND.as_ptr())) }
}
