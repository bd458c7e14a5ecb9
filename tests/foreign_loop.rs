//! keirin inside a loop that is not its own: one that watches a descriptor, waits no longer than it
//! is told, and calls `turn`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use keirin::{App, Config, EventLoop};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Rounds after which the foreign loop has waited for nothing.
const ROUNDS_MAX: usize = 10_000;

/// Drives `keirin` from a loop of mio's until it has stopped.
fn drive(mut keirin: EventLoop) {
    let mut poll = Poll::new().unwrap();
    let fd = keirin.as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), Token(0), Interest::READABLE)
        .unwrap();
    let mut events = Events::with_capacity(8);
    for _ in 0..ROUNDS_MAX {
        keirin.turn(Some(Duration::ZERO)).unwrap();
        if keirin.is_stopped() {
            return;
        }
        poll.poll(&mut events, keirin.next_timeout()).unwrap();
    }
    panic!("the loop turns and turns");
}

fn get(stream: &mut TcpStream, target: &str) -> String {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    while !text.contains("\r\n\r\n") || !text.ends_with('.') {
        let mut buffer = [0; 1024];
        let len = stream.read(&mut buffer).unwrap();
        assert_ne!(len, 0, "cut off: {text}");
        text.push_str(str::from_utf8(&buffer[..len]).unwrap());
    }
    text
}

#[test]
fn a_foreign_loop_serves_requests_timers_and_other_threads() {
    let (send, receive) = std::sync::mpsc::channel();
    let server = thread::spawn(move || {
        let mut keirin = EventLoop::new(Config::default(), (), |app: &mut App| {
            app.get("/now", |res, _| res.end(b"now."));
            app.get("/timer", |mut res, _| {
                let id = res.id();
                res.cx().after(Duration::from_millis(20), move |cx| {
                    let _ = cx.response(id).map(|res| res.end(b"timer."));
                });
                res.detach(|_| {}).1
            });
            app.get("/thread", |mut res, _| {
                let (id, remote) = (res.id(), res.cx().remote());
                thread::spawn(move || {
                    remote.defer(move |cx| {
                        let _ = cx.response(id).map(|res| res.end(b"thread."));
                    })
                });
                res.detach(|_| {}).1
            });
        })
        .unwrap();
        let address = keirin.listen("127.0.0.1:0").unwrap();
        send.send((address.to_string(), keirin.remote())).unwrap();
        drive(keirin);
    });
    let (address, remote) = receive.recv().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    for target in ["/now", "/timer", "/thread", "/now"] {
        let text = get(&mut stream, target);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.ends_with(&format!("{}.", &target[1..])), "{text}");
    }
    remote.stop(Duration::ZERO);
    assert_eq!(
        stream.read(&mut [0]).unwrap(),
        0,
        "the stop closes the idle connection"
    );
    server.join().unwrap();
}
