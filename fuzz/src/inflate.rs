//! Compressed messages: any bytes into the decompressor, against another one; and any bytes through
//! the compressor and back.

use keirin::proto::ws::deflate::{Compression, Deflater, InflateError, Inflater};
use zlib_rs::{Inflate, InflateFlush, Status};

const BYTES_MAX: usize = 1 << 16;

/// The first byte says what the others are: messages to compress, or compressed ones.
pub fn inflate(data: &[u8]) {
    let Some((&control, rest)) = data.split_first() else {
        return;
    };
    if control & 1 == 0 {
        check_inflate(rest);
    } else {
        check_round_trip(control, rest);
    }
}

/// On its own, and by a socket that remembers other messages.
fn check_inflate(compressed: &[u8]) {
    check_after(b"", compressed);
    let history: Vec<u8> = (0..40_000_u32).map(|at| (at * at >> 7) as u8).collect();
    for len in [1, 300, 5000, history.len()] {
        check_after(&history[..len], compressed);
    }
}

/// A decompressor that has got a message before.
fn remembering(history: &[u8]) -> Inflater {
    let mut inflater = Inflater::new(15);
    for part in history.chunks(0xffff) {
        let len = part.len() as u16;
        let stored = [
            &[0][..],
            &len.to_le_bytes(),
            &(!len).to_le_bytes(),
            part,
            &[0],
        ]
        .concat();
        let result =
            Compression::new(6).inflate(&mut inflater, &stored, &mut Vec::new(), BYTES_MAX);
        assert_eq!(result, Ok(()));
    }
    inflater
}

/// What zlib takes for a message we take for the same one, and what we refuse it refuses.
fn check_after(history: &[u8], compressed: &[u8]) {
    let mut compression = Compression::new(6);
    let mut ours = b"before".to_vec();
    let mut inflater = remembering(history);
    let result = compression.inflate(&mut inflater, compressed, &mut ours, BYTES_MAX);
    let reference = zlib(history, compressed);
    match result {
        Ok(()) => {
            let message = ours.strip_prefix(b"before").expect("what was there stays");
            assert!(message.len() <= BYTES_MAX);
            if let Reference::Whole(reference) = reference {
                assert_eq!(message, reference);
            }
            check_limit(history, compressed, message.len());
        }
        Err(InflateError::TooBig) => {
            assert!(ours.len() < BYTES_MAX + 1024, "stops at the limit");
            assert!(!matches!(reference, Reference::Whole(_)));
        }
        Err(InflateError::Corrupt) => {
            assert!(!matches!(reference, Reference::Whole(_)), "good for zlib");
        }
    }
}

/// The limit is exact, and a message does not depend on what the same memory was used for before.
fn check_limit(history: &[u8], compressed: &[u8], len: usize) {
    let mut compression = Compression::new(6);
    let mut out = Vec::new();
    let limits = [len, len.saturating_sub(1), len + 1, len / 2, 8.min(len)];
    for limit in limits {
        out.clear();
        let mut inflater = remembering(history);
        let result = compression.inflate(&mut inflater, compressed, &mut out, limit);
        let expected = if limit < len {
            Err(InflateError::TooBig)
        } else {
            Ok(())
        };
        assert_eq!(result, expected);
    }
}

enum Reference {
    /// Everything was used, up to the tail.
    Whole(Vec<u8>),
    Other,
}

fn zlib(history: &[u8], compressed: &[u8]) -> Reference {
    let input = [compressed, &[0, 0, 0xff, 0xff]].concat();
    let mut stream = Inflate::new(false, 15);
    let remembered = &history[history.len().saturating_sub(1 << 15)..];
    stream
        .set_dictionary(remembered)
        .expect("a stream without a header takes it at any time");
    let mut out = vec![0; BYTES_MAX + 1];
    let result = stream.decompress(&input, &mut out, InflateFlush::SyncFlush);
    let len = stream.total_out() as usize;
    let whole = stream.total_in() as usize == input.len() && len <= BYTES_MAX;
    // Zlib waits for more where the tail is the start of a block; the message is then cut off.
    let at_a_boundary = matches!(result, Ok(Status::Ok)) && whole;
    if at_a_boundary && ends_with_empty_block(&mut stream) {
        out.truncate(len);
        return Reference::Whole(out);
    }
    Reference::Other
}

/// Whether the stream is between two blocks, at a whole byte: then an empty final block is its end.
fn ends_with_empty_block(stream: &mut Inflate) -> bool {
    const EMPTY: [u8; 5] = [1, 0, 0, 0xff, 0xff];
    let before = stream.total_in();
    let mut nothing = [0; 1];
    let result = stream.decompress(&EMPTY, &mut nothing, InflateFlush::Finish);
    // In the middle of a final block, that may end with some of these bytes.
    let whole = stream.total_in() - before == EMPTY.len() as u64;
    result == Ok(Status::StreamEnd) && whole
}

/// Cuts the bytes into messages and sends them through a socket's compressor, with frames published
/// to many in between.
fn check_round_trip(control: u8, data: &[u8]) {
    let window_bits = 8 + (control >> 1) % 8;
    let mut compression = Compression::new(1 + (control >> 4) % 9);
    let mut deflater = Deflater::new(window_bits);
    let mut inflater = Inflater::new(window_bits);
    let (mut small, mut back) = (Vec::new(), Vec::new());
    for (index, payload) in data.split(|&byte| byte == b'\n').enumerate() {
        let payload = payload.repeat(1 + index % 5 * 300);
        if payload.len() <= BYTES_MAX {
            check_alone(&mut compression, window_bits, &payload);
        }
        small.clear();
        let published = index % 7 == 6;
        let smaller = if published {
            compression.deflate_shared(window_bits, &payload, &mut small)
        } else {
            compression.deflate(&mut deflater, &payload, &mut small)
        };
        if !smaller {
            assert!(small.is_empty());
            continue;
        }
        if published {
            deflater.reset();
        }
        assert!(small.len() < payload.len());
        back.clear();
        let result = compression.inflate(&mut inflater, &small, &mut back, payload.len());
        assert_eq!(result, Ok(()));
        assert!(back == payload, "what comes back is something else");
    }
}

/// A message on its own comes back, and zlib takes it for the same one.
fn check_alone(compression: &mut Compression, window_bits: u8, payload: &[u8]) {
    let (mut small, mut back) = (b"before".to_vec(), Vec::new());
    if !compression.deflate_shared(window_bits, payload, &mut small) {
        assert_eq!(small, b"before");
        return;
    }
    let small = small.strip_prefix(b"before").expect("what was there stays");
    assert!(small.len() < payload.len());
    let result = compression.inflate_shared(small, &mut back, payload.len());
    assert_eq!(result, Ok(()));
    assert!(back == payload, "what comes back is something else");
    let Reference::Whole(reference) = zlib(b"", small) else {
        panic!("zlib refuses what was compressed");
    };
    assert!(reference == payload, "zlib makes something else of it");
}
