/* z = a W^T + b, a' = relu(z); d is the derivative of the loss to z; r in front of a name is its
 * derivative in the direction v. */
#include "mlp_openblas.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

typedef MlpShape Shape;
typedef MlpPass Pass;

MlpShape mlp_shape(size_t rows, size_t inputs, size_t hidden, size_t classes) {
    Shape shape = {.rows = rows, .width = {inputs, hidden, hidden, classes}};
    for (size_t l = 0; l < MLP_LAYERS; l++) {
        shape.weight[l] = shape.params;
        shape.bias[l] = shape.params + shape.width[l] * shape.width[l + 1];
        shape.params = shape.bias[l] + shape.width[l + 1];
    }
    return shape;
}

/* c[rows, out] = keep c + a[rows, in] w[out, in]^T */
static void times_turned(size_t rows, size_t in, size_t out, const float *a, const float *w,
                         float keep, float *c) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)out, (int)in, 1, a,
                (int)in, w, (int)in, keep, c, (int)out);
}

/* c[rows, in] = keep c + d[rows, out] w[out, in] */
static void times_weight(size_t rows, size_t in, size_t out, const float *d, const float *w,
                         float keep, float *c) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)in, (int)out, 1, d,
                (int)out, w, (int)in, keep, c, (int)in);
}

/* c[out, in] = keep c + scale d[rows, out]^T a[rows, in] */
static void outer_product(size_t rows, size_t in, size_t out, float scale, const float *d,
                          const float *a, float keep, float *c) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)out, (int)in, (int)rows, scale, d,
                (int)out, a, (int)in, keep, c, (int)in);
}

static void start_from_bias(size_t rows, size_t out, const float *bias, float *c) {
    for (size_t i = 0; i < rows; i++)
        memcpy(c + i * out, bias, out * sizeof *c);
}

static void add_column_sums(size_t rows, size_t out, float scale, const float *d, float keep,
                            float *restrict to) {
    for (size_t j = 0; j < out; j++)
        to[j] *= keep;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < out; j++)
            to[j] += scale * d[i * out + j];
}

static void gate(size_t count, const float *restrict a, float *restrict d) {
    for (size_t i = 0; i < count; i++)
        d[i] = a[i] > 0 ? d[i] : 0;
}

static const float *entering(const Pass *pass, size_t layer) {
    return layer == 0 ? pass->x : pass->a[layer];
}

/* d = (softmax(z) - one hot) / rows, in place of z. */
static float softmax_loss(size_t rows, size_t classes, const float *y, float *z) {
    float loss = 0;
    for (size_t i = 0; i < rows; i++) {
        float *d = z + i * classes, top = d[0], sum = 0;
        const size_t target = (size_t)y[i];
        for (size_t j = 1; j < classes; j++)
            top = fmaxf(top, d[j]);
        loss += top - d[target];
        for (size_t j = 0; j < classes; j++)
            sum += d[j] = expf(d[j] - top);
        loss += logf(sum);
        for (size_t j = 0; j < classes; j++)
            d[j] /= sum * (float)rows;
        d[target] -= 1 / (float)rows;
    }
    return loss / (float)rows;
}

float mlp_forward(const Shape *shape, const float *w, const float *x, const float *y, Pass *pass) {
    const size_t rows = shape->rows;
    pass->x = x;
    for (size_t l = 0; l < MLP_LAYERS; l++) {
        const size_t in = shape->width[l], out = shape->width[l + 1];
        float *z = l + 1 < MLP_LAYERS ? pass->a[l + 1] : pass->d[MLP_LAYERS];
        start_from_bias(rows, out, w + shape->bias[l], z);
        times_turned(rows, in, out, entering(pass, l), w + shape->weight[l], 1, z);
        if (l + 1 < MLP_LAYERS)
            for (size_t i = 0; i < rows * out; i++)
                z[i] = z[i] > 0 ? z[i] : 0;
    }
    return softmax_loss(rows, shape->width[MLP_LAYERS], y, pass->d[MLP_LAYERS]);
}

/* d[layer] from d[layer + 1]. */
static void back_through(const Shape *shape, const float *w, Pass *pass, size_t layer) {
    const size_t rows = shape->rows, in = shape->width[layer], out = shape->width[layer + 1];
    times_weight(rows, in, out, pass->d[layer + 1], w + shape->weight[layer], 0, pass->d[layer]);
    gate(rows * in, pass->a[layer], pass->d[layer]);
}

void mlp_gradient(const Shape *shape, const float *w, Pass *pass, float scale, float keep,
                  float *to) {
    for (size_t l = MLP_LAYERS; l-- > 0;) {
        const size_t in = shape->width[l], out = shape->width[l + 1];
        if (l > 0) back_through(shape, w, pass, l); /* before w may change: to may be w */
        outer_product(shape->rows, in, out, scale, pass->d[l + 1], entering(pass, l), keep,
                      to + shape->weight[l]);
        add_column_sums(shape->rows, out, scale, pass->d[l + 1], keep, to + shape->bias[l]);
    }
}

/* rd to the logits: (p rz - p (p . rz)) / rows, where p = rows d + one hot; in place of rz. One hot is
 * where d is negative, or 0 for a probability of 1. */
static void softmax_direction(size_t rows, size_t classes, const float *d, float *rz) {
    for (size_t i = 0; i < rows; i++, d += classes, rz += classes) {
        size_t target = 0;
        for (size_t j = 1; j < classes; j++)
            if (d[j] < d[target]) target = j;
        float dot = 0, p[64];
        for (size_t j = 0; j < classes; j++) {
            p[j] = d[j] * (float)rows + (j == target ? 1 : 0);
            dot += p[j] * rz[j];
        }
        for (size_t j = 0; j < classes; j++)
            rz[j] = p[j] * (rz[j] - dot) / (float)rows;
    }
}

void mlp_hessian_vector(const Shape *shape, const float *w, const float *v, Pass *pass, Pass *r,
                        float *to) {
    const size_t rows = shape->rows;
    for (size_t l = 0; l < MLP_LAYERS; l++) {
        const size_t in = shape->width[l], out = shape->width[l + 1], at = shape->weight[l];
        float *rz = l + 1 < MLP_LAYERS ? r->a[l + 1] : r->d[MLP_LAYERS];
        start_from_bias(rows, out, v + shape->bias[l], rz);
        times_turned(rows, in, out, entering(pass, l), v + at, 1, rz);
        if (l > 0) times_turned(rows, in, out, r->a[l], w + at, 1, rz);
        if (l + 1 < MLP_LAYERS) gate(rows * out, pass->a[l + 1], rz);
    }
    softmax_direction(rows, shape->width[MLP_LAYERS], pass->d[MLP_LAYERS], r->d[MLP_LAYERS]);

    for (size_t l = MLP_LAYERS; l-- > 0;) {
        const size_t in = shape->width[l], out = shape->width[l + 1], at = shape->weight[l];
        outer_product(rows, in, out, 1, r->d[l + 1], entering(pass, l), 1, to + at);
        add_column_sums(rows, out, 1, r->d[l + 1], 1, to + shape->bias[l]);
        if (l == 0) break;
        outer_product(rows, in, out, 1, pass->d[l + 1], r->a[l], 1, to + at);
        times_weight(rows, in, out, r->d[l + 1], w + at, 0, r->d[l]);
        times_weight(rows, in, out, pass->d[l + 1], v + at, 1, r->d[l]);
        gate(rows * in, pass->a[l], r->d[l]);
        if (l > 1) back_through(shape, w, pass, l); /* d[1] is not needed */
    }
}
