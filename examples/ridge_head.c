/* A head in closed form ("R2-D2": Bertinetto, Henriques, Torr, Vedaldi 2019, "Meta-learning with differentiable
 * closed-form solvers").
 *
 * MAML adapts a network to a new task by steps of gradient descent, and learns through them. Here only the last layer
 * is adapted, and that in one go: with X the features of the few labelled pictures, a row each, and Y their classes,
 * ridge regression has W = X^T (X X^T + lambda I)^-1 Y, a system with as many unknowns as pictures. What is learned is
 * the network before it, and lambda; the gradient goes through Cholesky's factor and the two triangular systems.
 *
 * Both learn for the same time to tell drawn characters (maml_omniglot/alphabet.c) apart after one look at each, and
 * are judged on characters neither has seen. */
#include <math.h>
#include <time.h>

#include "flags.h"
#include "maml_omniglot/alphabet.h"

enum {
    WAYS = 5,
    QUERIES = 5, /* pictures of each character to be judged by */
    PICTURES = WAYS * (1 + QUERIES),
    CHARACTERS = 1000,
    TO_LEARN_FROM = 750,
    BLOCKS = 3,
    INNER_STEPS = 5,
    TASKS = 4, /* in a meta-iteration */
    TEST_TASKS = 200,
    ADJUSTMENTS =
        3 /* the logarithms of lambda and of the logits' scale, and what is added to logits */
};

typedef struct Learner Learner;

struct Learner {
    const char *name;
    Module *net;
    Param *adjust; /* of the ridge regression, else NULL */
    Optim *inner;  /* of MAML, else NULL */
    Tensor *(*logits)(const Learner *l, FModule *net, Tensor *x, Tensor *y, Tensor *queries);
    Program *learn, *judge; /* one task's graph, with the way back and without */
    size_t iterations;
};

/* ---- tasks ------------------------------------------------------------------------------------- */

/* Characters [first, first + count), a few of them: a picture of each, then the others, in the same order. */
static void draw_task(float *pictures, size_t first, size_t count, Rng *rng) {
    size_t chosen[WAYS];
    for (size_t way = 0, i; way < WAYS;) {
        chosen[way] = first + (size_t)rng_below(rng, count);
        for (i = 0; chosen[i] != chosen[way]; i++) {
        }
        way += i == way;
    }
    for (size_t i = 0; i < PICTURES; i++)
        alphabet_draw(chosen[i % WAYS], rng, pictures + i * PIXELS);
}

/* ---- the two ways to adapt --------------------------------------------------------------------- */

static Tensor *adjustment(const Learner *l, Tape *tape, int64_t which) {
    return tensor_slice(param_tensor(tape, l->adjust), 0, which, which + 1, 1);
}

static Tensor *ridge(const Learner *l, FModule *net, Tensor *x, Tensor *y, Tensor *queries) {
    Tape *tape = tensor_tape(x);
    Tensor *all = fmodule_forward(net, tensor_concat((Tensor *[]){x, queries}, 2, 0));
    Tensor *known = tensor_slice(all, 0, 0, WAYS, 1),
           *asked = tensor_slice(all, 0, WAYS, PICTURES, 1);
    Tensor *penalty =
        tensor_diag(tensor_expand(tensor_exp(adjustment(l, tape, 0)), shape1(WAYS)), 0);
    Tensor *gram = tensor_add(tensor_matmul(known, tensor_transpose(known, 0, 1)), penalty);
    Tensor *duals = tensor_cholesky_solve(tensor_one_hot(y, WAYS), tensor_cholesky(gram));
    Tensor *weight = tensor_matmul(tensor_transpose(known, 0, 1), duals);
    Tensor *scores = tensor_mul(tensor_matmul(asked, weight), tensor_exp(adjustment(l, tape, 1)));
    return tensor_add(scores, adjustment(l, tape, 2));
}

static Tensor *maml(const Learner *l, FModule *net, Tensor *x, Tensor *y, Tensor *queries) {
    DiffOpt *opt = diffopt_create(l->inner, net);
    for (size_t k = 0; k < INNER_STEPS; k++)
        diffopt_step(opt, tensor_cross_entropy_loss(fmodule_forward(net, x), y));
    return fmodule_forward(net, queries);
}

/* ---- learning ---------------------------------------------------------------------------------- */

static Module *make_net(size_t channels, bool head, Rng *rng) {
    Module *layers[4 * BLOCKS + 2];
    size_t count = 0;
    for (size_t b = 0; b < BLOCKS; b++) {
        layers[count++] = module_conv2d(b == 0 ? 1 : channels, channels, 3, 3, conv2d_options());
        layers[count++] = module_batch_norm2d(channels, batch_norm_options());
        layers[count++] = module_relu();
        layers[count++] = module_max_pool2d(pool2d_options(2));
    }
    layers[count++] = module_flatten(); /* 28, 26, 13, 11, 5, 3, 1: one pixel is left */
    if (head) layers[count++] = module_linear(channels, WAYS);
    Module *net = module_sequential(layers, count);
    return net && module_init(net, rng) ? net : NULL;
}

/* Records one task and captures it twice. */
static bool capture(Learner *l, Tape *tape) {
    static float pictures[PICTURES * PIXELS];
    int64_t labels[PICTURES];
    Rng rng = rng_seed(0);
    draw_task(pictures, 0, TO_LEARN_FROM, &rng);
    for (size_t i = 0; i < PICTURES; i++)
        labels[i] = (int64_t)(i % WAYS);
    Tensor *in = tensor_from_f32(tape, shape4(PICTURES, 1, SIDE, SIDE), pictures);
    Tensor *x = tensor_slice(in, 0, 0, WAYS, 1), *queries = tensor_slice(in, 0, WAYS, PICTURES, 1);
    Tensor *y = tensor_from_i64(tape, shape1(WAYS), labels);
    Tensor *answers = tensor_from_i64(tape, shape1(PICTURES - WAYS), labels + WAYS);
    FModuleOptions options = fmodule_options(false);
    options.buffers =
        HC_BUFFERS_BATCH; /* the batch's own statistics throughout, as MAML's authors have it */
    Tensor *logits = l->logits(l, fmodule_create_with(tape, l->net, options), x, y, queries);
    Tensor *loss = tensor_div_scalar(tensor_cross_entropy_loss(logits, answers), TASKS);
    Tensor *right = tensor_mean(tensor_eq(tensor_argmax_axis(logits, 1, false), answers));
    l->learn = program_capture(tape, &in, 1, &loss, 1, loss);
    l->judge = program_capture(tape, &in, 1, &right, 1, NULL);
    tape_reset(tape);
    return l->learn && l->judge;
}

static bool run(Program *program, size_t first, size_t count, Rng *rng) {
    static float pictures[PICTURES * PIXELS];
    draw_task(pictures, first, count, rng);
    return program_set_f32(program, 0, shape4(PICTURES, 1, SIDE, SIDE), pictures) &&
           program_run(program);
}

static double seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

/* For as many iterations, or where that is 0 for so long. Returns the processor time. */
static double learn(Learner *l, size_t iterations, double time) {
    Rng rng = rng_seed(2);
    Param *params[32];
    ParamList all = {params, 0}, of_net = module_params(l->net);
    for (size_t i = 0; i < of_net.count && all.count < 31; i++)
        params[all.count++] = of_net.items[i];
    if (l->adjust) params[all.count++] = l->adjust;
    Optim *outer = optim_adam(all, adam_options(0.001));
    double begun = seconds();
    while ((iterations ? l->iterations < iterations : seconds() - begun < time) &&
           !higherc_error()) {
        optim_zero_grad(outer);
        for (size_t task = 0; task < TASKS && run(l->learn, 0, TO_LEARN_FROM, &rng); task++) {
        }
        optim_step(outer);
        l->iterations++;
    }
    optim_destroy(outer);
    return seconds() - begun;
}

/* In percent, on characters not learned from; always the same. */
static double judge(const Learner *l, size_t tasks) {
    Rng rng = rng_seed(3);
    double sum = 0;
    for (size_t t = 0; t < tasks && run(l->judge, TO_LEARN_FROM, CHARACTERS - TO_LEARN_FROM, &rng);
         t++)
        sum += program_item(l->judge, 0);
    return 100 * sum / (double)tasks;
}

/* ---- what it shows ----------------------------------------------------------------------------- */

static void finish(Learner *l) {
    program_destroy(l->learn);
    program_destroy(l->judge);
    optim_destroy(l->inner);
    module_destroy(l->net);
    param_unref(l->adjust);
}

int main(int argc, char **argv) {
    size_t iterations = 1200, channels = 32, test_tasks = TEST_TASKS;
    const Flag flags[] = {{"--iterations", &iterations, 1, 1000000,
                           "of the closed form; MAML has the same time", NULL},
                          {"--channels", &channels, 1, 1024, "of each convolution", NULL},
                          {"--test-tasks", &test_tasks, 1, 100000, "of unseen characters", NULL}};
    int status = flags_read(argc, argv, flags, 3,
                            "ridge_head: adapt the last layer in closed form, beside MAML");
    if (status != FLAGS_RUN) return status;

    Tape *tape = tape_create(HC_F32);
    Rng one = rng_seed(1), other = rng_seed(1);
    Learner closed = {
        .name = "ridge regression", .net = make_net(channels, false, &one), .logits = ridge};
    Learner steps = {
        .name = "MAML, 5 steps", .net = make_net(channels, true, &other), .logits = maml};
    closed.adjust = param_create("adjust", shape1(ADJUSTMENTS), HC_F32);
    param_set_f32(closed.adjust, (const float[]){0, 2.3f, 0},
                  ADJUSTMENTS); /* lambda 1, logits times 10 */
    steps.inner = optim_sgd(module_params(steps.net), sgd_options(0.1));

    double before[2] = {0, 0}, after[2] = {0, 0}, time = 0;
    if (capture(&closed, tape) && capture(&steps, tape)) {
        before[0] = judge(&closed, test_tasks);
        before[1] = judge(&steps, test_tasks);
        time = learn(&closed, iterations, 0);
        learn(&steps, 0, time);
        after[0] = judge(&closed, test_tasks);
        after[1] = judge(&steps, test_tasks);
    }
    bool done = !higherc_error() && steps.iterations > 0;
    if (done) {
        printf(
            "%d-way, one picture of each; %zu tasks with characters never seen (guessing: %d %%).\n"
            "Both learned for %.1f seconds of processor time.\n\n"
            "                    before     after   iterations\n",
            WAYS, test_tasks, 100 / WAYS, time);
        printf("%-16s   %5.1f %%   %5.1f %%   %10zu\n", closed.name, before[0], after[0],
               closed.iterations);
        printf("%-16s   %5.1f %%   %5.1f %%   %10zu\n\n", steps.name, before[1], after[1],
               steps.iterations);
        printf("lambda was learned too: from 1 to %.2f. A task costs the closed form one forward "
               "and one backward,\n"
               "and a system with %d unknowns.\n",
               exp(param_get(closed.adjust, 0)), WAYS);
    }
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    finish(&closed);
    finish(&steps);
    tape_destroy(tape);
    return !done;
}
