//! Connections, whatever they carry: the registers name the same one for a response and a
//! WebSocket on it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keirin::{ConnectionId, Remote};
use napi_sys as sys;

use crate::addon::{Call, Functions, register, status};
use crate::embed::Worker;
use crate::napi::Value;

pub(crate) const FUNCTIONS: Functions = &[
    (c"connectionAddress", address),
    (c"connectionProxiedAddress", proxied_address),
    (c"connectionClose", close),
    (c"appDescriptor", descriptor),
    (c"appAddChild", add_child),
    (c"appRemoveChild", remove_child),
    (c"appAdopt", adopt),
];

/// The peer's address, as an ArrayBuffer of 4 or 16 bytes, or none; its port in a register.
unsafe extern "C" fn address(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let id = call.connection_id();
    let address = call.with(|cx| Ok(cx.peer_address(id)));
    address_value(&call, address.ok().flatten())
}

/// The same of the client whose connection a proxy relays.
unsafe extern "C" fn proxied_address(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let id = call.connection_id();
    let address = call.with(|cx| Ok(cx.proxied_address(id)));
    address_value(&call, address.ok().flatten())
}

fn address_value(call: &Call<'_, 0>, address: Option<SocketAddr>) -> Value {
    let port = address.map_or(0, |address| address.port());
    call.addon.set_register(register::FIRST, i32::from(port));
    let buffer = match address.map(|address| address.ip()) {
        Some(IpAddr::V4(ip)) => call.env.array_buffer(&ip.octets()),
        Some(IpAddr::V6(ip)) => call.env.array_buffer(&ip.octets()),
        None => call.env.array_buffer(&[]),
    };
    buffer.unwrap_or(ptr::null_mut())
}

unsafe extern "C" fn close(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let id: ConnectionId = call.connection_id();
    call.done(call.with(|cx| cx.close_connection(id).map(|()| 0)))
}

/// The apps of the process that other threads may hand connections to, by descriptor.
static DESCRIBED: Mutex<BTreeMap<u32, Remote<Worker>>> = Mutex::new(BTreeMap::new());
/// 0 is none.
static NEXT: AtomicU32 = AtomicU32::new(1);

fn described() -> MutexGuard<'static, BTreeMap<u32, Remote<Worker>>> {
    DESCRIBED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody can be handed to the app of a descriptor any more.
pub(crate) fn forget(descriptor: u32) {
    described().remove(&descriptor);
}

/// A number that names the app in every thread of the process.
unsafe extern "C" fn descriptor(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let Some(app) = call.addon.app() else {
        return call.env.int(0);
    };
    if app.descriptor.get() == 0
        && let Ok(remote) = call.with(|cx| Ok(cx.remote()))
    {
        app.descriptor.set(NEXT.fetch_add(1, Ordering::Relaxed));
        described().insert(app.descriptor.get(), remote);
    }
    call.env.number(f64::from(app.descriptor.get()))
}

fn remote_of(call: &Call<'_, 1>) -> Option<Remote<Worker>> {
    described().get(&(call.number(0) as u32)).cloned()
}

/// Has connections that are accepted from now on handed to the app of a descriptor.
unsafe extern "C" fn add_child(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let Some(child) = remote_of(&call) else {
        return call.done(Err(status::STALE));
    };
    call.done(call.with(|cx| Ok(i32::from(cx.add_child(&child)))))
}

unsafe extern "C" fn remove_child(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let Some(child) = remote_of(&call) else {
        return call.done(Err(status::STALE));
    };
    call.done(call.with(|cx| Ok(i32::from(cx.remove_child(&child)))))
}

/// A descriptor of a connected socket, which is the app's from now on.
unsafe extern "C" fn adopt(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let fd = call.int(0);
    if fd < 0 {
        return call.done(Err(status::REFUSED_OTHER));
    }
    let Some(app) = call.addon.app() else {
        return call.done(Err(status::STALE));
    };
    app.touch_and_stay();
    call.done(call.with(|cx| {
        // SAFETY: the program gives it up, as the documentation asks; what is refused is given
        // back.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(match cx.adopt(socket) {
            Ok(()) => 0,
            Err(error) => {
                let _ = error.into_socket().into_raw_fd();
                status::REFUSED_OTHER
            }
        })
    }))
}
