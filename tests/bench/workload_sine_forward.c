/* maml-sine-N from 1000 steps on: the sine net 1-40-40-1, N steps of SGD with momentum on the 10 points of one curve,
 * forward mode: the gradient of the loss on 10 others to learning rate and momentum, one number each. sine-steps-N: the
 * steps alone, in HC_EVAL, as what that is held against. Recorded afresh. */
#include <math.h>
#include <stdlib.h>

#include "workload.h"

enum { SHOTS = 10, LAYERS = 5 };

typedef struct Forward {
    Tape *tape;
    Module *net;
    Param *lr, *momentum;
    Optim *inner;
    size_t steps;
    bool plain;
    FModule *fast;
    Tensor *x, *y;
    float points[4][SHOTS]; /* x and y to learn from, and to be judged by */
} Forward;

static void destroy(void *state) {
    Forward *bench = state;
    optim_destroy(bench->inner);
    param_unref(bench->lr);
    param_unref(bench->momentum);
    module_destroy(bench->net);
    tape_destroy(bench->tape);
    free(bench);
}

static Forward *create(Settings settings) {
    Forward *bench = calloc(1, sizeof *bench);
    if (!bench) return NULL;
    Rng rng = rng_seed(1);
    Module *layers[LAYERS] = {module_linear(1, 40), module_relu(), module_linear(40, 40),
                              module_relu(), module_linear(40, 1)};
    SgdOptions sgd = sgd_options(0.001);
    sgd.momentum = 0.9;
    bench->steps = settings.number;
    bench->tape = tape_create(HC_F32);
    bench->net = module_sequential(layers, LAYERS);
    module_init(bench->net, &rng);
    bench->inner = optim_sgd(module_params(bench->net), sgd);
    bench->lr = param_create("lr", shape_scalar(), HC_F32);
    bench->momentum = param_create("momentum", shape_scalar(), HC_F32);
    param_fill(bench->lr, 0.001);
    param_fill(bench->momentum, 0.9);
    for (size_t i = 0; i < 2 * SHOTS; i++) {
        double at = -5 + 10 * rng_uniform(&rng);
        bench->points[i / SHOTS * 2][i % SHOTS] = (float)at;
        bench->points[i / SHOTS * 2 + 1][i % SHOTS] = (float)(2 * sin(at - 1));
    }
    return bench;
}

static void *create_forward(Settings settings) {
    return create(settings);
}

static void *create_steps(Settings settings) {
    Forward *bench = create(settings);
    if (bench) bench->plain = true;
    return bench;
}

static Tensor *loss_of(const Forward *bench, Tensor *x, Tensor *y) {
    return tensor_mse_loss(fmodule_forward(bench->fast, x), y);
}

static bool step(UnrollStep *step, void *user) {
    const Forward *bench = user;
    return diffopt_step(step->opts[0], loss_of(bench, bench->x, bench->y));
}

static bool run_steps(const Forward *bench, DiffOpt *opt) {
    bool done = true;
    for (size_t t = 0; t < bench->steps && done; t++)
        done = diffopt_step_release(opt, loss_of(bench, bench->x, bench->y));
    return done;
}

static bool run_forward(Forward *bench, DiffOpt *opt) {
    Tensor *outer[2] = {param_tensor(bench->tape, bench->lr),
                        param_tensor(bench->tape, bench->momentum)};
    UnrollOptions options = unroll_options(bench->steps);
    options.keep = HC_KEEP_TANGENTS;
    options.outer = (TensorList){outer, 2};
    return diffopt_override(opt, "lr", HC_ALL_GROUPS, outer[0]) &&
           diffopt_override(opt, "momentum", HC_ALL_GROUPS, outer[1]) &&
           unroll(&opt, 1, options, step, bench);
}

static bool iterate(void *state) {
    Forward *bench = state;
    Tape *tape = bench->tape;
    tape_reset(tape);
    param_zero_grad(bench->lr);
    param_zero_grad(bench->momentum);
    FModuleOptions options = fmodule_options(true);
    options.mode = bench->plain ? HC_EVAL : HC_FULL;
    bench->fast = fmodule_create_with(tape, bench->net, options);
    bench->x = tensor_from_f32(tape, shape2(SHOTS, 1), bench->points[0]);
    bench->y = tensor_from_f32(tape, shape2(SHOTS, 1), bench->points[1]);
    DiffOpt *opt = diffopt_create(bench->inner, bench->fast);
    if (!(bench->plain ? run_steps(bench, opt) : run_forward(bench, opt))) return false;
    Tensor *loss = loss_of(bench, tensor_from_f32(tape, shape2(SHOTS, 1), bench->points[2]),
                           tensor_from_f32(tape, shape2(SHOTS, 1), bench->points[3]));
    return bench->plain ? loss != NULL : tensor_backward(loss);
}

/* The data, and the gradients to learning rate and momentum. */
static bool record(void *state, const char *folder) {
    Forward *bench = state;
    ParamList lr = {&bench->lr, 1}, momentum = {&bench->momentum, 1};
    return !bench->plain && iterate(bench) &&
           record_floats(folder, "points", bench->points[0], sizeof bench->points / sizeof(float)) &&
           record_params(folder, "weights", module_params(bench->net), false) &&
           record_params(folder, "lr_grad", lr, true) &&
           record_params(folder, "momentum_grad", momentum, true);
}

const Workload workload_sine_forward = {.stem = "maml-sine-",
                                        .numbered = true,
                                        .least = LONG_SINE,
                                        .afresh = true,
                                        .create = create_forward,
                                        .iterate = iterate,
                                        .record = record,
                                        .destroy = destroy};
const Workload workload_sine_steps = {.stem = "sine-steps-",
                                      .numbered = true,
                                      .afresh = true,
                                      .create = create_steps,
                                      .iterate = iterate,
                                      .record = record,
                                      .destroy = destroy};
