//! Handlers that throw: each costs its own client a 500, or its socket a close with 1011, and the
//! hook hears of it.

use std::io::{Read, Write};

use tungstenite::Message;

use crate::build::sanitized;
use crate::client::{ask, close_code, connect, get, open, say, wait_for};
use crate::process::Server;

fn start() -> Server {
    Server::start(&sanitized("ffi/tests/cpp/exceptions.cpp"), &["0"])
}

fn count(port: u16, handler: &str, count: u32) {
    let line = format!("{handler}={count}");
    wait_for(port, "/thrown", |thrown| {
        thrown.lines().any(|found| found == line)
    });
}

#[test]
fn http_clients_get_500_and_the_process_goes_on() {
    let server = start();
    let port = server.port;
    let request = get(port, "/request");
    assert_eq!(request.status(), 500);
    assert_eq!(request.header("X-Left"), None);
    assert_eq!(request.body, "500 Internal Server Error\n");
    assert_eq!(get(port, "/detached").status(), 500);
    let ended = get(port, "/ended");
    assert_eq!((ended.status(), &*ended.body), (200, "fine"));
    count(port, "request handler", 3);

    let begun = get(port, "/begun");
    assert_eq!(begun.status(), 200);
    assert!(!begun.body.ends_with("0\r\n\r\n"), "it is cut: {begun:?}");
    count(port, "request handler", 4);

    assert_eq!(ask(port, "POST /collect", "", "body").status(), 500);
    assert_eq!(ask(port, "POST /stream", "", "body").status(), 500);
    count(port, "body handler", 2);
    assert_eq!(get(port, "/writable").status(), 500);
    count(port, "writable handler", 1);

    // One was thrown by the hook of the loop's start.
    count(port, "task", 1);
    assert_eq!(get(port, "/task").status(), 200);
    count(port, "task", 3);
    assert_eq!(get(port, "/silent").status(), 500);
    wait_for(port, "/thrown", |thrown| thrown.contains("log handler="));

    let mut aborting = connect(port);
    let request = b"GET /aborted HTTP/1.1\r\nHost: localhost\r\n\r\n";
    aborting.write_all(request).expect("it is sent");
    drop(aborting);
    count(port, "abort handler", 1);
    server.stop();
}

#[test]
fn a_connection_goes_on_after_a_500() {
    let server = start();
    let mut stream = connect(server.port);
    let requests = "GET /request HTTP/1.1\r\nHost: localhost\r\n\r\n\
                    GET /ended HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).expect("it is sent");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("both come");
    assert!(answers.starts_with("HTTP/1.1 500 "), "{answers}");
    assert!(answers.ends_with("fine"), "{answers}");
    server.stop();
}

#[test]
fn sockets_are_closed_with_1011() {
    let server = start();
    let port = server.port;
    for handler in ["message", "subscription", "dropped", "drain", "topics"] {
        let mut socket = open(port, &format!("/ws/{handler}"));
        say(&mut socket, "go");
        assert_eq!(close_code(&mut socket), 1011, "{handler}");
    }
    let mut opened = open(port, "/ws/open");
    assert_eq!(close_code(&mut opened), 1011);
    let mut pinged = open(port, "/ws/ping");
    pinged.send(Message::Ping("p".into())).expect("it is sent");
    assert_eq!(close_code(&mut pinged), 1011);
    let mut ponged = open(port, "/ws/pong");
    ponged.send(Message::Pong("p".into())).expect("it is sent");
    assert_eq!(close_code(&mut ponged), 1011);
    for handler in ["open", "ping", "pong", "drain", "dropped"] {
        count(port, &format!("{handler} handler"), 1);
    }
    count(port, "subscription handler", 2); // When it was made, and at the socket's end.
    count(port, "message handler", 2); // That one and the listing of topics.

    let mut closing = open(port, "/ws/close");
    closing.close(None).expect("it is sent");
    assert_eq!(close_code(&mut closing), 1005);
    count(port, "close handler", 1);
    let mut picky = open(port, "/picky");
    assert_eq!(close_code(&mut picky), 1011);
    count(port, "constructor of user data", 1);
    server.stop();
}

#[test]
fn without_a_hook_a_line_is_printed() {
    let server = start();
    assert_eq!(get(server.port, "/default-hook").status(), 200);
    assert_eq!(get(server.port, "/request").status(), 500);
    assert_eq!(get(server.port, "/detached").status(), 500);
    let said = server.stop().stderr;
    let line = "keirin: a request handler has thrown: on purpose\n";
    assert!(said.contains(line), "{said}");
    let line = "keirin: a request handler has thrown: not a std::exception\n";
    assert!(said.contains(line), "{said}");
}
