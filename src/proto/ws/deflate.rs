//! Messages through raw DEFLATE (RFC 1951), as permessage-deflate wants them (RFC 7692 section
//! 7.2). Bytes in, bytes out; what is compressed when is not decided here.

use std::fmt;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

/// What a flush ends with, and what stays off the wire (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The history of one socket's compressor.
pub struct Deflater {
    stream: Deflate,
}

impl Deflater {
    /// `window_bits` from 8 to 15, `level` from 0 to 9; more is taken for the most.
    pub fn new(window_bits: u8, level: u8) -> Self {
        let config = DeflateConfig {
            level: level.min(9).into(),
            window_bits: -i32::from(window_bits.clamp(9, 15)),
            mem_level: 5,
            ..DeflateConfig::default()
        };
        Self {
            stream: Deflate::new_with_config(config),
        }
    }

    /// Forgets what was compressed before. To be called when the peer got bytes in between that
    /// this compressor has not seen, such as a frame that was published to many.
    pub fn reset(&mut self) {
        self.stream.reset();
    }

    fn compress(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.resize(start + payload.len() + 64, 0);
        let before = self.stream.total_out();
        let status = self
            .stream
            .compress(payload, &mut out[start..], DeflateFlush::SyncFlush);
        let made = (self.stream.total_out() - before) as usize;
        let fits = status == Ok(Status::Ok) && made < payload.len() + TAIL.len();
        out.truncate(start + if fits { made - TAIL.len() } else { 0 });
        if !fits {
            self.reset();
        }
        fits
    }
}

/// The history of one socket's decompressor.
pub struct Inflater {
    stream: Inflate,
}

impl Inflater {
    /// `window_bits` from 8 to 15; more is taken for the most.
    pub fn new(window_bits: u8) -> Self {
        let _ = window_bits;
        Self {
            stream: Inflate::new(false, 15),
        }
    }

    /// Forgets what was decompressed before.
    pub fn reset(&mut self) {
        self.stream.reset(false);
    }

    fn inflate(
        &mut self,
        compressed: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), InflateError> {
        let start = out.len();
        for part in [compressed, &TAIL] {
            let mut used = 0;
            loop {
                let at = out.len();
                let room = (bytes_max + 1 - (at - start)).min(1 << 14);
                out.resize(at + room, 0);
                let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
                let status =
                    self.stream
                        .decompress(&part[used..], &mut out[at..], InflateFlush::SyncFlush);
                used += (self.stream.total_in() - before_in) as usize;
                let made = (self.stream.total_out() - before_out) as usize;
                out.truncate(at + made);
                if out.len() - start > bytes_max {
                    return Err(InflateError::TooBig);
                }
                match status {
                    Ok(Status::StreamEnd) => self.stream.reset(false),
                    Ok(_) => {}
                    Err(_) => return Err(InflateError::Corrupt),
                }
                if used == part.len() && made < room {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Why a message was not decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// It is longer than the limit; the close code is 1009.
    TooBig,
    /// It is no DEFLATE data, or refers back to what is not remembered; the close code is 1007.
    Corrupt,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooBig => "decompressed message over the limit",
            Self::Corrupt => "malformed compressed message",
        })
    }
}

impl std::error::Error for InflateError {}

/// The working memory that all sockets of one worker share, made when first used.
pub struct Compression {
    level: u8,
    deflaters: [Option<Box<Deflater>>; 8],
    inflater: Option<Box<Inflater>>,
}

impl Compression {
    /// `level` from 0 to 9; more is taken for 9.
    pub fn new(level: u8) -> Self {
        Self {
            level,
            deflaters: Default::default(),
            inflater: None,
        }
    }

    /// A history for one socket.
    pub fn deflater(&self, window_bits: u8) -> Deflater {
        Deflater::new(window_bits, self.level)
    }

    /// Appends `payload`, compressed on its own for every peer whose window has at least
    /// `window_bits`. The result is what stands in a frame: without the last four bytes of the
    /// flush (RFC 7692 section 7.2.1).
    ///
    /// False, with `out` as it was, when that would not be smaller: send the message as it is.
    pub fn deflate_shared(&mut self, window_bits: u8, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let index = usize::from(window_bits.clamp(8, 15) - 8);
        let level = self.level;
        let deflater = self.deflaters[index]
            .get_or_insert_with(|| Box::new(Deflater::new(window_bits, level)));
        deflater.reset();
        deflater.compress(payload, out)
    }

    /// Appends `payload`, compressed with the history of one socket, to which it is added.
    ///
    /// False, with `out` and the history such that the message can be sent as it is, when it
    /// would not be smaller.
    pub fn deflate(&mut self, history: &mut Deflater, payload: &[u8], out: &mut Vec<u8>) -> bool {
        history.compress(payload, out)
    }

    /// Appends the message whose frames held `compressed`, which was compressed on its own.
    ///
    /// # Errors
    /// When it is malformed or longer than `bytes_max`. What `out` has got by then is no message.
    pub fn inflate_shared(
        &mut self,
        compressed: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), InflateError> {
        let inflater = self
            .inflater
            .get_or_insert_with(|| Box::new(Inflater::new(15)));
        inflater.reset();
        inflater.inflate(compressed, out, bytes_max)
    }

    /// Appends the message whose frames held `compressed`, with the history of one socket, to which
    /// it is added.
    ///
    /// # Errors
    /// As [`inflate_shared`](Self::inflate_shared). The history is of no use after an error.
    pub fn inflate(
        &mut self,
        history: &mut Inflater,
        compressed: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), InflateError> {
        history.inflate(compressed, out, bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_alone_and_with_history() {
        let mut compression = Compression::new(6);
        let text = b"{\"name\":\"keirin\",\"name\":\"keirin\",\"name\":\"keirin\"}".repeat(3);
        let (mut small, mut back) = (Vec::new(), Vec::new());
        assert!(compression.deflate_shared(15, &text, &mut small));
        assert_eq!(
            compression.inflate_shared(&small, &mut back, text.len()),
            Ok(())
        );
        assert_eq!(back, text);

        let (mut deflater, mut inflater) = (compression.deflater(9), Inflater::new(9));
        for _ in 0..3 {
            small.clear();
            back.clear();
            assert!(compression.deflate(&mut deflater, &text, &mut small));
            assert_eq!(
                compression.inflate(&mut inflater, &small, &mut back, text.len()),
                Ok(())
            );
            assert_eq!(back, text);
        }
    }
}
