//! Brotli inside of messages: a tag in front of every binary payload.

use std::io::Read;

use keirin::{BrotliConfig, DeflateConfig, Message, PreparedMessage, Publication, WebSocketConfig};

use crate::frames::{self, BINARY, Frame, TEXT};
use crate::talk::{Line, Talk, noise, prose};

const PROTOCOL: &str = "Sec-WebSocket-Protocol: chat+br, chat\r\n";
const RAW: u8 = 0;
const BROTLI_TEXT: u8 = 1;
const BROTLI_BINARY: u8 = 2;

fn config() -> WebSocketConfig {
    let config = WebSocketConfig::builder().brotli(BrotliConfig::default());
    config.build().unwrap()
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorReader::new(bytes, 4096, 5, 18)
        .read_to_end(&mut out)
        .unwrap();
    out
}

fn decompress(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::Decompressor::new(bytes, 4096)
        .read_to_end(&mut out)
        .unwrap();
    out
}

fn tagged(tag: u8, rest: &[u8]) -> Vec<u8> {
    frames::client(0x82, &[&[tag], rest].concat())
}

/// Whether it is text, and the message, in a frame to a client that has agreed to the tags.
fn open(frame: &Frame) -> (bool, Vec<u8>) {
    assert!(frame.fin && !frame.rsv1, "{frame:?}");
    if frame.opcode == TEXT {
        return (true, frame.payload.clone());
    }
    let (tag, rest) = frame.payload.split_first().expect("a tag");
    match *tag {
        RAW => (false, rest.to_vec()),
        BROTLI_TEXT => (true, decompress(rest)),
        BROTLI_BINARY => (false, decompress(rest)),
        tag => panic!("tag {tag}"),
    }
}

#[test]
fn messages_of_all_sizes_come_back_in_the_form_that_fits() {
    let mut talk = Talk::new(config());
    let mut line = talk.connect(PROTOCOL);
    for len in [0, 1, 1399, 1400, 1401, 6000, 45_000, 500_000] {
        let long = len >= 1400;
        let text = prose(len, 1).into_bytes();
        talk.raw(&line, &frames::client(0x81, &text));
        let frame = talk.frame(&mut line);
        assert!(open(&frame) == (true, text.clone()), "{len}");
        assert_eq!(frame.opcode == BINARY, long, "{len}");
        assert!(frame.payload.len() <= len);
        talk.raw(&line, &tagged(RAW, &text));
        let frame = talk.frame(&mut line);
        assert!(open(&frame) == (false, text.clone()), "{len}");
        assert_eq!(
            frame.payload[0],
            if long { BROTLI_BINARY } else { RAW },
            "{len}"
        );
        // What does not become smaller goes as it is.
        let noise = noise(len, 2);
        talk.raw(&line, &tagged(RAW, &noise));
        let frame = talk.frame(&mut line);
        assert_eq!((frame.payload[0], &frame.payload[1..]), (RAW, &noise[..]));
        assert_eq!(
            talk.heard(),
            [(true, text.clone()), (false, text), (false, noise)]
        );
    }
}

#[test]
fn the_threshold_holds_on_both_sides() {
    for threshold_bytes in [100, 5000] {
        let brotli = BrotliConfig {
            threshold_bytes,
            ..BrotliConfig::default()
        };
        let mut talk = Talk::new(WebSocketConfig::builder().brotli(brotli).build().unwrap());
        let mut line = talk.connect("Sec-WebSocket-Protocol: br\r\n");
        for (len, compressed) in [(threshold_bytes - 1, false), (threshold_bytes, true)] {
            let text = "a".repeat(len);
            talk.sim.with_cx(|cx| {
                let id = cx.state().ids[0];
                let _ = cx.socket(id).unwrap().send_text(&text);
                let _ = cx.socket(id).unwrap().send_binary(text.as_bytes());
                cx.publish("t", Message::Text(&text)).unwrap();
                cx.publish("t", Message::Binary(text.as_bytes())).unwrap();
            });
            let frames = talk.frames(&mut line);
            let forms: Vec<_> = frames
                .iter()
                .map(|frame| (frame.opcode, frame.payload[0]))
                .collect();
            let expected = match compressed {
                false => [(TEXT, b'a'), (BINARY, RAW), (TEXT, b'a'), (BINARY, RAW)],
                true => [
                    (BINARY, BROTLI_TEXT),
                    (BINARY, BROTLI_BINARY),
                    (BINARY, BROTLI_TEXT),
                    (BINARY, BROTLI_BINARY),
                ],
            };
            assert_eq!(forms, expected, "{len}");
            for (n, frame) in frames.iter().enumerate() {
                assert_eq!(open(frame), (n % 2 == 0, text.clone().into_bytes()));
            }
        }
    }
}

#[test]
fn the_client_compresses_too() {
    let mut talk = Talk::new(config());
    let mut line = talk.connect(PROTOCOL);
    for len in [0, 10, 3000, 200_000] {
        let text = prose(len, 4).into_bytes();
        for (tag, is_text) in [(BROTLI_TEXT, true), (BROTLI_BINARY, false)] {
            talk.raw(&line, &tagged(tag, &compress(&text)));
            let echo = talk.frame(&mut line);
            assert!(open(&echo) == (is_text, text.clone()), "{len} {tag}");
            assert_eq!(talk.heard(), [(is_text, text.clone())]);
        }
    }
    // In fragments.
    let text = prose(5000, 6).into_bytes();
    let payload = [&[BROTLI_TEXT][..], &compress(&text)].concat();
    let (first, rest) = payload.split_at(1);
    talk.raw(&line, &frames::client(0x02, first));
    talk.raw(&line, &frames::client(0x80, rest));
    assert!(open(&talk.frame(&mut line)) == (true, text));
}

#[test]
fn bad_tags_and_bad_data_close_with_1007() {
    let whole = compress(b"some text, some text, some text");
    let bad: [Vec<u8>; 8] = [
        frames::client(0x82, b""),
        tagged(3, b"x"),
        tagged(255, b""),
        tagged(BROTLI_TEXT, b""),
        tagged(BROTLI_TEXT, &whole[..whole.len() - 1]),
        tagged(BROTLI_BINARY, b"\xff\xff\xff\xff"),
        tagged(BROTLI_TEXT, &compress(b"\xff\xfe")),
        tagged(BROTLI_BINARY, &[&whole[..], b"more"].concat()),
    ];
    for bytes in bad {
        let mut talk = Talk::new(config());
        let mut line = talk.connect(PROTOCOL);
        talk.refused(&mut line, &bytes, 1007);
    }
}

#[test]
fn the_limit_of_a_message_holds_for_what_it_decompresses_to() {
    const LIMIT: usize = 100_000;
    let config = WebSocketConfig::builder().brotli(BrotliConfig::default());
    let config = config.message_bytes_max(LIMIT).build().unwrap();
    let mut talk = Talk::new(config);
    let mut line = talk.connect(PROTOCOL);
    let zeros = vec![0; LIMIT + 1];
    talk.raw(&line, &tagged(BROTLI_BINARY, &compress(&zeros[1..])));
    assert!(open(&talk.frame(&mut line)) == (false, zeros[1..].to_vec()));
    talk.heard();
    talk.refused(&mut line, &tagged(BROTLI_BINARY, &compress(&zeros)), 1009);
    let mut line = talk.connect(PROTOCOL);
    let bomb = compress(&vec![0; 1000 * LIMIT]);
    assert!(bomb.len() < LIMIT);
    talk.refused(&mut line, &tagged(BROTLI_TEXT, &bomb), 1009);
    assert!(talk.sim.buffered_bytes() < 4 * LIMIT);
}

/// The tag does not count.
#[test]
fn the_limit_of_a_message_holds_for_what_is_not_compressed() {
    const LIMIT: usize = 3000;
    let config = WebSocketConfig::builder().brotli(BrotliConfig::default());
    let mut talk = Talk::new(config.message_bytes_max(LIMIT).build().unwrap());
    let text = prose(LIMIT + 1, 4);
    for (at, over) in [
        tagged(RAW, &noise(LIMIT, 1)),
        frames::client(0x81, &text.as_bytes()[..LIMIT]),
    ]
    .into_iter()
    .zip([
        tagged(RAW, &noise(LIMIT + 1, 1)),
        frames::client(0x81, text.as_bytes()),
    ]) {
        let mut line = talk.connect(PROTOCOL);
        talk.raw(&line, &at);
        assert_eq!(talk.heard()[0].1.len(), LIMIT);
        talk.frame(&mut line);
        talk.refused(&mut line, &over, 1009);
    }
}

#[test]
fn a_client_that_has_not_agreed_gets_no_tags() {
    let mut talk = Talk::new(config());
    let mut line = talk.connect("Sec-WebSocket-Protocol: chat\r\n");
    let text = prose(5000, 1);
    talk.raw(&line, &frames::client(0x82, text.as_bytes()));
    let frame = talk.frame(&mut line);
    assert_eq!(
        (frame.opcode, &frame.payload[..]),
        (BINARY, text.as_bytes())
    );
    talk.sim
        .with_cx(|cx| cx.publish("t", Message::Text(&text)).unwrap());
    let frame = talk.frame(&mut line);
    assert_eq!((frame.opcode, &frame.payload[..]), (TEXT, text.as_bytes()));
}

/// A plain, a compressing and a Brotli client of the same server.
fn three() -> (Talk, [Line; 3]) {
    let config = WebSocketConfig::builder()
        .deflate(DeflateConfig::default())
        .brotli(BrotliConfig::default());
    let mut talk = Talk::new(config.build().unwrap());
    let lines = [
        talk.connect(""),
        talk.offer("permessage-deflate"),
        talk.connect(PROTOCOL),
    ];
    (talk, lines)
}

#[test]
fn one_message_goes_to_all_kinds_of_clients_at_once() {
    let (mut talk, mut lines) = three();
    let text = prose(8000, 8);
    for message in [
        Message::Text(&text),
        Message::Binary(text.as_bytes()),
        Message::Text("short"),
    ] {
        let is_text = matches!(message, Message::Text(_));
        talk.sim.with_cx(|cx| {
            let prepared = PreparedMessage::new(message);
            for id in cx.state().ids.clone() {
                let _ = cx.socket(id).unwrap().send_prepared(&prepared);
                let _ = cx.socket(id).unwrap().send(message);
            }
            cx.publish("t", message).unwrap();
        });
        for (number, line) in lines.iter_mut().enumerate() {
            let frames = talk.frames(line);
            assert_eq!(frames.len(), 3);
            for frame in frames {
                let opened = match number {
                    2 => open(&frame),
                    _ => (frame.opcode == TEXT, line.open(&frame)),
                };
                assert!(
                    opened == (is_text, message.bytes().to_vec()),
                    "client {number}"
                );
                let smaller = frame.payload.len() < message.bytes().len();
                assert_eq!(smaller, number > 0 && message.bytes().len() > 100);
            }
        }
    }
}

#[test]
fn uncompressed_messages_are_raw_but_tagged() {
    let (mut talk, mut lines) = three();
    let text = prose(8000, 8);
    talk.sim.with_cx(|cx| {
        for id in cx.state().ids.clone() {
            let mut socket = cx.socket(id).unwrap();
            let _ = socket.send_uncompressed(Message::Text(&text));
            let _ = socket.send_uncompressed(Message::Binary(text.as_bytes()));
        }
        for is_text in [true, false] {
            let publication = Publication {
                topic: "t",
                payload: text.as_bytes(),
                text: is_text,
                compress: false,
            };
            cx.publish_as(&publication).unwrap();
        }
    });
    for (number, line) in lines.iter_mut().enumerate() {
        for (n, frame) in talk.frames(line).into_iter().enumerate() {
            assert!(!frame.rsv1);
            assert_eq!(frame.opcode, if n % 2 == 0 { TEXT } else { BINARY });
            let tag = usize::from(number == 2 && n % 2 == 1);
            assert_eq!(frame.payload.len(), text.len() + tag);
            assert!(frame.payload[tag..] == *text.as_bytes());
            assert!(tag == 0 || frame.payload[0] == RAW);
        }
    }
}

#[test]
fn binary_fragments_to_a_brotli_client_carry_one_tag() {
    let (mut talk, mut lines) = three();
    talk.sim.with_cx(|cx| {
        let id = cx.state().ids[2];
        let mut socket = cx.socket(id).unwrap();
        let _ = socket
            .send_fragment(Message::Binary(b"one "), false)
            .unwrap();
        let _ = socket
            .send_fragment(Message::Binary(b"two "), false)
            .unwrap();
        let _ = socket
            .send_fragment(Message::Binary(b"three"), true)
            .unwrap();
    });
    let frames = talk.frames(&mut lines[2]);
    let whole: Vec<u8> = frames.into_iter().flat_map(|frame| frame.payload).collect();
    assert_eq!(whole, b"\0one two three");
}
