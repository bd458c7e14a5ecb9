//! Tables for a terminal.

use std::fmt::{self, Display, Formatter};

use super::{Capacity, LatencyResult, MemoryResult, Report, RowResult, Series, SoakResult};
use super::{LAG_US_MAX, show_ratio};
use crate::load::idle::Memory;
use crate::load::verify::Errors;
use crate::peers::catalogue::NULL;
use crate::run::measure::{LatencySample, Sample};
use crate::statistics::Spread;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.describe())?;
        let bases = self.bases();
        if !self.rows.is_empty() {
            let mut lines = vec![titles(&bases)];
            for row in &self.rows {
                for series in &row.servers {
                    lines.push(cells(row, series, &bases, self.environment.connections));
                }
            }
            write_table(f, &lines)?;
        }
        if !self.memory.is_empty() {
            let lines = self.memory.iter().flat_map(memory_lines);
            let titles = [
                "idle connections",
                "server",
                "bytes of each",
                "kernel's",
                "left when closed",
                "notes",
            ];
            write_titled(f, &titles, lines)?;
        }
        if !self.latency.is_empty() {
            let titles = [&["scenario", "a second", "server"], &LATENCY_TITLES[..]].concat();
            write_titled(f, &titles, self.latency.iter().flat_map(latency_lines))?;
        }
        if let Some(soak) = &self.soak {
            let titles = [
                "soak",
                "server",
                "a second",
                "seconds",
                "MiB at the end",
                "KiB a second",
                "notes",
            ];
            write_titled(f, &titles, soak_lines(soak).into_iter())?;
        }
        self.write_peers(f)
    }
}

impl Report {
    fn write_peers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.peers.iter().any(|peer| peer.tried > 0) {
            let lines = self.peers.iter().flat_map(|peer| {
                let passed = format!("{} of {}", peer.tried - peer.findings.len(), peer.tried);
                let first = vec![
                    peer.name.clone(),
                    peer.version.clone(),
                    passed,
                    String::new(),
                ];
                let findings = peer.findings.iter().map(|finding| {
                    let text = format!("{}: {}", finding.tried, finding.result);
                    vec![String::new(), String::new(), String::new(), text]
                });
                std::iter::once(first).chain(findings.collect::<Vec<_>>())
            });
            write_titled(
                f,
                &["server", "version", "tried and passed", "not passed"],
                lines,
            )?;
        }
        for missing in &self.missing {
            writeln!(f, "\nmissing: {}: {}", missing.name, missing.reason)?;
        }
        Ok(())
    }
}

fn titles(bases: &[&str]) -> Vec<String> {
    let mut titles: Vec<String> = [
        "scenario",
        "in flight",
        "server",
        "operation",
        "CPU us each",
        "user",
        "system",
    ]
    .map(str::to_owned)
    .to_vec();
    titles.extend(bases.iter().map(|name| format!("CPU x {name}")));
    titles.extend(
        [
            "a second",
            "the most it can?",
            "generator us",
            "MiB: start, peak, drained",
            "notes",
        ]
        .map(str::to_owned),
    );
    titles
}

/// The median alone.
#[must_use]
pub fn median(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or_else(|| "-".to_owned(), |s| format!("{:.decimals$}", s.median))
}

/// The median with its spread.
#[must_use]
pub fn show(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or_else(|| "-".to_owned(), |s| s.show(decimals))
}

/// The CPU time of a server as a multiple of that of each of `bases`.
pub fn ratios(
    row: &RowResult,
    series: &Series<Sample>,
    bases: &[&str],
) -> impl Iterator<Item = String> {
    bases.iter().map(|base| {
        let other = *base != series.name;
        show_ratio(other.then(|| row.ratio(&series.name, base)).flatten())
    })
}

/// Memory in use at the start, at its peak and when drained, in MiB.
#[must_use]
pub fn memory_mib(series: &Series<Sample>) -> String {
    let of_mib = |figure: fn(&Sample) -> u64| {
        median(series.spread(|s| figure(s) as f64 / f64::from(1 << 20)), 1)
    };
    let start = of_mib(|s| s.memory.start_bytes);
    let peak = of_mib(|s| s.memory.peak_bytes);
    format!("{start}, {peak}, {}", of_mib(|s| s.memory.drained_bytes))
}

/// What [`latency_cells`] tell.
pub const LATENCY_TITLES: [&str; 7] = [
    "p50 us",
    "p90",
    "p99",
    "p99.9",
    "max",
    "CPU us each",
    "notes",
];

/// The latencies of a server at one rate.
#[must_use]
pub fn latency_cells(series: &Series<LatencySample>) -> [String; 7] {
    let us = |figure: fn(&LatencySample) -> f64| median(series.spread(figure), 0);
    let cpu_us = series.samples.iter().filter_map(|sample| sample.cpu_us);
    [
        us(|s| s.p50_us),
        us(|s| s.p90_us),
        us(|s| s.p99_us),
        us(|s| s.p999_us),
        us(|s| s.max_us),
        median(Spread::of(cpu_us), 2),
        latency_notes(series).join("; "),
    ]
}

fn cells(
    row: &RowResult,
    series: &Series<Sample>,
    bases: &[&str],
    connections: usize,
) -> Vec<String> {
    let asked = if series.name == NULL {
        row.row.base()
    } else {
        row.row
    };
    let samples = &series.samples;
    let user = Spread::of(samples.iter().filter_map(|s| s.user_us));
    let system = samples.iter().filter_map(|s| Some(s.cpu_us - s.user_us?));
    let mut cells = vec![
        row.row.task.to_string(),
        row.row.in_flight.to_string(),
        series.name.clone(),
        asked.task.operation().to_owned(),
        show(series.spread(|s| s.cpu_us), 3),
        median(user, 3),
        median(Spread::of(system), 3),
    ];
    cells.extend(ratios(row, series, bases));
    cells.push(show(series.spread(|s| s.operations_per_s), 0));
    cells.push(match row.capacity(&series.name) {
        Capacity::Proven => "yes".to_owned(),
        Capacity::NotProven(doubts) => format!("NOT PROVEN: {}", doubts.join(", ")),
    });
    cells.push(median(series.spread(Sample::generator_us), 3));
    cells.push(memory_mib(series));
    cells.push(row.notes(series, connections).join("; "));
    cells
}

fn memory_lines(result: &MemoryResult) -> Vec<Vec<String>> {
    let lines = result.servers.iter().map(|series| {
        let mut errors = Errors::default();
        series
            .samples
            .iter()
            .for_each(|memory| errors += memory.errors);
        let mut notes = Vec::new();
        if let Some(failure) = &series.failure {
            notes.push(format!("FAILED: {failure}"));
        }
        if !series.samples.iter().all(Memory::is_valid) {
            notes.push(format!("INVALID: {errors}"));
        }
        let base = result.row.base();
        if series.name == NULL && base != result.row {
            notes.push(format!("measured with {}", base.task));
        }
        vec![
            result.row.task.to_string(),
            series.name.clone(),
            show(series.spread(Memory::open_per_connection), 0),
            show(series.spread(Memory::kernel_per_connection), 0),
            show(series.spread(Memory::closed_per_connection), 0),
            notes.join("; "),
        ]
    });
    lines.collect()
}

/// What should be known beside the latencies of a server.
fn latency_notes(series: &Series<LatencySample>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(failure) = &series.failure {
        notes.push(format!("FAILED: {failure}"));
    }
    let (mut errors, mut due, mut unfinished) = (Errors::default(), 0, 0);
    for sample in &series.samples {
        errors += sample.errors;
        due += sample.due;
        unfinished += sample.unfinished;
    }
    if errors.total() > 0 {
        notes.push(format!("INVALID: {errors}"));
    }
    if unfinished > 0 {
        let share = unfinished as f64 / due.max(1) as f64 * 100.0;
        notes.push(format!(
            "cannot keep up: {share:.0} % unanswered at the end"
        ));
    }
    let lag = series.spread(|s| s.lag_p99_us);
    if let Some(lag) = lag.filter(|lag| lag.median > LAG_US_MAX) {
        notes.push(format!(
            "generator late: 1 % by {:.0} us and more",
            lag.median
        ));
    }
    notes
}

fn latency_lines(result: &LatencyResult) -> Vec<Vec<String>> {
    let of_rate = |rate: &super::RateResult| {
        let lines = rate.servers.iter().map(|series| {
            let mut cells = vec![
                result.row.task.to_string(),
                format!("{:.0} ({:.0} %)", rate.per_s, rate.share * 100.0),
                series.name.clone(),
            ];
            cells.extend(latency_cells(series));
            cells
        });
        lines.collect::<Vec<_>>()
    };
    result.rates.iter().flat_map(of_rate).collect()
}

fn soak_lines(soak: &SoakResult) -> Vec<Vec<String>> {
    let lines = soak.servers.iter().map(|series| {
        let last = series.samples.first();
        let (seconds, bytes) = last
            .and_then(|sample| sample.memory.last().copied())
            .unwrap_or_default();
        let mut notes = Vec::new();
        if let Some(failure) = &series.failure {
            notes.push(format!("FAILED: {failure}"));
        }
        if let Some(sample) = last.filter(|sample| sample.errors.total() > 0) {
            notes.push(format!("INVALID: {}", sample.errors));
        }
        vec![
            soak.row.task.to_string(),
            series.name.clone(),
            last.map_or_else(|| "-".to_owned(), |sample| format!("{:.0}", sample.per_s)),
            format!("{seconds:.0}"),
            format!("{:.1}", bytes / f64::from(1 << 20)),
            last.map_or_else(
                || "-".to_owned(),
                |sample| format!("{:.1}", sample.growth_per_s / 1024.0),
            ),
            notes.join("; "),
        ]
    });
    lines.collect()
}

fn write_titled(
    f: &mut Formatter<'_>,
    titles: &[&str],
    lines: impl Iterator<Item = Vec<String>>,
) -> fmt::Result {
    let titles: Vec<String> = titles.iter().map(|&title| title.to_owned()).collect();
    let lines: Vec<_> = std::iter::once(titles).chain(lines).collect();
    writeln!(f)?;
    write_table(f, &lines)
}

fn write_table(f: &mut Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
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
