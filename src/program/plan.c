/* Memory by liveness. A buffer belongs to a *root*: a node that is computed, together with the views of
 * it. It is taken when the root is computed and free again after the last step that reads any of them.
 * Buffers are placed best fit in one block, in the order of the steps (Pisarchyk and Lee 2020, "Efficient
 * memory management for deep neural net inference", compare such plans). */
#include <string.h>

#include "program/series.h"

#define FOREVER SIZE_MAX

typedef struct Gap {
    size_t offset, size;
} Gap;

typedef struct Plan {
    Program *p;
    size_t *root;   /* of each node */
    size_t *last;   /* of each root: the last step that reads it */
    size_t *offset; /* of each root in memory */
    Gap *gaps;      /* by offset; none touches another */
    size_t gap_count, gap_capacity;
    size_t top;
    Tensor **steps;
    size_t step_count;
} Plan;

static size_t bytes_of(const Tensor *x) {
    size_t bytes = x->form->count * x->tape->item;
    return bytes ? (bytes + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN : HC_ALIGN;
}

/* Whether a node's numbers are another's, in the same memory: a view, or a copy that no one must be able
 * to tell apart, such as that of fast weights. */
static bool shares(const Tensor *x) {
    if (x->op->flags & HC_OP_ALIAS) return true;
    return (x->op->flags & HC_OP_COPY) && !(x->flags & HC_NODE_OWNS) &&
           x->form == hc_inputs(x)[0]->form;
}

static bool is_computed(const Tensor *x) {
    return x->nin > 0 && !shares(x);
}

/* ---- who needs what until when ------------------------------------------------------------------- */

static void find_last_uses(Plan *plan) {
    Program *p = plan->p;
    for (size_t i = 0; i < p->count; i++) {
        Tensor *x = &p->nodes[i];
        plan->root[i] = shares(x) ? plan->root[hc_inputs(x)[0]->index] : i;
        if (!is_computed(x)) continue;
        size_t step = plan->step_count++;
        plan->steps[step] = x;
        plan->last[i] = step;
        for (uint32_t j = 0; j < x->nin; j++) {
            HC_ASSERT(hc_inputs(x)[j]->index < i);
            plan->last[plan->root[hc_inputs(x)[j]->index]] = step;
        }
    }
    for (size_t i = 0; i < p->output_count; i++)
        plan->last[plan->root[p->outputs[i]->index]] = FOREVER;
    for (size_t i = 0; i < p->grad_count; i++)
        plan->last[plan->root[p->grads[i]->index]] = FOREVER;
}

/* Gaps by offset, apart from each other, below the top. */
static bool gaps_are_sound(const Plan *plan) {
    size_t end = 0;
    for (size_t g = 0; g < plan->gap_count; g++) {
        const Gap *gap = &plan->gaps[g];
        if (gap->size == 0 || (g > 0 && gap->offset <= end)) return false;
        end = gap->offset + gap->size;
    }
    return end <= plan->top;
}

/* ---- placing --------------------------------------------------------------------------------------- */

static size_t take(Plan *plan, size_t size) {
    size_t best = plan->gap_count;
    for (size_t g = 0; g < plan->gap_count; g++)
        if (plan->gaps[g].size >= size &&
            (best == plan->gap_count || plan->gaps[g].size < plan->gaps[best].size))
            best = g;
    if (best < plan->gap_count) {
        Gap *gap = &plan->gaps[best];
        size_t offset = gap->offset;
        gap->offset += size;
        gap->size -= size;
        if (gap->size == 0) memmove(gap, gap + 1, (--plan->gap_count - best) * sizeof *gap);
        HC_ASSERT(gaps_are_sound(plan));
        return offset;
    }
    /* A gap at the end grows. */
    Gap *end = plan->gap_count ? &plan->gaps[plan->gap_count - 1] : NULL;
    bool touches = end && end->offset + end->size == plan->top;
    size_t offset = touches ? end->offset : plan->top;
    if (touches) plan->gap_count--;
    plan->top = offset + size;
    HC_ASSERT(gaps_are_sound(plan));
    return offset;
}

static bool give_back(Plan *plan, size_t offset, size_t size) {
    if (!hc_grow((void **)&plan->gaps, &plan->gap_capacity, plan->gap_count, plan->gap_count + 1,
                 sizeof *plan->gaps))
        return false;
    size_t at = 0;
    while (at < plan->gap_count && plan->gaps[at].offset < offset)
        at++;
    Gap *before = at > 0 ? &plan->gaps[at - 1] : NULL, *after = &plan->gaps[at];
    bool joins_before = before && before->offset + before->size == offset;
    bool joins_after = at < plan->gap_count && offset + size == after->offset;
    if (joins_before && joins_after) {
        before->size += size + after->size;
        memmove(after, after + 1, (--plan->gap_count - at) * sizeof *after);
    } else if (joins_before) {
        before->size += size;
    } else if (joins_after) {
        after->offset = offset;
        after->size += size;
    } else {
        memmove(after + 1, after, (plan->gap_count++ - at) * sizeof *after);
        *after = (Gap){offset, size};
    }
    HC_ASSERT(gaps_are_sound(plan));
    return true;
}

/* Whether y may be computed where its input j is: nothing reads that afterwards, nor as another input. */
static bool may_overwrite(const Plan *plan, const Tensor *y, uint32_t j, size_t step) {
    const Tensor *x = hc_inputs(y)[j];
    if (!is_computed(x) || x->form != y->form || plan->last[x->index] != step) return false;
    for (uint32_t i = 0; i < y->nin; i++)
        if (i != j && plan->root[hc_inputs(y)[i]->index] == x->index) return false;
    return true;
}

/* The input in whose place y is computed: an accumulator, or an operand of an elementwise function; or nin. */
static uint32_t overwritten(const Plan *plan, const Tensor *y, size_t step) {
    bool has_acc = hc_acc_of(y) != NULL;
    if (has_acc && may_overwrite(plan, y, y->nin - 1, step)) return y->nin - 1;
    for (uint32_t j = 0; y->op->kernel != 0 && j < y->nin; j++)
        if (may_overwrite(plan, y, j, step)) return j;
    return y->nin;
}

static bool place(Plan *plan) {
    const Program *p = plan->p;
    for (size_t step = 0; step < plan->step_count; step++) {
        const Tensor *y = plan->steps[step];
        uint32_t over = overwritten(plan, y, step);
        size_t owner = over < y->nin ? hc_inputs(y)[over]->index : y->index;
        plan->offset[y->index] =
            owner != y->index ? plan->offset[owner] : take(plan, bytes_of(y));
        for (uint32_t j = 0; j < y->nin; j++) {
            size_t root = plan->root[hc_inputs(y)[j]->index];
            bool again = false; /* the same buffer, read twice */
            for (uint32_t i = 0; i < j; i++)
                again = again || plan->root[hc_inputs(y)[i]->index] == root;
            if (again || plan->last[root] != step || !is_computed(&p->nodes[root])) continue;
            if (root == owner) continue;
            if (!give_back(plan, plan->offset[root], bytes_of(&p->nodes[root]))) return false;
        }
        /* What no one reads is there for the time of its own step. */
        if (plan->last[y->index] == step && !give_back(plan, plan->offset[y->index], bytes_of(y)))
            return false;
    }
    return true;
}

/* From offsets to addresses. A view keeps its distance from what it is a view of. */
static void bind(const Plan *plan) {
    Program *p = plan->p;
    for (size_t i = 0; i < p->count; i++) {
        Tensor *x = &p->nodes[i];
        HC_ASSERT(!is_computed(x) || plan->offset[i] + bytes_of(x) <= plan->top);
        if (is_computed(x))
            x->data = p->memory + plan->offset[i];
        else if (x->op->flags & HC_OP_ALIAS)
            x->data = (char *)hc_inputs(x)[0]->data + x->displaced;
        else if (shares(x))
            x->data = hc_inputs(x)[0]->data;
    }
}

bool hc_program_plan(Program *p) {
    Plan plan = {.p = p,
                 .root = hc_alloc(p->count, sizeof *plan.root),
                 .last = hc_alloc(p->count, sizeof *plan.last),
                 .offset = hc_alloc(p->count, sizeof *plan.offset),
                 .steps = hc_alloc(p->count, sizeof *plan.steps)};
    bool done = plan.root && plan.last && plan.offset && plan.steps;
    if (done) {
        find_last_uses(&plan);
        done = place(&plan);
    }
    if (done) {
        p->memory_bytes = plan.top;
        p->memory = p->series ? hc_series_room(p->series, HC_SERIES_MEMORY, plan.top) : hc_alloc(plan.top, 1);
        done = p->memory != NULL;
    }
    if (done) {
        p->steps = plan.steps;
        p->step_count = plan.step_count;
        plan.steps = NULL;
        bind(&plan);
    }
    hc_free(plan.root);
    hc_free(plan.last);
    hc_free(plan.offset);
    hc_free(plan.gaps);
    hc_free(plan.steps);
    return done;
}
