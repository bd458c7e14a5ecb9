//! What a call says of itself.

use std::cell::Cell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use keirin::{Error, Misuse, RemoteError, Sent};

/// How a call has ended: 0 or more when it was carried out, negative when it was refused. A call
/// that is refused changes nothing, but where its documentation says otherwise. The numbers do not
/// change their meaning, and none is used again.
pub type keirin_status_t = i32;

/// Done. For what was sent: the kernel has it, or will have when the callback returns.
pub const KEIRIN_OK: keirin_status_t = 0;
/// Done; part of it waits in memory, because the peer does not read as fast.
pub const KEIRIN_QUEUED: keirin_status_t = 1;
/// The message was dropped, because too much waits for a peer that does not read.
pub const KEIRIN_DROPPED: keirin_status_t = 2;
/// keirin_response_try_end has given the kernel all that it was given; the rest of the answer is
/// still to come.
pub const KEIRIN_MORE: keirin_status_t = 3;
/// keirin_response_try_end has given the kernel a part of what it was given.
pub const KEIRIN_BLOCKED: keirin_status_t = 4;

/// A pointer that must not be NULL is.
pub const KEIRIN_ERR_NULL: keirin_status_t = -1;
/// The call was made on another thread than the loop's.
pub const KEIRIN_ERR_WRONG_THREAD: keirin_status_t = -2;
/// The call cannot be made from within a callback, or from within a destructor.
pub const KEIRIN_ERR_REENTRANT: keirin_status_t = -3;
/// The library is at fault. The loop that it was called for cannot be used any more, but to be
/// freed.
pub const KEIRIN_ERR_PANIC: keirin_status_t = -4;
/// The id names nothing any more: the peer has left, or the connection is at another request.
pub const KEIRIN_ERR_STALE: keirin_status_t = -5;
/// The answer is complete already.
pub const KEIRIN_ERR_ALREADY_ENDED: keirin_status_t = -6;
/// Part of the answer is on its way, so this can no longer be changed.
pub const KEIRIN_ERR_ALREADY_BEGUN: keirin_status_t = -7;
/// A header name or value that must not be sent.
pub const KEIRIN_ERR_HEADER: keirin_status_t = -8;
/// A status code outside 200 to 599.
pub const KEIRIN_ERR_STATUS: keirin_status_t = -9;
/// The bytes given do not agree with the length announced, or are too many.
pub const KEIRIN_ERR_LENGTH: keirin_status_t = -10;
/// The answer was left to somebody who is not there.
pub const KEIRIN_ERR_LEFT_ALONE: keirin_status_t = -11;
/// Another message, or a piece of another kind, within a message that is sent in fragments.
pub const KEIRIN_ERR_FRAGMENT: keirin_status_t = -12;
/// A topic that is empty or too long, or a malformed pattern.
pub const KEIRIN_ERR_TOPIC: keirin_status_t = -13;
/// A close code that must not be sent (RFC 6455 section 7.4).
pub const KEIRIN_ERR_CLOSE_CODE: keirin_status_t = -14;
/// Text that is not UTF-8.
pub const KEIRIN_ERR_UTF8: keirin_status_t = -15;
/// A number that names no option, counter, kind or the like.
pub const KEIRIN_ERR_ARGUMENT: keirin_status_t = -16;
/// A setting is out of its range: keirin_last_error() names it.
pub const KEIRIN_ERR_CONFIG: keirin_status_t = -17;
/// A malformed method or pattern of a route.
pub const KEIRIN_ERR_ROUTE: keirin_status_t = -18;
/// The address does not parse.
pub const KEIRIN_ERR_ADDRESS: keirin_status_t = -19;
/// The address cannot be listened on; another program may hold it.
pub const KEIRIN_ERR_LISTEN: keirin_status_t = -20;
/// The operating system has refused something: keirin_last_error() says what.
pub const KEIRIN_ERR_IO: keirin_status_t = -21;
/// As many calls as may wait for the worker do: try again later.
pub const KEIRIN_ERR_FULL: keirin_status_t = -22;
/// The worker has stopped, or there is none of this number.
pub const KEIRIN_ERR_STOPPED: keirin_status_t = -23;
/// The request is no valid handshake of a WebSocket: keirin_response_refuse_upgrade() answers it.
pub const KEIRIN_ERR_HANDSHAKE: keirin_status_t = -24;
/// The page that opens the WebSocket comes from an origin that is not allowed.
pub const KEIRIN_ERR_ORIGIN: keirin_status_t = -25;
/// What was asked for is not there.
pub const KEIRIN_ERR_NOT_FOUND: keirin_status_t = -26;
/// What is in the way of the call has not ended: a server that runs, or a loop that has not
/// stopped.
pub const KEIRIN_ERR_BUSY: keirin_status_t = -27;

/// A refusal on its way to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) keirin_status_t);

pub(crate) type Outcome<T = ()> = Result<T, Refused>;

/// Every status, with the text that keirin_status_text() gives.
pub(crate) const TEXTS: [(keirin_status_t, &std::ffi::CStr); 32] = [
    (KEIRIN_OK, c"done"),
    (KEIRIN_QUEUED, c"done, but part of it waits for the peer"),
    (
        KEIRIN_DROPPED,
        c"dropped, because too much waits for the peer",
    ),
    (KEIRIN_MORE, c"the rest of the answer is still to come"),
    (KEIRIN_BLOCKED, c"the kernel took only a part"),
    (KEIRIN_ERR_NULL, c"a pointer is NULL"),
    (
        KEIRIN_ERR_WRONG_THREAD,
        c"called on another thread than the loop's",
    ),
    (
        KEIRIN_ERR_REENTRANT,
        c"called from within a callback or destructor",
    ),
    (KEIRIN_ERR_PANIC, c"an error in the library"),
    (KEIRIN_ERR_STALE, c"the id names nothing any more"),
    (KEIRIN_ERR_ALREADY_ENDED, c"the answer is complete already"),
    (KEIRIN_ERR_ALREADY_BEGUN, c"the answer has begun already"),
    (KEIRIN_ERR_HEADER, c"the header must not be sent"),
    (KEIRIN_ERR_STATUS, c"the status code is out of range"),
    (
        KEIRIN_ERR_LENGTH,
        c"a length does not agree with what was announced, or is too large",
    ),
    (
        KEIRIN_ERR_LEFT_ALONE,
        c"the answer was left to somebody who is not there",
    ),
    (
        KEIRIN_ERR_FRAGMENT,
        c"a message in fragments has not come to its end",
    ),
    (KEIRIN_ERR_TOPIC, c"the topic or pattern is malformed"),
    (KEIRIN_ERR_CLOSE_CODE, c"the close code must not be sent"),
    (KEIRIN_ERR_UTF8, c"the text is not UTF-8"),
    (KEIRIN_ERR_ARGUMENT, c"an argument has no meaning"),
    (KEIRIN_ERR_CONFIG, c"a setting is out of its range"),
    (
        KEIRIN_ERR_ROUTE,
        c"the method or pattern of a route is malformed",
    ),
    (KEIRIN_ERR_ADDRESS, c"the address does not parse"),
    (KEIRIN_ERR_LISTEN, c"the address cannot be listened on"),
    (KEIRIN_ERR_IO, c"the operating system has refused"),
    (KEIRIN_ERR_FULL, c"the worker's inbox is full"),
    (KEIRIN_ERR_STOPPED, c"the worker has stopped"),
    (KEIRIN_ERR_HANDSHAKE, c"no valid handshake of a WebSocket"),
    (KEIRIN_ERR_ORIGIN, c"the origin is not allowed"),
    (KEIRIN_ERR_NOT_FOUND, c"there is no such thing"),
    (KEIRIN_ERR_BUSY, c"in use"),
];

/// A sentence for a status, for a log. Never NULL, and valid for ever.
///
/// May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn keirin_status_text(status: keirin_status_t) -> *const c_char {
    let known = TEXTS.iter().find(|&&(known, _)| known == status);
    known
        .map_or(c"an unknown status", |&(_, text)| text)
        .as_ptr()
}

/// Room for what was refused and why, with a NUL behind it.
const LAST_ERROR_BYTES: usize = 512;

thread_local! {
    /// In place, so that a pointer to it stays good when the text changes.
    static LAST_ERROR: Cell<[u8; LAST_ERROR_BYTES]> = const { Cell::new([0; LAST_ERROR_BYTES]) };
}

/// What keirin_loop_new(), keirin_loop_listen(), keirin_app_route() and others that set something
/// up had to say of the last refusal on this thread: the address, the setting and its range, the
/// operating system's own text. Empty before the first. Never NULL; the next refusal on this thread
/// writes over it, and the thread's end ends it.
///
/// May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn keirin_last_error() -> *const c_char {
    LAST_ERROR.with(|text| text.as_ptr().cast_const().cast())
}

/// Refuses with a text for keirin_last_error().
pub(crate) fn refuse(status: keirin_status_t, text: &str) -> Refused {
    let mut bytes = [0; LAST_ERROR_BYTES];
    let end = text.floor_char_boundary(LAST_ERROR_BYTES - 1);
    bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
    LAST_ERROR.set(bytes);
    Refused(status)
}

impl From<Misuse> for Refused {
    fn from(misuse: Misuse) -> Self {
        Self(match misuse {
            Misuse::Stale => KEIRIN_ERR_STALE,
            Misuse::AlreadyEnded => KEIRIN_ERR_ALREADY_ENDED,
            Misuse::AlreadyBegun => KEIRIN_ERR_ALREADY_BEGUN,
            Misuse::Header => KEIRIN_ERR_HEADER,
            Misuse::Status => KEIRIN_ERR_STATUS,
            Misuse::Length => KEIRIN_ERR_LENGTH,
            Misuse::LeftAlone => KEIRIN_ERR_LEFT_ALONE,
            Misuse::Fragment => KEIRIN_ERR_FRAGMENT,
            Misuse::Topic => KEIRIN_ERR_TOPIC,
            Misuse::CloseCode => KEIRIN_ERR_CLOSE_CODE,
            _ => KEIRIN_ERR_ARGUMENT,
        })
    }
}

impl From<RemoteError> for Refused {
    fn from(error: RemoteError) -> Self {
        Self(match error {
            RemoteError::Full => KEIRIN_ERR_FULL,
            _ => KEIRIN_ERR_STOPPED,
        })
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Address(_) => KEIRIN_ERR_ADDRESS,
            Error::Listen(..) => KEIRIN_ERR_LISTEN,
            Error::Config { .. } => KEIRIN_ERR_CONFIG,
            Error::Route(_) => KEIRIN_ERR_ROUTE,
            Error::WorkerPanicked => KEIRIN_ERR_PANIC,
            _ => KEIRIN_ERR_IO,
        };
        refuse(status, &error.to_string())
    }
}

/// The status of what was sent.
pub(crate) fn of_sent(sent: Sent) -> keirin_status_t {
    match sent {
        Sent::Sent => KEIRIN_OK,
        Sent::Queued(_) => KEIRIN_QUEUED,
        Sent::Dropped => KEIRIN_DROPPED,
        Sent::Closed => KEIRIN_ERR_STALE,
    }
}

/// The body of a function of the interface that says how it has ended: a panic goes no further.
pub(crate) fn guard(f: impl FnOnce() -> Outcome<keirin_status_t>) -> keirin_status_t {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(status) | Err(Refused(status))) => status,
        Err(_) => KEIRIN_ERR_PANIC,
    }
}

/// The same for one that is done or refused.
pub(crate) fn run(f: impl FnOnce() -> Outcome) -> keirin_status_t {
    guard(|| f().map(|()| KEIRIN_OK))
}

/// The same for one that gives something else back, with what it gives after a panic.
pub(crate) fn value<T>(fallback: T, f: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(fallback)
}
