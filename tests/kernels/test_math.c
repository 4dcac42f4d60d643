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
    {"tanh", AT(tanh), tanh, tanhl, 1, 4},
    {"erf", AT(erf), erf, erfl, 1, 3},
    {"sigmoid", AT(sigmoid), ref_sigmoid_double, ref_sigmoid, 1, 3},
    {"softplus", AT(softplus), ref_softplus_double, ref_softplus, 1, 3},
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
        0, 1, -1, 709.7, -708.4, -745.1, 36.7, -36.7, 22, 1.5707963267948966, 6};
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
    static const char *const odd[] = {"expm1", "log1p", "sin", "tanh", "erf"};
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
    check_value("sigmoid", inf, 1), check_value("sigmoid", -inf, 0), check_value("sigmoid", 0, 0.5);
    check_value("softplus", inf, inf), check_value("softplus", -inf, 0);
}

/* ---- pow ---------------------------------------------------------------------------------------------- */

static void test_pow(void) {
    static const float some[] = {
        0.0f,  -0.0f,    1.0f,      -1.0f,   2.0f,        -2.0f,       3.0f,     -3.0f,
        0.5f,  -0.5f,    1.5f,      -2.5f,   1e-40f,      -1e-40f,     1e38f,    -1e38f,
        1e30f, 127.0f,   -149.0f,   -150.0f, 16777215.0f, 16777217.0f, 0.99999f, 1.00001f,
        NAN,   INFINITY, -INFINITY, 33.3f,   -0.3333f,    7e9f,        0.01f,    10.0f};
    enum { SOME = sizeof some / sizeof *some, MORE = 1 << 16 };
    static float a[SOME * SOME + MORE], b[SOME * SOME + MORE], y[SOME * SOME + MORE],
        other[SOME * SOME + MORE];
    const size_t n = SOME * SOME + MORE, levels = hc_kernel_levels();
    for (size_t i = 0; i < SOME; i++)
        for (size_t j = 0; j < SOME; j++)
            a[i * SOME + j] = some[i], b[i * SOME + j] = some[j];
    for (size_t i = SOME * SOME; i < n; i++) {
        const uint32_t bits = (uint32_t)(random_bits() >> 32);
        memcpy(&a[i], &bits, sizeof bits);
        if (i % 2 && !signbit(a[i]) && isfinite(a[i]) && a[i] > 0)
            b[i] = (float)((double)(int64_t)random_bits() * 0x1p-63 * 100 / log((double)a[i]));
        else
            b[i] = (float)((double)(int64_t)random_bits() * 0x1p-59);
    }
    hc_kernels_at(levels - 1, 0)->pow(y, a, 1, b, 1, n, NULL);
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double exact = pow((double)a[i], (double)b[i]), error = error_f32(y[i], exact);
        worst = error > worst ? error : worst;
        CHECK(!signbit(y[i]) == !signbit(exact) || isnan(exact));
    }
    printf("f32 pow       %.4f\n", worst);
    CHECK(worst <= 1);
    for (size_t level = 0; level + 1 < levels; level++) {
        hc_kernels_at(level, 0)->pow(other, a, 1, b, 1, n, NULL);
        CHECK(same_f32(y, other, n));
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
    test_pow();
    return check_done();
}
