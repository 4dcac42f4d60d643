/* tensor_grad, tensor_vjp, tensor_hvp, tensor_jvp against derivatives known in closed form, with every flag;
 * what they leave on the tape; and that sums of gradients are gradients of sums. */
#include <string.h>

#include "support/each.h"
#include "support/refuse.h"

static Tape *tape;

static bool is(Tensor *x, double a, double b) {
    double v[2];
    return tensor_copy_to_f64(x, v, 2) && fabs(v[0] - a) <= 1e-12 * fabs(a) &&
           fabs(v[1] - b) <= 1e-12 * fabs(b);
}

static Tensor *two(double a, double b) {
    return tensor_from_f64(tape, shape1(2), (double[]){a, b});
}

/* f = x0^3 x1 + exp(x1): gradient (3 x0^2 x1, x0^3 + e^x1), Hessian [[6 x0 x1, 3 x0^2], [3 x0^2, e^x1]] */
static Tensor *scalar_function(Tensor *x) {
    Tensor *a = tensor_slice(x, 0, 0, 1, 1), *b = tensor_slice(x, 0, 1, 2, 1);
    return tensor_sum(tensor_add(tensor_mul(tensor_pow_scalar(a, 3), b), tensor_exp(b)));
}

/* (x0 x1, sin x0, x1^2): Jacobian [[x1, x0], [cos x0, 0], [0, 2 x1]] */
static Tensor *vector_function(Tensor *x) {
    Tensor *a = tensor_slice(x, 0, 0, 1, 1), *b = tensor_slice(x, 0, 1, 2, 1);
    return tensor_concat((Tensor *[]){tensor_mul(a, b), tensor_sin(a), tensor_square(b)}, 3, 0);
}

static const double A = 0.7, B = -1.3;

static void gradients(void) {
    Tensor *x = tensor_leaf(two(A, B)), *g = NULL, *h = NULL, *third = NULL;
    Tensor *f = scalar_function(x);
    CHECK(tensor_grad(f, &x, 1, &g, HC_CREATE_GRAPH) && tensor_requires_grad(g));
    CHECK(is(g, 3 * A * A * B, A * A * A + exp(B)));
    CHECK(tensor_grad(tensor_sum(g), &x, 1, &h, HC_CREATE_GRAPH));
    CHECK(is(h, 6 * A * B + 3 * A * A, 3 * A * A + exp(B)));
    CHECK(tensor_grad(tensor_sum(h), &x, 1, &third, 0) && !tensor_requires_grad(third));
    CHECK(is(third, 6 * B + 12 * A, 6 * A + exp(B)));
    /* an intermediate tensor as input; the same input twice; none */
    Tensor *mid = tensor_square(x), *end = tensor_sum(tensor_mul(mid, x)), *both[2] = {NULL, NULL};
    CHECK(tensor_grad(end, (Tensor *[]){mid, x}, 2, both, 0));
    CHECK(is(both[0], A, B) && is(both[1], 3 * A * A, 3 * B * B));
    CHECK(tensor_grad(end, (Tensor *[]){x, x}, 2, both, HC_CREATE_GRAPH) &&
          is(both[1], 3 * A * A, 3 * B * B));
    CHECK(tensor_grad(end, NULL, 0, NULL, 0));
    CHECK(tensor_grad(end, &end, 1, &g, 0) && tensor_item(g) == 1);
    CHECK(
        tensor_grad(tensor_reshape(end, shape2(1, 1)), &x, 1, &g, 0)); /* one number is a scalar */
}

static void flags(void) {
    Tensor *x = tensor_leaf(two(A, B)), *other = tensor_leaf(two(1, 2)), *marker = x;
    Tensor *inputs[2] = {x, other}, *g[2] = {marker, marker};
    Tensor *f = scalar_function(x);
    WRONG(HC_ERR_GRAD, tensor_grad(f, inputs, 2, g, 0));
    CHECK(g[0] == marker && g[1] == marker);
    CHECK(tensor_grad(f, inputs, 2, g, HC_ALLOW_UNUSED) && g[0] != marker && g[1] == NULL);
    CHECK(tensor_grad(f, inputs, 2, g, HC_ZEROS) && is(g[1], 0, 0));
    CHECK(tensor_grad(f, inputs, 2, g, HC_ZEROS | HC_ALLOW_UNUSED | HC_CREATE_GRAPH));
    CHECK(is(g[1], 0, 0) && tensor_requires_grad(g[0]) && !tensor_requires_grad(g[1]));
    /* a second derivative that is zero: d/dx of a constant gradient */
    CHECK(tensor_grad(tensor_sum(x), &x, 1, g, HC_CREATE_GRAPH));
    WRONG(HC_ERR_GRAD, tensor_grad(tensor_sum(g[0]), &x, 1, g, 0));
    CHECK(tensor_grad(tensor_sum(g[0]), &x, 1, g, HC_ZEROS) && is(g[0], 0, 0));
}

/* Without a graph only the gradients stay, and a loop of them does not grow. */
/* An input on which the output does not depend has no product; one it is linear in has zeros. */
static void unused_products(void) {
    Tape *own = tape_create(HC_F64);
    Tensor *in[3], *v[3], *p[3] = {NULL};
    for (int i = 0; i < 3; i++) {
        in[i] = tensor_leaf(tensor_full(own, shape1(2), 3));
        v[i] = tensor_ones(own, shape1(2));
    }
    Tensor *y = tensor_sum(tensor_add(tensor_square(in[0]), in[1]));
    CHECK(!tensor_hvp(y, in, 3, v, p, 0));
    tape_clear_error(own);
    higherc_clear_error();
    for (unsigned graph = 0; graph <= HC_CREATE_GRAPH; graph++) {
        CHECK(tensor_hvp(y, in, 3, v, p, graph | HC_ALLOW_UNUSED));
        CHECK(p[0] && tensor_item(tensor_sum(p[0])) == 4);
        CHECK(p[1] && tensor_item(tensor_sum(p[1])) == 0);
        CHECK(p[2] == NULL);
        CHECK(tensor_hvp(y, in, 3, v, p, graph | HC_ZEROS));
        CHECK(p[2] && tensor_item(tensor_sum(p[2])) == 0);
        CHECK(tensor_hvp(y, &in[2], 1, &v[2], &p[2], graph | HC_ALLOW_UNUSED) && !p[2]);
    }
    tape_destroy(own);
}

static void leaves_no_trace(void) {
    Tensor *x = tensor_leaf(two(A, B)), *g[2] = {NULL, NULL}, *f = scalar_function(x);
    size_t nodes = tape_stats(tape).nodes;
    CHECK(tensor_grad(f, &x, 1, g, 0) && tape_stats(tape).nodes == nodes + 1);
    CHECK(tensor_vjp(f, tensor_scalar(tape, 2), &x, 1, g, 0) &&
          tape_stats(tape).nodes == nodes + 3);
    CHECK(is(g[0], 6 * A * A * B, 2 * (A * A * A + exp(B))));
    nodes = tape_stats(tape).nodes;
    CHECK(!tensor_depends_on(f, g[0]) && tensor_depends_on(f, x));
    CHECK(tape_stats(tape).nodes == nodes);
    Param *p = param_create("p", shape1(2), HC_F64);
    CHECK(param_set_f64(p, (double[]){A, B}, 2));
    Tensor *loss = scalar_function(param_tensor(tape, p));
    nodes = tape_stats(tape).nodes;
    for (int i = 0; i < 3; i++)
        CHECK(tensor_backward(loss));
    CHECK(tape_stats(tape).nodes == nodes);
    const double *sum = param_grad(p);
    CHECK_NEAR(sum[0], 9 * A * A * B, 1e-12, 0);
    CHECK(tensor_reaches(loss, p) && !tensor_reaches(f, p));
    param_unref(p);
}

static void products(void) {
    Tensor *x = tensor_leaf(two(A, B)), *v = two(0.3, -2), *out = NULL, *again = NULL;
    Tensor *f = scalar_function(x), *y = vector_function(x);
    CHECK(tensor_hvp(f, &x, 1, &v, &out, 0) && !tensor_requires_grad(out));
    CHECK(is(out, 6 * A * B * 0.3 - 2 * 3 * A * A, 0.3 * 3 * A * A - 2 * exp(B)));
    /* its own derivative: d/dx sum(H v) */
    CHECK(tensor_hvp(f, &x, 1, &v, &out, HC_CREATE_GRAPH) && tensor_requires_grad(out));
    CHECK(tensor_grad(tensor_sum(out), &x, 1, &again, 0));
    CHECK(is(again, 0.3 * 6 * B + 0.3 * 6 * A - 2 * 6 * A, 0.3 * 6 * A - 2 * exp(B)));
    /* of a linear function and of one that does not depend on it */
    CHECK(tensor_hvp(tensor_sum(tensor_mul(x, v)), &x, 1, &v, &out, 0) && is(out, 0, 0));
    Tensor *apart = tensor_leaf(two(1, 1)), *pair[2] = {x, apart}, *dirs[2] = {v, v},
           *two_out[2] = {NULL, NULL};
    WRONG(HC_ERR_GRAD, tensor_hvp(f, pair, 2, dirs, two_out, 0));
    CHECK(two_out[0] == NULL);
    CHECK(tensor_hvp(f, pair, 2, dirs, two_out, HC_ZEROS) && is(two_out[1], 0, 0));
    /* blocks: sum(x^2 z) with directions (v, w): d/dx: 2 z v + 2 x w; d/dz: 2 x v */
    Tensor *mixed = tensor_sum(tensor_mul(tensor_square(x), apart));
    Tensor *vw[2] = {v, two(1, 4)};
    CHECK(tensor_hvp(mixed, pair, 2, vw, two_out, 0));
    CHECK(is(two_out[0], 2 * 0.3 + 2 * A, 2 * -2.0 + 8 * B) &&
          is(two_out[1], 2 * A * 0.3, 2 * B * -2.0));

    CHECK((out = tensor_jvp(y, &x, 1, &v, 0)) != NULL && !tensor_requires_grad(out));
    double j[3];
    CHECK(tensor_copy_to_f64(out, j, 3));
    CHECK_NEAR(j[0], 0.3 * B - 2 * A, 1e-13, 0);
    CHECK_NEAR(j[1], 0.3 * cos(A), 1e-13, 0);
    CHECK_NEAR(j[2], -4 * B, 1e-13, 0);
    out = tensor_jvp(y, &x, 1, &v, HC_CREATE_GRAPH);
    CHECK(tensor_grad(tensor_sum(out), &x, 1, &again, 0));
    CHECK(is(again, -2 - 0.3 * sin(A), 0.3 - 4));
    CHECK((out = tensor_jvp(y, &apart, 1, &v, 0)) && tensor_item(tensor_sum(tensor_abs(out))) == 0);

    Tensor *u = tensor_leaf(tensor_from_f64(tape, shape1(3), (double[]){1, 2, -1}));
    CHECK(tensor_vjp(y, u, &x, 1, &out, HC_CREATE_GRAPH));
    CHECK(is(out, B + 2 * cos(A), A - 2 * B));
    /* the cotangent is an input too: d (v . J^T u) / du = J v */
    CHECK(tensor_grad(tensor_sum(tensor_mul(out, v)), &u, 1, &again, 0));
    double again3[3];
    CHECK(tensor_copy_to_f64(again, again3, 3));
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(again3[i], j[i], 1e-13, 0);

    /* of a tensor to itself: what was handed in, and only as numbers where no graph is asked for */
    Tensor *leaf = tensor_leaf(two(0.3, -2));
    CHECK(tensor_vjp(x, leaf, &x, 1, &out, 0) && is(out, 0.3, -2) && !tensor_requires_grad(out));
    CHECK((out = tensor_jvp(x, &x, 1, &leaf, 0)) && is(out, 0.3, -2) && !tensor_requires_grad(out));
    CHECK((out = tensor_jvp(x, &x, 1, &leaf, HC_CREATE_GRAPH)) && is(out, 0.3, -2) && tensor_depends_on(out, leaf));
    CHECK(tensor_vjp(x, leaf, &x, 1, &out, HC_CREATE_GRAPH) && tensor_depends_on(out, leaf));
    /* two inputs that meet in one, and none */
    CHECK((out = tensor_jvp(tensor_add(x, apart), pair, 2, vw, 0)) && is(out, 0.3 + 1, -2 + 4));
    CHECK((out = tensor_jvp(y, NULL, 0, NULL, 0)) && tensor_item(tensor_sum(tensor_abs(out))) == 0);

    Tensor *flat = tensor_ones(tape, shape2(1, 2)), *one = tensor_scalar(tape, 1);
    WRONG(HC_ERR_SHAPE, tensor_hvp(f, &x, 1, &flat, &out, 0));
    WRONG(HC_ERR_SHAPE, tensor_hvp(f, &x, 1, &one, &out, 0)); /* would broadcast */
    WRONG(HC_ERR_SHAPE, tensor_jvp(y, &x, 1, &one, 0));
    WRONG(HC_ERR_SHAPE, tensor_vjp(y, one, &x, 1, &out, 0));
    WRONG(HC_ERR_SHAPE, tensor_hvp(y, &x, 1, &v, &out, 0)); /* no scalar */
    CHECK(tape_recording(tape));
    tape_set_recording(tape, false);
    CHECK((out = tensor_jvp(y, &x, 1, &v, 0)) != NULL && !tape_recording(tape));
    CHECK(tensor_grad(f, &x, 1, &out, 0) && is(out, 3 * A * A * B, A * A * A + exp(B)));
    tape_set_recording(tape, true);
}

/* d(f + g) = df + dg and d(c f) = c df, entry by entry; sums over many terms. */
static void linear(void) {
    Rng rng = rng_seed(8);
    Tensor *x = tensor_leaf(tensor_normal(tape, shape2(4, 3), 0, 1, &rng)), *total = NULL;
    double sum[12] = {0}, part[12], whole[12];
    for (int i = 0; i < 8; i++) {
        Tensor *w = tensor_normal(tape, shape2(3, 2), 0, 1, &rng), *g = NULL;
        Tensor *f = tensor_sum(tensor_tanh(tensor_matmul(x, w)));
        f = tensor_mul_scalar(f, i - 3.5);
        total = total ? tensor_add(total, f) : f;
        CHECK(tensor_grad(f, &x, 1, &g, 0) && tensor_copy_to_f64(g, part, 12));
        for (int e = 0; e < 12; e++)
            sum[e] += part[e];
    }
    Tensor *g = NULL;
    CHECK(tensor_grad(total, &x, 1, &g, 0) && tensor_copy_to_f64(g, whole, 12));
    for (int e = 0; e < 12; e++)
        CHECK_NEAR(whole[e], sum[e], 1e-13, 1e-13);
    /* with and without a graph, the same bits */
    CHECK(tensor_grad(total, &x, 1, &g, HC_CREATE_GRAPH) && tensor_copy_to_f64(g, part, 12));
    CHECK(memcmp(part, whole, sizeof part) == 0);
}

/* Beside the function, a Program of a derivative forward holds what forward mode by hand has: of x w along both, two
 * products more; and a copy of each output. Nothing is left of the sweep that is only there to be transposed. */
static void captured_forward(void) {
    Tensor *x = tensor_leaf(tensor_ones(tape, shape2(2, 3))), *w = tensor_leaf(tensor_full(tape, shape2(3, 4), 2));
    Tensor *along[2] = {tensor_full(tape, shape2(2, 3), 0.5), tensor_full(tape, shape2(3, 4), 3)};
    Tensor *y = tensor_matmul(x, w), *out[2] = {y, tensor_jvp(y, (Tensor *[]){x, w}, 2, along, 0)};
    Program *p = program_capture(tape, along, 2, out, 2, NULL);
    CHECK(p && program_run(p) && program_stats(p).steps == 5);
    const double *j = p ? program_output(p, 1) : NULL;
    CHECK(j && j[0] == 3 * (0.5 * 2 + 3) && j[7] == j[0]);
    program_destroy(p);
}

int main(void) {
    unused_products();
    void (*const tests[])(void) = {gradients, flags, leaves_no_trace, products, captured_forward, linear};
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    return check_done();
}
