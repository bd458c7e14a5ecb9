//! A graceful stop, met in every phase of a connection.

use keirin::{Config, Misuse};

use crate::support::{
    ask, chunked, finish, get, hold, ok, ok_close, post, send, start, take_log, text,
};

const MINUTE: u64 = 60_000;

#[test]
fn idle_connections_are_closed_at_once() {
    let mut sim = start(Config::builder(), |_| ());
    let (silent, used) = (sim.connect(), sim.connect());
    assert_eq!(ask(&mut sim, used, get("/a")), ok("a"));
    assert!(!sim.is_stopped());
    sim.stop(MINUTE);
    sim.run_until_idle();
    sim.check();
    for client in [silent, used] {
        assert!(sim.is_closed(client));
        assert_eq!(text(&mut sim, client), "");
        sim.finish(client);
    }
    sim.run_until_idle();
    assert!(sim.is_stopped());
}

#[test]
fn a_request_that_is_in_the_kernel_already_is_answered_and_the_ones_behind_it_are_not() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    sim.run_until_idle();
    sim.stop(MINUTE);
    sim.send(client, (get("/a") + &get("/b")).as_bytes());
    sim.run_until_idle();
    sim.check();
    assert_eq!(text(&mut sim, client), ok_close("a"));
    assert!(sim.is_closed(client));
    assert_eq!(sim.counts().requests, 1);
}

#[test]
fn a_head_that_has_begun_may_be_completed() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, "GET /a HT");
    sim.stop(MINUTE);
    sim.run_until_idle();
    assert!(!sim.is_closed(client));
    assert_eq!(
        ask(&mut sim, client, "TP/1.1\r\nHost: x\r\n\r\n"),
        ok_close("a")
    );
    assert!(sim.is_closed(client));
}

#[test]
fn a_body_may_be_completed_and_its_answer_says_close() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |res, _| {
            res.collect_body(100, |res, body| res.end(&body))
        });
    });
    let client = sim.connect();
    send(&mut sim, client, post("/", 4) + "bo");
    sim.stop(MINUTE);
    sim.run_until_idle();
    assert_eq!(
        ask(&mut sim, client, "dy".to_owned() + &get("/a")),
        ok_close("body")
    );
    assert!(sim.is_closed(client));
}

#[test]
fn a_kept_answer_may_be_given_and_what_waits_behind_it_is_dropped() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold") + &get("/a"));
    sim.stop(MINUTE);
    sim.advance_ms(1000);
    assert!(!sim.is_closed(client));
    finish(&mut sim, 0, b"x");
    assert_eq!(text(&mut sim, client), ok_close("x"));
    assert!(sim.is_closed(client));
    assert_eq!((sim.buffered_bytes(), sim.counts().requests), (0, 1));
}

#[test]
fn an_answer_whose_head_has_left_is_completed_and_then_the_connection_closed() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        let _ = cx.response(id).unwrap().write(b"begun");
    });
    sim.run_until_idle();
    sim.stop(MINUTE);
    sim.run_until_idle();
    assert!(!sim.is_closed(client));
    finish(&mut sim, 0, b"");
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n0\r\n\r\n";
    assert_eq!(text(&mut sim, client), answer);
    assert!(sim.is_closed(client));
}

#[test]
fn a_slow_reader_still_gets_its_answer() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/big", |res, _| res.end(&[b'x'; 100_000]));
    });
    let client = sim.connect();
    sim.set_window(client, 30_000);
    send(&mut sim, client, get("/big"));
    sim.stop(MINUTE);
    sim.run_until_idle();
    let mut count = 0;
    while !sim.is_closed(client) {
        let piece = sim.received(client);
        assert!(!piece.is_empty(), "closed only behind the last byte");
        count += piece.iter().filter(|&&byte| byte == b'x').count();
        sim.run_until_idle();
    }
    count += sim
        .received(client)
        .iter()
        .filter(|&&byte| byte == b'x')
        .count();
    assert_eq!(count, 100_000);
}

#[test]
fn an_unread_body_is_not_waited_for_longer_than_without_a_stop() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |res, _| res.end(b"unread"));
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, chunked("/")), ok("unread"));
    sim.stop(MINUTE);
    sim.run_until_idle();
    send(
        &mut sim,
        client,
        "1\r\nx\r\n0\r\n\r\n".to_owned() + &get("/a"),
    );
    assert_eq!(text(&mut sim, client), "");
    assert!(sim.is_closed(client));
}

#[test]
fn what_waits_in_the_listener_is_answered_and_nothing_is_accepted_after_that() {
    let mut sim = start(Config::builder(), |_| ());
    let queued = sim.connect();
    sim.send(queued, get("/a").as_bytes());
    sim.stop(MINUTE);
    sim.run_until_idle();
    assert_eq!(text(&mut sim, queued), ok_close("a"));
    assert!(sim.is_closed(queued));
}

#[test]
fn a_connection_that_was_accepted_while_stopping_and_says_nothing_does_not_hold_it_up() {
    let mut sim = start(Config::builder().keep_alive_timeout_ms(2 * MINUTE), |_| ());
    let silent = sim.connect();
    sim.stop(MINUTE);
    sim.run_until_idle();
    // As with any idle connection, lingering is all that it may take.
    sim.advance_ms(10_000);
    assert!(sim.is_freed(silent) && sim.is_stopped());
}

#[test]
fn at_the_deadline_everything_is_cut() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |res, _| {
            res.collect_body(100, |res, body| res.end(&body))
        });
        app.get("/big", |res, _| res.end(&[b'x'; 100_000]));
    });
    let clients: Vec<_> = (0..4).map(|_| sim.connect()).collect();
    sim.set_window(clients[3], 10);
    send(&mut sim, clients[0], get("/hold"));
    send(&mut sim, clients[1], post("/", 100));
    send(&mut sim, clients[2], "GET /a HT");
    send(&mut sim, clients[3], get("/big"));
    sim.stop(5000);
    sim.advance_ms(4999);
    assert_eq!(sim.counts().connections_open, 4);
    assert_eq!(take_log(&mut sim), [""; 0]);
    sim.advance_ms(2);
    sim.check();
    assert!(clients.iter().all(|&client| sim.is_freed(client)));
    assert!(sim.is_stopped());
    assert_eq!(take_log(&mut sim), ["aborted"]);
    assert_eq!(sim.counts().aborted, 2);
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        assert_eq!(cx.response(id).err(), Some(Misuse::Stale));
    });
}

#[test]
fn a_second_stop_can_shorten_the_time_and_not_extend_it() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/hold", |res, _| hold(res));
    });
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    sim.stop(10_000);
    sim.stop(20_000);
    sim.advance_ms(1000);
    sim.stop(1000);
    sim.advance_ms(999);
    assert!(!sim.is_freed(client));
    sim.advance_ms(2);
    assert!(sim.is_freed(client) && sim.is_stopped());
    assert_eq!(take_log(&mut sim), ["aborted"]);

    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    sim.stop(1000);
    sim.stop(20_000);
    sim.advance_ms(1001);
    assert!(sim.is_stopped());
}

#[test]
fn no_grace_at_all_cuts_in_the_next_tick() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    sim.stop(0);
    sim.advance_ms(1);
    assert!(sim.is_freed(client) && sim.is_stopped());
    assert_eq!(take_log(&mut sim), ["aborted"]);
}

#[test]
fn a_stop_gets_through_a_full_inbox() {
    let mut sim = start(Config::builder().inbox_capacity(1), |_| {});
    sim.remote().defer(|_| {}).expect("there is room for one");
    assert!(sim.remote().defer(|_| {}).is_err());
    sim.stop(0);
    sim.run_until_idle();
    assert!(sim.is_stopped());
}
