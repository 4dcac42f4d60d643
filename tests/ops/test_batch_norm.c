/* Batch norm fused against batch norm made of other operations, alone and with a ReLU, a max-pool and both behind
 * it: values and derivatives of orders 1 to 3, over options, shapes, orders of storage and types; the tape is
 * left as it was; in pieces; replay. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"
#include "support/models.h"
#include "support/refuse.h"

enum { MOST = 3000, ORDERS = 3 };

typedef struct Variant {
    Shape shape;
    bool last; /* stored with the channels last */
    bool weight, bias;
    double eps;
    HcTail tail;
} Variant;

typedef Tensor *NormFn(Tensor *x, Tensor *weight, Tensor *bias, const Variant *v);

static Tensor *fused(Tensor *x, Tensor *weight, Tensor *bias, const Variant *v) {
    return hc_batch_norm(x, weight, bias, v->eps, v->tail, NULL, NULL);
}

/* The tail in operations of its own, which read the norm's result. */
static Tensor *behind(Tensor *y, HcTail tail) {
    if (tail.relu) y = tensor_relu(y);
    return tail.pool ? tensor_max_pool2d(y, *tail.pool) : y;
}

static Tensor *apart(Tensor *x, Tensor *weight, Tensor *bias, const Variant *v) {
    return behind(tensor_batch_norm(x, NULL, NULL, weight, bias, v->eps), v->tail);
}

static Tensor *composed(Tensor *x, Tensor *weight, Tensor *bias, const Variant *v) {
    return behind(hc_batch_norm_composed(x, weight, bias, v->eps), v->tail);
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
    Tensor *y = norm(stored(in[0], v), w, b, v);
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
    CHECK(run(tape, apart, v, b) == n && n <= MOST);
    Tensor *x = drawn_leaf(tape, v, &(Rng){1, 2}); /* the value, bit for bit */
    CHECK(tensors_same(fused(stored(x, v), NULL, NULL, v), apart(stored(x, v), NULL, NULL, v)));
    tape_reset(tape);
    CHECK(run(tape, composed, v, b) == n);
    tape_destroy(tape);
    double largest = 1;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(b[i]));
    for (size_t i = 0; i < n; i++)
        CHECK_NEAR(a[i], b[i], 0, tolerance * largest);
}

/* Windows side by side, with a rest, apart, overlapping, around and beyond the image. */
static const Pool2dOptions pools[] = {
    {{2, 2}, {2, 2}, {0, 0}, {1, 1}, true}, {{1, 2}, {1, 2}, {0, 0}, {1, 1}, true},
    {{1, 1}, {2, 3}, {0, 0}, {1, 1}, true}, {{2, 3}, {1, 2}, {1, 1}, {1, 1}, true},
    {{2, 2}, {1, 1}, {1, 1}, {3, 3}, true}, {{2, 2}, {3, 3}, {1, 0}, {1, 1}, true},
    {{2, 1}, {2, 2}, {0, 0}, {2, 1}, true}, {{5, 4}, {5, 4}, {0, 0}, {1, 1}, true},
};
enum { POOLS = sizeof pools / sizeof *pools };

/* Whether each window has a pixel at least, so that the results are finite. */
static bool fits(Shape x, const Pool2dOptions *pool) {
    for (int i = 0; i < 2; i++)
        if (x.ndim != 4 ||
            x.dim[2 + i] < pool->dilation[i] * (pool->kernel[i] - 1) + (pool->padding[i] == 0))
            return false;
    return true;
}

static void every_variant(void) {
    const Shape shapes[] = {shape2(4, 3),        shape2(3, 40),       shape3(2, 3, 5),
                            shape4(2, 3, 2, 3),  shape4(2, 33, 1, 2), shape4(3, 2, 5, 4),
                            shape4(1, 2, 1, 20), shape2(5, 1),        shape4(3, 4, 3, 3)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int bits = 0; bits < 32; bits += QUICK ? 5 : 1) {
            Variant v = {shapes[i],        bits & 1, bits & 2, bits & 4, bits & 8 ? 0.3 : 1e-3,
                         {bits & 16, NULL}};
            if (v.last && v.shape.ndim != 4) continue;
            for (size_t p = 0; p <= POOLS; p++) {
                v.tail.pool = p < POOLS ? &pools[p] : NULL;
                if (p < POOLS && !fits(v.shape, &pools[p])) continue;
                compare(HC_F64, &v, 1e-12);
                compare(HC_F32, &v, 1e-4);
            }
        }
}

/* y and its gradients of two orders to x, weight and bias. */
static void two_orders(Tape *tape, NormFn *norm, const Variant *v, Tensor *out[7]) {
    Rng rng = rng_seed(8);
    Shape c = shape1(v->shape.dim[1]);
    Tensor *in[3] = {drawn_leaf(tape, v, &rng), tensor_leaf(drawn(tape, c, &rng)),
                     tensor_leaf(drawn(tape, c, &rng))};
    out[0] = norm(stored(in[0], v), in[1], in[2], v);
    Tensor *sum = weighted(tensor_sin(out[0]), &rng);
    CHECK(tensor_grad(sum, in, 3, out + 1, HC_CREATE_GRAPH));
    sum = tensor_scalar(tape, 0);
    for (int i = 1; i < 4; i++)
        sum = tensor_add(sum, weighted(out[i], &rng));
    CHECK(tensor_grad(sum, in, 3, out + 4, 0));
}

/* Images that are cut into pieces and many that share one, alone and on threads. */
static void in_pieces(void) {
    const Shape shapes[] = {shape4(3, 40, 23, 20), shape4(50, 70, 5, 5), shape4(2, 1000, 5, 6)};
    Pool *threads = pool_create(3);
    Tape *tapes[] = {tape_create(HC_F64), tape_create(HC_F64)};
    tape_set_pool(tapes[1], threads);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t p = 0; p <= POOLS; p += QUICK ? 3 : 1)
            for (int relu = 0; relu < 2; relu++) {
                Variant v = {shapes[i], i != 1, true, true, 1e-3, {relu, p ? &pools[p - 1] : NULL}};
                Tensor *a[7], *b[7], *threaded[7];
                tape_reset(tapes[0]);
                tape_reset(tapes[1]);
                two_orders(tapes[0], fused, &v, a);
                two_orders(tapes[0], apart, &v, b);
                two_orders(tapes[1], fused, &v, threaded);
                for (int k = 0; k < 7; k++) {
                    CHECK(tensors_near(a[k], b[k], k < 4 ? 1e-13 : 1e-10));
                    CHECK(tensors_same(a[k], threaded[k]));
                }
            }
    tape_destroy(tapes[0]);
    tape_destroy(tapes[1]);
    pool_destroy(threads);
}

/* A window where all is NaN or below 0, ties, and a ReLU at 0: where two operations differ by a hair. */
static void kinks(void) {
    const float x[] = {1, 1, -1, -1, -2, -1, 1, 2, 0, 0, 0, 0, 3, -3, -3, 3};
    Tape *tape = tape_create(HC_F32);
    Tensor *leaf = tensor_leaf(tensor_from_f32(tape, shape4(1, 1, 4, 4), x));
    for (size_t p = 0; p <= POOLS; p++)
        for (int relu = 0; relu < 2; relu++) {
            HcTail tail = {relu, p ? &pools[p - 1] : NULL};
            Variant v = {shape4(1, 1, 4, 4), false, false, false, 1e-3, tail};
            if (p && !fits(v.shape, tail.pool)) continue;
            Tensor *y[3] = {fused(leaf, NULL, NULL, &v), apart(leaf, NULL, NULL, &v), NULL}, *g[2];
            CHECK(tensors_same(y[0], y[1]));
            for (int i = 0; i < 2; i++)
                CHECK(tensor_grad(tensor_sum(tensor_exp(y[i])), &leaf, 1, &g[i], 0));
            CHECK(tensors_near(g[0], g[1], 1e-6));
            y[2] = hc_tail(leaf, tail);
            CHECK(tensors_same(y[2], behind(leaf, tail)));
            if (y[2] == leaf) continue;
            CHECK(tensor_grad(tensor_sum(tensor_exp(y[2])), &leaf, 1, &g[0], 0));
            CHECK(tensor_grad(tensor_sum(tensor_exp(behind(leaf, tail))), &leaf, 1, &g[1], 0));
            CHECK(tensors_same(g[0], g[1]));
        }
    tape_destroy(tape);
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
    Variant v = {shape4(2, 3, 4, 5), true, false, false, 1e-5, {false, NULL}};
    Rng rng = rng_seed(1);
    Tensor *xs = stored(drawn_leaf(tape, &v, &rng), &v), *g;
    Tensor *y = tensor_batch_norm(xs, NULL, NULL, NULL, NULL, v.eps);
    CHECK(y->form == xs->form && y->form->stride[1] == 1);
    CHECK(tensor_grad(tensor_sum(tensor_square(y)), &xs, 1, &g, HC_CREATE_GRAPH));
    CHECK(g->form == xs->form);
    /* Channels last, but the other axes not in their order: as the same numbers dense. */
    Tensor *turned = tensor_permute(tensor_leaf(drawn(tape, shape4(2, 5, 4, 3), &rng)), (int[]){0, 3, 2, 1}, 4);
    Tensor *plain = tensor_leaf(tensor_mul_scalar(turned, 1)), *h;
    y = tensor_batch_norm(turned, NULL, NULL, NULL, NULL, v.eps);
    Tensor *z = tensor_batch_norm(plain, NULL, NULL, NULL, NULL, v.eps);
    CHECK(tensors_near(y, z, 1e-6));
    CHECK(tensor_grad(tensor_sum(tensor_mul(y, tensor_sin(y))), &turned, 1, &g, 0));
    CHECK(tensor_grad(tensor_sum(tensor_mul(z, tensor_sin(z))), &plain, 1, &h, 0));
    CHECK(tensors_near(g, h, 1e-5));
    tape_destroy(tape);
}

/* Third order inside an unrecorded sweep, captured and run again: the same bits. */
static void replay(HcTail tail) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(4);
    Param *w = param_create("w", shape1(3), HC_F64);
    CHECK(param_uniform(w, 0.5, 1, &rng));
    Shape shape = shape4(2, 3, 4, 4);
    Tensor *x = drawn(tape, shape, &rng), *none = tensor_zeros(tape, shape1(3)), *moved = x, *g;
    for (int order = 0; order < 2; order++) {
        Tensor *leaf = tensor_leaf(x), *both = tensor_mul(moved, leaf);
        Tensor *y = hc_batch_norm(both, param_tensor(tape, w), none, 0.1, tail, NULL, NULL);
        CHECK(tensor_grad(tensor_sum(tensor_exp(y)), &leaf, 1, &g, HC_CREATE_GRAPH));
        moved = hc_batch_norm(g, param_tensor(tape, w), none, 0.1, tail, NULL, NULL);
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
    in_pieces();
    kinks();
    large_mean();
    order_of_storage();
    replay((HcTail){false, NULL});
    replay((HcTail){true, NULL});
    replay((HcTail){true, &pools[0]});
    return check_done();
}
