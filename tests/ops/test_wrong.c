/* Shapes, axes, types, indices and tapes that do not fit are refused, with their status. */
#include <float.h>
#include <limits.h>

#include "ops/tables.h"
#include "support/refuse.h"

static void wrong_tensors(void) {
    Tape *tape = tape_create(HC_F64), *far = tape_create(HC_F64), *single = tape_create(HC_F32);
    Tensor *a = tensor_leaf(tensor_ones(tape, shape2(2, 3))), *b = tensor_ones(tape, shape2(4, 5));
    Tensor *v = tensor_ones(tape, shape1(3)), *g = NULL;
    Tensor *alien = tensor_ones(far, shape2(2, 3)), *f32 = tensor_ones(single, shape2(2, 3));
    const int out[] = {7}, twice[] = {0, 0};
    const size_t pad[] = {SIZE_MAX, 1};
    double room[6];
    Shape refused = shape_of(NULL, 2), huge = shape2(SIZE_MAX / 2, 8);
    CHECK(!tensor_zeros(tape, refused) && higherc_error() != NULL);
    higherc_clear_error();
    tape_clear_error(tape);
    CHECK(!tensor_zeros(tape, huge) && higherc_error() != NULL);
    higherc_clear_error();
    tape_clear_error(tape);
    WRONG(HC_ERR_ARG, tensor_from_f64(tape, shape1(2), NULL));
    WRONG(HC_ERR_ARG, tensor_borrow(tape, shape1(2), NULL));
    WRONG(HC_ERR_RANGE, tensor_from_i64(tape, shape1(1), (int64_t[]){INT64_MAX}));
    WRONG(HC_ERR_ARG, tensor_uniform(tape, shape1(2), 0, 1, NULL));
    WRONG(HC_ERR_ARG, tensor_arange(tape, 0, 1, 0));
    WRONG(HC_ERR_RANGE, tensor_one_hot(tensor_scalar(tape, 5), 2));
    WRONG(HC_ERR_RANGE, tensor_one_hot(tensor_scalar(tape, -1), 2));
    WRONG(HC_ERR_SHAPE, tensor_add(a, b));
    WRONG(HC_ERR_SHAPE, tensor_matmul(a, b));
    WRONG(HC_ERR_SHAPE, tensor_linear(a, b, NULL));
    WRONG(HC_ERR_SHAPE, tensor_dot(a, v));
    WRONG(HC_ERR_SHAPE, tensor_where(a, b, v));
    WRONG(HC_ERR_SHAPE, tensor_mse_loss(a, b));
    WRONG(HC_ERR_SHAPE, tensor_mse_loss_per_example(a, v)); /* though v broadcasts */
    WRONG(HC_ERR_SHAPE, tensor_mse_loss(a, v));
    Tensor *rows = tensor_zeros(tape, shape1(2));
    CHECK(!tensor_embedding(rows, v));
    CHECK_ERROR("tensor_embedding: index (2) with weight (3)");
    tape_clear_error(tape);
    CHECK(!tensor_embedding(rows, tensor_ones(tape, shape3(2, 3, 1))));
    CHECK_ERROR("tensor_embedding: index (2) with weight (2, 3, 1)");
    tape_clear_error(tape);
    Tensor *scale = tensor_ones(far, shape1(3));
    CHECK(!tensor_layer_norm(a, shape1(3), scale, NULL, 1e-5));
    CHECK_ERROR("tensor_layer_norm: ");
    tape_clear_error(tape);
    CHECK(!tensor_batch_norm(a, NULL, NULL, v, scale, 1e-5));
    CHECK_ERROR("tensor_batch_norm: ");
    tape_clear_error(tape);
    for (int i = 0; i < 3; i++) {
        const double eps = i == 0 ? -1e-5 : i == 1 ? (double)NAN : (double)INFINITY;
        WRONG(HC_ERR_ARG, tensor_layer_norm(a, shape1(3), NULL, NULL, eps));
        WRONG(HC_ERR_ARG, tensor_batch_norm(a, NULL, NULL, NULL, NULL, eps));
        WRONG(HC_ERR_ARG, tensor_batch_norm(a, v, v, NULL, NULL, eps));
        WRONG(HC_ERR_ARG, tensor_group_norm(a, 1, NULL, NULL, eps));
    }
    Tensor *zeros = tensor_zeros(tape, shape2(2, 2));
    WRONG(HC_ERR_SHAPE, tensor_gather(a, 0, zeros)); /* one column less */
    WRONG(HC_ERR_SHAPE, tensor_gather(a, 0, tensor_zeros(tape, shape1(3))));
    WRONG(HC_ERR_SHAPE, tensor_scatter_add(a, 0, zeros, zeros));
    WRONG(HC_ERR_SHAPE, tensor_scatter_add(a, 1, zeros, tensor_zeros(tape, shape2(2, 1))));
    CHECK(tensor_gather(a, 1, zeros) && tensor_scatter_add(a, 1, zeros, zeros));
    WRONG(HC_ERR_SHAPE, tensor_reshape(a, shape1(5)));
    WRONG(HC_ERR_SHAPE, tensor_reshape(a, refused));
    WRONG(HC_ERR_SHAPE, tensor_expand(a, shape2(2, 4)));
    WRONG(HC_ERR_SHAPE, tensor_squeeze(a, 0));
    WRONG(HC_ERR_SHAPE, tensor_sum_axes(a, twice, 2, false));
    WRONG(HC_ERR_SHAPE, tensor_max(tensor_zeros(tape, shape1(0))));
    WRONG(HC_ERR_SHAPE, tensor_concat((Tensor *[]){a, b}, 2, 0));
    WRONG(HC_ERR_SHAPE, tensor_stack((Tensor *[]){a, v}, 2, 0));
    WRONG(HC_ERR_SHAPE, tensor_permute(a, twice, 2));
    Tensor *(*const axis_of[])(Tensor *, int) = {tensor_softmax, tensor_log_softmax, tensor_squeeze,
                                                 tensor_unsqueeze};
    for (size_t i = 0; i < sizeof axis_of / sizeof *axis_of; i++) {
        CHECK(!axis_of[i](a, 9) && higherc_error() != NULL);
        higherc_clear_error();
        tape_clear_error(tape);
        CHECK(!axis_of[i](a, -9) && higherc_error() != NULL);
        higherc_clear_error();
        tape_clear_error(tape);
    }
    ANY(tensor_transpose(a, 0, 2));
    ANY(tensor_mean_axes(a, out, 1, true));
    ANY(tensor_var_axes(a, NULL, 1, 1, true));
    ANY(tensor_argmax_axis(a, 2, true));
    ANY(tensor_slice(a, 2, 0, 1, 1));
    ANY(tensor_slice(a, 0, 0, 1, 0));
    ANY(tensor_pad(a, pad, pad, 2));
    ANY(tensor_pad(a, pad, pad, 1));
    ANY(tensor_gather(a, 0, tensor_full(tape, shape2(1, 3), 2)));
    ANY(tensor_gather(a, 0, tensor_full(tape, shape2(1, 3), 0.5)));
    ANY(tensor_gather(a, 0, tensor_full(tape, shape2(1, 3), NAN)));
    ANY(tensor_scatter_add(a, 5, a, a));
    ANY(tensor_nll_loss(a, tensor_full(tape, shape1(2), 3)));
    ANY(tensor_cross_entropy_loss(a, tensor_zeros(tape, shape1(7))));
    ANY(tensor_huber_loss(a, a, 0));
    ANY(tensor_smooth_l1_loss(a, a, -1));
    REFUSED(tensor_concat(NULL, 0, 0));
    REFUSED(tensor_stack(&a, 0, 0));
    ANY(tensor_copy_to_f64(a, room, 5));
    ANY(tensor_copy_to_f64(a, NULL, 6));
    ANY(!isnan(tensor_item(a)));
    WRONG(HC_ERR_TAPE, tensor_add(a, alien));
    WRONG(HC_ERR_TAPE, tensor_grad(tensor_sum(a), &alien, 1, &g, 0));
    tape_clear_error(far);
    CHECK(!tensor_add(a, f32));
    CHECK(higherc_status() == HC_ERR_TAPE || higherc_status() == HC_ERR_DTYPE);
    higherc_clear_error();
    tape_clear_error(tape);
    tape_clear_error(single);
    ANY(tensor_grad(tensor_sum(a), NULL, 1, &g, 0));
    ANY(tensor_grad(tensor_sum(a), &a, 1, NULL, 0));
    ANY(tensor_grad(tensor_sum(a), (Tensor *[]){NULL}, 1, &g, 0));
    WRONG(HC_ERR_SHAPE, tensor_grad(a, &a, 1, &g, 0));
    WRONG(HC_ERR_SHAPE, tensor_vjp(a, v, &a, 1, &g, 0));
    ANY(tensor_vjp(a, NULL, &a, 1, &g, 0));
    ANY(tensor_hvp(tensor_sum(tensor_square(a)), &a, 1, &b, &g, 0));
    ANY(tensor_hvp(tensor_sum(tensor_square(a)), &a, 1, NULL, &g, 0));
    ANY(tensor_hvp(tensor_sum(tensor_square(a)), &a, 1, (Tensor *[]){NULL}, &g, 0));
    ANY(tensor_jvp(tensor_square(a), &a, 1, &b, 0));
    ANY(tensor_jvp(tensor_square(a), &a, 1, (Tensor *[]){NULL}, 0));
    ANY(tensor_backward_into(tensor_sum(a), NULL));
    REFUSED(gradcheck(NULL, &a, 1, gradcheck_options(HC_F64), NULL));
    WRONG(HC_ERR_IO, tape_write_dot(tape, NULL, "no/such/folder/x.dot"));
    CHECK(g == NULL);
    tape_destroy(single);
    tape_destroy(far);
    tape_destroy(tape);
}

/* Numbers at the ends of their types: refused or clipped, never overflowing. */
static void extremes(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *a = tensor_leaf(tensor_ones(tape, shape2(2, 3))), *s = tensor_scalar(tape, 1);
    const int axes[] = {INT_MIN, INT_MAX, INT_MIN + 1, 2, -3, 8, 31, 32, 64, -64};
    for (size_t i = 0; i < COUNT_OF(axes); i++) {
        for (size_t k = 0; k < COUNT_OF(over_axes); k++)
            ANY(over_axes[k](a, &axes[i], 1, true));
        for (size_t k = 0; k + 1 < COUNT_OF(with_axis); k++) /* unsqueeze takes one more */
            ANY(with_axis[k](a, axes[i]));
        ANY(tensor_var_axes(a, &axes[i], 1, 1, false));
        ANY(tensor_argmax_axis(a, axes[i], false));
        ANY(tensor_transpose(a, axes[i], 0));
        ANY(tensor_transpose(a, 0, axes[i]));
        ANY(tensor_permute(a, (int[]){0, axes[i]}, 2));
        ANY(tensor_slice(a, axes[i], 0, 1, 1));
        ANY(tensor_concat(&a, 1, axes[i]));
        ANY(tensor_gather(a, axes[i], a));
        ANY(tensor_scatter(a, axes[i], a, a));
        ANY(tensor_roll(a, 1, axes[i]));
        ANY(tensor_flip(a, &axes[i], 1));
        ANY(tensor_sort(a, axes[i], true, NULL));
        ANY(tensor_argsort(a, axes[i], true));
        ANY(tensor_topk(a, 1, axes[i], true, NULL));
        ANY(tensor_max_with_index(a, axes[i], true, NULL));
        ANY(tensor_split(a, (size_t[]){2}, 1, axes[i], (Tensor *[1]){NULL}));
        ANY(tensor_scatter_add(a, axes[i], a, a));
        CHECK(tensor_dim(a, axes[i]) == 0);
    }
    ANY(tensor_unsqueeze(a, INT_MIN));
    ANY(tensor_unsqueeze(a, INT_MAX));
    ANY(tensor_unsqueeze(a, 3));
    ANY(tensor_stack(&a, 1, INT_MIN));
    ANY(tensor_stack(&a, 1, INT_MAX));
    ANY(tensor_softmax(s, 1));
    ANY(tensor_sum_axes(a, (int[9]){0}, 9, false));
    ANY(tensor_permute(a, (int[]){0}, SIZE_MAX));
    Tensor *eight = tensor_ones(tape, shape_of((size_t[]){1, 1, 1, 1, 1, 1, 1, 1}, 8));
    ANY(tensor_unsqueeze(eight, 0));
    ANY(tensor_stack(&eight, 1, 0));
    ANY(tensor_one_hot(eight, 2));

    const int64_t ends[] = {INT64_MIN, INT64_MAX, INT64_MIN + 1, -4, 0, 1, 3};
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        for (size_t j = 0; j < COUNT_OF(ends); j++) {
            Tensor *slice = tensor_slice(a, 1, ends[i], ends[j], INT64_MAX);
            CHECK(slice && tensor_dim(slice, 1) <= 1);
            slice = tensor_slice(a, 1, ends[i], ends[j], 1);
            CHECK(slice && tensor_dim(slice, 1) <= 3);
            CHECK(tensor_backward(tensor_sum(slice)) || higherc_status() == HC_ERR_GRAD);
            higherc_clear_error();
            tape_clear_error(tape);
        }
    ANY(tensor_slice(a, 0, 0, 1, INT64_MIN));
    ANY(tensor_slice(a, 0, 0, 1, -1));

    /* shapes that no memory holds */
    const size_t most = SIZE_MAX;
    Shape bad[] = {shape_of(NULL, 1),    {.ndim = 9},        {.ndim = INT_MAX},
                   {.ndim = INT_MIN},    shape2(most, most), shape2(most / 8 + 1, 8),
                   shape1(most / 8 + 1), shape1(most)};
    double one = 1;
    int64_t whole = 1;
    float single = 1;
    Rng rng = rng_seed(1);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ANY(tensor_zeros(tape, bad[i]));
        ANY(tensor_ones(tape, bad[i]));
        ANY(tensor_full(tape, bad[i], 2));
        ANY(tensor_from_f64(tape, bad[i], &one));
        ANY(tensor_from_f32(tape, bad[i], &single));
        ANY(tensor_from_i64(tape, bad[i], &whole));
        ANY(tensor_borrow(tape, bad[i], &one));
        ANY(tensor_uniform(tape, bad[i], 0, 1, &rng));
        ANY(tensor_normal(tape, bad[i], 0, 1, &rng));
        ANY(tensor_reshape(a, bad[i]));
        ANY(tensor_expand(s, bad[i]));
        CHECK(param_create("p", bad[i], HC_F64) == NULL && higherc_status() == HC_ERR_SHAPE);
        higherc_clear_error();
        CHECK(!shape_equal(bad[i], shape2(2, 3)));
        CHECK(shape_count(bad[i]) == most || shape_count(bad[i]) > most / 9);
    }
    CHECK(rng.counter == 0);
    ANY(tensor_one_hot(tensor_zeros(tape, shape1(2)), most));
    ANY(tensor_one_hot(tensor_zeros(tape, shape1(2)), most / 2 + 1));
    ANY(tensor_pad(a, (size_t[]){most, 0}, (size_t[]){0, 0}, 2));
    ANY(tensor_pad(a, (size_t[]){most - 1, 0}, (size_t[]){0, 0}, 2));
    ANY(tensor_pad(a, (size_t[]){most / 2, 0}, (size_t[]){most / 2, 0}, 2));
    ANY(tensor_pad(a, (size_t[]){most / 64, 0}, (size_t[]){0, 64}, 2));
    ANY(tensor_arange(tape, 0, INFINITY, 1));
    ANY(tensor_arange(tape, 0, 1e300, 1e-300));
    ANY(tensor_arange(tape, NAN, 1, 1));
    ANY(tensor_arange(tape, 0, 1, NAN));
    CHECK(tensor_count(tensor_arange(tape, 3, 1, 1)) == 0 && higherc_error() == NULL);
    CHECK(tensor_count(tensor_arange(tape, 3, 1, -1)) == 2);
    const double number[] = {NAN, INFINITY, -INFINITY, DBL_MAX, -0.0};
    for (size_t i = 0; i < COUNT_OF(number); i++) /* values, not errors */
        for (size_t k = 0; k < COUNT_OF(with_number); k++)
            CHECK(with_number[k](a, number[i]) != NULL);
    tape_destroy(tape);
}

/* Results that no memory holds, of operands that are one number seen again and again. */
static void too_large(void) {
    TapeOptions options = tape_options(HC_F64);
    options.max_bytes = 1 << 20;
    Tape *tape = tape_create_with(options);
    const size_t many = SIZE_MAX / 64;
    Tensor *one = tensor_ones(tape, shape1(1)), *zero = tensor_zeros(tape, shape1(1));
    Tensor *column = tensor_expand(one, shape2(many, 1)),
           *row = tensor_expand(one, shape2(1, many));
    Tensor *images = tensor_expand(one, shape4(many, 1, 1, 1));
    Tensor *maps = tensor_expand(one, shape4(1, 1, many, 1));
    Tensor *half = tensor_expand(one, shape1(SIZE_MAX / 48));
    CHECK(tape_status(tape) == HC_OK);
    WRONG(HC_ERR_SHAPE, tensor_linear(column, column, NULL));
    WRONG(HC_ERR_SHAPE, tensor_matmul(column, row));
    if (sizeof(size_t) == 8) { /* 2^64 + 1 numbers */
        column = tensor_expand(one, shape2(274177, 1));
        row = tensor_expand(one, shape2(1, (size_t)(UINT64_C(67280421310721))));
        WRONG(HC_ERR_SHAPE, tensor_matmul(column, row));
        WRONG(HC_ERR_SHAPE, tensor_matmul(tensor_unsqueeze(column, 0), row));
        WRONG(HC_ERR_SHAPE, tensor_linear(column, tensor_transpose(row, 0, 1), NULL));
    } else { /* 2^32 + 1 */
        column = tensor_expand(one, shape2(641, 1));
        row = tensor_expand(one, shape2(1, 6700417));
        WRONG(HC_ERR_SHAPE, tensor_matmul(column, row));
    }
    WRONG(HC_ERR_SHAPE, tensor_conv2d(images, images, NULL, conv2d_options()));
    WRONG(HC_ERR_SHAPE, tensor_adaptive_avg_pool2d(images, 100, 100));
    WRONG(HC_ERR_SHAPE, tensor_embedding(tensor_expand(zero, shape1(many)), row));
    WRONG(HC_ERR_SHAPE, tensor_concat((Tensor *[]){half, half}, 2, 0));
    WRONG(HC_ERR_SHAPE, tensor_stack((Tensor *[]){half, half}, 2, 0));
    WRONG(HC_ERR_SHAPE, tensor_one_hot(tensor_expand(zero, shape1(many)), 1000));
    WRONG(HC_ERR_NOMEM, tensor_max_pool2d(maps, pool2d_options(1))); /* fits, but not this tape */
    WRONG(HC_ERR_NOMEM, tensor_relu(images));
    tape_destroy(tape);
}

/* Every function that takes a shape, with what is none. */
static void no_shapes(void) {
    static const int bad[] = {INT_MIN, INT_MIN + 1, -1, HC_MAX_DIMS + 1, INT_MAX};
    static const float f[1] = {0};
    static const double d[1] = {0};
    static const int64_t n[1] = {0};
    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(1);
    Tensor *x = tensor_ones(tape, shape2(2, 3));
    Program *program = program_capture(tape, &x, 1, &x, 1, NULL);
    CHECK(program != NULL);
    Module *net = module_linear(1, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Shape shape = {.ndim = bad[i]};
        WRONG(HC_ERR_SHAPE, tensor_from_f32(tape, shape, f));
        WRONG(HC_ERR_SHAPE, tensor_from_f64(tape, shape, d));
        WRONG(HC_ERR_SHAPE, tensor_from_i64(tape, shape, n));
        WRONG(HC_ERR_SHAPE, tensor_borrow(tape, shape, f));
        WRONG(HC_ERR_SHAPE, tensor_zeros(tape, shape));
        WRONG(HC_ERR_SHAPE, tensor_uniform(tape, shape, 0, 1, &rng));
        WRONG(HC_ERR_SHAPE, tensor_normal(tape, shape, 0, 1, &rng));
        WRONG(HC_ERR_SHAPE, tensor_reshape(x, shape));
        WRONG(HC_ERR_SHAPE, tensor_expand(x, shape));
        WRONG(HC_ERR_SHAPE, tensor_layer_norm(x, shape, NULL, NULL, 0));
        WRONG(HC_ERR_SHAPE, param_create("p", shape, HC_F32));
        REFUSED(module_add_param(net, "p", shape));
        REFUSED(module_add_buffer(net, "b", shape, 0));
        REFUSED(module_layer_norm(shape, norm_options()));
        WRONG(HC_ERR_SHAPE, program_set_f32(program, 0, shape, f));
        WRONG(HC_ERR_SHAPE, program_set_f64(program, 0, shape, d));
        CHECK(shape_count(shape) == SIZE_MAX && shape_equal(shape, shape));
    }
    program_destroy(program);
    module_destroy(net);
    tape_destroy(tape);
}

/* Questions with an answer for NULL give that, and an error. */
static void asked(Tape *tape, Tensor *x) {
    WRONG(HC_ERR_EXPIRED, tensor_shape(x).ndim != -1);
    WRONG(HC_ERR_EXPIRED, tensor_ndim(x) != -1);
    WRONG(HC_ERR_EXPIRED, tensor_dim(x, 0));
    WRONG(HC_ERR_EXPIRED, tensor_count(x));
    WRONG(HC_ERR_EXPIRED, tensor_requires_grad(x));
    CHECK(tensor_tape(x) == tape && tensor_dtype(x) == HC_F64 && tensor_serial(x) > 0);
}

/* A tensor that was freed, by a release or a reset, trimmed or not, is refused by all. */
static void expired(void) {
    Tape *tape = tape_create(HC_F64);
    for (int ways = 0; ways < 4; ways++) {
        bool way = ways & 1, trims = ways & 2;
        Tensor *live = way ? NULL : tensor_ones(tape, shape1(1)), *g = NULL;
        TapeMark mark = tape_mark(tape);
        Tensor *x = tensor_leaf(tensor_ones(tape, shape1(1))), *y = tensor_square(x);
        if (way)
            tape_reset(tape);
        else
            CHECK(tape_release(tape, mark));
        if (trims) tape_trim(tape);
        if (way) live = tensor_ones(tape, shape1(1));
        if (way) x = y; /* the first place is taken again */
        for (size_t k = 0; k < COUNT_OF(unary); k++)
            WRONG(HC_ERR_EXPIRED, unary[k](x));
        for (size_t k = 0; k < COUNT_OF(binary); k++) {
            WRONG(HC_ERR_EXPIRED, binary[k](x, live));
            WRONG(HC_ERR_EXPIRED, binary[k](live, x));
        }
        for (size_t k = 0; k < COUNT_OF(with_number); k++)
            WRONG(HC_ERR_EXPIRED, with_number[k](x, 1));
        for (size_t k = 0; k < COUNT_OF(over_axes); k++)
            WRONG(HC_ERR_EXPIRED, over_axes[k](x, NULL, 0, true));
        for (size_t k = 0; k < COUNT_OF(with_axis); k++)
            WRONG(HC_ERR_EXPIRED, with_axis[k](x, 0));
        WRONG(HC_ERR_EXPIRED, tensor_reshape(x, shape2(1, 1)));
        WRONG(HC_ERR_EXPIRED, tensor_expand(x, shape2(2, 1)));
        WRONG(HC_ERR_EXPIRED, tensor_where(live, live, x));
        WRONG(HC_ERR_EXPIRED, tensor_linear(live, live, x));
        WRONG(HC_ERR_EXPIRED, tensor_concat((Tensor *[]){live, x}, 2, 0));
        WRONG(HC_ERR_EXPIRED, tensor_gather(live, 0, x));
        WRONG(HC_ERR_EXPIRED, tensor_data(x));
        WRONG(HC_ERR_EXPIRED, !isnan(tensor_item(x)));
        WRONG(HC_ERR_EXPIRED, tensor_copy_to_f64(x, (double[1]){0}, 1));
        WRONG(HC_ERR_EXPIRED, tensor_copy_to_f32(x, (float[1]){0}, 1));
        WRONG(HC_ERR_EXPIRED, tensor_grad(x, &live, 1, &g, HC_ZEROS));
        WRONG(HC_ERR_EXPIRED, tensor_grad(live, &x, 1, &g, HC_ZEROS));
        WRONG(HC_ERR_EXPIRED, tensor_vjp(live, x, &live, 1, &g, HC_ZEROS));
        WRONG(HC_ERR_EXPIRED, tensor_hvp(live, &live, 1, &x, &g, HC_ZEROS));
        WRONG(HC_ERR_EXPIRED, tensor_jvp(live, &live, 1, &x, 0));
        WRONG(HC_ERR_EXPIRED, tensor_backward(x));
        WRONG(HC_ERR_EXPIRED, tensor_depends_on(x, live));
        WRONG(HC_ERR_EXPIRED, tape_write_dot(tape, x, "unused.dot"));
        asked(tape, x);
        CHECK(g == NULL && tensor_item(live) == 1);
    }
    tape_destroy(tape);
}

static Tensor *product(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    return tensor_mul(x[0], x[1]);
}

/* Tensors of two tapes, of one type and of two, never meet; the error is on the first one's tape. */
static void foreign(void) {
    Tape *tape = tape_create(HC_F64), *others[] = {tape_create(HC_F64), tape_create(HC_F32)};
    Tensor *a = tensor_leaf(tensor_ones(tape, shape1(1))), *g = NULL;
    for (int i = 0; i < 2; i++) {
        Tensor *b = tensor_leaf(tensor_ones(others[i], shape1(1)));
        for (size_t k = 0; k < COUNT_OF(binary); k++) {
            WRONG(HC_ERR_TAPE, binary[k](a, b));
            CHECK(tape_status(others[i]) == HC_OK);
            CHECK(!binary[k](b, a) && tape_status(others[i]) == HC_ERR_TAPE);
            CHECK(tape_status(tape) == HC_OK);
            higherc_clear_error();
            tape_clear_error(others[i]);
        }
        WRONG(HC_ERR_TAPE, tensor_where(a, a, b));
        WRONG(HC_ERR_TAPE, tensor_linear(a, a, b));
        WRONG(HC_ERR_TAPE, tensor_stack((Tensor *[]){a, b}, 2, 0));
        WRONG(HC_ERR_TAPE, tensor_gather(a, 0, b));
        WRONG(HC_ERR_TAPE, tensor_scatter_add(a, 0, a, b));
        WRONG(HC_ERR_TAPE, tensor_grad(a, &b, 1, &g, HC_ZEROS));
        WRONG(HC_ERR_TAPE, tensor_vjp(a, b, &a, 1, &g, 0));
        WRONG(HC_ERR_TAPE, tensor_hvp(a, &a, 1, &b, &g, 0));
        WRONG(HC_ERR_TAPE, tensor_jvp(a, &a, 1, &b, 0));
        WRONG(HC_ERR_TAPE, tensor_depends_on(a, b));
        WRONG(HC_ERR_TAPE,
              gradcheck(product, (Tensor *[]){a, b}, 2, gradcheck_options(HC_F64), NULL));
    }
    tape_destroy(others[0]);
    tape_destroy(others[1]);
    tape_destroy(tape);
}

/* Sizes of 0 are values: each operation and its gradient work on nothing. */
static void empty(void) {
    Tape *tape = tape_create(HC_F64);
    for (size_t k = 0; k < COUNT_OF(of_matrix); k++) {
        Tensor *x = tensor_leaf(tensor_zeros(tape, shape3(2, 0, 0))), *g = NULL;
        CHECK(tensor_grad(tensor_sum(of_matrix[k](x)), &x, 1, &g, HC_ZEROS) && tensor_count(g) == 0);
    }
    const Shape shapes[] = {shape1(0), shape2(0, 3), shape3(2, 0, 3)};
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        Tensor *x = tensor_leaf(tensor_zeros(tape, shapes[i])), *g = NULL;
        for (size_t k = 0; k < COUNT_OF(unary); k++) {
            bool none = unary[k] == tensor_max || unary[k] == tensor_min ||
                        unary[k] == tensor_argmax || unary[k] == tensor_logsumexp;
            Tensor *y = unary[k](x);
            if (!y) CHECK(none && higherc_status() == HC_ERR_SHAPE);
            higherc_clear_error();
            tape_clear_error(tape);
            if (!y || unary[k] == tensor_leaf) continue;
            CHECK(tensor_grad(tensor_sum(y), &x, 1, &g, HC_ZEROS) && tensor_count(g) == 0);
        }
        for (size_t k = 0; k < COUNT_OF(binary); k++) {
            Tensor *y = binary[k](x, x);
            if (y) CHECK(tensor_grad(tensor_sum(y), &x, 1, &g, HC_ZEROS) && tensor_count(g) == 0);
            higherc_clear_error();
            tape_clear_error(tape);
        }
        CHECK(tensor_item(tensor_sum(x)) == 0 && isnan(tensor_item(tensor_mean(x))));
        CHECK(tensor_item(tensor_norm(x)) == 0 && tensor_copy_to_f64(x, NULL, 0));
    }
    Tensor *none = tensor_zeros(tape, shape2(0, 4)), *two = tensor_zeros(tape, shape2(3, 0));
    Tensor *y = tensor_matmul(two, none);
    CHECK(shape_equal(tensor_shape(y), shape2(3, 4)) &&
          tensor_item(tensor_sum(tensor_abs(y))) == 0);
    CHECK(tensor_count(tensor_matmul(none, tensor_ones(tape, shape2(4, 5)))) == 0);
    CHECK(tensor_dim(tensor_concat((Tensor *[]){none, tensor_ones(tape, shape2(2, 4))}, 2, 0), 0) ==
          2);
    CHECK(tensor_dim(tensor_pad(none, (size_t[]){2, 0}, (size_t[]){1, 0}, 2), 0) == 3);
    CHECK(shape_equal(tensor_shape(tensor_argmax_axis(none, 1, false)), shape1(0)));
    CHECK(tensor_count(tensor_layer_norm(two, shape1(0), NULL, NULL, 1e-5)) == 0);
    CHECK(tensor_count(tensor_one_hot(tensor_zeros(tape, shape1(0)), 3)) == 0);
    /* keys of no numbers are all alike: the mean of the values */
    double mean[4];
    Tensor *value = tensor_reshape(tensor_arange(tape, 0, 6, 1), shape2(3, 2));
    y = tensor_scaled_dot_product_attention(tensor_zeros(tape, shape2(2, 0)), two, value, NULL);
    CHECK(shape_equal(tensor_shape(y), shape2(2, 2)) && tensor_copy_to_f64(y, mean, 4));
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(mean[i], 2 + i % 2, 1e-15, 0);
    /* cross entropy of no rows, to second order */
    Tensor *scores = tensor_leaf(none), *g = NULL;
    y = tensor_cross_entropy_loss(scores, tensor_zeros(tape, shape1(0)));
    CHECK(isnan(tensor_item(y)) && tensor_grad(y, &scores, 1, &g, HC_CREATE_GRAPH));
    CHECK(tensor_grad(tensor_sum(tensor_square(g)), &scores, 1, &g, HC_ZEROS));
    CHECK(shape_equal(tensor_shape(g), shape2(0, 4)));
    /* batch norm without rows' channels, pixels or images */
    const Shape images[] = {shape4(2, 0, 3, 3), shape2(4, 0)};
    for (size_t i = 0; i < COUNT_OF(images); i++) {
        Tensor *x = tensor_leaf(tensor_zeros(tape, images[i]));
        y = tensor_batch_norm(x, NULL, NULL, NULL, NULL, 1e-5);
        CHECK(shape_equal(tensor_shape(y), images[i]));
        CHECK(tensor_grad(tensor_sum(tensor_square(y)), &x, 1, &g, HC_CREATE_GRAPH | HC_ZEROS));
        CHECK(tensor_grad(tensor_sum(g), &x, 1, &g, HC_ZEROS) && shape_equal(tensor_shape(g), images[i]));
    }
    CHECK(higherc_error() == NULL);
    tape_destroy(tape);
}

int main(void) {
    no_shapes();
    wrong_tensors();
    extremes();
    too_large();
    expired();
    foreign();
    empty();
    if (higherc_error()) CHECK_ERROR("none");
    return check_done();
}
