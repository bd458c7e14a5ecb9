//! A message that [`inflate`](super::inflate) puts together: room for it, and what it repeats.

use super::{InflateError, Inflater};

/// What the fast loop needs in front of it: two literals, the longest repetition, and what may be
/// written behind. That is two copies where all of a repetition but its last byte was recalled.
pub(super) const OUTPUT_SLACK: usize = 2 + 258 + 2 * COPY_BYTES;
const COPY_BYTES: usize = 16;
/// The room that a message gets at first.
const ROOM_BYTES_MIN: usize = 2 << 10;

/// The message as far as it goes.
pub(super) struct Output<'a> {
    pub(super) bytes: &'a mut Vec<u8>,
    /// Where the message begins, where it goes on, and where it has to end.
    pub(super) start: usize,
    pub(super) at: usize,
    pub(super) end_max: usize,
    pub(super) history: &'a Inflater,
}

impl Output<'_> {
    /// Sees to it that there is slack, if the limit has not been passed.
    pub(super) fn make_room(&mut self) -> Result<(), InflateError> {
        if self.at > self.end_max {
            return Err(InflateError::TooBig);
        }
        let least = self.at + OUTPUT_SLACK;
        if self.bytes.len() < least {
            let doubled = self.at + (self.at - self.start).max(ROOM_BYTES_MIN);
            let most = self.end_max.saturating_add(OUTPUT_SLACK);
            self.bytes.resize(doubled.clamp(least, most), 0);
        }
        Ok(())
    }

    /// The room that there is.
    pub(super) fn room(&mut self) -> Room<'_> {
        Room {
            bytes: self.bytes,
            start: self.start,
            at: self.at,
            history: self.history,
        }
    }

    pub(super) fn push_all(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

/// The output while it does not move.
pub(super) struct Room<'a> {
    pub(super) bytes: &'a mut [u8],
    start: usize,
    pub(super) at: usize,
    history: &'a Inflater,
}

impl Room<'_> {
    #[inline(always)]
    pub(super) fn has_slack(&self) -> bool {
        self.at + OUTPUT_SLACK <= self.bytes.len()
    }

    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        self.bytes[self.at] = byte;
        self.at += 1;
    }

    /// Repeats `length` bytes, at most 258, that stand `distance` bytes back. False, with nothing
    /// done, when there is nothing.
    #[inline(always)]
    pub(super) fn repeat(&mut self, distance: usize, mut length: usize) -> bool {
        let made = self.at - self.start;
        if distance > made {
            match self.recall(distance - made, length) {
                // What is repeated may end before the message begins.
                Some(copied) if copied == length => return true,
                Some(copied) => length -= copied,
                None => return false,
            }
        }
        let mut to = self.at;
        let from = to.wrapping_sub(distance);
        self.at += length;
        // Some more than asked for, into the slack.
        if distance == 1 {
            let some = [self.bytes[from]; COPY_BYTES];
            while to < self.at {
                self.put(to, some);
                to += COPY_BYTES;
            }
            return true;
        }
        let mut distance = distance;
        while distance < COPY_BYTES {
            // What was copied repeats itself at twice the distance.
            self.put(to, self.some(from));
            to += distance;
            distance *= 2;
        }
        // Twice always, as that is enough for most.
        self.put(to, self.some(to - distance));
        to += COPY_BYTES;
        self.put(to, self.some(to - distance));
        to += COPY_BYTES;
        while to < self.at {
            self.put(to, self.some(to - distance));
            to += COPY_BYTES;
        }
        true
    }

    #[inline(always)]
    fn some(&self, at: usize) -> [u8; COPY_BYTES] {
        let some = self.bytes[at..].first_chunk();
        *some.expect("what is copied stands before where it goes")
    }

    #[inline(always)]
    fn put(&mut self, at: usize, some: [u8; COPY_BYTES]) {
        let place = self.bytes[at..].first_chunk_mut();
        *place.expect("there is slack") = some;
    }

    /// Copies what stands `back` bytes before the message, up to its start; tells how much it was.
    #[inline(never)]
    fn recall(&mut self, back: usize, length: usize) -> Option<usize> {
        let count = length.min(back);
        let room = &mut self.bytes[self.at..self.at + count];
        if !self.history.recall(back, room) {
            return None;
        }
        self.at += count;
        Some(count)
    }
}
