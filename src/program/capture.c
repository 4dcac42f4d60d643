/* Capture. The backward pass is swept abstractly above the tape's top (placed, not computed), what outputs
 * and gradients need is found from there down and copied into the program in order, and the tape is taken
 * back to where it was. A gradient that was kept as a constant (HC_FIRST_ORDER, HC_EVAL) is taken
 * again in the same way, and computed where it stood. */
#include <string.h>

#include "base/held.h"
#include "ops/ops.h"
#include "program/call.h"
#include "program/capture.h"
#include "program/series.h"

static const char who[] = "program_capture";

/* ---- what is asked for --------------------------------------------------------------------------- */

static bool check_input(Tape *tape, const Tensor *x, size_t i) {
    if (x->nin > 0 || (x->flags & (HC_NODE_PARAM | HC_NODE_LOST)))
        return hc_fail(tape, HC_ERR_ARG,
                       "%s: input %zu is no constant of the tape (tensor_from_f32 and the like)",
                       who, i);
    return true;
}

static bool check_lists(Tape *tape, Tensor *const *inputs, size_t ninputs, Tensor *const *outputs,
                        size_t noutputs, Tensor *loss) {
    if (!tape) return hc_null(who, "the tape");
    if (tape->status != HC_OK) return hc_tell_again(tape);
    if ((ninputs && !inputs) || (noutputs && !outputs) || (!noutputs && !loss))
        return hc_fail(tape, HC_ERR_ARG, "%s: %s", who,
                       noutputs || loss ? "a list is NULL" : "neither an output nor a loss");
    if ((ninputs && !hc_check_all(who, inputs, ninputs)) ||
        (noutputs && !hc_check_all(who, outputs, noutputs)) || (loss && !hc_check(who, loss)))
        return tape->status == HC_OK ? hc_fail(tape, higherc_status(), "%s", higherc_error())
                                     : false;
    for (size_t i = 0; i < ninputs; i++) {
        if (!check_input(tape, inputs[i], i)) return false;
        for (size_t j = 0; j < i; j++)
            if (inputs[j] == inputs[i])
                return hc_fail(tape, HC_ERR_ARG, "%s: input %zu is listed twice", who, i);
    }
    if ((ninputs && inputs[0]->tape != tape) || (noutputs && outputs[0]->tape != tape) ||
        (loss && loss->tape != tape))
        return hc_fail(tape, HC_ERR_TAPE, "%s: a tensor of another tape", who);
    if (loss && loss->form->count != 1)
        return hc_fail(tape, HC_ERR_SHAPE, "%s: the loss is no scalar", who);
    return true;
}

/* ---- above the top --------------------------------------------------------------------------------- */

/* x, dense, in memory of its own. */
static Tensor *own(Tensor *x) {
    HcManner was = x->tape->manner;
    x->tape->manner = (HcManner){.abstract = true};
    Tensor *y = tensor_clone(x);
    x->tape->manner = was;
    if (y) {
        y->form = y->form->plain;
        y->flags |= HC_NODE_OWNS;
    }
    return y;
}

/* Whether a program of a series has x's numbers where nothing else is written, as they are to be. */
static bool stands(const HcCapture *c, const Tensor *x) {
    if (!c->p->series || !hc_is_dense(x->form)) return false;
    while (x->index >= c->stretch.base && x->nin > 0 && (x->op->flags & (HC_OP_ALIAS | HC_OP_COPY)))
        x = hc_inputs(x)[0];
    return x->index >= c->stretch.base && x->nin > 0;
}

static bool sweep_params(HcCapture *c, HcSweep *sweep) {
    Program *p = c->p;
    size_t count = 0;
    Tensor *leaf;
    for (size_t i = 0; hc_sweep_param(sweep, &i); i++)
        count++;
    if (count == 0)
        return hc_fail(c->tape, HC_ERR_GRAD, "%s: the loss reaches no trainable Param: %s", who,
                       hc_why_text(hc_why(sweep->output, NULL)));
    c->grads = hc_alloc(count, sizeof *c->grads);
    p->grads = hc_alloc_zero(count, sizeof *p->grads);
    p->grad_params = hc_alloc_zero(count, sizeof *p->grad_params);
    if (!c->grads || !p->grads || !p->grad_params) return hc_fail_nomem(c->tape, who);
    if (!hc_sweep_run(sweep, NULL)) return false;
    for (size_t i = 0; (leaf = hc_sweep_param(sweep, &i)); i++) {
        Tensor *g = hc_sweep_settle(sweep, i);
        if (!g) return false;
        p->grad_params[p->grad_count] = param_ref(hc_param_of(leaf));
        c->grads[p->grad_count++] = g;
    }
    return true;
}

static bool add_backward(HcCapture *c, Tensor *loss) {
    HcSweep sweep;
    if (!hc_sweep_begin(&sweep, loss, HC_SWEEP_PARAMS | HC_SWEEP_ABSTRACT)) return false;
    bool done = hc_sweep_find(&sweep) && sweep_params(c, &sweep);
    hc_sweep_end(&sweep);
    return done;
}

/* ---- private copies ----------------------------------------------------------------------------------- */

static const HcForm *own_form(Program *p, const HcForm *form) {
    return hc_form(&p->tape->forms, form->ndim, form->dim, hc_is_dense(form) ? NULL : form->stride);
}

static const HcOp op_in_place_of = {.name = "tensor_grad", .flags = HC_OP_COPY, .arity = 1};

static bool copy_node(HcCapture *c, Tensor *to, const Tensor *from, Tensor ***links) {
    Program *p = c->p;
    *to = *from;
    to->tape = p->tape;
    to->index = (uint32_t)(to - p->nodes);
    to->form = own_form(p, from->form);
    if (!to->form) return false;
    if (hc_capture_is_leaf(c, from)) {
        to->nin = 0;
        to->op = &hc_op_leaf;
    } else if (from->nin > HC_INLINE_INPUTS) {
        to->in.many = *links;
        *links += from->nin;
    }
    Tensor **in = from->nin > HC_INLINE_INPUTS ? to->in.many : to->in.few;
    for (uint32_t j = 0; j < to->nin; j++) {
        in[j] = &p->nodes[c->number[hc_inputs(from)[j]->index]];
        HC_ASSERT(in[j] < to);
    }
    if (to->op->flags & HC_OP_ALIAS) /* plan.c turns the distance into an address */
        to->displaced = (size_t)((const char *)from->data - (const char *)hc_inputs(from)[0]->data);
    const Tensor *retaken = hc_capture_again(c, from);
    if (retaken) { /* a kept gradient: what was computed in its place */
        to->op = &op_in_place_of;
        to->nin = 1;
        to->in.few[0] = &p->nodes[c->number[retaken->index]];
    }
    return true;
}

/* Memory of leaves: a Param's own, or what was given, or a copy. */
static size_t constant_bytes(const Tensor *x) {
    return (x->form->count * x->tape->item + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
}

/* Those that go to the program's one block. A series has its own for the large ones, which equal ones share; what is
 * small it puts where all its programs have it. */
static bool is_in_block(const Program *p, const Tensor *x) {
    return x->nin == 0 && !(x->flags & HC_NODE_PARAM) && (!p->series || constant_bytes(x) <= HC_ALIGN);
}

static bool make_constants(Program *p) {
    for (size_t i = 0; i < p->count; i++)
        if (is_in_block(p, &p->nodes[i])) p->constant_bytes += constant_bytes(&p->nodes[i]);
    p->constants = hc_alloc_zero(p->constant_bytes, 1);
    return p->constants != NULL;
}

/* The address at which it is found in a run. */
static void *own_constant(Program *p, const Tensor *x, char *room, size_t *used) {
    size_t bytes = x->form->count * x->tape->item, at = *used;
    if (!is_in_block(p, x)) return hc_series_constant(p->series, x->data, bytes);
    if (bytes) memcpy(p->constants + at, x->data, bytes);
    *used += constant_bytes(x);
    return room + at;
}

static bool own_leaves(HcCapture *c) {
    Program *p = c->p;
    size_t uses = 0, used = 0;
    if (!make_constants(p)) return false;
    char *room = p->series ? hc_series_room(p->series, HC_SERIES_SMALL, p->constant_bytes) : p->constants;
    if (!room) return false;
    for (size_t i = 0; i < c->tape->count; i++) {
        const Tensor *from = hc_node(c->tape, i);
        Tensor *x = c->live[i] ? &p->nodes[c->number[i]] : NULL;
        if (!x || x->nin > 0) continue;
        if (x->flags & HC_NODE_PARAM) {
            Param *param = hc_param_of(from);
            p->uses[uses++] = (HcParamUse){param_ref(param), param->data};
            x->data = param->data;
            continue;
        }
        void *given = hc_capture_numbers(c, from);
        x->data = given ? given : own_constant(p, x, room, &used);
        if (!x->data) return false;
    }
    return true;
}

static Tensor *own_copy(const HcCapture *c, const Tensor *x) {
    return &c->p->nodes[c->number[x->index]];
}

static bool copy_nodes(HcCapture *c) {
    Program *p = c->p;
    HcTurn *turns = hc_capture_order(c);
    if (!turns || !(turns = hc_capture_repeat(c, turns))) return false;
    p->nodes = hc_alloc(p->count, sizeof *p->nodes);
    p->links = hc_alloc(c->link_count, sizeof *p->links);
    p->uses = hc_alloc_zero(p->use_count, sizeof *p->uses);
    p->inputs = hc_alloc(p->input_count, sizeof *p->inputs);
    p->outputs = hc_alloc(p->output_count, sizeof *p->outputs);
    bool done = p->nodes && p->links && p->uses && p->inputs && p->outputs;
    Tensor **links = p->links;
    for (size_t k = 0; done && k < p->count; k++) {
        size_t i = turns[k].index;
        c->number[i] = (uint32_t)k;
        done = copy_node(c, &p->nodes[k], hc_node(c->tape, i), &links);
    }
    hc_free(turns);
    if (!done) return false;
    for (size_t i = 0; i < p->input_count; i++)
        p->inputs[i] = own_copy(c, c->inputs[i]);
    for (size_t i = 0; i < p->output_count; i++)
        p->outputs[i] = own_copy(c, c->outputs[i]);
    for (size_t i = 0; i < p->grad_count; i++)
        p->grads[i] = own_copy(c, c->grads[i]);
    return own_leaves(c);
}

/* What operations keep of their own. From the end, so that what is asked of an operation is known before it. */
static bool own_states(HcCapture *c) {
    for (size_t i = c->p->count; i-- > 0;) {
        Tensor *x = &c->p->nodes[i];
        if (x->op->own && !x->op->own(c->p, x)) return false;
    }
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------------------ */

static bool capture(HcCapture *c, Tensor *const *outputs, Tensor *loss) {
    Program *p = c->p;
    c->outputs = hc_alloc(p->output_count, sizeof *c->outputs);
    if (!c->outputs) return hc_fail_nomem(c->tape, who);
    if (loss && !add_backward(c, loss)) return false;
    for (size_t i = 0; i < p->output_count; i++)
        if (!(c->outputs[i] = stands(c, outputs[i]) ? outputs[i] : own(outputs[i]))) return false;
    if (!hc_capture_find(c)) return false;
    if (!copy_nodes(c) || !own_states(c) || !hc_program_plan(p) || !hc_program_trace(p) ||
        !hc_program_fuse(p) || !hc_program_direct(p) || !hc_program_trim(p))
        return hc_fail_nomem(c->tape, who);
    return true;
}

/* The tape is left as it was, and the program is destroyed where that fails. */
static Program *capture_at_top(HcCapture *c, Tensor *const *outputs, Tensor *loss) {
    Tape *tape = c->tape;
    TapeMark mark = tape_mark(tape);
    size_t peak = tape->peak;
    bool done = capture(c, outputs, loss);
    tape_release(tape, mark);
    tape->peak = peak;
    hc_free(c->outputs);
    hc_free(c->grads);
    for (size_t r = 0; r < c->retaken_count; r++)
        hc_free(c->retaken[r].grads);
    hc_free(c->retaken);
    hc_free(c->live);
    hc_free(c->number);
    if (done) return c->p;
    hc_program_free(c->p);
    return NULL;
}

Program *program_capture(Tape *tape, Tensor *const *inputs, size_t input_count,
                         Tensor *const *outputs, size_t output_count, Tensor *backward_of) {
    if (!check_lists(tape, inputs, input_count, outputs, output_count, backward_of)) return NULL;
    Program *p = hc_alloc_zero(1, sizeof *p);
    if (!p || !(p->tape = tape_create(tape->dtype))) {
        hc_free(p);
        hc_fail_nomem(tape, who);
        return NULL;
    }
    tape_set_pool(p->tape, tape->pool);
    p->input_count = input_count;
    p->output_count = output_count;
    HcCapture c = {.p = p, .tape = tape, .recorded = tape->count, .inputs = inputs};
    if (!hc_stamped_add(&p->stamps, tape)) {
        hc_program_free(p);
        hc_fail_nomem(tape, who);
        return NULL;
    }
    p = capture_at_top(&c, outputs, backward_of);
    for (size_t i = 0; p && i < output_count; i++)
        hc_copy_dense(outputs[i], p->outputs[i]->data);
    return p;
}

Program *hc_capture_stretch(Tape *tape, HcSeries *series, const HcStretch *stretch) {
    Program *p = hc_alloc_zero(1, sizeof *p);
    if (!p) {
        hc_fail_nomem(tape, who);
        return NULL;
    }
    p->tape = hc_series_tape(series);
    p->series = series;
    p->output_count = stretch->output_count;
    HcCapture c = {.p = p, .tape = tape, .stretch = *stretch, .recorded = tape->count};
    return capture_at_top(&c, stretch->outputs, NULL);
}

void program_destroy(Program *p) {
    if (p && hc_at_rest(p, "program_destroy", "program")) hc_program_free(p);
}
