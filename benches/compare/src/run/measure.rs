//! One run of one fresh server.

use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::Options;
use super::process::{self, CpuTime, MemoryUse, ServerProcess};
use crate::Result;
use crate::load::idle::{self, Memory};
use crate::load::open_loop::Pace;
use crate::load::verify::{Content, Errors};
use crate::load::{self, Edge, Load};
use crate::peers::Peer;
use crate::scenarios::{Row, Task};
use crate::statistics;

/// For what a server does after its last connection has gone.
const REST: Duration = Duration::from_millis(30);
/// Between two looks at a server's memory.
const LOOK: Duration = Duration::from_millis(250);

/// What one run of one server showed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Answers, deliveries or handshakes completed in the window.
    pub operations: u64,
    /// The same per second.
    pub operations_per_s: f64,
    /// CPU microseconds of the server for each.
    pub cpu_us: f64,
    /// The part of it that fell in user mode; not known if the window saw no clock tick.
    pub user_us: Option<f64>,
    /// Everything that was wrong with the answers.
    pub errors: Errors,
    /// Connections used at the same time.
    pub connections: usize,
    /// Bytes of one answer, on average.
    pub answer_bytes: usize,
    /// For compressed messages: bytes of such an answer as the client compresses it, on average.
    pub compressed_bytes: Option<usize>,
    /// The server's CPU time as a share of the window: above 1 if it uses several cores.
    pub server_busy: f64,
    /// The generator's CPU time as a share of what its threads could have had.
    pub generator_busy: f64,
    /// Threads of the generator.
    pub generator_threads: usize,
    /// The share of the window that the server or the generator, whichever had more, waited for a
    /// core that somebody else was using.
    pub waited: f64,
    /// Memory of the server that is in use: before the first connection, at most, and after the
    /// last.
    pub memory: MemoryUse,
}

impl Sample {
    /// Nothing was wrong, and something was answered.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors.total() == 0 && self.operations > 0
    }

    /// CPU microseconds of the generator for each operation.
    #[must_use]
    pub fn generator_us(&self) -> f64 {
        let cores = self.generator_busy * self.generator_threads as f64;
        cores * 1e6 / self.operations_per_s.max(1.0)
    }
}

/// What one run at a fixed rate showed, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencySample {
    /// The time that half of the requests took at most, from when they were due.
    pub p50_us: f64,
    /// Of 90 %.
    pub p90_us: f64,
    /// Of 99 %.
    pub p99_us: f64,
    /// Of 99.9 %.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// By how much 99 % of the requests at most left late, by the generator's own fault.
    pub lag_p99_us: f64,
    /// Requests that were due.
    pub due: u64,
    /// Those that were not answered in the end.
    pub unfinished: u64,
    /// What was wrong.
    pub errors: Errors,
    /// CPU microseconds of the server for each request; not known if it answered less than half.
    pub cpu_us: Option<f64>,
    /// The server's CPU time as a share of the window.
    pub server_busy: f64,
}

/// What a soak of one server showed.
#[derive(Clone, Debug, Serialize)]
pub struct SoakSample {
    /// The rate.
    pub per_s: f64,
    /// Requests that were due.
    pub due: u64,
    /// What was wrong.
    pub errors: Errors,
    /// Seconds since the beginning, and bytes of memory in use.
    pub memory: Vec<(f64, f64)>,
    /// Bytes by which that grows in a second, in the second half.
    pub growth_per_s: f64,
}

/// The cores of server and generator, if there are two.
#[derive(Clone, Debug)]
pub struct Cores {
    /// The server's, with every thread it starts.
    pub server: Option<usize>,
    /// The generator's, one for each thread.
    pub generator: Vec<usize>,
}

impl Cores {
    /// The first core that may be used for the server, and of those that share no hardware with it
    /// the last ones for the generator.
    ///
    /// # Errors
    /// What the system reports.
    pub fn choose(threads_max: usize) -> Result<Self> {
        let allowed = process::allowed_cores()?;
        let Some((&server, others)) = allowed.split_first().filter(|(_, rest)| !rest.is_empty())
        else {
            return Ok(Self {
                server: None,
                generator: Vec::new(),
            });
        };
        let siblings = process::siblings(server);
        let mut apart: Vec<usize> = others
            .iter()
            .copied()
            .filter(|core| !siblings.contains(core))
            .collect();
        if apart.is_empty() {
            apart = others.to_vec();
        }
        apart.reverse();
        apart.truncate(threads_max.max(1));
        Ok(Self {
            server: Some(server),
            generator: apart,
        })
    }
}

/// Who is measured.
#[derive(Clone, Copy, Debug)]
pub enum Contestant<'a> {
    /// The null server, a subcommand of our own executable.
    Null,
    /// Another.
    Peer(&'a Peer),
}

impl Contestant<'_> {
    /// What this server is measured with, and how many contents can be compared.
    fn asked(self, options: &Options, row: Row) -> (Row, Content) {
        match (self, row.task) {
            (Self::Null, Task::WebSocket(_)) => (row.base(), Content::Ignored),
            _ => (row, options.content),
        }
    }

    fn start(self, options: &Options, row: Row, cores: &Cores) -> Result<ServerProcess> {
        match self {
            Self::Null => {
                let scenario = row.base().task.to_string();
                let own = options.executable.display().to_string();
                let words = [own.as_str(), "null", "--scenario", &scenario, "{port}"];
                start(options, cores, &words.map(str::to_owned))
            }
            Self::Peer(_) => {
                self.start_in_mode(options, row.task.duty().mode(&options.deflate), cores)
            }
        }
    }

    /// Starts a peer to do one thing; the null server cannot be started so.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_in_mode(
        self,
        options: &Options,
        mode: &str,
        cores: &Cores,
    ) -> Result<ServerProcess> {
        let Self::Peer(peer) = self else {
            return Err("the null server has no modes".into());
        };
        let words = peer.command.iter().map(|word| word.replace("{mode}", mode));
        start(options, cores, &words.collect::<Vec<_>>())
    }

    fn is_socket_io(self) -> bool {
        matches!(self, Self::Peer(peer) if peer.socket_io)
    }

    fn warm_up(self, options: &Options) -> Duration {
        options.warm_up_of(matches!(self, Self::Peer(peer) if peer.warms_up))
    }
}

/// A fresh server on its core, with the calling thread on the generator's. It ends with us.
fn start(options: &Options, cores: &Cores, words: &[String]) -> Result<ServerProcess> {
    let port = process::free_port()?;
    let mut command = Command::new(&options.executable);
    command.args(["child", &std::process::id().to_string()]);
    command.args(
        words
            .iter()
            .map(|word| word.replace("{port}", &port.to_string())),
    );
    // The server inherits where this thread is pinned, with all the threads it will start.
    cores.server.map_or(Ok(()), process::pin)?;
    let server = ServerProcess::start(command, port);
    cores
        .generator
        .first()
        .map_or(Ok(()), |&core| process::pin(core))?;
    server
}

/// One run of idle connections.
///
/// # Errors
/// When the server does not start, or the system fails.
pub fn memory(
    options: &Options,
    row: Row,
    contestant: Contestant<'_>,
    cores: &Cores,
) -> Result<Memory> {
    let (asked, content) = contestant.asked(options, row);
    let Task::WebSocket(scenario) = asked.task else {
        return Err("idle connections are measured over WebSocket".into());
    };
    let limit = options.run_limit();
    let mut server = contestant.start(options, row, cores)?.killed_after(limit);
    let memory = idle::run(scenario, server.address(), server.id(), content);
    server.check()?;
    memory
}

fn load_of<'c>(
    options: &Options,
    row: Row,
    contestant: Contestant<'_>,
    cores: &'c Cores,
    server: &ServerProcess,
) -> Load<'c> {
    let (row, content) = contestant.asked(options, row);
    Load {
        row,
        connections: options.connections,
        cores: &cores.generator,
        warm_up: contestant.warm_up(options),
        window: options.window,
        address: server.address(),
        socket_io: contestant.is_socket_io(),
        content,
    }
}

/// What the server used between the edges of a window, and how long the generator waited.
#[derive(Default)]
struct Used {
    cpu: CpuTime,
    generator_waited: Duration,
}

impl Used {
    fn note(&mut self, edge: Edge, server: &ServerProcess) -> Result<()> {
        let (cpu, waited) = (CpuTime::read(server.id())?, process::thread_waited());
        match edge {
            Edge::Begin => (self.cpu, self.generator_waited) = (cpu, waited),
            Edge::End => {
                self.cpu = cpu.since(&self.cpu);
                self.generator_waited = waited.saturating_sub(self.generator_waited);
            }
        }
        Ok(())
    }
}

/// One run in a closed loop.
///
/// # Errors
/// When the server does not start, answers nothing, or ends, or the system fails.
pub fn capacity(
    options: &Options,
    row: Row,
    contestant: Contestant<'_>,
    cores: &Cores,
) -> Result<Sample> {
    let limit = options.run_limit();
    let mut server = contestant.start(options, row, cores)?.killed_after(limit);
    let load = load_of(options, row, contestant, cores, &server);
    let start_bytes = process::memory_in_use(server.id())?;
    let mut used = Used::default();
    let outcome = load::run(&load, |edge| used.note(edge, &server));
    thread::sleep(REST);
    server.check()?;
    let outcome = outcome?;
    if outcome.operations == 0 {
        let wall_s = outcome.wall.as_secs_f64();
        return Err(format!("no answer in {wall_s:.1} s: {}", outcome.errors).into());
    }
    let wall_s = outcome.wall.as_secs_f64();
    let cpu = used.cpu;
    let cpu_us = cpu.total.as_secs_f64() * 1e6 / outcome.operations as f64;
    Ok(Sample {
        operations: outcome.operations,
        operations_per_s: outcome.operations_per_s(),
        cpu_us,
        user_us: cpu.user_share().map(|share| share * cpu_us),
        errors: outcome.errors,
        connections: outcome.connections,
        answer_bytes: outcome.answer_bytes,
        compressed_bytes: outcome.compressed_bytes,
        server_busy: cpu.total.as_secs_f64() / wall_s,
        generator_busy: outcome.busy(),
        generator_threads: outcome.threads,
        waited: cpu.waited.max(used.generator_waited).as_secs_f64() / wall_s,
        memory: MemoryUse {
            start_bytes,
            peak_bytes: process::memory_peak(server.id())?,
            drained_bytes: process::memory_in_use(server.id())?,
        },
    })
}

/// One run at a fixed rate.
///
/// # Errors
/// When the server does not start, or the system fails.
pub fn latency(
    options: &Options,
    row: Row,
    per_s: f64,
    contestant: Contestant<'_>,
    cores: &Cores,
) -> Result<LatencySample> {
    let limit = options.run_limit();
    let mut server = contestant.start(options, row, cores)?.killed_after(limit);
    let load = load_of(options, row, contestant, cores, &server);
    let mut used = Used::default();
    let seen = load::run_open(&load, Pace { per_s }, |edge| used.note(edge, &server));
    server.check()?;
    let seen = seen?;
    let done = Some(seen.due - seen.unfinished).filter(|&done| done > seen.due / 2);
    let us = |histogram: &Histogram<u64>, quantile| {
        histogram.value_at_quantile(quantile) as f64 / 1000.0
    };
    Ok(LatencySample {
        p50_us: us(&seen.waits, 0.5),
        p90_us: us(&seen.waits, 0.9),
        p99_us: us(&seen.waits, 0.99),
        p999_us: us(&seen.waits, 0.999),
        max_us: seen.waits.max() as f64 / 1000.0,
        lag_p99_us: us(&seen.lags, 0.99),
        due: seen.due,
        unfinished: seen.unfinished,
        errors: seen.errors,
        cpu_us: done.map(|done| used.cpu.total.as_secs_f64() * 1e6 / done as f64),
        server_busy: used.cpu.total.as_secs_f64() / seen.wall.as_secs_f64(),
    })
}

/// A long run at a fixed rate, with a look at the server's memory now and then.
///
/// # Errors
/// When the server does not start, or the system fails.
pub fn soak(
    options: &Options,
    row: Row,
    per_s: f64,
    time: Duration,
    contestant: Contestant<'_>,
    cores: &Cores,
) -> Result<SoakSample> {
    let limit = options.run_limit() + time;
    let mut server = contestant.start(options, row, cores)?.killed_after(limit);
    let mut load = load_of(options, row, contestant, cores, &server);
    load.window = time;
    let id = server.id();
    let (end, ended) = mpsc::channel();
    let (seen, memory) = thread::scope(|scope| {
        let watch = scope.spawn(move || {
            // Not on the generator's core, which spins.
            if let Some(core) = cores.server {
                process::pin(core)?;
            }
            watch_memory(id, &ended)
        });
        let seen = load::run_open(&load, Pace { per_s }, |_| Ok(()));
        drop(end);
        let memory = watch.join().map_err(|_| "the watch on memory panicked");
        (seen, memory)
    });
    server.check()?;
    let (seen, memory) = (seen?, memory??);
    let growth_per_s = statistics::slope(&memory[memory.len() / 2..]).unwrap_or(0.0);
    Ok(SoakSample {
        per_s,
        due: seen.due,
        errors: seen.errors,
        memory,
        growth_per_s,
    })
}

/// Looks at the memory of process `id` until the other end of `ended` is dropped.
fn watch_memory(id: u32, ended: &Receiver<()>) -> Result<Vec<(f64, f64)>> {
    let (begin, mut seen) = (Instant::now(), Vec::new());
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let bytes = process::memory_in_use(id)? as f64;
        seen.push((begin.elapsed().as_secs_f64(), bytes));
    }
    Ok(seen)
}
