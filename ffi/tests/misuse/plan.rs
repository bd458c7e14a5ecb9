//! What a test has callbacks do.

use crate::abi::{Loop, Request, Response, Ws};
use crate::world::World;

/// Where a call can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callback {
    Handler,
    Collected,
    Piece,
    Writable,
    Aborted,
    Open,
    Message,
    Ping,
    Pong,
    Drain,
    Dropped,
    Subscription,
    Close,
    /// Within `keirin_ws_topics`, within a message handler.
    Topic,
    Timer,
    Deferred,
    Remote,
    Start,
    Log,
    /// A destructor, of a callback that is over,
    DropLater,
    /// of user data that is replaced within a callback,
    DropReplaced,
    /// of user data of the loop,
    DropLoopUser,
    /// of a registration that is refused within a callback,
    DropRefused,
    /// and when the loop is freed.
    DropFreed,
    /// On the loop's thread, between turns.
    Outside,
    /// On another thread, while the loop's waits.
    Thread,
}

impl Callback {
    pub(crate) const ALL: [Self; 26] = [
        Self::Handler,
        Self::Collected,
        Self::Piece,
        Self::Writable,
        Self::Aborted,
        Self::Open,
        Self::Message,
        Self::Ping,
        Self::Pong,
        Self::Drain,
        Self::Dropped,
        Self::Subscription,
        Self::Close,
        Self::Topic,
        Self::Timer,
        Self::Deferred,
        Self::Remote,
        Self::Start,
        Self::Log,
        Self::DropLater,
        Self::DropReplaced,
        Self::DropLoopUser,
        Self::DropRefused,
        Self::DropFreed,
        Self::Outside,
        Self::Thread,
    ];

    /// Whether calls for the loop are refused because of where they come from. Destructors that a
    /// call runs which says so are part of the callback that makes it.
    pub(crate) fn is_shut_out(self) -> bool {
        matches!(
            self,
            Self::Log | Self::DropLater | Self::DropRefused | Self::DropFreed
        )
    }

    pub(crate) fn is_destructor(self) -> bool {
        matches!(
            self,
            Self::DropLater
                | Self::DropReplaced
                | Self::DropLoopUser
                | Self::DropRefused
                | Self::DropFreed
        )
    }

    /// Whether it owes an answer, which is named to it.
    pub(crate) fn has_answer(self) -> bool {
        matches!(
            self,
            Self::Handler | Self::Collected | Self::Piece | Self::Writable
        )
    }

    /// Whether it is told of a socket.
    pub(crate) fn has_socket(self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Message
                | Self::Ping
                | Self::Pong
                | Self::Drain
                | Self::Dropped
                | Self::Subscription
                | Self::Close
                | Self::Topic
                | Self::DropReplaced
        )
    }
}

/// A callback that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) callback: Callback,
    pub(crate) raw: *mut Loop,
    pub(crate) response: Option<Response>,
    pub(crate) ws: Option<Ws>,
    pub(crate) request: Option<*const Request>,
}

impl Site {
    pub(crate) fn new(callback: Callback, raw: *mut Loop) -> Self {
        Self {
            callback,
            raw,
            response: None,
            ws: None,
            request: None,
        }
    }
}

pub(crate) trait Plan {
    /// A callback has been called. It may call whatever it likes.
    fn entered(&self, world: &World, site: &Site);

    /// Whether the answer that the callback owes is completed by the program afterwards.
    fn finishes(&self, site: &Site) -> bool;
}
