/* peer_openblas NAME FOLDER, for mlp-step and unroll-T: by hand over OpenBLAS, with one fused pass of
 * Adam forward and one backward for all weights. Saved of each inner step: weights, both moments, the
 * gradient, activations; nothing is computed twice but d[2]. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mlp_openblas.h"
#include "peer.h"
#include "timing.h"

#define IMPL "openblas"

static MlpPass make_pass(const MlpShape *shape, float *d1, float *d2) {
    const size_t hidden = shape->rows * shape->width[1];
    MlpPass pass = {.a = {NULL, peer_zeros(hidden), peer_zeros(hidden)},
                    .d = {NULL, d1, d2, peer_zeros(shape->rows * shape->width[3])}};
    return pass;
}

/* ---- mlp-step ------------------------------------------------------------------------------------ */

enum { POOL = 8 };

typedef struct Training {
    MlpShape shape;
    MlpPass pass;
    float *w, *x, *y;
    size_t next;
} Training;

static bool train(void *state) {
    Training *training = state;
    const MlpShape *shape = &training->shape;
    size_t at = training->next * shape->rows;
    training->next = (training->next + 1) % POOL;
    mlp_forward(shape, training->w, training->x + at * shape->width[0], training->y + at,
                &training->pass);
    mlp_gradient(shape, training->w, &training->pass, -0.01f, 1, training->w);
    return true;
}

static bool run_mlp_step(const PeerArguments *args) {
    Training training = {.shape = mlp_shape(128, 784, 512, 10)};
    const MlpShape *shape = &training.shape;
    const size_t hidden = shape->rows * shape->width[1];
    training.pass = make_pass(shape, peer_zeros(hidden), peer_zeros(hidden));
    training.w = peer_read(args, "weights", shape->params);
    training.x = peer_read(args, "x", POOL * shape->rows * shape->width[0]);
    training.y = peer_read(args, "y", POOL * shape->rows);

    float *gradient = peer_zeros(shape->params);
    mlp_forward(shape, training.w, training.x, training.y, &training.pass);
    mlp_gradient(shape, training.w, &training.pass, 1, 0, gradient);
    if (!peer_agrees(args, "grad", gradient, shape->params)) return false;
    free(gradient);
    return time_and_print(args->name, IMPL, 0, args->repeat, train, &training);
}

/* ---- unroll-T ------------------------------------------------------------------------------------ */

/* Adam (Kingma and Ba 2015), algorithm 1; w is what one step starts from. */
typedef struct Step {
    float *w, *m, *v, *g;
    MlpPass pass;
} Step;

typedef struct Unroll {
    MlpShape shape;
    size_t steps, outer_steps;
    float *x, *y;
    float lr, lr_gradient;
    Step *step; /* steps + 1 of them; the last has the final weights and its g is unused */
    float *to_w, *to_m, *to_v, *to_g; /* cotangents */
    MlpPass r;
    float *outer_m, *outer_v; /* of the weights, and lr behind them */
} Unroll;

static const float beta1 = 0.9f, beta2 = 0.999f, inner_eps = 1e-4f;
static const float rest1 = 0.1f, rest2 = 0.001f; /* 1 - beta, correctly rounded */

static void adam_forward(size_t count, const Step *from, Step *to, size_t t, float lr) {
    const float *restrict w = from->w, *restrict m = from->m, *restrict v = from->v;
    const float *restrict g = from->g;
    float *restrict w1 = to->w, *restrict m1 = to->m, *restrict v1 = to->v;
    const float rate = lr / (float)(1 - pow(0.9, (double)t));
    const float scale = (float)(1 / sqrt(1 - pow(0.999, (double)t)));
    for (size_t i = 0; i < count; i++) {
        m1[i] = beta1 * m[i] + rest1 * g[i];
        v1[i] = beta2 * v[i] + rest2 * g[i] * g[i];
        w1[i] = w[i] - rate * m1[i] / (sqrtf(v1[i]) * scale + inner_eps);
    }
}

/* The cotangents of w, m, v of the step before, and of its g; returns what is added to that of lr. */
static float adam_backward(size_t count, const Step *from, const Step *to, size_t t, float lr,
                           Unroll *unroll) {
    const float *restrict m1 = to->m, *restrict v1 = to->v, *restrict g = from->g;
    float *restrict to_w = unroll->to_w, *restrict to_m = unroll->to_m;
    float *restrict to_v = unroll->to_v, *restrict to_g = unroll->to_g;
    const float per_lr = (float)(1 / (1 - pow(0.9, (double)t))), rate = lr * per_lr;
    const float scale = (float)(1 / sqrt(1 - pow(0.999, (double)t)));
    float sum[16] = {0}, total = 0;
    for (size_t i = 0; i < count; i++) {
        const float root = sqrtf(v1[i]), c = 1 / (root * scale + inner_eps);
        const float slope = v1[i] > 0 ? 0.5f * scale / root : 0; /* of the denominator to v1 */
        sum[i % 16] -= to_w[i] * m1[i] * c;
        const float gm = to_m[i] - to_w[i] * rate * c;
        const float gv = to_v[i] + to_w[i] * rate * m1[i] * c * c * slope;
        to_g[i] = rest1 * gm + 2 * rest2 * g[i] * gv;
        to_m[i] = beta1 * gm;
        to_v[i] = beta2 * gv;
    }
    for (size_t i = 0; i < 16; i++)
        total += sum[i];
    return total * per_lr;
}

static void meta_gradient(Unroll *unroll) {
    const MlpShape *shape = &unroll->shape;
    const size_t count = shape->params, bytes = count * sizeof(float);
    for (size_t t = 0; t <= unroll->steps; t++) {
        Step *step = &unroll->step[t];
        const float *x = unroll->x + t * shape->rows * shape->width[0];
        mlp_forward(shape, step->w, x, unroll->y + t * shape->rows, &step->pass);
        if (t == unroll->steps) break;
        mlp_gradient(shape, step->w, &step->pass, 1, 0, step->g);
        adam_forward(count, step, step + 1, t + 1, unroll->lr);
    }
    Step *last = &unroll->step[unroll->steps];
    mlp_gradient(shape, last->w, &last->pass, 1, 0, unroll->to_w);
    memset(unroll->to_m, 0, bytes);
    memset(unroll->to_v, 0, bytes);
    unroll->lr_gradient = 0;
    for (size_t t = unroll->steps; t-- > 0;) {
        Step *step = &unroll->step[t];
        unroll->lr_gradient += adam_backward(count, step, step + 1, t + 1, unroll->lr, unroll);
        mlp_hessian_vector(shape, step->w, unroll->to_g, &step->pass, &unroll->r, unroll->to_w);
    }
}

static void outer_adam(float *restrict w, const float *restrict g, float *restrict m,
                       float *restrict v, size_t count, size_t t) {
    const float rate = (float)(1e-5 / (1 - pow(0.9, (double)t)));
    const float scale = (float)(1 / sqrt(1 - pow(0.999, (double)t)));
    for (size_t i = 0; i < count; i++) {
        m[i] = beta1 * m[i] + rest1 * g[i];
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i];
        w[i] -= rate * m[i] / (sqrtf(v[i]) * scale + 1e-8f);
    }
}

static bool iterate(void *state) {
    Unroll *unroll = state;
    const size_t count = unroll->shape.params;
    meta_gradient(unroll);
    unroll->outer_steps++;
    outer_adam(unroll->step[0].w, unroll->to_w, unroll->outer_m, unroll->outer_v, count,
               unroll->outer_steps);
    outer_adam(&unroll->lr, &unroll->lr_gradient, unroll->outer_m + count, unroll->outer_v + count,
               1, unroll->outer_steps);
    return true;
}

static bool run_unroll(const PeerArguments *args) {
    Unroll unroll = {.shape = mlp_shape(64, 64, 256, 10), .steps = args->number, .lr = 1e-3f};
    const MlpShape *shape = &unroll.shape;
    const size_t rows = shape->rows * (unroll.steps + 1), count = shape->params;
    const size_t hidden = shape->rows * shape->width[1];
    unroll.x = peer_read(args, "x", rows * shape->width[0]);
    unroll.y = peer_read(args, "y", rows);
    unroll.step = calloc(unroll.steps + 1, sizeof *unroll.step);
    if (!unroll.step) return false;
    float *d1 = peer_zeros(hidden), *d2 = peer_zeros(hidden);
    for (size_t t = 0; t <= unroll.steps; t++)
        unroll.step[t] =
            (Step){t == 0 ? peer_read(args, "weights", count) : peer_zeros(count),
                   peer_zeros(count), peer_zeros(count),
                   t < unroll.steps ? peer_zeros(count) : NULL, make_pass(shape, d1, d2)};
    unroll.r = make_pass(shape, peer_zeros(hidden), peer_zeros(hidden));
    unroll.to_w = peer_zeros(count);
    unroll.to_m = peer_zeros(count);
    unroll.to_v = peer_zeros(count);
    unroll.to_g = peer_zeros(count);
    unroll.outer_m = peer_zeros(count + 1);
    unroll.outer_v = peer_zeros(count + 1);

    meta_gradient(&unroll);
    return peer_agrees(args, "grad", unroll.to_w, count) &&
           peer_agrees(args, "lr_grad", &unroll.lr_gradient, 1) &&
           time_and_print(args->name, IMPL, 0, args->repeat, iterate, &unroll);
}

int main(int argc, char **argv) {
    PeerArguments args;
    if (!peer_arguments(&args, argc, argv)) return 2;
    if (peer_is(&args, "mlp-step")) return run_mlp_step(&args) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (peer_is(&args, "unroll-") && args.number > 0)
        return run_unroll(&args) ? EXIT_SUCCESS : EXIT_FAILURE;
    fprintf(stderr, "peer_openblas: not written for %s\n", args.name);
    return 2;
}
