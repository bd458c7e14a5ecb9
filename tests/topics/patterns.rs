//! Patterns, and a socket that matches more than once.

use crate::script::{Op, announce, pattern, publish, subscribe, topic};
use crate::support::{Room, assert_got, roomy};

fn follow(socket: usize, name: &str) -> Op {
    Op::Subscribe(socket, pattern(name))
}

/// Which of these topics a pattern's subscriber sees.
#[track_caller]
fn assert_seen<const N: usize>(name: &str, topics: &[&str], expected: [&str; N]) {
    let mut room = Room::with(roomy(), 1);
    room.by(0, [follow(0, name)]);
    let all: Vec<_> = topics.iter().map(|topic| announce(topic, *topic)).collect();
    room.act(all);
    assert_eq!(room.got(0), expected, "{name}");
}

#[test]
fn a_plus_stands_for_one_level_and_a_hash_for_the_rest() {
    let topics = [
        "a", "b", "a/", "a/b", "a/c", "a/b/c", "a//c", "/", "/a", "$a", "b/b", "ab",
    ];
    assert_seen("a", &topics, ["a"]);
    assert_seen("+", &topics, ["a", "b", "$a", "ab"]);
    assert_seen("a/+", &topics, ["a/", "a/b", "a/c"]);
    assert_seen("+/b", &topics, ["a/b", "b/b"]);
    assert_seen("+/+", &topics, ["a/", "a/b", "a/c", "/", "/a", "b/b"]);
    assert_seen("a/+/c", &topics, ["a/b/c", "a//c"]);
    assert_seen("a/#", &topics, ["a", "a/", "a/b", "a/c", "a/b/c", "a//c"]);
    assert_seen("a/b/#", &topics, ["a/b", "a/b/c"]);
    assert_seen("+/b/#", &topics, ["a/b", "a/b/c", "b/b"]);
    assert_seen("/#", &topics, ["/", "/a"]);
    assert_seen("#", &topics, topics);
}

#[test]
fn malformed_patterns_are_refused() {
    use keirin::Misuse;
    let mut room = Room::with(roomy(), 1);
    let deep = |levels: usize| vec!["+"; levels].join("/");
    room.with_cx(|cx| {
        let id = cx.state().model.id(0);
        let mut socket = cx.socket(id).unwrap();
        for name in [
            "",
            "a+",
            "+a",
            "a/#/b",
            "#/a",
            "a#",
            "a/b#",
            "##",
            "++",
            &deep(129),
        ] {
            assert_eq!(socket.subscribe_pattern(name), Err(Misuse::Topic), "{name}");
            assert_eq!(
                socket.unsubscribe_pattern(name),
                Err(Misuse::Topic),
                "{name}"
            );
        }
        assert_eq!(socket.topics().count(), 0);
    });
    room.act([follow(0, &deep(128))]);
    // Deeper topics are no error.
    let name = vec!["x"; 129].join("/");
    room.act([announce(&name, "deep"), announce(&name[2..], "matches")]);
    assert_got(&mut room, 0, ["matches"]);
}

#[test]
fn a_socket_gets_a_message_once_however_many_subscriptions_match() {
    let mut room = Room::with(roomy(), 2);
    room.by(
        0,
        [
            subscribe(0, "a/b"),
            follow(0, "a/b"),
            follow(0, "a/+"),
            follow(0, "+/b"),
            follow(0, "a/#"),
            follow(0, "#"),
        ],
    );
    room.by(
        1,
        [
            publish(1, "a/b", "1"),
            announce("a/b", "2"),
            announce("c", "3"),
        ],
    );
    assert_got(&mut room, 0, ["1", "2", "3"]);
    let matched = room.with_cx(|cx| {
        let published = &cx.state().published;
        published
            .iter()
            .map(|sent| sent.matched)
            .collect::<Vec<_>>()
    });
    assert_eq!(matched, [1, 1, 1]);
    // One after the other goes; the last that matches is enough.
    for name in ["a/b", "a/+", "+/b", "a/#"] {
        room.act([Op::Unsubscribe(0, pattern(name)), announce("a/b", name)]);
        assert_eq!(room.got(0), [name]);
    }
    room.act([Op::Unsubscribe(0, pattern("#")), announce("a/b", "exact")]);
    assert_got(&mut room, 0, ["exact"]);
    room.act([Op::Unsubscribe(0, topic("a/b")), announce("a/b", "nobody")]);
    assert_got(&mut room, 0, []);
}

#[test]
fn an_exact_subscription_knows_no_wildcards() {
    let mut room = Room::with(roomy(), 2);
    room.by(
        0,
        [
            subscribe(0, "a/+"),
            subscribe(0, "#"),
            subscribe(0, "x+y#/#/z"),
        ],
    );
    room.act([
        announce("a/b", "no"),
        announce("a/+", "1"),
        announce("#", "2"),
        announce("x+y#/#/z", "3"),
    ]);
    assert_got(&mut room, 0, ["1", "2", "3"]);
    // A topic and a pattern of the same text are two subscriptions.
    room.by(1, [follow(1, "a/+"), subscribe(1, "a/+")]);
    room.act([
        announce("a/+", "4"),
        announce("a/b", "5"),
        Op::Unsubscribe(1, topic("a/+")),
        announce("a/b", "6"),
        announce("a/+", "7"),
        Op::Unsubscribe(1, pattern("a/+")),
        announce("a/+", "8"),
    ]);
    assert_got(&mut room, 1, ["4", "5", "6", "7"]);
    assert_got(&mut room, 0, ["4", "7", "8"]);
}

#[test]
fn a_pattern_subscriber_does_not_get_what_it_publishes_itself() {
    let mut room = Room::with(roomy(), 2);
    room.by(0, [follow(0, "a/#"), subscribe(0, "a/b")]);
    room.by(1, [follow(1, "a/#")]);
    room.by(0, [publish(0, "a/b", "1")]);
    assert_got(&mut room, 0, []);
    assert_got(&mut room, 1, ["1"]);
}

#[test]
fn topics_of_a_socket_say_what_it_is_subscribed_to() {
    let mut room = Room::with(roomy(), 1);
    room.by(
        0,
        [
            subscribe(0, "a"),
            follow(0, "a"),
            follow(0, "b/#"),
            subscribe(0, "é"),
        ],
    );
    room.with_cx(|cx| {
        let id = cx.state().model.id(0);
        let socket = cx.socket(id).unwrap();
        let mut topics: Vec<_> = socket
            .topics()
            .map(|filter| (filter.as_str().to_owned(), filter.is_pattern()))
            .collect();
        topics.sort();
        let expected = [("a", false), ("a", true), ("b/#", true), ("é", false)];
        let expected = expected.map(|(name, is_pattern)| (name.to_owned(), is_pattern));
        assert_eq!(topics, expected);
        assert!(socket.is_subscribed("a") && socket.is_subscribed("é"));
        assert!(!socket.is_subscribed("b/#") && !socket.is_subscribed("b/c"));
    });
}
