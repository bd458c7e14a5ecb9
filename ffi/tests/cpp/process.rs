//! A server that runs as a process of its own, and what it has to say.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Far more than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// How a server has ended.
pub(crate) struct Ended {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = read_all(child.stderr.take().expect("it is piped"));
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout
            .read_line(&mut line)
            .expect("standard output is read");
        let address = line.strip_prefix("listening on http://127.0.0.1:");
        let Some(port) = address.and_then(|port| port.trim_end().parse().ok()) else {
            let _ = child.kill();
            let said = stderr.recv_timeout(PATIENCE).unwrap_or_default();
            panic!("{} does not listen: {line}{said}", program.display());
        };
        Self {
            child,
            port,
            stdout: read_all(stdout),
            stderr,
        }
    }

    /// Asks for a graceful stop, and for an exit code of 0 at its end.
    pub(crate) fn stop(self) -> Ended {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill starts").success());
        self.wait()
    }

    /// Waits for it to end by itself, with an exit code of 0.
    pub(crate) fn wait(mut self) -> Ended {
        // The pipes end with the process.
        let stdout = self.stdout.recv_timeout(PATIENCE).expect("it ends");
        let stderr = self.stderr.recv_timeout(PATIENCE).expect("it ends");
        let status = self.child.wait().expect("it has ended");
        assert!(status.success(), "{status}\n{stdout}{stderr}");
        Ended { stdout, stderr }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that has failed leaves it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.stderr.recv_timeout(PATIENCE).unwrap_or_default();
            eprintln!("the server said: {said}");
        }
    }
}

/// Reads to the end, on a thread so that no pipe fills up.
fn read_all(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver
}
