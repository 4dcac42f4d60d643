#include "meta/reads.h"

#include <string.h>

#include "ops/ops.h"

/* ---- what is read --------------------------------------------------------------------------- */

bool hc_reads_begin(Tape *tape, const char *who, HcReadsWhich which, HcReads *reads) {
    *reads = (HcReads){.which = which, .tape = tape, .who = who, .nodes = tape->count};
    reads->seen = hc_scratch_alloc(&tape->scratch, reads->nodes);
    if (!reads->seen) return hc_fail_nomem(tape, who);
    memset(reads->seen, 0, reads->nodes);
    return true;
}

static bool add_param(HcReads *r, Param *param) {
    if (r->room > 0 && hc_param_set_find(&r->set, param) != SIZE_MAX) return true;
    if (!hc_budget_grow(&r->tape->budget, (void **)&r->params, &r->param_capacity, r->param_count,
                        r->param_count + 1, sizeof *r->params))
        return hc_fail_nomem(r->tape, r->who);
    r->params[r->param_count++] = param;
    if (r->param_count > r->room) {
        if (r->room > 0) hc_param_set_free(&r->set);
        r->room = 0;
        if (!hc_param_set_create(&r->set, 2 * r->param_count))
            return hc_fail_nomem(r->tape, r->who);
        r->room = 2 * r->param_count;
        for (size_t i = 0; i + 1 < r->param_count; i++)
            hc_param_set_add(&r->set, r->params[i], i);
    }
    hc_param_set_add(&r->set, param, r->param_count - 1);
    return true;
}

static bool add(HcReads *r, Tensor *x, bool flows) {
    if (x->index >= r->nodes) return !flows || !(x->flags & HC_NODE_PARAM) || add_param(r, hc_param_of(x));
    uint8_t *seen = &r->seen[x->index], now = flows ? 2 : 1;
    if (*seen > 0 && now > *seen) *seen = now;
    if (*seen > 0 || (!flows && r->which != HC_READS_ALL)) return true;
    if (!hc_budget_grow(&r->tape->budget, (void **)&r->items, &r->capacity, r->count, r->count + 1,
                        sizeof *r->items))
        return hc_fail_nomem(r->tape, r->who);
    *seen = now;
    r->items[r->count++] = x;
    return true;
}

bool hc_reads_add(HcReads *r, Tensor *x) {
    return !x || add(r, x, x->flags & HC_NODE_NEEDS);
}

bool hc_reads_look(HcReads *r, const TapeMark *mark) {
    for (size_t k = mark->nodes; k < r->tape->count; k++) {
        const Tensor *x = hc_node(r->tape, k);
        for (uint32_t j = 0; j < x->nin; j++) {
            Tensor *in = hc_inputs(x)[j];
            if (!add(r, in, x->passing && in->flags & HC_NODE_NEEDS)) return false;
        }
    }
    return true;
}

Tensor **hc_reads_list(HcReads *r, size_t *count, size_t *flowing) {
    size_t most = r->count + r->param_count, next = 0;
    Tensor **list = hc_tape_alloc(r->tape, most * sizeof *list, r->who);
    if (!list) return NULL;
    for (size_t i = 0; i < r->count; i++)
        if (r->seen[r->items[i]->index] == 2) list[next++] = r->items[i];
    for (size_t i = 0; i < r->param_count; i++)
        if (!(list[next++] = param_tensor(r->tape, r->params[i]))) return NULL;
    *flowing = next;
    for (size_t i = 0; i < r->count; i++)
        if (r->seen[r->items[i]->index] < 2) list[next++] = r->items[i];
    *count = next;
    return list;
}

void hc_reads_end(HcReads *r) {
    HcBudget *budget = &r->tape->budget;
    hc_scratch_free(&r->tape->scratch, r->seen, r->nodes);
    hc_budget_free(budget, r->items, r->capacity * sizeof *r->items);
    hc_budget_free(budget, r->params, r->param_capacity * sizeof *r->params);
    if (r->room > 0) hc_param_set_free(&r->set);
}

/* ---- running again ---------------------------------------------------------------------------- */

HcAgain hc_again_begin(Tape *tape) {
    HcAgain was = {tape_mark(tape), tape->manner, tape->read, tape->read_op, tape->rng};
    tape->manner = (HcManner){.recording = true};
    return was;
}

void hc_again_leave(Tape *tape, HcAgain was) {
    tape->manner = was.manner;
    tape->read = was.read;
    tape->read_op = was.read_op;
    tape->rng = was.rng;
}

void hc_again_end(Tape *tape, HcAgain was) {
    tape->manner = was.manner;
    tape_release(tape, was.mark);
    hc_again_leave(tape, was);
}

void hc_again_pass(HcSweep *s, Tensor *y, HcPassFn *fn) {
    Tape *tape = y->tape;
    size_t bytes = y->nin * (sizeof(Tensor *) + sizeof(bool));
    Tensor **results = hc_scratch_alloc(&tape->scratch, bytes);
    if (!results) {
        hc_fail_nomem(tape, y->op->name);
        return;
    }
    memset(results, 0, bytes);
    bool *needed = (bool *)(results + y->nin);
    for (unsigned j = 0; j < y->nin; j++)
        needed[j] = hc_needs(s, j);
    HcAgain was = hc_again_begin(tape);
    bool done = fn(s, y->attr.custom.state, needed, results);
    hc_again_end(tape, was);
    for (unsigned j = 0; j < y->nin; j++) {
        Tensor *kept = results[j];
        if (done && kept) hc_set(s, j, tape->manner.scratching ? kept : hc_copied(kept, HC_WHY_NO_GRAPH));
        hc_drop(kept);
    }
    hc_scratch_free(&tape->scratch, results, bytes);
}
