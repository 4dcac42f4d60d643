/* Batch norm with weights and statistics for each inner step: which row is read and moved at which step, on base and on
 * fast weights; gradients; names. That an unrolled loop does the same is in meta_unroll. */
#include <math.h>
#include <string.h>

#include "support/models.h"
#include "support/refuse.h"

enum { C = 2, STEPS = 3 };

static Tape *tape;
static Rng rng;

static Module *made(bool cumulative) {
    BatchNormOptions o = batch_norm_options();
    CHECK(o.steps == 0);
    o.steps = STEPS;
    o.cumulative = cumulative;
    Module *children[] = {module_linear(3, C), module_batch_norm1d(C, o)};
    Module *m = module_sequential(children, 2);
    CHECK(m && module_to(m, HC_F64) && module_init(m, &rng));
    return m;
}

static double at(Module *m, const char *name, size_t row, size_t channel) {
    return param_get(module_buffer(m, name), row * C + channel);
}

static void shapes(void) {
    Module *m = made(false);
    CHECK(module_names_are(m, "0.weight 0.bias 1.weight 1.bias "));
    CHECK(shape_equal(param_shape(module_param(m, "1.weight")), shape2(STEPS, C)));
    CHECK(shape_equal(param_shape(module_buffer(m, "1.running_var")), shape2(STEPS, C)));
    CHECK(shape_equal(param_shape(module_buffer(m, "1.num_batches_tracked")), shape1(STEPS)));
    CHECK(param_get(module_param(m, "1.weight"), 5) == 1 && at(m, "1.running_var", 2, 1) == 1);
    module_destroy(m);
}

/* On base weights row 0 moves, as an ordinary batch norm does, and no other. */
static void base(void) {
    Module *m = made(false), *plain = module_batch_norm1d(C, batch_norm_options());
    CHECK(module_to(plain, HC_F64) && module_init(plain, &rng));
    Tensor *x = tensor_normal(tape, shape2(5, 3), 1, 2, &rng), *h = module_forward(module_find(m, "0"), x);
    for (int k = 0; k < 2; k++)
        CHECK(tensors_same(module_forward(m, x), module_forward(plain, h)));
    for (size_t c = 0; c < C; c++) {
        CHECK(at(m, "1.running_mean", 0, c) == param_get(module_buffer(plain, "running_mean"), c));
        CHECK(at(m, "1.running_mean", 0, c) != 0 && at(m, "1.running_mean", 1, c) == 0);
        CHECK(at(m, "1.running_var", 0, c) == param_get(module_buffer(plain, "running_var"), c));
        CHECK(at(m, "1.running_var", 2, c) == 1);
    }
    CHECK(param_get(module_buffer(m, "1.num_batches_tracked"), 0) == 2 &&
          param_get(module_buffer(m, "1.num_batches_tracked"), 1) == 0);
    module_train(m, false);
    module_train(plain, false);
    CHECK(tensors_same(module_forward(m, x), module_forward(plain, h)) && module_forwards_agree(m, &x, 1));
    module_destroy(plain);
    module_destroy(m);
}

/* Row t at step t, the last one from there on: by the gradients, and by the counts. */
static void rows(void) {
    Module *m = made(true);
    Optim *optim = optim_sgd(module_params(m), sgd_options(0.1));
    Tensor *x = tensor_normal(tape, shape2(5, 3), 0, 1, &rng);
    FModule *f = fmodule_create(tape, m, false);
    DiffOpt *opt = diffopt_create(optim, f);
    for (size_t t = 0; t < STEPS + 2; t++) {
        Tensor *w = fmodule_param(f, "1.weight"), *g = NULL, *y = fmodule_forward(f, x);
        Tensor *loss = tensor_sum(tensor_sin(y));
        size_t row = t < STEPS ? t : STEPS - 1;
        double got[STEPS * C];
        CHECK(tensor_grad(loss, &w, 1, &g, 0) && tensor_copy_to_f64(g, got, STEPS * C));
        for (size_t i = 0; i < STEPS * C; i++)
            CHECK((got[i] != 0) == (i / C == row));
        CHECK(diffopt_step(opt, loss));
    }
    double count[STEPS];
    CHECK(tensor_copy_to_f64(fmodule_buffer(f, "1.num_batches_tracked"), count, STEPS));
    CHECK(count[0] == 1 && count[1] == 1 && count[2] == 3);
    CHECK(at(m, "1.running_mean", 0, 0) == 0); /* the module's own are as they were */
    /* meta-gradients reach the rows that a step read, and of biases too */
    CHECK(tensor_backward(tensor_sum(tensor_square(fmodule_forward(f, x)))));
    for (size_t i = 0; i < STEPS * C; i++)
        CHECK(param_grad_get(module_param(m, "1.bias"), i) != 0);
    optim_destroy(optim);
    module_destroy(m);
}

int main(void) {
    tape = tape_create(HC_F64);
    rng = rng_seed(6);
    shapes();
    base();
    rows();
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
    CHECK(higherc_error() == NULL);
    return check_done();
}
