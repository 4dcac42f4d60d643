/* Containers and functions as modules: their values by hand, names, gradients, fast weights, statistics, what is owned
 * and what is refused. */
#include <string.h>

#include "support/models.h"
#include "support/refuse.h"

static Tape *tape;

static Tensor *scaled(Tensor *x, void *user) {
    return tensor_mul_scalar(x, *(const double *)user);
}

static Tensor *nothing(Tensor *x, void *user) {
    (void)x, (void)user;
    return NULL;
}

static Tensor *given(Tensor *x, void *user) {
    (void)x;
    return user;
}

/* linear(3, out), tanh */
static Module *branch(size_t out) {
    return module_sequential((Module *[]){module_linear(3, out), module_tanh()}, 2);
}

static Module *ready(Module *module) {
    Rng rng = rng_seed(4);
    CHECK(module && module_to(module, tape_dtype(tape)) && module_init(module, &rng));
    return module;
}

static Tensor *by_hand(Module *net, const char *weight, const char *bias, Tensor *x) {
    Tensor *w = param_tensor(tape, module_param(net, weight)), *b = param_tensor(tape, module_param(net, bias));
    return tensor_tanh(tensor_linear(x, w, b));
}

static void sums(Tensor *x) {
    Module *net = ready(module_sum((Module *[]){module_identity(), branch(3), branch(3)}, 3));
    CHECK(strcmp(module_name(net), "sum") == 0);
    CHECK(module_names_are(net, "1.0.weight 1.0.bias 2.0.weight 2.0.bias "));
    Tensor *want = tensor_add(tensor_add(x, by_hand(net, "1.0.weight", "1.0.bias", x)),
                              by_hand(net, "2.0.weight", "2.0.bias", x));
    CHECK(tensors_same(module_forward(net, x), want) && module_forwards_agree(net, &x, 1));
    /* a gradient through all branches, to fast weights and to the input */
    FModule *f = fmodule_create(tape, net, false);
    Tensor *leaf = tensor_leaf(x), *g = NULL, *w = NULL;
    Tensor *loss = tensor_sum(fmodule_forward(f, leaf)), *second = fmodule_param(f, "2.0.weight");
    CHECK(tensor_grad(loss, &leaf, 1, &g, 0) && tensor_grad(loss, &second, 1, &w, 0));
    Module *one = ready(module_sum((Module *[]){module_identity()}, 1));
    CHECK(tensors_same(module_forward(one, x), x));
    module_destroy(one);
    module_destroy(net);
}

static void concats(Tensor *x) {
    Module *net = ready(module_concat((Module *[]){branch(2), branch(4), module_identity()}, 3, -1));
    CHECK(strcmp(module_name(net), "concat") == 0);
    Tensor *parts[] = {by_hand(net, "0.0.weight", "0.0.bias", x), by_hand(net, "1.0.weight", "1.0.bias", x), x};
    Tensor *y = module_forward(net, x);
    CHECK(shape_equal(tensor_shape(y), shape2(tensor_dim(x, 0), 9)));
    CHECK(tensors_same(y, tensor_concat(parts, 3, 1)) && module_forwards_agree(net, &x, 1));
    module_destroy(net);
}

/* One child at two places: its weights are shared, and its statistics move twice. */
static void repeated(void) {
    Rng rng = rng_seed(9);
    Tensor *x = tensor_normal(tape, shape2(5, 3), 0, 1, &rng);
    Module *norm = module_batch_norm1d(3, batch_norm_options());
    Module *net = ready(module_sum((Module *[]){norm, module_identity(), norm}, 3));
    CHECK(module_params(net).count == 2 && module_buffers(net).count == 3);
    CHECK(module_forward(net, x) && param_get(module_buffer(net, "0.num_batches_tracked"), 0) == 2);
    FModule *f = fmodule_create(tape, net, false);
    CHECK(fmodule_forward(f, x) && tensor_item(fmodule_buffer(f, "2.num_batches_tracked")) == 4);
    CHECK(module_forwards_agree(net, &x, 1));
    module_destroy(net);
}

static void functions(Tensor *x) {
    double factor = 0.5;
    Module *net = ready(module_lambda(scaled, &factor));
    CHECK(strcmp(module_name(net), "lambda") == 0 && module_params(net).count == 0);
    CHECK(tensors_same(module_forward(net, x), tensor_mul_scalar(x, 0.5)) && module_forwards_agree(net, &x, 1));
    factor = 3; /* borrowed, by clones too */
    Module *copy = module_clone(net);
    CHECK(tensors_same(module_forward(copy, x), tensor_mul_scalar(x, 3)));
    module_destroy(copy);
    module_destroy(net);
}

static void refused(Tensor *x) {
    Module *two[2] = {NULL, NULL};
    REFUSED(module_sum(NULL, 2));
    REFUSED(module_sum(NULL, 0));
    REFUSED(module_concat(NULL, 2, 0));
    REFUSED(module_concat(NULL, 0, 0));
    REFUSED(module_sum(two, 2));
    two[0] = module_linear(2, 2); /* goes with it */
    REFUSED(module_concat(two, 2, 0));
    REFUSED(module_lambda(NULL, NULL));
    Module *net = ready(module_sum((Module *[]){module_identity(), branch(1)}, 2));
    WRONG(HC_ERR_SHAPE, module_forward(net, x)); /* though it would broadcast */
    Tensor *in[2] = {x, x}, *out[2];
    WRONG(HC_ERR_ARG, module_forward_n(net, in, 2, out, 1));
    module_destroy(net);
    net = ready(module_concat((Module *[]){module_identity(), branch(1)}, 2, 2));
    WRONG(HC_ERR_SHAPE, module_forward(net, x));
    WRONG(HC_ERR_ARG, module_forward_n(net, in, 1, out, 2));
    module_destroy(net);
    net = ready(module_lambda(nothing, NULL));
    WRONG(HC_ERR_STATE, module_forward(net, x));
    WRONG(HC_ERR_ARG, module_forward_n(net, in, 2, out, 1));
    module_destroy(net);
    Tape *other = tape_create(tape_dtype(tape));
    net = ready(module_lambda(given, tensor_ones(other, shape1(2))));
    WRONG(HC_ERR_TAPE, module_forward(net, x));
    module_destroy(net);
    tape_destroy(other);
}

int main(void) {
    for (int type = 0; type < 2; type++) {
        Rng rng = rng_seed(2);
        tape = tape_create(type ? HC_F64 : HC_F32);
        Tensor *x = tensor_normal(tape, shape2(4, 3), 0, 1, &rng);
        sums(x);
        concats(x);
        repeated();
        functions(x);
        refused(x);
        CHECK(tape_status(tape) == HC_OK);
        tape_destroy(tape);
    }
    CHECK(higherc_error() == NULL);
    return check_done();
}
