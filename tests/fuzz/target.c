/* The libFuzzer target: what is not as it should be is a crash. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (fuzz_run(data, size)) return 0;
    fflush(stdout);
    abort();
}
