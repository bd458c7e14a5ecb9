//! One write for each subscriber and turn, whatever was published in it.

use keirin::WebSocketConfig;

use crate::frames::TEXT;
use crate::script::{Op, announce, publish, send, subscribe, unsubscribe};
use crate::support::{Room, assert_got, roomy};

fn sends(room: &Room, sockets: usize) -> Vec<usize> {
    let sends = (0..sockets).map(|number| room.sim.sends(room.client(number)));
    sends.collect()
}

fn room(config: WebSocketConfig, sockets: usize) -> Room {
    let mut room = Room::with(config, sockets);
    for number in 0..sockets {
        room.by(number, [subscribe(number, "t")]);
    }
    room
}

#[test]
fn many_publishes_of_a_turn_are_one_write_for_each_subscriber() {
    const COUNT: usize = 50;
    let mut room = room(roomy(), 4);
    room.by(3, [unsubscribe(3, "t")]);
    let before = sends(&room, 4);
    let texts: Vec<_> = (0..COUNT).map(|n| format!("message {n}")).collect();
    // In one callback of each of two sockets, mixed with what is sent directly.
    let half = |from: usize, texts: &[String]| {
        let ops = texts.iter().map(|text| publish(from, "t", text));
        (from, ops.collect())
    };
    room.by_each([half(1, &texts[..COUNT / 2]), half(3, &texts[COUNT / 2..])]);
    let after = sends(&room, 4);
    let writes: Vec<_> = after
        .iter()
        .zip(&before)
        .map(|(after, before)| after - before)
        .collect();
    assert_eq!(writes, [1, 1, 1, 0]);
    assert_eq!(room.got(0), texts);
    assert_eq!(room.got(1), &texts[COUNT / 2..]);
    assert_eq!(room.got(2), texts);
    assert_got(&mut room, 3, []);
}

#[test]
fn a_publish_to_many_topics_of_one_socket_is_one_write() {
    let mut room = Room::with(roomy(), 2);
    let names: Vec<_> = (0..100).map(|n| format!("topic/{n}")).collect();
    let ops: Vec<_> = names.iter().map(|name| subscribe(0, name)).collect();
    room.by(0, ops);
    let before = sends(&room, 2);
    let ops: Vec<_> = names.iter().map(|name| publish(1, name, name)).collect();
    room.by(1, ops);
    assert_eq!(sends(&room, 2), [before[0] + 1, before[1]]);
    assert_eq!(room.got(0), names);
}

#[test]
fn who_joins_or_leaves_in_between_gets_its_part() {
    const COUNT: usize = 200;
    let mut room = Room::with(roomy(), COUNT);
    let before = sends(&room, COUNT);
    // Socket n is there from message n to message 2n.
    let mut ops = Vec::new();
    for n in 0..COUNT {
        ops.push(subscribe(n, "t"));
        ops.push(announce("t", n.to_string()));
        if n % 2 == 0 {
            ops.push(unsubscribe(n / 2, "t"));
        }
    }
    room.act(ops);
    let after = sends(&room, COUNT);
    for n in 0..COUNT {
        assert_eq!(after[n], before[n] + 1, "one write for {n}");
        let expected: Vec<_> = (n..=(2 * n).min(COUNT - 1))
            .map(|n| n.to_string())
            .collect();
        assert_eq!(room.got(n), expected, "socket {n}");
    }
}

#[test]
fn the_bytes_are_frames_of_the_smallest_form() {
    let mut room = room(roomy(), 2);
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
        let text = "x".repeat(len);
        room.by(1, [publish(1, "t", &text), publish(1, "t", "end")]);
        // The parser of the test refuses any longer form.
        let frames = room.frames(0);
        assert_eq!(frames.len(), 2, "{len}");
        assert!(frames[0].fin && !frames[0].rsv1 && frames[0].opcode == TEXT);
        assert!(frames[0].payload == text.as_bytes(), "{len}");
        assert_eq!(frames[1].payload, b"end");
    }
    assert_eq!(room.sim.buffered_bytes(), 0);
}

#[test]
fn text_and_binary_stay_what_they_are() {
    use keirin::{Message, Publication};
    let mut room = room(roomy(), 1);
    room.with_cx(|cx| {
        let sent = cx.publish("t", Message::Binary(b"\xff\x00binary")).unwrap();
        assert_eq!((sent.matched, sent.dropped), (1, 0));
        let publication = Publication {
            topic: "t",
            payload: "é".as_bytes(),
            text: true,
            compress: false,
        };
        assert_eq!(cx.publish_as(&publication).unwrap().matched, 1);
        cx.state_mut().model.doom(0);
    });
    room.settle();
    let frames = room.frames(0);
    assert_eq!(
        (frames[0].opcode, &frames[0].payload[..]),
        (2, &b"\xff\x00binary"[..])
    );
    assert_eq!(
        (frames[1].opcode, &frames[1].payload[..]),
        (1, "é".as_bytes())
    );
}

#[test]
fn a_peer_that_reads_gets_all_of_very_much_in_order() {
    // Far more than may wait for a peer, for one that does not let it wait.
    let mut room = room(WebSocketConfig::default(), 3);
    let texts: Vec<_> = (0..100)
        .map(|n| format!("{n} {}", "x".repeat(100_000)))
        .collect();
    let ops: Vec<_> = texts.iter().map(|text| publish(2, "t", text)).collect();
    room.by(2, ops);
    assert_eq!(room.sim.buffered_bytes(), 0);
    assert!(
        room.got(0) == texts && room.got(1) == texts,
        "others, or in another order"
    );
    assert_eq!(room.sim.counts().messages_dropped, 0);
}

#[test]
fn thousands_of_messages_of_one_callback_arrive_in_order() {
    const COUNT: usize = 20_000;
    let mut room = room(WebSocketConfig::default(), 3);
    let texts: Vec<_> = (0..COUNT).map(|n| format!("{n:0>100}")).collect();
    let mut ops: Vec<Op> = texts.iter().map(|text| publish(2, "t", text)).collect();
    ops.insert(COUNT / 2, send(0, "direct"));
    room.by(2, ops);
    assert_eq!(room.sim.buffered_bytes(), 0);
    let mut got = room.got(0);
    assert_eq!(got.remove(COUNT / 2), "direct");
    assert!(
        got == texts && room.got(1) == texts,
        "others, or in another order"
    );
    assert_eq!(room.sim.counts().messages_dropped, 0);
}

#[test]
fn memory_stays_within_the_limit_when_nobody_reads() {
    const LIMIT: usize = 1 << 20;
    const SOCKETS: usize = 4;
    for (len, count) in [(100_000, 60), (100, 20_000), (70_000, 1_000)] {
        let mut room = room(WebSocketConfig::default(), SOCKETS);
        for number in 0..SOCKETS {
            room.sim.set_window(room.client(number), 0);
        }
        let text = "x".repeat(len);
        let ops = vec![announce("t", &text); count];
        room.act(ops);
        let buffered = room.sim.buffered_bytes();
        // A buffer doubles as it grows.
        assert!(buffered <= 2 * SOCKETS * LIMIT + (64 << 10), "{buffered}");
        let dropped = room.sim.counts().messages_dropped as usize;
        let said = room.with_cx(|cx| {
            let published = &cx.state().published;
            published.iter().map(|sent| sent.dropped).sum::<usize>()
        });
        assert_eq!(dropped, said);
        let mut arrived = 0;
        for number in 0..SOCKETS {
            room.sim.set_window(room.client(number), usize::MAX);
            let got = room.got(number);
            assert!(got.iter().all(|other| *other == text));
            arrived += got.len();
        }
        assert_eq!(arrived + dropped, SOCKETS * count, "{len}");
        assert_eq!(room.sim.buffered_bytes(), 0, "the memory is back");
    }
}
