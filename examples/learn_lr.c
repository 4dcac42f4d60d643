/* Learning a learning rate by gradient descent through 20 Adam steps.
 *
 * An inner loop trains a small network for 20 steps with Adam; the loss it ends with is a differentiable
 * function of the learning rate it used. The outer optimizer therefore trains the logarithm of that rate
 * (so that it stays positive) like any other parameter. The network always starts from the same weights,
 * detached (copy_initial_weights = true): they are not what is being learned. */
#include <higherc/higherc.h>
#include <math.h>
#include <stdio.h>

enum { POINTS = 32, INNER_STEPS = 20, OUTER_STEPS = 60 };

int main(void) {
    Rng rng = rng_seed(1);
    Tape *tape = tape_create(HC_F64);
    Module *layers[] = {module_linear(1, 16), module_tanh(), module_linear(16, 1)};
    Module *net = module_sequential(layers, 3);
    module_to(net, HC_F64);
    module_init(net, &rng);

    double x[POINTS], y[POINTS];
    for (int i = 0; i < POINTS; i++) {
        x[i] = 4 * rng_uniform(&rng) - 2;
        y[i] = sin(2 * x[i]);
    }

    Param *log_lr = param_create("log_lr", shape_scalar(), HC_F64);
    param_fill(log_lr, log(0.001));
    Optim *inner = optim_adam(module_params(net), adam_options(0.001)); /* its lr is overridden */
    Optim *outer = optim_adam((ParamList){&log_lr, 1}, adam_options(0.15));

    double first = 0, last = 0;
    printf("outer step   learning rate   loss after %d inner steps\n", INNER_STEPS);
    for (int it = 0; it <= OUTER_STEPS; it++) {
        tape_reset(tape);
        Tensor *input = tensor_from_f64(tape, shape2(POINTS, 1), x);
        Tensor *target = tensor_from_f64(tape, shape2(POINTS, 1), y);
        FModule *fast = fmodule_create(tape, net, true);
        DiffOpt *opt = diffopt_create(inner, fast);
        Tensor *lr = tensor_exp(param_tensor(tape, log_lr));
        diffopt_override(opt, "lr", HC_ALL_GROUPS, lr);
        for (int k = 0; k < INNER_STEPS; k++)
            diffopt_step(opt, tensor_mse_loss(fmodule_forward(fast, input), target));
        Tensor *loss = tensor_mse_loss(fmodule_forward(fast, input), target);

        last = tensor_item(loss);
        if (it == 0) first = last;
        if (it % 10 == 0) printf("%10d   %13.5f   %10.5f\n", it, tensor_item(lr), last);
        optim_zero_grad(outer);
        tensor_backward(loss);
        optim_step(outer);
    }
    printf(
        "\nThrough %d Adam steps the gradient found a learning rate %.0f times larger than 0.001:\n"
        "the loss after training fell from %.4f to %.4f.\n",
        INNER_STEPS, exp(param_get(log_lr, 0)) / 0.001, first, last);

    bool failed = higherc_error() != NULL || !(last < first);
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    optim_destroy(outer);
    optim_destroy(inner);
    param_unref(log_lr);
    module_destroy(net);
    tape_destroy(tape);
    return failed;
}
