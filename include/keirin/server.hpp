/// @file
/// What runs an app, and the ways into it from other threads. Included by keirin.hpp.

#ifndef KEIRIN_SERVER_HPP
#define KEIRIN_SERVER_HPP

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "app.hpp"

namespace keirin {

/// One event loop on the thread that makes it, which is the only one to use it: others have a
/// Remote. What is open when it is destroyed is cut; stop() and run() end it in good order before.
///
/// To destroy it within one of its own handlers, which run() is still to return to, cannot be
/// carried on from: a line is printed to standard error, and the program aborts.
class EventLoop : public Loop {
public:
    /// The app may go afterwards.
    /// @throws Error for settings out of range, and what the operating system refuses.
    explicit EventLoop(const App &app) : Loop(make(app, nullptr)) {}
    EventLoop(const App &app, const Config &config) : Loop(make(app, config.raw())) {}

    EventLoop(EventLoop &&other) noexcept
        : Loop(std::exchange(other.raw_, nullptr)), port_(other.port_) {}
    EventLoop &operator=(EventLoop &&other) noexcept {
        std::swap(raw_, other.raw_);
        std::swap(port_, other.port_);
        return *this;
    }
    ~EventLoop() {
        if (keirin_loop_free(raw_) == KEIRIN_ERR_REENTRANT) {
            std::fputs("keirin: an EventLoop was destroyed within one of its handlers\n", stderr);
            std::abort();
        }
    }

    /// Listens on "127.0.0.1:3000", "[::]:3000", "localhost:3000", "unix:PATH" or "unix:@NAME"; any
    /// number of them.
    /// @throws Error, also when another program holds the port.
    EventLoop &listen(const std::string &address) {
        detail::check(keirin_loop_listen(raw_, address.c_str(), &port_));
        return *this;
    }

    /// Where the last listen() has got to: for port 0 the kernel chooses one.
    std::uint16_t port() const noexcept { return port_; }

    /// Runs until a stop is asked for, from a callback or another thread, and everything has ended.
    /// @throws Error for what the operating system refuses, and on another thread.
    void run() { detail::check(keirin_loop_run(raw_)); }

    /// For a loop that is not ours: the descriptor that it watches for reading; it must not be read
    /// from, nor closed.
    int fd() const noexcept { return keirin_loop_fd(raw_); }

    /// How many milliseconds it may wait for that before it calls turn(); -1 is for ever. To be
    /// asked before each wait: it may change with every call.
    std::int64_t next_timeout_ms() const noexcept { return keirin_loop_next_timeout_ms(raw_); }

    /// Waits at most this long, -1 for as long as there is nothing, and then does what there is to
    /// do, calling handlers. Status::err_reentrant within a handler.
    Status turn(std::int64_t timeout_ms = 0) noexcept {
        return static_cast<Status>(keirin_loop_turn(raw_, timeout_ms));
    }

    /// Whether a stop was asked for and everything has ended.
    bool is_stopped() const noexcept { return keirin_loop_is_stopped(raw_); }

private:
    static keirin_loop_t *make(const App &app, const keirin_config_t *config) {
        keirin_loop_t *made = nullptr;
        detail::check(keirin_loop_new(app.raw(), config, &made));
        return made;
    }

    std::uint16_t port_ = 0;
};

inline EventLoop App::listen(const std::string &address) const {
    EventLoop loop(*this);
    loop.listen(address);
    return loop;
}

/// A way into one loop from any thread, by Loop::remote(), or into all loops of a server, by
/// Server::remote(); publish() reaches all workers by either. When they are gone its calls are
/// Status::err_stopped, but for publish(), which reaches nobody, and stop(); and Status::err_full
/// while too many wait for a worker.
class Remote {
public:
    /// Another one.
    Remote clone() const {
        keirin_remote_t *made = nullptr;
        detail::check(keirin_remote_clone(owner_.get(), &made));
        return Remote(made);
    }

    /// Has a worker call `task(Loop &)`, or `task()`, in its next turn, on its thread. Its number
    /// is Loop::worker(), or worker_of() an id; one that this does not reach: Status::err_stopped.
    /// The closure is destroyed there, or here if it is refused.
    template <class F> Status defer(std::uint32_t worker, F &&task) const {
        using Task = std::decay_t<F>;
        return status(keirin_remote_defer(owner_.get(), worker, &Loop::run_task<Task>,
                                          detail::keep(std::forward<F>(task)),
                                          &detail::destroy<Task>));
    }
    /// The same for the worker that owes an answer.
    template <class F> Status defer(ResponseId id, F &&task) const {
        return defer(worker_of(id), std::forward<F>(task));
    }
    /// The same for the worker that has a socket.
    template <class F> Status defer(SocketId id, F &&task) const {
        return defer(worker_of(id), std::forward<F>(task));
    }

    /// Publishes to all subscribers of a topic on all workers.
    Published publish(std::string_view topic, std::string_view message,
                      Kind kind = Kind::text) const noexcept {
        keirin_published_t published{};
        const auto how = status(keirin_remote_publish(
            owner_.get(), detail::bytes(topic), topic.size(),
            static_cast<keirin_message_kind_t>(kind), detail::bytes(message), message.size(),
            &published));
        return {how, published.matched, published.dropped};
    }

    /// How many sockets of all workers are subscribed to exactly this topic, patterns aside.
    std::size_t subscribers(std::string_view topic) const noexcept {
        std::size_t count = 0;
        keirin_remote_subscribers(owner_.get(), detail::bytes(topic), topic.size(), &count);
        return count;
    }

    /// Sends a message to a socket. What becomes of it there, where the socket may be gone, is only
    /// counted: so with all below.
    Status send(SocketId id, std::string_view message, Kind kind = Kind::text) const noexcept {
        return status(keirin_remote_ws_send(owner_.get(), id.raw(),
                                            static_cast<keirin_message_kind_t>(kind),
                                            detail::bytes(message), message.size()));
    }

    /// Ends a socket with a Close frame.
    Status end(SocketId id, std::uint16_t code = 1000,
               std::string_view reason = {}) const noexcept {
        return status(keirin_remote_ws_end(owner_.get(), id.raw(), code, detail::bytes(reason),
                                           reason.size()));
    }

    /// Drops the connection of a socket.
    Status close(SocketId id) const noexcept {
        return status(keirin_remote_ws_close(owner_.get(), id.raw()));
    }

    /// Completes an answer; its status and headers are those that were set before. defer() is for
    /// everything else.
    Status end(ResponseId id, std::string_view body = {}) const noexcept {
        return status(keirin_remote_response_end(owner_.get(), id.raw(), detail::bytes(body),
                                                 body.size()));
    }

    /// Begins a graceful stop of the loop, or of all loops, that this leads to: see Loop::stop().
    Status stop(std::chrono::milliseconds grace) const noexcept {
        return status(
            keirin_remote_stop(owner_.get(), detail::milliseconds<std::uint64_t>(grace)));
    }

private:
    friend class Loop;
    friend class Server;

    explicit Remote(keirin_remote_t *made) noexcept : owner_(made) {}
    static Status status(keirin_status_t raw) noexcept { return static_cast<Status>(raw); }

    detail::Owner<keirin_remote_t, keirin_remote_free> owner_;
};

inline Remote Loop::remote() const {
    keirin_remote_t *made = nullptr;
    detail::check(keirin_loop_remote(raw_, &made));
    return Remote(made);
}

/// A server: a loop for each core, each on a thread of its own. It may be used on any thread, but
/// for its destructor, and set up on one at a time.
class Server {
public:
    /// The app may go afterwards.
    /// @throws Error for settings out of range.
    explicit Server(const App &app) : Server(app, nullptr) {}
    Server(const App &app, const Config &config) : Server(app, config.raw()) {}

    /// Sets the number of workers, 1 to 254; without it there is one for each core.
    Server &workers(std::uint32_t count) {
        detail::check(keirin_server_set_workers(owner_.get(), count));
        return *this;
    }

    /// Listens on an address: see EventLoop::listen().
    Server &listen(const std::string &address) {
        detail::check(keirin_server_listen(owner_.get(), address.c_str(), &port_));
        return *this;
    }

    /// Where the last listen() has got to: for port 0 the kernel chooses one.
    std::uint16_t port() const noexcept { return port_; }

    /// Runs the workers, one of them on this thread, until the server is stopped and everything has
    /// ended. A server runs once.
    /// @throws Error when there is no address, and for what the operating system refuses.
    void run() { detail::check(keirin_server_run(owner_.get())); }

    /// Begins a graceful stop of all workers, from any thread but not from a signal handler: see
    /// Loop::stop(). A second call can shorten the time.
    Status stop(std::chrono::milliseconds grace) noexcept {
        return static_cast<Status>(
            keirin_server_stop(owner_.get(), detail::milliseconds<std::uint64_t>(grace)));
    }

    /// A way into all loops for other threads.
    Remote remote() const {
        keirin_remote_t *made = nullptr;
        detail::check(keirin_server_remote(owner_.get(), &made));
        return Remote(made);
    }

    /// A counter, summed over all workers.
    std::uint64_t count(Counter counter) const noexcept {
        std::uint64_t count = 0;
        keirin_server_count(owner_.get(), static_cast<keirin_counter_t>(counter), &count);
        return count;
    }

private:
    Server(const App &app, const keirin_config_t *config) {
        keirin_server_t *made = nullptr;
        detail::check(keirin_server_new(app.raw(), config, &made));
        owner_.reset(made);
    }

    detail::Owner<keirin_server_t, keirin_server_free> owner_;
    std::uint16_t port_ = 0;
};

} // namespace keirin

#endif
