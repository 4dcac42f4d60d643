/* Silence is a bug: each cause of a missing gradient has its message. And memory that changed, marks
 * that expired, tensors that were freed. */
#include <higherc/higherc.h>

#include <math.h>

#include "support/check.h"

static Tape *tape;
static Module *net;
static Optim *inner;

/* The tape's error and the thread's are the same text; both are cleared. */
static void expect(bool failed, const char *text) {
    CHECK(failed);
    CHECK(tape_error(tape) != NULL);
    CHECK_ERROR(text);
    tape_clear_error(tape);
}

static Tensor *loss_of(FModule *f) {
    Tensor *x = tensor_from_f64(tape, shape2(2, 1), (double[]){0.5, -1});
    return tensor_sum(tensor_square(fmodule_forward(f, x)));
}

static FModule *make(bool copy, FMode mode) {
    FModuleOptions options = fmodule_options(copy);
    options.mode = mode;
    return fmodule_create_with(tape, net, options);
}

static void causes(void) {
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape1(2), (double[]){1, 2})), *g = NULL;
    Tensor *data = tensor_ones(tape, shape1(2)), *marker = data;

    expect(!tensor_backward(loss_of(make(true, HC_FULL))), "copy_initial_weights");
    FModule *f = make(false, HC_EVAL);
    diffopt_step(diffopt_create(inner, f), loss_of(f));
    expect(!tensor_backward(loss_of(f)), "HC_EVAL");
    f = make(false, HC_FULL);
    DiffOpt *opt = diffopt_create(inner, f);
    diffopt_detach(opt);
    expect(!tensor_backward(loss_of(f)), "detached");

    g = marker;
    expect(!tensor_grad(tensor_sum(tensor_square(data)), &x, 1, &g, 0), "does not depend");
    expect(!tensor_grad(tensor_sum(tensor_square(x)), &data, 1, &g, 0), "constant");
    expect(!tensor_grad(tensor_sum(tensor_detach(x)), &x, 1, &g, 0), "detached");
    expect(!tensor_grad(tensor_sum(tensor_gt(x, data)), &x, 1, &g, 0), "no derivative");
    CHECK(g == marker); /* untouched by all of them */
    CHECK(tensor_grad(tensor_sum(data), &x, 1, &g, HC_ALLOW_UNUSED) && g == NULL);
    CHECK(tensor_grad(tensor_sum(data), &x, 1, &g, HC_ZEROS) && tensor_count(g) == 2);
    CHECK(tensor_item(tensor_sum(g)) == 0);

    CHECK(tensor_grad(tensor_sum(tensor_square(x)), &x, 1, &g, 0));
    expect(!tensor_grad(tensor_sum(g), &x, 1, &g, 0), "HC_CREATE_GRAPH");
    tape_set_recording(tape, false);
    Tensor *blind = tensor_sum(tensor_square(x));
    tape_set_recording(tape, true);
    expect(!tensor_grad(blind, &x, 1, &g, 0), "history was switched off");
    expect(!tensor_grad(tensor_square(x), &x, 1, &g, 0), "no scalar");

    param_freeze(module_param(net, "weight"), true);
    param_freeze(module_param(net, "bias"), true);
    expect(!tensor_backward(loss_of(make(false, HC_FULL))), "frozen");
    f = make(false, HC_FULL);
    expect(!diffopt_step(diffopt_create(inner, f), loss_of(f)), "reaches none");
    param_freeze(module_param(net, "weight"), false);
    param_freeze(module_param(net, "bias"), false);
    f = make(false, HC_FULL);
    opt = diffopt_create(inner, f);
    expect(!diffopt_step(opt, tensor_sum(tensor_square(x))), "reaches none");
    CHECK(fmodule_steps(f) == 0 && diffopt_steps(opt) == 0);
    expect(!diffopt_step_release(opt, loss_of(f)), "HC_FULL");
}

static void changed(void) {
    Param *w = module_param(net, "weight");
    tape_reset(tape);
    CHECK(param_tensor(tape, w) == param_tensor(tape, w));
    Tensor *leaf = param_tensor(tape, w), *y = tensor_sum(tensor_square(leaf));
    FModule *f = make(false, HC_FULL);
    Tensor *loss = loss_of(f);
    double before = param_get(w, 0), kept = tensor_item(tensor_sum(fmodule_param(f, "weight")));
    param_fill(w, before + 1);
    Tensor *g;
    expect(!tensor_grad(y, &leaf, 1, &g, 0), "'weight'");
    CHECK(tensor_backward(loss)); /* fast weights are clones */
    CHECK(tensor_item(tensor_sum(fmodule_param(f, "weight"))) == kept);
    CHECK(param_tensor(tape, w) != leaf);
    param_fill(w, before);
    param_zero_grad(w);
    param_zero_grad(module_param(net, "bias"));
}

static void marks(void) {
    tape_reset(tape);
    FModule *f = make(false, HC_FULL);
    DiffOpt *opt = diffopt_create(inner, f);
    CHECK(diffopt_step(opt, loss_of(f)));
    TapeMark mark = tape_mark(tape);
    double at_mark = tensor_item(fmodule_param(f, "bias"));
    CHECK(diffopt_step(opt, loss_of(f)) && diffopt_step(opt, loss_of(f)));
    CHECK(fmodule_steps(f) == 3);
    Tensor *late = tensor_ones(tape, shape1(1));
    CHECK(tape_release(tape, mark));
    CHECK(fmodule_steps(f) == 1 && diffopt_steps(opt) == 1);
    CHECK(tensor_item(fmodule_param(f, "bias")) == at_mark);
    expect(!tensor_neg(late), "freed");
    CHECK(diffopt_step(opt, loss_of(f)));
    CHECK(diffopt_detach(opt)); /* truncated: a release keeps it */
    double now = tensor_item(fmodule_param(f, "bias"));
    CHECK(tape_release(tape, mark));
    CHECK(fmodule_steps(f) == 2 && tensor_item(fmodule_param(f, "bias")) == now);
    CHECK(diffopt_step(opt, loss_of(f)) && isfinite(tensor_item(fmodule_param(f, "bias"))));

    Tape *other = tape_create(HC_F64);
    Tensor *foreign = tensor_ones(other, shape1(1));
    expect(!tape_release(tape, tape_mark(other)), "another tape");
    expect(!tensor_add(tensor_ones(tape, shape1(1)), foreign), "on another tape");
    tape_destroy(other);
    tape_reset(tape);
    expect(!tape_release(tape, mark), "expired");
}

int main(void) {
    Rng rng = rng_seed(2);
    tape = tape_create(HC_F64);
    net = module_linear(1, 1);
    module_to(net, HC_F64);
    FModule *early = fmodule_create(tape, net, false);
    expect(early == NULL, "not initialised");
    module_init(net, &rng);
    inner = optim_sgd(module_params(net), sgd_options(0.1));
    causes();
    changed();
    marks();
    Tape *wrong = tape_create(HC_F32);
    CHECK(fmodule_create(wrong, net, false) == NULL);
    CHECK_ERROR("f64");
    tape_destroy(wrong);
    optim_zero_grad(inner);
    CHECK(!optim_step(inner));
    CHECK_ERROR("absent");
    optim_destroy(inner);
    module_destroy(net);
    tape_destroy(tape);
    return check_done();
}
