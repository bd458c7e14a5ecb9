//! What the header says that every cell has to lead to.

use crate::abi::Status;
use crate::matrix::{Cell, Target};
use crate::numbers::*;
use crate::operations::Family;
use crate::plan::Callback;

/// How a refusal is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    None,
    Stale,
    Other,
}

pub(crate) fn misuse(status: Status) -> Misuse {
    match status {
        ERR_STALE => Misuse::Stale,
        ERR_ALREADY_ENDED | ERR_ALREADY_BEGUN | ERR_HEADER | ERR_STATUS | ERR_LENGTH
        | ERR_LEFT_ALONE | ERR_FRAGMENT | ERR_TOPIC | ERR_CLOSE_CODE => Misuse::Other,
        _ => Misuse::None,
    }
}

/// The results that the header allows.
pub(crate) fn expected(cell: Cell) -> Vec<i64> {
    let name = cell.operation.name;
    if let Some(values) = values(cell) {
        return values;
    }
    // A copy of a request is refused before anything is looked at, and so is a missing one, which
    // is all that there is at the start.
    let start = cell.callback == Callback::Start;
    match name {
        "keirin_response_refuse_upgrade" if start => return vec![ERR_NULL.into()],
        "keirin_response_refuse_upgrade" if cell.callback != Callback::Handler => {
            return vec![ERR_ARGUMENT.into()];
        }
        "keirin_response_upgrade" if start => return vec![ERR_NULL.into()],
        _ => {}
    }
    let statuses = if cell.target == Target::NullLoop {
        vec![if name == "keirin_loop_free" {
            OK
        } else {
            ERR_NULL
        }]
    } else if cell.callback == Callback::Thread {
        vec![ERR_WRONG_THREAD]
    } else if cell.callback.is_shut_out() {
        vec![ERR_REENTRANT]
    } else {
        match cell.operation.family {
            Family::Answer => of_answers(cell),
            Family::Socket => of_sockets(cell),
            Family::Timer => match cell.target {
                Target::Own | Target::Other | Target::Later if cell.callback != Callback::Start => {
                    vec![OK]
                }
                _ => vec![ERR_NOT_FOUND],
            },
            Family::Loop => of_loops(cell),
        }
    };
    statuses.into_iter().map(i64::from).collect()
}

/// For functions that return something else than a status.
fn values(cell: Cell) -> Option<Vec<i64>> {
    let is_there = cell.target != Target::NullLoop;
    let is_outside = cell.callback == Callback::Outside;
    Some(match cell.operation.name {
        "keirin_loop_fd" if is_outside && is_there => (0..65_536).collect(),
        "keirin_loop_fd" => vec![-1],
        "keirin_loop_next_timeout_ms" if is_outside && is_there => (-1..120_000).collect(),
        "keirin_loop_next_timeout_ms" | "keirin_loop_worker" | "keirin_loop_is_stopped" => {
            vec![0]
        }
        "keirin_loop_user" if cell.callback == Callback::DropLoopUser => vec![0, 1],
        "keirin_loop_user" => vec![0],
        "keirin_ws_user" => of_user(cell),
        _ => return None,
    })
}

fn of_user(cell: Cell) -> Vec<i64> {
    let is_live = match cell.target {
        Target::Own | Target::Other | Target::Later => cell.callback != Callback::Start,
        _ => false,
    };
    let can = cell.callback != Callback::Thread && !cell.callback.is_shut_out();
    match cell.target {
        Target::Closing if can => vec![0, 1],
        _ => vec![i64::from(is_live && can)],
    }
}

fn of_answers(cell: Cell) -> Vec<Status> {
    let name = cell.operation.name;
    if cell.callback == Callback::Start {
        return vec![ERR_STALE];
    }
    let live = match name {
        "keirin_response_next" if cell.callback == Callback::Handler => match cell.target {
            Target::Own => OK,
            _ => ERR_LEFT_ALONE,
        },
        // A callback owes the answer again: it is free to leave it, and answered for with 500.
        "keirin_response_next" if cell.callback.has_answer() && cell.target == Target::Own => OK,
        "keirin_response_next" => ERR_LEFT_ALONE,
        _ => OK,
    };
    match cell.target {
        Target::Own if cell.callback == Callback::Aborted => vec![ERR_STALE],
        Target::Own | Target::Other => vec![live],
        // Its body may have been complete before, and is not read where an upgrade asks for it.
        Target::Later => vec![live, ERR_ALREADY_ENDED, ERR_STALE],
        // The socket's connection had an answer: the upgrade.
        Target::Confused => vec![ERR_STALE, ERR_ALREADY_ENDED],
        _ => vec![ERR_STALE],
    }
}

/// What takes a socket's name within its own close handler, beside `keirin_ws_user`.
const IN_CLOSE_HANDLERS: [&str; 3] = ["keirin_ws_set_user", "keirin_ws_peer", "keirin_ws_publish"];

fn of_sockets(cell: Cell) -> Vec<Status> {
    if cell.callback == Callback::Start {
        return vec![ERR_STALE];
    }
    let is_sent = matches!(
        cell.operation.name,
        "keirin_ws_send" | "keirin_ws_send_fragment" | "keirin_ws_send_message" | "keirin_ws_ping"
    );
    let is_over = cell.target == Target::Own && cell.callback == Callback::Close;
    match cell.target {
        // What is kept for a socket outlives everything else of it.
        _ if cell.operation.name == "keirin_ws_set_user" && cell.target == Target::Closing => {
            vec![OK, ERR_STALE]
        }
        _ if is_over && IN_CLOSE_HANDLERS.contains(&cell.operation.name) => vec![OK],
        Target::Own if is_over => vec![ERR_STALE],
        Target::Own | Target::Other | Target::Later if is_sent => vec![OK, QUEUED, DROPPED],
        Target::Own | Target::Other | Target::Later => vec![OK],
        _ => vec![ERR_STALE],
    }
}

fn of_loops(cell: Cell) -> Vec<Status> {
    let is_outside = cell.callback == Callback::Outside;
    match cell.operation.name {
        "keirin_loop_free" | "keirin_loop_listen" | "keirin_loop_turn" | "keirin_loop_run"
            if !is_outside =>
        {
            vec![ERR_REENTRANT]
        }
        _ => vec![OK],
    }
}
