/* Data hyper-cleaning: which of the training labels are wrong? (Franceschi et al. 2017, "Forward and reverse
 * gradient-based hyperparameter optimization", section 5.1.)
 *
 * Half of the training labels are wrong (a class is taken for the next one), and nothing says which. Each
 * example gets a weight between 0 and 1. An inner loop trains a classifier from the start with the weighted
 * loss; the loss it then has on a few examples with right labels is differentiated, through the inner steps,
 * with respect to the weights. */
#include <higherc/higherc.h>

#include "flags.h"

enum { CLASSES = 5, FEATURES = 30, TRAIN = 1000, CLEAN = 100, TEST = 1000, INNER_STEPS = 15 };

/* Points of CLASSES clouds, with the number of each one's cloud. */
typedef struct Points {
    double *x;
    int64_t *label;
    size_t count;
} Points;

static void draw(const double *centres, Points *points, Rng *rng) {
    for (size_t i = 0; i < points->count; i++) {
        points->label[i] = (int64_t)rng_below(rng, CLASSES);
        for (size_t j = 0; j < FEATURES; j++)
            points->x[i * FEATURES + j] =
                centres[(size_t)points->label[i] * FEATURES + j] + rng_normal(rng);
    }
}

typedef struct Batch {
    Tensor *x, *label;
} Batch;

static Batch batch(Tape *tape, const Points *points) {
    return (Batch){tensor_from_f64(tape, shape2(points->count, FEATURES), points->x),
                   tensor_from_i64(tape, shape1(points->count), points->label)};
}

/* A classifier trained from the net's weights on weighted examples. */
static FModule *train(Module *net, const Optim *inner, Batch data, Tensor *weight) {
    FModule *fast = fmodule_create(tensor_tape(weight), net, true);
    DiffOpt *opt = diffopt_create(inner, fast);
    for (int k = 0; k < INNER_STEPS; k++) {
        Tensor *loss =
            tensor_cross_entropy_loss_per_example(fmodule_forward(fast, data.x), data.label);
        diffopt_step(opt, tensor_div(tensor_sum(tensor_mul(weight, loss)), tensor_sum(weight)));
    }
    return fast;
}

/* In percent. */
static double accuracy(FModule *fast, Batch data) {
    Tensor *guess = tensor_argmax_axis(fmodule_forward(fast, data.x), 1, false);
    return 100 * tensor_item(tensor_mean(tensor_eq(guess, data.label)));
}

int main(int argc, char **argv) {
    size_t steps = 40, seed = 1;
    const Flag flags[] = {{"--steps", &steps, 1, 100000, "outer steps", NULL},
                          {"--seed", &seed, 0, SIZE_MAX, "of all random numbers", NULL}};
    int status = flags_read(argc, argv, flags, 2, "hyper_cleaning: find the labels that are wrong");
    if (status != FLAGS_RUN) return status;

    static double train_x[TRAIN * FEATURES], clean_x[CLEAN * FEATURES], test_x[TEST * FEATURES];
    static int64_t train_label[TRAIN], clean_label[CLEAN], test_label[TEST];
    double centres[CLASSES * FEATURES], right[TRAIN];
    Points dirty = {train_x, train_label, TRAIN}, clean = {clean_x, clean_label, CLEAN},
           unseen = {test_x, test_label, TEST};
    Rng rng = rng_seed(seed);
    for (size_t i = 0; i < CLASSES * FEATURES; i++)
        centres[i] = 0.4 * rng_normal(&rng);
    draw(centres, &dirty, &rng);
    draw(centres, &clean, &rng);
    draw(centres, &unseen, &rng);
    for (size_t i = 0; i < TRAIN;
         i++) { /* every other example is taken for one of the next class */
        right[i] = (double)(i % 2);
        if (i % 2 == 0) train_label[i] = (train_label[i] + 1) % CLASSES;
    }

    Tape *tape = tape_create(HC_F64);

    Module *net = module_linear(FEATURES, CLASSES);
    module_to(net, HC_F64);
    module_init(net, &rng);
    SgdOptions momentum = sgd_options(0.1);
    momentum.momentum = 0.9;
    Optim *inner = optim_sgd(module_params(net), momentum);
    Param *scores = param_create("scores", shape1(TRAIN), HC_F64);
    param_fill(scores, 0); /* a weight is the sigmoid of its score: at first 1/2 */
    Optim *outer = optim_adam((ParamList){&scores, 1}, adam_options(0.1));

    Batch data = batch(tape, &dirty), trusted = batch(tape, &clean), test = batch(tape, &unseen);
    TapeMark mark = tape_mark(tape);
    double all = accuracy(train(net, inner, data, tensor_ones(tape, shape1(TRAIN))), test);
    double only = accuracy(train(net, inner, trusted, tensor_ones(tape, shape1(CLEAN))), test);
    Tensor *known = tensor_from_f64(tape, shape1(TRAIN), right);
    double oracle = accuracy(train(net, inner, data, known), test);

    double learned = 0;
    size_t every = steps / 5 > 0 ? steps / 5 : 1;
    printf("outer step   loss on clean examples   test accuracy\n");
    for (size_t it = 0; it <= steps && !higherc_error(); it++) {
        tape_release(tape, mark); /* the data stay */
        Tensor *weight = tensor_sigmoid(param_tensor(tape, scores));
        FModule *fast = train(net, inner, data, weight);
        Tensor *loss = tensor_cross_entropy_loss(fmodule_forward(fast, trusted.x), trusted.label);
        if (it % every == 0 || it == steps) {
            learned = accuracy(fast, test);
            printf("%10zu   %22.3f   %11.1f %%\n", it, tensor_item(loss), learned);
        }
        if (it == steps) break;
        optim_zero_grad(outer);
        tensor_backward(loss);
        optim_step(outer);
    }

    size_t kept_right = 0, kept_wrong = 0;
    for (size_t i = 0; i < TRAIN; i++)
        if (param_get(scores, i) > 0) *(i % 2 ? &kept_right : &kept_wrong) += 1;
    printf("\nWeights above 1/2: %zu of the %d right labels, %zu of the %d wrong ones.\n\n",
           kept_right, TRAIN / 2, kept_wrong, TRAIN / 2);
    printf("Accuracy on %d test examples, trained on\n", TEST);
    printf("  all examples alike                     %5.1f %%\n", all);
    printf("  the %d clean examples alone            %5.1f %%\n", CLEAN, only);
    printf("  all examples, with learned weights     %5.1f %%\n", learned);
    printf("  the right ones alone, if one knew them %5.1f %%\n", oracle);
    printf("\nThe gradient through %d training steps found out, example by example, which labels "
           "to trust.\n",
           INNER_STEPS);

    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    bool failed = higherc_error() != NULL || !(learned > all);
    optim_destroy(outer);
    optim_destroy(inner);
    param_unref(scores);
    module_destroy(net);
    tape_destroy(tape);
    return failed;
}
