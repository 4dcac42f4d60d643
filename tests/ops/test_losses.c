/* Distances and losses with options: the numbers of their formulas, the bits of the plain losses, what is taken at
 * kinks and at equal points, and what is refused. */
#include <higherc/higherc.h>

#include <math.h>
#include <string.h>

#include "support/check.h"
#include "support/each.h"
#include "support/refuse.h"

static Tape *tape;

#define LIST(...)                                                                                  \
    sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]) {                                 \
        __VA_ARGS__                                                                                \
    }
#define VECTOR(...) constant(LIST(__VA_ARGS__))
#define HOLDS(x, ...) holds(x, LIST(__VA_ARGS__))

static Tensor *constant(size_t count, const double *values) {
    return tensor_from_f64(tape, shape1(count), values);
}

static Tensor *table(size_t rows, size_t columns, const double *values) {
    return tensor_from_f64(tape, shape2(rows, columns), values);
}

/* All numbers of x, to rounding; any NaN equals any other. */
static void holds(Tensor *x, size_t count, const double *expected) {
    double values[32];
    CHECK(count <= 32 && tensor_copy_to_f64(x, values, count));
    if (tensor_count(x) != count) return;
    for (size_t i = 0; i < count; i++)
        if (!(isnan(values[i]) && isnan(expected[i]))) CHECK_NEAR(values[i], expected[i], 1e-14, 1e-15);
}

static Tensor *gradient(Tensor *y, Tensor *x) {
    Tensor *g = NULL;
    CHECK(tensor_grad(tensor_sum(y), &x, 1, &g, HC_ZEROS | HC_CREATE_GRAPH));
    return g;
}

/* Every derivative of y to x up to the third is `value` everywhere. */
static void flat(Tensor *y, Tensor *x, double value) {
    for (int order = 1; order <= 3 && y; order++) {
        y = gradient(y, x);
        double numbers[32];
        size_t count = tensor_count(y);
        CHECK(count <= 32 && tensor_copy_to_f64(y, numbers, count));
        for (size_t i = 0; i < count; i++)
            CHECK(numbers[i] == value);
    }
}

/* ---- distances ----------------------------------------------------------------------------------- */

static void test_distances(void) {
    Tensor *a = table(2, 2, (double[]){0, 0, 1, -2}), *b = table(3, 2, (double[]){3, 4, 1, -2, 0, 1});
    HOLDS(tensor_cdist(a, b, 2), 5, sqrt(5), 1, sqrt(40), 0, sqrt(10));
    HOLDS(tensor_cdist(a, b, 1), 7, 3, 1, 8, 0, 4);
    HOLDS(tensor_cdist(a, b, 0), 2, 2, 1, 2, 0, 2);
    HOLDS(tensor_cdist(a, b, (double)INFINITY), 4, 2, 1, 6, 0, 3);
    HOLDS(tensor_cdist(a, b, 3), cbrt(91), cbrt(9), 1, cbrt(224), 0, cbrt(28));
    HOLDS(tensor_cdist(a, b, 0.5), pow(sqrt(3) + 2, 2), pow(1 + sqrt(2), 2), 1, pow(sqrt(2) + sqrt(6), 2), 0,
          pow(1 + sqrt(3), 2));
    Tensor *many = tensor_expand(a, shape3(4, 2, 2));
    CHECK(shape_equal(tensor_shape(tensor_cdist(many, b, 2)), shape3(4, 2, 3)));
    CHECK(shape_equal(tensor_shape(tensor_cdist(tensor_zeros(tape, shape2(0, 2)), b, 2)), shape2(0, 3)));
    const double powers[] = {0, 0.5, 1, 2, 3, 4, (double)INFINITY};
    Tensor *nothing = tensor_zeros(tape, shape2(1, 0));
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++)
        HOLDS(tensor_cdist(nothing, nothing, powers[i]), 0);
    HOLDS(tensor_pairwise_distance(a, table(1, 2, (double[]){3, 4}), 2, 0), 5, sqrt(40));
    HOLDS(tensor_pairwise_distance(VECTOR(1, 2), VECTOR(1, 2), 1, 0.25), 0.5);
}

/* At equal points every order is 0, for each p, and what stands beside is not disturbed. */
static void test_equal_points(void) {
    const double powers[] = {0, 0.5, 1, 1.5, 2, 3, 4, (double)INFINITY};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        Tensor *x = tensor_leaf(table(2, 3, (double[]){1, 2, 3, 1, 2, 3}));
        flat(tensor_cdist(x, tensor_detach(x), powers[i]), x, 0);
        Tensor *row = tensor_leaf(VECTOR(1, 2, 3));
        flat(tensor_pairwise_distance(row, tensor_detach(row), powers[i], 0), row, 0);
    }
    Tensor *x = tensor_leaf(table(2, 2, (double[]){0, 0, 3, 4}));
    Tensor *d = tensor_cdist(x, tensor_zeros(tape, shape2(1, 2)), 2);
    HOLDS(gradient(d, x), 0, 0, 0.6, 0.8);
    HOLDS(gradient(gradient(d, x), x), 0, 0, (16 - 12) / 125.0, (9 - 12) / 125.0);
    HOLDS(gradient(tensor_cdist(x, x, 2), x), -1.2, -1.6, 1.2, 1.6); /* each to itself, 0, and to the other, twice */
    /* one coordinate equal, p not even: that one stays out of it */
    Tensor *half = tensor_leaf(table(1, 2, (double[]){0, 4}));
    Tensor *root = tensor_cdist(half, tensor_zeros(tape, shape2(1, 2)), 0.5);
    HOLDS(root, 4);
    HOLDS(gradient(root, half), 0, 1);
    /* the largest twice: half each */
    Tensor *twice = tensor_leaf(table(1, 3, (double[]){2, -2, 1}));
    HOLDS(gradient(tensor_cdist(twice, tensor_zeros(tape, shape2(1, 3)), (double)INFINITY), twice), 0.5, -0.5, 0);
}

static void test_cosine(void) {
    Tensor *a = table(2, 2, (double[]){3, 4, 1, 0}), *b = table(1, 2, (double[]){4, 3});
    HOLDS(tensor_cosine_similarity(a, b, 1, 1e-8), 24 / 25.0, 4 / 5.0);
    HOLDS(tensor_cosine_similarity(a, a, 0, 1e-8), 1, 1);
    HOLDS(tensor_cosine_similarity(a, b, -1, 10), 12 * 2 / 100.0, 4 / 100.0); /* both norms below eps */
    /* zero vectors: the norm is the constant eps */
    Tensor *zero = tensor_leaf(tensor_zeros(tape, shape1(2))), *unit = VECTOR(0.6, 0.8);
    HOLDS(tensor_cosine_similarity(zero, unit, 0, 0.5), 0);
    HOLDS(gradient(tensor_cosine_similarity(zero, unit, 0, 0.5), zero), 1.2, 1.6);
    flat(gradient(tensor_cosine_similarity(zero, unit, 0, 1e-8), zero), zero, 0);
    flat(gradient(tensor_cosine_similarity(zero, zero, 0, 0.5), zero), tensor_detach(zero), 0);
    /* a norm whose cube overflows upside down is below eps too */
    Tensor *tiny = tensor_leaf(VECTOR(1e-150, 0));
    flat(gradient(tensor_cosine_similarity(tiny, unit, 0, 0.5), tiny), tiny, 0);
}

/* ---- classes ------------------------------------------------------------------------------------- */

static const double scores[] = {0.5, -1, 2, 0.25, 1.5, -0.75, 0, 0.125, -2, 1, 1, 3};
static const int64_t targets[] = {2, 0, 3};

static Tensor *classes(const int64_t *values, size_t count) {
    return tensor_from_i64(tape, shape1(count), values);
}

/* -log softmax(row)[c] of a row of 4 */
static double surprise(const double *row, int64_t c) {
    double sum = 0;
    for (int j = 0; j < 4; j++)
        sum += exp(row[j]);
    return log(sum) - row[c];
}

/* The options as they are made give the plain losses and their gradients, bit for bit. */
static void test_plain_bits(void) {
    for (int type = 0; type < 2; type++) {
        Tape *t = tape_create(type ? HC_F32 : HC_F64);
        Rng rng = rng_seed(3);
        for (size_t n = 0; n < 12; n++) {
            const size_t size = 4 * n;
            double soft[48];
            int64_t index[12];
            for (size_t i = 0; i < size; i++)
                soft[i] = rng_uniform(&rng);
            for (size_t i = 0; i < n; i++)
                index[i] = (int64_t)rng_below(&rng, 4);
            Tensor *x = tensor_leaf(tensor_normal(t, shape2(n, 4), 0, 2, &rng));
            Tensor *hard = tensor_from_i64(t, shape1(n), index), *y[6], *g[6];
            Tensor *probabilities = tensor_from_f64(t, shape2(n, 4), soft);
            y[0] = tensor_cross_entropy_loss(x, hard);
            y[1] = tensor_cross_entropy_loss_with(x, hard, class_loss_options());
            y[2] = tensor_cross_entropy_loss(x, probabilities);
            y[3] = tensor_cross_entropy_loss_with(x, probabilities, class_loss_options());
            y[4] = tensor_nll_loss(x, hard);
            y[5] = tensor_nll_loss_with(x, hard, class_loss_options());
            for (size_t i = 0; i < 6; i++)
                CHECK(tensor_grad(y[i], &x, 1, &g[i], 0));
            for (size_t i = 0; i < 6 && n > 0; i += 2) {
                size_t bytes = size * (type ? sizeof(float) : sizeof(double));
                CHECK(tensor_item(y[i]) == tensor_item(y[i + 1]));
                CHECK(memcmp(tensor_data(g[i]), tensor_data(g[i + 1]), bytes) == 0);
            }
            for (size_t i = 0; i < 6 && n == 0; i++)
                CHECK(isnan(tensor_item(y[i])));
        }
        CHECK(tape_status(t) == HC_OK);
        tape_destroy(t);
    }
}

static void test_class_options(void) {
    Tensor *x = table(3, 4, scores), *target = classes(targets, 3), *weight = VECTOR(1, 0.5, 2, 3);
    const double w[] = {2, 1, 3}; /* of the targets */
    double e[3], smooth[3], sum = 0, all = 0;
    for (int i = 0; i < 3; i++) {
        e[i] = surprise(scores + 4 * i, targets[i]);
        smooth[i] = 0;
        for (int j = 0; j < 4; j++)
            smooth[i] += ((double[]){1, 0.5, 2, 3})[j] * surprise(scores + 4 * i, j) / 4;
        sum += w[i] * e[i];
        all += w[i];
    }
    ClassLossOptions o = class_loss_options();
    CHECK(o.ignore_index == -100 && !o.weight && o.label_smoothing == 0 && o.reduction == HC_LOSS_MEAN);
    o.weight = weight;
    HOLDS(tensor_cross_entropy_loss_with(x, target, o), sum / all);
    HOLDS(tensor_nll_loss_with(tensor_log_softmax(x, 1), target, o), sum / all);
    o.reduction = HC_LOSS_SUM;
    HOLDS(tensor_cross_entropy_loss_with(x, target, o), sum);
    o.reduction = HC_LOSS_BATCH_MEAN;
    HOLDS(tensor_cross_entropy_loss_with(x, target, o), sum / 3);
    o.reduction = HC_LOSS_EACH;
    HOLDS(tensor_cross_entropy_loss_with(x, target, o), w[0] * e[0], w[1] * e[1], w[2] * e[2]);
    o.label_smoothing = 0.1;
    double mixed[3];
    for (int i = 0; i < 3; i++)
        mixed[i] = 0.9 * w[i] * e[i] + 0.1 * smooth[i];
    HOLDS(tensor_cross_entropy_loss_with(x, target, o), mixed[0], mixed[1], mixed[2]);
    o.ignore_index = 0; /* the second example */
    HOLDS(tensor_cross_entropy_loss_with(x, target, o), mixed[0], 0, mixed[2]);
    o.reduction = HC_LOSS_MEAN;
    HOLDS(tensor_cross_entropy_loss_with(x, target, o), (mixed[0] + mixed[2]) / (w[0] + w[2]));
    /* the same smoothing by hand, as probabilities; there the mean is over examples */
    Tensor *hot = tensor_one_hot(target, 4);
    o = class_loss_options();
    o.label_smoothing = 0.1;
    Tensor *soft = tensor_add_scalar(tensor_mul_scalar(hot, 0.9), 0.025);
    double expected = tensor_item(tensor_cross_entropy_loss(x, soft));
    HOLDS(tensor_cross_entropy_loss_with(x, target, o), expected);
    HOLDS(tensor_cross_entropy_loss_with(x, hot, o), expected);
    o.weight = weight;
    HOLDS(tensor_cross_entropy_loss_with(x, hot, o), (mixed[0] + mixed[1] + mixed[2]) / 3);
}

/* Ignored targets may be any number, and count as if their examples were not there; of none the mean is NaN. */
static void test_ignored(void) {
    Tensor *x = tensor_leaf(table(3, 4, scores));
    Tensor *target = classes((int64_t[]){2, -100, 3}, 3), *none = tensor_full(tape, shape1(3), -100);
    ClassLossOptions o = class_loss_options();
    double e0 = surprise(scores, 2), e2 = surprise(scores + 8, 3);
    Tensor *y = tensor_cross_entropy_loss_with(x, target, o);
    HOLDS(y, (e0 + e2) / 2);
    HOLDS(tensor_slice(gradient(y, x), 0, 1, 2, 1), 0, 0, 0, 0);
    HOLDS(tensor_cross_entropy_loss_with(x, none, o), NAN);
    o.reduction = HC_LOSS_SUM;
    HOLDS(tensor_cross_entropy_loss_with(x, none, o), 0);
    WRONG(HC_ERR_RANGE, tensor_cross_entropy_loss_with(x, classes((int64_t[]){2, -1, 3}, 3), o));
    WRONG(HC_ERR_RANGE, tensor_nll_loss_with(x, classes((int64_t[]){2, 4, 3}, 3), o));
    /* a row that would be infinite does not disturb either */
    Tensor *far = tensor_leaf(table(2, 2, (double[]){0, -(double)INFINITY, 1, 1}));
    o.reduction = HC_LOSS_MEAN;
    y = tensor_nll_loss_with(far, classes((int64_t[]){-100, 1}, 2), o);
    HOLDS(y, -1);
    HOLDS(gradient(y, far), 0, 0, 0, -1);
}

/* [N, C, H, W]: each place is an example, in the order of the target. */
static void test_places(void) {
    Rng rng = rng_seed(8);
    Tensor *x = tensor_normal(tape, shape4(2, 3, 2, 2), 0, 1, &rng);
    Tensor *target = tensor_from_i64(tape, shape3(2, 2, 2), (int64_t[]){0, 2, -100, 1, 1, 1, 2, 0});
    Tensor *rows = tensor_reshape(tensor_permute(x, (int[]){0, 2, 3, 1}, 4), shape2(8, 3));
    Tensor *flat_target = tensor_reshape(target, shape1(8));
    for (int k = 0; k < 4; k++) {
        ClassLossOptions o = {k & 1 ? VECTOR(1, 2, 3) : NULL, -100, k & 2 ? 0.2 : 0, HC_LOSS_EACH};
        Tensor *y = tensor_cross_entropy_loss_with(x, target, o);
        CHECK(shape_equal(tensor_shape(y), shape3(2, 2, 2)));
        double expected[8];
        CHECK(tensor_copy_to_f64(tensor_cross_entropy_loss_with(rows, flat_target, o), expected, 8));
        holds(y, 8, expected);
        Tensor *one = tensor_slice(rows, 0, 1, 2, 1); /* a single example, without an axis for it */
        Tensor *single = tensor_cross_entropy_loss_with(tensor_reshape(one, shape1(3)), tensor_scalar(tape, 2), o);
        CHECK(tensor_ndim(single) == 0);
        HOLDS(single, expected[1]);
        Tensor *soft = tensor_softmax(x, 1), *soft_rows = tensor_softmax(rows, 1);
        y = tensor_cross_entropy_loss_with(x, soft, o);
        CHECK(shape_equal(tensor_shape(y), shape3(2, 2, 2)));
        CHECK(tensor_copy_to_f64(tensor_cross_entropy_loss_with(rows, soft_rows, o), expected, 8));
        holds(y, 8, expected);
    }
}

static void test_multi_margin(void) {
    Tensor *x = tensor_leaf(table(1, 3, (double[]){0.5, 1, -3})), *target = classes((int64_t[]){0}, 1);
    HOLDS(tensor_multi_margin_loss(x, target, 1, 1, HC_LOSS_MEAN), 0.5);
    HOLDS(tensor_multi_margin_loss(x, target, 2, 1, HC_LOSS_MEAN), 0.75);
    HOLDS(tensor_multi_margin_loss(tensor_reshape(x, shape1(3)), tensor_scalar(tape, 2), 1, 1, HC_LOSS_EACH),
          (4.5 + 5) / 3);
    HOLDS(gradient(tensor_multi_margin_loss(x, target, 1, 1, HC_LOSS_MEAN), x), -1 / 3.0, 1 / 3.0, 0);
    HOLDS(gradient(tensor_multi_margin_loss(x, target, 1, -0.5, HC_LOSS_MEAN), x), 0, 0, 0); /* at the kink */
}

/* ---- others -------------------------------------------------------------------------------------- */

static void test_kl(void) {
    Tensor *x = tensor_leaf(table(2, 2, (double[]){-1, -0.5, -(double)INFINITY, -2}));
    Tensor *t = tensor_leaf(table(2, 2, (double[]){0.25, 0.75, 0, 1}));
    double e[] = {0.25 * (log(0.25) + 1), 0.75 * (log(0.75) + 0.5), 0, 2}, sum = e[0] + e[1] + 2;
    HOLDS(tensor_kl_div_loss(x, t, false, HC_LOSS_EACH), e[0], e[1], 0, 2);
    HOLDS(tensor_kl_div_loss(x, t, false, HC_LOSS_MEAN), sum / 4);
    HOLDS(tensor_kl_div_loss(x, t, false, HC_LOSS_SUM), sum);
    HOLDS(tensor_kl_div_loss(x, t, false, HC_LOSS_BATCH_MEAN), sum / 2);
    HOLDS(tensor_kl_div_loss(x, tensor_log(t), true, HC_LOSS_EACH), e[0], e[1], 0, 2);
    HOLDS(gradient(tensor_kl_div_loss(x, t, false, HC_LOSS_SUM), x), -0.25, -0.75, 0, -1);
    HOLDS(gradient(tensor_kl_div_loss(x, t, false, HC_LOSS_SUM), t), log(0.25) + 2, log(0.75) + 1.5, 0, 3);
    Tensor *logs = tensor_leaf(table(1, 2, (double[]){-(double)INFINITY, 0}));
    Tensor *y = tensor_kl_div_loss(tensor_slice(x, 0, 1, 2, 1), logs, true, HC_LOSS_SUM);
    HOLDS(y, 2);
    HOLDS(gradient(gradient(y, logs), logs), 0, 4); /* e^t (t - x): its second derivative at 0 is 2 - x */
}

static void test_hinge(void) {
    Tensor *x = tensor_leaf(VECTOR(0.5, 0.5, 3, 1)), *target = VECTOR(1, -1, -1, -1);
    HOLDS(tensor_hinge_embedding_loss(x, target, 1, HC_LOSS_EACH), 0.5, 0.5, 0, 0);
    HOLDS(tensor_hinge_embedding_loss(x, target, 2, HC_LOSS_MEAN), 3 / 4.0);
    HOLDS(gradient(tensor_hinge_embedding_loss(x, target, 1, HC_LOSS_SUM), x), 1, -1, 0, 0);
}

static void test_triplet(void) {
    Tensor *a = tensor_leaf(table(2, 2, (double[]){0, 0, 0, 0})), *p = table(2, 2, (double[]){3, 4, 0, 1});
    Tensor *n = table(2, 2, (double[]){0, 2, 8, 6});
    TripletOptions o = triplet_options();
    CHECK(o.margin == 1 && o.p == 2 && o.eps == 1e-6 && !o.swap && o.reduction == HC_LOSS_MEAN);
    o.eps = 0;
    HOLDS(tensor_triplet_margin_loss(a, p, n, o), 2);
    o.reduction = HC_LOSS_EACH;
    HOLDS(tensor_triplet_margin_loss(a, p, n, o), 4, 0);
    HOLDS(gradient(tensor_triplet_margin_loss(a, p, n, o), a), -0.6, -0.8 + 1, 0, 0);
    o.swap = true; /* |p - n|: sqrt 13, which is farther; sqrt 89, which is nearer */
    o.margin = 10;
    HOLDS(tensor_triplet_margin_loss(a, p, n, o), 13, 11 - sqrt(89));
    o.p = 1;
    HOLDS(tensor_triplet_margin_loss(a, p, n, o), 7 - 2 + 10, 0);
    o.swap = false;
    o.margin = 3; /* anchor and positive alike, the negative 3 away: at the kink */
    flat(tensor_triplet_margin_loss(a, tensor_detach(a), table(2, 2, (double[]){3, 0, 0, 3}), o), a, 0);
}

static void test_gaussian(void) {
    Tensor *x = tensor_leaf(table(2, 2, (double[]){1, 2, 3, 4})), *t = table(2, 2, (double[]){0, 2, 1, 1});
    GaussianNllOptions o = gaussian_nll_options();
    CHECK(!o.full && o.eps == 1e-6 && o.reduction == HC_LOSS_MEAN);
    o.reduction = HC_LOSS_EACH;
    double l2 = log(2) / 2, l4 = log(4) / 2;
    Tensor *variances[] = {table(2, 2, (double[]){2, 2, 4, 4}), table(2, 1, (double[]){2, 4}), VECTOR(2, 4)};
    for (int i = 0; i < 3; i++)
        HOLDS(tensor_gaussian_nll_loss(x, t, variances[i], o), l2 + 0.25, l2, l4 + 0.5, l4 + 9 / 8.0);
    o.full = true;
    o.reduction = HC_LOSS_SUM;
    double constant_part = 4 * log(2 * 3.14159265358979323846) / 2;
    HOLDS(tensor_gaussian_nll_loss(x, t, VECTOR(2, 4), o), 2 * l2 + 2 * l4 + 0.75 + 9 / 8.0 + constant_part);
    o = gaussian_nll_options();
    o.eps = 0.5;
    Tensor *v = tensor_leaf(VECTOR(0, -1));
    Tensor *y = tensor_gaussian_nll_loss(x, t, v, o);
    HOLDS(y, log(0.5) / 2 + (1 + 4 + 9) / 4.0);
    flat(y, v, 0);
}

/* ---- what is refused ----------------------------------------------------------------------------- */

static void test_wrong(void) {
    Tensor *a = tensor_ones(tape, shape2(2, 3)), *b = tensor_ones(tape, shape2(4, 5));
    Tensor *v = tensor_ones(tape, shape1(3));
    Tensor *s = tensor_scalar(tape, 1), *two = tensor_zeros(tape, shape1(2));
    Tensor *eight = tensor_ones(tape, shape_of((size_t[]){1, 1, 1, 1, 1, 1, 1, 1}, 8));
    Tape *other = tape_create(HC_F32);
    Tensor *alien = tensor_ones(other, shape2(2, 3));
    ClassLossOptions c = class_loss_options();
    TripletOptions t = triplet_options();
    GaussianNllOptions n = gaussian_nll_options();
    WRONG(HC_ERR_SHAPE, tensor_cdist(a, b, 2));
    WRONG(HC_ERR_SHAPE, tensor_cdist(a, v, 2));
    WRONG(HC_ERR_SHAPE, tensor_cdist(eight, eight, 2));
    WRONG(HC_ERR_ARG, tensor_cdist(a, a, -1));
    WRONG(HC_ERR_ARG, tensor_cdist(a, a, (double)NAN));
    WRONG(HC_ERR_TAPE, tensor_cdist(a, alien, 2));
    CHECK(!tensor_cdist(tensor_ones(tape, shape3(2, 1, 1)), tensor_ones(tape, shape3(3, 1, 1)), 2));
    CHECK_ERROR("tensor_cdist: shapes (2, 1, 1, 1) and (3, 1, 1, 1) do not broadcast");
    tape_clear_error(tape);
    CHECK(!tensor_cdist(a, b, 2));
    CHECK_ERROR("tensor_cdist: (2, 3) and (4, 5): it takes [..., P, M] and [..., R, M]");
    tape_clear_error(tape);
    WRONG(HC_ERR_SHAPE, tensor_pairwise_distance(a, b, 2, 0));
    WRONG(HC_ERR_SHAPE, tensor_pairwise_distance(s, s, 2, 0));
    WRONG(HC_ERR_ARG, tensor_pairwise_distance(a, a, -2, 0));
    WRONG(HC_ERR_SHAPE, tensor_cosine_similarity(a, b, 1, 1e-8));
    WRONG(HC_ERR_SHAPE, tensor_cosine_similarity(a, a, 2, 1e-8));
    WRONG(HC_ERR_ARG, tensor_cosine_similarity(a, a, 1, 0));
    WRONG(HC_ERR_ARG, tensor_cosine_similarity(a, a, 1, (double)NAN));
    WRONG(HC_ERR_SHAPE, tensor_cross_entropy_loss_with(a, v, c));
    WRONG(HC_ERR_SHAPE, tensor_cross_entropy_loss_with(s, s, c));
    WRONG(HC_ERR_SHAPE, tensor_nll_loss_with(a, a, c));
    WRONG(HC_ERR_SHAPE, tensor_nll_loss_with(tensor_ones(tape, shape3(2, 3, 4)), two, c));
    c.weight = two;
    CHECK(!tensor_nll_loss_with(a, two, c));
    CHECK_ERROR("tensor_nll_loss_with: scores (2, 3) with target (2), weight (2)");
    tape_clear_error(tape);
    c.weight = tensor_ones(other, shape1(3));
    WRONG(HC_ERR_TAPE, tensor_cross_entropy_loss_with(a, two, c));
    c = class_loss_options();
    c.label_smoothing = 0.5;
    WRONG(HC_ERR_ARG, tensor_nll_loss_with(a, two, c));
    c.label_smoothing = 1.5;
    WRONG(HC_ERR_ARG, tensor_cross_entropy_loss_with(a, two, c));
    c = class_loss_options();
    c.reduction = (LossReduction)4;
    WRONG(HC_ERR_ARG, tensor_cross_entropy_loss_with(a, two, c));
    WRONG(HC_ERR_SHAPE, tensor_multi_margin_loss(a, v, 1, 1, HC_LOSS_MEAN));
    WRONG(HC_ERR_ARG, tensor_multi_margin_loss(a, two, 3, 1, HC_LOSS_MEAN));
    WRONG(HC_ERR_RANGE, tensor_multi_margin_loss(a, tensor_full(tape, shape1(2), 3), 1, 1, HC_LOSS_MEAN));
    WRONG(HC_ERR_SHAPE, tensor_kl_div_loss(a, v, false, HC_LOSS_MEAN));
    WRONG(HC_ERR_ARG, tensor_kl_div_loss(a, a, false, (LossReduction)7));
    WRONG(HC_ERR_SHAPE, tensor_hinge_embedding_loss(a, v, 1, HC_LOSS_MEAN));
    WRONG(HC_ERR_SHAPE, tensor_triplet_margin_loss(a, a, v, t));
    WRONG(HC_ERR_SHAPE, tensor_triplet_margin_loss(s, s, s, t));
    t.p = -1;
    WRONG(HC_ERR_ARG, tensor_triplet_margin_loss(a, a, a, t));
    WRONG(HC_ERR_SHAPE, tensor_gaussian_nll_loss(a, v, a, n));
    WRONG(HC_ERR_SHAPE, tensor_gaussian_nll_loss(a, a, v, n));
    WRONG(HC_ERR_SHAPE, tensor_gaussian_nll_loss(s, s, v, n));
    n.eps = 0;
    WRONG(HC_ERR_ARG, tensor_gaussian_nll_loss(a, a, a, n));
    tape_destroy(other);
}

static void test_null(void) {
    Tensor *a = tensor_ones(tape, shape2(2, 3));
    REFUSED_NULL(tensor_cdist(NULL, NULL, 2));
    REFUSED_NULL(tensor_pairwise_distance(NULL, NULL, 2, 0));
    REFUSED_NULL(tensor_cosine_similarity(NULL, NULL, 0, 1));
    REFUSED_NULL(tensor_cross_entropy_loss_with(NULL, NULL, class_loss_options()));
    REFUSED_NULL(tensor_nll_loss_with(NULL, NULL, class_loss_options()));
    REFUSED_NULL(tensor_multi_margin_loss(NULL, NULL, 1, 1, HC_LOSS_MEAN));
    REFUSED_NULL(tensor_kl_div_loss(NULL, NULL, false, HC_LOSS_MEAN));
    REFUSED_NULL(tensor_hinge_embedding_loss(NULL, NULL, 1, HC_LOSS_MEAN));
    REFUSED_NULL(tensor_triplet_margin_loss(NULL, NULL, NULL, triplet_options()));
    REFUSED_NULL(tensor_gaussian_nll_loss(NULL, NULL, NULL, gaussian_nll_options()));
    ANY(tensor_cdist(a, NULL, 2));
    ANY(tensor_cosine_similarity(a, NULL, 0, 1));
    ANY(tensor_triplet_margin_loss(a, a, NULL, triplet_options()));
    ANY(tensor_gaussian_nll_loss(a, a, NULL, gaussian_nll_options()));
}

int main(void) {
    void (*const tests[])(void) = {test_distances, test_equal_points, test_cosine, test_plain_bits, test_class_options,
                                   test_ignored,   test_places,       test_kl,     test_hinge,      test_triplet,
                                   test_gaussian,  test_multi_margin, test_wrong,  test_null};
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    return check_done();
}
