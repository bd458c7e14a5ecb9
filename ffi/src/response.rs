//! Answers.

use std::ffi::c_void;

use keirin::{Ended, HandshakeError, ResponseId};

use crate::arguments::{bytes, reference, set_optional};
use crate::handle::{Context, call, keirin_loop_t, with};
use crate::request::keirin_request_t;
use crate::status::{
    KEIRIN_BLOCKED, KEIRIN_ERR_ARGUMENT, KEIRIN_ERR_NULL, KEIRIN_MORE, KEIRIN_OK, Outcome, Refused,
    guard, keirin_status_t, of_sent, run,
};
use crate::user::{User, keirin_drop_fn};

/// Names one answer, of a worker, for as long as it is owed. It is a value: copy it, keep it, hand
/// it to other threads; once the answer is complete, or the peer has left, it names nothing, and
/// never another answer. All zeros names nothing either.
///
/// Calls that name it are KEIRIN_ERR_STALE or KEIRIN_ERR_ALREADY_ENDED then; that changes nothing
/// and is counted.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct keirin_response_t {
    /// The connection.
    pub conn: u64,
    /// The number of the request on it.
    pub request: u32,
    /// 0.
    pub reserved: u32,
}

impl From<ResponseId> for keirin_response_t {
    #[inline]
    fn from(id: ResponseId) -> Self {
        let (conn, request) = id.to_bits();
        Self {
            conn,
            request,
            reserved: 0,
        }
    }
}

impl keirin_response_t {
    #[inline]
    pub(crate) fn id(self) -> ResponseId {
        ResponseId::from_bits((self.conn, self.request))
    }
}

/// Is told that an answer cannot be completed: the peer has left, was too slow, or has sent a
/// malformed body. The response is named to be told from others; it is stale.
pub type keirin_aborted_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, loop_: *mut keirin_loop_t, response: keirin_response_t),
>;

/// Goes on with an answer whose peer has taken what was written: `written` bytes of content so far.
/// It has to complete the answer, or to keep it again.
pub type keirin_writable_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        loop_: *mut keirin_loop_t,
        response: keirin_response_t,
        written: u64,
    ),
>;

/// Carries out an operation on an answer.
///
/// # Safety
/// As the header asks of the pointer.
#[inline]
unsafe fn on<R>(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    operation: impl FnOnce(&mut Context<'_>, ResponseId) -> Outcome<R>,
) -> Outcome<R> {
    // SAFETY: as the caller promises.
    unsafe { with(loop_, |_, cx| operation(cx, response.id())) }
}

/// Sets the status code, 200 to 599. The last call before the head leaves counts; without one it is
/// 200.
///
/// Errors: KEIRIN_ERR_STATUS, KEIRIN_ERR_ALREADY_BEGUN, and those of every call for an answer:
/// KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_STALE, KEIRIN_ERR_ALREADY_ENDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_status(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    status: u16,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe {
        on(loop_, response, |cx, id| {
            Ok(cx.by_id().status(id, status)?)
        })
    })
}

/// Adds a header. A refused one leaves the answer as it was.
///
/// The engine frames messages itself: Content-Length announces a length for
/// keirin_response_write() and for HEAD, "Connection: close" ends the connection after this answer,
/// Transfer-Encoding is refused. Date replaces the engine's own.
///
/// Errors: KEIRIN_ERR_HEADER for a name that is no token, and a value with CR, LF, NUL or another
/// control byte; KEIRIN_ERR_ALREADY_BEGUN, and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_header(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    name: *const c_void,
    name_length: usize,
    value: *const c_void,
    value_length: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let name = str::from_utf8(bytes(name, name_length)?).unwrap_or("");
            let value = bytes(value, value_length)?;
            on(loop_, response, |cx, id| {
                Ok(cx.by_id().header(id, name, value)?)
            })
        }
    })
}

/// Sends content and keeps the answer open: in chunks, or as much as a Content-Length header has
/// announced. Never blocks: what the peer does not take waits in memory (KEIRIN_QUEUED). Over
/// KEIRIN_WRITE_BUFFER_BYTES_MAX the connection is dropped (KEIRIN_ERR_STALE).
///
/// Errors: KEIRIN_ERR_LENGTH for more than was announced, and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_write(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    data: *const c_void,
    length: usize,
) -> keirin_status_t {
    guard(|| {
        // SAFETY: as the header asks.
        unsafe {
            let data = bytes(data, length)?;
            on(loop_, response, |cx, id| {
                Ok(of_sent(cx.by_id().write(id, data)?))
            })
        }
    })
}

/// Completes the answer with a body. What the kernel does not take at once is copied; if that is
/// more than KEIRIN_WRITE_BUFFER_BYTES_MAX the connection is dropped, so larger answers are for
/// keirin_response_try_end().
///
/// Errors: KEIRIN_ERR_LENGTH for more or less than was announced: the connection is cut; and those
/// of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_end(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    body: *const c_void,
    length: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let body = bytes(body, length)?;
            on(loop_, response, |cx, id| Ok(cx.by_id().end(id, body)?))
        }
    })
}

/// Completes the answer without content. Without a Content-Length header its length is 0; an answer
/// to HEAD may announce another.
///
/// Errors: as keirin_response_end().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_end_without_body(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe {
        on(loop_, response, |cx, id| {
            Ok(cx.by_id().end_without_body(id)?)
        })
    })
}

/// Sends as much of an answer of `total` bytes as the peer takes, without buffering the rest.
/// `rest` is the content from keirin_response_written() on, or the beginning of that. KEIRIN_OK:
/// the answer is complete. KEIRIN_MORE: all of `rest` is on its way, and it was not the whole
/// answer. KEIRIN_BLOCKED: the peer reads slowly, and took only a part: wait with
/// keirin_response_on_writable().
///
/// Errors: KEIRIN_ERR_LENGTH for more than `total` leaves, KEIRIN_ERR_ALREADY_BEGUN for an answer
/// that was begun in chunks: the connection is closed; and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_try_end(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    rest: *const c_void,
    length: usize,
    total: u64,
) -> keirin_status_t {
    guard(|| {
        // SAFETY: as the header asks.
        unsafe {
            let rest = bytes(rest, length)?;
            on(loop_, response, |cx, id| {
                Ok(match cx.by_id().try_end(id, rest, total)? {
                    Ended::Complete => KEIRIN_OK,
                    Ended::More => KEIRIN_MORE,
                    Ended::Blocked => KEIRIN_BLOCKED,
                })
            })
        }
    })
}

/// Reads how many bytes of content the answer has so far.
///
/// Errors: those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_written(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    written: *mut u64,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let found = on(loop_, response, |cx, id| Ok(cx.by_id().written(id)?))?;
            set_optional(written, found);
        }
        Ok(())
    })
}

/// Reads how many bytes of output wait in memory for the peer.
///
/// Errors: those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_queued(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    queued: *mut usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let found = on(loop_, response, |cx, id| Ok(cx.by_id().queued(id)?))?;
            set_optional(queued, found);
        }
        Ok(())
    })
}

/// Keeps the answer for later: the handler may return without having given it. It is given by its
/// name, from a timer, a deferred call, or another thread's keirin_remote_defer(). Until somebody
/// reads the body, it stays in the kernel.
///
/// Whoever keeps an answer wants to hear that its peer has left: see keirin_response_on_aborted().
///
/// Errors: those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_detach(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, response, |cx, id| Ok(cx.by_id().detach(id)?)) })
}

/// Calls `aborted` if the answer cannot be completed. Any number may be added; they are called in
/// order, after the present callback.
///
/// `user` is destroyed once the answer is complete, or `aborted` was called: it is the place for
/// what belongs to the answer, and may be given to its other callbacks too, without a destructor.
///
/// Errors: KEIRIN_ERR_NULL, and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_on_aborted(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    aborted: keirin_aborted_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = User::new(user, drop_user);
    run(|| {
        let aborted = aborted.ok_or(Refused(KEIRIN_ERR_NULL))?;
        let then = move |cx: &mut Context<'_>| {
            // SAFETY: the program has given the two for this.
            call(cx, |handle| unsafe {
                aborted(user.pointer(), handle, response)
            });
        };
        // SAFETY: as the header asks.
        unsafe {
            on(loop_, response, |cx, id| {
                Ok(cx.by_id().on_aborted(id, then)?)
            })
        }
    })
}

/// Keeps the answer, and calls `writable` once the peer has taken what was written so far. It is
/// called once; the next time has to be asked for. `user` is destroyed after the call: for one that
/// lives longer see keirin_response_on_aborted().
///
/// Errors: KEIRIN_ERR_NULL, and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_on_writable(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    writable: keirin_writable_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = User::new(user, drop_user);
    run(|| {
        let writable = writable.ok_or(Refused(KEIRIN_ERR_NULL))?;
        let then = move |cx: &mut Context<'_>, id: ResponseId, written: u64| {
            // SAFETY: the program has given the two for this.
            call(cx, |handle| unsafe {
                writable(user.pointer(), handle, id.into(), written);
            });
        };
        // SAFETY: as the header asks.
        unsafe {
            on(loop_, response, |cx, id| {
                Ok(cx.by_id().on_writable(id, then)?)
            })
        }
    })
}

/// Tells a peer that waits for it to send the body (RFC 9110 section 15.2.1). Reading the body does
/// so by itself.
///
/// Errors: KEIRIN_ERR_ALREADY_BEGUN, and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_write_continue(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe {
        on(loop_, response, |cx, id| {
            Ok(cx.by_id().write_continue(id)?)
        })
    })
}

/// Drops the connection without an answer.
///
/// Errors: those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_close(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe {
        on(loop_, response, |cx, id| {
            Ok(cx.by_id().close_response(id)?)
        })
    })
}

/// Answers 500 in place of what was prepared, headers included; an answer that has begun is cut.
/// For handlers that fail midway: by an exception in another language, say.
///
/// Errors: those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_fail(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, response, |cx, id| Ok(cx.by_id().fail(id)?)) })
}

/// Leaves the request to the next route that matches, once the handler has returned. Headers added
/// so far stay; if no further route matches, the answer is 404.
///
/// Errors: KEIRIN_ERR_LEFT_ALONE for an answer that was kept for later already, which is answered
/// 500 then; and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_next(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe { on(loop_, response, |cx, id| Ok(cx.by_id().next(id)?)) })
}

/// Answers a request that is no valid handshake of a WebSocket with the status that fits: 400, 405
/// or 426, and 403 for one that is (its origin was not allowed).
///
/// Errors: KEIRIN_ERR_ARGUMENT for a clone, and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_refuse_upgrade(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    request: *const keirin_request_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let request = unsafe { reference(request) }?;
        let handshake = request.handshake();
        let handshake = handshake.map_err(|_| Refused(KEIRIN_ERR_ARGUMENT))?;
        // SAFETY: as the header asks.
        unsafe {
            on(loop_, response, |cx, id| {
                refuse_upgrade(cx, id, handshake.err())
            })
        }
    })
}

pub(crate) fn refuse_upgrade(
    cx: &mut Context<'_>,
    id: ResponseId,
    error: Option<HandshakeError>,
) -> Outcome {
    let mut response = cx.response(id)?;
    match error {
        Some(error) => response.refuse_upgrade(error),
        None => {
            response.status(403);
            response.end(b"origin not allowed\n")
        }
    };
    Ok(())
}
