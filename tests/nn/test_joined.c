/* Layers that a sequential runs together with the ReLU and the max-pool behind them: one node, and the same bits as
 * layer by layer, in values, inner steps and meta-gradients, on base and fast weights and wherever they stand. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "ops/ops.h"
#include "support/models.h"
#include "support/refuse.h"

enum { LAYERS = 7, PARAMS = 5, SAVED = HC_FUSED ? 2 : 0 };

/* A ReLU at two places, twice in a row, and first of all; a layer without a bias. */
static Module *make(void) {
    Module *relu = module_relu();
    Module *layers[LAYERS] = {module_relu(),      module_linear(4, 6),         relu,
                              module_relu(),      module_linear_no_bias(6, 5), relu,
                              module_linear(5, 3)};
    Module *net = module_sequential(layers, LAYERS);
    Rng rng = rng_seed(3);
    CHECK(module_init(net, &rng));
    return net;
}

static Tensor *one_by_one(FModule *f, Tensor *x) {
    static const char *const names[LAYERS] = {"0", "1", "2", "3", "4", "5", "6"};
    for (int i = 0; i < LAYERS; i++)
        x = fmodule_forward(fmodule_child(f, names[i]), x);
    return x;
}

typedef Tensor *ForwardFn(FModule *f, Tensor *x);

/* The gradient of a loss after two steps, to all weights. */
static bool meta(Tape *tape, Module *net, ForwardFn *forward, Tensor *x, Tensor **y, Tensor **g) {
    FModule *f = fmodule_create(tape, net, true);
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.3));
    DiffOpt *opt = diffopt_create(sgd, f);
    Tensor *start[PARAMS];
    ParamList params = module_params(net);
    CHECK(params.count == PARAMS);
    for (size_t i = 0; i < PARAMS; i++)
        start[i] = fmodule_param(f, param_name(params.items[i]));
    for (int t = 0; t < 2; t++)
        CHECK(diffopt_step(opt, tensor_sum(tensor_square(forward(f, x)))));
    *y = forward(f, x);
    bool done = tensor_grad(tensor_sum(tensor_sin(*y)), start, PARAMS, g, 0);
    optim_destroy(sgd);
    return done;
}

static void joined_or_not(void) {
    Module *net = make(), *copy = module_clone(net);
    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(4);
    Tensor *x = tensor_uniform(tape, shape2(8, 4), -1, 2, &rng), *y[4], *g[4][PARAMS];
    CHECK(meta(tape, net, fmodule_forward, x, &y[0], g[0]));
    CHECK(meta(tape, net, one_by_one, x, &y[1], g[1]));
    CHECK(meta(tape, copy, fmodule_forward, x, &y[2], g[2]));
    Module *whole[] = {net}, *outer = module_sequential(whole, 1); /* below another */
    CHECK(meta(tape, outer, fmodule_forward, x, &y[3], g[3]));
    for (int k = 1; k < 4; k++) {
        CHECK(tensors_same(y[0], y[k]));
        for (size_t i = 0; i < PARAMS; i++)
            CHECK(tensors_same(g[0][i], g[k][i]));
    }
    tape_destroy(tape);
    module_destroy(copy);
    module_destroy(outer);
}

/* Two nodes less where two layers are fused, on base weights, fast ones and weights handed in. */
static void nodes(void) {
    Module *net = make();
    Tape *tape = tape_create(HC_F32);
    FModule *f = fmodule_create(tape, net, false);
    Tensor *x = tensor_ones(tape, shape2(8, 4)), *weights[PARAMS];
    ParamList params = module_params(net);
    for (size_t i = 0; i < PARAMS; i++) {
        param_tensor(tape, params.items[i]);
        weights[i] = fmodule_param(f, param_name(params.items[i]));
    }
    size_t before = tape_stats(tape).nodes;
    Tensor *y = one_by_one(f, x);
    CHECK(tape_stats(tape).nodes == (before += LAYERS));
    CHECK(tensors_same(fmodule_forward(f, x), y));
    CHECK(tape_stats(tape).nodes == (before += LAYERS - SAVED));
    CHECK(tensors_same(module_forward(net, x), y));
    CHECK(tape_stats(tape).nodes == (before += LAYERS - SAVED));
    CHECK(tensors_same(fmodule_forward_with(f, weights, PARAMS, x), y));
    CHECK(tape_stats(tape).nodes == before + LAYERS - SAVED);
    tape_destroy(tape);
    module_destroy(net);
}

/* A class of one's own around a layer is run as it says, and so is a ReLU of one's own. */
static bool own_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (nin != 1 || nout != 1) return false;
    *out = frame_call(frame, "inner", in[0]);
    return *out != NULL;
}

static Module *wrapped(Module *inner) {
    static const ModuleClass cls = {.name = "own", .forward = own_forward};
    Module *own = module_create(&cls, NULL);
    CHECK(own && module_add_child(own, "inner", inner));
    return own;
}

static void of_ones_own(void) {
    Rng rng = rng_seed(6);
    Module *layers[] = {wrapped(module_linear(4, 4)), module_relu(), module_linear(4, 4),
                        wrapped(module_relu())};
    Module *net = module_sequential(layers, 4);
    CHECK(module_init(net, &rng));
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_uniform(tape, shape2(8, 4), -1, 1, &rng);
    Tensor *w[4];
    for (size_t i = 0; i < 4; i++)
        w[i] = param_tensor(tape, module_params(net).items[i]);
    size_t before = tape_stats(tape).nodes;
    Tensor *y = module_forward(net, x);
    CHECK(tape_stats(tape).nodes == before + 4);
    Tensor *h = tensor_relu(tensor_linear(x, w[0], w[1]));
    CHECK(tensors_same(y, tensor_relu(tensor_linear(h, w[2], w[3]))));
    tape_destroy(tape);
    module_destroy(net);
}

/* Batch norm, ReLU and max-pool in all the orders in which they join or do not. */
enum { BLOCKS = 17 };

static Module *make_blocks(void) {
    BatchNormOptions plain = batch_norm_options();
    plain.affine = false;
    Module *layers[BLOCKS] = {module_conv2d(1, 3, 3, 3, conv2d_options()),
                              module_batch_norm2d(3, batch_norm_options()),
                              module_relu(),
                              module_max_pool2d(pool2d_options(2)),
                              module_batch_norm2d(3, plain),
                              module_max_pool2d(pool2d_options(2)),
                              module_conv2d(3, 4, 2, 2, conv2d_options()),
                              module_relu(),
                              module_max_pool2d(pool2d_options(2)),
                              module_max_pool2d((Pool2dOptions){{2, 2}, {1, 1}, {1, 1}, {1, 1}, 0}),
                              module_batch_norm2d(4, batch_norm_options()),
                              module_relu(),
                              module_avg_pool2d(pool2d_options(1)),
                              module_flatten(),
                              module_linear(36, 4),
                              module_batch_norm1d(4, batch_norm_options()),
                              module_relu()};
    Module *net = module_sequential(layers, BLOCKS);
    Rng rng = rng_seed(5);
    CHECK(net && module_init(net, &rng));
    return net;
}

static Tensor *block_by_block(FModule *f, Tensor *x) {
    char name[16];
    for (int i = 0; i < BLOCKS; i++) {
        snprintf(name, sizeof name, "%d", i);
        x = fmodule_forward(fmodule_child(f, name), x);
    }
    return x;
}

/* Two steps and the value after them; the gradient to the first weights. */
static void blocks(bool training) {
    Module *net = make_blocks();
    Tape *tape = tape_create(HC_F64);
    CHECK(module_to(net, HC_F64));
    Rng rng = rng_seed(6);
    Tensor *x = tensor_normal(tape, shape4(5, 1, 22, 22), 0, 1, &rng), *y[2], *first[2], *g[2][14];
    ForwardFn *const forwards[2] = {fmodule_forward, block_by_block};
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
    size_t nodes[2], count = module_params(net).count;
    for (int k = 0; k < 2; k++) {
        FModule *f = fmodule_create(tape, net, true);
        DiffOpt *opt = diffopt_create(sgd, f);
        CHECK(fmodule_train(f, training));
        Tensor *start[14];
        for (size_t i = 0; i < count; i++)
            start[i] = fmodule_params(f).items[i];
        first[k] = forwards[k](f, x);
        size_t before = tape_stats(tape).nodes;
        forwards[k](f, x);
        nodes[k] = tape_stats(tape).nodes - before;
        for (int t = 0; t < 2; t++)
            CHECK(diffopt_step(opt, tensor_sum(tensor_square(forwards[k](f, x)))));
        y[k] = forwards[k](f, x);
        CHECK(tensor_grad(tensor_sum(tensor_sin(y[k])), start, count, g[k], 0));
    }
    CHECK(HC_FUSED ? nodes[0] < nodes[1] : nodes[0] == nodes[1]);
    CHECK(tensors_same(first[0], first[1]));
    CHECK(tensors_near(y[0], y[1], 1e-12));
    for (size_t i = 0; i < count; i++)
        CHECK(tensors_near(g[0][i], g[1][i], 1e-10));
    optim_destroy(sgd);
    tape_destroy(tape);
    module_destroy(net);
}

int main(void) {
    joined_or_not();
    blocks(true);
    blocks(false);
    nodes();
    of_ones_own();
    return check_done();
}
