/// @file
/// Requests and handshakes of WebSockets. Included by keirin.hpp.

#ifndef KEIRIN_REQUEST_HPP
#define KEIRIN_REQUEST_HPP

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "values.hpp"

namespace keirin {

/// A valid request for a WebSocket, which Response::upgrade() takes, at once or later; or none, with
/// the reason. It may be used on one thread at a time.
class Handshake {
public:
    /// Whether there is one. Response::refuse_upgrade() answers the other requests.
    explicit operator bool() const noexcept { return owner_ != nullptr; }
    /// Status::err_handshake for a request that is no valid handshake.
    Status status() const noexcept { return status_; }

    /// The subprotocol at an index that the client offers, its favourite first; behind the last an
    /// empty view, which no subprotocol is.
    std::string_view protocol_at(std::size_t index) const noexcept {
        return detail::view(keirin_handshake_protocol_at(owner_.get(), index));
    }

    /// Chooses one of the subprotocols on offer; without a choice the socket has none.
    /// Status::err_not_found when it is not on offer.
    Status choose(std::string_view protocol) noexcept {
        return static_cast<Status>(keirin_handshake_choose(
            owner_.get(), detail::bytes(protocol), protocol.size()));
    }

    /// The origin of the page that opens the socket. Its data() is null for clients that do not say.
    std::string_view origin() const noexcept {
        return detail::view(keirin_handshake_origin(owner_.get()));
    }

    /// Whether that origin may open a socket: the same host may, those that are listed may
    /// ("https://example.com:8443"), clients without an origin may. Else it is Status::err_origin.
    /// Browsers have no rule of their own against foreign pages that open sockets.
    Status check_origin(std::initializer_list<const char *> origins = {}) const noexcept {
        return check_origin(origins.begin(), origins.size());
    }

    /// The same for a list that was read from somewhere.
    Status check_origin(const std::vector<std::string> &origins) const {
        std::vector<const char *> pointers;
        for (const auto &origin : origins) {
            pointers.push_back(origin.c_str());
        }
        return check_origin(pointers.data(), pointers.size());
    }

    /// Gives it up, to the C interface.
    keirin_handshake_t *release() noexcept { return owner_.release(); }

private:
    friend class Request;

    explicit Handshake(const keirin_request_t *request) noexcept {
        keirin_handshake_t *made = nullptr;
        status_ = static_cast<Status>(keirin_request_handshake(request, &made));
        owner_.reset(made);
    }

    Status check_origin(const char *const *origins, std::size_t count) const noexcept {
        return static_cast<Status>(keirin_handshake_check_origin(owner_.get(), origins, count));
    }

    detail::Owner<keirin_handshake_t, keirin_handshake_free> owner_;
    Status status_;
};

class OwnedRequest;

/// A request's head, as a handler is given it: it and what it gives are gone when the handler
/// returns; clone() makes one that stays. Views of what is absent are empty, with a null data().
class Request {
public:
    explicit Request(const keirin_request_t *raw) noexcept : raw_(raw) {}

    /// As sent: "GET". Case matters.
    std::string_view method() const noexcept { return detail::view(keirin_request_method(raw_)); }
    /// As sent: path and query, an absolute URI, or "*".
    std::string_view target() const noexcept { return detail::view(keirin_request_target(raw_)); }
    /// Neither decoded nor normalised.
    std::string_view path() const noexcept { return detail::view(keirin_request_path(raw_)); }
    /// What follows the first "?", not decoded; absent without one.
    std::string_view query() const noexcept { return detail::view(keirin_request_query(raw_)); }

    /// The value of the first header of this name, in any case, without white space around it.
    std::string_view header(std::string_view name) const noexcept {
        return detail::view(keirin_request_header(raw_, detail::bytes(name), name.size()));
    }

    /// Calls `each(name, value)` for every header in the order of arrival; names as sent.
    template <class F> void headers(F &&each) const {
        keirin_bytes_t name{};
        keirin_bytes_t value{};
        for (std::size_t index = 0;
             keirin_request_header_at(raw_, index, &name, &value) == KEIRIN_OK; ++index) {
            each(detail::view(name), detail::view(value));
        }
    }

    /// The segment of the path that the route's ":name" matched, not decoded.
    std::string_view parameter(std::string_view name) const noexcept {
        return detail::view(keirin_request_parameter(raw_, detail::bytes(name), name.size()));
    }

    /// What the route's ":name" matched, percent-decoded; nothing where there is no such name, or it
    /// is malformed.
    std::optional<std::string> parameter_decoded(std::string_view name) const {
        return decoded(&keirin_request_parameter_decoded, name);
    }

    /// The decoded value of the first query parameter of this name; nothing where there is none, or
    /// it is malformed.
    std::optional<std::string> query_parameter(std::string_view name) const {
        return decoded(&keirin_request_query_parameter, name);
    }

    /// 0 for HTTP/1.0, 1 for HTTP/1.1; -1 for a clone, which does not keep it.
    int version_minor() const noexcept { return keirin_request_version_minor(raw_); }

    /// The peer's address.
    Address peer() const noexcept {
        keirin_address_t address{};
        keirin_request_peer(raw_, &address);
        return Address(address);
    }

    /// Looks whether it is one for a WebSocket. A clone cannot tell: Status::err_not_found.
    Handshake handshake() const noexcept { return Handshake(raw_); }

    /// Copies it for later.
    OwnedRequest clone() const;

    /// As keirin.h has it.
    const keirin_request_t *raw() const noexcept { return raw_; }

protected:
    const keirin_request_t *raw_;

private:
    using Decode = decltype(&keirin_request_query_parameter);

    std::optional<std::string> decoded(Decode decode, std::string_view name) const {
        std::string value(64, '\0');
        std::size_t length = 0;
        const auto read = [&] {
            return decode(raw_, name.data(), name.size(), value.data(), value.size(), &length);
        };
        auto status = read();
        if (status == KEIRIN_ERR_LENGTH) {
            value.resize(length);
            status = read();
        }
        value.resize(status == KEIRIN_OK ? length : 0);
        return status == KEIRIN_OK ? std::optional(std::move(value)) : std::nullopt;
    }
};

/// A request that stays. It may be read on any thread.
class OwnedRequest : public Request {
public:
    OwnedRequest(OwnedRequest &&other) noexcept : Request(std::exchange(other.raw_, nullptr)) {}
    OwnedRequest &operator=(OwnedRequest &&other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }
    ~OwnedRequest() { keirin_request_free(const_cast<keirin_request_t *>(raw_)); }

private:
    friend class Request;
    explicit OwnedRequest(const keirin_request_t *raw) noexcept : Request(raw) {}
};

inline OwnedRequest Request::clone() const {
    keirin_request_t *clone = nullptr;
    detail::check(keirin_request_clone(raw_, &clone));
    return OwnedRequest(clone);
}

} // namespace keirin

#endif
