//! What is done to every byte of a WebSocket's payload: it is unmasked (RFC 6455 section 5.3), and
//! what is to be text is validated (section 8.1), both in one pass.
//!
//! Each byte is loaded into a register once, where it is unmasked, checked, and stored from. That
//! takes vectors as wide as the processor has them, which a program finds out when it runs: AVX-512
//! (with VBMI2) or AVX2. Elsewhere there are two passes, of crates that need no `unsafe` from us.
//! All have the same results, to which the tests hold each that the machine has.

pub mod mask;
pub mod utf8;

#[cfg(target_arch = "x86_64")]
mod vectors;

#[cfg(test)]
mod tests;

/// What bytes are, as a piece of UTF-8 that begins with a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Text.
    Whole,
    /// Text, if what is behind the last whole character is the beginning of one: up to three bytes.
    Unfinished,
    /// No text, however it goes on.
    Wrong,
}

/// Instructions that this processor has: what it does not have is never made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Path {
    /// The best that this processor has. Found out once.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn best() -> Self {
        static BEST: std::sync::OnceLock<Path> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| {
            let has_vbmi = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vbmi2");
            match is_x86_feature_detected!("avx2") {
                true if has_vbmi => Self::Avx512,
                true => Self::Avx2,
                false => Self::Portable,
            }
        })
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    fn best() -> Self {
        Self::Portable
    }

    /// All that this processor has.
    #[cfg(test)]
    fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let paths = [Self::Portable, Self::Avx2, Self::Avx512];
        #[cfg(not(target_arch = "x86_64"))]
        let paths = [Self::Portable];
        paths.into_iter().filter(|path| *path <= Self::best())
    }

    /// Unmasks `bytes` in place, with a mask that was turned to their phase, and judges them.
    fn unmask(self, bytes: &mut [u8], mask: u32) -> Verdict {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if bytes.len() >= vectors::avx512::BYTES_MIN => {
                // SAFETY: the processor has the instructions, and there are enough bytes.
                unsafe { vectors::avx512::unmask(bytes, mask) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 if bytes.len() >= vectors::avx2::BYTES_MIN => {
                // SAFETY: the processor has the instructions, and there are enough bytes.
                unsafe { vectors::avx2::unmask(bytes, mask) }
            }
            _ if mask::apply_looking(bytes, mask) => Verdict::Whole,
            _ => utf8::judge(bytes),
        }
    }

    /// Judges `bytes`.
    fn judge(self, bytes: &[u8]) -> Verdict {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if bytes.len() >= vectors::avx512::BYTES_MIN => {
                // SAFETY: the processor has the instructions, and there are enough bytes.
                unsafe { vectors::avx512::judge(bytes) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 if bytes.len() >= vectors::avx2::BYTES_MIN => {
                // SAFETY: the processor has the instructions, and there are enough bytes.
                unsafe { vectors::avx2::judge(bytes) }
            }
            _ => utf8::judge(bytes),
        }
    }
}
