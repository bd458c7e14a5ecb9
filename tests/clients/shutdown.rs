//! Graceful stops: by signal from outside, and by handle from inside.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use keirin::{Config, Remote, ResponseId};

use crate::data::{Pattern, sha256};
use crate::support::{Example, InProcess, eventually};
use crate::wire::{Client, GET};

fn is_refused(address: SocketAddr) -> bool {
    let attempt = TcpStream::connect(address);
    attempt.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Waits until a server that has been asked to stop takes no more connections.
fn wait_until_refused(address: SocketAddr) {
    eventually("new connections are refused", || is_refused(address));
}

/// Waits for a server that has nothing left to do.
fn assert_ended(mut server: Example) {
    assert_eq!(server.process.wait().code(), Some(0));
    assert!(is_refused(server.address));
}

/// Sends a signal while an answer ought to be pending, and says whether it still was when the
/// signal took effect.
fn signal_during_an_answer(signal: &str) -> bool {
    let server = Example::start("async_answer");
    let mut client = Client::connect(server.address);
    // The second request comes with the first, so it is being handled once the first is answered.
    client.send([GET, GET].concat());
    assert!(!client.read_answer().0.closes());
    server.process.signal(signal);
    wait_until_refused(server.address);
    let was_pending = !client.has_bytes();
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 200);
    assert!(head.closes() || !was_pending, "{head:?}");
    assert!(!body.is_empty());
    assert_eq!(client.read_to_close(), b"");
    drop(client);
    assert_ended(server);
    was_pending
}

fn pending_answer(signal: &str) {
    // The example answers when it likes, which may be before the signal takes effect.
    let was_pending = (0..20).any(|_| signal_during_an_answer(signal));
    assert!(was_pending, "the answers come too soon for this test");
}

#[test]
fn sigterm_lets_a_pending_answer_finish() {
    pending_answer("TERM");
}

#[test]
fn sigint_lets_a_pending_answer_finish() {
    pending_answer("INT");
}

fn download(signal: &str) {
    const LENGTH: u64 = 50_000_000;
    let server = Example::start("stream");
    let mut client = Client::connect(server.address);
    client.send(format!("GET /{LENGTH} HTTP/1.1\r\nHost: test\r\n\r\n"));
    let head = client.read_head();
    server.process.signal(signal);
    wait_until_refused(server.address);
    assert_eq!(sha256(client.body(&head)), sha256(Pattern::new(LENGTH)));
    assert_eq!(client.read_to_close(), b"");
    drop(client);
    assert_ended(server);
}

#[test]
fn sigterm_lets_a_download_finish() {
    download("TERM");
}

#[test]
fn sigint_lets_a_download_finish() {
    download("INT");
}

fn upload(signal: &str) {
    let server = Example::start("upload");
    let mut client = Client::connect(server.address);
    client.send(
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
    );
    // The handler is at work.
    assert_eq!(client.read_head().status, 100);
    client.send("01234");
    server.process.signal(signal);
    wait_until_refused(server.address);
    // The second request is one too many: what was going on ends, and nothing new begins.
    client.send(format!("56789{GET}"));
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 200);
    assert!(head.closes(), "{head:?}");
    assert_eq!(
        body.trim_ascii_end(),
        sha256(&b"0123456789"[..]).0.as_bytes()
    );
    assert_eq!(client.read_to_close(), b"");
    drop(client);
    assert_ended(server);
}

#[test]
fn sigterm_lets_an_upload_finish() {
    upload("TERM");
}

#[test]
fn sigint_lets_an_upload_finish() {
    upload("INT");
}

#[test]
fn signals_close_idle_connections() {
    for signal in ["TERM", "INT"] {
        let server = Example::start("hello");
        let mut new = Client::connect(server.address);
        let mut kept = Client::connect(server.address);
        kept.is_served();
        server.process.signal(signal);
        assert_eq!(kept.read_to_close(), b"");
        assert_eq!(new.read_to_close(), b"");
        drop((new, kept));
        assert_ended(server);
    }
}

type Pending = (Remote, ResponseId);

/// A server of which every answer is left pending, and where the answers can be given.
fn pending_server() -> (InProcess, mpsc::Receiver<Pending>) {
    let (sender, receiver) = mpsc::channel();
    let server = InProcess::loopback(Config::default(), move |app| {
        let sender = sender.clone();
        app.get("/", move |mut res, _req| {
            let remote = res.cx().remote();
            let (id, reply) = res.detach(|_cx| ());
            sender.send((remote, id)).unwrap();
            reply
        });
    });
    (server, receiver)
}

#[test]
fn stop_waits_for_a_pending_answer() {
    let (server, pending) = pending_server();
    let mut client = Client::connect(server.address());
    client.send(GET);
    let (remote, id) = pending.recv().unwrap();
    server.handle.stop(Duration::from_secs(50));
    wait_until_refused(server.address());
    let answered = remote.defer(move |cx| {
        let _ = cx.response(id).expect("still there").end(b"at last");
    });
    answered.expect("the server still runs");
    let (head, body) = client.read_answer();
    assert!(head.closes(), "{head:?}");
    assert_eq!((head.status, &body[..]), (200, &b"at last"[..]));
    assert_eq!(client.read_to_close(), b"");
    server.join().unwrap();
}

#[test]
fn stop_cuts_a_stuck_answer_at_the_deadline() {
    let (server, pending) = pending_server();
    let mut client = Client::connect(server.address());
    client.send(GET);
    let _stuck = pending.recv().unwrap();
    server.handle.stop(Duration::from_millis(300));
    server.join().unwrap();
    assert_eq!(client.read_to_close(), b"");
}

#[test]
fn stop_cuts_a_stuck_reader_at_the_deadline() {
    let server = InProcess::loopback(Config::default(), |app| {
        app.get("/", |res, _req| res.end(&vec![0; 15 << 20]));
    });
    let mut client = Client::connect(server.address());
    client.send(GET);
    let head = client.read_head();
    server.handle.stop(Duration::from_millis(300));
    server.join().unwrap();
    assert_eq!(head.header("content-length"), Some("15728640"));
    assert!(
        client.read_to_close().len() < 15 << 20,
        "the socket took all of it: nothing was stuck"
    );
}

#[test]
fn stop_of_an_idle_server_waits_for_nothing() {
    let server = InProcess::loopback(Config::default(), |app| {
        app.get("/", |res, _req| res.end(b""));
    });
    let address = server.address();
    let mut idle = Client::connect(address);
    idle.is_served();
    let handle = server.handle.clone();
    // Much longer than the test waits: nobody is left to whom grace could be given.
    handle.stop(Duration::from_secs(3_600));
    assert_eq!(idle.read_to_close(), b"");
    server.join().unwrap();
    wait_until_refused(address);
    // A second stop, of a server that is gone, is nothing to worry about.
    handle.stop(Duration::ZERO);
}
