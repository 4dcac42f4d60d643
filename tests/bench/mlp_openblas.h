/** @file mlp_openblas.h
 *  An MLP of three linear layers with ReLU between them and cross-entropy, by hand over a BLAS: value,
 *  gradient, and Hessian times vector (Pearlmutter's R-operator). Parameters stand in one array in the
 *  order in which module_params lists them, weights [out, in]. */
#ifndef BENCH_MLP_OPENBLAS_H
#define BENCH_MLP_OPENBLAS_H

#include <stddef.h>

enum { MLP_LAYERS = 3 };

typedef struct MlpShape {
    size_t rows;                  /* of a batch */
    size_t width[MLP_LAYERS + 1]; /* inputs, hidden, hidden, classes */
    size_t weight[MLP_LAYERS];    /* where in the array they begin */
    size_t bias[MLP_LAYERS];
    size_t params;
} MlpShape;

/** What a pass leaves for those after it: activations a[0] (the batch itself), a[1], a[2], and d[3], the
 *  derivative to the logits. d[1] and d[2] are working memory, used by one function at a time. */
typedef struct MlpPass {
    const float *x;
    float *a[MLP_LAYERS]; /* a[0] unused */
    float *d[MLP_LAYERS + 1];
} MlpPass;

MlpShape mlp_shape(size_t rows, size_t inputs, size_t hidden, size_t classes);

/** a[1], a[2], d[3] of the pass; the loss. `y` holds class indices. */
float mlp_forward(const MlpShape *shape, const float *w, const float *x, const float *y,
                  MlpPass *pass);
/** to = keep to + scale gradient, keep being 0 or 1. */
void mlp_gradient(const MlpShape *shape, const float *w, MlpPass *pass, float scale, float keep,
                  float *to);
/** to += H v. `r` is working memory: all of its a and d. */
void mlp_hessian_vector(const MlpShape *shape, const float *w, const float *v, MlpPass *pass,
                        MlpPass *r, float *to);

#endif
