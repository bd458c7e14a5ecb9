//! How far a class of characters goes, sixteen bytes at a time.

use wide::i8x16;

use super::token::{is_field_byte, is_target_byte, is_token_byte};

/// Marks bytes in a range. The comparison is signed: bytes from 0x80 on are below every bound.
#[inline]
fn between(lanes: i8x16, low: u8, high: u8) -> i8x16 {
    lanes.simd_gt(i8x16::splat(low as i8 - 1)) & lanes.simd_lt(i8x16::splat(high as i8 + 1))
}

/// Marks letters and digits.
#[inline]
fn alphanumeric(lanes: i8x16) -> i8x16 {
    between(lanes | i8x16::splat(0x20), b'a', b'z') | between(lanes, b'0', b'9')
}

/// How many bytes at the front may stand in a token: RFC 9110 section 5.6.2.
#[inline]
pub(super) fn token(bytes: &[u8]) -> usize {
    let usual = |lanes| alphanumeric(lanes) | between(lanes, b'-', b'-');
    run(bytes, usual, is_token_byte)
}

/// How many bytes at the front may stand in a request target.
#[inline]
pub(super) fn target(bytes: &[u8]) -> usize {
    let usual = |lanes| between(lanes, b'$', b';') | between(lanes, b'?', b'~');
    run(bytes, usual, is_target_byte)
}

/// How many bytes at the front may stand in a field value: RFC 9110 section 5.5.
#[inline]
pub(super) fn field(bytes: &[u8]) -> usize {
    run(bytes, |lanes| between(lanes, b' ', b'~'), is_field_byte)
}

/// How many bytes at the front are of a class. `usual` marks the lanes that are, and may leave out
/// some; those are looked at one by one.
#[inline]
fn run(bytes: &[u8], usual: impl Fn(i8x16) -> i8x16, class: impl Fn(u8) -> bool) -> usize {
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk::<16>() {
        let lanes = i8x16::new(block.map(|byte| byte as i8));
        let marked = (!usual(lanes).to_bitmask()).trailing_zeros() as usize;
        at += marked;
        if marked < block.len() {
            if !class(bytes[at]) {
                return at;
            }
            at += 1;
        }
    }
    at + bytes[at..]
        .iter()
        .position(|&byte| !class(byte))
        .unwrap_or(bytes.len() - at)
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
        check(field, is_field_byte, b"a \t\xff~,");
    }
}
