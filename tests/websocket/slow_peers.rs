//! Peers that read, but not as fast as there is something for them: limits, signs of life, Pings.

use keirin::testing::Client;
use keirin::{Backpressure, Config, Message, Sent, WebSocketConfig};

use crate::support::{
    Worker, act, config, hear, heard, open_quietly, opened, recorder, rest, send, start,
    start_behaviour, start_with,
};
use crate::wire;

const HOUR: u64 = 3_600_000;
const LIMIT: usize = 256 << 10;
const MESSAGE: [u8; 10_000] = [b'x'; 10_000];
const MESSAGES: usize = 1000;

/// Publishes without a pause to a socket whose peer reads nothing: from its own callback, or from
/// outside behind a byte that has not left. Returns what it was told was dropped.
fn publish_in_a_loop(policy: Backpressure, own: bool) -> (Worker, Client, usize) {
    let mut sim = start_behaviour(move || {
        recorder(config().backpressure(policy).backpressure_bytes_max(LIMIT))
            .on_open(|ws| {
                opened(ws);
                assert_eq!(ws.subscribe("t"), Ok(true));
            })
            .on_dropped(|_, _| ())
            .on_message(|ws, _| {
                let dropped = publish_all(&mut ws.cx());
                hear(ws, dropped.to_string());
            })
    });
    let client = open_quietly(&mut sim);
    sim.set_window(client, 1000);
    let dropped = if own {
        send(&mut sim, client, wire::text("go"));
        sim.with_cx(|cx| cx.state_mut().heard[0].remove(0))
            .parse()
            .expect("a number")
    } else {
        sim.with_cx(|cx| {
            let id = cx.state().ids[0];
            let _ = cx.socket(id).expect("it is open").send_text("x");
            publish_all(cx)
        })
    };
    rest(&mut sim);
    (sim, client, dropped)
}

fn publish_all<U: 'static>(cx: &mut keirin::Cx<'_, U>) -> usize {
    let publish = |_| cx.publish("t", Message::Binary(&MESSAGE)).expect("a topic");
    (0..MESSAGES).map(publish).map(|it| it.dropped).sum()
}

#[test]
fn a_loop_of_publishes_keeps_to_the_limit_and_says_what_it_dropped() {
    for own in [true, false] {
        let (mut sim, client, dropped) = publish_in_a_loop(Backpressure::Drop, own);
        let queued = act(&mut sim, 0, |ws| ws.queued());
        assert!(queued <= LIMIT, "{own}: {queued}");
        assert!(sim.buffered_bytes() <= 2 * LIMIT);
        assert_eq!(sim.counts().messages_dropped, dropped as u64, "{own}");
        let fits = (LIMIT - 1000) / (MESSAGE.len() + 4);
        assert!(
            (fits - 7..=fits + 1).contains(&(MESSAGES - dropped)),
            "{own}: {dropped}"
        );
        sim.set_window(client, usize::MAX);
        rest(&mut sim);
        let mut bytes = sim.received(client);
        let frames = wire::take_frames(&mut bytes);
        let whole = frames.iter().filter(|frame| frame.payload == MESSAGE);
        assert_eq!(
            (whole.count(), bytes.len()),
            (MESSAGES - dropped, 0),
            "{own}"
        );
        assert_eq!(heard(&mut sim, 0), ["drain"]);
    }
}

#[test]
fn a_loop_of_publishes_closes_the_slow_where_that_is_the_policy() {
    for own in [true, false] {
        let (mut sim, _, _) = publish_in_a_loop(Backpressure::Close, own);
        assert!(
            sim.buffered_bytes() <= 2 * LIMIT,
            "{}",
            sim.buffered_bytes()
        );
        let told = heard(&mut sim, 0);
        assert_eq!(told.len(), 1, "{own}: {told:?}");
        assert!(told[0].starts_with("closed Backpressure 1013"), "{told:?}");
    }
}

#[test]
fn continuations_over_the_limit_close_where_that_is_the_policy() {
    let settings = config().backpressure(Backpressure::Close);
    let mut sim = start(settings.backpressure_bytes_max(16 << 10));
    let client = open_quietly(&mut sim);
    sim.set_window(client, 0);
    let mut piece = || {
        act(&mut sim, 0, |ws| {
            ws.send_fragment(Message::Binary(&[b'x'; 8000]), false)
        })
    };
    assert_eq!(piece(), Ok(Sent::Sent), "for all that is known so far");
    assert!(matches!(piece(), Ok(Sent::Queued(_))));
    assert_eq!(piece(), Ok(Sent::Closed));
    let told = heard(&mut sim, 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("closed Backpressure 1013"), "{told:?}");
    assert!(sim.buffered_bytes() <= 64 << 10, "{}", sim.buffered_bytes());
    sim.set_window(client, usize::MAX);
    rest(&mut sim);
    let mut bytes = sim.received(client);
    let sent = wire::take_frames(&mut bytes);
    let lines: Vec<_> = sent.iter().map(wire::Received::line).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[2].starts_with("close 1013"), "{lines:?}");
}

/// A client that reads as much as is sent, and so never has it all.
fn behind(sim: &mut Worker) -> Client {
    let client = open_quietly(sim);
    sim.set_window(client, 1000);
    let _ = act(sim, 0, |ws| ws.send_binary(&[b'x'; 9000]));
    client
}

/// It reads a window's worth, and is sent as much.
fn read_some(sim: &mut Worker, client: Client) -> Vec<u8> {
    let bytes = sim.received(client);
    assert_eq!(bytes.len(), 1000);
    rest(sim);
    let sent = act(sim, 0, |ws| ws.send_binary(&[b'x'; 996]));
    assert!(matches!(sent, Sent::Queued(5000..)), "{sent:?}");
    bytes
}

#[test]
fn a_silent_peer_that_reads_is_not_idle_and_one_that_does_not_is() {
    let builder = Config::builder().write_stall_timeout_ms(10 * HOUR);
    let settings = WebSocketConfig::builder()
        .idle_timeout_ms(10_000)
        .ping_interval_ms(2_000);
    let mut sim = start_with(builder, settings, |_| ());
    let client = behind(&mut sim);
    for _ in 0..60 {
        let _ = read_some(&mut sim, client);
        sim.advance_ms(1000);
    }
    assert_eq!(heard(&mut sim, 0), [""; 0]);
    sim.advance_ms(8_990);
    assert_eq!(heard(&mut sim, 0), [""; 0]);
    sim.advance_ms(20);
    let told = heard(&mut sim, 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("closed IdleTimeout 1001"), "{told:?}");
}

#[test]
fn a_ping_is_answered_although_the_queue_never_empties() {
    let mut sim = start(config());
    let client = behind(&mut sim);
    let mut bytes = Vec::new();
    for round in 0..10 {
        send(&mut sim, client, wire::ping(&[round]));
        for _ in 0..30 {
            bytes.extend(read_some(&mut sim, client));
        }
    }
    let sent = wire::take_frames(&mut bytes);
    let pongs = sent.iter().filter(|frame| frame.opcode == wire::PONG);
    let payloads: Vec<_> = pongs.flat_map(|pong| pong.payload.clone()).collect();
    assert_eq!(payloads, Vec::from_iter(0..10));
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
