//! `keirin-bench load`.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lexopt::prelude::*;
use serde_json::{Value as Json, json};

use super::{CONNECTIONS_MAX, THREADS_MAX, number, seconds, up_to};
use crate::Result;
use crate::load::any::{self, Seen, Target};
use crate::load::open_loop::{Latency, Pace};
use crate::load::verify::{Content, Errors};
use crate::load::{self, Load, Outcome};
use crate::run::measure::Cores;
use crate::run::process;
use crate::scenarios::{Row, Task};

const IN_FLIGHT_MAX: usize = 10_000;
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What was said on the command line.
struct Words {
    task: Option<Task>,
    target: String,
    in_flight: usize,
    connections: usize,
    threads: usize,
    window: Duration,
    warm_up: Duration,
    message_bytes: usize,
    pace: Option<Pace>,
    content: Option<Content>,
}

impl Words {
    fn parse(mut parser: lexopt::Parser) -> Result<Self> {
        let mut words = Self {
            task: None,
            target: String::new(),
            in_flight: 1,
            connections: 64,
            threads: 1,
            window: Duration::from_secs(1),
            warm_up: Duration::ZERO,
            message_bytes: 20,
            pace: None,
            content: None,
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("scenario") => words.task = Some(parser.value()?.parse::<Task>()?),
                Long("in-flight") => words.in_flight = up_to(&mut parser, IN_FLIGHT_MAX)?,
                Long("connections") => words.connections = up_to(&mut parser, CONNECTIONS_MAX)?,
                Long("threads") => words.threads = up_to(&mut parser, THREADS_MAX)?,
                Long("seconds") => words.window = seconds(&mut parser)?,
                Long("warm-up") => words.warm_up = seconds(&mut parser)?,
                Long("message-bytes") => {
                    words.message_bytes = up_to(&mut parser, MESSAGE_BYTES_MAX)?
                }
                Long("rate") => {
                    let per_s = number(&mut parser, 1e7)?;
                    words.pace = Some(Pace { per_s });
                }
                Long("verify") => words.content = Some(Content::All),
                Long("null") => words.content = Some(Content::Ignored),
                Value(value) if words.target.is_empty() => words.target = value.string()?,
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(words)
    }
}

/// Loads a server; whether all answers were right.
pub(super) fn run(parser: lexopt::Parser) -> Result<bool> {
    let words = Words::parse(parser)?;
    if words.pace.is_some() && (words.in_flight > 1 || words.threads > 1) {
        // It would not be known which of several was late, nor who of several has the next.
        return Err("--rate asks one at a time, from one thread".into());
    }
    let cores = match words.threads {
        1 => Vec::new(),
        threads => Cores::choose(threads)?.generator,
    };
    if let Some(&core) = cores.first() {
        process::pin(core)?;
    }
    let mut load = Load {
        row: Row {
            // Anything will do for a server that has none of ours.
            task: words.task.map_or_else(|| "hello".parse(), Ok)?,
            in_flight: words.in_flight,
        },
        connections: words.connections,
        cores: &cores,
        warm_up: words.warm_up,
        window: words.window,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        socket_io: false,
        content: words.content.unwrap_or(Content::Sampled),
    };
    let seen = if words.task.is_some() {
        load.address
            .set_port(words.target.parse().map_err(|_| "the port is missing")?);
        match words.pace {
            None => Seen::Capacity(load::run(&load, |_| Ok(()))?),
            Some(pace) => Seen::Latency(Box::new(load::run_open(&load, pace, |_| Ok(()))?)),
        }
    } else {
        let target = Target::parse(&words.target)?;
        if !target.websocket {
            load.content = words.content.unwrap_or(any::CONTENT);
        }
        target.load(&load, words.message_bytes, words.pace)?
    };
    let mut line = match &seen {
        Seen::Capacity(outcome) => of_capacity(outcome),
        Seen::Latency(latency) => of_latency(latency),
    };
    line["target"] = words.target.into();
    if let Some(task) = words.task {
        line["scenario"] = task.to_string().into();
    }
    line["in_flight"] = words.in_flight.into();
    writeln!(io::stdout(), "{line}")?;
    Ok(seen.errors().total() == 0)
}

fn of_capacity(outcome: &Outcome) -> Json {
    let mut line = of_errors(outcome.errors);
    line["connections"] = outcome.connections.into();
    line["operations"] = outcome.operations.into();
    line["seconds"] = outcome.wall.as_secs_f64().into();
    line["operations_per_s"] = outcome.operations_per_s().round().into();
    line["generator_cpu_s"] = outcome.cpu.as_secs_f64().into();
    line["generator_busy"] = outcome.busy().into();
    line["generator_threads"] = outcome.threads.into();
    line["answer_bytes"] = outcome.answer_bytes.into();
    line
}

fn of_latency(latency: &Latency) -> Json {
    let mut line = of_errors(latency.errors);
    let us = |quantile| latency.waits.value_at_quantile(quantile) as f64 / 1000.0;
    line["due"] = latency.due.into();
    line["unfinished"] = latency.unfinished.into();
    line["p50_us"] = us(0.5).into();
    line["p90_us"] = us(0.9).into();
    line["p99_us"] = us(0.99).into();
    line["p999_us"] = us(0.999).into();
    line["max_us"] = us(1.0).into();
    line["lag_p99_us"] = (latency.lags.value_at_quantile(0.99) as f64 / 1000.0).into();
    line["seconds"] = latency.wall.as_secs_f64().into();
    line
}

fn of_errors(errors: Errors) -> Json {
    json!({
        "errors": errors.total(),
        "bad_status": errors.bad_status,
        "bad_length": errors.bad_length,
        "bad_body": errors.bad_body,
        "bad_opcode": errors.bad_opcode,
        "bad_order": errors.bad_order,
        "unexpected_close": errors.unexpected_close,
        "unanswered": errors.unanswered,
    })
}
