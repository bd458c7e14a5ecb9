//! Responses, named by the registers. What is refused changes nothing, is counted by the engine,
//! and says why in the status register.

use keirin::{Ended, Handshake, ResponseId, Sent};
use napi_sys as sys;

use crate::addon::{Call, Functions, status};
use crate::events::{Event, tell_response};
use crate::napi::Value;
use crate::numbers::piece;

pub(crate) const FUNCTIONS: Functions = &[
    (c"responseStatus", set_status),
    (c"responseHeader", header),
    (c"responseWrite", write),
    (c"responseEnd", end),
    (c"responseEndWithoutBody", end_without_body),
    (c"responseTryEnd", try_end),
    (c"responseWritten", written),
    (c"responseKeep", keep),
    (c"responseFail", fail),
    (c"responseNext", next),
    (c"responseClose", close),
    (c"responseOnWritable", on_writable),
    (c"responseStream", stream),
    (c"responseCollect", collect),
    (c"responsePause", pause),
    (c"responseResume", resume),
    (c"responseUpgrade", upgrade),
];

/// What became of what was written: all of it is on its way, or some of it waits.
const SENT: i32 = 0;
const QUEUED: i32 = 1;

/// The code, and a reason phrase or none.
unsafe extern "C" fn set_status(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let code = u16::try_from(call.int(0)).unwrap_or(0);
    call.done(call.bytes(1, |reason, _| {
        call.respond(|by_id, id| match reason {
            b"" => by_id.status(id, code).map(|()| 0),
            reason => by_id.status_and_reason(id, code, reason).map(|()| 0),
        })
    }))
}

unsafe extern "C" fn header(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let Some(name) = call.text(0) else {
        return call.done(Err(status::REFUSED_HEADER));
    };
    call.done(call.bytes(1, |value, _| {
        call.respond(|by_id, id| by_id.header(id, &name, value).map(|()| 0))
    }))
}

unsafe extern "C" fn write(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    call.done(call.bytes(0, |bytes, _| {
        call.respond(|by_id, id| match by_id.write(id, bytes)? {
            Sent::Sent => Ok(SENT),
            Sent::Closed => Err(keirin::Misuse::Stale),
            _ => Ok(QUEUED),
        })
    }))
}

/// Body, and whether the connection is to be closed.
unsafe extern "C" fn end(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let closes = call.flag(1);
    call.done(call.bytes(0, |body, _| {
        call.respond(|by_id, id| {
            if closes {
                by_id.close_after(id)?;
            }
            by_id.end_whole(id, body).map(|()| 0)
        })
    }))
}

/// The length that the answer would have, or -1; and whether the connection is to be closed.
unsafe extern "C" fn end_without_body(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let (length, closes) = (call.number(0), call.flag(1));
    call.done(call.respond(|by_id, id| {
        if closes {
            by_id.close_after(id)?;
        }
        if length >= 0.0 {
            // What has begun already has its length.
            let _ = by_id.header(id, "content-length", format!("{length:.0}").as_bytes());
        }
        by_id.end_without_body(id).map(|()| 0)
    }))
}

/// The content from the present offset on, or its beginning, and the length of the whole.
unsafe extern "C" fn try_end(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let total = call.number(1) as u64;
    call.done(call.bytes(0, |rest, _| {
        call.respond(|by_id, id| {
            Ok(match by_id.try_end(id, rest, total)? {
                Ended::Complete => 0,
                Ended::More => 1,
                Ended::Blocked => 2,
            })
        })
    }))
}

unsafe extern "C" fn written(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let written = call.respond(|by_id, id| by_id.written(id));
    call.env.number(written.unwrap_or(0) as f64)
}

/// Keeps the answer for later, and has it told if its peer leaves.
unsafe extern "C" fn keep(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.respond(|by_id, id| {
        by_id.detach(id)?;
        by_id.on_aborted(id, move |cx| {
            tell_response(cx, id, Event::Aborted, [0; 2], None);
        })?;
        Ok(0)
    }))
}

/// Answers 500, or cuts the connection when the answer has begun.
unsafe extern "C" fn fail(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.respond(|by_id, id| by_id.fail(id).map(|()| 0)))
}

unsafe extern "C" fn next(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.respond(|by_id, id| by_id.next(id).map(|()| 0)))
}

unsafe extern "C" fn close(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.respond(|by_id, id| by_id.close_response(id).map(|()| 0)))
}

/// Has it told, once, when the peer has taken what was written.
unsafe extern "C" fn on_writable(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.respond(|by_id, id| {
        by_id.on_writable(id, |cx, id, _written| {
            tell_response(cx, id, Event::Writable, [0; 2], None);
            keep_on(cx, id);
        })?;
        Ok(0)
    }))
}

/// JavaScript's handlers of an answer that was kept may leave it for later again.
fn keep_on(cx: &mut keirin::Cx<'_, crate::embed::Worker>, id: ResponseId) {
    if cx.by_id().is_owed(id) {
        let _ = cx.by_id().detach(id);
    }
}

/// Has every piece of the body told as it arrives.
unsafe extern "C" fn stream(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.respond(|by_id, id| {
        by_id.stream_body(id, |cx, id, piece, last| {
            let kind = if last { piece::LAST } else { piece::MORE };
            tell_response(cx, id, Event::Piece, [kind, 0], Some(piece));
            if last {
                keep_on(cx, id);
            }
        })?;
        Ok(0)
    }))
}

/// Has the body told once it is whole, or that it is longer than the first argument.
unsafe extern "C" fn collect(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let bytes_max = call.number(0) as usize;
    let mut body = Vec::new();
    let mut is_over = false;
    call.done(call.respond(|by_id, id| {
        by_id.stream_body(id, move |cx, id, piece, last| {
            if is_over {
                // It was told; what is left only has to go by.
            } else if piece.len() > bytes_max - body.len() {
                is_over = true;
                body = Vec::new();
                tell_response(cx, id, Event::Piece, [piece::TOO_MUCH, 0], None);
            } else if last && body.is_empty() {
                tell_response(cx, id, Event::Piece, [piece::LAST, 0], Some(piece));
            } else {
                body.extend_from_slice(piece);
                if last {
                    tell_response(cx, id, Event::Piece, [piece::LAST, 0], Some(&body));
                }
            }
            if last {
                keep_on(cx, id);
            }
        })?;
        Ok(0)
    }))
}

unsafe extern "C" fn pause(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.respond(|by_id, id| by_id.pause_body(id).map(|()| 0)))
}

unsafe extern "C" fn resume(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.respond(|by_id, id| by_id.resume_body(id).map(|()| 0)))
}

/// The kind of WebSocket, what the upgrade event came with, the subprotocol, and whether extensions
/// may be agreed to.
unsafe extern "C" fn upgrade(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<4>::new(env, info) };
    let Ok(index) = u16::try_from(call.int(0)) else {
        return call.done(Err(status::REFUSED_OTHER));
    };
    let id = call.response_id();
    // SAFETY: externals of this addon all hold this.
    let offer = unsafe {
        call.env
            .to_external::<(ResponseId, Handshake)>(call.arguments[1])
    };
    let Some((_, handshake)) = offer.filter(|(for_id, _)| *for_id == id) else {
        return call.done(Err(status::REFUSED_OTHER));
    };
    let mut handshake = handshake.clone();
    if let Some(protocol) = call.text(2).filter(|protocol| !protocol.is_empty()) {
        handshake.choose(&protocol);
    }
    if !call.flag(3) {
        handshake.ignore_extensions();
    }
    call.done(call.respond(|by_id, id| {
        let sockets = by_id.sockets::<()>(index).ok_or(keirin::Misuse::Stale)?;
        by_id.upgrade(id, sockets, handshake, ())?;
        Ok(0)
    }))
}
