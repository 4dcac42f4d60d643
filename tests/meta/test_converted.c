/* A module converted to the other type under what was made of it: refused in words, never one type's numbers
 * over the other's memory. */
#include "support/refuse.h"

enum { SIDE = 64 };

static Module *linear(DType dtype, Rng *rng) {
    Module *net = module_linear(SIDE, SIDE);
    module_to(net, dtype);
    module_init(net, rng);
    return net;
}

static bool nothing(Task *task, void *user) {
    (void)task;
    (void)user;
    return true;
}

static bool converts(Task *task, void *user) {
    (void)task;
    return module_to(user, HC_F32);
}

static void under_tasks(void) {
    Rng rng = rng_seed(1);
    static double ones[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++)
        ones[i] = 1;
    Module *net = linear(HC_F64, &rng);
    Param *weight = module_param(net, "weight");
    Pool *pool = pool_create(1);
    Tasks *tasks = tasks_create(pool, module_params(net), HC_F64);
    CHECK(tasks_run(tasks, 2, &rng, nothing, NULL));
    module_to(net, HC_F32);
    param_add_grad_f64(weight, ones, SIDE * SIDE);
    CHECK(!tasks_run(tasks, 2, &rng, nothing, NULL));
    CHECK(higherc_status() == HC_ERR_DTYPE);
    CHECK_ERROR("tasks_run: 'weight' was converted");
    CHECK(param_grad_get(weight, 0) == 1);
    module_to(net, HC_F64);
    CHECK(tasks_run(tasks, 2, &rng, nothing, NULL));
    param_add_grad_f64(weight, ones, SIDE * SIDE);
    CHECK(!tasks_run(tasks, 1, &rng, converts, net)); /* on the way */
    CHECK_ERROR("tasks_run: 'weight' was converted");
    tasks_destroy(tasks);
    pool_destroy(pool);
    module_destroy(net);
}

static void under_grads_of_a_program(void) {
    Rng rng = rng_seed(1);
    Module *net = linear(HC_F32, &rng);
    Grads *grads = grads_create(module_params(net));
    module_to(net, HC_F64);
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_ones(tape, shape2(4, SIDE));
    Tensor *loss = tensor_mean(tensor_square(module_forward(net, x)));
    Program *program = program_capture(tape, &x, 1, &loss, 1, loss);
    CHECK(!program_run_into(program, grads));
    CHECK_ERROR("program_run_into: 'weight' of the list was converted to the other type");
    CHECK(!tensor_backward_into(loss, grads));
    tape_clear_error(tape);
    REFUSED(grads_add_to_params(grads));
    program_destroy(program);
    grads_destroy(grads);
    tape_destroy(tape);
    module_destroy(net);
}

static void under_optimizers(void) {
    Rng rng = rng_seed(1);
    Module *net = linear(HC_F32, &rng);
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_ones(tape, shape2(4, SIDE));
    Optim *optim = optim_adam(module_params(net), adam_options(0.1));
    CHECK(tensor_backward(tensor_mean(tensor_square(module_forward(net, x)))));
    CHECK(optim_step(optim));
    FModule *fast = fmodule_create(tape, net, false);
    DiffOpt *before = diffopt_create(optim, fast);
    module_to(net, HC_F64);
    WRONG_SAYING(HC_ERR_DTYPE, diffopt_create(optim, fast),
                 "diffopt_create: 'weight' was converted to the other type");
    /* What was made before has memory of its own. */
    CHECK(diffopt_step(before, tensor_mean(tensor_square(fmodule_forward(fast, x)))));
    WRONG(HC_ERR_DTYPE, fmodule_commit(fast, net));
    WRONG(HC_ERR_DTYPE, fmodule_create(tape, net, false));
    static double ones[SIDE * SIDE];
    param_add_grad_f64(module_param(net, "weight"), ones, SIDE * SIDE);
    WRONG(HC_ERR_DTYPE, optim_step(optim));
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

static Tensor *set_to; /* NULL: to the input */

static bool sets(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin;
    (void)nout;
    out[0] = in[0];
    return frame_set_buffer(frame, "b", set_to ? set_to : in[0]);
}

static const ModuleClass buffered = {.name = "buffered", .forward = sets};

static void under_shared_buffers(void) {
    Module *net = module_create(&buffered, NULL), *other = module_create(&buffered, NULL);
    module_to(net, HC_F64);
    module_to(other, HC_F64);
    CHECK(module_add_buffer(net, "b", shape1(256), 0));
    CHECK(module_add_buffer(other, "b", shape1(256), 0));
    Tape *tape = tape_create(HC_F64);
    FModuleOptions options = fmodule_options(false);
    options.buffers = HC_BUFFERS_SHARE;
    FModule *fast = fmodule_create_with(tape, net, options);
    Tensor *x = tensor_ones(tape, shape1(256));
    CHECK(fmodule_forward(fast, x));
    module_to(net, HC_F32);
    WRONG(HC_ERR_DTYPE, fmodule_forward(fast, x));
    WRONG(HC_ERR_DTYPE, fmodule_buffer(fast, "b"));
    WRONG_SAYING(HC_ERR_DTYPE, fmodule_commit(fast, other), "fmodule_commit: the shared buffers were converted");
    tape_destroy(tape);
    module_destroy(net);
    module_destroy(other);
}

/* A buffer takes tensors of the forward's own tape only. */
static void buffer_of_another_tape(void) {
    Module *net = module_create(&buffered, NULL);
    CHECK(module_add_buffer(net, "b", shape1(256), 0));
    Tape *tape = tape_create(HC_F32), *wide = tape_create(HC_F64), *far = tape_create(HC_F32);
    Tensor *x = tensor_ones(tape, shape1(256));
    FModule *fast = fmodule_create(tape, net, false);
    Tape *others[] = {wide, far};
    for (int i = 0; i < 2; i++) {
        set_to = tensor_ones(others[i], shape1(256));
        WRONG(HC_ERR_TAPE, module_forward(net, x));
        WRONG(HC_ERR_TAPE, fmodule_forward(fast, x));
        CHECK(param_get(module_buffer(net, "b"), 0) == 0);
    }
    set_to = NULL;
    CHECK(module_forward(net, x));
    CHECK(param_get(module_buffer(net, "b"), 255) == 1);
    tape_destroy(far);
    tape_destroy(wide);
    tape_destroy(tape);
    module_destroy(net);
}

int main(void) {
    under_tasks();
    under_grads_of_a_program();
    under_optimizers();
    under_shared_buffers();
    buffer_of_another_tape();
    return check_done();
}
