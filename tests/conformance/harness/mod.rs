//! Runs the tables.

pub(crate) mod build;
mod case;
mod check;
mod cuts;
mod exchange;
mod response;
mod simulated;
mod sockets;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use case::{Answer, Case, Expect, Setup, Then};
pub(crate) use check::check;
pub(crate) use cuts::Cut;
pub(crate) use exchange::{After, Exchange, Outcome};
pub(crate) use response::{is_tchar, is_value_byte, parse_all};
pub(crate) use simulated::{Client, Simulated};
use sockets::Sockets;

/// The plain request that proves a connection alive, or finds out what else was read from it.
const FOLLOW_UP: &[u8] = b"GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Runs a table on the in-memory worker.
pub(crate) fn check_simulated(theme: &str, cases: Vec<Case>) {
    let mut failures = Vec::new();
    let count = cases.len();
    for case in &cases {
        // A panic of the worker fails its case; the others still have something to say.
        let run = || run_case(theme, case, &mut Simulated::new(case.setup), &cuts::ALL);
        failures.extend(catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<&str>().copied().unwrap_or("a panic");
            Some(format!(
                "{theme} / {} [{}]\n  {message}\n",
                case.name, case.rfc
            ))
        }));
    }
    report(count, &failures);
}

/// Runs all tables over sockets, one server per setup.
pub(crate) fn check_sockets(themes: Vec<(&'static str, Vec<Case>)>) {
    let mut failures = Vec::new();
    let mut count = 0;
    let mut servers = BTreeMap::new();
    for (theme, cases) in &themes {
        for case in cases {
            let exchange = servers
                .entry(case.setup)
                .or_insert_with(|| Sockets::start(case.setup));
            failures.extend(run_case(theme, case, exchange, &cuts::ON_SOCKETS));
            count += 1;
        }
    }
    for (_, server) in servers {
        server.stop();
    }
    report(count, &failures);
}

fn report(count: usize, failures: &[String]) {
    assert!(
        failures.is_empty(),
        "{} failures in {count} cases\n\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Runs one case with each cut. The first failure of a case is enough to describe it.
fn run_case(theme: &str, case: &Case, exchange: &mut dyn Exchange, cuts: &[Cut]) -> Option<String> {
    let mut first = None;
    for &cut in cuts {
        let segments = cut.apply(&case.send);
        let mut last = Outcome::default();
        let result = run_cut(case, &segments, exchange, &mut last).and_then(|understood| {
            let understood = understood.comparable();
            match first.get_or_insert_with(|| understood.clone()) {
                same if *same == understood => Ok(()),
                other => Err(format!(
                    "the cut changes the outcome: as a whole it was {other:?}"
                )),
            }
        });
        if let Err(reason) = result {
            return Some(describe(theme, case, cut, &segments, &last, &reason));
        }
    }
    None
}

/// Runs the case, then once more with something after it: the rest of the message, or a request
/// that must be served on an open connection and must not be on a closed one.
fn run_cut(
    case: &Case,
    segments: &[&[u8]],
    exchange: &mut dyn Exchange,
    last: &mut Outcome,
) -> Result<check::Understood, String> {
    let unfinished = case
        .outcomes
        .iter()
        .any(|expect| matches!(expect.then, Then::Unfinished));
    let after = if unfinished {
        After::Timeouts
    } else {
        After::Still
    };
    if exchange.sees_silence() {
        *last = exchange.run(segments, after);
        let (understood, expect) = check(&case.outcomes, last)?;
        if unfinished {
            return Ok(understood);
        }
        *last = exchange.run(&[segments, &tail(&expect)].concat(), after);
        check(&[continued(expect)], last)
            .map_err(|reason| format!("with a request after it: {reason}"))?;
        return Ok(understood);
    }
    if unfinished {
        // Nothing to see here without waiting for a real timeout.
        *last = Outcome::default();
        return check(&[Expect::served(Vec::new())], last).map(|(understood, _)| understood);
    }
    let alternatives: Vec<_> = case.outcomes.iter().cloned().map(continued).collect();
    *last = exchange.run(&[segments, &tail(&case.outcomes[0])].concat(), after);
    check(&alternatives, last).map(|(understood, _)| understood)
}

fn tail(expect: &Expect) -> Vec<&[u8]> {
    match &expect.then {
        Then::Waiting { rest, .. } => vec![rest, FOLLOW_UP],
        _ => vec![FOLLOW_UP],
    }
}

/// What to expect when [`tail`] has been sent too.
fn continued(mut expect: Expect) -> Expect {
    let mut more = match expect.then.clone() {
        Then::Open => Vec::new(),
        Then::Waiting { answer, .. } => vec![answer],
        _ => return expect,
    };
    more.push(Answer::ok().body("hello"));
    let count = expect.completed
        + more
            .iter()
            .filter(|answer| answer.statuses == [200])
            .count();
    expect.answers.extend(more);
    expect.then(Then::Closed).handled(count)
}

fn describe(
    theme: &str,
    case: &Case,
    cut: Cut,
    segments: &[&[u8]],
    outcome: &Outcome,
    reason: &str,
) -> String {
    let mut text = format!("{theme} / {} [{}]\n  cut: {cut:?}", case.name, case.rfc);
    if let Cut::Random { .. } = cut {
        let lengths: Vec<_> = segments.iter().map(|segment| segment.len()).collect();
        let _ = write!(text, ", segments of {lengths:?} bytes");
    }
    let (entered, completed) = (outcome.entered, outcome.completed);
    let _ = writeln!(text, "\n  {reason}\n  sent: {}", shown(&case.send));
    let state = if outcome.closed { "closed" } else { "open" };
    let _ = writeln!(text, "  came: {}", shown(&outcome.bytes));
    let _ = writeln!(
        text,
        "  {state}, {entered} handler calls, {completed} completed"
    );
    text
}

/// Bytes in a failure: all of them if they are few, else both ends.
fn shown(bytes: &[u8]) -> String {
    const ENDS: usize = 300;
    if bytes.len() <= 2 * ENDS {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    let (start, end) = (&bytes[..ENDS], &bytes[bytes.len() - ENDS..]);
    format!(
        "\"{}\" … {} bytes … \"{}\"",
        start.escape_ascii(),
        bytes.len() - 2 * ENDS,
        end.escape_ascii()
    )
}
