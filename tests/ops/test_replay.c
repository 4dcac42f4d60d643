/* Every row of ops.def as a Program, captured on some numbers and run on others: value and gradients have the
 * bits that recording them gives. What draws from the stream of its tape, which would draw the same each time, is
 * refused. */
#include <string.h>

#include "ops/op_rows.h"

enum { MOST_BYTES = (MOST_INPUTS + 1) * 4 * MOST_NUMBERS * sizeof(double) };

/* A row's value and gradients on a tape, and what they are made of. */
typedef struct Recorded {
    Tape *tape;
    Tensor *x[MOST_INPUTS], *out[MOST_INPUTS + 1];
    size_t count;
    bool draws; /* from the stream of the tape */
} Recorded;

static Recorded record(const Row *row, DType dtype, const Shape *shapes, size_t count,
                       double values[][MOST_NUMBERS]) {
    Recorded r = {.tape = tape_create(dtype), .count = count};
    Tensor *leaf[MOST_INPUTS];
    for (size_t i = 0; i < count; i++) {
        r.x[i] = tensor_from_f64(r.tape, shapes[i], values[i]);
        leaf[i] = tensor_leaf(r.x[i]);
    }
    Rng before = r.tape->rng;
    r.out[0] = row->fn(leaf, count, NULL);
    r.draws = r.tape->rng.key != before.key || r.tape->rng.counter != before.counter;
    CHECK(tensor_grad(tensor_sum(r.out[0]), leaf, count, r.out + 1, HC_ZEROS | HC_CREATE_GRAPH));
    CHECK(tape_status(r.tape) == HC_OK);
    return r;
}

static size_t append(char *bytes, size_t used, const void *numbers, size_t size) {
    bool fits = numbers && used + size <= MOST_BYTES;
    CHECK(fits);
    if (fits) memcpy(bytes + used, numbers, size);
    return used + (fits ? size : 0);
}

static void compare(const Row *row, DType dtype, const Shape *shapes, size_t count,
                    double before[][MOST_NUMBERS], double after[][MOST_NUMBERS]) {
    static char want[MOST_BYTES], got[MOST_BYTES], captured[MOST_BYTES];
    size_t item = dtype == HC_F32 ? sizeof(float) : sizeof(double), n = 0, m = 0, c = 0;
    Recorded r = record(row, dtype, shapes, count, before);
    Program *p = program_capture(r.tape, r.x, count, r.out, count + 1, NULL);
    CHECK((p == NULL) == r.draws);
    if (!p) {
        CHECK(tape_status(r.tape) == HC_ERR_STATE);
        CHECK_ERROR("drew from the tape's stream");
        tape_destroy(r.tape);
        return;
    }
    for (size_t i = 0; i <= count; i++)
        c = append(captured, c, tensor_data(r.out[i]), tensor_count(r.out[i]) * item);
    tape_destroy(r.tape);
    for (size_t i = 0; i < count; i++)
        CHECK(program_set_f64(p, i, shapes[i], after[i]));
    CHECK(program_run(p));
    r = record(row, dtype, shapes, count, after);
    for (size_t i = 0; i <= count; i++) {
        size_t size = tensor_count(r.out[i]) * item;
        n = append(want, n, tensor_data(r.out[i]), size);
        m = append(got, m, program_output(p, i), size);
    }
    bool same = memcmp(want, got, n) == 0;
    CHECK(same && n == m);
    if (!same) printf("  %s, %s\n", row->name, dtype == HC_F32 ? "f32" : "f64");
    /* The numbers are others, or all of this would show nothing. */
    CHECK(memcmp(want, captured, n) != 0);
    program_destroy(p);
    tape_destroy(r.tape);
}

static void check_row(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
    double before[MOST_INPUTS][MOST_NUMBERS], after[MOST_INPUTS][MOST_NUMBERS];
    for (size_t i = 0; i < count; i++) {
        draw(before[i], shape_count(shapes[i]), row, rng);
        draw(after[i], shape_count(shapes[i]), row, rng);
    }
    compare(row, HC_F64, shapes, count, before, after);
    compare(row, HC_F32, shapes, count, before, after);
}

int main(void) {
    each_row(check_row);
    CHECK(higherc_error() == NULL);
    return check_done();
}
