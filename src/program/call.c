/* Calls: a list of them, and how some are run. */
#include "program/call.h"

bool hc_call_forward(const HcCall *call) {
    return hc_forward(call->u.node);
}

bool hc_program_add_call(Program *p, const HcCall *call) {
    if (!hc_grow((void **)&p->calls, &p->call_capacity, p->call_count, p->call_count + 1,
                 sizeof *p->calls))
        return false;
    HcCall *added = &p->calls[p->call_count++];
    *added = *call;
    if (added->count == 0) added->count = 1;
    return true;
}

void hc_elementwise_range(const HcElementwise *e, size_t first, size_t n, size_t item) {
    char *y = e->y + first * item;
    const char *x[3] = {NULL};
    const double *c = e->has_c ? e->c : NULL;
    for (uint32_t j = 0; j < e->operands; j++)
        x[j] = e->x[j] + first * e->stride[j] * item;
    if (e->operands == 1)
        e->fn.unary(y, x[0], n, c);
    else if (e->operands == 2)
        e->fn.binary(y, x[0], e->stride[0], x[1], e->stride[1], n, c);
    else
        e->fn.select(y, x[0], e->stride[0], x[1], e->stride[1], x[2], e->stride[2], n);
}
