/* What does copy_initial_weights mean? One weight, one inner step, all numbers printed.
 *
 * The base weight is W = 2. The inner loss is (W<t> - 5)^2 and the inner optimizer is SGD with lr 0.1, so
 * W<1> = W<0> - 0.1 * 2 (W<0> - 5) = 0.8 W<0> + 1 = 2.6, and d W<1> / d W<0> = 0.8. The meta loss is
 * W<1>^2, so d meta / d W<0> = 2 * 2.6 * 0.8 = 4.16. Whether that gradient goes on to W is the flag. */
#include <higherc/higherc.h>
#include <stdio.h>

/* The weight itself: a linear layer without a bias, applied to the number 1. */
static Tensor *weight_of(FModule *f, Tape *tape) {
    return fmodule_forward(f, tensor_ones(tape, shape2(1, 1)));
}

static void show(Tape *tape, Module *net, Optim *inner, bool copy) {
    Param *w = module_param(net, "weight");
    tape_reset(tape);
    FModule *f = fmodule_create(tape, net, copy);
    DiffOpt *opt = diffopt_create(inner, f);
    diffopt_step(opt, tensor_square(tensor_sub_scalar(tensor_sum(weight_of(f, tape)), 5)));
    Tensor *meta = tensor_square(tensor_sum(weight_of(f, tape)));

    if (higherc_error()) return;
    Tensor *w0 = fmodule_params_at(f, 0).items[0], *w1 = fmodule_params_at(f, 1).items[0],
           *g0 = NULL;
    printf("\ncopy_initial_weights = %s\n", copy ? "true" : "false");
    printf("  base weight           W    = %.2f\n", param_get(w, 0));
    printf("  before the inner step W<0> = %.2f   (a clone: its own memory)\n", tensor_item(w0));
    printf("  after it              W<1> = %.2f\n", tensor_item(w1));

    double before = param_get(w, 0);
    param_fill(w, 100);
    printf("  an in-place outer step makes W = %.0f; W<0> is still %.2f, W<1> still %.2f\n",
           param_get(w, 0), tensor_item(w0), tensor_item(w1));

    tensor_grad(meta, &w0, 1, &g0, 0);
    printf("  d meta / d W<0> = %.2f   (flows either way; the change of W did not disturb it)\n",
           tensor_item(g0));
    if (tensor_reaches(meta, w)) {
        tensor_backward(meta);
        printf("  d meta / d W    = %.2f   (flows on to W: MAML trains W with it)\n",
               param_grad_get(w, 0));
    } else if (!higherc_error()) {
        printf("  d meta / d W    is absent (cut at W<0>: W is not what is being trained)\n");
        tensor_backward(meta);
        printf("  asking for it all the same is an error:\n    %s\n", tape_error(tape));
        if (higherc_status() != HC_ERR_GRAD) return; /* it was another error: out of memory */
        tape_clear_error(tape);
        higherc_clear_error();
    }
    param_zero_grad(w);
    param_fill(w, before);
}

int main(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = module_linear_no_bias(1, 1);
    module_to(net, HC_F64);
    param_fill(module_param(net, "weight"), 2);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.1));

    show(tape, net, inner, false);
    show(tape, net, inner, true);
    printf("\nBoth times W<0> is a clone of W on the tape, in memory of its own. The flag decides "
           "only\n"
           "whether the tape remembers that W<0> came from W.\n");

    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    bool failed = higherc_error() != NULL;
    optim_destroy(inner);
    module_destroy(net);
    tape_destroy(tape);
    return failed;
}
