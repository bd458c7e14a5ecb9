//! HTTP requests in a closed loop.

use crate::load::closed_loop::Client;
use crate::load::verify::{Content, Errors, Lost, Verifier};

/// The requests on one connection, always the same, and the check of their answers.
#[derive(Debug)]
pub struct Requests<'a> {
    verifier: Verifier<'a>,
    batch: &'a [u8],
    in_flight: usize,
    /// Bytes of the current batch still to be sent.
    unsent: usize,
}

impl<'a> Requests<'a> {
    /// Batches of `in_flight` requests, which are answered by `body` each.
    #[must_use]
    pub fn new(batch: &'a [u8], in_flight: usize, body: &'a [u8], content: Content) -> Self {
        Self {
            verifier: Verifier::new(body, content),
            batch,
            in_flight,
            unsent: 0,
        }
    }
}

impl Client for Requests<'_> {
    fn begin_batch(&mut self) {
        self.verifier.sent(self.in_flight);
        self.unsent = self.batch.len();
    }

    fn unsent(&self) -> &[u8] {
        &self.batch[self.batch.len() - self.unsent..]
    }

    fn mark_sent(&mut self, bytes: usize) {
        self.unsent -= bytes;
    }

    fn feed(&mut self, bytes: &[u8], errors: &mut Errors) -> Result<usize, Lost> {
        self.verifier.feed(bytes, errors)
    }

    fn pending(&self) -> usize {
        self.verifier.pending()
    }

    fn answer_bytes(&self) -> Option<usize> {
        self.verifier.response_bytes()
    }
}
