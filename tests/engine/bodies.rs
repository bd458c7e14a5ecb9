//! Request bodies: who reads them, how much, and what becomes of the rest.

use keirin::{Config, Reply, Response};

use crate::support::{
    World, ask, chunked, finish, get, hold, note, ok, ok_close, post, send, short, start, take_log,
    text,
};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn expecting(target: &str, length: usize) -> String {
    post(target, length).replace("Host: x", "Host: x\r\nExpect: 100-continue")
}

/// Answers with what was read.
fn echo(res: Response<'_, World>, bytes_max: usize) -> Reply {
    res.collect_body(bytes_max, |res, body| res.end(&body))
}

/// Notes every piece, and answers behind the last one.
fn pieces(res: Response<'_, World>) -> Reply {
    res.stream_body(|mut res, piece, last| {
        note(&mut res, format!("{} {last}", piece.escape_ascii()));
        if last { res.end(b"read") } else { res.more() }
    })
}

#[test]
fn an_unread_body_stays_in_the_kernel_until_somebody_asks() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/hold", |res, _| hold(res));
    });
    let client = sim.connect();
    let body: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    send(
        &mut sim,
        client,
        [post("/hold", body.len()).as_bytes(), &body].concat(),
    );
    assert!(sim.buffered_bytes() <= 64 << 10, "{}", sim.buffered_bytes());
    sim.advance_ms(60_000);
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        let res = cx.response(id).expect("no time is up while nobody reads");
        let _ = res.collect_body(1 << 20, move |res, found| {
            assert_eq!(found.len(), body.len());
            assert!(found == body, "other bytes");
            res.end(b"same")
        });
    });
    sim.run_until_idle();
    sim.check();
    assert_eq!(text(&mut sim, client), ok("same"));
    assert_eq!(sim.buffered_bytes(), 0);
    assert_eq!(ask(&mut sim, client, get("/a")), ok("a"));
}

#[test]
fn a_streamed_body_comes_piece_by_piece() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |res, _| pieces(res));
    });
    let client = sim.connect();
    send(&mut sim, client, post("/", 6) + "ab");
    send(&mut sim, client, "cd");
    send(&mut sim, client, "ef".to_owned() + &get("/a"));
    assert_eq!(take_log(&mut sim), ["ab false", "cd false", "ef true"]);
    assert_eq!(text(&mut sim, client), ok("read") + &ok("a"));

    send(&mut sim, client, chunked("/") + "2\r\nab\r\n3\r\nc");
    send(&mut sim, client, "de\r\n");
    send(&mut sim, client, "0\r\nTrailer: x\r\n\r\n");
    assert_eq!(
        take_log(&mut sim),
        ["ab false", "c false", "de false", " true"]
    );
    assert_eq!(text(&mut sim, client), ok("read"));

    // None at all is one empty piece.
    send(&mut sim, client, post("/", 0));
    assert_eq!(take_log(&mut sim), [" true"]);
    assert_eq!(text(&mut sim, client), ok("read"));
}

#[test]
fn a_paused_body_waits_for_resume() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |mut res, _| {
            let id = res.id();
            res.cx().state_mut().ids.push(id);
            res.stream_body(|mut res, piece, last| {
                note(&mut res, format!("{} {last}", piece.escape_ascii()));
                if last {
                    return res.end(b"read");
                }
                res.pause();
                res.more()
            })
        });
    });
    let client = sim.connect();
    send(&mut sim, client, post("/", 6) + "ab");
    send(&mut sim, client, "cd");
    send(&mut sim, client, "ef");
    // A pause is nobody's slowness.
    sim.advance_ms(60_000);
    assert_eq!(take_log(&mut sim), ["ab false"]);
    assert_eq!(text(&mut sim, client), "");
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        cx.response(id).unwrap().resume();
    });
    sim.run_until_idle();
    assert_eq!(take_log(&mut sim), ["cdef true"]);
    assert_eq!(text(&mut sim, client), ok("read"));
}

#[test]
fn a_reader_that_neither_answers_nor_wants_more_is_answered_for() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |res, _| res.stream_body(|res, _, _| res.next()));
    });
    let client = sim.connect();
    send(&mut sim, client, post("/", 4) + "ab");
    assert_eq!(
        text(&mut sim, client),
        short("500 Internal Server Error", false)
    );
    assert_eq!(sim.counts().misuse_unanswered, 1);
    assert_eq!(ask(&mut sim, client, "cd".to_owned() + &get("/a")), ok("a"));
}

#[test]
fn only_a_reader_sends_100_continue_and_only_once() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/read", |res, _| echo(res, 10));
        app.post("/unread", |res, _| res.end(b"no"));
        app.post("/hold", |res, _| hold(res));
        app.post("/ask", |mut res, _| {
            res.status(201).header("X-Kept", b"x");
            res.write_continue().write_continue();
            res.collect_body(10, |res, body| res.end(&body))
        });
        app.post("/stream", |res, _| pieces(res));
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, expecting("/read", 4)), CONTINUE);
    assert_eq!(ask(&mut sim, client, "body"), ok("body"));
    assert_eq!(ask(&mut sim, client, expecting("/stream", 4)), CONTINUE);
    assert_eq!(ask(&mut sim, client, "body"), ok("read"));
    assert_eq!(ask(&mut sim, client, expecting("/ask", 4)), CONTINUE);
    let answer = "HTTP/1.1 201 Created\r\nX-Kept: x\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(ask(&mut sim, client, "body"), answer);

    // Who is kept waiting is told when somebody reads.
    assert_eq!(ask(&mut sim, client, expecting("/hold", 4)), "");
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        let _ = echo(cx.response(id).unwrap(), 10);
    });
    sim.run_until_idle();
    assert_eq!(text(&mut sim, client), CONTINUE);
    assert_eq!(ask(&mut sim, client, "body"), ok("body"));

    // The final answer comes first: whether the body follows nobody can know, so this is the end.
    assert_eq!(
        ask(&mut sim, client, expecting("/unread", 4)),
        ok_close("no")
    );
    assert!(sim.is_closed(client));
    // Nor is anybody told to send what would be refused.
    let client = sim.connect();
    let refusal = short("413 Content Too Large", true);
    assert_eq!(ask(&mut sim, client, expecting("/read", 11)), refusal);
}

#[test]
fn a_body_over_the_limit_is_refused_before_the_handler_and_before_it_is_read() {
    let config = Config::builder().body_bytes_max(10);
    let mut sim = start(config, |app| {
        app.post("/", |mut res, _| {
            note(&mut res, "handler");
            echo(res, 100)
        });
    });
    let client = sim.connect();
    assert_eq!(
        ask(&mut sim, client, post("/", 10) + "0123456789"),
        ok("0123456789")
    );
    assert_eq!(
        ask(&mut sim, client, post("/", 11)),
        short("413 Content Too Large", true)
    );
    assert!(sim.is_closed(client));
    assert_eq!(take_log(&mut sim), ["handler"]);
    assert_eq!(
        (sim.counts().requests, sim.counts().protocol_errors),
        (1, 1)
    );
    assert_eq!(sim.counts().aborted, 0, "no handler had this request");

    // In chunks it is found out when it gets there.
    let client = sim.connect();
    let exact = chunked("/") + "a\r\n0123456789\r\n0\r\n\r\n";
    assert_eq!(ask(&mut sim, client, exact), ok("0123456789"));
    let over = chunked("/") + "5\r\n01234\r\n6\r\n";
    assert_eq!(
        ask(&mut sim, client, over),
        short("413 Content Too Large", true)
    );
}

#[test]
fn collecting_has_a_limit_of_its_own() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |mut res, _| {
            res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
            echo(res, 4)
        });
    });
    let refusal = short("413 Content Too Large", true);
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, post("/", 4) + "1234"), ok("1234"));
    let exact = chunked("/") + "2\r\n12\r\n2\r\n34\r\n0\r\n\r\n";
    assert_eq!(ask(&mut sim, client, exact), ok("1234"));
    assert_eq!(take_log(&mut sim), [""; 0]);
    assert_eq!(ask(&mut sim, client, post("/", 5)), refusal);
    assert!(sim.is_closed(client));
    assert_eq!(take_log(&mut sim), ["aborted"]);
    let client = sim.connect();
    let over = chunked("/") + "2\r\n12\r\n3\r\n345\r\n";
    assert_eq!(ask(&mut sim, client, over), refusal);
    assert_eq!(take_log(&mut sim), ["aborted"]);
    assert_eq!((sim.counts().aborted, sim.counts().protocol_errors), (2, 2));
}

#[test]
fn a_little_unread_body_is_dropped_and_a_long_one_ends_the_connection() {
    let config = Config::builder().discard_bytes_max(100);
    let mut sim = start(config, |app| {
        app.post("/", |res, _| res.end(b"unread"));
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, post("/", 100)), ok("unread"));
    assert_eq!(ask(&mut sim, client, "x".repeat(60)), "");
    assert_eq!(ask(&mut sim, client, "x".repeat(40) + &get("/a")), ok("a"));
    assert_eq!(ask(&mut sim, client, post("/", 101)), ok_close("unread"));
    assert!(sim.is_closed(client));

    let client = sim.connect();
    let head = chunked("/") + "32\r\n" + &"x".repeat(50) + "\r\n";
    assert_eq!(ask(&mut sim, client, &head), ok("unread"));
    let rest = "32\r\n".to_owned() + &"x".repeat(50) + "\r\n0\r\n\r\n";
    assert_eq!(ask(&mut sim, client, rest + &get("/a")), ok("a"));
    assert_eq!(ask(&mut sim, client, head), ok("unread"));
    let rest = "33\r\n".to_owned() + &"x".repeat(51) + "\r\n0\r\n\r\n";
    assert_eq!(ask(&mut sim, client, rest + &get("/a")), "");
    assert!(sim.is_closed(client));
}

#[test]
fn the_limit_of_what_is_dropped_holds_however_long_it_takes() {
    let config = Config::builder()
        .discard_bytes_max(100_000)
        .body_window_ms(1000);
    let mut sim = start(config, |app| {
        app.post("/", |res, _| res.end(b"unread"));
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, chunked("/")), ok("unread"));
    let chunk = "ea60\r\n".to_owned() + &"x".repeat(60_000) + "\r\n";
    send(&mut sim, client, &chunk);
    assert!(!sim.is_closed(client));
    sim.advance_ms(1001);
    assert!(!sim.is_closed(client), "it came fast enough");
    send(&mut sim, client, &chunk);
    assert!(sim.is_closed(client), "120,000 bytes were dropped");
}

#[test]
fn what_is_wrong_with_an_unread_body_does_not_take_the_answer_back() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |res, _| res.end(b"unread"));
    });
    // In one piece with the head, and behind the answer.
    let client = sim.connect();
    send(&mut sim, client, chunked("/") + "zz\r\n");
    assert_eq!(text(&mut sim, client), ok("unread"));
    assert!(sim.is_closed(client));
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, chunked("/")), ok("unread"));
    assert_eq!(ask(&mut sim, client, "zz\r\n"), "");
    assert!(sim.is_closed(client));
}

#[test]
fn a_malformed_body_is_refused_while_the_answer_is_open_and_cut_once_it_has_begun() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/open", |mut res, _| {
            res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
            res.header("X-Lost", b"x");
            pieces(res)
        });
        app.post("/begun", |mut res, _| {
            res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
            let _ = res.write(b"begun");
            pieces(res)
        });
    });
    let client = sim.connect();
    let bad = "2\r\nab\r\nzz\r\n";
    assert_eq!(
        ask(&mut sim, client, chunked("/open") + bad),
        short("400 Bad Request", true)
    );
    assert_eq!(take_log(&mut sim), ["ab false", "aborted"]);
    let client = sim.connect();
    let begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n";
    assert_eq!(ask(&mut sim, client, chunked("/begun")), begun);
    assert_eq!(ask(&mut sim, client, bad), "");
    assert!(sim.is_freed(client));
    assert_eq!(take_log(&mut sim), ["ab false", "aborted"]);
}

#[test]
fn an_answer_may_be_given_while_the_body_is_being_read() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |mut res, _| {
            let id = res.id();
            res.cx().state_mut().ids.push(id);
            pieces(res)
        });
    });
    let client = sim.connect();
    send(&mut sim, client, post("/", 4) + "ab");
    finish(&mut sim, 0, b"early");
    assert_eq!(text(&mut sim, client), ok("early"));
    assert_eq!(ask(&mut sim, client, "cd".to_owned() + &get("/a")), ok("a"));
    assert_eq!(take_log(&mut sim), ["ab false"]);
}

#[test]
fn a_request_behind_an_empty_body_that_is_read_late_is_served() {
    let mut sim = start(Config::builder(), |_| {});
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    // It comes while the answer is pending, and its news is spent on that.
    send(&mut sim, client, get("/b"));
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        echo(cx.response(id).unwrap(), 10);
    });
    sim.run_until_idle();
    assert_eq!(text(&mut sim, client), ok("") + &ok("b"));
    sim.check();
}

#[test]
fn a_body_that_is_paused_before_it_has_a_reader_stays_paused() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/", |mut res, _| {
            let id = res.id();
            res.pause().cx().state_mut().ids.push(id);
            echo(res, 10)
        });
    });
    let client = sim.connect();
    send(&mut sim, client, post("/", 4) + "body");
    assert_eq!(text(&mut sim, client), "");
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        cx.response(id).unwrap().resume();
    });
    sim.run_until_idle();
    assert_eq!(text(&mut sim, client), ok("body"));
}
