//! Routes and kinds of WebSocket, from which loops are made.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use keirin::{App, Level, OriginPolicy, Record, Request, ResponseId};

use crate::arguments::{c_text, free, give, output, reference, reference_mut, set_optional};
use crate::behaviour::{Definition, SocketData, keirin_behaviour_t};
use crate::handle::{Context, Worker, call, keirin_loop_t};
use crate::request::{keirin_address_t, keirin_request_t};
use crate::response::{keirin_response_t, refuse_upgrade};
use crate::status::{
    KEIRIN_ERR_NULL, KEIRIN_ERR_ROUTE, Outcome, Refused, keirin_status_t, refuse, run, value,
};
use crate::task::keirin_task_fn;
use crate::user::{User, UserCell, keirin_drop_fn};
use crate::websocket::keirin_sockets_t;

/// Answers a request. The request is gone when it returns; the answer is named `response`. A
/// handler that returns with the answer neither completed nor kept for later is answered 500,
/// counted and logged.
pub type keirin_request_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        loop_: *mut keirin_loop_t,
        response: keirin_response_t,
        request: *const keirin_request_t,
    ),
>;

/// How much a log record matters.
pub type keirin_level_t = u32;

/// A request was answered, or the like: see KEIRIN_ACCESS_LOG.
pub const KEIRIN_ACCESS: keirin_level_t = 0;
/// A peer did something wrong; the server is well.
pub const KEIRIN_INFO: keirin_level_t = 1;
/// Something that its operator should look at: a limit was hit, a handler is at fault.
pub const KEIRIN_WARN: keirin_level_t = 2;
/// Something does not work.
pub const KEIRIN_ERROR: keirin_level_t = 3;

/// Is given a log record: a sentence, not ended by a NUL, and the peer it is about, or NULL. All
/// are gone when it returns. It is called on the loop's thread between callbacks; calls to this
/// library from within it for the loop are KEIRIN_ERR_REENTRANT.
pub type keirin_log_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        level: keirin_level_t,
        message: *const u8,
        length: usize,
        peer: *const keirin_address_t,
    ),
>;

/// Routes, kinds of WebSocket, and hooks. Loops and servers are made of it; each keeps what it
/// needs, so that the app can be freed then. It may be used on one thread at a time.
pub struct keirin_app_t {
    pub(crate) definition: Blueprint,
}

/// What an app says, for as many loops as are made of it.
#[derive(Clone, Default)]
pub(crate) struct Blueprint {
    /// In the order in which they were added.
    routes: Vec<Route>,
    behaviours: Vec<Definition>,
    on_start: Vec<(keirin_task_fn, Arc<User>)>,
    on_log: Option<(LogFn, Arc<User>)>,
}

type RequestFn = unsafe extern "C" fn(
    *mut c_void,
    *mut keirin_loop_t,
    keirin_response_t,
    *const keirin_request_t,
);
type LogFn =
    unsafe extern "C" fn(*mut c_void, keirin_level_t, *const u8, usize, *const keirin_address_t);

#[derive(Clone)]
struct Route {
    method: Option<Arc<str>>,
    pattern: Arc<str>,
    target: Target,
}

#[derive(Clone)]
enum Target {
    Handler(RequestFn, Arc<User>),
    /// The kind of WebSocket of this index.
    Sockets(u16),
}

/// An app without routes. It is freed with keirin_app_free().
#[unsafe(no_mangle)]
pub extern "C" fn keirin_app_new() -> *mut keirin_app_t {
    value(std::ptr::null_mut(), || {
        give(keirin_app_t {
            definition: Blueprint::default(),
        })
    })
}

/// Frees an app; what was made of it is not concerned. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_app_free(app: *mut keirin_app_t) {
    // SAFETY: as the header asks.
    value((), || unsafe { free(app) });
}

/// Adds a route for a method ("GET"), or for every method if that is NULL. GET routes answer HEAD
/// too.
///
/// Patterns are made of segments: text, ":name" for any segment that is not empty, "*" at the end
/// for everything from there on. Per segment text is tried before ":name" before "*", whatever the
/// order of the routes. A method's own routes are tried before those for every method; the same
/// method and pattern again replaces the route.
///
/// With several workers the handler is called on several threads: `user` has to allow that.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_ROUTE for a malformed method or pattern.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_app_route(
    app: *mut keirin_app_t,
    method: *const c_char,
    pattern: *const c_char,
    handler: keirin_request_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = Arc::new(User::new(user, drop_user));
    run(|| {
        let handler = handler.ok_or(Refused(KEIRIN_ERR_NULL))?;
        // SAFETY: as the header asks.
        let (app, pattern) = unsafe { (reference_mut(app)?, c_text(pattern)?) };
        let method = if method.is_null() {
            None
        } else {
            // SAFETY: as the header asks.
            Some(unsafe { c_text(method) }?)
        };
        app.definition
            .add(method, pattern, Target::Handler(handler, user))
    })
}

/// Adds a kind of WebSocket, to which the handler of any route can upgrade its request with
/// keirin_response_upgrade(): it is named in `*sockets`.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_CONFIG for options out of range, KEIRIN_ERR_ROUTE for more
/// than 65536 kinds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_app_behaviour(
    app: *mut keirin_app_t,
    behaviour: *const keirin_behaviour_t,
    sockets: *mut keirin_sockets_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (app, behaviour, out) =
            unsafe { (reference_mut(app)?, reference(behaviour)?, output(sockets)?) };
        let index = app.definition.add_behaviour(behaviour)?;
        out.set(keirin_sockets_t { index });
        Ok(())
    })
}

/// Adds a kind of WebSocket, and a route for GET that upgrades every valid handshake from the same
/// host to it and refuses others: 403 for another origin, else 400 or 426. `*sockets`, which may be
/// NULL, names the kind. What is kept for such a socket is NULL until keirin_ws_set_user().
///
/// Errors: as keirin_app_route() and keirin_app_behaviour().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_app_websocket(
    app: *mut keirin_app_t,
    pattern: *const c_char,
    behaviour: *const keirin_behaviour_t,
    sockets: *mut keirin_sockets_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (app, pattern, behaviour) =
            unsafe { (reference_mut(app)?, c_text(pattern)?, reference(behaviour)?) };
        App::<Worker>::check_route(Some("GET"), pattern)?;
        let index = app.definition.add_behaviour(behaviour)?;
        app.definition
            .add(Some("GET"), pattern, Target::Sockets(index))?;
        // SAFETY: as the header asks.
        unsafe { set_optional(sockets, keirin_sockets_t { index }) };
        Ok(())
    })
}

/// Has every loop that is made of the app call `start` on its thread, before it accepts
/// connections: to arm timers, or to keep something for the loop with keirin_loop_set_user(). Any
/// number may be added.
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_app_on_start(
    app: *mut keirin_app_t,
    start: keirin_task_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = Arc::new(User::new(user, drop_user));
    run(|| {
        // SAFETY: as the header asks.
        let app = unsafe { reference_mut(app) }?;
        if start.is_none() {
            return Err(Refused(KEIRIN_ERR_NULL));
        }
        app.definition.on_start.push((start, user));
        Ok(())
    })
}

/// Has log records go to `log`. Without it, warnings and errors go to standard error.
///
/// With several workers it is called on several threads.
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_app_on_log(
    app: *mut keirin_app_t,
    log: keirin_log_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = Arc::new(User::new(user, drop_user));
    run(|| {
        let log = log.ok_or(Refused(KEIRIN_ERR_NULL))?;
        // SAFETY: as the header asks.
        let before = unsafe { reference_mut(app)?.definition.on_log.replace((log, user)) };
        // Only now, when nothing is borrowed: its destructor may come back here.
        drop(before);
        Ok(())
    })
}

impl Blueprint {
    fn add(&mut self, method: Option<&str>, pattern: &str, target: Target) -> Outcome {
        App::<Worker>::check_route(method, pattern)?;
        self.routes.push(Route {
            method: method.map(Arc::from),
            pattern: pattern.into(),
            target,
        });
        Ok(())
    }

    fn add_behaviour(&mut self, behaviour: &keirin_behaviour_t) -> Outcome<u16> {
        let index = u16::try_from(self.behaviours.len())
            .map_err(|_| refuse(KEIRIN_ERR_ROUTE, "more than 65536 kinds of WebSocket"))?;
        self.behaviours.push(behaviour.definition()?);
        Ok(index)
    }

    /// Registers everything with the app of one worker.
    pub(crate) fn set_up(&self, app: &mut App<Worker>) {
        for behaviour in &self.behaviours {
            app.behaviour(behaviour.behaviour());
        }
        for route in &self.routes {
            let method = route.method.as_deref();
            match route.target.clone() {
                Target::Handler(handler, user) => {
                    app.route_by_id(method, &route.pattern, move |cx, id, request| {
                        keirin_request_t::lend(request, |request| {
                            // SAFETY: the program has given the two for this, and the request is
                            // valid until the handler returns.
                            call(cx, |handle| unsafe {
                                handler(user.pointer(), handle, id.into(), request);
                            });
                        });
                    })
                }
                Target::Sockets(index) => {
                    app.route_by_id(method, &route.pattern, move |cx, id, request| {
                        upgrade_all(cx, id, request, index);
                    })
                }
            };
        }
    }

    /// Runs the hooks for a loop that begins.
    pub(crate) fn start(&self, cx: &mut Context<'_>) {
        for (start, user) in &self.on_start {
            if let Some(start) = start {
                // SAFETY: the program has given the two for this.
                call(cx, |handle| unsafe { start(user.pointer(), handle) });
            }
        }
    }

    /// Where log records go, if not to standard error.
    pub(crate) fn sink(&self) -> Option<impl Fn(&Record) + Send + Sync + 'static> {
        let (log, user) = self.on_log.clone()?;
        Some(move |record: &Record| {
            let level = match record.level {
                _ if record.is_access => KEIRIN_ACCESS,
                Level::Info => KEIRIN_INFO,
                Level::Warn => KEIRIN_WARN,
                Level::Error => KEIRIN_ERROR,
            };
            let peer = record.peer.map(|peer| keirin_address_t::from(Some(peer)));
            let peer = peer.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            let message = record.message.as_bytes();
            // SAFETY: the program has given the two for this, and the pointers are valid until it
            // returns.
            unsafe { log(user.pointer(), level, message.as_ptr(), message.len(), peer) };
        })
    }
}

/// Upgrades every valid handshake from the same host.
fn upgrade_all(cx: &mut Context<'_>, id: ResponseId, request: &Request<'_>, index: u16) {
    let outcome = match request.handshake() {
        Ok(handshake) if handshake.is_allowed(&OriginPolicy::SameHost) => {
            let Some(sockets) = cx.by_id().sockets::<SocketData>(index) else {
                return; // Without an answer, which is seen to.
            };
            let data = SocketData(UserCell::default());
            let upgraded = cx.by_id().upgrade(id, sockets, handshake, data);
            upgraded.map(|_| ()).map_err(Refused::from)
        }
        Ok(_) => refuse_upgrade(cx, id, None),
        Err(error) => refuse_upgrade(cx, id, Some(error)),
    };
    // What was refused has been answered by the engine, and counted.
    let _ = outcome;
}
