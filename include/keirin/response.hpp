/// @file
/// Answers. Included by keirin.hpp.

#ifndef KEIRIN_RESPONSE_HPP
#define KEIRIN_RESPONSE_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "request.hpp"
#include "websocket.hpp"

namespace keirin {

/// The answer to a request: a view of its loop and its id, to be copied freely on the loop's thread.
/// For later and for other threads keep the id that detach() gives.
///
/// A handler that returns with the answer neither completed nor kept for later is answered 500. A
/// second answer, and one whose peer has left, is refused: Status::err_already_ended or
/// Status::err_stale, which change nothing and are counted.
class Response {
public:
    Response(Loop loop, ResponseId id) noexcept : loop_(loop), id_(id) {}

    ResponseId id() const noexcept { return id_; }
    Loop loop() const noexcept { return loop_; }

    /// The last refusal among the calls on this view, for those that give themselves back:
    /// res.status(404).header("a", "b").refusal(). Status::ok without one.
    Status refusal() const noexcept { return refusal_; }

    /// Sets the status code, 200 to 599; without it it is 200.
    const Response &status(int code) const noexcept {
        const auto fits = code >= 0 && code <= 999;
        took(keirin_response_status(raw(), id_.raw(),
                                    static_cast<std::uint16_t>(fits ? code : 0)));
        return *this;
    }

    /// Adds a header. One that must not be sent, such as a value with a line break, is
    /// Status::err_header, and is not there.
    const Response &header(std::string_view name, std::string_view value) const noexcept {
        took(keirin_response_header(raw(), id_.raw(), detail::bytes(name), name.size(),
                                    detail::bytes(value), value.size()));
        return *this;
    }

    /// Adds a header whose value is a number.
    template <class Number, std::enable_if_t<std::is_integral_v<Number>, int> = 0>
    const Response &header(std::string_view name, Number value) const {
        return header(name, std::string_view(std::to_string(value)));
    }

    /// Tells a peer that waits for it to send the body. Reading the body does so by itself.
    const Response &write_continue() const noexcept {
        took(keirin_response_write_continue(raw(), id_.raw()));
        return *this;
    }

    /// Sends content and keeps the answer open: in chunks, or as much as a Content-Length header has
    /// announced. Never blocks: what the peer does not take waits in memory (Status::queued).
    Status write(std::string_view content) const noexcept {
        return took(keirin_response_write(raw(), id_.raw(), detail::bytes(content),
                                          content.size()));
    }

    /// Completes the answer with a body.
    Status end(std::string_view body = {}) const noexcept {
        return took(
            keirin_response_end(raw(), id_.raw(), detail::bytes(body), body.size()));
    }

    /// Completes the answer without content: one to HEAD may announce a Content-Length.
    Status end_without_body() const noexcept {
        return took(keirin_response_end_without_body(raw(), id_.raw()));
    }

    /// Sends as much of an answer of `total` bytes as the peer takes, without buffering the rest:
    /// `rest` is the content from written() on. Status::ok is the end, Status::more asks for more at
    /// once, Status::blocked is to be waited out with on_writable().
    Status try_end(std::string_view rest, std::uint64_t total) const noexcept {
        return took(keirin_response_try_end(raw(), id_.raw(), detail::bytes(rest), rest.size(),
                                            total));
    }

    /// Bytes of content that the answer has so far.
    std::uint64_t written() const noexcept {
        std::uint64_t written = 0;
        took(keirin_response_written(raw(), id_.raw(), &written));
        return written;
    }

    /// Bytes of output that wait in memory for the peer.
    std::size_t queued() const noexcept {
        std::size_t queued = 0;
        took(keirin_response_queued(raw(), id_.raw(), &queued));
        return queued;
    }

    /// Keeps the answer for later: the handler may return. Whoever does so wants on_aborted() too.
    ResponseId detach() const noexcept {
        took(keirin_response_detach(raw(), id_.raw()));
        return id_;
    }

    /// Calls `aborted(Loop &, ResponseId)`, or `aborted()`, if the answer cannot be completed: the
    /// peer has left. Any number may be added.
    template <class F> const Response &on_aborted(F &&aborted) const {
        using Aborted = std::decay_t<F>;
        took(keirin_response_on_aborted(raw(), id_.raw(), &run_aborted<Aborted>,
                                        detail::keep(std::forward<F>(aborted)),
                                        &detail::destroy<Aborted>));
        return *this;
    }

    /// Keeps the answer, and calls `writable(Response &, std::uint64_t written)` once, when the peer
    /// has taken what was written so far.
    template <class F> Status on_writable(F &&writable) const {
        using Writable = std::decay_t<F>;
        return took(keirin_response_on_writable(raw(), id_.raw(), &run_writable<Writable>,
                                                detail::keep(std::forward<F>(writable)),
                                                &detail::destroy<Writable>));
    }

    /// Keeps the answer, reads the whole body, and calls `collected(Response &, std::string_view)`.
    /// More than `bytes_max` bytes are answered 413.
    template <class F> Status collect_body(std::size_t bytes_max, F &&collected) const {
        using Collected = std::decay_t<F>;
        return took(keirin_response_collect_body(
            raw(), id_.raw(), bytes_max, &run_collected<Collected>,
            detail::keep(std::forward<F>(collected)), &detail::destroy<Collected>));
    }

    /// Keeps the answer, and calls `each(Response &, std::string_view piece, bool last)` for every
    /// piece of the body as it arrives. After the last one, which may be empty, it has to complete
    /// the answer, or to keep it.
    template <class F> Status stream_body(F &&each) const {
        using Each = std::decay_t<F>;
        return took(keirin_response_stream_body(raw(), id_.raw(), &run_piece<Each>,
                                                detail::keep(std::forward<F>(each)),
                                                &detail::destroy<Each>));
    }

    /// Leaves the rest of the body in the kernel, so that the peer has to wait.
    Status pause() const noexcept { return took(keirin_response_pause(raw(), id_.raw())); }
    /// Goes on reading the body.
    Status resume() const noexcept { return took(keirin_response_resume(raw(), id_.raw())); }

    /// Drops the connection without an answer.
    Status close() const noexcept { return took(keirin_response_close(raw(), id_.raw())); }

    /// Answers 500 in place of what was prepared; an answer that has begun is cut.
    Status fail() const noexcept { return took(keirin_response_fail(raw(), id_.raw())); }

    /// Leaves the request to the next route that matches, once the handler has returned.
    Status next() const noexcept { return took(keirin_response_next(raw(), id_.raw())); }

    /// Answers 101, with the headers that were added so far, and makes the connection a WebSocket
    /// for which a Data is kept, made of `parts`. Its open handler is called after the present
    /// callback. Gives no id when it was refused; refusal() says why, and it may be answered then:
    /// 400 for a malformed offer of extensions, 503 when the server is stopping.
    template <class Data, class... Parts>
    SocketId upgrade(Sockets<Data> sockets, Handshake handshake, Parts &&...parts) const {
        void *user = nullptr;
        keirin_drop_fn drop = nullptr;
        if constexpr (std::is_void_v<Data>) {
            static_assert(sizeof...(Parts) == 0, "these sockets keep nothing");
        } else {
            user = detail::keep_data<Data>(std::forward<Parts>(parts)...);
            drop = &detail::destroy_data<Data>;
        }
        keirin_ws_t ws{};
        took(keirin_response_upgrade(raw(), id_.raw(), sockets.raw(), handshake.release(), user,
                                     drop, &ws));
        return SocketId(ws);
    }

    /// Answers a request that cannot be upgraded: 400, 405 or 426, and 403 for one whose handshake
    /// is valid (its origin was not allowed).
    Status refuse_upgrade(const Request &request) const noexcept {
        return took(keirin_response_refuse_upgrade(raw(), id_.raw(), request.raw()));
    }

private:
    keirin_loop_t *raw() const noexcept { return loop_.raw(); }

    Status took(keirin_status_t raw_status) const noexcept {
        const auto status = static_cast<Status>(raw_status);
        if (refused(status)) {
            refusal_ = status;
        }
        return status;
    }

    template <class Aborted>
    static void run_aborted(void *user, keirin_loop_t *raw, keirin_response_t id) noexcept {
        detail::guarded("abort handler", [&] {
            auto &aborted = *static_cast<Aborted *>(user);
            if constexpr (std::is_invocable_v<Aborted &, Loop &, ResponseId>) {
                Loop loop(raw);
                aborted(loop, ResponseId(id));
            } else {
                aborted();
            }
        });
    }

    template <class Writable>
    static void run_writable(void *user, keirin_loop_t *raw, keirin_response_t id,
                             std::uint64_t written) noexcept {
        Response response{Loop(raw), ResponseId(id)};
        detail::guarded(
            "writable handler", [&] { (*static_cast<Writable *>(user))(response, written); },
            [&] { response.fail(); });
    }

    template <class Collected>
    static void run_collected(void *user, keirin_loop_t *raw, keirin_response_t id,
                              const std::uint8_t *data, std::size_t length) noexcept {
        Response response{Loop(raw), ResponseId(id)};
        const auto body = detail::view(data, length);
        detail::guarded(
            "body handler", [&] { (*static_cast<Collected *>(user))(response, body); },
            [&] { response.fail(); });
    }

    template <class Each>
    static void run_piece(void *user, keirin_loop_t *raw, keirin_response_t id,
                          const std::uint8_t *data, std::size_t length, bool last) noexcept {
        Response response{Loop(raw), ResponseId(id)};
        const auto piece = detail::view(data, length);
        detail::guarded(
            "body handler", [&] { (*static_cast<Each *>(user))(response, piece, last); },
            [&] { response.fail(); });
    }

    Loop loop_;
    ResponseId id_;
    mutable Status refusal_ = Status::ok;
};

inline Response Loop::response(ResponseId id) const noexcept { return Response(*this, id); }

} // namespace keirin

#endif
