/* What a gradient leaves behind: no tensor in scratch, no space of a sweep, after success and after each failure. */
#include <higherc/higherc.h>

#include "support/check.h"
#include "support/failing.h"
#include "tape/tape.h"

enum { N = 6 };

static Tensor *own_forward(const CustomCall *call) {
    return tensor_mul(call->inputs[0], tensor_sin(call->inputs[1]));
}

static bool own_backward(const CustomCall *call, Tensor **grads) {
    grads[0] = tensor_mul(call->gradient, tensor_sin(call->inputs[1]));
    grads[1] = tensor_mul(tensor_mul(call->gradient, call->inputs[0]), tensor_cos(call->inputs[1]));
    return grads[0] && grads[1];
}

static bool give_up(const CustomCall *call, Tensor **grads) {
    grads[0] = tensor_neg(call->gradient);
    return false;
}

static const CustomClass own = {"own", own_forward, own_backward};
static const CustomClass failing = {"failing", own_forward, give_up};

/* Of many kinds of rule, x used often, so that its gradients are added up. */
static Tensor *loss_of(Tensor *x, Tensor *w, const CustomClass *cls) {
    Tensor *y = tensor_tanh(tensor_matmul(x, w));
    y = tensor_add(y, tensor_custom(cls, (Tensor *[]){y, x}, 2, NULL));
    y = tensor_add(tensor_softmax(y, 1), tensor_mul(tensor_transpose(x, 0, 1), y));
    y = tensor_concat((Tensor *[]){y, x, tensor_exp(y)}, 3, 0);
    return tensor_mean(tensor_mul(y, tensor_sigmoid(y)));
}

static bool nothing_left(const Tape *tape) {
    return tape->scratch.live == 0 && tape->born_count == 0;
}

/* All ways to a gradient. True when nothing failed. */
static bool all_ways(Tape *tape, const CustomClass *cls) {
    Tensor *x = tensor_leaf(tensor_full(tape, shape2(N, N), 0.3)),
           *w = tensor_leaf(tensor_full(tape, shape2(N, N), 0.2)), *in[] = {x, w}, *g[2], *h[2],
           *v[2];
    Tensor *loss = loss_of(x, w, cls);
    bool good = tensor_grad(loss, in, 2, g, 0);
    good = tensor_grad(loss, in, 2, g, HC_CREATE_GRAPH) && good;
    Tensor *norm = good ? tensor_sum(tensor_square(g[0])) : NULL;
    good = good && tensor_grad(norm, in, 2, h, 0);
    v[0] = tensor_ones(tape, shape2(N, N));
    v[1] = v[0];
    good = good && tensor_hvp(loss, in, 2, v, h, 0);
    return good && tensor_grad(norm, in, 2, h, HC_CREATE_GRAPH);
}

static bool scenario(void) {
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = 1024;
    Tape *tape = tape_create_with(options);
    bool good = tape && all_ways(tape, &own);
    if (tape) CHECK(nothing_left(tape));
    tape_destroy(tape);
    return good;
}

/* Sweeps that fail give their space back: the next has room. */
static void failures(void) {
    Tape *tape = tape_create(HC_F64);
    size_t reserved = 0;
    for (int i = 0; i < 60; i++) {
        CHECK(!all_ways(tape, &failing) && nothing_left(tape));
        CHECK_ERROR("failing");
        tape_clear_error(tape);
        CHECK(all_ways(tape, &own) && nothing_left(tape));
        tape_reset(tape);
        if (i == 9) reserved = tape_stats(tape).mallocs;
    }
    CHECK(tape_stats(tape).mallocs == reserved);
    tape_destroy(tape);
}

/* Gradients of Params that come as channels last, or as nothing. */
static void params(void) {
    Tape *tape = tape_create(HC_F64);
    Param *p = param_create("p", shape4(8, 8, 3, 3), HC_F64),
          *q = param_create("q", shape1(3), HC_F64);
    param_fill(p, 0.1);
    param_fill(q, 0.1);
    Tensor *x = tensor_full(tape, shape4(2, 8, 9, 9), 0.3), *w = param_tensor(tape, p);
    Conv2dOptions options = conv2d_options();
    Tensor *y = tensor_conv2d(tensor_tanh(tensor_conv2d(x, w, NULL, options)), w, NULL, options);
    Tensor *permuted = tensor_square(tensor_permute(w, (const int[]){0, 2, 3, 1}, 4));
    Tensor *loss = tensor_add(tensor_sum(y), tensor_sum(tensor_sign(param_tensor(tape, q))));
    for (int i = 0; i < 3; i++)
        CHECK(tensor_backward(tensor_add(loss, tensor_sum(permuted))) && nothing_left(tape));
    tape_destroy(tape);
    param_unref(p);
    param_unref(q);
}

/* Runs of a Program leave no more than the first. */
static void programs(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_full(tape, shape2(N, N), 0.3), *y = loss_of(x, x, &own);
    Program *program = program_capture(tape, &x, 1, &y, 1, NULL);
    CHECK(program && program_run(program));
    size_t live = tape->scratch.live;
    const double numbers[N * N] = {0.5, -0.25};
    for (int i = 0; i < 5; i++)
        CHECK(program_set_f64(program, 0, shape2(N, N), numbers) && program_run(program) &&
              tape->scratch.live == live && tape->born_count == 0);
    program_destroy(program);
    CHECK(nothing_left(tape));
    tape_destroy(tape);
}

int main(void) {
    failures();
    params();
    programs();
    fail_each_allocation("gradients", scenario);
    CHECK(higherc_error() == NULL);
    return check_done();
}
