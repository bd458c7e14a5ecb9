//! Echo: prepared messages go out in turn, and what comes back is checked against them.
//!
//! The generator spends little on each reply: a comparison of the header, which is the same for all
//! messages of a scenario, and for one in [`SAMPLE_INTERVAL`] one of the content.

use std::io::{ErrorKind, Read as _, Write as _};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::frame::{self, HEADER_BYTES_MAX, Header};
use super::handshake::{Agreed, Offer};
use crate::load::closed_loop::Client;
use crate::load::verify::{Content, Errors, Lost, SAMPLE_INTERVAL};
use crate::scenarios::content::{self, Random};
use crate::scenarios::websocket::Kind;

/// Prepared frames take about so much room, unless one alone takes more: little enough to stay in
/// the processor's cache.
const FRAMES_BYTES: usize = 2 * 1024 * 1024;
const FRAMES_MAX: usize = 512;
/// Where the server's compressor remembers earlier messages, all replies of one connection in so
/// many are inflated.
const CONNECTION_INTERVAL: usize = 16;
/// What keirin uses unless it is told otherwise.
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW_BITS: u32 = 18;
/// In front of each binary message where Brotli was agreed: what follows is a text, compressed.
const BROTLI_TEXT: u8 = 1;
/// An event of Socket.IO with one argument, which is a text.
const EVENT: [&[u8]; 2] = [b"42[\"m\",\"", b"\"]"];
/// Ends a compressed message, and is left out on the wire: RFC 7692, section 7.2.1.
const DEFLATE_TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The messages of a scenario, ready to be sent, in a ring.
#[derive(Debug)]
pub struct Messages {
    kind: Kind,
    payloads: Vec<Vec<u8>>,
    /// The frames of all messages, one after the other.
    frames: Vec<u8>,
    /// Where each frame ends.
    ends: Vec<usize>,
    /// How every reply begins that is not compressed.
    reply_header: Vec<u8>,
}

impl Messages {
    /// Different messages of one kind and length; those in flight at the same time lie together.
    #[must_use]
    pub fn new(kind: Kind, message_bytes: usize, in_flight: usize, offer: Offer) -> Self {
        let random = &mut Random::new(0x6b65_6972_696e);
        let around = match offer {
            Offer::SocketIo => EVENT.concat().len(),
            _ => 0,
        };
        let mut reply_header = Vec::new();
        frame::push_header(&mut reply_header, kind.first_byte(), message_bytes + around);
        let fitting = (FRAMES_BYTES / message_bytes).clamp(4, FRAMES_MAX);
        // A batch should not be cut in two, unless it alone is more than all of them.
        let count = match fitting / in_flight {
            0 => fitting,
            batches => batches * in_flight,
        };
        let mut messages = Self {
            kind,
            payloads: Vec::with_capacity(count),
            frames: Vec::new(),
            ends: Vec::with_capacity(count),
            reply_header,
        };
        for _ in 0..count {
            let mut payload = content::message(kind, message_bytes, random);
            if offer == Offer::SocketIo {
                payload = [EVENT[0], &payload, EVENT[1]].concat();
            }
            let frames = &mut messages.frames;
            let (mask, first) = (random.bytes(), kind.first_byte());
            match kind {
                Kind::Binary | Kind::Text => frame::push_masked(frames, first, &payload, mask),
                Kind::Deflate => {
                    frame::push_masked(frames, first | frame::RSV1, &deflate(&payload), mask);
                }
                Kind::Brotli => frame::push_masked(frames, first, &brotli(&payload), mask),
            }
            messages.ends.push(frames.len());
            messages.payloads.push(payload);
        }
        messages
    }

    /// What they are made of.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn frame_bytes(&self, index: usize) -> usize {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.ends[index] - begin
    }

    /// Bytes of a frame, on average: of all frames, where they are not compressed.
    #[must_use]
    pub fn request_bytes(&self) -> usize {
        self.frames.len() / self.payloads.len()
    }

    /// Bytes of a reply that is not compressed.
    #[must_use]
    pub fn reply_bytes(&self) -> usize {
        self.reply_header.len() + self.payloads[0].len()
    }

    /// One connection's way through the messages. Connections begin at different ones.
    #[must_use]
    pub fn client(
        &self,
        index: usize,
        in_flight: usize,
        content: Content,
        agreed: Agreed,
    ) -> Echoes<'_> {
        let start = index * in_flight % self.payloads.len();
        let sampling = match content {
            Content::Ignored => Sampling::Nothing,
            Content::All => Sampling::OneIn(1),
            Content::Sampled if agreed.context_takeover => {
                if index.is_multiple_of(CONNECTION_INTERVAL) {
                    Sampling::OneIn(1)
                } else {
                    Sampling::Nothing
                }
            }
            Content::Sampled => Sampling::OneIn(SAMPLE_INTERVAL),
        };
        Echoes {
            messages: self,
            in_flight,
            sampling,
            send_next: start,
            send_at: self.ends[start] - self.frame_bytes(start),
            unsent: 0,
            pending: 0,
            awaited: start,
            partial_header: Vec::with_capacity(HEADER_BYTES_MAX),
            payload: None,
            until_sample: 0,
            inflater: match self.kind {
                Kind::Binary | Kind::Text => None,
                Kind::Deflate => Some(Inflater::new(agreed.context_takeover)),
                Kind::Brotli => Some(Inflater::brotli()),
            },
            reply_bytes: 0,
            replies: 0,
        }
    }
}

fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut compressor = Compress::new(Compression::new(6), false);
    let mut compressed = Vec::with_capacity(payload.len() + 64);
    compressor
        .compress_vec(payload, &mut compressed, FlushCompress::Sync)
        .expect("a fresh compressor takes any input");
    assert!(
        compressed.ends_with(&DEFLATE_TAIL),
        "the room for the output suffices"
    );
    compressed.truncate(compressed.len() - DEFLATE_TAIL.len());
    compressed
}

fn brotli(payload: &[u8]) -> Vec<u8> {
    let mut compressed = vec![BROTLI_TEXT];
    brotli::CompressorWriter::new(&mut compressed, 4096, BROTLI_QUALITY, BROTLI_WINDOW_BITS)
        .write_all(payload)
        .expect("a vector takes any bytes");
    compressed
}

#[derive(Clone, Copy, Debug)]
enum Sampling {
    Nothing,
    /// One message in so many.
    OneIn(u32),
}

/// The payload that is being received.
#[derive(Debug)]
struct Payload {
    bytes_left: usize,
    use_of: Use,
}

#[derive(Debug, PartialEq, Eq)]
enum Use {
    /// Not looked at: a control frame, or not sampled, or counted as wrong already.
    Skip { completes: bool },
    /// Compared with the message sent; `intact` while no difference was seen.
    Compare { intact: bool },
    /// Kept, to be inflated when it is whole.
    Inflate,
}

/// What one connection sends, and follows what comes back.
#[derive(Debug)]
pub struct Echoes<'a> {
    messages: &'a Messages,
    in_flight: usize,
    sampling: Sampling,
    /// The first message of the next batch.
    send_next: usize,
    /// Where in the ring of frames what is unsent begins.
    send_at: usize,
    unsent: usize,
    pending: usize,
    /// The message whose echo comes next.
    awaited: usize,
    /// The beginning of a header, kept until the rest arrives.
    partial_header: Vec<u8>,
    payload: Option<Payload>,
    until_sample: u32,
    inflater: Option<Inflater>,
    reply_bytes: u64,
    replies: u64,
}

impl Client for Echoes<'_> {
    fn begin_batch(&mut self) {
        let count = self.messages.payloads.len();
        for _ in 0..self.in_flight {
            self.unsent += self.messages.frame_bytes(self.send_next);
            self.send_next = (self.send_next + 1) % count;
        }
        self.pending += self.in_flight;
    }

    fn unsent(&self) -> &[u8] {
        let frames = &self.messages.frames;
        let end = frames.len().min(self.send_at + self.unsent);
        &frames[self.send_at..end]
    }

    fn mark_sent(&mut self, bytes: usize) {
        self.unsent -= bytes;
        self.send_at = (self.send_at + bytes) % self.messages.frames.len();
    }

    fn pending(&self) -> usize {
        self.pending
    }

    fn answer_bytes(&self) -> Option<usize> {
        usize::try_from(self.reply_bytes.checked_div(self.replies)?).ok()
    }

    fn feed(&mut self, mut bytes: &[u8], errors: &mut Errors) -> Result<usize, Lost> {
        let pending_before = self.pending;
        while !bytes.is_empty() {
            if self.payload.is_none() {
                let read = self.read_header(bytes, errors)?;
                bytes = &bytes[read..];
            }
            let Some(payload) = &mut self.payload else {
                continue;
            };
            let (now, rest) = bytes.split_at(payload.bytes_left.min(bytes.len()));
            bytes = rest;
            match &mut payload.use_of {
                Use::Skip { .. } => {}
                Use::Compare { intact } => {
                    let sent = &self.messages.payloads[self.awaited];
                    let from = sent.len() - payload.bytes_left;
                    *intact = *intact && sent[from..from + now.len()] == *now;
                }
                Use::Inflate => self.inflater.as_mut().ok_or(Lost)?.collect(now),
            }
            payload.bytes_left -= now.len();
            if payload.bytes_left == 0 {
                self.end_payload(errors);
            }
        }
        Ok(pending_before - self.pending)
    }
}

impl Echoes<'_> {
    /// Reads a header, or the part of it that arrived, and returns its length in `bytes`.
    fn read_header(&mut self, bytes: &[u8], errors: &mut Errors) -> Result<usize, Lost> {
        let plain = &self.messages.reply_header;
        if self.partial_header.is_empty() && self.pending > 0 && bytes.starts_with(plain) {
            let header_bytes = plain.len();
            let payload_bytes = self.messages.payloads[self.awaited].len();
            self.begin_payload(header_bytes, payload_bytes, false);
            return Ok(header_bytes);
        }
        let had = self.partial_header.len();
        let take = bytes.len().min(HEADER_BYTES_MAX - had);
        self.partial_header.extend_from_slice(&bytes[..take]);
        let header = match frame::parse_header(&self.partial_header) {
            Ok(None) => return Ok(take),
            Ok(Some(header)) => header,
            Err(frame::Malformed) => {
                errors.bad_length += 1;
                return Err(Lost);
            }
        };
        self.partial_header.clear();
        self.accept_header(header, errors)?;
        Ok(header.header_bytes - had)
    }

    fn accept_header(&mut self, header: Header, errors: &mut Errors) -> Result<(), Lost> {
        let control = header.opcode() >= frame::CLOSE;
        if control && header.first != frame::FIN | frame::CLOSE {
            // A ping is not answered: no window is so long that it would be missed.
            self.payload = Some(Payload {
                bytes_left: header.payload_bytes,
                use_of: Use::Skip { completes: false },
            });
            if header.payload_bytes == 0 {
                self.end_payload(errors);
            }
            return Ok(());
        }
        if control {
            errors.unexpected_close += 1;
            return Err(Lost);
        }
        if self.pending == 0 {
            errors.bad_length += 1;
            return Err(Lost);
        }
        let right = self.messages.kind.first_byte();
        let compressed = match self.messages.kind {
            Kind::Binary | Kind::Text => false,
            Kind::Deflate => header.first == right | frame::RSV1,
            Kind::Brotli => header.first == right,
        };
        let bad_opcode = header.first != right && !compressed;
        let sent = self.messages.payloads[self.awaited].len();
        let bad_length = !compressed && header.payload_bytes != sent;
        errors.bad_opcode += u64::from(bad_opcode);
        errors.bad_length += u64::from(bad_length && !bad_opcode);
        self.begin_payload(header.header_bytes, header.payload_bytes, compressed);
        if bad_opcode || bad_length {
            self.payload = Some(Payload {
                bytes_left: header.payload_bytes,
                use_of: Use::Skip { completes: true },
            });
        }
        if header.payload_bytes == 0 {
            self.end_payload(errors);
        }
        Ok(())
    }

    fn begin_payload(&mut self, header_bytes: usize, payload_bytes: usize, compressed: bool) {
        self.reply_bytes += (header_bytes + payload_bytes) as u64;
        self.replies += 1;
        let sampled = match self.sampling {
            Sampling::Nothing => false,
            Sampling::OneIn(interval) => {
                let sampled = self.until_sample == 0;
                self.until_sample = if sampled { interval } else { self.until_sample } - 1;
                sampled
            }
        };
        let use_of = match (sampled, compressed) {
            (false, _) => Use::Skip { completes: true },
            (true, false) => Use::Compare { intact: true },
            (true, true) => Use::Inflate,
        };
        self.payload = Some(Payload {
            bytes_left: payload_bytes,
            use_of,
        });
    }

    fn end_payload(&mut self, errors: &mut Errors) {
        let use_of = self.payload.take().map(|payload| payload.use_of);
        let intact = match use_of {
            Some(Use::Skip { completes: false }) | None => return,
            Some(Use::Skip { completes: true }) => true,
            Some(Use::Compare { intact }) => intact,
            Some(Use::Inflate) => {
                let sent = &self.messages.payloads[self.awaited];
                self.inflater
                    .as_mut()
                    .is_some_and(|inflater| inflater.yields(sent))
            }
        };
        errors.bad_body += u64::from(!intact);
        self.awaited = (self.awaited + 1) % self.messages.payloads.len();
        self.pending -= 1;
    }
}

/// Inflates the compressed replies of one connection.
#[derive(Debug)]
struct Inflater {
    /// `None` for Brotli, which keeps nothing between messages.
    stream: Option<Decompress>,
    keeps_context: bool,
    compressed: Vec<u8>,
    inflated: Vec<u8>,
}

impl Inflater {
    fn new(keeps_context: bool) -> Self {
        Self {
            stream: Some(Decompress::new(false)),
            keeps_context,
            compressed: Vec::new(),
            inflated: Vec::new(),
        }
    }

    fn brotli() -> Self {
        Self {
            stream: None,
            ..Self::new(false)
        }
    }

    fn collect(&mut self, piece: &[u8]) {
        self.compressed.extend_from_slice(piece);
    }

    /// Whether what was collected is exactly `expected`, compressed.
    fn yields(&mut self, expected: &[u8]) -> bool {
        self.inflated.clear();
        // One byte more than needed shows a surplus.
        self.inflated.reserve(expected.len() + 1);
        let Some(stream) = &mut self.stream else {
            let read = match self.compressed.split_first() {
                Some((&BROTLI_TEXT, rest)) => {
                    brotli::Decompressor::new(rest, 4096).read_to_end(&mut self.inflated)
                }
                _ => Err(ErrorKind::InvalidData.into()),
            };
            self.compressed.clear();
            return read.is_ok() && self.inflated == expected;
        };
        if !self.keeps_context {
            stream.reset(false);
        }
        self.compressed.extend_from_slice(&DEFLATE_TAIL);
        let before = stream.total_in();
        let flush = FlushDecompress::Sync;
        let status = stream.decompress_vec(&self.compressed, &mut self.inflated, flush);
        let read = stream.total_in() - before;
        let whole = read == self.compressed.len() as u64;
        self.compressed.clear();
        whole && matches!(status, Ok(Status::Ok)) && self.inflated == expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client of one message says to a reply.
    fn errors_of(messages: &Messages, first: u8, payload: &[u8]) -> Errors {
        let agreed = Agreed {
            context_takeover: false,
        };
        let mut client = messages.client(0, 1, Content::Sampled, agreed);
        client.begin_batch();
        let mut reply = Vec::new();
        frame::push_header(&mut reply, first, payload.len());
        reply.extend_from_slice(payload);
        let mut errors = Errors::default();
        for byte in reply.chunks(1) {
            client.feed(byte, &mut errors).unwrap();
        }
        assert_eq!(client.pending(), 0);
        errors
    }

    #[test]
    fn replies_in_brotli_are_read() {
        let messages = Messages::new(Kind::Brotli, 4096, 1, Offer::Brotli);
        let binary = Kind::Brotli.first_byte();
        let right = brotli(&messages.payloads[0]);
        assert!(right.len() < 2000, "{}", right.len());
        assert_eq!(errors_of(&messages, binary, &right), Errors::default());
        let other = brotli(&messages.payloads[1]);
        assert_eq!(errors_of(&messages, binary, &other).bad_body, 1);
        let [mut tagged, mut cut, mut spoilt] = [(); 3].map(|()| right.clone());
        tagged[0] = 2;
        cut.pop();
        spoilt[right.len() / 2] ^= 1;
        for wrong in [tagged, cut, spoilt] {
            assert_eq!(errors_of(&messages, binary, &wrong).bad_body, 1);
        }
        let text = errors_of(&messages, frame::FIN | frame::TEXT, &right);
        assert_eq!(text.bad_opcode, 1);
    }

    #[test]
    fn events_of_socket_io_are_text_around_the_message() {
        let messages = Messages::new(Kind::Text, 20, 1, Offer::SocketIo);
        let event = &messages.payloads[0];
        assert!(event.starts_with(b"42[\"m\",\"") && event.ends_with(b"\"]"));
        assert_eq!(event.len(), 20 + EVENT.concat().len());
        let text = Kind::Text.first_byte();
        assert_eq!(errors_of(&messages, text, event), Errors::default());
        assert_eq!(errors_of(&messages, text, &event[1..]).bad_length, 1);
    }
}
