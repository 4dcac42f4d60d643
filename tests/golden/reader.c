/* Lines, words and numbers of a text file. The whole file is read first, so that a line may have
 * any length and its words can stay where they are. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

bool reader_fail(Reader *reader, const char *format, ...) {
    if (reader->message[0] != '\0') return false;
    int used = 0;
    if (reader->line > 0)
        used = snprintf(reader->message, MESSAGE_SIZE, "line %zu: ", reader->line);
    va_list args;
    va_start(args, format);
    vsnprintf(reader->message + used, MESSAGE_SIZE - (size_t)used, format, args);
    va_end(args);
    return false;
}

/* Words are C strings, so there can be no zero byte among them. */
static bool check_text(Reader *reader) {
    const char *zero = memchr(reader->text, '\0', reader->size);
    if (!zero) return true;
    for (const char *c = reader->text; c < zero; c++)
        reader->line += *c == '\n';
    reader->line++;
    return reader_fail(reader, "a zero byte: this is not text");
}

bool reader_open(Reader *reader, Store *store, const char *path, char *message) {
    *reader = (Reader){.store = store, .message = message};
    message[0] = '\0';
    FILE *file = fopen(path, "rb");
    if (!file) return reader_fail(reader, "cannot be opened: %s", strerror(errno));
    size_t room = 1 << 16;
    reader->text = store_alloc(store, room, 1);
    for (;;) {
        /* One byte stays free for the end of the last word. */
        reader->size += fread(reader->text + reader->size, 1, room - 1 - reader->size, file);
        if (reader->size < room - 1) break;
        char *larger = store_alloc(store, 2 * room, 1);
        memcpy(larger, reader->text, reader->size);
        reader->text = larger;
        room *= 2;
    }
    bool good = !ferror(file);
    fclose(file);
    return good ? check_text(reader) : reader_fail(reader, "cannot be read: %s", strerror(errno));
}

bool reader_open_text(Reader *reader, Store *store, const char *text, size_t size, char *message) {
    *reader = (Reader){.store = store, .message = message, .size = size};
    message[0] = '\0';
    reader->text = store_alloc(store, size + 1, 1);
    if (size > 0) memcpy(reader->text, text, size);
    return check_text(reader);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

bool reader_line(Reader *reader) {
    reader->words = 0;
    while (reader->words == 0 && reader->at < reader->size) {
        char *c = reader->text + reader->at, *stop = reader->text + reader->size;
        char *end = memchr(c, '\n', (size_t)(stop - c));
        if (!end) end = stop;
        reader->at = (size_t)(end - reader->text) + 1;
        reader->line++;
        while (c < end && is_space(*c))
            c++;
        bool comment = c < end && *c == '#';
        while (c < end && !comment) {
            /* A new array for every line: records keep pointers into it. */
            char **words = reader->words ? reader->word : NULL;
            reader->word = store_grow(reader->store, words, reader->words, sizeof(char *));
            reader->word[reader->words++] = c;
            while (c < end && !is_space(*c))
                c++;
            while (c < end && is_space(*c))
                *c++ = '\0';
        }
        *end = '\0';
    }
    return reader->words > 0;
}

bool reader_record(Reader *reader, const char *key, size_t words) {
    if (!reader_line(reader)) return reader_fail(reader, "the file ends where '%s' should be", key);
    if (strcmp(reader->word[0], key) != 0)
        return reader_fail(reader, "'%.60s' where '%s' should be", reader->word[0], key);
    if (reader->words < words)
        return reader_fail(reader, "'%s' with %zu words, at least %zu are needed", key,
                           reader->words, words);
    return true;
}

bool reader_size(Reader *reader, const char *word, size_t *out) {
    size_t value = 0;
    const char *c = word;
    for (; *c >= '0' && *c <= '9' && value < SIZE_MAX / 20; c++)
        value = 10 * value + (size_t)(*c - '0');
    if (c == word || *c) return reader_fail(reader, "'%.60s' is not a count", word);
    *out = value;
    return true;
}

bool reader_real(Reader *reader, const char *word, double *out) {
    char *end = NULL;
    *out = strtod(word, &end);
    if (end == word || *end) return reader_fail(reader, "'%.60s' is not a number", word);
    return true;
}

bool reader_flag(Reader *reader, const char *word, bool *out) {
    if (strcmp(word, "0") != 0 && strcmp(word, "1") != 0)
        return reader_fail(reader, "'%.60s' where 0 or 1 should be", word);
    *out = word[0] == '1';
    return true;
}
