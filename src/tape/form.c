/* Shapes as values, and their interned forms. */
#include "tape/form.h"

#include <stdio.h>
#include <string.h>

Shape shape_of(const size_t *dim, int ndim) {
    Shape shape = {.ndim = -1};
    if (ndim < 0 || ndim > HC_MAX_DIMS || (ndim > 0 && !dim)) return shape;
    shape.ndim = ndim;
    for (int i = 0; i < ndim; i++)
        shape.dim[i] = dim[i];
    return shape;
}

Shape shape_scalar(void) {
    return shape_of(NULL, 0);
}

Shape shape1(size_t d0) {
    return shape_of(&d0, 1);
}

Shape shape2(size_t d0, size_t d1) {
    return shape_of((size_t[]){d0, d1}, 2);
}

Shape shape3(size_t d0, size_t d1, size_t d2) {
    return shape_of((size_t[]){d0, d1, d2}, 3);
}

Shape shape4(size_t d0, size_t d1, size_t d2, size_t d3) {
    return shape_of((size_t[]){d0, d1, d2, d3}, 4);
}

bool shape_equal(Shape a, Shape b) {
    if (a.ndim != b.ndim) return false;
    for (int i = 0; i < a.ndim && i < HC_MAX_DIMS; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}

bool hc_shape_valid(Shape shape, size_t item, size_t *count) {
    if (shape.ndim < 0 || shape.ndim > HC_MAX_DIMS) return false;
    /* Sizes of 0 do not excuse others that overflow, so that strides never do. */
    const size_t most = SIZE_MAX / 4 / item, small = (size_t)1 << (sizeof(size_t) * 4 - 5);
    size_t product = 1, numbers = 1;
    for (int i = 0; i < shape.ndim; i++) {
        size_t d = shape.dim[i] ? shape.dim[i] : 1;
        if ((product >= small || d >= small) && product > most / d) return false; /* no division */
        product *= d;
        numbers *= shape.dim[i];
    }
    HC_ASSERT(product <= most);
    *count = numbers;
    return true;
}

size_t shape_count(Shape shape) {
    size_t count;
    return hc_shape_valid(shape, 1, &count) ? count : SIZE_MAX;
}

const char *hc_shape_text(Shape shape, char text[HC_SHAPE_TEXT]) {
    if (shape.ndim < 0 || shape.ndim > HC_MAX_DIMS) return strcpy(text, "(no shape)");
    size_t used = (size_t)snprintf(text, HC_SHAPE_TEXT, "(");
    for (int i = 0; i < shape.ndim; i++)
        used +=
            (size_t)snprintf(text + used, HC_SHAPE_TEXT - used, i ? ", %zu" : "%zu", shape.dim[i]);
    snprintf(text + used, HC_SHAPE_TEXT - used, ")");
    return text;
}

void hc_form_remember(HcForms *forms, uint64_t key, const HcForm *form) {
    if (form && key) forms->memo[hc_form_memo_place(key)] = (HcFormMemo){key, form};
}

void hc_forms_init(HcForms *forms, HcBudget *budget) {
    *forms = (HcForms){.count = 0};
    hc_arena_init(&forms->arena, budget, 4096);
}

void hc_forms_destroy(HcForms *forms) {
    hc_budget_free(forms->arena.budget, forms->buckets,
                   forms->bucket_count * sizeof *forms->buckets);
    hc_arena_destroy(&forms->arena);
}

static uint16_t number_of(size_t place) {
    return place < UINT16_MAX - 1 ? (uint16_t)(place + 1) : 0;
}

/* Keys are made of numbers, which are given anew: nothing remembered holds any longer. */
void hc_forms_sweep(HcForms *forms) {
    forms->sweeps++;
    forms->count = 0;
    for (size_t i = 0; i < forms->bucket_count; i++)
        for (HcForm **at = &forms->buckets[i], *f; (f = *at);) {
            if (f->used) {
                f->used = false;
                f->number = number_of(forms->count++);
                at = &f->next;
            } else {
                *at = f->next;
                f->next = forms->spare;
                forms->spare = f;
            }
        }
    forms->kept = forms->count;
    memset(forms->memo, 0, sizeof forms->memo);
    if (forms->count > 0) return;
    forms->spare = NULL;
    hc_arena_rewind(&forms->arena, (HcPosition){0, 0});
}

void hc_forms_trim(HcForms *forms) {
    if (forms->count > 0) return;
    HcBudget *budget = forms->arena.budget;
    hc_forms_destroy(forms);
    hc_forms_init(forms, budget);
}

/* Doubles the buckets; staying as it was when there is no memory only costs time. */
static bool grow_buckets(HcForms *forms) {
    size_t count = forms->bucket_count ? forms->bucket_count * 2 : 64;
    HcForm **buckets = hc_budget_alloc(forms->arena.budget, count * sizeof *buckets);
    if (!buckets) return forms->bucket_count > 0;
    memset(buckets, 0, count * sizeof *buckets);
    for (size_t i = 0; i < forms->bucket_count; i++)
        for (HcForm *f = forms->buckets[i], *next; f; f = next) {
            next = f->next;
            f->next = buckets[f->hash & (count - 1)];
            buckets[f->hash & (count - 1)] = f;
        }
    hc_budget_free(forms->arena.budget, forms->buckets,
                   forms->bucket_count * sizeof *forms->buckets);
    forms->buckets = buckets;
    forms->bucket_count = count;
    return true;
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static bool equal(const size_t *a, const size_t *b, int count) {
    for (int i = 0; i < count; i++)
        if (a[i] != b[i]) return false;
    return true;
}

int hc_storage_axes(const HcForm *form, int axis[HC_MAX_DIMS]) {
    int n = 0;
    for (int i = 0; i < form->ndim; i++) {
        if (form->dim[i] == 1) continue;
        int at = n++;
        for (; at > 0 && form->stride[axis[at - 1]] < form->stride[i]; at--)
            axis[at] = axis[at - 1];
        axis[at] = i;
    }
    return n;
}

static bool is_packed(const HcForm *form) {
    int axis[HC_MAX_DIMS], n = hc_storage_axes(form, axis);
    for (size_t step = 1; n-- > 0; step *= form->dim[axis[n]])
        if (form->stride[axis[n]] != step) return false;
    return true;
}

static bool form_holds(const HcForm *form) {
    size_t count = 1;
    for (int i = 0; i < form->ndim; i++)
        count *= form->dim[i];
    return count == form->count && hc_is_dense(form->plain) && form->plain->count == count &&
           equal(form->plain->dim, form->dim, form->ndim) && form->packed == (count == 0 || is_packed(form));
}

static const HcForm *add_form(HcForms *forms, const HcForm *made) {
    if (forms->count >= forms->bucket_count && !grow_buckets(forms)) return NULL;
    HcForm *form = forms->spare;
    if (form)
        forms->spare = form->next;
    else if (!(form = hc_arena_alloc(&forms->arena, sizeof *form)))
        return NULL;
    *form = *made;
    if (!form->plain) form->plain = form;
    form->packed = form->plain == form || is_packed(form);
    HC_ASSERT(form_holds(form));
    HcForm **bucket = &forms->buckets[form->hash & (forms->bucket_count - 1)];
    form->next = *bucket;
    *bucket = form;
    form->number = number_of(forms->count++);
    return form;
}

static uint64_t hash_of(int ndim, const size_t *dim) {
    uint64_t hash = (uint64_t)ndim;
    for (int i = 0; i < ndim; i++)
        hash = mix(hash, dim[i]);
    return hash;
}

static const HcForm *find_dense(const HcForms *forms, uint64_t hash, int ndim, const size_t *dim) {
    if (forms->bucket_count)
        for (const HcForm *f = forms->buckets[hash & (forms->bucket_count - 1)]; f; f = f->next)
            if (f->hash == hash && f->plain == f && f->ndim == ndim && equal(f->dim, dim, ndim))
                return f;
    return NULL;
}

static const HcForm *add_dense(HcForms *forms, uint64_t hash, int ndim, const size_t *dim) {
    HcForm made = {.hash = hash, .ndim = ndim, .count = 1};
    size_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        made.dim[i] = dim[i];
        made.stride[i] = step;
        step *= dim[i] ? dim[i] : 1;
        made.count *= dim[i];
    }
    return add_form(forms, &made);
}

static const HcForm *dense_form(HcForms *forms, int ndim, const size_t *dim) {
    uint64_t hash = hash_of(ndim, dim);
    const HcForm *found = find_dense(forms, hash, ndim, dim);
    return found ? found : add_dense(forms, hash, ndim, dim);
}

const HcForm *hc_form_of(HcForms *forms, const Shape *shape, size_t item) {
    size_t count;
    if (shape->ndim < 0 || shape->ndim > HC_MAX_DIMS) return NULL;
    uint64_t hash = hash_of(shape->ndim, shape->dim);
    const HcForm *found = find_dense(forms, hash, shape->ndim, shape->dim);
    if (found) return found; /* looked at when it was added */
    return hc_shape_valid(*shape, item, &count) ? add_dense(forms, hash, shape->ndim, shape->dim)
                                                : NULL;
}

const HcForm *hc_form(HcForms *forms, int ndim, const size_t *dim, const size_t *stride) {
    const HcForm *plain = dense_form(forms, ndim, dim);
    if (!plain || !stride || plain->count == 0) return plain;
    HcForm made = *plain;
    made.plain = plain;
    bool dense = true;
    for (int i = 0; i < ndim; i++) {
        if (dim[i] == 1) continue;
        made.stride[i] = stride[i];
        made.hash = mix(made.hash, stride[i]);
        if (stride[i] != plain->stride[i]) dense = false;
    }
    if (dense) return plain;
    for (HcForm *f = forms->buckets[made.hash & (forms->bucket_count - 1)]; f; f = f->next)
        if (f->plain == plain && equal(f->stride, made.stride, ndim)) return f;
    return add_form(forms, &made);
}

bool hc_form_broadcasts(const HcForm *form, const Shape *shape) {
    bool fits = form->ndim <= shape->ndim;
    for (int i = 1; fits && i <= form->ndim; i++)
        fits = form->dim[form->ndim - i] == 1 || form->dim[form->ndim - i] == shape->dim[shape->ndim - i];
    return fits;
}
