/* Memory: allocation failing at each call in turn, a steady loop without allocations, flat release
 * steps, and the same bits in every mode. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"
#include "support/failing.h"

enum { N = 6 };

static const double xs[N] = {-2, -1, -0.3, 0.4, 1.2, 2}, ys[N] = {1, 0.3, -0.2, 0.4, -0.9, 0.5};

static Module *make_net(DType dtype) {
    Rng rng = rng_seed(5);
    Module *layers[] = {module_linear(1, 8), module_tanh(), module_linear(8, 1)};
    Module *net = module_sequential(layers, 3);
    module_to(net, dtype);
    module_init(net, &rng);
    return net;
}

static Optim *make_inner(Module *net, bool adam) {
    AdamOptions a = adam_options(0.05);
    SgdOptions s = sgd_options(0.05);
    s.momentum = 0.9;
    s.weight_decay = 0.01;
    a.amsgrad = true;
    return adam ? optim_adam(module_params(net), a) : optim_sgd(module_params(net), s);
}

static Tensor *loss_of(FModule *f, Tensor *x, Tensor *y) {
    return tensor_mse_loss(fmodule_forward(f, x), y);
}

/* A whole meta-iteration; true when nothing failed. */
static bool scenario(void) {
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = 4096;
    Tape *tape = tape_create_with(options);
    Module *net = make_net(HC_F64);
    Optim *inner = make_inner(net, true), *outer = make_inner(net, false);
    Tensor *x = tensor_from_f64(tape, shape2(N, 1), xs),
           *y = tensor_from_f64(tape, shape2(N, 1), ys);
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, f);
    for (int k = 0; k < 2; k++)
        diffopt_step(opt, loss_of(f, x, y));
    bool backed = tensor_backward(loss_of(f, x, y)), stepped = backed && optim_step(outer);
    Module *copy = module_clone(net);
    bool committed = stepped && copy && fmodule_commit(f, copy) && diffopt_commit(opt, inner);
    CHECK(committed == (higherc_error() == NULL));
    tape_destroy(tape);
    module_destroy(copy);
    module_destroy(net);
    optim_destroy(outer);
    optim_destroy(inner);
    return committed;
}

static void steady_loop(void) {
    Tape *tape = tape_create(HC_F32);
    Module *net = make_net(HC_F32);
    Optim *inner = make_inner(net, true),
          *outer = optim_adam(module_params(net), adam_options(0.01));
    size_t mallocs = 0;
    for (int it = 0; it < 40; it++) {
        optim_zero_grad(outer);
        tape_reset(tape);
        Tensor *x = tensor_from_f64(tape, shape2(N, 1), xs);
        Tensor *y = tensor_from_f64(tape, shape2(N, 1), ys);
        FModule *f = fmodule_create(tape, net, false);
        DiffOpt *opt = diffopt_create(inner, f);
        for (int k = 0; k < 3; k++)
            diffopt_step(opt, loss_of(f, x, y));
        CHECK(tensor_backward(loss_of(f, x, y)));
        CHECK(optim_step(outer));
        if (it == 10) mallocs = tape_stats(tape).mallocs;
    }
    CHECK(tape_stats(tape).mallocs == mallocs);
    tape_destroy(tape);
    module_destroy(net);
    optim_destroy(inner);
    optim_destroy(outer);
}

/* The weights after `steps` steps in a mode, released or not. */
static void run_mode(Module *net, Optim *inner, FMode mode, bool release, int steps, double *out,
                     TapeStats *middle, TapeStats *end) {
    Tape *tape = tape_create(module_dtype(net));
    Tensor *x = tensor_from_f64(tape, shape2(N, 1), xs),
           *y = tensor_from_f64(tape, shape2(N, 1), ys);
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    FModule *f = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(inner, f);
    for (int k = 0; k < steps; k++) {
        Tensor *loss = loss_of(f, x, y);
        CHECK(release ? diffopt_step_release(opt, loss) : diffopt_step(opt, loss));
        if (k == steps / 2 && middle) *middle = tape_stats(tape);
    }
    if (end) *end = tape_stats(tape);
    CHECK(fmodule_steps(f) == (size_t)steps && diffopt_steps(opt) == (size_t)steps);
    TensorList w = fmodule_params(f);
    for (size_t i = 0, at = 0; i < w.count; at += tensor_count(w.items[i++]))
        CHECK(tensor_copy_to_f64(w.items[i], out + at, tensor_count(w.items[i])));
    tape_destroy(tape);
}

static void same_bits(bool adam, DType dtype) {
    enum { WEIGHTS = 25, STEPS = 100 };
    double full[WEIGHTS], other[WEIGHTS];
    Module *net = make_net(dtype);
    Optim *inner = make_inner(net, adam);
    run_mode(net, inner, HC_FULL, false, STEPS, full, NULL, NULL);
    for (int mode = HC_FIRST_ORDER; mode <= HC_EVAL; mode++)
        for (int release = 0; release <= 1; release++) {
            run_mode(net, inner, (FMode)mode, release, STEPS, other, NULL, NULL);
            CHECK(memcmp(full, other, sizeof full) == 0);
        }
    for (int k = 0; k < STEPS; k++) { /* in place, by the same rule */
        Tape *tape = tape_create(dtype);
        Tensor *x = tensor_from_f64(tape, shape2(N, 1), xs);
        Tensor *y = tensor_from_f64(tape, shape2(N, 1), ys);
        optim_zero_grad(inner);
        CHECK(tensor_backward(tensor_mse_loss(module_forward(net, x), y)));
        CHECK(optim_step(inner));
        tape_destroy(tape);
    }
    ParamList params = module_params(net);
    for (size_t i = 0, at = 0; i < params.count; at += param_count(params.items[i++]))
        for (size_t e = 0; e < param_count(params.items[i]); e++)
            CHECK(param_get(params.items[i], e) == full[at + e]);
    optim_destroy(inner);
    module_destroy(net);
}

/* In first order only the updates stay: what ten steps add does not depend on the batch. */
static size_t added_in_first_order(Module *net, Optim *inner, size_t rows) {
    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(3);
    Tensor *x = tensor_uniform(tape, shape2(rows, 1), -2, 2, &rng), *y = tensor_sin(x);
    FModuleOptions options = fmodule_options(false);
    options.mode = HC_FIRST_ORDER;
    FModule *f = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(inner, f);
    size_t before = 0;
    for (int k = 0; k < 20; k++) {
        if (k == 10) before = tape_stats(tape).live_bytes;
        CHECK(diffopt_step_release(opt, loss_of(f, x, y)));
    }
    size_t added = tape_stats(tape).live_bytes - before;
    tape_destroy(tape);
    return added;
}

static void flat_release(void) {
    double out[25];
    TapeStats middle, end;
    Module *net = make_net(HC_F32);
    Optim *inner = make_inner(net, true);
    run_mode(net, inner, HC_EVAL, true, 10000, out, &middle, &end);
    CHECK(middle.nodes == end.nodes && middle.live_bytes == end.live_bytes);
    CHECK(middle.reserved_bytes == end.reserved_bytes && middle.mallocs == end.mallocs);

    size_t small = added_in_first_order(net, inner, N),
           large = added_in_first_order(net, inner, 50 * N);
    CHECK(small == large && small > 0);
    optim_destroy(inner);
    module_destroy(net);
}

int main(void) {
    fail_each_allocation("meta-iteration", scenario);
    steady_loop();
    for (int adam = 0; adam <= 1; adam++) {
        same_bits(adam, HC_F64);
        same_bits(adam, HC_F32);
    }
    flat_release();
    if (higherc_error()) CHECK_ERROR("no error is left");
    return check_done();
}
