/* What reduce.h promises of zeros, ties, NaN, what is empty, and of places. */
#include "ops/holds.h"
#include "support/each.h"

/* ---- zeros: every order against differences, with the zeros there -------------------------------------------- */

#define CALLED(name, call)                                                                         \
    static Tensor *name(Tensor *const *x, size_t n, void *user) {                                  \
        (void)n;                                                                                   \
        (void)user;                                                                                \
        return call;                                                                               \
    }
CALLED(prod_rows, tensor_prod_axes(x[0], (int[]){1}, 1, false))
CALLED(prod_columns, tensor_prod_axes(x[0], (int[]){0}, 1, true))
CALLED(prod_all, tensor_prod(x[0]))
CALLED(cumprod_rows, tensor_cumprod(x[0], 1))
CALLED(cumprod_columns, tensor_cumprod(x[0], 0))
CALLED(fourth_norm, tensor_vector_norm_axes(x[0], (int[]){0}, 1, 4, false))

static void test_zeros(void) {
    static const double values[] = {2, 0, 3, -1, 0, 0, 0.5, 1.5, 0, 0, 0, 0.7, 1.1, -2, 3, 0.4};
    GradcheckFn *const all[] = {prod_rows, prod_columns, prod_all, cumprod_rows, cumprod_columns, fourth_norm};
    GradcheckOptions options = gradcheck_options(HC_F64);
    options.order = 4;
    Tensor *x = tensor_from_f64(tape, shape2(4, 4), values);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(gradcheck(all[i], &x, 1, options, NULL));
        higherc_clear_error();
    }
    Tensor *two = tensor_leaf(constant(LIST(0, 5, 0, 3))), *g = NULL;
    HOLDS(tensor_prod(two), 0);
    PULLS(tensor_prod(two), two, 0, 0, 0, 0);
    CHECK(tensor_grad(tensor_prod(two), &two, 1, &g, HC_CREATE_GRAPH));
    PULLS(g, two, 15, 0, 15, 0); /* d2/dx0 dx2 = 15 */
    HOLDS(tensor_cumprod(two, 0), 0, 0, 0, 0);
    PULLS(tensor_cumprod(constant(LIST(2, 3, 4)), 0), two, 0, 0, 0, 0);
    HOLDS(tensor_cumprod(constant(LIST(2, 3, 4)), 0), 2, 6, 24);
    HOLDS(tensor_cumsum(constant(LIST(2, 3, NAN, 4)), 0), 2, 5, NAN, NAN);
    HOLDS(tensor_prod(constant(LIST(2, 3, 4, 5, 6, 7, 8))), 40320);
}

/* ---- norms, std ------------------------------------------------------------------------------------------------ */

static Tensor *norm_of_half(Tensor *x) {
    return tensor_vector_norm(x, 2.5);
}

static Tensor *norm_of_three(Tensor *x) {
    return tensor_vector_norm(x, 3);
}

static Tensor *biased_std(Tensor *x) {
    return tensor_std(x, 0);
}

static void test_norms(void) {
    Tensor *zero = tensor_leaf(constant(LIST(0, 0, 0))), *x = tensor_leaf(constant(LIST(3, -4, 0)));
    Tensor *(*const norms[])(Tensor *) = {norm_of_half, norm_of_three, biased_std};
    for (size_t i = 0; i < 3; i++)
        for (int order = 1; order < 5; order++)
            HOLDS(derived(norms[i], zero, order), 0, 0, 0);
    HOLDS(tensor_vector_norm(x, 1), 7);
    HOLDS(tensor_vector_norm(x, 2), 5);
    HOLDS(tensor_vector_norm(x, INFINITY), 4);
    CHECK_NEAR(tensor_item(norm_of_three(x)), cbrt(91), 1e-14, 0);
    CHECK_NEAR(tensor_item(norm_of_half(x)), pow(pow(3, 2.5) + 32, 0.4), 1e-14, 0);
    CHECK_NEAR(tensor_item(tensor_vector_norm(x, 0.5)), 7 + 2 * sqrt(12), 1e-14, 0);
    PULLS(tensor_vector_norm(x, 1), x, 1, -1, 0);
    PULLS(tensor_vector_norm(tensor_sub(x, constant(LIST(3, -4, -2))), 2), x, 0, 0, 1);
    PULLS(tensor_vector_norm(x, INFINITY), x, 0, -1, 0);
    PULLS(tensor_vector_norm(constant(LIST(2, -2)), INFINITY), x, 0, 0, 0);
    for (int order = 2; order < 5; order++) { /* finite beside a 0 */
        Tensor *d = derived(norm_of_half, x, order);
        HOLDS(tensor_isfinite(d), 1, 1, 1);
    }
    Tensor *huge = constant(LIST(3e300, -3e300));
    CHECK_NEAR(tensor_item(tensor_vector_norm(huge, 3)), 3e300 * cbrt(2), 1e-14, 0);
    HOLDS(tensor_vector_norm(constant(LIST(INFINITY, 1)), 3), INFINITY);
    HOLDS(tensor_vector_norm(constant(LIST(NAN, 1)), 3), NAN);
    HOLDS(tensor_std(constant(LIST(1, 1, 1, 1)), 1), 0);
    HOLDS(tensor_std(constant(LIST(1, 3)), 0), 1);
    HOLDS(tensor_std(constant(LIST(1)), 1), NAN);
    FAILS(tensor_vector_norm(x, 0), "tensor_vector_norm: p 0 is not positive");
    FAILS(tensor_vector_norm(x, NAN), "tensor_vector_norm: p nan is not positive");
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

static void test_order(void) {
    Tensor *x = tensor_leaf(constant(LIST(2, NAN, 1, 2, -INFINITY, NAN, 1))), *index = NULL;
    HOLDS(tensor_sort(x, 0, false, &index), -INFINITY, 1, 1, 2, 2, NAN, NAN);
    HOLDS(index, 4, 2, 6, 0, 3, 1, 5);
    HOLDS(tensor_argsort(x, 0, true), 1, 5, 0, 3, 2, 6, 4);
    HOLDS(tensor_sort(x, -1, true, NULL), NAN, NAN, 2, 2, 1, 1, -INFINITY);
    CHECK(!tensor_requires_grad(index));
    HOLDS(tensor_topk(x, 3, 0, true, &index), NAN, NAN, 2);
    HOLDS(index, 1, 5, 0);
    HOLDS(tensor_topk(x, 2, 0, false, &index), -INFINITY, 1);
    HOLDS(index, 4, 2);
    CHECK(tensor_count(tensor_topk(x, 0, 0, true, NULL)) == 0);
    HOLDS(tensor_max_with_index(x, 0, false, &index), NAN);
    HOLDS(index, 1);
    HOLDS(tensor_min_with_index(x, 0, true, &index), NAN);
    CHECK(shape_equal(tensor_shape(index), shape1(1)));
    Tensor *two = tensor_leaf(tensor_reshape(constant(LIST(1, 5, 5, 0, 0, 7)), shape2(2, 3)));
    HOLDS(tensor_max_with_index(two, 1, false, &index), 5, 7);
    HOLDS(index, 1, 2);
    PULLS(tensor_max_with_index(two, 1, false, NULL), two, 0, 1, 0, 0, 0, 1);
    HOLDS(tensor_min_with_index(two, 1, true, &index), 1, 0);
    HOLDS(index, 0, 0);
    PULLS(tensor_min_with_index(two, 0, true, NULL), two, 0, 0, 1, 1, 1, 0);
    PULLS(tensor_mul(tensor_sort(two, 1, false, NULL), tensor_from_f64(tape, shape1(3), (double[]){1, 2, 3})), two, 1,
          2, 3, 1, 2, 3);
    index = x;
    FAILS(tensor_topk(two, 4, 1, true, &index), "tensor_topk: k is 4, axis 1 has 3");
    FAILS(tensor_sort(two, 2, true, &index), "tensor_sort: axis 2 of (");
    FAILS(tensor_max_with_index(tensor_zeros(tape, shape2(0, 2)), 0, true, &index), "nothing to choose from");
    CHECK(index == x);
}

/* Places past 2^24 are no numbers of f32; the tensor itself takes no memory. */
static void test_far_places(void) {
    Tape *single = tape_create(HC_F32);
    Tensor *x = tensor_expand(tensor_ones(single, shape1(1)), shape1(((size_t)1 << 24) + 1));
    CHECK(!tensor_argsort(x, 0, true));
    CHECK_ERROR("tensor_argsort: an axis of 16777217 has places that f32 cannot hold");
    tape_destroy(single);
}

/* ---- any, all, nothing ------------------------------------------------------------------------------------------ */

static void test_any(void) {
    Tensor *x = tensor_leaf(tensor_reshape(constant(LIST(0, -0.0, 0, NAN, 3, 0)), shape2(3, 2)));
    HOLDS(tensor_any(x), 1);
    HOLDS(tensor_all(x), 0);
    HOLDS(tensor_any_axes(x, (int[]){1}, 1, false), 0, 1, 1);
    HOLDS(tensor_all_axes(x, (int[]){1}, 1, true), 0, 0, 0);
    HOLDS(tensor_all_axes(tensor_isnan(tensor_ne(x, x)), (int[]){0}, 1, true), 0, 0);
    HOLDS(tensor_all(constant(LIST(1, NAN, -2))), 1);
    CHECK(!tensor_requires_grad(tensor_any(x)) && !tensor_requires_grad(tensor_all(x)));
}

static void test_nothing(void) {
    Tensor *none = tensor_leaf(tensor_zeros(tape, shape2(0, 3)));
    HOLDS(tensor_prod(none), 1);
    HOLDS(tensor_prod_axes(none, (int[]){0}, 1, false), 1, 1, 1);
    HOLDS(tensor_any_axes(none, (int[]){0}, 1, false), 0, 0, 0);
    HOLDS(tensor_all(none), 1);
    HOLDS(tensor_vector_norm(none, 3), 0);
    HOLDS(tensor_std(none, 0), NAN);
    FAILS(tensor_vector_norm(none, INFINITY), "axis 0 of (0, 3) has size 0");
    for (int axis = 0; axis < 2; axis++) {
        CHECK(shape_equal(tensor_shape(tensor_cumsum(none, axis)), shape2(0, 3)));
        CHECK(shape_equal(tensor_shape(tensor_cumprod(none, axis)), shape2(0, 3)));
        CHECK(shape_equal(tensor_shape(tensor_sort(none, axis, true, NULL)), shape2(0, 3)));
        CHECK(tensor_count(tensor_topk(none, 0, axis, true, NULL)) == 0);
    }
    FAILS(tensor_cumsum(tensor_scalar(tape, 1), 0), "tensor_cumsum: axis 0 of (), which has none");
    FAILS(tensor_cumprod(none, 2), "tensor_cumprod: axis 2 of (");
}

int main(void) {
    void (*const tests[])(void) = {test_zeros, test_norms, test_order, test_far_places, test_any, test_nothing};
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    return check_done();
}
