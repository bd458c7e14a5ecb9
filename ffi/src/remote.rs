//! The ways in from other threads.

use std::ffi::c_void;

use keirin::{Message, Remote, ServerHandle};

use crate::arguments::{bytes, free, give, output, reference, set_optional, text};
use crate::handle::{Context, Worker, keirin_loop_t, with};
use crate::publish::{keirin_published_t, publication};
use crate::response::keirin_response_t;
use crate::status::{
    KEIRIN_ERR_STOPPED, KEIRIN_ERR_TOPIC, Outcome, Refused, keirin_status_t, run, value,
};
use crate::task::{keirin_task_fn, task};
use crate::user::{User, keirin_drop_fn};
use crate::websocket::{keirin_message_kind_t, keirin_ws_t, message};

/// A way into a loop, or into all loops of a server, from any thread. It stays valid when what it
/// leads to is gone: calls are KEIRIN_ERR_STOPPED then, but that a publication reaches nobody and a
/// stop has nothing to do is no error. Functions that take it are the ones to call
/// from other threads, and they may be called from the loop's own.
pub struct keirin_remote_t {
    to: To,
}

#[derive(Clone)]
pub(crate) enum To {
    /// One worker, and its number.
    Loop(Remote<Worker>, usize),
    Server(ServerHandle<Worker>),
}

impl keirin_remote_t {
    pub(crate) fn new(to: To) -> Self {
        Self { to }
    }

    /// The way into one worker.
    fn worker(&self, number: usize) -> Outcome<Remote<Worker>> {
        let remote = match &self.to {
            To::Loop(remote, own) => (number == *own).then(|| remote.clone()),
            To::Server(server) => server.remote(number),
        };
        remote.ok_or(Refused(KEIRIN_ERR_STOPPED))
    }

    /// Has the worker of a socket do something to it. What becomes of it there is counted.
    fn on_socket(
        &self,
        ws: keirin_ws_t,
        operation: impl FnOnce(&mut Context<'_>) + Send + 'static,
    ) -> Outcome {
        Ok(self.worker(ws.id().worker())?.defer(operation)?)
    }
}

/// Makes a way into a loop, and to none of its server's others: keirin_server_remote() makes one to
/// all. It is freed with keirin_remote_free().
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_remote(
    loop_: *mut keirin_loop_t,
    remote: *mut *mut keirin_remote_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let out = output(remote)?;
            let to = with(loop_, |_, cx| Ok(To::Loop(cx.remote(), cx.worker())))?;
            out.set(give(keirin_remote_t::new(to)));
        }
        Ok(())
    })
}

/// Makes another one. It is freed with keirin_remote_free().
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_clone(
    remote: *const keirin_remote_t,
    clone: *mut *mut keirin_remote_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (remote, out) = unsafe { (reference(remote)?, output(clone)?) };
        out.set(give(keirin_remote_t::new(remote.to.clone())));
        Ok(())
    })
}

/// Frees a way in. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_free(remote: *mut keirin_remote_t) {
    // SAFETY: as the header asks.
    value((), || unsafe { free(remote) });
}

/// The number of the worker that owes an answer: for keirin_remote_defer().
#[unsafe(no_mangle)]
pub extern "C" fn keirin_response_worker(response: keirin_response_t) -> u32 {
    response.id().worker() as u32
}

/// The number of the worker that has a socket: for keirin_remote_defer().
#[unsafe(no_mangle)]
pub extern "C" fn keirin_ws_worker(ws: keirin_ws_t) -> u32 {
    ws.id().worker() as u32
}

/// Has a worker call `deferred` in its next turn, on its thread. The worker of an answer or
/// socket is what keirin_response_worker() or keirin_ws_worker() says; that of a loop,
/// keirin_loop_worker(). Calls of one thread run in their order. `drop_user` is called on the
/// worker's thread after the call, or on this one if it is refused.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_FULL when KEIRIN_INBOX_CAPACITY calls are waiting,
/// KEIRIN_ERR_STOPPED, also for a worker that does not run yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_defer(
    remote: *const keirin_remote_t,
    worker: u32,
    deferred: keirin_task_fn,
    user: *mut c_void,
    drop_user: keirin_drop_fn,
) -> keirin_status_t {
    let user = User::new(user, drop_user);
    run(|| {
        // SAFETY: as the header asks.
        let remote = unsafe { reference(remote) }?;
        let task = task(deferred, user)?;
        Ok(remote.worker(worker as usize)?.defer(task)?)
    })
}

/// Publishes to all subscribers of a topic on all workers. `*published` may be NULL; what is
/// dropped for slow readers is not in it.
///
/// Errors: KEIRIN_ERR_TOPIC, KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind,
/// KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_publish(
    remote: *const keirin_remote_t,
    topic: *const c_void,
    topic_length: usize,
    kind: keirin_message_kind_t,
    data: *const c_void,
    length: usize,
    published: *mut keirin_published_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let remote = reference(remote)?;
            let publication = publication(topic, topic_length, kind, data, length)?;
            let found = match &remote.to {
                To::Loop(remote, _) => remote.publish_as(&publication),
                To::Server(server) => server.publish_as(&publication),
            };
            let found = found.map_err(|_| Refused(KEIRIN_ERR_TOPIC))?;
            set_optional(published, found.into());
        }
        Ok(())
    })
}

/// Reads how many sockets of all workers are subscribed to exactly this topic, patterns aside.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_subscribers(
    remote: *const keirin_remote_t,
    topic: *const c_void,
    length: usize,
    count: *mut usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (remote, topic, count) =
            unsafe { (reference(remote)?, text(topic, length)?, output(count)?) };
        count.set(match &remote.to {
            To::Loop(remote, _) => remote.subscribers(topic),
            To::Server(server) => server.subscribers(topic),
        });
        Ok(())
    })
}

/// Sends a message to a socket of any worker. The message is copied.
///
/// Errors: KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind, KEIRIN_ERR_NULL,
/// KEIRIN_ERR_FULL, KEIRIN_ERR_STOPPED. What becomes of the message on the socket's worker (it may
/// be gone by then) is only counted there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_ws_send(
    remote: *const keirin_remote_t,
    ws: keirin_ws_t,
    kind: keirin_message_kind_t,
    data: *const c_void,
    length: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (remote, (message, compress)) =
            unsafe { (reference(remote)?, message(kind, data, length)?) };
        match message {
            Message::Text(text) => {
                let text = text.to_owned();
                remote.on_socket(ws, move |cx| {
                    let _ = cx.by_id().send(ws.id(), Message::Text(&text), compress);
                })
            }
            Message::Binary(bytes) => {
                let bytes = bytes.to_owned();
                remote.on_socket(ws, move |cx| {
                    let _ = cx.by_id().send(ws.id(), Message::Binary(&bytes), compress);
                })
            }
        }
    })
}

/// Ends a socket of any worker with a Close frame; see keirin_ws_end().
///
/// Errors: KEIRIN_ERR_UTF8, KEIRIN_ERR_NULL, KEIRIN_ERR_FULL, KEIRIN_ERR_STOPPED. A code that must
/// not be sent is only counted, on the socket's worker.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_ws_end(
    remote: *const keirin_remote_t,
    ws: keirin_ws_t,
    code: u16,
    reason: *const c_void,
    length: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (remote, reason) = unsafe { (reference(remote)?, text(reason, length)?) };
        let reason = reason.to_owned();
        remote.on_socket(ws, move |cx| {
            let _ = cx
                .socket(ws.id())
                .and_then(|mut socket| socket.end(code, &reason));
        })
    })
}

/// Drops the connection of a socket of any worker.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_FULL, KEIRIN_ERR_STOPPED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_ws_close(
    remote: *const keirin_remote_t,
    ws: keirin_ws_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe { reference(remote) }?.on_socket(ws, move |cx| {
            let _ = cx.socket(ws.id()).and_then(|mut socket| socket.close());
        })
    })
}

/// Completes an answer of any worker, with a body that is copied; its status and headers are those
/// that were set before. keirin_remote_defer() is for everything else.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_FULL, KEIRIN_ERR_STOPPED. That the answer is not owed any
/// more is only counted, on its worker.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_response_end(
    remote: *const keirin_remote_t,
    response: keirin_response_t,
    body: *const c_void,
    length: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (remote, body) = unsafe { (reference(remote)?, bytes(body, length)?.to_owned()) };
        let id = response.id();
        remote.worker(id.worker())?.defer(move |cx| {
            let _ = cx.by_id().end(id, &body);
        })?;
        Ok(())
    })
}

/// Begins a graceful stop; see keirin_loop_stop().
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_remote_stop(
    remote: *const keirin_remote_t,
    grace_ms: u64,
) -> keirin_status_t {
    run(|| {
        let grace = std::time::Duration::from_millis(grace_ms);
        // SAFETY: as the header asks.
        match unsafe { &reference(remote)?.to } {
            To::Loop(remote, _) => remote.stop(grace),
            To::Server(server) => server.stop(grace),
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::ptr::{null, null_mut};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::app::{keirin_app_free, keirin_app_new, keirin_app_on_start};
    use crate::event_loop::{keirin_loop_stop, keirin_loop_worker};
    use crate::server::{
        keirin_server_free, keirin_server_listen, keirin_server_new, keirin_server_run,
        keirin_server_set_workers,
    };
    use crate::status::KEIRIN_OK;

    /// Has the loop called back on its own thread, through a way in of its own.
    unsafe extern "C" fn start(calls: *mut c_void, handle: *mut keirin_loop_t) {
        let mut remote = null_mut();
        // SAFETY: the loop is the callback's, and what is made here is freed here.
        unsafe {
            let own = keirin_loop_worker(handle);
            assert_eq!(keirin_loop_remote(handle, &raw mut remote), KEIRIN_OK);
            let other = keirin_remote_defer(remote, 1 - own, Some(count), calls, None);
            assert_eq!(other, KEIRIN_ERR_STOPPED);
            let own = keirin_remote_defer(remote, own, Some(count), calls, None);
            assert_eq!(own, KEIRIN_OK);
            keirin_remote_free(remote);
        }
    }

    /// Counts each worker in a byte of its own, and stops it.
    unsafe extern "C" fn count(calls: *mut c_void, handle: *mut keirin_loop_t) {
        // SAFETY: `calls` outlives the server, and the loop is the callback's.
        unsafe {
            let worker = keirin_loop_worker(handle);
            let calls = &*calls.cast::<AtomicU32>();
            calls.fetch_add(1 << (8 * worker), Ordering::Relaxed);
            assert_eq!(keirin_loop_stop(handle, 0), KEIRIN_OK);
        }
    }

    #[test]
    fn a_way_into_a_loop_leads_to_its_worker_whatever_its_number() {
        let calls = AtomicU32::new(0);
        let user = (&raw const calls).cast_mut().cast();
        let mut server = null_mut();
        // SAFETY: everything is made here, used as it should be, and freed.
        unsafe {
            let app = keirin_app_new();
            assert_eq!(keirin_app_on_start(app, Some(start), user, None), KEIRIN_OK);
            assert_eq!(keirin_server_new(app, null(), &raw mut server), KEIRIN_OK);
            keirin_app_free(app);
            assert_eq!(keirin_server_set_workers(server, 2), KEIRIN_OK);
            let address = c"127.0.0.1:0".as_ptr();
            assert_eq!(keirin_server_listen(server, address, null_mut()), KEIRIN_OK);
            assert_eq!(keirin_server_run(server), KEIRIN_OK);
            assert_eq!(keirin_server_free(server), KEIRIN_OK);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 0x0101);
    }
}
