/* An unrolled loop on the tape: one node, and as its parts what the loop hands on. */
#include "meta/unroll.h"
#include "ops/ops.h"

static const char who[] = "unroll";

bool hc_unroll_is_part(const HcUnroll *u, size_t i) {
    return hc_unroll_flows(&u->end, i) && u->flows[i] != HC_FLOWS_NEVER;
}

/* Its own numbers, one for each part, mean nothing: a part's are those of the last point. */
bool hc_unroll_infer(Tensor *y) {
    const HcUnroll *u = y->attr.custom.state;
    size_t parts = 0;
    for (size_t i = 0; i < u->count; i++)
        parts += hc_unroll_is_part(u, i);
    y->form = hc_form(&y->tape->forms, 1, &parts, NULL);
    return y->form || hc_fail_nomem(y->tape, who);
}

bool hc_unroll_forward(Tensor *y) {
    y->tape->k->fill(y->data, y->form->count, 0);
    return true;
}

static bool part_infer(Tensor *y) {
    const HcUnroll *u = hc_inputs(y)[0]->attr.custom.state;
    size_t i = y->attr.range.start;
    y->form = hc_form_of(&y->tape->forms, &u->shapes[i], y->tape->item);
    y->data = u->end.data + u->offset[i];
    return y->form || hc_fail_nomem(y->tape, who);
}

static const HcOp op_part = {
    .name = "unroll", .flags = HC_OP_ALIAS | HC_OP_PART, .arity = 1, .infer = part_infer};

/* As a step in HC_EVAL leaves a weight, or as a constant. */
static Tensor *ended(HcUnroll *u, size_t i) {
    bool weight = u->end.carried[i] == HC_HANDED_NEEDS;
    HcWhy why = u->flows[i] == HC_FLOWS_NEVER ? HC_WHY_EVAL : HC_WHY_CONSTANT;
    Tensor *x = hc_emit_leaf(u->tape, who, u->shapes[i], u->end.data + u->offset[i], why);
    if (x) x->flags |= weight ? HC_NODE_LOST | HC_NODE_NEEDS : HC_NODE_LOST;
    return x;
}

bool hc_unroll_emit(HcUnroll *u, const HcOp *op, Tensor **list) {
    size_t parts = 0;
    for (size_t i = 0; i < u->count; i++)
        parts += hc_unroll_is_part(u, i);
    Tensor *y = NULL;
    if (parts > 0 && u->input_count > 0) {
        y = hc_emit(op, &(HcAttr){.custom = {.state = u}}, u->inputs, u->input_count);
        if (!y) return false;
        y->flags |= HC_NODE_LOST;
        u->inputs = hc_inputs(y);
    }
    for (size_t i = 0; i < u->count; i++)
        if (y && hc_unroll_is_part(u, i) &&
            !(list[i] = hc_emit1(&op_part, &(HcAttr){.range = {.start = i}}, y)))
            return false;
    hc_hide(y);
    for (size_t i = 0; i < u->count; i++) {
        if (y && hc_unroll_is_part(u, i)) continue;
        size_t same = u->end.same[i];
        list[i] = u->end.carried[i] == HC_HANDED_FIRST ? u->first[i] : same < i ? list[same] : NULL;
        if (u->end.carried[i] >= HC_HANDED_CONSTANT && !list[i] && !(list[i] = ended(u, i)))
            return false;
    }
    return true;
}

const HcUnroll *hc_unroll_of(const Tensor *x, size_t *i) {
    if (!x || x->op != &op_part) return NULL;
    *i = x->attr.range.start;
    return hc_inputs(x)[0]->attr.custom.state;
}
