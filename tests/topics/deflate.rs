//! Compressed messages, in both directions.

use keirin::{
    Compressor, Decompressor, DeflateConfig, Message, PreparedMessage, Publication, Sent,
    WebSocketConfig,
};

use crate::frames::{self, BINARY, TEXT};
use crate::random::Random;
use crate::talk::{Line, Talk, deflate, noise, prose};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn shared() -> WebSocketConfig {
    deflate(DeflateConfig::default())
}

fn dedicated(window_bits: u8) -> WebSocketConfig {
    deflate(DeflateConfig {
        compressor: Compressor::Dedicated { window_bits },
        decompressor: Decompressor::Dedicated { window_bits },
        ..DeflateConfig::default()
    })
}

#[test]
fn messages_of_all_sizes_come_back() {
    for config in [shared(), dedicated(15)] {
        let mut talk = Talk::new(config);
        let mut line = talk.offer(OFFER);
        for len in [
            0, 1, 63, 64, 65, 125, 126, 1000, 32_768, 32_769, 65_536, 500_000,
        ] {
            for (opcode, message) in [
                (TEXT, prose(len, 1).into_bytes()),
                (BINARY, noise(len, len as u64)),
            ] {
                let frame = talk.echo(&mut line, opcode, &message);
                assert_eq!(frame.opcode, opcode);
                assert!(frame.payload.len() <= len, "{len}: never larger than plain");
                assert!(line.open(&frame) == message, "{len}");
                assert_eq!(talk.heard(), [(opcode == TEXT, message)]);
            }
        }
    }
}

#[test]
fn a_dedicated_state_remembers_and_a_shared_one_does_not() {
    let message = prose(1000, 3);
    for (config, remembers) in [(shared(), false), (dedicated(15), true)] {
        let mut talk = Talk::new(config);
        let mut line = talk.offer(OFFER);
        let [first, second] = [(); 2].map(|()| {
            let frame = talk.echo(&mut line, TEXT, message.as_bytes());
            assert!(frame.rsv1);
            assert_eq!(line.open(&frame), message.as_bytes());
            frame.payload.len()
        });
        assert_eq!(second * 4 < first, remembers, "{first}, then {second}");
    }
}

#[test]
fn the_threshold_holds_on_both_sides() {
    for threshold_bytes in [0, 64, 300] {
        let config = DeflateConfig {
            threshold_bytes,
            ..DeflateConfig::default()
        };
        let mut talk = Talk::new(deflate(config));
        let mut line = talk.offer(OFFER);
        let long = "a".repeat(threshold_bytes.max(20));
        let frame = talk.echo(&mut line, TEXT, long.as_bytes());
        assert!(frame.rsv1, "{threshold_bytes}");
        assert_eq!(line.open(&frame), long.as_bytes());
        if threshold_bytes > 0 {
            let short = &long[..threshold_bytes - 1];
            let frame = talk.echo(&mut line, TEXT, short.as_bytes());
            assert_eq!((frame.rsv1, &frame.payload[..]), (false, short.as_bytes()));
            // A published one is no different.
            for (text, compressed) in [(short, false), (&long, true)] {
                talk.sim
                    .with_cx(|cx| cx.publish("t", Message::Text(text)).unwrap());
                assert_eq!(talk.frame(&mut line).rsv1, compressed);
            }
        }
    }
}

#[test]
fn what_is_not_to_be_compressed_is_not_and_the_next_one_still_opens() {
    for config in [shared(), dedicated(15), dedicated(9)] {
        let mut talk = Talk::new(config);
        let mut line = talk.offer(OFFER);
        let message = prose(400, 5);
        for _ in 0..3 {
            let frame = talk.echo(&mut line, TEXT, message.as_bytes());
            assert_eq!(line.open(&frame), message.as_bytes());
            let noise = noise(400, 7);
            let frame = talk.echo(&mut line, BINARY, &noise);
            assert!(line.open(&frame) == noise);
            talk.sim.with_cx(|cx| {
                let id = cx.state().ids[0];
                let _ = cx
                    .socket(id)
                    .unwrap()
                    .send_uncompressed(Message::Text(&message));
                let publication = Publication {
                    topic: "t",
                    payload: message.as_bytes(),
                    text: true,
                    compress: false,
                };
                cx.publish_as(&publication).unwrap();
            });
            for frame in talk.frames(&mut line) {
                assert_eq!(
                    (frame.rsv1, frame.payload),
                    (false, message.clone().into_bytes())
                );
            }
        }
    }
}

#[test]
fn what_is_published_goes_between_the_messages_of_a_dedicated_state() {
    for config in [dedicated(15), dedicated(10), shared()] {
        let mut talk = Talk::new(config);
        let offers = [
            OFFER,
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate",
            "",
        ];
        let mut lines: Vec<_> = offers
            .iter()
            .map(|offer| match *offer {
                "" => talk.connect(""),
                offer => talk.offer(offer),
            })
            .collect();
        let mut expected = vec![Vec::new(); lines.len()];
        let mut random = Random::new(11);
        for n in 0..400 {
            let message = prose(50 + random.below(900), n / 5).into_bytes();
            let text = str::from_utf8(&message).unwrap();
            let to = random.below(lines.len() + 2);
            talk.sim.with_cx(|cx| {
                let id = cx.state().ids[to % lines.len()];
                let prepared = PreparedMessage::new(Message::Text(text));
                let how = random.below(6);
                if to >= offers.len() {
                    cx.publish("t", Message::Text(text)).unwrap();
                    return;
                }
                let mut socket = cx.socket(id).unwrap();
                let sent = match how {
                    0 => socket.send_uncompressed(Message::Text(text)),
                    1 => socket.send_prepared(&prepared),
                    _ => socket.send_text(text),
                };
                assert_eq!(sent, Sent::Sent);
            });
            for (number, expected) in expected.iter_mut().enumerate() {
                if to >= lines.len() || to == number {
                    expected.push(message.clone());
                }
            }
            if random.one_in(5) {
                talk.settle();
            }
        }
        for (line, expected) in lines.iter_mut().zip(expected) {
            let got: Vec<_> = talk
                .frames(line)
                .iter()
                .map(|frame| line.open(frame))
                .collect();
            assert!(got == expected, "{}", line.head);
        }
    }
}

#[test]
fn all_subscribers_of_a_class_get_the_same_frame() {
    let mut talk = Talk::new(shared());
    let mut lines: Vec<Line> = (0..4).map(|_| talk.offer(OFFER)).collect();
    lines.push(talk.connect(""));
    let message = prose(3000, 9);
    talk.sim
        .with_cx(|cx| cx.publish("t", Message::Text(&message)).unwrap());
    let frames: Vec<_> = lines.iter_mut().map(|line| talk.frame(line)).collect();
    for (line, frame) in lines.iter_mut().zip(&frames).take(4) {
        assert!(frame.rsv1 && *frame == frames[0]);
        assert_eq!(line.open(frame), message.as_bytes());
    }
    assert_eq!(
        (frames[4].rsv1, &frames[4].payload[..]),
        (false, message.as_bytes())
    );
}

#[test]
fn fragments_of_a_compressed_message_are_one_message() {
    for config in [shared(), dedicated(15)] {
        let mut talk = Talk::new(config);
        let mut line = talk.offer(OFFER);
        for pieces in 1..8 {
            let message = prose(700, pieces as u64);
            let payload = line.deflater.message(message.as_bytes());
            let len = payload.len().div_ceil(pieces);
            let mut bytes = Vec::new();
            for (n, piece) in payload.chunks(len).enumerate() {
                // RSV1 stands on the first (RFC 7692 section 6).
                let first = if n == 0 { 0x41 } else { 0 };
                bytes.extend(frames::client(first, piece));
                bytes.extend(frames::client(0x89, b"ping"));
            }
            bytes.extend(frames::client(0x80, b""));
            talk.raw(&line, &bytes);
            let mut frames = talk.frames(&mut line);
            let echo = frames.pop().unwrap();
            assert!(frames.iter().all(|frame| frame.opcode == 10), "pongs");
            assert_eq!(line.open(&echo), message.as_bytes());
        }
        // A plain message in between changes nothing.
        talk.raw(&line, &frames::client(0x81, b"plain"));
        assert_eq!(talk.frame(&mut line).payload, b"plain");
        let frame = talk.echo(&mut line, TEXT, b"more, more, more, more");
        assert_eq!(line.open(&frame), b"more, more, more, more");
    }
}

#[test]
fn rsv1_where_it_must_not_be_is_a_protocol_error() {
    let payload = crate::flate::Deflater::new(15, false).message(b"hello");
    // Nothing was agreed to.
    let mut talk = Talk::new(shared());
    let mut line = talk.connect("");
    talk.refused(&mut line, &frames::client(0xc1, &payload), 1002);
    // On control frames and on continuations (RFC 7692 section 6.1).
    for first in [0xc8, 0xc9, 0xca] {
        let mut talk = Talk::new(shared());
        let mut line = talk.offer(OFFER);
        talk.refused(&mut line, &frames::client(first, b""), 1002);
    }
    for begin in [0x41, 0x01] {
        let mut talk = Talk::new(shared());
        let mut line = talk.offer(OFFER);
        let bytes = [frames::client(begin, b"x"), frames::client(0xc0, b"y")].concat();
        talk.refused(&mut line, &bytes, 1002);
    }
    for first in [0xa1, 0x91, 0xe1, 0xd1] {
        let mut talk = Talk::new(shared());
        let mut line = talk.offer(OFFER);
        talk.refused(&mut line, &frames::client(first, &payload), 1002);
    }
}

#[test]
fn what_cannot_be_decompressed_closes_with_1007() {
    for config in [shared(), dedicated(15)] {
        // A reserved block type; a stored block whose lengths differ; a distance before the begin.
        for payload in [
            &[0x07][..],
            &[0x00, 0x05, 0x00, 0x00, 0x00, 1],
            &[0x4b, 0x04, 0x12, 0x00],
        ] {
            let mut talk = Talk::new(config.clone());
            let mut line = talk.offer(OFFER);
            talk.refused(&mut line, &frames::client(0xc1, payload), 1007);
        }
    }
}

#[test]
fn text_that_is_not_utf8_closes_with_1007() {
    for bad in [&b"\xff"[..], b"ok, and then \xc3", b"\xed\xa0\x80"] {
        let mut talk = Talk::new(shared());
        let mut line = talk.offer(OFFER);
        let payload = line.deflater.message(bad);
        talk.refused(&mut line, &frames::client(0xc1, &payload), 1007);
        let mut line = talk.offer(OFFER);
        let frame = talk.echo(&mut line, BINARY, bad);
        assert_eq!(frame.payload, bad, "but binary may be anything");
    }
    // A character over two fragments is whole.
    let mut talk = Talk::new(shared());
    let mut line = talk.offer(OFFER);
    let frame = talk.echo(&mut line, TEXT, "é日本語🎉".repeat(50).as_bytes());
    assert_eq!(line.open(&frame), "é日本語🎉".repeat(50).as_bytes());
}

#[test]
fn the_limit_of_a_message_holds_for_what_it_decompresses_to() {
    const LIMIT: usize = 100_000;
    for decompressor in [
        Decompressor::Shared,
        Decompressor::Dedicated { window_bits: 15 },
    ] {
        let config = WebSocketConfig::builder().deflate(DeflateConfig {
            decompressor,
            ..DeflateConfig::default()
        });
        let mut talk = Talk::new(config.message_bytes_max(LIMIT).build().unwrap());
        let mut line = talk.offer(OFFER);
        let zeros = vec![0; LIMIT + 1];
        let frame = talk.echo(&mut line, BINARY, &zeros[1..]);
        assert!(line.open(&frame) == zeros[1..]);
        talk.heard();
        let payload = line.deflater.message(&zeros);
        talk.refused(&mut line, &frames::client(0xc2, &payload), 1009);
        // A bomb of a thousand times the limit.
        let mut line = talk.offer(OFFER);
        let payload = line.deflater.message(&vec![0; 1000 * LIMIT]);
        assert!(payload.len() < 2 * LIMIT);
        let pieces = payload.chunks(50_000).enumerate();
        let mut bytes: Vec<u8> = pieces
            .flat_map(|(n, piece)| frames::client(if n == 0 { 0x42 } else { 0 }, piece))
            .collect();
        bytes.extend(frames::client(0x80, b""));
        talk.refused(&mut line, &bytes, 1009);
        assert!(talk.sim.buffered_bytes() < 4 * LIMIT);
    }
}

/// A message that does not shrink is longer compressed than it is.
#[test]
fn the_limit_of_a_message_holds_for_what_does_not_shrink() {
    const LIMIT: usize = 3000;
    // One block that is stored (RFC 1951 section 3.2.4), and the head of the one that is cut off.
    let stored = |message: &[u8]| {
        let len = message.len() as u16;
        [
            &[0][..],
            &len.to_le_bytes(),
            &(!len).to_le_bytes(),
            message,
            &[0],
        ]
        .concat()
    };
    let config = WebSocketConfig::builder().deflate(DeflateConfig::default());
    let mut talk = Talk::new(config.message_bytes_max(LIMIT).build().unwrap());
    let message = noise(LIMIT + 1, 5);
    for (at, over) in [
        (
            frames::client(0xc2, &stored(&message[1..])),
            frames::client(0xc2, &stored(&message)),
        ),
        (
            frames::client(0x82, &message[1..]),
            frames::client(0x82, &message),
        ),
    ] {
        let mut line = talk.offer(OFFER);
        talk.raw(&line, &at);
        assert_eq!(talk.heard(), [(false, message[1..].to_vec())]);
        talk.frame(&mut line);
        talk.refused(&mut line, &over, 1009);
    }
    // What is longer than any compressor makes it is refused before it has arrived.
    let mut line = talk.offer(OFFER);
    let announced = &frames::client(0xc2, &noise(2 * LIMIT, 6))[..20];
    talk.refused(&mut line, announced, 1009);
}

#[test]
fn the_level_is_heeded() {
    let message = prose(20_000, 8);
    let sizes = [1, 6, 9].map(|level| {
        let mut talk = Talk::new(deflate(DeflateConfig {
            level,
            ..DeflateConfig::default()
        }));
        let mut line = talk.offer(OFFER);
        let frame = talk.echo(&mut line, TEXT, message.as_bytes());
        assert_eq!(line.open(&frame), message.as_bytes());
        frame.payload.len()
    });
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2], "{sizes:?}");
}

#[test]
fn a_socket_owns_the_history_that_was_agreed_on() {
    let mut talk = Talk::new(dedicated(10));
    let mut line = talk.offer(OFFER);
    assert_eq!(
        talk.sim.buffered_bytes(),
        0,
        "none before the first message"
    );
    for seed in 0..3 {
        let message = prose(900, seed);
        let frame = talk.echo(&mut line, TEXT, message.as_bytes());
        assert_eq!(line.open(&frame), message.as_bytes());
    }
    // Six bytes for each byte of the window to send, and one to receive.
    assert_eq!(talk.sim.buffered_bytes(), 7 << 10);
}

#[test]
fn an_idle_socket_with_shared_compression_owns_no_memory() {
    let mut talk = Talk::new(shared());
    let mut lines: Vec<Line> = (0..50).map(|_| talk.offer(OFFER)).collect();
    for (n, line) in lines.iter_mut().enumerate() {
        let message = prose(5000, n as u64);
        let frame = talk.echo(line, TEXT, message.as_bytes());
        assert_eq!(line.open(&frame), message.as_bytes());
    }
    talk.sim
        .with_cx(|cx| cx.publish("t", Message::Text(&prose(5000, 0))).unwrap());
    for line in &mut lines {
        assert!(talk.frame(line).rsv1);
    }
    assert_eq!(talk.sim.buffered_bytes(), 0);
}
