/** @file reference.h
 *  Figures to compare with. */
#ifndef MAML_SINE_REFERENCE_H
#define MAML_SINE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Reference {
    const char *name;
    size_t shots;
    bool first_order; /**< which kind of MAML it is about */
    /** Query MSE after 0, 1, 5 and 10 steps, from and to; NaN where none is known. */
    double low[4], high[4];
} Reference;

/** The step counts reported: 0, 1, 5, 10. */
extern const size_t reference_steps[4];

/** The references for this K, one after the other; NULL after the last. */
const Reference *reference_next(const Reference *after, size_t shots, bool first_order);
/** The paper's own among them, or NULL. */
const Reference *reference_paper(size_t shots, bool first_order);

#endif
