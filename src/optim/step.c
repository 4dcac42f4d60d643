/* The step in place: the rule runs unrecorded on borrowed memory, and is written back when all went well. */
#include <string.h>

#include "optim/optim.h"
#include "tape/moves.h"

static bool has_update(const Param *param) {
    return param->has_grad && !param->frozen;
}

static const char *fault_of(const Tensor *x, const Tape *tape, const Shape *shape) {
    if (x->tape != tape) return "the rule left a tensor of another tape";
    if (!hc_alive(x)) return "the rule left a tensor that was freed";
    return hc_form_fits(x->form, shape) ? NULL : "the rule gives another shape than the weight's";
}

const char *hc_update_fault(const OptimClass *cls, const OptimUpdate *update, const Tape *tape,
                            const Shape *shape) {
    const char *fault = update->param ? fault_of(update->param, tape, shape) : "the rule failed";
    for (size_t s = 0; s < cls->state_count && !fault; s++)
        if (update->state[s]) fault = fault_of(update->state[s], tape, shape);
    return fault;
}

/* A hyperparameter of the Param at place i: the number, or what was learned, read as a constant; times the
 * schedule's factor. */
static Hyper hyper_of(const Optim *optim, size_t g, size_t i, size_t h) {
    Hyper value = hyper_const(optim->groups[g].hyper[h]);
    const Param *learned = hc_learned(optim, g, i, h);
    if (learned)
        value = hyper_tensor(hc_learned_value(&optim->groups[g].learned[h],
                                              tensor_borrow(optim->tape, learned->shape, learned->data)));
    const Schedule *schedule = hc_scheduled(optim, g, h);
    if (!schedule) return value;
    const char *name = optim->cls->hypers[h].name;
    return hyper_mul(value, hc_schedule_factor(optim->tape, "optim_step", schedule, optim->steps, name));
}

/* Runs the rule on borrowed memory; the results are on the optimizer's tape. NULL, or what went wrong. */
static const char *run_rule(const Optim *optim, size_t g, size_t i, OptimUpdate *u) {
    const HcGroup *group = &optim->groups[g];
    Param *p = group->params.items[i];
    const HcMoments *moments = &group->moments[i];
    *u = (OptimUpdate){.param = tensor_borrow(optim->tape, p->shape, p->data),
                       .grad = tensor_borrow(optim->tape, p->shape, p->grad),
                       .step = moments->steps + 1};
    for (size_t s = 0; s < optim->cls->state_count; s++)
        if (moments->state[s])
            u->state[s] = tensor_borrow(optim->tape, p->shape, moments->state[s]);
    for (size_t h = 0; h < optim->cls->hyper_count; h++)
        u->hypers[h] = hyper_of(optim, g, i, h);
    hc_run_rule(optim->cls, u, optim->user, optim->tape);
    const char *fault = hc_update_fault(optim->cls, u, optim->tape, &p->shape);
    return tape_error(optim->tape) ? tape_error(optim->tape) : fault;
}

/* A Param whose step is computed; its numbers wait to be moved. */
typedef struct Pending {
    Param *param;
    HcMoments *moments;
    void *fresh[HC_MAX_STATES]; /* memory for states that had none */
} Pending;

/* What the rule left goes to the Param and to its states. */
static bool plan_moves(const Optim *optim, Pending *pending, const OptimUpdate *u) {
    size_t count = pending->param->count, item = pending->param->item;
    for (size_t s = 0; s < optim->cls->state_count; s++) {
        if (!u->state[s]) continue;
        void *to = pending->moments->state[s];
        if (!to) to = pending->fresh[s] = hc_alloc(count, item);
        if (!to || !hc_moves_add(optim->tape, "optim_step", u->state[s], to)) return false;
    }
    return hc_moves_add(optim->tape, "optim_step", u->param, pending->param->data);
}

static bool prepare(Optim *optim, Pending *pending, size_t count) {
    size_t at = 0;
    for (size_t g = 0; g < optim->group_count; g++) {
        HcGroup *group = &optim->groups[g];
        for (size_t i = 0; i < group->params.count; i++) {
            Param *p = group->params.items[i];
            OptimUpdate u;
            if (!has_update(p) || at == count) continue;
            Pending *next = &pending[at++];
            next->param = p;
            next->moments = &group->moments[i];
            if (p->dtype != optim->dtype)
                return hc_optim_fail(optim, HC_ERR_DTYPE,
                                     "optim_step: '%s' was converted to the other type",
                                     p->cell.name);
            const char *fault = run_rule(optim, g, i, &u);
            if (fault)
                return hc_optim_fail(
                    optim, tape_status(optim->tape) ? tape_status(optim->tape) : HC_ERR_STATE,
                    "optim_step: '%s': %s", p->cell.name, fault);
            if (!plan_moves(optim, next, &u))
                return hc_optim_fail(optim, HC_ERR_NOMEM, "optim_step: '%s': out of memory",
                                     p->cell.name);
        }
    }
    return hc_moves_hold(optim->tape, "optim_step") ||
           hc_optim_fail(optim, HC_ERR_NOMEM, "optim_step: out of memory");
}

static void write_back(Optim *optim, Pending *pending, size_t count) {
    hc_moves_make(optim->tape);
    for (size_t i = 0; i < count; i++) {
        HcMoments *moments = pending[i].moments;
        for (size_t s = 0; s < optim->cls->state_count; s++)
            if (pending[i].fresh[s]) moments->state[s] = pending[i].fresh[s];
        moments->steps++;
        hc_param_written(pending[i].param);
    }
}

bool optim_check_grads(Optim *optim, bool on) {
    if (!optim) return hc_null("optim_check_grads", "the optimizer");
    bool was = optim->check_grads;
    optim->check_grads = on;
    return was;
}

/* Whether a gradient reached each group that is not frozen as a whole. */
static bool each_group_is_reached(Optim *optim) {
    for (size_t g = 0; g < optim->group_count; g++) {
        ParamList params = optim->groups[g].params;
        const Param *waits = NULL;
        bool reached = false;
        for (size_t i = 0; i < params.count; i++) {
            reached = reached || has_update(params.items[i]);
            if (!params.items[i]->frozen && !waits) waits = params.items[i];
        }
        if (waits && !reached)
            return hc_optim_fail(optim, HC_ERR_GRAD,
                                 "optim_step: no gradient reached group %zu ('%s' is its first): does the loss "
                                 "depend on it? See tensor_reaches and copy_initial_weights",
                                 g, waits->cell.name);
    }
    return true;
}

bool optim_step(Optim *optim) {
    if (!optim) return hc_null("optim_step", "the optimizer");
    if (!hc_optim_at_rest(optim, "optim_step")) return false;
    size_t count = 0;
    for (size_t g = 0; g < optim->group_count; g++)
        for (size_t i = 0; i < optim->groups[g].params.count; i++)
            count += has_update(optim->groups[g].params.items[i]);
    if (count == 0)
        return hc_optim_fail(optim, HC_ERR_GRAD,
                             "optim_step: every gradient is absent (there was no backward pass, or "
                             "all Params are frozen)");
    if (optim->check_grads && !each_group_is_reached(optim)) return false;
    tape_clear_error(optim->tape);
    tape_reset(optim->tape);
    bool was = tape_set_recording(optim->tape, false);
    Pending *pending = hc_scratch_alloc(&optim->tape->scratch, count * sizeof *pending);
    bool done = pending != NULL;
    if (done) {
        memset(pending, 0, count * sizeof *pending);
        done = prepare(optim, pending, count);
        if (done) write_back(optim, pending, count);
        hc_moves_drop(optim->tape);
        for (size_t i = 0; i < count && !done; i++)
            for (size_t s = 0; s < HC_MAX_STATES; s++)
                hc_free(pending[i].fresh[s]);
        hc_scratch_free(&optim->tape->scratch, pending, count * sizeof *pending);
    } else {
        hc_optim_fail(optim, HC_ERR_NOMEM, "optim_step: out of memory");
    }
    tape_set_recording(optim->tape, was);
    tape_reset(optim->tape);
    if (done) {
        optim->failed = false;
        optim->steps++;
        hc_optim_changed(optim);
    }
    return done;
}
