//! Runs of a class of characters, found a block of bytes at a time.
//!
//! Each class has a usual part that vector instructions can tell. A byte outside of it stops the
//! block and is looked at by itself, which is slow, right, and rare.

use wide::i8x16;

use super::token::{is_field_byte, is_target_byte, is_token_byte};

#[inline]
fn lanes(block: &[u8; 16]) -> i8x16 {
    i8x16::new(block.map(|byte| byte as i8))
}

/// Marks bytes outside of a range. The range is moved to where the signed values begin, so that
/// one comparison does for both of its ends.
#[inline]
fn outside(lanes: i8x16, low: u8, high: u8) -> i8x16 {
    let moved = lanes + i8x16::splat(0x80_u8.wrapping_sub(low) as i8);
    moved.simd_gt(i8x16::splat((high - low).wrapping_sub(0x80) as i8))
}

/// Marks all but letters.
#[inline]
fn outside_letters(lanes: i8x16) -> i8x16 {
    outside(lanes | i8x16::splat(0x20), b'a', b'z')
}

/// Marks what few names of headers have: all but letters and `-`.
#[inline]
fn unusual_in_token(block: &[u8; 16]) -> u32 {
    let lanes = lanes(block);
    (outside_letters(lanes) & outside(lanes, b'-', b'-')).to_bitmask()
}

#[inline]
fn unusual_in_target(block: &[u8; 16]) -> u32 {
    let lanes = lanes(block);
    (outside(lanes, b'$', b';') & outside(lanes, b'?', b'~')).to_bitmask()
}

/// The length of a token of letters and `-`, and at most 31 of them, that `end` follows: what
/// nearly every name is, told without a loop.
#[inline]
pub(super) fn usual_token(bytes: &[u8], end: u8) -> Option<usize> {
    let (first, rest) = bytes.split_first_chunk()?;
    let len = match unusual_in_token(first) {
        0 => 16 + unusual_in_token(rest.first_chunk()?).trailing_zeros() as usize,
        marked => marked.trailing_zeros() as usize,
    };
    (*bytes.get(len)? == end).then_some(len)
}

/// How many bytes at the front may stand in a token: RFC 9110 section 5.6.2.
pub(super) fn token(bytes: &[u8]) -> usize {
    run(bytes, unusual_in_token, is_token_byte)
}

/// How many bytes at the front may stand in a request target.
#[inline]
pub(super) fn target(bytes: &[u8]) -> usize {
    // Many are short, and end with a space.
    if let Some(block) = bytes.first_chunk() {
        let len = unusual_in_target(block).trailing_zeros() as usize;
        if block.get(len) == Some(&b' ') {
            return len;
        }
    }
    long_target(bytes)
}

#[inline(never)]
fn long_target(bytes: &[u8]) -> usize {
    run(bytes, unusual_in_target, is_target_byte)
}

/// How many bytes at the front are of a class. `unusual` marks those of a block that are to be
/// looked at one by one.
#[inline]
fn run(bytes: &[u8], unusual: impl Fn(&[u8; 16]) -> u32, class: impl Fn(u8) -> bool) -> usize {
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk() {
        let marked = unusual(block);
        if marked == 0 {
            at += block.len();
            continue;
        }
        at += marked.trailing_zeros() as usize;
        if !class(bytes[at]) {
            return at;
        }
        at += 1;
    }
    at + bytes[at..]
        .iter()
        .position(|&byte| !class(byte))
        .unwrap_or(bytes.len() - at)
}

/// Whether all bytes are letters, digits, `-` or `.`, as in nearly every name of a host. Names of
/// less than eight bytes are not looked at.
#[inline]
pub(super) fn is_usual_name(bytes: &[u8]) -> bool {
    let is_usual = |block: &[u8; 16]| {
        let lanes = lanes(block);
        let slash = lanes.simd_eq(i8x16::splat(b'/' as i8));
        // `-`, `.` and digits have `/` between them.
        let unusual = outside_letters(lanes) & (outside(lanes, b'-', b'9') | slash);
        unusual.to_bitmask() == 0
    };
    // The last block overlaps the one before, so that none is shorter than the others.
    if let Some(last) = bytes.last_chunk() {
        return bytes.as_chunks().0.iter().all(is_usual) && is_usual(last);
    }
    let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) else {
        return false;
    };
    let mut block = [0; 16];
    block[..8].copy_from_slice(first);
    block[8..].copy_from_slice(last);
    is_usual(&block)
}

/// Where lines end. What is not printable ASCII is marked in blocks of 64 bytes, and a block serves
/// all lines that end in it: next to nothing is marked but their ends.
pub(super) struct LineEnds {
    /// Where the block begins.
    start: usize,
    /// A bit for each byte of the block that is marked and has not been passed.
    marked: u64,
}

const BLOCK_BYTES: usize = 64;

impl LineEnds {
    /// From `start` on; `None` at the end of `bytes`.
    #[inline]
    pub(super) fn new(bytes: &[u8], start: usize) -> Option<Self> {
        let marked = unprintable(bytes, start)?;
        Some(Self { start, marked })
    }

    /// Where the CRLF of the line that begins at `line` is, if what is before it may stand in a
    /// field value (RFC 9110 section 5.5). To be asked for one line after the other.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8], line: usize) -> Option<usize> {
        loop {
            if self.marked == 0 {
                // The block may have ended between CR and LF.
                self.start = (self.start + BLOCK_BYTES).max(line);
                self.marked = unprintable(bytes, self.start)?;
                continue;
            }
            let at = self.start + self.marked.trailing_zeros() as usize;
            self.marked &= self.marked - 1;
            let rest = bytes.get(at..)?;
            if rest.first_chunk() == Some(b"\r\n") {
                // The LF is marked as well.
                self.marked &= self.marked.wrapping_sub(1);
                return Some(at);
            }
            if !is_field_byte(*rest.first()?) {
                return None;
            }
        }
    }
}

/// Marks what is not printable ASCII in the 64 bytes from `start` on, or missing of them.
#[inline]
fn unprintable(bytes: &[u8], start: usize) -> Option<u64> {
    let rest = bytes.get(start..)?;
    Some(match rest.first_chunk() {
        Some(block) => unprintable_in(block),
        None => {
            let mut block = [0; BLOCK_BYTES];
            block[..rest.len()].copy_from_slice(rest);
            unprintable_in(&block)
        }
    })
}

#[inline]
fn unprintable_in(block: &[u8; BLOCK_BYTES]) -> u64 {
    let (chunks, _) = block.as_chunks();
    let mask = |chunk| u64::from(outside(lanes(chunk), b' ', b'~').to_bitmask());
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| mask(&chunks[at]));
    a | b << 16 | c << 32 | d << 48
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place of a short and a long run, against the class itself.
    fn check(run: fn(&[u8]) -> usize, class: fn(u8) -> bool, fill: &[u8]) {
        for byte in 0..=u8::MAX {
            for len in [1, 2, 15, 16, 17, 31, 32, 33, 40] {
                for at in 0..len {
                    let mut bytes: Vec<u8> = fill.iter().copied().cycle().take(len).collect();
                    bytes[at] = byte;
                    let expected = bytes.iter().take_while(|&&byte| class(byte)).count();
                    assert_eq!(
                        run(&bytes),
                        expected,
                        "{:?}",
                        bytes.escape_ascii().to_string()
                    );
                }
            }
        }
    }

    #[test]
    fn runs_end_where_their_class_does() {
        check(token, is_token_byte, b"a-Z_09!");
        check(target, is_target_byte, b"/a%;?=~&");
    }
}
