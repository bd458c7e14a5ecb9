//! Panics of the engine, as the interface shows them: a status for the call, and a loop that is of
//! no use any more but to be freed. An operation of these tests panics where one of the engine's
//! would.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::{from_ref, null, null_mut};

use crate::app::{keirin_app_free, keirin_app_new};
use crate::event_loop::{
    keirin_loop_fd, keirin_loop_free, keirin_loop_is_stopped, keirin_loop_new, keirin_loop_run,
    keirin_loop_set_user, keirin_loop_stop, keirin_loop_turn, keirin_loop_user,
};
use crate::handle::{keirin_loop_t, with};
use crate::remote::{keirin_loop_remote, keirin_remote_defer, keirin_remote_free, keirin_remote_t};
use crate::status::{
    KEIRIN_ERR_NULL, KEIRIN_ERR_PANIC, KEIRIN_ERR_REENTRANT, KEIRIN_ERR_STOPPED, KEIRIN_OK,
    keirin_status_t, run,
};
use crate::task::{keirin_loop_after, keirin_loop_defer};

/// What callbacks and destructors of a test have seen.
#[derive(Default)]
struct Seen {
    statuses: RefCell<Vec<keirin_status_t>>,
    destroyed: Cell<u32>,
}

impl Seen {
    fn user(&self) -> *mut c_void {
        from_ref(self).cast_mut().cast()
    }
}

/// # Safety
/// `user` is from [`Seen::user`], of something that is alive.
unsafe fn seen<'a>(user: *mut c_void) -> &'a Seen {
    // SAFETY: as the caller promises.
    unsafe { &*user.cast::<Seen>() }
}

unsafe extern "C" fn destroy(user: *mut c_void) {
    // SAFETY: every registration of these tests has one.
    let destroyed = unsafe { &seen(user).destroyed };
    destroyed.set(destroyed.get() + 1);
}

/// A function of the interface whose operation panics.
unsafe fn keirin_panic(loop_: *mut keirin_loop_t) -> keirin_status_t {
    // SAFETY: as the caller promises.
    run(|| unsafe {
        with(loop_, |_, _| -> crate::status::Outcome {
            panic!("on purpose")
        })
    })
}

/// Panics in an operation, and notes what that and the calls behind it come to.
unsafe extern "C" fn panic_within(user: *mut c_void, loop_: *mut keirin_loop_t) {
    // SAFETY: the loop is that of the callback, and the registration has a `Seen`.
    unsafe {
        let statuses = [
            keirin_panic(loop_),
            keirin_panic(loop_),
            keirin_loop_defer(loop_, Some(note), user, Some(destroy)),
            keirin_loop_stop(loop_, 0),
            keirin_loop_turn(loop_, 0),
            keirin_loop_free(loop_),
        ];
        seen(user).statuses.borrow_mut().extend(statuses);
    }
}

/// Notes what a call comes to.
unsafe extern "C" fn note(user: *mut c_void, loop_: *mut keirin_loop_t) {
    // SAFETY: as in `panic_within`.
    unsafe {
        let status = keirin_loop_defer(loop_, None, user, Some(destroy));
        let other = keirin_loop_stop(loop_, 0);
        seen(user).statuses.borrow_mut().extend([status, other]);
    }
}

fn new_loop() -> *mut keirin_loop_t {
    let mut made = null_mut();
    // SAFETY: the app is freed after its last use.
    unsafe {
        let app = keirin_app_new();
        assert_eq!(keirin_loop_new(app, null(), &raw mut made), KEIRIN_OK);
        keirin_app_free(app);
    }
    made
}

/// Everything is refused, and the loop can be freed.
///
/// # Safety
/// `loop_` is alive, and not used afterwards.
unsafe fn check_poisoned(loop_: *mut keirin_loop_t, seen: &Seen) {
    let destroy = Some(destroy as unsafe extern "C" fn(*mut c_void));
    let before = seen.destroyed.get();
    // SAFETY: as the caller promises.
    unsafe {
        assert_eq!(keirin_loop_turn(loop_, 0), KEIRIN_ERR_PANIC);
        assert_eq!(keirin_loop_run(loop_), KEIRIN_ERR_PANIC);
        assert_eq!(keirin_loop_stop(loop_, 0), KEIRIN_ERR_PANIC);
        let user = seen.user();
        assert_eq!(keirin_loop_set_user(loop_, user, destroy), KEIRIN_ERR_PANIC);
        assert_eq!(
            keirin_loop_defer(loop_, Some(note), user, destroy),
            KEIRIN_ERR_PANIC
        );
        assert_eq!(keirin_loop_fd(loop_), -1);
        assert!(!keirin_loop_is_stopped(loop_));
        assert!(keirin_loop_user(loop_).is_null());
        assert_eq!(seen.destroyed.get(), before + 2, "of what was refused");
        assert_eq!(keirin_loop_free(loop_), KEIRIN_OK);
    }
}

#[test]
fn a_panic_between_turns_is_a_status() {
    let (loop_, seen) = (new_loop(), Seen::default());
    let destroy = Some(destroy as unsafe extern "C" fn(*mut c_void));
    // SAFETY: the loop is alive until it is freed, last.
    unsafe {
        let armed = keirin_loop_after(loop_, 1 << 40, Some(note), seen.user(), destroy, null_mut());
        assert_eq!(armed, KEIRIN_OK);
        assert_eq!(keirin_loop_set_user(loop_, seen.user(), destroy), KEIRIN_OK);
        assert_eq!(keirin_panic(loop_), KEIRIN_ERR_PANIC);
        check_poisoned(loop_, &seen);
    }
    assert_eq!(
        seen.destroyed.get(),
        4,
        "the timer's and the loop's own are too"
    );
    assert_eq!(*seen.statuses.borrow(), []);
}

#[test]
fn a_panic_within_a_callback_is_a_status_there_and_of_the_turn() {
    for turns in [true, false] {
        let (loop_, seen) = (new_loop(), Seen::default());
        let mut remote: *mut keirin_remote_t = null_mut();
        let destroy = Some(destroy as unsafe extern "C" fn(*mut c_void));
        // SAFETY: the loop is alive until it is freed, and the way in too.
        unsafe {
            assert_eq!(keirin_loop_remote(loop_, &raw mut remote), KEIRIN_OK);
            for task in [panic_within as unsafe extern "C" fn(_, _), note] {
                let user = seen.user();
                let deferred = keirin_remote_defer(remote, 0, Some(task), user, destroy);
                assert_eq!(deferred, KEIRIN_OK);
            }
            let status = if turns {
                keirin_loop_turn(loop_, 0)
            } else {
                // It was not asked to stop, and ends all the same.
                keirin_loop_run(loop_)
            };
            assert_eq!(status, KEIRIN_ERR_PANIC);
            check_poisoned(loop_, &seen);
            let deferred = keirin_remote_defer(remote, 0, Some(note), seen.user(), destroy);
            assert_eq!(deferred, KEIRIN_ERR_STOPPED);
            keirin_remote_free(remote);
        }
        let mut wanted = vec![KEIRIN_ERR_PANIC; 5];
        // To free it is what may be tried, but not there.
        wanted.extend([KEIRIN_ERR_REENTRANT, KEIRIN_ERR_NULL, KEIRIN_ERR_PANIC]);
        assert_eq!(*seen.statuses.borrow(), wanted);
        assert_eq!(
            seen.destroyed.get(),
            7,
            "two tasks, two refused within, three outside"
        );
    }
}

#[test]
fn a_panic_of_an_entry_is_told_to_what_runs_at_its_end() {
    let (loop_, seen) = (new_loop(), Seen::default());
    let destroy = Some(destroy as unsafe extern "C" fn(*mut c_void));
    // SAFETY: the loop is alive until it is freed, last.
    let status = run(|| unsafe {
        with(loop_, |_, cx| -> crate::status::Outcome {
            let user = crate::user::User::new(seen.user(), destroy);
            cx.defer(crate::task::task(Some(note), user)?);
            panic!("on purpose")
        })
    });
    assert_eq!(status, KEIRIN_ERR_PANIC);
    assert_eq!(*seen.statuses.borrow(), [KEIRIN_ERR_NULL, KEIRIN_ERR_PANIC]);
    // SAFETY: as above.
    unsafe { check_poisoned(loop_, &seen) };
}

#[test]
fn a_panic_of_a_turn_is_a_status() {
    let (loop_, seen) = (new_loop(), Seen::default());
    // SAFETY: the loop is alive until it is freed, last.
    unsafe {
        let turn = |_: &mut _| -> () { panic!("on purpose") };
        assert_eq!(
            run(|| Ok((*loop_).guarded.exclusive(turn)?)),
            KEIRIN_ERR_PANIC
        );
        check_poisoned(loop_, &seen);
    }
}
