//! The comparison: fresh servers in turn, one core for the server and one for the generator, CPU
//! time read at the window's edges.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::load::{self, Edge, Load};
use crate::process::{self, CpuTime, ServerProcess};
use crate::report::{Environment, Report, RowResult};
use crate::scenario::Scenario;
use crate::verify::Errors;

/// The name of the null server in reports.
pub const NULL: &str = "null";
/// The name of the server on the keirin crate in reports.
pub const KEIRIN: &str = "keirin";

/// One row of the report: a scenario and how many requests go out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What is asked for.
    pub scenario: Scenario,
    /// Requests per batch.
    pub pipeline: usize,
}

impl Row {
    /// Every row of the report. The rows without pipelining are the ones to quote; those with 16
    /// show what is left of a server's own cost when the kernel's is shared by 16 requests.
    pub const ALL: [Self; 7] = [
        Self {
            scenario: Scenario::Hello,
            pipeline: 1,
        },
        Self {
            scenario: Scenario::Hello,
            pipeline: 16,
        },
        Self {
            scenario: Scenario::Headers20,
            pipeline: 1,
        },
        Self {
            scenario: Scenario::Headers20,
            pipeline: 16,
        },
        Self {
            scenario: Scenario::Json,
            pipeline: 1,
        },
        Self {
            scenario: Scenario::Body16k,
            pipeline: 1,
        },
        Self {
            scenario: Scenario::Upload64k,
            pipeline: 1,
        },
    ];
}

/// A further server to measure: any command line that serves the scenarios.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name in the report.
    pub name: String,
    /// The command line, for `sh`; `{port}` stands for the port of 127.0.0.1 to listen on.
    pub command: String,
}

impl Peer {
    /// Parses `NAME=COMMAND`.
    ///
    /// # Errors
    /// When there is no `=`, no `{port}`, or the name is not of letters, digits, `-`, `_` and `.`,
    /// or is one of ours.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, command) = text
            .split_once('=')
            .ok_or("a peer is given as NAME=COMMAND")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(plain) || [NULL, KEIRIN].contains(&name) {
            return Err(format!("`{name}` cannot be the name of a peer").into());
        }
        if !command.contains("{port}") {
            return Err(format!("the command of peer `{name}` lacks {{port}}").into());
        }
        Ok(Self {
            name: name.to_owned(),
            command: command.to_owned(),
        })
    }
}

/// What to compare, and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `keirin-bench` executable, which is also the null server and the server on keirin.
    pub executable: PathBuf,
    /// The rows to measure.
    pub rows: Vec<Row>,
    /// Further servers.
    pub peers: Vec<Peer>,
    /// Runs per server and row.
    pub runs: usize,
    /// Time before each window in which nothing is counted.
    pub warm_up: Duration,
    /// The measured window of each run.
    pub window: Duration,
    /// Connections of the generator.
    pub connections: usize,
}

impl Options {
    /// Five runs of three seconds for every row.
    #[must_use]
    pub fn new(executable: PathBuf) -> Self {
        Self {
            executable,
            rows: Row::ALL.to_vec(),
            peers: Vec::new(),
            runs: 5,
            warm_up: Duration::from_secs(1),
            window: Duration::from_secs(3),
            connections: 64,
        }
    }

    /// Makes it three runs of half a second: enough to see that everything works and what the
    /// figures roughly are.
    pub fn quicken(&mut self) {
        self.runs = 3;
        self.set_window(Duration::from_millis(500));
    }

    /// Measures for `window` in each run, after a warm-up of a third of that.
    pub fn set_window(&mut self, window: Duration) {
        self.window = window;
        self.warm_up = window / 3;
    }
}

/// What one run of one server showed.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Answers completed in the window.
    pub requests: u64,
    /// Answers per second.
    pub requests_per_s: f64,
    /// CPU microseconds of the server per answer.
    pub cpu_us: f64,
    /// The part of it that fell in user mode; not known if the window saw no clock tick.
    pub user_us: Option<f64>,
    /// Everything that was wrong with the answers.
    pub errors: Errors,
    /// Bytes of one answer.
    pub response_bytes: usize,
    /// The server's CPU time as a share of the window: above 1 if it uses several cores.
    pub server_busy: f64,
    /// The generator's CPU time as a share of the window.
    pub generator_busy: f64,
    /// The share of the window that the server or the generator, whichever had more, waited for a
    /// core that somebody else was using.
    pub waited: f64,
}

impl Sample {
    /// Nothing was wrong, and something was answered.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors.total() == 0 && self.requests > 0
    }

    /// The throughput is the generator's limit and not the server's.
    #[must_use]
    pub fn is_generator_bound(&self) -> bool {
        self.generator_busy >= 0.95 && self.server_busy < 0.95
    }
}

/// Runs the comparison. Pins the calling thread to the generator's core.
///
/// # Errors
/// When a server does not start, or the system fails. Wrong answers make a row invalid instead.
pub fn run(options: &Options) -> Result<Report> {
    let cores = Cores::choose()?;
    let mut servers = vec![(NULL.to_owned(), Contestant::Own("null"))];
    if cfg!(feature = "server") {
        servers.push((KEIRIN.to_owned(), Contestant::Own("server")));
    }
    let peers = options.peers.iter();
    servers.extend(peers.map(|peer| (peer.name.clone(), Contestant::Peer(&peer.command))));

    let mut rows = Vec::with_capacity(options.rows.len());
    for &row in &options.rows {
        let mut samples = vec![Vec::with_capacity(options.runs); servers.len()];
        for run in 1..=options.runs {
            // Progress only: that it cannot be shown is no reason to stop.
            let _ = writeln!(
                std::io::stderr(),
                "{} pipeline {}: run {run} of {}",
                row.scenario.name(),
                row.pipeline,
                options.runs
            );
            // A B C, A B C: what drifts on the machine meets all servers alike.
            for ((_, contestant), samples) in servers.iter().zip(&mut samples) {
                samples.push(measure(options, row, contestant, &cores)?);
            }
        }
        let names = servers.iter().map(|(name, _)| name.clone());
        rows.push(RowResult {
            row,
            servers: names.zip(samples).collect(),
        });
    }
    let environment = Environment {
        pinned: cores.server.zip(cores.generator),
        connections: options.connections,
        runs: options.runs,
        warm_up: options.warm_up,
        window: options.window,
    };
    Ok(Report { environment, rows })
}

/// One core each, if there are two.
struct Cores {
    server: Option<usize>,
    generator: Option<usize>,
}

impl Cores {
    fn choose() -> Result<Self> {
        Ok(match process::allowed_cores()?[..] {
            [server, .., generator] => Self {
                server: Some(server),
                generator: Some(generator),
            },
            _ => Self {
                server: None,
                generator: None,
            },
        })
    }
}

enum Contestant<'a> {
    /// A subcommand of our own executable.
    Own(&'static str),
    /// A command line.
    Peer(&'a str),
}

impl Contestant<'_> {
    fn command(&self, options: &Options, row: Row, port: u16) -> Command {
        match *self {
            Self::Own(subcommand) => {
                let mut command = Command::new(&options.executable);
                command.arg(subcommand);
                match subcommand {
                    "null" => command.args(["--scenario", row.scenario.name()]),
                    _ => command.args(["--workers", "1"]),
                };
                command.arg(port.to_string());
                command
            }
            Self::Peer(line) => {
                let line = line.replace("{port}", &port.to_string());
                let mut command = Command::new("sh");
                // `exec`, so that the process we time and kill is the server and not the shell.
                command.args(["-c", &format!("exec {line}")]);
                command
            }
        }
    }
}

/// One run against one fresh server.
fn measure(
    options: &Options,
    row: Row,
    contestant: &Contestant<'_>,
    cores: &Cores,
) -> Result<Sample> {
    let port = process::free_port()?;
    // The server inherits where this thread is pinned, with all the threads it will start.
    cores.server.map_or(Ok(()), process::pin)?;
    let server = ServerProcess::start(contestant.command(options, row, port), port)?;
    cores.generator.map_or(Ok(()), process::pin)?;

    let load = Load {
        scenario: row.scenario,
        pipeline: row.pipeline,
        connections: options.connections,
        warm_up: options.warm_up,
        window: options.window,
        address: server.address(),
    };
    let mut used = CpuTime::default();
    let mut generator_waited = Duration::ZERO;
    let outcome = load::run(&load, |edge| {
        let (now, waited) = (CpuTime::read(server.id())?, process::thread_waited());
        match edge {
            Edge::Begin => (used, generator_waited) = (now, waited),
            Edge::End => {
                used = now.since(&used);
                generator_waited = waited.saturating_sub(generator_waited);
            }
        }
        Ok(())
    })?;

    let wall_s = outcome.wall.as_secs_f64();
    // Without an answer there is no cost per answer; the sample is invalid anyway.
    let cpu_us = used.total.as_secs_f64() * 1e6 / outcome.requests.max(1) as f64;
    Ok(Sample {
        requests: outcome.requests,
        requests_per_s: outcome.requests_per_s(),
        cpu_us,
        user_us: used.user_share().map(|share| share * cpu_us),
        errors: outcome.errors,
        response_bytes: outcome.response_bytes,
        server_busy: used.total.as_secs_f64() / wall_s,
        generator_busy: outcome.cpu.as_secs_f64() / wall_s,
        waited: used.waited.max(generator_waited).as_secs_f64() / wall_s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_parsed_and_checked() {
        let peer = Peer::parse("uws=./server --port={port}").unwrap();
        assert_eq!(
            (peer.name.as_str(), peer.command.as_str()),
            ("uws", "./server --port={port}")
        );
        for wrong in [
            "uws",
            "=x {port}",
            "a b=x {port}",
            "null=x {port}",
            "keirin=x {port}",
            "uws=x",
        ] {
            assert!(Peer::parse(wrong).is_err(), "{wrong}");
        }
    }
}
