/* Normalised weights: the numbers of g v / |v| for every layer that is normalised, names, first values, gradients and
 * fast weights, copies, files, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/models.h"
#include "support/refuse.h"

static Tape *tape;
static Rng rng;

static Module *ready(Module *module) {
    CHECK(module && module_to(module, tape_dtype(tape)) && module_init(module, &rng));
    return module;
}

static double tolerance(void) {
    return tape_dtype(tape) == HC_F64 ? 1e-14 : 1e-6;
}

static Tensor *of(Module *m, const char *name) {
    return param_tensor(tape, module_param(m, name));
}

/* g v / |v|, place by place along an axis. */
static Tensor *by_hand(Tensor *v, Tensor *g, int axis) {
    size_t size = tensor_dim(v, axis);
    Tensor *parts[16];
    for (size_t k = 0; k < size && size <= 16; k++) {
        int64_t at = (int64_t)k;
        Tensor *part = tensor_slice(v, axis, at, at + 1, 1);
        parts[k] = tensor_mul(tensor_div(part, tensor_norm(part)), tensor_slice(g, axis, at, at + 1, 1));
    }
    return tensor_concat(parts, size, axis);
}

static void linear(void) {
    Module *m = ready(module_weight_norm(module_linear(3, 4), "weight", 0));
    CHECK(module_names_are(m, "weight_v bias weight_g "));
    CHECK(shape_equal(param_shape(module_param(m, "weight_g")), shape2(4, 1)));
    Tensor *x = tensor_normal(tape, shape2(2, 3), 0, 1, &rng);
    /* at first the weight is v */
    CHECK(tensors_near(module_forward(m, x), tensor_linear(x, of(m, "weight_v"), of(m, "bias")), tolerance()));
    CHECK(param_uniform(module_param(m, "weight_g"), 0.5, 2, &rng));
    Tensor *w = by_hand(of(m, "weight_v"), of(m, "weight_g"), 0);
    CHECK(tensors_near(module_forward(m, x), tensor_linear(x, w, of(m, "bias")), tolerance()));
    CHECK(module_forwards_agree(m, &x, 1));
    /* fast weights: the gradients are those of the composition */
    FModule *f = fmodule_create(tape, m, false);
    Tensor *in[3] = {fmodule_param(f, "weight_v"), fmodule_param(f, "bias"), fmodule_param(f, "weight_g")};
    Tensor *a[3], *b[3];
    Tensor *hand = tensor_linear(x, by_hand(in[0], in[2], 0), in[1]);
    CHECK(tensor_grad(tensor_sum(tensor_sin(fmodule_forward(f, x))), in, 3, a, 0));
    CHECK(tensor_grad(tensor_sum(tensor_sin(hand)), in, 3, b, 0));
    for (int i = 0; i < 3; i++)
        CHECK(tensors_near(a[i], b[i], 10 * tolerance()));
    /* a step on the tape has the bits of one in place */
    Optim *optim = optim_sgd(module_params(m), sgd_options(0.1));
    DiffOpt *opt = diffopt_create(optim, f);
    CHECK(diffopt_step(opt, tensor_sum(tensor_sin(fmodule_forward(f, x)))));
    CHECK(tensor_backward(tensor_sum(tensor_sin(module_forward(m, x)))) && optim_step(optim));
    tape_reset(tape); /* what it held of the old numbers */
    optim_destroy(optim);
    module_destroy(m);
}

/* Stepped on the tape and in place alike, through a module that holds one with a normalised weight. */
static void stepped(void) {
    Module *children[] = {module_weight_norm(module_linear(3, 4), "weight", 0), module_relu(),
                          module_weight_norm(module_linear_no_bias(4, 2), "weight", -1)};
    Module *m = ready(module_sequential(children, 3)), *copy = module_clone(m);
    CHECK(module_names_are(m, "0.weight_v 0.bias 0.weight_g 2.weight_v 2.weight_g "));
    Optim *optim = optim_new("adam", module_params(m));
    Tensor *x = tensor_normal(tape, shape2(5, 3), 0, 1, &rng);
    FModule *f = fmodule_create(tape, m, false);
    DiffOpt *opt = diffopt_create(optim, f);
    for (int i = 0; i < 3; i++)
        CHECK(diffopt_step(opt, tensor_sum(tensor_sin(fmodule_forward(f, x)))));
    CHECK(fmodule_commit(f, copy));
    for (int i = 0; i < 3; i++) {
        optim_zero_grad(optim);
        CHECK(tensor_backward(tensor_sum(tensor_sin(module_forward(m, x)))) && optim_step(optim));
    }
    CHECK(tensors_same(module_forward(m, x), module_forward(copy, x)));
    optim_destroy(optim);
    module_destroy(m);
    module_destroy(copy);
}

static void layers(void) {
    Conv2dOptions conv = conv2d_options();
    ConvTranspose1dOptions turned = conv_transpose1d_options();
    Module *m = ready(module_weight_norm(module_conv2d(2, 3, 2, 2, conv), "weight", 0));
    Tensor *x = tensor_normal(tape, shape4(2, 2, 4, 4), 0, 1, &rng);
    CHECK(param_uniform(module_param(m, "weight_g"), 0.5, 2, &rng));
    Tensor *w = by_hand(of(m, "weight_v"), of(m, "weight_g"), 0);
    CHECK(tensors_near(module_forward(m, x), tensor_conv2d(x, w, of(m, "bias"), conv), tolerance()));
    module_destroy(m);
    m = ready(module_weight_norm(module_conv_transpose1d(2, 3, 2, turned), "weight", 1));
    x = tensor_normal(tape, shape3(2, 2, 4), 0, 1, &rng);
    CHECK(shape_equal(param_shape(module_param(m, "weight_g")), shape3(1, 3, 1)));
    CHECK(param_uniform(module_param(m, "weight_g"), 0.5, 2, &rng));
    w = by_hand(of(m, "weight_v"), of(m, "weight_g"), 1);
    CHECK(tensors_near(module_forward(m, x), tensor_conv_transpose1d(x, w, of(m, "bias"), turned), tolerance()));
    module_destroy(m);
    /* two weights of one layer, which asks for them by number; and a bias, asked for by number and name */
    Module *plain = ready(module_lstm(3, 2, rnn_options()));
    m = module_weight_norm(module_weight_norm(module_clone(plain), "weight_hh_l0", 0), "weight_ih_l0", 0);
    m = module_weight_norm(m, "bias_ih_l0", 0);
    CHECK(module_params(m).count == 7 && strcmp(param_name(module_params(m).items[6]), "bias_ih_l0_g") == 0);
    x = tensor_normal(tape, shape2(4, 3), 0, 1, &rng);
    CHECK(tensors_near(module_forward(m, x), module_forward(plain, x), 10 * tolerance()));
    CHECK(module_forwards_agree(m, &x, 1));
    module_destroy(m);
    module_destroy(plain);
    m = module_weight_norm(ready(module_linear(3, 2)), "bias", 0);
    x = tensor_ones(tape, shape2(1, 3));
    CHECK(tensors_near(module_forward(m, x), tensor_linear(x, of(m, "weight"), of(m, "bias_v")), tolerance()));
    module_destroy(m);
}

/* A layer of one's own asks by name, for the weight and for what it is made of. */
static bool own_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin, (void)nout;
    out[0] = tensor_sub(tensor_mul(in[0], frame_param(frame, "w")), frame_param(frame, "w_v"));
    return out[0] != NULL;
}

static void own_layer(void) {
    Module *m = module_create(&(ModuleClass){.name = "own", .forward = own_forward}, NULL);
    CHECK(module_add_param(m, "w", shape1(2)));
    m = module_weight_norm(m, "w", 0);
    CHECK(m && module_to(m, tape_dtype(tape)));
    CHECK(param_set_f64(module_param(m, "w_v"), (double[]){3, -4}, 2));
    CHECK(param_set_f64(module_param(m, "w_g"), (double[]){2, 5}, 2));
    double y[2];
    CHECK(tensor_copy_to_f64(module_forward(m, tensor_ones(tape, shape1(2))), y, 2));
    CHECK(y[0] == 2 - 3 && y[1] == -5 + 4); /* each place is its own length */
    module_destroy(m);
}

/* Names in a table, past the length where lists are looked through. */
static void many(void) {
    Module *m = module_create(&(ModuleClass){.name = "own", .forward = own_forward}, NULL);
    char name[24];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, i == 7 ? "w" : "p%d", i);
        CHECK(module_add_param(m, name, shape1(2)));
    }
    m = module_weight_norm(m, "w", 0);
    CHECK(m && module_param(m, "w_v") == module_params(m).items[7] && module_param(m, "w_g") && module_param(m, "p39"));
    REFUSED(module_param(m, "w"));
    CHECK(module_add_param(m, "later", shape1(2)) && module_param(m, "later"));
    module_destroy(m);
}

static void copied_and_saved(void) {
    const char *path = "weight_norm.tmp";
    Module *m = ready(module_weight_norm(module_linear(3, 4), "weight", 0)), *copy = module_clone(m);
    CHECK(param_uniform(module_param(m, "weight_g"), 0.5, 2, &rng));
    Tensor *x = tensor_normal(tape, shape2(2, 3), 0, 1, &rng);
    CHECK(!tensors_near(module_forward(m, x), module_forward(copy, x), 1e-3));
    CHECK(module_save(m, path) && module_load(copy, path));
    CHECK(tensors_same(module_forward(m, x), module_forward(copy, x)));
    CHECK(module_init(copy, &rng)); /* anew: g is |v| again */
    Tensor *v = of(copy, "weight_v"), *b = of(copy, "bias");
    CHECK(tensors_near(module_forward(copy, x), tensor_linear(x, v, b), tolerance()));
    Module *inner = module_weight_norm(module_linear(3, 4), "weight", 0), *outer = ready(module_sequential(&inner, 1));
    CHECK(module_init_truncated_normal(outer, 0.5, &rng)); /* a length of two dimensions is no weight */
    v = of(inner, "weight_v");
    CHECK(tensors_near(module_forward(outer, x), tensor_matmul(x, tensor_transpose(v, 0, 1)), tolerance()));
    module_destroy(outer);
    /* what is frozen stays */
    param_freeze(module_param(m, "weight_g"), true);
    double was = param_get(module_param(m, "weight_g"), 1);
    CHECK(module_init(m, &rng) && param_get(module_param(m, "weight_g"), 1) == was);
    module_destroy(m);
    module_destroy(copy);
    remove(path);
}

static void refused(void) {
    REFUSED(module_weight_norm(NULL, "weight", 0));
    REFUSED(module_weight_norm(module_linear(2, 2), NULL, 0));
    REFUSED(module_weight_norm(module_linear(2, 2), "weights", 0));
    REFUSED(module_weight_norm(module_linear(2, 2), "weight", 2));
    REFUSED(module_weight_norm(module_linear(2, 2), "weight", -3));
    REFUSED(module_weight_norm(module_weight_norm(module_linear(2, 2), "weight", 0), "weight_v", 0));
    REFUSED(module_weight_norm(module_weight_norm(module_linear(2, 2), "weight", 0), "weight_g", 0));
    REFUSED(module_weight_norm(module_weight_norm(module_linear(2, 2), "weight", 0), "weight", 0));
    Module *m = module_linear(2, 2);
    CHECK(module_add_param(m, "weight_v", shape1(1)));
    REFUSED(module_weight_norm(m, "weight", 0));
    m = module_create(&(ModuleClass){.name = "own", .forward = own_forward}, NULL);
    CHECK(module_add_param(m, "s", shape_scalar()));
    REFUSED(module_weight_norm(m, "s", 0));
    Module *child = module_linear(2, 2), *net = module_sequential(&child, 1);
    CHECK(!module_weight_norm(child, "weight", 0) && higherc_status() == HC_ERR_STATE);
    higherc_clear_error();
    CHECK(module_params(net).count == 2);
    /* what was made before the module changed says so */
    CHECK(module_to(net, tape_dtype(tape)) && module_init(net, &rng));
    FModule *f = fmodule_create(tape, net, false);
    module_destroy(net);
    WRONG(HC_ERR_CHANGED, fmodule_forward(f, tensor_ones(tape, shape2(1, 2))));
}

int main(void) {
    for (int type = 0; type < 2; type++) {
        rng = rng_seed(6);
        tape = tape_create(type ? HC_F64 : HC_F32);
        linear();
        stepped();
        layers();
        own_layer();
        many();
        copied_and_saved();
        refused();
        CHECK(tape_status(tape) == HC_OK);
        tape_destroy(tape);
    }
    CHECK(higherc_error() == NULL);
    return check_done();
}
