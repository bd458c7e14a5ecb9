//! Compression of messages: what a socket has agreed to, and the memory that is shared for it.

use super::send::opcode;
use crate::config::WebSocketConfig;
use crate::proto::ws::brotli::{self, BrotliEncoder, Encoded};
use crate::proto::ws::deflate::{Compression, Deflater, InflateError, Inflater};
use crate::proto::ws::extensions::{Agreed, Compressor, Decompressor};
use crate::proto::ws::frame::encode_header;
use crate::proto::ws::{Kind, Opcode, WsError};
use crate::pubsub::{Class, Message as SharedMessage};

/// Compressors of one kind of WebSocket on one worker, shared by all its sockets.
pub(crate) struct Codec {
    deflate: Compression,
    deflate_threshold: usize,
    brotli: Option<BrotliEncoder>,
}

impl Codec {
    pub(crate) fn new(config: &WebSocketConfig) -> Self {
        let deflate = config.deflate.unwrap_or_default();
        Self {
            deflate: Compression::new(deflate.level),
            deflate_threshold: deflate.threshold_bytes,
            brotli: config.brotli.map(BrotliEncoder::new),
        }
    }
}

/// By how much a message that does not shrink may be longer on the wire than it is: by its tag, or
/// by more than what zlib adds to any message (`deflateBound`).
pub(super) fn slack_bytes(class: Class, message_bytes_max: usize) -> usize {
    if class == Class::BROTLI {
        1
    } else if class.window_bits().is_some() {
        message_bytes_max / 1024 + 64
    } else {
        0
    }
}

/// The histories of a socket whose messages refer to earlier ones.
#[derive(Default)]
pub(in crate::engine) struct Histories {
    sent: Option<Box<Deflater>>,
    received: Option<Box<Inflater>>,
}

impl Histories {
    /// Those that were agreed on.
    pub(super) fn new(config: &WebSocketConfig, agreed: &Agreed) -> Self {
        let Some(config) = config.deflate else {
            return Self::default();
        };
        let sends = matches!(config.compressor, Compressor::Dedicated { .. });
        let sends = sends && !agreed.server_no_context_takeover;
        let receives = matches!(config.decompressor, Decompressor::Dedicated { .. });
        let receives = receives && !agreed.client_no_context_takeover;
        Self {
            sent: sends.then(|| Box::new(Deflater::new(agreed.server_max_window_bits))),
            received: receives.then(|| Box::new(Inflater::new(agreed.client_max_window_bits))),
        }
    }
}

impl Histories {
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_none() && self.received.is_none()
    }

    /// Bytes of memory that they own.
    #[cfg(feature = "testing")]
    pub(super) fn buffered_bytes(&self) -> usize {
        let sent = self.sent.as_ref().map_or(0, |it| it.buffered_bytes());
        sent + self.received.as_ref().map_or(0, |it| it.buffered_bytes())
    }
}

/// How a message goes onto the wire.
pub(super) struct Wire<'a> {
    pub(super) opcode: Opcode,
    pub(super) compressed: bool,
    pub(super) payload: &'a [u8],
}

/// A message to be sent.
pub(super) struct Outgoing<'a> {
    pub(super) kind: Kind,
    pub(super) payload: &'a [u8],
    pub(super) compress: bool,
}

impl<'a> Wire<'a> {
    /// For a peer that expects tags, a message as it is.
    fn uncompressed(kind: Kind, payload: &'a [u8], scratch: &'a mut Vec<u8>) -> Self {
        let payload = match kind {
            Kind::Text => payload,
            Kind::Binary => {
                scratch.push(brotli::TAG_RAW);
                scratch.extend_from_slice(payload);
                scratch
            }
        };
        Self {
            opcode: opcode(kind),
            compressed: false,
            payload,
        }
    }
}

impl Codec {
    /// Compresses a message for one socket, if its peer has agreed to that and it gets smaller.
    /// `history_is_stale` says that the peer has got other messages since the last.
    pub(super) fn encode<'a>(
        &mut self,
        class: Class,
        histories: Option<&mut Histories>,
        history_is_stale: &mut bool,
        message: Outgoing<'a>,
        scratch: &'a mut Vec<u8>,
    ) -> Wire<'a> {
        let Outgoing {
            kind,
            payload,
            compress,
        } = message;
        scratch.clear();
        if !compress && class == Class::BROTLI {
            return Wire::uncompressed(kind, payload, scratch);
        }
        if let (Class::BROTLI, Some(encoder)) = (class, &mut self.brotli) {
            return match encoder.encode(kind, payload, scratch) {
                Encoded::PlainText => Wire {
                    opcode: opcode(kind),
                    compressed: false,
                    payload,
                },
                Encoded::TaggedBinary => Wire {
                    opcode: Opcode::Binary,
                    compressed: false,
                    payload: scratch,
                },
            };
        }
        let compressed = match (class.window_bits(), histories) {
            _ if payload.len() < self.deflate_threshold => false,
            (
                Some(_),
                Some(Histories {
                    sent: Some(history),
                    ..
                }),
            ) => {
                if std::mem::take(history_is_stale) {
                    history.reset();
                }
                self.deflate.deflate(history, payload, scratch)
            }
            (Some(bits), _) => self.deflate.deflate_shared(bits, payload, scratch),
            (None, _) => false,
        };
        Wire {
            opcode: opcode(kind),
            compressed,
            payload: if compressed { scratch } else { payload },
        }
    }

    /// Decompresses a message of permessage-deflate.
    pub(super) fn inflate(
        &mut self,
        histories: Option<&mut Histories>,
        compressed: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), WsError> {
        let inflated = match histories {
            Some(Histories {
                received: Some(history),
                ..
            }) => self.deflate.inflate(history, compressed, out, bytes_max),
            _ => self.deflate.inflate_shared(compressed, out, bytes_max),
        };
        inflated.map_err(|error| match error {
            InflateError::TooBig => WsError::MessageTooBig,
            InflateError::Corrupt => WsError::Compression,
        })
    }
}

/// Takes the tag off a binary message, and decompresses what is behind it.
pub(super) fn untag(tagged: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> Result<Kind, WsError> {
    use brotli::BrotliError as E;
    brotli::decode(tagged, out, bytes_max).map_err(|error| match error {
        E::TooBig => WsError::MessageTooBig,
        E::Corrupt => WsError::Compression,
        E::NotUtf8 => WsError::Utf8,
    })
}

/// The frame of a published message for a class of subscribers.
pub(super) fn encode_published(
    codec: &mut Codec,
    message: &SharedMessage,
    class: Class,
) -> Box<[u8]> {
    let kind = if message.is_text() {
        Kind::Text
    } else {
        Kind::Binary
    };
    let mut scratch = Vec::new();
    let outgoing = Outgoing {
        kind,
        payload: message.payload(),
        compress: message.is_compressible(),
    };
    let wire = codec.encode(class, None, &mut false, outgoing, &mut scratch);
    let mut frame = Vec::with_capacity(wire.payload.len() + super::send::HEADER_BYTES_MAX);
    encode_header(
        &mut frame,
        true,
        wire.compressed,
        wire.opcode,
        wire.payload.len(),
    );
    frame.extend_from_slice(wire.payload);
    frame.into()
}
