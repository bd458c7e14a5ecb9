//! Calling JavaScript.

use std::cell::Cell;
use std::ffi::CStr;
use std::ptr;

use keirin::{
    CloseCause, Closed, ConnectionId, Cx, Message, Record, Request, ResponseId, SocketId,
    Subscription, WsError,
};
use napi_sys as sys;

use crate::addon::register;
use crate::embed::{Embedded, Worker};
use crate::napi::{Env, Failed, Value};

/// What JavaScript is called for: it gives a function for each, by this name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Request,
    Upgrade,
    Aborted,
    Writable,
    Piece,
    Open,
    Message,
    Dropped,
    Drain,
    Ping,
    Pong,
    Subscription,
    Close,
    Connection,
    Log,
    Stopped,
}

const NAMES: [&CStr; 16] = [
    c"request",
    c"upgrade",
    c"aborted",
    c"writable",
    c"piece",
    c"open",
    c"message",
    c"dropped",
    c"drain",
    c"ping",
    c"pong",
    c"subscription",
    c"close",
    c"connection",
    c"log",
    c"stopped",
];

/// Events that share a scope: what they have made is collected no sooner.
const EVENTS_PER_SCOPE: u32 = 64;

/// The functions of one app.
///
/// They are called within [`scoped`](Self::scoped), where handles to them are looked up once for
/// many events.
pub(crate) struct Events {
    env: Env,
    receiver: sys::napi_ref,
    functions: [sys::napi_ref; NAMES.len()],
    scope: Cell<sys::napi_handle_scope>,
    /// Events that the scope is still good for.
    left: Cell<u32>,
    /// The receiver and the functions in this scope, or NULL.
    handles: [Cell<Value>; 1 + NAMES.len()],
}

impl Events {
    /// Takes them from an object.
    pub(crate) fn new(env: Env, receiver: Value) -> Result<Self, Failed> {
        let mut functions = [ptr::null_mut(); NAMES.len()];
        for (function, name) in functions.iter_mut().zip(NAMES) {
            *function = env.reference(env.property(receiver, name)?)?;
        }
        Ok(Self {
            env,
            receiver: env.reference(receiver)?,
            functions,
            scope: Cell::new(ptr::null_mut()),
            left: Cell::new(0),
            handles: [const { Cell::new(ptr::null_mut()) }; 1 + NAMES.len()],
        })
    }

    /// Runs what may call the functions. It is not entered again within itself.
    pub(crate) fn scoped<R>(&self, f: impl FnOnce() -> R) -> R {
        self.open_scope();
        let result = f();
        self.close_scope();
        result
    }

    fn open_scope(&self) {
        self.scope.set(self.env.open_scope());
        self.left.set(EVENTS_PER_SCOPE);
        for handle in &self.handles {
            handle.set(ptr::null_mut());
        }
    }

    fn close_scope(&self) {
        self.env.close_scope(self.scope.replace(ptr::null_mut()));
    }

    /// Calls the function of an event, whose numbers are in the registers.
    #[inline]
    pub(crate) fn fire(&self, app: &Embedded, event: Event, arguments: &[Value]) {
        app.addon.set_register(register::APP, app.number);
        if let Ok(receiver) = self.handle(0, self.receiver)
            && let Ok(function) = self.handle(1 + event as usize, self.functions[event as usize])
            && self.env.call_back(receiver, function, arguments)
        {
            // Values of an event that is under way are in the scope, so it is renewed behind it.
            self.left.update(|left| left.saturating_sub(1));
            return;
        }
        app.halt();
    }

    /// The same with a copy of some bytes as its argument, which are gone when it returns.
    #[inline]
    fn fire_bytes(&self, app: &Embedded, event: Event, bytes: &[u8]) {
        self.renew_scope();
        if let Ok(buffer) = self.env.array_buffer(bytes) {
            self.fire(app, event, &[buffer]);
            self.env.detach(buffer);
        }
    }

    /// To be called before an event whose values are not made yet.
    #[inline]
    pub(crate) fn renew_scope(&self) {
        if self.left.get() == 0 {
            self.close_scope();
            self.open_scope();
        }
    }

    #[inline]
    fn handle(&self, index: usize, reference: sys::napi_ref) -> Result<Value, Failed> {
        let known = self.handles[index].get();
        if !known.is_null() {
            return Ok(known);
        }
        let found = self.env.dereference(reference)?;
        self.handles[index].set(found);
        Ok(found)
    }

    /// Tells of a log record.
    pub(crate) fn tell_record(&self, app: &Embedded, record: &Record) {
        let level = match record.level {
            _ if record.is_access => 0,
            level => 1 + level as i32,
        };
        app.addon.set_register(register::FIRST, level);
        self.renew_scope();
        let message = self.env.text(&record.message);
        let peer = record.peer.map(|peer| self.env.text(&peer.to_string()));
        let peer = peer.unwrap_or_else(|| self.env.undefined());
        self.fire(app, Event::Log, &[message, peer]);
    }

    /// Lets JavaScript collect the functions.
    pub(crate) fn release(&self) {
        for reference in self.functions {
            self.env.delete_reference(reference);
        }
        self.env.delete_reference(self.receiver);
    }
}

/// Has an event about an answer told, from a callback of the engine's.
#[inline]
pub(crate) fn tell_response(
    cx: &mut Cx<'_, Worker>,
    id: ResponseId,
    event: Event,
    numbers: [i32; 2],
    bytes: Option<&[u8]>,
) {
    let app = std::rc::Rc::clone(&cx.state().0);
    app.addon.set_response(id);
    app.addon.set_register(register::FIRST, numbers[0]);
    app.addon.set_register(register::SECOND, numbers[1]);
    app.guarded.lend(cx, || match bytes {
        Some(bytes) => app.events.fire_bytes(&app, event, bytes),
        None => {
            app.events.renew_scope();
            app.events.fire(&app, event, &[]);
        }
    });
}

/// Has a request handled: `route` is its handler's number.
#[inline]
pub(crate) fn tell_request(
    cx: &mut Cx<'_, Worker>,
    id: ResponseId,
    request: &Request<'_>,
    tell: impl FnOnce(&Embedded),
) {
    let app = std::rc::Rc::clone(&cx.state().0);
    app.addon.set_response(id);
    let request: *const Request<'_> = request;
    app.guarded.lend(cx, || {
        app.events.renew_scope();
        // The lifetime is only erased: it is forgotten before the request ends.
        app.request.set(request.cast());
        tell(&app);
        app.request.set(ptr::null());
    });
    if app.is_halted() {
        // Nobody will answer any more, neither this request nor others.
        cx.close_all();
    }
}

/// Has an event about a WebSocket told.
#[inline]
pub(crate) fn tell_socket(
    cx: &mut Cx<'_, Worker>,
    id: SocketId,
    event: Event,
    number: i32,
    bytes: Option<&[u8]>,
) {
    let app = std::rc::Rc::clone(&cx.state().0);
    app.addon.set_bits(id.to_bits());
    app.addon.set_register(register::FIRST, number);
    app.guarded.lend(cx, || match bytes {
        Some(bytes) => app.events.fire_bytes(&app, event, bytes),
        None => {
            app.events.renew_scope();
            app.events.fire(&app, event, &[]);
        }
    });
}

/// Has it told that a connection was opened, or has ended.
pub(crate) fn tell_connection(cx: &mut Cx<'_, Worker>, id: ConnectionId, opened: bool) {
    let app = std::rc::Rc::clone(&cx.state().0);
    app.addon.set_bits(id.to_bits());
    app.addon.set_register(register::FIRST, i32::from(opened));
    app.guarded
        .lend(cx, || app.events.fire(&app, Event::Connection, &[]));
}

/// Has a message told.
#[inline]
pub(crate) fn tell_message(
    cx: &mut Cx<'_, Worker>,
    id: SocketId,
    event: Event,
    message: &Message<'_>,
) {
    let binary = i32::from(matches!(message, Message::Binary(_)));
    tell_socket(cx, id, event, binary, Some(message.bytes()));
}

/// Has it told that a subscription was made or has ended.
pub(crate) fn tell_subscription(cx: &mut Cx<'_, Worker>, id: SocketId, change: &Subscription<'_>) {
    let addon = &cx.state().0.addon;
    addon.set_register(register::SECOND, change.count as i32);
    addon.set_register(register::THIRD, change.count_before as i32);
    let topic = change.topic.as_bytes();
    tell_socket(cx, id, Event::Subscription, 0, Some(topic));
}

/// Has it told how a socket has ended.
pub(crate) fn tell_close(cx: &mut Cx<'_, Worker>, id: SocketId, closed: &Closed<'_>) {
    let (code, reason) = as_told(closed);
    tell_socket(
        cx,
        id,
        Event::Close,
        i32::from(code),
        Some(reason.as_bytes()),
    );
}

/// How uWebSockets says it: what ends without a Close frame of the peer's is abnormal.
fn as_told<'a>(closed: &Closed<'a>) -> (u16, &'a str) {
    let reason = match closed.cause {
        CloseCause::PeerLeft => "Received TCP FIN before WebSocket close frame",
        CloseCause::Protocol(error) => match error {
            WsError::MessageTooBig | WsError::MessageTooCostly => "Received too big message",
            WsError::Utf8 => "Received invalid UTF-8",
            WsError::CloseLength | WsError::CloseCode | WsError::CloseReason => {
                "Received invalid close payload"
            }
            _ => "Received invalid WebSocket frame",
        },
        CloseCause::IdleTimeout | CloseCause::WriteStall => "WebSocket timed out from inactivity",
        CloseCause::Dropped | CloseCause::Backpressure => "",
        _ => return (closed.code, closed.reason),
    };
    (1006, reason)
}
