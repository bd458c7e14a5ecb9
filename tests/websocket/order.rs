//! The order of what is sent, in how many system calls it leaves, and messages in fragments.

use keirin::{Config, Message, Misuse, Sent};

use crate::support::{
    act, config, frames, heard, notes, open_quietly, recorder, rest, send, start, start_behaviour,
    start_with,
};
use crate::wire::{self, Random};

#[test]
fn what_one_callback_sends_leaves_at_once_and_in_order() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            let _ = ws.send_text("one");
            assert!(ws.ping(b"two").is_ok());
            let _ = ws.send_binary(b"three");
            let _ = ws.send(message);
        })
    });
    let client = open_quietly(&mut sim);
    let before = sim.sends(client);
    send(&mut sim, client, wire::text("echo"));
    assert_eq!(sim.sends(client) - before, 1);
    let expected = ["text one", "ping two", "binary three", "text echo"];
    assert_eq!(frames(&mut sim, client), expected);
}

#[test]
fn what_several_callbacks_of_one_turn_send_leaves_at_once() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            let _ = ws.send(message);
        })
    });
    let client = open_quietly(&mut sim);
    let before = sim.sends(client);
    let stream: Vec<u8> = (0..32).flat_map(|n| wire::text(&format!("m{n}"))).collect();
    send(&mut sim, client, stream);
    assert_eq!(
        sim.sends(client) - before,
        1,
        "32 echoes in one system call"
    );
    let expected: Vec<_> = (0..32).map(|n| format!("text m{n}")).collect();
    assert_eq!(frames(&mut sim, client), expected);
}

#[test]
fn sends_by_id_join_those_of_the_sockets_own_callback() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, _| {
            let ids = ws.cx().state().ids.clone();
            for round in 0..10 {
                for &id in &ids {
                    let mut cx = ws.cx();
                    let mut socket = cx.socket(id).expect("all are open");
                    let _ = socket.send_text(&round.to_string());
                }
            }
        })
    });
    let clients = [(); 3].map(|()| open_quietly(&mut sim));
    let before = clients.map(|client| sim.sends(client));
    sim.send(clients[2], &wire::text("go"));
    sim.turn();
    rest(&mut sim);
    let expected: Vec<_> = (0..10).map(|round| format!("text {round}")).collect();
    for (index, &client) in clients.iter().enumerate() {
        assert_eq!(frames(&mut sim, client), expected);
        assert_eq!(sim.sends(client) - before[index], 1, "socket {index}");
    }
}

#[test]
fn large_messages_are_whole_and_in_their_place() {
    let mut random = Random(7);
    for window in [usize::MAX, 100_000, 1000] {
        let mut sim = start(config().backpressure(keirin::Backpressure::Queue));
        let client = open_quietly(&mut sim);
        sim.set_window(client, window);
        let lengths = [
            10, 16_380, 16_384, 5, 16_385, 100_000, 0, 70_000, 300_000, 3,
        ];
        let payloads: Vec<_> = lengths.iter().map(|&length| random.bytes(length)).collect();
        act(&mut sim, 0, |ws| {
            for payload in &payloads {
                let _ = ws.send_binary(payload);
            }
        });
        let mut bytes = Vec::new();
        for _ in 0..1000 {
            bytes.extend(sim.received(client));
            rest(&mut sim);
        }
        let lines: Vec<_> = wire::take_frames(&mut bytes)
            .iter()
            .map(wire::Received::line)
            .collect();
        let expected: Vec<_> = payloads
            .iter()
            .map(|bytes| wire::line("binary", bytes))
            .collect();
        assert_eq!(lines, expected);
        assert_eq!((bytes.len(), sim.buffered_bytes()), (0, 0));
    }
}

#[test]
fn a_message_can_be_sent_in_fragments() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    act(&mut sim, 0, |ws| {
        assert_eq!(ws.send_fragment(Message::Text("a"), false), Ok(Sent::Sent));
        assert!(ws.ping(b"between").is_ok());
        assert_eq!(ws.send_fragment(Message::Text(""), false), Ok(Sent::Sent));
        assert_eq!(ws.send_fragment(Message::Text("b"), true), Ok(Sent::Sent));
        assert_eq!(
            ws.send_fragment(Message::Binary(b"whole"), true),
            Ok(Sent::Sent)
        );
        assert_eq!(ws.send_text("after"), Sent::Sent);
    });
    let expected = [
        "text+ a",
        "ping between",
        "continuation+",
        "continuation b",
        "binary whole",
        "text after",
    ];
    assert_eq!(frames(&mut sim, client), expected);
    assert_eq!(
        (sim.counts().messages_sent, sim.counts().misuse_other),
        (3, 0)
    );
}

#[test]
fn fragments_of_other_kinds_and_other_messages_do_not_come_between() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    act(&mut sim, 0, |ws| {
        assert_eq!(ws.send_fragment(Message::Text("a"), false), Ok(Sent::Sent));
        assert_eq!(
            ws.send_fragment(Message::Binary(b"x"), false),
            Err(Misuse::Fragment)
        );
        assert_eq!(
            ws.send_fragment(Message::Binary(b"x"), true),
            Err(Misuse::Fragment)
        );
    });
    assert_eq!(sim.counts().misuse_other, 2);
    let sent = act(&mut sim, 0, |ws| ws.send_text("in between"));
    assert_ne!(sent, Sent::Sent, "it is not sent");
    assert_eq!(sim.counts().misuse_other, 3, "and counted");
    let last = act(&mut sim, 0, |ws| ws.send_fragment(Message::Text("b"), true));
    assert_eq!(last, Ok(Sent::Sent));
    assert_eq!(act(&mut sim, 0, |ws| ws.send_text("after")), Sent::Sent);
    assert_eq!(
        frames(&mut sim, client),
        ["text+ a", "continuation b", "text after"]
    );
}

#[test]
fn pongs_and_close_frames_may_come_between_fragments() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let begun = act(&mut sim, 0, |ws| {
        ws.send_fragment(Message::Binary(b"a"), false)
    });
    assert_eq!(begun, Ok(Sent::Sent));
    send(&mut sim, client, wire::ping(b"p"));
    assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, "")), Ok(()));
    assert_eq!(
        frames(&mut sim, client),
        ["binary+ a", "pong p", "close 1000"]
    );
    assert_eq!(heard(&mut sim, 0), ["ping p", "closed Local 1000"]);
}

#[test]
fn only_the_first_fragment_is_dropped_for_want_of_room() {
    const LIMIT: usize = 16 << 10;
    let mut sim = start(config().backpressure_bytes_max(LIMIT));
    let client = open_quietly(&mut sim);
    sim.set_window(client, 0);
    let piece = [b'x'; LIMIT];
    let first = act(&mut sim, 0, |ws| {
        ws.send_fragment(Message::Binary(&piece), false)
    });
    assert!(first.is_ok_and(|sent| sent != Sent::Dropped));
    for last in [false, false, true] {
        let next = act(&mut sim, 0, |ws| {
            ws.send_fragment(Message::Binary(&piece), last)
        });
        assert!(matches!(next, Ok(Sent::Queued(_))), "{next:?}");
    }
    let dropped = act(&mut sim, 0, |ws| {
        ws.send_fragment(Message::Binary(&piece), false)
    });
    assert_eq!(dropped, Ok(Sent::Dropped));
    assert_eq!(heard(&mut sim, 0), [wire::line("dropped binary", &piece)]);
    // What was dropped has not begun a message.
    sim.set_window(client, usize::MAX);
    rest(&mut sim);
    assert_eq!(act(&mut sim, 0, |ws| ws.send_text("whole")), Sent::Sent);
    let sent = frames(&mut sim, client);
    let expected = [
        wire::line("binary+", &piece),
        wire::line("continuation+", &piece),
        wire::line("continuation+", &piece),
        wire::line("continuation", &piece),
        "text whole".to_owned(),
    ];
    assert_eq!(sent, expected);
}

#[test]
fn a_ping_has_at_most_125_bytes() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    act(&mut sim, 0, |ws| {
        assert_eq!(ws.ping(&[b'p'; 125]), Ok(Sent::Sent));
        assert_eq!(ws.ping(&[b'p'; 126]), Err(Misuse::Length));
        assert_eq!(ws.ping(b""), Ok(Sent::Sent));
    });
    assert_eq!(
        frames(&mut sim, client),
        [wire::line("ping", &[b'p'; 125]), "ping".to_owned()]
    );
    assert_eq!(sim.counts().misuse_other, 1);
}

#[test]
fn the_open_handler_runs_before_the_first_message_and_after_the_upgrading_callback() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        let sockets = app.behaviour(
            recorder(config())
                .on_open(|ws| {
                    crate::support::opened(ws);
                    crate::support::note(ws, "open");
                })
                .on_message(|ws, _| crate::support::note(ws, "message")),
        );
        app.get("/up", move |mut res, req| {
            let handshake = req.handshake().expect("it is one");
            res.cx().state_mut().notes.push("handler".to_owned());
            res.upgrade(sockets, handshake, Default::default())
        });
    });
    let client = sim.connect();
    send(
        &mut sim,
        client,
        [wire::request("/up").into_bytes(), wire::text("x")].concat(),
    );
    assert_eq!(notes(&mut sim), ["handler", "open", "message"]);
}

#[test]
fn many_sockets_in_one_turn_do_not_mix() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, message| {
            let _ = ws.send(message);
        })
    });
    let clients: Vec<_> = (0..50).map(|_| open_quietly(&mut sim)).collect();
    for round in 0..20 {
        for (index, &client) in clients.iter().enumerate() {
            sim.send(client, &wire::text(&format!("{index} {round}")));
        }
        if round % 5 == 0 {
            rest(&mut sim);
        }
    }
    rest(&mut sim);
    for (index, &client) in clients.iter().enumerate() {
        let expected: Vec<_> = (0..20)
            .map(|round| format!("text {index} {round}"))
            .collect();
        assert_eq!(frames(&mut sim, client), expected);
    }
}
