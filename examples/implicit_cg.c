/* The solution of a linear system as an operation: found by conjugate gradients, differentiated implicitly.
 *
 * Going backwards through the iterations would keep them all on the tape, and give the derivative of an
 * approximation. The solution x of A x = b obeys dx = A^-1 (db - dA x), so its backward is one more solve:
 *     u = A^-1 gx,    gb = u,    gA = -u x^T       (A symmetric)
 * and since that is the same operation again, derivatives of every order exist.
 *
 * It is put to use in ridge regression: weights w(s) = argmin |X w - y|^2 / n + sum_i e^s_i w_i^2 are solved
 * for exactly, and the strengths s, one for each feature, are trained on held-out data. */
#include <higherc/higherc.h>
#include <math.h>
#include <stdio.h>

enum { FEATURES = 12, USEFUL = 3, TRAIN = 16, HELD_OUT = 32, TEST = 500, OUTER_STEPS = 60 };

/* ---- the operation ----------------------------------------------------------------------------------- */

/* Hestenes and Stiefel 1952: n iterations at most, fewer when nothing is left to do. */
static Tensor *solve_forward(const CustomCall *call) {
    Tensor *a = call->inputs[0], *b = call->inputs[1];
    Tensor *x = tensor_zeros(call->tape, tensor_shape(b)), *r = b, *p = r;
    double left = tensor_item(tensor_dot(r, r)), enough = 1e-26 * left;
    for (size_t k = 0; k < 2 * tensor_count(b) && left > enough; k++) {
        Tensor *ap = tensor_matmul(a, p);
        double alpha = left / tensor_item(tensor_dot(p, ap)), before = left;
        x = tensor_add(x, tensor_mul_scalar(p, alpha));
        r = tensor_sub(r, tensor_mul_scalar(ap, alpha));
        left = tensor_item(tensor_dot(r, r));
        p = tensor_add(r, tensor_mul_scalar(p, left / before));
    }
    return x;
}

static Tensor *solve(Tensor *a, Tensor *b);

static bool solve_backward(const CustomCall *call, Tensor **grads) {
    Tensor *u = solve(call->inputs[0], call->gradient);
    grads[0] = tensor_neg(tensor_mul(tensor_unsqueeze(u, 1), tensor_unsqueeze(call->output, 0)));
    grads[1] = u;
    return u != NULL;
}

static const CustomClass solve_class = {"solve", solve_forward, solve_backward};

/* x with A x = b, for A [n, n] symmetric and positive definite, b [n]. */
static Tensor *solve(Tensor *a, Tensor *b) {
    return tensor_custom(&solve_class, (Tensor *[]){a, b}, 2, NULL);
}

/* ---- ridge regression ---------------------------------------------------------------------------------- */

/* X, y and s -> the weights. */
static Tensor *ridge(Tensor *const *in, size_t count, void *user) {
    (void)count, (void)user;
    Tensor *x = in[0], *y = in[1], *s = in[2], *xt = tensor_transpose(x, 0, 1);
    double n = (double)tensor_dim(x, 0);
    Tensor *each = tensor_arange(tensor_tape(x), 0, (double)tensor_dim(s, 0), 1);
    Tensor *diagonal = tensor_mul(tensor_one_hot(each, tensor_dim(s, 0)), tensor_exp(s));
    Tensor *a = tensor_add(tensor_div_scalar(tensor_matmul(xt, x), n), diagonal);
    return solve(a, tensor_div_scalar(tensor_matmul(xt, y), n));
}

/* Points whose y depends on the first few features only, and noise. */
typedef struct Data {
    Tensor *x, *y;
} Data;

static Data draw(Tape *tape, size_t count, Rng *rng) {
    Tensor *x = tensor_normal(tape, shape2(count, FEATURES), 0, 1, rng);
    Tensor *y = tensor_sum_axes(tensor_slice(x, 1, 0, USEFUL, 1), (int[]){1}, 1, false);
    return (Data){x, tensor_add(y, tensor_normal(tape, shape1(count), 0, 0.7, rng))};
}

static Tensor *error_of(Data data, Tensor *weights) {
    return tensor_mse_loss(tensor_matmul(data.x, weights), data.y);
}

static bool check(Tape *tape, Rng *rng) {
    Data few = draw(tape, 5, rng);
    Tensor *x = tensor_slice(few.x, 1, 0, 4, 1), *s = tensor_normal(tape, shape1(4), -1, 0.5, rng);
    bool good = gradcheck(ridge, (Tensor *[]){x, few.y, s}, 3, gradcheck_options(HC_F64), NULL);
    if (good)
        printf("Gradients of the solution, and gradients of those, agree with finite "
               "differences.\n\n");
    return good;
}

int main(void) {
    Rng rng = rng_seed(1);
    Tape *tape = tape_create(HC_F64);
    Param *strengths = param_create("s", shape1(FEATURES), HC_F64);
    param_fill(strengths, log(0.1));
    Optim *outer = optim_adam((ParamList){&strengths, 1}, adam_options(0.1));
    bool good = check(tape, &rng);

    Data train = draw(tape, TRAIN, &rng), held_out = draw(tape, HELD_OUT, &rng);
    Data test = draw(tape, TEST, &rng);
    TapeMark mark = tape_mark(tape);
    double first = 0, last = 0;
    printf("outer step   held-out error   test error\n");
    for (int it = 0; it <= OUTER_STEPS; it++) {
        tape_release(tape, mark); /* the data stay */
        Tensor *s = param_tensor(tape, strengths);
        Tensor *weights = ridge((Tensor *[]){train.x, train.y, s}, 3, NULL);
        Tensor *loss = error_of(held_out, weights);
        last = tensor_item(error_of(test, weights));
        if (it == 0) first = last;
        if (it % 10 == 0) printf("%10d   %14.3f   %10.3f\n", it, tensor_item(loss), last);
        optim_zero_grad(outer);
        tensor_backward(loss);
        optim_step(outer);
    }
    printf("\nlearned strengths e^s, the %d useful features first:\n ", USEFUL);
    for (size_t i = 0; i < FEATURES; i++)
        printf(" %.2g", exp(param_get(strengths, i)));
    printf("\n\nEach outer step solved two systems by conjugate gradients, one for the weights and "
           "one for the\n"
           "gradient, and kept no iterations. The test error fell from %.3f to %.3f (the noise "
           "alone: %.2f).\n",
           first, last, 0.7 * 0.7);

    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    bool failed = higherc_error() != NULL || !good || !(last < first);
    optim_destroy(outer);
    param_unref(strengths);
    tape_destroy(tape);
    return failed;
}
