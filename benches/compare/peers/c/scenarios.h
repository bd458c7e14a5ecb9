/* What the peers in C answer, so that all do the same work for the same bytes. */

#ifndef SCENARIOS_H
#define SCENARIOS_H

#include <stddef.h>
#include <stdio.h>

#define MESSAGE_BYTES_MAX (16 << 20)
#define BACKPRESSURE_BYTES_MAX (64 << 20)
#define HELLO "Hello world!"
#define JSON_TYPE "application/json"
#define JSON_BYTES_MAX 1024

static char body_16k_bytes[16384];

static void fill_body(void) {
    for (size_t i = 0; i < sizeof body_16k_bytes; i++) {
        body_16k_bytes[i] = (char)('a' + i % 26);
    }
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

/* Writes at most JSON_BYTES_MAX bytes, and returns how many. */
static size_t compose_json(char *text) {
    size_t length = (size_t)sprintf(text, "{\"race\":%d,\"riders\":[", 4711);
    for (size_t i = 0; i < sizeof riders / sizeof *riders; i++) {
        length += (size_t)sprintf(text + length, "%s{\"number\":%d,\"name\":", i > 0 ? "," : "",
                                  riders[i].number);
        length += quote(text + length, riders[i].name);
        length += (size_t)sprintf(text + length, ",\"seconds\":%.3f}", riders[i].seconds);
    }
    return length + (size_t)sprintf(text + length, "]}");
}

#endif
