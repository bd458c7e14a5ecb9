//! Every timeout, to the millisecond of the virtual clock.

use std::time::Duration;

use keirin::{Config, Misuse};

use crate::support::{
    ask, chunked, finish, get, hold, ok, post, send, short, start, take_log, text,
};

#[test]
fn a_head_that_drips_is_refused_at_an_absolute_deadline() {
    let mut sim = start(Config::builder().head_timeout_ms(1000), |_| ());
    let client = sim.connect();
    for byte in b"GET /a HTT" {
        send(&mut sim, client, [*byte]);
        sim.advance_ms(99);
    }
    sim.advance_ms(9);
    assert_eq!(text(&mut sim, client), "");
    sim.advance_ms(1);
    assert_eq!(text(&mut sim, client), short("408 Request Timeout", true));
    assert!(sim.is_closed(client));
    assert_eq!(
        (sim.counts().protocol_errors, sim.counts().requests),
        (1, 0)
    );
    // In time, it is served.
    let client = sim.connect();
    send(&mut sim, client, "GET /a HTTP/1.1\r\n");
    sim.advance_ms(999);
    assert_eq!(ask(&mut sim, client, "Host: x\r\n\r\n"), ok("a"));
}

#[test]
fn a_head_behind_a_pending_answer_has_its_time_from_when_it_is_looked_at() {
    let mut sim = start(Config::builder().head_timeout_ms(1000), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold") + "GET /a HTTP/1.1\r\n");
    sim.advance_ms(5000);
    finish(&mut sim, 0, b"x");
    sim.advance_ms(999);
    assert_eq!(text(&mut sim, client), ok("x"));
    sim.advance_ms(1);
    assert_eq!(text(&mut sim, client), short("408 Request Timeout", true));
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let mut sim = start(Config::builder().keep_alive_timeout_ms(1000), |_| ());
    let (silent, client) = (sim.connect(), sim.connect());
    sim.run_until_idle();
    sim.advance_ms(500);
    assert_eq!(ask(&mut sim, client, get("/a")), ok("a"));
    sim.advance_ms(499);
    assert!(!sim.is_closed(silent));
    sim.advance_ms(1);
    assert!(sim.is_closed(silent));
    assert_eq!(text(&mut sim, silent), "");
    sim.advance_ms(499);
    assert!(!sim.is_closed(client), "its time began with its answer");
    sim.advance_ms(1);
    assert!(sim.is_closed(client));
    assert_eq!(
        (sim.counts().idle_timeouts, sim.counts().protocol_errors),
        (2, 0)
    );
    // An empty line is no request.
    let client = sim.connect();
    sim.run_until_idle();
    sim.advance_ms(999);
    send(&mut sim, client, "\r\n");
    sim.advance_ms(1);
    assert!(sim.is_closed(client));
    assert_eq!(text(&mut sim, client), "");
}

#[test]
fn a_body_has_to_arrive_at_its_least_rate_in_every_window() {
    for (per_window, survives) in [(200, true), (199, false)] {
        let config = Config::builder()
            .body_throughput_min(100)
            .body_window_ms(2000);
        let mut sim = start(config, |app| {
            app.post("/", |mut res, _| {
                res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
                res.collect_body(10_000, |res, body| {
                    res.end(body.len().to_string().as_bytes())
                })
            });
        });
        let client = sim.connect();
        send(&mut sim, client, post("/", 1000));
        for window in 0..4 {
            sim.advance_ms(1999);
            send(&mut sim, client, "x".repeat(per_window));
            sim.advance_ms(1);
            if !survives {
                assert_eq!(window, 0);
                assert_eq!(text(&mut sim, client), short("408 Request Timeout", true));
                assert_eq!(take_log(&mut sim), ["aborted"]);
                assert_eq!(sim.counts().aborted, 1);
                break;
            }
            assert_eq!(text(&mut sim, client), "", "{window}");
        }
        if survives {
            assert_eq!(ask(&mut sim, client, "x".repeat(200)), ok("1000"));
        }
    }
}

#[test]
fn a_least_rate_of_zero_is_off() {
    let mut sim = start(Config::builder().body_throughput_min(0), |app| {
        app.post("/", |res, _| {
            res.collect_body(100, |res, body| res.end(&body))
        });
    });
    let client = sim.connect();
    send(&mut sim, client, post("/", 4));
    sim.advance_ms(10_000_000);
    assert_eq!(ask(&mut sim, client, "late"), ok("late"));
}

#[test]
fn an_answer_that_does_not_begin_in_time_is_503() {
    let mut sim = start(Config::builder().answer_timeout_ms(1000), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    sim.advance_ms(999);
    assert_eq!(text(&mut sim, client), "");
    sim.advance_ms(1);
    assert_eq!(
        text(&mut sim, client),
        short("503 Service Unavailable", false)
    );
    assert_eq!(take_log(&mut sim), ["aborted"]);
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        assert_eq!(cx.response(id).err(), Some(Misuse::AlreadyEnded));
    });
    // The connection goes on, and the next answer is in time.
    send(&mut sim, client, get("/hold"));
    sim.advance_ms(999);
    finish(&mut sim, 1, b"x");
    assert_eq!(text(&mut sim, client), ok("x"));
    // One that has begun may take its time.
    send(&mut sim, client, get("/hold"));
    sim.with_cx(|cx| {
        let id = cx.state().ids[2];
        let _ = cx.response(id).unwrap().write(b"begun");
    });
    sim.advance_ms(100_000);
    finish(&mut sim, 2, b"");
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n0\r\n\r\n";
    assert_eq!(text(&mut sim, client), answer);
    assert_eq!(sim.counts().aborted, 1);
}

/// The time for an answer, once its body has been read at once: neither longer nor shorter than
/// without one.
fn answer_timeout_behind_a_body(request: &str) {
    let config = Config::builder()
        .answer_timeout_ms(60_000)
        .body_window_ms(10_000);
    let mut sim = start(config, |app| {
        app.any("/collect", |res, _| {
            res.collect_body(100, |res, _| hold(res))
        });
    });
    let client = sim.connect();
    send(&mut sim, client, request);
    assert_eq!(
        sim.with_cx(|cx| cx.state().ids.len()),
        1,
        "the body is complete"
    );
    sim.advance_ms(59_999);
    assert_eq!(text(&mut sim, client), "", "before its time");
    sim.advance_ms(1);
    let refusal = short("503 Service Unavailable", false);
    assert_eq!(text(&mut sim, client), refusal, "at its time");
}

#[test]
fn the_time_for_an_answer_holds_behind_a_body() {
    answer_timeout_behind_a_body(&(post("/collect", 4) + "body"));
}

#[test]
fn the_time_for_an_answer_holds_behind_a_body_in_chunks() {
    answer_timeout_behind_a_body(&(chunked("/collect") + "4\r\nbody\r\n0\r\n\r\n"));
}

#[test]
fn the_time_for_an_answer_holds_behind_a_body_of_nothing() {
    answer_timeout_behind_a_body(&get("/collect"));
}

#[test]
fn a_peer_that_stops_reading_is_dropped_and_one_that_goes_on_is_not() {
    let mut sim = start(Config::builder().write_stall_timeout_ms(1000), |app| {
        app.get("/big", |mut res, _| {
            res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
            let _ = res.write(&[b'x'; 100_000]);
            res.on_writable(|res, _| res.end(b""))
        });
    });
    let (slow, dead) = (sim.connect(), sim.connect());
    for client in [slow, dead] {
        sim.set_window(client, 10_000);
        send(&mut sim, client, get("/big"));
    }
    let mut received = 0;
    for _ in 0..5 {
        sim.advance_ms(999);
        received += sim.received(slow).len();
        sim.run_until_idle();
    }
    assert!(sim.is_freed(dead) && !sim.is_freed(slow));
    assert_eq!((sim.counts().write_stalls, sim.counts().aborted), (1, 1));
    assert_eq!(take_log(&mut sim), ["aborted"]);
    assert_eq!(received, 50_000);
    sim.advance_ms(1000);
    assert!(sim.is_freed(slow));
    assert_eq!(sim.counts().write_stalls, 2);
    assert_eq!(
        (take_log(&mut sim), sim.buffered_bytes()),
        (vec!["aborted".to_owned()], 0)
    );
}

#[test]
fn a_closed_connection_lingers_until_the_peer_has_closed_or_time_is_up() {
    let last = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut sim = start(Config::builder().linger_timeout_ms(1000), |_| ());
    let (polite, silent, chatty) = (sim.connect(), sim.connect(), sim.connect());
    for client in [polite, silent, chatty] {
        send(&mut sim, client, last);
        assert!(sim.is_closed(client) && !sim.is_freed(client));
    }
    sim.finish(polite);
    sim.run_until_idle();
    assert!(sim.is_freed(polite));
    sim.advance_ms(999);
    // What it still sends is dropped, and wins no time.
    send(&mut sim, chatty, get("/b"));
    assert!(!sim.is_freed(silent) && !sim.is_freed(chatty));
    sim.advance_ms(1);
    assert!(sim.is_freed(silent) && sim.is_freed(chatty));
    assert_eq!(sim.counts().requests, 3);
    assert_eq!(sim.counts().connections_open, 0);
}

#[test]
fn an_unread_body_that_stalls_behind_its_answer_ends_the_connection() {
    let config = Config::builder()
        .body_window_ms(1000)
        .body_throughput_min(10);
    let mut sim = start(config, |app| {
        app.post("/", |res, _| res.end(b"unread"));
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, post("/", 100)), ok("unread"));
    sim.advance_ms(999);
    assert!(!sim.is_closed(client));
    sim.advance_ms(1);
    assert!(sim.is_closed(client));
    assert_eq!(sim.counts().aborted, 0, "the answer was complete");
}

#[test]
fn the_date_is_that_of_the_clock() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    let mut date = |ms| {
        sim.advance_ms(ms);
        send(&mut sim, client, get("/a"));
        let text = String::from_utf8(sim.received(client)).unwrap();
        let date = text
            .lines()
            .find(|line| line.starts_with("Date: "))
            .unwrap();
        date.to_owned()
    };
    assert_eq!(date(0), "Date: Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(date(999), "Date: Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(date(200), "Date: Sun, 06 Nov 1994 08:49:38 GMT");
    assert_eq!(
        date(Duration::from_secs(60).as_millis() as u64),
        "Date: Sun, 06 Nov 1994 08:50:38 GMT"
    );
}
