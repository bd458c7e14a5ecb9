//! Request bodies.

use std::ffi::c_void;

use keirin::ResponseId;

use crate::handle::{Context, call, keirin_loop_t, with};
use crate::response::keirin_response_t;
use crate::status::{KEIRIN_ERR_NULL, Refused, keirin_status_t, run};
use crate::user::{User, keirin_drop_fn};

/// Is given the whole body of a request. It has to complete the answer, or to keep it. The bytes
/// are gone when it returns.
pub type keirin_body_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        loop_: *mut keirin_loop_t,
        response: keirin_response_t,
        data: *const u8,
        length: usize,
    ),
>;

/// Is given a piece of a request's body; the last one, which may be empty, is marked. After the
/// last one it has to complete the answer, or to keep it. The bytes are gone when it returns.
pub type keirin_piece_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        loop_: *mut keirin_loop_t,
        response: keirin_response_t,
        data: *const u8,
        length: usize,
        last: bool,
    ),
>;

/// Keeps the answer, reads the whole body, and then calls `collected`. A body of more than
/// `bytes_max` bytes is answered 413: unread, where its length was announced.
///
/// Errors: KEIRIN_ERR_NULL, and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_collect_body(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    bytes_max: usize,
    collected: keirin_body_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = User::new(user, drop_user);
    run(|| {
        let collected = collected.ok_or(Refused(KEIRIN_ERR_NULL))?;
        let then = move |cx: &mut Context<'_>, id: ResponseId, body: Vec<u8>| {
            let (data, length) = (body.as_ptr(), body.len());
            // SAFETY: the program has given the two for this.
            call(cx, |handle| unsafe {
                collected(user.pointer(), handle, id.into(), data, length);
            });
        };
        // SAFETY: as the header asks.
        unsafe {
            with(loop_, |_, cx| {
                Ok(cx.by_id().collect_body(response.id(), bytes_max, then)?)
            })
        }
    })
}

/// Keeps the answer, and calls `each` for every piece of the body as it arrives. The next piece
/// comes by itself, unless the answer was completed, or keirin_response_pause() was called.
///
/// Errors: KEIRIN_ERR_NULL, and those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_stream_body(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    each: keirin_piece_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = User::new(user, drop_user);
    run(|| {
        let each = each.ok_or(Refused(KEIRIN_ERR_NULL))?;
        let each = move |cx: &mut Context<'_>, id: ResponseId, piece: &[u8], last: bool| {
            let (data, length) = (piece.as_ptr(), piece.len());
            // SAFETY: the program has given the two for this.
            call(cx, |handle| unsafe {
                each(user.pointer(), handle, id.into(), data, length, last);
            });
        };
        // SAFETY: as the header asks.
        unsafe {
            with(loop_, |_, cx| {
                Ok(cx.by_id().stream_body(response.id(), each)?)
            })
        }
    })
}

/// Leaves the rest of the body in the kernel, so that the peer has to wait.
///
/// Errors: those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_pause(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe { with(loop_, |_, cx| Ok(cx.by_id().pause_body(response.id())?)) })
}

/// Goes on reading the body.
///
/// Errors: those of every call for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_resume(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    run(|| unsafe { with(loop_, |_, cx| Ok(cx.by_id().resume_body(response.id())?)) })
}
