/* The public derivatives. */
#include <string.h>

#include "base/held.h"
#include "grad/sweep.h"

const char *hc_why_text(HcWhy why) {
    switch (why) {
    case HC_WHY_NOTHING:
        return "it does not depend on it";
    case HC_WHY_CONSTANT:
        return "it is a constant (tensor_leaf makes one that collects gradients)";
    case HC_WHY_FROZEN:
        return "the Param is frozen (param_freeze)";
    case HC_WHY_RECORDING:
        return "history was switched off (tape_set_recording)";
    case HC_WHY_NO_GRAPH:
        return "a gradient was taken without HC_CREATE_GRAPH";
    case HC_WHY_FIRST_ORDER:
        return "HC_FIRST_ORDER takes inner gradients as constants";
    case HC_WHY_EVAL:
        return "HC_EVAL keeps no history of steps (HC_FULL and HC_FIRST_ORDER do)";
    case HC_WHY_DETACHED:
        return "the history was detached";
    case HC_WHY_OP:
        return "an operation on the way has no derivative";
    case HC_WHY_COPIED:
        return "the fast weights were cloned detached (copy_initial_weights)";
    }
    return "no gradient flows";
}

/* A cause that leaves no link back to what lies behind it. */
static bool severs(HcWhy why) {
    return why == HC_WHY_NO_GRAPH || why == HC_WHY_FIRST_ORDER || why == HC_WHY_EVAL;
}

HcWhy hc_why(Tensor *y, const Tensor *x) {
    HcSweep sweep;
    HcWhy why = HC_WHY_NOTHING, severed = HC_WHY_NOTHING;
    if (x && !(x->flags & HC_NODE_NEEDS)) return x->why;
    if (!hc_sweep_begin(&sweep, y, HC_SWEEP_BLOCKED | (x ? HC_SWEEP_ORIGINS : 0))) return why;
    if ((!x || hc_sweep_want(&sweep, x)) && hc_sweep_find(&sweep))
        for (size_t i = 0; i < sweep.count; i++) {
            HcWhy cause = hc_sweep_node(&sweep, i)->why;
            if ((!x || hc_sweep_wanted_below(&sweep, i)) && cause > why) why = cause;
            if (severs(cause) && cause > severed) severed = cause;
        }
    hc_sweep_end(&sweep);
    return why != HC_WHY_NOTHING ? why : severed;
}

static bool check_scalar(const char *who, const Tensor *y) {
    char text[HC_SHAPE_TEXT];
    return y->form->count == 1 ||
           hc_fail(y->tape, HC_ERR_SHAPE, "%s: the output has shape %s and is no scalar", who,
                   hc_shape_text(hc_form_shape(y->form), text));
}

/* ---- tensor_grad, tensor_vjp --------------------------------------------------------------------- */

/* Constants on the tape: those in scratch are moved there, and a cotangent that came through as it is is detached. */
static bool end_history(Tensor *output, Tensor *gy, Tensor *const *inputs, size_t count, Tensor **grads) {
    if (!hc_sweep_keep(output, gy, inputs, count, 0, HC_WHY_NO_GRAPH, grads)) return false;
    for (size_t i = 0; i < count; i++)
        if (grads[i] && (grads[i]->flags & HC_NODE_NEEDS) && !(grads[i] = tensor_detach(grads[i]))) return false;
    return true;
}

/* What of the sweep's results the caller gets: with or without history, NULL or zeros for inputs not reached, as flags
 * say. */
static bool finish(const char *who, Tensor *output, Tensor *gy, Tensor *const *inputs, size_t count,
                   Tensor **grads, unsigned flags) {
    for (size_t i = 0; i < count; i++)
        if (!grads[i] && !(flags & (HC_ALLOW_UNUSED | HC_ZEROS)))
            return hc_fail(output->tape, HC_ERR_GRAD,
                           "%s: no gradient flows from the output to input %zu: %s", who, i,
                           hc_why_text(hc_why(output, inputs[i])));
    if (!(flags & HC_CREATE_GRAPH) && !end_history(output, gy, inputs, count, grads)) return false;
    for (size_t i = 0; i < count; i++)
        if (!grads[i] && (flags & HC_ZEROS) &&
            !(grads[i] = tensor_zeros(output->tape, hc_form_shape(inputs[i]->form))))
            return false;
    return true;
}

/* With cotangent gy; NULL: 1. */
static bool gradients(const char *who, Tensor *output, Tensor *gy, Tensor *const *inputs,
                      size_t count, Tensor **grads, unsigned flags) {
    Tape *tape = output->tape;
    Tensor **held = hc_scratch_alloc(&tape->scratch, 2 * count * sizeof *held);
    if (!held) return hc_fail_nomem(tape, who);
    Tensor **given = held + count;
    size_t born = tape->born_count;
    bool record = flags & HC_CREATE_GRAPH;
    bool done = hc_sweep_all(output, gy, inputs, count, record ? HC_SWEEP_RECORD : 0, held);
    for (size_t i = 0; i < count && done; i++)
        given[i] = held[i];
    bool complete = done && finish(who, output, gy, inputs, count, given, flags);
    for (size_t i = 0; i < count && complete; i++)
        grads[i] = given[i];
    for (size_t i = 0; i < count && done; i++)
        hc_drop(held[i]);
    hc_drop_born(tape, born);
    hc_scratch_free(&tape->scratch, held, 2 * count * sizeof *held);
    return complete;
}

static bool check_lists(const char *who, Tensor *output, Tensor *const *inputs, size_t count,
                        const void *grads) {
    if (!hc_check(who, output)) return false;
    if (count > 0 && (!inputs || !grads))
        return hc_fail(output->tape, HC_ERR_ARG, "%s: a list is NULL", who);
    for (size_t i = 0; i < count; i++)
        if (!hc_check_all(who, (Tensor *[]){output, inputs[i]}, 2)) return false;
    return true;
}

bool tensor_grad(Tensor *output, Tensor *const *inputs, size_t count, Tensor **grads,
                 unsigned flags) {
    const char *who = "tensor_grad";
    if (!check_lists(who, output, inputs, count, grads) || !check_scalar(who, output)) return false;
    return gradients(who, output, NULL, inputs, count, grads, flags);
}

bool tensor_vjp(Tensor *output, Tensor *cotangent, Tensor *const *inputs, size_t count,
                Tensor **grads, unsigned flags) {
    const char *who = "tensor_vjp";
    if (!check_lists(who, output, inputs, count, grads) ||
        !hc_check_all(who, (Tensor *[]){output, cotangent}, 2))
        return false;
    if (cotangent->form->plain != output->form->plain)
        return hc_fail(output->tape, HC_ERR_SHAPE, "%s: the cotangent has not the output's shape",
                       who);
    return gradients(who, output, cotangent, inputs, count, grads, flags);
}

/* ---- tensor_backward -------------------------------------------------------------------------------- */

/* The next leaf of a Param whose gradient is asked for, from number *i on, and its place in grads. */
static Tensor *next_place(const HcSweep *sweep, const Grads *grads, size_t *i, size_t *index) {
    Tensor *leaf;
    for (; (leaf = hc_sweep_param(sweep, i)); ++*i)
        if (!grads || hc_grads_index(grads, hc_param_of(leaf), index)) break;
    return leaf;
}

static bool has_room(Tape *tape, Param *p, const Grads *grads, const char *who) {
    if (p->dtype != tape->dtype)
        return hc_fail(tape, HC_ERR_DTYPE, "%s: '%s' was converted to the other type", who, p->cell.name);
    return grads || hc_param_grad_room(p) || hc_fail_nomem(tape, who);
}

/* Makes sure that there is something to add to and that adding cannot fail. */
static bool prepare_places(HcSweep *sweep, Grads *grads, const char *who) {
    size_t index = 0, reached = 0;
    Tensor *leaf;
    if (grads && !hc_grads_fit(grads, sweep->tape, who)) return false;
    for (size_t i = 0; (leaf = next_place(sweep, grads, &i, &index)); i++) {
        reached++;
        if (!has_room(sweep->tape, hc_param_of(leaf), grads, who)) return false;
    }
    if (reached == 0)
        return hc_fail(sweep->tape, HC_ERR_GRAD, "%s: the loss reaches no trainable Param%s: %s",
                       who, grads ? " of the list" : "", hc_why_text(hc_why(sweep->output, NULL)));
    return true;
}

/* All gradients are made before the first is added, so that they are added all or none. Rules that ran a caller's code
 * may have taken away what there was to add to. */
static bool add_gradients(HcSweep *sweep, Grads *grads, const char *who) {
    size_t index = 0;
    Tensor *leaf;
    if (grads && !hc_grads_fit(grads, sweep->tape, who)) return false;
    for (size_t i = 0; (leaf = next_place(sweep, grads, &i, &index)); i++)
        if (!hc_sweep_settle(sweep, i) || !has_room(sweep->tape, hc_param_of(leaf), grads, who)) return false;
    for (size_t i = 0; (leaf = next_place(sweep, grads, &i, &index)); i++) {
        const Tensor *g = hc_sweep_settle(sweep, i);
        if (grads)
            hc_grads_add(grads, index, g->data);
        else
            hc_param_add_grad(hc_param_of(leaf), g->data);
    }
    return true;
}

static bool backward(const char *who, Tensor *loss, Grads *grads) {
    HcSweep sweep;
    if (!hc_check(who, loss) || !check_scalar(who, loss)) return false;
    Tape *tape = loss->tape;
    if (!hc_sweep_begin(&sweep, loss, HC_SWEEP_PARAMS)) return false;
    size_t born = tape->born_count;
    bool done = hc_sweep_find(&sweep) && prepare_places(&sweep, grads, who) &&
                hc_sweep_run(&sweep, NULL) && add_gradients(&sweep, grads, who);
    hc_sweep_end(&sweep);
    hc_drop_born(tape, born);
    return done;
}

bool tensor_backward(Tensor *loss) {
    const char *who = "tensor_backward";
    if (hc_check(who, loss) && loss->tape->grads_apart)
        return hc_fail(loss->tape, HC_ERR_STATE,
                       "%s: within tasks_run use tensor_backward_into(loss, task->grads)", who);
    return backward(who, loss, NULL);
}

bool tensor_backward_into(Tensor *loss, Grads *grads) {
    const char *who = "tensor_backward_into";
    if (!hc_check(who, loss)) return false;
    if (!grads) return hc_fail(loss->tape, HC_ERR_ARG, "%s: grads is NULL", who);
    HcHeld here;
    hc_held_begin(&here, grads);
    bool done = backward(who, loss, grads);
    hc_held_end(&here);
    return done;
}

/* ---- products with second and first derivatives ---------------------------------------------------- */

/* One direction for each input, of its shape. */
static bool check_directions(const char *who, Tensor *const *inputs, size_t count,
                             Tensor *const *directions) {
    for (size_t i = 0; i < count; i++) {
        char a[HC_SHAPE_TEXT], b[HC_SHAPE_TEXT];
        if (!hc_check_all(who, (Tensor *[]){inputs[i], directions[i]}, 2)) return false;
        if (directions[i]->form->plain != inputs[i]->form->plain)
            return hc_fail(inputs[i]->tape, HC_ERR_SHAPE, "%s: input %zu is %s, its direction %s",
                           who, i, hc_shape_text(hc_form_shape(inputs[i]->form), a),
                           hc_shape_text(hc_form_shape(directions[i]->form), b));
    }
    return true;
}

bool tensor_hvp(Tensor *output, Tensor *const *inputs, size_t count, Tensor *const *vectors,
                Tensor **products, unsigned flags) {
    const char *who = "tensor_hvp";
    if (!check_lists(who, output, inputs, count, products) || !check_scalar(who, output))
        return false;
    if (count > 0 && !vectors) return hc_fail(output->tape, HC_ERR_ARG, "%s: vectors is NULL", who);
    if (!check_directions(who, inputs, count, vectors)) return false;
    Tensor **grads = hc_scratch_alloc(&output->tape->scratch, count * sizeof *grads);
    if (!grads) return hc_fail_nomem(output->tape, who);
    Tensor *sum = NULL;
    bool done = tensor_grad(output, inputs, count, grads,
                            HC_CREATE_GRAPH | (flags & (HC_ALLOW_UNUSED | HC_ZEROS)));
    for (size_t i = 0; i < count && done; i++) {
        if (!grads[i]) continue;
        Tensor *term = tensor_sum(tensor_mul(grads[i], vectors[i]));
        sum = sum ? tensor_add(sum, term) : term;
        done = sum != NULL;
    }
    if (done && !sum) sum = tensor_scalar(output->tape, 0);
    done = done && tensor_grad(sum, inputs, count, products, (flags & HC_CREATE_GRAPH) | HC_ZEROS);
    for (size_t i = 0; i < count && done; i++)
        if (!grads[i]) products[i] = NULL;
    hc_scratch_free(&output->tape->scratch, grads, count * sizeof *grads);
    return done;
}

/* The derivative of what is linear in u along the tangents: as many as meet a part that depends on u. */
static Tensor *push(Tensor *u, Tensor *const *linear, Tensor **tangents, size_t count, unsigned flags) {
    Tensor *y = NULL, *start = hc_start_at(linear, tangents, count);
    return start && gradients("tensor_jvp", start, NULL, &u, 1, &y, (flags & HC_CREATE_GRAPH) | HC_ZEROS) ? y : NULL;
}

/* J v by two reverse sweeps: J^T u is linear in u, and the transpose of that map is J. */
Tensor *tensor_jvp(Tensor *output, Tensor *const *inputs, size_t count, Tensor *const *tangents,
                   unsigned flags) {
    const char *who = "tensor_jvp";
    if (!check_lists(who, output, inputs, count, tangents) ||
        !check_directions(who, inputs, count, tangents))
        return NULL;
    Tape *tape = output->tape;
    Shape shape = hc_form_shape(output->form);
    if (count == 0) return tensor_zeros(tape, shape);
    Tensor **linear = hc_tape_alloc(tape, 2 * count * sizeof *linear, who);
    if (!linear) return NULL;
    memcpy(linear + count, tangents, count * sizeof *linear);
    bool recording = tape_set_recording(tape, true);
    Tensor *u = tensor_leaf(tensor_zeros(tape, shape)), *y = NULL;
    if (u && tensor_vjp(output, u, inputs, count, linear, HC_CREATE_GRAPH | HC_ZEROS))
        y = push(u, linear, linear + count, count, flags);
    tape_set_recording(tape, recording);
    return y;
}

/* ---- does a gradient flow? ---------------------------------------------------------------------------- */

bool tensor_depends_on(Tensor *y, Tensor *x) {
    HcSweep sweep;
    if (!y || !x || !hc_check_all("tensor_depends_on", (Tensor *[]){y, x}, 2) ||
        !hc_sweep_begin(&sweep, y, 0))
        return false;
    bool found = hc_sweep_find(&sweep) && hc_sweep_reaches(&sweep, x);
    hc_sweep_end(&sweep);
    return found;
}

bool tensor_reaches(Tensor *y, const Param *param) {
    HcSweep sweep;
    if (!y || !param || !hc_check("tensor_reaches", y) || !hc_sweep_begin(&sweep, y, 0))
        return false;
    bool found = false;
    if (hc_sweep_find(&sweep))
        for (size_t i = 0; i < sweep.count && !found; i++) {
            const Tensor *node = hc_sweep_node(&sweep, i);
            found = (node->flags & HC_NODE_PARAM) && hc_param_of(node) == param;
        }
    hc_sweep_end(&sweep);
    return found;
}
