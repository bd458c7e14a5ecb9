//! Medians, spreads and ratios, as a table for people and as JSON lines for programs.

use std::fmt::{self, Display, Formatter, Write as _};
use std::fs;
use std::time::Duration;

use crate::compare::{KEIRIN, NULL, Sample};
use crate::task::{Row, Task};
use crate::verify::Errors;
use crate::ws::idle::Memory;
use crate::ws::scenario::Scenario;

/// Above this share of the window spent waiting for a core, somebody else was using the machine.
const WAITED_MAX: f64 = 0.05;

/// How the report came about.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The cores of server and generator; `None` if there were not two to give.
    pub pinned: Option<(usize, usize)>,
    /// Connections of the generator.
    pub connections: usize,
    /// Runs per server and row.
    pub runs: usize,
    /// Time before each window.
    pub warm_up: Duration,
    /// The measured window.
    pub window: Duration,
}

/// The samples of one row.
#[derive(Clone, Debug)]
pub struct RowResult {
    /// What was asked.
    pub row: Row,
    /// The samples of each server, by name: sample `i` of each belongs to the same round.
    pub servers: Vec<(String, Vec<Sample>)>,
}

/// The samples of one scenario of idle connections.
#[derive(Clone, Debug)]
pub struct MemoryResult {
    /// What was asked.
    pub scenario: Scenario,
    /// The samples of each server, by name.
    pub servers: Vec<(String, Vec<Memory>)>,
}

/// The result of a comparison. `Display` writes the tables.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it came about.
    pub environment: Environment,
    /// The rows measured in CPU time.
    pub rows: Vec<RowResult>,
    /// Those measured in memory.
    pub memory: Vec<MemoryResult>,
}

/// A median with the extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of `values`, or `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }

    fn show(self, decimals: usize) -> String {
        let Self { median, min, max } = self;
        format!("{median:.decimals$} ({min:.decimals$}..{max:.decimals$})")
    }
}

impl RowResult {
    fn samples(&self, server: &str) -> Option<&[Sample]> {
        let found = self.servers.iter().find(|(name, _)| name == server);
        found.map(|(_, samples)| samples.as_slice())
    }

    /// The server's CPU time per request as a multiple of another's, taken round by round. `None`
    /// where one of the two was not measured or answered wrongly.
    #[must_use]
    pub fn ratio(&self, server: &str, to: &str) -> Option<Spread> {
        let (these, those) = (self.samples(server)?, self.samples(to)?);
        if !these.iter().chain(those).all(Sample::is_valid) {
            return None;
        }
        Spread::of(
            these
                .iter()
                .zip(those)
                .map(|(this, that)| this.cpu_us / that.cpu_us),
        )
    }
}

impl Report {
    /// Every answer of every server was right.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let servers = self.rows.iter().flat_map(|row| &row.servers);
        let idle = self.memory.iter().flat_map(|row| &row.servers);
        servers
            .flat_map(|(_, samples)| samples)
            .all(Sample::is_valid)
            && idle.flat_map(|(_, samples)| samples).all(Memory::is_valid)
    }

    /// Every sample as one line of JSON.
    #[must_use]
    pub fn json_lines(&self) -> String {
        let mut lines = String::new();
        for RowResult { row, servers } in &self.rows {
            for (server, samples) in servers {
                for (run, sample) in samples.iter().enumerate() {
                    let _ = writeln!(lines, "{}", json_line(*row, server, run + 1, sample));
                }
            }
        }
        for MemoryResult { scenario, servers } in &self.memory {
            for (server, samples) in servers {
                for (run, memory) in samples.iter().enumerate() {
                    let line = memory_json_line(*scenario, server, run + 1, memory);
                    let _ = writeln!(lines, "{line}");
                }
            }
        }
        lines
    }
}

fn json_line(row: Row, server: &str, run: usize, sample: &Sample) -> String {
    let user_us = sample.user_us.map(|us| format!("{us:.4}"));
    let level_6_bytes = sample.level_6_bytes.map(|bytes| bytes.to_string());
    let or_null = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
    json_object(&[
        ("scenario", json_name(&row.task.to_string())),
        ("in_flight", row.in_flight.to_string()),
        ("server", json_name(server)),
        ("run", run.to_string()),
        ("operations", sample.operations.to_string()),
        (
            "operations_per_s",
            format!("{:.1}", sample.operations_per_s),
        ),
        ("cpu_us", format!("{:.4}", sample.cpu_us)),
        ("user_us", or_null(user_us)),
        ("errors", sample.errors.total().to_string()),
        ("connections", sample.connections.to_string()),
        ("answer_bytes", sample.answer_bytes.to_string()),
        ("level_6_bytes", or_null(level_6_bytes)),
        ("server_busy", format!("{:.4}", sample.server_busy)),
        ("generator_busy", format!("{:.4}", sample.generator_busy)),
        ("waited", format!("{:.4}", sample.waited)),
    ])
}

fn memory_json_line(scenario: Scenario, server: &str, run: usize, memory: &Memory) -> String {
    json_object(&[
        ("scenario", json_name(&scenario.to_string())),
        ("server", json_name(server)),
        ("run", run.to_string()),
        ("errors", memory.errors.total().to_string()),
        ("connections", memory.connections.to_string()),
        ("before_bytes", memory.before_bytes.to_string()),
        ("open_bytes", memory.open_bytes.to_string()),
        ("closed_bytes", memory.closed_bytes.to_string()),
    ])
}

/// A name as JSON: all our names, and the peers', are of characters that need no escape.
pub(crate) fn json_name(name: &str) -> String {
    format!("\"{name}\"")
}

/// An object on one line, of names and values that are JSON already.
pub(crate) fn json_object(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.environment)?;
        let has = |name: &str| {
            let mut servers = self.rows.iter().flat_map(|row| &row.servers);
            servers.any(|(server, _)| server == name)
        };
        let mut to = vec![NULL];
        // Beside keirin and null themselves: the peers.
        let peers = self
            .rows
            .iter()
            .flat_map(|row| &row.servers)
            .any(|(s, _)| s != NULL && s != KEIRIN);
        if has(KEIRIN) && peers {
            to.push(KEIRIN);
        }
        if !self.rows.is_empty() {
            let mut lines = vec![titles(&to)];
            for row in &self.rows {
                for (server, samples) in &row.servers {
                    let mut cells = cells(row, server, samples, &to);
                    cells.push(notes(&self.environment, row, server, samples).join("; "));
                    lines.push(cells);
                }
            }
            write_table(f, &lines)?;
        }
        if self.memory.is_empty() {
            return Ok(());
        }
        let titles = [
            "idle connections",
            "server",
            "bytes of each",
            "left when closed",
            "notes",
        ];
        let mut lines = vec![titles.map(str::to_owned).to_vec()];
        for row in &self.memory {
            let servers = row.servers.iter();
            lines
                .extend(servers.map(|(server, memory)| memory_cells(row.scenario, server, memory)));
        }
        writeln!(f)?;
        write_table(f, &lines)
    }
}

fn titles(to: &[&str]) -> Vec<String> {
    let mut titles: Vec<String> = [
        "scenario",
        "in flight",
        "server",
        "operation",
        "CPU us each",
        "user",
        "system",
        "a second",
        "busy %: server, generator",
    ]
    .map(str::to_owned)
    .to_vec();
    titles.extend(to.iter().map(|name| format!("CPU x {name}")));
    titles.push("notes".to_owned());
    titles
}

fn cells(row: &RowResult, server: &str, samples: &[Sample], to: &[&str]) -> Vec<String> {
    let show = |values: Vec<f64>, decimals| {
        Spread::of(values).map_or_else(|| "-".to_owned(), |s| s.show(decimals))
    };
    let median = |values: Vec<f64>, decimals| {
        Spread::of(values).map_or_else(|| "-".to_owned(), |s| format!("{:.decimals$}", s.median))
    };
    let asked = if server == NULL {
        row.row.base()
    } else {
        row.row
    };
    let system_us = |s: &Sample| s.user_us.map(|user_us| s.cpu_us - user_us);
    let busy = |share: fn(&Sample) -> f64| median(samples.iter().map(share).collect(), 0);
    let mut cells = vec![
        row.row.task.to_string(),
        row.row.in_flight.to_string(),
        server.to_owned(),
        asked.task.operation().to_owned(),
        show(samples.iter().map(|s| s.cpu_us).collect(), 3),
        median(samples.iter().filter_map(|s| s.user_us).collect(), 3),
        median(samples.iter().filter_map(system_us).collect(), 3),
        show(samples.iter().map(|s| s.operations_per_s).collect(), 0),
        format!(
            "{}, {}",
            busy(|s| s.server_busy * 100.0),
            busy(|s| s.generator_busy * 100.0)
        ),
    ];
    let ratio = |to: &&str| row.ratio(server, to).filter(|_| *to != server);
    cells.extend(
        to.iter()
            .map(|to| ratio(to).map_or_else(|| "-".to_owned(), |spread| spread.show(2))),
    );
    cells
}

fn memory_cells(scenario: Scenario, server: &str, memory: &[Memory]) -> Vec<String> {
    let show = |bytes: fn(&Memory) -> f64| {
        Spread::of(memory.iter().map(bytes)).map_or_else(|| "-".to_owned(), |s| s.show(0))
    };
    let mut errors = Errors::default();
    memory.iter().for_each(|memory| errors += memory.errors);
    let mut notes = Vec::new();
    if !memory.iter().all(Memory::is_valid) {
        notes.push(format!("INVALID: {errors}"));
    }
    let asked = if server == NULL {
        scenario.base(1).0
    } else {
        scenario
    };
    if asked != scenario {
        notes.push(format!("measured with {asked}"));
    }
    vec![
        scenario.to_string(),
        server.to_owned(),
        show(Memory::open_per_connection),
        show(Memory::closed_per_connection),
        notes.join("; "),
    ]
}

fn notes(
    environment: &Environment,
    row: &RowResult,
    server: &str,
    samples: &[Sample],
) -> Vec<String> {
    let mut notes = Vec::new();
    let base = row.row.base();
    if server == NULL && base != row.row {
        notes.push(format!(
            "measured with {}, {} in flight",
            base.task, base.in_flight
        ));
    }
    if !samples.iter().all(Sample::is_valid) {
        let mut errors = Errors::default();
        samples.iter().for_each(|s| errors += s.errors);
        let none = if samples.iter().any(|s| s.operations == 0) {
            ", no answer"
        } else {
            ""
        };
        notes.push(format!("INVALID: {errors}{none}"));
    }
    let bound = samples.iter().filter(|s| s.is_generator_bound()).count();
    if bound > 0 {
        notes.push(format!(
            "generator-bound in {bound} of {} runs",
            samples.len()
        ));
    }
    let waited = samples.iter().map(|s| s.waited).fold(0.0, f64::max);
    if waited > WAITED_MAX {
        notes.push(format!(
            "disturbed: waited for a core up to {:.0} % of the time",
            waited * 100.0
        ));
    }
    let connections = samples.iter().map(|s| s.connections).max();
    if let Some(connections) = connections.filter(|&n| n != environment.connections) {
        notes.push(format!("{connections} connections"));
    }
    if let Some(sample) = samples.iter().find(|s| s.level_6_bytes.is_some()) {
        notes.push(format!(
            "replies of {} bytes, {} at level 6",
            sample.answer_bytes,
            sample.level_6_bytes.unwrap_or_default()
        ));
    }
    let bytes = |samples: &[Sample]| samples.iter().map(|s| s.answer_bytes).max();
    let (own, null) = (bytes(samples), row.samples(NULL).and_then(bytes));
    if let (Some(own), Some(null)) = (own, null)
        && own != null
        && base == row.row
        && !matches!(row.row.task, Task::WebSocket(Scenario::Handshake))
    {
        notes.push(format!("answers of {own} bytes, null's have {null}"));
    }
    notes
}

fn write_table(f: &mut Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    for (index, line) in lines.iter().enumerate() {
        write_line(f, line, &widths)?;
        if index == 0 {
            write_line(f, &rule, &widths)?;
        }
    }
    Ok(())
}

fn write_line(f: &mut Formatter<'_>, line: &[String], widths: &[usize]) -> fmt::Result {
    for (cell, width) in line.iter().zip(widths) {
        write!(f, "| {cell:<width$} ")?;
    }
    writeln!(f, "|")
}

impl Display for Environment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        let cpus = read("/proc/cpuinfo");
        let model = cpus
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let model = model.map_or("unknown processor", |(_, name)| name);
        writeln!(
            f,
            "Loopback, closed loop, {} connections; Linux {}, {model}",
            self.connections,
            kernel.trim()
        )?;
        match self.pinned {
            Some((server, generator)) => {
                write!(f, "server on core {server}, generator on core {generator}")?
            }
            None => write!(f, "NOT PINNED: server and generator share one core")?,
        }
        let (window, warm_up) = (self.window.as_secs_f64(), self.warm_up.as_secs_f64());
        writeln!(
            f,
            "; {} runs of {window:.1} s after {warm_up:.1} s of warm-up: median (min..max)",
            self.runs
        )?;
        if cfg!(debug_assertions) {
            writeln!(f, "BUILT WITHOUT OPTIMISATION: the figures mean nothing")?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::rows_of;

    const GOOD: Sample = Sample {
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
        level_6_bytes: None,
        server_busy: 0.99,
        generator_busy: 0.8,
        waited: 0.0,
    };

    fn report(null: &[Sample], keirin: &[Sample]) -> Report {
        let environment = Environment {
            pinned: Some((0, 1)),
            connections: 64,
            runs: null.len(),
            warm_up: Duration::from_secs(1),
            window: Duration::from_secs(3),
        };
        let row = rows_of("hello").unwrap()[0];
        let servers = vec![
            (NULL.to_owned(), null.to_vec()),
            (KEIRIN.to_owned(), keirin.to_vec()),
        ];
        Report {
            environment,
            rows: vec![RowResult { row, servers }],
            memory: Vec::new(),
        }
    }

    fn costing(cpu_us: f64) -> Sample {
        Sample { cpu_us, ..GOOD }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(
            Spread::of([3.0, 1.0, 9.0]),
            Some(Spread {
                median: 3.0,
                min: 1.0,
                max: 9.0
            })
        );
        assert_eq!(
            Spread::of([4.0, 1.0, 9.0, 2.0]),
            Some(Spread {
                median: 3.0,
                min: 1.0,
                max: 9.0
            })
        );
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine was half as fast in the second round: the ratio of each round is 1.5 all the
        // same.
        let report = report(
            &[costing(4.0), costing(8.0)],
            &[costing(6.0), costing(12.0)],
        );
        let ratio = report.rows[0].ratio(KEIRIN, NULL);
        assert_eq!(
            ratio,
            Some(Spread {
                median: 1.5,
                min: 1.5,
                max: 1.5
            })
        );
        assert!(report.is_valid());
        assert!(
            report.to_string().contains("| 1.50 (1.50..1.50) |"),
            "{report}"
        );
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
        assert!(
            report
                .to_string()
                .contains("INVALID: 3 errors (status 0, length 0, body 3,"),
            "{report}"
        );
    }

    #[test]
    fn a_server_that_answers_nothing_is_invalid() {
        assert!(
            !report(
                &[GOOD],
                &[Sample {
                    operations: 0,
                    ..GOOD
                }]
            )
            .is_valid()
        );
    }

    #[test]
    fn conditions_that_spoil_a_figure_are_noted() {
        let bound = Sample {
            generator_busy: 0.97,
            server_busy: 0.7,
            ..GOOD
        };
        let both_full = Sample {
            generator_busy: 0.97,
            server_busy: 0.99,
            ..GOOD
        };
        let text = report(&[bound, both_full], &[GOOD, GOOD]).to_string();
        assert!(text.contains("generator-bound in 1 of 2 runs"), "{text}");
        let text = report(
            &[GOOD],
            &[Sample {
                waited: 0.31,
                ..GOOD
            }],
        )
        .to_string();
        assert!(
            text.contains("disturbed: waited for a core up to 31 %"),
            "{text}"
        );
        let text = report(
            &[GOOD],
            &[Sample {
                answer_bytes: 90,
                ..GOOD
            }],
        )
        .to_string();
        assert!(
            text.contains("answers of 90 bytes, null's have 87"),
            "{text}"
        );
    }

    #[test]
    fn json_has_one_line_per_sample() {
        let json = report(
            &[GOOD],
            &[Sample {
                user_us: None,
                ..GOOD
            }],
        )
        .json_lines();
        let lines: Vec<_> = json.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with(
                "{\"scenario\":\"hello\",\"in_flight\":1,\"server\":\"null\",\"run\":1,"
            )
        );
        assert!(lines[1].contains("\"user_us\":null,"));
    }
}
