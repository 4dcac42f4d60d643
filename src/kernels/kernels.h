/* The kernels layer: loops over pointers, sizes and strides. It knows no tensor, no tape, and it
 * allocates nothing; a kernel that needs a workspace is handed one.
 *
 * Every source file here is compiled once per instruction set and type (HC_REAL is float or double)
 * and leaves through constant tables: hc_kernels(dtype) hands out that of what nearly all programs need, for the
 * machine at hand, and the others are found by that one (tables.def). Elementwise kernels and reductions give the
 * same bits at every level: they are compiled without contraction and sum in a fixed order of lanes. Products may
 * use fused multiply-add. */
#ifndef HC_KERNELS_KERNELS_H
#define HC_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arithmetic.h"

/* y[i] = f(x[i]); c points to two constants, or is NULL, which makes them 0. y may equal x. */
typedef void HcUnaryFn(void *y, const void *x, size_t n, const double *c);

/* y[i] = f(a[i * sa], b[i * sb]); sa and sb are 0 or 1. y may equal an operand whose stride is 1. */
typedef void HcBinaryFn(void *y, const void *a, size_t sa, const void *b, size_t sb, size_t n,
                        const double *c);

/* y[i] = p[i * sp] != 0 ? a[i * sa] : b[i * sb]. */
typedef void HcSelectFn(void *y, const void *p, size_t sp, const void *a, size_t sa, const void *b,
                        size_t sb, size_t n);

/* One side of a product: element (i, j) is data[i * row + j * col]. One of the two strides is 1,
 * or the matrix has a side of 1. */
typedef struct HcMatrix {
    const void *data;
    size_t row, col;
} HcMatrix;

/* A product c = start + a b, with a [m, k], b [k, n] and c [m, n], whose rows lie `ldc` apart. start, whose
 * rows lie `lds` apart, may be c itself (accumulate), a row with lds 0 (a bias) or NULL (zeros). */
typedef struct HcGemm {
    size_t m, n, k;
    HcMatrix a, b;
    const void *start;
    size_t lds;
    void *c;
    size_t ldc;
    void *workspace; /* as many bytes as gemm_workspace says; may be NULL when that is 0 */
} HcGemm;

/* How many matrices are factored side by side at most. */
enum { HC_TOGETHER = 4 };

/* A triangular system: b [n, width], whose rows lie `ldb` apart, becomes the x with a x = b. Of a [n, n] one triangle
 * is read; with `unit` its diagonal is not, and is ones. */
typedef struct HcTriangle {
    size_t n, width;
    HcMatrix a;
    bool upper, unit;
    void *b;
    size_t ldb;
    void *workspace; /* as many bytes as solve_triangular_workspace says; may be NULL when that is 0 */
} HcTriangle;

/* A convolution. Images are dense and stored channels last: x [n, h, w, c], y [n, p, q, o]. The weight's
 * element (o, c, tap), c within a group and tap = i * kw + j, is at o * w_out + c * w_in + tap * w_tap. */
typedef struct HcConv {
    size_t n, h, w, c, p, q, o, kh, kw, groups;
    size_t stride[2], pad[2], dilation[2]; /* along h and w; stride >= 1 */
    size_t w_out, w_in, w_tap;
} HcConv;

/* From first on, before last. */
typedef struct HcSpan {
    size_t first, last;
} HcSpan;

/* Windows of images [n, h, w, c] averaged to [n, p, q, c]: (i, j) covers rows top[i] to bottom[i] and
 * columns left[j] to right[j], ends not included. */
typedef struct HcWindows {
    size_t n, h, w, c, p, q;
    const size_t *top, *bottom, *left, *right;
    size_t count; /* divisor of every window; 0: the pixels it covers */
} HcWindows;

/* An array over channels, dense: [outer, channels, inner]. With inner 1 the channels are last. It may be a
 * piece, along outer, of one with `count` numbers to a channel. */
typedef struct HcChannels {
    size_t outer, channels, inner, count;
} HcChannels;
/* The constants of Adam's update, in an array of numbers: beta, 1 - beta, 1 / sqrt(1 - beta2^t), eps. */
enum {
    HC_ADAM_K_BETA1,
    HC_ADAM_K_REST1,
    HC_ADAM_K_BETA2,
    HC_ADAM_K_REST2,
    HC_ADAM_K_SCALE,
    HC_ADAM_K_EPS,
    HC_ADAM_K_CONSTANTS
};

/* Cotangents of what Adam's update made; NULL: 0. */
typedef struct HcAdamCotangents {
    const void *p, *m, *v;
} HcAdamCotangents;

/* The levels; HC_LEVEL is such a name. */
typedef enum HcLevel { HC_AT_baseline, HC_AT_neon, HC_AT_avx2, HC_AT_avx512, HC_ALL_LEVELS } HcLevel;

struct HcTables;

typedef struct HcKernels {
    size_t size; /* of one number */
    HcLevel level;
    const struct HcTables *tables; /* the others that belong to it, or NULL: those of its level */

/* Elementwise functions, one row each in elementwise.def. The greatest errors against the exact
     * value, in units of the last place: in f32 1 for all that are not made of one operation
     * (of logaddexp, of the largest of operands and result); in f64 from 1 to 4, as the tables of
     * tests/kernels/test_math.c say; pow is libm's. */
#define HC_UNARY(name, formula) HcUnaryFn *name;
#define HC_UNARY_NEAR(name, formula, far, formula_far) HcUnaryFn *name;
#define HC_BINARY(name, formula) HcBinaryFn *name;
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
#define HC_FUNCTION(place, trace, type, name, params) type(*name) params;
#include "kernels/kernels.def"
} HcKernels;

#define HC_TABLE(type, name) typedef struct type {
#define HC_TABLE_END(type) } type;
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION

/* One of each of those. */
#define HC_FUNCTION(place, trace, type, name, params)
#define HC_TABLE_END(type)
typedef struct HcTables {
#define HC_TABLE(type, name) const type *name;
#include "kernels/tables.def"
#undef HC_TABLE
} HcTables;

/* hc_conv_kernels(k) ...: the table that belongs to k, of the same level and type. */
#define HC_TABLE(type, name) const type *hc_##name(const HcKernels *k);
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION

/* The table for a type (0: float, 1: double) on this machine: the best instruction set present, or the
 * one that the environment variable HIGHERC_ISA names ("baseline", "avx2", "avx512", "neon"), if
 * present. Chosen once. NULL for a type that the library was built without. */
const HcKernels *hc_kernels(int dtype);
/* Whether there are any for a type; chooses nothing. */
bool hc_kernels_built(int dtype);
/* What HIGHERC_ISA holds when that is the name of no level, else NULL. */
const char *hc_kernels_misnamed(void);

/* The bytes of a core's second cache, or a safe guess. For tests: another size; 0 asks anew. */
size_t hc_second_cache(void);
void hc_assume_second_cache(size_t bytes);

/* For tests: the number of levels present on this machine (at least 1, the baseline first), a level's
 * name, and its table. */
size_t hc_kernel_levels(void);
const char *hc_kernel_level_name(size_t level);
const HcKernels *hc_kernels_at(size_t level, int dtype);

#endif
