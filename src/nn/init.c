/* First values, and copies of whole trees. */
#include <math.h>
#include <string.h>

#include "nn/module.h"

/* PyTorch's nn.Linear.reset_parameters: uniform in +-1/sqrt(fan in) for weight and bias alike. */
static bool init_default(Module *module, Rng *rng) {
    if (module->param_count == 0) return true;
    Shape first = module->params[0].param->shape;
    double fan_in = 1;
    for (int i = 1; i < first.ndim; i++)
        fan_in *= (double)first.dim[i];
    double bound = fan_in > 0 ? 1 / sqrt(fan_in) : 0;
    for (size_t i = 0; i < module->param_count; i++) {
        Param *p = module->params[i].param;
        if (!p->frozen) param_uniform(p, -bound, bound, rng);
    }
    return true;
}

static bool init_tree(Module *module, Rng *rng) {
    size_t told = hc_errors_told();
    bool done = module->cls.init ? module->cls.init(module, rng) : init_default(module, rng);
    if (!done || hc_errors_left(told))
        return hc_fail_thread(HC_ERR_STATE, "module_init: the init of the %s module failed", module->cls.name);
    if (!hc_weight_norm_init(module)) return false;
    for (size_t i = 0; i < module->child_count; i++)
        if (!init_tree(module->children[i].module, rng)) return false;
    return true;
}

bool module_init(Module *module, Rng *rng) {
    if (!module || !rng) return hc_null("module_init", module ? "the stream" : "the module");
    HcRunning here;
    hc_module_enter(&here, module, "init");
    bool done = init_tree(module, rng);
    hc_module_leave(&here);
    return done;
}

static bool init_lengths(Module *module) {
    bool done = hc_weight_norm_init(module);
    for (size_t i = 0; i < module->child_count && done; i++)
        done = init_lengths(module->children[i].module);
    return done;
}

bool module_init_truncated_normal(Module *module, double deviation, Rng *rng) {
    if (!module || !rng)
        return hc_null("module_init_truncated_normal", module ? "the stream" : "the module");
    ParamList params = module_params(module);
    for (size_t i = 0; i < params.count; i++) {
        Param *p = params.items[i];
        if (p->frozen) continue;
        if (p->shape.ndim >= 2)
            param_normal(p, 0, deviation, 2, rng);
        else
            param_fill(p, 0);
    }
    return init_lengths(module);
}

/* ---- clone ------------------------------------------------------------------------------------------- */

static void copy_values(Param *to, const Param *from) {
    if (from->count) memcpy(to->data, from->data, from->count * from->item);
    to->frozen = from->frozen;
    to->ready = from->ready;
}

/* A tree of the same structure, without ties yet. */
static Module *clone_tree(const Module *from) {
    void *state = NULL;
    if (from->state) {
        if (!from->cls.clone_state) {
            hc_fail_thread(HC_ERR_STATE, "module_clone: the %s module cannot copy its state",
                           from->cls.name);
            return NULL;
        }
        size_t told = hc_errors_told();
        state = from->cls.clone_state(from->state);
        if (!state || hc_errors_left(told)) {
            hc_fail_thread(HC_ERR_NOMEM, "module_clone: out of memory");
            if (state && from->cls.destroy_state) from->cls.destroy_state(state);
            return NULL;
        }
    }
    Module *to = module_create(&from->cls, state);
    if (!to) return NULL;
    to->dtype = from->dtype;
    to->training = from->training;
    to->takes_relu = from->takes_relu;
    to->takes_pool = from->takes_pool;
    bool done = hc_grow((void **)&to->norms, &to->norm_capacity, 0, from->norm_count, sizeof *to->norms) ||
                hc_fail_thread(HC_ERR_NOMEM, "module_clone: out of memory");
    for (size_t i = 0; done && i < from->norm_count; i++)
        to->norms[to->norm_count++] = from->norms[i];
    for (size_t i = 0; done && i < from->param_count; i++) {
        Param *p = module_add_param(to, from->params[i].name, from->params[i].param->shape);
        if ((done = p != NULL)) copy_values(p, from->params[i].param);
    }
    for (size_t i = 0; done && i < from->buffer_count; i++) {
        const Param *b = from->buffers[i].param;
        if ((done = module_add_buffer(to, from->buffers[i].name, b->shape, 0)))
            copy_values(to->buffers[i].param, b);
    }
    for (size_t i = 0; done && i < from->child_count; i++) {
        Module *child = NULL;
        for (size_t j = 0; from->children[i].repeat && j < i;
             j++) /* the same child at another place */
            if (from->children[j].module == from->children[i].module)
                child = to->children[j].module;
        if (!child) child = clone_tree(from->children[i].module);
        done = child && module_add_child(to, from->children[i].name, child);
    }
    if (done) return to;
    module_destroy(to);
    return NULL;
}

/* Where a tree holds the Params of its sites; returns how many. */
static size_t find_holders(Module *module, Param ***holders) {
    size_t count = module->param_count;
    for (size_t i = 0; i < count; i++)
        holders[i] = &module->params[i].param;
    for (size_t i = 0; i < module->child_count; i++)
        if (!module->children[i].repeat)
            count += find_holders(module->children[i].module, holders + count);
    return count;
}

/* Ties the copy's Params as those of the plan are. */
static bool tie_alike(Module *copy, const HcPlan *plan) {
    if (plan->unique.count == plan->sites) return true;
    Param ***holders = hc_alloc_zero(plan->sites, sizeof *holders);
    Param **first = hc_alloc_zero(plan->unique.count, sizeof *first);
    bool done = holders && first;
    if (done) find_holders(copy, holders);
    for (size_t site = 0; done && site < plan->sites; site++) {
        Param **at = &first[plan->index[site]];
        if (*at && *at != *holders[site]) {
            param_unref(*holders[site]);
            *holders[site] = param_ref(*at);
        }
        *at = *holders[site];
    }
    hc_free(holders);
    hc_free(first);
    if (!done) return hc_fail_thread(HC_ERR_NOMEM, "module_clone: out of memory");
    return hc_module_replan_tree(copy);
}

Module *module_clone(const Module *module) {
    if (!module) {
        hc_null("module_clone", "the module");
        return NULL;
    }
    HcRunning here;
    hc_module_enter(&here, module, "clone_state");
    Module *copy = clone_tree(module);
    hc_module_leave(&here);
    if (!copy) return NULL;
    if (tie_alike(copy, &module->param_plan)) return copy;
    module_destroy(copy);
    return NULL;
}
