/* Cross-entropy of classes fused against the same made of other operations: the same values, and equal
 * derivatives of orders 1 to 3; what is no class is refused, also in a replay and when only gradients are run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "support/refuse.h"

enum { ORDERS = 3, MOST = 20000 };

typedef Tensor *LossFn(Tensor *x, Tensor *t);

static Tensor *composed(Tensor *x, Tensor *t) {
    return tensor_nll_loss_per_example(tensor_log_softmax(x, -1), t);
}

static Tensor *classes(Tape *tape, size_t n, size_t count, Rng *rng) {
    double *values = malloc(n * sizeof *values + 1);
    for (size_t i = 0; i < n; i++)
        values[i] = (double)rng_below(rng, count);
    Tensor *t = tensor_from_f64(tape, shape1(n), values);
    free(values);
    return t;
}

/* The value, then of each order the gradient of a random mixture of that of the order below, which is read
 * transposed where asked. */
static size_t run(Tape *tape, LossFn *loss, Shape shape, bool transposed, double spread,
                  double *out) {
    Rng rng = rng_seed(9);
    size_t used = 0;
    Shape stored = transposed ? shape2(shape.dim[1], shape.dim[0]) : shape;
    Tensor *leaf = tensor_leaf(tensor_normal(tape, stored, 0, spread, &rng)), *g;
    Tensor *x = transposed ? tensor_transpose(leaf, 0, 1) : leaf;
    Tensor *t = shape.ndim == 1 ? tensor_scalar(tape, (double)rng_below(&rng, shape.dim[0]))
                                : classes(tape, shape.dim[0], shape.dim[1], &rng);
    Tensor *y = loss(x, t);
    CHECK(tensor_copy_to_f64(y, out, tensor_count(y)));
    used += tensor_count(y);
    Tensor *sum = tensor_sum(tensor_mul(y, tensor_normal(tape, tensor_shape(y), 0, 1, &rng)));
    for (int order = 1; order <= ORDERS; order++) {
        CHECK(tensor_grad(sum, &leaf, 1, &g, order < ORDERS ? HC_CREATE_GRAPH : 0));
        CHECK(tensor_copy_to_f64(g, out + used, tensor_count(g)));
        used += tensor_count(g);
        sum = tensor_sum(tensor_mul(g, tensor_sin(tensor_mul_scalar(leaf, 0.7))));
    }
    return used;
}

static void compare(DType dtype, Shape shape, bool transposed, double spread, double tolerance) {
    static double a[MOST], b[MOST];
    Tape *tape = tape_create(dtype);
    size_t n = run(tape, hc_cross_entropy, shape, transposed, spread, a);
    tape_reset(tape);
    CHECK(run(tape, composed, shape, transposed, spread, b) == n && n <= MOST);
    tape_destroy(tape);
    size_t rows = shape.ndim == 1 ? 1 : shape.dim[0];
    for (size_t i = 0; i < rows; i++)
        CHECK(a[i] == b[i]);
    double largest = 1;
    for (size_t i = rows; i < n; i++)
        largest = fmax(largest, fabs(b[i]));
    for (size_t i = rows; i < n; i++)
        CHECK_NEAR(a[i], b[i], 0, tolerance * largest);
}

static void every_variant(void) {
    const Shape shapes[] = {shape2(4, 3),   shape2(64, 10), shape2(3, 1), shape2(1, 5),
                            shape2(0, 4),   shape1(6),      shape1(1),    shape2(5, 16),
                            shape2(2, 129), shape2(3, 300)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int transposed = 0; transposed < (shapes[i].ndim == 2 ? 2 : 1); transposed++)
            for (int far = 0; far < 2; far++) {
                compare(HC_F64, shapes[i], transposed, far ? 30 : 1, 1e-12);
                compare(HC_F32, shapes[i], transposed, far ? 30 : 1, 1e-5);
            }
}

/* A class that cannot be has probability 0 and no share in gradients of any order. */
static void impossible(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_leaf(
        tensor_from_f64(tape, shape2(2, 3), (double[]){0, -INFINITY, 0, 1, 2, -INFINITY}));
    Tensor *t = tensor_from_i64(tape, shape1(2), (int64_t[]){2, 1}), *g, *h;
    Tensor *y = tensor_cross_entropy_loss(x, t);
    CHECK_NEAR(tensor_item(y), (log(2) + log(1 + exp(-1))) / 2, 1e-14, 0);
    CHECK(tensor_grad(y, &x, 1, &g, HC_CREATE_GRAPH));
    CHECK(tensor_grad(tensor_sum(tensor_square(g)), &x, 1, &h, 0));
    double first[6], second[6];
    CHECK(tensor_copy_to_f64(g, first, 6) && tensor_copy_to_f64(h, second, 6));
    CHECK(first[1] == 0 && second[1] == 0 && first[5] == 0 && second[5] == 0);
    CHECK(first[0] == 0.25 && first[2] == -0.25);
    for (int i = 0; i < 6; i++)
        CHECK(isfinite(first[i]) && isfinite(second[i]));
    tape_destroy(tape);
}

static void no_class(void) {
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_leaf(tensor_ones(tape, shape2(3, 4)));
    const double wrong[] = {4, -1, 0.5, NAN, 1e30};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Tensor *t = tensor_from_f64(tape, shape1(3), (double[]){1, wrong[i], 0});
        CHECK(!tensor_cross_entropy_loss(x, t) && tape_status(tape) == HC_ERR_RANGE);
        CHECK_ERROR("tensor_cross_entropy_loss: index");
        tape_clear_error(tape);
    }
    tape_destroy(tape);

    /* Of a program that only takes gradients, the loss itself is not computed. */
    tape = tape_create(HC_F32);
    Param *p = param_create("x", shape2(3, 4), HC_F32);
    param_fill(p, 0.5);
    Tensor *t = tensor_from_f64(tape, shape1(3), (double[]){1, 2, 0}),
           *leaf = param_tensor(tape, p), *g;
    Tensor *loss = tensor_cross_entropy_loss(leaf, t);
    CHECK(tensor_grad(loss, &leaf, 1, &g, HC_CREATE_GRAPH));
    Program *of_loss = program_capture(tape, &t, 1, NULL, 0, loss);
    Program *of_slope = program_capture(tape, &t, 1, NULL, 0, tensor_sum(tensor_square(g)));
    Program *both[] = {of_loss, of_slope};
    for (int i = 0; i < 2; i++) {
        CHECK(both[i] && program_run(both[i]));
        CHECK(program_set_f64(both[i], 0, shape1(3), (double[]){1, 4, 0}) && !program_run(both[i]));
        CHECK_ERROR("index 4 at position 1 is not in 0..3");
        program_destroy(both[i]);
    }
    tape_destroy(tape);
    param_unref(p);
}

int main(void) {
    every_variant();
    impossible();
    no_class();
    return check_done();
}
