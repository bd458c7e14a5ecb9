//! Validating text, RFC 6455 section 8.1: whole, or as it arrives in pieces.

use crate::{Path, Verdict, mask};

/// Unmasks a whole text in place: the bytes, if they are UTF-8 now. They are unmasked either way.
#[inline]
pub fn unmask(bytes: &mut [u8], mask: [u8; 4]) -> Option<&str> {
    match unmask_piece(bytes, mask::turned(mask, 0)) {
        // SAFETY: it is UTF-8 from its begin to its end.
        Verdict::Whole => Some(unsafe { str::from_utf8_unchecked(bytes) }),
        Verdict::Unfinished | Verdict::Wrong => None,
    }
}

/// The bytes as text, if they are UTF-8.
#[inline]
pub fn text(bytes: &[u8]) -> Option<&str> {
    match judge_piece(bytes) {
        // SAFETY: it is UTF-8 from its begin to its end.
        Verdict::Whole => Some(unsafe { str::from_utf8_unchecked(bytes) }),
        Verdict::Unfinished | Verdict::Wrong => None,
    }
}

/// Checks that pieces make up UTF-8 together, and fails with the first byte that cannot be part of
/// it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validator {
    /// The bytes of a character that is not all there yet.
    carry: [u8; 3],
    carry_len: u8,
}

impl Validator {
    /// Takes the next piece; `false` when no text goes on like that. Not to be asked again then.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> bool {
        let (front, rest) = piece.split_at(self.missing().min(piece.len()));
        let verdict = judge_piece(rest);
        self.complete(front) && self.keep_end(rest, verdict)
    }

    /// The same for a piece that it unmasks in place, whatever comes out. `phase` is how many bytes
    /// of the payload came before.
    #[must_use]
    pub fn push_masked(&mut self, piece: &mut [u8], mask: [u8; 4], phase: usize) -> bool {
        let missing = self.missing().min(piece.len());
        let (front, rest) = piece.split_at_mut(missing);
        mask::apply(front, mask, phase);
        let verdict = unmask_piece(rest, mask::turned(mask, phase + missing));
        self.complete(front) && self.keep_end(rest, verdict)
    }

    /// Whether the text may end here.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.carry_len == 0
    }

    /// How many bytes the unfinished character lacks.
    fn missing(&self) -> usize {
        match self.carry_len {
            0 => 0,
            len => size(self.carry[0]) - usize::from(len),
        }
    }

    /// Adds to the unfinished character, at most what it lacks.
    fn complete(&mut self, bytes: &[u8]) -> bool {
        let len = usize::from(self.carry_len);
        let mut character = [0; 4];
        character[..len].copy_from_slice(&self.carry[..len]);
        character[len..len + bytes.len()].copy_from_slice(bytes);
        self.keep(&character[..len + bytes.len()])
    }

    /// Keeps what is unfinished at the end of a piece that begins with a character.
    fn keep_end(&mut self, piece: &[u8], verdict: Verdict) -> bool {
        match verdict {
            Verdict::Whole => true,
            Verdict::Unfinished => self.keep(&piece[piece.len() - unfinished(piece)..]),
            Verdict::Wrong => false,
        }
    }

    /// Keeps the beginning of a character, if it is one and not all of it.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        match str::from_utf8(bytes) {
            Ok(_) => self.carry_len = 0,
            Err(error) if error.error_len().is_some() => return false,
            Err(_) => {
                self.carry[..bytes.len()].copy_from_slice(bytes);
                self.carry_len = bytes.len() as u8;
            }
        }
        true
    }
}

/// Fewer bytes are not worth a choice between instructions.
const LONG_BYTES: usize = 64;

/// Unmasks a piece that begins with a character, and judges it.
#[inline]
fn unmask_piece(bytes: &mut [u8], mask: u32) -> Verdict {
    if bytes.len() >= LONG_BYTES {
        Path::best().unmask(bytes, mask)
    } else if mask::apply_looking(bytes, mask) {
        Verdict::Whole
    } else {
        judge(bytes)
    }
}

/// Judges a piece that begins with a character.
#[inline]
fn judge_piece(bytes: &[u8]) -> Verdict {
    if bytes.len() >= LONG_BYTES {
        Path::best().judge(bytes)
    } else {
        judge(bytes)
    }
}

/// The same without instructions of our choice.
#[inline(never)]
pub(crate) fn judge(bytes: &[u8]) -> Verdict {
    if bytes.len() < LONG_BYTES {
        return match str::from_utf8(bytes) {
            Ok(_) => Verdict::Whole,
            Err(error) if error.error_len().is_none() => Verdict::Unfinished,
            Err(_) => Verdict::Wrong,
        };
    }
    let unfinished = unfinished(bytes);
    match simdutf8::basic::from_utf8(&bytes[..bytes.len() - unfinished]) {
        Ok(_) if unfinished == 0 => Verdict::Whole,
        Ok(_) => Verdict::Unfinished,
        Err(_) => Verdict::Wrong,
    }
}

/// How many bytes at the end may be the beginning of a character: at most three.
pub(crate) fn unfinished(piece: &[u8]) -> usize {
    for (behind, &byte) in piece.iter().rev().take(3).enumerate() {
        if !(0x80..=0xbf).contains(&byte) {
            return if behind + 1 < size(byte) {
                behind + 1
            } else {
                0
            };
        }
    }
    0
}

/// How many bytes a character has, by its first.
fn size(first: u8) -> usize {
    match first {
        0x00..=0xbf => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::BORDERS;

    /// How many bytes at the front, pushed one by one, the validator takes.
    fn taken(text: &[u8]) -> usize {
        let mut validator = Validator::default();
        text.iter()
            .take_while(|&&byte| validator.push(&[byte]))
            .count()
    }

    /// How many bytes at the front are the beginning of some text, by the standard library.
    fn expected(text: &[u8]) -> usize {
        match str::from_utf8(text) {
            Ok(_) => text.len(),
            Err(error) => {
                let rest = &text[error.valid_up_to()..];
                let goes_on = |len: &usize| {
                    str::from_utf8(&rest[..*len]).is_err_and(|error| error.error_len().is_none())
                };
                error.valid_up_to() + (1..=rest.len()).take_while(goes_on).count()
            }
        }
    }

    #[test]
    fn fails_at_the_first_wrong_byte() {
        let mut texts = vec![Vec::new()];
        for _ in 0..4 {
            let longer = |text: &Vec<u8>| BORDERS.map(|byte| [&text[..], &[byte]].concat());
            texts = texts.iter().flat_map(longer).collect();
            for text in &texts {
                assert_eq!(taken(text), expected(text), "{text:x?}");
            }
        }
    }

    #[test]
    fn cuts_change_nothing() {
        let long = "\u{1f6b2}\u{e9}a\u{20ac}".repeat(40);
        let mut bad = long.clone().into_bytes();
        let last = bad.len() - 1;
        bad[last] = b'a';
        for (text, good) in [
            (long.as_bytes(), true),
            (&long.as_bytes()[1..], false),
            (&bad, false),
            (b"", true),
            (b"ascii", true),
            (b"\xed\xa0\x80", false),
            (b"\xf4\x90\x80\x80", false),
        ] {
            for first in 0..=text.len() {
                for second in [first, first + 1, first + 2, first + 70, text.len()] {
                    let second = second.clamp(first, text.len());
                    let mut validator = Validator::default();
                    let pieces = [&text[..first], &text[first..second], &text[second..]];
                    let pushed = pieces.iter().all(|piece| validator.push(piece));
                    assert_eq!(pushed && validator.is_complete(), good, "{first}, {second}");
                }
            }
        }
    }

    #[test]
    fn an_unfinished_character_is_no_text() {
        for unfinished in ["\u{e9}", "\u{20ac}", "\u{1f6b2}"] {
            for len in 1..unfinished.len() {
                let mut validator = Validator::default();
                assert!(validator.push(b"a"));
                assert!(validator.push(&unfinished.as_bytes()[..len]));
                assert!(!validator.is_complete());
                assert!(validator.push(&unfinished.as_bytes()[len..]));
                assert!(validator.is_complete());
            }
        }
    }
}
