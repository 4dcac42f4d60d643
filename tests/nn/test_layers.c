/* Layers without weights are the operations they are named after, copy, and keep to one tensor in and one out. */
#include <string.h>

#include "support/models.h"
#include "support/refuse.h"

static Tape *tape;

static Tensor *itself(Tensor *x) {
    return x;
}

static Tensor *flat(Tensor *x) {
    return tensor_reshape(x, shape2(tensor_dim(x, 0), tensor_count(x) / tensor_dim(x, 0)));
}

static Tensor *leaky(Tensor *x) {
    return tensor_leaky_relu(x, 0.2);
}

static Tensor *elu(Tensor *x) {
    return tensor_elu(x, 0.7);
}

static Tensor *softmax(Tensor *x) {
    return tensor_softmax(x, 1);
}

static Tensor *log_softmax(Tensor *x) {
    return tensor_log_softmax(x, -1);
}

static void check_layer(Module *module, Tensor *(*operation)(Tensor *), const char *name) {
    Rng rng = rng_seed(3);
    CHECK(module && module_to(module, tape_dtype(tape)) && strcmp(module_name(module), name) == 0);
    Module *copy = module_clone(module);
    Tensor *x = tensor_normal(tape, shape3(2, 3, 4), 0, 1, &rng), *want = operation(x);
    CHECK(tensors_same(module_forward(module, x), want) &&
          tensors_same(module_forward(copy, x), want));
    CHECK(module_params(module).count == 0 && module_buffers(module).count == 0);
    module_destroy(copy);
    module_destroy(module);
}

static void operations(DType dtype) {
    tape = tape_create(dtype);
    check_layer(module_identity(), itself, "identity");
    check_layer(module_relu(), tensor_relu, "relu");
    check_layer(module_gelu(), tensor_gelu, "gelu");
    check_layer(module_silu(), tensor_silu, "silu");
    check_layer(module_softplus(), tensor_softplus, "softplus");
    check_layer(module_tanh(), tensor_tanh, "tanh");
    check_layer(module_sigmoid(), tensor_sigmoid, "sigmoid");
    check_layer(module_flatten(), flat, "flatten");
    check_layer(module_leaky_relu(0.2), leaky, "leaky_relu");
    check_layer(module_elu(0.7), elu, "elu");
    check_layer(module_softmax(1), softmax, "softmax");
    check_layer(module_log_softmax(-1), log_softmax, "log_softmax");
    tape_destroy(tape);
}

/* Batches of nothing else than numbers, and single numbers, become columns. */
static void flattened(void) {
    tape = tape_create(HC_F32);
    Module *flatten = module_flatten();
    CHECK(shape_equal(tensor_shape(module_forward(flatten, tensor_ones(tape, shape1(3)))),
                      shape2(3, 1)));
    CHECK(shape_equal(tensor_shape(module_forward(flatten, tensor_scalar(tape, 2))), shape2(1, 1)));
    CHECK(shape_equal(tensor_shape(module_forward(flatten, tensor_ones(tape, shape2(3, 0)))),
                      shape2(3, 0)));
    module_destroy(flatten);
    tape_destroy(tape);
}

static void one_to_one(void) {
    Module *modules[] = {module_identity(),
                         module_relu(),
                         module_gelu(),
                         module_silu(),
                         module_softplus(),
                         module_tanh(),
                         module_sigmoid(),
                         module_flatten(),
                         module_leaky_relu(0.2),
                         module_elu(0.7),
                         module_softmax(0),
                         module_log_softmax(0),
                         module_dropout(0.5),
                         module_linear(2, 2),
                         module_linear_no_bias(2, 2),
                         module_embedding(2, 2),
                         module_conv1d(1, 1, 1, conv1d_options()),
                         module_conv2d(1, 1, 1, 1, conv2d_options()),
                         module_max_pool1d(pool1d_options(1)),
                         module_max_pool2d(pool2d_options(1)),
                         module_avg_pool1d(pool1d_options(1)),
                         module_avg_pool2d(pool2d_options(1)),
                         module_adaptive_avg_pool2d(1, 1),
                         module_batch_norm1d(2, batch_norm_options()),
                         module_batch_norm2d(2, batch_norm_options()),
                         module_layer_norm(shape1(2), norm_options()),
                         module_group_norm(1, 2, norm_options()),
                         module_rms_norm(shape1(2), norm_options()),
                         module_prelu(1, 0.25),
                         module_upsample2d(2, 2, false),
                         module_instance_norm1d(2, instance_norm_options()),
                         module_instance_norm2d(2, instance_norm_options()),
                         module_conv_transpose1d(1, 1, 1, conv_transpose1d_options()),
                         module_conv_transpose2d(1, 1, 1, 1, conv_transpose2d_options()),
                         module_sequential(NULL, 0)};
    Rng rng = rng_seed(1);
    tape = tape_create(HC_F32);
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        Tensor *x = tensor_ones(tape, shape2(2, 2)), *in[2] = {x, x}, *out[2] = {x, x};
        CHECK(modules[i] && module_init(modules[i], &rng));
        WRONG(HC_ERR_ARG, module_forward_n(modules[i], in, 2, out, 1));
        WRONG(HC_ERR_ARG, module_forward_n(modules[i], in, 1, out, 2));
        WRONG(HC_ERR_ARG, module_forward_n(modules[i], in, 1, out, 0));
        CHECK(out[0] == x && out[1] == x);
        module_destroy(modules[i]);
    }
    tape_destroy(tape);
}

int main(void) {
    operations(HC_F32);
    operations(HC_F64);
    flattened();
    one_to_one();
    CHECK(higherc_error() == NULL);
    return check_done();
}
