/* Named values and the memory of one case. Nothing is freed singly: a case is read, run, compared
 * and forgotten as a whole. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

struct StoreBlock {
    struct StoreBlock *next;
    max_align_t data[];
};

void *store_alloc(Store *store, size_t count, size_t size) {
    size_t header = sizeof(struct StoreBlock);
    struct StoreBlock *block = NULL;
    if (size == 0 || count <= (SIZE_MAX - header) / size) block = calloc(1, header + count * size);
    if (!block) {
        fprintf(stderr, "golden: out of memory\n");
        exit(2);
    }
    block->next = store->first;
    store->first = block;
    return block->data;
}

/* Room doubles whenever the count reaches a power of two, so it need not be stored. */
void *store_grow(Store *store, void *array, size_t count, size_t size) {
    if (array && (count & (count - 1)) != 0) return array;
    void *larger = store_alloc(store, count ? 2 * count : 1, size);
    if (array && count) memcpy(larger, array, count * size);
    return larger;
}

char *store_format(Store *store, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = store_alloc(store, (size_t)(length > 0 ? length : 0) + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)(length > 0 ? length : 0) + 1, format, args);
    va_end(args);
    return text;
}

void store_free(Store *store) {
    while (store->first) {
        struct StoreBlock *block = store->first;
        store->first = block->next;
        free(block);
    }
}

static size_t hash(const char *name) {
    size_t h = 5381;
    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h;
}

static void rehash(Dict *dict, Store *store) {
    dict->chains = dict->chains ? 4 * dict->chains : 64;
    dict->chain = store_alloc(store, dict->chains, sizeof(Entry *));
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
    Store scratch = {NULL};
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *name = store_alloc(&scratch, (size_t)(length > 0 ? length : 0) + 1, 1);
    va_start(args, format);
    vsnprintf(name, (size_t)(length > 0 ? length : 0) + 1, format, args);
    va_end(args);
    Entry *entry = dict_find(dict, name);
    store_free(&scratch);
    return entry;
}

Entry *dict_add(Dict *dict, Store *store, const char *name) {
    if (dict_find(dict, name)) return NULL;
    dict->items = store_grow(store, dict->items, dict->count, sizeof(Entry *));
    Entry *entry = store_alloc(store, 1, sizeof *entry);
    entry->name = name;
    dict->items[dict->count++] = entry;
    if (dict->count > dict->chains) {
        rehash(dict, store);
    } else {
        Entry **head = &dict->chain[hash(name) % dict->chains];
        entry->next = *head;
        *head = entry;
    }
    return entry;
}
