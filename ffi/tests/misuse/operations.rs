//! Every function that takes a loop, as an operation on an id. Arguments are valid unless a call
//! is to vary them.

use std::cell::Cell;
use std::ffi::{CString, c_void};
use std::ptr::{null, null_mut};

use crate::abi::*;
use crate::callbacks;
use crate::numbers::*;
use crate::world::World;

/// What an operation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Answer,
    Socket,
    Timer,
    /// The loop alone.
    Loop,
}

#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Whether the answer is completed later, by itself or by somebody else.
    pub(crate) keeps: bool,
    pub(crate) run: fn(&Call<'_>) -> i64,
}

/// An operation that is about to be performed.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) raw: *mut Loop,
    pub(crate) response: Response,
    pub(crate) ws: Ws,
    pub(crate) timer: Timer,
    pub(crate) request: *const Request,
    /// Where the choice of arguments comes from; 0 is valid ones.
    pub(crate) vary: Cell<u64>,
}

impl Call<'_> {
    /// One of several arguments: the first, unless they vary.
    fn choose<T: Copy>(&self, options: &[T]) -> T {
        let vary = self.vary.get();
        if vary == 0 {
            return options[0];
        }
        self.vary.set(vary.wrapping_mul(6364136223846793005) | 1);
        // Most arguments are valid, so that most calls get far.
        let pick = (vary >> 33) as usize;
        if pick.is_multiple_of(4) {
            options[(pick / 4) % options.len()]
        } else {
            options[0]
        }
    }

    fn out<T>(&self, value: &mut T) -> *mut T {
        self.choose(&[&raw mut *value, null_mut()])
    }

    fn data(&self, valid: &'static [u8]) -> (*const u8, usize) {
        self.choose(&[
            (valid.as_ptr(), valid.len()),
            (null(), 0),
            (null(), usize::MAX),
            (b"\xff\xfe".as_ptr(), 2),
            (b"a\r\nInjected: b".as_ptr(), 14),
            (LONG.as_ptr(), LONG.len()),
            (LONG.as_ptr(), 126),
        ])
    }

    fn kind(&self) -> u32 {
        self.choose(&[TEXT, BINARY, BINARY | UNCOMPRESSED, 0, 7, u32::MAX])
    }

    fn user(&self, what: &'static str) -> (*mut c_void, DropFn) {
        self.world.registration(what)
    }

    fn remote(&self) -> *const Remote {
        self.choose(&[self.world.remote.get().cast_const(), null()])
    }

    fn request(&self) -> *const Request {
        self.choose(&[self.request, null()])
    }

    fn handshake(&self) -> *mut Handshake {
        let handshakes = self.world.handshakes.borrow();
        self.choose(&[handshakes.last().copied().unwrap_or(null_mut()), null_mut()])
    }
}

static LONG: [u8; 70_000] = [b'x'; 70_000];

macro_rules! operations {
    (
        $(#[$document:meta])* $table:ident:
        $($name:ident $family:ident $keeps:literal |$call:ident| $body:expr;)*
    ) => {
        $(#[$document])*
        pub(crate) const $table: &[Operation] = &[$(Operation {
            name: stringify!($name),
            family: Family::$family,
            keeps: $keeps,
            run: |$call| {
                // SAFETY: the loop is alive, or NULL, and every argument is alive, or what the
                // header allows or refuses.
                unsafe { i64::from($body) }
            },
        }),*];
    };
}

operations! {
    /// Every function that takes a loop.
    OPERATIONS:
    keirin_response_status Answer false |call| {
        keirin_response_status(call.raw, call.response, call.choose(&[201, 199, 600, 0, 65_535]))
    };
    keirin_response_header Answer false |call| {
        let (name, name_length) = call.data(b"X-Op");
        let (value, value_length) = call.data(b"op");
        keirin_response_header(call.raw, call.response, name, name_length, value, value_length)
    };
    keirin_response_write Answer false |call| {
        let (data, length) = call.data(b"part-");
        keirin_response_write(call.raw, call.response, data, length)
    };
    keirin_response_end Answer false |call| {
        let (data, length) = call.data(b"op");
        keirin_response_end(call.raw, call.response, data, length)
    };
    keirin_response_end_without_body Answer false |call| {
        keirin_response_end_without_body(call.raw, call.response)
    };
    keirin_response_try_end Answer false |call| {
        let (data, length) = call.data(b"op");
        let total = call.choose(&[2, 0, 1, 3, u64::MAX]);
        keirin_response_try_end(call.raw, call.response, data, length, total)
    };
    keirin_response_written Answer false |call| {
        let mut written = 0;
        keirin_response_written(call.raw, call.response, call.out(&mut written))
    };
    keirin_response_queued Answer false |call| {
        let mut queued = 0;
        keirin_response_queued(call.raw, call.response, call.out(&mut queued))
    };
    keirin_response_detach Answer true |call| {
        keirin_response_detach(call.raw, call.response)
    };
    keirin_response_on_aborted Answer false |call| {
        let (user, drop_user) = call.user("op: aborted");
        let aborted: AbortedFn = call.choose(&[Some(callbacks::aborted_too as _), None]);
        keirin_response_on_aborted(call.raw, call.response, aborted, user, drop_user)
    };
    keirin_response_on_writable Answer true |call| {
        let (user, drop_user) = call.user("op: writable");
        let writable: WritableFn = call.choose(&[Some(callbacks::writable as _), None]);
        keirin_response_on_writable(call.raw, call.response, writable, user, drop_user)
    };
    keirin_response_write_continue Answer false |call| {
        keirin_response_write_continue(call.raw, call.response)
    };
    keirin_response_close Answer false |call| {
        keirin_response_close(call.raw, call.response)
    };
    keirin_response_fail Answer false |call| {
        keirin_response_fail(call.raw, call.response)
    };
    keirin_response_next Answer true |call| {
        keirin_response_next(call.raw, call.response)
    };
    keirin_response_refuse_upgrade Answer false |call| {
        let request = call.choose(&[call.request, null()]);
        keirin_response_refuse_upgrade(call.raw, call.response, request)
    };
    keirin_response_collect_body Answer true |call| {
        let (user, drop_user) = call.user("op: collect");
        let collected: BodyFn = call.choose(&[Some(callbacks::collected as _), None]);
        let max = call.choose(&[100, 0, 3, usize::MAX]);
        keirin_response_collect_body(call.raw, call.response, max, collected, user, drop_user)
    };
    keirin_response_stream_body Answer true |call| {
        let (user, drop_user) = call.user("op: stream");
        let each: PieceFn = call.choose(&[Some(callbacks::piece as _), None]);
        keirin_response_stream_body(call.raw, call.response, each, user, drop_user)
    };
    keirin_response_pause Answer false |call| {
        keirin_response_pause(call.raw, call.response)
    };
    keirin_response_resume Answer false |call| {
        keirin_response_resume(call.raw, call.response)
    };
    keirin_response_upgrade Answer true |call| {
        // It is used up, whatever the outcome.
        let handshake = call.world.handshakes.borrow_mut().pop().unwrap_or(null_mut());
        let (user, drop_user) = call.user("op: socket");
        let unknown = Sockets { index: 9 };
        let kind = call.choose(&[call.world.sockets.get(), unknown]);
        let mut ws = Ws::default();
        let out = call.out(&mut ws);
        keirin_response_upgrade(
            call.raw, call.response, kind, handshake, user, drop_user, out
        )
    };
    keirin_ws_send Socket false |call| {
        let (data, length) = call.data(b"op");
        keirin_ws_send(call.raw, call.ws, call.kind(), data, length)
    };
    keirin_ws_send_fragment Socket false |call| {
        let (data, length) = call.data(b"op");
        let last = call.choose(&[false, true]);
        keirin_ws_send_fragment(call.raw, call.ws, call.kind(), data, length, last)
    };
    keirin_ws_send_message Socket false |call| {
        let mut message = null_mut();
        keirin_message_new(BINARY, b"op".as_ptr(), 2, &raw mut message);
        let sent = keirin_ws_send_message(call.raw, call.ws, call.choose(&[message, null_mut()]));
        keirin_message_free(message);
        sent
    };
    keirin_ws_ping Socket false |call| {
        let (data, length) = call.data(b"op");
        keirin_ws_ping(call.raw, call.ws, data, length)
    };
    keirin_ws_end Socket false |call| {
        let (reason, length) = call.data(b"op");
        let code = call.choose(&[1000, 4999, 999, 1005, 0, 65_535]);
        keirin_ws_end(call.raw, call.ws, code, reason, length)
    };
    keirin_ws_close Socket false |call| {
        keirin_ws_close(call.raw, call.ws)
    };
    keirin_ws_pause Socket false |call| {
        keirin_ws_pause(call.raw, call.ws)
    };
    keirin_ws_resume Socket false |call| {
        keirin_ws_resume(call.raw, call.ws)
    };
    keirin_ws_set_idle_timeout Socket false |call| {
        keirin_ws_set_idle_timeout(call.raw, call.ws, call.choose(&[60_000, 0, u32::MAX]))
    };
    keirin_ws_set_ping_interval Socket false |call| {
        keirin_ws_set_ping_interval(call.raw, call.ws, call.choose(&[60_000, 0, u32::MAX]))
    };
    keirin_ws_set_lifetime Socket false |call| {
        keirin_ws_set_lifetime(call.raw, call.ws, call.choose(&[60_000, 0, u32::MAX]))
    };
    keirin_ws_queued Socket false |call| {
        let mut queued = 0;
        keirin_ws_queued(call.raw, call.ws, call.out(&mut queued))
    };
    keirin_ws_peer Socket false |call| {
        let mut address = Address::default();
        keirin_ws_peer(call.raw, call.ws, call.out(&mut address))
    };
    keirin_ws_user Socket false |call| {
        !keirin_ws_user(call.raw, call.ws).is_null()
    };
    keirin_ws_set_user Socket false |call| {
        let (user, drop_user) = call.user("op: socket's");
        keirin_ws_set_user(call.raw, call.ws, user, drop_user)
    };
    keirin_ws_publish Socket false |call| {
        let (topic, topic_length) = call.data(b"news");
        let (data, length) = call.data(b"op");
        let kind = call.kind();
        let mut published = Published::default();
        let out = call.out(&mut published);
        keirin_ws_publish(call.raw, call.ws, topic, topic_length, kind, data, length, out)
    };
    keirin_ws_subscribe Socket false |call| {
        let (topic, length) = call.data(b"op");
        keirin_ws_subscribe(call.raw, call.ws, topic, length)
    };
    keirin_ws_subscribe_pattern Socket false |call| {
        let (pattern, length) = call.data(b"op/#");
        keirin_ws_subscribe_pattern(call.raw, call.ws, pattern, length)
    };
    keirin_ws_unsubscribe Socket false |call| {
        let (topic, length) = call.data(b"news");
        keirin_ws_unsubscribe(call.raw, call.ws, topic, length)
    };
    keirin_ws_unsubscribe_pattern Socket false |call| {
        let (pattern, length) = call.data(b"news/#");
        keirin_ws_unsubscribe_pattern(call.raw, call.ws, pattern, length)
    };
    keirin_ws_is_subscribed Socket false |call| {
        let (topic, length) = call.data(b"news");
        let mut subscribed = false;
        let out = call.out(&mut subscribed);
        keirin_ws_is_subscribed(call.raw, call.ws, topic, length, out)
    };
    keirin_ws_topics Socket false |call| {
        let mut count = 0_u32;
        let each: TopicFn = call.choose(&[Some(callbacks::topic_seen as _), None]);
        keirin_ws_topics(call.raw, call.ws, each, (&raw mut count).cast())
    };
    keirin_loop_publish Loop false |call| {
        let (topic, topic_length) = call.data(b"news");
        let (data, length) = call.data(b"op");
        let kind = call.kind();
        let mut published = Published::default();
        let out = call.out(&mut published);
        keirin_loop_publish(call.raw, topic, topic_length, kind, data, length, out)
    };
    keirin_loop_subscribers Loop false |call| {
        let (topic, length) = call.data(b"news");
        let mut count = 0;
        keirin_loop_subscribers(call.raw, topic, length, call.out(&mut count))
    };
    keirin_loop_count Loop false |call| {
        let mut count = 0;
        let counter = call.choose(&[COUNT_REQUESTS, 0, u32::MAX]);
        keirin_loop_count(call.raw, counter, call.out(&mut count))
    };
    keirin_loop_defer Loop false |call| {
        let (user, drop_user) = call.user("op: deferred");
        let deferred: TaskFn = call.choose(&[Some(callbacks::deferred as _), None]);
        keirin_loop_defer(call.raw, deferred, user, drop_user)
    };
    keirin_loop_after Loop false |call| {
        let (user, drop_user) = call.user("op: timer");
        let expired: TaskFn = call.choose(&[Some(callbacks::timer as _), None]);
        let delay = call.choose(&[0, 1, u64::MAX]);
        let mut timer = Timer::default();
        let out = call.out(&mut timer);
        let armed = keirin_loop_after(call.raw, delay, expired, user, drop_user, out);
        call.world.timers.borrow_mut().push(timer);
        armed
    };
    keirin_loop_cancel Timer false |call| {
        keirin_loop_cancel(call.raw, call.timer)
    };
    keirin_loop_remote Loop false |call| {
        let mut remote = null_mut();
        let made = keirin_loop_remote(call.raw, call.out(&mut remote));
        keirin_remote_free(remote);
        made
    };
    keirin_loop_listen Loop false |call| {
        let address = CString::new("127.0.0.1:0").unwrap_or_default();
        let mut port = 0;
        let text = call.choose(&[address.as_ptr(), null(), c"nowhere".as_ptr()]);
        keirin_loop_listen(call.raw, text, call.out(&mut port))
    };
    keirin_loop_fd Loop false |call| keirin_loop_fd(call.raw);
    keirin_loop_next_timeout_ms Loop false |call| keirin_loop_next_timeout_ms(call.raw);
    keirin_loop_is_stopped Loop false |call| keirin_loop_is_stopped(call.raw);
    keirin_loop_worker Loop false |call| keirin_loop_worker(call.raw);
    keirin_loop_user Loop false |call| !keirin_loop_user(call.raw).is_null();
    keirin_loop_set_user Loop false |call| {
        let (user, drop_user) = call.user("op: loop's");
        keirin_loop_set_user(call.raw, user, drop_user)
    };
    keirin_loop_stop Loop false |call| {
        keirin_loop_stop(call.raw, call.choose(&[0, 1, u64::MAX]))
    };
    keirin_loop_turn Loop false |call| {
        keirin_loop_turn(call.raw, 0)
    };
    keirin_loop_run Loop false |call| {
        // It would run for ever where it may run.
        keirin_loop_stop(call.raw, 0);
        keirin_loop_run(call.raw)
    };
    keirin_loop_free Loop false |call| {
        keirin_loop_free(call.raw)
    };
}

operations! {
    /// What may be called besides, from anywhere: ways in, requests, handshakes.
    OTHERS:
    keirin_remote_defer Loop false |call| {
        let (user, drop_user) = call.user("op: remote");
        let task: TaskFn = call.choose(&[Some(callbacks::remote as _), None]);
        let worker = call.choose(&[0, 1, u32::MAX]);
        keirin_remote_defer(call.remote(), worker, task, user, drop_user)
    };
    keirin_remote_publish Loop false |call| {
        let (topic, topic_length) = call.data(b"news");
        let (data, length) = call.data(b"op");
        let (remote, kind) = (call.remote(), call.kind());
        let mut published = Published::default();
        let out = call.out(&mut published);
        keirin_remote_publish(remote, topic, topic_length, kind, data, length, out)
    };
    keirin_remote_ws_send Socket false |call| {
        let (data, length) = call.data(b"op");
        keirin_remote_ws_send(call.remote(), call.ws, call.kind(), data, length)
    };
    keirin_remote_ws_end Socket false |call| {
        let (reason, length) = call.data(b"op");
        let code = call.choose(&[1000, 4999, 999, 1005, 0, 65_535]);
        keirin_remote_ws_end(call.remote(), call.ws, code, reason, length)
    };
    keirin_remote_ws_close Socket false |call| {
        keirin_remote_ws_close(call.remote(), call.ws)
    };
    keirin_remote_response_end Answer false |call| {
        let (data, length) = call.data(b"op");
        keirin_remote_response_end(call.remote(), call.response, data, length)
    };
    keirin_remote_clone Loop false |call| {
        let mut copy = null_mut();
        let made = keirin_remote_clone(call.remote(), call.out(&mut copy));
        keirin_remote_free(copy);
        made
    };
    keirin_response_worker Answer false |call| keirin_response_worker(call.response);
    keirin_ws_worker Socket false |call| keirin_ws_worker(call.ws);
    keirin_request_method Loop false |call| told(keirin_request_method(call.request()));
    keirin_request_target Loop false |call| told(keirin_request_target(call.request()));
    keirin_request_path Loop false |call| told(keirin_request_path(call.request()));
    keirin_request_query Loop false |call| told(keirin_request_query(call.request()));
    keirin_request_header Loop false |call| {
        let (name, length) = call.data(b"host");
        told(keirin_request_header(call.request(), name, length))
    };
    keirin_request_parameter Loop false |call| {
        let (name, length) = call.data(b"role");
        told(keirin_request_parameter(call.request(), name, length))
    };
    keirin_request_header_at Loop false |call| {
        let index = call.choose(&[0, 1, 99, usize::MAX]);
        let mut name = Bytes::ABSENT;
        let mut value = Bytes::ABSENT;
        let (request, out) = (call.request(), call.out(&mut name));
        let read = keirin_request_header_at(request, index, out, call.out(&mut value));
        told(name);
        told(value);
        read
    };
    keirin_request_query_parameter Loop false |call| {
        let (name, length) = call.data(b"q");
        let mut buffer = [0; 4];
        let (buffer, capacity) = call.choose(&[(buffer.as_mut_ptr(), 4), (null_mut(), 0)]);
        let mut value_length = 0;
        let (request, out) = (call.request(), call.out(&mut value_length));
        keirin_request_query_parameter(request, name, length, buffer, capacity, out)
    };
    keirin_request_version_minor Loop false |call| {
        keirin_request_version_minor(call.request())
    };
    keirin_request_peer Loop false |call| {
        let mut address = Address::default();
        keirin_request_peer(call.request(), call.out(&mut address))
    };
    keirin_handshake_protocol_at Loop false |call| {
        let index = call.choose(&[0, 1, usize::MAX]);
        told(keirin_handshake_protocol_at(call.handshake(), index))
    };
    keirin_handshake_choose Loop false |call| {
        let (protocol, length) = call.data(b"chat");
        keirin_handshake_choose(call.handshake(), protocol, length)
    };
    keirin_handshake_origin Loop false |call| {
        told(keirin_handshake_origin(call.handshake()))
    };
    keirin_handshake_check_origin Loop false |call| {
        let origins = [c"https://a".as_ptr(), null()];
        let (origins, count) = call.choose(&[
            (origins.as_ptr(), 1), (origins.as_ptr(), 2), (null(), 0), (null(), 1)
        ]);
        keirin_handshake_check_origin(call.handshake(), origins, count)
    };
}

/// Reads all of some bytes; whether there are any.
fn told(bytes: Bytes) -> bool {
    // SAFETY: the library has said that they are there.
    let slice = (!bytes.data.is_null())
        .then(|| unsafe { std::slice::from_raw_parts(bytes.data, bytes.length) });
    slice.is_some_and(|slice| slice.iter().any(|&byte| byte != 0))
}
