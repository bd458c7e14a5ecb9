//! Request bodies.

use keirin::proto::ProtocolError;
use keirin::proto::http1::body::BodyLimits;
use keirin::proto::http1::{BodyDecoder, BodyLength, BodyStep, encode};

use crate::pieces::{CUTS, pieces};

/// Limits that an input can run into.
const SMALL: BodyLimits = BodyLimits {
    body_bytes_max: 40,
    chunk_extension_bytes_max: 16,
    trailer_bytes_max: 24,
};
const LARGE: BodyLimits = BodyLimits {
    body_bytes_max: 1 << 20,
    chunk_extension_bytes_max: 4096,
    trailer_bytes_max: 8192,
};

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It is complete, behind this many bytes.
    Complete(usize),
    /// There is more to come.
    Open,
    Failed(ProtocolError),
}

/// Decodes a body whole, byte by byte and in pieces, and checks what was accepted against a reader
/// that walks from CRLF to CRLF.
///
/// The first byte chooses the body's length and the limits, the next four the pieces.
pub fn chunked(data: &[u8]) {
    let Some((&[flags, ref cuts @ ..], body)) = data.split_first_chunk::<{ 1 + CUTS }>() else {
        return;
    };
    let length = match flags & 3 {
        0 | 1 => BodyLength::Chunked,
        2 => BodyLength::Fixed(u64::from(flags >> 3)),
        _ => BodyLength::None,
    };
    let limits = if flags & 4 == 0 { SMALL } else { LARGE };

    let (content, end) = decode(length, [body].into_iter(), &limits);
    for (cut, cut_end) in [
        decode(length, body.chunks(1), &limits),
        decode(length, pieces(body, cuts), &limits),
    ] {
        assert_eq!(cut_end, end);
        // A body that is longer than the limit by its announced length is cut off within a piece,
        // and the engine refuses it before it reads any.
        if matches!(length, BodyLength::Fixed(_)) && matches!(end, End::Failed(_)) {
            assert!(cut.starts_with(&content));
        } else {
            assert_eq!(cut, content);
        }
    }
    if let (End::Complete(used), BodyLength::Chunked) = (end, length) {
        check_lines(&body[..used], &content);
        check_again(&content);
    }
}

fn decode<'a>(
    length: BodyLength,
    pieces: impl Iterator<Item = &'a [u8]>,
    limits: &BodyLimits,
) -> (Vec<u8>, End) {
    let mut decoder = BodyDecoder::new(length);
    let (mut content, mut used) = (Vec::new(), 0);
    let complete = |decoder: &BodyDecoder, used| {
        assert!(decoder.is_done() && decoder.remaining() == Some(0));
        End::Complete(used)
    };
    for piece in pieces {
        let mut rest = piece;
        // Never more steps than bytes and an end: anything else would be a loop.
        for step in 0.. {
            assert!(step <= piece.len() + 1, "no progress");
            match decoder.decode(rest, limits) {
                Ok(BodyStep::Data { skip, len }) => {
                    assert!(len > 0);
                    content.extend_from_slice(&rest[skip..skip + len]);
                    used += skip + len;
                    rest = &rest[skip + len..];
                }
                Ok(BodyStep::Need { used: all }) => {
                    assert_eq!(all, rest.len());
                    assert!(!decoder.is_done());
                    used += all;
                    break;
                }
                Ok(BodyStep::End { used: framing }) => {
                    let end = complete(&decoder, used + framing);
                    return (content, end);
                }
                Err(error) => {
                    assert_eq!(decoder.decode(b"0\r\n\r\n", limits), Err(error), "stays");
                    return (content, End::Failed(error));
                }
            }
            assert_eq!(decoder.received(), content.len() as u64);
            assert!(content.len() as u64 <= limits.body_bytes_max);
        }
    }
    if decoder.is_done() {
        let end = complete(&decoder, used);
        return (content, end);
    }
    (content, End::Open)
}

/// What anybody else on the path would read.
fn check_lines(bytes: &[u8], content: &[u8]) {
    let mut rest = bytes;
    let mut data = Vec::new();
    loop {
        let line = take_line(&mut rest);
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        assert!((1..=16).contains(&digits), "a size of 64 bits");
        let size = str::from_utf8(&line[..digits]).expect("digits");
        let size = u64::from_str_radix(size, 16).expect("digits") as usize;
        let extension = line[digits..].trim_ascii_start();
        assert!(
            line.len() == digits || extension.starts_with(b";"),
            "an extension"
        );
        if size == 0 {
            break;
        }
        data.extend_from_slice(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n").expect("a line end");
    }
    loop {
        let line = take_line(&mut rest);
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        assert!(colon.is_some_and(|colon| colon > 0), "a trailer's name");
    }
    assert!(rest.is_empty(), "used beyond the end");
    assert_eq!(data, content);
}

/// The bytes up to CRLF, in which neither may stand by itself.
fn take_line<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n");
    let (line, rest) = bytes.split_at(end.expect("a line end"));
    assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    *bytes = &rest[2..];
    line
}

/// What our own encoder makes of the content is read as the content.
fn check_again(content: &[u8]) {
    let mut bytes = Vec::new();
    for piece in content.chunks(7) {
        encode::chunk_size(&mut bytes, piece.len());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(encode::LAST_CHUNK);
    let again = decode(BodyLength::Chunked, [&*bytes].into_iter(), &LARGE);
    assert_eq!(again, (content.to_vec(), End::Complete(bytes.len())));
}
