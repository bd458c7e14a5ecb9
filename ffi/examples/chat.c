/*
 * A chat in the browser: `chat PORT [PAGE]`, where PAGE is a path to examples/chat.html; then
 * open the printed address. A room is a topic: what is said reaches everybody in it, whatever
 * worker they are on.
 */
#define _POSIX_C_SOURCE 200809L

#include "chat_page.h"
#include "chat_rooms.h"
#include "chat_text.h"
#include "example.h"

#ifndef CHAT_PAGE
#define CHAT_PAGE "examples/chat.html"
#endif

/* It belongs to the socket, and is freed behind its close handler. */
typedef struct {
    char name[WORD_BYTES_MAX + 1];
    char room[ROOM_BYTES_MAX + 1];
} person_t;

static keirin_sockets_t people;

static void tell_others(keirin_loop_t *loop, keirin_ws_t ws, const char *kind, const void *text,
                        size_t length)
{
    const person_t *person = keirin_ws_user(loop, ws);
    char news[NEWS_BYTES_MAX];
    size_t size = write_news(news, kind, person->name, text, length);
    keirin_ws_publish(loop, ws, person->room, strlen(person->room), KEIRIN_TEXT, news, size, NULL);
}

static void enter(void *user, keirin_loop_t *loop, keirin_ws_t ws)
{
    (void)user;
    const person_t *person = keirin_ws_user(loop, ws);
    enter_room(loop, ws, person->room);
    tell_others(loop, ws, "joined", "", 0);
}

static void say(void *user, keirin_loop_t *loop, keirin_ws_t ws, keirin_message_kind_t kind,
                const uint8_t *data, size_t length)
{
    (void)user;
    const person_t *person = keirin_ws_user(loop, ws);
    if (kind == KEIRIN_TEXT && is_line(data, length, TEXT_CHARS_MAX)) {
        char news[NEWS_BYTES_MAX];
        size_t size = write_news(news, "sent", person->name, data, length);
        atomic_fetch_add(&said, 1);
        tell_others(loop, ws, "said", data, length);
        keirin_ws_send(loop, ws, KEIRIN_TEXT, news, size);
    } else {
        keirin_ws_end(loop, ws, 1008,
                      KEIRIN_LITERAL("a message is one line of at most 500 characters"));
    }
}

/* Nothing can be sent to the socket any more, but it can still tell others. */
static void leave(void *user, keirin_loop_t *loop, keirin_ws_t ws, keirin_close_cause_t cause,
                  uint16_t code, const uint8_t *reason, size_t length)
{
    (void)user, (void)cause, (void)code, (void)reason, (void)length;
    tell_others(loop, ws, "left", "", 0);
}

static void get_chat(void *user, keirin_loop_t *loop, keirin_response_t response,
                     const keirin_request_t *request)
{
    (void)user;
    keirin_handshake_t *handshake = NULL;
    person_t *person = calloc(1, sizeof *person);
    if (keirin_request_handshake(request, &handshake) != KEIRIN_OK) {
        keirin_response_refuse_upgrade(loop, response, request);
    } else if (keirin_handshake_check_origin(handshake, NULL, 0) != KEIRIN_OK) {
        ANSWER(loop, response, 403, "");
    } else if (person == NULL || !read_word(request, "name", person->name) ||
               !read_word(request, "room", strcpy(person->room, ROOM) + strlen(ROOM))) {
        ANSWER(loop, response, 400, "");
    } else {
        /* It takes both: the handshake, and the person for the socket, whatever the outcome. */
        keirin_response_upgrade(loop, response, people, handshake, person, free, NULL);
        return;
    }
    keirin_handshake_free(handshake);
    free(person);
}

int main(int argc, char **argv)
{
    page_t page = read_page(argc > 2 ? argv[2] : CHAT_PAGE);
    keirin_behaviour_t *behaviour = keirin_behaviour_new();
    must(keirin_behaviour_on_open(behaviour, enter));
    must(keirin_behaviour_on_message(behaviour, say));
    must(keirin_behaviour_on_close(behaviour, leave));
    keirin_app_t *app = keirin_app_new();
    must(keirin_app_on_start(app, start_numbers, NULL, NULL));
    must(keirin_app_behaviour(app, behaviour, &people));
    keirin_behaviour_free(behaviour); /* The app has its own copy. */
    must(keirin_app_route(app, "GET", "/", get_page, &page, NULL));
    must(keirin_app_route(app, "GET", "/chat", get_chat, NULL, NULL));

    /* Pages come back by themselves: 1012 tells them to, and not all at once. */
    keirin_config_t *config = keirin_config_new();
    must(keirin_config_set(config, KEIRIN_STOP_CLOSE_CODE, 1012));
    must(keirin_config_set(config, KEIRIN_STOP_SPREAD_MS, 2000));
    keirin_server_t *server = listen_with(app, config, argc, argv);
    keirin_config_free(config);
    run_until_signal(server);
    free(page.data);
    return 0;
}
