/*
 * What the examples do around their server: a port from the command line, a line that says where
 * they listen, and a graceful stop on SIGTERM and SIGINT. hello.c has all of it in one file.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <keirin.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* What fails while the program is set up ends it. */
static inline void must(keirin_status_t status)
{
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", keirin_status_text(status), keirin_last_error());
        exit(1);
    }
}

/*
 * Blocks the signals that are waited for instead. Threads inherit this from the one that starts
 * them, so it has to come before any other is started.
 */
static inline sigset_t block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signals;
}

/* The address to listen on: the port is the first argument, and 3000 without one. */
static inline const char *address_of(int argc, char **argv)
{
    static char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%.20s", argc > 1 ? argv[1] : "3000");
    return address;
}

/* From here on the program can be stopped. Whoever reads this through a pipe wants it now. */
static inline void say_where(uint16_t port)
{
    printf("listening on http://127.0.0.1:%u\n", (unsigned)port);
    fflush(stdout);
}

/*
 * Makes a server of the app, which is freed: the server keeps what it needs of it. It is to be
 * called before there are threads, and to be followed by run_until_signal().
 */
static inline keirin_server_t *listen_with(keirin_app_t *app, const keirin_config_t *config,
                                           int argc, char **argv)
{
    keirin_server_t *server = NULL;
    uint16_t port = 0;
    block_signals();
    must(keirin_server_new(app, config, &server));
    keirin_app_free(app);
    must(keirin_server_listen(server, address_of(argc, argv), &port));
    say_where(port);
    return server;
}

/* Makes a loop of the app, for a program that drives it by itself, on this thread. */
static inline keirin_loop_t *loop_with(keirin_app_t *app, int argc, char **argv, uint16_t *port)
{
    keirin_loop_t *loop = NULL;
    must(keirin_loop_new(app, NULL, &loop));
    keirin_app_free(app);
    must(keirin_loop_listen(loop, address_of(argc, argv), port));
    return loop;
}

static inline void *stop_on_signal(void *server)
{
    sigset_t signals = block_signals();
    int signal = 0;
    sigwait(&signals, &signal);
    keirin_server_stop(server, 10000);
    return NULL;
}

/* Runs the server to its end, and frees it. */
static inline void run_until_signal(keirin_server_t *server)
{
    pthread_t stopper;
    must(pthread_create(&stopper, NULL, stop_on_signal, server) == 0 ? KEIRIN_OK : KEIRIN_ERR_IO);
    keirin_status_t status = keirin_server_run(server);
    /* A server that ended by itself has left the thread waiting. */
    pthread_kill(stopper, SIGTERM);
    pthread_join(stopper, NULL);
    keirin_server_free(server);
    must(status);
}

/* Reads a decimal number that is not followed by a NUL. False if it is anything else. */
static inline bool number_of(keirin_bytes_t text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || *number > UINT64_MAX / 10 - 1)
            return false;
        *number = *number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.length > 0;
}

/* Answers with a status and a sentence, which is a literal. */
#define ANSWER(loop, response, status, text)                                                       \
    (keirin_response_status(loop, response, status),                                               \
     keirin_response_end(loop, response, KEIRIN_LITERAL(text)))

#endif
