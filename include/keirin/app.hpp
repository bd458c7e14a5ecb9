/// @file
/// Apps and their configuration. Included by keirin.hpp.

#ifndef KEIRIN_APP_HPP
#define KEIRIN_APP_HPP

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "behaviour.hpp"
#include "response.hpp"

namespace keirin {

class EventLoop;

/// Limits and timeouts of a server or loop, for any number of them.
class Config {
public:
    Config() : owner_(keirin_config_new()) {}

    /// Sets an option: bytes, milliseconds, or 1 for what is on. What is out of range is found when
    /// an EventLoop or Server is made with it.
    /// @throws Error for a number that the option cannot hold.
    Config &set(Option option, std::uint64_t number) & {
        detail::check(
            keirin_config_set(owner_.get(), static_cast<keirin_option_t>(option), number));
        return *this;
    }
    Config set(Option option, std::uint64_t number) && {
        return std::move(set(option, number));
    }

    /// Sets the value of a Server header, which is sent with every answer then.
    Config &server_header(const std::string &value) & {
        detail::check(keirin_config_set_server_header(owner_.get(), value.c_str()));
        return *this;
    }
    Config server_header(const std::string &value) && {
        return std::move(server_header(value));
    }

    const keirin_config_t *raw() const noexcept { return owner_.get(); }

private:
    detail::Owner<keirin_config_t, keirin_config_free> owner_;
};

/// Routes, kinds of WebSocket, and hooks. Loops and servers are made of it, and keep what they need:
/// it may go then.
///
/// A route's handler is a closure of any type, called with (Response &, Request &). Servers call it
/// on several threads at once, and so as const. A client whose handler throws gets 500.
///
/// Patterns are made of segments: text, ":name" for any segment that is not empty, "*" at the end
/// for everything from there on. Per segment text is tried before ":name" before "*", whatever the
/// order of the routes. Every setter gives the app on, to be chained, and throws Error for what is
/// malformed: an app that has a name stays where it is, a temporary one is moved on.
class App {
public:
    App() : owner_(keirin_app_new()) {}

    /// Also for HEAD.
    template <class F> App &get(const std::string &pattern, F &&handler) & {
        return route("GET", pattern, std::forward<F>(handler));
    }
    template <class F> App get(const std::string &pattern, F &&handler) && {
        return std::move(get(pattern, std::forward<F>(handler)));
    }
    template <class F> App &post(const std::string &pattern, F &&handler) & {
        return route("POST", pattern, std::forward<F>(handler));
    }
    template <class F> App post(const std::string &pattern, F &&handler) && {
        return std::move(post(pattern, std::forward<F>(handler)));
    }
    template <class F> App &put(const std::string &pattern, F &&handler) & {
        return route("PUT", pattern, std::forward<F>(handler));
    }
    template <class F> App put(const std::string &pattern, F &&handler) && {
        return std::move(put(pattern, std::forward<F>(handler)));
    }
    template <class F> App &patch(const std::string &pattern, F &&handler) & {
        return route("PATCH", pattern, std::forward<F>(handler));
    }
    template <class F> App patch(const std::string &pattern, F &&handler) && {
        return std::move(patch(pattern, std::forward<F>(handler)));
    }
    template <class F> App &del(const std::string &pattern, F &&handler) & {
        return route("DELETE", pattern, std::forward<F>(handler));
    }
    template <class F> App del(const std::string &pattern, F &&handler) && {
        return std::move(del(pattern, std::forward<F>(handler)));
    }
    template <class F> App &head(const std::string &pattern, F &&handler) & {
        return route("HEAD", pattern, std::forward<F>(handler));
    }
    template <class F> App head(const std::string &pattern, F &&handler) && {
        return std::move(head(pattern, std::forward<F>(handler)));
    }
    template <class F> App &options(const std::string &pattern, F &&handler) & {
        return route("OPTIONS", pattern, std::forward<F>(handler));
    }
    template <class F> App options(const std::string &pattern, F &&handler) && {
        return std::move(options(pattern, std::forward<F>(handler)));
    }
    /// For every method that has no matching route of its own.
    template <class F> App &any(const std::string &pattern, F &&handler) & {
        return add_route(nullptr, pattern, std::forward<F>(handler));
    }
    template <class F> App any(const std::string &pattern, F &&handler) && {
        return std::move(any(pattern, std::forward<F>(handler)));
    }
    /// For any other method.
    template <class F>
    App &route(const std::string &method, const std::string &pattern, F &&handler) & {
        return add_route(method.c_str(), pattern, std::forward<F>(handler));
    }
    template <class F>
    App route(const std::string &method, const std::string &pattern, F &&handler) && {
        return std::move(route(method, pattern, std::forward<F>(handler)));
    }

    /// Adds a kind of WebSocket and a route that upgrades every valid handshake from the same host
    /// to it, with a default Data, and refuses others: 403, 400 or 426.
    template <class Data> App &ws(const std::string &pattern, Behaviour<Data> behaviour) & {
        static_assert(std::is_void_v<Data> || std::is_default_constructible_v<Data>,
                      "Data needs a default: else use behaviour(), and Response::upgrade()");
        const auto made = std::move(behaviour).finish();
        detail::check(
            keirin_app_websocket(owner_.get(), pattern.c_str(), made.get(), nullptr));
        return *this;
    }
    template <class Data> App ws(const std::string &pattern, Behaviour<Data> behaviour) && {
        return std::move(ws(pattern, std::move(behaviour)));
    }

    /// Adds a kind of WebSocket, to which the handler of any route can upgrade its request with
    /// Response::upgrade().
    template <class Data> Sockets<Data> behaviour(Behaviour<Data> behaviour) {
        const auto made = std::move(behaviour).finish();
        keirin_sockets_t sockets{};
        detail::check(keirin_app_behaviour(owner_.get(), made.get(), &sockets));
        return Sockets<Data>(sockets);
    }

    /// Has every loop that is made of the app call `start(Loop &)` on its thread, before it accepts
    /// connections: to arm timers, or for Loop::keep(). Any number may be added.
    template <class F> App &on_start(F &&start) & {
        using Start = const std::decay_t<F>;
        static_assert(std::is_invocable_v<Start &, Loop &> || std::is_invocable_v<Start &>,
                      "It takes a Loop & or nothing, and is called as const: no mutable lambda.");
        detail::check(keirin_app_on_start(owner_.get(), &Loop::run_task<Start>,
                                          detail::keep(std::forward<F>(start)),
                                          &detail::destroy<Start>));
        return *this;
    }
    template <class F> App on_start(F &&start) && {
        return std::move(on_start(std::forward<F>(start)));
    }

    /// Has log records go to `log(Level, std::string_view message, const Address *peer)`, on the
    /// loops' threads; without it, warnings and errors go to standard error. What it calls for the
    /// loop may be refused with Status::err_reentrant.
    template <class F> App &on_log(F &&log) & {
        using Log = const std::decay_t<F>;
        static_assert(std::is_invocable_v<Log &, Level, std::string_view, const Address *>,
                      "It takes the documented arguments, as const: no mutable lambda.");
        detail::check(keirin_app_on_log(owner_.get(), &run_log<Log>,
                                        detail::keep(std::forward<F>(log)),
                                        &detail::destroy<Log>));
        return *this;
    }
    template <class F> App on_log(F &&log) && {
        return std::move(on_log(std::forward<F>(log)));
    }

    /// Makes a loop of the app on this thread, which listens: see EventLoop. Server is for all cores.
    EventLoop listen(const std::string &address) const;

    const keirin_app_t *raw() const noexcept { return owner_.get(); }

private:
    template <class F> App &add_route(const char *method, const std::string &pattern, F &&f) {
        using Route = const std::decay_t<F>;
        static_assert(std::is_invocable_v<Route &, Response &, Request &>,
                      "A route's handler takes a Response and a Request. It is called as const, "
                      "because several workers may call it at once: no mutable lambda.");
        detail::check(keirin_app_route(owner_.get(), method, pattern.c_str(), &run_route<Route>,
                                       detail::keep(std::forward<F>(f)),
                                       &detail::destroy<Route>));
        return *this;
    }

    template <class Route>
    static void run_route(void *user, keirin_loop_t *loop, keirin_response_t id,
                          const keirin_request_t *raw_request) noexcept {
        Response response{Loop(loop), ResponseId(id)};
        Request request(raw_request);
        detail::guarded(
            "request handler", [&] { (*static_cast<Route *>(user))(response, request); },
            [&] { response.fail(); });
    }

    template <class Log>
    static void run_log(void *user, keirin_level_t level, const std::uint8_t *message,
                        std::size_t length, const keirin_address_t *peer) noexcept {
        detail::guarded("log handler", [&] {
            auto &log = *static_cast<Log *>(user);
            const auto address = peer != nullptr ? Address(*peer) : Address();
            log(static_cast<Level>(level), detail::view(message, length),
                peer != nullptr ? &address : nullptr);
        });
    }

    detail::Owner<keirin_app_t, keirin_app_free> owner_;
};

} // namespace keirin

#endif
