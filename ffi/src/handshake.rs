//! Opening handshakes of WebSockets (RFC 6455 section 4.2).

use std::ffi::{c_char, c_void};

use keirin::{Handshake, OriginPolicy};

use crate::arguments::{
    c_text, free, give, keirin_bytes_t, output, reference, reference_mut, set_optional, text,
};
use crate::behaviour::SocketData;
use crate::handle::{keirin_loop_t, with};
use crate::request::keirin_request_t;
use crate::response::keirin_response_t;
use crate::status::{
    KEIRIN_ERR_HANDSHAKE, KEIRIN_ERR_NOT_FOUND, KEIRIN_ERR_NULL, KEIRIN_ERR_ORIGIN, Refused,
    keirin_status_t, run, value,
};
use crate::user::{User, UserCell, keirin_drop_fn};
use crate::websocket::{keirin_sockets_t, keirin_ws_t};

/// A valid request for a WebSocket. It is a value of its own, so that the answer can wait: for a
/// look at a session store, say. It may be used on one thread at a time.
pub struct keirin_handshake_t {
    handshake: Handshake,
}

/// Checks whether a request is one for a WebSocket that can be agreed to. The result is freed with
/// keirin_handshake_free(), unless keirin_response_upgrade() takes it.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_HANDSHAKE, KEIRIN_ERR_NOT_FOUND for a clone, which cannot
/// tell.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_handshake(
    request: *const keirin_request_t,
    handshake: *mut *mut keirin_handshake_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (request, out) = unsafe { (reference(request)?, output(handshake)?) };
        let handshake = request.handshake()?;
        let handshake = handshake.map_err(|_| Refused(KEIRIN_ERR_HANDSHAKE))?;
        out.set(give(keirin_handshake_t { handshake }));
        Ok(())
    })
}

/// Frees a handshake that was not used. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_handshake_free(handshake: *mut keirin_handshake_t) {
    // SAFETY: as the header asks.
    value((), || unsafe { free(handshake) });
}

/// The subprotocol at an index, from 0, that the client offers, its favourite first. Absent behind
/// the last, and for NULL. Valid until the handshake is freed or used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_handshake_protocol_at(
    handshake: *const keirin_handshake_t,
    index: usize,
) -> keirin_bytes_t {
    value(keirin_bytes_t::ABSENT, || {
        // SAFETY: as the header asks.
        let Ok(handshake) = (unsafe { reference(handshake) }) else {
            return keirin_bytes_t::ABSENT;
        };
        let protocol = handshake.handshake.protocols().nth(index);
        protocol.map(str::as_bytes).into()
    })
}

/// Chooses one of the subprotocols on offer. Without a choice the socket has none.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_NOT_FOUND when it is not on offer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_handshake_choose(
    handshake: *mut keirin_handshake_t,
    protocol: *const c_void,
    length: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (handshake, protocol) = unsafe { (reference_mut(handshake)?, text(protocol, length)?) };
        let offered = handshake.handshake.choose(protocol);
        offered.then_some(()).ok_or(Refused(KEIRIN_ERR_NOT_FOUND))
    })
}

/// The origin of the page that opens the socket. Browsers always say it, and do not let the page
/// choose; absent for clients that do not, and for NULL. Valid until the handshake is freed or
/// used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_handshake_origin(
    handshake: *const keirin_handshake_t,
) -> keirin_bytes_t {
    value(keirin_bytes_t::ABSENT, || {
        // SAFETY: as the header asks.
        let handshake = unsafe { reference(handshake) };
        handshake.map_or(keirin_bytes_t::ABSENT, |handshake| {
            handshake.handshake.origin().into()
        })
    })
}

/// Whether the origin may open a socket: one from the same host may, those in `origins` may, each
/// written as in "https://example.com:8443", and clients that have none. `origins` may be NULL if
/// there are none. Browsers have no rule of their own against foreign pages that open sockets.
///
/// Errors: KEIRIN_ERR_ORIGIN when it may not, KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_handshake_check_origin(
    handshake: *const keirin_handshake_t,
    origins: *const *const c_char,
    count: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let handshake = unsafe { reference(handshake) }?;
        if handshake.handshake.is_allowed(&OriginPolicy::SameHost) {
            return Ok(());
        }
        if count > 0 && origins.is_null() {
            return Err(Refused(KEIRIN_ERR_NULL));
        }
        let mut listed: Vec<Box<str>> = Vec::new();
        for index in 0..count {
            // SAFETY: as the header asks: there are `count` of them.
            listed.push(unsafe { c_text(*origins.add(index)) }?.into());
        }
        let allowed = handshake.handshake.is_allowed(&OriginPolicy::List(listed));
        allowed.then_some(()).ok_or(Refused(KEIRIN_ERR_ORIGIN))
    })
}

/// Answers 101, with the headers that were added so far, and makes the connection a WebSocket of
/// the kind `sockets`. Its open handler is called after the present callback. The handshake is
/// freed, whatever the outcome. `socket_user` is what keirin_ws_user() gives for the socket; it is
/// destroyed after the close handler. The socket is named in `*ws`, which may be NULL.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_NOT_FOUND for an unknown kind, those of every call for an
/// answer; KEIRIN_ERR_ALREADY_BEGUN, which closes the connection; and with another answer in place
/// of the 101, KEIRIN_ERR_ALREADY_ENDED: 400 for a malformed offer of extensions, 503 when the
/// server is stopping, 500 for a body that was not read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_response_upgrade(
    loop_: *mut keirin_loop_t,
    response: keirin_response_t,
    sockets: keirin_sockets_t,
    handshake: *mut keirin_handshake_t,
    socket_user: *mut c_void,
    drop_socket_user: keirin_drop_fn,
    ws: *mut keirin_ws_t,
) -> keirin_status_t {
    let user = User::new(socket_user, drop_socket_user);
    run(|| {
        if handshake.is_null() {
            return Err(Refused(KEIRIN_ERR_NULL));
        }
        // SAFETY: as the header asks, it came from `give`, and the caller has given it up.
        let handshake = unsafe { Box::from_raw(handshake) }.handshake;
        let data = SocketData(UserCell::new(user));
        // SAFETY: as the header asks.
        unsafe {
            // Looked up beforehand: nothing that is refused may drop the data within the engine.
            let kind = with(loop_, |_, cx| {
                let kind = cx.by_id().sockets(sockets.index);
                kind.ok_or(Refused(KEIRIN_ERR_NOT_FOUND))
            })?;
            let id = with(loop_, |_, cx| {
                Ok(cx.by_id().upgrade(response.id(), kind, handshake, data)?)
            })?;
            set_optional(ws, id.into());
        }
        Ok(())
    })
}
