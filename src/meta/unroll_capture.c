/* A loop is made part of a Program. Segment by segment its steps are recorded once more, and what was recorded, with
 * the sweep through it, becomes programs that read what is carried, what was there before the loop and the cotangents
 * that come in at addresses of the loop's. */
#include <string.h>

#include "grad/sweep.h"
#include "meta/reads.h"
#include "meta/unroll_loop.h"
#include "ops/ops.h"
#include "program/capture.h"

static const char who[] = "unroll";

/* ---- the operation of a backward pass, on the tape ------------------------------------------- */

static bool back_infer(Tensor *y) {
    const HcBackNode *b = y->attr.custom.state;
    return hc_unroll_form(y, b->part_count, b->bytes);
}

/* It is met in abstract sweeps only. */
static bool back_forward(Tensor *y) {
    return hc_fail(y->tape, HC_ERR_STATE, "%s: its backward pass is run by Programs only", who);
}

static const HcOp op_back = {.name = "unroll",
                             .flags = HC_OP_PARTS | HC_OP_MORE | HC_OP_NODIFF,
                             .arity = 1,
                             .infer = back_infer,
                             .forward = back_forward,
                             .own = hc_back_own};

static bool back_part_infer(Tensor *y) {
    const Tensor *parent = hc_inputs(y)[0];
    const HcBackNode *b = parent->attr.custom.state;
    size_t i = y->attr.range.start;
    y->form = b->unroll->inputs[b->parts[i] - b->unroll->count]->form->plain;
    y->data = (char *)parent->data + b->offset[i];
    return true;
}

static const HcOp op_back_part = {
    .name = "unroll", .flags = HC_OP_ALIAS | HC_OP_NODIFF, .arity = 1, .infer = back_part_infer};

static size_t aligned(size_t bytes) {
    return (bytes + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
}

static void take_given(HcBackNode *b, size_t i, Tensor *cotangent, Tensor **in) {
    if (!cotangent) return;
    in[1 + b->given_count] = cotangent;
    b->given[b->given_count++] = i;
}

void hc_unroll_back(HcSweep *s, Tensor *y) {
    HcUnroll *u = y->attr.custom.state;
    size_t all = u->count + u->input_count;
    HcBackNode *b = hc_tape_alloc(u->tape, sizeof *b, who);
    size_t *lists = hc_tape_alloc(u->tape, 3 * all * sizeof *lists, who);
    Tensor **in = hc_tape_alloc(u->tape, (1 + all) * sizeof(Tensor *), who);
    if (!b || !lists || !in) return;
    *b = (HcBackNode){.unroll = u, .given = lists, .parts = lists + all, .offset = lists + 2 * all};
    in[0] = hc_part(y, 0);
    for (size_t i = 0, part = 0; i < u->count; i++)
        if (hc_unroll_is_part(u, i)) take_given(b, i, hc_part_cotangent(s, part++), in);
    for (unsigned j = 0; j < u->input_count; j++) {
        if (!hc_needs(s, j)) continue;
        take_given(b, u->count + j, hc_take(s, j), in);
        b->parts[b->part_count] = u->count + j;
        b->offset[b->part_count++] = b->bytes;
        b->bytes += aligned(u->inputs[j]->form->count * u->tape->item);
    }
    Tensor *back = hc_emit(&op_back, &(HcAttr){.custom = {.state = b}}, in, 1 + b->given_count);
    for (size_t i = 0; i < b->part_count && back; i++)
        hc_set(s, (unsigned)(b->parts[i] - u->count),
               hc_emit1(&op_back_part, &(HcAttr){.range = {.start = i}}, back));
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Goes with the loop, and is not touched: what a run writes need not be there yet. NULL after hc_fail on the tape. */
static void *loop_room(HcLoop *loop, Tape *tape, size_t bytes) {
    void *memory = hc_alloc(bytes ? bytes : 1, 1);
    if (memory && hc_grow((void **)&loop->memory, &loop->memory_capacity, loop->memory_count, loop->memory_count + 1,
                          sizeof *loop->memory)) {
        loop->memory[loop->memory_count++] = memory;
        loop->memory_bytes += bytes;
        return memory;
    }
    hc_free(memory);
    hc_fail_nomem(tape, who);
    return NULL;
}

/* The same, zeroed. */
static void *loop_alloc(HcLoop *loop, Tape *tape, size_t count, size_t size) {
    if (count > SIZE_MAX / size) return loop_room(loop, tape, SIZE_MAX);
    void *memory = loop_room(loop, tape, count * size);
    if (memory && count > 0) memset(memory, 0, count * size);
    return memory;
}

static void loop_destroy(void *object) {
    HcLoop *loop = object;
    hc_series_destroy(loop->series);
    hc_stamped_free(&loop->stamps);
    for (size_t i = 0; i < loop->memory_count; i++)
        hc_free(loop->memory[i]);
    hc_free(loop->memory);
    hc_free(loop);
}

static size_t loop_bytes(const void *object, size_t *table_bytes) {
    const HcLoop *loop = object;
    size_t bytes = hc_series_bytes(loop->series, table_bytes);
    return bytes + loop->memory_bytes;
}

static bool make_packed(HcLoop *loop, Tape *tape, size_t count, HcPacked *packed) {
    *packed = (HcPacked){.count = count};
    packed->offset = loop_alloc(loop, tape, count, sizeof *packed->offset);
    packed->bytes = loop_alloc(loop, tape, count, sizeof *packed->bytes);
    return packed->offset && packed->bytes;
}

static void add_packed(HcPacked *packed, size_t i, size_t bytes) {
    packed->offset[i] = packed->total;
    packed->bytes[i] = bytes;
    packed->total += aligned(bytes);
}

static bool finish_packed(HcLoop *loop, Tape *tape, HcPacked *packed) {
    packed->numbers = loop_room(loop, tape, packed->total);
    return packed->numbers != NULL;
}

static char *numbers_of(const HcPacked *packed, size_t i) {
    return packed->numbers + packed->offset[i];
}

/* ---- making --------------------------------------------------------------------------------- */

static bool make_lists(HcLoop *loop, const HcUnroll *u) {
    Tape *tape = u->tape;
    size_t item = tape->item;
    if (!make_packed(loop, tape, u->count, &loop->carried) || !make_packed(loop, tape, u->input_count, &loop->inputs))
        return false;
    loop->ends = loop_alloc(loop, tape, u->count, sizeof *loop->ends);
    if (!loop->ends) return false;
    for (size_t i = 0; i < u->count; i++) {
        loop->ends[i] = u->end.layout->offset[i];
        add_packed(&loop->carried, i, u->own[i] ? shape_count(u->shapes[i]) * item : 0);
    }
    for (size_t j = 0; j < u->input_count; j++) { /* a Param is read where it lives */
        bool is_param = u->inputs[j]->flags & HC_NODE_PARAM;
        add_packed(&loop->inputs, j, is_param ? 0 : hc_extent(u->inputs[j]->form) * item);
    }
    return finish_packed(loop, tape, &loop->carried) && finish_packed(loop, tape, &loop->inputs);
}

static bool fill_loop(HcLoop *loop, const HcUnroll *u) {
    Tape *tape = u->tape;
    size_t most = u->walk.most;
    loop->stands = HC_CURRENT;
    loop->walk = (HcWalk){.segments = u->walk.segments, .most = most, .used = 1};
    loop->walk.before = loop_alloc(loop, tape, most + 1, sizeof *loop->walk.before);
    loop->forward = loop_alloc(loop, tape, loop->walk.segments, sizeof *loop->forward);
    if (!loop->walk.before || !loop->forward || !make_lists(loop, u)) return false;
    size_t bytes = loop->carried.total;
    if (bytes > 0 && most > SIZE_MAX / bytes) return hc_fail_nomem(tape, who);
    loop->kept = loop_room(loop, tape, most * bytes);
    return loop->kept != NULL;
}

/* With the program, where all that is made later finds it. NULL after hc_fail. */
static HcLoop *make_loop(Program *p, HcUnroll *u) {
    HcSeries *series = hc_series_create(p->tape);
    HcLoop *loop = series ? hc_alloc_zero(1, sizeof *loop) : NULL;
    if (!loop) {
        hc_series_destroy(series);
        hc_fail_nomem(u->tape, who);
        return NULL;
    }
    loop->series = series;
    if (!hc_program_own(p, (HcOwned){u, loop, loop_destroy, loop_bytes})) { /* which has destroyed it */
        hc_fail_nomem(u->tape, who);
        return NULL;
    }
    return fill_loop(loop, u) ? loop : NULL;
}

/* ---- a segment ------------------------------------------------------------------------------ */

typedef struct Taking {
    HcUnroll *u;
    HcLoop *loop;
    HcBack *back; /* or NULL: forward only */
    HcPoint *current;
    Tensor **beginnings, **ends, **outputs; /* [count], [count], [count + input_count] */
    Tensor **starts, **cotangents;          /* [count + input_count] */
    HcAt *leaves;                           /* [2 (count + input_count)] */
    size_t leaf_count;
    bool *made;        /* [count + input_count] */
    const bool *flows; /* the same of the segment after this one */
} Taking;

static void add_leaf(Taking *t, const Tensor *leaf, void *numbers) {
    t->leaves[t->leaf_count++] = (HcAt){leaf, numbers};
}

static void add_leaves(Taking *t, const HcPoint *from) {
    const HcUnroll *u = t->u;
    t->leaf_count = 0;
    for (size_t i = 0; i < u->count; i++)
        if (from->carried[i] >= HC_HANDED_CONSTANT && from->same[i] == i)
            add_leaf(t, t->beginnings[i], numbers_of(&t->loop->carried, i));
    for (size_t j = 0; j < u->input_count; j++)
        if (!(u->inputs[j]->flags & HC_NODE_PARAM)) add_leaf(t, u->inputs[j], numbers_of(&t->loop->inputs, j));
}

/* A list like t->made, which the last segment with an equal one shares. */
static const bool *keep_made(Taking *t, size_t count, const bool *like) {
    if (like && memcmp(like, t->made, count) == 0) return like;
    bool *kept = loop_alloc(t->loop, t->u->tape, count, sizeof *kept);
    if (kept && count) memcpy(kept, t->made, count);
    return kept;
}

/* Makes what stands in t->outputs, in order where t->made says so, a program. */
static bool take_program(Taking *t, size_t base, size_t count, const bool *like, HcSegment *segment) {
    size_t outputs = 0;
    for (size_t i = 0; i < count; i++) {
        t->made[i] = t->outputs[i] != NULL;
        if (t->made[i]) t->outputs[outputs++] = t->outputs[i];
    }
    segment->made = keep_made(t, count, like);
    segment->program = outputs > 0 ? hc_series_count(t->loop->series) : SIZE_MAX;
    if (!segment->made || outputs == 0) return segment->made != NULL;
    HcStretch stretch = {base, t->leaves, t->leaf_count, t->outputs, outputs};
    Program *p = hc_capture_stretch(t->u->tape, t->loop->series, &stretch);
    return p && (hc_series_add(t->loop->series, p) || hc_fail_nomem(t->u->tape, who));
}

static bool take_forward(Taking *t, size_t base, size_t k) {
    HcUnroll *u = t->u;
    for (size_t i = 0; i < u->count; i++)
        t->outputs[i] = t->ends[i] == u->first[i] ? NULL : t->ends[i];
    return take_program(t, base, u->count, k + 1 < t->loop->walk.segments ? t->loop->forward[k + 1].made : NULL,
                        &t->loop->forward[k]);
}

/* What a sweep of the segment starts from. False after hc_fail. */
static bool find_starts(Taking *t, size_t *count) {
    const HcUnroll *u = t->u;
    *count = 0;
    for (size_t n = 0; n < u->count + u->input_count; n++) {
        size_t i = n < u->input_count ? u->count + n : n - u->input_count; /* inputs first */
        Tensor *x = i < u->count ? t->ends[i] : u->inputs[i - u->count];
        if (!t->flows[i] || !x) continue;
        char *numbers = numbers_of(&t->back->flows, i);
        Tensor *leaf = hc_emit_leaf(u->tape, who, hc_form_shape(x->form), numbers, HC_WHY_NO_GRAPH);
        if (!leaf) return false;
        add_leaf(t, leaf, numbers);
        t->starts[*count] = x;
        t->cotangents[(*count)++] = leaf;
    }
    return true;
}

static bool is_part(const HcBack *back, size_t i) {
    for (size_t k = 0; k < back->part_count; k++)
        if (back->parts[k] == i) return true;
    return false;
}

/* The tensor whose cotangent at the segment's beginning is wanted, or NULL. */
static Tensor *wanted(const Taking *t, const HcPoint *from, size_t i) {
    const HcUnroll *u = t->u;
    if (i < u->count) return hc_unroll_flows(from, i) ? t->beginnings[i] : NULL;
    return is_part(t->back, i) ? u->inputs[i - u->count] : NULL;
}

/* t->outputs[i] is to be cotangent i there. */
static bool sweep(Taking *t, const HcPoint *from, size_t starts) {
    size_t all = t->u->count + t->u->input_count;
    HcSweep s;
    Tensor *start = hc_start_at(t->starts, t->cotangents, starts);
    if (!start || !hc_sweep_begin(&s, start, HC_SWEEP_CUT | HC_SWEEP_ABSTRACT)) return false;
    bool done = true;
    for (size_t i = 0; i < all && done; i++)
        if (wanted(t, from, i)) done = hc_sweep_want(&s, wanted(t, from, i));
    done = done && hc_sweep_find(&s) && hc_sweep_run(&s, NULL);
    for (size_t i = 0; i < all && done; i++) {
        const Tensor *x = wanted(t, from, i);
        size_t k = x ? hc_sweep_number(&s, x) : s.count;
        t->outputs[i] = k < s.count ? s.nodes[k].cotangent : NULL;
    }
    hc_sweep_end(&s);
    return done;
}

static bool take_back(Taking *t, const HcPoint *from, size_t base, size_t k) {
    size_t starts, all = t->u->count + t->u->input_count;
    memset(t->outputs, 0, all * sizeof(Tensor *));
    if (!find_starts(t, &starts) || (starts > 0 && !sweep(t, from, starts))) return false;
    HcSegment *segment = &t->back->segments[k];
    if (!take_program(t, base, all, t->flows, segment)) return false;
    t->flows = segment->made;
    return true;
}

/* Segment k, from its point; where it ends is the current one. */
static bool take(Taking *t, HcPoint *from, size_t k) {
    HcUnroll *u = t->u;
    Tape *tape = u->tape;
    HcPoint *spare = from == &u->spare[0] ? &u->spare[1] : &u->spare[0];
    size_t to = hc_unroll_begin_of(u, k + 1), base = tape->count;
    HcStand stand;
    TapeMark mark = tape_mark(tape);
    if (!hc_unroll_stand(u, &stand)) return false;
    Rng rng = from->rng;
    bool done = hc_unroll_enter(u, from, t->beginnings) && hc_unroll_record(u, from->step, to, &rng);
    if (done) {
        hc_unroll_gather(u, t->ends);
        hc_unroll_save(u, t->ends, to, rng, spare);
        add_leaves(t, from);
        done = hc_stamped_add(&t->loop->stamps, tape) || hc_fail_nomem(tape, who);
        done = done && hc_unroll_recognise(u, spare, true) && /* the larger first, whose room the other shares */
               (!t->back || take_back(t, from, base, k)) &&
               (t->loop->forward[k].made || take_forward(t, base, k));
    }
    hc_unroll_return(u, &stand);
    t->current = spare;
    return tape_release(tape, mark) && done;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static bool advance(void *user, size_t place, size_t to, size_t into) {
    Taking *t = user;
    t->current = hc_unroll_walk(t->u, place, to, into, NULL, NULL);
    return t->current != NULL;
}

static bool reverse(void *user, size_t place, size_t segment) {
    Taking *t = user;
    return take(t, place == HC_CURRENT ? t->current : hc_unroll_point(t->u, place), segment);
}

static bool take_segments(Taking *t) {
    if (t->back) return hc_walk_back(&t->u->walk, &(HcMoves){advance, reverse, t});
    t->current = &t->u->begin;
    for (size_t k = 0; k < t->loop->walk.segments; k++)
        if (!take(t, t->current, k)) return false;
    return true;
}

/* `flows`: the cotangents there are at the end. */
static bool take_all(HcUnroll *u, HcLoop *loop, HcBack *back, const bool *flows) {
    Tape *tape = u->tape;
    size_t all = u->count + u->input_count, again = u->again;
    TapeMark mark = tape_mark(tape);
    Tensor **lists = hc_tape_alloc(tape, (2 * u->count + 3 * all) * sizeof *lists, who);
    Taking t = {.u = u, .loop = loop, .back = back, .flows = flows};
    t.leaves = hc_tape_alloc(tape, 2 * all * sizeof *t.leaves, who);
    t.made = hc_tape_alloc(tape, all * sizeof *t.made, who);
    if (!lists || !t.leaves || !t.made) return false;
    t.beginnings = lists;
    t.ends = t.beginnings + u->count;
    t.outputs = t.ends + u->count;
    t.starts = t.outputs + all;
    t.cotangents = t.starts + all;
    HcAgain was = hc_again_begin(tape);
    tape->read = SIZE_MAX; /* what was read before is asked of the operation itself */
    bool done = take_segments(&t);
    hc_again_end(tape, was);
    u->again = again;
    return tape_release(tape, mark) && done;
}

bool hc_unroll_own(Program *p, Tensor *copy) {
    HcUnroll *u = copy->attr.custom.state;
    HcLoop *loop = hc_program_owned(p, u);
    if (!loop && (!(loop = make_loop(p, u)) || !take_all(u, loop, NULL, NULL))) return false;
    copy->op = &hc_op_loop;
    copy->attr.custom.state = loop;
    return true;
}

static bool copy_lists(HcBack *back, Tape *tape, const HcBackNode *node) {
    size_t *lists = loop_alloc(back->loop, tape, node->given_count + 2 * node->part_count, sizeof *lists);
    if (!lists) return false;
    back->given_count = node->given_count;
    back->part_count = node->part_count;
    back->given = lists;
    back->parts = back->given + node->given_count;
    back->offset = back->parts + node->part_count;
    if (node->given_count) memcpy(back->given, node->given, node->given_count * sizeof *lists);
    if (node->part_count) memcpy(back->parts, node->parts, node->part_count * sizeof *lists);
    if (node->part_count) memcpy(back->offset, node->offset, node->part_count * sizeof *lists);
    return true;
}

static HcBack *make_back(HcLoop *loop, const HcBackNode *node) {
    HcUnroll *u = node->unroll;
    Tape *tape = u->tape;
    HcBack *back = loop_alloc(loop, tape, 1, sizeof *back);
    if (!back) return NULL;
    back->loop = loop;
    back->segments = loop_alloc(loop, tape, loop->walk.segments, sizeof *back->segments);
    if (!back->segments || !copy_lists(back, tape, node) ||
        !make_packed(loop, tape, u->count + u->input_count, &back->flows))
        return NULL;
    for (size_t i = 0; i < u->count; i++)
        add_packed(&back->flows, i, shape_count(u->shapes[i]) * tape->item);
    for (size_t j = 0; j < u->input_count; j++) {
        bool wanted = is_part(back, u->count + j);
        add_packed(&back->flows, u->count + j, wanted ? u->inputs[j]->form->count * tape->item : 0);
    }
    return finish_packed(loop, tape, &back->flows) ? back : NULL;
}

bool hc_back_own(Program *p, Tensor *copy) {
    const HcBackNode *node = copy->attr.custom.state;
    HcUnroll *u = node->unroll;
    HcLoop *loop = hc_program_owned(p, u);
    if (!loop && !(loop = make_loop(p, u))) return false;
    HcBack *back = make_back(loop, node);
    bool *flows = back ? loop_alloc(loop, u->tape, u->count + u->input_count, sizeof *flows) : NULL;
    if (!flows) return false;
    for (size_t i = 0; i < node->given_count; i++)
        flows[node->given[i]] = true;
    if (!take_all(u, loop, back, flows)) return false;
    copy->op = &hc_op_loop_back;
    copy->attr.custom.state = back;
    return true;
}
