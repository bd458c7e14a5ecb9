//! A loop of the C interface, and the program on it: its callbacks, what it registers, and what
//! it has been told.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::ptr::{null, null_mut};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::abi::*;
use crate::callbacks;
use crate::numbers::*;
use crate::plan::{Callback, Plan, Site};
use crate::wire::Client;

/// What a connection is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Has the callback that acts.
    Subject,
    Other,
    /// Has input in the same batch, behind the subject's.
    Later,
    /// Is closed in the callback, before it acts.
    Closing,
    /// Has left, and its slot is taken again.
    Stale,
}

impl Role {
    pub(crate) const ALL: [Self; 5] = [
        Self::Subject,
        Self::Other,
        Self::Later,
        Self::Closing,
        Self::Stale,
    ];
}

/// Something that was registered with a destructor. It stays until the world ends, so that a
/// second destruction is seen and not undefined.
pub(crate) struct Token {
    pub(crate) world: *const World,
    pub(crate) what: &'static str,
    pub(crate) destroyed: Cell<u32>,
    /// Where its destructor calls back, if it does.
    pub(crate) acts: Option<Callback>,
}

/// The program. Callbacks find it through what they were registered with; it is used by one
/// thread at a time.
pub(crate) struct World {
    pub(crate) raw: Cell<*mut Loop>,
    pub(crate) port: Cell<u16>,
    pub(crate) sockets: Cell<Sockets>,
    pub(crate) plan: Box<dyn Plan>,
    pub(crate) responses: RefCell<BTreeMap<Role, Response>>,
    pub(crate) sockets_of: RefCell<BTreeMap<Role, Ws>>,
    /// Every id that was ever seen.
    pub(crate) all_responses: RefCell<Vec<Response>>,
    pub(crate) all_sockets: RefCell<Vec<Ws>>,
    pub(crate) timers: RefCell<Vec<Timer>>,
    pub(crate) tokens: RefCell<Vec<Rc<Token>>>,
    /// Opened and closed, by socket.
    pub(crate) opened: RefCell<BTreeMap<Ws, (u32, u32)>>,
    pub(crate) aborted: RefCell<BTreeMap<(u64, u32), u32>>,
    pub(crate) handshakes: RefCell<Vec<*mut Handshake>>,
    pub(crate) clones: RefCell<Vec<*mut Request>>,
    pub(crate) remote: Cell<*mut Remote>,
    /// How many callbacks run within one another.
    pub(crate) depth: Cell<u32>,
}

impl World {
    /// A program with a loop that listens. What it was made of is freed at once.
    pub(crate) fn new(plan: Box<dyn Plan>) -> Box<Self> {
        let world = Box::new(Self {
            raw: Cell::new(null_mut()),
            port: Cell::new(0),
            sockets: Cell::default(),
            plan,
            responses: RefCell::default(),
            sockets_of: RefCell::default(),
            all_responses: RefCell::default(),
            all_sockets: RefCell::default(),
            timers: RefCell::default(),
            tokens: RefCell::default(),
            opened: RefCell::default(),
            aborted: RefCell::default(),
            handshakes: RefCell::default(),
            clones: RefCell::default(),
            remote: Cell::new(null_mut()),
            depth: Cell::new(0),
        });
        world.start();
        world
    }

    fn start(&self) {
        // SAFETY: every pointer is NULL where it may be, or to something alive; what is freed is
        // not used again.
        unsafe {
            let app = keirin_app_new();
            self.sockets.set(self.behaviour(app));
            self.routes(app);
            let config = keirin_config_new();
            // Output of an answer is never dropped for its size in these tests.
            assert_eq!(keirin_config_set(config, LINGER_TIMEOUT_MS, 60_000), OK);
            let mut raw = null_mut();
            assert_eq!(keirin_loop_new(app, config, &raw mut raw), OK);
            keirin_config_free(config);
            keirin_app_free(app);
            self.raw.set(raw);
            let address = CString::new("127.0.0.1:0").expect("it has no NUL");
            let mut port = 0;
            assert_eq!(keirin_loop_listen(raw, address.as_ptr(), &raw mut port), OK);
            self.port.set(port);
            let mut remote = null_mut();
            assert_eq!(keirin_loop_remote(raw, &raw mut remote), OK);
            self.remote.set(remote);
        }
    }

    unsafe fn behaviour(&self, app: *mut App) -> Sockets {
        let mut sockets = Sockets::default();
        // SAFETY: the caller has the app, and the behaviour is freed last.
        unsafe {
            let kind = keirin_behaviour_new();
            assert_eq!(
                keirin_behaviour_set(kind, WS_BACKPRESSURE_BYTES_MAX, 65_536),
                OK
            );
            let user = self.token("behaviour");
            assert_eq!(
                keirin_behaviour_set_user(kind, user, Some(callbacks::destroy)),
                OK
            );
            keirin_behaviour_on_open(kind, Some(callbacks::ws_open));
            keirin_behaviour_on_message(kind, Some(callbacks::ws_message));
            keirin_behaviour_on_ping(kind, Some(callbacks::ws_ping));
            keirin_behaviour_on_pong(kind, Some(callbacks::ws_pong));
            keirin_behaviour_on_drain(kind, Some(callbacks::ws_drain));
            keirin_behaviour_on_dropped(kind, Some(callbacks::ws_dropped));
            keirin_behaviour_on_subscription(kind, Some(callbacks::ws_subscription));
            keirin_behaviour_on_close(kind, Some(callbacks::ws_close));
            assert_eq!(keirin_app_behaviour(app, kind, &raw mut sockets), OK);
            keirin_behaviour_free(kind);
        }
        sockets
    }

    unsafe fn routes(&self, app: *mut App) {
        let routes: [(&str, &str, RequestFn); 10] = [
            ("GET", "/probe", Some(callbacks::probe)),
            ("GET", "/earlier", Some(callbacks::earlier)),
            ("GET", "/hold/:role", Some(callbacks::hold)),
            ("POST", "/later", Some(callbacks::later)),
            ("GET", "/ws/:role", Some(callbacks::upgrade)),
            ("GET", "/handler", Some(callbacks::handler)),
            ("GET", "/writable", Some(callbacks::on_writable)),
            ("POST", "/collect", Some(callbacks::collect)),
            ("POST", "/stream", Some(callbacks::stream)),
            ("GET", "/unanswered", Some(callbacks::unanswered)),
        ];
        for (method, pattern, handler) in routes {
            let method = CString::new(method).expect("it has no NUL");
            let pattern = CString::new(pattern).expect("it has no NUL");
            let (user, drop_user) = self.registration("route");
            let (method, pattern) = (method.as_ptr(), pattern.as_ptr());
            // SAFETY: the caller has the app, and the texts are alive.
            let added = unsafe { keirin_app_route(app, method, pattern, handler, user, drop_user) };
            assert_eq!(added, OK);
        }
        // SAFETY: the caller has the app.
        unsafe {
            let (user, drop_user) = self.registration("on_start");
            let added = keirin_app_on_start(app, Some(callbacks::started), user, drop_user);
            assert_eq!(added, OK);
            let (user, drop_user) = self.registration("on_log");
            let added = keirin_app_on_log(app, Some(callbacks::log), user, drop_user);
            assert_eq!(added, OK);
        }
    }

    /// A pointer for a registration.
    pub(crate) fn token(&self, what: &'static str) -> *mut c_void {
        self.token_that(what, None)
    }

    /// The same, with the destructor behind it.
    pub(crate) fn registration(&self, what: &'static str) -> (*mut c_void, DropFn) {
        (self.token(what), Some(callbacks::destroy))
    }

    /// A pointer for a registration whose destructor calls back.
    pub(crate) fn token_that(&self, what: &'static str, acts: Option<Callback>) -> *mut c_void {
        let token = Rc::new(Token {
            world: self,
            what,
            destroyed: Cell::new(0),
            acts,
        });
        let pointer = Rc::as_ptr(&token);
        self.tokens.borrow_mut().push(token);
        pointer.cast_mut().cast()
    }

    /// A callback has been called.
    pub(crate) fn entered(&self, site: &Site) {
        self.depth.set(self.depth.get() + 1);
        self.plan.entered(self, site);
        self.depth.set(self.depth.get() - 1);
    }

    pub(crate) fn saw(&self, response: Response) {
        self.all_responses.borrow_mut().push(response);
    }

    pub(crate) fn response(&self, role: Role) -> Response {
        self.responses
            .borrow()
            .get(&role)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn socket(&self, role: Role) -> Ws {
        self.sockets_of
            .borrow()
            .get(&role)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.port.get())
    }

    /// One turn, which does not wait for more than a moment.
    pub(crate) fn turn(&self) {
        // SAFETY: the loop is alive: nobody frees it and goes on with turns.
        let status = unsafe { keirin_loop_turn(self.raw.get(), 1) };
        assert_eq!(status, OK);
    }

    /// One turn, which does not wait.
    pub(crate) fn turn_once(&self) {
        // SAFETY: as in `turn`.
        assert_eq!(unsafe { keirin_loop_turn(self.raw.get(), 0) }, OK);
    }

    /// Turns until something is so.
    pub(crate) fn turn_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let limit = Limit::new(what);
        while !is_so() {
            self.turn();
            limit.check();
        }
    }

    pub(crate) fn count(&self, counter: u32) -> u64 {
        let mut count = 0;
        // SAFETY: the loop is alive.
        let status = unsafe { keirin_loop_count(self.raw.get(), counter, &raw mut count) };
        assert_eq!(status, OK);
        count
    }

    /// Ends the loop in good order, and checks that everything has ended that began.
    pub(crate) fn finish(&self) {
        if !self.raw.get().is_null() {
            assert_eq!(self.count(COUNT_PANICS), 0);
            // SAFETY: the loop is alive; it is not used after it is freed.
            unsafe {
                assert_eq!(keirin_loop_stop(self.raw.get(), 0), OK);
                assert_eq!(keirin_loop_run(self.raw.get()), OK);
                assert!(keirin_loop_is_stopped(self.raw.get()));
                for (ws, (opened, closed)) in self.opened.borrow().iter() {
                    assert_eq!((*opened, *closed), (1, 1), "{ws:?}: opened, closed");
                }
                assert_eq!(self.count(COUNT_SOCKETS_OPEN), 0);
                assert_eq!(self.count(COUNT_CONNECTIONS_OPEN), 0);
                assert_eq!(keirin_loop_free(self.raw.get()), OK);
            }
            self.raw.set(null_mut());
        }
        // SAFETY: each is used for the last time.
        unsafe {
            for handshake in self.handshakes.take() {
                keirin_handshake_free(handshake);
            }
            for clone in self.clones.take() {
                keirin_request_free(clone);
            }
            let stopped = {
                let (user, drop_user) = self.registration("defer to nobody");
                keirin_remote_defer(self.remote.get(), 0, Some(callbacks::task), user, drop_user)
            };
            assert_eq!(stopped, ERR_STOPPED);
            keirin_remote_free(self.remote.get());
        }
        for (ws, (opened, closed)) in self.opened.borrow().iter() {
            assert_eq!(*opened, 1, "{ws:?}");
            assert!(*closed <= 1, "{ws:?} was closed {closed} times");
        }
        for (answer, count) in self.aborted.borrow().iter() {
            assert_eq!(*count, 1, "{answer:?} was aborted {count} times");
        }
        for token in self.tokens.borrow().iter() {
            assert_eq!(token.destroyed.get(), 1, "{}: destroyed", token.what);
        }
        assert_eq!(self.depth.get(), 0);
    }
}

/// Fails a test that waits in vain.
pub(crate) struct Limit<'a> {
    what: &'a str,
    end: Instant,
}

impl<'a> Limit<'a> {
    #[expect(clippy::disallowed_methods, reason = "a limit for what never comes")]
    pub(crate) fn new(what: &'a str) -> Self {
        let end = Instant::now() + Duration::from_secs(60);
        Self { what, end }
    }

    #[expect(clippy::disallowed_methods, reason = "a limit for what never comes")]
    pub(crate) fn check(&self) {
        assert!(Instant::now() < self.end, "{} never comes", self.what);
    }
}

/// The bytes of a text that may be NULL when there are none.
pub(crate) fn parts(text: &[u8]) -> (*const u8, usize) {
    if text.is_empty() {
        (null(), 0)
    } else {
        (text.as_ptr(), text.len())
    }
}
