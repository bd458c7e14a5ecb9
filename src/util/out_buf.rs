//! Bytes on their way out of one connection.

/// A queue of bytes with one open end.
///
/// What an encoder appends after [`open`](Self::open) can still be changed or taken back, and is
/// not offered for sending until [`seal`](Self::seal). An answer's head is written that way, so it
/// goes straight into its final place and yet can be replaced by an error.
#[derive(Default)]
pub(crate) struct OutBuf {
    bytes: Vec<u8>,
    /// How much of `bytes` the peer's kernel has. 0 <= sent <= open_at <= bytes.len()
    sent: usize,
    /// Where the open part begins, if there is one.
    open_at: Option<usize>,
}

/// Below this a moved front is cheaper to leave where it is.
const COMPACT_BYTES_MIN: usize = 64 << 10;

impl OutBuf {
    /// Bytes not yet sent, the open part included.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when it owns no memory.
    pub(crate) fn is_unallocated(&self) -> bool {
        self.bytes.capacity() == 0
    }

    /// Gives an empty buffer memory to write into.
    pub(crate) fn adopt(&mut self, spare: Vec<u8>) {
        debug_assert!(self.is_empty() && spare.is_empty());
        self.bytes = spare;
        self.sent = 0;
    }

    /// Takes the memory of a drained buffer; `None` while there is something in it.
    pub(crate) fn release(&mut self) -> Option<Vec<u8>> {
        if !self.is_empty() || self.open_at.is_some() {
            return None;
        }
        self.sent = 0;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        Some(bytes)
    }

    /// Where encoders append.
    #[inline]
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Holds back what is appended from here on.
    #[inline]
    pub(crate) fn open(&mut self) {
        debug_assert!(self.open_at.is_none());
        self.open_at = Some(self.bytes.len());
    }

    /// Bytes that are held back.
    pub(crate) fn open_len(&self) -> usize {
        self.open_at.map_or(0, |at| self.bytes.len() - at)
    }

    /// Releases what was held back.
    #[inline]
    pub(crate) fn seal(&mut self) {
        self.open_at = None;
    }

    /// Forgets what was held back.
    pub(crate) fn rollback(&mut self) {
        if let Some(at) = self.open_at.take() {
            self.bytes.truncate(at);
        }
    }

    /// Replaces the first `len` bytes of the open part.
    pub(crate) fn replace_open_front(&mut self, len: usize, with: &[u8]) {
        if let Some(at) = self.open_at {
            self.bytes.splice(at..at + len, with.iter().copied());
        }
    }

    /// Puts `bytes` before the open part, or at the end when nothing is open.
    pub(crate) fn insert_sealed(&mut self, bytes: &[u8]) {
        let at = self.open_at.unwrap_or(self.bytes.len());
        self.bytes.splice(at..at, bytes.iter().copied());
        self.open_at = self.open_at.map(|at| at + bytes.len());
    }

    /// What may be sent now.
    #[inline]
    pub(crate) fn ready(&self) -> &[u8] {
        &self.bytes[self.sent..self.open_at.unwrap_or(self.bytes.len())]
    }

    /// Drops `count` sent bytes from the front.
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.ready().len());
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.open_at = self.open_at.map(|_| 0);
            self.sent = 0;
        } else if self.sent >= COMPACT_BYTES_MIN && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.open_at = self.open_at.map(|at| at - self.sent);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_head_waits_can_be_changed_and_can_be_taken_back() {
        let mut out = OutBuf::default();
        out.tail().extend(b"first");
        out.open();
        out.tail().extend(b"200 OK rest");
        assert_eq!(out.ready(), b"first");
        out.consume(3);
        out.replace_open_front(6, b"404 Not Found");
        assert_eq!(out.ready(), b"st");
        out.seal();
        assert_eq!(out.ready(), b"st404 Not Found rest");
        out.open();
        out.tail().extend(b"never");
        out.rollback();
        assert_eq!(out.ready(), b"st404 Not Found rest");
        assert!(out.release().is_none());
        out.consume(out.len());
        assert_eq!(out.release().map(|bytes| bytes.len()), Some(0));
        assert!(out.is_unallocated());
    }

    #[test]
    fn the_front_is_moved_out_of_a_long_queue() {
        let mut out = OutBuf::default();
        out.tail().extend((0..200_000_u32).map(|n| n as u8));
        out.open();
        out.tail().extend(b"head");
        out.consume(150_000);
        assert_eq!(out.bytes.len(), 50_004);
        assert_eq!(out.ready()[0], 150_000_u32 as u8);
        out.seal();
        assert!(out.ready().ends_with(b"head"));
    }
}
