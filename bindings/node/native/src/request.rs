//! Requests, while their handler runs. What is asked for later was copied before.

use keirin::Request;
use napi_sys as sys;

use crate::addon::{Call, Functions};
use crate::napi::Value;

pub(crate) const FUNCTIONS: Functions = &[
    (c"requestMethod", method),
    (c"requestUrl", url),
    (c"requestQuery", query),
    (c"requestHeader", header),
    (c"requestParameter", parameter),
    (c"requestHead", head),
];

/// The request of the handler that runs; undefined without one.
#[inline]
fn look<const N: usize>(
    call: &Call<'_, N>,
    f: impl FnOnce(&Request<'_>) -> Option<Value>,
) -> Value {
    let Some(app) = call.addon.app() else {
        return std::ptr::null_mut();
    };
    // SAFETY: `tell_request` has put it there, in a frame that waits for us to return.
    let request = unsafe { app.request.get().as_ref() };
    request.and_then(f).unwrap_or(std::ptr::null_mut())
}

unsafe extern "C" fn method(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    look(&call, |request| {
        Some(call.env.latin1(request.method().as_bytes()))
    })
}

unsafe extern "C" fn url(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    look(&call, |request| {
        Some(call.env.latin1(request.path().as_bytes()))
    })
}

unsafe extern "C" fn query(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    look(&call, |request| {
        request
            .query()
            .map(|query| call.env.latin1(query.as_bytes()))
    })
}

/// The first header of a name, in any case.
unsafe extern "C" fn header(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    look(&call, |request| {
        let value = call.bytes(0, |name, _| {
            request.header(str::from_utf8(name).unwrap_or_default())
        });
        value.map(|value| call.env.latin1(value))
    })
}

/// The parameter of a place in the pattern.
unsafe extern "C" fn parameter(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    look(&call, |request| {
        let index = usize::try_from(call.int(0)).ok()?;
        let value = request.parameters().nth(index)?.1;
        Some(call.env.latin1(value.as_bytes()))
    })
}

/// Everything in one string, its parts separated by line feeds, which none of them can contain:
/// method, path, the query behind `?` or nothing, the parameters' number, then names and values of
/// parameters and of headers in turn.
unsafe extern "C" fn head(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    look(&call, |request| {
        let mut head = Vec::with_capacity(512);
        head.extend_from_slice(request.method().as_bytes());
        head.push(b'\n');
        head.extend_from_slice(request.path().as_bytes());
        head.push(b'\n');
        if let Some(query) = request.query() {
            head.push(b'?');
            head.extend_from_slice(query.as_bytes());
        }
        head.push(b'\n');
        head.extend_from_slice(request.parameters().count().to_string().as_bytes());
        for (name, value) in request.parameters() {
            push(&mut head, name.as_bytes(), value.as_bytes());
        }
        for (name, value) in request.headers() {
            let at = head.len() + 1;
            push(&mut head, name.as_bytes(), value);
            head[at..at + name.len()].make_ascii_lowercase();
        }
        Some(call.env.latin1(&head))
    })
}

fn push(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    head.push(b'\n');
    head.extend_from_slice(name);
    head.push(b'\n');
    head.extend_from_slice(value);
}
