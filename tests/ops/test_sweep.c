/* Every operation, every operand, with broadcasting: derivatives of orders 1, 2 and 3 against finite
 * differences in f64, and f32 against f64. Driven by ops.def. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

enum { MOST_INPUTS = 6, MOST_NUMBERS = 64 };

typedef struct Row {
    const char *name, *shapes;
    double low, high;
    GradcheckFn *fn;
} Row;

#define HC_OP(name, shapes, low, high, call)                                                       \
    static Tensor *call_##name(Tensor *const *x, size_t n, void *user)                             \
    {                                                                                              \
        (void)n;                                                                                   \
        (void)user;                                                                                \
        return call;                                                                               \
    }
#include "ops/ops.def"
#undef HC_OP

static const Row rows[] = {
#define HC_OP(name, shapes, low, high, call) {#name, shapes, low, high, call_##name},
#include "ops/ops.def"
#undef HC_OP
};

/* "3x4 s|..." up to the bar: the shapes; the rest is returned. */
static const char *parse(const char *text, Shape *shapes, size_t *count)
{
    for (*count = 0; *text && *text != '|'; ++*count) {
        Shape *shape = &shapes[*count];
        *shape = shape_scalar();
        if (*text == 's') text++;
        while (*text >= '0' && *text <= '9') {
            char *end;
            shape->dim[shape->ndim++] = strtoul(text, &end, 10);
            text = *end == 'x' ? end + 1 : end;
        }
        while (*text == ' ') text++;
    }
    return *text == '|' ? text + 1 : text;
}

/* Distinct numbers, so that no maximum has ties. */
static void draw(double *values, size_t count, const Row *row, Rng *rng)
{
    for (size_t i = 0; i < count; i++)
        values[i] = row->low + (row->high - row->low) * rng_uniform(rng);
}

/* The value and first gradients, as doubles one after the other. */
static size_t value_and_grads(DType dtype, const Row *row, const Shape *shapes, size_t count,
                              double values[][MOST_NUMBERS], double *out)
{
    Tape *tape = tape_create(dtype);
    Tensor *x[MOST_INPUTS], *g[MOST_INPUTS];
    for (size_t i = 0; i < count; i++) x[i] = tensor_leaf(tensor_from_f64(tape, shapes[i], values[i]));
    Tensor *y = tensor_sum(row->fn(x, count, NULL));
    size_t used = 0;
    CHECK(tensor_grad(y, x, count, g, HC_ZEROS));
    CHECK(tensor_copy_to_f64(y, out, 1));
    used++;
    for (size_t i = 0; i < count; i++) {
        CHECK(tensor_copy_to_f64(g[i], out + used, tensor_count(x[i])));
        used += tensor_count(x[i]);
    }
    tape_destroy(tape);
    return used;
}

static void check_case(const Row *row, const Shape *shapes, size_t count, Rng *rng)
{
    double values[MOST_INPUTS][MOST_NUMBERS], in32[MOST_INPUTS * MOST_NUMBERS + 1],
        in64[MOST_INPUTS * MOST_NUMBERS + 1];
    Tape *tape = tape_create(HC_F64);
    Tensor *x[MOST_INPUTS];
    for (size_t i = 0; i < count; i++) {
        draw(values[i], shape_count(shapes[i]), row, rng);
        x[i] = tensor_from_f64(tape, shapes[i], values[i]);
    }
    GradcheckOptions options = gradcheck_options(HC_F64);
    options.order = 3;
    bool good = gradcheck(row->fn, x, count, options, NULL);
    CHECK(good);
    if (!good) {
        printf("  %s: %s\n", row->name, higherc_error() ? higherc_error() : "");
        higherc_clear_error();
    }
    tape_destroy(tape);
    size_t n = value_and_grads(HC_F64, row, shapes, count, values, in64);
    CHECK(value_and_grads(HC_F32, row, shapes, count, values, in32) == n);
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(in64[i]));
    for (size_t i = 0; i < n; i++) CHECK_NEAR(in32[i], in64[i], 0, 2e-5 * largest);
}

/* A gradient that lacks a term must be found out. */
static Tensor *wrong(Tensor *const *x, size_t n, void *user)
{
    (void)n;
    (void)user;
    return tensor_mul(x[0], tensor_detach(x[0]));
}

static Tensor *wrong_at_second_order(Tensor *const *x, size_t n, void *user)
{
    (void)n;
    (void)user;
    Tensor *g;
    Tensor *y = tensor_sum(tensor_pow_scalar(x[0], 3));
    return tensor_grad(y, x, 1, &g, 0) ? tensor_mul(g, x[0]) : NULL; /* g without its graph */
}

int main(void)
{
    Rng rng = rng_seed(7);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (const char *text = rows[r].shapes; *text;) {
            Shape shapes[MOST_INPUTS];
            size_t count;
            text = parse(text, shapes, &count);
            check_case(&rows[r], shapes, count, &rng);
        }

    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_from_f64(tape, shape1(2), (double[]){1.5, -0.7});
    CHECK(!gradcheck(wrong, &x, 1, gradcheck_options(HC_F64), NULL));
    CHECK_ERROR("order 1");
    CHECK(!gradcheck(wrong_at_second_order, &x, 1, gradcheck_options(HC_F64), NULL));
    CHECK_ERROR("gradcheck");
    tape_destroy(tape);
    return check_done();
}
