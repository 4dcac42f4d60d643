/* Layers of windows and norms by the operations they are named after: transposed convolutions, convolutions with
 * zeros on some sides, RMS and instance norms; names, first values, fast weights, what is refused. */
#include <math.h>
#include <string.h>

#include "support/models.h"
#include "support/refuse.h"

static Tape *tape;
static Rng rng;

static Module *ready(Module *module) {
    CHECK(module && module_to(module, tape_dtype(tape)) && module_init(module, &rng));
    return module;
}

static Tensor *weight_of(Module *m, const char *name) {
    return param_tensor(tape, module_param(m, name));
}

/* All within the bound, and not all near its middle. */
static void within(const Param *p, double bound) {
    double most = 0;
    for (size_t i = 0; i < param_count(p); i++)
        most = fmax(most, fabs(param_get(p, i)));
    CHECK(most <= bound && most > bound / 4);
}

static void transposed(void) {
    ConvTranspose2dOptions o = conv_transpose2d_options();
    CHECK(o.stride[0] == 1 && o.padding[1] == 0 && o.dilation[0] == 1 && o.output_padding[0] == 0 && o.groups == 1 &&
          o.bias);
    o.stride[0] = 2;
    o.output_padding[0] = 1;
    o.groups = 2;
    Module *net = ready(module_conv_transpose2d(4, 6, 3, 2, o));
    Tensor *x = tensor_normal(tape, shape4(2, 4, 3, 3), 0, 1, &rng);
    CHECK(strcmp(module_name(net), "conv_transpose2d") == 0 && module_names_are(net, "weight bias "));
    CHECK(shape_equal(param_shape(module_param(net, "weight")), shape4(4, 3, 3, 2)));
    within(module_param(net, "weight"), 1 / sqrt(18));
    within(module_param(net, "bias"), 1 / sqrt(18));
    CHECK(tensors_same(module_forward(net, x),
                       tensor_conv_transpose2d(x, weight_of(net, "weight"), weight_of(net, "bias"), o)));
    CHECK(module_forwards_agree(net, &x, 1));
    module_destroy(net);
    ConvTranspose1dOptions line = conv_transpose1d_options();
    line.bias = false;
    line.stride = 3;
    net = ready(module_conv_transpose1d(4, 2, 3, line));
    x = tensor_normal(tape, shape3(2, 4, 3), 0, 1, &rng);
    CHECK(module_names_are(net, "weight "));
    CHECK(tensors_same(module_forward(net, x), tensor_conv_transpose1d(x, weight_of(net, "weight"), NULL, line)));
    CHECK(module_forwards_agree(net, &x, 1));
    module_destroy(net);
    line.output_padding = 3;
    REFUSED(module_conv_transpose1d(4, 2, 3, line));
    o.output_padding[1] = 1;
    REFUSED(module_conv_transpose2d(4, 6, 3, 2, o));
    o.output_padding[1] = 0;
    REFUSED(module_conv_transpose2d(3, 6, 3, 2, o));
    REFUSED(module_conv_transpose2d(4, 6, 0, 2, o));
    o.stride[1] = 0;
    REFUSED(module_conv_transpose2d(4, 6, 3, 2, o));
}

static void sides(void) {
    Conv2dOptions o = conv2d_options();
    o.pad = HC_PAD_SAME;
    Module *net = ready(module_conv2d(2, 3, 3, 2, o));
    Tensor *x = tensor_normal(tape, shape4(2, 2, 4, 5), 0, 1, &rng), *y = module_forward(net, x);
    CHECK(shape_equal(tensor_shape(y), shape4(2, 3, 4, 5)) && module_forwards_agree(net, &x, 1));
    CHECK(tensors_same(y, tensor_conv2d(x, weight_of(net, "weight"), weight_of(net, "bias"), o)));
    module_destroy(net);
    o.stride[1] = 2;
    REFUSED(module_conv2d(2, 3, 3, 2, o));
    o = conv2d_options();
    o.pad = HC_PAD_UNEVEN;
    o.padding_after[1] = 65536;
    REFUSED(module_conv2d(2, 3, 3, 2, o));
    Conv1dOptions line = conv1d_options();
    line.pad = HC_PAD_UNEVEN;
    line.padding = 2;
    net = ready(module_conv1d(2, 3, 3, line));
    x = tensor_normal(tape, shape3(2, 2, 4), 0, 1, &rng);
    CHECK(tensor_dim(module_forward(net, x), 2) == 4);
    module_destroy(net);
    line.pad = (ConvPad)5;
    REFUSED(module_conv1d(2, 3, 3, line));
}

static void upsampled(void) {
    for (int bilinear = 0; bilinear < 2; bilinear++) {
        Module *net = ready(module_upsample2d(2, 3, bilinear));
        Tensor *x = tensor_normal(tape, shape4(2, 3, 4, 5), 0, 1, &rng), *y = module_forward(net, x);
        CHECK(strcmp(module_name(net), "upsample2d") == 0 && module_params(net).count == 0);
        CHECK(tensors_same(y, bilinear ? tensor_upsample_bilinear2d(x, 8, 15) : tensor_upsample_nearest2d(x, 8, 15)));
        CHECK(module_forwards_agree(net, &x, 1));
        WRONG(HC_ERR_SHAPE, module_forward(net, tensor_ones(tape, shape3(2, 3, 4))));
        module_destroy(net);
    }
    REFUSED(module_upsample2d(0, 2, false));
    REFUSED(module_upsample2d(2, 0, true));
}

static void prelu(void) {
    Module *net = ready(module_prelu(3, 0.25));
    Tensor *x = tensor_normal(tape, shape3(2, 3, 4), 0, 1, &rng);
    CHECK(strcmp(module_name(net), "prelu") == 0 && module_names_are(net, "weight "));
    CHECK(tensors_same(module_forward(net, x), tensor_leaky_relu(x, 0.25)) && module_forwards_agree(net, &x, 1));
    CHECK(param_set_f64(module_param(net, "weight"), (double[]){0.5, -1, 2}, 3));
    CHECK(tensors_same(module_forward(net, x), tensor_prelu(x, weight_of(net, "weight"))));
    WRONG(HC_ERR_SHAPE, module_forward(net, tensor_ones(tape, shape3(2, 2, 4))));
    module_destroy(net);
    net = ready(module_prelu(1, 0.125));
    CHECK(tensors_same(module_forward(net, x), tensor_leaky_relu(x, 0.125)));
    module_destroy(net);
}

static void rms(void) {
    NormOptions o = norm_options(), bare = {1e-5, false};
    Module *net = ready(module_rms_norm(shape1(3), o));
    Tensor *x = tensor_normal(tape, shape3(2, 4, 3), 0, 1, &rng);
    CHECK(strcmp(module_name(net), "rms_norm") == 0 && module_names_are(net, "weight "));
    CHECK(param_get(module_param(net, "weight"), 2) == 1 && param_fill(module_param(net, "weight"), 0.5));
    CHECK(tensors_same(module_forward(net, x), tensor_rms_norm(x, shape1(3), weight_of(net, "weight"), 1e-5)));
    CHECK(module_forwards_agree(net, &x, 1));
    module_destroy(net);
    net = ready(module_rms_norm(shape2(4, 3), bare));
    CHECK(module_params(net).count == 0);
    double got[24], in[24], square = 0;
    CHECK(tensor_copy_to_f64(module_forward(net, x), got, 24) && tensor_copy_to_f64(x, in, 24));
    for (int i = 0; i < 12; i++)
        square += in[i] * in[i] / 12;
    for (int i = 0; i < 12; i++)
        CHECK_NEAR(got[i], in[i] / sqrt(square + 1e-5), tape_dtype(tape) == HC_F64 ? 1e-13 : 1e-5, 1e-7);
    WRONG(HC_ERR_SHAPE, module_forward(net, tensor_ones(tape, shape2(2, 3))));
    module_destroy(net);
    REFUSED(module_rms_norm(shape_of(NULL, 2), o));
    bare.eps = -1;
    REFUSED(module_rms_norm(shape1(3), bare));
}

static void instance(void) {
    NormOptions o = instance_norm_options();
    CHECK(o.eps == 1e-5 && !o.affine);
    Module *net = ready(module_instance_norm2d(3, o));
    Tensor *x = tensor_normal(tape, shape4(2, 3, 2, 4), 1, 2, &rng);
    CHECK(strcmp(module_name(net), "instance_norm2d") == 0 && module_params(net).count == 0);
    CHECK(tensors_same(module_forward(net, x), tensor_group_norm(x, 3, NULL, NULL, 1e-5)));
    double got[48], sum = 0, square = 0;
    CHECK(tensor_copy_to_f64(module_forward(net, x), got, 48));
    for (int i = 8; i < 16; i++) {
        sum += got[i];
        square += got[i] * got[i];
    }
    CHECK_NEAR(sum, 0, 0, 1e-5);
    CHECK_NEAR(square, 8, 1e-4, 0);
    CHECK(module_forwards_agree(net, &x, 1));
    WRONG(HC_ERR_SHAPE, module_forward(net, tensor_ones(tape, shape4(2, 2, 2, 4))));
    WRONG(HC_ERR_SHAPE, module_forward(net, tensor_ones(tape, shape4(2, 3, 1, 1)))); /* no variance */
    WRONG(HC_ERR_SHAPE, module_forward(net, tensor_ones(tape, shape3(2, 3, 4))));
    module_destroy(net);
    o.affine = true;
    net = ready(module_instance_norm1d(3, o));
    x = tensor_normal(tape, shape3(2, 3, 4), 1, 2, &rng);
    CHECK(module_names_are(net, "weight bias ") && param_get(module_param(net, "weight"), 0) == 1);
    CHECK(param_fill(module_param(net, "bias"), 0.25));
    CHECK(tensors_same(module_forward(net, x),
                       tensor_group_norm(x, 3, weight_of(net, "weight"), weight_of(net, "bias"), 1e-5)));
    CHECK(module_forwards_agree(net, &x, 1));
    module_destroy(net);
    net = ready(module_instance_norm1d(0, o));
    CHECK(tensor_count(module_forward(net, tensor_ones(tape, shape3(2, 0, 4)))) == 0);
    module_destroy(net);
    o.eps = (double)NAN;
    REFUSED(module_instance_norm1d(3, o));
}

int main(void) {
    for (int type = 0; type < 2; type++) {
        rng = rng_seed(6);
        tape = tape_create(type ? HC_F64 : HC_F32);
        transposed();
        sides();
        upsampled();
        prelu();
        rms();
        instance();
        CHECK(tape_status(tape) == HC_OK);
        tape_destroy(tape);
    }
    CHECK(higherc_error() == NULL);
    return check_done();
}
