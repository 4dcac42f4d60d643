/* A capture under way. */
#ifndef HC_PROGRAM_CAPTURE_H
#define HC_PROGRAM_CAPTURE_H

#include "grad/sweep.h"
#include "program/program.h"

/* Gradients taken again: nodes [first, end), in the place of `from`, computed where the first of them
 * stood. */
typedef struct HcRetaken {
    const HcTaken *from;
    Tensor **grads;
    size_t first, end, stood;
} HcRetaken;

/* A leaf whose numbers stand at an address of its own, given anew for each run. */
typedef struct HcAt {
    const Tensor *leaf;
    void *numbers;
} HcAt;

/* What is captured of the nodes from `base` on; those before are leaves. */
typedef struct HcStretch {
    size_t base;
    const HcAt *leaves;
    size_t leaf_count;
    Tensor *const *outputs;
    size_t output_count;
} HcStretch;

typedef struct HcCapture {
    Program *p;
    Tape *tape;
    HcStretch stretch; /* of a program of a series, else of base 0 */
    size_t recorded;   /* nodes before the capture */
    Tensor *const *inputs;
    Tensor **outputs, **grads; /* of p->output_count and p->grad_count, on the tape */
    unsigned char *live;       /* by index */
    uint32_t *number;          /* in the program, by index */
    size_t capacity;           /* of those two */
    size_t link_count;
    HcRetaken *retaken;
    size_t retaken_count, retaken_capacity;
} HcCapture;

/* A live node's turn to be computed: by time, gradients taken again first, then by index. */
typedef struct HcTurn {
    size_t time, index;
    bool again;
} HcTurn;

/* Whether a node is not computed by the program. */
static inline bool hc_capture_is_leaf(const HcCapture *c, const Tensor *x) {
    return x->nin == 0 || x->index < c->stretch.base;
}
/* Where a leaf's numbers stand, or NULL. */
void *hc_capture_numbers(const HcCapture *c, const Tensor *x);

/* Finds what outputs and gradients need, which may add to the tape. */
bool hc_capture_find(HcCapture *c);
/* The gradient in the place of a kept one, or NULL for any other node. */
Tensor *hc_capture_again(const HcCapture *c, const Tensor *x);
/* The live nodes in the order in which they are computed; NULL when out of memory. */
HcTurn *hc_capture_order(const HcCapture *c);
/* The same with some of them twice (repeat.c), counted in the program; frees what it is handed. NULL when out
 * of memory. */
HcTurn *hc_capture_repeat(HcCapture *c, HcTurn *turns);

/* A program of a series: computes outputs, which may be placed only, from the leaves. The tape is left as it
 * was. NULL after hc_fail on it. */
Program *hc_capture_stretch(Tape *tape, HcSeries *series, const HcStretch *stretch);

#endif
