//! The output of many connections, handed to the kernel in one call where it allows that.

use std::io;

use keirin_ring::{Send, SendRing};

/// Sends in one call. Enough to make the call cheap, and few enough that it does not take long.
pub(crate) const SENDS_MAX: usize = 64;

/// More output than this is sent while it is in the processor's cache, rather than in a call less.
const BYTES_MAX: usize = 8 << 10;

/// What became of a send that the kernel did not take whole: its index, and what `send(2)` would
/// have said.
pub(crate) type Short = (usize, io::Result<usize>);

/// Sends for many connections at once, or not at all.
pub(crate) struct Batch {
    ring: Option<SendRing>,
}

impl Batch {
    /// For sockets. Where the kernel has no `io_uring`, or does not allow it here, each connection
    /// is sent to by itself.
    pub(crate) fn new() -> Self {
        Self {
            ring: SendRing::new(SENDS_MAX as u32).ok(),
        }
    }

    /// For a worker that sends to each connection by itself.
    pub(crate) fn none() -> Self {
        Self { ring: None }
    }

    /// Whether this much output of a connection had better wait for that of others.
    #[inline]
    pub(crate) fn suits(&self, bytes: usize) -> bool {
        self.is_available() && (1..=BYTES_MAX).contains(&bytes)
    }

    #[inline]
    pub(crate) fn is_available(&self) -> bool {
        self.ring.is_some()
    }

    /// Hands each to the kernel. Returns how many of them were tried, and adds to `short` those
    /// that were not taken whole, in order. What was not tried has to be sent by itself.
    pub(crate) fn send<'a>(
        &mut self,
        sends: impl Iterator<Item = Send<'a>>,
        short: &mut Vec<Short>,
    ) -> usize {
        let Some(ring) = &mut self.ring else {
            return 0;
        };
        let mut count = 0;
        let sends = sends.inspect(|_| count += 1);
        match ring.send_each(sends, |index, result| short.push((index, result))) {
            Ok(()) => count,
            Err(broken) => {
                self.ring = None;
                broken.from
            }
        }
    }
}
