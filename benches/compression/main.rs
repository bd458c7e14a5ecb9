//! What compression of messages costs, and what it saves: `cargo bench --bench compression`.
//!
//! Each figure is the least of many runs over some messages, since other programs only add to it.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench reads the clock and prints what it has found"
)]

use std::time::Instant;

use keirin::proto::ws::Kind;
use keirin::proto::ws::brotli::{self, BrotliConfig, BrotliEncoder};
use keirin::proto::ws::deflate::{Compression, Deflater, Inflater};
use keirin::testing::sample::{LENGTHS, json};

/// What a packet holds of a TCP stream at an MTU of 1500 bytes, with timestamps.
const SEGMENT_BYTES: usize = 1448;

/// Messages of each length come to so many bytes at least, which is more than any history holds: no
/// message finds itself in there.
const ROUND_BYTES: usize = 128 << 10;

/// The fewest messages of a length.
const MESSAGES_MIN: u64 = 16;

/// From here on more effort may pay, where a message is made once for many.
const LARGE_BYTES: usize = 45_000;

/// What to compress or decompress for each figure.
const WORK_BYTES: usize = 40_000_000;

fn main() {
    // `cargo bench` runs every bench target; the table takes a minute.
    let level = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    println!("| message | mode | bytes | packets | out, us | in, us |");
    println!("|---|---|---|---|---|---|");
    for len in LENGTHS {
        let count = (ROUND_BYTES / len) as u64;
        let messages: Vec<Vec<u8>> = (1..=count.max(MESSAGES_MIN))
            .map(|seed| json(seed, len))
            .collect();
        row(len, "plain", len, None);
        shared(&messages, level.unwrap_or(6));
        for window_bits in [11, 15] {
            dedicated(&messages, level.unwrap_or(6), window_bits);
        }
        brotli(&messages, BrotliConfig::default().quality);
        if len >= LARGE_BYTES {
            brotli(&messages, 8);
        }
    }
}

fn row(len: usize, mode: &str, bytes: usize, cost_us: Option<(f64, f64)>) {
    let packets = bytes.div_ceil(SEGMENT_BYTES);
    let (out, back) = cost_us.map_or_else(
        || ("".to_owned(), "".to_owned()),
        |(out, back)| (format!("{out:.1}"), format!("{back:.1}")),
    );
    println!("| {len} | {mode} | {bytes} | {packets} | {out} | {back} |");
}

fn shared(messages: &[Vec<u8>], level: u8) {
    let len = messages[0].len();
    let mut compression = Compression::new(level);
    let mut compressed = vec![Vec::new(); messages.len()];
    let out = least_us(messages, |index| {
        compressed[index].clear();
        assert!(compression.deflate_shared(15, &messages[index], &mut compressed[index]));
    });
    let mut message = Vec::new();
    let back = least_us(messages, |index| {
        message.clear();
        let result = compression.inflate_shared(&compressed[index], &mut message, len);
        assert_eq!(result, Ok(()));
    });
    row(
        len,
        "deflate, shared",
        mean_len(&compressed),
        Some((out, back)),
    );
}

fn dedicated(messages: &[Vec<u8>], level: u8, window_bits: u8) {
    let len = messages[0].len();
    let mut compression = Compression::new(level);
    let mut deflater = Deflater::new(window_bits);
    let mut compressed = vec![Vec::new(); messages.len()];
    let out = least_us(messages, |index| {
        compressed[index].clear();
        assert!(compression.deflate(&mut deflater, &messages[index], &mut compressed[index]));
    });
    // One round of the same history, over and over.
    deflater.reset();
    for (message, compressed) in messages.iter().zip(&mut compressed) {
        compressed.clear();
        assert!(compression.deflate(&mut deflater, message, compressed));
    }
    let mut inflater = Inflater::new(window_bits);
    let mut message = Vec::new();
    let back = least_us(messages, |index| {
        message.clear();
        let result = compression.inflate(&mut inflater, &compressed[index], &mut message, len);
        assert_eq!(result, Ok(()));
    });
    let mode = format!("deflate, dedicated, {window_bits} bits");
    row(len, &mode, mean_len(&compressed), Some((out, back)));
}

fn brotli(messages: &[Vec<u8>], quality: u8) {
    let len = messages[0].len();
    let mut encoder = BrotliEncoder::new(BrotliConfig {
        quality,
        threshold_bytes: 0,
        ..BrotliConfig::default()
    });
    let mut compressed = vec![Vec::new(); messages.len()];
    let out = least_us(messages, |index| {
        compressed[index].clear();
        encoder.encode(Kind::Text, &messages[index], &mut compressed[index]);
    });
    let mut message = Vec::new();
    let back = least_us(messages, |index| {
        message.clear();
        let result = brotli::decode(&compressed[index], &mut message, len);
        assert_eq!(result, Ok(Kind::Text));
    });
    let mode = format!("Brotli, quality {quality}");
    row(len, &mode, mean_len(&compressed), Some((out, back)));
}

fn mean_len(compressed: &[Vec<u8>]) -> usize {
    compressed.iter().map(Vec::len).sum::<usize>() / compressed.len()
}

/// The least time per message that a round over all messages has taken, in microseconds.
fn least_us(messages: &[Vec<u8>], mut work: impl FnMut(usize)) -> f64 {
    let round_bytes: usize = messages.iter().map(Vec::len).sum();
    let rounds = (WORK_BYTES / round_bytes).max(3);
    let times = (0..rounds).map(|_| {
        let start = Instant::now();
        (0..messages.len()).for_each(&mut work);
        start.elapsed().as_secs_f64() * 1e6 / messages.len() as f64
    });
    times.fold(f64::INFINITY, f64::min)
}
