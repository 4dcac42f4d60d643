#include "meta/krylov.h"

#include <math.h>
#include <string.h>

#include "base/doubles.h"

/* y = x + c y */
static void extend(double *y, double c, const double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] + c * y[i];
}

/* A system while it is solved: r = b - H v. */
typedef struct Solve {
    HcLinear linear;
    double *v, *r, *work[HC_LINEAR_WORKSPACE - 1];
    double size; /* of b */
    double tolerance;
    ImplicitReport *report;
} Solve;

static bool product(Solve *s, const double *from, double *to) {
    s->report->products++;
    return s->linear.product(from, to, s->linear.user);
}

/* Notes how far it is. */
static bool close_enough(Solve *s) {
    s->report->residual = sqrt(hc_dot(s->r, s->r, s->linear.count)) / s->size;
    return s->report->residual <= s->tolerance;
}

/* Where a direction has no positive curvature v stays as the directions before it left it, as in Steihaug 1983. */
static HcSolved conjugate_gradients(Solve *s, size_t iterations) {
    size_t n = s->linear.count;
    double *p = s->work[0], *hp = s->work[1], rr = hc_dot(s->r, s->r, n);
    memcpy(p, s->r, n * sizeof *p);
    for (; s->report->iterations < iterations; s->report->iterations++) {
        if (!product(s, p, hp)) return HC_GAVE_UP;
        double curvature = hc_dot(p, hp, n);
        if (curvature <= 0) return HC_NOT_DEFINITE;
        double alpha = rr / curvature;
        hc_add_scaled(s->v, alpha, p, n);
        hc_add_scaled(s->r, -alpha, hp, n);
        if (close_enough(s)) {
            s->report->iterations++;
            return HC_SOLVED;
        }
        if (!isfinite(s->report->residual)) return HC_NOT_SOLVED;
        double next = hc_dot(s->r, s->r, n);
        extend(p, next / rr, s->r, n);
        rr = next;
    }
    return HC_NOT_SOLVED;
}

/* CGNR: the residual of the normal equations, z = H r, is what is made small by conjugate directions. */
static HcSolved normal_equations(Solve *s, size_t iterations) {
    size_t n = s->linear.count;
    double *p = s->work[0], *hp = s->work[1], *z = s->work[2];
    if (!product(s, s->r, z)) return HC_GAVE_UP;
    double zz = hc_dot(z, z, n);
    memcpy(p, z, n * sizeof *p);
    for (; s->report->iterations < iterations; s->report->iterations++) {
        if (!product(s, p, hp)) return HC_GAVE_UP;
        double curvature = hc_dot(hp, hp, n);
        if (curvature <= 0) return HC_NOT_SOLVED; /* nothing left that H does not send to 0 */
        double alpha = zz / curvature;
        hc_add_scaled(s->v, alpha, p, n);
        hc_add_scaled(s->r, -alpha, hp, n);
        if (close_enough(s)) {
            s->report->iterations++;
            return HC_SOLVED;
        }
        if (!isfinite(s->report->residual)) return HC_NOT_SOLVED;
        if (!product(s, s->r, z)) return HC_GAVE_UP;
        double next = hc_dot(z, z, n);
        extend(p, next / zz, z, n);
        zz = next;
    }
    return HC_NOT_SOLVED;
}

/* v + step r is one more term of the series. */
static HcSolved neumann(Solve *s, double step, size_t iterations) {
    size_t n = s->linear.count;
    double *hr = s->work[0];
    for (; s->report->iterations < iterations; s->report->iterations++) {
        if (!product(s, s->r, hr)) return HC_GAVE_UP;
        hc_add_scaled(s->v, step, s->r, n);
        hc_add_scaled(s->r, -step, hr, n);
        if (close_enough(s)) {
            s->report->iterations++;
            return HC_SOLVED;
        }
        if (!isfinite(s->report->residual)) return HC_NOT_SOLVED;
    }
    return HC_NOT_SOLVED;
}

HcSolved hc_linear_solve(HcLinear linear, const ImplicitOptions *options, const double *b,
                         double *v, double *work, ImplicitReport *report) {
    size_t n = linear.count;
    Solve s = {
        .linear = linear, .v = v, .r = work, .tolerance = options->tolerance, .report = report};
    for (size_t i = 0; i + 1 < HC_LINEAR_WORKSPACE; i++)
        s.work[i] = work + (i + 1) * n;
    *report = (ImplicitReport){.converged = true};
    for (size_t i = 0; i < n; i++)
        v[i] = 0;
    if (n) memcpy(s.r, b, n * sizeof *b);
    s.size = sqrt(hc_dot(b, b, n));
    if (s.size == 0) return HC_SOLVED;
    close_enough(&s);
    HcSolved solved = options->solver == HC_SOLVE_CG ? conjugate_gradients(&s, options->iterations)
                      : options->solver == HC_SOLVE_NORMAL
                          ? normal_equations(&s, options->iterations)
                          : neumann(&s, options->step, options->iterations);
    report->converged = solved == HC_SOLVED;
    report->indefinite = solved == HC_NOT_DEFINITE;
    return solved;
}
