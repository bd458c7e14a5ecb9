//! The comparison: fresh servers in turn, the server on one core and the generator on others, CPU
//! time and memory read at the edges of each window.
//!
//! - [`process`]: server processes, pinning, what they use;
//! - [`measure`]: one run of one server;
//! - [`progress`]: how long it will still take.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Result;
use crate::load::idle::Memory;
use crate::load::verify::Content;
use crate::peers::catalogue::NULL;
use crate::peers::{Missing, Peer, gate};
use crate::report::{
    Environment, LatencyResult, MemoryResult, RateResult, Report, RowResult, Series, SoakResult,
};
use crate::scenarios::websocket::Scenario;
use crate::scenarios::{Duty, Row, Task};
use crate::statistics::Spread;

use measure::{Contestant, Cores, LatencySample, Sample, SoakSample};
use progress::Progress;

pub mod measure;
pub mod process;
pub mod progress;

/// Of what the null server can do: the rates of the experiment on latency.
pub const SHARES: [f64; 5] = [0.10, 0.25, 0.50, 0.75, 0.90];
/// Of what a server can do: the rate of a soak.
const SOAK_SHARE: f64 = 0.7;
/// What a run takes beside its warm-up and window: start, connections, drain, end.
const OVERHEAD: Duration = Duration::from_millis(120);
/// The same for each thousand connections.
const OVERHEAD_OF_1000: Duration = Duration::from_millis(180);
/// What a run may take at most, beside 30 times its window.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// What the trials of the gate may take.
const GATE_LIMIT: Duration = Duration::from_secs(120);
/// Warm-up of servers that are compiled while they run, at least.
const WARM_UP_MIN: Duration = Duration::from_millis(300);

/// What to compare, and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `keirin-bench` executable, which is also the null server and the server on keirin.
    pub executable: PathBuf,
    /// The command that asked for it.
    pub command: String,
    /// The rows to measure in a closed loop.
    pub rows: Vec<Row>,
    /// The rows to measure at fixed rates.
    pub latency: Vec<Row>,
    /// What to ask for in a soak, and how long; its rate is 70 % of what each server can do.
    pub soak: Option<(Row, Duration)>,
    /// The servers beside the null server.
    pub peers: Vec<Peer>,
    /// Those that could not be made.
    pub missing: Vec<Missing>,
    /// The server that others are compared with, beside the null server.
    pub base: String,
    /// Runs per server and row.
    pub runs: usize,
    /// Time before each window in which nothing is counted.
    pub warm_up: Duration,
    /// The measured window of each run.
    pub window: Duration,
    /// Connections of the generator.
    pub connections: usize,
    /// The most threads of the generator, each on a core of its own.
    pub threads_max: usize,
    /// The compression that servers are told to use where there is any.
    pub deflate: String,
    /// How many contents to compare, except with the null server.
    pub content: Content,
    /// Whether servers are tried out beforehand.
    pub gate: bool,
    /// Set when somebody wants an end: the run under way is the last then.
    pub stop: Arc<AtomicBool>,
}

impl Options {
    /// Makes it one run of a fifth of a second that compares all contents: a check of the
    /// instrument and the servers, whose figures mean nothing.
    pub fn quicken(&mut self) {
        self.runs = 1;
        self.content = Content::All;
        self.set_window(Duration::from_millis(200));
    }

    /// Measures for `window` in each run, after a warm-up of a third of that.
    pub fn set_window(&mut self, window: Duration) {
        self.window = window;
        self.warm_up = window / 3;
    }

    /// Chooses the window so that all takes `time`, as far as anybody knows beforehand; between
    /// 0.2 s and 3 s.
    pub fn fit(&mut self, time: Duration) {
        let (min, max) = (Duration::from_millis(200), Duration::from_secs(3));
        self.set_window(max);
        for ms in (200..3000).rev().step_by(20) {
            if self.planned() <= time {
                return;
            }
            self.set_window(Duration::from_millis(ms).max(min));
        }
    }

    /// How long all of it should take.
    #[must_use]
    pub fn planned(&self) -> Duration {
        let mut planned = Duration::ZERO;
        for &row in &self.rows {
            planned += self.planned_round(row) * self.runs_of(row) as u32;
        }
        for &row in &self.latency {
            planned += self.planned_round(row) * (self.latency_runs() * SHARES.len()) as u32;
        }
        if let Some((row, time)) = self.soak {
            let servers = self.contestants(row.task.duty()).count() as u32;
            planned += servers * (time + self.planned_run(row, false) + OVERHEAD);
        }
        planned
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A run that takes longer than this hangs: what is slow has had 20 windows by then.
    #[must_use]
    pub fn run_limit(&self) -> Duration {
        RUN_LIMIT + (self.warm_up_of(true) + self.window) * 30
    }

    /// Memory of idle connections hardly differs between runs, which take long.
    fn runs_of(&self, row: Row) -> usize {
        match row.task {
            Task::WebSocket(Scenario::Idle { .. }) => self.runs.min(2),
            _ => self.runs,
        }
    }

    /// Latency needs fewer runs than capacity: each sees thousands of requests.
    fn latency_runs(&self) -> usize {
        self.runs.min(3)
    }

    fn planned_round(&self, row: Row) -> Duration {
        let servers = self.contestants(row.task.duty());
        servers
            .map(|peer| self.planned_run(row, peer.is_some_and(|p| p.warms_up)))
            .sum()
    }

    fn planned_run(&self, row: Row, warms_up: bool) -> Duration {
        let connections = match row.task {
            Task::WebSocket(Scenario::Idle { connections, .. }) => connections * 2,
            Task::WebSocket(Scenario::Publish { subscribers, .. }) => subscribers,
            _ => self.connections,
        };
        let overhead = OVERHEAD + OVERHEAD_OF_1000 * (connections / 1000) as u32;
        if let Task::WebSocket(Scenario::Idle { .. }) = row.task {
            return overhead;
        }
        overhead + self.warm_up_of(warms_up) + self.window
    }

    fn warm_up_of(&self, warms_up: bool) -> Duration {
        if warms_up {
            self.warm_up.max(WARM_UP_MIN)
        } else {
            self.warm_up
        }
    }

    /// Whoever can do it; `None` is the null server.
    fn contestants(&self, duty: Duty) -> impl Iterator<Item = Option<&Peer>> {
        let able = self
            .peers
            .iter()
            .filter(move |peer| peer.duties.contains(&duty));
        std::iter::once(None).chain(able.map(Some))
    }
}

/// Runs the comparison, and hands what there is to `keep` after each row. Pins the calling thread
/// to the generator's core.
///
/// # Errors
/// When the system does not tell what cores there are, or `keep` fails. What servers do wrong makes
/// their rows invalid instead.
pub fn run(mut options: Options, mut keep: impl FnMut(&Report) -> Result<()>) -> Result<Report> {
    process::raise_file_limit()?;
    let cores = Cores::choose(options.threads_max)?;
    if options.gate {
        try_all(&mut options, &cores);
    }
    let mut comparison = Comparison {
        progress: Progress::new(options.planned()),
        report: Report {
            environment: Environment::read(&options, &cores),
            peers: options.peers.clone(),
            missing: options.missing.clone(),
            rows: Vec::new(),
            memory: Vec::new(),
            latency: Vec::new(),
            soak: None,
            stopped: false,
        },
        options: &options,
        cores,
    };
    for &row in &options.rows {
        comparison.measure_row(row);
        keep(&comparison.report)?;
    }
    for &row in &options.latency {
        comparison.measure_latency(row);
        keep(&comparison.report)?;
    }
    if let Some((row, time)) = options.soak {
        comparison.soak(row, time);
    }
    comparison.report.stopped = options.is_stopped();
    keep(&comparison.report)?;
    Ok(comparison.report)
}

/// Notes beside each peer what it gets wrong.
fn try_all(options: &mut Options, cores: &Cores) {
    let mut peers = std::mem::take(&mut options.peers);
    for peer in &mut peers {
        if options.is_stopped() {
            break;
        }
        let has = |duty| peer.duties.contains(&duty);
        // Socket.IO's own messages would be in the way.
        let (http, post) = (has(Duty::Http), has(Duty::Post));
        let websocket = has(Duty::Binary) && !peer.socket_io;
        let mut verdicts = Vec::new();
        for (tried, mode) in [(http, "http"), (websocket, "off")] {
            if !tried {
                continue;
            }
            let contestant = Contestant::Peer(peer);
            let started = contestant.start_in_mode(options, mode, cores);
            let verdict = match started.map(|server| server.killed_after(GATE_LIMIT)) {
                Ok(server) if mode == "http" => gate::try_http(server.address(), post),
                Ok(server) => gate::try_websocket(server.address()),
                Err(error) => gate::Verdict {
                    tried: 1,
                    findings: vec![gate::Finding {
                        tried: format!("starting in mode {mode}"),
                        result: error.to_string(),
                    }],
                },
            };
            verdicts.push(verdict);
        }
        for verdict in verdicts {
            peer.tried += verdict.tried;
            peer.findings.extend(verdict.findings);
        }
    }
    options.peers = peers;
}

struct Comparison<'a> {
    options: &'a Options,
    cores: Cores,
    progress: Progress,
    report: Report,
}

impl Comparison<'_> {
    fn measure_row(&mut self, row: Row) {
        let (options, runs) = (self.options, self.options.runs_of(row));
        if let Task::WebSocket(Scenario::Idle { .. }) = row.task {
            let servers: Vec<Series<Memory>> = self.in_turn(row, runs, "", |contestant, cores| {
                measure::memory(options, row, contestant, cores)
            });
            if !servers.is_empty() {
                self.report.memory.push(MemoryResult { row, servers });
            }
        } else {
            let servers: Vec<Series<Sample>> = self.in_turn(row, runs, "", |contestant, cores| {
                measure::capacity(options, row, contestant, cores)
            });
            if !servers.is_empty() {
                self.report.rows.push(RowResult { row, servers });
            }
        }
    }

    fn measure_latency(&mut self, row: Row) {
        let options = self.options;
        if options.is_stopped() {
            return;
        }
        let capacity = match self.null_capacity(row) {
            Ok(capacity) => capacity,
            Err(error) => {
                return self
                    .report
                    .latency
                    .push(LatencyResult::failed(row, &*error));
            }
        };
        let mut rates = Vec::new();
        for share in SHARES {
            let per_s = round_to_two_digits(capacity * share);
            let runs = options.latency_runs();
            let what = format!(" at {per_s:.0} a second");
            let servers: Vec<Series<LatencySample>> =
                self.in_turn(row, runs, &what, |contestant, cores| {
                    measure::latency(options, row, per_s, contestant, cores)
                });
            if !servers.is_empty() {
                rates.push(RateResult {
                    share,
                    per_s,
                    servers,
                });
            }
        }
        if !rates.is_empty() {
            self.report.latency.push(LatencyResult { row, rates });
        }
    }

    /// What the null server did in the closed loop, or does now.
    fn null_capacity(&self, row: Row) -> Result<f64> {
        let measured = self.report.rows.iter().find(|result| result.row == row);
        let samples = measured.and_then(|result| result.samples(NULL));
        let rates = samples
            .into_iter()
            .flatten()
            .map(|sample| sample.operations_per_s);
        match Spread::of(rates) {
            Some(spread) => Ok(spread.median),
            None => {
                let sample = measure::capacity(self.options, row, Contestant::Null, &self.cores)?;
                Ok(sample.operations_per_s)
            }
        }
    }

    fn soak(&mut self, row: Row, time: Duration) {
        let options = self.options;
        let servers: Vec<Series<SoakSample>> =
            self.in_turn(row, 1, ", soak", |contestant, cores| {
                let capacity = measure::capacity(options, row, contestant, cores)?;
                let per_s = round_to_two_digits(capacity.operations_per_s * SOAK_SHARE);
                measure::soak(options, row, per_s, time, contestant, cores)
            });
        self.report.soak = (!servers.is_empty()).then_some(SoakResult { row, servers });
    }

    /// Measures A B C, A B C: what drifts on the machine meets all servers alike. Who fails to
    /// start, or to be measured, is not tried again. Nobody at all when it is stopped before each
    /// has been measured once.
    fn in_turn<T>(
        &mut self,
        row: Row,
        runs: usize,
        what: &str,
        measure: impl Fn(Contestant<'_>, &Cores) -> Result<T>,
    ) -> Vec<Series<T>> {
        let options = self.options;
        let contestants: Vec<_> = options.contestants(row.task.duty()).collect();
        let mut all: Vec<Series<T>> = contestants
            .iter()
            .map(|peer| Series::new(peer.map_or(NULL, |peer| peer.name.as_str())))
            .collect();
        for run in 1..=runs {
            for (peer, series) in contestants.iter().zip(&mut all) {
                if options.is_stopped() {
                    let once = run > 1;
                    return if once { all } else { Vec::new() };
                }
                let warms_up = peer.is_some_and(|peer| peer.warms_up);
                let Row { task, in_flight } = row;
                let name = &series.name;
                self.progress.begin(&format!(
                    "{task}, {in_flight}{what}: {name}, run {run} of {runs}"
                ));
                let contestant = peer.map_or(Contestant::Null, Contestant::Peer);
                if series.failure.is_none() {
                    match measure(contestant, &self.cores) {
                        Ok(sample) => series.samples.push(sample),
                        Err(error) => series.failure = Some(error.to_string()),
                    }
                }
                self.progress.end(options.planned_run(row, warms_up));
            }
        }
        all
    }
}

/// Rates that people can remember.
fn round_to_two_digits(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.max(10.0).log10().floor() - 1.0);
    (rate / unit).round().max(1.0) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_two_digits() {
        for (rate, rounded) in [(123_456.0, 120_000.0), (98_765.0, 99_000.0), (7.0, 7.0)] {
            assert!((round_to_two_digits(rate) - rounded).abs() < 1e-6, "{rate}");
        }
        assert!((round_to_two_digits(0.0) - 1.0).abs() < 1e-6);
    }
}
