/* A random graph as the loss of an inner loop, whose weights are the graph's inputs. */
#ifndef FUZZ_LOOPS_H
#define FUZZ_LOOPS_H

#include "fuzz/again.h"

/* Records the graph on inputs of the tape; z is to be a copy of what was built first. */
bool again_build(Fuzz *z, const Again *again, Tape *tape, Tensor *const *inputs);
/* Every node counts a little. */
Tensor *again_sum(const Fuzz *z);

/* Zero where there is nothing, so that all of it can be compared. */
enum { MOST_BITS = (MOST_NODES + 6 * INPUTS + 2) * NAIVE_MOST };
typedef struct Bits {
    size_t count;
    double v[MOST_BITS];
} Bits;
bool bits_append(Bits *bits, Tensor *x);
bool bits_same(const char *way, const Bits *want, const Bits *got);

/* Whether two steps give the same weights in all modes. */
bool loops_modes(Fuzz *z, const Again *again, DType dtype, double values[INPUTS][NAIVE_MOST]);
/* Whether a loop drawn by the graph's bytes gives the same weights, states and gradients as an unroll, and
 * the same weights and gradients in a Program. */
bool loops_unrolled(Fuzz *z, const Again *again, DType dtype, double values[INPUTS][NAIVE_MOST]);
/* Whether at least half of these came to their end, and not to an error that both had; and an eighth in
 * a Program. */
bool loops_end(void);

#endif
