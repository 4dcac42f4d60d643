/* Learning rates for each layer and each part of training, learned through hundreds of steps (after
 * Maclaurin, Duvenaud, Adams 2015, "Gradient-based hyperparameter optimization through reversible
 * learning").
 *
 * A network is trained by SGD with momentum on arms of a spiral, or on MNIST's digits (--data); what it then
 * loses on other points is a differentiable function of every learning rate on the way. Through so many steps a
 * tape that stores them all grows large: the inner loop is an unroll, which keeps a checkpoint about every
 * sqrt(steps) steps and computes the steps between them again when the gradient comes down. */
#include "idx.h"

#include <higherc/higherc.h>
#include <math.h>

#include "flags.h"

enum { BATCH = 40, LAYERS = 3, PHASES = 6, MIB = 1 << 20 };

/* Points in no order: to train on, to learn the rates by, and to test on. */
typedef struct Data {
    size_t train, held, test, features, classes;
    float *x;
    int64_t *label;
} Data;

/* ---- the data ----------------------------------------------------------------------------------------- */

static bool room_for(Data *data) {
    size_t count = data->train + data->held + data->test;
    data->x = malloc(count * data->features * sizeof *data->x);
    data->label = malloc(count * sizeof *data->label);
    if (!data->x || !data->label) fprintf(stderr, "long_unroll: out of memory\n");
    return data->x && data->label;
}

static bool draw(Data *data, Rng *rng) {
    enum { ARMS = 3, POINTS = 240 };
    *data = (Data){POINTS, POINTS, POINTS, 2, ARMS, NULL, NULL};
    if (!room_for(data)) return false;
    for (size_t i = 0; i < 3 * POINTS; i++) {
        double along = 0.3 + 2.7 * rng_uniform(rng),
               turn = 1.6 * along + 2 * acos(-1) / ARMS * (double)(i % ARMS);
        data->label[i] = (int64_t)(i % ARMS);
        data->x[2 * i] = (float)(along * cos(turn) + 0.12 * rng_normal(rng));
        data->x[2 * i + 1] = (float)(along * sin(turn) + 0.12 * rng_normal(rng));
    }
    return true;
}

/* The first ten thousand digits of a file, as they stand there. */
static bool read_digits(Data *data, const char *folder) {
    Pictures p;
    if (!pictures_find(&p, folder)) return false;
    size_t count = p.count < 10000 ? p.count : 10000, features = p.height * p.width;
    *data = (Data){count / 2, count / 4, count / 4, features, 10, NULL, NULL};
    bool done = pictures_are_digits(&p, folder, 2 * BATCH) && room_for(data);
    count = data->train + data->held + data->test;
    for (size_t i = 0; done && i < count; i++)
        data->label[i] = p.labels.items[i];
    for (size_t i = 0; done && i < count * features; i++)
        data->x[i] = (float)p.images.items[i] / 255;
    pictures_free(&p);
    return done;
}

/* ---- training ----------------------------------------------------------------------------------------- */

/* What is trained, and what an inner step reads. */
typedef struct Problem {
    const Data *data;
    Module *net;
    Optim *inner;
    Param *log_rates; /* [LAYERS, PHASES] */
    size_t steps;     /* of a whole training */
    Tape *tape;
    FModule *fast;
    Tensor *rates;
} Problem;

static Tensor *points(const Problem *p, size_t from, size_t count) {
    size_t features = p->data->features;
    return tensor_borrow(p->tape, shape2(count, features), p->data->x + from * features);
}

static Tensor *labels(const Problem *p, size_t from, size_t count) {
    return tensor_from_i64(p->tape, shape1(count), p->data->label + from);
}

static Tensor *loss_on(const Problem *p, size_t from, size_t count) {
    return tensor_cross_entropy_loss(fmodule_forward(p->fast, points(p, from, count)),
                                     labels(p, from, count));
}

/* One inner step: a batch from a place drawn from the step's own stream, and each layer's rate of the present
 * phase. A weight and a bias stand side by side in the list. */
static bool train_step(UnrollStep *step, void *user) {
    const Problem *p = user;
    ParamList params = module_params(p->net);
    int64_t phase = (int64_t)(step->step * PHASES / p->steps);
    Tensor *now = tensor_slice(p->rates, 1, phase, phase + 1, 1);
    for (size_t i = 0; i < params.count; i++) {
        Tensor *rate = tensor_reshape(tensor_slice(now, 0, (int64_t)i / 2, (int64_t)i / 2 + 1, 1),
                                      shape_scalar());
        if (!diffopt_override_param(step->opts[0], "lr", params.items[i], rate)) return false;
    }
    size_t from = (size_t)rng_below(step->rng, p->data->train - BATCH + 1);
    return diffopt_step(step->opts[0], loss_on(p, from, BATCH));
}

/* What the net loses on held-out points after a training. */
static Tensor *train(Problem *p, UnrollOptions loop, DiffOpt **opt) {
    tape_reset(p->tape);
    p->fast = fmodule_create(p->tape, p->net, true);
    *opt = diffopt_create(p->inner, p->fast);
    p->rates = tensor_exp(param_tensor(p->tape, p->log_rates));
    unroll(opt, 1, loop, train_step, p);
    return loss_on(p, p->data->train, p->data->held);
}

/* In percent. */
static double accuracy(const Problem *p) {
    size_t from = p->data->train + p->data->held, count = p->data->test;
    Tensor *guess = tensor_argmax_axis(fmodule_forward(p->fast, points(p, from, count)), 1, false);
    return 100 * tensor_item(tensor_mean(tensor_eq(guess, labels(p, from, count))));
}

/* ---- memory ------------------------------------------------------------------------------------------- */

/* What a tape takes for a gradient through the first few steps, all of them stored. */
static double stored_mib(const Problem *problem, size_t steps) {
    Problem p = *problem;
    UnrollOptions loop = unroll_options(steps);
    loop.keep = HC_KEEP_ALL;
    DiffOpt *opt;
    p.tape = tape_create(HC_F32);
    tensor_backward(train(&p, loop, &opt));
    double mib = (double)tape_stats(p.tape).peak_bytes / MIB;
    tape_destroy(p.tape);
    return mib;
}

static void tell_memory(const Problem *p, UnrollReport report) {
    double few = stored_mib(p, PHASES / 2), more = stored_mib(p, PHASES),
           rest = PHASES - PHASES / 2;
    printf("The tape took %.1f MiB at most: %zu checkpoints, and %zu steps recorded at a time. All "
           "%zu steps\nstored would have taken %.0f MiB.\n",
           (double)tape_stats(p->tape).peak_bytes / MIB, report.checkpoints, report.segment,
           report.steps, more + (more - few) / rest * ((double)report.steps - PHASES));
}

/* ---- the experiment ----------------------------------------------------------------------------------- */

static void show(const Param *log_rates) {
    printf("\nlearning rates  ");
    for (int k = 0; k < PHASES; k++)
        printf("  part %d", k + 1);
    for (size_t layer = 0; layer < LAYERS; layer++) {
        printf("\n  layer %zu       ", layer + 1);
        for (size_t k = 0; k < PHASES; k++)
            printf(" %7.4f", exp(param_get(log_rates, layer * PHASES + k)));
    }
    printf("\n");
}

static bool learn(Problem *p, size_t iterations) {
    Optim *outer = optim_adam((ParamList){&p->log_rates, 1}, adam_options(0.15));
    double first = 0, last = 0;
    UnrollReport report = {.steps = 0};
    printf("after %zu steps:\nouter step   loss on held-out points   test accuracy\n", p->steps);
    for (size_t it = 0; it < iterations && !higherc_error(); it++) {
        DiffOpt *opt;
        Tensor *loss = train(p, unroll_options(p->steps), &opt);
        if (!loss) break;
        last = tensor_item(loss);
        if (it == 0) first = last;
        printf("%10zu   %23.4f   %11.1f %%\n", it, last, accuracy(p));
        fflush(stdout);
        optim_zero_grad(outer);
        tensor_backward(loss);
        optim_step(outer);
        report = unroll_report(opt);
    }
    optim_destroy(outer);
    if (higherc_error()) return false;
    show(p->log_rates);
    printf("\nThe loss fell from %.3f to %.3f. ", first, last);
    tell_memory(p, report);
    return last < first;
}

static bool experiment(const Data *data, size_t steps, size_t iterations, size_t hidden, Rng *rng) {
    Problem p = {.data = data, .steps = steps, .tape = tape_create(HC_F32)};
    Module *layers[] = {module_linear(data->features, hidden), module_tanh(),
                        module_linear(hidden, hidden), module_tanh(),
                        module_linear(hidden, data->classes)};
    p.net = module_sequential(layers, 5);
    module_init(p.net, rng);
    SgdOptions sgd = sgd_options(0.01); /* its rate is overridden */
    sgd.momentum = 0.9;
    p.inner = optim_sgd(module_params(p.net), sgd);
    p.log_rates = param_create("log_rates", shape2(LAYERS, PHASES), HC_F32);
    param_fill(p.log_rates, log(0.01));
    bool good = learn(&p, iterations);
    optim_destroy(p.inner);
    param_unref(p.log_rates);
    module_destroy(p.net);
    tape_destroy(p.tape);
    return good;
}

int main(int argc, char **argv) {
    size_t steps = 300, iterations = 12;
    const char *folder = NULL;
    const Flag flags[] = {
        {"--data", NULL, 0, 0, "folder with MNIST's digits, in place of spirals", &folder},
        {"--steps", &steps, PHASES, 1000000, "inner steps", NULL},
        {"--iterations", &iterations, 2, 10000, "outer steps", NULL}};
    int status = flags_read(argc, argv, flags, sizeof flags / sizeof *flags,
                            "Learning rates of each layer, learned through hundreds of steps.");
    if (status != FLAGS_RUN) return status;

    Rng rng = rng_seed(1);
    Data data = {.x = NULL};
    bool good = (folder ? read_digits(&data, folder) : draw(&data, &rng)) &&
                experiment(&data, steps, iterations, folder ? 50 : 24, &rng);
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    free(data.x);
    free(data.label);
    return higherc_error() != NULL || !good;
}
