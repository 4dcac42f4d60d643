/* The differentiable step: the optimizer's own rule, on the tape. */
#include <string.h>

#include "grad/sweep.h"
#include "meta/diffopt.h"

/* Whether a weight outside the groups was made of others, by another optimizer say: the sweep has to end
 * there as it does at those of the groups, whose gradients are taken with all other weights held fixed. */
static bool made_of_others(const Tensor *w) {
    bool start =
        (w->op->flags & HC_OP_LEAF) || (w->nin == 1 && hc_inputs(w)[0]->flags & HC_NODE_PARAM);
    return (w->flags & HC_NODE_NEEDS) && !start;
}

/* Whether steps move the weight: in a group, and not frozen, whatever was put in its place. */
static bool moves(const DiffOpt *opt, ParamList params, size_t i) {
    return opt->group[i] != HC_NO_GROUP && !params.items[i]->frozen;
}

/* Gradients of the loss to the weights, NULL where there is none; at least one. */
static bool inner_gradients(DiffOpt *opt, Tensor *loss, Tensor *const *weights, Tensor **grads) {
    const char *who = "diffopt_step";
    Tape *tape = opt->tape;
    bool record = opt->module->mode == HC_FULL;
    ParamList params = module_params(opt->module->module);
    HcSweep sweep;
    size_t born = tape->born_count, reached = 0;
    if (!hc_sweep_begin(&sweep, loss, HC_SWEEP_CUT | (record ? HC_SWEEP_RECORD : 0))) return false;
    bool done = true;
    for (size_t i = 0; i < opt->count && done; i++)
        if (moves(opt, params, i) ? weights[i]->flags & HC_NODE_NEEDS : made_of_others(weights[i]))
            done = hc_sweep_want(&sweep, weights[i]);
    for (size_t i = 0; i < opt->module->held_count && done; i++)
        if (made_of_others(opt->module->held[i]))
            done = hc_sweep_want(&sweep, opt->module->held[i]);
    done = done && hc_sweep_find(&sweep);
    for (size_t i = 0; i < opt->count && done; i++)
        reached += moves(opt, params, i) && hc_sweep_reaches(&sweep, weights[i]);
    if (done && reached == 0) {
        hc_sweep_end(&sweep);
        HcWhy why = hc_why(loss, NULL);
        return hc_fail(tape, HC_ERR_GRAD,
                       "%s: the loss reaches none of the latest weights W<%zu>: %s", who,
                       opt->module->now->step, hc_why_text(why));
    }
    done = done && hc_sweep_run(&sweep, NULL);
    for (size_t i = 0; i < opt->count && done; i++) {
        bool wanted = moves(opt, params, i) && (weights[i]->flags & HC_NODE_NEEDS);
        grads[i] = wanted ? hc_sweep_result(&sweep, weights[i]) : NULL;
        done = tape->status == HC_OK;
    }
    for (size_t i = 0; i < opt->count && !done; i++)
        hc_drop(grads[i]);
    hc_sweep_end(&sweep);
    hc_drop_born(tape, born);
    return done;
}

/* W<t+1> of what the rule gave. A constant, a state from before history began say, becomes a leaf, so that the
 * next step moves it as it does in the other modes. */
static Tensor *new_weight(const DiffOpt *opt, Tensor *x) {
    if (opt->module->mode == HC_EVAL) return hc_leaf_of(x, true, true, HC_WHY_EVAL);
    if ((x->flags & HC_NODE_NEEDS) || !opt->tape->manner.recording) return x;
    return hc_leaf_of(x, true, true, HC_WHY_CONSTANT);
}

/* Runs the rule on every weight with a gradient, into a new snapshot and list of weights. */
static bool update_all(DiffOpt *opt, HcSnapshot *next, Tensor **weights, Tensor *const *grads) {
    ParamList params = module_params(opt->module->module);
    OptimUpdate u = {.param = NULL};
    hc_diffopt_begin_step(opt);
    for (size_t i = 0; i < opt->count; i++) {
        if (!grads[i]) continue;
        HcFastMoments *m = &next->moments[i];
        u.param = weights[i];
        u.grad = grads[i];
        u.step = m->steps + 1;
        memcpy(u.state, m->state, sizeof u.state);
        hc_diffopt_hypers(opt, i, u.hypers);
        hc_run_rule(opt->cls, &u, opt->user, opt->tape);
        if (opt->tape->status != HC_OK) return false;
        const char *fault = hc_update_fault(opt->cls, &u, opt->tape, &params.items[i]->shape);
        if (fault)
            return hc_fail(opt->tape, u.param ? HC_ERR_SHAPE : HC_ERR_STATE,
                           "diffopt_step: '%s': %s", params.items[i]->cell.name, fault);
        weights[i] = new_weight(opt, u.param);
        if (!weights[i]) return false;
        memcpy(m->state, u.state, sizeof u.state);
        m->steps++;
    }
    return true;
}

/* Moves gradients from scratch, where they are held, to the tape. held[] is room for as many. */
static bool keep_gradients(DiffOpt *opt, Tensor *loss, Tensor *const *params, Tensor **grads,
                           Tensor **held) {
    HcWhy why = opt->module->mode == HC_EVAL ? HC_WHY_EVAL : HC_WHY_FIRST_ORDER;
    bool done = true;
    if (opt->module->mode == HC_FULL) return true;
    memcpy(held, grads, opt->count * sizeof *held);
    if (loss) done = hc_sweep_keep(loss, NULL, params, opt->count, HC_SWEEP_CUT, why, grads);
    for (size_t i = 0; i < opt->count; i++) {
        if (!loss && done && held[i]) done = (grads[i] = hc_keep(held[i], why)) != NULL;
        hc_drop(held[i]);
    }
    return done;
}

/* From gradients (held, where in scratch) to the next snapshot. */
static bool apply(DiffOpt *opt, Tensor *loss, Tensor *const *params, Tensor **grads,
                  Tensor **weights) {
    Tape *tape = opt->tape;
    if (!keep_gradients(opt, loss, params, grads, weights)) return false;
    memcpy(weights, params, opt->count * sizeof *weights);
    if (!hc_diffopt_call_back(opt, weights, grads)) return false;
    HcSnapshot *next = hc_diffopt_push(opt, true);
    if (!next) return false;
    HcManner was = tape->manner;
    if (opt->module->mode == HC_EVAL) tape->manner.recording = false;
    bool done = update_all(opt, next, weights, grads);
    tape->manner = was;
    if (!done) return false;
    next->steps++;
    next->loss = loss;
    next->cut = false;
    next->place = hc_arena_top(&tape->data);
    if (!hc_fmodule_push(opt->module, weights, NULL, opt->module->now->step + 1, false))
        return false;
    opt->now = next;
    return true;
}

typedef struct Before {
    HcSnapshot *now;
    HcWeights *weights;
} Before;

/* The step was made, but what led to it could not be freed. Returns false. */
static bool take_back(DiffOpt *opt, Before before) {
    opt->now = before.now;
    opt->module->now = before.weights;
    return false;
}

static bool step(const char *who, DiffOpt *opt, Tensor *loss, Tensor *const *params, size_t count, bool release) {
    if (!hc_diffopt_usable(opt, who)) return false;
    Tape *tape = opt->tape;
    if (!loss) return hc_null_on(tape, who, "the loss");
    if (!hc_check(who, loss)) return false;
    FModule *root = opt->module;
    char text[HC_SHAPE_TEXT], weight[HC_SHAPE_TEXT];
    if (loss->tape != tape)
        return hc_fail(tape, HC_ERR_TAPE, "%s: the loss is on another tape", who);
    if (loss->form->count != 1)
        return hc_fail(tape, HC_ERR_SHAPE, "%s: the loss has shape %s and is no scalar", who,
                       hc_shape_text(hc_form_shape(loss->form), text));
    if (params && (count != opt->count || !hc_check_all(who, params, count)))
        return count == opt->count ? false
                                   : hc_fail(tape, HC_ERR_SHAPE, "%s: %zu tensors for %zu weights",
                                             who, count, opt->count);
    for (size_t i = 0; params && i < count; i++)
        if (params[i]->tape != tape)
            return hc_fail(tape, HC_ERR_TAPE, "%s: the weights are on another tape", who);
        else if (params[i]->form->plain != root->now->weights[i]->form->plain)
            return hc_fail(tape, HC_ERR_SHAPE, "%s: tensor %zu has shape %s, its weight %s", who, i,
                           hc_shape_text(hc_form_shape(params[i]->form), text),
                           hc_shape_text(hc_form_shape(root->now->weights[i]->form), weight));
    if (release && root->mode == HC_FULL)
        return hc_fail(
            tape, HC_ERR_STATE,
            "%s: HC_FULL needs the history it would free; use HC_FIRST_ORDER or HC_EVAL", who);
    Before before = {opt->now, root->now};
    size_t bytes = 2 * opt->count * sizeof(Tensor *);
    Tensor **grads = hc_scratch_alloc(&tape->scratch, bytes);
    if (!grads) return hc_fail_nomem(tape, who);
    memset(grads, 0, bytes);
    opt->in_step = true;
    HcRunning here;
    hc_module_enter(&here, root->module, "step");
    bool done = inner_gradients(opt, loss, params ? params : root->now->weights, grads);
    bool early = release && root->mode == HC_FIRST_ORDER;
    if (done && early) {
        /* The gradients stand apart, so all that led to them can go before the update is recorded. */
        root->stepping = root->releasing = true;
        done = tape_release(tape, root->base);
        root->stepping = root->releasing = false;
        for (size_t i = 0; i < opt->count && !done; i++)
            hc_drop(grads[i]);
        loss = NULL;
        params = NULL;
    }
    done = done && apply(opt, release ? NULL : loss, params ? params : root->now->weights, grads,
                         grads + opt->count);
    hc_module_leave(&here);
    opt->in_step = false;
    hc_scratch_free(&tape->scratch, grads, bytes);
    if (done && release && !early) {
        root->releasing = true;
        done = tape_release(tape, root->base) || take_back(opt, before);
        root->releasing = false;
        return done;
    }
    if (done) root->base = tape_mark(tape);
    if (early) hc_tape_tidy(tape); /* the release was made while gradients stood apart */
    return done;
}

bool diffopt_step(DiffOpt *opt, Tensor *loss) {
    return step("diffopt_step", opt, loss, NULL, 0, false);
}

bool diffopt_step_release(DiffOpt *opt, Tensor *loss) {
    return step("diffopt_step_release", opt, loss, NULL, 0, true);
}

bool diffopt_step_with(DiffOpt *opt, Tensor *loss, Tensor *const *params, size_t count) {
    const char *who = "diffopt_step_with";
    if (!hc_diffopt_usable(opt, who)) return false;
    if (!params) return hc_null_on(opt->tape, who, "the list of tensors");
    return step(who, opt, loss, params, count, false);
}

Tensor *diffopt_loss(const DiffOpt *opt) {
    return opt && opt->scope.check == HC_DIFFOPT_WORD ? opt->now->loss : NULL;
}

size_t diffopt_steps(const DiffOpt *opt) {
    return opt && opt->scope.check == HC_DIFFOPT_WORD ? opt->now->steps : 0;
}
