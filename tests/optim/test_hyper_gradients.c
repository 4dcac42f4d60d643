/* Every optimizer and every hyperparameter that is no flag: dL/dhyper after 5 steps against central
 * differences, from a fresh and a warmed-up state, and with a dead unit, whose second moments are exactly
 * 0, up to the third order, without a NaN in any intermediate value. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/unroll.h"

enum { STEPS = 5, MOST_ORDER = 3 };

typedef struct Problem {
    const UnrollConfig *config;
    const char *hyper;
    Module *net;
    Optim *optim;
    bool dead;
    int order;
} Problem;

/* The meta-loss and, up to `order`, the square of its derivative by the hyperparameter and so on: what
 * derivative number order + 1 is taken of. gradient: that derivative, by the tape. */
static double value(const Problem *p, double x, double *gradient) {
    TapeOptions options = tape_options(HC_F64);
    options.check_nan = true;
    Tape *tape = tape_create_with(options);
    FModule *f = fmodule_create(tape, p->net, false);
    DiffOpt *opt = diffopt_create(p->optim, f);
    Tensor *h = tensor_leaf(tensor_scalar(tape, x)), *g = NULL;
    CHECK(diffopt_override(opt, p->hyper, HC_ALL_GROUPS, h));
    CHECK(unroll_fast(tape, f, opt, STEPS));
    Tensor *loss = unroll_loss(tape, NULL, f, 1);
    for (int order = 1; order < p->order; order++) {
        CHECK(tensor_grad(loss, &h, 1, &g, HC_CREATE_GRAPH | HC_ZEROS));
        loss = tensor_square(g);
    }
    double result = tensor_item(loss);
    if (gradient) {
        CHECK(tensor_grad(loss, &h, 1, &g, HC_ZEROS));
        *gradient = tensor_item(g);
        /* The weights too, at every order: finite, and nothing on the way was NaN. */
        TensorList w = fmodule_params_at(f, 0);
        for (size_t i = 0; i < w.count; i++) {
            Tensor *gw = NULL;
            CHECK(tensor_grad(loss, &w.items[i], 1, &gw, HC_ZEROS));
            CHECK(isfinite(tensor_item(tensor_sum(gw))));
        }
    }
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
    return result;
}

static double value_only(double x, void *user) {
    return value(user, x, NULL);
}

static size_t nonzero;

static void check_hyper(Problem *p, double maximum) {
    double x = optim_get(p->optim, p->hyper, 0), gradient = NAN;
    value(p, x, &gradient);
    bool good = unroll_agrees(value_only, x, maximum, gradient, p);
    check_at(good, "a hypergradient equals the differences", __FILE__, __LINE__);
    if (!good)
        printf("    %s %s order %d %s\n", p->config->name, p->hyper, p->order,
               p->dead ? "dead" : "");
    nonzero += gradient != 0;
}

static void check_config(const UnrollConfig *config, size_t warm, bool dead) {
    Module *net = unroll_net(HC_F64, dead);
    Optim *optim = unroll_optim(config, module_params(net));
    CHECK(unroll_in_place(net, optim, warm));
    const OptimClass *cls = optim_class(optim);
    for (size_t i = 0; i < cls->hyper_count; i++) {
        /* Adagrad's sum may start at 0, but the root of less is no number. */
        bool edge = strcmp(cls->hypers[i].name, "initial_accumulator_value") == 0 &&
                    optim_get(optim, cls->hypers[i].name, 0) == 0;
        if (cls->hypers[i].flag || edge) continue;
        Problem p = {config, cls->hypers[i].name, net, optim, dead, 1};
        for (p.order = 1; p.order <= (dead ? MOST_ORDER : 1); p.order++)
            check_hyper(&p, cls->hypers[i].maximum);
    }
    optim_destroy(optim);
    module_destroy(net);
}

int main(void) {
    for (size_t i = 0; i < unroll_config_count; i += QUICK ? 3 : 1) {
        check_config(&unroll_configs[i], 0, false);
        check_config(&unroll_configs[i], 3, false);
        check_config(&unroll_configs[i], 0, true);
    }
    printf("%zu hypergradients are not 0\n", nonzero);
    CHECK(nonzero > (QUICK ? 100 : 300));
    CHECK(higherc_error() == NULL);
    return check_done();
}
