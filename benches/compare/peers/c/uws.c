/* uWebSockets in C++, through the C interface of libsocketify, which the package of that name on
 * PyPI carries. Its declarations are part of the package too: the build makes uws.h of them.
 *
 * usage: uws PORT MODE, with MODE one of http, off, shared, pubsub */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "uws.h"

#include "scenarios.h"

#define TEXT_AND_LENGTH(text) (text), sizeof(text) - 1

static bool compress;

static void hello(uws_res_t *res, uws_req_t *req, void *user) {
    (void)req, (void)user;
    uws_res_end(0, res, TEXT_AND_LENGTH(HELLO), false);
}

static void body_16k(uws_res_t *res, uws_req_t *req, void *user) {
    (void)req, (void)user;
    uws_res_end(0, res, body_16k_bytes, sizeof body_16k_bytes, false);
}

static void json(uws_res_t *res, uws_req_t *req, void *user) {
    (void)req, (void)user;
    char text[JSON_BYTES_MAX];
    size_t length = compose_json(text);
    uws_res_write_header(0, res, TEXT_AND_LENGTH("Content-Type"), TEXT_AND_LENGTH(JSON_TYPE));
    uws_res_end(0, res, text, length, false);
}

static void uploaded(uws_res_t *res, const char *chunk, size_t length, bool last, void *user) {
    size_t *received = user;
    (void)chunk;
    *received += length;
    if (last) {
        char text[32];
        int digits = snprintf(text, sizeof text, "%zu", *received);
        uws_res_end(0, res, text, (size_t)digits, false);
        free(received);
    }
}

static void aborted(uws_res_t *res, void *received) {
    (void)res;
    free(received);
}

static void upload(uws_res_t *res, uws_req_t *req, void *user) {
    (void)req, (void)user;
    size_t *received = calloc(1, sizeof *received);
    uws_res_on_aborted(0, res, aborted, received);
    uws_res_on_data(0, res, uploaded, received);
}

static void echo(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode,
                 void *user) {
    (void)user;
    uws_ws_send_with_options(0, ws, message, length, opcode, compress, true);
}

static void subscribe(uws_websocket_t *ws, void *user) {
    (void)user;
    uws_ws_subscribe(0, ws, TEXT_AND_LENGTH("t"));
}

static void publish(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode,
                    void *user) {
    (void)user;
    uws_ws_publish_with_options(0, ws, TEXT_AND_LENGTH("t"), message, length, opcode, false);
}

static void listening(struct us_listen_socket_t *socket, uws_app_listen_config_t config,
                      void *user) {
    (void)config, (void)user;
    if (socket == NULL) {
        exit(1);
    }
}

static void add_sockets(uws_app_t *app, const char *mode) {
    uws_socket_behavior_t behaviour = {
        .compression = compress ? SHARED_COMPRESSOR | SHARED_DECOMPRESSOR : DISABLED,
        .maxPayloadLength = MESSAGE_BYTES_MAX,
        .maxBackpressure = BACKPRESSURE_BYTES_MAX,
        .idleTimeout = 120,
        .sendPingsAutomatically = true,
        .message = echo,
    };
    if (strcmp(mode, "pubsub") == 0) {
        behaviour.open = subscribe;
        behaviour.message = publish;
    }
    uws_ws(0, app, "/*", behaviour, NULL);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT MODE\n", argv[0]);
        return 2;
    }
    compress = strcmp(argv[2], "shared") == 0;
    struct us_socket_context_options_t options = {0};
    uws_app_t *app = uws_create_app(0, options);
    if (strcmp(argv[2], "http") == 0) {
        fill_body();
        uws_app_get(0, app, "/", hello, NULL);
        uws_app_get(0, app, "/16k", body_16k, NULL);
        uws_app_get(0, app, "/json", json, NULL);
        uws_app_post(0, app, "/upload", upload, NULL);
    } else {
        add_sockets(app, argv[2]);
    }
    uws_app_listen_config_t config = {.port = atoi(argv[1]), .host = "127.0.0.1"};
    uws_app_listen_with_config(0, app, config, listening, NULL);
    uws_app_run(0, app);
}
