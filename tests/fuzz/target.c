/* The libFuzzer target: a disagreement is a crash. */
#include <stdlib.h>

#include "fuzz/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    FuzzCount count = {0, 0};
    if (!fuzz_graph(data, size, &count)) abort();
    return 0;
}
