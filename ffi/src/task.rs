//! Calls for later: deferred, and by a timer.

use std::ffi::c_void;
use std::time::Duration;

use keirin::TimerId;

use crate::arguments::set_optional;
use crate::handle::{Context, call, keirin_loop_t, with};
use crate::status::{
    KEIRIN_ERR_FULL, KEIRIN_ERR_NOT_FOUND, KEIRIN_ERR_NULL, Outcome, Refused, keirin_status_t, run,
};
use crate::user::{User, keirin_drop_fn};

/// Is called on a loop's thread, with the loop.
pub type keirin_task_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, loop_: *mut keirin_loop_t)>;

/// Names a timer. All zeros names none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct keirin_timer_t {
    /// Its number.
    pub id: u64,
}

/// A task as the engine calls it, once.
pub(crate) fn task(
    task: keirin_task_fn,
    user: User,
) -> Outcome<impl FnOnce(&mut Context<'_>) + Send> {
    let task = task.ok_or(Refused(KEIRIN_ERR_NULL))?;
    Ok(move |cx: &mut Context<'_>| {
        // SAFETY: the program has given the two for this.
        call(cx, |handle| unsafe { task(user.pointer(), handle) });
    })
}

/// Calls `deferred` after the present callback, before the loop waits. Between turns it is called
/// before this returns.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_defer(
    loop_: *mut keirin_loop_t,
    deferred: keirin_task_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = User::new(user, drop_user);
    run(|| {
        let task = task(deferred, user)?;
        // SAFETY: as the header asks.
        unsafe {
            with(loop_, |_, cx| {
                cx.defer(task);
                Ok(())
            })
        }
    })
}

/// Calls `expired` once `delay_ms` have passed, counted from when the loop's present turn began.
/// The timer is named in `*timer`, which may be NULL.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_FULL when 2^24 timers are armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_after(
    loop_: *mut keirin_loop_t,
    delay_ms: u64,
    expired: keirin_task_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
    timer: *mut keirin_timer_t,
) -> keirin_status_t {
    let user = User::new(user, drop_user);
    run(|| {
        let task = task(expired, user)?;
        // SAFETY: as the header asks.
        unsafe {
            let armed = with(loop_, |_, cx| {
                let armed = cx.after(Duration::from_millis(delay_ms), task);
                armed.ok_or(Refused(KEIRIN_ERR_FULL))
            })?;
            let id = armed.to_bits();
            set_optional(timer, keirin_timer_t { id });
        }
        Ok(())
    })
}

/// Disarms a timer. What it was given is destroyed after the present callback.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_NOT_FOUND when it has come up
/// already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_cancel(
    loop_: *mut keirin_loop_t,
    timer: keirin_timer_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let found = unsafe { with(loop_, |_, cx| Ok(cx.cancel(TimerId::from_bits(timer.id)))) }?;
        if found {
            Ok(())
        } else {
            Err(Refused(KEIRIN_ERR_NOT_FOUND))
        }
    })
}
