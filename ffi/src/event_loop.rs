//! One loop on the thread that made it: for programs that have a loop of their own, or need no more
//! than one.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use keirin::{EventLoop, ListenAddress};

use crate::app::keirin_app_t;
use crate::arguments::{c_text, output, reference, set_optional};
use crate::config::keirin_config_t;
use crate::handle::{Worker, keirin_loop_t, with};
use crate::status::{KEIRIN_ERR_PANIC, Outcome, Refused, keirin_status_t, run, value};
use crate::user::{User, keirin_drop_fn};

/// Makes a loop of an app, on this thread, which it belongs to from now on. `config` may be NULL
/// for the defaults. It is freed with keirin_loop_free(). The process's limit on open files is left
/// as it is.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_CONFIG, KEIRIN_ERR_IO; keirin_last_error() says more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_new(
    app: *const keirin_app_t,
    config: *const keirin_config_t,
    loop_: *mut *mut keirin_loop_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (app, config, out) = unsafe { (reference(app)?, config.as_ref(), output(loop_)?) };
        let blueprint = app.definition.clone();
        let handle = keirin_loop_t::new();
        let config = keirin_config_t::build(config)?;
        let worker = Worker::new(&handle);
        let mut event_loop = EventLoop::new(config, worker, |app| blueprint.set_up(app))?;
        if let Some(sink) = blueprint.sink() {
            event_loop.on_log(sink);
        }
        handle.guarded.adopt(event_loop)?;
        let started = handle
            .guarded
            .exclusive(|event_loop| event_loop.enter(|cx| blueprint.start(cx)));
        if !matches!(started, Ok(Some(()))) {
            // Handle and loop hold each other.
            drop(handle.guarded.take());
            return Err(Refused(KEIRIN_ERR_PANIC));
        }
        out.set(Rc::into_raw(handle).cast_mut());
        Ok(())
    })
}

/// Frees a loop on its thread. What is open is cut, and nobody is told; keirin_loop_stop() and
/// keirin_loop_run() end it in good order before. NULL is ignored.
///
/// Errors: KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_REENTRANT: it is not freed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_free(loop_: *mut keirin_loop_t) -> keirin_status_t {
    run(|| {
        if loop_.is_null() {
            return Ok(());
        }
        // SAFETY: as the header asks.
        let event_loop = unsafe { reference(loop_) }?.guarded.take()?;
        drop(event_loop);
        // SAFETY: it came from `into_raw` in `keirin_loop_new`, and the caller gives it up: servers
        // do not give theirs to be freed.
        drop(unsafe { Rc::from_raw(loop_.cast_const()) });
        Ok(())
    })
}

/// The loop itself, when nothing of it runs.
///
/// # Safety
/// As the header asks of the pointer.
unsafe fn on<R>(
    loop_: *mut keirin_loop_t,
    f: impl FnOnce(&mut EventLoop<Worker>) -> Outcome<R>,
) -> Outcome<R> {
    // SAFETY: as the caller promises.
    unsafe { reference(loop_) }?.guarded.exclusive(f)?
}

/// Listens on an address: "127.0.0.1:3000", "[::]:3000", "localhost:3000", "unix:PATH",
/// "unix:@NAME". `*port`, which may be NULL, is the port: with 0 the kernel chooses one. May be
/// called several times.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_ADDRESS, KEIRIN_ERR_LISTEN, also when
/// another program holds the port; KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_REENTRANT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_listen(
    loop_: *mut keirin_loop_t,
    address: *const c_char,
    port: *mut u16,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let address = c_text(address)?;
            let bound = on(loop_, |event_loop| Ok(event_loop.listen(address)?))?;
            set_optional(port, port_of(&bound));
        }
        Ok(())
    })
}

/// The port of an address; 0 for a Unix socket.
pub(crate) fn port_of(address: &ListenAddress) -> u16 {
    address.port().unwrap_or(0)
}

/// The loop's file descriptor, which a foreign loop watches for reading; it must not be read from,
/// nor closed. -1 for NULL, on another thread, and within a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_fd(loop_: *mut keirin_loop_t) -> c_int {
    value(-1, || {
        // SAFETY: as the header asks.
        unsafe { on(loop_, |event_loop| Ok(event_loop.as_raw_fd())) }.unwrap_or(-1)
    })
}

/// How many milliseconds a foreign loop may wait for the descriptor before it calls
/// keirin_loop_turn(): -1 is for ever. It may change with every call to this library. 0 for NULL,
/// on another thread, and within a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_next_timeout_ms(loop_: *mut keirin_loop_t) -> i64 {
    value(0, || {
        // SAFETY: as the header asks.
        let timeout = unsafe { on(loop_, |event_loop| Ok(event_loop.next_timeout())) };
        match timeout {
            Ok(Some(timeout)) => i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX),
            Ok(None) => -1,
            Err(_) => 0,
        }
    })
}

/// Waits at most `timeout_ms`, and not beyond keirin_loop_next_timeout_ms(); then does what there
/// is to do, calling handlers. -1 waits for as long as there is nothing; a foreign loop passes 0.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_REENTRANT within a callback,
/// KEIRIN_ERR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_turn(
    loop_: *mut keirin_loop_t,
    timeout_ms: i64,
) -> keirin_status_t {
    run(|| {
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        // SAFETY: as the header asks.
        unsafe { on(loop_, |event_loop| Ok(event_loop.turn(timeout)?)) }
    })
}

/// Runs the loop until a stop is asked for, from a callback or another thread, and everything has
/// ended.
///
/// Errors: as keirin_loop_turn().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_run(loop_: *mut keirin_loop_t) -> keirin_status_t {
    run(|| {
        // Turn by turn, so that a panic of the engine within a callback ends it.
        // SAFETY: as the header asks.
        while !unsafe { on(loop_, |event_loop| Ok(event_loop.is_stopped())) }? {
            // SAFETY: as the header asks.
            unsafe { on(loop_, |event_loop| Ok(event_loop.turn(None)?)) }?;
        }
        Ok(())
    })
}

/// Begins a graceful stop: nothing new is accepted, answers that have begun are completed,
/// WebSockets are closed with KEIRIN_STOP_CLOSE_CODE, and what is not done after `grace_ms` is cut.
/// A server's worker takes the others with it only through keirin_server_stop().
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_stop(
    loop_: *mut keirin_loop_t,
    grace_ms: u64,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let remote = unsafe { with(loop_, |_, cx| Ok(cx.remote())) }?;
        remote.stop(Duration::from_millis(grace_ms));
        Ok(())
    })
}

/// Whether a stop was asked for and everything has ended. False for NULL, on another thread, and
/// within a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_is_stopped(loop_: *mut keirin_loop_t) -> bool {
    value(false, || {
        // SAFETY: as the header asks.
        unsafe { on(loop_, |event_loop| Ok(event_loop.is_stopped())) }.unwrap_or(false)
    })
}

/// The number of the server's worker whose loop it is, from 0; 0 for a loop that stands alone, and
/// where it cannot be told.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_worker(loop_: *mut keirin_loop_t) -> u32 {
    value(0, || {
        // SAFETY: as the header asks.
        unsafe { with(loop_, |_, cx| Ok(cx.worker() as u32)) }.unwrap_or(0)
    })
}

/// What the program keeps for a loop. NULL when it keeps nothing, and on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_user(loop_: *mut keirin_loop_t) -> *mut c_void {
    value(std::ptr::null_mut(), || {
        // SAFETY: as the header asks.
        let handle = unsafe { reference(loop_) };
        match handle.and_then(|handle| Ok(handle.guarded.check_thread().map(|()| handle)?)) {
            Ok(handle) => handle.user.pointer(),
            Err(_) => std::ptr::null_mut(),
        }
    })
}

/// Replaces what the program keeps for a loop; what was kept is destroyed before this returns, and
/// the last with the loop.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_REENTRANT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_set_user(
    loop_: *mut keirin_loop_t,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = User::new(user, drop_user);
    run(|| {
        // SAFETY: as the header asks. What was kept is dropped when nothing is borrowed any more.
        drop(unsafe { with(loop_, |handle, _| Ok(handle.user.replace(user))) }?);
        Ok(())
    })
}
