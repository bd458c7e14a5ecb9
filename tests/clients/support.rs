//! Programs, example executables, and servers in this process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use keirin::{App, Config, Server, ServerHandle};

/// How long anything may take before its test gives up: a safety net, never a measurement.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often [`eventually`] looks.
const INTERVAL: Duration = Duration::from_millis(10);

/// Polls until `done` holds.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / INTERVAL.as_millis() {
        if done() {
            return;
        }
        pause(INTERVAL);
    }
    panic!("gave up waiting until {what}");
}

/// Lets time pass between two looks at another process, or between two pieces from a slow client.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes send no event to wait for, and a slow client is slow by sleeping"
)]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// A command for a tool that the machine must have.
pub(crate) fn require(tool: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    // nginx is often installed where only root's PATH looks.
    let found = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(tool))
        .find(|candidate| candidate.is_file());
    match found {
        Some(program) => Command::new(program),
        None => panic!("`{tool}` is not installed, and this test needs it"),
    }
}

/// A file of this test crate.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// A child process, killed when dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal, named as `kill -s` names it.
    pub(crate) fn signal(&self, name: &str) {
        let status = require("kill")
            .args(["-s", name, &self.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -s {name} failed");
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// The memory that the process has resident, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(path).expect("the process is alive");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.expect("a VmRSS line").parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program left behind.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text on standard output")
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Finished {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = Process::spawn(command);
    let stdout = drain(process.child().stdout.take().unwrap());
    let stderr = drain(process.child().stderr.take().unwrap());
    let status = process.wait();
    Finished {
        status,
        stdout: stdout.join().unwrap(),
        stderr: String::from_utf8_lossy(&stderr.join().unwrap()).into_owned(),
    }
}

/// Runs a program that has to succeed.
pub(crate) fn succeed(command: &mut Command) -> Finished {
    let finished = run(command);
    assert!(
        finished.status.success(),
        "{command:?}: {}\n{}{}",
        finished.status,
        String::from_utf8_lossy(&finished.stdout),
        finished.stderr
    );
    finished
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// A running example executable.
pub(crate) struct Example {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    // Held open, so that a later print does not fail.
    _stdout: BufReader<ChildStdout>,
}

impl Example {
    /// Starts an example on a port that the system chooses.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_on(name, 0)
    }

    pub(crate) fn start_on(name: &str, port: u16) -> Self {
        Self::launch(Command::new(executable(name)).arg(port.to_string()))
    }

    /// Starts an example with a further argument.
    pub(crate) fn start_with(name: &str, argument: &str) -> Self {
        Self::launch(Command::new(executable(name)).args(["0", argument]))
    }

    /// Starts an example that can never have more than so many descriptors open.
    pub(crate) fn start_with_descriptors(name: &str, descriptors: u32) -> Self {
        // Without -S or -H, `ulimit` lowers both limits; `exec` keeps the process the one that is
        // watched.
        let script = format!("ulimit -n {descriptors}; exec \"$0\" 0");
        Self::launch(
            Command::new("sh")
                .args(["-c", &script])
                .arg(executable(name)),
        )
    }

    fn launch(command: &mut Command) -> Self {
        let mut process = Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut stdout = BufReader::new(process.child().stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.read_line(&mut line);
            let _ = sender.send((read.map(|_| line), stdout));
        });
        let (line, stdout) = receiver.recv_timeout(PATIENCE).expect("a line in time");
        let line = line.unwrap();
        let mut address = line
            .trim_end()
            .strip_prefix("listening on http://")
            .and_then(|address| address.to_socket_addrs().ok()?.next())
            .unwrap_or_else(|| panic!("{command:?} printed {line:?}"));
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Self {
            process,
            address,
            _stdout: stdout,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The path of a release executable of an example, built when it is missing or older than the
/// sources.
pub(crate) fn executable(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("KEIRIN_EXAMPLES") {
        return PathBuf::from(folder).join(name);
    }
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| root.join("target"), |target| root.join(target));
        let folder = target.join("release/examples");
        let sources = [root.join("src"), root.join("examples")];
        let newest = sources.iter().filter_map(|path| newest_change(path)).max();
        let is_fresh = |file: &str| changed(&folder.join(file)) >= newest;
        if ![
            "hello",
            "mirror",
            "stream",
            "upload",
            "async_answer",
            "chat",
            "pubsub",
            "echo_ws",
        ]
        .into_iter()
        .all(is_fresh)
        {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let build = ["build", "--release", "--examples", "--package", "keirin"];
            let status = Command::new(cargo).args(build).current_dir(root).status();
            assert!(status.unwrap().success(), "the examples do not build");
        }
        folder
    });
    folder.join(name)
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn newest_change(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .filter_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                newest_change(&path)
            } else {
                changed(&path)
            }
        })
        .max()
}

/// A server in a thread of this process, stopped when dropped.
pub(crate) struct InProcess {
    pub(crate) handle: ServerHandle,
    /// What `addresses` reports, as text.
    pub(crate) addresses: Vec<String>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl InProcess {
    /// Listens and runs; the error says why it cannot listen.
    pub(crate) fn start(
        config: Config,
        listen: &str,
        routes: impl Fn(&mut App) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let (sender, receiver) = mpsc::channel();
        let listen = listen.to_owned();
        let thread = thread::spawn(move || {
            let bound = Server::new(routes)
                .config(config)
                .workers(2)
                .listen(&listen);
            let server = match bound {
                Ok(server) => server,
                Err(error) => {
                    let _ = sender.send(Err(error.to_string()));
                    return Ok(());
                }
            };
            let addresses = server.addresses().iter().map(ToString::to_string).collect();
            let _ = sender.send(Ok((server.handle(), addresses)));
            server.run().map_err(|error| error.to_string())
        });
        let (handle, addresses) = receiver.recv_timeout(PATIENCE).expect("an outcome")?;
        Ok(Self {
            handle,
            addresses,
            thread: Some(thread),
        })
    }

    /// Serves on a port of the loopback interface.
    pub(crate) fn loopback(
        config: Config,
        routes: impl Fn(&mut App) + Send + Sync + 'static,
    ) -> Self {
        Self::start(config, "127.0.0.1:0", routes).expect("a free port")
    }

    /// Where to connect by TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        let mut address: SocketAddr = self.addresses[0].parse().expect("a TCP address");
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        address
    }

    /// Waits for `run` to return, which somebody has asked for.
    pub(crate) fn join(mut self) -> Result<(), String> {
        let thread = self.thread.take().unwrap();
        eventually("the server has stopped", || thread.is_finished());
        thread.join().expect("no panic in `run`")
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO);
        // A failing test reports its own failure; a server that does not stop must not hide that by
        // hanging.
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            eventually("the server has stopped", || thread.is_finished());
            let _ = thread.join();
        }
    }
}
