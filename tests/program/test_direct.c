/* Gradients that a program writes straight to a Param without one: the same bits as those of a recording, with
 * and without something there before, and only where nothing else reads them. */
#include <string.h>

#include "higherc/higherc.h"
#include "program/program.h"
#include "support/check.h"

enum { ROWS = 5, IN = 3, OUT = 4, MOST = 64 };

static void fill(float *to, size_t n, Rng *rng) {
    for (size_t i = 0; i < n; i++)
        to[i] = (float)rng_normal(rng);
}

/* The gradients of all Params of a list, one after the other. */
static size_t gather(ParamList list, float *to) {
    size_t count = 0;
    for (size_t i = 0; i < list.count; i++) {
        size_t n = param_count(list.items[i]);
        const void *grad = param_grad(list.items[i]);
        CHECK(grad != NULL);
        if (grad) memcpy(to + count, grad, n * sizeof *to);
        count += n;
    }
    return count;
}

static void expect(ParamList list, const float *wanted, size_t count) {
    float got[MOST];
    CHECK(gather(list, got) == count && memcmp(got, wanted, count * sizeof *got) == 0);
}

static size_t aimed(const Program *p) {
    size_t count = 0;
    for (size_t i = 0; i < p->grad_count; i++)
        count += p->grad_calls[i] != SIZE_MAX;
    return count;
}

/* The program's gradients against the recorded one's: none before, some before, none again. */
static void compare(Program *p, Tensor *loss, ParamList list) {
    float once[MOST], twice[MOST];
    for (size_t i = 0; i < list.count; i++)
        param_zero_grad(list.items[i]);
    CHECK(tensor_backward(loss));
    size_t count = gather(list, once);
    CHECK(tensor_backward(loss));
    gather(list, twice);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < list.count; i++)
            param_zero_grad(list.items[i]);
        CHECK(program_run(p));
        expect(list, once, count);
        CHECK(program_run(p));
        expect(list, twice, count);
    }
    Grads *grads = grads_create(list);
    CHECK(program_run_into(p, grads));
    for (size_t i = 0, at = 0; i < list.count; at += param_count(list.items[i++])) {
        const float *values = grads_get(grads, i);
        CHECK(values && memcmp(values, once + at, param_count(list.items[i]) * sizeof *once) == 0);
    }
    CHECK(program_run_into(p, grads));
    const float *weight = grads_get(grads, 0);
    CHECK(weight && memcmp(weight, twice, param_count(list.items[0]) * sizeof *twice) == 0);
    grads_destroy(grads);
    param_zero_grad(list.items[0]); /* one without, the others with */
    CHECK(program_run(p));
    float mixed[MOST];
    gather(list, mixed);
    CHECK(memcmp(mixed, once, param_count(list.items[0]) * sizeof *mixed) == 0);
}

static Tensor *batch(Tape *tape, float *values, Rng *rng) {
    fill(values, ROWS * IN, rng);
    return tensor_from_f32(tape, shape2(ROWS, IN), values);
}

static void test_layer(void) {
    Rng rng = rng_seed(1);
    Tape *tape = tape_create(HC_F32);
    Module *layer = module_linear(IN, OUT);
    float x[ROWS * IN];
    module_init(layer, &rng);
    Tensor *in = batch(tape, x, &rng);
    Tensor *loss = tensor_mean(tensor_square(module_forward(layer, in)));
    Program *p = program_capture(tape, &in, 1, NULL, 0, loss);
    CHECK(p && aimed(p) == 1); /* the weight's, not the bias' */
    compare(p, loss, module_params(layer));
    program_destroy(p);
    module_destroy(layer);
    tape_destroy(tape);
}

/* A Param that was written between two uses has a gradient for each, here the same, as a run reads it where it
 * lives. They are added up, so neither may take its place. */
static void test_versions(void) {
    Rng rng = rng_seed(2);
    Tape *tape = tape_create(HC_F32);
    Module *layer = module_linear_no_bias(IN, OUT);
    Optim *sgd = optim_sgd(module_params(layer), sgd_options(0.1));
    float x[ROWS * IN];
    module_init(layer, &rng);
    Tensor *in = batch(tape, x, &rng);
    Tensor *first = tensor_sum(tensor_square(module_forward(layer, in)));
    CHECK(tensor_backward(first) && optim_step(sgd));
    Tensor *loss = tensor_add(first, tensor_sum(tensor_square(module_forward(layer, in))));
    Program *p = program_capture(tape, &in, 1, NULL, 0, loss);
    CHECK(p && p->grad_count == 2 && aimed(p) == 0);
    float sum[MOST];
    optim_zero_grad(sgd);
    CHECK(tensor_backward(tensor_sum(tensor_square(module_forward(layer, in)))));
    size_t count = gather(module_params(layer), sum);
    optim_zero_grad(sgd);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++)
            sum[i] *= 2;
        CHECK(program_run(p));
        expect(module_params(layer), sum, count);
    }
    program_destroy(p);
    optim_destroy(sgd);
    module_destroy(layer);
    tape_destroy(tape);
}

/* One product is the gradient of two Params. */
static void test_shared(void) {
    Rng rng = rng_seed(3);
    Tape *tape = tape_create(HC_F32);
    Module *pair = module_sequential(
        (Module *[]){module_linear_no_bias(OUT, IN), module_linear_no_bias(OUT, IN)}, 2);
    float x[ROWS * IN];
    module_init(pair, &rng);
    ParamList list = module_params(pair);
    Tensor *in = batch(tape, x, &rng);
    Tensor *sum = tensor_add(param_tensor(tape, list.items[0]), param_tensor(tape, list.items[1]));
    Tensor *loss = tensor_mean(tensor_square(tensor_matmul(in, sum)));
    Program *p = program_capture(tape, &in, 1, NULL, 0, loss);
    CHECK(p && p->grad_count == 2 && p->grads[0] == p->grads[1] && aimed(p) == 0);
    compare(p, loss, list);
    program_destroy(p);
    module_destroy(pair);
    tape_destroy(tape);
}

int main(void) {
    test_layer();
    test_versions();
    test_shared();
    return check_done();
}
