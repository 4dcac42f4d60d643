/* Weights put in place one by one, and all of them as one vector. Each makes W<t+1> through
 * fmodule_set_params. */
#include <string.h>

#include "meta/fmodule.h"

/* A copy of the list of latest weights, on the tape. */
static Tensor **latest(FModule *f, const char *who) {
    TensorList now = fmodule_params(f);
    Tensor **list = hc_tape_alloc(f->tape, now.count * sizeof *list, who);
    if (list && now.count) memcpy(list, now.items, now.count * sizeof *list);
    return list;
}

bool fmodule_set_param(FModule *f, const char *path, Tensor *value) {
    const char *who = "fmodule_set_param";
    char a[HC_SHAPE_TEXT], b[HC_SHAPE_TEXT];
    size_t site;
    if (!hc_fmodule_usable(f, who)) return false;
    if (!path || !hc_module_site(f->module, path, false, &site))
        return hc_fail(f->tape, path ? HC_ERR_NAME : HC_ERR_ARG, "%s: there is no '%s'", who,
                       path ? path : "(NULL)");
    if (!value && higherc_status() == HC_OK)
        return hc_fail(f->tape, HC_ERR_ARG, "%s: the tensor for '%s' is NULL", who, path);
    if (!hc_check(who, value)) return false;
    if (value->tape != f->tape)
        return hc_fail(f->tape, HC_ERR_TAPE, "%s: the tensor for '%s' is on another tape than the functional module",
                       who, path);
    size_t index = f->root->module->param_plan.index[f->param_base + site];
    Shape shape = module_params(f->root->module).items[index]->shape;
    if (!shape_equal(tensor_shape(value), shape))
        return hc_fail(f->tape, HC_ERR_SHAPE, "%s: '%s' is %s, the tensor %s", who, path,
                       hc_shape_text(shape, a), hc_shape_text(tensor_shape(value), b));
    Tensor **list = latest(f, who);
    if (!list) return false;
    list[index] = value;
    return fmodule_set_params(f, list, fmodule_params(f).count);
}

Tensor *fmodule_vector(FModule *f) {
    const char *who = "fmodule_vector";
    if (!hc_fmodule_usable(f, who)) return NULL;
    size_t count = fmodule_params(f).count;
    if (count == 0) return tensor_zeros(f->tape, shape1(0));
    Tensor **list = latest(f, who);
    if (!list) return NULL;
    for (size_t i = 0; i < count; i++)
        list[i] = tensor_reshape(list[i], shape1(tensor_count(list[i])));
    return tensor_concat(list, count, 0);
}

bool fmodule_set_vector(FModule *f, Tensor *vector) {
    const char *who = "fmodule_set_vector";
    char text[HC_SHAPE_TEXT];
    if (!hc_fmodule_usable(f, who)) return false;
    if (!vector) return hc_null_on(f->tape, who, "the vector");
    if (!hc_check(who, vector)) return false;
    Tensor **list = latest(f, who);
    if (!list) return false;
    size_t count = fmodule_params(f).count, total = 0;
    for (size_t i = 0; i < count; i++)
        total += tensor_count(list[i]);
    if (!shape_equal(tensor_shape(vector), shape1(total)))
        return hc_fail(f->tape, HC_ERR_SHAPE, "%s: a vector of %s for %zu weights", who,
                       hc_shape_text(tensor_shape(vector), text), total);
    int64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t end = at + (int64_t)tensor_count(list[i]);
        list[i] = tensor_reshape(tensor_slice(vector, 0, at, end, 1), tensor_shape(list[i]));
        at = end;
    }
    return fmodule_set_params(f, list, count);
}
