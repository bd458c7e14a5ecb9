//! What comes in from C: checked once, at the border.
//!
//! Each function here trusts what every function of the interface asks of its caller: a pointer is
//! NULL or valid for the time of the call, and bytes are as many as is said.

use std::ffi::{CStr, c_char, c_void};
use std::{ptr, slice};

use keirin::proto::ws::utf8;

use crate::status::{KEIRIN_ERR_LENGTH, KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, Outcome, Refused};

/// Bytes that belong to somebody else. `data` is NULL for what is absent, and not for what is
/// empty.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct keirin_bytes_t {
    /// The first byte.
    pub data: *const u8,
    /// How many there are. They are not followed by a NUL.
    pub length: usize,
}

impl keirin_bytes_t {
    pub(crate) const ABSENT: Self = Self {
        data: ptr::null(),
        length: 0,
    };
}

impl From<&[u8]> for keirin_bytes_t {
    fn from(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr(),
            length: bytes.len(),
        }
    }
}

impl From<Option<&[u8]>> for keirin_bytes_t {
    fn from(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::ABSENT, Self::from)
    }
}

/// Bytes of the caller's. The pointer is not looked at when there are none.
///
/// # Safety
/// `data` is NULL or points to `length` bytes that nobody changes for as long as they are used.
#[inline]
pub(crate) unsafe fn bytes<'a>(data: *const c_void, length: usize) -> Outcome<&'a [u8]> {
    if length == 0 {
        Ok(&[])
    } else if data.is_null() {
        Err(Refused(KEIRIN_ERR_NULL))
    } else if length > isize::MAX as usize {
        Err(Refused(KEIRIN_ERR_LENGTH))
    } else {
        // SAFETY: as the caller promises, and no longer than an allocation can be.
        Ok(unsafe { slice::from_raw_parts(data.cast(), length) })
    }
}

/// Text of the caller's.
///
/// # Safety
/// As [`bytes`].
#[inline]
pub(crate) unsafe fn text<'a>(data: *const c_void, length: usize) -> Outcome<&'a str> {
    // SAFETY: as the caller promises.
    let bytes = unsafe { bytes(data, length) }?;
    utf8::text(bytes).ok_or(Refused(KEIRIN_ERR_UTF8))
}

/// Text that ends with a NUL.
///
/// # Safety
/// `string` is NULL or points to bytes that nobody changes, one of them NUL.
pub(crate) unsafe fn c_text<'a>(string: *const c_char) -> Outcome<&'a str> {
    if string.is_null() {
        return Err(Refused(KEIRIN_ERR_NULL));
    }
    // SAFETY: as the caller promises.
    let string = unsafe { CStr::from_ptr(string) };
    string.to_str().map_err(|_| Refused(KEIRIN_ERR_UTF8))
}

/// Something of ours that the caller was given.
///
/// # Safety
/// `pointer` is NULL or was given out by this library for a `T` and not freed since, and nobody
/// else changes it meanwhile.
#[inline]
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Outcome<&'a T> {
    // SAFETY: as the caller promises.
    unsafe { pointer.as_ref() }.ok_or(Refused(KEIRIN_ERR_NULL))
}

/// The same, to change.
///
/// # Safety
/// As [`reference`], and nobody else uses it meanwhile.
pub(crate) unsafe fn reference_mut<'a, T>(pointer: *mut T) -> Outcome<&'a mut T> {
    // SAFETY: as the caller promises.
    unsafe { pointer.as_mut() }.ok_or(Refused(KEIRIN_ERR_NULL))
}

/// Frees what [`give`] has given out, or does nothing for NULL.
///
/// # Safety
/// `pointer` is NULL or was given out by [`give`] and not freed since.
pub(crate) unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: it came from a Box, as the caller promises.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// Gives something to the caller, who has to free it.
pub(crate) fn give<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Where a result goes that the caller must take.
///
/// # Safety
/// `out` is NULL or points to where a `T` can be written.
pub(crate) unsafe fn output<'a, T>(out: *mut T) -> Outcome<Output<'a, T>> {
    if out.is_null() {
        return Err(Refused(KEIRIN_ERR_NULL));
    }
    Ok(Output(out, std::marker::PhantomData))
}

/// A place to write to, which may hold anything before.
pub(crate) struct Output<'a, T>(*mut T, std::marker::PhantomData<&'a mut T>);

impl<T> Output<'_, T> {
    pub(crate) fn set(self, value: T) {
        // SAFETY: it is not NULL, and as was promised when it was made.
        unsafe { self.0.write(value) };
    }
}

/// Writes a result that the caller may not care for.
///
/// # Safety
/// As [`output`].
pub(crate) unsafe fn set_optional<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: as the caller promises.
        unsafe { out.write(value) };
    }
}
