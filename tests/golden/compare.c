/* Got against want (README.md, section 8). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "golden.h"

/* In f64 what README.md asks for. In f32 2e-3 of the largest number of the entry, and 1e-5 for what
 * is zero but for rounding: a bias that batch norm cancels sums terms as large as its weight's
 * gradient, 160 in the largest case. The recorded cases stay below 1e-4 there; the room is for Adam with an
 * eps far below the gradients, whose meta-gradient is a difference of two terms of size 1/|g| each,
 * so that rounding is felt as 6e-8/|g|: of 2800 runs of these cases with other weights and batches,
 * the worst (eps 1e-8) was off by 1.1e-3, and all but seven by less than 1e-4. */
Tolerance case_tolerance(const Case *c, DType dtype) {
    if (dtype == HC_F64) return (Tolerance){c->tolerance, 1e-12};
    return (Tolerance){fmax(2e-3, c->tolerance), 1e-5};
}

/* One comparison: how far off, and how far it may be. */
typedef struct Deviation {
    double got, want, deviation, allowed;
    char where[64];
} Deviation;

static double ratio(const Deviation *d) {
    if (d->deviation <= d->allowed) return d->allowed > 0 ? d->deviation / d->allowed : 0;
    return d->allowed > 0 && d->deviation > d->allowed ? d->deviation / d->allowed : INFINITY;
}

/* Keeps the worse of two. A NaN among the numbers makes the ratio infinite. */
static void keep(Deviation *worst, double got, double want, double allowed, const char *where,
                 double index) {
    Deviation d = {got, want, fabs(got - want), allowed, ""};
    bool same = got == want || (isnan(got) && isnan(want));
    if (same) d.deviation = 0;
    if (worst->where[0] != '\0' && ratio(&d) <= ratio(worst)) return;
    *worst = d;
    snprintf(worst->where, sizeof worst->where, where, index);
}

static double largest(const double *values, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) most = fmax(most, fabs(values[i]));
    return most;
}

static void compare_values(const Entry *want, const Entry *got, Tolerance t, Deviation *worst) {
    double allowed = t.absolute + t.relative * largest(want->values, want->count);
    for (size_t i = 0; i < want->count; i++)
        keep(worst, got->values[i], want->values[i], allowed, want->shape.ndim ? "[%.0f]" : " ",
             (double)i);
}

static void compare_digest(const Entry *want, const Entry *got, Tolerance t, Deviation *worst) {
    double sum = 0, abs_sum = 0, weighted_sum = 0;
    for (size_t i = 0; i < got->count; i++) {
        double weight = (double)((37 * (i % 101) + 11) % 101) - 50;
        sum += got->values[i];
        abs_sum += fabs(got->values[i]);
        weighted_sum += weight * got->values[i];
    }
    double allowed = t.relative * want->abs_sum;
    keep(worst, sum, want->sum, allowed, " (sum)", 0);
    keep(worst, abs_sum, want->abs_sum, allowed, " (sum of absolute values)", 0);
    keep(worst, weighted_sum, want->weighted_sum, 50 * allowed, " (weighted sum)", 0);
    allowed = t.absolute + t.relative * largest(want->values, want->count);
    for (size_t i = 0; i < want->count; i++)
        keep(worst, got->values[(size_t)want->index[i]], want->values[i], allowed, "[%.0f]",
             want->index[i]);
}

static bool fail(FILE *report, const Case *c, const Entry *want, const char *reason) {
    if (report) fprintf(report, "FAIL %s %s: %s\n", c->name, want->name, reason);
    return false;
}

static bool compare_entry(const Case *c, const Entry *want, const Entry *got, Tolerance tolerance,
                          FILE *report, double *worst_ratio) {
    if (!got) return fail(report, c, want, "nothing of that name was computed");
    bool none = got->kind == ENTRY_NONE;
    if (want->kind == ENTRY_NONE) return none || fail(report, c, want, "got values, want none");
    if (none) return fail(report, c, want, "got none, want values");
    if (!shape_equal(want->shape, got->shape)) return fail(report, c, want, "the shapes differ");
    Deviation worst = {0, 0, 0, 0, ""};
    if (want->kind == ENTRY_DIGEST)
        compare_digest(want, got, tolerance, &worst);
    else
        compare_values(want, got, tolerance, &worst);
    *worst_ratio = fmax(*worst_ratio, ratio(&worst));
    if (ratio(&worst) <= 1) return true;
    if (report)
        fprintf(report, "FAIL %s %s%s: got %.17g, want %.17g, deviation %.3g, allowed %.3g\n",
                c->name, want->name, strcmp(worst.where, " ") == 0 ? "" : worst.where, worst.got,
                worst.want, worst.deviation, worst.allowed);
    return false;
}

/* A gradient that was recorded through an unrolled loop stands on a second recording of its steps. What is
 * differentiated again goes down both, and is added up at the end; a stored loop adds at each step. */
static bool of_gradient(const char *name) {
    return strncmp(name, "third_grad/", 11) == 0 || strncmp(name, "third_hyper_grad/", 17) == 0 ||
           strncmp(name, "hvp/", 4) == 0;
}

bool case_same(const Dict *one, const Dict *other, char *message) {
    const char *name = one->count == other->count ? NULL : "the number of results";
    for (size_t i = 0; i < one->count && !name; i++) {
        const Entry *a = one->items[i], *b = dict_find(other, a->name);
        bool same = b && a->kind == b->kind && a->count == b->count &&
                    shape_equal(a->shape, b->shape) &&
                    (a->count == 0 || of_gradient(a->name) ||
                     memcmp(a->values, b->values, a->count * sizeof(double)) == 0);
        if (!same) name = a->name;
    }
    if (name) snprintf(message, MESSAGE_SIZE, "%s differs", name);
    return !name;
}

size_t case_compare(const Case *c, const Dict *results, Tolerance tolerance, FILE *report,
                    double *worst) {
    static const char prefix[] = "expect/";
    size_t failures = 0, compared = 0;
    double ignored = 0;
    if (!worst) worst = &ignored;
    for (size_t i = 0; i < c->data.count; i++) {
        const Entry *want = c->data.items[i];
        if (strncmp(want->name, prefix, sizeof prefix - 1) != 0) continue;
        const Entry *got = dict_find(results, want->name + sizeof prefix - 1);
        failures += !compare_entry(c, want, got, tolerance, report, worst);
        compared++;
    }
    if (compared > 0) return failures;
    if (report) fprintf(report, "FAIL %s: it records nothing to compare\n", c->name);
    return 1;
}
