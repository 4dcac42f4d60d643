/* Forward mode: derivatives of all that steps hand on, with respect to the numbers of a few outer tensors, travel
 * with it. A step is recorded; its Jacobian, times what came in, is the derivative of what goes out. That is taken by
 * two sweeps, as in tensor_jvp: one down from all that goes out with cotangents u, recorded, which is linear in u; and
 * for each direction one down from there to u. The first is the same for all directions. */
#include <string.h>

#include "grad/sweep.h"
#include "meta/reads.h"
#include "meta/unroll.h"
#include "ops/ops.h"

static const char who[] = "unroll";

/* ---- through a step ------------------------------------------------------------------------- */

/* What goes out, with u; what came in and the outer tensors, with the cotangents that are linear in u. */
typedef struct Pulled {
    Tensor **outs, **us;
    size_t *place, out_count;  /* of outs, in the carried list */
    Tensor **begins, **linear; /* [count + outer]; linear[i] may be NULL */
    size_t *first;             /* [outer]: its first direction */
    Tensor **starts, **vectors;
    size_t *from; /* of starts: their places in linear */
} Pulled;

static bool make_pulled(HcUnroll *u, Pulled *p) {
    Tape *tape = u->tape;
    size_t all = u->count + u->input_count;
    Tensor **lists = hc_tape_alloc(tape, (2 * u->count + 4 * all) * sizeof *lists, who);
    p->place = hc_tape_alloc(tape, (u->count + all + u->input_count) * sizeof *p->place, who);
    if (!lists || !p->place) return false;
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
    p->out_count = 0;
    for (size_t i = 0; i < all; i++) {
        p->linear[i] = NULL;
        p->begins[i] = i < u->count ? NULL : u->inputs[i - u->count];
    }
    return true;
}

static bool add_out(HcUnroll *u, Pulled *p, size_t i, Tensor *x) {
    Tensor *zero = hc_emit_leaf(u->tape, who, u->shapes[i], NULL, HC_WHY_NOTHING);
    if (!zero) return false;
    u->tape->k->fill(zero->data, zero->form->count, 0);
    p->place[p->out_count] = i;
    p->outs[p->out_count] = x;
    p->us[p->out_count++] = zero;
    return true;
}

/* The first sweep. */
static bool pull(HcUnroll *u, Pulled *p) {
    size_t all = u->count + u->input_count;
    HcSweep s;
    Tensor *start = hc_start_at(p->outs, p->us, p->out_count);
    if (!start || !hc_sweep_begin(&s, start, HC_SWEEP_CUT | HC_SWEEP_RECORD)) return false;
    bool done = true;
    for (size_t i = 0; i < all && done; i++) {
        if (p->begins[i] && !(p->begins[i]->flags & HC_NODE_NEEDS)) p->begins[i] = NULL;
        if (p->begins[i]) done = hc_sweep_want(&s, p->begins[i]);
    }
    done = done && hc_sweep_find(&s) && hc_sweep_run(&s, NULL);
    for (size_t i = 0; i < all && done; i++) {
        size_t k = p->begins[i] ? hc_sweep_number(&s, p->begins[i]) : s.count;
        p->linear[i] = k < s.count ? s.nodes[k].cotangent : NULL;
    }
    hc_sweep_end(&s);
    return done;
}

/* The tangent of outer tensor j along direction `at` of its own: one 1. */
static Tensor *unit(HcUnroll *u, size_t j, size_t at) {
    Tensor *x = tensor_zeros(u->tape, hc_form_shape(u->inputs[j]->form));
    if (x && u->tape->dtype == HC_F32) ((float *)x->data)[at] = 1;
    if (x && u->tape->dtype == HC_F64) ((double *)x->data)[at] = 1;
    return x;
}

/* Lists the linear cotangents that meet a tangent in any direction, with the places of what they belong to; their
 * number. */
static size_t list_starts(const HcUnroll *u, Pulled *p, const HcTangents *from) {
    size_t n = 0;
    for (size_t i = 0; i < u->count + u->input_count; i++) {
        bool there = i >= u->count;
        for (size_t d = 0; from && d < from->count && !there; d++)
            there = from->there[d * u->count + i];
        if (!p->linear[i] || !there) continue;
        p->starts[n] = p->linear[i];
        p->from[n++] = i;
    }
    return n;
}

/* What place i meets in direction d: NULL for zeros, or after hc_fail. */
static Tensor *vector_at(HcUnroll *u, const Pulled *p, const HcTangents *from, size_t d, size_t i) {
    if (i >= u->count) {
        size_t j = i - u->count, at = d - p->first[j];
        return d >= p->first[j] && at < u->inputs[j]->form->count ? unit(u, j, at) : NULL;
    }
    if (!from->there[d * u->count + i]) return NULL;
    char *numbers = from->numbers + d * u->all.bytes + u->all.offset[i];
    return hc_emit_leaf(u->tape, who, u->shapes[i], numbers, HC_WHY_CONSTANT);
}

/* The second sweep, found once, in one direction. */
static bool push(HcUnroll *u, Pulled *p, HcSweep *s, size_t d, HcTangents *to) {
    Tape *tape = u->tape;
    size_t born = tape->born_count;
    bool done = hc_sweep_run(s, NULL);
    for (size_t i = 0; i < p->out_count && done; i++) {
        size_t k = hc_sweep_number(s, p->us[i]), at = p->place[i];
        Tensor *tangent = k < s->count ? s->nodes[k].cotangent : NULL;
        to->there[d * u->count + at] = tangent != NULL;
        if (tangent) hc_copy_dense(tangent, to->numbers + d * u->all.bytes + u->all.offset[at]);
    }
    hc_sweep_clear(s);
    hc_drop_born(tape, born);
    return done;
}

static bool push_each(HcUnroll *u, Pulled *p, const HcTangents *from, HcTangents *to) {
    Tape *tape = u->tape;
    HcSweep s;
    size_t n = list_starts(u, p, from);
    if (n == 0) return true;
    Tensor *start = hc_start_at(p->starts, p->vectors, n);
    if (!start || !hc_sweep_begin(&s, start, HC_SWEEP_CUT)) return false;
    bool done = true;
    for (size_t i = 0; i < p->out_count && done; i++)
        done = hc_sweep_want(&s, p->us[i]);
    done = done && hc_sweep_find(&s);
    for (size_t d = 0; d < to->count && done; d++) {
        TapeMark mark = tape_mark(tape);
        for (size_t k = 0; k < n; k++)
            p->vectors[k] = vector_at(u, p, from, d, p->from[k]);
        done = tape->status == HC_OK && push(u, p, &s, d, to);
        done = tape_release(tape, mark) && done;
    }
    hc_sweep_end(&s);
    return done;
}

/* What a step begins with, and the tangents of that. */
typedef struct Place {
    HcPoint point;
    HcTangents tangents;
} Place;

/* One tensor in several places comes in once, and not at all where it is an outer tensor. */
static bool comes_in(const HcUnroll *u, const Place *at, Tensor *const *begins, size_t i) {
    bool in = at->point.same[i] == i;
    for (size_t j = 0; j < u->input_count; j++)
        in = in && begins[i] != u->inputs[j];
    return in;
}

/* Tangents of `ends` from those of what came in: `begins`, of a place (NULL: the outer tensors alone). */
static bool push_all(HcUnroll *u, const Place *at, Tensor *const *begins, Tensor *const *ends, HcTangents *to) {
    const HcTangents *from = at ? &at->tangents : NULL;
    Pulled p;
    TapeMark mark = tape_mark(u->tape);
    bool done = make_pulled(u, &p);
    for (size_t i = 0; i < u->count && done && at; i++)
        if (comes_in(u, at, begins, i)) p.begins[i] = begins[i];
    for (size_t i = 0; i < u->count && done; i++)
        if (ends[i] && (ends[i]->flags & HC_NODE_NEEDS)) done = add_out(u, &p, i, ends[i]);
    if (done && p.out_count > 0) done = pull(u, &p) && push_each(u, &p, from, to);
    return tape_release(u->tape, mark) && done;
}

/* ---- the rule ------------------------------------------------------------------------------- */

static double dot(const Tape *tape, const void *a, const void *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += tape->dtype == HC_F32 ? (double)((const float *)a)[i] * (double)((const float *)b)[i]
                                     : ((const double *)a)[i] * ((const double *)b)[i];
    return sum;
}

/* to[i], of a leaf with outer tensor j's shape, gets what flows along its direction. */
static void gather_for(const HcUnroll *u, const bool *flows, const char *cotangents, size_t before, Tensor *to) {
    const HcTangents *t = &u->tangents;
    for (size_t k = 0; k < to->form->count; k++) {
        size_t d = before + k;
        double sum = u->tape->dtype == HC_F32 ? (double)((float *)to->data)[k] : ((double *)to->data)[k];
        for (size_t i = 0; i < u->count; i++)
            if (flows[i] && t->there[d * u->count + i])
                sum += dot(u->tape, cotangents + u->all.offset[i], t->numbers + d * u->all.bytes + u->all.offset[i],
                           shape_count(u->shapes[i]));
        if (u->tape->dtype == HC_F32)
            ((float *)to->data)[k] = (float)sum;
        else
            ((double *)to->data)[k] = sum;
    }
}

static bool run_pass(HcSweep *s, void *state, const bool *needed, Tensor **results) {
    HcUnroll *u = state;
    Tape *tape = u->tape;
    bool *flows = hc_tape_alloc(tape, u->count, who);
    char *cotangents = hc_tape_alloc(tape, u->all.bytes, who);
    if (!flows || !cotangents) return false;
    for (size_t i = 0, part = 0; i < u->count; i++) {
        Tensor *g = hc_unroll_is_part(u, i) ? hc_part_cotangent(s, part++) : NULL;
        flows[i] = g != NULL;
        if (g) hc_copy_dense(g, cotangents + u->all.offset[i]);
    }
    for (size_t j = 0, before = 0; j < u->input_count; before += u->inputs[j++]->form->count) {
        if (!needed[j]) continue;
        Tensor *there = hc_take(s, (unsigned)j);
        Tensor *sum = tensor_zeros(tape, hc_form_shape(u->inputs[j]->form));
        if (!sum) return false;
        if (there) hc_copy_dense(there, sum->data);
        gather_for(u, flows, cotangents, before, sum);
        if (!(results[j] = hc_apart(sum))) return false;
    }
    return true;
}

static void tangents_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tape *tape = y->tape;
    (void)gy; /* that of a part; the others have theirs */
    if (tape->manner.abstract || (tape->manner.recording && !tape->manner.scratching)) {
        hc_fail(tape, HC_ERR_STATE,
                "%s: with HC_KEEP_TANGENTS its backward pass can be neither recorded nor held by a Program", who);
        return;
    }
    hc_again_pass(s, y, run_pass);
}

static const HcOp op_tangents = {.name = "unroll",
                                 .flags = HC_OP_PARTS | HC_OP_MORE,
                                 .arity = 1,
                                 .infer = hc_unroll_infer,
                                 .forward = hc_unroll_forward,
                                 .vjp = tangents_vjp};

/* ---- the loop ------------------------------------------------------------------------------- */

static bool make_tangents(HcUnroll *u, HcTangents *t) {
    *t = (HcTangents){.count = 0};
    for (size_t j = 0; j < u->input_count; j++)
        t->count += u->inputs[j]->form->count;
    if (t->count > 0 && (u->all.bytes > SIZE_MAX / t->count || u->count > SIZE_MAX / t->count))
        return hc_fail_nomem(u->tape, who);
    t->there = hc_tape_alloc(u->tape, t->count * u->count, who);
    t->numbers = hc_tape_alloc(u->tape, t->count * u->all.bytes, who);
    return t->there && t->numbers;
}

static void clear(const HcUnroll *u, HcTangents *t) {
    memset(t->there, 0, t->count * u->count);
}

/* Of another loop in forward mode, which this one goes on from. */
static bool follows(const HcUnroll *u, const HcUnroll *other) {
    bool same = other && other->tangents.count == u->tangents.count && other->input_count == u->input_count;
    for (size_t j = 0; same && j < u->input_count; j++) {
        const Tensor *a = other->inputs[j], *b = u->inputs[j];
        bool params = a->flags & b->flags & HC_NODE_PARAM;
        same = a == b || (params && hc_param_of(a) == hc_param_of(b));
    }
    return same;
}

/* Those of what the loop begins with. */
static bool first_tangents(HcUnroll *u, HcTangents *to) {
    for (size_t i = 0; i < u->count; i++) {
        size_t at = 0;
        const HcUnroll *other = hc_unroll_of(u->first[i], &at);
        u->now[i] = u->first[i];
        if (!follows(u, other)) continue;
        u->now[i] = NULL;
        for (size_t d = 0; d < to->count; d++) {
            to->there[d * u->count + i] = other->tangents.there[d * other->count + at];
            memcpy(to->numbers + d * u->all.bytes + u->all.offset[i],
                   other->tangents.numbers + d * other->all.bytes + other->all.offset[at],
                   u->first[i]->form->count * u->tape->item);
        }
    }
    return push_all(u, NULL, NULL, u->now, to);
}

/* Of a Param that was stepped on the way, the leaf that steps now read. */
static bool look_at_outer(HcUnroll *u, TensorList outer, Tensor **now) {
    for (size_t j = 0; j < outer.count; j++) {
        bool is_param = outer.items[j]->flags & HC_NODE_PARAM;
        now[j] = is_param ? param_tensor(u->tape, hc_param_of(outer.items[j])) : outer.items[j];
        if (!now[j]) return false;
    }
    u->inputs = now;
    return true;
}

/* What steps begin with, and the outer tensors, as they are on the tape. */
typedef struct Lists {
    Tensor **begins, **now;
    TensorList outer;
} Lists;

static bool step_on(HcUnroll *u, const Place *from, Place *to, const Lists *lists, const HcStand *stand) {
    Tape *tape = u->tape;
    Tensor **begins = lists->begins;
    size_t t = from->point.step;
    TapeMark mark = tape_mark(tape);
    Rng rng = from->point.rng;
    bool done = look_at_outer(u, lists->outer, lists->now) && hc_unroll_enter(u, &from->point, begins) &&
                hc_unroll_step(u, t, &rng, false) && hc_unroll_others_unchanged(u, &mark, t);
    if (done) {
        clear(u, &to->tangents);
        hc_unroll_gather(u, u->now);
        done = push_all(u, from, begins, u->now, &to->tangents);
    }
    if (done) hc_unroll_save(u, u->now, t + 1, rng, &to->point);
    hc_unroll_return(u, stand);
    return tape_release(tape, mark) && done;
}

/* Weights, state and buffers as of a place, as parts of an operation whose inputs are the outer tensors. */
static bool stand_at(HcUnroll *u, const Place *place, const Lists *lists) {
    u->end = place->point;
    u->tangents = place->tangents;
    return look_at_outer(u, lists->outer, lists->now) && hc_unroll_emit(u, &op_tangents, u->now) &&
           hc_unroll_put(u, u->now, place->point.numbers);
}

static bool judge_at(HcUnroll *u, const UnrollOptions *o, const Place *place, const Lists *lists,
                     const HcStand *stand) {
    TapeMark mark = tape_mark(u->tape);
    bool done = stand_at(u, place, lists) && hc_unroll_judge(u, o, place->point.step);
    Rng rng = u->tape->rng;
    hc_unroll_return(u, stand);
    done = tape_release(u->tape, mark) && done;
    u->inputs = lists->outer.items;
    u->tape->rng = rng;
    return done;
}

static bool make_place(HcUnroll *u, Place *place) {
    if (!hc_unroll_room(u, &place->point) || !make_tangents(u, &place->tangents)) return false;
    clear(u, &place->tangents);
    return true;
}

bool hc_unroll_with_tangents(HcUnroll *u, const UnrollOptions *o, size_t before, const HcStand *stand) {
    Place places[2] = {{.point = {.step = 0}}, {.point = {.step = 0}}};
    size_t count = o->outer.count;
    Tensor **outer = hc_tape_alloc(u->tape, 2 * count * sizeof *outer, who);
    Lists lists = {.begins = hc_tape_alloc(u->tape, u->count * sizeof(Tensor *), who)};
    if (!outer || !lists.begins) return false;
    memcpy(outer, o->outer.items, count * sizeof *outer);
    lists.outer = (TensorList){outer, count};
    lists.now = outer + count;
    u->inputs = outer;
    u->input_count = u->flowing = count;
    if (!make_place(u, &places[0]) || !make_place(u, &places[1])) return false;
    u->tangents.count = places[0].tangents.count;
    hc_unroll_save(u, u->first, 0, o->rng ? *o->rng : rng_seed(0), &places[0].point);
    bool done = first_tangents(u, &places[0].tangents);
    size_t t = 0;
    while (t < u->steps && done) {
        done = step_on(u, &places[t % 2], &places[(t + 1) % 2], &lists, stand);
        t++;
        Place *at = &places[t % 2];
        done = done && hc_unroll_tell(u, o, before + t);
        if (!done || o->window == 0 || (t % o->window != 0 && t < u->steps)) continue;
        done = judge_at(u, o, at, &lists, stand);
        at->point.of_tape = u->tape->rng;
    }
    const Place *end = &places[t % 2];
    if (!done || !stand_at(u, end, &lists)) return false;
    for (size_t i = 0; i < u->opt_count; i++)
        u->opts[i]->now->unroll = u;
    u->tape->rng = end->point.of_tape;
    if (o->rng) *o->rng = end->point.rng;
    return true;
}
