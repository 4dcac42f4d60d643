/* Each cause of a missing gradient says itself, in each of the three calls that ask for one: tensor_grad,
 * tensor_backward, diffopt_step. Nothing is given, added or stepped then. */
#include <string.h>

#include "support/each.h"
#include "support/refuse.h"

static Tape *tape;
static Module *net;
static Optim *inner;

#define EXPECT(failed, who, text)                                                                  \
    do {                                                                                           \
        CHECK(failed);                                                                             \
        CHECK(higherc_status() == HC_ERR_GRAD && tape_status(tape) == HC_ERR_GRAD);                \
        CHECK(higherc_error() && strncmp(higherc_error(), who, strlen(who)) == 0);                 \
        CHECK_ERROR(text);                                                                         \
        tape_clear_error(tape);                                                                    \
    } while (0)

/* ---- causes on the way from a tensor to a loss, wherever the tensor comes from ------------------------ */

static Tensor *by_detach(Tensor *w) {
    return tensor_sum(tensor_square(tensor_detach(tensor_square(w))));
}

static Tensor *by_recording(Tensor *w) {
    tape_set_recording(tape, false);
    Tensor *y = tensor_square(w);
    tape_set_recording(tape, true);
    return tensor_sum(y);
}

static Tensor *by_no_graph(Tensor *w) {
    Tensor *g = NULL;
    CHECK(tensor_grad(tensor_sum(tensor_square(w)), &w, 1, &g, 0));
    return tensor_sum(tensor_square(g));
}

static Tensor *by_operation(Tensor *w) {
    return tensor_sum(tensor_ge(w, tensor_scalar(tape, 0)));
}

static Tensor *by_argmax(Tensor *w) {
    return tensor_argmax(tensor_reshape(w, shape1(tensor_count(w))));
}

static Tensor *by_leaf(Tensor *w) { /* history begins anew: it does not depend on w */
    return tensor_sum(tensor_leaf(w));
}

typedef struct Way {
    Tensor *(*make)(Tensor *w);
    const char *text;
} Way;

static const Way ways[] = {
    {by_detach, "the history was detached"},
    {by_recording, "history was switched off (tape_set_recording)"},
    {by_no_graph, "a gradient was taken without HC_CREATE_GRAPH"},
    {by_operation, "an operation on the way has no derivative"},
    {by_argmax, "an operation on the way has no derivative"},
    {by_leaf, "it does not depend on it"},
};

static FModule *make(bool copy, FMode mode) {
    FModuleOptions options = fmodule_options(copy);
    options.mode = mode;
    return fmodule_create_with(tape, net, options);
}

static void on_the_way(void) {
    Param *p = module_param(net, "weight");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        Tensor *leaf = tensor_leaf(tensor_ones(tape, shape2(1, 1))), *marker = leaf, *g = marker;
        EXPECT(!tensor_grad(ways[i].make(leaf), &leaf, 1, &g, 0), "tensor_grad", ways[i].text);
        CHECK(g == marker);
        CHECK(tensor_grad(ways[i].make(leaf), &leaf, 1, &g, HC_ALLOW_UNUSED) && g == NULL);
        CHECK(tensor_grad(ways[i].make(leaf), &leaf, 1, &g, HC_ZEROS) && tensor_item(g) == 0);
        EXPECT(!tensor_vjp(ways[i].make(leaf), tensor_scalar(tape, 1), &leaf, 1, &g, 0),
               "tensor_vjp", ways[i].text);
        CHECK(!tensor_depends_on(ways[i].make(leaf), leaf) && higherc_error() == NULL);

        EXPECT(!tensor_backward(ways[i].make(param_tensor(tape, p))), "tensor_backward",
               ways[i].text);
        CHECK(param_grad(p) == NULL && !tensor_reaches(ways[i].make(param_tensor(tape, p)), p));
        Grads *grads = grads_create(module_params(net));
        EXPECT(!tensor_backward_into(ways[i].make(param_tensor(tape, p)), grads),
               "tensor_backward_into", ways[i].text);
        CHECK(grads_get(grads, 0) == NULL);
        grads_destroy(grads);

        for (int mode = HC_FULL; mode <= HC_EVAL; mode++) {
            FModule *f = make(false, (FMode)mode);
            DiffOpt *opt = diffopt_create(inner, f);
            EXPECT(!diffopt_step(opt, ways[i].make(fmodule_param(f, "weight"))), "diffopt_step",
                   ways[i].text);
            CHECK(fmodule_steps(f) == 0 && diffopt_steps(opt) == 0);
        }
    }
}

/* ---- causes in what is asked ---------------------------------------------------------------------------- */

static Tensor *use(Tensor *w) {
    return tensor_sum(tensor_square(w));
}

static Tensor *loss_of(FModule *f) {
    return use(fmodule_forward(f, tensor_ones(tape, shape2(1, 1))));
}

static void in_what_is_asked(void) {
    Tensor *g = NULL, *data = tensor_ones(tape, shape2(1, 1));
    Param *w = module_param(net, "weight"), *b = module_param(net, "bias");
    const char *constant = "it is a constant (tensor_leaf makes one";
    EXPECT(!tensor_grad(use(data), &data, 1, &g, 0), "tensor_grad", constant);
    EXPECT(!tensor_backward(use(data)), "tensor_backward", constant);
    FModule *f = make(false, HC_FULL);
    DiffOpt *opt = diffopt_create(inner, f);
    EXPECT(!diffopt_step(opt, use(data)), "diffopt_step", constant);

    param_freeze(w, true);
    param_freeze(b, true);
    Tensor *leaf = param_tensor(tape, w);
    EXPECT(!tensor_grad(use(leaf), &leaf, 1, &g, 0), "tensor_grad", "the Param is frozen");
    EXPECT(!tensor_backward(use(leaf)), "tensor_backward", "the Param is frozen");
    FModule *cold = make(false, HC_FULL);
    Tensor *fast = fmodule_param(cold, "weight");
    EXPECT(!tensor_grad(use(fast), &fast, 1, &g, 0), "tensor_grad", "the Param is frozen");
    EXPECT(!tensor_backward(loss_of(cold)), "tensor_backward", "the Param is frozen");
    EXPECT(!diffopt_step(diffopt_create(inner, cold), loss_of(cold)), "diffopt_step",
           "the Param is frozen");
    param_freeze(w, false);
    param_freeze(b, false);

    /* fast weights that are not those of W<0>'s Params */
    FModule *copied = make(true, HC_FULL);
    leaf = param_tensor(tape, w);
    EXPECT(!tensor_backward(loss_of(copied)), "tensor_backward", "(copy_initial_weights)");
    EXPECT(!tensor_grad(loss_of(copied), &leaf, 1, &g, 0), "tensor_grad", "(copy_initial_weights)");
    CHECK(diffopt_step(diffopt_create(inner, copied), loss_of(copied)));
    EXPECT(!tensor_backward(loss_of(copied)), "tensor_backward", "(copy_initial_weights)");

    FModule *eval = make(false, HC_EVAL);
    Tensor *first = fmodule_param(eval, "weight");
    CHECK(diffopt_step(diffopt_create(inner, eval), loss_of(eval)));
    EXPECT(!tensor_backward(loss_of(eval)), "tensor_backward", "HC_EVAL keeps no history");
    EXPECT(!tensor_grad(loss_of(eval), &first, 1, &g, 0), "tensor_grad", "HC_EVAL");

    /* the path through the inner gradient, which first order does without */
    FModule *quick = make(true, HC_FIRST_ORDER);
    opt = diffopt_create(inner, quick);
    Tensor *scale = tensor_leaf(tensor_scalar(tape, 2));
    CHECK(diffopt_step(opt, tensor_mul(loss_of(quick), scale)));
    EXPECT(!tensor_grad(loss_of(quick), &scale, 1, &g, 0), "tensor_grad", "HC_FIRST_ORDER");
    Param *learned = param_create("scale", shape_scalar(), HC_F64);
    CHECK(param_fill(learned, 2));
    Tensor *own[2] = {tensor_leaf(tensor_ones(tape, shape2(1, 1))),
                      tensor_leaf(tensor_ones(tape, shape1(1)))};
    CHECK(fmodule_set_params(quick, own, 2));
    CHECK(diffopt_step(opt, tensor_mul(loss_of(quick), param_tensor(tape, learned))));
    EXPECT(!tensor_backward(loss_of(quick)), "tensor_backward", "HC_FIRST_ORDER");
    CHECK(tensor_grad(loss_of(quick), own, 2, (Tensor *[2]){NULL, NULL}, 0));
    param_unref(learned);

    FModule *cut = make(false, HC_FULL);
    opt = diffopt_create(inner, cut);
    first = fmodule_param(cut, "weight");
    CHECK(diffopt_step(opt, loss_of(cut)) && diffopt_detach(opt));
    EXPECT(!tensor_backward(loss_of(cut)), "tensor_backward", "the history was detached");
    EXPECT(!tensor_grad(loss_of(cut), &first, 1, &g, 0), "tensor_grad", "the history was detached");

    /* a loss of the weights before the last step */
    FModule *late = make(false, HC_FULL);
    opt = diffopt_create(inner, late);
    Tensor *stale = loss_of(late);
    CHECK(diffopt_step(opt, stale));
    EXPECT(!diffopt_step(opt, stale), "diffopt_step", "W<1>");
    CHECK(fmodule_steps(late) == 1 && diffopt_steps(opt) == 1 && g == NULL);
    CHECK(param_grad(w) == NULL && param_grad(b) == NULL);

    REFUSED(optim_step(inner));
    CHECK(optim_error(inner) && strstr(optim_error(inner), "absent"));
}

int main(void) {
    void (*const tests[])(void) = {on_the_way, in_what_is_asked};
    net = module_linear(1, 1);
    CHECK(module_to(net, HC_F64) && param_fill(module_param(net, "weight"), 0.5) &&
          param_fill(module_param(net, "bias"), 0.1));
    inner = optim_sgd(module_params(net), sgd_options(0.1));
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    optim_destroy(inner);
    module_destroy(net);
    return check_done();
}
