/*
 * Checks what is posted to it while it arrives: `POST /` answers how many bytes there were, and
 * their CRC-32, the one of gzip and zip. `curl --data-binary @FILE http://127.0.0.1:3000/`
 *
 * However large the body and however fast the peer, one piece is in memory: each upload is taken
 * at a pace of at most 64 KiB per millisecond, and what comes sooner waits in the kernel, which
 * has the peer wait.
 */
#define _POSIX_C_SOURCE 200809L

#include "example.h"

#include <inttypes.h>

#define PACE_BYTES_PER_MS (64 * 1024)

static uint32_t crc_table[256];

typedef struct {
    uint64_t bytes;
    uint32_t crc;
    size_t unpaced; /* Taken since the last break. */
} upload_t;

static void fill_crc_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
        crc_table[i] = crc;
    }
}

/* A name that is stale by now, since the peer has left, is refused, and that is all. */
static void resume(void *user, keirin_loop_t *loop)
{
    const keirin_response_t *response = user;
    keirin_response_resume(loop, *response);
}

/*
 * Has the peer wait. The timer may outlive the upload, so it gets a copy of the name, and not a
 * pointer to the upload.
 */
static void take_a_break(keirin_loop_t *loop, keirin_response_t response, uint64_t ms)
{
    keirin_response_t *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return; /* Then it goes on at once. */
    *copy = response;
    keirin_response_pause(loop, response);
    if (keirin_loop_after(loop, ms, resume, copy, free, NULL) != KEIRIN_OK)
        keirin_response_resume(loop, response);
}

static void piece(void *user, keirin_loop_t *loop, keirin_response_t response, const uint8_t *data,
                  size_t length, bool last)
{
    upload_t *upload = user;
    for (size_t i = 0; i < length; i++)
        upload->crc = (upload->crc >> 8) ^ crc_table[(upload->crc ^ data[i]) & 0xFF];
    upload->bytes += length;
    upload->unpaced += length;
    if (last) {
        char text[64];
        int size = snprintf(text, sizeof text, "%" PRIu64 " bytes, CRC-32 %08" PRIx32 "\n",
                            upload->bytes, ~upload->crc);
        keirin_response_end(loop, response, text, (size_t)size);
    } else if (upload->unpaced >= PACE_BYTES_PER_MS) {
        take_a_break(loop, response, upload->unpaced / PACE_BYTES_PER_MS);
        upload->unpaced %= PACE_BYTES_PER_MS;
    }
}

static void post(void *user, keirin_loop_t *loop, keirin_response_t response,
                 const keirin_request_t *request)
{
    (void)user, (void)request;
    upload_t *upload = calloc(1, sizeof *upload);
    if (upload == NULL)
        return; /* A handler that returns without an answer has it answered 500. */
    upload->crc = UINT32_MAX;
    /* The body's reader owns it: `free` is called once, when the answer is complete or aborted. */
    keirin_response_stream_body(loop, response, piece, upload, free);
}

int main(int argc, char **argv)
{
    fill_crc_table();
    keirin_app_t *app = keirin_app_new();
    must(keirin_app_route(app, "POST", "/", post, NULL, NULL));
    run_until_signal(listen_with(app, NULL, argc, argv));
    return 0;
}
