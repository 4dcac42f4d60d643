#include "support/failing.h"

#include <higherc/higherc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "tape/tape.h"

static atomic_size_t left, calls, largest = SIZE_MAX;

static void *limited_alloc(size_t size, void *user) {
    (void)user;
    atomic_fetch_add(&calls, 1);
    size_t n = atomic_load(&left);
    while (n > 0 && n != SIZE_MAX && !atomic_compare_exchange_weak(&left, &n, n - 1))
        ;
    return n > 0 && size <= atomic_load(&largest) ? malloc(size) : NULL;
}

static void limited_release(void *pointer, size_t size, void *user) {
    (void)size;
    (void)user;
    free(pointer);
}

void failing_begin(void) {
    failing_never();
    CHECK(higherc_set_allocator(&(Allocator){limited_alloc, limited_release, NULL}));
}

void failing_end(void) {
    CHECK(higherc_set_allocator(NULL));
}

void failing_after(size_t more) {
    atomic_store(&left, more);
}

void failing_never(void) {
    atomic_store(&left, SIZE_MAX);
}

void failing_largest(size_t bytes) {
    atomic_store(&largest, bytes);
}

size_t failing_calls(void) {
    return atomic_load(&calls);
}

static void take_up(HcArena *arena) {
    size_t rest = arena->next ? (size_t)(arena->end - arena->next) : 0;
    if (rest > 0) hc_arena_alloc(arena, rest / HC_ALIGN * HC_ALIGN);
}

void failing_units(Tape *tape, size_t units) {
    take_up(&tape->data);
    take_up(&tape->forms.arena);
    take_up(&tape->scratch.arena);
    tape->budget.limit = tape->budget.used + units * HC_ALIGN;
}

void failing_units_never(Tape *tape) {
    tape->budget.limit = SIZE_MAX;
}

void fail_each_allocation(const char *name, bool (*scenario)(void)) {
    failing_begin();
    bool done = false, good = true;
    for (size_t allowed = 0; !done && good && allowed < 20000; allowed++) {
        failing_after(allowed);
        done = scenario();
        failing_never();
        if (done ? higherc_error() != NULL : higherc_status() != HC_ERR_NOMEM) good = false;
        if (higherc_live_allocations() != 0) good = false;
        if (!good)
            printf("  %s, %zu allocations allowed: %s, %zu blocks left behind\n", name, allowed,
                   higherc_error() ? higherc_error() : "no error", higherc_live_allocations());
        higherc_clear_error();
    }
    CHECK(done && good);
    failing_end();
}
