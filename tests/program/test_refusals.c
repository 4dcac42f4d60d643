/* What cannot be captured or run is refused in words, and nothing is lost. */
#include <higherc/higherc.h>

#include "support/check.h"
#include "support/failing.h"

/* Refused by the capture, with a status and words; the tape stays as it was. */
static void refused(Tape *tape, Tensor **in, size_t nin, Tensor **out, size_t nout, Tensor *loss,
                    HcStatus status, const char *words) {
    size_t nodes = tape_stats(tape).nodes, blocks = higherc_live_allocations();
    CHECK(program_capture(tape, in, nin, out, nout, loss) == NULL);
    CHECK(tape_status(tape) == status && higherc_status() == status);
    CHECK_ERROR(words);
    CHECK(tape_stats(tape).nodes == nodes && higherc_live_allocations() >= blocks);
    tape_clear_error(tape);
}

static void captures(void) {
    Tape *tape = tape_create(HC_F64), *other = tape_create(HC_F64);
    Param *p = param_create("p", shape1(2), HC_F64);
    Param *q = param_create("q", shape1(2), HC_F64);
    CHECK(param_fill(p, 0.5) && param_fill(q, 2));
    Tensor *x = tensor_from_f64(tape, shape1(2), (double[]){1, 2}), *w = param_tensor(tape, p);
    Tensor *y = tensor_mul(x, w), *loss = tensor_sum(y), *constant = tensor_sum(x);
    Tensor *far = tensor_ones(other, shape1(2));
    refused(tape, (Tensor *[]){y}, 1, &y, 1, loss, HC_ERR_ARG, "input 0 is no constant");
    refused(tape, (Tensor *[]){w}, 1, &y, 1, loss, HC_ERR_ARG, "input 0 is no constant");
    refused(tape, &constant, 1, &y, 1, loss, HC_ERR_ARG, "input 0 is no constant"); /* computed */
    refused(tape, (Tensor *[]){x, x}, 2, &y, 1, loss, HC_ERR_ARG, "input 1 is listed twice");
    refused(tape, &far, 1, &y, 1, loss, HC_ERR_TAPE, "another tape");
    refused(tape, &x, 1, &y, 1, y, HC_ERR_SHAPE, "the loss is no scalar");
    refused(tape, &x, 1, NULL, 0, NULL, HC_ERR_ARG, "neither an output nor a loss");
    refused(tape, &x, 1, NULL, 1, loss, HC_ERR_ARG, "a list is NULL");
    refused(tape, &x, 1, &y, 1, constant, HC_ERR_GRAD, "the loss reaches no trainable Param");
    CHECK(program_capture(NULL, &x, 1, &y, 1, loss) == NULL);
    CHECK_ERROR("program_capture: the tape is NULL");
    /* What the host read may steer what it records afterwards, not what it recorded before. */
    double read = tensor_item(loss);
    Program *program = program_capture(tape, &x, 1, &y, 1, loss);
    CHECK(program != NULL);
    program_destroy(program);
    Tensor *after = tensor_mul_scalar(y, read);
    refused(tape, &x, 1, &after, 1, loss, HC_ERR_STATE,
            "program_capture: tensor_mul_scalar (5 on the tape) was recorded after the program had read a computed "
            "value (of tensor_sum), on which it may depend");
    Tensor *number = tensor_add(y, tensor_full(tape, shape1(2), read));
    refused(tape, &x, 1, &number, 1, NULL, HC_ERR_STATE, "had read a computed value");
    Tensor *late[] = {tensor_from_f64(tape, shape1(2), (double[]){3, 4}), param_tensor(tape, q)}; /* nothing computed */
    program = program_capture(tape, late, 1, late, 2, NULL);
    CHECK(program && program_set_f64(program, 0, shape1(2), (double[]){5, 6}) && program_run(program));
    const double *given = program_output(program, 0), *weight = program_output(program, 1);
    CHECK(given && given[1] == 6 && weight && weight[1] == 2);
    program_destroy(program);
    /* Reading what was not computed steers nothing. */
    tape_reset(tape);
    x = tensor_from_f64(tape, shape1(2), (double[]){1, 2});
    y = tensor_mul_scalar(x, ((const double *)tensor_data(x))[0]);
    program = program_capture(tape, &x, 1, &y, 1, NULL);
    CHECK(program && program_run(program));
    program_destroy(program);
    param_unref(p);
    param_unref(q);
    tape_destroy(other);
    tape_destroy(tape);
}

/* Weights that lived through a release came from what is no more. */
static void released(void) {
    Tape *tape = tape_create(HC_F32);
    Module *net = module_linear(2, 1);
    Rng rng = rng_seed(1);
    CHECK(module_init(net, &rng));
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
    FModuleOptions options = fmodule_options(false);
    options.mode = HC_FIRST_ORDER;
    Tensor *x = tensor_ones(tape, shape2(3, 2)), *y = tensor_zeros(tape, shape2(3, 1));
    FModule *fnet = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(sgd, fnet);
    CHECK(diffopt_step_release(opt, tensor_mse_loss(fmodule_forward(fnet, x), y)));
    Tensor *loss = tensor_mse_loss(fmodule_forward(fnet, x), y);
    refused(tape, &x, 1, &loss, 1, loss, HC_ERR_STATE,
            "program_capture: tensor (7 on the tape) came from numbers whose history is gone: weights after a release "
            "or an unroll, or a gradient of a loss that was released");
    optim_destroy(sgd);
    module_destroy(net);
    tape_destroy(tape);
}

static void runs(void) {
    Tape *tape = tape_create(HC_F32);
    Module *net = module_linear(2, 3);
    Rng rng = rng_seed(1);
    CHECK(module_init(net, &rng));
    Tensor *x = tensor_ones(tape, shape2(4, 2)), *classes = tensor_zeros(tape, shape1(4));
    Tensor *loss = tensor_cross_entropy_loss(module_forward(net, x), classes);
    Program *program = program_capture(tape, (Tensor *[]){x, classes}, 2, &loss, 1, loss);
    const float values[8] = {0};
    CHECK(program && program_run(program) && program_error(program) == NULL);
    CHECK(!program_set_f32(program, 2, shape2(4, 2), values));
    CHECK_ERROR("there is no input 2");
    CHECK(!program_set_f32(program, 0, shape2(2, 4), values));
    CHECK_ERROR("input 0 is (4, 2), the numbers (2, 4)");
    CHECK(!program_set_f32(program, 0, shape2(4, 2), NULL));
    CHECK_ERROR("values is NULL");
    CHECK(program_output(program, 1) == NULL);
    CHECK_ERROR("there is no output 1");

    /* An index out of its range: the run fails and no gradient moves. */
    double before = param_grad_get(module_params(net).items[0], 0);
    CHECK(program_set_f64(program, 1, shape1(4), (double[]){0, 1, 3, 2}));
    CHECK(!program_run(program));
    CHECK(program_error(program) != NULL);
    CHECK_ERROR("index 3 at position 2 is not in 0..2");
    CHECK(param_grad_get(module_params(net).items[0], 0) == before);
    CHECK(program_set_f64(program, 1, shape1(4), (double[]){0, 1, 2, 2}));
    CHECK(program_run(program) && program_error(program) == NULL);

    CHECK(module_to(net, HC_F64));
    CHECK(!program_run(program));
    CHECK_ERROR("program_run: 'weight' was converted to another type since the capture");
    program_destroy(program);
    module_destroy(net);
    tape_destroy(tape);

    CHECK(!program_run(NULL) && !program_run_into(NULL, NULL));
    CHECK_ERROR("the program is NULL");
    CHECK(program_output(NULL, 0) == NULL && program_error(NULL) == NULL);
    CHECK(program_stats(NULL).steps == 0 && program_item(NULL, 0) != 0);
    CHECK(!program_set_f32(NULL, 0, shape1(1), values) &&
          !program_set_f64(NULL, 0, shape1(1), NULL));
    higherc_clear_error();
    program_destroy(NULL);
}

/* Optimizers whose settings or state were baked in. */
static void stamps(void) {
    Tape *tape = tape_create(HC_F32);
    Module *net = module_linear(2, 3);
    Rng rng = rng_seed(1);
    CHECK(module_init(net, &rng));
    Optim *inner = optim_adam(module_params(net), adam_options(0.1));
    Optim *outer = optim_sgd(module_params(net), sgd_options(0.1));
    Tensor *x = tensor_ones(tape, shape2(4, 2)), *y = tensor_zeros(tape, shape2(4, 3));
    FModule *fnet = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, fnet);
    CHECK(diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, x), y)));
    Tensor *loss = tensor_mse_loss(fmodule_forward(fnet, x), y);
    Program *program = program_capture(tape, &x, 1, &loss, 1, loss);
    tape_reset(tape);
    /* Another optimizer's steps in place, and its settings, are no concern of the program. */
    CHECK(program_run(program) && optim_step(outer) && optim_set(outer, "lr", 0, 0.2));
    CHECK(program_run(program));
    double before = param_grad_get(module_params(net).items[0], 0);
    CHECK(optim_set(inner, "lr", 0, 0.2));
    CHECK(!program_run(program));
    CHECK_ERROR("program_run: settings or state of an optimizer that the recording was made with have changed since");
    CHECK(param_grad_get(module_params(net).items[0], 0) == before);
    program_destroy(program);
    program = NULL;

    x = tensor_ones(tape, shape2(4, 2));
    fnet = fmodule_create(tape, net, false);
    opt = diffopt_create(inner, fnet);
    CHECK(diffopt_step(
        opt, tensor_mse_loss(fmodule_forward(fnet, x), tensor_zeros(tape, shape2(4, 3)))));
    loss = tensor_sum(fmodule_forward(fnet, x));
    program = program_capture(tape, &x, 1, &loss, 1, loss);
    CHECK(program_run(program));
    CHECK(optim_step(inner)); /* its moments move */
    CHECK(!program_run(program));
    CHECK_ERROR("have changed since");
    /* It outlives what it was made of. */
    tape_destroy(tape);
    optim_destroy(inner);
    module_destroy(net);
    CHECK(!program_run(program));
    higherc_clear_error();
    program_destroy(program);
    optim_destroy(outer);
}

/* ---- failing allocations ------------------------------------------------------------------------------- */

/* True when the whole scenario went through. */
static bool scenario(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = module_linear(2, 1);
    Rng rng = rng_seed(1);
    module_init(net, &rng);
    module_to(net, HC_F64);
    Optim *inner = optim_adam(module_params(net), adam_options(0.1));
    Tensor *x = tensor_ones(tape, shape2(3, 2)), *y = tensor_zeros(tape, shape2(3, 1));
    FModuleOptions options = fmodule_options(false);
    options.mode = HC_FIRST_ORDER;
    FModule *fnet = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(inner, fnet);
    for (int k = 0; k < 2; k++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, x), y));
    Tensor *loss = tensor_mse_loss(fmodule_forward(fnet, x), y);
    size_t nodes = tape_stats(tape).nodes;
    Program *program = program_capture(tape, &x, 1, &loss, 1, loss);
    CHECK(tape_stats(tape).nodes == nodes);
    bool done = program_run(program);
    program_destroy(program);
    tape_destroy(tape);
    optim_destroy(inner);
    module_destroy(net);
    return done;
}

int main(void) {
    captures();
    released();
    runs();
    stamps();
    fail_each_allocation("capture and run", scenario);
    return check_done();
}
