//! The command line.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;

use crate::Result;
use crate::compare::{self, Options, Peer};
use crate::load::{self, Load, Outcome};
use crate::null::{self, Fault};
use crate::report::{json_name, json_object};
use crate::task::{self, Row, Task};
use crate::verify::Content;

const HELP: &str = "\
Measures what an HTTP or WebSocket server costs per request or message, beside one that only does
the system calls.

keirin-bench compare [OPTIONS]
    Measure the null server, keirin and any peers in turn; print the tables.
      --quick              a check that everything works: 1 run of 0.2 s, all contents compared
      --scenarios A,B      only these
      --runs N             runs per server and row, 5 unless given
      --seconds S          the measured window of each run, 3 unless given; a third of it is added
                           to warm up
      --connections N      connections of the generator, 64 unless given
      --verify             compare all contents, and not 1 in 61
      --deflate MODE       what servers are told to compress with: shared unless given
      --peer NAME=COMMAND  a further server; {port} stands for its port of 127.0.0.1, {mode} for
                           http, off, shared (or what --deflate says) or pubsub
      --json FILE          write every sample there, one JSON object a line
keirin-bench null --scenario NAME PORT
    Run the null server.
keirin-bench server [--workers N] [--mode MODE] PORT
    Run the server on keirin (feature `server`): http unless given, off, shared, dedicated, pubsub.
keirin-bench load --scenario NAME [OPTIONS] PORT
    Load a server, check every answer, print one line of JSON.
      --in-flight N        requests or messages sent at once on a connection, or published at once;
                           1 unless given
      --connections N      64 unless given
      --seconds S          the measured window, 1 unless given
      --warm-up S          time before it, 0 unless given
      --verify             compare all contents, and not 1 in 61
      --null               the server is the null server: compare no contents of messages

Scenarios of HTTP (`http` for all): hello, headers20, json, body16k, upload64k.
Scenarios of WebSocket (`ws` for all):
    ws20 ws125 ws126 ws1k ws16k ws64k ws1m
                           echo of binary messages, 1 and 32 in flight; any size will do
    ws20-text ...          the same of text with characters of one to four bytes
    deflate1k deflate45k   echo of compressed JSON
    publish1000 publish10000
                           from one socket to so many, 1 message and 16 at once; any number will do
    handshake              connect, upgrade, close
    idle15000 idle15000-deflate
                           memory of so many connections; any number up to 19000 will do
A star at the end takes all that begin so: `deflate*`.
Exit code 1: wrong answers. Exit code 2: could not measure.
";

/// Runs the command given by `arguments`, which do not include the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match dispatch(lexopt::Parser::from_args(arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // There is nowhere else to say it.
            let _ = writeln!(io::stderr(), "keirin-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all answers were right.
fn dispatch(mut parser: lexopt::Parser) -> Result<bool> {
    let command = match parser.next()? {
        Some(Value(command)) => command.string()?,
        None | Some(Short('h') | Long("help")) => "help".to_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    match command.as_str() {
        "compare" => run_compare(parser),
        "null" => run_null(parser),
        "server" => run_server(parser),
        "load" => run_load(parser),
        "help" => {
            io::stdout().write_all(HELP.as_bytes())?;
            Ok(true)
        }
        other => Err(format!("no command `{other}`: see keirin-bench help").into()),
    }
}

fn run_null(mut parser: lexopt::Parser) -> Result<bool> {
    let (mut scenario, mut fault, mut port) = (None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("scenario") => scenario = Some(parser.value()?.parse::<Task>()?),
            // Not in the help: for tests of the generator.
            Long("fault") => fault = Some(parser.value()?.parse::<Fault>()?),
            Value(value) if port.is_none() => port = Some(value.parse::<u16>()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let scenario = scenario.ok_or("--scenario is missing")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.ok_or("the port is missing")?))?;
    writeln!(
        io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )?;
    null::serve(&listener, scenario, fault)?;
    Ok(true)
}

#[cfg(feature = "server")]
fn run_server(mut parser: lexopt::Parser) -> Result<bool> {
    let (mut workers, mut mode, mut port) = (1, "http".to_owned(), None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("workers") => workers = parser.value()?.parse()?,
            Long("mode") => mode = parser.value()?.string()?,
            Value(value) if port.is_none() => port = Some(value.parse::<u16>()?),
            other => return Err(other.unexpected().into()),
        }
    }
    crate::server::serve(port.ok_or("the port is missing")?, workers, &mode)?;
    Ok(true)
}

#[cfg(not(feature = "server"))]
fn run_server(_parser: lexopt::Parser) -> Result<bool> {
    Err("built without feature `server`".into())
}

fn run_load(mut parser: lexopt::Parser) -> Result<bool> {
    let (mut scenario, mut port) = (None, None);
    let (mut in_flight, mut connections) = (1, 64);
    let mut content = Content::Sampled;
    let (mut warm_up, mut window) = (Duration::ZERO, Duration::from_secs(1));
    while let Some(argument) = parser.next()? {
        match argument {
            Long("scenario") => scenario = Some(parser.value()?.parse::<Task>()?),
            Long("in-flight") => in_flight = positive(&mut parser)?,
            Long("connections") => connections = positive(&mut parser)?,
            Long("seconds") => window = seconds(&mut parser)?,
            Long("warm-up") => warm_up = seconds(&mut parser)?,
            Long("verify") => content = Content::All,
            Long("null") => content = Content::Ignored,
            Value(value) if port.is_none() => port = Some(value.parse::<u16>()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let task = scenario.ok_or("--scenario is missing")?;
    let load = Load {
        row: Row { task, in_flight },
        connections,
        warm_up,
        window,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port.ok_or("the port is missing")?)),
        content,
    };
    let outcome = load::run(&load, |_| Ok(()))?;
    writeln!(io::stdout(), "{}", outcome_json(&load, &outcome))?;
    Ok(outcome.errors.total() == 0)
}

fn outcome_json(load: &Load, outcome: &Outcome) -> String {
    let errors = outcome.errors;
    json_object(&[
        ("scenario", json_name(&load.row.task.to_string())),
        ("in_flight", load.row.in_flight.to_string()),
        ("connections", outcome.connections.to_string()),
        ("operations", outcome.operations.to_string()),
        ("errors", errors.total().to_string()),
        ("bad_status", errors.bad_status.to_string()),
        ("bad_length", errors.bad_length.to_string()),
        ("bad_body", errors.bad_body.to_string()),
        ("bad_opcode", errors.bad_opcode.to_string()),
        ("bad_order", errors.bad_order.to_string()),
        ("unexpected_close", errors.unexpected_close.to_string()),
        ("unanswered", errors.unanswered.to_string()),
        ("seconds", format!("{:.6}", outcome.wall.as_secs_f64())),
        (
            "operations_per_s",
            format!("{:.1}", outcome.operations_per_s()),
        ),
        (
            "generator_cpu_s",
            format!("{:.6}", outcome.cpu.as_secs_f64()),
        ),
        ("answer_bytes", outcome.answer_bytes.to_string()),
    ])
}

fn run_compare(mut parser: lexopt::Parser) -> Result<bool> {
    let mut options = Options::new(std::env::current_exe()?);
    let (mut quick, mut runs, mut window, mut json) = (false, None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => quick = true,
            Long("scenarios") => options.rows = task::rows_of(&parser.value()?.string()?)?,
            Long("runs") => runs = Some(positive(&mut parser)?),
            Long("seconds") => window = Some(seconds(&mut parser)?),
            Long("connections") => options.connections = positive(&mut parser)?,
            Long("verify") => options.content = Content::All,
            Long("deflate") => options.deflate = parser.value()?.string()?,
            Long("peer") => options.peers.push(Peer::parse(&parser.value()?.string()?)?),
            Long("json") => json = Some(parser.value()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if quick {
        options.quicken();
    }
    options.runs = runs.unwrap_or(options.runs);
    options.set_window(window.unwrap_or(options.window));
    let report = compare::run(&options)?;
    write!(io::stdout(), "{report}")?;
    if let Some(path) = json {
        fs::write(path, report.json_lines())?;
    }
    Ok(report.is_valid())
}

fn positive(parser: &mut lexopt::Parser) -> Result<usize> {
    match parser.value()?.parse()? {
        0 => Err("a number of 1 or more is needed".into()),
        number => Ok(number),
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration> {
    let seconds: f64 = parser.value()?.parse()?;
    if !(0.0..=3600.0).contains(&seconds) {
        return Err("seconds are between 0 and 3600".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}
