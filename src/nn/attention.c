/* Multi-head attention (Vaswani et al. 2017, "Attention is all you need") and the layers of a transformer made of it.
 * Names and first values are PyTorch's. */
#include <math.h>
#include <stdio.h>

#include "higherc/layers.h"
#include "nn/module.h"

static const HcTail no_tail = {false, NULL};

/* ---- attention -------------------------------------------------------------------------------------------------- */

typedef struct Attention {
    size_t size, heads, key_size, value_size;
    AttentionOptions options;
} Attention;

AttentionOptions attention_options(void) {
    return (AttentionOptions){.bias = true};
}

/* Whether queries, keys and values have one projection matrix; else there are three. */
static bool is_packed(const Attention *a) {
    return a->key_size == a->size && a->value_size == a->size;
}

/* The projections of the three inputs: rows of in_proj_weight, or matrices apart. */
static void project(Frame *frame, const Attention *a, Tensor *const *in, Tensor **out) {
    bool packed = is_packed(a);
    Tensor *bias = hc_frame_own_param(frame, packed ? 1 : 3, "in_proj_bias");
    int64_t size = (int64_t)a->size;
    for (int i = 0; i < 3; i++) {
        Tensor *w = hc_frame_param_at(frame, packed ? 0 : (size_t)i);
        if (packed) w = tensor_slice(w, 0, i * size, (i + 1) * size, 1);
        out[i] = tensor_linear(in[i], w, bias ? tensor_slice(bias, 0, i * size, (i + 1) * size, 1) : NULL);
    }
}

/* [N, L, E] as [N, heads, L, E / heads] */
static Tensor *as_heads(Tensor *x, const Attention *a) {
    if (!x) return NULL;
    size_t n = x->form->dim[0], length = x->form->dim[1];
    return tensor_transpose(tensor_reshape(x, shape4(n, length, a->heads, a->size / a->heads)), 1, 2);
}

/* 0 where key j stands at or before query i, else minus infinity. */
static Tensor *causal_mask(Tape *tape, size_t queries, size_t keys) {
    Tensor *i = tensor_unsqueeze(tensor_arange(tape, 0, (double)queries, 1), 1);
    Tensor *later = tensor_gt(tensor_arange(tape, 0, (double)keys, 1), i);
    return tensor_where(later, tensor_scalar(tape, -(double)INFINITY), tensor_scalar(tape, 0));
}

/* Each input as [N, length, size], checked against each other; false after hc_fail. */
static bool batch_inputs(Frame *frame, const Attention *a, Tensor *const *in, Tensor **x, bool *single) {
    const size_t sizes[3] = {a->size, a->key_size, a->value_size};
    int ndim = tensor_ndim(in[0]);
    bool fits = ndim == 2 || ndim == 3;
    for (int i = 0; i < 3; i++)
        fits = fits && in[i]->form->ndim == ndim && in[i]->form->dim[ndim - 1] == sizes[i];
    *single = ndim == 2;
    for (int i = 0; fits && i < 3; i++) {
        x[i] = *single ? tensor_unsqueeze(in[i], 0) : a->options.batch_first ? in[i] : tensor_transpose(in[i], 0, 1);
        if (!x[i]) return false;
        fits = x[i]->form->dim[0] == x[0]->form->dim[0] && (i < 2 || x[2]->form->dim[1] == x[1]->form->dim[1]);
    }
    char q[HC_SHAPE_TEXT], k[HC_SHAPE_TEXT], v[HC_SHAPE_TEXT];
    return fits || hc_fail(frame_tape(frame), HC_ERR_SHAPE,
                           "%s: query %s, key %s, value %s: it takes %s of sizes %zu, %zu and %zu",
                           frame->module->cls.name, hc_shape_text(hc_form_shape(in[0]->form), q),
                           hc_shape_text(hc_form_shape(in[1]->form), k),
                           hc_shape_text(hc_form_shape(in[2]->form), v),
                           a->options.batch_first ? "[N, L, size]" : "[L, N, size]", a->size, a->key_size,
                           a->value_size);
}

/* Whether a mask broadcasts to the scores, and makes no more of them; false after hc_fail. */
static bool mask_fits(Frame *frame, const Attention *a, Tensor *const *x, const Tensor *mask) {
    const HcForm *m = mask->form, *q = x[0]->form, *k = x[1]->form;
    Shape scores = shape4(q->dim[0], a->heads, q->dim[1], k->dim[1]);
    char given[HC_SHAPE_TEXT], wanted[HC_SHAPE_TEXT];
    return hc_form_broadcasts(m, &scores) ||
           hc_fail(frame_tape(frame), HC_ERR_SHAPE, "%s: mask %s does not broadcast to [N, heads, L, S], %s",
                   frame->module->cls.name, hc_shape_text(hc_form_shape(m), given), hc_shape_text(scores, wanted));
}

/* What the module was handed, {x}, {x, mask}, {query, key, value} or those and a mask, as these. */
static bool name_inputs(Frame *frame, Tensor *const *in, size_t nin, Tensor **three, Tensor **mask) {
    bool self = nin <= 2;
    if (nin < 1 || nin > 4)
        return hc_fail(frame_tape(frame), HC_ERR_ARG, "%s: takes x, or query, key and value, and a mask after them",
                       frame->module->cls.name);
    for (int i = 0; i < 3; i++)
        three[i] = in[self ? 0 : i];
    *mask = nin == 2 ? in[1] : nin == 4 ? in[3] : NULL;
    return true;
}

static bool attention_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    const Attention *a = frame_state(frame);
    const AttentionOptions *o = &a->options;
    Tensor *three[3], *x[3], *p[3], *mask, *weights, *y;
    bool single;
    if (nout < 1 || nout > 2)
        return hc_fail(frame_tape(frame), HC_ERR_ARG, "%s: gives the result, and the weights", frame->module->cls.name);
    if (!name_inputs(frame, in, nin, three, &mask) || !batch_inputs(frame, a, three, x, &single)) return false;
    if (mask && !mask_fits(frame, a, x, mask)) return false;
    if (o->causal) {
        Tensor *causal = causal_mask(frame_tape(frame), x[0]->form->dim[1], x[1]->form->dim[1]);
        mask = mask ? tensor_add(mask, causal) : causal;
    }
    project(frame, a, x, p);
    double dropout = frame_training(frame) ? o->dropout : 0;
    y = hc_attention(as_heads(p[0], a), as_heads(p[1], a), as_heads(p[2], a), mask, dropout, &weights);
    if (!y) return false;
    Shape shape = hc_form_shape(x[0]->form);
    y = tensor_reshape(tensor_transpose(y, 1, 2), shape);
    if (!y || !hc_frame_call_child(frame, 0, no_tail, &y, 1, &y, 1)) return false;
    out[0] = single ? tensor_squeeze(y, 0) : o->batch_first ? y : tensor_transpose(y, 0, 1);
    if (nout == 2) {
        int heads = 1;
        Tensor *mean = tensor_mean_axes(weights, &heads, 1, false);
        out[1] = single ? tensor_squeeze(mean, 0) : mean;
    }
    return out[0] != NULL;
}

/* Glorot and Bengio 2010: uniform in +-sqrt(6 / (fan in + fan out)); biases 0. */
static bool init_attention(Module *module, Rng *rng) {
    for (size_t i = 0; i < module->param_count; i++) {
        Param *p = module->params[i].param;
        if (p->frozen) continue;
        if (p->shape.ndim == 1) {
            param_fill(p, 0);
            continue;
        }
        double fans = (double)p->shape.dim[0] + (double)p->shape.dim[1], bound = fans > 0 ? sqrt(6 / fans) : 0;
        if (!param_uniform(p, -bound, bound, rng)) return false;
    }
    return true;
}

/* A linear layer whose bias is 0 at first. */
static bool init_out_proj(Module *module, Rng *rng) {
    for (size_t i = 0; i < module->param_count; i++) {
        Param *p = module->params[i].param;
        double fan_in = (double)module->params[0].param->shape.dim[1], bound = fan_in > 0 ? 1 / sqrt(fan_in) : 0;
        if (!p->frozen && !(i == 0 ? param_uniform(p, -bound, bound, rng) : param_fill(p, 0))) return false;
    }
    return true;
}

static void *clone_attention(const void *state) {
    return hc_copy_bytes(state, sizeof(Attention));
}

/* A child, or NULL where its maker failed. */
static bool adopt(Module *module, const char *name, Module *child) {
    return child && module_add_child(module, name, child);
}

static bool add_projections(Module *module, const Attention *a) {
    size_t e = a->size;
    bool done = is_packed(a) ? hc_module_own_param(module, "in_proj_weight", shape2(3 * e, e)) != NULL
                             : hc_module_own_param(module, "q_proj_weight", shape2(e, e)) &&
                                   hc_module_own_param(module, "k_proj_weight", shape2(e, a->key_size)) &&
                                   hc_module_own_param(module, "v_proj_weight", shape2(e, a->value_size));
    if (!done || (a->options.bias && !hc_module_own_param(module, "in_proj_bias", shape1(3 * e)))) return false;
    Module *last = a->options.bias ? module_linear(e, e) : module_linear_no_bias(e, e);
    if (last) last->cls.init = init_out_proj;
    return adopt(module, "out_proj", last);
}

static bool good_dropout(const char *who, double p) {
    return (p >= 0 && p <= 1) || hc_fail_thread(HC_ERR_ARG, "%s: dropout %g is not in [0, 1]", who, p);
}

Module *module_multihead_attention(size_t size, size_t heads, AttentionOptions options) {
    static const ModuleClass cls = {.name = "multihead_attention",
                                    .forward = attention_forward,
                                    .init = init_attention,
                                    .clone_state = clone_attention,
                                    .destroy_state = hc_free};
    const char *who = "module_multihead_attention";
    Attention a = {size, heads, options.key_size ? options.key_size : size,
                   options.value_size ? options.value_size : size, options};
    if (!good_dropout(who, options.dropout)) return NULL;
    if (heads == 0 || size % heads != 0 || size > SIZE_MAX / 3) {
        hc_fail_thread(HC_ERR_ARG, "%s: %zu heads do not divide size %zu", who, heads, size);
        return NULL;
    }
    Module *module = hc_module_with(&cls, &a, sizeof a);
    if (module && add_projections(module, &a)) return module;
    module_destroy(module);
    return NULL;
}

/* ---- layers of a transformer ------------------------------------------------------------------------------------- */

TransformerOptions transformer_options(void) {
    return (TransformerOptions){.feedforward = 2048, .dropout = 0.1, .eps = 1e-5};
}

/* The children of both kinds, by number. An encoder has one attention and two norms. */
enum { SELF_ATTENTION, ENCODER_LINEAR = 1, ENCODER_NORM = 3 };
enum { CROSS_ATTENTION = 1, DECODER_LINEAR = 2, DECODER_NORM = 4 };

/* A layer at work. */
typedef struct Layer {
    Frame *frame;
    const TransformerOptions *options;
    size_t linear, norm; /* the first of each */
} Layer;

static Tensor *call(const Layer *l, size_t child, Tensor *const *in, size_t nin) {
    Tensor *y;
    return in[0] && hc_frame_call_child(l->frame, child, no_tail, in, nin, &y, 1) ? y : NULL;
}

static Tensor *dropped(const Layer *l, Tensor *x) {
    return frame_training(l->frame) && l->options->dropout > 0 ? tensor_dropout(x, l->options->dropout, NULL) : x;
}

static Tensor *normed(const Layer *l, size_t number, Tensor *x) {
    return call(l, l->norm + number, &x, 1);
}

/* Attention of x to itself, or to a memory; the mask may be NULL. */
static Tensor *attend(const Layer *l, size_t child, Tensor *x, Tensor *memory, Tensor *mask) {
    Tensor *all[4] = {x, memory ? memory : mask, memory, mask};
    size_t nin = memory ? 3 : 1;
    if (mask) nin++;
    return dropped(l, call(l, child, all, nin));
}

static Tensor *feed_forward(const Layer *l, Tensor *x) {
    x = call(l, l->linear, &x, 1);
    x = dropped(l, l->options->gelu ? tensor_gelu(x) : tensor_relu(x));
    return dropped(l, call(l, l->linear + 1, &x, 1));
}

/* x + f(norm(x)), or norm(x + f(x)): `part` counts the parts of the layer, which are attention to itself, to the
 * memory if there is one, and the two linear layers. */
static Tensor *add_part(const Layer *l, size_t part, Tensor *x, Tensor *memory, Tensor *const *masks) {
    bool first = l->options->norm_first;
    Tensor *in = first ? normed(l, part, x) : x, *y;
    if (part == 0)
        y = attend(l, SELF_ATTENTION, in, NULL, masks[0]);
    else if (part == 1 && memory)
        y = attend(l, CROSS_ATTENTION, in, memory, masks[1]);
    else
        y = feed_forward(l, in);
    y = tensor_add(x, y);
    return first ? y : normed(l, part, y);
}

static bool encoder_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (nin < 1 || nin > 2 || nout != 1)
        return hc_fail(frame_tape(frame), HC_ERR_ARG, "%s: takes x, or x and a mask, and gives one tensor",
                       frame->module->cls.name);
    Layer l = {frame, frame_state(frame), ENCODER_LINEAR, ENCODER_NORM};
    Tensor *masks[2] = {nin > 1 ? in[1] : NULL, NULL};
    out[0] = add_part(&l, 1, add_part(&l, 0, in[0], NULL, masks), NULL, masks);
    return out[0] != NULL;
}

static bool decoder_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (nin < 2 || nin > 4 || nout != 1)
        return hc_fail(frame_tape(frame), HC_ERR_ARG,
                       "%s: takes x and the memory, then a mask of x and one of the memory, and gives one tensor",
                       frame->module->cls.name);
    Layer l = {frame, frame_state(frame), DECODER_LINEAR, DECODER_NORM};
    Tensor *masks[2] = {nin > 2 ? in[2] : NULL, nin > 3 ? in[3] : NULL}, *x = in[0];
    for (size_t part = 0; part < 3 && x; part++)
        x = add_part(&l, part, x, in[1], masks);
    out[0] = x;
    return x != NULL;
}

static void *clone_options(const void *state) {
    return hc_copy_bytes(state, sizeof(TransformerOptions));
}

static bool add_children(Module *module, size_t size, size_t heads, const TransformerOptions *o, bool decoder) {
    AttentionOptions self = attention_options(), cross = self;
    NormOptions norm = {.eps = o->eps, .affine = true};
    self.dropout = cross.dropout = o->dropout;
    self.batch_first = cross.batch_first = o->batch_first;
    self.causal = o->causal;
    const char *norms[] = {"norm1", "norm2", "norm3"};
    if (!adopt(module, "self_attn", module_multihead_attention(size, heads, self)) ||
        (decoder && !adopt(module, "multihead_attn", module_multihead_attention(size, heads, cross))) ||
        !adopt(module, "linear1", module_linear(size, o->feedforward)) ||
        !adopt(module, "linear2", module_linear(o->feedforward, size)))
        return false;
    for (size_t i = 0; i < (decoder ? 3 : 2); i++)
        if (!adopt(module, norms[i], module_layer_norm(shape1(size), norm))) return false;
    return true;
}

static Module *transformer_layer(const char *name, size_t size, size_t heads, const TransformerOptions *o,
                                 bool decoder) {
    const ModuleClass cls = {.name = name,
                             .forward = decoder ? decoder_forward : encoder_forward,
                             .clone_state = clone_options,
                             .destroy_state = hc_free};
    char who[80];
    snprintf(who, sizeof who, "module_%.64s", name);
    bool clear = higherc_status() == HC_OK;
    Module *module = good_dropout(who, o->dropout) ? hc_module_with(&cls, o, sizeof *o) : NULL;
    if (module && add_children(module, size, heads, o, decoder)) return module;
    module_destroy(module);
    if (clear) hc_thread_tells_as(who); /* what one of its parts told */
    return NULL;
}

Module *module_transformer_encoder_layer(size_t size, size_t heads, TransformerOptions options) {
    return transformer_layer("transformer_encoder_layer", size, heads, &options, false);
}

Module *module_transformer_decoder_layer(size_t size, size_t heads, TransformerOptions options) {
    return transformer_layer("transformer_decoder_layer", size, heads, &options, true);
}
