//! Counters.

use keirin::Counts;

use crate::arguments::output;
use crate::handle::{keirin_loop_t, with};
use crate::status::{KEIRIN_ERR_ARGUMENT, Outcome, Refused, keirin_status_t, run};

/// Names a counter for keirin_loop_count() and keirin_server_count().
pub type keirin_counter_t = u32;

/// Connections that are open now.
pub const KEIRIN_COUNT_CONNECTIONS_OPEN: keirin_counter_t = 1;
/// Connections accepted.
pub const KEIRIN_COUNT_CONNECTIONS_ACCEPTED: keirin_counter_t = 2;
/// Connections closed at once because KEIRIN_CONNECTIONS_MAX was reached.
pub const KEIRIN_COUNT_CONNECTIONS_REFUSED: keirin_counter_t = 3;
/// Times that accepting was paused because no file descriptor was left.
pub const KEIRIN_COUNT_ACCEPT_PAUSED: keirin_counter_t = 4;
/// Requests whose head was valid.
pub const KEIRIN_COUNT_REQUESTS: keirin_counter_t = 5;
/// Answers completed by a handler or by the router.
pub const KEIRIN_COUNT_ANSWERS: keirin_counter_t = 6;
/// Requests refused by the protocol: malformed, over a limit, too slow.
pub const KEIRIN_COUNT_PROTOCOL_ERRORS: keirin_counter_t = 7;
/// Answers whose peer left, or was dropped, before they were complete.
pub const KEIRIN_COUNT_ABORTED: keirin_counter_t = 8;
/// Connections closed because they were idle for too long.
pub const KEIRIN_COUNT_IDLE_TIMEOUTS: keirin_counter_t = 9;
/// Connections dropped because the peer did not read its answer.
pub const KEIRIN_COUNT_WRITE_STALLS: keirin_counter_t = 10;
/// Connections dropped because their output went over KEIRIN_WRITE_BUFFER_BYTES_MAX.
pub const KEIRIN_COUNT_WRITE_OVERFLOWS: keirin_counter_t = 11;
/// WebSockets that are open now.
pub const KEIRIN_COUNT_SOCKETS_OPEN: keirin_counter_t = 12;
/// WebSockets that were opened.
pub const KEIRIN_COUNT_SOCKETS_OPENED: keirin_counter_t = 13;
/// WebSocket messages received.
pub const KEIRIN_COUNT_MESSAGES_RECEIVED: keirin_counter_t = 14;
/// WebSocket messages sent, publishes not counted.
pub const KEIRIN_COUNT_MESSAGES_SENT: keirin_counter_t = 15;
/// Messages published on this worker.
pub const KEIRIN_COUNT_PUBLISHED: keirin_counter_t = 16;
/// WebSocket messages that were not sent because the peer reads slowly.
pub const KEIRIN_COUNT_MESSAGES_DROPPED: keirin_counter_t = 17;
/// Calls with an id that named nothing any more.
pub const KEIRIN_COUNT_MISUSE_STALE: keirin_counter_t = 18;
/// Calls that came too late, with refused values, or with lengths that do not agree.
pub const KEIRIN_COUNT_MISUSE_OTHER: keirin_counter_t = 19;
/// Handlers that returned without answering or keeping the answer for later.
pub const KEIRIN_COUNT_MISUSE_UNANSWERED: keirin_counter_t = 20;
/// Panics in user code.
pub const KEIRIN_COUNT_PANICS: keirin_counter_t = 21;
/// Kernel events for connections that were gone already.
pub const KEIRIN_COUNT_EVENTS_STALE: keirin_counter_t = 22;
/// Log records lost because more came in one turn than are kept.
pub const KEIRIN_COUNT_LOG_RECORDS_LOST: keirin_counter_t = 23;
/// Times that output was handed to the kernel along with that of other connections.
pub const KEIRIN_COUNT_SENDS_BATCHED: keirin_counter_t = 24;
/// Connections given to other loops.
pub const KEIRIN_COUNT_CONNECTIONS_HANDED: keirin_counter_t = 25;
/// Connections dropped because of a malformed, absent or slow PROXY head.
pub const KEIRIN_COUNT_PROXY_ERRORS: keirin_counter_t = 26;

pub(crate) fn pick(counts: &Counts, counter: keirin_counter_t) -> Outcome<u64> {
    Ok(match counter {
        KEIRIN_COUNT_CONNECTIONS_OPEN => counts.connections_open,
        KEIRIN_COUNT_CONNECTIONS_ACCEPTED => counts.connections_accepted,
        KEIRIN_COUNT_CONNECTIONS_REFUSED => counts.connections_refused,
        KEIRIN_COUNT_ACCEPT_PAUSED => counts.accept_paused,
        KEIRIN_COUNT_REQUESTS => counts.requests,
        KEIRIN_COUNT_ANSWERS => counts.answers,
        KEIRIN_COUNT_PROTOCOL_ERRORS => counts.protocol_errors,
        KEIRIN_COUNT_ABORTED => counts.aborted,
        KEIRIN_COUNT_IDLE_TIMEOUTS => counts.idle_timeouts,
        KEIRIN_COUNT_WRITE_STALLS => counts.write_stalls,
        KEIRIN_COUNT_WRITE_OVERFLOWS => counts.write_overflows,
        KEIRIN_COUNT_SOCKETS_OPEN => counts.sockets_open,
        KEIRIN_COUNT_SOCKETS_OPENED => counts.sockets_opened,
        KEIRIN_COUNT_MESSAGES_RECEIVED => counts.messages_received,
        KEIRIN_COUNT_MESSAGES_SENT => counts.messages_sent,
        KEIRIN_COUNT_PUBLISHED => counts.published,
        KEIRIN_COUNT_MESSAGES_DROPPED => counts.messages_dropped,
        KEIRIN_COUNT_MISUSE_STALE => counts.misuse_stale,
        KEIRIN_COUNT_MISUSE_OTHER => counts.misuse_other,
        KEIRIN_COUNT_MISUSE_UNANSWERED => counts.misuse_unanswered,
        KEIRIN_COUNT_PANICS => counts.panics,
        KEIRIN_COUNT_EVENTS_STALE => counts.events_stale,
        KEIRIN_COUNT_LOG_RECORDS_LOST => counts.log_records_lost,
        KEIRIN_COUNT_SENDS_BATCHED => counts.sends_batched,
        KEIRIN_COUNT_CONNECTIONS_HANDED => counts.connections_handed,
        KEIRIN_COUNT_PROXY_ERRORS => counts.proxy_errors,
        _ => return Err(Refused(KEIRIN_ERR_ARGUMENT)),
    })
}

/// Reads a counter of the loop, or of the server's worker whose loop it is.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_loop_count(
    loop_: *mut keirin_loop_t,
    counter: keirin_counter_t,
    count: *mut u64,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let count = unsafe { output(count) }?;
        // SAFETY: as the header asks.
        count.set(unsafe { with(loop_, |_, cx| pick(&cx.counts(), counter)) }?);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_can_be_picked() {
        let source = include_str!("counters.rs");
        for (name, _) in Counts::default().named() {
            assert!(source.contains(&format!("=> counts.{name},")), "{name}");
        }
    }
}
