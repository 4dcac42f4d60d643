/* unroll-T: an MLP 64-256-256-10 with cross-entropy, T steps of Adam on T batches of 64, then the
 * gradient of the loss on another batch to the initial weights and to Adam's learning rate, and a step
 * of Adam on both. Inside, eps is 1e-4: with 1e-8 the f32 gradient to the weights is ruled by the
 * rounding of inner gradients near eps, whoever computes it, and could not be compared. From 200 steps on the
 * batches come again. */
#include <stdlib.h>

#include "workload.h"

enum { BATCH = 64, INPUTS = 64, HIDDEN = 256, CLASSES = 10, LAYERS = 5, MOST_BATCHES = 200 };

typedef struct Unroll {
    Tape *tape;
    Module *net;
    Param *lr;
    Optim *inner, *outer;
    Settings settings;
    size_t steps, batches;
    FModule *fast;
    float *x, *y;     /* batches + 1; the last is judged by */
    Program *program; /* holds x and y as they are; NULL: recorded afresh */
} Unroll;

static void destroy(void *state) {
    Unroll *bench = state;
    program_destroy(bench->program);
    optim_destroy(bench->outer);
    optim_destroy(bench->inner);
    param_unref(bench->lr);
    module_destroy(bench->net);
    tape_destroy(bench->tape);
    free(bench->x);
    free(bench->y);
    free(bench);
}

static Tensor *loss_at(const Unroll *bench, FModule *net, size_t batch) {
    Tape *tape = bench->tape;
    Tensor *x = tensor_borrow(tape, shape2(BATCH, INPUTS), bench->x + batch * BATCH * INPUTS);
    Tensor *y = tensor_borrow(tape, shape1(BATCH), bench->y + batch * BATCH);
    return tensor_cross_entropy_loss(fmodule_forward(net, x), y);
}

static bool step(UnrollStep *step, void *user) {
    const Unroll *bench = user;
    return diffopt_step(step->opts[0], loss_at(bench, bench->fast, step->step % bench->batches));
}

static void run_loop(Unroll *bench, DiffOpt *opt) {
    if (bench->settings.unrolls) {
        unroll(&opt, 1, settings_unroll(&bench->settings, bench->steps), step, bench);
        return;
    }
    for (size_t t = 0; t < bench->steps; t++)
        diffopt_step(opt, loss_at(bench, bench->fast, t % bench->batches));
}

static Tensor *record_loss(Unroll *bench) {
    bench->fast = fmodule_create(bench->tape, bench->net, false);
    DiffOpt *opt = diffopt_create(bench->inner, bench->fast);
    diffopt_override(opt, "lr", HC_ALL_GROUPS, param_tensor(bench->tape, bench->lr));
    run_loop(bench, opt);
    return loss_at(bench, bench->fast, bench->batches);
}

static bool capture(Unroll *bench) {
    bench->program = program_capture(bench->tape, NULL, 0, NULL, 0, record_loss(bench));
    tape_reset(bench->tape);
    tape_trim(bench->tape);
    return bench->program != NULL;
}

static void *create(Settings settings) {
    const size_t steps = settings.number;
    Unroll *bench = calloc(1, sizeof *bench);
    if (!bench) return NULL;
    Rng rng = rng_seed(1);
    Module *layers[LAYERS] = {module_linear(INPUTS, HIDDEN), module_relu(),
                              module_linear(HIDDEN, HIDDEN), module_relu(),
                              module_linear(HIDDEN, CLASSES)};
    bench->settings = settings;
    bench->steps = steps;
    bench->batches = steps < MOST_BATCHES ? steps : MOST_BATCHES;
    bench->tape = tape_create(HC_F32);
    bench->net = module_sequential(layers, LAYERS);
    module_init(bench->net, &rng);
    bench->lr = param_create("lr", shape_scalar(), HC_F32);
    param_fill(bench->lr, 1e-3);

    AdamOptions inside = adam_options(1e-3);
    inside.eps = 1e-4;
    bench->inner = optim_adam(module_params(bench->net), inside);
    bench->outer = optim_adam(module_params(bench->net), adam_options(1e-5));
    optim_add_group(bench->outer, (ParamList){&bench->lr, 1});

    bench->x = random_normals((bench->batches + 1) * BATCH * INPUTS, &rng);
    bench->y = random_classes((bench->batches + 1) * BATCH, CLASSES, &rng);
    if (bench->x && bench->y && (!settings.replay || capture(bench))) return bench;
    destroy(bench);
    return NULL;
}

static bool meta_gradient(Unroll *bench) {
    optim_zero_grad(bench->outer);
    if (bench->program) return program_run(bench->program);
    tape_reset(bench->tape);
    return tensor_backward(record_loss(bench));
}

static bool iterate(void *state) {
    Unroll *bench = state;
    return meta_gradient(bench) && optim_step(bench->outer);
}

static bool record(void *state, const char *folder) {
    Unroll *bench = state;
    const size_t rows = (bench->batches + 1) * BATCH;
    ParamList params = module_params(bench->net), lr = {&bench->lr, 1};
    return meta_gradient(bench) && record_floats(folder, "x", bench->x, rows * INPUTS) &&
           record_floats(folder, "y", bench->y, rows) &&
           record_params(folder, "weights", params, false) &&
           record_params(folder, "grad", params, true) &&
           record_params(folder, "lr_grad", lr, true);
}

static const Program *program_of(const void *state) {
    const Unroll *bench = state;
    return bench->program;
}

const Workload workload_unroll = {.stem = "unroll-",
                                  .numbered = true,
                                  .unrolls = true,
                                  .create = create,
                                  .iterate = iterate,
                                  .record = record,
                                  .program = program_of,
                                  .destroy = destroy};
