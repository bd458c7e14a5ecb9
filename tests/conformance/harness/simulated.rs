//! The in-memory worker: no sockets, and a clock that moves when told.

use keirin::testing::Sim;

use super::case::Setup;
use super::exchange::{After, Exchange, Outcome};
use crate::app::{self, Counters};

/// A worker with the application of a setup.
pub(crate) struct Simulated {
    sim: Sim,
    counters: Counters,
}

impl Simulated {
    pub(crate) fn new(setup: Setup) -> Self {
        let counters = Counters::default();
        let own = counters.clone();
        let sim = Sim::new(app::config(setup), move |app| app::routes(app, setup, &own));
        Self { sim, counters }
    }

    pub(crate) fn connect(&mut self) -> Client<'_> {
        let before = self.counters.read();
        let id = self.sim.connect();
        Client {
            worker: self,
            id,
            before,
            bytes: Vec::new(),
        }
    }
}

impl Exchange for Simulated {
    fn run(&mut self, segments: &[&[u8]], after: After) -> Outcome {
        let mut client = self.connect();
        for segment in segments {
            client.send(segment);
        }
        if after == After::Timeouts {
            // In steps, so that a timer set by another timer's work strikes too.
            for _ in 0..40 {
                client.advance_ms(10_000);
            }
        }
        client.leave()
    }

    fn sees_silence(&self) -> bool {
        true
    }
}

/// One connection.
pub(crate) struct Client<'a> {
    worker: &'a mut Simulated,
    id: keirin::testing::Client,
    before: (usize, usize),
    bytes: Vec<u8>,
}

impl Client<'_> {
    /// Sends unless the server has closed, and lets the worker do all it can.
    pub(crate) fn send(&mut self, segment: impl AsRef<[u8]>) {
        if !self.worker.sim.is_closed(self.id) {
            self.worker.sim.send(self.id, segment.as_ref());
            self.settle();
        }
    }

    pub(crate) fn advance_ms(&mut self, ms: u64) {
        self.worker.sim.advance_ms(ms);
        self.settle();
    }

    /// Ends the client's side of the stream.
    pub(crate) fn finish(&mut self) {
        self.worker.sim.finish(self.id);
        self.settle();
    }

    fn settle(&mut self) {
        self.worker.sim.run_until_idle();
        self.bytes.extend(self.worker.sim.received(self.id));
    }

    /// What came so far.
    pub(crate) fn outcome(&mut self) -> Outcome {
        self.settle();
        let (entered, completed) = self.worker.counters.read();
        Outcome {
            bytes: self.bytes.clone(),
            closed: self.worker.sim.is_closed(self.id),
            entered: entered - self.before.0,
            completed: completed - self.before.1,
        }
    }

    /// What came, and the connection is given up.
    pub(crate) fn leave(mut self) -> Outcome {
        let outcome = self.outcome();
        if !outcome.closed {
            self.finish();
        }
        outcome
    }
}
