//! The only way into a worker from another thread.

use std::collections::VecDeque;
use std::sync::Arc;

use super::service::Service;
use super::state::State;
use super::worker::Worker;
use crate::net::driver::Waker;
use crate::pubsub::{Full, Message as SharedMessage, Post};
use crate::util::inbox::{Inbox, Refused};

/// A callback that comes from another thread.
pub(crate) type Call<U> = Box<dyn FnOnce(&mut State<U>) + Send>;

/// What another thread may ask for.
pub(crate) enum Command<U> {
    Call(Call<U>),
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
}

impl<U> Clone for Remote<U> {
    fn clone(&self) -> Self {
        Self {
            inbox: Arc::clone(&self.inbox),
            waker: self.waker.clone(),
        }
    }
}

impl<U> Remote<U> {
    pub(crate) fn new(capacity: usize, waker: Waker) -> Self {
        Self {
            inbox: Arc::new(Inbox::new(capacity)),
            waker,
        }
    }

    /// Queues a command and wakes the worker. A refused command is given back.
    pub(crate) fn send(&self, command: Command<U>) -> Result<(), Refused<Command<U>>> {
        if self.inbox.push(command)? {
            self.waker.wake();
        }
        Ok(())
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

    /// Refuses further commands; those that wait are dropped.
    pub(crate) fn close(&self) {
        drop(self.inbox.close());
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
                Command::Stop { grace_ms } => self.stop(grace_ms),
                Command::Deliver(message) => self.state.deliver_published(&message),
            }
        }
    }
}
