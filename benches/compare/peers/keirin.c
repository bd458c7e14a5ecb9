/* The scenarios of the harness through keirin's C interface, as a C program would write them: what
 * it costs over src/server.rs, which does the same in Rust, is what the interface costs.
 *
 * usage: keirin-c PORT MODE, with MODE one of http, off, shared, dedicated, pubsub */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keirin.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static uint8_t body[16384];

static void hello(void *user, keirin_loop_t *loop, keirin_response_t response,
                  const keirin_request_t *request) {
    (void)user, (void)request;
    keirin_response_end(loop, response, BYTES("Hello world!"));
}

static void body_16k(void *user, keirin_loop_t *loop, keirin_response_t response,
                     const keirin_request_t *request) {
    (void)user, (void)request;
    keirin_response_end(loop, response, body, sizeof body);
}

/* A string of JSON: only the quotes of a nickname need escaping here. */
static size_t quote(char *to, const char *from) {
    char *start = to;
    *to++ = '"';
    for (; *from != '\0'; from++) {
        if (*from == '"' || *from == '\\') {
            *to++ = '\\';
        }
        *to++ = *from;
    }
    *to++ = '"';
    return (size_t)(to - start);
}

static const struct {
    int number;
    const char *name;
    double seconds;
} riders[] = {
    {1, "Aiko Tanaka", 10.912},
    {2, "Marit de Vries", 11.034},
    {3, "Jules \"le Vite\" Martin", 11.108},
    {4, "Ines Ferreira", 11.275},
    {5, "Tom Okafor", 11.301},
};

static void json(void *user, keirin_loop_t *loop, keirin_response_t response,
                 const keirin_request_t *request) {
    (void)user, (void)request;
    char text[1024];
    size_t length = (size_t)sprintf(text, "{\"race\":%d,\"riders\":[", 4711);
    for (size_t i = 0; i < sizeof riders / sizeof *riders; i++) {
        length += (size_t)sprintf(text + length, "%s{\"number\":%d,\"name\":", i > 0 ? "," : "",
                                  riders[i].number);
        length += quote(text + length, riders[i].name);
        length += (size_t)sprintf(text + length, ",\"seconds\":%.3f}", riders[i].seconds);
    }
    length += (size_t)sprintf(text + length, "]}");
    keirin_response_header(loop, response, BYTES("Content-Type"), BYTES("application/json"));
    keirin_response_end(loop, response, (const uint8_t *)text, length);
}

static void uploaded(void *user, keirin_loop_t *loop, keirin_response_t response,
                     const uint8_t *data, size_t length, bool last) {
    size_t *received = user;
    (void)data;
    *received += length;
    if (last) {
        char text[32];
        int digits = snprintf(text, sizeof text, "%zu", *received);
        keirin_response_end(loop, response, (const uint8_t *)text, (size_t)digits);
    }
}

static void upload(void *user, keirin_loop_t *loop, keirin_response_t response,
                   const keirin_request_t *request) {
    (void)user, (void)request;
    keirin_response_stream_body(loop, response, uploaded, calloc(1, sizeof(size_t)), free);
}

static void echo(void *user, keirin_loop_t *loop, keirin_ws_t ws, keirin_message_kind_t kind,
                 const uint8_t *data, size_t length) {
    (void)user;
    keirin_ws_send(loop, ws, kind, data, length);
}

static void subscribe(void *user, keirin_loop_t *loop, keirin_ws_t ws) {
    (void)user;
    keirin_ws_subscribe(loop, ws, BYTES("t"));
}

static void publish(void *user, keirin_loop_t *loop, keirin_ws_t ws, keirin_message_kind_t kind,
                    const uint8_t *data, size_t length) {
    (void)user;
    keirin_ws_publish(loop, ws, BYTES("t"), kind, data, length, NULL);
}

static int add_routes(keirin_app_t *app) {
    for (size_t i = 0; i < sizeof body; i++) {
        body[i] = (uint8_t)('a' + i % 26);
    }
    return keirin_app_route(app, "GET", "/", hello, NULL, NULL) |
           keirin_app_route(app, "GET", "/16k", body_16k, NULL, NULL) |
           keirin_app_route(app, "GET", "/json", json, NULL, NULL) |
           keirin_app_route(app, "POST", "/upload", upload, NULL, NULL);
}

static int add_sockets(keirin_app_t *app, const char *mode) {
    keirin_behaviour_t *behaviour = keirin_behaviour_new();
    int status = keirin_behaviour_set(behaviour, KEIRIN_WS_MESSAGE_BYTES_MAX, 16 << 20) |
                 keirin_behaviour_set(behaviour, KEIRIN_WS_BACKPRESSURE_BYTES_MAX, 64 << 20);
    if (strcmp(mode, "shared") == 0) {
        status |= keirin_behaviour_set(behaviour, KEIRIN_WS_DEFLATE, 1);
    } else if (strcmp(mode, "dedicated") == 0) {
        status |= keirin_behaviour_set(behaviour, KEIRIN_WS_DEFLATE_COMPRESSOR_WINDOW_BITS, 15) |
                  keirin_behaviour_set(behaviour, KEIRIN_WS_DEFLATE_DECOMPRESSOR_WINDOW_BITS, 15);
    }
    if (strcmp(mode, "pubsub") == 0) {
        status |= keirin_behaviour_on_open(behaviour, subscribe) |
                  keirin_behaviour_on_message(behaviour, publish);
    } else {
        status |= keirin_behaviour_on_message(behaviour, echo);
    }
    status |= keirin_app_websocket(app, "/", behaviour, NULL);
    keirin_behaviour_free(behaviour);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT MODE\n", argv[0]);
        return 2;
    }
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    keirin_app_t *app = keirin_app_new();
    keirin_server_t *server = NULL;
    int status = strcmp(argv[2], "http") == 0 ? add_routes(app) : add_sockets(app, argv[2]);
    if (status != KEIRIN_OK || keirin_server_new(app, NULL, &server) != KEIRIN_OK ||
        keirin_server_set_workers(server, 1) != KEIRIN_OK ||
        keirin_server_listen(server, address, NULL) != KEIRIN_OK) {
        fprintf(stderr, "%s\n", keirin_last_error());
        return 1;
    }
    keirin_app_free(app);
    return keirin_server_run(server) != KEIRIN_OK;
}
