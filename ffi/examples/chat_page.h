/* The page of the chat: a file that is read once. */
#ifndef CHAT_PAGE_H
#define CHAT_PAGE_H

#include <keirin.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    char *data;
    size_t length;
} page_t;

/* Reads a file; its data is freed by the caller. Ends the program if it cannot. */
static inline page_t read_page(const char *path)
{
    FILE *file = fopen(path, "rb");
    page_t page = {NULL, 0};
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        page.length = (size_t)ftell(file);
        page.data = malloc(page.length);
        rewind(file);
    }
    if (page.data == NULL || fread(page.data, 1, page.length, file) != page.length) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return page;
}

/* The page has its script and its style in it; from elsewhere nothing may be loaded. */
#define CONTENT_SECURITY_POLICY                                                                    \
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "                  \
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "                     \
    "frame-ancestors 'none'"

/* `user` is the page: it is lent, and outlives the server. */
static void get_page(void *user, keirin_loop_t *loop, keirin_response_t response,
                     const keirin_request_t *request)
{
    (void)request;
    const page_t *page = user;
    keirin_response_header(loop, response, KEIRIN_LITERAL("Content-Type"),
                           KEIRIN_LITERAL("text/html; charset=utf-8"));
    keirin_response_header(loop, response, KEIRIN_LITERAL("Content-Security-Policy"),
                           KEIRIN_LITERAL(CONTENT_SECURITY_POLICY));
    keirin_response_header(loop, response, KEIRIN_LITERAL("X-Content-Type-Options"),
                           KEIRIN_LITERAL("nosniff"));
    keirin_response_end(loop, response, page->data, page->length);
}

#endif
