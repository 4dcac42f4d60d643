/* Linear systems H v = b of which only products with H can be had, H symmetric; numbers in double. */
#ifndef HC_META_KRYLOV_H
#define HC_META_KRYLOV_H

#include "base/arithmetic.h"
#include "higherc/implicit.h"

typedef struct HcLinear {
    size_t count;
    /* to = H from; false gives up. */
    bool (*product)(const double *from, double *to, void *user);
    void *user;
} HcLinear;

/* How many vectors of `count` numbers solving takes as working memory. */
#define HC_LINEAR_WORKSPACE 4

typedef enum HcSolved { HC_SOLVED, HC_NOT_SOLVED, HC_NOT_DEFINITE, HC_GAVE_UP } HcSolved;

/* Solves for v from 0; `work` is HC_LINEAR_WORKSPACE vectors. The report is filled in. */
HcSolved hc_linear_solve(HcLinear linear, const ImplicitOptions *options, const double *b,
                         double *v, double *work, ImplicitReport *report);

#endif
