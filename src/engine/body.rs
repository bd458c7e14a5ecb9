//! How far the content of the present request has been read.

use crate::proto::ProtocolError;
use crate::proto::http1::body::BodyLimits;
use crate::proto::http1::{BodyDecoder, BodyLength, BodyStep};

/// The content of one request. Most have none, and then this owns nothing.
#[derive(Default)]
pub(super) struct Body(Option<Box<Reading>>);

struct Reading {
    decoder: BodyDecoder,
    /// `received` when the present throughput window began,
    window_mark: u64,
    /// and when the answer was complete.
    answered_mark: u64,
}

impl Body {
    #[inline]
    pub(super) fn new(length: BodyLength) -> Self {
        if length.is_empty() {
            return Self(None);
        }
        Self(Some(Box::new(Reading {
            decoder: BodyDecoder::new(length),
            window_mark: 0,
            answered_mark: 0,
        })))
    }

    /// Whether the end of the content has been found.
    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|reading| reading.decoder.is_done())
    }

    /// Bytes of content so far.
    pub(super) fn received(&self) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |reading| reading.decoder.received())
    }

    /// Bytes of content still to come, when the peer has announced them.
    pub(super) fn remaining(&self) -> Option<u64> {
        match &self.0 {
            Some(reading) => reading.decoder.remaining(),
            None => Some(0),
        }
    }

    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        limits: &BodyLimits,
    ) -> Result<BodyStep, ProtocolError> {
        match &mut self.0 {
            Some(reading) if !reading.decoder.is_done() => reading.decoder.decode(bytes, limits),
            _ => Ok(BodyStep::End { used: 0 }),
        }
    }

    /// Begins a window in which throughput is measured, and returns what came in the last one.
    pub(super) fn begin_window(&mut self) -> u64 {
        let Some(reading) = &mut self.0 else {
            return 0;
        };
        let received = reading.decoder.received();
        received - std::mem::replace(&mut reading.window_mark, received)
    }

    /// The answer is complete: what still comes is dropped.
    pub(super) fn begin_discarding(&mut self) {
        if let Some(reading) = &mut self.0 {
            reading.window_mark = reading.decoder.received();
            reading.answered_mark = reading.window_mark;
        }
    }

    /// Bytes that came after the answer was complete.
    pub(super) fn discarded(&self) -> u64 {
        self.0.as_ref().map_or(0, |reading| {
            reading.decoder.received() - reading.answered_mark
        })
    }
}
