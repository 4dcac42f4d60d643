/* Differentiable optimizers: the optimizer's own rule, on the tape. */
#include "meta/fmodule.h"

#include <string.h>

#include "grad/sweep.h"
#include "optim/optim.h"

#define NO_GROUP SIZE_MAX
#define EVERY_WEIGHT SIZE_MAX

/* A tensor in the place of a hyperparameter; newest first. One without a value ends older ones. */
typedef struct Override Override;
struct Override {
    Override *next;
    size_t hyper;
    size_t group;  /* or HC_ALL_GROUPS; of a weight's override: unused */
    size_t weight; /* or EVERY_WEIGHT */
    Tensor *value;
};

typedef struct Moments {
    size_t steps;
    Tensor *state[HC_MAX_STATES];
} Moments;

/* What a release must bring back. */
typedef struct Snapshot Snapshot;
struct Snapshot {
    Snapshot *prev;
    HcPosition place;
    size_t steps;
    Moments *moments; /* of each weight */
    Override *overrides;
    GradCallback *callback;
    void *callback_user;
    Tensor *loss;
    bool cut;
};

typedef struct ClipNorm {
    double max_norm, eps;
} ClipNorm;

struct DiffOpt {
    HcScope scope;
    Tape *tape;
    const OptimClass *cls;
    void *user;
    FModule *module;
    size_t count;  /* weights */
    size_t *group; /* of each, or NO_GROUP */
    size_t *place; /* of each in its group */
    size_t group_count;
    double *hyper; /* [group_count][HC_MAX_HYPERS] */
    Snapshot *now;
    TapeMark base;   /* what step_release goes back to */
    HcSlots *slots;  /* [state_count]: one list for each state */
    Tensor **states; /* [count]: one of those lists, while it is saved or restored */
    Snapshot kept;
    Moments *kept_moments;
    bool keeps;
};

/* ---- snapshots ------------------------------------------------------------------------------------- */

/* Adds a copy of the present snapshot, with its own moments where they will change. */
static Snapshot *push(DiffOpt *opt, bool own_moments) {
    Snapshot *next = hc_tape_alloc(opt->tape, sizeof *next, "diffopt");
    if (!next) return NULL;
    *next = *opt->now;
    next->prev = opt->now;
    if (own_moments) {
        next->moments = hc_tape_alloc(opt->tape, opt->count * sizeof *next->moments, "diffopt");
        if (!next->moments) return NULL;
        if (opt->count)
            memcpy(next->moments, opt->now->moments, opt->count * sizeof *next->moments);
    }
    next->place = opt->tape->data.top;
    return next;
}

static void save(HcScope *scope, const TapeMark *mark) {
    DiffOpt *opt = (DiffOpt *)scope;
    Snapshot *now = opt->now;
    opt->keeps = hc_above(now->place, mark) && (opt->module->mode == HC_EVAL || now->cut);
    while (hc_above(opt->now->place, mark))
        opt->now = opt->now->prev;
    if (mark->nodes < opt->base.nodes ||
        hc_above((HcPosition){opt->base.block, opt->base.offset}, mark))
        opt->base = *mark;
    if (!opt->keeps) return;
    opt->kept = *now;
    if (opt->count) memcpy(opt->kept_moments, now->moments, opt->count * sizeof *opt->kept_moments);
    for (size_t s = 0; s < opt->cls->state_count; s++) {
        for (size_t i = 0; i < opt->count; i++)
            opt->states[i] = now->moments[i].state[s];
        hc_slots_save(&opt->slots[s], opt->states, mark);
    }
}

static void restore(HcScope *scope, const TapeMark *mark) {
    DiffOpt *opt = (DiffOpt *)scope;
    (void)mark;
    if (!opt->keeps) return;
    for (size_t s = 0; s < opt->cls->state_count; s++) {
        if (!hc_slots_restore(&opt->slots[s], opt->tape, opt->states, HC_WHY_CONSTANT)) return;
        for (size_t i = 0; i < opt->count; i++)
            opt->kept_moments[i].state[s] = opt->states[i];
    }
    Snapshot *next = push(opt, true);
    if (!next) return;
    if (opt->count) memcpy(next->moments, opt->kept_moments, opt->count * sizeof *next->moments);
    next->steps = opt->kept.steps;
    next->cut = opt->kept.cut;
    next->loss = NULL; /* gone with what was released */
    opt->now = next;
}

/* ---- making ------------------------------------------------------------------------------------------ */

/* Where each of the optimizer's Params stands among the module's. Both lists usually run alike, so the
 * search goes on from the last hit. */
static bool match(DiffOpt *opt, const Optim *optim, const char *who) {
    ParamList list = module_params(opt->module->module);
    size_t at = 0;
    for (size_t i = 0; i < opt->count; i++)
        opt->group[i] = NO_GROUP;
    for (size_t g = 0; g < optim->group_count; g++)
        for (size_t k = 0; k < optim->groups[g].params.count; k++) {
            const Param *p = optim->groups[g].params.items[k];
            size_t tried = 0;
            while (tried < list.count && list.items[at] != p) {
                at = (at + 1) % list.count;
                tried++;
            }
            if (tried == list.count)
                return hc_fail(opt->tape, HC_ERR_STATE,
                               "%s: '%s' of the optimizer is not a parameter of the module", who,
                               p->cell.name);
            opt->group[at] = g;
            opt->place[at] = k;
        }
    return true;
}

/* The optimizer's present state as constants on the tape. */
static bool branch(DiffOpt *opt, const Optim *optim, Moments *moments) {
    for (size_t i = 0; i < opt->count; i++) {
        moments[i] = (Moments){.steps = 0};
        if (opt->group[i] == NO_GROUP) continue;
        const HcGroup *group = &optim->groups[opt->group[i]];
        const HcMoments *from = &group->moments[opt->place[i]];
        const Param *p = group->params.items[opt->place[i]];
        moments[i].steps = from->steps;
        for (size_t s = 0; s < opt->cls->state_count; s++) {
            if (!from->state[s]) continue;
            Tensor *x = hc_emit_leaf(opt->tape, "diffopt_create", p->shape, NULL, HC_WHY_CONSTANT);
            if (!x) return false;
            if (p->count) memcpy(x->data, from->state[s], p->count * p->item);
            moments[i].state[s] = x;
        }
    }
    return true;
}

DiffOpt *diffopt_create(const Optim *optim, FModule *fmodule) {
    const char *who = "diffopt_create";
    if (!optim || !fmodule) {
        if (higherc_status() == HC_OK)
            hc_fail(fmodule ? fmodule->tape : NULL, HC_ERR_ARG, "%s: the %s is NULL", who,
                    optim ? "functional module" : "optimizer");
        return NULL;
    }
    Tape *tape = fmodule->tape;
    if (tape->status != HC_OK) return NULL;
    if (optim->dtype != tape->dtype) {
        hc_fail(tape, HC_ERR_DTYPE, "%s: the optimizer was made for %s, the tape is %s", who,
                optim->dtype == HC_F32 ? "f32" : "f64", tape->dtype == HC_F32 ? "f32" : "f64");
        return NULL;
    }
    FModule *root = fmodule->root;
    size_t count = root->weight_slots.count, states = optim->cls->state_count;
    DiffOpt *opt = hc_tape_alloc(tape, sizeof *opt, who);
    Snapshot *first = hc_tape_alloc(tape, sizeof *first, who);
    Moments *moments = hc_tape_alloc(tape, count * sizeof *moments, who);
    if (!opt || !first || !moments) return NULL;
    *opt = (DiffOpt){.tape = tape,
                     .cls = optim->cls,
                     .user = optim->user,
                     .module = root,
                     .count = count,
                     .group_count = optim->group_count,
                     .now = first};
    opt->group = hc_tape_alloc(tape, count * sizeof *opt->group, who);
    opt->place = hc_tape_alloc(tape, count * sizeof *opt->place, who);
    opt->hyper = hc_tape_alloc(tape, optim->group_count * HC_MAX_HYPERS * sizeof *opt->hyper, who);
    opt->slots = hc_tape_alloc(tape, states * sizeof *opt->slots, who);
    opt->states = hc_tape_alloc(tape, count * sizeof *opt->states, who);
    opt->kept_moments = hc_tape_alloc(tape, count * sizeof *opt->kept_moments, who);
    if (!opt->group || !opt->place || !opt->hyper || !opt->slots || !opt->states ||
        !opt->kept_moments || !match(opt, optim, who) || !branch(opt, optim, moments))
        return NULL;
    for (size_t s = 0; s < states; s++)
        if (!hc_slots_create(tape, &opt->slots[s], root->now->weights, count, who)) return NULL;
    for (size_t g = 0; g < optim->group_count; g++)
        memcpy(opt->hyper + g * HC_MAX_HYPERS, optim->groups[g].hyper,
               sizeof optim->groups[g].hyper);
    *first = (Snapshot){.moments = moments, .place = tape->data.top};
    opt->scope.save = save;
    opt->scope.restore = restore;
    hc_tape_add_scope(tape, &opt->scope);
    opt->base = tape_mark(tape);
    return opt;
}

static bool usable(const DiffOpt *opt, const char *who) {
    if (!opt) {
        if (higherc_status() == HC_OK) hc_fail_thread(HC_ERR_ARG, "%s: the optimizer is NULL", who);
        return false;
    }
    return opt->tape->status == HC_OK;
}

/* ---- the step ------------------------------------------------------------------------------------------ */

/* The hyperparameter as weight i sees it: its own override, then its group's, then the number. */
static Hyper hyper_of(const DiffOpt *opt, size_t i, size_t h) {
    const Override *o;
    for (o = opt->now->overrides; o; o = o->next)
        if (o->hyper == h && o->weight == i) break;
    if (o && o->value) return (Hyper){0, o->value};
    for (o = opt->now->overrides; o; o = o->next)
        if (o->hyper == h && o->weight == EVERY_WEIGHT &&
            (o->group == HC_ALL_GROUPS || o->group == opt->group[i]))
            break;
    if (o && o->value) return (Hyper){0, o->value};
    return hyper_const(opt->hyper[opt->group[i] * HC_MAX_HYPERS + h]);
}

/* Gradients of the loss to the weights, NULL where there is none; at least one. */
static bool inner_gradients(DiffOpt *opt, Tensor *loss, Tensor *const *weights, Tensor **grads) {
    const char *who = "diffopt_step";
    Tape *tape = opt->tape;
    bool record = opt->module->mode == HC_FULL;
    HcSweep sweep;
    size_t born = tape->born_count, reached = 0;
    if (!hc_sweep_begin(&sweep, loss, HC_SWEEP_CUT | (record ? HC_SWEEP_RECORD : 0))) return false;
    bool done = true;
    for (size_t i = 0; i < opt->count && done; i++)
        if (opt->group[i] != NO_GROUP && (weights[i]->flags & HC_NODE_NEEDS))
            done = hc_sweep_want(&sweep, weights[i]);
    done = done && hc_sweep_find(&sweep);
    for (size_t i = 0; i < opt->count && done; i++)
        reached += opt->group[i] != NO_GROUP && hc_sweep_reaches(&sweep, weights[i]);
    if (done && reached == 0) {
        hc_sweep_end(&sweep);
        HcWhy why = hc_why(loss, NULL);
        return hc_fail(tape, HC_ERR_GRAD,
                       "%s: the loss reaches none of the latest weights W<%zu>: %s", who,
                       opt->module->now->step, hc_why_text(why));
    }
    bool scratching = tape->scratching;
    tape->scratching = !record;
    Tensor *one = done ? tensor_ones(tape, hc_form_shape(loss->form)) : NULL;
    tape->scratching = scratching;
    done = one && hc_sweep_run(&sweep, one);
    for (size_t i = 0; i < opt->count && done; i++) {
        bool wanted = opt->group[i] != NO_GROUP && (weights[i]->flags & HC_NODE_NEEDS);
        grads[i] = wanted ? hc_sweep_result(&sweep, weights[i]) : NULL;
        done = tape->status == HC_OK;
    }
    for (size_t i = 0; i < opt->count && !done; i++)
        hc_drop(grads[i]);
    hc_sweep_end(&sweep);
    hc_drop_born(tape, born);
    return done;
}

/* Lets the callback change the gradients, and looks at what it left. */
static bool call_back(const DiffOpt *opt, Tensor *const *weights, Tensor **grads) {
    const char *who = "diffopt_step: the gradient callback";
    Tape *tape = opt->tape;
    if (!opt->now->callback) return true;
    if (!opt->now->callback(tape, grads, opt->count, opt->now->callback_user))
        return tape->status == HC_OK ? hc_fail(tape, HC_ERR_STATE, "%s gave up", who) : false;
    for (size_t i = 0; i < opt->count; i++) {
        if (!grads[i]) continue;
        if (opt->group[i] == NO_GROUP)
            return hc_fail(tape, HC_ERR_STATE, "%s: weight %zu is in no group", who, i);
        if (!hc_check_all(who, (Tensor *[]){weights[i], grads[i]}, 2)) return false;
        if (grads[i]->form->plain != weights[i]->form->plain)
            return hc_fail(tape, HC_ERR_SHAPE, "%s: gradient %zu has not its weight's shape", who,
                           i);
    }
    return tape->status == HC_OK;
}

/* Runs the rule on every weight with a gradient, into a new snapshot and list of weights. */
static bool update_all(DiffOpt *opt, Snapshot *next, Tensor **weights, Tensor *const *grads) {
    bool eval = opt->module->mode == HC_EVAL;
    for (size_t i = 0; i < opt->count; i++) {
        if (!grads[i]) continue;
        Moments *m = &next->moments[i];
        OptimUpdate u = {.param = weights[i], .grad = grads[i], .step = m->steps + 1};
        memcpy(u.state, m->state, sizeof u.state);
        for (size_t h = 0; h < opt->cls->hyper_count; h++)
            u.hyper[h] = hyper_of(opt, i, h);
        const char *name = module_params(opt->module->module).items[i]->cell.name;
        if (!opt->cls->update(&u, opt->user)) u.param = NULL;
        if (opt->tape->status != HC_OK) return false;
        const char *fault =
            hc_update_fault(opt->cls, &u, opt->tape, hc_form_shape(weights[i]->form));
        if (fault)
            return hc_fail(opt->tape, u.param ? HC_ERR_SHAPE : HC_ERR_STATE,
                           "diffopt_step: '%s': %s", name, fault);
        weights[i] = eval ? hc_leaf_of(u.param, true, true, HC_WHY_EVAL) : u.param;
        if (!weights[i]) return false;
        memcpy(m->state, u.state, sizeof u.state);
        m->steps++;
    }
    return true;
}

/* From gradients (held, where in scratch) to the next snapshot. */
static bool apply(DiffOpt *opt, Tensor *loss, Tensor *const *params, Tensor **grads,
                  Tensor **weights) {
    Tape *tape = opt->tape;
    HcWhy why = opt->module->mode == HC_EVAL ? HC_WHY_EVAL : HC_WHY_FIRST_ORDER;
    for (size_t i = 0; i < opt->count; i++) {
        weights[i] = params[i];
        Tensor *held = grads[i];
        grads[i] = hc_keep(held, why);
        hc_drop(held);
        if (held && !grads[i]) {
            for (size_t j = i + 1; j < opt->count; j++)
                hc_drop(grads[j]);
            return false;
        }
    }
    if (!call_back(opt, weights, grads)) return false;
    Snapshot *next = push(opt, true);
    if (!next) return false;
    bool recording = tape->recording;
    if (opt->module->mode == HC_EVAL) tape->recording = false;
    bool done = update_all(opt, next, weights, grads);
    tape->recording = recording;
    if (!done) return false;
    next->steps++;
    next->loss = loss;
    next->cut = false;
    next->place = tape->data.top;
    if (!hc_fmodule_push(opt->module, weights, NULL, opt->module->now->step + 1, false))
        return false;
    opt->now = next;
    return true;
}

static bool step(DiffOpt *opt, Tensor *loss, Tensor *const *params, size_t count, bool release) {
    const char *who = "diffopt_step";
    if (!usable(opt, who)) return false;
    Tape *tape = opt->tape;
    if (!loss && higherc_status() == HC_OK)
        return hc_fail(tape, HC_ERR_ARG, "%s: the loss is NULL", who);
    if (!hc_check(who, loss)) return false;
    FModule *root = opt->module;
    char text[HC_SHAPE_TEXT];
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
        if (params[i]->tape != tape || params[i]->form->plain != root->now->weights[i]->form->plain)
            return hc_fail(tape, HC_ERR_SHAPE, "%s: tensor %zu has not the weight's shape", who, i);
    if (release && root->mode == HC_FULL)
        return hc_fail(
            tape, HC_ERR_STATE,
            "diffopt_step_release: HC_FULL needs the history it would free; use HC_FIRST_ORDER "
            "or HC_EVAL");
    size_t bytes = 2 * opt->count * sizeof(Tensor *);
    Tensor **grads = hc_scratch_alloc(&tape->scratch, bytes);
    if (!grads) return hc_fail_nomem(tape, who);
    memset(grads, 0, bytes);
    bool done = inner_gradients(opt, loss, params ? params : root->now->weights, grads);
    bool early = release && root->mode == HC_FIRST_ORDER;
    if (done && early) {
        /* The gradients stand apart, so all that led to them can go before the update is recorded. */
        tape_release(tape, opt->base);
        loss = NULL;
        params = NULL;
    }
    done = done && apply(opt, release ? NULL : loss, params ? params : root->now->weights, grads,
                         grads + opt->count);
    hc_scratch_free(&tape->scratch, grads, bytes);
    if (done && release && !early)
        tape_release(tape, opt->base);
    else if (done)
        opt->base = tape_mark(tape);
    return done;
}

bool diffopt_step(DiffOpt *opt, Tensor *loss) {
    return step(opt, loss, NULL, 0, false);
}

bool diffopt_step_release(DiffOpt *opt, Tensor *loss) {
    return step(opt, loss, NULL, 0, true);
}

bool diffopt_step_with(DiffOpt *opt, Tensor *loss, Tensor *const *params, size_t count) {
    if (usable(opt, "diffopt_step_with") && !params && opt->count > 0)
        return hc_fail(opt->tape, HC_ERR_ARG, "diffopt_step_with: the list is NULL");
    return step(opt, loss, params, count, false);
}

Tensor *diffopt_loss(const DiffOpt *opt) {
    return opt ? opt->now->loss : NULL;
}

size_t diffopt_steps(const DiffOpt *opt) {
    return opt ? opt->now->steps : 0;
}

/* A setting made now is to outlast the release steps to come. */
static void settle(DiffOpt *opt, Snapshot *next) {
    opt->now = next;
    opt->base = tape_mark(opt->tape);
}

/* ---- overrides -------------------------------------------------------------------------------------------- */

static bool override(DiffOpt *opt, const char *who, const char *name, size_t group, size_t weight,
                     Tensor *value) {
    size_t hyper;
    if (!name || !hc_hyper_index(opt->cls, who, name, &hyper))
        return hc_fail(opt->tape, name ? HC_ERR_NAME : HC_ERR_ARG,
                       "%s: %s has no hyperparameter '%s'", who, opt->cls->name,
                       name ? name : "(NULL)");
    if (value && opt->cls->hypers[hyper].flag)
        return hc_fail(opt->tape, HC_ERR_ARG, "%s: '%s' is a flag and cannot be a tensor", who,
                       name);
    if (value && !hc_check(who, value)) return false;
    if (value && value->tape != opt->tape)
        return hc_fail(opt->tape, HC_ERR_TAPE, "%s: the tensor is on another tape", who);
    Override *o = hc_tape_alloc(opt->tape, sizeof *o, who);
    Snapshot *next = o ? push(opt, false) : NULL;
    if (!next) return false;
    *o = (Override){opt->now->overrides, hyper, group, weight, value};
    next->overrides = o;
    settle(opt, next);
    return true;
}

bool diffopt_override(DiffOpt *opt, const char *name, size_t group, Tensor *value) {
    const char *who = "diffopt_override";
    if (!usable(opt, who)) return false;
    if (group != HC_ALL_GROUPS && group >= opt->group_count)
        return hc_fail(opt->tape, HC_ERR_RANGE, "%s: there is no group %zu", who, group);
    return override(opt, who, name, group, EVERY_WEIGHT, value);
}

bool diffopt_override_param(DiffOpt *opt, const char *name, const Param *param, Tensor *value) {
    const char *who = "diffopt_override_param";
    if (!usable(opt, who)) return false;
    if (!param) return hc_fail(opt->tape, HC_ERR_ARG, "%s: the Param is NULL", who);
    ParamList list = module_params(opt->module->module);
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i] == param && opt->group[i] != NO_GROUP)
            return override(opt, who, name, 0, i, value);
    return hc_fail(opt->tape, HC_ERR_NAME, "%s: '%s' is not in the optimizer", who,
                   param->cell.name);
}

/* ---- callbacks ---------------------------------------------------------------------------------------------- */

bool diffopt_grad_callback(DiffOpt *opt, GradCallback *callback, void *user) {
    if (!usable(opt, "diffopt_grad_callback")) return false;
    Snapshot *next = push(opt, false);
    if (!next) return false;
    next->callback = callback;
    next->callback_user = user;
    settle(opt, next);
    return true;
}

static bool clip_norm(Tape *tape, Tensor **grads, size_t count, void *user) {
    const ClipNorm *clip = user;
    Tensor *sum = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!grads[i]) continue;
        Tensor *term = tensor_sum(tensor_square(grads[i]));
        sum = sum ? tensor_add(sum, term) : term;
    }
    if (!sum) return tape->status == HC_OK;
    /* sqrt0: with every gradient 0 the norm's derivative is 0, not 0 times infinity */
    Tensor *norm = tensor_add_scalar(hc_root0(sum), clip->eps);
    Tensor *factor = tensor_minimum(tensor_div(tensor_scalar(tape, clip->max_norm), norm),
                                    tensor_scalar(tape, 1));
    for (size_t i = 0; i < count; i++)
        if (grads[i] && !(grads[i] = tensor_mul(grads[i], factor))) return false;
    return true;
}

bool diffopt_clip_norm(DiffOpt *opt, double max_norm, double eps) {
    const char *who = "diffopt_clip_norm";
    if (!usable(opt, who)) return false;
    if (!(max_norm >= 0) || !(eps >= 0))
        return hc_fail(opt->tape, HC_ERR_ARG, "%s: max_norm and eps must be 0 or more", who);
    ClipNorm *clip = hc_tape_alloc(opt->tape, sizeof *clip, who);
    if (!clip) return false;
    *clip = (ClipNorm){max_norm, eps};
    return diffopt_grad_callback(opt, clip_norm, clip);
}

static bool clip_value(Tape *tape, Tensor **grads, size_t count, void *user) {
    double limit = *(const double *)user;
    for (size_t i = 0; i < count; i++)
        if (grads[i] && !(grads[i] = tensor_clamp(grads[i], -limit, limit))) return false;
    return tape->status == HC_OK;
}

bool diffopt_clip_value(DiffOpt *opt, double limit) {
    const char *who = "diffopt_clip_value";
    if (!usable(opt, who)) return false;
    if (!(limit >= 0))
        return hc_fail(opt->tape, HC_ERR_ARG, "%s: the limit must be 0 or more", who);
    double *kept = hc_tape_alloc(opt->tape, sizeof *kept, who);
    if (!kept) return false;
    *kept = limit;
    return diffopt_grad_callback(opt, clip_value, kept);
}

/* ---- detach, commit -------------------------------------------------------------------------------------------- */

bool diffopt_detach(DiffOpt *opt) {
    if (!usable(opt, "diffopt_detach")) return false;
    Snapshot *next = push(opt, true);
    if (!next) return false;
    for (size_t i = 0; i < opt->count; i++)
        for (size_t s = 0; s < opt->cls->state_count; s++) {
            Tensor **x = &next->moments[i].state[s];
            if (*x && !(*x = tensor_detach(*x))) return false;
        }
    next->cut = true;
    next->place = opt->tape->data.top;
    if (!fmodule_detach(opt->module)) return false;
    opt->now = next;
    return true;
}

/* Memory for states that the optimizer has none for yet. */
static bool fresh_states(const DiffOpt *opt, const Optim *optim, void **fresh) {
    size_t states = opt->cls->state_count;
    for (size_t i = 0; i < opt->count; i++)
        for (size_t s = 0; opt->group[i] != NO_GROUP && s < states; s++) {
            const HcGroup *group = &optim->groups[opt->group[i]];
            const Param *p = group->params.items[opt->place[i]];
            if (!opt->now->moments[i].state[s] || group->moments[opt->place[i]].state[s]) continue;
            if (!(fresh[i * states + s] = hc_alloc(p->count, opt->tape->item))) return false;
        }
    return true;
}

/* Takes what it uses of fresh. */
static void commit_one(const Moments *from, HcMoments *to, size_t states, void **fresh) {
    to->steps = from->steps;
    for (size_t s = 0; s < states; s++) {
        if (!from->state[s]) {
            hc_free(to->state[s]);
            to->state[s] = NULL;
            continue;
        }
        if (fresh[s]) to->state[s] = fresh[s];
        fresh[s] = NULL;
        hc_copy_dense(from->state[s], to->state[s]);
    }
}

bool diffopt_commit(DiffOpt *opt, Optim *optim) {
    const char *who = "diffopt_commit";
    if (!usable(opt, who)) return false;
    if (!optim) return hc_fail(opt->tape, HC_ERR_ARG, "%s: the optimizer is NULL", who);
    if (optim->cls != opt->cls || optim->group_count != opt->group_count ||
        optim->dtype != opt->tape->dtype)
        return hc_fail(opt->tape, HC_ERR_STATE, "%s: an optimizer of another rule, type or groups",
                       who);
    for (size_t i = 0; i < opt->count; i++) {
        if (opt->group[i] == NO_GROUP) continue;
        HcGroup *group = &optim->groups[opt->group[i]];
        bool fits = opt->place[i] < group->params.count &&
                    shape_equal(group->params.items[opt->place[i]]->shape,
                                tensor_shape(opt->module->now->weights[i]));
        if (!fits)
            return hc_fail(opt->tape, HC_ERR_SHAPE, "%s: the optimizer has other Params", who);
    }
    /* All memory first, apart: a state that is there means that the optimizer has used it. */
    size_t states = opt->cls->state_count, bytes = opt->count * states * sizeof(void *);
    void **fresh = hc_scratch_alloc(&opt->tape->scratch, bytes);
    if (!fresh) return hc_fail_nomem(opt->tape, who);
    memset(fresh, 0, bytes);
    bool done = fresh_states(opt, optim, fresh) || hc_fail_nomem(opt->tape, who);
    for (size_t i = 0; i < opt->count && done; i++)
        if (opt->group[i] != NO_GROUP)
            commit_one(&opt->now->moments[i], &optim->groups[opt->group[i]].moments[opt->place[i]],
                       states, fresh + i * states);
    for (size_t i = 0; i < opt->count * states; i++)
        hc_free(fresh[i]);
    hc_scratch_free(&opt->tape->scratch, fresh, bytes);
    return done;
}
