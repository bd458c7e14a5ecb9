//! What closures capture and what is kept for sockets is destroyed, once.

use std::io::Write;

use crate::build::sanitized;
use crate::client::{ask, close_code, connect, get, open, say, text, wait_for};
use crate::process::Server;

/// Tokens, and sockets' data, as the server counts them.
fn tokens(port: u16) -> (i32, i32) {
    parse(&get(port, "/tokens").body)
}

fn parse(counts: &str) -> (i32, i32) {
    let (tokens, sockets) = counts.split_once(' ').expect("two numbers");
    let number = |text: &str| text.parse().expect("a number");
    (number(tokens), number(sockets))
}

fn wait_until(port: u16, counts: (i32, i32)) {
    wait_for(port, "/tokens", |found| parse(found) == counts);
}

fn start() -> Server {
    Server::start(&sanitized("ffi/tests/cpp/lifetimes.cpp"), &["0"])
}

/// Stops it: everything is destroyed, as often as it was made (more is found by the sanitizer).
fn stop(server: Server) {
    let said = server.stop().stdout;
    assert!(said.ends_with(", left 0\n"), "{said}");
    assert!(!said.starts_with("made 0,"), "{said}");
}

#[test]
fn closures_go_after_their_call() {
    let server = start();
    let port = server.port;
    let before = tokens(port);
    for path in ["/defer", "/after", "/remote", "/answered", "/writable"] {
        assert_eq!(get(port, path).body, path[1..], "{path}");
        wait_until(port, before);
    }
    for line in ["POST /collect", "POST /stream"] {
        assert_eq!(ask(port, line, "", "body").body, "body", "{line}");
        wait_until(port, before);
    }
    assert_eq!(ask(port, "POST /collect", "", "ten bytes!").status(), 413);
    wait_until(port, before);
    stop(server);
}

#[test]
fn closures_go_with_their_peer() {
    let server = start();
    let before = tokens(server.port);
    let mut waiting = connect(server.port);
    let request = b"GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n";
    waiting.write_all(request).expect("it is sent");
    wait_until(server.port, (before.0 + 1, before.1));
    drop(waiting);
    wait_until(server.port, before);
    stop(server);
}

#[test]
fn data_lives_from_the_upgrade_to_the_close() {
    let server = start();
    let port = server.port;
    let before = tokens(port);
    for path in ["/short", "/long"] {
        let mut socket = open(port, path);
        say(&mut socket, "how many?");
        assert_eq!(text(&mut socket), (before.1 + 1).to_string(), "{path}");
        let mut other = open(port, path);
        say(&mut other, "replace");
        assert_eq!(text(&mut other), (before.1 + 2).to_string(), "{path}");
        wait_until(port, (before.0 + 2, before.1 + 2));
        socket.close(None).expect("it is sent");
        close_code(&mut socket);
        drop(other);
        wait_until(port, before);
    }
    stop(server);
}

#[test]
fn what_is_alive_at_the_end_goes_with_the_server() {
    let server = start();
    let mut waiting = connect(server.port);
    let request = b"GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n";
    waiting.write_all(request).expect("it is sent");
    let _short = open(server.port, "/short");
    let _long = open(server.port, "/long");
    wait_for(server.port, "/tokens", |counts| parse(counts).1 == 3);
    drop(waiting);
    stop(server);
}
