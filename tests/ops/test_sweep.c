/* Every operation, every operand, with broadcasting: derivatives of orders 1, 2 and 3 against finite
 * differences in f64, and f32 against f64. Driven by ops.def. */
#include <higherc/higherc.h>

#include <math.h>
#include <string.h>

#include "ops/op_rows.h"

/* The value and first gradients, as doubles one after the other. */
static size_t value_and_grads(DType dtype, const Row *row, const Shape *shapes, size_t count,
                              double values[][MOST_NUMBERS], double *out) {
    Tape *tape = tape_create(dtype);
    Tensor *x[MOST_INPUTS], *g[MOST_INPUTS];
    for (size_t i = 0; i < count; i++)
        x[i] = tensor_leaf(tensor_from_f64(tape, shapes[i], values[i]));
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

/* Whether some gradient to each input is not 0: else no rule is tested. That of a sign is. */
static void check_gradients_are_some(const Row *row, const Shape *shapes, size_t count,
                                     const double *grads) {
    for (size_t i = 0; i < count; grads += shape_count(shapes[i++])) {
        bool some = strcmp(row->name, "sign_alone") == 0;
        for (size_t j = 0; j < shape_count(shapes[i]); j++)
            some = some || grads[j] != 0;
        CHECK(some);
        if (!some) printf("  %s: no gradient to input %zu\n", row->name, i);
    }
}

static void check_case(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
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
    check_gradients_are_some(row, shapes, count, in64 + 1);
    CHECK(value_and_grads(HC_F32, row, shapes, count, values, in32) == n);
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(in64[i]));
    for (size_t i = 0; i < n; i++)
        CHECK_NEAR(in32[i], in64[i], 0, 2e-5 * largest);
}

/* A gradient that lacks a term must be found out. */
static Tensor *wrong(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_mul(x[0], tensor_detach(x[0]));
}

static Tensor *wrong_at_second_order(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    Tensor *g;
    Tensor *y = tensor_sum(tensor_pow_scalar(x[0], 3));
    return tensor_grad(y, x, 1, &g, 0) ? tensor_mul(g, x[0]) : NULL; /* g without its graph */
}

/* Right for all inputs but one entry of the second. */
static Tensor *wrong_entry(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    Tensor *tail = tensor_slice(x[1], 0, 1, 2, 1);
    Tensor *y =
        tensor_concat((Tensor *[]){tensor_slice(x[1], 0, 0, 1, 1), tensor_detach(tail)}, 2, 0);
    return tensor_mul(tensor_sin(x[0]), y);
}

static Tensor *infinite(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_div_scalar(tensor_add(x[0], tensor_detach(x[0])), 0);
}

static Tensor *linear(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_mul_scalar(x[0], 3);
}

static Tensor *large(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_mul_scalar(tensor_mul(x[0], tensor_tanh(x[0])), 1e6);
}

static Tensor *independent(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_ones(tensor_tape(x[0]), shape1(3));
}

static Tensor *misshapen(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_add(x[0], tensor_ones(tensor_tape(x[0]), shape1(3)));
}

static Tensor *nothing(Tensor *const *x, size_t n, void *user) {
    (void)x;
    (void)n;
    (void)user;
    return NULL;
}

static Tensor *given(Tensor *const *x, size_t n, void *user) {
    (void)x;
    (void)n;
    return user;
}

/* x, with a derivative that is said to be infinite. */
static Tensor *copy_forward(const CustomCall *call) {
    return tensor_clone(call->inputs[0]);
}

static bool endless_backward(const CustomCall *call, Tensor **grads) {
    grads[0] = tensor_full(call->tape, tensor_shape(call->gradient), (double)INFINITY);
    return true;
}

static Tensor *endless(Tensor *const *x, size_t n, void *user) {
    static const CustomClass cls = {"endless", copy_forward, endless_backward};
    (void)user;
    return tensor_custom(&cls, x, n, NULL);
}

/* gradcheck itself: what is wrong fails, with the place; what has no derivative passes. */
static void check_gradcheck(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x[2] = {tensor_from_f64(tape, shape1(2), (double[]){1.5, -0.7}),
                    tensor_from_f64(tape, shape1(2), (double[]){0.4, 2.5})};
    GradcheckOptions options = gradcheck_options(HC_F64);
    size_t nodes = tape_stats(tape).nodes;
    CHECK(!gradcheck(wrong, x, 1, options, NULL));
    CHECK(higherc_status() == HC_ERR_GRAD && tape_status(tape) == HC_OK);
    CHECK_ERROR("order 1, input 0, entry 0");
    CHECK(!gradcheck(wrong_at_second_order, x, 1, options, NULL));
    CHECK_ERROR("gradcheck");
    CHECK(!gradcheck(wrong_entry, x, 2, options, NULL));
    CHECK_ERROR("order 1, input 1, entry 1");
    CHECK(!gradcheck(infinite, x, 1, options, NULL));
    CHECK_ERROR("order 1");
    GradcheckOptions anything = options;
    anything.absolute = (double)INFINITY; /* excuses every distance but that */
    CHECK(gradcheck(wrong, x, 1, anything, NULL) && !gradcheck(endless, x, 1, anything, NULL));
    CHECK_ERROR("the derivative is inf");
    Tape *other = tape_create(HC_F64);
    CHECK(!gradcheck(given, x, 1, options, tensor_ones(other, shape1(2))));
    CHECK_ERROR("gradcheck: the function: tensor ");
    tape_clear_error(tape);
    tape_destroy(other);

    options.order = 6;
    CHECK(gradcheck(linear, x, 1, options, NULL));
    CHECK(gradcheck(independent, x, 2, options, NULL));
    Tensor *none = tensor_zeros(tape, shape2(0, 2));
    CHECK(gradcheck(linear, &none, 1, options, NULL));
    nodes++;

    CHECK(!gradcheck(nothing, x, 1, options, NULL));
    CHECK_ERROR("gradcheck: the function gave no tensor");
    CHECK(!gradcheck(NULL, x, 1, options, NULL));
    CHECK_ERROR("gradcheck");
    CHECK(tape_status(tape) == HC_OK);
    CHECK(!gradcheck(misshapen, x, 1, options, NULL));
    CHECK(tape_status(tape) == HC_ERR_SHAPE);
    CHECK_ERROR("tensor_add: shapes (2) and (3) do not broadcast");
    tape_clear_error(tape);
    options.order = 7;
    CHECK(!gradcheck(linear, x, 1, options, NULL));
    CHECK_ERROR("gradcheck: order");
    tape_clear_error(tape);
    CHECK(tape_stats(tape).nodes == nodes && tape_recording(tape));

    tape_destroy(tape);
    tape = tape_create(HC_F32);
    Tensor *single = tensor_from_f64(tape, shape1(2), (double[]){0.5, -0.7});
    CHECK(gradcheck(linear, &single, 1, gradcheck_options(HC_F32), NULL));
    CHECK(gradcheck(large, &single, 1, gradcheck_options(HC_F32), NULL));
    CHECK(!gradcheck(wrong, &single, 1, gradcheck_options(HC_F32), NULL));
    CHECK_ERROR("order 1");
    tape_destroy(tape);
}

int main(void) {
    each_row(check_case);
    check_gradcheck();
    return check_done();
}
