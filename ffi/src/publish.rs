//! Topics.

use std::ffi::c_void;

use keirin::{Filter, Misuse, Publication, Published, Socket};

use crate::arguments::{output, set_optional, text};
use crate::handle::{Worker, keirin_loop_t, with};
use crate::status::{KEIRIN_ERR_NULL, Outcome, Refused, keirin_status_t, run};
use crate::websocket::{keirin_message_kind_t, keirin_ws_t, message};

/// How many sockets a message was published to.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct keirin_published_t {
    /// Subscribers that it was meant for, on all workers. On the publisher's own worker each counts
    /// once; on others, once for each of its subscriptions that match.
    pub matched: usize,
    /// Those of them that do not get it, because too much waits for them, or for their worker.
    pub dropped: usize,
}

impl From<Published> for keirin_published_t {
    fn from(published: Published) -> Self {
        Self {
            matched: published.matched,
            dropped: published.dropped,
        }
    }
}

/// Is given a topic, or pattern, that a socket is subscribed to.
pub type keirin_topic_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, topic: *const u8, length: usize, is_pattern: bool),
>;

/// A publication from its parts.
///
/// # Safety
/// As for [`text`], twice.
pub(crate) unsafe fn publication<'a>(
    topic: *const c_void,
    topic_length: usize,
    kind: keirin_message_kind_t,
    data: *const c_void,
    length: usize,
) -> Outcome<Publication<'a>> {
    // SAFETY: as the caller promises.
    let (topic, (message, compress)) =
        unsafe { (text(topic, topic_length)?, message(kind, data, length)?) };
    Ok(Publication {
        topic,
        payload: message.bytes(),
        text: matches!(message, keirin::Message::Text(_)),
        compress,
    })
}

/// Publishes to all subscribers of a topic, on all workers of the server. Each gets it once, in the
/// order of publication on this worker. `*published` may be NULL.
///
/// Errors: KEIRIN_ERR_TOPIC for a topic that is empty or has more than 65535 bytes,
/// KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind, KEIRIN_ERR_NULL,
/// KEIRIN_ERR_WRONG_THREAD.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_publish(
    loop_: *mut keirin_loop_t,
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
            let publication = publication(topic, topic_length, kind, data, length)?;
            let found = with(loop_, |_, cx| Ok(cx.publish_as(&publication)?))?;
            set_optional(published, found.into());
        }
        Ok(())
    })
}

/// Publishes to all subscribers of a topic but this socket, also within its close handler.
///
/// Errors: KEIRIN_ERR_STALE, and those of keirin_loop_publish().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_publish(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
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
            let publication = publication(topic, topic_length, kind, data, length)?;
            let found = with(loop_, |handle, cx| {
                let id = ws.id();
                // The socket whose close handler runs is not open any more, and may tell others.
                if handle.own_socket(id).is_none() {
                    cx.socket(id)?;
                }
                Ok(cx.by_id().publish(&publication, Some(id))?)
            })?;
            set_optional(published, found.into());
        }
        Ok(())
    })
}

/// Reads how many sockets of all workers are subscribed to exactly this topic, patterns aside.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_WRONG_THREAD.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_subscribers(
    loop_: *mut keirin_loop_t,
    topic: *const c_void,
    length: usize,
    count: *mut usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let (topic, count) = (text(topic, length)?, output(count)?);
            count.set(with(loop_, |_, cx| Ok(cx.subscribers(topic)))?);
        }
        Ok(())
    })
}

/// Changes what a socket is subscribed to.
///
/// # Safety
/// As the header asks of the pointers.
unsafe fn change(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    (topic, length): (*const c_void, usize),
    change: impl FnOnce(&mut Socket<'_, Worker>, &str) -> Result<bool, Misuse>,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let topic = text(topic, length)?;
            with(loop_, |_, cx| {
                change(&mut cx.socket(ws.id())?, topic)?;
                Ok(())
            })
        }
    })
}

/// Subscribes a socket to a topic: text of 1 to 65535 bytes in which no character is special. To be
/// subscribed already is no error. It sees what is published from now on.
///
/// Errors: KEIRIN_ERR_TOPIC, KEIRIN_ERR_UTF8, and those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_subscribe(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    topic: *const c_void,
    length: usize,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe { change(loop_, ws, (topic, length), |ws, topic| ws.subscribe(topic)) }
}

/// Subscribes a socket to all topics that a pattern matches. Levels of a topic are parted by "/";
/// in a pattern "+" stands for any one level, and "#" at its end for any number of them, as in
/// MQTT.
///
/// Errors: KEIRIN_ERR_TOPIC for a malformed pattern, KEIRIN_ERR_UTF8, and those of every call for a
/// socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_subscribe_pattern(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    pattern: *const c_void,
    length: usize,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe {
        change(loop_, ws, (pattern, length), |ws, pattern| {
            ws.subscribe_pattern(pattern)
        })
    }
}

/// Ends a subscription; that there was none is no error. What was published before still arrives.
///
/// Errors: as keirin_ws_subscribe().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_unsubscribe(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    topic: *const c_void,
    length: usize,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe {
        change(loop_, ws, (topic, length), |ws, topic| {
            ws.unsubscribe(topic)
        })
    }
}

/// Ends the subscription to a pattern; that there was none is no error.
///
/// Errors: as keirin_ws_subscribe_pattern().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_unsubscribe_pattern(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    pattern: *const c_void,
    length: usize,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe {
        change(loop_, ws, (pattern, length), |ws, pattern| {
            ws.unsubscribe_pattern(pattern)
        })
    }
}

/// Reads whether a socket is subscribed to exactly this topic, patterns aside.
///
/// Errors: KEIRIN_ERR_UTF8, and those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_is_subscribed(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    topic: *const c_void,
    length: usize,
    subscribed: *mut bool,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        unsafe {
            let (topic, subscribed) = (text(topic, length)?, output(subscribed)?);
            subscribed.set(with(loop_, |_, cx| {
                Ok(cx.socket(ws.id())?.is_subscribed(topic))
            })?);
        }
        Ok(())
    })
}

/// Calls `each` for every topic and pattern that a socket is subscribed to, in no particular order,
/// before this returns. It may call this library.
///
/// Errors: those of every call for a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_ws_topics(
    loop_: *mut keirin_loop_t,
    ws: keirin_ws_t,
    each: keirin_topic_fn,
    user: *mut c_void,
) -> keirin_status_t {
    run(|| {
        let each = each.ok_or(Refused(KEIRIN_ERR_NULL))?;
        let copy = |filter: Filter<'_>| (filter.as_str().to_owned(), filter.is_pattern());
        // SAFETY: as the header asks. They are copied, since `each` may change them.
        let topics: Vec<_> = unsafe {
            with(loop_, |_, cx| {
                Ok(cx.socket(ws.id())?.topics().map(copy).collect())
            })
        }?;
        for (topic, is_pattern) in topics {
            // SAFETY: the program has given the two for this.
            unsafe { each(user, topic.as_ptr(), topic.len(), is_pattern) };
        }
        Ok(())
    })
}
