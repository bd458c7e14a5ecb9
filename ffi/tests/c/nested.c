/* Calls from within callbacks, and from within the destructors that those run: an answer that is
 * ended twice, stale ids, sends to itself and others, closing, upgrading, publishing, user data that
 * is replaced; a loop that is turned, freed or stopped from within; two loops on one thread. */

#include "check.h"

typedef struct {
    keirin_loop_t *loop;
    keirin_loop_t *other_loop;
    keirin_sockets_t sockets;
    keirin_response_t earlier;
    keirin_response_t late;
    keirin_handshake_t *handshake;
    keirin_ws_t ws[8];
    unsigned opened;
    unsigned closed;
    unsigned tasks;
    unsigned aborted;
    unsigned called_back;
} program_t;

static program_t program;

static void count_task(void *user, keirin_loop_t *loop) {
    (void)user;
    CHECK(loop == program.loop);
    program.tasks++;
}

static void count_aborted(void *user, keirin_loop_t *loop, keirin_response_t response) {
    CHECK(user != NULL);
    CHECK_STATUS(keirin_response_end(loop, response, BYTES("no")), KEIRIN_ERR_STALE);
    program.aborted++;
}

/* What must be refused within any callback. */
static void misuse_loop(keirin_loop_t *loop) {
    uint16_t port = 0;
    CHECK_STATUS(keirin_loop_free(loop), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_loop_turn(loop, 0), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_loop_turn(loop, -1), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_loop_run(loop), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_loop_listen(loop, "127.0.0.1:0", &port), KEIRIN_ERR_REENTRANT);
    CHECK(keirin_loop_fd(loop) == -1 && keirin_loop_next_timeout_ms(loop) == 0);
    CHECK(!keirin_loop_is_stopped(loop));
}

/* What must be refused for an answer that is complete. */
static void misuse_ended(keirin_loop_t *loop, keirin_response_t response) {
    size_t queued = 7;
    CHECK_STATUS(keirin_response_end(loop, response, BYTES("twice")), KEIRIN_ERR_ALREADY_ENDED);
    CHECK_STATUS(keirin_response_write(loop, response, BYTES("x")), KEIRIN_ERR_ALREADY_ENDED);
    CHECK_STATUS(keirin_response_status(loop, response, 404), KEIRIN_ERR_ALREADY_ENDED);
    CHECK_STATUS(keirin_response_detach(loop, response), KEIRIN_ERR_ALREADY_ENDED);
    CHECK_STATUS(keirin_response_queued(loop, response, &queued), KEIRIN_ERR_ALREADY_ENDED);
    CHECK(queued == 7);
    CHECK_STATUS(keirin_response_on_aborted(loop, response, count_aborted, token(), destroy),
                 KEIRIN_ERR_ALREADY_ENDED);
}

static void twice(void *user, keirin_loop_t *loop, keirin_response_t response,
                  const keirin_request_t *request) {
    keirin_timer_t timer = {0};
    keirin_bytes_t path = keirin_request_path(request);
    CHECK(user != NULL && path.length == 6 && memcmp(path.data, "/twice", 6) == 0);
    CHECK_STATUS(keirin_response_end(loop, program.earlier, BYTES("late")), KEIRIN_ERR_STALE);
    CHECK_STATUS(keirin_response_on_aborted(loop, response, count_aborted, token(), destroy),
                 KEIRIN_OK);
    CHECK_STATUS(keirin_response_end(loop, response, BYTES("once")), KEIRIN_OK);
    misuse_ended(loop, response);
    misuse_loop(loop);
    CHECK_STATUS(keirin_loop_defer(loop, count_task, token(), destroy), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_defer(loop, NULL, token(), destroy), KEIRIN_ERR_NULL);
    CHECK_STATUS(keirin_loop_after(loop, 1 << 20, count_task, token(), destroy, &timer),
                 KEIRIN_OK);
    CHECK_STATUS(keirin_loop_cancel(loop, timer), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_cancel(loop, timer), KEIRIN_ERR_NOT_FOUND);
    CHECK_STATUS(keirin_loop_set_user(loop, token(), destroy), KEIRIN_OK);
    program.earlier = response;
}

/* Answers late, with an upgrade. */
static void upgrade_late(void *user, keirin_loop_t *loop) {
    (void)user;
    CHECK_STATUS(keirin_response_upgrade(loop, program.late, program.sockets, program.handshake,
                                         token(), destroy, NULL),
                 KEIRIN_OK);
    CHECK_STATUS(keirin_response_end(loop, program.late, BYTES("no")), KEIRIN_ERR_ALREADY_ENDED);
}

static void late(void *user, keirin_loop_t *loop, keirin_response_t response,
                 const keirin_request_t *request) {
    (void)user;
    program.late = response;
    CHECK_STATUS(keirin_request_handshake(request, &program.handshake), KEIRIN_OK);
    CHECK_STATUS(keirin_response_on_aborted(loop, response, count_aborted, token(), destroy),
                 KEIRIN_OK);
    CHECK_STATUS(keirin_response_detach(loop, response), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_defer(loop, upgrade_late, token(), destroy), KEIRIN_OK);
}

static void hold(void *user, keirin_loop_t *loop, keirin_response_t response,
                 const keirin_request_t *request) {
    (void)user, (void)request;
    CHECK_STATUS(keirin_response_on_aborted(loop, response, count_aborted, token(), destroy),
                 KEIRIN_OK);
    CHECK_STATUS(keirin_response_on_aborted(loop, response, count_aborted, token(), destroy),
                 KEIRIN_OK);
    CHECK_STATUS(keirin_response_detach(loop, response), KEIRIN_OK);
    CHECK_STATUS(keirin_response_write(loop, response, BYTES("begun")), KEIRIN_OK);
}

static void destroy_and_call(void *user);

/* Memory whose destructor calls back: `depth` times it replaces itself. */
typedef struct {
    keirin_ws_t ws;
    unsigned depth;
} caller_t;

static caller_t *caller(keirin_ws_t ws, unsigned depth) {
    caller_t *made = token();
    made->ws = ws;
    made->depth = depth;
    return made;
}

static void destroy_and_call(void *user) {
    caller_t *caller_of = user;
    keirin_ws_t ws = caller_of->ws;
    unsigned depth = caller_of->depth;
    destroy(user);
    program.called_back++;
    misuse_loop(program.loop);
    CHECK_STATUS(keirin_ws_send(program.loop, ws, KEIRIN_TEXT, BYTES("destroyed")), KEIRIN_OK);
    if (depth > 0) {
        CHECK_STATUS(keirin_ws_set_user(program.loop, ws, caller(ws, depth - 1),
                                        destroy_and_call),
                     KEIRIN_OK);
        /* That has taken the place of what was about to be kept, and is destroyed for good. */
        CHECK_STATUS(keirin_ws_set_user(program.loop, ws, token(), destroy), KEIRIN_OK);
    }
}

static void on_open(void *user, keirin_loop_t *loop, keirin_ws_t ws) {
    CHECK(user != NULL && program.opened < 8);
    program.ws[program.opened++] = ws;
    CHECK_STATUS(keirin_ws_subscribe(loop, ws, BYTES("all")), KEIRIN_OK);
    CHECK_STATUS(keirin_ws_send(loop, ws, KEIRIN_TEXT, BYTES("welcome")), KEIRIN_OK);
}

static void on_topic(void *user, const uint8_t *topic, size_t length, bool is_pattern) {
    keirin_ws_t ws = *(keirin_ws_t *)user;
    CHECK(length > 0 && topic != NULL && !is_pattern);
    CHECK_STATUS(keirin_ws_unsubscribe(program.loop, ws, topic, length), KEIRIN_OK);
    CHECK_STATUS(keirin_ws_subscribe(program.loop, ws, BYTES("other")), KEIRIN_OK);
}

/* A callback of the other loop's, within one of the first. */
static void in_other_loop(void *user, keirin_loop_t *loop) {
    (void)user;
    CHECK(loop == program.other_loop);
    CHECK_STATUS(keirin_loop_free(loop), KEIRIN_ERR_REENTRANT);
    misuse_loop(program.loop);
    CHECK_STATUS(keirin_ws_send(program.loop, program.ws[0], KEIRIN_TEXT, BYTES("from afar")),
                 KEIRIN_OK);
    CHECK_STATUS(keirin_ws_send(loop, program.ws[0], KEIRIN_TEXT, BYTES("x")),
                 KEIRIN_ERR_STALE);
}

/* Turns, misuses and frees another loop from within a callback of the first. */
static void use_other_loop(keirin_loop_t *loop) {
    keirin_app_t *app = keirin_app_new();
    keirin_loop_t *made = NULL;
    keirin_remote_t *remote = NULL;
    CHECK_STATUS(keirin_loop_new(app, NULL, &made), KEIRIN_OK);
    keirin_app_free(app);
    CHECK_STATUS(keirin_loop_set_user(made, token(), destroy), KEIRIN_OK);
    program.other_loop = made;
    CHECK_STATUS(keirin_loop_remote(made, &remote), KEIRIN_OK);
    CHECK_STATUS(keirin_remote_defer(remote, 0, in_other_loop, token(), destroy), KEIRIN_OK);
    CHECK_STATUS(keirin_remote_defer(remote, 0, NULL, token(), destroy), KEIRIN_ERR_NULL);
    CHECK_STATUS(keirin_remote_defer(remote, 1, in_other_loop, token(), destroy),
                 KEIRIN_ERR_STOPPED);
    CHECK_STATUS(keirin_loop_turn(made, 0), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_free(loop), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_loop_free(made), KEIRIN_OK);
    CHECK_STATUS(keirin_remote_defer(remote, 0, in_other_loop, token(), destroy),
                 KEIRIN_ERR_STOPPED);
    keirin_remote_free(remote);
}

static void on_message(void *user, keirin_loop_t *loop, keirin_ws_t ws,
                       keirin_message_kind_t kind, const uint8_t *data, size_t length) {
    keirin_published_t published = {0};
    keirin_ws_t nobody = {0};
    CHECK(user != NULL && kind == KEIRIN_TEXT && length == 1);
    misuse_loop(loop);
    CHECK_STATUS(keirin_ws_send(loop, nobody, KEIRIN_TEXT, BYTES("x")), KEIRIN_ERR_STALE);
    switch (data[0]) {
    case 's': /* to itself and another */
        CHECK_STATUS(keirin_ws_send(loop, ws, KEIRIN_TEXT, BYTES("itself")), KEIRIN_OK);
        CHECK_STATUS(keirin_ws_send(loop, program.ws[1], KEIRIN_TEXT, BYTES("other")), KEIRIN_OK);
        break;
    case 'p': /* to all, and from the socket to all others */
        CHECK_STATUS(keirin_loop_publish(loop, BYTES("all"), KEIRIN_TEXT, BYTES("to all"),
                                         &published),
                     KEIRIN_OK);
        CHECK(published.matched == 2 && published.dropped == 0);
        CHECK_STATUS(keirin_ws_publish(loop, ws, BYTES("all"), KEIRIN_TEXT, BYTES("to others"),
                                       NULL),
                     KEIRIN_OK);
        break;
    case 'u': /* user data of both, with destructors that call back */
        CHECK_STATUS(keirin_ws_set_user(loop, ws, caller(ws, 3), destroy_and_call), KEIRIN_OK);
        CHECK_STATUS(keirin_ws_set_user(loop, ws, token(), destroy), KEIRIN_OK);
        CHECK_STATUS(keirin_ws_set_user(loop, program.ws[1], caller(program.ws[1], 3),
                                        destroy_and_call),
                     KEIRIN_OK);
        CHECK_STATUS(keirin_ws_set_user(loop, program.ws[1], token(), destroy), KEIRIN_OK);
        CHECK_STATUS(keirin_ws_set_user(loop, nobody, token(), destroy), KEIRIN_ERR_STALE);
        CHECK_STATUS(keirin_ws_send(loop, ws, KEIRIN_TEXT, BYTES("replaced")), KEIRIN_OK);
        break;
    case 't':
        CHECK_STATUS(keirin_ws_topics(loop, ws, on_topic, &ws), KEIRIN_OK);
        CHECK_STATUS(keirin_ws_send(loop, ws, KEIRIN_TEXT, BYTES("topics")), KEIRIN_OK);
        break;
    case 'l':
        use_other_loop(loop);
        CHECK_STATUS(keirin_ws_send(loop, ws, KEIRIN_TEXT, BYTES("freed")), KEIRIN_OK);
        break;
    case 'c': /* closes the other, and then itself */
        CHECK_STATUS(keirin_ws_close(loop, program.ws[1]), KEIRIN_OK);
        CHECK_STATUS(keirin_ws_send(loop, program.ws[1], KEIRIN_TEXT, BYTES("x")),
                     KEIRIN_ERR_STALE);
        CHECK(program.closed == 0);
        CHECK_STATUS(keirin_ws_end(loop, ws, 1000, BYTES("bye")), KEIRIN_OK);
        CHECK_STATUS(keirin_ws_end(loop, ws, 1000, BYTES("bye")), KEIRIN_ERR_STALE);
        CHECK_STATUS(keirin_ws_close(loop, ws), KEIRIN_ERR_STALE);
        break;
    default:
        CHECK(false);
    }
}

static void on_subscription(void *user, keirin_loop_t *loop, keirin_ws_t ws,
                            const keirin_subscription_t *change) {
    (void)user, (void)ws;
    CHECK(change->topic.length > 0);
    misuse_loop(loop);
}

static void on_close(void *user, keirin_loop_t *loop, keirin_ws_t ws, keirin_close_cause_t cause,
                     uint16_t code, const uint8_t *reason, size_t length) {
    (void)user, (void)code, (void)reason, (void)length;
    CHECK(cause >= KEIRIN_CLOSED_BY_PEER && cause <= KEIRIN_CLOSED_OTHER);
    CHECK(keirin_ws_user(loop, ws) != NULL);
    CHECK_STATUS(keirin_ws_send(loop, ws, KEIRIN_TEXT, BYTES("x")), KEIRIN_ERR_STALE);
    CHECK_STATUS(keirin_ws_close(loop, ws), KEIRIN_ERR_STALE);
    CHECK_STATUS(keirin_ws_set_user(loop, ws, token(), destroy), KEIRIN_OK);
    misuse_loop(loop);
    program.closed++;
}

static void stop(void *user, keirin_loop_t *loop, keirin_response_t response,
                 const keirin_request_t *request) {
    (void)user, (void)request;
    CHECK_STATUS(keirin_loop_stop(loop, 0), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_stop(loop, 0), KEIRIN_OK);
    misuse_loop(loop);
    CHECK_STATUS(keirin_response_end(loop, response, BYTES("stopping")), KEIRIN_OK);
}

/* Destroys what is kept for the loop, when it is freed. */
static void destroy_with_loop(void *user) {
    destroy(user);
    CHECK(keirin_loop_user(program.loop) == NULL);
    CHECK_STATUS(keirin_loop_free(program.loop), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_loop_set_user(program.loop, token(), destroy), KEIRIN_ERR_REENTRANT);
    CHECK_STATUS(keirin_loop_defer(program.loop, count_task, token(), destroy),
                 KEIRIN_ERR_REENTRANT);
}

static void add_route(keirin_app_t *app, const char *pattern, keirin_request_fn handler) {
    CHECK_STATUS(keirin_app_route(app, "GET", pattern, handler, token(), destroy), KEIRIN_OK);
}

static uint16_t start(void) {
    keirin_app_t *app = keirin_app_new();
    keirin_config_t *config = keirin_config_new();
    keirin_behaviour_t *behaviour = keirin_behaviour_new();
    uint16_t port = 0;
    add_route(app, "/twice", twice);
    add_route(app, "/late", late);
    add_route(app, "/hold", hold);
    add_route(app, "/stop", stop);
    CHECK_STATUS(keirin_app_route(app, "GET", "no slash", twice, token(), destroy),
                 KEIRIN_ERR_ROUTE);
    CHECK_STATUS(keirin_app_route(NULL, "GET", "/", twice, token(), destroy), KEIRIN_ERR_NULL);
    CHECK_STATUS(keirin_app_route(app, "GET", "/", NULL, token(), destroy), KEIRIN_ERR_NULL);
    CHECK_STATUS(keirin_behaviour_set_user(behaviour, token(), destroy), KEIRIN_OK);
    CHECK_STATUS(keirin_behaviour_set_user(behaviour, token(), destroy), KEIRIN_OK);
    keirin_behaviour_on_open(behaviour, on_open);
    keirin_behaviour_on_message(behaviour, on_message);
    keirin_behaviour_on_subscription(behaviour, on_subscription);
    keirin_behaviour_on_close(behaviour, on_close);
    CHECK_STATUS(keirin_app_behaviour(app, behaviour, &program.sockets), KEIRIN_OK);
    CHECK_STATUS(keirin_config_set(config, KEIRIN_LINGER_TIMEOUT_MS, 60000), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_new(app, config, &program.loop), KEIRIN_OK);
    keirin_behaviour_free(behaviour);
    keirin_config_free(config);
    keirin_app_free(app);
    CHECK_STATUS(keirin_loop_listen(program.loop, "127.0.0.1:0", &port), KEIRIN_OK);
    return port;
}

static void answers(uint16_t port) {
    client_t *client = client_new(port);
    for (int round = 0; round < 3; round++) {
        client_get(client, "/twice");
        turn_until(program.loop, client, "\r\n\r\nonce");
        CHECK(client_count(client, "HTTP/1.1 200 OK") == 1);
        CHECK(client_count(client, "twice") == 0 && client_count(client, "late") == 0);
        client_forget(client);
    }
    CHECK(program.tasks == 3 && program.aborted == 0);
    client_get(client, "/hold");
    turn_until(program.loop, client, "begun");
    client_free(client);
    time_t limit = seconds() + 60;
    while (program.aborted < 2) {
        CHECK_STATUS(keirin_loop_turn(program.loop, 1), KEIRIN_OK);
        CHECK(seconds() < limit);
    }
    CHECK(program.aborted == 2);
}

static void sockets(uint16_t port) {
    client_t *client[2];
    for (int at = 0; at < 2; at++) {
        client[at] = client_new(port);
        client_upgrade(client[at], "/late");
        turn_until(program.loop, client[at], "welcome");
    }
    client_message(client[0], "s");
    turn_until(program.loop, client[0], "itself");
    turn_until(program.loop, client[1], "other");
    client_message(client[0], "p");
    turn_until(program.loop, client[1], "to others");
    turn_until(program.loop, client[0], "to all");
    CHECK(client_count(client[0], "to others") == 0 && client_count(client[1], "to all") == 1);
    client_message(client[0], "u");
    turn_until(program.loop, client[0], "replaced");
    CHECK(client_count(client[0], "destroyed") == 4 && program.called_back == 8);
    client_message(client[0], "t");
    turn_until(program.loop, client[0], "topics");
    client_message(client[0], "l");
    turn_until(program.loop, client[0], "freed");
    CHECK(client_count(client[0], "from afar") == 1);
    client_message(client[0], "c");
    turn_until(program.loop, client[0], "bye");
    CHECK(program.opened == 2 && program.closed == 2);
    client_free(client[0]);
    client_free(client[1]);
}

int main(void) {
    uint16_t port = start();
    answers(port);
    sockets(port);
    client_t *client = client_new(port);
    client_get(client, "/stop");
    client_t *idle = client_new(port);
    CHECK_STATUS(keirin_loop_set_user(program.loop, token(), destroy_with_loop), KEIRIN_OK);
    CHECK_STATUS(keirin_loop_run(program.loop), KEIRIN_OK);
    client_poll(client);
    CHECK(client_count(client, "stopping") == 1 && keirin_loop_is_stopped(program.loop));
    CHECK_STATUS(keirin_loop_free(program.loop), KEIRIN_OK);
    client_free(client);
    client_free(idle);
    CHECK(registered == destroyed && registered > 60);
    return 0;
}
