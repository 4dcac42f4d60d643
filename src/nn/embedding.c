/* Embedding: a table of rows. */
#include "higherc/layers.h"
#include "nn/module.h"

static bool embedding_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                              size_t nout) {
    if (!hc_one_to_one(frame, nin, nout)) return false;
    out[0] = tensor_embedding(in[0], hc_frame_param_at(frame, 0));
    return out[0] != NULL;
}

static bool embedding_init(Module *module, Rng *rng) {
    Param *weight = module->params[0].param;
    if (!weight->frozen) param_normal(weight, 0, 1, 0, rng);
    return true;
}

Module *module_embedding(size_t count, size_t size) {
    static const ModuleClass cls = {
        .name = "embedding", .forward = embedding_forward, .init = embedding_init};
    Module *module = module_create(&cls, NULL);
    if (module && hc_module_own_param(module, "weight", shape2(count, size))) return module;
    module_destroy(module);
    return NULL;
}
