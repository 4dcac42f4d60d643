/* The kernels layer: loops over pointers, sizes and strides. It knows no tensor, no tape, and it
 * allocates nothing; a kernel that needs working memory is handed it.
 *
 * Every source file here is compiled once per instruction set and type (HC_REAL is float or double)
 * and leaves through one constant table each; hc_kernels(dtype) hands out the table for the machine at
 * hand. Elementwise kernels and reductions give the same bits at every level: they are compiled
 * without contraction and sum in a fixed order of lanes. Products may use fused multiply-add. */
#ifndef HC_KERNELS_KERNELS_H
#define HC_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y[i] = f(x[i]); c points to up to two constants. y may equal x. */
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
    void *work; /* as many bytes as gemm_work says; may be NULL when that is 0 */
} HcGemm;

/* A convolution. Images are dense and stored channels last: x [n, h, w, c], y [n, p, q, o]. The weight's
 * element (o, c, tap), c within a group and tap = i * kw + j, is at o * w_out + c * w_in + tap * w_tap. */
typedef struct HcConv {
    size_t n, h, w, c, p, q, o, kh, kw, groups;
    size_t stride[2], pad[2], dilation[2]; /* along h and w; stride >= 1 */
    size_t w_out, w_in, w_tap;
} HcConv;

/* Windows of images [n, h, w, c] averaged to [n, p, q, c]: (i, j) covers rows top[i] to bottom[i] and
 * columns left[j] to right[j], ends not included. */
typedef struct HcWindows {
    size_t n, h, w, c, p, q;
    const size_t *top, *bottom, *left, *right;
    size_t count; /* divisor of every window; 0: the pixels it covers */
} HcWindows;

/* An array over channels, dense: [outer, channels, inner]. With inner 1 the channels are last. It may be a
 * part, along outer, of one with `count` numbers to a channel. */
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

typedef struct HcKernels {
    size_t size; /* of one number */

/* Elementwise functions, one row each in elementwise.def. The greatest errors against the exact
     * value, in units of the last place: in f32 1 for exp, expm1, log, log1p, sin, cos, tanh, erf,
     * sigmoid, softplus and pow (tests/kernels/test_math.c); in f64 2 for exp, log, sin, cos, 3 for expm1,
     * log1p, erf, sigmoid, softplus, 4 for tanh; pow is libm's, and so are sin and cos beyond 2^20. */
#define HC_UNARY(name, formula) HcUnaryFn *name;
#define HC_UNARY_NEAR(name, formula, far, formula_far) HcUnaryFn *name;
#define HC_BINARY(name, formula) HcBinaryFn *name;
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
    HcSelectFn *select;

    /* y[i] = value. */
    void (*fill)(void *y, size_t n, double value);
    /* y[i * sy] = x[i * sx], any strides. */
    void (*copy)(void *y, size_t sy, const void *x, size_t sx, size_t n);
    /* y[r * n + c] = x[c * m + r]: the transpose of x [n, m] as y [m, n], dense, in blocks. */
    void (*transpose)(void *y, const void *x, size_t m, size_t n);
    void (*from_f32)(void *y, const float *x, size_t n);
    void (*from_f64)(void *y, const double *x, size_t n);
    void (*to_f32)(float *y, const void *x, size_t n);
    void (*to_f64)(double *y, const void *x, size_t n);
    bool (*has_nan)(const void *x, size_t n);

    /* Reductions of m rows of n. _rows: y[i] from row i (y has m entries). _cols: y[j] from column j
     * (y has n). Rows start stride numbers apart (stride >= n). Sums are added to what y holds; max
     * and min are combined with what y holds and let NaN win. */
    void (*sum_rows)(void *y, const void *x, size_t stride, size_t m, size_t n);
    void (*sum_cols)(void *y, const void *x, size_t stride, size_t m, size_t n);
    /* y[0] = c times the sum of (a[i] - b[i])^2, in the order of sum_rows. */
    void (*squared_distance)(void *y, const void *a, const void *b, size_t n, double c);
    /* y[i] = (c s[0]) (a[i] - b[i]), or (c s[0]) a[i] where b is NULL. */
    void (*scaled_difference)(void *y, const void *s, const void *a, const void *b, size_t n,
                              double c);
    /* Adam. y is [p', m', v'], n numbers each: m' = rest1 g + beta1 m, v' = rest2 g^2 + beta2 v (m and v
     * NULL: 0), p' = p + rate m' / (scale sqrt(v') + eps). */
    void (*adam)(void *y, const void *p, const void *g, const void *m, const void *v,
                 const void *rate, const void *constants, size_t n);
    /* y is [to g] or, with moments, [to g, to m, to v]: the gradient from the cotangents of p', m', v';
     * m and v are those after the update. The slope of sqrt at 0 is taken as 0. */
    void (*adam_backward)(void *y, HcAdamCotangents from, const void *g, const void *m,
                          const void *v, const void *rate, const void *constants, size_t n,
                          bool moments);
    /* y[0] = sum of t m' / (scale sqrt(v') + eps). */
    void (*adam_rate)(void *y, const void *t, const void *m, const void *v, const void *constants,
                      size_t n);
    void (*max_rows)(void *y, const void *x, size_t stride, size_t m, size_t n);
    void (*max_cols)(void *y, const void *x, size_t stride, size_t m, size_t n);
    void (*min_rows)(void *y, const void *x, size_t stride, size_t m, size_t n);
    void (*min_cols)(void *y, const void *x, size_t stride, size_t m, size_t n);
    /* y[i] = index of the first largest of x[i * n + j], n >= 1; a NaN is larger than all. */
    void (*argmax_rows)(void *y, const void *x, size_t m, size_t n);
    /* Over m dense rows of n; y may equal x. */
    void (*softmax_rows)(void *y, const void *x, size_t m, size_t n);
    void (*log_softmax_rows)(void *y, const void *x, size_t m, size_t n);
    /* Over m dense rows of n scores, with p the softmax of a row and t = target[i], whose entry of [j = t] is 1
     * and whose others are 0. False, with *bad the row, when a target is no whole number in [0, n); y is
     * undefined then. y[i] = -log p[t], and of that: */
    bool (*cross_entropy)(void *y, const void *x, const void *target, size_t m, size_t n,
                          size_t *bad);
    /* y[i][j] = g[i] (p[j] - [j = t]). */
    bool (*cross_entropy_slope)(void *y, const void *x, const void *target, const void *g, size_t m,
                                size_t n, size_t *bad);
    /* y[i] = the sum of v[i][j] (p[j] - [j = t]). */
    bool (*cross_entropy_fold)(void *y, const void *x, const void *target, const void *v, size_t m,
                               size_t n, size_t *bad);
    /* y[i][j] = g[i] p[j] (v[i][j] - the sum of p[k] v[i][k]). */
    void (*cross_entropy_bend)(void *y, const void *x, const void *g, const void *v, size_t m,
                               size_t n);

    /* x is [outer, axis, inner], index and y [outer, picks, inner], all dense:
     * y[o][p][i] = x[o][index[o][p][i]][i]. False, with *bad the flat position, when an index is not
     * a whole number in [0, axis); y is undefined then. */
    bool (*gather)(void *y, const void *x, const void *index, size_t outer, size_t axis,
                   size_t picks, size_t inner, size_t *bad);
    /* y[o][index[o][p][i]][i] += x[o][p][i], in order. */
    bool (*scatter_add)(void *y, const void *x, const void *index, size_t outer, size_t axis,
                        size_t picks, size_t inner, size_t *bad);
    /* The same with one index for a whole row: x is [outer, axis, inner], y [outer, picks, inner], index
     * [picks]: y[o][p] = x[o][index[p]]. */
    bool (*pick_rows)(void *y, const void *x, const void *index, size_t outer, size_t axis,
                      size_t picks, size_t inner, size_t *bad);
    /* y[o][index[p]] += x[o][p], in order. */
    bool (*add_rows)(void *y, const void *x, const void *index, size_t outer, size_t axis,
                     size_t picks, size_t inner, size_t *bad);
    /* y [n, classes] = 1 at index[i], else 0. */
    bool (*one_hot)(void *y, const void *index, size_t n, size_t classes, size_t *bad);

    /* Batch norm. `moments` [2, channels] is the mean and the biased variance of each channel of x; with
     * r = 1/sqrt(var + eps), xhat = (x - mean) r and n numbers in a channel. Of a part of an array each
     * of these takes and makes a part; what is summed is added up. */
    void (*channel_moments)(void *moments, const void *x, HcChannels s); /* of a whole */
    /* Adds to sums [2, channels]: sum g, sum g (x - mean). */
    void (*channel_sums)(void *sums, const void *x, const void *moments, const void *g,
                         HcChannels s);
    /* Adds to dots [channels]: sum g v. */
    void (*channel_dots)(void *dots, const void *g, const void *v, HcChannels s);
    /* y = weight xhat + bias. */
    void (*batch_norm)(void *y, const void *x, const void *moments, const void *weight,
                       const void *bias, double eps, HcChannels s);
    /* y = weight r P(g), where P(g) = g - sum(g) / n - xhat sum(g xhat) / n; from here on sums are of g
     * and g xhat. */
    void (*batch_norm_backward)(void *y, const void *x, const void *moments, const void *weight,
                                const void *g, const void *sums, double eps, HcChannels s);
    /* slope [channels], sum g v, becomes r sum v P(g). */
    void (*batch_norm_slope)(void *slope, const void *moments, const void *sums_g,
                             const void *sums_v, double eps, HcChannels s);
    /* y = the gradient of sum(weight slope) to x: -(weight r / n) (xhat slope + r (P(v) sum(g xhat) +
     * P(g) sum(v xhat))). */
    void (*batch_norm_second)(void *y, const void *x, const void *moments, const void *weight,
                              const void *g, const void *v, const void *sums_g, const void *sums_v,
                              const void *slope, double eps, HcChannels s);

    /* y[i] = scale x[i] where the i-th random word is at least `drop`, else 0: word i mod 4 of Philox
     * (base/philox.h) at counter + i / 4. y may equal x. */
    void (*dropout)(void *y, const void *x, size_t n, uint64_t key, uint64_t counter, uint64_t drop,
                    double scale);

    /* y = start + the convolution of x with the weight (cross-correlation, zeros around the images).
     * start, `start_step` numbers from pixel to pixel, may be y itself (accumulate), a row with step 0
     * (a bias) or NULL (zeros). work: conv_work bytes. */
    void (*conv)(const HcConv *g, void *y, const void *x, const void *weight, const void *start,
                 size_t start_step, void *work);
    /* gx = start + its adjoint to x, from y's cotangent. */
    void (*conv_input)(const HcConv *g, void *gx, const void *gy, const void *weight,
                       const void *start, size_t start_step, void *work);
    /* gw = its adjoint to the weight, or added to gw, at the taps [first, last); w_out must be 1. */
    void (*conv_weight)(const HcConv *g, void *gw, const void *gy, const void *x, bool add,
                        size_t first, size_t last, void *work);
    size_t (*conv_work)(const HcConv *g);

    /* Windows as a convolution's; o, groups and the weight's strides do not count. The largest number of
     * each window, the first of equals, a NaN before all, and the tap (i * kw + j) it stands under, -1 for
     * none. With relu the same of relu(x), and no tap where it is not above 0. */
    void (*max_pool)(const HcConv *g, void *y, void *tap, const void *x, bool relu);
    /* y = x at those taps; gx = gy added up there, its adjoint. */
    void (*pool_pick)(const HcConv *g, void *y, const void *x, const void *tap);
    void (*pool_spread)(const HcConv *g, void *gx, const void *gy, const void *tap);
    void (*avg_pool)(const HcWindows *w, void *y, const void *x);
    void (*avg_spread)(const HcWindows *w, void *gx, const void *gy); /* its adjoint */

    /* The order of summation depends on m, n, k and the layouts only, and begins with start. What gemm_work
     * says depends on the same. */
    void (*gemm)(const HcGemm *g);
    size_t (*gemm_work)(const HcGemm *g);
} HcKernels;

/* The table for a type (0: float, 1: double) on this machine: the best instruction set present, or the
 * one that the environment variable HIGHERC_ISA names ("baseline", "avx2", "avx512"), if
 * present. Chosen once. */
const HcKernels *hc_kernels(int dtype);
/* What HIGHERC_ISA holds when that is the name of no level, else NULL. */
const char *hc_kernels_misnamed(void);

/* For tests: the number of levels present on this machine (at least 1, the baseline first), a level's
 * name, and its table. */
size_t hc_kernel_levels(void);
const char *hc_kernel_level_name(size_t level);
const HcKernels *hc_kernels_at(size_t level, int dtype);

#endif
