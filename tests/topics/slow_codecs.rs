//! Compressed messages for peers that read slowly: what is dropped must not be missed by the
//! state that compresses the next.

use keirin::{BrotliConfig, Compressor, DeflateConfig, Message, PreparedMessage, WebSocketConfig};

use crate::frames::{self, Frame};
use crate::random::Random;
use crate::talk::{Line, Talk, prose};

fn config(compressor: Compressor) -> WebSocketConfig {
    let config = WebSocketConfig::builder()
        .deflate(DeflateConfig {
            compressor,
            ..DeflateConfig::default()
        })
        .brotli(BrotliConfig::default());
    config.backpressure_bytes_max(16 << 10).build().unwrap()
}

/// One peer, what it has got, and the pieces of a message that is not complete.
struct Reader {
    line: Line,
    pieces: Vec<Frame>,
    got: Vec<Vec<u8>>,
}

impl Reader {
    fn read(&mut self, talk: &mut Talk) {
        for frame in talk.frames(&mut self.line) {
            if frame.opcode == frames::BINARY {
                // Brotli, the one thing that is binary here: its tag tells that it was text.
                let mut text = Vec::new();
                let mut rest = &frame.payload[1..];
                assert_eq!(frame.payload[0], 1);
                brotli::BrotliDecompress(&mut rest, &mut text).unwrap();
                self.got.push(text);
            } else if frame.fin && self.pieces.is_empty() {
                self.got.push(self.line.open(&frame));
            } else {
                self.pieces.push(frame);
                if self.pieces.last().is_some_and(|piece| piece.fin) {
                    let pieces = self.pieces.drain(..);
                    self.got
                        .push(pieces.flat_map(|piece| piece.payload).collect());
                }
            }
        }
    }
}

/// A reader with each kind of compression, and one without.
fn connect(talk: &mut Talk) -> Vec<Reader> {
    let lines = [
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n",
        "Sec-WebSocket-Protocol: br\r\n",
        "",
    ];
    let reader = |lines: &str| Reader {
        line: talk.connect(lines),
        pieces: Vec::new(),
        got: Vec::new(),
    };
    lines.map(reader).into()
}

/// Sends, publishes and fragments at random to peers whose windows open and close.
fn run(seed: u64, compressor: Compressor) {
    let mut random = Random::new(seed);
    let mut talk = Talk::new(config(compressor));
    let mut readers = connect(&mut talk);
    let mut sent: Vec<Vec<u8>> = Vec::new();
    let mut in_pieces = vec![false; readers.len()];
    for n in 0..400 {
        let text = format!("{n} {}", prose(random.below(4000), n / 7));
        let to = random.below(readers.len());
        let message = Message::Text(&text);
        let publishes = random.one_in(3);
        let how = random.below(8);
        talk.sim.with_cx(|cx| {
            let id = cx.state().ids[to];
            if publishes {
                cx.publish("t", message).unwrap();
                return;
            }
            let mut socket = cx.socket(id).unwrap();
            if in_pieces[to] || how == 0 {
                in_pieces[to] ^= true;
                let done = socket.send_fragment(message, !in_pieces[to]).unwrap();
                in_pieces[to] &= done != keirin::Sent::Dropped;
                return;
            }
            let _ = match how {
                1 => socket.send_prepared(&PreparedMessage::new(message)),
                2 => socket.send_uncompressed(message),
                _ => socket.send(message),
            };
        });
        sent.push(text.into_bytes());
        let client = readers[random.below(4)].line.client;
        match random.below(6) {
            0 => talk.sim.set_window(client, random.below(3000)),
            1 => talk.sim.set_window(client, usize::MAX),
            2 => {
                let number = random.below(4);
                readers[number].read(&mut talk);
            }
            _ => talk.settle(),
        }
    }
    for (number, reader) in readers.iter_mut().enumerate() {
        talk.sim.set_window(reader.line.client, usize::MAX);
        reader.read(&mut talk);
        reader.read(&mut talk);
        assert!(reader.got.len() > 50, "{}", reader.got.len());
        // Of a message in two pieces the first one is known by its begin.
        let mut rest = sent.iter();
        for got in &reader.got {
            let found = rest.any(|sent| got.starts_with(sent));
            let text = String::from_utf8_lossy(got);
            assert!(found, "seed {seed}, peer {number}: {text}");
        }
    }
    assert!(
        talk.sim.counts().messages_dropped > 0,
        "the test is of that"
    );
}

#[test]
fn what_is_dropped_does_not_spoil_the_next_messages() {
    for seed in 0..10 {
        run(seed, Compressor::Shared);
        run(seed, Compressor::Dedicated { window_bits: 15 });
        run(seed, Compressor::Dedicated { window_bits: 9 });
    }
}
