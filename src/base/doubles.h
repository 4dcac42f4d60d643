/* Lists of doubles, summed in order. */
#ifndef HC_BASE_DOUBLES_H
#define HC_BASE_DOUBLES_H

#include <stddef.h>

#include "base/arithmetic.h"

static inline double hc_dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* y += c x */
static inline void hc_add_scaled(double *y, double c, const double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] += c * x[i];
}

#endif
