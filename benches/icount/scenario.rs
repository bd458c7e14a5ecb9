//! Scenarios that run in memory: a worker, one client, and requests that it sends over and over.

use std::fmt::Write as _;
use std::hint::black_box;

use keirin::testing::{Client, Sim};
use keirin::{App, Config};

use crate::requests::{BROWSER, MINIMAL};

const JSON: &str = "GET /json HTTP/1.1\r\nHost: localhost\r\nUser-Agent: keirin-bench\r\n\r\n";

/// A request, and how many of it the client sends before it reads.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) request: &'static str,
    pub(crate) pipelined: usize,
}

/// Every scenario.
pub(crate) const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "hello",
        request: MINIMAL,
        pipelined: 1,
    },
    Scenario {
        name: "hello16",
        request: MINIMAL,
        pipelined: 16,
    },
    Scenario {
        name: "headers20",
        request: BROWSER,
        pipelined: 1,
    },
    Scenario {
        name: "json",
        request: JSON,
        pipelined: 1,
    },
];

/// A worker with one connected client.
pub(crate) struct Bench {
    sim: Sim,
    client: Client,
    /// As many requests as the client pipelines.
    requests: Vec<u8>,
    scenario: Scenario,
    /// Bytes of one answer.
    answer: usize,
}

impl Bench {
    /// Connects, and has one request answered: what happens once is over before counting begins.
    pub(crate) fn new(scenario: Scenario) -> Self {
        let mut sim = Sim::new(Config::default(), routes);
        let client = sim.connect();
        sim.run_until_idle();
        let mut bench = Self {
            sim,
            client,
            requests: scenario.request.repeat(scenario.pipelined).into_bytes(),
            scenario,
            answer: 0,
        };
        let answer = bench.exchange(1);
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        bench.answer = answer.len();
        bench
    }

    /// Sends `requests` requests, in batches, and reads every batch's answers before the next.
    pub(crate) fn run(&mut self, requests: usize) {
        let mut left = requests;
        while left > 0 {
            let batch = left.min(self.scenario.pipelined);
            let answers = self.exchange(batch);
            assert_eq!(answers.len(), batch * self.answer, "an answer per request");
            left -= batch;
        }
    }

    fn exchange(&mut self, batch: usize) -> Vec<u8> {
        let bytes = &self.requests[..batch * self.scenario.request.len()];
        self.sim.send(self.client, bytes);
        self.sim.turn();
        self.sim.received(self.client)
    }
}

/// Answers as the comparison's server gives them.
fn routes(app: &mut App) {
    app.get("/", |res, _req| res.end(b"Hello world!"));
    app.get("/json", |mut res, _req| {
        res.header("Content-Type", b"application/json");
        res.end(json().as_bytes())
    });
}

/// A text that is composed anew for each request.
fn json() -> String {
    // Hidden from the optimiser, which could otherwise compose the text once at build time.
    let riders = black_box([("Aiko Tanaka", 10_912), ("Marit de Vries", 11_034)]);
    let mut text = String::with_capacity(128);
    for (place, (name, milliseconds)) in riders.into_iter().enumerate() {
        let before = if place == 0 { "[" } else { "," };
        let _ = write!(
            text,
            "{before}{{\"name\":\"{name}\",\"milliseconds\":{milliseconds}}}"
        );
    }
    text.push(']');
    text
}
