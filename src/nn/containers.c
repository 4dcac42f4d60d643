/* Containers beside sequential (layers.c): branches that see the same input; a function in the place of a module. */
#include "nn/module.h"

/* ---- branches -------------------------------------------------------------------------------------------- */

/* Results of all children on one input, in a list of the tape's; NULL after hc_fail. */
static Tensor **run_branches(Frame *frame, Tensor *x) {
    size_t count = frame->module->child_count;
    Tensor **y = hc_tape_alloc(x->tape, count * sizeof *y, frame->module->cls.name);
    for (size_t i = 0; y && i < count; i++)
        if (!hc_frame_call_child(frame, i, (HcTail){false, NULL}, &x, 1, &y[i], 1)) return NULL;
    return y;
}

static Module *branches(const ModuleClass *cls, const void *state, size_t bytes, Module *const *children,
                        size_t count) {
    Module *module = hc_module_of(cls, state, bytes, children, count);
    if (count > 0 || !module) return module;
    hc_fail_thread(HC_ERR_ARG, "module_%s: no children", cls->name);
    module_destroy(module);
    return NULL;
}

static bool sum_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (!hc_one_to_one(frame, nin, nout)) return false;
    Tensor **y = run_branches(frame, in[0]), *sum = y ? y[0] : NULL;
    for (size_t i = 1; sum && i < frame->module->child_count; i++)
        sum = hc_same_shape("module_sum", sum, y[i]) ? tensor_add(sum, y[i]) : NULL;
    out[0] = sum;
    return sum != NULL;
}

Module *module_sum(Module *const *children, size_t count) {
    static const ModuleClass cls = {.name = "sum", .forward = sum_forward};
    return branches(&cls, NULL, 0, children, count);
}

static bool concat_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (!hc_one_to_one(frame, nin, nout)) return false;
    Tensor **y = run_branches(frame, in[0]);
    out[0] = y ? tensor_concat(y, frame->module->child_count, *(const int *)frame_state(frame)) : NULL;
    return out[0] != NULL;
}

static void *clone_axis(const void *state) {
    return hc_copy_bytes(state, sizeof(int));
}

Module *module_concat(Module *const *children, size_t count, int axis) {
    static const ModuleClass cls = {
        .name = "concat", .forward = concat_forward, .clone_state = clone_axis, .destroy_state = hc_free};
    return branches(&cls, &axis, sizeof axis, children, count);
}

/* ---- a function ------------------------------------------------------------------------------------------ */

typedef struct Lambda {
    ModuleFn *fn;
    void *user;
} Lambda;

static bool lambda_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (!hc_one_to_one(frame, nin, nout)) return false;
    const Lambda *lambda = frame_state(frame);
    out[0] = lambda->fn(in[0], lambda->user);
    return out[0] && hc_check_all("module_lambda", (Tensor *[]){in[0], out[0]}, 2);
}

static void *clone_lambda(const void *state) {
    return hc_copy_bytes(state, sizeof(Lambda));
}

Module *module_lambda(ModuleFn *fn, void *user) {
    static const ModuleClass cls = {
        .name = "lambda", .forward = lambda_forward, .clone_state = clone_lambda, .destroy_state = hc_free};
    Lambda lambda = {fn, user};
    if (fn) return hc_module_with(&cls, &lambda, sizeof lambda);
    hc_null("module_lambda", "the function");
    return NULL;
}
