/* L-BFGS: Nocedal and Wright 2006, algorithm 7.4, two loops over the last differences of weights and gradients. What is
 * tried first, when it ends and when a pair is kept are PyTorch's choices. All weights are one flat list of f64. */
#include <math.h>
#include <string.h>

#include "base/doubles.h"
#include "higherc/lbfgs.h"
#include "optim/wolfe.h"
#include "tape/param.h"
#include "tape/param_set.h"

static const char who[] = "lbfgs_step";

struct HcLbfgs {
    ParamList params;
    LbfgsOptions options;
    size_t n;                 /* weights in all */
    double *numbers;          /* what follows: [n] each */
    double *x, *first, *room; /* weights where the iteration began, and the step; of one Param */
    double *d, *before, *g[HC_WOLFE_SLOTS]; /* direction; gradients, of the last iteration, and at places */
    double **s, **y, *rho, *alpha; /* [history]; a ring */
    size_t begin, pairs;
    double scale, t; /* of the first guess at the inverse; the last length */
    size_t iterations;
    bool running;
};

/* A step under way. */
typedef struct Step {
    Lbfgs *l;
    LbfgsFn *closure;
    void *user;
    LbfgsReport report;
} Step;

/* ---- life ------------------------------------------------------------------------------------ */

LbfgsOptions lbfgs_options(void) {
    return (LbfgsOptions){
        .lr = 1, .tolerance_grad = 1e-7, .tolerance_change = 1e-9, .iterations = 20, .history = 100};
}

static bool good_options(const LbfgsOptions *o) {
    bool good = o->lr > 0 && o->lr < (double)INFINITY && o->tolerance_grad >= 0 && o->tolerance_change >= 0 &&
                o->iterations >= 1 && o->history >= 1 && o->iterations <= SIZE_MAX / 5;
    return good || hc_fail_thread(HC_ERR_RANGE,
                                  "lbfgs_create: lr %g, tolerances %g and %g, %zu iterations, a history of %zu: these "
                                  "are above 0, and tolerances from 0",
                                  o->lr, o->tolerance_grad, o->tolerance_change, o->iterations, o->history);
}

static bool list_params(Lbfgs *l, ParamList params) {
    l->params = hc_params_copy(params, "lbfgs_create");
    HcParamSet seen = {NULL, 0};
    bool done = l->params.items && hc_param_set_create(&seen, params.count);
    if (l->params.items && !done) hc_fail_thread(HC_ERR_NOMEM, "lbfgs_create: out of memory");
    for (size_t i = 0; done && i < params.count; i++) {
        if (hc_param_set_add(&seen, params.items[i], i + 1) != i + 1)
            done = hc_fail_thread(HC_ERR_ARG, "lbfgs_create: '%s' is listed twice", params.items[i]->cell.name);
        l->n += params.items[i]->count;
    }
    hc_param_set_free(&seen);
    return done;
}

static bool take_memory(Lbfgs *l) {
    enum { LISTS = 5 + HC_WOLFE_SLOTS };
    size_t n = l->n + 1, history = l->options.history;
    l->numbers = n <= SIZE_MAX / LISTS ? hc_alloc_zero(LISTS * n, sizeof(double)) : NULL;
    l->s = hc_alloc_zero(history, sizeof *l->s);
    l->y = hc_alloc_zero(history, sizeof *l->y);
    l->rho = hc_alloc_zero(history, sizeof *l->rho);
    l->alpha = hc_alloc_zero(history, sizeof *l->alpha);
    if (!l->numbers || !l->s || !l->y || !l->rho || !l->alpha)
        return hc_fail_thread(HC_ERR_NOMEM, "lbfgs_create: out of memory");
    l->x = l->numbers;
    l->first = l->x + n;
    l->room = l->first + n;
    l->d = l->room + n;
    l->before = l->d + n;
    for (int i = 0; i < HC_WOLFE_SLOTS; i++)
        l->g[i] = l->before + (size_t)(i + 1) * n;
    return true;
}

Lbfgs *lbfgs_create(ParamList params, LbfgsOptions options) {
    if (params.count == 0 || !params.items) {
        hc_fail_thread(HC_ERR_ARG, "lbfgs_create: the list of Params is empty");
        return NULL;
    }
    if (!good_options(&options)) return NULL;
    Lbfgs *l = hc_alloc_zero(1, sizeof *l);
    if (!l) {
        hc_fail_thread(HC_ERR_NOMEM, "lbfgs_create: out of memory");
        return NULL;
    }
    l->options = options;
    if (list_params(l, params) && take_memory(l)) return l;
    lbfgs_destroy(l);
    return NULL;
}

void lbfgs_destroy(Lbfgs *l) {
    if (!l) return;
    if (l->running) {
        hc_fail_thread(HC_ERR_STATE, "lbfgs_destroy: from within its own closure");
        return;
    }
    for (size_t i = 0; i < l->options.history && l->s && l->y; i++) {
        hc_free(l->s[i]);
        hc_free(l->y[i]);
    }
    hc_free((void *)l->s);
    hc_free((void *)l->y);
    hc_free(l->rho);
    hc_free(l->alpha);
    hc_free(l->numbers);
    hc_params_free(&l->params);
    hc_free(l);
}

/* ---- flat lists ------------------------------------------------------------------------------ */

/* The largest |x|; NaN where one is. */
static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= most)) most = fabs(x[i]);
    return most;
}

static void read_weights(const Lbfgs *l, double *x) {
    for (size_t i = 0; i < l->params.count; i++) {
        const Param *p = l->params.items[i];
        p->k->to_f64(x, p->data, p->count);
        x += p->count;
    }
}

/* from + t d, but for what is frozen. */
static bool write_weights(Lbfgs *l, const double *from, double t) {
    const double *d = l->d;
    for (size_t i = 0; i < l->params.count; i++) {
        Param *p = l->params.items[i];
        for (size_t k = 0; k < p->count; k++)
            l->room[k] = from[k] + t * d[k];
        if (!p->frozen && !param_set_f64(p, l->room, p->count)) return false;
        from += p->count;
        d += p->count;
    }
    return true;
}

/* The gradients, 0 where absent or frozen; false where all are absent. */
static bool read_gradients(const Lbfgs *l, double *g) {
    bool some = false;
    for (size_t i = 0; i < l->params.count; i++) {
        const Param *p = l->params.items[i];
        bool has = p->has_grad && !p->frozen;
        if (has)
            p->k->to_f64(g, p->grad, p->count);
        else
            memset(g, 0, p->count * sizeof *g);
        some = some || has;
        g += p->count;
    }
    return some || hc_fail_thread(HC_ERR_GRAD, "%s: every gradient is absent", who);
}

/* ---- the loss -------------------------------------------------------------------------------- */

/* The loss where the weights are, and its gradient. */
static bool evaluate(Step *step, double *g) {
    Lbfgs *l = step->l;
    double loss = (double)NAN;
    for (size_t i = 0; i < l->params.count; i++)
        param_zero_grad(l->params.items[i]);
    l->running = true;
    size_t told = hc_errors_told();
    bool done = step->closure(&loss, step->user) && !hc_errors_left(told);
    l->running = false;
    step->report.evaluations++;
    if (!done) return hc_fail_thread(HC_ERR_STATE, "%s: the closure failed", who);
    step->report.loss = loss;
    return read_gradients(l, g);
}

/* Takes the place where the weights are: notes its gradient. */
static bool arrive(Step *step, double loss, const double *g) {
    step->report.loss = loss;
    step->report.gradient = largest(g, step->l->n);
    return (isfinite(loss) && isfinite(step->report.gradient)) ||
           hc_fail_thread(HC_ERR_RANGE, "%s: the loss is %g, the largest entry of its gradient %g", who, loss,
                          step->report.gradient);
}

static bool look_along(HcPlace *place, void *user) {
    Step *step = user;
    Lbfgs *l = step->l;
    if (!write_weights(l, l->x, place->t) || !evaluate(step, l->g[place->slot])) return false;
    place->loss = step->report.loss;
    place->slope = hc_dot(l->g[place->slot], l->d, l->n);
    return true;
}

/* ---- the direction --------------------------------------------------------------------------- */

/* The last step and what it did to the gradient, if the curvature along it is above 0. */
static bool remember(Lbfgs *l, const double *g) {
    size_t n = l->n, at = (l->begin + l->pairs) % l->options.history; /* in a full ring the oldest */
    if (!l->s[at]) l->s[at] = hc_alloc(n + 1, sizeof(double));
    if (!l->y[at]) l->y[at] = hc_alloc(n + 1, sizeof(double));
    if (!l->s[at] || !l->y[at]) return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    double ys = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        double y = g[i] - l->before[i];
        ys += y * (l->t * l->d[i]);
        yy += y * y;
    }
    if (!(ys > 1e-10)) return true;
    for (size_t i = 0; i < n; i++) {
        l->y[at][i] = g[i] - l->before[i];
        l->s[at][i] = l->t * l->d[i];
    }
    l->rho[at] = 1 / ys;
    l->scale = ys / yy;
    if (l->pairs < l->options.history)
        l->pairs++;
    else
        l->begin = (l->begin + 1) % l->options.history;
    return true;
}

/* d = -H g, by the pairs from the last to the first and back. */
static void turn(Lbfgs *l, const double *g) {
    size_t n = l->n, history = l->options.history;
    for (size_t i = 0; i < n; i++)
        l->d[i] = -g[i];
    for (size_t k = l->pairs; k-- > 0;) {
        size_t at = (l->begin + k) % history;
        l->alpha[k] = hc_dot(l->s[at], l->d, n) * l->rho[at];
        hc_add_scaled(l->d, -l->alpha[k], l->y[at], n);
    }
    for (size_t i = 0; i < n; i++)
        l->d[i] *= l->scale;
    for (size_t k = 0; k < l->pairs; k++) {
        size_t at = (l->begin + k) % history;
        hc_add_scaled(l->d, l->alpha[k] - hc_dot(l->y[at], l->d, n) * l->rho[at], l->s[at], n);
    }
    double *d = l->d;
    for (size_t i = 0; i < l->params.count; i++) {
        const Param *p = l->params.items[i];
        if (p->frozen) memset(d, 0, p->count * sizeof *d);
        d += p->count;
    }
}

/* The direction from g, and the first length to try. */
static bool aim(Lbfgs *l, const double *g, double *length) {
    if (l->iterations++ == 0) {
        l->pairs = l->begin = 0;
        l->scale = 1;
    } else if (!remember(l, g)) {
        return false;
    }
    turn(l, g);
    memcpy(l->before, g, l->n * sizeof *g);
    double sum = 0;
    for (size_t i = 0; i < l->n; i++)
        sum += fabs(g[i]);
    *length = l->iterations == 1 ? fmin(1, 1 / sum) * l->options.lr : l->options.lr;
    return true;
}

/* ---- the step -------------------------------------------------------------------------------- */

/* Moves along d; *at is the place where it is and becomes the one where it goes. Without a search the last move of a
 * step is not looked at: the next step begins there. */
static bool move(Step *step, HcPlace *at, double length, bool last) {
    Lbfgs *l = step->l;
    HcPlace next = {.t = length, .slot = at->slot == 0 ? 1 : 0};
    read_weights(l, l->x);
    l->t = length;
    if (l->options.strong_wolfe) {
        HcWolfe w = {l->options.tolerance_change, largest(l->d, l->n), look_along, step, 0};
        if (!hc_wolfe_search(&w, at, length, &next) || !write_weights(l, l->x, next.t)) return false;
        l->t = next.t;
    } else {
        if (last) return write_weights(l, l->x, length);
        if (!look_along(&next, step)) return false;
    }
    *at = next;
    return arrive(step, at->loss, l->g[at->slot]);
}

/* Iterates from where the weights are. */
static bool iterate(Step *step) {
    Lbfgs *l = step->l;
    const LbfgsOptions *o = &l->options;
    LbfgsReport *r = &step->report;
    size_t most = o->evaluations ? o->evaluations : o->iterations * 5 / 4;
    HcPlace at = {.slot = 0};
    if (!evaluate(step, l->g[0]) || !arrive(step, r->loss, l->g[0])) return false;
    at.loss = r->loss;
    r->converged = r->gradient <= o->tolerance_grad;
    while (!r->converged && r->iterations < o->iterations) {
        double length, before = at.loss;
        r->iterations++;
        if (!aim(l, l->g[at.slot], &length)) return false;
        at.t = 0;
        at.slope = hc_dot(l->g[at.slot], l->d, l->n);
        if (at.slope > -o->tolerance_change) {
            l->t = 0;
            r->converged = true;
            break;
        }
        bool last = r->iterations == o->iterations;
        if (!move(step, &at, length, last)) return false;
        if (last && !o->strong_wolfe) break;
        r->converged = r->gradient <= o->tolerance_grad || fabs(l->t) * largest(l->d, l->n) <= o->tolerance_change ||
                       fabs(at.loss - before) < o->tolerance_change;
        if (r->evaluations >= most) break;
    }
    return true;
}

bool lbfgs_step(Lbfgs *l, LbfgsFn *closure, void *user, LbfgsReport *report) {
    if (!l || !closure) return hc_null(who, l ? "the closure" : "the optimizer");
    if (l->running) return hc_fail_thread(HC_ERR_STATE, "%s: from within its own closure", who);
    Step step = {.l = l, .closure = closure, .user = user};
    read_weights(l, l->first);
    if (iterate(&step)) {
        if (report) *report = step.report;
        return true;
    }
    memset(l->d, 0, l->n * sizeof *l->d);
    write_weights(l, l->first, 0);
    l->iterations = 0;
    return false;
}
