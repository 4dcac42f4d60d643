/* Step 6 of a case: the derivatives of the meta loss, of first, second and third order. */
#include <string.h>

#include "golden.h"

/* What the meta loss is differentiated by: weights, hyperparameters, inner inputs, in this order.
 */
typedef struct Inputs {
    Tensor **items;
    size_t weights, hypers, batches, count;
} Inputs;

static Inputs collect_inputs(Run *run, TensorList weights) {
    const Case *c = run->c;
    Inputs inputs = {.weights = weights.count, .hypers = c->hyper_count};
    inputs.batches = c->want_x_grad ? c->steps : 0;
    inputs.count = inputs.weights + inputs.hypers + inputs.batches;
    inputs.items = store_alloc(run->store, inputs.count, sizeof(Tensor *));
    Tensor **to = inputs.items;
    for (size_t i = 0; i < inputs.weights; i++)
        *to++ = weights.items[i];
    for (size_t i = 0; i < inputs.hypers; i++)
        *to++ = run->hyper[i];
    for (size_t i = 0; i < inputs.batches; i++)
        *to++ = run->x[i];
    return inputs;
}

static bool record_weight_grads(Run *run, Tensor **grads, const char *name) {
    for (size_t i = 0; i < run->params.count; i++)
        if (!run_record(run, grads[i], "%s/%s", name, run->c->params[i].name)) return false;
    return true;
}

static bool record_numbered(Run *run, Tensor **grads, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (!run_record(run, grads[i], "%s/%zu", name, i)) return false;
    return true;
}

/* S, the sum of squares of all first gradients, and its gradient. */
static bool third_order(Run *run, const Inputs *inputs, Tensor **first) {
    Tensor *sum = NULL;
    for (size_t i = 0; i < inputs->weights; i++) {
        if (!first[i]) continue;
        Tensor *squares = tensor_sum(tensor_square(first[i]));
        sum = sum ? tensor_add(sum, squares) : squares;
    }
    size_t count = inputs->weights + inputs->hypers;
    Tensor **grads = store_alloc(run->store, count, sizeof *grads);
    if (!sum || !tensor_grad(sum, inputs->items, count, grads, HC_ALLOW_UNUSED))
        return run_fail(run, "third order");
    return run_record(run, sum, "third_loss") && record_weight_grads(run, grads, "third_grad") &&
           record_numbered(run, grads + inputs->weights, inputs->hypers, "third_hyper_grad");
}

/* Only for the weights that have a vector; a missing one stands for zeros. */
static bool hessian_product(Run *run, const Inputs *inputs) {
    size_t count = inputs->weights;
    Tensor **vectors = store_alloc(run->store, count, sizeof *vectors);
    Tensor **products = store_alloc(run->store, count, sizeof *products);
    for (size_t i = 0; i < count; i++) {
        const Entry *v = dict_find_format(&run->c->data, "hvp/v/%s", run->c->params[i].name);
        Shape shape = tensor_shape(inputs->items[i]);
        vectors[i] = v && v->kind == ENTRY_REAL ? tensor_from_f64(run->tape, v->shape, v->values)
                                                : tensor_zeros(run->tape, shape);
    }
    if (!tensor_hvp(run->meta_loss, inputs->items, count, vectors, products, HC_ALLOW_UNUSED))
        return run_fail(run, "Hessian times vector");
    return record_weight_grads(run, products, "hvp");
}

/* Gradients to the base module. Where the meta loss reaches a trainable Param they are what
 * tensor_backward adds to the Params; tensor_grad has to say the same of each one, and has to give
 * nothing where nothing was added. Where it reaches none, tensor_backward has to refuse. */
static bool base_grads(Run *run) {
    size_t count = run->params.count;
    Tensor **leaves = store_alloc(run->store, count, sizeof *leaves);
    Tensor **grads = store_alloc(run->store, count, sizeof *grads);
    bool reached = false;
    for (size_t i = 0; i < count; i++) {
        param_zero_grad(run->params.items[i]);
        leaves[i] = param_tensor(run->tape, run->params.items[i]);
        reached = reached || tensor_reaches(run->meta_loss, run->params.items[i]);
    }
    if (!tensor_grad(run->meta_loss, leaves, count, grads, HC_ALLOW_UNUSED))
        return run_fail(run, "gradient to the base module");
    if (reached && !tensor_backward(run->meta_loss)) return run_fail(run, "tensor_backward");
    for (size_t i = 0; i < count; i++) {
        const Param *param = run->params.items[i];
        const char *name = run->c->params[i].name;
        if ((param_grad(param) == NULL) != (grads[i] == NULL))
            return run_fail(run, "base_grad/%s: tensor_backward and tensor_grad disagree", name);
        if (!grads[i]) {
            if (!run_record(run, NULL, "base_grad/%s", name)) return false;
            continue;
        }
        double *values = run_record_param(run, param, "base_grad/%s", name);
        double *other = store_alloc(run->store, param_count(param), sizeof *other);
        for (size_t k = 0; k < param_count(param); k++)
            values[k] = param_grad_get(param, k);
        if (!tensor_copy_to_f64(grads[i], other, param_count(param)) ||
            memcmp(values, other, param_count(param) * sizeof *values) != 0)
            return run_fail(run, "base_grad/%s: tensor_backward and tensor_grad differ", name);
    }
    if (!reached && tensor_backward(run->meta_loss))
        return run_fail(run, "tensor_backward succeeded where no Param is reached");
    if (!reached) tape_clear_error(run->tape);
    return true;
}

bool run_gradients(Run *run) {
    const Case *c = run->c;
    TensorList weights = c->track ? fmodule_params_at(run->fnet, 0) : fmodule_params(run->fnet);
    if (weights.count != run->params.count) return run_fail(run, "the fast weights");
    Inputs inputs = collect_inputs(run, weights);
    Tensor **first = store_alloc(run->store, inputs.count, sizeof *first);
    unsigned flags = HC_ALLOW_UNUSED | (c->want_third ? HC_CREATE_GRAPH : 0U);
    if (!tensor_grad(run->meta_loss, inputs.items, inputs.count, first, flags))
        return run_fail(run, "gradient of the meta loss");
    Tensor **next = first + inputs.weights;
    return record_weight_grads(run, first, c->track ? "fast0_grad" : "latest_grad") &&
           record_numbered(run, next, inputs.hypers, "hyper_grad") &&
           record_numbered(run, next + inputs.hypers, inputs.batches, "x_grad") &&
           (!c->want_third || third_order(run, &inputs, first)) &&
           (!c->want_hvp || hessian_product(run, &inputs)) && base_grads(run);
}
