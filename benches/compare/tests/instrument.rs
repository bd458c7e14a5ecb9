//! The instrument on itself: the real processes, over real sockets.

use std::net::TcpStream;
use std::process::{Command, Output};

use keirin_bench::null::{Fault, canned_answer};
use keirin_bench::process::{ServerProcess, free_port};
use keirin_bench::scenario::Scenario;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_keirin-bench");

fn start_null(scenario: Scenario, fault: Option<Fault>) -> ServerProcess {
    let port = free_port().unwrap();
    let mut command = Command::new(EXECUTABLE);
    command.args(["null", "--scenario", scenario.name()]);
    if let Some(fault) = fault {
        command.args(["--fault", fault.name()]);
    }
    command.arg(port.to_string());
    ServerProcess::start(command, port).unwrap()
}

fn load(server: &ServerProcess, scenario: Scenario, pipeline: usize, seconds: &str) -> Output {
    Command::new(EXECUTABLE)
        .args(["load", "--scenario", scenario.name()])
        .args(["--pipeline", &pipeline.to_string()])
        .args(["--connections", "8", "--seconds", seconds])
        .arg(server.address().port().to_string())
        .output()
        .unwrap()
}

/// The number called `name` in the line of JSON that `load` prints.
fn number(output: &Output, name: &str) -> f64 {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let (_, rest) = text
        .split_once(&format!("\"{name}\":"))
        .unwrap_or_else(|| panic!("no {name} in {output:?}"));
    let end = rest.find([',', '}']).unwrap();
    rest[..end].parse().unwrap()
}

/// A second of load on a faultless null server.
fn check_null(scenario: Scenario, pipeline: usize) {
    let server = start_null(scenario, None);
    let output = load(&server, scenario, pipeline, "1");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(number(&output, "errors"), 0.0, "{output:?}");
    assert!(number(&output, "requests") > 0.0, "{output:?}");
    assert!(number(&output, "generator_cpu_s") > 0.0, "{output:?}");
    let bytes = canned_answer(scenario, None).len() as f64;
    assert_eq!(number(&output, "response_bytes"), bytes, "{output:?}");
}

#[test]
fn hello_is_answered_without_errors() {
    check_null(Scenario::Hello, 1);
    check_null(Scenario::Hello, 16);
}

#[test]
fn headers20_is_answered_without_errors() {
    check_null(Scenario::Headers20, 1);
    check_null(Scenario::Headers20, 16);
}

#[test]
fn json_is_answered_without_errors() {
    check_null(Scenario::Json, 1);
}

/// Deep enough that the answers do not fit the socket's buffer, and are sent in parts.
#[test]
fn body16k_is_answered_without_errors() {
    check_null(Scenario::Body16k, 1);
    check_null(Scenario::Body16k, 300);
}

#[test]
fn upload64k_is_answered_without_errors() {
    check_null(Scenario::Upload64k, 1);
    check_null(Scenario::Upload64k, 16);
}

#[test]
fn every_fault_is_reported_under_its_name() {
    for fault in Fault::ALL {
        let count = match fault {
            Fault::Status => "bad_status",
            Fault::Length | Fault::Surplus => "bad_length",
            Fault::Body => "bad_body",
            Fault::Truncated => "unanswered",
            Fault::Close => "unexpected_close",
        };
        for scenario in [Scenario::Hello, Scenario::Body16k] {
            let server = start_null(scenario, Some(fault));
            let output = load(&server, scenario, 1, "0.1");
            assert_eq!(output.status.code(), Some(1), "{fault:?}: {output:?}");
            assert!(number(&output, count) > 0.0, "{fault:?}: {output:?}");
        }
    }
}

#[test]
fn nobody_to_load_is_no_measurement() {
    let server = start_null(Scenario::Hello, None);
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "stopped by the drop");
    let port = address.port().to_string();
    let arguments = ["load", "--scenario", "hello", &port];
    let output = Command::new(EXECUTABLE).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// The line of the table about `server`.
fn line<'a>(table: &'a str, server: &str) -> &'a str {
    let cell = format!("| {server} ");
    let found = table.lines().find(|line| line.contains(&cell));
    found.unwrap_or_else(|| panic!("no {server} in {table}"))
}

#[test]
fn compare_measures_peers_and_marks_the_faulty() {
    let json = std::env::temp_dir().join(format!("keirin-bench-{}.json", std::process::id()));
    let twin = format!("twin={EXECUTABLE} null --scenario json {{port}}");
    let faulty = format!("faulty={EXECUTABLE} null --scenario json --fault body {{port}}");
    let output = Command::new(EXECUTABLE)
        .args(["compare", "--quick", "--scenarios", "json", "--runs", "2"])
        .args(["--peer", &twin, "--peer", &faulty, "--json"])
        .arg(&json)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(!line(&table, "null").contains("INVALID"), "{table}");
    assert!(!line(&table, "twin").contains("INVALID"), "{table}");
    assert!(line(&table, "faulty").contains("INVALID"), "{table}");
    let samples = std::fs::read_to_string(&json).unwrap();
    std::fs::remove_file(&json).unwrap();
    for server in ["null", "twin", "faulty"] {
        let of_server = format!("\"server\":\"{server}\"");
        let count = samples.lines().filter(|l| l.contains(&of_server)).count();
        assert_eq!(count, 2, "{samples}");
    }
}
