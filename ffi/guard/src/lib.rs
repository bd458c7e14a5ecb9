//! How calls from another language reach the engine: the one place where a reference becomes a
//! pointer and back, for the C interface and the Node addon alike.
//!
//! The engine hands `&mut` to its state to exactly one callback at a time, and no operation on the
//! state runs user code (AI-1 in ARCHITECTURE.md). So the frame that runs a callback of the other
//! language's leaves a pointer to its context in the loop's [`Guarded`] for that time, and calls
//! that are made from within reborrow it: the frame does not touch the context until the callback
//! returns, and the operation cannot lead to a third borrow.

use std::cell::{Cell, UnsafeCell};
use std::ptr;

use keirin::{Cx, EventLoop};

/// Why a call did not reach the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was made on another thread than the loop's.
    WrongThread,
    /// It was made from within a callback or a destructor, where it cannot be.
    Reentrant,
    /// The engine has panicked: nothing is known of its state.
    Panicked,
}

/// When what a call from outside has caused is seen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Before the call returns: callbacks may run within it.
    Now,
    /// When the caller's loop comes to it, with [`EventLoop::settle`] or a turn.
    Later,
}

/// One event loop that calls of another language share with its callbacks.
pub struct Guarded<U: 'static> {
    /// The thread that the loop is on. The only field that other threads may look at.
    owner: libc::pthread_t,
    /// The context of the callback that runs, or NULL.
    active: Cell<*mut Cx<'static, U>>,
    /// The loop, unless a server runs it.
    event_loop: UnsafeCell<Option<EventLoop<U>>>,
    /// A frame further up uses `event_loop`.
    entered: Cell<bool>,
    /// A panic of the engine was caught.
    poisoned: Cell<bool>,
}

impl<U: 'static> Default for Guarded<U> {
    /// One for a loop on this thread, which it is given with [`adopt`](Self::adopt) or which a
    /// server runs.
    fn default() -> Self {
        Self {
            owner: this_thread(),
            active: Cell::new(ptr::null_mut()),
            event_loop: UnsafeCell::new(None),
            entered: Cell::new(false),
            poisoned: Cell::new(false),
        }
    }
}

impl<U: 'static> Guarded<U> {
    /// Gives it its loop.
    ///
    /// # Errors
    /// It is in use already: the loop is dropped.
    pub fn adopt(&self, event_loop: EventLoop<U>) -> Result<(), Refusal> {
        if self.owner != this_thread() {
            return Err(Refusal::WrongThread);
        }
        if self.entered.get() || !self.active.get().is_null() {
            return Err(Refusal::Reentrant);
        }
        // SAFETY: this is the loop's thread, and no frame of it has borrowed what is in the cell.
        let before = unsafe { (*self.event_loop.get()).replace(event_loop) };
        debug_assert!(before.is_none(), "one loop each");
        Ok(())
    }

    /// Refuses a call on another thread, and after a panic.
    #[inline]
    pub fn check_thread(&self) -> Result<(), Refusal> {
        if self.owner != this_thread() {
            return Err(Refusal::WrongThread);
        }
        if self.poisoned.get() {
            return Err(Refusal::Panicked);
        }
        Ok(())
    }

    /// Whether a callback runs, or the loop is in use otherwise.
    pub fn is_entered(&self) -> bool {
        self.entered.get() || !self.active.get().is_null()
    }

    /// The loop itself, when nothing of it runs.
    ///
    /// # Errors
    /// [`Refusal`] says why it cannot be had.
    pub fn exclusive<R>(&self, f: impl FnOnce(&mut EventLoop<U>) -> R) -> Result<R, Refusal> {
        /// Whatever way the frame is left by, the next one may enter.
        struct Leave<'a, U: 'static>(&'a Guarded<U>);
        impl<U> Drop for Leave<'_, U> {
            fn drop(&mut self) {
                self.0.entered.set(false);
                if std::thread::panicking() {
                    self.0.poisoned.set(true);
                }
            }
        }
        self.check_thread()?;
        if self.entered.get() {
            return Err(Refusal::Reentrant);
        }
        self.entered.set(true);
        let _leave = Leave(self);
        // SAFETY: this is the loop's thread, and `entered` was not set: no other frame has borrowed
        // what is in the cell, nor will before `_leave` is dropped.
        let event_loop = unsafe { &mut *self.event_loop.get() };
        let result = match event_loop {
            Some(event_loop) => f(event_loop),
            None => return Err(Refusal::Reentrant),
        };
        // An operation within a callback may have panicked, which only its caller was told.
        self.check_thread().map(|()| result)
    }

    /// Takes the loop out to be dropped, when nothing of it runs, and no server runs it.
    ///
    /// # Errors
    /// As [`exclusive`](Self::exclusive), but that a loop that has panicked can be taken.
    pub fn take(&self) -> Result<EventLoop<U>, Refusal> {
        if self.owner != this_thread() {
            return Err(Refusal::WrongThread);
        }
        if self.is_entered() {
            return Err(Refusal::Reentrant);
        }
        // SAFETY: as in `exclusive`; the reference ends with this statement.
        unsafe { (*self.event_loop.get()).take() }.ok_or(Refusal::Reentrant)
    }

    /// Carries out an operation on the loop's state: from within a callback or between turns.
    ///
    /// # Errors
    /// As [`exclusive`](Self::exclusive).
    #[inline]
    pub fn with<R>(
        &self,
        settle: Settle,
        operation: impl FnOnce(&mut Cx<'_, U>) -> R,
    ) -> Result<R, Refusal> {
        self.check_thread()?;
        let active = self.active.get();
        if active.is_null() {
            return self.enter(settle, operation);
        }
        // Set for as long as the operation takes, and for ever if it panics.
        self.poisoned.set(true);
        // SAFETY: `lend` has put it there, in a frame of this thread that waits for a callback to
        // return, which is further up than we are. That frame does not use its context until then,
        // and the operation does not run user code, so that this is the only use of it.
        let result = operation(unsafe { &mut *active });
        self.poisoned.set(false);
        Ok(result)
    }

    /// The same between turns.
    #[cold]
    fn enter<R>(
        &self,
        settle: Settle,
        operation: impl FnOnce(&mut Cx<'_, U>) -> R,
    ) -> Result<R, Refusal> {
        let operation = |cx: &mut Cx<'_, U>| {
            // As in `with`: what runs before the loop is left finds it out too.
            self.poisoned.set(true);
            let result = operation(cx);
            self.poisoned.set(false);
            result
        };
        let result = self.exclusive(|event_loop| match settle {
            Settle::Now => event_loop.enter(operation),
            Settle::Later => event_loop.enter_unsettled(operation),
        })?;
        result.ok_or(Refusal::Panicked)
    }

    /// Lends the context to `callback`, which calls into the other language, for calls that come
    /// back from there.
    #[inline]
    pub fn lend<R>(&self, cx: &mut Cx<'_, U>, callback: impl FnOnce() -> R) -> R {
        /// The pointer is forgotten before `cx` ends, whatever way the frame is left by.
        struct Forget<'a, U: 'static>(&'a Cell<*mut Cx<'static, U>>);
        impl<U> Drop for Forget<'_, U> {
            fn drop(&mut self) {
                self.0.set(ptr::null_mut());
            }
        }
        debug_assert!(self.active.get().is_null(), "AI-1: one callback at a time");
        // The lifetime is only erased.
        self.active.set(ptr::from_mut(cx).cast());
        let _forget = Forget(&self.active);
        callback()
    }
}

#[inline]
fn this_thread() -> libc::pthread_t {
    // SAFETY: it has no preconditions.
    unsafe { libc::pthread_self() }
}
