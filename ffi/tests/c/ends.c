/* How servers end: what is still armed is destroyed, and its destructors may call back. */

#include "check.h"

static atomic_int timers_destroyed, refused;
static keirin_loop_t *loop_of_timer;

/* As a guard would that disarms what it has armed. */
static void cancels(void *user) {
    keirin_timer_t none = {0};
    (void)user;
    timers_destroyed++;
    refused += keirin_loop_cancel(loop_of_timer, none) == KEIRIN_ERR_REENTRANT;
    refused += keirin_loop_set_user(loop_of_timer, NULL, NULL) == KEIRIN_ERR_REENTRANT;
}

static void never(void *user, keirin_loop_t *loop) {
    (void)user, (void)loop;
    CHECK(!"a timer of an hour has come up");
}

static void stop(void *user, keirin_loop_t *loop) {
    (void)loop;
    CHECK(keirin_server_stop(user, 0) == KEIRIN_OK);
}

static void start(void *user, keirin_loop_t *loop) {
    loop_of_timer = loop;
    for (int i = 0; i < 3; i++) {
        CHECK(keirin_loop_after(loop, 3600 * 1000, never, NULL, cancels, NULL) == KEIRIN_OK);
    }
    keirin_server_t **server = user;
    CHECK(keirin_loop_after(loop, 1, stop, *server, NULL, NULL) == KEIRIN_OK);
}

static void timers_outlive_their_server(void) {
    keirin_server_t *server = NULL;
    keirin_app_t *app = keirin_app_new();
    CHECK(keirin_app_on_start(app, start, &server, NULL) == KEIRIN_OK);
    CHECK(keirin_server_new(app, NULL, &server) == KEIRIN_OK);
    keirin_app_free(app);
    CHECK(keirin_server_set_workers(server, 1) == KEIRIN_OK);
    CHECK(keirin_server_listen(server, "127.0.0.1:0", NULL) == KEIRIN_OK);
    CHECK(keirin_server_run(server) == KEIRIN_OK);
    CHECK(timers_destroyed == 3 && refused == 6);
    CHECK(keirin_server_run(server) == KEIRIN_ERR_BUSY);
    CHECK(keirin_server_free(server) == KEIRIN_OK);
}

/* The first destructor registers once more, which must not be lost. */
static int made, dropped;
static keirin_behaviour_t *behaviour;
static keirin_app_t *app_of_log;

static void log_nothing(void *user, keirin_level_t level, const uint8_t *message, size_t length,
                        const keirin_address_t *peer) {
    (void)user, (void)level, (void)message, (void)length, (void)peer;
}

static void once(void *user) {
    (void)user;
    dropped++;
}

static void again(void *user) {
    dropped++;
    made++;
    if (user == NULL) {
        CHECK(keirin_behaviour_set_user(behaviour, NULL, once) == KEIRIN_OK);
    } else {
        CHECK(keirin_app_on_log(app_of_log, log_nothing, NULL, once) == KEIRIN_OK);
    }
}

static void destructors_may_register(void) {
    behaviour = keirin_behaviour_new();
    app_of_log = keirin_app_new();
    made = 4;
    CHECK(keirin_behaviour_set_user(behaviour, NULL, again) == KEIRIN_OK);
    CHECK(keirin_behaviour_set_user(behaviour, NULL, once) == KEIRIN_OK);
    CHECK(keirin_app_on_log(app_of_log, log_nothing, app_of_log, again) == KEIRIN_OK);
    CHECK(keirin_app_on_log(app_of_log, log_nothing, NULL, once) == KEIRIN_OK);
    keirin_behaviour_free(behaviour);
    keirin_app_free(app_of_log);
    CHECK(made == 6 && dropped == made);
}

/* Names are of their own loop: those of another find nothing. */
static keirin_timer_t timer_of(keirin_app_t *app, keirin_loop_t **loop) {
    keirin_timer_t timer = {0};
    CHECK(keirin_loop_new(app, NULL, loop) == KEIRIN_OK);
    CHECK(keirin_loop_after(*loop, 3600 * 1000, never, NULL, NULL, &timer) == KEIRIN_OK);
    return timer;
}

static void names_of_another_loop_find_nothing(void) {
    keirin_app_t *app = keirin_app_new();
    keirin_loop_t *one = NULL, *other = NULL;
    keirin_timer_t timer_of_one = timer_of(app, &one), timer_of_other = timer_of(app, &other);
    keirin_app_free(app);
    CHECK(timer_of_one.id != timer_of_other.id);
    CHECK(keirin_loop_cancel(one, timer_of_other) == KEIRIN_ERR_NOT_FOUND);
    CHECK(keirin_loop_cancel(other, timer_of_one) == KEIRIN_ERR_NOT_FOUND);
    CHECK(keirin_loop_cancel(one, timer_of_one) == KEIRIN_OK);
    CHECK(keirin_loop_cancel(other, timer_of_other) == KEIRIN_OK);
    CHECK(keirin_loop_free(one) == KEIRIN_OK && keirin_loop_free(other) == KEIRIN_OK);
}

int main(void) {
    timers_outlive_their_server();
    destructors_may_register();
    names_of_another_loop_find_nothing();
    return 0;
}
