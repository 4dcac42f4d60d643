/* What movement.h promises of places at the ends, of equal ones, of none and of too many. */
#include "ops/holds.h"
#include "support/each.h"

static Tensor *grid(void) {
    return tensor_leaf(tensor_reshape(constant(LIST(1, 2, 3, 4, 5, 6)), shape2(2, 3)));
}

static void test_turned(void) {
    Tensor *x = grid();
    HOLDS(tensor_flip(x, (int[]){1}, 1), 3, 2, 1, 6, 5, 4);
    HOLDS(tensor_flip(x, (int[]){0, -1}, 2), 6, 5, 4, 3, 2, 1);
    HOLDS(tensor_flip(x, NULL, 0), 1, 2, 3, 4, 5, 6);
    HOLDS(tensor_roll(x, 1, 1), 3, 1, 2, 6, 4, 5);
    HOLDS(tensor_roll(x, -1, -1), 2, 3, 1, 5, 6, 4);
    HOLDS(tensor_roll(x, 3, 0), 4, 5, 6, 1, 2, 3);
    HOLDS(tensor_roll(x, INT64_MIN, 1), 3, 1, 2, 6, 4, 5); /* -2^63 is 1 of 3 */
    CHECK(tensor_roll(x, -6, 1) == x);
    PULLS(tensor_mul(tensor_roll(x, 1, 1), x), x, 5, 4, 3, 11, 10, 9);
    FAILS(tensor_flip(x, (int[]){0, 0}, 2), "tensor_flip: axis 0 is named twice");
    FAILS(tensor_roll(x, 1, 2), "tensor_roll: axis 2 of (");
}

static void test_repeated(void) {
    Tensor *x = grid(), *part[3] = {x, x, x};
    HOLDS(tensor_repeat(tensor_slice(x, 0, 0, 1, 1), (size_t[]){2, 2}, 2), 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3);
    HOLDS(tensor_repeat(constant(LIST(1, 2)), (size_t[]){2, 1, 2}, 3), 1, 2, 1, 2, 1, 2, 1, 2);
    CHECK(shape_equal(tensor_shape(tensor_repeat(x, (size_t[]){2, 1, 0, 1}, 4)), shape4(2, 1, 0, 3)));
    HOLDS(tensor_repeat(tensor_scalar(tape, 5), (size_t[]){3}, 1), 5, 5, 5);
    CHECK(tensor_repeat(x, (size_t[]){1, 1}, 2) == x);
    PULLS(tensor_repeat(x, (size_t[]){2, 3}, 2), x, 6, 6, 6, 6, 6, 6);
    Tensor *eight = tensor_reshape(x, shape_of((size_t[]){1, 1, 1, 1, 1, 1, 2, 3}, 8));
    CHECK(tensor_count(tensor_repeat(eight, (size_t[]){2, 1, 1, 1, 1, 1, 1, 2}, 8)) == 24);
    FAILS(tensor_repeat(x, (size_t[]){2}, 1), "tensor_repeat: 1 counts for (");
    FAILS(tensor_repeat(x, (size_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 9), "tensor_repeat: 9 counts for (");
    FAILS(tensor_repeat(x, NULL, 2), "tensor_repeat: counts is NULL");
    FAILS(tensor_repeat(x, (size_t[]){1, SIZE_MAX}, 2), "tensor_repeat: the result does not fit memory");
    FAILS(tensor_repeat(x, (size_t[]){SIZE_MAX / 8, 1}, 2), "tensor_repeat: the result does not fit memory");

    CHECK(tensor_split(x, (size_t[]){1, 0, 2}, 3, 1, part));
    HOLDS(part[0], 1, 4);
    HOLDS(part[2], 2, 3, 5, 6);
    CHECK(shape_equal(tensor_shape(part[1]), shape2(2, 0)));
    PULLS(part[2], x, 0, 1, 1, 0, 1, 1);
    part[0] = x;
    FAILS(tensor_split(x, (size_t[]){1, 1}, 2, 1, part), "tensor_split: 2 sizes do not add up to 3");
    FAILS(tensor_split(x, (size_t[]){1, SIZE_MAX, 3}, 3, 1, part), "tensor_split: 3 sizes do not add up to 3");
    FAILS(tensor_split(x, NULL, 1, 1, part), "tensor_split: sizes is NULL");
    FAILS(tensor_split(x, (size_t[]){3}, 1, 1, NULL), "tensor_split: parts is NULL");
    FAILS(tensor_split(x, (size_t[]){3}, 1, 3, part), "tensor_split: axis 3");
    CHECK(part[0] == x);
    CHECK(tensor_split(tensor_zeros(tape, shape1(0)), NULL, 0, 0, NULL));
}

static void test_scatter(void) {
    Tensor *x = tensor_leaf(constant(LIST(1, 2, 3, 4))), *source = tensor_leaf(constant(LIST(10, 20, 30)));
    Tensor *index = tensor_from_i64(tape, shape1(3), (int64_t[]){2, 0, 2});
    HOLDS(tensor_scatter(x, 0, index, source), 20, 2, 30, 4);
    PULLS(tensor_scatter(x, 0, index, source), x, 0, 1, 0, 1);
    PULLS(tensor_scatter(x, 0, index, source), source, 0, 1, 1); /* the first 2 was written over */
    HOLDS(tensor_scatter(x, 0, index, constant(LIST(INFINITY, NAN, 5))), NAN, 2, 5, 4);
    Tensor *none = tensor_zeros(tape, shape1(0));
    HOLDS(tensor_scatter(x, 0, none, none), 1, 2, 3, 4);
    Tensor *wide = grid(), *columns = tensor_from_i64(tape, shape2(2, 1), (int64_t[]){2, 0});
    HOLDS(tensor_scatter(wide, 1, columns, tensor_neg(columns)), 1, 2, -2, 0, 5, 6);
    FAILS(tensor_scatter(x, 0, tensor_scalar(tape, 0), source),
          "tensor_scatter: (4) with index (): their sizes differ");
    FAILS(tensor_scatter(x, 0, index, x), "tensor_scatter: shapes (3) and (4) differ");
    FAILS(tensor_scatter(x, 0, tensor_neg(index), source), "tensor_scatter: index -2 at position 0 is not in 0..3");
}

static void test_padded(void) {
    const size_t two[] = {2}, one[] = {1}, many[] = {3}, no[] = {0};
    Tensor *x = tensor_leaf(constant(LIST(1, 2, 3)));
    HOLDS(tensor_pad_value(x, one, two, 1, 7), 7, 1, 2, 3, 7, 7);
    HOLDS(tensor_pad_value(x, one, no, 1, -INFINITY), -INFINITY, 1, 2, 3);
    HOLDS(tensor_pad_reflect(x, two, one, 1), 3, 2, 1, 2, 3, 2);
    HOLDS(tensor_pad_replicate(x, many, one, 1), 1, 1, 1, 1, 2, 3, 3);
    PULLS(tensor_pad_value(x, one, two, 1, 7), x, 1, 1, 1);
    PULLS(tensor_pad_reflect(x, two, one, 1), x, 1, 3, 2);
    PULLS(tensor_pad_replicate(x, many, one, 1), x, 4, 1, 2);
    Tensor *g = grid();
    HOLDS(tensor_pad_reflect(g, (size_t[]){1, 0}, (size_t[]){0, 1}, 2), 4, 5, 6, 5, 1, 2, 3, 2, 4, 5, 6, 5);
    FAILS(tensor_pad_reflect(x, many, one, 1), "tensor_pad_reflect: axis 0 of size 3 cannot be padded by 3");
    FAILS(tensor_pad_replicate(tensor_zeros(tape, shape1(0)), no, one, 1),
          "tensor_pad_replicate: axis 0 of size 0 cannot be padded by 1");
    CHECK(tensor_count(tensor_pad_replicate(tensor_zeros(tape, shape1(0)), no, no, 1)) == 0);
    HOLDS(tensor_pad_value(tensor_zeros(tape, shape1(0)), one, one, 1, 3), 3, 3);
    FAILS(tensor_pad_value(x, one, one, 2, 0), "tensor_pad_value: 2 pairs of sizes for (");
    FAILS(tensor_pad_reflect(x, NULL, one, 1), "tensor_pad_reflect: before is NULL");
    FAILS(tensor_pad_value(x, (size_t[]){SIZE_MAX / 16}, one, 1, 0), "tensor_pad_value: the result does not fit");
}

/* Numbers of PyTorch's documentation, and what its formulas give. */
static void test_upsampled(void) {
    Tensor *x = tensor_leaf(tensor_reshape(constant(LIST(1, 2, 3, 4)), shape4(1, 1, 2, 2)));
    HOLDS(tensor_upsample_nearest2d(x, 4, 4), 1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4);
    HOLDS(tensor_upsample_bilinear2d(x, 4, 4), 1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25,
          3.75, 4);
    HOLDS(tensor_upsample_bilinear2d(x, 1, 1), 2.5);
    HOLDS(tensor_upsample_nearest2d(x, 1, 3), 1, 1, 2);
    HOLDS(tensor_upsample_bilinear2d(x, 2, 2), 1, 2, 3, 4);
    PULLS(tensor_upsample_nearest2d(x, 3, 2), x, 2, 2, 1, 1);
    PULLS(tensor_upsample_bilinear2d(x, 2, 4), x, 2, 2, 2, 2);
    Tensor *row = tensor_reshape(constant(LIST(0, 3, 6)), shape4(1, 1, 1, 3));
    HOLDS(tensor_upsample_bilinear2d(row, 1, 2), 0.75, 5.25);
    HOLDS(tensor_upsample_nearest2d(row, 2, 2), 0, 3, 0, 3);
    CHECK(tensor_count(tensor_upsample_bilinear2d(tensor_zeros(tape, shape4(0, 2, 1, 1)), 3, 3)) == 0);
    FAILS(tensor_upsample_nearest2d(x, 0, 1), "tensor_upsample_nearest2d: (1, 1, 2, 2) to images of 0 x 1");
    FAILS(tensor_upsample_bilinear2d(tensor_reshape(x, shape2(2, 2)), 2, 2), "tensor_upsample_bilinear2d: (2, 2) to");
    FAILS(tensor_upsample_nearest2d(x, SIZE_MAX / 4, 8), "tensor_upsample_nearest2d: the result does not fit memory");
}

int main(void) {
    void (*const tests[])(void) = {test_turned, test_repeated, test_scatter, test_padded, test_upsampled};
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    return check_done();
}
