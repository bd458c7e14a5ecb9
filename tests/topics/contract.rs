//! Who gets what, in which order.

use keirin::{CloseCause, Sent};

use crate::frames::{self, TEXT};
use crate::script::{Op, announce, publish, send, subscribe, unsubscribe};
use crate::support::{Room, assert_got, roomy};

/// So many sockets that are subscribed to `t`.
fn room(sockets: usize) -> Room {
    let mut room = Room::with(roomy(), sockets);
    for number in 0..sockets {
        room.by(number, [subscribe(number, "t")]);
    }
    room.log();
    room
}

#[test]
fn a_subscriber_sees_what_is_published_after_it_subscribed() {
    let mut room = Room::with(roomy(), 2);
    room.act([announce("t", "before")]);
    room.by(0, [subscribe(0, "t")]);
    room.act([
        announce("t", "one"),
        announce("t", "two"),
        announce("u", "other"),
    ]);
    room.by(0, [unsubscribe(0, "t")]);
    room.act([announce("t", "after")]);
    assert_got(&mut room, 0, ["one", "two"]);
    assert_got(&mut room, 1, []);
}

#[test]
fn a_publish_is_ordered_with_what_is_sent_directly() {
    let mut room = room(2);
    // By another socket, by the app, and by itself.
    room.by(
        1,
        [
            publish(1, "t", "1"),
            send(0, "2"),
            announce("t", "3"),
            publish(1, "t", "4"),
            send(0, "5"),
            send(0, "6"),
            publish(1, "t", "7"),
        ],
    );
    assert_got(&mut room, 0, ["1", "2", "3", "4", "5", "6", "7"]);
    assert_got(&mut room, 1, ["3"]);
    room.by(
        0,
        [
            send(0, "1"),
            publish(0, "t", "not to itself"),
            announce("t", "2"),
            send(0, "3"),
            announce("t", "4"),
        ],
    );
    assert_got(&mut room, 0, ["1", "2", "3", "4"]);
    assert_got(&mut room, 1, ["not to itself", "2", "4"]);
}

#[test]
fn the_order_holds_over_callbacks_of_one_turn() {
    let mut room = room(3);
    room.by_each([
        (0, vec![publish(0, "t", "1"), send(2, "2"), send(0, "2")]),
        (1, vec![announce("t", "3"), send(2, "4")]),
        (2, vec![send(2, "5"), publish(2, "t", "6"), send(0, "7")]),
    ]);
    assert_got(&mut room, 2, ["1", "2", "3", "4", "5"]);
    assert_got(&mut room, 1, ["1", "3", "6"]);
    assert_got(&mut room, 0, ["2", "3", "6", "7"]);
}

#[test]
fn timers_deferred_calls_and_other_threads_publish_in_order_too() {
    let mut room = room(1);
    room.by(
        0,
        [
            announce("t", "1"),
            Op::Later(vec![announce("t", "3"), send(0, "4")]),
            send(0, "2"),
            Op::After(5, vec![send(0, "5"), announce("t", "6"), send(0, "7")]),
        ],
    );
    assert_got(&mut room, 0, ["1", "2", "3", "4"]);
    room.sim.advance_ms(6);
    assert_got(&mut room, 0, ["5", "6", "7"]);
    let remote = room.sim.remote();
    let text = |text: &'static str| keirin::Message::Text(text);
    remote
        .defer(move |cx| assert!(cx.publish("t", text("8")).is_ok()))
        .unwrap();
    remote
        .defer(move |cx| {
            let id = cx.state().model.id(0);
            assert_eq!(cx.socket(id).unwrap().send(text("9")), Sent::Sent);
            cx.publish("t", text("10")).unwrap();
        })
        .unwrap();
    assert_got(&mut room, 0, ["8", "9", "10"]);
}

#[test]
fn membership_is_that_of_the_publish() {
    let mut room = room(2);
    room.by(
        1,
        [
            publish(1, "t", "1"),
            unsubscribe(0, "t"),
            publish(1, "t", "2"),
            subscribe(0, "t"),
            publish(1, "t", "3"),
            subscribe(0, "u"),
            announce("u", "4"),
            unsubscribe(0, "u"),
            unsubscribe(0, "t"),
            announce("u", "5"),
            announce("t", "6"),
        ],
    );
    assert_got(&mut room, 0, ["1", "3", "4"]);
    assert_got(&mut room, 1, ["6"]);
}

#[test]
fn handlers_for_opening_and_closing_publish() {
    let mut room = room(2);
    room.when(
        "open",
        2,
        [
            subscribe(2, "t"),
            publish(2, "t", "hello"),
            announce("t", "to all"),
            send(2, "welcome"),
        ],
    );
    room.when("close", 2, [publish(2, "t", "bye"), announce("t", "gone")]);
    room.join();
    assert_got(&mut room, 2, ["to all", "welcome"]);
    room.by(2, [Op::End(2, 1000)]);
    assert_got(&mut room, 2, ["close 1000"]);
    room.raw(2, &frames::client(0x88, &[3, 0xe8]));
    assert_got(&mut room, 0, ["hello", "to all", "bye", "gone"]);
    assert_got(&mut room, 1, ["hello", "to all", "bye", "gone"]);
    assert_got(&mut room, 2, []);
}

#[test]
fn a_publish_pending_at_a_close_harms_nobody() {
    for end in [Op::Close(1), Op::End(1, 4000)] {
        let mut room = room(3);
        room.when("close", 1, [announce("t", "from its close handler")]);
        room.by(0, [announce("t", "1"), end.clone(), announce("t", "2")]);
        let ends = matches!(end, Op::End(..));
        assert_got(&mut room, 0, ["1", "2", "from its close handler"]);
        assert_got(&mut room, 2, ["1", "2", "from its close handler"]);
        let got = room.got(1);
        if ends {
            assert_eq!(
                got,
                ["1", "close 4000"],
                "the message, and then the Close frame"
            );
        } else {
            assert!(got.is_empty() || got == ["1"], "{got:?}");
            assert!(room.sim.is_closed(room.client(1)));
        }
        assert_eq!(room.sim.buffered_bytes(), 0);
    }
}

#[test]
fn sockets_close_and_unsubscribe_in_each_others_handlers() {
    let mut room = Room::with(roomy(), 5);
    // Whoever hears of a subscription ends another's, or another.
    room.when(
        "subscription",
        0,
        [announce("t", "1"), unsubscribe(1, "t"), Op::Close(3)],
    );
    room.when("subscription", 1, [Op::End(2, 1001), announce("t", "2")]);
    room.when(
        "close",
        3,
        [unsubscribe(4, "t"), announce("t", "3"), Op::Close(0)],
    );
    let all: Vec<_> = (0..5).map(|number| subscribe(number, "t")).collect();
    room.by(4, all);
    let log = room.log();
    for number in [0, 2, 3] {
        let closed = format!("close {number} ");
        let count = log.iter().filter(|line| line.starts_with(&closed)).count();
        assert_eq!(count, 1, "{number} in {log:?}");
    }
    room.act([announce("t", "to nobody")]);
    let last = room.with_cx(|cx| cx.state().published.last().copied());
    assert_eq!(last.map(|published| published.matched), Some(0));
    let got = room.got(4);
    room.with_cx(|cx| cx.state_mut().model.compare(4, &got, true));
    room.settle();
}

#[test]
fn whoever_publishes_and_leaves_is_heard() {
    let mut room = room(2);
    room.by(0, [publish(0, "t", "1"), Op::Close(0)]);
    assert_got(&mut room, 1, ["1"]);
    assert!(
        room.log()
            .contains(&format!("close 0 {:?} 1006", CloseCause::Dropped))
    );
}

#[test]
fn published_messages_wait_for_the_last_fragment() {
    let mut room = room(2);
    let piece = |text: &str, last| Op::Fragment(0, text.to_owned(), last);
    room.by(1, [piece("frag", false), publish(1, "t", "1")]);
    room.act([announce("t", "2"), Op::Ping(0)]);
    assert_got(&mut room, 0, ["ping"]);
    assert_got(&mut room, 1, ["2"]);
    room.by(0, [piece("ment", false), announce("t", "3")]);
    assert_got(&mut room, 0, []);
    room.by(
        0,
        [
            announce("t", "4"),
            piece("s", true),
            send(0, "5"),
            announce("t", "6"),
        ],
    );
    assert_got(&mut room, 0, ["fragments", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(room.sim.buffered_bytes(), 0);
}

#[test]
fn a_message_sent_within_fragments_is_refused_and_counted() {
    let mut room = room(1);
    let piece = |text: &str, last| Op::Fragment(0, text.to_owned(), last);
    let before = room.sim.counts().misuse_other;
    room.by(0, [piece("a", false), send(0, "no"), piece("b", true)]);
    assert_eq!(room.sim.counts().misuse_other, before + 1);
    assert_got(&mut room, 0, ["ab"]);
}

#[test]
fn an_end_within_fragments_sends_nothing_more_but_its_close_frame() {
    let mut room = room(2);
    let piece = Op::Fragment(0, "unfinished".to_owned(), false);
    room.by(
        1,
        [
            piece,
            publish(1, "t", "never"),
            Op::End(0, 1000),
            announce("t", "1"),
        ],
    );
    let frames = room.frames(0);
    let heads: Vec<_> = frames
        .iter()
        .map(|frame| (frame.fin, frame.opcode))
        .collect();
    assert_eq!(heads, [(false, TEXT), (true, frames::CLOSE)]);
    assert_got(&mut room, 1, ["1"]);
    room.raw(0, &frames::client(0x88, &[3, 0xe8]));
    assert_eq!(room.sim.buffered_bytes(), 0);
}

#[test]
fn what_was_published_before_an_end_stands_in_front_of_the_close_frame() {
    let mut room = room(2);
    room.by(
        1,
        [
            announce("t", "1"),
            send(0, "2"),
            announce("t", "3"),
            Op::End(0, 1001),
        ],
    );
    assert_got(&mut room, 0, ["1", "2", "3", "close 1001"]);
    room.act([announce("t", "4")]);
    assert_got(&mut room, 0, []);
    assert_got(&mut room, 1, ["1", "3", "4"]);
}

#[test]
fn a_peer_that_closes_or_resets_gets_no_more_and_nobody_minds() {
    for how in 0..3 {
        let mut room = room(3);
        room.when("close", 0, [announce("t", "left")]);
        room.with_cx(|cx| cx.state_mut().model.doom(0));
        let client = room.client(0);
        match how {
            0 => room.sim.reset(client),
            1 => room.sim.finish(client),
            _ => room.sim.send(client, &frames::client(0x88, b"")),
        }
        room.by(1, [announce("t", "1")]);
        room.act([announce("t", "2")]);
        for number in [1, 2] {
            let mut got = room.got(number);
            let left = got
                .iter()
                .position(|text| text == "left")
                .expect("told once");
            got.remove(left);
            assert_eq!(got, ["1", "2"]);
        }
        assert_eq!(room.with_cx(|cx| cx.subscribers("t")), 2);
        assert_eq!(room.sim.counts().sockets_open, 2);
    }
}

#[test]
fn wrong_topics_and_stale_sockets_are_errors_and_do_nothing() {
    use keirin::{Message, Misuse};
    let mut room = room(2);
    let long = "x".repeat(65_536);
    let text = Message::Text("x");
    room.with_cx(|cx| {
        let id = cx.state().model.id(0);
        assert_eq!(cx.publish("", text), Err(Misuse::Topic));
        assert_eq!(cx.publish(&long, text), Err(Misuse::Topic));
        assert_eq!(cx.publish(&long[1..], text).map(|sent| sent.matched), Ok(0));
        let mut socket = cx.socket(id).unwrap();
        assert_eq!(socket.subscribe(""), Err(Misuse::Topic));
        assert_eq!(socket.subscribe(&long), Err(Misuse::Topic));
        assert_eq!(socket.unsubscribe(""), Err(Misuse::Topic));
        assert_eq!(socket.publish("", text), Err(Misuse::Topic));
        assert!(!socket.is_subscribed("") && !socket.is_subscribed(&long));
        assert_eq!(socket.subscribe(&long[1..]), Ok(true));
        assert_eq!(socket.unsubscribe(&long[1..]), Ok(true));
        assert_eq!(socket.unsubscribe(&long[1..]), Ok(false));
        assert!(socket.is_subscribed("t"));
        socket.end(1000, "").unwrap();
        assert_eq!(socket.subscribe("u"), Err(Misuse::Stale));
        assert_eq!(socket.unsubscribe("t"), Err(Misuse::Stale));
        assert!(matches!(cx.socket(id), Err(Misuse::Stale)));
        cx.state_mut().model.doom(0);
    });
    room.settle();
    assert_eq!(room.got(0), ["close 1000"]);
}
