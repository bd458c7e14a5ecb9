//! A loop of keirin's inside Node's.
//!
//! libuv watches the loop's epoll descriptor, so that everything happens on JavaScript's own
//! thread. What is called from outside a callback (from a timer of JavaScript's, say) is settled
//! before libuv waits, all of it at once: it costs no system call by itself.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::os::fd::AsRawFd;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keirin::{App, Config, EventLoop, Level, Record, Request};
use keirin_guard::Guarded;

use crate::addon::Addon;
use crate::events::{Event, Events};
use crate::uv;

/// What the engine keeps for an app: the way back to it.
pub(crate) struct Worker(pub(crate) Rc<Embedded>);

/// A change of routes that waits until no callback runs.
type Change = Box<dyn FnOnce(&mut App<Worker>)>;

/// An app: a loop of keirin's, what libuv has of it, and the functions that are called for it.
pub(crate) struct Embedded {
    /// Its number among the environment's apps.
    pub(crate) number: i32,
    pub(crate) addon: Rc<Addon>,
    pub(crate) events: Events,
    pub(crate) guarded: Guarded<Worker>,
    /// The request whose handler runs, or NULL.
    pub(crate) request: Cell<*const Request<'static>>,
    handles: RefCell<Option<Handles>>,
    /// Handles that libuv has not closed yet.
    open_handles: Cell<usize>,
    /// Something was called since the loop was last settled.
    touched: Cell<bool>,
    halted: Cell<bool>,
    /// What names it in other threads, or 0.
    pub(crate) descriptor: Cell<u32>,
    /// A stop was asked for whose end JavaScript wants to hear of.
    stopping: Cell<bool>,
    changes: RefCell<Vec<Change>>,
    log: Arc<Log>,
}

struct Handles {
    poll: uv::Owned<Embedded>,
    timer: uv::Owned<Embedded>,
    prepare: uv::Owned<Embedded>,
    keeps_alive: bool,
}

/// How many handles of libuv's an app has.
const HANDLES: usize = 3;

/// Records on their way to JavaScript.
#[derive(Default)]
struct Log {
    wanted: AtomicBool,
    records: Mutex<Vec<Record>>,
}

impl Log {
    fn take(&self, record: &Record) {
        if self.wanted.load(Ordering::Relaxed) {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.push(record.clone());
        } else if record.level >= Level::Warn {
            eprintln!("{record}");
        }
    }
}

impl Embedded {
    /// A loop inside the environment's. `None` where the system gives no more descriptors.
    pub(crate) fn new(
        addon: Rc<Addon>,
        number: i32,
        events: Events,
        config: Config,
    ) -> Option<Rc<Self>> {
        let uv_loop = addon.env.uv_loop().ok()?;
        let app = Rc::new(Self {
            number,
            addon,
            events,
            guarded: Guarded::default(),
            request: Cell::new(ptr::null()),
            handles: RefCell::default(),
            open_handles: Cell::new(HANDLES),
            touched: Cell::new(false),
            halted: Cell::new(false),
            descriptor: Cell::new(0),
            stopping: Cell::new(false),
            changes: RefCell::default(),
            log: Arc::default(),
        });
        let mut event_loop = EventLoop::new(config, Worker(Rc::clone(&app)), |_| {}).ok()?;
        let log = Arc::clone(&app.log);
        event_loop.on_log(move |record| log.take(record));
        let fd = event_loop.as_raw_fd();
        app.guarded.adopt(event_loop).ok()?;
        let data = Rc::as_ptr(&app);
        let handles = (|| {
            Some(Handles {
                poll: uv::Owned::poll(uv_loop, fd, data, on_poll)?,
                timer: uv::Owned::timer(uv_loop, data)?,
                prepare: uv::Owned::prepare(uv_loop, data, on_prepare)?,
                keeps_alive: true,
            })
        })();
        if handles.is_none() {
            drop(app.guarded.take());
            return None;
        }
        app.handles.replace(handles);
        app.addon.handles_opened(HANDLES);
        // A count for each handle, given up when it is closed.
        for _ in 0..HANDLES {
            std::mem::forget(Rc::clone(&app));
        }
        app.keep_alive(false);
        Some(app)
    }

    /// Something was called: the loop is settled before libuv waits.
    #[inline]
    pub(crate) fn touch(&self) {
        self.touched.set(true);
    }

    /// The same for what the process has to stay for until it is settled; whether for longer is
    /// seen then.
    pub(crate) fn touch_and_stay(&self) {
        self.touch();
        self.keep_alive(true);
    }

    /// JavaScript cannot be called any more.
    #[cold]
    pub(crate) fn halt(&self) {
        self.halted.set(true);
    }

    #[inline]
    pub(crate) fn is_halted(&self) -> bool {
        self.halted.get()
    }

    /// Gives what libuv has of it back, and drops all connections.
    pub(crate) fn shut(&self) {
        let Some(handles) = self.handles.take() else {
            return;
        };
        crate::connection::forget(self.descriptor.get());
        handles.poll.close(on_closed);
        handles.timer.close(on_closed);
        handles.prepare.close(on_closed);
    }

    /// Changes routes: now, or when the callback that runs has returned.
    pub(crate) fn change_routes(&self, change: impl FnOnce(&mut App<Worker>) + 'static) {
        self.changes.borrow_mut().push(Box::new(change));
        self.apply_changes();
    }

    fn apply_changes(&self) {
        if self.guarded.is_entered() || self.changes.borrow().is_empty() {
            return;
        }
        for change in self.changes.take() {
            // Routes are checked when they are asked for.
            let _ = self
                .guarded
                .exclusive(|event_loop| event_loop.change_routes(change));
        }
    }

    /// Begins a stop; JavaScript is told when it is complete.
    pub(crate) fn stop(&self, grace: Duration) {
        self.stopping.set(true);
        self.touch_and_stay();
        let _ = self.with(|cx| cx.remote().stop(grace));
    }

    /// Has log records go to JavaScript, in place of standard error.
    pub(crate) fn want_log(&self) {
        self.log.wanted.store(true, Ordering::Relaxed);
    }

    /// Sees to whatever there is to do, when no callback runs.
    fn run(&self, step: impl FnOnce(&mut EventLoop<Worker>)) {
        if self.guarded.is_entered() {
            // A program that runs Node's loop from within a handler has to do without.
            return;
        }
        self.touched.set(false);
        self.events.scoped(|| {
            self.apply_changes();
            let ran = self.guarded.exclusive(|event_loop| {
                step(event_loop);
                self.wait_for(event_loop);
                self.stopping.get() && event_loop.is_stopped()
            });
            match ran {
                Ok(stopped) => {
                    self.apply_changes();
                    self.tell_log();
                    if stopped && self.stopping.replace(false) {
                        self.events.fire(self, Event::Stopped, &[]);
                    }
                }
                Err(refusal) => {
                    eprintln!("keirin error: the loop cannot go on ({refusal:?})");
                    self.shut();
                }
            }
        });
    }

    /// Has libuv wait for what comes next.
    fn wait_for(&self, event_loop: &EventLoop<Worker>) {
        match event_loop.next_timeout() {
            Some(Duration::ZERO) => come_back(event_loop),
            Some(timeout) => {
                if let Some(handles) = &*self.handles.borrow() {
                    let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                    handles.timer.start(ms, on_timer);
                }
            }
            None => {}
        }
        self.keep_alive(event_loop.listeners() > 0 || event_loop.connections() > 0);
    }

    /// Has libuv come back without waiting.
    fn soon(&self) {
        let _ = self.guarded.exclusive(|event_loop| come_back(event_loop));
    }

    /// Whether the process goes on for this app's sake.
    fn keep_alive(&self, keep: bool) {
        if let Some(handles) = &mut *self.handles.borrow_mut()
            && handles.keeps_alive != keep
        {
            handles.keeps_alive = keep;
            handles.poll.keep_alive(keep);
        }
    }

    fn tell_log(&self) {
        if !self.log.wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut records = self.log.records.lock();
        let records = records.as_deref_mut().map(std::mem::take);
        for record in records.unwrap_or_default() {
            self.events.tell_record(self, &record);
        }
    }
}

/// Has the loop's descriptor readable in libuv's next poll. A timer of no time would do so too, but
/// libuv before 1.49 runs one that is started again by its own callback for ever.
fn come_back(event_loop: &EventLoop<Worker>) {
    // An inbox that is full makes it readable as well.
    let _ = event_loop.remote().defer(|_| {});
}

unsafe extern "C" fn on_poll(handle: *mut uv::Handle, _status: c_int, _events: c_int) {
    // SAFETY: each handle was made with an app, of which it holds a count.
    let app = unsafe { uv::data::<Embedded>(handle) };
    app.run(turn);
}

unsafe extern "C" fn on_timer(handle: *mut uv::Handle) {
    // SAFETY: as above.
    let app = unsafe { uv::data::<Embedded>(handle) };
    app.run(turn);
}

fn turn(event_loop: &mut EventLoop<Worker>) {
    if let Err(error) = event_loop.turn(Some(Duration::ZERO)) {
        eprintln!("keirin error: {error}");
    }
}

unsafe extern "C" fn on_prepare(handle: *mut uv::Handle) {
    // SAFETY: as above.
    let app = unsafe { uv::data::<Embedded>(handle) };
    if app.touched.get() {
        app.run(EventLoop::settle);
    }
    // What was called meanwhile, for this app or for one whose turn in this phase is over, would
    // wait for other news.
    app.addon.each_app(|app| {
        if app.touched.get() {
            app.soon();
        }
    });
}

unsafe extern "C" fn on_closed(handle: *mut uv::Handle) {
    // SAFETY: as above; the count is given up here, with the handle.
    let app = unsafe { Rc::from_raw(ptr::from_ref(uv::data::<Embedded>(handle))) };
    // SAFETY: this is the callback of `close`.
    unsafe { uv::free(handle) };
    app.open_handles.update(|open| open - 1);
    if app.open_handles.get() == 0 {
        // Loop and app hold each other.
        drop(app.guarded.take());
    }
    app.addon.handle_closed();
}
