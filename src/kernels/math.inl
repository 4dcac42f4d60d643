/* The transcendental functions: branch-free and in plain arithmetic, so that loops over them vectorise and
 * every level gives the same bits; inlined always, for a call would end that. All are computed in
 * double precision; for float that leaves the last rounding as nearly the only error, and shorter
 * polynomials do.
 *
 * Methods: arguments are reduced with split constants (Cody and Waite 1980, "Software manual for the
 * elementary functions"), logarithms by s = f / (2 + f) (Tang 1990, "Table-driven implementation of the
 * logarithm function", without the table), erf beyond 1 by exp(x^2) erfc(x) as a polynomial in
 * 1 / (x + 3) (after Shepherd and Laframboise 1981, "Chebyshev approximation of (1 + 2x) exp(x^2)
 * erfc x"). The polynomials interpolate at Chebyshev nodes. */

#define ROUNDER 0x1.8p52 /* x + ROUNDER has round(x) in its low bits, for |x| < 2^51 */

/* c + z rest: nested, a polynomial. */
#define H(z, c, rest) ((c) + (z) * (rest))

HC_INLINE uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

HC_INLINE double of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^n for whole n in [-1022, 1023]; of a number of the form n + ROUNDER. */
HC_INLINE double two_to(double rounded) {
    return of_bits((bits_of(rounded) + 1023) << 52);
}

/* x 2^n for whole n in [-1100, 1100], rounded once. */
HC_INLINE double scaled(double x, double n) {
    if (HC_REAL_BITS == 32) return x * two_to(n + ROUNDER);
    const double half = n * 0.5 + ROUNDER;
    return x * two_to(half) * two_to((n - (half - ROUNDER)) + ROUNDER);
}

/* ---- exp, expm1 ---------------------------------------------------------------------------------- */

#define LN2_HIGH 0x1.62e42fee00000p-1 /* 32 bits: a whole number below 2^20 times this is exact */
#define LN2_LOW 0x1.a39ef35793c76p-33

/* The arguments past which float, or double, overflows and underflows to 0. */
#define EXP_MOST (HC_REAL_BITS == 32 ? 130.0 : 710.0)
#define EXP_LEAST (HC_REAL_BITS == 32 ? -130.0 : -746.0)

/* x = n ln 2 + r with |r| <= ln(2) / 2; returns r. */
HC_INLINE double exp_reduce(double x, double *n) {
    *n = (x * 0x1.71547652b82fep+0 + ROUNDER) - ROUNDER;
    return (x - *n * LN2_HIGH) - *n * LN2_LOW;
}

/* e^r - 1 for the reduced r. */
HC_INLINE double exp_tail(double r) {
#if HC_REAL_BITS == 32
    const double q =
        H(r, 0.500000001346581,
          H(r, 0.16666666681623232,
            H(r, 0.041666464925285904,
              H(r, 0.0083333109254809, H(r, 0.0013933649996309251, 0.00019890990824673654)))));
#else
    const double q = H(r, 0.5000000000000001,
                       H(r, 0.16666666666666669,
                         H(r, 0.04166666666662413,
                           H(r, 0.008333333333330062,
                             H(r, 0.0013888888917213717,
                               H(r, 0.00019841269863053618,
                                 H(r, 2.4801521295954376e-05,
                                   H(r, 2.7557268459997064e-06,
                                     H(r, 2.7620088445409746e-07, 2.510038549551032e-08)))))))));
#endif
    return r + r * r * q;
}

HC_INLINE double exp_of(double x) {
    double n;
    x = x > EXP_MOST ? EXP_MOST : x;
    x = x < EXP_LEAST ? EXP_LEAST : x;
    const double r = exp_reduce(x, &n);
    return scaled(1 + exp_tail(r), n);
}

/* 2^n ((e^r - 1) + (1 - 2^-n)) */
HC_INLINE double expm1_of(double x) {
    double n;
    double bound = x > EXP_MOST ? EXP_MOST : x;
    bound = bound < -50 ? -50 : bound;
    const double r = exp_reduce(bound, &n);
    const double least = n > 60 ? 60 : n;
    const double y = scaled(exp_tail(r) + (1 - two_to(ROUNDER - least)), n);
    return x == 0 ? x : y; /* -0 */
}

/* ---- log, log1p ---------------------------------------------------------------------------------- */

/* ln(u) + c for a normal positive u. With u = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)) and
 * s = f / (2 + f): ln(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)). */
HC_INLINE double log_normal(double u, double k0, double c) {
    const uint64_t root_half = 0x3fe6a09e667f3bcd;
    const uint64_t above = bits_of(u) - root_half;
    /* k + 1024 >= 0 as a whole number, then as a double */
    const double k = of_bits(((above + ((uint64_t)1024 << 52)) >> 52) | 0x4330000000000000) -
                     (0x1p52 + 1024) + k0;
    const double f = of_bits((above & 0x000fffffffffffff) + root_half) - 1;
    const double s = f / (2 + f), z = s * s, half = 0.5 * f * f;
#if HC_REAL_BITS == 32
    const double q = H(z, 0.6666666655445165,
                       H(z, 0.4000012187697203, H(z, 0.28550816599709566, 0.23330581938280376)));
#else
    const double q =
        H(z, 0.666666666666667,
          H(z, 0.39999999999899444,
            H(z, 0.2857142862600327,
              H(z, 0.22222211130259875,
                H(z, 0.18182889455675105, H(z, 0.1533171061820642, 0.14616585424934123))))));
#endif
    return k * LN2_HIGH - ((half - (s * (half + z * q) + (k * LN2_LOW + c))) - f);
}

/* The values outside (0, inf): u is x, or 1 + x. */
HC_INLINE double log_ends(double u, double y) {
    y = u < 0 ? (double)NAN : y;
    y = u == 0 ? -(double)INFINITY : y;
    return u <= DBL_MAX ? y : u;
}

HC_INLINE double log_of(double x) {
    if (HC_REAL_BITS == 32) return log_ends(x, log_normal(x, 0, 0));
    const bool tiny = x < DBL_MIN;
    return log_ends(x, log_normal(tiny ? x * 0x1p54 : x, tiny ? -54 : 0, 0));
}

/* ln(u) + c / u, where c is what rounding took from u = 1 + x. */
HC_INLINE double log1p_of(double x) {
    const double u = 1 + x;
    double c;
    if (HC_REAL_BITS == 32)
        c = fabs(x) < 1 ? x - (u - 1) : 0;
    else
        c = (x < 1 ? x - (u - 1) : 1 - (u - x)) / u;
    const double y = log_ends(u, log_normal(u, 0, c));
    return x == 0 ? x : y; /* -0 */
}

/* ---- what is made of them --------------------------------------------------------------------------- */

HC_INLINE double tanh_of(double x) {
    const double a = fabs(x), e = expm1_of(2 * (a > 22 ? 22 : a));
    return copysign(e / (e + 2), x);
}

HC_INLINE double sigmoid_of(double x) {
    const double e = exp_of(-fabs(x)), y = 1 / (1 + e);
    return x < 0 ? e * y : y;
}

HC_INLINE double softplus_of(double x) {
    return (x > 0 ? x : 0) + log1p_of(exp_of(-fabs(x)));
}

HC_INLINE double softsign_of(double x) {
    const double a = fabs(x);
    return a <= DBL_MAX ? x / (1 + a) : x == x ? copysign(1, x) : x;
}

/* e^x / 2 for x >= 0: finite for a little longer than e^x. */
HC_INLINE double exp_half(double x) {
    double n;
    const double r = exp_reduce(x > EXP_MOST + 2 ? EXP_MOST + 2 : x, &n);
    return scaled(1 + exp_tail(r), n - 1);
}

HC_INLINE double cosh_of(double x) {
    const double up = exp_half(fabs(x));
    return up + 0.25 / up;
}

HC_INLINE double sinh_of(double x) {
    const double a = fabs(x), up = exp_half(a), e = expm1_of(a < 1 ? a : 1);
    return copysign(a < 1 ? 0.5 * (e + e / (e + 1)) : up - 0.25 / up, x);
}

/* log(e^a + e^b) = max(a, b) + log(1 + e^-|a - b|) */
HC_INLINE double logaddexp_of(double a, double b) {
    const double apart = a == b ? 0 : fabs(a - b); /* infinite ones, too */
    return (a > b ? a : b) + log1p_of(exp_of(-apart));
}

/* Scaled by a power of 2 where squares would overflow, or lose digits. */
HC_INLINE double hypot_of(double a, double b) {
    const double high = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    const double up = high > 0x1p500 ? 0x1p-600 : high < 0x1p-500 ? 0x1p600 : 1;
    const double down = high > 0x1p500 ? 0x1p600 : high < 0x1p-500 ? 0x1p-600 : 1;
    const double x = a * up, y = b * up, root = sqrt(x * x + y * y) * down;
    return fabs(a) > DBL_MAX || fabs(b) > DBL_MAX ? (double)INFINITY : root;
}

/* ---- sin, cos --------------------------------------------------------------------------------------- */

/* pi / 2 as a sum of numbers of 33 bits and a rest: a whole number below 2^20 times one of them is exact. */
#define PIO2_1 0x1.921fb54400000p+0
#define PIO2_2 0x1.0b4611a600000p-34
#define PIO2_3 0x1.3198a2e000000p-69
#define PIO2_4 0x1.b839a252049c1p-104

#define TURNS_MOST 0x1p20 /* arguments up to here are reduced exactly enough */

/* sin(x + turns pi / 2), |x| <= TURNS_MOST. */
HC_INLINE double sin_turned(double x, unsigned turns) {
    const double rounded = x * 0x1.45f306dc9c883p-1 + ROUNDER, n = rounded - ROUNDER;
#if HC_REAL_BITS == 32
    const double r = ((x - n * PIO2_1) - n * PIO2_2) - n * PIO2_3;
    const double z = r * r;
    const double odd =
        r + r * z *
                H(z, -0.16666666663844049,
                  H(z, 0.008333331870341349, H(z, -0.00019840084376422697, 2.724962008007483e-06)));
    const double even = H(
        z, 1,
        H(z, -0.5,
          H(z, 0.041666666664311826,
            H(z, -0.0013888887668370663, H(z, 2.4800598408350117e-05, -2.7300704038086237e-07)))));
#else
    /* r + low: what each subtraction rounds away is kept (Knuth's two-sum). */
    const double first = x - n * PIO2_1, p2 = n * PIO2_2, p3 = n * PIO2_3;
    const double second = first - p2, gone2 = first - second;
    const double low2 = (first - (second + gone2)) + (gone2 - p2);
    const double third = second - p3, gone3 = second - third;
    const double low3 = (second - (third + gone3)) + (gone3 - p3);
    const double low_sum = (low2 + low3) - n * PIO2_4;
    const double r = third + low_sum, low = (third - r) + low_sum;
    const double z = r * r;
    const double s =
        H(z, -0.16666666666666666,
          H(z, 0.008333333333330936,
            H(z, -0.00019841269836740532,
              H(z, 2.7557316093198404e-06, H(z, -2.505112989645018e-08, 1.5917988979397204e-10)))));
    const double c =
        H(z, 0.041666666666666664,
          H(z, -0.0013888888888887389,
            H(z, 2.48015872987544e-05,
              H(z, -2.755731726587808e-07, H(z, 2.087614504941318e-09, -1.1382544645349108e-11)))));
    const double odd = r + (r * z * s + low * (1 - 0.5 * z));
    const double half = 0.5 * z, most = 1 - half;
    const double even = most + (((1 - most) - half) + (z * z * c - r * low));
#endif
    const uint64_t quarter = bits_of(rounded) + turns;
    const double y = quarter & 1 ? even : odd;
    return of_bits(bits_of(y) ^ ((quarter & 2) << 62));
}

HC_INLINE double sin_of(double x) {
    return x == 0 ? x : sin_turned(x, 0); /* -0 */
}

HC_INLINE double cos_of(double x) {
    return sin_turned(x, 1);
}

/* The same of larger ones. */
static inline double sin_far(double x, unsigned turns) {
    double low;
    unsigned quarters;
    const double rest = hc_angle_rest(x, &low, &quarters);
    return sin_turned(rest, quarters + turns) + low * sin_turned(rest, quarters + turns + 1);
}

/* ---- erf -------------------------------------------------------------------------------------------- */

HC_INLINE double erf_of(double x) {
    const double a = fabs(x), z = a * a, far = a > 6 ? 6 : a; /* 1 - erf(6) < 2^-54 */
    const double u = (72 / (far + 3) - 13) * 0.2;
#if HC_REAL_BITS == 32
    const double near_zero =
        a *
        H(z, 1.1283791658483509,
          H(z, -0.3761262666672033,
            H(z, 0.11283594715160215,
              H(z, -0.02685421201062633,
                H(z, 0.005189087423433832, H(z, -0.0008016864287164737, 7.87587506268201e-05))))));
    const double g = H(u, 0.2079832954907411,
                       H(u, 0.15436117425502538,
                         H(u, 0.04969831228471309,
                           H(u, 0.012713148953018933,
                             H(u, 0.002479982579313061,
                               H(u, 0.0003315967267433158,
                                 H(u, 1.8485697868199813e-05, -2.4157984426261224e-06)))))));
#else
    const double near_zero =
        a * H(z, 1.1283791670955126,
              H(z, -0.37612638903183543,
                H(z, 0.11283791670945006,
                  H(z, -0.02686617064323777,
                    H(z, 0.0052239776071164225,
                      H(z, -0.0008548325975389692,
                        H(z, 0.00012055294904839707,
                          H(z, -1.4924736907419654e-05,
                            H(z, 1.6447424703317288e-06,
                              H(z, -1.620848380187118e-07,
                                H(z, 1.3720064546775592e-08, -7.795898826998504e-10)))))))))));
    const double g =
        H(u, 0.20798329133342885,
          H(u, 0.15436117429436919,
            H(u, 0.04969844540339464,
              H(u, 0.012713147695692198,
                H(u, 0.002479314697078186,
                  H(u, 0.0003316029605764125,
                    H(u, 1.956358324613708e-05,
                      H(u, -2.425557471904912e-06,
                        H(u, -5.541274478466427e-07,
                          H(u, 4.526700764029857e-09,
                            H(u, 1.1339538061513109e-08,
                              H(u, 2.6381509004147114e-10,
                                H(u, -2.5715114276066194e-10,
                                  H(u, -6.047406009444448e-12, 6.085791524722684e-12))))))))))))));
#endif
    const double y = a < 1 ? near_zero : 1 - exp_of(-far * far) * g;
    return copysign(y, x);
}

/* ---- pow -------------------------------------------------------------------------------------------- */

#if HC_REAL_BITS == 32
/* e^(y ln |x|), with the values of C11 F.10.4.4 at the ends. */
HC_INLINE double pow_of(double x, double y) {
    const double a = fabs(x), half = y * 0.5;
    const bool large = fabs(y) >= 0x1p52; /* and therefore even */
    const double whole = large ? y : (y + ROUNDER) - ROUNDER;
    const double whole_half = large ? half : (half + ROUNDER) - ROUNDER;
    double z = exp_of(y * log_of(a));
    z = a == 1 ? (y == y ? 1 : z) : z;
    z = y == 0 ? 1 : z;
    const double of_odd = copysign(z, x), of_whole = whole_half == half ? z : of_odd;
    const double of_others = x < 0 ? (a <= DBL_MAX ? (double)NAN : z) : z;
    z = whole == y ? of_whole : of_others;
    return x == 1 ? 1 : z;
}
#else
HC_INLINE double pow_of(double x, double y) {
    return pow(x, y);
}
#endif

#define REAL(name)                                                                                 \
    HC_INLINE HC_REAL real_##name(HC_REAL x) {                                                     \
        return (HC_REAL)name##_of((double)x);                                                      \
    }
REAL(exp)
REAL(expm1)
REAL(log)
REAL(log1p)
REAL(sin)
REAL(cos)
REAL(tanh)
REAL(erf)
REAL(sigmoid)
REAL(softplus)
REAL(softsign)
REAL(cosh)
REAL(sinh)
#undef REAL

#define REAL2(name)                                                                                \
    HC_INLINE HC_REAL real_##name(HC_REAL a, HC_REAL b) {                                          \
        return (HC_REAL)name##_of((double)a, (double)b);                                           \
    }
REAL2(pow)
REAL2(logaddexp)
REAL2(hypot)
#undef REAL2

/* Of the sign of b, 0 too. What fmod leaves is exact. */
HC_INLINE HC_REAL real_remainder(HC_REAL a, HC_REAL b) {
    const HC_REAL rest = M(fmod)(a, b);
    const HC_REAL whole = (rest < 0) == (b < 0) ? rest : rest + b;
    return rest == 0 ? M(copysign)(rest, b) : whole;
}
