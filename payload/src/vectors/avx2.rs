//! 32 bytes at a time.

use std::arch::x86_64::*;

use super::{Vector, pair, run};
use crate::Verdict;

/// Fewer bytes are not taken.
pub(crate) const BYTES_MIN: usize = 2 * <__m256i as Vector>::BYTES;

/// Unmasks `bytes`, and judges what comes out.
///
/// # Safety
/// There are at least `BYTES_MIN`.
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn unmask(bytes: &mut [u8], mask: u32) -> Verdict {
    // SAFETY: the processor has AVX2, and the bytes are enough and ours.
    unsafe { run::<__m256i, true>(bytes.as_mut_ptr(), bytes.len(), mask) }
}

/// Judges `bytes`.
///
/// # Safety
/// There are at least `BYTES_MIN`.
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn judge(bytes: &[u8]) -> Verdict {
    // SAFETY: the processor has AVX2, the bytes are enough, and they are not written.
    unsafe { run::<__m256i, false>(bytes.as_ptr().cast_mut(), bytes.len(), 0) }
}

/// A table in both halves of a register, as lookups do not cross them.
#[inline(always)]
unsafe fn table(entries: &[u8; 16]) -> __m256i {
    // SAFETY: it has 16 bytes; AVX2, as the caller promises.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(entries.as_ptr().cast())) }
}

/// The upper half of each byte, as a number.
#[inline(always)]
unsafe fn upper(bytes: __m256i) -> __m256i {
    // SAFETY: AVX2, as the caller promises.
    unsafe { _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(0x0f)) }
}

#[derive(Clone, Copy)]
pub(super) struct Findings {
    before: __m256i,
    /// Where any bit is set.
    wrong: __m256i,
}

impl Vector for __m256i {
    const BYTES: usize = 32;

    type Findings = Findings;

    #[inline(always)]
    unsafe fn load(at: *const u8) -> Self {
        // SAFETY: as the trait asks, here and below.
        unsafe { _mm256_loadu_si256(at.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, at: *mut u8) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_si256(at.cast(), self) }
    }

    #[inline(always)]
    unsafe fn spread(word: u32) -> Self {
        // SAFETY: see above.
        unsafe { _mm256_set1_epi32(word.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { _mm256_xor_si256(self, other) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { _mm256_or_si256(self, other) }
    }

    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: see above.
        unsafe { _mm256_movemask_epi8(self) == 0 }
    }

    #[inline(always)]
    unsafe fn nothing() -> Findings {
        // SAFETY: see above.
        let zero = unsafe { _mm256_setzero_si256() };
        Findings {
            before: zero,
            wrong: zero,
        }
    }

    #[inline(always)]
    unsafe fn check(self, findings: &mut Findings) {
        // SAFETY: see above.
        unsafe {
            // Shifts do not cross the halves of a register: of each, what is in front of it.
            let front = _mm256_permute2x128_si256::<0x21>(findings.before, self);
            let one_before = _mm256_alignr_epi8::<15>(self, front);
            let two_before = _mm256_alignr_epi8::<14>(self, front);
            let three_before = _mm256_alignr_epi8::<13>(self, front);
            let lower = _mm256_and_si256(one_before, _mm256_set1_epi8(0x0f));
            let by_upper = _mm256_shuffle_epi8(table(&pair::FIRST_UPPER), upper(one_before));
            let by_lower = _mm256_shuffle_epi8(table(&pair::FIRST_LOWER), lower);
            let by_second = _mm256_shuffle_epi8(table(&pair::SECOND_UPPER), upper(self));
            let pair = _mm256_and_si256(_mm256_and_si256(by_upper, by_lower), by_second);
            // The uppermost bit of what is at least 0xe0, and 0xf0.
            let third = _mm256_subs_epu8(two_before, _mm256_set1_epi8(0x60));
            let fourth = _mm256_subs_epu8(three_before, _mm256_set1_epi8(0x70));
            let uppermost = _mm256_set1_epi8(i8::MIN);
            let continued = _mm256_and_si256(_mm256_or_si256(third, fourth), uppermost);
            let wrong = _mm256_xor_si256(pair, continued);
            *findings = Findings {
                before: self,
                wrong: _mm256_or_si256(findings.wrong, wrong),
            };
        }
    }

    #[inline(always)]
    unsafe fn pass_ascii(findings: &mut Findings) {
        // SAFETY: see above.
        unsafe {
            *findings = Findings {
                before: _mm256_setzero_si256(),
                wrong: _mm256_or_si256(findings.wrong, unfinished(findings.before)),
            };
        }
    }

    #[inline(always)]
    unsafe fn forgive(findings: &mut Findings) {
        // SAFETY: see above.
        findings.wrong = unsafe { _mm256_setzero_si256() };
    }

    #[inline(always)]
    unsafe fn is_wrong(findings: &Findings) -> bool {
        // SAFETY: see above.
        unsafe { _mm256_testz_si256(findings.wrong, findings.wrong) == 0 }
    }

    #[inline(always)]
    unsafe fn is_unfinished(findings: &Findings) -> bool {
        // SAFETY: see above.
        unsafe {
            let unfinished = unfinished(findings.before);
            _mm256_testz_si256(unfinished, unfinished) == 0
        }
    }
}

/// Not zero if a character ends behind these bytes.
#[inline(always)]
unsafe fn unfinished(bytes: __m256i) -> __m256i {
    const MOST: [u8; 32] = {
        let mut most = [0xff; 32];
        most[29] = 0xef;
        most[30] = 0xdf;
        most[31] = 0xbf;
        most
    };
    // SAFETY: AVX2, as the caller promises.
    unsafe { _mm256_subs_epu8(bytes, __m256i::load(MOST.as_ptr())) }
}
