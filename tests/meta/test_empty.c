/* Nothing, all the way through: weights, states, buffers and inputs without a number work like others. */
#include <stdio.h>
#include <string.h>

#include "support/refuse.h"
#include "support/unroll.h"

static const char path[] = "meta_empty.tmp";

static bool own_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin, (void)nout;
    Tensor *none = frame_buffer(frame, "none");
    if (frame_training(frame)) CHECK(frame_set_buffer(frame, "none", tensor_mul_scalar(none, 2)));
    out[0] =
        tensor_add(tensor_sum(tensor_mul(frame_param(frame, "weight"), none)), tensor_mean(in[0]));
    return out[0] != NULL;
}

/* [3, 0] to [3, 2] to a number. */
static Module *make(DType dtype) {
    static const ModuleClass cls = {.name = "own", .forward = own_forward};
    Module *own = module_create(&cls, NULL), *layers[] = {module_linear(0, 2), module_tanh(), own};
    Rng rng = rng_seed(1);
    CHECK(module_add_param(own, "weight", shape2(0, 4)) &&
          module_add_buffer(own, "none", shape2(0, 4), 1));
    Module *net = module_sequential(layers, 3);
    CHECK(module_to(net, dtype) && module_init(net, &rng) &&
          param_fill(module_param(net, "2.weight"), 1));
    return net;
}

static void parameters(void) {
    for (int dtype = HC_F32; dtype <= HC_F64; dtype++) {
        Param *p = param_create("none", shape3(2, 0, 3), (DType)dtype);
        Rng rng = rng_seed(1);
        double some = 1;
        CHECK(p && param_count(p) == 0 && param_data(p) != NULL);
        CHECK(param_set_f64(p, NULL, 0) && param_set_f32(p, NULL, 0) && param_set_f64(p, &some, 0));
        CHECK(param_fill(p, 2) && param_uniform(p, 0, 1, &rng) && param_normal(p, 0, 1, 0, &rng));
        CHECK(rng.counter == 0 && param_add_grad_f64(p, NULL, 0) && param_grad(p) != NULL);
        REFUSED(param_set_f64(p, &some, 1));
        Grads *grads = grads_create((ParamList){&p, 1});
        CHECK(grads && grads_add_to_params(grads) && grads_clip_norm(grads, 1) == 0);
        grads_destroy(grads);
        param_unref(p);
    }
    Grads *grads = grads_create((ParamList){NULL, 0});
    CHECK(grads && grads_add_to_params(grads));
    grads_destroy(grads);
}

static void tensors(DType dtype) {
    Tape *tape = tape_create(dtype);
    Tensor *x[] = {
        tensor_from_f32(tape, shape2(0, 3), NULL), tensor_from_f64(tape, shape2(0, 3), NULL),
        tensor_from_i64(tape, shape2(0, 3), NULL), tensor_borrow(tape, shape2(0, 3), NULL)};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        float f32;
        CHECK(x[i] && tensor_count(x[i]) == 0 && tensor_data(x[i]) != NULL);
        CHECK(tensor_copy_to_f32(x[i], NULL, 0) && tensor_copy_to_f64(x[i], NULL, 0));
        CHECK(tensor_copy_to_f32(x[i], &f32, 0) &&
              tensor_data(tensor_transpose(x[i], 0, 1)) != NULL);
    }
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
}

static void optimizers(DType dtype, const UnrollConfig *config) {
    Module *net = make(dtype), *copy = module_clone(net);
    ParamList params = module_params(net);
    Optim *optim = unroll_optim(config, params), *other = unroll_optim(config, module_params(copy));
    CHECK(optim_learn(optim, "lr", HC_ALL_GROUPS, HC_LEARN_WEIGHT));
    CHECK(optim_learn(other, "lr", HC_ALL_GROUPS, HC_LEARN_WEIGHT));
    for (int mode = HC_FULL; mode <= HC_EVAL; mode++) {
        Tape *tape = tape_create(dtype);
        FModuleOptions options = fmodule_options(false);
        options.mode = (FMode)mode;
        Tensor *x = tensor_zeros(tape, shape2(3, 0));
        FModule *f = fmodule_create_with(tape, net, options);
        DiffOpt *opt = diffopt_create(optim, f);
        CHECK(diffopt_step(opt, fmodule_forward(f, x)) && diffopt_clip_norm(opt, 1, 1e-6));
        CHECK(mode == HC_FULL ? diffopt_step(opt, fmodule_forward(f, x))
                              : diffopt_step_release(opt, fmodule_forward(f, x)));
        CHECK(diffopt_detach(opt) && fmodule_set_vector(f, fmodule_vector(f)));
        CHECK(fmodule_commit(f, copy) && diffopt_commit(opt, other));
        CHECK(tensor_backward(module_forward(net, x)) && optim_step(optim));
        CHECK(tape_status(tape) == HC_OK);
        tape_destroy(tape);
    }
    CHECK(optim_param_steps(optim, module_param(net, "2.weight")) == 3);
    CHECK(optim_save(optim, path) && optim_load(other, path) && module_save(net, path) &&
          module_load(copy, path));
    CHECK(module_to(net, dtype == HC_F32 ? HC_F64 : HC_F32) && module_to(net, dtype));
    remove(path);
    optim_destroy(optim);
    optim_destroy(other);
    module_destroy(net);
    module_destroy(copy);
}

static void programs(DType dtype) {
    Tape *tape = tape_create(dtype);
    Module *net = make(dtype);
    module_train(net, false);
    Tensor *x = tensor_zeros(tape, shape2(3, 0)), *none = tensor_zeros(tape, shape2(0, 5));
    Tensor *loss = module_forward(net, x),
           *out[] = {tensor_tanh(none), tensor_sum(none), none, loss};
    Program *program = program_capture(tape, (Tensor *[]){x, none}, 2, out, 4, loss);
    CHECK(program && program_set_f32(program, 0, shape2(3, 0), NULL));
    CHECK(program_set_f64(program, 1, shape2(0, 5), NULL) && program_run(program));
    CHECK(program_output(program, 0) && program_item(program, 1) == 0);
    CHECK(program_item(program, 3) == tensor_item(loss));
    CHECK(!program_set_f64(program, 1, shape2(0, 4), NULL));
    CHECK_ERROR("input 1 is (0, 5), the numbers (0, 4)");
    program_destroy(program);
    module_destroy(net);
    tape_destroy(tape);
}

static bool backwards(Task *task, void *user) {
    Module *net = user;
    return tensor_backward_into(module_forward(net, tensor_zeros(task->tape, shape2(3, 0))),
                                task->grads);
}

static void tasks(DType dtype) {
    Pool *pool = pool_create(2);
    Module *net = make(dtype);
    Rng rng = rng_seed(1);
    module_train(net, false);
    Tasks *tasks = tasks_create(pool, module_params(net), dtype);
    CHECK(tasks_run(tasks, 3, &rng, backwards, net));
    CHECK(param_grad(module_param(net, "2.weight")) != NULL);
    tasks_destroy(tasks);
    pool_destroy(pool);
    module_destroy(net);
}

int main(void) {
    parameters();
    for (int dtype = HC_F32; dtype <= HC_F64; dtype++) {
        tensors((DType)dtype);
        programs((DType)dtype);
        tasks((DType)dtype);
        for (size_t i = 0; i < unroll_config_count; i++)
            optimizers((DType)dtype, &unroll_configs[i]);
    }
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("none");
    return check_done();
}
