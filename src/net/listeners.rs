//! The listeners of one worker. They are in its state, so that callbacks can open and close them.

use std::io;

use mio::{Interest, Registry, Token};

use super::address::ListenAddress;
use super::driver::Accepted;
use super::listener::{Bound, Listener};
use crate::util::slab::{Id, WORKER_RESERVED};

/// What a worker listens on.
#[derive(Default)]
pub(crate) struct Listeners {
    /// Where news of them is asked for. In the memory of a test there is none.
    registry: Option<Registry>,
    open: Vec<Open>,
    /// The number of the last one: each has its own, so that late news of one that was closed is
    /// not taken for another's.
    number: u32,
}

struct Open {
    listener: Listener,
    address: ListenAddress,
    token: Token,
    /// It may have connections that were not accepted.
    ready: bool,
    /// Removes a Unix socket's file when the listener is closed.
    _bound: Option<Bound>,
}

impl Listeners {
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            registry: Some(registry),
            ..Self::default()
        }
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Listens on an address that is held for this worker alone.
    pub(crate) fn listen(&mut self, mut bound: Bound) -> Result<(), crate::error::Error> {
        let address = bound.address().clone();
        for listener in bound.listeners(1)? {
            self.add(listener, address.clone())?;
        }
        if let Some(open) = self.open.last_mut() {
            open._bound = Some(bound);
        }
        Ok(())
    }

    /// Accepts from `listener`, which is on `address`.
    pub(crate) fn add(&mut self, mut listener: Listener, address: ListenAddress) -> io::Result<()> {
        self.number = self.number.wrapping_add(1).max(1);
        let token = Token(Id::new(0, WORKER_RESERVED, self.number).to_bits() as usize);
        if let Some(registry) = &self.registry {
            registry.register(listener.source(), token, Interest::READABLE)?;
        }
        self.open.push(Open {
            listener,
            address,
            token,
            // Connections that came before the registration are not announced.
            ready: true,
            _bound: None,
        });
        Ok(())
    }

    /// Closes one listener on `address`, the oldest of several, and gives what had been waiting on
    /// it to `waiting`. False when there is none.
    pub(crate) fn close(
        &mut self,
        address: &ListenAddress,
        mut waiting: impl FnMut(Accepted),
    ) -> bool {
        let Some(index) = self.open.iter().position(|open| open.address == *address) else {
            return false;
        };
        let mut open = self.open.remove(index);
        // A listener that closes resets what is queued on it.
        while let Some(accepted) = open.accept_next() {
            waiting(accepted);
        }
        self.forget(&mut open.listener);
        true
    }

    pub(crate) fn close_all(&mut self) {
        for mut open in std::mem::take(&mut self.open) {
            self.forget(&mut open.listener);
        }
    }

    /// A Unix socket may have copies with other workers, which would keep it registered here.
    fn forget(&self, listener: &mut Listener) {
        if let Some(registry) = &self.registry {
            // It is closed next, whatever becomes of this.
            let _ = registry.deregister(listener.source());
        }
    }

    /// One of them has something, unless it was closed meanwhile.
    pub(super) fn have_news(&mut self, token: Token) {
        if let Some(open) = self.open.iter_mut().find(|open| open.token == token) {
            open.ready = true;
        }
    }

    /// Has the next [`accept`](Self::accept) ask every listener, whether or not there was news.
    pub(crate) fn look_at_all(&mut self) {
        for open in &mut self.open {
            open.ready = true;
        }
    }

    /// Accepts one connection from any that has one. `None` when none has.
    pub(super) fn accept(&mut self) -> Option<io::Result<Accepted>> {
        for open in self.open.iter_mut().filter(|open| open.ready) {
            match open.listener.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => open.ready = false,
                result => return Some(result),
            }
        }
        None
    }
}

impl Open {
    /// What waits, while it can be had: a connection that its peer has given up is passed over.
    fn accept_next(&mut self) -> Option<Accepted> {
        loop {
            match self.listener.accept() {
                Ok(accepted) => return Some(accepted),
                Err(error) if is_transient(&error) => {}
                Err(_) => return None,
            }
        }
    }
}

/// Errors of accept(2) that concern one connection, not the listener.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionAborted | K::ConnectionReset | K::Interrupted
    )
}
