//! Ends under bad circumstances: a socket that is paused, a peer that trickles, a handler that
//! panics, a peer that leaves in the turn of its upgrade.

use std::panic::panic_any;

use keirin::testing::Sim;
use keirin::{Backpressure, Config};

use crate::support::{
    Worker, act, assert_clean, assert_gone, config, frames, hear, heard, message_line,
    open_quietly, recorder, rest, send, start_behaviour, start_with,
};
use crate::upgrade_later::left_in_its_turn;
use crate::wire;

#[test]
fn what_came_before_the_peer_left_is_heard_after_a_pause() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            hear(ws, message_line("", message));
            assert_eq!(ws.pause(), Ok(()));
        })
    });
    let client = open_quietly(&mut sim);
    for text in ["1", "2", "3"] {
        sim.send(client, &wire::text(text));
    }
    sim.send(client, &wire::close(1000, b"bye"));
    sim.finish(client);
    rest(&mut sim);
    for text in ["1", "2", "3"] {
        assert_eq!(heard(&mut sim, 0), [format!("text {text}")]);
        act(&mut sim, 0, |ws| ws.resume()).expect("it is open");
    }
    assert_eq!(heard(&mut sim, 0), ["closed Peer 1000 bye"]);
    assert_eq!(frames(&mut sim, client), ["close 1000"]);
    assert!(sim.is_freed(client));
    assert_clean(&sim);
}

/// Has the client take a byte each second.
fn trickle(sim: &mut Worker, client: keirin::testing::Client, from: usize, seconds: usize) {
    for second in 0..seconds {
        sim.set_window(client, from + second);
        rest(sim);
        sim.advance_ms(1000);
    }
}

#[test]
fn a_socket_that_has_ended_is_freed_although_its_peer_trickles() {
    for policy in [Backpressure::Close, Backpressure::Queue] {
        let builder = Config::builder()
            .write_stall_timeout_ms(10_000)
            .linger_timeout_ms(2_000);
        let settings = config().backpressure(policy);
        let settings = settings.backpressure_bytes_max(64 << 10);
        let mut sim = start_with(builder, settings, |_| ());
        let client = open_quietly(&mut sim);
        sim.set_window(client, 1000);
        act(&mut sim, 0, |ws| {
            for _ in 0..20 {
                let _ = ws.send_binary(&[b'x'; 10_000]);
            }
            if policy == Backpressure::Queue {
                assert_eq!(ws.end(1000, ""), Ok(()));
            }
        });
        assert!(heard(&mut sim, 0)[0].starts_with("closed "));
        trickle(&mut sim, client, 1000, 9);
        assert!(!sim.is_freed(client), "it has its time");
        trickle(&mut sim, client, 1009, 4);
        assert!(sim.is_freed(client), "{policy:?}");
        assert_eq!(sim.counts().connections_open, 0);
        assert_clean(&sim);
    }
}

#[test]
fn behind_a_panic_the_peers_close_frame_is_still_understood() {
    let big = wire::binary(&[b'x'; 1000]);
    let packet = [wire::text("a"), big, wire::close(1011, b"")].concat();
    for cut in [7, 10, 500, packet.len() - 3, packet.len()] {
        let mut sim =
            start_behaviour(|| recorder(config()).on_message(|_, _| panic!("on purpose")));
        let client = open_quietly(&mut sim);
        send(&mut sim, client, &packet[..cut]);
        send(&mut sim, client, &packet[cut..]);
        assert_eq!(frames(&mut sim, client), ["close 1011"], "{cut}");
        assert_eq!(heard(&mut sim, 0), ["closed Panic 1011"]);
        let counts = sim.counts();
        assert_eq!((counts.panics, counts.protocol_errors), (1, 0), "{cut}");
        let records = sim.records();
        let blamed = records.iter().find(|it| it.message.contains("1002"));
        assert!(blamed.is_none(), "{blamed:?}");
        // Without waiting for what the peer has said already.
        assert_gone(&mut sim, client);
        assert_clean(&sim);
    }
}

#[test]
fn a_panic_behind_another_end_or_a_pause_is_told_once() {
    for (way, told) in [
        (0, "closed Dropped 1006"),
        (1, "closed Local 4000"),
        (2, "closed Panic 1011"),
    ] {
        let mut sim = start_behaviour(move || {
            recorder(config()).on_message(move |ws, _| {
                let done = match way {
                    0 => ws.close(),
                    1 => ws.end(4000, ""),
                    _ => ws.pause(),
                };
                panic!("on purpose: {done:?}");
            })
        });
        let client = open_quietly(&mut sim);
        let packet = [wire::text("a"), wire::text("b"), wire::close(1000, b"")];
        send(&mut sim, client, packet.concat());
        assert_eq!(heard(&mut sim, 0), [told]);
        assert_eq!(sim.counts().panics, 1);
        assert_gone(&mut sim, client);
        assert_clean(&sim);
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any("when dropped, too");
    }
}

#[test]
fn a_panic_with_what_panics_when_dropped_ends_only_its_socket() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            hear(ws, message_line("", message));
            if message.bytes() == b"bomb" {
                panic_any(Bomb);
            }
        })
    });
    let client = open_quietly(&mut sim);
    let other = open_quietly(&mut sim);
    send(&mut sim, client, wire::text("bomb"));
    assert_eq!(heard(&mut sim, 0), ["text bomb", "closed Panic 1011"]);
    assert_eq!(frames(&mut sim, client), ["close 1011"]);
    assert_eq!(sim.counts().panics, 1);
    send(&mut sim, other, wire::text("on"));
    assert_eq!(heard(&mut sim, 1), ["text on"]);
}

#[test]
fn a_reset_in_the_turn_of_a_late_upgrade_is_told_after_the_opening_or_not_at_all() {
    // Every socket that is told of its end was told of its opening.
    let told = left_in_its_turn(Sim::reset);
    assert!(
        told.is_empty() || told == ["open", "closed PeerLeft 1006"],
        "{told:?}"
    );
}
