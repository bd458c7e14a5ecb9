//! Several requests at once on one connection.

use keirin::Config;

use crate::support::{chunked, finish, get, hold, ok, ok_close, post, send, short, start, text};

#[test]
fn a_batch_is_answered_in_order_and_in_one_send() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    let batch = [get("/a"), get("/b"), get("/a")].concat();
    send(&mut sim, client, batch);
    assert_eq!(text(&mut sim, client), [ok("a"), ok("b"), ok("a")].concat());
    assert_eq!(sim.sends(client), 1);
    assert_eq!((sim.counts().requests, sim.counts().answers), (3, 3));
}

#[test]
fn requests_behind_a_pending_answer_wait_and_keep_their_order() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    let batch = [get("/a"), get("/hold"), get("/b"), get("/hold"), get("/a")].concat();
    send(&mut sim, client, batch);
    assert_eq!(text(&mut sim, client), ok("a"));
    finish(&mut sim, 0, b"first");
    assert_eq!(text(&mut sim, client), [ok("first"), ok("b")].concat());
    finish(&mut sim, 1, b"second");
    assert_eq!(text(&mut sim, client), [ok("second"), ok("a")].concat());
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn what_waits_behind_a_pending_answer_is_bounded() {
    let config = Config::builder()
        .head_bytes_max(1024)
        .target_bytes_max(100)
        .pipelined_bytes_max(1024);
    let mut sim = start(config, |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    let count = 5000;
    send(&mut sim, client, get("/a").repeat(count));
    assert!(sim.buffered_bytes() <= 1024, "{}", sim.buffered_bytes());
    assert_eq!(sim.counts().requests, 1);
    finish(&mut sim, 0, b"x");
    assert_eq!(text(&mut sim, client), ok("x") + &ok("a").repeat(count));

    // The same when they arrive together with the request.
    send(&mut sim, client, get("/hold") + &get("/b").repeat(count));
    assert!(sim.buffered_bytes() <= 1024, "{}", sim.buffered_bytes());
    finish(&mut sim, 1, b"x");
    assert_eq!(text(&mut sim, client), ok("x") + &ok("b").repeat(count));
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn what_waits_is_bounded_behind_a_body_as_well() {
    let config = Config::builder().pipelined_bytes_max(64 << 10);
    let mut sim = start(config, |app| {
        app.post("/collect", |res, _| {
            res.collect_body(100, |res, _| hold(res))
        });
    });
    for (index, (head, end)) in [
        (post("/collect", 4), "body"),
        (chunked("/collect"), "0\r\n\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let client = sim.connect();
        send(&mut sim, client, &head);
        let count = 10_000;
        send(&mut sim, client, end.to_owned() + &get("/a").repeat(count));
        assert!(
            sim.buffered_bytes() <= 64 << 10,
            "{head}: {}",
            sim.buffered_bytes()
        );
        finish(&mut sim, index, b"x");
        assert_eq!(text(&mut sim, client), ok("x") + &ok("a").repeat(count));
    }
}

#[test]
fn a_busy_connection_leaves_the_turn_to_others() {
    let config = Config::builder().requests_per_turn_max(10);
    let mut sim = start(config, |_| ());
    let (busy, other) = (sim.connect(), sim.connect());
    sim.run_until_idle();
    sim.send(busy, get("/a").repeat(1000).as_bytes());
    sim.send(other, get("/b").as_bytes());
    sim.turn();
    sim.check();
    // Its share, and its share of the backlog behind everybody else.
    assert_eq!(
        String::from_utf8(sim.received(busy))
            .unwrap()
            .matches("\r\n\r\na")
            .count(),
        20
    );
    assert!(sim.received(other).ends_with(b"b"));
    sim.run_until_idle();
    let rest = String::from_utf8(sim.received(busy)).unwrap();
    assert_eq!(rest.matches("\r\n\r\na").count(), 980);
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn nothing_behind_the_last_request_is_answered() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    let last = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    send(&mut sim, client, last.to_owned() + &get("/b"));
    assert_eq!(text(&mut sim, client), ok_close("a"));
    assert!(sim.is_closed(client));
    assert_eq!(sim.counts().requests, 1);
}

#[test]
fn a_malformed_request_is_refused_behind_the_answers_before_it() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(
        &mut sim,
        client,
        get("/a") + "GET  / HTTP/1.1\r\n\r\n" + &get("/b"),
    );
    assert_eq!(
        text(&mut sim, client),
        ok("a") + &short("400 Bad Request", true)
    );
    assert!(sim.is_closed(client));

    // The same behind an answer that is given later.
    let client = sim.connect();
    send(&mut sim, client, get("/hold") + "GET  / HTTP/1.1\r\n\r\n");
    assert_eq!(text(&mut sim, client), "");
    finish(&mut sim, 0, b"x");
    assert_eq!(
        text(&mut sim, client),
        ok("x") + &short("400 Bad Request", true)
    );
    assert_eq!(sim.counts().protocol_errors, 2);
}

#[test]
fn an_answer_that_is_cut_does_not_take_the_earlier_ones_with_it() {
    let mut wrong = Vec::new();
    for path in ["/close", "/length", "/unanswered"] {
        let mut sim = start(Config::builder(), |app| {
            app.get("/close", |res, _| res.close());
            app.get("/length", |mut res, _| {
                let _ = res.header("Content-Length", b"5").write(b"ab");
                res.end(b"c")
            });
            app.get("/unanswered", |mut res, _| {
                let _ = res.write(b"ab");
                res.more()
            });
        });
        let client = sim.connect();
        send(&mut sim, client, get("/a") + &get("/b") + &get(path));
        assert!(sim.is_closed(client), "{path}");
        let text = text(&mut sim, client);
        if !text.starts_with(&[ok("a"), ok("b")].concat()) {
            wrong.push(format!("{path}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_peer_that_does_not_read_its_answers_is_not_read() {
    let config = Config::builder()
        .head_bytes_max(1024)
        .target_bytes_max(100)
        .pipelined_bytes_max(1024);
    let mut sim = start(config, |app| {
        app.get("/big", |res, _| res.end(&[b'x'; 40_000]));
    });
    let client = sim.connect();
    sim.set_window(client, 5000);
    send(&mut sim, client, get("/big").repeat(100));
    // One answer is over the bound already.
    assert_eq!(sim.counts().requests, 1);
    assert!(
        sim.buffered_bytes() <= 40_000 + 1024,
        "{}",
        sim.buffered_bytes()
    );
    let mut received = Vec::new();
    loop {
        let piece = sim.received(client);
        if piece.is_empty() {
            break;
        }
        received.extend(piece);
        sim.run_until_idle();
        sim.check();
    }
    assert_eq!(
        String::from_utf8(received)
            .unwrap()
            .matches("HTTP/1.1 200 OK")
            .count(),
        100
    );
    assert_eq!((sim.counts().requests, sim.buffered_bytes()), (100, 0));
}
