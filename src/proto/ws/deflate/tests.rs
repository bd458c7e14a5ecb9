//! Round trips, with another inflater as the witness; the limits; what is malformed.

use miniz_oxide::inflate::stream::{InflateState, inflate as miniz};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use super::*;
use crate::testing::sample::{LENGTHS, Random, json};

/// What another implementation makes of the messages of one socket.
struct Witness(Box<InflateState>);

impl Witness {
    fn new() -> Self {
        Self(InflateState::new_boxed(DataFormat::Raw))
    }

    fn inflate(&mut self, compressed: &[u8], len: usize) -> Vec<u8> {
        let input = [compressed, &[0, 0, 0xff, 0xff]].concat();
        let mut out = vec![0; len + 1];
        let (mut read, mut written) = (0, 0);
        while read < input.len() {
            let to = &mut out[written..];
            let result = miniz(&mut self.0, &input[read..], to, MZFlush::None);
            assert_eq!(result.status, Ok(MZStatus::Ok));
            read += result.bytes_consumed;
            written += result.bytes_written;
        }
        out.truncate(written);
        out
    }
}

fn compress(payload: &[u8]) -> Vec<u8> {
    let mut small = Vec::new();
    assert!(Compression::new(6).deflate_shared(15, payload, &mut small));
    small
}

fn inflate(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = b"before".to_vec();
    let result = Compression::new(6).inflate_shared(compressed, &mut out, bytes_max);
    assert!(out.starts_with(b"before"));
    result.map(|()| out.split_off(6))
}

/// A mixture of texts, repetitions and noise.
fn any_message(random: &mut Random) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..random.below(6) {
        let len = 1 + random.below(700);
        match random.below(4) {
            0 => message.extend(json(random.next(), len.max(64))),
            1 => message.extend(random.bytes(len)),
            2 => message.extend(vec![random.below(256) as u8; len]),
            _ if message.is_empty() => message.push(b'x'),
            _ => {
                let from = random.below(message.len());
                let to = (from + len).min(message.len());
                message.extend_from_within(from..to);
            }
        }
    }
    message
}

#[test]
fn samples_come_back_at_every_level() {
    for level in 1..=9 {
        let mut compression = Compression::new(level);
        for len in LENGTHS {
            let message = json(len as u64, len);
            let mut small = b"before".to_vec();
            assert!(compression.deflate_shared(15, &message, &mut small));
            let small = small.strip_prefix(b"before").expect("what was there stays");
            assert!(small.len() < len / 2 + 50, "{level} {len}: {}", small.len());
            assert!(Witness::new().inflate(small, len) == message);
            assert!(inflate(small, len).as_ref() == Ok(&message));
        }
    }
}

/// Beside another compressor at its level 6.
#[test]
fn messages_come_out_small() {
    for len in LENGTHS {
        let (mut ours, mut others) = (0, 0);
        for seed in 0..(60_000 / len).max(1) {
            let message = json(seed as u64, len);
            ours += compress(&message).len();
            others += miniz_oxide::deflate::compress_to_vec(&message, 6).len();
        }
        let most = if len < 2000 { 103 } else { 105 };
        assert!(ours * 100 <= others * most, "{len}: {ours}, {others}");
    }
}

#[test]
fn no_message_remembers_another_one() {
    let mut compression = Compression::new(6);
    for seed in 0..200 {
        // Repetitions of earlier messages would be found, were it not for the base of the finder.
        let message = json(seed % 7, 300 + 40 * (seed as usize % 50));
        let (mut small, mut alone) = (Vec::new(), Vec::new());
        assert!(compression.deflate_shared(15, &message, &mut small));
        assert!(Compression::new(6).deflate_shared(15, &message, &mut alone));
        assert!(small == alone, "{seed}");
        assert!(Witness::new().inflate(&small, message.len()) == message);
    }
}

#[test]
fn level_0_and_level_10() {
    let message = json(1, 1024);
    let mut out = Vec::new();
    assert!(!Compression::new(0).deflate_shared(15, &message, &mut out));
    assert!(!Compression::new(0).deflate(&mut Deflater::new(15), &message, &mut out));
    assert!(out.is_empty());
    assert!(Compression::new(10).deflate_shared(15, &message, &mut out));
}

#[test]
fn a_thousand_messages_share_a_history_of_every_size() {
    for window_bits in 8..=15 {
        let mut random = Random::new(window_bits.into());
        let mut compression = Compression::new(1 + window_bits % 6);
        let mut deflater = Deflater::new(window_bits);
        let mut inflater = Inflater::new(window_bits);
        let mut witness = Witness::new();
        let (mut plain, mut small, mut back) = (0, Vec::new(), Vec::new());
        for index in 0..1000 {
            let message = if index % 3 == 0 {
                any_message(&mut random)
            } else {
                let len = 64 + random.below(1500);
                json(random.next(), len)
            };
            small.clear();
            back.clear();
            if !compression.deflate(&mut deflater, &message, &mut small) {
                assert!(small.is_empty());
                plain += 1;
                continue;
            }
            assert!(small.len() < message.len());
            let result = compression.inflate(&mut inflater, &small, &mut back, message.len());
            assert_eq!(result, Ok(()), "{window_bits} {index}");
            assert!(back == message);
            assert!(witness.inflate(&small, message.len()) == message);
            assert!(inflater.bytes.len() <= inflater.window);
            assert!(deflater.sent.len() <= 2 << window_bits);
        }
        assert!(plain < 200, "{plain} were not compressed");
    }
}

#[test]
fn a_history_pays() {
    let mut compression = Compression::new(6);
    let mut deflater = Deflater::new(15);
    let mut sizes = Vec::new();
    for seed in 1..10 {
        let mut small = Vec::new();
        assert!(compression.deflate(&mut deflater, &json(seed, 1024), &mut small));
        sizes.push(small.len());
    }
    assert!(sizes[8] * 3 < sizes[0] * 2, "{sizes:?}");
}

/// What is published to many is compressed without a history and sent between what a socket's own
/// compressor has sent: the peer's window then holds other bytes than the compressor thinks.
#[test]
fn frames_for_many_between_those_of_a_socket() {
    for (forgets, window_bits) in [(true, 9), (true, 12), (true, 15), (false, 12)] {
        let mut compression = Compression::new(6);
        let mut deflater = Deflater::new(window_bits);
        let mut inflater = Inflater::new(window_bits);
        let mut witness = Witness::new();
        let mut wrong = 0;
        for index in 0..300 {
            let message = json(index, 500 + index as usize);
            let mut small = Vec::new();
            if index % 3 == 2 {
                assert!(compression.deflate_shared(window_bits, &message, &mut small));
                if forgets {
                    deflater.reset();
                }
            } else {
                assert!(compression.deflate(&mut deflater, &message, &mut small));
            }
            let mut back = Vec::new();
            let result = compression.inflate(&mut inflater, &small, &mut back, message.len());
            wrong += usize::from(result.is_err() || back != message);
            if forgets {
                assert!(witness.inflate(&small, message.len()) == message);
            }
        }
        assert_eq!(wrong == 0, forgets, "{wrong} wrong with {window_bits} bits");
    }
}

#[test]
fn no_message_refers_back_beyond_the_window() {
    for window_bits in 8..=14 {
        let window = 1 << window_bits;
        for (distance, found) in [(window, true), (window + 1, false)] {
            let noise = Random::new(7).bytes(distance);
            // A text in front makes the whole compress, so that there is something to look at.
            let message = [&[b' '; 900][..], &noise, &noise].concat();
            let least = if found { distance } else { 2 * distance };
            let mut compression = Compression::new(9);
            let mut shared = Vec::new();
            assert!(compression.deflate_shared(window_bits, &message, &mut shared));
            let mut dedicated = Vec::new();
            let mut deflater = Deflater::new(window_bits);
            assert!(compression.deflate(&mut deflater, &message, &mut dedicated));
            for small in [shared, dedicated] {
                let len = small.len();
                assert!(
                    (least..least + 200 + distance / 4).contains(&len),
                    "{len} {window_bits}"
                );
                assert!(inflate(&small, message.len()).as_ref() == Ok(&message));
            }
        }
    }
}

/// Literals are copied and written several at a time, and described in other ways in messages of
/// other lengths.
#[test]
fn any_number_of_literals_between_repetitions() {
    let mut random = Random::new(9);
    let mut compression = Compression::new(6);
    for len in [100, 511, 512, 513, 1024, 2046, 2047, 2048, 2049, 2050, 6000] {
        for run in (0..20).chain([31, 64, 300]) {
            let mut message = b"what is repeated ".to_vec();
            while message.len() < len {
                let mut literals = random.bytes(run);
                literals
                    .iter_mut()
                    .for_each(|byte| *byte = b'a' + *byte % 24);
                message.extend_from_slice(&literals);
                message.extend_from_slice(b"what is repeated ");
            }
            message.truncate(len);
            let mut small = Vec::new();
            assert!(compression.deflate_shared(15, &message, &mut small));
            assert!(
                Witness::new().inflate(&small, len) == message,
                "{len} {run}"
            );
            assert!(inflate(&small, len).as_ref() == Ok(&message), "{len} {run}");
        }
    }
}

#[test]
fn what_does_not_shrink_is_left_alone() {
    let mut random = Random::new(3);
    let mut compression = Compression::new(6);
    let mut deflater = Deflater::new(10);
    for len in (0..400).chain([5000, 70_000]) {
        let noise = random.bytes(len);
        let mut out = b"before".to_vec();
        assert!(!compression.deflate_shared(15, &noise, &mut out));
        assert!(!compression.deflate(&mut deflater, &noise, &mut out));
        assert_eq!(out, b"before");
        // The peer gets it plain, so that the next message must not refer to it.
        let doubled = noise.repeat(2);
        if compression.deflate(&mut deflater, &doubled, &mut out) {
            assert!(inflate(&out[6..], doubled.len()).as_ref() == Ok(&doubled));
            deflater.reset();
        }
    }
}

/// RFC 7692 section 7.2.3.
#[test]
fn the_examples_of_the_rfc() {
    let hello: [&[u8]; 4] = [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
    ];
    for compressed in hello {
        assert_eq!(inflate(compressed, 5).as_deref(), Ok(&b"Hello"[..]));
        assert_eq!(inflate(compressed, 4), Err(InflateError::TooBig));
    }
    let mut compression = Compression::new(6);
    let mut inflater = Inflater::new(15);
    for compressed in [
        hello[0],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        hello[2],
        hello[0],
    ] {
        let mut out = Vec::new();
        let result = compression.inflate(&mut inflater, compressed, &mut out, 5);
        assert_eq!((result, &out[..]), (Ok(()), &b"Hello"[..]));
    }
}

#[test]
fn an_empty_message() {
    assert_eq!(inflate(&[0x00], 0).as_deref(), Ok(&b""[..]));
    assert_eq!(inflate(&[], 0).as_deref(), Ok(&b""[..]));
    assert!(!Compression::new(6).deflate_shared(15, b"", &mut Vec::new()));
}

#[test]
fn what_is_malformed() {
    let corrupt: [&[u8]; 8] = [
        // A type of block that does not exist.
        &[0x06],
        // A length that its complement does not match.
        &[
            0x00, 0x05, 0x00, 0xfb, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ],
        // Shorter than its stored block says.
        &[0x00, 0x50, 0x00, 0xaf, 0xff, 0x48],
        // A reference to before the beginning.
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        // Symbol 286 of the fixed code.
        &[0x1a, 0x03],
        // 287 literal symbols.
        &[0xf4, 0xff, 0xff, 0xff, 0xff],
        // Code lengths that no code can have, too many and too few.
        &[0x04, 0x00, 0x92, 0x24, 0x49, 0x92, 0x24],
        &[0x04, 0x00, 0x02, 0x00, 0x00, 0x00],
    ];
    for compressed in corrupt {
        let result = inflate(compressed, 1000);
        assert_eq!(result, Err(InflateError::Corrupt), "{compressed:02x?}");
    }
}

/// Whatever the cut goes through: the description of a code, a symbol, the bits behind it.
#[test]
fn a_message_cut_at_any_byte_is_what_others_take_it_for() {
    let mut messages: Vec<Vec<u8>> = (0..40)
        .map(|seed| json(seed, 200 + 64 * seed as usize))
        .collect();
    messages.push(json(1, 20_000));
    messages.push(vec![b'a'; 600]);
    messages.push(b"abababab".repeat(8));
    let mut ended = 0;
    for message in messages {
        let small = compress(&message);
        for end in 0..=small.len() {
            // The tail may complete what was cut.
            if let Ok(part) = inflate(&small[..end], message.len()) {
                let input = [&small[..end], &[0, 0, 0xff, 0xff]].concat();
                let mut out = vec![0; message.len() + 600];
                let mut state = InflateState::new_boxed(DataFormat::Raw);
                let result = miniz(&mut state, &input, &mut out, MZFlush::None);
                assert!(out[..result.bytes_written].starts_with(&part));
                ended += 1;
            }
        }
    }
    assert!(ended > 100, "{ended} cuts were at the end of a block");
}

/// Copies are made in steps that go beyond what was asked for.
#[test]
fn repetitions_of_every_length_stop_at_the_limit() {
    let noise = Random::new(9).bytes(80);
    let mut compression = Compression::new(9);
    let (mut small, mut back) = (Vec::new(), Vec::new());
    for distance in (1..36).chain([47, 48, 49, 63, 64, 65]) {
        for length in (3..70).chain([128, 257, 258, 259, 300]) {
            let repeated = noise[..distance].iter().cycle().take(distance + length);
            let mut message = vec![b' '; 200];
            message.extend(repeated);
            for tail in [0, 5] {
                message.extend(&noise[80 - tail..]);
                small.clear();
                assert!(compression.deflate_shared(15, &message, &mut small));
                back.clear();
                let result = compression.inflate_shared(&small, &mut back, message.len());
                assert_eq!(result, Ok(()), "{distance} {length}");
                assert!(back == message, "{distance} {length}");
                assert!(Witness::new().inflate(&small, message.len()) == message);
                let less = message.len() - 1;
                assert_eq!(inflate(&small, less), Err(InflateError::TooBig));
            }
        }
    }
}

/// A repetition that begins in what is remembered and ends in the message, wherever the room for
/// the message ends.
#[test]
fn what_is_recalled_may_end_anywhere_in_the_room() {
    let mut compression = Compression::new(6);
    let mut random = Random::new(12);
    let before = random.bytes(300);
    let stored = |bytes: &[u8]| {
        let len = bytes.len() as u16;
        [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), bytes].concat()
    };
    for len in 1700..1800 {
        let message = random.bytes(len);
        for back in 1..=257 {
            // A fixed block with a repetition of 258 bytes, whose distance is of the symbols 21 and
            // 22: the first bits lowest.
            let distance = len + back;
            let symbol = if distance <= 2048 { 21_u64 } else { 22 };
            let least = if distance <= 2048 { 1537 } else { 2049 };
            let extra_bits = symbol / 2 - 1;
            let mut bits = 0b010_u64;
            bits |= u64::from(0b1100_0101_u8.reverse_bits()) << 3;
            bits |= (symbol.reverse_bits() >> 59) << 11;
            bits |= (distance as u64 - least) << 16;
            let end = 16 + extra_bits as usize + 7;
            let block = &bits.to_le_bytes()[..(end + 3).div_ceil(8)];
            let mut inflater = Inflater::new(15);
            let mut out = Vec::new();
            let first = [&stored(&before)[..], &[0]].concat();
            let result = compression.inflate(&mut inflater, &first, &mut out, 300);
            assert_eq!(result, Ok(()));
            out.clear();
            let second = [&stored(&message)[..], block].concat();
            let result = compression.inflate(&mut inflater, &second, &mut out, 1 << 20);
            assert_eq!(result, Ok(()), "{len} {back}");
            let both = [&before[..], &message].concat();
            let from = both.len() - distance;
            let repeated = (0..258).map(|at| both[from + at % distance]);
            assert!(out.len() == len + 258 && out[len..].iter().copied().eq(repeated));
        }
    }
}

/// The same where the limit ends it.
#[test]
fn what_is_recalled_stops_at_the_limit() {
    for bytes_max in 0..300 {
        let mut compression = Compression::new(6);
        let (mut inflater, mut out) = (Inflater::new(15), Vec::new());
        let first = [&[0, 44, 1, 211, 254][..], &[7; 300], &[0]].concat();
        let result = compression.inflate(&mut inflater, &first, &mut out, 300);
        assert_eq!(result, Ok(()));
        // A length of 258 at a distance of 257, in a fixed block.
        out.clear();
        let second = [0x1a, 0x0d, 0, 0, 0];
        let result = compression.inflate(&mut inflater, &second, &mut out, bytes_max);
        let expected = if bytes_max < 258 {
            Err(InflateError::TooBig)
        } else {
            Ok(())
        };
        assert_eq!(result, expected, "{bytes_max}");
    }
}

#[test]
fn what_is_damaged_ends() {
    let mut random = Random::new(11);
    let message = json(5, 3000);
    let small = compress(&message);
    for _ in 0..3000 {
        let mut damaged = small.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(damaged.len());
            damaged[at] ^= 1 << random.below(8);
        }
        let mut out = Vec::new();
        let result = Compression::new(6).inflate_shared(&damaged, &mut out, 5000);
        assert!(result != Ok(()) || out.len() <= 5000);
        assert!(out.len() < 5300);
    }
}

#[test]
fn a_limit_is_exact_for_all_kinds_of_blocks() {
    let mut random = Random::new(2);
    for len in [1, 2, 300, 4095, 4096, 4097, 70_000] {
        let message = vec![b'a'; len];
        let mut stored = vec![0x00];
        stored.extend((len as u16).to_le_bytes());
        stored.extend((!(len as u16)).to_le_bytes());
        stored.extend(&message);
        stored.push(0x00);
        let mut forms = Vec::new();
        if len <= usize::from(u16::MAX) {
            forms.push((stored, message.clone()));
        }
        if len > 10 {
            forms.push((compress(&message), message));
        }
        let text = json(random.next(), len.max(64));
        let mut small = Vec::new();
        if Compression::new(3).deflate_shared(15, &text, &mut small) {
            forms.push((small, text));
        }
        for (compressed, message) in forms {
            let len = message.len();
            assert!(inflate(&compressed, len).as_ref() == Ok(&message));
            assert!(inflate(&compressed, usize::MAX).as_ref() == Ok(&message));
            assert_eq!(inflate(&compressed, len - 1), Err(InflateError::TooBig));
        }
    }
}

#[test]
fn what_another_compressor_makes_is_read() {
    for level in 0..=10 {
        for len in [64, 1024, 45_000] {
            let message = json(level.into(), len);
            let mut compressed = miniz_oxide::deflate::compress_to_vec(&message, level);
            // It ends its stream; the next one starts with a whole byte.
            compressed.push(0x00);
            assert!(
                inflate(&compressed, len).as_ref() == Ok(&message),
                "{level} {len}"
            );
        }
    }
}
