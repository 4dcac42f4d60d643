/* The page own.md: a layer, an operation and an update rule of one's own. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>

//! [module]
/* y = scale x + shift, entry by entry: one function for base weights and fast ones, since it asks its
 * frame. */
static bool affine_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (nin != 1 || nout != 1) return false;
    Tensor *scaled = tensor_mul(in[0], frame_param(frame, "scale"));
    out[0] = tensor_add(scaled, frame_param(frame, "shift"));
    return out[0] != NULL;
}

static bool affine_init(Module *module, Rng *rng) {
    (void)rng;
    return param_fill(module_param(module, "scale"), 1) &&
           param_fill(module_param(module, "shift"), 0);
}

static Module *affine(size_t size) {
    static const ModuleClass cls = {
        .name = "affine", .forward = affine_forward, .init = affine_init};
    Module *module = module_create(&cls, NULL);
    if (module_add_param(module, "scale", shape1(size)) &&
        module_add_param(module, "shift", shape1(size)))
        return module;
    module_destroy(module);
    return NULL;
}
//! [module]

//! [operation]
/* The root y of y^5 + y = x, by Newton's method. Its slope, 1 / (5 y^4 + 1), needs no step of that. */
static Tensor *root_forward(const CustomCall *call) {
    double x = tensor_item(call->inputs[0]), y = 0;
    for (int i = 0; i < 100; i++)
        y -= (y * y * y * y * y + y - x) / (5 * y * y * y * y + 1);
    return tensor_scalar(call->tape, y);
}

static bool root_backward(const CustomCall *call, Tensor **grads) {
    Tensor *fourth = tensor_square(tensor_square(call->output));
    Tensor *slope = tensor_reciprocal(tensor_add_scalar(tensor_mul_scalar(fourth, 5), 1));
    grads[0] = tensor_mul(call->gradient, slope);
    return grads[0] != NULL;
}

static const CustomClass root = {
    .name = "root", .forward = root_forward, .backward = root_backward};
//! [operation]

//! [rule]
/* p <- p - lr sign(m), m <- beta m + (1 - beta) g: signs of an average gradient. */
enum { LR, BETA, HYPERS };
static const OptimHyper hypers[HYPERS] = {{"lr", 0.01, 0, INFINITY, false},
                                          {"beta", 0.9, 0, 1, false}};
static const char *const states[] = {"average"};

static bool sign_update(OptimUpdate *u, void *user) {
    (void)user;
    Hyper beta = u->hypers[BETA], rest = hyper_sub(hyper_const(1), beta);
    Tensor *old = u->state[0], *share = hyper_scale(rest, u->grad);
    u->state[0] = old ? hyper_axpy(beta, old, share) : share; /* NULL before the first update */
    u->param = tensor_sub(u->param, hyper_scale(u->hypers[LR], tensor_sign(u->state[0])));
    return u->param != NULL;
}

static const OptimClass sign_rule = {.name = "sign",
                                     .hypers = hypers,
                                     .hyper_count = HYPERS,
                                     .states = states,
                                     .state_count = 1,
                                     .update = sign_update};
//! [rule]

static Tensor *root_of(Tensor *const *inputs, size_t count, void *user) {
    return tensor_custom(&root, inputs, count, user);
}

int main(void) {
    Rng rng = rng_seed(1);
    Tape *tape = tape_create(HC_F64);
    Module *net = affine(2);
    module_to(net, HC_F64);
    module_init(net, &rng);
    Tensor *x = tensor_from_f64(tape, shape2(1, 2), (const double[]){1, 2});
    Tensor *y = tensor_from_f64(tape, shape2(1, 2), (const double[]){3, 3});

    Optim *inner = optim_create(&sign_rule, module_params(net), NULL);
    optim_set(inner, "lr", HC_ALL_GROUPS, 0.1);
    FModule *fnet = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, fnet);
    for (int t = 0; t < 5; t++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, x), y));
    Tensor *scale = fmodule_param(fnet, "scale");
    printf("layer and rule: scale 1 1 -> %.1f %.1f\n", ((const double *)tensor_data(scale))[0],
           ((const double *)tensor_data(scale))[1]);

    //! [check]
    Tensor *at = tensor_leaf(tensor_scalar(tape, 2)), *slope, *curve;
    Tensor *value = root_of(&at, 1, NULL);
    tensor_grad(value, &at, 1, &slope, HC_CREATE_GRAPH);
    tensor_grad(slope, &at, 1, &curve, 0);
    printf("operation: y(2) = %.4f, y' = %.4f, y'' = %.4f\n", tensor_item(value),
           tensor_item(slope), tensor_item(curve));
    bool right = gradcheck(root_of, &at, 1, gradcheck_options(HC_F64), NULL); /* orders 1 and 2 */
    printf("gradcheck: %s\n", right ? "right" : higherc_error());
    //! [check]

    bool failed = higherc_error() != NULL;
    if (failed) fprintf(stderr, "%s\n", higherc_error());
    optim_destroy(inner);
    tape_destroy(tape);
    module_destroy(net);
    return failed;
}
