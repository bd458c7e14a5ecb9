// A loop that is destroyed in one of its own handlers: the program ends, and says why.

#include <keirin.hpp>

#include <unistd.h>

#include <optional>

int main() {
    alarm(20); // The end where run() would never return.
    std::optional<keirin::EventLoop> loop(keirin::App().listen("127.0.0.1:0"));
    loop->after(std::chrono::milliseconds(0), [&] { loop.reset(); });
    loop->run();
}
