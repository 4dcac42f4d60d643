/* An unrolled loop on the tape: one node, and as its parts what the loop hands on. */
#include "meta/unroll.h"
#include "ops/ops.h"

static const char who[] = "unroll";

bool hc_unroll_is_part(const HcUnroll *u, size_t i) {
    return hc_unroll_flows(&u->end, i) && u->flows[i] != HC_FLOWS_NEVER;
}

static size_t parts_of(const HcUnroll *u) {
    size_t parts = 0;
    for (size_t i = 0; i < u->count; i++)
        parts += hc_unroll_is_part(u, i);
    return parts;
}

bool hc_unroll_form(Tensor *y, size_t parts, size_t bytes) {
    size_t numbers = bytes / y->tape->item, rows = parts > 0 ? parts : 1;
    y->form = hc_form(&y->tape->forms, 2, (size_t[]){rows, (numbers + rows - 1) / rows}, NULL);
    return y->form || hc_fail_nomem(y->tape, who);
}

/* Its numbers are those at the last point. */
bool hc_unroll_infer(Tensor *y) {
    const HcUnroll *u = y->attr.custom.state;
    return hc_unroll_form(y, parts_of(u), u->end.layout->bytes);
}

bool hc_unroll_forward(Tensor *y) {
    const HcUnroll *u = y->attr.custom.state;
    const HcKernels *k = y->tape->k;
    k->fill(y->data, y->form->count, 0);
    for (size_t i = 0; i < u->count; i++) {
        size_t at = u->end.layout->offset[i], count = shape_count(u->shapes[i]);
        if (hc_unroll_owns(&u->end, i)) k->copy((char *)y->data + at, 1, u->end.data + at, 1, count);
    }
    return true;
}

static bool part_infer(Tensor *y) {
    const HcUnroll *u = hc_inputs(y)[0]->attr.custom.state;
    size_t i = y->attr.range.start;
    y->form = hc_form_of(&y->tape->forms, &u->shapes[i], y->tape->item);
    y->data = (char *)hc_inputs(y)[0]->data + u->end.layout->offset[i];
    return y->form || hc_fail_nomem(y->tape, who);
}

static const HcOp op_part = {
    .name = "unroll", .flags = HC_OP_ALIAS | HC_OP_PART, .arity = 1, .infer = part_infer};

/* Where history ends: a constant, or a weight as a step in HC_EVAL leaves it. */
static const HcOp op_ended = {
    .name = "unroll", .flags = HC_OP_ALIAS | HC_OP_LEAF, .arity = 1, .infer = part_infer};

static Tensor *ended(HcUnroll *u, Tensor *y, size_t i) {
    Tensor *x = hc_emit1(&op_ended, &(HcAttr){.range = {.start = i}}, y);
    if (!x) return NULL;
    x->why = u->flows[i] == HC_FLOWS_NEVER ? HC_WHY_EVAL : HC_WHY_CONSTANT;
    if (u->end.carried[i] == HC_HANDED_NEEDS) x->flags |= HC_NODE_NEEDS;
    return x;
}

static bool changes(const HcUnroll *u) {
    size_t i = 0;
    while (i < u->count && u->end.carried[i] < HC_HANDED_CONSTANT)
        i++;
    return i < u->count;
}

bool hc_unroll_emit(HcUnroll *u, const HcOp *op, Tensor **list) {
    Tensor *y = NULL;
    if (changes(u)) {
        HC_ASSERT(u->input_count > 0); /* that which was changed, if nothing else */
        y = hc_emit(op, &(HcAttr){.custom = {.state = u}}, u->inputs, u->input_count);
        if (!y) return false;
        if (!op->own) y->flags |= HC_NODE_LOST;
        u->inputs = hc_inputs(y);
    }
    bool flows = u->flowing > 0;
    for (size_t i = 0; i < u->count && flows; i++)
        if (hc_unroll_is_part(u, i) && !(list[i] = hc_emit1(&op_part, &(HcAttr){.range = {.start = i}}, y)))
            return false;
    for (size_t i = 0; i < u->count; i++) {
        if (flows && hc_unroll_is_part(u, i)) continue;
        size_t same = u->end.same[i];
        list[i] = u->end.carried[i] == HC_HANDED_FIRST ? u->first[i] : same < i ? list[same] : NULL;
        if (u->end.carried[i] >= HC_HANDED_CONSTANT && !list[i] && !(list[i] = ended(u, y, i))) return false;
    }
    hc_hide(y);
    return true;
}

const HcUnroll *hc_unroll_of(const Tensor *x, size_t *i) {
    if (!x || x->op != &op_part) return NULL;
    *i = x->attr.range.start;
    return hc_inputs(x)[0]->attr.custom.state;
}
