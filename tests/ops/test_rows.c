/* One short row against many: every number as by itself, over sizes that fill no tile, one, and several with rows
 * left over, with leading axes, on a pool and replayed. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"

enum { BATCH = 3, CASES = 7 };

static Tensor *numbers(Tape *tape, Shape shape, Rng *rng) {
    return tensor_uniform(tape, shape, -2, 2, rng);
}

/* What is computed, and the same of one row at a time. */
static Tensor *value(int which, Tensor *x, Tensor *row, Tensor *other, Tensor *scalar) {
    switch (which) {
    case 0:
        return tensor_add(x, row);
    case 1:
        return tensor_sub(row, x);
    case 2:
        return tensor_where(tensor_gt(x, scalar), row, x);
    case 3:
        return tensor_where(tensor_gt(row, scalar), x, other);
    case 4:
        return tensor_mul(row, scalar);
    case 5:
        return tensor_div(tensor_expand(row, tensor_shape(x)),
                          tensor_expand(other, tensor_shape(x)));
    default:
        return tensor_maximum(tensor_mul(x, row), tensor_expand(scalar, tensor_shape(x)));
    }
}

static void compare(Tape *tape, Pool *pool, size_t m, size_t n, bool batched) {
    Rng rng = rng_seed(m * 100 + n);
    size_t batch = batched ? BATCH : 1;
    Shape shape = batched ? shape3(BATCH, m, n) : shape2(m, n);
    Tensor *x = numbers(tape, shape, &rng), *row = numbers(tape, shape1(n), &rng);
    Tensor *other = numbers(tape, shape1(n), &rng), *scalar = tensor_scalar(tape, 0.25);
    Tensor *rows = tensor_reshape(x, shape2(batch * m, n)), *y[CASES], *all[CASES];
    tape_set_pool(tape, pool);
    for (int which = 0; which < CASES; which++) {
        y[which] = value(which, x, row, other, scalar);
        all[which] = tensor_expand(y[which], shape);
    }
    tape_set_pool(tape, NULL);
    Tensor *sum = tensor_stack(all, CASES, 0);
    Program *p = program_capture(tape, &x, 1, &sum, 1, NULL);
    CHECK(p && program_run(p));
    CHECK(memcmp(program_output(p, 0), tensor_data(sum), tensor_count(sum) * sizeof(float)) == 0);
    program_destroy(p);
    for (int which = 0; which < CASES; which++) {
        const float *whole = tensor_data(tensor_reshape(all[which], shape2(batch * m, n)));
        bool same = true;
        for (size_t i = 0; i < batch * m; i += 1 + i / 9) {
            Tensor *one = tensor_slice(rows, 0, (int64_t)i, (int64_t)i + 1, 1);
            Tensor *single = tensor_expand(value(which, one, row, other, scalar), shape2(1, n));
            same = same && memcmp(tensor_data(single), whole + i * n, n * sizeof(float)) == 0;
        }
        CHECK(same);
    }
    tape_reset(tape);
}

int main(void) {
    const size_t heights[] = {1, 7, 8, 9, 100, 683, 2048, 2053}, widths[] = {1, 2, 3, 10, 63, 64};
    Tape *tape = tape_create(HC_F32);
    Pool *pool = pool_create(2);
    for (size_t i = 0; i < sizeof heights / sizeof *heights; i++)
        for (size_t j = 0; j < sizeof widths / sizeof *widths; j++) {
            compare(tape, NULL, heights[i], widths[j], false);
            compare(tape, NULL, heights[i], widths[j], true);
            compare(tape, pool, heights[i], widths[j], true);
        }
    CHECK(higherc_error() == NULL);
    pool_destroy(pool);
    tape_destroy(tape);
    return check_done();
}
