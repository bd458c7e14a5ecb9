//! What the tests share: a worker whose sockets write down everything that they are told.

use keirin::testing::{Client, Sim};
use keirin::{
    App, Behaviour, Closed, Config, ConfigBuilder, Message, Socket, SocketId, WebSocket,
    WebSocketConfig, WebSocketConfigBuilder,
};

use crate::wire;

/// What the callbacks of a test note.
#[derive(Default)]
pub(crate) struct World {
    /// The sockets of [`recorder`], in the order of their opening.
    pub(crate) ids: Vec<SocketId>,
    /// What each was told.
    pub(crate) heard: Vec<Vec<String>>,
    /// What the test itself notes.
    pub(crate) notes: Vec<String>,
}

pub(crate) type Worker = Sim<World>;
pub(crate) type Opened<'a> = WebSocket<'a, Recorder, World>;

/// The data of a socket that writes down what it is told: its index.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Recorder(pub(crate) usize);

pub(crate) fn config() -> WebSocketConfigBuilder {
    // No automatic Pings, unless a test wants them.
    WebSocketConfig::builder().ping_interval_ms(0)
}

pub(crate) fn start(settings: WebSocketConfigBuilder) -> Worker {
    start_with(Config::builder(), settings, |_| ())
}

/// A worker with a recorder at `/ws` and an ordinary route `/a`.
pub(crate) fn start_with(
    config: ConfigBuilder,
    settings: WebSocketConfigBuilder,
    routes: impl Fn(&mut App<World>),
) -> Worker {
    let config = config.build().expect("the test's settings are in range");
    Sim::with_state(config, World::default(), |app| {
        app.get("/a", |res, _| res.end(b"a"));
        app.websocket("/ws", recorder(settings.clone()));
        routes(app);
    })
}

/// A worker whose only route is the behaviour, at `/ws`.
pub(crate) fn start_behaviour(
    behaviour: impl Fn() -> Behaviour<Recorder, World> + 'static,
) -> Worker {
    let config = Config::builder().build().expect("the defaults");
    Sim::with_state(config, World::default(), |app| {
        app.websocket("/ws", behaviour());
    })
}

/// A kind of socket that writes down everything it is told.
pub(crate) fn recorder(settings: WebSocketConfigBuilder) -> Behaviour<Recorder, World> {
    let settings = settings.build().expect("the test's settings are in range");
    Behaviour::new()
        .config(settings)
        .on_open(opened)
        .on_message(|ws, message| hear(ws, message_line("", message)))
        .on_ping(|ws, payload| hear(ws, wire::line("ping", payload)))
        .on_pong(|ws, payload| hear(ws, wire::line("pong", payload)))
        .on_drain(|ws| hear(ws, "drain"))
        .on_dropped(|ws, message| hear(ws, message_line("dropped ", message)))
        .on_close(closed)
}

pub(crate) fn opened(ws: &mut Opened<'_>) {
    let id = ws.id();
    let mut cx = ws.cx();
    let world = cx.state_mut();
    let index = world.ids.len();
    world.ids.push(id);
    world.heard.push(vec!["open".to_owned()]);
    ws.data.0 = index;
}

pub(crate) fn closed(ws: &mut Opened<'_>, closed: Closed<'_>) {
    let line = closed_line(closed);
    hear(ws, line);
}

pub(crate) fn hear(ws: &mut Opened<'_>, line: impl Into<String>) {
    let index = ws.data.0;
    ws.cx().state_mut().heard[index].push(line.into());
}

pub(crate) fn note<D>(ws: &mut WebSocket<'_, D, World>, line: impl Into<String>) {
    ws.cx().state_mut().notes.push(line.into());
}

pub(crate) fn message_line(before: &str, message: Message<'_>) -> String {
    let kind = match message {
        Message::Text(_) => "text",
        Message::Binary(_) => "binary",
    };
    wire::line(&format!("{before}{kind}"), message.bytes())
}

pub(crate) fn closed_line(closed: Closed<'_>) -> String {
    let line = format!(
        "closed {:?} {} {}",
        closed.cause, closed.code, closed.reason
    );
    line.trim_end().to_owned()
}

/// Connects and opens a socket at `/ws`.
pub(crate) fn open(sim: &mut Worker) -> Client {
    open_at(sim, "/ws")
}

pub(crate) fn open_at(sim: &mut Worker, target: &str) -> Client {
    let client = sim.connect();
    send(sim, client, wire::request(target));
    let (head, rest) = answer(sim, client);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(rest, b"");
    client
}

/// Opens a socket and forgets that it was told so.
pub(crate) fn open_quietly(sim: &mut Worker) -> Client {
    let client = open(sim);
    let index = sim.with_cx(|cx| cx.state().ids.len() - 1);
    assert_eq!(heard(sim, index), ["open"]);
    client
}

/// Sends bytes and lets the worker come to rest.
pub(crate) fn send(sim: &mut Worker, client: Client, bytes: impl AsRef<[u8]>) {
    sim.send(client, bytes.as_ref());
    rest(sim);
}

pub(crate) fn rest(sim: &mut Worker) {
    sim.run_until_idle();
    sim.check();
}

/// The head of an answer and what is behind it.
pub(crate) fn answer(sim: &mut Worker, client: Client) -> (String, Vec<u8>) {
    let bytes = sim.received(client);
    rest(sim);
    split_head(&bytes)
}

pub(crate) fn split_head(bytes: &[u8]) -> (String, Vec<u8>) {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {:?}", bytes.escape_ascii().to_string()))
        + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).expect("heads are ASCII");
    (head, bytes[end..].to_vec())
}

/// The frames that have arrived, all of them whole.
pub(crate) fn frames(sim: &mut Worker, client: Client) -> Vec<String> {
    let mut bytes = sim.received(client);
    rest(sim);
    let frames = wire::take_frames(&mut bytes);
    assert_eq!(bytes, b"", "no frame is cut");
    frames.iter().map(wire::Received::line).collect()
}

/// Takes what the socket was told since the last call.
pub(crate) fn heard(sim: &mut Worker, index: usize) -> Vec<String> {
    sim.with_cx(|cx| std::mem::take(&mut cx.state_mut().heard[index]))
}

pub(crate) fn notes(sim: &mut Worker) -> Vec<String> {
    sim.with_cx(|cx| std::mem::take(&mut cx.state_mut().notes))
}

/// Acts on a socket from outside its callbacks, and lets the worker come to rest.
pub(crate) fn act<R>(
    sim: &mut Worker,
    index: usize,
    act: impl FnOnce(&mut Socket<'_, World>) -> R,
) -> R {
    let result = sim.with_cx(|cx| {
        let id = cx.state().ids[index];
        act(&mut cx.socket(id).expect("it is open"))
    });
    rest(sim);
    result
}

pub(crate) fn id(sim: &mut Worker, index: usize) -> SocketId {
    sim.with_cx(|cx| cx.state().ids[index])
}

/// Whether nothing is left of a client's connection once the client has closed as well.
pub(crate) fn assert_gone(sim: &mut Worker, client: Client) {
    assert!(sim.is_closed(client), "the server has closed");
    sim.finish(client);
    rest(sim);
    assert!(sim.is_freed(client), "and freed the connection");
}

/// After every socket has closed nothing of them is left.
pub(crate) fn assert_clean(sim: &Worker) {
    sim.check();
    assert_eq!(sim.counts().sockets_open, 0);
    assert_eq!(sim.buffered_bytes(), 0, "memory is given back");
}
