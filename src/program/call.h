/* Kernel calls on fixed addresses, of which a run is made. */
#ifndef HC_PROGRAM_CALL_H
#define HC_PROGRAM_CALL_H

#include "program/program.h"

/* An elementwise call: y = f(x...), n numbers; stride 0 or 1. */
typedef struct HcElementwise {
    union {
        HcUnaryFn *unary;
        HcBinaryFn *binary;
        HcSelectFn *select;
    } fn;
    char *y;
    const char *x[3];
    size_t stride[3], n;
    double c[2];
    uint32_t operands; /* 1, 2, or 3: select */
    uint32_t has_c;
} HcElementwise;

struct HcCall {
    bool (*run)(const HcCall *call);
    size_t count;     /* of a chain: itself and the calls in it, which follow; else 1 */
    uint16_t bytes;   /* of u, in use */
    bool elementwise; /* u.e is in use */
    bool gradient;    /* a product that is all of a step, whose result is a gradient */
    union {
        Tensor *node; /* its whole forward */
        HcElementwise e;
        struct {
            size_t n, block, item; /* numbers in all and of a block, bytes of one */
        } chain;
        struct {
            HcGemm g;
            const HcKernels *kernels;
        } product;
        struct {
            void (*fn)(void *y, const void *x, size_t stride, size_t m, size_t n);
            void *y;
            const void *x;
            size_t stride, m, n;
        } reduce;
        struct {
            const HcKernels *kernels;
            void *y;
            const void *x, *a, *b;
            size_t n, sx, sy, m;
            double c;
        } move;
        struct {
            const HcKernels *kernels;
            void *y;
            HcAdamCotangents from;
            const void *p, *g, *m, *v, *rate, *constants;
            size_t n, moments;
        } adam;
    } u;
};

/* For the making of a call: which member of u is in use. There are no holes in it where size_t has 64 bits. */
#define HC_USES(member) .bytes = sizeof((HcCall *)NULL)->u.member

/* Appends to the program's calls; false when out of memory. */
bool hc_program_add_call(Program *program, const HcCall *call);
/* Runs a call of three operands at most on numbers [first, first + n). */
void hc_elementwise_range(const HcElementwise *e, size_t first, size_t n, size_t item);
/* What each step comes down to. False after hc_fail on the program's tape. */
bool hc_program_trace(Program *program);
/* Gathers runs of elementwise calls into chains; false when out of memory. */
bool hc_program_fuse(Program *program);
/* Finds the gradients that need no copy; false when out of memory. */
bool hc_program_direct(Program *program);
/* Makes the product of gradient i write elsewhere, if it may, or again (NULL) to the program's own memory.
 * Returns where it wrote before. */
const void *hc_program_aim(Program *program, size_t i, void *to);
/* Frees what only the making of the calls needed; false when out of memory. */
bool hc_program_trim(Program *program);
/* How a call with a node is run. */
bool hc_call_forward(const HcCall *call);

#endif
