//! What the tests have found, to be mended.

use keirin::testing::Sim;

use crate::support::{act, answer, config, heard, open_quietly, rest, send, start};
use crate::upgrade_later::left_in_its_turn;
use crate::wire;

#[test]
fn a_426_names_upgrade_as_a_connection_option() {
    // RFC 9110 section 7.8: a sender of Upgrade MUST also send an "Upgrade" connection option.
    let mut sim = start(config());
    let client = sim.connect();
    send(&mut sim, client, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, _) = answer(&mut sim, client);
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    let head = head.to_ascii_lowercase();
    let options = head
        .lines()
        .filter_map(|line| line.strip_prefix("connection: "));
    let named = options
        .flat_map(|line| line.split(','))
        .any(|option| option.trim() == "upgrade");
    assert!(named, "{head}");
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
fn a_reset_in_the_turn_of_a_late_upgrade_is_told_after_the_opening_or_not_at_all() {
    // Every socket that is told of its end was told of its opening.
    let told = left_in_its_turn(Sim::reset);
    assert!(
        told.is_empty() || told == ["open", "closed PeerLeft 1006"],
        "{told:?}"
    );
}

#[test]
fn a_slow_reader_is_answered_its_latest_ping_in_the_end() {
    // Section 5.5.2: a Ping MUST be answered; 5.5.3: of several the latest one at least.
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    sim.set_window(client, 1000);
    let _ = act(&mut sim, 0, |ws| ws.send_binary(&[b'x'; 20_000]));
    for round in 0..20 {
        send(&mut sim, client, wire::ping(&[round]));
    }
    let mut bytes = Vec::new();
    for _ in 0..100 {
        bytes.extend(sim.received(client));
        rest(&mut sim);
    }
    let sent = wire::take_frames(&mut bytes);
    assert_eq!(
        sent.last().map(wire::Received::line),
        Some(wire::line("pong", &[19]))
    );
}

#[test]
fn the_memory_of_a_message_that_is_not_whole_is_counted() {
    // `Sim::buffered_bytes` is what the other tests trust to find memory that is not given back.
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let payload = vec![b'x'; 500_000];
    let message = wire::binary(&payload);
    send(&mut sim, client, &message[..400_000]);
    let buffered = sim.buffered_bytes();
    assert!((390_000..=1_000_000).contains(&buffered), "{buffered}");
    send(&mut sim, client, &message[400_000..]);
    assert_eq!(heard(&mut sim, 0), [wire::line("binary", &payload)]);
    assert_eq!(sim.buffered_bytes(), 0);
}
