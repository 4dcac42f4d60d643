/* A program gives the bits that recording afresh gives: outputs and Param gradients, for several
 * optimizers, f32 and f64, with Params that change in place between runs. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"

enum { POINTS = 33, HIDDEN = 70, STEPS = 3 }; /* large enough for products that need a workspace */

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
static Tensor *record(Tape *tape, Module *net, Optim *inner, FModuleOptions functional, Tensor *lr,
                      const Batch *support, const Batch *query, Tensor **in) {
    in[0] = tensor_from_f64(tape, shape2(POINTS, 2), support->x);
    in[1] = tensor_from_f64(tape, shape2(POINTS, 3), support->y);
    in[2] = tensor_from_f64(tape, shape2(POINTS, 2), query->x);
    in[3] = tensor_from_f64(tape, shape2(POINTS, 3), query->y);
    FModule *fnet = fmodule_create_with(tape, net, functional);
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

/* Outer steps on two copies of a net: one recorded afresh each time, one replayed. */
static void compare(DType dtype, MakeOptim *make, FMode mode) {
    FModuleOptions functional = fmodule_options(false);
    functional.mode = mode;
    size_t item = dtype == HC_F32 ? 4 : 8;
    Module *net = make_net(dtype), *twin = module_clone(net);
    Optim *inner = make(module_params(net)), *inner2 = make(module_params(twin));
    Optim *outer = optim_adam(module_params(net), adam_options(0.01));
    Optim *outer2 = optim_adam(module_params(twin), adam_options(0.01));
    Tape *tape = tape_create(dtype);
    Rng rng = rng_seed(5);
    Program *program = NULL;
    for (int it = 0; it < (QUICK ? 3 : 20); it++) {
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
            Tensor *loss = record(tape, twin, inner2, functional, NULL, &other, &other, in);
            size_t nodes = tape_stats(tape).nodes;
            program = program_capture(tape, in, 4, &loss, 1, loss);
            CHECK(program && tape_stats(tape).nodes == nodes);
            CHECK_NEAR(program_item(program, 0), tensor_item(loss), 0, 0);
            tape_reset(tape);
        }
        Tensor *loss = record(tape, net, inner, functional, NULL, &support, &query, in);
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

/* Detached fast weights follow the Params from run to run, and a learned rate gets its gradient. */
static void learned_rate(void) {
    Module *net = make_net(HC_F64);
    Optim *inner = adam(module_params(net));
    Param *lr = param_create("lr", shape_scalar(), HC_F64), *list[1] = {lr};
    ParamList rates = {list, 1};
    CHECK(param_fill(lr, 0.02));
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(8);
    Program *program = NULL;
    Batch support, query;
    Tensor *in[4];
    draw(&support, &rng);
    draw(&query, &rng);
    for (int it = 0; it < 4; it++) {
        tape_reset(tape);
        Tensor *rate = param_tensor(tape, lr);
        Tensor *loss = record(tape, net, inner, fmodule_options(true), rate, &support, &query, in);
        if (!program) program = program_capture(tape, NULL, 0, &loss, 1, loss);
        CHECK(tensor_backward(loss));
        double wanted = param_grad_get(lr, 0);
        param_zero_grad(lr);
        CHECK(program_run(program));
        CHECK(param_grad_get(lr, 0) == wanted && wanted != 0);
        CHECK(program_item(program, 0) == tensor_item(loss));
        for (size_t i = 0; i < module_params(net).count; i++)
            CHECK(param_grad(module_params(net).items[i]) == NULL);
        param_zero_grad(lr);
        CHECK(param_fill(lr, 0.02 + 0.01 * it));
        CHECK(param_uniform(module_params(net).items[0], -1, 1, &rng));
    }
    Grads *grads = grads_create(rates);
    CHECK(program_run_into(program, grads) && grads_get(grads, 0) != NULL);
    CHECK(param_grad(lr) == NULL);
    grads_destroy(grads);
    grads = grads_create(module_params(net));
    CHECK(!program_run_into(program, grads));
    CHECK_ERROR("program_run_into: no gradient of the list is computed");
    grads_destroy(grads);
    CHECK(program_run(program));
    program_destroy(program);
    tape_destroy(tape);
    optim_destroy(inner);
    param_unref(lr);
    module_destroy(net);
}

/* A gradient taken by hand without a graph, a view as output, an input that is not used. */
static void by_hand(void) {
    Tape *tape = tape_create(HC_F64);
    Param *p = param_create("p", shape2(2, 3), HC_F64);
    CHECK(param_set_f64(p, (double[]){1, 2, 3, 4, 5, 6}, 6));
    Tensor *x = tensor_from_f64(tape, shape1(3), (double[]){1, 1, 2});
    Tensor *unused = tensor_from_f64(tape, shape1(2), (double[]){1, 2});
    Tensor *w = param_tensor(tape, p), *g;
    Tensor *inner = tensor_sum(tensor_exp(tensor_mul_scalar(tensor_mul(w, x), 0.1)));
    CHECK(tensor_grad(inner, &w, 1, &g, 0));
    Tensor *moved = tensor_sub(w, g);
    Tensor *outputs[2] = {tensor_transpose(moved, 0, 1), w};
    Tensor *loss = tensor_sum(tensor_square(moved));
    Program *program = program_capture(tape, (Tensor *[]){x, unused}, 2, outputs, 2, loss);
    CHECK(tensor_backward(loss));
    double wanted[6], now[6];
    for (size_t i = 0; i < 6; i++)
        wanted[i] = param_grad_get(p, i);
    CHECK(tensor_copy_to_f64(outputs[0], now, 6));
    param_zero_grad(p);
    CHECK(program_run(program));
    for (size_t i = 0; i < 6; i++) {
        CHECK(param_grad_get(p, i) == wanted[i]);
        CHECK(((const double *)program_output(program, 0))[i] == now[i]);
        CHECK(((const double *)program_output(program, 1))[i] == param_get(p, i));
    }
    Shape turned = program_output_shape(program, 0);
    CHECK(turned.ndim == 2 && turned.dim[0] == 3 && turned.dim[1] == 2);
    tape_destroy(tape);
    /* The tape is gone, the program is not; and it sees the new numbers. */
    CHECK(program_set_f32(program, 0, shape1(3), (float[]){0, 0, 0}));
    CHECK(program_set_f32(program, 1, shape1(2), (float[]){0, 0}));
    CHECK(program_run(program));
    for (size_t i = 0; i < 6; i++)
        CHECK_NEAR(((const double *)program_output(program, 0))[i], param_get(p, i % 2 * 3 + i / 2),
                   0, 0);
    param_unref(p);
    program_destroy(program);
}

int main(void) {
    MakeOptim *const makers[] = {plain_sgd, momentum_sgd, adam};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        for (int mode = HC_FULL; mode <= HC_FIRST_ORDER; mode++) {
            compare(HC_F32, makers[i], (FMode)mode);
            compare(HC_F64, makers[i], (FMode)mode);
        }
    learned_rate();
    by_hand();
    return check_done();
}
