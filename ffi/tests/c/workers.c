/* A server with several workers, and four threads that use ways into it all the time: before it
 * runs, while it starts, runs and stops, and when it is gone. */

#include <pthread.h>
#include <sched.h>

#include "check.h"

#define THREADS 4
#define WORKERS 3
#define SOCKETS 12
#define NAMES 64

/* Names that handlers hand out to the threads. */
typedef struct {
    pthread_mutex_t lock;
    keirin_ws_t ws[NAMES];
    keirin_response_t response[NAMES];
    unsigned ws_count;
    unsigned response_count;
} names_t;

static names_t names = {.lock = PTHREAD_MUTEX_INITIALIZER};
static keirin_server_t *server;
static keirin_sockets_t sockets;
static atomic_uint opened, closed, tasks, starts;
static atomic_uint carried_out[THREADS];
static atomic_bool has_ended, is_freed;

static void on_start(void *user, keirin_loop_t *loop) {
    CHECK(user != NULL && keirin_loop_worker(loop) < WORKERS);
    CHECK_STATUS(keirin_loop_set_user(loop, token(), destroy), KEIRIN_OK);
    starts++;
}

static void on_log(void *user, keirin_level_t level, const uint8_t *message, size_t length,
                   const keirin_address_t *peer) {
    (void)user, (void)peer;
    CHECK(level >= KEIRIN_INFO && message != NULL && length > 0);
}

static void hold(void *user, keirin_loop_t *loop, keirin_response_t response,
                 const keirin_request_t *request) {
    (void)user, (void)request;
    CHECK(keirin_response_worker(response) == keirin_loop_worker(loop));
    CHECK_STATUS(keirin_response_detach(loop, response), KEIRIN_OK);
    pthread_mutex_lock(&names.lock);
    names.response[names.response_count++ % NAMES] = response;
    pthread_mutex_unlock(&names.lock);
}

static void forget(void *user, keirin_loop_t *loop, keirin_response_t response,
                   const keirin_request_t *request) {
    (void)user, (void)loop, (void)response, (void)request;
}

static void open_socket(void *user, keirin_loop_t *loop, keirin_response_t response,
                        const keirin_request_t *request) {
    keirin_handshake_t *handshake = NULL;
    (void)user;
    CHECK_STATUS(keirin_request_handshake(request, &handshake), KEIRIN_OK);
    keirin_status_t status = keirin_response_upgrade(loop, response, sockets, handshake, token(),
                                                     destroy, NULL);
    CHECK(status == KEIRIN_OK || status == KEIRIN_ERR_ALREADY_ENDED);
}

static void on_open(void *user, keirin_loop_t *loop, keirin_ws_t ws) {
    (void)user;
    CHECK(keirin_ws_worker(ws) == keirin_loop_worker(loop));
    CHECK_STATUS(keirin_ws_subscribe(loop, ws, BYTES("news")), KEIRIN_OK);
    CHECK_STATUS(keirin_ws_send(loop, ws, KEIRIN_TEXT, BYTES("welcome")), KEIRIN_OK);
    pthread_mutex_lock(&names.lock);
    names.ws[names.ws_count++ % NAMES] = ws;
    pthread_mutex_unlock(&names.lock);
    opened++;
}

static void on_close(void *user, keirin_loop_t *loop, keirin_ws_t ws, keirin_close_cause_t cause,
                     uint16_t code, const uint8_t *reason, size_t length) {
    (void)user, (void)cause, (void)code, (void)reason, (void)length;
    CHECK(keirin_ws_user(loop, ws) != NULL);
    closed++;
}

/* On a worker's thread: calls from there for its own loop, and for the whole server. */
static void task(void *user, keirin_loop_t *loop) {
    uint64_t count = 0;
    CHECK(user != NULL && keirin_loop_user(loop) != NULL);
    CHECK_STATUS(keirin_loop_count(loop, KEIRIN_COUNT_REQUESTS, &count), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_publish(loop, BYTES("news"), KEIRIN_TEXT, BYTES("of a task"), NULL),
                 KEIRIN_OK);
    CHECK_STATUS(keirin_loop_free(loop), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_loop_run(loop), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_server_free(server), KEIRIN_ERR_BUSY);
    tasks++;
}

static keirin_ws_t any_socket(unsigned at) {
    keirin_ws_t ws = {0};
    pthread_mutex_lock(&names.lock);
    if (names.ws_count > 0) {
        ws = names.ws[at % (names.ws_count < NAMES ? names.ws_count : NAMES)];
    }
    pthread_mutex_unlock(&names.lock);
    return ws;
}

static keirin_response_t any_response(unsigned at) {
    keirin_response_t response = {0};
    pthread_mutex_lock(&names.lock);
    if (names.response_count > 0) {
        response = names.response[at % (names.response_count < NAMES ? names.response_count
                                                                     : NAMES)];
    }
    pthread_mutex_unlock(&names.lock);
    return response;
}

static bool is_possible(keirin_status_t status) {
    return status == KEIRIN_OK || status == KEIRIN_ERR_STOPPED || status == KEIRIN_ERR_FULL;
}

/* Every call that a way in offers, one after the other. Whether the deferred one was taken. */
static bool use(const keirin_remote_t *remote, unsigned round) {
    keirin_published_t published = {0};
    keirin_ws_t ws = any_socket(round * 7);
    keirin_status_t deferred =
        keirin_remote_defer(remote, round % (WORKERS + 1), task, token(), destroy);
    CHECK(is_possible(deferred));
    CHECK_STATUS(keirin_remote_publish(remote, BYTES("news"), KEIRIN_TEXT, BYTES("to all"),
                                       &published),
                 KEIRIN_OK);
    CHECK(is_possible(keirin_remote_ws_send(remote, ws, KEIRIN_TEXT, BYTES("to one"))));
    CHECK(is_possible(keirin_remote_response_end(remote, any_response(round), BYTES("afar"))));
    if (round % 64 == 5) {
        CHECK(is_possible(keirin_remote_ws_end(remote, ws, 1000, BYTES("bye"))));
    }
    if (round % 64 == 9) {
        CHECK(is_possible(keirin_remote_ws_close(remote, ws)));
    }
    CHECK_STATUS(keirin_remote_ws_send(remote, ws, KEIRIN_TEXT, (const uint8_t *)"\xff", 1),
                 KEIRIN_ERR_UTF8);
    CHECK_STATUS(keirin_remote_defer(NULL, 0, task, token(), destroy), KEIRIN_ERR_NULL);
    return deferred == KEIRIN_OK;
}

typedef struct {
    unsigned index;
    keirin_remote_t *remote;
} thread_t;

static void *use_all_the_time(void *argument) {
    thread_t *thread = argument;
    keirin_remote_t *remote = thread->remote;
    for (unsigned round = 0; !has_ended; round++) {
        carried_out[thread->index] += use(remote, round);
        if (round % 16 == 0) {
            keirin_remote_t *clone = NULL;
            CHECK_STATUS(keirin_remote_clone(remote, &clone), KEIRIN_OK);
            keirin_remote_free(remote);
            remote = clone;
        }
        sched_yield();
    }
    /* The workers are gone, the server is not yet, and then it is. */
    for (unsigned round = 0; round < WORKERS + 1; round++) {
        CHECK(!use(remote, round));
    }
    while (!is_freed) {
        sched_yield();
    }
    for (unsigned round = 0; round < WORKERS + 1; round++) {
        CHECK(!use(remote, round));
        CHECK_STATUS(keirin_remote_defer(remote, round, task, token(), destroy),
                     KEIRIN_ERR_STOPPED);
    }
    CHECK_STATUS(keirin_remote_stop(remote, 0), KEIRIN_OK);
    keirin_remote_free(remote);
    return NULL;
}

static void *run(void *argument) {
    CHECK_STATUS(keirin_server_run(argument), KEIRIN_OK);
    return NULL;
}

static uint16_t make_server(void) {
    keirin_app_t *app = keirin_app_new();
    keirin_config_t *config = keirin_config_new();
    keirin_behaviour_t *behaviour = keirin_behaviour_new();
    uint16_t port = 0;
    CHECK_STATUS(keirin_behaviour_set_user(behaviour, token(), destroy), KEIRIN_OK);
    keirin_behaviour_on_open(behaviour, on_open);
    keirin_behaviour_on_close(behaviour, on_close);
    CHECK_STATUS(keirin_app_behaviour(app, behaviour, &sockets), KEIRIN_OK);
    CHECK_STATUS(keirin_app_route(app, "GET", "/hold", hold, token(), destroy), KEIRIN_OK);
    CHECK_STATUS(keirin_app_route(app, "GET", "/forget", forget, token(), destroy), KEIRIN_OK);
    CHECK_STATUS(keirin_app_route(app, "GET", "/ws", open_socket, token(), destroy), KEIRIN_OK);
    CHECK_STATUS(keirin_app_on_start(app, on_start, token(), destroy), KEIRIN_OK);
    CHECK_STATUS(keirin_app_on_log(app, on_log, token(), destroy), KEIRIN_OK);
    CHECK_STATUS(keirin_config_set(config, KEIRIN_INBOX_CAPACITY, 64), KEIRIN_OK);
    CHECK_STATUS(keirin_server_new(app, config, &server), KEIRIN_OK);
    CHECK_STATUS(keirin_server_set_workers(server, WORKERS), KEIRIN_OK);
    CHECK_STATUS(keirin_server_listen(server, "127.0.0.1:0", &port), KEIRIN_OK);
    keirin_behaviour_free(behaviour);
    keirin_config_free(config);
    keirin_app_free(app);
    return port;
}

/* Waits until the server has sent something. */
static void wait_for(client_t *client, const char *needle) {
    time_t limit = seconds() + 60;
    while (client_count(client, needle) == 0 && !client->is_ended) {
        client_poll(client);
        /* What it is told without end must not be in the way of what it waits for. */
        if (client->length == sizeof client->bytes) {
            client_forget(client);
        }
        CHECK(seconds() < limit);
        sched_yield();
    }
}

/* Clients of every kind, until each thread has been listened to. */
static void load(uint16_t port) {
    client_t *clients[SOCKETS];
    time_t limit = seconds() + 120;
    for (int at = 0; at < SOCKETS; at++) {
        clients[at] = client_new(port);
        client_upgrade(clients[at], "/ws");
        wait_for(clients[at], "101 Switching");
    }
    for (int round = 0; round < 20; round++) {
        client_t *client = client_new(port);
        client_get(client, round % 4 == 0 ? "/forget" : "/hold");
        wait_for(client, round % 4 == 0 ? "HTTP/1.1 500" : "afar");
        client_free(client);
    }
    for (unsigned at = 0; at < THREADS; at++) {
        while (carried_out[at] < 50) {
            CHECK(seconds() < limit);
            sched_yield();
        }
    }
    for (int at = 0; at < SOCKETS / 2; at++) {
        client_free(clients[at]);
    }
    CHECK_STATUS(keirin_server_stop(server, 50), KEIRIN_OK);
    CHECK_STATUS(keirin_server_stop(server, 0), KEIRIN_OK);
    for (int at = SOCKETS / 2; at < SOCKETS; at++) {
        client_free(clients[at]);
    }
}

static void run_server(void) {
    thread_t threads[THREADS];
    pthread_t ids[THREADS], runner;
    uint64_t count = 0;
    uint16_t port = make_server();
    for (unsigned at = 0; at < THREADS; at++) {
        threads[at].index = at;
        CHECK_STATUS(keirin_server_remote(server, &threads[at].remote), KEIRIN_OK);
        CHECK(!use(threads[at].remote, 0));
        CHECK(pthread_create(&ids[at], NULL, use_all_the_time, &threads[at]) == 0);
    }
    CHECK(pthread_create(&runner, NULL, run, server) == 0);
    load(port);
    CHECK(pthread_join(runner, NULL) == 0);
    has_ended = true;
    CHECK_STATUS(keirin_server_run(server), KEIRIN_ERR_BUSY);
    CHECK_STATUS(keirin_server_count(server, KEIRIN_COUNT_PANICS, &count), KEIRIN_OK);
    CHECK(count == 0);
    CHECK_STATUS(keirin_server_count(server, KEIRIN_COUNT_SOCKETS_OPEN, &count), KEIRIN_OK);
    CHECK(count == 0 && opened == closed && starts == WORKERS && tasks > 0);
    CHECK_STATUS(keirin_server_free(server), KEIRIN_OK);
    is_freed = true;
    for (unsigned at = 0; at < THREADS; at++) {
        CHECK(pthread_join(ids[at], NULL) == 0);
    }
}

/* A loop on a thread of its own, whose ways in live longer. */
static void *run_loop(void *argument) {
    keirin_remote_t **remote = argument;
    keirin_app_t *app = keirin_app_new();
    keirin_loop_t *loop = NULL;
    CHECK_STATUS(keirin_loop_new(app, NULL, &loop), KEIRIN_OK);
    keirin_app_free(app);
    CHECK_STATUS(keirin_loop_remote(loop, remote), KEIRIN_OK);
    /* Asked for before it runs. */
    CHECK_STATUS(keirin_remote_stop(*remote, 0), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_run(loop), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_free(loop), KEIRIN_OK);
    return NULL;
}

/* A loop that is used on another thread than its own. */
static void *use_wrong_thread(void *argument) {
    keirin_loop_t *loop = argument;
    keirin_ws_t ws = {0};
    CHECK_STATUS(keirin_loop_turn(loop, 0), KEIRIN_ERR_WRONG_THREAD);
    CHECK_STATUS(keirin_loop_free(loop), KEIRIN_ERR_WRONG_THREAD);
    CHECK_STATUS(keirin_loop_defer(loop, task, token(), destroy), KEIRIN_ERR_WRONG_THREAD);
    CHECK_STATUS(keirin_loop_set_user(loop, token(), destroy), KEIRIN_ERR_WRONG_THREAD);
    CHECK_STATUS(keirin_ws_set_user(loop, ws, token(), destroy), KEIRIN_ERR_WRONG_THREAD);
    CHECK(keirin_loop_user(loop) == NULL && keirin_loop_fd(loop) == -1);
    return NULL;
}

static void run_loops(void) {
    keirin_remote_t *remote = NULL;
    pthread_t id;
    CHECK(pthread_create(&id, NULL, run_loop, &remote) == 0);
    CHECK(pthread_join(id, NULL) == 0);
    CHECK(!use(remote, 0));
    keirin_remote_free(remote);

    keirin_app_t *app = keirin_app_new();
    keirin_loop_t *loop = NULL;
    CHECK_STATUS(keirin_loop_new(app, NULL, &loop), KEIRIN_OK);
    keirin_app_free(app);
    CHECK(pthread_create(&id, NULL, use_wrong_thread, loop) == 0);
    CHECK(pthread_join(id, NULL) == 0);
    CHECK_STATUS(keirin_loop_free(loop), KEIRIN_OK);
}

int main(void) {
    run_server();
    run_loops();
    CHECK(registered == destroyed);
    return 0;
}
