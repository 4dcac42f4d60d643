/* An operation that fails leaves the tape as it was, however often it is tried. */
#include "higherc/higherc.h"
#include "support/check.h"

enum { TRIES = 100, MANY = 6 };

typedef struct Case {
    Tensor *x, *index, *negative, *wide;
} Case;

/* They fail while they compute: an index out of range, a NaN. */
static Tensor *bad_index(const Case *c) {
    return tensor_index_select(c->x, 0, c->index);
}

static Tensor *makes_nan(const Case *c) {
    return tensor_log(c->negative);
}

/* It finds no memory for its result, and has more inputs than a node holds by itself. */
static Tensor *too_large(const Case *c) {
    Tensor *all[MANY];
    for (int i = 0; i < MANY; i++)
        all[i] = c->wide;
    return tensor_concat(all, MANY, 0);
}

static void repeat(Tensor *(*fails)(const Case *c), HcStatus status) {
    TapeOptions options = tape_options(HC_F32);
    options.max_bytes = (size_t)4 << 20;
    options.check_nan = true;
    Tape *tape = tape_create_with(options);
    Case c;
    c.x = tensor_leaf(tensor_full(tape, shape2(1, 3), 2));
    c.index = tensor_from_i64(tape, shape1(1), (int64_t[]){7});
    c.negative = tensor_neg(tensor_square(c.x));
    c.wide = tensor_expand(c.x, shape2((size_t)1 << 20, 3));
    CHECK(c.x && c.index && c.negative && c.wide);
    TapeStats before = tape_stats(tape);
    for (int i = 0; i < TRIES; i++) {
        CHECK(!fails(&c) && tape_status(tape) == status);
        tape_clear_error(tape);
        higherc_clear_error();
        TapeStats now = tape_stats(tape);
        CHECK(now.nodes == before.nodes && now.live_bytes == before.live_bytes);
    }
    CHECK(tensor_item(tensor_sum(c.x)) == 6 && tensor_item(tensor_sum(c.negative)) == -12);
    tape_destroy(tape);
}

int main(void) {
    repeat(bad_index, HC_ERR_RANGE);
    repeat(makes_nan, HC_ERR_NAN);
    repeat(too_large, HC_ERR_NOMEM);
    return check_done();
}
