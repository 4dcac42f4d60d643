/* Random numbers: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011, and normals from it by Box and Muller 1958. Logarithm, sine and cosine are our own
 * series in plain double arithmetic (sqrt is exact by IEEE 754), so that a stream has the same bits on
 * every platform. */
#include <math.h>

#include "base/philox.h"
#include "base/status.h"

/* Two words from a key and a counter. */
static void philox(uint64_t key, uint64_t counter, uint64_t out[2]) {
    uint32_t x[4];
    hc_philox(key, counter, x);
    out[0] = (uint64_t)x[1] << 32 | x[0];
    out[1] = (uint64_t)x[3] << 32 | x[2];
}

Rng rng_seed(uint64_t seed) {
    return (Rng){.key = seed, .counter = 0};
}

static bool usable(Rng *rng, const char *who) {
    return rng || hc_null(who, "the stream");
}

Rng rng_split(Rng *rng) {
    if (!usable(rng, "rng_split")) return rng_seed(0);
    uint64_t words[2];
    philox(rng->key, rng->counter++, words);
    return rng_seed(words[0] ^ words[1]);
}

uint64_t rng_u64(Rng *rng) {
    if (!usable(rng, "rng_u64")) return 0;
    uint64_t words[2];
    philox(rng->key, rng->counter++, words);
    return words[0];
}

static double unit(uint64_t word) {
    return (double)(word >> 11) * 0x1p-53;
}

double rng_uniform(Rng *rng) {
    return usable(rng, "rng_uniform") ? unit(rng_u64(rng)) : 0;
}

/* log x for x in (0, 1], by log m = 2 atanh((m - 1) / (m + 1)) with m in [sqrt 1/2, sqrt 2). */
static double log_series(double x) {
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int k = 23; k >= 1; k -= 2)
        sum = sum * s2 + 1.0 / k;
    return exponent * 0.69314718055994531 + 2 * s * sum;
}

/* cos(2 pi u) for u in [0, 1): Taylor's series on an eighth of the circle. */
static double cos_turns(double u) {
    static const double pi2 = 6.283185307179586;
    double quarter = floor(u * 4 + 0.5);
    double x = (u - quarter * 0.25) * pi2, x2 = x * x, c = 1, s = 1;
    for (int k = 20; k >= 2; k -= 2)
        c = 1 - c * x2 / (k * (k - 1));
    for (int k = 21; k >= 3; k -= 2)
        s = 1 - s * x2 / (k * (k - 1));
    s *= x;
    switch ((int)quarter & 3) {
    case 0:
        return c;
    case 1:
        return -s;
    case 2:
        return -c;
    default:
        return s;
    }
}

double rng_normal(Rng *rng) {
    if (!usable(rng, "rng_normal")) return 0;
    uint64_t words[2];
    philox(rng->key, rng->counter++, words);
    return sqrt(-2 * log_series(1 - unit(words[0]))) * cos_turns(unit(words[1]));
}

double rng_truncated_normal(Rng *rng, double bound) {
    if (!usable(rng, "rng_truncated_normal")) return 0;
    if (!(bound > 0)) {
        hc_fail_thread(HC_ERR_ARG, "rng_truncated_normal: bound %g is not positive", bound);
        return 0;
    }
    /* A tiny bound would be redrawn for ever: below it the density is flat to f64 accuracy. */
    if (bound < 1e-3) return bound * (2 * rng_uniform(rng) - 1);
    double z;
    do
        z = rng_normal(rng);
    while (fabs(z) > bound);
    return z;
}

uint64_t rng_below(Rng *rng, uint64_t n) {
    if (!usable(rng, "rng_below") || n == 0) return 0;
    uint64_t rest =
        UINT64_MAX - (UINT64_MAX % n + 1) % n; /* the last word of a whole number of n's */
    uint64_t word;
    do
        word = rng_u64(rng);
    while (word > rest);
    return word % n;
}

void rng_shuffle(size_t *items, size_t count, Rng *rng) {
    if (!usable(rng, "rng_shuffle")) return;
    if (!items && count > 0) {
        hc_null("rng_shuffle", "items");
        return;
    }
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)rng_below(rng, i);
        size_t t = items[i - 1];
        items[i - 1] = items[j];
        items[j] = t;
    }
}
