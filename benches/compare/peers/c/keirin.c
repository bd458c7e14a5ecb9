/* The scenarios of the harness through keirin's C interface, as a C program would write them: what
 * it costs over src/server.rs, which does the same in Rust, is what the interface costs.
 *
 * usage: keirin-c PORT MODE, with MODE one of http, off, shared, dedicated, pubsub */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keirin.h"
#include "scenarios.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static void hello(void *user, keirin_loop_t *loop, keirin_response_t response,
                  const keirin_request_t *request) {
    (void)user, (void)request;
    keirin_response_end(loop, response, BYTES(HELLO));
}

static void body_16k(void *user, keirin_loop_t *loop, keirin_response_t response,
                     const keirin_request_t *request) {
    (void)user, (void)request;
    keirin_response_end(loop, response, (const uint8_t *)body_16k_bytes, sizeof body_16k_bytes);
}

static void json(void *user, keirin_loop_t *loop, keirin_response_t response,
                 const keirin_request_t *request) {
    (void)user, (void)request;
    char text[JSON_BYTES_MAX];
    size_t length = compose_json(text);
    keirin_response_header(loop, response, BYTES("Content-Type"), BYTES(JSON_TYPE));
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
    fill_body();
    return keirin_app_route(app, "GET", "/", hello, NULL, NULL) |
           keirin_app_route(app, "GET", "/16k", body_16k, NULL, NULL) |
           keirin_app_route(app, "GET", "/json", json, NULL, NULL) |
           keirin_app_route(app, "POST", "/upload", upload, NULL, NULL);
}

static int add_sockets(keirin_app_t *app, const char *mode) {
    keirin_behaviour_t *behaviour = keirin_behaviour_new();
    int status = keirin_behaviour_set(behaviour, KEIRIN_WS_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX) |
                 keirin_behaviour_set(behaviour, KEIRIN_WS_BACKPRESSURE_BYTES_MAX, BACKPRESSURE_BYTES_MAX);
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
