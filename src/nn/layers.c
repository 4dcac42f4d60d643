/* The layers without running state: linear, activations, flatten, sequential. */
#include <string.h>

#include "nn/module.h"
#include "ops/ops.h"

/* ---- linear ------------------------------------------------------------------------------------- */

static bool linear_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (!hc_one_to_one(frame, nin, nout)) return false;
    Tensor *weight = hc_frame_param_at(frame, 0);
    Tensor *bias = hc_frame_own_param(frame, 1, "bias");
    out[0] =
        frame->tail.relu ? hc_linear_relu(in[0], weight, bias) : tensor_linear(in[0], weight, bias);
    return out[0] != NULL;
}

static Module *linear(size_t in, size_t out, bool biased) {
    static const ModuleClass cls = {.name = "linear", .forward = linear_forward};
    Module *module = module_create(&cls, NULL);
    if (module && hc_module_own_param(module, "weight", shape2(out, in)) &&
        (!biased || hc_module_own_param(module, "bias", shape1(out)))) {
        module->takes_relu = true;
        return module;
    }
    module_destroy(module);
    return NULL;
}

Module *module_linear(size_t in, size_t out) {
    return linear(in, out, true);
}

Module *module_linear_no_bias(size_t in, size_t out) {
    return linear(in, out, false);
}

/* ---- activations ----------------------------------------------------------------------------------- */

#define ACTIVATION_FORWARD(id, formula)                                                            \
    static bool id##_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,            \
                             size_t nout) {                                                        \
        if (!hc_one_to_one(frame, nin, nout)) return false;                                        \
        Tensor *x = in[0];                                                                         \
        out[0] = formula;                                                                          \
        return out[0] != NULL;                                                                     \
    }

#define ACTIVATION(id, formula)                                                                    \
    ACTIVATION_FORWARD(id, formula)                                                                \
    Module *module_##id(void) {                                                                    \
        static const ModuleClass cls = {.name = #id, .forward = id##_forward};                     \
        return module_create(&cls, NULL);                                                          \
    }

ACTIVATION(identity, x)
ACTIVATION(gelu, tensor_gelu(x))
ACTIVATION(silu, tensor_silu(x))
ACTIVATION(softplus, tensor_softplus(x))
ACTIVATION(tanh, tensor_tanh(x))
ACTIVATION(sigmoid, tensor_sigmoid(x))

ACTIVATION_FORWARD(relu, hc_tail(x, (HcTail){true, frame->tail.pool}))

Module *module_relu(void) {
    static const ModuleClass cls = {.name = "relu", .forward = relu_forward};
    Module *module = module_create(&cls, NULL);
    if (module) module->takes_pool = true;
    return module;
}

static Tensor *flatten(Tensor *x) {
    if (!hc_check("module_flatten", x)) return NULL;
    if (x->form->ndim < 2) return tensor_reshape(x, shape2(tensor_count(x), 1));
    size_t rest = 1;
    for (int i = 1; i < x->form->ndim; i++)
        rest *= x->form->dim[i];
    return tensor_reshape(x, shape2(x->form->dim[0], rest));
}

ACTIVATION(flatten, flatten(x))

/* With a number, which the module owns. */
static void *clone_number(const void *state) {
    return hc_copy_bytes(state, sizeof(double));
}

static Module *with_number(ModuleClass cls, double number) {
    cls.clone_state = clone_number;
    cls.destroy_state = hc_free;
    return hc_module_with(&cls, &number, sizeof number);
}

#define NUMBERED(id, type, formula)                                                                \
    static bool id##_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,            \
                             size_t nout) {                                                        \
        if (!hc_one_to_one(frame, nin, nout)) return false;                                        \
        Tensor *x = in[0];                                                                         \
        type c = (type) * (double *)frame_state(frame);                                            \
        out[0] = formula;                                                                          \
        return out[0] != NULL;                                                                     \
    }                                                                                              \
    Module *module_##id(type number) {                                                             \
        return with_number((ModuleClass){.name = #id, .forward = id##_forward}, number);           \
    }

NUMBERED(leaky_relu, double, tensor_leaky_relu(x, c))
NUMBERED(elu, double, tensor_elu(x, c))
NUMBERED(softmax, int, tensor_softmax(x, c))
NUMBERED(log_softmax, int, tensor_log_softmax(x, c))

/* ---- PReLU --------------------------------------------------------------------------------------------- */

static bool prelu_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (!hc_one_to_one(frame, nin, nout)) return false;
    out[0] = tensor_prelu(in[0], hc_frame_param_at(frame, 0));
    return out[0] != NULL;
}

static bool init_prelu(Module *module, Rng *rng) {
    Param *slope = module->params[0].param;
    (void)rng;
    return slope->frozen || param_fill(slope, *(double *)module->state);
}

Module *module_prelu(size_t channels, double slope) {
    ModuleClass cls = {.name = "prelu", .forward = prelu_forward, .init = init_prelu};
    Module *module = with_number(cls, slope);
    if (!module || hc_module_own_param(module, "weight", shape1(channels))) return module;
    module_destroy(module);
    return NULL;
}

/* ---- sequential --------------------------------------------------------------------------------------- */

/* The tail that child i's own forward can make of what follows it, without the values in between; how many
 * children that is. */
static size_t joined(const Module *module, size_t i, HcTail *tail) {
    const Module *child = module->children[i].module;
    size_t next = i + 1;
    *tail = (HcTail){false, NULL};
    if (child->takes_relu && next < module->child_count &&
        module->children[next].module->cls.forward == relu_forward) {
        tail->relu = true;
        next++;
    }
    if (child->takes_pool && next < module->child_count)
        tail->pool = hc_max_pool2d_options(module->children[next].module);
    return next - i + (tail->pool != NULL);
}

static bool sequential_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                               size_t nout) {
    if (!hc_one_to_one(frame, nin, nout)) return false;
    Tensor *x = in[0];
    for (size_t i = 0; i < frame->module->child_count;) {
        Tensor *y;
        HcTail tail;
        size_t count = joined(frame->module, i, &tail);
        if (!hc_frame_call_child(frame, i, tail, &x, 1, &y, 1)) return false;
        x = y;
        i += count;
    }
    out[0] = x;
    return true;
}

Module *module_sequential(Module *const *children, size_t count) {
    static const ModuleClass cls = {.name = "sequential", .forward = sequential_forward};
    return hc_module_of(&cls, NULL, 0, children, count);
}
