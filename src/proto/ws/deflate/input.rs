//! The bits of a compressed message, as [`inflate`](super::inflate) reads them.

use super::InflateError;

/// What a flush ends with, and what stays off the wire (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// At least two reads of eight bytes, the first of which moves on by up to seven.
const INPUT_SLACK: usize = 7 + 8 + 8;
/// No less than what the fast loop takes in one go: two literals of the first table, a length and a
/// distance with their extra bits, 2 * 9 + 20 + 28 bits.
const STEP_BYTES_MAX: usize = 10;
/// A message that is compressed to no more than this is copied to where something can stand behind
/// it, so that the fast loop comes to its end.
pub(super) const PADDED_BYTES_MAX: usize = 4 << 10;
pub(super) const PADDING_BYTES: usize = TAIL.len() + INPUT_SLACK - STEP_BYTES_MAX;

/// The bits of a message, the first one lowest, and of the tail that the sender left away.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    /// What was sent, and maybe the tail and padding.
    bytes: &'a [u8],
    /// How much of it was sent.
    len: usize,
    /// The fast loop may start a step before here.
    fast_end: usize,
    /// How many bytes are in `bits` or were; the tail's come last.
    pub(super) at: usize,
    pub(super) bits: u64,
    /// How many of `bits` count. The others are zeros, or as they will be.
    pub(super) count: u32,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            len: bytes.len(),
            fast_end: (bytes.len() + 1).saturating_sub(INPUT_SLACK),
            at: 0,
            bits: 0,
            count: 0,
        }
    }

    /// The same, from a copy of `bytes` with something behind it.
    pub(super) fn padded(bytes: &[u8], padded: &'a mut [u8]) -> Self {
        let (copy, behind) = padded.split_at_mut(bytes.len());
        copy.copy_from_slice(bytes);
        behind[..TAIL.len()].copy_from_slice(&TAIL);
        Self {
            len: bytes.len(),
            fast_end: (bytes.len() + TAIL.len() + 1).saturating_sub(STEP_BYTES_MAX),
            ..Self::new(padded)
        }
    }

    /// The byte that the next bit belongs to.
    #[inline(always)]
    pub(super) fn place(&self) -> usize {
        self.at - (self.count / 8) as usize
    }

    /// Whether everything that the sender has sent is used. What the tail would add to that is
    /// nothing.
    pub(super) fn is_finished(&self) -> bool {
        self.place() >= self.len
    }

    /// Whether a step of the fast loop takes only what is there, and reads no further than where
    /// something is.
    #[inline(always)]
    pub(super) fn has_slack(&self) -> bool {
        self.at < self.fast_end
    }

    /// Forgets what was read behind the tail.
    pub(super) fn give_back_padding(&mut self) {
        let behind = self.at.saturating_sub(self.len + TAIL.len());
        if behind > 0 {
            self.at -= behind;
            self.count -= 8 * behind as u32;
            self.bits &= (1 << self.count) - 1;
        }
    }

    pub(super) fn cursor(&self) -> (usize, u64, u32) {
        (self.at, self.bits, self.count)
    }

    pub(super) fn go_back(&mut self, to: (usize, u64, u32)) {
        (self.at, self.bits, self.count) = to;
    }

    /// Fills up to 56 bits or more, of bytes that are there.
    #[inline(always)]
    pub(super) fn fill_fast(&mut self) {
        let next = self.bytes[self.at..].first_chunk();
        let next = u64::from_le_bytes(*next.expect("there is slack"));
        self.bits |= next << self.count;
        self.at += ((63 - self.count) / 8) as usize;
        self.count |= 56;
    }

    /// Fills as far as there is something to fill with.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.at + 8 <= self.len {
            self.fill_fast();
        } else {
            self.fill_slowly();
        }
    }

    #[inline(never)]
    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = match self.at.checked_sub(self.len) {
                None => self.bytes[self.at],
                Some(behind) => match TAIL.get(behind) {
                    Some(&byte) => byte,
                    None => return,
                },
            };
            self.bits |= u64::from(byte) << self.count;
            self.at += 1;
            self.count += 8;
        }
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.bits >>= count;
        self.count -= count;
    }

    /// The same where there may be too few.
    pub(super) fn try_skip(&mut self, count: u32) -> Result<(), InflateError> {
        if count > self.count {
            return Err(InflateError::Corrupt);
        }
        self.skip(count);
        Ok(())
    }

    /// The next `count` bits, at most 32.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, InflateError> {
        if self.count < count {
            self.fill();
        }
        let bits = self.bits & ((1 << count) - 1);
        self.try_skip(count)?;
        Ok(bits as u32)
    }

    /// Goes on with the next whole byte.
    pub(super) fn align(&mut self) {
        self.skip(self.count & 7);
    }

    /// Up to `count` of the bytes that were sent, from a whole byte on; none where those end.
    pub(super) fn take_bytes(&mut self, count: usize) -> &'a [u8] {
        let at = self.place();
        let rest = self.bytes[..self.len].get(at..).unwrap_or_default();
        let some = &rest[..count.min(rest.len())];
        if !some.is_empty() {
            self.at = at + some.len();
            self.bits = 0;
            self.count = 0;
        }
        some
    }
}
