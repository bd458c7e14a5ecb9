//! Handlers that panic, in every callback and at every stage of the answer: the peer is told where
//! that is possible and cut off where it is not, and the worker goes on.

use std::sync::Once;
use std::time::Duration;

use keirin::testing::{Client, Sim};
use keirin::{App, Config, Cx, Reply, Response, ResponseId};

use crate::parser;
use crate::world::Callback;

/// What the answer has when its callback panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Nothing,
    Head,
    Content,
}

struct World {
    callback: Callback,
    progress: Progress,
    id: Option<ResponseId>,
    aborted: Vec<&'static str>,
}

const ON_PURPOSE: &str = "on purpose";

/// Keeps the panics that are meant out of the test's output.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&ON_PURPOSE) {
                usual(info);
            }
        }));
    });
}

fn fail(mut res: Response<'_, World>) -> Reply {
    match res.cx().state().progress {
        Progress::Nothing => {}
        Progress::Head => drop(res.status(201).header("X-Head", b"x")),
        Progress::Content => drop(res.write(b"part")),
    }
    panic!("{}", ON_PURPOSE);
}

fn fail_outside(cx: &mut Cx<'_, World>) {
    let world = cx.state_mut();
    world.aborted.push("fail");
    let id = world.id.expect("the request came first");
    if let Ok(res) = cx.response(id) {
        fail(res);
    }
    panic!("{}", ON_PURPOSE);
}

fn routes(app: &mut App<World>) {
    app.get("/probe", |res, _| res.end(b"probe"));
    app.any("/subject", |mut res, _| {
        let id = res.id();
        res.cx().state_mut().id = Some(id);
        let callback = res.cx().state().callback;
        res.on_aborted(|cx| cx.state_mut().aborted.push("first"));
        if callback == Callback::Aborted {
            res.on_aborted(fail_outside);
        }
        res.on_aborted(|cx| cx.state_mut().aborted.push("last"));
        match callback {
            Callback::Handler => fail(res),
            Callback::Stream => res.stream_body(|res, _, _| fail(res)),
            Callback::Collect => res.collect_body(100, |res, _| fail(res)),
            Callback::Writable => res.on_writable(|res, _| fail(res)),
            Callback::Defer => {
                res.cx().defer(fail_outside);
                res.detach(|_| ()).1
            }
            Callback::Timer => {
                let _ = res.cx().after(Duration::from_millis(5), fail_outside);
                res.detach(|_| ()).1
            }
            Callback::Aborted | Callback::Remote => res.detach(|_| ()).1,
        }
    });
}

fn served(sim: &mut Sim<World>, client: Client) -> bool {
    sim.send(client, b"GET /probe HTTP/1.1\r\nHost: x\r\n\r\n");
    sim.run_until_idle();
    let bytes = sim.received(client);
    !bytes.is_empty() && parser::answers(&bytes)[0].body == "probe"
}

/// The engine cannot know that a callback outside the guard was to see to this answer: it is still
/// owed, and can still be given.
fn still_answered(
    sim: &mut Sim<World>,
    subject: Client,
    text: String,
    progress: Progress,
    name: &str,
) {
    sim.with_cx(|cx| {
        let id = cx.state().id.expect("the request came first");
        let _ = cx.response(id).expect("it is still owed").end(b"-late");
    });
    sim.run_until_idle();
    let bytes = [text.into_bytes(), sim.received(subject)].concat();
    let answers = parser::answers(&bytes);
    let (status, body) = match progress {
        Progress::Nothing => (200, "-late"),
        Progress::Head => (201, "-late"),
        Progress::Content => (200, "part-late"),
    };
    assert_eq!(answers.len(), 1, "{name}");
    assert_eq!(
        (answers[0].status, answers[0].body.as_str()),
        (status, body),
        "{name}"
    );
    assert!(served(sim, subject), "{name}: the connection goes on");
}

fn run(callback: Callback, progress: Progress) {
    let name = format!("{callback:?} {progress:?}");
    let world = World {
        callback,
        progress,
        id: None,
        aborted: Vec::new(),
    };
    let mut sim = Sim::with_state(Config::default(), world, routes);
    let (subject, bystander) = (sim.connect(), sim.connect());
    sim.send(
        subject,
        b"POST /subject HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
    );
    sim.run_until_idle();
    match callback {
        Callback::Aborted => sim.reset(subject),
        Callback::Remote => sim.remote().defer(fail_outside).expect("there is room"),
        _ => {}
    }
    sim.advance_ms(10);
    sim.check();
    assert_eq!(sim.counts().panics, 1, "{name}");
    assert_eq!(sim.counts().misuse_unanswered, 0, "{name}");
    assert!(served(&mut sim, bystander), "{name}: the worker lives");

    let aborted = sim.with_cx(|cx| std::mem::take(&mut cx.state_mut().aborted));
    let text = String::from_utf8(sim.received(subject)).expect("ASCII");
    let outside = !callback.has_guard();
    if callback == Callback::Aborted {
        assert_eq!(
            aborted,
            ["first", "fail", "last"],
            "{name}: one panic spares the others"
        );
        assert!(text.is_empty() && sim.is_freed(subject), "{name}: {text}");
    } else if outside {
        still_answered(&mut sim, subject, text, progress, &name);
        assert_eq!(aborted, ["fail"], "{name}");
    } else if progress == Progress::Content {
        assert_eq!(aborted, ["first", "last"], "{name}");
        assert!(sim.is_freed(subject), "{name}: cut");
        assert!(
            !text.contains("\r\n0\r\n\r\n"),
            "{name}: not passed off as whole: {text:?}"
        );
    } else {
        assert_eq!(aborted, ["first", "last"], "{name}");
        let answers = parser::answers(text.as_bytes());
        assert_eq!(answers.len(), 1, "{name}: {text}");
        assert_eq!(answers[0].status, 500, "{name}: {text}");
        assert_eq!(answers[0].body, "500 Internal Server Error\n", "{name}");
        assert_eq!(
            answers[0].header("X-Head"),
            None,
            "{name}: the head was taken back"
        );
        assert!(served(&mut sim, subject), "{name}: the connection goes on");
    }
    sim.check();
}

#[test]
fn a_panic_in_any_callback_ends_in_500_or_a_cut_and_the_worker_lives() {
    quiet();
    for callback in Callback::ALL {
        for progress in [Progress::Nothing, Progress::Head, Progress::Content] {
            run(callback, progress);
        }
    }
}

#[test]
fn the_log_names_the_route_whose_handler_panicked() {
    quiet();
    let mut sim = Sim::new(Config::default(), |app| {
        app.get("/boom", |_, _| panic!("{}", ON_PURPOSE));
    });
    let client = sim.connect();
    sim.send(client, b"GET /boom?x HTTP/1.1\r\nHost: x\r\n\r\n");
    sim.run_until_idle();
    let messages: Vec<String> = sim
        .records()
        .into_iter()
        .map(|record| record.message)
        .collect();
    assert_eq!(
        messages,
        ["a handler panicked", "answered 500 for GET /boom?x"]
    );
}

#[test]
fn a_value_that_panics_when_it_is_dropped_does_not_end_the_worker() {
    quiet();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("{}", ON_PURPOSE);
        }
    }
    let mut sim = Sim::new(Config::default(), |app| {
        app.get("/", |mut res, _| {
            let bomb = Bomb;
            res.on_aborted(move |_| drop(bomb));
            res.end(b"done")
        });
    });
    let client = sim.connect();
    for round in 1..=3 {
        sim.send(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        sim.run_until_idle();
        sim.check();
        assert_eq!(parser::answers(&sim.received(client))[0].body, "done");
        assert_eq!(sim.counts().panics, round);
    }
}
