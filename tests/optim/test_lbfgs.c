/* L-BFGS: exact on quadratics, Rosenbrock's valley, the two loops against the dense matrix they stand for, lengths that
 * meet the Wolfe conditions, when it ends, what is frozen, and that a step that fails leaves all as it was. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/failing.h"
#include "support/refuse.h"

enum { MOST = 8, MOST_CALLS = 400 };

/* A loss by hand, of all Params in a row; its places and values are written down. */
typedef struct Problem {
    Param *params[2];
    size_t count, n;
    double (*fn)(const double *x, double *g, size_t n);
    double x[MOST_CALLS][MOST], g[MOST_CALLS][MOST], loss[MOST_CALLS];
    size_t calls, fail_at; /* fail_at: counted from 1 */
    Lbfgs *own;
} Problem;

static double at(const Problem *p, size_t i) {
    size_t first = param_count(p->params[0]);
    return i < first ? param_get(p->params[0], i) : param_get(p->params[1], i - first);
}

static bool closure(double *loss, void *user) {
    Problem *p = user;
    if (p->calls == MOST_CALLS || ++p->calls == p->fail_at) return false;
    size_t k = p->calls - 1, first = param_count(p->params[0]);
    for (size_t i = 0; i < p->n; i++)
        p->x[k][i] = at(p, i);
    *loss = p->loss[k] = p->fn(p->x[k], p->g[k], p->n);
    return param_add_grad_f64(p->params[0], p->g[k], first) &&
           (p->count == 1 || param_add_grad_f64(p->params[1], p->g[k] + first, p->n - first));
}

/* Curvatures 1, 4, 9, ... about the places 1, 2, 3, ... */
static double bowl(const double *x, double *g, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double c = (double)((i + 1) * (i + 1)), d = x[i] - (double)(i + 1);
        g[i] = c * d;
        sum += c * d * d / 2;
    }
    return sum;
}

static double valley(const double *x, double *g, size_t n) {
    double a = 1 - x[0], b = x[1] - x[0] * x[0];
    (void)n;
    g[0] = -2 * a - 400 * x[0] * b;
    g[1] = 200 * b;
    return a * a + 100 * b * b;
}

/* Beyond 2 it is infinite: a search has to come back. */
static double wall(const double *x, double *g, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        g[i] = x[i] < 2 ? -1 + 1 / (2 - x[i]) : (double)NAN;
        sum += x[i] < 2 ? -x[i] - log(2 - x[i]) : (double)INFINITY;
    }
    return sum;
}

static double flat(const double *x, double *g, size_t n) {
    (void)x;
    memset(g, 0, n * sizeof *g);
    return 3;
}

static double slope(const double *x, double *g, size_t n) { /* without an end */
    memset(g, 0, n * sizeof *g);
    g[0] = -1;
    return -x[0];
}

static double nothing(const double *x, double *g, size_t n) {
    (void)x;
    memset(g, 0, n * sizeof *g);
    return (double)NAN;
}

/* Of n weights in two Params (or one), at first all `value`. */
static Problem *begin(DType dtype, size_t n, double value, double (*fn)(const double *, double *, size_t)) {
    Problem *p = calloc(1, sizeof *p);
    if (!p) exit(1);
    p->n = n;
    p->fn = fn;
    p->count = n > 1 ? 2 : 1;
    p->params[0] = param_create("a", shape1(1), dtype);
    p->params[1] = p->count > 1 ? param_create("b", shape2(n - 1, 1), dtype) : NULL;
    for (size_t i = 0; i < p->count; i++)
        CHECK(param_fill(p->params[i], value));
    return p;
}

static ParamList list(Problem *p) {
    return (ParamList){p->params, p->count};
}

static void end(Problem *p, Lbfgs *l) {
    lbfgs_destroy(l);
    param_unref(p->params[0]);
    param_unref(p->params[1]);
    free(p);
}

/* ---- where it goes --------------------------------------------------------------------------- */

static void bowls(void) {
    for (int k = 0; k < 4; k++) {
        bool wolfe = k & 1, single = k & 2;
        Problem *p = begin(single ? HC_F32 : HC_F64, 5, 0, bowl);
        LbfgsOptions o = lbfgs_options();
        o.strong_wolfe = wolfe;
        o.iterations = 60;
        o.evaluations = 200;
        if (!single) o.tolerance_change = 1e-16;
        Lbfgs *l = lbfgs_create(list(p), o);
        LbfgsReport r;
        CHECK(l && lbfgs_step(l, closure, p, &r));
        CHECK(r.converged && r.iterations < 60 && r.evaluations == p->calls);
        for (size_t i = 0; i < 5; i++)
            CHECK_NEAR(at(p, i), (double)(i + 1), single ? 1e-4 : 1e-7, 0);
        CHECK(r.loss == p->loss[p->calls - 1] || wolfe);
        end(p, l);
    }
}

static void rosenbrock(void) {
    Problem *p = begin(HC_F64, 2, -1, valley);
    LbfgsOptions o = lbfgs_options();
    o.strong_wolfe = true;
    Lbfgs *l = lbfgs_create(list(p), o);
    LbfgsReport r = {.converged = false};
    size_t steps = 0;
    for (; steps < 8 && !r.converged; steps++)
        CHECK(lbfgs_step(l, closure, p, &r));
    CHECK(r.converged && steps > 1); /* the history lives on between steps */
    CHECK_NEAR(at(p, 0), 1, 1e-6, 0);
    CHECK_NEAR(at(p, 1), 1, 1e-6, 0);
    CHECK(p->calls < 120);
    end(p, l);
}

/* ---- the two loops against the matrix -------------------------------------------------------- */

/* H, updated by the last pairs from scale I: equation 7.16 of Nocedal and Wright. */
static void dense(const Problem *p, size_t last, size_t history, double h[3][3]) {
    size_t first = last > history ? last - history : 0;
    for (size_t k = first; k < last; k++) {
        double s[3], y[3], ys = 0, next[3][3];
        for (int i = 0; i < 3; i++) {
            s[i] = p->x[k + 1][i] - p->x[k][i];
            y[i] = p->g[k + 1][i] - p->g[k][i];
            ys += y[i] * s[i];
        }
        if (k == first) { /* the scale is that of the last pair */
            double ly = 0, lyy = 0;
            for (int i = 0; i < 3; i++) {
                double d = p->g[last][i] - p->g[last - 1][i];
                ly += d * (p->x[last][i] - p->x[last - 1][i]);
                lyy += d * d;
            }
            for (int i = 0; i < 3; i++)
                for (int j = 0; j < 3; j++)
                    h[i][j] = i == j ? ly / lyy : 0;
        }
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                next[i][j] = s[i] * s[j] / ys;
                for (int a = 0; a < 3; a++)
                    for (int b = 0; b < 3; b++)
                        next[i][j] += ((i == a) - s[i] * y[a] / ys) * h[a][b] * ((b == j) - y[b] * s[j] / ys);
            }
        memcpy(h, next, sizeof next);
    }
}

/* x[k + 1] = x[k] - lr H g; first min(1, 1 / |g|_1) lr. In one step and in several, which ask once more where they
 * begin. */
static void directions(void) {
    for (size_t history = 1; history <= 3; history++) {
        Problem *p = begin(HC_F64, 3, 0, bowl);
        LbfgsOptions o = lbfgs_options();
        o.lr = 0.5;
        o.history = history;
        o.iterations = 6;
        o.evaluations = 100;
        Lbfgs *l = lbfgs_create(list(p), o);
        CHECK(lbfgs_step(l, closure, p, NULL) && p->calls == 6); /* the last place is not looked at */
        CHECK(lbfgs_step(l, closure, p, NULL) && p->calls == 12);
        double h[3][3], first = 0.5 / (1 + 8 + 27);
        for (int i = 0; i < 3; i++)
            CHECK_NEAR(p->x[1][i], -first * p->g[0][i], 1e-14, 0);
        for (size_t k = 1; k < 11; k++) {
            dense(p, k, history, h);
            for (int i = 0; i < 3; i++) {
                double step = 0;
                for (int j = 0; j < 3; j++)
                    step += h[i][j] * p->g[k][j];
                CHECK_NEAR(p->x[k + 1][i] - p->x[k][i], -0.5 * step, 1e-9, 1e-13);
            }
        }
        end(p, l);
    }
}

/* ---- the search ------------------------------------------------------------------------------ */

/* Each place where a step of one iteration ends meets both conditions, seen from where it began. */
static void wolfe(void) {
    double (*const fns[])(const double *, double *, size_t) = {valley, bowl, wall};
    const double starts[] = {-1.2, 30, 1.9999};
    for (int k = 0; k < 3; k++) {
        Problem *p = begin(HC_F64, 2, starts[k], fns[k]);
        LbfgsOptions o = lbfgs_options();
        o.strong_wolfe = true;
        o.iterations = 1;
        o.lr = k == 1 ? 1e-4 : k == 2 ? 50 : 1; /* too short, and past the wall */
        Lbfgs *l = lbfgs_create(list(p), o);
        for (int steps = 0; steps < 6; steps++) {
            double x0[2] = {at(p, 0), at(p, 1)}, g0[2], g1[2], loss0 = p->fn(x0, g0, 2);
            CHECK(lbfgs_step(l, closure, p, NULL));
            double x1[2] = {at(p, 0), at(p, 1)}, loss1 = p->fn(x1, g1, 2);
            double s0 = g0[0] * (x1[0] - x0[0]) + g0[1] * (x1[1] - x0[1]);
            double s1 = g1[0] * (x1[0] - x0[0]) + g1[1] * (x1[1] - x0[1]);
            CHECK(loss1 <= loss0 + 1e-4 * s0 + 1e-13 * fabs(loss0) && fabs(s1) <= -0.9 * s0 + 1e-13);
        }
        CHECK(p->calls > 6);
        end(p, l);
    }
    /* no end in sight: 25 lengths after the first, then the step is taken */
    Problem *p = begin(HC_F64, 1, 0, slope);
    LbfgsOptions o = lbfgs_options();
    o.strong_wolfe = true;
    o.iterations = 1;
    Lbfgs *l = lbfgs_create(list(p), o);
    LbfgsReport r;
    CHECK(lbfgs_step(l, closure, p, &r) && r.evaluations == 27 && at(p, 0) > 1e10);
    end(p, l);
}

/* ---- ends, frozen Params, failures ----------------------------------------------------------- */

static void ends(void) {
    Problem *p = begin(HC_F64, 2, 4, flat);
    Lbfgs *l = lbfgs_create(list(p), lbfgs_options());
    LbfgsReport r;
    CHECK(lbfgs_step(l, closure, p, &r) && r.converged && r.iterations == 0 && r.evaluations == 1 && r.loss == 3 &&
          r.gradient == 0 && at(p, 0) == 4);
    end(p, l);
    p = begin(HC_F64, 2, 0, valley);
    LbfgsOptions o = lbfgs_options();
    o.evaluations = 3;
    l = lbfgs_create(list(p), o);
    CHECK(lbfgs_step(l, closure, p, &r) && !r.converged && r.evaluations == 3 && r.iterations == 2);
    end(p, l);
    p = begin(HC_F64, 2, 0, valley);
    o = lbfgs_options();
    o.tolerance_change = 1e3;
    l = lbfgs_create(list(p), o);
    CHECK(lbfgs_step(l, closure, p, &r) && r.converged && r.iterations == 1 && at(p, 0) == 0);
    end(p, l);
    /* 20 iterations take 25 evaluations at most */
    p = begin(HC_F64, 2, -1, valley);
    o = lbfgs_options();
    CHECK(o.lr == 1 && o.tolerance_grad == 1e-7 && o.tolerance_change == 1e-9 && o.iterations == 20 &&
          o.evaluations == 0 && o.history == 100 && !o.strong_wolfe);
    o.strong_wolfe = true;
    l = lbfgs_create(list(p), o);
    CHECK(lbfgs_step(l, closure, p, &r) && r.evaluations >= 25 && r.iterations < 25);
    end(p, l);
}

static void frozen(void) {
    Problem *p = begin(HC_F64, 3, 0, bowl);
    LbfgsOptions o = lbfgs_options();
    o.iterations = 3;
    Lbfgs *l = lbfgs_create(list(p), o);
    CHECK(lbfgs_step(l, closure, p, NULL)); /* a history of all of them */
    double was = at(p, 1);
    param_freeze(p->params[1], true);
    o.iterations = 30;
    CHECK(lbfgs_step(l, closure, p, NULL) && lbfgs_step(l, closure, p, NULL));
    CHECK(at(p, 1) == was && at(p, 0) != 0);
    param_freeze(p->params[0], true);
    REFUSED(lbfgs_step(l, closure, p, NULL)); /* nothing is left */
    end(p, l);
}

/* Whatever happens at the k-th call: Params are as they were, and the next step begins anew. */
static void failures(void) {
    for (int wolfe = 0; wolfe < 2; wolfe++)
        for (size_t k = 1; k <= 8; k++) {
            Problem *p = begin(HC_F64, 2, -1, valley);
            LbfgsOptions o = lbfgs_options();
            o.strong_wolfe = wolfe;
            o.iterations = 3;
            Lbfgs *l = lbfgs_create(list(p), o);
            CHECK(lbfgs_step(l, closure, p, NULL));
            double x[2] = {at(p, 0), at(p, 1)};
            p->fail_at = p->calls + k;
            bool done = lbfgs_step(l, closure, p, NULL);
            if (!done) {
                CHECK_ERROR("the closure failed");
                CHECK(at(p, 0) == x[0] && at(p, 1) == x[1]);
            }
            p->fail_at = 0;
            size_t calls = p->calls;
            CHECK(done || (lbfgs_step(l, closure, p, NULL) && p->x[calls][0] == x[0]));
            CHECK(wolfe ? !done || k > 3 : done == (k > 3)); /* three evaluations, or a few more */
            end(p, l);
        }
    Problem *p = begin(HC_F64, 2, 1, nothing);
    Lbfgs *l = lbfgs_create(list(p), lbfgs_options());
    CHECK(!lbfgs_step(l, closure, p, NULL) && higherc_status() == HC_ERR_RANGE && at(p, 1) == 1);
    higherc_clear_error();
    end(p, l);
    p = begin(HC_F64, 2, 1.5, wall); /* past the wall without a search */
    LbfgsOptions o = lbfgs_options();
    o.lr = 50;
    l = lbfgs_create(list(p), o);
    p->fn = wall;
    for (size_t i = 0; i < 2; i++)
        CHECK(param_fill(p->params[i], -9));
    CHECK(!lbfgs_step(l, closure, p, NULL) && higherc_status() == HC_ERR_RANGE && at(p, 0) == -9);
    higherc_clear_error();
    end(p, l);
}

static bool idle(double *loss, void *user) {
    (void)user;
    *loss = 1;
    return true;
}

/* From within its own closure. */
static bool meddle(double *loss, void *user) {
    Problem *p = user;
    CHECK(!lbfgs_step(p->own, closure, p, NULL));
    CHECK_ERROR("from within its own closure");
    lbfgs_destroy(p->own);
    CHECK_ERROR("lbfgs_destroy: from within its own closure");
    return closure(loss, user);
}

static void refused(void) {
    Problem *p = begin(HC_F64, 3, 0, bowl);
    const ParamList missing = {NULL, 2}, twice = {(Param *[]){p->params[0], p->params[0]}, 2},
                    gap = {(Param *[]){p->params[0], NULL}, 2};
    REFUSED(lbfgs_create((ParamList){NULL, 0}, lbfgs_options()));
    REFUSED(lbfgs_create(missing, lbfgs_options()));
    REFUSED(lbfgs_create(twice, lbfgs_options()));
    REFUSED(lbfgs_create(gap, lbfgs_options()));
    for (int k = 0; k < 6; k++) {
        LbfgsOptions o = lbfgs_options();
        if (k == 0) o.lr = 0;
        if (k == 1) o.lr = (double)INFINITY;
        if (k == 2) o.tolerance_grad = -1;
        if (k == 3) o.tolerance_change = (double)NAN;
        if (k == 4) o.iterations = 0;
        if (k == 5) o.history = 0;
        CHECK(!lbfgs_create(list(p), o) && higherc_status() == HC_ERR_RANGE);
        higherc_clear_error();
    }
    Lbfgs *l = lbfgs_create(list(p), lbfgs_options());
    REFUSED(lbfgs_step(NULL, closure, p, NULL));
    REFUSED(lbfgs_step(l, NULL, p, NULL));
    lbfgs_destroy(NULL);
    CHECK(!lbfgs_step(l, idle, p, NULL) && higherc_status() == HC_ERR_GRAD);
    higherc_clear_error();
    p->own = l;
    CHECK(lbfgs_step(l, meddle, p, NULL));
    end(p, l);
}

static bool scenario(void) {
    Problem p = {.n = 3, .fn = bowl, .count = 2};
    p.params[0] = param_create("a", shape1(1), HC_F64);
    p.params[1] = p.params[0] ? param_create("b", shape1(2), HC_F64) : NULL;
    Lbfgs *l = p.params[1] && param_fill(p.params[0], 0) && param_fill(p.params[1], 0)
                   ? lbfgs_create(list(&p), lbfgs_options())
                   : NULL;
    bool done = l && lbfgs_step(l, closure, &p, NULL);
    lbfgs_destroy(l);
    param_unref(p.params[0]);
    param_unref(p.params[1]);
    return done;
}

/* A network, with the gradients of a tape. */
typedef struct Fit {
    Module *net;
    Tape *tape;
} Fit;

static bool fit(double *loss, void *user) {
    Fit *f = user;
    double x[8], y[8];
    for (int i = 0; i < 8; i++) {
        x[i] = i / 4.0 - 1;
        y[i] = sin(2 * x[i]);
    }
    Tensor *out = module_forward(f->net, tensor_from_f64(f->tape, shape2(8, 1), x));
    Tensor *error = tensor_mse_loss(out, tensor_from_f64(f->tape, shape2(8, 1), y));
    *loss = tensor_item(error);
    bool done = tensor_backward(error);
    tape_reset(f->tape);
    return done;
}

static void network(void) {
    Rng rng = rng_seed(3);
    Fit f = {module_sequential((Module *[]){module_linear(1, 8), module_tanh(), module_linear(8, 1)}, 3),
             tape_create(HC_F32)};
    CHECK(module_init(f.net, &rng));
    LbfgsOptions o = lbfgs_options();
    o.strong_wolfe = true;
    o.iterations = 100;
    Lbfgs *l = lbfgs_create(module_params(f.net), o);
    LbfgsReport first, last;
    CHECK(lbfgs_step(l, fit, &f, &first) && lbfgs_step(l, fit, &f, &last));
    CHECK(last.loss < 1e-4 && last.loss <= first.loss);
    lbfgs_destroy(l);
    module_destroy(f.net);
    tape_destroy(f.tape);
}

int main(void) {
    bowls();
    rosenbrock();
    directions();
    wolfe();
    ends();
    frozen();
    failures();
    refused();
    network();
    fail_each_allocation("lbfgs", scenario);
    CHECK(higherc_error() == NULL);
    return check_done();
}
