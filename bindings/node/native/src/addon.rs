//! What there is once for each environment: for Node's main thread and for each of its workers.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use keirin::{ById, ConnectionId, Cx, Misuse, ResponseId, SocketId};
use keirin_guard::{Refusal, Settle};
use napi_sys as sys;

use crate::embed::{Embedded, Worker};
use crate::napi::{Env, Failed, NativeFunction, Value};
pub(crate) use crate::numbers::{register, status};
use crate::{numbers, options};

/// How many registers there are.
const REGISTER_COUNT: usize = register::THIRD + 1;

/// What is kept for strings; longer ones are given room by themselves.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// The outcome of a call, as the registers say it.
pub(crate) fn status_of(misuse: Misuse) -> i32 {
    match misuse {
        Misuse::Stale => status::STALE,
        Misuse::AlreadyEnded => status::ALREADY_ENDED,
        Misuse::AlreadyBegun => status::ALREADY_BEGUN,
        Misuse::Header => status::REFUSED_HEADER,
        Misuse::Status => status::REFUSED_STATUS,
        Misuse::Length => status::REFUSED_LENGTH,
        Misuse::LeftAlone => status::LEFT_ALONE,
        Misuse::Fragment => status::REFUSED_FRAGMENT,
        Misuse::Topic => status::REFUSED_TOPIC,
        Misuse::CloseCode => status::REFUSED_CLOSE_CODE,
        _ => status::REFUSED_OTHER,
    }
}

pub(crate) struct Addon {
    pub(crate) env: Env,
    /// In the memory of an ArrayBuffer that is kept for as long as the environment.
    registers: *mut i32,
    /// By number; those that are gone leave their place.
    apps: RefCell<Vec<Option<Rc<Embedded>>>>,
    /// For strings on their way in.
    scratch: Cell<Vec<u8>>,
    /// Handles that libuv has, or is closing.
    handles: Cell<usize>,
    /// The environment is about to end, and waits for them.
    ending: Cell<Option<sys::napi_async_cleanup_hook_handle>>,
    /// JavaScript runs for the last time: what it sends cannot wait for the loop.
    pub(crate) is_leaving: Cell<bool>,
}

impl Addon {
    /// Sets up the addon for an environment.
    pub(crate) fn load(env: Env, exports: Value) -> Result<(), Failed> {
        let registers = env.array_buffer(&[0; REGISTER_COUNT * size_of::<i32>()])?;
        // Never given back: it has to outlive whatever may still call.
        env.reference(registers)?;
        // SAFETY: nobody else knows of the buffer yet.
        let memory = unsafe { env.buffer(registers) }.ok_or(Failed)?;
        let addon = Rc::new(Self {
            env,
            registers: memory.as_ptr().cast_mut().cast(),
            apps: RefCell::default(),
            scratch: Cell::default(),
            handles: Cell::new(0),
            ending: Cell::new(None),
            is_leaving: Cell::new(false),
        });
        env.set(exports, c"registers", registers);
        env.set(exports, c"numbers", numbers::tables(env)?);
        env.set(exports, c"settings", options::settings(env)?);
        let data = Rc::into_raw(addon).cast_mut().cast::<c_void>();
        let mut hook = ptr::null_mut();
        // SAFETY: `data` stays until `ended` gives it up.
        unsafe { sys::napi_add_async_cleanup_hook(env.0, Some(end), data, &raw mut hook) };
        let modules = [
            crate::app::FUNCTIONS,
            crate::connection::FUNCTIONS,
            crate::response::FUNCTIONS,
            crate::request::FUNCTIONS,
            crate::websocket::FUNCTIONS,
            crate::store::FUNCTIONS,
        ];
        for &(name, native) in modules.into_iter().flatten() {
            env.set(exports, name, env.function(name, native, data)?);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn register(&self, index: usize) -> i32 {
        debug_assert!(index < REGISTER_COUNT);
        // SAFETY: the memory is there, it has as many, and JavaScript does not run now.
        unsafe { *self.registers.add(index) }
    }

    #[inline]
    pub(crate) fn set_register(&self, index: usize, value: i32) {
        debug_assert!(index < REGISTER_COUNT);
        // SAFETY: as above.
        unsafe { *self.registers.add(index) = value };
    }

    fn bits(&self) -> u64 {
        let half = |index| u64::from(self.register(index).cast_unsigned());
        half(register::LOW) | half(register::HIGH) << 32
    }

    #[inline]
    pub(crate) fn set_bits(&self, bits: u64) {
        self.set_register(register::LOW, (bits as u32).cast_signed());
        self.set_register(register::HIGH, ((bits >> 32) as u32).cast_signed());
    }

    #[inline]
    pub(crate) fn set_response(&self, id: ResponseId) {
        let (connection, request) = id.to_bits();
        self.set_bits(connection);
        self.set_register(register::REQUEST, request.cast_signed());
    }

    #[inline]
    fn response(&self) -> ResponseId {
        let request = self.register(register::REQUEST).cast_unsigned();
        ResponseId::from_bits((self.bits(), request))
    }

    /// The app that a call is for.
    #[inline]
    pub(crate) fn app(&self) -> Option<Rc<Embedded>> {
        let number = self.register(register::APP) as usize;
        self.apps.borrow().get(number)?.clone()
    }

    /// Gives a new app its number.
    pub(crate) fn add(&self, make: impl FnOnce(i32) -> Option<Rc<Embedded>>) -> Option<i32> {
        let number = self.apps.borrow().len();
        let app = make(number as i32)?;
        self.apps.borrow_mut().push(Some(app));
        Some(number as i32)
    }

    /// Looks at every app.
    pub(crate) fn each_app(&self, f: impl Fn(&Embedded)) {
        self.apps.borrow().iter().flatten().for_each(|app| f(app));
    }

    /// Forgets an app.
    pub(crate) fn remove(&self, number: usize) -> Option<Rc<Embedded>> {
        self.apps.borrow_mut().get_mut(number)?.take()
    }

    /// Libuv has so many handles more.
    pub(crate) fn handles_opened(&self, count: usize) {
        self.handles.update(|handles| handles + count);
    }

    /// One of them is closed; the last one ends the environment's end.
    pub(crate) fn handle_closed(self: &Rc<Self>) {
        self.handles.update(|handles| handles - 1);
        if self.handles.get() == 0
            && let Some(hook) = self.ending.take()
        {
            self.ended(hook);
        }
    }

    fn ended(self: &Rc<Self>, hook: sys::napi_async_cleanup_hook_handle) {
        // SAFETY: it comes from Node, and is given back once.
        unsafe { sys::napi_remove_async_cleanup_hook(hook) };
        // The count that `load` has given to the functions, which nobody can call any more.
        // SAFETY: it was leaked there, and this is called once.
        unsafe { Rc::decrement_strong_count(Rc::as_ptr(self)) };
    }
}

/// The environment ends: what libuv has of the apps has to be closed first.
unsafe extern "C" fn end(hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    let addon = data.cast_const().cast::<Addon>();
    // SAFETY: `load` has leaked a count of it, which `ended` gives up.
    let addon = unsafe {
        Rc::increment_strong_count(addon);
        Rc::from_raw(addon)
    };
    crate::store::release_lock(Rc::as_ptr(&addon) as usize);
    let apps: Vec<Rc<Embedded>> = addon.apps.take().into_iter().flatten().collect();
    for app in &apps {
        app.shut();
    }
    if addon.handles.get() == 0 {
        addon.ended(hook);
    } else {
        addon.ending.set(Some(hook));
    }
}

/// A call of JavaScript's.
pub(crate) struct Call<'a, const N: usize> {
    pub(crate) env: Env,
    pub(crate) addon: &'a Addon,
    pub(crate) arguments: [Value; N],
}

impl<const N: usize> Call<'_, N> {
    /// # Safety
    /// Node calls a function that `Addon::load` has made, with these two.
    #[inline]
    pub(crate) unsafe fn new(env: sys::napi_env, info: sys::napi_callback_info) -> Self {
        let env = Env(env);
        let (arguments, data) = env.arguments::<N>(info);
        // SAFETY: it is what `load` has made them with.
        let addon = unsafe { &*data.cast_const().cast::<Addon>() };
        Self {
            env,
            addon,
            arguments,
        }
    }

    /// Says how the call has ended; the value is what it returns.
    #[inline]
    pub(crate) fn done(&self, outcome: Result<i32, i32>) -> Value {
        let (Ok(code) | Err(code)) = outcome;
        self.addon.set_register(register::STATUS, code);
        ptr::null_mut()
    }

    /// Carries out an operation on the app's loop.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        operation: impl FnOnce(&mut Cx<'_, Worker>) -> Result<R, Misuse>,
    ) -> Result<R, i32> {
        let Some(app) = self.addon.app() else {
            return Err(status::STALE);
        };
        match app.with(operation) {
            Ok(result) => result.map_err(status_of),
            Err(_) => Err(status::UNAVAILABLE),
        }
    }

    /// Carries out an operation on the response that the registers name.
    #[inline]
    pub(crate) fn respond<R>(
        &self,
        operation: impl FnOnce(&mut ById<'_, Worker>, ResponseId) -> Result<R, Misuse>,
    ) -> Result<R, i32> {
        let id = self.addon.response();
        self.with(|cx| operation(&mut cx.by_id(), id))
    }

    /// Carries out an operation on the WebSocket that the registers name.
    #[inline]
    pub(crate) fn socket<R>(
        &self,
        operation: impl FnOnce(&mut Cx<'_, Worker>, SocketId) -> Result<R, Misuse>,
    ) -> Result<R, i32> {
        let id = SocketId::from_bits(self.addon.bits());
        self.with(|cx| operation(cx, id))
    }

    /// The connection that the registers name.
    pub(crate) fn connection_id(&self) -> ConnectionId {
        ConnectionId::from_bits(self.addon.bits())
    }

    /// The response that the registers name.
    pub(crate) fn response_id(&self) -> ResponseId {
        self.addon.response()
    }

    /// The bytes of an argument: of a string as UTF-8, of a buffer as they are, none of undefined.
    /// Whether it was text comes with them.
    #[inline]
    pub(crate) fn bytes<R>(&self, index: usize, f: impl FnOnce(&[u8], bool) -> R) -> R {
        let value = self.arguments[index];
        let mut scratch = self.addon.scratch.take();
        let result = match self.env.string(value, &mut scratch) {
            Some(text) => f(text.as_bytes(), true),
            None => {
                // SAFETY: no operation of the engine's runs JavaScript. What other threads could
                // change was copied by the caller.
                let bytes = unsafe { self.env.buffer(value) };
                f(bytes.unwrap_or_default(), false)
            }
        };
        if scratch.capacity() > SCRATCH_BYTES_MAX {
            scratch = Vec::new();
        }
        self.addon.scratch.set(scratch);
        result
    }

    /// An argument as text: `None` for bytes that are no UTF-8.
    pub(crate) fn text(&self, index: usize) -> Option<String> {
        self.bytes(index, |bytes, _| {
            str::from_utf8(bytes).ok().map(str::to_owned)
        })
    }

    pub(crate) fn flag(&self, index: usize) -> bool {
        self.env.to_bool(self.arguments[index])
    }

    pub(crate) fn int(&self, index: usize) -> i32 {
        self.env.to_int(self.arguments[index])
    }

    pub(crate) fn number(&self, index: usize) -> f64 {
        self.env.to_number(self.arguments[index])
    }
}

/// The functions that a module gives to JavaScript.
pub(crate) type Functions = &'static [(&'static CStr, NativeFunction)];

impl Embedded {
    /// Carries out an operation: within a callback at once, else to be settled before Node's loop
    /// waits. Where it waits no more, what there is to send is sent at once.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        operation: impl FnOnce(&mut Cx<'_, Worker>) -> R,
    ) -> Result<R, Refusal> {
        self.touch();
        let operation = |cx: &mut Cx<'_, Worker>| {
            let result = operation(cx);
            if self.addon.is_leaving.get() {
                cx.by_id().flush();
            }
            result
        };
        // A panic goes no further than here; the guard remembers it.
        let carried_out = AssertUnwindSafe(|| self.guarded.with(Settle::Later, operation));
        catch_unwind(carried_out).unwrap_or(Err(Refusal::Panicked))
    }
}
