// An upgrade that takes a while, for those who come from uWebSockets: who connects is looked up on
// another thread, and the socket's data is made of what was found. upgrade [PORT], then connect to
// ws://127.0.0.1:PORT/ws with the header "Authorization: Bearer coffee", or "tea".

#include "serve.hpp"

#include <optional>

namespace {

/// What is kept for each socket, from its upgrade to the end of its close handler.
struct PerSocketData {
    std::string user;
    int messages = 0;
};

/// A session store that is slow to answer.
std::optional<std::string> find_user(const std::string &token) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (token == "Bearer coffee") {
        return "Ines";
    }
    return token == "Bearer tea" ? std::optional<std::string>("Tom") : std::nullopt;
}

} // namespace

int main(int argc, char **argv) {
    keirin::App app;
    const auto sockets = app.behaviour(
        keirin::Behaviour<PerSocketData>()
            .on_open([](auto ws) { ws.send("hello " + ws.data().user); })
            .on_message([](auto ws, std::string_view message, keirin::Kind) {
                auto &data = ws.data();
                ws.send(data.user + " " + std::to_string(++data.messages) + ": " +
                        std::string(message));
            })
            .on_close([](auto ws, const keirin::Closed &closed) {
                std::cout << ws.data().user << " has left: " << closed.code << std::endl;
            }));

    app.get("/ws", [sockets](auto res, auto req) {
        auto handshake = req.handshake();
        if (!handshake || refused(handshake.check_origin())) {
            res.refuse_upgrade(req);
            return;
        }
        // The request is gone when this returns: what the thread needs goes with it. The answer
        // needs no guard: should the peer leave meanwhile, its id names nothing any more.
        std::thread([sockets, id = res.detach(), remote = res.loop().remote(),
                     token = std::string(req.header("Authorization")),
                     handshake = std::move(handshake)]() mutable {
            auto user = find_user(token);
            remote.defer(id, [sockets, id, user = std::move(user),
                              handshake = std::move(handshake)](keirin::Loop loop) mutable {
                const auto later = loop.response(id);
                if (user) {
                    later.upgrade(sockets, std::move(handshake), *user);
                } else {
                    later.status(401).end("who are you?\n");
                }
            });
        }).detach();
    });
    keirin::Server server(app);
    return serve(server, argc, argv);
}
