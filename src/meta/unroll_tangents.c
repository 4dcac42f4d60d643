/* Forward mode: derivatives of all that steps hand on, with respect to the numbers of a few outer tensors, travel
 * with it, step by step. */
#include <string.h>

#include "meta/reads.h"
#include "meta/unroll_push.h"
#include "ops/ops.h"

static const char who[] = "unroll";

/* What a step begins with, and the tangents of that. */
typedef struct Place {
    HcPoint point;
    HcTangents tangents;
} Place;

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
    return hc_push_recorded(u, &(HcStepped){.ends = u->now, .to = to});
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

/* What steps begin with, and the outer tensors, as they are on the tape; and what pushes through steps. */
typedef struct Lists {
    Tensor **begins, **now;
    TensorList outer;
    HcPushes *pushes;
} Lists;

static bool step_on(HcUnroll *u, const Place *from, Place *to, const Lists *lists, const HcStand *stand) {
    Tape *tape = u->tape;
    Tensor **begins = lists->begins;
    size_t t = from->point.step, base = tape->count;
    TapeMark mark = tape_mark(tape);
    Rng rng = from->point.rng;
    bool done = look_at_outer(u, lists->outer, lists->now) && hc_unroll_enter(u, &from->point, begins);
    size_t entered = tape->count;
    done = done && hc_unroll_step(u, t, &rng, false) && hc_unroll_others_unchanged(u, &mark, t);
    if (done) {
        clear(u, &to->tangents);
        hc_unroll_gather(u, u->now);
        HcStepped step = {base, entered, &from->point, begins, u->now, &from->tangents, &to->tangents};
        done = hc_push_step(u, &step, u->steps - t, lists->pushes);
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

static bool run(HcUnroll *u, const UnrollOptions *o, size_t before, const HcStand *stand, HcPushes *pushes) {
    Place places[2] = {{.point = {.step = 0}}, {.point = {.step = 0}}};
    size_t count = o->outer.count;
    Tensor **outer = hc_tape_alloc(u->tape, 2 * count * sizeof *outer, who);
    Lists lists = {.begins = hc_tape_alloc(u->tape, u->count * sizeof(Tensor *), who), .pushes = pushes};
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

bool hc_unroll_with_tangents(HcUnroll *u, const UnrollOptions *o, size_t before, const HcStand *stand) {
    HcPushes pushes = {.tape = NULL};
    bool done = run(u, o, before, stand, &pushes);
    hc_pushes_end(&pushes);
    return done;
}
