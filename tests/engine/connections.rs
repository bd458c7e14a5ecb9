//! Connections as events: each is told of when it opens and when it has ended, once.

use keirin::testing::Client;
use keirin::{App, Behaviour, Config, ConnectionId, Misuse};

use crate::support::{Worker, World, ask, get, ok, send, start, take_log, text};

/// A worker that notes openings with `+` and ends with `-`, and a socket's end with `closed`.
fn listening() -> Worker {
    start(Config::builder().keep_alive_timeout_ms(1000), |app| {
        app.on_connection(note);
        app.websocket(
            "/ws",
            Behaviour::<(), World>::new()
                .on_close(|ws, closed| log(&mut ws.cx(), format!("closed {:?}", closed.cause))),
        );
    })
}

fn log(cx: &mut keirin::Cx<'_, World>, text: impl Into<String>) {
    cx.state_mut().log.push(text.into());
}

fn note(cx: &mut keirin::Cx<'_, World>, id: ConnectionId, opened: bool) {
    let peer = cx.peer_address(id).expect("it has an address to its end");
    assert_eq!(peer.to_string(), "127.0.0.1:12345");
    log(cx, if opened { "+" } else { "-" });
}

fn upgrade(sim: &mut Worker, client: Client) {
    let head = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    assert!(ask(sim, client, head).starts_with("HTTP/1.1 101 "));
}

#[test]
fn each_opening_and_each_end_is_told_once_whatever_the_end_is() {
    type End = fn(&mut Worker, Client);
    let ends: [(&str, End, &[&str]); 8] = [
        ("a FIN", |sim, client| sim.finish(client), &[]),
        ("a reset", |sim, client| sim.reset(client), &[]),
        ("idling", |sim, _| sim.advance_ms(1000), &[]),
        (
            "a malformed request",
            |sim, client| send(sim, client, "?\r\n\r\n"),
            &[],
        ),
        (
            "leaving an answer",
            |sim, client| {
                send(sim, client, get("/hold"));
                sim.finish(client);
            },
            &["aborted"],
        ),
        (
            "a socket whose peer leaves",
            |sim, client| {
                upgrade(sim, client);
                sim.finish(client);
            },
            &["closed PeerLeft"],
        ),
        (
            "a socket's Close frame",
            |sim, client| {
                upgrade(sim, client);
                send(sim, client, [0x88, 0x80, 0, 0, 0, 0]);
            },
            &["closed Peer"],
        ),
        (
            "a stop",
            |sim, client| {
                send(sim, client, get("/hold"));
                sim.stop(1);
                sim.advance_ms(2);
            },
            &["aborted"],
        ),
    ];
    for (name, end, between) in ends {
        let mut sim = listening();
        let client = sim.connect();
        sim.run_until_idle();
        assert_eq!(
            take_log(&mut sim),
            ["+"],
            "{name}: told before a byte has come"
        );
        end(&mut sim, client);
        sim.run_until_idle();
        sim.finish(client);
        sim.run_until_idle();
        sim.advance_ms(10_000);
        sim.check();
        let mut log: Vec<String> = between.iter().map(ToString::to_string).collect();
        log.push("-".to_owned());
        assert_eq!(take_log(&mut sim), log, "{name}: the end comes last");
        assert!(sim.is_freed(client), "{name}");
    }
}

#[test]
fn a_stop_is_over_when_every_end_was_told() {
    let mut sim = listening();
    for _ in 0..50 {
        sim.connect();
    }
    sim.run_until_idle();
    sim.stop(1000);
    for _ in 0..100 {
        sim.turn();
        if sim.is_stopped() {
            break;
        }
        sim.advance_ms(100);
    }
    assert!(sim.is_stopped());
    let log = take_log(&mut sim);
    let ends = log.iter().filter(|line| *line == "-").count();
    assert_eq!((ends, log.len()), (50, 100));
}

#[test]
fn a_connection_can_be_turned_away_before_its_request_is_handled() {
    let mut sim = start(Config::builder(), |app| {
        app.on_connection(|cx, id, opened| {
            log(cx, if opened { "+" } else { "-" });
            let closed = cx.close_connection(id);
            assert_eq!(closed, if opened { Ok(()) } else { Err(Misuse::Stale) });
        });
        // Whoever comes second hears as well.
        app.on_connection(|cx, _, opened| log(cx, if opened { "++" } else { "--" }));
    });
    let client = sim.connect();
    sim.send(client, get("/a").as_bytes());
    sim.run_until_idle();
    sim.check();
    assert_eq!(take_log(&mut sim), ["+", "++", "-", "--"]);
    assert_eq!(text(&mut sim, client), "");
    let counts = sim.counts();
    assert_eq!((counts.requests, counts.misuse_stale), (0, 1));
    assert_eq!(
        (counts.connections_accepted, counts.connections_open),
        (1, 0)
    );
    assert!(sim.is_freed(client));
}

#[test]
fn closing_by_id_aborts_an_answer_and_ends_a_socket_and_finds_nothing_later() {
    let mut sim = start(Config::builder(), |app: &mut App<World>| {
        app.on_connection(note);
        app.websocket(
            "/ws",
            Behaviour::<(), World>::new()
                .on_open(|ws| {
                    let id = ws.id().connection();
                    ws.cx().defer(move |cx| {
                        assert_eq!(cx.close_connection(id), Ok(()));
                        assert_eq!(cx.close_connection(id), Err(Misuse::Stale));
                    });
                })
                .on_close(|ws, closed| {
                    log(&mut ws.cx(), format!("{:?} {}", closed.cause, closed.code))
                }),
        );
    });
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    let id = sim.with_cx(|cx| cx.state().ids[0].connection());
    assert_eq!(sim.with_cx(|cx| cx.close_connection(id)), Ok(()));
    sim.run_until_idle();
    sim.check();
    assert_eq!(take_log(&mut sim), ["+", "aborted", "-"]);
    assert_eq!(
        sim.with_cx(|cx| cx.close_connection(id)),
        Err(Misuse::Stale)
    );
    assert_eq!(sim.with_cx(|cx| cx.peer_address(id)), None);

    let socket = sim.connect();
    upgrade(&mut sim, socket);
    assert_eq!(take_log(&mut sim), ["+", "Dropped 1006", "-"]);
    assert_eq!(sim.counts().sockets_open, 0);
}

#[test]
fn a_panic_of_whoever_hears_ends_neither_the_worker_nor_the_connection() {
    let mut sim = start(Config::builder(), |app| {
        app.on_connection(|_, _, _| panic!("on purpose"));
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, get("/a")), ok("a"));
    sim.finish(client);
    sim.run_until_idle();
    sim.check();
    assert!(sim.is_freed(client));
    assert_eq!(sim.counts().panics, 2);
}

#[test]
fn what_is_refused_for_its_number_is_not_told_of() {
    let mut sim = start(Config::builder().connections_max(2), |app| {
        app.on_connection(note);
    });
    for _ in 0..3 {
        sim.connect();
    }
    sim.run_until_idle();
    assert_eq!(take_log(&mut sim), ["+", "+"]);
    assert_eq!(sim.counts().connections_refused, 1);
}
