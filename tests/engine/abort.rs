//! Peers that leave.

use keirin::{Config, Misuse};

use crate::support::{
    ask, chunked, finish, get, hold, ok, post, send, start, take_log, text, without_dates,
};

#[test]
fn a_reset_calls_every_abort_handler_once_and_in_order() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/three", |mut res, _| {
            let id = res.id();
            res.cx().state_mut().ids.push(id);
            for name in ["one", "two"] {
                res.on_aborted(move |cx| {
                    let stale = cx.response(id).err() == Some(Misuse::Stale);
                    cx.state_mut().log.push(format!("{name} {stale}"));
                });
            }
            res.detach(|cx| cx.state_mut().log.push("three".to_owned()))
                .1
        });
    });
    let (client, other) = (sim.connect(), sim.connect());
    send(&mut sim, client, get("/three"));
    send(&mut sim, other, get("/hold"));
    sim.reset(client);
    sim.run_until_idle();
    sim.check();
    assert_eq!(take_log(&mut sim), ["one true", "two true", "three"]);
    assert!(sim.is_freed(client));
    assert_eq!((sim.counts().aborted, sim.counts().answers), (1, 0));
    finish(&mut sim, 1, b"other");
    assert_eq!(text(&mut sim, other), ok("other"));
    assert_eq!(take_log(&mut sim), [""; 0]);
}

#[test]
fn a_peer_that_has_closed_its_side_counts_as_gone() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    sim.finish(client);
    sim.run_until_idle();
    sim.check();
    assert!(sim.is_freed(client));
    assert_eq!(take_log(&mut sim), ["aborted"]);
    // The same when it does so together with its request.
    let client = sim.connect();
    sim.run_until_idle();
    sim.send(client, get("/hold").as_bytes());
    sim.finish(client);
    sim.run_until_idle();
    sim.check();
    assert!(sim.is_freed(client));
    assert_eq!(
        (take_log(&mut sim), sim.counts().aborted),
        (vec!["aborted".to_owned()], 2)
    );
}

#[test]
fn with_half_close_a_request_that_is_cut_off_takes_no_earlier_answer_with_it() {
    let begun = chunked("/body");
    for cut_off in [
        post("/body", 5) + "only",
        begun.clone(),
        begun + "4\r\nonly\r\n",
    ] {
        for (window, config) in [
            (usize::MAX, Config::builder()),
            (30, Config::builder()),
            (30, Config::builder().access_log(true)),
        ] {
            let mut sim = start(config.half_close(true), |app| {
                app.post("/body", |mut res, _| {
                    res.header("X-Open", b"it is not sent");
                    res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
                    res.collect_body(100, |res, _| res.end(b"never"))
                });
            });
            let client = sim.connect();
            sim.set_window(client, window);
            sim.run_until_idle();
            sim.send(client, (get("/a") + &get("/b") + &cut_off).as_bytes());
            sim.finish(client);
            let mut received = Vec::new();
            for _ in 0..100 {
                sim.run_until_idle();
                sim.check();
                received.extend(sim.received(client));
            }
            let received = without_dates(str::from_utf8(&received).expect("ASCII"));
            assert_eq!(received, ok("a") + &ok("b"), "{cut_off:?} {window}");
            assert!(sim.is_freed(client));
            assert_eq!(take_log(&mut sim), ["aborted"]);
            assert_eq!((sim.counts().aborted, sim.counts().answers), (1, 2));
        }
    }
}

#[test]
fn with_half_close_it_still_gets_its_answers() {
    let mut sim = start(Config::builder().half_close(true), |app| {
        app.post("/", |res, _| res.collect_body(100, |res, _| hold(res)));
    });
    let client = sim.connect();
    sim.run_until_idle();
    sim.send(
        client,
        (get("/hold") + &get("/a") + &post("/", 4) + "body").as_bytes(),
    );
    sim.finish(client);
    sim.run_until_idle();
    sim.check();
    finish(&mut sim, 0, b"x");
    assert_eq!(text(&mut sim, client), ok("x") + &ok("a"));
    assert!(!sim.is_closed(client));
    finish(&mut sim, 1, b"y");
    assert_eq!(text(&mut sim, client), ok("y"));
    assert!(sim.is_freed(client), "there is nothing to linger for");
    assert_eq!((take_log(&mut sim), sim.counts().aborted), (vec![], 0));
}

#[test]
fn with_half_close_a_reset_is_still_an_abort() {
    let mut sim = start(Config::builder().half_close(true), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    sim.reset(client);
    sim.run_until_idle();
    assert_eq!(take_log(&mut sim), ["aborted"]);
    assert!(sim.is_freed(client));
}

#[test]
fn an_answer_that_is_given_at_once_reaches_a_peer_that_closed_with_its_request() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    sim.run_until_idle();
    sim.send(client, (get("/a") + &get("/b")).as_bytes());
    sim.finish(client);
    sim.run_until_idle();
    sim.check();
    assert_eq!(text(&mut sim, client), ok("a") + &ok("b"));
    assert!(sim.is_freed(client));
    // And one that was all of that before it was accepted.
    let client = sim.connect();
    sim.send(client, get("/a").as_bytes());
    sim.finish(client);
    sim.run_until_idle();
    assert_eq!(text(&mut sim, client), ok("a"));
    assert!(sim.is_freed(client));
    assert_eq!(sim.counts().aborted, 0);
}

#[test]
fn the_end_within_a_head_or_between_requests_is_closed_without_a_word() {
    let mut sim = start(Config::builder(), |_| ());
    for text_before in ["", "GET / HT"] {
        let client = sim.connect();
        send(&mut sim, client, text_before);
        sim.finish(client);
        sim.run_until_idle();
        sim.check();
        assert_eq!(text(&mut sim, client), "");
        assert!(sim.is_freed(client), "{text_before:?}");
    }
    assert_eq!((sim.counts().aborted, sim.counts().protocol_errors), (0, 0));
}

#[test]
fn the_end_within_a_body_aborts_the_answer_with_half_close_as_well() {
    for half_close in [false, true] {
        let mut sim = start(Config::builder().half_close(half_close), |app| {
            app.post("/", |mut res, _| {
                res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
                res.collect_body(100, |_, _| panic!("the body is not complete"))
            });
        });
        let client = sim.connect();
        send(&mut sim, client, post("/", 4) + "bo");
        sim.finish(client);
        sim.run_until_idle();
        sim.check();
        assert!(sim.is_freed(client));
        assert_eq!(text(&mut sim, client), "");
        assert_eq!(take_log(&mut sim), ["aborted"]);
        assert_eq!((sim.counts().aborted, sim.counts().panics), (1, 0));
    }
}

#[test]
fn a_peer_that_leaves_after_its_answer_aborts_nothing() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    finish(&mut sim, 0, b"x");
    assert_eq!(ask(&mut sim, client, get("/a")), ok("x") + &ok("a"));
    sim.reset(client);
    sim.run_until_idle();
    assert!(sim.is_freed(client));
    assert_eq!((take_log(&mut sim), sim.counts().aborted), (vec![], 0));
}

#[test]
fn a_reset_while_the_answer_waits_for_a_slow_reader_frees_its_memory() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/big", |res, _| res.end(&[b'x'; 100_000]));
    });
    let client = sim.connect();
    sim.set_window(client, 10);
    send(&mut sim, client, get("/big"));
    assert!(sim.buffered_bytes() > 90_000);
    sim.reset(client);
    sim.run_until_idle();
    sim.check();
    assert!(sim.is_freed(client));
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn a_handler_may_close_without_an_answer() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/close", |mut res, _| {
            res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
            res.status(201).header("X-Never", b"x");
            res.close()
        });
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, get("/close")), "");
    assert!(sim.is_freed(client));
    assert_eq!(
        (take_log(&mut sim), sim.counts().aborted),
        (vec!["aborted".to_owned()], 1)
    );
}

#[test]
fn every_request_before_the_end_is_answered_however_many_turns_it_takes() {
    let mut sim = start(Config::builder().requests_per_turn_max(10), |_| ());
    let client = sim.connect();
    sim.run_until_idle();
    sim.send(client, get("/a").repeat(100).as_bytes());
    sim.finish(client);
    sim.run_until_idle();
    sim.check();
    assert_eq!(sim.counts().requests, 100);
    assert_eq!(text(&mut sim, client), ok("a").repeat(100));
    assert!(sim.is_freed(client));
}

#[test]
fn with_half_close_a_connection_ends_when_the_last_answer_has_been_read() {
    let mut sim = start(Config::builder().half_close(true), |app| {
        app.get("/large", |res, _| res.end(&vec![b'x'; 1 << 20]));
    });
    let client = sim.connect();
    sim.run_until_idle();
    sim.set_window(client, 100_000);
    send(&mut sim, client, get("/hold") + &get("/large"));
    sim.finish(client);
    sim.run_until_idle();
    finish(&mut sim, 0, b"held");
    let mut bytes = 0;
    for _ in 0..100 {
        sim.run_until_idle();
        bytes += sim.received(client).len();
    }
    assert!(bytes > 1 << 20, "{bytes} arrived");
    assert!(sim.is_freed(client));
}
