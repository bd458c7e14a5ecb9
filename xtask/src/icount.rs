//! `cargo xtask icount`: instructions per request, which vary far less from run to run than time.
//!
//! The bench target `icount` runs a scenario N times in memory. Counting two lengths and taking the
//! difference leaves out the start and the end of the program.

use std::path::{Path, PathBuf};

use crate::shell::{self, Result, cargo, command, find_program};

const SCENARIOS: &[&str] = &["hello", "hello16", "headers20", "json"];

const FEW: u64 = 1000;
const MANY: u64 = 2000;

/// Prints the instructions per request of each scenario.
pub(crate) fn run() -> Result {
    if find_program("valgrind").is_none() {
        return Err("icount needs valgrind: apt-get install valgrind".into());
    }
    let program = build()?;
    println!("{:<12} {:>24}", "scenario", "instructions/request");
    for scenario in SCENARIOS {
        let few = count(&program, scenario, FEW)?;
        let many = count(&program, scenario, MANY)?;
        let difference = many
            .checked_sub(few)
            .ok_or("more requests took fewer instructions")?;
        let tenths = difference * 10 / (MANY - FEW);
        println!("{scenario:<12} {:>22}.{}", tenths / 10, tenths % 10);
    }
    Ok(())
}

fn build() -> Result<PathBuf> {
    let mut cargo = cargo(&[
        "build",
        "--release",
        "--package",
        "keirin",
        "--bench",
        "icount",
    ]);
    let messages = shell::capture(cargo.args(["--message-format", "json-render-diagnostics"]))?;
    let path = messages.output.lines().find_map(executable_of_icount);
    Ok(path.ok_or("cargo built no executable `icount`")?.into())
}

/// The path in cargo's message about the finished executable.
fn executable_of_icount(message: &str) -> Option<&str> {
    if !message.contains(r#""kind":["bench"]"#) || !message.contains(r#""name":"icount""#) {
        return None;
    }
    let (_, path) = message.split_once(r#""executable":""#)?;
    path.split_once('"').map(|(path, _)| path)
}

fn count(program: &Path, scenario: &str, requests: u64) -> Result<u64> {
    let mut callgrind = command(
        "valgrind",
        &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
    );
    callgrind
        .arg(program)
        .args([scenario, &requests.to_string()]);
    let report = shell::capture(&mut callgrind)?.errors;
    collected(&report).ok_or_else(|| format!("callgrind reported no count:\n{report}").into())
}

/// The figure in callgrind's line `==1234== Collected : 5678`.
fn collected(report: &str) -> Option<u64> {
    let line = report.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_report() {
        let report = "==7== Events    : Ir\n==7== Collected : 191233\n==7==\n";
        assert_eq!(collected(report), Some(191_233));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }

    #[test]
    fn the_executable_is_read_from_the_messages() {
        let message = r#"{"target":{"kind":["bench"],"name":"icount"},"executable":"/t/icount-1"}"#;
        assert_eq!(executable_of_icount(message), Some("/t/icount-1"));
        let library = r#"{"target":{"kind":["lib"],"name":"keirin"},"executable":null}"#;
        assert_eq!(executable_of_icount(library), None);
    }
}
