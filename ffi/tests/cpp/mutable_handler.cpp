// Must not compile: several workers may call the handler at once.

#include <keirin.hpp>

int main() {
    keirin::App app;
    app.get("/", [count = 0](keirin::Response res, keirin::Request) mutable {
        res.end(std::to_string(++count));
    });
}
