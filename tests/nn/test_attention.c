/* Multi-head attention and the layers of a transformer against the same written by hand, head by head and part by part:
 * masks, causal, cross attention, other sizes of keys and values, axes, dropout; names, first values, fast weights,
 * derivatives, what is refused. */
#include <math.h>
#include <string.h>

#include "support/models.h"
#include "support/refuse.h"

enum { E = 6, HEADS = 2, D = E / HEADS, N = 2, L = 3, S = 4 };

static Tape *tape;
static Rng rng;

static Module *ready(Module *module) {
    CHECK(module && module_to(module, tape_dtype(tape)) && module_init(module, &rng));
    return module;
}

static double tolerance(void) {
    return tape_dtype(tape) == HC_F64 ? 1e-13 : 1e-5;
}

static Tensor *drawn(Shape shape) {
    return tensor_normal(tape, shape, 0, 1, &rng);
}

static Tensor *of(Module *m, const char *name) {
    return param_tensor(tape, module_param(m, name));
}

/* ---- attention by hand ------------------------------------------------------------------------------------------- */

/* The columns of head h of x [.., E]. */
static Tensor *head(Tensor *x, int h) {
    return tensor_slice(x, -1, h * D, (h + 1) * D, 1);
}

/* Of one example: query [L, E], key and value [S, ..], the mask [L, S] or NULL. */
static Tensor *one_by_hand(Module *m, Tensor *q, Tensor *k, Tensor *v, Tensor *mask, bool packed, Tensor **weights) {
    const char *apart[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    Tensor *in[] = {q, k, v}, *p[3], *heads[HEADS], *mean = NULL;
    for (int i = 0; i < 3; i++) {
        Tensor *w = packed ? tensor_slice(of(m, "in_proj_weight"), 0, i * E, (i + 1) * E, 1) : of(m, apart[i]);
        p[i] = tensor_add(tensor_matmul(in[i], tensor_transpose(w, 0, 1)),
                          tensor_slice(of(m, "in_proj_bias"), 0, i * E, (i + 1) * E, 1));
    }
    for (int h = 0; h < HEADS; h++) {
        Tensor *scores = tensor_matmul(head(p[0], h), tensor_transpose(head(p[1], h), 0, 1));
        scores = tensor_mul_scalar(scores, 1 / sqrt(D));
        Tensor *share = tensor_softmax(mask ? tensor_add(scores, mask) : scores, 1);
        mean = mean ? tensor_add(mean, share) : share;
        heads[h] = tensor_matmul(share, head(p[2], h));
    }
    *weights = tensor_mul_scalar(mean, 1.0 / HEADS);
    return tensor_linear(tensor_concat(heads, HEADS, 1), of(m, "out_proj.weight"), of(m, "out_proj.bias"));
}

/* Example n of x, whose batch is axis `axis`. */
static Tensor *example(Tensor *x, int axis, int n) {
    return tensor_squeeze(tensor_slice(x, axis, n, n + 1, 1), axis);
}

static void check(Module *m, Tensor *const *in, size_t nin, Tensor *const *three, Tensor *mask, bool packed,
                  int axis) {
    Tensor *out[2], *y[N], *w[N];
    CHECK(module_forward_n(m, in, nin, out, 2));
    for (int n = 0; n < N; n++)
        y[n] = one_by_hand(m, example(three[0], axis, n), example(three[1], axis, n), example(three[2], axis, n), mask,
                           packed, &w[n]);
    CHECK(tensors_near(out[0], tensor_stack(y, N, axis), tolerance()));
    CHECK(tensors_near(out[1], tensor_stack(w, N, 0), tolerance()));
    CHECK(module_forwards_agree(m, in, nin));
}

static Tensor *causal(size_t queries, size_t keys) {
    double values[L * S];
    for (size_t i = 0; i < queries * keys; i++)
        values[i] = i % keys > i / keys ? -(double)INFINITY : 0;
    return tensor_from_f64(tape, shape2(queries, keys), values);
}

static void attentions(void) {
    AttentionOptions o = attention_options();
    CHECK(o.bias && o.dropout == 0 && !o.causal && !o.batch_first && o.key_size == 0 && o.value_size == 0);
    Module *m = ready(module_multihead_attention(E, HEADS, o));
    CHECK(strcmp(module_name(m), "multihead_attention") == 0);
    CHECK(module_names_are(m, "in_proj_weight in_proj_bias out_proj.weight out_proj.bias "));
    CHECK(shape_equal(param_shape(module_param(m, "in_proj_weight")), shape2(3 * E, E)));
    double bound = sqrt(6.0 / (4 * E)), most = 0;
    for (size_t i = 0; i < 3 * E * E; i++)
        most = fmax(most, fabs(param_get(module_param(m, "in_proj_weight"), i)));
    CHECK(most <= bound && most > bound * 0.8);
    most = 0;
    for (size_t i = 0; i < E * E; i++)
        most = fmax(most, fabs(param_get(module_param(m, "out_proj.weight"), i)));
    CHECK(most <= 1 / sqrt(E) && most > 0.7 / sqrt(E));
    for (size_t i = 0; i < E; i++)
        CHECK(param_get(module_param(m, "out_proj.bias"), i) == 0);
    CHECK(param_get(module_param(m, "in_proj_bias"), 3 * E - 1) == 0);
    CHECK(param_uniform(module_param(m, "in_proj_bias"), -1, 1, &rng));
    CHECK(param_uniform(module_param(m, "out_proj.bias"), -1, 1, &rng));

    Tensor *x = drawn(shape3(L, N, E)), *self[] = {x, x, x}, *mask = drawn(shape2(L, L));
    check(m, (Tensor *[]){x}, 1, self, NULL, true, 1);
    check(m, (Tensor *[]){x, mask}, 2, self, mask, true, 1);
    Tensor *cross[] = {x, drawn(shape3(S, N, E)), drawn(shape3(S, N, E)), drawn(shape2(L, S))};
    check(m, cross, 3, cross, NULL, true, 1);
    check(m, cross, 4, cross, cross[3], true, 1);
    /* without a batch, and with keys of padding, which count for nothing */
    Tensor *single = example(x, 1, 0), *w, *y = module_forward(m, single);
    CHECK(tensors_near(y, one_by_hand(m, single, single, single, NULL, true, &w), tolerance()));
    double padding[N * L] = {0, 0, -(double)INFINITY, 0, 0, 0};
    Tensor *padded[] = {x, tensor_from_f64(tape, shape4(N, 1, 1, L), padding)}, *shorter;
    CHECK(module_forward_n(m, padded, 2, &y, 1));
    shorter = tensor_slice(single, 0, 0, 2, 1);
    Tensor *less = one_by_hand(m, shorter, shorter, shorter, NULL, true, &w);
    CHECK(tensors_near(tensor_slice(example(y, 1, 0), 0, 0, 2, 1), less, tolerance()));
    module_destroy(m);

    o.causal = o.batch_first = true;
    o.key_size = 4;
    o.value_size = 5;
    m = ready(module_multihead_attention(E, HEADS, o));
    CHECK(module_names_are(m, "q_proj_weight k_proj_weight v_proj_weight in_proj_bias out_proj.weight out_proj.bias "));
    CHECK(param_uniform(module_param(m, "in_proj_bias"), -1, 1, &rng));
    Tensor *other[] = {drawn(shape3(N, L, E)), drawn(shape3(N, S, 4)), drawn(shape3(N, S, 5)), cross[3]};
    check(m, other, 3, other, causal(L, S), false, 0);
    check(m, other, 4, other, tensor_add(causal(L, S), cross[3]), false, 0);
    module_destroy(m);
    o = attention_options();
    o.bias = false;
    m = ready(module_multihead_attention(E, 1, o));
    CHECK(module_names_are(m, "in_proj_weight out_proj.weight ") && module_forwards_agree(m, self, 1));
    module_destroy(m);
}

static Tensor *forward(Tensor *const *x, size_t count, void *user) {
    Tensor *y;
    return module_forward_n(user, x, count, &y, 1) ? y : NULL;
}

/* In training mode the weights are dropped, and only then. */
static void dropout(void) {
    AttentionOptions o = attention_options();
    o.dropout = 0.5;
    Module *m = ready(module_multihead_attention(E, HEADS, o));
    Tensor *x = drawn(shape3(8, N, E)), *out[2];
    tape_seed(tape, 5);
    CHECK(module_forward_n(m, &x, 1, out, 2));
    CHECK(!tensors_near(out[0], module_forward(m, x), 1e-3));
    double share = tensor_item(tensor_mean(tensor_eq(out[1], tensor_scalar(tape, 0)))); /* both heads dropped */
    CHECK(share > 0.1 && share < 0.4);
    module_train(m, false);
    CHECK(tensors_same(module_forward(m, x), module_forward(m, x)) && module_forwards_agree(m, &x, 1));
    module_destroy(m);
    TransformerOptions t = transformer_options();
    t.dropout = 1; /* nothing is left but the residual connections */
    t.feedforward = 5;
    t.norm_first = true;
    m = ready(module_transformer_encoder_layer(E, HEADS, t));
    CHECK(tensors_same(module_forward(m, x), x));
    module_train(m, false);
    CHECK(!tensors_near(module_forward(m, x), x, 1e-3));
    module_destroy(m);
}

/* ---- layers part by part ----------------------------------------------------------------------------------------- */

static Tensor *child(Module *m, const char *name, Tensor *const *in, size_t nin) {
    Tensor *y;
    return module_forward_n(module_find(m, name), in, nin, &y, 1) ? y : NULL;
}

static Tensor *norm(Module *m, const char *name, Tensor *x) {
    return child(m, name, &x, 1);
}

static Tensor *feed(Module *m, Tensor *x, bool gelu) {
    Tensor *y = child(m, "linear1", &x, 1);
    y = gelu ? tensor_gelu(y) : tensor_relu(y);
    return child(m, "linear2", &y, 1);
}

static void encoders(void) {
    TransformerOptions o = transformer_options();
    CHECK(o.feedforward == 2048 && o.dropout == 0.1 && o.eps == 1e-5 && !o.gelu && !o.norm_first && !o.causal &&
          !o.batch_first);
    for (int k = 0; k < 4; k++) {
        o = transformer_options();
        o.feedforward = 5;
        o.dropout = 0;
        o.norm_first = k & 1;
        o.gelu = o.causal = k & 2;
        Module *m = ready(module_transformer_encoder_layer(E, HEADS, o));
        CHECK(module_names_are(m, "self_attn.in_proj_weight self_attn.in_proj_bias self_attn.out_proj.weight "
                                  "self_attn.out_proj.bias linear1.weight linear1.bias linear2.weight linear2.bias "
                                  "norm1.weight norm1.bias norm2.weight norm2.bias "));
        Tensor *x = drawn(shape3(L, N, E)), *mask = drawn(shape2(L, L)), *in[] = {x, mask}, *y;
        Tensor *to[] = {o.norm_first ? norm(m, "norm1", x) : x, mask};
        y = tensor_add(x, child(m, "self_attn", to, 2));
        if (!o.norm_first) y = norm(m, "norm1", y);
        y = tensor_add(y, feed(m, o.norm_first ? norm(m, "norm2", y) : y, o.gelu));
        if (!o.norm_first) y = norm(m, "norm2", y);
        Tensor *got;
        CHECK(module_forward_n(m, in, 2, &got, 1) && tensors_same(got, y));
        CHECK(module_forwards_agree(m, in, 2) && module_forwards_agree(m, in, 1));
        /* causal: the first place does not see the others */
        Tensor *first = tensor_slice(x, 0, 0, 1, 1), *alone = module_forward(m, first);
        bool same = tensors_near(tensor_slice(module_forward(m, x), 0, 0, 1, 1), alone, tolerance());
        CHECK(same == o.causal);
        module_destroy(m);
    }
}

static void decoders(void) {
    for (int k = 0; k < 2; k++) {
        TransformerOptions o = transformer_options();
        o.feedforward = 5;
        o.dropout = 0;
        o.norm_first = k & 1;
        o.batch_first = true;
        Module *m = ready(module_transformer_decoder_layer(E, HEADS, o));
        CHECK(module_names_are(m, "self_attn.in_proj_weight self_attn.in_proj_bias self_attn.out_proj.weight "
                                  "self_attn.out_proj.bias multihead_attn.in_proj_weight multihead_attn.in_proj_bias "
                                  "multihead_attn.out_proj.weight multihead_attn.out_proj.bias linear1.weight "
                                  "linear1.bias linear2.weight linear2.bias norm1.weight norm1.bias norm2.weight "
                                  "norm2.bias norm3.weight norm3.bias "));
        Tensor *in[] = {drawn(shape3(N, L, E)), drawn(shape3(N, S, E)), drawn(shape2(L, L)), drawn(shape2(L, S))};
        for (size_t nin = 2; nin <= 4; nin++) {
            Tensor *x = in[0], *y = o.norm_first ? norm(m, "norm1", x) : x, *got;
            Tensor *self[] = {y, in[2]};
            y = tensor_add(x, child(m, "self_attn", self, nin > 2 ? 2 : 1));
            if (!o.norm_first) y = norm(m, "norm1", y);
            Tensor *cross[] = {o.norm_first ? norm(m, "norm2", y) : y, in[1], in[1], in[3]};
            y = tensor_add(y, child(m, "multihead_attn", cross, nin > 3 ? 4 : 3));
            if (!o.norm_first) y = norm(m, "norm2", y);
            y = tensor_add(y, feed(m, o.norm_first ? norm(m, "norm3", y) : y, false));
            if (!o.norm_first) y = norm(m, "norm3", y);
            CHECK(module_forward_n(m, in, nin, &got, 1) && tensors_same(got, y) && module_forwards_agree(m, in, nin));
        }
        /* a zero is no mask */
        Tensor *with_zero[] = {in[0], in[1], tensor_scalar(tape, 0)}, *with = NULL, *without = NULL;
        CHECK(module_forward_n(m, with_zero, 3, &with, 1) && module_forward_n(m, in, 2, &without, 1));
        CHECK(tensors_same(with, without));
        module_destroy(m);
    }
}

/* To the inputs, to second order; to weights as all others, by their operations. */
static void derivatives(void) {
    if (tape_dtype(tape) != HC_F64) return;
    TransformerOptions o = transformer_options();
    o.feedforward = 3;
    o.dropout = 0;
    o.gelu = true;
    Module *m = ready(module_transformer_decoder_layer(4, 2, o));
    GradcheckOptions g = gradcheck_options(HC_F64);
    g.order = 2;
    Tensor *in[] = {drawn(shape3(2, 1, 4)), drawn(shape3(2, 1, 4))};
    CHECK(gradcheck(forward, in, 2, g, m));
    module_destroy(m);
}

static void refused(void) {
    AttentionOptions o = attention_options();
    REFUSED(module_multihead_attention(E, 0, o));
    REFUSED(module_multihead_attention(E, 4, o));
    REFUSED(module_multihead_attention(SIZE_MAX / 2, 1, o));
    o.dropout = 1.5;
    REFUSED(module_multihead_attention(E, HEADS, o));
    o.dropout = (double)NAN;
    REFUSED(module_multihead_attention(E, HEADS, o));
    TransformerOptions t = transformer_options();
    t.dropout = -1;
    REFUSED(module_transformer_encoder_layer(E, HEADS, t));
    t = transformer_options();
    t.eps = -1;
    REFUSED(module_transformer_encoder_layer(E, HEADS, t));
    t = transformer_options();
    REFUSED(module_transformer_decoder_layer(E, 5, t));
    t.feedforward = SIZE_MAX;
    REFUSED(module_transformer_decoder_layer(E, HEADS, t));

    Module *m = ready(module_multihead_attention(E, HEADS, attention_options()));
    Tensor *x = drawn(shape3(L, N, E)), *flat = drawn(shape2(L, E)), *out[3] = {NULL};
    Tensor *wide = drawn(shape3(L, N, E + 1));
    Tensor *longer = drawn(shape3(S, N, E)), *more = drawn(shape3(L, N + 1, E)), *many[5] = {x, x, x, x, x};
    WRONG(HC_ERR_SHAPE, module_forward(m, wide));
    WRONG(HC_ERR_SHAPE, module_forward(m, drawn(shape1(E))));
    WRONG(HC_ERR_SHAPE, module_forward_n(m, (Tensor *[]){x, flat, flat}, 3, out, 1));
    WRONG(HC_ERR_SHAPE, module_forward_n(m, (Tensor *[]){x, longer, x}, 3, out, 1));
    WRONG(HC_ERR_SHAPE, module_forward_n(m, (Tensor *[]){x, more, more}, 3, out, 1));
    WRONG(HC_ERR_SHAPE, module_forward_n(m, (Tensor *[]){x, drawn(shape2(L, L + 1))}, 2, out, 1));
    /* masks that would make more scores: of one example or one query, or of more axes */
    const Shape more_scores[] = {shape4(N, HEADS, L, L), shape2(L, L), {.ndim = 5, .dim = {1, 1, 1, L, L}}};
    Tensor *xs[] = {drawn(shape3(L, 1, E)), drawn(shape3(1, N, E)), x};
    for (int i = 0; i < 3; i++)
        WRONG(HC_ERR_SHAPE, module_forward_n(m, (Tensor *[]){xs[i], tensor_zeros(tape, more_scores[i])}, 2, out, 1));
    WRONG(HC_ERR_ARG, module_forward_n(m, many, 5, out, 1));
    WRONG(HC_ERR_ARG, module_forward_n(m, many, 1, out, 3));
    WRONG(HC_ERR_ARG, module_forward_n(m, many, 1, out, 0));
    CHECK(!out[0] && !out[1]);
    module_destroy(m);
    t = transformer_options();
    t.feedforward = 2;
    m = ready(module_transformer_encoder_layer(E, HEADS, t));
    WRONG(HC_ERR_ARG, module_forward_n(m, many, 3, out, 1));
    WRONG(HC_ERR_ARG, module_forward_n(m, many, 1, out, 2));
    module_destroy(m);
    m = ready(module_transformer_decoder_layer(E, HEADS, t));
    WRONG(HC_ERR_ARG, module_forward_n(m, many, 1, out, 1));
    WRONG(HC_ERR_ARG, module_forward_n(m, many, 5, out, 1));
    module_destroy(m);
}

/* Sequences of no steps, and no examples, give what has no numbers. */
static void nothing(void) {
    TransformerOptions t = transformer_options();
    t.feedforward = 2;
    t.dropout = 0;
    Module *m = ready(module_transformer_encoder_layer(E, HEADS, t));
    CHECK(shape_equal(tensor_shape(module_forward(m, drawn(shape3(L, 0, E)))), shape3(L, 0, E)));
    module_destroy(m);
}

int main(void) {
    for (int type = 0; type < 2; type++) {
        rng = rng_seed(6);
        tape = tape_create(type ? HC_F64 : HC_F32);
        attentions();
        dropout();
        encoders();
        decoders();
        derivatives();
        refused();
        nothing();
        CHECK(tape_status(tape) == HC_OK);
        tape_destroy(tape);
    }
    CHECK(higherc_error() == NULL);
    return check_done();
}
