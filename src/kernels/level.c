/* One level's tables for one type, and all kernels but products and elementwise ones, compiled together without
 * contraction, so that every level gives the same bits. */
#include "kernels/angle.h"
#include "kernels/real.h"

#include "kernels/math.inl"

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

#define HC_AT__(level) HC_AT_##level
#define HC_AT(level) HC_AT__(level)

const HcKernels HC_NAMED(kernels) = {
    .size = sizeof(HC_REAL),
    .level = HC_AT(HC_LEVEL),
#define HC_UNARY(name, formula) .name = HC_NAMED(name),
#define HC_UNARY_NEAR(name, formula, far, formula_far) .name = HC_NAMED(name),
#define HC_BINARY(name, formula) .name = HC_NAMED(name),
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
#define HC_ENTRY_HERE(name) name##_kernel
#define HC_ENTRY_APART(name) HC_NAMED(name)
#define HC_FUNCTION(place, trace, type, name, params) .name = HC_ENTRY_##place(name),
#include "kernels/kernels.def"
};

#define HC_TABLE(type, name) const type HC_NAMED(name) = {
#define HC_TABLE_END(type) };
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION
