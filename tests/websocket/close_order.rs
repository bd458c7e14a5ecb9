//! When the close handler runs, and what may happen in it: once for each socket that was opened,
//! after the callback that caused it, and before the socket's data is dropped.

use std::cell::RefCell;
use std::rc::Rc;

use keirin::testing::Sim;
use keirin::{
    App, Behaviour, CloseCause, Closed, Config, Message, Misuse, Sent, SocketId, WebSocket,
};

use crate::support::{
    Worker, World, act, answer, assert_clean, config, frames, hear, heard, open_quietly, opened,
    recorder, rest, send, start_behaviour,
};
use crate::wire;

type Log = Rc<RefCell<Vec<&'static str>>>;

/// Data that notes its drop.
struct Witness(Log);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.borrow_mut().push("dropped");
    }
}

#[test]
fn the_close_handler_runs_after_the_callback_that_caused_it() {
    for end in [true, false] {
        let mut sim = start_behaviour(move || {
            recorder(config()).on_message(move |ws, _| {
                let done = if end { ws.end(1000, "") } else { ws.close() };
                assert_eq!(done, Ok(()));
                ws.cx()
                    .defer(|cx| cx.state_mut().heard[0].push("deferred".to_owned()));
                hear(ws, "returning");
            })
        });
        let client = open_quietly(&mut sim);
        send(
            &mut sim,
            client,
            [wire::text("go"), wire::text("again")].concat(),
        );
        let mut log = heard(&mut sim, 0);
        assert_eq!(
            log.remove(0),
            "returning",
            "the second message is not delivered"
        );
        log.sort();
        let told = if end {
            "closed Local 1000"
        } else {
            "closed Dropped 1006"
        };
        assert_eq!(log, [told, "deferred"]);
    }
}

#[test]
fn a_socket_that_is_closed_by_its_open_handler_is_told_of_both() {
    for end in [true, false] {
        let mut sim = start_behaviour(move || {
            recorder(config()).on_open(move |ws| {
                opened(ws);
                let done = if end { ws.end(4000, "no") } else { ws.close() };
                assert_eq!(done, Ok(()));
            })
        });
        let client = sim.connect();
        send(
            &mut sim,
            client,
            [wire::request("/ws").into_bytes(), wire::text("x")].concat(),
        );
        let told = if end {
            "closed Local 4000 no"
        } else {
            "closed Dropped 1006"
        };
        assert_eq!(heard(&mut sim, 0), ["open", told]);
        if end {
            let (_, mut bytes) = answer(&mut sim, client);
            assert_eq!(wire::take_frames(&mut bytes)[0].line(), "close 4000 no");
        }
        sim.finish(client);
        rest(&mut sim);
        assert_clean(&sim);
    }
}

#[test]
fn one_handler_can_close_the_sockets_of_all_others() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, _| {
            hear(ws, "message");
            let ids = ws.cx().state().ids.clone();
            for id in ids {
                let mut cx = ws.cx();
                let mut other = cx.socket(id).expect("all are open");
                assert_eq!(other.end(1001, ""), Ok(()));
            }
            hear(ws, "returning");
        })
    });
    let clients: Vec<_> = (0..5).map(|_| open_quietly(&mut sim)).collect();
    for &client in &clients {
        // All in one turn: what comes behind the first message is not delivered to anybody.
        sim.send(client, &wire::text("x"));
    }
    rest(&mut sim);
    let mut messages = 0;
    for (index, &client) in clients.iter().enumerate() {
        let log = heard(&mut sim, index);
        if log.len() == 3 {
            assert_eq!(log, ["message", "returning", "closed Local 1001"]);
            messages += 1;
        } else {
            assert_eq!(log, ["closed Local 1001"]);
        }
        assert_eq!(frames(&mut sim, client), ["close 1001"]);
    }
    assert_eq!(messages, 1);
}

#[test]
fn nothing_can_be_sent_from_the_close_handler() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_close(|ws, closed: Closed<'_>| {
            let id = ws.id();
            assert_eq!(ws.send_text("late"), Sent::Closed);
            assert_eq!(ws.send_binary(b"late"), Sent::Closed);
            assert_eq!(ws.ping(b""), Err(Misuse::Stale));
            assert_eq!(ws.end(1000, ""), Err(Misuse::Stale));
            assert_eq!(
                ws.send_fragment(Message::Text("x"), false),
                Err(Misuse::Stale)
            );
            assert_eq!(ws.cx().socket(id).map(drop), Err(Misuse::Stale));
            hear(ws, format!("closed {:?}", closed.cause));
        })
    });
    for index in 0..4 {
        let client = open_quietly(&mut sim);
        match index {
            0 => send(&mut sim, client, wire::close(1000, b"")),
            1 => send(&mut sim, client, [0xff, 0xff]),
            2 => assert_eq!(act(&mut sim, index, |ws| ws.end(1000, "")), Ok(())),
            _ => sim.finish(client),
        }
        rest(&mut sim);
        let log = heard(&mut sim, index);
        assert_eq!(log.len(), 1, "{log:?}");
        let sent = frames(&mut sim, client);
        assert_eq!(
            sent.len(),
            usize::from(index < 3),
            "a Close frame and nothing else: {sent:?}"
        );
    }
    assert_eq!(sim.counts().panics, 0);
}

/// A worker whose sockets share one log with their data.
fn witnessed(log: &Log, on_open: impl Fn(&mut WebSocket<'_, Witness>) + Clone + 'static) -> Sim {
    let log = Rc::clone(log);
    let settings = Config::builder().build().expect("the defaults");
    Sim::new(settings, move |app: &mut App| {
        let on_open = on_open.clone();
        let sockets = app.behaviour(
            Behaviour::new()
                .on_open(on_open)
                .on_message(|ws: &mut WebSocket<'_, Witness>, _| {
                    ws.data.0.borrow_mut().push("message");
                    let _ = ws.close();
                })
                .on_close(|ws, _| ws.data.0.borrow_mut().push("closed")),
        );
        let log = Rc::clone(&log);
        app.get("/ws", move |res, req| match req.handshake() {
            Ok(handshake) => res.upgrade(sockets, handshake, Witness(Rc::clone(&log))),
            Err(error) => res.refuse_upgrade(error),
        });
    })
}

#[test]
fn data_is_dropped_once_and_after_the_close_handler() {
    for way in 0..5 {
        let log = Log::default();
        let mut sim = witnessed(&log, |ws| ws.data.0.borrow_mut().push("open"));
        let client = sim.connect();
        sim.send(client, wire::request("/ws").as_bytes());
        sim.run_until_idle();
        match way {
            0 => sim.finish(client),
            1 => sim.reset(client),
            2 => sim.send(client, &wire::close(1000, b"")),
            3 => sim.send(client, &[0xff, 0]),
            _ => sim.send(client, &wire::text("x")),
        }
        sim.run_until_idle();
        sim.finish(client);
        sim.run_until_idle();
        sim.check();
        let mut expected = vec!["open", "closed", "dropped"];
        if way == 4 {
            expected.insert(1, "message");
        }
        assert_eq!(*log.borrow(), expected, "{way}");
        drop(sim);
        assert_eq!(log.borrow().len(), expected.len());
    }
}

#[test]
fn data_that_never_became_a_sockets_is_dropped_too() {
    let log = Log::default();
    let mut sim = witnessed(&log, |_| ());
    let client = sim.connect();
    sim.run_until_idle();
    sim.stop(1000);
    sim.send(client, wire::request("/ws").as_bytes());
    sim.run_until_idle();
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[test]
fn data_is_dropped_when_the_worker_goes() {
    let log = Log::default();
    let mut sim = witnessed(&log, |_| ());
    let client = sim.connect();
    sim.send(client, wire::request("/ws").as_bytes());
    sim.run_until_idle();
    assert!(log.borrow().is_empty());
    drop(sim);
    assert_eq!(
        log.borrow()
            .iter()
            .filter(|line| **line == "dropped")
            .count(),
        1
    );
}

/// A behaviour that panics in the handler of this name.
fn panicking(name: &'static str) -> Behaviour<crate::support::Recorder, World> {
    let settings = config().build().expect("it is valid");
    let boom = move |at: &'static str| assert!(at != name, "on purpose");
    Behaviour::new()
        .config(settings)
        .on_open(move |ws| {
            opened(ws);
            boom("open");
        })
        .on_message(move |ws, _| {
            hear(ws, "message");
            boom("message");
        })
        .on_ping(move |_, _| boom("ping"))
        .on_pong(move |_, _| boom("pong"))
        .on_drain(move |_| boom("drain"))
        .on_dropped(move |_, _| boom("dropped"))
        .on_close(move |ws, closed| {
            crate::support::closed(ws, closed);
            boom("close");
        })
}

/// Makes every handler of socket 0 run, the named one with a panic.
fn provoke(sim: &mut Worker, client: keirin::testing::Client, name: &str) {
    match name {
        "message" => send(sim, client, [wire::text("1"), wire::text("2")].concat()),
        "ping" => send(sim, client, [wire::ping(b""), wire::text("2")].concat()),
        "pong" => send(sim, client, [wire::pong(b""), wire::text("2")].concat()),
        "close" => send(sim, client, wire::close(1000, b"")),
        "drain" | "dropped" => {
            sim.set_window(client, 10);
            for _ in 0..2 {
                let _ = act(sim, 0, |ws| ws.send_binary(&vec![0; 1 << 20]));
            }
            sim.set_window(client, usize::MAX);
            rest(sim);
        }
        _ => {}
    }
}

#[test]
fn a_panic_in_a_handler_closes_its_socket_with_1011_and_no_other() {
    for name in ["open", "message", "ping", "pong", "drain", "dropped"] {
        let mut sim = start_behaviour(move || panicking(name));
        let client = open_panicking(&mut sim);
        provoke(&mut sim, client, name);
        let log = heard(&mut sim, 0);
        let closed: Vec<_> = log
            .iter()
            .filter(|line| line.starts_with("closed"))
            .collect();
        assert_eq!(closed.len(), 1, "{name}: {log:?}");
        assert!(
            closed[0].starts_with("closed Panic 1011"),
            "{name}: {log:?}"
        );
        assert_eq!(
            log.iter().filter(|line| *line == "message").count(),
            usize::from(name == "message")
        );
        assert_eq!(sim.counts().panics, 1, "{name}");
        let mut bytes = sim.received(client);
        if bytes.starts_with(b"HTTP") {
            bytes = crate::support::split_head(&bytes).1;
        }
        let sent = wire::take_frames(&mut bytes);
        let last = sent.last().map(wire::Received::line).unwrap_or_default();
        assert!(last.starts_with("close 1011"), "{name}: {last}");
        send(&mut sim, client, wire::close(1011, b""));
        assert_clean(&sim);

        assert!(!sim.records().is_empty(), "it is logged");
        sim.finish(client);
        rest(&mut sim);
        assert_eq!(heard(&mut sim, 0), [""; 0]);
    }
}

fn open_panicking(sim: &mut Worker) -> keirin::testing::Client {
    let client = sim.connect();
    send(sim, client, wire::request("/ws"));
    client
}

#[test]
fn a_panic_in_the_close_handler_is_contained() {
    let mut sim = start_behaviour(|| panicking("close"));
    let client = open_quietly(&mut sim);
    let other = open_quietly(&mut sim);
    send(&mut sim, client, wire::close(1000, b""));
    assert_eq!(heard(&mut sim, 0), ["closed Peer 1000"]);
    assert_eq!(frames(&mut sim, client), ["close 1000"]);
    assert_eq!(sim.counts().panics, 1);
    send(&mut sim, other, wire::text("x"));
    assert_eq!(heard(&mut sim, 1), ["message"]);
    sim.finish(client);
    sim.finish(other);
    rest(&mut sim);
    assert_eq!(heard(&mut sim, 0), [""; 0]);
    assert_eq!(heard(&mut sim, 1), ["closed PeerLeft 1006"]);
    assert_clean(&sim);
}

#[test]
fn another_sockets_panic_in_act_is_not_this_ones() {
    // A handler that closes another socket and then panics: both are told, each its own cause.
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, _| {
            let id: SocketId = ws.cx().state().ids[1];
            assert_eq!(
                ws.cx().socket(id).expect("it is open").end(4001, ""),
                Ok(())
            );
            panic!("on purpose");
        })
    });
    let first = open_quietly(&mut sim);
    let _second = open_quietly(&mut sim);
    send(&mut sim, first, wire::text("x"));
    assert!(heard(&mut sim, 0)[0].starts_with(&format!("closed {:?} 1011", CloseCause::Panic)));
    assert_eq!(heard(&mut sim, 1), ["closed Local 4001"]);
}
