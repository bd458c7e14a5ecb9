/// @file
/// How calls end, and what becomes of exceptions. Included by keirin.hpp.

#ifndef KEIRIN_STATUS_HPP
#define KEIRIN_STATUS_HPP

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "../keirin.h"

#if defined(__cpp_exceptions)
#define KEIRIN_HAS_EXCEPTIONS 1
#else
#define KEIRIN_HAS_EXCEPTIONS 0
#endif

namespace keirin {

/// How a call has ended. The numbers are those of keirin.h, where each is explained under the same
/// name in capitals; what is negative was refused and has changed nothing.
enum class Status : keirin_status_t {
    ok = KEIRIN_OK,
    queued = KEIRIN_QUEUED,
    dropped = KEIRIN_DROPPED,
    more = KEIRIN_MORE,
    blocked = KEIRIN_BLOCKED,
    err_null = KEIRIN_ERR_NULL,
    err_wrong_thread = KEIRIN_ERR_WRONG_THREAD,
    err_reentrant = KEIRIN_ERR_REENTRANT,
    err_panic = KEIRIN_ERR_PANIC,
    err_stale = KEIRIN_ERR_STALE,
    err_already_ended = KEIRIN_ERR_ALREADY_ENDED,
    err_already_begun = KEIRIN_ERR_ALREADY_BEGUN,
    err_header = KEIRIN_ERR_HEADER,
    err_status = KEIRIN_ERR_STATUS,
    err_length = KEIRIN_ERR_LENGTH,
    err_left_alone = KEIRIN_ERR_LEFT_ALONE,
    err_fragment = KEIRIN_ERR_FRAGMENT,
    err_topic = KEIRIN_ERR_TOPIC,
    err_close_code = KEIRIN_ERR_CLOSE_CODE,
    err_utf8 = KEIRIN_ERR_UTF8,
    err_argument = KEIRIN_ERR_ARGUMENT,
    err_config = KEIRIN_ERR_CONFIG,
    err_route = KEIRIN_ERR_ROUTE,
    err_address = KEIRIN_ERR_ADDRESS,
    err_listen = KEIRIN_ERR_LISTEN,
    err_io = KEIRIN_ERR_IO,
    err_full = KEIRIN_ERR_FULL,
    err_stopped = KEIRIN_ERR_STOPPED,
    err_handshake = KEIRIN_ERR_HANDSHAKE,
    err_origin = KEIRIN_ERR_ORIGIN,
    err_not_found = KEIRIN_ERR_NOT_FOUND,
    err_busy = KEIRIN_ERR_BUSY,
};

/// Whether the call was refused.
constexpr bool refused(Status status) noexcept { return static_cast<keirin_status_t>(status) < 0; }

/// A sentence for a status, for a log.
inline const char *text(Status status) noexcept {
    return keirin_status_text(static_cast<keirin_status_t>(status));
}

/// The version of the library that is loaded: "0.1.0".
inline const char *version() noexcept { return keirin_version(); }

/// The same as KEIRIN_VERSION_NUMBER of the library's own header.
inline std::uint32_t version_number() noexcept { return keirin_version_number(); }

/// What setting something up throws. Nothing that is called per request or message throws it, but
/// WebSocket::data().
class Error : public std::runtime_error {
public:
    Error(Status status, const std::string &what) : std::runtime_error(what), status_(status) {}

    Status status() const noexcept { return status_; }

private:
    Status status_;
};

/// Is told what a handler has thrown, and in which kind of handler: "request handler". It is called
/// on the thread of the handler's loop, with several workers on several at once. What it throws
/// itself is dropped.
using ExceptionHook = void (*)(std::exception_ptr thrown, std::string_view handler);

namespace detail {

[[noreturn]] inline void fail(Status status, const std::string &what) {
#if KEIRIN_HAS_EXCEPTIONS
    throw Error(status, what);
#else
    (void)status;
    std::fprintf(stderr, "keirin: %s\n", what.c_str());
    std::abort();
#endif
}

/// Throws what was refused, with the library's own words where it has any.
inline void check(keirin_status_t refusal) {
    const auto status = static_cast<Status>(refusal);
    if (!refused(status)) {
        return;
    }
    switch (status) {
    case Status::err_config:
    case Status::err_route:
    case Status::err_address:
    case Status::err_listen:
    case Status::err_io:
        fail(status, keirin_last_error());
    default:
        fail(status, text(status));
    }
}

inline void print_exception(std::exception_ptr thrown, std::string_view handler) {
#if KEIRIN_HAS_EXCEPTIONS
    const auto print = [handler](const char *what) {
        const auto width = static_cast<int>(handler.size());
        std::fprintf(stderr, "keirin: a %.*s has thrown: %s\n", width, handler.data(), what);
    };
    try {
        std::rethrow_exception(std::move(thrown));
    } catch (const std::exception &error) {
        print(error.what());
    } catch (...) {
        print("not a std::exception");
    }
#else
    (void)thrown, (void)handler;
#endif
}

inline std::atomic<ExceptionHook> exception_hook{&print_exception};

/// Runs what is the user's, so that nothing it throws goes further: into C, where it would be the
/// process's end. `recover` sees to the client.
template <class Body, class Recover>
void guarded(std::string_view handler, Body &&body, Recover &&recover) noexcept {
#if KEIRIN_HAS_EXCEPTIONS
    try {
        body();
    } catch (...) {
        try {
            exception_hook.load()(std::current_exception(), handler);
        } catch (...) { // The hook has nobody to tell.
        }
        recover();
    }
#else
    (void)handler, (void)recover;
    body();
#endif
}

template <class Body> void guarded(std::string_view handler, Body &&body) noexcept {
    guarded(handler, std::forward<Body>(body), [] {});
}

} // namespace detail

/// Has what handlers throw go to `hook`, for the whole process, and gives back the hook before it.
/// Without one a line is printed to standard error.
inline ExceptionHook on_exception(ExceptionHook hook) noexcept {
    return detail::exception_hook.exchange(hook != nullptr ? hook : &detail::print_exception);
}

} // namespace keirin

#endif
