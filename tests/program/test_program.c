/* A program gives the bits that recording afresh gives: outputs and Param gradients, for several
 * optimizers, f32 and f64, with Params that change in place between runs. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"

enum { POINTS = 7, HIDDEN = 9, STEPS = 3 };

typedef Optim *MakeOptim(ParamList params);

static Optim *plain_sgd(ParamList params) {
    return optim_sgd(params, sgd_options(0.05));
}

static Optim *momentum_sgd(ParamList params) {
    SgdOptions options = sgd_options(0.03);
    options.momentum = 0.9;
    options.nesterov = true;
    options.weight_decay = 0.01;
    return optim_sgd(params, options);
}

static Optim *adam(ParamList params) {
    AdamOptions options = adam_options(0.01);
    options.eps = 1e-4;
    options.amsgrad = true;
    return optim_adam(params, options);
}

static Module *make_net(DType dtype) {
    Module *layers[] = {module_linear(2, HIDDEN), module_relu(), module_linear(HIDDEN, HIDDEN),
                        module_tanh(), module_linear(HIDDEN, 3)};
    Module *net = module_sequential(layers, 5);
    Rng rng = rng_seed(3);
    CHECK(module_init(net, &rng) && module_to(net, dtype));
    return net;
}

typedef struct Batch {
    double x[POINTS * 2], y[POINTS * 3];
} Batch;

static void draw(Batch *batch, Rng *rng) {
    for (size_t i = 0; i < POINTS * 2; i++)
        batch->x[i] = 2 * rng_uniform(rng) - 1;
    for (size_t i = 0; i < POINTS * 3; i++)
        batch->y[i] = 2 * rng_uniform(rng) - 1;
}

/* The meta-loss; its four input tensors in in[]. */
static Tensor *record(Tape *tape, Module *net, Optim *inner, bool copy, Tensor *lr,
                      const Batch *support, const Batch *query, Tensor **in) {
    in[0] = tensor_from_f64(tape, shape2(POINTS, 2), support->x);
    in[1] = tensor_from_f64(tape, shape2(POINTS, 3), support->y);
    in[2] = tensor_from_f64(tape, shape2(POINTS, 2), query->x);
    in[3] = tensor_from_f64(tape, shape2(POINTS, 3), query->y);
    FModule *fnet = fmodule_create(tape, net, copy);
    DiffOpt *opt = diffopt_create(inner, fnet);
    if (lr) diffopt_override(opt, "lr", HC_ALL_GROUPS, lr);
    for (int k = 0; k < STEPS; k++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, in[0]), in[1]));
    return tensor_mse_loss(fmodule_forward(fnet, in[2]), in[3]);
}

static bool same_grads(ParamList a, ParamList b, size_t item) {
    bool same = a.count == b.count;
    for (size_t i = 0; same && i < a.count; i++) {
        const void *ga = param_grad(a.items[i]), *gb = param_grad(b.items[i]);
        same = (ga == NULL) == (gb == NULL) &&
               (!ga || memcmp(ga, gb, param_count(a.items[i]) * item) == 0);
    }
    return same;
}

/* Twenty outer steps on two copies of a net: one recorded afresh each time, one replayed. */
static void compare(DType dtype, MakeOptim *make) {
    size_t item = dtype == HC_F32 ? 4 : 8;
    Module *net = make_net(dtype), *twin = module_clone(net);
    Optim *inner = make(module_params(net)), *inner2 = make(module_params(twin));
    Optim *outer = optim_adam(module_params(net), adam_options(0.01));
    Optim *outer2 = optim_adam(module_params(twin), adam_options(0.01));
    Tape *tape = tape_create(dtype);
    Rng rng = rng_seed(5);
    Program *program = NULL;
    for (int it = 0; it < 20; it++) {
        Batch support, query;
        Tensor *in[4];
        draw(&support, &rng);
        draw(&query, &rng);
        optim_zero_grad(outer);
        optim_zero_grad(outer2);
        tape_reset(tape);
        if (!program) {
            Batch other;
            Rng elsewhere = rng_seed(99);
            draw(&other, &elsewhere);
            Tensor *loss = record(tape, twin, inner2, false, NULL, &other, &other, in);
            size_t nodes = tape_stats(tape).nodes;
            program = program_capture(tape, in, 4, &loss, 1, loss);
            CHECK(program && tape_stats(tape).nodes == nodes);
            CHECK_NEAR(program_item(program, 0), tensor_item(loss), 0, 0);
            tape_reset(tape);
        }
        Tensor *loss = record(tape, net, inner, false, NULL, &support, &query, in);
        CHECK(tensor_backward(loss));
        CHECK(program_set_f64(program, 0, shape2(POINTS, 2), support.x));
        CHECK(program_set_f64(program, 1, shape2(POINTS, 3), support.y));
        CHECK(program_set_f64(program, 2, shape2(POINTS, 2), query.x));
        CHECK(program_set_f64(program, 3, shape2(POINTS, 3), query.y));
        size_t blocks = higherc_live_allocations();
        CHECK(program_run(program));
        if (it > 0) CHECK(higherc_live_allocations() == blocks);
        CHECK(memcmp(program_output(program, 0), tensor_data(loss), item) == 0);
        CHECK(same_grads(module_params(net), module_params(twin), item));
        CHECK(optim_step(outer) && optim_step(outer2));
    }
    CHECK(higherc_error() == NULL);
    program_destroy(program);
    tape_destroy(tape);
    optim_destroy(inner);
    optim_destroy(inner2);
    optim_destroy(outer);
    optim_destroy(outer2);
    module_destroy(net);
    module_destroy(twin);
}

int main(void) {
    MakeOptim *const makers[] = {plain_sgd, momentum_sgd, adam};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        compare(HC_F32, makers[i]);
        compare(HC_F64, makers[i]);
    }
    return check_done();
}
