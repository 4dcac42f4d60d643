/* Running: inputs in, the steps, outputs and gradients out. */
#include <math.h>
#include <string.h>

#include "base/held.h"
#include "program/call.h"

static bool usable(const Program *p, const char *who) {
    return p ? hc_at_rest(p, who, "program") : hc_null(who, "the program");
}

/* ---- inputs ------------------------------------------------------------------------------------------ */

/* The input's node, or NULL with the error. */
static Tensor *input_for(Program *p, const char *who, size_t input, Shape shape,
                         const void *values) {
    if (!usable(p, who)) return NULL;
    tape_clear_error(p->tape);
    if (input >= p->input_count) {
        hc_fail(p->tape, HC_ERR_RANGE, "%s: there is no input %zu", who, input);
        return NULL;
    }
    Tensor *x = p->inputs[input];
    if (!hc_form_fits(x->form, &shape)) {
        char is[HC_SHAPE_TEXT], was[HC_SHAPE_TEXT];
        hc_fail(p->tape, HC_ERR_SHAPE, "%s: input %zu is %s, the numbers %s", who, input,
                hc_shape_text(hc_form_shape(x->form), was), hc_shape_text(shape, is));
        return NULL;
    }
    if (!values && x->form->count) {
        hc_fail(p->tape, HC_ERR_ARG, "%s: values is NULL", who);
        return NULL;
    }
    return x;
}

bool program_set_f32(Program *p, size_t input, Shape shape, const float *values) {
    Tensor *x = input_for(p, "program_set_f32", input, shape, values);
    if (x && x->form->count) p->tape->k->from_f32(x->data, values, x->form->count);
    return x != NULL;
}

bool program_set_f64(Program *p, size_t input, Shape shape, const double *values) {
    Tensor *x = input_for(p, "program_set_f64", input, shape, values);
    if (x && x->form->count) p->tape->k->from_f64(x->data, values, x->form->count);
    return x != NULL;
}

/* ---- the run ------------------------------------------------------------------------------------------- */

bool hc_program_check_uses(Program *p, const char *who) {
    for (size_t i = 0; i < p->use_count; i++)
        if (p->uses[i].param->data != p->uses[i].data)
            return hc_fail(p->tape, HC_ERR_CHANGED,
                           "%s: '%s' was converted to another type since the capture", who,
                           p->uses[i].param->cell.name);
    return true;
}

/* Whether what the program reads in place is still where and as it was. */
static bool check_world(Program *p, const char *who) {
    return hc_program_check_uses(p, who) && hc_stamped_check(&p->stamps, p->tape, who);
}

bool hc_program_run_calls(Program *p) {
    /* The calls of a chain follow it, and it has run them. */
    for (size_t i = 0; i < p->call_count; i += p->calls[i].count) {
        HC_ASSERT(p->calls[i].count >= 1 && i + p->calls[i].count <= p->call_count);
        if (!p->calls[i].run(&p->calls[i])) return false;
    }
    return true;
}

/* Where gradient i goes (grads NULL: to its Param), if there is none yet. */
static void *empty_place(const Program *p, Grads *grads, size_t i) {
    Param *param = p->grad_params[i];
    size_t index;
    if (!grads) return param->has_grad ? NULL : param->grad;
    return hc_grads_index(grads, param, &index) ? hc_grads_empty(grads, index) : NULL;
}

static void add_gradient(const Program *p, Grads *grads, size_t i, const void *values) {
    size_t index;
    if (!grads)
        hc_param_add_grad(p->grad_params[i], values);
    else if (hc_grads_index(grads, p->grad_params[i], &index))
        hc_grads_add(grads, index, values);
}

static bool run_and_add(Program *p, Grads *grads) {
    for (size_t i = 0; i < p->grad_count; i++)
        hc_program_aim(p, i, empty_place(p, grads, i));
    bool done = hc_program_run_calls(p);
    for (size_t i = 0; i < p->grad_count; i++) {
        const void *values = hc_program_aim(p, i, NULL);
        if (done) add_gradient(p, grads, i, values);
    }
    return done;
}

static bool add_to_params(Program *p) {
    for (size_t i = 0; i < p->grad_count; i++)
        if (!hc_param_grad_room(p->grad_params[i])) return hc_fail_nomem(p->tape, "program_run");
    return run_and_add(p, NULL);
}

static bool add_to_grads(Program *p, Grads *grads) {
    size_t index, reached = 0;
    if (!hc_grads_fit(grads, p->tape, "program_run_into")) return false;
    for (size_t i = 0; i < p->grad_count; i++)
        reached += hc_grads_index(grads, p->grad_params[i], &index);
    if (reached == 0)
        return hc_fail(p->tape, HC_ERR_GRAD,
                       "program_run_into: no gradient of the list is computed");
    return run_and_add(p, grads);
}

bool program_run(Program *p) {
    const char *who = "program_run";
    if (!usable(p, who)) return false;
    tape_clear_error(p->tape);
    if (p->grad_count > 0 && hc_in_task())
        return hc_fail(p->tape, HC_ERR_STATE,
                       "%s: from within a task, whose gradients go to its own Grads "
                       "(program_run_into)",
                       who);
    HcHeld here;
    hc_held_begin(&here, p);
    bool done = check_world(p, who) && add_to_params(p);
    hc_held_end(&here);
    return done;
}

bool program_run_into(Program *p, Grads *grads) {
    const char *who = "program_run_into";
    if (!usable(p, who)) return false;
    tape_clear_error(p->tape);
    if (!grads) return hc_fail(p->tape, HC_ERR_ARG, "%s: grads is NULL", who);
    HcHeld program, list;
    hc_held_begin(&program, p);
    hc_held_begin(&list, grads);
    bool done = check_world(p, who) && add_to_grads(p, grads);
    hc_held_end(&list);
    hc_held_end(&program);
    return done;
}

/* ---- outputs ------------------------------------------------------------------------------------------- */

static const Tensor *output_of(const Program *p, const char *who, size_t output) {
    if (!usable(p, who)) return NULL;
    if (output < p->output_count) return p->outputs[output];
    hc_fail_thread(HC_ERR_RANGE, "%s: there is no output %zu", who, output);
    return NULL;
}

const void *program_output(const Program *p, size_t output) {
    const Tensor *x = output_of(p, "program_output", output);
    return x ? x->data : NULL;
}

Shape program_output_shape(const Program *p, size_t output) {
    const Tensor *x = output_of(p, "program_output_shape", output);
    return x ? hc_form_shape(x->form) : shape_of(NULL, -1);
}

double program_item(const Program *p, size_t output) {
    const Tensor *x = output_of(p, "program_item", output);
    double value = (double)NAN;
    char text[HC_SHAPE_TEXT];
    if (x && x->form->count != 1)
        hc_fail_thread(HC_ERR_SHAPE, "program_item: %s has not one element",
                       hc_shape_text(hc_form_shape(x->form), text));
    else if (x)
        p->tape->k->to_f64(&value, x->data, 1);
    return value;
}

const char *program_error(const Program *p) {
    return p ? tape_error(p->tape) : NULL;
}

ProgramStats hc_program_own_stats(const Program *p) {
    ProgramStats stats = {.nodes = p->count, .steps = p->step_count, .table_bytes = p->table_bytes};
    if (!p->series) stats.bytes = p->constant_bytes + p->memory_bytes; /* else it counts them */
    for (size_t i = 0; i < p->owned_count; i++) {
        size_t tables, bytes = p->owned[i].bytes(p->owned[i].object, &tables);
        stats.table_bytes += tables;
        stats.bytes += bytes - tables;
    }
    stats.bytes += stats.table_bytes;
    return stats;
}

ProgramStats program_stats(const Program *p) {
    if (!p) return (ProgramStats){.nodes = 0};
    ProgramStats stats = hc_program_own_stats(p);
    size_t reserved = tape_stats(p->tape).reserved_bytes;
    stats.table_bytes += reserved;
    stats.bytes += reserved;
    return stats;
}
