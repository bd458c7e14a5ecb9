// Includes the header twice, and in another file too.

#include <keirin.hpp>
#include <keirin.hpp>

void *tag_of_the_other_file();

int main() {
    keirin::App app;
    app.get("/", [](auto res, auto) { res.end(); });
    return tag_of_the_other_file() == &keirin::detail::type_tag<int> ? 0 : 1;
}
