/* The allocator hook, the arena and the scratch store. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "support/failing.h"
#include "support/refuse.h"

typedef struct Ledger {
    size_t calls, bytes, misfits;
} Ledger;

static void *noted_alloc(size_t size, void *user) {
    Ledger *ledger = user;
    if (size == 0) ledger->misfits++;
    ledger->calls++;
    ledger->bytes += size;
    return malloc(size);
}

static void noted_release(void *pointer, size_t size, void *user) {
    ((Ledger *)user)->bytes -= size;
    free(pointer);
}

static void hook(void) {
    Ledger ledger = {0, 0, 0};
    Allocator noted = {noted_alloc, noted_release, &ledger}, half = {noted_alloc, NULL, NULL};
    REFUSED(higherc_set_allocator(&half));
    CHECK(higherc_set_allocator(&noted));
    Tape *tape = tape_create(HC_F32);
    Param *p = param_create("p", shape2(0, 3), HC_F32); /* sizes of 0 never reach the hook */
    CHECK(ledger.calls >= 3 && ledger.bytes > 0 && higherc_live_allocations() > 0);
    CHECK(!higherc_set_allocator(NULL) && higherc_status() == HC_ERR_STATE);
    higherc_clear_error();
    size_t mallocs = tape_stats(tape).mallocs, calls = ledger.calls;
    tensor_zeros(tape, shape1(100000));
    CHECK(tape_stats(tape).mallocs - mallocs == ledger.calls - calls); /* it counts what it asks */
    param_unref(p);
    tape_destroy(tape);
    CHECK(ledger.bytes == 0 && ledger.misfits == 0 && higherc_live_allocations() == 0);
    CHECK(higherc_set_allocator(NULL));
}

static void blocks(void) {
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *block = hc_alloc_zero(n, 1);
        CHECK(block && (uintptr_t)block % HC_ALIGN == 0);
        for (size_t i = 0; block && i < n; i++)
            if (block[i] != 0) CHECK(false);
        hc_free(block);
    }
    void *none[] = {hc_alloc(3, 0), hc_alloc_zero(3, 0), hc_alloc_zero(0, 3)};
    for (int i = 0; i < 3; i++) {
        CHECK(none[i] != NULL);
        hc_free(none[i]);
    }
    CHECK(hc_alloc(SIZE_MAX / 2, 3) == NULL && hc_alloc(SIZE_MAX, 1) == NULL);
    CHECK(hc_alloc_zero(SIZE_MAX / 16, 17) == NULL && hc_alloc(1, SIZE_MAX - 8) == NULL);
    int *items = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 1000; i++) {
        CHECK(hc_grow((void **)&items, &capacity, i, i + 1, sizeof *items));
        items[i] = (int)i;
    }
    bool kept = true;
    for (size_t i = 0; i < 1000; i++)
        kept = kept && items[i] == (int)i;
    CHECK(kept && !hc_grow((void **)&items, &capacity, 1000, SIZE_MAX / 2, sizeof *items));
    CHECK(items[999] == 999 && capacity >= 1000);
    hc_free(items);
    HcBudget budget = {0, SIZE_MAX, 0};
    items = NULL;
    capacity = 0;
    CHECK(!hc_budget_grow(&budget, (void **)&items, &capacity, 0, SIZE_MAX / 2, sizeof *items));
    CHECK(budget.used == 0 && budget.calls == 0 && !items && capacity == 0);
}

static void arenas(void) {
    HcBudget budget = {0, SIZE_MAX, 0};
    HcArena arena;
    hc_arena_init(&arena, &budget, 256);
    CHECK(hc_arena_live(&arena) == 0);
    char *first = hc_arena_alloc(&arena, 0), *second = hc_arena_alloc(&arena, 100);
    CHECK(first && second && (uintptr_t)second % HC_ALIGN == 0);
    memset(second, 1, 100);
    HcPosition place = hc_arena_top(&arena);
    size_t live = hc_arena_live(&arena);
    for (int round = 0; round < 3; round++) {
        size_t calls = budget.calls;
        for (size_t i = 1; i < 60; i++) {
            size_t before = hc_arena_live(&arena);
            char *more = hc_arena_alloc(&arena, i * 13);
            /* what is left over at the end of a block does not count */
            CHECK(hc_arena_live(&arena) == before + (i * 13 + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN);
            CHECK(more && (uintptr_t)more % HC_ALIGN == 0);
            memset(more, 2, i * 13);
            CHECK(hc_arena_live(&arena) > live && hc_position_before(place, hc_arena_top(&arena)));
        }
        CHECK((budget.calls == calls) == (round > 0)); /* later rounds use the same blocks */
        CHECK(hc_arena_live(&arena) <= budget.used);
        hc_arena_rewind(&arena, place);
        CHECK(hc_arena_live(&arena) == live && second[99] == 1);
    }
    size_t held = budget.used;
    hc_arena_trim(&arena);
    CHECK(budget.used < held && second[99] == 1 && hc_arena_alloc(&arena, 5000));
    CHECK(hc_arena_alloc(&arena, SIZE_MAX) == NULL &&
          hc_arena_alloc(&arena, SIZE_MAX - 100) == NULL);
    budget.limit =
        budget.used; /* no block more; what is small may still fit in one that is there */
    CHECK(hc_arena_alloc(&arena, 1 << 20) == NULL);
    hc_arena_destroy(&arena);
    CHECK(budget.used == 0);
}

enum { BUFFERS = 64 };

static void scratch(void) {
    HcBudget budget = {0, SIZE_MAX, 0};
    HcScratch store;
    hc_scratch_init(&store, &budget, 1024);
    Rng rng = rng_seed(2);
    unsigned char *buffer[BUFFERS] = {NULL};
    size_t bytes[BUFFERS] = {0}, calls = 0;
    bool intact = true;
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)rng_below(&rng, BUFFERS);
        if (buffer[i]) { /* what was written is still there */
            for (size_t k = 0; k < bytes[i]; k++)
                intact = intact && buffer[i][k] == (unsigned char)i;
            hc_scratch_free(&store, buffer[i], bytes[i]);
            buffer[i] = NULL;
            continue;
        }
        bytes[i] = (size_t)rng_below(&rng, (uint64_t)1 << rng_below(&rng, 13));
        buffer[i] = hc_scratch_alloc(&store, bytes[i]);
        CHECK(buffer[i] && (uintptr_t)buffer[i] % HC_ALIGN == 0);
        memset(buffer[i], (int)i, bytes[i]);
        if (round == 15000) calls = budget.calls;
    }
    CHECK(intact && budget.calls <= calls + 2); /* it has settled */
    hc_scratch_trim(&store);
    CHECK(store.live > 0 && budget.used > 0); /* only when nothing is live */
    for (size_t i = 0; i < BUFFERS; i++)
        hc_scratch_free(&store, buffer[i], bytes[i]);
    CHECK(store.live == 0);
    hc_scratch_free(&store, NULL, 7);
    hc_scratch_trim(&store);
    void *last = hc_scratch_alloc(&store, 100);
    CHECK(last != NULL);
    CHECK(hc_scratch_alloc(&store, SIZE_MAX) == NULL);
    hc_scratch_free(&store, last, 100);
    hc_scratch_destroy(&store);
    CHECK(budget.used == 0);
}

static void status(void) {
    for (int s = HC_OK; s <= HC_ERR_IO; s++)
        CHECK(strncmp(higherc_status_name((HcStatus)s), s ? "HC_ERR_" : "HC_OK", 5) == 0 &&
              strcmp(higherc_status_name((HcStatus)s), "HC_ERR_UNKNOWN") != 0);
    CHECK(strcmp(higherc_status_name((HcStatus)99), "HC_ERR_UNKNOWN") == 0);
    CHECK(strcmp(higherc_status_name(HC_ERR_SHAPE), "HC_ERR_SHAPE") == 0);
    CHECK(higherc_error() == NULL && higherc_status() == HC_OK);
    module_destroy(module_linear(SIZE_MAX, SIZE_MAX));
    CHECK(higherc_status() == HC_ERR_SHAPE && higherc_error() != NULL);
    const char *first = higherc_error();
    CHECK(!tape_create((DType)9) && higherc_status() == HC_ERR_SHAPE && higherc_error() == first);
    higherc_clear_error();
    CHECK(higherc_error() == NULL && higherc_status() == HC_OK);
    CHECK(strchr(higherc_version(), '.') != NULL);
}

int main(void) {
    hook();
    blocks();
    arenas();
    scratch();
    status();
    return check_done();
}
