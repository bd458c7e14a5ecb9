/// @file
/// Values: names of answers, sockets and timers, addresses, options, counters. Included by
/// keirin.hpp.

#ifndef KEIRIN_VALUES_HPP
#define KEIRIN_VALUES_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "status.hpp"

namespace keirin {

namespace detail {

/// Calls the C function that frees a thing.
template <auto Free> struct Freer {
    template <class Thing> void operator()(Thing *thing) const noexcept { Free(thing); }
};

/// The one who frees a thing of the library.
template <class Thing, auto Free> using Owner = std::unique_ptr<Thing, Freer<Free>>;

inline const std::uint8_t *bytes(std::string_view text) noexcept {
    return reinterpret_cast<const std::uint8_t *>(text.data());
}

inline std::string_view view(const std::uint8_t *data, std::size_t length) noexcept {
    return {reinterpret_cast<const char *>(data), length};
}

inline std::string_view view(keirin_bytes_t bytes) noexcept {
    return view(bytes.data, bytes.length);
}

/// As many milliseconds as the number can hold; none for what has passed.
template <class Number> Number milliseconds(std::chrono::milliseconds time) noexcept {
    constexpr std::uint64_t most = std::numeric_limits<Number>::max();
    const auto count = time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count());
    return static_cast<Number>(std::min(count, most));
}

} // namespace detail

/// Names one answer, of a worker, for as long as it is owed: to be copied, kept, and handed to other
/// threads. Afterwards it names nothing, and never another answer.
class ResponseId {
public:
    /// Names nothing.
    constexpr ResponseId() noexcept = default;
    constexpr explicit ResponseId(keirin_response_t raw) noexcept : raw_(raw) {}

    /// As keirin.h has it.
    constexpr keirin_response_t raw() const noexcept { return raw_; }
    /// The worker that owes the answer.
    std::uint32_t worker() const noexcept { return keirin_response_worker(raw_); }

    friend constexpr bool operator==(ResponseId a, ResponseId b) noexcept {
        return a.raw_.conn == b.raw_.conn && a.raw_.request == b.raw_.request;
    }
    friend constexpr bool operator!=(ResponseId a, ResponseId b) noexcept { return !(a == b); }
    friend constexpr bool operator<(ResponseId a, ResponseId b) noexcept {
        return a.raw_.conn != b.raw_.conn ? a.raw_.conn < b.raw_.conn
                                          : a.raw_.request < b.raw_.request;
    }

private:
    keirin_response_t raw_{};
};

/// Names one WebSocket, of a worker, for as long as it is open and in its close handler: to be
/// copied, kept, and handed to other threads. Afterwards it names nothing, and never another one.
class SocketId {
public:
    /// Names nothing.
    constexpr SocketId() noexcept = default;
    constexpr explicit SocketId(keirin_ws_t raw) noexcept : raw_(raw) {}

    /// As keirin.h has it.
    constexpr keirin_ws_t raw() const noexcept { return raw_; }
    /// The worker that has the socket.
    std::uint32_t worker() const noexcept { return keirin_ws_worker(raw_); }
    /// Whether it has ever named a socket.
    constexpr explicit operator bool() const noexcept { return raw_.id != 0; }

    friend constexpr bool operator==(SocketId a, SocketId b) noexcept {
        return a.raw_.id == b.raw_.id;
    }
    friend constexpr bool operator!=(SocketId a, SocketId b) noexcept { return !(a == b); }
    friend constexpr bool operator<(SocketId a, SocketId b) noexcept {
        return a.raw_.id < b.raw_.id;
    }

private:
    keirin_ws_t raw_{};
};

/// The worker that Remote::defer() has to reach for an answer.
inline std::uint32_t worker_of(ResponseId id) noexcept { return id.worker(); }
/// The worker that Remote::defer() has to reach for a socket.
inline std::uint32_t worker_of(SocketId id) noexcept { return id.worker(); }

/// Names a timer of a loop.
class Timer {
public:
    /// Names none.
    constexpr Timer() noexcept = default;
    constexpr explicit Timer(keirin_timer_t raw) noexcept : raw_(raw) {}

    constexpr keirin_timer_t raw() const noexcept { return raw_; }
    /// Whether it was armed.
    constexpr explicit operator bool() const noexcept { return raw_.id != 0; }

private:
    keirin_timer_t raw_{};
};

/// An IP address and port.
class Address {
public:
    /// Of a peer on a Unix socket, or one that has left.
    Address() noexcept = default;
    explicit Address(keirin_address_t raw) noexcept : raw_(raw) {}

    /// In network order: 4 bytes for IPv4, 16 for IPv6, none for a Unix socket. They are this
    /// object's.
    std::string_view bytes() const noexcept { return detail::view(raw_.bytes, raw_.length); }
    std::uint16_t port() const noexcept { return raw_.port; }
    /// "127.0.0.1:80"; empty for a Unix socket.
    std::string text() const {
        char text[64] = {};
        keirin_address_text(&raw_, text, sizeof text);
        return text;
    }

private:
    keirin_address_t raw_{};
};

/// What a message is. Text is UTF-8; what is sent is checked.
enum class Kind : keirin_message_kind_t { text = KEIRIN_TEXT, binary = KEIRIN_BINARY };

/// The same kind, sent as it is whatever compression was agreed to: for what is compressed already,
/// and for secrets beside what others can influence.
constexpr Kind uncompressed(Kind kind) noexcept {
    return static_cast<Kind>(static_cast<keirin_message_kind_t>(kind) | KEIRIN_UNCOMPRESSED);
}

/// Why a WebSocket is not open any more: see KEIRIN_CLOSED_... in keirin.h.
enum class CloseCause : keirin_close_cause_t {
    by_peer = KEIRIN_CLOSED_BY_PEER,
    peer_left = KEIRIN_CLOSED_PEER_LEFT,
    protocol = KEIRIN_CLOSED_PROTOCOL,
    local = KEIRIN_CLOSED_LOCAL,
    dropped = KEIRIN_CLOSED_DROPPED,
    idle_timeout = KEIRIN_CLOSED_IDLE_TIMEOUT,
    lifetime = KEIRIN_CLOSED_LIFETIME,
    backpressure = KEIRIN_CLOSED_BACKPRESSURE,
    write_stall = KEIRIN_CLOSED_WRITE_STALL,
    stop = KEIRIN_CLOSED_STOP,
    other = KEIRIN_CLOSED_OTHER,
};

/// How a WebSocket has ended.
struct Closed {
    CloseCause cause;
    /// Of the Close frame, received or sent: 1005 where the peer's had none, 1006 without a frame.
    std::uint16_t code;
    /// Gone when the handler returns.
    std::string_view reason;
};

/// A subscription that was made or ended.
struct Subscription {
    /// Or the pattern. Gone when the handler returns.
    std::string_view topic;
    bool is_pattern;
    /// How many sockets of this worker have this subscription now, and how many had it before.
    std::size_t count, count_before;
};

/// To how many sockets something was published.
struct Published {
    Status status;
    /// Subscribers that it was meant for, on all workers.
    std::size_t matched;
    /// Those of them that do not get it, because too much waits for them or their worker.
    std::size_t dropped;
};

/// How much a log record matters.
enum class Level : keirin_level_t {
    /// Nothing is wrong: a request was answered, with Option::access_log.
    access = KEIRIN_ACCESS,
    info = KEIRIN_INFO,
    warn = KEIRIN_WARN,
    error = KEIRIN_ERROR,
};

/// A limit or timeout for Config::set(), in bytes or milliseconds. keirin.h has the ranges and
/// defaults, under the same names in capitals.
enum class Option : keirin_option_t {
    head_bytes_max = KEIRIN_HEAD_BYTES_MAX,
    header_count_max = KEIRIN_HEADER_COUNT_MAX,
    target_bytes_max = KEIRIN_TARGET_BYTES_MAX,
    body_bytes_max = KEIRIN_BODY_BYTES_MAX,
    chunk_extension_bytes_max = KEIRIN_CHUNK_EXTENSION_BYTES_MAX,
    trailer_bytes_max = KEIRIN_TRAILER_BYTES_MAX,
    pipelined_bytes_max = KEIRIN_PIPELINED_BYTES_MAX,
    requests_per_turn_max = KEIRIN_REQUESTS_PER_TURN_MAX,
    connections_max = KEIRIN_CONNECTIONS_MAX,
    write_buffer_bytes_max = KEIRIN_WRITE_BUFFER_BYTES_MAX,
    discard_bytes_max = KEIRIN_DISCARD_BYTES_MAX,
    head_timeout_ms = KEIRIN_HEAD_TIMEOUT_MS,
    keep_alive_timeout_ms = KEIRIN_KEEP_ALIVE_TIMEOUT_MS,
    body_throughput_min = KEIRIN_BODY_THROUGHPUT_MIN,
    body_window_ms = KEIRIN_BODY_WINDOW_MS,
    answer_timeout_ms = KEIRIN_ANSWER_TIMEOUT_MS,
    write_stall_timeout_ms = KEIRIN_WRITE_STALL_TIMEOUT_MS,
    linger_timeout_ms = KEIRIN_LINGER_TIMEOUT_MS,
    half_close = KEIRIN_HALF_CLOSE,
    length_required = KEIRIN_LENGTH_REQUIRED,
    inbox_capacity = KEIRIN_INBOX_CAPACITY,
    stop_close_code = KEIRIN_STOP_CLOSE_CODE,
    stop_spread_ms = KEIRIN_STOP_SPREAD_MS,
    access_log = KEIRIN_ACCESS_LOG,
    io_uring = KEIRIN_IO_URING,
};

/// An option of a kind of WebSocket for Behaviour::set(), in bytes or milliseconds. keirin.h has
/// the ranges and defaults, under the same names in capitals behind KEIRIN_WS_.
enum class SocketOption : keirin_ws_option_t {
    message_bytes_max = KEIRIN_WS_MESSAGE_BYTES_MAX,
    backpressure = KEIRIN_WS_BACKPRESSURE,
    backpressure_bytes_max = KEIRIN_WS_BACKPRESSURE_BYTES_MAX,
    idle_timeout_ms = KEIRIN_WS_IDLE_TIMEOUT_MS,
    ping_interval_ms = KEIRIN_WS_PING_INTERVAL_MS,
    lifetime_ms = KEIRIN_WS_LIFETIME_MS,
    lifetime_jitter_ms = KEIRIN_WS_LIFETIME_JITTER_MS,
    deflate = KEIRIN_WS_DEFLATE,
    deflate_compressor_window_bits = KEIRIN_WS_DEFLATE_COMPRESSOR_WINDOW_BITS,
    deflate_decompressor_window_bits = KEIRIN_WS_DEFLATE_DECOMPRESSOR_WINDOW_BITS,
    deflate_level = KEIRIN_WS_DEFLATE_LEVEL,
    deflate_threshold_bytes = KEIRIN_WS_DEFLATE_THRESHOLD_BYTES,
    brotli = KEIRIN_WS_BROTLI,
    brotli_quality = KEIRIN_WS_BROTLI_QUALITY,
    brotli_window_bits = KEIRIN_WS_BROTLI_WINDOW_BITS,
    brotli_threshold_bytes = KEIRIN_WS_BROTLI_THRESHOLD_BYTES,
};

/// What happens to a message for a peer that does not read: for SocketOption::backpressure.
enum class Backpressure : std::uint32_t {
    /// It is dropped, and the dropped handler is told.
    drop = KEIRIN_BACKPRESSURE_DROP,
    /// The socket is closed with 1013.
    close = KEIRIN_BACKPRESSURE_CLOSE,
    /// It is queued all the same; the program looks at WebSocket::queued().
    queue = KEIRIN_BACKPRESSURE_QUEUE,
};

/// What is counted, for Loop::count() and Server::count(): see KEIRIN_COUNT_... in keirin.h.
enum class Counter : keirin_counter_t {
    connections_open = KEIRIN_COUNT_CONNECTIONS_OPEN,
    connections_accepted = KEIRIN_COUNT_CONNECTIONS_ACCEPTED,
    connections_refused = KEIRIN_COUNT_CONNECTIONS_REFUSED,
    accept_paused = KEIRIN_COUNT_ACCEPT_PAUSED,
    requests = KEIRIN_COUNT_REQUESTS,
    answers = KEIRIN_COUNT_ANSWERS,
    protocol_errors = KEIRIN_COUNT_PROTOCOL_ERRORS,
    aborted = KEIRIN_COUNT_ABORTED,
    idle_timeouts = KEIRIN_COUNT_IDLE_TIMEOUTS,
    write_stalls = KEIRIN_COUNT_WRITE_STALLS,
    write_overflows = KEIRIN_COUNT_WRITE_OVERFLOWS,
    sockets_open = KEIRIN_COUNT_SOCKETS_OPEN,
    sockets_opened = KEIRIN_COUNT_SOCKETS_OPENED,
    messages_received = KEIRIN_COUNT_MESSAGES_RECEIVED,
    messages_sent = KEIRIN_COUNT_MESSAGES_SENT,
    published = KEIRIN_COUNT_PUBLISHED,
    messages_dropped = KEIRIN_COUNT_MESSAGES_DROPPED,
    misuse_stale = KEIRIN_COUNT_MISUSE_STALE,
    misuse_other = KEIRIN_COUNT_MISUSE_OTHER,
    misuse_unanswered = KEIRIN_COUNT_MISUSE_UNANSWERED,
    panics = KEIRIN_COUNT_PANICS,
    events_stale = KEIRIN_COUNT_EVENTS_STALE,
    log_records_lost = KEIRIN_COUNT_LOG_RECORDS_LOST,
    sends_batched = KEIRIN_COUNT_SENDS_BATCHED,
    connections_handed = KEIRIN_COUNT_CONNECTIONS_HANDED,
    proxy_errors = KEIRIN_COUNT_PROXY_ERRORS,
};

/// A message for any number of sockets, on any worker: framed and compressed once, when the first
/// of them is sent it. It may be used on any thread.
class Message {
public:
    /// @throws Error with Status::err_utf8 for text that is none.
    explicit Message(std::string_view content, Kind kind = Kind::text) {
        keirin_message_t *made = nullptr;
        const auto raw_kind = static_cast<keirin_message_kind_t>(kind);
        detail::check(
            keirin_message_new(raw_kind, detail::bytes(content), content.size(), &made));
        owner_.reset(made);
    }

    const keirin_message_t *raw() const noexcept { return owner_.get(); }

private:
    detail::Owner<keirin_message_t, keirin_message_free> owner_;
};

} // namespace keirin

template <> struct std::hash<keirin::ResponseId> {
    std::size_t operator()(keirin::ResponseId id) const noexcept {
        return std::hash<std::uint64_t>()(id.raw().conn ^ id.raw().request);
    }
};

template <> struct std::hash<keirin::SocketId> {
    std::size_t operator()(keirin::SocketId id) const noexcept {
        return std::hash<std::uint64_t>()(id.raw().id);
    }
};

#endif
