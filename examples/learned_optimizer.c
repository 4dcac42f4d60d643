/* A network as update rule, trained through the steps it makes (Andrychowicz et al. 2016, "Learning to learn
 * by gradient descent by gradient descent").
 *
 * The rule sees, of each weight, its gradient and two running averages of it, and says how far to go. It is
 * a rule like any other (optim_create): its network is applied to every weight alike with module_forward, so
 * that on a tape a gradient flows through the inner steps to the network's Params, which an ordinary Adam
 * trains. The inner problems are random systems of linear equations, 10 unknowns each. */
#include <higherc/higherc.h>
#include <math.h>

#include "flags.h"

enum { MAX_PROBLEMS = 1000 };
enum { UNKNOWNS = 10, INNER_STEPS = 20, TASKS = 8 };

/* ---- the rule ------------------------------------------------------------------------------------------ */

static const char *const states[] = {"fast_average", "slow_average"};

/* decay m + (1 - decay) g; m is 0 at first. */
static Tensor *average(double decay, Tensor *m, Tensor *g) {
    Tensor *fresh = tensor_mul_scalar(g, 1 - decay);
    return m ? tensor_add(tensor_mul_scalar(m, decay), fresh) : fresh;
}

static bool network_update(OptimUpdate *u, void *user) {
    Module *network = user;
    u->state[0] = average(0.5, u->state[0], u->grad);
    u->state[1] = average(0.9, u->state[1], u->grad);
    Tensor *seen[] = {u->grad, u->state[0], u->state[1]};
    Tensor *features =
        tensor_stack(seen, 3, -1); /* [shape of the weight, 3]: a row for each entry */
    Tensor *step = tensor_squeeze(module_forward(network, features), -1);
    u->param = tensor_sub(u->param, tensor_mul_scalar(step, 0.1));
    return u->param != NULL;
}

static const OptimClass network_rule = {
    .name = "network", .states = states, .state_count = 2, .update = network_update};

/* ---- the problems --------------------------------------------------------------------------------------- */

/* Trains `model` on a fresh problem with `rule`. The mean of the losses after each step, which is what the
 * rule is to make small; *last takes the final one. */
static Tensor *solve_problem(Tape *tape, Module *model, const Optim *rule, FMode mode, Rng *rng,
                             double *last) {
    Tensor *a = tensor_normal(tape, shape2(UNKNOWNS, UNKNOWNS), 0, 1, rng);
    Tensor *y = tensor_matmul(a, tensor_normal(tape, shape2(UNKNOWNS, 1), 0, 1, rng));
    FModuleOptions options = fmodule_options(true); /* where it starts is not what is learned */
    options.mode = mode;
    FModule *fast = fmodule_create_with(tape, model, options);
    DiffOpt *opt = diffopt_create(rule, fast);
    Tensor *loss = tensor_mse_loss(fmodule_forward(fast, a), y), *total = NULL;
    for (int k = 0; k < INNER_STEPS; k++) {
        diffopt_step(opt, loss);
        loss = tensor_mse_loss(fmodule_forward(fast, a), y);
        total = total ? tensor_add(total, loss) : loss;
    }
    *last = tensor_item(loss);
    return tensor_div_scalar(total, INNER_STEPS);
}

/* The median over new problems, always the same ones, of the loss after the last step. */
static double judge(Tape *tape, Module *model, const Optim *rule, size_t problems) {
    Rng rng = rng_seed(1000);
    double sorted[MAX_PROBLEMS] = {0};
    for (size_t i = 0; i < problems; i++) {
        double last = (double)INFINITY;
        tape_reset(tape);
        solve_problem(tape, model, rule, HC_EVAL, &rng, &last);
        size_t place = i;
        for (; place > 0 && !(sorted[place - 1] <= last); place--)
            sorted[place] = sorted[place - 1];
        sorted[place] = last;
    }
    return sorted[problems / 2];
}

/* The best of many learning rates, each tried on all the test problems. */
static double judge_tuned(Tape *tape, Module *model, Optim *optim, size_t problems,
                          double *best_lr) {
    double best = (double)INFINITY;
    for (double lr = 0.001; lr < 2; lr *= 1.5) {
        optim_set(optim, "lr", HC_ALL_GROUPS, lr);
        double median = judge(tape, model, optim, problems);
        if (!(median < best)) continue;
        best = median;
        *best_lr = lr;
    }
    return best;
}

int main(int argc, char **argv) {
    size_t steps = 600, problems = 100, seed = 1;
    const Flag flags[] = {{"--steps", &steps, 1, 1000000, "outer steps", NULL},
                          {"--problems", &problems, 1, MAX_PROBLEMS, "to judge by", NULL},
                          {"--seed", &seed, 0, SIZE_MAX, "of all random numbers", NULL}};
    int status = flags_read(argc, argv, flags, 3, "learned_optimizer: a network as update rule");
    if (status != FLAGS_RUN) return status;

    Rng rng = rng_seed(seed);
    Tape *tape = tape_create(HC_F32);
    Module *model = module_linear_no_bias(UNKNOWNS, 1);
    Module *layers[] = {module_linear(3, 16), module_tanh(), module_linear(16, 1)};
    Module *network = module_sequential(layers, 3);
    param_fill(module_param(model, "weight"), 0);
    module_init(network, &rng);
    Optim *rule = optim_create(&network_rule, module_params(model), network);
    Optim *outer = optim_adam(module_params(network), adam_options(0.01));
    Schedule fade = schedule_cosine(steps, hyper_const(0.05));
    optim_schedule(outer, "lr", HC_ALL_GROUPS, &fade);

    double untrained = judge(tape, model, rule, problems), mean = 0;
    size_t every = steps / 6 > 0 ? steps / 6 : 1;
    printf("outer step   loss, mean over the %d inner steps\n", INNER_STEPS);
    for (size_t it = 1; it <= steps && !higherc_error(); it++) {
        optim_zero_grad(outer);
        for (int task = 0; task < TASKS; task++) {
            double last;
            tape_reset(tape);
            Tensor *loss = solve_problem(tape, model, rule, HC_FULL, &rng, &last);
            tensor_backward(tensor_div_scalar(loss, TASKS));
            mean += tensor_item(loss) / (double)(TASKS * every);
        }
        optim_clip_grad_norm(outer, 1);
        optim_step(outer);
        if (it % every != 0) continue;
        printf("%10zu   %.3f\n", it, mean);
        mean = 0;
    }

    Optim *sgd = optim_sgd(module_params(model), sgd_options(0.1));
    Optim *adam = optim_adam(module_params(model), adam_options(0.1));
    SgdOptions heavy = sgd_options(0.1);
    heavy.momentum = 0.9;
    Optim *momentum = optim_sgd(module_params(model), heavy);
    double sgd_lr = 0, adam_lr = 0, momentum_lr = 0;
    printf("\nMedian loss on %zu new problems after %d steps:\n", problems, INNER_STEPS);
    printf("  the network, not trained  %8.4f\n", untrained);
    double sgd_loss = judge_tuned(tape, model, sgd, problems, &sgd_lr);
    printf("  SGD                       %8.4f   (its best lr, found on these problems: %.2g)\n",
           sgd_loss, sgd_lr);
    double heavy_loss = judge_tuned(tape, model, momentum, problems, &momentum_lr);
    printf("  SGD with momentum 0.9     %8.4f   (%.2g)\n", heavy_loss, momentum_lr);
    double adam_loss = judge_tuned(tape, model, adam, problems, &adam_lr);
    printf("  Adam                      %8.4f   (%.2g)\n", adam_loss, adam_lr);
    double learned = judge(tape, model, rule, problems);
    printf("  the network, trained      %8.4f\n", learned);
    printf("\nThe rule was never told how to descend: the gradient of the losses through its own "
           "%d steps\n"
           "taught it.\n",
           INNER_STEPS);

    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    bool failed = higherc_error() != NULL || !(learned < untrained);
    optim_destroy(momentum);
    optim_destroy(adam);
    optim_destroy(sgd);
    optim_destroy(outer);
    optim_destroy(rule);
    module_destroy(network);
    module_destroy(model);
    tape_destroy(tape);
    return failed;
}
