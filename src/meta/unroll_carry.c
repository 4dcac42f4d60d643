/* What the steps of an unrolled loop hand on: gathered in one list, kept at points, and put in
 * force again. */
#include <string.h>

#include "meta/unroll.h"

static const char who[] = "unroll";

/* ---- making --------------------------------------------------------------------------------- */

static bool take_optimizers(HcUnroll *u, DiffOpt *const *opts) {
    size_t n = u->opt_count;
    u->opts = hc_tape_alloc(u->tape, n * sizeof *u->opts, who);
    u->began = hc_tape_alloc(u->tape, n * sizeof *u->began, who);
    u->roots = hc_tape_alloc(u->tape, n * sizeof *u->roots, who);
    u->modes = hc_tape_alloc(u->tape, n * sizeof *u->modes, who);
    u->beginnings = hc_tape_alloc(u->tape, n * sizeof(HcWeights *), who);
    if (!u->opts || !u->began || !u->roots || !u->modes || !u->beginnings) return false;
    for (size_t o = 0; o < n; o++) {
        FModule *root = opts[o]->module;
        size_t r = 0;
        u->opts[o] = opts[o];
        u->began[o].now = opts[o]->now;
        if (!hc_settings_note(opts[o], who, &u->began[o].then)) return false;
        while (r < u->root_count && u->roots[r] != root)
            r++;
        if (r < u->root_count) continue;
        u->roots[r] = root;
        u->modes[r] = root->mode;
        u->beginnings[r] = root->now;
        u->root_count++;
    }
    return true;
}

static size_t buffers_of(const FModule *root) {
    return root->now->buffers ? root->buffer_slots.count : 0;
}

/* Calls fn for each carried tensor, in order. */
typedef struct Carried {
    Tensor **tensor;
    const Tensor *like; /* has its shape */
    const FModule *root;
    bool state;
} Carried;
typedef void Each(HcUnroll *u, size_t i, Carried carried);

static void each(HcUnroll *u, Each *fn) {
    size_t i = 0;
    for (size_t r = 0; r < u->root_count; r++) {
        const FModule *root = u->roots[r];
        for (size_t w = 0; w < root->weight_slots.count; w++)
            fn(u, i++, (Carried){&root->now->weights[w], root->now->weights[w], root, false});
        for (size_t b = 0; b < buffers_of(root); b++)
            fn(u, i++, (Carried){&root->now->buffers[b], root->now->buffers[b], root, false});
    }
    for (size_t o = 0; o < u->opt_count; o++) {
        const DiffOpt *opt = u->opts[o];
        const FModule *root = opt->module;
        for (size_t w = 0; w < opt->count; w++)
            for (size_t s = 0; s < opt->cls->state_count; s++)
                fn(u, i++,
                   (Carried){&opt->now->moments[w].state[s], root->now->weights[w], root, true});
    }
}

static void describe(HcUnroll *u, size_t i, Carried c) {
    size_t bytes = c.like->form->count * u->tape->item;
    u->shapes[i] = hc_form_shape(c.like->form);
    u->flows[i] = c.root->mode == HC_EVAL              ? HC_FLOWS_NEVER
                  : c.root->mode == HC_FULL && c.state ? HC_FLOWS_ALWAYS
                                                       : HC_FLOWS_ASKED;
    u->all.offset[i] = u->all.bytes;
    u->all.bytes += (bytes + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
    u->first[i] = *c.tensor;
}

HcUnroll *hc_unroll_create(DiffOpt *const *opts, size_t count) {
    Tape *tape = opts[0]->tape;
    HcUnroll *u = hc_tape_alloc(tape, sizeof *u, who);
    if (!u) return NULL;
    *u = (HcUnroll){.tape = tape, .opt_count = count};
    if (!take_optimizers(u, opts)) return NULL;
    for (size_t r = 0; r < u->root_count; r++) {
        u->weight_count += u->roots[r]->weight_slots.count;
        u->count += u->roots[r]->weight_slots.count + buffers_of(u->roots[r]);
        u->number_count += 2;
    }
    u->states = u->count;
    for (size_t o = 0; o < count; o++) {
        u->count += opts[o]->count * opts[o]->cls->state_count;
        u->number_count += 1 + opts[o]->count;
    }
    u->shapes = hc_tape_alloc(tape, u->count * sizeof *u->shapes, who);
    u->flows = hc_tape_alloc(tape, u->count * sizeof *u->flows, who);
    u->all.offset = hc_tape_alloc(tape, u->count * sizeof *u->all.offset, who);
    u->own = hc_tape_alloc(tape, u->count * sizeof *u->own, who);
    u->first = hc_tape_alloc(tape, u->count * sizeof(Tensor *), who);
    u->now = hc_tape_alloc(tape, u->count * sizeof(Tensor *), who);
    u->seen_mask = 1;
    while (u->seen_mask < 2 * u->count)
        u->seen_mask = 2 * u->seen_mask + 1;
    u->seen = hc_tape_alloc(tape, (u->seen_mask + 1) * sizeof *u->seen, who);
    u->held = hc_tape_alloc(tape, u->weight_count * sizeof(Tensor *), who);
    if (!u->shapes || !u->flows || !u->all.offset || !u->own || !u->first || !u->now || !u->seen || !u->held)
        return NULL;
    if (u->count) memset(u->own, 0, u->count * sizeof *u->own);
    each(u, describe);
    return u;
}

static bool make_point(HcUnroll *u, const HcLayout *layout, HcPoint *point) {
    point->layout = layout;
    point->carried = hc_tape_alloc(u->tape, u->count, who);
    point->same = hc_tape_alloc(u->tape, u->count * sizeof *point->same, who);
    point->numbers = hc_tape_alloc(u->tape, u->number_count * sizeof *point->numbers, who);
    point->data = hc_tape_alloc(u->tape, layout->bytes, who);
    return point->carried && point->same && point->numbers && point->data;
}

bool hc_unroll_room(HcUnroll *u, HcPoint *point) {
    return make_point(u, &u->all, point);
}

/* ---- gradients of a step -------------------------------------------------------------------- */

void hc_unroll_hold(HcUnroll *u) {
    Tensor **next = u->held;
    for (size_t r = 0; r < u->root_count; r++) {
        FModule *root = u->roots[r];
        if (root->weight_slots.count)
            memcpy(next, root->now->weights, root->weight_slots.count * sizeof *next);
        next += root->weight_slots.count;
        root->held = u->held;
        root->held_count = u->root_count > 1 ? u->weight_count : 0;
    }
}

void hc_unroll_unhold(HcUnroll *u) {
    for (size_t r = 0; r < u->root_count; r++)
        u->roots[r]->held_count = 0;
}

/* ---- the list, and the host's numbers ------------------------------------------------------- */

static void take(HcUnroll *u, size_t i, Carried c) {
    u->now[i] = *c.tensor;
}

void hc_unroll_gather(HcUnroll *u, Tensor **list) {
    each(u, take);
    if (list != u->now) memcpy(list, u->now, u->count * sizeof *list);
}

static void give(HcUnroll *u, size_t i, Carried c) {
    *c.tensor = u->now[i];
}

static void note_numbers(const HcUnroll *u, size_t *to) {
    for (size_t r = 0; r < u->root_count; r++) {
        *to++ = u->roots[r]->now->step;
        *to++ = u->roots[r]->now->training;
    }
    for (size_t o = 0; o < u->opt_count; o++) {
        *to++ = u->opts[o]->now->steps;
        for (size_t w = 0; w < u->opts[o]->count; w++)
            *to++ = u->opts[o]->now->moments[w].steps;
    }
}

static Tensor **room_for(Tape *tape, Tensor *const *like, size_t count) {
    Tensor **list = like ? hc_tape_alloc(tape, count * sizeof *list, who) : NULL;
    if (list && count) memcpy(list, like, count * sizeof *list);
    return list;
}

static bool push_module(FModule *root, const size_t *numbers) {
    const HcWeights *now = root->now;
    Tensor **weights = room_for(root->tape, now->weights, root->weight_slots.count);
    Tensor **buffers = room_for(root->tape, now->buffers, root->buffer_slots.count);
    if (!weights || (now->buffers && !buffers)) return false;
    if (!hc_fmodule_push(root, NULL, NULL, numbers[0], false)) return false;
    root->now->weights = weights;
    root->now->buffers = buffers;
    root->now->training = numbers[1] != 0;
    return true;
}

/* A snapshot with the present state and the settings that the loop began with. */
static HcSnapshot *push_settings(DiffOpt *opt, const HcBegan *began, bool own_moments) {
    if (!hc_settings_return(opt, who, &began->then)) return NULL;
    HcSnapshot *next = hc_diffopt_push(opt, own_moments);
    if (!next) return NULL;
    next->callback = began->now->callback;
    next->callback_user = began->now->callback_user;
    memcpy(next->clip, began->now->clip, sizeof next->clip);
    opt->now = next;
    return next;
}

static bool push_optimizer(DiffOpt *opt, const HcBegan *began, const size_t *numbers) {
    HcSnapshot *next = push_settings(opt, began, true);
    if (!next) return false;
    next->steps = numbers[0];
    next->loss = NULL;
    next->cut = false;
    for (size_t w = 0; w < opt->count; w++)
        next->moments[w].steps = numbers[1 + w];
    return true;
}

bool hc_unroll_put(HcUnroll *u, Tensor *const *list, const size_t *numbers) {
    for (size_t r = 0; r < u->root_count; r++, numbers += 2)
        if (!push_module(u->roots[r], numbers)) return false;
    for (size_t o = 0; o < u->opt_count; o++) {
        if (!push_optimizer(u->opts[o], &u->began[o], numbers)) return false;
        numbers += 1 + u->opts[o]->count;
    }
    if (list != u->now) memcpy(u->now, list, u->count * sizeof *list);
    each(u, give);
    return true;
}

static bool calls_the_same(const HcSnapshot *a, const HcSnapshot *b) {
    return a->callback == b->callback && a->callback_user == b->callback_user && a->clip[0] == b->clip[0] &&
           a->clip[1] == b->clip[1];
}

bool hc_unroll_settle(HcUnroll *u) {
    for (size_t o = 0; o < u->opt_count; o++) {
        DiffOpt *opt = u->opts[o];
        bool done = calls_the_same(opt->now, u->began[o].now)
                        ? hc_settings_return(opt, who, &u->began[o].then)
                        : push_settings(opt, &u->began[o], false) != NULL;
        if (!done) return false;
    }
    return true;
}

/* ---- points --------------------------------------------------------------------------------- */

/* Of a tensor in place i, wherever it is from. */
static HcHanded handed(const HcUnroll *u, size_t i, const Tensor *x) {
    if (!x) return HC_HANDED_NONE;
    bool flows = x->flags & HC_NODE_NEEDS || u->flows[i] == HC_FLOWS_ALWAYS;
    return flows ? HC_HANDED_NEEDS : HC_HANDED_CONSTANT;
}

/* The first place of list[0..i] with the tensor of place i, or one that notes it. */
static size_t *find_place(HcUnroll *u, Tensor *const *list, size_t i) {
    size_t at = (size_t)((uintptr_t)list[i] / HC_ALIGN * 0x9e3779b1u);
    while (u->seen[at &= u->seen_mask] < i && list[u->seen[at]] != list[i])
        at++;
    return &u->seen[at];
}

/* What one tensor is in several places stays one, and so has one gradient. */
static void find_same(HcUnroll *u, Tensor *const *list, HcPoint *point) {
    memset(u->seen, 0xff, (u->seen_mask + 1) * sizeof *u->seen);
    for (size_t i = 0; i < u->count; i++) {
        size_t *place = find_place(u, list, i);
        if (*place > i) *place = i;
        point->same[i] = point->carried[*place] == point->carried[i] ? *place : i;
    }
}

void hc_unroll_save(HcUnroll *u, Tensor *const *list, size_t step, Rng rng, HcPoint *point) {
    point->step = step;
    point->rng = rng;
    point->of_tape = u->tape->rng;
    note_numbers(u, point->numbers);
    for (size_t i = 0; i < u->count; i++)
        point->carried[i] =
            (uint8_t)(list[i] && list[i] == u->first[i] ? HC_HANDED_FIRST : handed(u, i, list[i]));
    find_same(u, list, point);
    for (size_t i = 0; i < u->count; i++)
        if (point->carried[i] != HC_HANDED_NONE)
            hc_copy_dense(list[i], point->data + point->layout->offset[i]);
    for (size_t i = 0; i < u->count; i++)
        u->own[i] = u->own[i] || hc_unroll_owns(point, i);
}

/* ---- points that are kept -------------------------------------------------------------------- */

bool hc_unroll_owns(const HcPoint *point, size_t i) {
    return point->carried[i] >= HC_HANDED_CONSTANT && point->same[i] == i;
}

static size_t bytes_of(const HcUnroll *u, size_t i) {
    return (shape_count(u->shapes[i]) * u->tape->item + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
}

size_t hc_unroll_packed_bytes(const HcUnroll *u) {
    size_t bytes = 0;
    for (size_t i = 0; i < u->count; i++)
        if (u->own[i]) bytes += bytes_of(u, i);
    return bytes;
}

/* Points share a layout as long as nothing more is carried. One that is kept anew is of a step before that for which
 * its memory was laid out. */
static const HcLayout *lay_out(HcUnroll *u) {
    const HcLayout *last = u->packed;
    bool holds = last != NULL;
    for (size_t i = 0; i < u->count && holds; i++)
        holds = !u->own[i] || last->offset[i] != SIZE_MAX;
    if (holds) return last;
    HcLayout *layout = hc_tape_alloc(u->tape, sizeof *layout, who);
    size_t *offset = hc_tape_alloc(u->tape, u->count * sizeof *offset, who);
    if (!layout || !offset) return NULL;
    *layout = (HcLayout){.offset = offset};
    for (size_t i = 0; i < u->count; i++) {
        offset[i] = u->own[i] ? layout->bytes : SIZE_MAX;
        if (u->own[i]) layout->bytes += bytes_of(u, i);
    }
    return u->packed = layout;
}

bool hc_unroll_pack(HcUnroll *u, const HcPoint *from, HcPoint *into) {
    const HcLayout *layout = into->data ? into->layout : lay_out(u);
    if (!layout || (!into->data && !make_point(u, layout, into))) return false;
    into->step = from->step;
    into->rng = from->rng;
    into->of_tape = from->of_tape;
    memcpy(into->numbers, from->numbers, u->number_count * sizeof *into->numbers);
    for (size_t i = 0; i < u->count; i++) {
        into->carried[i] = from->carried[i];
        into->same[i] = from->same[i];
        if (!hc_unroll_owns(from, i)) continue;
        HC_ASSERT(layout->offset[i] != SIZE_MAX);
        size_t bytes = shape_count(u->shapes[i]) * u->tape->item;
        if (bytes) memcpy(into->data + layout->offset[i], from->data + from->layout->offset[i], bytes);
    }
    return true;
}

bool hc_unroll_enter(HcUnroll *u, const HcPoint *point, Tensor **list) {
    for (size_t i = 0; i < u->count; i++) {
        HcHanded carried = (HcHanded)point->carried[i];
        HcWhy why = carried == HC_HANDED_NEEDS ? HC_WHY_NOTHING : HC_WHY_CONSTANT;
        list[i] = carried == HC_HANDED_FIRST ? u->first[i] : NULL;
        if (carried < HC_HANDED_CONSTANT) continue;
        if (point->same[i] < i) {
            list[i] = list[point->same[i]];
            continue;
        }
        list[i] = hc_emit_leaf(u->tape, who, u->shapes[i], point->data + point->layout->offset[i], why);
        if (!list[i]) return false;
    }
    u->tape->rng = point->of_tape;
    return hc_unroll_put(u, list, point->numbers);
}

bool hc_unroll_flows(const HcPoint *point, size_t i) {
    return point->carried[i] == HC_HANDED_NEEDS && hc_unroll_owns(point, i);
}

static uint64_t mix_word(uint64_t h, uint64_t word) {
    h = (h ^ word) * 0x100000001b3u;
    return h ^ h >> 29;
}

/* FNV-1a, by words where there are some, in LANES that do not wait for each other. */
static uint64_t mix(uint64_t h, const void *bytes, size_t count) {
    enum { LANES = 4 };
    const unsigned char *at = bytes;
    uint64_t lane[LANES], words[LANES];
    for (uint64_t i = 0; i < LANES; i++)
        lane[i] = mix_word(h, i);
    for (; count >= sizeof words; count -= sizeof words, at += sizeof words) {
        memcpy(words, at, sizeof words);
        for (size_t i = 0; i < LANES; i++)
            lane[i] = mix_word(lane[i], words[i]);
    }
    for (size_t i = 0; i < LANES; i++)
        h = mix_word(h, lane[i]);
    for (; count > 0; count--)
        h = (h ^ *at++) * 0x100000001b3u;
    return h;
}

uint64_t hc_unroll_fingerprint(const HcUnroll *u, const HcPoint *point) {
    uint64_t h = 0xcbf29ce484222325u;
    h = mix(h, point->numbers, u->number_count * sizeof *point->numbers);
    for (size_t i = 0; i < u->count; i++) {
        uint8_t carried = point->carried[i]; /* the first tensor counts as what it would be copied as */
        if (carried == HC_HANDED_FIRST) carried = (uint8_t)handed(u, i, u->first[i]);
        h = mix(h, &carried, 1);
        if (carried != HC_HANDED_NONE)
            h = mix(h, point->data + point->layout->offset[i], shape_count(u->shapes[i]) * u->tape->item);
    }
    return h;
}

/* ---- where all stand ------------------------------------------------------------------------ */

bool hc_unroll_stand(const HcUnroll *u, HcStand *stand) {
    stand->weights = hc_tape_alloc(u->tape, u->root_count * sizeof(HcWeights *), who);
    stand->bases = hc_tape_alloc(u->tape, u->root_count * sizeof *stand->bases, who);
    stand->snapshots = hc_tape_alloc(u->tape, u->opt_count * sizeof(HcSnapshot *), who);
    if (!stand->weights || !stand->bases || !stand->snapshots) return false;
    for (size_t r = 0; r < u->root_count; r++) {
        stand->weights[r] = u->roots[r]->now;
        stand->bases[r] = u->roots[r]->base;
    }
    for (size_t o = 0; o < u->opt_count; o++)
        stand->snapshots[o] = u->opts[o]->now;
    return true;
}

void hc_unroll_return(const HcUnroll *u, const HcStand *stand) {
    for (size_t r = 0; r < u->root_count; r++) {
        u->roots[r]->now = stand->weights[r];
        u->roots[r]->base = stand->bases[r];
        u->roots[r]->mode = u->modes[r];
    }
    for (size_t o = 0; o < u->opt_count; o++)
        u->opts[o]->now = stand->snapshots[o];
}
