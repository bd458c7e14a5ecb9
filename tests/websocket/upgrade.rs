//! The opening handshake: who is let in, and what the 101 says.

use keirin::{Behaviour, Config};

use crate::support::{
    Worker, World, answer, config, frames, heard, open, recorder, rest, send, start, start_with,
};
use crate::wire::{self, ACCEPT, request, request_with};

/// The answer to a request on a connection of its own.
pub(crate) fn ask(sim: &mut Worker, request: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    let client = sim.connect();
    send(sim, client, request);
    answer(sim, client)
}

pub(crate) fn status(head: &str) -> &str {
    &head["HTTP/1.1 ".len()..][..3]
}

/// Whether the head has this line, in any case.
pub(crate) fn has(head: &str, line: &str) -> bool {
    head.to_ascii_lowercase()
        .contains(&format!("\r\n{line}\r\n").to_ascii_lowercase())
}

#[test]
fn the_answer_is_that_of_the_rfc() {
    let mut sim = start(config());
    let (head, rest) = ask(&mut sim, request("/ws"));
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    assert!(has(&head, "Upgrade: websocket"), "{head}");
    assert!(has(&head, "Connection: Upgrade"), "{head}");
    assert!(
        has(&head, &format!("Sec-WebSocket-Accept: {ACCEPT}")),
        "{head}"
    );
    for absent in [
        "content-length",
        "transfer-encoding",
        "sec-websocket-protocol",
        "extensions",
    ] {
        assert!(!head.to_ascii_lowercase().contains(absent), "{head}");
    }
    assert_eq!(rest, b"");
    assert_eq!(heard(&mut sim, 0), ["open"]);
    let counts = sim.counts();
    assert_eq!((counts.sockets_open, counts.sockets_opened), (1, 1));
    assert_eq!((counts.requests, counts.answers, counts.aborted), (1, 1, 0));
}

#[test]
fn another_key_has_another_answer() {
    let mut sim = start(config());
    // Computed by `openssl dgst -sha1 -binary | base64`.
    let request = request("/ws").replace("dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==");
    let (head, _) = ask(&mut sim, request);
    assert!(
        has(&head, "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        "{head}"
    );
}

#[test]
fn headers_of_the_routes_before_it_go_out_with_the_101() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        let sockets = app.behaviour(recorder(config()));
        app.get("/chat/*", |mut res, _| {
            res.cx().state_mut().notes.push("middleware".to_owned());
            res.header("Set-Cookie", b"session=1");
            res.next()
        });
        app.any("/chat/*", move |mut res, req| {
            res.header("X-Room", b"7").header("Set-Cookie", b"b=2");
            match req.handshake() {
                Ok(handshake) => res.upgrade(sockets, handshake, Default::default()),
                Err(error) => res.refuse_upgrade(error),
            }
        });
    });
    let (head, _) = ask(&mut sim, request("/chat/7"));
    assert_eq!(status(&head), "101");
    for line in ["Set-Cookie: session=1", "X-Room: 7", "Set-Cookie: b=2"] {
        assert!(has(&head, line), "{head}");
    }
    let seen = sim.with_cx(|cx| cx.state().notes.clone());
    assert_eq!(seen, ["middleware"]);
    assert_eq!(heard(&mut sim, 0), ["open"]);
}

#[test]
fn middleware_sees_refused_handshakes_too_and_can_refuse_by_itself() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        app.get("/:any/ws", |mut res, req| {
            if req.header("cookie").is_none() {
                res.status(401);
                return res.end(b"who are you?");
            }
            res.next()
        });
        app.websocket("/*", recorder(config()));
    });
    let (head, body) = ask(&mut sim, request("/x/ws"));
    assert_eq!(
        (status(&head), body.as_slice()),
        ("401", &b"who are you?"[..])
    );
    let (head, _) = ask(&mut sim, request_with("/x/ws", "Cookie: a=b\r\n"));
    assert_eq!(status(&head), "101");
    assert_eq!(sim.counts().sockets_opened, 1);
}

#[test]
fn what_is_written_otherwise_but_valid_is_let_in() {
    let valid = request("/ws");
    let cases = [
        ("Upgrade: websocket", "uPGRADE: WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Upgrade: websocket", "Upgrade: websocket, h2c"),
        ("Connection: Upgrade", "connection: keep-alive, upgrade"),
        ("Connection: Upgrade", "Connection: UPGRADE ,, keep-alive"),
        (
            "Connection: Upgrade",
            "Connection: keep-alive\r\nConnection: Upgrade",
        ),
        ("Host: x\r\n", "Host: x\r\nContent-Length: 0\r\n"),
        (
            "Host: x\r\n",
            "Host: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        ),
        (
            "Host: x\r\n",
            "Host: x\r\nSec-WebSocket-Extensions: foo; bar=1, baz\r\n",
        ),
        ("Version: 13", "Version:   13  "),
        ("ZQ==", "ZQ==  "),
    ];
    for (part, instead) in cases {
        let mut sim = start(config());
        let (head, _) = ask(&mut sim, valid.replacen(part, instead, 1));
        assert_eq!(status(&head), "101", "{part} -> {instead}: {head}");
    }
}

#[test]
fn a_subprotocol_is_chosen_among_those_on_offer_or_none() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        let sockets = app.behaviour(Behaviour::<(), World>::new());
        app.get("/choose", move |mut res, req| {
            let mut handshake = req.handshake().expect("it is one");
            let offered: Vec<_> = handshake.protocols().map(str::to_owned).collect();
            assert!(!handshake.choose("absent"), "it was not on offer");
            let chosen = handshake.choose("chat.v2");
            res.cx()
                .state_mut()
                .notes
                .push(format!("{offered:?} {chosen}"));
            res.upgrade(sockets, handshake, ())
        });
    });
    let cases = [
        (
            "Sec-WebSocket-Protocol: a, chat.v2,b\r\n",
            r#"["a", "chat.v2", "b"] true"#,
            true,
        ),
        (
            "Sec-WebSocket-Protocol: chat.v2\r\n",
            r#"["chat.v2"] true"#,
            true,
        ),
        (
            "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: chat.v2\r\n",
            r#"["a", "chat.v2"] true"#,
            true,
        ),
        ("Sec-WebSocket-Protocol: a\r\n", r#"["a"] false"#, false),
        (
            "Sec-WebSocket-Protocol: CHAT.V2\r\n",
            r#"["CHAT.V2"] false"#,
            false,
        ),
        ("", "[] false", false),
    ];
    for (headers, expected, chosen) in cases {
        let (head, _) = ask(&mut sim, request_with("/choose", headers));
        assert_eq!(status(&head), "101");
        assert_eq!(
            has(&head, "Sec-WebSocket-Protocol: chat.v2"),
            chosen,
            "{head}"
        );
        let lines = head
            .to_ascii_lowercase()
            .matches("sec-websocket-protocol")
            .count();
        assert_eq!(lines, usize::from(chosen));
        let note = sim.with_cx(|cx| cx.state_mut().notes.pop());
        assert_eq!(note.as_deref(), Some(expected));
    }
}

#[test]
fn a_connection_that_was_used_for_http_can_be_upgraded() {
    let mut sim = start(config());
    let client = sim.connect();
    for _ in 0..2 {
        send(&mut sim, client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(answer(&mut sim, client).1, b"a");
    }
    send(&mut sim, client, request("/ws"));
    assert_eq!(status(&answer(&mut sim, client).0), "101");
    send(&mut sim, client, wire::text("hi"));
    assert_eq!(heard(&mut sim, 0), ["open", "text hi"]);
}

#[test]
fn requests_in_front_of_it_in_the_same_packet_are_answered_first() {
    let mut sim = start(config());
    let client = sim.connect();
    let packet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2) + &request("/ws");
    let bytes = [packet.as_bytes(), &wire::text("hi")].concat();
    send(&mut sim, client, bytes);
    let all = sim.received(client);
    let all = String::from_utf8(all).expect("ASCII");
    let statuses: Vec<_> = all
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &all[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "200", "101"]);
    assert_eq!(heard(&mut sim, 0), ["open", "text hi"]);
}

#[test]
fn a_slot_is_used_again_for_other_sockets() {
    let mut sim = start(config());
    for index in 0..10 {
        let client = open(&mut sim);
        assert_eq!(heard(&mut sim, index), ["open"]);
        sim.finish(client);
        rest(&mut sim);
        assert_eq!(heard(&mut sim, index), ["closed PeerLeft 1006"]);
        assert_eq!(frames(&mut sim, client), [""; 0]);
        assert!(sim.is_freed(client));
    }
    assert_eq!(sim.counts().sockets_opened, 10);
    assert_eq!(
        (sim.counts().sockets_open, sim.counts().connections_open),
        (0, 0)
    );
}
