//! WebSockets.

use std::ffi::c_void;

use keirin::{Message, PreparedMessage, SocketId, SocketTimeouts};

use crate::arguments::{bytes, free, give, output, reference, set_optional, text};
use crate::behaviour::SocketData;
use crate::handle::{Context, keirin_loop_t, with};
use crate::request::keirin_address_t;
use crate::status::{
    KEIRIN_ERR_ARGUMENT, KEIRIN_ERR_STALE, Outcome, Refused, guard, keirin_status_t, of_sent, run,
    value,
};
use crate::user::{User, keirin_drop_fn};

/// Names one WebSocket, of a worker, for as long as it is open. It is a value: copy it, keep it,
/// hand it to other threads; afterwards it names nothing, and never another socket. All zeros names
/// nothing either.
///
/// Calls that name it are KEIRIN_ERR_STALE then; that changes nothing and is counted. Within its
/// close handler keirin_ws_user(), keirin_ws_set_user(), keirin_ws_peer() and keirin_ws_publish()
/// still take it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct keirin_ws_t {
    /// Its number.
    pub id: u64,
}

/// Names a kind of WebSocket of an app. From keirin_app_behaviour().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct keirin_sockets_t {
    /// Its number.
    pub index: u16,
}

impl From<SocketId> for keirin_ws_t {
    #[inline]
    fn from(id: SocketId) -> Self {
        Self { id: id.to_bits() }
    }
}

impl keirin_ws_t {
    #[inline]
    pub(crate) fn id(self) -> SocketId {
        SocketId::from_bits(self.id)
    }
}

/// What a message is: KEIRIN_TEXT or KEIRIN_BINARY, for what is sent also with KEIRIN_UNCOMPRESSED
/// (KEIRIN_TEXT | KEIRIN_UNCOMPRESSED).
pub type keirin_message_kind_t = u32;

/// UTF-8 text. What is sent is checked: anything else is KEIRIN_ERR_UTF8.
pub const KEIRIN_TEXT: keirin_message_kind_t = 1;
/// Any bytes.
pub const KEIRIN_BINARY: keirin_message_kind_t = 2;
/// It is sent as it is, whatever compression was agreed to: for what is compressed already, and for
/// secrets beside what others can influence.
pub const KEIRIN_UNCOMPRESSED: keirin_message_kind_t = 4;

/// Why a WebSocket is not open any more.
pub type keirin_close_cause_t = u32;

/// The peer has sent a Close frame.
pub const KEIRIN_CLOSED_BY_PEER: keirin_close_cause_t = 1;
/// The connection has ended without one.
pub const KEIRIN_CLOSED_PEER_LEFT: keirin_close_cause_t = 2;
/// The peer has broken the protocol or gone over a limit; the code says how.
pub const KEIRIN_CLOSED_PROTOCOL: keirin_close_cause_t = 3;
/// The program has ended it with a Close frame.
pub const KEIRIN_CLOSED_LOCAL: keirin_close_cause_t = 4;
/// The program has dropped the connection.
pub const KEIRIN_CLOSED_DROPPED: keirin_close_cause_t = 5;
/// Nothing was heard of the peer for KEIRIN_WS_IDLE_TIMEOUT_MS.
pub const KEIRIN_CLOSED_IDLE_TIMEOUT: keirin_close_cause_t = 6;
/// The socket was open for KEIRIN_WS_LIFETIME_MS.
pub const KEIRIN_CLOSED_LIFETIME: keirin_close_cause_t = 7;
/// More was waiting for a slow reader than KEIRIN_WS_BACKPRESSURE_BYTES_MAX, with
/// KEIRIN_BACKPRESSURE_CLOSE.
pub const KEIRIN_CLOSED_BACKPRESSURE: keirin_close_cause_t = 8;
/// The peer has read nothing for KEIRIN_WRITE_STALL_TIMEOUT_MS.
pub const KEIRIN_CLOSED_WRITE_STALL: keirin_close_cause_t = 9;
/// The server is stopping.
pub const KEIRIN_CLOSED_STOP: keirin_close_cause_t = 10;
/// Another cause, of a later version of the library.
pub const KEIRIN_CLOSED_OTHER: keirin_close_cause_t = 11;

/// A message for any number of sockets, on any worker: framed and compressed once, when the first
/// of them is sent it. It may be used on any thread.
pub struct keirin_message_t {
    message: PreparedMessage,
}

/// A message from its parts, and whether it may be compressed.
///
/// # Safety
/// As [`bytes`].
#[inline]
pub(crate) unsafe fn message<'a>(
    kind: keirin_message_kind_t,
    data: *const c_void,
    length: usize,
) -> Outcome<(Message<'a>, bool)> {
    let compress = kind & KEIRIN_UNCOMPRESSED == 0;
    let message = match kind & !KEIRIN_UNCOMPRESSED {
        // SAFETY: as the caller promises.
        KEIRIN_TEXT => Message::Text(unsafe { text(data, length) }?),
        // SAFETY: as the caller promises.
        KEIRIN_BINARY => Message::Binary(unsafe { bytes(data, length) }?),
        _ => return Err(Refused(KEIRIN_ERR_ARGUMENT)),
    };
    Ok((message, compress))
}

/// Carries out an operation on a socket.
///
/// # Safety
/// As the header asks of the pointer.
#[inline]
unsafe fn on<R>(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    operation: impl FnOnce(&mut Context<'_>, SocketId) -> Outcome<R>,
) -> Outcome<R> {
    // SAFETY: as the caller promises.
    unsafe { with(loop_, |_, cx| operation(cx, ws.id())) }
}

/// Sends a message. Never blocks: what the peer does not take waits in memory (KEIRIN_QUEUED), up
/// to KEIRIN_WS_BACKPRESSURE_BYTES_MAX (KEIRIN_DROPPED).
///
/// Errors: KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind, KEIRIN_ERR_FRAGMENT within a
/// message that is sent in fragments, and those of every call for a socket: KEIRIN_ERR_NULL,
/// KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_STALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_send(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    kind: keirin_message_kind_t,
    data: *const c_void,
    length: usize,
) -> keirin_status_t {
    guard(|| {
        // SAFETY: as the header asks.
        unsafe {
            let (message, compress) = message(kind, data, length)?;
            on(loop_, ws, |cx, id| {
                Ok(of_sent(cx.by_id().send(id, message, compress)?))
            })
        }
    })
}

/// Sends a piece of a message. The first one begins it, and its kind is that of all; the one that
/// is `last` completes it. Other messages wait for that. Only the first piece can be dropped for
/// want of room. Pieces of text are cut between characters. They are not compressed.
///
/// Errors: KEIRIN_ERR_FRAGMENT for a piece of another kind, and those of keirin_ws_send().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_send_fragment(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    kind: keirin_message_kind_t,
    data: *const c_void,
    length: usize,
    last: bool,
) -> keirin_status_t {
    guard(|| {
        // SAFETY: as the header asks.
        unsafe {
            let (piece, _) = message(kind, data, length)?;
            on(loop_, ws, |cx, id| {
                Ok(of_sent(cx.socket(id)?.send_fragment(piece, last)?))
            })
        }
    })
}

/// Makes a message that is framed and compressed once for any number of sockets. It is freed with
/// keirin_message_free().
///
/// May be called from any thread.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind, and for
/// KEIRIN_UNCOMPRESSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_message_new(
    kind: keirin_message_kind_t,
    data: *const c_void,
    length: usize,
    out: *mut *mut keirin_message_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (out, (message, compress)) = unsafe { (output(out)?, message(kind, data, length)?) };
        if !compress {
            return Err(Refused(KEIRIN_ERR_ARGUMENT));
        }
        out.set(give(keirin_message_t {
            message: PreparedMessage::new(message),
        }));
        Ok(())
    })
}

/// Frees a message. NULL is ignored.
///
/// May be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_message_free(message: *mut keirin_message_t) {
    // SAFETY: as the header asks.
    value((), || unsafe { free(message) });
}

/// Sends a message that was made before: KEIRIN_OK, KEIRIN_QUEUED or KEIRIN_DROPPED, as with
/// keirin_ws_send().
///
/// Errors: KEIRIN_ERR_FRAGMENT, and those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_send_message(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    message: *const keirin_message_t,
) -> keirin_status_t {
    guard(|| {
        // SAFETY: as the header asks.
        unsafe {
            let message = &reference(message)?.message;
            on(loop_, ws, |cx, id| {
                Ok(of_sent(cx.by_id().send_prepared(id, message)?))
            })
        }
    })
}

/// Sends a Ping with at most 125 bytes of payload (RFC 6455 section 5.5.2): KEIRIN_OK, or
/// KEIRIN_QUEUED or KEIRIN_DROPPED where the peer does not read as fast.
///
/// Errors: KEIRIN_ERR_LENGTH for a longer one, and those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_ping(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    data: *const c_void,
    length: usize,
) -> keirin_status_t {
    guard(|| {
        // SAFETY: as the header asks.
        unsafe {
            let payload = bytes(data, length)?;
            on(loop_, ws, |cx, id| {
                Ok(of_sent(cx.socket(id)?.ping(payload)?))
            })
        }
    })
}

/// Sends a Close frame and ends the connection once the peer has answered it, or has not for
/// KEIRIN_LINGER_TIMEOUT_MS. What was sent before then has KEIRIN_WRITE_STALL_TIMEOUT_MS to leave.
/// The reason is cut to 123 bytes. From here on nothing can be sent.
///
/// Errors: KEIRIN_ERR_CLOSE_CODE for a code that must not be sent (what may be is 1000 to 1003,
/// 1007 to 1014, 3000 to 4999), KEIRIN_ERR_UTF8 for the reason, and those of every call for a
/// socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_end(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    code: u16,
    reason: *const c_void,
    length: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let reason = text(reason, length)?;
            on(loop_, ws, |cx, id| Ok(cx.socket(id)?.end(code, reason)?))
        }
    })
}

/// Drops the connection without a Close frame. The close handler is called after the present
/// callback.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_close(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, ws, |cx, id| Ok(cx.socket(id)?.close()?)) })
}

/// Leaves what the peer sends in the kernel, but for what was read already, so that the peer has to
/// wait. Meanwhile the socket is not closed for being idle.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_pause(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, ws, |cx, id| Ok(cx.socket(id)?.pause()?)) })
}

/// Goes on reading.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_resume(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, ws, |cx, id| Ok(cx.socket(id)?.resume()?)) })
}

/// Sets this socket's own idle timeout in milliseconds; 0 is off.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_set_idle_timeout(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    timeout_ms: u32,
) -> keirin_status_t {
    let to = SocketTimeouts {
        idle_ms: Some(timeout_ms),
        ..SocketTimeouts::default()
    };
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, ws, |cx, id| Ok(cx.by_id().set_timeouts(id, to)?)) })
}

/// Sets after how many milliseconds without a byte from the peer it is sent a Ping; 0 is never.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_set_ping_interval(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    interval_ms: u32,
) -> keirin_status_t {
    let to = SocketTimeouts {
        ping_interval_ms: Some(interval_ms),
        ..SocketTimeouts::default()
    };
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, ws, |cx, id| Ok(cx.by_id().set_timeouts(id, to)?)) })
}

/// Sets for how many milliseconds from now on the socket lives; 0 is without end.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_set_lifetime(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    lifetime_ms: u32,
) -> keirin_status_t {
    let to = SocketTimeouts {
        lifetime_ms: Some(lifetime_ms),
        ..SocketTimeouts::default()
    };
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, ws, |cx, id| Ok(cx.by_id().set_timeouts(id, to)?)) })
}

/// Reads how many bytes of output wait in memory for the peer.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_queued(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    queued: *mut usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let found = on(loop_, ws, |cx, id| Ok(cx.by_id().socket_queued(id)?))?;
            set_optional(queued, found);
        }
        Ok(())
    })
}

/// Reads the peer's address, also within the close handler.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_peer(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    address: *mut keirin_address_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let address = output(address)?;
            let peer = with(loop_, |handle, cx| {
                let id = ws.id();
                // The socket whose close handler runs is not open any more.
                if handle.own_socket(id).is_none() {
                    cx.socket(id)?;
                }
                Ok(cx.by_id().peer_address(id))
            })?;
            address.set(peer.into());
        }
        Ok(())
    })
}

/// What the program keeps for a socket, from its upgrade to the end of its close handler. NULL when
/// there is no such socket, or nothing is kept for it, or the call is made on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_user(loop_: *mut keirin_loop_t, ws: keirin_ws_t) -> *mut c_void {
    value(std::ptr::null_mut(), || {
        // SAFETY: as the header asks.
        unsafe { with_data(loop_, ws, |data| data.0.pointer()) }.unwrap_or(std::ptr::null_mut())
    })
}

/// Replaces what the program keeps for a socket; what was kept is destroyed before this returns.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_set_user(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let mut user = Some(User::new(user, drop_user));
    run(|| {
        let replace = |data: &SocketData| user.take().and_then(|user| data.0.replace(user));
        // SAFETY: as the header asks. What was kept is dropped when nothing is borrowed any more.
        drop(unsafe { with_data(loop_, ws, replace) }?);
        Ok(())
    })
}

/// Looks at the data of a socket, wherever it is.
///
/// # Safety
/// As the header asks of the pointer.
unsafe fn with_data<R>(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    f: impl FnOnce(&SocketData) -> R,
) -> Outcome<R> {
    // SAFETY: as the caller promises.
    unsafe {
        with(loop_, |handle, cx| {
            let id = ws.id();
            if let Some(data) = handle.own_socket(id) {
                return Ok(f(data));
            }
            if let Some(data) = cx.socket_data::<SocketData>(id) {
                return Ok(f(data));
            }
            // To ask for the socket counts that it is not there.
            cx.socket(id)?;
            Err(Refused(KEIRIN_ERR_STALE))
        })
    }
}
