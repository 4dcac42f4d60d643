/* One argument NULL or nothing while the others are good: an error in words, on the tape too where there is one; and
 * where there is an error already, silence. */
#include <math.h>

#include "support/refuse.h"

static Tape *tape;

/* Refused, with this status; with an older error in the thread it is refused too, and changes nothing. */
#define HALF(code, call)                                                                           \
    do {                                                                                           \
        CHECK(!(call));                                                                            \
        CHECK(higherc_status() == (code));                                                         \
        higherc_clear_error();                                                                     \
        tape_clear_error(tape);                                                                    \
        CHECK(!tensor_relu(NULL));                                                                 \
        CHECK(!(call));                                                                            \
        higherc_clear_error();                                                                     \
        tape_clear_error(tape);                                                                    \
    } while (0)


static void holders(Module *net, Optim *optim, Tensor *x) {
    Rng rng = rng_seed(1);
    Param *p = module_params(net).items[0];
    double number = 1;
    HALF(HC_ERR_ARG, param_create(NULL, shape1(1), HC_F64));
    HALF(HC_ERR_ARG, param_create("w", shape1(1), (DType)5));
    HALF(HC_ERR_ARG, param_tensor(tape, NULL));
    HALF(HC_ERR_ARG, param_tensor(NULL, p));
    HALF(HC_ERR_ARG, param_normal(p, 0, 1, 0, NULL));
    HALF(HC_ERR_ARG, param_uniform(p, 0, 1, NULL));
    HALF(HC_ERR_ARG, param_normal(NULL, 0, 1, 0, &rng));
    HALF(HC_ERR_ARG, param_add_grad_f64(p, NULL, param_count(p)));
    HALF(HC_ERR_ARG, module_init(net, NULL));
    HALF(HC_ERR_ARG, module_init(NULL, &rng));
    HALF(HC_ERR_ARG, module_init_truncated_normal(net, 1, NULL));
    HALF(HC_ERR_ARG, module_tie(net, "weight", NULL));
    HALF(HC_ERR_ARG, module_tie(net, NULL, "weight"));
    HALF(HC_ERR_ARG, module_param(net, NULL));
    HALF(HC_ERR_ARG, module_find(net, NULL));
    HALF(HC_ERR_ARG, module_print(net, NULL));
    HALF(HC_ERR_ARG, module_save(net, NULL));
    HALF(HC_ERR_ARG, module_load(net, NULL));
    HALF(HC_ERR_ARG, module_forward(NULL, x));
    HALF(HC_ERR_ARG, module_forward_n(net, &x, 0, &x, 1));
    HALF(HC_ERR_ARG, module_forward_n(net, NULL, 1, &x, 1));
    HALF(HC_ERR_ARG, module_forward_n(net, &x, 1, NULL, 1));
    HALF(HC_ERR_ARG, module_create(&(ModuleClass){.name = "none"}, NULL));
    HALF(HC_ERR_ARG, optim_set(optim, NULL, 0, 1));
    HALF(HC_ERR_ARG, optim_save(optim, NULL));
    HALF(HC_ERR_ARG, optim_load(optim, NULL));
    CHECK(isnan(optim_get(optim, NULL, 0)) && higherc_error() != NULL);
    higherc_clear_error();
    CHECK(rng.counter == 0 && number == 1);
    rng_shuffle(NULL, 3, &rng);
    CHECK_ERROR("rng_shuffle: items is NULL");
    rng_shuffle(NULL, 0, &rng);
    CHECK(higherc_error() == NULL);
}

static void fast(Module *net, Optim *optim, Tensor *x) {
    FModule *f = fmodule_create(tape, net, false);
    TensorList w = fmodule_params(f);
    Tensor *y = NULL, *none = NULL, *one[2] = {w.items[0], NULL};
    HALF(HC_ERR_ARG, fmodule_create(tape, NULL, false));
    HALF(HC_ERR_ARG, fmodule_create(NULL, net, false));
    HALF(HC_ERR_ARG, diffopt_create(NULL, f));
    HALF(HC_ERR_ARG, diffopt_create(optim, NULL));
    HALF(HC_ERR_ARG, fmodule_forward_n(f, &x, 0, &y, 1));
    HALF(HC_ERR_ARG, fmodule_forward_n(f, NULL, 1, &y, 1));
    HALF(HC_ERR_ARG, fmodule_forward_n(f, &x, 1, NULL, 1));
    HALF(HC_ERR_ARG, fmodule_forward_n(f, &none, 1, &y, 1));
    HALF(HC_ERR_ARG, fmodule_forward_with(f, NULL, 2, x));
    HALF(HC_ERR_ARG, fmodule_forward_with(f, one, 2, x));
    HALF(HC_ERR_ARG, fmodule_set_params(f, NULL, 2));
    HALF(HC_ERR_ARG, fmodule_set_params(f, one, 2));
    HALF(HC_ERR_ARG, fmodule_set_param(f, NULL, x));
    HALF(HC_ERR_ARG, fmodule_set_param(f, "weight", NULL));
    HALF(HC_ERR_ARG, fmodule_set_vector(f, NULL));
    HALF(HC_ERR_ARG, fmodule_param(f, NULL));
    HALF(HC_ERR_ARG, fmodule_buffer(f, NULL));
    HALF(HC_ERR_ARG, fmodule_child(f, NULL));
    HALF(HC_ERR_ARG, fmodule_commit(f, NULL));
    DiffOpt *opt = diffopt_create(optim, f);
    Tensor *loss = tensor_sum(fmodule_forward(f, x));
    HALF(HC_ERR_ARG, diffopt_step(opt, NULL));
    HALF(HC_ERR_ARG, diffopt_step_with(opt, loss, NULL, 2));
    HALF(HC_ERR_ARG, diffopt_step_with(opt, loss, one, 2));
    HALF(HC_ERR_ARG, diffopt_override(opt, NULL, 0, x));
    HALF(HC_ERR_ARG, diffopt_override_param(opt, "lr", NULL, x));
    HALF(HC_ERR_ARG, diffopt_commit(opt, NULL));
    HALF(HC_ERR_ARG, diffopt_clip_norm(opt, 1, -1));
    CHECK(fmodule_steps(f) == 0 && diffopt_step(opt, loss));
}

static Tensor *itself(Tensor *const *x, size_t n, void *user) {
    (void)n, (void)user;
    return x[0];
}

static Tensor *own_forward(const CustomCall *call) {
    return call->inputs[0];
}

static void derivatives(Tensor *x) {
    Tensor *leaf = tensor_leaf(x), *y = tensor_sum(tensor_square(leaf)), *none = NULL, *g = NULL;
    GradcheckOptions options = gradcheck_options(HC_F64);
    HALF(HC_ERR_ARG, tensor_grad(y, NULL, 1, &g, 0));
    HALF(HC_ERR_ARG, tensor_grad(y, &leaf, 1, NULL, 0));
    HALF(HC_ERR_ARG, tensor_grad(y, &none, 1, &g, 0));
    HALF(HC_ERR_ARG, tensor_vjp(y, NULL, &leaf, 1, &g, 0));
    HALF(HC_ERR_ARG, tensor_hvp(y, &leaf, 1, NULL, &g, 0));
    HALF(HC_ERR_ARG, tensor_hvp(y, &leaf, 1, &none, &g, 0));
    HALF(HC_ERR_ARG, tensor_jvp(y, &leaf, 1, NULL, 0));
    HALF(HC_ERR_ARG, tensor_jvp(y, &leaf, 1, &none, 0));
    HALF(HC_ERR_ARG, tensor_backward_into(y, NULL));
    HALF(HC_ERR_ARG, gradcheck(itself, NULL, 1, options, NULL));
    HALF(HC_ERR_ARG, gradcheck(itself, &x, 0, options, NULL));
    HALF(HC_ERR_ARG, gradcheck(itself, &none, 1, options, NULL));
    options.step = 0;
    HALF(HC_ERR_ARG, gradcheck(itself, &x, 1, options, NULL));
    options = gradcheck_options(HC_F64);
    options.order = 0;
    HALF(HC_ERR_ARG, gradcheck(itself, &x, 1, options, NULL));
    CHECK(!tensor_depends_on(y, NULL) && !tensor_depends_on(NULL, leaf) &&
          tensor_depends_on(y, leaf));
    higherc_clear_error();
    tape_clear_error(tape);
    CHECK(!tensor_reaches(y, NULL));
    higherc_clear_error();
    tape_clear_error(tape);
    HALF(HC_ERR_ARG, tensor_custom(NULL, &x, 1, NULL));
    HALF(HC_ERR_ARG, tensor_custom(&(CustomClass){.name = "own"}, &x, 1, NULL));
    HALF(HC_ERR_ARG, tensor_custom(&(CustomClass){.forward = own_forward}, &x, 1, NULL));
    HALF(HC_ERR_ARG, tensor_custom(&(CustomClass){"own", own_forward, NULL}, NULL, 1, NULL));
    HALF(HC_ERR_ARG, tensor_custom(&(CustomClass){"own", own_forward, NULL}, &x, 0, NULL));
    HALF(HC_ERR_ARG, tensor_custom(&(CustomClass){"own", own_forward, NULL}, &none, 1, NULL));
}

static void programs(Module *net, Tensor *x) {
    Tensor *y = module_forward(net, x), *loss = tensor_sum(y), *none = NULL;
    HALF(HC_ERR_ARG, program_capture(NULL, &x, 1, &y, 1, loss));
    HALF(HC_ERR_ARG, program_capture(tape, NULL, 1, &y, 1, loss));
    HALF(HC_ERR_ARG, program_capture(tape, &x, 1, NULL, 1, loss));
    HALF(HC_ERR_ARG, program_capture(tape, &none, 1, &y, 1, loss));
    HALF(HC_ERR_ARG, program_capture(tape, &x, 1, &none, 1, loss));
    HALF(HC_ERR_ARG, program_capture(tape, &x, 1, NULL, 0, NULL));
    CHECK(!program_capture(tape, &none, 1, &y, 1, loss) && tape_status(tape) == HC_ERR_ARG);
    higherc_clear_error(); /* the tape has the error too */
    tape_clear_error(tape);
    Program *program = program_capture(tape, &x, 1, &y, 1, loss);
    CHECK(program && !program_run_into(program, NULL));
    CHECK_ERROR("grads is NULL");
    CHECK(!program_set_f64(program, 0, tensor_shape(x), NULL));
    CHECK_ERROR("values is NULL");
    CHECK(isnan(program_item(program, 0)));
    CHECK_ERROR("program_item: (4, 2) has not one element");
    CHECK(isnan(program_item(program, 1)) && program_output_shape(program, 1).ndim < 0);
    CHECK_ERROR("there is no output 1");
    CHECK(shape_equal(program_output_shape(program, 0), shape2(4, 2)));
    CHECK(program_run(program) && program_error(program) == NULL);
    program_destroy(program);
}

static void refuse_adding(Tasks *tasks, Module *net) {
    HALF(HC_ERR_ARG, tasks_add_params(NULL, module_params(net)));
    HALF(HC_ERR_ARG, tasks_add_params(tasks, (ParamList){NULL, 2}));
    HALF(HC_ERR_ARG, tasks_create(NULL, module_params(net), HC_F64));
    HALF(HC_ERR_ARG, tasks_run(tasks, 1, NULL, NULL, NULL));
}

/* Params are not added while tasks run. */
static bool add_at_work(Task *task, void *user) {
    Tasks *tasks = user;
    (void)task;
    bool refused = !tasks_add_params(tasks, (ParamList){NULL, 0});
    CHECK(refused && higherc_status() == HC_ERR_STATE);
    higherc_clear_error();
    return refused;
}

int main(void) {
    Rng rng = rng_seed(1);
    Pool *pool = pool_create(1);
    Module *net = module_linear(3, 2);
    CHECK(module_to(net, HC_F64) && module_init(net, &rng));
    Optim *optim = optim_sgd(module_params(net), sgd_options(0.1));
    tape = tape_create(HC_F64);
    Tensor *x = tensor_ones(tape, shape2(4, 3));
    holders(net, optim, x);
    fast(net, optim, x);
    derivatives(x);
    programs(net, x);
    Tasks *tasks = tasks_create(pool, module_params(net), HC_F64);
    refuse_adding(tasks, net);
    CHECK(tasks_run(tasks, 2, &rng, add_at_work, tasks));
    CHECK(higherc_error() == NULL && tape_error(tape) == NULL);
    tasks_destroy(tasks);
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
    pool_destroy(pool);
    return check_done();
}
