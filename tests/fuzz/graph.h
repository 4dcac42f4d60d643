/* Bytes become a graph of operations, run by the library and by the naive evaluator. */
#ifndef FUZZ_GRAPH_H
#define FUZZ_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct FuzzCount {
    size_t graphs, operations; /* that were run */
} FuzzCount;

/* Whether both agree on every value, on the gradient along a direction, and on the Hessian between two; if
 * not, says on stdout where. Nothing is left behind. */
bool fuzz_graph(const uint8_t *data, size_t size, FuzzCount *count);

#endif
