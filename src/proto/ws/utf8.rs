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
