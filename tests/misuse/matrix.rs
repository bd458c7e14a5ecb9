//! The matrix itself.

use crate::model::{Outcome, expected};
use crate::parser;
use crate::world::{self, Callback, Cell, Clients, Operation, Role, Target, Worlds};

/// What becomes of the answers that are still owed when the callback is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    /// They are given.
    Answer,
    /// Their clients leave.
    Reset,
}

fn all_cells() -> impl Iterator<Item = Cell> {
    let callbacks = Callback::ALL.into_iter();
    callbacks.flat_map(|callback| {
        Operation::ALL.into_iter().flat_map(move |operation| {
            Target::ALL.into_iter().map(move |target| Cell {
                callback,
                operation,
                target,
            })
        })
    })
}

/// Runs every cell and reports all that fail, each under its name.
fn run_all(finish: Finish) {
    let mut failed = Vec::new();
    let mut count = 0;
    for cell in all_cells() {
        count += 1;
        let outcome = std::panic::catch_unwind(|| run(cell, finish));
        if outcome.is_err() {
            failed.push(format!("{cell:?}"));
        }
    }
    assert_eq!(count, 8 * 19 * 9);
    assert!(
        failed.is_empty(),
        "{} of {count}:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn every_operation_in_every_callback_on_every_target() {
    run_all(Finish::Answer);
}

#[test]
fn every_operation_is_followed_by_at_most_one_abort_when_the_clients_leave() {
    run_all(Finish::Reset);
}

fn run(cell: Cell, finish: Finish) {
    let expected = expected(cell);
    let mut sim = world::sim(cell);
    let clients = world::set_up(&mut sim);
    let before = sim.counts();
    world::trigger(&mut sim, &clients);
    let after = sim.counts();

    sim.with_cx(|cx| {
        let world = cx.state();
        assert_eq!(world.ran, 1, "{cell:?}: the callback");
        assert_eq!(world.seen, expected.seen, "{cell:?}: the id");
        assert_eq!(world.deferred, expected.deferred, "{cell:?}: defer");
        assert_eq!(world.timers, 0, "{cell:?}: a cancelled timer");
        assert_eq!(world.aborted, expected.aborted, "{cell:?}: aborts");
        assert_eq!(
            world.aborted_extra, 0,
            "{cell:?}: nothing was aborted by it"
        );
    });
    assert_eq!(after.panics, 0, "{cell:?}");
    let moved = (
        after.misuse_stale - before.misuse_stale,
        after.misuse_other - before.misuse_other,
        after.misuse_unanswered - before.misuse_unanswered,
    );
    let model = (expected.stale, expected.other, expected.unanswered);
    assert_eq!(moved, model, "{cell:?}: stale, other, unanswered");

    match finish {
        Finish::Answer => answer_the_rest(cell, &mut sim, &clients, &expected.outcomes),
        Finish::Reset => {
            for role in Role::ALL {
                sim.reset(clients.of(role));
            }
            sim.run_until_idle();
            sim.check();
            let counts = sim.counts();
            assert_eq!(counts.connections_open, 0, "{cell:?}");
            let owed =
                |role: Role| matches!(expected.outcomes[role as usize], Outcome::Owed { .. });
            sim.with_cx(|cx| {
                let world = cx.state();
                for role in Role::ALL {
                    // Nobody asked for anything on the connection that took the stale one's slot.
                    let left = owed(role) && role != Role::Stale;
                    let aborts = expected.aborted[role as usize] + u32::from(left);
                    assert_eq!(world.aborted[role as usize], aborts, "{cell:?}: {role:?}");
                }
                let extra = expected.extra.is_some_and(owed);
                assert_eq!(
                    world.aborted_extra,
                    u32::from(extra),
                    "{cell:?}: the added one"
                );
            });
        }
    }
}

/// Ends what is still owed, and compares what each client has.
fn answer_the_rest(cell: Cell, sim: &mut Worlds, clients: &Clients, outcomes: &[Outcome; 6]) {
    let aborted = sim.with_cx(|cx| cx.state().aborted);
    for role in [Role::Subject, Role::Other, Role::Later, Role::Closing] {
        sim.with_cx(|cx| {
            let id = cx.state().ids[role as usize].expect("it has sent a request");
            let owed = matches!(outcomes[role as usize], Outcome::Owed { .. });
            match cx.response(id) {
                Ok(res) => {
                    assert!(owed, "{cell:?}: {role:?} is still owed");
                    let _ = res.end(b"late");
                }
                Err(_) => assert!(!owed, "{cell:?}: {role:?} is owed no more"),
            }
        });
    }
    sim.run_until_idle();
    sim.check();
    for role in Role::ALL {
        compare(cell, sim, clients, role, outcomes[role as usize]);
    }
    sim.with_cx(|cx| {
        assert_eq!(cx.state().aborted, aborted, "{cell:?}: a late abort");
        assert_eq!(cx.state().aborted_extra, 0, "{cell:?}: a late abort");
    });
}

fn compare(cell: Cell, sim: &mut Worlds, clients: &Clients, role: Role, outcome: Outcome) {
    let client = clients.of(role);
    let received = sim.received(client);
    let text = received.escape_ascii().to_string();
    let (status, body, header) = match outcome {
        Outcome::Closed => {
            assert_eq!(text, "", "{cell:?}: {role:?}");
            assert!(
                role == Role::Subject || sim.is_freed(client),
                "{cell:?}: {role:?}"
            );
            return;
        }
        Outcome::Answer {
            status,
            body,
            header,
        } => (status, body.to_owned(), header),
        Outcome::Owed {
            status,
            written,
            header,
        } => (status, format!("{written}late"), header),
    };
    if matches!(role, Role::Ended | Role::Stale) {
        assert_eq!(text, "", "{cell:?}: {role:?} has had its answer");
    } else {
        let answers = parser::answers(&received);
        assert_eq!(answers.len(), 1, "{cell:?}: {role:?}: {text}");
        let answer = &answers[0];
        assert_eq!(
            (answer.status, &answer.body),
            (status, &body),
            "{cell:?}: {role:?}: {text}"
        );
        assert_eq!(
            answer.header("X-Op"),
            header.then_some("op"),
            "{cell:?}: {role:?}"
        );
        assert_eq!(answer.header("Injected"), None, "{cell:?}: {role:?}");
        assert_eq!(answer.header("Connection"), None, "{cell:?}: {role:?}");
    }
    // The connection goes on.
    world::send(sim, client, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n");
    let probe = parser::answers(&sim.received(client));
    assert_eq!(probe.len(), 1, "{cell:?}: {role:?}");
    assert_eq!(probe[0].body, "probe", "{cell:?}: {role:?}");
    sim.check();
}
