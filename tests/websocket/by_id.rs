//! Sockets by their id: from everywhere, and after they are gone.

use std::time::Duration;

use keirin::testing::{Client, Sim};
use keirin::{Behaviour, Config, Message, Misuse, Sent, SocketId};

use crate::support::{
    Recorder, Worker, World, act, config, frames, hear, heard, id, notes, open_at, open_quietly,
    recorder, rest, send, start, start_behaviour, start_with,
};
use crate::wire;

#[test]
fn a_timer_a_deferred_call_and_a_thread_can_send() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let id = id(&mut sim, 0);
    sim.with_cx(|cx| {
        cx.after(Duration::from_millis(10), move |cx| {
            let sent = cx.socket(id).expect("it is open").send_text("timer");
            assert_eq!(sent, Sent::Sent);
        });
        cx.defer(move |cx| {
            let sent = cx.socket(id).expect("it is open").send_text("deferred");
            assert_eq!(sent, Sent::Sent);
        });
    });
    rest(&mut sim);
    assert_eq!(frames(&mut sim, client), ["text deferred"]);
    sim.advance_ms(11);
    assert_eq!(frames(&mut sim, client), ["text timer"]);

    let remote = sim.remote();
    let thread = std::thread::spawn(move || {
        remote.defer(move |cx| {
            let sent = cx.socket(id).expect("it is open").send_binary(b"thread");
            assert_eq!(sent, Sent::Sent);
        })
    });
    assert_eq!(thread.join().expect("no panic"), Ok(()));
    rest(&mut sim);
    assert_eq!(frames(&mut sim, client), ["binary thread"]);
    assert_eq!((sim.counts().misuse_stale, sim.counts().panics), (0, 0));
}

#[test]
fn an_http_handler_can_send_to_a_socket() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        app.get("/tell", |mut res, _| {
            let id = res.cx().state().ids[0];
            let sent = res.cx().socket(id).map(|mut ws| ws.send_text("news"));
            res.end(format!("{sent:?}").as_bytes())
        });
    });
    let client = open_quietly(&mut sim);
    let other = sim.connect();
    for expected in ["Ok(Sent)", "Err(Stale)"] {
        send(&mut sim, other, "GET /tell HTTP/1.1\r\nHost: x\r\n\r\n");
        let (_, body) = crate::support::answer(&mut sim, other);
        assert_eq!(str::from_utf8(&body), Ok(expected));
        if expected == "Ok(Sent)" {
            assert_eq!(frames(&mut sim, client), ["text news"]);
            sim.finish(client);
            rest(&mut sim);
        }
    }
}

/// Everything that can be done with an id.
fn try_all(sim: &mut Worker, id: SocketId) -> bool {
    let before = sim.counts().misuse_stale;
    let is_stale = sim.with_cx(|cx| {
        assert_eq!(cx.socket_data::<Recorder>(id), None);
        cx.socket(id).map(drop) == Err(Misuse::Stale)
    });
    assert!(
        !is_stale || sim.counts().misuse_stale > before,
        "it is counted"
    );
    is_stale
}

#[test]
fn a_stale_id_names_nothing_and_never_another_socket() {
    let leave: [fn(&mut Worker, Client); 5] = [
        Sim::finish,
        Sim::reset,
        |sim, client| sim.send(client, &wire::close(1000, b"")),
        |sim, client| sim.send(client, &[0xff, 0xff]),
        |sim, _| {
            let index = sim.with_cx(|cx| cx.state().ids.len() - 1);
            assert_eq!(act(sim, index, |ws| ws.close()), Ok(()));
        },
    ];
    let mut sim = start(config());
    let mut ids = Vec::new();
    for leave in leave {
        let client = open_quietly(&mut sim);
        ids.push(id(&mut sim, ids.len()));
        leave(&mut sim, client);
        rest(&mut sim);
        // Whether or not the slot is free by now.
        assert!(try_all(&mut sim, *ids.last().expect("it was pushed")));
        sim.finish(client);
        rest(&mut sim);
    }
    let alive = open_quietly(&mut sim);
    for &id in &ids {
        assert!(try_all(&mut sim, id));
    }
    assert_eq!(frames(&mut sim, alive), [""; 0]);
    let live = id(&mut sim, ids.len());
    assert!(!ids.contains(&live));
    assert!(sim.with_cx(|cx| cx.socket(live).is_ok()));
}

#[test]
fn a_stale_id_does_not_name_the_http_connection_in_its_slot() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let id = id(&mut sim, 0);
    sim.finish(client);
    rest(&mut sim);
    let http = sim.connect();
    send(&mut sim, http, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET");
    assert!(try_all(&mut sim, id));
    assert!(crate::support::answer(&mut sim, http).1.starts_with(b"a"));
}

#[test]
fn an_answer_by_its_id_is_gone_once_the_connection_is_a_socket() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        let sockets = app.behaviour(recorder(config()));
        app.get("/up", move |mut res, req| {
            let id = res.id();
            res.cx().after(Duration::from_millis(5), move |cx| {
                let found = cx.response(id).map(drop);
                cx.state_mut().notes.push(format!("{found:?}"));
            });
            let handshake = req.handshake().expect("it is one");
            res.upgrade(sockets, handshake, Recorder::default())
        });
    });
    let client = open_at(&mut sim, "/up");
    sim.advance_ms(10);
    let found = notes(&mut sim);
    assert!(
        found == ["Err(Stale)"] || found == ["Err(AlreadyEnded)"],
        "{found:?}"
    );
    send(&mut sim, client, wire::text("x"));
    assert_eq!(heard(&mut sim, 0), ["open", "text x"]);
}

#[test]
fn data_is_reached_by_id_except_while_a_handler_has_it() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, _| {
            let ids = ws.cx().state().ids.clone();
            let mine = ws.id();
            let found: Vec<_> = ids
                .iter()
                .map(|&id| ws.cx().socket_data::<Recorder>(id).map(|data| data.0))
                .collect();
            assert_eq!(ws.cx().socket_data::<u32>(mine).copied(), None);
            hear(ws, format!("{found:?}"));
        })
    });
    let clients = [(); 3].map(|()| open_quietly(&mut sim));
    send(&mut sim, clients[1], wire::text("x"));
    assert_eq!(heard(&mut sim, 1), ["[Some(0), None, Some(2)]"]);
    let id = id(&mut sim, 1);
    sim.with_cx(|cx| {
        assert_eq!(
            cx.socket_data::<Recorder>(id),
            Some(&mut Recorder(1)),
            "it was put back"
        );
        assert_eq!(cx.socket_data::<usize>(id), None, "of another type");
    });
}

#[test]
fn what_is_changed_by_id_is_seen_by_the_handlers() {
    let mut sim = start_with(Config::builder(), config(), |app| {
        app.websocket(
            "/sum",
            Behaviour::<u64, World>::new()
                .on_open(|ws| {
                    let id = ws.id();
                    ws.cx().state_mut().ids.push(id);
                })
                .on_message(|ws, message| {
                    *ws.data += message.bytes().len() as u64;
                    let sum = ws.data.to_string();
                    let _ = ws.send_text(&sum);
                }),
        );
    });
    let client = open_at(&mut sim, "/sum");
    send(&mut sim, client, wire::text("four"));
    let id = id(&mut sim, 0);
    sim.with_cx(|cx| *cx.socket_data::<u64>(id).expect("it is open") += 1000);
    send(&mut sim, client, wire::text("four"));
    assert_eq!(frames(&mut sim, client), ["text 4", "text 1008"]);
}

#[test]
fn data_of_a_closed_socket_is_gone() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    let id = id(&mut sim, 0);
    assert_eq!(act(&mut sim, 0, |ws| ws.end(1000, "")), Ok(()));
    assert!(sim.with_cx(|cx| cx.socket_data::<Recorder>(id).is_none()));
    send(&mut sim, client, wire::close(1000, b""));
    assert!(sim.with_cx(|cx| cx.socket_data::<Recorder>(id).is_none()));
}

#[test]
fn a_socket_is_open_for_others_as_soon_as_it_is_told_so() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_open(|ws| {
            crate::support::opened(ws);
            let id = ws.id();
            let sent = ws
                .cx()
                .socket(id)
                .map(|mut ws| ws.send(Message::Text("to myself")));
            assert_eq!(sent, Ok(Sent::Sent));
            let _ = ws.send_text("welcome");
        })
    });
    let client = sim.connect();
    send(&mut sim, client, wire::request("/ws"));
    let (_, mut bytes) = crate::support::answer(&mut sim, client);
    let lines: Vec<_> = wire::take_frames(&mut bytes)
        .iter()
        .map(wire::Received::line)
        .collect();
    assert_eq!(lines, ["text to myself", "text welcome"]);
    assert_eq!(
        sim.sends(client),
        1,
        "the 101 and the first messages leave together"
    );
}
