/* gradcheck: each order's derivative against central differences of the order below.
 *
 * L_0 = sum(w_0 f), L_k = sum over inputs of sum(w_k dL_{k-1}/dx), with fixed random weights w, so that
 * dL_k/dx mixes all derivatives of order k+1. A difference of L_k needs derivatives up to order k only. */
#include <math.h>

#include "base/alloc.h"
#include "grad/sweep.h"

#define MOST_ORDERS 6

GradcheckOptions gradcheck_options(DType dtype) {
    if (dtype == HC_F32)
        return (GradcheckOptions){.order = 2, .step = 3e-2, .tolerance = 2e-2, .absolute = 1e-2};
    return (GradcheckOptions){.order = 2, .step = 1e-3, .tolerance = 1e-7, .absolute = 1e-9};
}

typedef struct Check {
    GradcheckFn *fn;
    void *user;
    Tape *tape;
    Tensor *const *inputs;
    size_t count;
    GradcheckOptions options;
    double **values; /* of each input */
    Tensor **leaves, **grads;
} Check;

/* The function's value; NULL after an error. */
static Tensor *call(Check *c) {
    HcCalling outer = hc_call_begin(c->tape);
    Tensor *y = c->fn(c->leaves, c->count, c->user);
    if (!hc_call_end(c->tape, outer)) return NULL;
    if (y) return hc_check_all("gradcheck: the function", (Tensor *[]){c->leaves[0], y}, 2) ? y : NULL;
    hc_fail_thread(HC_ERR_STATE, "gradcheck: the function gave no tensor");
    return NULL;
}

static Tensor *weighted_sum(Tensor *x, Rng *rng) {
    if (!x) return NULL;
    return tensor_sum(tensor_mul(x, tensor_uniform(x->tape, tensor_shape(x), 0.5, 1.5, rng)));
}

/* L_order at the present values; its gradients in grads[] where asked for. NULL on failure. */
static Tensor *evaluate(Check *c, int order, bool gradients) {
    Rng rng = rng_seed(1);
    for (size_t i = 0; i < c->count; i++) {
        Tensor *x = tensor_from_f64(c->tape, tensor_shape(c->inputs[i]), c->values[i]);
        if (!(c->leaves[i] = tensor_leaf(x))) return NULL;
    }
    Tensor *sum = weighted_sum(call(c), &rng);
    for (int k = 0; sum && (k < order || gradients); k++) {
        unsigned flags = HC_ZEROS | (k < order ? HC_CREATE_GRAPH : 0);
        if (!tensor_grad(sum, c->leaves, c->count, c->grads, flags)) return NULL;
        if (k == order) break;
        sum = tensor_scalar(c->tape, 0);
        for (size_t i = 0; i < c->count; i++)
            sum = tensor_add(sum, weighted_sum(c->grads[i], &rng));
    }
    return sum;
}

/* L_order with one value moved; NaN on failure. */
static double moved(Check *c, int order, size_t input, size_t entry, double by) {
    double was = c->values[input][entry];
    TapeMark mark = tape_mark(c->tape);
    c->values[input][entry] = was + by;
    Tensor *y = evaluate(c, order, false);
    c->values[input][entry] = was;
    double value = y ? tensor_item(y) : (double)NAN;
    tape_release(c->tape, mark);
    return value;
}

/* (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h: error of the order of h^4 */
static double difference(Check *c, int order, size_t input, size_t entry) {
    double h = c->options.step;
    double near = moved(c, order, input, entry, h) - moved(c, order, input, entry, -h);
    double far = moved(c, order, input, entry, 2 * h) - moved(c, order, input, entry, -2 * h);
    return (8 * near - far) / (12 * h);
}

static bool check_input(Check *c, int order, size_t input, const double *analytic, size_t count) {
    double largest = 0;
    for (size_t e = 0; e < count; e++)
        largest = fmax(largest, fabs(analytic[e]));
    for (size_t e = 0; e < count; e++) {
        double numeric = difference(c, order, input, e);
        if (c->tape->status != HC_OK) return false;
        double allowed = c->options.absolute + c->options.tolerance * fmax(largest, fabs(numeric));
        double apart = fabs(numeric - analytic[e]);
        if (apart <= allowed && apart < (double)INFINITY) continue;
        return hc_fail_thread(HC_ERR_GRAD,
                              "gradcheck: order %d, input %zu, entry %zu: the derivative is %.12g, "
                              "differences give %.12g (allowed: %.3g apart)",
                              order + 1, input, e, analytic[e], numeric, allowed);
    }
    return true;
}

static bool check_order(Check *c, int order, double **analytic) {
    TapeMark mark = tape_mark(c->tape);
    bool done = evaluate(c, order, true) != NULL;
    for (size_t i = 0; i < c->count && done; i++)
        done = tensor_copy_to_f64(c->grads[i], analytic[i], tensor_count(c->inputs[i]));
    tape_release(c->tape, mark);
    for (size_t i = 0; i < c->count && done; i++)
        done = check_input(c, order, i, analytic[i], tensor_count(c->inputs[i]));
    return done;
}

static void free_lists(double **lists, size_t count) {
    for (size_t i = 0; lists && i < count; i++)
        hc_free(lists[i]);
    hc_free(lists);
}

static double **make_lists(Tensor *const *inputs, size_t count, bool fill) {
    double **lists = hc_alloc_zero(count, sizeof *lists);
    for (size_t i = 0; lists && i < count; i++) {
        size_t n = tensor_count(inputs[i]);
        lists[i] = hc_alloc_zero(n, sizeof **lists);
        if (lists[i] && (!fill || tensor_copy_to_f64(inputs[i], lists[i], n))) continue;
        free_lists(lists, count);
        return NULL;
    }
    return lists;
}

bool gradcheck(GradcheckFn *fn, Tensor *const *inputs, size_t count, GradcheckOptions options,
               void *user) {
    const char *who = "gradcheck";
    if (!fn || !inputs || count == 0)
        return hc_fail_thread(HC_ERR_ARG, "%s: the function or the inputs are missing", who);
    if (!hc_check_all(who, inputs, count)) return false;
    Tape *tape = inputs[0]->tape;
    if (options.order < 1 || options.order > MOST_ORDERS || !(options.step > 0))
        return hc_fail(tape, HC_ERR_ARG, "%s: order must be 1 to %d and step positive", who,
                       MOST_ORDERS);
    bool recording = tape_set_recording(tape, true);
    TapeMark mark = tape_mark(tape);
    Check c = {.fn = fn,
               .user = user,
               .tape = tape,
               .inputs = inputs,
               .count = count,
               .options = options,
               .values = make_lists(inputs, count, true),
               .leaves = hc_alloc_zero(count, sizeof(Tensor *)),
               .grads = hc_alloc_zero(count, sizeof(Tensor *))};
    double **analytic = make_lists(inputs, count, false);
    bool done = c.values && c.leaves && c.grads && analytic;
    if (!done) hc_fail_nomem(tape, who);
    for (int order = 0; order < options.order && done; order++)
        done = check_order(&c, order, analytic);
    free_lists(c.values, count);
    free_lists(analytic, count);
    hc_free(c.leaves);
    hc_free(c.grads);
    tape_release(tape, mark);
    tape_set_recording(tape, recording);
    return done;
}
