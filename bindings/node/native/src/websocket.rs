//! WebSockets, named by the registers, and topics.

use keirin::proto::ws::utf8;
use keirin::{Cx, Message, Misuse, Publication, Sent, SocketId};
use napi_sys as sys;

use crate::addon::{Call, Functions, register, status};
use crate::embed::Worker;
use crate::napi::Value;

pub(crate) const FUNCTIONS: Functions = &[
    (c"socketSend", send),
    (c"socketSendFragment", send_fragment),
    (c"socketPing", ping),
    (c"socketEnd", end),
    (c"socketClose", close),
    (c"socketQueued", queued),
    (c"socketSubscribe", subscribe),
    (c"socketUnsubscribe", unsubscribe),
    (c"socketIsSubscribed", is_subscribed),
    (c"socketTopics", topics),
    (c"socketPublish", publish),
    (c"socketPause", pause),
    (c"socketResume", resume),
    (c"publish", publish_to_all),
    (c"subscribers", subscribers),
];

/// What became of a message.
fn of_sent(sent: Sent) -> Result<i32, Misuse> {
    match sent {
        Sent::Sent => Ok(0),
        Sent::Queued(_) => Ok(1),
        Sent::Dropped => Ok(2),
        Sent::Closed => Err(Misuse::Stale),
    }
}

/// A message of an argument; `Err` for text that is not UTF-8.
#[inline]
fn with_message<const N: usize, R>(
    call: &Call<'_, N>,
    index: usize,
    binary: bool,
    f: impl FnOnce(Message<'_>) -> Result<R, i32>,
) -> Result<R, i32> {
    call.bytes(index, |bytes, _| {
        if binary {
            return f(Message::Binary(bytes));
        }
        let text = utf8::text(bytes).ok_or(status::NOT_UTF8)?;
        f(Message::Text(text))
    })
}

/// What a message is, in a register.
const BINARY: i32 = 1;
const COMPRESS: i32 = 2;

/// A message.
unsafe extern "C" fn send(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let flags = call.addon.register(register::FIRST);
    let (binary, compress) = (flags & BINARY != 0, flags & COMPRESS != 0);
    call.done(with_message(&call, 0, binary, |message| {
        call.socket(|cx, id| of_sent(cx.by_id().send(id, message, compress)?))
    }))
}

/// Piece, whether it is binary, whether it is the last.
unsafe extern "C" fn send_fragment(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<3>::new(env, info) };
    let (binary, last) = (call.flag(1), call.flag(2));
    call.done(with_message(&call, 0, binary, |piece| {
        call.socket(|cx, id| of_sent(cx.socket(id)?.send_fragment(piece, last)?))
    }))
}

unsafe extern "C" fn ping(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    call.done(call.bytes(0, |payload, _| {
        call.socket(|cx, id| of_sent(cx.socket(id)?.ping(payload)?))
    }))
}

/// Code, 0 for none, and reason.
unsafe extern "C" fn end(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let code = u16::try_from(call.int(0)).unwrap_or(u16::MAX);
    call.done(call.bytes(1, |reason, _| {
        let reason = String::from_utf8_lossy(reason);
        call.socket(|cx, id| {
            if code == 0 {
                cx.by_id().end_without_code(id)?;
            } else {
                cx.socket(id)?.end(code, &reason)?;
            }
            Ok(0)
        })
    }))
}

unsafe extern "C" fn close(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.socket(|cx, id| cx.socket(id)?.close().map(|()| 0)))
}

unsafe extern "C" fn queued(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let queued = call.socket(|cx, id| cx.by_id().socket_queued(id));
    call.env.number(queued.unwrap_or(0) as f64)
}

/// An operation on a topic that says yes or no.
fn on_topic(
    call: &Call<'_, 1>,
    f: impl FnOnce(&mut Cx<'_, Worker>, SocketId, &str) -> Result<bool, Misuse>,
) -> Value {
    call.done(call.bytes(0, |topic, _| {
        let topic = str::from_utf8(topic).map_err(|_| status::REFUSED_TOPIC)?;
        call.socket(|cx, id| f(cx, id, topic).map(i32::from))
    }))
}

unsafe extern "C" fn subscribe(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    on_topic(&call, |cx, id, topic| cx.socket(id)?.subscribe(topic))
}

unsafe extern "C" fn unsubscribe(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    on_topic(&call, |cx, id, topic| cx.socket(id)?.unsubscribe(topic))
}

unsafe extern "C" fn is_subscribed(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    on_topic(&call, |cx, id, topic| {
        Ok(cx.socket(id)?.is_subscribed(topic))
    })
}

unsafe extern "C" fn topics(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let topics = call.socket(|cx, id| {
        let socket = cx.socket(id)?;
        let name = |filter: keirin::Filter<'_>| filter.as_str().to_owned();
        Ok(socket.topics().map(name).collect::<Vec<String>>())
    });
    let Ok(array) = call.env.array() else {
        return std::ptr::null_mut();
    };
    for (index, topic) in topics.unwrap_or_default().iter().enumerate() {
        call.env.set_element(array, index, call.env.text(topic));
    }
    array
}

/// Topic, message, whether it is binary, whether it may be compressed.
#[inline]
fn publish_from(call: &Call<'_, 4>, f: impl FnOnce(&Publication<'_>) -> Result<i32, i32>) -> Value {
    let Some(topic) = call.text(0) else {
        return call.done(Err(status::REFUSED_TOPIC));
    };
    let (binary, compress) = (call.flag(2), call.flag(3));
    call.done(with_message(call, 1, binary, |message| {
        f(&Publication {
            topic: &topic,
            payload: message.bytes(),
            text: !binary,
            compress,
        })
    }))
}

/// To all subscribers but the socket itself.
unsafe extern "C" fn publish(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<4>::new(env, info) };
    publish_from(&call, |publication| {
        call.socket(|cx, id| {
            // Who hears nothing says nothing, as uWebSockets has it.
            if cx.socket(id)?.topics().next().is_none() {
                return Ok(0);
            }
            let published = cx.by_id().publish(publication, Some(id))?;
            Ok(i32::from(published.matched > 0))
        })
    })
}

unsafe extern "C" fn publish_to_all(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<4>::new(env, info) };
    publish_from(&call, |publication| {
        call.with(|cx| {
            let published = cx.publish_as(publication)?;
            Ok(i32::from(published.matched > 0))
        })
    })
}

unsafe extern "C" fn subscribers(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let count = call.bytes(0, |topic, _| {
        let topic = str::from_utf8(topic).unwrap_or_default();
        call.with(|cx| Ok(cx.subscribers(topic)))
    });
    call.env.number(count.unwrap_or(0) as f64)
}

unsafe extern "C" fn pause(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.socket(|cx, id| cx.socket(id)?.pause().map(|()| 0)))
}

unsafe extern "C" fn resume(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.socket(|cx, id| cx.socket(id)?.resume().map(|()| 0)))
}
