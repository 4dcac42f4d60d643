/* Data hyper-cleaning: which of the training labels are wrong? (Franceschi et al. 2017, "Forward and reverse
 * gradient-based hyperparameter optimization", section 5.1.)
 *
 * Half of the training labels are wrong, and nothing says which. Each example gets a weight between 0 and 1.
 * An inner loop trains a classifier from the start with the weighted loss; the loss it then has on a few examples
 * with right labels is differentiated, through the inner steps, with respect to the weights.
 *
 * On points of clouds, or, as in the paper, on MNIST's digits (--data). The inner loop is an unroll: its steps are
 * stored, or as many of them as fit in the memory it is given (--memory). */
#include "idx.h"

#include <higherc/higherc.h>
#include <math.h>

#include "flags.h"

enum { MOST = 10000, REPORTS = 5, MIB = 1 << 20 };

/* Dirty examples, then clean ones, then those to test on. Of the dirty every other label is wrong. */
typedef struct Data {
    size_t dirty, clean, test, features;
    int64_t classes;
    float *x;
    int64_t *label;
} Data;

/* ---- the data ----------------------------------------------------------------------------------------- */

static bool room_for(Data *data) {
    size_t count = data->dirty + data->clean + data->test;
    data->x = malloc(count * data->features * sizeof *data->x);
    data->label = malloc(count * sizeof *data->label);
    if (!data->x || !data->label) fprintf(stderr, "hyper_cleaning: out of memory\n");
    return data->x && data->label;
}

/* Points of five clouds. A wrong label is the next cloud's. */
static bool draw(Data *data, Rng *rng) {
    enum { CLASSES = 5, FEATURES = 30 };
    *data = (Data){1000, 100, 1000, FEATURES, CLASSES, NULL, NULL};
    double centres[CLASSES * FEATURES];
    if (!room_for(data)) return false;
    for (size_t i = 0; i < CLASSES * FEATURES; i++)
        centres[i] = 0.4 * rng_normal(rng);
    for (size_t i = 0; i < data->dirty + data->clean + data->test; i++) {
        size_t cloud = (size_t)rng_below(rng, CLASSES);
        for (size_t j = 0; j < FEATURES; j++)
            data->x[i * FEATURES + j] = (float)(centres[cloud * FEATURES + j] + rng_normal(rng));
        bool wrong = i < data->dirty && i % 2 == 0;
        data->label[i] = (int64_t)((cloud + wrong) % CLASSES);
    }
    return true;
}

/* Digits, in an order drawn anew. A wrong label is any other, with equal chances. */
static bool take(Data *data, const Pictures *from, Rng *rng) {
    enum { CLASSES = 10 };
    size_t count = from->count < MOST ? from->count : MOST, features = from->height * from->width;
    *data = (Data){count * 4 / 10, count / 10, count / 2, features, CLASSES, NULL, NULL};
    size_t *order = malloc(from->count * sizeof *order);
    bool done = order && room_for(data);
    for (size_t i = 0; done && i < from->count; i++)
        order[i] = i;
    for (size_t i = 0; done && i < data->dirty + data->clean + data->test; i++) {
        size_t other = i + (size_t)rng_below(rng, from->count - i), p = order[other];
        order[other] = order[i];
        for (size_t j = 0; j < features; j++)
            data->x[i * features + j] = (float)from->images.items[p * features + j] / 255;
        bool wrong = i < data->dirty && i % 2 == 0;
        data->label[i] = from->labels.items[p];
        if (wrong) data->label[i] += 1 + (int64_t)rng_below(rng, CLASSES - 1);
        data->label[i] %= CLASSES;
    }
    free(order);
    return done;
}

static bool read_digits(Data *data, const char *folder, Rng *rng) {
    Pictures pictures;
    if (!pictures_find(&pictures, folder)) return false;
    bool done = pictures_are_digits(&pictures, folder, 100) && take(data, &pictures, rng);
    pictures_free(&pictures);
    return done;
}

/* ---- training ----------------------------------------------------------------------------------------- */

typedef struct Batch {
    Tensor *x, *label;
} Batch;

static Batch batch(Tape *tape, const Data *data, size_t from, size_t count) {
    return (Batch){
        tensor_borrow(tape, shape2(count, data->features), data->x + from * data->features),
        tensor_from_i64(tape, shape1(count), data->label + from)};
}

/* What all trainings have in common. */
typedef struct Setting {
    const Data *data;
    Module *net;
    Optim *inner;
    UnrollOptions loop;
} Setting;

/* One training, and what its steps read. */
typedef struct Training {
    FModule *fast;
    DiffOpt *opt;
    Batch batch;
    Tensor *weight; /* of each example */
} Training;

static bool train_step(UnrollStep *step, void *user) {
    const Training *t = user;
    Tensor *loss =
        tensor_cross_entropy_loss_per_example(fmodule_forward(t->fast, t->batch.x), t->batch.label);
    return diffopt_step(step->opts[0],
                        tensor_div(tensor_sum(tensor_mul(t->weight, loss)), tensor_sum(t->weight)));
}

/* From the net's weights, which stay. */
static void train(const Setting *s, Training *t, FMode mode) {
    FModuleOptions options = fmodule_options(true);
    options.mode = mode;
    t->fast = fmodule_create_with(tensor_tape(t->weight), s->net, options);
    t->opt = diffopt_create(s->inner, t->fast);
    unroll(&t->opt, 1, s->loop, train_step, t);
}

/* The loss on the clean examples after a training on the dirty ones. */
static Tensor *clean_loss(const Setting *s, Training *t, Tape *tape, Param *scores) {
    const Data *data = s->data;
    t->batch = batch(tape, data, 0, data->dirty);
    t->weight = tensor_sigmoid(param_tensor(tape, scores));
    train(s, t, HC_FULL);
    Batch clean = batch(tape, data, data->dirty, data->clean);
    return tensor_cross_entropy_loss(fmodule_forward(t->fast, clean.x), clean.label);
}

/* On the examples to test on, in percent. */
static double accuracy(const Setting *s, FModule *fast) {
    const Data *data = s->data;
    Batch test = batch(fmodule_tape(fast), data, data->dirty + data->clean, data->test);
    Tensor *guess = tensor_argmax_axis(fmodule_forward(fast, test.x), 1, false);
    return 100 * tensor_item(tensor_mean(tensor_eq(guess, test.label)));
}

/* The accuracy after a training on all examples, the dirty and the clean, with a weight for each. */
static double judge(const Setting *s, Tape *tape, const float *weight) {
    size_t count = s->data->dirty + s->data->clean;
    tape_reset(tape);
    Training t = {.batch = batch(tape, s->data, 0, count)};
    t.weight = tensor_from_f32(tape, shape1(count), weight);
    train(s, &t, HC_EVAL);
    return accuracy(s, t.fast);
}

/* ---- memory ------------------------------------------------------------------------------------------- */

/* What a tape takes for a gradient through so many steps, all of them stored. */
static double stored_mib(Setting s, Param *scores, size_t steps) {
    Tape *tape = tape_create(HC_F32);
    Training t;
    s.loop = unroll_options(steps);
    s.loop.keep = HC_KEEP_ALL;
    tensor_backward(clean_loss(&s, &t, tape, scores));
    double mib = (double)tape_stats(tape).peak_bytes / MIB;
    tape_destroy(tape);
    return mib;
}

static void tell_memory(const Setting *s, Param *scores, UnrollReport report, double mib) {
    printf("A gradient through %zu training steps took %.1f MiB", s->loop.steps, mib);
    if (s->loop.keep == HC_KEEP_ALL) {
        printf(", all of them stored.\n");
        return;
    }
    double few = stored_mib(*s, scores, 4), more = stored_mib(*s, scores, 8);
    printf(": %zu checkpoints, and %zu steps recorded at a time.\nAll steps stored would have "
           "taken %.0f MiB.\n",
           report.checkpoints, report.segment,
           more + (more - few) / 4 * ((double)s->loop.steps - 8));
}

/* ---- the experiment ----------------------------------------------------------------------------------- */

static void tell_weights(const Setting *s, const Param *scores) {
    size_t kept[2] = {0, 0}, n = s->data->dirty;
    for (size_t i = 0; i < n; i++)
        kept[i % 2] += param_get(scores, i) > 0;
    printf("\nWeights above 1/2: %zu of the %zu right labels, %zu of the %zu wrong ones.\n",
           kept[1], n / 2, kept[0], n - n / 2);
}

static void learn(const Setting *s, Param *scores, size_t steps) {
    Tape *tape = tape_create(HC_F32);
    Optim *outer = optim_adam((ParamList){&scores, 1}, adam_options(0.1));
    UnrollReport report = {.steps = 0};
    size_t every = steps / REPORTS > 0 ? steps / REPORTS : 1;
    printf("outer step   loss on clean examples   test accuracy\n");
    for (size_t it = 0; it <= steps && !higherc_error(); it++) {
        Training t;
        tape_reset(tape);
        Tensor *loss = clean_loss(s, &t, tape, scores);
        if (!loss) break;
        if (it % every == 0 || it == steps)
            printf("%10zu   %22.3f   %11.1f %%\n", it, tensor_item(loss), accuracy(s, t.fast));
        fflush(stdout);
        if (it == steps) break;
        optim_zero_grad(outer);
        tensor_backward(loss);
        optim_step(outer);
        report = unroll_report(t.opt);
    }
    if (!higherc_error()) {
        tell_weights(s, scores);
        tell_memory(s, scores, report, (double)tape_stats(tape).peak_bytes / MIB);
    }
    optim_destroy(outer);
    tape_destroy(tape);
}

/* Whether the learned weights did better than none. */
static bool compare(const Setting *s, const Param *scores) {
    enum { ALIKE, CLEAN, LEARNED, CHOSEN, RIGHT, WAYS };
    static const char *const names[WAYS] = {
        "all alike", "the clean ones alone", "all, with the learned weights",
        "those with weights above 1/2", "those with right labels, if one knew them"};
    size_t dirty = s->data->dirty, count = dirty + s->data->clean;
    Tape *tape = tape_create(HC_F32);
    float *weight = malloc(count * sizeof *weight);
    double result[WAYS] = {0};
    printf("\nAccuracy on %zu test examples, trained on %zu dirty and %zu clean ones:\n",
           s->data->test, dirty, s->data->clean);
    for (int way = 0; way < WAYS && weight; way++) {
        for (size_t i = 0; i < count; i++) {
            double score = i < dirty ? param_get(scores, i) : HUGE_VAL;
            const double weights[WAYS] = {1, i >= dirty, 1 / (1 + exp(-score)), score > 0,
                                          i >= dirty || i % 2 == 1};
            weight[i] = (float)weights[way];
        }
        result[way] = judge(s, tape, weight);
        printf("  %-42s %6.2f %%\n", names[way], result[way]);
    }
    free(weight);
    tape_destroy(tape);
    return result[LEARNED] > result[ALIKE];
}

static bool experiment(const Data *data, UnrollOptions loop, size_t steps, Rng *rng) {
    Setting s = {.data = data, .loop = loop};
    s.net = module_linear(data->features, (size_t)data->classes);
    module_init(s.net, rng);
    SgdOptions momentum = sgd_options(0.1);
    momentum.momentum = 0.9;
    s.inner = optim_sgd(module_params(s.net), momentum);
    Param *scores = param_create("scores", shape1(data->dirty), HC_F32);
    param_fill(scores, 0); /* a weight is the sigmoid of its score: at first 1/2 */
    learn(&s, scores, steps);
    bool good = !higherc_error() && compare(&s, scores);
    if (good)
        printf(
            "\nThe gradient through %zu training steps found out, example by example, which labels "
            "to trust.\n",
            loop.steps);
    optim_destroy(s.inner);
    param_unref(scores);
    module_destroy(s.net);
    return good;
}

int main(int argc, char **argv) {
    size_t steps = 40, training = 0, memory = 0, seed = 1;
    const char *folder = NULL;
    const Flag flags[] = {
        {"--data", NULL, 0, 0, "folder with MNIST's digits, in place of clouds", &folder},
        {"--steps", &steps, 0, 100000, "outer steps", NULL},
        {"--training", &training, 0, 100000, "inner steps; 0: 15, of digits 100", NULL},
        {"--memory", &memory, 0, 1 << 20, "MiB for the inner steps; 0: all are stored", NULL},
        {"--seed", &seed, 0, SIZE_MAX, "of all random numbers", NULL}};
    int status = flags_read(argc, argv, flags, sizeof flags / sizeof *flags,
                            "hyper_cleaning: find the labels that are wrong");
    if (status != FLAGS_RUN) return status;

    if (!training) training = folder ? 100 : 15;
    Rng rng = rng_seed(seed);
    Data data = {.x = NULL};
    UnrollOptions loop = unroll_options(training);
    loop.keep = memory ? HC_KEEP_FIT : HC_KEEP_ALL;
    loop.max_bytes = memory > SIZE_MAX / MIB ? SIZE_MAX : memory * MIB;
    bool good = (folder ? read_digits(&data, folder, &rng) : draw(&data, &rng)) &&
                experiment(&data, loop, steps, &rng);
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    free(data.x);
    free(data.label);
    return higherc_error() != NULL || !good;
}
