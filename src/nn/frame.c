/* Frames: what a forward asks for its weights; and forwards on base weights. */
#include <stdio.h>
#include <string.h>

#include "nn/module.h"
#include "tape/moves.h"

#define MOST_OUTPUTS 16

static _Thread_local const HcRunning *running; /* innermost first */

void hc_module_enter(HcRunning *here, const Module *root, const char *what) {
    *here = (HcRunning){root, what, running};
    running = here;
}

void hc_module_leave(const HcRunning *here) {
    HC_ASSERT(running == here);
    running = here->outer;
}

/* The names on the way from the root to a module, "" of the root, or the end of them that there is room for. */
static const char *path_of(const Module *module, const Module *root, char text[HC_SHAPE_TEXT]) {
    char *at = text + HC_SHAPE_TEXT - 1;
    *at = '\0';
    for (const Module *owner; module != root && (owner = module->owner) != NULL; module = owner)
        for (size_t i = 0; i < owner->child_count; i++) {
            if (owner->children[i].module != module) continue;
            size_t length = strlen(owner->children[i].name), dot = *at ? 1 : 0;
            if (length + dot > (size_t)(at - text)) return at;
            at -= length + dot;
            memcpy(at, owner->children[i].name, length);
            if (dot) at[length] = '.';
        }
    return at;
}

/* Says in which module of the function's it failed, where the innermost has not said so. Returns false. */
static bool failed(const Frame *frame) {
    const HcBinding *b = frame->binding;
    const char *name = frame->module->cls.name, *text = b->tape->message;
    size_t length = strlen(b->who);
    if (strncmp(text, b->who, length) == 0 && text[length] == ':') return false;
    char path[HC_SHAPE_TEXT], before[2 * HC_SHAPE_TEXT];
    const char *where = path_of(frame->module, b->root, path);
    snprintf(before, sizeof before, *where ? "%s: %.64s '%s'" : "%s: %.64s", b->who, name, where);
    size_t named = strlen(name); /* what a layer says begins with its class's name */
    hc_tell_anew(b->tape, before, strncmp(text, name, named) == 0 && text[named] == ':' ? text + named + 2 : text);
    return false;
}

static bool run(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Module *module = frame->module;
    Tape *tape = frame->binding->tape;
    if (tape->status != HC_OK) return false;
    if (nout > MOST_OUTPUTS) {
        hc_fail(tape, HC_ERR_ARG, "%zu outputs, at most %d are possible", nout, MOST_OUTPUTS);
        return failed(frame);
    }
    Tensor *made[MOST_OUTPUTS]; /* nearly always one: what it takes to clear all would be most of a call */
    made[0] = NULL;
    for (size_t i = 1; i < nout; i++)
        made[i] = NULL;
    size_t told = hc_errors_told();
    bool done = module->cls.forward(frame, in, nin, made, nout);
    if (!hc_take_error(tape, told) || !done) {
        hc_fail(tape, HC_ERR_STATE, "its forward failed");
        return failed(frame);
    }
    for (size_t i = 0; i < nout; i++)
        if (!made[i]) {
            hc_fail(tape, HC_ERR_STATE, "its forward left output %zu NULL", i);
            return failed(frame);
        }
    if (nout > 0) out[0] = made[0];
    for (size_t i = 1; i < nout; i++)
        out[i] = made[i];
    return true;
}

bool hc_module_run(const HcBinding *binding, Module *module, size_t param_base, size_t buffer_base,
                   Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Frame frame = {module, binding, param_base, buffer_base, {false, NULL}};
    HcRunning here;
    HcCalling outer = hc_call_begin(binding->tape);
    hc_module_enter(&here, binding->root, "forward");
    bool done = run(&frame, in, nin, out, nout);
    hc_module_leave(&here);
    hc_call_end(binding->tape, outer);
    return done;
}

static bool stands_in(const Module *module, const Module *tree) {
    while (module && module != tree)
        module = module->owner;
    return module != NULL;
}

bool hc_module_at_rest(const Module *module, const char *who) {
    for (const HcRunning *r = running; r; r = r->outer)
        if (stands_in(r->root, module) || stands_in(module, r->root))
            return hc_fail_thread(HC_ERR_STATE, "%s: from within the %s module's own %s", who,
                                  r->root->cls.name, r->what);
    return true;
}

/* The index in the root's plan of one of the module's own Params or buffers; the Param there is the module's. */
static size_t index_of(const HcPlan *plan, size_t base, const HcNamed *own, size_t count, size_t site) {
    HC_ASSERT(site < count && base + site < plan->sites);
    size_t index = plan->index[base + site];
    HC_ASSERT(plan->unique.items[index] == own[site].param);
    return index;
}

static Tensor *param_at(Frame *frame, size_t site) {
    const HcBinding *b = frame->binding;
    const Module *m = frame->module;
    return b->param(b->user,
                    index_of(&b->root->param_plan, frame->param_base, m->params, m->param_count, site));
}

/* That of which v stands at the site, or NULL. */
static const HcWeightNorm *norm_at(const Module *m, size_t site) {
    for (size_t i = 0; i < m->norm_count; i++)
        if (m->norms[i].v == site) return &m->norms[i];
    return NULL;
}

/* g v / |v|, the length being over all axes but one (Salimans and Kingma 2016, equation 2). */
static Tensor *normalised(Tensor *v, Tensor *g, int axis) {
    if (!v || !g) return NULL;
    uint32_t others = (((uint32_t)1 << v->form->ndim) - 1) & ~((uint32_t)1 << axis);
    Tensor *length = hc_sqrt0(hc_sum_mask(tensor_square(v), others, true, NULL));
    return tensor_mul(v, tensor_div(g, length));
}

Tensor *hc_frame_param_at(Frame *frame, size_t site) {
    const HcWeightNorm *n = norm_at(frame->module, site);
    return n ? normalised(param_at(frame, n->v), param_at(frame, n->g), n->axis) : param_at(frame, site);
}

/* Whether what stands at the site is `name`, or name_v as a weight is normalised. */
static bool is_named(const Module *m, size_t site, const char *name) {
    const char *is = m->params[site].name;
    if (strcmp(is, name) == 0) return true;
    size_t length = strlen(name);
    return norm_at(m, site) && strncmp(is, name, length) == 0 && strcmp(is + length, "_v") == 0;
}

Tensor *hc_frame_own_param(Frame *frame, size_t site, const char *name) {
    const Module *module = frame->module;
    bool made = site < module->param_count && is_named(module, site, name);
    return made ? hc_frame_param_at(frame, site) : NULL;
}

bool hc_frame_call_child(Frame *frame, size_t child, HcTail tail, Tensor *const *in, size_t nin,
                         Tensor **out, size_t nout) {
    HC_ASSERT(child < frame->module->child_count);
    Module *module = frame->module->children[child].module;
    Frame inner = {module, frame->binding, frame->param_base + module->param_base,
                   frame->buffer_base + module->buffer_base, tail};
    return run(&inner, in, nin, out, nout);
}

static bool stands(const Frame *frame, const char *who) {
    if (!frame) return hc_null(who, "the frame");
    return frame->binding->tape->status == HC_OK;
}

/* The number of a Param or buffer of the module's own; false after hc_fail. */
static bool number_of(const Frame *frame, const char *who, bool buffer, const char *name, size_t *number) {
    const Module *m = frame->module;
    size_t count = buffer ? m->buffer_count : m->param_count;
    *number = name ? hc_module_number(m, buffer, name) : count;
    if (*number < count) return true;
    return hc_fail(frame->binding->tape, HC_ERR_NAME, "%s: the %s module has no '%s'", who,
                   m->cls.name, name ? name : "(NULL)");
}

Tensor *frame_param(Frame *frame, const char *name) {
    const char *who = "frame_param";
    size_t site;
    if (!stands(frame, who)) return NULL;
    const Module *m = frame->module;
    for (size_t i = 0; name && i < m->norm_count; i++)
        if (is_named(m, m->norms[i].v, name) && strcmp(m->params[m->norms[i].v].name, name) != 0)
            return hc_frame_param_at(frame, m->norms[i].v);
    return number_of(frame, who, false, name, &site) ? param_at(frame, site) : NULL;
}

static bool buffer_index(const Frame *frame, const char *who, const char *name, size_t *index) {
    size_t site;
    if (!number_of(frame, who, true, name, &site)) return false;
    const Module *m = frame->module;
    *index = index_of(&frame->binding->root->buffer_plan, frame->buffer_base, m->buffers, m->buffer_count, site);
    return true;
}

Tensor *frame_buffer(Frame *frame, const char *name) {
    size_t index;
    const char *who = "frame_buffer";
    if (!stands(frame, who) || !buffer_index(frame, who, name, &index)) return NULL;
    return frame->binding->buffer(frame->binding->user, index);
}

bool frame_set_buffer(Frame *frame, const char *name, Tensor *value) {
    const char *who = "frame_set_buffer";
    size_t index;
    if (!stands(frame, who) || !buffer_index(frame, who, name, &index)) return false;
    const HcBinding *b = frame->binding;
    if (!value) return hc_null_on(b->tape, who, "the value");
    if (!hc_check(who, value)) return false;
    if (value->tape != b->tape)
        return hc_fail(b->tape, HC_ERR_TAPE, "%s: the value for '%s' is on another tape", who,
                       name);
    Shape wanted = b->root->buffer_plan.unique.items[index]->shape;
    char is[HC_SHAPE_TEXT], was[HC_SHAPE_TEXT];
    if (!shape_equal(tensor_shape(value), wanted))
        return hc_fail(b->tape, HC_ERR_SHAPE, "%s: '%s' is %s, the value %s", who, name,
                       hc_shape_text(wanted, was), hc_shape_text(tensor_shape(value), is));
    return b->set_buffer(b->user, index, value);
}

bool frame_call_n(Frame *frame, const char *child, Tensor *const *in, size_t nin, Tensor **out,
                  size_t nout) {
    if (!frame) return hc_null("frame_call", "the frame");
    const Module *m = frame->module;
    size_t number = child ? hc_module_child(m, child, strlen(child)) : m->child_count;
    if (number < m->child_count)
        return hc_frame_call_child(frame, number, (HcTail){false, NULL}, in, nin, out, nout);
    return hc_fail(frame->binding->tape, HC_ERR_NAME, "frame_call: the %s module has no child '%s'",
                   m->cls.name, child ? child : "(NULL)");
}

Tensor *frame_call(Frame *frame, const char *child, Tensor *x) {
    Tensor *y = NULL;
    return frame_call_n(frame, child, &x, 1, &y, 1) ? y : NULL;
}

bool frame_training(const Frame *frame) {
    return frame && frame->binding->training;
}

size_t frame_step(const Frame *frame) {
    return frame ? frame->binding->step : 0;
}

bool frame_keeps_statistics(const Frame *frame) {
    return frame && !frame->binding->no_statistics;
}

void *frame_state(const Frame *frame) {
    return frame ? frame->module->state : NULL;
}

Tape *frame_tape(const Frame *frame) {
    return frame ? frame->binding->tape : NULL;
}

/* ---- forwards on base weights --------------------------------------------------------------------- */

typedef struct Base {
    Module *module;
    Tape *tape;
} Base;

static Tensor *base_param(void *user, size_t index) {
    Base *base = user;
    return param_tensor(base->tape, base->module->param_plan.unique.items[index]);
}

Tensor *hc_buffer_tensor(Tape *tape, Param *buffer) {
    return hc_leaf_of(param_tensor(tape, buffer), false, false, HC_WHY_CONSTANT);
}

bool hc_buffer_write(Param *buffer, const Tensor *value) {
    const char *who = "frame_set_buffer";
    Tape *tape = value->tape;
    if (buffer->dtype != tape->dtype)
        return hc_fail(tape, HC_ERR_DTYPE, "%s: '%s' was converted to the other type",
                       who, buffer->cell.name);
    if (tape->again) return true;
    hc_note_read(value); /* what a replay would not write */
    if (!hc_moves_add(tape, who, value, buffer->data) || !hc_moves_hold(tape, who)) return false;
    hc_moves_make(tape);
    hc_param_written(buffer);
    return true;
}

static Tensor *base_buffer(void *user, size_t index) {
    Base *base = user;
    return hc_buffer_tensor(base->tape, base->module->buffer_plan.unique.items[index]);
}

static bool base_set_buffer(void *user, size_t index, Tensor *value) {
    return hc_buffer_write(((Base *)user)->module->buffer_plan.unique.items[index], value);
}

static bool forward(const char *who, Module *module, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (!module) return hc_null(who, "the module");
    if (!in || !out) return hc_null(who, in ? "the list of outputs" : "the list of inputs");
    if (nin == 0) return hc_fail_thread(HC_ERR_ARG, "%s: no inputs", who);
    if (!hc_check_all(who, in, nin)) return false;
    Tape *tape = in[0]->tape;
    if (tape->dtype != module->dtype)
        return hc_fail(tape, HC_ERR_DTYPE, "%s: the module is %s, the tape %s (module_to)", who,
                       module->dtype == HC_F32 ? "f32" : "f64",
                       tape->dtype == HC_F32 ? "f32" : "f64");
    Base base = {module, tape};
    HcBinding binding = {.who = who,
                         .root = module,
                         .tape = tape,
                         .training = module->training,
                         .param = base_param,
                         .buffer = base_buffer,
                         .set_buffer = base_set_buffer,
                         .user = &base};
    return hc_module_run(&binding, module, 0, 0, in, nin, out, nout);
}

bool module_forward_n(Module *module, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    return forward("module_forward_n", module, in, nin, out, nout);
}

Tensor *module_forward(Module *module, Tensor *x) {
    Tensor *y;
    return forward("module_forward", module, &x, 1, &y, 1) ? y : NULL;
}

bool hc_one_to_one(Frame *frame, size_t nin, size_t nout) {
    return (nin == 1 && nout == 1) ||
           hc_fail(frame->binding->tape, HC_ERR_ARG, "takes one tensor and gives one, not %zu and %zu", nin, nout);
}
