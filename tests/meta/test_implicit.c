/* Implicit gradients: against closed forms and a long unroll, by every solver; sizes of one and zero; Params reached in
 * tasks; and what goes wrong, in words. */
#include <math.h>
#include <string.h>

#include "support/failing.h"
#include "support/refuse.h"

enum { FEATURES = 20, ROWS = 40 };

/* ---- ridge regression with a strength for each feature ---------------------------------------------------------- */

typedef struct Ridge {
    double x[ROWS * FEATURES], y[ROWS], xv[ROWS * FEATURES], yv[ROWS], strength[FEATURES];
    Tensor *strengths; /* of the step at hand, on its tape */
} Ridge;

static void draw(Ridge *r) {
    Rng rng = rng_seed(3);
    double truth[FEATURES];
    for (int j = 0; j < FEATURES; j++) {
        truth[j] = j < 8 ? rng_normal(&rng) : 0;
        r->strength[j] = 0.05 + 0.5 * rng_uniform(&rng);
    }
    for (int set = 0; set < 2; set++)
        for (int i = 0; i < ROWS; i++) {
            double *x = (set ? r->xv : r->x) + i * FEATURES, sum = 0.3 * rng_normal(&rng);
            for (int j = 0; j < FEATURES; j++)
                sum += (x[j] = rng_normal(&rng)) * truth[j];
            (set ? r->yv : r->y)[i] = sum;
        }
}

/* a z = b, by elimination with partial pivoting; a and b are overwritten. */
static void eliminate(double a[FEATURES][FEATURES], double *b, double *z) {
    for (int k = 0; k < FEATURES; k++) {
        int pivot = k;
        for (int i = k + 1; i < FEATURES; i++)
            if (fabs(a[i][k]) > fabs(a[pivot][k])) pivot = i;
        for (int j = 0; j < FEATURES; j++) {
            double t = a[k][j];
            a[k][j] = a[pivot][j];
            a[pivot][j] = t;
        }
        double t = b[k];
        b[k] = b[pivot];
        b[pivot] = t;
        for (int i = k + 1; i < FEATURES; i++) {
            double c = a[i][k] / a[k][k];
            for (int j = k; j < FEATURES; j++)
                a[i][j] -= c * a[k][j];
            b[i] -= c * b[k];
        }
    }
    for (int k = FEATURES - 1; k >= 0; k--) {
        z[k] = b[k];
        for (int j = k + 1; j < FEATURES; j++)
            z[k] -= a[k][j] * z[j];
        z[k] /= a[k][k];
    }
}

static void hessian(const Ridge *r, double h[FEATURES][FEATURES]) {
    for (int i = 0; i < FEATURES; i++)
        for (int j = 0; j < FEATURES; j++) {
            h[i][j] = i == j ? 2 * r->strength[i] : 0;
            for (int k = 0; k < ROWS; k++)
                h[i][j] += 2.0 / ROWS * r->x[k * FEATURES + i] * r->x[k * FEATURES + j];
        }
}

/* The minimum of the inner loss, and the gradient of the outer one there to each strength. */
static void closed_form(const Ridge *r, double *w, double *gradient) {
    double h[FEATURES][FEATURES], b[FEATURES] = {0}, v[FEATURES];
    for (int k = 0; k < ROWS; k++)
        for (int i = 0; i < FEATURES; i++)
            b[i] += 2.0 / ROWS * r->x[k * FEATURES + i] * r->y[k];
    hessian(r, h);
    eliminate(h, b, w);
    memset(b, 0, sizeof b);
    for (int k = 0; k < ROWS; k++) {
        double off = -r->yv[k];
        for (int i = 0; i < FEATURES; i++)
            off += r->xv[k * FEATURES + i] * w[i];
        for (int i = 0; i < FEATURES; i++)
            b[i] += 2.0 / ROWS * r->xv[k * FEATURES + i] * off;
    }
    hessian(r, h);
    eliminate(h, b, v);
    for (int i = 0; i < FEATURES; i++)
        gradient[i] = -2 * v[i] * w[i];
}

static Module *ridge_net(void) {
    Module *net = module_linear_no_bias(FEATURES, 1);
    CHECK(net && module_to(net, HC_F64));
    return net;
}

static Tensor *ridge_loss(FModule *f, void *user) {
    const Ridge *r = user;
    Tape *tape = fmodule_tape(f);
    Tensor *x = tensor_from_f64(tape, shape2(ROWS, FEATURES), r->x);
    Tensor *y = tensor_from_f64(tape, shape2(ROWS, 1), r->y);
    Tensor *penalty = tensor_sum(tensor_mul(r->strengths, tensor_square(fmodule_vector(f))));
    return tensor_add(tensor_mse_loss(fmodule_forward(f, x), y), penalty);
}

static void check_ridge(ImplicitSolver solver, size_t iterations) {
    static Ridge r;
    double w[FEATURES], want[FEATURES];
    draw(&r);
    closed_form(&r, w, want);
    Tape *tape = tape_create(HC_F64);
    Module *net = ridge_net();
    CHECK(param_set_f64(module_params(net).items[0], w, FEATURES));
    Param *strengths = param_create("strengths", shape1(FEATURES), HC_F64);
    CHECK(param_set_f64(strengths, r.strength, FEATURES));
    r.strengths = param_tensor(tape, strengths);
    FModule *f = fmodule_create(tape, net, true);
    ImplicitOptions o = implicit_options();
    o.solver = solver;
    o.iterations = iterations;
    o.step = 0.2;
    if (solver != HC_SOLVE_CG) o.tolerance = 1e-13;
    CHECK(implicit(f, ridge_loss, o, &r));
    CHECK(fmodule_steps(f) == 1 && implicit_report(f).iterations == 0);
    Tensor *x = tensor_from_f64(tape, shape2(ROWS, FEATURES), r.xv);
    Tensor *loss = tensor_mse_loss(fmodule_forward(f, x), tensor_from_f64(tape, shape2(ROWS, 1), r.yv));
    CHECK(tensor_backward(loss));
    const double *g = param_grad(strengths);
    CHECK(g && !param_grad(module_params(net).items[0]));
    for (int i = 0; i < FEATURES && g; i++)
        CHECK_NEAR(g[i], want[i], 1e-9, 1e-11);
    ImplicitReport report = implicit_report(f);
    CHECK(report.converged && report.residual <= 1e-10 && report.iterations > 0);
    CHECK(solver != HC_SOLVE_CG || (report.iterations <= FEATURES + 4 && report.products == report.iterations));
    param_unref(strengths);
    module_destroy(net);
    tape_destroy(tape);
}

/* ---- logistic regression, against the unrolled loop that found the minimum -------------------------------------- */

typedef struct Logistic {
    Tape *tape;
    FModule *f;
    Tensor *x, *y, *decay;
} Logistic;

static Tensor *logistic_loss(FModule *f, void *user) {
    const Logistic *l = user;
    Tensor *loss = tensor_cross_entropy_loss(fmodule_forward(f, l->x), l->y);
    return tensor_add(loss, tensor_mul(tensor_exp(l->decay), tensor_sum(tensor_square(fmodule_vector(f)))));
}

static bool descend(UnrollStep *step, void *user) {
    Logistic *l = user;
    return diffopt_step(step->opts[0], logistic_loss(l->f, l));
}

static double logistic(bool unrolled, double *gx) {
    Rng rng = rng_seed(6);
    Tape *tape = tape_create(HC_F64);
    Module *net = module_linear(3, 3);
    CHECK(module_to(net, HC_F64) && module_init(net, &rng));
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.5));
    Param *decay = param_create("decay", shape_scalar(), HC_F64);
    param_fill(decay, log(0.05));
    Logistic l = {.tape = tape, .x = tensor_leaf(tensor_normal(tape, shape2(12, 3), 0, 1, &rng))};
    l.y = tensor_from_i64(tape, shape1(12), (int64_t[]){0, 1, 2, 0, 1, 2, 0, 1, 2, 2, 1, 0});
    l.decay = param_tensor(tape, decay);
    FModuleOptions options = fmodule_options(true);
    options.mode = unrolled ? HC_FULL : HC_EVAL;
    l.f = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(sgd, l.f);
    CHECK(unroll(&opt, 1, unroll_options(400), descend, &l));
    if (!unrolled) CHECK(implicit(l.f, logistic_loss, implicit_options(), &l));
    Tensor *loss = tensor_cross_entropy_loss(fmodule_forward(l.f, tensor_mul_scalar(l.x, 0.7)), l.y), *g = NULL;
    CHECK(tensor_backward(loss) && tensor_grad(loss, &l.x, 1, &g, 0) && tensor_copy_to_f64(g, gx, 36));
    const double *d = param_grad(decay);
    double gradient = d ? *d : NAN;
    param_unref(decay);
    optim_destroy(sgd);
    module_destroy(net);
    tape_destroy(tape);
    return gradient;
}

static void check_logistic(void) {
    double x[36], again[36];
    CHECK_NEAR(logistic(true, x), logistic(false, again), 1e-6, 0);
    for (int i = 0; i < 36; i++)
        CHECK_NEAR(x[i], again[i], 1e-6, 1e-9);
}

/* ---- a proximal term; one weight, and none, beside a Param without numbers -------------------------------------- */

/* Sum of a_i/2 (w_i - c)^2 over all entries, with c learned. */
typedef struct Bowl {
    Tensor *centre;
    double curvature;
} Bowl;

static Tensor *bowl_loss(FModule *f, void *user) {
    const Bowl *b = user;
    Tensor *off = tensor_square(tensor_sub(fmodule_vector(f), b->centre));
    return tensor_mul_scalar(tensor_sum(off), b->curvature / 2);
}

static bool holder_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin;
    (void)nout;
    out[0] = tensor_mul(in[0], frame_param(frame, "w"));
    return out[0] != NULL;
}

static Module *holder(Shape shape) {
    static const ModuleClass cls = {.name = "holder", .forward = holder_forward};
    Module *module = module_create(&cls, NULL);
    CHECK(module && module_add_param(module, "w", shape) && module_add_param(module, "none", shape1(0)));
    CHECK(module_to(module, HC_F64) && param_fill(module_param(module, "none"), 0));
    return module;
}

/* W = (a c + p W0) / (a + p): dW/dc = a / (a + p), dW/dW0 = p / (a + p). */
static void check_proximal(Shape shape, double p, double damping) {
    const double a = 3;
    size_t n = shape_count(shape);
    Tape *tape = tape_create(HC_F64);
    Module *net = holder(shape);
    Param *w0 = module_params(net).items[0], *centre = param_create("c", shape_scalar(), HC_F64);
    CHECK(param_fill(w0, 0.4) && param_fill(centre, 2));
    Bowl bowl = {param_tensor(tape, centre), a};
    FModule *f = fmodule_create(tape, net, false);
    Tensor *at = tensor_detach(tensor_full(tape, shape, (a * 2 + p * 0.4) / (a + p)));
    CHECK(fmodule_set_params(f, (Tensor *[]){tensor_leaf(at), fmodule_param(f, "none")}, 2));
    ImplicitOptions o = implicit_options();
    o.proximal = p;
    o.damping = damping;
    CHECK(implicit(f, bowl_loss, o, &bowl));
    CHECK(tensor_backward(tensor_sum(fmodule_params(f).items[0])));
    const double *gc = param_grad(centre), *gw = param_grad(w0);
    CHECK(gc != NULL && (p > 0) == (gw != NULL));
    if (gc) CHECK_NEAR(*gc, (double)n * a / (a + p + damping), 1e-12, 1e-15);
    for (size_t i = 0; i < n && gw; i++)
        CHECK_NEAR(gw[i], p / (a + p + damping), 1e-12, 1e-15);
    param_unref(centre);
    module_destroy(net);
    tape_destroy(tape);
}

/* ---- in tasks --------------------------------------------------------------------------------------------------- */

typedef struct Shared {
    Module *net;
    Param *centre;
} Shared;

static bool task(Task *task, void *user) {
    const Shared *s = user;
    Bowl bowl = {param_tensor(task->tape, s->centre), 1 + (double)task->index};
    FModule *f = fmodule_create(task->tape, s->net, true);
    return implicit(f, bowl_loss, implicit_options(), &bowl) &&
           tensor_backward_into(tensor_sum(fmodule_params(f).items[0]), task->grads);
}

static void check_tasks(void) {
    Module *net = holder(shape1(2));
    Param *centre = param_create("c", shape_scalar(), HC_F64);
    CHECK(param_fill(module_params(net).items[0], 1) && param_fill(centre, 1));
    Pool *pool = pool_create(2);
    Tasks *tasks = tasks_create(pool, (ParamList){&centre, 1}, HC_F64);
    Rng rng = rng_seed(1);
    CHECK(tasks_run(tasks, 5, &rng, task, &(Shared){net, centre}));
    const double *g = param_grad(centre);
    CHECK(g && fabs(*g - 10) < 1e-12);
    tasks_destroy(tasks);
    pool_destroy(pool);
    param_unref(centre);
    module_destroy(net);
}

/* ---- what goes wrong -------------------------------------------------------------------------------------------- */

static Tensor *failed_loss(FModule *f, void *user) {
    (void)f;
    (void)user;
    return NULL;
}

static Tensor *no_scalar(FModule *f, void *user) {
    (void)user;
    return fmodule_vector(f);
}

static Tensor *unrelated(FModule *f, void *user) {
    (void)user;
    return tensor_scalar(fmodule_tape(f), 2);
}

static void check_wrong(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = holder(shape1(3));
    Param *centre = param_create("c", shape_scalar(), HC_F64);
    CHECK(param_set_f64(module_params(net).items[0], (const double[]){1, 2, 4}, 3) && param_fill(centre, 1));
    Bowl bowl = {param_tensor(tape, centre), 1};
    FModule *f = fmodule_create(tape, net, false);
    ImplicitOptions o = implicit_options();
    TapeStats before = tape_stats(tape);
    REFUSED(implicit(NULL, bowl_loss, o, &bowl));
    SURVIVED(implicit_report(NULL).iterations);
    WRONG(HC_ERR_ARG, implicit(f, NULL, o, &bowl));
    o.iterations = 0;
    WRONG(HC_ERR_ARG, implicit(f, bowl_loss, o, &bowl));
    o = implicit_options();
    o.damping = -1;
    WRONG(HC_ERR_ARG, implicit(f, bowl_loss, o, &bowl));
    o.damping = 0;
    o.solver = (ImplicitSolver)5;
    WRONG(HC_ERR_ARG, implicit(f, bowl_loss, o, &bowl));
    o.solver = HC_SOLVE_NEUMANN;
    o.step = NAN;
    WRONG(HC_ERR_ARG, implicit(f, bowl_loss, o, &bowl));
    o = implicit_options();
    WRONG(HC_ERR_STATE, implicit(f, failed_loss, o, &bowl));
    WRONG(HC_ERR_SHAPE, implicit(f, no_scalar, o, &bowl));
    WRONG(HC_ERR_GRAD, implicit(f, unrelated, o, &bowl));
    CHECK(fmodule_steps(f) == 0 && tape_stats(tape).live_bytes == before.live_bytes);

    bowl.curvature = -1; /* a maximum */
    CHECK(implicit(f, bowl_loss, o, &bowl));
    WRONG_SAYING(HC_ERR_RANGE, tensor_backward(tensor_sum(fmodule_vector(f))),
                 "implicit: the inner loss' Hessian is not positive definite (after 0 iterations, residual 1): "
                 "W is no minimum, or use damping or HC_SOLVE_NORMAL");
    CHECK(!param_grad(centre) && !implicit_report(f).converged);
    o.solver = HC_SOLVE_NORMAL;
    CHECK(implicit(f, bowl_loss, o, &bowl) && tensor_backward(tensor_sum(fmodule_vector(f))));
    CHECK(param_grad(centre) && fabs(*(const double *)param_grad(centre) - 3) < 1e-12);
    param_zero_grad(centre);

    bowl.curvature = 1;
    o = implicit_options();
    o.solver = HC_SOLVE_NEUMANN;
    o.iterations = 3;
    CHECK(implicit(f, bowl_loss, o, &bowl));
    WRONG_SAYING(HC_ERR_RANGE, tensor_backward(tensor_sum(fmodule_vector(f))),
                 "implicit: the solver did not converge: after 3 iterations the residual is 0.970299");
    CHECK(implicit_report(f).iterations == 3 && implicit_report(f).residual > 0.9);
    o.inexact = true;
    CHECK(implicit(f, bowl_loss, o, &bowl) && tensor_backward(tensor_sum(fmodule_vector(f))));
    CHECK(param_grad(centre) && *(const double *)param_grad(centre) > 0);

    Tensor *w = fmodule_params_at(f, 0).items[0], *g = NULL, *loss = tensor_sum(fmodule_vector(f));
    WRONG_SAYING(HC_ERR_STATE, tensor_grad(loss, &bowl.centre, 1, &g, HC_CREATE_GRAPH),
                 "implicit: its backward pass can be neither recorded nor held by a Program");
    WRONG(HC_ERR_STATE, program_capture(tape, NULL, 0, NULL, 0, loss));
    CHECK(w && !g);
    CHECK(param_fill(centre, 2));
    WRONG(HC_ERR_CHANGED, tensor_backward(loss));
    param_unref(centre);
    module_destroy(net);
    tape_destroy(tape);
}

/* ---- curvature below zero ----------------------------------------------------------------------- */

/* A saddle: 1/2 sum h (w - c)^2, at w = 1. */
typedef struct Saddle {
    Tape *tape;
    Module *net;
    Param *c;
    FModule *f;
    Tensor *centre, *curvatures;
} Saddle;

static Tensor *saddle_loss(FModule *f, void *user) {
    const Saddle *s = user;
    Tensor *apart = tensor_sub(fmodule_vector(f), s->centre);
    return tensor_mul_scalar(tensor_sum(tensor_mul(s->curvatures, tensor_square(apart))), 0.5);
}

/* The gradient to c, from b = 1; or NULL. */
static const double *saddle_gradient(Saddle *s, const double *h, ImplicitSolver solver, bool inexact) {
    *s = (Saddle){tape_create(HC_F64), holder(shape1(3)), param_create("c", shape1(3), HC_F64), NULL, NULL, NULL};
    CHECK(param_fill(module_params(s->net).items[0], 1) && param_fill(s->c, 1));
    s->f = fmodule_create(s->tape, s->net, false);
    s->centre = param_tensor(s->tape, s->c);
    s->curvatures = tensor_from_f64(s->tape, shape1(3), h);
    ImplicitOptions o = implicit_options();
    o.solver = solver;
    o.inexact = inexact;
    CHECK(implicit(s->f, saddle_loss, o, s));
    bool done = tensor_backward(tensor_sum(fmodule_vector(s->f)));
    CHECK(done ? param_grad(s->c) != NULL : !param_grad(s->c) && higherc_status() == HC_ERR_RANGE);
    if (!done) tape_clear_error(s->tape);
    higherc_clear_error();
    return param_grad(s->c);
}

static void end_saddle(Saddle *s) {
    param_unref(s->c);
    module_destroy(s->net);
    tape_destroy(s->tape);
}

/* What conjugate gradients reach before they meet a direction without curvature above zero: v, after so many
 * iterations; the gradient to c is h v. An error unless `inexact`. */
static void check_saddle(const double *h, const double *v, size_t iterations, double residual) {
    for (int inexact = 0; inexact < 2; inexact++) {
        Saddle s;
        const double *g = saddle_gradient(&s, h, HC_SOLVE_CG, inexact);
        ImplicitReport report = implicit_report(s.f);
        CHECK(report.indefinite && !report.converged && report.iterations == iterations);
        CHECK_NEAR(report.residual, residual, 1e-12, 0);
        CHECK((g != NULL) == (inexact != 0));
        for (int i = 0; i < 3 && g; i++)
            CHECK_NEAR(g[i], h[i] * v[i], 1e-12, 1e-15);
        end_saddle(&s);
    }
}

static void check_indefinite(void) {
    double third = 2.0 / 3;
    check_saddle((const double[]){4, 1, -0.5}, (const double[]){third, third, third}, 1, sqrt(14) / 3);
    check_saddle((const double[]){-1, -1, -1}, (const double[]){0, 0, 0}, 0, 1);
    check_saddle((const double[]){1, 0, -1}, (const double[]){0, 0, 0}, 0, 1); /* no curvature at all along b */
}

/* No number is no curvature: that is an error with `inexact` too. */
static void check_no_number(void) {
    for (int solver = HC_SOLVE_CG; solver <= HC_SOLVE_NEUMANN; solver++) {
        Saddle s;
        CHECK(!saddle_gradient(&s, (const double[]){1, (double)NAN, 1}, (ImplicitSolver)solver, true));
        CHECK(!implicit_report(s.f).converged && !implicit_report(s.f).indefinite);
        end_saddle(&s);
    }
}

/* The units of memory that the tape may take from where implicit() is called; SIZE_MAX: the caller counts
 * allocations. */
static size_t units = SIZE_MAX;

static bool scenario(void) {
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = units < SIZE_MAX ? 1 : 1024; /* so that much can fail */
    Tape *tape = tape_create_with(options);
    Module *net = module_linear(2, 1);
    Param *decay = param_create("decay", shape_scalar(), HC_F64);
    Rng rng = rng_seed(6);
    bool done = net && decay && module_to(net, HC_F64) && module_init(net, &rng) && param_fill(decay, 0);
    Logistic l = {.tape = tape};
    if (done) {
        l.x = tensor_normal(tape, shape2(4, 2), 0, 1, &rng);
        l.f = fmodule_create(tape, net, true);
        l.decay = param_tensor(tape, decay);
        Bowl bowl = {tensor_mul(l.decay, tensor_mean(l.x)), 2};
        if (units < SIZE_MAX) failing_units(tape, units);
        done = implicit(l.f, bowl_loss, implicit_options(), &bowl) &&
               tensor_backward(tensor_sum(tensor_square(fmodule_vector(l.f))));
        failing_units_never(tape);
        CHECK(done || higherc_status() == HC_ERR_NOMEM);
    }
    param_unref(decay);
    module_destroy(net);
    tape_destroy(tape);
    return done;
}

int main(void) {
    for (int solver = HC_SOLVE_CG; solver <= HC_SOLVE_NEUMANN; solver++)
        check_ridge((ImplicitSolver)solver, 1000);
    check_logistic();
    const Shape shapes[] = {shape_scalar(), shape1(1), shape1(5), shape2(2, 3)};
    for (size_t i = 0; i < 4; i++) {
        check_proximal(shapes[i], 0, 0);
        check_proximal(shapes[i], 0.5, 0);
        check_proximal(shapes[i], 0.5, 0.25);
    }
    check_tasks();
    check_wrong();
    check_indefinite();
    check_no_number();
    fail_each_allocation("implicit", scenario);
    units = 0;
    while (units < 1000000 && !scenario())
        units++;
    CHECK(units > 10 && units < 1000000);
    return check_done();
}
