/* The transcendental functions at every level: their errors in units of the last place, their special
 * values, and equal bits at every level and at every place in a run.
 *
 *     kernels_math [STRIDE [FUNCTION]]
 *
 * In f32 every STRIDE-th number is tried, with 1 every one there is (a quarter of an hour; the largest error of
 * all is then 0.519, of erf); the reference is libm in double precision. In f64 the reference is libm in long double,
 * or where that is no wider, its double functions with their own last place of doubt. Angles are made small for it. */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "higherc/base.h"
#include "kernels/quarters.h"
#include "kernels/kernels.h"
#include "support/check.h"

/* The sine of x and so many quarters of a turn. */
static long double sine(long double x, int quarters) {
#if LDBL_MANT_DIG > DBL_MANT_DIG
    if (!isfinite(x)) return (long double)NAN;
    int quarter;
    const long double rest = angle_rest((double)x, &quarter);
    quarters += quarter;
    const long double y = quarters & 1 ? cosl(rest) : sinl(rest);
    return quarters & 2 ? -y : y;
#else
    return quarters ? cosl(x) : sinl(x);
#endif
}

static long double ref_sin(long double x) {
    return sine(x, 0);
}

static long double ref_cos(long double x) {
    return sine(x, 1);
}

static double ref_sin_double(double x) {
    return (double)ref_sin((long double)x);
}

static double ref_cos_double(double x) {
    return (double)ref_cos((long double)x);
}

static long double ref_tan(long double x) {
    return sine(x, 0) / sine(x, 1);
}

static double ref_tan_double(double x) {
    return (double)ref_tan((long double)x);
}

/* MinGW's own lose their digits near 1. */
static long double ref_asin(long double x) {
#if LDBL_MANT_DIG > DBL_MANT_DIG
    return atan2l(x, sqrtl((1 - x) * (1 + x)));
#else
    return asinl(x);
#endif
}

static long double ref_acos(long double x) {
#if LDBL_MANT_DIG > DBL_MANT_DIG
    return atan2l(sqrtl((1 - x) * (1 + x)), x);
#else
    return acosl(x);
#endif
}

static long double ref_sinc(long double x) {
    const long double pi = 3.14159265358979323846264338327950288L, n = rintl(x);
    if (x == 0 || isinf(x)) return x == 0;
    const long double y = sinl(pi * (x - n)) / (pi * x);
    return n / 2 == rintl(n / 2) ? y : -y;
}

static double ref_sinc_double(double x) {
    return (double)ref_sinc((long double)x);
}

static long double ref_softsign(long double x) {
    return isinf(x) ? copysignl(1, x) : x / (1 + fabsl(x));
}

static double ref_softsign_double(double x) {
    return (double)ref_softsign((long double)x);
}

static long double ref_sigmoid(long double x) {
    return x >= 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

static long double ref_softplus(long double x) {
    return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

static double ref_sigmoid_double(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double ref_softplus_double(double x) {
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

typedef struct Function {
    const char *name;
    size_t kernel;
    double (*reference)(double);
    long double (*wide)(long double);
    double most_f32, most_f64; /* units of the last place */
} Function;

#define AT(name) offsetof(HcKernels, name)
static const Function functions[] = {
    {"exp", AT(exp), exp, expl, 1, 2},
    {"expm1", AT(expm1), expm1, expm1l, 1, 3},
    {"log", AT(log), log, logl, 1, 2},
    {"log1p", AT(log1p), log1p, log1pl, 1, 3},
    {"sin", AT(sin), ref_sin_double, ref_sin, 1, 2},
    {"cos", AT(cos), ref_cos_double, ref_cos, 1, 2},
    {"tan", AT(tan), ref_tan_double, ref_tan, 1, 4},
    {"asin", AT(asin), asin, ref_asin, 1, 3},
    {"acos", AT(acos), acos, ref_acos, 1, 2},
    {"atan", AT(atan), atan, atanl, 1, 3},
    {"sinc", AT(sinc), ref_sinc_double, ref_sinc, 1, 4},
    {"sinh", AT(sinh), sinh, sinhl, 1, 4},
    {"cosh", AT(cosh), cosh, coshl, 1, 3},
    {"tanh", AT(tanh), tanh, tanhl, 1, 4},
    {"erf", AT(erf), erf, erfl, 1, 3},
    {"sigmoid", AT(sigmoid), ref_sigmoid_double, ref_sigmoid, 1, 3},
    {"softplus", AT(softplus), ref_softplus_double, ref_softplus, 1, 3},
    {"softsign", AT(softsign), ref_softsign_double, ref_softsign, 1, 2},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions, RUN = 4096 };

static HcUnaryFn *kernel(size_t level, int dtype, const Function *f) {
    HcUnaryFn *fn;
    memcpy(&fn, (const char *)hc_kernels_at(level, dtype) + f->kernel, sizeof fn);
    return fn;
}

/* The distance in units of the last place of the exact value, which in the range of subnormals is the
 * least number there is. */
static double error_f32(float y, double exact) {
    if (isnan(exact)) return isnan(y) ? 0 : INFINITY;
    if (isinf(y) || isinf((float)exact)) return y == (float)exact ? 0 : INFINITY;
    int exponent;
    frexp(exact, &exponent);
    return fabs((double)y - exact) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static double error_f64(double y, long double exact) {
    if (isnan(exact)) return isnan(y) ? 0 : INFINITY;
    if (isinf(y) || isinf((double)exact)) return y == (double)exact ? 0 : INFINITY;
    int exponent;
    frexpl(exact, &exponent);
    return (double)(fabsl((long double)y - exact) /
                    ldexpl(1, (exponent < -1021 ? -1021 : exponent) - 53));
}

static bool same_f32(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

static bool same_f64(const double *a, const double *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

static void test_f32(const Function *f, uint64_t stride) {
    static float x[RUN + 1], y[RUN + 1], other[RUN + 1];
    const size_t levels = hc_kernel_levels();
    double worst = 0;
    float worst_x = 0;
    bool same = true;
    for (uint64_t at = 0; at < (uint64_t)1 << 32;) {
        size_t n = 0;
        for (; n < RUN && at < (uint64_t)1 << 32; n++, at += stride) {
            const uint32_t bits = (uint32_t)at;
            memcpy(&x[n], &bits, sizeof bits);
        }
        kernel(levels - 1, 0, f)(y, x, n, NULL);
        for (size_t i = 0; i < n; i++) {
            const double error = error_f32(y[i], f->reference((double)x[i]));
            if (error > worst) worst = error, worst_x = x[i];
        }
        for (size_t level = 0; level + 1 < levels; level++) {
            kernel(level, 0, f)(other, x, n, NULL);
            same = same && same_f32(y, other, n);
        }
        kernel(levels - 1, 0, f)(other, x + 1, n - 1, NULL);
        same = same && same_f32(y + 1, other, n - 1);
    }
    printf("f32 %-9s %.4f at %a\n", f->name, worst, (double)worst_x);
    CHECK(worst <= f->most_f32);
    CHECK(same);
}

static uint64_t state = 1;

static uint64_t random_bits(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state ^ (state >> 29);
}

/* A third each: any bit pattern, moderate numbers, those near the ends of the functions' ranges. */
static double sample(size_t i) {
    static const double ends[] = {
        0, 1,     -1,     709.7, -708.4, -745.1,    36.7, -36.7, 22, 1.5707963267948966,
        6, 710.4, -710.4, 0.5,   -0.5,   0.41421356};
    const uint64_t bits = random_bits();
    const double unit = (double)(bits >> 11) * 0x1p-53;
    double x;
    switch (i % 3) {
    case 0:
        memcpy(&x, &bits, sizeof x);
        return x;
    case 1:
        return (unit - 0.5) * (double)(4 << (i % 7) * 2);
    default:
        return ends[bits % (sizeof ends / sizeof *ends)] + (unit - 0.5) * pow(2, -(double)(i % 41));
    }
}

static void test_f64(const Function *f, size_t count) {
    static double x[RUN + 1], y[RUN + 1], other[RUN + 1];
    const size_t levels = hc_kernel_levels();
    double worst = 0, worst_x = 0;
    bool same = true;
    for (size_t done = 0; done < count; done += RUN) {
        for (size_t i = 0; i < RUN; i++)
            x[i] = sample(i);
        kernel(levels - 1, 1, f)(y, x, RUN, NULL);
        for (size_t i = 0; i < RUN; i++) {
            const double error = error_f64(y[i], f->wide((long double)x[i]));
            if (error > worst) worst = error, worst_x = x[i];
        }
        for (size_t level = 0; level + 1 < levels; level++) {
            kernel(level, 1, f)(other, x, RUN, NULL);
            same = same && same_f64(y, other, RUN);
        }
        kernel(levels - 1, 1, f)(other, x + 1, RUN - 1, NULL);
        same = same && same_f64(y + 1, other, RUN - 1);
    }
    printf("f64 %-9s %.4f at %a\n", f->name, worst, worst_x);
    CHECK(worst <= f->most_f64);
    CHECK(same);
}

/* ---- special values ------------------------------------------------------------------------------ */

static void check_value(const char *name, double x, double expected) {
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (strcmp(functions[i].name, name) != 0) continue;
        for (size_t level = 0; level < hc_kernel_levels(); level++) {
            float x32 = (float)x, y32, e32 = (float)expected;
            double y64;
            kernel(level, 0, &functions[i])(&y32, &x32, 1, NULL);
            kernel(level, 1, &functions[i])(&y64, &x, 1, NULL);
            CHECK(same_f32(&y32, &e32, 1));
            CHECK(same_f64(&y64, &expected, 1));
        }
    }
}

static void test_special(void) {
    static const char *const odd[] = {"expm1", "log1p", "sin",  "tanh", "erf",
                                      "tan",   "asin",  "atan", "sinh", "softsign"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        check_value(odd[i], 0.0, 0.0);
        check_value(odd[i], -0.0, -0.0);
    }
    for (size_t i = 0; i < FUNCTIONS; i++)
        check_value(functions[i].name, NAN, NAN);
    const double inf = INFINITY;
    check_value("exp", 0, 1), check_value("exp", -0.0, 1);
    check_value("exp", inf, inf), check_value("exp", -inf, 0);
    check_value("exp", 1000, inf), check_value("exp", -1000, 0);
    check_value("expm1", inf, inf), check_value("expm1", -inf, -1);
    check_value("log", 1, 0), check_value("log", 0, -inf), check_value("log", -0.0, -inf);
    check_value("log", inf, inf), check_value("log", -1, NAN), check_value("log", -inf, NAN);
    check_value("log1p", -1, -inf), check_value("log1p", -2, NAN);
    check_value("log1p", inf, inf), check_value("log1p", -inf, NAN);
    check_value("sin", inf, NAN), check_value("sin", -inf, NAN);
    check_value("cos", inf, NAN), check_value("cos", -inf, NAN), check_value("cos", 0, 1);
    check_value("tanh", inf, 1), check_value("tanh", -inf, -1);
    check_value("erf", inf, 1), check_value("erf", -inf, -1);
    check_value("tan", inf, NAN), check_value("tan", -inf, NAN);
    check_value("asin", 1, asin(1)), check_value("asin", -1, -asin(1));
    check_value("asin", 1.0001, NAN), check_value("asin", -inf, NAN);
    check_value("acos", 1, 0), check_value("acos", 0, asin(1)),
        check_value("acos", -1, 2 * asin(1));
    check_value("acos", -1.0001, NAN), check_value("acos", inf, NAN);
    check_value("atan", inf, asin(1)), check_value("atan", -inf, -asin(1));
    check_value("sinc", 0, 1), check_value("sinc", -0.0, 1), check_value("sinc", inf, 0);
    check_value("sinc", -inf, 0), check_value("sinc", 2, 0), check_value("sinc", 1e30, 0);
    check_value("sinh", inf, inf), check_value("sinh", -inf, -inf);
    check_value("cosh", inf, inf), check_value("cosh", -inf, inf), check_value("cosh", 0, 1);
    check_value("softsign", inf, 1), check_value("softsign", -inf, -1);
    check_value("sigmoid", inf, 1), check_value("sigmoid", -inf, 0), check_value("sigmoid", 0, 0.5);
    check_value("softplus", inf, inf), check_value("softplus", -inf, 0);
}

/* ---- of two numbers ----------------------------------------------------------------------------------- */

static long double ref_logaddexp(long double a, long double b) {
    const long double apart = a == b ? 0 : fabsl(a - b);
    return (a > b ? a : b) + log1pl(expl(-apart));
}

static long double ref_remainder(long double a, long double b) {
    const long double rest = fmodl(a, b);
    if (rest == 0) return copysignl(0, b);
    return (rest < 0) == (b < 0) ? rest : rest + b;
}

static double ref_logaddexp_double(double a, double b) {
    return (double)ref_logaddexp((long double)a, (long double)b);
}

static double ref_remainder_double(double a, double b) {
    return (double)ref_remainder((long double)a, (long double)b);
}

typedef struct Pair {
    const char *name;
    size_t kernel;
    double (*reference)(double, double);
    long double (*wide)(long double, long double);
    double most_f32, most_f64; /* 0: libm's own */
    bool of_largest;           /* units are those of the largest operand, where it is larger */
} Pair;

static const Pair pairs[] = {
    {"pow", AT(pow), pow, powl, 1, 0, false},
    {"hypot", AT(hypot), hypot, hypotl, 1, 2, false},
    {"atan2", AT(atan2), atan2, atan2l, 1, 3, false},
    {"logaddexp", AT(logaddexp), ref_logaddexp_double, ref_logaddexp, 1, 4, true},
    {"remainder", AT(remainder), ref_remainder_double, ref_remainder, 1, 1, false},
};

static HcBinaryFn *pair_kernel(size_t level, int dtype, const Pair *pair) {
    HcBinaryFn *fn;
    memcpy(&fn, (const char *)hc_kernels_at(level, dtype) + pair->kernel, sizeof fn);
    return fn;
}

static const double some[] = {0.0,        -0.0,    1.0,     -1.0,  2.0,      -2.0,      3.0,
                              -3.0,       0.5,     -0.5,    1.5,   -2.5,     0x1p-140,  -0x1p-140,
                              1e38,       -1e38,   1e30,    127.0, -149.0,   -150.0,    16777215.0,
                              16777217.0, 0.99999, 1.00001, NAN,   INFINITY, -INFINITY, 33.3,
                              -0.3333,    7e9,     0.01,    10.0};
enum { SOME = sizeof some / sizeof *some, MORE = 1 << 16, PAIRS = SOME * SOME + MORE };

/* Each of some with each, then any bits, those of every other in reach of the first's powers. */
static void draw_f32(float *a, float *b) {
    for (size_t i = 0; i < SOME * SOME; i++)
        a[i] = (float)some[i / SOME], b[i] = (float)some[i % SOME];
    for (size_t i = SOME * SOME; i < PAIRS; i++) {
        const uint32_t bits = (uint32_t)(random_bits() >> 32);
        memcpy(&a[i], &bits, sizeof bits);
        if (i % 2 && isfinite(a[i]) && a[i] > 0)
            b[i] = (float)((double)(int64_t)random_bits() * 0x1p-63 * 100 / log((double)a[i]));
        else
            b[i] = (float)((double)(int64_t)random_bits() * 0x1p-59);
    }
}

/* And here those of about the same size, ever more alike. */
static void draw_f64(double *a, double *b) {
    for (size_t i = 0; i < SOME * SOME; i++)
        a[i] = some[i / SOME], b[i] = some[i % SOME];
    for (size_t i = SOME * SOME; i < PAIRS; i++) {
        a[i] = sample(i);
        b[i] = i % 2 ? sample(i / 2) : a[i] * (1 + ldexp(sample(1), -(int)(i % 50)));
    }
}

/* A unit of the result counts as one of the largest operand where that is the larger. */
static double relieved(const Pair *pair, double error, double exact, double a, double b) {
    const double most = fmax(fabs(a), fabs(b)), size = fabs(exact);
    return pair->of_largest && most > size && most <= DBL_MAX ? error * (size / most) * 2 : error;
}

static bool same_sign(double y, double exact) {
    return isnan(exact) || !signbit(y) == !signbit(exact);
}

static void pair_f32(const Pair *pair) {
    static float a[PAIRS], b[PAIRS], y[PAIRS], other[PAIRS];
    const size_t levels = hc_kernel_levels();
    double worst = 0;
    draw_f32(a, b);
    pair_kernel(levels - 1, 0, pair)(y, a, 1, b, 1, PAIRS, NULL);
    for (size_t i = 0; i < PAIRS; i++) {
        const double exact = pair->reference((double)a[i], (double)b[i]);
        const double error =
            relieved(pair, error_f32(y[i], exact), exact, (double)a[i], (double)b[i]);
        if (error > worst) worst = error;
        CHECK(same_sign((double)y[i], exact) || (pair->of_largest && y[i] == 0));
    }
    printf("f32 %-9s %.4f\n", pair->name, worst);
    CHECK(worst <= pair->most_f32);
    for (size_t level = 0; level + 1 < levels; level++) {
        pair_kernel(level, 0, pair)(other, a, 1, b, 1, PAIRS, NULL);
        CHECK(same_f32(y, other, PAIRS));
    }
}

static void pair_f64(const Pair *pair) {
    static double a[PAIRS], b[PAIRS], y[PAIRS], other[PAIRS];
    const size_t levels = hc_kernel_levels();
    double worst = 0;
    draw_f64(a, b);
    pair_kernel(levels - 1, 1, pair)(y, a, 1, b, 1, PAIRS, NULL);
    for (size_t i = 0; i < PAIRS; i++) {
        const long double exact = pair->wide((long double)a[i], (long double)b[i]);
        const double error = relieved(pair, error_f64(y[i], exact), (double)exact, a[i], b[i]);
        if (error > worst) worst = error;
        CHECK(same_sign(y[i], (double)exact) || (pair->of_largest && fabs((double)exact) < 1e-15));
    }
    printf("f64 %-9s %.4f\n", pair->name, worst);
    CHECK(worst <= pair->most_f64);
    for (size_t level = 0; level + 1 < levels; level++) {
        pair_kernel(level, 1, pair)(other, a, 1, b, 1, PAIRS, NULL);
        CHECK(same_f64(y, other, PAIRS));
    }
}

int main(int argc, char **argv) {
    const uint64_t stride = argc > 1 ? strtoull(argv[1], NULL, 10) : QUICK ? 200017 : 20011;
    const char *only = argc > 2 ? argv[2] : NULL;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (only && strcmp(only, functions[i].name) != 0) continue;
        test_f32(&functions[i], stride ? stride : 1);
        test_f64(&functions[i], argc > 1 ? 10000000 : QUICK ? 10000 : 100000);
    }
    test_special();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        pair_f32(&pairs[i]);
        if (pairs[i].most_f64 > 0) pair_f64(&pairs[i]);
    }
    return check_done();
}
