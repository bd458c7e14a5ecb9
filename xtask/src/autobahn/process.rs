//! Programs that run beside this one, each with a deadline and its output in a file. May use
//! nothing else of xtask but `shell`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::shell::{Result, command};

/// How often the state of another process is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How much of a log an error shows.
const LOG_LINES_SHOWN: usize = 12;

/// A program that was started, and is ended at the latest when this is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command; all that it writes goes to the file `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let started = File::create(log).and_then(|output| {
            let errors = output.try_clone()?;
            command
                .stdin(Stdio::null())
                .stdout(output)
                .stderr(errors)
                .spawn()
        });
        let child = started.map_err(|error| {
            let program = command.get_program().to_string_lossy();
            format!("{name}: {program}: {error}")
        })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Waits for the end, and fails unless it is a success within `time`.
    pub(crate) fn finish(&mut self, time: Duration) -> Result {
        match self.wait(time)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.error(&format!("ended with {status}"))),
            None => {
                self.kill();
                Err(self.error(&format!("not done after {} s", time.as_secs())))
            }
        }
    }

    /// Asks it to end, as SIGTERM does, and then waits for its end.
    pub(crate) fn terminate(&mut self, time: Duration) -> Result {
        if self.child.try_wait()?.is_none() {
            // Without unsafe code, only a shell can send this signal.
            let kill = format!("kill -TERM {}", self.child.id());
            command("sh", &["-c", &kill]).status()?;
        }
        self.finish(time)
    }

    /// The rest of the first line that starts with `prefix`, as soon as it has been written.
    pub(crate) fn line_after(&mut self, prefix: &str, time: Duration) -> Result<String> {
        let deadline = now() + time;
        loop {
            // Looked at first: what it wrote before its end is in the log by then.
            let end = self.child.try_wait()?;
            let text = self.output();
            let (complete, _) = text.rsplit_once('\n').unwrap_or_default();
            if let Some(rest) = complete.lines().find_map(|line| line.strip_prefix(prefix)) {
                return Ok(rest.trim().to_owned());
            }
            if let Some(status) = end {
                return Err(self.error(&format!("ended with {status}, before `{prefix}`")));
            }
            if now() >= deadline {
                return Err(self.error(&format!("no `{prefix}` after {} s", time.as_secs())));
            }
            pause();
        }
    }

    fn wait(&mut self, time: Duration) -> Result<Option<ExitStatus>> {
        let deadline = now() + time;
        loop {
            let end = self.child.try_wait()?;
            if end.is_some() || now() >= deadline {
                return Ok(end);
            }
            pause();
        }
    }

    fn kill(&mut self) {
        // Fails only for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn error(&self, what: &str) -> Box<dyn std::error::Error> {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n  ");
        let (name, log) = (&self.name, self.log.display());
        format!("{name}: {what}; all it wrote is in {log}, at last:\n  {tail}").into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs the command to its end, which has to be a success within `time`.
pub(crate) fn run(name: &str, command: &mut Command, log: &Path, time: Duration) -> Result {
    Process::start(name, command, log)?.finish(time)
}

/// The same, and what the command wrote.
pub(crate) fn output(
    name: &str,
    command: &mut Command,
    log: &Path,
    time: Duration,
) -> Result<String> {
    let mut process = Process::start(name, command, log)?;
    process.finish(time)?;
    Ok(process.output())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the engine's clock is no concern of this tool"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "other processes send no event to wait for"
)]
fn pause() {
    thread::sleep(POLL_INTERVAL);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A log of its own for each test, which goes away at its end.
    struct Log(PathBuf);

    impl Log {
        fn new(name: &str) -> Self {
            let name = format!("autobahn-{name}-{}.log", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Log {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn start(log: &Log, script: &str) -> Process {
        Process::start("it", &mut command("sh", &["-c", script]), &log.0).unwrap()
    }

    #[test]
    fn a_success_is_one_and_a_failure_shows_the_end_of_the_log() {
        let log = Log::new("failure");
        let written = output("it", &mut command("echo", &["x"]), &log.0, LONG);
        assert_eq!(written.unwrap(), "x\n");
        let script = "seq 20; echo oops >&2; exit 3";
        let error = start(&log, script).finish(LONG).unwrap_err().to_string();
        let start = format!(
            "it: ended with exit status: 3; all it wrote is in {}, at last:\n  10\n",
            log.0.display()
        );
        assert!(error.starts_with(&start), "{error}");
        assert!(error.ends_with("\n  20\n  oops"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let log = Log::new("absent");
        let error = run("it", &mut command("/no/such", &[]), &log.0, LONG).unwrap_err();
        let start = "it: /no/such: No such file";
        assert!(error.to_string().starts_with(start), "{error}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let log = Log::new("endless");
        let mut process = start(&log, "exec sleep 1000");
        let error = process.finish(Duration::ZERO).unwrap_err().to_string();
        assert!(error.starts_with("it: not done after 0 s"), "{error}");
        assert!(process.child.try_wait().unwrap().is_some());
    }

    #[test]
    fn a_line_is_waited_for_until_it_is_whole() {
        let log = Log::new("line");
        let script = "echo other; printf 'listening on a'; echo 'b:1'; exec sleep 1000";
        let mut process = start(&log, script);
        assert_eq!(process.line_after("listening on ", LONG).unwrap(), "ab:1");
        let error = process.line_after("never ", Duration::ZERO).unwrap_err();
        assert!(
            error.to_string().starts_with("it: no `never ` after 0 s"),
            "{error}"
        );
    }

    #[test]
    fn a_line_of_a_program_that_has_ended_is_not_waited_for() {
        let log = Log::new("ended");
        let error = start(&log, "exit 4").line_after("a", LONG).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("it: ended with exit status: 4, before `a`"),
            "{error}"
        );
    }

    #[test]
    fn terminate_sends_the_signal_that_servers_heed() {
        let log = Log::new("heeds");
        let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done";
        let mut process = start(&log, script);
        process.line_after("ready", LONG).unwrap();
        process.terminate(LONG).unwrap();

        let mut process = start(&log, "echo ready; exec sleep 1000");
        process.line_after("ready", LONG).unwrap();
        let error = process.terminate(LONG).unwrap_err().to_string();
        assert!(error.starts_with("it: ended with signal: 15"), "{error}");
    }
}
