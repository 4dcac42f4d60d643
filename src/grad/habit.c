/* Habits: when one is learned, what of, and when it still holds. */
#include "grad/habit.h"

#include <string.h>

#define PLACES 4                     /* on a tape, by the output's index */
#define PATIENCE 2                   /* sweeps alike before one is learned; twice as many after each in vain */
#define MOST_PATIENCE (1u << 20)
#define MOST_NODES 2048              /* reached */
#define MOST_BYTES ((size_t)1 << 18) /* of numbers: with more, what is beside the kernels does not matter */

typedef struct Place {
    HcHabit *habit;       /* the one learned, or room for one; or NULL */
    const Tensor *output; /* of the last sweep without one ... */
    size_t reached;       /* ... and how much it reached */
    unsigned seen;        /* so many alike in a row */
    unsigned patience;
} Place;

struct HcHabits {
    Place places[PLACES];
};

static Place *place_of(const Tape *tape, const Tensor *output) {
    return &tape->habits->places[output->index % PLACES];
}

static void free_habit(Tape *tape, HcHabit *h) {
    HcBudget *b = &tape->budget;
    if (!h) return;
    h->store.live = 0; /* what is there goes at once */
    hc_scratch_destroy(&h->store);
    hc_arena_destroy(&h->copies);
    hc_budget_free(b, h->seen, h->seen_capacity * sizeof *h->seen);
    hc_budget_free(b, h->seen_at, h->seen_at_capacity * sizeof *h->seen_at);
    hc_budget_free(b, h->steps, h->step_capacity * sizeof *h->steps);
    hc_budget_free(b, h->results, h->result_capacity * sizeof *h->results);
    hc_budget_free(b, h, sizeof *h);
}

void hc_habits_free(Tape *tape) {
    if (!tape->habits) return;
    for (size_t i = 0; i < PLACES; i++)
        free_habit(tape, tape->habits->places[i].habit);
    hc_budget_free(&tape->budget, tape->habits, sizeof *tape->habits);
    tape->habits = NULL;
}

static void in_vain(Place *place) {
    if (place->patience < MOST_PATIENCE) place->patience *= 2;
}

/* ---- does it still hold? ------------------------------------------------------------------------------ */

/* Whether a node is what stood in its place before. A leaf's attribute is the version of its cell, which rules that
 * read it ask for anew. */
static bool is_same(const Tensor *now, const Tensor *then) {
    bool same = now->op == then->op && now->form == then->form && now->data == then->data &&
                now->nin == then->nin && now->flags == then->flags && now->passing == then->passing &&
                now->cell == then->cell;
    for (uint32_t i = 0; same && i < then->nin; i++)
        same = now->in.few[i] == then->in.few[i];
    return same && (then->op == &hc_op_leaf || memcmp(&now->attr, &then->attr, sizeof now->attr) == 0);
}

static bool holds(const Tape *tape, const HcHabit *h) {
    bool same = tape->forms.sweeps == h->form_sweeps && tape->asides == h->asides;
    for (size_t i = 0; same && i < h->seen_count; i++)
        same = is_same(h->seen_at[i], &h->seen[i]);
    return same;
}

static bool may_have_habits(const Tape *tape) {
    return !tape->check_nan && !tape->never_reuse && !tape->forgetful && tape->budget.limit == SIZE_MAX;
}

bool hc_habit_fits(HcSweep *s) {
    Tape *tape = s->tape;
    Place *place = tape->habits ? place_of(tape, s->output) : NULL;
    HcHabit *h = place ? place->habit : NULL;
    if (!h || !h->whole || h->output != s->output || !may_have_habits(tape)) return false;
    if (!holds(tape, h)) {
        h->whole = false;
        in_vain(place);
        return false;
    }
    for (size_t i = 0; i < h->result_count; i++) {
        s->nodes[i] = (HcReached){.node = h->results[i].leaf, .wanted = true};
        s->number[h->results[i].leaf->index] = (uint32_t)i;
    }
    s->count = h->result_count;
    s->habit = h;
    place->seen = 0;
    if (++h->followed > place->patience) place->patience = PATIENCE;
    return true;
}

/* ---- how it is learned ---------------------------------------------------------------------------------- */

static bool is_small(const HcSweep *s) {
    size_t bytes = 0;
    if (s->count > MOST_NODES) return false;
    for (size_t i = 0; i < s->count && bytes <= MOST_BYTES; i++)
        bytes += s->nodes[i].node->form->count * s->tape->item;
    return bytes <= MOST_BYTES && hc_arena_live(&s->tape->scratch.arena) <= 4 * MOST_BYTES;
}

/* Whether the same sweep, by the look of it, came often enough. Out of memory there are no habits, which is no
 * error. */
static bool is_worth_it(HcSweep *s) {
    Tape *tape = s->tape;
    if (!tape->habits) {
        if (!(tape->habits = hc_budget_alloc(&tape->budget, sizeof *tape->habits))) return false;
        for (size_t i = 0; i < PLACES; i++)
            tape->habits->places[i] = (Place){.patience = PATIENCE};
    }
    Place *place = place_of(tape, s->output);
    bool alike = place->output == s->output && place->reached == s->count;
    place->output = s->output;
    place->reached = s->count;
    place->seen = alike ? place->seen + 1 : 1;
    if (place->seen < place->patience) return false;
    place->seen = 0;
    if (!is_small(s)) in_vain(place);
    return is_small(s);
}

static void swap_stores(Tape *tape, HcHabit *h) {
    HcScratch was = tape->scratch;
    tape->scratch = h->store;
    h->store = was;
}

static HcHabit *new_habit(Tape *tape) {
    HcHabit *h = hc_budget_alloc(&tape->budget, sizeof *h);
    if (!h) return NULL;
    memset(h, 0, sizeof *h);
    hc_scratch_init(&h->store, &tape->budget, 16384);
    hc_arena_init(&h->copies, &tape->budget, 4096);
    return h;
}

/* Nothing is in it, but its memory stays. */
static void clear(HcHabit *h) {
    h->store.live = 0; /* what is there goes at once */
    memset(h->store.free, 0, sizeof h->store.free);
    hc_arena_rewind(&h->store.arena, (HcPosition){0, 0});
    hc_arena_rewind(&h->copies, (HcPosition){0, 0});
    h->seen_count = h->step_count = h->result_count = h->made = h->followed = 0;
    h->start = NULL;
    h->start_origin = NULL;
    h->whole = h->odd = false;
}

/* So that learning takes no more memory, without which the sweep would fail: the tape's store has held as much. */
static bool reserve(const HcSweep *s, HcHabit *h) {
    size_t bytes = hc_arena_live(&s->tape->scratch.arena);
    return hc_arena_alloc(&h->store.arena, bytes) && hc_arena_alloc(&h->copies, s->count * sizeof(Tensor));
}

void hc_habit_begin(HcSweep *s) {
    Tape *tape = s->tape;
    if (!may_have_habits(tape) || !is_worth_it(s)) return;
    Place *place = place_of(tape, s->output);
    HcHabit *h = place->habit ? place->habit : new_habit(tape);
    if (!h || h->busy) return;
    place->habit = h;
    clear(h);
    bool reserved = reserve(s, h);
    clear(h);
    if (!reserved) return;
    h->busy = true;
    h->output = s->output;
    h->form_sweeps = tape->forms.sweeps;
    h->asides = tape->asides;
    h->serial = h->first_serial = tape->serial;
    h->nodes = tape->count;
    swap_stores(tape, h);
    s->learns = h;
}

#define ROOM(items, count)                                                                                   \
    hc_budget_grow(&s->tape->budget, (void **)&h->items, &h->count##_capacity, h->count##_count,             \
                   h->count##_count + 1, sizeof *h->items)

static void add_step(HcSweep *s, HcHabitStep step) {
    HcHabit *h = s->learns;
    if (ROOM(steps, step))
        h->steps[h->step_count++] = step;
    else
        h->odd = true;
}

/* The copy of the latest node that had this address, or NULL. */
static Tensor *copy_of(const HcHabit *h, const Tensor *x) {
    for (size_t i = h->step_count; i-- > 0;)
        if (h->steps[i].origin == x) return h->steps[i].made;
    return x == h->start_origin ? h->start : NULL;
}

/* A node on the tape that must be as it is now. */
static void see(HcSweep *s, Tensor *x) {
    HcHabit *h = s->learns;
    for (size_t i = 0; i < h->seen_count; i++)
        if (h->seen_at[i] == x) return;
    h->odd = h->odd || x->nin > HC_INLINE_INPUTS || x->index > s->output->index;
    if (h->odd) return;
    h->odd = !ROOM(seen, seen) ||
             !hc_budget_grow(&s->tape->budget, (void **)&h->seen_at, &h->seen_at_capacity, h->seen_count,
                             h->seen_count + 1, sizeof *h->seen_at);
    if (h->odd) return;
    h->seen[h->seen_count] = *x;
    h->seen_at[h->seen_count++] = x;
}

/* A copy of a scratch node, which is never freed; its inputs are copies too. NULL when out of memory. */
static Tensor *copied(HcSweep *s, const Tensor *y) {
    HcHabit *h = s->learns;
    Tensor *copy = hc_arena_alloc(&h->copies, sizeof *copy);
    if (!copy) return NULL;
    *copy = *y;
    copy->holders = 1;
    copy->flags &= (uint8_t)~(HC_NODE_CONSUME | HC_NODE_OWNS);
    h->odd = h->odd || y->nin > HC_INLINE_INPUTS;
    for (uint32_t i = 0; i < y->nin && !h->odd; i++) {
        Tensor *x = y->in.few[i];
        if (!(x->flags & HC_NODE_SCRATCH))
            see(s, x);
        else if (!(copy->in.few[i] = copy_of(h, x)))
            h->odd = true;
    }
    return copy;
}

void hc_habit_starts(HcSweep *s, Tensor *gy) {
    HcHabit *h = s->learns;
    if (!gy) return;
    h->start_origin = gy;
    h->start = copied(s, gy);
    h->odd = h->odd || !h->start;
    h->made++;
    h->serial = s->tape->serial;
}

/* Whether its numbers follow from its inputs and attributes alone, by its forward. */
static bool can_be_made_again(const Tensor *y) {
    return !(y->op->flags & (HC_OP_LEAF | HC_OP_RANDOM | HC_OP_PARTS | HC_OP_PART)) && !y->op->own;
}

void hc_habit_learn(HcSweep *s, const HcReached *x, size_t born) {
    HcHabit *h = s->learns;
    Tape *tape = s->tape;
    if (x->node->flags & HC_NODE_BESIDE) add_step(s, (HcHabitStep){.reads = x->node, .needs = x->needs});
    for (size_t i = born; i < tape->born_count && !h->odd; i++) {
        const Tensor *y = tape->born[i];
        if (y->serial <= h->serial) continue; /* a cotangent that was taken */
        Tensor *copy = can_be_made_again(y) ? copied(s, y) : NULL;
        h->odd = h->odd || !copy;
        h->made++;
        add_step(s, (HcHabitStep){.made = copy, .origin = y});
    }
    h->serial = tape->serial;
}

static void add_result(HcSweep *s, const HcReached *x) {
    HcHabit *h = s->learns;
    if (x->cotangent && !(x->cotangent->flags & HC_NODE_SCRATCH)) see(s, x->cotangent);
    if (ROOM(results, result))
        h->results[h->result_count++] = (HcHabitResult){x->node, x->cotangent};
    else
        h->odd = true;
}

/* All that the sweep and its rules could look at. */
static void see_all(HcSweep *s) {
    for (size_t i = 0; i < s->count && !s->learns->odd; i++) {
        Tensor *y = s->nodes[i].node;
        see(s, y);
        for (uint32_t j = 0; j < y->nin && !s->learns->odd; j++)
            see(s, y->in.few[j]);
    }
}

/* Nodes of the habit's store are not dropped: it goes as a whole. */
static void replace_cotangent(HcSweep *s, HcReached *x) {
    HcHabit *h = s->learns;
    Tensor *g = x->cotangent;
    if (!g || !(g->flags & HC_NODE_SCRATCH)) return;
    x->cotangent = NULL;
    if (!x->wanted || s->tape->status != HC_OK) return;
    Tensor *copy = h->odd ? NULL : copy_of(h, g);
    h->odd = h->odd || !copy;
    if (h->odd) copy = copied(s, g);
    if (copy)
        hc_hold(x->cotangent = copy);
    else
        hc_fail_nomem(s->tape, "tensor_grad");
}

void hc_habit_learned(HcSweep *s, size_t born) {
    HcHabit *h = s->learns;
    Tape *tape = s->tape;
    tape->born_count = born;
    /* Each tensor that was made is known: no rule swept, or called a caller's code, which makes some apart. */
    h->odd = h->odd || tape->status != HC_OK || !h->start || tape->serial - h->first_serial != h->made ||
             tape->count != h->nodes || tape->forms.sweeps != h->form_sweeps;
    for (size_t i = 0; i < s->count; i++)
        replace_cotangent(s, &s->nodes[i]);
    for (size_t i = 0; i < s->count && !h->odd; i++)
        if (s->nodes[i].wanted) add_result(s, &s->nodes[i]);
    see_all(s);
    swap_stores(tape, h);
}

void hc_habit_leave(HcSweep *s) {
    HcHabit *h = s->learns;
    s->learns = NULL;
    h->busy = false;
    h->whole = !h->odd;
    if (h->odd) in_vain(place_of(s->tape, s->output));
}
