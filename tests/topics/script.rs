//! What a test has the program do, in whichever callback.

use std::time::Duration;

use keirin::{Cx, Message, Misuse, Sent, Socket, SocketId};

use crate::world::World;

/// One call of the program's. Sockets are named by their number.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Subscribe(usize, Topic),
    Unsubscribe(usize, Topic),
    /// By a socket, or by the app.
    Publish(Option<usize>, String, String),
    Send(usize, String),
    Fragment(usize, String, bool),
    Ping(usize),
    End(usize, u16),
    Close(usize),
    /// After the callback.
    Later(Vec<Self>),
    /// From a timer.
    After(u64, Vec<Self>),
}

/// A topic, or a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) is_pattern: bool,
}

pub(crate) fn topic(name: &str) -> Topic {
    Topic {
        name: name.to_owned(),
        is_pattern: false,
    }
}

pub(crate) fn pattern(name: &str) -> Topic {
    Topic {
        name: name.to_owned(),
        is_pattern: true,
    }
}

pub(crate) fn subscribe(socket: usize, name: &str) -> Op {
    Op::Subscribe(socket, topic(name))
}

pub(crate) fn unsubscribe(socket: usize, name: &str) -> Op {
    Op::Unsubscribe(socket, topic(name))
}

/// The socket publishes to all others.
pub(crate) fn publish(socket: usize, name: &str, text: impl Into<String>) -> Op {
    Op::Publish(Some(socket), name.to_owned(), text.into())
}

/// The app publishes to all.
pub(crate) fn announce(name: &str, text: impl Into<String>) -> Op {
    Op::Publish(None, name.to_owned(), text.into())
}

pub(crate) fn send(socket: usize, text: impl Into<String>) -> Op {
    Op::Send(socket, text.into())
}

/// Where a script runs.
pub(crate) enum Here<'a, 'b> {
    Socket(&'a mut Socket<'b, World>),
    Cx(&'a mut Cx<'b, World>),
}

impl Here<'_, '_> {
    fn with_cx<R>(&mut self, act: impl FnOnce(&mut Cx<'_, World>) -> R) -> R {
        match self {
            Self::Socket(socket) => act(&mut socket.cx()),
            Self::Cx(cx) => act(cx),
        }
    }

    /// Acts on a socket: on the one whose callback it is without looking it up.
    fn with_socket<R>(
        &mut self,
        id: SocketId,
        act: impl FnOnce(&mut Socket<'_, World>) -> R,
    ) -> Result<R, Misuse> {
        match self {
            Self::Socket(socket) if socket.id() == id => Ok(act(socket)),
            _ => self.with_cx(|cx| cx.socket(id).map(|mut socket| act(&mut socket))),
        }
    }
}

pub(crate) fn run(here: &mut Here<'_, '_>, ops: Vec<Op>) {
    for op in ops {
        step(here, op);
    }
}

fn step(here: &mut Here<'_, '_>, op: Op) {
    let id = |here: &mut Here<'_, '_>, number| here.with_cx(|cx| cx.state().model.id(number));
    match op {
        Op::Subscribe(number, topic) => {
            let id = id(here, number);
            let done = here.with_socket(id, |socket| match topic.is_pattern {
                true => socket.subscribe_pattern(&topic.name),
                false => socket.subscribe(&topic.name),
            });
            let done = done.and_then(|done| done);
            here.with_cx(|cx| cx.state_mut().model.subscribe(number, topic, done));
        }
        Op::Unsubscribe(number, topic) => {
            let id = id(here, number);
            let done = here.with_socket(id, |socket| match topic.is_pattern {
                true => socket.unsubscribe_pattern(&topic.name),
                false => socket.unsubscribe(&topic.name),
            });
            let done = done.and_then(|done| done);
            here.with_cx(|cx| cx.state_mut().model.unsubscribe(number, &topic, done));
        }
        Op::Publish(from, name, text) => publish_as(here, from, &name, &text),
        Op::Send(number, text) => {
            let id = id(here, number);
            let sent = here.with_socket(id, |socket| socket.send_text(&text));
            let sent = sent.unwrap_or(Sent::Closed);
            here.with_cx(|cx| cx.state_mut().model.send(number, text, sent));
        }
        Op::Fragment(number, text, last) => {
            let id = id(here, number);
            let sent = here.with_socket(id, |socket| {
                socket.send_fragment(Message::Text(&text), last)
            });
            let sent = sent.and_then(|sent| sent);
            here.with_cx(|cx| cx.state_mut().model.fragment(number, &text, last, sent));
        }
        Op::Ping(number) => {
            let id = id(here, number);
            let _ = here.with_socket(id, |socket| socket.ping(b""));
        }
        Op::End(number, code) => {
            let id = id(here, number);
            let done = here.with_socket(id, |socket| socket.end(code, ""));
            let done = done.and_then(|done| done);
            here.with_cx(|cx| cx.state_mut().model.end(number, code, done));
        }
        Op::Close(number) => {
            let id = id(here, number);
            let _ = here.with_socket(id, |socket| socket.close());
            here.with_cx(|cx| cx.state_mut().model.doom(number));
        }
        Op::Later(ops) => here.with_cx(|cx| cx.defer(|cx| run(&mut Here::Cx(cx), ops))),
        Op::After(ms, ops) => here.with_cx(|cx| {
            let run = |cx: &mut Cx<'_, World>| run(&mut Here::Cx(cx), ops);
            cx.after(Duration::from_millis(ms), run);
        }),
    }
}

fn publish_as(here: &mut Here<'_, '_>, from: Option<usize>, name: &str, text: &str) {
    let open = here.with_cx(|cx| {
        let ids = cx.state().model.ids();
        ids.into_iter()
            .map(|id| cx.socket(id).is_ok())
            .collect::<Vec<_>>()
    });
    let message = Message::Text(text);
    let published = match from {
        Some(number) => {
            let id = here.with_cx(|cx| cx.state().model.id(number));
            let done = here.with_socket(id, |socket| socket.publish(name, message));
            done.and_then(|done| done)
        }
        None => here.with_cx(|cx| cx.publish(name, message)),
    };
    here.with_cx(|cx| {
        let world = cx.state_mut();
        world.published.extend(published.ok());
        world.model.publish(from, name, text, &open, published);
    });
}
