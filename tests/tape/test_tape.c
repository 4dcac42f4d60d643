/* The tape by itself: marks and releases, resets, trimming, limits, options, serials, recording, the
 * NaN check and what dot files say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/refuse.h"

static const double two[] = {1.5, -2};

static bool is(Tensor *x, double a, double b) {
    double v[2] = {0};
    return tensor_copy_to_f64(x, v, 2) && v[0] == a && v[1] == b;
}

static void marks(void) {
    Tape *tape = tape_create(HC_F64), *other = tape_create(HC_F64);
    TapeMark empty = tape_mark(tape);
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape1(2), two)), *g = NULL;
    Tensor *y = tensor_sum(tensor_exp(x));
    TapeMark mark = tape_mark(tape);
    TapeStats before = tape_stats(tape);
    uint64_t serial = 0;
    for (int i = 0; i < 3; i++) { /* a mark serves any number of times */
        Tensor *z = tensor_square(x);
        CHECK(tensor_serial(z) > serial); /* never given twice */
        serial = tensor_serial(z);
        TapeMark later = tape_mark(tape);
        tensor_data(tensor_expand(z, shape2(3, 2)));
        CHECK(tape_release(tape, later) && is(z, 2.25, 4));
        CHECK(tape_release(tape, mark));
        CHECK(tape_stats(tape).nodes == before.nodes);
        CHECK(tape_stats(tape).live_bytes == before.live_bytes);
        WRONG(HC_ERR_EXPIRED, tensor_neg(z));
        tensor_neg(y);
        WRONG(HC_ERR_EXPIRED, tape_release(tape, later));
    }
    CHECK(is(x, 1.5, -2) && tensor_grad(y, &x, 1, &g, 0)); /* what is below is as it was */
    CHECK(is(g, tensor_item(tensor_sum(tensor_slice(tensor_exp(x), 0, 0, 1, 1))),
             tensor_item(tensor_sum(tensor_slice(tensor_exp(x), 0, 1, 2, 1)))));
    WRONG(HC_ERR_TAPE, tape_release(tape, tape_mark(other)));
    CHECK(tape_release(tape, empty) && tape_stats(tape).nodes == 0);
    WRONG(HC_ERR_EXPIRED, tape_release(tape, mark));
    tape_reset(tape);
    WRONG(HC_ERR_EXPIRED, tape_release(tape, empty));
    WRONG(HC_ERR_EXPIRED,
          tape_release(
              tape, (TapeMark){.tape = (uint64_t)(uintptr_t)tape, .nodes = SIZE_MAX, .last = 1}));

    /* an error outlives reset and release, and stops everything until it is cleared */
    mark = tape_mark(tape);
    CHECK(!tensor_add(tensor_ones(tape, shape1(2)), tensor_ones(tape, shape1(3))));
    CHECK(tape_release(tape, mark) && tape_status(tape) == HC_ERR_SHAPE);
    tape_reset(tape);
    CHECK(tape_status(tape) == HC_ERR_SHAPE && !tensor_ones(tape, shape1(2)));
    CHECK(strcmp(tape_error(tape), higherc_error()) == 0);
    CHECK(!tensor_matmul(NULL, NULL));
    CHECK_ERROR("tensor_add: shapes (2) and (3)"); /* the first error is the one kept */
    tape_clear_error(tape);
    CHECK(tensor_ones(tape, shape1(2)) != NULL);
    tape_destroy(other);
    tape_destroy(tape);
}

/* Between marks that have no tensor between them, too. */
static void marks_without_nodes(void) {
    Rng rng = rng_seed(1);
    Tape *tape = tape_create(HC_F32);
    Module *net = module_linear(1, 1);
    module_init(net, &rng);
    FModule *f = fmodule_create(tape, net, false);
    TapeMark low = tape_mark(tape);
    CHECK(fmodule_train(f, false));
    TapeMark high = tape_mark(tape);
    CHECK(fmodule_train(f, true) && tape_release(tape, high) && !fmodule_training(f));
    CHECK(tape_release(tape, low) && fmodule_training(f));
    WRONG(HC_ERR_EXPIRED, tape_release(tape, high));
    CHECK(fmodule_train(f, false));
    CHECK(tape_release(tape, low) && fmodule_training(f));
    tape_destroy(tape);
    module_destroy(net);
}

static Tensor *cube(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_pow_scalar(x[0], 3);
}

/* A tape that is in error tells so to who cleared the thread's error alone. */
static void told_again(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = module_linear(2, 2);
    Tensor *x = tensor_ones(tape, shape1(2));
    CHECK(!tensor_add(x, tensor_ones(tape, shape1(3))));
    for (int call = 0; call < 6; call++) {
        higherc_clear_error();
        CHECK(call != 0 || !tensor_neg(x));
        CHECK(call != 1 || !tensor_zeros(tape, shape1(2)));
        CHECK(call != 2 || !fmodule_create(tape, net, false));
        CHECK(call != 3 || !fmodule_create(tape, NULL, false));
        CHECK(call != 4 || !program_capture(tape, NULL, 0, &x, 1, NULL));
        CHECK(call != 5 || !param_tensor(tape, module_param(net, "bias")));
        CHECK(higherc_status() == HC_ERR_SHAPE && strcmp(higherc_error(), tape_error(tape)) == 0);
    }
    higherc_clear_error();
    tape_clear_error(tape);
    CHECK(tensor_neg(x) != NULL && !higherc_error());
    tape_destroy(tape);
    module_destroy(net);
}

/* A tensor of before the loop, and one that a turn hands to the next, are told from the first turn on. */
static void stale_in_loops(void) {
    for (int carried = 0; carried < 2; carried++) {
        Tape *tape = tape_create(HC_F64);
        Tensor *x = tensor_from_f64(tape, shape1(2), two);
        for (int turn = 0; turn < 4; turn++) {
            tape_reset(tape);
            Tensor *other = tensor_zeros(tape, shape1(2));
            CHECK(other != x || turn > 1);
            if (turn < 2 && !(carried && turn == 0)) WRONG(HC_ERR_EXPIRED, tensor_neg(x));
            if (carried) x = other;
        }
        size_t reserved = tape_stats(tape).reserved_bytes;
        for (int turn = 0; turn < 4; turn++) {
            tape_reset(tape);
            CHECK(tensor_zeros(tape, shape1(2)) != NULL);
        }
        CHECK(tape_stats(tape).reserved_bytes == reserved);
        tape_destroy(tape);
    }
}

static void never_reuse(void) {
    TapeOptions options = tape_options(HC_F64);
    options.never_reuse = true;
    Tape *tape = tape_create_with(options);
    Tensor *x = tensor_from_f64(tape, shape1(2), two), *seen[8];
    for (int i = 0; i < 4; i++) { /* marks work on after a release */
        TapeMark mark = tape_mark(tape);
        seen[i] = tensor_square(x);
        TapeMark inner = tape_mark(tape);
        seen[4 + i] = tensor_square(x);
        CHECK(tape_release(tape, inner) && is(seen[i], 2.25, 4));
        CHECK(tape_release(tape, mark));
        WRONG(HC_ERR_EXPIRED, tape_release(tape, inner));
        for (int j = 0; j <= i; j++) {
            WRONG(HC_ERR_EXPIRED, tensor_neg(seen[j]));
            WRONG(HC_ERR_EXPIRED, tensor_neg(seen[4 + j]));
            for (int k = 0; k < 8; k++)
                CHECK(k == j || (k > i && k < 4) || k > 4 + i || seen[j] != seen[k]);
        }
    }
    CHECK(is(x, 1.5, -2));
    CHECK(gradcheck(cube, &x, 1, gradcheck_options(HC_F64), NULL)); /* which marks and releases */
    tape_reset(tape);
    WRONG(HC_ERR_EXPIRED, tensor_neg(x));
    TapeMark mark = tape_mark(tape);
    x = tensor_from_f64(tape, shape1(2), two);
    CHECK(tape_release(tape, mark));
    WRONG(HC_ERR_EXPIRED, tensor_neg(x));
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("none");
    tape_destroy(tape);
}

static void trimming(void) {
    Rng rng = rng_seed(1);
    Tape *tape = tape_create(HC_F32);
    Module *net = module_linear(2, 2);
    module_init(net, &rng);
    size_t little = 0;
    for (int i = 0; i < 5; i++) { /* the first two resets take further places for nodes */
        Tensor *x = tensor_ones(tape, shape2(1, 2));
        CHECK(tensor_backward(tensor_sum(module_forward(net, x))));
        for (int k = 0; k < 2000; k++)
            x = tensor_sin(x);
        Tensor *big = tensor_zeros(tape, shape1(1 << 20));
        CHECK(big != NULL);
        size_t held = tape_stats(tape).reserved_bytes;
        CHECK(tape_stats(tape).peak_bytes >= (size_t)4 << 20);
        tape_reset(tape);
        CHECK(tape_stats(tape).reserved_bytes == held || (i < 2 && tape_stats(tape).reserved_bytes > held));
        CHECK(tape_stats(tape).live_bytes == 0);
        tape_trim(tape);
        CHECK(tape_stats(tape).reserved_bytes < held / 4);
        if (i == 3) little = tape_stats(tape).reserved_bytes;
    }
    CHECK(tape_stats(tape).reserved_bytes == little); /* the same each time */
    /* what is alive stays */
    Tensor *x = tensor_full(tape, shape1(2), 3);
    TapeMark mark = tape_mark(tape);
    tensor_zeros(tape, shape1(1 << 18));
    tape_release(tape, mark);
    tape_trim(tape);
    CHECK(is(x, 3, 3) && is(tensor_square(x), 9, 9));
    tape_destroy(tape);
    module_destroy(net);
}

static void limits(void) {
    TapeOptions options = tape_options(HC_F64);
    options.max_bytes = 200000;
    options.block_bytes = 4096;
    Tape *tape = tape_create_with(options);
    CHECK(!tensor_zeros(tape, shape1(1 << 20)));
    CHECK(tape_status(tape) == HC_ERR_NOMEM);
    CHECK_ERROR("200000 bytes");
    tape_clear_error(tape);
    Tensor *x = tensor_ones(tape, shape1(100));
    size_t made = 0;
    for (Tensor *y = x; (y = tensor_sin(y)) != NULL;)
        made++;
    CHECK(made > 100 && tape_stats(tape).reserved_bytes <= 200000);
    WRONG(HC_ERR_NOMEM, tensor_sin(x)); /* the error of the loop, which stays */
    CHECK(tensor_data(x) != NULL && ((const double *)tensor_data(x))[99] == 1);
    tape_reset(tape);
    CHECK(tensor_sin(tensor_ones(tape, shape1(100))) != NULL); /* there is room again */
    tape_destroy(tape);
    options.max_bytes = 0;
    tape = tape_create_with(options);
    WRONG(HC_ERR_NOMEM, tensor_scalar(tape, 1));
    tape_destroy(tape);
}

static void nan_check(void) {
    TapeOptions options = tape_options(HC_F64);
    options.check_nan = true;
    Tape *tape = tape_create_with(options);
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape1(2), two)), *g = NULL;
    CHECK(!tensor_square(tensor_log(x)));
    CHECK(tape_status(tape) == HC_ERR_NAN);
    CHECK_ERROR("tensor_log: made a NaN");
    tape_clear_error(tape);
    /* a NaN that was there before is nobody's fault, also behind a view */
    Tensor *bad = tensor_from_f64(tape, shape2(2, 2), (double[]){1, NAN, 2, 3});
    CHECK(tensor_square(bad) && tensor_square(tensor_transpose(bad, 0, 1)));
    CHECK(tensor_square(tensor_expand(tensor_unsqueeze(bad, 0), shape3(2, 2, 2))));
    Tensor *clean = tensor_slice(bad, 1, 0, 1, 1), *below = tensor_sub_scalar(clean, 5);
    WRONG(HC_ERR_NAN,
          tensor_sqrt(below)); /* the NaN beside what the view shows does not excuse it */
    Tensor *column = tensor_transpose(tensor_sub_scalar(bad, 9), 0, 1);
    WRONG(HC_ERR_NAN, tensor_log(tensor_slice(column, 0, 0, 1, 1)));
    /* backward too: sqrt at 0 times 0 */
    Tensor *zero = tensor_leaf(tensor_zeros(tape, shape1(1)));
    Tensor *y = tensor_sum(tensor_mul_scalar(tensor_sqrt(zero), 0));
    WRONG(HC_ERR_NAN, tensor_grad(y, &zero, 1, &g, 0));
    CHECK(g == NULL && tape_check_nan(tape, false) && !tape_check_nan(tape, false));
    CHECK(tensor_grad(y, &zero, 1, &g, 0) && isnan(tensor_item(g)));
    CHECK(tensor_log(x) != NULL && higherc_error() == NULL);
    tape_destroy(tape);
}

static void recording(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape1(2), two));
    CHECK(tape_recording(tape) && tape_set_recording(tape, false) && !tape_recording(tape));
    Tensor *y = tensor_square(x);
    CHECK(is(y, 2.25, 4) && !tensor_requires_grad(y));
    CHECK(!tape_set_recording(tape, true) && tensor_requires_grad(tensor_square(x)));
    CHECK(tensor_depends_on(tensor_square(x), x) && !tensor_depends_on(y, x));
    CHECK(!tensor_depends_on(x, tensor_square(x)) && higherc_error() == NULL);
    tape_destroy(tape);
}

static bool holds_text(const char *path, const char *text) {
    static char all[1 << 14];
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(all, 1, sizeof all - 1, file) : 0;
    if (file) fclose(file);
    all[size] = 0;
    return strstr(all, text) != NULL;
}

static Param *long_name(DType dtype) {
    enum { LENGTH = 100000 };
    char *name = malloc(LENGTH + 1);
    CHECK(name != NULL);
    if (!name) return NULL;
    memset(name, 'n', LENGTH);
    name[LENGTH] = 0;
    Param *p = param_create(name, shape1(2), dtype);
    free(name);
    CHECK(p && param_fill(p, 1));
    return p;
}

static void dot(void) {
    Tape *tape = tape_create(HC_F64), *far = tape_create(HC_F64);
    const char *path = "test_tape.dot";
    Param *p = param_create("a \"quoted\\ name", shape1(2), HC_F64);
    param_fill(p, 1);
    Tensor *aside = tensor_exp(tensor_ones(tape, shape1(7)));
    Tensor *y = tensor_sum(tensor_mul(param_tensor(tape, p), tensor_ones(tape, shape1(2))));
    CHECK(tape_write_dot(tape, y, path));
    CHECK(holds_text(path, "a \\\"quoted\\\\ name\\n(2)\", shape=box") &&
          holds_text(path, "digraph") && holds_text(path, "tensor_mul") && holds_text(path, "}\n"));
    CHECK(!holds_text(path, "tensor_exp") && holds_text(path, "style=dashed"));
    CHECK(tape_write_dot(tape, NULL, path) && holds_text(path, "tensor_exp"));
    CHECK(aside != NULL);
    remove(path);
    WRONG(HC_ERR_IO, tape_write_dot(tape, NULL, "no/such/folder/x.dot"));
    WRONG(HC_ERR_ARG, tape_write_dot(tape, NULL, NULL));
    WRONG(HC_ERR_TAPE, tape_write_dot(tape, tensor_ones(far, shape1(1)), path));
    FILE *full = fopen("/dev/full", "w"); /* where there is such a device: it takes nothing */
    if (full) {
        fclose(full);
        WRONG(HC_ERR_IO, tape_write_dot(tape, NULL, "/dev/full"));
        Param *named = long_name(HC_F64); /* the file's buffer ends within a name, or between nodes */
        WRONG(HC_ERR_IO, tape_write_dot(tape, tensor_sum(param_tensor(tape, named)), "/dev/full"));
        for (int i = 0; i < 20000; i++)
            aside = tensor_neg(aside);
        WRONG(HC_ERR_IO, tape_write_dot(tape, aside, "/dev/full"));
        param_unref(named);
    }
    CHECK(tape_write_dot(tape, y, path) && remove(path) == 0);
    param_unref(p);
    tape_destroy(far);
    tape_destroy(tape);
}

int main(void) {
    marks();
    marks_without_nodes();
    told_again();
    stale_in_loops();
    never_reuse();
    trimming();
    limits();
    nan_check();
    recording();
    dot();
    return check_done();
}
