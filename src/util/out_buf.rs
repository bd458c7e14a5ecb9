//! Bytes on their way out of one connection.

/// A queue of bytes with one open end.
///
/// What an encoder appends after [`open`](Self::open) can still be changed or taken back, and is
/// not offered for sending until [`seal`](Self::seal). An answer's head is written that way, so it
/// goes straight into its final place and yet can be replaced by an error.
///
/// It is one pointer wide, and owns nothing while there is nothing in it: what it stands for is
/// lent to it.
#[derive(Default)]
pub(crate) struct OutBuf(Option<Box<Queue>>);

/// The memory of a queue.
#[derive(Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    /// How much of `bytes` the peer's kernel has. 0 <= sent <= open_at <= bytes.len()
    sent: usize,
    /// Where the open part begins, if there is one.
    open_at: Option<usize>,
}

impl Queue {
    pub(crate) fn with_capacity(bytes: usize) -> Box<Self> {
        Box::new(Self {
            bytes: Vec::with_capacity(bytes),
            ..Self::default()
        })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Below this a moved front is cheaper to leave where it is.
const COMPACT_BYTES_MIN: usize = 64 << 10;

impl OutBuf {
    /// Bytes not yet sent, the open part included.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let Some(queue) = &self.0 else { return 0 };
        queue.bytes.len() - queue.sent
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when it owns no memory.
    #[inline]
    pub(crate) fn is_unallocated(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes of memory that it owns.
    #[cfg(feature = "testing")]
    pub(crate) fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.capacity())
    }

    /// Gives an empty buffer memory to write into.
    #[inline]
    pub(crate) fn adopt(&mut self, spare: Box<Queue>) {
        debug_assert!(self.is_empty() && spare.bytes.is_empty());
        self.0 = Some(spare);
    }

    /// Takes the memory of a drained buffer; `None` while there is something in it.
    #[inline]
    pub(crate) fn release(&mut self) -> Option<Box<Queue>> {
        let drained =
            |queue: &mut Box<Queue>| queue.sent == queue.bytes.len() && queue.open_at.is_none();
        let mut queue = self.0.take_if(drained)?;
        queue.sent = 0;
        queue.bytes.clear();
        Some(queue)
    }

    /// Where encoders append.
    #[inline]
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.queue().bytes
    }

    #[inline]
    fn queue(&mut self) -> &mut Queue {
        self.0.get_or_insert_default()
    }

    /// Holds back what is appended from here on.
    #[inline]
    pub(crate) fn open(&mut self) {
        let queue = self.queue();
        debug_assert!(queue.open_at.is_none());
        queue.open_at = Some(queue.bytes.len());
    }

    /// Bytes that are held back.
    pub(crate) fn open_len(&self) -> usize {
        let Some(queue) = &self.0 else { return 0 };
        queue.open_at.map_or(0, |at| queue.bytes.len() - at)
    }

    /// Releases what was held back.
    #[inline]
    pub(crate) fn seal(&mut self) {
        self.queue().open_at = None;
    }

    /// Forgets what was held back.
    pub(crate) fn rollback(&mut self) {
        if let Some(queue) = &mut self.0
            && let Some(at) = queue.open_at.take()
        {
            queue.bytes.truncate(at);
        }
    }

    /// Replaces the first line of the open part, its end included.
    pub(crate) fn replace_open_line(&mut self, with: &[u8]) {
        let queue = self.queue();
        if let Some(at) = queue.open_at {
            let line = queue.bytes[at..].iter().position(|&byte| byte == b'\n');
            let end = line.map_or(queue.bytes.len(), |line| at + line + 1);
            queue.bytes.splice(at..end, with.iter().copied());
        }
    }

    /// Puts `bytes` before the open part, or at the end when nothing is open.
    pub(crate) fn insert_sealed(&mut self, bytes: &[u8]) {
        let queue = self.queue();
        let at = queue.open_at.unwrap_or(queue.bytes.len());
        queue.bytes.splice(at..at, bytes.iter().copied());
        queue.open_at = queue.open_at.map(|at| at + bytes.len());
    }

    /// What may be sent now.
    #[inline]
    pub(crate) fn ready(&self) -> &[u8] {
        let Some(queue) = &self.0 else { return &[] };
        &queue.bytes[queue.sent..queue.open_at.unwrap_or(queue.bytes.len())]
    }

    /// Drops `count` sent bytes from the front.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.ready().len());
        let Some(queue) = &mut self.0 else { return };
        queue.sent += count;
        if queue.sent == queue.bytes.len() {
            queue.bytes.clear();
            queue.open_at = queue.open_at.map(|_| 0);
            queue.sent = 0;
        } else if queue.sent >= COMPACT_BYTES_MIN && queue.sent >= queue.bytes.len() / 2 {
            queue.bytes.drain(..queue.sent);
            queue.open_at = queue.open_at.map(|at| at - queue.sent);
            queue.sent = 0;
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
        out.tail().extend(b"200 OK\r\nrest");
        assert_eq!(out.ready(), b"first");
        out.consume(3);
        out.replace_open_line(b"404 Not Found\r\n");
        assert_eq!(out.ready(), b"st");
        out.seal();
        assert_eq!(out.ready(), b"st404 Not Found\r\nrest");
        out.open();
        out.tail().extend(b"never");
        out.rollback();
        assert_eq!(out.ready(), b"st404 Not Found\r\nrest");
        assert!(out.release().is_none());
        out.consume(out.len());
        assert_eq!(out.release().map(|queue| queue.bytes.len()), Some(0));
        assert!(out.is_unallocated());
    }

    #[test]
    fn the_front_is_moved_out_of_a_long_queue() {
        let mut out = OutBuf::default();
        out.tail().extend((0..200_000_u32).map(|n| n as u8));
        out.open();
        out.tail().extend(b"head");
        out.consume(150_000);
        assert_eq!(out.queue().bytes.len(), 50_004);
        assert_eq!(out.ready()[0], 150_000_u32 as u8);
        out.seal();
        assert!(out.ready().ends_with(b"head"));
    }
}
