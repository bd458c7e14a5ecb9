//! Messages out of frames, RFC 6455 sections 5.4 to 5.6.
//!
//! A message that is in the buffer as a whole, in one frame, is handed out where it is. One in
//! pieces is put together in a buffer of its own, which the socket owns for as long as that takes.

use super::close::parse_close;
use super::frame::{FrameHeader, Opcode, Role, parse_header};
use super::utf8::{self, Validator};
use super::{WsError, mask};

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    #[default]
    Binary,
}

/// Limits on one message, before decompression.
#[derive(Clone, Copy, Debug)]
pub struct MessageLimits {
    /// Bytes of payload, over all frames.
    pub message_bytes_max: usize,
    /// Bytes of payload, and [`FRAGMENT_COST`] for each frame after the first: what a peer can make
    /// us work for one message. Below `message_bytes_max` it takes that one's place.
    pub message_cost_max: usize,
}

/// What a frame that continues a message costs beside its bytes.
pub const FRAGMENT_COST: usize = 64;

/// How far the room for a message in pieces may be ahead of what has arrived of it, at least.
const AHEAD_BYTES_MAX: usize = 64 << 10;

/// A buffer with more room than this is not kept for the next message. There is one for all sockets
/// of a worker; to ask the system for a megabyte for each message costs more than to copy it.
const SPARE_BYTES_MAX: usize = 4 << 20;

/// Room for messages in pieces: one for all sockets of a worker.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The last message that was in pieces, whose buffer the next one takes over.
    last: Option<Box<Assembly>>,
}

impl Workspace {
    /// Gives memory back that a large message took. Worth a call once in a turn.
    pub fn trim(&mut self) {
        self.last.take_if(|last| last.is_large());
    }

    fn assembly(&mut self) -> Box<Assembly> {
        self.trim();
        let mut assembly = self.last.take().unwrap_or_default();
        assembly.buffer.clear();
        assembly
    }
}

/// What came out of a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A whole message that is still compressed (RFC 7692): text in it has not been checked.
    Compressed(Kind, &'a [u8]),
    /// To be answered with a Pong of the same payload, at most 125 bytes (section 5.5.2).
    Ping(&'a [u8]),
    /// Asked for or not (section 5.5.3).
    Pong(&'a [u8]),
    /// The status code and the reason, if there are any. Nothing behind it is to be read.
    Close(Option<(u16, &'a str)>),
}

impl<'a> Event<'a> {
    #[inline]
    fn new(kind: Kind, compressed: bool, payload: &'a [u8]) -> Result<Self, WsError> {
        match kind {
            _ if compressed => Ok(Self::Compressed(kind, payload)),
            Kind::Binary => Ok(Self::Binary(payload)),
            Kind::Text => utf8::text(payload).map(Self::Text).ok_or(WsError::Utf8),
        }
    }

    /// The kind of a message, whether it is compressed, and its bytes.
    pub fn message(&self) -> Option<(Kind, bool, &'a [u8])> {
        match *self {
            Self::Text(text) => Some((Kind::Text, false, text.as_bytes())),
            Self::Binary(bytes) => Some((Kind::Binary, false, bytes)),
            Self::Compressed(kind, bytes) => Some((kind, true, bytes)),
            _ => None,
        }
    }
}

/// How far a receiver came.
#[derive(Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Bytes that are done with.
    pub used: usize,
    /// What they made up, if that is anything.
    pub event: Option<Event<'a>>,
}

impl Step<'_> {
    /// More bytes are needed.
    const fn wanting(used: usize) -> Self {
        Self { used, event: None }
    }
}

/// Turns one socket's bytes into messages.
#[derive(Debug)]
pub struct Receiver {
    /// The message that is in pieces.
    assembly: Option<Box<Assembly>>,
    role: Role,
    compression_agreed: bool,
    failed: Option<WsError>,
}

impl Receiver {
    /// A receiver at the beginning of the stream. `compression_agreed` is whether RSV1 has the
    /// meaning that RFC 7692 gives it.
    pub const fn new(role: Role, compression_agreed: bool) -> Self {
        Self {
            assembly: None,
            role,
            compression_agreed,
            failed: None,
        }
    }

    /// Handles the front of `bytes`, which it unmasks in place.
    ///
    /// Without an event it wants more bytes. What it has not used then is an incomplete header or
    /// an incomplete control frame, at most 130 bytes, which have to be there again next time.
    ///
    /// # Errors
    /// What the peer did wrong, as soon as its bytes show it; the same again in all later calls.
    #[inline]
    pub fn next<'a>(
        &mut self,
        bytes: &'a mut [u8],
        workspace: &'a mut Workspace,
        limits: &MessageLimits,
    ) -> Result<Step<'a>, WsError> {
        let outcome = match self.failed {
            Some(error) => Err(error),
            None => self.advance(bytes, workspace, limits),
        };
        if let Err(error) = outcome {
            self.fail(error);
        }
        outcome
    }

    /// Bytes of memory that it owns for a message in pieces.
    pub fn buffered_bytes(&self) -> usize {
        self.assembly
            .as_ref()
            .map_or(0, |assembly| assembly.buffer.capacity())
    }

    #[cold]
    fn fail(&mut self, error: WsError) {
        self.failed = Some(error);
        self.assembly = None;
    }

    #[inline(always)]
    fn advance<'a>(
        &mut self,
        bytes: &'a mut [u8],
        workspace: &'a mut Workspace,
        limits: &MessageLimits,
    ) -> Result<Step<'a>, WsError> {
        if self.assembly.is_some() {
            return self.piece_together(bytes, workspace, limits);
        }
        let Some(header) = self.parse_header(bytes)? else {
            return Ok(Step::wanting(0));
        };
        let kind = match header.opcode {
            Opcode::Text => Kind::Text,
            Opcode::Binary => Kind::Binary,
            _ => return self.piece_together(bytes, workspace, limits),
        };
        limits.check(header.payload_bytes, 0)?;
        let start = header.header_bytes;
        let end = start + header.payload_bytes as usize;
        if !header.fin || end > bytes.len() {
            return self.piece_together(bytes, workspace, limits);
        }
        let payload = &mut bytes[start..end];
        let event = if kind == Kind::Text && !header.rsv1 {
            let text = match header.mask {
                Some(mask) => utf8::unmask(payload, mask),
                None => utf8::text(payload),
            };
            Event::Text(text.ok_or(WsError::Utf8)?)
        } else {
            unmask(payload, header.mask, 0);
            if header.rsv1 {
                Event::Compressed(kind, payload)
            } else {
                Event::Binary(payload)
            }
        };
        Ok(Step {
            used: end,
            event: Some(event),
        })
    }

    /// Everything but a message in one frame that is all there.
    #[inline(never)]
    fn piece_together<'a>(
        &mut self,
        bytes: &'a mut [u8],
        workspace: &'a mut Workspace,
        limits: &MessageLimits,
    ) -> Result<Step<'a>, WsError> {
        let mut at = 0;
        loop {
            if let Some(assembly) = &mut self.assembly
                && assembly.frame.is_some()
            {
                at += assembly.take(&mut bytes[at..], limits)?;
                if assembly.frame.is_some() {
                    return Ok(Step::wanting(at));
                }
            }
            if let Some(assembly) = self.assembly.take_if(|assembly| assembly.is_whole) {
                let event = workspace.last.insert(assembly).finish()?;
                return Ok(Step {
                    used: at,
                    event: Some(event),
                });
            }
            let Some(header) = self.parse_header(&bytes[at..])? else {
                return Ok(Step::wanting(at));
            };
            let start = at + header.header_bytes;
            if header.opcode.is_control() {
                let end = start + header.payload_bytes as usize;
                if end > bytes.len() {
                    return Ok(Step::wanting(at));
                }
                return control(&header, &mut bytes[start..end], end);
            }
            self.begin_frame(&header, workspace, limits)?;
            at = start;
        }
    }

    #[inline]
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<FrameHeader>, WsError> {
        parse_header(bytes, self.role, self.compression_agreed)
    }

    fn begin_frame(
        &mut self,
        header: &FrameHeader,
        workspace: &mut Workspace,
        limits: &MessageLimits,
    ) -> Result<(), WsError> {
        let begins = match header.opcode {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            _ => None,
        };
        match (&mut self.assembly, begins) {
            (None, None) => Err(WsError::ContinuationUnexpected),
            (Some(_), Some(_)) => Err(WsError::ContinuationMissing),
            (Some(assembly), None) => {
                assembly.fragments += 1;
                assembly.expect(header, limits)
            }
            (none, Some(kind)) => {
                let assembly = none.insert(workspace.assembly());
                **assembly = Assembly {
                    buffer: std::mem::take(&mut assembly.buffer),
                    kind,
                    compressed: header.rsv1,
                    ..Assembly::default()
                };
                assembly.expect(header, limits)
            }
        }
    }
}

impl MessageLimits {
    /// The same where a message may be so many bytes longer than it will be decompressed.
    #[must_use]
    pub fn with_slack(self, bytes: usize) -> Self {
        Self {
            message_bytes_max: self.message_bytes_max.saturating_add(bytes),
            message_cost_max: self.message_cost_max.saturating_add(bytes),
        }
    }

    #[inline]
    fn check(&self, bytes: u64, fragments: usize) -> Result<(), WsError> {
        let cost = bytes.saturating_add((fragments * FRAGMENT_COST) as u64);
        if bytes > self.message_bytes_max as u64 {
            Err(WsError::MessageTooBig)
        } else if cost > self.message_cost_max as u64 {
            Err(WsError::MessageTooCostly)
        } else {
            Ok(())
        }
    }
}

/// A message that is in pieces.
#[derive(Debug, Default)]
struct Assembly {
    /// What has arrived of it.
    buffer: Vec<u8>,
    kind: Kind,
    compressed: bool,
    /// Whether all of it has.
    is_whole: bool,
    /// Frames after the first.
    fragments: usize,
    text: Validator,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
}

/// A frame of which the header has arrived.
#[derive(Clone, Copy, Debug)]
struct Frame {
    fin: bool,
    mask: Option<[u8; 4]>,
    /// Bytes of payload that are done with.
    done: usize,
    /// Bytes of payload to come.
    left: usize,
}

impl Assembly {
    fn is_large(&self) -> bool {
        self.buffer.capacity() > SPARE_BYTES_MAX
    }

    /// Begins a frame; its announced length counts before any of it has arrived.
    fn expect(&mut self, header: &FrameHeader, limits: &MessageLimits) -> Result<(), WsError> {
        let bytes = self.buffer.len() as u64 + header.payload_bytes;
        limits.check(bytes, self.fragments)?;
        self.frame = Some(Frame {
            fin: header.fin,
            mask: header.mask,
            done: 0,
            left: header.payload_bytes as usize,
        });
        Ok(())
    }

    /// Takes what `bytes` has of the present frame's payload; returns how much that was.
    fn take(&mut self, bytes: &mut [u8], limits: &MessageLimits) -> Result<usize, WsError> {
        let Some(frame) = &mut self.frame else {
            return Ok(0);
        };
        let count = frame.left.min(bytes.len());
        let piece = &mut bytes[..count];
        let is_text = self.kind == Kind::Text && !self.compressed;
        let goes_on = match frame.mask {
            Some(mask) if is_text => self.text.push_masked(piece, mask, frame.done),
            None if is_text => self.text.push(piece),
            mask => {
                unmask(piece, mask, frame.done);
                true
            }
        };
        if !goes_on {
            return Err(WsError::Utf8);
        }
        (frame.done, frame.left) = (frame.done + count, frame.left - count);
        let frame = *frame;
        self.make_room(count, frame, limits);
        self.buffer.extend_from_slice(piece);
        if frame.left == 0 {
            self.frame = None;
            self.is_whole = frame.fin;
        }
        Ok(count)
    }

    /// Makes room for `count` bytes, and some of those that are announced: never much ahead of what
    /// has arrived, and never beyond the limit.
    fn make_room(&mut self, count: usize, frame: Frame, limits: &MessageLimits) {
        let len = self.buffer.len() + count;
        if len <= self.buffer.capacity() {
            return;
        }
        let announced = frame.left.min(AHEAD_BYTES_MAX.max(len));
        let ahead = if frame.fin {
            announced
        } else {
            let room = limits.message_bytes_max.saturating_sub(len);
            announced.max(len).min(room)
        };
        self.buffer.reserve_exact(count + ahead);
    }

    fn finish(&self) -> Result<Event<'_>, WsError> {
        // Its text has been checked as it arrived, but for its end; this gives it its type as well.
        Event::new(self.kind, self.compressed, &self.buffer)
    }
}

/// Unmasks a piece of a payload, if it is masked.
#[inline]
fn unmask(piece: &mut [u8], mask: Option<[u8; 4]>, done: usize) {
    if let Some(mask) = mask {
        mask::apply(piece, mask, done);
    }
}

fn control<'a>(
    header: &FrameHeader,
    payload: &'a mut [u8],
    used: usize,
) -> Result<Step<'a>, WsError> {
    unmask(payload, header.mask, 0);
    let event = match header.opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        _ => Event::Close(parse_close(payload)?),
    };
    Ok(Step {
        used,
        event: Some(event),
    })
}
