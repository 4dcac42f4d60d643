/* Ways that must agree: an inner loop of whatever optimizer, network and settings gives the same bits of W<t>,
 * of states and buffers in every mode, with releases, in place, on threads, replayed and unrolled, and the same
 * gradients where the mode keeps them. Combinations are drawn from a seed: meta_metamorphic COUNT SEED. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/rules.h"
#include "support/unroll.h"
#include "support/ways.h"

static bool same(const Bits *a, const Bits *b) {
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->v, b->v, a->count * sizeof *a->v) == 0);
}

static size_t compared;

static void describe(const Combination *c) {
    const char *rule = c->rule < unroll_config_count
                           ? unroll_configs[c->rule].name
                           : own_rules[c->rule - unroll_config_count].name;
    printf(
        "  seed %llu: %s (rule %zu) on %s, %s, %zu steps, groups %d, clip %d, override %d, put %d, "
        "schedule %zu, buffers %d%s%s%s%s\n",
        (unsigned long long)c->seed, rule, c->rule, c->net->name,
        c->dtype == HC_F32 ? "f32" : "f64", c->steps, c->groups, c->clip, c->override, c->put,
        c->schedule, (int)c->buffers, c->training ? "" : ", evaluation",
        c->frozen ? ", frozen" : "", c->penalty ? ", penalty" : "",
        c->callback ? ", callback" : "");
}

/* Whether a way worked and gave the bits wanted; clears both. */
static void agree(const Combination *c, const char *way, bool done, const Bits *want, Bits *got) {
    bool good = done && higherc_error() == NULL && (!want || same(want, got));
    if (!good) {
        describe(c);
        printf("  %s: %s\n", way, done ? "other bits" : "failed");
        if (higherc_error()) printf("  %s\n", higherc_error());
        for (size_t i = 0; want && done && i < want->count && i < got->count; i++)
            if (memcmp(&want->v[i], &got->v[i], sizeof *got->v) != 0) {
                printf("  %zu of %zu: %.17g, should be %.17g\n", i, want->count, got->v[i],
                       want->v[i]);
                break;
            }
    }
    CHECK(good);
    higherc_clear_error();
    compared++;
    got->count = 0;
}

/* A step that reads what the step before wrote in the module itself cannot be computed again: in words. */
static bool refused(const Combination *c, const Way *way) {
    return way->unrolled && way->mode != HC_EVAL && way->keep != HC_KEEP_ALL && c->net->remembers &&
           c->buffers == HC_BUFFERS_SHARE;
}

static void check_way(const Combination *c, const Way *way, const Bits *want, const Bits *grads) {
    Bits bits = {0}, own = {0};
    bool done = ways_recorded(c, way, &bits, &own), have = own.count > 0;
    Bits there = {grads->v, way->unrolled ? own.count : grads->count, 0};
    if (refused(c, way)) {
        CHECK(!done && higherc_status() == HC_ERR_CHANGED);
        higherc_clear_error();
    } else {
        agree(c, way->name, done, want, &bits);
        if (have) agree(c, "gradients so", true, &there, &own);
    }
    free(bits.v);
    free(own.v);
}

static void check_in_place(const Combination *c, const Bits *want) {
    Bits bits = {0};
    bool done = ways_in_place(c, &bits);
    agree(c, "in place", done, want, &bits);
    free(bits.v);
}

/* W<t> comes first in what is wanted, and gradients to Params. */
static void check_replay(const Combination *c, const Way *way, const Bits *want,
                         const Bits *grads) {
    Bits bits = {0}, own = {0};
    bool done = ways_replayed(c, way, &bits, &own);
    Bits first = {want->v, bits.count, 0}, to_params = {grads->v, own.count, 0};
    agree(c, way->name, done, &first, &bits);
    agree(c, "gradients replayed", done, &to_params, &own);
    free(bits.v);
    free(own.v);
}

static void check_replayed_loop(const Combination *c, const Way *stored, const Bits *want, const Bits *grads) {
    static const UnrollKeep keep[3] = {HC_KEEP_EVERY, HC_KEEP_SQRT, HC_KEEP_FIT};
    Way way = *stored;
    way.name = "unrolled and replayed";
    way.unrolled = true;
    way.keep = keep[c->seed % 3];
    way.every = 1 + c->seed % 2;
    if (!refused(c, &way)) check_replay(c, &way, want, grads);
}

/* A loop of the one way against tasks of the other. */
static void check_tasks(const Combination *c, const Way *way, const Way *other) {
    Bits bits[3] = {{0}}, grads[3] = {{0}};
    for (size_t threads = 0; threads < 3; threads++) {
        const Way *now = threads ? other : way;
        bool done = ways_tasks(c, now, threads, &bits[threads], &grads[threads]);
        if (threads == 0 && done) continue;
        agree(c, threads ? "tasks" : "loop of tasks", done, &bits[0], &bits[threads]);
        Bits there = {grads[0].v, other->unrolled ? grads[threads].count : grads[0].count, 0};
        agree(c, "gradients of tasks", done, &there, &grads[threads]);
    }
    for (size_t i = 0; i < 3; i++) {
        free(bits[i].v);
        free(grads[i].v);
    }
}

static void check_all(const Combination *c) {
    static const Way full = {.name = "full"},
                     first = {.name = "first order", .mode = HC_FIRST_ORDER};
    static const Way ways[] = {
        {.name = "full on a pool", .pool = true},
        {.name = "full, weights handed in", .with = true},
        {.name = "full, copied", .copied = true},
        {.name = "full, a step taken back", .detour = true},
        {.name = "full, committed half way", .split = true},
        {.name = "full, scheduled late", .late = true},
        {.name = "first order, released", .mode = HC_FIRST_ORDER, .release = true},
        {.name = "first order, a step taken back", .mode = HC_FIRST_ORDER, .detour = true},
        {.name = "first order, released, on a pool",
         .mode = HC_FIRST_ORDER,
         .release = true,
         .pool = true},
        {.name = "evaluation", .mode = HC_EVAL},
        {.name = "evaluation, released", .mode = HC_EVAL, .release = true},
        {.name = "evaluation, released, committed half way",
         .mode = HC_EVAL,
         .release = true,
         .split = true},
        {.name = "evaluation, weights handed in", .mode = HC_EVAL, .with = true},
        {.name = "unrolled", .unrolled = true},
        {.name = "unrolled, each step kept", .unrolled = true, .keep = HC_KEEP_EVERY, .every = 1},
        {.name = "unrolled, every third step kept, on a pool",
         .unrolled = true,
         .keep = HC_KEEP_EVERY,
         .every = 3,
         .pool = true},
        {.name = "unrolled in little memory", .unrolled = true, .keep = HC_KEEP_FIT},
        {.name = "unrolled, copied", .unrolled = true, .keep = HC_KEEP_SQRT, .copied = true},
        {.name = "unrolled, weights handed in",
         .unrolled = true,
         .keep = HC_KEEP_SQRT,
         .with = true},
        {.name = "unrolled, scheduled late", .unrolled = true, .keep = HC_KEEP_SQRT, .late = true},
        {.name = "unrolled, first order",
         .unrolled = true,
         .keep = HC_KEEP_SQRT,
         .mode = HC_FIRST_ORDER},
        {.name = "unrolled, first order, in little memory",
         .unrolled = true,
         .keep = HC_KEEP_FIT,
         .mode = HC_FIRST_ORDER},
        {.name = "unrolled, evaluation",
         .unrolled = true,
         .keep = HC_KEEP_SQRT,
         .mode = HC_EVAL},
    };
    Bits want = {0}, grads[2] = {{0}}, other = {0};
    agree(c, full.name, ways_recorded(c, &full, &want, &grads[0]), NULL, &other);
    size_t loss = want.count; /* the loss after the last step is there in two modes only */
    agree(c, first.name, ways_recorded(c, &first, &other, &grads[1]), NULL, &(Bits){0});
    agree(c, first.name, true, &want, &other);
    Bits steps = {want.v, loss - 1, 0};
    bool moves = c->net->repeats && c->buffers != HC_BUFFERS_SHARE;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const Way *w = &ways[i];
        if (w->detour && !moves) continue;
        if (w->split && (c->override != OVERRIDE_NONE || c->steps < 2 || !c->net->repeats))
            continue;
        check_way(c, w, w->mode == HC_EVAL || w->split ? &steps : &want,
                  &grads[w->mode == HC_FIRST_ORDER]);
    }
    bool numbers = c->override == OVERRIDE_NONE || c->override >= LEARN;
    if (numbers && c->clip == CLIP_NONE && !c->callback && c->buffers != HC_BUFFERS_BATCH)
        check_in_place(c, &want);
    if (moves && c->buffers == HC_BUFFERS_COPY) {
        check_replay(c, &full, &want, &grads[0]);
        check_replay(c, &first, &want, &grads[1]);
        check_replayed_loop(c, &full, &want, &grads[0]);
        check_replayed_loop(c, &first, &want, &grads[1]);
    }
    const Way *way = c->seed % 2 ? &full : &first;
    Way tasks = *way;
    tasks.unrolled = c->seed / 2 % 2;
    tasks.keep = HC_KEEP_SQRT;
    if (c->buffers != HC_BUFFERS_SHARE) check_tasks(c, way, &tasks);
    free(want.v);
    free(other.v);
    free(grads[0].v);
    free(grads[1].v);
}

static Combination draw(uint64_t seed) {
    Rng rng = rng_seed(seed);
    Combination c = {.seed = seed};
    c.net = &nets[rng_below(&rng, net_count)];
    c.rule = rng_below(&rng, unroll_config_count + 2 * own_rule_count);
    if (c.rule >= unroll_config_count + own_rule_count) c.rule -= own_rule_count;
    c.dtype = (DType)rng_below(&rng, 2);
    c.steps = 1 + rng_below(&rng, MOST_STEPS);
    c.groups = (int)rng_below(&rng, GROUPINGS);
    c.clip = rng_below(&rng, 2) ? (int)rng_below(&rng, CLIPS) : CLIP_NONE;
    c.override = rng_below(&rng, 2) ? (int)rng_below(&rng, OVERRIDES) : OVERRIDE_NONE;
    c.put = rng_below(&rng, 2) ? (int)rng_below(&rng, PUTS) : PUT_NONE;
    c.schedule = rng_below(&rng, 4);
    c.buffers = (FBuffers)rng_below(&rng, 3);
    if (rng_below(&rng, 2)) c.buffers = HC_BUFFERS_COPY;
    c.training = rng_below(&rng, 4) > 0;
    c.frozen = rng_below(&rng, 4) == 0;
    c.penalty = rng_below(&rng, 2) > 0;
    c.callback = rng_below(&rng, 8) == 0;
    if (c.callback) c.clip = CLIP_NONE;
    return c;
}

/* Weights that are states as well, gradients handed on as two, weights that came back to where they were. */
static const uint64_t found[] = {136, 161, 240, 360};

int main(int argc, char **argv) {
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : QUICK ? 8 : 30;
    uint64_t seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    for (size_t i = 0; i < count; i++) {
        Combination c = draw(seed + i);
        check_all(&c);
    }
    for (size_t i = 0; i < sizeof found / sizeof *found && argc < 2; i++) {
        Combination c = draw(found[i]);
        check_all(&c);
    }
    printf("%zu combinations, %zu comparisons\n", count, compared);
    return check_done();
}
