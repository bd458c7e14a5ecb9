//! The program's callbacks. Each tells the plan that it runs, and then does what it is there for.

use std::ffi::c_void;
use std::ptr::null_mut;

use crate::abi::*;
use crate::numbers::*;
use crate::plan::{Callback, Site};
use crate::world::{Role, Token, World, parts};

/// What a callback was registered with.
///
/// # Safety
/// `user` is from `World::token`, and the world is alive.
unsafe fn world<'a>(user: *mut c_void) -> &'a World {
    // SAFETY: the caller's; tokens live as long as their world, which is never borrowed mutably.
    unsafe { &*(*user.cast::<Token>()).world }
}

/// Every destructor of the tests.
pub(crate) unsafe extern "C" fn destroy(user: *mut c_void) {
    // SAFETY: the library hands back what it was given.
    let token = unsafe { &*user.cast::<Token>() };
    token.destroyed.set(token.destroyed.get() + 1);
    if let Some(callback) = token.acts {
        // SAFETY: as above.
        let world = unsafe { world(user) };
        let mut site = Site::new(callback, world.raw.get());
        site.ws = Some(world.socket(Role::Subject));
        world.entered(&site);
    }
}

/// Enters a callback, and completes the answer that it owes, unless the plan has kept it.
fn enter_with_answer(world: &World, site: &Site) {
    world.entered(site);
    if world.plan.finishes(site) {
        end(site.raw, site.response.unwrap_or_default(), b"self");
    }
}

pub(crate) fn end(raw: *mut Loop, response: Response, body: &[u8]) -> Status {
    let (data, length) = parts(body);
    // SAFETY: the callers' loop is alive, and the body too.
    unsafe { keirin_response_end(raw, response, data, length) }
}

fn with_answer(
    callback: Callback,
    raw: *mut Loop,
    response: Response,
    request: Option<*const Request>,
) -> Site {
    let mut site = Site::new(callback, raw);
    site.response = Some(response);
    site.request = request;
    site
}

fn with_socket(callback: Callback, raw: *mut Loop, ws: Ws) -> Site {
    let mut site = Site::new(callback, raw);
    site.ws = Some(ws);
    site
}

macro_rules! route {
    ($name:ident, $world:ident, $raw:ident, $response:ident, $request:ident, $body:block) => {
        pub(crate) unsafe extern "C" fn $name(
            user: *mut c_void,
            $raw: *mut Loop,
            $response: Response,
            $request: *const Request,
        ) {
            // SAFETY: the library hands back what it was given.
            let $world = unsafe { world(user) };
            $world.saw($response);
            $body
        }
    };
}

route!(probe, _world, raw, response, _request, {
    end(raw, response, b"probe");
});

route!(earlier, _world, raw, response, _request, {
    end(raw, response, b"earlier");
});

route!(unanswered, _world, _raw, _response, _request, {});

route!(handler, world, raw, response, request, {
    world.responses.borrow_mut().insert(Role::Subject, response);
    watch(world, raw, response);
    enter_with_answer(
        world,
        &with_answer(Callback::Handler, raw, response, Some(request)),
    );
});

route!(hold, world, raw, response, request, {
    let role = role(request);
    world.responses.borrow_mut().insert(role, response);
    watch(world, raw, response);
    // SAFETY: the loop and the request are those of this callback.
    unsafe {
        assert_eq!(keirin_response_detach(raw, response), OK);
        let mut handshake = null_mut();
        if keirin_request_handshake(request, &raw mut handshake) == OK {
            world.handshakes.borrow_mut().push(handshake);
        }
        let mut copy = null_mut();
        assert_eq!(keirin_request_clone(request, &raw mut copy), OK);
        world.clones.borrow_mut().push(copy);
    }
});

route!(on_writable, world, raw, response, _request, {
    world.responses.borrow_mut().insert(Role::Subject, response);
    watch(world, raw, response);
    let (user, drop_user) = world.registration("writable");
    // SAFETY: the loop is that of this callback.
    let added =
        unsafe { keirin_response_on_writable(raw, response, Some(writable), user, drop_user) };
    assert_eq!(added, OK);
});

route!(collect, world, raw, response, _request, {
    world.responses.borrow_mut().insert(Role::Subject, response);
    watch(world, raw, response);
    let (user, drop_user) = world.registration("collect");
    // SAFETY: the loop is that of this callback.
    let added = unsafe {
        keirin_response_collect_body(raw, response, 100, Some(collected), user, drop_user)
    };
    assert_eq!(added, OK);
});

route!(stream, world, raw, response, _request, {
    world.responses.borrow_mut().insert(Role::Subject, response);
    watch(world, raw, response);
    let (user, drop_user) = world.registration("stream");
    // SAFETY: the loop is that of this callback.
    let added = unsafe { keirin_response_stream_body(raw, response, Some(piece), user, drop_user) };
    assert_eq!(added, OK);
});

route!(later, world, raw, response, _request, {
    world.responses.borrow_mut().insert(Role::Later, response);
    watch(world, raw, response);
    let (user, drop_user) = world.registration("later");
    // SAFETY: the loop is that of this callback.
    let added = unsafe { keirin_response_stream_body(raw, response, Some(tail), user, drop_user) };
    assert_eq!(added, OK);
});

route!(upgrade, world, raw, response, request, {
    let role = role(request);
    let mut ws = Ws::default();
    let acts = (role == Role::Subject).then_some(Callback::DropReplaced);
    let user = world.token_that("socket", acts);
    // SAFETY: the loop and the request are those of this callback; the handshake is used up.
    unsafe {
        let mut handshake = null_mut();
        assert_eq!(keirin_request_handshake(request, &raw mut handshake), OK);
        let kind = world.sockets.get();
        let done = keirin_response_upgrade(
            raw,
            response,
            kind,
            handshake,
            user,
            Some(destroy),
            &raw mut ws,
        );
        // A server that is stopping opens none, and has answered so.
        assert!(matches!(done, OK | ERR_ALREADY_ENDED), "{done}");
    }
    world.sockets_of.borrow_mut().insert(role, ws);
});

/// Counts how often an answer is aborted.
fn watch(world: &World, raw: *mut Loop, response: Response) {
    let (user, drop_user) = world.registration("aborted");
    // SAFETY: the loop is that of the callback.
    let added =
        unsafe { keirin_response_on_aborted(raw, response, Some(aborted), user, drop_user) };
    assert_eq!(added, OK);
}

fn role(request: *const Request) -> Role {
    // SAFETY: the request is that of the callback.
    let name = unsafe {
        let bytes = keirin_request_parameter(request, b"role".as_ptr(), 4);
        std::slice::from_raw_parts(bytes.data, bytes.length)
    };
    let is_it = |role: &Role| format!("{role:?}").as_bytes() == name;
    Role::ALL.into_iter().find(is_it).expect("a role")
}

pub(crate) unsafe extern "C" fn tail(
    _user: *mut c_void,
    raw: *mut Loop,
    response: Response,
    _data: *const u8,
    _length: usize,
    last: bool,
) {
    if last {
        end(raw, response, b"tail");
    }
}

pub(crate) unsafe extern "C" fn collected(
    user: *mut c_void,
    raw: *mut Loop,
    response: Response,
    _data: *const u8,
    _length: usize,
) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    enter_with_answer(
        world,
        &with_answer(Callback::Collected, raw, response, None),
    );
}

pub(crate) unsafe extern "C" fn piece(
    user: *mut c_void,
    raw: *mut Loop,
    response: Response,
    _data: *const u8,
    _length: usize,
    last: bool,
) {
    if last {
        // SAFETY: the library hands back what it was given.
        let world = unsafe { world(user) };
        enter_with_answer(world, &with_answer(Callback::Piece, raw, response, None));
    }
}

pub(crate) unsafe extern "C" fn writable(
    user: *mut c_void,
    raw: *mut Loop,
    response: Response,
    _written: u64,
) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    enter_with_answer(world, &with_answer(Callback::Writable, raw, response, None));
}

pub(crate) unsafe extern "C" fn aborted(user: *mut c_void, raw: *mut Loop, response: Response) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    let key = (response.conn, response.request);
    *world.aborted.borrow_mut().entry(key).or_default() += 1;
    world.entered(&with_answer(Callback::Aborted, raw, response, None));
}

/// An abort handler beside the one that counts.
pub(crate) unsafe extern "C" fn aborted_too(user: *mut c_void, raw: *mut Loop, response: Response) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    world.entered(&with_answer(Callback::Aborted, raw, response, None));
}

pub(crate) unsafe extern "C" fn ws_open(user: *mut c_void, raw: *mut Loop, ws: Ws) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    world.opened.borrow_mut().entry(ws).or_default().0 += 1;
    world.all_sockets.borrow_mut().push(ws);
    world.entered(&with_socket(Callback::Open, raw, ws));
}

pub(crate) unsafe extern "C" fn ws_message(
    user: *mut c_void,
    raw: *mut Loop,
    ws: Ws,
    _kind: u32,
    data: *const u8,
    length: usize,
) {
    // SAFETY: the library hands back what it was given, and the bytes are alive.
    let (world, text) = unsafe { (world(user), std::slice::from_raw_parts(data, length)) };
    match text {
        // SAFETY: the loop is that of this callback, and the bytes are alive.
        b"probe" => unsafe {
            keirin_ws_send(raw, ws, TEXT, data, length);
        },
        b"topics" => {
            let site = with_socket(Callback::Topic, raw, ws);
            let mut walk = Walk { world, site };
            // SAFETY: the loop is that of this callback, and the walk outlives the call.
            let walked = unsafe { keirin_ws_topics(raw, ws, Some(topic), (&raw mut walk).cast()) };
            assert_eq!(walked, OK);
        }
        b"replace" => {
            let (user, drop_user) = world.registration("socket, replaced");
            // SAFETY: the loop is that of this callback.
            let replaced = unsafe { keirin_ws_set_user(raw, ws, user, drop_user) };
            assert_eq!(replaced, OK);
        }
        _ => world.entered(&with_socket(Callback::Message, raw, ws)),
    }
}

struct Walk<'a> {
    world: &'a World,
    site: Site,
}

pub(crate) unsafe extern "C" fn topic(
    user: *mut c_void,
    _topic: *const u8,
    _length: usize,
    _is_pattern: bool,
) {
    // SAFETY: `ws_message` has given the walk, which is alive.
    let walk = unsafe { &*user.cast::<Walk<'_>>() };
    walk.world.entered(&walk.site);
}

/// What `keirin_ws_topics` is given as an operation: it is not told of the loop.
pub(crate) unsafe extern "C" fn topic_seen(
    user: *mut c_void,
    topic: *const u8,
    length: usize,
    _is_pattern: bool,
) {
    // SAFETY: `ws_topics` of the operations has given a number, and the bytes are alive.
    unsafe {
        assert!(!std::slice::from_raw_parts(topic, length).is_empty());
        *user.cast::<u32>() += 1;
    }
}

pub(crate) unsafe extern "C" fn ws_ping(
    user: *mut c_void,
    raw: *mut Loop,
    ws: Ws,
    _data: *const u8,
    _length: usize,
) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    world.entered(&with_socket(Callback::Ping, raw, ws));
}

pub(crate) unsafe extern "C" fn ws_pong(
    user: *mut c_void,
    raw: *mut Loop,
    ws: Ws,
    _data: *const u8,
    _length: usize,
) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    world.entered(&with_socket(Callback::Pong, raw, ws));
}

pub(crate) unsafe extern "C" fn ws_drain(user: *mut c_void, raw: *mut Loop, ws: Ws) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    world.entered(&with_socket(Callback::Drain, raw, ws));
}

pub(crate) unsafe extern "C" fn ws_dropped(
    user: *mut c_void,
    raw: *mut Loop,
    ws: Ws,
    _kind: u32,
    _data: *const u8,
    _length: usize,
) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    world.entered(&with_socket(Callback::Dropped, raw, ws));
}

pub(crate) unsafe extern "C" fn ws_subscription(
    user: *mut c_void,
    raw: *mut Loop,
    ws: Ws,
    _change: *const Subscription,
) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    world.entered(&with_socket(Callback::Subscription, raw, ws));
}

pub(crate) unsafe extern "C" fn ws_close(
    user: *mut c_void,
    raw: *mut Loop,
    ws: Ws,
    _cause: u32,
    _code: u16,
    _reason: *const u8,
    _length: usize,
) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    world.opened.borrow_mut().entry(ws).or_default().1 += 1;
    world.entered(&with_socket(Callback::Close, raw, ws));
}

macro_rules! task {
    ($name:ident, $callback:ident) => {
        pub(crate) unsafe extern "C" fn $name(user: *mut c_void, raw: *mut Loop) {
            // SAFETY: the library hands back what it was given.
            let world = unsafe { world(user) };
            world.entered(&Site::new(Callback::$callback, raw));
        }
    };
}

task!(timer, Timer);
task!(deferred, Deferred);
task!(remote, Remote);
task!(started, Start);

/// What is deferred to nobody, or cancelled.
pub(crate) unsafe extern "C" fn task(_user: *mut c_void, _raw: *mut Loop) {}

/// Replaces what is kept for the loop.
pub(crate) unsafe extern "C" fn replace_loop_user(user: *mut c_void, raw: *mut Loop) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    let (user, drop_user) = world.registration("loop, replaced");
    // SAFETY: the loop is that of this callback.
    assert_eq!(unsafe { keirin_loop_set_user(raw, user, drop_user) }, OK);
}

/// Registers something that is refused.
pub(crate) unsafe extern "C" fn be_refused(user: *mut c_void, raw: *mut Loop) {
    // SAFETY: the library hands back what it was given.
    let world = unsafe { world(user) };
    let user = world.token_that("refused", Some(Callback::DropRefused));
    let nothing = Response::default();
    // SAFETY: the loop is that of this callback.
    let refused =
        unsafe { keirin_response_on_aborted(raw, nothing, Some(aborted_too), user, Some(destroy)) };
    assert_eq!(refused, ERR_STALE);
}

pub(crate) unsafe extern "C" fn log(
    user: *mut c_void,
    _level: u32,
    message: *const u8,
    length: usize,
    _peer: *const Address,
) {
    // SAFETY: the library hands back what it was given, and the text is alive.
    let (world, text) = unsafe { (world(user), std::slice::from_raw_parts(message, length)) };
    assert!(str::from_utf8(text).is_ok_and(|text| !text.is_empty()));
    world.entered(&Site::new(Callback::Log, world.raw.get()));
}
