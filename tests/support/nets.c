#include "support/nets.h"

#include "support/check.h"

Tensor *stored_otherwise(Tensor *x) {
    if (tensor_ndim(x) < 2) return tensor_mul_scalar(x, 1);
    return tensor_transpose(tensor_mul_scalar(tensor_transpose(x, -1, -2), 1), -1, -2);
}

/* ---- modules of their own kind -------------------------------------------------------------------- */

/* Carries what it saw on from buffer to buffer: a <- what comes in, b <- a, c <- a's view. */
static bool delay_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Tensor *a = frame_buffer(frame, "a"), *b = frame_buffer(frame, "b");
    Tensor *mixed = tensor_add(tensor_mul(in[0], frame_param(frame, "w")),
                               tensor_sub(a, tensor_transpose(b, 0, 1)));
    out[0] = tensor_add(mixed, frame_buffer(frame, "c"));
    return nin == 1 && nout == 1 && frame_set_buffer(frame, "a", tensor_mul_scalar(in[0], 0.5)) &&
           frame_set_buffer(frame, "b", a) &&
           frame_set_buffer(frame, "c", tensor_transpose(b, 0, 1));
}

static Module *delay(void) {
    static const ModuleClass cls = {.name = "delay", .forward = delay_forward};
    static const char *const names[] = {"a", "b", "c"};
    Module *m = module_create(&cls, NULL);
    CHECK(module_add_param(m, "w", shape2(3, 3)));
    for (size_t i = 0; i < 3; i++)
        CHECK(module_add_buffer(m, names[i], shape2(3, 3), 0.1 * (double)i));
    return m;
}

/* Reads its weights turned, in slices, spread out and stored otherwise; one it does not read. */
static bool views_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Tensor *w = frame_param(frame, "w"), *row = frame_param(frame, "row");
    Tensor *y = tensor_matmul(in[0], tensor_transpose(w, 0, 1));
    y = tensor_add(y, tensor_matmul(in[0], stored_otherwise(w)));
    y = tensor_mul(tensor_tanh(y), tensor_expand(row, shape2(4, 4)));
    Tensor *left = tensor_matmul(y, tensor_slice(w, 1, 0, 4, 2));
    Tensor *cube = tensor_permute(frame_param(frame, "cube"), (int[]){2, 0, 1}, 3);
    Tensor *right = tensor_matmul(y, tensor_reshape(cube, shape2(4, 2)));
    out[0] = tensor_concat((Tensor *[]){left, right}, 2, 1);
    return nin == 1 && nout == 1 && out[0] != NULL;
}

static Module *views(void) {
    static const ModuleClass cls = {.name = "views", .forward = views_forward};
    Module *m = module_create(&cls, NULL);
    CHECK(module_add_param(m, "w", shape2(4, 4)) && module_add_param(m, "row", shape2(1, 4)) &&
          module_add_param(m, "cube", shape3(2, 2, 2)) && module_add_param(m, "idle", shape1(3)));
    return m;
}

static bool attention_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                              size_t nout) {
    Tensor *q = frame_call(frame, "q", in[0]), *k = frame_call(frame, "k", in[0]);
    Tensor *v = frame_call(frame, "v", in[0]);
    Tensor *y = tensor_scaled_dot_product_attention(q, k, v, NULL);
    return nin == 1 && nout == 1 &&
           (out[0] = frame_call(frame, "norm", tensor_add(in[0], y))) != NULL;
}

static Module *attention(void) {
    static const ModuleClass cls = {.name = "attention", .forward = attention_forward};
    Module *m = module_create(&cls, NULL);
    CHECK(module_add_child(m, "q", module_linear(4, 4)) &&
          module_add_child(m, "k", module_linear(4, 4)) &&
          module_add_child(m, "v", module_linear_no_bias(4, 4)) &&
          module_add_child(m, "norm", module_layer_norm(shape1(4), norm_options())) &&
          module_tie(m, "k.weight", "q.weight"));
    return m;
}

static Tensor *cube_forward(const CustomCall *call) {
    Tensor *x = call->inputs[0];
    return tensor_mul(tensor_square(x), tensor_mul_scalar(x, 0.1));
}

static bool cube_backward(const CustomCall *call, Tensor **grads) {
    Tensor *x = call->inputs[0];
    grads[0] = tensor_mul(call->gradient, tensor_mul_scalar(tensor_square(x), 0.3));
    return grads[0] != NULL;
}

static bool custom_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    static const CustomClass cube = {
        .name = "cube", .forward = cube_forward, .backward = cube_backward};
    Tensor *y = tensor_add(in[0], frame_param(frame, "shift"));
    return nin == 1 && nout == 1 && (out[0] = tensor_custom(&cube, &y, 1, NULL)) != NULL;
}

static Module *custom(void) {
    static const ModuleClass cls = {.name = "custom", .forward = custom_forward};
    Module *m = module_create(&cls, NULL);
    CHECK(module_add_param(m, "shift", shape1(4)));
    return m;
}

/* ---- the networks ----------------------------------------------------------------------------------- */

static Module *linear(void) {
    return module_linear(3, 2);
}

static Module *mlp(void) {
    Module *layers[] = {module_linear(3, 5), module_relu(), module_linear(5, 5), module_gelu(),
                        module_linear_no_bias(5, 2)};
    return module_sequential(layers, 5);
}

static Module *wide(void) { /* large enough to run in shares */
    Module *layers[] = {module_linear(16, 520), module_silu(), module_linear(520, 3)};
    return module_sequential(layers, 3);
}

static Module *tied(void) {
    Module *shared = module_linear(4, 4);
    Module *layers[] = {shared, module_tanh(), shared, module_sigmoid(), module_linear(4, 4)};
    Module *m = module_sequential(layers, 5);
    CHECK(module_tie(m, "4.weight", "0.weight"));
    return m;
}

static Module *cubes(void) {
    Module *layers[] = {module_linear(3, 4), custom(), module_linear(4, 2), module_dropout(0.2)};
    return module_sequential(layers, 4);
}

static Module *conv_batch_norm(void) {
    Conv2dOptions padded = conv2d_options();
    padded.padding[0] = padded.padding[1] = 1;
    Module *layers[] = {module_conv2d(2, 5, 3, 3, padded),
                        module_batch_norm2d(5, batch_norm_options()),
                        module_relu(),
                        module_max_pool2d(pool2d_options(2)),
                        module_conv2d(5, 3, 2, 2, conv2d_options()),
                        module_flatten(),
                        module_linear(12, 2)};
    return module_sequential(layers, 7);
}

static Module *conv_groups(void) {
    Conv2dOptions strided = conv2d_options();
    strided.stride[0] = 2;
    strided.groups = 2;
    BatchNormOptions counted = batch_norm_options();
    counted.cumulative = true;
    Module *layers[] = {module_conv2d(2, 4, 2, 3, strided),
                        module_group_norm(2, 4, norm_options()),
                        module_elu(0.7),
                        module_conv2d(4, 4, 1, 1, conv2d_options()),
                        module_batch_norm2d(4, counted),
                        module_avg_pool2d(pool2d_options(2)),
                        module_flatten(),
                        module_linear(8, 2)};
    return module_sequential(layers, 8);
}

static Module *recurrent(Module *(*make)(size_t, size_t, RnnOptions), bool both_ways) {
    RnnOptions options = rnn_options();
    options.layers = 2;
    options.bidirectional = both_ways;
    Module *layers[] = {make(3, 3, options), module_linear(both_ways ? 6 : 3, 2)};
    return module_sequential(layers, 2);
}

static Module *lstm(void) {
    return recurrent(module_lstm, false);
}

static Module *gru(void) {
    return recurrent(module_gru, true);
}

static Module *embedding(void) {
    Module *layers[] = {module_embedding(5, 4), module_dropout(0.3), attention(),
                        module_softplus()};
    return module_sequential(layers, 4);
}

#define SHAPE(n, ...)                                                                              \
    {                                                                                              \
        n, {                                                                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
const Net nets[] = {
    {"linear", linear, SHAPE(2, 4, 3), SHAPE(2, 4, 2), 0, true, false},
    {"mlp", mlp, SHAPE(2, 4, 3), SHAPE(2, 4, 2), 0, true, false},
    {"wide", wide, SHAPE(2, 128, 16), SHAPE(2, 128, 3), 0, true, false},
    {"cubes", cubes, SHAPE(2, 4, 3), SHAPE(2, 4, 2), 0, false, false},
    {"tied", tied, SHAPE(2, 3, 4), SHAPE(2, 3, 4), 0, true, false},
    {"conv_batch_norm", conv_batch_norm, SHAPE(4, 3, 2, 6, 6), SHAPE(2, 3, 2), 0, true, false},
    {"conv_groups", conv_groups, SHAPE(4, 3, 2, 6, 6), SHAPE(2, 3, 2), 0, true, false},
    {"lstm", lstm, SHAPE(3, 3, 2, 3), SHAPE(3, 3, 2, 2), 0, true, false},
    {"gru", gru, SHAPE(3, 3, 2, 3), SHAPE(3, 3, 2, 2), 0, true, false},
    {"delay", delay, SHAPE(2, 3, 3), SHAPE(2, 3, 3), 0, true, true},
    {"views", views, SHAPE(2, 4, 4), SHAPE(2, 4, 4), 0, true, false},
    {"attention", attention, SHAPE(3, 2, 3, 4), SHAPE(3, 2, 3, 4), 0, true, false},
    {"embedding", embedding, SHAPE(2, 2, 3), SHAPE(3, 2, 3, 4), 5, false, false},
};
const size_t net_count = sizeof nets / sizeof *nets;

Module *net_make(const Net *net, DType dtype, uint64_t seed) {
    Rng rng = rng_seed(seed);
    Module *m = net->make();
    CHECK(m && module_to(m, dtype) && module_init(m, &rng));
    return m;
}

Tensor *net_input(const Net *net, Tape *tape, uint64_t seed) {
    Rng rng = rng_seed(seed);
    if (!net->classes) return tensor_normal(tape, net->input, 0, 1, &rng);
    int64_t index[16];
    CHECK(shape_count(net->input) <= 16);
    for (size_t i = 0; i < shape_count(net->input); i++)
        index[i] = (int64_t)rng_below(&rng, net->classes);
    return tensor_from_i64(tape, net->input, index);
}

Tensor *net_target(const Net *net, Tape *tape, uint64_t seed) {
    Rng rng = rng_seed(seed);
    return tensor_uniform(tape, net->output, -1, 1, &rng);
}
