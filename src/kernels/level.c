/* One level's table for one type: all kernels but the products, compiled together without contraction,
 * so that every level gives the same bits. */
#include "kernels/angle.h"
#include "kernels/real.h"

#include "kernels/math.inl"
#include "kernels/arc.inl"

#include "kernels/elementwise.inl"
#include "kernels/move.inl"
#include "kernels/reduce.inl"
#include "kernels/order.inl"
#include "kernels/norm.inl"
#include "kernels/adam.inl"
#include "kernels/index.inl"
#include "kernels/entropy.inl"
#include "kernels/pool.inl"
#include "kernels/random.inl"
#include "kernels/triangle.inl"

const HcKernels HC_NAMED(kernels) = {
    .size = sizeof(HC_REAL),
#define HC_UNARY(name, formula) .name = name##_kernel,
#define HC_UNARY_NEAR(name, formula, far, formula_far) .name = name##_kernel,
#define HC_BINARY(name, formula) .name = name##_kernel,
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
#define HC_ENTRY_HERE(name) name##_kernel
#define HC_ENTRY_APART(name) HC_NAMED(name)
#define HC_FUNCTION(place, trace, type, name, params) .name = HC_ENTRY_##place(name),
#include "kernels/kernels.def"
#undef HC_FUNCTION
};
