// Everything of the interface that the other programs do not use, on a loop that is not keirin's.

#include "check.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

using keirin::Kind;
using keirin::Status;

namespace {

constexpr std::size_t large = 8 << 20;

/// A loop of poll(2), as an application may have one.
class PollLoop {
public:
    PollLoop(const keirin::App &app, const keirin::Config &config) : loop_(app, config) {}

    void listen(const std::string &address) {
        loop_.listen(address).listen("unix:@keirin-" + std::to_string(getpid()));
        CHECK(loop_.port() == 0);
        loop_.listen(address);
    }
    std::uint16_t port() const { return loop_.port(); }
    keirin::Remote remote() const { return loop_.remote(); }

    void run() {
        bool deferred = false;
        CHECK(loop_.defer([&] { deferred = true; }) == Status::ok && deferred);
        while (!loop_.is_stopped()) {
            pollfd watched{loop_.fd(), POLLIN, 0};
            const auto timeout_ms = std::min<std::int64_t>(loop_.next_timeout_ms(), INT_MAX);
            poll(&watched, 1, static_cast<int>(timeout_ms));
            CHECK(loop_.turn() == Status::ok);
        }
    }

private:
    keirin::EventLoop loop_;
};

/// Kept for the loop: what its start hook has made.
struct PerLoop {
    std::unordered_map<std::string, keirin::SocketId> names;
    std::unordered_set<keirin::ResponseId> owed;
};

void send_rest(keirin::Response res, std::uint64_t) {
    static const std::string content(large, 'y');
    const auto rest = std::string_view(content).substr(res.written());
    if (res.try_end(rest, large) == Status::blocked) {
        res.on_writable(send_rest);
    }
}

std::string describe(const keirin::Request &req) {
    std::string text(req.method());
    text += " " + std::string(req.target()) + " " + std::string(req.path()) + " ";
    text += std::string(req.query()) + " " + std::string(req.parameter("name")) + "\n";
    req.headers([&](auto name, auto value) {
        text += std::string(name) + "=" + std::string(value) + ";";
    });
    return text;
}

void add_requests(keirin::App &app) {
    app.any("/describe/:name", [](auto res, auto req) {
        CHECK(req.version_minor() == 1 && req.peer().text().rfind("127.0.0.1:", 0) == 0);
        CHECK(req.peer().bytes() == std::string_view("\x7f\0\0\1", 4) && req.peer().port() > 0);
        CHECK(req.header("none").data() == nullptr && req.parameter("none").empty());
        CHECK(!req.query_parameter("none"));
        const auto value = req.query_parameter("value");
        auto first = req.clone();
        auto copy = std::move(first);
        CHECK(copy.version_minor() == -1 && !copy.handshake());
        res.end(describe(copy) + (value ? "\n" + std::to_string(value->size()) : ""));
    });
    app.get("/decoded/:name", [](auto res, auto req) {
        CHECK(!req.parameter_decoded("none"));
        const auto copy = req.clone();
        CHECK(copy.parameter_decoded("name") == req.parameter_decoded("name"));
        res.end(req.parameter_decoded("name").value_or("malformed"));
    });
    app.get("/chunks", [](auto res, auto) {
        res.write_continue().status(203).header("Answer", 42);
        CHECK(res.write("one,") == Status::ok && res.written() == 4);
        CHECK(!refused(res.write("two")) && res.queued() > 0);
        res.end();
    });
    app.head("/head", [](auto res, auto) {
        res.header("Content-Length", std::uint64_t{4711}).end_without_body();
    });
    app.get("/large", [](auto res, auto) { send_rest(res, 0); });
    app.get("/next/*", [](auto res, auto) { res.header("Passed", "yes").next(); });
    app.get("/*", [](auto res, auto) { res.end("last"); });
    app.get("/closed", [](auto res, auto) { res.close(); });
    app.get("/failed", [](auto res, auto) { res.header("X-Left", "over").fail(); });
    app.put("/paused", [](auto res, auto) {
        res.stream_body([](keirin::Response later, auto piece, bool last) {
            CHECK(later.pause() == Status::ok || last);
            later.loop().after(std::chrono::milliseconds(1), [later] { later.resume(); });
            if (last) {
                later.end("read");
            }
            (void)piece;
        });
    });
    for (const char *path : {"/method"}) {
        const auto name = [](auto res, auto req) { res.end(req.method()); };
        app.post(path, name).patch(path, name).del(path, name).options(path, name);
        app.route("PURGE", path, name);
    }
}

void add_loop(keirin::App &app) {
    app.on_start([](keirin::Loop &loop) {
        CHECK(loop.worker() == 0 && loop.template keep<PerLoop>() == Status::ok);
        CHECK(loop.kept<int>() == nullptr);
    });
    app.on_log([](keirin::Level level, std::string_view message, const keirin::Address *peer) {
        const bool is_access = level == keirin::Level::access;
        CHECK(is_access || level == keirin::Level::warn);
        CHECK(is_access || (peer != nullptr && !peer->text().empty()));
        std::cout << (is_access ? "access: " : "logged: ") << message << std::endl;
    });
    app.get("/silent", [](auto, auto) {});
    app.get("/stop", [](auto res, auto) {
        res.end("stopping");
        res.loop().stop(std::chrono::seconds(10));
    });
    app.get("/published", [](auto res, auto req) {
        const auto topic = *req.query_parameter("topic");
        const auto published = res.loop().publish(topic, "\x01", Kind::binary);
        CHECK(published.status == Status::ok && published.dropped == 0);
        res.end(std::to_string(published.matched) + " " +
                std::to_string(res.loop().subscribers(topic)) + " " +
                std::to_string(res.loop().count(keirin::Counter::sockets_open)));
    });
    // Whoever is waiting is answered by another thread, without a look into the loop.
    app.get("/wait", [](auto res, auto) {
        const auto id = res.status(202).detach();
        auto &owed = res.loop().template kept<PerLoop>()->owed;
        owed.insert(id);
        std::thread([id, remote = res.loop().remote()] {
            CHECK(remote.clone().end(id, "from elsewhere") == Status::ok);
        }).detach();
    });
    app.get("/remote/:what/:name", [](auto res, auto req) {
        const auto &names = res.loop().template kept<PerLoop>()->names;
        const auto id = names.at(std::string(req.parameter("name")));
        std::thread([id, what = std::string(req.parameter("what")),
                     remote = res.loop().remote()] {
            if (what == "send") {
                CHECK(remote.send(id, "sent", keirin::uncompressed(Kind::text)) == Status::ok);
            } else if (what == "publish") {
                CHECK(remote.publish("a/b", "published").matched == 1);
                CHECK(remote.subscribers("topic") == 1 && remote.subscribers("a/b") == 0);
            } else if (what == "end") {
                CHECK(remote.end(id, 4001, "over") == Status::ok);
            } else {
                CHECK(remote.close(id) == Status::ok);
            }
        }).join();
        res.end(std::to_string(worker_of(id)));
    });
}

std::string listing(const keirin::WebSocket<std::string> &ws) {
    std::unordered_set<std::string> found;
    CHECK(ws.topics([&](std::string_view topic, bool is_pattern) {
        found.insert((is_pattern ? "pattern " : "topic ") + std::string(topic));
    }) == Status::ok);
    return std::to_string(found.size()) + (found.count("pattern a/#") == 1 ? " a/#" : "");
}

void command(keirin::WebSocket<std::string> ws, std::string_view message, Kind kind) {
    using std::chrono::milliseconds;
    if (kind == Kind::binary) {
        ws.send(keirin::Message(message, kind));
    } else if (message == "fragments") {
        CHECK(ws.send_fragment("one ", Kind::text, false) == Status::ok);
        CHECK(ws.send("between") == Status::err_fragment);
        CHECK(ws.send_fragment("two", Kind::text, true) == Status::ok);
    } else if (message == "subscribe") {
        CHECK(ws.subscribe_pattern("a/#") == Status::ok && ws.subscribe("topic") == Status::ok);
        CHECK(ws.is_subscribed("topic") && !ws.is_subscribed("a/#"));
        ws.send(listing(ws));
    } else if (message == "unsubscribe") {
        CHECK(ws.unsubscribe_pattern("a/#") == Status::ok);
        CHECK(ws.unsubscribe("topic") == Status::ok);
        ws.send(listing(ws));
    } else if (message == "timeouts") {
        CHECK(ws.set_ping_interval(milliseconds(0)) == Status::ok);
        CHECK(ws.set_idle_timeout(std::chrono::minutes(1)) == Status::ok);
        CHECK(ws.set_lifetime(milliseconds(1)) == Status::ok);
    } else if (message == "ping") {
        ws.ping("payload");
    } else if (message == "publish") {
        ws.publish("a/b", "to others", Kind::text);
    } else if (message == "pause") {
        CHECK(ws.pause() == Status::ok && ws.queued() == 0);
        ws.loop().after(milliseconds(1), [ws] { CHECK(ws.resume() == Status::ok); });
    } else {
        ws.send(ws.peer().text());
    }
}

void add_sockets(keirin::App &app) {
    const auto sockets = app.behaviour(
        keirin::Behaviour<std::string>()
            .set(keirin::Backpressure::close)
            .on_open([](auto ws) { ws.loop().template kept<PerLoop>()->names[ws.data()] = ws.id(); })
            .on_message(command)
            .on_pong([](auto ws, std::string_view payload) { ws.send(payload); })
            .on_subscription([](auto, const keirin::Subscription &change) {
                const char *how = change.count > change.count_before ? "made: " : "ended: ";
                std::cout << how << (change.is_pattern ? "pattern " : "") << change.topic
                          << std::endl;
            })
            .on_close([](auto ws, const keirin::Closed &closed) {
                std::cout << "closed: " << ws.data() << " " << static_cast<int>(closed.cause)
                          << " " << closed.code << " " << closed.reason << std::endl;
            }));
    app.get("/ws/:name", [sockets](auto res, auto req) {
        auto handshake = req.handshake();
        if (!handshake) {
            CHECK(handshake.status() == Status::err_handshake);
            res.refuse_upgrade(req);
            return;
        }
        std::size_t offered = 0;
        while (!handshake.protocol_at(offered).empty()) {
            ++offered;
        }
        if (offered > 0) {
            CHECK(handshake.choose("not offered") == Status::err_not_found);
            CHECK(handshake.choose(handshake.protocol_at(offered - 1)) == Status::ok);
        }
        const std::vector<std::string> listed{"https://example.com"};
        CHECK(handshake.check_origin(listed) == handshake.check_origin({"https://example.com"}));
        if (refused(handshake.check_origin(listed))) {
            CHECK(handshake.origin() == "https://example.org");
            res.refuse_upgrade(req);
            return;
        }
        const auto id = res.header("X-Offered", offered)
                            .upgrade(sockets, std::move(handshake), req.parameter("name"));
        CHECK(id && id.worker() == 0);
    });
}

} // namespace

int main(int argc, char **argv) {
    CHECK(keirin::version_number() == KEIRIN_VERSION_NUMBER);
    CHECK(std::strlen(keirin::version()) > 0);
    keirin::App app;
    add_requests(app);
    add_loop(app);
    add_sockets(app);
    const auto config = keirin::Config().set(keirin::Option::access_log, 1).server_header("cpp");
    PollLoop loop(app, config);
    return serve(loop, argc, argv);
}
