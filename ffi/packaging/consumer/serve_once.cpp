// The same as serve_once.c from C++: a loop that is sent one request by its own thread.

#include <arpa/inet.h>
#include <keirin.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view request =
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
constexpr std::string_view body = "Hello from C++";

struct Free {
    void operator()(keirin_app_t *app) const { keirin_app_free(app); }
    void operator()(keirin_loop_t *loop) const { keirin_loop_free(loop); }
};

void hello(void *, keirin_loop_t *loop, keirin_response_t response, const keirin_request_t *) {
    keirin_response_end(loop, response, reinterpret_cast<const uint8_t *>(body.data()),
                        body.size());
}

// A connection to the loop: the kernel takes it before the loop does.
int connect_to(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
        std::cerr << "cannot connect\n";
        std::exit(1);
    }
    return client;
}

// Turns the loop until it has closed the connection: a turn waits 10 ms.
std::string answer_to_request(keirin_loop_t *loop, int client) {
    std::string answer;
    char piece[1024];
    send(client, request.data(), request.size(), 0);
    for (int turn = 0; turn < 1000 && keirin_loop_turn(loop, 10) >= 0; ++turn) {
        ssize_t count = recv(client, piece, sizeof piece, MSG_DONTWAIT);
        if (count == 0) {
            return answer;
        }
        answer.append(piece, count > 0 ? static_cast<size_t>(count) : 0);
    }
    return "no end of the answer";
}

}  // namespace

int main() {
    if (keirin_version_number() != KEIRIN_VERSION_NUMBER) {
        std::cerr << "the header is of another version than " << keirin_version() << '\n';
        return 1;
    }
    std::unique_ptr<keirin_app_t, Free> app(keirin_app_new());
    keirin_loop_t *made = nullptr;
    uint16_t port = 0;
    if (keirin_app_route(app.get(), "GET", "/", hello, nullptr, nullptr) < 0 ||
        keirin_loop_new(app.get(), nullptr, &made) < 0 ||
        keirin_loop_listen(made, "127.0.0.1:0", &port) < 0) {
        std::cerr << keirin_last_error() << '\n';
        return 1;
    }
    std::unique_ptr<keirin_loop_t, Free> loop(made);
    int client = connect_to(port);
    std::string answer = answer_to_request(loop.get(), client);
    close(client);
    if (answer.rfind("HTTP/1.1 200 ", 0) != 0 || answer.find(body) == std::string::npos) {
        std::cerr << "an unexpected answer: " << answer << '\n';
        return 1;
    }
    std::cout << body << ", keirin " << keirin_version() << '\n';
}
