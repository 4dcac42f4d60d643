/* Tensors made from data, and read back. */
#include <math.h>
#include <string.h>

#include "tape/tape.h"

const HcOp hc_op_leaf = {.name = "tensor", .flags = HC_OP_LEAF};

static bool given(Tape *tape, const char *who, Shape shape, const void *values) {
    return !tape || values || shape_count(shape) == 0 ||
           hc_fail(tape, HC_ERR_ARG, "%s: values is NULL", who);
}

Tensor *tensor_from_f32(Tape *tape, Shape shape, const float *values) {
    const char *who = "tensor_from_f32";
    if (!given(tape, who, shape, values)) return NULL;
    Tensor *y = hc_emit_leaf(tape, who, shape, NULL, HC_WHY_CONSTANT);
    if (y && values) tape->k->from_f32(y->data, values, y->form->count);
    return y;
}

Tensor *tensor_from_f64(Tape *tape, Shape shape, const double *values) {
    const char *who = "tensor_from_f64";
    if (!given(tape, who, shape, values)) return NULL;
    Tensor *y = hc_emit_leaf(tape, who, shape, NULL, HC_WHY_CONSTANT);
    if (y && values) tape->k->from_f64(y->data, values, y->form->count);
    return y;
}

Tensor *hc_shared_constants(Tape *tape, const double *values, size_t count) {
    enum { MOST = 16 };
    double numbers[MOST]; /* of the tape's type */
    Tensor *last = tape->shared.serial && tape->shared.index < tape->count ? hc_node(tape, tape->shared.index) : NULL;
    HC_ASSERT(count <= MOST);
    bool there = last && last->serial == tape->shared.serial && last->form->count == count;
    if (there && !tape->manner.scratching) {
        tape->k->from_f64(numbers, values, count);
        if (memcmp(last->data, numbers, count * tape->item) == 0) return last;
    }
    Tensor *y = tensor_from_f64(tape, shape1(count), values);
    if (y && !tape->manner.scratching) {
        tape->shared.index = y->index;
        tape->shared.serial = y->serial;
    }
    return y;
}

Tensor *tensor_from_i64(Tape *tape, Shape shape, const int64_t *values) {
    const char *who = "tensor_from_i64";
    size_t count = 0;
    if (!given(tape, who, shape, values)) return NULL;
    int64_t limit = tape && tape->dtype == HC_F32 ? (int64_t)1 << 24 : (int64_t)1 << 53;
    /* A shape that no memory holds is refused below, before anything is read. */
    bool fits = tape && hc_shape_valid(shape, tape->item, &count);
    for (size_t i = 0; fits && i < count; i++)
        if (values[i] > limit || values[i] < -limit) {
            hc_fail(tape, HC_ERR_RANGE, "%s: %lld at %zu is not exact in %s", who, (long long)values[i], i,
                    tape->dtype == HC_F32 ? "f32" : "f64");
            return NULL;
        }
    Tensor *y = hc_emit_leaf(tape, who, shape, NULL, HC_WHY_CONSTANT);
    for (size_t i = 0; y && i < count; i++) {
        double value = (double)values[i];
        tape->k->from_f64((char *)y->data + i * tape->item, &value, 1);
    }
    return y;
}

Tensor *tensor_borrow(Tape *tape, Shape shape, const void *values) {
    static char nothing;
    if (!given(tape, "tensor_borrow", shape, values)) return NULL;
    /* No operation writes an input; the cast only lets one field hold both kinds of memory. */
    void *data = values ? (void *)(uintptr_t)values : &nothing;
    return hc_emit_leaf(tape, "tensor_borrow", shape, data, HC_WHY_CONSTANT);
}

static Tensor *filled(Tape *tape, const char *who, Shape shape, double value) {
    Tensor *y = hc_emit_leaf(tape, who, shape, NULL, HC_WHY_CONSTANT);
    if (y) tape->k->fill(y->data, y->form->count, value);
    return y;
}

Tensor *tensor_zeros(Tape *tape, Shape shape) {
    return filled(tape, "tensor_zeros", shape, 0);
}

Tensor *tensor_ones(Tape *tape, Shape shape) {
    return filled(tape, "tensor_ones", shape, 1);
}

Tensor *tensor_full(Tape *tape, Shape shape, double value) {
    return filled(tape, "tensor_full", shape, value);
}

Tensor *tensor_scalar(Tape *tape, double value) {
    return filled(tape, "tensor_scalar", shape_scalar(), value);
}

/* A tensor whose numbers are a + b draw(rng). */
static Tensor *drawn(Tape *tape, const char *who, Shape shape, double a, double b, Rng *rng,
                     double (*draw)(Rng *)) {
    if (tape && !rng) {
        hc_fail(tape, HC_ERR_ARG, "%s: the stream is NULL", who);
        return NULL;
    }
    Tensor *y = hc_emit_leaf(tape, who, shape, NULL, HC_WHY_CONSTANT);
    for (size_t i = 0; y && i < y->form->count; i++) {
        double value = a + b * draw(rng);
        y->tape->k->from_f64((char *)y->data + i * y->tape->item, &value, 1);
    }
    return y;
}

Tensor *tensor_uniform(Tape *tape, Shape shape, double low, double high, Rng *rng) {
    return drawn(tape, "tensor_uniform", shape, low, high - low, rng, rng_uniform);
}

Tensor *tensor_normal(Tape *tape, Shape shape, double mean, double deviation, Rng *rng) {
    return drawn(tape, "tensor_normal", shape, mean, deviation, rng, rng_normal);
}

Tensor *tensor_arange(Tape *tape, double start, double stop, double step) {
    double count = ceil((stop - start) / step);
    if (!(step != 0) || !(fabs(count) < 0x1p52)) {
        hc_fail(tape, HC_ERR_ARG, "tensor_arange: from %g to %g by %g: no step of 0, and less than 2^52 numbers", start,
                stop, step);
        return NULL;
    }
    Shape shape = shape1(count > 0 ? (size_t)count : 0);
    Tensor *y = hc_emit_leaf(tape, "tensor_arange", shape, NULL, HC_WHY_CONSTANT);
    for (size_t i = 0; y && i < y->form->count; i++) {
        double value = start + (double)i * step;
        tape->k->from_f64((char *)y->data + i * tape->item, &value, 1);
    }
    return y;
}

/* For questions that NULL has an answer to, which is that of a tensor that was freed as well. */
static bool known(const char *who, const Tensor *x) {
    return x && (hc_alive(x) ||
                 hc_fail(x->tape, HC_ERR_EXPIRED,
                         "%s: the tensor was freed by a reset or release of its tape", who));
}

Shape tensor_shape(const Tensor *x) {
    return known("tensor_shape", x) ? hc_form_shape(x->form) : shape_of(NULL, -1);
}

int tensor_ndim(const Tensor *x) {
    return known("tensor_ndim", x) ? x->form->ndim : -1;
}

size_t tensor_dim(const Tensor *x, int axis) {
    if (!known("tensor_dim", x)) return 0;
    int i = axis < 0 ? axis + x->form->ndim : axis;
    return i >= 0 && i < x->form->ndim ? x->form->dim[i] : 0;
}

size_t tensor_count(const Tensor *x) {
    return known("tensor_count", x) ? x->form->count : 0;
}

DType tensor_dtype(const Tensor *x) {
    return x ? x->tape->dtype : HC_F32;
}

Tape *tensor_tape(const Tensor *x) {
    return x ? x->tape : NULL;
}

uint64_t tensor_serial(const Tensor *x) {
    return x ? x->serial : 0;
}

const void *tensor_data(Tensor *x) {
    if (!hc_check("tensor_data", x)) return NULL;
    hc_note_read(x);
    if (hc_is_dense(x->form)) return x->data;
    Tape *tape = x->tape;
    HcDensed *entry = hc_tape_alloc(tape, sizeof *entry, "tensor_data");
    void *copy = hc_tape_alloc(tape, x->form->count * tape->item, "tensor_data");
    if (!entry || !copy) return NULL;
    hc_copy_dense(x, copy);
    if (x->flags & (HC_NODE_BORROWED | HC_NODE_SCRATCH)) return copy; /* may change or go */
    *entry = (HcDensed){tape->densed, x, x->serial, x->data, x->form, hc_arena_top(&tape->data)};
    tape->densed = entry;
    x->data = copy;
    x->form = x->form->plain;
    return copy;
}

double tensor_item(Tensor *x) {
    if (!hc_check("tensor_item", x)) return NAN;
    if (x->form->count != 1) {
        char text[HC_SHAPE_TEXT];
        hc_fail(x->tape, HC_ERR_SHAPE, "tensor_item: %s has not one element",
                hc_shape_text(hc_form_shape(x->form), text));
        return NAN;
    }
    double value;
    hc_note_read(x);
    x->tape->k->to_f64(&value, x->data, 1);
    return value;
}

/* x's numbers, dense: its own, or a copy to be freed where that is not NULL. */
static const void *readable(Tensor *x, const char *who, const void *values, size_t count,
                            void **copy) {
    *copy = NULL;
    if (!hc_check(who, x)) return NULL;
    if (!values && count > 0) {
        hc_null_on(x->tape, who, "values");
        return NULL;
    }
    if (count != x->form->count) {
        hc_fail(x->tape, HC_ERR_SHAPE, "%s: room for %zu numbers, the tensor has %zu", who, count, x->form->count);
        return NULL;
    }
    hc_note_read(x);
    if (hc_is_dense(x->form)) return x->data;
    *copy = hc_scratch_alloc(&x->tape->scratch, count * x->tape->item);
    if (!*copy)
        hc_fail_nomem(x->tape, who);
    else
        hc_copy_dense(x, *copy);
    return *copy;
}

bool tensor_copy_to_f32(Tensor *x, float *values, size_t count) {
    void *copy;
    const void *from = readable(x, "tensor_copy_to_f32", values, count, &copy);
    if (!from) return false;
    if (count) x->tape->k->to_f32(values, from, count);
    hc_scratch_free(&x->tape->scratch, copy, count * x->tape->item);
    return true;
}

bool tensor_copy_to_f64(Tensor *x, double *values, size_t count) {
    void *copy;
    const void *from = readable(x, "tensor_copy_to_f64", values, count, &copy);
    if (!from) return false;
    if (count) x->tape->k->to_f64(values, from, count);
    hc_scratch_free(&x->tape->scratch, copy, count * x->tape->item);
    return true;
}

bool tensor_requires_grad(const Tensor *x) {
    return known("tensor_requires_grad", x) && (x->flags & HC_NODE_NEEDS);
}

void hc_note_read(const Tensor *x) {
    Tape *tape = x->tape;
    if (x->nin == 0 || tape->read != SIZE_MAX) return;
    tape->read = tape->count;
    tape->read_op = x->op->name;
}
