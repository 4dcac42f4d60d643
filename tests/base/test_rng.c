/* Random numbers: the words of Philox's authors, recorded numbers that every platform must repeat, moments and
 * tails of the distributions, and streams that do not look like each other. */
#include <string.h>

#include "support/refuse.h"

static void recorded(void) {
    Rng rng = rng_seed(0);
    /* Random123's known answers for philox4x32-10, counter and key 0: 6627e8d5 e169c58d ... */
    CHECK(rng_u64(&rng) == 0xe169c58d6627e8d5);
    CHECK(rng.counter == 1);
    rng = rng_seed(42);
    Rng copy = rng;
    const uint64_t words[] = {0x77f5493b9ceaf053, 0x53ba6cfdfcdb2127, 0xa8875dcbd36c0225};
    for (int i = 0; i < 3; i++)
        CHECK(rng_u64(&rng) == words[i]);
    for (int i = 0; i < 3; i++) /* the top 53 bits */
        CHECK(rng_uniform(&copy) == (double)(words[i] >> 11) * 0x1p-53);
    const double normals[] = {-0x1.371e09f80c7dep-1, -0x1.b510d5acb221cp-1, 0x1.bb237dc38ea38p-3,
                              -0x1.14b0530f597e8p+0};
    rng = rng_seed(42);
    for (int i = 0; i < 4; i++)
        CHECK(rng_normal(&rng) == normals[i]);
    rng = rng_seed(42); /* the fourth is beyond the bound and drawn again */
    for (int i = 0; i < 3; i++)
        CHECK(rng_truncated_normal(&rng, 1) == normals[i]);
    CHECK(rng_truncated_normal(&rng, 1) == 0x1.5ec0b0364223fp-3);
    rng = rng_seed(42);
    const uint64_t below[] = {9, 3, 7, 1, 2, 1, 2, 1};
    for (int i = 0; i < 8; i++)
        CHECK(rng_below(&rng, 10) == below[i]);
    rng = rng_seed(42);
    size_t items[] = {0, 1, 2, 3, 4, 5, 6, 7}, shuffled[] = {4, 5, 2, 0, 1, 6, 7, 3};
    rng_shuffle(items, 8, &rng);
    CHECK(memcmp(items, shuffled, sizeof items) == 0);
}

enum { DRAWS = 200000 };

/* Mean, deviation, and how many of a thousand lie in each tenth of the distribution. */
static void distributions(void) {
    Rng rng = rng_seed(7);
    double sum[2] = {0}, squares[2] = {0}, fourth = 0;
    size_t tenths[10] = {0}, beyond[3] = {0};
    for (int i = 0; i < DRAWS; i++) {
        double u = rng_uniform(&rng), z = rng_normal(&rng);
        CHECK(u >= 0 && u < 1 && isfinite(z));
        tenths[(int)(u * 10)]++;
        sum[0] += u;
        squares[0] += u * u;
        sum[1] += z;
        squares[1] += z * z;
        fourth += z * z * z * z;
        for (int k = 0; k < 3; k++)
            beyond[k] += fabs(z) > k + 1;
    }
    /* five deviations of each estimate */
    CHECK_NEAR(sum[0] / DRAWS, 0.5, 0, 5 * sqrt(1.0 / 12 / DRAWS));
    CHECK_NEAR(squares[0] / DRAWS, 1.0 / 3, 0, 5 * sqrt(4.0 / 45 / DRAWS));
    CHECK_NEAR(sum[1] / DRAWS, 0, 0, 5 * sqrt(1.0 / DRAWS));
    CHECK_NEAR(squares[1] / DRAWS, 1, 0, 5 * sqrt(2.0 / DRAWS));
    CHECK_NEAR(fourth / DRAWS, 3, 0, 5 * sqrt(96.0 / DRAWS));
    const double tails[] = {0.31731051, 0.04550026, 0.00269980};
    for (int k = 0; k < 3; k++)
        CHECK_NEAR((double)beyond[k] / DRAWS, tails[k], 0, 5 * sqrt(tails[k] / DRAWS));
    for (int k = 0; k < 10; k++)
        CHECK_NEAR((double)tenths[k] / DRAWS, 0.1, 0, 5 * sqrt(0.09 / DRAWS));
}

static void bounds(void) {
    Rng rng = rng_seed(3);
    const double limits[] = {2, 1, 0.1, 1e-3, 1e-9};
    for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
        double most = 0, sum = 0;
        for (int i = 0; i < 2000; i++) {
            double z = rng_truncated_normal(&rng, limits[k]);
            sum += z;
            most = fmax(most, fabs(z));
        }
        CHECK(most <= limits[k] && most > 0.95 * limits[k]);
        CHECK(fabs(sum / 2000) < 0.12 * fmin(limits[k], 1));
    }
    REFUSED(rng_truncated_normal(&rng, 0) != 0); /* 0, and an error */
    REFUSED(rng_truncated_normal(&rng, NAN) != 0);
    size_t counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t n = rng_below(&rng, 7);
        CHECK(n < 7);
        counts[n < 7 ? n : 0]++;
    }
    for (int k = 0; k < 7; k++)
        CHECK_NEAR((double)counts[k], 10000, 0, 500);
    CHECK(rng_below(&rng, 1) == 0 && rng_below(&rng, 0) == 0);
    for (int i = 0; i < 100; i++) {
        uint64_t large = rng_below(&rng, ((uint64_t)1 << 63) + 1);
        CHECK(large <= (uint64_t)1 << 63);
    }
    size_t items[100], seen[100] = {0};
    for (size_t i = 0; i < 100; i++)
        items[i] = i;
    rng_shuffle(items, 100, &rng);
    for (size_t i = 0; i < 100; i++)
        seen[items[i] < 100 ? items[i] : 0]++;
    for (size_t i = 0; i < 100; i++)
        CHECK(seen[i] == 1); /* a permutation */
    rng_shuffle(NULL, 0, &rng);
    CHECK(higherc_error() == NULL);
}

/* The correlation of two streams' uniform numbers. */
static double correlation(Rng a, Rng b) {
    double sum = 0;
    for (int i = 0; i < 20000; i++)
        sum += (rng_uniform(&a) - 0.5) * (rng_uniform(&b) - 0.5) * 12;
    return sum / 20000;
}

static void splits(void) {
    Rng parent = rng_seed(5), same = rng_seed(5), children[8];
    for (int i = 0; i < 8; i++) {
        children[i] = rng_split(&parent);
        Rng twin = rng_split(&same);
        CHECK(twin.key == children[i].key && twin.counter == children[i].counter);
    }
    CHECK(parent.counter == 8);
    for (int i = 0; i < 8; i++) {
        CHECK(fabs(correlation(parent, children[i])) < 5 / sqrt(20000));
        for (int j = 0; j < i; j++)
            CHECK(children[i].key != children[j].key &&
                  fabs(correlation(children[i], children[j])) < 5 / sqrt(20000));
    }
    CHECK(fabs(correlation(rng_seed(1), rng_seed(2))) < 5 / sqrt(20000));
    Rng late = rng_seed(1);
    rng_u64(&late); /* one step apart */
    CHECK(fabs(correlation(rng_seed(1), late)) < 5 / sqrt(20000));
}

/* What draws through a stream: tensors and Params, the same numbers in both types. */
static void consumers(void) {
    Tape *narrow = tape_create(HC_F32), *wide = tape_create(HC_F64);
    Rng a = rng_seed(9), b = rng_seed(9), c = rng_seed(9);
    Tensor *x = tensor_normal(narrow, shape1(5), 1, 2, &a),
           *y = tensor_normal(wide, shape1(5), 1, 2, &b);
    for (size_t i = 0; i < 5; i++) {
        double z = 1 + 2 * rng_normal(&c);
        CHECK(((const double *)tensor_data(y))[i] == z);
        CHECK(((const float *)tensor_data(x))[i] == (float)z);
    }
    CHECK(a.counter == 5 && b.counter == 5);
    CHECK(!tensor_uniform(wide, shape2(SIZE_MAX, 2), 0, 1, &b) && b.counter == 5);
    CHECK_ERROR("tensor_uniform");
    tape_destroy(narrow);
    tape_destroy(wide);
}

int main(void) {
    recorded();
    distributions();
    bounds();
    splits();
    consumers();
    return check_done();
}
