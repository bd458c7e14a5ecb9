//! The command line.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;

use crate::Result;
use crate::null::{self, Fault};
use crate::relay;
use crate::run::process;
use crate::scenarios::Task;

mod compare;
mod files;
mod load;

/// Of addresses of the loopback device, each for 4,000 connections.
const CONNECTIONS_MAX: usize = 1_000_000;
const THREADS_MAX: usize = 1024;

const HELP: &str = "\
Measures what an HTTP or WebSocket server costs per request or message, beside one that only does
the system calls; what it can do at most, and proves it; and how long one waits at fixed rates.

keirin-bench compare [OPTIONS]
    Build or install the servers, measure them in turn, print the tables.
      --quick              a check that everything works: keirin alone, 1 run of 0.2 s, all contents
                           compared; its figures mean nothing
      --peers A,B          only these (and always the null server): see `keirin-bench peers`
      --peer NAME=COMMAND  a further server; {port} stands for its port of 127.0.0.1, {mode} for
                           http, off, shared (or what --deflate says), brotli or pubsub
      --base NAME          also compare with this one: keirin unless given
      --scenarios A,B      only these
      --latency A,B        also at fixed rates; without --scenarios hello and ws20, `none` for none
      --soak SECONDS       also watch memory for so long, at 70 % of what each can do;
                           without --scenarios 5
      --minutes M          choose the window so that all takes so long: 22 unless --seconds is given
      --seconds S          the measured window of each run; a third of it is added to warm up
      --runs N             runs per server and row, 5 unless given
      --connections N      connections of the generator, 64 unless given
      --threads N          threads of the generator at most, each on its own core; 4 unless given
      --verify             compare all contents, and not 1 in 61
      --deflate MODE       what servers are told to compress with: shared unless given
      --no-gate            do not try out the servers before
      --offline            build nothing, and ask no registry
      --json FILE          write every sample there
      --html FILE          write a page with charts there
      --report NAME        write NAME.json, NAME.html, and NAME.md for the documentation
keirin-bench load [OPTIONS] URL
    Load any server: http://HOST:PORT/PATH, answered alike each time, or ws://..., an echo.
      --rate N             so many a second in all, timed from when each is due; without it, as fast
                           as it answers
      --message-bytes N    of the messages to be echoed, 20 unless given
      --in-flight N, --connections N, --threads N, --seconds S, --warm-up S, --verify
keirin-bench load --scenario NAME [OPTIONS] PORT
    Load a server of the scenarios, check every answer, print one line of JSON.
      --null               the server is the null server: compare no contents of messages
keirin-bench null [--scenario NAME] PORT
    Run the null server: hello unless given.
keirin-bench relay PORT
    Run what is the null server of publishing: what one connection says goes to all others.
keirin-bench server [--workers N] [--mode MODE] PORT
    Run the server on keirin: http unless given, off, shared, dedicated, brotli, pubsub.
keirin-bench peers
    List the servers.

Scenarios of HTTP (`http` for all): hello, headers20, json, post, body16k, upload64k, connect.
Scenarios of WebSocket (`ws` for all):
    ws20 ws125 ws126 ws1k ws16k ws64k ws1m
                           echo of binary messages, 1 and 32 in flight; any size will do
    ws20-text ...          the same of text with characters of one to four bytes
    deflate1k deflate45k   echo of JSON through permessage-deflate
    brotli45k              echo of JSON through Brotli
    publish100 publish1000 publish10000
                           from one socket to so many, 1 message and 16 at once; any number will do
    slow100                the same with slow readers, one for each hundred
    room16                 everybody to everybody
    handshake              connect, upgrade, close
    idle15000 idle15000-deflate
                           memory of so many connections; any number up to 19000 will do
A star at the end takes all that begin so: `deflate*`. Without --scenarios, a choice of them.
Exit code 1: wrong answers. Exit code 2: could not measure.
";

/// Runs the command given by `arguments`, which do not include the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match dispatch(lexopt::Parser::from_args(arguments.clone()), &arguments) {
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
fn dispatch(mut parser: lexopt::Parser, arguments: &[OsString]) -> Result<bool> {
    let asks = |argument: &OsString| argument == "-h" || argument == "--help";
    let is_child = arguments.first().is_some_and(|first| first == "child");
    if !is_child && arguments.iter().any(asks) {
        return help();
    }
    let command = match parser.next()? {
        Some(Value(command)) => command.string()?,
        None => "help".to_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    match command.as_str() {
        "compare" => compare::run(parser, arguments),
        "peers" => compare::list(),
        "null" => run_null(parser),
        "relay" => run_relay(parser),
        "server" => run_server(parser),
        "load" => load::run(parser),
        "child" => run_child(parser),
        "help" => help(),
        other => Err(format!("no command `{other}`: see keirin-bench help").into()),
    }
}

fn help() -> Result<bool> {
    io::stdout().write_all(HELP.as_bytes())?;
    Ok(true)
}

/// Not in the help: for `compare`, whose servers are to end with it.
fn run_child(mut parser: lexopt::Parser) -> Result<bool> {
    let parent = parser.value()?.parse::<u32>()?;
    let words: Vec<OsString> = parser.raw_args()?.collect();
    process::become_child(parent, &words)?;
    Ok(true)
}

fn run_null(mut parser: lexopt::Parser) -> Result<bool> {
    let (mut scenario, mut fault, mut port) = ("hello".parse::<Task>()?, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("scenario") => scenario = parser.value()?.parse()?,
            // Not in the help: for tests of the generator.
            Long("fault") => fault = Some(parser.value()?.parse::<Fault>()?),
            Value(value) if port.is_none() => port = Some(value.parse::<u16>()?),
            other => return Err(other.unexpected().into()),
        }
    }
    null::serve(&listen(port)?, scenario, fault)?;
    Ok(true)
}

fn run_relay(mut parser: lexopt::Parser) -> Result<bool> {
    let mut port = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Value(value) if port.is_none() => port = Some(value.parse::<u16>()?),
            other => return Err(other.unexpected().into()),
        }
    }
    relay::serve(&listen(port)?)?;
    Ok(true)
}

fn listen(port: Option<u16>) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.ok_or("the port is missing")?))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on http://{address}")?;
    Ok(listener)
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

/// From 1 to `max`.
fn up_to(parser: &mut lexopt::Parser, max: usize) -> Result<usize> {
    let number: usize = parser.value()?.parse()?;
    if (1..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("a number from 1 to {max} is needed").into())
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration> {
    Ok(Duration::from_secs_f64(number(parser, 86_400.0)?))
}

/// More than 0, and at most `max`.
fn number(parser: &mut lexopt::Parser, max: f64) -> Result<f64> {
    let number: f64 = parser.value()?.parse()?;
    if number > 0.0 && number <= max {
        Ok(number)
    } else {
        Err(format!("a number above 0 and up to {max} is needed").into())
    }
}
