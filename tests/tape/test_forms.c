/* Loops over ever new shapes hold no more and more memory, however they free: by a reset, a release, a step that
 * releases, or on the tape of a task. What is alive keeps its shape and order of storage. */
#include <higherc/higherc.h>

#include "support/check.h"

enum { FEW = 20000, MANY = 200000, MOST_HELD = 4 << 20 };

/* Two forms that no one had before: a dense one and a view. */
static void new_shapes(Tape *tape, size_t i) {
    if (!tensor_transpose(tensor_ones(tape, shape3(0, 3, i + 5)), 1, 2)) CHECK(false);
}

typedef enum Way { BY_RELEASE, BY_RESET } Way;

/* After FEW shapes it holds what it will hold after MANY. */
static void flat(Tape *tape, Way way) {
    TapeMark mark = tape_mark(tape);
    size_t held = 0;
    for (size_t i = 0; i < MANY; i++) {
        new_shapes(tape, i);
        if (way == BY_RESET)
            tape_reset(tape);
        else if (!tape_release(tape, mark))
            CHECK(false);
        if (i == FEW) held = tape_stats(tape).reserved_bytes;
    }
    CHECK(tape_stats(tape).reserved_bytes == held);
    CHECK(held < MOST_HELD);
}

/* Trimmed, an empty tape holds what it held when it was new. */
static void trimmed(void) {
    Tape *tape = tape_create(HC_F32);
    tape_trim(tape);
    size_t empty = tape_stats(tape).reserved_bytes;
    for (size_t i = 0; i < FEW; i++)
        new_shapes(tape, i); /* all alive at once */
    CHECK(tape_stats(tape).reserved_bytes > MOST_HELD);
    tape_reset(tape);
    tape_trim(tape);
    tape_trim(tape);
    CHECK(tape_stats(tape).reserved_bytes < empty + MOST_HELD / 64);
    tape_destroy(tape);
}

static bool task(Task *task, void *user) {
    Tensor *below = tensor_ones(task->tape, shape2(2, 3));
    (void)user;
    flat(task->tape, BY_RELEASE);
    return tensor_item(tensor_sum(below)) == 6;
}

static void on_a_worker(void) {
    Pool *pool = pool_create(2);
    Module *net = module_linear(1, 1);
    Rng rng = rng_seed(1);
    module_init(net, &rng);
    Tasks *tasks = tasks_create(pool, module_params(net), HC_F32);
    CHECK(tasks_run(tasks, 2, &rng, task, NULL));
    tasks_destroy(tasks);
    module_destroy(net);
    pool_destroy(pool);
}

/* Whether y is d/da (a' @ b, expanded and summed by rows), computed from what was made below the releases. */
static double gradient(Tensor *a, Tensor *y) {
    Tensor *g = NULL;
    CHECK(tensor_grad(tensor_sum(tensor_square(y)), &a, 1, &g, 0));
    return tensor_item(tensor_sum(g));
}

static void alive(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *a = tensor_leaf(tensor_arange(tape, 0, 6, 1));
    Tensor *matrix = tensor_reshape(a, shape2(2, 3)), *view = tensor_transpose(matrix, 0, 1);
    Tensor *slice = tensor_slice(view, 0, 1, 3, 1), *wide = tensor_expand(slice, shape3(4, 2, 2));
    Tensor *b = tensor_full(tape, shape2(2, 5), 0.5), *read = tensor_transpose(b, 0, 1);
    Tensor *y = tensor_matmul(wide, b);
    CHECK(tensor_data(read) != NULL); /* dense from here on, until a release below */
    double before = gradient(a, y);
    flat(tape, BY_RELEASE);
    CHECK(gradient(a, y) == before);
    CHECK(shape_equal(tensor_shape(view), shape2(3, 2)) && tensor_count(wide) == 16);
    CHECK(((const double *)tensor_data(slice))[1] == 4);
    /* Shapes met again are those that are there, and products of them are right though numbers were given anew. */
    CHECK(tensor_add(matrix, tensor_ones(tape, shape2(2, 3))) != NULL);
    CHECK(shape_equal(tensor_shape(tensor_matmul(slice, b)), shape2(2, 5)));
    CHECK(shape_equal(tensor_shape(tensor_matmul(read, slice)), shape2(5, 2)));
    CHECK(shape_equal(tensor_shape(tensor_sum_axes(wide, (int[]){1}, 1, true)), shape3(4, 1, 2)));
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
}

/* A tape whose shapes are all in use drops none; those of a view made dense come back with the view. */
static void densed(void) {
    Tape *tape = tape_create(HC_F32);
    Tensor *view = tensor_transpose(tensor_ones(tape, shape2(3, 7)), 0, 1);
    TapeMark below = tape_mark(tape);
    CHECK(tensor_data(view) != NULL);
    TapeMark mark = tape_mark(tape);
    for (size_t i = 0; i < FEW; i++) {
        new_shapes(tape, i);
        if (!tape_release(tape, mark)) CHECK(false);
    }
    CHECK(tape_release(tape, below));
    CHECK(tensor_item(tensor_sum(tensor_matmul(view, tensor_ones(tape, shape2(3, 1))))) == 21);
    tape_destroy(tape);
}

/* A step that releases while its gradients stand apart. */
static void first_order(void) {
    Rng rng = rng_seed(1);
    Module *net = module_linear(1, 1);
    module_init(net, &rng);
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
    Tape *tape = tape_create(HC_F32);
    FModuleOptions options = fmodule_options(true);
    options.mode = HC_FIRST_ORDER;
    FModule *fast = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(sgd, fast);
    Tensor *x = tensor_ones(tape, shape2(1, 1));
    size_t early = 0;
    enum { STEPS = 400, EACH = 100 };
    for (size_t k = 0; k < STEPS; k++) {
        for (size_t i = 0; i < EACH; i++)
            new_shapes(tape, k * EACH + i);
        if (!diffopt_step_release(opt, tensor_sum(fmodule_forward(fast, x)))) CHECK(false);
        if (k == STEPS / 2) early = tape_stats(tape).reserved_bytes;
    }
    size_t forms = (size_t)STEPS / 2 * EACH * 2 * 150; /* were each to stay */
    CHECK(tape_stats(tape).reserved_bytes - early < forms / 2);
    tape_destroy(tape);
    optim_destroy(sgd);
    module_destroy(net);
}

int main(void) {
    Tape *tape = tape_create(HC_F32);
    CHECK(tensor_ones(tape, shape1(1)) != NULL);
    flat(tape, BY_RELEASE);
    flat(tape, BY_RESET);
    tape_destroy(tape);
    trimmed();
    on_a_worker();
    alive();
    densed();
    first_order();
    return check_done();
}
