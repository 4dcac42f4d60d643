/* Chains: elementwise calls over equally many numbers, one after the other, are run together block by block,
 * so that what one writes the next still finds in the first-level cache. The functions are the same on the
 * same numbers, so the bits are too. */
#include "program/call.h"

/* Bytes of a block: a few operands of that size fit the first-level cache. Arrays of a block or two gain
 * nothing. */
enum { BLOCK_BYTES = 4096, LEAST_BLOCKS = 3 };

static bool overlap(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    return a < b + b_bytes && b < a + a_bytes;
}

/* Whether `next` may run block by block with the calls from `first` on: where it reads or writes what one of
 * them writes, or writes what one reads, it is at the same place of the same array. */
static bool joins(const HcCall *first, const HcCall *next, size_t item) {
    const HcElementwise *e = &next->u.e;
    size_t bytes = e->n * item;
    for (const HcCall *call = first; call < next; call++) {
        const HcElementwise *f = &call->u.e;
        if (e->y != f->y && overlap(e->y, bytes, f->y, bytes)) return false;
        for (uint32_t j = 0; j < e->operands; j++) {
            bool same = e->stride[j] == 1 && e->x[j] == f->y;
            if (!same && overlap(e->x[j], e->stride[j] ? bytes : item, f->y, bytes)) return false;
        }
        for (uint32_t j = 0; j < f->operands; j++) {
            bool same = f->stride[j] == 1 && f->x[j] == e->y;
            if (!same && overlap(f->x[j], f->stride[j] ? bytes : item, e->y, bytes)) return false;
        }
    }
    return true;
}

static bool run_chain(const HcCall *call) {
    size_t n = call->u.chain.n, block = call->u.chain.block;
    for (size_t first = 0; first < n; first += block)
        for (size_t i = 1; i < call->count; i++)
            hc_elementwise_range(&call[i].u.e, first, n - first < block ? n - first : block,
                                 call->u.chain.item);
    return true;
}

/* How many calls from `first` on make a chain. */
static size_t chain_length(const HcCall *first, const HcCall *end, size_t item) {
    size_t n = first->u.e.n;
    const HcCall *next = first + 1;
    if (!first->elementwise || n * item < (size_t)LEAST_BLOCKS * BLOCK_BYTES) return 1;
    while (next < end && next->elementwise && next->u.e.n == n && joins(first, next, item))
        next++;
    return (size_t)(next - first);
}

bool hc_program_fuse(Program *p) {
    HcCall *calls = p->calls;
    size_t count = p->call_count, item = p->tape->item;
    bool done = true;
    p->calls = NULL;
    p->call_count = p->call_capacity = 0;
    for (size_t i = 0; i < count && done;) {
        size_t length = chain_length(&calls[i], calls + count, item);
        HcCall chain = {.run = run_chain,
                        HC_USES(chain),
                        .count = length + 1,
                        .u.chain = {calls[i].u.e.n, BLOCK_BYTES / item, item}};
        if (length > 1) done = hc_program_add_call(p, &chain);
        for (size_t end = i + length; i < end && done; i++)
            done = hc_program_add_call(p, &calls[i]);
    }
    HC_ASSERT(!done || p->call_count >= count);
    hc_free(calls);
    return done;
}
