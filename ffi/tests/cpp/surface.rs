//! The rest of the interface, met on a loop of poll(2).

use tungstenite::Message;

use crate::build::sanitized;
use crate::client::{Socket, ask, close_code, get, next, open, open_with, say, text};
use crate::process::Server;

fn start() -> Server {
    Server::start(&sanitized("ffi/tests/cpp/surface.cpp"), &["0"])
}

#[test]
fn requests_and_answers() {
    let server = start();
    let port = server.port;
    let value = "v".repeat(100);
    let target = format!("/describe/me?value={value}&x");
    let described = ask(port, &format!("BREW {target}"), "A: b\r\nc:  d \r\n", "");
    let expected = format!(
        "BREW {target} /describe/me value={value}&x me\n\
         Host=localhost;Connection=close;A=b;c=d;\n100"
    );
    assert_eq!(described.body, expected);
    assert_eq!(described.header("Server"), Some("cpp"));

    let long = "w".repeat(100);
    assert_eq!(
        get(port, &format!("/decoded/a%20{long}")).body,
        format!("a {long}")
    );
    assert_eq!(get(port, "/decoded/%zz").body, "malformed");

    let chunks = get(port, "/chunks");
    assert!(chunks.head.starts_with("HTTP/1.1 203 "), "{chunks:?}");
    assert_eq!(chunks.header("Answer"), Some("42"));
    assert_eq!(chunks.body, "4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n");
    let head = ask(port, "HEAD /head", "", "");
    assert_eq!(head.header("Content-Length"), Some("4711"));
    assert_eq!(head.body, "");
    let large = get(port, "/large");
    assert_eq!(large.body.len(), 8 << 20);
    assert!(large.body.bytes().all(|byte| byte == b'y'));
    let next = get(port, "/next/one");
    assert_eq!((next.header("Passed"), &*next.body), (Some("yes"), "last"));
    assert_eq!(get(port, "/closed").head, "");
    let failed = get(port, "/failed");
    assert_eq!((failed.status(), failed.header("X-Left")), (500, None));
    let body = "b".repeat(1 << 20);
    assert_eq!(ask(port, "PUT /paused", "", &body).body, "read");
    for method in ["POST", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let line = format!("{method} /method");
        assert_eq!(ask(port, &line, "", "").body, method);
    }
    let waited = get(port, "/wait");
    assert_eq!((waited.status(), &*waited.body), (202, "from elsewhere"));
    assert_eq!(get(port, "/silent").status(), 500);
    let said = server.stop().stdout;
    for line in [
        "logged: a handler neither answered",
        "access: GET /next/one",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn handshakes_choose_a_subprotocol_and_refuse_origins() {
    let server = start();
    let port = server.port;
    let (_, head) =
        open_with(port, "/ws/a", "Sec-WebSocket-Protocol: one, two\r\n").expect("it is upgraded");
    assert!(head.contains("Sec-WebSocket-Protocol: two\r\n"), "{head}");
    assert!(head.contains("X-Offered: 2\r\n"), "{head}");
    let (_, head) =
        open_with(port, "/ws/b", "Origin: https://example.com\r\n").expect("it is upgraded");
    assert!(
        !head.to_lowercase().contains("sec-websocket-protocol"),
        "{head}"
    );
    let refused = open_with(port, "/ws/c", "Origin: https://example.org\r\n");
    let head = refused.expect_err("it is not listed");
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert_eq!(get(port, "/ws/d").status(), 426);
    server.stop();
}

fn ask_socket(socket: &mut Socket, command: &str) -> String {
    say(socket, command);
    text(socket)
}

#[test]
fn sockets() {
    let server = start();
    let port = server.port;
    let mut one = open(port, "/ws/one");
    assert!(ask_socket(&mut one, "address").starts_with("127.0.0.1:"));
    assert_eq!(ask_socket(&mut one, "fragments"), "one two");
    let binary = Message::Binary(vec![0, 255].into());
    one.send(binary.clone()).expect("it is sent");
    assert_eq!(next(&mut one).expect("it is sent back"), binary);
    say(&mut one, "pause");
    assert!(ask_socket(&mut one, "address").starts_with("127.0.0.1:"));
    say(&mut one, "ping");
    // It is answered while the next message is read, and the answer is sent back as text.
    one.send(Message::Ping("mine".into())).expect("it is sent");
    assert_eq!(text(&mut one), "payload");
    drop(one);
    server.stop();
}

#[test]
fn topics_reach_sockets_from_here_and_elsewhere() {
    let server = start();
    let port = server.port;
    let mut one = open(port, "/ws/one");
    let mut other = open(port, "/ws/other");
    assert_eq!(ask_socket(&mut one, "subscribe"), "2 a/#");
    assert_eq!(get(port, "/published?topic=topic").body, "1 1 2");
    let published = next(&mut one).expect("it is published");
    assert_eq!(published, Message::Binary(vec![1].into()));
    say(&mut other, "publish");
    assert_eq!(text(&mut one), "to others");
    assert_eq!(get(port, "/remote/publish/one").body, "0");
    assert_eq!(text(&mut one), "published");
    assert_eq!(ask_socket(&mut one, "unsubscribe"), "0");
    assert_eq!(get(port, "/remote/send/one").body, "0");
    assert_eq!(text(&mut one), "sent");
    assert_eq!(get(port, "/remote/end/one").body, "0");
    assert_eq!(close_code(&mut one), 4001);
    assert_eq!(get(port, "/remote/close/other").body, "0");
    assert!(next(&mut other).is_err(), "it is dropped");
    let mut short = open(port, "/ws/short");
    say(&mut short, "timeouts");
    assert_eq!(close_code(&mut short), 1001);
    drop((one, other, short));
    let said = server.stop().stdout;
    for line in [
        "made: pattern a/#",
        "made: topic",
        "ended: topic",
        "closed: one 4 4001 over",
        "closed: other 5 1006 ",
        "closed: short 7 ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn a_handler_stops_its_loop() {
    let server = start();
    let mut socket = open(server.port, "/ws/one");
    assert_eq!(get(server.port, "/stop").body, "stopping");
    assert_eq!(close_code(&mut socket), 1001);
    drop(socket);
    server.wait();
}
