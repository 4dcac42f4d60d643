/* Of one double. */
#undef HC_REAL_BITS
#define HC_REAL_BITS 64
#include "kernels/scalar.h"

#include "kernels/angle.h"
#include "kernels/real.h"

#include "kernels/math.inl"

double hc_exp(double x) {
    return exp_of(x);
}

double hc_log(double x) {
    return log_of(x);
}

double hc_cos(double x) {
    return fabs(x) > TURNS_MOST ? sin_far(x, 1) : cos_of(x);
}
