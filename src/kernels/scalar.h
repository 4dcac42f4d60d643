/* Elementwise functions of one double, with the bits of the f64 kernels, whichever types are built. */
#ifndef HC_KERNELS_SCALAR_H
#define HC_KERNELS_SCALAR_H

double hc_exp(double x);
double hc_log(double x);
double hc_cos(double x);

#endif
