/* What the chat reads and writes: words, lines, and JSON. */
#ifndef CHAT_TEXT_H
#define CHAT_TEXT_H

#include <keirin.h>
#include <stdio.h>
#include <string.h>

#define WORD_CHARS_MAX 24
#define TEXT_CHARS_MAX 500
/* A character of UTF-8 has four bytes at most. */
#define WORD_BYTES_MAX (4 * WORD_CHARS_MAX)
/* Room for a name, a text, each with a backslash before every byte, and what is around them. */
#define NEWS_BYTES_MAX (8 * (WORD_CHARS_MAX + TEXT_CHARS_MAX) + 64)

#define NUMBERS "{\"kind\":\"numbers\",\"here\":%zu,\"all\":%zu,\"rate\":%d}"

/* Whether text, which is valid UTF-8, is one line of so many characters, and not blank. */
static inline bool is_line(const void *text, size_t length, size_t chars_max)
{
    const unsigned char *bytes = text;
    size_t chars = 0, blanks = 0;
    for (size_t i = 0; i < length; i++) {
        bool is_c1 = bytes[i] == 0xC2 && bytes[i + 1] < 0xA0; /* U+0080 to U+009F */
        if (bytes[i] < ' ' || bytes[i] == 0x7F || is_c1)
            return false;
        chars += (bytes[i] & 0xC0) != 0x80; /* Continuation bytes begin no character. */
        blanks += bytes[i] == ' ';
    }
    return chars <= chars_max && blanks < length;
}

/* Writes text between quotes; only these two have to be escaped where no control character is. */
static inline char *write_string(char *out, const char *text, size_t length)
{
    *out++ = '"';
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            *out++ = '\\';
        *out++ = text[i];
    }
    *out++ = '"';
    return out;
}

/* Writes what has happened, and returns its length. `out` has NEWS_BYTES_MAX bytes. */
static inline size_t write_news(char *out, const char *kind, const char *name, const void *text,
                                size_t length)
{
    char *end = out + sprintf(out, "{\"kind\":\"%s\",\"name\":", kind);
    end = write_string(end, name, strlen(name));
    end += sprintf(end, ",\"text\":");
    end = write_string(end, text, length);
    *end++ = '}';
    return (size_t)(end - out);
}

/* Reads a word from a query into zeros, of which the last stays. False for what is no such word. */
static inline bool read_word(const keirin_request_t *request, const char *key, char *word)
{
    size_t length = 0;
    return keirin_request_query_parameter(request, key, strlen(key), word, WORD_BYTES_MAX,
                                          &length) == KEIRIN_OK &&
           is_line(word, length, WORD_CHARS_MAX);
}

#endif
