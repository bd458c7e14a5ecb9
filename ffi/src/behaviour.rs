//! What a kind of WebSocket does.

use std::ffi::c_void;
use std::sync::Arc;

use keirin::{
    Backpressure, Behaviour, BrotliConfig, CloseCause, Closed, Compressor, Decompressor,
    DeflateConfig, Message, Subscription, WebSocket, WebSocketConfig, WebSocketConfigBuilder,
};

use crate::arguments::{free, give, keirin_bytes_t, reference_mut};
use crate::config::{flag, narrow};
use crate::handle::{Worker, call_socket, keirin_loop_t};
use crate::status::{KEIRIN_ERR_ARGUMENT, Outcome, Refused, keirin_status_t, run, value};
use crate::user::{User, UserCell, keirin_drop_fn};
use crate::websocket::{
    KEIRIN_BINARY, KEIRIN_TEXT, keirin_close_cause_t, keirin_message_kind_t, keirin_ws_t,
};

/// Names an option of a kind of WebSocket for keirin_behaviour_set(). Sizes are in bytes, times in
/// milliseconds.
pub type keirin_ws_option_t = u32;

/// Bytes of a message from the peer, at least 1; a longer one closes the socket with 1009. The
/// default is 1 MiB.
pub const KEIRIN_WS_MESSAGE_BYTES_MAX: keirin_ws_option_t = 1;
/// What happens to a message for a peer that does not read: KEIRIN_BACKPRESSURE_DROP, the default,
/// KEIRIN_BACKPRESSURE_CLOSE or KEIRIN_BACKPRESSURE_QUEUE.
pub const KEIRIN_WS_BACKPRESSURE: keirin_ws_option_t = 2;
/// Bytes that may wait for a peer before that happens, at least 16384. The default is 1 MiB.
pub const KEIRIN_WS_BACKPRESSURE_BYTES_MAX: keirin_ws_option_t = 3;
/// How long nothing may be heard of a peer; 0 is off. The default is 120000.
pub const KEIRIN_WS_IDLE_TIMEOUT_MS: keirin_ws_option_t = 4;
/// How long nothing is heard of a peer before it is sent a Ping; 0 is off. The default is 25000.
pub const KEIRIN_WS_PING_INTERVAL_MS: keirin_ws_option_t = 5;
/// How long a socket lives at most; 0, the default, is without end.
pub const KEIRIN_WS_LIFETIME_MS: keirin_ws_option_t = 6;
/// By how much lifetimes differ, so that not all end at once. The default is 0.
pub const KEIRIN_WS_LIFETIME_JITTER_MS: keirin_ws_option_t = 7;
/// 1: permessage-deflate (RFC 7692) is agreed to. The default is 0. Each of the options below
/// that begin with KEIRIN_WS_DEFLATE turns it on too.
pub const KEIRIN_WS_DEFLATE: keirin_ws_option_t = 8;
/// 0, the default: messages are compressed one by one, without memory per socket. 9 to 15: each
/// socket keeps a window of this many bits.
pub const KEIRIN_WS_DEFLATE_COMPRESSOR_WINDOW_BITS: keirin_ws_option_t = 9;
/// The same for what the peer sends.
pub const KEIRIN_WS_DEFLATE_DECOMPRESSOR_WINDOW_BITS: keirin_ws_option_t = 10;
/// Effort, 0 to 9. The default is 6.
pub const KEIRIN_WS_DEFLATE_LEVEL: keirin_ws_option_t = 11;
/// Shorter messages are sent as they are. The default is 64.
pub const KEIRIN_WS_DEFLATE_THRESHOLD_BYTES: keirin_ws_option_t = 12;
/// 1: Brotli is agreed to with clients that offer a subprotocol with "+br" behind it. The default
/// is 0. Each of the options below turns it on too.
pub const KEIRIN_WS_BROTLI: keirin_ws_option_t = 13;
/// Effort, 0 to 11. The default is 5.
pub const KEIRIN_WS_BROTLI_QUALITY: keirin_ws_option_t = 14;
/// How far back a message may refer: 10 to 24 bits. The default is 18.
pub const KEIRIN_WS_BROTLI_WINDOW_BITS: keirin_ws_option_t = 15;
/// Shorter messages are sent as they are. The default is 1400.
pub const KEIRIN_WS_BROTLI_THRESHOLD_BYTES: keirin_ws_option_t = 16;

/// The message is dropped: KEIRIN_DROPPED, and the dropped handler is told.
pub const KEIRIN_BACKPRESSURE_DROP: u32 = 0;
/// The socket is closed with 1013.
pub const KEIRIN_BACKPRESSURE_CLOSE: u32 = 1;
/// The message is queued all the same; the program looks at keirin_ws_queued().
pub const KEIRIN_BACKPRESSURE_QUEUE: u32 = 2;

/// A handler that is told of a socket.
pub type keirin_ws_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, loop_: *mut keirin_loop_t, ws: keirin_ws_t)>;

/// A handler that is given a message: KEIRIN_TEXT, which is valid UTF-8, or KEIRIN_BINARY. The
/// bytes are gone when it returns.
pub type keirin_ws_message_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        loop_: *mut keirin_loop_t,
        ws: keirin_ws_t,
        kind: keirin_message_kind_t,
        data: *const u8,
        length: usize,
    ),
>;

/// A handler that is given the payload of a Ping or Pong. The bytes are gone when it returns.
pub type keirin_ws_control_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        loop_: *mut keirin_loop_t,
        ws: keirin_ws_t,
        data: *const u8,
        length: usize,
    ),
>;

/// A handler that is told of a subscription that was made or ended.
pub type keirin_ws_subscription_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        loop_: *mut keirin_loop_t,
        ws: keirin_ws_t,
        change: *const keirin_subscription_t,
    ),
>;

/// A handler that is told how a socket has ended: why, and the status code and reason of the Close
/// frame, received or sent. The code is 1005 where the peer's had none, 1006 without such a frame.
pub type keirin_ws_close_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        loop_: *mut keirin_loop_t,
        ws: keirin_ws_t,
        cause: keirin_close_cause_t,
        code: u16,
        reason: *const u8,
        length: usize,
    ),
>;

/// A subscription that was made or ended.
#[repr(C)]
pub struct keirin_subscription_t {
    /// The topic, or the pattern. It is gone when the handler returns.
    pub topic: keirin_bytes_t,
    /// Whether it is a pattern.
    pub is_pattern: bool,
    /// How many sockets of this worker have this subscription now,
    pub count: usize,
    /// and how many had it before.
    pub count_before: usize,
}

/// A kind of WebSocket: its limits and its handlers. It may be used on one thread at a time. What
/// has no handler is taken care of silently.
pub struct keirin_behaviour_t {
    options: Options,
    handlers: Handlers,
}

#[derive(Clone)]
struct Options {
    builder: WebSocketConfigBuilder,
    deflate: Option<DeflateConfig>,
    brotli: Option<BrotliConfig>,
}

#[derive(Clone, Default)]
struct Handlers {
    user: Option<Arc<User>>,
    open: keirin_ws_fn,
    message: keirin_ws_message_fn,
    ping: keirin_ws_control_fn,
    pong: keirin_ws_control_fn,
    drain: keirin_ws_fn,
    dropped: keirin_ws_message_fn,
    subscription: keirin_ws_subscription_fn,
    close: keirin_ws_close_fn,
}

/// What a socket keeps for the program.
pub(crate) struct SocketData(pub(crate) UserCell);

/// A kind of WebSocket with default options and no handlers. It is freed with
/// keirin_behaviour_free().
#[unsafe(no_mangle)]
pub extern "C" fn keirin_behaviour_new() -> *mut keirin_behaviour_t {
    value(std::ptr::null_mut(), || {
        give(keirin_behaviour_t {
            options: Options {
                builder: WebSocketConfig::builder(),
                deflate: None,
                brotli: None,
            },
            handlers: Handlers::default(),
        })
    })
}

/// Frees a kind of WebSocket; apps that it was added to are not concerned. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_free(behaviour: *mut keirin_behaviour_t) {
    // SAFETY: as the header asks.
    value((), || unsafe { free(behaviour) });
}

/// Sets an option. What is out of range is found when the behaviour is added to an app.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_ARGUMENT for an unknown option or a number it cannot hold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_set(
    behaviour: *mut keirin_behaviour_t,
    option: keirin_ws_option_t,
    number: u64,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let behaviour = unsafe { reference_mut(behaviour) }?;
        behaviour.options.set(option, number)
    })
}

/// Sets what all handlers are given as `user`. With several workers they are called on several
/// threads.
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_set_user(
    behaviour: *mut keirin_behaviour_t,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = Arc::new(User::new(user, drop_user));
    run(|| {
        // SAFETY: as the header asks.
        let before = unsafe { reference_mut(behaviour)?.handlers.user.replace(user) };
        // Only now, when nothing is borrowed: its destructor may come back here.
        drop(before);
        Ok(())
    })
}

/// Sets one of the handlers.
///
/// # Safety
/// As [`reference_mut`].
unsafe fn set_handler(
    behaviour: *mut keirin_behaviour_t,
    set: impl FnOnce(&mut Handlers),
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the caller promises.
        set(unsafe { &mut reference_mut(behaviour)?.handlers });
        Ok(())
    })
}

/// Sets the handler that is called first, when the upgrade has been answered.
///
/// Errors: KEIRIN_ERR_NULL for the behaviour; the handler may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_on_open(
    behaviour: *mut keirin_behaviour_t,
    handler: keirin_ws_fn,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { set_handler(behaviour, |handlers| handlers.open = handler) }
}

/// Sets the handler that is given every message, whole.
///
/// Errors: as keirin_behaviour_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_on_message(
    behaviour: *mut keirin_behaviour_t,
    handler: keirin_ws_message_fn,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { set_handler(behaviour, |handlers| handlers.message = handler) }
}

/// Sets the handler that is told of every Ping. It has been answered.
///
/// Errors: as keirin_behaviour_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_on_ping(
    behaviour: *mut keirin_behaviour_t,
    handler: keirin_ws_control_fn,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { set_handler(behaviour, |handlers| handlers.ping = handler) }
}

/// Sets the handler that is told of every Pong, asked for or not.
///
/// Errors: as keirin_behaviour_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_on_pong(
    behaviour: *mut keirin_behaviour_t,
    handler: keirin_ws_control_fn,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { set_handler(behaviour, |handlers| handlers.pong = handler) }
}

/// Sets the handler that is called when something was queued and the peer has taken all of it.
///
/// Errors: as keirin_behaviour_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_on_drain(
    behaviour: *mut keirin_behaviour_t,
    handler: keirin_ws_fn,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { set_handler(behaviour, |handlers| handlers.drain = handler) }
}

/// Sets the handler that is given messages that were dropped, because too much was waiting. Where
/// very much is dropped in one turn only the counters know of the rest.
///
/// Errors: as keirin_behaviour_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_on_dropped(
    behaviour: *mut keirin_behaviour_t,
    handler: keirin_ws_message_fn,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { set_handler(behaviour, |handlers| handlers.dropped = handler) }
}

/// Sets the handler that is told of every subscription that was made or ended, at the socket's end
/// too.
///
/// Errors: as keirin_behaviour_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_on_subscription(
    behaviour: *mut keirin_behaviour_t,
    handler: keirin_ws_subscription_fn,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { set_handler(behaviour, |handlers| handlers.subscription = handler) }
}

/// Sets the handler that is called last, exactly once for every socket that was opened, whatever
/// ended it. Nothing can be sent to the socket any more; its user data is destroyed afterwards.
///
/// Errors: as keirin_behaviour_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_behaviour_on_close(
    behaviour: *mut keirin_behaviour_t,
    handler: keirin_ws_close_fn,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { set_handler(behaviour, |handlers| handlers.close = handler) }
}

impl Options {
    fn set(&mut self, option: keirin_ws_option_t, number: u64) -> Outcome {
        let builder = || self.builder.clone();
        let short = narrow::<u32>(number);
        let tiny = narrow::<u8>(number);
        let size = narrow::<usize>(number);
        match option {
            KEIRIN_WS_MESSAGE_BYTES_MAX => self.builder = builder().message_bytes_max(size?),
            KEIRIN_WS_BACKPRESSURE => {
                self.builder = builder().backpressure(match short? {
                    KEIRIN_BACKPRESSURE_DROP => Backpressure::Drop,
                    KEIRIN_BACKPRESSURE_CLOSE => Backpressure::Close,
                    KEIRIN_BACKPRESSURE_QUEUE => Backpressure::Queue,
                    _ => return Err(Refused(KEIRIN_ERR_ARGUMENT)),
                });
            }
            KEIRIN_WS_BACKPRESSURE_BYTES_MAX => {
                self.builder = builder().backpressure_bytes_max(size?);
            }
            KEIRIN_WS_IDLE_TIMEOUT_MS => self.builder = builder().idle_timeout_ms(short?),
            KEIRIN_WS_PING_INTERVAL_MS => self.builder = builder().ping_interval_ms(short?),
            KEIRIN_WS_LIFETIME_MS => self.builder = builder().lifetime_ms(short?),
            KEIRIN_WS_LIFETIME_JITTER_MS => self.builder = builder().lifetime_jitter_ms(short?),
            KEIRIN_WS_DEFLATE => {
                self.deflate = flag(tiny?)?.then(|| self.deflate.unwrap_or_default());
            }
            KEIRIN_WS_DEFLATE_COMPRESSOR_WINDOW_BITS => {
                self.deflate.get_or_insert_default().compressor = match tiny? {
                    0 => Compressor::Shared,
                    window_bits => Compressor::Dedicated { window_bits },
                };
            }
            KEIRIN_WS_DEFLATE_DECOMPRESSOR_WINDOW_BITS => {
                self.deflate.get_or_insert_default().decompressor = match tiny? {
                    0 => Decompressor::Shared,
                    window_bits => Decompressor::Dedicated { window_bits },
                };
            }
            KEIRIN_WS_DEFLATE_LEVEL => self.deflate.get_or_insert_default().level = tiny?,
            KEIRIN_WS_DEFLATE_THRESHOLD_BYTES => {
                self.deflate.get_or_insert_default().threshold_bytes = size?;
            }
            KEIRIN_WS_BROTLI => {
                self.brotli = flag(tiny?)?.then(|| self.brotli.unwrap_or_default());
            }
            KEIRIN_WS_BROTLI_QUALITY => self.brotli.get_or_insert_default().quality = tiny?,
            KEIRIN_WS_BROTLI_WINDOW_BITS => {
                self.brotli.get_or_insert_default().window_bits = tiny?;
            }
            KEIRIN_WS_BROTLI_THRESHOLD_BYTES => {
                self.brotli.get_or_insert_default().threshold_bytes = size?;
            }
            _ => return Err(Refused(KEIRIN_ERR_ARGUMENT)),
        }
        Ok(())
    }

    fn build(&self) -> Outcome<WebSocketConfig> {
        let mut builder = self.builder.clone();
        if let Some(deflate) = self.deflate {
            builder = builder.deflate(deflate);
        }
        if let Some(brotli) = self.brotli {
            builder = builder.brotli(brotli);
        }
        Ok(builder.build()?)
    }
}

type Own<'a, 'b> = &'a mut WebSocket<'b, SocketData, Worker>;

/// Calls a handler with the socket's names.
#[inline]
fn tell(ws: Own<'_, '_>, handler: impl FnOnce(*mut keirin_loop_t, keirin_ws_t)) {
    let id = ws.socket.id();
    call_socket(&mut ws.socket.cx(), id, ws.data, |handle| {
        handler(handle, keirin_ws_t::from(id));
    });
}

fn kind_of(message: &Message<'_>) -> keirin_message_kind_t {
    match message {
        Message::Text(_) => KEIRIN_TEXT,
        Message::Binary(_) => KEIRIN_BINARY,
    }
}

/// A kind of WebSocket as an app keeps it, for the loops that are made of it.
#[derive(Clone)]
pub(crate) struct Definition {
    config: WebSocketConfig,
    handlers: Handlers,
}

impl keirin_behaviour_t {
    pub(crate) fn definition(&self) -> Outcome<Definition> {
        Ok(Definition {
            config: self.options.build()?,
            handlers: self.handlers.clone(),
        })
    }
}

impl Definition {
    /// The engine's handlers, which call those of C. None is made where C has none.
    pub(crate) fn behaviour(&self) -> Behaviour<SocketData, Worker> {
        let handlers = self.handlers.clone();
        let behaviour = handlers.with_events(Behaviour::new().config(self.config.clone()));
        handlers.with_data(behaviour)
    }
}

// SAFETY, for every call of a handler below: the program has given it for this, together with
// `user`, and the pointers into messages are valid until the handler returns.
impl Handlers {
    fn user(&self) -> *mut c_void {
        let user = self.user.as_ref();
        user.map_or(std::ptr::null_mut(), |user| user.pointer())
    }

    fn with_events(
        &self,
        mut behaviour: Behaviour<SocketData, Worker>,
    ) -> Behaviour<SocketData, Worker> {
        if let Some(open) = self.open {
            let this = self.clone();
            behaviour = behaviour.on_open(move |ws| {
                // SAFETY: see above.
                tell(ws, |handle, id| unsafe { open(this.user(), handle, id) });
            });
        }
        if let Some(drain) = self.drain {
            let this = self.clone();
            behaviour = behaviour.on_drain(move |ws| {
                // SAFETY: see above.
                tell(ws, |handle, id| unsafe { drain(this.user(), handle, id) });
            });
        }
        if let Some(subscription) = self.subscription {
            let this = self.clone();
            behaviour = behaviour.on_subscription(move |ws, change: Subscription<'_>| {
                let change = keirin_subscription_t {
                    topic: change.topic.as_bytes().into(),
                    is_pattern: change.is_pattern,
                    count: change.count,
                    count_before: change.count_before,
                };
                // SAFETY: see above.
                tell(ws, |handle, id| unsafe {
                    subscription(this.user(), handle, id, &raw const change);
                });
            });
        }
        if let Some(close) = self.close {
            let this = self.clone();
            behaviour = behaviour.on_close(move |ws, closed: Closed<'_>| {
                let cause = cause_of(closed.cause);
                let reason = closed.reason.as_bytes();
                // SAFETY: see above.
                tell(ws, |handle, id| unsafe {
                    let (data, length) = (reason.as_ptr(), reason.len());
                    close(this.user(), handle, id, cause, closed.code, data, length);
                });
            });
        }
        behaviour
    }

    fn with_data(
        self,
        mut behaviour: Behaviour<SocketData, Worker>,
    ) -> Behaviour<SocketData, Worker> {
        if let Some(handler) = self.message {
            let this = self.clone();
            behaviour = behaviour.on_message(move |ws, message: Message<'_>| {
                let (kind, bytes) = (kind_of(&message), message.bytes());
                // SAFETY: see above.
                tell(ws, |handle, id| unsafe {
                    handler(this.user(), handle, id, kind, bytes.as_ptr(), bytes.len());
                });
            });
        }
        if let Some(handler) = self.dropped {
            let this = self.clone();
            behaviour = behaviour.on_dropped(move |ws, message: Message<'_>| {
                let (kind, bytes) = (kind_of(&message), message.bytes());
                // SAFETY: see above.
                tell(ws, |handle, id| unsafe {
                    handler(this.user(), handle, id, kind, bytes.as_ptr(), bytes.len());
                });
            });
        }
        if let Some(ping) = self.ping {
            let this = self.clone();
            behaviour = behaviour.on_ping(move |ws, payload: &[u8]| {
                // SAFETY: see above.
                tell(ws, |handle, id| unsafe {
                    ping(this.user(), handle, id, payload.as_ptr(), payload.len());
                });
            });
        }
        if let Some(pong) = self.pong {
            behaviour = behaviour.on_pong(move |ws, payload: &[u8]| {
                // SAFETY: see above.
                tell(ws, |handle, id| unsafe {
                    pong(self.user(), handle, id, payload.as_ptr(), payload.len());
                });
            });
        }
        behaviour
    }
}

fn cause_of(cause: CloseCause) -> keirin_close_cause_t {
    use crate::websocket as c;
    match cause {
        CloseCause::Peer => c::KEIRIN_CLOSED_BY_PEER,
        CloseCause::PeerLeft => c::KEIRIN_CLOSED_PEER_LEFT,
        CloseCause::Protocol(_) => c::KEIRIN_CLOSED_PROTOCOL,
        CloseCause::Local => c::KEIRIN_CLOSED_LOCAL,
        CloseCause::Dropped => c::KEIRIN_CLOSED_DROPPED,
        CloseCause::IdleTimeout => c::KEIRIN_CLOSED_IDLE_TIMEOUT,
        CloseCause::Lifetime => c::KEIRIN_CLOSED_LIFETIME,
        CloseCause::Backpressure => c::KEIRIN_CLOSED_BACKPRESSURE,
        CloseCause::WriteStall => c::KEIRIN_CLOSED_WRITE_STALL,
        CloseCause::Stop => c::KEIRIN_CLOSED_STOP,
        _ => c::KEIRIN_CLOSED_OTHER,
    }
}
