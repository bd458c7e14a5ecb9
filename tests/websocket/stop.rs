//! A graceful stop closes sockets, at once or one after the other.

use std::time::Duration;

use keirin::Config;
use keirin::testing::Client;

use crate::support::{
    Worker, act, assert_clean, config, frames, heard, open_quietly, rest, send, start_with,
};
use crate::wire;

fn assert_stopped(sim: &mut Worker, index: usize, code: u16) {
    let told = heard(sim, index);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(&format!("closed Stop {code}")),
        "{told:?}"
    );
}

#[test]
fn a_stop_closes_every_socket() {
    for code in [1001, 1012] {
        let builder = Config::builder().stop_close_code(code);
        let mut sim = start_with(builder, config(), |_| ());
        let clients: Vec<_> = (0..20).map(|_| open_quietly(&mut sim)).collect();
        sim.stop(60_000);
        sim.advance_ms(1);
        for (index, &client) in clients.iter().enumerate() {
            let sent = frames(&mut sim, client);
            assert_eq!(sent.len(), 1);
            assert!(sent[0].starts_with(&format!("close {code}")), "{sent:?}");
            assert_stopped(&mut sim, index, code);
            send(&mut sim, client, wire::close(code, b""));
            sim.finish(client);
        }
        rest(&mut sim);
        assert!(sim.is_stopped());
        assert_clean(&sim);
    }
}

#[test]
fn a_stop_can_be_spread() {
    let builder = Config::builder().stop_spread_ms(10_000);
    let mut sim = start_with(builder, config(), |_| ());
    let clients: Vec<_> = (0..100).map(|_| open_quietly(&mut sim)).collect();
    sim.stop(60_000);
    let (mut last, mut steps) = (0, 0);
    for second in 0..=10 {
        let closed = 100 - usize::try_from(sim.counts().sockets_open).expect("few");
        // Neither all at once nor none for long.
        assert!(
            closed <= (second + 1) * 20 && closed + 25 >= second * 10,
            "{second}: {closed}"
        );
        steps += usize::from(closed > last);
        last = closed;
        for &client in &clients {
            if frames(&mut sim, client)
                .iter()
                .any(|line| line == "close 1001")
            {
                send(&mut sim, client, wire::close(1001, b""));
                sim.finish(client);
            }
        }
        sim.advance_ms(1000);
    }
    assert_eq!(sim.counts().sockets_open, 0);
    assert!(steps >= 8, "{steps}");
    for index in 0..100 {
        assert_stopped(&mut sim, index, 1001);
    }
}

/// The lines of all of them, for those who have got one.
fn closes(sim: &mut Worker, clients: &[Client]) -> Vec<String> {
    let clients = clients.iter();
    clients.flat_map(|&client| frames(sim, client)).collect()
}

#[test]
fn a_spread_that_is_longer_than_the_grace_tells_every_socket_in_time() {
    // The last, too, has the time to answer; where there is none they are all told at once.
    for (grace, told_by) in [(5_000, 3_000), (2_000, 0), (1_000, 0)] {
        let builder = Config::builder()
            .stop_spread_ms(60_000)
            .linger_timeout_ms(2_000);
        let mut sim = start_with(builder, config(), |_| ());
        let clients: Vec<_> = (0..50).map(|_| open_quietly(&mut sim)).collect();
        sim.stop(grace);
        sim.advance_ms(told_by + 10);
        let lines = closes(&mut sim, &clients);
        assert_eq!(lines, vec!["close 1001 server is stopping"; 50], "{grace}");
        sim.advance_ms(grace - told_by);
        assert!(sim.is_stopped());
        for (index, &client) in clients.iter().enumerate() {
            assert_stopped(&mut sim, index, 1001);
            assert!(sim.is_freed(client));
        }
        assert_clean(&sim);
    }
}

#[test]
fn a_stop_that_is_cut_short_by_another_tells_every_socket_all_the_same() {
    let builder = Config::builder().stop_spread_ms(10_000);
    let mut sim = start_with(builder, config(), |_| ());
    let clients: Vec<_> = (0..10).map(|_| open_quietly(&mut sim)).collect();
    sim.stop(60_000);
    sim.advance_ms(10);
    sim.stop(500);
    sim.advance_ms(510);
    assert!(sim.is_stopped());
    let lines = closes(&mut sim, &clients);
    assert_eq!(lines, vec!["close 1001 server is stopping"; 10]);
    for index in 0..10 {
        assert_stopped(&mut sim, index, 1001);
    }
}

#[test]
fn a_lifetime_set_during_a_stop_does_not_put_its_end_off() {
    let builder = Config::builder().stop_spread_ms(10_000);
    let mut sim = start_with(builder, config(), |_| ());
    let clients: Vec<_> = (0..2).map(|_| open_quietly(&mut sim)).collect();
    sim.stop(60_000);
    sim.advance_ms(10);
    for lifetime in [Duration::ZERO, Duration::from_secs(3600)] {
        let set = act(&mut sim, 1, |ws| ws.set_lifetime(lifetime));
        assert_eq!(set, Ok(()));
    }
    sim.advance_ms(4_000);
    assert_eq!(heard(&mut sim, 1), [""; 0]);
    sim.advance_ms(1_000);
    let sent = frames(&mut sim, clients[1]);
    assert_eq!(sent, ["close 1001 server is stopping"]);
    assert_stopped(&mut sim, 1, 1001);
}

#[test]
fn sockets_work_on_while_a_spread_stop_comes_to_them() {
    let builder = Config::builder().stop_spread_ms(10_000);
    let mut sim = start_with(builder, config(), |_| ());
    let clients: Vec<_> = (0..50).map(|_| open_quietly(&mut sim)).collect();
    sim.stop(60_000);
    rest(&mut sim);
    let mut alive = 0;
    for (index, &client) in clients.iter().enumerate() {
        if heard(&mut sim, index).is_empty() {
            alive += 1;
            send(&mut sim, client, wire::text("still here"));
            assert_eq!(heard(&mut sim, index), ["text still here"]);
        }
    }
    assert!(alive > 25, "{alive}");
}

#[test]
fn a_stop_does_not_wait_for_those_who_do_not_answer() {
    let builder = Config::builder().linger_timeout_ms(2_000);
    let mut sim = start_with(builder, config(), |_| ());
    let client = open_quietly(&mut sim);
    sim.stop(60_000);
    sim.advance_ms(4_100);
    assert!(sim.is_stopped());
    assert!(sim.is_freed(client));
    assert_stopped(&mut sim, 0, 1001);
}
