/* unroll-T: an MLP 64-256-256-10 with cross-entropy, T steps of Adam on T batches of 64, then the
 * gradient of the loss on another batch to the initial weights and to Adam's learning rate, and a step
 * of Adam on both. Inside, eps is 1e-4: with 1e-8 the f32 gradient to the weights is ruled by the
 * rounding of inner gradients near eps, whoever computes it, and could not be compared. */
#include <stdlib.h>

#include "workload.h"

enum { BATCH = 64, INPUTS = 64, HIDDEN = 256, CLASSES = 10, LAYERS = 5 };

typedef struct Unroll {
    Tape *tape;
    Module *net;
    Param *lr;
    Optim *inner, *outer;
    size_t steps;
    float *x, *y;     /* steps + 1 batches; the last is judged by */
    Program *program; /* holds x and y as they are; NULL: recorded afresh */
} Unroll;

static void destroy(void *state) {
    Unroll *unroll = state;
    program_destroy(unroll->program);
    optim_destroy(unroll->outer);
    optim_destroy(unroll->inner);
    param_unref(unroll->lr);
    module_destroy(unroll->net);
    tape_destroy(unroll->tape);
    free(unroll->x);
    free(unroll->y);
    free(unroll);
}

static Tensor *loss_at(const Unroll *unroll, FModule *net, size_t batch) {
    Tape *tape = unroll->tape;
    Tensor *x = tensor_borrow(tape, shape2(BATCH, INPUTS), unroll->x + batch * BATCH * INPUTS);
    Tensor *y = tensor_borrow(tape, shape1(BATCH), unroll->y + batch * BATCH);
    return tensor_cross_entropy_loss(fmodule_forward(net, x), y);
}

static Tensor *record_loss(const Unroll *unroll) {
    FModule *net = fmodule_create(unroll->tape, unroll->net, false);
    DiffOpt *opt = diffopt_create(unroll->inner, net);
    diffopt_override(opt, "lr", HC_ALL_GROUPS, param_tensor(unroll->tape, unroll->lr));
    for (size_t t = 0; t < unroll->steps; t++)
        diffopt_step(opt, loss_at(unroll, net, t));
    return loss_at(unroll, net, unroll->steps);
}

static bool capture(Unroll *unroll) {
    unroll->program = program_capture(unroll->tape, NULL, 0, NULL, 0, record_loss(unroll));
    tape_reset(unroll->tape);
    tape_trim(unroll->tape);
    return unroll->program != NULL;
}

static void *create(Settings settings) {
    const size_t steps = settings.number;
    Unroll *unroll = calloc(1, sizeof *unroll);
    if (!unroll) return NULL;
    Rng rng = rng_seed(1);
    Module *layers[LAYERS] = {module_linear(INPUTS, HIDDEN), module_relu(),
                              module_linear(HIDDEN, HIDDEN), module_relu(),
                              module_linear(HIDDEN, CLASSES)};
    unroll->steps = steps;
    unroll->tape = tape_create(HC_F32);
    unroll->net = module_sequential(layers, LAYERS);
    module_init(unroll->net, &rng);
    unroll->lr = param_create("lr", shape_scalar(), HC_F32);
    param_fill(unroll->lr, 1e-3);

    AdamOptions inside = adam_options(1e-3);
    inside.eps = 1e-4;
    unroll->inner = optim_adam(module_params(unroll->net), inside);
    unroll->outer = optim_adam(module_params(unroll->net), adam_options(1e-5));
    optim_add_group(unroll->outer, (ParamList){&unroll->lr, 1});

    unroll->x = random_normals((steps + 1) * BATCH * INPUTS, &rng);
    unroll->y = random_classes((steps + 1) * BATCH, CLASSES, &rng);
    if (unroll->x && unroll->y && (!settings.replay || capture(unroll))) return unroll;
    destroy(unroll);
    return NULL;
}

static bool meta_gradient(Unroll *unroll) {
    optim_zero_grad(unroll->outer);
    if (unroll->program) return program_run(unroll->program);
    tape_reset(unroll->tape);
    return tensor_backward(record_loss(unroll));
}

static bool iterate(void *state) {
    Unroll *unroll = state;
    return meta_gradient(unroll) && optim_step(unroll->outer);
}

static bool record(void *state, const char *folder) {
    Unroll *unroll = state;
    const size_t rows = (unroll->steps + 1) * BATCH;
    ParamList params = module_params(unroll->net), lr = {&unroll->lr, 1};
    return meta_gradient(unroll) && record_floats(folder, "x", unroll->x, rows * INPUTS) &&
           record_floats(folder, "y", unroll->y, rows) &&
           record_params(folder, "weights", params, false) &&
           record_params(folder, "grad", params, true) &&
           record_params(folder, "lr_grad", lr, true);
}

const Workload workload_unroll = {.stem = "unroll-",
                                  .numbered = true,
                                  .create = create,
                                  .iterate = iterate,
                                  .record = record,
                                  .destroy = destroy};
