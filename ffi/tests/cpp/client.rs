//! Clients: HTTP by hand, WebSockets with tungstenite.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use tungstenite::protocol::Role;
use tungstenite::{Error, Message, WebSocket};

use crate::process::PATIENCE;

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it is a socket");
    stream
}

/// What came back: everything up to the end of the connection, parted after the head.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Sends a request with more headers and a body.
pub(crate) fn ask(port: u16, line: &str, headers: &str, body: &str) -> Answer {
    let mut stream = connect(port);
    let length = body.len();
    let framing = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {length}\r\n")
    };
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let request = format!("{head}{framing}{headers}\r\n{body}");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer ends");
    let answer = String::from_utf8(answer).expect("the answers here are text");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) fn get(port: u16, path: &str) -> Answer {
    ask(port, &format!("GET {path}"), "", "")
}

/// Asks again until the answer is as it should be: what it tells of happens elsewhere.
pub(crate) fn wait_for(port: u16, path: &str, is_right: impl Fn(&str) -> bool) -> String {
    let mut body = String::new();
    for _ in 0..10_000 {
        body = get(port, path).body;
        if is_right(&body) {
            return body;
        }
    }
    panic!("{path} still answers {body}");
}

pub(crate) type Socket = WebSocket<TcpStream>;

/// Opens a WebSocket; the answer's head if it is not one.
pub(crate) fn open_with(port: u16, path: &str, headers: &str) -> Result<(Socket, String), String> {
    let mut stream = connect(port);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         {headers}\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the head is complete");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head is text");
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(head);
    }
    Ok((WebSocket::from_raw_socket(stream, Role::Client, None), head))
}

pub(crate) fn open(port: u16, path: &str) -> Socket {
    open_with(port, path, "")
        .expect("the upgrade is answered")
        .0
}

/// The next message. A read with a time limit is not taken up again after a signal by itself.
pub(crate) fn next(socket: &mut Socket) -> Result<Message, Error> {
    loop {
        match socket.read() {
            Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The next text.
pub(crate) fn text(socket: &mut Socket) -> String {
    loop {
        match next(socket).expect("a message comes") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?} in place of text"),
        }
    }
}

pub(crate) fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).expect("it is sent");
}

/// The code that the server closes the socket with; messages before that are skipped.
pub(crate) fn close_code(socket: &mut Socket) -> u16 {
    loop {
        match next(socket) {
            Ok(Message::Close(frame)) => return frame.map_or(1005, |frame| frame.code.into()),
            Ok(_) => {}
            Err(Error::ConnectionClosed) => panic!("closed without its frame being read"),
            Err(error) => panic!("{error} in place of a Close frame"),
        }
    }
}
