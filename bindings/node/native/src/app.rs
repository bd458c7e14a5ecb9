//! Apps.

use std::rc::Rc;
use std::time::Duration;

use keirin::{App, ListenAddress};
use napi_sys as sys;

use crate::addon::{Call, Functions, register, status};
use crate::declarative::Program;
use crate::embed::{Embedded, Worker};
use crate::events::{Events, tell_connection};
use crate::napi::Value;
use crate::options::camel_case;
use crate::routes::Handler;
use crate::{options, routes};

pub(crate) const FUNCTIONS: Functions = &[
    (c"appNew", new),
    (c"appFree", free),
    (c"appRoute", route),
    (c"appDeclarative", declarative),
    (c"appRemoveRoute", remove_route),
    (c"appBehaviour", behaviour),
    (c"appUpgrades", upgrades),
    (c"appFilter", filter),
    (c"appListen", listen),
    (c"appUnlisten", unlisten),
    (c"appClose", close),
    (c"appStop", stop),
    (c"appsFlush", flush),
    (c"appCounts", counts),
    (c"appWantLog", want_log),
];

/// The functions to call, and the options. The app's number is returned, or what is wrong with the
/// options.
unsafe extern "C" fn new(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let env = call.env;
    let config = match options::config(env, call.arguments[1]) {
        Ok(config) => config,
        Err(message) => return env.text(&message),
    };
    let Ok(events) = Events::new(env, call.arguments[0]) else {
        return env.undefined();
    };
    // SAFETY: `Addon::load` has leaked a count of it.
    let addon = unsafe {
        Rc::increment_strong_count(call.addon);
        Rc::from_raw(call.addon)
    };
    let make = |number| Embedded::new(Rc::clone(&addon), number, events, config);
    match addon.add(make) {
        Some(number) => env.int(number),
        None => env.undefined(),
    }
}

/// Gives up an app that JavaScript has forgotten.
unsafe extern "C" fn free(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let number = usize::try_from(call.int(0)).unwrap_or(usize::MAX);
    if let Some(app) = call.addon.remove(number) {
        app.events.release();
        app.shut();
    }
    std::ptr::null_mut()
}

/// Method and pattern of a route: `None` where they are malformed. No method is any.
fn checked<const N: usize>(call: &Call<'_, N>) -> Option<(Option<String>, String)> {
    let method = (!call.env.is_undefined(call.arguments[0])).then(|| call.text(0));
    let (method, pattern) = match method {
        Some(method) => (Some(method?), call.text(1)?),
        None => (None, call.text(1)?),
    };
    App::<Worker>::check_route(method.as_deref(), &pattern).ok()?;
    Some((method, pattern))
}

/// Has one of the app's routes changed, as soon as no callback runs. No handler is none any more.
fn set_route<const N: usize>(call: &Call<'_, N>, handler: Option<Handler>) -> Value {
    let (Some((method, pattern)), Some(app)) = (checked(call), call.addon.app()) else {
        return call.done(Err(status::REFUSED_OTHER));
    };
    app.change_routes(move |routes| match handler {
        Some(handler) => routes::add(routes, method.as_deref(), &pattern, handler),
        None => {
            routes.remove(method.as_deref(), &pattern);
        }
    });
    call.done(Ok(0))
}

/// Method or undefined, pattern, the handler's number.
unsafe extern "C" fn route(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<3>::new(env, info) };
    set_route(&call, Some(Handler::Script(call.int(2))))
}

/// Method or undefined, pattern, the program.
unsafe extern "C" fn declarative(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<3>::new(env, info) };
    match call.bytes(2, |bytes, _| Program::parse(bytes)) {
        Some(program) => set_route(&call, Some(Handler::Program(Rc::new(program)))),
        None => call.done(Err(status::REFUSED_OTHER)),
    }
}

/// Method or undefined, pattern.
unsafe extern "C" fn remove_route(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    set_route(&unsafe { Call::<2>::new(env, info) }, None)
}

/// The options of a kind of WebSocket, the events that are wanted, its number. What is wrong with
/// the options is returned.
unsafe extern "C" fn behaviour(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<3>::new(env, info) };
    let config = match options::websocket_config(call.env, call.arguments[0]) {
        Ok(config) => config,
        Err(message) => return call.env.text(&message),
    };
    let (wanted, number) = (call.int(1), call.int(2));
    if let Some(app) = call.addon.app() {
        app.change_routes(move |routes| {
            routes.behaviour(routes::behaviour(config, wanted, number));
        });
    }
    call.env.undefined()
}

/// Undefined, pattern, the kind of WebSocket, the number of the upgrade handler or -1.
unsafe extern "C" fn upgrades(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<4>::new(env, info) };
    let (Ok(behaviour), Some((_, pattern)), Some(app)) =
        (u16::try_from(call.int(2)), checked(&call), call.addon.app())
    else {
        return call.done(Err(status::REFUSED_OTHER));
    };
    let handler = Some(call.int(3)).filter(|&handler| handler >= 0);
    app.change_routes(move |routes| routes::add_upgrades(routes, &pattern, behaviour, handler));
    call.done(Ok(0))
}

/// Has every connection told that opens or ends.
unsafe extern "C" fn filter(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    if let Some(app) = call.addon.app() {
        app.change_routes(|routes| {
            routes.on_connection(tell_connection);
        });
    }
    std::ptr::null_mut()
}

/// An address, and whether others may listen there too. The address with its port is returned, or
/// undefined; why not is for the log.
unsafe extern "C" fn listen(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let address = call.text(0).unwrap_or_default();
    let shared = call.flag(1);
    if let Some(app) = call.addon.app() {
        app.touch_and_stay();
    }
    let bound = call.with(|cx| {
        Ok(if shared {
            cx.listen_shared(&address)
        } else {
            cx.listen(&address)
        })
    });
    match bound {
        Ok(Ok(bound)) => {
            let port = bound.port().map_or(-1, i32::from);
            call.addon.set_register(register::FIRST, port);
            call.env.text(&bound.to_string())
        }
        _ => call.env.undefined(),
    }
}

/// An address that `listen` has returned.
unsafe extern "C" fn unlisten(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let address = call
        .text(0)
        .and_then(|text| text.parse::<ListenAddress>().ok());
    let Some(address) = address else {
        return call.done(Err(status::REFUSED_OTHER));
    };
    call.done(call.with(|cx| Ok(i32::from(cx.unlisten(&address)))))
}

/// Drops every connection, and listens no more.
unsafe extern "C" fn close(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.done(call.with(|cx| {
        cx.close_all();
        Ok(0)
    }))
}

/// The grace in milliseconds.
unsafe extern "C" fn stop(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<1>::new(env, info) };
    let grace = Duration::from_millis(call.number(0) as u64);
    if let Some(app) = call.addon.app() {
        app.stop(grace);
    }
    std::ptr::null_mut()
}

/// Sends what every app has to send, without waiting for the loop, and from now on whatever else
/// there is: the process is about to end.
unsafe extern "C" fn flush(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    call.addon.is_leaving.set(true);
    call.addon.each_app(|app| {
        let _ = app.with(|_| ());
    });
    std::ptr::null_mut()
}

unsafe extern "C" fn counts(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let counts = call.with(|cx| Ok(cx.counts())).unwrap_or_default();
    let Ok(object) = call.env.object() else {
        return std::ptr::null_mut();
    };
    for (name, count) in counts.named() {
        call.env
            .set(object, &camel_case(name), call.env.number(count as f64));
    }
    object
}

unsafe extern "C" fn want_log(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    if let Some(app) = call.addon.app() {
        app.want_log();
    }
    std::ptr::null_mut()
}
