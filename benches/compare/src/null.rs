//! The null server: accept, one `recv` and one `send` per readable event, nothing parsed. What it
//! costs is what the kernel charges for carrying the requests and answers; what another server
//! costs beyond that is its own.
//!
//! Over WebSocket it answers the upgrade, for no client would go on without, and from then on
//! counts bytes as it does with HTTP: all frames of a scenario are of the same length, and it
//! replies with as many copies of one frame.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::str::FromStr;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::Result;
use crate::load::echo::Messages;
use crate::load::handshake::Offer;
use crate::load::{frame, handshake, storm};
use crate::scenarios::Task;
use crate::scenarios::content::{Random, message};
use crate::scenarios::http;
use crate::scenarios::websocket::{Kind, Scenario};

const RECEIVE_BYTES: usize = 512 * 1024;
const EVENTS_MAX: usize = 1024;
/// More than the answers to one full `recv` of the deepest pipeline measured.
const COPIES_MAX: usize = 64;
/// As much as one `send` is ever given, unless one answer is longer.
const COPIES_BYTES: usize = 1024 * 1024;
const LISTENER: u64 = u64::MAX;
/// Events before the server stalls, and how long it does, where it is told to.
const STALL_AFTER: u32 = 500;
const STALL: Duration = Duration::from_secs(1);

/// What the server does wrong on purpose, so that tests can see the generator notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A `500` of the same length, or a refused upgrade.
    Status,
    /// One byte less than the scenario asks for, announced correctly.
    Length,
    /// One wrong byte at the end of the body.
    Body,
    /// A message of another kind: no fault of HTTP.
    Opcode,
    /// The last byte of the body is never sent.
    Truncated,
    /// One byte more than announced.
    Surplus,
    /// The connection is closed after the first answer.
    Close,
    /// The first answer is sent before anybody has asked.
    Ahead,
    /// Nothing is done for a second, once: no fault that a closed loop would see.
    Stall,
}

impl Fault {
    /// Every fault but [`Fault::Stall`]: what a closed loop notices.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::Length,
        Self::Body,
        Self::Opcode,
        Self::Truncated,
        Self::Surplus,
        Self::Close,
        Self::Ahead,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Length => "length",
            Self::Body => "body",
            Self::Opcode => "opcode",
            Self::Truncated => "truncated",
            Self::Surplus => "surplus",
            Self::Close => "close",
            Self::Ahead => "ahead",
            Self::Stall => "stall",
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .chain([Self::Stall])
            .find(|f| f.name() == name);
        found.ok_or_else(|| format!("no fault `{name}`"))
    }
}

/// What the server does for one task.
struct Script {
    /// Whether a connection begins with an upgrade.
    upgrades: bool,
    /// Bytes of every request or frame.
    request_bytes: usize,
    answer: Vec<u8>,
    closes_after_answer: bool,
}

impl Script {
    fn new(task: Task, fault: Option<Fault>) -> Result<Self> {
        let (upgrades, request_bytes, says_farewell) = match task {
            Task::Http(scenario) => {
                let closes = scenario == http::Scenario::Connect;
                (false, scenario.request().len(), closes)
            }
            Task::WebSocket(Scenario::Handshake) => (true, storm::farewell([0; 4]).len(), true),
            Task::WebSocket(scenario) => {
                let (kind, message_bytes) = plain_echo(scenario)?;
                let frame_bytes =
                    Messages::new(kind, message_bytes, 1, Offer::Plain).request_bytes();
                (true, frame_bytes, false)
            }
        };
        Ok(Self {
            upgrades,
            request_bytes,
            answer: canned_answer(task, fault)?,
            closes_after_answer: says_farewell || fault == Some(Fault::Close),
        })
    }
}

/// The messages of a scenario that needs no more than to send bytes back.
fn plain_echo(scenario: Scenario) -> Result<(Kind, usize)> {
    match scenario.echoed() {
        Scenario::Echo {
            kind: kind @ (Kind::Binary | Kind::Text),
            message_bytes,
        } => Ok((kind, message_bytes)),
        _ => Err(format!("the null server cannot do {scenario}").into()),
    }
}

/// The bytes of one answer: as long as keirin's, with the date standing still, or the same message
/// each time.
///
/// # Errors
/// When the task takes more than bytes of a fixed length.
pub fn canned_answer(task: Task, fault: Option<Fault>) -> Result<Vec<u8>> {
    match task {
        Task::Http(scenario) => Ok(canned_response(scenario, fault)),
        Task::WebSocket(Scenario::Handshake) => Ok(storm::farewell_answer()),
        Task::WebSocket(scenario) => {
            let (kind, message_bytes) = plain_echo(scenario)?;
            Ok(canned_reply(kind, message_bytes, fault))
        }
    }
}

fn canned_reply(kind: Kind, message_bytes: usize, fault: Option<Fault>) -> Vec<u8> {
    let mut payload = message(kind, message_bytes, &mut Random::new(0));
    if fault == Some(Fault::Length) {
        payload.pop();
    }
    let first = match fault {
        Some(Fault::Opcode) => kind.first_byte() ^ frame::TEXT ^ frame::BINARY,
        _ => kind.first_byte(),
    };
    let mut reply = Vec::new();
    frame::push_header(&mut reply, first, payload.len());
    reply.extend_from_slice(&payload);
    spoil_end(&mut reply, fault);
    reply
}

/// Adds or drops a byte that was announced otherwise.
fn spoil_end(answer: &mut Vec<u8>, fault: Option<Fault>) {
    match fault {
        Some(Fault::Truncated) => drop(answer.pop()),
        Some(Fault::Surplus) => answer.push(b'!'),
        _ => {}
    }
}

fn canned_response(scenario: http::Scenario, fault: Option<Fault>) -> Vec<u8> {
    let mut body = scenario.response_body();
    match fault {
        Some(Fault::Length) => drop(body.pop()),
        Some(Fault::Body) => *body.last_mut().expect("no scenario answers nothing") ^= 1,
        _ => {}
    }
    let status = if fault == Some(Fault::Status) {
        "500 No"
    } else {
        "200 OK"
    };
    let field = scenario
        .response_header()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n{field}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut response = [head.into_bytes(), body].concat();
    spoil_end(&mut response, fault);
    response
}

/// Serves until the process ends, on the calling thread alone.
///
/// # Errors
/// What `epoll` or `accept` report, or a task that needs parsing. A failing connection is closed
/// and forgotten.
pub fn serve(listener: &TcpListener, task: Task, fault: Option<Fault>) -> Result<()> {
    let script = Script::new(task, fault)?;
    let answer_bytes = script.answer.len();
    let copies = (COPIES_BYTES / answer_bytes).clamp(1, COPIES_MAX);
    let mut server = Null {
        request_bytes: script.request_bytes,
        answer_bytes,
        copies: script.answer.repeat(copies),
        closes_after_answer: script.closes_after_answer,
        refuses: fault == Some(Fault::Status),
        buffer: vec![0; RECEIVE_BYTES],
    };
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut connections = Connections::default();
    if fault == Some(Fault::Ahead) {
        connections.owed_at_once = answer_bytes;
    }
    let mut until_stall = (fault == Some(Fault::Stall)).then_some(STALL_AFTER);
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        events.clear();
        rustix::io::retry_on_intr(|| epoll::wait(&poll, spare_capacity(&mut events), None))?;
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                connections.accept(listener, &poll, script.upgrades)?;
                continue;
            }
            let index = usize::try_from(token)?;
            let Some(connection) = &mut connections.slots[index] else {
                continue;
            };
            until_stall = until_stall.map(|left: u32| left.saturating_sub(1));
            if until_stall == Some(0) {
                std::thread::sleep(STALL);
                until_stall = None;
            }
            if server.handle_ready(connection).is_err() {
                connections.slots[index] = None;
                connections.free.push(index);
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// What has arrived of the request for an upgrade; `None` after it, and where there is none.
    head: Option<Vec<u8>>,
    /// Bytes of a request that has not arrived in full.
    partial: usize,
    /// Bytes of answers not yet sent.
    owed: usize,
}

/// The connection ended, by whichever side.
struct Closed;

struct Null {
    request_bytes: usize,
    answer_bytes: usize,
    copies: Vec<u8>,
    closes_after_answer: bool,
    refuses: bool,
    buffer: Vec<u8>,
}

impl Null {
    fn handle_ready(&mut self, connection: &mut Connection) -> std::result::Result<(), Closed> {
        loop {
            let received = match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Err(Closed),
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed),
            };
            let now = match connection.head {
                Some(_) => self.upgrade(connection, received)?,
                None => received,
            };
            let bytes = connection.partial + now;
            connection.partial = bytes % self.request_bytes;
            connection.owed += bytes / self.request_bytes * self.answer_bytes;
            // A short read means drained, so edges suffice: see epoll(7).
            if received < self.buffer.len() {
                break;
            }
        }
        self.flush(connection)
    }

    /// Answers the request for an upgrade once it is whole, and returns how many bytes came behind
    /// it.
    fn upgrade(
        &self,
        connection: &mut Connection,
        received: usize,
    ) -> std::result::Result<usize, Closed> {
        let mut head = connection.head.take().unwrap_or_default();
        head.extend_from_slice(&self.buffer[..received]);
        let Some(head_bytes) = handshake::head_bytes(&head) else {
            connection.head = Some(head);
            return Ok(0);
        };
        let mut answer = handshake::answer(&head[..head_bytes]).ok_or(Closed)?;
        if self.refuses {
            answer.splice(..12, *b"HTTP/1.1 400");
        }
        // Fits a fresh socket's buffer.
        connection.stream.write_all(&answer).map_err(|_| Closed)?;
        Ok(head.len() - head_bytes)
    }

    fn flush(&self, connection: &mut Connection) -> std::result::Result<(), Closed> {
        while connection.owed > 0 {
            // Where the answer that was cut goes on: all copies are alike, so the first serves.
            let from =
                (self.answer_bytes - connection.owed % self.answer_bytes) % self.answer_bytes;
            let length = connection.owed.min(self.copies.len() - from);
            match connection.stream.write(&self.copies[from..from + length]) {
                Ok(sent) => connection.owed -= sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed),
            }
            if self.closes_after_answer {
                return Err(Closed);
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Connections {
    slots: Vec<Option<Connection>>,
    /// Places of `slots` without a connection.
    free: Vec<usize>,
    /// Bytes of answers that are due before anybody has asked.
    owed_at_once: usize,
}

impl Connections {
    fn accept(&mut self, listener: &TcpListener, poll: &OwnedFd, upgrades: bool) -> Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error.into()),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() - 1
            });
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(
                poll,
                &stream,
                EventData::new_u64(u64::try_from(index)?),
                flags,
            )?;
            self.slots[index] = Some(Connection {
                stream,
                head: upgrades.then(Vec::new),
                partial: 0,
                owed: self.owed_at_once,
            });
        }
    }
}
