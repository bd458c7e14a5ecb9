//! How calls from C reach the engine: the one place where a reference becomes a pointer and back.
//!
//! The engine hands `&mut` to its state to exactly one callback at a time, and no operation on the
//! state runs user code (AI-1 in ARCHITECTURE.md). So the frame that runs a callback of C's leaves
//! a pointer to its context in the loop's handle for that time, and calls that C makes from within
//! reborrow it: the frame does not touch the context until the callback returns, and the operation
//! cannot lead to a third borrow.

use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::rc::Rc;

use keirin::{Cx, EventLoop, SocketId};

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
    /// The thread that the loop is on. The only field that other threads may look at.
    owner: libc::pthread_t,
    /// The context of the callback that runs, or NULL.
    active: Cell<*mut Context<'static>>,
    /// The socket whose handler that is, and its data, which is out of the engine meanwhile.
    own_socket: Cell<Option<(SocketId, *const SocketData)>>,
    /// The loop, unless a server runs it.
    event_loop: UnsafeCell<Option<EventLoop<Worker>>>,
    /// A frame further up uses `event_loop`.
    entered: Cell<bool>,
    /// A panic of the engine was caught: nothing is known of its state.
    poisoned: Cell<bool>,
    /// What the program keeps for this loop.
    pub(crate) user: UserCell,
}

impl keirin_loop_t {
    /// The handle of a loop on this thread.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            owner: this_thread(),
            active: Cell::new(ptr::null_mut()),
            own_socket: Cell::new(None),
            event_loop: UnsafeCell::new(None),
            entered: Cell::new(false),
            poisoned: Cell::new(false),
            user: UserCell::default(),
        })
    }

    /// Gives the handle its loop; it is given none that a server runs.
    pub(crate) fn adopt(&self, event_loop: EventLoop<Worker>) {
        // SAFETY: nobody but its maker knows the handle yet, so `event_loop` is not borrowed.
        unsafe { *self.event_loop.get() = Some(event_loop) };
    }

    /// Refuses a call on another thread.
    #[inline]
    pub(crate) fn check_thread(&self) -> Outcome {
        if self.owner != this_thread() {
            return Err(Refused(KEIRIN_ERR_WRONG_THREAD));
        }
        if self.poisoned.get() {
            return Err(Refused(KEIRIN_ERR_PANIC));
        }
        Ok(())
    }

    /// The loop itself, when nothing of it runs.
    pub(crate) fn exclusive<R>(&self, f: impl FnOnce(&mut EventLoop<Worker>) -> R) -> Outcome<R> {
        /// Whatever way the frame is left by, the next one may enter.
        struct Leave<'a>(&'a keirin_loop_t);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.entered.set(false);
                if std::thread::panicking() {
                    self.0.poisoned.set(true);
                }
            }
        }
        self.check_thread()?;
        if self.entered.get() {
            return Err(Refused(KEIRIN_ERR_REENTRANT));
        }
        self.entered.set(true);
        let _leave = Leave(self);
        // SAFETY: this is the loop's thread, and `entered` was not set: no other frame has borrowed
        // what is in the cell, nor will before `_leave` is dropped.
        let event_loop = unsafe { &mut *self.event_loop.get() };
        let result = match event_loop {
            Some(event_loop) => f(event_loop),
            None => return Err(Refused(KEIRIN_ERR_REENTRANT)),
        };
        // An operation within a callback may have panicked, which only its caller was told.
        self.check_thread().map(|()| result)
    }

    /// Takes the loop out to be dropped, when nothing of it runs, and no server runs it.
    pub(crate) fn take(&self) -> Outcome<EventLoop<Worker>> {
        if self.owner != this_thread() {
            return Err(Refused(KEIRIN_ERR_WRONG_THREAD));
        }
        if self.entered.get() || !self.active.get().is_null() {
            return Err(Refused(KEIRIN_ERR_REENTRANT));
        }
        // SAFETY: as in `exclusive`; the reference ends with this statement.
        unsafe { (*self.event_loop.get()).take() }.ok_or(Refused(KEIRIN_ERR_REENTRANT))
    }

    /// The data of the socket whose handler runs, if that is this one.
    pub(crate) fn own_socket(&self, id: SocketId) -> Option<&SocketData> {
        let (own, data) = self.own_socket.get()?;
        // SAFETY: the frame that has put it there, in `call_socket`, waits for us to return, and
        // borrows the data for as long.
        (own == id).then(|| unsafe { &*data })
    }
}

#[inline]
fn this_thread() -> libc::pthread_t {
    // SAFETY: it has no preconditions.
    unsafe { libc::pthread_self() }
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
    handle.check_thread()?;
    let active = handle.active.get();
    if active.is_null() {
        return enter(handle, operation);
    }
    // Set for as long as the operation takes, and for ever if it panics.
    handle.poisoned.set(true);
    // SAFETY: `call` has put it there, in a frame of this thread that waits for a callback to
    // return, which is further up than we are. That frame does not use its context until then, and
    // the operation does not run user code, so that this is the only use of it.
    let result = operation(handle, unsafe { &mut *active });
    handle.poisoned.set(false);
    result
}

/// The same between turns. What the operation has caused is seen to before this returns.
#[cold]
fn enter<R>(
    handle: &keirin_loop_t,
    operation: impl FnOnce(&keirin_loop_t, &mut Context<'_>) -> Outcome<R>,
) -> Outcome<R> {
    let result = handle.exclusive(|event_loop| {
        event_loop.enter(|cx| {
            // As in `with`: what runs before the loop is left finds it out too.
            handle.poisoned.set(true);
            let result = operation(handle, cx);
            handle.poisoned.set(false);
            result
        })
    })?;
    result.unwrap_or(Err(Refused(KEIRIN_ERR_PANIC)))
}

/// Calls into C, with the handle for it to call back with.
#[inline]
pub(crate) fn call<R>(cx: &mut Context<'_>, callback: impl FnOnce(*mut keirin_loop_t) -> R) -> R {
    let handle = Rc::as_ptr(&cx.state().0);
    // SAFETY: the worker's state, which runs us, keeps a count of the handle.
    let shared = unsafe { &*handle };
    debug_assert!(
        shared.active.get().is_null(),
        "AI-1: one callback at a time"
    );
    // The lifetime is only erased: the pointer is forgotten before `cx` ends.
    shared.active.set(ptr::from_mut(cx).cast());
    let result = callback(handle.cast_mut());
    shared.active.set(ptr::null_mut());
    result
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
