//! `cargo xtask test`: every test, in an order that finds the cheap mistakes first.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::shell::{self, Result, cargo};
use crate::{autobahn, fuzz, header, install, node, prepare, tidy};

/// How much to test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What runs for every change.
    Short,
    /// The same, with the slow cases of Autobahn's testsuite, and a while of fuzzing.
    Full,
}

/// How long `--full` fuzzes each target.
const FUZZ_SECONDS: u64 = 60;

/// A name, and what to do.
type Step = (&'static str, fn() -> Result);

const STEPS: &[Step] = &[
    ("prepare", prepare::run),
    ("format", || {
        shell::run(&mut cargo(&["fmt", "--all", "--check"]))
    }),
    ("tidy", tidy::run),
    ("clippy", clippy),
    ("docs", || shell::run(&mut docs())),
    ("pure", || {
        shell::run(&mut cargo(&[
            "check",
            "--package",
            "keirin",
            "--no-default-features",
        ]))
    }),
    ("examples", || {
        shell::run(&mut cargo(&["build", "--release", "--examples"]))
    }),
    ("library", || install::run_symbols(true)),
    ("header", header::check),
    ("consumers", install::test_consumers),
    ("tests", tests),
    ("node", node::test),
    ("fuzz seeds", fuzz::replay_all),
];

/// Runs the steps in order, stops at the first failure, and says what took how long.
pub(crate) fn run(extent: Extent) -> Result {
    let last: &[Step] = match extent {
        Extent::Short => &[("autobahn", || autobahn::run(&autobahn::Selection::Sample))],
        Extent::Full => &[
            ("autobahn", || autobahn::run(&autobahn::Selection::All)),
            ("sanitizer", sanitized_matrix),
            ("fuzz", || fuzz::run_all(FUZZ_SECONDS)),
        ],
    };
    let (times, result) = run_steps(STEPS.iter().chain(last));
    println!();
    for (name, time) in &times {
        println!("{:>8.1} s  {name}", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:>8.1} s  together", total.as_secs_f64());
    result
}

/// The time of each step that ran; the last of them is the one that failed, if one did.
fn run_steps<'a>(steps: impl Iterator<Item = &'a Step>) -> (Vec<(&'static str, Duration)>, Result) {
    let mut times = Vec::new();
    for (name, step) in steps {
        println!("\n== {name}");
        let start = now();
        let result = step();
        times.push((*name, start.elapsed()));
        if let Err(error) = result {
            return (times, Err(format!("step `{name}`: {error}").into()));
        }
    }
    (times, Ok(()))
}

fn clippy() -> Result {
    shell::run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn docs() -> Command {
    let mut command = cargo(&["doc", "--no-deps", "--workspace"]);
    command.env("RUSTDOCFLAGS", "-Dwarnings");
    command
}

/// The integration tests drive the examples, and compile against the C library, that steps before
/// have built.
fn tests() -> Result {
    let mut cargo = cargo(&["test", "--workspace"]);
    cargo.env(
        "KEIRIN_EXAMPLES",
        shell::target_folder()?.join("release/examples"),
    );
    shell::run(cargo.env("KEIRIN_PREFIX", install::test_prefix()?))
}

/// Misuse of the C interface under AddressSanitizer, which takes minutes.
fn sanitized_matrix() -> Result {
    let mut command = cargo(&["test", "--package", "keirin-ffi", "--test", "safety"]);
    shell::run(command.args(["--", "--ignored"]))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the engine's clock is no concern of this tool"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stops_the_run_and_is_named() {
        let steps: &[Step] = &[
            ("good", || Ok(())),
            ("bad", || Err("`false` failed".into())),
            ("never", || unreachable!("a step after a failure ran")),
        ];
        let (times, result) = run_steps(steps.iter());
        let names: Vec<&str> = times.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["good", "bad"]);
        assert_eq!(
            result.unwrap_err().to_string(),
            "step `bad`: `false` failed"
        );
    }

    #[test]
    fn steps_that_all_pass_make_a_pass() {
        let steps: &[Step] = &[("one", || Ok(())), ("two", || Ok(()))];
        let (times, result) = run_steps(steps.iter());
        assert_eq!(times.len(), 2);
        assert!(result.is_ok());
    }
}
