//! Subscribers that do not read.

use keirin::{Backpressure, Sent, WebSocketConfig};

use crate::frames;
use crate::script::{Op, announce, publish, send, subscribe};
use crate::support::Room;

/// The smallest limit there is, what waits from the begin on, and how many messages of 1 KiB fit
/// behind that, with their heads.
const LIMIT: usize = 16 << 10;
const FIRST: &str = "first";
const FIRST_FRAME: usize = FIRST.len() + 2;
const FIT: usize = (LIMIT - FIRST_FRAME) / (1024 + 4);

fn config(policy: Backpressure) -> WebSocketConfig {
    let config = WebSocketConfig::builder().backpressure(policy);
    config.backpressure_bytes_max(LIMIT).build().unwrap()
}

/// Three subscribers of `t`, of which the first does not read, and has a message waiting.
fn room(config: WebSocketConfig) -> Room {
    let mut room = idle_room(config);
    room.act([send(0, FIRST)]);
    room
}

/// The same with nothing waiting.
fn idle_room(config: WebSocketConfig) -> Room {
    let mut room = Room::with(config, 3);
    for number in 0..3 {
        room.by(number, [subscribe(number, "t")]);
    }
    room.sim.set_window(room.client(0), 0);
    room.settle();
    room.log();
    room
}

/// What the slow one gets once it reads, behind what waited from the begin on.
fn got_behind_first(room: &mut Room) -> Vec<String> {
    let mut got = room.got(0);
    assert_eq!(got.remove(0), FIRST);
    got
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:0>1024}")).collect()
}

fn dropped(room: &mut Room) -> usize {
    room.with_cx(|cx| cx.state().published.iter().map(|sent| sent.dropped).sum())
}

/// Publishes all, in one callback or in one for each.
fn publish_all(room: &mut Room, texts: &[String], at_once: bool) {
    let ops: Vec<_> = texts.iter().map(|text| announce("t", text)).collect();
    if at_once {
        room.act(ops);
    } else {
        for op in ops {
            room.act([op]);
        }
    }
}

#[test]
fn what_does_not_fit_is_dropped_told_and_counted() {
    for at_once in [false, true] {
        let mut room = room(config(Backpressure::Drop));
        let texts = texts(40);
        publish_all(&mut room, &texts, at_once);
        assert_eq!(dropped(&mut room), 40 - FIT, "at once: {at_once}");
        assert_eq!(room.sim.counts().messages_dropped as usize, 40 - FIT);
        let told: Vec<_> = texts[FIT..]
            .iter()
            .map(|text| format!("dropped 0 {text}"))
            .collect();
        // In one turn, only as much as may wait.
        let count = if at_once { LIMIT / 1024 } else { told.len() };
        let log = room.log();
        assert!(
            log.len() >= count && told.starts_with(&log),
            "{}",
            log.len()
        );
        let buffered = room.sim.buffered_bytes();
        assert!((FIT * 1024..LIMIT + 4096).contains(&buffered), "{buffered}");
        // Others are not disturbed.
        assert_eq!(room.got(1), texts);
        assert_eq!(room.got(2), texts);
        // A window that opens a little at a time: nothing is lost or doubled, drained once.
        room.sim.set_window(room.client(0), 100);
        assert_eq!(got_behind_first(&mut room), &texts[..FIT]);
        assert_eq!(room.log(), ["drain 0"]);
        assert_eq!(room.sim.buffered_bytes(), 0);
        room.act([announce("t", "new")]);
        assert_eq!(room.got(0), ["new"]);
        assert_eq!(room.log(), Vec::<String>::new());
    }
}

#[test]
fn each_crossing_drains_once() {
    let mut room = idle_room(config(Backpressure::Drop));
    for round in 0..3 {
        room.act([announce("t", "1"), send(0, "2"), announce("t", "3")]);
        assert_eq!(room.log(), Vec::<String>::new());
        room.sim.set_window(room.client(0), usize::MAX);
        room.settle();
        assert_eq!(room.log(), ["drain 0"], "{round}");
        room.sim.set_window(room.client(0), 0);
        room.settle();
        // Its client still holds what it got, so that the window is closed.
        assert_eq!(room.sim.buffered_bytes(), 0);
    }
    room.sim.set_window(room.client(0), usize::MAX);
    assert_eq!(room.got(0), ["1", "2", "3"].repeat(3));
    assert_eq!(room.log(), Vec::<String>::new());
}

#[test]
fn direct_messages_and_published_ones_share_the_limit_and_their_order() {
    let mut room = room(config(Backpressure::Drop));
    let texts = texts(40);
    for (n, text) in texts.iter().enumerate() {
        room.act([if n % 2 == 0 {
            send(0, text)
        } else {
            announce("t", text)
        }]);
    }
    let (told, buffered) = (room.log(), room.sim.buffered_bytes());
    assert_eq!(told.len(), 40 - FIT);
    assert!(buffered < LIMIT + 4096, "{buffered}");
    room.sim.set_window(room.client(0), usize::MAX);
    assert_eq!(got_behind_first(&mut room), &texts[..FIT]);
    assert_eq!(room.sim.counts().messages_dropped as usize, 40 - FIT);
}

#[test]
fn a_message_that_finds_nothing_waiting_is_never_too_much() {
    let mut room = idle_room(config(Backpressure::Drop));
    let text = "x".repeat(100_000);
    room.act([announce("t", &text)]);
    room.act([announce("t", "dropped")]);
    assert_eq!(dropped(&mut room), 1);
    assert_eq!(room.log(), ["dropped 0 dropped"]);
    assert_eq!(room.got(1), [&text[..], "dropped"]);
    room.sim.set_window(room.client(0), 10_000);
    assert_eq!(room.got(0), [text]);
    assert_eq!(room.sim.buffered_bytes(), 0);
}

#[test]
fn the_limit_holds_on_both_sides() {
    for over in [0, 1] {
        let mut room = room(config(Backpressure::Drop));
        let text = "y".repeat(LIMIT - FIRST_FRAME - 4 + over);
        room.act([announce("t", &text)]);
        assert_eq!(dropped(&mut room), over, "published");
        assert_eq!(room.log().len(), over);
        room.sim.set_window(room.client(0), usize::MAX);
        assert_eq!(got_behind_first(&mut room).len(), 1 - over);
    }
}

#[test]
fn with_the_policy_to_close_the_slow_one_is_closed_and_only_it() {
    for at_once in [false, true] {
        let mut room = room(config(Backpressure::Close));
        room.with_cx(|cx| cx.state_mut().model.closes = true);
        let texts = texts(40);
        publish_all(&mut room, &texts, at_once);
        let log = room.log();
        let ended: Vec<_> = log
            .iter()
            .filter(|line| !line.starts_with("dropped "))
            .collect();
        assert_eq!(ended, ["subscription 0 t 3>2", "close 0 Backpressure 1013"]);
        assert_eq!(room.got(1), texts);
        assert_eq!(room.got(2), texts);
        assert_eq!(room.sim.counts().sockets_open, 2);
        assert!(room.sim.buffered_bytes() < LIMIT + 4096);
        // What was waiting, and why there is no more.
        room.sim.set_window(room.client(0), usize::MAX);
        let mut got = got_behind_first(&mut room);
        assert_eq!(got.pop().as_deref(), Some("close 1013"));
        assert!(texts.starts_with(&got), "{got:?}");
        room.raw(0, &frames::client(0x88, &[3, 0xf5]));
        assert_eq!(room.sim.buffered_bytes(), 0);
    }
}

#[test]
fn a_direct_message_over_the_limit_closes_by_the_same_policy() {
    let mut room = room(config(Backpressure::Close));
    room.with_cx(|cx| cx.state_mut().model.closes = true);
    let text = "x".repeat(10_000);
    let sent = room.with_cx(|cx| {
        let id = cx.state().model.id(0);
        let mut socket = cx.socket(id).unwrap();
        [(); 3].map(|()| socket.send_text(&text))
    });
    assert!(matches!(sent[0], Sent::Sent | Sent::Queued(_)), "{sent:?}");
    assert_eq!(sent[1..], [Sent::Closed, Sent::Closed]);
    room.settle();
    let close = "close 0 Backpressure 1013".to_owned();
    assert!(room.log().contains(&close));
}

#[test]
fn with_the_policy_to_queue_everything_waits() {
    let mut room = room(config(Backpressure::Queue));
    let texts = texts(200);
    publish_all(&mut room, &texts, true);
    publish_all(&mut room, &texts, false);
    assert_eq!(dropped(&mut room), 0);
    let buffered = room.sim.buffered_bytes();
    assert!((400 * 1024..900 * 1024).contains(&buffered), "{buffered}");
    let twice = [&texts[..], &texts[..]].concat();
    assert_eq!(room.got(1), twice);
    assert_eq!(room.got(2), twice);
    room.sim.set_window(room.client(0), 5_000);
    assert_eq!(got_behind_first(&mut room), twice);
    assert_eq!(room.log(), ["drain 0"]);
    assert_eq!(room.sim.buffered_bytes(), 0);
}

#[test]
fn slow_subscribers_that_leave_give_their_memory_back() {
    for end in [Op::Close(0), Op::End(0, 1000)] {
        let mut room = room(config(Backpressure::Queue));
        publish_all(&mut room, &texts(100), true);
        assert!(room.sim.buffered_bytes() > 100 * 1024);
        let closes = matches!(end, Op::Close(_));
        room.act([end]);
        if !closes {
            let client = room.client(0);
            room.sim.reset(client);
            room.settle();
        }
        assert_eq!(room.sim.buffered_bytes(), 0);
        assert_eq!(room.got(1).len(), 100);
    }
}

#[test]
fn handlers_for_drops_and_drains_publish_and_close() {
    let mut room = room(config(Backpressure::Drop));
    let texts = texts(FIT + 2);
    room.when(
        "dropped",
        0,
        [publish(0, "t", "slow"), send(2, "told"), Op::End(1, 1000)],
    );
    room.when(
        "drain",
        0,
        [send(0, "a"), announce("t", "b"), publish(0, "t", "c")],
    );
    publish_all(&mut room, &texts, true);
    let mut expected = texts.clone();
    expected.extend(["slow".to_owned(), "close 1000".to_owned()]);
    assert_eq!(room.got(1), expected);
    room.sim.set_window(room.client(0), usize::MAX);
    let mut got = got_behind_first(&mut room);
    let log = room.log();
    assert_eq!(got.split_off(FIT), ["a", "b"], "{log:?}");
    let got = room.got(2);
    assert_eq!(got[FIT + 2..], ["slow", "told", "b", "c"]);
}

#[test]
fn more_drops_than_are_told_are_still_counted() {
    let mut room = room(config(Backpressure::Drop));
    let text = "x".repeat(10_000);
    room.act(vec![announce("t", &text); 3_000]);
    let said = dropped(&mut room);
    assert_eq!(said, 2_999);
    assert_eq!(room.sim.counts().messages_dropped as usize, said);
    let told = room.log().len();
    assert!((1..=said).contains(&told), "{told}");
    assert!(room.sim.buffered_bytes() < LIMIT + 4096);
    assert_eq!(room.got(1).len(), 3_000);
}

#[test]
fn a_dropped_message_larger_than_the_limit_is_told_too() {
    let mut room = room(config(Backpressure::Drop));
    let text = "x".repeat(3 * LIMIT);
    room.act([announce("t", &text), send(0, &text)]);
    assert_eq!(dropped(&mut room), 1);
    assert_eq!(
        room.log(),
        [format!("dropped 0 {text}")],
        "and one is enough of that"
    );
    room.act([send(0, &text)]);
    assert_eq!(room.log(), [format!("dropped 0 {text}")]);
    assert_eq!(room.sim.counts().messages_dropped, 3);
}

#[test]
fn a_socket_that_is_slow_before_its_first_subscription_is_no_exception() {
    let mut room = Room::with(config(Backpressure::Drop), 1);
    room.sim.set_window(room.client(0), 0);
    room.act([send(0, "x".repeat(LIMIT))]);
    room.by(0, [subscribe(0, "t")]);
    room.act([announce("t", "no room")]);
    assert_eq!(dropped(&mut room), 1);
}

#[test]
fn what_waits_for_the_last_fragment_has_the_same_limit() {
    for policy in [Backpressure::Drop, Backpressure::Close, Backpressure::Queue] {
        let mut room = Room::with(config(policy), 2);
        room.with_cx(|cx| cx.state_mut().model.closes = policy == Backpressure::Close);
        room.by(
            0,
            [subscribe(0, "t"), Op::Fragment(0, "a".to_owned(), false)],
        );
        let texts = texts(40);
        publish_all(&mut room, &texts, true);
        let fit = LIMIT / (1024 + 4);
        assert!(policy == Backpressure::Queue || room.sim.buffered_bytes() < 2 * LIMIT);
        let left = Op::Fragment(0, "b".to_owned(), true);
        match policy {
            Backpressure::Drop => {
                assert_eq!(dropped(&mut room), 40 - fit);
                room.act([left]);
                let mut got = room.got(0);
                assert_eq!(got.remove(0), "ab");
                assert_eq!(got, &texts[..fit]);
            }
            Backpressure::Close => {
                let close = "close 0 Backpressure 1013".to_owned();
                assert_eq!(room.log().last(), Some(&close));
            }
            Backpressure::Queue => {
                room.act([left]);
                assert_eq!(room.got(0).len(), 41);
            }
        }
        assert_eq!(room.sim.buffered_bytes(), 0);
    }
}

#[test]
fn a_socket_that_becomes_slow_between_two_publishes_gets_them_in_order() {
    let mut room = idle_room(config(Backpressure::Drop));
    let script = |number: usize, text: &str| (number, vec![publish(number, "t", text)]);
    room.with_cx(|cx| {
        let scripts = [script(1, "1"), script(2, "2")];
        cx.state_mut().scripts.extend(scripts);
    });
    // All in one turn, and the Pong is what finds the window closed.
    let run = frames::client(0x81, b"run");
    room.sim.send(room.client(1), &run);
    room.sim.send(room.client(0), &frames::client(0x89, b""));
    room.sim.send(room.client(2), &run);
    room.settle();
    room.sim.set_window(room.client(0), usize::MAX);
    let mut got = room.got(0);
    got.retain(|text| text != "pong");
    assert_eq!(got, ["1", "2"]);
}
