//! Subscription events, and counts.

use crate::frames;
use crate::script::{Op, announce, pattern, publish, send, subscribe, unsubscribe};
use crate::support::{Room, assert_got, roomy};

/// The lines of the log that begin so, in order.
fn lines(log: &[String], start: &str) -> Vec<String> {
    let lines = log.iter().filter(|line| line.starts_with(start));
    lines.cloned().collect()
}

#[test]
fn each_change_is_told_with_the_counts_before_and_after() {
    let mut room = Room::with(roomy(), 3);
    room.by(0, [subscribe(0, "t"), subscribe(0, "t"), subscribe(0, "u")]);
    room.by(1, [subscribe(1, "t"), Op::Subscribe(1, pattern("t"))]);
    room.by(2, [subscribe(2, "t"), unsubscribe(2, "u")]);
    room.by(
        0,
        [unsubscribe(0, "t"), unsubscribe(0, "t"), subscribe(0, "t")],
    );
    room.by(1, [Op::Unsubscribe(1, pattern("t"))]);
    let expected = [
        "subscription 0 t 0>1",
        "subscription 0 u 0>1",
        "subscription 1 t 1>2",
        "subscription 1 ~t 0>1",
        "subscription 2 t 2>3",
        "subscription 0 t 3>2",
        "subscription 0 t 2>3",
        "subscription 1 ~t 1>0",
    ];
    assert_eq!(room.log(), expected);
}

#[test]
fn a_socket_that_ends_tells_each_of_its_subscriptions_and_then_its_close() {
    for how in 0..4 {
        let mut room = Room::with(roomy(), 3);
        for number in 0..3 {
            room.by(number, [subscribe(number, "t")]);
        }
        room.by(1, [subscribe(1, "u"), Op::Subscribe(1, pattern("#"))]);
        room.log();
        let client = room.client(1);
        room.with_cx(|cx| cx.state_mut().model.doom(1));
        match how {
            0 => room.act([Op::Close(1)]),
            1 => {
                room.act([Op::End(1, 1000)]);
                room.raw(1, &frames::client(0x88, &[3, 0xe8]));
            }
            2 => room.sim.reset(client),
            _ => room.sim.finish(client),
        }
        room.settle();
        let log = room.log();
        let mut ended = lines(&log, "subscription 1 ");
        ended.sort();
        let expected = [
            "subscription 1 t 3>2",
            "subscription 1 u 1>0",
            "subscription 1 ~# 1>0",
        ];
        assert_eq!(ended, expected, "{how}");
        assert_eq!(log.len(), 4, "{log:?}");
        assert!(log[3].starts_with("close 1 "), "{log:?}");
        assert_eq!(
            room.with_cx(|cx| (cx.subscribers("t"), cx.subscribers("u"))),
            (2, 0)
        );
    }
}

#[test]
fn no_topics_are_left_in_the_close_handler() {
    let mut room = Room::with(roomy(), 2);
    room.by(0, [subscribe(0, "t")]);
    room.when(
        "close",
        0,
        [
            subscribe(0, "t"),
            unsubscribe(0, "t"),
            announce("t", "to nobody"),
        ],
    );
    room.act([Op::Close(0)]);
    let log = room.log();
    assert_eq!(
        lines(&log, "subscription 0"),
        ["subscription 0 t 0>1", "subscription 0 t 1>0"]
    );
    let published = room.with_cx(|cx| cx.state().published.clone());
    assert_eq!((published[0].matched, published[0].dropped), (0, 0));
    assert_eq!(room.with_cx(|cx| cx.subscribers("t")), 0);
}

#[test]
fn events_come_after_the_callback_and_handlers_may_change_more() {
    let mut room = Room::with(roomy(), 2);
    // The news of 0's first subscription makes the second, and that of the second ends both.
    room.when(
        "subscription",
        0,
        [subscribe(0, "b"), announce("a", "1"), send(0, "x")],
    );
    room.by(0, [subscribe(0, "a"), announce("a", "0")]);
    assert_got(&mut room, 0, ["0", "1", "x"]);
    assert_eq!(room.log(), ["subscription 0 a 0>1", "subscription 0 b 0>1"]);
    room.when("subscription", 0, [unsubscribe(0, "b")]);
    room.by(0, [unsubscribe(0, "a"), publish(1, "b", "2")]);
    assert_got(&mut room, 0, ["2"]);
    assert_eq!(room.log(), ["subscription 0 a 1>0", "subscription 0 b 1>0"]);
}

#[test]
fn counts_are_of_exact_topics() {
    let mut room = Room::with(roomy(), 3);
    room.by(0, [subscribe(0, "a/b"), Op::Subscribe(0, pattern("a/+"))]);
    room.by(1, [Op::Subscribe(1, pattern("a/+")), subscribe(1, "a/+")]);
    let counts = |room: &mut Room| {
        room.with_cx(|cx| ["a/b", "a/+", "a", ""].map(|name| cx.subscribers(name)))
    };
    assert_eq!(counts(&mut room), [1, 1, 0, 0]);
    room.by(2, [subscribe(2, "a/b"), subscribe(2, "a/b")]);
    assert_eq!(counts(&mut room), [2, 1, 0, 0]);
    room.act([Op::Close(0)]);
    assert_eq!(counts(&mut room), [1, 1, 0, 0]);
}
