//! The server of the random runs: handlers that write down what they are told and what they send,
//! and do things to their own sockets and to others.

use std::time::Duration;

use keirin::{
    Backpressure, Behaviour, Message, Sent, Socket, SocketId, WebSocket, WebSocketConfig,
};

use crate::support::{closed_line, message_line};
use crate::wire;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) sockets: Vec<Told>,
}

/// What became of one socket on the server's side.
pub(crate) struct Told {
    pub(crate) id: SocketId,
    pub(crate) heard: Vec<String>,
    /// What was sent to it, answers to Pings left out.
    pub(crate) said: Vec<String>,
    pub(crate) closed: Option<String>,
}

pub(crate) fn say(told: &mut Told, sent: Sent, line: String) {
    if matches!(sent, Sent::Sent | Sent::Queued(_)) {
        assert_eq!(told.closed, None, "nothing is sent to a closed socket");
        told.said.push(line);
    }
}

/// Sends, and writes down what will arrive.
pub(crate) fn send(socket: &mut Socket<'_, World>, index: usize, message: Message<'_>) {
    let sent = socket.send(message);
    let mut cx = socket.cx();
    say(
        &mut cx.state_mut().sockets[index],
        sent,
        message_line("", message),
    );
}

/// What a message has its handler do; most do nothing beyond an echo.
fn react(socket: &mut Socket<'_, World>, index: usize, message: Message<'_>) {
    let (id, last) = (socket.id(), message.bytes().last().copied().unwrap_or(255));
    match last {
        0..100 => send(socket, index, message),
        100..104 => drop(socket.end(1000, "asked for")),
        104..106 => drop(socket.close()),
        106..120 => {
            let _ = socket.pause();
            socket
                .cx()
                .after(Duration::from_millis(last.into()), move |cx| {
                    if let Ok(mut socket) = cx.socket(id) {
                        let _ = socket.resume();
                    }
                });
        }
        120..150 => {
            let other = (index + usize::from(last)) % socket.cx().state().sockets.len();
            let id = socket.cx().state().sockets[other].id;
            if let Ok(mut socket) = socket.cx().socket(id) {
                send(&mut socket, other, message);
            }
        }
        150..155 => send(socket, index, Message::Binary(&[last; 40_000])),
        155..170 => socket.cx().defer(move |cx| {
            if let Ok(mut socket) = cx.socket(id) {
                send(&mut socket, index, Message::Text("deferred"));
            }
        }),
        _ => {}
    }
}

pub(crate) fn behaviour() -> Behaviour<usize, World> {
    let settings = WebSocketConfig::builder()
        .message_bytes_max(3000)
        .backpressure(Backpressure::Queue)
        .ping_interval_ms(0)
        .idle_timeout_ms(0);
    Behaviour::new()
        .config(settings.build().expect("in range"))
        .on_open(|ws: &mut WebSocket<'_, usize, World>| {
            let id = ws.id();
            *ws.data = ws.cx().state().sockets.len();
            ws.cx().state_mut().sockets.push(Told {
                id,
                heard: Vec::new(),
                said: Vec::new(),
                closed: None,
            });
        })
        .on_message(|ws, message| {
            let index = *ws.data;
            hear(ws, index, message_line("", message));
            react(ws, index, message);
        })
        .on_ping(|ws, payload| {
            let index = *ws.data;
            hear(ws, index, wire::line("ping", payload));
        })
        .on_pong(|ws, payload| {
            let index = *ws.data;
            hear(ws, index, wire::line("pong", payload));
        })
        .on_close(|ws, closed| {
            let index = *ws.data;
            let mut cx = ws.cx();
            let told = &mut cx.state_mut().sockets[index].closed;
            assert_eq!(*told, None, "once");
            *told = Some(closed_line(closed));
        })
}

fn hear(ws: &mut Socket<'_, World>, index: usize, line: String) {
    let mut cx = ws.cx();
    let told = &mut cx.state_mut().sockets[index];
    assert_eq!(told.closed, None, "nothing is told after the end");
    told.heard.push(line);
}

/// A piece of a text message; which one it is [`kinds`] finds out.
pub(crate) fn piece(is_last: bool) -> String {
    format!("piece{}", if is_last { "" } else { "+" })
}

/// What arrives of what was said: the first piece of a message names the kind.
pub(crate) fn kinds(said: &[String]) -> Vec<String> {
    let mut inside = false;
    let arrived = said.iter().map(|line| match line.strip_prefix("piece") {
        None => line.clone(),
        Some(more) => {
            let kind = if inside { "continuation" } else { "text" };
            inside = more == "+";
            format!("{kind}{more} piece")
        }
    });
    arrived.collect()
}
