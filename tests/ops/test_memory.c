/* Every row of ops.def with a budget that ends at each place in turn: value, gradients and theirs either come or are
 * HC_ERR_NOMEM, nothing stays in scratch, and with room again the same tape gives the bits of one that had enough. */
#include <string.h>

#include "ops/op_rows.h"
#include "support/failing.h"
#include "tape/tape.h"

enum { MOST_OUT = 2 * MOST_INPUTS + 1, MOST_OF_ALL = MOST_OUT * 4 * MOST_NUMBERS };

typedef struct Case {
    const Row *row;
    Tape *tape;
    Tensor *x[MOST_INPUTS];
    size_t count;
} Case;

typedef enum Storage { DENSE, SLICED, TURNED, STORAGES } Storage;

/* The numbers, or what forwards copy first: every other one of twice as many along the last axis, or the numbers
 * stored with the last two axes exchanged. */
static Tensor *input(Tape *tape, Shape shape, const double *values, Storage storage) {
    int last = shape.ndim - 1;
    if (storage == DENSE || last < (storage == TURNED ? 1 : 0))
        return tensor_leaf(tensor_from_f64(tape, shape, values));
    if (storage == TURNED) {
        double turned[MOST_NUMBERS] = {0};
        size_t m = shape.dim[last - 1], n = shape.dim[last];
        for (size_t i = 0; i < shape_count(shape); i++)
            turned[i - i % (m * n) + i % n * m + i / n % m] = values[i];
        shape.dim[last - 1] = n;
        shape.dim[last] = m;
        return tensor_transpose(tensor_leaf(tensor_from_f64(tape, shape, turned)), -1, -2);
    }
    double twice[2 * MOST_NUMBERS] = {0};
    for (size_t i = 0; i < shape_count(shape); i++)
        twice[2 * i] = values[i];
    shape.dim[last] *= 2;
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape, twice));
    return tensor_slice(x, last, 0, (int64_t)shape.dim[last], 2);
}

static Case begin(const Row *row, const Shape *shapes, size_t count, double values[][MOST_NUMBERS],
                  Storage storage) {
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = 1; /* asks for memory at almost every step */
    Case c = {.row = row, .tape = tape_create_with(options), .count = count};
    for (size_t i = 0; i < count; i++)
        c.x[i] = input(c.tape, shapes[i], values[i], storage);
    return c;
}

/* Value, gradients, and those of what the gradients' squares add up to. */
static bool compute(const Case *c, Tensor **out) {
    Tensor *y = c->row->fn(c->x, c->count, NULL), *sum = NULL;
    out[0] = y;
    CHECK((y != NULL) == (tape_status(c->tape) == HC_OK));
    if (!y || !tensor_grad(tensor_sum(tensor_square(y)), c->x, c->count, out + 1,
                           HC_ZEROS | HC_CREATE_GRAPH))
        return false;
    for (size_t i = 0; i < c->count; i++) {
        Tensor *term = tensor_sum(tensor_square(out[1 + i]));
        sum = sum ? tensor_add(sum, term) : term;
    }
    return tensor_grad(sum, c->x, c->count, out + 1 + c->count, HC_ZEROS);
}

static size_t numbers(const Case *c, Tensor *const *out, double *to) {
    size_t n = 0;
    for (size_t i = 0; i < 2 * c->count + 1; i++) {
        bool fits = n + tensor_count(out[i]) <= MOST_OF_ALL;
        CHECK(fits && tensor_copy_to_f64(out[i], to + n, tensor_count(out[i])));
        if (fits) n += tensor_count(out[i]);
    }
    return n;
}

static bool nothing_left(const Tape *tape) {
    return tape->scratch.live == 0 && tape->born_count == 0 && tape->manner.recording && !tape->manner.scratching;
}

/* With so many units beyond what the inputs took. True when that was enough. */
static bool limited(const Case *c, size_t units, const double *want, size_t n) {
    double got[MOST_OF_ALL];
    Tensor *out[MOST_OUT];
    tape_seed(c->tape, 1); /* for dropout */
    failing_units(c->tape, units);
    bool done = compute(c, out);
    failing_units_never(c->tape);
    CHECK(nothing_left(c->tape));
    CHECK(tape_status(c->tape) == (done ? HC_OK : HC_ERR_NOMEM));
    if (!done) CHECK(!strstr(tape_error(c->tape), "(null)")); /* every operation has a name */
    higherc_clear_error();
    tape_clear_error(c->tape);
    tape_seed(c->tape, 1);
    bool same = (done || compute(c, out)) && numbers(c, out, got) == n &&
                memcmp(got, want, n * sizeof *got) == 0;
    CHECK(same);
    if (!same) printf("  %s, %zu units\n", c->row->name, units);
    return done;
}

static void check_row(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
    double values[MOST_INPUTS][MOST_NUMBERS], want[MOST_OF_ALL];
    Tensor *out[MOST_OUT];
    for (size_t i = 0; i < count; i++)
        draw(values[i], shape_count(shapes[i]), row, rng);
    for (int storage = 0; storage < STORAGES; storage++) {
        Case c = begin(row, shapes, count, values, (Storage)storage);
        tape_seed(c.tape, 1);
        CHECK(compute(&c, out));
        size_t n = numbers(&c, out, want);
        tape_destroy(c.tape);
        bool done = false;
        for (size_t units = 0; !done; units++) {
            c = begin(row, shapes, count, values, (Storage)storage);
            done = limited(&c, units, want, n);
            tape_destroy(c.tape);
        }
    }
}

int main(void) {
    each_row(check_row);
    CHECK(higherc_error() == NULL);
    return check_done();
}
