//! What `include/keirin.h` declares, for the functions that are called here.

use std::ffi::{c_char, c_int, c_void};

pub(crate) type Status = i32;

#[repr(C)]
pub(crate) struct App {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct Behaviour {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct Config {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct Handshake {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct Loop {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct Message {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct Remote {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct Request {
    _private: [u8; 0],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Response {
    pub(crate) conn: u64,
    pub(crate) request: u32,
    pub(crate) reserved: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(crate) struct Ws {
    pub(crate) id: u64,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Timer {
    pub(crate) id: u64,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Sockets {
    pub(crate) index: u16,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Bytes {
    pub(crate) data: *const u8,
    pub(crate) length: usize,
}

impl Bytes {
    pub(crate) const ABSENT: Self = Self {
        data: std::ptr::null(),
        length: 0,
    };
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Address {
    pub(crate) bytes: [u8; 16],
    pub(crate) length: u8,
    pub(crate) port: u16,
}

#[repr(C)]
pub(crate) struct Subscription {
    pub(crate) topic: Bytes,
    pub(crate) is_pattern: bool,
    pub(crate) count: usize,
    pub(crate) count_before: usize,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Published {
    pub(crate) matched: usize,
    pub(crate) dropped: usize,
}

pub(crate) type RequestFn =
    Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Response, *const Request)>;
pub(crate) type DropFn = Option<unsafe extern "C" fn(*mut c_void)>;
pub(crate) type TaskFn = Option<unsafe extern "C" fn(*mut c_void, *mut Loop)>;
pub(crate) type LogFn =
    Option<unsafe extern "C" fn(*mut c_void, u32, *const u8, usize, *const Address)>;
pub(crate) type WsFn = Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Ws)>;
pub(crate) type MessageFn =
    Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Ws, u32, *const u8, usize)>;
pub(crate) type ControlFn =
    Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Ws, *const u8, usize)>;
pub(crate) type SubscriptionFn =
    Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Ws, *const Subscription)>;
pub(crate) type CloseFn =
    Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Ws, u32, u16, *const u8, usize)>;
pub(crate) type BodyFn =
    Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Response, *const u8, usize)>;
pub(crate) type PieceFn =
    Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Response, *const u8, usize, bool)>;
pub(crate) type TopicFn = Option<unsafe extern "C" fn(*mut c_void, *const u8, usize, bool)>;
pub(crate) type AbortedFn = Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Response)>;
pub(crate) type WritableFn = Option<unsafe extern "C" fn(*mut c_void, *mut Loop, Response, u64)>;

// What `cargo` links for the crate is found by its name.
use keirin_ffi as _;

unsafe extern "C" {
    pub(crate) fn keirin_app_new() -> *mut App;
    pub(crate) fn keirin_app_free(app: *mut App);
    pub(crate) fn keirin_app_route(
        app: *mut App,
        method: *const c_char,
        pattern: *const c_char,
        handler: RequestFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_app_behaviour(
        app: *mut App,
        behaviour: *const Behaviour,
        sockets: *mut Sockets,
    ) -> Status;
    pub(crate) fn keirin_app_websocket(
        app: *mut App,
        pattern: *const c_char,
        behaviour: *const Behaviour,
        sockets: *mut Sockets,
    ) -> Status;
    pub(crate) fn keirin_app_on_start(
        app: *mut App,
        start: TaskFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_app_on_log(
        app: *mut App,
        log: LogFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_behaviour_new() -> *mut Behaviour;
    pub(crate) fn keirin_behaviour_free(behaviour: *mut Behaviour);
    pub(crate) fn keirin_behaviour_set(
        behaviour: *mut Behaviour,
        option: u32,
        number: u64,
    ) -> Status;
    pub(crate) fn keirin_behaviour_set_user(
        behaviour: *mut Behaviour,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_behaviour_on_open(behaviour: *mut Behaviour, handler: WsFn) -> Status;
    pub(crate) fn keirin_behaviour_on_message(
        behaviour: *mut Behaviour,
        handler: MessageFn,
    ) -> Status;
    pub(crate) fn keirin_behaviour_on_ping(behaviour: *mut Behaviour, handler: ControlFn)
    -> Status;
    pub(crate) fn keirin_behaviour_on_pong(behaviour: *mut Behaviour, handler: ControlFn)
    -> Status;
    pub(crate) fn keirin_behaviour_on_drain(behaviour: *mut Behaviour, handler: WsFn) -> Status;
    pub(crate) fn keirin_behaviour_on_dropped(
        behaviour: *mut Behaviour,
        handler: MessageFn,
    ) -> Status;
    pub(crate) fn keirin_behaviour_on_subscription(
        behaviour: *mut Behaviour,
        handler: SubscriptionFn,
    ) -> Status;
    pub(crate) fn keirin_behaviour_on_close(behaviour: *mut Behaviour, handler: CloseFn) -> Status;
    pub(crate) fn keirin_response_collect_body(
        r#loop: *mut Loop,
        response: Response,
        bytes_max: usize,
        collected: BodyFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_response_stream_body(
        r#loop: *mut Loop,
        response: Response,
        each: PieceFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_response_pause(r#loop: *mut Loop, response: Response) -> Status;
    pub(crate) fn keirin_response_resume(r#loop: *mut Loop, response: Response) -> Status;
    pub(crate) fn keirin_config_new() -> *mut Config;
    pub(crate) fn keirin_config_free(config: *mut Config);
    pub(crate) fn keirin_config_set(config: *mut Config, option: u32, number: u64) -> Status;
    pub(crate) fn keirin_loop_count(r#loop: *mut Loop, counter: u32, count: *mut u64) -> Status;
    pub(crate) fn keirin_loop_new(
        app: *const App,
        config: *const Config,
        r#loop: *mut *mut Loop,
    ) -> Status;
    pub(crate) fn keirin_loop_free(r#loop: *mut Loop) -> Status;
    pub(crate) fn keirin_loop_listen(
        r#loop: *mut Loop,
        address: *const c_char,
        port: *mut u16,
    ) -> Status;
    pub(crate) fn keirin_loop_fd(r#loop: *mut Loop) -> c_int;
    pub(crate) fn keirin_loop_next_timeout_ms(r#loop: *mut Loop) -> i64;
    pub(crate) fn keirin_loop_turn(r#loop: *mut Loop, timeout_ms: i64) -> Status;
    pub(crate) fn keirin_loop_run(r#loop: *mut Loop) -> Status;
    pub(crate) fn keirin_loop_stop(r#loop: *mut Loop, grace_ms: u64) -> Status;
    pub(crate) fn keirin_loop_is_stopped(r#loop: *mut Loop) -> bool;
    pub(crate) fn keirin_loop_worker(r#loop: *mut Loop) -> u32;
    pub(crate) fn keirin_loop_user(r#loop: *mut Loop) -> *mut c_void;
    pub(crate) fn keirin_loop_set_user(
        r#loop: *mut Loop,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_request_handshake(
        request: *const Request,
        handshake: *mut *mut Handshake,
    ) -> Status;
    pub(crate) fn keirin_handshake_free(handshake: *mut Handshake);
    pub(crate) fn keirin_handshake_protocol_at(handshake: *const Handshake, index: usize) -> Bytes;
    pub(crate) fn keirin_handshake_choose(
        handshake: *mut Handshake,
        protocol: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_handshake_origin(handshake: *const Handshake) -> Bytes;
    pub(crate) fn keirin_handshake_check_origin(
        handshake: *const Handshake,
        origins: *const *const c_char,
        count: usize,
    ) -> Status;
    pub(crate) fn keirin_response_upgrade(
        r#loop: *mut Loop,
        response: Response,
        sockets: Sockets,
        handshake: *mut Handshake,
        socket_user: *mut c_void,
        drop_socket_user: DropFn,
        ws: *mut Ws,
    ) -> Status;
    pub(crate) fn keirin_loop_publish(
        r#loop: *mut Loop,
        topic: *const u8,
        topic_length: usize,
        kind: u32,
        data: *const u8,
        length: usize,
        published: *mut Published,
    ) -> Status;
    pub(crate) fn keirin_ws_publish(
        r#loop: *mut Loop,
        ws: Ws,
        topic: *const u8,
        topic_length: usize,
        kind: u32,
        data: *const u8,
        length: usize,
        published: *mut Published,
    ) -> Status;
    pub(crate) fn keirin_loop_subscribers(
        r#loop: *mut Loop,
        topic: *const u8,
        length: usize,
        count: *mut usize,
    ) -> Status;
    pub(crate) fn keirin_ws_subscribe(
        r#loop: *mut Loop,
        ws: Ws,
        topic: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_ws_subscribe_pattern(
        r#loop: *mut Loop,
        ws: Ws,
        pattern: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_ws_unsubscribe(
        r#loop: *mut Loop,
        ws: Ws,
        topic: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_ws_unsubscribe_pattern(
        r#loop: *mut Loop,
        ws: Ws,
        pattern: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_ws_is_subscribed(
        r#loop: *mut Loop,
        ws: Ws,
        topic: *const u8,
        length: usize,
        subscribed: *mut bool,
    ) -> Status;
    pub(crate) fn keirin_ws_topics(
        r#loop: *mut Loop,
        ws: Ws,
        each: TopicFn,
        user: *mut c_void,
    ) -> Status;
    pub(crate) fn keirin_loop_remote(r#loop: *mut Loop, remote: *mut *mut Remote) -> Status;
    pub(crate) fn keirin_remote_clone(remote: *const Remote, copy: *mut *mut Remote) -> Status;
    pub(crate) fn keirin_remote_free(remote: *mut Remote);
    pub(crate) fn keirin_response_worker(response: Response) -> u32;
    pub(crate) fn keirin_ws_worker(ws: Ws) -> u32;
    pub(crate) fn keirin_remote_defer(
        remote: *const Remote,
        worker: u32,
        deferred: TaskFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_remote_publish(
        remote: *const Remote,
        topic: *const u8,
        topic_length: usize,
        kind: u32,
        data: *const u8,
        length: usize,
        published: *mut Published,
    ) -> Status;
    pub(crate) fn keirin_remote_ws_send(
        remote: *const Remote,
        ws: Ws,
        kind: u32,
        data: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_remote_ws_end(
        remote: *const Remote,
        ws: Ws,
        code: u16,
        reason: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_remote_ws_close(remote: *const Remote, ws: Ws) -> Status;
    pub(crate) fn keirin_remote_response_end(
        remote: *const Remote,
        response: Response,
        body: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_request_method(request: *const Request) -> Bytes;
    pub(crate) fn keirin_request_target(request: *const Request) -> Bytes;
    pub(crate) fn keirin_request_path(request: *const Request) -> Bytes;
    pub(crate) fn keirin_request_query(request: *const Request) -> Bytes;
    pub(crate) fn keirin_request_header(
        request: *const Request,
        name: *const u8,
        length: usize,
    ) -> Bytes;
    pub(crate) fn keirin_request_header_at(
        request: *const Request,
        index: usize,
        name: *mut Bytes,
        value: *mut Bytes,
    ) -> Status;
    pub(crate) fn keirin_request_parameter(
        request: *const Request,
        name: *const u8,
        length: usize,
    ) -> Bytes;
    pub(crate) fn keirin_request_query_parameter(
        request: *const Request,
        name: *const u8,
        length: usize,
        buffer: *mut u8,
        capacity: usize,
        value_length: *mut usize,
    ) -> Status;
    pub(crate) fn keirin_request_version_minor(request: *const Request) -> i32;
    pub(crate) fn keirin_request_peer(request: *const Request, address: *mut Address) -> Status;
    pub(crate) fn keirin_request_clone(request: *const Request, copy: *mut *mut Request) -> Status;
    pub(crate) fn keirin_request_free(copy: *mut Request);
    pub(crate) fn keirin_response_status(
        r#loop: *mut Loop,
        response: Response,
        status: u16,
    ) -> Status;
    pub(crate) fn keirin_response_header(
        r#loop: *mut Loop,
        response: Response,
        name: *const u8,
        name_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> Status;
    pub(crate) fn keirin_response_write(
        r#loop: *mut Loop,
        response: Response,
        data: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_response_end(
        r#loop: *mut Loop,
        response: Response,
        body: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_response_end_without_body(r#loop: *mut Loop, response: Response)
    -> Status;
    pub(crate) fn keirin_response_try_end(
        r#loop: *mut Loop,
        response: Response,
        rest: *const u8,
        length: usize,
        total: u64,
    ) -> Status;
    pub(crate) fn keirin_response_written(
        r#loop: *mut Loop,
        response: Response,
        written: *mut u64,
    ) -> Status;
    pub(crate) fn keirin_response_queued(
        r#loop: *mut Loop,
        response: Response,
        queued: *mut usize,
    ) -> Status;
    pub(crate) fn keirin_response_detach(r#loop: *mut Loop, response: Response) -> Status;
    pub(crate) fn keirin_response_on_aborted(
        r#loop: *mut Loop,
        response: Response,
        aborted: AbortedFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_response_on_writable(
        r#loop: *mut Loop,
        response: Response,
        writable: WritableFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_response_write_continue(r#loop: *mut Loop, response: Response) -> Status;
    pub(crate) fn keirin_response_close(r#loop: *mut Loop, response: Response) -> Status;
    pub(crate) fn keirin_response_fail(r#loop: *mut Loop, response: Response) -> Status;
    pub(crate) fn keirin_response_next(r#loop: *mut Loop, response: Response) -> Status;
    pub(crate) fn keirin_response_refuse_upgrade(
        r#loop: *mut Loop,
        response: Response,
        request: *const Request,
    ) -> Status;
    pub(crate) fn keirin_loop_defer(
        r#loop: *mut Loop,
        deferred: TaskFn,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
    pub(crate) fn keirin_loop_after(
        r#loop: *mut Loop,
        delay_ms: u64,
        expired: TaskFn,
        user: *mut c_void,
        drop_user: DropFn,
        timer: *mut Timer,
    ) -> Status;
    pub(crate) fn keirin_loop_cancel(r#loop: *mut Loop, timer: Timer) -> Status;
    pub(crate) fn keirin_ws_send(
        r#loop: *mut Loop,
        ws: Ws,
        kind: u32,
        data: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_ws_send_fragment(
        r#loop: *mut Loop,
        ws: Ws,
        kind: u32,
        data: *const u8,
        length: usize,
        last: bool,
    ) -> Status;
    pub(crate) fn keirin_message_new(
        kind: u32,
        data: *const u8,
        length: usize,
        out: *mut *mut Message,
    ) -> Status;
    pub(crate) fn keirin_message_free(message: *mut Message);
    pub(crate) fn keirin_ws_send_message(
        r#loop: *mut Loop,
        ws: Ws,
        message: *const Message,
    ) -> Status;
    pub(crate) fn keirin_ws_ping(
        r#loop: *mut Loop,
        ws: Ws,
        data: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_ws_end(
        r#loop: *mut Loop,
        ws: Ws,
        code: u16,
        reason: *const u8,
        length: usize,
    ) -> Status;
    pub(crate) fn keirin_ws_close(r#loop: *mut Loop, ws: Ws) -> Status;
    pub(crate) fn keirin_ws_pause(r#loop: *mut Loop, ws: Ws) -> Status;
    pub(crate) fn keirin_ws_resume(r#loop: *mut Loop, ws: Ws) -> Status;
    pub(crate) fn keirin_ws_set_idle_timeout(r#loop: *mut Loop, ws: Ws, timeout_ms: u32) -> Status;
    pub(crate) fn keirin_ws_set_ping_interval(
        r#loop: *mut Loop,
        ws: Ws,
        interval_ms: u32,
    ) -> Status;
    pub(crate) fn keirin_ws_set_lifetime(r#loop: *mut Loop, ws: Ws, lifetime_ms: u32) -> Status;
    pub(crate) fn keirin_ws_queued(r#loop: *mut Loop, ws: Ws, queued: *mut usize) -> Status;
    pub(crate) fn keirin_ws_peer(r#loop: *mut Loop, ws: Ws, address: *mut Address) -> Status;
    pub(crate) fn keirin_ws_user(r#loop: *mut Loop, ws: Ws) -> *mut c_void;
    pub(crate) fn keirin_ws_set_user(
        r#loop: *mut Loop,
        ws: Ws,
        user: *mut c_void,
        drop_user: DropFn,
    ) -> Status;
}
