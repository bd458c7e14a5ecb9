//! The instrument on itself: the real processes, over real sockets.

use std::net::TcpStream;
use std::process::{Command, Output};

use keirin_bench::null::{Fault, canned_answer};
use keirin_bench::run::process::{ServerProcess, free_port};
use keirin_bench::scenarios::{Row, Task, rows_of};

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_keirin-bench");

fn start_null(task: &str, fault: Option<Fault>) -> ServerProcess {
    let port = free_port().unwrap();
    let mut command = Command::new(EXECUTABLE);
    command.args(["null", "--scenario", task]);
    if let Some(fault) = fault {
        command.args(["--fault", fault.name()]);
    }
    command.arg(port.to_string());
    ServerProcess::start(command, port).unwrap()
}

/// Contents are not compared over WebSocket, where the null server does not know them.
fn load(server: &ServerProcess, task: &str, in_flight: usize, seconds: &str) -> Output {
    let mut command = Command::new(EXECUTABLE);
    command
        .args(["load", "--scenario", task])
        .args(["--in-flight", &in_flight.to_string()])
        .args(["--connections", "8", "--seconds", seconds]);
    if let Task::WebSocket(_) = task.parse().unwrap() {
        command.arg("--null");
    }
    let port = server.address().port().to_string();
    command.arg(port).output().unwrap()
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

#[test]
fn the_relay_delivers_to_all_others() {
    for (task, in_flight) in [
        ("publish1", 1),
        ("publish20", 16),
        ("slow100", 1),
        ("room16", 1),
    ] {
        let port = free_port().unwrap();
        let mut command = Command::new(EXECUTABLE);
        command.args(["relay", &port.to_string()]);
        let server = ServerProcess::start(command, port).unwrap();
        let mut command = Command::new(EXECUTABLE);
        command
            .args(["load", "--scenario", task, "--seconds", "0.2", "--verify"])
            .args(["--in-flight", &in_flight.to_string()])
            .arg(server.address().port().to_string());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{task}: {output:?}");
        assert_eq!(number(&output, "errors"), 0.0, "{task}: {output:?}");
        assert!(number(&output, "operations") > 0.0, "{task}: {output:?}");
    }
}

/// Some load on a faultless null server.
fn check_null(task: &str, in_flight: usize) {
    let server = start_null(task, None);
    let output = load(&server, task, in_flight, "0.3");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(number(&output, "errors"), 0.0, "{output:?}");
    assert!(number(&output, "operations") > 0.0, "{output:?}");
    assert!(number(&output, "generator_cpu_s") > 0.0, "{output:?}");
    if task != "handshake" && task != "connect" {
        let bytes = canned_answer(task.parse().unwrap(), None).unwrap().len() as f64;
        assert_eq!(number(&output, "answer_bytes"), bytes, "{output:?}");
    }
}

#[test]
fn every_base_is_answered_without_errors() {
    let mut bases: Vec<Row> = Vec::new();
    for row in rows_of("http,ws*,handshake,deflate*,brotli*").unwrap() {
        if !bases.contains(&row.base()) {
            bases.push(row.base());
        }
    }
    assert!(bases.len() > 30, "{bases:?}");
    for Row { task, in_flight } in bases {
        check_null(&task.to_string(), in_flight);
    }
}

/// Deep enough that the answers do not fit the socket's buffer, and are sent in parts.
#[test]
fn deep_batches_are_answered_without_errors() {
    check_null("body16k", 300);
    check_null("upload64k", 16);
    check_null("ws16k", 300);
    check_null("ws20", 5000);
}

#[test]
fn every_fault_is_reported_under_its_name() {
    for fault in Fault::ALL {
        let count = match fault {
            Fault::Status => "bad_status",
            Fault::Length | Fault::Surplus | Fault::Ahead => "bad_length",
            Fault::Body => "bad_body",
            Fault::Opcode => "bad_opcode",
            Fault::Truncated => "unanswered",
            Fault::Close => "unexpected_close",
            Fault::Stall => unreachable!("not among them"),
        };
        for task in ["hello", "body16k", "ws20", "ws16k-text"] {
            let websocket = task.starts_with("ws");
            // What comes before the upgrade is none.
            let early = fault == Fault::Ahead && websocket;
            let count = if early { "bad_status" } else { count };
            if websocket && fault == Fault::Body || !websocket && fault == Fault::Opcode {
                continue;
            }
            let server = start_null(task, Some(fault));
            let output = load(&server, task, 1, "0.1");
            assert_eq!(output.status.code(), Some(1), "{fault:?}: {output:?}");
            assert!(number(&output, count) > 0.0, "{fault:?}: {output:?}");
        }
    }
}

/// The null server's replies are not what was sent.
#[test]
fn contents_are_compared_unless_told_otherwise() {
    let server = start_null("ws20", None);
    let port = server.address().port().to_string();
    let arguments = ["load", "--scenario", "ws20", "--connections", "8", &port];
    let output = Command::new(EXECUTABLE).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let share = number(&output, "bad_body") / number(&output, "operations");
    assert!((0.015..0.03).contains(&share), "one in 61: {output:?}");
    let arguments = ["--verify", "--seconds", "0.1"];
    let output = Command::new(EXECUTABLE)
        .args(["load", "--scenario", "ws20", "--connections", "8", &port])
        .args(arguments)
        .output()
        .unwrap();
    assert!(number(&output, "bad_body") >= number(&output, "operations"));
}

#[test]
fn nobody_to_load_is_no_measurement() {
    let server = start_null("hello", None);
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "stopped by the drop");
    let port = address.port().to_string();
    let arguments = ["load", "--scenario", "hello", &port];
    let output = Command::new(EXECUTABLE).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// A server that does nothing for a second, once: whoever would have asked in that second waits.
#[test]
fn a_stall_shows_in_the_open_loop() {
    for (task, content) in [("hello", "--verify"), ("ws20", "--null")] {
        let server = start_null(task, Some(Fault::Stall));
        let port = server.address().port().to_string();
        let output = Command::new(EXECUTABLE)
            .args(["load", "--scenario", task, "--connections", "8", content])
            .args(["--rate", "1000", "--seconds", "3", &port])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(number(&output, "due"), 3000.0, "{output:?}");
        assert!(number(&output, "max_us") >= 990_000.0, "{output:?}");
        // A third of all requests were due in that second, though 8 connections saw it.
        assert!(number(&output, "p90_us") >= 500_000.0, "{output:?}");
        // The closed loop asks nobody in that time, and so it hides the stall.
        let server = start_null(task, Some(Fault::Stall));
        let output = load(&server, task, 1, "3");
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn requests_that_are_never_answered_are_in_the_latency() {
    let server = start_null("hello", Some(Fault::Truncated));
    let port = server.address().port().to_string();
    let output = Command::new(EXECUTABLE)
        .args(["load", "--scenario", "hello", "--connections", "2"])
        .args(["--rate", "100", "--seconds", "0.5", &port])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(number(&output, "due"), 50.0, "{output:?}");
    assert_eq!(number(&output, "unfinished"), 50.0, "{output:?}");
    assert!(
        number(&output, "max_us") >= 2e6,
        "until the grace time was over: {output:?}"
    );
}

#[test]
fn any_server_can_be_loaded() {
    let port = free_port().unwrap();
    let mut command = Command::new(EXECUTABLE);
    command.args(["server", "--mode", "http", &port.to_string()]);
    let _server = ServerProcess::start(command, port).unwrap();
    for (path, rate) in [("json", None), ("16k", Some("200"))] {
        let url = format!("http://127.0.0.1:{port}/{path}");
        let mut command = Command::new(EXECUTABLE);
        command.args([
            "load",
            "--connections",
            "4",
            "--seconds",
            "0.3",
            "--verify",
            &url,
        ]);
        if let Some(rate) = rate {
            command.args(["--rate", rate]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let done = if rate.is_some() { "due" } else { "operations" };
        assert!(number(&output, done) > 0.0, "{output:?}");
    }
}

#[test]
fn several_threads_share_the_connections() {
    let server = start_null("hello", None);
    let port = server.address().port().to_string();
    let output = Command::new(EXECUTABLE)
        .args(["load", "--scenario", "hello", "--connections", "7"])
        .args(["--threads", "2", "--seconds", "0.3", &port])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(number(&output, "connections"), 7.0, "{output:?}");
    assert!(
        (1.0..=2.0).contains(&number(&output, "generator_threads")),
        "{output:?}"
    );
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
        .args([
            "compare",
            "--quick",
            "--scenarios",
            "json,idle20",
            "--runs",
            "2",
        ])
        .args(["--no-gate", "--offline", "--peers", "none"])
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
    let report: serde_json::Value = serde_json::from_str(&samples).unwrap();
    for kind in ["rows", "memory"] {
        for (index, name) in ["null", "twin", "faulty"].iter().enumerate() {
            let server = &report[kind][0]["servers"][index];
            assert_eq!(server["name"], *name, "{samples}");
            assert_eq!(server["samples"].as_array().unwrap().len(), 2, "{samples}");
        }
    }
}
