/// @file
/// Kinds of WebSocket. Included by keirin.hpp.

#ifndef KEIRIN_BEHAVIOUR_HPP
#define KEIRIN_BEHAVIOUR_HPP

#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "websocket.hpp"

namespace keirin {

namespace detail {

/// The handlers of a kind of WebSocket, and their C side.
template <class Data> struct Handlers {
    using Socket = WebSocket<Data>;

    Handler<Socket &> open{"open handler"};
    Handler<Socket &, std::string_view, Kind> message{"message handler"};
    Handler<Socket &, std::string_view> ping{"ping handler"};
    Handler<Socket &, std::string_view> pong{"pong handler"};
    Handler<Socket &> drain{"drain handler"};
    Handler<Socket &, std::string_view, Kind> dropped{"dropped handler"};
    Handler<Socket &, const Subscription &> subscription{"subscription handler"};
    Handler<Socket &, const Closed &> close{"close handler"};

    /// Gives C those that there are. `user` is this.
    void tell(keirin_behaviour_t *behaviour) const {
        constexpr bool makes_data = std::is_default_constructible_v<Data>;
        set(behaviour, keirin_behaviour_on_open, &on_open, makes_data || open);
        set(behaviour, keirin_behaviour_on_message, &on_message<&Handlers::message>, message);
        set(behaviour, keirin_behaviour_on_ping, &on_control<&Handlers::ping>, ping);
        set(behaviour, keirin_behaviour_on_pong, &on_control<&Handlers::pong>, pong);
        set(behaviour, keirin_behaviour_on_drain, &on_drain, drain);
        set(behaviour, keirin_behaviour_on_dropped, &on_message<&Handlers::dropped>, dropped);
        set(behaviour, keirin_behaviour_on_subscription, &on_subscription, subscription);
        set(behaviour, keirin_behaviour_on_close, &on_close, close);
    }

private:
    template <class Set, class Function, class Present>
    static void set(keirin_behaviour_t *behaviour, Set set, Function function,
                    const Present &present) {
        check(set(behaviour, static_cast<bool>(present) ? function : nullptr));
    }

    /// Calls the handler `member`; a socket whose handler throws is closed with 1011.
    template <class Member, class... Arguments>
    static void call(Member member, void *user, keirin_loop_t *loop, keirin_ws_t id,
                     Arguments &&...arguments) noexcept {
        Socket socket{Loop(loop), SocketId(id)};
        const auto &handler = static_cast<const Handlers *>(user)->*member;
        guarded(
            handler.name(), [&] { handler(socket, std::forward<Arguments>(arguments)...); },
            [&] { socket.end(1011); });
    }

    static void on_open(void *user, keirin_loop_t *loop, keirin_ws_t id) noexcept {
        if (!make_data(loop, id)) {
            return;
        }
        if (static_cast<const Handlers *>(user)->open) {
            call(&Handlers::open, user, loop, id);
        }
    }

    /// Sees to it that there is a Data, as there is none yet where the route was made by App::ws().
    static bool make_data(keirin_loop_t *loop, keirin_ws_t id) noexcept {
        bool made = true;
        if constexpr (std::is_default_constructible_v<Data>) {
            Socket socket{Loop(loop), SocketId(id)};
            guarded(
                "constructor of user data",
                [&] {
                    if (socket.find_data() == nullptr) {
                        socket.set_data();
                    }
                },
                [&] {
                    made = false;
                    socket.end(1011);
                });
        }
        return made;
    }

    template <auto Member>
    static void on_message(void *user, keirin_loop_t *loop, keirin_ws_t id,
                           keirin_message_kind_t kind, const std::uint8_t *data,
                           std::size_t length) noexcept {
        call(Member, user, loop, id, view(data, length), static_cast<Kind>(kind));
    }

    template <auto Member>
    static void on_control(void *user, keirin_loop_t *loop, keirin_ws_t id,
                           const std::uint8_t *data, std::size_t length) noexcept {
        call(Member, user, loop, id, view(data, length));
    }

    static void on_drain(void *user, keirin_loop_t *loop, keirin_ws_t id) noexcept {
        call(&Handlers::drain, user, loop, id);
    }

    static void on_subscription(void *user, keirin_loop_t *loop, keirin_ws_t id,
                                const keirin_subscription_t *change) noexcept {
        const Subscription subscription{view(change->topic), change->is_pattern, change->count,
                                        change->count_before};
        call(&Handlers::subscription, user, loop, id, subscription);
    }

    static void on_close(void *user, keirin_loop_t *loop, keirin_ws_t id,
                         keirin_close_cause_t cause, std::uint16_t code,
                         const std::uint8_t *reason, std::size_t length) noexcept {
        if constexpr (std::is_default_constructible_v<Data>) {
            // Where making it has failed, nobody was told of the socket.
            if (Socket(Loop(loop), SocketId(id)).find_data() == nullptr) {
                return;
            }
        }
        const Closed closed{static_cast<CloseCause>(cause), code, view(reason, length)};
        call(&Handlers::close, user, loop, id, closed);
    }
};

} // namespace detail

/// A kind of WebSocket: its options and handlers, and the type of what is kept for each socket. What
/// has no handler is taken care of silently.
///
/// Handlers are closures of any type. With several workers they are called on several threads at
/// once, and so as const: what changes belongs into the socket's Data, or behind a lock. A socket
/// whose handler throws is closed with 1011.
///
/// Every setter gives the behaviour on, to be chained, as App's do:
///
///     Behaviour<Person>().on_open(...).on_message(...)
template <class Data = void> class Behaviour {
public:
    using Socket = WebSocket<Data>;

    Behaviour()
        : handlers_(std::make_unique<detail::Handlers<Data>>()), owner_(keirin_behaviour_new()) {}

    /// Sets an option: bytes, milliseconds, or 1 for what is on. What is out of range is found by
    /// App::ws() and App::behaviour().
    /// @throws Error for a number that the option cannot hold.
    Behaviour &set(SocketOption option, std::uint64_t number) & {
        detail::check(keirin_behaviour_set(owner_.get(),
                                           static_cast<keirin_ws_option_t>(option), number));
        return *this;
    }
    Behaviour set(SocketOption option, std::uint64_t number) && {
        return std::move(set(option, number));
    }

    /// Sets what happens to a message for a peer that does not read.
    Behaviour &set(Backpressure policy) & {
        return set(SocketOption::backpressure, static_cast<std::uint64_t>(policy));
    }
    Behaviour set(Backpressure policy) && {
        return std::move(set(policy));
    }

    /// `handler(Socket &)` is called first, when the upgrade has been answered.
    template <class F> Behaviour &on_open(F &&handler) & {
        handlers().open.set(std::forward<F>(handler));
        return *this;
    }
    template <class F> Behaviour on_open(F &&handler) && {
        return std::move(on_open(std::forward<F>(handler)));
    }

    /// `handler(Socket &, std::string_view message, Kind)` is given every message, whole.
    template <class F> Behaviour &on_message(F &&handler) & {
        handlers().message.set(std::forward<F>(handler));
        return *this;
    }
    template <class F> Behaviour on_message(F &&handler) && {
        return std::move(on_message(std::forward<F>(handler)));
    }

    /// `handler(Socket &, std::string_view payload)` is told of every Ping. It has been answered.
    template <class F> Behaviour &on_ping(F &&handler) & {
        handlers().ping.set(std::forward<F>(handler));
        return *this;
    }
    template <class F> Behaviour on_ping(F &&handler) && {
        return std::move(on_ping(std::forward<F>(handler)));
    }

    /// `handler(Socket &, std::string_view payload)` is told of every Pong, asked for or not.
    template <class F> Behaviour &on_pong(F &&handler) & {
        handlers().pong.set(std::forward<F>(handler));
        return *this;
    }
    template <class F> Behaviour on_pong(F &&handler) && {
        return std::move(on_pong(std::forward<F>(handler)));
    }

    /// `handler(Socket &)` is called when something was queued and the peer has taken all of it.
    template <class F> Behaviour &on_drain(F &&handler) & {
        handlers().drain.set(std::forward<F>(handler));
        return *this;
    }
    template <class F> Behaviour on_drain(F &&handler) && {
        return std::move(on_drain(std::forward<F>(handler)));
    }

    /// `handler(Socket &, std::string_view message, Kind)` is given messages that were dropped.
    template <class F> Behaviour &on_dropped(F &&handler) & {
        handlers().dropped.set(std::forward<F>(handler));
        return *this;
    }
    template <class F> Behaviour on_dropped(F &&handler) && {
        return std::move(on_dropped(std::forward<F>(handler)));
    }

    /// `handler(Socket &, const Subscription &)` is told of every subscription that was made or
    /// ended, at the socket's end too.
    template <class F> Behaviour &on_subscription(F &&handler) & {
        handlers().subscription.set(std::forward<F>(handler));
        return *this;
    }
    template <class F> Behaviour on_subscription(F &&handler) && {
        return std::move(on_subscription(std::forward<F>(handler)));
    }

    /// `handler(Socket &, const Closed &)` is called last, exactly once, whatever ended the socket.
    /// Nothing can be sent to it any more; its data is destroyed afterwards.
    template <class F> Behaviour &on_close(F &&handler) & {
        handlers().close.set(std::forward<F>(handler));
        return *this;
    }
    template <class F> Behaviour on_close(F &&handler) && {
        return std::move(on_close(std::forward<F>(handler)));
    }

private:
    friend class App;

    /// Gives the handlers to the C side, which keeps them for as long as something can call them.
    detail::Owner<keirin_behaviour_t, keirin_behaviour_free> finish() && {
        handlers().tell(owner_.get());
        detail::check(keirin_behaviour_set_user(owner_.get(), handlers_.release(),
                                                &detail::destroy<detail::Handlers<Data>>));
        return std::move(owner_);
    }

    /// @throws Error with Status::err_null when they were moved elsewhere.
    detail::Handlers<Data> &handlers() {
        detail::check(handlers_ != nullptr ? KEIRIN_OK : KEIRIN_ERR_NULL);
        return *handlers_;
    }

    std::unique_ptr<detail::Handlers<Data>> handlers_;
    detail::Owner<keirin_behaviour_t, keirin_behaviour_free> owner_;
};

} // namespace keirin

#endif
