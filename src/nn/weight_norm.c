/* Weight normalisation: Salimans and Kingma 2016, "Weight normalization: a simple reparameterization to accelerate
 * training of deep neural networks". A Param of a module is renamed and gets another beside it; frames hand forwards
 * the weight that the two make, so every layer can be normalised, and fast weights are as base ones. */
#include <math.h>
#include <string.h>

#include "higherc/layers.h"
#include "nn/module.h"

/* How the numbers of a shape lie around an axis: [outer, size, inner]. */
static void around(Shape shape, int axis, size_t *outer, size_t *inner) {
    *outer = *inner = 1;
    for (int i = 0; i < shape.ndim; i++)
        if (i != axis) *(i < axis ? outer : inner) *= shape.dim[i];
}

static bool set_length(Param *g, const Param *v, int axis) {
    size_t outer, inner, size = v->shape.dim[axis];
    double *length = hc_alloc_zero(size + 1, sizeof *length);
    if (!length) return hc_fail_thread(HC_ERR_NOMEM, "module_weight_norm: out of memory");
    around(v->shape, axis, &outer, &inner);
    for (size_t i = 0; i < v->count; i++) {
        double x = param_get(v, i);
        length[i / inner % size] += x * x;
    }
    for (size_t k = 0; k < size; k++)
        length[k] = sqrt(length[k]);
    bool done = param_set_f64(g, length, size);
    hc_free(length);
    return done;
}

bool hc_weight_norm_init(Module *module) {
    for (size_t i = 0; i < module->norm_count; i++) {
        const HcWeightNorm *n = &module->norms[i];
        Param *v = module->params[n->v].param, *g = module->params[n->g].param;
        if (!g->frozen && v->ready && !set_length(g, v, n->axis)) return false;
    }
    return true;
}

/* The table of names is made anew; without memory for it the list is looked through. */
static bool rename_param(Module *module, size_t number, const char *name) {
    HcNamed *at = &module->params[number];
    char *copy = hc_copy_text(name);
    if (!copy) return hc_fail_thread(HC_ERR_NOMEM, "module_weight_norm: out of memory");
    hc_free(at->name);
    at->name = copy;
    at->hash = hc_name_hash(name, strlen(name));
    hc_names_free(&module->param_names);
    (void)hc_names_room(&module->param_names, module->params, module->param_count);
    return true;
}

static bool add_norm(Module *module, size_t number, int axis) {
    char v[80], g[80];
    Param *weight = module->params[number].param;
    Shape shape = weight->shape;
    for (int i = 0; i < shape.ndim; i++)
        if (i != axis) shape.dim[i] = 1;
    snprintf(v, sizeof v, "%s_v", module->params[number].name);
    snprintf(g, sizeof g, "%s_g", module->params[number].name);
    if (hc_module_number(module, false, v) < module->param_count)
        return hc_fail_thread(HC_ERR_NAME, "module_weight_norm: there is a '%s' already", v);
    if (!hc_grow((void **)&module->norms, &module->norm_capacity, module->norm_count, module->norm_count + 1,
                 sizeof *module->norms))
        return hc_fail_thread(HC_ERR_NOMEM, "module_weight_norm: out of memory");
    Param *length = module_add_param(module, g, shape);
    if (!length || !rename_param(module, number, v) || !hc_module_replan(module)) return false;
    module->norms[module->norm_count++] = (HcWeightNorm){number, module->param_count - 1, axis};
    return !weight->ready || set_length(length, weight, axis);
}

/* The number of a weight that can be normalised, and the axis from 0; false after hc_fail_thread. */
static bool find(const Module *module, const char *name, size_t *number, int *axis) {
    const char *who = "module_weight_norm";
    if (!name) return hc_null(who, "the name");
    *number = hc_module_number(module, false, name);
    if (*number == module->param_count)
        return hc_fail_thread(HC_ERR_NAME, "%s: the %s module has no '%s'", who, module->cls.name, name);
    for (size_t i = 0; i < module->norm_count; i++)
        if (module->norms[i].v == *number || module->norms[i].g == *number)
            return hc_fail_thread(HC_ERR_STATE, "%s: '%s' is part of a normalised weight", who, name);
    int ndim = module->params[*number].param->shape.ndim;
    if (*axis < -ndim || *axis >= ndim)
        return hc_fail_thread(HC_ERR_SHAPE, "%s: axis %d of %d dimensions", who, *axis, ndim);
    if (*axis < 0) *axis += ndim;
    return true;
}

Module *module_weight_norm(Module *module, const char *name, int axis) {
    const char *who = "module_weight_norm";
    size_t number;
    if (!module) {
        hc_null(who, "the module");
        return NULL;
    }
    if (!hc_module_at_rest(module, who)) return NULL;
    if (module->owner) {
        hc_fail_thread(HC_ERR_STATE, "%s: the %s module belongs to another already", who, module->cls.name);
        return NULL;
    }
    if (find(module, name, &number, &axis) && add_norm(module, number, axis)) return module;
    module_destroy(module);
    return NULL;
}
