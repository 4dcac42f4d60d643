/* The tape layer records: it knows tensors, Params and the *type* of an operation, and no operation.
 *
 * This file: forms, the interned shapes of a tape. Two tensors of one tape have equal shapes exactly
 * when the `plain` pointers of their forms are equal. */
#ifndef HC_TAPE_FORM_H
#define HC_TAPE_FORM_H

#include <string.h>

#include "base/arena.h"
#include "higherc/tensor.h"

typedef struct HcForm HcForm;
struct HcForm {
    const HcForm *plain; /* the dense form of the same shape; itself when dense */
    HcForm *next;        /* in its bucket */
    uint64_t hash;
    size_t count;
    int ndim;
    uint16_t number; /* from 1 among its tape's; 0: there were too many */
    bool packed;     /* dense in some order of its axes: no gaps, nothing repeated */
    bool used;       /* found in use, by a sweep that looks for those that are not */
    size_t dim[HC_MAX_DIMS];
    size_t stride[HC_MAX_DIMS]; /* in numbers; 0 along expanded axes */
};

/* A form that an operation made of others before. */
typedef struct HcFormMemo {
    uint64_t key;
    const HcForm *form;
} HcFormMemo;

#define HC_FORM_MEMOS 512

typedef struct HcForms {
    HcArena arena;
    HcForm **buckets;
    size_t bucket_count, count;
    size_t kept;   /* by the last sweep */
    uint64_t sweeps;
    HcForm *spare; /* room of those that went */
    HcFormMemo memo[HC_FORM_MEMOS];
} HcForms;

void hc_forms_init(HcForms *forms, HcBudget *budget);
void hc_forms_destroy(HcForms *forms);
/* To be called for every form that is in use; then a sweep drops all others, and what was remembered. */
static inline void hc_form_use(const HcForm *form) {
    ((HcForm *)(uintptr_t)form)->used = ((HcForm *)(uintptr_t)form->plain)->used = true;
}

void hc_forms_sweep(HcForms *forms);
/* Gives memory back where there are none. */
void hc_forms_trim(HcForms *forms);

/* The form with these sizes and strides (NULL: dense); NULL when out of memory. The count must not
 * overflow (hc_shape_bytes). Strides of axes of size 1 do not matter and are made the dense ones. */
const HcForm *hc_form(HcForms *forms, int ndim, const size_t *dim, const size_t *stride);

/* The dense form of a caller's shape; NULL when out of memory, or where hc_shape_valid says no. */
const HcForm *hc_form_of(HcForms *forms, const Shape *shape, size_t item);

static inline bool hc_is_dense(const HcForm *form) {
    return form->plain == form;
}

/* The axes with more than one position, by falling stride (of a packed form: the order of storage);
 * their number. */
int hc_storage_axes(const HcForm *form, int axis[HC_MAX_DIMS]);

/* A key for what an operation makes of two forms (b may be NULL) in some manner of its own, `how` (HC_MANNER of
 * ops/ops.h). 0, under which nothing is remembered, for forms without a number. */
static inline uint64_t hc_form_key(const HcForm *a, const HcForm *b, uint32_t how) {
    uint32_t first = a->number, second = b ? b->number : UINT16_MAX;
    return first && second ? (uint64_t)how << 32 | second << 16 | first : 0;
}

static inline size_t hc_form_memo_place(uint64_t key) {
    return (size_t)(key * 0x9E3779B97F4A7C15u >> 32) % HC_FORM_MEMOS;
}

/* The form remembered for the key, or NULL; the same shapes come again and again. */
static inline const HcForm *hc_form_recall(const HcForms *forms, uint64_t key) {
    const HcFormMemo *memo = &forms->memo[hc_form_memo_place(key)];
    return memo->key == key ? memo->form : NULL;
}

void hc_form_remember(HcForms *forms, uint64_t key, const HcForm *form);

/* Whether it broadcasts to the shape, and makes no more of it. */
bool hc_form_broadcasts(const HcForm *form, const Shape *shape);

static inline Shape hc_form_shape(const HcForm *form) {
    Shape shape;
    shape.ndim = form->ndim;
    memcpy(shape.dim, form->dim, sizeof shape.dim);
    return shape;
}

static inline bool hc_form_fits(const HcForm *form, const Shape *shape) {
    bool same = form->ndim == shape->ndim;
    for (int i = 0; same && i < form->ndim; i++)
        same = form->dim[i] == shape->dim[i];
    return same;
}

/* "(10, 40)" into text; returns text. */
#define HC_SHAPE_TEXT 200
const char *hc_shape_text(Shape shape, char text[HC_SHAPE_TEXT]);
/* Whether the shape is one, and its bytes fit; *count gets the number of elements. */
bool hc_shape_valid(Shape shape, size_t item, size_t *count);

#endif
