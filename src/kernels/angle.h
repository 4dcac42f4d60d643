/* Large angles. */
#ifndef HC_KERNELS_ANGLE_H
#define HC_KERNELS_ANGLE_H

/* x = quarters pi / 2 + rest + *low for |x| >= 2^20: the rest is at most pi / 4, *low below its last place. NaN for
 * infinities. */
double hc_angle_rest(double x, double *low, unsigned *quarters);

#endif
