/* Parts of matrices, the last two axes: triangles and diagonals, each its own adjoint or one of a pair, and what is
 * made of them. */
#include <string.h>

#include "ops/ops.h"

/* ---- triangles. To x: the same triangle of g ------------------------------------------------- */

static bool triangle_forward(Tensor *y) {
    const HcForm *f = y->form;
    const char *x = hc_dense_input(y, 0);
    if (!x) return false;
    size_t m = f->dim[f->ndim - 2], n = f->dim[f->ndim - 1], item = y->tape->item;
    for (size_t at = 0; at < f->count; at += m * n)
        y->tape->k->triangle((char *)y->data + at * item, x + at * item, m, n,
                             y->attr.triangle.offset, y->attr.triangle.upper,
                             y->attr.triangle.diagonal);
    return true;
}

static void triangle_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0,
            hc_triangle(gy, y->attr.triangle.upper, y->attr.triangle.offset,
                        y->attr.triangle.diagonal));
}

static const HcOp op_tril = {.name = "tensor_tril",
                             .arity = 1,
                             .infer = hc_infer_dense,
                             .forward = triangle_forward,
                             .vjp = triangle_vjp};

static const HcOp op_triu = {.name = "tensor_triu",
                             .arity = 1,
                             .infer = hc_infer_dense,
                             .forward = triangle_forward,
                             .vjp = triangle_vjp};

Tensor *hc_triangle(Tensor *x, bool upper, int offset, double c) {
    HcAttr attr = {.triangle = {.offset = offset, .upper = upper, .diagonal = c}};
    return hc_emit1(upper ? &op_triu : &op_tril, &attr, x);
}

static bool is_matrix(const char *who, const Tensor *x) {
    char text[HC_SHAPE_TEXT];
    if (!hc_check(who, x)) return false;
    return x->form->ndim >= 2 || hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s is no matrix", who,
                                         hc_shape_text(hc_form_shape(x->form), text));
}

Tensor *tensor_tril(Tensor *x, int offset) {
    return is_matrix(op_tril.name, x) ? hc_triangle(x, false, offset, 1) : NULL;
}

Tensor *tensor_triu(Tensor *x, int offset) {
    return is_matrix(op_triu.name, x) ? hc_triangle(x, true, offset, 1) : NULL;
}

/* ---- a diagonal of the last two axes <-> zeros with that diagonal ---------------------------- */

/* Where the diagonal begins, and how many numbers it has. */
static size_t row_of(int offset) {
    return offset < 0 ? (size_t) - (int64_t)offset : 0;
}

static size_t col_of(int offset) {
    return offset > 0 ? (size_t)offset : 0;
}

static size_t length_of(size_t rows, size_t cols, int offset) {
    size_t r = row_of(offset), c = col_of(offset);
    if (r >= rows || c >= cols) return 0;
    return rows - r < cols - c ? rows - r : cols - c;
}

static bool diagonal_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    size_t dim[HC_MAX_DIMS], stride[HC_MAX_DIMS];
    int last = f->ndim - 2, offset = y->attr.triangle.offset;
    memcpy(dim, f->dim, sizeof dim);
    memcpy(stride, f->stride, sizeof stride);
    dim[last] = length_of(f->dim[last], f->dim[last + 1], offset);
    stride[last] = f->stride[last] + f->stride[last + 1];
    size_t start =
        dim[last] ? row_of(offset) * f->stride[last] + col_of(offset) * f->stride[last + 1] : 0;
    return hc_view(y, last + 1, dim, stride, start);
}

static Tensor *embed(Tensor *x, int offset, size_t rows, size_t cols);

static void diagonal_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    const HcForm *f = hc_inputs(y)[0]->form;
    hc_give(s, 0, embed(gy, y->attr.triangle.offset, f->dim[f->ndim - 2], f->dim[f->ndim - 1]));
}

static const HcOp op_diagonal = {.name = "tensor_diagonal",
                                 .flags = HC_OP_ALIAS,
                                 .arity = 1,
                                 .infer = diagonal_infer,
                                 .vjp = diagonal_vjp};

Tensor *hc_diagonal(Tensor *x, int offset) {
    return hc_emit1(&op_diagonal, &(HcAttr){.triangle = {.offset = offset}}, x);
}

static bool embed_infer(Tensor *y) {
    const HcForm *f = hc_inputs(y)[0]->form;
    Shape shape = hc_form_shape(f);
    size_t count;
    shape.dim[shape.ndim - 1] = y->attr.triangle.rows;
    shape.dim[shape.ndim++] = y->attr.triangle.cols;
    if (!hc_shape_valid(shape, y->tape->item, &count))
        return hc_fail(y->tape, HC_ERR_SHAPE, "%s: the result does not fit memory", y->op->name);
    y->form = hc_form(&y->tape->forms, shape.ndim, shape.dim, NULL);
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static bool embed_forward(Tensor *y) {
    const HcKernels *k = y->tape->k;
    const HcForm *f = hc_inputs(y)[0]->form;
    const char *x = hc_dense_input(y, 0);
    if (!x) return false;
    size_t n = f->dim[f->ndim - 1], cols = y->attr.triangle.cols, item = y->tape->item;
    int offset = y->attr.triangle.offset;
    k->fill(y->data, y->form->count, 0);
    char *to = (char *)y->data + (row_of(offset) * cols + col_of(offset)) * item;
    for (size_t at = 0; at < f->count; at += n, to += y->attr.triangle.rows * cols * item)
        k->copy(to, cols + 1, x + at * item, 1, n);
    return true;
}

static void embed_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    hc_give(s, 0, hc_diagonal(gy, y->attr.triangle.offset));
}

static const HcOp op_embed = {.name = "tensor_diag",
                              .arity = 1,
                              .infer = embed_infer,
                              .forward = embed_forward,
                              .vjp = embed_vjp};

static Tensor *embed(Tensor *x, int offset, size_t rows, size_t cols) {
    return hc_emit1(&op_embed,
                    &(HcAttr){.triangle = {.offset = offset, .rows = rows, .cols = cols}}, x);
}

Tensor *tensor_diag(Tensor *x, int offset) {
    if (!hc_check(op_embed.name, x)) return NULL;
    if (x->form->ndim == 0 || x->form->ndim == HC_MAX_DIMS) {
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_diag: of %d axes; it takes 1 to %d", x->form->ndim, HC_MAX_DIMS - 1);
        return NULL;
    }
    size_t n = x->form->dim[x->form->ndim - 1] + row_of(offset) + col_of(offset);
    return embed(x, offset, n, n);
}

Tensor *tensor_diagonal(Tensor *x, int offset, int axis0, int axis1) {
    int first, second, axes[HC_MAX_DIMS], count = 0;
    if (!is_matrix(op_diagonal.name, x) ||
        !hc_axis(op_diagonal.name, x, axis0, x->form->ndim, &first) ||
        !hc_axis(op_diagonal.name, x, axis1, x->form->ndim, &second))
        return NULL;
    if (first == second) {
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_diagonal: axis %d is named twice", axis1);
        return NULL;
    }
    for (int i = 0; i < x->form->ndim; i++)
        if (i != first && i != second) axes[count++] = i;
    axes[count++] = first;
    axes[count++] = second;
    if (first != x->form->ndim - 2 || second != x->form->ndim - 1)
        x = tensor_permute(x, axes, (size_t)count);
    return hc_diagonal(x, offset);
}

/* ---- what is made of them -------------------------------------------------------------------- */

Tensor *tensor_trace(Tensor *x) {
    if (!is_matrix("tensor_trace", x)) return NULL;
    return tensor_sum_axes(hc_diagonal(x, 0), (const int[]){-1}, 1, false);
}

Tensor *tensor_outer(Tensor *a, Tensor *b) {
    if (!hc_check_all("tensor_outer", (Tensor *[]){a, b}, 2)) return NULL;
    if (a->form->ndim == 0 || b->form->ndim == 0) {
        char ta[HC_SHAPE_TEXT], tb[HC_SHAPE_TEXT];
        hc_fail(a->tape, HC_ERR_SHAPE, "tensor_outer: %s and %s: a scalar is no vector",
                hc_shape_text(hc_form_shape(a->form), ta), hc_shape_text(hc_form_shape(b->form), tb));
        return NULL;
    }
    return tensor_mul(tensor_unsqueeze(a, -1), tensor_unsqueeze(b, -2));
}
