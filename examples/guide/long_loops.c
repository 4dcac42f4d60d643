/* The page long_loops.md: a hundred inner steps, stored, unrolled, in forward mode and not gone through at all. */
#include <higherc/higherc.h>

#include <stdio.h>

typedef struct Problem {
    Tape *tape;
    FModule *fnet;
    Tensor *strength; /* of the penalty */
} Problem;

/* (w - 3)^2 + strength w^2, which w = 3 / (1 + strength) minimises */
static Tensor *inner_loss(FModule *fnet, void *user) {
    const Problem *p = user;
    Tensor *w = fmodule_params(fnet).items[0];
    Tensor *fit = tensor_square(tensor_add_scalar(w, -3)),
           *penalty = tensor_mul(p->strength, tensor_square(w));
    return tensor_sum(tensor_add(fit, penalty));
}

static Tensor *meta_loss(FModule *fnet) {
    return tensor_sum(tensor_square(tensor_add_scalar(fmodule_params(fnet).items[0], -2)));
}

//! [step]
static bool adapt(UnrollStep *step, void *user) {
    const Problem *p = user;
    return diffopt_step(step->opts[0], inner_loss(p->fnet, user));
}
//! [step]

//! [judge]
static bool judge(UnrollStep *step, void *user) {
    const Problem *p = user;
    if (step->step < 100) return true; /* or train on the way: an outer step after each window */
    return tensor_backward(meta_loss(p->fnet));
}
//! [judge]

static DiffOpt *begin(Problem *p, Module *net, Param *strength, const Optim *inner, FMode mode) {
    tape_reset(p->tape);
    param_zero_grad(strength);
    FModuleOptions options = fmodule_options(true);
    options.mode = mode;
    p->fnet = fmodule_create_with(p->tape, net, options);
    p->strength = param_tensor(p->tape, strength);
    return diffopt_create(inner, p->fnet);
}

int main(void) {
    Module *net = module_linear_no_bias(1, 1);
    module_to(net, HC_F64);
    param_fill(module_param(net, "weight"), 0);
    Param *strength = param_create("strength", shape_scalar(), HC_F64);
    param_fill(strength, 1);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.05));
    Problem p = {.tape = tape_create(HC_F64)};

    DiffOpt *opt = begin(&p, net, strength, inner, HC_FULL);
    for (int t = 0; t < 100; t++)
        diffopt_step(opt, inner_loss(p.fnet, &p));
    tensor_backward(meta_loss(p.fnet));
    double stored = param_grad_get(strength, 0);
    size_t bytes = tape_stats(p.tape).peak_bytes;
    printf("stored     d/dstrength %.6f\n", stored);

    opt = begin(&p, net, strength, inner, HC_FULL);
    //! [unroll]
    UnrollOptions options = unroll_options(100);
    options.keep = HC_KEEP_EVERY;
    options.every = 10;
    unroll(&opt, 1, options, adapt, &p);
    size_t held = tape_stats(p.tape).live_bytes;
    tensor_backward(meta_loss(p.fnet));
    UnrollReport report = unroll_report(opt);
    //! [unroll]
    bool same = param_grad_get(strength, 0) == stored;
    printf("unroll     d/dstrength %.6f, the same bits: %s\n", param_grad_get(strength, 0),
           same ? "yes" : "no");
    printf("           %d checkpoints, %d steps computed again, a quarter of the memory: %s\n",
           (int)report.checkpoints, (int)report.again, held < bytes / 4 ? "yes" : "no");

    opt = begin(&p, net, strength, inner, HC_FULL);
    //! [windows]
    options = unroll_options(100);
    options.window = 10;
    options.judge = judge;
    unroll(&opt, 1, options, adapt, &p);
    //! [windows]
    printf("windows    d/dstrength %.6f\n", param_grad_get(strength, 0));

    opt = begin(&p, net, strength, inner, HC_FULL);
    //! [forward]
    options = unroll_options(100);
    options.keep = HC_KEEP_TANGENTS;
    options.outer = (TensorList){&p.strength, 1};
    unroll(&opt, 1, options, adapt, &p);
    tensor_backward(meta_loss(p.fnet)); /* the derivative came along with the weights */
    //! [forward]
    printf("forward    d/dstrength %.6f\n", param_grad_get(strength, 0));

    opt = begin(&p, net, strength, inner, HC_EVAL);
    //! [implicit]
    for (int t = 0; t < 1000; t++)
        diffopt_step_release(opt, inner_loss(p.fnet, &p)); /* to the minimum, in flat memory */
    implicit(p.fnet, inner_loss, implicit_options(), &p);
    tensor_backward(meta_loss(p.fnet));
    //! [implicit]
    printf("implicit   d/dstrength %.6f\n", param_grad_get(strength, 0));

    bool failed = higherc_error() != NULL;
    if (failed) fprintf(stderr, "%s\n", higherc_error());
    optim_destroy(inner);
    tape_destroy(p.tape);
    param_unref(strength);
    module_destroy(net);
    return failed;
}
