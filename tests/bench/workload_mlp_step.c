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
    Program *program; /* NULL: recorded afresh */
} MlpStep;

static void destroy(void *state) {
    MlpStep *mlp = state;
    program_destroy(mlp->program);
    optim_destroy(mlp->sgd);
    module_destroy(mlp->net);
    tape_destroy(mlp->tape);
    free(mlp->x);
    free(mlp->y);
    free(mlp);
}

/* The loss of the next batch; x and y in in[0] and in[1]. */
static Tensor *record_loss(const MlpStep *mlp, Tensor *in[2]) {
    in[0] = tensor_borrow(mlp->tape, shape2(BATCH, INPUTS), mlp->x + mlp->next * BATCH * INPUTS);
    in[1] = tensor_borrow(mlp->tape, shape1(BATCH), mlp->y + mlp->next * BATCH);
    return tensor_cross_entropy_loss(module_forward(mlp->net, in[0]), in[1]);
}

static bool capture(MlpStep *mlp) {
    Tensor *in[2], *loss = record_loss(mlp, in);
    mlp->program = program_capture(mlp->tape, in, 2, NULL, 0, loss);
    return mlp->program != NULL;
}

static void *create(Settings settings) {
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
    if (mlp->x && mlp->y && (!settings.replay || capture(mlp))) return mlp;
    destroy(mlp);
    return NULL;
}

static bool replay(MlpStep *mlp) {
    return program_set_f32(mlp->program, 0, shape2(BATCH, INPUTS),
                           mlp->x + mlp->next * BATCH * INPUTS) &&
           program_set_f32(mlp->program, 1, shape1(BATCH), mlp->y + mlp->next * BATCH) &&
           program_run(mlp->program);
}

static bool record_afresh(MlpStep *mlp) {
    Tensor *in[2];
    tape_reset(mlp->tape);
    return tensor_backward(record_loss(mlp, in));
}

static bool gradient(MlpStep *mlp) {
    optim_zero_grad(mlp->sgd);
    bool done = mlp->program ? replay(mlp) : record_afresh(mlp);
    mlp->next = (mlp->next + 1) % POOL;
    return done;
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
