//! Pings, idleness and lifetimes, on each side of a millisecond; and pausing.

use std::time::Duration;

use crate::support::{
    Worker, act, assert_clean, config, frames, heard, open, open_quietly, recorder, rest, send,
    start, start_behaviour,
};
use crate::wire;

const NONE: [&str; 0] = [];

/// A timer comes up in the tick behind its time: never before it, and no later than this.
const TICK_MS: u64 = 1;

#[test]
fn a_silent_peer_is_pinged_at_the_interval() {
    let mut sim = start(config().ping_interval_ms(1000).idle_timeout_ms(0));
    let client = open(&mut sim);
    let mut waited = Vec::new();
    let mut since = 0;
    while waited.len() < 5 {
        sim.advance_ms(1);
        since += 1;
        match frames(&mut sim, client).as_slice() {
            [] => assert!(since < 2000, "the next one comes"),
            sent => {
                assert_eq!(sent, ["ping"]);
                waited.push(since);
                since = 0;
            }
        }
    }
    let interval = 1000..=1000 + TICK_MS;
    assert!(waited.iter().all(|ms| interval.contains(ms)), "{waited:?}");
    assert!(!sim.is_closed(client));
}

#[test]
fn a_peer_that_talks_is_not_pinged() {
    let mut sim = start(config().ping_interval_ms(1000));
    let client = open_quietly(&mut sim);
    for _ in 0..10 {
        sim.advance_ms(900);
        send(&mut sim, client, wire::pong(b""));
    }
    assert_eq!(frames(&mut sim, client), NONE);
    sim.advance_ms(1000 - 1);
    assert_eq!(frames(&mut sim, client), NONE);
    sim.advance_ms(1 + TICK_MS);
    assert_eq!(frames(&mut sim, client), ["ping"]);
}

#[test]
fn pings_are_on_unless_they_are_turned_off() {
    let mut sim = start(keirin::WebSocketConfig::builder());
    let client = open(&mut sim);
    sim.advance_ms(25_000 - 1);
    assert_eq!(frames(&mut sim, client), NONE);
    sim.advance_ms(1 + TICK_MS);
    assert_eq!(frames(&mut sim, client), ["ping"]);

    let mut sim = start(config().idle_timeout_ms(0));
    let client = open(&mut sim);
    sim.advance_ms(10_000_000);
    assert_eq!(frames(&mut sim, client), NONE);
    assert!(!sim.is_closed(client));
}

#[test]
fn an_idle_peer_is_closed() {
    let mut sim = start(config().idle_timeout_ms(5000));
    let client = open_quietly(&mut sim);
    sim.advance_ms(4000);
    send(&mut sim, client, wire::text("x"));
    assert_eq!(heard(&mut sim, 0), ["text x"]);
    sim.advance_ms(5000 - 1);
    assert_eq!(heard(&mut sim, 0), NONE);
    sim.advance_ms(1 + TICK_MS);
    let told = heard(&mut sim, 0);
    assert!(told[0].starts_with("closed IdleTimeout 1001"), "{told:?}");
    let sent = frames(&mut sim, client);
    assert!(
        sent.len() == 1 && sent[0].starts_with("close 1001"),
        "{sent:?}"
    );
    assert_eq!(sim.counts().idle_timeouts, 1);
    sim.advance_ms(10_000);
    assert!(sim.is_freed(client));
    assert_clean(&sim);
}

#[test]
fn every_byte_of_the_peers_keeps_it_from_being_idle() {
    let mut sim = start(config().idle_timeout_ms(5000));
    let client = open_quietly(&mut sim);
    let message = wire::text("slowly");
    for byte in message {
        sim.advance_ms(4900);
        send(&mut sim, client, [byte]);
    }
    assert_eq!(heard(&mut sim, 0), ["text slowly"]);
}

#[test]
fn answers_to_pings_keep_a_peer_from_being_idle() {
    let mut sim = start(config().idle_timeout_ms(5000).ping_interval_ms(2000));
    let client = open_quietly(&mut sim);
    for _ in 0..20 {
        sim.advance_ms(2000 + TICK_MS);
        assert_eq!(frames(&mut sim, client), ["ping"]);
        send(&mut sim, client, wire::pong(b""));
        assert_eq!(heard(&mut sim, 0), ["pong"]);
    }
    // Without an answer it is closed, after as many Pings as there is time for.
    sim.advance_ms(5000 + TICK_MS);
    let sent = frames(&mut sim, client);
    assert_eq!(sent[..2], ["ping", "ping"]);
    assert!(sent[2].starts_with("close 1001"));
    assert!(heard(&mut sim, 0)[0].starts_with("closed IdleTimeout 1001"));
}

#[test]
fn a_lifetime_ends_however_much_is_said() {
    let mut sim = start(config().lifetime_ms(10_000));
    let client = open_quietly(&mut sim);
    for _ in 0..9 {
        sim.advance_ms(1000);
        send(&mut sim, client, wire::text("x"));
        assert_eq!(heard(&mut sim, 0), ["text x"]);
    }
    sim.advance_ms(999);
    assert_eq!(heard(&mut sim, 0), NONE);
    sim.advance_ms(1 + TICK_MS);
    let told = heard(&mut sim, 0);
    assert!(told[0].starts_with("closed Lifetime 1001"), "{told:?}");
    assert!(frames(&mut sim, client)[0].starts_with("close 1001"));
}

#[test]
fn jitter_spreads_lifetimes_within_its_bounds() {
    let mut sim = start(config().lifetime_ms(10_000).lifetime_jitter_ms(5_000));
    for _ in 0..200 {
        let _ = open_quietly(&mut sim);
    }
    sim.advance_ms(10_000 - 1);
    assert_eq!(sim.counts().sockets_open, 200, "none before its time");
    let mut before = 200;
    for _ in 0..5 {
        sim.advance_ms(1000);
        let open = sim.counts().sockets_open;
        // 40 a second are to be expected.
        assert!((10..=100).contains(&(before - open)), "{before} to {open}");
        before = open;
    }
    sim.advance_ms(1 + TICK_MS);
    assert_eq!(sim.counts().sockets_open, 0, "none beyond the jitter");
}

#[test]
fn a_socket_can_have_timeouts_of_its_own() {
    let mut sim = start(config().idle_timeout_ms(5000));
    let clients = [(); 4].map(|()| open_quietly(&mut sim));
    let set = |sim: &mut Worker, index, idle, ping, life| {
        act(sim, index, |ws| {
            ws.set_idle_timeout(Duration::from_millis(idle))?;
            ws.set_ping_interval(Duration::from_millis(ping))?;
            ws.set_lifetime(Duration::from_millis(life))
        })
    };
    assert_eq!(set(&mut sim, 1, 1000, 0, 0), Ok(()));
    assert_eq!(set(&mut sim, 2, 0, 700, 0), Ok(()));
    assert_eq!(set(&mut sim, 3, 0, 0, 2000), Ok(()));
    sim.advance_ms(1000 - 1);
    assert_eq!(heard(&mut sim, 1), NONE);
    sim.advance_ms(1 + TICK_MS);
    assert!(heard(&mut sim, 1)[0].starts_with("closed IdleTimeout"));
    assert_eq!(frames(&mut sim, clients[2]), ["ping"]);
    sim.advance_ms(1000);
    assert!(heard(&mut sim, 3)[0].starts_with("closed Lifetime"));
    assert_eq!(frames(&mut sim, clients[2]), ["ping"]);
    assert_eq!(heard(&mut sim, 0), NONE);
    sim.advance_ms(3000);
    assert!(heard(&mut sim, 0)[0].starts_with("closed IdleTimeout"));
    sim.advance_ms(1_000_000);
    assert_eq!(heard(&mut sim, 2), NONE);
    assert_eq!(sim.counts().sockets_open, 1);
}

#[test]
fn timeouts_can_be_turned_off_and_on_again() {
    let mut sim = start(config().idle_timeout_ms(1000).lifetime_ms(3000));
    let client = open_quietly(&mut sim);
    assert_eq!(
        act(&mut sim, 0, |ws| ws.set_idle_timeout(Duration::ZERO)),
        Ok(())
    );
    assert_eq!(
        act(&mut sim, 0, |ws| ws.set_lifetime(Duration::ZERO)),
        Ok(())
    );
    sim.advance_ms(100_000);
    assert_eq!(heard(&mut sim, 0), NONE);
    // From when the peer was last heard of, which is long ago.
    let second = Duration::from_secs(1);
    assert_eq!(act(&mut sim, 0, |ws| ws.set_idle_timeout(second)), Ok(()));
    sim.advance_ms(1000 + TICK_MS);
    assert!(heard(&mut sim, 0)[0].starts_with("closed IdleTimeout"));
    let _ = client;
}

#[test]
fn a_lifetime_set_later_counts_from_then() {
    let mut sim = start(config().idle_timeout_ms(0));
    let _ = open_quietly(&mut sim);
    sim.advance_ms(10_000);
    let second = Duration::from_secs(1);
    assert_eq!(act(&mut sim, 0, |ws| ws.set_lifetime(second)), Ok(()));
    sim.advance_ms(1000 - 1);
    assert_eq!(heard(&mut sim, 0), NONE);
    sim.advance_ms(1 + TICK_MS);
    assert!(heard(&mut sim, 0)[0].starts_with("closed Lifetime 1001"));
}

#[test]
fn less_than_a_millisecond_is_not_off() {
    let mut sim = start(config());
    let _ = open_quietly(&mut sim);
    let short = Duration::from_nanos(1);
    assert_eq!(act(&mut sim, 0, |ws| ws.set_idle_timeout(short)), Ok(()));
    sim.advance_ms(5);
    assert!(heard(&mut sim, 0)[0].starts_with("closed IdleTimeout"));
}

#[test]
fn the_longest_duration_is_not_a_short_one() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    act(&mut sim, 0, |ws| {
        assert_eq!(ws.set_idle_timeout(Duration::MAX), Ok(()));
        assert_eq!(ws.set_ping_interval(Duration::MAX), Ok(()));
        assert_eq!(ws.set_lifetime(Duration::MAX), Ok(()));
    });
    sim.advance_ms(24 * 3_600_000);
    assert_eq!(heard(&mut sim, 0), NONE);
    assert_eq!(frames(&mut sim, client), NONE);
}

#[test]
fn a_paused_socket_is_not_read_and_not_idle() {
    let mut sim = start(config().idle_timeout_ms(1000));
    let client = open_quietly(&mut sim);
    assert_eq!(act(&mut sim, 0, |ws| ws.pause()), Ok(()));
    send(
        &mut sim,
        client,
        [wire::text("one"), wire::ping(b"two"), wire::text("three")].concat(),
    );
    sim.advance_ms(60_000);
    assert_eq!(heard(&mut sim, 0), NONE);
    assert_eq!(frames(&mut sim, client), NONE);
    assert_eq!(act(&mut sim, 0, |ws| ws.resume()), Ok(()));
    assert_eq!(heard(&mut sim, 0), ["text one", "ping two", "text three"]);
    assert_eq!(frames(&mut sim, client), ["pong two"]);
    assert_eq!(sim.buffered_bytes(), 0);
}

#[test]
fn a_resumed_socket_that_stays_silent_has_its_whole_time_again() {
    let mut sim = start(config().idle_timeout_ms(1000));
    let _ = open_quietly(&mut sim);
    assert_eq!(act(&mut sim, 0, |ws| ws.pause()), Ok(()));
    sim.advance_ms(60_000);
    assert_eq!(act(&mut sim, 0, |ws| ws.resume()), Ok(()));
    sim.advance_ms(900);
    assert_eq!(
        heard(&mut sim, 0),
        NONE,
        "it could not be heard of while it was paused"
    );
    sim.advance_ms(200);
    assert!(heard(&mut sim, 0)[0].starts_with("closed IdleTimeout"));
}

#[test]
fn a_socket_that_pauses_itself_gets_no_second_message() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            let line = crate::support::message_line("", message);
            crate::support::hear(ws, line);
            assert_eq!(ws.pause(), Ok(()));
        })
    });
    let client = open_quietly(&mut sim);
    let stream = [wire::text("1"), wire::text("2"), wire::close(1000, b"")].concat();
    send(&mut sim, client, &stream);
    assert_eq!(heard(&mut sim, 0), ["text 1"]);
    assert_eq!(act(&mut sim, 0, |ws| ws.resume()), Ok(()));
    assert_eq!(heard(&mut sim, 0), ["text 2"]);
    assert_eq!(act(&mut sim, 0, |ws| ws.resume()), Ok(()));
    assert_eq!(heard(&mut sim, 0), ["closed Peer 1000"]);
}

#[test]
fn a_paused_socket_can_send_end_and_be_reset() {
    for way in 0..3 {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        assert_eq!(act(&mut sim, 0, |ws| ws.pause()), Ok(()));
        send(&mut sim, client, wire::text("unread"));
        let _ = act(&mut sim, 0, |ws| ws.send_text("sent"));
        assert_eq!(frames(&mut sim, client), ["text sent"]);
        match way {
            0 => {
                assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, "")), Ok(()));
                send(&mut sim, client, wire::close(1000, b""));
                assert_eq!(heard(&mut sim, 0), ["closed Local 1000"]);
                assert!(sim.is_closed(client));
            }
            1 => {
                sim.reset(client);
                rest(&mut sim);
                assert_eq!(heard(&mut sim, 0), ["closed PeerLeft 1006"]);
                assert!(sim.is_freed(client));
            }
            _ => {
                sim.finish(client);
                rest(&mut sim);
                assert_eq!(act(&mut sim, 0, |ws| ws.resume()), Ok(()));
                assert_eq!(heard(&mut sim, 0), ["text unread", "closed PeerLeft 1006"]);
            }
        }
    }
}
