/* mlp-step: one ordinary training step of an MLP 784-512-512-10: cross-entropy on a batch of 128, SGD
 * in place. Nothing is meta here; it is what a framework is usually measured by. */
#include <stdlib.h>

#include "workload.h"

enum { BATCH = 128, INPUTS = 784, HIDDEN = 512, CLASSES = 10, POOL = 8, LAYERS = 5 };

typedef struct MlpStep {
    Tape *tape;
    Module *net;
    Optim *sgd;
    size_t next; /* batch of the pool */
    float *x, *y;
} MlpStep;

static void destroy(void *state) {
    MlpStep *mlp = state;
    optim_destroy(mlp->sgd);
    module_destroy(mlp->net);
    tape_destroy(mlp->tape);
    free(mlp->x);
    free(mlp->y);
    free(mlp);
}

static void *create(size_t number) {
    (void)number;
    MlpStep *mlp = calloc(1, sizeof *mlp);
    if (!mlp) return NULL;
    Rng rng = rng_seed(1);
    Module *layers[LAYERS] = {module_linear(INPUTS, HIDDEN), module_relu(),
                              module_linear(HIDDEN, HIDDEN), module_relu(),
                              module_linear(HIDDEN, CLASSES)};
    mlp->tape = tape_create(HC_F32);
    mlp->net = module_sequential(layers, LAYERS);
    module_init(mlp->net, &rng);
    mlp->sgd = optim_sgd(module_params(mlp->net), sgd_options(0.01));
    mlp->x = random_normals((size_t)POOL * BATCH * INPUTS, &rng);
    mlp->y = random_classes((size_t)POOL * BATCH, CLASSES, &rng);
    if (mlp->x && mlp->y) return mlp;
    destroy(mlp);
    return NULL;
}

static bool gradient(MlpStep *mlp) {
    Tape *tape = mlp->tape;
    const float *inputs = mlp->x + mlp->next * BATCH * INPUTS,
                *classes = mlp->y + mlp->next * BATCH;
    mlp->next = (mlp->next + 1) % POOL;
    tape_reset(tape);
    Tensor *x = tensor_borrow(tape, shape2(BATCH, INPUTS), inputs);
    Tensor *y = tensor_borrow(tape, shape1(BATCH), classes);
    optim_zero_grad(mlp->sgd);
    return tensor_backward(tensor_cross_entropy_loss(module_forward(mlp->net, x), y));
}

static bool iterate(void *state) {
    MlpStep *mlp = state;
    return gradient(mlp) && optim_step(mlp->sgd);
}

static bool record(void *state, const char *folder) {
    MlpStep *mlp = state;
    ParamList params = module_params(mlp->net);
    return gradient(mlp) && record_floats(folder, "x", mlp->x, (size_t)POOL * BATCH * INPUTS) &&
           record_floats(folder, "y", mlp->y, (size_t)POOL * BATCH) &&
           record_params(folder, "weights", params, false) &&
           record_params(folder, "grad", params, true);
}

const Workload workload_mlp_step = {
    .stem = "mlp-step", .create = create, .iterate = iterate, .record = record, .destroy = destroy};
