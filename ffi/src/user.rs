//! What callers keep beside their callbacks.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// Destroys what a `user` pointer points to. It is called exactly once for each registration, on
/// whatever thread lets go of it last, also when the registration is refused; NULL is no need for
/// it. Calls to this library from within it for a loop may be refused with KEIRIN_ERR_REENTRANT.
pub type keirin_drop_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// A pointer of the caller's, and what destroys it.
pub(crate) struct User {
    pointer: *mut c_void,
    destroy: keirin_drop_fn,
}

// SAFETY: it is not looked into. That what it points to can be used on the threads where its
// callbacks run, and destroyed on any of them, is what the interface asks of the caller.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    pub(crate) fn new(pointer: *mut c_void, destroy: keirin_drop_fn) -> Self {
        Self { pointer, destroy }
    }

    #[inline]
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller has given the two for each other, and this is the only place that
            // calls it, once.
            unsafe { destroy(self.pointer) };
        }
    }
}

/// A pointer of the caller's that can be replaced.
#[derive(Default)]
pub(crate) struct UserCell(Cell<Option<User>>);

impl Drop for UserCell {
    /// Out of the cell first: the destructor may ask what is in it.
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

impl UserCell {
    pub(crate) fn new(user: User) -> Self {
        Self(Cell::new(Some(user)))
    }

    /// Gives back what was there: dropping it calls into C, which nothing borrowed may live
    /// through.
    pub(crate) fn replace(&self, user: User) -> Option<User> {
        self.0.replace(Some(user))
    }

    #[inline]
    pub(crate) fn pointer(&self) -> *mut c_void {
        let user = self.0.take();
        let pointer = user.as_ref().map_or(ptr::null_mut(), User::pointer);
        self.0.set(user);
        pointer
    }
}
