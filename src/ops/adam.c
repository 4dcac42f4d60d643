/* Adam's update of one weight (Kingma and Ba 2015, algorithm 1) as one operation each way, since inner loops
 * make it once a weight and step, and by single operations it takes a dozen passes forward and thirty back:
 *
 *     m' = beta1 m + (1 - beta1) g,   v' = beta2 v + (1 - beta2) g^2
 *     p' = p + rate d,                d = m' / (scale sqrt(v') + eps)
 *
 * scale is 1 / sqrt(1 - beta2^t), rate -lr / (1 - beta1^t), which may be a tensor. `composed` is the same in
 * single operations; it defines all orders of derivative beyond the first, and tests hold both equal. */
#include "ops/ops.h"

enum { P, G, RATE, CONSTANTS, MOMENT, SECOND };                    /* inputs */
enum { TO_G = 0, G1 = 0, M1, V1, RATE1, CONSTANTS1, FIRST_GIVEN }; /* inputs of the gradient */
enum { HAS_P = 1, HAS_M = 2, HAS_V = 4, MOMENTS = 8 }; /* what those are, in attr.bits */

/* ---- the same in single operations ----------------------------------------------------------------- */

static Tensor *constant(Tensor *constants, int which) {
    Tensor *one = tensor_slice(constants, 0, which, which + 1, 1);
    return tensor_reshape(one, shape_scalar());
}

/* d */
static Tensor *direction(Tensor *m, Tensor *v, Tensor *constants) {
    Tensor *root = tensor_mul(hc_sqrt0(v), constant(constants, HC_ADAM_K_SCALE));
    return tensor_div(m, tensor_add(root, constant(constants, HC_ADAM_K_EPS)));
}

/* The new p, m and v; in: the inputs, m and v NULL for 0. */
static void move(Tensor *const *in, Tensor **out) {
    Tensor *c = in[CONSTANTS], *g2 = tensor_square(in[G]);
    out[1] = tensor_mul(in[G], constant(c, HC_ADAM_K_REST1));
    out[2] = tensor_mul(g2, constant(c, HC_ADAM_K_REST2));
    if (in[MOMENT]) {
        out[1] = tensor_add(out[1], tensor_mul(in[MOMENT], constant(c, HC_ADAM_K_BETA1)));
        out[2] = tensor_add(out[2], tensor_mul(in[SECOND], constant(c, HC_ADAM_K_BETA2)));
    }
    Tensor *rate = tensor_reshape(in[RATE], shape_scalar());
    out[0] = tensor_add(tensor_mul(rate, direction(out[1], out[2], c)), in[P]);
}

static Tensor *adam_composed(Tensor *y) {
    Tensor *in[SECOND + 1] = {NULL}, *out[3];
    for (size_t j = 0; j < y->nin; j++)
        in[j] = hc_inputs(y)[j];
    move(in, out);
    return tensor_stack(out, 3, 0);
}

/* [to g, to m, to v] */
static Tensor *backward_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y), *given[3] = {NULL};
    Tensor *g = in[G1], *m = in[M1], *v = in[V1], *c = in[CONSTANTS1];
    for (size_t i = 0, next = FIRST_GIVEN; i < 3; i++)
        if (y->attr.bits >> i & 1) given[i] = in[next++];
    Tensor *zero = tensor_scalar(y->tape, 0), *to_m = given[1] ? given[1] : zero;
    Tensor *to_v = given[2] ? given[2] : zero;
    if (given[0]) {
        Tensor *scale = constant(c, HC_ADAM_K_SCALE);
        Tensor *q = tensor_add(tensor_mul(hc_sqrt0(v), scale), constant(c, HC_ADAM_K_EPS));
        Tensor *t = tensor_div(tensor_mul(given[0], in[RATE1]), q);
        Tensor *slope = tensor_mul(tensor_mul_scalar(hc_rsqrt0(v), 0.5), scale);
        to_m = tensor_add(to_m, t);
        to_v = tensor_sub(to_v, tensor_mul(tensor_mul(t, tensor_div(m, q)), slope));
    }
    Tensor *square = tensor_mul(tensor_mul(constant(c, HC_ADAM_K_REST2), to_v), g);
    Tensor *to_g =
        tensor_add(tensor_mul(constant(c, HC_ADAM_K_REST1), to_m), tensor_mul_scalar(square, 2));
    if (!(y->attr.bits & MOMENTS)) return tensor_unsqueeze(to_g, 0);
    Tensor *out[3] = {to_g, tensor_mul(constant(c, HC_ADAM_K_BETA1), to_m),
                      tensor_mul(constant(c, HC_ADAM_K_BETA2), to_v)};
    for (size_t i = 1; i < 3; i++)
        out[i] = tensor_expand(out[i], hc_form_shape(g->form));
    return tensor_stack(out, 3, 0);
}

/* ---- the gradient ------------------------------------------------------------------------------------ */

static bool backward_infer(Tensor *y) {
    return hc_infer_parts(y, hc_inputs(y)[G1]->form, y->attr.bits & MOMENTS ? 3 : 1);
}

static bool backward_forward(Tensor *y) {
    const void *in[FIRST_GIVEN + 3] = {NULL}, *given[3] = {NULL};
    for (size_t j = 0; j < y->nin; j++)
        if (!(in[j] = hc_dense_input(y, j))) return false;
    for (size_t i = 0, next = FIRST_GIVEN; i < 3; i++)
        if (y->attr.bits >> i & 1) given[i] = in[next++];
    HcAdamCotangents from = {given[0], given[1], given[2]};
    y->tape->k->adam_backward(y->data, from, in[G1], in[M1], in[V1], in[RATE1], in[CONSTANTS1],
                              hc_inputs(y)[G1]->form->count, y->attr.bits & MOMENTS);
    return true;
}

/* The first cotangent given may be that of p, of m or of v, the second of m or of v. */
enum {
    GIVENS = HC_IN(FIRST_GIVEN) | HC_IN(FIRST_GIVEN + 1) | HC_IN(FIRST_GIVEN + 2),
    SCALES = HC_IN(RATE1) | HC_IN(CONSTANTS1),
    ANY = HC_IN(G1) | HC_IN(M1) | HC_IN(V1) | SCALES
};

static const HcOp op_backward = {.name = "optim_adam",
                                 .flags = HC_OP_PARTS | HC_OP_MORE,
                                 .arity = FIRST_GIVEN,
                                 .infer = backward_infer,
                                 .forward = backward_forward,
                                 .compose = backward_composed,
                                 .reads = {[G1] = (ANY & ~HC_IN(G1)) | GIVENS,
                                           [M1] = (ANY & ~HC_IN(M1)) | HC_IN(FIRST_GIVEN),
                                           [V1] = ANY | HC_IN(FIRST_GIVEN),
                                           [RATE1] = (ANY & ~HC_IN(RATE1)) | HC_IN(FIRST_GIVEN),
                                           [FIRST_GIVEN] = ANY,
                                           [FIRST_GIVEN + 1] = HC_IN(G1) | HC_IN(CONSTANTS1),
                                           [FIRST_GIVEN + 2] = HC_IN(G1) | HC_IN(CONSTANTS1)}};

/* ---- to the rate: sum(t d) ------------------------------------------------------------------------------ */

static bool rate_infer(Tensor *y) {
    y->form = hc_form(&y->tape->forms, 0, NULL, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool rate_forward(Tensor *y) {
    const void *in[4];
    for (size_t j = 0; j < 4; j++)
        if (!(in[j] = hc_dense_input(y, j))) return false;
    y->tape->k->adam_rate(y->data, in[0], in[1], in[2], in[3], hc_inputs(y)[0]->form->count);
    return true;
}

static Tensor *rate_composed(Tensor *y) {
    Tensor *const *in = hc_inputs(y);
    return tensor_sum(tensor_mul(in[0], direction(in[1], in[2], in[3])));
}

static const HcOp op_rate = {.name = "optim_adam",
                             .arity = 4,
                             .infer = rate_infer,
                             .forward = rate_forward,
                             .compose = rate_composed,
                             .reads = {HC_IN(1) | HC_IN(2) | HC_IN(3),
                                       HC_IN(0) | HC_IN(2) | HC_IN(3),
                                       HC_IN(0) | HC_IN(1) | HC_IN(2) | HC_IN(3)}};

/* ---- the update ------------------------------------------------------------------------------------------ */

static bool adam_infer(Tensor *y) {
    return hc_infer_parts(y, hc_inputs(y)[P]->form, 3);
}

static bool adam_forward(Tensor *y) {
    const void *in[SECOND + 1] = {NULL};
    for (size_t j = 0; j < y->nin; j++)
        if (!(in[j] = hc_dense_input(y, j))) return false;
    y->tape->k->adam(y->data, in[P], in[G], in[MOMENT], in[SECOND], in[RATE], in[CONSTANTS],
                     hc_inputs(y)[P]->form->count);
    return true;
}

static void adam_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *x = hc_inputs(y), *to[3] = {NULL}, *in[FIRST_GIVEN + 3];
    bool moments = y->nin > MOMENT;
    Tensor *m = hc_part(y, 1), *v = hc_part(y, 2), *t = hc_part_cotangent(s, 0);
    HcAttr attr = {.bits = moments ? MOMENTS : 0};
    size_t nin = FIRST_GIVEN;
    (void)gy;
    for (unsigned i = 0; i < 3; i++) {
        Tensor *given = hc_part_cotangent(s, i);
        if (!given) continue;
        attr.bits |= 1u << i;
        in[nin++] = given;
    }
    if (hc_needs(s, P)) hc_give(s, P, t);
    if (t && hc_needs(s, RATE)) {
        Tensor *sum = hc_emit(&op_rate, NULL, (Tensor *[]){t, m, v, x[CONSTANTS]}, 4);
        hc_give(s, RATE, tensor_reshape(sum, hc_form_shape(x[RATE]->form)));
    }
    if (!hc_needs(s, G) && !hc_needs(s, MOMENT) && !hc_needs(s, SECOND)) return;
    in[G1] = x[G];
    in[M1] = m;
    in[V1] = v;
    in[RATE1] = x[RATE];
    in[CONSTANTS1] = x[CONSTANTS];
    if (!hc_emit_parts(&op_backward, &attr, in, nin, to, moments ? 3 : 1)) return;
    if (hc_needs(s, G)) hc_give(s, G, to[TO_G]);
    if (hc_needs(s, MOMENT)) hc_give(s, MOMENT, to[1]);
    if (hc_needs(s, SECOND)) hc_give(s, SECOND, to[2]);
}

enum { MOVED = HC_IN(RATE) | HC_IN(CONSTANTS) | HC_READS_OUTPUT }; /* read beside g */

static const HcOp op_adam = {.name = "optim_adam",
                             .flags = HC_OP_PARTS,
                             .arity = SECOND + 1,
                             .infer = adam_infer,
                             .forward = adam_forward,
                             .vjp = adam_vjp,
                             .compose = adam_composed,
                             .reads = {[G] = HC_IN(G) | MOVED,
                                       [RATE] = HC_IN(CONSTANTS) | HC_READS_OUTPUT,
                                       [MOMENT] = MOVED,
                                       [SECOND] = MOVED}};

bool hc_adam(Tensor *p, Tensor *g, Tensor *m, Tensor *v, Tensor *rate, const double *constants,
             Tensor **out) {
    if (!hc_check("optim_adam", p)) return false;
    HC_ASSERT(!m == !v && (!rate || rate->form->count == 1));
    Tensor *in[] = {p, g, rate, NULL, m, v};
    in[CONSTANTS] = hc_shared_constants(p->tape, constants, HC_ADAM_K_CONSTANTS);
    if (HC_FUSED) return hc_emit_parts(&op_adam, NULL, in, m ? SECOND + 1 : MOMENT, out, 3);
    move(in, out);
    return out[0] != NULL;
}
