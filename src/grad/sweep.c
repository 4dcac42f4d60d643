/* The reverse sweep.
 *
 * Which nodes were reached is kept in marks that each pass leaves all zero (bytes: marking one does not wait for
 * the one before), and a sparse set (Briggs and Torczon 1993): number[index] says where a node stands in
 * nodes[], which says whether that is true, so nothing is ever cleared. The first pass stops as soon as nothing
 * reached is left to visit, so an old leaf that is wanted but not used costs nothing. */
#include "grad/sweep.h"

#include <string.h>

#include "base/bits.h"
#include "grad/habit.h"
#include "ops/ops.h"

enum { REACHED = 1, WANTED = 2 };

struct HcSweepSpace {
    HcSweepSpace *next;
    bool busy;
    uint8_t *marks; /* by index; zero between sweeps */
    size_t marks_capacity;
    uint32_t *number; /* by index */
    size_t number_capacity;
    HcReached *nodes; /* by number, indices falling */
    size_t nodes_capacity;
    const Tensor **asked; /* what want was called with, to undo it */
    size_t asked_count, asked_capacity;
};

static void free_spaces(Tape *tape) {
    HcBudget *b = &tape->budget;
    hc_habits_free(tape);
    for (HcSweepSpace *w = tape->sweeps, *next; w; w = next) {
        next = w->next;
        HC_ASSERT(!w->busy);
        hc_budget_free(b, w->marks, w->marks_capacity * sizeof *w->marks);
        hc_budget_free(b, w->number, w->number_capacity * sizeof *w->number);
        hc_budget_free(b, w->nodes, w->nodes_capacity * sizeof *w->nodes);
        hc_budget_free(b, w->asked, w->asked_capacity * sizeof *w->asked);
        hc_budget_free(b, w, sizeof *w);
    }
    tape->sweeps = NULL;
}

static HcSweepSpace *take_space(Tape *tape) {
    HcSweepSpace *w = tape->sweeps;
    while (w && w->busy)
        w = w->next;
    if (!w) {
        w = hc_budget_alloc(&tape->budget, sizeof *w);
        if (!w) return NULL;
        memset(w, 0, sizeof *w);
        w->next = tape->sweeps;
        tape->sweeps = w;
        tape->free_sweeps = free_spaces;
    }
    w->busy = true;
    w->asked_count = 0;
    return w;
}

static bool all_zero(const uint8_t *marks, size_t count) {
    return count == 0 || (marks[0] == 0 && memcmp(marks, marks + 1, count - 1) == 0);
}

#define GROW(items, used, need)                                                                    \
    hc_budget_grow(&s->tape->budget, (void **)&w->items, &w->items##_capacity, used, need,         \
                   sizeof *w->items)

bool hc_sweep_begin(HcSweep *s, Tensor *output, unsigned flags) {
    *s = (HcSweep){.tape = output->tape, .output = output, .flags = flags};
    HcSweepSpace *w = s->space = take_space(s->tape);
    size_t nodes = (size_t)output->index + 1;
    if (w && GROW(marks, 0, nodes) && GROW(number, 0, nodes) && GROW(nodes, 0, nodes)) {
        HC_ASSERT(all_zero(w->marks, nodes));
        s->nodes = w->nodes;
        s->number = w->number;
        return true;
    }
    hc_fail_nomem(s->tape, "tensor_grad");
    hc_sweep_end(s);
    return false;
}

void hc_sweep_end(HcSweep *s) {
    HcSweepSpace *w = s->space;
    if (!w) return;
    HC_ASSERT(w->busy);
    for (size_t i = 0; i < w->asked_count; i++)
        w->marks[w->asked[i]->index] = 0;
    for (size_t i = 0; i < s->count; i++)
        hc_drop(w->nodes[i].cotangent);
    if (s->learns) hc_habit_leave(s);
    w->busy = false;
    s->space = NULL;
}

bool hc_sweep_want(HcSweep *s, const Tensor *x) {
    HcSweepSpace *w = s->space;
    if (x->index > s->output->index || (x->flags & HC_NODE_SCRATCH)) return true;
    if (!GROW(asked, w->asked_count, w->asked_count + 1))
        return hc_fail_nomem(s->tape, "tensor_grad");
    w->asked[w->asked_count++] = x;
    w->marks[x->index] = WANTED;
    return true;
}

/* ---- passes one and two --------------------------------------------------------------------------- */

/* What the flags say, constants to the compiler. */
typedef struct Way {
    bool cut, params;
    bool all, origins; /* go to all inputs, a leaf's too */
} Way;

/* The inputs a sweep goes on to from x. */
HC_INLINE uint16_t inputs_of(Way way, const Tensor *x) {
    if (!way.all) return x->passing;
    if ((x->op->flags & HC_OP_LEAF) && !way.origins) return 0;
    return (uint16_t)(x->nin > HC_LAST_BIT ? UINT16_MAX : (1u << x->nin) - 1);
}

HC_INLINE bool passes(Way way, const Tensor *x) {
    return way.all || (x->flags & HC_NODE_NEEDS);
}

/* Returns whether x had not been reached. */
HC_INLINE bool mark(uint8_t *marks, const Tensor *x) {
    uint8_t *at = &marks[x->index], was = *at;
    *at = was | REACHED;
    return !(was & REACHED);
}

/* The last index up to i that is marked REACHED; there must be one. */
HC_INLINE size_t last_reached(const uint8_t *marks, size_t i) {
    while (!(marks[i] & REACHED)) {
        uint64_t eight = 1;
        if (i % 8 == 7) memcpy(&eight, marks + i - 7, 8);
        i -= eight & 0x0101010101010101 ? 1 : 8;
    }
    return i;
}

/* Marks the inputs of a node; returns how many of those are new. */
HC_INLINE size_t mark_inputs(uint8_t *marks, Way way, const Tensor *x, unsigned inputs) {
    Tensor *const *in = hc_inputs(x);
    size_t found = 0;
    for (unsigned rest = inputs & ((1u << HC_LAST_BIT) - 1); rest; rest &= rest - 1)
        found += mark(marks, in[hc_lowest_bit(rest)]);
    for (uint32_t i = HC_LAST_BIT; inputs >> HC_LAST_BIT && i < x->nin; i++)
        if (passes(way, in[i])) found += mark(marks, in[i]);
    return found;
}

/* Returns whether some way down ends at what is not wanted; else all that was reached is above something
 * wanted. */
HC_INLINE bool descend(HcSweep *s, Way way) {
    const Tape *tape = s->tape;
    uint8_t *restrict marks = s->space->marks; /* apart from all that is read here */
    uint32_t *number = s->number;
    HcReached *nodes = s->nodes;
    size_t pending = passes(way, s->output) ? mark(marks, s->output) : 0, count = 0;
    bool loose = false;
    for (size_t index = s->output->index; pending > 0;) {
        index = last_reached(marks, index);
        Tensor *x = hc_node(tape, index);
        bool wanted = way.params ? x->flags & HC_NODE_PARAM : marks[index] & WANTED;
        marks[index] &= WANTED;
        uint16_t inputs = way.cut && wanted ? 0 : inputs_of(way, x);
        number[index] = (uint32_t)count;
        nodes[count++] = (HcReached){.node = x, .needs = inputs, .wanted = wanted};
        loose |= !inputs && !wanted;
        pending += mark_inputs(marks, way, x, inputs) - 1;
    }
    s->count = count;
    return loose;
}

/* Keeps of the inputs those above something wanted. */
HC_INLINE void ascend(const HcSweep *s, Way way) {
    const HcSweepSpace *w = s->space;
    for (HcReached *x = w->nodes + s->count; x-- > w->nodes;) {
        Tensor *const *in = hc_inputs(x->node);
        unsigned needs = 0;
        for (unsigned rest = x->needs; rest; rest &= rest - 1) {
            unsigned j = (unsigned)hc_lowest_bit(rest);
            uint32_t end = j < HC_LAST_BIT ? j + 1 : x->node->nin;
            for (uint32_t i = j; i < end; i++)
                if (passes(way, in[i]) && hc_wanted_below(hc_reached(s, in[i]))) needs |= 1u << j;
        }
        x->needs = (uint16_t)needs;
    }
}

HC_INLINE void find(HcSweep *s, Way way) {
    if (descend(s, way)) ascend(s, way);
}

bool hc_sweep_find(HcSweep *s) {
    if (s->flags == HC_SWEEP_PARAMS && hc_habit_fits(s)) return true;
    bool cut = s->flags & HC_SWEEP_CUT, params = s->flags & HC_SWEEP_PARAMS;
    if (s->flags & HC_SWEEP_BLOCKED)
        find(s, (Way){cut, params, true, s->flags & HC_SWEEP_ORIGINS});
    else if (params)
        find(s, (Way){.params = true});
    else if (cut)
        find(s, (Way){.cut = true});
    else
        find(s, (Way){.cut = false});
    return true;
}

bool hc_sweep_reaches(const HcSweep *s, const Tensor *x) {
    return hc_sweep_number(s, x) < s->count;
}

Tensor *hc_sweep_node(const HcSweep *s, size_t i) {
    return s->nodes[i].node;
}

bool hc_sweep_wanted_below(const HcSweep *s, size_t i) {
    return hc_wanted_below(&s->nodes[i]);
}

/* ---- pass three --------------------------------------------------------------------------------- */

/* Whether memory that x borrows, and y's rule is about to read, is as it was. */
static bool unchanged(HcSweep *s, const Tensor *y, const Tensor *x) {
    uint64_t version;
    if (!(x->flags & HC_NODE_BORROWED)) return true;
    const HcCell *cell = hc_cell(x, &version);
    return cell->version == version ||
           hc_fail(s->tape, HC_ERR_CHANGED,
                   "the gradient of %s needs '%s' as it was, but it was changed in place since",
                   y->op->name, cell->name);
}

static bool reads_unchanged(HcSweep *s, const Tensor *y) {
    unsigned mask = 0;
    for (unsigned j = 0; j < y->nin && j < HC_MOST_READ; j++)
        if (hc_needs(s, j)) mask |= y->op->reads[j];
    for (unsigned i = 0; i < y->nin && i < HC_MOST_READ; i++)
        if ((mask & HC_IN(i)) && !unchanged(s, y, hc_inputs(y)[i])) return false;
    return !(mask & HC_READS_OUTPUT) || unchanged(s, y, y);
}

/* How cotangents are made; returns what was there. */
static HcManner enter(const HcSweep *s) {
    HcManner was = s->tape->manner;
    bool record = s->flags & HC_SWEEP_RECORD, abstract = s->flags & HC_SWEEP_ABSTRACT;
    s->tape->manner = (HcManner){.recording = was.recording && record,
                                 .scratching = !record && !abstract,
                                 .abstract = abstract};
    return was;
}

static void drop_cotangent(HcReached *x) {
    hc_drop(x->cotangent);
    x->cotangent = NULL;
}

void hc_sweep_clear(HcSweep *s) {
    for (size_t k = 0; k < s->count; k++)
        drop_cotangent(&s->nodes[k]);
}

static void drop_parts(HcSweep *s, const Tensor *parent) {
    for (size_t i = 0; i < parent->form->dim[0]; i++) {
        size_t k = hc_sweep_number(s, hc_part(parent, i));
        if (k < s->count && !s->nodes[k].wanted) drop_cotangent(&s->nodes[k]);
    }
}

/* ---- the rule of a fused operation without one of its own: its composition is recorded on the same inputs and
 * swept. Closed at any order, since a composition is ordinary operations -------------------------------------- */

/* The inputs that want a cotangent, each once; their number. */
static size_t wanted_inputs(const HcSweep *s, const Tensor *y, Tensor **wanted, unsigned *place) {
    size_t count = 0;
    for (unsigned j = 0; j < y->nin; j++) {
        Tensor *x = hc_inputs(y)[j];
        bool again = !hc_needs(s, j);
        for (size_t i = 0; i < count; i++)
            again = again || wanted[i] == x;
        if (again) continue;
        place[count] = j;
        wanted[count++] = x;
    }
    return count;
}

static void apply_composed(HcSweep *s, Tensor *y, Tensor *gy) {
    Tape *tape = s->tape;
    Tensor *wanted[HC_MOST_COMPOSED], *grads[HC_MOST_COMPOSED];
    unsigned place[HC_MOST_COMPOSED];
    HcManner was = tape->manner;
    HC_ASSERT(y->op->compose && y->nin <= HC_MOST_COMPOSED);
    size_t count = wanted_inputs(s, y, wanted, place);
    TapeMark mark = tape_mark(tape);
    tape->manner = (HcManner){.recording = true, .abstract = was.abstract};
    Tensor *composed = y->op->compose(y);
    tape->manner = was;
    unsigned flags = HC_SWEEP_CUT | (s->flags & (HC_SWEEP_RECORD | HC_SWEEP_ABSTRACT));
    if (composed && hc_sweep_all(composed, gy, wanted, count, flags, grads))
        for (size_t i = 0; i < count; i++) {
            /* What may read the composition's memory is copied before that goes. */
            bool goes = grads[i] && was.scratching;
            hc_give(s, place[i], goes ? hc_copied(grads[i], HC_WHY_NO_GRAPH) : grads[i]);
            hc_drop(grads[i]);
        }
    if (was.scratching) tape_release(tape, mark);
}

/* Its own rule, or that of what it is made of. */
static void apply(HcSweep *s, Tensor *y, Tensor *gy) {
    if (y->op->vjp)
        y->op->vjp(s, y, gy);
    else
        apply_composed(s, y, y->op->flags & HC_OP_PARTS ? hc_stacked_cotangent(s, y) : gy);
}

static void run_rule(HcSweep *s, HcReached *x) {
    Tensor *y = x->node;
    s->node = y;
    s->inputs = hc_inputs(y);
    s->needs = x->needs;
    if (y->op->flags & HC_OP_PART) {
        /* It waits for the parent's rule, which runs if any part has a cotangent. */
        HcReached *parent = hc_reached(s, s->inputs[0]);
        HC_ASSERT(parent->node->op->flags & HC_OP_PARTS);
        if (!parent->cotangent) hc_put_cotangent(parent, x->cotangent, false);
        return;
    }
    size_t born = s->tape->born_count;
    if (!(y->flags & HC_NODE_BESIDE) || reads_unchanged(s, y)) apply(s, y, x->cotangent);
    if (s->learns) hc_habit_learn(s, x, born);
    hc_drop_born(s->tape, born);
    if (!x->wanted) drop_cotangent(x);
    if (y->op->flags & HC_OP_PARTS) drop_parts(s, y);
}

/* Does again what the rules did. */
static bool follow(HcSweep *s) {
    const HcHabit *h = s->habit;
    h->start->tape->k->fill(h->start->data, h->start->form->count, 1);
    for (const HcHabitStep *step = h->steps, *end = step + h->step_count; step < end; step++) {
        s->needs = step->needs;
        if (!(step->reads ? reads_unchanged(s, step->reads) : hc_forward(step->made))) return false;
    }
    for (size_t i = 0; i < h->result_count; i++)
        hc_put_cotangent(&s->nodes[i], h->results[i].cotangent, false);
    return true;
}

bool hc_sweep_run(HcSweep *s, Tensor *gy) {
    Tape *tape = s->tape;
    HC_ASSERT(!s->habit || !gy);
    if (s->habit) return follow(s);
    size_t born = tape->born_count;
    if (s->flags == HC_SWEEP_PARAMS && !gy) hc_habit_begin(s);
    HcManner was = enter(s);
    if (!gy) gy = tensor_ones(tape, hc_form_shape(s->output->form));
    if (s->learns) hc_habit_starts(s, gy);
    HC_ASSERT(!(s->flags & HC_SWEEP_BLOCKED) && (!gy || gy->form->plain == s->output->form->plain));
    if (gy && s->count > 0 && hc_wanted_below(&s->nodes[0])) {
        hc_hold(gy);
        s->nodes[0].cotangent = gy;
    }
    for (HcReached *x = s->nodes, *end = x + s->count; x < end && tape->status == HC_OK; x++)
        if (x->cotangent && x->needs) run_rule(s, x);
    tape->manner = was;
    if (s->learns) hc_habit_learned(s, born);
    return tape->status == HC_OK;
}

Tensor *hc_sweep_result(HcSweep *s, const Tensor *x) {
    Tape *tape = s->tape;
    size_t k = hc_sweep_number(s, x);
    if (k == s->count) return NULL;
    Tensor *g = s->nodes[k].cotangent;
    if (g) {
        hc_hold(g);
        return g;
    }
    size_t born = tape->born_count;
    HcManner was = enter(s);
    g = tensor_zeros(tape, hc_form_shape(x->form));
    hc_hold(g);
    hc_drop_born(tape, born);
    s->tape->manner = was;
    return g;
}

/* Puts a dense gradient in the place of none, or of one stored otherwise. */
static bool settle(HcSweep *s, HcReached *x) {
    Tape *tape = s->tape;
    size_t born = tape->born_count;
    HcManner was = enter(s);
    Tensor *g = hc_sweep_result(s, x->node), *dense = g ? hc_dense(g) : NULL;
    if (dense) {
        hc_hold(dense);
        hc_drop(x->cotangent);
        x->cotangent = dense;
    }
    hc_drop(g);
    hc_drop_born(tape, born);
    s->tape->manner = was;
    return dense != NULL;
}

Tensor *hc_sweep_param(const HcSweep *sweep, size_t *number) {
    HC_ASSERT(sweep->flags & HC_SWEEP_PARAMS); /* so that they are what is wanted */
    size_t i = *number;
    while (i < sweep->count && !sweep->nodes[i].wanted)
        i++;
    *number = i;
    return i < sweep->count ? sweep->nodes[i].node : NULL;
}

Tensor *hc_sweep_settle(HcSweep *s, size_t number) {
    HC_ASSERT(number < s->count);
    HcReached *found = &s->nodes[number];
    bool settled = found->cotangent && hc_is_dense(found->cotangent->form);
    return settled || settle(s, found) ? found->cotangent : NULL;
}

bool hc_sweep_all(Tensor *output, Tensor *gy, Tensor *const *inputs, size_t count, unsigned flags,
                  Tensor **grads) {
    HcSweep sweep;
    if (!hc_sweep_begin(&sweep, output, flags)) return false;
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = hc_sweep_want(&sweep, inputs[i]);
    done = done && hc_sweep_find(&sweep) && hc_sweep_run(&sweep, gy);
    size_t made = 0;
    for (; made < count && done; made++) {
        grads[made] = hc_sweep_result(&sweep, inputs[made]);
        done = output->tape->status == HC_OK;
    }
    for (size_t i = 0; i < made && !done; i++)
        hc_drop(grads[i]);
    hc_sweep_end(&sweep);
    return done;
}

bool hc_sweep_keep(Tensor *output, Tensor *gy, Tensor *const *inputs, size_t count, unsigned flags,
                   HcWhy why, Tensor **grads) {
    const char *who = "tensor_grad";
    Tape *tape = output->tape;
    HcTaken *taken = hc_tape_alloc(tape, sizeof *taken, who);
    Tensor **lists = taken ? hc_tape_alloc(tape, 2 * count * sizeof *lists, who) : NULL;
    if (!lists) return false;
    *taken = (HcTaken){output, gy, output->serial, flags, count, lists, lists + count};
    for (size_t i = 0; i < count; i++) {
        bool keep = grads[i] && (grads[i]->flags & HC_NODE_SCRATCH);
        taken->inputs[i] = inputs[i];
        taken->kept[i] = NULL;
        if (!keep) continue;
        if (!(grads[i] = hc_keep(grads[i], why))) return false;
        grads[i]->taken = taken;
        taken->kept[i] = grads[i];
    }
    return true;
}
