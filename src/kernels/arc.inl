/* Tangents, angles and the sine over its argument, of what math.inl has and after its manner. Arcs are polynomials in
 * the square (as there), of arguments made small by atan t = pi/4 + atan((t - 1) / (t + 1)) and
 * asin t = pi/2 - 2 asin(sqrt((1 - t) / 2)) (Cody and Waite 1980). */

#define PI 0x1.921fb54442d18p+1
#define PIO2_HIGH 0x1.921fb54442d18p+0
#define PIO2_LOW 0x1.1a62633145c07p-54
#define PIO4_1 (PIO2_1 / 2) /* a whole number up to 4 times this is exact */
#define PIO4_2 0x1.0b4611a626331p-35

/* ---- tan ---------------------------------------------------------------------------------------------- */

HC_INLINE double tan_of(double x) {
    return x == 0 ? x : sin_turned(x, 0) / sin_turned(x, 1); /* -0 */
}

static double tan_far(double x) {
    return sin_far(x, 0) / sin_far(x, 1);
}

/* ---- atan, atan2 ---------------------------------------------------------------------------------------- */

/* atan t for |t| <= tan(pi/8). */
HC_INLINE double atan_near(double t) {
    const double z = t * t;
#if HC_REAL_BITS == 32
    const double q =
        H(z, -0.3333333327922454,
          H(z, 0.1999997724823353,
            H(z, -0.14284150629730288,
              H(z, 0.11071354571201351, H(z, -0.08624598215196126, 0.05047937432040091)))));
#else
    const double q =
        H(z, -0.3333333333333333,
          H(z, 0.19999999999995516,
            H(z, -0.14285714284665682,
              H(z, 0.11111111015187018,
                H(z, -0.0909090457530649,
                  H(z, 0.07692183125376892,
                    H(z, -0.06664510525508936,
                      H(z, 0.05858140904866328,
                        H(z, -0.050854078345894844,
                          H(z, 0.03923044778479309, -0.019175404711104935))))))))));
#endif
    return t + t * z * q;
}

/* The angle of (x, y). Infinite sides count as 1 beside finite ones, which count as 0; (0, 0) as (1, 0). */
HC_INLINE double atan2_of(double y, double x) {
    const double a = fabs(y), b = fabs(x);
    double low = a < b ? a : b, high = a < b ? b : a;
    const double scale = high > 0x1p1000 ? 0x1p-100 : 1; /* their sum does not overflow */
    low = high <= DBL_MAX ? low * scale : low <= DBL_MAX ? 0 : 1;
    high = high <= DBL_MAX ? high * scale : 1;
    high = high == 0 ? 1 : high;
    const bool wide = low > high * 0.41421356237309503;
    double arc = atan_near(wide ? (low - high) / (low + high) : low / high);
    double eighths = wide ? 1 : 0; /* of a turn, to which the arc is added */
    arc = a > b ? -arc : arc;
    eighths = a > b ? 2 - eighths : eighths;
    const bool behind = bits_of(x) >> 63;
    arc = behind ? -arc : arc;
    eighths = behind ? 4 - eighths : eighths;
    const double angle = eighths * PIO4_1 + (arc + eighths * PIO4_2);
    return a != a || b != b ? a + b : copysign(angle, y);
}

HC_INLINE double atan_of(double x) {
    return atan2_of(x, 1);
}

/* ---- asin, acos ------------------------------------------------------------------------------------------ */

/* asin t = t + t z q for t = sqrt z <= 1/2; returns z q. */
HC_INLINE double asin_tail(double z) {
#if HC_REAL_BITS == 32
    return z * H(z, 0.1666666668610099,
                 H(z, 0.07499992399160994,
                   H(z, 0.0446476667182271,
                     H(z, 0.03026908385532131,
                       H(z, 0.02361229109227008,
                         H(z, 0.010572549180654067, 0.030977269926003446))))));
#else
    return z *
           H(z, 0.16666666666666669,
             H(z, 0.0749999999999843,
               H(z, 0.04464285714635991,
                 H(z, 0.030381944138170334,
                   H(z, 0.022372172957091412,
                     H(z, 0.0173523923576202,
                       H(z, 0.013971218548752051,
                         H(z, 0.011479121292946488,
                           H(z, 0.010323189996124416,
                             H(z, 0.005455850831324314,
                               H(z, 0.017405496291324245,
                                 H(z, -0.014859264309819778, 0.028762997617254003))))))))))));
#endif
}

/* Past 1 the root is NaN. */
HC_INLINE double asin_of(double x) {
    const double a = fabs(x), z = a > 0.5 ? 0.5 * (1 - a) : a * a;
    const double t = a > 0.5 ? sqrt(z) : a, arc = t + t * asin_tail(z);
    return copysign(a > 0.5 ? PIO2_HIGH - (2 * arc - PIO2_LOW) : arc, x);
}

HC_INLINE double acos_of(double x) {
    const double a = fabs(x), z = a > 0.5 ? 0.5 * (1 - a) : a * a;
    const double t = a > 0.5 ? sqrt(z) : x, arc = t + t * asin_tail(z);
    const double far = x < 0 ? 2 * PIO2_HIGH - (2 * arc - 2 * PIO2_LOW) : 2 * arc;
    return a > 0.5 ? far : PIO2_HIGH - (arc - PIO2_LOW);
}

/* ---- sinc ------------------------------------------------------------------------------------------------ */

/* sin(pi x + turns pi / 2), exactly reduced at any size. */
HC_INLINE double sin_pi(double x, unsigned turns) {
    const double n = rint(x), half = 0.5 * n, y = sin_turned(PI * (x - n), turns);
    return half == rint(half) ? y : -y;
}

HC_INLINE double sinc_of(double x) {
    const double y = sin_pi(x, 0) / (PI * x), there = fabs(x) <= DBL_MAX ? y : x == x ? 0 : x;
    return x == 0 ? 1 : there;
}

/* The n-th derivative of sin(pi x) / (pi x). With f(u) = sin(u) / u it is pi^n f^(n)(pi x), and f^(n) near 0 the sum
 * of +-u^j / (j! (n + j + 1)) over even n + j, elsewhere (sin^(n) u - n f^(n-1)) / u, for (u f)^(n) = sin^(n) u. */
static double sinc_slope(double x, unsigned n) {
    const double u = PI * x;
    double f = 0, term = 1;
    if (fabs(x) > DBL_MAX) return 0;
    if (fabs(u) <= n) {
        for (unsigned j = 0; j < 30 + 3 * n; j++) {
            const unsigned k = n + j;
            if (k % 2 == 0) f += (k & 2 ? -term : term) / (k + 1);
            term *= u / (j + 1);
        }
    } else {
        for (unsigned m = 0; m <= n; m++)
            f = (sin_pi(x, m) - m * f) / u;
    }
    for (unsigned m = 0; m < n; m++)
        f *= PI;
    return f;
}

#define REAL(name)                                                                                 \
    HC_INLINE HC_REAL real_##name(HC_REAL x) {                                                     \
        return (HC_REAL)name##_of((double)x);                                                      \
    }
REAL(tan)
REAL(atan)
REAL(asin)
REAL(acos)
REAL(sinc)
#undef REAL

HC_INLINE HC_REAL real_atan2(HC_REAL y, HC_REAL x) {
    return (HC_REAL)atan2_of((double)y, (double)x);
}
