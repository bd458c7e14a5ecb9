//! Access records.

use keirin::testing::Sim;
use keirin::{Behaviour, Config};

fn config() -> Config {
    Config::builder().access_log(true).build().unwrap()
}

fn lines(sim: &mut Sim) -> Vec<String> {
    let records = sim.records().into_iter();
    records
        .filter(|record| record.is_access)
        .inspect(|record| assert!(record.peer.is_some()))
        .map(|record| record.message)
        .collect()
}

#[test]
fn every_answer_is_recorded_once_and_so_is_one_that_never_came() {
    let mut sim = Sim::new(config(), |app| {
        app.get("/", |res, _| res.end(b"hello"));
        app.get("/later", |res, _| res.detach(|_| {}).1);
    });
    let client = sim.connect();
    sim.send(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    sim.send(client, b"GET /no?a HTTP/1.1\r\nHost: x\r\n\r\n");
    sim.run_until_idle();
    assert_eq!(
        lines(&mut sim),
        [
            "GET /: 200, 5 bytes, 0 ms",
            "GET /no?a: 404, 14 bytes, 0 ms"
        ]
    );
    sim.send(client, b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    sim.advance_ms(30);
    assert_eq!(lines(&mut sim), [""; 0]);
    sim.reset(client);
    sim.run_until_idle();
    assert_eq!(lines(&mut sim), ["GET /later: no answer, 30 ms"]);
}

#[test]
fn an_upgrade_is_recorded_like_any_answer_and_so_is_the_end_of_its_socket() {
    let mut sim = Sim::new(config(), |app| {
        app.websocket::<()>("/chat", Behaviour::new());
    });
    let client = sim.connect();
    let head = b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    sim.send(client, head);
    sim.run_until_idle();
    assert_eq!(lines(&mut sim), ["GET /chat: 101, 0 ms"]);
    sim.advance_ms(20);
    sim.send(client, &[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]);
    sim.run_until_idle();
    assert_eq!(lines(&mut sim), ["GET /chat: closed 1000, Peer, 20 ms"]);
}

#[test]
fn nothing_is_recorded_unless_it_was_asked_for() {
    let mut sim = Sim::new(Config::default(), |app| {
        app.get("/", |res, _| res.end(b"hello"));
    });
    let client = sim.connect();
    sim.send(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    sim.run_until_idle();
    assert_eq!(lines(&mut sim), [""; 0]);
}
