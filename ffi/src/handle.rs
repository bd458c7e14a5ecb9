//! A loop's handle: what C holds of it, over the guarded core that all bindings share.

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

use keirin::{Cx, SocketId};
use keirin_guard::{Guarded, Refusal, Settle};

use crate::arguments::reference;
use crate::behaviour::SocketData;
use crate::status::{
    KEIRIN_ERR_PANIC, KEIRIN_ERR_REENTRANT, KEIRIN_ERR_WRONG_THREAD, Outcome, Refused,
};
use crate::user::UserCell;

/// What callbacks of the engine are given.
pub(crate) type Context<'a> = Cx<'a, Worker>;

/// What each worker keeps: the way back to its handle.
pub(crate) struct Worker(Rc<keirin_loop_t>);

impl Worker {
    pub(crate) fn new(handle: &Rc<keirin_loop_t>) -> Self {
        Self(Rc::clone(handle))
    }
}

/// One event loop, with its connections, on one thread.
pub struct keirin_loop_t {
    pub(crate) guarded: Guarded<Worker>,
    /// The socket whose handler that is, and its data, which is out of the engine meanwhile.
    own_socket: Cell<Option<(SocketId, *const SocketData)>>,
    /// What the program keeps for this loop.
    pub(crate) user: UserCell,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(match refusal {
            Refusal::WrongThread => KEIRIN_ERR_WRONG_THREAD,
            Refusal::Reentrant => KEIRIN_ERR_REENTRANT,
            Refusal::Panicked => KEIRIN_ERR_PANIC,
        })
    }
}

impl keirin_loop_t {
    /// The handle of a loop on this thread.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            guarded: Guarded::default(),
            own_socket: Cell::new(None),
            user: UserCell::default(),
        })
    }

    /// The data of the socket whose handler runs, if that is this one.
    pub(crate) fn own_socket(&self, id: SocketId) -> Option<&SocketData> {
        let (own, data) = self.own_socket.get()?;
        // SAFETY: the frame that has put it there, in `call_socket`, waits for us to return, and
        // borrows the data for as long.
        (own == id).then(|| unsafe { &*data })
    }
}

/// Carries out an operation on the loop's state: for C, from within a callback or between turns.
///
/// # Safety
/// As [`reference`].
#[inline]
pub(crate) unsafe fn with<R>(
    pointer: *const keirin_loop_t,
    operation: impl FnOnce(&keirin_loop_t, &mut Context<'_>) -> Outcome<R>,
) -> Outcome<R> {
    // SAFETY: as the caller promises.
    let handle = unsafe { reference(pointer) }?;
    handle
        .guarded
        .with(Settle::Now, |cx| operation(handle, cx))?
}

/// Calls into C, with the handle for it to call back with.
#[inline]
pub(crate) fn call<R>(cx: &mut Context<'_>, callback: impl FnOnce(*mut keirin_loop_t) -> R) -> R {
    let handle = Rc::as_ptr(&cx.state().0);
    // SAFETY: the worker's state, which runs us, keeps a count of the handle.
    let shared = unsafe { &*handle };
    shared.guarded.lend(cx, || callback(handle.cast_mut()))
}

/// The same for a handler of a socket, whose data the engine has lent to it.
#[inline]
pub(crate) fn call_socket<R>(
    cx: &mut Context<'_>,
    id: SocketId,
    data: &SocketData,
    callback: impl FnOnce(*mut keirin_loop_t) -> R,
) -> R {
    call(cx, |handle| {
        // SAFETY: as in `call`.
        let own_socket = unsafe { &(*handle).own_socket };
        own_socket.set(Some((id, ptr::from_ref(data))));
        let result = callback(handle);
        own_socket.set(None);
        result
    })
}
