/* Of gradients, functional modules and differentiable optimizers. */
#include <math.h>

#include "support/tells.h"

static Tape *tape, *far;
static Module *net;
static Optim *sgd;
static Tensor *x;

static Tensor *loss_of(FModule *f) {
    return tensor_mean(tensor_square(fmodule_forward(f, x)));
}

static Module *made(void) {
    Module *module = module_linear(2, 1);
    module_to(module, HC_F64);
    module_init(module, &(Rng){1, 2});
    return module;
}

static Tensor *wrong_derivative(Tensor *const *in, size_t count, void *user) {
    (void)count, (void)user;
    return tensor_sum(tensor_mul(in[0], tensor_detach(in[0])));
}

static Tensor *nothing(Tensor *const *in, size_t count, void *user) {
    (void)in, (void)count, (void)user;
    return NULL;
}

static void gradients(void) {
    Tensor *a = tensor_leaf(tensor_ones(tape, shape2(2, 3))), *b = tensor_ones(tape, shape1(2)), *g, *y = tensor_sum(a);
    Tensor *leaf = tensor_leaf(b), *none = NULL;
    GradcheckOptions o = gradcheck_options(HC_F64);
    TELLS(SHAPE, tensor_grad(a, &a, 1, &g, 0), "tensor_grad: the output has shape (2, 3) and is no scalar");
    TELLS(ARG, tensor_grad(NULL, &a, 1, &g, 0), "tensor_grad: a tensor is NULL");
    TELLS(ARG, tensor_grad(y, NULL, 1, &g, 0), "tensor_grad: a list is NULL");
    TELLS(ARG, tensor_grad(y, &a, 1, NULL, 0), "tensor_grad: a list is NULL");
    TELLS(GRAD, tensor_grad(y, &leaf, 1, &g, 0),
          "tensor_grad: no gradient flows from the output to input 0: it does not depend on it");
    TELLS(GRAD, tensor_grad(y, &b, 1, &g, 0),
          "tensor_grad: no gradient flows from the output to input 0: it is a constant (tensor_leaf makes one that "
          "collects gradients)");
    TELLS(SHAPE, tensor_vjp(a, b, &a, 1, &g, 0), "tensor_vjp: the cotangent has not the output's shape");
    TELLS(ARG, tensor_vjp(a, NULL, &a, 1, &g, 0), "tensor_vjp: tensor 2 is NULL");
    TELLS(SHAPE, tensor_hvp(y, &a, 1, &b, &g, 0), "tensor_hvp: input 0 is (2, 3), its direction (2)");
    TELLS(ARG, tensor_hvp(y, &a, 1, NULL, &g, 0), "tensor_hvp: vectors is NULL");
    TELLS(ARG, tensor_hvp(y, &a, 1, &none, &g, 0), "tensor_hvp: tensor 2 is NULL");
    TELLS(SHAPE, tensor_jvp(a, &a, 1, &b, 0), "tensor_jvp: input 0 is (2, 3), its direction (2)");
    TELLS(SHAPE, tensor_backward(a), "tensor_backward: the output has shape (2, 3) and is no scalar");
    TELLS(ARG, tensor_backward(NULL), "tensor_backward: a tensor is NULL");
    TELLS(GRAD, tensor_backward(y), "tensor_backward: the loss reaches no trainable Param: it does not depend on it");
    TELLS(ARG, tensor_backward_into(y, NULL), "tensor_backward_into: grads is NULL");
    CHECK(!gradcheck(wrong_derivative, &a, 1, o, NULL)); /* whose digits are the machine's */
    CHECK_ERROR("gradcheck: order 1, input 0, entry 0: the derivative is ");
    TELLS(STATE, gradcheck(nothing, &a, 1, o, NULL), "gradcheck: the function gave no tensor");
    TELLS(ARG, gradcheck(NULL, &a, 1, o, NULL), "gradcheck: the function or the inputs are missing");
    TELLS(ARG, gradcheck(nothing, NULL, 1, o, NULL), "gradcheck: the function or the inputs are missing");
    o.order = 9;
    TELLS(ARG, gradcheck(nothing, &a, 1, o, NULL), "gradcheck: order must be 1 to 6 and step positive");
    Module *other = made();
    Grads *grads = grads_create(module_params(other));
    TELLS(GRAD, tensor_backward_into(tensor_mean(module_forward(net, x)), grads),
          "tensor_backward_into: the loss reaches no trainable Param of the list: it is a constant (tensor_leaf makes "
          "one that collects gradients)");
    Tensor *loss = tensor_mean(module_forward(other, x));
    param_freeze(module_params(other).items[0], true);
    param_freeze(module_params(other).items[1], true);
    TELLS(GRAD, tensor_backward(tensor_mean(module_forward(other, x))),
          "tensor_backward: the loss reaches no trainable Param: the Param is frozen (param_freeze)");
    module_to(other, HC_F32);
    TELLS(DTYPE, tensor_backward_into(loss, grads), "tensor_backward_into: 'bias' was converted to the other type");
    grads_destroy(grads);
    module_destroy(other);
}

static bool passes(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin, (void)nout;
    out[0] = frame_call(frame, "0", in[0]);
    return out[0] != NULL;
}

static void functional(void) {
    FModuleOptions o = fmodule_options(false);
    Module *single = module_linear(2, 1), *other = made(), *deep;
    deep = module_create(&(ModuleClass){.name = "deep", .forward = passes}, NULL);
    module_to(deep, HC_F64);
    module_add_child(deep, "0", other);
    Tensor *out, *alien = tensor_ones(far, shape2(1, 2)), *b = tensor_ones(tape, shape1(7));
    TELLS(ARG, fmodule_create(NULL, net, true), "fmodule_create: the tape is NULL");
    TELLS(ARG, fmodule_create(tape, NULL, true), "fmodule_create: the module is NULL");
    TELLS(DTYPE, fmodule_create(tape, single, true), "fmodule_create: the module is f32, the tape f64 (module_to)");
    o.mode = (FMode)9;
    TELLS(ARG, fmodule_create_with(tape, net, o), "fmodule_create_with: 9 is no mode");
    o = fmodule_options(false);
    o.buffers = (FBuffers)9;
    TELLS(ARG, fmodule_create_with(tape, net, o), "fmodule_create_with: 9 is no policy for buffers");
    FModule *f = fmodule_create(tape, net, false);
    TensorList w = fmodule_params(f);
    Tensor *pair[2] = {w.items[0], b}, *foreign[2] = {w.items[0], alien};
    TELLS(ARG, fmodule_forward(NULL, x), "fmodule_forward: the module is NULL");
    TELLS(ARG, fmodule_forward(f, NULL), "fmodule_forward: input 0 is NULL");
    TELLS(TAPE, fmodule_forward(f, alien), "fmodule_forward: the input is on another tape than the functional module");
    TELLS(SHAPE, fmodule_forward(f, b),
          "fmodule_forward: linear: tensor_linear: input (7), weight (1, 2), bias (1); it takes [..., in], [out, in] "
          "and [out]");
    TELLS(ARG, fmodule_forward_n(f, NULL, 1, &out, 1), "fmodule_forward_n: the list of inputs is NULL");
    TELLS(ARG, fmodule_forward_n(f, &x, 0, &out, 1), "fmodule_forward_n: no inputs");
    TELLS(ARG, fmodule_forward_with(f, NULL, 2, x), "fmodule_forward_with: the list of tensors is NULL");
    TELLS(SHAPE, fmodule_forward_with(f, w.items, 1, x), "fmodule_forward_with: 1 tensors for 2 parameters");
    TELLS(SHAPE, fmodule_forward_with(f, pair, 2, x), "fmodule_forward_with: 'bias' is (1), the tensor (7)");
    TELLS(TAPE, fmodule_forward_with(f, foreign, 2, x),
          "fmodule_forward_with: tensor 2 is on another tape than the first");
    TELLS(RANGE, fmodule_params_at(f, 1), "fmodule_params_at: W<1> is not there: W<0> is the latest");
    TELLS(NAME, fmodule_param(f, "v"), "fmodule_param: there is no 'v'");
    TELLS(ARG, fmodule_param(f, NULL), "fmodule_param: there is no '(NULL)'");
    TELLS(NAME, fmodule_buffer(f, "v"), "fmodule_buffer: there is no 'v'");
    TELLS(NAME, fmodule_child(f, "v"), "fmodule_child: there is no 'v'");
    TELLS(SHAPE, fmodule_set_params(f, w.items, 1), "fmodule_set_params: 1 tensors for 2 parameters");
    TELLS(ARG, fmodule_set_params(f, NULL, 2), "fmodule_set_params: the list of tensors is NULL");
    TELLS(TAPE, fmodule_set_params(f, ((Tensor *[]){alien, alien}), 2),
          "fmodule_set_params: tensor 0 is on another tape than the functional module");
    TELLS(NAME, fmodule_set_param(f, "v", b), "fmodule_set_param: there is no 'v'");
    TELLS(ARG, fmodule_set_param(f, "weight", NULL), "fmodule_set_param: the tensor for 'weight' is NULL");
    TELLS(SHAPE, fmodule_set_param(f, "weight", b), "fmodule_set_param: 'weight' is (1, 2), the tensor (7)");
    TELLS(TAPE, fmodule_set_param(f, "weight", alien),
          "fmodule_set_param: the tensor for 'weight' is on another tape than the functional module");
    TELLS(SHAPE, fmodule_set_vector(f, b), "fmodule_set_vector: a vector of (7) for 3 weights");
    TELLS(ARG, fmodule_set_vector(f, NULL), "fmodule_set_vector: the vector is NULL");
    TELLS(SHAPE, fmodule_set_vector(f, alien), "fmodule_set_vector: a vector of (1, 2) for 3 weights");
    TELLS(ARG, fmodule_commit(f, NULL), "fmodule_commit: the module is NULL");
    TELLS(DTYPE, fmodule_commit(f, single), "fmodule_commit: the module is f32, the tape f64 (module_to)");
    Module *bare = module_linear_no_bias(2, 1);
    module_to(bare, HC_F64);
    TELLS(SHAPE, fmodule_commit(f, bare), "fmodule_commit: the module has another structure");
    module_destroy(bare);
    TELLS(ARG, fmodule_train(NULL, true), "fmodule_train: the module is NULL");
    TELLS(ARG, fmodule_detach(NULL), "fmodule_detach: the module is NULL");
    TELLS(ARG, fmodule_vector(NULL), "fmodule_vector: the module is NULL");
    FModule *grown = fmodule_create(tape, deep, false);
    module_add_param(deep, "w", shape1(1));
    TELLS(CHANGED, fmodule_forward(grown, x),
          "fmodule_forward: the module it was made of has got a child, a Param or a tie since");
    module_destroy(deep);
    TELLS(CHANGED, fmodule_forward(grown, x), "fmodule_forward: the module it was made of was destroyed");
    module_destroy(single);
    TapeMark mark = tape_mark(tape);
    f = fmodule_create(tape, net, false);
    tape_release(tape, mark);
    TELLS(EXPIRED, fmodule_forward(f, x), "fmodule_forward: the module was freed by a reset or release");
}

static bool gives_up(Tape *on, Tensor **grads, size_t count, void *user) {
    (void)on, (void)grads, (void)count;
    return user != NULL;
}

static bool misshapes(Tape *on, Tensor **grads, size_t count, void *user) {
    (void)count, (void)user;
    grads[0] = tensor_ones(on, shape1(9));
    return true;
}

static bool widens(OptimUpdate *update, void *user) {
    (void)user;
    update->param = tensor_ones(tensor_tape(update->param), shape1(9));
    return true;
}

/* Weight (1, 2) and bias (1): what does not broadcast to each weight of the group is told where it is set. */
static void overridden_shapes(void) {
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(sgd, f);
    const Param *weight = module_params(net).items[0];
    Tensor *seven = tensor_ones(tape, shape1(7)), *pair = tensor_full(tape, shape2(1, 2), 0.5);
    TELLS(SHAPE, diffopt_override(opt, "lr", 0, seven),
          "diffopt_override: 'lr' of shape (7) does not broadcast to 'weight', (1, 2): it takes a scalar or what "
          "broadcasts to each weight");
    TELLS(SHAPE, diffopt_override(opt, "momentum", HC_ALL_GROUPS, pair),
          "diffopt_override: 'momentum' of shape (1, 2) does not broadcast to 'bias', (1): it takes a scalar or what "
          "broadcasts to each weight");
    TELLS(SHAPE, diffopt_override(opt, "dampening", 0, tensor_ones(tape, shape3(1, 1, 1))),
          "diffopt_override: 'dampening' of shape (1, 1, 1) does not broadcast to 'weight', (1, 2): it takes a scalar "
          "or what broadcasts to each weight");
    TELLS(SHAPE, diffopt_override_param(opt, "weight_decay", weight, seven),
          "diffopt_override_param: 'weight_decay' of shape (7) does not broadcast to 'weight', (1, 2): it takes a "
          "scalar or what broadcasts to each weight");
    CHECK(diffopt_override_param(opt, "lr", weight, pair) && diffopt_step(opt, loss_of(f)));
    const Schedule wide = schedule_exponential(hyper_tensor(seven)), fits = schedule_exponential(hyper_const(0.5));
    CHECK(diffopt_schedule(opt, "lr", 0, &wide));
    TELLS(SHAPE, diffopt_step(opt, loss_of(f)),
          "diffopt_step: the factor of 'lr' of shape (7) does not broadcast to 'weight', (1, 2): it takes a scalar or "
          "what broadcasts to each weight");
    CHECK(diffopt_schedule(opt, "lr", 0, &fits) && diffopt_step(opt, loss_of(f)) && diffopt_steps(opt) == 2);
    Optim *wide_rule = optim_create(&(OptimClass){.name = "wide", .update = widens}, module_params(net), NULL);
    f = fmodule_create(tape, net, false);
    TELLS(SHAPE, diffopt_step(diffopt_create(wide_rule, f), loss_of(f)),
          "diffopt_step: 'weight': the rule gives another shape than the weight's");
    optim_destroy(wide_rule);
}

static void optimizers(void) {
    Module *other = made(), *single = module_linear(2, 1);
    Optim *adam = optim_adam(module_params(net), adam_options(0.1)),
          *elsewhere = optim_sgd(module_params(other), sgd_options(1));
    Optim *f32 = optim_sgd(module_params(single), sgd_options(0.1));
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(sgd, f);
    Tensor *s = tensor_scalar(tape, 0.1), *alien = tensor_scalar(far, 0.1), *v = tensor_ones(tape, shape1(7));
    Schedule none = {.steps = 1};
    TELLS(ARG, diffopt_create(NULL, f), "diffopt_create: the optimizer is NULL");
    TELLS(ARG, diffopt_create(sgd, NULL), "diffopt_create: the functional module is NULL");
    TELLS(STATE, diffopt_create(elsewhere, f),
          "diffopt_create: 'weight' of the optimizer is not a parameter of the module");
    TELLS(DTYPE, diffopt_create(f32, f), "diffopt_create: the optimizer was made for f32, the tape is f64");
    TELLS(ARG, diffopt_step(NULL, s), "diffopt_step: the optimizer is NULL");
    TELLS(ARG, diffopt_step(opt, NULL), "diffopt_step: the loss is NULL");
    TELLS(SHAPE, diffopt_step(opt, x), "diffopt_step: the loss has shape (2, 2) and is no scalar");
    TELLS(TAPE, diffopt_step(opt, alien), "diffopt_step: the loss is on another tape");
    TELLS(GRAD, diffopt_step(opt, s),
          "diffopt_step: the loss reaches none of the latest weights W<0>: it is a constant (tensor_leaf makes one "
          "that collects gradients)");
    TELLS(STATE, diffopt_step_release(opt, loss_of(f)),
          "diffopt_step_release: HC_FULL needs the history it would free; use HC_FIRST_ORDER or HC_EVAL");
    TELLS(ARG, diffopt_step_with(opt, loss_of(f), NULL, 2), "diffopt_step_with: the list of tensors is NULL");
    TELLS(SHAPE, diffopt_step_with(opt, loss_of(f), fmodule_params(f).items, 1),
          "diffopt_step_with: 1 tensors for 2 weights");
    TELLS(SHAPE, diffopt_step_with(opt, loss_of(f), ((Tensor *[]){fmodule_params(f).items[0], v}), 2),
          "diffopt_step_with: tensor 1 has shape (7), its weight (1)");
    TELLS(TAPE, diffopt_step_with(opt, loss_of(f), ((Tensor *[]){alien, alien}), 2),
          "diffopt_step_with: the weights are on another tape");
    TELLS(NAME, diffopt_override(opt, "rate", 0, s), "diffopt_override: sgd has no hyperparameter 'rate'");
    TELLS(ARG, diffopt_override(opt, NULL, 0, s), "diffopt_override: sgd has no hyperparameter '(NULL)'");
    TELLS(ARG, diffopt_override(opt, "nesterov", 0, s),
          "diffopt_override: 'nesterov' is a flag and cannot be a tensor");
    TELLS(RANGE, diffopt_override(opt, "lr", 1, s), "diffopt_override: there is no group 1");
    TELLS(TAPE, diffopt_override(opt, "lr", 0, alien), "diffopt_override: the tensor is on another tape");
    TELLS(ARG, diffopt_override_param(opt, "lr", NULL, s), "diffopt_override_param: the Param is NULL");
    TELLS(NAME, diffopt_override_param(opt, "lr", module_params(other).items[0], s),
          "diffopt_override_param: 'weight' is not in the optimizer");
    TELLS(ARG, diffopt_schedule(opt, "lr", 0, &none), "diffopt_schedule: no schedule_ function made the schedule");
    TELLS(ARG, diffopt_clip_norm(opt, -1, 0), "diffopt_clip_norm: max_norm and eps must be 0 or more");
    TELLS(ARG, diffopt_clip_value(opt, -1), "diffopt_clip_value: the limit must be 0 or more");
    TELLS(ARG, diffopt_detach(NULL), "diffopt_detach: the optimizer is NULL");
    TELLS(ARG, diffopt_commit(opt, NULL), "diffopt_commit: the optimizer is NULL");
    TELLS(STATE, diffopt_commit(opt, adam), "diffopt_commit: an optimizer of another rule, type or groups");
    opt = diffopt_create(sgd, f);
    diffopt_grad_callback(opt, gives_up, NULL);
    TELLS(STATE, diffopt_step(opt, loss_of(f)), "diffopt_step: the gradient callback gave up");
    diffopt_grad_callback(opt, misshapes, NULL);
    TELLS(SHAPE, diffopt_step(opt, loss_of(f)),
          "diffopt_step: the gradient callback: gradient 0 has not its weight's shape");
    TapeMark mark = tape_mark(tape);
    opt = diffopt_create(sgd, fmodule_create(tape, net, false));
    tape_release(tape, mark);
    TELLS(EXPIRED, diffopt_step(opt, s), "diffopt_step: the optimizer was freed by a reset or release");
    FModule *shared;
    FModuleOptions o = fmodule_options(true);
    o.mode = HC_EVAL;
    shared = fmodule_create_with(tape, other, o);
    opt = diffopt_create(elsewhere, shared);
    CHECK(diffopt_step_release(opt, loss_of(shared)) && diffopt_step_release(opt, loss_of(shared)));
    module_to(other, HC_F32);
    TELLS(STATE, diffopt_create(elsewhere, f),
          "diffopt_create: 'weight' of the optimizer is not a parameter of the module");
    optim_destroy(f32);
    optim_destroy(elsewhere);
    optim_destroy(adam);
    module_destroy(single);
    module_destroy(other);
}

static int inner_kind;
static Tensor *inner_loss(FModule *f, void *user) {
    Tensor *loss = loss_of(f);
    (void)user;
    switch (inner_kind) {
    case 0:
        return NULL;
    case 1:
        return tensor_scalar(far, 1);
    case 2:
        return x;
    case 3:
        return tensor_scalar(tape, 1);
    case 4:
        return tensor_neg(tensor_sum(tensor_square(fmodule_vector(f))));
    default:
        return tensor_sum(tensor_pow_scalar(tensor_add_scalar(tensor_square(fmodule_vector(f)), 1), 2));
    }
    return loss;
}

/* The outer loss of weights that implicit made: its gradient runs the solver. */
static Tensor *outer_of(FModule *f) {
    return tensor_sum(tensor_square(fmodule_vector(f)));
}

static void implicits(void) {
    ImplicitOptions o = implicit_options();
    FModule *f = fmodule_create(tape, net, false);
    TELLS(ARG, implicit(NULL, inner_loss, o, NULL), "implicit: the module is NULL");
    TELLS(ARG, implicit(f, NULL, o, NULL), "implicit: the inner loss is NULL");
    o.iterations = 0;
    TELLS(ARG, implicit(f, inner_loss, o, NULL),
          "implicit: no such solver, no iterations, or a number that is negative or none");
    o = implicit_options();
    for (inner_kind = 0; inner_kind < 4; inner_kind++) {
        f = fmodule_create(tape, net, false);
        if (inner_kind == 0) TELLS(STATE, implicit(f, inner_loss, o, NULL), "implicit: the inner loss failed");
        if (inner_kind == 1)
            TELLS(TAPE, implicit(f, inner_loss, o, NULL), "implicit: the inner loss is on another tape");
        if (inner_kind == 2)
            TELLS(SHAPE, implicit(f, inner_loss, o, NULL),
                  "implicit: the inner loss has shape (2, 2) and is no scalar");
        if (inner_kind == 3)
            TELLS(GRAD, implicit(f, inner_loss, o, NULL),
                  "implicit: the inner loss reaches none of the latest weights");
    }
    inner_kind = 4;
    f = fmodule_create(tape, net, false);
    Tensor *w = tensor_leaf(tensor_zeros(tape, shape1(3))), *g;
    fmodule_set_vector(f, tensor_add_scalar(w, 0.5));
    CHECK(implicit(f, inner_loss, o, NULL));
    TELLS(GRAD, tensor_grad(outer_of(f), &w, 1, &g, 0),
          "tensor_grad: no gradient flows from the output to input 0: it does not depend on it");
}

int main(void) {
    tape = tape_create(HC_F64), far = tape_create(HC_F64);
    tells_on(tape, far);
    net = made();
    sgd = optim_sgd(module_params(net), sgd_options(0.1));
    x = tensor_from_f64(tape, shape2(2, 2), (double[]){1, 2, 3, 5});
    gradients();
    functional();
    optimizers();
    overridden_shapes();
    implicits();
    optim_destroy(sgd);
    module_destroy(net);
    tape_destroy(far);
    tape_destroy(tape);
    return check_done();
}
