/* A graph made once more, in ways that must give the same bits. */
#ifndef FUZZ_AGAIN_H
#define FUZZ_AGAIN_H

#include "fuzz/operations.h"

enum { INPUTS = 3 };

/* Bits of a graph's last byte. */
enum {
    WAY_F32 = 1,
    WAY_PROGRAM = 2,
    WAY_TASKS = 4,
    WAY_NO_MEMORY = 8,
    WAY_LOOP = 16,
    WAY_UNROLL = 32
};

/* Where the operations begin. */
typedef struct Again {
    const uint8_t *data;
    size_t left;
} Again;

/* Operations until the bytes end, on the nodes there are. */
void fuzz_build(Fuzz *z);

/* Before anything is alive in a run, and after the last run. */
void again_begin(void);
void again_end(void);
size_t again_blocks(void); /* that stay meanwhile */

/* Whether the graph that z holds, from inputs of these numbers, gives the same bits in each of the ways; if not, says
 * on stdout in which. */
bool again_ways(const Again *again, const Fuzz *z, double values[INPUTS][NAIVE_MOST],
                unsigned ways);

#endif
