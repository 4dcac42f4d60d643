/* The operation that an unrolled loop is on the tape, and its rule: segments of the loop are
 * recorded again, from the last, each from its point; what flows into a segment's end is swept down
 * to its beginning and to what its steps read. The cotangent of that goes through all segments, so
 * that it is added up in the order of the stored loop. */
#include <string.h>

#include "grad/sweep.h"
#include "meta/reads.h"
#include "meta/unroll.h"
#include "ops/ops.h"

static const char who[] = "unroll";

/* ---- cotangents between segments ------------------------------------------------------------ */

/* Numbers of a cotangent for each of a list, stored as it was, or none. */
typedef struct Flow {
    size_t count;
    size_t *offset;
    bool *there;
    HcForm *forms;
    char *data;
} Flow;

/* While a pass runs: what flows to the carried list and to the inputs, twice, for the new is made
 * of the old. */
typedef struct Pass {
    HcUnroll *u;
    const bool *needed;    /* [input_count] */
    size_t *offset, bytes; /* of inputs in a flow */
    Flow carried[2], inputs[2];
    unsigned now;
    Tensor **beginnings, **ends;   /* [count] */
    Tensor **starts, **cotangents; /* [count + input_count] */
    HcPoint *current;
} Pass;

/* Memory of a pass goes with the mark at which it began. */
static bool make_flow(HcUnroll *u, size_t count, size_t *offset, size_t bytes, Flow *flow) {
    *flow = (Flow){.count = count, .offset = offset};
    flow->there = hc_tape_alloc(u->tape, count * sizeof *flow->there, who);
    flow->forms = hc_tape_alloc(u->tape, count * sizeof *flow->forms, who);
    flow->data = hc_tape_alloc(u->tape, bytes, who);
    if (!flow->there || !flow->forms || !flow->data) return false;
    memset(flow->there, 0, count * sizeof *flow->there);
    return true;
}

static void put(Flow *flow, size_t i, const Tensor *x) {
    flow->there[i] = x != NULL;
    if (!x) return;
    char *to = flow->data + flow->offset[i];
    bool fits = hc_extent(x->form) <= x->form->count; /* else it has holes */
    flow->forms[i] = fits ? *x->form : *x->form->plain;
    if (!fits)
        hc_copy_dense(x, to);
    else if (x->form->count)
        memcpy(to, x->data, hc_extent(x->form) * x->tape->item);
}

static Tensor *leaf_of(Tape *tape, const Flow *flow, size_t i) {
    return hc_leaf_over(tape, who, &flow->forms[i], flow->data + flow->offset[i], HC_WHY_NO_GRAPH);
}

static bool make_lists(HcUnroll *u, Pass *pass) {
    size_t all = u->count + u->input_count;
    pass->beginnings = hc_tape_alloc(u->tape, u->count * sizeof(Tensor *), who);
    pass->ends = hc_tape_alloc(u->tape, u->count * sizeof(Tensor *), who);
    pass->starts = hc_tape_alloc(u->tape, all * sizeof(Tensor *), who);
    pass->cotangents = hc_tape_alloc(u->tape, all * sizeof(Tensor *), who);
    return pass->beginnings && pass->ends && pass->starts && pass->cotangents;
}

static bool make_pass(HcUnroll *u, const bool *needed, Pass *pass) {
    *pass = (Pass){.u = u, .needed = needed};
    pass->offset = hc_tape_alloc(u->tape, u->input_count * sizeof *pass->offset, who);
    if (!pass->offset || !make_lists(u, pass)) return false;
    for (size_t j = 0; j < u->input_count; j++) {
        size_t bytes = needed[j] ? u->inputs[j]->form->count * u->tape->item : 0;
        pass->offset[j] = pass->bytes;
        pass->bytes += (bytes + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
    }
    for (int k = 0; k < 2; k++)
        if (!make_flow(u, u->count, u->all.offset, u->all.bytes, &pass->carried[k]) ||
            !make_flow(u, u->input_count, pass->offset, pass->bytes, &pass->inputs[k]))
            return false;
    return true;
}

/* ---- a segment ------------------------------------------------------------------------------ */

/* Adds one to what a sweep starts from. */
static void add_start(Pass *pass, size_t *count, Tensor *x, Tensor *cotangent) {
    pass->starts[*count] = x;
    pass->cotangents[(*count)++] = cotangent;
}

/* Ends with cotangents, and the inputs with what has gathered for them. */
static size_t starts_of(Pass *pass) {
    const HcUnroll *u = pass->u;
    const Flow *carried = &pass->carried[pass->now], *inputs = &pass->inputs[pass->now];
    size_t n = 0;
    for (size_t j = 0; j < u->input_count; j++)
        if (inputs->there[j])
            add_start(pass, &n, u->inputs[j], leaf_of(u->tape, inputs, j));
    for (size_t i = 0; i < u->count; i++)
        if (carried->there[i] && pass->ends[i])
            add_start(pass, &n, pass->ends[i], leaf_of(u->tape, carried, i));
    return n;
}

static Tensor *cotangent_of(const HcSweep *s, const Tensor *x) {
    size_t k = x ? hc_sweep_number(s, x) : s->count;
    return k < s->count ? s->nodes[k].cotangent : NULL;
}

static bool want_all(const Pass *pass, HcSweep *s, const HcPoint *from) {
    const HcUnroll *u = pass->u;
    for (size_t j = 0; j < u->input_count; j++)
        if (pass->needed[j] && !hc_sweep_want(s, u->inputs[j])) return false;
    for (size_t i = 0; i < u->count; i++)
        if (hc_unroll_flows(from, i) && !hc_sweep_want(s, pass->beginnings[i])) return false;
    return true;
}

static bool sweep_segment(Pass *pass, const HcPoint *from, size_t starts) {
    const HcUnroll *u = pass->u;
    Flow *carried = &pass->carried[!pass->now], *inputs = &pass->inputs[!pass->now];
    HcSweep s;
    Tensor *start = hc_start_at(pass->starts, pass->cotangents, starts);
    if (!start || !hc_sweep_begin(&s, start, HC_SWEEP_CUT)) return false;
    size_t born = u->tape->born_count;
    bool done = want_all(pass, &s, from) && hc_sweep_find(&s) && hc_sweep_run(&s, NULL);
    for (size_t i = 0; i < u->count && done; i++)
        put(carried, i,
            hc_unroll_flows(from, i) ? cotangent_of(&s, pass->beginnings[i]) : NULL);
    for (size_t j = 0; j < u->input_count && done; j++)
        put(inputs, j, pass->needed[j] ? cotangent_of(&s, u->inputs[j]) : NULL);
    hc_sweep_end(&s);
    hc_drop_born(u->tape, born);
    pass->now = !pass->now;
    return done;
}

/* The segment from a point to step `to`. */
static bool reverse_from(Pass *pass, HcPoint *from, size_t to) {
    HcUnroll *u = pass->u;
    HcPoint *spare = from == &u->spare[0] ? &u->spare[1] : &u->spare[0];
    HcStand stand;
    TapeMark mark = tape_mark(u->tape);
    if (!hc_unroll_stand(u, &stand)) return false;
    Rng rng = from->rng;
    bool done = hc_unroll_enter(u, from, pass->beginnings) && hc_unroll_record(u, from->step, to, &rng);
    if (done) {
        hc_unroll_gather(u, pass->ends);
        hc_unroll_save(u, pass->ends, to, rng, spare);
        size_t starts = starts_of(pass);
        done = hc_unroll_recognise(u, spare, true) && u->tape->status == HC_OK &&
               (starts == 0 || sweep_segment(pass, from, starts));
    }
    hc_unroll_return(u, &stand);
    return tape_release(u->tape, mark) && done;
}

static bool advance(void *user, size_t place, size_t to, size_t into) {
    Pass *pass = user;
    pass->current = hc_unroll_walk(pass->u, place, to, into, NULL, NULL);
    return pass->current != NULL;
}

static bool reverse(void *user, size_t place, size_t segment) {
    Pass *pass = user;
    HcPoint *from = place == HC_CURRENT ? pass->current : hc_unroll_point(pass->u, place);
    return reverse_from(pass, from, hc_unroll_begin_of(pass->u, segment + 1));
}

/* ---- the rule ------------------------------------------------------------------------------- */

/* Segment by segment. */
static bool run_pass(HcSweep *s, void *state, const bool *needed, Tensor **results) {
    HcUnroll *u = state;
    Pass pass;
    if (!make_pass(u, needed, &pass)) return false;
    for (size_t i = 0, part = 0; i < u->count; i++)
        if (hc_unroll_is_part(u, i)) put(&pass.carried[0], i, hc_part_cotangent(s, part++));
    for (unsigned j = 0; j < u->input_count; j++)
        if (needed[j]) put(&pass.inputs[0], j, hc_take(s, j));
    bool done = hc_walk_back(&u->walk, &(HcMoves){advance, reverse, &pass});
    const Flow *inputs = &pass.inputs[pass.now];
    for (size_t j = 0; j < u->input_count && done; j++) {
        if (!inputs->there[j]) continue;
        Tensor *leaf = leaf_of(u->tape, inputs, j);
        done = leaf && (results[j] = hc_apart(leaf)) != NULL;
    }
    return done;
}

/* All steps on the tape, for good, as history of the gradients. */
static void backward_recorded(HcSweep *s, HcUnroll *u) {
    Pass pass;
    HcStand stand;
    HcSweep inner;
    size_t starts = 0;
    Rng rng = u->begin.rng;
    bool *needed = hc_tape_alloc(u->tape, u->input_count * sizeof *needed, who);
    for (unsigned j = 0; needed && j < u->input_count; j++)
        needed[j] = hc_needs(s, j);
    if (!needed || !make_pass(u, needed, &pass) || !hc_unroll_stand(u, &stand)) return;
    HcAgain was = hc_again_begin(u->tape);
    bool done = hc_unroll_enter(u, &u->begin, pass.beginnings) && hc_unroll_record(u, 0, u->steps, &rng);
    if (done) {
        hc_unroll_gather(u, pass.ends);
        hc_unroll_save(u, pass.ends, u->steps, rng, &u->spare[0]);
        done = hc_unroll_recognise(u, &u->spare[0], true);
    }
    for (size_t o = 0; o < u->opt_count; o++)
        hc_settings_back(u->opts[o], &was.mark);
    hc_unroll_return(u, &stand);
    hc_again_leave(u->tape, was);
    for (unsigned j = 0; j < u->input_count && done; j++) {
        Tensor *there = hc_take(s, j);
        if (!there) continue;
        there->flags &= (uint8_t)~HC_NODE_CONSUME;
        add_start(&pass, &starts, u->inputs[j], there);
    }
    for (size_t i = 0, part = 0; i < u->count && done; i++) {
        Tensor *cotangent = hc_unroll_is_part(u, i) ? hc_part_cotangent(s, part++) : NULL;
        if (cotangent) add_start(&pass, &starts, pass.ends[i], cotangent);
    }
    Tensor *start = done && starts > 0 ? hc_start_at(pass.starts, pass.cotangents, starts) : NULL;
    if (!start || !hc_sweep_begin(&inner, start, HC_SWEEP_CUT | HC_SWEEP_RECORD)) return;
    if (want_all(&pass, &inner, &u->begin) && hc_sweep_find(&inner) && hc_sweep_run(&inner, NULL))
        for (unsigned j = 0; j < u->input_count; j++)
            if (needed[j]) hc_give(s, j, cotangent_of(&inner, u->inputs[j]));
    hc_sweep_end(&inner);
}

static void unroll_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    HcUnroll *u = y->attr.custom.state;
    Tape *tape = y->tape;
    (void)gy; /* that of a part; the others have theirs */
    for (size_t j = 0; j < u->flowing; j++) /* what else was changed is found by what steps make of it */
        if (!hc_input_unchanged(y, j)) return;
    if (tape->manner.abstract)
        hc_unroll_back(s, y);
    else if (tape->manner.recording && !tape->manner.scratching)
        backward_recorded(s, u);
    else
        hc_again_pass(s, y, run_pass);
}

const HcOp hc_op_unroll = {.name = "unroll",
                               .flags = HC_OP_PARTS | HC_OP_MORE,
                               .arity = 1,
                               .infer = hc_unroll_infer,
                               .forward = hc_unroll_forward,
                               .vjp = unroll_vjp,
                               .own = hc_unroll_own};
