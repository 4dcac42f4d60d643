/* A Param from within. */
#ifndef HC_TAPE_PARAM_H
#define HC_TAPE_PARAM_H

#include <stdatomic.h>

#include "tape/tape.h"

struct HcParam {
    HcCell cell; /* first: leaves point at it; its name is owned here */
    atomic_size_t holders;
    Shape shape;
    size_t count, item;
    DType dtype;
    const HcKernels *k;
    void *data, *grad;
    void *former;     /* what leaves of the other type, made before a conversion, may still read */
    atomic_bool lent; /* to a leaf on some tape */
    bool ready, has_grad, frozen;
};

/* The Param whose leaf it is. */
static inline Param *hc_param_of(const Tensor *leaf) {
    HC_ASSERT(leaf->flags & HC_NODE_PARAM);
    return (Param *)(uintptr_t)leaf->cell;
}

/* As param_create, for a function that is called `who`. */
Param *hc_param_for(const char *who, const char *name, Shape shape, DType dtype);
/* A private copy of a caller's list with a reference to each; items NULL after an error. */
ParamList hc_params_copy(ParamList params, const char *who);
void hc_params_free(ParamList *params);

/* Takes the name, memory of hc_alloc. */
void hc_param_rename(Param *param, char *name);
/* In-place writes: call after writing param->data. */
void hc_param_written(Param *param);
/* Its numbers in another type, in memory to be handed to hc_param_convert, which makes the Param hold
 * them; NULL when there is none. In two steps, so that a whole list converts or none does. */
void *hc_param_converted(const Param *param, DType dtype);
void hc_param_convert(Param *param, DType dtype, void *data);
/* Makes sure the gradient's memory exists, so that adding cannot fail. */
bool hc_param_grad_room(Param *param);
/* Adds `count` numbers of its type; the room must be there. They may stand in it already where there is no
 * gradient yet. */
void hc_param_add_grad(Param *param, const void *values);

/* False, with words on the tape, when the Grads collects for the other type. */
bool hc_grads_fit(const Grads *grads, Tape *tape, const char *who);
/* Where a Param stands in the list; false when it does not. */
bool hc_grads_index(const Grads *grads, const Param *param, size_t *index);
void hc_grads_add(Grads *grads, size_t index, const void *values); /* as hc_param_add_grad */
/* The room of an entry without a gradient, else NULL. */
void *hc_grads_empty(const Grads *grads, size_t index);
/* Between two of one list. */
void hc_grads_add_all(Grads *to, const Grads *from);
/* All that it holds, which gradients are there and their numbers, to be copied to another of one list. */
void *hc_grads_block(Grads *grads, size_t *bytes);
size_t hc_grads_total(const Grads *grads); /* numbers, absent ones too */
/* Room in every Param, so that grads_add_to_params cannot fail. */
bool hc_grads_room(const Grads *grads, const char *who);
/* The Params' own gradients, copied here and back; absent ones here leave the Param's as it is. False, with the
 * thread's error, also when a Param was converted to the other type. */
void hc_grads_load(Grads *grads);
bool hc_grads_store(const Grads *grads, const char *who);

/* Whether this thread is at work for a task, whose gradients must not go to Params; setting returns what it was. */
bool hc_in_task(void);
bool hc_set_in_task(bool in);

/* The sum of squares of n numbers, for grads_clip_norm and optim_clip_grad_norm. */
double hc_sum_squares(const HcKernels *k, const void *x, size_t n);

#endif
