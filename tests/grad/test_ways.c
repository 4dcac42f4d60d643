/* Which nodes a sweep reaches and which of them are above something wanted, in every way there is of sweeping, on
 * random graphs with nodes of many inputs: compared with the definition, written down as a recursion. */
#include <higherc/higherc.h>

#include "grad/sweep.h"
#include "support/check.h"

enum { NODES = 60, MOST_INPUTS = 40, GRAPHS = 60, MOST = 1000 };

typedef struct Graph {
    Tape *tape;
    Tensor *x[NODES];
    Param *param[2];
    Rng rng;
} Graph;

static Tensor *any(Graph *g, size_t count) {
    return g->x[rng_below(&g->rng, count)];
}

static Tensor *wide(Graph *g, size_t count) {
    Tensor *in[MOST_INPUTS];
    size_t n = 1 + (size_t)rng_below(&g->rng, MOST_INPUTS);
    for (size_t i = 0; i < n; i++)
        in[i] = any(g, count);
    Tensor *all = tensor_concat(in, n, 0);
    return rng_below(&g->rng, 2) ? tensor_sum_axes(all, (int[]){0}, 1, true)
                                 : tensor_slice(all, 0, 0, 1, 1);
}

static Tensor *next(Graph *g, size_t count) {
    switch (rng_below(&g->rng, 10)) {
    case 0:
        return tensor_ones(g->tape, shape1(1));
    case 1:
        return tensor_leaf(any(g, count));
    case 2:
        return param_tensor(g->tape, g->param[rng_below(&g->rng, 2)]);
    case 3:
        return tensor_detach(any(g, count));
    case 4: {
        bool was = tape_set_recording(g->tape, false);
        Tensor *y = tensor_neg(any(g, count));
        tape_set_recording(g->tape, was);
        return y;
    }
    case 5:
    case 6:
        return wide(g, count);
    case 7:
        return tensor_gt(any(g, count), any(g, count));
    default:
        return tensor_add(any(g, count), any(g, count));
    }
}

static void make(Graph *g) {
    g->x[0] = tensor_leaf(tensor_ones(g->tape, shape1(1)));
    for (size_t i = 1; i < NODES; i++)
        g->x[i] = next(g, i);
}

/* ---- the definition --------------------------------------------------------------------------------------- */

typedef struct Definition {
    unsigned flags;
    const Tensor *wanted[3];
    size_t wanted_count;
    signed char
        below[MOST]; /* by index: -1 not visited, else whether something wanted is at it or below */
} Definition;

static bool is_wanted(const Definition *d, const Tensor *x) {
    if (d->flags & HC_SWEEP_PARAMS) return x->flags & HC_NODE_PARAM;
    for (size_t i = 0; i < d->wanted_count; i++)
        if (d->wanted[i] == x) return true;
    return false;
}

/* Whether the sweep may be at x at all. */
static bool passes(const Definition *d, const Tensor *x) {
    return (d->flags & HC_SWEEP_BLOCKED) || (x->flags & HC_NODE_NEEDS);
}

static bool goes_on(const Definition *d, const Tensor *x) {
    bool cuts = (d->flags & HC_SWEEP_CUT) &&
                (!(d->flags & HC_SWEEP_PARAMS) || (d->flags & HC_SWEEP_BLOCKED));
    if (cuts && is_wanted(d, x)) return false;
    return !(x->op->flags & HC_OP_LEAF) || (d->flags & HC_SWEEP_ORIGINS);
}

static bool visit(Definition *d, const Tensor *x) {
    if (d->below[x->index] >= 0) return d->below[x->index];
    bool below = is_wanted(d, x);
    for (uint32_t i = 0; goes_on(d, x) && i < x->nin; i++)
        if (passes(d, hc_inputs(x)[i])) below = visit(d, hc_inputs(x)[i]) || below;
    d->below[x->index] = below ? 1 : 0;
    return below;
}

/* ---- compared --------------------------------------------------------------------------------------------- */

static void compare(Graph *g, Tensor *output, unsigned flags) {
    Definition d = {.flags = flags};
    HcSweep sweep;
    size_t reached = 0;
    for (size_t i = 0; i < MOST; i++)
        d.below[i] = -1;
    CHECK(hc_sweep_begin(&sweep, output, flags));
    while (!(flags & HC_SWEEP_PARAMS) && d.wanted_count < 3 && rng_below(&g->rng, 5)) {
        d.wanted[d.wanted_count] = any(g, NODES);
        CHECK(hc_sweep_want(&sweep, d.wanted[d.wanted_count++]));
    }
    CHECK(hc_sweep_find(&sweep));
    if (passes(&d, output)) visit(&d, output);
    bool good = tape_stats(g->tape).nodes <= MOST;
    for (size_t i = 0; good && i <= output->index; i++)
        reached += d.below[i] >= 0;
    good = good && sweep.count == reached;
    for (size_t i = 0; good && i < sweep.count; i++) {
        const Tensor *x = hc_sweep_node(&sweep, i);
        good = hc_sweep_reaches(&sweep, x) && d.below[x->index] == hc_sweep_wanted_below(&sweep, i);
        good = good && (i == 0 || x->index < hc_sweep_node(&sweep, i - 1)->index);
    }
    CHECK(good);
    hc_sweep_end(&sweep);
}

int main(void) {
    const unsigned ways[] = {0,
                             HC_SWEEP_CUT,
                             HC_SWEEP_PARAMS,
                             HC_SWEEP_BLOCKED,
                             HC_SWEEP_BLOCKED | HC_SWEEP_CUT,
                             HC_SWEEP_BLOCKED | HC_SWEEP_PARAMS,
                             HC_SWEEP_BLOCKED | HC_SWEEP_ORIGINS,
                             HC_SWEEP_BLOCKED | HC_SWEEP_ORIGINS | HC_SWEEP_CUT,
                             HC_SWEEP_BLOCKED | HC_SWEEP_ORIGINS | HC_SWEEP_PARAMS,
                             HC_SWEEP_BLOCKED | HC_SWEEP_ORIGINS | HC_SWEEP_PARAMS | HC_SWEEP_CUT};
    Graph g = {.tape = tape_create(HC_F64), .rng = rng_seed(3)};
    for (int i = 0; i < 2; i++) {
        g.param[i] = param_create(i ? "q" : "p", shape1(1), HC_F64);
        CHECK(param_fill(g.param[i], 0.5));
    }
    for (int i = 0; i < GRAPHS; i++) {
        tape_reset(g.tape);
        make(&g);
        for (size_t k = 0; k < 3 * sizeof ways / sizeof *ways; k++)
            compare(&g, k % 3 ? any(&g, NODES) : g.x[NODES - 1], ways[k / 3]);
    }
    CHECK(tape_status(g.tape) == HC_OK && higherc_error() == NULL);
    tape_destroy(g.tape);
    for (int i = 0; i < 2; i++)
        param_unref(g.param[i]);
    return check_done();
}
