/// @file
/// One WebSocket. Included by keirin.hpp.

#ifndef KEIRIN_WEBSOCKET_HPP
#define KEIRIN_WEBSOCKET_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>

#include "loop.hpp"

namespace keirin {

/// One WebSocket, whose user data is a Data: a view of its loop and its id, to be copied freely on
/// the loop's thread. For later and for other threads keep the id(). Calls for a socket that is
/// gone are Status::err_stale, change nothing, and are counted.
template <class Data> class WebSocket {
public:
    WebSocket(Loop loop, SocketId id) noexcept : loop_(loop), id_(id) {}

    SocketId id() const noexcept { return id_; }
    Loop loop() const noexcept { return loop_; }

    /// What is kept for the socket, from its upgrade to the end of its close handler.
    /// @throws Error when the socket is gone, or something of another type is kept for it.
    auto &data() const {
        auto *found = find_data();
        if (found == nullptr) {
            detail::fail(Status::err_stale, "no such socket, or its data is of another type");
        }
        return *found;
    }

    /// The same, or nullptr.
    Data *find_data() const noexcept {
        static_assert(!std::is_void_v<Data>, "Name the type: Behaviour<Data>, socket<Data>(id)");
        return detail::find_data<Data>(keirin_ws_user(raw(), id_.raw()));
    }

    /// Replaces what is kept for the socket by a Data made of `parts`. What was kept is destroyed
    /// before this returns.
    template <class... Parts> Status set_data(Parts &&...parts) const {
        static_assert(!std::is_void_v<Data>, "Name the type: Behaviour<Data>, socket<Data>(id)");
        return status(keirin_ws_set_user(raw(), id_.raw(),
                                         detail::keep_data<Data>(std::forward<Parts>(parts)...),
                                         &detail::destroy_data<Data>));
    }

    /// Sends a message. Never blocks: what the peer does not take waits in memory (Status::queued),
    /// up to a limit (Status::dropped). Text that is no UTF-8 is Status::err_utf8.
    Status send(std::string_view message, Kind kind = Kind::text) const noexcept {
        return status(keirin_ws_send(raw(), id_.raw(), static_cast<keirin_message_kind_t>(kind),
                                     detail::bytes(message), message.size()));
    }

    /// Sends a message that was made before.
    Status send(const Message &message) const noexcept {
        return status(keirin_ws_send_message(raw(), id_.raw(), message.raw()));
    }

    /// Sends a piece of a message; the one that is `last` completes it. Other messages wait for
    /// that: Status::err_fragment.
    Status send_fragment(std::string_view piece, Kind kind, bool last) const noexcept {
        return status(keirin_ws_send_fragment(raw(), id_.raw(),
                                              static_cast<keirin_message_kind_t>(kind),
                                              detail::bytes(piece), piece.size(), last));
    }

    /// Sends a Ping with at most 125 bytes of payload.
    Status ping(std::string_view payload = {}) const noexcept {
        return status(
            keirin_ws_ping(raw(), id_.raw(), detail::bytes(payload), payload.size()));
    }

    /// Sends a Close frame and ends the connection once the peer has answered it. From here on
    /// nothing can be sent. The reason is cut to 123 bytes.
    Status end(std::uint16_t code = 1000, std::string_view reason = {}) const noexcept {
        return status(
            keirin_ws_end(raw(), id_.raw(), code, detail::bytes(reason), reason.size()));
    }

    /// Drops the connection without a Close frame.
    Status close() const noexcept { return status(keirin_ws_close(raw(), id_.raw())); }

    /// Leaves what the peer sends in the kernel, but for what was read already.
    Status pause() const noexcept { return status(keirin_ws_pause(raw(), id_.raw())); }
    /// Goes on reading.
    Status resume() const noexcept { return status(keirin_ws_resume(raw(), id_.raw())); }

    /// This socket's own idle timeout; 0 is off.
    Status set_idle_timeout(std::chrono::milliseconds timeout) const noexcept {
        const auto timeout_ms = detail::milliseconds<std::uint32_t>(timeout);
        return status(keirin_ws_set_idle_timeout(raw(), id_.raw(), timeout_ms));
    }
    /// After how long without a byte from the peer it is sent a Ping; 0 is never.
    Status set_ping_interval(std::chrono::milliseconds interval) const noexcept {
        const auto interval_ms = detail::milliseconds<std::uint32_t>(interval);
        return status(keirin_ws_set_ping_interval(raw(), id_.raw(), interval_ms));
    }
    /// For how long from now on the socket lives; 0 is without end.
    Status set_lifetime(std::chrono::milliseconds lifetime) const noexcept {
        const auto lifetime_ms = detail::milliseconds<std::uint32_t>(lifetime);
        return status(keirin_ws_set_lifetime(raw(), id_.raw(), lifetime_ms));
    }

    /// Bytes of output that wait in memory for the peer.
    std::size_t queued() const noexcept {
        std::size_t queued = 0;
        keirin_ws_queued(raw(), id_.raw(), &queued);
        return queued;
    }

    /// The peer's address; empty when it has left.
    Address peer() const noexcept {
        keirin_address_t address{};
        keirin_ws_peer(raw(), id_.raw(), &address);
        return Address(address);
    }

    /// Subscribes to a topic: 1 to 65535 bytes of text in which no character is special.
    Status subscribe(std::string_view topic) const noexcept {
        return status(
            keirin_ws_subscribe(raw(), id_.raw(), detail::bytes(topic), topic.size()));
    }
    /// Subscribes to all topics that a pattern matches: "+" stands for any one level between "/",
    /// "#" at the end for any number of them, as in MQTT.
    Status subscribe_pattern(std::string_view pattern) const noexcept {
        return status(keirin_ws_subscribe_pattern(raw(), id_.raw(), detail::bytes(pattern),
                                                  pattern.size()));
    }
    /// Ends a subscription; that there was none is no error.
    Status unsubscribe(std::string_view topic) const noexcept {
        return status(
            keirin_ws_unsubscribe(raw(), id_.raw(), detail::bytes(topic), topic.size()));
    }
    /// The same for a pattern.
    Status unsubscribe_pattern(std::string_view pattern) const noexcept {
        return status(keirin_ws_unsubscribe_pattern(raw(), id_.raw(), detail::bytes(pattern),
                                                    pattern.size()));
    }
    /// Whether it is subscribed to exactly this topic, patterns aside.
    bool is_subscribed(std::string_view topic) const noexcept {
        bool subscribed = false;
        keirin_ws_is_subscribed(raw(), id_.raw(), detail::bytes(topic), topic.size(),
                                &subscribed);
        return subscribed;
    }

    /// Calls `each(topic, is_pattern)` for everything that the socket is subscribed to, in no
    /// particular order, before this returns. What it throws is thrown from here.
    template <class F> Status topics(F &&each) const {
        using Each = std::remove_reference_t<F>;
        struct Listing {
            Each &each;
            std::exception_ptr thrown;
        } listing{each, nullptr};
        const auto told = [](void *user, const std::uint8_t *topic, std::size_t length,
                             bool is_pattern) {
            auto &to = *static_cast<Listing *>(user);
#if KEIRIN_HAS_EXCEPTIONS
            try {
                if (to.thrown == nullptr) {
                    to.each(detail::view(topic, length), is_pattern);
                }
            } catch (...) {
                to.thrown = std::current_exception();
            }
#else
            to.each(detail::view(topic, length), is_pattern);
#endif
        };
        const auto listed = status(keirin_ws_topics(raw(), id_.raw(), told, &listing));
#if KEIRIN_HAS_EXCEPTIONS
        if (listing.thrown != nullptr) {
            std::rethrow_exception(listing.thrown);
        }
#endif
        return listed;
    }

    /// Publishes to all subscribers of a topic but this socket.
    Published publish(std::string_view topic, std::string_view message,
                      Kind kind = Kind::text) const noexcept {
        keirin_published_t published{};
        const auto how = status(keirin_ws_publish(
            raw(), id_.raw(), detail::bytes(topic), topic.size(),
            static_cast<keirin_message_kind_t>(kind), detail::bytes(message), message.size(),
            &published));
        return {how, published.matched, published.dropped};
    }

private:
    keirin_loop_t *raw() const noexcept { return loop_.raw(); }
    static Status status(keirin_status_t raw) noexcept { return static_cast<Status>(raw); }

    Loop loop_;
    SocketId id_;
};

template <class Data> WebSocket<Data> Loop::socket(SocketId id) const noexcept {
    return WebSocket<Data>(*this, id);
}

/// Names a kind of WebSocket of an app: what Response::upgrade() makes a connection.
template <class Data = void> class Sockets {
public:
    explicit Sockets(keirin_sockets_t raw) noexcept : raw_(raw) {}

    /// As keirin.h has it.
    keirin_sockets_t raw() const noexcept { return raw_; }

private:
    keirin_sockets_t raw_;
};

} // namespace keirin

#endif
