/*
 * keirin in a program whose loop is libuv's: `cc -std=c11 libuv.c $(pkg-config --cflags --libs
 * keirin libuv)`. A timer of libuv's ticks ten times a second, and `GET /next` is answered at the
 * next tick: from outside of any callback of keirin's.
 */
#define _GNU_SOURCE /* uv.h needs more than POSIX. */

#include "example.h"

#include <uv.h>

#define WAITING_MAX 1024

static keirin_loop_t *service;
static uv_timer_t timeout;
static keirin_response_t waiting[WAITING_MAX];
static size_t waiting_count;

/*
 * Names are values, so nobody has to say when a peer has left: its answer is refused, and that is
 * all. A program that works for each of them would want keirin_response_on_aborted().
 */
static void get_next(void *user, keirin_loop_t *loop, keirin_response_t response,
                     const keirin_request_t *request)
{
    (void)user, (void)request;
    if (waiting_count == WAITING_MAX)
        return; /* A handler that returns without an answer has it answered 500. */
    waiting[waiting_count++] = response;
    keirin_response_detach(loop, response);
}

static void tick(uv_timer_t *timer)
{
    (void)timer;
    static unsigned ticks;
    char text[32];
    int length = snprintf(text, sizeof text, "tick %u\n", ++ticks);
    while (waiting_count > 0)
        keirin_response_end(service, waiting[--waiting_count], text, (size_t)length);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events;
    must(keirin_loop_turn(service, 0));
}

static void on_timeout(uv_timer_t *timer)
{
    (void)timer;
    must(keirin_loop_turn(service, 0));
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)signal, (void)number;
    keirin_loop_stop(service, 10000);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    uv_close(handle, NULL);
}

/*
 * Called each time before libuv waits. What was done since the last time, in a turn or from
 * outside, may have brought keirin's next deadline nearer, so it is asked for here and nowhere
 * else.
 */
static void before_wait(uv_prepare_t *prepare)
{
    int64_t timeout_ms = keirin_loop_next_timeout_ms(service);
    if (keirin_loop_is_stopped(service)) {
        uv_walk(prepare->loop, close_handle, NULL); /* uv_run() returns then. */
    } else if (timeout_ms < 0) {
        uv_timer_stop(&timeout);
    } else {
        uv_update_time(prepare->loop);
        uv_timer_start(&timeout, on_timeout, (uint64_t)timeout_ms, 0);
    }
}

int main(int argc, char **argv)
{
    keirin_app_t *app = keirin_app_new();
    must(keirin_app_route(app, "GET", "/next", get_next, NULL, NULL));
    uint16_t port = 0;
    service = loop_with(app, argc, argv, &port);

    uv_loop_t *loop = uv_default_loop();
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_timer_t ticker;
    uv_signal_t interrupt, terminate;
    uv_poll_init(loop, &poll, keirin_loop_fd(service));
    uv_poll_start(&poll, UV_READABLE, on_readable);
    uv_timer_init(loop, &timeout);
    uv_prepare_init(loop, &prepare);
    uv_prepare_start(&prepare, before_wait);
    uv_timer_init(loop, &ticker);
    uv_timer_start(&ticker, tick, 100, 100);
    uv_signal_init(loop, &interrupt);
    uv_signal_start(&interrupt, on_signal, SIGINT);
    uv_signal_init(loop, &terminate);
    uv_signal_start(&terminate, on_signal, SIGTERM);
    say_where(port);
    uv_run(loop, UV_RUN_DEFAULT);

    must(keirin_loop_free(service)); /* Behind uv_close(): the descriptor was its. */
    uv_loop_close(loop);
    return 0;
}
