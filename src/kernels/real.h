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

/* Products are apart: they alone are compiled with contraction (fused multiply-add). In one file they come first. */
#ifndef HC_ONE_FILE
extern const HcKernels HC_NAMED(kernels);
#define HC_TABLE(type, name) extern const type HC_NAMED(name);
#define HC_TABLE_END(type)
#define HC_DECLARE_HERE(type, name, params)
#define HC_DECLARE_APART(type, name, params) type HC_NAMED(name) params;
#define HC_FUNCTION(place, trace, type, name, params) HC_DECLARE_##place(type, name, params)
#include "kernels/kernels.def"
#include "kernels/tables.def"
#undef HC_FUNCTION
#undef HC_TABLE
#undef HC_TABLE_END
#endif

#endif
