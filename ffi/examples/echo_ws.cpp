// Echoes every WebSocket message: echo_ws [PORT [MODE]], where MODE says how messages are
// compressed: off, shared or dedicated.

#include "serve.hpp"

using keirin::Behaviour;
using keirin::SocketOption;

int main(int argc, char **argv) {
    const std::string mode = argc > 2 ? argv[2] : "off";
    auto echo = Behaviour<>()
                    .set(SocketOption::message_bytes_max, 16 << 20)
                    .set(SocketOption::backpressure_bytes_max, 64 << 20)
                    .on_message([](auto ws, std::string_view message, keirin::Kind kind) {
                        ws.send(message, kind);
                    });
    if (mode == "dedicated") {
        echo.set(SocketOption::deflate_compressor_window_bits, 15)
            .set(SocketOption::deflate_decompressor_window_bits, 15);
    } else if (mode == "shared") {
        echo.set(SocketOption::deflate, 1);
    } else if (mode != "off") {
        std::cerr << "MODE is off, shared or dedicated\n";
        return 2;
    }

    keirin::App app;
    app.ws("/*", std::move(echo));
    keirin::Server server(app);
    return serve(server, argc, argv);
}
