//! The only way into a worker from another thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::service::Service;
use super::state::State;
use super::worker::Worker;
use crate::net::driver::Waker;
use crate::net::handed::Handed;
use crate::pubsub::{Full, Message as SharedMessage, Post};
use crate::util::inbox::{Inbox, Refused};

/// A callback that comes from another thread.
pub(crate) type Call<U> = Box<dyn FnOnce(&mut State<U>) + Send>;

/// What another thread may ask for.
pub(crate) enum Command<U> {
    Call(Call<U>),
    /// A connection that was accepted elsewhere.
    Adopt(Handed),
    Stop {
        grace_ms: u64,
    },
    /// A message that was published elsewhere.
    Deliver(Arc<SharedMessage>),
}

/// A worker's inbox and its waker.
pub(crate) struct Remote<U> {
    inbox: Arc<Inbox<Command<U>>>,
    waker: Waker,
    /// The worker stops, and wants no further connections.
    stopping: Arc<AtomicBool>,
}

impl<U> Clone for Remote<U> {
    fn clone(&self) -> Self {
        Self {
            inbox: Arc::clone(&self.inbox),
            waker: self.waker.clone(),
            stopping: Arc::clone(&self.stopping),
        }
    }
}

impl<U> Remote<U> {
    pub(crate) fn new(capacity: usize, waker: Waker) -> Self {
        Self {
            inbox: Arc::new(Inbox::new(capacity)),
            waker,
            stopping: Arc::default(),
        }
    }

    /// Queues a command and wakes the worker. A refused command is given back.
    pub(crate) fn send(&self, command: Command<U>) -> Result<(), Refused<Command<U>>> {
        if self.inbox.push(command)? {
            self.waker.wake();
        }
        Ok(())
    }

    /// Gives the worker a connection. One that is stopping takes no more.
    pub(crate) fn adopt(&self, handed: Handed) -> Result<(), Refused<Handed>> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Refused::Closed(handed));
        }
        match self.send(Command::Adopt(handed)) {
            Err(Refused::Full(Command::Adopt(handed))) => Err(Refused::Full(handed)),
            Err(Refused::Closed(Command::Adopt(handed))) => Err(Refused::Closed(handed)),
            sent => {
                debug_assert!(sent.is_ok(), "the inbox gives back what it was given");
                Ok(())
            }
        }
    }

    /// The worker begins to stop.
    pub(super) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The same for all that lead to the same worker.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.inbox).addr()
    }

    /// Has the worker stop, however much is waiting. One that has stopped already needs no telling.
    pub(crate) fn stop(&self, grace_ms: u64) {
        if let Ok(true) = self.inbox.push_urgent(Command::Stop { grace_ms }) {
            self.waker.wake();
        }
    }

    #[inline]
    fn take(&self) -> Option<VecDeque<Command<U>>> {
        self.inbox.take()
    }

    /// Refuses further commands; those that wait are dropped. Returns how many connections were
    /// among them.
    pub(crate) fn close(&self) -> usize {
        let commands = self.inbox.close();
        let sockets = commands.iter().filter(|it| matches!(it, Command::Adopt(_)));
        sockets.count()
    }
}

impl<U: 'static> Post for Remote<U> {
    fn post(&self, message: Arc<SharedMessage>) -> Result<(), Full> {
        self.send(Command::Deliver(message)).map_err(|_| Full)
    }
}

impl<S: Service> Worker<S> {
    pub(super) fn drain_inbox(&mut self) {
        for command in self.state.remote.take().into_iter().flatten() {
            match command {
                Command::Call(callback) => {
                    self.call(None, |_, state| callback(state));
                }
                Command::Adopt(handed) => self.state.adopt(handed),
                Command::Stop { grace_ms } => self.stop(grace_ms),
                Command::Deliver(message) => self.state.deliver_published(&message),
            }
        }
    }
}
