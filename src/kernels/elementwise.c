/* Elementwise kernels, made from the rows of elementwise.def. Loops are plain so that the compiler
 * vectorises them; strides of 0 and 1 have loops of their own. Compiled without contraction, so that every level gives
 * the same bits. */
#include "kernels/angle.h"
#include "kernels/real.h"

#include "kernels/math.inl"
#include "kernels/arc.inl"

/* A row that takes no constant leaves these unused. */
#define HC_UNARY_HEAD                                                                              \
    HC_REAL *y = y_;                                                                               \
    const HC_REAL *in = x_;                                                                        \
    const HC_REAL c0 = c ? (HC_REAL)c[0] : 0, c1 = c ? (HC_REAL)c[1] : 0;                          \
    (void)c0;                                                                                      \
    (void)c1;

#define HC_UNARY_LOOP(formula)                                                                     \
    for (size_t i = 0; i < n; i++) {                                                               \
        const HC_REAL x = in[i];                                                                   \
        y[i] = (HC_REAL)(formula);                                                                 \
    }

#define HC_UNARY(name, formula)                                                                    \
    void HC_NAMED(name)(void *y_, const void *x_, size_t n, const double *c) {                     \
        HC_UNARY_HEAD                                                                              \
        HC_INDEPENDENT HC_UNARY_LOOP(formula)                                                      \
    }

#define HC_UNARY_SHORT(name, formula)                                                              \
    void HC_NAMED(name)(void *y_, const void *x_, size_t n, const double *c) {                     \
        HC_UNARY_HEAD                                                                              \
        HC_INDEPENDENT HC_IN_FOURS HC_UNARY_LOOP(formula)                                          \
    }

/* With a number that is far, one after the other: the same formula, so the others' bits stay. */
#define HC_UNARY_NEAR(name, formula, far, formula_far)                                             \
    void HC_NAMED(name)(void *y_, const void *x_, size_t n, const double *c) {                     \
        HC_UNARY_HEAD                                                                              \
        size_t distant = 0;                                                                        \
        for (size_t i = 0; i < n; i++) {                                                           \
            const HC_REAL x = in[i];                                                               \
            distant += far;                                                                        \
        }                                                                                          \
        if (distant) {                                                                             \
            for (size_t i = 0; i < n; i++) {                                                       \
                const HC_REAL x = in[i];                                                           \
                y[i] = far ? formula_far : formula;                                                \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        HC_INDEPENDENT HC_UNARY_LOOP(formula)                                                      \
    }

#define HC_BINARY_LOOP(A, B, formula)                                                              \
    for (size_t i = 0; i < n; i++) {                                                               \
        const HC_REAL a = A, b = B;                                                                \
        y[i] = (HC_REAL)(formula);                                                                 \
    }

#define HC_BINARY_AS(UNROLLED, name, formula)                                                      \
    void HC_NAMED(name)(void *y_, const void *a_, size_t sa, const void *b_, size_t sb,            \
                        size_t n, const double *c) {                                               \
        HC_REAL *y = y_;                                                                           \
        const HC_REAL *pa = a_, *pb = b_;                                                          \
        const HC_REAL c0 = c ? (HC_REAL)c[0] : 0;                                                  \
        (void)c0;                                                                                  \
        if (n == 0) return;                                                                        \
        const HC_REAL a0 = pa[0], b0 = pb[0];                                                      \
        if (sa && sb)                                                                              \
            HC_INDEPENDENT UNROLLED HC_BINARY_LOOP(pa[i], pb[i], formula)                          \
        else if (sa)                                                                               \
            HC_INDEPENDENT HC_BINARY_LOOP(pa[i], b0, formula)                                      \
        else if (sb)                                                                               \
            HC_INDEPENDENT HC_BINARY_LOOP(a0, pb[i], formula)                                      \
        else {                                                                                     \
            const HC_REAL a = a0, b = b0;                                                          \
            spread(y, n, (HC_REAL)(formula));                                                      \
        }                                                                                          \
    }

#define HC_BINARY(name, formula) HC_BINARY_AS(, name, formula)
#define HC_BINARY_SHORT(name, formula) HC_BINARY_AS(HC_IN_FOURS, name, formula)

static void spread(HC_REAL *y, size_t n, HC_REAL x) {
    for (size_t i = 0; i < n; i++)
        y[i] = x;
}

/* A long formula has one loop: what is the same for all is spread out. */
typedef void DenseFn(HC_REAL *y, const HC_REAL *pa, const HC_REAL *pb, size_t n);

static void in_runs(DenseFn *dense, HC_REAL *y, const HC_REAL *a, size_t sa, const HC_REAL *b, size_t sb, size_t n) {
    enum { RUN = 128 };
    HC_REAL all_a[RUN], all_b[RUN];
    const size_t most = n < RUN ? n : RUN;
    if (n == 0) return;
    if (!sa) spread(all_a, most, a[0]);
    if (!sb) spread(all_b, most, b[0]);
    for (size_t i = 0, run; i < n; i += run) {
        run = sa && sb ? n : n - i < RUN ? n - i : RUN;
        dense(y + i, sa ? a + i : all_a, sb ? b + i : all_b, run);
    }
}

#define HC_BINARY_LONG(name, formula)                                                              \
    static void name##_dense(HC_REAL *y, const HC_REAL *pa, const HC_REAL *pb, size_t n) {         \
        HC_INDEPENDENT HC_BINARY_LOOP(pa[i], pb[i], formula)                                       \
    }                                                                                              \
    void HC_NAMED(name)(void *y, const void *a, size_t sa, const void *b, size_t sb,               \
                        size_t n, const double *c) {                                               \
        (void)c;                                                                                   \
        in_runs(name##_dense, y, a, sa, b, sb, n);                                                 \
    }

#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
