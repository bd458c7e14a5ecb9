//! Handshakes that are not agreed to, and pages that are kept out.

use std::sync::{Arc, Mutex};

use keirin::testing::Sim;
use keirin::{App, Behaviour, Config, HandshakeError, OriginPolicy};

use crate::support::{answer, config, send, start, start_with};
use crate::upgrade::{ask, has, status};
use crate::wire::{request, request_with};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const KEY_TWICE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What is replaced in a valid request, by what, and the status that this is answered with.
const INVALID: &[(&str, &str, &str)] = &[
    ("Upgrade: websocket\r\n", "", "426"),
    ("Upgrade: websocket", "Upgrade: h2c", "426"),
    ("Upgrade: websocket", "Upgrade: websockets", "426"),
    ("Connection: Upgrade\r\n", "", "400"),
    ("Connection: Upgrade", "Connection: keep-alive", "400"),
    ("Connection: Upgrade", "Connection: upgraded", "400"),
    ("Sec-WebSocket-Version: 13\r\n", "", "426"),
    ("Version: 13", "Version: 8", "426"),
    ("Version: 13", "Version: 013", "426"),
    ("Version: 13", "Version: +13", "426"),
    ("Version: 13", "Version: 13, 8", "426"),
    ("Version: 13", "Version: 130", "426"),
    ("Version: 13", "Version: ", "426"),
    (
        "Version: 13\r\n",
        "Version: 13\r\nSec-WebSocket-Version: 8\r\n",
        "426",
    ),
    (KEY, "", "400"),
    ("dGhlIHNhbXBsZSBub25jZQ==", "", "400"),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", "400"),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", "400"),
    (
        "dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQAA",
        "400",
    ),
    (
        "dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25j*Q==",
        "400",
    ),
    (
        "dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ== x",
        "400",
    ),
    (KEY, KEY_TWICE, "400"),
    (
        "Host: x\r\n",
        "Host: x\r\nOrigin: http://x\r\nOrigin: http://x\r\n",
        "400",
    ),
    (
        "Host: x\r\n",
        "Host: x\r\nSec-WebSocket-Protocol: a b\r\n",
        "400",
    ),
    (
        "Host: x\r\n",
        "Host: x\r\nSec-WebSocket-Protocol: a, a\r\n",
        "400",
    ),
    (
        "Host: x\r\n",
        "Host: x\r\nSec-WebSocket-Protocol: a;b\r\n",
        "400",
    ),
    ("Host: x\r\n", "Host: x\r\nContent-Length: 1\r\n", "400"),
    (
        "Host: x\r\n",
        "Host: x\r\nTransfer-Encoding: chunked\r\n",
        "400",
    ),
    ("GET /ws HTTP/1.1", "GET /ws HTTP/1.0", "400"),
    ("GET ", "POST ", "405"),
    ("GET ", "PUT ", "405"),
    ("GET ", "HEAD ", "405"),
];

#[test]
fn what_is_no_handshake_is_refused() {
    let valid = request("/ws");
    for &(part, instead, expected) in INVALID {
        let mut sim = start(config());
        assert!(valid.contains(part), "{part}");
        let (head, _) = ask(&mut sim, valid.replacen(part, instead, 1));
        assert_eq!(status(&head), expected, "{part} -> {instead}: {head}");
        match expected {
            "426" => {
                assert!(has(&head, "Upgrade: websocket"), "{head}");
                assert!(has(&head, "Sec-WebSocket-Version: 13"), "{head}");
                // RFC 9110 section 7.8: Upgrade goes with its connection option.
                let connection = head.to_ascii_lowercase();
                assert!(connection.contains("\r\nconnection: "), "{head}");
            }
            "405" => assert!(
                head.to_ascii_lowercase().contains("\r\nallow: get"),
                "{head}"
            ),
            _ => {}
        }
        assert_eq!(sim.counts().sockets_opened, 0);
    }
}

#[test]
fn every_error_has_its_name_and_a_connection_goes_on_where_it_can() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        app.any("/name", |mut res, req| {
            let error = req.handshake().expect_err("the tests send none");
            res.cx().state_mut().notes.push(format!("{error:?}"));
            assert_eq!(
                error.status(),
                if error == HandshakeError::Method {
                    405
                } else {
                    426
                }
            );
            res.end(b"ordinary")
        });
    });
    let client = sim.connect();
    send(&mut sim, client, "GET /name HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(answer(&mut sim, client).1, b"ordinary");
    send(
        &mut sim,
        client,
        request("/name").replace("websocket", "h3"),
    );
    assert_eq!(answer(&mut sim, client).1, b"ordinary");
    send(&mut sim, client, request("/name").replace("GET", "DELETE"));
    assert_eq!(answer(&mut sim, client).1, b"ordinary");
    let names = sim.with_cx(|cx| cx.state().notes.clone());
    assert_eq!(names, ["NotAnUpgrade", "Upgrade", "Method"]);
    assert!(!sim.is_closed(client));
}

#[test]
fn pages_of_other_hosts_are_kept_out() {
    let mut sim = start(config());
    let cases = [
        ("", "101"),
        ("Origin: http://x\r\n", "101"),
        ("Origin: https://X\r\n", "101"),
        ("Origin: http://x.evil\r\n", "403"),
        ("Origin: http://evil\r\n", "403"),
        ("Origin: http://x:8080\r\n", "403"),
        ("Origin: null\r\n", "403"),
        ("Origin: \r\n", "403"),
    ];
    for (header, expected) in cases {
        let (head, _) = ask(&mut sim, request_with("/ws", header));
        assert_eq!(status(&head), expected, "{header}");
    }
}

#[test]
fn a_policy_can_be_a_list_or_let_all_in() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        app.get("/policy", |res, req| {
            let handshake = req.handshake().expect("it is one");
            let list = OriginPolicy::List(vec!["https://a.example".into(), "http://b:81".into()]);
            let allowed = [&OriginPolicy::SameHost, &list, &OriginPolicy::Any]
                .map(|policy| handshake.is_allowed(policy));
            res.end(format!("{:?} {allowed:?}", handshake.origin().is_some()).as_bytes())
        });
    });
    let cases = [
        ("", "false [true, true, true]"),
        ("Origin: https://a.example\r\n", "true [false, true, true]"),
        ("Origin: http://a.example\r\n", "true [false, false, true]"),
        (
            "Origin: https://a.example.evil\r\n",
            "true [false, false, true]",
        ),
        ("Origin: http://b:81\r\n", "true [false, true, true]"),
        ("Origin: http://b\r\n", "true [false, false, true]"),
        ("Origin: http://x\r\n", "true [true, false, true]"),
        ("Origin: null\r\n", "true [false, false, true]"),
    ];
    for (header, expected) in cases {
        let (_, body) = ask(&mut sim, request_with("/policy", header));
        assert_eq!(str::from_utf8(&body), Ok(expected), "{header}");
    }
}

#[test]
fn a_426_names_upgrade_as_a_connection_option() {
    // RFC 9110 section 7.8: a sender of Upgrade MUST also send an "Upgrade" connection option.
    let mut sim = start(config());
    let client = sim.connect();
    send(&mut sim, client, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, _) = answer(&mut sim, client);
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    let head = head.to_ascii_lowercase();
    let options = head
        .lines()
        .filter_map(|line| line.strip_prefix("connection: "));
    let named = options
        .flat_map(|line| line.split(','))
        .any(|option| option.trim() == "upgrade");
    assert!(named, "{head}");
}

#[test]
fn sockets_of_another_app_are_refused_and_the_data_is_dropped() {
    let foreign = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&foreign);
    let _other = Sim::new(Config::default(), move |app: &mut App| {
        let sockets = app.behaviour(Behaviour::<Arc<()>>::new());
        *slot.lock().expect("nobody panics") = Some(sockets);
    });
    let sockets = foreign.lock().expect("nobody panics").expect("it is set");
    // Whether there is another kind of that number, of the same data or other, or none.
    for kinds in 0..3 {
        let data = Arc::new(());
        let given = Arc::clone(&data);
        let mut sim = Sim::new(Config::default(), move |app: &mut App| {
            if kinds == 1 {
                let _ = app.behaviour(Behaviour::<u32>::new());
            } else if kinds == 2 {
                let _ = app.behaviour(Behaviour::<Arc<()>>::new());
            }
            let given = Arc::clone(&given);
            app.get("/ws", move |res, req| {
                let handshake = req.handshake().expect("it is one");
                res.upgrade(sockets, handshake, Arc::clone(&given))
            });
        });
        let holders = Arc::strong_count(&data);
        let client = sim.connect();
        sim.send(client, request("/ws").as_bytes());
        sim.run_until_idle();
        let head = String::from_utf8(sim.received(client)).expect("ASCII");
        assert!(head.starts_with("HTTP/1.1 500 "), "{kinds}: {head}");
        assert_eq!(sim.counts().sockets_opened, 0);
        assert_eq!(Arc::strong_count(&data), holders, "{kinds}");
    }
}
