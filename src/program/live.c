/* What a capture needs of the tape, and in which order. */
#include <stdlib.h>
#include <string.h>

#include "program/capture.h"

static const char who[] = "program_capture";

/* ---- gradients that were kept ------------------------------------------------------------------------ */

static const HcTaken *taken_of(const HcCapture *c, const Tensor *x) {
    bool lost = x->index >= c->stretch.base && x->flags & HC_NODE_LOST && !(x->flags & HC_NODE_BORROWED);
    const HcTaken *taken = lost ? x->taken : NULL;
    bool there = taken && hc_alive(taken->output) && taken->output->serial == taken->serial;
    return there ? taken : NULL;
}

Tensor *hc_capture_again(const HcCapture *c, const Tensor *x) {
    const HcTaken *taken = taken_of(c, x);
    for (size_t r = 0; taken && r < c->retaken_count; r++)
        if (c->retaken[r].from == taken)
            for (size_t i = 0; i < taken->count; i++)
                if (taken->kept[i] == x) return c->retaken[r].grads[i];
    return NULL;
}

static bool sweep_again(HcRetaken *r) {
    const HcTaken *from = r->from;
    HcSweep sweep;
    if (!hc_sweep_begin(&sweep, from->output, HC_SWEEP_ABSTRACT | from->flags)) return false;
    bool done = true;
    for (size_t i = 0; done && i < from->count; i++)
        if (from->kept[i]) done = hc_sweep_want(&sweep, from->inputs[i]);
    done = done && hc_sweep_find(&sweep) && hc_sweep_run(&sweep, from->gy);
    for (size_t i = 0; done && i < from->count; i++)
        if (from->kept[i]) {
            r->grads[i] = hc_sweep_settle(&sweep, hc_sweep_number(&sweep, from->inputs[i]));
            done = r->grads[i] != NULL;
        }
    hc_sweep_end(&sweep);
    return done;
}

static bool take_again(HcCapture *c, const HcTaken *from) {
    if (!hc_grow((void **)&c->retaken, &c->retaken_capacity, c->retaken_count, c->retaken_count + 1,
                 sizeof *c->retaken))
        return hc_fail_nomem(c->tape, who);
    HcRetaken *r = &c->retaken[c->retaken_count];
    *r = (HcRetaken){.from = from, .first = c->tape->count, .stood = SIZE_MAX};
    r->grads = hc_alloc_zero(from->count, sizeof *r->grads);
    if (!r->grads) return hc_fail_nomem(c->tape, who);
    c->retaken_count++;
    for (size_t i = 0; i < from->count; i++)
        if (from->kept[i] && from->kept[i]->index < r->stood) r->stood = from->kept[i]->index;
    if (!sweep_again(r)) return false;
    r->end = c->tape->count;
    return true;
}

/* ---- what is needed --------------------------------------------------------------------------------- */

void *hc_capture_numbers(const HcCapture *c, const Tensor *x) {
    for (size_t i = 0; i < c->stretch.leaf_count; i++)
        if (c->stretch.leaves[i].leaf == x) return c->stretch.leaves[i].numbers;
    return NULL;
}

/* Whether a node can be computed again from others. */
static bool check_node(const HcCapture *c, const Tensor *x) {
    if (x->index < c->stretch.base)
        return x->flags & HC_NODE_PARAM || hc_capture_numbers(c, x) ||
               hc_fail(c->tape, HC_ERR_STATE,
                       "%s: a step of a loop reads %s (%zu on the tape), which it did not read when it first ran", who,
                       x->op->name, (size_t)x->index);
    if ((x->flags & HC_NODE_LOST) && !taken_of(c, x))
        return hc_fail(
            c->tape, HC_ERR_STATE,
            "%s: %s (%zu on the tape) came from numbers whose history is gone: weights after "
            "a release or an unroll, or a gradient of a loss that was released",
            who, x->op->name, (size_t)x->index);
    if ((x->op->flags & HC_OP_RANDOM) && x->attr.random.of_tape)
        return hc_fail(
            c->tape, HC_ERR_STATE,
            "%s: %s (%zu on the tape) drew from the tape's stream: each run would draw the "
            "same again (hand it a stream of its own if that is meant)",
            who, x->op->name, (size_t)x->index);
    if (x->index >= c->recorded || x->index < c->tape->read) return true;
    if (x->flags & HC_NODE_PARAM) return true;
    for (size_t i = 0; i < c->p->input_count; i++)
        if (c->inputs[i] == x) return true;
    return hc_fail(
        c->tape, HC_ERR_STATE,
        "%s: %s (%zu on the tape) was recorded after the program had read a computed value "
        "(of %s), on which it may depend",
        who, x->op->name, (size_t)x->index, c->tape->read_op);
}

static bool room_for_marks(HcCapture *c) {
    size_t total = c->tape->count;
    if (total <= c->capacity) return true;
    hc_free(c->live);
    hc_free(c->number);
    c->live = hc_alloc_zero(total, 1);
    c->number = hc_alloc(total, sizeof *c->number);
    c->capacity = total;
    return (c->live && c->number) || hc_fail_nomem(c->tape, who);
}

/* Marks all that is needed, from the top down. */
static bool mark_live(HcCapture *c) {
    Program *p = c->p;
    if (!room_for_marks(c)) return false;
    p->count = p->use_count = c->link_count = 0;
    memset(c->live, 0, c->tape->count);
    for (size_t i = 0; i < p->input_count; i++)
        c->live[c->inputs[i]->index] = 1;
    for (size_t i = 0; i < p->output_count; i++)
        c->live[c->outputs[i]->index] = 1;
    for (size_t i = 0; i < p->grad_count; i++)
        c->live[c->grads[i]->index] = 1;
    /* What stands in the place of a kept gradient lies above it, so its stretch of the tape comes first. */
    for (size_t r = 0; r < c->retaken_count; r++)
        for (size_t i = 0; i < c->retaken[r].from->count; i++)
            if (c->retaken[r].grads[i]) c->live[c->retaken[r].grads[i]->index] = 1;
    for (size_t i = c->tape->count; i-- > 0;) {
        if (!c->live[i]) continue;
        const Tensor *x = hc_node(c->tape, i);
        if (!check_node(c, x)) return false;
        p->count++;
        if (x->flags & HC_NODE_PARAM) p->use_count++;
        if (hc_capture_is_leaf(c, x)) continue;
        for (uint32_t j = 0; j < x->nin; j++)
            c->live[hc_inputs(x)[j]->index] = 1;
        if (x->nin > HC_INLINE_INPUTS) c->link_count += x->nin;
    }
    return true;
}

/* A kept gradient must be taken again before what it needs is known; of an unrolled loop, all steps'
 * are at once. */
bool hc_capture_find(HcCapture *c) {
    for (;;) {
        if (!mark_live(c)) return false;
        size_t marked = c->tape->count, known = c->retaken_count;
        for (size_t i = 0; i < marked; i++) {
            const Tensor *x = hc_node(c->tape, i);
            const HcTaken *from = c->live[i] ? taken_of(c, x) : NULL;
            if (from && !hc_capture_again(c, x) && !take_again(c, from)) return false;
        }
        if (c->retaken_count == known) return true;
    }
}

/* ---- the order of computing ---------------------------------------------------------------------------- */

static int compare_turns(const void *a, const void *b) {
    const HcTurn *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    if (x->again != y->again) return x->again ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

HcTurn *hc_capture_order(const HcCapture *c) {
    HcTurn *turns = hc_alloc(c->p->count, sizeof *turns);
    size_t count = 0;
    for (size_t i = 0; turns && i < c->tape->count; i++) {
        if (!c->live[i]) continue;
        HcTurn *turn = &turns[count++];
        *turn = (HcTurn){i, i, false};
        for (size_t r = 0; r < c->retaken_count; r++)
            if (i >= c->retaken[r].first && i < c->retaken[r].end) {
                turn->time = c->retaken[r].stood;
                turn->again = true;
            }
    }
    if (turns && c->retaken_count > 0) qsort(turns, count, sizeof *turns, compare_turns);
    return turns;
}
