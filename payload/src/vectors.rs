//! Unmasking and validating with vectors, after Keiser and Lemire, "Validating UTF-8 In Less Than
//! One Instruction Per Byte" (2021): a look at each byte and the three before it, in all lanes at
//! once, by tables that are in registers.

pub(crate) mod avx2;
pub(crate) mod avx512;

use crate::Verdict;

/// Bytes in a register. Everything here is to be inlined where the instructions are enabled.
///
/// # Safety
/// All methods but `load` and `store` need only a processor that has the instructions. These two
/// need `BYTES` bytes at `at` that can be read, or written, as well.
trait Vector: Copy {
    const BYTES: usize;

    /// What was found in vectors that follow on each other, and what the next one has to know.
    type Findings;

    unsafe fn load(at: *const u8) -> Self;

    unsafe fn store(self, at: *mut u8);

    /// `word` in every lane of four bytes.
    unsafe fn spread(word: u32) -> Self;

    unsafe fn xor(self, other: Self) -> Self;

    unsafe fn or(self, other: Self) -> Self;

    unsafe fn is_ascii(self) -> bool;

    /// Nothing was found so far, at the begin of a text.
    unsafe fn nothing() -> Self::Findings;

    /// Looks at the next vector. A character that ends behind it is not complained of.
    unsafe fn check(self, findings: &mut Self::Findings);

    /// The same for any number of vectors that are ASCII.
    unsafe fn pass_ascii(findings: &mut Self::Findings);

    /// Makes nothing of what was wrong so far.
    unsafe fn forgive(findings: &mut Self::Findings);

    unsafe fn is_wrong(findings: &Self::Findings) -> bool;

    /// Whether a character ends behind the last vector.
    unsafe fn is_unfinished(findings: &Self::Findings) -> bool;
}

/// Vectors that are looked at together: whether all of them are ASCII is asked once.
const TOGETHER: usize = 4;

/// Unmasks and judges `len` bytes, or judges them alone.
///
/// # Safety
/// The processor has the instructions of `V`. `len` is at least two vectors; at `bytes` so many can
/// be read, and written if `UNMASK`.
#[inline(always)]
unsafe fn run<V: Vector, const UNMASK: bool>(bytes: *mut u8, len: usize, mask: u32) -> Verdict {
    debug_assert!(len >= 2 * V::BYTES);
    let last_at = len - V::BYTES;
    // SAFETY: all that is loaded and stored lies below `len`: the last vector ends there, and the
    // others begin at least as much before it as they have bytes.
    unsafe {
        // The last vector may overlap the one before: both are loaded before anything is stored.
        let key = V::spread(mask.rotate_right(8 * (last_at % 4) as u32));
        let last = V::load(bytes.add(last_at)).xor(key);
        let before_last = V::load(bytes.add(last_at - V::BYTES)).xor(key);

        let key = V::spread(mask);
        let mut findings = V::nothing();
        let mut at = 0;
        while at + TOGETHER * V::BYTES <= len {
            let place = |index| bytes.add(at + index * V::BYTES);
            let vectors: [V; TOGETHER] =
                std::array::from_fn(|index| V::load(place(index)).xor(key));
            if UNMASK {
                for (index, vector) in vectors.into_iter().enumerate() {
                    vector.store(place(index));
                }
            }
            let [a, b, c, d] = vectors;
            if a.or(b).or(c.or(d)).is_ascii() {
                V::pass_ascii(&mut findings);
            } else {
                for vector in vectors {
                    vector.check(&mut findings);
                }
            }
            at += TOGETHER * V::BYTES;
        }
        let mut is_wrong = false;
        if at < len {
            while at < last_at {
                let vector = V::load(bytes.add(at)).xor(key);
                if UNMASK {
                    vector.store(bytes.add(at));
                }
                vector.check(&mut findings);
                at += V::BYTES;
            }
            is_wrong = V::is_wrong(&findings);
            if UNMASK {
                last.store(bytes.add(last_at));
            }
            findings = V::nothing();
            before_last.check(&mut findings);
            V::forgive(&mut findings);
            last.check(&mut findings);
        }
        if is_wrong || V::is_wrong(&findings) {
            Verdict::Wrong
        } else if V::is_unfinished(&findings) {
            Verdict::Unfinished
        } else {
            Verdict::Whole
        }
    }
}

/// What is wrong with two bytes that follow on each other, one bit each. The first byte is bad by
/// both halves of it, and the second by its upper half.
mod pair {
    /// A continuation where a character has ended.
    const UNEXPECTED: u8 = 1 << 0;
    /// No continuation after a byte that wants one.
    const MISSING: u8 = 1 << 1;
    /// Two bytes where one would do: 0xc0 and 0xc1.
    const OVERLONG_2: u8 = 1 << 2;
    /// Three where two would do: 0xe0, and less than 0xa0.
    const OVERLONG_3: u8 = 1 << 3;
    /// Half a pair of UTF-16: 0xed, and at least 0xa0.
    const SURROGATE: u8 = 1 << 4;
    /// Four bytes where three would do, 0xf0 and less than 0x90; and above 0xf4, as below.
    const OVERLONG_4: u8 = 1 << 5;
    /// Above U+10FFFF: 0xf4 and at least 0x90, or above 0xf4.
    const TOO_LARGE: u8 = 1 << 6;
    /// Two continuations: right as the third and fourth byte of a character, which the bytes
    /// further in front tell.
    const CONTINUED: u8 = 1 << 7;

    /// By the upper half of the first byte.
    pub(super) const FIRST_UPPER: [u8; 16] = {
        let mut table = [UNEXPECTED; 16];
        table[0x8] = CONTINUED;
        table[0x9] = CONTINUED;
        table[0xa] = CONTINUED;
        table[0xb] = CONTINUED;
        table[0xc] = MISSING | OVERLONG_2;
        table[0xd] = MISSING;
        table[0xe] = MISSING | OVERLONG_3 | SURROGATE;
        table[0xf] = MISSING | OVERLONG_4 | TOO_LARGE;
        table
    };

    /// By the lower half of the first byte.
    pub(super) const FIRST_LOWER: [u8; 16] = {
        let always = UNEXPECTED | MISSING | CONTINUED;
        let mut table = [always; 16];
        table[0x0] |= OVERLONG_2 | OVERLONG_3 | OVERLONG_4;
        table[0x1] |= OVERLONG_2;
        table[0x4] |= TOO_LARGE;
        table[0xd] |= SURROGATE;
        let mut above = 0x5;
        while above < 16 {
            table[above] |= TOO_LARGE | OVERLONG_4;
            above += 1;
        }
        table
    };

    /// By the upper half of the second byte.
    pub(super) const SECOND_UPPER: [u8; 16] = {
        let continues = UNEXPECTED | CONTINUED | OVERLONG_2;
        let mut table = [MISSING; 16];
        table[0x8] = continues | OVERLONG_3 | OVERLONG_4;
        table[0x9] = continues | OVERLONG_3 | TOO_LARGE;
        table[0xa] = continues | SURROGATE | TOO_LARGE;
        table[0xb] = continues | SURROGATE | TOO_LARGE;
        table
    };
}
