// A server whose handlers throw, each kind of them. GET /thrown says what the hook was told.

#include "check.hpp"

#include <map>
#include <mutex>

namespace {

std::mutex thrown_lock;
std::map<std::string, int> thrown;

/// Counts, and throws again what asks for it: the hook's own exceptions go nowhere.
void tally(std::exception_ptr exception, std::string_view handler) {
    {
        const std::lock_guard guard(thrown_lock);
        ++thrown[std::string(handler)];
    }
    std::rethrow_exception(exception);
}

std::string tallied() {
    const std::lock_guard guard(thrown_lock);
    std::string text;
    for (const auto &[handler, count] : thrown) {
        text += handler + "=" + std::to_string(count) + "\n";
    }
    return text;
}

[[noreturn]] void on_purpose() { throw std::runtime_error("on purpose"); }

/// Names the handler that throws.
struct Where {
    std::string handler;
};

template <class Socket> void throw_in(const Socket &ws, const char *handler) {
    if (ws.data().handler == handler) {
        on_purpose();
    }
}

/// Sends until the peer, which does not read, has enough.
template <class Socket> void send_until(const Socket &ws, keirin::Status enough) {
    const std::string much(1 << 16, 'x');
    keirin::Status status = keirin::Status::ok;
    while (status != enough) {
        status = ws.send(much);
        CHECK(!refused(status));
    }
}

void on_message(keirin::WebSocket<Where> ws, std::string_view, keirin::Kind) {
    throw_in(ws, "message");
    if (ws.data().handler == "subscription") {
        ws.subscribe("topic");
    } else if (ws.data().handler == "drain") {
        send_until(ws, keirin::Status::queued);
    } else if (ws.data().handler == "dropped") {
        send_until(ws, keirin::Status::dropped);
    } else if (ws.data().handler == "topics") {
        ws.subscribe("one");
        ws.subscribe("two");
        ws.topics([](std::string_view, bool) { on_purpose(); });
    }
}

struct Picky {
    Picky() { on_purpose(); }
};

void add_sockets(keirin::App &app) {
    const auto sockets = app.behaviour(
        keirin::Behaviour<Where>()
            .set(keirin::SocketOption::backpressure_bytes_max, 1 << 20)
            .on_open([](auto ws) { throw_in(ws, "open"); })
            .on_message(on_message)
            .on_ping([](auto ws, auto) { throw_in(ws, "ping"); })
            .on_pong([](auto ws, auto) { throw_in(ws, "pong"); })
            .on_drain([](auto ws) { throw_in(ws, "drain"); })
            .on_dropped([](auto ws, auto, auto) { throw_in(ws, "dropped"); })
            .on_subscription([](auto ws, auto &) { throw_in(ws, "subscription"); })
            .on_close([](auto ws, auto &) { throw_in(ws, "close"); }));
    app.get("/ws/:handler", [sockets](auto res, auto req) {
        res.upgrade(sockets, req.handshake(), std::string(req.parameter("handler")));
    });
    app.ws("/picky", keirin::Behaviour<Picky>()
                         .on_open([](auto) { CHECK(!"opened without its data"); })
                         .on_close([](auto, auto &) { CHECK(!"closed, but never opened"); }));
}

void add_routes(keirin::App &app) {
    app.get("/thrown", [](auto res, auto) { res.end(tallied()); });
    app.get("/default-hook", [](auto res, auto) {
        CHECK(keirin::on_exception(nullptr) == &tally);
        res.end();
    });
    app.get("/request", [](auto res, auto) {
        res.status(201).header("X-Left", "over").header("Content-Length", 99);
        on_purpose();
    });
    app.get("/begun", [](auto res, auto) {
        res.write("a part");
        on_purpose();
    });
    app.get("/detached", [](auto res, auto) {
        res.detach();
        throw 4711;
    });
    app.get("/ended", [](auto res, auto) {
        res.end("fine");
        on_purpose();
    });
    app.post("/collect", [](auto res, auto) {
        res.collect_body(1000, [](auto &, std::string_view) { on_purpose(); });
    });
    app.post("/stream", [](auto res, auto) {
        res.stream_body([](auto &, std::string_view, bool) { on_purpose(); });
    });
    app.get("/writable", [](auto res, auto) {
        res.on_writable([](auto &, std::uint64_t) { on_purpose(); });
    });
    app.get("/aborted", [](auto res, auto) {
        res.on_aborted([] { on_purpose(); });
        res.detach();
    });
    app.get("/task", [](auto res, auto) {
        res.loop().defer([] { on_purpose(); });
        res.loop().after(std::chrono::milliseconds(1), [] { on_purpose(); });
        res.end();
    });
    // Says nothing, which is logged.
    app.get("/silent", [](auto, auto) {});
}

} // namespace

int main(int argc, char **argv) {
    keirin::on_exception(&tally);
    keirin::App app;
    add_routes(app);
    add_sockets(app);
    app.on_start([] { on_purpose(); });
    app.on_log([](auto, auto, auto) { on_purpose(); });
    auto loop = keirin::EventLoop(app);
    return serve(loop, argc, argv);
}
