//! The matrix: callback by operation by target.

use std::cell::Cell as Slot;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::ptr::{null, null_mut};
use std::rc::Rc;

use crate::abi::*;
use crate::callbacks;
use crate::header::Header;
use crate::model::{Misuse, expected, misuse};
use crate::numbers::*;
use crate::operations::{Call, Family, OPERATIONS, Operation};
use crate::plan::{Callback, Plan, Site};
use crate::scenario::{self, Needs};
use crate::world::{Role, World};

/// Whom an operation is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Own,
    Other,
    Later,
    Closing,
    Stale,
    Zeros,
    RandomBits,
    /// The number of an answer's connection as that of a socket, and the other way round.
    Confused,
    NullLoop,
}

impl Target {
    const ALL: [Self; 9] = [
        Self::Own,
        Self::Other,
        Self::Later,
        Self::Closing,
        Self::Stale,
        Self::Zeros,
        Self::RandomBits,
        Self::Confused,
        Self::NullLoop,
    ];

    fn role(self) -> Option<Role> {
        match self {
            Self::Own => Some(Role::Subject),
            Self::Other | Self::NullLoop => Some(Role::Other),
            Self::Later => Some(Role::Later),
            Self::Closing => Some(Role::Closing),
            Self::Stale => Some(Role::Stale),
            Self::Zeros | Self::RandomBits | Self::Confused => None,
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) callback: Callback,
    pub(crate) operation: Operation,
    pub(crate) target: Target,
}

impl Cell {
    fn name(&self) -> String {
        let Self {
            callback,
            operation,
            target,
        } = self;
        format!("{callback:?} {} {target:?}", operation.name)
    }

    fn needs(&self) -> Needs {
        let all = self.target == Target::Confused;
        let family = self.operation.family;
        let callback = self.callback;
        let answers = callback.has_answer() || callback == Callback::Aborted;
        let sockets = callback.has_socket() && callback != Callback::DropReplaced;
        let start = callback == Callback::Start;
        Needs {
            answers: !start && (all || answers || family == Family::Answer),
            sockets: !start
                && (all
                    || sockets
                    || family == Family::Socket
                    || callback == Callback::DropReplaced),
            subject_waits: !callback.has_answer(),
        }
    }
}

/// What an operation came to.
#[derive(Debug, Default)]
struct Seen {
    result: Slot<Option<i64>>,
    /// By how much the counters of stale ids and of other misuse have grown.
    misuse: Slot<Option<(u64, u64)>>,
    is_freed: Slot<bool>,
}

struct MatrixPlan {
    cell: Cell,
    seen: Rc<Seen>,
    /// One that is armed, and one that was disarmed.
    timers: Rc<Slot<[Timer; 2]>>,
}

impl Plan for MatrixPlan {
    fn entered(&self, world: &World, site: &Site) {
        if site.callback == self.cell.callback
            && self.seen.result.get().is_none()
            && is_subject(world, site)
        {
            self.act(world, site);
        }
    }

    fn finishes(&self, site: &Site) -> bool {
        let acted = self.seen.result.get();
        let kept = site.callback == self.cell.callback
            && self.cell.target == Target::Own
            && self.cell.operation.keeps
            && acted.is_some_and(|result| result >= 0);
        !kept
    }
}

fn is_subject(world: &World, site: &Site) -> bool {
    match (site.callback, site.response, site.ws) {
        (callback, _, Some(ws)) if callback.has_socket() => ws == world.socket(Role::Subject),
        (Callback::Aborted, Some(response), _) => response == world.response(Role::Subject),
        _ => true,
    }
}

impl MatrixPlan {
    fn act(&self, world: &World, site: &Site) {
        let Cell {
            operation, target, ..
        } = self.cell;
        let mut call = Call {
            world,
            raw: site.raw,
            response: Response::default(),
            ws: Ws::default(),
            timer: Timer::default(),
            request: site.request.unwrap_or_else(|| {
                let clones = world.clones.borrow();
                clones.first().map_or(null(), |clone| clone.cast_const())
            }),
            vary: Slot::new(0),
        };
        self.aim(world, &mut call);
        if target == Target::NullLoop {
            call.raw = null_mut();
        }
        let before = self.counts(site);
        let result = (operation.run)(&call);
        self.seen.result.set(Some(result));
        if operation.name == "keirin_loop_free" && result == 0 && !call.raw.is_null() {
            self.seen.is_freed.set(true);
            world.raw.set(null_mut());
            return;
        }
        if let (Some(before), Some(after)) = (before, self.counts(site)) {
            let grown = (after.0 - before.0, after.1 - before.1);
            self.seen.misuse.set(Some(grown));
        }
    }

    /// Names the target, and brings it into its state.
    fn aim(&self, world: &World, call: &mut Call<'_>) {
        let (raw, family) = (call.raw, self.cell.operation.family);
        if let Some(role) = self.cell.target.role() {
            call.response = world.response(role);
            call.ws = world.socket(role);
        }
        match self.cell.target {
            Target::RandomBits => {
                let conn = 0x9e37_79b9_7f4a_7c15;
                call.response = Response {
                    conn,
                    request: 0x1234_5678,
                    reserved: 0x9abc_def0,
                };
                call.ws = Ws { id: conn };
                call.timer = Timer { id: conn };
            }
            Target::Confused => {
                let conn = world.socket(Role::Other).id;
                call.ws = Ws {
                    id: world.response(Role::Other).conn,
                };
                call.response = Response {
                    conn,
                    ..world.response(Role::Other)
                };
                call.timer = Timer { id: conn };
            }
            // SAFETY: the loop is alive.
            Target::Closing if family == Family::Answer => unsafe {
                keirin_response_close(raw, call.response);
            },
            // SAFETY: the loop is alive.
            Target::Closing if family == Family::Socket => unsafe {
                keirin_ws_end(raw, call.ws, 1000, null(), 0);
            },
            Target::Own | Target::Other | Target::Later => {
                call.timer = self.timers.get()[0];
            }
            Target::Closing | Target::Stale => call.timer = self.timers.get()[1],
            Target::Zeros | Target::NullLoop => {}
        }
    }

    /// The counters, where they can be read.
    fn counts(&self, site: &Site) -> Option<(u64, u64)> {
        if self.cell.callback.is_shut_out() || self.cell.callback == Callback::Thread {
            return None;
        }
        let mut counts = (0, 0);
        // SAFETY: the loop is alive.
        let read = unsafe {
            (
                keirin_loop_count(site.raw, COUNT_MISUSE_STALE, &raw mut counts.0),
                keirin_loop_count(site.raw, COUNT_MISUSE_OTHER, &raw mut counts.1),
            )
        };
        assert_eq!(read, (OK, OK));
        Some(counts)
    }
}

fn run(header: &Header, cell: Cell) {
    let seen = Rc::new(Seen::default());
    let timers = Rc::default();
    let plan = MatrixPlan {
        cell,
        seen: Rc::clone(&seen),
        timers: Rc::clone(&timers),
    };
    let world = World::new(Box::new(plan));
    if cell.operation.family == Family::Timer {
        timers.set(arm(&world));
    }
    let mut clients = scenario::set_up(&world, cell.needs());
    if cell.callback != Callback::Start {
        scenario::trigger(&world, &mut clients, cell.callback);
    }
    if cell.callback == Callback::DropFreed {
        // SAFETY: the loop is alive, and not used any more.
        assert_eq!(unsafe { keirin_loop_free(world.raw.get()) }, OK);
        world.raw.set(null_mut());
    } else if !seen.is_freed.get() {
        world.turn_until("the callback", || {
            clients.all().for_each(crate::wire::Client::poll);
            seen.result.get().is_some()
        });
    }
    check(header, cell, &seen);
    let stops = ["keirin_loop_stop", "keirin_loop_run"].contains(&cell.operation.name);
    scenario::see_it_go_on(&world, &mut clients, stops);
    world.finish();
}

fn check(header: &Header, cell: Cell, seen: &Seen) {
    let result = seen.result.get().expect("the callback has run");
    let function = &header.functions[cell.operation.name];
    let allowed = expected(cell);
    assert!(
        allowed.contains(&result),
        "{result}, not one of {allowed:?}"
    );
    if !function.returns_status {
        return;
    }
    let status = Status::try_from(result).expect("it is a status");
    let is_documented = header.documents(cell.operation.name, status)
        // The header says it of destructors and log functions as such.
        || cell.callback.is_shut_out() && status == ERR_REENTRANT;
    assert!(is_documented, "{status} is not documented");
    if let Some(grown) = seen.misuse.get() {
        let wanted = match misuse(status) {
            Misuse::None => (0, 0),
            Misuse::Stale => (1, 0),
            Misuse::Other => (0, 1),
        };
        assert_eq!(grown, wanted, "stale, other after {status}");
    }
}

/// Arms a timer that does not come up, and one that is disarmed again.
fn arm(world: &World) -> [Timer; 2] {
    let mut timers = [Timer::default(); 2];
    for timer in &mut timers {
        let (user, drop_user) = world.registration("timer");
        let raw = world.raw.get();
        // SAFETY: the loop is alive.
        let armed = unsafe {
            keirin_loop_after(raw, 1 << 40, Some(callbacks::task), user, drop_user, timer)
        };
        assert_eq!(armed, OK);
    }
    // SAFETY: the loop is alive.
    let cancelled = unsafe { keirin_loop_cancel(world.raw.get(), timers[1]) };
    assert_eq!(cancelled, OK);
    timers
}

/// Runs the cells of some callbacks and reports all that fail, each under its name.
fn run_all(callbacks: &[Callback]) {
    let header = Header::read();
    let mut failed = Vec::new();
    let only = std::env::var("KEIRIN_CELL").unwrap_or_default();
    for &callback in callbacks {
        for &operation in OPERATIONS {
            for target in Target::ALL {
                let cell = Cell {
                    callback,
                    operation,
                    target,
                };
                let has_no_target = operation.family == Family::Loop
                    && !matches!(target, Target::Own | Target::NullLoop);
                if has_no_target || !cell.name().contains(&only) {
                    continue;
                }
                let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| run(&header, cell)));
                if let Err(panic) = outcome {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.unwrap_or_default();
                    failed.push(format!("{}: {text}", cell.name()));
                }
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{}:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn every_function_that_takes_a_loop_is_an_operation() {
    let names: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
    assert_eq!(names.len(), OPERATIONS.len());
    assert_eq!(names, Header::read().of_loops());
}

macro_rules! cells {
    ($($name:ident: $($callback:ident)*;)*) => {
        $(#[test]
        fn $name() {
            run_all(&[$(Callback::$callback),*]);
        })*

        #[test]
        fn every_callback_has_its_cells() {
            let listed = [$($(Callback::$callback),*),*];
            assert_eq!(listed, Callback::ALL);
        }
    };
}

cells! {
    in_callbacks_of_answers: Handler Collected Piece Writable Aborted;
    in_callbacks_of_sockets: Open Message Ping Pong;
    in_callbacks_of_slow_sockets: Drain Dropped;
    in_callbacks_of_subscriptions_and_ends: Subscription Close Topic;
    in_callbacks_of_loops: Timer Deferred Remote Start Log;
    in_destructors: DropLater DropReplaced DropLoopUser DropRefused DropFreed;
    outside_of_callbacks: Outside Thread;
}
