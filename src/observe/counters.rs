//! Counters of one worker: written by its thread alone, read by any.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number with a single writer.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one. With a single writer a load and a store are enough, and compile to plain moves.
    #[inline]
    pub(crate) fn bump(&self) {
        self.add(1);
    }

    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(count),
            Ordering::Relaxed,
        );
    }

    /// Takes one away from a gauge.
    pub(crate) fn drop_one(&self) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_sub(1),
            Ordering::Relaxed,
        );
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// One worker's counters, on cache lines that no other worker writes.
        #[derive(Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        /// What a server has counted since its start, over all its workers.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl Counts {
            pub(crate) fn add(&mut self, counters: &Counters) {
                $(self.$name += counters.$name.read();)+
            }

            /// Each with its name.
            #[cfg(feature = "binding")]
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Connections that are open now.
    connections_open,
    /// Connections accepted.
    connections_accepted,
    /// Connections given to other loops: see [`EventLoop::add_child`](crate::EventLoop::add_child).
    connections_handed,
    /// Connections closed at once because `connections_max` was reached, or because they came to a
    /// loop that has stopped.
    connections_refused,
    /// Times that accepting was paused because no file descriptor was left.
    accept_paused,
    /// Requests whose head was valid.
    requests,
    /// Answers completed by a handler or by the router.
    answers,
    /// Requests refused by the protocol: malformed, over a limit, too slow.
    protocol_errors,
    /// Connections dropped because the PROXY head that they should begin with was malformed, absent
    /// or too slow.
    proxy_errors,
    /// Answers whose peer left, or was dropped, before they were complete.
    aborted,
    /// Connections closed because they were idle for too long.
    idle_timeouts,
    /// Connections dropped because the peer did not read its answer.
    write_stalls,
    /// Connections dropped because their output went over `write_buffer_bytes_max`.
    write_overflows,
    /// WebSockets that are open now.
    sockets_open,
    /// WebSockets that were opened.
    sockets_opened,
    /// WebSocket messages received.
    messages_received,
    /// WebSocket messages sent, publishes not counted.
    messages_sent,
    /// Times that output was handed to the kernel along with that of other connections.
    sends_batched,
    /// Messages published on this worker.
    published,
    /// WebSocket messages that were not sent because the peer reads slowly.
    messages_dropped,
    /// Calls with an id that named nothing any more.
    misuse_stale,
    /// Calls that came too late, with refused values, or with lengths that do not agree.
    misuse_other,
    /// Handlers that returned without answering or keeping the answer for later.
    misuse_unanswered,
    /// Panics in user code.
    panics,
    /// Kernel events for connections that were gone already.
    events_stale,
    /// Log records lost because more came in one turn than are kept.
    log_records_lost,
}
