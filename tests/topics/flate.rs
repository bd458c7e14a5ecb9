//! The other end of permessage-deflate, by another implementation than the server's.

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress, create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// What stands at the end of each message and is not sent (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Decompresses with exactly the window that was agreed on.
pub(crate) struct Inflater {
    state: Box<DecompressorOxide>,
    window: Vec<u8>,
    at: usize,
    takeover: bool,
}

impl Inflater {
    pub(crate) fn new(window_bits: u32, takeover: bool) -> Self {
        Self {
            state: Box::default(),
            window: vec![0; 1 << window_bits],
            at: 0,
            takeover,
        }
    }

    pub(crate) fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.takeover {
            *self = Self::new(self.window.len().ilog2(), false);
        }
        let input = [payload, &TAIL].concat();
        let (mut read, mut message) = (0, Vec::new());
        loop {
            let flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
            let (status, taken, made) = decompress(
                &mut self.state,
                &input[read..],
                &mut self.window,
                self.at,
                flags,
            );
            read += taken;
            message.extend(&self.window[self.at..self.at + made]);
            self.at = (self.at + made) % self.window.len();
            match status {
                TINFLStatus::NeedsMoreInput => break,
                TINFLStatus::HasMoreOutput => {}
                // A block was marked as the last (RFC 7692 section 7.2.3.4).
                TINFLStatus::Done => *self.state = DecompressorOxide::new(),
                _ => panic!("{status:?} after {} bytes", message.len()),
            }
        }
        message
    }
}

/// Compresses, and refers back no further than the window.
pub(crate) struct Deflater {
    state: Box<CompressorOxide>,
    window: usize,
    /// Bytes that it could refer to.
    history: usize,
    takeover: bool,
}

fn fresh() -> Box<CompressorOxide> {
    Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(
        6, -15, 0,
    )))
}

impl Deflater {
    pub(crate) fn new(window_bits: u32, takeover: bool) -> Self {
        Self {
            state: fresh(),
            window: 1 << window_bits,
            history: 0,
            takeover,
        }
    }

    pub(crate) fn message(&mut self, message: &[u8]) -> Vec<u8> {
        if message.is_empty() {
            // RFC 7692 section 7.2.3.6.
            return vec![0];
        }
        // Its own window is the largest; where less was agreed on it has to forget.
        let far = self.window < 1 << 15 && self.history + message.len() > self.window;
        if far || !self.takeover {
            assert!(
                !far || message.len() <= self.window,
                "too long for the window"
            );
            self.state = fresh();
            self.history = 0;
        }
        self.history += message.len();
        let (mut read, mut out) = (0, Vec::new());
        loop {
            let mut piece = [0; 4096];
            let input = &message[read..];
            let (_, taken, made) = compress(&mut self.state, input, &mut piece, TDEFLFlush::Sync);
            read += taken;
            out.extend(&piece[..made]);
            if read == message.len() && made < piece.len() {
                break;
            }
        }
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }
}
