//! Every way for a socket to end: what the client sees, and what the close handler is told.

use std::time::Duration;

use keirin::{Config, Misuse, Sent};

use crate::support::{
    act, assert_clean, assert_gone, config, frames, heard, id, open_quietly, rest, send, start,
    start_with,
};
use crate::wire;

const LINGER_MS: u64 = 2_000;

#[test]
fn a_close_frame_is_answered_with_its_code_and_told_with_its_reason() {
    let cases: [(Vec<u8>, &str, &str); 9] = [
        (wire::close(1000, b""), "close 1000", "closed Peer 1000"),
        (
            wire::close(1000, b"bye"),
            "close 1000",
            "closed Peer 1000 bye",
        ),
        (
            wire::close(1001, b"page left"),
            "close 1001",
            "closed Peer 1001 page left",
        ),
        (wire::close(1003, b""), "close 1003", "closed Peer 1003"),
        (wire::close(1011, b""), "close 1011", "closed Peer 1011"),
        (
            wire::close(3000, "\u{e9}".as_bytes()),
            "close 3000",
            "closed Peer 3000 \u{e9}",
        ),
        (wire::close(4999, &[b'r'; 123]), "close 4999", ""),
        (wire::close(1014, b""), "close 1014", "closed Peer 1014"),
        (wire::close_without_code(), "close", "closed Peer 1005"),
    ];
    for (frame, answer, told) in cases {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        send(&mut sim, client, frame);
        let sent = frames(&mut sim, client);
        assert_eq!(sent.len(), 1);
        // Section 5.5.1: typically the code is echoed; the reason need not be.
        assert!(
            sent[0] == answer || sent[0].starts_with(&format!("{answer} ")),
            "{sent:?}"
        );
        let expected = match told {
            "" => format!("closed Peer 4999 {}", "r".repeat(123)),
            told => told.to_owned(),
        };
        assert_eq!(heard(&mut sim, 0), [expected]);
        assert_gone(&mut sim, client);
        assert_clean(&sim);
    }
}

#[test]
fn what_comes_behind_a_close_frame_is_not_delivered() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let stream = [
        wire::text("before"),
        wire::close(1000, b""),
        wire::text("behind"),
        wire::ping(b"behind"),
        wire::close(1001, b""),
    ];
    send(&mut sim, client, stream.concat());
    send(&mut sim, client, wire::text("later"));
    assert_eq!(heard(&mut sim, 0), ["text before", "closed Peer 1000"]);
    assert_eq!(frames(&mut sim, client), ["close 1000"]);
    assert_gone(&mut sim, client);
}

#[test]
fn every_code_that_may_be_sent_is() {
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999,
    ] {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        assert_eq!(act(&mut sim, 0, |ws| ws.end(code, "why")), Ok(()));
        assert_eq!(frames(&mut sim, client), [format!("close {code} why")]);
        assert_eq!(heard(&mut sim, 0), [format!("closed Local {code} why")]);
    }
}

#[test]
fn a_code_that_must_not_be_sent_is_refused_and_the_socket_stays_open() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let codes = [
        0,
        1,
        999,
        1004,
        1005,
        1006,
        1015,
        1016,
        2000,
        2999,
        5000,
        u16::MAX,
    ];
    for code in codes {
        assert_eq!(
            act(&mut sim, 0, |ws| ws.end(code, "")),
            Err(Misuse::CloseCode)
        );
    }
    assert_eq!(sim.counts().misuse_other, codes.len() as u64);
    assert_eq!(frames(&mut sim, client), [""; 0]);
    send(&mut sim, client, wire::text("still"));
    assert_eq!(heard(&mut sim, 0), ["text still"]);
}

#[test]
fn a_reason_is_cut_to_what_a_frame_holds_and_between_letters() {
    for (reason, length) in [
        ("r".repeat(122), 122),
        ("r".repeat(123), 123),
        ("r".repeat(124), 123),
        ("\u{e9}".repeat(62), 122),
        ("\u{1f600}".repeat(1000), 120),
    ] {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, &reason)), Ok(()));
        let mut bytes = sim.received(client);
        let frames = wire::take_frames(&mut bytes);
        assert_eq!(frames[0].payload[2..], reason.as_bytes()[..length]);
        assert!(heard(&mut sim, 0)[0].starts_with("closed Local 1000 "));
    }
}

#[test]
fn the_close_handler_is_told_the_reason_in_the_frame() {
    // `Closed::reason` is "the reason in that frame", which has 123 bytes at most.
    let mut sim = start(config());
    let _ = open_quietly(&mut sim);
    let reason = "r".repeat(124);
    assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, &reason)), Ok(()));
    assert_eq!(
        heard(&mut sim, 0),
        [format!("closed Local 1000 {}", &reason[..123])]
    );
}

#[test]
fn an_answered_end_frees_the_connection() {
    for answer in [
        wire::close(1000, b"bye"),
        wire::close_without_code(),
        wire::close(4000, b""),
    ] {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, "bye")), Ok(()));
        assert_eq!(frames(&mut sim, client), ["close 1000 bye"]);
        // Section 7.1.1: the connection is closed once both have sent a Close frame.
        assert!(!sim.is_closed(client), "the answer is waited for");
        send(&mut sim, client, &answer);
        assert_gone(&mut sim, client);
        assert_eq!(frames(&mut sim, client), [""; 0], "no second Close frame");
        assert_eq!(heard(&mut sim, 0), ["closed Local 1000 bye"]);
        assert_clean(&sim);
    }
}

#[test]
fn an_end_that_is_not_answered_is_given_up_at_the_deadline() {
    for talking in [false, true] {
        let builder = Config::builder().linger_timeout_ms(LINGER_MS);
        let mut sim = start_with(builder, config(), |_| ());
        let client = open_quietly(&mut sim);
        assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, "")), Ok(()));
        for _ in 0..9 {
            sim.advance_ms(LINGER_MS / 10);
            if talking {
                send(&mut sim, client, wire::text("still talking"));
            }
        }
        sim.advance_ms(LINGER_MS / 10 - 1);
        assert!(!sim.is_freed(client));
        sim.advance_ms(LINGER_MS + 10);
        assert!(sim.is_closed(client));
        assert_eq!(heard(&mut sim, 0), ["closed Local 1000"]);
        assert_eq!(frames(&mut sim, client), ["close 1000"]);
        assert_clean(&sim);
        sim.advance_ms(LINGER_MS + 10);
        assert!(sim.is_freed(client), "nobody lingers for ever");
    }
}

#[test]
fn an_end_that_is_answered_late_ends_then() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    assert_eq!(act(&mut sim, 0, |ws| ws.end(3001, "")), Ok(()));
    sim.advance_ms(LINGER_MS / 2);
    // What was on its way is read, and nobody is told.
    let crossing = [
        wire::text("crossing"),
        wire::ping(b"p"),
        wire::close(3001, b""),
    ];
    send(&mut sim, client, crossing.concat());
    assert_gone(&mut sim, client);
    assert_eq!(heard(&mut sim, 0), ["closed Local 3001"]);
    let sent = frames(&mut sim, client);
    assert_eq!(
        sent,
        ["close 3001"],
        "nothing behind a Close frame (section 5.5.1)"
    );
}

#[test]
fn a_peer_that_leaves_instead_of_answering_is_let_go() {
    for reset in [false, true] {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, "")), Ok(()));
        if reset {
            sim.reset(client);
        } else {
            sim.finish(client);
        }
        rest(&mut sim);
        assert!(sim.is_freed(client));
        assert_eq!(heard(&mut sim, 0), ["closed Local 1000"]);
        assert_clean(&sim);
    }
}

#[test]
fn close_drops_the_connection_without_a_frame() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    assert_eq!(act(&mut sim, 0, |ws| ws.close()), Ok(()));
    assert_eq!(heard(&mut sim, 0), ["closed Dropped 1006"]);
    assert_eq!(frames(&mut sim, client), [""; 0]);
    assert!(sim.is_freed(client));
    assert_clean(&sim);
}

#[test]
fn after_end_and_close_nothing_works_any_more() {
    for end in [true, false] {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        let results = act(&mut sim, 0, |ws| {
            let done = if end { ws.end(1000, "") } else { ws.close() };
            assert_eq!(done, Ok(()));
            assert_eq!(ws.send_text("late"), Sent::Closed);
            assert_eq!(ws.send_binary(b"late"), Sent::Closed);
            let second = Duration::from_secs(1);
            [
                ws.send_fragment(keirin::Message::Text("x"), true).map(drop),
                ws.ping(b"").map(drop),
                ws.end(1001, ""),
                ws.close(),
                ws.pause(),
                ws.resume(),
                ws.set_idle_timeout(second),
                ws.set_ping_interval(second),
                ws.set_lifetime(second),
            ]
        });
        let results = results.map(|result| result == Err(Misuse::Stale));
        let mut expected = [true; 9];
        // A closing handshake that drags on may still be cut short.
        expected[3] = results[3];
        assert_eq!(results, expected, "{end}");
        assert_eq!(heard(&mut sim, 0).len(), 1);
        let _ = client;
    }
}

#[test]
fn a_peer_that_goes_without_a_word_has_left() {
    for reset in [false, true] {
        for inside in [false, true] {
            let mut sim = start(config());
            let client = open_quietly(&mut sim);
            if inside {
                send(&mut sim, client, wire::frame(wire::BINARY, false, b"begun"));
                send(&mut sim, client, &wire::ping(b"cut")[..5]);
            }
            if reset {
                sim.reset(client);
            } else {
                sim.finish(client);
            }
            rest(&mut sim);
            assert_eq!(heard(&mut sim, 0), ["closed PeerLeft 1006"]);
            assert!(sim.is_freed(client));
            assert_clean(&sim);
        }
    }
}

#[test]
fn what_was_sent_before_leaving_is_still_delivered() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    sim.send(
        client,
        &[wire::text("last"), wire::close(1001, b"x")].concat(),
    );
    sim.finish(client);
    rest(&mut sim);
    assert_eq!(heard(&mut sim, 0), ["text last", "closed Peer 1001 x"]);
    assert_eq!(frames(&mut sim, client), ["close 1001"]);
    assert!(sim.is_freed(client));

    let client = open_quietly(&mut sim);
    sim.send(client, &wire::text("last"));
    sim.finish(client);
    rest(&mut sim);
    assert_eq!(heard(&mut sim, 1), ["text last", "closed PeerLeft 1006"]);
}

#[test]
fn half_closing_is_leaving_also_where_http_allows_it() {
    let builder = Config::builder().half_close(true);
    let mut sim = start_with(builder, config(), |_| ());
    let client = open_quietly(&mut sim);
    sim.finish(client);
    rest(&mut sim);
    assert_eq!(heard(&mut sim, 0), ["closed PeerLeft 1006"]);
    assert!(sim.is_freed(client));
}

#[test]
fn a_close_frame_leaves_behind_everything_that_was_sent_before_it() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let big = vec![b'x'; 100_000];
    sim.set_window(client, 30_000);
    act(&mut sim, 0, |ws| {
        assert!(matches!(ws.send_binary(&big), Sent::Queued(_)));
        assert_eq!(ws.end(1000, "done"), Ok(()));
    });
    assert_eq!(heard(&mut sim, 0), ["closed Local 1000 done"]);
    let mut all = Vec::new();
    for _ in 0..10 {
        all.extend(sim.received(client));
        rest(&mut sim);
    }
    let lines: Vec<_> = wire::take_frames(&mut all)
        .iter()
        .map(wire::Received::line)
        .collect();
    assert_eq!(
        lines,
        [wire::line("binary", &big), "close 1000 done".to_owned()]
    );
    send(&mut sim, client, wire::close(1000, b""));
    assert_gone(&mut sim, client);
    assert_clean(&sim);
}

#[test]
fn a_protocol_error_behind_an_end_is_not_told() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, "")), Ok(()));
    send(&mut sim, client, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(heard(&mut sim, 0), ["closed Local 1000"]);
    assert_eq!(frames(&mut sim, client), ["close 1000"]);
    sim.advance_ms(3 * LINGER_MS);
    assert!(sim.is_closed(client));
    assert_clean(&sim);
}

#[test]
fn the_id_of_a_closed_socket_names_nothing() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let id = id(&mut sim, 0);
    send(&mut sim, client, wire::close(1000, b""));
    let found = sim.with_cx(|cx| cx.socket(id).map(drop));
    assert_eq!(found, Err(Misuse::Stale));
    assert_eq!(sim.counts().misuse_stale, 1);
}
