/*
 * The smallest server, with a worker for each core:
 *
 *     cc -std=c11 hello.c $(pkg-config --cflags --libs keirin) -o hello && ./hello 3000
 */
#define _POSIX_C_SOURCE 200809L

#include <keirin.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * A handler is called on the thread of the worker that has the connection. `response` is a plain
 * number that names the answer: there is nothing to free, and a call that comes too late is a
 * status, never a crash. So is what these two calls return when the peer has left; a handler that
 * has nothing else to do then need not look.
 */
static void hello(void *user, keirin_loop_t *loop, keirin_response_t response,
                  const keirin_request_t *request)
{
    (void)user, (void)request;
    keirin_response_header(loop, response, KEIRIN_LITERAL("Content-Type"),
                           KEIRIN_LITERAL("text/html; charset=utf-8"));
    keirin_response_end(loop, response, KEIRIN_LITERAL("Hello world!"));
}

/* What fails while the program is set up ends it: a port that is taken, say. */
static void must(keirin_status_t status)
{
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", keirin_status_text(status), keirin_last_error());
        exit(1);
    }
}

static sigset_t stop_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
}

/*
 * A stop is not for signal handlers, which may do almost nothing: a thread waits for the signal.
 * The server then answers what it has begun, for at most ten seconds.
 */
static void *stop_on_signal(void *server)
{
    sigset_t signals = stop_signals();
    int signal = 0;
    sigwait(&signals, &signal);
    keirin_server_stop(server, 10000);
    return NULL;
}

int main(int argc, char **argv)
{
    /* The signals are blocked before there is another thread: each inherits that. */
    sigset_t signals = stop_signals();
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    keirin_app_t *app = keirin_app_new();
    keirin_server_t *server = NULL;
    must(keirin_app_route(app, "GET", "/", hello, NULL, NULL));
    must(keirin_server_new(app, NULL, &server));
    keirin_app_free(app); /* The server keeps what it needs of it. */

    char address[64];
    uint16_t port = 0;
    snprintf(address, sizeof address, "127.0.0.1:%.20s", argc > 1 ? argv[1] : "3000");
    must(keirin_server_listen(server, address, &port));
    printf("listening on http://127.0.0.1:%u\n", (unsigned)port);
    fflush(stdout);

    pthread_t stopper;
    if (pthread_create(&stopper, NULL, stop_on_signal, server) != 0)
        return 1;
    keirin_status_t status = keirin_server_run(server);
    /* A server that ended by itself has left the thread waiting. */
    pthread_kill(stopper, SIGTERM);
    pthread_join(stopper, NULL);
    keirin_server_free(server);
    must(status);
    return 0;
}
