//! Peers that read slowly: what the sender is told, what is dropped, and what is left of it when
//! the peer has read on.

use keirin::testing::Client;
use keirin::{Backpressure, Config, Message, Sent};

use crate::support::{
    Worker, act, assert_clean, assert_gone, config, frames, hear, heard, open_quietly, recorder,
    rest, send, start, start_behaviour, start_with,
};
use crate::wire;

const LIMIT: usize = 64 << 10;
const SECOND: u64 = 1_000;

/// A socket whose peer takes nothing any more.
fn blocked(policy: Backpressure) -> (Worker, Client) {
    let mut sim = start(config().backpressure(policy).backpressure_bytes_max(LIMIT));
    let client = open_quietly(&mut sim);
    sim.set_window(client, 0);
    (sim, client)
}

fn send_bytes(sim: &mut Worker, length: usize) -> Sent {
    act(sim, 0, |ws| ws.send_binary(&vec![b'x'; length]))
}

fn queued(sim: &mut Worker) -> usize {
    act(sim, 0, |ws| ws.queued())
}

/// Everything that arrives at a client that reads again, a window's worth at a time.
fn drain(sim: &mut Worker, client: Client, window: usize) -> Vec<String> {
    sim.set_window(client, window);
    rest(sim);
    let mut bytes = Vec::new();
    loop {
        let more = sim.received(client);
        rest(sim);
        if more.is_empty() {
            break;
        }
        bytes.extend(more);
    }
    let frames = wire::take_frames(&mut bytes);
    assert_eq!(bytes, b"", "no frame is cut");
    frames.iter().map(wire::Received::line).collect()
}

fn x(length: usize) -> String {
    wire::line("binary", &vec![b'x'; length])
}

#[test]
fn queued_says_how_much_waits() {
    let (mut sim, client) = blocked(Backpressure::Drop);
    assert_eq!(queued(&mut sim), 0);
    let _ = send_bytes(&mut sim, 20_000);
    let first = queued(&mut sim);
    assert_eq!(first, 20_004);
    assert_eq!(send_bytes(&mut sim, 100), Sent::Queued(first + 102));
    assert_eq!(queued(&mut sim), first + 102);
    assert!(sim.buffered_bytes() >= first + 102);
    assert_eq!(drain(&mut sim, client, 1000), [x(20_000), x(100)]);
    assert_eq!((queued(&mut sim), sim.buffered_bytes()), (0, 0));
    assert_eq!(heard(&mut sim, 0), ["drain"]);
}

#[test]
fn a_message_that_finds_nothing_waiting_is_never_too_much() {
    for policy in [Backpressure::Drop, Backpressure::Close, Backpressure::Queue] {
        let (mut sim, client) = blocked(policy);
        let sent = send_bytes(&mut sim, 10 * LIMIT);
        assert!(matches!(sent, Sent::Queued(_)), "{sent:?}");
        assert_eq!(drain(&mut sim, client, 5000), [x(10 * LIMIT)]);
        assert_eq!(heard(&mut sim, 0), ["drain"]);
        assert_eq!(sim.buffered_bytes(), 0);
    }
}

#[test]
fn each_side_of_the_limit() {
    for policy in [Backpressure::Drop, Backpressure::Close, Backpressure::Queue] {
        // Over by one at least, whatever a header counts.
        for (over, fits) in [(0, true), (11, false)] {
            let (mut sim, client) = blocked(policy);
            let _ = send_bytes(&mut sim, 20_000);
            let room = LIMIT - queued(&mut sim);
            // Ten bytes are the longest header.
            let last = room - 10 + over;
            let sent = send_bytes(&mut sim, last);
            if fits || policy == Backpressure::Queue {
                assert!(matches!(sent, Sent::Queued(_)), "{sent:?}");
                assert_eq!(drain(&mut sim, client, 5000), [x(20_000), x(last)]);
                assert_eq!(heard(&mut sim, 0), ["drain"]);
                assert_eq!(sim.counts().messages_dropped, 0);
            } else if policy == Backpressure::Drop {
                assert_eq!(sent, Sent::Dropped);
                assert_eq!(heard(&mut sim, 0), [format!("dropped {}", x(last))]);
                assert_eq!(drain(&mut sim, client, 5000), [x(20_000)]);
                assert_eq!(heard(&mut sim, 0), ["drain"]);
                assert_eq!(sim.counts().messages_dropped, 1);
            } else {
                assert_eq!(sent, Sent::Closed);
                let told = heard(&mut sim, 0);
                assert_eq!(told.len(), 1, "{told:?}");
                assert!(told[0].starts_with("closed Backpressure 1013"), "{told:?}");
                let sent = drain(&mut sim, client, 5000);
                assert_eq!(sent[0], x(20_000), "what was accepted is sent");
                assert!(sent[1].starts_with("close 1013"), "{sent:?}");
                send(&mut sim, client, wire::close(1013, b""));
                assert_gone(&mut sim, client);
                assert_clean(&sim);
                assert_eq!(heard(&mut sim, 0), [""; 0]);
            }
            assert_eq!(sim.buffered_bytes(), 0);
        }
    }
}

#[test]
fn a_smaller_message_may_still_fit_behind_a_dropped_one() {
    let (mut sim, client) = blocked(Backpressure::Drop);
    let _ = send_bytes(&mut sim, 40_000);
    assert_eq!(send_bytes(&mut sim, 40_000), Sent::Dropped);
    assert!(matches!(send_bytes(&mut sim, 1000), Sent::Queued(_)));
    assert_eq!(heard(&mut sim, 0), [format!("dropped {}", x(40_000))]);
    assert_eq!(drain(&mut sim, client, usize::MAX), [x(40_000), x(1000)]);
    assert_eq!(heard(&mut sim, 0), ["drain"]);
}

#[test]
fn queueing_has_no_limit() {
    let (mut sim, client) = blocked(Backpressure::Queue);
    for _ in 0..100 {
        let _ = send_bytes(&mut sim, 20_000);
    }
    assert_eq!(sim.counts().messages_dropped, 0);
    assert_eq!(queued(&mut sim), 100 * 20_004);
    assert_eq!(drain(&mut sim, client, 100_000), vec![x(20_000); 100]);
    assert_eq!(heard(&mut sim, 0), ["drain"]);
    assert_eq!(sim.buffered_bytes(), 0, "memory is given back");
}

#[test]
fn drain_comes_once_for_each_time() {
    let (mut sim, client) = blocked(Backpressure::Drop);
    for round in 0..5 {
        for _ in 0..=round {
            let _ = send_bytes(
                &mut sim,
                17_000 / (round + 1) + 16_400 * usize::from(round == 0),
            );
        }
        assert_eq!(heard(&mut sim, 0), [""; 0]);
        let _ = drain(&mut sim, client, 700);
        assert_eq!(heard(&mut sim, 0), ["drain"], "round {round}");
        sim.set_window(client, 0);
    }
    sim.set_window(client, usize::MAX);
    assert_eq!(send_bytes(&mut sim, 30_000), Sent::Sent);
    assert_eq!(heard(&mut sim, 0), [""; 0], "nothing was queued");
}

#[test]
fn a_drain_handler_can_fill_the_window_again() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_drain(|ws| {
            hear(ws, "drain");
            let sent = ws.send_binary(&[b'x'; 40_000]);
            hear(ws, format!("{}", matches!(sent, Sent::Queued(_))));
        })
    });
    let client = open_quietly(&mut sim);
    sim.set_window(client, 1000);
    let _ = send_bytes(&mut sim, 40_000);
    for _ in 0..3 {
        let mut count = 0;
        while heard(&mut sim, 0) != ["drain", "true"] {
            sim.received(client);
            rest(&mut sim);
            count += 1;
            assert!(count < 100, "it is drained some time");
        }
    }
    assert!(!sim.is_closed(client));
}

#[test]
fn the_handler_for_dropped_messages_runs_after_the_callback_and_gets_them_in_order() {
    let mut sim = start_behaviour(|| {
        let settings = config().backpressure_bytes_max(LIMIT);
        recorder(settings).on_message(|ws, _| {
            let _ = ws.send_binary(&[b'x'; 60_000]);
            assert_eq!(ws.send(Message::Binary(&[b'1'; 10_000])), Sent::Dropped);
            assert_eq!(ws.send(Message::Binary(&[b'2'; 20_000])), Sent::Dropped);
            assert_eq!(ws.send_text(&"3".repeat(6_000)), Sent::Dropped);
            hear(ws, "returning");
        })
    });
    let client = open_quietly(&mut sim);
    sim.set_window(client, 0);
    send(&mut sim, client, wire::text("go"));
    let dropped = |kind: &str, payload: &[u8]| wire::line(&format!("dropped {kind}"), payload);
    assert_eq!(
        heard(&mut sim, 0),
        [
            "returning".to_owned(),
            dropped("binary", &[b'1'; 10_000]),
            dropped("binary", &[b'2'; 20_000]),
            dropped("text", &[b'3'; 6_000]),
        ]
    );
    assert_eq!(sim.counts().messages_dropped, 3);
    assert_eq!(drain(&mut sim, client, 10_000), [x(60_000)]);
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn dropped_comes_before_closed() {
    let mut sim = start_behaviour(|| {
        let settings = config().backpressure_bytes_max(LIMIT);
        recorder(settings).on_message(|ws, _| {
            let _ = ws.send_binary(&[b'x'; 60_000]);
            assert_eq!(ws.send_binary(&[b'y'; 10_000]), Sent::Dropped);
            assert_eq!(ws.close(), Ok(()));
        })
    });
    let client = open_quietly(&mut sim);
    sim.set_window(client, 0);
    send(&mut sim, client, wire::text("go"));
    let told = heard(&mut sim, 0);
    assert_eq!(told.last().map(String::as_str), Some("closed Dropped 1006"));
    assert_clean(&sim);
}

#[test]
fn a_slow_reader_may_ping() {
    let (mut sim, client) = blocked(Backpressure::Drop);
    let _ = send_bytes(&mut sim, 20_000);
    for round in 0..20 {
        send(&mut sim, client, wire::ping(&[round]));
    }
    assert_eq!(heard(&mut sim, 0).len(), 20);
    assert_eq!(drain(&mut sim, client, 1000)[0], x(20_000));
    assert_eq!(heard(&mut sim, 0), ["drain"]);
    assert_eq!(sim.buffered_bytes(), 0);
    send(&mut sim, client, wire::ping(b"p"));
    assert_eq!(drain(&mut sim, client, 1000), ["pong p"]);
}

#[test]
fn pings_of_a_peer_that_reads_nothing_do_not_fill_the_memory() {
    let (mut sim, client) = blocked(Backpressure::Drop);
    let mut pings = Vec::new();
    for _ in 0..1000 {
        pings.extend(wire::ping(&[b'p'; 125]));
    }
    for _ in 0..20 {
        send(&mut sim, client, &pings);
        if sim.is_closed(client) {
            break;
        }
    }
    // 2.5 MB of Pongs were asked for.
    assert!(
        sim.buffered_bytes() <= 2 * LIMIT,
        "{}",
        sim.buffered_bytes()
    );
}

#[test]
fn a_ping_is_refused_like_a_message() {
    let (mut sim, client) = blocked(Backpressure::Drop);
    let _ = send_bytes(&mut sim, LIMIT);
    assert_eq!(act(&mut sim, 0, |ws| ws.ping(b"p")), Ok(Sent::Dropped));
    assert_eq!(drain(&mut sim, client, usize::MAX), [x(LIMIT)]);
    assert_eq!(act(&mut sim, 0, |ws| ws.ping(b"p")), Ok(Sent::Sent));
    assert_eq!(frames(&mut sim, client), ["ping p"]);
}

#[test]
fn a_peer_that_leaves_takes_what_waited_with_it() {
    for way in 0..3 {
        let (mut sim, client) = blocked(Backpressure::Queue);
        let _ = send_bytes(&mut sim, 1 << 20);
        match way {
            0 => sim.reset(client),
            1 => sim.finish(client),
            _ => assert_eq!(act(&mut sim, 0, |ws| ws.close()), Ok(())),
        }
        rest(&mut sim);
        let told = if way == 2 {
            "closed Dropped 1006"
        } else {
            "closed PeerLeft 1006"
        };
        assert_eq!(heard(&mut sim, 0), [told]);
        assert!(sim.is_freed(client), "{way}");
        assert_clean(&sim);
    }
}

#[test]
fn a_peer_that_reads_nothing_is_dropped() {
    let builder = Config::builder().write_stall_timeout_ms(5 * SECOND);
    let mut sim = start_with(builder, config(), |_| ());
    let client = open_quietly(&mut sim);
    sim.set_window(client, 1000);
    let _ = act(&mut sim, 0, |ws| ws.send_binary(&[0; 5000]));
    sim.advance_ms(5 * SECOND - 1);
    assert_eq!(heard(&mut sim, 0), [""; 0]);
    sim.advance_ms(10);
    assert_eq!(heard(&mut sim, 0), ["closed WriteStall 1006"]);
    assert!(sim.is_freed(client));
    assert_eq!(sim.counts().write_stalls, 1);
    assert_clean(&sim);
}

#[test]
fn a_peer_that_reads_a_little_now_and_then_is_not() {
    let builder = Config::builder().write_stall_timeout_ms(5 * SECOND);
    let mut sim = start_with(builder, config().idle_timeout_ms(0), |_| ());
    let client = open_quietly(&mut sim);
    sim.set_window(client, 1000);
    let _ = act(&mut sim, 0, |ws| ws.send_binary(&[0; 20_000]));
    for _ in 0..15 {
        sim.advance_ms(4 * SECOND);
        assert_eq!(sim.received(client).len(), 1000);
        rest(&mut sim);
    }
    assert_eq!(heard(&mut sim, 0), [""; 0]);
    sim.advance_ms(5 * SECOND + 10);
    assert_eq!(heard(&mut sim, 0), ["closed WriteStall 1006"]);
}
