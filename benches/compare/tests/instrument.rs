//! The instrument on itself: the real processes, over real sockets.

use std::net::TcpStream;
use std::process::{Command, Output};

use keirin_bench::null::{Fault, canned_answer};
use keirin_bench::process::{ServerProcess, free_port};
use keirin_bench::task::{Row, Task, rows_of};

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

/// Some load on a faultless null server.
fn check_null(task: &str, in_flight: usize) {
    let server = start_null(task, None);
    let output = load(&server, task, in_flight, "0.3");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(number(&output, "errors"), 0.0, "{output:?}");
    assert!(number(&output, "operations") > 0.0, "{output:?}");
    assert!(number(&output, "generator_cpu_s") > 0.0, "{output:?}");
    if task != "handshake" {
        let bytes = canned_answer(task.parse().unwrap(), None).unwrap().len() as f64;
        assert_eq!(number(&output, "answer_bytes"), bytes, "{output:?}");
    }
}

#[test]
fn every_base_is_answered_without_errors() {
    let mut bases: Vec<Row> = Vec::new();
    for row in rows_of("http,ws*,handshake,deflate*").unwrap() {
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
            Fault::Length | Fault::Surplus => "bad_length",
            Fault::Body => "bad_body",
            Fault::Opcode => "bad_opcode",
            Fault::Truncated => "unanswered",
            Fault::Close => "unexpected_close",
        };
        for task in ["hello", "body16k", "ws20", "ws16k-text"] {
            let websocket = task.starts_with("ws");
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
        let lines = samples.lines().filter(|l| l.contains(&of_server));
        let (memory, time): (Vec<_>, Vec<_>) = lines.partition(|l| l.contains("open_bytes"));
        assert_eq!((time.len(), memory.len()), (2, 2), "{samples}");
    }
}
