//! Streams that something happened to, against the slow decoder.

use keirin::proto::ws::{MessageLimits, Role};

use crate::drive::{LARGE, Setting};
use crate::random::Random;
use crate::reference::{decode, frame};

/// Limits that short streams run into.
const SMALL: MessageLimits = MessageLimits {
    message_bytes_max: 200,
    message_cost_max: 400,
};

const ROUNDS: usize = 10_000;

/// First bytes: of messages, pieces of messages, control frames, compressed messages.
const FIRST: [u8; 10] = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0x42];

/// Frames that would mostly be fine by themselves, in an order that is mostly not.
fn any_frames(random: &mut Random, setting: &Setting) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut continues = false;
    for _ in 0..1 + random.below(8) {
        let mut first = FIRST[random.below(FIRST.len())];
        if !random.one_in(20) {
            // Put it right most of the time, so that something follows.
            first &= if setting.compression_agreed {
                0xcf
            } else {
                0x8f
            };
            let data = first % 16 < 8;
            first = match (data, continues) {
                (true, true) => first & 0x80,
                (true, false) if first & 0x0f == 0 => first | 1,
                _ => first,
            };
            continues = if data { first < 0x80 } else { continues };
        }
        let longest = if random.one_in(6) { 130 } else { 12 };
        let len = random.below(longest);
        let payload = if random.one_in(2) {
            random.text(len).into_bytes()
        } else {
            random.bytes(len)
        };
        let masked = (setting.role == Role::Server) != random.one_in(100);
        stream.extend(frame(first, masked.then(|| random.mask()), &payload));
    }
    if random.one_in(3) {
        let reason = random.text(5).into_bytes();
        let code = [1000, 1001, 1005, 1014, 1015, 2999, 3000, 5000][random.below(8)];
        let payload = [&u16::to_be_bytes(code)[..], &reason].concat();
        let masked = (setting.role == Role::Server).then(|| random.mask());
        stream.extend(frame(0x88, masked, &payload));
    }
    stream
}

/// One or two bytes changed, removed, doubled, or the rest cut off.
fn mutate(random: &mut Random, stream: &mut Vec<u8>) {
    for _ in 0..1 + random.below(2) {
        if stream.is_empty() {
            return;
        }
        let at = random.below(stream.len());
        match random.below(5) {
            0 => stream[at] ^= 1 << random.below(8),
            1 => stream[at] = random.below(256) as u8,
            2 => drop(stream.remove(at)),
            3 => stream.insert(at, stream[at]),
            _ => stream.truncate(at),
        }
    }
}

#[test]
fn nothing_passes_that_the_rfc_refuses_and_nothing_else_is_refused() {
    let mut random = Random::new(6455);
    let (mut clean, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let setting = Setting {
            role: [Role::Server, Role::Client][random.below(2)],
            compression_agreed: random.one_in(2),
            limits: [SMALL, LARGE][random.below(2)],
        };
        let mut stream = any_frames(&mut random, &setting);
        if random.one_in(2) {
            mutate(&mut random, &mut stream);
        }
        let expected = decode(&stream, &setting);
        let outcome = setting.read_all_ways(&stream);
        assert_eq!(outcome, expected, "round {round}: {stream:x?}, {setting:?}");
        match outcome {
            (_, Some(_)) => refused += 1,
            (events, None) if !events.is_empty() => clean += 1,
            _ => {}
        }
    }
    // Both kinds have to be there in numbers, or this shows nothing.
    assert!(
        clean > ROUNDS / 5 && refused > ROUNDS / 5,
        "{clean}, {refused}"
    );
}
