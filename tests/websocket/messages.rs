//! Messages from the client: every kind and length, however TCP or the client cuts them.

use keirin::Message;

use crate::support::{
    Worker, config, frames, heard, message_line, open_quietly, recorder, rest, send, start,
    start_behaviour,
};
use crate::wire::{self, BINARY, CONTINUATION, PING, Random, TEXT, frame};

/// Payload lengths on both sides of everything that depends on them: the encodings of section 5.2,
/// the words that are unmasked at once, the buffers.
const LENGTHS: [usize; 22] = [
    0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 63, 64, 124, 125, 126, 127, 1000, 65_535, 65_536, 65_537,
    600_000,
];

/// Echoes everything, and writes it down.
fn echo() -> Worker {
    start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            let line = message_line("", message);
            crate::support::hear(ws, line);
            let _ = ws.send(message);
        })
    })
}

#[test]
fn every_length_arrives_and_comes_back_as_it_was() {
    let mut random = Random(1);
    let mut sim = echo();
    let client = open_quietly(&mut sim);
    for length in LENGTHS {
        let bytes = random.bytes(length);
        // A letter has four bytes at most, and a message as many as the limit.
        let text = random.text(length.min(200_000));
        send(&mut sim, client, wire::binary(&bytes));
        send(&mut sim, client, wire::text(&text));
        let expected = [
            wire::line("binary", &bytes),
            wire::line("text", text.as_bytes()),
        ];
        assert_eq!(heard(&mut sim, 0), expected);
        assert_eq!(frames(&mut sim, client), expected);
    }
    assert_eq!(sim.buffered_bytes(), 0);
    let counts = sim.counts();
    assert_eq!(counts.messages_received, 2 * LENGTHS.len() as u64);
    assert_eq!(counts.messages_sent, counts.messages_received);
}

#[test]
fn byte_by_byte_it_is_the_same() {
    let mut random = Random(2);
    let mut sim = echo();
    let client = open_quietly(&mut sim);
    for length in LENGTHS.into_iter().filter(|&length| length <= 1000) {
        let bytes = random.bytes(length);
        for byte in wire::binary(&bytes) {
            send(&mut sim, client, [byte]);
        }
        let text = random.text(length);
        for byte in wire::text(&text) {
            send(&mut sim, client, [byte]);
        }
        let expected = [
            wire::line("binary", &bytes),
            wire::line("text", text.as_bytes()),
        ];
        assert_eq!(heard(&mut sim, 0), expected);
        assert_eq!(frames(&mut sim, client), expected);
    }
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn in_random_pieces_it_is_the_same() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let mut sim = echo();
        let client = open_quietly(&mut sim);
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            let length = LENGTHS[random.below(21)];
            if random.chance(50) {
                let bytes = random.bytes(length);
                stream.extend(wire::binary(&bytes));
                expected.push(wire::line("binary", &bytes));
            } else {
                let text = random.text(length / 2);
                stream.extend(wire::text(&text));
                expected.push(wire::line("text", text.as_bytes()));
            }
        }
        let mut received = Vec::new();
        while !stream.is_empty() {
            let most = [1, 10, 1000, 100_000][random.below(4)];
            let count = (1 + random.below(most)).min(stream.len());
            let piece: Vec<_> = stream.drain(..count).collect();
            sim.send(client, &piece);
            if random.chance(70) {
                rest(&mut sim);
            }
            received.extend(sim.received(client));
        }
        rest(&mut sim);
        received.extend(sim.received(client));
        assert_eq!(heard(&mut sim, 0), expected, "seed {seed}");
        let lines = wire::take_frames(&mut received);
        let lines: Vec<_> = lines.iter().map(wire::Received::line).collect();
        assert_eq!(lines, expected, "seed {seed}");
        assert_eq!(sim.buffered_bytes(), 0);
    }
}

#[test]
fn fragments_are_put_together_with_control_frames_between_them() {
    let stream = [
        frame(TEXT, false, b"h\xc3"),
        wire::ping(b"1"),
        frame(CONTINUATION, false, b""),
        wire::pong(b"2"),
        frame(CONTINUATION, false, b"\xa9"),
        frame(PING, true, b""),
        frame(CONTINUATION, true, b"!"),
        frame(BINARY, false, b""),
        frame(CONTINUATION, true, b""),
        frame(BINARY, false, b"a"),
        frame(CONTINUATION, true, b"b"),
    ]
    .concat();
    let told = [
        "ping 1",
        "pong 2",
        "ping",
        "text h\\xc3\\xa9!",
        "binary",
        "binary ab",
    ];
    for whole in [true, false] {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        if whole {
            send(&mut sim, client, &stream);
        } else {
            for byte in &stream {
                send(&mut sim, client, [*byte]);
            }
        }
        assert_eq!(heard(&mut sim, 0), told);
        assert_eq!(frames(&mut sim, client), ["pong 1", "pong"]);
        assert_eq!(sim.buffered_bytes(), 0);
    }
}

#[test]
fn control_frames_of_every_length_are_heard() {
    let mut random = Random(3);
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    for length in [0, 1, 2, 64, 65, 124, 125] {
        let payload = random.bytes(length);
        send(&mut sim, client, wire::ping(&payload));
        send(&mut sim, client, wire::pong(&payload));
        let (ping, pong) = (wire::line("ping", &payload), wire::line("pong", &payload));
        assert_eq!(heard(&mut sim, 0), [ping, pong.clone()]);
        assert_eq!(frames(&mut sim, client), [pong]);
    }
}

#[test]
fn text_is_handed_over_as_it_was_sent() {
    let samples = [
        "\0",
        "\u{7f}\u{80}\u{7ff}\u{800}",
        "\u{d7ff}\u{e000}\u{fffe}\u{ffff}",
        "\u{10000}\u{10ffff}",
        "\u{feff}a byte order mark stays",
        "e\u{301} is not \u{e9}",
        "line\r\nline\n",
    ];
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            if let Message::Text(text) = message {
                ws.cx().state_mut().notes.push(text.to_owned());
            }
        })
    });
    let client = open_quietly(&mut sim);
    for sample in samples {
        send(&mut sim, client, wire::text(sample));
        for end in 1..sample.len() {
            let (front, back) = sample.as_bytes().split_at(end);
            send(&mut sim, client, frame(TEXT, false, front));
            send(&mut sim, client, frame(CONTINUATION, true, back));
        }
        let notes = crate::support::notes(&mut sim);
        assert_eq!(notes.len(), sample.len());
        assert!(notes.iter().all(|note| note == sample));
    }
}

#[test]
fn a_message_may_have_as_many_bytes_as_the_limit() {
    for limit in [1, 125, 126, 1000, 65_535, 65_536, 200_000] {
        let payload = vec![b'x'; limit + 1];
        let half = limit / 2;
        for fragmented in [false, true] {
            let settings = || config().message_bytes_max(limit);
            let message = |length: usize| match fragmented {
                false => wire::binary(&payload[..length]),
                true => {
                    let first = frame(BINARY, false, &payload[..half]);
                    [first, frame(CONTINUATION, true, &payload[half..length])].concat()
                }
            };
            let mut sim = start(settings());
            let client = open_quietly(&mut sim);
            for length in [limit - 1, limit]
                .into_iter()
                .filter(|&length| length >= half)
            {
                send(&mut sim, client, message(length));
                let expected = wire::line("binary", &payload[..length]);
                assert_eq!(heard(&mut sim, 0), [expected]);
            }
            assert_eq!(frames(&mut sim, client), [""; 0]);

            send(&mut sim, client, message(limit + 1));
            let told = heard(&mut sim, 0);
            assert_eq!(
                told,
                ["closed Protocol(MessageTooBig) 1009 message over the limit"]
            );
            assert!(frames(&mut sim, client)[0].starts_with("close 1009"));
            assert_eq!(sim.counts().messages_received, 2);
        }
    }
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header_alone() {
    let mut sim = start(config().message_bytes_max(1000));
    let client = open_quietly(&mut sim);
    let mut header = vec![0x82, 0xff];
    header.extend((u64::MAX >> 1).to_be_bytes());
    header.extend([1, 2, 3, 4]);
    send(&mut sim, client, &header);
    assert!(heard(&mut sim, 0)[0].starts_with("closed Protocol(MessageTooBig) 1009"));
    assert!(frames(&mut sim, client)[0].starts_with("close 1009"));
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn the_limit_is_not_over_several_messages() {
    let mut sim = start(config().message_bytes_max(10));
    let client = open_quietly(&mut sim);
    for _ in 0..100 {
        send(&mut sim, client, frame(BINARY, false, b"12345"));
        send(&mut sim, client, wire::ping(&[b'p'; 125]));
        send(&mut sim, client, frame(CONTINUATION, true, b"67890"));
    }
    assert_eq!(sim.counts().messages_received, 100);
    assert!(!sim.is_closed(client));
}

/// A message may cost the larger of twice its limit and 64 KiB, at 64 bytes for each fragment.
#[test]
fn fragments_cost_something_even_when_they_are_empty() {
    let cases: [(usize, &[u8], usize, bool); 6] = [
        // The limit of bytes, what is in each fragment, how many there are, whether it is too much.
        (1000, b"", 500, false),
        (1000, b"", 2000, true),
        (1000, b"x", 1000, false),
        (4000, b"x", 2000, true),
        (1 << 20, b"", 16_000, false),
        (1 << 20, b"", 66_000, true),
    ];
    for (limit, payload, count, refused) in cases {
        let mut sim = start(config().message_bytes_max(limit));
        let client = open_quietly(&mut sim);
        let mut stream = frame(BINARY, false, b"");
        for _ in 0..count {
            stream.extend(frame(CONTINUATION, false, payload));
        }
        stream.extend(frame(CONTINUATION, true, b""));
        send(&mut sim, client, &stream);
        let told = heard(&mut sim, 0);
        assert_eq!(told.len(), 1, "{limit} {count}");
        if refused {
            assert!(
                told[0].starts_with("closed Protocol(MessageTooCostly) 1008"),
                "{told:?}"
            );
            assert!(frames(&mut sim, client)[0].starts_with("close 1008"));
        } else {
            assert_eq!(told, [wire::line("binary", &payload.repeat(count))]);
        }
        assert_eq!(sim.buffered_bytes(), 0);
    }
}

#[test]
fn each_side_of_the_limit_of_cost_is_one_fragment_away() {
    // How many empty fragments behind the first one are let through, found by trying.
    let accepted = |extra: usize| {
        let mut sim = start(config().message_bytes_max(100));
        let client = open_quietly(&mut sim);
        let mut stream = frame(BINARY, false, b"");
        for _ in 1..extra {
            stream.extend(frame(CONTINUATION, false, b""));
        }
        stream.extend(frame(CONTINUATION, true, b""));
        send(&mut sim, client, &stream);
        heard(&mut sim, 0) == ["binary"]
    };
    // 64 KiB at 64 bytes for every fragment beyond the first.
    assert!(accepted(1023));
    assert!(accepted(1024));
    assert!(!accepted(1025));
    assert!(!accepted(1026));
}

#[test]
fn the_memory_of_a_message_that_is_not_whole_is_counted() {
    // `Sim::buffered_bytes` is what the other tests trust to find memory that is not given back.
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let payload = vec![b'x'; 500_000];
    let message = wire::binary(&payload);
    send(&mut sim, client, &message[..400_000]);
    let buffered = sim.buffered_bytes();
    assert!((390_000..=1_000_000).contains(&buffered), "{buffered}");
    send(&mut sim, client, &message[400_000..]);
    assert_eq!(heard(&mut sim, 0), [wire::line("binary", &payload)]);
    assert_eq!(sim.buffered_bytes(), 0);
}
