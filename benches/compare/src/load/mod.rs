//! The load generator: what one run asks of one server, and what came of it.
//!
//! - [`closed_loop`] asks as soon as it is answered, which finds what a server can do at most;
//!   [`open_loop`] asks at a fixed rate, and finds how long one waits;
//! - on their connections [`mod@http`] or [`echo`] is spoken, and [`verify`] checks the answers;
//! - [`publish`], [`room`], [`storm`] and [`idle`] are loads of their own;
//! - [`frame`] and [`handshake`]: WebSocket (RFC 6455), the client's side;
//! - [`any`]: a load for a server that is none of ours.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::Result;
use crate::run::process;
use crate::scenarios::content::Random;
use crate::scenarios::http as http_scenarios;
use crate::scenarios::websocket::{Kind, Scenario};
use crate::scenarios::{Row, Task};

use closed_loop::{Client, ClosedLoop};
use echo::{Echoes, Messages};
use handshake::{Door, Offer};
use http::Requests;
use open_loop::{Latency, Pace};
use verify::{Content, Errors};

pub mod any;
pub mod closed_loop;
pub mod echo;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod idle;
pub mod open_loop;
pub mod publish;
pub mod room;
pub mod storm;
pub mod verify;

/// Large messages go over fewer connections, so that no more than this is under way at once.
const BYTES_IN_FLIGHT_MAX: usize = 64 * 1024 * 1024;

/// Where nothing is answered, the window lasts so many times as long at most.
const WINDOWS_MAX: u32 = 20;

/// What to send, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The requests, how many go out at once, and the expected answers. On a connection, the next
    /// batch goes out when all of the last is answered.
    pub row: Row,
    /// Connections, all open from the beginning. Large messages and publishing have their own
    /// number.
    pub connections: usize,
    /// The cores of the generator, a thread on each. Without any, there is one thread that runs
    /// where it is.
    pub cores: &'a [usize],
    /// Runs before the measured window and is verified, but not counted.
    pub warm_up: Duration,
    /// The measured window.
    pub window: Duration,
    /// The server.
    pub address: SocketAddr,
    /// The server speaks Socket.IO on top of WebSocket.
    pub socket_io: bool,
    /// How many contents to compare.
    pub content: Content,
}

/// An edge of the measured window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The window begins now.
    Begin,
    /// The window ends now.
    End,
}

/// What a run showed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Outcome {
    /// Answers, deliveries or handshakes completed in the window.
    pub operations: u64,
    /// Errors of the whole run: in warm-up, window and grace time.
    pub errors: Errors,
    /// The window's true length.
    pub wall: Duration,
    /// CPU time of the generator in the window, of all its threads.
    pub cpu: Duration,
    /// How many threads that are.
    pub threads: usize,
    /// Connections used at the same time.
    pub connections: usize,
    /// Bytes of one correct answer, on average; 0 if there was none.
    pub answer_bytes: usize,
    /// For compressed messages: bytes of such an answer as the client compresses it, on average.
    pub compressed_bytes: Option<usize>,
}

impl Outcome {
    /// Operations per second of the window.
    #[must_use]
    pub fn operations_per_s(&self) -> f64 {
        self.operations as f64 / self.wall.as_secs_f64()
    }

    /// The generator's CPU time as a share of what its threads could have had.
    #[must_use]
    pub fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64() / self.threads as f64
    }
}

/// What happened in a window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Operations completed in it.
    pub operations: u64,
    /// Its true length.
    pub wall: Duration,
    /// CPU time of the calling thread.
    pub cpu: Duration,
}

/// Runs the load in a closed loop, and calls `on_edge` at either edge of the window.
///
/// # Errors
/// When the server cannot be reached, the scenario is none of load, or the system or `on_edge`
/// fails. What the server does wrong is counted in [`Outcome::errors`].
pub fn run(load: &Load<'_>, on_edge: impl FnMut(Edge) -> Result<()>) -> Result<Outcome> {
    process::raise_file_limit()?;
    match load.row.task {
        Task::Http(http_scenarios::Scenario::Connect) | Task::WebSocket(Scenario::Handshake) => {
            storm::run(load, on_edge)
        }
        Task::Http(scenario) => {
            let exchange = Exchange::new(scenario, load.row.in_flight);
            run_clients(load, exchange.clients(load)?, on_edge)
        }
        Task::WebSocket(Scenario::Echo {
            kind,
            message_bytes,
        }) => {
            let messages = messages(load, kind, message_bytes);
            let (clients, errors) = echo_clients(load, &messages, message_bytes)?;
            let mut outcome = run_clients(load, clients, on_edge)?;
            outcome.errors += errors;
            let compressed = matches!(kind, Kind::Deflate | Kind::Brotli);
            // A reply is a request without the mask.
            outcome.compressed_bytes = compressed.then(|| messages.request_bytes() - 4);
            Ok(outcome)
        }
        Task::WebSocket(Scenario::Publish { subscribers, slow }) => {
            publish::run(load, subscribers, slow, on_edge)
        }
        Task::WebSocket(Scenario::Room { members }) => room::run(load, members, on_edge),
        Task::WebSocket(Scenario::Idle { .. }) => Err("idle connections are no load".into()),
    }
}

/// Runs the load at a fixed rate, one request or message at a time on each connection, and calls
/// `on_edge` at either edge of the window.
///
/// # Errors
/// As [`run`], and when the scenario is not of requests or echoes.
pub fn run_open(
    load: &Load<'_>,
    pace: Pace,
    on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Latency> {
    process::raise_file_limit()?;
    match load.row.task {
        Task::Http(scenario) if scenario != http_scenarios::Scenario::Connect => {
            let exchange = Exchange::new(scenario, 1);
            open_loop::run(load, pace, exchange.clients(load)?, on_edge)
        }
        Task::WebSocket(Scenario::Echo {
            kind,
            message_bytes,
        }) => {
            let messages = messages(load, kind, message_bytes);
            let (clients, errors) = echo_clients(load, &messages, message_bytes)?;
            let mut latency = open_loop::run(load, pace, clients, on_edge)?;
            latency.errors += errors;
            Ok(latency)
        }
        task => Err(format!("{task} cannot be asked at a fixed rate").into()),
    }
}

/// A batch of requests, and the body of each answer.
struct Exchange {
    batch: Vec<u8>,
    body: Vec<u8>,
}

impl Exchange {
    fn new(scenario: http_scenarios::Scenario, in_flight: usize) -> Self {
        Self {
            batch: scenario.request().repeat(in_flight),
            body: scenario.response_body(),
        }
    }

    fn clients(&self, load: &Load<'_>) -> Result<Vec<(TcpStream, Requests<'_>)>> {
        let clients = (0..load.connections).map(|index| {
            let requests = Requests::new(&self.batch, load.row.in_flight, &self.body, load.content);
            Ok((handshake::connect(load.address, index)?, requests))
        });
        clients.collect()
    }
}

fn offer(load: &Load<'_>, kind: Kind) -> Offer {
    match kind {
        Kind::Deflate => Offer::Deflate,
        Kind::Brotli => Offer::Brotli,
        Kind::Binary | Kind::Text if load.socket_io => Offer::SocketIo,
        Kind::Binary | Kind::Text => Offer::Plain,
    }
}

fn messages(load: &Load<'_>, kind: Kind, message_bytes: usize) -> Messages {
    Messages::new(kind, message_bytes, load.row.in_flight, offer(load, kind))
}

/// The clients of an echo, and what went wrong when they connected.
fn echo_clients<'m>(
    load: &Load<'_>,
    messages: &'m Messages,
    message_bytes: usize,
) -> Result<(Vec<(TcpStream, Echoes<'m>)>, Errors)> {
    let in_flight = load.row.in_flight;
    let fitting = BYTES_IN_FLIGHT_MAX / (message_bytes * in_flight);
    let connections = load.connections.min(fitting.max(1));
    let door = Door {
        address: load.address,
        host: handshake::HOST,
        path: if load.socket_io {
            handshake::SOCKET_IO_PATH
        } else {
            "/"
        },
        offer: offer(load, messages.kind()),
    };
    let (mut random, mut errors) = (Random::new(1), Errors::default());
    let mut clients = Vec::with_capacity(connections);
    for index in 0..connections {
        if let Some((stream, agreed)) = door.open(index, &mut random, &mut errors)? {
            let client = messages.client(index, in_flight, load.content, agreed);
            clients.push((stream, client));
        }
    }
    Ok((clients, errors))
}

/// Shares the clients among the generator's threads, and runs them.
fn run_clients<C: Client + Send>(
    load: &Load<'_>,
    mut clients: Vec<(TcpStream, C)>,
    on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Outcome> {
    let threads = load.cores.len().clamp(1, clients.len().max(1));
    let mut shares = Vec::with_capacity(threads);
    for left in (1..=threads).rev() {
        let share = clients.len() / left;
        shares.push(clients.split_off(clients.len() - share));
    }
    let own = shares.swap_remove(0);
    thread::scope(|scope| {
        let others: Vec<_> = shares
            .into_iter()
            .zip(load.cores.iter().skip(1))
            .map(|(share, &core)| {
                scope.spawn(move || {
                    process::pin(core)?;
                    run_share(load, share, |_| Ok(()))
                })
            })
            .collect();
        let mut outcome = run_share(load, own, on_edge)?;
        for other in others {
            let other = other
                .join()
                .map_err(|_| "a thread of the generator panicked")??;
            outcome.operations += other.operations;
            outcome.errors += other.errors;
            outcome.cpu += other.cpu;
            outcome.threads += 1;
            outcome.connections += other.connections;
        }
        Ok(outcome)
    })
}

fn run_share<C: Client>(
    load: &Load<'_>,
    clients: Vec<(TcpStream, C)>,
    on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Outcome> {
    let connections = clients.len();
    let mut generator = ClosedLoop::new(clients)?;
    let window = measure(load, on_edge, |deadline| generator.run_until(deadline))?;
    generator.drain()?;
    Ok(Outcome {
        operations: window.operations,
        errors: generator.errors,
        wall: window.wall,
        cpu: window.cpu,
        threads: 1,
        connections,
        answer_bytes: generator.answer_bytes(),
        compressed_bytes: None,
    })
}

/// Warms up, then measures. `run_until` keeps the server busy until the time it is given, and
/// returns the operations completed since the beginning.
///
/// # Errors
/// What `run_until` and `on_edge` report.
pub fn measure(
    load: &Load<'_>,
    mut on_edge: impl FnMut(Edge) -> Result<()>,
    mut run_until: impl FnMut(Instant) -> Result<u64>,
) -> Result<Window> {
    let before = run_until(Instant::now() + load.warm_up)?;
    on_edge(Edge::Begin)?;
    let (begin, cpu_begin) = (Instant::now(), thread_cpu());
    let mut after = run_until(begin + load.window)?;
    // A server that has not answered anything in the window may be slow, and not silent.
    for windows in 2..=WINDOWS_MAX {
        if after > before {
            break;
        }
        after = run_until(begin + load.window * windows)?;
    }
    let (wall, cpu) = (begin.elapsed(), thread_cpu() - cpu_begin);
    on_edge(Edge::End)?;
    Ok(Window {
        operations: after - before,
        wall,
        cpu,
    })
}

/// CPU time of the calling thread so far.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
