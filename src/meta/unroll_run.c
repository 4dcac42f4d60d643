/* An unrolled loop that keeps checkpoints: the first pass, in which what steps read is found out. */
#include <math.h>
#include <string.h>

#include "meta/reads.h"
#include "meta/unroll.h"

static const char who[] = "unroll";

/* ---- after a step --------------------------------------------------------------------------- */

typedef struct First {
    HcUnroll *unroll;
    HcReads reads;
    const UnrollOptions *options;
    size_t done;
} First;

bool hc_unroll_tell(HcUnroll *u, const UnrollOptions *o, size_t done) {
    if (!o->progress) return true;
    HcCalling outer = hc_call_begin(u->tape);
    bool on = o->progress(done, o->progress_user);
    on = hc_call_end(u->tape, outer) && on;
    return on || hc_fail(u->tape, HC_ERR_STATE, "%s: given up after %zu steps", who, done);
}

static bool look(HcUnroll *u, const TapeMark *mark, size_t step, void *user) {
    First *first = user;
    if (!hc_reads_look(&first->reads, mark)) return false;
    for (size_t i = 0; i < u->count; i++) /* what was handed on as it is, in another's place */
        if (u->now[i] != u->first[i] && !hc_reads_add(&first->reads, u->now[i])) return false;
    return hc_unroll_tell(u, first->options, first->done + step + 1);
}

static bool begin_first(HcUnroll *u, const UnrollOptions *options, size_t done, First *first) {
    first->unroll = u;
    first->options = options;
    first->done = done;
    return hc_reads_begin(u->tape, who, HC_READS_ALL, &first->reads);
}

/* ---- where points go ------------------------------------------------------------------------ */

typedef struct Weight {
    size_t carried, step; /* bytes of what is handed on after a step, and of a recorded step */
} Weight;

/* The first step is recorded, and taken away again. */
static bool weigh_step(HcUnroll *u, Weight *weight) {
    Tape *tape = u->tape;
    HcStand stand;
    TapeMark mark = tape_mark(tape);
    size_t before = tape_stats(tape).live_bytes;
    if (!hc_unroll_stand(u, &stand)) return false;
    Rng rng = u->begin.rng;
    bool done = hc_unroll_enter(u, &u->begin, u->now) && hc_unroll_step(u, 0, &rng, true);
    if (done) {
        weight->step = tape_stats(tape).live_bytes - before;
        hc_unroll_gather(u, u->now);
        hc_unroll_save(u, u->now, 1, rng, &u->spare[0]);
        weight->carried = hc_unroll_packed_bytes(u);
    }
    hc_unroll_return(u, &stand);
    tape->rng = u->begin.of_tape;
    u->again = 0;
    return tape_release(tape, mark) && done;
}

enum { WORTH_WEIGHING = 10 }; /* steps */

static double balanced_bytes(const HcUnroll *u, const Weight *weight, size_t n) {
    return (double)((u->steps - 1) / n) * (double)weight->carried + (double)n * (double)weight->step;
}

static size_t first_segment_of(const HcUnroll *u, size_t n) {
    return (u->steps - 1) % n + 1;
}

static size_t next_length(size_t n) {
    return n + 1 + n / 32;
}

/* Segments for which points and the steps of one together take least: sqrt(steps * carried / step) long, but for what
 * does not divide. Of those that take little more, that which leaves the fewest steps to be written down in a Program,
 * where all but the first are alike. */
static bool balance(HcUnroll *u, bool weighs) {
    Weight weight = {1, 1};
    double least = INFINITY;
    if (weighs && u->steps >= WORTH_WEIGHING && !weigh_step(u, &weight)) return false;
    for (size_t n = 1; n <= u->steps; n = next_length(n))
        least = fmin(least, balanced_bytes(u, &weight, n));
    size_t fewest = SIZE_MAX;
    for (size_t n = 1; n <= u->steps; n = next_length(n)) {
        size_t unlike = n + first_segment_of(u, n);
        if (balanced_bytes(u, &weight, n) > 1.03 * least || unlike >= fewest) continue;
        fewest = unlike;
        u->segment = n;
    }
    return true;
}

/* Units computed again beside those that are recorded. The way to the last point is made by the first pass. */
static size_t again_of(size_t units, size_t points) {
    size_t cost = hc_revolve_cost(units, points), at = 0;
    for (size_t k = points; k > 0 && cost < SIZE_MAX; k--)
        at += hc_revolve_next(units - at, k);
    return cost < SIZE_MAX ? cost - at : cost;
}

/* The length of segments, and with it the number of points, for which least is computed again. */
static bool fit(HcUnroll *u, size_t max_bytes) {
    size_t best = SIZE_MAX;
    Weight weight = {1, 1};
    if (!weigh_step(u, &weight)) return false;
    size_t step = weight.step;
    /* Two spare points, and cotangents twice; the end, and the operation's numbers; and a sweep's own. */
    size_t fixed = 4 * u->all.bytes + 2 * weight.carried + 2 * step;
    for (size_t n = 1; n <= u->steps && fixed <= max_bytes; n = next_length(n)) {
        if (n > (max_bytes - fixed) / step) break;
        size_t units = (u->steps + n - 1) / n,
               free = (max_bytes - fixed - n * step) / (weight.carried ? weight.carried : 1);
        if (free > units - 1) free = units - 1;
        size_t cost = again_of(units, free);
        if (cost > SIZE_MAX / n || cost * n >= best) continue;
        best = cost * n;
        u->segment = n;
        u->walk.most = free;
    }
    return best < SIZE_MAX || hc_fail(u->tape, HC_ERR_RANGE,
                                      "%s: %zu bytes are too few: what is carried takes %zu, a "
                                      "recorded step %zu, and %zu are needed",
                                      who, max_bytes, weight.carried, step, fixed + step);
}

static bool evaluates(const HcUnroll *u) {
    size_t r = 0;
    while (r < u->root_count && u->modes[r] == HC_EVAL)
        r++;
    return r == u->root_count;
}

static bool choose(HcUnroll *u, const UnrollOptions *o) {
    bool keeps = !evaluates(u), fits = o->keep == HC_KEEP_FIT && keeps;
    u->segment = o->every < u->steps ? o->every : u->steps;
    if (fits && !fit(u, o->max_bytes)) return false;
    if (!fits && o->keep != HC_KEEP_EVERY && !balance(u, keeps)) return false;
    u->first_segment = first_segment_of(u, u->segment);
    if (keeps && !fits) u->walk.most = hc_unroll_segments(u) - 1;
    return true;
}

static bool make_points(HcUnroll *u) {
    size_t places = u->walk.most, segments = hc_unroll_segments(u);
    u->kept = hc_tape_alloc(u->tape, places * sizeof *u->kept, who);
    u->marks = hc_tape_alloc(u->tape, (segments + 1) * sizeof *u->marks, who);
    u->walk.segments = segments;
    u->walk.before = hc_tape_alloc(u->tape, (places + 1) * sizeof *u->walk.before, who);
    if (!u->kept || !u->marks || !u->walk.before) return false;
    for (size_t i = 0; i < places; i++)
        u->kept[i] = (HcPoint){.data = NULL};
    return true;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static bool go_on(void *user, size_t place, size_t to, size_t into) {
    First *first = user;
    HcUnroll *u = first->unroll;
    HcPoint *at = hc_unroll_walk(u, place, to, into, look, first);
    if (at && into != HC_CURRENT) u->kept_bytes += hc_unroll_point(u, into)->layout->bytes;
    return at && (into != HC_CURRENT || hc_unroll_pack(u, at, &u->end));
}

/* Rewinds to the beginning where it fails; the caller releases. */
static bool run(HcUnroll *u, const UnrollOptions *o, size_t before, const HcStand *stand) {
    First first;
    Tensor **list = hc_tape_alloc(u->tape, u->count * sizeof *list, who);
    if (!list || !hc_unroll_room(u, &u->spare[0]) || !hc_unroll_room(u, &u->spare[1])) return false;
    hc_unroll_save(u, u->first, 0, o->rng ? *o->rng : rng_seed(0), &u->spare[0]);
    if (!hc_unroll_pack(u, &u->spare[0], &u->begin) || !choose(u, o) || !make_points(u)) return false;
    bool done = begin_first(u, o, before, &first) &&
                hc_walk_forth(&u->walk, &(HcMoves){.advance = go_on, .user = &first}) &&
                (u->inputs = hc_reads_list(&first.reads, &u->input_count, &u->flowing)) != NULL;
    hc_reads_end(&first.reads);
    hc_unroll_return(u, stand);
    if (!done || !hc_unroll_emit(u, &hc_op_unroll, list) || !hc_unroll_put(u, list, u->end.numbers)) return false;
    for (size_t i = 0; i < u->opt_count; i++)
        u->opts[i]->now->unroll = u;
    u->tape->rng = u->end.of_tape;
    if (o->rng) *o->rng = u->end.rng;
    return true;
}

/* In snapshots of their own, which go with the loop: not every optimizer made a step. */
static bool leave_report(HcUnroll *u) {
    for (size_t i = 0; i < u->opt_count; i++) {
        HcSnapshot *next = hc_diffopt_push(u->opts[i], false);
        if (!next) return false;
        next->unroll = u;
        u->opts[i]->now = next;
    }
    return true;
}

/* Without points: every step stays on the tape. */
static bool run_all(HcUnroll *u, const UnrollOptions *o, size_t before) {
    Rng rng = o->rng ? *o->rng : rng_seed(0);
    for (size_t t = 0; t < u->steps; t++) {
        TapeMark mark = tape_mark(u->tape);
        if (!hc_unroll_step(u, t, &rng, false) || !hc_unroll_others_unchanged(u, &mark, t) ||
            !hc_unroll_settle(u) || !hc_unroll_tell(u, o, before + t + 1))
            return false;
    }
    if (!leave_report(u)) return false;
    if (o->rng) *o->rng = rng;
    return true;
}

/* ---- all or nothing ------------------------------------------------------------------------- */

bool hc_unroll_in(HcUnroll *u, const UnrollOptions *o, size_t before, const HcStand *stand) {
    bool all = o->keep == HC_KEEP_ALL && !evaluates(u);
    return all ? run_all(u, o, before) : run(u, o, before, stand);
}

bool hc_unroll_by(HcUnrollRun *run_by, DiffOpt *const *opts, size_t count, const UnrollOptions *o, size_t before,
                  UnrollFn *fn, void *user) {
    Tape *tape = opts[0]->tape;
    TapeMark mark = tape_mark(tape);
    Rng of_tape = tape->rng;
    HcStand stand;
    HcUnroll *u = hc_unroll_create(opts, count);
    if (!u || !hc_unroll_stand(u, &stand)) return tape_release(tape, mark) && false;
    u->steps = o->steps;
    u->first_step = o->first;
    u->fn = fn;
    u->user = user;
    if (run_by(u, o, before, &stand)) {
        for (size_t r = 0; r < u->root_count; r++)
            u->roots[r]->base = tape_mark(tape);
        return true;
    }
    hc_unroll_return(u, &stand);
    tape->rng = of_tape;
    tape_release(tape, mark);
    return false;
}
