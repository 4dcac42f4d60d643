/* A linear map with its ReLU in one operation against the two: the same bits in values and in derivatives of
 * orders 1 to 3, at kinks, infinities and NaN too, however it is swept, on a pool and replayed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "support/refuse.h"

enum { ORDERS = 3, MOST = 40000 };

typedef Tensor *LinearFn(Tensor *x, Tensor *weight, Tensor *bias);

static Tensor *two(Tensor *x, Tensor *weight, Tensor *bias) {
    return tensor_relu(tensor_linear(x, weight, bias));
}

typedef struct Variant {
    Shape x;
    size_t out;
    bool bias;
    double special; /* stands in some entries of x and of the bias */
} Variant;

static Tensor *drawn(Tape *tape, Shape shape, double special, Rng *rng) {
    size_t n = shape_count(shape);
    double *values = malloc((n + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = i % 7 == 3 ? special : 2 * rng_uniform(rng) - 1;
    Tensor *x = tensor_from_f64(tape, shape, values);
    free(values);
    return x;
}

static Tensor *weighted(Tensor *x, Rng *rng) {
    return tensor_sum(tensor_mul(x, drawn(tensor_tape(x), tensor_shape(x), 0.5, rng)));
}

static char *put(char *out, Tensor *x) {
    size_t bytes = tensor_count(x) * x->tape->item;
    memcpy(out, tensor_data(x), bytes);
    return out + bytes;
}

/* y and, for each order, the gradients of a random mixture of those of the order below. */
static size_t run(Tape *tape, LinearFn *linear, const Variant *v, char *out) {
    char *first = out;
    Rng rng = rng_seed(5);
    size_t in = v->x.dim[v->x.ndim - 1], count = v->bias ? 3 : 2;
    Tensor *x[3] = {tensor_leaf(drawn(tape, v->x, v->special, &rng)),
                    tensor_leaf(drawn(tape, shape2(v->out, in), 0.25, &rng)), NULL},
           *g[3];
    if (v->bias) x[2] = tensor_leaf(drawn(tape, shape1(v->out), v->special, &rng));
    Tensor *y = linear(x[0], x[1], x[2]);
    out = put(out, y);
    Tensor *sum = weighted(tensor_sin(y), &rng);
    for (int order = 1; order <= ORDERS; order++) {
        CHECK(tensor_grad(sum, x, count, g, HC_ZEROS | (order < ORDERS ? HC_CREATE_GRAPH : 0)));
        sum = tensor_scalar(tape, 0);
        for (size_t i = 0; i < count; i++) {
            out = put(out, g[i]);
            sum = tensor_add(sum, weighted(tensor_mul(g[i], x[i]), &rng));
        }
    }
    return (size_t)(out - first);
}

static void compare(DType dtype, const Variant *v) {
    char *a = malloc(MOST * sizeof(double)), *b = malloc(MOST * sizeof(double));
    Tape *tape = tape_create(dtype);
    size_t n = run(tape, hc_linear_relu, v, a);
    tape_reset(tape);
    CHECK(run(tape, two, v, b) == n && n <= MOST * sizeof(double));
    CHECK(memcmp(a, b, n) == 0);
    tape_destroy(tape);
    free(a);
    free(b);
}

static void every_variant(void) {
    const Shape shapes[] = {shape2(5, 3), shape2(17, 33), shape1(4),    shape3(2, 3, 5),
                            shape2(1, 9), shape2(70, 65), shape2(0, 3), shape2(3, 1)};
    const double specials[] = {0.5, 0, -0.0, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t s = 0; s < sizeof specials / sizeof *specials; s++)
            for (int bits = QUICK * (int)(s % 2); bits < 4; bits += 1 + QUICK) {
                Variant v = {shapes[i], bits & 1 ? 21 : 1, bits & 2, specials[s]};
                compare(HC_F32, &v);
                compare(HC_F64, &v);
            }
}

/* Exactly at the kink the result and its derivative are 0; a NaN stays one. */
static void kinks(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *w = tensor_leaf(tensor_ones(tape, shape2(1, 1))), *g;
    Tensor *x = tensor_from_f64(tape, shape2(4, 1), (double[]){0, -0.0, -2, NAN});
    Tensor *y = hc_linear_relu(x, w, NULL);
    const double *values = tensor_data(y);
    for (int i = 0; i < 3; i++)
        CHECK(values[i] == 0 && !signbit(values[i]));
    CHECK(isnan(values[3]));
    CHECK(tensor_grad(tensor_sum(hc_linear_relu(tensor_slice(x, 0, 0, 3, 1), w, NULL)), &w, 1, &g,
                      0));
    CHECK(tensor_item(g) == 0);
    tape_destroy(tape);
}

/* Large enough to be cut in blocks, with columns cut too. */
static void on_a_pool(void) {
    char *a = malloc(MOST * sizeof(float)), *b = malloc(MOST * sizeof(float));
    Tape *tape = tape_create(HC_F32);
    for (size_t threads = 0; threads <= 3; threads++) {
        Pool *pool = threads ? pool_create(threads) : NULL;
        tape_set_pool(tape, pool);
        Rng rng = rng_seed(2);
        Tensor *x = drawn(tape, shape2(130, 160), 0, &rng);
        Tensor *w = drawn(tape, shape2(200, 160), 0, &rng),
               *bias = drawn(tape, shape1(200), 0, &rng);
        char *end = put(threads ? b : a, hc_linear_relu(x, w, bias));
        if (threads) CHECK(memcmp(a, b, (size_t)(end - b)) == 0);
        tape_set_pool(tape, NULL);
        pool_destroy(pool);
        tape_reset(tape);
    }
    tape_destroy(tape);
    free(a);
    free(b);
}

/* Of two layers, the first followed by what could be run in a chain with its ReLU. */
static void replayed(void) {
    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(8);
    Param *p = param_create("w", shape2(50, 40), HC_F32);
    Tensor *start = drawn(tape, shape2(50, 40), 0.5, &rng);
    CHECK(param_set_f32(p, tensor_data(start), 2000));
    Tensor *x = drawn(tape, shape2(90, 40), 0, &rng), *w = param_tensor(tape, p), *g;
    Tensor *y = tensor_mul_scalar(hc_linear_relu(x, w, NULL), 0.5);
    CHECK(tensor_grad(tensor_sum(tensor_square(y)), &w, 1, &g, HC_CREATE_GRAPH));
    Tensor *loss = tensor_sum(tensor_square(g));
    Program *program = program_capture(tape, &x, 1, &y, 1, loss);
    CHECK(program && tensor_backward(loss));
    float grad[2000];
    memcpy(grad, param_grad(p), sizeof grad);
    param_zero_grad(p);
    CHECK(program_run(program));
    CHECK(memcmp(program_output(program, 0), tensor_data(y), 90 * 50 * sizeof(float)) == 0);
    CHECK(memcmp(param_grad(p), grad, sizeof grad) == 0);
    program_destroy(program);
    tape_destroy(tape);
    param_unref(p);
}

static void wrong(void) {
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_ones(tape, shape2(2, 3)), *w = tensor_ones(tape, shape2(4, 2));
    WRONG(HC_ERR_SHAPE, hc_linear_relu(x, w, NULL));
    WRONG(HC_ERR_SHAPE, hc_linear_relu(w, x, x));
    ANY(hc_linear_relu(x, NULL, NULL));
    REFUSED(hc_linear_relu(NULL, NULL, NULL));
    tape_destroy(tape);
}

int main(void) {
    every_variant();
    kinks();
    on_a_pool();
    replayed();
    wrong();
    return check_done();
}
