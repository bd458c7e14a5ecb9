//! The key-value store that all threads of the process share.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use napi_sys as sys;

use crate::addon::{Call, Functions};
use crate::napi::Value;

pub(crate) const FUNCTIONS: Functions = &[
    (c"getString", get_string),
    (c"setString", set_string),
    (c"getInteger", get_integer),
    (c"setInteger", set_integer),
    (c"incInteger", inc_integer),
    (c"getStringKeys", get_string_keys),
    (c"getIntegerKeys", get_integer_keys),
    (c"deleteString", delete_string),
    (c"deleteInteger", delete_integer),
    (c"deleteStringCollection", delete_string_collection),
    (c"deleteIntegerCollection", delete_integer_collection),
    (c"lock", lock),
    (c"unlock", unlock),
];

/// Collections by name, of values by key.
type Collections<T> = HashMap<Vec<u8>, HashMap<Vec<u8>, T>>;

static STRINGS: Mutex<Option<Collections<Vec<u8>>>> = Mutex::new(None);
static INTEGERS: Mutex<Option<Collections<u32>>> = Mutex::new(None);
/// The environment that has locked the store, or 0.
static OWNER: Mutex<usize> = Mutex::new(0);
static RELEASED: Condvar = Condvar::new();

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The entry of the last two arguments, which is made if there is none.
fn entry<T: Default, R, const N: usize>(
    call: &Call<'_, N>,
    store: &Mutex<Option<Collections<T>>>,
    collection: usize,
    f: impl FnOnce(&mut T) -> R,
) -> R {
    let key = call.bytes(0, |key, _| key.to_vec());
    let name = call.bytes(collection, |name, _| name.to_vec());
    let mut store = locked(store);
    let collections = store.get_or_insert_default();
    f(collections.entry(name).or_default().entry(key).or_default())
}

fn remove<T>(call: &Call<'_, 2>, store: &Mutex<Option<Collections<T>>>) -> Value {
    let key = call.bytes(0, |key, _| key.to_vec());
    let name = call.bytes(1, |name, _| name.to_vec());
    if let Some(collections) = &mut *locked(store)
        && let Some(collection) = collections.get_mut(&name)
    {
        collection.remove(&key);
    }
    std::ptr::null_mut()
}

fn remove_collection<T>(call: &Call<'_, 1>, store: &Mutex<Option<Collections<T>>>) -> Value {
    let name = call.bytes(0, |name, _| name.to_vec());
    if let Some(collections) = &mut *locked(store) {
        collections.remove(&name);
    }
    std::ptr::null_mut()
}

fn keys<T>(call: &Call<'_, 1>, store: &Mutex<Option<Collections<T>>>) -> Value {
    let name = call.bytes(0, |name, _| name.to_vec());
    let store = locked(store);
    let collection = store
        .as_ref()
        .and_then(|collections| collections.get(&name));
    let Ok(array) = call.env.array() else {
        return std::ptr::null_mut();
    };
    let keys = collection.into_iter().flat_map(HashMap::keys);
    for (index, key) in keys.enumerate() {
        let key = call.env.text(&String::from_utf8_lossy(key));
        call.env.set_element(array, index, key);
    }
    array
}

unsafe extern "C" fn get_string(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let value = entry(&call, &STRINGS, 1, |value| value.clone());
    call.env.text(&String::from_utf8_lossy(&value))
}

unsafe extern "C" fn set_string(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<3>::new(env, info) };
    let new = call.bytes(1, |value, _| value.to_vec());
    entry(&call, &STRINGS, 2, |value| *value = new);
    std::ptr::null_mut()
}

unsafe extern "C" fn get_integer(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<2>::new(env, info) };
    let value = entry(&call, &INTEGERS, 1, |value| *value);
    call.env.number(f64::from(value))
}

unsafe extern "C" fn set_integer(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<3>::new(env, info) };
    let new = call.number(1) as i64 as u32;
    entry(&call, &INTEGERS, 2, |value| *value = new);
    std::ptr::null_mut()
}

unsafe extern "C" fn inc_integer(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<3>::new(env, info) };
    let change = call.number(1) as i64 as u32;
    let value = entry(&call, &INTEGERS, 2, |value| {
        *value = value.wrapping_add(change);
        *value
    });
    call.env.number(f64::from(value))
}

unsafe extern "C" fn get_string_keys(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    keys(&unsafe { Call::<1>::new(env, info) }, &STRINGS)
}

unsafe extern "C" fn get_integer_keys(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    keys(&unsafe { Call::<1>::new(env, info) }, &INTEGERS)
}

unsafe extern "C" fn delete_string(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    remove(&unsafe { Call::<2>::new(env, info) }, &STRINGS)
}

unsafe extern "C" fn delete_integer(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    remove(&unsafe { Call::<2>::new(env, info) }, &INTEGERS)
}

unsafe extern "C" fn delete_string_collection(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> Value {
    // SAFETY: Node calls it so.
    remove_collection(&unsafe { Call::<1>::new(env, info) }, &STRINGS)
}

unsafe extern "C" fn delete_integer_collection(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> Value {
    // SAFETY: Node calls it so.
    remove_collection(&unsafe { Call::<1>::new(env, info) }, &INTEGERS)
}

/// Waits until no other thread holds the lock, and takes it. Again on the same thread it is held
/// once.
unsafe extern "C" fn lock(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    let this = std::ptr::from_ref(call.addon) as usize;
    let is_taken = |owner: &mut usize| *owner != 0 && *owner != this;
    let mut owner = RELEASED
        .wait_while(locked(&OWNER), is_taken)
        .unwrap_or_else(PoisonError::into_inner);
    *owner = this;
    std::ptr::null_mut()
}

unsafe extern "C" fn unlock(env: sys::napi_env, info: sys::napi_callback_info) -> Value {
    // SAFETY: Node calls it so.
    let call = unsafe { Call::<0>::new(env, info) };
    release_lock(std::ptr::from_ref(call.addon) as usize);
    std::ptr::null_mut()
}

/// Releases the lock if this environment holds it: also when it ends.
pub(crate) fn release_lock(environment: usize) {
    let mut owner = locked(&OWNER);
    if *owner == environment {
        *owner = 0;
        RELEASED.notify_one();
    }
}
