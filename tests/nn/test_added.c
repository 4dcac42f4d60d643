/* What a caller adds to a layer of the library is carried along, and is not taken for a part of the layer. */
#include <higherc/higherc.h>

#include "support/check.h"

enum { CHANNELS = 3 };

static Module *linear(void) {
    return module_linear_no_bias(2, CHANNELS);
}

static Module *conv1d(void) {
    Conv1dOptions options = conv1d_options();
    options.bias = false;
    return module_conv1d(2, CHANNELS, 1, options);
}

static Module *conv2d(void) {
    Conv2dOptions options = conv2d_options();
    options.bias = false;
    return module_conv2d(2, CHANNELS, 1, 1, options);
}

static Module *batch_norm(void) {
    BatchNormOptions options = batch_norm_options();
    options.affine = options.track_running_stats = false;
    return module_batch_norm1d(CHANNELS, options);
}

static Module *layer_norm(void) {
    NormOptions options = norm_options();
    options.affine = false;
    return module_layer_norm(shape1(CHANNELS), options);
}

static Module *group_norm(void) {
    NormOptions options = norm_options();
    options.affine = false;
    return module_group_norm(1, CHANNELS, options);
}

static void run(Module *module, Shape shape, double *out, size_t count) {
    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(2);
    FModule *f = fmodule_create(tape, module, false);
    Tensor *y = fmodule_forward(f, tensor_normal(tape, shape, 0, 1, &rng));
    CHECK(y != NULL);
    CHECK(tensor_copy_to_f64(y, out, count));
    tape_destroy(tape);
}

/* The same numbers with two Params more. */
static void params_added(Module *(*make)(void), Shape shape) {
    double before[2 * CHANNELS] = {0}, after[2 * CHANNELS] = {1};
    Module *module = make();
    Rng rng = rng_seed(1);
    CHECK(module_init(module, &rng));
    run(module, shape, before, 2 * CHANNELS);
    CHECK(param_fill(module_add_param(module, "mine", shape1(CHANNELS)), 5));
    CHECK(param_fill(module_add_param(module, "mine_too", shape1(CHANNELS)), 6));
    run(module, shape, after, 2 * CHANNELS);
    for (size_t i = 0; i < 2 * CHANNELS; i++)
        CHECK(before[i] == after[i]);
    module_destroy(module);
}

/* First values are those of the layer's own buffers. */
static void buffer_added(bool tracks) {
    BatchNormOptions options = batch_norm_options();
    options.track_running_stats = tracks;
    Module *module = module_batch_norm1d(CHANNELS, options);
    CHECK(module_add_buffer(module, "mine", shape_scalar(), 7));
    Rng rng = rng_seed(1);
    CHECK(module_init(module, &rng));
    CHECK(param_get(module_buffer(module, "mine"), 0) == 7);
    module_destroy(module);
}

int main(void) {
    params_added(linear, shape2(2, 2));
    params_added(conv1d, shape3(2, 2, 1));
    params_added(conv2d, shape4(2, 2, 1, 1));
    params_added(batch_norm, shape2(2, CHANNELS));
    params_added(layer_norm, shape2(2, CHANNELS));
    params_added(group_norm, shape2(2, CHANNELS));
    buffer_added(true);
    buffer_added(false);
    return check_done();
}
