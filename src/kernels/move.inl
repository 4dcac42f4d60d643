/* Moving numbers: fill, copy, transpose, conversion, select; and `call`, which is no loop. */

#include "kernels/turn.h"

static void fill_kernel(void *y_, size_t n, double value) {
    HC_REAL *y = y_, v = (HC_REAL)value;
    for (size_t i = 0; i < n; i++)
        y[i] = v;
}

static void copy_kernel(void *y_, size_t sy, const void *x_, size_t sx, size_t n) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_;
    if (sy == 1 && sx == 1) {
        if (n) memmove(y, x, n * sizeof *y);
        return;
    }
    for (size_t i = 0; i < n; i++)
        y[i * sy] = x[i * sx];
}

static void transpose_kernel(void *y_, size_t sy, const void *x_, size_t sx, size_t m, size_t n) {
    turn(y_, sy, x_, sx, n, m);
}

static void call_kernel(void (*fn)(void *user), void *user) {
    fn(user);
}

static void from_f32_kernel(void *y_, const float *x, size_t n) {
    HC_REAL *y = y_;
    for (size_t i = 0; i < n; i++)
        y[i] = (HC_REAL)x[i];
}

static void from_f64_kernel(void *y_, const double *x, size_t n) {
    HC_REAL *y = y_;
    for (size_t i = 0; i < n; i++)
        y[i] = (HC_REAL)x[i];
}

static void to_f32_kernel(float *y, const void *x_, size_t n) {
    const HC_REAL *x = x_;
    for (size_t i = 0; i < n; i++)
        y[i] = (float)x[i];
}

static void to_f64_kernel(double *y, const void *x_, size_t n) {
    const HC_REAL *x = x_;
    for (size_t i = 0; i < n; i++)
        y[i] = (double)x[i];
}

static bool has_nan_kernel(const void *x_, size_t n) {
    const HC_REAL *x = x_;
    for (size_t i = 0; i < n; i++)
        if (x[i] != x[i]) return true;
    return false;
}

static void select_kernel(void *y_, const void *p_, size_t sp, const void *a_, size_t sa,
                          const void *b_, size_t sb, size_t n) {
    HC_REAL *y = y_;
    const HC_REAL *p = p_, *a = a_, *b = b_;
    for (size_t i = 0; i < n; i++)
        y[i] = p[i * sp] != 0 ? a[i * sa] : b[i * sb];
}
