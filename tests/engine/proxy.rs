//! The PROXY head in front of a connection: whole and in pieces, and what is wrong with it.

use keirin::testing::Client;
use keirin::{Behaviour, Config, ConfigBuilder, Level, Misuse, ProxyProtocol};

use crate::support::{
    Worker, World, ask, finish, get, note, ok, send, short, start, take_log, text,
};

/// 192.0.2.1:12345 by way of 198.51.100.2:80.
const FOUR: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x30\x39\0\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const LINE: &[u8] = b"PROXY TCP6 2001:db8::1 ::1 4000 80\r\n";

/// A worker whose `/who` says whose the connection is.
fn worker(config: ConfigBuilder) -> Worker {
    start(config, |app| {
        app.get("/who", |mut res, req| {
            let id = res.id().connection();
            assert_eq!(res.cx().proxied_address(id), req.proxied_address());
            assert_eq!(req.to_owned().proxied_address, req.proxied_address());
            assert_eq!(req.peer_address().unwrap().to_string(), "127.0.0.1:12345");
            let who = req.proxied_address().map(|address| address.to_string());
            res.end(who.unwrap_or_default().as_bytes())
        });
        app.websocket(
            "/ws",
            Behaviour::<(), World>::new()
                .on_open(|ws| {
                    let line = format!("{:?}", ws.proxied_address());
                    ws.cx().state_mut().log.push(line);
                })
                .on_close(|ws, _| {
                    let line = format!("{:?}", ws.proxied_address());
                    ws.cx().state_mut().log.push(line);
                }),
        );
        app.get("/later", |mut res, req| {
            note(&mut res, format!("{:?}", req.proxied_address()));
            crate::support::hold(res)
        });
    })
}

fn config(protocol: ProxyProtocol) -> ConfigBuilder {
    Config::builder()
        .proxy_protocol(protocol)
        .head_timeout_ms(1000)
        .keep_alive_timeout_ms(5000)
}

const ACCEPTED: ProxyProtocol = ProxyProtocol::Accepted;
const REQUIRED: ProxyProtocol = ProxyProtocol::Required;

fn is_dropped(sim: &mut Worker, client: Client, reason: &str) {
    assert!(sim.is_freed(client), "{reason}");
    assert_eq!(text(sim, client), "", "nothing is answered: {reason}");
    assert_eq!((sim.counts().proxy_errors, sim.counts().requests), (1, 0));
    let records = sim.records();
    assert_eq!(records.len(), 1, "{reason}");
    assert_eq!(records[0].level, Level::Info);
    let message = format!("dropped a connection: the PROXY head {reason}");
    assert_eq!(records[0].message, message);
    sim.check();
}

#[test]
fn every_request_of_a_connection_knows_whose_it_is_however_the_head_comes() {
    for protocol in [ACCEPTED, REQUIRED] {
        for (head, who) in [
            (FOUR, "192.0.2.1:12345"),
            (LINE, "[2001:db8::1]:4000"),
            (LOCAL, ""),
        ] {
            for size in [1, 2, 7, 1000] {
                let mut sim = worker(config(protocol));
                let client = sim.connect();
                for piece in [head, get("/who").as_bytes()].concat().chunks(size) {
                    send(&mut sim, client, piece);
                }
                assert_eq!(text(&mut sim, client), ok(who));
                assert_eq!(
                    ask(&mut sim, client, get("/who")),
                    ok(who),
                    "the second one"
                );
                assert_eq!(sim.counts().proxy_errors, 0);
                sim.finish(client);
                sim.run_until_idle();
                sim.check();
                assert!(sim.is_freed(client));
            }
        }
    }
}

#[test]
fn without_a_head_a_connection_is_served_only_where_none_is_required() {
    // Empty lines, and a method that begins like a head, among them.
    for (before, size) in [("", 1), ("\r\n", 1), ("\r\n\r\n", 3), ("\r\n\r\n\r\n", 100)] {
        let mut sim = worker(config(ACCEPTED));
        let client = sim.connect();
        for piece in (before.to_owned() + &get("/who")).into_bytes().chunks(size) {
            send(&mut sim, client, piece);
        }
        assert_eq!(text(&mut sim, client), ok(""), "{before:?}");
    }
    let mut sim = worker(config(ACCEPTED));
    let client = sim.connect();
    let answer = ask(&mut sim, client, "PROXY /who HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(
        answer,
        short("501 Not Implemented", false),
        "a method like any other"
    );

    let mut sim = worker(config(REQUIRED));
    let client = sim.connect();
    send(&mut sim, client, "G");
    is_dropped(&mut sim, client, "is absent");
}

#[test]
fn a_head_is_accepted_once_and_not_at_all_where_it_is_off() {
    let mut sim = worker(config(REQUIRED));
    let client = sim.connect();
    send(&mut sim, client, FOUR);
    assert_eq!(ask(&mut sim, client, get("/who")), ok("192.0.2.1:12345"));
    assert!(ask(&mut sim, client, LINE).starts_with("HTTP/1.1 400 "));

    for head in [FOUR, LINE] {
        let mut sim = worker(Config::builder());
        let client = sim.connect();
        let answer = ask(&mut sim, client, [head, get("/who").as_bytes()].concat());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(sim.counts().proxy_errors, 0);
    }
}

#[test]
fn malformed_heads_are_dropped_counted_and_logged() {
    let mut command = FOUR.to_vec();
    command[12] = 0x22;
    let mut short = FOUR.to_vec();
    short[15] = 11;
    let too_long = |length: u16| {
        let mut bytes = FOUR[..14].to_vec();
        bytes[13] = 0;
        bytes.extend(length.to_be_bytes());
        bytes.resize(16 + usize::from(length), 0);
        bytes
    };
    for protocol in [ACCEPTED, REQUIRED] {
        for (head, reason) in [
            (&command[..], "has an unknown command"),
            (&short, "is too short for its addresses"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 80\r\n", "is a malformed line"),
            (&too_long(256 - 16 + 1), "is too long"),
        ] {
            let mut sim = worker(config(protocol).head_bytes_max(256).target_bytes_max(256));
            let client = sim.connect();
            sim.send(client, &[head, get("/who").as_bytes()].concat());
            sim.run_until_idle();
            is_dropped(&mut sim, client, reason);
        }
        let mut sim = worker(config(protocol).head_bytes_max(256).target_bytes_max(256));
        let client = sim.connect();
        send(&mut sim, client, too_long(256 - 16));
        assert_eq!(ask(&mut sim, client, get("/who")), ok(""), "the longest");
    }
}

#[test]
fn a_head_that_drips_has_an_absolute_deadline_and_silence_is_idling() {
    for protocol in [ACCEPTED, REQUIRED] {
        let mut sim = worker(config(protocol));
        let (client, silent) = (sim.connect(), sim.connect());
        sim.run_until_idle();
        sim.advance_ms(500);
        for byte in &FOUR[..10] {
            send(&mut sim, client, [*byte]);
            sim.advance_ms(99);
        }
        sim.advance_ms(9);
        assert!(!sim.is_closed(client));
        sim.advance_ms(1);
        is_dropped(&mut sim, client, "took too long");
        sim.advance_ms(3499);
        assert!(!sim.is_closed(silent));
        sim.advance_ms(1);
        assert!(sim.is_freed(silent) || sim.is_closed(silent));
        assert_eq!(sim.counts().idle_timeouts, 1);

        // In time, the request's head has its own.
        let client = sim.connect();
        send(&mut sim, client, &FOUR[..27]);
        sim.advance_ms(999);
        send(&mut sim, client, &FOUR[27..]);
        sim.advance_ms(999);
        send(&mut sim, client, &get("/who")[..5]);
        sim.advance_ms(999);
        assert_eq!(
            ask(&mut sim, client, &get("/who")[5..]),
            ok("192.0.2.1:12345")
        );
    }
}

#[test]
fn answers_of_later_and_sockets_know_it_too() {
    let mut sim = worker(config(REQUIRED));
    let client = sim.connect();
    send(&mut sim, client, [FOUR, get("/later").as_bytes()].concat());
    let id = sim.with_cx(|cx| cx.state().ids[0].connection());
    let who = "Some(192.0.2.1:12345)";
    assert_eq!(
        sim.with_cx(|cx| format!("{:?}", cx.proxied_address(id))),
        who
    );
    finish(&mut sim, 0, b"later");
    assert_eq!(text(&mut sim, client), ok("later"));
    let head = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    assert!(ask(&mut sim, client, head).starts_with("HTTP/1.1 101 "));
    sim.finish(client);
    sim.run_until_idle();
    sim.check();
    assert_eq!(take_log(&mut sim), [who, who, who]);
    assert_eq!(sim.with_cx(|cx| cx.proxied_address(id)), None);
    assert_eq!(
        sim.with_cx(|cx| cx.close_connection(id)),
        Err(Misuse::Stale)
    );
}

#[test]
fn a_stop_does_not_wait_for_a_head_and_serves_what_is_there() {
    let mut sim = worker(config(REQUIRED));
    let clients: Vec<_> = (0..3).map(|_| sim.connect()).collect();
    sim.run_until_idle();
    send(&mut sim, clients[1], &FOUR[..5]);
    sim.send(clients[2], &[FOUR, get("/who").as_bytes()].concat());
    sim.stop(60_000);
    sim.advance_ms(2000);
    assert!(sim.is_stopped());
    let answer =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 15\r\n\r\n192.0.2.1:12345";
    assert_eq!(text(&mut sim, clients[2]), answer);
    assert_eq!(text(&mut sim, clients[0]) + &text(&mut sim, clients[1]), "");
}
