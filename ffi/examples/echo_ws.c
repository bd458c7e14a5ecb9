/*
 * Echoes every WebSocket message: `echo_ws PORT MODE`, where MODE says how messages are compressed:
 * off, shared, dedicated or brotli.
 */
#define _POSIX_C_SOURCE 200809L

#include "example.h"

#include <string.h>

/*
 * `data` is the engine's, and gone when this returns; sending copies what the peer does not take at
 * once. The kind that a message came as, text or binary, is the kind to send it as.
 */
static void echo(void *user, keirin_loop_t *loop, keirin_ws_t ws, keirin_message_kind_t kind,
                 const uint8_t *data, size_t length)
{
    (void)user;
    keirin_ws_send(loop, ws, kind, data, length);
}

/* False for a mode that there is not. */
static bool set_compression(keirin_behaviour_t *behaviour, const char *mode)
{
    if (strcmp(mode, "shared") == 0) {
        must(keirin_behaviour_set(behaviour, KEIRIN_WS_DEFLATE, 1));
    } else if (strcmp(mode, "dedicated") == 0) {
        must(keirin_behaviour_set(behaviour, KEIRIN_WS_DEFLATE_COMPRESSOR_WINDOW_BITS, 15));
        must(keirin_behaviour_set(behaviour, KEIRIN_WS_DEFLATE_DECOMPRESSOR_WINDOW_BITS, 15));
    } else if (strcmp(mode, "brotli") == 0) {
        must(keirin_behaviour_set(behaviour, KEIRIN_WS_BROTLI, 1));
    } else {
        return strcmp(mode, "off") == 0;
    }
    return true;
}

int main(int argc, char **argv)
{
    keirin_behaviour_t *behaviour = keirin_behaviour_new();
    if (!set_compression(behaviour, argc > 2 ? argv[2] : "off")) {
        fputs("MODE is off, shared, dedicated or brotli\n", stderr);
        keirin_behaviour_free(behaviour);
        return 2;
    }
    must(keirin_behaviour_set(behaviour, KEIRIN_WS_MESSAGE_BYTES_MAX, 16 << 20));
    must(keirin_behaviour_set(behaviour, KEIRIN_WS_BACKPRESSURE_BYTES_MAX, 64 << 20));
    must(keirin_behaviour_on_message(behaviour, echo));

    keirin_app_t *app = keirin_app_new();
    must(keirin_app_websocket(app, "/*", behaviour, NULL));
    keirin_behaviour_free(behaviour); /* The app has its own copy. */
    run_until_signal(listen_with(app, NULL, argc, argv));
    return 0;
}
