//! Routes whose handlers are JavaScript's, and kinds of WebSocket.

use std::rc::Rc;

use keirin::{
    App, Behaviour, Cx, Handshake, HandshakeError, Request, ResponseId, WebSocket, WebSocketConfig,
};

use crate::declarative::Program;
use crate::embed::Worker;
use crate::events::{
    Event, tell_close, tell_message, tell_request, tell_socket, tell_subscription,
};
use crate::numbers::{hears, register};

/// Who answers an ordinary request.
#[derive(Clone)]
pub(crate) enum Handler {
    /// JavaScript's handler of this number.
    Script(i32),
    Program(Rc<Program>),
}

impl Handler {
    #[inline]
    fn run(&self, cx: &mut Cx<'_, Worker>, id: ResponseId, request: &Request<'_>) {
        match self {
            Self::Script(number) => tell_request(cx, id, request, |app| {
                app.addon.set_register(register::FIRST, *number);
                app.events.fire(app, Event::Request, &[]);
            }),
            Self::Program(program) => program.answer(cx, id, request),
        }
    }
}

/// Adds a route for a method, or for all.
pub(crate) fn add(app: &mut App<Worker>, method: Option<&str>, pattern: &str, handler: Handler) {
    app.route_by_id(method, pattern, move |cx, id, request| {
        handler.run(cx, id, request)
    });
}

/// Adds a route where WebSockets of a kind are opened, whatever other routes there are. `handler`
/// is the number of JavaScript's upgrade handler; without one every valid handshake is agreed to.
pub(crate) fn add_upgrades(
    app: &mut App<Worker>,
    pattern: &str,
    behaviour: u16,
    handler: Option<i32>,
) {
    let added = app.route_upgrades_by_id(pattern, move |cx, id, request| {
        match (request.handshake(), handler) {
            (Err(HandshakeError::NotAnUpgrade | HandshakeError::Upgrade), _) => {
                let _ = cx.by_id().next(id);
            }
            (Err(error), _) => {
                if let Ok(response) = cx.response(id) {
                    response.refuse_upgrade(error);
                }
            }
            (Ok(handshake), None) => agree(cx, id, behaviour, handshake),
            (Ok(handshake), Some(handler)) => ask(cx, id, request, handshake, handler),
        }
    });
    debug_assert!(added.is_ok(), "routes are checked when they are asked for");
}

/// Upgrades at once.
fn agree(cx: &mut Cx<'_, Worker>, id: ResponseId, behaviour: u16, mut handshake: Handshake) {
    let first = handshake.protocols().next().map(str::to_owned);
    if let Some(protocol) = first {
        handshake.choose(&protocol);
    }
    if let Some(sockets) = cx.by_id().sockets::<()>(behaviour) {
        // What is refused has been answered by the engine.
        let _ = cx.by_id().upgrade(id, sockets, handshake, ());
    }
}

/// Has JavaScript decide, which gives the handshake back when it upgrades.
fn ask(
    cx: &mut Cx<'_, Worker>,
    id: ResponseId,
    request: &Request<'_>,
    handshake: Handshake,
    handler: i32,
) {
    tell_request(cx, id, request, |app| {
        app.addon.set_register(register::FIRST, handler);
        let env = app.addon.env;
        if let Ok(context) = env.external((id, handshake)) {
            app.events.fire(app, Event::Upgrade, &[context]);
        }
    });
}

/// A kind of WebSocket whose open and close handlers are called always, and the others as asked.
pub(crate) fn behaviour(
    config: WebSocketConfig,
    wanted: i32,
    number: i32,
) -> Behaviour<(), Worker> {
    type Own<'a, 'b> = &'a mut WebSocket<'b, (), Worker>;
    let mut behaviour = Behaviour::new()
        .config(config)
        .on_open(move |ws: Own<'_, '_>| {
            let id = ws.id();
            tell_socket(&mut ws.cx(), id, Event::Open, number, None);
        })
        .on_close(|ws, closed| {
            let id = ws.id();
            tell_close(&mut ws.cx(), id, &closed);
        });
    if wanted & hears::MESSAGE != 0 {
        behaviour = behaviour.on_message(|ws, message| {
            let id = ws.id();
            tell_message(&mut ws.cx(), id, Event::Message, &message);
        });
    }
    if wanted & hears::DROPPED != 0 {
        behaviour = behaviour.on_dropped(|ws, message| {
            let id = ws.id();
            tell_message(&mut ws.cx(), id, Event::Dropped, &message);
        });
    }
    if wanted & hears::DRAIN != 0 {
        behaviour = behaviour.on_drain(|ws| {
            let id = ws.id();
            tell_socket(&mut ws.cx(), id, Event::Drain, 0, None);
        });
    }
    if wanted & hears::PING != 0 {
        behaviour = behaviour.on_ping(|ws, payload| {
            let id = ws.id();
            tell_socket(&mut ws.cx(), id, Event::Ping, 0, Some(payload));
        });
    }
    if wanted & hears::PONG != 0 {
        behaviour = behaviour.on_pong(|ws, payload| {
            let id = ws.id();
            tell_socket(&mut ws.cx(), id, Event::Pong, 0, Some(payload));
        });
    }
    if wanted & hears::SUBSCRIPTION != 0 {
        behaviour = behaviour.on_subscription(|ws, change| {
            let id = ws.id();
            tell_subscription(&mut ws.cx(), id, &change);
        });
    }
    behaviour
}
