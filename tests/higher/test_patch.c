/* Counterparts of higher 0.2.1's tests of patching, on the same kinds of models. What higher checks to a
 * tolerance is checked bit for bit here where the same operations run on the same numbers, and where higher
 * asks only that a gradient is there, it is held to finite differences too.
 *
 *     higher, tests/test_patch.py      here
 *     testMakeFunctional               make_functional
 *     testGet                          get
 *     testForward                      forward
 *     testBackward                     backward
 *     testUnrollSGD                    unroll_sgd
 *     testCtxManager                   ctx_manager
 *     testMiniMAML                     mini_maml
 *     testMiniMAMLTestTime             mini_maml_test_time
 *     testSubModuleDirectCall          sub_module_direct_call
 *     testRNNForward, testRNNCellForward, testRNNUnrollSGD, testRNNCellUnrollSGD: test_patch_rnn.c */
#include <higherc/higherc.h>

#include <stdio.h>

#include "support/check.h"
#include "support/models.h"

enum { STEPS = 10, MOST = 16 };
static const double lr = 0.1;

static ModelKind kind;
static Tape *tape;
static Module *net;

/* Whether the model's output depends on that Param at all. */
static bool used(size_t i) {
    return kind != MODEL_PARTIAL || i == 0;
}

static void make_functional(void) {
    Module *linear = module_linear(4, 3);
    Rng rng = rng_seed(1);
    CHECK(module_to(linear, HC_F64) && module_init(linear, &rng));
    FModule *f = fmodule_create(tape, linear, true);
    Tensor *y = fmodule_forward(f, tensor_uniform(tape, shape2(2, 4), 0, 1, &rng));
    CHECK(y && shape_equal(tensor_shape(y), shape2(2, 3)));
    module_destroy(linear);
}

static void get(void) {
    FModule *f = fmodule_create(tape, net, true);
    ParamList params = module_params(net);
    TensorList fast = fmodule_params(f);
    CHECK(params.count == fast.count);
    for (size_t i = 0; i < params.count && i < fast.count; i++) {
        CHECK(tensor_is_param(fast.items[i], params.items[i]));
        CHECK(tensor_data(fast.items[i]) != param_data(params.items[i])); /* their own memory */
        CHECK(fmodule_param(f, param_name(params.items[i])) == fast.items[i]);
    }
}

static void forward(void) {
    FModule *f = fmodule_create(tape, net, true);
    Rng rng = rng_seed(2);
    for (int i = 0; i < 10; i++) {
        Tensor *x = tensor_uniform(tape, shape2(MODEL_BATCH, MODEL_IN), 0, 1, &rng);
        CHECK(tensors_same(fmodule_forward(f, x), module_forward(net, x)));
    }
}

static void backward(void) {
    FModule *f = fmodule_create(tape, net, true);
    ParamList params = module_params(net);
    TensorList fast = fmodule_params(f);
    Rng rng = rng_seed(3);
    for (int i = 0; i < 10; i++) {
        Rng again = rng;
        Tensor *grads[MOST];
        CHECK(tensor_backward(model_loss(tape, net, NULL, &again)));
        CHECK(tensor_grad(model_loss(tape, net, f, &rng), fast.items, fast.count, grads,
                          HC_ALLOW_UNUSED));
        for (size_t p = 0; p < params.count; p++) {
            CHECK((param_grad(params.items[p]) == NULL) == !used(p) && !grads[p] == !used(p));
            for (size_t k = 0; used(p) && k < param_count(params.items[p]); k++)
                CHECK(param_grad_get(params.items[p], k) ==
                      ((const double *)tensor_data(grads[p]))[k]);
            param_zero_grad(params.items[p]);
        }
    }
}

/* ---- unrolls ------------------------------------------------------------------------------------------ */

/* One step of SGD with recorded operations and fmodule_set_params. */
static bool step_by_hand(FModule *f, Tensor *loss) {
    TensorList now = fmodule_params(f);
    Tensor *grads[MOST], *next[MOST];
    bool done = tensor_grad(loss, now.items, now.count, grads, HC_ALLOW_UNUSED | HC_CREATE_GRAPH);
    for (size_t i = 0; done && i < now.count; i++)
        next[i] =
            grads[i] ? tensor_sub(now.items[i], tensor_mul_scalar(grads[i], lr)) : now.items[i];
    return done && fmodule_set_params(f, next, now.count);
}

static Tensor *unrolled_loss(FModule *f, DiffOpt *opt) {
    Rng rng = rng_seed(4);
    for (int k = 0; k < STEPS; k++)
        CHECK(opt ? diffopt_step(opt, model_loss(tape, net, f, &rng))
                  : step_by_hand(f, model_loss(tape, net, f, &rng)));
    return model_loss(tape, net, f, &rng);
}

static double meta_loss(Module *module, void *user) {
    (void)user;
    TapeMark mark = tape_mark(tape);
    double value = tensor_item(unrolled_loss(fmodule_create(tape, module, true), NULL));
    CHECK(tape_release(tape, mark));
    return value;
}

static void check_unroll(FModule *f, DiffOpt *opt) {
    Tensor *loss = unrolled_loss(f, opt), *grads[MOST];
    TensorList start = fmodule_params_at(f, 0);
    CHECK(fmodule_steps(f) == STEPS);
    CHECK(tensor_grad(loss, start.items, start.count, grads, HC_ALLOW_UNUSED));
    for (size_t i = 0; i < start.count; i++)
        CHECK(!grads[i] == !used(i));
    double along = model_along(net, grads, 9);
    CHECK_NEAR(along, model_difference(net, meta_loss, 1e-6, 9, NULL), 1e-6, 1e-9);
}

static void unroll_sgd(void) {
    check_unroll(fmodule_create(tape, net, true), NULL);
}

static void ctx_manager(void) {
    Optim *optim = optim_sgd(module_params(net), sgd_options(lr));
    FModule *f = fmodule_create(tape, net, true);
    check_unroll(f, diffopt_create(optim, f));
    optim_destroy(optim);
}

/* ---- MAML ----------------------------------------------------------------------------------------------- */

static Tensor *sum_of_weights(FModule *f) {
    Tensor *sum = tensor_scalar(tape, 0);
    for (size_t i = 0; i < fmodule_params(f).count; i++)
        sum = tensor_add(sum, tensor_sum(fmodule_params(f).items[i]));
    return sum;
}

static void mini_maml(void) {
    Optim *optim = optim_sgd(module_params(net), sgd_options(lr));
    FModule *f = fmodule_create(tape, net, false);
    unrolled_loss(f, diffopt_create(optim, f));
    Tensor *sum = sum_of_weights(f), *grads[MOST];
    TensorList start = fmodule_params_at(f, 0);
    ParamList params = module_params(net);
    CHECK(tensor_grad(sum, start.items, start.count, grads, 0) && tensor_backward(sum));
    for (size_t i = 0; i < params.count; i++)
        for (size_t k = 0; k < param_count(params.items[i]); k++)
            CHECK(param_grad_get(params.items[i], k) == ((const double *)tensor_data(grads[i]))[k]);
    optim_zero_grad(optim);
    optim_destroy(optim);
}

/* In HC_EVAL nothing reaches W or W<0>, and asking is an error that says so; higher gives None. The
 * unused weight is in no step, so it is W<0> still, and only that one. */
static void mini_maml_test_time(void) {
    Optim *optim = optim_sgd(module_params(net), sgd_options(lr));
    FModuleOptions options = fmodule_options(false);
    options.mode = HC_EVAL;
    FModule *f = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(optim, f);
    Tensor *start[MOST], *grads[MOST];
    size_t count = fmodule_params(f).count;
    for (size_t i = 0; i < count; i++)
        start[i] = fmodule_params(f).items[i];
    Rng rng = rng_seed(4);
    for (int k = 0; k < STEPS; k++)
        CHECK(diffopt_step(opt, model_loss(tape, net, f, &rng)));
    Tensor *sum = sum_of_weights(f);
    CHECK(tensor_grad(sum, start, count, grads, HC_ALLOW_UNUSED));
    for (size_t i = 0; i < count; i++) {
        CHECK(!grads[i] == used(i));
        CHECK(tensor_reaches(sum, module_params(net).items[i]) == !used(i));
    }
    if (kind != MODEL_PARTIAL) {
        CHECK(!tensor_backward(sum));
        CHECK_ERROR("HC_EVAL keeps no history");
        tape_clear_error(tape);
    }
    for (size_t i = 0; i < count; i++)
        CHECK(param_grad(module_params(net).items[i]) == NULL);
    optim_destroy(optim);
}

/* The same numbers, from a child made before the step and one made after it. */
static void sub_module_direct_call(void) {
    static const char *const paths[MODEL_KINDS] = {"4", "e2.f", "4", NULL, "3"};
    if (!paths[kind]) return;
    Optim *optim = optim_sgd(module_params(net), sgd_options(lr));
    FModule *f = fmodule_create(tape, net, true), *early = fmodule_child(f, paths[kind]);
    DiffOpt *opt = diffopt_create(optim, f);
    Rng rng = rng_seed(5);
    Module *base = module_find(net, paths[kind]);
    size_t in = param_shape(module_param(base, "weight")).dim[1];
    Tensor *x = tensor_uniform(tape, shape2(3, in), -1, 1, &rng);
    CHECK(tensors_same(fmodule_forward(early, x), module_forward(base, x)));
    CHECK(diffopt_step(opt, model_loss(tape, net, f, &rng)));
    Tensor *y = fmodule_forward(early, x);
    CHECK(!tensors_same(y, module_forward(base, x)));
    CHECK(tensors_same(y, fmodule_forward(fmodule_child(f, paths[kind]), x)));
    if (kind == MODEL_SHARED) { /* all of it is that child, twice */
        Tensor *whole = fmodule_forward(f, tensor_uniform(tape, shape2(3, in), -1, 1, &rng));
        CHECK(tensor_depends_on(whole, fmodule_param(early, "weight")));
        CHECK(tensors_same(fmodule_forward(f, x), tensor_add(y, y)));
    }
    optim_destroy(optim);
}

int main(void) {
    void (*const tests[])(void) = {make_functional,
                                   get,
                                   forward,
                                   backward,
                                   unroll_sgd,
                                   ctx_manager,
                                   mini_maml,
                                   mini_maml_test_time,
                                   sub_module_direct_call};
    for (int k = 0; k < MODEL_KINDS; k++)
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
            kind = (ModelKind)k;
            net = model_make(kind, HC_F64, 7);
            tape = tape_create(HC_F64);
            tests[i]();
            CHECK(higherc_error() == NULL && tape_error(tape) == NULL);
            if (higherc_error()) {
                printf("  %s, test %zu:\n", model_names[kind], i);
                CHECK_ERROR("none");
            }
            module_destroy(net);
            tape_destroy(tape);
        }
    return check_done();
}
