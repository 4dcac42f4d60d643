/* Results that a program makes again rather than keeps: the same bits, less memory, and none where that would
 * take long or what they are made of is gone. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"

enum { ROWS = 64, WIDE = 128, NARROW = 4, STEPS = 6, MATRIX = ROWS * WIDE * sizeof(float) };

/* A loss whose gradient to all earlier values is taken while they are all there: x<t+1> of x<t>. */
typedef Tensor *StepFn(Tensor *x, Tensor *w, Tensor *v);

/* What a chain of steps takes, captured; it gives the same numbers as recorded, run twice. */
static size_t memory(StepFn *step) {
    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(6);
    Param *p = param_create("w", shape2(NARROW, WIDE), HC_F32);
    Tensor *start = tensor_uniform(tape, shape2(NARROW, WIDE), -0.3, 0.3, &rng);
    CHECK(param_set_f32(p, tensor_data(start), NARROW * WIDE));
    Tensor *x = tensor_uniform(tape, shape2(ROWS, NARROW), -1, 1, &rng), *y = x;
    Tensor *w = param_tensor(tape, p);
    Tensor *v = tensor_uniform(tape, shape2(WIDE, NARROW), -0.2, 0.2, &rng);
    for (int t = 0; t < STEPS; t++)
        y = step(y, w, v);
    Tensor *loss = tensor_sum(tensor_square(y));
    Program *program = program_capture(tape, &x, 1, &y, 1, loss);
    CHECK(program && tensor_backward(loss));
    float grad[NARROW * WIDE];
    memcpy(grad, param_grad(p), sizeof grad);
    size_t bytes = program_stats(program).bytes;
    for (int run = 0; run < 2; run++) {
        param_zero_grad(p);
        CHECK(program_run(program) && memcmp(param_grad(p), grad, sizeof grad) == 0);
        CHECK(memcmp(program_output(program, 0), tensor_data(y), ROWS * NARROW * sizeof(float)) ==
              0);
    }
    program_destroy(program);
    tape_destroy(tape);
    param_unref(p);
    return bytes;
}

/* tanh(x w) v: the wide value is read by the gradients, and made of a narrow product. Its tanh is cheap. */
static Tensor *narrow(Tensor *x, Tensor *w, Tensor *v) {
    return tensor_matmul(tensor_tanh(tensor_matmul(x, w)), v);
}

/* The same with the product read in between through a view, as which it must stay. */
static Tensor *viewed(Tensor *x, Tensor *w, Tensor *v) {
    Tensor *wide = tensor_tanh(tensor_matmul(x, w));
    Tensor *turned = tensor_transpose(wide, 0, 1);
    return tensor_transpose(tensor_matmul(tensor_transpose(v, 0, 1), turned), 0, 1);
}

/* The product is too deep to be made again: x (w v) w. */
static Tensor *deep(Tensor *x, Tensor *w, Tensor *v) {
    Tensor *wide = tensor_matmul(tensor_matmul(x, w), tensor_matmul(v, w));
    return tensor_matmul(tensor_tanh(wide), v);
}

static void each(void) {
    size_t again = memory(narrow);
    CHECK(again + 4 * MATRIX < memory(viewed) && again + 4 * MATRIX < memory(deep));
}

/* Several readers late, one early, and one that is an output too. */
static void shared(void) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(7);
    Tensor *a = tensor_leaf(tensor_uniform(tape, shape2(90, 3), -1, 1, &rng));
    Tensor *b = tensor_leaf(tensor_uniform(tape, shape2(3, 80), -1, 1, &rng)), *g[2], *h[2];
    Tensor *wide = tensor_matmul(a, b), *kept = tensor_relu(wide), *y = tensor_square(kept);
    for (int t = 0; t < 5; t++) {
        Tensor *next = tensor_relu(tensor_matmul(tensor_mul_scalar(a, 1.1 + t), b));
        y = tensor_add(tensor_mul(y, tensor_mul_scalar(next, 0.3)), kept);
    }
    Tensor *in[2] = {a, b};
    CHECK(tensor_grad(tensor_sum(tensor_sin(y)), in, 2, g, HC_CREATE_GRAPH));
    Tensor *sum = tensor_add(tensor_sum(tensor_square(g[0])), tensor_sum(tensor_square(g[1])));
    CHECK(tensor_grad(sum, in, 2, h, HC_CREATE_GRAPH));
    Tensor *out[5] = {kept, g[0], g[1], h[0], h[1]};
    Program *program = program_capture(tape, NULL, 0, out, 5, NULL);
    CHECK(program && program_run(program));
    for (size_t i = 0; i < 5; i++)
        CHECK(memcmp(program_output(program, i), tensor_data(out[i]),
                     tensor_count(out[i]) * sizeof(double)) == 0);
    program_destroy(program);
    tape_destroy(tape);
}

/* Two that one node reads late, both made again before it, while four that are not take memory in between. */
static void before_one(void) {
    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(8);
    Tensor *x = tensor_uniform(tape, shape2(ROWS, 40), -1, 1, &rng), *wide[6], *sum = NULL;
    Tensor *few = tensor_slice(x, 1, 0, 2, 1);
    for (int i = 0; i < 6; i++) {
        Tensor *weight = tensor_uniform(tape, shape2(i < 2 ? 2 : 40, WIDE), -1, 1, &rng);
        wide[i] = tensor_tanh(tensor_matmul(i < 2 ? few : x, weight));
        if (i < 2) sum = i ? tensor_add(sum, tensor_sum(wide[i])) : tensor_sum(wide[i]);
    }
    Tensor *many = tensor_mul(tensor_add(wide[2], wide[3]), tensor_sub(wide[4], wide[5]));
    sum = tensor_add(sum, tensor_sum(many));
    Tensor *y = tensor_add(tensor_sum(tensor_mul(wide[0], wide[1])), sum);
    Program *program = program_capture(tape, &x, 1, &y, 1, NULL);
    CHECK(program && program_run(program));
    CHECK(memcmp(program_output(program, 0), tensor_data(y), sizeof(float)) == 0);
    program_destroy(program);
    tape_destroy(tape);
}

int main(void) {
    before_one();
    each();
    shared();
    return check_done();
}
