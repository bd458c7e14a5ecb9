/// @file
/// keirin for C++17: an HTTP/1.1 and WebSocket engine. Header-only, over keirin.h, with nothing else
/// but the standard library.
///
///     #include <keirin.hpp>
///
///     int main() {
///         keirin::App()
///             .get("/", [](auto res, auto) { res.end("Hello world!"); })
///             .listen("127.0.0.1:3000")
///             .run();
///     }
///
/// An App has routes and kinds of WebSocket. An EventLoop runs it on one thread, a Server on all
/// cores. Handlers are given views (Response, WebSocket, Loop), which are good on the loop's thread;
/// ids (ResponseId, SocketId) are values, to be kept and handed to other threads, which reach the
/// loops through a Remote. What is owned is moved, never copied.
///
/// What is called per request or message says by a Status how it has ended, and never throws. What
/// sets something up throws Error. What handlers throw goes to on_exception(), costs its client a
/// 500 or its socket a close with 1011, and nobody else anything. It compiles with -fno-exceptions
/// too: what would throw prints its text and aborts then.

#ifndef KEIRIN_HPP
#define KEIRIN_HPP

#include "keirin/app.hpp"
#include "keirin/behaviour.hpp"
#include "keirin/request.hpp"
#include "keirin/response.hpp"
#include "keirin/server.hpp"
#include "keirin/status.hpp"
#include "keirin/values.hpp"
#include "keirin/websocket.hpp"

#endif
