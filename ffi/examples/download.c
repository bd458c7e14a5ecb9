/*
 * A download that is made while it is sent: `GET /BYTES` answers that many bytes, byte `i` being
 * `i % 251`. However slow the reader and however large the number, next to nothing is in memory for
 * it: what the kernel does not take is made again when it does.
 */
#define _POSIX_C_SOURCE 200809L

#include "example.h"

#include <inttypes.h>

#define PERIOD 251
#define BLOCK_BYTES (PERIOD * 1024)

/* Shared by all workers, which only read it. It is longer than a block, to begin anywhere in it. */
static uint8_t pattern[BLOCK_BYTES + PERIOD];

typedef struct {
    uint64_t total;
} download_t;

/* Sends what the reader takes, and has itself called when it takes more. */
static void send_more(void *user, keirin_loop_t *loop, keirin_response_t response,
                      uint64_t written)
{
    const download_t *download = user;
    for (;;) {
        uint64_t left = download->total - written;
        size_t length = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        keirin_status_t status = keirin_response_try_end(
            loop, response, pattern + written % PERIOD, length, download->total);
        if (status == KEIRIN_BLOCKED) {
            /* No destructor here: the download belongs to the abort handler, for all the answer. */
            keirin_response_on_writable(loop, response, send_more, user, NULL);
            return;
        }
        if (status != KEIRIN_MORE)
            return; /* It is complete, or the peer has left: either way we are done. */
        written += length;
    }
}

static void left_early(void *user, keirin_loop_t *loop, keirin_response_t response)
{
    const download_t *download = user;
    (void)loop, (void)response;
    fprintf(stderr, "a reader has left before the end of %" PRIu64 " bytes\n", download->total);
}

static void get(void *user, keirin_loop_t *loop, keirin_response_t response,
                const keirin_request_t *request)
{
    (void)user;
    download_t *download = malloc(sizeof *download);
    if (download == NULL)
        return; /* A handler that returns without an answer has it answered 500. */
    /* Whatever becomes of the answer, `free` is called once, when that is known. */
    keirin_response_on_aborted(loop, response, left_early, download, free);

    keirin_bytes_t bytes = keirin_request_parameter(request, KEIRIN_LITERAL("bytes"));
    if (!number_of(bytes, &download->total)) {
        ANSWER(loop, response, 400, "the path is a number of bytes\n");
        return;
    }
    keirin_response_header(loop, response, KEIRIN_LITERAL("Content-Type"),
                           KEIRIN_LITERAL("application/octet-stream"));
    send_more(download, loop, response, 0);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i % PERIOD);
    keirin_app_t *app = keirin_app_new();
    must(keirin_app_route(app, "GET", "/:bytes", get, NULL, NULL));
    run_until_signal(listen_with(app, NULL, argc, argv));
    return 0;
}
