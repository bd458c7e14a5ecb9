//! The load generator: what one run asks of one server, and what came of it.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::closed_loop::{Client, ClosedLoop};
use crate::http::Requests;
use crate::task::{Row, Task};
use crate::verify::{Content, Errors};
use crate::ws::content::Random;
use crate::ws::echo::Messages;
use crate::ws::scenario::{Kind, Scenario};
use crate::ws::{handshake, publish, storm};
use crate::{process, scenario};

/// Large messages go over fewer connections, so that no more than this is under way at once.
const BYTES_IN_FLIGHT_MAX: usize = 64 * 1024 * 1024;

/// What to send, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The requests, how many go out at once, and the expected answers. On a connection, the next
    /// batch goes out when all of the last is answered.
    pub row: Row,
    /// Connections, all open from the beginning. Large messages and publishing have their own
    /// number.
    pub connections: usize,
    /// Runs before the measured window and is verified, but not counted.
    pub warm_up: Duration,
    /// The measured window.
    pub window: Duration,
    /// The server.
    pub address: SocketAddr,
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
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Answers, deliveries or handshakes completed in the window.
    pub operations: u64,
    /// Errors of the whole run: in warm-up, window and grace time.
    pub errors: Errors,
    /// The window's true length.
    pub wall: Duration,
    /// CPU time of the generator in the window.
    pub cpu: Duration,
    /// Connections used at the same time.
    pub connections: usize,
    /// Bytes of one correct answer, on average; 0 if there was none.
    pub answer_bytes: usize,
    /// For compressed messages: bytes of such an answer at level 6, on average.
    pub level_6_bytes: Option<usize>,
}

impl Outcome {
    /// Operations per second of the window.
    #[must_use]
    pub fn operations_per_s(&self) -> f64 {
        self.operations as f64 / self.wall.as_secs_f64()
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

/// Runs the load, and calls `on_edge` at either edge of the window.
///
/// # Errors
/// When the server cannot be reached, the scenario is none of load, or the system or `on_edge`
/// fails. What the server does wrong is counted in [`Outcome::errors`].
pub fn run(load: &Load, on_edge: impl FnMut(Edge) -> Result<()>) -> Result<Outcome> {
    process::raise_file_limit()?;
    match load.row.task {
        Task::Http(scenario) => run_http(load, scenario, on_edge),
        Task::WebSocket(Scenario::Echo {
            kind,
            message_bytes,
        }) => run_echo(load, kind, message_bytes, on_edge),
        Task::WebSocket(Scenario::Publish { subscribers }) => {
            publish::run(load, subscribers, on_edge)
        }
        Task::WebSocket(Scenario::Handshake) => storm::run(load, on_edge),
        Task::WebSocket(Scenario::Idle { .. }) => Err("idle connections are no load".into()),
    }
}

fn run_http(
    load: &Load,
    scenario: scenario::Scenario,
    on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Outcome> {
    let body = scenario.response_body();
    let batch = scenario.request().repeat(load.row.in_flight);
    let clients = (0..load.connections).map(|_| {
        let requests = Requests::new(&batch, load.row.in_flight, &body, load.content);
        Ok((TcpStream::connect(load.address)?, requests))
    });
    run_clients(load, clients.collect::<Result<Vec<_>>>()?, on_edge)
}

fn run_echo(
    load: &Load,
    kind: Kind,
    message_bytes: usize,
    on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Outcome> {
    let in_flight = load.row.in_flight;
    let messages = Messages::new(kind, message_bytes, in_flight);
    let deflate = kind == Kind::Deflate;
    let fitting = BYTES_IN_FLIGHT_MAX / (message_bytes * in_flight);
    let connections = load.connections.min(fitting.max(1));
    let (mut random, mut errors) = (Random::new(1), Errors::default());
    let mut clients = Vec::with_capacity(connections);
    for index in 0..connections {
        let opened = handshake::open(load.address, index, deflate, &mut random, &mut errors)?;
        if let Some((stream, agreed)) = opened {
            let client = messages.client(index, in_flight, load.content, agreed);
            clients.push((stream, client));
        }
    }
    let mut outcome = run_clients(load, clients, on_edge)?;
    outcome.errors += errors;
    // A reply is a request without the mask.
    outcome.level_6_bytes = deflate.then(|| messages.request_bytes() - 4);
    Ok(outcome)
}

fn run_clients<C: Client>(
    load: &Load,
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
        connections,
        answer_bytes: generator.answer_bytes(),
        level_6_bytes: None,
    })
}

/// Warms up, then measures. `run_until` keeps the server busy until the time it is given, and
/// returns the operations completed since the beginning.
///
/// # Errors
/// What `run_until` and `on_edge` report.
pub fn measure(
    load: &Load,
    mut on_edge: impl FnMut(Edge) -> Result<()>,
    mut run_until: impl FnMut(Instant) -> Result<u64>,
) -> Result<Window> {
    let before = run_until(Instant::now() + load.warm_up)?;
    on_edge(Edge::Begin)?;
    let (begin, cpu_begin) = (Instant::now(), thread_cpu());
    let after = run_until(begin + load.window)?;
    let (wall, cpu) = (begin.elapsed(), thread_cpu() - cpu_begin);
    on_edge(Edge::End)?;
    Ok(Window {
        operations: after - before,
        wall,
        cpu,
    })
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
