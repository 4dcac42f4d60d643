/* What the arithmetic rests on: each operation rounds to its type, in the order written, and NaN and
 * infinity exist. The functions of kernels/math.inl round by adding and subtracting a large number, and the
 * same bits are promised on every platform; a compiler that is told otherwise gives wrong numbers without
 * a word, so it is refused here. The build sets the flags that make it right (CMakeLists.txt). */
#ifndef HC_BASE_ARITHMETIC_H
#define HC_BASE_ARITHMETIC_H

#include <float.h>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) ||           \
    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||                               \
    defined(__NO_SIGNED_ZEROS__) || defined(_M_FP_FAST)
#error "libhigherc cannot be compiled with -ffast-math, -Ofast or their like: its own files need -fno-fast-math"
#endif
#ifdef __ROUNDING_MATH__
#error "libhigherc cannot be compiled with -frounding-math: its own files need -fno-rounding-math"
#endif
#if (FLT_EVAL_METHOD != 0 && (defined(__i386__) || defined(__x86_64__) || defined(_M_IX86))) ||    \
    (defined(__x86_64__) && !defined(__SSE2__))
#error "libhigherc cannot compute with the x87, which keeps too many digits: its own files need -msse2 -mfpmath=sse"
#elif FLT_EVAL_METHOD != 0
#error "libhigherc needs float and double computed in their own precision: its own files need -fexcess-precision=fast"
#endif
_Static_assert(sizeof 1.0 == sizeof(double), "libhigherc cannot be compiled with -fsingle-precision-constant");

/* By hand, without the build's flags: what a compiler takes upon itself without a macro to tell it by. Of Clang
 * -ffp-contract=fast remains, which goes over every pragma and cannot be seen. */
#if !defined(HC_FLAGS_SET) && defined(__clang__) && __clang_major__ >= 11
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wignored-pragmas" /* some targets know no such, WebAssembly for one */
#pragma float_control(precise, on)
#pragma clang diagnostic pop
#pragma clang fp reassociate(off) /* which all know */
#endif

/* a * b + c rounds twice, except in products. */
#ifndef HC_CONTRACT
#if !defined(__GNUC__) || defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif !defined(HC_FLAGS_SET)
#pragma GCC optimize("fp-contract=off")
#endif
#endif

#endif
