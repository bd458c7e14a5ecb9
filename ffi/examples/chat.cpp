// A chat in the browser: chat [PORT [PAGE]], where PAGE is examples/chat.html of this repository;
// then open the printed address. A room is a topic: what is said reaches everybody in it, whatever
// worker they are on.

#include "serve.hpp"

#include "chat_rooms.hpp"
#include "chat_text.hpp"

namespace {

struct Person {
    std::string name, room;
};

using Socket = keirin::WebSocket<Person>;

Rooms rooms;

void tell_others(Socket ws, const char *kind, std::string_view text) {
    ws.publish(ws.data().room, news(kind, ws.data().name, text));
}

void enter(Socket ws) {
    ws.subscribe("all");
    ws.subscribe(ws.data().room);
    tell_others(ws, "joined", "");
    rooms.insert(ws.data().room);
}

void say(Socket ws, std::string_view text, keirin::Kind kind) {
    if (kind != keirin::Kind::text || !is_line(text, 500)) {
        ws.end(1008, "a message is one line of at most 500 characters");
        return;
    }
    rooms.count_message();
    tell_others(ws, "said", text);
    ws.send(news("sent", ws.data().name, text));
}

/// Runs once a second, on one worker.
void tell_numbers(keirin::Loop loop) {
    rooms.tell_numbers(loop);
    loop.after(std::chrono::seconds(1), tell_numbers);
}

/// Lets in who comes from our own page, with a name and a room.
void upgrade(keirin::Sockets<Person> people, keirin::Response res, keirin::Request req) {
    auto handshake = req.handshake();
    const auto name = req.query_parameter("name"), room = req.query_parameter("room");
    if (!handshake || refused(handshake.check_origin())) {
        res.refuse_upgrade(req);
    } else if (!name || !room || !is_line(*name, 24) || !is_line(*room, 24)) {
        res.status(400).end();
    } else {
        res.upgrade(people, std::move(handshake), *name, "room/" + *room);
    }
}

} // namespace

int main(int argc, char **argv) {
    keirin::App app;
    const auto people = app.behaviour(keirin::Behaviour<Person>().on_open(enter).on_message(
        say).on_close([](auto ws, auto) { tell_others(ws, "left", ""); }));
    app.get("/", [page = read_file(argc > 2 ? argv[2] : "examples/chat.html")](auto res, auto) {
        res.header("Content-Type", "text/html; charset=utf-8").end(page);
    });
    app.get("/chat", [people](auto res, auto req) { upgrade(people, res, req); });
    app.on_start([](keirin::Loop loop) {
        if (loop.worker() == 0) {
            tell_numbers(loop);
        }
    });
    keirin::Server server(app);
    return serve(server, argc, argv);
}
