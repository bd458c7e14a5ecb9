//! The echo: each mode of compression, and its limits.

use std::io::Read;

use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::support::build::Way;
use crate::support::data::noise;
use crate::support::program::Example;
use crate::support::websocket::{Deflated, connect, handshake};

const MESSAGE_BYTES_MAX: usize = 16 << 20;

pub(crate) fn echo(way: Way) {
    plain(way);
    shared(way);
    dedicated(way);
    brotli(way);
}

fn start(way: Way, mode: &str) -> Example {
    Example::start_with("echo_ws", way, &[mode])
}

fn plain(way: Way) {
    let server = start(way, "off");
    let mut socket = connect(server.address, "/", "");
    // The largest message that there may be, where that does not take too long.
    let large = if way.is_plain() {
        MESSAGE_BYTES_MAX
    } else {
        100_000
    };
    for message in [
        Message::text("hello, w\u{f6}rld \u{1f6b2}"),
        Message::text(""),
        Message::binary(noise(126)),
        Message::binary(noise(65536)),
        Message::binary(noise(large)),
    ] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message, "{}", message.len());
    }
    let mut others = [(); 5].map(|()| connect(server.address, "/any/path", ""));
    for (socket, text) in others.iter_mut().zip(["a", "b", "c", "d", "e"]) {
        socket.send(Message::text(text)).unwrap();
    }
    for (socket, text) in others.iter_mut().zip(["a", "b", "c", "d", "e"]) {
        assert_eq!(socket.read().unwrap(), Message::text(text));
    }
    if way.is_plain() {
        // The server may close before it has read all of it.
        let _ = socket.send(Message::binary(noise(MESSAGE_BYTES_MAX + 1)));
        let Message::Close(Some(frame)) = socket.read().unwrap() else {
            panic!("a Close frame");
        };
        assert_eq!(frame.code, CloseCode::Size);
    }
    // Pages of other hosts may not.
    let (_, head) = handshake(server.address, "/", "Origin: http://elsewhere.test\r\n");
    assert_eq!(head.status, 403);
    server.stop();
}

fn sentences(count: usize) -> String {
    let sentences = (0..count).map(|i| format!("This is sentence number {i}. "));
    sentences.collect()
}

fn shared(way: Way) {
    let server = start(way, "shared");
    let (mut socket, agreed) = Deflated::connect(server.address, "/");
    assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
    assert!(agreed.contains("server_no_context_takeover"), "{agreed}");
    assert!(agreed.contains("client_no_context_takeover"), "{agreed}");
    let text = sentences(1000);
    let mut lengths = [0; 2];
    for length in &mut lengths {
        socket.send(&text);
        let (echo, received) = socket.read();
        assert!(echo == text);
        *length = received;
    }
    assert!(lengths[0] < text.len() / 3, "{lengths:?}");
    assert_eq!(lengths[0], lengths[1], "neither refers to another message");
    // Who does not offer it goes without.
    let mut socket = connect(server.address, "/", "");
    socket.send(Message::text(&*text)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text(&*text));
    server.stop();
}

fn dedicated(way: Way) {
    let server = start(way, "dedicated");
    let (mut socket, agreed) = Deflated::connect(server.address, "/");
    assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
    assert!(!agreed.contains("no_context_takeover"), "{agreed}");
    let text = sentences(100);
    socket.send(&text);
    let (echo, first) = socket.read();
    assert!(echo == text);
    socket.send(&text);
    let (echo, second) = socket.read();
    assert!(echo == text);
    assert!(second < first / 4, "{second} after {first}: it refers back");
    server.stop();
}

fn brotli(way: Way) {
    let server = start(way, "brotli");
    let (client, head) = handshake(server.address, "/", "Sec-WebSocket-Protocol: br\r\n");
    assert_eq!(head.header("sec-websocket-protocol"), Some("br"));
    let (stream, unread) = client.into_parts();
    let role = tungstenite::protocol::Role::Client;
    let mut socket = tungstenite::WebSocket::from_partially_read(stream, unread, role, None);
    // The first byte says what the rest is; see docs/compression.md.
    let short = Message::binary(b"\0short".to_vec());
    socket.send(short.clone()).unwrap();
    assert_eq!(socket.read().unwrap(), short);
    let text = sentences(1000);
    socket.send(Message::text(&*text)).unwrap();
    let Message::Binary(compressed) = socket.read().unwrap() else {
        panic!("a binary message");
    };
    assert_eq!(compressed[0], 1);
    assert!(compressed.len() < text.len() / 3);
    let mut unpacked = String::new();
    let mut rest = brotli::Decompressor::new(&compressed[1..], 4096);
    rest.read_to_string(&mut unpacked).unwrap();
    assert!(unpacked == text);
    server.stop();
}

#[test]
fn another_mode_is_refused() {
    let program = crate::support::build::example("echo_ws", Way::Sanitizers);
    let mut command = std::process::Command::new(program);
    let output = command.args(["0", "sometimes"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told, "MODE is off, shared, dedicated or brotli\n");
}
