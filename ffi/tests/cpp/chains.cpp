// Setters give what they set up on, to be chained: what has a name stays where it is. With -DFORM
// one line is added that must not compile, as it would take from under its name what was set up.

#include <keirin.hpp>

#include <type_traits>

namespace {

/// Whether a setter gives a Thing on that has a name, and moves a temporary one.
template <class Thing, class Setter> constexpr bool chains(Setter) {
    return std::is_same_v<std::invoke_result_t<Setter, Thing &>, Thing &> &&
           std::is_same_v<std::invoke_result_t<Setter, Thing>, Thing> &&
           !std::is_copy_constructible_v<Thing>;
}

constexpr auto route = [](auto, auto) {};
constexpr auto nothing = [](auto &&...) {};

using keirin::App, keirin::Config;
using Behaviour = keirin::Behaviour<int>;

} // namespace

#define CHAINS(Thing, setter)                                                                      \
    static_assert(chains<Thing>([](auto &&thing) -> decltype(auto) {                               \
        return std::forward<decltype(thing)>(thing).setter;                                        \
    }))

CHAINS(App, get("/", route));
CHAINS(App, post("/", route));
CHAINS(App, put("/", route));
CHAINS(App, patch("/", route));
CHAINS(App, del("/", route));
CHAINS(App, head("/", route));
CHAINS(App, options("/", route));
CHAINS(App, any("/", route));
CHAINS(App, route("PURGE", "/", ::route));
CHAINS(App, ws("/", Behaviour()));
CHAINS(App, on_start(nothing));
CHAINS(App, on_log(nothing));
CHAINS(Config, set(keirin::Option::half_close, 1));
CHAINS(Config, server_header("x"));
CHAINS(Behaviour, set(keirin::SocketOption::deflate, 1));
CHAINS(Behaviour, set(keirin::Backpressure::close));
CHAINS(Behaviour, on_open(nothing));
CHAINS(Behaviour, on_message(nothing));
CHAINS(Behaviour, on_ping(nothing));
CHAINS(Behaviour, on_pong(nothing));
CHAINS(Behaviour, on_drain(nothing));
CHAINS(Behaviour, on_dropped(nothing));
CHAINS(Behaviour, on_subscription(nothing));
CHAINS(Behaviour, on_close(nothing));

int main() {
    auto app = App().get("/", route).ws("/ws", Behaviour().on_open(nothing));
    auto config = Config().set(keirin::Option::half_close, 1);
    auto behaviour = Behaviour().on_open(nothing).on_close(nothing);
#if FORM == 1
    auto other = app.get("/other", route);
#elif FORM == 2
    auto other = config.server_header("x");
#elif FORM == 3
    auto other = behaviour.on_ping(nothing);
#elif FORM == 4
    app.ws("/other", behaviour.on_ping(nothing));
#endif
}
