/* One source for float and double, and one for every instruction set: what the build defines is
 *   HC_REAL_BITS   32 or 64
 *   HC_LEVEL       the level's name: baseline, avx2, avx512, neon */
#ifndef HC_KERNELS_REAL_H
#define HC_KERNELS_REAL_H

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/inline.h"
#include "kernels/kernels.h"

#define HC_PASTE_(a, b, c) hc_##a##_##b##_##c
#define HC_PASTE(a, b, c) HC_PASTE_(a, b, c)

#if HC_REAL_BITS == 32
#define HC_REAL float
#define HC_REAL_MAX FLT_MAX
#define M(name) name##f
#define HC_NAMED(what) HC_PASTE(what, HC_LEVEL, f32)
#else
#define HC_REAL double
#define HC_REAL_MAX DBL_MAX
#define M(name) name
#define HC_NAMED(what) HC_PASTE(what, HC_LEVEL, f64)
#endif

/* y is an operand, or apart from it: no pass of a loop reads what another wrote. */
#if defined(__GNUC__) && !defined(__clang__)
#define HC_INDEPENDENT _Pragma("GCC ivdep")
#define HC_IN_FOURS _Pragma("GCC unroll 4")
#else
#define HC_INDEPENDENT
#define HC_IN_FOURS
#endif

/* Products are apart, which alone are compiled with contraction (fused multiply-add), and elementwise kernels, whose
 * loops need few of a compiler's passes. In one file they come first. */
#ifndef HC_ONE_FILE
extern const HcKernels HC_NAMED(kernels);
#define HC_TABLE(type, name) extern const type HC_NAMED(name);
#define HC_TABLE_END(type)
#define HC_DECLARE_HERE(type, name, params)
#define HC_DECLARE_APART(type, name, params) type HC_NAMED(name) params;
#define HC_FUNCTION(place, trace, type, name, params) HC_DECLARE_##place(type, name, params)
#define HC_UNARY(name, formula) HcUnaryFn HC_NAMED(name);
#define HC_UNARY_NEAR(name, formula, far, formula_far) HcUnaryFn HC_NAMED(name);
#define HC_BINARY(name, formula) HcBinaryFn HC_NAMED(name);
#include "kernels/elementwise.def"
#include "kernels/kernels.def"
#include "kernels/tables.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
#undef HC_FUNCTION
#undef HC_TABLE
#undef HC_TABLE_END
#endif

#endif
