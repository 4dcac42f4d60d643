/** @file memory.h
 *  What the library takes from malloc, counted, by all threads: a steady loop takes nothing. */
#ifndef EXAMPLES_MEMORY_H
#define EXAMPLES_MEMORY_H

#include <higherc/higherc.h>

#include <stdatomic.h>
#include <stdlib.h>

static struct MemoryCount { atomic_size_t mallocs, held, peak; } memory_counted;

static inline void *memory_take(size_t size, void *user) {
    (void)user;
    void *pointer = malloc(size);
    if (!pointer) return NULL;
    atomic_fetch_add(&memory_counted.mallocs, 1);
    size_t now = atomic_fetch_add(&memory_counted.held, size) + size;
    size_t most = atomic_load(&memory_counted.peak);
    while (most < now && !atomic_compare_exchange_weak(&memory_counted.peak, &most, now)) {
    } /* another thread's peak is in `most` now */
    return pointer;
}

static inline void memory_give_back(void *pointer, size_t size, void *user) {
    (void)user;
    free(pointer);
    atomic_fetch_sub(&memory_counted.held, size);
}

/** Counts from here on; to be called before anything else of the library. */
static inline bool memory_count(void) {
    return higherc_set_allocator(&(Allocator){memory_take, memory_give_back, NULL});
}

/** Calls of malloc so far. */
static inline size_t memory_mallocs(void) {
    return atomic_load(&memory_counted.mallocs);
}

/** Bytes held now. */
static inline size_t memory_held(void) {
    return atomic_load(&memory_counted.held);
}

/** The most bytes held at once, so far or since memory_forget. */
static inline size_t memory_peak(void) {
    return atomic_load(&memory_counted.peak);
}

/** Lets the peak begin at what is held now; no other thread may be at work. */
static inline void memory_forget(void) {
    atomic_store(&memory_counted.peak, memory_held());
}

#endif
