/* higherc.h with a prefix, after the header of another library. */
#include OTHER

#undef HIGHERC_SHORT_NAMES
#ifndef HIGHERC_PREFIX
#define HIGHERC_PREFIX hc_
#endif
#include <higherc/higherc.h>

#ifdef __cplusplus
extern "C"
#endif
hc_Tensor *use(hc_Tape *tape);

hc_Tensor *use(hc_Tape *tape) {
    hc_Shape shape = hc_shape1(3);
    return hc_tensor_mse_loss(hc_tensor_zeros(tape, shape), hc_tensor_ones(tape, shape));
}
