// What is refused: at set-up by an Error, later by a Status. GET /record says how calls have ended
// that nobody was left to be told of.

#include "check.hpp"

#include <atomic>
#include <future>

namespace {

using keirin::Status;

std::string record;
keirin::ResponseId kept;
keirin::SocketId socket_id;

void set_up() {
    using keirin::Option, keirin::SocketOption;
    keirin::App app;
    const auto nothing = [](auto, auto) {};
    CHECK(refusal_of([&] { app.get("no slash", nothing); }) == Status::err_route);
    CHECK(refusal_of([&] { app.route("not a method", "/", nothing); }) == Status::err_route);
    CHECK(refusal_of([] { keirin::Config().set(Option::half_close, 2); }) == Status::err_argument);
    CHECK(refusal_of([] { keirin::Config().set(Option::io_uring, 0); }) == Status::ok);
    CHECK(refusal_of([] { keirin::Config().set(Option::io_uring, 2); }) == Status::err_argument);
    CHECK(refusal_of([] { keirin::Config().set(static_cast<Option>(999), 1); }) ==
          Status::err_argument);
    CHECK(refusal_of([] { keirin::Behaviour<>().set(SocketOption::deflate, 2); }) ==
          Status::err_argument);
    const auto config = keirin::Config().set(Option::connections_max, 0);
    CHECK(refusal_of([&] { keirin::EventLoop(app, config); }) == Status::err_config);
    CHECK(refusal_of([&] { keirin::Server(app, config); }) == Status::err_config);
    CHECK(refusal_of([&] { app.listen("nowhere"); }) == Status::err_address);
    auto loop = app.listen("127.0.0.1:0");
    const auto taken = "127.0.0.1:" + std::to_string(loop.port());
    CHECK(refusal_of([&] { app.listen(taken); }) == Status::err_listen);
    CHECK(refusal_of([&] { keirin::Server(app).listen(taken); }) == Status::err_listen);
    CHECK(refusal_of([&] { keirin::Server(app).run(); }) == Status::err_config);
    CHECK(refusal_of([] { keirin::Message("\xff"); }) == Status::err_utf8);
    std::thread([&] {
        CHECK(refusal_of([&] { loop.run(); }) == Status::err_wrong_thread);
        CHECK(refusal_of([&] { loop.remote(); }) == Status::err_wrong_thread);
        CHECK(loop.defer([] { CHECK(!"called on another thread"); }) == Status::err_wrong_thread);
        CHECK(loop.fd() == -1);
    }).join();
}

void set_up_what_was_moved() {
    const auto nothing = [](auto &&...) {};
    keirin::App app;
    keirin::Behaviour<int> behaviour;
    app.ws("/", std::move(behaviour));
    const auto refuses = [&](auto &&call) {
        CHECK(refusal_of([&] { call(behaviour); }) == Status::err_null);
    };
    refuses([&](auto &moved) { moved.set(keirin::Backpressure::close); });
    refuses([&](auto &moved) { moved.on_open(nothing); });
    refuses([&](auto &moved) { moved.on_message(nothing); });
    refuses([&](auto &moved) { moved.on_ping(nothing); });
    refuses([&](auto &moved) { moved.on_pong(nothing); });
    refuses([&](auto &moved) { moved.on_drain(nothing); });
    refuses([&](auto &moved) { moved.on_dropped(nothing); });
    refuses([&](auto &moved) { moved.on_subscription(nothing); });
    refuses([&](auto &moved) { moved.on_close(nothing); });
    refuses([&](auto &moved) { app.ws("/again", std::move(moved)); });
    refuses([&](auto &moved) { app.behaviour(std::move(moved)); });
    keirin::App other = std::move(app);
    CHECK(refusal_of([&] { app.get("/", nothing); }) == Status::err_null);
    CHECK(refusal_of([&] { keirin::EventLoop loop(app); }) == Status::err_null);
}

/// A loop's remote is for its own worker only, under the number that it has in its server.
void set_up_workers() {
    constexpr auto at_once = std::chrono::milliseconds(0);
    std::atomic<int> others{0};
    std::promise<keirin::Remote> of_the_other;
    keirin::App app;
    app.on_start([&](keirin::Loop &loop) {
        if (loop.worker() == 1) {
            of_the_other.set_value(loop.remote());
        }
    });
    keirin::Server server(app);
    server.workers(2).listen("127.0.0.1:0");
    std::thread helper([&] {
        auto remote = of_the_other.get_future().get();
        const auto count = [&](keirin::Loop &loop) {
            others += loop.worker() == 1;
            CHECK(server.stop(at_once) == Status::ok);
        };
        CHECK(remote.defer(0u, count) == Status::err_stopped);
        CHECK(remote.defer(1u, count) == Status::ok);
    });
    server.run();
    helper.join();
    CHECK(others == 1);
}

void add_answers(keirin::App &app) {
    app.get("/record", [](auto res, auto) { res.end(record); });
    app.get("/twice", [](auto res, auto) {
        CHECK(res.end("once") == Status::ok && res.refusal() == Status::ok);
        record = text(res.end("twice"));
        CHECK(res.refusal() == Status::err_already_ended);
    });
    app.get("/refusals", [](auto res, auto) {
        CHECK(res.status(99).refusal() == Status::err_status);
        CHECK(res.status(-1).refusal() == Status::err_status);
        CHECK(res.status(70000).refusal() == Status::err_status);
        CHECK(res.header("A", "fine").header("B", "two\r\nlines").refusal() == Status::err_header);
        const auto written = res.write("x");
        CHECK(written == Status::ok);
        CHECK(res.status(200).refusal() == Status::err_already_begun);
        res.end();
    });
    app.get("/wrong-thread", [](auto res, auto) {
        auto elsewhere = std::async(std::launch::async, [res] { return res.end("elsewhere"); });
        res.end(text(elsewhere.get()));
    });
    app.get("/keep", [](auto res, auto) { kept = res.detach(); });
    app.get("/kept", [](auto res, auto) {
        res.end(kept == keirin::ResponseId() ? "nothing" : "an answer");
    });
    app.get("/stale", [](auto res, auto) {
        // That the peer has left may not be known yet: nobody else is answered in any case.
        record = text(res.loop().response(kept).end("too late"));
        CHECK(kept == keirin::ResponseId(kept.raw()));
        CHECK(res.loop().remote().end(kept, "too late") == Status::ok);
        res.end(record);
    });
    app.get("/counts", [](auto res, auto) {
        res.end(std::to_string(res.loop().count(keirin::Counter::misuse_stale)));
    });
}

void add_sockets(keirin::App &app) {
    app.ws("/ws", keirin::Behaviour<int>()
                      .on_open([](auto ws) {
                          socket_id = ws.id();
                          ws.data() = 42;
                          const auto other = ws.loop().template socket<std::string>(ws.id());
                          CHECK(other.find_data() == nullptr && *ws.find_data() == 42);
                          CHECK(refusal_of([&] { other.data(); }) == Status::err_stale);
                          CHECK(ws.send("\xff") == Status::err_utf8);
                          CHECK(ws.subscribe("") == Status::err_topic);
                          CHECK(ws.end(1005) == Status::err_close_code);
                          CHECK(ws.ping(std::string(126, 'x')) == Status::err_length);
                          ws.send("checked");
                      })
                      .on_close([](auto ws, auto &) {
                          CHECK(ws.data() == 42 && refused(ws.send("too late")));
                      }));
    app.get("/socket", [](auto res, auto) {
        const auto ws = res.loop().template socket<int>(socket_id);
        if (ws.find_data() != nullptr) {
            res.end("open");
            return;
        }
        CHECK(socket_id && refusal_of([&] { ws.data(); }) == Status::err_stale);
        CHECK(ws.close() == Status::err_stale && ws.set_data(1) == Status::err_stale);
        CHECK(ws.publish("topic", "x").status == Status::err_stale);
        res.end(text(ws.send("too late")));
    });
}

} // namespace

int main(int argc, char **argv) {
    set_up();
    set_up_what_was_moved();
    set_up_workers();
    keirin::App app;
    add_answers(app);
    add_sockets(app);
    keirin::EventLoop *within = nullptr;
    app.get("/turn", [&within](auto res, auto) {
        CHECK(within->turn() == Status::err_reentrant);
        CHECK(refusal_of([&] { within->run(); }) == Status::err_reentrant);
        res.end();
    });
    auto moved = keirin::EventLoop(app);
    auto loop = std::move(moved);
    within = &loop;
    return serve(loop, argc, argv);
}
