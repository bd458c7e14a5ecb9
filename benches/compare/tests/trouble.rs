//! What a comparison makes of servers that hang, and of its own early end.

#![expect(
    clippy::disallowed_methods,
    reason = "files and processes are waited for by looking again"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_keirin-bench");

/// A folder that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn json(&self) -> Value {
        let text = fs::read_to_string(self.0.join("report.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn compare(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(EXECUTABLE);
    command
        .args(["compare", "--offline", "--no-gate", "--peers", "none"])
        .args(arguments)
        .arg("--report")
        .arg(folder.0.join("report"));
    command
}

/// The kernel accepts for it, and nobody ever answers.
const SILENT: &str = "import socket, sys, time\n\
    s = socket.create_server(('127.0.0.1', int(sys.argv[1])), backlog=4096)\n\
    time.sleep(600)\n";

#[test]
fn who_hangs_or_does_not_start_is_told_of_and_no_path_is() {
    let folder = Folder::new("hangs");
    let program = folder.0.join("silent.py");
    fs::write(&program, SILENT).unwrap();
    let silent = format!("silent=python3 {} {{port}}", program.display());
    let broken = format!("broken={EXECUTABLE} no-command {{port}}");
    let twin = format!("twin={EXECUTABLE} null --scenario json {{port}}");
    let peers = ["--peer", &silent, "--peer", &broken, "--peer", &twin];
    let mut arguments = vec![
        "--scenarios",
        "json,idle3",
        "--runs",
        "2",
        "--seconds",
        "0.1",
    ];
    arguments.extend(peers);
    let output = compare(&folder, &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = folder.json();
    for (kind, why) in [
        ("rows", "no answer in"),
        ("memory", "no answer to a handshake"),
    ] {
        let servers = &report[kind][0]["servers"];
        let failure = |index: usize| servers[index]["failure"].as_str().unwrap_or_default();
        assert!(failure(1).contains(why), "{servers}");
        assert!(failure(2).contains("ended at once"), "{servers}");
        for index in [1, 2] {
            assert_eq!(servers[index]["samples"].as_array().unwrap().len(), 0);
        }
    }
    let row = &report["rows"][0]["servers"];
    assert_eq!(
        row[3]["samples"].as_array().unwrap().len(),
        2,
        "the others go on: {row}"
    );
    for ending in ["json", "html", "md"] {
        let text = fs::read_to_string(folder.0.join("report").with_extension(ending)).unwrap();
        for place in [
            folder.0.to_str().unwrap(),
            EXECUTABLE,
            env!("CARGO_MANIFEST_DIR"),
            std::env::home_dir().unwrap().to_str().unwrap(),
        ] {
            assert!(!text.contains(place), "{place} in {ending}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_told_before_anything_is_measured() {
    let folder = Folder::new("unwritable");
    let nowhere = folder.0.join("nowhere/report");
    let output = Command::new(EXECUTABLE)
        .args(["compare", "--offline", "--peers", "none", "--report"])
        .arg(&nowhere)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("nowhere/report"), "{said}");
    assert!(!said.contains("left:"), "{said}");
}

/// A comparison that has measured one row and is at the next, and the process of its server.
fn begun(folder: &Folder) -> (Child, Pid) {
    let server = folder.0.join("server");
    let line = format!(
        "slow=sh -c 'echo $$ > {}; exec {EXECUTABLE} null --scenario json {{port}}'",
        server.display()
    );
    let mut arguments = vec![
        "--scenarios",
        "json,post",
        "--runs",
        "3",
        "--seconds",
        "0.3",
    ];
    arguments.extend(["--peer", &line]);
    let child = compare(folder, &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while folder.json()["rows"][0].is_null() {
        thread::sleep(Duration::from_millis(5));
    }
    let id = fs::read_to_string(server).unwrap().trim().parse().unwrap();
    (child, Pid::from_raw(id).unwrap())
}

fn end(mut child: Child, signal: Signal) -> ExitStatus {
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap()
}

fn wait_for_the_end_of(server: Pid) {
    let place = format!("/proc/{}/fd", server.as_raw_nonzero());
    while fs::read_dir(&place).is_ok_and(|files| files.count() > 0) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_was_measured_is_kept_when_it_is_stopped() {
    let folder = Folder::new("stopped");
    let (child, server) = begun(&folder);
    assert_eq!(end(child, Signal::INT).code(), Some(2));
    let report = folder.json();
    assert_eq!(report["stopped"], true);
    assert_eq!(
        report["rows"][0]["servers"][0]["samples"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let page = fs::read_to_string(folder.0.join("report.html")).unwrap();
    assert!(page.contains("STOPPED") && page.ends_with("</html>\n"));
    wait_for_the_end_of(server);
}

#[test]
fn nothing_is_left_behind_when_it_is_killed() {
    let folder = Folder::new("killed");
    let (child, server) = begun(&folder);
    assert_eq!(end(child, Signal::KILL).code(), None);
    wait_for_the_end_of(server);
    assert_eq!(folder.json()["stopped"], false, "kept before");
}
