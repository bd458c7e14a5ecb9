//! The null server: accept, one `recv` and one `send` per readable event, nothing parsed. What it
//! costs is what the kernel charges for carrying the requests and answers; what another server
//! costs beyond that is its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::str::FromStr;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::Result;
use crate::scenario::Scenario;

const RECEIVE_BYTES: usize = 512 * 1024;
const EVENTS_MAX: usize = 1024;
/// More than the answers to one full `recv` of the deepest pipeline measured.
const COPIES: usize = 64;
const LISTENER: u64 = u64::MAX;

/// What the server does wrong on purpose, so that tests can see the generator notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A `500` of the same length.
    Status,
    /// One byte less than the scenario asks for, announced correctly.
    Length,
    /// One wrong byte at the end of the body.
    Body,
    /// The last byte of the body is never sent.
    Truncated,
    /// One byte more than announced.
    Surplus,
    /// The connection is closed after the first answer.
    Close,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 6] = [
        Self::Status,
        Self::Length,
        Self::Body,
        Self::Truncated,
        Self::Surplus,
        Self::Close,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Length => "length",
            Self::Body => "body",
            Self::Truncated => "truncated",
            Self::Surplus => "surplus",
            Self::Close => "close",
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|f| f.name() == name);
        found.ok_or_else(|| format!("no fault `{name}`"))
    }
}

/// The bytes of one answer: as long as keirin's, with the date standing still.
#[must_use]
pub fn canned_answer(scenario: Scenario, fault: Option<Fault>) -> Vec<u8> {
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
    match fault {
        Some(Fault::Truncated) => drop(body.pop()),
        Some(Fault::Surplus) => body.push(b'!'),
        _ => {}
    }
    [head.into_bytes(), body].concat()
}

/// Serves until the process ends, on the calling thread alone.
///
/// # Errors
/// What `epoll` or `accept` report. A failing connection is closed and forgotten.
pub fn serve(listener: &TcpListener, scenario: Scenario, fault: Option<Fault>) -> Result<()> {
    let answer = canned_answer(scenario, fault);
    let mut server = Null {
        request_bytes: scenario.request().len(),
        answer_bytes: answer.len(),
        copies: answer.repeat(COPIES),
        close_after_answer: fault == Some(Fault::Close),
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
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        events.clear();
        rustix::io::retry_on_intr(|| epoll::wait(&poll, spare_capacity(&mut events), None))?;
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                accept(listener, &poll, &mut connections)?;
                continue;
            }
            let slot = &mut connections[usize::try_from(token)?];
            let open = slot
                .as_mut()
                .is_some_and(|connection| server.handle_ready(connection).is_ok());
            if !open {
                *slot = None;
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
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
    close_after_answer: bool,
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
            let bytes = connection.partial + received;
            connection.partial = bytes % self.request_bytes;
            connection.owed += bytes / self.request_bytes * self.answer_bytes;
            // A short read means drained, so edges suffice: see epoll(7).
            if received < self.buffer.len() {
                break;
            }
        }
        self.flush(connection)
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
            if self.close_after_answer {
                return Err(Closed);
            }
        }
        Ok(())
    }
}

fn accept(
    listener: &TcpListener,
    poll: &rustix::fd::OwnedFd,
    connections: &mut Vec<Option<Connection>>,
) -> Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error.into()),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let free = connections.iter().position(Option::is_none);
        let index = free.unwrap_or(connections.len());
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(
            poll,
            &stream,
            EventData::new_u64(u64::try_from(index)?),
            flags,
        )?;
        let connection = Some(Connection {
            stream,
            partial: 0,
            owed: 0,
        });
        if index == connections.len() {
            connections.push(connection);
        } else {
            connections[index] = connection;
        }
    }
}
