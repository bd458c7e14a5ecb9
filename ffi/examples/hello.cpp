// The smallest server: hello [PORT], then open the printed address.

#include "serve.hpp"

int main(int argc, char **argv) {
    keirin::App app;
    app.get("/", [](auto res, auto) {
        res.header("Content-Type", "text/html; charset=utf-8").end("Hello world!");
    });
    keirin::Server server(app);
    return serve(server, argc, argv);
}
