/* Every row of ops.def, swept for Params turn by turn with other numbers: once it is a habit (grad/habit.h), the
 * gradients have the bits of a tape that learns none. So has a second gradient, of which the first was recorded. */
#include <string.h>

#include "ops/op_rows.h"

enum { TURNS = 7 };

static size_t followed, swept;

/* The row's gradient, of order 1 or 2, in each Param. Whether something was swept. */
static bool turn(Tape *tape, const Row *row, Param *const *params, size_t count, int order) {
    Tensor *x[MOST_INPUTS], *g[MOST_INPUTS];
    tape_reset(tape);
    tape_seed(tape, 3); /* some rows draw */
    for (size_t i = 0; i < count; i++)
        x[i] = param_tensor(tape, params[i]);
    Tensor *y = tensor_sum(row->fn(x, count, NULL));
    if (order == 2) {
        CHECK(tensor_grad(y, x, count, g, HC_ZEROS | HC_CREATE_GRAPH));
        y = sum_of_all(g, count);
    }
    CHECK(tape_status(tape) == HC_OK);
    if (!tensor_requires_grad(y)) return false;
    uint64_t serial = tape->serial;
    CHECK(tensor_backward(y));
    swept += !tape->forgetful;
    followed += tape->serial == serial;
    CHECK(!tape->forgetful || tape->serial > serial);
    return true;
}

static void compare(const Row *row, DType dtype, const Shape *shapes, size_t count, int order, Rng *rng) {
    static double want[MOST_INPUTS * MOST_NUMBERS], got[MOST_INPUTS * MOST_NUMBERS];
    Tape *tapes[2] = {tape_create(dtype), tape_create(dtype)};
    Param *params[MOST_INPUTS];
    tapes[1]->forgetful = true;
    for (size_t i = 0; i < count; i++)
        params[i] = param_create("x", shapes[i], dtype);
    bool swept_any = true, same = true;
    for (int t = 0; t < TURNS && swept_any; t++) {
        for (size_t i = 0; i < count; i++) {
            double values[MOST_NUMBERS];
            draw(values, shape_count(shapes[i]), row, rng);
            CHECK(param_set_f64(params[i], values, shape_count(shapes[i])));
        }
        for (int k = 0; k < 2; k++) {
            double *all = k ? want : got;
            size_t used = 0;
            swept_any = turn(tapes[k], row, params, count, order);
            for (size_t i = 0; i < count; i++) {
                for (size_t j = 0; j < shape_count(shapes[i]); j++)
                    all[used++] = param_grad(params[i]) ? param_grad_get(params[i], j) : 0;
                param_zero_grad(params[i]);
            }
            same = same && (k == 0 || memcmp(want, got, used * sizeof *want) == 0);
        }
    }
    CHECK(same);
    if (!same) printf("  %s, order %d\n", row->name, order);
    for (size_t i = 0; i < count; i++)
        param_unref(params[i]);
    tape_destroy(tapes[0]);
    tape_destroy(tapes[1]);
}

static void check_row(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
    compare(row, HC_F64, shapes, count, 1, rng);
    compare(row, HC_F32, shapes, count, 2, rng);
}

int main(void) {
    Tape *tape = tape_create(HC_F64);
    bool reuses = !tape->never_reuse;
    tape_destroy(tape);
    each_row(check_row);
    /* The first turns are not alike, for a tape's first nodes keep their places; most that can be are habits then. */
    CHECK(!reuses || followed > swept / 4);
    CHECK(reuses || followed == 0);
    printf("%zu of %zu sweeps were habits\n", followed, swept);
    CHECK(higherc_error() == NULL);
    return check_done();
}
