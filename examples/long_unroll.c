/* Learning rates for each layer and each part of training, learned through hundreds of steps (after
 * Maclaurin, Duvenaud, Adams 2015, "Gradient-based hyperparameter optimization through reversible
 * learning").
 *
 * A network is trained by SGD with momentum on arms of a spiral; what it then loses on other points is a
 * differentiable function of every learning rate on the way. Through so many steps a tape that stores them all
 * grows large: the inner loop is an unroll, which keeps a checkpoint about every sqrt(steps) steps and computes
 * the steps between them again when the gradient comes down. */
#include <higherc/higherc.h>
#include <math.h>
#include <stdio.h>

#include "flags.h"

enum { ARMS = 3, POINTS = 240, BATCH = 40, HIDDEN = 24, LAYERS = 3, PHASES = 6 };

typedef struct Data {
    float x[POINTS * 2];
    int64_t arm[POINTS];
} Data;

/* What an inner step reads. */
typedef struct Problem {
    Tape *tape;
    FModule *net;
    ParamList params;
    Tensor *rates; /* [LAYERS, PHASES] */
    const Data *train;
    size_t steps;
} Problem;

static void draw(Data *data, Rng *rng) {
    for (size_t i = 0; i < POINTS; i++) {
        double along = 0.3 + 2.7 * rng_uniform(rng),
               turn = 1.6 * along + 2 * acos(-1) / ARMS * (double)(i % ARMS);
        data->arm[i] = (int64_t)(i % ARMS);
        data->x[2 * i] = (float)(along * cos(turn) + 0.12 * rng_normal(rng));
        data->x[2 * i + 1] = (float)(along * sin(turn) + 0.12 * rng_normal(rng));
    }
}

static Tensor *loss_of(Tape *tape, FModule *net, const float *x, const int64_t *arm, size_t count) {
    Tensor *points = tensor_from_f32(tape, shape2(count, 2), x);
    return tensor_cross_entropy_loss(fmodule_forward(net, points),
                                     tensor_from_i64(tape, shape1(count), arm));
}

/* One inner step: a batch drawn from the step's own stream, and each layer's rate of the present
 * phase. A weight and a bias stand side by side in the list. */
static bool train_step(UnrollStep *step, void *user) {
    const Problem *p = user;
    float x[BATCH * 2];
    int64_t arm[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        size_t from = rng_below(step->rng, POINTS);
        x[2 * i] = p->train->x[2 * from];
        x[2 * i + 1] = p->train->x[2 * from + 1];
        arm[i] = p->train->arm[from];
    }
    int64_t phase = (int64_t)(step->step * PHASES / p->steps);
    Tensor *now = tensor_slice(p->rates, 1, phase, phase + 1, 1);
    for (size_t i = 0; i < p->params.count; i++) {
        Tensor *rate = tensor_reshape(tensor_slice(now, 0, (int64_t)i / 2, (int64_t)i / 2 + 1, 1),
                                      shape_scalar());
        if (!diffopt_override_param(step->opts[0], "lr", p->params.items[i], rate)) return false;
    }
    return diffopt_step(step->opts[0], loss_of(p->tape, p->net, x, arm, BATCH));
}

static void show(const Param *log_rates) {
    printf("\nlearning rates  ");
    for (int k = 0; k < PHASES; k++)
        printf("  part %d", k + 1);
    for (int layer = 0; layer < LAYERS; layer++) {
        printf("\n  layer %d       ", layer + 1);
        for (int k = 0; k < PHASES; k++)
            printf(" %7.4f", exp(param_get(log_rates, (size_t)(layer * PHASES + k))));
    }
    printf("\n");
}

int main(int argc, char **argv) {
    size_t steps = 300, iterations = 12;
    const Flag flags[] = {{"--steps", &steps, PHASES, 1000000, "inner steps", NULL},
                          {"--iterations", &iterations, 2, 10000, "outer steps", NULL}};
    int status = flags_read(argc, argv, flags, 2,
                            "Learning rates of each layer, learned through hundreds of steps.");
    if (status != FLAGS_RUN) return status;

    Rng rng = rng_seed(1);
    Data train, held;
    draw(&train, &rng);
    draw(&held, &rng);
    Tape *tape = tape_create(HC_F32);
    Module *layers[] = {module_linear(2, HIDDEN), module_tanh(), module_linear(HIDDEN, HIDDEN),
                        module_tanh(), module_linear(HIDDEN, ARMS)};
    Module *net = module_sequential(layers, 5);
    module_init(net, &rng);
    SgdOptions sgd = sgd_options(0.01); /* its rate is overridden */
    sgd.momentum = 0.9;
    Optim *inner = optim_sgd(module_params(net), sgd);
    Param *log_rates = param_create("log_rates", shape2(LAYERS, PHASES), HC_F32);
    param_fill(log_rates, log(0.01));
    Optim *outer = optim_adam((ParamList){&log_rates, 1}, adam_options(0.15));

    double first = 0, last = 0;
    UnrollReport report = {.steps = 0};
    TapeStats stats = {.nodes = 0};
    printf("outer step   loss on other points after %zu steps\n", steps);
    for (size_t it = 0; it < iterations && !higherc_error(); it++) {
        tape_reset(tape);
        FModule *fast = fmodule_create(tape, net, true);
        DiffOpt *opt = diffopt_create(inner, fast);
        Problem problem = {
            tape,   fast, module_params(net), tensor_exp(param_tensor(tape, log_rates)),
            &train, steps};
        unroll(&opt, 1, unroll_options(steps), train_step, &problem);
        Tensor *loss = loss_of(tape, fast, held.x, held.arm, POINTS);
        last = tensor_item(loss);
        if (it == 0) first = last;
        printf("%10zu   %10.4f\n", it, last);
        optim_zero_grad(outer);
        tensor_backward(loss);
        optim_step(outer);
        report = unroll_report(opt);
        stats = tape_stats(tape);
    }
    show(log_rates);
    double held_mib = (double)stats.peak_bytes / (1 << 20);
    printf("\nThe loss fell from %.3f to %.3f. The tape took %.1f MiB at most: %zu checkpoints, "
           "and %zu steps recorded at a\n"
           "time. All %zu steps would have taken about %.0f MiB.\n",
           first, last, held_mib, report.checkpoints, report.segment, report.steps,
           held_mib / (double)report.segment * (double)report.steps);

    bool failed = higherc_error() != NULL || !(last < first);
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    optim_destroy(outer);
    optim_destroy(inner);
    param_unref(log_rates);
    module_destroy(net);
    tape_destroy(tape);
    return failed;
}
