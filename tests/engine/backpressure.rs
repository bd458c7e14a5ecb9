//! Readers that are slower than the handler.

use keirin::testing::Client;
use keirin::{Config, Reply, Response, Sent, TryEnd};

use crate::support::{Worker, World, finish, get, note, ok, send, start, take_log, text};

/// Reads everything, a window at a time, and returns what came and the most that waited.
fn drain(sim: &mut Worker, client: Client) -> (Vec<u8>, usize) {
    let (mut all, mut most) = (Vec::new(), 0);
    loop {
        most = most.max(sim.buffered_bytes());
        let piece = sim.received(client);
        sim.run_until_idle();
        sim.check();
        if piece.is_empty() {
            return (all, most);
        }
        all.extend(piece);
    }
}

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|n| b'a' + (n % 26) as u8).collect()
}

/// What stands behind the head.
fn content(answer: &[u8]) -> &[u8] {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n");
    &answer[at.expect("a head") + 4..]
}

#[test]
fn megabytes_wait_for_a_slow_reader_and_the_memory_comes_back() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/big", |res, _| res.end(&body(4 << 20)));
    });
    let client = sim.connect();
    sim.set_window(client, 100_000);
    send(&mut sim, client, get("/big") + &get("/a"));
    let waiting = sim.buffered_bytes();
    assert!(
        ((4 << 20) - 100_000..4 << 20).contains(&waiting),
        "{waiting}"
    );
    let (all, most) = drain(&mut sim, client);
    assert_eq!(most, waiting);
    let whole = content(&all);
    assert!(whole[..4 << 20] == body(4 << 20), "other bytes");
    assert!(
        whole[4 << 20..].ends_with(b"\r\n\r\na"),
        "and the next answer"
    );
    assert_eq!(sim.buffered_bytes(), 0);
    assert_eq!(sim.counts().answers, 2);
}

#[test]
fn the_bound_on_what_waits_holds_on_both_sides() {
    const MAX: usize = 16 << 10;
    let head = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                Content-Length: 16300\r\n\r\n";
    for over in [0, 1] {
        let config = Config::builder().write_buffer_bytes_max(MAX);
        let mut sim = start(config, |app| {
            app.get("/big", move |mut res, _| {
                res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
                res.end(&body(MAX - head.len() + over))
            });
        });
        let client = sim.connect();
        sim.set_window(client, 0);
        sim.send(client, get("/big").as_bytes());
        sim.run_until_idle();
        sim.check();
        let counts = sim.counts();
        assert_eq!(counts.write_overflows, over as u64);
        assert_eq!(counts.aborted, over as u64);
        assert_eq!(
            counts.answers,
            1 - over as u64,
            "a dropped answer is not a complete one"
        );
        assert_eq!(take_log(&mut sim).len(), over);
        assert_eq!(sim.is_freed(client), over == 1);
        sim.set_window(client, usize::MAX);
        sim.run_until_idle();
        let received = text(&mut sim, client).len();
        assert_eq!(received > 0, over == 0);
        assert_eq!(sim.buffered_bytes(), 0);
    }
}

#[test]
fn a_writer_that_ignores_queued_is_cut_at_the_bound() {
    let config = Config::builder().write_buffer_bytes_max(16 << 10);
    let mut sim = start(config, |_| ());
    let client = sim.connect();
    sim.set_window(client, 0);
    send(&mut sim, client, get("/hold"));
    let mut sent = Vec::new();
    for _ in 0..20 {
        sim.with_cx(|cx| {
            let id = cx.state().ids[0];
            if let Ok(mut res) = cx.response(id) {
                sent.push(res.write(&[b'x'; 1000]));
            }
        });
        sim.run_until_idle();
        sim.check();
    }
    assert_eq!(sent[0], Sent::Sent, "nothing was known of the window");
    let Sent::Queued(second) = sent[1] else {
        panic!("{sent:?}");
    };
    // Chunks of 1000 with their framing, and 16,384 bytes of room.
    assert_eq!(sent[2], Sent::Queued(second + 1007));
    assert_eq!(sent.last(), Some(&Sent::Closed), "{sent:?}");
    assert_eq!(sent.len(), 17);
    assert!(sim.is_freed(client));
    assert_eq!(take_log(&mut sim), ["aborted"]);
    assert_eq!((sim.counts().write_overflows, sim.counts().aborted), (1, 1));
}

#[test]
fn try_end_buffers_next_to_nothing() {
    const TOTAL: usize = 1 << 20;
    fn pump(mut res: Response<'_, World>, written: u64) -> Reply {
        assert_eq!(res.written(), written);
        // Offered in pieces that are the beginning of the rest, as a file would be.
        let all = body(TOTAL);
        let rest = &all[written as usize..];
        match res.try_end(&rest[..rest.len().min(100_000)], TOTAL as u64) {
            TryEnd::Done(reply) => reply,
            TryEnd::More(mut res) => {
                let written = res.written();
                pump(res, written)
            }
            TryEnd::Blocked(mut res) => {
                note(&mut res, "blocked");
                res.on_writable(pump)
            }
        }
    }
    let mut sim = start(Config::builder(), |app| {
        app.get("/file", |res, _| pump(res, 0));
    });
    let client = sim.connect();
    sim.set_window(client, 10_000);
    send(&mut sim, client, get("/file"));
    let (all, most) = drain(&mut sim, client);
    assert!(content(&all) == body(TOTAL), "other bytes");
    assert!(
        all.windows(23)
            .any(|line| line == b"Content-Length: 1048576")
    );
    assert!(most <= 32 << 10, "{most}");
    assert!(take_log(&mut sim).len() >= TOTAL / 10_000 - 5);
    assert_eq!((sim.counts().answers, sim.buffered_bytes()), (1, 0));
    // To a reader without bounds it is done at once.
    let client = sim.connect();
    send(&mut sim, client, get("/file"));
    assert!(content(&sim.received(client)) == body(TOTAL), "other bytes");
    assert_eq!(take_log(&mut sim), [""; 0]);
}

#[test]
fn on_writable_is_called_when_everything_is_taken_and_not_before() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/", |mut res, _| {
            let _ = res.write(b"0123456789");
            res.on_writable(|mut res, written| {
                note(&mut res, format!("writable {written}"));
                res.end(b"end")
            })
        });
    });
    let client = sim.connect();
    sim.set_window(client, 40);
    send(&mut sim, client, get("/"));
    assert_eq!(take_log(&mut sim), [""; 0]);
    let mut all = sim.received(client);
    sim.run_until_idle();
    assert_eq!(take_log(&mut sim), [""; 0]);
    assert_eq!(all.len(), 40);
    all.extend(drain(&mut sim, client).0);
    assert_eq!(take_log(&mut sim), ["writable 10"]);
    assert!(all.ends_with(b"\r\n\r\na\r\n0123456789\r\n3\r\nend\r\n0\r\n\r\n"));
}

#[test]
fn everything_written_in_one_callback_leaves_in_one_send() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/", |mut res, _| {
            res.status(201).header("X-One", b"1");
            let _ = (res.write(b"one"), res.write(b"two"));
            res.end(b"three")
        });
        app.get("/large", |res, _| res.end(&[b'x'; 100_000]));
        app.get("/timer", |mut res, _| {
            let id = res.id();
            let timer = res.cx().after(std::time::Duration::ZERO, move |cx| {
                let mut res = cx.response(id).unwrap();
                let _ = (res.write(b"one"), res.write(b"two"));
                let _ = res.end(b"three");
            });
            assert!(timer.is_some());
            res.detach(|_| ()).1
        });
    });
    let client = sim.connect();
    send(&mut sim, client, get("/"));
    let chunks =
        "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n";
    let answer = format!("HTTP/1.1 201 Created\r\nX-One: 1\r\n{chunks}");
    assert_eq!(text(&mut sim, client), answer);
    assert_eq!(sim.sends(client), 1, "a handler");
    send(&mut sim, client, get("/large"));
    assert_eq!(sim.sends(client), 2, "a large body goes with its head");
    sim.received(client);
    send(&mut sim, client, get("/timer"));
    sim.advance_ms(5);
    assert_eq!(
        text(&mut sim, client),
        format!("HTTP/1.1 200 OK\r\n{chunks}")
    );
    assert_eq!(sim.sends(client), 3, "a timer");
    send(&mut sim, client, get("/hold"));
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        let mut res = cx.response(id).unwrap();
        let _ = (res.write(b"one"), res.write(b"two"));
        let _ = res.end(b"three");
    });
    sim.run_until_idle();
    assert_eq!(
        text(&mut sim, client),
        format!("HTTP/1.1 200 OK\r\n{chunks}")
    );
    assert_eq!(sim.sends(client), 4, "from outside");
}

#[test]
fn writing_to_a_peer_that_is_gone_says_closed() {
    let mut sim = start(Config::builder().half_close(true), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    sim.reset(client);
    sim.with_cx(|cx| {
        let id = cx.state().ids[0];
        let mut res = cx.response(id).unwrap();
        assert_eq!(res.write(&[b'x'; 100_000]), Sent::Closed);
    });
    sim.run_until_idle();
    sim.check();
    assert_eq!(take_log(&mut sim), ["aborted"]);
    assert_eq!((sim.counts().aborted, sim.counts().answers), (1, 0));
}

#[test]
fn a_blocked_connection_does_not_hold_others_up() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/big", |res, _| res.end(&[b'x'; 1 << 20]));
    });
    let (slow, quick) = (sim.connect(), sim.connect());
    sim.set_window(slow, 10);
    send(&mut sim, slow, get("/big"));
    send(&mut sim, quick, get("/hold"));
    finish(&mut sim, 0, b"quick");
    assert_eq!(text(&mut sim, quick), ok("quick"));
}

#[test]
fn an_error_is_said_even_where_the_output_is_nearly_full() {
    let config = Config::builder().write_buffer_bytes_max(16 << 10);
    let mut sim = start(config, |app| {
        app.get("/most", |res, _| res.end(&[b'x'; (16 << 10) - 100]));
    });
    let client = sim.connect();
    send(&mut sim, client, get("/most") + &get("/missing"));
    let text = text(&mut sim, client);
    assert!(text.contains("\r\n\r\nxxx"), "{text}");
    assert!(text.ends_with("404 Not Found\n"), "{}", text.len());
    sim.check();
}

#[test]
fn a_request_waits_for_room_for_its_answer() {
    let config = Config::builder().write_buffer_bytes_max(16 << 10);
    let mut sim = start(config, |app| {
        app.get("/part", |res, _| res.end(&[b'x'; 12_000]));
    });
    let client = sim.connect();
    sim.set_window(client, 1000);
    send(&mut sim, client, get("/part") + &get("/part"));
    assert_eq!((sim.counts().requests, sim.is_closed(client)), (1, false));
    let (all, most) = drain(&mut sim, client);
    let text = String::from_utf8(all).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(most <= 16 << 10, "{most}");
    assert_eq!(sim.counts().write_overflows, 0);
    sim.check();
}
