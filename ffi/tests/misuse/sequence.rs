//! Random calls from random callbacks: a seed is a program. Whatever it does, every status is one
//! that the header documents, and everything comes to an end that began.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::rc::Rc;

use crate::abi::*;
use crate::callbacks;
use crate::header::Header;
use crate::numbers::*;
use crate::operations::{Call, OPERATIONS, OTHERS, Operation};
use crate::plan::{Callback, Plan, Site};
use crate::scenario::{self, Clients, get, post};
use crate::wire::Client;
use crate::world::World;

/// Enough for every function to be called from every callback many times.
const SEQUENCES: u64 = 10_000;
/// Calls of one sequence, so that callbacks which beget callbacks come to an end.
const CALLS_MAX: u32 = 40;

/// SplitMix64.
#[derive(Debug)]
struct Random(Cell<u64>);

impl Random {
    fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut bits = self.0.get();
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&self, options: &[T]) -> Option<T> {
        (!options.is_empty()).then(|| options[self.below(options.len())])
    }
}

/// What a sequence has called, and from where.
#[derive(Debug, Default)]
struct Trace {
    calls: Cell<u32>,
    text: RefCell<Vec<String>>,
    /// The first status that nothing documents.
    undocumented: RefCell<Option<String>>,
    is_stopping: Cell<bool>,
}

struct RandomPlan {
    header: Rc<Header>,
    random: Rc<Random>,
    trace: Rc<Trace>,
}

impl Plan for RandomPlan {
    fn entered(&self, world: &World, site: &Site) {
        for _ in 0..self.random.below(4) {
            if self.trace.calls.get() < CALLS_MAX {
                self.trace.calls.set(self.trace.calls.get() + 1);
                self.call(world, site);
            }
        }
    }

    fn finishes(&self, _site: &Site) -> bool {
        self.random.one_in(2)
    }
}

impl RandomPlan {
    fn call(&self, world: &World, site: &Site) {
        let at = self.random.below(OPERATIONS.len() + OTHERS.len());
        let operation = *OPERATIONS
            .iter()
            .chain(OTHERS)
            .nth(at)
            .expect("it is one of them");
        let stops = ["keirin_loop_stop", "keirin_loop_run"].contains(&operation.name);
        // Where a loop can be freed nothing is left for the rest of the sequence; a stop is seldom.
        let frees = operation.name == "keirin_loop_free"
            && (site.callback == Callback::Outside || site.callback.is_destructor());
        if frees || stops && !self.random.one_in(30) {
            return;
        }
        let vary = if self.random.one_in(2) {
            0
        } else {
            self.random.next() | 1
        };
        let request = site.request.or_else(|| {
            let clones = world.clones.borrow();
            self.random.of(&clones).map(|clone| clone.cast_const())
        });
        let call = Call {
            world,
            raw: if self.random.one_in(50) {
                null_mut()
            } else {
                site.raw
            },
            response: self.response(world, site),
            ws: self.socket(world, site),
            timer: self.random.of(&world.timers.borrow()).unwrap_or_default(),
            request: request.unwrap_or(null()),
            vary: Cell::new(vary),
        };
        self.trace
            .is_stopping
            .set(self.trace.is_stopping.get() || stops);
        let text = format!(
            "{:?} {} {:?} {:?} {vary:#x}",
            site.callback, operation.name, call.response, call.ws
        );
        self.trace.text.borrow_mut().push(text.clone());
        let result = (operation.run)(&call);
        self.judge(operation, site, result, &text);
    }

    fn judge(&self, operation: Operation, site: &Site, result: i64, text: &str) {
        let function = &self.header.functions[operation.name];
        let status = Status::try_from(result).unwrap_or_default();
        let is_told = !function.returns_status
            || self.header.documents(operation.name, status)
            // The header says it of destructors and log functions as such.
            || status == ERR_REENTRANT
                && (site.callback.is_shut_out() || site.callback.is_destructor());
        if !is_told {
            let found = format!("{text}: {status}");
            self.trace.undocumented.borrow_mut().get_or_insert(found);
        }
    }

    fn response(&self, world: &World, site: &Site) -> Response {
        let any = self.random.of(&world.all_responses.borrow());
        match self.random.below(8) {
            0 => Response::default(),
            1 => Response {
                conn: self.random.next(),
                request: self.random.below(3) as u32,
                reserved: 0,
            },
            2 => Response {
                conn: self.socket(world, site).id,
                ..any.unwrap_or_default()
            },
            3..5 => any.unwrap_or_default(),
            _ => site.response.or(any).unwrap_or_default(),
        }
    }

    fn socket(&self, world: &World, site: &Site) -> Ws {
        let any = self.random.of(&world.all_sockets.borrow());
        match self.random.below(8) {
            0 => Ws::default(),
            1 => Ws {
                id: self.random.next(),
            },
            2 => Ws {
                id: self
                    .random
                    .of(&world.all_responses.borrow())
                    .unwrap_or_default()
                    .conn,
            },
            3..5 => any.unwrap_or_default(),
            _ => site.ws.or(any).unwrap_or_default(),
        }
    }
}

/// What clients do between turns.
fn step(world: &World, clients: &mut Vec<Client>, random: &Random) {
    if clients.len() < 3 || random.one_in(8) {
        clients.push(world.connect());
    }
    let at = random.below(clients.len());
    let client = &mut clients[at];
    client.reads = !random.one_in(8);
    if client.is_upgraded {
        match random.below(8) {
            0 => client.frame(9, b"ping"),
            1 => client.frame(10, b"pong"),
            2 => client.frame(8, &1000_u16.to_be_bytes()),
            3 => client.frame(1, b"topics"),
            4 => client.frame(1, b"replace"),
            _ => client.frame(2, b"act"),
        }
    } else {
        let requests = [
            get("/handler"),
            get("/writable"),
            get("/hold/Other"),
            get("/unanswered"),
            get("/ws/Subject"),
            get("/ws/Other"),
            get("/ws/Other"),
            post("/collect", "body", 4),
            post("/stream", "body", 4),
            post("/later", "1234", 8),
        ];
        client.request(&requests[random.below(requests.len())]);
    }
    if random.one_in(12) {
        clients.swap_remove(at).reset();
    }
}

fn run(header: &Rc<Header>, seed: u64) {
    let random = Rc::new(Random(Cell::new(seed)));
    let trace = Rc::new(Trace::default());
    let plan = RandomPlan {
        header: Rc::clone(header),
        random: Rc::clone(&random),
        trace: Rc::clone(&trace),
    };
    let world = World::new(Box::new(plan));
    let mut clients = Vec::new();
    for _ in 0..6 {
        if trace.is_stopping.get() {
            break;
        }
        step(&world, &mut clients, &random);
        if random.one_in(3) {
            let task = Some(callbacks::remote as _);
            let (user, drop_user) = world.registration("remote");
            // SAFETY: the way in is alive.
            unsafe { keirin_remote_defer(world.remote.get(), 0, task, user, drop_user) };
        }
        if random.one_in(3) {
            world.entered(&Site::new(Callback::Outside, world.raw.get()));
        }
        world.turn_once();
        clients.iter_mut().for_each(Client::poll);
    }
    world.entered(&Site::new(Callback::Outside, world.raw.get()));
    // From here on nothing is called but what brings everything to its end.
    trace.calls.set(CALLS_MAX);
    let mut all = Clients {
        rest: clients,
        ..Clients::default()
    };
    for client in all.all() {
        client.reads = true;
    }
    scenario::see_it_go_on(&world, &mut all, trace.is_stopping.get());
    world.finish();
    let undocumented = trace.undocumented.borrow();
    assert_eq!(*undocumented, None);
}

/// The number of one that fails is in its message; `KEIRIN_SEED` runs that alone.
fn run_some(part: u64, parts: u64) {
    let header = Rc::new(Header::read());
    let only = std::env::var("KEIRIN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds: Vec<u64> = match only {
        Some(seed) => vec![seed],
        None => (0..SEQUENCES).filter(|seed| seed % parts == part).collect(),
    };
    let mut failed = Vec::new();
    for seed in seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&header, seed)));
        if outcome.is_err() {
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "KEIRIN_SEED is one of {failed:?}");
}

#[test]
fn random_calls_do_no_harm_1() {
    run_some(0, 2);
}

#[test]
fn random_calls_do_no_harm_2() {
    run_some(1, 2);
}
