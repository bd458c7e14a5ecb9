//! What a callback captured may run user code when it is dropped. No operation does that while a
//! callback runs: the values are buried when it has returned.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use keirin::testing::Sim;
use keirin::{App, Config, Cx, Response, ResponseId};

/// Notes whether it is dropped while a callback runs.
struct Witness(Rc<Log>);

#[derive(Default)]
struct Log {
    inside: Cell<bool>,
    dropped_inside: Cell<u32>,
    dropped_after: Cell<u32>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        let count = if self.0.inside.get() {
            &self.0.dropped_inside
        } else {
            &self.0.dropped_after
        };
        count.set(count.get() + 1);
    }
}

/// An operation that makes the worker let go of the witness.
type Discard = fn(&mut Cx<'_, ()>, ResponseId, Witness);

/// Ends the answer, but keeps a guard for it.
fn ended(mut res: Response<'_>) -> Response<'_> {
    let id = res.id();
    let _ = res.cx().response(id).unwrap().end(b"ended");
    res
}

const DISCARDS: [(&str, Discard); 11] = [
    ("an abort handler of an ended answer", |cx, id, witness| {
        ended(cx.response(id).unwrap()).on_aborted(move |_| drop(witness));
    }),
    ("on_writable of an ended answer", |cx, id, witness| {
        let _ = ended(cx.response(id).unwrap()).on_writable(move |res, _| {
            drop(witness);
            res.end(b"")
        });
    }),
    ("stream_body of an ended answer", |cx, id, witness| {
        let _ = ended(cx.response(id).unwrap()).stream_body(move |res, _, _| {
            let _ = &witness;
            res.end(b"")
        });
    }),
    ("collect_body of an ended answer", |cx, id, witness| {
        let _ = ended(cx.response(id).unwrap()).collect_body(9, move |res, _| {
            drop(witness);
            res.end(b"")
        });
    }),
    (
        "collect_body of a body over its limit",
        |cx, id, witness| {
            let _ = cx.response(id).unwrap().collect_body(3, move |res, _| {
                drop(witness);
                res.end(b"")
            });
        },
    ),
    ("on_writable again", |cx, id, witness| {
        let _ = cx.response(id).unwrap().on_writable(move |res, _| {
            drop(witness);
            res.end(b"")
        });
        let _ = cx.response(id).unwrap().on_writable(|res, _| res.end(b""));
    }),
    ("stream_body again", |cx, id, witness| {
        let _ = cx.response(id).unwrap().stream_body(move |res, _, _| {
            let _ = &witness;
            res.end(b"")
        });
        let _ = cx
            .response(id)
            .unwrap()
            .stream_body(|res, _, _| res.end(b""));
    }),
    ("collect_body again", |cx, id, witness| {
        let _ = cx.response(id).unwrap().collect_body(9, move |res, _| {
            drop(witness);
            res.end(b"")
        });
        let _ = cx
            .response(id)
            .unwrap()
            .collect_body(9, |res, _| res.end(b""));
    }),
    ("a timer that is cancelled", |cx, _, witness| {
        let timer = cx.after(Duration::from_secs(1), move |_| drop(witness));
        assert!(cx.cancel(timer.unwrap()));
    }),
    ("the end of an answer", |cx, id, witness| {
        cx.response(id).unwrap().on_aborted(move |_| drop(witness));
        let _ = cx.response(id).unwrap().end(b"end");
    }),
    ("closing", |cx, id, witness| {
        let _ = cx.response(id).unwrap().stream_body(move |res, _, _| {
            let _ = &witness;
            res.end(b"")
        });
        let _ = cx.response(id).unwrap().close();
    }),
];

fn dropped(discard: Discard) -> (u32, u32) {
    let log = Rc::new(Log::default());
    let routes = |app: &mut App| {
        let log = Rc::clone(&log);
        app.post("/", move |mut res, _| {
            log.inside.set(true);
            let id = res.id();
            let (_, reply) = {
                discard(&mut res.cx(), id, Witness(Rc::clone(&log)));
                res.detach(|_| ())
            };
            log.inside.set(false);
            reply
        });
    };
    let mut sim = Sim::new(Config::default(), routes);
    let client = sim.connect();
    sim.send(
        client,
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
    );
    sim.run_until_idle();
    sim.check();
    (log.dropped_inside.get(), log.dropped_after.get())
}

#[test]
fn no_operation_drops_what_a_callback_captured_while_a_callback_runs() {
    let mut wrong = Vec::new();
    for (name, discard) in DISCARDS {
        let (inside, after) = dropped(discard);
        if (inside, after) != (0, 1) {
            wrong.push(format!("{name}: {inside} inside, {after} after"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
