/* Named values and the memory of one case. Nothing is freed singly: a case is read, run, compared
 * and forgotten as a whole. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

struct PoolBlock {
    struct PoolBlock *next;
    max_align_t data[];
};

void *pool_alloc(Pool *pool, size_t count, size_t size) {
    size_t header = sizeof(struct PoolBlock);
    struct PoolBlock *block = NULL;
    if (size == 0 || count <= (SIZE_MAX - header) / size) block = calloc(1, header + count * size);
    if (!block) {
        fprintf(stderr, "golden: out of memory\n");
        exit(2);
    }
    block->next = pool->first;
    pool->first = block;
    return block->data;
}

/* Room doubles whenever the count reaches a power of two, so it need not be stored. */
void *pool_grow(Pool *pool, void *array, size_t count, size_t size) {
    if (array && (count & (count - 1)) != 0) return array;
    void *larger = pool_alloc(pool, count ? 2 * count : 1, size);
    if (array && count) memcpy(larger, array, count * size);
    return larger;
}

char *pool_format(Pool *pool, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = pool_alloc(pool, (size_t)(length > 0 ? length : 0) + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)(length > 0 ? length : 0) + 1, format, args);
    va_end(args);
    return text;
}

void pool_free(Pool *pool) {
    while (pool->first) {
        struct PoolBlock *block = pool->first;
        pool->first = block->next;
        free(block);
    }
}

static size_t hash(const char *name) {
    size_t h = 5381;
    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h;
}

static void rehash(Dict *dict, Pool *pool) {
    dict->chains = dict->chains ? 4 * dict->chains : 64;
    dict->chain = pool_alloc(pool, dict->chains, sizeof(Entry *));
    for (size_t i = 0; i < dict->count; i++) {
        Entry **head = &dict->chain[hash(dict->items[i]->name) % dict->chains];
        dict->items[i]->next = *head;
        *head = dict->items[i];
    }
}

Entry *dict_find(const Dict *dict, const char *name) {
    if (dict->count == 0) return NULL;
    Entry *entry = dict->chain[hash(name) % dict->chains];
    while (entry && strcmp(entry->name, name) != 0)
        entry = entry->next;
    return entry;
}

Entry *dict_find_format(const Dict *dict, const char *format, ...) {
    Pool scratch = {NULL};
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *name = pool_alloc(&scratch, (size_t)(length > 0 ? length : 0) + 1, 1);
    va_start(args, format);
    vsnprintf(name, (size_t)(length > 0 ? length : 0) + 1, format, args);
    va_end(args);
    Entry *entry = dict_find(dict, name);
    pool_free(&scratch);
    return entry;
}

Entry *dict_add(Dict *dict, Pool *pool, const char *name) {
    if (dict_find(dict, name)) return NULL;
    dict->items = pool_grow(pool, dict->items, dict->count, sizeof(Entry *));
    Entry *entry = pool_alloc(pool, 1, sizeof *entry);
    entry->name = name;
    dict->items[dict->count++] = entry;
    if (dict->count > dict->chains) {
        rehash(dict, pool);
    } else {
        Entry **head = &dict->chain[hash(name) % dict->chains];
        entry->next = *head;
        *head = entry;
    }
    return entry;
}
