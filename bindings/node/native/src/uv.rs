//! The few functions of libuv that the addon needs. They are part of Node's stable surface, and
//! resolved when the addon is loaded.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// `UV_READABLE`.
pub(crate) const READABLE: c_int = 1;

/// A handle of libuv's, whatever its kind. Only its address is used.
#[repr(C)]
pub(crate) struct Handle {
    _opaque: [u8; 0],
}

/// Node's loop.
#[repr(C)]
pub(crate) struct Loop {
    _opaque: [u8; 0],
}

pub(crate) type Callback = unsafe extern "C" fn(*mut Handle);
pub(crate) type PollCallback = unsafe extern "C" fn(*mut Handle, c_int, c_int);

unsafe extern "C" {
    fn uv_handle_size(kind: c_int) -> usize;
    fn uv_handle_set_data(handle: *mut Handle, data: *mut c_void);
    fn uv_handle_get_data(handle: *const Handle) -> *mut c_void;
    fn uv_close(handle: *mut Handle, closed: Callback);
    fn uv_ref(handle: *mut Handle);
    fn uv_unref(handle: *mut Handle);
    fn uv_poll_init(uv_loop: *mut Loop, handle: *mut Handle, fd: c_int) -> c_int;
    fn uv_poll_start(handle: *mut Handle, events: c_int, callback: PollCallback) -> c_int;
    fn uv_timer_init(uv_loop: *mut Loop, handle: *mut Handle) -> c_int;
    fn uv_timer_start(handle: *mut Handle, callback: Callback, after: u64, repeat: u64) -> c_int;
    fn uv_prepare_init(uv_loop: *mut Loop, handle: *mut Handle) -> c_int;
    fn uv_prepare_start(handle: *mut Handle, callback: Callback) -> c_int;
}

/// `uv_handle_type`: libuv keeps these numbers within a major version.
const POLL: c_int = 8;
const PREPARE: c_int = 9;
const TIMER: c_int = 13;

/// A handle in memory of its own, which libuv uses until it has closed it.
pub(crate) struct Owned<T> {
    handle: NonNull<Handle>,
    data: PhantomData<*const T>,
}

impl<T> Owned<T> {
    /// Makes a handle for which `init` is called. `data` has to outlive it, up to the callback of
    /// [`close`](Self::close).
    fn new(data: *const T, init: impl FnOnce(*mut Handle) -> c_int) -> Option<Self> {
        let layout = layout();
        // SAFETY: the size of a handle is not zero.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(handle) = NonNull::new(memory.cast::<Handle>()) else {
            handle_alloc_error(layout)
        };
        if init(handle.as_ptr()) != 0 {
            // SAFETY: libuv has not taken it.
            unsafe { dealloc(memory, layout) };
            return None;
        }
        // SAFETY: it was initialised.
        unsafe { uv_handle_set_data(handle.as_ptr(), data.cast_mut().cast()) };
        Some(Self {
            handle,
            data: PhantomData,
        })
    }

    /// Watches a descriptor for reading.
    pub(crate) fn poll(
        uv_loop: *mut Loop,
        fd: c_int,
        data: *const T,
        callback: PollCallback,
    ) -> Option<Self> {
        // SAFETY: `uv_loop` is Node's, and the handle has room for it.
        let init = |handle| unsafe { uv_poll_init(uv_loop, handle, fd) };
        let poll = Self::new(data, init)?;
        // SAFETY: it was initialised as such a handle.
        unsafe { uv_poll_start(poll.handle.as_ptr(), READABLE, callback) };
        Some(poll)
    }

    /// A timer, which does not keep the process alive.
    pub(crate) fn timer(uv_loop: *mut Loop, data: *const T) -> Option<Self> {
        // SAFETY: as in `poll`.
        let init = |handle| unsafe { uv_timer_init(uv_loop, handle) };
        let timer = Self::new(data, init)?;
        timer.keep_alive(false);
        Some(timer)
    }

    /// Calls `callback` each time before the loop waits; it does not keep the process alive.
    pub(crate) fn prepare(uv_loop: *mut Loop, data: *const T, callback: Callback) -> Option<Self> {
        // SAFETY: as in `poll`.
        let init = |handle| unsafe { uv_prepare_init(uv_loop, handle) };
        let prepare = Self::new(data, init)?;
        // SAFETY: it was initialised as such a handle.
        unsafe { uv_prepare_start(prepare.handle.as_ptr(), callback) };
        prepare.keep_alive(false);
        Some(prepare)
    }

    /// Starts a timer anew.
    pub(crate) fn start(&self, after_ms: u64, callback: Callback) {
        // SAFETY: `self` was made by `timer`, or libuv refuses it.
        unsafe { uv_timer_start(self.handle.as_ptr(), callback, after_ms, 0) };
    }

    /// Whether the process goes on as long as this handle is active.
    pub(crate) fn keep_alive(&self, keep: bool) {
        // SAFETY: it is initialised and not closed.
        unsafe {
            if keep {
                uv_ref(self.handle.as_ptr());
            } else {
                uv_unref(self.handle.as_ptr());
            }
        }
    }

    /// Gives the handle back to libuv, which calls `closed` when it is done with it;
    /// [`free`] is to be called there.
    pub(crate) fn close(self, closed: Callback) {
        // SAFETY: it is initialised, and closed only here.
        unsafe { uv_close(self.handle.as_ptr(), closed) };
    }
}

/// What the handle of a callback belongs to.
///
/// # Safety
/// `handle` comes from an [`Owned`] with data of this type, which is still there.
pub(crate) unsafe fn data<'a, T>(handle: *const Handle) -> &'a T {
    // SAFETY: as the caller promises.
    unsafe { &*uv_handle_get_data(handle).cast::<T>() }
}

/// Frees a handle's memory.
///
/// # Safety
/// It is called from the callback of [`Owned::close`] with its handle.
pub(crate) unsafe fn free(handle: *mut Handle) {
    // SAFETY: every handle has this layout, and libuv is done with it.
    unsafe { dealloc(handle.cast(), layout()) };
}

/// Room for the largest of the kinds that are used, so that freeing need not know which it was.
fn layout() -> Layout {
    // SAFETY: it knows these kinds.
    let sizes = [POLL, PREPARE, TIMER].map(|kind| unsafe { uv_handle_size(kind) });
    let bytes = sizes.into_iter().max().unwrap_or_default();
    Layout::from_size_align(bytes, 16).expect("a few hundred bytes")
}
