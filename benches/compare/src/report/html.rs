//! A page with everything in it: no script, no font and no picture from elsewhere.

use std::fmt::Write as _;

use super::chart::{self, Bar, Line, escape, thousands};
use super::table::{LATENCY_TITLES, latency_cells, median, memory_mib, ratios, show};
use super::{
    Capacity, GENERATOR_BUSY_MAX, HEADROOM_MIN, LatencyResult, MemoryResult, Report, RowResult,
    SERVER_BUSY_MIN, Series, SoakResult,
};
use crate::load::idle::Memory;
use crate::peers::catalogue::NULL;
use crate::run::measure::{LatencySample, Sample};

const STYLE: &str = include_str!("report.css");

/// The whole page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>keirin-bench: comparison of servers over loopback</title>\n<style>",
    );
    page.push_str(STYLE);
    page.push_str("</style></head>\n<body><h1>Comparison of servers over loopback</h1>\n");
    push_introduction(&mut page, report);
    page.push_str(
        "<h2>What each request or message costs, and how many a server can answer</h2>\n",
    );
    push_legend(&mut page);
    for row in &report.rows {
        push_row(&mut page, report, row);
    }
    if !report.latency.is_empty() {
        push_latency(&mut page, report);
    }
    if !report.memory.is_empty() {
        page.push_str("<h2>Memory of an idle connection</h2>\n");
        report
            .memory
            .iter()
            .for_each(|result| push_memory(&mut page, result));
    }
    if let Some(soak) = &report.soak {
        push_soak(&mut page, soak);
    }
    push_peers(&mut page, report);
    push_environment(&mut page, report);
    page.push_str("</body></html>\n");
    page
}

fn push_introduction(page: &mut String, report: &Report) {
    let environment = &report.environment;
    let lines = escape(&report.describe()).replace('\n', "<br>");
    let sampled = if environment.verifies_all {
        "always"
    } else {
        "for one in 61 and the first on each connection"
    };
    let _ = write!(
        page,
        "<p>{lines}</p>\n<p>Made by <code>{}</code>.</p>\n<p><b>One machine, over its loopback \
         device.</b> Every server is a fresh process for each run, has one core with all its \
         threads, and takes turns with the others. Every reply is verified: its length always, its \
         content {sampled}. Differences that not every round \
         saw are ties. Rows that are bad for a server stay.</p>\n",
        escape(&environment.command)
    );
}

fn push_legend(page: &mut String) {
    let _ = writeln!(
        page,
        "<p><b>CPU time</b> of the server for each, in microseconds: what differs between \
         servers where the kernel's share of a small request hides it from the throughput. \
         <b>null</b> is a server that parses nothing and only does the system calls. \
         <b>A second</b> is drawn only where it is proven that the server could not do more: it \
         used {:.0} % of its core or more, the generator {:.0} % of its own at most, and against \
         the null server the generator is {HEADROOM_MIN} times as fast.</p>",
        SERVER_BUSY_MIN * 100.0,
        GENERATOR_BUSY_MAX * 100.0
    );
}

fn class(name: &str) -> &'static str {
    match name {
        NULL => "null",
        _ if name.starts_with("keirin") => "keirin",
        _ if name.starts_with("uws") => "uws",
        "ws" | "socket.io" | "node-http" | "express" | "bun" => "javascript",
        _ => "other",
    }
}

fn push_row(page: &mut String, report: &Report, row: &RowResult) {
    let title = format!(
        "{}, {} in flight",
        row.row.task.describe(),
        row.row.in_flight
    );
    let (operation, name) = (row.row.task.operation(), row.row.task);
    let _ = write!(
        page,
        "<h3>{} <small>{name}</small></h3>\n<div class=\"pair\">",
        escape(&title)
    );
    let figures = |title: &str, bars: Vec<Bar>| {
        format!(
            "<figure><figcaption>{title}</figcaption>{}</figure>",
            chart::bars(title, &bars)
        )
    };
    let costs = row
        .servers
        .iter()
        .map(|series| cost_bar(row, series))
        .collect();
    page.push_str(&figures(&format!("CPU us of a {operation}"), costs));
    let rates = row
        .servers
        .iter()
        .map(|series| rate_bar(row, series))
        .collect();
    page.push_str(&figures(&format!("a second: {operation}"), rates));
    page.push_str("</div>\n");
    push_row_table(page, report, row);
}

fn cost_bar(row: &RowResult, series: &Series<Sample>) -> Bar {
    let spread = series.spread(|s| s.cpu_us).filter(|_| series.is_valid());
    let ratio = row
        .ratio(&series.name, NULL)
        .filter(|_| series.name != NULL);
    Bar {
        name: series.name.clone(),
        class: class(&series.name),
        value: spread.map(|spread| spread.median),
        spread: spread.map_or((0.0, 0.0), |spread| (spread.min, spread.max)),
        label: match (spread, ratio) {
            (None, _) => "INVALID".to_owned(),
            (Some(spread), None) => format!("{:.2}", spread.median),
            (Some(spread), Some(ratio)) => {
                format!("{:.2}  ({:.2} x null)", spread.median, ratio.median)
            }
        },
    }
}

fn rate_bar(row: &RowResult, series: &Series<Sample>) -> Bar {
    let spread = series
        .spread(|s| s.operations_per_s)
        .filter(|_| series.is_valid());
    let proof = row.capacity(&series.name);
    let proven = spread.filter(|_| proof == Capacity::Proven);
    let rate = spread.map_or_else(String::new, |spread| thousands(spread.median));
    Bar {
        name: series.name.clone(),
        class: class(&series.name),
        value: proven.map(|spread| spread.median),
        spread: proven.map_or((0.0, 0.0), |spread| (spread.min, spread.max)),
        label: match (&proof, spread) {
            (_, None) => "INVALID".to_owned(),
            (Capacity::Proven, Some(_)) => rate,
            (Capacity::NotProven(doubts), Some(_)) => {
                format!("not proven ({rate}): {}", doubts.join(", "))
            }
        },
    }
}

fn push_table(page: &mut String, titles: &[String], lines: impl Iterator<Item = Vec<String>>) {
    page.push_str("<div class=\"scroll\"><table><thead><tr>");
    for title in titles {
        let _ = write!(page, "<th>{}</th>", escape(title));
    }
    page.push_str("</tr></thead><tbody>\n");
    for line in lines {
        page.push_str("<tr>");
        for cell in line {
            let _ = write!(page, "<td>{}</td>", escape(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

fn owned(titles: &[&str]) -> Vec<String> {
    titles.iter().map(|&title| title.to_owned()).collect()
}

fn push_row_table(page: &mut String, report: &Report, row: &RowResult) {
    let bases = report.bases();
    let mut titles = owned(&["server", "CPU us (min..max)"]);
    titles.extend(bases.iter().map(|base| format!("x {base}")));
    titles.extend(owned(&[
        "a second (min..max)",
        "busy: server, generator",
        "generator us",
        "MiB: start, peak, drained",
        "notes",
    ]));
    let connections = report.environment.connections;
    let lines = row.servers.iter().map(|series| {
        let mut cells = vec![series.name.clone(), show(series.spread(|s| s.cpu_us), 3)];
        cells.extend(ratios(row, series, &bases));
        let percent = |figure: fn(&Sample) -> f64| {
            median(series.spread(|sample| figure(sample) * 100.0), 0) + " %"
        };
        cells.push(show(series.spread(|s| s.operations_per_s), 0));
        let (server, generator) = (percent(|s| s.server_busy), percent(|s| s.generator_busy));
        cells.push(format!("{server}, {generator}"));
        cells.push(median(series.spread(Sample::generator_us), 3));
        cells.push(memory_mib(series));
        cells.push(row.notes(series, connections).join("; "));
        cells
    });
    page.push_str("<details><summary>Figures</summary>");
    push_table(page, &titles, lines);
    page.push_str("</details>\n");
}

fn push_latency(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>How long a request waits at a fixed rate</h2>\n<p>An open loop: requests are due at \
         fixed times, whether or not the server keeps up, and each is timed from when it was due. \
         The rates are shares of what the null server can do, the same for all. Microseconds, on a \
         scale of powers of ten; medians of runs.</p>\n",
    );
    for result in &report.latency {
        push_latency_row(page, result);
    }
}

fn push_latency_row(page: &mut String, result: &LatencyResult) {
    let title = result.row.task.describe();
    let _ = write!(page, "<h3>{}</h3>\n<div class=\"pair\">", escape(&title));
    let half: fn(&LatencySample) -> f64 = |s| s.p50_us;
    for (name, figure) in [("p50", half), ("p99", |s| s.p99_us)] {
        let lines = latency_lines(result, figure);
        let caption = format!("{name} by rate");
        let x_of = |per_s: f64| format!("{}/s", thousands(per_s));
        let svg = chart::lines(&format!("{title}: {caption}"), &lines, x_of, "us");
        let _ = write!(
            page,
            "<figure><figcaption>{caption}</figcaption>{svg}</figure>"
        );
    }
    page.push_str("</div>\n<details><summary>Figures</summary>");
    let titles = owned(&[&["a second", "server"], &LATENCY_TITLES[..]].concat());
    let lines = result.rates.iter().flat_map(|rate| {
        rate.servers.iter().map(|series| {
            let per_s = format!("{} ({:.0} %)", thousands(rate.per_s), rate.share * 100.0);
            let mut cells = vec![per_s, series.name.clone()];
            cells.extend(latency_cells(series));
            cells
        })
    });
    push_table(page, &titles, lines);
    page.push_str("</details>\n");
}

fn latency_lines(result: &LatencyResult, figure: fn(&LatencySample) -> f64) -> Vec<Line> {
    let Some(first) = result.rates.first() else {
        return Vec::new();
    };
    let names = first.servers.iter().map(|series| series.name.as_str());
    let line = |name: &str| {
        let points = result.rates.iter().filter_map(|rate| {
            let series = rate.servers.iter().find(|series| series.name == name)?;
            Some((rate.per_s, series.spread(figure)?.median.max(1.0)))
        });
        Line {
            name: name.to_owned(),
            class: class(name),
            points: points.collect(),
        }
    };
    names
        .map(line)
        .filter(|line| !line.points.is_empty())
        .collect()
}

fn push_memory(page: &mut String, result: &MemoryResult) {
    let title = result.row.task.describe();
    let _ = writeln!(page, "<h3>{}</h3>", escape(&title));
    let bars: Vec<Bar> = result.servers.iter().map(memory_bar).collect();
    let svg = chart::bars(&title, &bars);
    let _ = writeln!(
        page,
        "<figure><figcaption>bytes of the process for each; the kernel's part is for both ends, \
         and the same for all</figcaption>{svg}</figure>"
    );
}

fn memory_bar(series: &Series<Memory>) -> Bar {
    let valid = series.failure.is_none() && series.samples.iter().all(Memory::is_valid);
    let spread = series.spread(Memory::open_per_connection).filter(|_| valid);
    let kernel = series.spread(Memory::kernel_per_connection);
    let left = series.spread(Memory::closed_per_connection);
    Bar {
        name: series.name.clone(),
        class: class(&series.name),
        value: spread.map(|spread| spread.median),
        spread: spread.map_or((0.0, 0.0), |spread| (spread.min, spread.max)),
        label: match spread {
            None => "INVALID".to_owned(),
            Some(spread) => format!(
                "{} (kernel {}, left {})",
                thousands(spread.median),
                median(kernel, 0),
                median(left, 0)
            ),
        },
    }
}

fn push_soak(page: &mut String, soak: &SoakResult) {
    let title = format!("{}: memory over time", soak.row.task.describe());
    let lines: Vec<Line> = soak
        .servers
        .iter()
        .filter_map(|series| {
            let sample = series.samples.first()?;
            let mib = |&(s, bytes): &(f64, f64)| (s, (bytes / f64::from(1 << 20)).max(0.1));
            let growth = sample.growth_per_s / 1024.0;
            Some(Line {
                name: format!("{} {growth:+.1} KiB/s", series.name),
                class: class(&series.name),
                points: sample.memory.iter().map(mib).collect(),
            })
        })
        .collect();
    let svg = chart::lines(&title, &lines, |s| format!("{s:.1} s"), "MiB");
    let _ = writeln!(
        page,
        "<h2>Soak</h2>\n<p>At 70 % of what each server can do; the slope is of the second half. A \
         leak shows in hours, not in seconds: <code>--soak 3600</code>.</p>\n<figure><figcaption>{}\
         </figcaption>{svg}</figure>",
        escape(&title)
    );
}

fn push_peers(page: &mut String, report: &Report) {
    page.push_str("<h2>Servers</h2>\n");
    let titles = owned(&[
        "server",
        "version",
        "what it is",
        "built",
        "tried and passed",
        "not passed",
    ]);
    let lines = report.peers.iter().map(|peer| {
        let findings = peer
            .findings
            .iter()
            .map(|f| format!("{}: {}", f.tried, f.result));
        let passed = match peer.tried {
            0 => "not tried".to_owned(),
            tried => format!("{} of {tried}", tried - peer.findings.len()),
        };
        vec![
            peer.name.clone(),
            peer.version.clone(),
            peer.about.clone(),
            peer.built.clone(),
            passed,
            findings.collect::<Vec<_>>().join("; "),
        ]
    });
    push_table(page, &titles, lines);
    if report.missing.is_empty() {
        return;
    }
    page.push_str("<p>Not measured:</p><ul>");
    for missing in &report.missing {
        let _ = write!(
            page,
            "<li>{}: {}</li>",
            escape(&missing.name),
            escape(&missing.reason)
        );
    }
    page.push_str("</ul>\n");
}

fn push_environment(page: &mut String, report: &Report) {
    let environment = &report.environment;
    page.push_str("<h2>Machine</h2>\n");
    let known = |text: &str| {
        if text.is_empty() {
            "not known".to_owned()
        } else {
            text.to_owned()
        }
    };
    let facts = [
        ("processor", environment.processor.clone()),
        ("cores", environment.topology.clone()),
        ("cores used", environment.cores.to_string()),
        ("memory", environment.memory.clone()),
        (
            "system",
            format!("{}, Linux {}", environment.system, environment.kernel),
        ),
        ("governor", known(&environment.governor)),
        ("boost", known(&environment.boost)),
        ("io_uring", environment.io_uring.to_string()),
        ("loopback MTU", environment.loopback_mtu.clone()),
        ("keirin-bench", environment.version.to_owned()),
        ("seconds since 1970", environment.unix_time_s.to_string()),
    ];
    let facts = facts.map(|(name, value)| (name.to_owned(), value));
    let pairs = facts
        .into_iter()
        .chain(environment.sysctls.clone())
        .chain(environment.mitigations.clone());
    let titles = owned(&["what", "is"]);
    push_table(page, &titles, pairs.map(|(name, value)| vec![name, value]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{GOOD, report};

    #[test]
    fn a_page_is_whole_and_asks_for_nothing() {
        let page = page(&report(&[GOOD], &[GOOD]));
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
        assert_eq!(
            page.matches("<svg").count(),
            2,
            "a pair of charts for the row"
        );
        for asks in [
            "src=", "href=", "url(", "@import", "<script", "<link", "http://", "https://",
        ] {
            assert!(!page.contains(asks), "{asks}");
        }
        assert!(page.contains("a &lt;processor&gt;"));
    }

    #[test]
    fn a_rate_that_is_not_proven_has_no_bar() {
        let bar = |report: &Report| rate_bar(&report.rows[0], &report.rows[0].servers[1]);
        let slow = Sample {
            operations_per_s: 1000.0,
            ..GOOD
        };
        assert!(bar(&report(&[GOOD], &[slow])).value.is_some());
        let bar = bar(&report(&[GOOD], &[GOOD]));
        assert!(
            bar.value.is_none() && bar.label.starts_with("not proven (2"),
            "{bar:?}"
        );
    }
}
