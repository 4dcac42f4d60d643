/* A network of each kind of layer, made in PyTorch (from_torch.py): loaded by name it gives here what it gave there,
 * and what is stored of it has the names, types, shapes and bits that it had. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/check.h"

#ifndef FROM_TORCH
#define FROM_TORCH "from_torch.safetensors"
#endif

static Module *linear(void) {
    Module *layers[] = {module_linear(3, 4), module_tanh(), module_linear_no_bias(4, 2)};
    return module_sequential(layers, 3);
}
static Module *prelu(void) {
    return module_prelu(3, 0.25);
}
static Module *batch_norm1d(void) {
    return module_batch_norm1d(3, batch_norm_options());
}
static Module *batch_norm2d(void) {
    return module_batch_norm2d(2, batch_norm_options());
}
static Module *layer_norm(void) {
    return module_layer_norm(shape2(2, 3), norm_options());
}
static Module *group_norm(void) {
    return module_group_norm(2, 4, norm_options());
}
static Module *instance_norm1d(void) {
    return module_instance_norm1d(2, norm_options());
}
static Module *weight_norm(void) {
    return module_weight_norm(module_linear(3, 2), "weight", 0);
}
static Module *conv1d(void) {
    return module_conv1d(2, 3, 2, conv1d_options());
}
static Module *conv2d(void) {
    Conv2dOptions options = conv2d_options();
    options.groups = 2;
    return module_conv2d(2, 4, 2, 3, options);
}
static Module *conv_transpose1d(void) {
    return module_conv_transpose1d(2, 3, 2, conv_transpose1d_options());
}
static Module *conv_transpose2d(void) {
    return module_conv_transpose2d(2, 3, 2, 3, conv_transpose2d_options());
}
static Module *embedding(void) {
    return module_embedding(5, 2);
}
static Module *attention(void) {
    return module_multihead_attention(4, 2, attention_options());
}
static Module *encoder(void) {
    TransformerOptions options = transformer_options();
    options.feedforward = 3;
    return module_transformer_encoder_layer(4, 2, options);
}
static Module *rnn(void) {
    return module_rnn(2, 3, rnn_options());
}
static Module *lstm(void) {
    RnnOptions options = rnn_options();
    options.layers = 2;
    options.bidirectional = true;
    return module_lstm(2, 3, options);
}
static Module *gru(void) {
    return module_gru(2, 3, rnn_options());
}

static const struct Kind {
    const char *name;
    Module *(*make)(void);
} kinds[] = {{"linear", linear},
             {"prelu", prelu},
             {"batch_norm1d", batch_norm1d},
             {"batch_norm2d", batch_norm2d},
             {"layer_norm", layer_norm},
             {"group_norm", group_norm},
             {"instance_norm1d", instance_norm1d},
             {"weight_norm", weight_norm},
             {"conv1d", conv1d},
             {"conv2d", conv2d},
             {"conv_transpose1d", conv_transpose1d},
             {"conv_transpose2d", conv_transpose2d},
             {"embedding", embedding},
             {"attention", attention},
             {"encoder", encoder},
             {"rnn", rnn},
             {"lstm", lstm},
             {"gru", gru}};

/* What stands under the name in one file has the same type, shape and bits in the other. */
static bool same(const Safetensors *a, size_t i, const Safetensors *b) {
    const char *name = safetensors_name(a, i);
    size_t j = safetensors_find(b, name), count = shape_count(safetensors_shape(a, i));
    float x[128], y[128];
    return j != SIZE_MAX && count <= 128 && safetensors_type(a, i) == safetensors_type(b, j) &&
           shape_equal(safetensors_shape(a, i), safetensors_shape(b, j)) && safetensors_to_f32(a, name, x, count) &&
           safetensors_to_f32(b, name, y, count) && memcmp(x, y, count * sizeof *x) == 0;
}

static void check_kind(const Safetensors *file, const struct Kind *kind, Tape *tape) {
    char prefix[64], name[64];
    LoadOptions options = load_options();
    LoadReport report;
    Module *net = kind->make();
    snprintf(prefix, sizeof prefix, "%s.net.", kind->name);
    options.prefix = prefix;
    CHECK(safetensors_to_module(file, net, options, &report) && report.loaded > 0);
    if (report.text[0]) printf("  %s: %s\n", kind->name, report.text);
    module_train(net, false);
    snprintf(name, sizeof name, "%s.x", kind->name);
    Tensor *y = module_forward(net, safetensors_tensor(file, name, tape));
    snprintf(name, sizeof name, "%s.y", kind->name);
    Tensor *there = safetensors_tensor(file, name, tape);
    CHECK(y && shape_equal(tensor_shape(y), tensor_shape(there)));
    CHECK(tensor_item(tensor_max(tensor_abs(tensor_sub(y, there)))) < 2e-6);

    Safetensors *back = safetensors_create();
    CHECK(safetensors_add_module(back, prefix, net) && safetensors_count(back) == report.loaded);
    for (size_t i = 0; i < safetensors_count(back); i++)
        CHECK(same(back, i, file));
    safetensors_destroy(back);
    module_destroy(net);
}

int main(void) {
    Safetensors *file = safetensors_open(FROM_TORCH);
    Tape *tape = tape_create(HC_F32);
    CHECK(file != NULL);
    size_t made = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_name(file, i);
        made += strcmp(name + strlen(name) - 2, ".y") == 0;
    }
    CHECK(made == sizeof kinds / sizeof *kinds);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_kind(file, &kinds[i], tape);
    CHECK(higherc_error() == NULL && tape_error(tape) == NULL);
    if (higherc_error()) printf("  %s\n", higherc_error());
    tape_destroy(tape);
    safetensors_destroy(file);
    return check_done();
}
