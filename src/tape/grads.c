/* Grads: gradients of a list of Params, kept apart in one flat buffer. */
#include <math.h>
#include <string.h>

#include "base/held.h"
#include "tape/param.h"

static _Thread_local bool in_task;

bool hc_in_task(void) {
    return in_task;
}

bool hc_set_in_task(bool in) {
    bool was = in_task;
    in_task = in;
    return was;
}

struct HcGrads {
    ParamList params;
    const HcKernels *k;
    DType dtype;
    char *flat;
    size_t total;   /* numbers in flat */
    size_t *offset; /* of each Param in flat, in numbers */
    /* Whether each is there, in a block with the numbers: right behind them. */
    unsigned char *present;
};

Grads *grads_create(ParamList params) {
    ParamList copy = hc_params_copy(params, "grads_create");
    if (!copy.items) return NULL;
    Grads *grads = hc_alloc_zero(1, sizeof *grads);
    if (grads) {
        grads->params = copy;
        grads->dtype = copy.count ? copy.items[0]->dtype : HC_F32;
        grads->k = hc_kernels((int)grads->dtype);
        grads->offset = hc_alloc_zero(copy.count, sizeof *grads->offset);
        for (size_t i = 0; grads->offset && i < copy.count; i++) {
            grads->offset[i] = grads->total;
            grads->total += copy.items[i]->count;
        }
        size_t size = grads->k->size;
        grads->flat = hc_alloc_zero(grads->total + copy.count / size + 1, size);
        if (grads->flat) grads->present = (unsigned char *)grads->flat + grads->total * size;
        if (grads->offset && grads->flat) return grads;
        grads_destroy(grads);
    } else {
        hc_params_free(&copy);
    }
    hc_fail_thread(HC_ERR_NOMEM, "grads_create: out of memory");
    return NULL;
}

void grads_destroy(Grads *grads) {
    if (!grads || !hc_at_rest(grads, "grads_destroy", "buffer")) return;
    hc_params_free(&grads->params);
    hc_free(grads->flat);
    hc_free(grads->offset);
    hc_free(grads);
}

void grads_zero(Grads *grads) {
    if (grads && grads->params.count) memset(grads->present, 0, grads->params.count);
}

static void *place_of(const Grads *grads, size_t i) {
    return grads->flat + grads->offset[i] * grads->k->size;
}

/* Whether the Params still have the type that it collects for. */
static bool same_type(const Grads *grads, const char *who) {
    for (size_t i = 0; i < grads->params.count; i++)
        if (grads->params.items[i]->dtype != grads->dtype)
            return hc_fail_thread(HC_ERR_DTYPE, "%s: '%s' was converted to the other type", who,
                                  grads->params.items[i]->cell.name);
    return true;
}

/* Room in every Param for what is present here. */
static bool make_room(const Grads *grads) {
    for (size_t i = 0; i < grads->params.count; i++)
        if (grads->present[i] && !hc_param_grad_room(grads->params.items[i])) return false;
    return true;
}

bool grads_add_to_params(const Grads *grads) {
    const char *who = "grads_add_to_params";
    if (!grads) return hc_null(who, "grads");
    if (!same_type(grads, who) || !make_room(grads)) return false;
    for (size_t i = 0; i < grads->params.count; i++)
        if (grads->present[i]) hc_param_add_grad(grads->params.items[i], place_of(grads, i));
    return true;
}

const void *grads_get(const Grads *grads, size_t index) {
    if (!grads) {
        hc_null("grads_get", "grads");
        return NULL;
    }
    if (index >= grads->params.count) {
        hc_fail_thread(HC_ERR_RANGE, "grads_get: there is no Param %zu of %zu", index, grads->params.count);
        return NULL;
    }
    return grads->present[index] ? place_of(grads, index) : NULL;
}

void *grads_flat(Grads *grads, size_t *count) {
    if (!grads) {
        hc_null("grads_flat", "grads");
        return NULL;
    }
    for (size_t i = 0; i < grads->params.count; i++) {
        if (!grads->present[i])
            grads->k->fill(place_of(grads, i), grads->params.items[i]->count, 0);
        grads->present[i] = true;
    }
    if (count) *count = grads->total;
    return grads->flat;
}

double grads_clip_norm(Grads *grads, double max_norm) {
    if (!grads) {
        hc_null("grads_clip_norm", "grads");
        return NAN;
    }
    if (!(max_norm >= 0)) {
        hc_fail_thread(HC_ERR_ARG, "grads_clip_norm: max_norm is %g, not 0 or more", max_norm);
        return NAN;
    }
    double sum = 0;
    for (size_t i = 0; i < grads->params.count; i++)
        if (grads->present[i])
            sum += hc_sum_squares(grads->k, place_of(grads, i), grads->params.items[i]->count);
    double norm = sqrt(sum), factor = max_norm / (norm + 1e-6);
    for (size_t i = 0; factor < 1 && i < grads->params.count; i++)
        if (grads->present[i])
            grads->k->scale(place_of(grads, i), place_of(grads, i), grads->params.items[i]->count,
                            &factor);
    return norm;
}

bool hc_grads_fit(const Grads *grads, Tape *tape, const char *who) {
    return grads->params.count == 0 || grads->dtype == tape->dtype ||
           hc_fail(tape, HC_ERR_DTYPE, "%s: '%s' of the list was converted to the other type", who,
                   grads->params.items[0]->cell.name);
}

bool hc_grads_index(const Grads *grads, const Param *param, size_t *index) {
    for (size_t i = 0; i < grads->params.count; i++)
        if (grads->params.items[i] == param) {
            *index = i;
            return true;
        }
    return false;
}

void hc_grads_add(Grads *grads, size_t index, const void *values) {
    HC_ASSERT(index < grads->params.count);
    size_t count = grads->params.items[index]->count;
    if (grads->present[index])
        grads->k->add(place_of(grads, index), place_of(grads, index), 1, values, 1, count, NULL);
    else if (values != place_of(grads, index))
        grads->k->copy(place_of(grads, index), 1, values, 1, count);
    grads->present[index] = true;
}

void *hc_grads_empty(const Grads *grads, size_t index) {
    return grads->present[index] ? NULL : place_of(grads, index);
}

void hc_grads_add_all(Grads *to, const Grads *from) {
    HC_ASSERT(to->params.count == from->params.count && to->total == from->total);
    for (size_t i = 0; i < from->params.count; i++)
        if (from->present[i]) hc_grads_add(to, i, place_of(from, i));
}

void *hc_grads_block(Grads *grads, size_t *bytes) {
    *bytes = grads->total * grads->k->size + grads->params.count;
    return grads->flat;
}

size_t hc_grads_total(const Grads *grads) {
    return grads->total;
}

bool hc_grads_room(const Grads *grads, const char *who) {
    if (!same_type(grads, who)) return false;
    for (size_t i = 0; i < grads->params.count; i++)
        if (!hc_param_grad_room(grads->params.items[i])) return false;
    return true;
}

void hc_grads_load(Grads *grads) {
    grads_zero(grads);
    for (size_t i = 0; i < grads->params.count; i++)
        if (grads->params.items[i]->has_grad) hc_grads_add(grads, i, grads->params.items[i]->grad);
}

bool hc_grads_store(const Grads *grads, const char *who) {
    if (!same_type(grads, who) || !make_room(grads)) return false;
    for (size_t i = 0; i < grads->params.count; i++) {
        Param *param = grads->params.items[i];
        if (!grads->present[i]) continue;
        grads->k->copy(param->grad, 1, place_of(grads, i), 1, param->count);
        param->has_grad = true;
    }
    return true;
}
