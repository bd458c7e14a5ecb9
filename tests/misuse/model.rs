//! What every cell of the matrix has to lead to.

use keirin::Misuse;

use crate::world::{Callback, Cell, Operation, Role, Target};

/// What a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answer {
        status: u16,
        body: &'static str,
        /// Whether the header of the operation is in it.
        header: bool,
    },
    /// Nothing more: the connection is closed.
    Closed,
    /// Nothing yet: somebody still owes the answer.
    Owed {
        status: u16,
        written: &'static str,
        header: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Expected {
    /// What the worker says to the target's id, where it is asked.
    pub(crate) seen: Option<Result<(), Misuse>>,
    pub(crate) stale: u64,
    pub(crate) other: u64,
    pub(crate) unanswered: u64,
    pub(crate) deferred: u32,
    pub(crate) outcomes: [Outcome; 6],
    /// Abort handlers that ran.
    pub(crate) aborted: [u32; 6],
    /// The answer that the operation added an abort handler to.
    pub(crate) extra: Option<Role>,
}

fn answer(body: &'static str) -> Outcome {
    Outcome::Answer {
        status: 200,
        body,
        header: false,
    }
}

const OWED: Outcome = Outcome::Owed {
    status: 200,
    written: "",
    header: false,
};

pub(crate) fn expected(cell: Cell) -> Expected {
    let Cell {
        callback,
        operation,
        target,
    } = cell;
    let lookup = lookup(cell);
    let mut outcomes = [answer("self"), OWED, answer("tail"), OWED, OWED, answer("")];
    let mut aborted = [0; 6];
    let own = &mut outcomes[Role::Subject as usize];
    match target {
        Target::Own | Target::OwnEnded if callback == Callback::Aborted => {}
        Target::Own => *own = outcome_own(cell),
        Target::OwnEnded => *own = answer("first"),
        Target::OwnClosed => *own = Outcome::Closed,
        Target::Other => outcomes[Role::Other as usize] = outcome(operation, None),
        Target::Later if lookup.is_ok() => {
            outcomes[Role::Later as usize] = outcome_later(operation)
        }
        Target::Closing => outcomes[Role::Closing as usize] = Outcome::Closed,
        _ => {}
    }
    if callback == Callback::Aborted {
        outcomes[Role::Subject as usize] = Outcome::Closed;
    }
    for role in Role::ALL {
        aborted[role as usize] = u32::from(outcomes[role as usize] == Outcome::Closed);
    }
    let failed = target == Target::Own && lookup.is_ok() && is_left_unanswered(cell);
    if failed {
        aborted[Role::Subject as usize] = 1;
    }
    let left_to = left_to_nobody(cell, lookup);
    if let Some(role) = left_to {
        outcomes[role as usize] = FAILED;
        aborted[role as usize] = 1;
    }
    let (stale, other) = misuse(cell, lookup);
    let other = other + u64::from(left_to.is_some());
    let adds = lookup.is_ok() && matches!(operation, Operation::Aborted | Operation::Detach);
    let guarded = callback.has_guard() && is_own(target);
    let deferred = operation == Operation::Defer && (lookup.is_ok() || guarded);
    Expected {
        seen: (!guarded).then_some(lookup),
        stale,
        other,
        unanswered: u64::from(failed),
        deferred: u32::from(deferred),
        outcomes,
        aborted,
        extra: adds.then_some(match target {
            Target::Other => Role::Other,
            Target::Later => Role::Later,
            _ => Role::Subject,
        }),
    }
}

fn is_own(target: Target) -> bool {
    matches!(target, Target::Own | Target::OwnEnded | Target::OwnClosed)
}

/// What the target's id is worth when the operation is performed.
fn lookup(cell: Cell) -> Result<(), Misuse> {
    match cell.target {
        Target::Own | Target::OwnEnded if cell.callback == Callback::Aborted => Err(Misuse::Stale),
        Target::Own | Target::Other => Ok(()),
        // Its body was complete before the callback ran.
        Target::Later if cell.callback.runs_last() => Err(Misuse::AlreadyEnded),
        Target::Later => Ok(()),
        Target::OwnEnded | Target::Ended => Err(Misuse::AlreadyEnded),
        Target::OwnClosed | Target::Closing | Target::Stale | Target::Earlier => Err(Misuse::Stale),
    }
}

/// How many calls have to be counted as `misuse_stale` and as `misuse_other`.
fn misuse(cell: Cell, lookup: Result<(), Misuse>) -> (u64, u64) {
    let Cell {
        callback,
        operation,
        target,
    } = cell;
    let guarded = callback.has_guard() && is_own(target);
    let refused = match operation {
        _ if !guarded => 1,
        // These two do not look at the answer.
        Operation::Timer | Operation::Defer => 0,
        // It adds an abort handler and keeps the answer: two calls.
        Operation::Detach => 2,
        _ => 1,
    };
    // A guard that the operation leaves is used once more, to end the answer.
    let refused = refused + u64::from(guarded && !is_terminal(operation));
    let (mut stale, other) = match lookup {
        Ok(()) => (0, u64::from(operation == Operation::BadHeader)),
        Err(Misuse::Stale) => (refused, 0),
        Err(_) => (0, refused),
    };
    // In the abort handler the own answer is asked for as well: to end it, or to close it.
    if callback == Callback::Aborted && target != Target::Own {
        stale += 1;
    }
    (stale, other)
}

/// Whether the operation consumes the guard.
fn is_terminal(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::End
            | Operation::EndWithoutBody
            | Operation::TryEnd
            | Operation::Writable
            | Operation::Close
            | Operation::Detach
            | Operation::Next
            | Operation::Collect
            | Operation::Stream
    )
}

const FAILED: Outcome = Outcome::Answer {
    status: 500,
    body: "500 Internal Server Error\n",
    header: false,
};

/// The answer that `next` leaves to nobody because it was kept for later: it is a 500 at once.
fn left_to_nobody(cell: Cell, lookup: Result<(), Misuse>) -> Option<Role> {
    let next = cell.operation == Operation::Next && lookup.is_ok();
    match cell.target {
        Target::Own if next && !cell.callback.has_guard() => Some(Role::Subject),
        Target::Other if next => Some(Role::Other),
        Target::Later if next => Some(Role::Later),
        _ => None,
    }
}

/// `next` only means something to the router; elsewhere it leaves the answer to nobody.
fn is_left_unanswered(cell: Cell) -> bool {
    cell.operation == Operation::Next
        && cell.callback.has_guard()
        && cell.callback != Callback::Handler
}

fn outcome_own(cell: Cell) -> Outcome {
    match cell.operation {
        Operation::Next if cell.callback == Callback::Handler => Outcome::Answer {
            status: 404,
            body: "404 Not Found\n",
            header: false,
        },
        Operation::Next if is_left_unanswered(cell) => FAILED,
        operation => outcome(operation, Some("self")),
    }
}

/// Of an operation on a live answer, which is ended with `end` behind it unless it is over.
fn outcome(operation: Operation, end: Option<&'static str>) -> Outcome {
    let ended = |status, body, header| match end {
        Some(_) => Outcome::Answer {
            status,
            body,
            header,
        },
        None => Outcome::Owed {
            status,
            written: body.strip_suffix("self").unwrap_or(body),
            header,
        },
    };
    match operation {
        Operation::Status => ended(404, "self", false),
        Operation::Header => ended(200, "self", true),
        Operation::Write => ended(200, "part-self", false),
        Operation::End | Operation::TryEnd => answer("op"),
        Operation::EndWithoutBody => answer(""),
        Operation::Writable => answer("drained"),
        Operation::Close => Outcome::Closed,
        Operation::Collect => answer("collected"),
        Operation::Stream => answer("streamed"),
        Operation::Detach | Operation::Next => OWED,
        _ => ended(200, "self", false),
    }
}

/// Of an operation on the answer to a body that goes on behind it: its end answers `tail`.
fn outcome_later(operation: Operation) -> Outcome {
    match operation {
        Operation::Pause => OWED,
        Operation::Writable | Operation::Detach | Operation::Next => answer("tail"),
        operation => match outcome(operation, None) {
            Outcome::Owed {
                status,
                written,
                header,
            } => Outcome::Answer {
                status,
                body: if written.is_empty() {
                    "tail"
                } else {
                    "part-tail"
                },
                header,
            },
            outcome => outcome,
        },
    }
}
