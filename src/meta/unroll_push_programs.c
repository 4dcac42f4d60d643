/* Forward mode by programs. Steps are recorded in any case, so whatever a caller's code does is seen; but the sweeps
 * through a recording that is an earlier one's but for its numbers give what they gave then, node for node. They are
 * captured once, over the recording's nodes as leaves, where these lie; a later step only runs that. Most of the first
 * sweep, all that is linear in u, no program needs. */
#include <string.h>

#include "meta/unroll_push.h"
#include "program/capture.h"

static const char who[] = "unroll";

enum {
    MOST_DIRECTIONS = 8,  /* each has a part of the program of its own */
    MOST_CAPTURES = 16,   /* where recordings come back, but seldom */
    MOST_MISSES = 64,     /* steps that are no earlier one's */
    WORTH_CAPTURING = 20  /* steps to come */
};

/* ---- what was recorded ---------------------------------------------------------------------- */

enum { ATTR_WORDS = (sizeof(HcAttr) + sizeof(uint64_t) - 1) / sizeof(uint64_t), NODE_WORDS = 5 + ATTR_WORDS };

static uint64_t word_of(const void *pointer) {
    return (uint64_t)(uintptr_t)pointer;
}

/* Whether memory that it borrows was written since: a sweep refuses to read that. */
static bool is_stale(const Tensor *x) {
    uint64_t version;
    return (x->flags & HC_NODE_BORROWED) && hc_cell(x, &version)->version != version;
}

/* Which one it is: among those of the step, or of all that the tape ever held. */
static uint64_t name_of(const HcStepped *step, const Tensor *x) {
    if (!x) return 0;
    return x->index >= step->base ? 4 * (uint64_t)x->index + 4 : 4 * x->serial + 1 + 2 * (uint64_t)is_stale(x);
}

/* A constant that the step made may lie anywhere: a program is handed a copy of its numbers. */
static bool is_fed(const HcStepped *step, const Tensor *x) {
    return x->index >= step->entered && (x->op->flags & HC_OP_LEAF) && x->nin == 0 && !(x->flags & HC_NODE_BORROWED);
}

static void note_node(const HcStepped *step, const Tensor *x, HcNoted *to) {
    uint64_t *w = to->words + to->count;
    w[0] = word_of(x->op);
    w[1] = word_of(x->form);
    w[2] = word_of(is_fed(step, x) ? NULL : x->data);
    w[3] = (uint64_t)x->nin << 32 | (uint64_t)is_stale(x) << 24 | (uint64_t)x->flags << 16 | x->passing;
    w[4] = word_of(x->op->flags & HC_OP_LEAF ? x->cell : NULL);
    memset(w + 5, 0, ATTR_WORDS * sizeof *w);
    if (!(x->op->flags & HC_OP_LEAF)) memcpy(w + 5, &x->attr, sizeof x->attr);
    to->count += NODE_WORDS;
    for (uint32_t j = 0; j < x->nin; j++)
        to->words[to->count++] = name_of(step, hc_inputs(x)[j]);
}

static void note_list(const HcStepped *step, Tensor *const *list, size_t count, HcNoted *to) {
    for (size_t i = 0; i < count; i++)
        to->words[to->count++] = name_of(step, list[i]);
}

/* All that the sweeps depend on. False when out of memory. */
static bool note(const HcUnroll *u, const HcStepped *step, HcNoted *to) {
    const Tape *tape = u->tape;
    size_t need = 4 + 2 * u->count + u->input_count + (tape->count - step->base) * NODE_WORDS +
                  u->count * (1 + step->from->count);
    for (size_t i = step->base; i < tape->count; i++)
        need += hc_node(tape, i)->nin;
    if (!hc_grow((void **)&to->words, &to->capacity, 0, need, sizeof *to->words)) return false;
    to->count = 0;
    to->words[to->count++] = step->base;
    to->words[to->count++] = tape->count;
    to->words[to->count++] = word_of(step->from->numbers);
    for (size_t i = step->base; i < tape->count; i++)
        note_node(step, hc_node(tape, i), to);
    note_list(step, step->begins, u->count, to);
    note_list(step, step->ends, u->count, to);
    note_list(step, u->inputs, u->input_count, to);
    for (size_t i = 0; i < u->count; i++)
        to->words[to->count++] = step->point->same[i];
    for (size_t i = 0; i < u->count * step->from->count; i++)
        to->words[to->count++] = step->from->there[i];
    HC_ASSERT(to->count <= need);
    return true;
}

static bool equal(const HcNoted *a, const HcNoted *b) {
    return a->count == b->count && memcmp(a->words, b->words, a->count * sizeof *a->words) == 0;
}

/* An operation that runs recordings of its own records no derivative where nothing is computed. */
static bool can_be_captured(const HcStepped *step, const Tape *tape) {
    for (size_t i = step->base; i < tape->count; i++)
        if (hc_node(tape, i)->op->own) return false;
    return true;
}

/* ---- a program ------------------------------------------------------------------------------ */

typedef struct Taking {
    Tensor **outputs; /* [directions * u->count] */
    HcAt *leaves;
    size_t leaf_count;
} Taking;

static void add_leaf(Taking *t, const Tensor *leaf, void *numbers) {
    t->leaves[t->leaf_count++] = (HcAt){leaf, numbers};
}

static size_t fed_bytes(const Tensor *x) {
    return (hc_extent(x->form) * x->tape->item + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
}

static void feed(const HcStepped *step, const HcNoted *noted, const Tape *tape) {
    char *next = noted->fed;
    for (size_t i = step->entered; i < tape->count; i++) {
        const Tensor *x = hc_node(tape, i);
        if (!is_fed(step, x)) continue;
        if (fed_bytes(x)) memcpy(next, x->data, hc_extent(x->form) * tape->item);
        next += fed_bytes(x);
    }
}

/* The step's nodes and what they read. */
static bool list_leaves(HcUnroll *u, const HcStepped *step, HcNoted *noted, Taking *t) {
    Tape *tape = u->tape;
    size_t most = step->to->count * u->count, fed = 0;
    for (size_t i = step->base; i < tape->count; i++) {
        const Tensor *x = hc_node(tape, i);
        most += 1 + x->nin;
        fed += is_fed(step, x) ? fed_bytes(x) : 0;
    }
    t->leaves = hc_tape_alloc(tape, most * sizeof *t->leaves, who);
    if (!t->leaves) return false;
    hc_free(noted->fed);
    noted->fed = hc_alloc(fed ? fed : 1, 1);
    if (!noted->fed) return hc_fail_nomem(tape, who);
    char *next = noted->fed;
    for (size_t i = step->base; i < tape->count; i++) {
        const Tensor *x = hc_node(tape, i);
        bool copied = is_fed(step, x);
        if (!(x->flags & HC_NODE_PARAM)) add_leaf(t, x, copied ? next : x->data);
        next += copied ? fed_bytes(x) : 0;
        for (uint32_t j = 0; j < x->nin; j++) {
            const Tensor *in = hc_inputs(x)[j];
            if (in->index < step->base && !(in->flags & HC_NODE_PARAM)) add_leaf(t, in, in->data);
        }
    }
    return true;
}

/* Tangents that come in lie where they are; those that go out are the outputs. */
static bool take_outputs(HcUnroll *u, const HcPulled *p, const HcSweep *s, size_t d, void *user) {
    Taking *t = user;
    for (size_t k = 0; k < p->start_count; k++)
        if (p->vectors[k] && p->from[k] < u->count) add_leaf(t, p->vectors[k], p->vectors[k]->data);
    for (size_t i = 0; i < p->out_count; i++) {
        size_t k = hc_sweep_number(s, p->us[i]);
        t->outputs[d * u->count + p->place[i]] = k < s->count ? s->nodes[k].cotangent : NULL;
    }
    return true;
}

static bool make_series(HcUnroll *u, HcPushes *pushes) {
    if (pushes->series) return true;
    pushes->tape = tape_create(u->tape->dtype);
    if (!pushes->tape) return hc_fail_nomem(u->tape, who);
    tape_set_pool(pushes->tape, u->tape->pool);
    pushes->series = hc_series_create(pushes->tape);
    return pushes->series || hc_fail_nomem(u->tape, who);
}

/* All outputs become one program; `made` says which there are. */
static bool take_program(HcUnroll *u, size_t base, Taking *t, HcPushes *pushes, HcNoted *noted) {
    size_t most = noted->directions * u->count, outputs = 0;
    for (size_t i = 0; i < most; i++) {
        noted->made[i] = t->outputs[i] != NULL;
        if (noted->made[i]) t->outputs[outputs++] = t->outputs[i];
    }
    if (outputs == 0) return true;
    Program *p = hc_capture_stretch(
        u->tape, pushes->series, &(HcStretch){base, t->leaves, t->leaf_count, t->outputs, outputs});
    if (!p) return false;
    size_t number = hc_series_count(pushes->series);
    if (!hc_series_add(pushes->series, p)) return hc_fail_nomem(u->tape, who);
    noted->program = number;
    return true;
}

static bool try_to_capture(HcUnroll *u, const HcStepped *step, HcPushes *pushes, HcNoted *noted) {
    Tape *tape = u->tape;
    size_t base = tape->count, most = step->to->count * u->count;
    HcPulled p;
    Taking t = {.outputs = hc_tape_alloc(tape, most * sizeof *t.outputs, who)};
    hc_free(noted->made);
    noted->directions = step->to->count;
    noted->made = hc_alloc(most, sizeof *noted->made);
    if (!noted->made) return hc_fail_nomem(tape, who);
    if (!t.outputs) return false;
    memset(t.outputs, 0, most * sizeof(Tensor *));
    return list_leaves(u, step, noted, &t) && hc_pull(u, step, HC_SWEEP_ABSTRACT, &p) &&
           hc_push(u, &p, HC_SWEEP_ABSTRACT, take_outputs, &t) && make_series(u, pushes) &&
           take_program(u, base, &t, pushes, noted);
}

/* What cannot be captured goes on being recorded. False where memory ended. */
static bool capture(HcUnroll *u, const HcStepped *step, HcPushes *pushes, HcNoted *noted) {
    Tape *tape = u->tape;
    TapeMark mark = tape_mark(tape);
    size_t read = tape->read;
    tape->read = SIZE_MAX; /* a recording that read something else would be another */
    bool done = try_to_capture(u, step, pushes, noted);
    tape->read = read;
    pushes->captures++;
    if (!done && tape->status != HC_ERR_NOMEM) {
        tape_clear_error(tape);
        higherc_clear_error();
        pushes->off = done = true;
    }
    return tape_release(tape, mark) && done;
}

static bool run(HcUnroll *u, const HcStepped *step, const HcPushes *pushes, const HcNoted *noted) {
    HcTangents *to = step->to;
    size_t output = 0;
    feed(step, noted, u->tape);
    if (!hc_series_run(pushes->series, noted->program))
        return hc_fail(u->tape, pushes->tape->status, "%s", tape_error(pushes->tape));
    for (size_t d = 0; d < to->count; d++)
        for (size_t i = 0; i < u->count; i++) {
            size_t at = d * u->count + i;
            to->there[at] = noted->made[at];
            if (!noted->made[at]) continue;
            const void *numbers = hc_series_output(pushes->series, noted->program, output++);
            size_t bytes = shape_count(u->shapes[i]) * u->tape->item;
            if (bytes) memcpy(to->numbers + d * u->all.bytes + u->all.offset[i], numbers, bytes);
        }
    return true;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static HcNoted *find(HcPushes *pushes) {
    for (size_t i = 0; i < HC_MOST_NOTED; i++)
        if (equal(&pushes->now, &pushes->noted[i])) return &pushes->noted[i];
    return NULL;
}

/* In the place of the oldest. */
static void keep_now(HcPushes *pushes) {
    HcNoted *noted = &pushes->noted[pushes->oldest++ % HC_MOST_NOTED], was = *noted;
    *noted = pushes->now;
    noted->program = SIZE_MAX;
    noted->made = was.made;
    noted->fed = was.fed;
    pushes->now = (HcNoted){.words = was.words, .capacity = was.capacity};
}

bool hc_push_step(HcUnroll *u, const HcStepped *step, size_t left, HcPushes *pushes) {
    const Tape *tape = u->tape;
    if (pushes->off || step->to->count > MOST_DIRECTIONS || tape->check_nan || tape->never_reuse)
        return hc_push_recorded(u, step);
    if (!note(u, step, &pushes->now)) return hc_fail_nomem(u->tape, who);
    HcNoted *noted = find(pushes);
    if (!noted) {
        keep_now(pushes);
        pushes->off = ++pushes->misses == MOST_MISSES;
        return hc_push_recorded(u, step);
    }
    bool worth = left >= WORTH_CAPTURING && pushes->captures < MOST_CAPTURES;
    if (noted->program == SIZE_MAX && worth && can_be_captured(step, tape) && !capture(u, step, pushes, noted))
        return false;
    return noted->program == SIZE_MAX ? hc_push_recorded(u, step) : run(u, step, pushes, noted);
}

void hc_pushes_end(HcPushes *pushes) {
    for (size_t i = 0; i < HC_MOST_NOTED; i++) {
        hc_free(pushes->noted[i].words);
        hc_free(pushes->noted[i].made);
        hc_free(pushes->noted[i].fed);
    }
    hc_free(pushes->now.words);
    hc_series_destroy(pushes->series);
    tape_destroy(pushes->tape);
}
