/* An LSTM that is adapted in the inner loop: MAML on sequences.
 *
 * A task is a filter: y_t = c0 x_t + c1 x_(t-1) + c2 x_(t-2), with c drawn anew for each. The inputs x are
 * noise, so they say nothing about the filter; a few sequences with their outputs do. Meta-training has to
 * find an LSTM that keeps the inputs of the last steps at hand, in such a way that a few steps of SGD on
 * those sequences turn it into the filter. The step sizes, one for each Param, are learned with it. */
#include <higherc/higherc.h>
#include <math.h>

#include "flags.h"

enum { LENGTH = 10, SHOTS = 8, HIDDEN = 24, TAPS = 3, INNER_STEPS = 5, TASKS = 8 };

/* An LSTM and a linear layer: x [T, N, 1] -> y [T, N, 1]. */
static Module *make_net(void) {
    Module *layers[] = {module_lstm(1, HIDDEN, rnn_options()), module_linear(HIDDEN, 1)};
    return module_sequential(layers, 2);
}

typedef struct Sequences {
    Tensor *x, *y;
} Sequences;

static Sequences draw(Tape *tape, const double filter[TAPS], Rng *rng) {
    float x[LENGTH][SHOTS], y[LENGTH][SHOTS];
    for (int t = 0; t < LENGTH; t++)
        for (int n = 0; n < SHOTS; n++) {
            x[t][n] = (float)rng_normal(rng);
            y[t][n] = 0;
            for (int tap = 0; tap < TAPS && tap <= t; tap++)
                y[t][n] += (float)filter[tap] * x[t - tap][n];
        }
    Shape shape = shape3(LENGTH, SHOTS, 1);
    return (Sequences){tensor_from_f32(tape, shape, &x[0][0]),
                       tensor_from_f32(tape, shape, &y[0][0])};
}

/* The error on new sequences of a fresh filter, errors[k] after k steps; the last of them. */
static Tensor *adapt(Tape *tape, Module *net, const Optim *inner, FMode mode, Rng *rng,
                     double errors[INNER_STEPS + 1]) {
    double filter[TAPS];
    for (int tap = 0; tap < TAPS; tap++)
        filter[tap] = rng_normal(rng);
    Sequences support = draw(tape, filter, rng), query = draw(tape, filter, rng);
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    FModule *fast = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(inner, fast);
    Tensor *error = NULL;
    for (int k = 0; k <= INNER_STEPS; k++) {
        if (k > 0) diffopt_step(opt, tensor_mse_loss(fmodule_forward(fast, support.x), support.y));
        if (mode != HC_EVAL && k < INNER_STEPS) continue;
        error = tensor_mse_loss(fmodule_forward(fast, query.x), query.y);
        errors[k] += tensor_item(error);
    }
    return error;
}

/* Mean errors on new filters, always the same ones. */
static void judge(Tape *tape, Module *net, const Optim *inner, size_t tasks,
                  double errors[INNER_STEPS + 1]) {
    Rng rng = rng_seed(1000);
    for (size_t task = 0; task < tasks; task++) {
        tape_reset(tape);
        adapt(tape, net, inner, HC_EVAL, &rng, errors);
    }
    for (int k = 0; k <= INNER_STEPS; k++)
        errors[k] /= (double)tasks;
}

static void show(const char *name, const double errors[INNER_STEPS + 1]) {
    printf("%-26s", name);
    for (int k = 0; k <= INNER_STEPS; k++)
        printf(" %6.3f", errors[k]);
    printf("\n");
}

int main(int argc, char **argv) {
    size_t iterations = 400, tests = 100, seed = 1;
    const Flag flags[] = {{"--iterations", &iterations, 1, 1000000, "meta-iterations", NULL},
                          {"--test-tasks", &tests, 1, 100000, "filters to judge by", NULL},
                          {"--seed", &seed, 0, SIZE_MAX, "of all random numbers", NULL}};
    int status =
        flags_read(argc, argv, flags, 3, "few_shot_rnn: an LSTM adapted in the inner loop");
    if (status != FLAGS_RUN) return status;

    Rng rng = rng_seed(seed);
    Tape *tape = tape_create(HC_F32);
    Module *net = make_net();
    module_init(net, &rng);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.1));
    double before[INNER_STEPS + 1] = {0}, after[INNER_STEPS + 1] = {0};
    judge(tape, net, inner, tests, before);

    optim_learn(inner, "lr", HC_ALL_GROUPS, HC_LEARN_PARAM);
    Optim *outer = optim_adam(module_params(net), adam_options(0.005));
    optim_add_group(outer, optim_learned(inner));
    Schedule fade = schedule_cosine(iterations, hyper_const(0.05));
    optim_schedule(outer, "lr", HC_ALL_GROUPS, &fade);

    size_t every = iterations / 6 > 0 ? iterations / 6 : 1;
    double mean[INNER_STEPS + 1] = {0};
    printf("iteration   error after %d steps\n", INNER_STEPS);
    for (size_t it = 1; it <= iterations && !higherc_error(); it++) {
        optim_zero_grad(outer);
        for (int task = 0; task < TASKS; task++) {
            tape_reset(tape);
            Tensor *error = adapt(tape, net, inner, HC_FULL, &rng, mean);
            tensor_backward(tensor_div_scalar(error, TASKS));
        }
        optim_clip_grad_norm(outer, 1);
        optim_step(outer);
        if (it % every != 0) continue;
        printf("%9zu   %.3f\n", it, mean[INNER_STEPS] / (double)(every * TASKS));
        mean[INNER_STEPS] = 0;
    }
    judge(tape, net, inner, tests, after);

    printf("\nMean squared error on %zu new filters, %d sequences of each to adapt on\n", tests,
           SHOTS);
    printf("after SGD steps:               0      1      2      3      4      5\n");
    show("  before meta-training", before);
    show("  after it", after);
    printf("\nBefore adapting no net can know the filter: its outputs have a variance of about %d. "
           "The\n"
           "meta-trained LSTM becomes the filter in %d steps.\n",
           TAPS, INNER_STEPS);

    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    bool failed = higherc_error() != NULL || !(after[INNER_STEPS] < before[INNER_STEPS]);
    optim_destroy(outer);
    optim_destroy(inner);
    module_destroy(net);
    tape_destroy(tape);
    return failed;
}
