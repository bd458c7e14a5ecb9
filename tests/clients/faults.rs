//! Clients that are slow, that leave, and that come in too great a number.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use keirin::{App, Config};

use crate::data::{Pattern, sha256};
use crate::support::{Example, InProcess, Process, eventually, pause};
use crate::wire::{Client, GET, assert_cut, is_served};

fn hello(app: &mut App) {
    app.get("/", |res, _req| res.end(b"Hello world!"));
}

/// Sends a piece ten times a second until the server answers or closes, and gives what it said. An
/// idle timeout never ends this, however short: only a deadline or a minimum throughput does.
fn trickle(client: &mut Client<std::net::TcpStream>, piece: &str) -> Vec<u8> {
    let pace = Duration::from_millis(100);
    for _ in 0..600 {
        client.stream().set_read_timeout(Some(pace)).unwrap();
        match client.stream().peek(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => return client.read_to_close(),
        }
        if client.try_send(piece).is_err() {
            return client.read_to_close();
        }
    }
    panic!(
        "a trickle of {} bytes is still listened to",
        600 * piece.len()
    );
}

/// Lets a client trickle, and others be served for as long as it does.
fn trickle_among_others(
    address: SocketAddr,
    before: &[&'static str],
    piece: &'static str,
) -> Vec<u8> {
    let before = before.to_vec();
    let slow = thread::spawn(move || {
        let mut client = Client::connect(address);
        let (start, whole) = before.split_last().unwrap();
        for request in whole {
            client.send(request);
            assert_eq!(client.read_answer().0.status, 200);
        }
        client.send(start);
        trickle(&mut client, piece)
    });
    let mut served = 0;
    while !slow.is_finished() {
        assert_eq!(is_served(address), b"Hello world!");
        served += 1;
        pause(Duration::from_millis(5));
    }
    assert!(served > 0);
    slow.join().unwrap()
}

#[test]
fn a_head_that_drips_is_cut() {
    let config = Config::builder().head_timeout_ms(1_000).build().unwrap();
    let server = InProcess::loopback(config, hello);
    let start = "GET / HTTP/1.1\r\nHost: test\r\nX-Drip: ";
    for before in [&[start][..], &[GET, GET, start]] {
        assert_cut(&trickle_among_others(server.address(), before, "x"));
    }
}

#[test]
fn empty_lines_that_drip_are_cut() {
    let config = Config::builder().head_timeout_ms(1_000);
    let config = config.keep_alive_timeout_ms(1_000).build().unwrap();
    let server = InProcess::loopback(config, hello);
    let said = trickle_among_others(server.address(), &["\r\n"], "\r\n");
    // Only one is ignored before a request: a second one may be called wrong at once.
    if !said.starts_with(b"HTTP/1.1 400 ") {
        assert_cut(&said);
    }
}

#[test]
fn silent_connections_are_closed() {
    let config = Config::builder()
        .head_timeout_ms(1_000)
        .keep_alive_timeout_ms(1_000);
    let server = InProcess::loopback(config.build().unwrap(), hello);
    let mut new = Client::connect(server.address());
    let mut kept = Client::connect(server.address());
    kept.is_served();
    assert_cut(&new.read_to_close());
    assert_eq!(
        kept.read_to_close(),
        b"",
        "an idle connection is closed without a word"
    );
}

/// A server that takes bodies at 1,000 bytes a second or more, and whether any came whole.
fn measured_upload() -> (InProcess, Arc<AtomicBool>) {
    let config = Config::builder()
        .body_throughput_min(1_000)
        .build()
        .unwrap();
    let complete = Arc::new(AtomicBool::new(false));
    let completed = Arc::clone(&complete);
    let server = InProcess::loopback(config, move |app| {
        hello(app);
        let completed = Arc::clone(&completed);
        app.post("/", move |res, _req| {
            let completed = Arc::clone(&completed);
            res.collect_body(1 << 20, move |res, body| {
                completed.store(true, Ordering::SeqCst);
                res.end(body.len().to_string().as_bytes())
            })
        });
    });
    (server, complete)
}

#[test]
fn a_body_below_the_throughput_is_cut() {
    let (server, complete) = measured_upload();
    let length = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n";
    let chunked = "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_cut(&trickle_among_others(
        server.address(),
        &[length],
        "ten bytes.",
    ));
    assert_cut(&trickle_among_others(
        server.address(),
        &[chunked],
        "4\r\nfour\r\n",
    ));
    assert!(
        !complete.load(Ordering::SeqCst),
        "the handler was given a part for the whole"
    );
}

#[test]
fn a_body_above_the_throughput_is_taken() {
    let (server, complete) = measured_upload();
    let mut client = Client::connect(server.address());
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n");
    for _ in 0..50 {
        client.send([b'x'; 2_000]);
        pause(Duration::from_millis(100));
    }
    assert_eq!(client.read_answer().1, b"100000");
    assert!(complete.load(Ordering::SeqCst));
}

#[test]
fn a_thousand_half_open_connections_leave_others_served() {
    let config = Config::builder().head_timeout_ms(4_000).build().unwrap();
    let server = InProcess::loopback(config, hello);
    let address = server.address();
    // A server that runs has raised the limit of descriptors, which is that of this process too.
    is_served(address);
    let half_open = (0..1_000).map(|_| {
        let mut client = Client::connect(address);
        client.send("GET / HTTP/1.1\r\nHost: te");
        client
    });
    let half_open: Vec<_> = half_open.collect();
    for _ in 0..100 {
        assert_eq!(is_served(address), b"Hello world!");
    }
    for mut client in half_open {
        assert_cut(&client.read_to_close());
    }
    assert_eq!(is_served(address), b"Hello world!");
}

/// What memory may grow by over ten thousand aborts, after as much as the first two thousand
/// needed: under 420 bytes for each.
const GROWTH_KIB: u64 = 4 << 10;

/// Waits until a process has no more resident than that; a failure says how much it had.
fn settles(process: &Process, limit_kib: u64) {
    let mut smallest = u64::MAX;
    let what = format!("no more than {limit_kib} KiB are resident");
    eventually(&what, || {
        let now = process.resident_kib();
        if now < smallest {
            eprintln!("{now} KiB are resident, {limit_kib} are allowed");
            smallest = now;
        }
        now <= limit_kib
    });
}

/// A request of which a client does not wait for the end.
struct Abort {
    request: &'static str,
    /// Something arrives before it leaves, and stays unread: closing then resets the connection,
    /// otherwise it ends it.
    resets: bool,
}

/// Aborts ten thousand requests, in the given ways by turns, so many at once; `probe` is a request
/// that is answered 200 meanwhile.
fn aborts_leave_nothing(example: &str, at_once: usize, probe: &str, aborts: &[Abort]) {
    let server = Example::start(example);
    let batch = |abort: &Abort| {
        let clients = (0..at_once).map(|_| {
            let mut client = Client::connect(server.address);
            client.send(abort.request);
            client
        });
        let clients: Vec<_> = clients.collect();
        if abort.resets {
            clients.iter().for_each(Client::wait_for_bytes);
        }
        drop(clients);
        let mut other = Client::connect(server.address);
        other.send(probe);
        assert_eq!(other.read_answer().0.status, 200);
        server.process.resident_kib()
    };
    let mut batches = aborts.iter().cycle().map(batch);
    // An allocator keeps what many at once needed, so the most of several batches is what counts.
    let warm = batches.by_ref().take(2_000 / at_once).max().unwrap();
    batches.take(10_000 / at_once).for_each(drop);
    settles(&server.process, warm + GROWTH_KIB);
}

#[test]
fn ten_thousand_aborts_of_short_answers() {
    let aborts = [
        Abort {
            request: "GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
            resets: true,
        },
        Abort {
            request: "GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HT",
            resets: true,
        },
        Abort {
            request: "GET / HTTP/1.1\r\nHo",
            resets: false,
        },
        Abort {
            request: "",
            resets: false,
        },
    ];
    aborts_leave_nothing("hello", 100, GET, &aborts);
}

#[test]
fn ten_thousand_aborts_of_downloads() {
    let aborts = [
        Abort {
            request: "GET /100000000 HTTP/1.1\r\nHost: test\r\n\r\n",
            resets: true,
        },
        Abort {
            request: "GET /100000000 HTTP/1.1\r\nHost: test\r\n\r\n",
            resets: false,
        },
    ];
    // Few at once, because each needs large buffers.
    aborts_leave_nothing(
        "stream",
        5,
        "GET /1000 HTTP/1.1\r\nHost: test\r\n\r\n",
        &aborts,
    );
}

#[test]
fn ten_thousand_aborts_of_uploads() {
    let aborts = [
        Abort {
            request: "POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n\
                Content-Length: 100000\r\n\r\n",
            resets: true,
        },
        Abort {
            request: "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\nsome",
            resets: false,
        },
        Abort {
            request: "POST / HTTP/1.1\r\nHost: test\r\n\
                Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n4",
            resets: false,
        },
    ];
    let probe = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nsome";
    aborts_leave_nothing("upload", 100, probe, &aborts);
}

#[test]
fn ten_thousand_aborts_of_pending_answers() {
    let aborts = [
        Abort {
            request: GET,
            resets: false,
        },
        // The first is answered, the second is not yet.
        Abort {
            request: "GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
            resets: true,
        },
    ];
    aborts_leave_nothing("async_answer", 100, GET, &aborts);
}

#[test]
fn slow_readers_do_not_fill_memory() {
    const LENGTH: u64 = 100_000_000;
    let server = Example::start("stream");
    let start = || {
        let mut client = Client::connect(server.address);
        client.send(format!("GET /{LENGTH} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let head = client.read_head();
        assert_eq!(head.status, 200);
        (client, head)
    };
    let (mut client, head) = start();
    assert_eq!(sha256(client.body(&head)), sha256(Pattern::new(LENGTH)));
    let warm = server.process.resident_kib();

    let mut readers: Vec<_> = (0..8).map(|_| start()).collect();
    let mut expected = Pattern::new(LENGTH);
    let (mut piece, mut expected_piece) = ([0; 4096], [0; 4096]);
    let mut peak = 0;
    for _ in 0..100 {
        expected.read_exact(&mut expected_piece).unwrap();
        for (client, _) in &mut readers {
            client.read_exact(&mut piece);
            assert!(piece == expected_piece, "other bytes than expected");
        }
        peak = peak.max(server.process.resident_kib());
        pause(Duration::from_millis(20));
    }
    // 800 MB are asked for; what the server may hold back of them is 4 MiB for each reader.
    let allowed = warm + 8 * (4 << 10);
    assert!(peak <= allowed, "{peak} KiB resident, {allowed} allowed");
    drop(readers);
    settles(&server.process, warm + GROWTH_KIB);
}

#[test]
fn exhausted_descriptors_come_back() {
    let limit: u32 = 256;
    let server = Example::start_with_descriptors("hello", limit);
    let folder = format!("/proc/{}/fd", server.process.id());
    // A hundred have to wait, which is fewer than any listener lets wait.
    let mut clients: Vec<_> = (0..limit + 100)
        .map(|_| {
            let mut client = Client::connect(server.address);
            // Refused already, perhaps.
            let _ = client.try_send(GET);
            client
        })
        .collect();
    // Some may be held in reserve.
    let nearly = limit as usize * 3 / 4;
    eventually("the descriptors are used up", || {
        fs::read_dir(&folder).unwrap().count() >= nearly
    });
    assert_eq!(clients[0].read_answer().0.status, 200);
    clients[0].is_served();

    // Nobody connects any more: who was accepted leaves, and who waits must be answered or sent
    // away.
    let waiting = clients.split_off(limit as usize - 50);
    drop(clients);
    for mut client in waiting {
        client
            .try_send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .ok();
        let said = client.read_to_close();
        assert!(
            said.is_empty() || said.starts_with(b"HTTP/1.1 "),
            "{said:?}"
        );
    }
    for _ in 0..10 {
        assert_eq!(is_served(server.address), b"Hello world!");
    }
}
