//! The connections of a cell: how they come into the state it starts from, what has its callback
//! run, and how it is seen that everything goes on afterwards.

use std::collections::BTreeMap;

use crate::abi::*;
use crate::callbacks;
use crate::numbers::*;
use crate::plan::{Callback, Site};
use crate::wire::{Client, Item};
use crate::world::{Role, World};

const UPGRADE: &str = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Which connections a cell is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub(crate) answers: bool,
    pub(crate) sockets: bool,
    /// Whether the subject's answer is owed before the callback runs.
    pub(crate) subject_waits: bool,
}

/// The other ends, by role.
#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) http: BTreeMap<Role, Client>,
    pub(crate) ws: BTreeMap<Role, Client>,
    /// Those without a role.
    pub(crate) rest: Vec<Client>,
}

impl Clients {
    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Client> {
        let with_role = self.http.values_mut().chain(self.ws.values_mut());
        with_role.chain(&mut self.rest)
    }

    fn poll(&mut self) {
        self.all().for_each(Client::poll);
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{UPGRADE}")
}

pub(crate) fn post(path: &str, body: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

pub(crate) fn set_up(world: &World, needs: Needs) -> Clients {
    let mut clients = Clients::default();
    if needs.answers {
        set_up_answers(world, needs, &mut clients);
    }
    if needs.sockets {
        set_up_sockets(world, &mut clients);
    }
    clients
}

fn set_up_answers(world: &World, needs: Needs, clients: &mut Clients) {
    let mut gone = world.connect();
    gone.request(&get("/hold/Stale"));
    world.turn_until("the answer to hold", || {
        world.response(Role::Stale) != Response::default()
    });
    gone.reset();
    world.turn_until("the abort of the stale one", || {
        !world.aborted.borrow().is_empty()
    });
    // The next connection takes the slot that was freed.
    for role in [Role::Other, Role::Closing, Role::Later, Role::Subject] {
        let mut client = world.connect();
        match role {
            Role::Later => client.request(&post("/later", "1234", 8)),
            Role::Subject => {
                client.request(&get("/earlier"));
                world.turn_until("the earlier answer", || {
                    client.poll();
                    client.has_answer(b"earlier")
                });
                if needs.subject_waits {
                    client.request(&get("/hold/Subject"));
                }
            }
            role => client.request(&get(&format!("/hold/{role:?}"))),
        }
        if role != Role::Subject || needs.subject_waits {
            world.turn_until("the answer", || world.response(role) != Response::default());
        }
        clients.http.insert(role, client);
    }
}

fn set_up_sockets(world: &World, clients: &mut Clients) {
    let open = |role: Role| {
        let mut client = world.connect();
        client.request(&get(&format!("/ws/{role:?}")));
        let is_open = || world.opened.borrow().contains_key(&world.socket(role));
        world.turn_until("the socket", is_open);
        client
    };
    let gone = open(Role::Stale);
    gone.reset();
    let stale = world.socket(Role::Stale);
    world.turn_until("the end of the stale one", || {
        world.opened.borrow()[&stale] == (1, 1)
    });
    for role in [Role::Other, Role::Closing, Role::Later, Role::Subject] {
        clients.ws.insert(role, open(role));
    }
}

/// Has the subject's callback run, with input for `Later` behind it in the same batch.
pub(crate) fn trigger(world: &World, clients: &mut Clients, callback: Callback) {
    match callback {
        Callback::Handler => http(clients).request(&get("/handler")),
        Callback::Writable => http(clients).request(&get("/writable")),
        Callback::Collected => http(clients).request(&post("/collect", "body", 4)),
        Callback::Piece => http(clients).request(&post("/stream", "body", 4)),
        Callback::Aborted => {
            let subject = clients.http.remove(&Role::Subject);
            subject.expect("it is connected").reset();
        }
        Callback::Message => ws(clients).frame(1, b"act"),
        Callback::Topic => {
            subscribe(world);
            ws(clients).frame(1, b"topics");
        }
        Callback::DropReplaced => ws(clients).frame(1, b"replace"),
        Callback::Ping => ws(clients).frame(9, b"ping"),
        Callback::Pong => ws(clients).frame(10, b"pong"),
        Callback::Close => ws(clients).frame(8, &1000_u16.to_be_bytes()),
        Callback::Log => {
            let mut client = world.connect();
            client.request(&get("/unanswered"));
            clients.http.insert(Role::Stale, client);
        }
        _ => {}
    }
    if let Some(later) = clients.http.get_mut(&Role::Later) {
        later.send(b"5678");
    }
    if let Some(later) = clients.ws.get_mut(&Role::Later) {
        later.frame(1, b"later");
    }
    match callback {
        Callback::Outside => world.entered(&Site::new(callback, world.raw.get())),
        Callback::Thread => on_another_thread(world),
        Callback::Subscription => subscribe(world),
        Callback::Drain | Callback::Dropped => fill(world, clients, callback),
        Callback::Timer
        | Callback::Deferred
        | Callback::Remote
        | Callback::DropLater
        | Callback::DropLoopUser
        | Callback::DropRefused
        | Callback::DropFreed => schedule(world, callback),
        _ => {}
    }
}

fn http(clients: &mut Clients) -> &mut Client {
    clients
        .http
        .get_mut(&Role::Subject)
        .expect("it is connected")
}

fn ws(clients: &mut Clients) -> &mut Client {
    clients.ws.get_mut(&Role::Subject).expect("it is connected")
}

fn subscribe(world: &World) {
    let subject = world.socket(Role::Subject);
    // SAFETY: the loop is alive.
    let status = unsafe { keirin_ws_subscribe(world.raw.get(), subject, b"sub".as_ptr(), 3) };
    assert_eq!(status, OK);
}

fn on_another_thread(world: &World) {
    struct Shared<'a>(&'a World);
    // SAFETY: this thread does nothing while the other one has it.
    unsafe impl Send for Shared<'_> {}
    let shared = Shared(world);
    std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            let shared = shared;
            let world = shared.0;
            world.entered(&Site::new(Callback::Thread, world.raw.get()));
        });
        other.join().expect("it does not panic");
    });
}

/// Sends until the peer, which does not read, has something to wait for.
fn fill(world: &World, clients: &mut Clients, callback: Callback) {
    static DATA: [u8; 60_000] = [b'f'; 60_000];
    let wanted = if callback == Callback::Drain {
        QUEUED
    } else {
        DROPPED
    };
    let subject = ws(clients);
    subject.reads = false;
    let (raw, id) = (world.raw.get(), world.socket(Role::Subject));
    let mut status = OK;
    while status != wanted {
        // SAFETY: the loop is alive.
        status = unsafe { keirin_ws_send(raw, id, BINARY, DATA.as_ptr(), DATA.len()) };
        assert!(status >= OK);
    }
    subject.reads = true;
}

/// Registers what comes up in the next turn.
fn schedule(world: &World, callback: Callback) {
    let raw = world.raw.get();
    if callback == Callback::DropRefused {
        return defer(world, Some(callbacks::be_refused));
    }
    let acts = callback.is_destructor().then_some(callback);
    let user = world.token_that("scheduled", acts);
    let destroy: DropFn = Some(callbacks::destroy);
    // SAFETY: the loop is alive, and the way in.
    let status = unsafe {
        match callback {
            Callback::Timer => {
                let timer = std::ptr::null_mut();
                keirin_loop_after(raw, 0, Some(callbacks::timer), user, destroy, timer)
            }
            Callback::Deferred => keirin_loop_defer(raw, Some(callbacks::deferred), user, destroy),
            Callback::DropLater => keirin_loop_defer(raw, Some(callbacks::task), user, destroy),
            Callback::Remote => {
                let way = world.remote.get();
                keirin_remote_defer(way, 0, Some(callbacks::remote), user, destroy)
            }
            Callback::DropLoopUser => {
                assert_eq!(keirin_loop_set_user(raw, user, destroy), OK);
                defer(world, Some(callbacks::replace_loop_user));
                OK
            }
            _ => keirin_loop_set_user(raw, user, destroy),
        }
    };
    assert_eq!(status, OK);
}

fn defer(world: &World, task: TaskFn) {
    let (user, drop_user) = world.registration("deferred from outside");
    // SAFETY: the way in is alive.
    let status = unsafe { keirin_remote_defer(world.remote.get(), 0, task, user, drop_user) };
    assert_eq!(status, OK);
}

/// Completes what is still owed, and asks every connection for a sign of life: it answers, or has
/// ended.
pub(crate) fn see_it_go_on(world: &World, clients: &mut Clients, is_stopping: bool) {
    if world.raw.get().is_null() {
        return;
    }
    complete(world);
    if !is_stopping {
        let mut fresh = world.connect();
        fresh.request(&get("/probe"));
        clients.http.insert(Role::Stale, fresh);
    }
    for client in clients.all() {
        client.poll();
        if client.is_upgraded {
            client.frame(1, b"probe");
        } else if client.items.last().is_none_or(|item| *item != probe()) {
            client.request(&get("/probe"));
        }
    }
    world.turn_until("a sign of life of every connection", || {
        complete(world);
        clients.poll();
        clients.all().all(|client| is_settled(client))
    });
    if !is_stopping {
        assert!(
            clients.http[&Role::Stale].has_answer(b"probe"),
            "the loop serves"
        );
    }
    for client in clients.all() {
        assert!(!client.has_part() || client.is_ended, "a part of something");
    }
}

/// Completes every answer and every message that was begun.
fn complete(world: &World) {
    let raw = world.raw.get();
    let responses = world.all_responses.borrow().clone();
    for response in responses {
        // SAFETY: the loop is alive.
        unsafe { keirin_response_resume(raw, response) };
        callbacks::end(raw, response, b"late");
    }
    let sockets = world.all_sockets.borrow().clone();
    for ws in sockets {
        // SAFETY: the loop is alive.
        unsafe {
            keirin_ws_resume(raw, ws);
            // A message that was begun is completed, whatever it was.
            keirin_ws_send_fragment(raw, ws, TEXT, std::ptr::null(), 0, true);
            keirin_ws_send_fragment(raw, ws, BINARY, std::ptr::null(), 0, true);
        }
    }
}

fn probe() -> Item {
    Item::Answer {
        status: 200,
        body: b"probe".to_vec(),
    }
}

fn is_settled(client: &Client) -> bool {
    let is_close = |item: &Item| matches!(item, Item::Frame { opcode: 8, .. });
    client.is_ended
        || client.has_answer(b"probe")
        || client.has_frame(b"probe")
        || client.items.iter().any(is_close)
}
