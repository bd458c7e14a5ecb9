//! `keirin-bench compare`.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lexopt::prelude::*;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::files::Files;
use super::{CONNECTIONS_MAX, THREADS_MAX, number, seconds, up_to};
use crate::Result;
use crate::load::verify::Content;
use crate::peers::build::{self, Places};
use crate::peers::catalogue::{self, KEIRIN};
use crate::peers::{Manifest, Missing, Peer};
use crate::run::{self, Options};
use crate::scenarios::{Row, rows_of};

/// What is measured unless it is said: a choice that all servers get through in 25 minutes.
const SCENARIOS: &str = "hello,headers20,json,post,body16k,upload64k,connect,\
    ws20,ws1k,ws16k,ws64k,ws1m,ws20-text,ws1k-text,deflate1k,deflate45k,brotli45k,\
    publish100,publish1000,publish10000,slow100,room16,handshake,idle10000,idle10000-deflate";
/// The same at fixed rates.
const LATENCY: &str = "hello,ws20";
const MINUTES: f64 = 22.0;
const RUNS_MAX: usize = 10_000;
/// One scenario of each kind, for `--quick`.
const QUICK: &str = "hello,headers20,json,post,body16k,upload64k,connect,ws20,ws126,ws1k-text,\
    ws64k,ws1m,deflate1k,brotli4k,publish100,slow100,room16,handshake,idle100,idle100-deflate";
const QUICK_LATENCY: &str = "hello,ws20";
/// Long enough for a leak of a few bytes of each message to show.
const SOAK: Duration = Duration::from_secs(5);
const QUICK_SOAK: Duration = Duration::from_secs(1);
/// What a soak asks for.
const SOAKED: &str = "ws1k";

/// What was said on the command line.
#[derive(Default)]
struct Words {
    quick: bool,
    peers: Option<String>,
    own_peers: Vec<Peer>,
    base: Option<String>,
    scenarios: Option<String>,
    latency: Option<String>,
    soak: Option<Duration>,
    minutes: Option<f64>,
    window: Option<Duration>,
    runs: Option<usize>,
    connections: Option<usize>,
    threads: Option<usize>,
    verify: bool,
    deflate: Option<String>,
    no_gate: bool,
    offline: bool,
    json: Option<PathBuf>,
    html: Option<PathBuf>,
    report: Option<PathBuf>,
}

impl Words {
    fn parse(mut parser: lexopt::Parser) -> Result<Self> {
        let mut words = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("quick") => words.quick = true,
                Long("peers") => words.peers = Some(parser.value()?.string()?),
                Long("peer") => words
                    .own_peers
                    .push(Peer::parse(&parser.value()?.string()?)?),
                Long("base") => words.base = Some(parser.value()?.string()?),
                Long("scenarios") => words.scenarios = Some(parser.value()?.string()?),
                Long("latency") => words.latency = Some(parser.value()?.string()?),
                Long("soak") => words.soak = Some(seconds(&mut parser)?),
                Long("minutes") => words.minutes = Some(number(&mut parser, 1e5)?),
                Long("seconds") => words.window = Some(seconds(&mut parser)?),
                Long("runs") => words.runs = Some(up_to(&mut parser, RUNS_MAX)?),
                Long("connections") => {
                    words.connections = Some(up_to(&mut parser, CONNECTIONS_MAX)?)
                }
                Long("threads") => words.threads = Some(up_to(&mut parser, THREADS_MAX)?),
                Long("verify") => words.verify = true,
                Long("deflate") => words.deflate = Some(parser.value()?.string()?),
                Long("no-gate") => words.no_gate = true,
                Long("offline") => words.offline = true,
                Long("json") => words.json = Some(parser.value()?.into()),
                Long("report") => words.report = Some(parser.value()?.into()),
                Long("html") => words.html = Some(parser.value()?.into()),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(words)
    }

    fn rows(&self) -> Result<Vec<Row>> {
        let default = if self.quick { QUICK } else { SCENARIOS };
        Ok(rows_of(self.scenarios.as_deref().unwrap_or(default))?)
    }

    /// Only in a whole comparison, unless it is said.
    fn latency(&self) -> Result<Vec<Row>> {
        let default = match (&self.scenarios, self.quick) {
            (Some(_), _) => "none",
            (None, true) => QUICK_LATENCY,
            (None, false) => LATENCY,
        };
        match self.latency.as_deref().unwrap_or(default) {
            "none" => Ok(Vec::new()),
            names => {
                // One at a time on a connection, or it would not be known which was late.
                let rows = rows_of(names)?.into_iter().filter(|row| row.in_flight == 1);
                let rows: Vec<Row> = rows.collect();
                match rows.iter().find(|row| !row.task.has_rates()) {
                    Some(row) => Err(format!("{} has no latency at a rate", row.task).into()),
                    None => Ok(rows),
                }
            }
        }
    }

    fn manifests(&self) -> Result<Vec<&'static Manifest>> {
        let default = if self.quick || !self.own_peers.is_empty() {
            KEIRIN
        } else {
            "all"
        };
        match self.peers.as_deref().unwrap_or(default) {
            "all" => Ok(catalogue::PEERS.iter().collect()),
            "none" => Ok(Vec::new()),
            names => {
                let mut manifests: Vec<&Manifest> = Vec::new();
                for name in names.split(',') {
                    let found = catalogue::find(name)
                        .ok_or_else(|| format!("no peer `{name}`: see keirin-bench peers"))?;
                    if manifests.iter().all(|manifest| manifest.name != name) {
                        manifests.push(found);
                    }
                }
                Ok(manifests)
            }
        }
    }

    /// Who is compared with others has to be there, and every name has to say who is meant.
    fn check_names(&self) -> Result<()> {
        let own = self.own_peers.iter().map(|peer| peer.name.as_str());
        let mut names: Vec<&str> = self.manifests()?.iter().map(|peer| peer.name).collect();
        for name in own {
            if names.contains(&name) {
                return Err(format!("there are two peers `{name}`").into());
            }
            names.push(name);
        }
        match self.base.as_deref() {
            Some(base) if !names.contains(&base) => {
                Err(format!("`{base}` is none of the peers, and no base for them").into())
            }
            _ => Ok(()),
        }
    }

    /// How long to watch memory, if at all: in a whole comparison, unless it is said.
    fn soak(&self) -> Option<Duration> {
        let default = match (&self.scenarios, self.quick) {
            (Some(_), _) => None,
            (None, true) => Some(QUICK_SOAK),
            (None, false) => Some(SOAK),
        };
        self.soak.or(default)
    }

    fn options(mut self, arguments: &[OsString]) -> Result<Options> {
        self.check_names()?;
        let mut options = Options {
            executable: std::env::current_exe()?,
            command: command_line(arguments),
            rows: self.rows()?,
            latency: self.latency()?,
            soak: None,
            peers: Vec::new(),
            missing: Vec::new(),
            base: self.base.take().unwrap_or_else(|| KEIRIN.to_owned()),
            runs: 5,
            warm_up: Duration::ZERO,
            window: Duration::ZERO,
            connections: self.connections.unwrap_or(64),
            threads_max: self.threads.unwrap_or(4),
            deflate: self.deflate.take().unwrap_or_else(|| "shared".to_owned()),
            content: Content::Sampled,
            gate: !self.no_gate,
            stop: stop_flag()?,
        };
        options.soak = match self.soak() {
            Some(time) => Some((rows_of(SOAKED)?[0], time)),
            None => None,
        };
        let places = Places::find()?;
        for manifest in self.manifests()? {
            if options.stop.load(Ordering::Relaxed) {
                break;
            }
            match build::make(manifest, &places, !self.offline) {
                Ok(peer) => options.peers.push(peer),
                Err(error) => options.missing.push(Missing {
                    name: manifest.name.to_owned(),
                    reason: error.to_string(),
                }),
            }
        }
        options.peers.append(&mut self.own_peers);
        if self.quick {
            options.quicken();
        }
        options.runs = self.runs.unwrap_or(options.runs);
        if self.verify {
            options.content = Content::All;
        }
        match (self.window, self.quick) {
            (Some(window), _) => options.set_window(window),
            (None, true) => {}
            (None, false) => {
                let minutes = self.minutes.unwrap_or(MINUTES);
                options.fit(Duration::from_secs_f64(minutes * 60.0));
            }
        }
        Ok(options)
    }
}

/// Runs the comparison; whether all answers were right.
pub(super) fn run(parser: lexopt::Parser, arguments: &[OsString]) -> Result<bool> {
    let mut words = Words::parse(parser)?;
    let beside = words.report.take();
    let file = |ending| beside.as_ref().map(|path| path.with_extension(ending));
    let files = Files {
        json: words.json.take().or_else(|| file("json")),
        html: words.html.take().or_else(|| file("html")),
        markdown: file("md"),
    };
    files.check()?;
    let report = run::run(words.options(arguments)?, |report| files.keep(report))?;
    files.finish(&report)?;
    write!(io::stdout(), "{report}")?;
    if report.stopped {
        return Err("stopped before all was measured".into());
    }
    Ok(report.is_valid())
}

/// A flag that is set by the first Ctrl-C and the like. The second ends the program at once.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_default(signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Lists the peers.
pub(super) fn list() -> Result<bool> {
    let mut stdout = io::stdout();
    for manifest in catalogue::PEERS.iter().chain(&catalogue::MORE) {
        writeln!(stdout, "{:18} {}", manifest.name, manifest.about)?;
    }
    Ok(true)
}

/// What was typed, as far as that can be known.
fn command_line(arguments: &[OsString]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let text = argument.to_string_lossy();
        if text.contains(|c: char| c.is_whitespace() || "'\"{}$*".contains(c)) {
            format!("'{text}'")
        } else {
            text.into_owned()
        }
    });
    let words: Vec<String> = std::iter::once("keirin-bench".to_owned())
        .chain(quoted)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &[&str]) -> Words {
        Words::parse(lexopt::Parser::from_args(arguments)).unwrap()
    }

    #[test]
    fn a_whole_comparison_has_everything_and_a_part_what_was_said() {
        for (arguments, soak) in [(&[][..], SOAK), (&["--quick"], QUICK_SOAK)] {
            let whole = words(arguments);
            let rows = whole.rows().unwrap();
            for duty in catalogue::ALL_DUTIES {
                assert!(rows.iter().any(|row| row.task.duty() == *duty), "{duty:?}");
            }
            assert_eq!(whole.latency().unwrap().len(), 2);
            assert_eq!(whole.soak(), Some(soak));
        }
        let part = words(&["--scenarios", "hello"]);
        assert_eq!(part.rows().unwrap().len(), 2);
        assert_eq!((part.latency().unwrap().len(), part.soak()), (0, None));
        let part = words(&["--scenarios", "hello", "--latency", "json", "--soak", "7"]);
        let soak = Some(Duration::from_secs(7));
        assert_eq!((part.latency().unwrap().len(), part.soak()), (1, soak));
        for unable in ["connect", "publish10", "idle10", "handshake", "room3"] {
            assert!(words(&["--latency", unable]).latency().is_err(), "{unable}");
        }
    }

    #[test]
    fn a_name_means_one_peer_and_the_base_is_among_them() {
        let peer = "mine=x {port}";
        let check = |arguments: &[&str]| words(arguments).check_names().is_ok();
        assert!(check(&[]) && check(&["--peers", "all", "--base", "uws"]));
        assert!(check(&["--peer", peer, "--base", "mine"]));
        assert!(!check(&["--peer", peer, "--peer", peer]));
        assert!(!check(&["--peers", "keirin", "--base", "uws"]));
        assert!(!check(&["--peers", "nobody"]));
        let twice = words(&["--peers", "ws,keirin,ws"]).manifests().unwrap();
        assert_eq!(twice.len(), 2);
    }

    #[test]
    fn numbers_have_limits() {
        let parses = |name, value| Words::parse(lexopt::Parser::from_args([name, value])).is_ok();
        for (name, right, wrong) in [
            ("--runs", ["1", "10000"], ["0", "10001"]),
            ("--connections", ["1", "1000000"], ["0", "1000001"]),
            ("--threads", ["1", "1024"], ["0", "1025"]),
            ("--seconds", ["0.01", "86400"], ["0", "86401"]),
            ("--minutes", ["0.5", "100000"], ["nan", "inf"]),
        ] {
            assert!(right.iter().all(|value| parses(name, value)), "{name}");
            assert!(!wrong.iter().any(|value| parses(name, value)), "{name}");
        }
    }
}
