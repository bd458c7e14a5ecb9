/* What the programs here have in common: checks, counted registrations, and a client that never
 * blocks. */

#ifndef CHECK_H
#define CHECK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "keirin.h"

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

#define CHECK_STATUS(call, wanted)                                                         \
    do {                                                                                   \
        keirin_status_t status_ = (call);                                                  \
        if (status_ != (wanted)) {                                                         \
            fprintf(stderr, "%s:%d: %s is %d (%s), not %d\n", __FILE__, __LINE__, #call,   \
                    status_, keirin_status_text(status_), (wanted));                       \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static atomic_uint registered;
static atomic_uint destroyed;

/* Memory for a registration: what uses it after its destruction is found out by the sanitizer. */
static inline void *token(void) {
    registered++;
    return calloc(1, 64);
}

static inline void destroy(void *user) {
    destroyed++;
    free(user);
}

typedef struct {
    int fd;
    size_t length;
    bool is_ended;
    char bytes[1 << 16];
} client_t;

static inline client_t *client_new(uint16_t port) {
    client_t *client = calloc(1, sizeof *client);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    CHECK(client != NULL);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(client->fd >= 0);
    CHECK(connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0);
    return client;
}

/* Leaves with a reset. */
static inline void client_free(client_t *client) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    CHECK(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    close(client->fd);
    free(client);
}

/* A connection that has ended takes nothing. */
static inline void client_send(client_t *client, const void *bytes, size_t length) {
    ssize_t sent = send(client->fd, bytes, length, MSG_NOSIGNAL);
    CHECK(sent == (ssize_t)length || client->is_ended || errno == EPIPE || errno == ECONNRESET);
}

static inline void client_get(client_t *client, const char *path) {
    char text[256];
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    client_send(client, text, (size_t)length);
}

static inline void client_upgrade(client_t *client, const char *path) {
    char text[512];
    int length = snprintf(text, sizeof text,
                          "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                          "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                          path);
    client_send(client, text, (size_t)length);
}

/* A text message, masked with zeros. */
static inline void client_message(client_t *client, const char *text) {
    uint8_t frame[256] = {0x81};
    size_t length = strlen(text);
    CHECK(length < 126);
    frame[1] = (uint8_t)(0x80 | length);
    memcpy(frame + 6, text, length);
    client_send(client, frame, 6 + length);
}

static inline void client_poll(client_t *client) {
    while (!client->is_ended && client->length < sizeof client->bytes) {
        ssize_t got = recv(client->fd, client->bytes + client->length,
                           sizeof client->bytes - client->length, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            client->is_ended = true;
            return;
        }
        client->length += (size_t)got;
    }
}

/* How often something is in what was received. */
static inline unsigned client_count(const client_t *client, const char *needle) {
    unsigned count = 0;
    size_t length = strlen(needle);
    for (size_t at = 0; at + length <= client->length; at++) {
        count += memcmp(client->bytes + at, needle, length) == 0;
    }
    return count;
}

static inline void client_forget(client_t *client) { client->length = 0; }

/* Seconds on a clock, for limits of what never comes. */
static inline time_t seconds(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec;
}

/* Turns the loop until the client has received something. */
static inline void turn_until(keirin_loop_t *loop, client_t *client, const char *needle) {
    time_t limit = seconds() + 60;
    for (;;) {
        client_poll(client);
        if (client_count(client, needle) > 0) {
            return;
        }
        CHECK(!client->is_ended && seconds() < limit);
        CHECK_STATUS(keirin_loop_turn(loop, 1), KEIRIN_OK);
    }
}

#endif
