/* malloc and free, with three numbers beside them that all threads add to. */
#include "memory.h"

#include <higherc/higherc.h>

#include <stdatomic.h>
#include <stdlib.h>

static atomic_size_t mallocs, held, peak;

static void *take(size_t size, void *user) {
    (void)user;
    void *pointer = malloc(size);
    if (!pointer) return NULL;
    atomic_fetch_add(&mallocs, 1);
    size_t now = atomic_fetch_add(&held, size) + size;
    size_t most = atomic_load(&peak);
    while (most < now && !atomic_compare_exchange_weak(&peak, &most, now)) {
    } /* another thread's peak is in `most` now */
    return pointer;
}

static void give_back(void *pointer, size_t size, void *user) {
    (void)user;
    free(pointer);
    atomic_fetch_sub(&held, size);
}

bool memory_count(void) {
    return higherc_set_allocator(&(Allocator){take, give_back, NULL});
}

size_t memory_mallocs(void) {
    return atomic_load(&mallocs);
}

size_t memory_peak(void) {
    return atomic_load(&peak);
}
