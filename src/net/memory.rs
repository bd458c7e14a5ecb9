//! A connection and a driver without an operating system: for tests on a virtual clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::driver::{Accepted, Driver, Ready};
use super::listeners::Listeners;
use super::transport::Transport;
use crate::util::slab::Id;
use crate::util::wheel::Tick;

/// The server's end of a connection in memory. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Pipe(Rc<RefCell<Wire>>);

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) to_server: VecDeque<u8>,
    pub(crate) to_client: Vec<u8>,
    /// Bytes that `to_client` holds before the server has to wait.
    pub(crate) window: usize,
    pub(crate) client_finished: bool,
    pub(crate) client_reset: bool,
    pub(crate) server_finished: bool,
    pub(crate) server_closed: bool,
    /// Calls to `send` that took something.
    pub(crate) sends: usize,
    pub(crate) id: Option<Id>,
    /// The state at registration has been announced.
    pub(crate) heard: bool,
}

impl Pipe {
    pub(crate) fn new(wire: &Rc<RefCell<Wire>>) -> Self {
        Self(Rc::clone(wire))
    }

    pub(super) fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.client_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if wire.to_server.is_empty() {
            let end = if wire.client_finished {
                Ok(0)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            };
            return end;
        }
        let count = into.len().min(wire.to_server.len());
        let (front, back) = wire.to_server.as_slices();
        let first = front.len().min(count);
        into[..first].copy_from_slice(&front[..first]);
        into[first..count].copy_from_slice(&back[..count - first]);
        wire.to_server.drain(..count);
        Ok(count)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.client_reset || wire.server_finished {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = wire.window.saturating_sub(wire.to_client.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = room.min(bytes.len());
        wire.to_client.extend_from_slice(&bytes[..count]);
        wire.sends += 1;
        Ok(count)
    }

    pub(super) fn shutdown_write(&self) {
        self.0.borrow_mut().server_finished = true;
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.0.borrow_mut().server_closed = true;
    }
}

/// News that the test makes up, and a clock that the test moves.
#[derive(Default)]
pub(crate) struct MemoryDriver {
    pub(crate) now: Tick,
    pub(crate) coming: Vec<Ready>,
    pub(crate) incoming: VecDeque<Rc<RefCell<Wire>>>,
    pub(crate) accept_errors: usize,
    news: Vec<Ready>,
}

/// When the virtual clock starts: a Sunday with a well-known date.
const UNIX_S_START: u64 = 784_111_777;

impl Driver for MemoryDriver {
    fn poll(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
        self.news = std::mem::take(&mut self.coming);
        Ok(())
    }

    fn now(&self) -> Tick {
        self.now
    }

    fn unix_s(&self) -> u64 {
        UNIX_S_START + self.now / 1000
    }

    fn ready(&self) -> impl Iterator<Item = Ready> {
        self.news.iter().copied()
    }

    fn accept(&mut self, _: &mut Listeners) -> Option<io::Result<Accepted>> {
        if self.accept_errors > 0 && !self.incoming.is_empty() {
            self.accept_errors -= 1;
            const EMFILE: i32 = 24;
            return Some(Err(io::Error::from_raw_os_error(EMFILE)));
        }
        let wire = self.incoming.pop_front()?;
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 12345));
        Some(Ok((Transport::Memory(Pipe::new(&wire)), Some(peer))))
    }

    fn register(&self, transport: &mut Transport, id: Id) -> io::Result<()> {
        if let Transport::Memory(pipe) = transport {
            pipe.0.borrow_mut().id = Some(id);
        }
        Ok(())
    }

    fn stop_listening(&mut self, _: &mut Listeners) {
        self.incoming.clear();
    }
}
