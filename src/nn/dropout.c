/* Dropout: random in training mode, nothing in evaluation mode. */
#include "higherc/layers.h"
#include "nn/module.h"

static bool dropout_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                            size_t nout) {
    if (!hc_one_to_one(frame, nin, nout)) return false;
    const double *p = frame_state(frame);
    out[0] = frame_training(frame) ? tensor_dropout(in[0], *p, NULL) : in[0];
    return out[0] != NULL;
}

static void *clone_p(const void *state) {
    return hc_copy_bytes(state, sizeof(double));
}

Module *module_dropout(double p) {
    static const ModuleClass cls = {.name = "dropout",
                                    .forward = dropout_forward,
                                    .clone_state = clone_p,
                                    .destroy_state = hc_free};
    if (p >= 0 && p <= 1) return hc_module_with(&cls, &p, sizeof p);
    hc_fail_thread(HC_ERR_ARG, "module_dropout: p %g is not in [0, 1]", p);
    return NULL;
}
