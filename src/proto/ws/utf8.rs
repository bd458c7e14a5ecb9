//! Validating text that arrives in pieces.

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
    pub fn push(&mut self, mut piece: &[u8]) -> bool {
        while self.carry_len > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                return true;
            };
            if !self.complete(byte) {
                return false;
            }
            piece = rest;
        }
        let (whole, begun) = piece.split_at(piece.len() - unfinished(piece));
        is_valid(whole) && self.keep(begun)
    }

    /// Whether the text may end here.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.carry_len == 0
    }

    /// Adds one byte to the unfinished character.
    fn complete(&mut self, byte: u8) -> bool {
        let len = usize::from(self.carry_len);
        let mut character = [0; 4];
        character[..len].copy_from_slice(&self.carry[..len]);
        character[len] = byte;
        self.carry_len = 0;
        str::from_utf8(&character[..=len]).is_ok() || self.keep(&character[..=len])
    }

    /// Keeps the beginning of a character, if it is one.
    fn keep(&mut self, begun: &[u8]) -> bool {
        let goes_on = match str::from_utf8(begun) {
            Ok(_) => begun.is_empty(),
            Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
        };
        if goes_on {
            self.carry[..begun.len()].copy_from_slice(begun);
            self.carry_len = begun.len() as u8;
        }
        goes_on
    }
}

/// The bytes as text, if they are UTF-8.
#[inline]
pub fn text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// Whether `text` is UTF-8.
#[inline]
pub fn is_valid(text: &[u8]) -> bool {
    simdutf8::basic::from_utf8(text).is_ok()
}

/// How many bytes at the end may be the beginning of a character: at most three.
fn unfinished(piece: &[u8]) -> usize {
    for (behind, &byte) in piece.iter().rev().take(3).enumerate() {
        let size = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if behind + 1 < size { behind + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Bytes on both sides of every border that UTF-8 has.
    const BORDERS: [u8; 27] = [
        0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
        0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xff,
    ];

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
