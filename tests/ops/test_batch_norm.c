/* Batch norm fused against batch norm made of other operations: values and derivatives of orders 1 to 3, over
 * options, shapes, orders of storage and types; the tape is left as it was; replay. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"
#include "support/refuse.h"

enum { MOST = 3000, ORDERS = 3 };

typedef struct Variant {
    Shape shape;
    bool last; /* stored with the channels last */
    bool weight, bias;
    double eps;
} Variant;

typedef Tensor *NormFn(Tensor *x, Tensor *weight, Tensor *bias, double eps);

static Tensor *fused(Tensor *x, Tensor *weight, Tensor *bias, double eps) {
    return tensor_batch_norm(x, NULL, NULL, weight, bias, eps);
}

static Tensor *drawn(Tape *tape, Shape shape, Rng *rng) {
    return tensor_normal(tape, shape, 0.5, 1, rng);
}

static Tensor *weighted(Tensor *x, Rng *rng) {
    return tensor_sum(tensor_mul(x, drawn(tensor_tape(x), tensor_shape(x), rng)));
}

/* x [N, C, H, W] as the variant stores it: drawn so, or seen through [N, H, W, C]. */
static Tensor *drawn_leaf(Tape *tape, const Variant *v, Rng *rng) {
    const size_t *d = v->shape.dim;
    return tensor_leaf(drawn(tape, v->last ? shape4(d[0], d[2], d[3], d[1]) : v->shape, rng));
}

static Tensor *stored(Tensor *leaf, const Variant *v) {
    return v->last ? tensor_permute(leaf, (int[]){0, 3, 1, 2}, 4) : leaf;
}

/* The value y, then for each order the gradients to x, weight and bias of a random mixture of those of the
 * order below; the last order without a graph. Returns how many numbers. */
static size_t run(Tape *tape, NormFn *norm, const Variant *v, double *out) {
    Rng rng = rng_seed(21);
    Shape c = shape1(v->shape.dim[1]);
    Tensor *in[3] = {drawn_leaf(tape, v, &rng), NULL, NULL}, *g[3];
    size_t count = 1, used = 0;
    Tensor *w = v->weight ? in[count++] = tensor_leaf(drawn(tape, c, &rng)) : NULL;
    Tensor *b = v->bias ? in[count++] = tensor_leaf(drawn(tape, c, &rng)) : NULL;
    Tensor *y = norm(stored(in[0], v), w, b, v->eps);
    CHECK(tensor_copy_to_f64(y, out, tensor_count(y)));
    used += tensor_count(y);
    Tensor *sum = weighted(tensor_sin(y), &rng);
    for (int order = 1; order <= ORDERS; order++) {
        size_t nodes = tape_stats(tape).nodes;
        CHECK(tensor_grad(sum, in, count, g, order < ORDERS ? HC_CREATE_GRAPH : 0));
        if (order == ORDERS) CHECK(tape_stats(tape).nodes <= nodes + 2 * count);
        sum = tensor_scalar(tape, 0);
        for (size_t i = 0; i < count; i++) {
            CHECK(tensor_copy_to_f64(g[i], out + used, tensor_count(g[i])));
            used += tensor_count(g[i]);
            if (order < ORDERS) sum = tensor_add(sum, weighted(g[i], &rng));
        }
    }
    return used;
}

static void compare(DType dtype, const Variant *v, double tolerance) {
    static double a[MOST], b[MOST];
    Tape *tape = tape_create(dtype);
    size_t n = run(tape, fused, v, a);
    tape_reset(tape);
    CHECK(run(tape, hc_batch_norm_composed, v, b) == n && n <= MOST);
    tape_destroy(tape);
    double largest = 1;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(b[i]));
    for (size_t i = 0; i < n; i++)
        CHECK_NEAR(a[i], b[i], 0, tolerance * largest);
}

static void every_variant(void) {
    const Shape shapes[] = {shape2(4, 3),        shape2(3, 40),       shape3(2, 3, 5),
                            shape4(2, 3, 2, 3),  shape4(2, 33, 1, 2), shape4(3, 2, 5, 4),
                            shape4(1, 2, 1, 20), shape2(5, 1)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int bits = 0; bits < 16; bits++) {
            Variant v = {shapes[i], bits & 1, bits & 2, bits & 4, bits & 8 ? 0.3 : 1e-3};
            if (v.last && v.shape.ndim != 4) continue;
            compare(HC_F64, &v, 1e-12);
            compare(HC_F32, &v, 1e-4);
        }
}

/* A mean far above the deviation. */
static void large_mean(void) {
    Tape *tape = tape_create(HC_F32);
    float x[8];
    double y[8];
    for (int i = 0; i < 8; i++)
        x[i] = 4096 + (float)i / 8;
    CHECK(tensor_copy_to_f64(
        tensor_batch_norm(tensor_from_f32(tape, shape2(8, 1), x), NULL, NULL, NULL, NULL, 0), y,
        8));
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(y[i], (i - 3.5) / sqrt(5.25), 1e-6, 0);
    tape_destroy(tape);
}

/* The result keeps the order of storage, and so does the gradient. */
static void order_of_storage(void) {
    Tape *tape = tape_create(HC_F32);
    Variant v = {shape4(2, 3, 4, 5), true, false, false, 1e-5};
    Rng rng = rng_seed(1);
    Tensor *xs = stored(drawn_leaf(tape, &v, &rng), &v), *g;
    Tensor *y = tensor_batch_norm(xs, NULL, NULL, NULL, NULL, v.eps);
    CHECK(y->form == xs->form && y->form->stride[1] == 1);
    CHECK(tensor_grad(tensor_sum(tensor_square(y)), &xs, 1, &g, HC_CREATE_GRAPH));
    CHECK(g->form == xs->form);
    tape_destroy(tape);
}

/* Third order inside an unrecorded sweep, captured and run again: the same bits. */
static void replay(void) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(4);
    Param *w = param_create("w", shape1(3), HC_F64);
    CHECK(param_uniform(w, 0.5, 1, &rng));
    Tensor *x = drawn(tape, shape2(5, 3), &rng), *moved = x, *g;
    for (int order = 0; order < 2; order++) {
        Tensor *leaf = tensor_leaf(x), *both = tensor_mul(moved, leaf);
        Tensor *y = tensor_batch_norm(both, NULL, NULL, param_tensor(tape, w), NULL, 0.1);
        CHECK(tensor_grad(tensor_sum(tensor_exp(y)), &leaf, 1, &g, HC_CREATE_GRAPH));
        moved = tensor_batch_norm(g, NULL, NULL, param_tensor(tape, w), NULL, 0.1);
        CHECK(tensor_grad(tensor_sum(tensor_sin(moved)), &leaf, 1, &g, HC_CREATE_GRAPH));
        moved = g;
    }
    Tensor *loss = tensor_sum(tensor_square(moved));
    Program *p = program_capture(tape, &x, 1, &loss, 1, loss);
    CHECK(p != NULL);
    CHECK(tensor_backward(loss));
    double recorded[3], replayed[3];
    for (size_t i = 0; i < 3; i++)
        recorded[i] = param_grad_get(w, i);
    param_zero_grad(w);
    CHECK(program_run(p) && program_item(p, 0) == tensor_item(loss));
    for (size_t i = 0; i < 3; i++)
        replayed[i] = param_grad_get(w, i);
    CHECK(memcmp(recorded, replayed, sizeof recorded) == 0 && recorded[0] != 0);
    program_destroy(p);
    param_unref(w);
    tape_destroy(tape);
}

int main(void) {
    every_variant();
    large_mean();
    order_of_storage();
    replay();
    return check_done();
}
