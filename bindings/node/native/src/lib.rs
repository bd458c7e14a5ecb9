//! The native half of the Node addon.
//!
//! JavaScript holds integers: classes, handlers and user data live there, and every call names its
//! response or WebSocket by them. The integers of a call or an event travel in an `Int32Array` that
//! both sides see (`registers`), which costs a fraction of passing them as arguments. What is
//! called runs on the guarded core that the C interface has too (`keirin_guard`).
//!
//! `embed` puts a loop of keirin's into Node's, `events` calls JavaScript; `app`, `request`,
//! `response`, `websocket` and `connection` are called by it; `addon` holds what there is once for
//! each environment.

mod addon;
mod app;
mod connection;
mod declarative;
mod embed;
mod events;
mod napi;
mod numbers;
mod options;
mod request;
mod response;
mod routes;
mod store;
mod uv;
mod websocket;

use napi_sys as sys;

/// The version of Node-API that is asked for: Node 18 has it.
#[unsafe(no_mangle)]
pub extern "C" fn node_api_module_get_api_version_v1() -> i32 {
    8
}

/// What Node calls when the addon is loaded, once for each environment.
///
/// # Safety
/// Node calls it, with an environment and an object of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(
    env: sys::napi_env,
    exports: sys::napi_value,
) -> sys::napi_value {
    // What cannot be set up is missing from `exports`, which the loader looks at.
    let _ = addon::Addon::load(napi::Env(env), exports);
    exports
}
