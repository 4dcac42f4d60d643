/* The same bits on every platform: streams of random numbers, initial weights, elementwise functions, and
 * the weights after five steps, of gradients and of Adam, on losses without products. The numbers here
 * were taken with GCC 12 on x86-64 and have to come out wherever this runs. Powers in f64 and hyper_pow with other than
 * whole exponents are left out: they are the C library's (base.h). */
#include "higherc/higherc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"
#include "support/check.h"

enum { COUNT = 4096 };

/* FNV-1a over numbers' bits, low byte first: the same whatever the order of bytes in memory. */
static uint64_t hash(uint64_t h, const double *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int byte = 0; byte < 8; byte++)
            h = (h ^ (bits >> 8 * byte & 255)) * UINT64_C(1099511628211);
    }
    return h;
}

#define START UINT64_C(14695981039346656037)

static void same(const char *what, uint64_t found, uint64_t expected) {
    CHECK(found == expected);
    if (found != expected)
        printf("    %s: 0x%016" PRIx64 ", not 0x%016" PRIx64 "\n", what, found, expected);
}

static uint64_t streams(void) {
    static double values[COUNT];
    Rng rng = rng_seed(5);
    for (size_t i = 0; i < COUNT; i++)
        values[i] = i % 3 == 0   ? rng_uniform(&rng)
                    : i % 3 == 1 ? rng_normal(&rng)
                                 : rng_truncated_normal(&rng, 2);
    return hash(START, values, COUNT);
}

static uint64_t hash_tensor(uint64_t h, Tensor *t) {
    static double values[COUNT];
    size_t count = tensor_count(t);
    CHECK(count <= COUNT && tensor_copy_to_f64(t, values, count));
    return hash(h, values, count);
}

static uint64_t weights(DType dtype) {
    Rng rng = rng_seed(6);
    Tape *tape = tape_create(dtype);
    Module *layers[] = {module_linear(17, 23), module_conv2d(2, 3, 3, 3, conv2d_options())};
    uint64_t h = hash_tensor(START, tensor_uniform(tape, shape1(COUNT), -0.7, 1.3, &rng));
    for (size_t i = 0; i < 2; i++) {
        Module *net = layers[i];
        module_to(net, dtype);
        module_init(net, &rng);
        ParamList list = module_params(net);
        for (size_t p = 0; p < list.count; p++)
            for (size_t k = 0; k < param_count(list.items[p]); k++)
                h = hash(h, &(double){param_get(list.items[p], k)}, 1);
        module_destroy(net);
    }
    tape_destroy(tape);
    return h;
}

typedef Tensor *Function(Tensor *x);

static uint64_t functions(DType dtype) {
    static Function *const all[] = {tensor_exp,      tensor_log, tensor_sin,  tensor_cos,
                                    tensor_tanh,     tensor_erf, tensor_sqrt, tensor_sigmoid,
                                    tensor_softplus, tensor_sum};
    Rng rng = rng_seed(7);
    Tape *tape = tape_create(dtype);
    uint64_t h = START;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        h = hash_tensor(h, all[i](tensor_uniform(tape, shape1(COUNT), 0.01, 20, &rng)));
    h = hash_tensor(h, tensor_log_softmax(tensor_uniform(tape, shape2(64, 64), -9, 9, &rng), 1));
    CHECK(!higherc_error());
    tape_destroy(tape);
    return h;
}

/* Angles, hyperbolic functions and those of two tensors. */
static uint64_t more_functions(DType dtype) {
    static Function *const all[] = {tensor_tan,  tensor_atan, tensor_sinc,  tensor_sinh, tensor_cosh, tensor_expm1,
                                    tensor_mish, tensor_ceil, tensor_round, tensor_floor};
    static Tensor *(*const pairs[])(Tensor *, Tensor *) = {tensor_hypot, tensor_atan2, tensor_logaddexp,
                                                           tensor_remainder};
    Rng rng = rng_seed(11);
    Tape *tape = tape_create(dtype);
    uint64_t h = START;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        h = hash_tensor(h, all[i](tensor_uniform(tape, shape1(COUNT), -20, 20, &rng)));
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        Tensor *a = tensor_uniform(tape, shape1(COUNT), -20, 20, &rng);
        h = hash_tensor(h, pairs[i](a, tensor_uniform(tape, shape1(COUNT), -9, 9, &rng)));
    }
    Tensor *x = tensor_leaf(tensor_uniform(tape, shape1(COUNT), -1, 1, &rng)), *g = NULL;
    h = hash_tensor(hash_tensor(h, tensor_asin(x)), tensor_acos(x));
    CHECK(tensor_grad(tensor_sum(tensor_sinc(x)), &x, 1, &g, 0));
    h = hash_tensor(h, g);
    CHECK(!higherc_error());
    tape_destroy(tape);
    return h;
}

/* From a million to 10^34. */
static uint64_t large_angles(DType dtype) {
    Rng rng = rng_seed(9);
    Tape *tape = tape_create(dtype);
    Tensor *x = tensor_exp(tensor_uniform(tape, shape1(COUNT), 14, 80, &rng));
    uint64_t h = hash_tensor(hash_tensor(START, tensor_sin(x)), tensor_cos(x));
    tape_destroy(tape);
    return h;
}

static uint64_t hash_one(uint64_t h, Hyper x) {
    return hash(h, &x.value, 1);
}

/* What optimizers and schedules reckon with. */
static uint64_t powers(void) {
    static const double bases[] = {0.9, 0.999, 0.96, -0.5, 0};
    uint64_t h = START;
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++)
        for (size_t t = 0; t < 3000; t += 1 + t / 50)
            h = hash_one(h, hyper_pow(hyper_const(bases[i]), hyper_const((double)t)));
    for (double x = 0.01; x < 20; x *= 1.25) {
        h = hash_one(h, hyper_exp(hyper_const(-x)));
        h = hash_one(h, hyper_log(hyper_const(x)));
    }
    return h;
}

/* In f32, with bases and exponents of either sign, whole and not. */
static uint64_t powers_of_tensors(void) {
    Rng rng = rng_seed(10);
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_uniform(tape, shape1(COUNT), -3, 3, &rng), *size = tensor_abs(x);
    uint64_t h = hash_tensor(START, tensor_pow(size, tensor_uniform(tape, shape1(COUNT), -4, 4, &rng)));
    for (double c = -3; c <= 3; c += 0.5)
        h = hash_tensor(h, tensor_pow_scalar(c == (int)c ? x : size, c));
    tape_destroy(tape);
    return h;
}

static uint64_t schedules(void) {
    const Schedule all[] = {schedule_cosine(777, hyper_const(0.05)), schedule_polynomial(777, hyper_const(3)),
                            schedule_warmup(777, hyper_const(0.1)), schedule_step(10, hyper_const(0.9))};
    uint64_t h = START;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t t = 0; t < 800; t++)
            h = hash_one(h, schedule_at(&all[i], t));
    return h;
}

static uint64_t after_five_steps(DType dtype) {
    Rng rng = rng_seed(8);
    Tape *tape = tape_create(dtype);
    Tensor *w = tensor_uniform(tape, shape1(500), 0.5, 2, &rng);
    Tensor *target = tensor_uniform(tape, shape1(500), -1, 1, &rng);
    for (int t = 0; t < 5; t++) {
        Tensor *leaf = tensor_leaf(w), *g = NULL;
        Tensor *loss = tensor_mse_loss(tensor_tanh(tensor_mul(leaf, tensor_log(leaf))), target);
        CHECK(tensor_grad(loss, &leaf, 1, &g, 0));
        w = tensor_sub(leaf, tensor_mul_scalar(g, 0.3));
    }
    uint64_t h = hash_tensor(START, w);
    tape_destroy(tape);
    return h;
}

/* Norms, and Adam in place on a loss that has them. */
static uint64_t after_adam(DType dtype) {
    Rng rng = rng_seed(9);
    Tape *tape = tape_create(dtype);
    Param *p = param_create("p", shape2(12, 40), dtype);
    CHECK(param_uniform(p, -1, 2, &rng));
    Optim *optim = optim_adam((ParamList){&p, 1}, adam_options(0.03));
    Tensor *target = NULL;
    for (int t = 0; t < 5; t++) {
        tape_reset(tape);
        target = tensor_uniform(tape, shape2(12, 40), -1, 1, &rng);
        Tensor *x = param_tensor(tape, p);
        /* One after the other: gradients are added up in the order of the tape, and C leaves that of arguments open. */
        Tensor *rows = tensor_layer_norm(tensor_exp(x), shape1(40), NULL, NULL, 1e-5);
        Tensor *y = tensor_add(tensor_batch_norm(x, NULL, NULL, NULL, NULL, 1e-5), rows);
        optim_zero_grad(optim);
        CHECK(tensor_backward(tensor_mse_loss(tensor_softmax(y, 1), target)) && optim_step(optim));
    }
    uint64_t h = hash_tensor(START, param_tensor(tape, p));
    optim_destroy(optim);
    param_unref(p);
    tape_destroy(tape);
    return h;
}

int main(void) {
    same("streams", streams(), 0xaac6d2ed7f09f7f1);
    same("weights, f32", weights(HC_F32), 0x85ca49305de49a2e);
    same("weights, f64", weights(HC_F64), 0x73b3a9e4ac52e18b);
    same("functions, f32", functions(HC_F32), 0xf954d1d5672782b4);
    same("functions, f64", functions(HC_F64), 0x2d658779d694a35b);
    same("more functions, f32", more_functions(HC_F32), 0x66e909328c602d3f);
    same("more functions, f64", more_functions(HC_F64), 0x9462a7e153afc73a);
    same("powers", powers(), 0xce09c26a1e2af561);
    same("powers of tensors, f32", powers_of_tensors(), 0xaa34a667f1621cf2);
    same("schedules", schedules(), 0x5ebf696526080dc9);
    same("large angles, f32", large_angles(HC_F32), 0xf2380ee7a1ae96a4);
    same("large angles, f64", large_angles(HC_F64), 0x8c959760f91612cc);
    same("five steps, f32", after_five_steps(HC_F32), 0x90ac2eb3da392ef4);
    same("five steps, f64", after_five_steps(HC_F64), 0xeca622bbc79396cf);
    /* As one operation it rounds where what that is made of does not (HIGHERC_FUSED): each has its own bits. */
    same("five steps of Adam, f32", after_adam(HC_F32),
         HC_FUSED ? 0x490e38bfe40755c3 : 0xb22454722889f89a);
    same("five steps of Adam, f64", after_adam(HC_F64),
         HC_FUSED ? 0xa8a520b05cb3e1ab : 0x2cec136bf499c70b);
    return check_done();
}
