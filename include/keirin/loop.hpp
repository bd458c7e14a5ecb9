/// @file
/// What a handler does with its loop. Included by keirin.hpp.

#ifndef KEIRIN_LOOP_HPP
#define KEIRIN_LOOP_HPP

#include <chrono>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "callbacks.hpp"
#include "values.hpp"

namespace keirin {

class Remote;
class Response;
template <class Data = void> class WebSocket;

/// A loop as its handlers see it: a view, to be copied freely, which is good on the loop's thread
/// for as long as the loop lives. Elsewhere its calls are Status::err_wrong_thread; other threads
/// have a Remote.
class Loop {
public:
    explicit Loop(keirin_loop_t *raw) noexcept : raw_(raw) {}

    /// The answer that an id names. That it is not owed any more is told by what is called on it.
    Response response(ResponseId id) const noexcept;
    /// The socket that an id names; likewise.
    template <class Data = void> WebSocket<Data> socket(SocketId id) const noexcept;

    /// Calls `task(Loop &)`, or `task()`, after the present callback, before the loop waits. Between
    /// turns it is called before this returns.
    template <class F> Status defer(F &&task) const {
        using Task = std::decay_t<F>;
        return static_cast<Status>(keirin_loop_defer(
            raw_, &run_task<Task>, detail::keep(std::forward<F>(task)), &detail::destroy<Task>));
    }

    /// Calls `task(Loop &)`, or `task()`, once the time has passed, counted from when the present
    /// turn began. The timer is none when it was refused.
    template <class F> Timer after(std::chrono::milliseconds delay, F &&task) const {
        using Task = std::decay_t<F>;
        keirin_timer_t timer{};
        keirin_loop_after(raw_, detail::milliseconds<std::uint64_t>(delay), &run_task<Task>,
                          detail::keep(std::forward<F>(task)), &detail::destroy<Task>, &timer);
        return Timer(timer);
    }

    /// Disarms a timer: Status::err_not_found when it has come up already. Its closure is destroyed
    /// after the present callback.
    Status cancel(Timer timer) const noexcept {
        return static_cast<Status>(keirin_loop_cancel(raw_, timer.raw()));
    }

    /// Publishes to all subscribers of a topic, on all workers of the server.
    Published publish(std::string_view topic, std::string_view message,
                      Kind kind = Kind::text) const noexcept {
        keirin_published_t published{};
        const auto status = keirin_loop_publish(
            raw_, detail::bytes(topic), topic.size(), static_cast<keirin_message_kind_t>(kind),
            detail::bytes(message), message.size(), &published);
        return {static_cast<Status>(status), published.matched, published.dropped};
    }

    /// How many sockets of all workers are subscribed to exactly this topic, patterns aside.
    std::size_t subscribers(std::string_view topic) const noexcept {
        std::size_t count = 0;
        keirin_loop_subscribers(raw_, detail::bytes(topic), topic.size(), &count);
        return count;
    }

    /// A way into this loop for other threads, and into no other one of its server: that is
    /// Server::remote().
    /// @throws Error on another thread.
    Remote remote() const;

    /// Begins a graceful stop: nothing new is accepted, answers that have begun are completed,
    /// WebSockets are closed, and what is not done after `grace` is cut. The other workers of a
    /// server go on: Server::stop() is for all, and so is Remote::stop() of a Server::remote().
    Status stop(std::chrono::milliseconds grace) const noexcept {
        return static_cast<Status>(
            keirin_loop_stop(raw_, detail::milliseconds<std::uint64_t>(grace)));
    }

    /// The number of the server's worker, from 0.
    std::uint32_t worker() const noexcept { return keirin_loop_worker(raw_); }

    /// A counter of this loop.
    std::uint64_t count(Counter counter) const noexcept {
        std::uint64_t count = 0;
        keirin_loop_count(raw_, static_cast<keirin_counter_t>(counter), &count);
        return count;
    }

    /// Keeps a Data for this loop, made of `parts`, in place of what was kept before. It is destroyed
    /// with the loop, and only ever seen on its thread: what workers need not share.
    template <class Data, class... Parts> Status keep(Parts &&...parts) const {
        return static_cast<Status>(keirin_loop_set_user(
            raw_, detail::keep_data<Data>(std::forward<Parts>(parts)...),
            &detail::destroy_data<Data>));
    }

    /// What was kept, if it is a Data; else nullptr.
    template <class Data> Data *kept() const noexcept {
        return detail::find_data<Data>(keirin_loop_user(raw_));
    }

    /// As keirin.h has it.
    keirin_loop_t *raw() const noexcept { return raw_; }

    /// Calls what was kept for a loop: the C side of a task.
    template <class Task> static void run_task(void *user, keirin_loop_t *raw) noexcept {
        detail::guarded("task", [&] {
            auto &task = *static_cast<Task *>(user);
            if constexpr (std::is_invocable_v<Task &, Loop &>) {
                Loop loop(raw);
                task(loop);
            } else {
                task();
            }
        });
    }

protected:
    keirin_loop_t *raw_;
};

} // namespace keirin

#endif
