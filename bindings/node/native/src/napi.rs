//! Node-API as the addon uses it: a thin layer that turns its out-parameters into values.
//!
//! `napi-sys` is used directly, since what is on the path of every request and message has to cost
//! tens of nanoseconds.

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::{ptr, slice};

use keirin::proto::ws::utf8;
use napi_sys as sys;

pub(crate) type Value = sys::napi_value;
pub(crate) type NativeFunction =
    unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> Value;

/// A JavaScript environment, on its thread. Made only from what Node hands to the addon; the
/// methods are safe as long as that holds, and for values of the handle scope that is open.
#[derive(Clone, Copy)]
pub(crate) struct Env(pub(crate) sys::napi_env);

/// From here on it pays not to clear what is written over at once.
const UNCLEARED_BYTES_MIN: usize = 16 << 10;

/// A function of JavaScript's was not carried out: an exception is pending, or the environment is
/// about to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

/// Calls a function of Node-API for its last argument, which it fills in.
macro_rules! fill {
    ($call:ident, $($argument:expr),+) => {{
        let mut result = MaybeUninit::uninit();
        // SAFETY: the arguments are valid, as `Env` says, and `result` is of the right type.
        let status = unsafe { sys::$call($($argument,)+ result.as_mut_ptr()) };
        // SAFETY: it was filled in.
        (status == sys::Status::napi_ok).then(|| unsafe { result.assume_init() }).ok_or(Failed)
    }};
}

impl Env {
    pub(crate) fn int(self, value: i32) -> Value {
        fill!(napi_create_int32, self.0, value).unwrap_or(ptr::null_mut())
    }

    pub(crate) fn number(self, value: f64) -> Value {
        fill!(napi_create_double, self.0, value).unwrap_or(ptr::null_mut())
    }

    pub(crate) fn undefined(self) -> Value {
        fill!(napi_get_undefined, self.0).unwrap_or(ptr::null_mut())
    }

    /// A string of bytes that are one character each.
    pub(crate) fn latin1(self, bytes: &[u8]) -> Value {
        let (data, length) = (bytes.as_ptr().cast(), bytes.len() as isize);
        fill!(napi_create_string_latin1, self.0, data, length).unwrap_or(ptr::null_mut())
    }

    pub(crate) fn text(self, text: &str) -> Value {
        let (data, length) = (text.as_ptr().cast(), text.len() as isize);
        fill!(napi_create_string_utf8, self.0, data, length).unwrap_or(ptr::null_mut())
    }

    /// An ArrayBuffer with a copy of the bytes.
    pub(crate) fn array_buffer(self, bytes: &[u8]) -> Result<Value, Failed> {
        let mut data = ptr::null_mut();
        let buffer = if bytes.len() < UNCLEARED_BYTES_MIN {
            fill!(napi_create_arraybuffer, self.0, bytes.len(), &raw mut data)?
        } else {
            self.uncleared(bytes.len(), &mut data)?
        };
        if !bytes.is_empty() {
            // SAFETY: Node has made room for as many bytes, which nobody else knows of yet.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast::<u8>(), bytes.len()) };
        }
        Ok(buffer)
    }

    /// An ArrayBuffer whose memory is not cleared: the one behind a `Buffer`, which costs one more
    /// object.
    fn uncleared(self, length: usize, data: &mut *mut c_void) -> Result<Value, Failed> {
        let view = fill!(napi_create_buffer, self.0, length, &raw mut *data)?;
        let none = ptr::null_mut();
        let (mut kind, mut elements) = (0, 0_usize);
        let mut offset = usize::MAX;
        let mut buffer = ptr::null_mut();
        // SAFETY: as `Env` says, with a view that was made just now.
        unsafe {
            sys::napi_get_typedarray_info(
                self.0,
                view,
                &raw mut kind,
                &raw mut elements,
                none,
                &raw mut buffer,
                &raw mut offset,
            );
        }
        // Part of a larger one would be taken from others when it is detached.
        (offset == 0 && elements == length)
            .then_some(buffer)
            .ok_or(Failed)
    }

    /// Takes its memory from an ArrayBuffer: its length is 0 from now on.
    pub(crate) fn detach(self, buffer: Value) {
        // SAFETY: as `Env` says; it refuses what is no ArrayBuffer.
        unsafe { sys::napi_detach_arraybuffer(self.0, buffer) };
    }

    pub(crate) fn array(self) -> Result<Value, Failed> {
        fill!(napi_create_array, self.0)
    }

    pub(crate) fn set_element(self, array: Value, index: usize, value: Value) {
        // SAFETY: as `Env` says.
        unsafe { sys::napi_set_element(self.0, array, index as u32, value) };
    }

    pub(crate) fn object(self) -> Result<Value, Failed> {
        fill!(napi_create_object, self.0)
    }

    pub(crate) fn set(self, object: Value, name: &CStr, value: Value) {
        // SAFETY: as `Env` says.
        unsafe { sys::napi_set_named_property(self.0, object, name.as_ptr(), value) };
    }

    pub(crate) fn property(self, object: Value, name: &CStr) -> Result<Value, Failed> {
        fill!(napi_get_named_property, self.0, object, name.as_ptr())
    }

    pub(crate) fn kind(self, value: Value) -> sys::napi_valuetype {
        fill!(napi_typeof, self.0, value).unwrap_or(sys::ValueType::napi_undefined)
    }

    pub(crate) fn is_undefined(self, value: Value) -> bool {
        self.kind(value) == sys::ValueType::napi_undefined
    }

    pub(crate) fn to_int(self, value: Value) -> i32 {
        fill!(napi_get_value_int32, self.0, value).unwrap_or(0)
    }

    pub(crate) fn to_number(self, value: Value) -> f64 {
        fill!(napi_get_value_double, self.0, value).unwrap_or(0.0)
    }

    pub(crate) fn to_bool(self, value: Value) -> bool {
        fill!(napi_get_value_bool, self.0, value).unwrap_or(false)
    }

    pub(crate) fn function(
        self,
        name: &CStr,
        native: NativeFunction,
        data: *mut c_void,
    ) -> Result<Value, Failed> {
        let length = name.count_bytes() as isize;
        fill!(
            napi_create_function,
            self.0,
            name.as_ptr(),
            length,
            Some(native),
            data
        )
    }

    pub(crate) fn reference(self, value: Value) -> Result<sys::napi_ref, Failed> {
        fill!(napi_create_reference, self.0, value, 1)
    }

    pub(crate) fn delete_reference(self, reference: sys::napi_ref) {
        // SAFETY: it comes from `reference`, and is given up here.
        unsafe { sys::napi_delete_reference(self.0, reference) };
    }

    pub(crate) fn dereference(self, reference: sys::napi_ref) -> Result<Value, Failed> {
        fill!(napi_get_reference_value, self.0, reference)
    }

    /// Keeps a value of Rust's in JavaScript, until it is collected there.
    pub(crate) fn external<T: 'static>(self, value: T) -> Result<Value, Failed> {
        unsafe extern "C" fn finalize<T>(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
            // SAFETY: it is the box that was given up below, and this is called once.
            drop(unsafe { Box::from_raw(data.cast::<T>()) });
        }
        let data = Box::into_raw(Box::new(value)).cast();
        let made = fill!(
            napi_create_external,
            self.0,
            data,
            Some(finalize::<T>),
            ptr::null_mut()
        );
        if made.is_err() {
            // SAFETY: Node has not taken it.
            drop(unsafe { Box::from_raw(data.cast::<T>()) });
        }
        made
    }

    /// What [`external`](Self::external) keeps.
    ///
    /// # Safety
    /// If it is an external, it is one of this addon's with a value of this type.
    pub(crate) unsafe fn to_external<'a, T>(self, value: Value) -> Option<&'a T> {
        let data = fill!(napi_get_value_external, self.0, value).ok()?;
        // SAFETY: as the caller promises; the caller's scope keeps the value from being collected.
        unsafe { data.cast::<T>().as_ref() }
    }

    /// Calls a function of JavaScript's, and lets what it has put off (microtasks, `nextTick`) run.
    /// An exception becomes an `uncaughtException`. False when JavaScript cannot be called any
    /// more: its thread is being ended.
    #[inline]
    pub(crate) fn call_back(self, receiver: Value, function: Value, arguments: &[Value]) -> bool {
        let called = fill!(
            napi_make_callback,
            self.0,
            ptr::null_mut(),
            receiver,
            function,
            arguments.len(),
            arguments.as_ptr()
        );
        called.is_ok() || self.report_exception()
    }

    #[cold]
    fn report_exception(self) -> bool {
        if let Ok(true) = fill!(napi_is_exception_pending, self.0)
            && let Ok(error) = fill!(napi_get_and_clear_last_exception, self.0)
        {
            // SAFETY: as `Env` says.
            return unsafe { sys::napi_fatal_exception(self.0, error) } == sys::Status::napi_ok;
        }
        false
    }

    /// Opens a scope for values.
    pub(crate) fn open_scope(self) -> sys::napi_handle_scope {
        fill!(napi_open_handle_scope, self.0).unwrap_or(ptr::null_mut())
    }

    /// Closes the scope that was opened last.
    pub(crate) fn close_scope(self, scope: sys::napi_handle_scope) {
        if !scope.is_null() {
            // SAFETY: it comes from `open_scope`, and those within it are closed.
            unsafe { sys::napi_close_handle_scope(self.0, scope) };
        }
    }

    pub(crate) fn uv_loop(self) -> Result<*mut crate::uv::Loop, Failed> {
        fill!(napi_get_uv_event_loop, self.0).map(<*mut sys::uv_loop_s>::cast)
    }

    /// The arguments of a call, as many as are wanted, and what the function was made with.
    #[inline]
    pub(crate) fn arguments<const N: usize>(
        self,
        info: sys::napi_callback_info,
    ) -> ([Value; N], *mut c_void) {
        let mut arguments = [ptr::null_mut(); N];
        let mut count = N;
        let mut data = ptr::null_mut();
        // SAFETY: `info` is of the call that is under way; what is missing is filled up with
        // undefined.
        unsafe {
            sys::napi_get_cb_info(
                self.0,
                info,
                &raw mut count,
                arguments.as_mut_ptr(),
                ptr::null_mut(),
                &raw mut data,
            );
        }
        (arguments, data)
    }

    /// The bytes of a string, as UTF-8, in `scratch`; `None` if it is none.
    #[inline]
    pub(crate) fn string(self, value: Value, scratch: &mut Vec<u8>) -> Option<&str> {
        // What did not fit in is cut at a character, of four bytes at most.
        const SLACK: usize = 4;
        scratch.clear();
        scratch.reserve(4096);
        let room = scratch.capacity();
        let data = scratch.as_mut_ptr().cast::<c_char>();
        let length = fill!(napi_get_value_string_utf8, self.0, value, data, room).ok()?;
        let length = if length + SLACK < room {
            length
        } else {
            self.long_string(value, scratch)?
        };
        // SAFETY: as many were written.
        unsafe { scratch.set_len(length) };
        // Node replaces what is no character, but that is cheap to look at.
        utf8::text(scratch)
    }

    #[cold]
    fn long_string(self, value: Value, scratch: &mut Vec<u8>) -> Option<usize> {
        let none = ptr::null_mut();
        let length = fill!(napi_get_value_string_utf8, self.0, value, none, 0).ok()?;
        scratch.clear();
        scratch.reserve(length + 1);
        let (data, room) = (scratch.as_mut_ptr().cast(), scratch.capacity());
        fill!(napi_get_value_string_utf8, self.0, value, data, room).ok()
    }

    /// The bytes of an ArrayBuffer or a view of one.
    ///
    /// # Safety
    /// No JavaScript runs, and the value is not used otherwise, while the result is.
    pub(crate) unsafe fn buffer<'a>(self, value: Value) -> Option<&'a [u8]> {
        let mut data = ptr::null_mut::<c_void>();
        let mut length = 0_usize;
        let mut kind = 0;
        // SAFETY: as `Env` says; each refuses what is of another kind.
        let found = unsafe {
            let env = self.0;
            let (none, offset) = (ptr::null_mut(), ptr::null_mut());
            let (into, size) = (&raw mut data, &raw mut length);
            let ok = sys::Status::napi_ok;
            if sys::napi_get_arraybuffer_info(env, value, into, size) == ok {
                true
            } else if sys::napi_get_typedarray_info(
                env,
                value,
                &raw mut kind,
                size,
                into,
                none,
                offset,
            ) == ok
            {
                // What is not known of is no buffer: its elements may be of any size.
                length *= element_bytes(kind)?;
                true
            } else {
                sys::napi_get_dataview_info(env, value, size, into, none, offset) == ok
            }
        };
        if !found {
            return None;
        }
        if length == 0 || data.is_null() {
            return Some(&[]);
        }
        // SAFETY: Node says so, and the caller sees to it that nobody changes them meanwhile.
        Some(unsafe { slice::from_raw_parts(data.cast(), length) })
    }
}

fn element_bytes(kind: sys::napi_typedarray_type) -> Option<usize> {
    use sys::TypedarrayType as Kind;
    Some(match kind {
        Kind::int8_array | Kind::uint8_array | Kind::uint8_clamped_array => 1,
        Kind::int16_array | Kind::uint16_array => 2,
        Kind::int32_array | Kind::uint32_array | Kind::float32_array => 4,
        Kind::float64_array | Kind::bigint64_array | Kind::biguint64_array => 8,
        _ => return None,
    })
}
