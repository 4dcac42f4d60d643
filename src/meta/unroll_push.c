/* Forward mode through a step. Its Jacobian, times what came in, is the derivative of what goes out. That is taken by
 * two sweeps, as in tensor_jvp: one down from all that goes out with cotangents u, recorded, which is linear in u; and
 * for each direction one down from there to u. The first, and the way of the second, are all directions'. */
#include "meta/unroll_push.h"

#include <string.h>

#include "ops/ops.h"

static const char who[] = "unroll";

/* ---- the first sweep ------------------------------------------------------------------------ */

/* One tensor in several places comes in once, and not at all where it is an outer tensor. */
static bool comes_in(const HcUnroll *u, const HcStepped *step, size_t i) {
    bool in = step->point && step->point->same[i] == i;
    for (size_t j = 0; j < u->input_count; j++)
        in = in && step->begins[i] != u->inputs[j];
    return in;
}

static bool make_lists(HcUnroll *u, const HcStepped *step, HcPulled *p) {
    Tape *tape = u->tape;
    size_t all = u->count + u->input_count;
    Tensor **lists = hc_tape_alloc(tape, (2 * u->count + 4 * all) * sizeof *lists, who);
    p->place = hc_tape_alloc(tape, (u->count + all + u->input_count) * sizeof *p->place, who);
    if (!lists || !p->place) return false;
    p->step = step;
    p->from = p->place + u->count;
    p->first = p->from + all;
    for (size_t j = 0, before = 0; j < u->input_count; before += u->inputs[j++]->form->count)
        p->first[j] = before;
    p->outs = lists;
    p->us = p->outs + u->count;
    p->begins = p->us + u->count;
    p->linear = p->begins + all;
    p->starts = p->linear + all;
    p->vectors = p->starts + all;
    p->out_count = p->start_count = 0;
    for (size_t i = 0; i < all; i++) {
        Tensor *x = i >= u->count ? u->inputs[i - u->count] : comes_in(u, step, i) ? step->begins[i] : NULL;
        p->begins[i] = x && (x->flags & HC_NODE_NEEDS) ? x : NULL;
        p->linear[i] = NULL;
    }
    return true;
}

static bool add_out(HcUnroll *u, HcPulled *p, size_t i, Tensor *x) {
    Tensor *zero = hc_emit_leaf(u->tape, who, u->shapes[i], NULL, HC_WHY_NOTHING);
    if (!zero) return false;
    u->tape->k->fill(zero->data, zero->form->count, 0);
    p->place[p->out_count] = i;
    p->outs[p->out_count] = x;
    p->us[p->out_count++] = zero;
    return true;
}

static bool sweep(HcUnroll *u, HcPulled *p, unsigned flags) {
    size_t all = u->count + u->input_count;
    HcSweep s;
    Tensor *start = hc_start_at(p->outs, p->us, p->out_count);
    if (!start || !hc_sweep_begin(&s, start, HC_SWEEP_CUT | HC_SWEEP_RECORD | flags)) return false;
    bool done = true;
    for (size_t i = 0; i < all && done; i++)
        if (p->begins[i]) done = hc_sweep_want(&s, p->begins[i]);
    done = done && hc_sweep_find(&s) && hc_sweep_run(&s, NULL);
    for (size_t i = 0; i < all && done; i++) {
        size_t k = p->begins[i] ? hc_sweep_number(&s, p->begins[i]) : s.count;
        p->linear[i] = k < s.count ? s.nodes[k].cotangent : NULL;
    }
    hc_sweep_end(&s);
    return done;
}

bool hc_pull(HcUnroll *u, const HcStepped *step, unsigned flags, HcPulled *p) {
    bool done = make_lists(u, step, p);
    for (size_t i = 0; i < u->count && done; i++) {
        Tensor *x = step->ends[i];
        if (x && (x->flags & HC_NODE_NEEDS)) done = add_out(u, p, i, x);
    }
    return done && (p->out_count == 0 || sweep(u, p, flags));
}

/* ---- the second ----------------------------------------------------------------------------- */

/* Parts that meet a tangent in any direction. */
static void list_starts(const HcUnroll *u, HcPulled *p) {
    const HcTangents *from = p->step->from;
    for (size_t i = 0; i < u->count + u->input_count; i++) {
        bool there = i >= u->count;
        for (size_t d = 0; from && d < from->count && !there; d++)
            there = from->there[d * u->count + i];
        if (!p->linear[i] || !there) continue;
        p->starts[p->start_count] = p->linear[i];
        p->from[p->start_count++] = i;
    }
}

/* The tangent of outer tensor j along direction `at` of its own: one 1. */
static Tensor *unit(HcUnroll *u, size_t j, size_t at) {
    Tensor *x = tensor_zeros(u->tape, hc_form_shape(u->inputs[j]->form));
    if (x && u->tape->dtype == HC_F32) ((float *)x->data)[at] = 1;
    if (x && u->tape->dtype == HC_F64) ((double *)x->data)[at] = 1;
    return x;
}

/* What place i meets in direction d: NULL for zeros, or after hc_fail. */
static Tensor *vector_at(HcUnroll *u, const HcPulled *p, size_t d, size_t i) {
    const HcTangents *from = p->step->from;
    if (i >= u->count) {
        size_t j = i - u->count, at = d - p->first[j];
        return d >= p->first[j] && at < u->inputs[j]->form->count ? unit(u, j, at) : NULL;
    }
    if (!from->there[d * u->count + i]) return NULL;
    char *numbers = from->numbers + d * u->all.bytes + u->all.offset[i];
    return hc_emit_leaf(u->tape, who, u->shapes[i], numbers, HC_WHY_CONSTANT);
}

/* In one direction. What only computes leaves nothing. */
static bool push(HcUnroll *u, HcPulled *p, HcSweep *s, size_t d, HcPushed *fn, void *user) {
    Tape *tape = u->tape;
    TapeMark mark = tape_mark(tape);
    size_t born = tape->born_count;
    for (size_t k = 0; k < p->start_count; k++)
        p->vectors[k] = vector_at(u, p, d, p->from[k]);
    bool done = tape->status == HC_OK && hc_sweep_run(s, NULL) && fn(u, p, s, d, user);
    hc_sweep_clear(s);
    hc_drop_born(tape, born);
    return (s->flags & HC_SWEEP_ABSTRACT || tape_release(tape, mark)) && done;
}

bool hc_push(HcUnroll *u, HcPulled *p, unsigned flags, HcPushed *fn, void *user) {
    HcSweep s;
    list_starts(u, p);
    if (p->start_count == 0) return true;
    Tensor *start = hc_start_at(p->starts, p->vectors, p->start_count);
    if (!start || !hc_sweep_begin(&s, start, HC_SWEEP_CUT | flags)) return false;
    bool done = true;
    for (size_t i = 0; i < p->out_count && done; i++)
        done = hc_sweep_want(&s, p->us[i]);
    done = done && hc_sweep_find(&s);
    for (size_t d = 0; d < p->step->to->count && done; d++)
        done = push(u, p, &s, d, fn, user);
    hc_sweep_end(&s);
    return done;
}

static bool take_numbers(HcUnroll *u, const HcPulled *p, const HcSweep *s, size_t d, void *user) {
    HcTangents *to = user;
    for (size_t i = 0; i < p->out_count; i++) {
        size_t k = hc_sweep_number(s, p->us[i]), at = p->place[i];
        const Tensor *tangent = k < s->count ? s->nodes[k].cotangent : NULL;
        to->there[d * u->count + at] = tangent != NULL;
        if (tangent) hc_copy_dense(tangent, to->numbers + d * u->all.bytes + u->all.offset[at]);
    }
    return true;
}

bool hc_push_recorded(HcUnroll *u, const HcStepped *step) {
    HcPulled p;
    TapeMark mark = tape_mark(u->tape);
    bool done = hc_pull(u, step, 0, &p) && hc_push(u, &p, 0, take_numbers, step->to);
    return tape_release(u->tape, mark) && done;
}
