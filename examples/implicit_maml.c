/* MAML without a way back through the inner steps (Rajeswaran, Finn, Kakade, Levine 2019, "Meta-learning with
 * implicit gradients").
 *
 * MAML's gradient goes back through every inner step, and so its tape holds them all. iMAML adapts with a term
 * lambda/2 |W - W<0>|^2 that ties the weights to where they began; where that has been minimised, the minimum
 * itself says how it moves when W<0> moves: by (I + H / lambda)^-1, and conjugate gradients apply that. How it was
 * found does not matter, and no step of the way is kept.
 *
 * Both learn to fit sine curves of random amplitude and phase, with 1, 10 and 100 inner steps. */
#include <higherc/higherc.h>
#include <math.h>

#include "flags.h"
#include "memory.h"
#include "sines.h"

enum { TASKS = 4, TEST_TASKS = 200, HIDDEN = 40, METHODS = 2, LENGTHS = 3 };

/* Inner steps, their learning rate in MAML and in iMAML, and iMAML's lambda. Rates (0.003, 0.01, 0.03, 0.1) and lambda
 * (1, 2, 4, 8) are those with the least error on 200 curves of their own, after meta-training from another seed; the
 * curves that the program judges by had no part in it. */
typedef struct Choice {
    size_t steps;
    double rate[METHODS], lambda;
} Choice;
static const Choice choices[LENGTHS] = {{1, {0.1, 0.1}, 4}, {10, {0.01, 0.01}, 4}, {100, {0.003, 0.01}, 1}};

typedef struct Learner {
    bool implicitly;
    const Choice *choice;
    Module *net;
    Optim *inner;
} Learner;

/* ---- adapting --------------------------------------------------------------------------------------------- */

static Tensor *error_on(FModule *fast, Tensor *x, Tensor *y) {
    return tensor_mse_loss(fmodule_forward(fast, x), y);
}

/* The loss that iMAML minimises, but for the proximal term. */
static Tensor *inner_loss(FModule *fast, void *user) {
    const Episode *e = user;
    return error_on(fast, e->x, e->y);
}

/* lambda/2 |W - W<0>|^2 */
static Tensor *proximal(FModule *fast, Tensor *start, double lambda) {
    return tensor_mul_scalar(tensor_sum(tensor_square(tensor_sub(fmodule_vector(fast), start))),
                             lambda / 2);
}

/* The net after the inner steps. For iMAML nothing is kept of them. */
static FModule *adapt(const Learner *l, Tape *tape, const Episode *e, FMode mode) {
    FModuleOptions options = fmodule_options(false);
    options.mode = l->implicitly ? HC_EVAL : mode;
    FModule *fast = fmodule_create_with(tape, l->net, options);
    Tensor *start = tensor_detach(fmodule_vector(fast));
    DiffOpt *opt = diffopt_create(l->inner, fast);
    for (size_t k = 0; k < l->choice->steps; k++) {
        Tensor *loss = error_on(fast, e->x, e->y);
        if (l->implicitly)
            diffopt_step_release(opt, tensor_add(loss, proximal(fast, start, l->choice->lambda)));
        else
            diffopt_step(opt, loss);
    }
    return fast;
}

/* Adds the meta-gradient of one task to the grads of the net's Params. */
static void meta_gradient(const Learner *l, Tape *tape, Episode e) {
    FModule *fast = adapt(l, tape, &e, HC_FULL);
    ImplicitOptions options = implicit_options();
    options.proximal = l->choice->lambda;
    options.solver = HC_SOLVE_NORMAL; /* after few steps H may bend downwards, where CG alone stops */
    options.iterations = 20;
    options.inexact = true;
    if (l->implicitly) implicit(fast, inner_loss, options, &e);
    tensor_backward(tensor_div_scalar(error_on(fast, e.xq, e.yq), TASKS));
}

/* ---- training and judging ---------------------------------------------------------------------------------- */

static void train(const Learner *l, Tape *tape, size_t iterations, Rng rng) {
    Optim *outer = optim_adam(module_params(l->net), adam_options(0.001));
    for (size_t it = 0; it < iterations && !higherc_error(); it++) {
        optim_zero_grad(outer);
        for (int task = 0; task < TASKS; task++) {
            tape_reset(tape);
            meta_gradient(l, tape, sines_draw(tape, &rng));
        }
        optim_step(outer);
    }
    optim_destroy(outer);
}

/* The mean error on new curves after as many steps as in training. */
static double judge(const Learner *l, Tape *tape) {
    Rng rng = rng_seed(1000);
    double error = 0;
    for (int task = 0; task < TEST_TASKS; task++) {
        tape_reset(tape);
        Episode e = sines_draw(tape, &rng);
        FModule *fast = adapt(l, tape, &e, HC_EVAL);
        error += tensor_item(error_on(fast, e.xq, e.yq)) / TEST_TASKS;
    }
    return error;
}

typedef struct Result {
    double error, mib;
} Result;

static bool run(bool implicitly, const Choice *choice, size_t iterations, Rng rng, Result *result) {
    Learner l = {.implicitly = implicitly, .choice = choice};
    Module *layers[] = {module_linear(1, HIDDEN), module_tanh(), module_linear(HIDDEN, HIDDEN),
                        module_tanh(), module_linear(HIDDEN, 1)};
    l.net = module_sequential(layers, 5);
    module_init(l.net, &rng); /* the same start and tasks for all */
    l.inner = optim_sgd(module_params(l.net), sgd_options(choice->rate[implicitly]));
    Tape *tape = tape_create(HC_F32);
    size_t before = memory_held();
    memory_forget();
    train(&l, tape, iterations, rng);
    result->mib = (double)(memory_peak() - before) / (1 << 20);
    result->error = judge(&l, tape);
    tape_destroy(tape);
    optim_destroy(l.inner);
    module_destroy(l.net);
    return !higherc_error() && result->error < HUGE_VAL;
}

int main(int argc, char **argv) {
    size_t iterations = 1000, seed = 1;
    const Flag flags[] = {{"--iterations", &iterations, 1, 1000000, "of each row", NULL},
                          {"--seed", &seed, 0, SIZE_MAX, "of all random numbers", NULL}};
    int status = flags_read(argc, argv, flags, 2, "implicit_maml: MAML by implicit gradients");
    if (status != FLAGS_RUN) return status;

    memory_count();
    Result results[LENGTHS][METHODS];
    bool good = true;
    printf("Mean squared error on %d new curves, and the memory of meta-training:\n\n"
           "                    MAML                iMAML\n"
           "inner steps    error    MiB        error    MiB\n",
           TEST_TASKS);
    for (int i = 0; i < LENGTHS && good; i++) {
        Result *r = results[i];
        for (int implicitly = 0; implicitly < METHODS && good; implicitly++)
            good = run(implicitly, &choices[i], iterations, rng_seed(seed), &r[implicitly]);
        if (good)
            printf("%11zu  %7.2f %6.2f      %7.2f %6.2f\n", choices[i].steps, r[0].error, r[0].mib,
                   r[1].error, r[1].mib);
        fflush(stdout);
    }
    if (good) {
        const Result *least = results[0], *most = results[LENGTHS - 1];
        printf(
            "\nFrom %zu step to %zu MAML's memory grew to %.1f times what it was, iMAML's to "
            "%.1f times. Few steps do\n"
            "not reach the minimum that the implicit gradient speaks of; many cost iMAML time, and "
            "nothing else.\n",
            choices[0].steps, choices[LENGTHS - 1].steps, most[0].mib / least[0].mib,
            most[1].mib / least[1].mib);
        good = most[1].mib < 1.1 * least[1].mib && most[1].mib < most[0].mib;
    }
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    return !good;
}
