/*
 * keirin in a program with a loop of its own, around poll(2): it watches the loop's descriptor, a
 * descriptor for signals, and standard input, of which every WebSocket is sent what comes in.
 * `GET /` answers how many bytes that were so far.
 */
#define _POSIX_C_SOURCE 200809L

#include "example.h"

#include <limits.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static unsigned long long input_bytes;

static void get_count(void *user, keirin_loop_t *loop, keirin_response_t response,
                      const keirin_request_t *request)
{
    (void)user, (void)request;
    char text[32];
    int length = snprintf(text, sizeof text, "%llu\n", input_bytes);
    keirin_response_end(loop, response, text, (size_t)length);
}

static void subscribe(void *user, keirin_loop_t *loop, keirin_ws_t ws)
{
    (void)user;
    keirin_ws_subscribe(loop, ws, KEIRIN_LITERAL("input"));
}

static void say_who_left(void *user, keirin_loop_t *loop, keirin_ws_t ws,
                         keirin_close_cause_t cause, uint16_t code, const uint8_t *reason,
                         size_t length)
{
    (void)user, (void)cause, (void)reason, (void)length;
    keirin_address_t peer;
    char text[64] = "somebody";
    if (keirin_ws_peer(loop, ws, &peer) == KEIRIN_OK)
        keirin_address_text(&peer, text, sizeof text);
    fprintf(stderr, "%s has left: %u\n", text, (unsigned)code);
}

/* What this program serves. */
static keirin_app_t *new_app(void)
{
    keirin_behaviour_t *behaviour = keirin_behaviour_new();
    must(keirin_behaviour_on_open(behaviour, subscribe));
    must(keirin_behaviour_on_close(behaviour, say_who_left));
    keirin_app_t *app = keirin_app_new();
    must(keirin_app_route(app, "GET", "/", get_count, NULL, NULL));
    must(keirin_app_websocket(app, "/input", behaviour, NULL));
    keirin_behaviour_free(behaviour); /* The app has its own copy. */
    return app;
}

/* Returns false at the end of the input. This is no callback of keirin's, and need not be one. */
static bool take_input(keirin_loop_t *loop)
{
    char data[4096];
    ssize_t length = read(STDIN_FILENO, data, sizeof data);
    if (length <= 0)
        return false;
    input_bytes += (unsigned long long)length;
    /* As binary: what was read may end within a character. */
    keirin_loop_publish(loop, KEIRIN_LITERAL("input"), KEIRIN_BINARY, data, (size_t)length, NULL);
    return true;
}

int main(int argc, char **argv)
{
    sigset_t signals = block_signals(); /* They are read from a descriptor instead. */
    uint16_t port = 0;
    keirin_loop_t *loop = loop_with(new_app(), argc, argv, &port);
    struct pollfd watched[] = {
        {.fd = keirin_loop_fd(loop), .events = POLLIN},
        {.fd = signalfd(-1, &signals, SFD_CLOEXEC), .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN},
    };
    say_where(port);
    while (!keirin_loop_is_stopped(loop)) {
        /* Asked each time: what was done meanwhile may have brought the next deadline nearer. */
        int64_t timeout_ms = keirin_loop_next_timeout_ms(loop);
        if (poll(watched, 3, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms) < 0)
            continue; /* A signal that was not blocked. */
        if (watched[1].revents != 0) {
            struct signalfd_siginfo info;
            if (read(watched[1].fd, &info, sizeof info) == (ssize_t)sizeof info)
                keirin_loop_stop(loop, 10000);
        }
        if (watched[2].revents != 0 && !take_input(loop))
            watched[2].fd = -1; /* poll(2) passes over it. */
        /* It does not wait, and does nothing when there is nothing to do. */
        must(keirin_loop_turn(loop, 0));
    }
    close(watched[1].fd);
    must(keirin_loop_free(loop));
    return 0;
}
