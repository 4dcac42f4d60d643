/* What norms are made of:
 *     xhat = (x - mean) / sqrt(var + eps),   var = mean((x - mean)^2)
 * over some axes, times a weight and with a bias added. */
#include <math.h>

#include "ops/ops.h"

Tensor *hc_mean_over(Tensor *x, uint32_t mask) {
    size_t n = 1;
    for (int i = 0; x && i < x->form->ndim; i++)
        if (mask >> i & 1) n *= x->form->dim[i];
    return x ? tensor_mul_scalar(hc_sum_mask(x, mask, true, NULL), n ? 1 / (double)n : (double)NAN)
             : NULL;
}

Tensor *hc_normalised(Tensor *x, uint32_t mask, double eps) {
    Tensor *d = tensor_sub(x, hc_mean_over(x, mask));
    Tensor *var = hc_mean_over(tensor_square(d), mask);
    return tensor_mul(d, tensor_rsqrt(tensor_add_scalar(var, eps)));
}

Tensor *hc_affine(Tensor *xhat, Tensor *weight, Tensor *bias) {
    if (weight) xhat = tensor_mul(xhat, weight);
    return bias ? tensor_add(xhat, bias) : xhat;
}

Tensor *hc_per_channel(const Tensor *x, Tensor *p) {
    if (!p || x->form->ndim == 2) return p;
    Shape shape = shape1(x->form->dim[1]);
    for (int i = 2; i < x->form->ndim; i++)
        shape.dim[shape.ndim++] = 1;
    return tensor_reshape(p, shape);
}

Tensor *hc_batch_norm_composed(Tensor *x, Tensor *weight, Tensor *bias, double eps) {
    uint32_t but_channels = (((uint32_t)1 << x->form->ndim) - 1) & ~(uint32_t)2;
    Tensor *xhat = hc_normalised(x, but_channels, eps);
    return hc_affine(xhat, hc_per_channel(x, weight), hc_per_channel(x, bias));
}
