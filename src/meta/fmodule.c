/* Functional modules: a module's tree, and a chain of snapshots of its weights. */
#include "meta/fmodule.h"
#include "tape/moves.h"

#include <string.h>

FModuleOptions fmodule_options(bool copy_initial_weights) {
    return (FModuleOptions){.copy_initial_weights = copy_initial_weights, .mode = HC_FULL};
}

/* ---- snapshots ------------------------------------------------------------------------------------- */

static Tensor **copy_list(Tape *tape, Tensor *const *list, size_t count) {
    Tensor **copy = hc_tape_alloc(tape, count * sizeof *copy, "fmodule");
    if (copy && count) memcpy(copy, list, count * sizeof *copy);
    return copy;
}

bool hc_fmodule_push(FModule *root, Tensor *const *weights, Tensor *const *buffers, size_t step,
                     bool cut) {
    Tape *tape = root->tape;
    HC_ASSERT(root->root == root);
    HcWeights *next = hc_tape_alloc(tape, sizeof *next, "fmodule");
    if (!next) return false;
    *next = *root->now;
    if (weights && !(next->weights = copy_list(tape, weights, root->weight_slots.count)))
        return false;
    if (buffers && !(next->buffers = copy_list(tape, buffers, root->buffer_slots.count)))
        return false;
    next->prev = root->now;
    next->step = step;
    next->cut = cut;
    next->place = hc_arena_top(&tape->data);
    HC_ASSERT(hc_position_before(next->prev->place, next->place));
    root->now = next;
    return true;
}

static bool keep(HcScope *scope, const TapeMark *mark) {
    FModule *f = (FModule *)scope;
    const HcWeights *now = f->now;
    bool above = hc_above(now->place, mark);
    f->keeps = above && (f->mode == HC_EVAL || now->cut);
    f->stepping = f->stepping && above && !f->keeps;
    f->kept = *now;
    if (f->keeps && !hc_slots_keep(&f->weight_slots, now->weights, mark)) return false;
    return !(f->keeps || f->stepping) || hc_slots_keep(&f->buffer_slots, now->buffers, mark);
}

static void back(HcScope *scope, const TapeMark *mark) {
    FModule *f = (FModule *)scope;
    if (mark->nodes < f->base.nodes || hc_above((HcPosition){f->base.block, f->base.offset}, mark))
        f->base = *mark;
    while (hc_above(f->now->place, mark))
        f->now = f->now->prev;
}

static void restore(HcScope *scope, const TapeMark *mark) {
    FModule *f = (FModule *)scope;
    (void)mark;
    if (!f->keeps && !f->stepping) return;
    /* The lists go where the old snapshot was, so the slots hand over first. */
    HcWhy why = f->mode == HC_EVAL ? HC_WHY_EVAL : HC_WHY_DETACHED;
    Tensor **weights = f->keeps ? f->weight_slots.list : NULL, **buffers = f->buffer_slots.list;
    if ((weights && !hc_slots_restore(&f->weight_slots, f->tape, weights, why)) ||
        !hc_slots_restore(&f->buffer_slots, f->tape, buffers, HC_WHY_CONSTANT))
        return;
    const HcWeights *which = f->keeps ? &f->kept : f->now;
    if (hc_fmodule_push(f, weights, buffers, which->step, which->cut))
        f->now->training = f->kept.training;
}

/* ---- making ------------------------------------------------------------------------------------------ */

/* W<0> of one Param: with history, detached, or a constant. */
static Tensor *first_weight(Tape *tape, Param *param, bool copy) {
    Tensor *leaf = param_tensor(tape, param);
    if (!leaf) return NULL;
    if (!copy && !param->frozen) return tensor_clone(leaf);
    HcWhy why = param->frozen ? HC_WHY_FROZEN : HC_WHY_COPIED;
    return hc_leaf_of(leaf, false, !param->frozen, why);
}

static FModule *create(const char *who, Tape *tape, Module *module, FModuleOptions options);

FModule *fmodule_create(Tape *tape, Module *module, bool copy_initial_weights) {
    return create("fmodule_create", tape, module, fmodule_options(copy_initial_weights));
}

FModule *fmodule_create_with(Tape *tape, Module *module, FModuleOptions options) {
    return create("fmodule_create_with", tape, module, options);
}

static FModule *create(const char *who, Tape *tape, Module *module, FModuleOptions options) {
    if (!tape || !module) {
        hc_null_on(tape, who, tape ? "the module" : "the tape");
        return NULL;
    }
    if (tape->status != HC_OK) {
        hc_tell_again(tape);
        return NULL;
    }
    if ((unsigned)options.mode > HC_EVAL) {
        hc_fail(tape, HC_ERR_ARG, "%s: %d is no mode", who, (int)options.mode);
        return NULL;
    }
    if ((unsigned)options.buffers > HC_BUFFERS_BATCH) {
        hc_fail(tape, HC_ERR_ARG, "%s: %d is no policy for buffers", who, (int)options.buffers);
        return NULL;
    }
    if (module->dtype != tape->dtype) {
        hc_fail(tape, HC_ERR_DTYPE, "%s: the module is %s, the tape %s (module_to)", who,
                module->dtype == HC_F32 ? "f32" : "f64", tape->dtype == HC_F32 ? "f32" : "f64");
        return NULL;
    }
    ParamList params = module_params(module), buffers = module_buffers(module);
    if (options.buffers == HC_BUFFERS_SHARE)
        buffers.count = 0; /* read and written where they are */
    HcWeights *first = hc_tape_alloc(tape, sizeof *first, who);
    Tensor **weights = hc_tape_alloc(tape, params.count * sizeof *weights, who);
    Tensor **constants = hc_tape_alloc(tape, buffers.count * sizeof *constants, who);
    if (!first || !weights || !constants) return NULL;
    for (size_t i = 0; i < params.count; i++)
        if (!(weights[i] = first_weight(tape, params.items[i], options.copy_initial_weights)))
            return NULL;
    for (size_t i = 0; i < buffers.count; i++)
        if (!(constants[i] = hc_buffer_tensor(tape, buffers.items[i]))) return NULL;
    if (!hc_tape_stamp(tape, module->version, who)) return NULL;
    FModule made = {.scope = {.keep = keep, .back = back, .restore = restore},
                    .tape = tape,
                    .module = module,
                    .plan = module->version,
                    .planned = module->version->changes,
                    .mode = options.mode,
                    .policy = options.buffers,
                    .now = first};
    if (!hc_slots_create(tape, &made.weight_slots, weights, params.count, who) ||
        !hc_slots_create(tape, &made.buffer_slots, constants, buffers.count, who))
        return NULL;
    *first = (HcWeights){.weights = weights,
                         .buffers = constants,
                         .training = module->training,
                         .place = hc_arena_top(&tape->data)};
    FModule *f = hc_tape_add_scope(tape, &made, sizeof made, HC_FMODULE_WORD, who);
    if (f) f->root = f;
    return f;
}

/* Whether it is still on its tape, as far as its memory tells. */
static bool there(const FModule *f) {
    return f && f->scope.check == HC_FMODULE_WORD && f->root->scope.check == HC_FMODULE_WORD;
}

bool hc_fmodule_usable(const FModule *f, const char *who) {
    if (!f) return hc_null(who, "the module");
    if (!there(f))
        return hc_fail_thread(HC_ERR_EXPIRED, "%s: the module was freed by a reset or release",
                              who);
    const FModule *root = f->root;
    if (root->plan->changes != root->planned)
        return hc_fail(
            f->tape, HC_ERR_CHANGED,
            root->plan->changes == UINT64_MAX
                ? "%s: the module it was made of was destroyed"
                : "%s: the module it was made of has got a child, a Param or a tie since",
            who);
    return f->tape->status == HC_OK;
}

/* ---- forward ------------------------------------------------------------------------------------------- */

typedef struct Weights {
    FModule *root;
    Tensor *const *weights;
} Weights;

static Tensor *fast_param(void *user, size_t index) {
    return ((Weights *)user)->weights[index];
}

/* The buffer with that index of the root's list. */
static Tensor *present_buffer(const FModule *root, size_t index) {
    if (root->policy == HC_BUFFERS_SHARE)
        return hc_buffer_tensor(root->tape, root->module->buffer_plan.unique.items[index]);
    return root->now->buffers[index];
}

static Tensor *fast_buffer(void *user, size_t index) {
    return present_buffer(((Weights *)user)->root, index);
}

static bool fast_set_buffer(void *user, size_t index, Tensor *value) {
    FModule *root = ((Weights *)user)->root;
    if (root->policy == HC_BUFFERS_BATCH) return true;
    if (root->policy == HC_BUFFERS_SHARE)
        return hc_buffer_write(root->module->buffer_plan.unique.items[index], value);
    Tensor *detached = tensor_detach(value);
    if (!detached ||
        !hc_fmodule_push(root, NULL, root->now->buffers, root->now->step, root->now->cut))
        return false;
    root->now->buffers[index] = detached;
    return true;
}

static bool run(const char *who, FModule *f, Tensor *const *weights, Tensor *const *in, size_t nin, Tensor **out,
                size_t nout) {
    Weights user = {f->root, weights};
    HcBinding binding = {.who = who,
                         .root = f->root->module,
                         .tape = f->tape,
                         .training = f->root->now->training,
                         .no_statistics = f->root->policy == HC_BUFFERS_BATCH,
                         .step = f->root->now->step,
                         .param = fast_param,
                         .buffer = fast_buffer,
                         .set_buffer = fast_set_buffer,
                         .user = &user};
    for (size_t i = 0; i < nin; i++)
        if (!in[i] && higherc_status() == HC_OK)
            return hc_fail(f->tape, HC_ERR_ARG, "%s: input %zu is NULL", who, i);
    if (!hc_check_all(who, in, nin)) return false;
    if (in[0]->tape != f->tape)
        return hc_fail(f->tape, HC_ERR_TAPE, "%s: the input is on another tape than the functional module", who);
    HcWeights *before = f->root->now;
    if (hc_module_run(&binding, f->module, f->param_base, f->buffer_base, in, nin, out, nout))
        return true;
    f->root->now = before; /* buffers that were set on the way */
    return false;
}

static bool forward(const char *who, FModule *f, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (!hc_fmodule_usable(f, who)) return false;
    if (!in || !out) return hc_null_on(f->tape, who, in ? "the list of outputs" : "the list of inputs");
    if (nin == 0) return hc_fail(f->tape, HC_ERR_ARG, "%s: no inputs", who);
    return run(who, f, f->root->now->weights, in, nin, out, nout);
}

bool fmodule_forward_n(FModule *f, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    return forward("fmodule_forward_n", f, in, nin, out, nout);
}

Tensor *fmodule_forward(FModule *f, Tensor *x) {
    Tensor *y;
    return forward("fmodule_forward", f, &x, 1, &y, 1) ? y : NULL;
}

/* A list in the order of fmodule_params, each with its weight's shape. */
static bool check_weights(const FModule *f, const char *who, Tensor *const *params, size_t count) {
    ParamList list = module_params(f->root->module);
    if (!params && count > 0) return hc_null_on(f->tape, who, "the list of tensors");
    if (count != list.count)
        return hc_fail(f->tape, HC_ERR_SHAPE, "%s: %zu tensors for %zu parameters", who, count,
                       list.count);
    if (count > 0 && !hc_check_all(who, params, count)) return false;
    for (size_t i = 0; i < count; i++) {
        char a[HC_SHAPE_TEXT], b[HC_SHAPE_TEXT];
        if (params[i]->tape != f->tape)
            return hc_fail(f->tape, HC_ERR_TAPE, "%s: tensor %zu is on another tape than the functional module", who,
                           i);
        if (!shape_equal(tensor_shape(params[i]), list.items[i]->shape))
            return hc_fail(f->tape, HC_ERR_SHAPE, "%s: '%s' is %s, the tensor %s", who,
                           list.items[i]->cell.name, hc_shape_text(list.items[i]->shape, a),
                           hc_shape_text(tensor_shape(params[i]), b));
    }
    return true;
}

Tensor *fmodule_forward_with(FModule *f, Tensor *const *params, size_t count, Tensor *x) {
    const char *who = "fmodule_forward_with";
    Tensor *y;
    if (!hc_fmodule_usable(f, who) || !check_weights(f, who, params, count)) return NULL;
    return run(who, f, params, &x, 1, &y, 1) ? y : NULL;
}

/* ---- looking ---------------------------------------------------------------------------------------------- */

TensorList fmodule_params(const FModule *f) {
    if (!there(f)) return (TensorList){NULL, 0};
    return (TensorList){f->root->now->weights, f->root->weight_slots.count};
}

TensorList fmodule_params_at(const FModule *f, size_t t) {
    if (!hc_fmodule_usable(f, "fmodule_params_at")) return (TensorList){NULL, 0};
    const HcWeights *w = f->root->now;
    while (w->step > t && w->prev)
        w = w->prev;
    if (w->step == t) return (TensorList){w->weights, f->root->weight_slots.count};
    hc_fail(f->tape, HC_ERR_RANGE, "fmodule_params_at: W<%zu> is not there: W<%zu> is the latest%s",
            t, f->root->now->step,
            t < f->root->now->step ? ", and what lies before a release is gone" : "");
    return (TensorList){NULL, 0};
}

static Tensor *by_path(const FModule *f, const char *path, bool buffer, const char *who) {
    size_t site;
    if (!hc_fmodule_usable(f, who)) return NULL;
    if (!path || !hc_module_site(f->module, path, buffer, &site)) {
        hc_fail(f->tape, path ? HC_ERR_NAME : HC_ERR_ARG, "%s: there is no '%s'", who,
                path ? path : "(NULL)");
        return NULL;
    }
    const FModule *root = f->root;
    if (buffer) return present_buffer(root, root->module->buffer_plan.index[f->buffer_base + site]);
    return root->now->weights[root->module->param_plan.index[f->param_base + site]];
}

Tensor *fmodule_param(const FModule *f, const char *path) {
    return by_path(f, path, false, "fmodule_param");
}

Tensor *fmodule_buffer(const FModule *f, const char *path) {
    return by_path(f, path, true, "fmodule_buffer");
}

size_t fmodule_steps(const FModule *f) {
    return there(f) ? f->root->now->step : 0;
}

FMode fmodule_mode(const FModule *f) {
    return there(f) ? f->mode : HC_FULL;
}

Tape *fmodule_tape(const FModule *f) {
    return there(f) ? f->tape : NULL;
}

bool fmodule_training(const FModule *f) {
    return there(f) && f->root->now->training;
}

FModule *fmodule_child(FModule *f, const char *path) {
    const char *who = "fmodule_child";
    if (!hc_fmodule_usable(f, who)) return NULL;
    size_t param_base = f->param_base, buffer_base = f->buffer_base;
    Module *module =
        path ? hc_module_walk(f->module, path, strlen(path), &param_base, &buffer_base) : NULL;
    if (!module) {
        hc_fail(f->tape, path ? HC_ERR_NAME : HC_ERR_ARG, "%s: there is no '%s'", who,
                path ? path : "(NULL)");
        return NULL;
    }
    FModule child = {.root = f->root,
                     .tape = f->tape,
                     .module = module,
                     .param_base = param_base,
                     .buffer_base = buffer_base,
                     .mode = f->mode,
                     .policy = f->policy};
    return hc_tape_add_scope(f->tape, &child, sizeof child, HC_FMODULE_WORD, who);
}

/* ---- changing ------------------------------------------------------------------------------------------------ */

bool fmodule_train(FModule *f, bool training) {
    if (!hc_fmodule_usable(f, "fmodule_train")) return false;
    FModule *root = f->root;
    if (root->now->training == training) return true;
    if (!hc_fmodule_push(root, NULL, NULL, root->now->step, root->now->cut)) return false;
    root->now->training = training;
    return true;
}

bool fmodule_set_params(FModule *f, Tensor *const *params, size_t count) {
    const char *who = "fmodule_set_params";
    if (!hc_fmodule_usable(f, who) || !check_weights(f, who, params, count) ||
        !hc_fmodule_push(f->root, params, NULL, f->root->now->step + 1, false))
        return false;
    /* A step in HC_FIRST_ORDER that frees goes on from them. */
    if (f->mode == HC_FIRST_ORDER) f->root->base = tape_mark(f->tape);
    return true;
}

bool fmodule_detach(FModule *f) {
    if (!hc_fmodule_usable(f, "fmodule_detach")) return false;
    FModule *root = f->root;
    /* A snapshot first: its list is this function's to fill, and it goes back if that fails. */
    HcWeights *before = root->now;
    if (!hc_fmodule_push(root, before->weights, NULL, before->step, true)) return false;
    for (size_t i = 0; i < root->weight_slots.count; i++) {
        Tensor **w = &root->now->weights[i];
        if ((*w)->flags & HC_NODE_NEEDS) *w = hc_leaf_of(*w, true, true, HC_WHY_DETACHED);
        if (!*w) {
            root->now = before;
            return false;
        }
    }
    root->now->place = hc_arena_top(&f->tape->data);
    return true;
}

static bool same_list(ParamList a, ParamList b) {
    for (size_t i = 0; a.count == b.count && i < a.count; i++)
        if (!shape_equal(a.items[i]->shape, b.items[i]->shape)) return false;
    return a.count == b.count;
}

/* The tensor that a buffer of the module committed to takes its numbers from; shared ones are in its own
 * module already, and another module gets a copy. */
static const Tensor *committed_buffer(const FModule *root, size_t i) {
    if (root->policy == HC_BUFFERS_COPY) return root->now->buffers[i];
    return param_tensor(root->tape, module_buffers(root->module).items[i]);
}

bool fmodule_commit(const FModule *f, Module *module) {
    const char *who = "fmodule_commit";
    if (!hc_fmodule_usable(f, who)) return false;
    if (!module) return hc_fail(f->tape, HC_ERR_ARG, "%s: the module is NULL", who);
    ParamList params = module_params(module), buffers = module_buffers(module);
    if (module->dtype != f->tape->dtype)
        return hc_fail(f->tape, HC_ERR_DTYPE, "%s: the module is %s, the tape %s (module_to)", who,
                       module->dtype == HC_F32 ? "f32" : "f64", f->tape->dtype == HC_F32 ? "f32" : "f64");
    if (f->root->policy == HC_BUFFERS_SHARE && f->root->module->dtype != f->tape->dtype)
        return hc_fail(f->tape, HC_ERR_DTYPE, "%s: the shared buffers were converted", who);
    if (!same_list(params, module_params(f->root->module)) ||
        !same_list(buffers, module_buffers(f->root->module)))
        return hc_fail(f->tape, HC_ERR_SHAPE, "%s: the module has another structure", who);
    const FModule *root = f->root;
    Tape *tape = root->tape;
    if (root->policy == HC_BUFFERS_BATCH) buffers.count = 0;
    for (size_t i = 0; i < params.count; i++)
        if (!hc_moves_add(tape, who, root->now->weights[i], params.items[i]->data)) return false;
    for (size_t i = 0; i < buffers.count; i++) {
        const Tensor *from = committed_buffer(root, i);
        if (!from || !hc_moves_add(tape, who, from, buffers.items[i]->data)) {
            hc_moves_drop(tape);
            return false;
        }
    }
    if (!hc_moves_hold(tape, who)) return false;
    hc_moves_make(tape);
    for (size_t i = 0; i < params.count; i++)
        hc_param_written(params.items[i]);
    for (size_t i = 0; i < buffers.count; i++)
        hc_param_written(buffers.items[i]);
    return true;
}
