/* The tests' library checks its invariants: what breaks one ends in abort(), here that of a child. What it then
 * prints is wanted. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "support/check.h"
#include "support/child.h"

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

static void (*const acts[])(HcScratch *) = {keeps_its_invariants, rewinds_above_the_end,
                                            rewinds_to_no_block, frees_what_it_never_gave,
                                            is_destroyed_in_use};
enum { ACTS = sizeof acts / sizeof *acts };

/* 0 when it came through. */
static int act(unsigned long number) {
    HcBudget budget = {.limit = SIZE_MAX};
    HcScratch store;
    hc_scratch_init(&store, &budget, 1024);
    void *held = hc_scratch_alloc(&store, 64);
    if (!held) return 1;
    acts[number](&store);
    hc_scratch_free(&store, held, 64);
    hc_scratch_destroy(&store);
    return 0;
}

#ifdef CHILDREN

static int act_in_a_child(unsigned long number) {
    return act(number) == 0 ? 42 : 1;
}

static const ChildPart part = {"act", act_in_a_child};

int main(int argc, char **argv) {
    static const ChildPart *const parts[] = {&part};
    int status;
    if (child_main(argc, argv, parts, 1, &status)) return status;
    CHECK(child_run(&part, 0) == 42);
    for (unsigned long i = 1; i < ACTS; i++) {
        int ended = child_run(&part, i);
        CHECK(ended != 42 && ended != 1 && ended != 0);
    }
    return check_done();
}

#else

int main(void) {
    printf("no processes here: what breaks an invariant is left out\n");
    CHECK(act(0) == 0);
    return check_done();
}

#endif
