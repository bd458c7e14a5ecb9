//! What came of a comparison: every sample, and what may be said of them.
//!
//! - [`environment`]: the machine, and how it was measured;
//! - [`places`]: what stands in it instead of paths and hosts;
//! - [`table`]: for a terminal; [`html`], a page with [`chart`]s; [`markdown`], one for the
//!   documentation; and JSON, by serde.

use serde::Serialize;

use crate::Result;
use crate::load::idle::Memory;
use crate::load::verify::Errors;
use crate::peers::catalogue::NULL;
use crate::peers::{Missing, Peer};
use crate::run::measure::{LatencySample, Sample, SoakSample};
use crate::scenarios::Row;
use crate::statistics::{self, Spread};

pub use environment::Environment;

pub mod chart;
pub mod environment;
pub mod html;
pub mod markdown;
pub mod places;
pub mod table;

/// A server at its limit uses so much of its core.
pub const SERVER_BUSY_MIN: f64 = 0.97;
/// A generator that is not at its limit uses at most so much of its cores.
pub const GENERATOR_BUSY_MAX: f64 = 0.90;
/// A generator that could do more is so much faster against the null server.
pub const HEADROOM_MIN: f64 = 1.5;
/// Above this share of the window spent waiting for a core, somebody else was using the machine.
pub const WAITED_MAX: f64 = 0.05;
/// A generator that sends later than this is not on time.
pub const LAG_US_MAX: f64 = 250.0;

/// The result of a comparison. `Display` writes the tables.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it came about.
    pub environment: Environment,
    /// Who was measured, beside the null server.
    pub peers: Vec<Peer>,
    /// Who could not be.
    pub missing: Vec<Missing>,
    /// The rows of the closed loop.
    pub rows: Vec<RowResult>,
    /// Those measured in memory.
    pub memory: Vec<MemoryResult>,
    /// Those at fixed rates.
    pub latency: Vec<LatencyResult>,
    /// The soak, if there was one.
    pub soak: Option<SoakResult>,
    /// Somebody ended it before all was measured.
    pub stopped: bool,
}

/// The samples of one server in one row: sample `i` of each server belongs to the same round.
#[derive(Clone, Debug, Serialize)]
pub struct Series<T> {
    /// The server.
    pub name: String,
    /// What each run showed.
    pub samples: Vec<T>,
    /// Why there are fewer runs than of others.
    pub failure: Option<String>,
}

impl<T> Series<T> {
    /// Without samples.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            samples: Vec::new(),
            failure: None,
        }
    }

    /// The spread of a figure.
    pub fn spread(&self, figure: impl Fn(&T) -> f64) -> Option<Spread> {
        Spread::of(self.samples.iter().map(figure))
    }
}

impl Series<Sample> {
    /// Measured as often as it should have been, with right answers each time.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.failure.is_none() && self.samples.iter().all(Sample::is_valid)
    }
}

/// The samples of one row.
#[derive(Clone, Debug, Serialize)]
pub struct RowResult {
    /// What was asked.
    pub row: Row,
    /// The servers.
    pub servers: Vec<Series<Sample>>,
}

/// The samples of one scenario of idle connections.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryResult {
    /// What was asked.
    pub row: Row,
    /// The servers.
    pub servers: Vec<Series<Memory>>,
}

/// The samples of one row at fixed rates.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyResult {
    /// What was asked.
    pub row: Row,
    /// Each rate.
    pub rates: Vec<RateResult>,
}

impl LatencyResult {
    /// Of a row for which no rates are known, as the null server could not be asked.
    #[must_use]
    pub fn failed(row: Row, error: &dyn std::error::Error) -> Self {
        let mut null = Series::new(NULL);
        null.failure = Some(error.to_string());
        let rate = RateResult {
            share: 0.0,
            per_s: 0.0,
            servers: vec![null],
        };
        let rates = vec![rate];
        Self { row, rates }
    }
}

/// The samples of one rate.
#[derive(Clone, Debug, Serialize)]
pub struct RateResult {
    /// Its share of what the null server can do.
    pub share: f64,
    /// Requests a second.
    pub per_s: f64,
    /// The servers.
    pub servers: Vec<Series<LatencySample>>,
}

/// What a soak showed.
#[derive(Clone, Debug, Serialize)]
pub struct SoakResult {
    /// What was asked.
    pub row: Row,
    /// The servers.
    pub servers: Vec<Series<SoakSample>>,
}

/// Whether a throughput is what the server can do at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// It was the server that could not do more.
    Proven,
    /// It may have been something else.
    NotProven(Vec<String>),
}

impl RowResult {
    /// The samples of a server.
    #[must_use]
    pub fn samples(&self, server: &str) -> Option<&[Sample]> {
        let found = self.servers.iter().find(|series| series.name == server);
        found.map(|series| series.samples.as_slice())
    }

    /// The server's CPU time per request as a multiple of another's, taken round by round. `None`
    /// where one of the two was not measured, failed or answered wrongly.
    #[must_use]
    pub fn ratio(&self, server: &str, to: &str) -> Option<Spread> {
        let costs = |name: &str| -> Option<Vec<f64>> {
            let series = self.servers.iter().find(|series| series.name == name)?;
            let costs = series.samples.iter().map(|sample| sample.cpu_us);
            series.is_valid().then(|| costs.collect())
        };
        statistics::ratio(&costs(server)?, &costs(to)?)
    }

    /// Whether the throughput of `server` is proven to be its own limit: it had its core for
    /// itself and used it up, and the generator had time to spare, in the run itself and by what
    /// it can do against the null server. Where the null server was the limit there, what the
    /// generator can do is reckoned from the time it had left.
    #[must_use]
    pub fn capacity(&self, server: &str) -> Capacity {
        let median = |name: &str, figure: fn(&Sample) -> f64| {
            let samples = self.samples(name).into_iter().flatten();
            Spread::of(samples.map(figure)).map_or(0.0, |spread| spread.median)
        };
        let mut doubts = Vec::new();
        let busy = median(server, |s| s.server_busy);
        if busy < SERVER_BUSY_MIN {
            doubts.push(format!("server at {:.0} %", busy * 100.0));
        }
        let generator = median(server, |s| s.generator_busy);
        if generator > GENERATOR_BUSY_MAX {
            doubts.push(format!("generator at {:.0} %", generator * 100.0));
        }
        let can = median(NULL, |s| {
            s.operations_per_s / s.generator_busy.clamp(0.01, 1.0)
        });
        let headroom = can / median(server, |s| s.operations_per_s).max(1.0);
        // Another load than the row's is no measure of the generator.
        if self.row.base() == self.row && headroom < HEADROOM_MIN {
            doubts.push(format!("generator only {headroom:.2} times as fast"));
        }
        if doubts.is_empty() {
            Capacity::Proven
        } else {
            Capacity::NotProven(doubts)
        }
    }

    /// All that should be known beside the figures of a server.
    #[must_use]
    pub fn notes(&self, series: &Series<Sample>, connections: usize) -> Vec<String> {
        let (samples, base) = (&series.samples, self.row.base());
        let mut notes = Vec::new();
        if let Some(failure) = &series.failure {
            notes.push(format!("FAILED: {failure}"));
        }
        if series.name == NULL && base != self.row {
            notes.push(format!(
                "measured with {}, {} in flight",
                base.task, base.in_flight
            ));
        }
        if !samples.iter().all(Sample::is_valid) {
            let mut errors = Errors::default();
            samples.iter().for_each(|s| errors += s.errors);
            let none = samples.iter().any(|s| s.operations == 0);
            let none = if none { ", no answer" } else { "" };
            notes.push(format!("INVALID: {errors}{none}"));
        }
        let waited = samples.iter().map(|s| s.waited).fold(0.0, f64::max);
        if waited > WAITED_MAX {
            let share = waited * 100.0;
            notes.push(format!(
                "disturbed: waited for a core up to {share:.0} % of the time"
            ));
        }
        let used = samples.iter().map(|s| s.connections).max();
        if let Some(used) = used.filter(|&n| n != connections) {
            notes.push(format!("{used} connections"));
        }
        if let Some(sample) = samples.iter().find(|s| s.compressed_bytes.is_some()) {
            let (own, ours) = (
                sample.answer_bytes,
                sample.compressed_bytes.unwrap_or_default(),
            );
            notes.push(format!("replies of {own} bytes, requests of {ours}"));
        }
        let bytes = |samples: &[Sample]| samples.iter().map(|s| s.answer_bytes).max();
        let (own, null) = (bytes(samples), self.samples(NULL).and_then(bytes));
        if let (Some(own), Some(null)) = (own, null)
            && own != null
            && base == self.row
        {
            notes.push(format!("answers of {own} bytes, null's have {null}"));
        }
        notes
    }
}

impl Report {
    /// Every answer of every server was right.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let rows = self.rows.iter().flat_map(|row| &row.servers);
        let memory = self.memory.iter().flat_map(|row| &row.servers);
        let rates = self.latency.iter().flat_map(|row| &row.rates);
        let latency = rates.flat_map(|rate| &rate.servers);
        let soak = self.soak.iter().flat_map(|soak| &soak.servers);
        are_valid(rows, Sample::is_valid)
            && are_valid(memory, Memory::is_valid)
            && are_valid(latency, |sample| sample.errors.total() == 0)
            && are_valid(soak, |sample| sample.errors.total() == 0)
    }

    /// What should be known of all figures: machine, measurement, and warnings where there are any
    /// due. Some lines.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = self.environment.describe();
        if self.stopped {
            text.push_str("\nSTOPPED before all was measured");
        }
        text
    }

    /// Everything, as JSON.
    ///
    /// # Errors
    /// None that are known: all of it is plain data.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// The servers that figures are compared with.
    #[must_use]
    pub fn bases(&self) -> Vec<&str> {
        let base = self.environment.base.as_str();
        let mut bases = vec![NULL];
        // Beside these two, there has to be somebody to compare.
        if self.peers.len() > 1 && self.peers.iter().any(|peer| peer.name == base) {
            bases.push(base);
        }
        bases
    }
}

fn are_valid<'a, T: 'a>(
    mut servers: impl Iterator<Item = &'a Series<T>>,
    is_valid: impl Fn(&T) -> bool,
) -> bool {
    servers.all(|series| series.failure.is_none() && series.samples.iter().all(&is_valid))
}

/// A ratio with its spread, or that it is none.
#[must_use]
pub fn show_ratio(ratio: Option<Spread>) -> String {
    match ratio {
        None => "-".to_owned(),
        Some(spread) if spread.count == 1 => format!("one run: {:.2}", spread.median),
        Some(spread) if spread.is_tie() => format!("tie: {}", spread.show(2)),
        Some(spread) => spread.show(2),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::peers::catalogue::KEIRIN;
    use crate::run::process::MemoryUse;
    use crate::scenarios::rows_of;

    pub(crate) const GOOD: Sample = Sample {
        operations: 1000,
        operations_per_s: 2000.0,
        cpu_us: 6.0,
        user_us: Some(1.0),
        errors: Errors {
            bad_status: 0,
            bad_length: 0,
            bad_body: 0,
            bad_opcode: 0,
            bad_order: 0,
            unexpected_close: 0,
            unanswered: 0,
        },
        connections: 64,
        answer_bytes: 87,
        compressed_bytes: None,
        server_busy: 0.99,
        generator_busy: 0.8,
        generator_threads: 1,
        waited: 0.0,
        memory: MemoryUse {
            start_bytes: 1 << 20,
            peak_bytes: 2 << 20,
            drained_bytes: 1 << 20,
        },
    };

    pub(crate) fn series(name: &str, samples: &[Sample]) -> Series<Sample> {
        Series {
            name: name.to_owned(),
            samples: samples.to_vec(),
            failure: None,
        }
    }

    pub(crate) fn report(null: &[Sample], keirin: &[Sample]) -> Report {
        Report {
            environment: Environment::for_tests(null.len()),
            peers: Vec::new(),
            missing: Vec::new(),
            rows: vec![RowResult {
                row: rows_of("hello").unwrap()[0],
                servers: vec![series(NULL, null), series(KEIRIN, keirin)],
            }],
            memory: Vec::new(),
            latency: Vec::new(),
            soak: None,
            stopped: false,
        }
    }

    fn costing(cpu_us: f64) -> Sample {
        Sample { cpu_us, ..GOOD }
    }

    fn notes(report: &Report) -> String {
        let row = &report.rows[0];
        row.notes(&row.servers[1], 64).join("; ")
    }

    #[test]
    fn errors_make_a_row_invalid() {
        let errors = Errors {
            bad_body: 3,
            ..Errors::default()
        };
        let report = report(&[GOOD, GOOD], &[GOOD, Sample { errors, ..GOOD }]);
        assert!(!report.is_valid());
        assert_eq!(report.rows[0].ratio(KEIRIN, NULL), None);
        assert!(notes(&report).contains("INVALID: 3 errors (status 0, length 0, body 3,"));
    }

    #[test]
    fn a_server_that_answers_nothing_or_does_not_start_is_invalid() {
        let silent = Sample {
            operations: 0,
            ..GOOD
        };
        assert!(!report(&[GOOD], &[silent]).is_valid());
        let mut report = report(&[GOOD], &[GOOD]);
        assert!(report.is_valid());
        assert!(report.rows[0].ratio(KEIRIN, NULL).is_some());
        report.rows[0].servers[1].failure = Some("ended at once".to_owned());
        assert!(!report.is_valid());
        assert_eq!(report.rows[0].ratio(KEIRIN, NULL), None);
        assert!(notes(&report).contains("FAILED: ended at once"));
    }

    #[test]
    fn a_capacity_is_proven_by_all_three_conditions() {
        let slow = Sample {
            operations_per_s: 1000.0,
            ..GOOD
        };
        // The generator answered 2000 a second at 80 % of its time.
        let proven = |sample| report(&[GOOD], &[sample]).rows[0].capacity(KEIRIN);
        assert_eq!(proven(slow), Capacity::Proven);
        let doubts = |sample| match proven(sample) {
            Capacity::Proven => String::new(),
            Capacity::NotProven(doubts) => doubts.join("; "),
        };
        let at_rest = Sample {
            server_busy: 0.96,
            ..slow
        };
        assert_eq!(doubts(at_rest), "server at 96 %");
        let bound = Sample {
            generator_busy: 0.91,
            ..slow
        };
        assert_eq!(doubts(bound), "generator at 91 %");
        assert_eq!(doubts(GOOD), "generator only 1.25 times as fast");
    }

    #[test]
    fn conditions_that_spoil_a_figure_are_noted() {
        let waited = Sample {
            waited: 0.31,
            ..GOOD
        };
        let text = notes(&report(&[GOOD], &[waited]));
        assert!(
            text.contains("disturbed: waited for a core up to 31 %"),
            "{text}"
        );
        let longer = Sample {
            answer_bytes: 90,
            ..GOOD
        };
        let text = notes(&report(&[GOOD], &[longer]));
        assert!(
            text.contains("answers of 90 bytes, null's have 87"),
            "{text}"
        );
    }

    #[test]
    fn ratios_within_the_spread_are_ties() {
        let of = |costs: &[f64]| {
            let samples: Vec<_> = costs.iter().map(|&cost| costing(cost)).collect();
            let nulls = vec![costing(4.0); costs.len()];
            show_ratio(report(&nulls, &samples).rows[0].ratio(KEIRIN, NULL))
        };
        assert_eq!(of(&[6.0, 8.0]), "1.75 (1.50..2.00)");
        assert_eq!(of(&[3.0, 8.0, 5.0]), "tie: 1.25 (0.75..2.00)");
        assert_eq!(of(&[6.0]), "one run: 1.50");
    }

    #[test]
    fn json_has_every_sample() {
        let json = report(&[GOOD], &[GOOD]).json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["rows"][0]["row"]["scenario"], "hello");
        assert_eq!(value["rows"][0]["servers"][1]["name"], "keirin");
        assert_eq!(value["rows"][0]["servers"][1]["samples"][0]["cpu_us"], 6.0);
    }
}
