/* Linear algebra: factors and systems. A factorization is made once, as a node of its own or as Cholesky's result; the
 * gradients are systems with the same factors again, so any order of derivative takes no other. Giles 2008, "Collected
 * matrix derivative results for forward and reverse mode AD"; Murray 2016, "Differentiation of the Cholesky
 * decomposition". */
#include "ops/ops.h"

static const HcFactorKernels *kernels_of(const Tensor *y) {
    return hc_factor_kernels(y->tape->k);
}

/* Of a matrix its size, of right-hand sides how many there are. */
static size_t last_of(const Tensor *x) {
    return x->form->dim[x->form->ndim - 1];
}

static char *matrix_at(const Tensor *y, size_t index) {
    const HcForm *f = y->form;
    return (char *)y->data + index * f->dim[f->ndim - 2] * f->dim[f->ndim - 1] * y->tape->item;
}

/* Both as matrices with equal leading axes, `vector` where b is one; false after hc_fail. */
static bool system_of(const char *who, Tensor **a, Tensor **b, bool *vector) {
    if (!hc_check_all(who, (Tensor *[]){*a, *b}, 2) || !hc_check_square(who, *a)) return false;
    const HcForm *fb = (*b)->form;
    *vector = fb->ndim == 1;
    if (fb->ndim == 0 || fb->dim[fb->ndim > 1 ? fb->ndim - 2 : 0] != last_of(*a)) {
        char ta[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
        return hc_fail((*a)->tape, HC_ERR_SHAPE,
                       "%s: a matrix %s with b %s: it takes [..., n, n] with [n] or [..., n, k]", who,
                       hc_shape_text(hc_form_shape((*a)->form), ta), hc_shape_text(hc_form_shape(fb), tb));
    }
    if (*vector && !(*b = tensor_unsqueeze(*b, 1))) return false;
    return ((*a)->form->ndim == 2 && (*b)->form->ndim == 2) || hc_broadcast_leading(who, a, b);
}

/* To a, where x solves op(a) x = b and gb is b's cotangent: -gb x^T, or transposed. */
static Tensor *to_matrix(Tensor *gb, Tensor *x, bool transposed) {
    Tensor *less = tensor_neg(gb);
    return transposed ? hc_product(x, false, less, true, NULL)
                      : hc_product(less, false, x, true, NULL);
}

/* ---- triangular systems: op(a) x = b. To b: the system of the transpose; to a: its triangle of -gb x^T ---- */

typedef struct Operand {
    HcMatrix a;
    const HcForm *form;
} Operand;

static bool triangular_infer(Tensor *y) {
    y->form = hc_inputs(y)[1]->form->plain;
    return true;
}

static bool solve_one(Tensor *y, size_t index, size_t count, const void *user, void *room,
                      size_t *bad) {
    const Operand *o = user;
    (void)count;
    unsigned flags = y->attr.bits;
    HcTriangle t = {.n = last_of(hc_inputs(y)[0]),
                    .width = last_of(y),
                    .a = o->a,
                    .upper = !(flags & HC_UPPER) != !(flags & HC_TRANSPOSED),
                    .unit = flags & HC_UNIT_DIAGONAL,
                    .b = matrix_at(y, index),
                    .ldb = last_of(y),
                    .workspace = room};
    t.a.data = (const char *)o->a.data + hc_matrix_at(o->form, index) * y->tape->item;
    return kernels_of(y)->solve_triangular(&t, bad);
}

static bool triangular_forward(Tensor *y) {
    Operand o;
    size_t n = last_of(hc_inputs(y)[0]), width = last_of(y);
    if (!hc_operand(y, 0, y->attr.bits & HC_TRANSPOSED, &o.a, &o.form)) return false;
    hc_copy_dense(hc_inputs(y)[1], y->data);
    size_t room = kernels_of(y)->solve_triangular_workspace(&(HcTriangle){.n = n, .width = width});
    return hc_matrices(y, &(HcMatrices){.fn = solve_one,
                                        .user = &o,
                                        .count = hc_matrix_count(y->form),
                                        .together = 1,
                                        .n = n,
                                        .cost = n * n / 2 * width,
                                        .room = room,
                                        .wrong = "is singular"});
}

static Tensor *triangular(Tensor *a, Tensor *b, unsigned flags);

static void triangular_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *a = hc_inputs(y)[0];
    unsigned flags = y->attr.bits;
    Tensor *gb = triangular(a, gy, flags ^ HC_TRANSPOSED);
    if (hc_needs(s, 1)) hc_give(s, 1, gb);
    if (!hc_needs(s, 0)) return;
    bool upper = flags & HC_UPPER;
    int offset = !(flags & HC_UNIT_DIAGONAL) ? 0 : upper ? 1 : -1;
    hc_give(s, 0, hc_triangle(to_matrix(gb, y, flags & HC_TRANSPOSED), upper, offset, 1));
}

static const HcOp op_triangular = {.name = "tensor_solve_triangular",
                                   .arity = 2,
                                   .infer = triangular_infer,
                                   .forward = triangular_forward,
                                   .vjp = triangular_vjp,
                                   .reads = {HC_IN(0) | HC_READS_OUTPUT, HC_IN(0)}};

static Tensor *triangular(Tensor *a, Tensor *b, unsigned flags) {
    return hc_emit2(&op_triangular, &(HcAttr){.bits = flags}, a, b);
}

Tensor *tensor_solve_triangular(Tensor *a, Tensor *b, unsigned flags) {
    bool vector;
    if (!system_of(op_triangular.name, &a, &b, &vector)) return NULL;
    if (flags & ~(unsigned)(HC_UPPER | HC_TRANSPOSED | HC_UNIT_DIAGONAL)) {
        hc_fail(a->tape, HC_ERR_ARG, "%s: flags %#x: there are HC_UPPER, HC_TRANSPOSED and HC_UNIT_DIAGONAL",
                op_triangular.name, flags);
        return NULL;
    }
    Tensor *x = triangular(a, b, flags);
    return vector ? tensor_squeeze(x, -1) : x;
}

Tensor *tensor_cholesky_solve(Tensor *b, Tensor *l) {
    bool vector;
    const char *who = "tensor_cholesky_solve";
    if (!hc_check_all(who, (Tensor *[]){b, l}, 2) || !system_of(who, &l, &b, &vector)) return NULL;
    Tensor *x = hc_told_as(who, l->tape, triangular(l, triangular(l, b, 0), HC_TRANSPOSED));
    return vector ? tensor_squeeze(x, -1) : x;
}

/* ---- L L^T = a. To a: (S + S^T) / 2 with S = L^-T phi(L^T g) L^-1; phi keeps the lower triangle and halves its
 * diagonal (Murray 2016, equation 10) ----------------------------------------------------------------------------- */

static bool cholesky_some(Tensor *y, size_t first, size_t count, const void *user, void *room,
                          size_t *bad) {
    (void)user;
    return kernels_of(y)->cholesky(matrix_at(y, first), count, last_of(y), room, bad);
}

static bool cholesky_forward(Tensor *y) {
    size_t n = last_of(y);
    hc_copy_dense(hc_inputs(y)[0], y->data);
    return hc_matrices(y, &(HcMatrices){.fn = cholesky_some,
                                        .count = hc_matrix_count(y->form),
                                        .together = HC_TOGETHER,
                                        .n = n,
                                        .cost = n * n / 6 * n,
                                        .room = kernels_of(y)->cholesky_workspace(n),
                                        .wrong = "is not positive definite"});
}

static void cholesky_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    if (!hc_needs(s, 0)) return;
    Tensor *p = hc_triangle(hc_product(y, true, gy, false, NULL), false, 0, 0.5);
    Tensor *half = triangular(y, p, HC_TRANSPOSED); /* L^-T P */
    Tensor *all = triangular(y, tensor_transpose(half, -2, -1), HC_TRANSPOSED);
    hc_give_scaled(s, 0, tensor_add(all, tensor_transpose(all, -2, -1)), 0.5);
}

static const HcOp op_cholesky = {.name = "tensor_cholesky",
                                 .arity = 1,
                                 .infer = hc_infer_dense,
                                 .forward = cholesky_forward,
                                 .vjp = cholesky_vjp,
                                 .reads = {HC_READS_OUTPUT}};

Tensor *tensor_cholesky(Tensor *a) {
    if (!hc_check(op_cholesky.name, a) || !hc_check_square(op_cholesky.name, a)) return NULL;
    return hc_emit1(&op_cholesky, NULL, a);
}

/* ---- the factors of a, P a = L U: [..., n + 1, n], of which the last row says how rows were swapped. No derivative:
 * what reads them has a as an input as well ----------------------------------------------------------------------- */

static bool lu_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    Shape shape = hc_form_shape(f);
    size_t count;
    shape.dim[shape.ndim - 2]++;
    if (!hc_shape_valid(shape, y->tape->item, &count))
        return hc_fail(y->tape, HC_ERR_SHAPE, "%s: the factors do not fit memory", y->op->name);
    y->form = hc_form(&y->tape->forms, shape.ndim, shape.dim, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool lu_one(Tensor *y, size_t index, size_t count, const void *a, void *room, size_t *bad) {
    size_t n = last_of(y);
    (void)count;
    (void)bad;
    y->tape->k->copy(matrix_at(y, index), 1, (const char *)a + index * n * n * y->tape->item, 1,
                     n * n);
    kernels_of(y)->lu(matrix_at(y, index), n, room);
    return true;
}

static bool lu_forward(Tensor *y) {
    size_t n = last_of(y);
    const void *a = hc_dense_input(y, 0);
    return a && hc_matrices(y, &(HcMatrices){.fn = lu_one,
                                             .user = a,
                                             .count = hc_matrix_count(y->form),
                                             .together = 1,
                                             .n = n,
                                             .cost = n * n / 3 * n,
                                             .room = kernels_of(y)->lu_workspace(n)});
}

static const HcOp op_lu = {.name = "tensor_solve",
                           .flags = HC_OP_NODIFF,
                           .arity = 1,
                           .infer = lu_infer,
                           .forward = lu_forward};

/* ---- a x = b, or a^T x = b, by the factors f of a. To b: the other one of g; to a: -gb x^T ---- */

static bool solve_infer(Tensor *y) {
    y->form = hc_inputs(y)[2]->form->plain;
    return true;
}

/* A triangle of the factors; the lower one has ones on its diagonal. */
static bool solve_factor(Tensor *y, size_t index, const Operand *o, bool upper, void *room,
                         size_t *bad) {
    bool transposed = y->attr.bits & HC_TRANSPOSED;
    HcTriangle t = {.n = last_of(hc_inputs(y)[1]),
                    .width = last_of(y),
                    .a = o->a,
                    .upper = upper != transposed,
                    .unit = !upper,
                    .b = matrix_at(y, index),
                    .ldb = last_of(y),
                    .workspace = room};
    t.a.data = (const char *)o->a.data + hc_matrix_at(o->form, index) * y->tape->item;
    if (transposed) {
        t.a.row = o->a.col;
        t.a.col = o->a.row;
    }
    return kernels_of(y)->solve_triangular(&t, bad);
}

static bool solve_both(Tensor *y, size_t index, size_t count, const void *user, void *room,
                       size_t *bad) {
    const Operand *o = user;
    (void)count;
    size_t n = last_of(hc_inputs(y)[1]), width = last_of(y);
    const char *pivot =
        (const char *)o->a.data + (hc_matrix_at(o->form, index) + n * n) * y->tape->item;
    bool transposed = y->attr.bits & HC_TRANSPOSED;
    if (!transposed) kernels_of(y)->swap_rows(matrix_at(y, index), pivot, n, width, false);
    if (!solve_factor(y, index, o, transposed, room, bad) ||
        !solve_factor(y, index, o, !transposed, room, bad))
        return false;
    if (transposed) kernels_of(y)->swap_rows(matrix_at(y, index), pivot, n, width, true);
    return true;
}

static bool solve_forward(Tensor *y) {
    const Tensor *f =
        hc_inputs(y)[1]; /* as it was written, but one matrix perhaps for several systems */
    size_t n = last_of(f), width = last_of(y);
    Operand o = {{f->data, n, 1}, f->form};
    hc_copy_dense(hc_inputs(y)[2], y->data);
    size_t room = kernels_of(y)->solve_triangular_workspace(&(HcTriangle){.n = n, .width = width});
    return hc_matrices(y, &(HcMatrices){.fn = solve_both,
                                        .user = &o,
                                        .count = hc_matrix_count(y->form),
                                        .together = 1,
                                        .n = n,
                                        .cost = n * n * width,
                                        .room = room,
                                        .wrong = "is singular"});
}

static Tensor *solve(Tensor *a, Tensor *f, Tensor *b, bool transposed);

static void solve_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *x = hc_inputs(y);
    bool transposed = y->attr.bits & HC_TRANSPOSED;
    Tensor *gb = solve(x[0], x[1], gy, !transposed);
    if (hc_needs(s, 0)) hc_give(s, 0, to_matrix(gb, y, transposed));
    if (hc_needs(s, 2)) hc_give(s, 2, gb);
}

static const HcOp op_solve = {.name = "tensor_solve",
                              .arity = 3,
                              .infer = solve_infer,
                              .forward = solve_forward,
                              .vjp = solve_vjp,
                              .reads = {HC_IN(1) | HC_READS_OUTPUT, 0, HC_IN(1)}};

static Tensor *solve(Tensor *a, Tensor *f, Tensor *b, bool transposed) {
    return hc_emit(&op_solve, &(HcAttr){.bits = transposed ? HC_TRANSPOSED : 0},
                   (Tensor *[]){a, f, b}, 3);
}

/* x's matrices repeated for the leading axes of `like`. */
static Tensor *repeated(Tensor *x, const Tensor *like) {
    if (!x || !like) return NULL;
    Shape shape = hc_form_shape(like->form);
    shape.dim[shape.ndim - 2] = x->form->dim[x->form->ndim - 2];
    shape.dim[shape.ndim - 1] = x->form->dim[x->form->ndim - 1];
    return shape_equal(shape, hc_form_shape(x->form)) ? x : tensor_expand(x, shape);
}

Tensor *tensor_solve(Tensor *a, Tensor *b) {
    bool vector;
    Tensor *one = a;
    if (!system_of(op_solve.name, &a, &b, &vector)) return NULL;
    Tensor *x = solve(a, repeated(hc_emit1(&op_lu, NULL, one), a), b, false);
    return vector ? tensor_squeeze(x, -1) : x;
}

/* The inverse of a, or of its transpose, of which f are the factors. */
static Tensor *inverse(Tensor *a, Tensor *f, bool transposed) {
    if (!a || !f) return NULL;
    Tensor *one = tensor_diag(tensor_ones(a->tape, shape1(last_of(a))), 0);
    return solve(a, f, repeated(one, a), transposed);
}

static Tensor *factored(const char *who, Tensor *a) {
    return hc_check(who, a) && hc_check_square(who, a) ? hc_emit1(&op_lu, NULL, a) : NULL;
}

Tensor *tensor_inverse(Tensor *a) {
    const char *who = "tensor_inverse";
    return hc_check(who, a) ? hc_told_as(who, a->tape, inverse(a, factored(who, a), false)) : NULL;
}

/* ---- determinants, by the factors f of a ----------------------------------------------------- */

/* All but the last two axes. */
static bool leading_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    y->form = hc_form(&y->tape->forms, f->ndim - 2, f->dim, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool determinants(Tensor *y, const Tensor *f, bool sign) {
    size_t n = last_of(f), item = y->tape->item;
    for (size_t i = 0; i < y->form->count; i++)
        kernels_of(y)->lu_det((char *)y->data + i * item, matrix_at(f, i), n, sign);
    return true;
}

/* c [...] times each matrix. */
static Tensor *scaled(Tensor *c, Tensor *matrices) {
    return tensor_mul(tensor_unsqueeze(tensor_unsqueeze(c, -1), -1), matrices);
}

/* det. To a: g det a^-T */
static bool det_forward(Tensor *y) {
    return determinants(y, hc_inputs(y)[1], false);
}

static void det_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *x = hc_inputs(y);
    if (hc_needs(s, 0)) hc_give(s, 0, scaled(tensor_mul(gy, y), inverse(x[0], x[1], true)));
}

static const HcOp op_det = {.name = "tensor_det",
                            .arity = 2,
                            .infer = leading_infer,
                            .forward = det_forward,
                            .vjp = det_vjp,
                            .reads = {HC_IN(1) | HC_READS_OUTPUT}};

Tensor *tensor_det(Tensor *a) {
    Tensor *f = factored(op_det.name, a);
    return f ? hc_emit2(&op_det, NULL, a, f) : NULL;
}

/* log |det|: the sum of the logarithms of U's diagonal. To a: g a^-T */
static bool logdet_forward(Tensor *y) {
    const HcKernels *k = y->tape->k;
    const Tensor *f = hc_inputs(y)[1];
    size_t n = last_of(f), count = y->form->count, item = y->tape->item;
    k->fill(y->data, count, 0);
    if (n == 0 || count == 0) return true;
    char *diagonal = hc_workspace(y, count * n * item);
    if (!diagonal) return false;
    for (size_t i = 0; i < count; i++)
        k->copy(diagonal + i * n * item, 1, matrix_at(f, i), n + 1, n);
    k->abs(diagonal, diagonal, count * n, NULL);
    k->log(diagonal, diagonal, count * n, NULL);
    k->sum_rows(y->data, diagonal, n, count, n);
    return true;
}

static void logdet_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tensor *const *x = hc_inputs(y);
    if (hc_needs(s, 0)) hc_give(s, 0, scaled(gy, inverse(x[0], x[1], true)));
}

static const HcOp op_logdet = {.name = "tensor_slogdet",
                               .arity = 2,
                               .infer = leading_infer,
                               .forward = logdet_forward,
                               .vjp = logdet_vjp,
                               .reads = {HC_IN(1)}};

static bool sign_forward(Tensor *y) {
    return determinants(y, hc_inputs(y)[0], true);
}

static const HcOp op_sign = {.name = "tensor_slogdet",
                             .flags = HC_OP_NODIFF,
                             .arity = 1,
                             .infer = leading_infer,
                             .forward = sign_forward};

Tensor *tensor_slogdet(Tensor *a, Tensor **sign) {
    Tensor *f = factored(op_logdet.name, a),
           *of_it = f && sign ? hc_emit1(&op_sign, NULL, f) : NULL;
    Tensor *y = f && (of_it || !sign) ? hc_emit2(&op_logdet, NULL, a, f) : NULL;
    if (y && sign) *sign = of_it;
    return y;
}
