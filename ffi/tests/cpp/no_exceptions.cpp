// An address that is none: without exceptions the program ends, and says why.

#include <keirin.hpp>

int main() { keirin::App().get("/", [](auto res, auto) { res.end(); }).listen("nowhere").run(); }
