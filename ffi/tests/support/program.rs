//! Programs: those that a test needs, and the examples while they run.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use super::build::{self, Way};
use super::{PATIENCE, eventually};

/// A command for a tool that the machine must have.
pub(crate) fn require(tool: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(tool))
        .find(|candidate| candidate.is_file());
    match found {
        Some(program) => Command::new(program),
        None => panic!("`{tool}` is not installed, and this test needs it"),
    }
}

/// What a program left behind.
pub(crate) struct Finished {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Runs a program that has to succeed.
pub(crate) fn succeed(command: &mut Command) -> Finished {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let status = output.status;
    assert!(
        status.success(),
        "{command:?}: {status}\n{stdout}\n{stderr}"
    );
    Finished {
        stdout: output.stdout,
        stderr,
    }
}

/// An example that runs, killed when dropped.
pub(crate) struct Example {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Everything that it prints, once it has ended.
    printed: Vec<JoinHandle<String>>,
}

impl Example {
    /// Starts an example on a port that the system chooses.
    pub(crate) fn start(name: &str, way: Way) -> Self {
        Self::start_with(name, way, &[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(name: &str, way: Way, arguments: &[&str]) -> Self {
        let program = build::example(name, way);
        let mut command = match way {
            Way::Valgrind => under_valgrind(program),
            _ => Command::new(program),
        };
        command.arg("0").args(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = drain(child.stderr.take().unwrap());
        let (first, stdout) = first_line(child.stdout.take().unwrap());
        let mut example = Self {
            child,
            address: ([0; 4], 0).into(),
            printed: vec![stdout, stderr],
        };
        let line = first.recv_timeout(PATIENCE).unwrap_or_default();
        let Some(address) = line.strip_prefix("listening on http://") else {
            let status = example.wait();
            panic!("{command:?}: {status}\n{}", example.output());
        };
        example.address = address.trim_end().parse().unwrap();
        example
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its standard input.
    pub(crate) fn input(&mut self) -> &mut Option<std::process::ChildStdin> {
        &mut self.child.stdin
    }

    /// Sends a signal, named as `kill -s` names it.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        succeed(require("kill").args(["-s", name, &id]));
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the example has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Waits for an end without a fault: of the example's own, or that its tools have found.
    pub(crate) fn finish(mut self) -> String {
        let status = self.wait();
        let output = self.output();
        assert!(status.success(), "{status}\n{output}");
        output
    }

    /// Asks it to end, which has to be in good order.
    pub(crate) fn stop(self) -> String {
        self.signal("TERM");
        self.finish()
    }

    fn output(&mut self) -> String {
        let printed = self.printed.drain(..).map(|thread| thread.join().unwrap());
        printed.collect()
    }

    /// The most memory that it had resident at any time, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("the process is alive");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.expect("a VmHWM line").parse().unwrap()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn under_valgrind(program: PathBuf) -> Command {
    let mut command = require("valgrind");
    command.args([
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
    ]);
    command.arg(program);
    command
}

/// Hands on the first line, and then reads to the end, so that nobody waits for room in the pipe.
fn first_line(pipe: impl Read + Send + 'static) -> (mpsc::Receiver<String>, JoinHandle<String>) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut text = String::new();
        let _ = reader.read_line(&mut text);
        let _ = sender.send(text.clone());
        let _ = reader.read_to_string(&mut text);
        text
    });
    (receiver, thread)
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
