/** @file maml_fused.h
 *  The MAML sine workload by hand: no tape, no library, only the formulas. It is what the benchmarks
 *  hold the library against, and an independent witness of its meta-gradient.
 *
 *  Net 1-40-40-1 with ReLU, mean squared error, inner SGD. Parameters stand in one array in the order
 *  in which module_params lists them: w1 [40], b1 [40], w2 [40 out, 40 in], b2 [40], w3 [40], b3. */
#ifndef BENCH_MAML_FUSED_H
#define BENCH_MAML_FUSED_H

#include <stddef.h>

#ifndef FUSED_REAL
#define FUSED_REAL float
#endif

enum {
    FUSED_HIDDEN = 40,
    FUSED_PARAMS = 2 * FUSED_HIDDEN + FUSED_HIDDEN * FUSED_HIDDEN + 2 * FUSED_HIDDEN + 1,
    FUSED_MAX_ROWS = 128, /* points of one batch */
    FUSED_MAX_STEPS = 16
};

/** Some points of one task. */
typedef struct FusedBatch {
    size_t rows;
    const FUSED_REAL *x, *y;
} FusedBatch;

/** What the meta-gradient works in; no function here allocates. */
typedef struct FusedWork FusedWork;
size_t fused_work_bytes(void);

/** Adds d L_query(W<steps>) / dW to `total`, where W<t+1> = W<t> - lr grad L_support(W<t>), exact to
 *  second order. `w2t` is w's w2 transposed (fused_transpose). Returns the query loss. */
FUSED_REAL fused_meta_gradient(const FUSED_REAL *w, const FUSED_REAL *w2t, FusedBatch support,
                               FusedBatch query, size_t steps, FUSED_REAL lr, FUSED_REAL *total,
                               FusedWork *work);
/** The same without second derivatives: the gradient at W<steps>. */
FUSED_REAL fused_first_order(const FUSED_REAL *w, const FUSED_REAL *w2t, FusedBatch support,
                             FusedBatch query, size_t steps, FUSED_REAL lr, FUSED_REAL *total,
                             FusedWork *work);
/** Query loss after 0, 1, ..., `steps` inner steps (at most FUSED_MAX_STEPS) into loss[]. */
void fused_adapt(const FUSED_REAL *w, const FUSED_REAL *w2t, FusedBatch support, FusedBatch query,
                 size_t steps, FUSED_REAL lr, FUSED_REAL *loss, FusedWork *work);

/** to[i][o] = w2[o][i], from a parameter array. */
void fused_transpose(const FUSED_REAL *w, FUSED_REAL *to);

/** Adam (Kingma and Ba 2015) with PyTorch's defaults; `t` counts from 1. */
void fused_adam(FUSED_REAL *w, const FUSED_REAL *g, FUSED_REAL *m, FUSED_REAL *v, size_t t,
                double lr);

#endif
