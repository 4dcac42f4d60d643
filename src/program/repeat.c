/* What is computed twice rather than kept. A result that is read early and again much later, as what a backward
 * pass leaves for the next, takes memory all the while; where it is cheap to make, and what it is made of is
 * there in any case, it is made again before the later reads. The same operation on the same numbers gives the
 * same bits (Griewank and Walther 2000 weigh the two for whole programs). */
#include <string.h>

#include "program/capture.h"

/* Results of fewer bytes are left alone, and those that take more multiply-adds to a number. */
enum { LEAST_BYTES = 16384, MOST_COST = 16, MOST_AGAIN = 4 };

/* A turn, if it is the root of its views (plan.c), in terms of other turns. */
typedef struct Life {
    size_t root, last;
    size_t from, to; /* the longest time between two reads */
    size_t first;    /* of the list of what is taken again before it; counted from 1 */
    bool viewed, repeated;
} Life;

/* Turns to be taken again before another. */
typedef struct Again {
    size_t before, next, count, turns[MOST_AGAIN];
    size_t cost; /* multiply-adds */
} Again;

typedef struct Repeats {
    const HcCapture *c;
    const HcTurn *turns;
    Life *life;
    size_t count, peak; /* peak: when most memory is taken */
    Again *again;
    size_t again_count, again_capacity, added;
} Repeats;

static Tensor *node_at(const Repeats *r, size_t turn) {
    return hc_node(r->c->tape, r->turns[turn].index);
}

static size_t input_of(const Repeats *r, const Tensor *x, uint32_t j) {
    return r->c->number[hc_inputs(x)[j]->index];
}

static size_t bytes_of(const Tensor *x) {
    return x->form->count * x->tape->item;
}

/* ---- who is read when ------------------------------------------------------------------------------------- */

static void read_at(Repeats *r, size_t turn, size_t root) {
    Life *life = &r->life[root];
    if (turn - life->last > life->to - life->from) {
        life->from = life->last;
        life->to = turn;
    }
    life->last = turn;
}

static void find_lives(Repeats *r) {
    for (size_t k = 0; k < r->count; k++) {
        const Tensor *x = node_at(r, k), *again = hc_capture_again(r->c, x);
        r->c->number[x->index] = (uint32_t)k;
        r->life[k] = (Life){.root = k, .last = k, .from = k, .to = k};
        if (x->index < r->c->stretch.base) continue;
        for (uint32_t j = 0; j < x->nin; j++)
            read_at(r, k, r->life[input_of(r, x, j)].root);
        if (again || (x->op->flags & (HC_OP_ALIAS | HC_OP_COPY))) {
            size_t base = again ? r->c->number[again->index] : input_of(r, x, 0);
            r->life[k].root = r->life[base].root;
            r->life[r->life[k].root].viewed = true;
        }
    }
    const Program *p = r->c->p;
    for (size_t i = 0; i < p->output_count; i++)
        r->life[r->c->number[r->c->outputs[i]->index]].viewed = true;
    for (size_t i = 0; i < p->grad_count; i++)
        r->life[r->c->number[r->c->grads[i]->index]].viewed = true;
}

static bool is_computed(const Repeats *r, size_t turn) {
    return !hc_capture_is_leaf(r->c, node_at(r, turn)) && r->life[turn].root == turn;
}

/* When most is alive. `ending` is room for the bytes that are free again after each turn. */
static void find_peak(Repeats *r, size_t *ending) {
    size_t alive = 0, most = 0;
    for (size_t k = 0; k < r->count; k++)
        if (is_computed(r, k)) ending[r->life[k].last] += bytes_of(node_at(r, k));
    for (size_t k = 0; k < r->count; k++) {
        if (is_computed(r, k)) alive += bytes_of(node_at(r, k));
        if (alive > most) {
            most = alive;
            r->peak = k;
        }
        alive -= ending[k];
    }
}

/* ---- what is cheap ---------------------------------------------------------------------------------------- */

static bool repeatable(const Repeats *r, size_t turn) {
    const Tensor *x = node_at(r, turn);
    return is_computed(r, turn) && !r->life[turn].viewed && x->nin <= HC_INLINE_INPUTS &&
           (x->op->kernel || x->op->cost);
}

/* Whether a turn's numbers are there at `time`, read or not. */
static bool is_there(const Repeats *r, size_t turn, size_t time) {
    const Life *life = &r->life[r->life[turn].root];
    if (life->repeated && time > life->from && time < life->to) return false;
    return hc_capture_is_leaf(r->c, node_at(r, life->root)) || life->last >= time;
}

/* Adds a turn to those taken again, after what it needs and would no longer find. */
static bool gather(const Repeats *r, size_t turn, Again *again) {
    const Tensor *x = node_at(r, turn);
    if (!repeatable(r, turn)) return false;
    again->cost += x->form->count * (x->op->cost ? x->op->cost(x) : 1);
    for (uint32_t j = 0; j < x->nin; j++)
        if (!is_there(r, input_of(r, x, j), again->before) && !gather(r, input_of(r, x, j), again))
            return false;
    if (again->count == MOST_AGAIN) return false;
    again->turns[again->count++] = turn;
    return true;
}

static bool choose(Repeats *r) {
    for (size_t k = 0; k < r->count; k++) {
        Life *life = &r->life[k];
        const Tensor *x = node_at(r, k);
        Again again = {.before = life->to};
        if (bytes_of(x) < LEAST_BYTES || life->from >= r->peak || life->to <= r->peak) continue;
        if (!gather(r, k, &again) || again.cost > MOST_COST * x->form->count) continue;
        if (!hc_grow((void **)&r->again, &r->again_capacity, r->again_count, r->again_count + 1,
                     sizeof again))
            return false;
        again.next = r->life[again.before].first;
        r->again[r->again_count++] = again;
        r->life[again.before].first = r->again_count;
        r->added += again.count;
        life->repeated = true;
    }
    return true;
}

/* ---- all of it ---------------------------------------------------------------------------------------------- */

/* The turns with those taken again between them. Each time a node is met anew, what follows reads that. */
static HcTurn *merged(const Repeats *r) {
    HcTurn *turns = hc_alloc(r->count + r->added, sizeof *turns);
    size_t count = 0;
    for (size_t k = 0; turns && k < r->count; k++) {
        for (size_t a = r->life[k].first; a > 0; a = r->again[a - 1].next)
            for (size_t i = 0; i < r->again[a - 1].count; i++)
                turns[count++] = r->turns[r->again[a - 1].turns[i]];
        turns[count++] = r->turns[k];
    }
    HC_ASSERT(!turns || count == r->count + r->added);
    return turns;
}

HcTurn *hc_capture_repeat(HcCapture *c, HcTurn *turns) {
    size_t count = c->p->count;
    Repeats r = {.c = c, .turns = turns, .count = count};
    r.life = hc_alloc(count, sizeof *r.life);
    size_t *ending = hc_alloc_zero(count, sizeof *ending);
    HcTurn *all = NULL;
    if (r.life && ending) {
        find_lives(&r);
        find_peak(&r, ending);
        if (choose(&r)) all = merged(&r);
    }
    if (all) c->p->count += r.added;
    hc_free(r.life);
    hc_free(r.again);
    hc_free(ending);
    hc_free(turns);
    return all;
}
