//! Where WebSockets meet the rest: the settings, HTTP's timeouts, other connections, memory.

use std::time::Duration;

use keirin::{
    BrotliConfig, Compressor, Config, Decompressor, DeflateConfig, Error, Sent, WebSocketConfig,
};

use crate::support::{
    act, answer, assert_gone, config, frames, hear, heard, open_quietly, opened, recorder, rest,
    send, start, start_behaviour, start_with,
};
use crate::wire::{self, BINARY, TEXT, frame};

const HOUR: u64 = 3_600_000;

#[test]
fn settings_have_ranges() {
    assert!(WebSocketConfig::builder().build().is_ok());
    let build = |change: fn(_) -> _| {
        let builder: keirin::WebSocketConfigBuilder = change(WebSocketConfig::builder());
        match builder.build() {
            Ok(_) => "",
            Err(Error::Config { name, .. }) => name,
            Err(_) => "another error",
        }
    };
    assert_eq!(
        build(|b: keirin::WebSocketConfigBuilder| b.message_bytes_max(1)),
        ""
    );
    assert_eq!(build(|b| b.message_bytes_max(0)), "message_bytes_max");
    assert_eq!(build(|b| b.backpressure_bytes_max(16 << 10)), "");
    assert_eq!(
        build(|b| b.backpressure_bytes_max((16 << 10) - 1)),
        "backpressure_bytes_max"
    );
    let deflate = |level, window_bits| {
        let config = DeflateConfig {
            level,
            compressor: Compressor::Dedicated { window_bits },
            decompressor: Decompressor::Dedicated { window_bits },
            ..DeflateConfig::default()
        };
        WebSocketConfig::builder().deflate(config).build()
    };
    assert!(deflate(0, 9).is_ok() && deflate(9, 15).is_ok());
    for (level, window_bits, wrong) in [
        (10, 15, "deflate.level"),
        (6, 8, "deflate.window_bits"),
        (6, 16, "deflate.window_bits"),
    ] {
        let error = deflate(level, window_bits).err();
        assert!(matches!(error, Some(Error::Config { name, .. }) if name == wrong));
    }
    let brotli = |quality, window_bits| {
        let config = BrotliConfig {
            quality,
            window_bits,
            ..BrotliConfig::default()
        };
        WebSocketConfig::builder().brotli(config).build()
    };
    assert!(brotli(0, 10).is_ok() && brotli(11, 24).is_ok());
    for (quality, window_bits, wrong) in [
        (12, 18, "brotli.quality"),
        (5, 9, "brotli.window_bits"),
        (5, 25, "brotli.window_bits"),
    ] {
        let error = brotli(quality, window_bits).err();
        assert!(matches!(error, Some(Error::Config { name, .. }) if name == wrong));
    }
    for code in [1001, 1012] {
        assert!(Config::builder().stop_close_code(code).build().is_ok());
    }
    for code in [0, 1000, 1011, 1013, 4000] {
        assert!(
            Config::builder().stop_close_code(code).build().is_err(),
            "{code}"
        );
    }
}

#[test]
fn the_timeouts_of_http_are_not_those_of_sockets() {
    let mut sim = start(config().idle_timeout_ms(0));
    let client = open_quietly(&mut sim);
    let message = wire::text("slow");
    for piece in message.chunks(3) {
        sim.advance_ms(HOUR);
        send(&mut sim, client, piece);
    }
    send(&mut sim, client, frame(BINARY, false, b"begun"));
    sim.advance_ms(HOUR);
    assert_eq!(heard(&mut sim, 0), ["text slow"]);
    assert_eq!(frames(&mut sim, client), [""; 0]);
    assert!(!sim.is_closed(client));
}

#[test]
fn requests_behind_the_upgrade_are_no_requests_any_more() {
    let mut sim = start(config());
    let client = sim.connect();
    let http = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    send(&mut sim, client, wire::request("/ws") + http);
    let log = heard(&mut sim, 0);
    assert_eq!(log[0], "open");
    // "GE": RSV1 is set, and the length is not masked.
    assert!(log[1].contains(" 1002 "), "{log:?}");
    let (_, mut bytes) = answer(&mut sim, client);
    assert!(
        wire::take_frames(&mut bytes)[0]
            .line()
            .starts_with("close 1002")
    );
    assert_gone(&mut sim, client);
    assert_eq!(sim.counts().requests, 1);
}

#[test]
fn an_open_handler_can_pause_before_the_first_message() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_open(|ws| {
            opened(ws);
            assert_eq!(ws.pause(), Ok(()));
        })
    });
    let client = sim.connect();
    let packet = [
        wire::request("/ws").into_bytes(),
        wire::text("1"),
        wire::text("2"),
    ]
    .concat();
    send(&mut sim, client, packet);
    send(&mut sim, client, wire::text("3"));
    assert_eq!(heard(&mut sim, 0), ["open"]);
    assert_eq!(act(&mut sim, 0, |ws| ws.resume()), Ok(()));
    assert_eq!(heard(&mut sim, 0), ["text 1", "text 2", "text 3"]);
}

#[test]
fn a_handler_can_set_its_own_timeouts() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_open(|ws| {
            opened(ws);
            assert_eq!(ws.set_idle_timeout(Duration::from_millis(100)), Ok(()));
        })
    });
    let _ = open_quietly(&mut sim);
    sim.advance_ms(99);
    assert_eq!(heard(&mut sim, 0), [""; 0]);
    sim.advance_ms(2);
    assert!(heard(&mut sim, 0)[0].starts_with("closed IdleTimeout 1001"));
}

#[test]
fn a_header_that_announces_much_takes_no_memory() {
    let mut sim = start(config().message_bytes_max(1 << 30));
    for opcode in [BINARY, TEXT] {
        for is_last in [false, true] {
            let client = open_quietly(&mut sim);
            let mut begin = frame(opcode, is_last, b"");
            begin[1] = 0xff;
            begin.splice(2..2, (1_u64 << 30).to_be_bytes());
            begin.extend([0x37 ^ b'x'; 1]);
            send(&mut sim, client, begin);
            assert!(!sim.is_closed(client));
            assert!(
                sim.buffered_bytes() <= (64 << 10) + 1,
                "{}",
                sim.buffered_bytes()
            );
            sim.reset(client);
            rest(&mut sim);
            assert_eq!(sim.buffered_bytes(), 0);
        }
    }
}

#[test]
fn a_busy_peer_does_not_keep_others_waiting() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            if ws.data.0 == 1 {
                let first = &mut ws.cx().state_mut().heard[0].len().to_string();
                hear(ws, format!("{} after {first}", message.bytes().len()));
            } else {
                hear(ws, "x");
            }
        })
    });
    let (busy, other) = (open_quietly(&mut sim), open_quietly(&mut sim));
    let stream = wire::binary(b"0123456789").repeat(300_000);
    sim.send(busy, &stream);
    sim.send(other, &wire::text("me"));
    rest(&mut sim);
    let log = heard(&mut sim, 1);
    let after: usize = log[0]
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .parse()
        .expect("a count");
    assert!(after < 150_000, "{after} messages of another came first");
    assert_eq!(heard(&mut sim, 0).len(), 300_000);
}

#[test]
fn what_is_dropped_in_one_turn_is_told_up_to_a_bound_and_counted_in_full() {
    const LIMIT: usize = 64 << 10;
    let mut sim = start(config().backpressure_bytes_max(LIMIT));
    let client = open_quietly(&mut sim);
    sim.set_window(client, 0);
    for turn in 1..=3 {
        act(&mut sim, 0, |ws| {
            let _ = ws.send_binary(&[0; 60_000]);
            for _ in 0..10 {
                assert_eq!(ws.send_binary(&[1; 20_000]), Sent::Dropped);
            }
        });
        let told = heard(&mut sim, 0);
        assert!((1..=4).contains(&told.len()), "turn {turn}: {told:?}");
        assert!(sim.buffered_bytes() < 2 * LIMIT);
    }
    assert_eq!(sim.counts().messages_dropped, 32);
}

#[test]
fn an_answer_that_times_out_upgrades_no_more() {
    let builder = Config::builder().answer_timeout_ms(1000);
    let mut sim = start_with(builder, config(), |app| {
        let sockets = app.behaviour(recorder(config()));
        app.get("/late", move |mut res, req| {
            let handshake = req.handshake().expect("it is one");
            let id = res.id();
            res.cx().after(Duration::from_millis(1500), move |cx| {
                let late = cx.response(id).map(|res| {
                    let _ = res.upgrade(sockets, handshake, Default::default());
                });
                cx.state_mut().notes.push(format!("{}", late.is_ok()));
            });
            res.detach(|_| ()).1
        });
    });
    let client = sim.connect();
    send(&mut sim, client, wire::request("/late"));
    sim.advance_ms(1600);
    let (head, _) = answer(&mut sim, client);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(crate::support::notes(&mut sim), ["false"]);
    assert_eq!(sim.counts().sockets_opened, 0);
}

#[test]
fn a_socket_outlives_the_answer_timeout() {
    let builder = Config::builder().answer_timeout_ms(1000);
    let mut sim = start_with(builder, config().idle_timeout_ms(0), |_| ());
    let client = open_quietly(&mut sim);
    sim.advance_ms(HOUR);
    send(&mut sim, client, wire::text("x"));
    assert_eq!(heard(&mut sim, 0), ["text x"]);
}

#[test]
fn an_idle_timeout_also_comes_to_a_peer_that_does_not_read() {
    let mut sim = start(config().idle_timeout_ms(1000));
    let client = open_quietly(&mut sim);
    sim.set_window(client, 0);
    let _ = act(&mut sim, 0, |ws| ws.send_text("x"));
    sim.advance_ms(1001);
    assert!(heard(&mut sim, 0)[0].starts_with("closed IdleTimeout"));
    sim.advance_ms(HOUR);
    assert!(sim.is_freed(client));
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn automatic_pings_do_not_pile_up_for_a_peer_that_does_not_read() {
    let settings = config().ping_interval_ms(1000).idle_timeout_ms(0);
    let builder = Config::builder().write_stall_timeout_ms(10 * HOUR);
    let mut sim = start_with(builder, settings, |_| ());
    let client = open_quietly(&mut sim);
    sim.set_window(client, 0);
    let _ = act(&mut sim, 0, |ws| ws.send_text("x"));
    sim.advance_ms(HOUR);
    assert!(
        sim.buffered_bytes() <= (64 << 10) + 1,
        "{}",
        sim.buffered_bytes()
    );
    sim.set_window(client, usize::MAX);
    rest(&mut sim);
    let sent = frames(&mut sim, client);
    assert_eq!(sent[0], "text x");
    assert!(sent.len() <= 3, "{}", sent.len());
    sim.advance_ms(1001);
    assert_eq!(frames(&mut sim, client), ["ping"]);
}

#[test]
fn a_slow_reader_of_what_was_sent_before_the_end_gets_all_of_it() {
    let builder = Config::builder().linger_timeout_ms(2000);
    let mut sim = start_with(builder, config(), |_| ());
    let client = open_quietly(&mut sim);
    sim.set_window(client, 1000);
    let big = [b'x'; 20_000];
    act(&mut sim, 0, |ws| {
        let _ = ws.send_binary(&big);
        assert_eq!(ws.end(1000, ""), Ok(()));
    });
    let mut bytes = Vec::new();
    for _ in 0..30 {
        sim.advance_ms(500);
        bytes.extend(sim.received(client));
        rest(&mut sim);
    }
    let sent = wire::take_frames(&mut bytes);
    let lines: Vec<_> = sent.iter().map(wire::Received::line).collect();
    assert_eq!(lines, [wire::line("binary", &big), "close 1000".to_owned()]);
}

#[test]
fn a_handler_that_closes_its_own_socket_by_id_hears_no_more() {
    for end in [true, false] {
        let mut sim = start_behaviour(move || {
            recorder(config()).on_message(move |ws, _| {
                hear(ws, "message");
                let id = ws.id();
                let mut cx = ws.cx();
                let mut same = cx.socket(id).expect("it is open");
                let done = if end {
                    same.end(4000, "")
                } else {
                    same.close()
                };
                assert_eq!(done, Ok(()));
                assert_eq!(ws.send_text("late"), Sent::Closed);
            })
        });
        let client = open_quietly(&mut sim);
        let packet = [wire::text("1"), wire::ping(b""), wire::text("2")].concat();
        send(&mut sim, client, packet);
        let told = if end {
            "closed Local 4000"
        } else {
            "closed Dropped 1006"
        };
        assert_eq!(heard(&mut sim, 0), ["message", told]);
        let sent = frames(&mut sim, client);
        assert_eq!(sent.len(), usize::from(end), "{sent:?}");
    }
}

#[test]
fn a_half_closed_peer_can_still_be_upgraded_and_has_left_then() {
    let builder = Config::builder().half_close(true);
    let mut sim = start_with(builder, config(), |app| {
        let sockets = app.behaviour(recorder(config()));
        app.get("/late", move |mut res, req| {
            let handshake = req.handshake().expect("it is one");
            let id = res.id();
            res.cx().after(Duration::from_millis(50), move |cx| {
                if let Ok(res) = cx.response(id) {
                    let _ = res.upgrade(sockets, handshake, Default::default());
                }
            });
            res.detach(|cx| cx.state_mut().notes.push("aborted".to_owned()))
                .1
        });
    });
    let client = sim.connect();
    let packet = [wire::request("/late").into_bytes(), wire::text("x")].concat();
    sim.send(client, &packet);
    sim.finish(client);
    sim.advance_ms(60);
    if sim.counts().sockets_opened == 1 {
        assert_eq!(
            heard(&mut sim, 0),
            ["open", "text x", "closed PeerLeft 1006"]
        );
    } else {
        assert_eq!(crate::support::notes(&mut sim), ["aborted"]);
    }
    sim.advance_ms(HOUR);
    assert!(sim.is_freed(client));
    assert_eq!((sim.counts().sockets_open, sim.buffered_bytes()), (0, 0));
}
