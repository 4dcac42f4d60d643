/* Fifteen points in place of 450. The inner loop starts from random weights that it never saw before, another net at
 * each outer step, so that the points must suit all; with them one learning rate is learned. */
#include "distill.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 3, POINTS = 5 * CLASSES, DATA = 450, INNER_STEPS = 20 };
enum { ROWS = 21, COLUMNS = 61 };

/* Arms of a spiral, one for each class, inside the square from -1 to 1. */
static void draw(double *x, int64_t *label, size_t count, Rng *rng) {
    for (size_t i = 0; i < count; i++) {
        label[i] = (int64_t)(i % CLASSES);
        double along = rng_uniform(rng), radius = 0.15 + 0.8 * along;
        double angle =
            6.2832 * ((double)label[i] / CLASSES + 0.45 * along) + 0.15 * rng_normal(rng);
        x[2 * i] = radius * cos(angle);
        x[2 * i + 1] = radius * sin(angle);
    }
}

static void mark_point(char picture[ROWS][COLUMNS + 1], double x, double y, char sign) {
    int column = (int)(0.5 * (x + 1.2) / 1.2 * (COLUMNS - 1) + 0.5);
    int row = (int)(0.5 * (1.2 - y) / 1.2 * (ROWS - 1) + 0.5);
    if (column >= 0 && column < COLUMNS && row >= 0 && row < ROWS) picture[row][column] = sign;
}

/* The data as small letters, the learned points as large ones. */
static void show(const double *x, const int64_t *label, const Param *points) {
    char picture[ROWS][COLUMNS + 1];
    for (int row = 0; row < ROWS; row++) {
        memset(picture[row], ' ', COLUMNS);
        picture[row][COLUMNS] = '\0';
    }
    for (size_t i = 0; i < DATA; i++)
        mark_point(picture, x[2 * i], x[2 * i + 1], (char)('a' + (char)label[i]));
    for (size_t i = 0; i < POINTS; i++)
        mark_point(picture, param_get(points, 2 * i), param_get(points, 2 * i + 1),
                   (char)('A' + (char)(i % CLASSES)));
    for (int row = 0; row < ROWS; row++)
        printf("  %s\n", picture[row]);
}

typedef struct Batch {
    Tensor *x, *label;
} Batch;

static Batch batch(Tape *tape, const double *x, const int64_t *label, size_t count) {
    return (Batch){tensor_from_f64(tape, shape2(count, 2), x),
                   tensor_from_i64(tape, shape1(count), label)};
}

/* The net, from the weights it has now, after some steps on a batch. */
static FModule *train(Module *net, const Optim *inner, Batch data, FMode mode) {
    FModuleOptions options = fmodule_options(true);
    options.mode = mode;
    FModule *fast = fmodule_create_with(tensor_tape(data.x), net, options);
    DiffOpt *opt = diffopt_create(inner, fast);
    for (int k = 0; k < INNER_STEPS; k++)
        diffopt_step(opt, tensor_cross_entropy_loss(fmodule_forward(fast, data.x), data.label));
    return fast;
}

/* Mean accuracy, in percent, of fresh nets trained on `on`, judged on `by`; always the same nets. */
static double judge(Module *net, const Optim *inner, Batch on, Batch by, size_t nets) {
    Rng rng = rng_seed(1000);
    double total = 0;
    for (size_t i = 0; i < nets; i++) {
        module_init(net, &rng);
        FModule *fast = train(net, inner, on, HC_EVAL);
        Tensor *guess = tensor_argmax_axis(fmodule_forward(fast, by.x), 1, false);
        total += tensor_item(tensor_mean(tensor_eq(guess, by.label)));
    }
    return 100 * total / (double)nets;
}

bool distill_points(const Wanted *wanted) {
    size_t steps = wanted->steps ? wanted->steps : 1000, nets = wanted->nets;
    Rng rng = rng_seed(wanted->seed);
    double train_x[2 * DATA], test_x[2 * DATA];
    int64_t train_label[DATA], test_label[DATA];
    draw(train_x, train_label, DATA, &rng);
    draw(test_x, test_label, DATA, &rng);

    Tape *tape = tape_create(HC_F64);
    Module *layers[] = {module_linear(2, 32), module_tanh(), module_linear(32, 32), module_tanh(),
                        module_linear(32, CLASSES)};
    Module *net = module_sequential(layers, 5);
    module_to(net, HC_F64);
    module_init(net, &rng);
    SgdOptions momentum = sgd_options(0.1);
    momentum.momentum = 0.9;
    Optim *inner = optim_sgd(module_params(net), momentum);
    Optim *plain = optim_sgd(module_params(net), momentum);
    Param *points = param_create("points", shape2(POINTS, 2), HC_F64);
    param_set_f64(points, train_x, 2 * POINTS); /* where real ones are, with their labels */
    optim_learn(inner, "lr", HC_ALL_GROUPS, HC_LEARN_GROUP);
    Optim *outer = optim_adam((ParamList){&points, 1}, adam_options(0.01));
    optim_add_group(outer, optim_learned(inner));
    Schedule fade = schedule_cosine(steps, hyper_const(0.05));
    optim_schedule(outer, "lr", HC_ALL_GROUPS, &fade);

    Batch all = batch(tape, train_x, train_label, DATA);
    Batch test = batch(tape, test_x, test_label, DATA);
    TapeMark mark = tape_mark(tape);
    Batch few = batch(tape, train_x, train_label, POINTS);
    double real = judge(net, plain, few, test, nets);
    double best_all = 0, best_lr = 0; /* all the data get their best learning rate */
    for (double lr = 0.05; lr < 4; lr *= 2) {
        optim_set(plain, "lr", HC_ALL_GROUPS, lr);
        double now = judge(net, plain, all, test, nets);
        if (now > best_all) best_lr = lr;
        if (now > best_all) best_all = now;
    }

    size_t every = steps / 5 > 0 ? steps / 5 : 1;
    double mean = 0;
    printf("outer step   loss on all data of a fresh net, trained on %d points\n", POINTS);
    for (size_t it = 1; it <= steps && !higherc_error(); it++) {
        tape_release(tape, mark);
        module_init(net, &rng); /* another net each time: the points must suit all */
        few.x = param_tensor(tape, points);
        few.label = tensor_from_i64(tape, shape1(POINTS), train_label);
        FModule *fast = train(net, inner, few, HC_FULL);
        Tensor *loss = tensor_cross_entropy_loss(fmodule_forward(fast, all.x), all.label);
        optim_zero_grad(outer);
        tensor_backward(loss);
        optim_clip_grad_norm(outer, 1);
        optim_step(outer);
        mean += tensor_item(loss) / (double)every;
        if (it % every != 0) continue;
        printf("%10zu   %.3f\n", it, mean);
        mean = 0;
    }

    tape_release(tape, mark);
    few.x = param_tensor(tape, points);
    few.label = tensor_from_i64(tape, shape1(POINTS), train_label);
    double learned = judge(net, inner, few, test, nets);
    printf("\nThe data (a, b, c) and the learned points (A, B, C):\n");
    show(train_x, train_label, points);
    printf("\nTest accuracy of %zu fresh nets after %d steps of SGD on\n", nets, INNER_STEPS);
    printf("  %d real points                 %5.1f %%\n", POINTS, real);
    printf("  %d learned points              %5.1f %%   (learned lr: %.2f)\n", POINTS, learned,
           optim_get(inner, "lr", 0));
    printf("  all %d points of the data     %5.1f %%   (best lr of many: %.1f)\n", DATA, best_all,
           best_lr);

    optim_destroy(outer);
    optim_destroy(plain);
    optim_destroy(inner);
    param_unref(points);
    module_destroy(net);
    tape_destroy(tape);
    return learned > real;
}
