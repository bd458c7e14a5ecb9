//! A server: a loop for each core.

use std::ffi::c_char;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keirin::{Server, ServerHandle};

use crate::app::keirin_app_t;
use crate::arguments::{c_text, free, give, output, reference, set_optional};
use crate::config::keirin_config_t;
use crate::counters::{keirin_counter_t, pick};
use crate::event_loop::port_of;
use crate::handle::{Worker, keirin_loop_t};
use crate::remote::{To, keirin_remote_t};
use crate::status::{KEIRIN_ERR_BUSY, Outcome, Refused, keirin_status_t, run};

/// A server: one loop for each core, each on a thread of its own. Its functions may be called from
/// any thread, but for keirin_server_free().
pub struct keirin_server_t {
    life: Mutex<Life>,
    handle: ServerHandle<Worker>,
}

enum Life {
    /// It does not run yet.
    Idle(Box<Server<Worker>>),
    Running,
    Ended,
}

impl keirin_server_t {
    fn life(&self) -> MutexGuard<'_, Life> {
        // Nothing in there can be half changed: it is taken out and put back.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a server that does not run yet.
    fn change(&self, f: impl FnOnce(Server<Worker>) -> Server<Worker>) -> Outcome {
        let mut life = self.life();
        match mem::replace(&mut *life, Life::Ended) {
            Life::Idle(server) => {
                *life = Life::Idle(Box::new(f(*server)));
                Ok(())
            }
            other => {
                *life = other;
                Err(Refused(KEIRIN_ERR_BUSY))
            }
        }
    }

    /// Takes the server out to run.
    fn begin(&self) -> Outcome<Server<Worker>> {
        let mut life = self.life();
        match mem::replace(&mut *life, Life::Running) {
            Life::Idle(server) => Ok(*server),
            other => {
                *life = other;
                Err(Refused(KEIRIN_ERR_BUSY))
            }
        }
    }
}

/// Makes a server of an app, with a worker for each core. `config` may be NULL for the defaults. It
/// is freed with keirin_server_free().
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_CONFIG; keirin_last_error() says more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_server_new(
    app: *const keirin_app_t,
    config: *const keirin_config_t,
    server: *mut *mut keirin_server_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (app, config, out) = unsafe { (reference(app)?, config.as_ref(), output(server)?) };
        let config = keirin_config_t::build(config)?;
        let (routes, hooks) = (app.definition.clone(), app.definition.clone());
        let make_worker = |_number| Worker::new(&keirin_loop_t::new());
        let mut server = Server::with_state(make_worker, move |app| routes.set_up(app))
            .config(config)
            .on_start(move |cx| hooks.start(cx));
        if let Some(sink) = app.definition.sink() {
            server = server.on_log(sink);
        }
        let handle = server.handle();
        out.set(give(keirin_server_t {
            life: Mutex::new(Life::Idle(Box::new(server))),
            handle,
        }));
        Ok(())
    })
}

/// Frees a server that does not run, or has ended. NULL is ignored.
///
/// Errors: KEIRIN_ERR_BUSY while keirin_server_run() has not returned: it is not freed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_server_free(server: *mut keirin_server_t) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        if let Ok(server) = unsafe { reference(server) }
            && matches!(*server.life(), Life::Running)
        {
            return Err(Refused(KEIRIN_ERR_BUSY));
        }
        // SAFETY: as the header asks.
        unsafe { free(server) };
        Ok(())
    })
}

/// Sets the number of workers, 1 to 254. What is out of range is found when the server runs.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_BUSY once it runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_server_set_workers(
    server: *mut keirin_server_t,
    count: u32,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe { reference(server) }?.change(|server| server.workers(count as usize))
    })
}

/// Listens on an address; see keirin_loop_listen().
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_ADDRESS, KEIRIN_ERR_LISTEN, KEIRIN_ERR_BUSY
/// once it runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_server_listen(
    server: *mut keirin_server_t,
    address: *const c_char,
    port: *mut u16,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (server, address) = unsafe { (reference(server)?, c_text(address)?) };
        let Life::Idle(server) = &mut *server.life() else {
            return Err(Refused(KEIRIN_ERR_BUSY));
        };
        let bound = server.listen_on(address)?;
        // SAFETY: as the header asks.
        unsafe { set_optional(port, port_of(&bound)) };
        Ok(())
    })
}

/// Runs the workers, one of them on this thread, until the server is stopped and everything has
/// ended. Raises the process's soft limit on open files to the hard one. A server runs once.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_BUSY for one that runs or has run, KEIRIN_ERR_CONFIG for a
/// number of workers out of range or no address to listen on, KEIRIN_ERR_LISTEN and KEIRIN_ERR_IO
/// when the kernel refuses what a worker needs; KEIRIN_ERR_PANIC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_server_run(server: *mut keirin_server_t) -> keirin_status_t {
    /// Whatever way the run ends by.
    struct Ended<'a>(&'a keirin_server_t);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            *self.0.life() = Life::Ended;
        }
    }
    run(|| {
        // SAFETY: as the header asks.
        let server = unsafe { reference(server) }?;
        let workers = server.begin()?;
        let _ended = Ended(server);
        Ok(workers.run()?)
    })
}

/// Begins a graceful stop of all workers; see keirin_loop_stop(). A second call can shorten the
/// time. It is not for signal handlers: a program blocks the signal, and waits for it on a thread
/// with sigwait().
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_server_stop(
    server: *mut keirin_server_t,
    grace_ms: u64,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let server = unsafe { reference(server) }?;
        server.handle.stop(Duration::from_millis(grace_ms));
        Ok(())
    })
}

/// Makes a way into all loops of the server. It is freed with keirin_remote_free().
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_server_remote(
    server: *mut keirin_server_t,
    remote: *mut *mut keirin_remote_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (server, out) = unsafe { (reference(server)?, output(remote)?) };
        let to = To::Server(server.handle.clone());
        out.set(give(keirin_remote_t::new(to)));
        Ok(())
    })
}

/// Reads a counter, summed over all workers.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_ARGUMENT for an unknown counter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_server_count(
    server: *mut keirin_server_t,
    counter: keirin_counter_t,
    count: *mut u64,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (server, out) = unsafe { (reference(server)?, output(count)?) };
        out.set(pick(&server.handle.counts(), counter)?);
        Ok(())
    })
}
