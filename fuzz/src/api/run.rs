//! Performs the operations, and checks after each what has to hold.

use std::rc::Rc;

use keirin::Config;
use keirin::testing::Sim;

use super::app::{World, routes, run_for_any};
use super::client::{BODY_BYTES_MAX, Client, HEAD_BYTES_MAX, Sent};
use super::input::{Input, Operation, Settings, Then};

const PIPELINED_BYTES_MAX: usize = 1 << 10;
const WRITE_BUFFER_BYTES_MAX: usize = 16 << 10;

/// The most that a connection may have in memory: its output, a head that is still open and has
/// the same bound for itself, and the input that cannot be handled yet, in a vector that may have
/// grown by doubling.
const CONNECTION_BYTES_MAX: usize =
    2 * WRITE_BUFFER_BYTES_MAX + 2 * PIPELINED_BYTES_MAX + (1 << 10);

/// Operations that one run is worth.
const OPERATIONS_MAX: usize = 200;

/// Time enough for everything to end.
const GRACE_MS: u64 = 50;
const END_MS: u64 = 1000;

fn config(settings: Settings) -> Config {
    let on = |on: bool, value: u64| if on { value } else { 0 };
    let config = Config::builder()
        .head_bytes_max(HEAD_BYTES_MAX)
        .target_bytes_max(100)
        .body_bytes_max(BODY_BYTES_MAX)
        .pipelined_bytes_max(PIPELINED_BYTES_MAX)
        .write_buffer_bytes_max(WRITE_BUFFER_BYTES_MAX)
        .head_timeout_ms(100)
        .keep_alive_timeout_ms(200)
        .body_window_ms(80)
        .write_stall_timeout_ms(150)
        .linger_timeout_ms(40)
        .inbox_capacity(4)
        .half_close(settings.half_close)
        .length_required(settings.length_required)
        .answer_timeout_ms(on(settings.answer_timeout, 60))
        .body_throughput_min(on(settings.throughput, 1000))
        .requests_per_turn_max(if settings.one_request_per_turn {
            1
        } else {
            256
        })
        .connections_max(if settings.few_connections { 2 } else { 1000 })
        .discard_bytes_max(on(settings.discard, 1 << 10));
    config.build().expect("valid settings")
}

/// A worker and its clients.
struct Run {
    sim: Sim<World>,
    clients: Vec<Client>,
    stopping: bool,
}

pub(super) fn run(input: &Input) {
    let world = World::new(&input.scripts);
    let (flags, kept) = (Rc::clone(&world.flags), Rc::clone(&world.kept));
    flags.guarded.set(true);
    let mut run = Run {
        sim: Sim::with_state(config(input.settings), world, routes),
        clients: Vec::new(),
        stopping: false,
    };
    for (operation, then) in input.operations.iter().take(OPERATIONS_MAX) {
        run.perform(*operation);
        match then {
            Then::Nothing => {}
            Then::Turn => run.sim.turn(),
            Then::Settle => run.sim.run_until_idle(),
        }
        run.check();
    }
    run.end();
    // From here on nobody catches what panics.
    flags.guarded.set(false);
    assert_eq!(
        Rc::strong_count(&kept),
        2,
        "a callback of an answer is left"
    );
}

impl Run {
    fn perform(&mut self, operation: Operation) {
        use Operation as O;
        match operation {
            O::Connect => self.connect(),
            O::Queue {
                client,
                kind,
                script,
            } => self.queue(client, Sent::new(kind, script)),
            O::Request {
                client,
                kind,
                script,
            } => {
                self.queue(client, Sent::new(kind, script));
                self.with(client, |sim, client| client.send(sim, usize::MAX));
            }
            O::SendPart { client, bytes } => {
                self.with(client, |sim, client| client.send(sim, bytes.into()));
            }
            O::Finish { client } => self.with(client, |sim, client| {
                client.left = true;
                sim.finish(client.wire);
            }),
            O::Reset { client } => self.with(client, |sim, client| {
                client.left = true;
                sim.reset(client.wire);
            }),
            O::Window { client, bytes } => self.with(client, |sim, client| {
                sim.set_window(client.wire, bytes.into());
            }),
            O::Read { client } => self.with(client, |sim, client| {
                client.read(sim);
            }),
            O::Advance { ms } => self.sim.advance_ms(ms.into()),
            O::Remote { script } => {
                // A full inbox is a result as well.
                let _ = self.sim.remote().defer(move |cx| run_for_any(cx, script));
            }
            O::Outside { script } => self.sim.with_cx(|cx| {
                let flags = Rc::clone(&cx.state().flags);
                flags.guarded.set(false);
                run_for_any(cx, script);
                flags.guarded.set(true);
            }),
            O::FailAccepts { count } => self.sim.fail_accepts(usize::from(count % 4)),
            O::Stop { grace_ms } => self.stop(grace_ms.into()),
        }
    }

    fn connect(&mut self) {
        // The listener is closed by now.
        if !self.stopping {
            self.clients.push(Client::new(self.sim.connect()));
        }
    }

    fn queue(&mut self, client: u8, request: Sent) {
        let kind = request.kind;
        let serial = self.sim.with_cx(|cx| {
            let requests = &mut cx.state_mut().requests;
            requests.push(request);
            requests.len() - 1
        });
        self.with(client, |_, client| client.queue(kind, serial));
    }

    fn with(&mut self, client: u8, act: impl FnOnce(&mut Sim<World>, &mut Client)) {
        if let Some(index) = usize::from(client).checked_rem(self.clients.len()) {
            act(&mut self.sim, &mut self.clients[index]);
        }
    }

    fn stop(&mut self, grace_ms: u64) {
        // Makes room in the inbox.
        self.sim.turn();
        self.sim.stop(grace_ms);
        self.stopping = true;
    }

    /// What holds at any time.
    fn check(&mut self) {
        self.sim.check();
        let counts = self.sim.counts();
        let panics = self.sim.with_cx(|cx| cx.state().flags.panics.get());
        assert_eq!(counts.panics, panics, "a panic that was not scripted");
        let bound = counts.connections_open as usize * CONNECTION_BYTES_MAX;
        let bytes = self.sim.buffered_bytes();
        assert!(bytes <= bound, "{bytes} bytes in memory, at most {bound}");
        drop(self.sim.records());
    }

    /// Everybody reads what there is, and the worker stops.
    fn end(&mut self) {
        for client in &self.clients {
            self.sim.set_window(client.wire, usize::MAX);
        }
        self.read_all();
        self.stop(GRACE_MS);
        self.sim.advance_ms(END_MS);
        self.read_all();
        self.check();
        assert!(
            self.sim.is_stopped(),
            "it does not stop: {:?}",
            self.sim.counts()
        );

        let counts = self.sim.counts();
        assert_eq!(counts.connections_open, 0);
        let freed = self
            .clients
            .iter()
            .filter(|client| self.sim.is_freed(client.wire));
        let seen = counts.connections_accepted + counts.connections_refused;
        assert_eq!(freed.count() as u64, seen);
        // Each request ends in an answer or an abort, and some in both: a 400 in an answer's place.
        assert!(
            counts.requests <= counts.answers + counts.aborted,
            "{counts:?}"
        );
        assert!(
            counts.answers <= counts.requests + counts.protocol_errors,
            "{counts:?}"
        );
        let clients = &self.clients;
        let complete: u64 = self.sim.with_cx(|cx| {
            let requests = &cx.state().requests;
            clients.iter().map(|client| client.check(requests)).sum()
        });
        assert!(complete <= counts.answers + counts.aborted, "{counts:?}");
    }

    fn read_all(&mut self) {
        let mut more = true;
        while more {
            self.sim.run_until_idle();
            more = false;
            for client in &mut self.clients {
                more |= client.read(&mut self.sim);
            }
        }
    }
}
