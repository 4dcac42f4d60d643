/* Params: storage, values, gradients, and their leaves on a tape. */
#include "tape/param.h"

#include <math.h>
#include <string.h>

/* ---- life ------------------------------------------------------------------------------------- */

Param *hc_param_for(const char *who, const char *name, Shape shape, DType dtype) {
    size_t count;
    if (!name) {
        hc_null(who, "the name");
        return NULL;
    }
    if (!hc_has_type(who, dtype)) return NULL;
    const HcKernels *k = hc_kernels((int)dtype);
    if (!hc_shape_valid(shape, k->size, &count)) {
        char text[HC_SHAPE_TEXT];
        hc_fail_thread(HC_ERR_SHAPE, "%s: '%s': %s is no shape of a tensor: 0 to %d sizes that fit memory", who, name,
                       hc_shape_text(shape, text), HC_MAX_DIMS);
        return NULL;
    }
    Param *param = hc_alloc_zero(1, sizeof *param);
    if (param) {
        *param = (Param){.shape = shape, .count = count, .item = k->size, .dtype = dtype, .k = k};
        atomic_init(&param->holders, 1);
        param->cell.name = hc_copy_text(name);
        param->data = hc_alloc_zero(count, k->size);
    }
    if (!param || !param->cell.name || !param->data) {
        hc_fail_thread(HC_ERR_NOMEM, "%s: '%s': out of memory", who, name);
        param_unref(param);
        return NULL;
    }
    return param;
}

Param *param_create(const char *name, Shape shape, DType dtype) {
    return hc_param_for("param_create", name, shape, dtype);
}

Param *param_ref(Param *param) {
    if (param) atomic_fetch_add(&param->holders, 1);
    return param;
}

void param_unref(Param *param) {
    if (!param) return;
    size_t holders = atomic_fetch_sub(&param->holders, 1);
    HC_ASSERT(holders > 0);
    if (holders > 1) return;
    hc_free((void *)(uintptr_t)param->cell.name);
    hc_free(param->data);
    hc_free(param->former);
    hc_free(param->grad);
    hc_free(param);
}

void hc_param_rename(Param *param, char *name) {
    hc_free((void *)(uintptr_t)param->cell.name);
    param->cell.name = name;
}

/* ---- reading ---------------------------------------------------------------------------------- */

const char *param_name(const Param *param) {
    return param ? param->cell.name : NULL;
}

Shape param_shape(const Param *param) {
    return param ? param->shape : shape_of(NULL, -1);
}

size_t param_count(const Param *param) {
    return param ? param->count : 0;
}

DType param_dtype(const Param *param) {
    return param ? param->dtype : HC_F32;
}

const void *param_data(const Param *param) {
    return param ? param->data : NULL;
}

static double number(const Param *param, const void *data, size_t index, const char *who) {
    double value = 0;
    if (!param) {
        hc_null(who, "the Param");
        return NAN;
    }
    if (index >= param->count) {
        hc_fail_thread(HC_ERR_RANGE, "%s: '%s' has no number %zu, but %zu of them", who, param->cell.name, index,
                       param->count);
        return NAN;
    }
    if (data) param->k->to_f64(&value, (const char *)data + index * param->item, 1);
    return value;
}

double param_get(const Param *param, size_t index) {
    return number(param, param_data(param), index, "param_get");
}

const void *param_grad(const Param *param) {
    return param && param->has_grad ? param->grad : NULL;
}

double param_grad_get(const Param *param, size_t index) {
    return number(param, param_grad(param), index, "param_grad_get");
}

/* ---- writing ---------------------------------------------------------------------------------- */

void hc_param_written(Param *param) {
    param->cell.version++;
    param->ready = true;
}

static bool writable(const Param *param, const void *values, size_t count, const char *who) {
    if (!param || (!values && count > 0))
        return hc_null(who, param ? "values" : "the Param");
    if (count != param->count)
        return hc_fail_thread(HC_ERR_SHAPE, "%s: '%s' has %zu numbers, not %zu", who,
                              param->cell.name, param->count, count);
    return true;
}

bool param_set_f32(Param *param, const float *values, size_t count) {
    if (!writable(param, values, count, "param_set_f32")) return false;
    if (count) param->k->from_f32(param->data, values, count);
    hc_param_written(param);
    return true;
}

bool param_set_f64(Param *param, const double *values, size_t count) {
    if (!writable(param, values, count, "param_set_f64")) return false;
    if (count) param->k->from_f64(param->data, values, count);
    hc_param_written(param);
    return true;
}

bool param_fill(Param *param, double value) {
    if (!param) return hc_null("param_fill", "the Param");
    param->k->fill(param->data, param->count, value);
    hc_param_written(param);
    return true;
}

bool param_uniform(Param *param, double low, double high, Rng *rng) {
    if (!param || !rng)
        return hc_null("param_uniform", param ? "rng" : "the Param");
    for (size_t i = 0; i < param->count; i++) {
        double value = low + (high - low) * rng_uniform(rng);
        param->k->from_f64((char *)param->data + i * param->item, &value, 1);
    }
    hc_param_written(param);
    return true;
}

bool param_normal(Param *param, double mean, double deviation, double bound, Rng *rng) {
    if (!param || !rng)
        return hc_null("param_normal", param ? "rng" : "the Param");
    for (size_t i = 0; i < param->count; i++) {
        double z = bound > 0 ? rng_truncated_normal(rng, bound) : rng_normal(rng);
        double value = mean + deviation * z;
        param->k->from_f64((char *)param->data + i * param->item, &value, 1);
    }
    hc_param_written(param);
    return true;
}

void *hc_param_converted(const Param *param, DType dtype) {
    void *data = hc_alloc_zero(param->count, hc_kernels((int)dtype)->size);
    if (!data) return NULL;
    if (param->count && dtype == HC_F64)
        param->k->to_f64(data, param->data, param->count);
    else if (param->count)
        param->k->to_f32(data, param->data, param->count);
    return data;
}

void hc_param_convert(Param *param, DType dtype, void *data) {
    hc_free(param->grad);
    if (param->former) { /* converted back: the memory that leaves know takes the numbers */
        void *former = param->former;
        if (param->count) memcpy(former, data, param->count * hc_kernels((int)dtype)->size);
        hc_free(data);
        data = former;
    }
    param->former = NULL;
    if (atomic_load(&param->lent))
        param->former = param->data;
    else
        hc_free(param->data);
    param->data = data;
    param->grad = NULL;
    param->has_grad = false;
    param->k = hc_kernels((int)dtype);
    param->item = param->k->size;
    param->dtype = dtype;
    param->cell.version++;
}

/* ---- gradients -------------------------------------------------------------------------------- */

bool hc_param_grad_room(Param *param) {
    if (!param->grad) param->grad = hc_alloc(param->count, param->item);
    return param->grad ||
           hc_fail_thread(HC_ERR_NOMEM, "'%s': no memory for its gradient", param->cell.name);
}

/* An absent gradient becomes the values: adding to 0 would lose the sign of a zero. */
static void add_or_store(const HcKernels *k, void *to, bool present, const void *values,
                         size_t count) {
    if (present)
        k->add(to, to, 1, values, 1, count, NULL);
    else if (values != to)
        k->copy(to, 1, values, 1, count);
}

void hc_param_add_grad(Param *param, const void *values) {
    HC_ASSERT(param->grad);
    add_or_store(param->k, param->grad, param->has_grad, values, param->count);
    param->has_grad = true;
}

bool param_add_grad_f64(Param *param, const double *values, size_t count) {
    if (!writable(param, values, count, "param_add_grad_f64")) return false;
    void *converted = hc_alloc(count, param->item);
    bool done = converted && hc_param_grad_room(param);
    if (done) {
        if (count) param->k->from_f64(converted, values, count);
        hc_param_add_grad(param, converted);
    } else {
        hc_fail_thread(HC_ERR_NOMEM, "param_add_grad_f64: out of memory");
    }
    hc_free(converted);
    return done;
}

void param_zero_grad(Param *param) {
    if (param) param->has_grad = false;
}

void param_freeze(Param *param, bool frozen) {
    if (param) param->frozen = frozen;
}

bool param_frozen(const Param *param) {
    return param && param->frozen;
}

double hc_sum_squares(const HcKernels *k, const void *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double value;
        k->to_f64(&value, (const char *)x + i * k->size, 1);
        sum += value * value;
    }
    return sum;
}

/* ---- lists ------------------------------------------------------------------------------------ */

ParamList hc_params_copy(ParamList params, const char *who) {
    ParamList copy = {NULL, 0};
    if (!params.items && params.count > 0) {
        hc_null(who, "the list");
        return copy;
    }
    for (size_t i = 0; i < params.count; i++) {
        if (!params.items[i]) {
            hc_fail_thread(HC_ERR_ARG, "%s: Param %zu is NULL", who, i);
            return copy;
        }
        if (params.items[i]->dtype != params.items[0]->dtype) {
            hc_fail_thread(HC_ERR_DTYPE, "%s: '%s' and '%s' have different types", who,
                           params.items[0]->cell.name, params.items[i]->cell.name);
            return copy;
        }
    }
    copy.items = hc_alloc(params.count, sizeof *copy.items);
    if (!copy.items) {
        hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
        return copy;
    }
    for (size_t i = 0; i < params.count; i++)
        copy.items[i] = param_ref(params.items[i]);
    copy.count = params.count;
    return copy;
}

void hc_params_free(ParamList *params) {
    for (size_t i = 0; i < params->count; i++)
        param_unref(params->items[i]);
    hc_free(params->items);
    *params = (ParamList){NULL, 0};
}
