/* The tests' library checks its invariants: what breaks one ends in abort(). What it then prints is wanted. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

#include "base/arena.h"
#include "support/check.h"

static jmp_buf before;

static void caught(int number) {
    (void)number;
    longjmp(before, 1);
}

static bool aborts(void (*breaks)(HcScratch *), HcScratch *store) {
    signal(SIGABRT, caught);
    if (setjmp(before)) return true;
    breaks(store);
    signal(SIGABRT, SIG_DFL);
    return false;
}

static void rewinds_above_the_end(HcScratch *store) {
    hc_arena_rewind(&store->arena, (HcPosition){0, 1025});
}

static void rewinds_to_no_block(HcScratch *store) {
    hc_arena_rewind(&store->arena, (HcPosition){2, 0});
}

static void frees_what_it_never_gave(HcScratch *store) {
    static char other[HC_ALIGN];
    hc_scratch_free(store, other, sizeof other);
}

static void is_destroyed_in_use(HcScratch *store) {
    hc_scratch_destroy(store);
}

static void keeps_its_invariants(HcScratch *store) {
    hc_arena_rewind(&store->arena, hc_arena_top(&store->arena));
    hc_scratch_free(store, NULL, 0);
}

int main(void) {
    HcBudget budget = {.limit = SIZE_MAX};
    HcScratch store;
    hc_scratch_init(&store, &budget, 1024);
    void *held = hc_scratch_alloc(&store, 64);
    CHECK(held != NULL);
    CHECK(aborts(rewinds_above_the_end, &store));
    CHECK(aborts(rewinds_to_no_block, &store));
    CHECK(aborts(frees_what_it_never_gave, &store));
    CHECK(aborts(is_destroyed_in_use, &store));
    CHECK(!aborts(keeps_its_invariants, &store));
    hc_scratch_free(&store, held, 64);
    hc_scratch_destroy(&store);
    return check_done();
}
