//! `cargo xtask autobahn`: Autobahn's testsuite against the example `echo_ws`, and its verdicts
//! against the list in `tests/autobahn/expected.txt`.
//!
//! The cases of permessage-deflate take long because the testsuite's own client is slow: they are
//! divided into jobs, and as many run side by side as there are cores.

mod cases;
mod install;
mod process;
mod verdicts;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use std::{env, fmt::Write as _};

use cases::Job;
pub(crate) use cases::Selection;
use install::Testsuite;
use process::{Process, now};
use verdicts::Expected;

use crate::shell::{self, Result, cargo};

const EXAMPLE: &str = "echo_ws";

/// Until a server says where it listens.
const START_TIME: Duration = Duration::from_secs(20);

/// Until a server has stopped. It grants its connections half of that.
const STOP_TIME: Duration = Duration::from_secs(20);

/// For the testsuite, whatever it is to do: it has taken 20 s for all cases without compression.
const CLIENT_TIME: Duration = Duration::from_secs(300);

/// What each case with compression may add. Most take seconds, the slowest more than a minute.
const COMPRESSED_CASE_TIME: Duration = Duration::from_secs(60);

/// To read reports. It takes a second or two.
const SCRIPT_TIME: Duration = Duration::from_secs(60);

/// Installs the testsuite.
pub(crate) fn prepare() -> Result {
    Testsuite::install().map(|_| ())
}

/// Runs the cases that are selected, and fails if a verdict is not the expected one.
pub(crate) fn run(selection: &Selection) -> Result {
    let testsuite = Testsuite::install()?;
    let expected = read_expected(&testsuite)?;
    let jobs = cases::jobs(&selection.of(expected.keys())?);
    let reports = install::folder()?.join("runs");
    if reports.exists() {
        fs::remove_dir_all(&reports)?;
    }
    let bench = Bench {
        server: server()?,
        testsuite,
        reports,
        expected,
    };
    let wrong = bench.run_all(&jobs);
    let count: usize = jobs.iter().map(|job| job.cases.len()).sum();
    if wrong.is_empty() {
        println!("verdicts of Autobahn's testsuite: {count}, all as expected");
        return Ok(());
    }
    let (wrong_count, wrong) = (wrong.len(), wrong.join("\n"));
    let summary = format!("verdicts of Autobahn's testsuite: {count}, findings: {wrong_count}");
    Err(format!("{wrong}\n{summary}").into())
}

fn read_expected(testsuite: &Testsuite) -> Result<Expected> {
    let path = shell::root().join("tests/autobahn/expected.txt");
    let read = || -> Result<Expected> {
        let expected = verdicts::parse_expected(&fs::read_to_string(&path)?)?;
        let mut script = testsuite.script(&report_script())?;
        let log = install::folder()?.join("cases.log");
        let known = process::output("report.py", script.arg("cases"), &log, SCRIPT_TIME)?;
        verdicts::check_complete(&expected, &known)?;
        Ok(expected)
    };
    read().map_err(|error| format!("{}: {error}", path.display()).into())
}

fn report_script() -> PathBuf {
    shell::root().join("tests/autobahn/report.py")
}

/// The server under test: an example as `KEIRIN_EXAMPLES` names their folder, or else the one that
/// is built here, in the profile that all tests use.
fn server() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("KEIRIN_EXAMPLES") {
        return Ok(PathBuf::from(folder).join(EXAMPLE));
    }
    shell::run(&mut cargo(&["build", "--release", "--example", EXAMPLE]))?;
    Ok(shell::target_folder()?
        .join("release/examples")
        .join(EXAMPLE))
}

/// What every job needs.
struct Bench {
    server: PathBuf,
    testsuite: Testsuite,
    /// Each job has a folder of its own in here.
    reports: PathBuf,
    expected: Expected,
}

impl Bench {
    /// Runs the jobs, one for each core at a time. What is returned is wrong.
    fn run_all(&self, jobs: &[Job]) -> Vec<String> {
        let queue = Mutex::new(jobs.iter());
        let wrong = Mutex::new(Vec::new());
        let next = || queue.lock().expect("no thread panics here").next();
        let work = || {
            while let Some(job) = next() {
                let start = now();
                let found = self.run(job).unwrap_or_else(|error| {
                    let name = &job.name;
                    vec![format!("{name}: {error}")]
                });
                let seconds = start.elapsed().as_secs_f64();
                let (name, cases, wrongs) = (&job.name, job.cases.len(), found.len());
                println!("{seconds:>8.1} s  {name}: cases {cases}, findings {wrongs}");
                wrong.lock().expect("no thread panics here").extend(found);
            }
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..cores.min(jobs.len()) {
                scope.spawn(work);
            }
        });
        wrong.into_inner().expect("no thread panics here")
    }

    /// Runs one job against a server of its own. What is returned differs from what is expected.
    fn run(&self, job: &Job) -> Result<Vec<String>> {
        let folder = self.reports.join(&job.name);
        fs::create_dir_all(&folder)?;
        let mut server = Process::start(
            EXAMPLE,
            &mut shell::command(&self.server.to_string_lossy(), &["0", job.mode]),
            &folder.join("server.log"),
        )?;
        let address = server.line_after("listening on http://", START_TIME)?;
        let specification = folder.join("specification.json");
        fs::write(&specification, describe(job, &address))?;
        let tried = process::run(
            "wstest",
            self.testsuite.client(&specification)?.current_dir(&folder),
            &folder.join("client.log"),
            client_time(job),
        );
        // A server that died explains what the client found.
        let stopped = server.terminate(STOP_TIME);
        let mut wrong = Vec::new();
        for result in [stopped, tried] {
            if let Err(error) = result {
                wrong.push(format!("{}: {error}", job.name));
            }
        }
        if folder.join("reports/index.json").is_file() {
            wrong.extend(self.differences(job, &folder)?);
        } else {
            wrong.push(format!("{}: there is no report", job.name));
        }
        Ok(wrong)
    }

    fn differences(&self, job: &Job, folder: &Path) -> Result<Vec<String>> {
        let mut script = self.testsuite.script(&report_script())?;
        script.arg("verdicts").arg(folder.join("reports"));
        let log = folder.join("verdicts.log");
        let text = process::output("report.py", &mut script, &log, SCRIPT_TIME)?;
        let outcomes = verdicts::parse_outcomes(&text)?;
        Ok(verdicts::differences(job, &self.expected, &outcomes))
    }
}

fn client_time(job: &Job) -> Duration {
    let compressed = job.cases.iter().filter(|case| case.is_compressed()).count();
    let compressed = u32::try_from(compressed).expect("there are some hundred cases");
    CLIENT_TIME + compressed * COMPRESSED_CASE_TIME
}

/// What the testsuite's client is to do, as the JSON that it reads.
fn describe(job: &Job, address: &str) -> String {
    let mut cases = String::new();
    for case in &job.cases {
        let comma = if cases.is_empty() { "" } else { ", " };
        // Writing to a `String` cannot fail.
        let _ = write!(cases, "{comma}\"{case}\"");
    }
    let mode = job.mode;
    format!(
        "{{\n  \"outdir\": \"./reports\",\n  \
         \"servers\": [{{\"agent\": \"{mode}\", \"url\": \"ws://{address}\"}}],\n  \
         \"cases\": [{cases}],\n  \
         \"exclude-cases\": [],\n  \"exclude-agent-cases\": {{}}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(cases: &[&str]) -> Job {
        let parse = |case: &&str| case.parse().unwrap();
        cases::jobs(&Vec::from_iter(cases.iter().map(parse))).remove(0)
    }

    #[test]
    fn the_specification_names_the_server_and_each_case() {
        let expected = r#"{
  "outdir": "./reports",
  "servers": [{"agent": "off", "url": "ws://[::1]:80"}],
  "cases": ["1.1.1", "2.10"],
  "exclude-cases": [],
  "exclude-agent-cases": {}
}
"#;
        assert_eq!(describe(&job(&["1.1.1", "2.10"]), "[::1]:80"), expected);
    }

    #[test]
    fn compressed_cases_get_more_time() {
        assert_eq!(client_time(&job(&["1.1.1", "2.10"])), CLIENT_TIME);
        let compressed = client_time(&job(&["12.1.1", "12.1.2"]));
        assert_eq!(compressed, CLIENT_TIME + 2 * COMPRESSED_CASE_TIME);
    }
}
