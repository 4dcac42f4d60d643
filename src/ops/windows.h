/* What convolution and pooling share: windows that slide over images [N, C, H, W]. */
#ifndef HC_OPS_WINDOWS_H
#define HC_OPS_WINDOWS_H

#include "ops/ops.h"

/* The form [n, c, h, w] stored with the channels last, or NULL after hc_fail. */
const HcForm *hc_channels_last(Tensor *y, size_t n, size_t c, size_t h, size_t w);
/* For forwards: images as stored so. */
const void *hc_channels_last_input(Tensor *y, size_t j);
/* How windows stand along an axis: zeros before the first place of x and after the last. */
typedef struct HcSide {
    size_t stride, before, after, dilation;
} HcSide;
/* How many places a window with so many taps takes. */
size_t hc_window_count(const HcSide *side, size_t size, size_t taps);
/* Checks the settings of the axis H (0) or W (1), and that the window fits x; false after hc_fail. */
bool hc_window_fits(const char *who, const Tensor *x, int axis, const HcSide *side, size_t taps);
/* Into how many shares `count` images or taps are cut for the threads of the tape's pool: 1 where there are
 * not two, or little to do, `cost` in multiply-adds. Share i is [i * count / shares, (i + 1) * count / shares).
 * No number depends on the cut. */
size_t hc_window_shares(const Tape *tape, size_t count, size_t cost);

/* ---- pool.c ---- */
/* Checks x and options, and makes attributes of them; false after hc_fail. */
bool hc_pool_attr(const char *who, const Tensor *x, const Pool2dOptions *options, HcAttr *attr);
/* Windows over x, by a result or record of these attributes. */
HcConv hc_pool_geometry(const HcAttr *attr, const HcForm *x, const HcForm *y);
/* The record of a max-pool of input 0, [2, N, C, P, Q]: the largest numbers, and under which tap of its window
 * each was found, -1 for none. */
bool hc_winners_infer(Tensor *y);
void *hc_taps_of(const Tensor *winners);
/* x at those taps, as an operation. */
Tensor *hc_pick(Tensor *x, Tensor *winners);
/* The max-pool of attributes, of relu(x) where they say so. */
Tensor *hc_max_pool(Tensor *x, const HcAttr *attr);

#endif
