/* A network as loss, trained through the inner steps that minimise it.
 *
 * The training data of every task lie: three in ten targets are far too high. An inner loop fits a small network
 * to them by minimising the mean of a learned function of the error of each point; the fit is then judged on
 * clean points by the mean squared error, and the gradient of that flows back through the inner steps into
 * the learned function. It finds out by itself which errors not to believe:
 * the large ones, and those above more than those below. */
#include <higherc/higherc.h>
#include <math.h>

#include "flags.h"

enum { POINTS = 30, CLEAN = 50, INNER_STEPS = 20, TASKS = 4, TEST_TASKS = 50 };

/* Points of a random sine curve, x and y. */
typedef struct Curve {
    double amplitude, phase;
} Curve;

static Curve draw_curve(Rng *rng) {
    double amplitude = 1 + 2 * rng_uniform(rng);
    return (Curve){amplitude, 6.28 * rng_uniform(rng)};
}

static void sample(Curve curve, double lies, double *x, double *y, int count, Rng *rng) {
    for (int i = 0; i < count; i++) {
        x[i] = 4 * rng_uniform(rng) - 2;
        y[i] = curve.amplitude * sin(1.5 * x[i] + curve.phase) + 0.1 * rng_normal(rng);
        if (rng_uniform(rng) < lies) y[i] += 4 + 4 * rng_uniform(rng);
    }
}

/* ---- losses: of the errors [n, 1], a scalar ---------------------------------------------------------------- */

typedef Tensor *LossFn(Tensor *error, Module *network);

static Tensor *squared(Tensor *error, Module *network) {
    (void)network;
    return tensor_mean(tensor_square(error));
}

static Tensor *absolute(Tensor *error, Module *network) {
    (void)network;
    return tensor_mean(tensor_abs(error));
}

static Tensor *learned(Tensor *error, Module *network) {
    return tensor_mean(module_forward(network, error));
}

/* ---- a task -------------------------------------------------------------------------------------------------- */

typedef struct Problem {
    Module *net, *loss_network;
    Optim *inner;
} Problem;

/* Fits a curve with a loss; the mean squared error on clean points. */
static Tensor *fit(Tape *tape, const Problem *p, LossFn *loss, FMode mode, Rng *rng) {
    double x[POINTS], y[POINTS], xc[CLEAN], yc[CLEAN];
    Curve curve = draw_curve(rng);
    sample(curve, 0.3, x, y, POINTS, rng);
    sample(curve, 0, xc, yc, CLEAN, rng);
    Tensor *input = tensor_from_f64(tape, shape2(POINTS, 1), x);
    Tensor *target = tensor_from_f64(tape, shape2(POINTS, 1), y);
    FModuleOptions options = fmodule_options(true); /* the net's start is not what is learned */
    options.mode = mode;
    FModule *fast = fmodule_create_with(tape, p->net, options);
    DiffOpt *opt = diffopt_create(p->inner, fast);
    for (int k = 0; k < INNER_STEPS; k++)
        diffopt_step(opt, loss(tensor_sub(target, fmodule_forward(fast, input)), p->loss_network));
    return tensor_mse_loss(fmodule_forward(fast, tensor_from_f64(tape, shape2(CLEAN, 1), xc)),
                           tensor_from_f64(tape, shape2(CLEAN, 1), yc));
}

/* The mean over new tasks, the same for each loss. */
static double judge(Tape *tape, const Problem *p, LossFn *loss) {
    Rng rng = rng_seed(1000);
    double total = 0;
    for (int i = 0; i < TEST_TASKS; i++) {
        tape_reset(tape);
        total += tensor_item(fit(tape, p, loss, HC_EVAL, &rng)) / TEST_TASKS;
    }
    return total;
}

/* The learned function, less its value at 0. */
static void show(Tape *tape, Module *network) {
    const double errors[] = {-6, -3, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 6, 8};
    enum { COUNT = sizeof errors / sizeof *errors };
    double values[COUNT];
    tape_reset(tape);
    Tensor *out = module_forward(network, tensor_from_f64(tape, shape2(COUNT, 1), errors));
    if (!tensor_copy_to_f64(out, values, COUNT)) return;
    printf("\n  target - prediction   learned loss\n");
    for (int i = 0; i < COUNT; i++) {
        double height = values[i] - values[4];
        printf("  %19.1f   %12.2f  ", errors[i], height);
        for (int k = 0; k < 60 && k < (int)(height * 8 + 0.5); k++)
            printf("#");
        printf("\n");
    }
}

int main(int argc, char **argv) {
    size_t steps = 400, seed = 1;
    const Flag flags[] = {{"--steps", &steps, 1, 1000000, "outer steps", NULL},
                          {"--seed", &seed, 0, SIZE_MAX, "of all random numbers", NULL}};
    int status = flags_read(argc, argv, flags, 2, "learned_loss: a network as loss");
    if (status != FLAGS_RUN) return status;

    Rng rng = rng_seed(seed);
    Tape *tape = tape_create(HC_F64);
    Module *layers[] = {module_linear(1, 20), module_tanh(), module_linear(20, 1)};
    Module *loss_layers[] = {module_linear(1, 24), module_tanh(), module_linear_no_bias(24, 1)};
    Problem p = {module_sequential(layers, 3), module_sequential(loss_layers, 3), NULL};
    module_to(p.net, HC_F64);
    module_to(p.loss_network, HC_F64);
    module_init(p.net, &rng);
    module_init(p.loss_network, &rng);
    p.inner = optim_adam(module_params(p.net), adam_options(0.05));
    Optim *outer = optim_adam(module_params(p.loss_network), adam_options(0.01));

    double untrained = judge(tape, &p, learned), mean = 0;
    size_t every = steps / 5 > 0 ? steps / 5 : 1;
    printf("outer step   error on clean points after %d steps\n", INNER_STEPS);
    for (size_t it = 1; it <= steps && !higherc_error(); it++) {
        optim_zero_grad(outer);
        for (int task = 0; task < TASKS; task++) {
            tape_reset(tape);
            Tensor *error = fit(tape, &p, learned, HC_FULL, &rng);
            tensor_backward(tensor_div_scalar(error, TASKS));
            mean += tensor_item(error) / (double)(TASKS * every);
        }
        optim_clip_grad_norm(outer, 1);
        optim_step(outer);
        if (it % every != 0) continue;
        printf("%10zu   %.3f\n", it, mean);
        mean = 0;
    }

    show(tape, p.loss_network);
    double trained = judge(tape, &p, learned);
    printf("\nMean squared error on clean points of %d new tasks, 3 in 10 targets being wrong:\n",
           TEST_TASKS);
    printf("  trained with the squared error     %.3f\n", judge(tape, &p, squared));
    printf("  trained with the absolute error    %.3f\n", judge(tape, &p, absolute));
    printf("  with the network before training   %.3f\n", untrained);
    printf("  with the learned loss              %.3f\n", trained);
    printf("\nThe loss was learned through the %d Adam steps that minimised it.\n", INNER_STEPS);

    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    bool failed = higherc_error() != NULL || !(trained < untrained);
    optim_destroy(outer);
    optim_destroy(p.inner);
    module_destroy(p.loss_network);
    module_destroy(p.net);
    tape_destroy(tape);
    return failed;
}
