//! The examples of WebSockets, with another implementation at the other end.

use std::net::TcpStream;
use std::process::Command;

use tungstenite::protocol::{Message, Role, WebSocket};

use crate::support::{Example, PATIENCE, executable, run};
use crate::wire::{Client, Head};

/// A client that sends these header lines, and the head that it gets.
fn connect(server: &Example, lines: &str) -> (WebSocket<TcpStream>, Head) {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::new(stream);
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n",
        server.address
    ));
    let head = client.read_head();
    let (stream, rest) = client.into_parts();
    let socket = WebSocket::from_partially_read(stream, rest, Role::Client, None);
    (socket, head)
}

#[test]
fn what_one_publishes_all_others_get() {
    let server = Example::start("pubsub");
    let [mut ada, mut bob, mut eve] = [(); 3].map(|()| connect(&server, "").0);
    ada.send(Message::text("from Ada")).unwrap();
    for other in [&mut bob, &mut eve] {
        assert_eq!(other.read().unwrap(), Message::text("from Ada"));
    }
    bob.send(Message::binary(vec![1, 2, 3])).unwrap();
    // Had she got her own, that came before.
    for other in [&mut ada, &mut eve] {
        assert_eq!(other.read().unwrap(), Message::binary(vec![1, 2, 3]));
    }
}

#[test]
fn an_echo_agrees_to_what_it_was_started_with() {
    let offers = "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: br\r\n";
    for (mode, agreed) in [
        ("off", [false, false]),
        ("shared", [true, false]),
        ("dedicated", [true, false]),
        ("brotli", [false, true]),
    ] {
        let server = Example::start_with("echo_ws", mode);
        let (_, head) = connect(&server, offers);
        assert_eq!(head.status, 101);
        let answers = ["sec-websocket-extensions", "sec-websocket-protocol"];
        let answers = answers.map(|name| head.header(name).is_some());
        assert_eq!(answers, agreed, "{mode}: {head:?}");
        let (mut socket, _) = connect(&server, "");
        for message in [Message::text("ünï"), Message::binary(vec![0; 16 << 20])] {
            socket.send(message.clone()).unwrap();
            assert!(socket.read().unwrap() == message, "{mode}");
        }
        let _ = socket.send(Message::binary(vec![0; (16 << 20) + 1]));
        let answer = socket.read().unwrap();
        assert!(matches!(answer, Message::Close(Some(frame)) if u16::from(frame.code) == 1009));
    }
}

#[test]
fn an_echo_is_not_started_with_what_it_does_not_know() {
    let finished = run(Command::new(executable("echo_ws")).args(["0", "zip"]));
    assert_eq!(finished.status.code(), Some(2));
    assert_eq!(
        finished.stderr,
        "MODE is off, shared, dedicated or brotli\n"
    );
}
