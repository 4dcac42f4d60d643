/* Layers to modules (README.md, section 4). A kind of layer is one row of the table: how its words
 * are read, and what makes it; a row without a maker is a kind the library does not have yet. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

typedef Module *LayerMaker(const Layer *layer);

/* The first numbers of a layer: sizes, an axis, the number of another layer. */
static size_t layer_size(const Layer *layer, size_t place) {
    return (size_t)strtoull(layer->words[place], NULL, 10);
}

/* What follows the word `key`, or NULL. */
static const char *layer_setting(const Layer *layer, const char *key) {
    for (size_t i = 0; i + 1 < layer->count; i++)
        if (strcmp(layer->words[i], key) == 0) return layer->words[i + 1];
    return NULL;
}

static bool layer_flag(const Layer *layer, const char *key) {
    for (size_t i = 0; i < layer->count; i++)
        if (strcmp(layer->words[i], key) == 0) return true;
    return false;
}

/* ---- modules of our own ------------------------------------------------------------------------
 */

static bool forward_last(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame;
    if (nin != 1 || nout != 1) return false;
    int64_t steps = (int64_t)tensor_dim(in[0], 0);
    out[0] = tensor_squeeze(tensor_slice(in[0], 0, steps - 1, steps, 1), 0);
    return out[0] != NULL;
}

static bool forward_mean(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (nin != 1 || nout != 1) return false;
    out[0] = tensor_mean_axes(in[0], frame_state(frame), 1, false);
    return out[0] != NULL;
}

static bool forward_unused(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame;
    if (nin != 1 || nout != 1) return false;
    out[0] = in[0];
    return out[0] != NULL;
}

static Module *make_last(const Layer *layer) {
    (void)layer;
    return module_create(&(ModuleClass){.name = "last", .forward = forward_last}, NULL);
}

static Module *make_mean(const Layer *layer) {
    int *axis = malloc(sizeof *axis);
    if (!axis) return NULL;
    *axis = (int)strtol(layer->words[0], NULL, 10);
    ModuleClass mean = {.name = "mean", .forward = forward_mean, .destroy_state = free};
    return module_create(&mean, axis);
}

static Module *make_unused(const Layer *layer) {
    Shape shape = shape_scalar();
    shape.ndim = (int)layer->count;
    for (size_t i = 0; i < layer->count; i++)
        shape.dim[i] = layer_size(layer, i);
    Module *module =
        module_create(&(ModuleClass){.name = "unused", .forward = forward_unused}, NULL);
    if (module && module_add_param(module, "unused", shape)) return module;
    module_destroy(module);
    return NULL;
}

/* ---- modules of the library --------------------------------------------------------------------
 */

static Module *make_linear(const Layer *layer) {
    size_t in = layer_size(layer, 0), out = layer_size(layer, 1);
    return layer_flag(layer, "nobias") ? module_linear_no_bias(in, out) : module_linear(in, out);
}

/* A setting that is a whole number. */
static size_t setting_or(const Layer *layer, const char *key, size_t otherwise) {
    const char *word = layer_setting(layer, key);
    return word ? (size_t)strtoull(word, NULL, 10) : otherwise;
}

static Module *make_conv2d(const Layer *layer) {
    Conv2dOptions options = conv2d_options();
    size_t kernel = layer_size(layer, 2);
    options.stride[0] = options.stride[1] = setting_or(layer, "stride", 1);
    options.padding[0] = options.padding[1] = setting_or(layer, "pad", 0);
    options.bias = !layer_flag(layer, "nobias");
    return module_conv2d(layer_size(layer, 0), layer_size(layer, 1), kernel, kernel, options);
}

static Module *make_maxpool2d(const Layer *layer) {
    return module_max_pool2d(pool2d_options(layer_size(layer, 0)));
}

static Module *make_avgpool2d(const Layer *layer) {
    return module_avg_pool2d(pool2d_options(layer_size(layer, 0)));
}

static Module *make_relu(const Layer *layer) {
    return (void)layer, module_relu();
}
static Module *make_sigmoid(const Layer *layer) {
    return (void)layer, module_sigmoid();
}
static Module *make_tanh(const Layer *layer) {
    return (void)layer, module_tanh();
}
static Module *make_softplus(const Layer *layer) {
    return (void)layer, module_softplus();
}
static Module *make_flatten(const Layer *layer) {
    return (void)layer, module_flatten();
}

static double layer_number(const Layer *layer, const char *key, double otherwise) {
    const char *word = layer_setting(layer, key);
    return word ? strtod(word, NULL) : otherwise;
}

static BatchNormOptions batch_norm_words(const Layer *layer) {
    BatchNormOptions options = batch_norm_options();
    const char *momentum = layer_setting(layer, "momentum");
    options.eps = layer_number(layer, "eps", options.eps);
    options.cumulative = momentum && strcmp(momentum, "none") == 0;
    if (!options.cumulative) options.momentum = layer_number(layer, "momentum", options.momentum);
    return options;
}

static Module *make_batchnorm1d(const Layer *layer) {
    return module_batch_norm1d(layer_size(layer, 0), batch_norm_words(layer));
}
static Module *make_batchnorm2d(const Layer *layer) {
    return module_batch_norm2d(layer_size(layer, 0), batch_norm_words(layer));
}
static Module *make_layernorm(const Layer *layer) {
    NormOptions options = norm_options();
    options.eps = layer_number(layer, "eps", options.eps);
    return module_layer_norm(shape1(layer_size(layer, 0)), options);
}
static Module *make_embedding(const Layer *layer) {
    return module_embedding(layer_size(layer, 0), layer_size(layer, 1));
}

static RnnOptions rnn_words(const Layer *layer) {
    RnnOptions options = rnn_options();
    const char *layers = layer_setting(layer, "layers");
    const char *nonlinearity = layer_setting(layer, "nonlinearity");
    if (layers) options.layers = (size_t)strtoull(layers, NULL, 10);
    options.relu = nonlinearity && strcmp(nonlinearity, "relu") == 0;
    options.bias = !layer_flag(layer, "nobias");
    return options;
}

static Module *make_rnn(const Layer *layer) {
    return module_rnn(layer_size(layer, 0), layer_size(layer, 1), rnn_words(layer));
}
static Module *make_lstm(const Layer *layer) {
    return module_lstm(layer_size(layer, 0), layer_size(layer, 1), rnn_words(layer));
}
static Module *make_gru(const Layer *layer) {
    return module_gru(layer_size(layer, 0), layer_size(layer, 1), rnn_words(layer));
}

/* Any number of sizes. */
#define ANY SIZE_MAX

/* A `share` has no maker of its own: model_build puts the other layer's module there. */
static Module *make_share(const Layer *layer) {
    return (void)layer, NULL;
}

// clang-format off
static const struct LayerKind {
    const char *kind;
    size_t sizes;         /* how many numbers come first */
    const char *flags;    /* words that stand alone, each behind a space */
    const char *settings; /* words with a value behind them */
    LayerMaker *make;     /* NULL: not in the library yet */
} kinds[] = {
    {"linear",      2,   " nobias", " tie",                 make_linear},
    {"conv2d",      3,   " nobias", " stride pad",          make_conv2d},
    {"relu",        0,   "",        "",                     make_relu},
    {"sigmoid",     0,   "",        "",                     make_sigmoid},
    {"tanh",        0,   "",        "",                     make_tanh},
    {"softplus",    0,   "",        "",                     make_softplus},
    {"batchnorm1d", 1,   "",        " momentum eps",        make_batchnorm1d},
    {"batchnorm2d", 1,   "",        " momentum eps",        make_batchnorm2d},
    {"layernorm",   1,   "",        " eps",                 make_layernorm},
    {"maxpool2d",   1,   "",        "",                     make_maxpool2d},
    {"avgpool2d",   1,   "",        "",                     make_avgpool2d},
    {"flatten",     0,   "",        "",                     make_flatten},
    {"embedding",   2,   "",        "",                     make_embedding},
    {"rnn",         2,   " nobias", " layers nonlinearity", make_rnn},
    {"lstm",        2,   " nobias", " layers",              make_lstm},
    {"gru",         2,   " nobias", " layers",              make_gru},
    {"last",        0,   "",        "",                     make_last},
    {"mean",        1,   "",        "",                     make_mean},
    {"unused",      ANY, "",        "",                     make_unused},
    {"share",       1,   "",        "",                     make_share},
};
// clang-format on

static const struct LayerKind *find_kind(const Layer *layer) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].kind, layer->kind) == 0) return &kinds[i];
    return NULL;
}

const char *model_missing(const Case *c) {
    for (size_t i = 0; i < c->layer_count; i++) {
        const struct LayerKind *kind = find_kind(&c->layers[i]);
        if (kind && !kind->make) return kind->kind;
    }
    return NULL;
}

/* ---- reading a layer's words
 * ---------------------------------------------------------------------- */

static bool fail(char *message, const char *format, ...) {
    if (message[0] != '\0') return false;
    va_list args;
    va_start(args, format);
    vsnprintf(message, MESSAGE_SIZE, format, args);
    va_end(args);
    return false;
}

/* Whether `list` has the word, with a space before it and a space or the end behind it. */
static bool listed(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *c = strchr(list, ' '); c && length > 0; c = strchr(c + 1, ' '))
        if (strncmp(c + 1, word, length) == 0 && (c[1 + length] == ' ' || c[1 + length] == '\0'))
            return true;
    return false;
}

static bool is_size(const char *word, bool may_be_negative) {
    if (may_be_negative && *word == '-') word++;
    size_t length = strspn(word, "0123456789");
    return length > 0 && length < 10 && word[length] == '\0';
}

static bool check_words(const Layer *layer, const struct LayerKind *kind, char *message) {
    size_t sizes = kind->sizes == ANY ? layer->count : kind->sizes;
    if (layer->count < sizes) return fail(message, "layer '%s' lacks a size", layer->kind);
    if (kind->sizes == ANY && sizes > HC_MAX_DIMS)
        return fail(message, "layer '%s' has too many sizes", layer->kind);
    for (size_t i = 0; i < sizes; i++)
        if (!is_size(layer->words[i], kind->make == make_mean))
            return fail(message, "layer '%s': '%.40s' is not a size", layer->kind, layer->words[i]);
    for (size_t i = sizes; i < layer->count; i++) {
        if (listed(kind->flags, layer->words[i])) continue;
        if (!listed(kind->settings, layer->words[i]))
            return fail(message, "layer '%s': unknown word '%.40s'", layer->kind, layer->words[i]);
        if (++i == layer->count)
            return fail(message, "layer '%s': a value is missing", layer->kind);
    }
    return true;
}

static Module *make_layer(const Layer *layer, size_t number, Module *const *earlier,
                          char *message) {
    const struct LayerKind *kind = find_kind(layer);
    if (!kind) {
        fail(message, "'%.40s' is no kind of layer", layer->kind);
        return NULL;
    }
    if (!check_words(layer, kind, message)) return NULL;
    if (kind->make == make_share) {
        size_t other = layer_size(layer, 0);
        if (other >= number) fail(message, "layer %zu shares layer %zu", number, other);
        return other < number ? earlier[other] : NULL;
    }
    Module *module = kind->make ? kind->make(layer) : NULL;
    if (!module) fail(message, "layer %zu, %s: %s", number, layer->kind, higherc_error());
    return module;
}

/* ---- the model
 * ------------------------------------------------------------------------------------- */

static bool tie_weights(const Case *c, Module *net, char *message) {
    for (size_t i = 0; i < c->layer_count; i++) {
        const char *other = layer_setting(&c->layers[i], "tie");
        if (!other) continue;
        if (!is_size(other, false)) return fail(message, "tie: '%.40s' is no layer", other);
        char path[64], source[64];
        snprintf(path, sizeof path, "%zu.weight", i);
        snprintf(source, sizeof source, "%s.weight", other);
        if (!module_tie(net, path, source))
            return fail(message, "tying %s to %s: %s", path, source, higherc_error());
    }
    return true;
}

/* Writes init/NAME or init_buffer/NAME into each of a module's Params or buffers. */
static bool set_values(const Case *c, const char *prefix, Param *param, const char *name,
                       char *message) {
    const Entry *entry = dict_find_format(&c->data, "%s/%s", prefix, name);
    if (!entry || !entry->values || entry->kind == ENTRY_DIGEST)
        return fail(message, "%s/%s is missing", prefix, name);
    if (!shape_equal(entry->shape, param_shape(param)))
        return fail(message, "%s/%s has not the layer's shape", prefix, name);
    if (!param_set_f64(param, entry->values, entry->count))
        return fail(message, "%s/%s: %s", prefix, name, higherc_error());
    return true;
}

static bool set_all(const Case *c, Module *net, char *message) {
    ParamList params = module_params(net), buffers = module_buffers(net);
    if (params.count != c->param_count || buffers.count != c->buffer_count)
        return fail(message, "the model has %zu parameters and %zu buffers, the case %zu and %zu",
                    params.count, buffers.count, c->param_count, c->buffer_count);
    for (size_t i = 0; i < c->param_count; i++) {
        const char *name = c->params[i].name;
        if (module_param(net, name) != params.items[i])
            return fail(message, "parameter %zu is not %s, as the case says", i, name);
        if (!set_values(c, "init", params.items[i], name, message)) return false;
        param_freeze(params.items[i], c->params[i].frozen);
    }
    for (size_t i = 0; i < c->buffer_count; i++) {
        const char *name = c->buffers[i];
        if (module_buffer(net, name) != buffers.items[i])
            return fail(message, "buffer %zu is not %s, as the case says", i, name);
        if (!set_values(c, "init_buffer", buffers.items[i], name, message)) return false;
    }
    return true;
}

Module *model_build(const Case *c, DType dtype, char *message) {
    Store scratch = {NULL};
    Module **layers = store_alloc(&scratch, c->layer_count + 1, sizeof *layers);
    for (size_t i = 0; i < c->layer_count && message[0] == '\0'; i++)
        layers[i] = make_layer(&c->layers[i], i, layers, message);
    /* With a NULL among its children this fails, and frees the others. */
    Module *net = module_sequential(layers, c->layer_count);
    store_free(&scratch);
    if (!net) fail(message, "the model: %s", higherc_error());
    if (net && message[0] == '\0' && module_to(net, dtype) && tie_weights(c, net, message) &&
        set_all(c, net, message))
        return net;
    fail(message, "the model: %s", higherc_error());
    module_destroy(net);
    return NULL;
}
