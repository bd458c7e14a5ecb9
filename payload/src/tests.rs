//! All paths that this machine has, against the standard library.

use crate::utf8::{self, Validator};
use crate::{Path, Verdict, mask};

/// Bytes on both sides of every border that UTF-8 has.
pub(crate) const BORDERS: [u8; 27] = [
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
    0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xff,
];

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0xbd];

/// More than the widest path takes at once, and then some.
const LEN_MAX: usize = 600;

/// What the standard library says.
fn expected(bytes: &[u8]) -> Verdict {
    match str::from_utf8(bytes) {
        Ok(_) => Verdict::Whole,
        Err(error) if error.error_len().is_none() => Verdict::Unfinished,
        Err(_) => Verdict::Wrong,
    }
}

/// Section 5.3, to the letter.
fn masked(bytes: &[u8], phase: usize) -> Vec<u8> {
    let masked = |(index, byte): (usize, &u8)| byte ^ MASK[(index + phase) % 4];
    bytes.iter().enumerate().map(masked).collect()
}

/// Checks that all paths unmask and judge as they should, and touch nothing else.
fn check(plain: &[u8], phase: usize) {
    let expected = expected(plain);
    // What is left open is at the end, and for the caller to look at.
    let decided = |verdict| match verdict {
        Verdict::Unfinished => self::expected(&plain[plain.len() - utf8::unfinished(plain)..]),
        verdict => verdict,
    };
    let wire = [&[0xee; 3][..], &masked(plain, phase), &[0xee; 3]].concat();
    for path in Path::all() {
        let mut bytes = wire.clone();
        let inner = 3..3 + plain.len();
        let verdict = path.unmask(&mut bytes[inner.clone()], mask::turned(MASK, phase));
        assert_eq!(decided(verdict), expected, "{path:?} {plain:x?}");
        assert_eq!(decided(path.judge(plain)), expected, "{path:?} {plain:x?}");
        assert_eq!(bytes[inner.clone()], *plain, "{path:?} {phase}");
        assert_eq!(
            (&bytes[..3], &bytes[inner.end..]),
            (&[0xee; 3][..], &[0xee; 3][..])
        );
    }
    let mut bytes = masked(plain, 0);
    let text = str::from_utf8(plain).ok();
    assert_eq!(utf8::unmask(&mut bytes, MASK), text);
    assert_eq!(bytes, plain);
    assert_eq!(utf8::text(plain), text);
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    /// `len` bytes of characters of one to four bytes, the last of which may be cut.
    fn text(&mut self, len: usize) -> Vec<u8> {
        const CHARACTERS: [&str; 10] = [
            "a",
            "\u{7f}",
            "\u{80}",
            "\u{7ff}",
            "\u{800}",
            "\u{d7ff}",
            "\u{e000}",
            "\u{ffff}",
            "\u{10000}",
            "\u{10ffff}",
        ];
        let sorts = 1 + self.below(CHARACTERS.len());
        let mut text = Vec::new();
        while text.len() < len {
            text.extend_from_slice(CHARACTERS[self.below(sorts)].as_bytes());
        }
        text.truncate(len);
        text
    }
}

#[test]
fn every_length_and_phase() {
    for character in ["a", "\u{e9}", "\u{20ac}", "\u{1f6b2}"] {
        let text = character.repeat(LEN_MAX);
        for len in 0..LEN_MAX {
            check(&text.as_bytes()[..len], len / 4 % 4);
        }
        for len in 0..200 {
            for phase in 0..8 {
                check(&text.as_bytes()[..len], phase);
            }
        }
    }
}

#[test]
fn every_border_in_a_row_of_four() {
    let mut at = 0;
    let borders = |count: usize| 0..BORDERS.len().pow(count as u32);
    for number in borders(4) {
        let digit = |place: usize| BORDERS[number / borders(place).len() % BORDERS.len()];
        // Any place between the vectors, and in the overlap of the last two.
        at = (at + 1) % 130;
        let mut text = [b'a'; 134];
        text[at..at + 4].copy_from_slice(&[0, 1, 2, 3].map(digit));
        let expected = expected(&text);
        let mask = mask::turned(MASK, at);
        for path in Path::all() {
            let mut bytes = text;
            mask::apply(&mut bytes, MASK, at);
            let verdict = path.unmask(&mut bytes, mask);
            assert_eq!(verdict, expected, "{path:?} {at} {:x?}", &text[at..at + 4]);
        }
    }
}

#[test]
fn every_place_for_what_is_wrong() {
    let pieces: [&[u8]; 22] = [
        b"\x80",
        b"\xc3",
        b"\xc3\xa9\xa9",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe2\x82",
        b"\xe2\x82\xac",
        b"\xe2\x82\xac\xac",
        b"\xe0\x9f\xbf",
        b"\xe0\xa0\x80",
        b"\xed\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x9a",
        b"\xf0\x9f\x9a\xb2",
        b"\xf0\x9f\x9a\xb2\xb2",
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
        b"\xc3\xc3\xa9",
    ];
    for len in (60..80).chain([95, 96, 97, 127, 128, 129, 130, 191, 192, 193, 256, 257, 300]) {
        for piece in pieces {
            for at in 0..=len - piece.len() {
                let mut text = vec![b'a'; len];
                text[at..at + piece.len()].copy_from_slice(piece);
                check(&text, at);
            }
        }
    }
}

#[test]
fn texts_with_a_byte_or_two_changed() {
    let mut random = Random(1);
    for round in 0..20_000 {
        let len = random.below(LEN_MAX);
        let mut text = random.text(len);
        for _ in 0..(round % 3).min(len) {
            text[random.below(len)] = match random.below(4) {
                0 => random.below(256) as u8,
                _ => BORDERS[random.below(BORDERS.len())],
            };
        }
        check(&text, random.below(4));
    }
}

/// Pieces that are unmasked and validated in one pass are taken like those that were unmasked
/// before, which are taken byte by byte in other tests.
#[test]
fn masked_pieces_are_taken_like_others() {
    let mut random = Random(2);
    for round in 0..20_000 {
        let len = random.below(LEN_MAX);
        let mut plain = random.text(len);
        if round % 2 == 0 && len > 0 {
            plain[random.below(len)] = BORDERS[random.below(BORDERS.len())];
        }
        let mut wire = masked(&plain, 0);
        let (mut one, mut other) = (Validator::default(), Validator::default());
        let mut at = 0;
        while at < len {
            let longest = [2, 5, 80, LEN_MAX][round % 4];
            let end = len.min(at + 1 + random.below(longest));
            let is_good = one.push(&plain[at..end]);
            assert_eq!(other.push_masked(&mut wire[at..end], MASK, at), is_good);
            assert_eq!(wire[at..end], plain[at..end], "whatever the verdict");
            let front = expected(&plain[..end]);
            assert_eq!(is_good, front != Verdict::Wrong, "{:x?}", &plain[..end]);
            if !is_good {
                break;
            }
            assert_eq!(one.is_complete(), front == Verdict::Whole);
            assert_eq!(other.is_complete(), front == Verdict::Whole);
            at = end;
        }
    }
}
