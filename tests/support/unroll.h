/* What the optimizers' tests unroll: settings of every rule, a small network with a smooth loss, and one
 * whose dead unit has second moments of exactly 0. */
#ifndef TESTS_UNROLL_H
#define TESTS_UNROLL_H

#include <higherc/higherc.h>

#define UNROLL_MOST_SETTINGS 8

typedef struct UnrollConfig {
    const char *name; /* of the optimizer */
    struct {
        const char *key;
        double value;
    } set[UNROLL_MOST_SETTINGS]; /* ends at a NULL key */
} UnrollConfig;

/* Every rule, every option of it in some row; smooth near the settings for a few steps. */
extern const UnrollConfig unroll_configs[];
extern const size_t unroll_config_count;

/* 2-4-3-1, initialised alike each time. dead: the last of the 4 units never fires. */
Module *unroll_net(DType dtype, bool dead);
Optim *unroll_optim(const UnrollConfig *config, ParamList params);
/* The loss on the k-th batch, with fast or (f NULL) base weights. */
Tensor *unroll_loss(Tape *tape, Module *net, FModule *f, size_t k);
/* Steps in place. */
bool unroll_in_place(Module *net, Optim *optim, size_t steps);
bool unroll_fast(Tape *tape, FModule *f, DiffOpt *opt, size_t steps);

/* The derivative of f at x by central differences of fourth order with step h. */
typedef double ScalarFn(double x, void *user);
double unroll_difference(ScalarFn *f, double x, double h, void *user);
/* Whether it is `derivative`, to 1e-6 relative or 1e-10, for one of several steps: large ones may reach a
 * switch (a gradient's sign, the larger of two moments), small ones drown in rounding, so a derivative that
 * is right agrees at one of them, a wrong one at none. x stays below maximum. */
bool unroll_agrees(ScalarFn *f, double x, double maximum, double derivative, void *user);

#endif
