/* MAML and its relatives, a few lines apart, on sine curves of random amplitude and phase.
 *
 *   MAML          the exact gradient through the inner steps       (Finn, Abbeel, Levine 2017)
 *   first order   inner gradients taken as constants: HC_FIRST_ORDER            (the same paper)
 *   ANIL          only the last layer is adapted: an inner optimizer of its Params (Raghu et al. 2020)
 *   Reptile       no gradient through the steps at all: W moves towards W<k>  (Nichol et al. 2018)
 *
 * meta_gradient below is where they differ. */
#include <higherc/higherc.h>
#include <math.h>

#include "flags.h"
#include "sines.h"

enum { TASKS = 8, TEST_TASKS = 200, TEST_STEPS = 5 };

typedef enum Method { MAML, FIRST_ORDER, ANIL, REPTILE, METHODS } Method;
static const char *const names[METHODS] = {"MAML", "first order", "ANIL", "Reptile"};
static const size_t inner_steps[METHODS] = {1, 1, 1, 5};

/* What a method learns from: the net, and the SGD that adapts it. */
typedef struct Learner {
    Method method;
    Module *net;
    Optim *inner;
} Learner;

static Tensor *error_on(FModule *fast, Tensor *x, Tensor *y) {
    return tensor_mse_loss(fmodule_forward(fast, x), y);
}

/* Reptile as a loss: sum (W - W<k>)^2 / 2, whose gradient is W - W<k>. */
static Tensor *distance_to(FModule *fast, Module *net) {
    ParamList w = module_params(net);
    Tensor *total = NULL;
    for (size_t i = 0; i < w.count; i++) {
        Tensor *goal = tensor_detach(fmodule_params(fast).items[i]);
        Tensor *away = tensor_sub(param_tensor(fmodule_tape(fast), w.items[i]), goal);
        Tensor *part = tensor_mul_scalar(tensor_sum(tensor_square(away)), 0.5);
        total = total ? tensor_add(total, part) : part;
    }
    return total;
}

/* Adds the meta-gradient of one task to the grads of the net's Params. */
static void meta_gradient(const Learner *l, Tape *tape, Episode e) {
    FModuleOptions options = fmodule_options(false);
    if (l->method == FIRST_ORDER) options.mode = HC_FIRST_ORDER;
    if (l->method == REPTILE) options.mode = HC_EVAL;

    FModule *fast = fmodule_create_with(tape, l->net, options);
    DiffOpt *opt = diffopt_create(l->inner, fast); /* weights that are not in it stay W<0> */
    for (size_t k = 0; k < inner_steps[l->method]; k++)
        diffopt_step(opt, error_on(fast, e.x, e.y));

    Tensor *loss = l->method == REPTILE ? distance_to(fast, l->net) : error_on(fast, e.xq, e.yq);
    tensor_backward(tensor_div_scalar(loss, TASKS));
}

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

/* The mean error on new curves before the first and after each inner step. */
static void judge(const Learner *l, Tape *tape, double errors[TEST_STEPS + 1]) {
    Rng rng = rng_seed(1000);
    FModuleOptions options = fmodule_options(true);
    options.mode = HC_EVAL;
    for (int k = 0; k <= TEST_STEPS; k++)
        errors[k] = 0;
    for (int task = 0; task < TEST_TASKS; task++) {
        tape_reset(tape);
        Episode e = sines_draw(tape, &rng);
        FModule *fast = fmodule_create_with(tape, l->net, options);
        DiffOpt *opt = diffopt_create(l->inner, fast);
        for (int k = 0; k <= TEST_STEPS; k++) {
            if (k > 0) diffopt_step_release(opt, error_on(fast, e.x, e.y));
            errors[k] += tensor_item(error_on(fast, e.xq, e.yq)) / TEST_TASKS;
        }
    }
}

static bool learner_create(Learner *l, Method method, Rng rng) {
    Module *layers[] = {module_linear(1, 40), module_relu(), module_linear(40, 40), module_relu(),
                        module_linear(40, 1)};
    l->method = method;
    l->net = module_sequential(layers, 5);
    module_init(l->net, &rng);
    Module *adapted = method == ANIL ? module_find(l->net, "4") : l->net;
    l->inner = optim_sgd(module_params(adapted), sgd_options(method == REPTILE ? 0.02 : 0.01));
    return l->inner != NULL;
}

int main(int argc, char **argv) {
    size_t iterations = 4000, seed = 1;
    const Flag flags[] = {{"--iterations", &iterations, 1, 1000000, "of each method", NULL},
                          {"--seed", &seed, 0, SIZE_MAX, "of all random numbers", NULL}};
    int status = flags_read(argc, argv, flags, 2, "reptile_and_anil: relatives of MAML");
    if (status != FLAGS_RUN) return status;

    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(seed);
    bool good = true;
    printf("Mean squared error on %d new curves, after inner steps on %d points:\n\n", TEST_TASKS,
           SHOTS);
    printf("               0 steps   1 step   %d steps\n", TEST_STEPS);
    for (int method = 0; method < METHODS && good; method++) {
        Learner learner;
        double errors[TEST_STEPS + 1];
        good = learner_create(&learner, (Method)method, rng); /* the same start and tasks for all */
        if (good) train(&learner, tape, iterations, rng);
        judge(&learner, tape, errors);
        printf("%-12s %9.2f %8.2f %9.2f\n", names[method], errors[0], errors[1],
               errors[TEST_STEPS]);
        good = good && isfinite(errors[TEST_STEPS]);
        optim_destroy(learner.inner);
        module_destroy(learner.net);
    }
    printf("\nAll four learn where to start. The second derivative is worth its price, most of all "
           "in the\n"
           "first step; ANIL cannot bend its features to a curve; Reptile needs more steps.\n");

    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    tape_destroy(tape);
    return higherc_error() != NULL || !good;
}
