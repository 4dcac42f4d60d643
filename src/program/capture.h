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

typedef struct HcCapture {
    Program *p;
    Tape *tape;
    size_t recorded; /* nodes before the capture */
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

/* Finds what outputs and gradients need, which may add to the tape. */
bool hc_capture_find(HcCapture *c);
/* The gradient in the place of a kept one, or NULL for any other node. */
Tensor *hc_capture_again(const HcCapture *c, const Tensor *x);
/* The live nodes in the order in which they are computed; NULL when out of memory. */
HcTurn *hc_capture_order(const HcCapture *c);
/* The same with some of them twice (repeat.c), counted in the program; frees what it is handed. NULL when out
 * of memory. */
HcTurn *hc_capture_repeat(HcCapture *c, HcTurn *turns);

#endif
