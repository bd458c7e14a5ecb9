//! What the tests share.

use keirin::testing::{Client, Sim};
use keirin::{App, ConfigBuilder, Reply, Response, ResponseId};

/// What the callbacks of a test note.
#[derive(Default)]
pub(crate) struct World {
    /// Answers that were kept for later, in order.
    pub(crate) ids: Vec<ResponseId>,
    pub(crate) log: Vec<String>,
}

pub(crate) type Worker = Sim<World>;

pub(crate) fn start(config: ConfigBuilder, routes: impl Fn(&mut App<World>)) -> Worker {
    let config = config.build().expect("the test's settings are in range");
    Sim::with_state(config, World::default(), |app| {
        app.get("/hold", |res, _| hold(res));
        app.get("/a", |res, _| res.end(b"a"));
        app.get("/b", |res, _| res.end(b"b"));
        routes(app);
    })
}

/// Keeps the answer; [`World::ids`] has its id.
pub(crate) fn hold(mut res: Response<'_, World>) -> Reply {
    let id = res.id();
    res.cx().state_mut().ids.push(id);
    res.detach(|cx| cx.state_mut().log.push("aborted".to_owned()))
        .1
}

pub(crate) fn note(res: &mut Response<'_, World>, text: impl Into<String>) {
    let text = text.into();
    res.cx().state_mut().log.push(text);
}

/// Ends the answer that was kept as the `index`th.
pub(crate) fn finish(sim: &mut Worker, index: usize, body: &[u8]) {
    sim.with_cx(|cx| {
        let id = cx.state().ids[index];
        let _ = cx.response(id).expect("it is owed").end(body);
    });
    sim.run_until_idle();
    sim.check();
}

pub(crate) fn take_log(sim: &mut Worker) -> Vec<String> {
    sim.with_cx(|cx| std::mem::take(&mut cx.state_mut().log))
}

/// A request without a body.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// A request's head that announces a body.
pub(crate) fn post(target: &str, length: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
}

pub(crate) fn chunked(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
}

/// Sends text and lets the worker come to rest.
pub(crate) fn send(sim: &mut Worker, client: Client, text: impl AsRef<[u8]>) {
    sim.send(client, text.as_ref());
    sim.run_until_idle();
    sim.check();
}

/// What has arrived, without its `Date` lines.
pub(crate) fn text(sim: &mut Worker, client: Client) -> String {
    let received = String::from_utf8(sim.received(client)).expect("the tests send ASCII");
    sim.run_until_idle();
    without_dates(&received)
}

/// Answers without their `Date` lines.
pub(crate) fn without_dates(received: &str) -> String {
    let lines = received.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("Date: ")).collect()
}

/// Sends a request and returns the answer without its `Date`.
pub(crate) fn ask(sim: &mut Worker, client: Client, request: impl AsRef<[u8]>) -> String {
    send(sim, client, request);
    text(sim, client)
}

/// An answer with status 200 and this body.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The same as the last on its connection.
pub(crate) fn ok_close(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The engine's own short answer.
pub(crate) fn short(status: &str, close: bool) -> String {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let length = status.len() + 1;
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{connection}\
         Content-Length: {length}\r\n\r\n{status}\n"
    )
}
