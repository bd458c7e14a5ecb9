// Closures and user data are destroyed exactly once. Everything here holds a token, which can be
// moved but not copied; GET /tokens says how many there are, and in sockets.

#include "check.hpp"

#include <atomic>
#include <memory>
#include <optional>

namespace {

std::atomic<int> made{0}, destroyed{0};

struct Counted {
    Counted() { ++made; }
    Counted(const Counted &) = delete;
    Counted &operator=(const Counted &) = delete;
    ~Counted() { ++destroyed; }
};

using Token = std::unique_ptr<Counted>;
Token token() { return std::make_unique<Counted>(); }
int alive() { return made - destroyed; }

std::atomic<int> sockets_alive{0};

struct PerSocketData {
    explicit PerSocketData(Token given = token()) : held(std::move(given)) { ++sockets_alive; }
    PerSocketData(const PerSocketData &) = delete;
    PerSocketData &operator=(const PerSocketData &) = delete;
    ~PerSocketData() { --sockets_alive; }
    Token held;
};

auto behaviour() {
    return keirin::Behaviour<PerSocketData>()
        .on_open([held = token()](auto ws) { CHECK(held && ws.data().held); })
        .on_message([held = token()](auto ws, std::string_view message, keirin::Kind) {
            CHECK(held);
            if (message == "replace") {
                CHECK(ws.set_data() == keirin::Status::ok);
            }
            ws.send(std::to_string(sockets_alive));
        })
        .on_ping([held = token()](auto, auto) {})
        .on_pong([held = token()](auto, auto) {})
        .on_drain([held = token()](auto) {})
        .on_dropped([held = token()](auto, auto, auto) {})
        .on_subscription([held = token()](auto, auto &) {})
        .on_close([held = token()](auto ws, auto &) { CHECK(held && ws.data().held); });
}

/// Outside of callbacks, what is refused is destroyed at once, and nothing else.
template <class Call> void keeps_nothing(Call &&call) {
    const auto before = alive();
    call();
    CHECK(alive() == before);
}

void set_up_what_is_refused() {
    keirin::App app;
    keeps_nothing([&] {
        CHECK(refusal_of([&] { app.get("no slash", [held = token()](auto, auto) {}); }) ==
              keirin::Status::err_route);
    });
    keeps_nothing([] { behaviour(); });
    keeps_nothing([&] {
        auto bad = behaviour().set(keirin::SocketOption::message_bytes_max, 0);
        CHECK(refusal_of([&] { app.ws("/ws", std::move(bad)); }) == keirin::Status::err_config);
    });
}

void add_later(keirin::App &app) {
    app.get("/defer", [](auto res, auto) {
        res.loop().defer([res, held = token()] { res.end(held ? "defer" : ""); });
        res.detach();
    });
    app.get("/after", [](auto res, auto) {
        const auto loop = res.loop();
        const auto timer = loop.after(std::chrono::hours(1), [held = token()] {});
        CHECK(loop.cancel(timer) == keirin::Status::ok);
        CHECK(loop.cancel(timer) == keirin::Status::err_not_found);
        loop.after(std::chrono::milliseconds(1), [res, held = token()](keirin::Loop &) mutable {
            held.reset();
            res.end("after");
        });
        res.detach();
    });
    app.get("/remote", [](auto res, auto) {
        std::thread([id = res.detach(), remote = res.loop().remote(), held = token()]() mutable {
            remote.defer(id, [id, held = std::move(held)](keirin::Loop &loop) {
                loop.response(id).end(held ? "remote" : "");
            });
            const auto refusal = remote.defer(99, [held = token()] {});
            CHECK(refusal == keirin::Status::err_stopped);
        }).detach();
    });
    // Never comes up: it is destroyed with the loop.
    app.on_start([held = token()](keirin::Loop &loop) {
        loop.keep<PerSocketData>(token());
        loop.after(std::chrono::hours(1), [inner = token()] {});
    });
}

void add_answers(keirin::App &app) {
    app.get("/answered", [](auto res, auto) {
        res.on_aborted([held = token()] {});
        res.end("answered");
        // Refused: they go when this has returned.
        res.on_aborted([held = token()] {});
        res.collect_body(1, [held = token()](auto &, auto) {});
        res.stream_body([held = token()](auto &, auto, bool) {});
        res.on_writable([held = token()](auto &, auto) {});
        CHECK(res.refusal() == keirin::Status::err_already_ended);
    });
    app.get("/writable", [](auto res, auto) {
        res.on_writable([held = token()](auto &later, auto) { later.end("writable"); });
    });
    app.post("/collect", [](auto res, auto) {
        res.collect_body(9, [held = token()](auto &later, auto body) { later.end(body); });
    });
    app.post("/stream", [](auto res, auto) {
        res.stream_body(
            [held = token(), all = std::string()](auto &later, auto piece, bool last) mutable {
                all += piece;
                if (last) {
                    later.end(all);
                }
            });
    });
    app.get("/kept", [](auto res, auto) {
        res.on_aborted([held = token()](keirin::Loop &, keirin::ResponseId) {});
        res.detach();
    });
}

} // namespace

int main(int argc, char **argv) {
    set_up_what_is_refused();
    CHECK(alive() == 0);
    {
        keirin::App app;
        app.get("/tokens", [](auto res, auto) {
            res.end(std::to_string(alive()) + " " + std::to_string(sockets_alive));
        });
        add_later(app);
        add_answers(app);
        app.on_log([held = token()](auto, auto, auto) {});
        app.ws("/short", behaviour());
        const auto sockets = app.behaviour(behaviour());
        app.get("/long", [sockets, held = token()](auto res, auto req) {
            res.upgrade(sockets, req.handshake(), token());
            CHECK(!res.upgrade(sockets, req.handshake(), token()));
        });
        const auto in_app = alive();
        auto server = std::make_optional<keirin::Server>(app);
        app = keirin::App();
        CHECK(alive() == in_app);
        const int code = serve(server->workers(1), argc, argv);
        CHECK(code == 0 && sockets_alive == 0);
    }
    std::cout << "made " << made << ", left " << alive() << std::endl;
}
