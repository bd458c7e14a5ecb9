/* Which rooms of the chat there are, and the numbers that each is told once a second. */
#ifndef CHAT_ROOMS_H
#define CHAT_ROOMS_H

#include "chat_text.h"

#include <keirin.h>
#include <pthread.h>
#include <stdatomic.h>

/* Rooms that are told their numbers; in more of them one can talk too. */
#define ROOMS_MAX 1024
#define ROOM "room/"
#define ROOM_BYTES_MAX (sizeof ROOM - 1 + WORD_BYTES_MAX)

static atomic_int said; /* Since the numbers were last told. */

/* Workers are threads, so this is locked; an empty name is free. */
static pthread_mutex_t rooms_lock = PTHREAD_MUTEX_INITIALIZER;
static char rooms[ROOMS_MAX][ROOM_BYTES_MAX + 1];

static void enter_room(keirin_loop_t *loop, keirin_ws_t ws, const char *room)
{
    keirin_ws_subscribe(loop, ws, KEIRIN_LITERAL("all"));
    keirin_ws_subscribe(loop, ws, room, strlen(room));
    pthread_mutex_lock(&rooms_lock);
    char *vacant = NULL;
    size_t i = 0;
    for (; i < ROOMS_MAX && strcmp(rooms[i], room) != 0; i++)
        if (vacant == NULL && rooms[i][0] == '\0')
            vacant = rooms[i];
    if (i == ROOMS_MAX && vacant != NULL)
        strcpy(vacant, room);
    pthread_mutex_unlock(&rooms_lock);
}

/* On one worker: what it counts, and whom it publishes to, is on all of them. */
static void tell_numbers(void *user, keirin_loop_t *loop)
{
    size_t all = 0, here = 0;
    int rate = atomic_exchange(&said, 0);
    keirin_loop_subscribers(loop, KEIRIN_LITERAL("all"), &all);
    pthread_mutex_lock(&rooms_lock); /* It may be held: no call to the library calls us back. */
    for (size_t i = 0; i < ROOMS_MAX; i++) {
        size_t length = strlen(rooms[i]);
        if (length == 0)
            continue;
        char news[128];
        keirin_loop_subscribers(loop, rooms[i], length, &here);
        int size = snprintf(news, sizeof news, NUMBERS, here, all, rate);
        keirin_loop_publish(loop, rooms[i], length, KEIRIN_TEXT, news, (size_t)size, NULL);
        if (here == 0)
            rooms[i][0] = '\0';
    }
    pthread_mutex_unlock(&rooms_lock);
    keirin_loop_after(loop, 1000, tell_numbers, user, NULL, NULL);
}

static void start_numbers(void *user, keirin_loop_t *loop)
{
    if (keirin_loop_worker(loop) == 0)
        tell_numbers(user, loop);
}

#endif
