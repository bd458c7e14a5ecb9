//! The report as a page of the documentation: one line for each row, one column for each server.

use std::fmt::Write as _;

use super::table::median;
use super::{Capacity, Report, RowResult};
use crate::load::idle::Memory;
use crate::peers::catalogue::NULL;
use crate::run::measure::LatencySample;
use crate::statistics::Spread;

/// The page. `name` is that of the files beside it, without what follows the dot.
#[must_use]
pub fn page(report: &Report, name: &str) -> String {
    let environment = &report.environment;
    let mut page = format!(
        "# Benchmarks\n\n\
         keirin beside other servers, measured by [the harness](../benches/compare/README.md) over \
         the loopback device of one machine. This page is made by the harness:\n\n    {}\n\n\
         [{name}.html]({name}.html) has the charts, and [{name}.json]({name}.json) every sample, \
         with the settings of the machine. Rows that are bad for a server stay.\n\n",
        environment.command
    );
    for line in report.describe().lines() {
        let _ = writeln!(page, "{line}  ");
    }
    let names = names(report);
    if !report.rows.is_empty() {
        page.push_str(
            "\n## CPU time of a request or message\n\nAs a multiple of the null server's, which \
             parses nothing; for the null server itself microseconds. `~` stands for a tie: not \
             every round saw the difference. `INVALID`: wrong answers. Deflate and Brotli are \
             compared with an echo without compression, deliveries with an echo of 20 bytes.\n\n",
        );
        push_table(&mut page, report, &names, cost);
        page.push_str(
            "\n## How many a second\n\nOnly where it is proven that the server could not do more, \
             which takes a generator with time to spare; `?` stands for what is not proven.\n\n",
        );
        push_table(&mut page, report, &names, rate);
    }
    push_latency(&mut page, report);
    push_memory(&mut page, report);
    push_soak(&mut page, report);
    push_servers(&mut page, report);
    page
}

/// The servers of any row, in their order.
fn names(report: &Report) -> Vec<&str> {
    let peers = report.peers.iter().map(|peer| peer.name.as_str());
    std::iter::once(NULL).chain(peers).collect()
}

fn push_line(page: &mut String, cells: impl IntoIterator<Item = String>) {
    for cell in cells {
        let _ = write!(page, "| {} ", cell.replace('|', "\\|"));
    }
    page.push_str("|\n");
}

fn push_titles(page: &mut String, titles: &[&str]) {
    push_line(page, titles.iter().map(|&title| title.to_owned()));
    push_line(page, titles.iter().map(|_| "---".to_owned()));
}

fn push_table(
    page: &mut String,
    report: &Report,
    names: &[&str],
    cell: fn(&RowResult, &str) -> String,
) {
    push_titles(page, &[&["scenario", "in flight"], names].concat());
    for row in &report.rows {
        let asked = [row.row.task.to_string(), row.row.in_flight.to_string()];
        push_line(
            page,
            asked
                .into_iter()
                .chain(names.iter().map(|name| cell(row, name))),
        );
    }
}

fn is_valid(row: &RowResult, name: &str) -> Option<bool> {
    let series = row.servers.iter().find(|series| series.name == name)?;
    Some(series.is_valid())
}

fn cost(row: &RowResult, name: &str) -> String {
    match is_valid(row, name) {
        None => return String::new(),
        Some(false) => return "INVALID".to_owned(),
        Some(true) => {}
    }
    if name == NULL {
        let costs = row
            .samples(name)
            .into_iter()
            .flatten()
            .map(|sample| sample.cpu_us);
        return median(Spread::of(costs), 2);
    }
    match row.ratio(name, NULL) {
        None => "-".to_owned(),
        Some(ratio) => {
            let tie = if ratio.is_tie() { "~" } else { "" };
            format!("{tie}{:.2}", ratio.median)
        }
    }
}

fn rate(row: &RowResult, name: &str) -> String {
    match (is_valid(row, name), row.capacity(name)) {
        (None, _) => String::new(),
        (Some(false), _) => "INVALID".to_owned(),
        (Some(true), Capacity::NotProven(_)) => "?".to_owned(),
        (Some(true), Capacity::Proven) => {
            let rates = row.samples(name).into_iter().flatten();
            let rates = rates.map(|sample| sample.operations_per_s);
            median(Spread::of(rates), 0)
        }
    }
}

fn push_latency(page: &mut String, report: &Report) {
    for result in &report.latency {
        let _ = writeln!(
            page,
            "\n## How long one waits: {}\n\nMicroseconds at fixed rates, timed from when a request \
             was due: p50 / p99 / p99.9. `...`: cannot keep up.\n",
            result.row.task.describe()
        );
        let Some(first) = result.rates.first() else {
            continue;
        };
        let titles = result
            .rates
            .iter()
            .map(|rate| format!("{:.0} a second", rate.per_s));
        let titles: Vec<String> = std::iter::once("server".to_owned()).chain(titles).collect();
        push_titles(page, &titles.iter().map(String::as_str).collect::<Vec<_>>());
        for (index, series) in first.servers.iter().enumerate() {
            let cells = result.rates.iter().map(|rate| {
                let series = &rate.servers[index];
                let us = |figure: fn(&LatencySample) -> f64| median(series.spread(figure), 0);
                let right = series
                    .samples
                    .iter()
                    .all(|sample| sample.errors.total() == 0);
                if series.failure.is_some() || !right {
                    return "INVALID".to_owned();
                }
                if series.samples.iter().any(|sample| sample.unfinished > 0) {
                    return "...".to_owned();
                }
                let (p50, p99) = (us(|s| s.p50_us), us(|s| s.p99_us));
                format!("{p50} / {p99} / {}", us(|s| s.p999_us))
            });
            push_line(page, std::iter::once(series.name.clone()).chain(cells));
        }
    }
}

fn push_memory(page: &mut String, report: &Report) {
    if report.memory.is_empty() {
        return;
    }
    page.push_str("\n## Memory of an idle connection\n\n");
    push_titles(
        page,
        &[
            "scenario",
            "server",
            "bytes",
            "left when closed",
            "kernel's",
        ],
    );
    for result in &report.memory {
        for series in &result.servers {
            let valid = series.failure.is_none() && series.samples.iter().all(Memory::is_valid);
            let bytes = |figure: fn(&Memory) -> f64| median(series.spread(figure), 0);
            push_line(
                page,
                [
                    result.row.task.to_string(),
                    series.name.clone(),
                    if valid {
                        bytes(Memory::open_per_connection)
                    } else {
                        "INVALID".to_owned()
                    },
                    bytes(Memory::closed_per_connection),
                    bytes(Memory::kernel_per_connection),
                ],
            );
        }
    }
}

fn push_soak(page: &mut String, report: &Report) {
    let Some(soak) = &report.soak else { return };
    let _ = writeln!(
        page,
        "\n## Memory over time\n\n{}, at 70 % of what each server can do. The slope is of the second \
         half; a leak that is slow shows in hours only (`--soak 3600`).\n",
        soak.row.task.describe()
    );
    push_titles(
        page,
        &[
            "server",
            "a second",
            "seconds",
            "MiB at the end",
            "KiB a second",
        ],
    );
    for series in &soak.servers {
        let cells = match (&series.failure, series.samples.first()) {
            (None, Some(sample)) if sample.errors.total() == 0 => {
                let (seconds, bytes) = sample.memory.last().copied().unwrap_or_default();
                [
                    format!("{:.0}", sample.per_s),
                    format!("{seconds:.0}"),
                    format!("{:.1}", bytes / f64::from(1 << 20)),
                    format!("{:+.1}", sample.growth_per_s / 1024.0),
                ]
            }
            _ => ["INVALID", "", "", ""].map(str::to_owned),
        };
        push_line(page, std::iter::once(series.name.clone()).chain(cells));
    }
}

fn push_servers(page: &mut String, report: &Report) {
    page.push_str("\n## Servers\n\n");
    push_titles(
        page,
        &[
            "server",
            "version",
            "what it is",
            "of what was tried, not passed",
        ],
    );
    for peer in &report.peers {
        let findings: Vec<_> = peer.findings.iter().map(|f| f.tried.as_str()).collect();
        let result = match (peer.tried, findings.is_empty()) {
            (0, _) => "not tried".to_owned(),
            (tried, true) => format!("nothing of {tried}"),
            (tried, false) => format!("{} of {tried}: {}", findings.len(), findings.join(", ")),
        };
        push_line(
            page,
            [
                peer.name.clone(),
                peer.version.clone(),
                peer.about.clone(),
                result,
            ],
        );
    }
    for missing in &report.missing {
        let _ = writeln!(
            page,
            "\nNot measured: {}: {}.",
            missing.name, missing.reason
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::verify::Errors;
    use crate::report::tests::{GOOD, report};
    use crate::report::{Series, SoakResult};
    use crate::run::measure::{Sample, SoakSample};

    #[test]
    fn a_row_is_a_line_and_a_server_a_column() {
        let dear = Sample {
            cpu_us: 9.0,
            ..GOOD
        };
        let mut report = report(&[GOOD, GOOD], &[dear, dear]);
        report.peers = vec![crate::peers::Peer::parse("other=x {port}").unwrap()];
        report.peers[0].name = "keirin".to_owned();
        let page = page(&report, "benchmarks");
        assert!(
            page.contains("| scenario | in flight | null | keirin |\n"),
            "{page}"
        );
        assert!(page.contains("| hello | 1 | 6.00 | 1.50 |\n"), "{page}");
        assert!(page.contains("| hello | 1 | ? | ? |\n"), "{page}");
    }

    #[test]
    fn a_soak_tells_the_slope() {
        let mut report = report(&[GOOD], &[GOOD]);
        let mut series = Series::new(NULL);
        series.samples.push(SoakSample {
            per_s: 500.0,
            due: 1000,
            errors: Errors::default(),
            memory: vec![(1.0, 1_048_576.0), (2.0, 2_097_152.0)],
            growth_per_s: 2048.0,
        });
        let mut failed = Series::new("other");
        failed.failure = Some("ended".to_owned());
        let servers = vec![series, failed];
        let row = report.rows[0].row;
        report.soak = Some(SoakResult { row, servers });
        let page = page(&report, "benchmarks");
        assert!(page.contains("| null | 500 | 2 | 2.0 | +2.0 |\n"), "{page}");
        assert!(page.contains("| other | INVALID |"), "{page}");
    }
}
