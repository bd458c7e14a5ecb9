//! The app under test: one subject, whose callback performs the cell's operation, and others for it
//! to be performed on.

use std::time::Duration;

use keirin::testing::{Client, Sim};
use keirin::{App, Config, Cx, Misuse, Reply, Response, ResponseId};

/// Where the operation is performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callback {
    Handler,
    Stream,
    Collect,
    Aborted,
    Writable,
    Timer,
    Defer,
    Remote,
}

impl Callback {
    pub(crate) const ALL: [Self; 8] = [
        Self::Handler,
        Self::Stream,
        Self::Collect,
        Self::Aborted,
        Self::Writable,
        Self::Timer,
        Self::Defer,
        Self::Remote,
    ];

    /// Whether the callback is given the guard of its own answer.
    pub(crate) fn has_guard(self) -> bool {
        matches!(
            self,
            Self::Handler | Self::Stream | Self::Collect | Self::Writable
        )
    }

    /// Whether the callback runs when the input of its turn has been handled.
    pub(crate) fn runs_last(self) -> bool {
        matches!(
            self,
            Self::Aborted | Self::Writable | Self::Timer | Self::Defer
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Status,
    Header,
    BadHeader,
    Write,
    End,
    EndWithoutBody,
    TryEnd,
    Writable,
    Continue,
    Close,
    Aborted,
    Detach,
    Next,
    Collect,
    Stream,
    Pause,
    Resume,
    Timer,
    Defer,
}

impl Operation {
    pub(crate) const ALL: [Self; 19] = [
        Self::Status,
        Self::Header,
        Self::BadHeader,
        Self::Write,
        Self::End,
        Self::EndWithoutBody,
        Self::TryEnd,
        Self::Writable,
        Self::Continue,
        Self::Close,
        Self::Aborted,
        Self::Detach,
        Self::Next,
        Self::Collect,
        Self::Stream,
        Self::Pause,
        Self::Resume,
        Self::Timer,
        Self::Defer,
    ];
}

/// Whose answer the operation is performed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The subject's own answer.
    Own,
    /// The same, after the callback has ended it.
    OwnEnded,
    /// The same, after the callback has closed its connection.
    OwnClosed,
    /// A live answer on another connection.
    Other,
    /// A live answer on another connection, with input in the same batch.
    Later,
    /// An answer whose connection the callback has just closed.
    Closing,
    /// An answer whose connection is freed, and its slot taken by another.
    Stale,
    /// An earlier answer on the subject's connection.
    Earlier,
    /// An answer that was completed, on a connection that lives.
    Ended,
}

impl Target {
    pub(crate) const ALL: [Self; 9] = [
        Self::Own,
        Self::OwnEnded,
        Self::OwnClosed,
        Self::Other,
        Self::Later,
        Self::Closing,
        Self::Stale,
        Self::Earlier,
        Self::Ended,
    ];
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) callback: Callback,
    pub(crate) operation: Operation,
    pub(crate) target: Target,
}

/// Who is on the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Subject,
    Other,
    Later,
    Closing,
    Stale,
    Ended,
}

impl Role {
    pub(crate) const ALL: [Self; 6] = [
        Self::Subject,
        Self::Other,
        Self::Later,
        Self::Closing,
        Self::Stale,
        Self::Ended,
    ];

    fn parse(text: &str) -> Self {
        let found = Self::ALL
            .into_iter()
            .find(|role| format!("{role:?}") == text);
        found.expect("the paths of the tests name roles")
    }
}

/// What the callbacks share: the cell, the ids, and what they have seen.
pub(crate) struct World {
    pub(crate) cell: Cell,
    pub(crate) ids: [Option<ResponseId>; 6],
    pub(crate) earlier: Option<ResponseId>,
    /// How often the subject's callback ran.
    pub(crate) ran: u32,
    /// What the worker said to the target's id.
    pub(crate) seen: Option<Result<(), Misuse>>,
    /// Abort handlers that ran, by role.
    pub(crate) aborted: [u32; 6],
    /// Of those that the operation added.
    pub(crate) aborted_extra: u32,
    pub(crate) deferred: u32,
    pub(crate) timers: u32,
}

pub(crate) type Worlds = Sim<World>;

pub(crate) fn sim(cell: Cell) -> Worlds {
    let world = World {
        cell,
        ids: [None; 6],
        earlier: None,
        ran: 0,
        seen: None,
        aborted: [0; 6],
        aborted_extra: 0,
        deferred: 0,
        timers: 0,
    };
    Sim::with_state(Config::default(), world, routes)
}

pub(crate) fn routes(app: &mut App<World>) {
    app.get("/probe", |res, _| res.end(b"probe"));
    app.get("/earlier", |mut res, _| {
        let id = res.id();
        res.cx().state_mut().earlier = Some(id);
        res.end(b"earlier")
    });
    app.get("/end/:role", |mut res, req| {
        watch(&mut res, Role::parse(req.parameter("role").unwrap()));
        res.end(b"ended")
    });
    app.get("/hold/:role", |mut res, req| {
        watch(&mut res, Role::parse(req.parameter("role").unwrap()));
        res.detach(|_| ()).1
    });
    app.post("/later", |mut res, _| {
        watch(&mut res, Role::Later);
        res.stream_body(|res, _, last| if last { res.end(b"tail") } else { res.more() })
    });
    app.any("/subject", |mut res, _| {
        watch(&mut res, Role::Subject);
        subject(res)
    });
}

/// Notes the answer's id, and counts when it is aborted.
fn watch(res: &mut Response<'_, World>, role: Role) {
    let id = res.id();
    res.cx().state_mut().ids[role as usize] = Some(id);
    res.on_aborted(move |cx| {
        cx.state_mut().aborted[role as usize] += 1;
    });
}

/// Arranges for the cell's callback to come about.
fn subject(mut res: Response<'_, World>) -> Reply {
    match res.cx().state().cell.callback {
        Callback::Handler => act(res),
        Callback::Stream => {
            res.stream_body(|res, _, last| if last { act(res) } else { res.more() })
        }
        Callback::Collect => res.collect_body(100, |res, _| act(res)),
        Callback::Writable => res.on_writable(|res, _| act(res)),
        Callback::Aborted => res.detach(act_outside).1,
        Callback::Timer => {
            let timer = res.cx().after(Duration::from_millis(5), act_outside);
            assert!(timer.is_some());
            res.detach(|_| ()).1
        }
        Callback::Defer => {
            res.cx().defer(act_outside);
            res.detach(|_| ()).1
        }
        Callback::Remote => res.detach(|_| ()).1,
    }
}

/// The cell, in a callback that has its answer's guard.
fn act(mut res: Response<'_, World>) -> Reply {
    let own = res.id();
    let mut cx = res.cx();
    let world = cx.state_mut();
    world.ran += 1;
    let cell = world.cell;
    match cell.target {
        Target::Own => {}
        Target::OwnEnded => {
            let _ = cx.response(own).expect("it is owed").end(b"first");
        }
        Target::OwnClosed => {
            let _ = cx.response(own).expect("it is owed").close();
        }
        _ => {
            act_on_target(&mut cx, own);
            return res.end(b"self");
        }
    }
    match perform(cell.operation, res) {
        Ok(res) => res.end(b"self"),
        Err(reply) => reply,
    }
}

/// The cell, in a callback that belongs to no answer. It goes on to answer its request.
pub(crate) fn act_outside(cx: &mut Cx<'_, World>) {
    let world = cx.state_mut();
    world.ran += 1;
    let cell = world.cell;
    let own = world.ids[Role::Subject as usize].expect("the request came first");
    match cell.target {
        Target::Own => {}
        Target::OwnEnded => {
            let _ = cx.response(own).map(|res| res.end(b"first"));
        }
        Target::OwnClosed => {
            let _ = cx.response(own).map(|res| res.close());
        }
        _ => {
            act_on_target(cx, own);
            let _ = cx.response(own).map(|res| res.end(b"self"));
            return;
        }
    }
    let seen = match cx.response(own) {
        Ok(res) => {
            let _ = perform(cell.operation, res).map(|res| res.end(b"self"));
            Ok(())
        }
        Err(misuse) => Err(misuse),
    };
    cx.state_mut().seen = Some(seen);
}

fn act_on_target(cx: &mut Cx<'_, World>, own: ResponseId) {
    let world = cx.state();
    let (operation, target) = (world.cell.operation, world.cell.target);
    let id = match target {
        Target::Other => world.ids[Role::Other as usize],
        Target::Later => world.ids[Role::Later as usize],
        Target::Closing => world.ids[Role::Closing as usize],
        Target::Stale => world.ids[Role::Stale as usize],
        Target::Earlier => world.earlier,
        Target::Ended => world.ids[Role::Ended as usize],
        Target::Own | Target::OwnEnded | Target::OwnClosed => Some(own),
    };
    let id = id.expect("everybody has sent a request before");
    if target == Target::Closing {
        let _ = cx.response(id).expect("it is owed").close();
    }
    let seen = match cx.response(id) {
        Ok(res) => {
            let _ = perform(operation, res);
            Ok(())
        }
        Err(misuse) => Err(misuse),
    };
    cx.state_mut().seen = Some(seen);
}

/// Performs the operation, and gives the guard back unless that consumes it.
fn perform(
    operation: Operation,
    mut res: Response<'_, World>,
) -> Result<Response<'_, World>, Reply> {
    match operation {
        Operation::Status => drop(res.status(404)),
        Operation::Header => drop(res.header("X-Op", b"op")),
        Operation::BadHeader => assert!(res.try_header("X-Op", b"a\r\nInjected: b").is_err()),
        Operation::Write => drop(res.write(b"part-")),
        Operation::End => return Err(res.end(b"op")),
        Operation::EndWithoutBody => return Err(res.end_without_body()),
        Operation::TryEnd => match res.try_end(b"op", 2) {
            keirin::TryEnd::Done(reply) => return Err(reply),
            keirin::TryEnd::More(_) | keirin::TryEnd::Blocked(_) => panic!("it fits"),
        },
        Operation::Writable => return Err(res.on_writable(|res, _| res.end(b"drained"))),
        Operation::Continue => drop(res.write_continue()),
        Operation::Close => return Err(res.close()),
        Operation::Aborted => drop(res.on_aborted(|cx| cx.state_mut().aborted_extra += 1)),
        Operation::Detach => return Err(res.detach(|cx| cx.state_mut().aborted_extra += 1).1),
        Operation::Next => return Err(res.next()),
        Operation::Collect => return Err(res.collect_body(100, |res, _| res.end(b"collected"))),
        Operation::Stream => {
            return Err(res.stream_body(|res, _, last| {
                if last {
                    res.end(b"streamed")
                } else {
                    res.more()
                }
            }));
        }
        Operation::Pause => drop(res.pause()),
        Operation::Resume => drop(res.resume()),
        Operation::Timer => {
            let mut cx = res.cx();
            let timer = cx.after(Duration::from_millis(1), |cx| cx.state_mut().timers += 1);
            let timer = timer.expect("there is room for timers");
            assert!(cx.cancel(timer));
            assert!(!cx.cancel(timer), "it was cancelled already");
        }
        Operation::Defer => res.cx().defer(|cx| cx.state_mut().deferred += 1),
    }
    Ok(res)
}

/// The connections of a cell, by role.
pub(crate) struct Clients(pub(crate) [Client; 6]);

impl Clients {
    pub(crate) fn of(&self, role: Role) -> Client {
        self.0[role as usize]
    }
}

/// Brings everybody into the state that the cell starts from.
pub(crate) fn set_up(sim: &mut Worlds) -> Clients {
    let gone = sim.connect();
    send(sim, gone, "GET /hold/Stale HTTP/1.1\r\nHost: x\r\n\r\n");
    sim.reset(gone);
    sim.run_until_idle();
    sim.with_cx(|cx| cx.state_mut().aborted = [0; 6]);
    // The next connection takes the slot that was freed.
    let clients = Clients(std::array::from_fn(|_| sim.connect()));
    send(
        sim,
        clients.of(Role::Other),
        "GET /hold/Other HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    send(
        sim,
        clients.of(Role::Closing),
        "GET /hold/Closing HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    send(
        sim,
        clients.of(Role::Ended),
        "GET /end/Ended HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    let later = "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n1234";
    send(sim, clients.of(Role::Later), later);
    send(
        sim,
        clients.of(Role::Subject),
        "GET /earlier HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    let ended = sim.received(clients.of(Role::Ended));
    assert!(ended.ends_with(b"ended"), "{}", ended.escape_ascii());
    let earlier = sim.received(clients.of(Role::Subject));
    assert!(earlier.ends_with(b"earlier"), "{}", earlier.escape_ascii());
    if matches!(
        sim.with_cx(|cx| cx.state().cell.callback),
        Callback::Aborted | Callback::Remote | Callback::Timer
    ) {
        send(
            sim,
            clients.of(Role::Subject),
            "GET /subject HTTP/1.1\r\nHost: x\r\n\r\n",
        );
    }
    sim.check();
    clients
}

pub(crate) fn send(sim: &mut Worlds, client: Client, text: &str) {
    sim.send(client, text.as_bytes());
    sim.run_until_idle();
}

/// Has the subject's callback run, with input for `Later` behind it in the same batch.
pub(crate) fn trigger(sim: &mut Worlds, clients: &Clients) {
    let subject = clients.of(Role::Subject);
    let callback = sim.with_cx(|cx| cx.state().cell.callback);
    match callback {
        Callback::Handler | Callback::Writable | Callback::Defer => {
            sim.send(subject, b"GET /subject HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        Callback::Stream | Callback::Collect => {
            let request = "POST /subject HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
            sim.send(subject, request.as_bytes());
        }
        Callback::Aborted => sim.reset(subject),
        Callback::Remote => sim.remote().defer(act_outside).expect("the inbox has room"),
        Callback::Timer => {}
    }
    sim.send(clients.of(Role::Later), b"5678");
    sim.turn();
    sim.check();
    if callback == Callback::Timer {
        sim.advance_ms(10);
    }
    sim.run_until_idle();
    sim.check();
}
