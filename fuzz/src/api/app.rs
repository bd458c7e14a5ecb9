//! The app: does what scripts say, and checks what it is given.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use keirin::{App, Cx, Reply, Request, Response, ResponseId, Sent, TimerId, TryEnd};

use super::client::Sent as Queued;
use super::input::{Header, Last, Script, Step};
use super::pattern;

/// Callbacks and steps in one run: scripts may call each other in circles.
const FUEL: u32 = 600;

/// The longest run of content that a step writes.
const WRITE_BYTES_MAX: u16 = 0x7fff;

/// What the app keeps.
pub(super) struct World {
    scripts: Rc<[Script]>,
    /// Every request that a client means to send, by its number.
    pub(super) requests: Vec<Queued>,
    /// Answers that were owed at some time.
    answers: Vec<(ResponseId, usize)>,
    timers: Vec<TimerId>,
    fuel: u32,
    pub(super) flags: Rc<Flags>,
    /// Held by every callback that belongs to an answer.
    pub(super) kept: Rc<()>,
}

/// What values on their way out look at as well.
#[derive(Default)]
pub(super) struct Flags {
    /// A callback runs.
    inside: Cell<bool>,
    /// Panics that were meant.
    pub(super) panics: Cell<u64>,
    /// Whether what panics may: only where the worker guards the app.
    pub(super) guarded: Cell<bool>,
}

impl World {
    pub(super) fn new(scripts: &[Script]) -> Self {
        Self {
            scripts: scripts.into(),
            requests: Vec::new(),
            answers: Vec::new(),
            timers: Vec::new(),
            fuel: FUEL,
            flags: Rc::default(),
            kept: Rc::default(),
        }
    }

    fn spend(&mut self) -> bool {
        self.fuel = self.fuel.saturating_sub(1);
        self.fuel > 0
    }

    fn script(&mut self, index: u8) -> Option<Script> {
        let index = usize::from(index).checked_rem(self.scripts.len())?;
        self.spend().then(|| self.scripts[index].clone())
    }

    /// An answer that is owed now, or was, or belongs to somebody else.
    fn any_answer(&self, index: u8) -> Option<ResponseId> {
        let index = usize::from(index).checked_rem(self.answers.len())?;
        Some(self.answers[index].0)
    }

    fn serial(&self, id: ResponseId) -> usize {
        let known = self.answers.iter().rev().find(|(known, _)| *known == id);
        known.expect("the handler was called first").1
    }

    fn luggage(&self, index: u8) -> Luggage {
        let index = usize::from(index).checked_rem(self.scripts.len());
        let bomb = index.is_some_and(|index| self.scripts[index].bomb);
        Luggage {
            _bomb: bomb.then(|| Bomb(Rc::clone(&self.flags))),
            _kept: Rc::clone(&self.kept),
        }
    }
}

/// What a callback holds.
struct Luggage {
    _bomb: Option<Bomb>,
    _kept: Rc<()>,
}

/// Panics when it is dropped, as users' values might.
struct Bomb(Rc<Flags>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0.guarded.get() && !std::thread::panicking() {
            blow(&self.0);
        }
    }
}

/// A panic without the hook, which libFuzzer takes for a finding.
fn blow(flags: &Flags) -> ! {
    flags.panics.set(flags.panics.get() + 1);
    resume_unwind(Box::new("scripted"));
}

/// Says that a callback runs, for as long as it lives.
struct Inside(Rc<Flags>);

impl Inside {
    fn enter(world: &World) -> Self {
        let flags = Rc::clone(&world.flags);
        assert!(!flags.inside.replace(true), "a callback within a callback");
        Self(flags)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.set(false);
    }
}

pub(super) fn routes(app: &mut App<World>) {
    app.get("/:serial", handle);
    app.any("/:serial", handle);
}

fn handle(mut res: Response<'_, World>, req: &Request<'_>) -> Reply {
    let _inside = Inside::enter(res.cx().state());
    let serial = req
        .parameter("serial")
        .and_then(|serial| serial.parse().ok());
    let serial: usize = serial.expect("clients number their requests");
    let id = res.id();
    let mut cx = res.cx();
    let world = cx.state_mut();
    let request = &mut world.requests[serial];
    request.visits += 1;
    assert!(request.is_valid() && request.visits <= 2);
    let (script, first) = (
        request.script.wrapping_add(request.visits - 1),
        request.visits == 1,
    );
    if first {
        world.answers.push((id, serial));
        res.header("X-Serial", serial.to_string().as_bytes());
    }
    run(res, script)
}

/// Runs a script for the answer that it names, if that is still owed.
pub(super) fn run_for_any(cx: &mut Cx<'_, World>, index: u8) {
    let _inside = Inside::enter(cx.state());
    run_for_other(cx, index);
}

fn run_for_other(cx: &mut Cx<'_, World>, index: u8) {
    let Some(script) = cx.state_mut().script(index) else {
        return;
    };
    if let Some(id) = cx.state().any_answer(script.target)
        && let Ok(res) = cx.response(id)
    {
        let _: Reply = run(res, index);
    }
}

fn run(mut res: Response<'_, World>, index: u8) -> Reply {
    let Some(script) = res.cx().state_mut().script(index) else {
        return res.end(b"");
    };
    for step in script.steps {
        if res.cx().state_mut().spend() {
            perform(&mut res, step);
        }
    }
    conclude(res, script.last)
}

fn perform(res: &mut Response<'_, World>, step: Step) {
    match step {
        // 408 is the engine's, for a request that may not have a method yet.
        Step::Status(408) => {}
        Step::Status(status) => {
            res.status(status);
        }
        Step::Header(header) => with_header(header, |name, value| {
            res.header(name, value);
        }),
        Step::TryHeader(header) => with_header(header, |name, value| {
            let _ = res.try_header(name, value);
        }),
        Step::Write { bytes } => write(res, bytes),
        Step::Continue => {
            res.write_continue();
        }
        Step::Aborted { script } => {
            let aborted = aborted(res, script);
            res.on_aborted(aborted);
        }
        Step::Pause => {
            res.pause();
        }
        Step::Resume => {
            res.resume();
        }
        Step::Defer { script } => {
            let luggage = res.cx().state().luggage(script);
            res.cx().defer(move |cx| {
                let _luggage = luggage;
                run_for_any(cx, script);
            });
        }
        Step::After { ms, script } => {
            let delay = Duration::from_millis(ms.into());
            let timer = res.cx().after(delay, move |cx| run_for_any(cx, script));
            res.cx().state_mut().timers.extend(timer);
        }
        Step::Cancel { timer } => {
            let mut cx = res.cx();
            let timers = &cx.state().timers;
            if let Some(index) = usize::from(timer).checked_rem(timers.len()) {
                let timer = timers[index];
                cx.cancel(timer);
                assert!(!cx.cancel(timer), "cancelled twice");
            }
        }
        Step::Other { script } => run_for_other(&mut res.cx(), script),
        Step::Panic => {
            let flags = Rc::clone(&res.cx().state().flags);
            if flags.guarded.get() {
                blow(&flags);
            }
        }
    }
}

/// A callback for an abort, which must be the end of that answer.
fn aborted(res: &mut Response<'_, World>, script: u8) -> impl FnOnce(&mut Cx<'_, World>) + 'static {
    let id = res.id();
    let cx = res.cx();
    let serial = cx.state().serial(id);
    let luggage = cx.state().luggage(script);
    move |cx| {
        let _luggage = luggage;
        assert!(cx.response(id).is_err(), "aborted, and yet owed");
        cx.state_mut().requests[serial].aborted = true;
        run_for_any(cx, script);
    }
}

fn write(res: &mut Response<'_, World>, bytes: u16) {
    let bytes = content(res, usize::from(bytes & WRITE_BYTES_MAX));
    if let Sent::Queued(waiting) = res.write(&bytes) {
        assert!(waiting > 0 && waiting == res.queued());
    }
}

/// The next bytes of the answer's content.
fn content(res: &mut Response<'_, World>, len: usize) -> Vec<u8> {
    let (id, written) = (res.id(), res.written());
    pattern(res.cx().state().serial(id), written, len)
}

fn with_header(header: Header, set: impl FnOnce(&str, &[u8])) {
    match header {
        Header::Plain => set("X-Plain", b"a value"),
        Header::Long { bytes } => set("X-Long", &vec![b'v'; usize::from(bytes) & 0xfff]),
        Header::Injection => set("X-Bad", b"a\r\nX-Injected: b"),
        Header::BadName => set("X Bad", b"a"),
        Header::Length { bytes } => set("Content-Length", bytes.to_string().as_bytes()),
        Header::Close => set("Connection", b"close"),
        Header::KeepAlive => set("Connection", b"keep-alive"),
        Header::Coding => set("Transfer-Encoding", b"chunked"),
        Header::Date => set("Date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    }
}

fn conclude(mut res: Response<'_, World>, last: Last) -> Reply {
    match last {
        Last::End { bytes } => {
            let content = content(&mut res, usize::from(bytes & WRITE_BYTES_MAX));
            res.end(&content)
        }
        Last::EndWithoutBody => res.end_without_body(),
        Last::TryEnd { total, piece } => try_end(res, total.into(), piece.into()),
        Last::Writable { script } => {
            let luggage = res.cx().state().luggage(script);
            res.on_writable(move |mut res, written| {
                let _luggage = luggage;
                let _inside = Inside::enter(res.cx().state());
                assert_eq!(written, res.written());
                run(res, script)
            })
        }
        Last::Close => res.close(),
        Last::Detach { script } => {
            let aborted = aborted(&mut res, script);
            res.detach(aborted).1
        }
        Last::Next => res.next(),
        Last::Collect { bytes_max, script } => {
            let luggage = res.cx().state().luggage(script);
            begin_reading(&mut res, true);
            res.collect_body(bytes_max.into(), move |mut res, body| {
                let _luggage = luggage;
                let _inside = Inside::enter(res.cx().state());
                assert!(body.len() <= bytes_max.into());
                check_piece(&mut res, &body, true);
                run(res, script)
            })
        }
        Last::Stream { script } => {
            let luggage = res.cx().state().luggage(script);
            begin_reading(&mut res, false);
            res.stream_body(move |mut res, piece, last| {
                let _luggage = &luggage;
                let _inside = Inside::enter(res.cx().state());
                assert!(last || !piece.is_empty());
                check_piece(&mut res, piece, last);
                run(res, script)
            })
        }
        Last::More => res.more(),
        Last::Forget => {
            let mut cx = res.cx();
            let other = cx.state().any_answer(0);
            let other = other.and_then(|id| cx.response(id).ok());
            match other.map(Response::more) {
                Some(reply) => reply,
                None => res.end(b""),
            }
        }
    }
}

/// Sends an answer of `total` bytes, as much as the peer takes.
fn try_end(mut res: Response<'_, World>, total: u64, piece: u64) -> Reply {
    loop {
        let left = total.saturating_sub(res.written()) as usize;
        if !res.cx().state_mut().spend() {
            let rest = content(&mut res, left);
            return res.end(&rest);
        }
        let rest = content(&mut res, left.min(piece as usize + 1));
        res = match res.try_end(&rest, total) {
            TryEnd::Done(reply) => return reply,
            TryEnd::More(res) => res,
            TryEnd::Blocked(res) => {
                let luggage = Rc::new(());
                return res.on_writable(move |mut res, written| {
                    let _luggage = luggage;
                    let _inside = Inside::enter(res.cx().state());
                    assert_eq!(written, res.written());
                    try_end(res, total, piece)
                });
            }
        };
    }
}

/// A new reader of the content takes the place of the one before.
fn begin_reading(res: &mut Response<'_, World>, collecting: bool) {
    let id = res.id();
    let mut cx = res.cx();
    let serial = cx.state().serial(id);
    let request = &mut cx.state_mut().requests[serial];
    request.gap |= request.collecting;
    request.collecting = collecting;
}

/// Every byte of a body comes once, in order, and to the handler of its request.
fn check_piece(res: &mut Response<'_, World>, piece: &[u8], last: bool) {
    let id = res.id();
    let mut cx = res.cx();
    let serial = cx.state().serial(id);
    let request = &mut cx.state_mut().requests[serial];
    request.collecting = false;
    if request.gap {
        return;
    }
    assert_eq!(piece, pattern(serial, request.received, piece.len()));
    request.received += piece.len() as u64;
    if last {
        assert_eq!(Some(request.received), request.kind.body_bytes());
    }
}
