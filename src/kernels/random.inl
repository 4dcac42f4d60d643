/* Dropout: whole-number random words, so every level drops the same entries. */
#include "base/philox.h"

static void dropout_kernel(void *y_, const void *x_, size_t n, uint64_t key, uint64_t counter,
                           uint64_t drop, double scale) {
    HC_REAL *y = y_, c = (HC_REAL)scale;
    const HC_REAL *x = x_;
    for (size_t i = 0; i < n; i += 4, counter++) {
        uint32_t word[4];
        size_t here = n - i < 4 ? n - i : 4;
        hc_philox(key, counter, word);
        for (size_t j = 0; j < here; j++)
            y[i + j] = word[j] >= drop ? c * x[i + j] : 0;
    }
}
