/* Counterparts of higher 0.2.1's top-level tests: its network of three blocks of [conv 3x3 64, batch norm, ReLU,
 * max-pool 2] and a linear layer, as a functional module and as a reference that is written out in tensor
 * operations on a list of weights. Images are 22 x 22, the smallest that leave 64 features, and batches small.
 *
 *     higher, tests/test_higher.py             here
 *     testSameInitialWeightsPrePatch           same_initial_weights_pre_patch
 *     testSameInitialWeightsPostPatch          same_initial_weights_post_patch
 *     testRandomForwards                       random_forwards
 *     testUnrollEqualityForward                unroll_equality_forward
 *     testUnrollEqualityBackward               unroll_equality_backward
 *     testUnrollEqualityBackwardManualUnroll   unroll_equality_backward_manual_unroll
 *
 * A mini-MAML on the same network, held to finite differences, is added: mini_maml. */
#include <higherc/higherc.h>

#include <math.h>
#include <string.h>

#include "support/check.h"
#include "support/each.h"
#include "support/models.h"

enum { CHANNELS = 3, WIDTH = QUICK ? 16 : 64, CLASSES = 5, BATCH = 2, SIZE = 22, STEPS = 3, WEIGHTS = 14 };
static const double lr = 0.01;

static Tape *tape;
static Module *net;
static Optim *optim;

/* The order of the weights, that of module_params. */
static const char *const names[WEIGHTS] = {"conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias",
                                           "conv2.weight", "conv2.bias", "bn2.weight", "bn2.bias",
                                           "conv3.weight", "conv3.bias", "bn3.weight", "bn3.bias",
                                           "fc.weight",    "fc.bias"};

static Tensor *reference(Tensor *const *w, Tensor *x) {
    for (int block = 0; block < 3; block++, w += 4) {
        x = tensor_conv2d(x, w[0], w[1], conv2d_options());
        x = tensor_relu(tensor_batch_norm(x, NULL, NULL, w[2], w[3], 1e-5));
        x = tensor_max_pool2d(x, pool2d_options(2));
    }
    return tensor_linear(tensor_reshape(x, shape2(BATCH, WIDTH)), w[0], w[1]);
}

static Tensor *images(Rng *rng) {
    return tensor_uniform(tape, shape4(BATCH, CHANNELS, SIZE, SIZE), 0, 1, rng);
}

static void reference_weights(Tensor **w) {
    for (size_t i = 0; i < WEIGHTS; i++)
        w[i] = tensor_leaf(param_tensor(tape, module_params(net).items[i]));
}

/* ---- weights -------------------------------------------------------------------------------------------- */

static void same_initial_weights_pre_patch(void) {
    ParamList params = module_params(net);
    CHECK(params.count == WEIGHTS);
    Module *copy = module_clone(net);
    for (size_t i = 0; i < WEIGHTS; i++) {
        CHECK(strcmp(param_name(params.items[i]), names[i]) == 0);
        const Param *other = module_params(copy).items[i];
        CHECK(strcmp(param_name(other), names[i]) == 0 && other != params.items[i]);
        CHECK(tensor_is_param(param_tensor(tape, params.items[i]), other));
    }
    module_destroy(copy);
}

static void same_initial_weights_post_patch(void) {
    FModule *f = fmodule_create(tape, net, true);
    TensorList fast = fmodule_params(f);
    CHECK(fast.count == WEIGHTS);
    for (size_t i = 0; i < WEIGHTS; i++) {
        CHECK(fmodule_param(f, names[i]) == fast.items[i]);
        CHECK(tensor_is_param(fast.items[i], module_param(net, names[i])));
    }
}

/* ---- forwards with weights handed in ---------------------------------------------------------------------- */

static void random_forwards(void) {
    FModule *f = fmodule_create(tape, net, true);
    TensorList before = fmodule_params(f);
    Rng rng = rng_seed(2);
    for (int i = 0; i < 3; i++) {
        Tensor *w[WEIGHTS], *x = images(&rng);
        for (size_t k = 0; k < WEIGHTS; k++)
            w[k] = tensor_leaf(
                tensor_uniform(tape, param_shape(module_params(net).items[k]), 0, 1, &rng));
        Tensor *y = fmodule_forward_with(f, w, WEIGHTS, x);
        CHECK(tensors_same(y, reference(w, x)));
        CHECK(shape_equal(tensor_shape(y), shape2(BATCH, CLASSES)));
    }
    CHECK(fmodule_params(f).items == before.items && fmodule_steps(f) == 0);
}

/* ---- unrolls ------------------------------------------------------------------------------------------------ */

typedef struct Unrolled {
    Tensor *start[WEIGHTS], *end[WEIGHTS];
    Tensor *losses[STEPS], *grads[STEPS][WEIGHTS];
    Tensor *meta_loss;
} Unrolled;

/* On a list of weights: the reference's operations, or (f given) the functional module's with weights handed
 * in. Plain SGD by hand. */
static void unroll_by_hand(FModule *f, Tensor *const *start, Unrolled *u) {
    Rng rng = rng_seed(3);
    memcpy(u->start, start, sizeof u->start);
    memcpy(u->end, start, sizeof u->end);
    for (int k = 0; k <= STEPS; k++) {
        Tensor *x = images(&rng), *y = tensor_uniform(tape, shape2(BATCH, CLASSES), 0, 1, &rng);
        Tensor *out = f ? fmodule_forward_with(f, u->end, WEIGHTS, x) : reference(u->end, x);
        Tensor *loss = tensor_mse_loss(out, y);
        if (k == STEPS) {
            u->meta_loss = loss;
            break;
        }
        u->losses[k] = loss;
        CHECK(tensor_grad(loss, u->end, WEIGHTS, u->grads[k], HC_CREATE_GRAPH));
        for (size_t i = 0; i < WEIGHTS; i++)
            u->end[i] = tensor_sub(u->end[i], tensor_mul_scalar(u->grads[k][i], lr));
    }
}

static void unroll_diffopt(FModule *f, DiffOpt *opt, Unrolled *u) {
    Rng rng = rng_seed(3);
    for (int k = 0; k <= STEPS; k++) {
        Tensor *x = images(&rng), *y = tensor_uniform(tape, shape2(BATCH, CLASSES), 0, 1, &rng);
        Tensor *loss = tensor_mse_loss(fmodule_forward(f, x), y);
        if (k == STEPS) {
            u->meta_loss = loss;
            break;
        }
        u->losses[k] = loss;
        CHECK(tensor_grad(loss, fmodule_params(f).items, WEIGHTS, u->grads[k], 0));
        CHECK(diffopt_step(opt, loss));
        CHECK(diffopt_loss(opt) == loss);
    }
    memcpy(u->start, fmodule_params_at(f, 0).items, sizeof u->start);
    memcpy(u->end, fmodule_params(f).items, sizeof u->end);
}

/* A step on the tape and one by hand differ by how lr g is rounded before it is subtracted. */
static const double rounding = 1e-12;

static void compare_forward(const Unrolled *a, const Unrolled *b) {
    CHECK(tensors_near(a->meta_loss, b->meta_loss, rounding));
    for (int k = 0; k < STEPS; k++) {
        CHECK(tensors_near(a->losses[k], b->losses[k], rounding));
        for (size_t i = 0; i < WEIGHTS; i++)
            CHECK(tensors_near(a->grads[k][i], b->grads[k][i], 10 * rounding));
    }
    for (size_t i = 0; i < WEIGHTS; i++)
        CHECK(tensors_near(a->end[i], b->end[i], rounding));
}

static void compare_backward(const Unrolled *a, const Unrolled *b) {
    Tensor *of_a[WEIGHTS], *of_b[WEIGHTS];
    CHECK(tensor_grad(a->meta_loss, a->start, WEIGHTS, of_a, 0));
    CHECK(tensor_grad(b->meta_loss, b->start, WEIGHTS, of_b, 0));
    for (size_t i = 0; i < WEIGHTS; i++)
        CHECK(tensors_near(of_a[i], of_b[i], 100 * rounding));
}

static void unroll_both(Unrolled *a, Unrolled *b) {
    Tensor *w[WEIGHTS];
    FModule *f = fmodule_create(tape, net, true);
    reference_weights(w);
    unroll_by_hand(NULL, w, a);
    unroll_diffopt(f, diffopt_create(optim, f), b);
}

static void unroll_equality_forward(void) {
    Unrolled a, b;
    unroll_both(&a, &b);
    compare_forward(&a, &b);
}

static void unroll_equality_backward(void) {
    Unrolled a, b;
    unroll_both(&a, &b);
    compare_backward(&a, &b);
}

static void unroll_equality_backward_manual_unroll(void) {
    Unrolled a, b;
    Tensor *w[WEIGHTS];
    FModule *f = fmodule_create(tape, net, true);
    reference_weights(w);
    unroll_by_hand(NULL, w, &a);
    unroll_by_hand(f, fmodule_params(f).items, &b);
    compare_forward(&a, &b);
    compare_backward(&a, &b);
    CHECK(tensors_same(a.meta_loss, b.meta_loss)); /* the same operations: not one bit differs */
    CHECK(fmodule_steps(f) == 0);
}

static double meta_loss(Module *module, void *user) {
    Unrolled u;
    TapeMark mark = tape_mark(tape);
    (void)user;
    FModule *f = fmodule_create(tape, module, false);
    unroll_diffopt(f, diffopt_create(optim, f), &u);
    double value = tensor_item(u.meta_loss);
    CHECK(tape_release(tape, mark));
    return value;
}

/* The inner gradients jump where a ReLU or a maximum switches, and the meta-loss with them; among this many
 * units some do within 1e-7, so the differences are finer. */
static void mini_maml(void) {
    Unrolled u;
    FModule *f = fmodule_create(tape, net, false);
    unroll_diffopt(f, diffopt_create(optim, f), &u);
    Tensor *grads[WEIGHTS];
    CHECK(tensor_grad(u.meta_loss, u.start, WEIGHTS, grads, 0) && tensor_backward(u.meta_loss));
    for (size_t i = 0; i < WEIGHTS; i++) {
        const Param *p = module_param(net, names[i]);
        CHECK(param_grad(p) &&
              memcmp(param_grad(p), tensor_data(grads[i]), param_count(p) * sizeof(double)) == 0);
    }
    optim_zero_grad(optim);
    double along = model_along(net, grads, 4);
    CHECK_NEAR(along, model_difference(net, meta_loss, 1e-9, 4, NULL), 1e-5, 1e-7);
}

int main(void) {
    void (*const tests[])(void) = {same_initial_weights_pre_patch,
                                   same_initial_weights_post_patch,
                                   random_forwards,
                                   unroll_equality_forward,
                                   unroll_equality_backward,
                                   unroll_equality_backward_manual_unroll,
                                   mini_maml};
    net = model_convnet(CHANNELS, WIDTH, CLASSES, HC_F64, 5);
    optim = optim_sgd(module_params(net), sgd_options(lr));
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    optim_destroy(optim);
    module_destroy(net);
    return check_done();
}
