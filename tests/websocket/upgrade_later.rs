//! Upgrades that come late, do not come, or find somebody in the way; and what the client has sent
//! behind its request meanwhile.

use std::time::Duration;

use keirin::testing::{Client, Sim};
use keirin::{App, Behaviour, Config, Handshake, Misuse, ResponseId, Sockets};

use crate::support::{
    Recorder, Worker, World, answer, assert_gone, config, frames, heard, notes, recorder, rest,
    send, split_head, start, start_with,
};
use crate::wire::{self, request, request_with};

/// Routes that keep a handshake for later: `/hold` waits for
/// [`decide`].
fn later(app: &mut App<World>) {
    let sockets = app.behaviour(recorder(config()));
    app.get("/hold", move |mut res, req| {
        let handshake = req.handshake().expect("the tests send valid ones");
        res.header("Set-Cookie", b"late=1");
        let (id, reply) = res.detach(|cx| cx.state_mut().notes.push("aborted".to_owned()));
        PENDING.with_borrow_mut(|pending| pending.push((id, handshake, sockets)));
        reply
    });
}

thread_local! {
    // A handshake is owned by whoever decides on it; the test's thread is the worker's.
    static PENDING: std::cell::RefCell<Vec<(ResponseId, Handshake, Sockets<Recorder>)>> =
        const { std::cell::RefCell::new(Vec::new()) };
}

fn pending() -> (ResponseId, Handshake, Sockets<Recorder>) {
    PENDING.with_borrow_mut(|pending| pending.remove(0))
}

/// A client whose handshake waits.
fn held(packet: &[u8]) -> (Worker, Client) {
    let mut sim = start_with(Config::builder(), config(), later);
    let client = sim.connect();
    send(&mut sim, client, packet);
    assert_eq!(sim.received(client), b"");
    (sim, client)
}

/// Upgrades what waits from outside any callback.
fn decide(sim: &mut Worker) -> Result<(), Misuse> {
    let (id, handshake, sockets) = pending();
    let result = sim.with_cx(|cx| {
        cx.response(id).map(|res| {
            let _ = res.upgrade(sockets, handshake, Recorder::default());
        })
    });
    rest(sim);
    result
}

#[test]
fn a_timer_can_upgrade() {
    let (mut sim, client) = held(request("/hold").as_bytes());
    sim.with_cx(|cx| {
        let (id, handshake, sockets) = pending();
        cx.after(Duration::from_millis(50), move |cx| {
            let res = cx.response(id).expect("it waits");
            let _ = res.upgrade(sockets, handshake, Recorder::default());
        })
    });
    sim.advance_ms(50);
    assert_eq!(sim.received(client), b"");
    sim.advance_ms(1);
    let (head, rest) = answer(&mut sim, client);
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("\r\nSet-Cookie: late=1\r\n"));
    assert_eq!(rest, b"");
    send(&mut sim, client, wire::text("x"));
    assert_eq!(heard(&mut sim, 0), ["open", "text x"]);
    assert_eq!(notes(&mut sim), [""; 0], "the answer was given");
}

#[test]
fn another_thread_can_upgrade() {
    let (mut sim, client) = held(request("/hold").as_bytes());
    let remote = sim.remote();
    let (id, handshake, sockets) = pending();
    // `Sockets` names a kind of one worker; what crosses the threads is the handshake.
    let thread = std::thread::spawn(move || {
        remote.defer(move |cx| {
            let res = cx.response(id).expect("it waits");
            let _ = res.upgrade(sockets, handshake, Recorder::default());
        })
    });
    assert_eq!(thread.join().expect("no panic"), Ok(()));
    rest(&mut sim);
    assert!(answer(&mut sim, client).0.starts_with("HTTP/1.1 101 "));
    assert_eq!(heard(&mut sim, 0), ["open"]);
}

#[test]
fn a_late_answer_can_be_a_refusal() {
    let (mut sim, client) = held(&[request("/hold").as_bytes(), &wire::text("early")].concat());
    let (id, ..) = pending();
    sim.with_cx(|cx| {
        let mut res = cx.response(id).expect("it waits");
        res.status(401);
        let _ = res.end(b"no");
    });
    rest(&mut sim);
    let (head, _) = answer(&mut sim, client);
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert_eq!(sim.counts().sockets_opened, 0);
}

#[test]
fn frames_that_came_behind_the_request_wait_for_a_late_upgrade() {
    let (mut sim, client) = held(&[request("/hold").as_bytes(), &wire::text("one")].concat());
    send(&mut sim, client, wire::binary(b"two"));
    send(&mut sim, client, &wire::text("three")[..4]);
    sim.advance_ms(1000);
    assert_eq!(decide(&mut sim), Ok(()));
    send(&mut sim, client, &wire::text("three")[4..]);
    assert_eq!(
        heard(&mut sim, 0),
        ["open", "text one", "binary two", "text three"]
    );
}

#[test]
fn many_frames_behind_the_request_are_not_lost() {
    let mut packet = request("/hold").into_bytes();
    let big = vec![b'x'; 10_000];
    for _ in 0..50 {
        packet.extend(wire::binary(&big));
    }
    let (mut sim, client) = held(&packet);
    assert_eq!(decide(&mut sim), Ok(()));
    let log = heard(&mut sim, 0);
    assert_eq!(log.len(), 51);
    assert!(
        log[1..]
            .iter()
            .all(|line| *line == wire::line("binary", &big))
    );
    assert!(!sim.is_closed(client));
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn a_peer_that_leaves_before_a_late_upgrade_opens_nothing() {
    for frames_behind in [false, true] {
        for reset in [false, true] {
            let mut packet = request("/hold").into_bytes();
            if frames_behind {
                packet.extend(wire::text("x"));
            }
            let (mut sim, client) = held(&packet);
            if reset {
                sim.reset(client);
            } else {
                sim.finish(client);
            }
            rest(&mut sim);
            assert_eq!(decide(&mut sim), Err(Misuse::Stale));
            assert_eq!(notes(&mut sim), ["aborted"]);
            assert_eq!(sim.received(client), b"", "{frames_behind} {reset}");
            assert!(sim.is_freed(client));
            let counts = sim.counts();
            assert_eq!((counts.sockets_opened, counts.misuse_stale), (0, 1));
            assert_eq!((counts.connections_open, sim.buffered_bytes()), (0, 0));
        }
    }
}

#[test]
fn a_peer_that_leaves_in_the_turn_of_its_late_upgrade_is_told_of_once() {
    assert_eq!(
        left_in_its_turn(Sim::finish),
        ["open", "closed PeerLeft 1006"]
    );
}

/// What a socket is told whose peer leaves in the turn of its upgrade.
pub(crate) fn left_in_its_turn(leave: impl Fn(&mut Worker, Client)) -> Vec<String> {
    let (mut sim, client) = held(request("/hold").as_bytes());
    let (id, handshake, sockets) = pending();
    let deferred = sim.remote().defer(move |cx| {
        let res = cx.response(id).expect("the peer is not known to have left");
        let _ = res.upgrade(sockets, handshake, Recorder::default());
    });
    assert_eq!(deferred, Ok(()));
    leave(&mut sim, client);
    rest(&mut sim);
    assert!(sim.is_freed(client));
    let counts = sim.counts();
    assert_eq!(counts.sockets_open, 0);
    assert_eq!(
        counts.panics, 0,
        "a handler had a socket without its open handler"
    );
    let opened = sim.with_cx(|cx| !cx.state().heard.is_empty());
    if opened {
        heard(&mut sim, 0)
    } else {
        Vec::new()
    }
}

#[test]
fn frames_in_the_packet_of_the_request_are_read_whatever_the_cut() {
    let mut packet = request("/ws").into_bytes();
    packet.extend(wire::text("first"));
    packet.extend(wire::ping(b"p"));
    packet.extend(wire::binary(b"second"));
    for cut in 1..packet.len() {
        let mut sim = start(config());
        let client = sim.connect();
        for piece in [&packet[..cut], &packet[cut..]] {
            send(&mut sim, client, piece);
        }
        let expected = ["open", "text first", "ping p", "binary second"];
        assert_eq!(heard(&mut sim, 0), expected, "cut at {cut}");
        let (_, mut rest) = answer(&mut sim, client);
        let lines: Vec<_> = wire::take_frames(&mut rest)
            .iter()
            .map(wire::Received::line)
            .collect();
        assert_eq!(lines, ["pong p"]);
    }
}

#[test]
fn the_same_byte_by_byte() {
    let mut sim = start(config());
    let client = sim.connect();
    let packet = [request("/ws").into_bytes(), wire::text("é")].concat();
    for byte in packet {
        send(&mut sim, client, [byte]);
    }
    assert_eq!(heard(&mut sim, 0), ["open", "text \\xc3\\xa9"]);
}

#[test]
fn a_close_frame_or_the_end_behind_the_request_closes_what_was_opened() {
    let mut sim = start(config());
    let client = sim.connect();
    let packet = [
        request("/ws").into_bytes(),
        wire::close(1000, b"never mind"),
    ]
    .concat();
    send(&mut sim, client, packet);
    assert_eq!(heard(&mut sim, 0), ["open", "closed Peer 1000 never mind"]);
    let (_, mut rest_bytes) = answer(&mut sim, client);
    assert_eq!(wire::take_frames(&mut rest_bytes)[0].line(), "close 1000");
    assert_gone(&mut sim, client);

    let client = sim.connect();
    sim.send(
        client,
        &[request("/ws").into_bytes(), wire::text("x")].concat(),
    );
    sim.finish(client);
    rest(&mut sim);
    let log = heard(&mut sim, 1);
    assert_eq!(log, ["open", "text x", "closed PeerLeft 1006"]);
    assert!(sim.is_freed(client));
}

#[test]
fn an_answer_upgrades_once() {
    let (mut sim, client) = held(request("/hold").as_bytes());
    let (id, handshake, sockets) = pending();
    sim.with_cx(|cx| {
        let res = cx.response(id).expect("it waits");
        let _ = res.upgrade(sockets, handshake.clone(), Recorder::default());
        assert!(cx.response(id).is_err(), "it was answered");
    });
    rest(&mut sim);
    sim.with_cx(|cx| assert!(cx.response(id).is_err()));
    assert!(answer(&mut sim, client).0.starts_with("HTTP/1.1 101 "));
    assert_eq!(frames(&mut sim, client), [""; 0]);
    assert_eq!(sim.counts().misuse_stale + sim.counts().misuse_other, 2);
    assert_eq!(heard(&mut sim, 0), ["open"]);
}

fn misused(
    handler: impl Fn(keirin::Response<'_, World>, Handshake, Sockets<()>) -> keirin::Reply
    + Clone
    + 'static,
) -> (Worker, Client) {
    let mut sim = start_with(Config::builder(), config(), |app| {
        let sockets = app.behaviour(
            Behaviour::<(), World>::new()
                .on_open(|ws| ws.cx().state_mut().notes.push("open".to_owned()))
                .on_close(|ws, _| ws.cx().state_mut().notes.push("close".to_owned())),
        );
        let handler = handler.clone();
        app.get("/misuse", move |res, req| {
            let handshake = req.handshake().expect("it is one");
            handler(res, handshake, sockets)
        });
    });
    let client = sim.connect();
    send(&mut sim, client, request("/misuse"));
    (sim, client)
}

#[test]
fn an_answer_whose_head_has_left_does_not_become_a_socket() {
    let (mut sim, client) = misused(|mut res, handshake, sockets| {
        let _ = res.write(b"begun");
        res.upgrade(sockets, handshake, ())
    });
    let (head, _) = answer(&mut sim, client);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(notes(&mut sim), [""; 0]);
    let counts = sim.counts();
    assert_eq!((counts.misuse_other, counts.sockets_opened), (1, 0));
    assert!(sim.is_closed(client), "what is cut must not look whole");
}

#[test]
fn a_refused_header_makes_it_a_500() {
    let (mut sim, client) = misused(|mut res, handshake, sockets| {
        res.header("Set-Cookie", b"a=b\r\nX: y");
        res.upgrade(sockets, handshake, ())
    });
    let (head, _) = answer(&mut sim, client);
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert_eq!(notes(&mut sim), [""; 0]);
    assert_eq!(sim.counts().sockets_opened, 0);
}

#[test]
fn headers_of_the_upgrade_itself_are_not_doubled() {
    let (mut sim, client) = misused(|mut res, handshake, sockets| {
        res.status(404);
        res.header("Content-Length", b"5");
        res.upgrade(sockets, handshake, ())
    });
    let (head, _) = answer(&mut sim, client);
    // RFC 9110 section 8.6: no Content-Length in a 1xx.
    let head = head.to_ascii_lowercase();
    if head.starts_with("http/1.1 101 ") {
        assert!(!head.contains("content-length"), "{head}");
        assert_eq!(notes(&mut sim), ["open"]);
    } else {
        assert_eq!(notes(&mut sim), [""; 0]);
    }
}

#[test]
fn a_stop_answers_503_and_opens_nothing() {
    let (mut sim, client) = held(request("/hold").as_bytes());
    sim.stop(60_000);
    rest(&mut sim);
    assert_eq!(decide(&mut sim), Ok(()));
    let (head, _) = answer(&mut sim, client);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(sim.counts().sockets_opened, 0);
    assert_gone(&mut sim, client);
    assert!(sim.is_stopped());
}

#[test]
fn a_peer_without_room_for_the_101_gets_it_later() {
    let mut sim = start(config());
    let client = sim.connect();
    sim.set_window(client, 10);
    send(
        &mut sim,
        client,
        [request("/ws").into_bytes(), wire::text("x")].concat(),
    );
    let mut all = Vec::new();
    for _ in 0..100 {
        all.extend(sim.received(client));
        rest(&mut sim);
    }
    assert!(split_head(&all).0.starts_with("HTTP/1.1 101 "));
    let log = heard(&mut sim, 0);
    assert_eq!(log[..2], ["open", "text x"]);
}

#[test]
fn a_subprotocol_can_be_chosen_late() {
    let (mut sim, client) =
        held(request_with("/hold", "Sec-WebSocket-Protocol: a, b\r\n").as_bytes());
    let (id, mut handshake, sockets) = pending();
    assert!(handshake.choose("b"));
    sim.with_cx(|cx| {
        let res = cx.response(id).expect("it waits");
        let _ = res.upgrade(sockets, handshake, Recorder::default());
    });
    rest(&mut sim);
    let (head, _) = answer(&mut sim, client);
    assert!(head.contains("\r\nSec-WebSocket-Protocol: b\r\n"), "{head}");
}
