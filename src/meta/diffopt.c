/* Differentiable optimizers: made from an optimizer's present state, cut off, committed back. The step is in
 * step.c, settings in override.c and callback.c, what releases do in snapshot.c. */
#include "meta/diffopt.h"

#include <string.h>

/* ---- making ------------------------------------------------------------------------------------------ */

/* Where a Param stands among the module's; SIZE_MAX for nowhere, or when out of memory. The set is filled when it
 * is first needed: both lists usually run alike. */
static size_t place_of(HcParamSet *set, ParamList list, const Param *param) {
    if (!set->entries) {
        if (!hc_param_set_create(set, list.count)) return SIZE_MAX;
        for (size_t i = 0; i < list.count; i++)
            hc_param_set_add(set, list.items[i], i);
    }
    return hc_param_set_find(set, param);
}

/* Where each of the optimizer's Params stands among the module's. */
static bool match(DiffOpt *opt, const Optim *optim, const char *who) {
    ParamList list = module_params(opt->module->module);
    HcParamSet set = {NULL, 0};
    const Param *missing = NULL;
    size_t at = 0;
    for (size_t i = 0; i < opt->count; i++)
        opt->group[i] = HC_NO_GROUP;
    for (size_t g = 0; g < optim->group_count; g++)
        for (size_t k = 0; k < optim->groups[g].params.count && !missing; k++, at++) {
            const Param *p = optim->groups[g].params.items[k];
            if (at >= list.count || list.items[at] != p) at = place_of(&set, list, p);
            if (at == SIZE_MAX) {
                missing = p;
                break;
            }
            opt->group[at] = g;
            opt->place[at] = k;
        }
    bool memory = !missing || set.entries;
    hc_param_set_free(&set);
    if (!memory) return hc_fail_nomem(opt->tape, who);
    return !missing || hc_fail(opt->tape, HC_ERR_STATE,
                               "%s: '%s' of the optimizer is not a parameter of the module", who,
                               missing->cell.name);
}

/* The optimizer's present state as constants on the tape. */
static bool branch(DiffOpt *opt, const Optim *optim, HcFastMoments *moments) {
    for (size_t i = 0; i < opt->count; i++) {
        moments[i] = (HcFastMoments){.steps = 0};
        if (opt->group[i] == HC_NO_GROUP) continue;
        const HcGroup *group = &optim->groups[opt->group[i]];
        const HcMoments *from = &group->moments[opt->place[i]];
        const Param *p = group->params.items[opt->place[i]];
        if (p->dtype != optim->dtype)
            return hc_fail(opt->tape, HC_ERR_DTYPE,
                           "diffopt_create: '%s' was converted to the other type", p->cell.name);
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
        hc_null_on(fmodule_tape(fmodule), who, optim ? "the functional module" : "the optimizer");
        return NULL;
    }
    if (!hc_fmodule_usable(fmodule, who)) return NULL;
    Tape *tape = fmodule->tape;
    if (optim->dtype != tape->dtype) {
        hc_fail(tape, HC_ERR_DTYPE, "%s: the optimizer was made for %s, the tape is %s", who,
                optim->dtype == HC_F32 ? "f32" : "f64", tape->dtype == HC_F32 ? "f32" : "f64");
        return NULL;
    }
    FModule *root = fmodule->root;
    size_t count = root->weight_slots.count, states = optim->cls->state_count;
    DiffOpt made, *opt = &made;
    HcSnapshot *first = hc_tape_alloc(tape, sizeof *first, who);
    HcFastMoments *moments = hc_tape_alloc(tape, count * sizeof *moments, who);
    if (!first || !moments) return NULL;
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
    HC_ASSERT(opt->count > 0); /* an optimizer has Params, and all are the module's */
    for (size_t s = 0; s < states; s++)
        if (!hc_slots_create(tape, &opt->slots[s], root->now->weights, count, who)) return NULL;
    *first = (HcSnapshot){.moments = moments};
    if (!hc_diffopt_take_settings(opt, optim) || !hc_tape_stamp(tape, optim->version, who))
        return NULL;
    first->place = hc_arena_top(&tape->data);
    if ((opt = hc_diffopt_enter(&made))) root->base = tape_mark(tape);
    return opt;
}

/* ---- detach, commit -------------------------------------------------------------------------------------------- */

bool diffopt_detach(DiffOpt *opt) {
    if (!hc_diffopt_usable(opt, "diffopt_detach")) return false;
    HcSnapshot *next = hc_diffopt_push(opt, true);
    if (!next) return false;
    for (size_t i = 0; i < opt->count; i++)
        for (size_t s = 0; s < opt->cls->state_count; s++) {
            Tensor **x = &next->moments[i].state[s];
            if (*x && !(*x = tensor_detach(*x))) return false;
        }
    next->cut = true;
    next->place = hc_arena_top(&opt->tape->data);
    if (!fmodule_detach(opt->module)) return false;
    opt->now = next;
    return true;
}

/* Memory for states that the optimizer has none for yet. */
static bool fresh_states(const DiffOpt *opt, const Optim *optim, void **fresh) {
    size_t states = opt->cls->state_count;
    for (size_t i = 0; i < opt->count; i++)
        for (size_t s = 0; opt->group[i] != HC_NO_GROUP && s < states; s++) {
            const HcGroup *group = &optim->groups[opt->group[i]];
            const Param *p = group->params.items[opt->place[i]];
            if (!opt->now->moments[i].state[s] || group->moments[opt->place[i]].state[s]) continue;
            if (!(fresh[i * states + s] = hc_alloc(p->count, opt->tape->item))) return false;
        }
    return true;
}

/* Takes what it uses of fresh. */
static void commit_one(const HcFastMoments *from, HcMoments *to, size_t states, void **fresh) {
    to->steps = from->steps;
    for (size_t s = 0; s < states; s++) {
        if (!from->state[s]) {
            hc_free(to->state[s]);
            to->state[s] = NULL;
            continue;
        }
        if (fresh[s]) to->state[s] = fresh[s];
        fresh[s] = NULL;
        hc_copy_dense(from->state[s], to->state[s]); /* no tensor reads an optimizer's states */
    }
}

bool diffopt_commit(DiffOpt *opt, Optim *optim) {
    const char *who = "diffopt_commit";
    if (!hc_diffopt_usable(opt, who)) return false;
    if (!optim) return hc_fail(opt->tape, HC_ERR_ARG, "%s: the optimizer is NULL", who);
    if (optim->cls != opt->cls || optim->group_count != opt->group_count ||
        optim->dtype != opt->tape->dtype)
        return hc_fail(opt->tape, HC_ERR_STATE, "%s: an optimizer of another rule, type or groups",
                       who);
    for (size_t i = 0; i < opt->count; i++) {
        if (opt->group[i] == HC_NO_GROUP) continue;
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
        if (opt->group[i] != HC_NO_GROUP)
            commit_one(&opt->now->moments[i], &optim->groups[opt->group[i]].moments[opt->place[i]],
                       states, fresh + i * states);
    if (done) optim->steps = opt->first_step + opt->now->steps;
    if (done) hc_optim_changed(optim);
    for (size_t i = 0; i < opt->count * states; i++)
        hc_free(fresh[i]);
    hc_scratch_free(&opt->tape->scratch, fresh, bytes);
    return done;
}
