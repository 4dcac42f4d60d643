/* What the library's arithmetic rests on, one computation each. check.cmake compiles this with flags that a user
 * may have set. */
#include "base/arithmetic.h"

#include <math.h>
#include <stdio.h>

static int wrong;

static void right(int good, const char *what) {
    if (good) return;
    printf("wrong: %s\n", what);
    wrong = 1;
}

/* Read at run time, so that nothing is folded. */
static volatile float f_half = 2.5f, f_near = 1 + 0x1p-12f, f_square = 1 + 0x1p-11f, f_large = 0x1.8p23f;
static volatile double d_half = 2.5, d_near = 1 + 0x1p-27, d_square = 1 + 0x1p-26, d_large = 0x1.8p52;
static volatile double zero = 0, minus = -0.0, one = 1, divisor = 49;

static void rounds(void) {
    const float x = f_half, large = f_large;
    const double y = d_half, wide = d_large;
    right((x + large) - large == 2, "a float is rounded by a large one");
    right((y + wide) - wide == 2, "a double is rounded by a large one");
    const double product = f_near * x * x;
    right(product == (double)(float)product, "a product of floats is a float");
}

static void rounds_twice(void) {
    const float x = f_near, square = f_square;
    const double y = d_near, wide = d_square;
    right(x * x - square == 0, "a float's product is rounded before the difference");
    right(y * y - wide == 0, "a double's product is rounded before the difference");
}

static void keeps_special_values(void) {
    const double nan = zero / zero, inf = one / zero, none = minus;
    right(nan != nan && !(nan == nan), "NaN is not itself");
    right(isnan(nan) && isinf(inf) && inf > 1e308, "NaN and infinity exist");
    right(signbit(none + minus) && !signbit(none + zero), "0 has a sign");
}

static void divides(void) {
    const double by = divisor, a = by * one, b = by * 3 * one, c = by * 5 * one;
    right(a / by == 1 && b / by == 3 && c / by == 5, "a quotient is no product with a reciprocal");
}

int main(void) {
    rounds();
    rounds_twice();
    keeps_special_values();
    divides();
    return wrong;
}
