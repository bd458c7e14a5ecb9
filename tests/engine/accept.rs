//! Accepting, and when it cannot.

use keirin::{Config, Level};

use crate::support::{ask, get, ok, start, text};

#[test]
fn without_descriptors_accepting_pauses_while_others_are_served_and_then_goes_on() {
    let mut sim = start(Config::builder(), |_| ());
    let before = sim.connect();
    assert_eq!(ask(&mut sim, before, get("/a")), ok("a"));
    sim.fail_accepts(1);
    let waiting = sim.connect();
    sim.send(waiting, get("/b").as_bytes());
    for _ in 0..10 {
        sim.turn();
        sim.check();
    }
    assert_eq!(
        (
            sim.counts().accept_paused,
            sim.counts().connections_accepted
        ),
        (1, 1)
    );
    let records = sim.records();
    assert_eq!((records.len(), records[0].level), (1, Level::Warn));
    assert!(
        records[0].message.starts_with("accepting is paused: "),
        "{}",
        records[0]
    );
    sim.send(before, get("/a").as_bytes());
    sim.turn();
    sim.check();
    assert!(sim.received(before).ends_with(b"\r\n\r\na"));
    sim.advance_ms(99);
    assert_eq!(sim.counts().connections_accepted, 1);
    sim.advance_ms(1);
    assert_eq!(
        (
            sim.counts().accept_paused,
            sim.counts().connections_accepted
        ),
        (1, 2)
    );
    assert_eq!(text(&mut sim, waiting), ok("b"));
}

#[test]
fn a_thousand_connections_at_once_are_all_accepted() {
    let mut sim = start(Config::builder(), |_| ());
    let clients: Vec<_> = (0..1000).map(|_| sim.connect()).collect();
    for &client in &clients {
        sim.send(client, get("/a").as_bytes());
    }
    sim.advance_ms(10);
    sim.check();
    assert_eq!(sim.counts().connections_accepted, 1000);
    for client in clients {
        assert_eq!(text(&mut sim, client), ok("a"));
    }
}

#[test]
fn connections_over_the_limit_are_closed_until_one_has_left() {
    let mut sim = start(Config::builder().connections_max(2), |_| ());
    let clients: Vec<_> = (0..3).map(|_| sim.connect()).collect();
    sim.run_until_idle();
    sim.check();
    assert_eq!(
        (
            sim.counts().connections_open,
            sim.counts().connections_refused
        ),
        (2, 1)
    );
    assert!(sim.is_freed(clients[2]));
    assert_eq!(ask(&mut sim, clients[0], get("/a")), ok("a"));
    assert_eq!(ask(&mut sim, clients[1], get("/a")), ok("a"));
    sim.reset(clients[0]);
    sim.run_until_idle();
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, get("/b")), ok("b"));
    let counts = sim.counts();
    assert_eq!(
        (counts.connections_open, counts.connections_refused),
        (2, 1)
    );
    assert_eq!(counts.connections_accepted, 3);
}
