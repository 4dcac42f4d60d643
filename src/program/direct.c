/* A gradient that one product makes, and that no other step reads, need not be copied to where there is none yet:
 * the product writes it there. */
#include "program/call.h"

static bool is_among(const Tensor *x, Tensor *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (list[i] == x) return true;
    return false;
}

static bool is_read(const Program *p, const Tensor *x) {
    for (size_t i = 0; i < p->count; i++)
        if (is_among(x, hc_inputs(&p->nodes[i]), p->nodes[i].nin)) return true;
    return is_among(x, p->outputs, p->output_count);
}

/* Whether gradient i is all that its Param gets, and this node all that it is. A Param that was written during
 * the recording has a leaf for each version. */
static bool is_sole(const Program *p, size_t i) {
    for (size_t j = 0; j < p->grad_count; j++)
        if (j != i && (p->grads[j] == p->grads[i] || p->grad_params[j] == p->grad_params[i]))
            return false;
    return true;
}

bool hc_program_direct(Program *p) {
    p->grad_calls = hc_alloc(p->grad_count, sizeof *p->grad_calls);
    if (p->grad_count > 0 && !p->grad_calls) return false;
    for (size_t i = 0; i < p->grad_count; i++) {
        const void *data = p->grads[i]->data;
        p->grad_calls[i] = SIZE_MAX;
        for (size_t c = 0; c < p->call_count; c++)
            if (p->calls[c].gradient && p->calls[c].u.product.g.c == data) p->grad_calls[i] = c;
        if (!is_sole(p, i) || is_read(p, p->grads[i])) p->grad_calls[i] = SIZE_MAX;
    }
    return true;
}

const void *hc_program_aim(Program *p, size_t i, void *to) {
    if (p->grad_calls[i] == SIZE_MAX) return p->grads[i]->data;
    HcGemm *g = &p->calls[p->grad_calls[i]].u.product.g;
    const void *was = g->c;
    g->c = to ? to : p->grads[i]->data;
    return was;
}
